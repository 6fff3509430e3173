# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads both sides, sources and target registry, and decides from what they show what is to be done.

Each source is planned on its own, as soon as it has answered: one that keeps us waiting holds up no other. What can't be
read fails the images that it was read for.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Callable, Dict, Iterable, Iterator, List, Optional, Set, Union

from . import _plan
from ._errors import GENERAL, AcrError, IdentityError
from ._plan import Conflict, Desired, Item, Observed, SourceRegistry, Target
from ._resolver import Resolver
from ._target import Found, TargetRegistry
from ._waiting import Waiting


class Planner:
    """Plans one run. Both sides are read at once, each repository by one task. *target* is called when the target registry is
    first needed, and may block: the sources are being read by then. *concurrency*: tasks at once for the target. *absent* is
    called once, as soon as something turns out to be absent: for what can be prepared while the rest is being read."""

    def __init__(
        self,
        resolver: Resolver,
        target: Callable[[], TargetRegistry],
        concurrency: int,
        absent: Callable[[], object] = lambda: None,
    ) -> None:
        self._resolver = resolver
        self._find_target = target
        self._absent = absent
        self._items: List[Item] = []
        self._referrers: Dict[Target, Item] = {}
        self._changing = threading.Lock()  # of these three
        self._readers = ThreadPoolExecutor(concurrency)
        self._planners: Optional[ThreadPoolExecutor] = None

    @property
    def target(self) -> TargetRegistry:
        return self._find_target()

    @property
    def items(self) -> List[Item]:
        """In the order in which they were asked for, then what refers to them."""
        return list(self._items)

    @property
    def unverified(self) -> List[Item]:
        """Those that no registry is looked into for."""
        return [item for item in self._items if not item.desired.rules.verify]

    def close(self) -> None:
        """Starts no further reads."""
        for pool in filter(None, [self._readers, self._planners]):
            pool.shutdown(wait=False, cancel_futures=True)

    def batches(self, desired: Iterable[Desired]) -> Iterator[List[Item]]:
        """Plans all of *desired*, and yields the items of each source once they are decided, or have failed; those without
        verification, which need no reading, are only in `items`. Conflict if two entries want different things of a target."""
        self._items = [Item(one) for one in _plan.merge(desired)]
        unverified = self.unverified
        verified = [item for item in self._items if item.desired.rules.verify]
        for item in unverified:
            item.action = _plan.REIMPORT if item.desired.rules.if_exists == "reimport" else _plan.IMPORT
        if not verified:
            return
        # The source is asked at once, unless it may turn out that it need not be.
        self._resolver.start([item for item in verified if not _may_be_kept(item)])
        tagged = [item for item in verified if item.target.tag is not None]
        self._observe(tagged)
        errors = [item.error for item in tagged if item.error is not None and item.error.reason in GENERAL]
        if tagged and not unverified and len(errors) == len(tagged):
            raise errors[0]
        self._resolver.start([item for item in tagged if _may_be_kept(item) and _is_needed(item)])
        groups: Dict[SourceRegistry, List[Item]] = {}
        for item in verified:
            groups.setdefault(item.desired.origin.registry, []).append(item)
        self._planners = ThreadPoolExecutor(len(groups))
        plans = [self._planners.submit(self._plan_source, group) for group in groups.values()]
        for planned in as_completed(plans):
            yield planned.result()

    def _plan_source(self, group: List[Item]) -> List[Item]:
        """Decides on what is desired of one source; returns it, with what refers to it."""
        arriving: List[Item] = []
        referring: List[Item] = []
        try:
            asked = [item for item in group if not _may_be_kept(item) or _is_needed(item)]
            moving = {item for item in asked if item.desired.digest is None}
            resolved = {item for item in asked if self._resolver.finish(item)}
            group = self._without_twins(group)
            _screen(group, self.target)
            self._resolver.vet([item for item in group if item in resolved])
            self._settle(group, [item for item in group if item.target.tag is None and item in resolved])
            arriving = self._hold(group, moving)
            self._back_up(group)
            # What refers to an image goes with it, and so not if that fails or waits.
            referring = self._referring([item for item in group if item in resolved and not item.gone and item.action != _plan.WAIT])
            _screen(referring, self.target)
            self._settle(referring, referring)
        except (AcrError, IdentityError) as error:  # of this source: the others may be under way already
            failure = error if isinstance(error, AcrError) else AcrError("sign_in", str(error))
            for item in group + arriving + referring:
                if item.action is None or item.changes:  # it may lack what belongs to it
                    item.fail(failure)
        return group + arriving + referring

    def _without_twins(self, group: List[Item]) -> List[Item]:
        """Two images of a source that are to be there without a tag may turn out to be the same: one of them will do."""
        kept: Dict[Union[Target, Item], Item] = {}
        for item in group:
            kept.setdefault(item.target if item.target.tag or item.target.digest else item, item)
        twins = set(group) - set(kept.values())
        if twins:
            with self._changing:
                self._items = [item for item in self._items if item not in twins]
        return list(kept.values())

    def _settle(self, items: List[Item], unseen: List[Item]) -> None:
        """Decides on *items*, after a look at the targets of those that are *unseen*."""
        self._observe([item for item in unseen if item.error is None])
        undecided = [item for item in items if item.action is None and item.error is None]
        self._decide({item: item.observed for item in undecided if item.observed is not None})
        self._repair([item for item in items if item.error is None])
        changing: Dict[SourceRegistry, List[Item]] = {}
        for item in items:
            if item.changes and item.desired.digest:
                changing.setdefault(item.desired.source.registry, []).append(item)
        for some in changing.values():
            self._resolver.check_importable(some)

    def _hold(self, items: List[Item], moving: Set[Item]) -> List[Item]:
        """Has what is new wait in quarantine; returns items for what comes there. *moving*: those whose source names a tag."""
        if not any(item.desired.rules.quarantine for item in items):
            return []
        waiting = Waiting(self.target, self._readers)
        promoted, arriving = waiting.hold([item for item in items if item.error is None], moving, self._resolver.own(self.target.registry))
        self._resolver.vet(promoted, anew=True)  # another digest may have been read than the one that was vetted
        self._settle(promoted + arriving, [item for item in arriving if item.observed is None])
        with self._changing:
            self._items += arriving
        return arriving

    def _decide(self, observed: Dict[Item, Observed]) -> None:
        looks = {
            item: self._readers.submit(self.target.guarded, item.desired, found)
            for item, found in observed.items()
            if _plan.overwrites(item.desired, found)
        }
        for item, found in observed.items():
            try:
                item.decide(looks[item].result() if item in looks else found)
            except Conflict as conflict:
                item.fail(AcrError(conflict.refusal, str(conflict)))
            except AcrError as error:
                item.fail(error)

    def _back_up(self, items: List[Item]) -> None:
        """Plans backups of the tags that are to be moved, as far as their rules ask for that."""
        host = self.target.registry.host
        for look in [self._readers.submit(item.back_up, host, self.target.examine) for item in items if item.desired.rules.backup]:
            look.result()

    def _referring(self, items: List[Item]) -> List[Item]:
        """Items for what refers to the images of *items*, if their rules ask for it; but for targets that are wanted anyway."""
        items = [item for item in items if item.desired.rules.referrers and item.error is None]
        if not items:
            return []
        found = self._resolver.referrers(items)
        taken = {item.target for item in self.items}
        extra: List[Item] = []
        for item in items:
            referrers = found[item.desired.origin.key]
            if isinstance(referrers, AcrError):
                item.fail(referrers)
                continue
            rules = item.desired.rules._replace(immutable=False, backup="")  # a tag of signatures gets further ones
            if rules.if_exists == "fail":  # what forbids to change an image must not stop a signature that was added later
                rules = rules._replace(if_exists="update")
            more = {}
            for origin in referrers:
                target = Target(item.target.repository, origin.tag, None if origin.tag else origin.digest)
                more[target] = Item(Desired(target, origin, rules, item.desired.entry, selected=True))
            with self._changing:
                others = {target: self._referrers[target] for target in more if target in self._referrers}
                for target, other in others.items():
                    if other.desired.digest != more[target].desired.digest:
                        item.fail(_contention(more[target].desired, other.desired))
                if item.error is None:
                    self._referrers.update({target: one for target, one in more.items() if target not in others})
                    extra += [one for target, one in more.items() if target not in taken and target not in others]
        with self._changing:
            self._items += extra
        return extra

    # -- the target ------------------------------------------------------------------------------------------------

    def _observe(self, items: List[Item]) -> None:
        """Fills in what the targets show, or why an image's target can't be read."""
        if not items:
            return
        groups: Dict[str, List[Item]] = {}
        for item in items:
            groups.setdefault(item.target.repository, []).append(item)
        try:
            rules = {(item.target.repository, item.desired.rules.quarantine) for item in items}
            self.target.registry.prepare([*groups, *(rule.prefix + repository for repository, rule in rules if rule)])
        except AcrError as error:
            if error.reason in GENERAL or error.reason == "unauthorized":
                raise
            # The read that needs a token asks again, and reports what is wrong.
        looks = [
            (group, self._readers.submit(self._observe_repository, repository, group))
            for repository, group in groups.items()
        ]
        for group, look in looks:
            for item in group:
                try:
                    found: Found = look.result()[item.target.tag or item.desired.digest]
                except AcrError as error:
                    found = error
                if isinstance(found, AcrError):
                    item.fail(found)
                else:
                    item.observed = found

    def _observe_repository(self, repository: str, items: List[Item]) -> Dict[Optional[str], Found]:
        """What tags, and manifests that are to have none, show; by tag or digest."""
        tags = [item.target.tag for item in items if item.target.tag is not None]
        digests = [item.desired.digest for item in items if item.target.tag is None and item.desired.digest is not None]
        found: Dict[Optional[str], Found] = {}
        if tags:
            found.update(self.target.tags(repository, tags))
        if digests:
            found.update(self.target.manifests(repository, digests))
        if any(isinstance(one, Observed) and one.digest is None for one in found.values()):
            with self._changing:
                tell, self._absent = self._absent, lambda: None
            tell()
        return found

    def _repair(self, items: List[Item]) -> None:
        """Decides anew on what is right but damaged, if its rules ask for that."""
        groups: Dict[str, Dict[Item, str]] = {}
        for item in items:
            if item.action == _plan.NONE and item.desired.rules.repair and item.desired.digest is not None:
                groups.setdefault(item.target.repository, {})[item] = item.desired.digest
        looks = [
            (group, self._readers.submit(self.target.damage, repository, set(group.values()), expected=True))
            for repository, group in groups.items()
        ]
        broken: Dict[Item, Observed] = {}
        for group, look in looks:
            for item, digest in group.items():
                try:
                    missing = look.result()[digest]
                except AcrError as error:
                    missing = error
                if isinstance(missing, AcrError):
                    item.fail(missing)
                elif missing and item.observed is not None:
                    broken[item] = item.observed.lost()
        self._decide(broken)


def _screen(items: List[Item], target: TargetRegistry) -> None:
    """Fails what is blocked."""
    for item in items:
        if item.desired.rules.blocked:
            item.screen(target.registry.host)


def _may_be_kept(item: Item) -> bool:
    """Whether it may turn out that nothing of an image's source needs to be known."""
    return item.desired.rules.if_exists == "keep" and item.target.tag is not None


def _is_needed(item: Item) -> bool:
    """Whether an image that is to be kept, if it is there, must be read from its source."""
    seen = item.observed
    return seen is not None and (seen.digest is None or seen.gone and item.desired.rules.repair)


def _contention(one: Desired, other: Desired) -> AcrError:
    return AcrError(
        "exists",
        f"{one.target} is wanted twice: {one.digest} of {one.origin}, and {other.digest} of {other.origin}. Give one of the "
        "images another target.",
    )
