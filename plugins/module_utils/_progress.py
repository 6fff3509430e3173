# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The progress of a run, which the module passes to its action plugin on the same machine through a small file."""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Optional

# The environment variable with the path of the file. Without it, nothing is written.
VARIABLE = "ACR_MIRROR_PROGRESS"
INTERVAL = 0.25  # seconds between two writes


@dataclass
class Progress:
    """Numbers of targets to change; *total* is 0 while the registries are still being read."""

    total: int = 0
    done: int = 0
    failed: int = 0
    in_flight: int = 0


def writer() -> Optional[Callable[[Progress], None]]:
    """A function to call with each `Progress`; None if nothing reads it."""
    path = os.environ.get(VARIABLE)
    if not path or not os.path.isfile(path):
        return None
    last = [0.0]
    began: List[float] = []  # when the total became known

    def write(progress: Progress) -> None:
        now = time.monotonic()
        if progress.total and not began:
            began.append(now)
        if now - last[0] < INTERVAL:
            return
        last[0] = now
        numbers = {name: getattr(progress, name) for name in ("total", "done", "failed", "in_flight")}
        numbers["seconds"] = round(now - began[0], 1) if began else 0.0
        try:
            # Always the same length, so that a reader never sees the end of an older line.
            with open(path, "r+b", buffering=0) as file:
                file.write(json.dumps(numbers).ljust(120).encode("ascii"))
        except OSError:
            pass  # the reader has gone; that is no reason to stop

    return write


def read(path: str) -> Dict[str, Any]:
    """The numbers last written; empty if there are none yet."""
    try:
        with open(path, encoding="ascii") as file:
            found = json.loads(file.read() or "{}")
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def line(numbers: Dict[str, Any], seconds: float) -> str:
    """One line for people: *numbers*, *seconds* after the run started."""
    total = numbers.get("total", 0)
    if not total:
        return f"reading the registries ({seconds:.0f} s)"
    over = numbers["done"] + numbers["failed"]
    text = f"{numbers['done']} of {total} done"
    if numbers["in_flight"]:
        text += f", {numbers['in_flight']} in flight"
    if numbers["failed"]:
        text += f", {numbers['failed']} failed"
    if total / 10 <= over < total and numbers["seconds"]:  # the first ones say little: they all started at once
        rate = over / numbers["seconds"]
        return text + f", {rate:.1f} a second, about {(total - over) / rate:.0f} s left"
    return text + f" ({seconds:.0f} s)"
