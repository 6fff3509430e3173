# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Turns entries into desired images: opens their sources, and selects tags and repositories if an entry means several."""

from __future__ import annotations

import functools
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Callable, Dict, Iterator, List, NamedTuple, Optional, Tuple, Union

from ._errors import AcrError
from ._lockfile import LockFile
from ._options import Entry
from ._plan import Desired, Origin, Unplanned
from ._reference import InvalidReference, is_tag
from ._select import Chosen, Selection, matching, reasons, select_tags, shown
from ._source import DENIED, Source
from ._sources import Sources

Tags = Dict[str, Optional[str]]  # the tags of a repository, with their digests if these are known
Place = Tuple[Source, str]  # a repository of a source
LASTING = ("protocol", "refused", "unsupported", *DENIED)  # what is wrong with one tag, and will be tomorrow


class Expansion(NamedTuple):
    """*desired*: the images of all entries, in their order; *unplanned*: why entries can't be understood so far; *notes*: on what
    was left out; *selections*: what was chosen among the tags of each repository."""

    desired: List[Desired]
    unplanned: List[Unplanned]
    notes: List[str]
    selections: List[Chosen]


def expand(
    entries: List[Entry], sources: Sources, pool: ThreadPoolExecutor, lock: Optional[LockFile] = None
) -> Expansion:
    """What the entries mean. What is wrong with one of them fails that one only. *lock* is asked for what they mean instead of the
    sources; UserError if it doesn't know."""
    expander = _Expander(entries, sources, pool)
    expander.run(lock)
    return expander.found


