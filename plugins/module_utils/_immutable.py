# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Locks tags and their manifests against writing and deleting, and reads back that they are locked."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import Executor
from contextlib import suppress
from typing import Callable, Dict, Iterable, List, Optional, Tuple, Union

from ._acr import immutable
from ._errors import AcrError, IdentityError
from ._listing import FEW
from ._plan import WAIT, Item
from ._target import TargetRegistry

Place = Tuple[str, str]  # a repository, and a tag or digest in it


def lock(targets: TargetRegistry, items: Iterable[Item], pool: Executor, check: bool) -> List[Item]:
    """Locks what *items* hold, as far as their rules ask for it and it is there, and returns those items. One that can't be locked
    fails. With *check*, nothing is locked."""
    items = [one for one in items if one.desired.rules.immutable and one.action != WAIT and one.digest and not one.operation]
    places: Dict[Place, str] = {}
    fresh = set()  # what was just imported, or would be
    for item in items:
        for place in _places(item):
            places[place] = item.digest or ""
            if item.changed or check and item.changes:
                fresh.add(place)
    known = fresh.union(targets.immutable)
    several = Counter(place[0] for place, digest in places.items() if place[1] != digest and place not in known)
    list(pool.map(lambda name: _list(targets, name, places), [name for name, count in several.items() if count > FEW]))
    looks = _each(pool, lambda place: place in fresh or not _locked(targets, place, places[place]), places)
    unlocked = [place for place, found in looks.items() if found is True]
    if unlocked and not check:
        try:
            targets.registry.prepare_locking({repository for repository, _reference in unlocked})
        except (AcrError, IdentityError):
            pass  # each asks again, and reports what is wrong
        looks.update(_each(pool, lambda place: _lock(targets, place, places[place]), unlocked))
    for item in items:
        found = [looks[place] for place in _places(item)]
        item.locked = True in found
        for error in found:
            if isinstance(error, AcrError):
                done = "was imported" if item.changed else "is in the registry"
                item.fail(error.but(f"{item.target} {done}, but could not be made immutable: {error}"))
    return items


def _list(targets: TargetRegistry, repository: str, places: Dict[Place, str]) -> None:
    """Notes which tags of a repository are locked. Those that the listing lacks, or shows otherwise, are asked for themselves."""
    with suppress(AcrError, IdentityError):
        for tag in targets.registry.tag_list(repository):
            if places.get((repository, tag.name)) == tag.digest:
                targets.immutable[repository, tag.name] = tag.immutable


def _places(item: Item) -> List[Place]:
    return [(item.target.repository, reference) for reference in (item.target.tag, item.digest) if reference]


def _each(
    pool: Executor, work: Callable[[Place], bool], places: Iterable[Place]
) -> Dict[Place, Union[bool, AcrError]]:
    def guarded(place: Place) -> Union[bool, AcrError]:
        try:
            return work(place)
        except AcrError as error:
            return error
        except IdentityError as error:
            return AcrError(error.reason, str(error))

    places = list(places)
    return dict(zip(places, pool.map(guarded, places)))


def _lock(targets: TargetRegistry, place: Place, digest: str) -> bool:
    targets.registry.lock(*place)
    targets.immutable.pop(place, None)
    if targets.registry.confirmed(lambda: _locked(targets, place, digest) or None) is None:
        raise AcrError("lost", "The registry accepted the lock, but doesn't show it. Run again.")
    return True


def _locked(targets: TargetRegistry, place: Place, digest: str) -> bool:
    """Whether what has this *digest* is locked. AcrError if that can't be read, or the tag has moved."""
    known: Optional[bool] = targets.immutable.get(place)
    if known is not None:
        return known
    if place[1] == digest:
        entry = targets.registry.manifest_metadata(*place)
        return entry is not None and immutable(entry, targets.registry.name)
    tag = targets.registry.tag(*place)
    if tag is not None and tag.digest != digest:
        raise AcrError("lost", f"It now has digest {tag.digest} instead of {digest}. Run again.")
    return tag is not None and tag.immutable
