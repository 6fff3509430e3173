# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One registry's content: bytes that Distribution holds, and an index of tags and manifests.

The index knows what Distribution does not (times, locks, sizes, subjects) and answers what is asked often (``HEAD``,
lists). Bytes always come from the Distribution process.
"""
from __future__ import annotations

import abc
import asyncio
import dataclasses
import functools
import json
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from typing import Any, TypeVar

from .distribution import Distribution
from .images import INDEX_TYPES, Image, digest_of

Kept = TypeVar("Kept")
UNLOCKED = {"deleteEnabled": True, "writeEnabled": True, "readEnabled": True, "listEnabled": True}


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
    text = _to_the_second(seconds)
    digits = f"{rest // 100:07d}".rstrip("0")
    return f"{text}.{digits}Z" if digits else f"{text}Z"


@functools.lru_cache(4096)  # lists of many tags would measure this, not the client
def _to_the_second(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


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


def _sorted(items: Iterable[Any], name: Callable[[Any], str], order: str) -> list[Any]:
    found = sorted(items, key=name)
    if order in ("timeasc", "timedesc"):
        found.sort(key=lambda item: item.updated, reverse=order == "timedesc")
    return found


class Contents(abc.ABC):
    """Tags and manifests by repository, and how they are looked up: of a `Store`, or of what a client sees of one."""

    tags: Mapping[str, dict[str, Tag]]
    manifests: Mapping[str, dict[str, Manifest]]
    repo_times: Mapping[str, Times]

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

    @abc.abstractmethod
    def sorted_tags(self, repository: str, order: str = "") -> list[Tag]:
        """The tags of a repository, by name, or by time if *order* says so."""

    def tags_by_digest(self, repository: str) -> dict[str, list[str]]:
        """For each digest the names of the tags that point at it, sorted."""
        found: dict[str, list[str]] = {}
        for tag in self.sorted_tags(repository):
            found.setdefault(tag.digest, []).append(tag.name)
        return found


class Store(Contents):
    """One registry's content. Everything but the file-system work happens on the event loop's thread.

    ``tags[repository][tag]``, ``manifests[repository][digest]``, ``repo_attrs[repository]`` and
    ``repo_times[repository]`` may be read freely; change tags with `set_tag` and `delete_tag`.
    """

    def __init__(self, name: str, root: Path) -> None:
        self.bytes = Distribution(name, root)
        self.tags: dict[str, dict[str, Tag]] = {}
        self.manifests: dict[str, dict[str, Manifest]] = {}
        self.repo_attrs: dict[str, dict[str, bool]] = {}
        self.repo_times: dict[str, Times] = {}
        self._version: dict[str, int] = {}
        self._kept: dict[tuple[str, str], tuple[int, Any]] = {}

    async def start(self) -> None:
        """Start Distribution and wait until it answers. RuntimeError if it does not."""
        await self.bytes.start()

    async def stop(self) -> None:
        await self.bytes.stop()

    def request(self, method: str, path: str, **options: Any) -> Any:
        """A request to Distribution, as `aiohttp.ClientSession.request`; use with ``async with``."""
        return self.bytes.request(method, path, **options)

    def read_blob(self, digest: str) -> bytes | None:
        """A blob's or manifest's bytes from the file system, or None."""
        return self.bytes.read(digest)

    async def get_manifest(self, repository: str, digest: str) -> tuple[bytes, str]:
        """A manifest's bytes from Distribution, and its media type. KeyError when it is not there."""
        media_type = self.manifests[repository][digest].media_type
        data = self.held(repository, f"manifest {digest}")
        if data is None:
            version = self.version(repository)
            async with self.request("GET", f"/v2/{repository}/manifests/{digest}", headers={"Accept": media_type}) as reply:
                if reply.status != 200:
                    raise KeyError(digest)
                data = await reply.read()
            self.hold(repository, f"manifest {digest}", data, version)
        return data, media_type

    # ---- looking up -------------------------------------------------------------------------------------------

    def _keep(self, repository: str, name: str, make: Callable[[], Kept]) -> Kept:
        """What ``make`` makes of a repository: repositories of thousands of tags are read page by page, so it is made once
        for each state of the repository and not once a page."""
        kept: Kept | None = self.held(repository, name)
        if kept is None:
            kept = make()
            self.hold(repository, name, kept, self.version(repository))
        return kept

    def held(self, repository: str, name: str) -> Any:
        """What `hold` was given, unless the repository has changed since: None."""
        version, value = self._kept.get((repository, name), (-1, None))
        return value if version == self.version(repository) else None

    def version(self, repository: str) -> int:
        """Rises with each change of the repository."""
        return self._version.get(repository, 0)

    def hold(self, repository: str, name: str, value: Any, version: int) -> None:
        """Keeps what was made of this version."""
        self._kept[repository, name] = (version, value)

    def sorted_tags(self, repository: str, order: str = "") -> list[Tag]:
        """A repository's tags by name, or with ``timeasc``/``timedesc`` by last update."""
        tags = self.tags[repository]
        return self._keep(repository, f"tags {order}", lambda: _sorted(tags.values(), attrgetter("name"), order))

    def sorted_manifests(self, repository: str, order: str = "") -> list[Manifest]:
        """A repository's manifests by digest, or with ``timeasc``/``timedesc`` by last update."""
        entries = self.manifests[repository]
        return self._keep(repository, f"manifests {order}", lambda: _sorted(entries.values(), attrgetter("digest"), order))

    def tags_by_digest(self, repository: str) -> dict[str, list[str]]:
        return self._keep(repository, "by digest", lambda: super(Store, self).tags_by_digest(repository))

    def referrers(self, repository: str, digest: str, arrived_before: int | None = None) -> list[Manifest]:
        """The manifests that name ``digest`` as their subject, by digest; of those that arrived by then (ns)."""

        def make() -> dict[str, list[Manifest]]:
            found: dict[str, list[Manifest]] = {}
            for entry in self.sorted_manifests(repository):
                if entry.subject:
                    found.setdefault(entry.subject, []).append(entry)
            return found

        entries = self._keep(repository, "referrers", make).get(digest, [])
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
        self.bytes.lose(repository, digest)
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
        self.bytes.forget(repository)
        self._version[repository] = self._version.get(repository, 0) + 1
        return digests, tags

    def clear(self) -> None:
        """Remove everything."""
        for repository in list(self.repo_times):
            self.delete_repository(repository)

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

    # ---- whole images -----------------------------------------------------------------------------------------

    async def add(self, repository: str, images: Iterable[tuple[Image, Iterable[str]]], now: int | None = None) -> None:
        """Put built images with their tags (children included) straight into Distribution's file system."""
        work = [(image, list(tags)) for image, tags in images]

        def write() -> None:
            for image, _tags in work:
                for part in image.walk():
                    self.bytes.write(repository, part)

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
                self.bytes.take(other.bytes, target_repository, entry.digest, entry.blobs)

        await asyncio.to_thread(write)
        now = time.time_ns()
        self._touch(target_repository, now)
        for entry in wanted.values():
            self._enter(target_repository, dataclasses.replace(
                entry, created=now, updated=now, attrs=dict(UNLOCKED), imported=True))
        for tag in tags:
            self.set_tag(target_repository, tag, digest, now)
