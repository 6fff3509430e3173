# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs ansible-playbook and hands its results to a test as data."""
from __future__ import annotations

import json
import os
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable

import yaml

from tests.prefork import Forked, Server

ROOT = Path(__file__).resolve().parents[1]
# The environment whose Ansible runs: this one's, or another to test with other versions.
ANSIBLE_BIN = Path(os.environ.get("ANSIBLE_BIN") or Path(sys.executable).parent)
_server: Server | None = None  # while a block of preforked() runs

# What every run writes for us to read, into the file that RESULTS_FILE names.
RESULTS = {"ANSIBLE_CALLBACK_PLUGINS": str(ROOT / "tests/callback_plugins"), "ANSIBLE_CALLBACKS_ENABLED": "results"}


@dataclass
class Run:
    """How ansible-playbook ended. ``tasks``: {"status", "host", "task", "result"} each; ``left``: its processes that have
    not ended with it."""

    rc: int
    stdout: str
    stderr: str
    seconds: float
    tasks: list[dict[str, Any]] = field(default_factory=list)
    left: list[int] = field(default_factory=list)

    @property
    def output(self) -> str:
        return self.stdout + self.stderr

    @property
    def result(self) -> dict[str, Any]:
        """The last task's result."""
        assert self.tasks, self.output
        return self.tasks[-1]["result"]

    @property
    def recap(self) -> dict[str, int]:
        """The counts of the recap's last host: ok, changed, unreachable, failed, skipped, rescued, ignored."""
        line = self.stdout[self.stdout.rindex("PLAY RECAP") :].splitlines()[1]
        return {name: int(count) for name, count in re.findall(r"(\w+)=(\d+)", line)}


def environment(home: Path, env: dict[str, str]) -> dict[str, str]:
    """A clean environment for Ansible: nothing of Azure's but ``env``, a home of its own."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("AZURE_", "ANSIBLE_", "ARM_"))}
    return {
        **kept,
        "PATH": f"{ANSIBLE_BIN}:{os.environ['PATH']}",
        "HOME": str(home),
        "ANSIBLE_HOME": str(home / ".ansible"),
        "ANSIBLE_LOCAL_TEMP": str(home / "tmp"),
        "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".build"),
        "ANSIBLE_LOCALHOST_WARNING": "0",
        "ANSIBLE_INVENTORY_UNPARSED_WARNING": "0",
        "ANSIBLE_RETRY_FILES_ENABLED": "0",
        "ANSIBLE_NOCOLOR": "1",
        "ANSIBLE_DEPRECATION_WARNINGS": "0",
        **env,
    }


@contextmanager
def preforked() -> Iterator[None]:
    """Within this block most runs need not wait for the start of ansible-playbook. See prefork.py."""
    global _server
    with tempfile.TemporaryDirectory(prefix="acr-ansible-") as name:
        home = Path(name)
        (home / "compiled").mkdir()
        _server = Server(ANSIBLE_BIN / "python", {**environment(home, {}), **RESULTS}, home / "compiled")
        try:
            yield
        finally:
            _server.stop()
            _server = None


def run_playbook(
    playbook: str | Path | list[dict[str, Any]],
    env: dict[str, str],
    *arguments: str,
    timeout: float = 300,
    until: Callable[[], bool] | None = None,
    signal_: signal.Signals = signal.SIGKILL,
) -> Run:
    """Run a playbook: a path, a name by FQCN, or plays as data.

    As soon as ``until()`` is true the run is interrupted: SIGTERM goes to ansible-playbook's process group, as from a
    terminal or a scheduler; SIGKILL to all that the run has started, as when the machine goes away. A run that takes
    longer than ``timeout`` is killed too, and raises TimeoutExpired.
    """
    with tempfile.TemporaryDirectory(prefix="acr-play-") as name:
        home = Path(name)
        if isinstance(playbook, list):
            path = home / "playbook.yml"
            path.write_text(yaml.safe_dump(playbook, sort_keys=False))
            playbook = path
        variables = {**environment(home, env), **RESULTS, "RESULTS_FILE": str(home / "results.jsonl")}
        began = time.monotonic()
        with open(home / "stdout", "w+") as stdout, open(home / "stderr", "w+") as stderr:
            command = [str(ANSIBLE_BIN / "ansible-playbook"), str(playbook), *arguments]
            # The processes of what is interrupted are found by their environment; other runs configure Ansible or Python.
            own = any(name.startswith(("ANSIBLE_", "PYTHON")) for name in env)
            if _server and until is None and not own:
                process = _server.run(command, variables, home, stdout, stderr)
            else:
                process = subprocess.Popen(
                    command,
                    env=variables,
                    stdin=subprocess.DEVNULL,
                    stdout=stdout,
                    stderr=stderr,
                    cwd=home,
                    start_new_session=True,
                )
            try:
                while until is not None and process.poll() is None and time.monotonic() - began < timeout:
                    if until():
                        if signal_ == signal.SIGTERM:
                            os.killpg(process.pid, signal_)
                        else:
                            kill(home)
                        break
                    time.sleep(0.02)
                _wait(process, max(0.0, began + timeout - time.monotonic()))
            except BaseException:
                process.kill()
                kill(home)
                process.wait()
                raise
            seconds = time.monotonic() - began
            output = [file.seek(0) or file.read() for file in (stdout, stderr)]
        results = home / "results.jsonl"
        lines = results.read_text().rpartition("\n")[0] if results.exists() else ""  # the last may have been cut off
        tasks = [json.loads(line) for line in lines.splitlines()]
        left = processes(home)
        while until is not None and left and time.monotonic() - began < seconds + 10:  # they were told to end, too
            time.sleep(0.05)
            left = processes(home)
        return Run(process.returncode, *output, seconds, tasks, left)


def _wait(process: subprocess.Popen[bytes] | Forked, timeout: float) -> None:
    """Wait for its end, told of it at once: Popen.wait looks every 50 ms, too coarse for what is measured."""
    if isinstance(process, subprocess.Popen) and process.poll() is None:
        watched = os.pidfd_open(process.pid)
        try:
            select.select([watched], [], [], timeout)
        finally:
            os.close(watched)
        timeout = 0
    process.wait(timeout)


def processes(home: Path) -> list[int]:
    """The processes that a run in ``home`` has started and that are still there, wherever they have gone."""
    mark = f"HOME={home}".encode()
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if mark in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
            except OSError:  # it has ended, or is not ours
                pass
    return found


def kill(home: Path) -> None:
    """End them all at once, those too that are started meanwhile."""
    left = processes(home)
    while left:
        for number in left:
            try:
                os.kill(number, signal.SIGKILL)
            except ProcessLookupError:
                pass
        left = processes(home)


def run_module(module: str, args: dict[str, Any], env: dict[str, str], *arguments: str, **options: Any) -> Run:
    """Run one module of this collection in a play of one task; ``arguments`` such as ``--check``, ``--diff``."""
    task = {"name": module, f"registryops.acr.{module}": args}
    play = {"name": "Test", "hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [task]}
    return run_playbook([play], env, *arguments, **options)


def run_tasks(module: str, tasks: list[dict[str, Any]], env: dict[str, str], *arguments: str) -> Run:
    """Run a module of this collection many times in one play, with these arguments each; one that fails stops nothing."""
    name = f"registryops.acr.{module}"
    listed = [{"name": str(number), name: args, "ignore_errors": True} for number, args in enumerate(tasks)]
    play = {"name": "Test", "hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": listed}
    return run_playbook([play], env, *arguments)
