# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the target registry shows: tags, and whether the manifests behind them are there. Picks the cheaper way to ask."""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterable, List, Optional, Set, Tuple

from ansible_collections.registryops.acr.plugins.module_utils._acr import PAGE, AzureRegistry
from ansible_collections.registryops.acr.plugins.module_utils._errors import AcrError
from ansible_collections.registryops.acr.plugins.module_utils._plan import Seen
from ansible_collections.registryops.acr.plugins.module_utils._registry import INDEX_TYPES

FEW = 3  # up to so many things of a repository are asked for one by one
NESTED = 3  # an index may list indexes; nobody nests deeper
MOST_NESTED = 50  # such indexes are looked into on each level: an index without end is an attack


class Targets:
    """Reads one Azure registry, repository by repository. *each* maps a function over a list, possibly in parallel."""

    def __init__(self, registry: AzureRegistry, each: Callable[..., Iterable[Any]] = map) -> None:
        self.registry = registry
        self._each = each
        self._types: Dict[str, str] = {}  # digest → media type, where it is known
        self._there: Set[Tuple[str, str]] = set()  # repository and digest of manifests that were seen themselves

    def know(self, digest: str, media_type: str) -> None:
        """What kind of manifest a digest is, learnt elsewhere: spares a look."""
        self._types[digest] = media_type

    def media_type(self, digest: Optional[str]) -> Optional[str]:
        """The media type of a manifest, where it happens to be known."""
        return self._types.get(digest or "")

    def _describe(self, repository: str, reference: str) -> str:
        found = self.registry.describe(repository, reference)
        self._types[found.digest] = found.media_type
        self._there.add((repository, found.digest))
        return found.digest

    def tags(self, repository: str, names: Iterable[str]) -> Dict[str, Seen]:
        """What the tags of a repository show; absent ones too."""
        wanted = set(names)
        if len(wanted) <= FEW:
            return {name: self.tag(repository, name) for name in wanted}
        listed, complete = self.registry.find_tags(repository, wanted)
        found = {name: Seen(tag.digest, True, tag.updated, tag.locked) for name, tag in listed.items()}
        for name in wanted - set(found):
            found[name] = Seen() if complete else self.tag(repository, name)
        gone = self.gone(repository, {seen.digest for seen in found.values() if seen.digest and seen.updated})
        for name, seen in found.items():
            if seen.digest in gone:
                found[name] = Seen(seen.digest, False, seen.updated, seen.locked)
        return found

    def tag(self, repository: str, name: str) -> Seen:
        """What one tag shows. A tag whose manifest is gone is not intact."""
        try:
            return Seen(self._describe(repository, name))
        except AcrError as error:
            if error.kind != "not_found":
                raise
        return self.entry(repository, name, intact=False)

    def entry(self, repository: str, name: str, intact: bool = True) -> Seen:
        """One tag as the registry lists it, with the time of its last update, without a look at its manifest."""
        tag = self.registry.tag(repository, name)
        return Seen(tag.digest, intact, tag.updated, tag.locked) if tag is not None else Seen()

    def manifest(self, repository: str, reference: str) -> Seen:
        """Whether a manifest is there, by tag or digest, at the cost of one request."""
        try:
            return Seen(self._describe(repository, reference))
        except AcrError as error:
            if error.kind != "not_found":
                raise
        return Seen()

    def newest(self, repository: str, count: int) -> Dict[str, Seen]:
        """The *count* tags that changed last, by one request."""
        return {
            tag.name: Seen(tag.digest, True, tag.updated, tag.locked)
            for tag in self.registry.tag_list(repository, newest=count)
        }

    def gone(self, repository: str, digests: Iterable[Optional[str]]) -> Set[str]:
        """Which of these manifests the repository does not have."""
        left = {digest for digest in digests if digest}
        if len(left) > FEW:
            complete = True
            for number, entry in enumerate(self.registry.manifest_list(repository), 1):
                left.discard(str(entry.get("digest")))
                if not left:
                    return left
                if number == PAGE and self.registry.direct(self.registry.counts(repository).manifests, len(left)):
                    complete = False
                    break
            if complete:
                return left
        asked = sorted(left)
        seen = self._each(lambda digest: self.manifest(repository, digest), asked)
        return {digest for digest, found in zip(asked, seen) if not found.digest}

    def damage(self, repository: str, digests: Iterable[str]) -> Dict[str, List[str]]:
        """What is missing of these manifests: digest → the digests of itself or of what it lists, at any depth."""
        parts: Dict[str, Set[str]] = {}
        lost: Dict[str, List[str]] = {}
        asked = []
        for digest in sorted(set(digests)):
            if self._types.get(digest, INDEX_TYPES[0]) in INDEX_TYPES:
                asked.append(digest)
            elif (repository, digest) not in self._there:
                parts[digest] = {digest}
        for digest, found in zip(asked, self._each(lambda one: self._parts(repository, one), asked)):
            if found is None:
                lost[digest] = [digest]
            else:
                parts[digest] = found
        gone = self.gone(repository, set().union(*parts.values()) if parts else set())
        for digest, children in parts.items():
            if children & gone:
                lost[digest] = sorted(children & gone)
        return lost

    def _parts(self, repository: str, index: str) -> Optional[Set[str]]:
        """What an index lists, directly or by the indexes that it lists; None where it is gone itself."""
        found: Set[str] = set()
        level = [index]
        for _depth in range(NESTED):
            nested: List[str] = []
            for digest in level:
                try:
                    children = self.registry.manifest(repository, digest).children()
                except AcrError as error:
                    if error.kind != "not_found":
                        raise
                    if digest == index:
                        return None
                    continue
                for child in children:
                    if child["digest"] not in found and _is_index(child):
                        nested.append(child["digest"])
                    found.add(child["digest"])
            level = nested[:MOST_NESTED]
        return found


def _is_index(child: Dict[str, Any]) -> bool:
    media_type = str(child.get("mediaType"))
    return "index" in media_type or "manifest.list" in media_type
