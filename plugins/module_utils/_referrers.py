# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Finds what refers to images in their registry: signatures, SBOMs, attestations."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Callable, Dict, Iterable, List, Mapping, NamedTuple, Optional, Set, Tuple, TypeVar, Union

from ._errors import AcrError
from ._listing import FEW
from ._plan import Origin, OriginKey
from ._reference import TAG_CHARACTERS, valid_digest
from ._refusals import nothing_there
from ._source import Source

Answer = TypeVar("Answer")

SUFFIXES = ("sig", "att", "sbom")  # of the tags under which cosign keeps what belongs to a digest
DEPTH = 8  # a signature of an SBOM of an image is three deep
MOST = 1000  # referrers of one image; more are somebody's mistake, or an attack


class Referrer(NamedTuple):
    """What refers to the manifest *subject*. *origin* has its digest, and its tag if it was found by that. *found_by*: ``api``,
    ``index`` or ``tag``. *descriptor*: as the list that shows it describes it, ``{}`` if it was found by its tag."""

    origin: Origin
    subject: str
    found_by: str
    descriptor: Dict[str, Any]


class _Look(NamedTuple):
    """What is asked about one manifest: its referrers (their descriptors), the digests behind the tags that are named after
    it, the tags that an Azure registry lists, the digests of the platforms that it lists."""

    referrers: Future[Tuple[str, List[Dict[str, Any]]]]
    tags: List[Tuple[str, Future[Optional[str]]]]
    listed: Optional[Future[Mapping[str, Optional[str]]]]
    platforms: Optional[Future[List[str]]]


class Referrers:
    """Looks for the referrers of many images of one source at once, each manifest asked for once.

    *tags*: those of repositories, with their digests, if they are known; of other repositories, each tag is asked for by name.
    """

    def __init__(self, source: Source, pool: ThreadPoolExecutor, tags: Optional[Mapping[str, Mapping[str, str]]] = None) -> None:
        self._source = source
        self._pool = pool
        self._tags = tags or {}
        self._asked: Dict[Tuple[Callable[..., Any], str, str], Future[Any]] = {}  # by the question

    def of(self, origins: Iterable[Origin]) -> Dict[OriginKey, Union[List[Referrer], AcrError]]:
        """By origin key: its referrers at every level (those with a tag are to keep it), or the AcrError that kept us from looking.

        *origins* have digests.
        """
        images = {origin.key: origin for origin in origins}
        found: Dict[OriginKey, Dict[Tuple[str, str], Referrer]] = {key: {} for key in images}
        failed: Dict[OriginKey, AcrError] = {}
        seen: Dict[OriginKey, Set[str]] = {key: {origin.digest or ""} for key, origin in images.items()}
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
                    message = f"What refers to {origin} can't be found: {error}"
                    failed[key] = error.but(message)
                    continue
                for digest in children:
                    if digest not in seen[key]:
                        seen[key].add(digest)
                        frontier.append((key, origin._replace(digest=digest, tag=None), False))
                for referrer in referrers:
                    one = referrer.origin
                    found[key].setdefault((str(one.tag or one.digest), referrer.subject), referrer)
                    if one.digest not in seen[key]:
                        seen[key].add(one.digest or "")
                        frontier.append((key, one, True))
                if len(found[key]) > MOST:
                    failed[key] = AcrError("unsupported", f"{origin.image} has more than {MOST} referrers; refused.")
            if not frontier:
                break
        for key, _origin, _children in frontier:
            message = f"{images[key].image} has referrers {DEPTH} levels deep, which is too deep."
            failed.setdefault(key, AcrError("unsupported", message))
        return {key: failed.get(key) or list(found[key].values()) for key in images}

    def _look(self, origin: Origin, children: bool) -> _Look:
        digest = origin.digest or ""
        witness = self._source.azure and origin.repository not in self._tags
        tags = [f"{digest.replace(':', '-')}.{suffix}" for suffix in SUFFIXES]
        return _Look(
            self._ask(self._source.registry.referrers, origin.repository, digest),
            # By name: that a listing of tags doesn't show one doesn't mean that there is none.
            [(tag, self._ask(self._tag, origin.repository, tag)) for tag in tags if len(tag) <= TAG_CHARACTERS],
            self._ask(self._listed, origin.repository, "") if witness else None,
            self._ask(self._platforms, origin.repository, digest) if children and self._may_list(digest) else None,
        )

    def _ask(self, ask: Callable[[str, str], Answer], repository: str, reference: str) -> Future[Answer]:
        """The future of an answer; each question is asked once."""
        key = (ask, repository, reference)
        if key not in self._asked:
            self._asked[key] = self._pool.submit(ask, repository, reference)
        return self._asked[key]

    def _around(self, origin: Origin, look: _Look) -> Tuple[List[Referrer], List[str]]:
        """What refers to one manifest, and the platforms that it lists."""
        bare, subject = origin._replace(platform=None, tag=None), origin.digest or ""
        found_by, entries = look.referrers.result()
        referrers = [
            Referrer(bare._replace(digest=str(entry["digest"])), subject, found_by, entry)
            for entry in entries
            if valid_digest(str(entry.get("digest")))
        ]
        for tag, find in look.tags:
            digest = find.result()
            if digest is None and look.listed and tag in look.listed.result():
                digest = self._tag(origin.repository, tag)  # one answer doesn't outweigh a listing
            if digest is not None:
                referrers.append(Referrer(bare._replace(tag=tag, digest=digest), subject, "tag", {}))
        return referrers, look.platforms.result() if look.platforms else []

    def _tag(self, repository: str, tag: str) -> Optional[str]:
        """The digest of a tag that need not be there."""
        if repository in self._tags:
            return self._tags[repository].get(tag)
        try:
            return self._source.find(repository, tag)
        except AcrError as error:
            if nothing_there(error):
                return None
            raise

    def _listed(self, repository: str, _reference: str) -> Mapping[str, Optional[str]]:
        """The tags of an Azure repository that shows them all on a page; none if it can't be listed."""
        return self._source.listed(repository, FEW + 1)

    def _platforms(self, repository: str, digest: str) -> List[str]:
        """The manifests that an index lists, at any depth, but for attestations: those come with the index itself."""
        registry = self._source.registry
        manifest = registry.confirmed(lambda: registry.manifest(repository, digest))
        return [child.digest for child in registry.walk(repository, manifest) if child.platform.get("os") != "unknown"]

    def _may_list(self, digest: str) -> bool:
        known = self._source.known.get(digest)
        return known is None or known.is_index
