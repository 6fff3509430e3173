# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the target registry shows: tags, the manifests behind them, and locks. Picks the cheaper way to ask.

This is where it is decided what an answer proves. A listing, and a tag's properties, prove that what they name exists, and
never that something doesn't. "Absent" takes an answer about the tag itself, or two about its repository, "gone" repeated
answers about the digest, and what can't be read fails the one image that it was read for.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any, Callable, Dict, Iterable, List, Optional, Set, Tuple, TypeVar, Union

from ._acr import AzureRegistry, Tag, immutable, locked
from ._errors import GENERAL, AcrError
from ._listing import FEW, PAGE, asking_pays
from ._manifest import Descriptor, Manifest
from ._plan import Desired, Observed, overwrites
from ._source import Known

Found = Union[Observed, AcrError]
Thing = TypeVar("Thing")
Answer = TypeVar("Answer")
State = Union[bool, AcrError]  # of a manifest: whether it is there


class _Locks:
    """Which repositories, tags and manifests are locked against writing; each lock is read once. *there* holds repository and
    digest of manifests that are known to exist."""

    def __init__(self, registry: AzureRegistry, there: Set[Tuple[str, str]]) -> None:
        self._registry = registry
        self._there = there
        self._known: Dict[Tuple[str, Optional[str]], bool] = {}  # of repositories, and of manifests in them

    def note(self, repository: str, digest: str, entry: Dict[str, Any]) -> None:
        """Takes in what a list of manifests says of one, if it says it."""
        if "changeableAttributes" in entry:
            self._known[repository, digest] = locked(entry, self._registry.name)

    def look(self, desired: Desired, observed: Observed) -> Observed:
        """*observed* of a target that is to be overwritten, with its locks: which of ``repository``, ``tag`` and ``manifest``
        (the one that it names now, or shall name) can't be written. Fills in the time of the tag's last change, too.

        AcrError if one of them can't be read. Azure's forced import ignores locks, so nothing may be forced then.
        """
        registry, (repository, tag, _digest) = self._registry, desired.target
        try:
            locks = ["repository"] if self._is_locked(repository) else []
            if tag is not None and observed.updated is None:
                listed = registry.confirmed(lambda: registry.tag(repository, tag))
                if listed is not None:
                    observed = replace(observed, updated=listed.updated, tag_locked=listed.locked)
            if observed.tag_locked:
                locks.append("tag")
            digests = {digest for digest in (observed.digest, desired.digest) if digest is not None}
            if any(self._is_locked(repository, digest) for digest in sorted(digests)):
                locks.append("manifest")
        except AcrError as error:
            message = f"Whether {desired.target} is locked can't be read, so it was not overwritten: {error}"
            raise error.but(message) from None
        return replace(observed, locks=tuple(locks))

    def _is_locked(self, repository: str, digest: Optional[str] = None) -> bool:
        """Whether a repository, or a manifest in it, is locked against writing; read once. What isn't there has no lock."""
        place = (repository, digest)
        if place not in self._known:

            def read() -> Optional[bool]:
                if digest is None:
                    return self._registry.repository_locked(repository)
                entry = self._registry.manifest_metadata(repository, digest)
                return locked(entry, self._registry.name) if entry is not None else None

            expected = digest is None or (repository, digest) in self._there
            found = self._registry.confirmed(read) if expected else read()
            if found is None:
                return False  # for now: it may come
            self._known[place] = found
        return self._known[place]


