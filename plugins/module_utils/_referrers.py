# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Finds what refers to images in their source registry: signatures, SBOMs, attestations."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Dict, Iterable, List, Set, Tuple

from ansible_collections.registryops.acr.plugins.module_utils._errors import AcrError
from ansible_collections.registryops.acr.plugins.module_utils._plan import Origin, origin_name
from ansible_collections.registryops.acr.plugins.module_utils._registry import INDEX_TYPES, valid_digest
from ansible_collections.registryops.acr.plugins.module_utils._sources import Source, Sources

SUFFIXES = ("sig", "att", "sbom")  # of the tags under which cosign keeps what belongs to a digest
DEPTH = 8  # a signature of an SBOM of an image is three deep
MOST = 1000  # referrers of one image; more are somebody's mistake, or an attack

Key = Tuple[Any, ...]


class Referrers:
    """Looks for the referrers of many images at once, each manifest asked for once."""

    def __init__(self, sources: Sources, pool: ThreadPoolExecutor) -> None:
        self._sources = sources
        self._pool = pool
        self._looks: Dict[Tuple[Source, str, str], Future] = {}

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
                    referrers, children = look.result()
                except AcrError as error:
                    message = "What refers to {0} can't be found: {1}".format(origin_name(origin), error)
                    failed[key] = AcrError(error.kind, message, status=error.status)
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
                    failed[key] = AcrError("invalid", "{0} has more than {1} referrers; refused.".format(origin.image, MOST))
            if not frontier:
                break
        return {key: failed.get(key) or list(found[key].values()) for key in images}

    def _look(self, origin: Origin, children: bool) -> Future:
        source: Source = origin.registry  # type: ignore[assignment]
        key = (source, origin.repository, origin.digest or "")
        if key not in self._looks:
            self._looks[key] = self._pool.submit(self._around, source, origin, children)
        return self._looks[key]

    def _around(self, source: Source, origin: Origin, children: bool) -> Tuple[List[Origin], List[str]]:
        """What refers to one manifest, and the platforms that it lists."""
        digest = origin.digest or ""
        referrers = [
            Origin(source, origin.repository, None, str(entry["digest"]))
            for entry in source.registry.referrers(origin.repository, digest)
            if valid_digest(str(entry.get("digest")))
        ]
        listing = self._sources.listing(source, origin.repository)
        for suffix in SUFFIXES:
            tag = "{0}.{1}".format(digest.replace(":", "-"), suffix)
            if tag in listing:
                there = listing[tag] or self._sources.tag(source, origin.repository, tag).digest
                referrers.append(Origin(source, origin.repository, tag, there))
        listed: List[str] = []
        if children and self._may_list(source, origin):
            for child in source.registry.manifest(origin.repository, digest).children():
                if (child.get("platform") or {}).get("os") != "unknown":  # attestations come with the index itself
                    listed.append(str(child["digest"]))
        return referrers, listed

    def _may_list(self, source: Source, origin: Origin) -> bool:
        known = self._sources.known(origin.digest or "")
        return known is None or known.media_type in INDEX_TYPES
