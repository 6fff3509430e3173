# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Finds what refers to images in their source registry: signatures, SBOMs, attestations."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Callable, Dict, Iterable, List, NamedTuple, Optional, Set, Tuple

from ._errors import AcrError
from ._manifest import INDEX_TYPES
from ._plan import Origin, origin_name
from ._reference import valid_digest
from ._refusals import nothing_there
from ._sources import Source, Sources

SUFFIXES = ("sig", "att", "sbom")  # of the tags under which cosign keeps what belongs to a digest
DEPTH = 8  # a signature of an SBOM of an image is three deep
TAG_CHARACTERS = 128  # a longer name, as a SHA-512 makes it, is no tag
MOST = 1000  # referrers of one image; more are somebody's mistake, or an attack

Key = Tuple[Any, ...]


class _Look(NamedTuple):
    """What is asked about one manifest: its referrers (their descriptors), the digests behind the tags that are named after
    it, the digests of the platforms that it lists."""

    referrers: Future
    tags: List[Tuple[str, Future]]
    platforms: Optional[Future]


class Referrers:
    """Looks for the referrers of many images at once, each manifest asked for once."""

    def __init__(self, sources: Sources, pool: ThreadPoolExecutor) -> None:
        self._sources = sources
        self._pool = pool
        self._asked: Dict[Key, Future] = {}  # by the question

    def of(self, origins: Iterable[Origin]) -> Dict[Key, Any]:
        """By origin key: a list of origins (those with a tag are to keep it), or the AcrError that kept us from looking.

        *origins* have digests.
        """
        images = {origin.key: origin for origin in origins}
        found: Dict[Key, Dict[str, Origin]] = {key: {} for key in images}
        failed: Dict[Key, AcrError] = {}
        seen: Dict[Key, Set[str]] = {key: {origin.digest or ""} for key, origin in images.items()}
        # Round by round, so that all lookups of a round are under way at once.
        frontier = [(key, origin, origin.platform is None) for key, origin in images.items()]
        for _round in range(DEPTH):
            looks = [(key, origin, self._look(origin, children)) for key, origin, children in frontier]
            frontier = []
            for key, origin, look in looks:
                if key in failed:
                    continue
                try:
                    referrers, children = self._around(origin, look)
                except AcrError as error:
                    message = f"What refers to {origin_name(origin)} can't be found: {error}"
                    failed[key] = error.but(message)
                    continue
                for digest in children:
                    if digest not in seen[key]:
                        seen[key].add(digest)
                        frontier.append((key, origin._replace(digest=digest, tag=None), False))
                for referrer in referrers:
                    found[key].setdefault(str(referrer.tag or referrer.digest), referrer)
                    if referrer.digest not in seen[key]:
                        seen[key].add(referrer.digest or "")
                        frontier.append((key, referrer, True))
                if len(found[key]) > MOST:
                    failed[key] = AcrError("unsupported", f"{origin.image} has more than {MOST} referrers; refused.")
            if not frontier:
                break
        return {key: failed.get(key) or list(found[key].values()) for key in images}

    def _look(self, origin: Origin, children: bool) -> _Look:
        source: Source = origin.registry  # type: ignore[assignment]
        digest = origin.digest or ""
        tags = [f"{digest.replace(':', '-')}.{suffix}" for suffix in SUFFIXES]
        return _Look(
            self._ask(self._referrers, source, origin.repository, digest),
            # By name: that a listing of tags doesn't show one is no sign that there is none.
            [
                (tag, self._ask(self._tag, source, origin.repository, tag))
                for tag in tags
                if len(tag) <= TAG_CHARACTERS
            ],
            self._ask(self._platforms, source, origin.repository, digest) if children and self._may_list(digest) else None,
        )

    def _ask(self, ask: Callable[..., Any], source: Source, repository: str, reference: str) -> Future:
        """The future of an answer; each question is asked once."""
        key = (ask, source, repository, reference)
        if key not in self._asked:
            self._asked[key] = self._pool.submit(ask, source, repository, reference)
        return self._asked[key]

    @staticmethod
    def _around(origin: Origin, look: _Look) -> Tuple[List[Origin], List[str]]:
        """What refers to one manifest, and the platforms that it lists."""
        bare = origin._replace(platform=None, tag=None)
        referrers = [
            bare._replace(digest=str(entry["digest"]))
            for entry in look.referrers.result()
            if valid_digest(str(entry.get("digest")))
        ]
        for tag, find in look.tags:
            if find.result() is not None:
                referrers.append(bare._replace(tag=tag, digest=find.result()))
        return referrers, look.platforms.result() if look.platforms else []

    def _tag(self, source: Source, repository: str, tag: str) -> Optional[str]:
        """The digest of a tag that need not be there."""
        try:
            return self._sources.find(source, repository, tag)
        except AcrError as error:
            if nothing_there(error):
                return None
            raise

    @staticmethod
    def _referrers(source: Source, repository: str, digest: str) -> List[Dict[str, Any]]:
        return source.registry.referrers(repository, digest)

    @staticmethod
    def _platforms(source: Source, repository: str, digest: str) -> List[str]:
        """The manifests that an index lists, at any depth, but for attestations: those come with the index itself."""
        manifest = source.registry.confirmed(lambda: source.registry.manifest(repository, digest))
        return [child.digest for child in source.registry.walk(repository, manifest) if child.platform.get("os") != "unknown"]

    def _may_list(self, digest: str) -> bool:
        known = self._sources.known(digest)
        return known is None or known.media_type in INDEX_TYPES
