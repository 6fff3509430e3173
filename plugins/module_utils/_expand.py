# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Turns entries into wants: opens their sources, and chooses tags and repositories where an entry means several."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Callable, Dict, Iterator, List, NamedTuple, Optional, Tuple, Union

from ._errors import AcrError
from ._options import Entry
from ._plan import Origin, Target, Want
from ._reference import Reference, is_tag
from ._select import Selection, matching, select_tags
from ._sources import DENIED, Source, Sources

Place = Tuple[Source, str]  # a repository of a source
LASTING = ("protocol", "refused", "unsupported", *DENIED)  # what is wrong with one tag, and will be tomorrow
TOLD = 5  # tags that are left out, by name


class Failure(NamedTuple):
    """A want that could not even be planned."""

    want: Want
    error: AcrError


def expand(
    entries: List[Entry], sources: Sources, pool: ThreadPoolExecutor
) -> Tuple[List[Want], List[Failure], List[str]]:
    """The wants of all entries, in their order, what is to be told of entries that can't be understood so far, and notes on
    what was left out."""
    expansion = _Expansion(entries, sources, pool)
    return expansion.wants, expansion.failures, expansion.notes


class _Expansion:
    def __init__(self, entries: List[Entry], sources: Sources, pool: ThreadPoolExecutor) -> None:
        self._entries = entries
        self._sources = sources
        self._pool = pool
        self._failed: Dict[int, AcrError] = {}
        self.wants: List[Want] = []
        self.failures: List[Failure] = []
        self.notes: List[str] = []
        self._opened: Dict[int, Source] = {}
        self._named: Dict[int, Future] = {}  # the tags that an entry names, where it chooses no others
        for number, entry in enumerate(entries):
            self._try(number, lambda number=number, entry=entry: self._open(number, entry))
        places = self._places()
        listings = self._listings(places)
        for number, entry in enumerate(entries):
            if number not in self._failed:
                self._try(number, lambda number=number: self._add(number, places.get(number, []), listings))
            if number in self._failed:
                self.failures.append(Failure(self._whole(number), self._failed[number]))

    def _try(self, number: int, work: Callable[[], None]) -> None:
        try:
            work()
        except AcrError as error:
            self._failed[number] = error

    def _open(self, number: int, entry: Entry) -> None:
        host = entry.source.host if entry.source else None
        self._opened[number] = self._sources.open(host, entry.registry_id, entry.credentials)

    def _selecting(self) -> Iterator[Tuple[int, Entry, Source]]:
        for number, entry in enumerate(self._entries):
            if entry.selection is not None and number not in self._failed:
                yield number, entry, self._opened[number]

    def _places(self) -> Dict[int, List[Place]]:
        """The repositories that each entry with a selection means."""
        catalogs: Dict[Source, Future] = {}
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

    def _listings(self, places: Dict[int, List[Place]]) -> Dict[Place, Future]:
        distinct = dict.fromkeys(place for several in places.values() for place in several)
        chosen = dict.fromkeys(
            place for number, several in places.items() if not self._names_all(number) for place in several
        )
        by_source: Dict[Source, List[str]] = {}
        for source, repository in distinct:
            by_source.setdefault(source, []).append(repository)
        prepared = {
            source: self._pool.submit(source.registry.prepare, names) for source, names in by_source.items() if source.azure
        }
        for future in prepared.values():
            future.exception()  # whoever needs a token asks again, and tells what is wrong
        listings = {place: self._pool.submit(self._sources.listing, *place) for place in chosen}
        for number, several in places.items():
            if self._names_all(number):
                names = self._entries[number].selection.include
                self._named[number] = self._pool.submit(self._sources.named, *several[0], names)
        return listings

    def _names_all(self, number: int) -> bool:
        """Whether an entry names all tags that it may choose, so that they take no listing, nor the right to list."""
        entry = self._entries[number]
        selection = entry.selection or Selection()
        names = bool(selection.include) and all(map(is_tag, selection.include))
        return names and not selection.same_digest and entry.repositories is None

    def _add(self, number: int, places: List[Place], listings: Dict[Place, Future]) -> None:
        entry, source = self._entries[number], self._opened[number]
        if entry.selection is None:
            image = entry.source or Reference(None, "")
            origin = Origin(source, image.repository, image.tag, image.digest, entry.platform)
            self.wants += [Want(target, origin, entry.if_exists, number) for target in entry.targets]
            return
        before = len(self.wants), len(self.failures)
        for place in places:
            try:
                self._choose(number, entry, place, self._named.get(number) or listings[place])
            except AcrError as error:  # of this repository alone: the others go on
                self.failures.append(Failure(self._whole(number, place[1]), error))
        if before == (len(self.wants), len(self.failures)):
            name = f"{source.name}/{places[0][1]}" if len(places) == 1 else source.name
            error = AcrError("not_found", f"No tag of {name} matches tags; nothing was chosen there.")
            raise self._sources.explain(Origin(*places[0]), error) if len(places) == 1 else error

    def _choose(self, number: int, entry: Entry, place: Place, listing: Future) -> None:
        """Adds the wants for the tags that an entry's selection chooses in one repository."""
        source, repository = place
        selection = entry.selection or Selection()
        tags = dict(listing.result())
        if entry.repositories is None and number not in self._named:
            # What is named may be there although no listing shows it.
            tags.update(self._sources.named(*place, [name for name in selection.include if is_tag(name) and name not in tags]))
        unread: Dict[str, AcrError] = {}
        if selection.same_digest and not source.azure:
            unread = self._read_digests(place, tags)
        chosen = select_tags(tags, selection)
        for tag in chosen:
            origin = Origin(source, repository, tag, None, entry.platform)
            targets = entry.targets_for(repository, tag)
            self.wants += [Want(target, origin, entry.if_exists, number, selected=True) for target in targets]
        self._tell_unread(number, place, {tag: error for tag, error in unread.items() if tag not in chosen})

    def _read_digests(self, place: Place, tags: Dict[str, Optional[str]]) -> Dict[str, AcrError]:
        """Fills in the digests of *tags*; returns why some can't be read. Those that were deleted since fall out."""

        def read(name: str) -> Union[str, AcrError]:
            try:
                return self._sources.tag(*place, name).digest
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

    def _tell_unread(self, number: int, place: Place, unread: Dict[str, AcrError]) -> None:
        """Tells which tags could not be compared. What is wrong with a tag itself leaves it out; while a registry doesn't
        answer, nobody knows what belongs to the image."""
        lasting = {tag: error for tag, error in unread.items() if error.reason in LASTING}
        if lasting:
            self.notes.append(_left_out(place, lasting))
        for error in [error for error in unread.values() if error.reason not in LASTING][:1]:
            message = f"Not all tags of {place[0].name}/{place[1]} could be compared for same_digest: {error}"
            error = error.but(message)
            self.failures.append(Failure(self._whole(number, place[1]), error))

    def _whole(self, number: int, repository: str = "") -> Want:
        """A want that stands for all of an entry, or for all that it wants of one *repository*."""
        entry = self._entries[number]
        source = self._opened.get(number) or (entry.source.host if entry.source else None) or "the source registry"
        repository = repository or (entry.source.repository if entry.source else "*")
        origin = Origin(source, repository, entry.source.tag if entry.source and not entry.selection else "*")
        target = entry.targets[0]
        return Want(Target(target.repository or entry.prefix + repository, target.tag or "*"), origin, entry.if_exists, number)


def _left_out(place: Place, unread: Dict[str, AcrError]) -> str:
    names = ", ".join(list(unread)[:TOLD]) + (f" and {len(unread) - TOLD} more" if len(unread) > TOLD else "")
    return f"Tags of {place[0].name}/{place[1]} that can't be read were left out of same_digest ({names}): {next(iter(unread.values()))}"
