# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads what is in quarantine, and changes what items get accordingly."""

from __future__ import annotations

import math
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timezone
from typing import Any, Dict, Iterator, List, Optional, Set, Tuple, TypeVar

from ._acr import Tag
from ._errors import AcrError
from ._plan import NONE, WAIT, Desired, Item, Observed, Origin, Rules, SourceRegistry, Target
from ._quarantine import Kept, Quarantine, Shelf, Verdict, name_for
from ._target import TargetRegistry
from ._untrusted import moment

Found = TypeVar("Found")


class Waiting:
    """The quarantine of one target registry."""

    def __init__(self, target: TargetRegistry, readers: ThreadPoolExecutor) -> None:
        self._registry = target.registry
        self._readers = readers

    def hold(self, items: List[Item], moving: Set[Item], own: SourceRegistry) -> Tuple[List[Item], List[Item]]:
        """Has what is too new wait. Returns those of *items* that get something from quarantine instead of from their source, and
        are to be decided on anew, and items for what comes into quarantine. *moving*: those whose source may name another image
        later. *own*: the target registry as a source."""
        promoted: List[Item] = []
        arriving: List[Item] = []
        for item, (rule, shelf, verdict) in self._verdicts(items, moving).items():
            desired, (repository, tag, _digest) = item.desired, item.target
            place = rule.prefix + repository
            if verdict.note:
                name = name_for(tag, desired.digest or "")
                again = name in shelf
                rules = Rules("reimport" if again else "fail", blocked=desired.rules.blocked)
                one = Desired(Target(place, name), desired.origin, rules, desired.entry, selected=True, arriving=True)
                arriving.append(Item(one, None if again else Observed.absent(), signature=item.signature))
            since = shelf.since(verdict.promote or verdict.waits)
            if since is not None:
                item.quarantined_at = _shown(since)
            if verdict.promote is not None:
                origin = desired.origin._replace(digest=verdict.promote)
                item.desired = desired._replace(origin=origin, via=Origin(own, place, digest=verdict.promote))
                item.action = None
                promoted.append(item)
            elif verdict.waits is not None:
                item.action, item.waiting, item.ready_at = WAIT, verdict.waits, _shown(math.ceil(verdict.ready))
                if verdict.waits != desired.digest:
                    item.signature = None  # that is another image's
        return promoted, arriving

    def _verdicts(self, items: List[Item], moving: Set[Item]) -> Dict[Item, Tuple[Quarantine, Shelf, Verdict]]:
        """What is to happen to each of *items* that has something to do with quarantine; what that takes, and can't be read, fails
        them."""
        concerned: Dict[Item, Quarantine] = {}
        for item in items:
            rule = item.desired.rules.quarantine
            # What is right may have to be noted as what the source went back to.
            if rule and item.desired.digest and (item.changes or item.action == NONE and item in moving and item.target.tag):
                concerned[item] = rule
        places = {item: rule.prefix + item.target.repository for item, rule in concerned.items()}
        listings = {place: self._readers.submit(self._list, place) for place in dict.fromkeys(places.values())}
        shelves = dict(self._results({item: listings[place] for item, place in places.items()}))
        verdicts = {item: self._judge(item, concerned[item], shelf, item in moving) for item, shelf in shelves.items()}
        # A listing shows what there is, and never what there isn't.
        names = {item: name_for(item.target.tag, item.desired.digest or "") for item in verdicts}
        asked = {
            item: self._readers.submit(self._registry.tag, places[item], names[item])
            for item, verdict in verdicts.items()
            if verdict.note and names[item] not in shelves[item]
        }
        for item, tag in self._results(asked):
            if tag is not None:
                shelves[item].add(self._kept(tag))
        # What the target repository has held for as long has waited there, such as what came in before there was a quarantine.
        # To hold it isn't enough: a referrer comes in without having waited.
        held: Dict[Item, Future[Optional[Dict[str, Any]]]] = {}
        for item in [item for item in verdicts if item.error is None]:
            verdict = verdicts[item] = self._judge(item, concerned[item], shelves[item], item in moving)
            if item.target.tag and (verdict.waits or verdict.promote not in (None, item.desired.digest)):
                repository, digest = item.target.repository, item.desired.digest or ""
                held[item] = self._readers.submit(self._registry.manifest_metadata, repository, digest)
        for item, found in self._results(held):
            if found is not None and self._is_old(item, found.get("createdTime"), concerned[item]):
                verdicts[item] = Verdict()
        return {item: (concerned[item], shelves[item], one) for item, one in verdicts.items() if item.error is None}

    def _list(self, place: str) -> Shelf:
        return Shelf(map(self._kept, self._registry.tag_list(place)))

    def _kept(self, tag: Tag) -> Kept:
        who = self._registry.name
        return Kept(tag.name, tag.digest, moment(tag.created, who), moment(tag.updated, who))

    def _judge(self, item: Item, rule: Quarantine, shelf: Shelf, moving: bool) -> Verdict:
        """As `Shelf.judge`. An item fails if times can't be read that this takes."""
        desired, seen = item.desired, item.observed
        try:
            came = -math.inf
            if seen is not None and seen.digest is not None:
                came = moment(seen.updated, self._registry.name) if seen.updated else math.inf
            now, blocked = self._registry.now(), desired.rules.blocked.digests
            return shelf.judge(rule, now, item.target.tag, desired.digest or "", item.before, came, moving, blocked)
        except AcrError as error:
            item.fail(error)
            return Verdict()

    def _is_old(self, item: Item, came: Any, rule: Quarantine) -> bool:
        """Whether what came then has waited for long enough. An item fails if that can't be read."""
        try:
            return moment(came, self._registry.name) + rule.seconds <= self._registry.now()
        except AcrError as error:
            item.fail(error)
            return False

    @staticmethod
    def _results(looks: Dict[Item, Future[Found]]) -> Iterator[Tuple[Item, Found]]:
        """What was read for each item; those for which it can't be read fail."""
        for item, look in looks.items():
            try:
                yield item, look.result()
            except AcrError as error:
                item.fail(error.but(f"Whether {item.target} has to wait in quarantine can't be read: {error}"))


def _shown(time: float) -> str:
    return f"{datetime.fromtimestamp(time, timezone.utc):%Y-%m-%dT%H:%M:%SZ}"
