# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a run is: from the module's file to a line for people."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.registryops.acr.plugins.module_utils import _progress
from ansible_collections.registryops.acr.plugins.module_utils._progress import Progress


def test_what_is_written_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "progress"
    assert _progress.writer() is None
    monkeypatch.setenv(_progress.VARIABLE, str(path))
    assert _progress.writer() is None, "nobody watches"
    path.write_text("")
    assert _progress.read(str(path)) == {}
    monkeypatch.setattr(_progress, "INTERVAL", 0)
    write = _progress.writer()
    assert write is not None
    for progress in (Progress(100_000, 99_999, 1, 0), Progress(5, 1, 1, 3)):
        write(progress)
        found = _progress.read(str(path))
        assert found.pop("seconds") >= 0
        assert found == {name: getattr(progress, name) for name in ("total", "done", "failed", "in_flight")}


def test_not_every_change_is_written_and_a_watcher_may_leave(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "progress"
    path.write_text("")
    monkeypatch.setenv(_progress.VARIABLE, str(path))
    write = _progress.writer()
    assert write is not None
    write(Progress(5, 1))
    write(Progress(5, 2))
    assert _progress.read(str(path))["done"] == 1
    path.unlink()
    monkeypatch.setattr(_progress, "INTERVAL", 0)
    write(Progress(5, 3))
    assert not path.exists() and _progress.read(str(path)) == {}


@pytest.mark.parametrize("content", ["nonsense", "[]", "5", '{"total"'])
def test_what_makes_no_sense_is_no_progress(tmp_path: Path, content: str) -> None:
    path = tmp_path / "progress"
    path.write_text(content)
    assert _progress.read(str(path)) == {}


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ({}, "reading the registries (10 s)"),
        ({"total": 90, "done": 0, "failed": 0, "in_flight": 4, "seconds": 5}, "0 of 90 done, 4 in flight (10 s)"),
        (
            {"total": 90, "done": 40, "failed": 10, "in_flight": 2, "seconds": 5},
            "40 of 90 done, 2 in flight, 10 failed, 10.0 a second, about 4 s left",
        ),
        ({"total": 90, "done": 8, "failed": 0, "in_flight": 0, "seconds": 5}, "8 of 90 done (10 s)"),
        ({"total": 9, "done": 9, "failed": 0, "in_flight": 0, "seconds": 5}, "9 of 9 done (10 s)"),
    ],
)
def test_line(numbers: dict[str, float], expected: str) -> None:
    assert _progress.line(numbers, 10.0) == expected
