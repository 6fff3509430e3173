# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One registry's content: a CNCF Distribution process that holds the bytes, and an index of tags and manifests.

The index knows what Distribution does not (times, locks, sizes, subjects) and answers what is asked often (``HEAD``,
lists). Bytes always come from the Distribution process. Copies and seeding write Distribution's file-system layout
directly, because hundreds of imports must cost next to nothing.
"""
from __future__ import annotations

import asyncio
import ctypes
import dataclasses
import json
import os
import shutil
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from .images import INDEX_TYPES, Image, digest_of

REGISTRY = "/usr/bin/docker-registry"
START_SECONDS = 15.0
UNLOCKED = {"deleteEnabled": True, "writeEnabled": True, "readEnabled": True, "listEnabled": True}
_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None, use_errno=True)


def _die_with_parent() -> None:
    _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


@dataclass
class Tag:
    """A tag. Times in nanoseconds since the epoch; ``digest`` may name a manifest that is gone. ``history``: the digests
    that it had before, each with the time since when, oldest first."""

    name: str
    digest: str
    created: int
    updated: int
    attrs: dict[str, bool] = field(default_factory=lambda: dict(UNLOCKED))
    history: list[tuple[str, int]] = field(default_factory=list)


@dataclass
class Manifest:
    """What is known of a manifest. Sizes in bytes, times in nanoseconds since the epoch.

    ``platforms`` (indexes only): one {"digest", "architecture", "os", …} for each child, in the index's order.
    """

    digest: str
    media_type: str
    size: int
    image_size: int
    created: int
    updated: int
    attrs: dict[str, bool] = field(default_factory=lambda: dict(UNLOCKED))
    architecture: str | None = None
    os: str | None = None
    config_media_type: str | None = None
    imported: bool = False
    subject: str | None = None
    artifact_type: str | None = None
    annotations: dict[str, str] = field(default_factory=dict)
    children: list[str] = field(default_factory=list)
    blobs: list[str] = field(default_factory=list)
    platforms: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Times:
    """When a repository came to be and when something in it last changed, in nanoseconds since the epoch."""

    created: int
    updated: int


def dotnet_time(nanoseconds: int) -> str:
    """A time as Azure's registries write it: seven digits of the second, trailing zeros trimmed."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    text = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))
    digits = f"{rest // 100:07d}".rstrip("0")
    return f"{text}.{digits}Z" if digits else f"{text}Z"


def describe(data: bytes, media_type: str, read: Callable[[str], bytes | None],
             known: dict[str, Manifest], now: int) -> Manifest:
    """A manifest's index entry. ``read`` gives a blob's bytes (None: not here), ``known`` its repository's others."""
    value = json.loads(data)
    subject = (value.get("subject") or {}).get("digest")
    entry = Manifest(digest_of(data), media_type, len(data), len(data), now, now, subject=subject,
                     artifact_type=value.get("artifactType"), annotations=value.get("annotations") or {})
    if media_type in INDEX_TYPES:
        for child in value.get("manifests") or []:
            platform = child.get("platform") or {}
            entry.children.append(child["digest"])
            entry.platforms.append({"digest": child["digest"], **platform})
            held = known.get(child["digest"])
            entry.image_size += held.image_size if held else child.get("size", 0)
        return entry
    if "config" not in value:
        return entry
    entry.config_media_type = value["config"]["mediaType"]
    described = [value["config"], *value.get("layers", [])]
    entry.blobs = [blob["digest"] for blob in described]
    entry.image_size += sum(blob["size"] for blob in described)
    try:
        config = json.loads(read(value["config"]["digest"]) or b"{}")
    except ValueError:
        config = {}
    if isinstance(config, dict):
        entry.architecture, entry.os = config.get("architecture"), config.get("os")
    return entry


