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


class Watched(ActionModule):
    """The action without Ansible around it: *work* stands for the module, and gets the file that it is to write to."""

    def __init__(self, transport: str = "local", **task: Any) -> None:
        self._connection = SimpleNamespace(transport=transport)
        self._task = SimpleNamespace(**{"async_val": 0, "check_mode": False, "environment": None, **task})
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