class _Expander:
    def __init__(self, entries: List[Entry], sources: Sources, pool: ThreadPoolExecutor) -> None:
        numbers: Dict[Entry, int] = {}
        for number, entry in enumerate(entries):
            numbers.setdefault(entry._replace(notes=()), number)
        self._entries = {number: entry for entry, number in numbers.items()}  # one that is there twice is meant once
        self._sources = sources
        self._pool = pool
        self.found = Expansion([], [], [], [])
        self._failed: Dict[int, AcrError] = {}  # by the number of the entry, as all that follow
        self._opened: Dict[int, Source] = {}
        self._named: Dict[int, Future[Tags]] = {}  # the tags that an entry names, if it selects no others

    def run(self, lock: Optional[LockFile]) -> None:
        for number, entry in self._entries.items():
            try:
                host = entry.source.host if entry.source else None
                self._opened[number] = self._sources.open(host, entry.registry_id, entry.credentials)
            except AcrError as error:
                self._failed[number] = error
        locked = lock is not None and self._add_locked(lock)
        places = {} if locked else self._places()
        listings = self._listings(places)
        for number in self._entries:
            try:
                if number not in self._failed and not locked:
                    self._add(number, places.get(number, []), listings)
            except AcrError as error:
                self._failed[number] = error
            if number in self._failed:
                self._fail(number, self._failed[number])

    def _add_locked(self, lock: LockFile) -> bool:
        entries = {number: (self._entries[number], source.name) for number, source in self._opened.items()}
        for number, lines in lock.lines_for(entries, complete=not self._failed).items():
            entry, key = self._entries[number], self._opened[number].key
            for target, (_host, repository, tag, digest), platform, _chosen in lines:
                place = target if target.tag else target._replace(digest=digest)
                selected = entry.selection is not None and tag not in entry.selection.names
                # Of a tag, only the tag itself may tell which index the platform's image is from.
                parent = entry.source.digest if entry.source and platform else None
                origin = Origin(key, repository, tag, digest, platform, parent)
                self.found.desired.append(Desired(place, origin, entry.rules, number, selected, locked=True))
        return True

    def _selecting(self) -> Iterator[Tuple[int, Entry, Source]]:
        for number, entry in self._entries.items():
            if entry.selection is not None and number not in self._failed:
                yield number, entry, self._opened[number]

    def _places(self) -> Dict[int, List[Place]]:
        """The repositories that each entry with a selection means."""
        catalogs: Dict[Source, Future[List[str]]] = {}
        for _number, entry, source in self._selecting():
            if entry.repositories is not None and source not in catalogs:
                catalogs[source] = self._pool.submit(source.repositories)
        found: Dict[int, List[Place]] = {}
        for number, entry, source in list(self._selecting()):
            if entry.repositories is None:
                found[number] = [(source, entry.source.repository if entry.source else "")]
                continue
            try:
                names = matching(catalogs[source].result(), *entry.repositories)
                if not names:
                    raise AcrError("not_found", f"No repository of {source.name} matches repositories.")
                found[number] = [(source, name) for name in names]
            except AcrError as error:
                self._failed[number] = error
        return found

    def _listings(self, places: Dict[int, List[Place]]) -> Dict[Place, Future[Tags]]:
        names: Dict[Source, List[str]] = {}
        for source, repository in dict.fromkeys(place for several in places.values() for place in several):
            names.setdefault(source, []).append(repository)
        for prepared in [self._pool.submit(source.prepare, several) for source, several in names.items()]:
            prepared.exception()  # the read that needs a token asks again, and reports what is wrong
        listings: Dict[Place, Future[Tags]] = {}
        for number, several in places.items():
            only, may_lack = self._only(number)
            if only:
                source, repository = several[0]
                find: Callable[[Tuple[str, ...]], Tags] = dict.fromkeys
                if may_lack:
                    find = functools.partial(source.named, repository)
                self._named[number] = self._pool.submit(find, only)
                continue
            for source, repository in several:
                if (source, repository) not in listings:
                    listings[source, repository] = self._pool.submit(source.listing, repository)
        return listings

    def _only(self, number: int) -> Tuple[Tuple[str, ...], bool]:
        """The tags that an entry names if it can mean no others, so that they take no listing, nor the right to list; and
        whether the repository may lack some of them."""
        entry = self._entries[number]
        selection = entry.selection or Selection()
        if selection.same_digest or selection.by_time or entry.repositories is not None:
            return (), False
        if selection.names:
            return selection.names, False
        return selection.include if all(map(is_tag, selection.include)) else (), True

    def _add(self, number: int, places: List[Place], listings: Dict[Place, Future[Tags]]) -> None:
        entry, source = self._entries[number], self._opened[number]
        if entry.selection is None:
            if entry.source is not None:
                _host, repository, tag, digest = entry.source
                self._want(number, Origin(source.key, repository, tag, digest, entry.platform))
            return
        before = len(self.found.desired), len(self.found.unplanned)
        chosen: List[Chosen] = []
        for place in places:
            try:
                chosen.append(self._select(number, entry, entry.selection, place, self._named.get(number) or listings[place]))
            except AcrError as error:  # of this repository alone: the others go on
                self._fail(number, error, place[1])
        self.found.selections.extend(chosen)
        empty = [one for one in chosen if one.choice.dropped and not one.choice.tags]
        why = reasons(empty)
        if before == (len(self.found.desired), len(self.found.unplanned)):
            name = f"{source.name}/{places[0][1]}" if len(places) == 1 else source.name
            none = AcrError("not_found", f"No tag of {name} matches tags; nothing was selected there.{why}")
            raise source.explain(places[0][1], none) if len(places) == 1 and not why else none
        if empty:
            names = shown([one.source for one in empty])
            self.found.notes.append(f"Entry {number + 1} of images selects no tag of {names}.{why}")

    def _select(self, number: int, entry: Entry, selection: Selection, place: Place, listing: Future[Tags]) -> Chosen:
        """Adds what an entry's selection means in one repository, and returns what that is."""
        source, repository = place
        tags = dict(listing.result())
        if entry.repositories is None and number not in self._named:
            # What is named may be there although no listing shows it.
            wanted = (*selection.names, *selection.include)
            tags.update(source.named(repository, [name for name in wanted if is_tag(name) and name not in tags]))
        unread: Dict[str, AcrError] = {}
        if selection.same_digest and not source.azure:
            unread = self._read_digests(place, tags)
        tags = {**dict.fromkeys(selection.names), **tags}  # what has to be there fails by itself if it isn't
        if selection.by_time and not source.azure:
            raise AcrError(
                "invalid", f"order: time needs an Azure registry; {source.name} isn't one, and doesn't tell the times of its tags."
            )
        choice = select_tags(tags, selection, source.times.get(repository))
        for tag in choice.tags:
            self._want(number, Origin(source.key, repository, tag, None, entry.platform), selected=tag not in selection.names)
        self._report_unread(number, place, {tag: error for tag, error in unread.items() if tag not in choice.tags})
        return Chosen(number, f"{source.name}/{repository}", choice)

    def _want(self, number: int, origin: Origin, selected: bool = False) -> None:
        """Adds what an entry wants of one image."""
        entry = self._entries[number]
        try:
            targets = entry.targets_for(origin.registry.name, origin.repository, origin.tag or "latest")
        except InvalidReference as error:
            self._fail(number, AcrError("invalid", str(error)), origin.repository, origin.tag or "*")
        else:
            self.found.desired.extend(Desired(target, origin, entry.rules, number, selected) for target in targets)

    def _read_digests(self, place: Place, tags: Tags) -> Dict[str, AcrError]:
        """Fills in the digests of *tags*; returns why some can't be read. Those that were deleted since are dropped."""
        source, repository = place

        def read(name: str) -> Union[str, AcrError]:
            try:
                return source.tag(repository, name).digest
            except AcrError as error:
                return error

        unread: Dict[str, AcrError] = {}
        for name, found in zip(list(tags), self._pool.map(read, list(tags))):
            if not isinstance(found, AcrError):
                tags[name] = found
            elif found.reason == "not_found":
                del tags[name]
            else:
                unread[name] = found
        return unread

    def _report_unread(self, number: int, place: Place, unread: Dict[str, AcrError]) -> None:
        """Reports which tags could not be compared. What is wrong with a tag itself leaves it out; while a registry doesn't
        answer, nobody knows what belongs to the image."""
        name = f"{place[0].name}/{place[1]}"
        lasting = {tag: error for tag, error in unread.items() if error.reason in LASTING}
        if lasting:
            first = next(iter(lasting.values()))
            tags = shown(list(lasting))
            self.found.notes.append(f"Tags of {name} that can't be read were left out of same_digest ({tags}): {first}")
        for error in [error for error in unread.values() if error.reason not in LASTING][:1]:
            self._fail(number, error.but(f"Not all tags of {name} could be compared for same_digest: {error}"), place[1])

    def _fail(self, number: int, error: AcrError, repository: str = "", tag: str = "*") -> None:
        """What an entry wants, or what it wants of one *repository* or *tag*, can't be planned."""
        entry = self._entries[number]
        opened = self._opened.get(number)
        name = opened.name if opened else (entry.source.host if entry.source else None) or "the source registry"
        repository = repository or (entry.source.repository if entry.source else "*")
        source = f"{name}/{repository}:{tag}"
        if entry.source is not None and entry.selection is None:
            tag = entry.source.tag or "latest"
            source = str(entry.source._replace(host=name, digest=None if entry.source.tag else entry.source.digest))
        target = entry.targets[0].filled(name, repository, tag)
        self.found.unplanned.append(Unplanned(number, f"{target.repository}:{target.tag or '*'}", source, error))
