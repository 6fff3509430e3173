# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How `acr_import` asks for a run of one image, and what it makes of the report."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.registryops.acr.plugins.module_utils import _mirror
from ansible_collections.registryops.acr.plugins.module_utils._manifest import Descriptor
from ansible_collections.registryops.acr.plugins.module_utils._plan import Diff
from ansible_collections.registryops.acr.plugins.modules import acr_import

from .conftest import A, B, item

PARAMS = {
    "registry": "contosoprod", "resource_group": "rg", "wait": True, "timeout": 60,
    "source": "quay.io/team/app:1.0", "verify": True,
}  # fmt: skip


@pytest.fixture(autouse=True)
def faked(monkeypatch: pytest.MonkeyPatch, run: Any) -> Any:
    monkeypatch.setattr(_mirror, "Mirror", run.mirror)
    run.report.items = [item("a", "import"), item("b", "update")]
    run.report.diff = Diff({"a:1.0": None, "b:1.0": B}, {"a:1.0": A, "b:1.0": A})
    run.report.known = {A: Descriptor(A, "media/type")}
    return run


def test_what_is_returned(module: Any, azure: Any, run: Any) -> None:
    found = acr_import.work(module(**PARAMS), azure)
    assert (found["changed"], found["digest"], found["media_type"], found["verified"]) == (True, A, "media/type", True)
    assert found["source"] == "quay.io/team/app:1.0" and not {"msg", "reason"} & set(found)
    assert [(one["image"], one["action"], one["previous_digest"]) for one in found["targets"]] == [
        ("contosoprod.azurecr.test/a:1.0", "import", None), ("contosoprod.azurecr.test/b:1.0", "update", B),
    ]  # fmt: skip
    assert found["diff"][0]["after"] == {"a:1.0": A, "b:1.0": A}
    assert run.target == ("contosoprod", "rg") and len(run.entries) == 1
    assert (run.settings.check, run.settings.wait, run.settings.timeout) == (False, True, 60)


def test_check_mode(module: Any, azure: Any, run: Any) -> None:
    acr_import.work(module(check_mode=True, **PARAMS), azure)
    assert run.settings.check is True


def test_each_reason_of_a_failure_is_told_once(module: Any, azure: Any, run: Any) -> None:
    run.report.items = [item("a", "import"), item("b", "none", "No right."), item("c", "none", "No right.")]
    found = acr_import.work(module(**PARAMS), azure)
    assert (found["msg"], found["reason"]) == ("No right.", "denied")
    run.report.items.append(item("d", "none", "It is locked.", "locked"))
    found = acr_import.work(module(**PARAMS), azure)
    assert found["msg"] == "No right. It is locked." and found["changed"] is True and found["reason"] == "several"
    assert [target["action"] for target in found["targets"]] == ["import", "failed", "failed", "failed"]
    assert [target.get("reason") for target in found["targets"]] == ["absent", "denied", "denied", "locked"]


def test_what_the_image_is_is_said_though_its_import_failed(module: Any, azure: Any, run: Any) -> None:
    run.report.items = [item("a", "import", "Azure refused it.")]
    found = acr_import.work(module(**PARAMS), azure)
    assert (found["digest"], found["media_type"]) == (None, "media/type")


def test_what_the_run_notes_are_warnings(module: Any, azure: Any, run: Any) -> None:
    run.report.notes = ["docker.io announces 1 more pulls."]
    given = module(**PARAMS)
    acr_import.work(given, azure)
    assert given.warnings == ["docker.io announces 1 more pulls."]


def test_what_could_not_be_found_out_is_said_at_v(module: Any, azure: Any, run: Any) -> None:
    run.report.asides = ["The permissions were not checked."]
    quiet, verbose = module(**PARAMS), module(**PARAMS)
    verbose._verbosity = 1
    for given in (quiet, verbose):
        acr_import.work(given, azure)
    assert (quiet.warnings, verbose.warnings) == ([], ["The permissions were not checked."])
