# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How `acr_import` asks for a run of one image, and what it makes of the report."""

from __future__ import annotations

import time
from typing import Any

import pytest

from ansible_collections.registryops.acr.plugins.module_utils._errors import AcrError
from ansible_collections.registryops.acr.plugins.module_utils._mirror import Result
from ansible_collections.registryops.acr.plugins.module_utils._plan import Diff, Origin, Seen, Step, Target, Want
from ansible_collections.registryops.acr.plugins.modules import acr_import

A, B = ("sha256:" + letter * 64 for letter in "ab")
PARAMS = {
    "registry": "contosoprod", "resource_group": "rg", "wait": True, "timeout": 60,
    "source": "quay.io/team/app:1.0", "verify": True,
}  # fmt: skip


def result(target: str, action: str, error: AcrError | None = None) -> Result:
    origin = Origin("quay.io", "team/app", "1.0", A)
    step = Step(Want(Target(target, "1.0"), origin, "update"), action, Seen(B if action == "update" else None))
    return Result(step, "media/type", error, changed=error is None)


@pytest.fixture(autouse=True)
def faked(monkeypatch: pytest.MonkeyPatch, mirror: Any) -> Any:
    monkeypatch.setattr(acr_import, "Mirror", mirror)
    mirror.report.results = [result("a", "import"), result("b", "update")]
    mirror.report.diff = Diff({"a:1.0": None, "b:1.0": B}, {"a:1.0": A, "b:1.0": A})
    return mirror


def test_what_is_returned(module: Any, identity: Any, mirror: Any) -> None:
    before = time.monotonic()
    found = acr_import.work(module(**PARAMS), identity)
    assert (found["changed"], found["digest"], found["media_type"], found["verified"]) == (True, A, "media/type", True)
    assert found["source"] == "quay.io/team/app:1.0"
    assert [(one["image"], one["action"], one["previous_digest"]) for one in found["targets"]] == [
        ("contosoprod.azurecr.test/a:1.0", "import", None), ("contosoprod.azurecr.test/b:1.0", "update", B),
    ]  # fmt: skip
    assert found["diff"][0]["after"] == {"a:1.0": A, "b:1.0": A}
    assert mirror.target == ("contosoprod", "rg") and len(mirror.entries) == 1
    assert (mirror.settings.check, mirror.settings.wait, mirror.settings.timeout) == (False, True, 60)
    assert 59 < mirror.settings.deadline - before <= 61, "the limit holds for the whole task"


def test_check_mode(module: Any, identity: Any, mirror: Any) -> None:
    acr_import.work(module(check_mode=True, **PARAMS), identity)
    assert mirror.settings.check is True


def test_each_reason_of_a_failure_is_told_once(module: Any, identity: Any, mirror: Any, failed: Any) -> None:
    broken = AcrError("denied", "No right.")
    mirror.report.results = [result("a", "import"), result("b", "none", broken), result("c", "none", broken)]
    mirror.report.results.append(result("d", "none", AcrError("locked", "It is locked.")))
    with pytest.raises(failed) as caught:
        acr_import.work(module(**PARAMS), identity)
    found = caught.value.result
    assert found["msg"] == "No right. It is locked." and found["changed"] is True
    assert [target["action"] for target in found["targets"]] == ["import", "failed", "failed", "failed"]


def test_what_the_options_mean_together_is_said(module: Any, identity: Any) -> None:
    given = module(**PARAMS, source_registry="quay.io", source_username="u", source_password="p")
    acr_import.work(given, identity)
    assert len(given.warnings) == 1 and "the credentials are used" in given.warnings[0]
