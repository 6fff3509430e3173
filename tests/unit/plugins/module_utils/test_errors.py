# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One exception for all failures, and the kinds that it has."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ansible_collections.registryops.acr.plugins.module_utils._diagnosis import TABLE
from ansible_collections.registryops.acr.plugins.module_utils._errors import AcrError

PLUGINS = Path(__file__).resolve().parents[4] / "plugins"
KINDS = set(re.findall(r"``(\w+)``", AcrError.__doc__ or ""))


def test_an_error_is_its_sentence() -> None:
    error = AcrError("denied", "team/app denies access.", status=403, detail="no right")
    assert (str(error), error.kind, error.status, error.detail) == ("team/app denies access.", "denied", 403, "no right")
    assert (AcrError("denied", "x.").status, AcrError("denied", "x.").detail) == (None, None)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_only_what_the_far_side_may_do_later_passes(kind: str) -> None:
    assert AcrError(kind, "x.").passing == (kind in ("throttled", "unavailable"))


def test_every_kind_is_described() -> None:
    code = "\n".join(path.read_text() for path in PLUGINS.rglob("*.py"))
    used = set(re.findall(r'AcrError\(\s*"(\w+)"', code)) | set(re.findall(r'error\.kind [!=]= "(\w+)"', code))
    used |= {row.kind for row in TABLE}
    assert used - KINDS == set()
