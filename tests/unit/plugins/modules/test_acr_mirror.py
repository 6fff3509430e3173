# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How `acr_mirror` asks for a run of many images, and what it makes of the report."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.registryops.acr.plugins.module_utils import _mirror
from ansible_collections.registryops.acr.plugins.module_utils._errors import UserError
from ansible_collections.registryops.acr.plugins.module_utils._lockfile import Line
from ansible_collections.registryops.acr.plugins.module_utils._options import SHOWN_MISTAKES
from ansible_collections.registryops.acr.plugins.module_utils._plan import Target
from ansible_collections.registryops.acr.plugins.module_utils._reference import InvalidReference, Reference
from ansible_collections.registryops.acr.plugins.module_utils._select import Choice, Chosen
from ansible_collections.registryops.acr.plugins.modules import acr_mirror

from .conftest import item

PARAMS = {
    "registry": "contosoprod", "resource_group": None, "images": [{"source": "quay.io/team/app:1.0"}], "defaults": None,
    "credentials": None, "target_prefix": None, "default_host": None, "blocked": None, "wait": True, "timeout": None, "import_timeout": 60,
    "on_error": "continue", "concurrency": 4, "details": False, "lock_file": None, "lock": None, "report_html": None,
    "report_json": None,
}  # fmt: skip


@pytest.fixture(autouse=True)
def faked(monkeypatch: pytest.MonkeyPatch, run: Any) -> Any:
    monkeypatch.setattr(_mirror, "Mirror", run.mirror)
    monkeypatch.delenv("ACR_MIRROR_PROGRESS", raising=False)
    run.report.items = [item(str(number), action) for number, action in enumerate(acr_mirror.COUNTS.values())]
    run.report.items[-1] = item("6", "import")
    run.report.requests = {"reads": 5, "imports": 2}
    run.report.seconds = 1.2345
    return run


def test_what_is_returned(module: Any, azure: Any, run: Any) -> None:
    run.report.items[0].seconds = 2.3456
    run.report.details = {run.report.items[1]: {"size": 5, "platforms": ["linux/amd64"]}}
    found = acr_mirror.work(module(**PARAMS), azure)
    assert found["changed"] is True
    assert found["summary"] == {
        "targets": 9, "imported": 2, "updated": 1, "reimported": 1, "repaired": 1, "unchanged": 1, "kept": 1, "quarantined": 1,
        "waiting": 1, "failed": 0, "seconds": 1.23, "requests": 7,
    }  # fmt: skip
    first, second, third = found["results"][:3]
    assert (first["seconds"], first["source"]) == (2.35, "quay.io/team/app:1.0")
    assert (second["size"], second["platforms"]) == (5, ["linux/amd64"])
    assert not {"seconds", "size", "error", "operation"} & set(third)


def test_the_options_are_returned_as_they_were_given(module: Any, azure: Any) -> None:
    made = module(**PARAMS)
    made.params = {**PARAMS, "images": [{"source": "quay.io/team/app:1.0", "target": None}]}
    assert acr_mirror.work(made, azure)["invocation"] == {"module_args": PARAMS}


def test_reports_are_written_without_secrets(module: Any, azure: Any, run: Any, tmp_path: Path) -> None:
    reports = {f"report_{kind}": str(tmp_path / f"report.{kind}") for kind in ("html", "json")}
    made = module(**{**PARAMS, **reports})
    made.no_log_values = {"hunter2"}
    run.report.items[0] = item("0", "none", "The password hunter2 is wrong.")
    found = acr_mirror.work(made, azure)
    assert run.settings.details is True
    page, text = ((tmp_path / name).read_text() for name in ("report.html", "report.json"))
    assert "hunter2" not in page + text and "is wrong" in page and "contosoprod.azurecr.test/6:1.0" in page
    kept = json.loads(text)
    assert kept["results"][1:] == found["results"][1:] and kept["summary"] == found["summary"] and kept["check_mode"] is False
    assert (tmp_path / "report.json").stat().st_mode & 0o777 == 0o644


