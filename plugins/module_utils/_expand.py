# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Turns entries into wants: opens their sources, and chooses tags and repositories where an entry means several."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Callable, Dict, Iterator, List, NamedTuple, Tuple

from ansible_collections.registryops.acr.plugins.module_utils._errors import AcrError
from ansible_collections.registryops.acr.plugins.module_utils._options import Entry
from ansible_collections.registryops.acr.plugins.module_utils._plan import Origin, Target, Want
from ansible_collections.registryops.acr.plugins.module_utils._reference import Reference
from ansible_collections.registryops.acr.plugins.module_utils._select import matching, select_tags
from ansible_collections.registryops.acr.plugins.module_utils._sources import Source, Sources

Place = Tuple[Source, str]  # a repository of a source


class Failure(NamedTuple):
    """A want that could not even be planned."""

    want: Want
    error: AcrError


def expand(entries: List[Entry], sources: Sources, pool: ThreadPoolExecutor) -> Tuple[List[Want], List[Failure]]:
    """The wants of all entries, in their order, and what is to be told of entries that can't be understood so far."""
    expansion = _Expansion(entries, sources, pool)
    return expansion.wants, expansion.failures


class _Expansion:
    def __init__(self, entries: List[Entry], sources: Sources, pool: ThreadPoolExecutor) -> None:
        self._entries = entries
        self._sources = sources
        self._pool = pool
        self._failed: Dict[int, AcrError] = {}
        self.wants: List[Want] = []
        self.failures: List[Failure] = []
        self._opened: Dict[int, Source] = {}
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
                    raise AcrError("not_found", "No repository of {0} matches repositories.".format(source.name))
                found[number] = [(source, name) for name in names]
            except AcrError as error:
                self._failed[number] = error
        return found

    def _listings(self, places: Dict[int, List[Place]]) -> Dict[Place, Future]:
        distinct = list(dict.fromkeys(place for several in places.values() for place in several))
        by_source: Dict[Source, List[str]] = {}
        for source, repository in distinct:
            by_source.setdefault(source, []).append(repository)
        prepared = {
            source: self._pool.submit(source.registry.prepare, names) for source, names in by_source.items() if source.azure
        }
        for future in prepared.values():
            future.exception()  # whoever needs a token asks again, and tells what is wrong
        return {place: self._pool.submit(self._sources.listing, *place) for place in distinct}

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
                self._choose(number, entry, place, listings[place])
            except AcrError as error:  # of this repository alone: the others go on
                self.failures.append(Failure(self._whole(number, place[1]), error))
        if before == (len(self.wants), len(self.failures)):
            name = "{0}/{1}".format(source.name, places[0][1]) if len(places) == 1 else source.name
            raise AcrError("not_found", "No tag of {0} matches tags; nothing was chosen there.".format(name))

    def _choose(self, number: int, entry: Entry, place: Place, listing: Future) -> None:
        """Adds the wants for the tags that an entry's selection chooses in one repository."""
        source, repository = place
        tags = listing.result()
        if entry.selection.same_digest and not source.azure:
            tags = self._with_digests(place, list(tags))
        for tag in select_tags(tags, entry.selection):
            origin = Origin(source, repository, tag, None, entry.platform)
            targets = entry.targets_for(repository, tag)
            self.wants += [Want(target, origin, entry.if_exists, number, selected=True) for target in targets]

    def _with_digests(self, place: Place, names: List[str]) -> Dict[str, str]:
        def digest(name: str) -> str:
            try:
                return self._sources.tag(place[0], place[1], name).digest
            except AcrError as error:
                if error.kind != "not_found":
                    raise
                return ""  # deleted since it was listed

        return {name: found for name, found in zip(names, self._pool.map(digest, names)) if found}

    def _whole(self, number: int, repository: str = "") -> Want:
        """A want that stands for all of an entry, or for all that it wants of one *repository*."""
        entry = self._entries[number]
        source = self._opened.get(number) or (entry.source.host if entry.source else None) or "the source registry"
        repository = repository or (entry.source.repository if entry.source else "*")
        origin = Origin(source, repository, entry.source.tag if entry.source and not entry.selection else "*")
        target = entry.targets[0]
        return Want(Target(target.repository or entry.prefix + repository, target.tag or "*"), origin, entry.if_exists, number)
