# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The campaign of `make chaos`, in short: a few images each, and nothing that takes a minute by design."""
from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.chaos.campaign import SCENARIOS, Size
from tests.sandbox.handle import Sandbox


@pytest.fixture(scope="module")
def battlefield() -> Iterator[Sandbox]:
    """A sandbox of its own: what the campaign leaves in sources is nothing for other tests."""
    with Sandbox.start() as sandbox:
        yield sandbox
        errors = sandbox.errors()
    assert not errors, f"the sandbox itself failed:\n{errors}"


# What these meet is decided by our code alone; the others meet Python, Ansible and the libraries for HTTP as well.
# What is vetted takes a library that needs a newer urllib3 than the oldest.
OURS = ("moving", "twice", "permissions", "killed", "vetted")


@pytest.mark.parametrize(
    "scenario", [pytest.param(name, marks=pytest.mark.any_version if name in OURS else ()) for name in SCENARIOS]
)
def test_nothing_is_lost(battlefield: Sandbox, scenario: str) -> None:
    # Other tests run at the same time: what is late by seconds here is measured by `make chaos`.
    row = SCENARIOS[scenario](battlefield, 1, Size(images=10, moving=10, kills=3, patient=False, late=10.0))
    assert row.lost == [], row