@pytest.mark.parametrize("error", [None, "No right."])
def test_a_report_that_cannot_be_written_is_a_failure(module: Any, azure: Any, run: Any, tmp_path: Path, error: str | None) -> None:
    run.report.items[0] = item("0", "none", error)
    found = acr_mirror.work(module(**{**PARAMS, "report_json": str(tmp_path / "none/report.json")}), azure)
    said = f"The report could not be written to {tmp_path}/none/report.json: No such file or directory."
    assert found["msg"].splitlines()[-1] == said and len(found["msg"].splitlines()) == (3 if error else 1)
    assert found["reason"] == ("denied" if error else "invalid") and len(found["results"]) == len(run.report.items)


def test_selections_are_returned(module: Any, azure: Any, run: Any) -> None:
    run.report.selections = [Chosen(0, "quay.io/team/app", Choice(["1.0"], {"semver": ["2.0"]}))]
    assert acr_mirror.work(module(**PARAMS), azure)["selections"] == [
        {"entry": 1, "source": "quay.io/team/app", "selected": ["1.0"], "dropped": [{"rule": "semver", "count": 1, "tags": ["2.0"]}]}
    ]


def test_every_action_is_counted_once(module: Any, azure: Any, run: Any) -> None:
    run.report.items[-1] = item("6", "none", "No right.")
    found = acr_mirror.work(module(**PARAMS), azure)
    found = found["summary"]
    assert found.pop("targets") == 9 and [found[name] for name in acr_mirror.COUNTS] == [1] * 9


def test_each_image_that_failed_is_named(module: Any, azure: Any, run: Any) -> None:
    failures = [item("b", "none", "No right."), item("c", "none", "It is locked."), item("d", "none", "No right.")]
    run.report.items = [item("a", "import"), *failures]
    found = acr_mirror.work(module(**PARAMS), azure)
    assert found["msg"].splitlines() == [
        "3 of 4 targets failed; all others are as they should be.",
        "contosoprod.azurecr.test/b:1.0 (entry 1), contosoprod.azurecr.test/d:1.0 (entry 1): No right.",
        "contosoprod.azurecr.test/c:1.0 (entry 1): It is locked.",
    ]
    assert found["changed"] is True and len(found["results"]) == 4


def test_d1_the_ids_of_azures_answers_do_not_make_many_sentences_of_one(
    module: Any, azure: Any, run: Any
) -> None:
    refused = "The firewall refuses this machine. CorrelationId: {0}."
    run.report.items = [item(name, "none", refused.format(number)) for number, name in enumerate("ab")]
    found = acr_mirror.work(module(**PARAMS), azure)
    assert found["msg"].splitlines()[1:] == [
        "contosoprod.azurecr.test/a:1.0 (entry 1), contosoprod.azurecr.test/b:1.0 (entry 1): The firewall refuses this machine. "
        "CorrelationId: 0."
    ]


@pytest.mark.parametrize(
    ("options", "check", "says"),
    [
        ({}, True, "1 of 2 targets would fail; all others would be as they should be."),
        ({"wait": False}, False, "1 of 2 targets failed; all others are as they should be, or on their way."),
    ],
)
def test_no_more_is_said_of_the_others_than_is_known(
    module: Any, azure: Any, run: Any, options: dict[str, Any], check: bool, says: str
) -> None:
    run.report.items = [item("a", "import"), item("b", "none", "No right.")]
    found = acr_mirror.work(module(check_mode=check, **{**PARAMS, **options}), azure)
    assert found["msg"].splitlines()[0] == says


@pytest.mark.parametrize("on_error", ["stop", "continue"])
def test_how_it_runs(module: Any, azure: Any, run: Any, on_error: str) -> None:
    options = {**PARAMS, "on_error": on_error, "details": True, "wait": False, "resource_group": "rg", "target_prefix": "m/"}
    acr_mirror.work(module(check_mode=True, **options), azure)
    settings = run.settings
    assert (settings.check, settings.wait, settings.timeout, settings.details) == (True, False, 60, True)
    assert (settings.stop_on_error, settings.concurrency, settings.notify) == (on_error == "stop", 4, None)
    assert run.target == ("contosoprod", "rg") and str(run.entries[0].targets[0].repository) == "m/{repository}"


