# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One family of exceptions for all failures, and the reasons that they have."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ansible_collections.registryops.acr.plugins.module_utils._diagnosis import TABLE
from ansible_collections.registryops.acr.plugins.module_utils._errors import AcrError, ImportFailed, Problem

PLUGINS = Path(__file__).resolve().parents[4] / "plugins"
REASONS = set(re.findall(r"``(\w+)``", Problem.__doc__ or ""))


def test_an_error_is_its_sentence() -> None:
    error = AcrError("denied", "team/app denies access.", status=403, cause="no right")
    assert (str(error), error.reason, error.status, error.cause) == ("team/app denies access.", "denied", 403, "no right")
    assert (AcrError("denied", "x.").status, AcrError("denied", "x.").cause) == (None, None)


@pytest.mark.parametrize("reason", sorted(REASONS))
def test_only_what_the_far_side_may_do_later_passes(reason: str) -> None:
    assert AcrError(reason, "x.").passing == (reason in ("throttled", "unavailable"))


def test_every_reason_is_described() -> None:
    code = "\n".join(path.read_text() for path in PLUGINS.rglob("*.py"))
    used = set(re.findall(r'AcrError\(\s*"(\w+)"', code)) | set(re.findall(r'\.reason [!=]= "(\w+)"', code))
    used |= {row.reason for row in TABLE}
    assert used - REASONS == set()


def test_the_same_in_other_words_keeps_all_facts() -> None:
    first = ImportFailed("throttled", "quay.io limits.", status=400, cause="upstream throttles", throttled_source=True)
    second = first.but("quay.io limits pulls.", uncertain=True)
    assert second.__class__ is ImportFailed and str(second) == "quay.io limits pulls."
    assert vars(second) == {**vars(first), "uncertain": True} and not first.uncertain and str(first) == "quay.io limits."
