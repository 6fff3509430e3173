# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A CNCF Distribution process and the file system in which it keeps its bytes.

Copies and seeding write Distribution's layout directly, because hundreds of imports must cost next to nothing.
"""
from __future__ import annotations

import asyncio
import ctypes
import json
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp

from .images import Image

REGISTRY = "/usr/bin/docker-registry"
START_SECONDS = 15.0
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)


def _die_with_parent() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


class Distribution:
    """One registry's bytes."""

    def __init__(self, name: str, root: Path) -> None:
        self.name = name
        self.root = root
        self._files = str(root / "data/docker/registry/v2")
        self._socket = str(root / "registry.sock")
        self._blobs: set[str] = set()  # digests known to lie in our file system
        self._links: set[str] = set()  # link files known to exist
        self._process: asyncio.subprocess.Process | None = None
        self._session: aiohttp.ClientSession | None = None

    async def start(self) -> None:
        """Start Distribution on a socket of its own and wait until it answers. RuntimeError if it does not."""
        os.makedirs(self._files, exist_ok=True)
        config = self.root / "registry.json"  # JSON is YAML too
        config.write_text(json.dumps({
            "version": "0.1",
            "log": {"level": "error", "accesslog": {"disabled": True}},
            "storage": {
                "filesystem": {"rootdirectory": str(self.root / "data")},
                "delete": {"enabled": True},
                "maintenance": {"uploadpurging": {"enabled": False}},
            },
            "http": {"net": "unix", "addr": self._socket, "relativeurls": True},
            "validation": {"manifests": {"urls": {"allow": [".*"]}}},
        }))
        with open(self.root / "registry.log", "wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                REGISTRY, "serve", str(config), stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
                preexec_fn=_die_with_parent,
            )
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                _reader, writer = await asyncio.open_unix_connection(self._socket)
                writer.close()
                break
            except OSError:
                if self._process.returncode is not None or time.monotonic() > deadline:
                    said = (self.root / "registry.log").read_text(errors="replace")[-2000:]
                    raise RuntimeError(f"docker-registry for {self.name} did not start: {said}") from None
                await asyncio.sleep(0.005)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.UnixConnector(self._socket, limit=64), auto_decompress=False,
            timeout=aiohttp.ClientTimeout(total=120),
        )

    async def stop(self) -> None:
        if self._session:
            await self._session.close()
            self._session = None
        if self._process and self._process.returncode is None:
            self._process.kill()
            await self._process.wait()

    def request(self, method: str, path: str, **options: Any) -> Any:
        """A request to Distribution, as `aiohttp.ClientSession.request`; use with ``async with``."""
        if self._session is None:
            raise RuntimeError(f"store {self.name} is not running")
        return self._session.request(method, f"http://registry{path}", allow_redirects=False, **options)

    # ---- the file system --------------------------------------------------------------------------------------

    def read(self, digest: str) -> bytes | None:
        """A blob's or manifest's bytes, or None."""
        try:
            with open(self._blob_path(digest), "rb") as file:
                return file.read()
        except FileNotFoundError:
            return None

    def write(self, repository: str, image: Image) -> None:
        """Put a manifest and its blobs, without its children."""
        for digest, data in image.blobs.items():
            self._put(digest, data)
            self._link(self._layer(repository, digest), digest)
        self._put(image.digest, image.data)
        self._link(self._revision(repository, image.digest), image.digest)

    def take(self, other: Distribution, repository: str, digest: str, blobs: list[str]) -> None:
        """Put a manifest and its blobs that lie in another file system. FileNotFoundError when they don't."""
        for blob in blobs:
            self._take(other, blob)
            self._link(self._layer(repository, blob), blob)
        self._take(other, digest)
        self._link(self._revision(repository, digest), digest)

    def lose(self, repository: str, digest: str) -> None:
        """Remove a manifest from a repository."""
        link = self._revision(repository, digest) + "/link"
        self._links.discard(link)
        if os.path.exists(link):
            os.unlink(link)

    def forget(self, repository: str) -> None:
        """Remove a repository."""
        base = f"{self._files}/repositories/{repository}"
        own = (f"{base}/_layers/", f"{base}/_manifests/")  # repositories may lie below this one: only its own parts go
        for part in own:
            shutil.rmtree(part, ignore_errors=True)
        self._links = {link for link in self._links if not link.startswith(own)}

    def _blob_path(self, digest: str) -> str:
        name = digest[7:]
        return f"{self._files}/blobs/sha256/{name[:2]}/{name}/data"

    def _layer(self, repository: str, digest: str) -> str:
        return f"{self._files}/repositories/{repository}/_layers/sha256/{digest[7:]}"

    def _revision(self, repository: str, digest: str) -> str:
        return f"{self._files}/repositories/{repository}/_manifests/revisions/sha256/{digest[7:]}"

    def _put(self, digest: str, data: bytes) -> None:
        def write(path: str) -> None:
            with open(path, "xb") as file:
                file.write(data)

        self._place(digest, write)

    def _take(self, other: Distribution, digest: str) -> None:
        self._place(digest, lambda path: os.link(other._blob_path(digest), path))

    def _place(self, digest: str, write: Callable[[str], None]) -> None:
        if digest in self._blobs:
            return
        path = self._blob_path(digest)
        _mkdir(path[:-5])
        try:
            write(path)
        except FileExistsError:
            pass
        self._blobs.add(digest)

    def _link(self, directory: str, digest: str) -> None:
        path = directory + "/link"
        if path in self._links:
            return
        _mkdir(directory)
        with open(path, "w", encoding="ascii") as file:
            file.write(digest)
        self._links.add(path)


def _mkdir(path: str) -> None:
    try:
        os.mkdir(path)
    except FileExistsError:
        pass
    except FileNotFoundError:
        os.makedirs(path, exist_ok=True)
