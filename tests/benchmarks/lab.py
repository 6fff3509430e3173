# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where things are measured: a sandbox with Azure's pace, an empty registry in it, and whole commands, timed."""
from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from tests.azure_cli import AzureCli
from tests.playbook import Run, run_playbook
from tests.sandbox.handle import Sandbox

from .measure import PeakMemory, Share

TARGET = "benchtarget"
SOURCE = "benchsource"
HUB = "registry-1.docker.io"
ROUND_TRIP = 0.02
PACE: dict[str, Any] = {"round_trip_seconds": ROUND_TRIP, "import_seconds": 2, "retry_after": 10}
# Limits that nobody reaches, for those who go by what Azure announces.
BOUNDLESS = {name: {"capacity": 1_000_000, "refill": 1_000_000} for name in ("arm_reads", "arm_writes")}


@dataclass(frozen=True)
class Measured:
    """One ``ansible-playbook``: its seconds, the requests it led to, the module's peak memory in MiB, and the share of the
    machine that the sandbox took."""

    seconds: float
    log: list[dict[str, Any]]
    mebibytes: float
    sandbox: float

    @property
    def requests(self) -> int:
        return len(self.log)

    def asked(self, *hosts: str) -> int:
        """How many requests these hosts got."""
        return sum(entry["host"] in hosts for entry in self.log)


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

    def play(
        self, *tasks: dict[str, Any], changed: bool | None = None, fails: str = "", hosts: Sequence[str] = ("localhost",)
    ) -> Measured:
        """Run a play of these tasks, for all hosts at once. SystemExit when it fails, or changes something where it should not
        (or not); with ``fails``, unless it fails with these words."""
        play = {
            "hosts": "all",
            "connection": "local",
            "gather_facts": False,
            "vars": {"ansible_python_interpreter": "{{ ansible_playbook_python }}"},
            "tasks": list(tasks),
        }
        arguments = ("--inventory", ",".join(hosts) + ",", "--forks", str(len(hosts)))
        self.sandbox.clear_log()
        with PeakMemory("AnsiballZ_acr_") as peak, Share(self.sandbox.pid) as share:
            run = run_playbook([play], self.sandbox.env, *arguments, timeout=900)
        _expect(run, changed, fails)
        return Measured(run.seconds, self.sandbox.log(), peak.mebibytes, share.value)

    def empty(self, hosts: Sequence[str] = ("localhost",)) -> float:
        """The seconds of a play without tasks: the median of three."""
        return median(self.play(hosts=hosts).seconds for _round in range(3))

    def mirror(
        self,
        images: list[dict[str, Any]],
        changed: bool | None,
        fails: str = "",
        registries: Sequence[str] = (TARGET,),
        **options: Any,
    ) -> Measured:
        """``acr_mirror`` of these entries, into all registries at once."""
        task = {"registryops.acr.acr_mirror": {"registry": "{{ inventory_hostname }}", "images": images, **options}}
        return self.play(task, changed=changed, fails=fails, hosts=registries)

    def check(self, wanted: Content, registry: str = TARGET) -> None:
        """SystemExit unless the registry's repositories hold exactly this."""
        for repository, tags in wanted.items():
            if self.sandbox.tags(registry, repository) != tags:
                raise SystemExit(f"{repository} does not hold what it should.")

    def landed(self) -> float:
        """When the last import had landed, in seconds since the epoch."""
        return max(operation["visible"] for operation in self.sandbox.operations())

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
