# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures, and what a machine and its processes tell of themselves."""
from __future__ import annotations

import os
import platform
import re
import subprocess
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from tests.playbook import ANSIBLE_BIN

SAMPLE_SECONDS = 0.05
DIGITS = {
    "s": 2, "s per image": 2, "MiB": 0, "requests": 0, "requests per repository": 2, "requests per image": 2, "%": 1, "×": 2,
    "characters": 0,
}  # fmt: skip


@dataclass(frozen=True)
class Figure:
    """One thing measured. ``limit``: the maximum it should have. ``peer``: what it is compared with, and its value.
    ``sandbox``: the share of all cores that the sandbox took meanwhile."""

    what: str
    value: float
    unit: str
    limit: float | None = None
    peer: tuple[str, float] | None = None
    sandbox: float | None = None

    @property
    def met(self) -> bool:
        return self.limit is None or self.value <= self.limit

    def cells(self) -> tuple[str, ...]:
        """One table row, by HEADINGS."""
        limit = "" if self.limit is None else f"≤ {self.limit:g} {self.unit}"
        met = "" if self.limit is None else ("yes" if self.met else "NO")
        beside = ""
        if self.peer is not None:
            name, value = self.peer
            beside = f"{self.value / value:.2f} × {name} ({_number(value, self.unit)})"
        share = "" if self.sandbox is None else f"{self.sandbox:.0%}".replace("%", " %")
        return self.what, _number(self.value, self.unit), limit, met, share, beside


def _number(value: float, unit: str) -> str:
    return f"{value:,.{DIGITS[unit]}f} {unit}"


HEADINGS = ("case", "measured", "goal", "met", "sandbox's CPU", "compared with, in the same run")


def lines(figures: Iterable[Figure]) -> list[str]:
    """A table of figures."""
    return table([HEADINGS, *(figure.cells() for figure in figures)])


def table(rows: Iterable[Iterable[object]]) -> list[str]:
    """A table for a terminal that is valid Markdown as well. The first row is its heading;"""
    cells = [[f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells)]
    cells.insert(1, ["-" * width for width in widths])
    return ["| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths)) + " |" for row in cells]


def machine() -> str:
    """Cores and versions, in a line."""
    said = subprocess.run(
        [str(ANSIBLE_BIN / "ansible-playbook"), "--version"], capture_output=True, text=True, check=True
    ).stdout
    found = re.search(r"\[core ([^\]]+)\]", said)
    core = found.group(1) if found else "?"
    return f"{os.cpu_count()} cores, Python {platform.python_version()}, ansible-core {core}"


class Share:
    """Of all that the cores can do, the share that a process and those below it take.

        with Share(pid) as share:
            ...
        share.value
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self.value = 0.0

    def __enter__(self) -> Share:
        self._began, self._spent = time.monotonic(), self._seconds()
        return self

    def __exit__(self, *_exc: object) -> None:
        self.value = (self._seconds() - self._spent) / (time.monotonic() - self._began) / (os.cpu_count() or 1)

    def _seconds(self) -> float:
        """CPU seconds so far."""
        spent = 0
        for process in (Path(f"/proc/{self._pid}"), *_below(self._pid)):
            fields = (process / "stat").read_text().rpartition(")")[2].split()
            spent += int(fields[11]) + int(fields[12])  # utime, stime
        return spent / os.sysconf("SC_CLK_TCK")


class PeakMemory:
    """Watches the processes below this one whose command line has ``marker``: their highest resident size, in MiB.

        with PeakMemory("AnsiballZ_acr_mirror") as peak:
            ...
        peak.mebibytes

    The kernel keeps each process's own maximum, so only what happens in its last moments can be missed.
    """

    def __init__(self, marker: str) -> None:
        self._marker = marker.encode()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.mebibytes = 0.0

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(self, *_exc: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(SAMPLE_SECONDS):
            for process in _below(os.getpid()):
                try:
                    if self._marker in (process / "cmdline").read_bytes():
                        found = re.search(r"VmHWM:\s+(\d+) kB", (process / "status").read_text())
                        self.mebibytes = max(self.mebibytes, int(found.group(1)) / 1024 if found else 0.0)
                except OSError:
                    pass  # it has ended


def _below(pid: int) -> list[Path]:
    found: list[Path] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            children = task.read_text().split()
        except OSError:
            continue
        for child in children:
            found += [Path(f"/proc/{child}"), *_below(int(child))]
    return found
