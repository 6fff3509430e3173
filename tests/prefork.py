# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ansible-playbook without its start: a server that has imported ansible-core, and forks for each run.

What runs in the fork is what the executable runs; only the imports of ansible-core itself were made before, with the server's
environment. Modules that were packed for one run are reused by the next, as Ansible does within a run, and their sources are
compiled once (see compiled/). Nothing of a collection is imported beforehand.

As a script this is the server: ``python prefork.py FD``, FD being a Unix socket of packets. Each packet is a run, {"argv",
"env", "cwd"} as JSON, with three file descriptors: standard output, standard error and a socket for answers. These are a line
with the run's process ID and, once it has ended, one with its exit code (negative: the signal that killed it).
"""
from __future__ import annotations

import atexit
import gc
import json
import os
import select
import signal
import socket
import subprocess
import sys
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

PACKET = 1 << 17  # bytes; an environment and arguments are much smaller


class Forked:
    """A run; of the interface of Popen what is used."""

    def __init__(self, answers: socket.socket) -> None:
        self._answers = answers
        self._lines = answers.makefile("r")
        self.returncode: int | None = None
        line = self._lines.readline()
        if not line:
            raise RuntimeError("the server of ansible-playbook has ended")
        self.pid = int(line)

    def kill(self) -> None:
        if self.returncode is None:
            os.kill(self.pid, signal.SIGKILL)

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code. TimeoutExpired after ``timeout`` seconds."""
        if self.returncode is None:
            ready, _writable, _failed = select.select([self._answers], [], [], timeout)
            if not ready:
                raise subprocess.TimeoutExpired("ansible-playbook", timeout)
            self.returncode = int(self._lines.readline() or -signal.SIGKILL)
            self._lines.close()
            self._answers.close()
        return self.returncode


class Server:
    """The server, with the Ansible of ``python``, its own variables, and a directory for compiled code."""

    def __init__(self, python: Path, env: dict[str, str], compiled: Path) -> None:
        path = [str(Path(__file__).with_name("compiled")), *filter(None, [env.get("PYTHONPATH")])]
        # What configures Ansible is the server's. All else is a run's own.
        ansible = {name: value for name, value in env.items() if name.startswith("ANSIBLE_")}
        self.env = {**ansible, "COMPILED": str(compiled), "PYTHONPATH": ":".join(path)}
        self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [python, __file__, str(theirs.fileno())],
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )

    def run(self, argv: list[str], env: dict[str, str], cwd: Path, stdout: IO[str], stderr: IO[str]) -> Forked:
        """Start ansible-playbook with these arguments."""
        request = json.dumps({"argv": argv, "env": {**env, **self.env}, "cwd": str(cwd)}).encode()
        answers, theirs = socket.socketpair()
        with theirs:
            socket.send_fds(self._requests, [request], [stdout.fileno(), stderr.fileno(), theirs.fileno()])
        return Forked(answers)

    def stop(self) -> None:
        """It takes no more runs, and ends."""
        self._requests.close()
        self._process.wait()


# ---- in the server ----------------------------------------------------------------------------------------------------


def preload() -> None:
    import ansible.cli.playbook
    import ansible.executor.module_common
    import ansible.executor.task_executor  # noqa: F401  # loaded for the forks, not used here
    from ansible.utils.collection_loader import _collection_finder as finder
    from ansible.utils.path import cleanup_tmp_file

    # Where Ansible's own plugins have moved is a long file, which every run reads; the loader lets its reader be replaced.
    finder._meta_yml_to_dict = lru_cache(maxsize=None)(finder._meta_yml_to_dict)
    routing = Path(ansible.__file__).with_name("config") / "ansible_builtin_runtime.yml"
    finder._meta_yml_to_dict(routing.read_bytes(), ("ansible.builtin", "runtime.yml"))

    # Its temporary directory is for all runs, and not removed by the first that ends.
    atexit.unregister(cleanup_tmp_file)


def playbook(argv: list[str], env: dict[str, str], cwd: str) -> None:
    """Be ansible-playbook; ends with SystemExit, as that does."""
    from ansible.cli.playbook import main

    os.environ.clear()
    os.environ.update(env)
    os.chdir(cwd)
    sys.argv = argv
    main()
    sys.exit(0)


def supervise(request: dict[str, Any], stdout: int, stderr: int, answers: int) -> None:
    """Start a run, and tell how it ended."""
    number = os.fork()
    if number == 0:
        os.setsid()
        os.dup2(stdout, 1)
        os.dup2(stderr, 2)
        for descriptor in (stdout, stderr, answers):
            os.close(descriptor)
        playbook(**request)
    os.write(answers, b"%d\n" % number)
    _number, status = os.waitpid(number, 0)
    os.write(answers, b"%d\n" % os.waitstatus_to_exitcode(status))
    os._exit(0)


def serve(requests: socket.socket) -> None:
    sys.path[0] = os.path.dirname(sys.executable)  # as ansible-playbook has it
    preload()
    gc.freeze()
    supervisors: set[int] = set()
    while True:
        packet, descriptors, _flags, _address = socket.recv_fds(requests, PACKET, 3)
        if not packet:
            break
        number = os.fork()
        if number == 0:
            requests.close()
            supervise(json.loads(packet), *descriptors)
        supervisors = {other for other in supervisors if not os.waitpid(other, os.WNOHANG)[0]} | {number}
        for descriptor in descriptors:
            os.close(descriptor)
    for number in supervisors:
        os.waitpid(number, 0)


if __name__ == "__main__":
    serve(socket.socket(fileno=int(sys.argv[1])))