class TargetRegistry:
    """Reads one Azure registry, repository by repository; many things at once, up to *concurrency*. *known* holds what
    digests are, as far as it was read."""

    def __init__(self, registry: AzureRegistry, concurrency: int = 16, known: Optional[Known] = None) -> None:
        self.registry = registry
        self.known: Known = {} if known is None else known
        self._readers = ThreadPoolExecutor(concurrency)  # for single reads only: what runs there waits for nothing else
        self._there: Set[Tuple[str, str]] = set()  # repository and digest of manifests that are known to exist
        self._locks = _Locks(registry, self._there)
        self._indexes: Dict[Tuple[str, str], Manifest] = {}  # read, but not checked yet; by repository and digest
        self._first = threading.Lock()
        self._absent: Optional[bool] = None  # whether the last tag of a few was; None: none was asked for
        self.immutable: Dict[Tuple[str, str], bool] = {}  # by repository and tag or digest, as far as listings have shown it

    def close(self) -> None:
        """Starts no further reads."""
        self._readers.shutdown(wait=False, cancel_futures=True)

    def _each(self, read: Callable[[Thing], Answer], things: Iterable[Thing]) -> Dict[Thing, Union[Answer, AcrError]]:
        """What *read* returns for each thing, or the AcrError that it raises: what fails for one is not another's."""

        def guarded(thing: Thing) -> Union[Answer, AcrError]:
            try:
                return read(thing)
            except AcrError as error:
                return error

        things = list(things)
        if len(things) == 1:
            return {things[0]: guarded(things[0])}
        return dict(zip(things, self._readers.map(guarded, things)))

    # -- tags ------------------------------------------------------------------------------------------------------

    def tags(self, repository: str, names: Iterable[str]) -> Dict[str, Found]:
        """What the tags of a repository show, absent ones too, or why that can't be read; by name. The list of manifests, which
        names the tags of each, shows many. That the whole repository doesn't exist takes two answers: that list, and it itself."""
        wanted = set(names)
        if len(wanted) <= FEW:
            return self._each(lambda name: self._guessed(repository, name), sorted(wanted))
        listed, whole = self._list_manifests(repository, wanted)
        found: Dict[str, Found] = {name: Observed.listed(digest) for name, digest in listed.items()}
        unlisted = sorted(wanted - set(found))
        if whole is False and self.registry.repository_locked(repository) is None:
            found.update((name, Observed.absent()) for name in unlisted)
        look = self.tag if whole is None else self.entry
        found.update(self._each(lambda name: look(repository, name), [name for name in unlisted if name not in found]))
        named = {one.digest for one in found.values() if isinstance(one, Observed) and one.digest is not None}
        states = self._states(repository, named)
        for name, one in found.items():
            if isinstance(one, Observed) and one.digest is not None:
                found[name] = _behind(one, states[one.digest])
        return found

    def tag(self, repository: str, name: str, *, expected: bool = False) -> Observed:
        """What one tag shows. AcrError if neither the tag nor its properties can be read. *expected*: it was seen before, so
        that it is absent only if that is said again and again."""
        read = partial(self._describe, repository, name, brief=True)
        try:
            return Observed.there(self.registry.confirmed(read) if expected else read())
        except AcrError as error:
            if error.reason in GENERAL or error.passing:
                raise
            refusal = error
        # Another replica may know the tag, and one that must not be read still has properties.
        try:
            seen = self.entry(repository, name)
        except AcrError as error:
            raise (error if refusal.reason == "not_found" else refusal) from None
        if seen.digest is None and refusal.reason != "not_found":
            raise refusal
        return self._with_manifest(repository, seen)

    def _guessed(self, repository: str, name: str) -> Observed:
        """As `tag`. Where one tag is absent, others often are, and one answer about a tag's properties is enough to say so."""
        with self._first:
            if self._absent is None:
                return self._learnt(repository, name)
        if self._absent:
            with suppress(AcrError):  # the tag itself may be read all the same
                seen = self.entry(repository, name)
                self._absent = seen.digest is None
                return self._with_manifest(repository, seen)
        return self._learnt(repository, name)

    def _learnt(self, repository: str, name: str) -> Observed:
        self._absent = False
        found = self.tag(repository, name)
        self._absent = found.digest is None
        return found

    def _with_manifest(self, repository: str, seen: Observed) -> Observed:
        """What the properties of a tag have shown, after a look at the manifest that they name."""
        if seen.digest is None:
            return seen
        found = _behind(seen, self._states(repository, [seen.digest])[seen.digest])
        if isinstance(found, AcrError):
            raise found
        return found

    def entry(self, repository: str, name: str) -> Observed:
        """One tag by its properties, with the time of its last change, and no look at its manifest."""
        tag = self.registry.tag(repository, name)
        return _listed(tag) if tag is not None else Observed.absent()

    def shown(self, repository: str, reference: str, *, hoped: Optional[str] = None) -> Observed:
        """What a tag or digest shows. *hoped*: the digest that it will show one day, for those that look until then; this costs one
        request, and absent may mean not yet."""
        known = self.known.get(hoped or "")
        try:
            if known is not None and known.is_index:  # which is needed next: to check what it lists
                manifest = self.registry.manifest(repository, reference)
                self._indexes[repository, manifest.descriptor.digest] = manifest
                return Observed.there(self._noted(repository, manifest.descriptor))
            return Observed.there(self._describe(repository, reference, brief=hoped is not None))
        except AcrError as error:
            if error.reason == "not_found":
                return Observed.absent()
            if error.reason in GENERAL or error.passing:
                raise
            return self._by_properties(repository, reference)

    def examine(self, desired: Desired) -> Observed:
        """All that has to be known of a target to decide on it: its locks, too, if it would be overwritten."""
        repository, tag, _digest = desired.target
        found = self.tag(repository, tag) if tag else self.shown(repository, desired.digest or "")
        return self.guarded(desired, found) if overwrites(desired, found) else found

    def guarded(self, desired: Desired, observed: Observed) -> Observed:
        """As `_Locks.look`."""
        return self._locks.look(desired, observed)

    def newest(self, repository: str, count: int) -> Dict[str, Observed]:
        """The *count* tags that changed last, by one request."""
        return {tag.name: _listed(tag) for tag in self.registry.tag_list(repository, newest=count)}

    def _by_properties(self, repository: str, reference: str) -> Observed:
        """What may not be pulled may still show its properties."""
        if ":" in reference:
            there = self.registry.manifest_metadata(repository, reference) is not None
            return Observed.there(reference) if there else Observed.absent()
        return self.entry(repository, reference)

    # -- manifests -------------------------------------------------------------------------------------------------

    def manifests(self, repository: str, digests: Iterable[str]) -> Dict[str, Found]:
        """Which of these manifests a repository holds; nothing but this look says that it should."""
        return {
            digest: state if isinstance(state, AcrError) else Observed.there(digest) if state else Observed.absent()
            for digest, state in self._states(repository, digests, expected=False).items()
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
            known = self.known.get(digest)
            if known is None or known.is_index:
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
            unread = [state for state in (states[child] for child in sorted(children)) if isinstance(state, AcrError)]
            missing = sorted(child for child in children if states[child] is False)
            found[digest] = unread[0] if unread and not missing else missing
        return found

    def _parts(self, repository: str, index: str, expected: bool) -> Optional[Set[str]]:
        """What an index lists, directly or by the indexes that it lists; None if it is gone itself."""

        read = partial(self.registry.manifest, repository, index)
        try:
            manifest = self._indexes.pop((repository, index), None) or (self.registry.confirmed(read) if expected else read())
        except AcrError as error:
            if error.reason != "not_found":
                raise
            return None
        self._there.add((repository, index))
        return {child.digest for child in self.registry.walk(repository, manifest)}

    def _states(self, repository: str, digests: Iterable[str], expected: bool = True) -> Dict[str, State]:
        """Whether each digest is there, or why that can't be read. *expected*: something says that they exist, so that they are
        gone only if that is said again and again."""
        wanted = set(digests)
        left = {digest for digest in wanted if (repository, digest) not in self._there}
        if len(left) > FEW:
            self._list_manifests(repository, left)
            left = {digest for digest in left if (repository, digest) not in self._there}
        states: Dict[str, State] = dict.fromkeys(wanted, True)
        states.update(self._each(lambda digest: self._state(repository, digest, expected), sorted(left)))
        return states

    def _list_manifests(self, repository: str, wanted: Set[str]) -> Tuple[Dict[str, str], Optional[bool]]:
        """Which of the *wanted* tags and digests a listing shows, with their digests, as long as that is cheaper than asking for
        each; and whether it shows any manifest at all, None if it wasn't read to its end."""
        found: Dict[str, str] = {}
        number = 0
        try:
            for number, entry in enumerate(self.registry.manifest_list(repository), 1):
                digest = str(entry.get("digest"))
                self._locks.note(repository, digest, entry)
                self.immutable[repository, digest] = immutable(entry, self.registry.name)
                for name in wanted.intersection([digest, *(entry.get("tags") or ())]):
                    found[name] = digest
                    self._there.add((repository, digest))
                if len(found) == len(wanted):
                    return found, True
                if number == PAGE and asking_pays(self.registry.counts(repository).manifests, len(wanted) - len(found)):
                    return found, None
        except AcrError as error:
            if error.reason in GENERAL:
                raise
            return found, None  # each can still be asked for itself
        return found, number > 0

    def _state(self, repository: str, digest: str, expected: bool) -> bool:
        read = partial(self._describe, repository, digest)
        try:
            self.registry.confirmed(read) if expected else read()
        except AcrError as error:
            if error.reason == "not_found":
                return False
            if error.reason in GENERAL or error.passing:
                raise
            if self._by_properties(repository, digest).digest is None:
                raise
            self._there.add((repository, digest))
        return True

    def _describe(self, repository: str, reference: str, *, brief: bool = False) -> str:
        return self._noted(repository, self.registry.describe(repository, reference, brief=brief))

    def _noted(self, repository: str, found: Descriptor) -> str:
        self.known[found.digest] = found
        self._there.add((repository, found.digest))
        return found.digest


def _listed(tag: Tag) -> Observed:
    return Observed.listed(tag.digest, tag.updated, tag.locked)


def _behind(listed: Observed, state: State) -> Found:
    """*listed*, by a listing or by properties, now that its manifest was asked for again and again."""
    return state if isinstance(state, AcrError) else listed.seen() if state else listed.lost()