class Store:
    """One registry's content. Everything but the file-system work happens on the event loop's thread.

    ``tags[repository][tag]``, ``manifests[repository][digest]``, ``repo_attrs[repository]`` and
    ``repo_times[repository]`` may be read freely; change tags with `set_tag` and `delete_tag`.
    """

    def __init__(self, name: str, root: Path) -> None:
        self.name = name
        self.root = root
        self.tags: dict[str, dict[str, Tag]] = {}
        self.manifests: dict[str, dict[str, Manifest]] = {}
        self.repo_attrs: dict[str, dict[str, bool]] = {}
        self.repo_times: dict[str, Times] = {}
        self._files = str(root / "data/docker/registry/v2")
        self._socket = str(root / "registry.sock")
        self._blobs: set[str] = set()  # hex digests known to lie in our file system
        self._links: set[str] = set()  # link files known to exist
        self._version: dict[str, int] = {}
        self._sorted: dict[tuple[str, str], tuple[int, list[Any]]] = {}
        self._process: asyncio.subprocess.Process | None = None
        self._session: aiohttp.ClientSession | None = None

    # ---- the Distribution process -----------------------------------------------------------------------------

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

    async def get_manifest(self, repository: str, digest: str) -> tuple[bytes, str]:
        """A manifest's bytes from Distribution, and its media type. KeyError when it is not there."""
        media_type = self.manifests[repository][digest].media_type
        async with self.request("GET", f"/v2/{repository}/manifests/{digest}", headers={"Accept": media_type}) as reply:
            if reply.status != 200:
                raise KeyError(digest)
            return await reply.read(), media_type

    # ---- looking up -------------------------------------------------------------------------------------------

    def resolve(self, repository: str, reference: str) -> str | None:
        """The digest a tag points at, or the digest itself; None when the tag is unknown. The manifest may be gone."""
        if ":" in reference:
            return reference
        tag = self.tags.get(repository, {}).get(reference)
        return tag.digest if tag else None

    def manifest(self, repository: str, reference: str) -> Manifest | None:
        """The manifest behind a tag or digest, or None."""
        digest = self.resolve(repository, reference)
        return self.manifests.get(repository, {}).get(digest) if digest else None

    def repositories(self) -> list[str]:
        return sorted(self.repo_times)

    def sorted_tags(self, repository: str, order: str = "") -> list[Tag]:
        """A repository's tags by name, or with ``timeasc``/``timedesc`` by last update."""
        return self._order(repository, "tags", order, self.tags[repository], lambda tag: tag.name)

    def sorted_manifests(self, repository: str, order: str = "") -> list[Manifest]:
        """A repository's manifests by digest, or with ``timeasc``/``timedesc`` by last update."""
        return self._order(repository, "manifests", order, self.manifests[repository], lambda entry: entry.digest)

    def _order(self, repository: str, kind: str, order: str, items: dict[str, Any], name: Callable[[Any], str]) -> Any:
        # Repositories of thousands of tags are read page by page: sort once, not once a page.
        version = self._version.get(repository, 0)
        held = self._sorted.get((repository, kind + order))
        if held is None or held[0] != version:
            found = sorted(items.values(), key=name)
            if order in ("timeasc", "timedesc"):
                found.sort(key=lambda item: item.updated, reverse=order == "timedesc")
            held = self._sorted[(repository, kind + order)] = (version, found)
        return held[1]

    def tags_by_digest(self, repository: str) -> dict[str, list[str]]:
        """For each digest the names of the tags that point at it, sorted."""
        version = self._version.get(repository, 0)
        held = self._sorted.get((repository, "by-digest"))
        if held is None or held[0] != version:
            found: dict[str, list[str]] = {}
            for tag in self.sorted_tags(repository):
                found.setdefault(tag.digest, []).append(tag.name)
            held = self._sorted[(repository, "by-digest")] = (version, [found])
        return held[1][0]

    def referrers(self, repository: str, digest: str, arrived_before: int | None = None) -> list[Manifest]:
        """The manifests that name ``digest`` as their subject, by digest; of those that arrived by then (ns)."""
        key = (repository, "referrers")
        version = self._version.get(repository, 0)
        held = self._sorted.get(key)
        if held is None or held[0] != version:
            found: dict[str, list[Manifest]] = {}
            for entry in self.sorted_manifests(repository):
                if entry.subject:
                    found.setdefault(entry.subject, []).append(entry)
            held = self._sorted[key] = (version, [found])
        entries = held[1][0].get(digest, [])
        return [e for e in entries if arrived_before is None or e.created <= arrived_before]

    # ---- changing the index -----------------------------------------------------------------------------------

    def _touch(self, repository: str, now: int) -> None:
        times = self.repo_times.get(repository)
        if times is None:
            self.repo_times[repository] = Times(now, now)
            self.repo_attrs[repository] = dict(UNLOCKED)
            self.tags.setdefault(repository, {})
            self.manifests.setdefault(repository, {})
        else:
            times.updated = max(times.updated, now)
        self._version[repository] = self._version.get(repository, 0) + 1

    def set_tag(self, repository: str, name: str, digest: str, now: int | None = None) -> Tag:
        """Point a tag at a digest, whether a manifest is there or not. A tag that exists keeps its creation time."""
        now = time.time_ns() if now is None else now
        self._touch(repository, now)
        tag = self.tags[repository].get(name)
        if tag is None:
            tag = self.tags[repository][name] = Tag(name, digest, now, now)
        else:
            tag.history = [*tag.history[-9:], (tag.digest, tag.updated)]
            tag.digest, tag.updated = digest, now
        return tag

    def delete_tag(self, repository: str, name: str) -> Tag:
        """Remove a tag and return it; its manifest stays. KeyError when there is none."""
        tag = self.tags[repository].pop(name)
        self._touch(repository, time.time_ns())
        return tag

    def lose_manifest(self, repository: str, digest: str) -> None:
        """Make a manifest vanish while its tags stay, as the moving-tag race leaves it. KeyError when unknown."""
        del self.manifests[repository][digest]
        link = f"{self._files}/repositories/{repository}/_manifests/revisions/sha256/{digest[7:]}/link"
        self._links.discard(link)
        if os.path.exists(link):
            os.unlink(link)
        self._touch(repository, time.time_ns())

    def delete_manifest(self, repository: str, digest: str) -> None:
        """Remove a manifest and the tags that point at it. KeyError when unknown."""
        self.lose_manifest(repository, digest)
        for name in [tag.name for tag in self.tags[repository].values() if tag.digest == digest]:
            del self.tags[repository][name]
        self._touch(repository, time.time_ns())

    def delete_repository(self, repository: str) -> tuple[list[str], list[str]]:
        """Remove a repository; returns the digests and the tags that were in it. KeyError when unknown."""
        del self.repo_times[repository]
        del self.repo_attrs[repository]
        digests = sorted(self.manifests.pop(repository))
        tags = sorted(self.tags.pop(repository))
        self._forget_files(repository)
        return digests, tags

    def clear(self) -> None:
        """Remove everything."""
        for repository in list(self.repo_times):
            self.delete_repository(repository)

    def _forget_files(self, repository: str) -> None:
        base = f"{self._files}/repositories/{repository}"
        for part in ("_layers", "_manifests"):  # repositories may lie below this one: only its own parts go
            shutil.rmtree(f"{base}/{part}", ignore_errors=True)
        own = (f"{base}/_layers/", f"{base}/_manifests/")
        self._links = {link for link in self._links if not link.startswith(own)}
        self._version[repository] = self._version.get(repository, 0) + 1

    def record(self, repository: str, data: bytes, media_type: str, tags: Iterable[str] = (),
               now: int | None = None) -> Manifest:
        """Enter a manifest whose bytes Distribution already holds, and its tags, into the index."""
        now = time.time_ns() if now is None else now
        self._touch(repository, now)
        entry = describe(data, media_type, self.read_blob, self.manifests[repository], now)
        self._enter(repository, entry)
        for tag in tags:
            self.set_tag(repository, tag, entry.digest, now)
        return entry

    def _enter(self, repository: str, entry: Manifest) -> None:
        held = self.manifests[repository].get(entry.digest)
        if held is None:
            self.manifests[repository][entry.digest] = entry
        else:
            held.updated = entry.updated

    # ---- bytes ------------------------------------------------------------------------------------------------

    def read_blob(self, digest: str) -> bytes | None:
        """A blob's or manifest's bytes from the file system, or None."""
        try:
            with open(self._blob_path(digest), "rb") as file:
                return file.read()
        except FileNotFoundError:
            return None

    async def add(self, repository: str, images: Iterable[tuple[Image, Iterable[str]]], now: int | None = None) -> None:
        """Put built images with their tags (children included) straight into Distribution's file system."""
        work = [(image, list(tags)) for image, tags in images]

        def write() -> None:
            for image, _tags in work:
                for part in image.walk():
                    for digest, data in part.blobs.items():
                        self._put(digest, data)
                        self._link_layer(repository, digest)
                    self._put(part.digest, part.data)
                    self._link_revision(repository, part.digest)

        await asyncio.to_thread(write)
        for image, tags in work:
            for part in image.walk():
                if part is not image:
                    self.record(repository, part.data, part.media_type, now=now)
            self.record(repository, image.data, image.media_type, tags, now=now)

    async def copy_from(self, other: Store, source_repository: str, digest: str, target_repository: str,
                        tags: Iterable[str] = (), skip_children: bool = False) -> None:
        """Copy a manifest with its children and blobs from ``other``, then point ``tags`` at it.

        ``skip_children`` leaves an index without its children, as an interrupted import does. KeyError when the
        manifest or a child is not there. Referrers are not copied, as Azure does not copy them.
        """
        source = other.manifests.get(source_repository, {})
        wanted: dict[str, Manifest] = {}

        def collect(name: str) -> None:
            if name in wanted:
                return
            for child in [] if skip_children else source[name].children:
                collect(child)
            wanted[name] = source[name]  # children stand before their index

        collect(digest)

        def write() -> None:
            for entry in wanted.values():
                for blob in entry.blobs:
                    self._take(other, blob)
                    self._link_layer(target_repository, blob)
                self._take(other, entry.digest)
                self._link_revision(target_repository, entry.digest)

        await asyncio.to_thread(write)
        now = time.time_ns()
        self._touch(target_repository, now)
        for entry in wanted.values():
            self._enter(target_repository, dataclasses.replace(
                entry, created=now, updated=now, attrs=dict(UNLOCKED), imported=True))
        for tag in tags:
            self.set_tag(target_repository, tag, digest, now)

    def _blob_path(self, digest: str) -> str:
        name = digest[7:]
        return f"{self._files}/blobs/sha256/{name[:2]}/{name}/data"

    def _put(self, digest: str, data: bytes) -> None:
        if digest in self._blobs:
            return
        path = self._blob_path(digest)
        _mkdir(path[:-5])
        try:
            with open(path, "xb") as file:
                file.write(data)
        except FileExistsError:
            pass
        self._blobs.add(digest)

    def _take(self, other: Store, digest: str) -> None:
        if digest in self._blobs:
            return
        path = self._blob_path(digest)
        _mkdir(path[:-5])
        try:
            os.link(other._blob_path(digest), path)
        except FileExistsError:
            pass
        self._blobs.add(digest)

    def _link_layer(self, repository: str, digest: str) -> None:
        self._link(f"{self._files}/repositories/{repository}/_layers/sha256/{digest[7:]}", digest)

    def _link_revision(self, repository: str, digest: str) -> None:
        self._link(f"{self._files}/repositories/{repository}/_manifests/revisions/sha256/{digest[7:]}", digest)

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
