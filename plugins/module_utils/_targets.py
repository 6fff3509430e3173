# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the target registry shows: tags, the manifests behind them, and locks. Picks the cheaper way to ask.

This is where it is decided what an answer proves. A listing, and a tag's properties, prove that what they name exists, and
never that something doesn't. "Absent" takes an answer about the tag itself, "gone" repeated answers about the digest, and
what can't be read fails the one image that it was read for.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Dict, Iterable, List, Optional, Set, Tuple, Union

from ._acr import PAGE, AzureRegistry, locked
from ._errors import AcrError
from ._manifest import INDEX_TYPES
from ._plan import GONE, LISTED, THERE, Seen, Want, overwrites

FEW = 3  # up to so many things of a repository are asked for one by one
# Failures that concern the whole registry, not the one thing that was asked for.
GENERAL = frozenset(["unreachable", "certificate", "firewall", "timeout"])

Found = Union[Seen, AcrError]


class Targets:
    """Reads one Azure registry, repository by repository; many things at once, up to *concurrency*."""

    def __init__(self, registry: AzureRegistry, concurrency: int = 16) -> None:
        self.registry = registry
        self._readers = ThreadPoolExecutor(concurrency)  # for single reads only: what runs there waits for nothing else
        self._types: Dict[str, str] = {}  # digest → media type, where it is known
        self._there: Set[Tuple[str, str]] = set()  # repository and digest of manifests that are known to exist
        self._locked: Dict[Tuple[str, Optional[str]], bool] = {}  # repositories, and manifests in them, whose lock was read

    def close(self) -> None:
        """Starts no further reads."""
        self._readers.shutdown(wait=False, cancel_futures=True)

    def _each(self, read: Callable[[Any], Any], things: Iterable[Any]) -> Dict[Any, Any]:
        """What *read* returns for each thing, or the AcrError that it raises: what fails for one is not another's."""

        def guarded(thing: Any) -> Any:
            try:
                return read(thing)
            except AcrError as error:
                return error

        things = list(things)
        if len(things) == 1:
            return {things[0]: guarded(things[0])}
        return dict(zip(things, self._readers.map(guarded, things)))

    def know(self, digest: str, media_type: str) -> None:
        """What kind of manifest a digest is, learnt elsewhere: spares a look."""
        self._types[digest] = media_type

    def media_type(self, digest: Optional[str]) -> Optional[str]:
        """The media type of a manifest, where it happens to be known."""
        return self._types.get(digest or "")

    # -- tags ------------------------------------------------------------------------------------------------------

    def tags(self, repository: str, names: Iterable[str]) -> Dict[str, Found]:
        """What the tags of a repository show, absent ones too, or why that can't be read; by name."""
        wanted = set(names)
        if len(wanted) <= FEW:
            return self._each(lambda name: self.tag(repository, name), sorted(wanted))
        listed, exists = self.registry.find_tags(repository, wanted)
        found: Dict[str, Found] = {name: Seen(tag.digest, LISTED, tag.updated, tag.locked) for name, tag in listed.items()}
        unlisted = sorted(wanted - set(found))
        if exists:
            found.update(self._each(lambda name: self.entry(repository, name), unlisted))
        else:
            found.update((name, Seen()) for name in unlisted)
        named = {seen.digest for seen in found.values() if isinstance(seen, Seen) and seen.digest is not None}
        states = self._states(repository, named)
        for name, seen in found.items():
            if isinstance(seen, Seen) and seen.digest is not None:
                found[name] = _behind(seen, states[seen.digest])
        return found

    def tag(self, repository: str, name: str, *, expected: bool = False) -> Seen:
        """What one tag shows. AcrError if neither the tag nor its properties can be read. *expected*: it was seen before, so
        that it is absent only if that is said again and again."""

        def read() -> str:
            return self._describe(repository, name)

        try:
            return Seen(self.registry.confirmed(read) if expected else read())
        except AcrError as error:
            if error.reason in GENERAL or error.passing:
                raise
            refusal = error
        # Another replica may know the tag, and one that must not be read still has properties.
        try:
            seen = self.entry(repository, name)
        except AcrError as error:
            raise (error if refusal.reason == "not_found" else refusal) from None
        if seen.digest is None:
            if refusal.reason != "not_found":
                raise refusal
            return seen
        found = _behind(seen, self._states(repository, [seen.digest])[seen.digest])
        if isinstance(found, AcrError):
            raise found
        return found

    def entry(self, repository: str, name: str) -> Seen:
        """One tag by its properties, with the time of its last change, and no look at its manifest."""
        tag = self.registry.tag(repository, name)
        return Seen(tag.digest, LISTED, tag.updated, tag.locked) if tag is not None else Seen()

    def shown(self, repository: str, reference: str) -> Seen:
        """What a tag or digest shows at the cost of one request, for who looks again anyway: absent may mean not yet."""
        try:
            return Seen(self._describe(repository, reference))
        except AcrError as error:
            if error.reason == "not_found":
                return Seen()
            if error.reason in GENERAL or error.passing:
                raise
            return self._by_properties(repository, reference)

    def examine(self, want: Want) -> Seen:
        """All that has to be known of a target to decide on it: its locks, too, if it would be overwritten."""
        target = want.target
        seen = self.tag(target.repository, target.tag) if target.tag else self.shown(target.repository, want.digest or "")
        return self.guarded(want, seen) if overwrites(want, seen) else seen

    def newest(self, repository: str, count: int) -> Dict[str, Seen]:
        """The *count* tags that changed last, by one request."""
        return {
            tag.name: Seen(tag.digest, LISTED, tag.updated, tag.locked) for tag in self.registry.tag_list(repository, newest=count)
        }

    def _by_properties(self, repository: str, reference: str) -> Seen:
        """What may not be pulled may still show its properties."""
        if ":" in reference:
            there = self.registry.manifest_metadata(repository, reference) is not None
            return Seen(reference) if there else Seen()
        return self.entry(repository, reference)

    # -- manifests -------------------------------------------------------------------------------------------------

    def manifests(self, repository: str, digests: Iterable[str]) -> Dict[str, Found]:
        """Which of these manifests a repository holds; nothing but this look says that it should."""
        states = self._states(repository, digests, expected=False)
        return {
            digest: state if isinstance(state, AcrError) else Seen(digest) if state == THERE else Seen()
            for digest, state in states.items()
        }

    def damage(
        self, repository: str, digests: Iterable[str], *, expected: bool = False
    ) -> Dict[str, Union[List[str], AcrError]]:
        """What is missing of these manifests: digest → the digests of itself or of what it lists, at any depth (empty if
        it is whole), or why that can't be read. *expected*: "not there" is believed only when it is said again."""
        found: Dict[str, Union[List[str], AcrError]] = {}
        parts: Dict[str, Set[str]] = {}
        indexes = []
        for digest in sorted(set(digests)):
            if self._types.get(digest, INDEX_TYPES[0]) in INDEX_TYPES:
                indexes.append(digest)
            else:
                parts[digest] = {digest}
        for digest, listed in self._each(lambda one: self._parts(repository, one, expected), indexes).items():
            if listed is None:
                found[digest] = [digest]
            elif isinstance(listed, AcrError):
                found[digest] = listed
            else:
                parts[digest] = listed
        states = self._states(repository, set().union(*parts.values()), expected)
        for digest, children in parts.items():
            unread = [states[child] for child in sorted(children) if isinstance(states[child], AcrError)]
            missing = sorted(child for child in children if states[child] == GONE)
            found[digest] = unread[0] if unread and not missing else missing
        return found

    def _parts(self, repository: str, index: str, expected: bool) -> Optional[Set[str]]:
        """What an index lists, directly or by the indexes that it lists; None if it is gone itself."""

        def read() -> Any:
            return self.registry.manifest(repository, index)

        try:
            manifest = self.registry.confirmed(read) if expected else read()
        except AcrError as error:
            if error.reason != "not_found":
                raise
            return None
        self._there.add((repository, index))
        return {child.digest for child in self.registry.walk(repository, manifest)}

    def _states(
        self, repository: str, digests: Iterable[str], expected: bool = True
    ) -> Dict[str, Union[str, AcrError]]:
        """THERE, GONE or an AcrError for each digest. *expected*: something says that they exist, so that they are GONE only
        if that is said again and again."""
        wanted = set(digests)
        left = {digest for digest in wanted if (repository, digest) not in self._there}
        if len(left) > FEW:
            self._list_manifests(repository, left)
            left = {digest for digest in left if (repository, digest) not in self._there}
        states: Dict[str, Union[str, AcrError]] = dict.fromkeys(wanted, THERE)
        states.update(self._each(lambda digest: self._state(repository, digest, expected), sorted(left)))
        return states

    def _list_manifests(self, repository: str, wanted: Set[str]) -> None:
        """Notes which of the *wanted* manifests a listing shows, as long as that is cheaper than asking for each."""
        left = set(wanted)
        try:
            for number, entry in enumerate(self.registry.manifest_list(repository), 1):
                digest = str(entry.get("digest"))
                if "changeableAttributes" in entry:
                    self._locked[repository, digest] = locked(entry, self.registry.name)
                if digest in left:
                    left.discard(digest)
                    self._there.add((repository, digest))
                if not left:
                    return
                if number == PAGE and self.registry.direct(self.registry.counts(repository).manifests, len(left)):
                    return
        except AcrError as error:
            if error.reason in GENERAL:
                raise
            # Each can still be asked for itself.

    def _state(self, repository: str, digest: str, expected: bool) -> str:
        def read() -> str:
            return self._describe(repository, digest)

        try:
            self.registry.confirmed(read) if expected else read()
        except AcrError as error:
            if error.reason == "not_found":
                return GONE
            if error.reason in GENERAL or error.passing:
                raise
            if self._by_properties(repository, digest).digest is None:
                raise
            self._there.add((repository, digest))
        return THERE

    def _describe(self, repository: str, reference: str) -> str:
        found = self.registry.describe(repository, reference)
        self._types[found.digest] = found.media_type
        self._there.add((repository, found.digest))
        return found.digest

    # -- locks -----------------------------------------------------------------------------------------------------

    def guarded(self, want: Want, seen: Seen) -> Seen:
        """*seen* of a target that is to be overwritten, with its locks: which of ``repository``, ``tag`` and ``manifest`` (the
        one that it names now, or shall name) can't be written. Fills in the time of the tag's last change, too.

        AcrError if one of them can't be read. Azure's forced import heeds no lock, so nothing may be forced then.
        """
        registry, target = self.registry, want.target
        repository = target.repository
        try:
            locks = ["repository"] if self._is_locked(repository) else []
            if target.tag is not None and seen.updated is None:
                tag = registry.confirmed(lambda: registry.tag(repository, target.tag or ""))
                if tag is not None:
                    seen = seen._replace(updated=tag.updated, tag_locked=tag.locked)
            if seen.tag_locked:
                locks.append("tag")
            digests = {digest for digest in (seen.digest, want.digest) if digest is not None}
            if any(self._is_locked(repository, digest) for digest in sorted(digests)):
                locks.append("manifest")
        except AcrError as error:
            message = f"Whether {target} is locked can't be read, so it was not overwritten: {error}"
            raise error.but(message) from None
        return seen._replace(locks=tuple(locks))

    def _is_locked(self, repository: str, digest: Optional[str] = None) -> bool:
        """Whether a repository, or a manifest in it, is locked against writing; read once. What isn't there has no lock."""
        place = (repository, digest)
        if place not in self._locked:

            def read() -> Optional[bool]:
                if digest is None:
                    return self.registry.repository_locked(repository)
                entry = self.registry.manifest_metadata(repository, digest)
                return locked(entry, self.registry.name) if entry is not None else None

            expected = digest is None or (repository, digest) in self._there
            found = self.registry.confirmed(read) if expected else read()
            if found is None:
                return False  # for now: it may come
            self._locked[place] = found
        return self._locked[place]


def _behind(seen: Seen, state: Union[str, AcrError]) -> Found:
    """*seen* by a listing or by properties, now that its manifest was asked for."""
    return state if isinstance(state, AcrError) else seen._replace(manifest=state)
