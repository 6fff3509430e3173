# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a run is watched, by what file, and what people see of it."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.plugins.action import ActionBase

from ansible_collections.registryops.acr.plugins.action import acr_mirror
from ansible_collections.registryops.acr.plugins.action.acr_mirror import ActionModule
from ansible_collections.registryops.acr.plugins.module_utils import _progress
from ansible_collections.registryops.acr.plugins.module_utils._page import COUNTS


class Watched(ActionModule):
    """The action without Ansible around it: *work* stands for the module, and gets the file that it is to write to."""

    def __init__(self, transport: str = "local", **task: Any) -> None:
        self._connection = SimpleNamespace(transport=transport)
        given = {"async_val": 0, "check_mode": False, "diff": False, "environment": None, "args": {"registry": "contosoprod"}}
        self._task = SimpleNamespace(**{**given, **task})
        self._templar = SimpleNamespace(template=lambda value: {"{{ quiet }}": False, "{{ loud }}": True}.get(value, value))
        self.work: Any = lambda path: {}
        self.asked: list[dict[str, Any]] = []

    def _execute_module(self, **how: Any) -> dict[str, Any]:
        self.asked.append(how)
        variables = {name: value for one in self._task.environment or [] for name, value in one.items()}
        return self.work(variables.get(_progress.VARIABLE))


