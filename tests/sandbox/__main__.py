# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m tests.sandbox``: run a sandbox until interrupted, and print the environment to use it."""
from __future__ import annotations

import argparse
import asyncio
import json
import os
import shlex
import shutil
import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

from .handle import environment
from .knobs import Knobs
from .server import Server

_MEMORY = Path("/dev/shm")
_ROOM = 1 << 30  # bytes


def _place() -> str | None:
    """Where to keep the registries: in memory where there is room, since thousands of small files on a disk take
    seconds; None for the usual place of temporary files."""
    roomy = _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free >= _ROOM
    return str(_MEMORY) if roomy and "TMPDIR" not in os.environ else None


async def _run(arguments: argparse.Namespace, root: Path) -> None:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        loop.add_signal_handler(number, ended.set)
    if arguments.json:
        # The parent holds the other end of our standard input: when it dies, however it dies, so do we.
        def parent_gone() -> None:
            if not os.read(0, 4096):
                loop.remove_reader(0)
                ended.set()

        loop.add_reader(0, parent_gone)
    server = Server(root)
    server.state.knobs = arguments.knobs
    try:
        await server.start(arguments.port)
        facts: dict[str, Any] = {"proxy": server.proxy_port, "admin": server.admin_port, "ca": str(server.ca_path)}
        if arguments.json:
            print(json.dumps(facts), flush=True)
        else:
            for name, value in environment(**facts).items():
                print(f"export {name}={shlex.quote(value)}")
            print(f"export SANDBOX_ADMIN=http://127.0.0.1:{server.admin_port}", flush=True)
            print("# running; Ctrl-C ends it", file=sys.stderr, flush=True)
        await ended.wait()
    finally:
        await server.stop()


def _knobs(text: str) -> Knobs:
    knobs = Knobs()
    try:
        knobs.update(json.loads(text))
    except (AttributeError, TypeError, ValueError) as wrong:
        raise argparse.ArgumentTypeError(str(wrong)) from None
    return knobs


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.sandbox", description="A local stand-in for Azure.")
    parser.add_argument("--port", type=int, default=0, help="loopback port of the proxy (default: a free one)")
    parser.add_argument("--json", action="store_true", help="print facts as JSON; end when standard input closes")
    parser.add_argument(
        "--knobs", type=_knobs, default=Knobs(), metavar="JSON", help='turn knobs, as in {"import_seconds": 2}'
    )
    arguments = parser.parse_args()
    root = Path(tempfile.mkdtemp(prefix="acr-sandbox-", dir=_place()))
    try:
        asyncio.run(_run(arguments, root))
    finally:
        shutil.rmtree(root, ignore_errors=True)


main()
