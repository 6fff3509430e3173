# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where things are measured: a sandbox with Azure's pace, an empty registry in it, and whole commands, timed."""
from __future__ import annotations

import json
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.azure_cli import AzureCli
from tests.playbook import Run, run_playbook
from tests.sandbox.handle import Sandbox

from .measure import PeakMemory

TARGET = "benchtarget"
SOURCE = "benchsource"
HUB = "registry-1.docker.io"
ROUND_TRIP = 0.02
PACE: dict[str, Any] = {"round_trip_seconds": ROUND_TRIP, "import_seconds": 2, "retry_after": 10}
# Limits that nobody reaches, for those who go by what Azure announces.
BOUNDLESS = {name: {"capacity": 1_000_000, "refill": 1_000_000} for name in ("arm_reads", "arm_writes")}


@dataclass(frozen=True)
class Measured:
    """One ``ansible-playbook``: its seconds, the requests it led to by host, the module's peak memory in MiB."""

    seconds: float
    hosts: Counter[str]
    mebibytes: float

    @property
    def requests(self) -> int:
        return sum(self.hosts.values())


Content = dict[str, dict[str, str]]  # repository -> tag -> digest


def entries(content: Content, host: str) -> list[dict[str, Any]]:
    """The images of ``content`` as ``acr_mirror`` takes them, one entry for each tag."""
    return [{"source": f"{host}/{repository}:{tag}"} for repository, tags in content.items() for tag in tags]


class Lab:
    """A sandbox of its own, with an empty registry TARGET and another one, SOURCE, to import from."""

    def __init__(self, sandbox: Sandbox) -> None:
        self.sandbox = sandbox
        self.target = sandbox.create_registry(TARGET)["login_server"]
        self.source = sandbox.create_registry(SOURCE)["login_server"]

    @classmethod
    @contextmanager
    def open(cls, **knobs: Any) -> Iterator[Lab]:
        with Sandbox.start() as sandbox:
            lab = cls(sandbox)
            sandbox.knobs(**{**PACE, **knobs})
            yield lab
            if sandbox.errors():
                raise SystemExit(f"The sandbox itself failed:\n{sandbox.errors()}")

    def play(self, *tasks: dict[str, Any], changed: bool | None = None, fails: str = "") -> Measured:
        """Run a play of these tasks. SystemExit when it fails, or changes something where it should not (or not); with
        ``fails``, unless it fails with these words."""
        play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": list(tasks)}
        self.sandbox.clear_log()
        with PeakMemory("AnsiballZ_acr_") as peak:
            run = run_playbook([play], self.sandbox.env, timeout=900)
        _expect(run, changed, fails)
        return Measured(run.seconds, Counter(entry["host"] for entry in self.sandbox.log()), peak.mebibytes)

    def mirror(self, images: list[dict[str, Any]], changed: bool | None, fails: str = "") -> Measured:
        """``acr_mirror`` of these entries."""
        task = {"registryops.acr.acr_mirror": {"registry": TARGET, "images": images}}
        return self.play(task, changed=changed, fails=fails)

    def check(self, wanted: Content) -> None:
        """SystemExit unless the target's repositories hold exactly this."""
        for repository, tags in wanted.items():
            if self.sandbox.tags(TARGET, repository) != tags:
                raise SystemExit(f"{repository} does not hold what it should.")

    @contextmanager
    def azure_cli(self) -> Iterator[Peer]:
        """The Azure CLI, signed in."""
        with tempfile.TemporaryDirectory(prefix="acr-az-") as name:
            yield Peer(self.sandbox, Path(name))


def _expect(run: Run, changed: bool | None, fails: str) -> None:
    if fails:
        right = run.rc != 0 and run.output.count(fails) > 0
    else:
        right = run.rc == 0 and changed in (None, bool(run.recap.get("changed")))
    if not right:
        raise SystemExit(f"A playbook did something else than it should:\n{run.output[-5000:]}")


class Peer(AzureCli):
    """The Azure CLI as what others use."""

    def version(self) -> str:
        return json.loads(self.run("version", "--output", "json"))["azure-cli"]

    def import_image(self, source: str, target: str) -> float:
        """``az acr import``; returns its seconds."""
        began = time.monotonic()
        self.run("acr", "import", "--name", TARGET, "--source", source, "--image", target)
        return time.monotonic() - began