@pytest.fixture(autouse=True)
def lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is displayed; lines come at once."""
    shown: list[str] = []
    monkeypatch.setattr(acr_mirror, "Display", lambda: SimpleNamespace(display=shown.append))
    monkeypatch.setattr(acr_mirror, "FIRST", 0.02)
    monkeypatch.setattr(acr_mirror, "SLOWEST", 0.02)
    monkeypatch.setattr(acr_mirror.constants, "DEFAULT_LOCAL_TMP", str(tmp_path))
    monkeypatch.setattr(ActionBase, "run", lambda self, tmp, task_vars: {"from": "ansible"})
    return shown


def until(true: Any) -> None:
    ends = time.monotonic() + 60.0
    while not true() and time.monotonic() < ends:
        time.sleep(0.01)


def test_a_run_is_watched_by_a_file_that_is_gone_afterwards(tmp_path: Path, lines: list[str]) -> None:
    action = Watched(environment=[{"MINE": "1"}])
    threads = set(threading.enumerate())

    def work(path: str) -> dict[str, Any]:
        until(lambda: lines)
        Path(path).write_text(json.dumps({"total": 9, "done": 4, "failed": 1, "in_flight": 2, "seconds": 0}))
        until(lambda: "of 9 done" in lines[-1])
        assert Path(path).parent == tmp_path
        return {"changed": True}

    action.work = work
    assert action.run(task_vars={"inventory_hostname": "prod"}) == {"from": "ansible", "changed": True}
    assert action._task.environment[0] == {"MINE": "1"}, "the play's own environment stays"
    assert lines[0].startswith("acr_mirror [prod]: reading the registries (")
    assert lines[-1].startswith("acr_mirror [prod]: 4 of 9 done, 2 in flight, 1 failed")
    assert os.listdir(tmp_path) == []
    assert set(threading.enumerate()) <= threads, "the watcher ended with the run"


@pytest.mark.parametrize("progress", [True, "yes", "{{ loud }}"])
def test_a_run_may_be_watched_by_choice(progress: Any) -> None:
    action = Watched()
    action.work = lambda path: {"path": path}
    assert action.run(task_vars={"acr_mirror_progress": progress})["path"]


def test_nothing_is_left_behind_by_a_run_that_breaks(tmp_path: Path) -> None:
    action = Watched()

    def work(path: str) -> dict[str, Any]:
        assert os.path.exists(path)
        raise KeyError("x")

    action.work = work
    with pytest.raises(KeyError):
        action.run(task_vars={})
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    ("action", "variables"),
    [
        (Watched("ssh"), {}),
        (Watched(async_val=60), {}),
        (Watched(check_mode=True), {}),
        (Watched(), {"acr_mirror_progress": False}),
        (Watched(), {"acr_mirror_progress": "no"}),
        (Watched(), {"acr_mirror_progress": "{{ quiet }}"}),
        (Watched(), {"acr_mirror_progress": "nonsense"}),
    ],
)
def test_what_is_not_watched_runs_all_the_same(
    tmp_path: Path, lines: list[str], action: Watched, variables: dict[str, Any]
) -> None:
    action.work = lambda path: {"path": path, "files": os.listdir(tmp_path)}
    assert action.run(task_vars=variables) == {"from": "ansible", "path": None, "files": []}
    assert action.asked == [{"task_vars": variables, "wrap_async": action._task.async_val}]
    assert lines == []


def test_lines_come_the_rarer_the_longer_it_takes(monkeypatch: pytest.MonkeyPatch, lines: list[str]) -> None:
    now, pauses = [0.0], []

    class Over(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            pauses.append(timeout)
            now[0] += timeout or 0
            return now[0] > 600

    monkeypatch.setattr(acr_mirror, "FIRST", 2.0)
    monkeypatch.setattr(acr_mirror, "SLOWEST", 15.0)
    monkeypatch.setattr(acr_mirror.time, "monotonic", lambda: now[0])
    acr_mirror._watch("/nowhere", Over(), "prod")
    assert pauses[0] == 2.0 and pauses == sorted(pauses) and pauses[-1] == 15.0
    assert 40 < len(lines) == len(pauses) - 1 < 60


# ---- what others see ----------------------------------------------------------------------------------------------------

ROLE = {"acr_mirror_reported": "{{ loud }}"}
SILENT = {"acr_mirror_reported": "{{ quiet }}"}


def ran(count: int, variables: dict[str, Any], *, diff: bool = False, **facts: Any) -> dict[str, Any]:
    """What is returned of a run of so many images."""
    action = Watched(check_mode=True, diff=diff)
    image = {"digest": "sha256:" + "a" * 64, "previous_digest": None, "action": "import"}
    action.work = lambda path: {
        "results": [{"image": f"contosoprod.azurecr.io/team/app:{number}", **image} for number in range(count)],
        "selections": [], "summary": {**dict.fromkeys(COUNTS, 0), "targets": count, "seconds": 1, "requests": 1},
        "diff": [{"before": "a" * count * 100, "after": ""}],
        "invocation": {"module_args": {"images": [f"docker.io/team/app:{number}" for number in range(count)], "wait": True}}, **facts,
    }  # fmt: skip
    return action.run(task_vars=variables)


@pytest.mark.parametrize("variables", [{}, ROLE, SILENT])
def test_what_is_small_is_returned_whole(variables: dict[str, Any]) -> None:
    found = ran(10, variables)
    assert len(found["results"]) == 10 and len(found["invocation"]["module_args"]["images"]) == 10 and "returned_file" not in found
    assert len(found.get("report", [])) == (11 if variables is ROLE else 0)


def test_a_module_returns_all_results_however_many() -> None:
    found = ran(5000, {})
    assert len(found["results"]) == 5000 and not {"returned_file", "report"} & set(found)
    assert found["invocation"]["module_args"] == {"images": "5000 entries", "wait": True}, "they are in the play"


@pytest.mark.parametrize("failure", [{}, {"failed": True, "msg": "2 of 5000 targets failed.\na: b\nc: d"}])
def test_many_results_of_the_role_are_in_a_file(tmp_path: Path, failure: dict[str, Any]) -> None:
    found = ran(5000, ROLE, **failure)
    assert len(str(found)) < 1000 and found["summary"]["targets"] == 5000 and found["diff"] == []
    kept = json.loads(Path(found["returned_file"]).read_text())
    assert kept["report"][-2].endswith("…") and "reports that are files" in kept["report"][-1]
    assert kept["report"][1:3] == ["failed    a: b", "failed    c: d"] or not failure
    assert len(kept["results"]) == 5000 and kept["selections"] == [] and kept.get("msg") == failure.get("msg")
    assert Path(found["returned_file"]).parent == tmp_path, "which Ansible removes in the end"
    assert found.get("msg") == (failure and "2 of 5000 targets failed. The report names each failure." or None)


def test_a_diff_that_was_asked_for_stays() -> None:
    assert len(ran(5000, ROLE, diff=True)["diff"]) == 1


def test_a_failure_of_the_role_is_told_once() -> None:
    lines = "1 of 10 targets failed.\nimage: No right."
    found = ran(10, ROLE, failed=True, msg=lines, exception="…")
    assert found["msg"] == "1 of 10 targets failed. The report names each failure."
    assert not {"results", "report", "exception"} & set(found)
    assert len(found["diff"][-1]["results"]) == 10 and found["diff"][-1]["report"][1] == "failed    image: No right."
    assert ran(10, SILENT, failed=True, msg=lines)["msg"] == lines
    # No report names what keeps it from being written.
    assert ran(10, ROLE, failed=True, msg="The report could not be written.")["msg"] == "The report could not be written."
    many = "\n".join(["5000 of 5000 targets failed.", *(f"image {number}: No right." for number in range(20_000))])
    assert len(ran(5000, SILENT, failed=True, msg=many)["msg"]) == acr_mirror.LONG