def test_notes_of_the_run_are_warnings(module: Any, azure: Any, run: Any) -> None:
    run.report.notes = ["docker.io announces 5 more pulls."]
    given = module(**PARAMS)
    acr_mirror.work(given, azure)
    assert given.warnings == ["docker.io announces 5 more pulls."]


def test_what_could_not_be_found_out_is_said_at_v(module: Any, azure: Any, run: Any) -> None:
    run.report.asides = ["The permissions were not checked."]
    quiet, verbose = module(**PARAMS), module(**PARAMS)
    verbose._verbosity = 1
    for given in (quiet, verbose):
        acr_mirror.work(given, azure)
    assert (quiet.warnings, verbose.warnings) == ([], ["The permissions were not checked."])


def test_a_bad_list_is_refused_before_anything_runs(module: Any, azure: Any, run: Any) -> None:
    with pytest.raises(InvalidReference, match=r"^Entry 2 \(Quay/A\): "):
        acr_mirror.work(module(**{**PARAMS, "images": [{"source": "quay.io/a"}, {"source": "Quay/A"}]}), azure)
    assert not run.mirror.called


# ---- the lock file -----------------------------------------------------------------------------------------------------


@pytest.fixture
def locking(module: Any, azure: Any, run: Any, tmp_path: Path) -> Any:
    """``locking("update")``: what is returned for a list that means these many images, with its warnings."""

    def work(lock: str | None, count: int = 2, check_mode: bool = False, path: str = "images.lock.yml") -> dict[str, Any]:
        digest = "sha256:" + "a" * 64
        lines = [Line(Target("app", str(number)), Reference("quay.io", "app", str(number), digest)) for number in range(count)]
        run.report.items, run.report.notes = [], ["A note."]
        run.mirror.return_value.resolve.return_value = run.report, lines
        fake = module(check_mode, **{**PARAMS, "lock_file": str(tmp_path / path), "lock": lock})
        fake.tmpdir, fake.atomic_move = str(tmp_path), os.replace
        return {**acr_mirror.work(fake, azure), "warnings": fake.warnings}

    return work


def test_a_lock_file_is_written_once_and_never_in_check_mode(locking: Any, tmp_path: Path) -> None:
    path = tmp_path / "images.lock.yml"
    announced = locking("update", check_mode=True)
    assert announced["changed"] and announced["warnings"] == ["A note."] and not list(tmp_path.iterdir())
    assert {**locking("update"), "changed": True} == announced
    assert announced["diff"]["after"] == path.read_text() and len(announced["lock_changes"]) == 2
    assert not locking("update")["changed"]
    path.write_text("# written by hand\n" + path.read_text())
    assert "msg" not in locking("check"), "what it holds is the same"
    assert locking("update")["changed"]
    outdated = locking("check", count=3)
    assert (outdated["changed"], outdated["reason"], len(outdated["lock_changes"])) == (False, "outdated", 1)
    many = locking("check", count=SHOWN_MISTAKES + 7)["msg"].splitlines()
    assert len(many) == SHOWN_MISTAKES + 2 and many[-1] == "Changes that are not shown here: 5."


@pytest.mark.parametrize("lock", [None, "use"])
def test_what_a_lock_file_holds_is_used(locking: Any, run: Any, lock: str | None) -> None:
    locking("update")
    locking(lock)
    assert [str(line.target) for line in run.mirror.return_value.run.call_args.args[1].lines] == ["app:0", "app:1"]


def test_a_lock_file_that_cannot_be_had(locking: Any, run: Any, tmp_path: Path) -> None:
    (tmp_path / "binary").write_bytes(b"\xff")
    (tmp_path / "images.yml").write_text("acr_mirror_images: []\n")
    said = {
        ("use", "none.yml"): "none.yml doesn't exist. Run with lock: update to write it.",
        ("update", "none/none.yml"): "none/none.yml can't be written: its folder doesn't exist.",
        ("update", "binary"): "binary can't be read: ",
        ("update", "images.yml"): "images.yml isn't a lock file as lock: update writes it.",
    }
    for (lock, path), sentence in said.items():
        with pytest.raises(UserError, match=re.escape(sentence)):
            locking(lock, path=path)
    assert not run.mirror.return_value.resolve.called and (tmp_path / "images.yml").read_text() == "acr_mirror_images: []\n"
