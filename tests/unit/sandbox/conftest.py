# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One sandbox for all tests of the sandbox, at its defaults and with an empty target at the start of each."""
from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from tests.sandbox.handle import Sandbox  # noqa: E402


@pytest.fixture(scope="session")
def running() -> Iterator[Sandbox]:
    with Sandbox.start() as sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """The sandbox, with this process's environment pointing at it."""
    for name, value in running.env.items():
        monkeypatch.setenv(name, value)
    running.reset("contosoprod")
    yield running
    assert running.errors() == ""


@pytest.fixture
def http(sandbox: Sandbox) -> Iterator[requests.Session]:
    """A session that goes through the sandbox's proxy and trusts its authority."""
    with requests.Session() as session:
        yield session
