# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Watches the target registry: when to look at which repository, what has landed there, and whether it is whole."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Dict, List, Optional, Union

from .. import _plan
from .._errors import AcrError
from .._pace import Bucket
from .._plan import Import, Observed
from .._target import TargetRegistry
from ._job import FASTEST, SETTLE, SLOWEST, Job, Pending, State, pause
from ._run import Run

LATEST = 5.0  # seconds after an import's start; it is looked for no later, however long others took
FEW = 3  # up to so many tags of a repository are looked at one by one
# Requests a minute that a registry takes, by tier; watching uses at most half of them.
READS = {"basic": 1000, "standard": 3000, "premium": 10000}

Shown = Dict[Pending, Union[Observed, AcrError]]


@dataclass
class Repository:
    """A repository of the target registry, and when it is looked at next."""

    name: str
    soonest: float
    next_at: float = 0.0
    busy: bool = False
    landed: int = 0
    unchecked: List[Pending] = field(default_factory=list)
    check_at: float = 0.0


class Watch:
    """Looks at the repositories in which something is to land, and has checked what did."""

    def __init__(self, run: Run, targets: TargetRegistry, readers: ThreadPoolExecutor, sku: str) -> None:
        self._run = run
        self._targets = targets
        self._readers = readers
        self._checker = Checker(run, targets, readers)
        self._repositories: Dict[str, Repository] = {}
        self._quickest = 0.0  # seconds that an import has taken at least, so far; 0: not known
        per_minute = READS.get(sku.lower(), READS["basic"])
        self._looks = Bucket(per_minute / 10.0, per_minute / 120.0, clock=run.loop.now)

    def repository(self, name: str) -> Repository:
        """The repository of that name. The first one is looked at soon: it shows the others how long an import takes."""
        if name not in self._repositories:
            self._repositories[name] = Repository(name, SLOWEST if self._repositories else FASTEST)
        return self._repositories[name]

    def due(self, waiting: Dict[str, List[Pending]], now: float) -> float:
        """Looks for what is *waiting* to land, by repository, and checks what did, where it is time; returns when to come
        back."""
        next_at, ends = now + SLOWEST, self._run.deadline or math.inf  # nothing can be checked later
        for name, pendings in waiting.items():
            next_at = min(next_at, self._look_when_due(self.repository(name), pendings, now))
        for name, repository in self._repositories.items():
            if repository.unchecked and not repository.busy and name not in waiting:
                if now >= min(repository.check_at, ends):
                    self._checker.check(repository)
                else:
                    next_at = min(next_at, repository.check_at, ends)
        return next_at

    def _look_when_due(self, repository: Repository, waiting: List[Pending], now: float) -> float:
        """Looks at a repository for what is *waiting* to land there, or returns when to."""
        if repository.busy:
            return now + SLOWEST
        soonest = self._quickest or repository.soonest
        due = max(repository.next_at, min(one.job.succeeded or one.job.since + soonest for one in waiting))
        if now < due:
            return due
        wait = self._looks.take()
        if wait > 0:
            repository.next_at = now + wait
            return repository.next_at
        newest_start = max(pending.job.since for pending in waiting)
        repository.busy = True
        count = len(waiting) + repository.landed + 20
        direct = [pending for pending in waiting if len(waiting) <= FEW or not _by_list(pending)]

        def work() -> Shown:
            shown: Shown = {}
            for pending in direct:
                try:
                    shown[pending] = self._look(pending)
                except AcrError as error:
                    shown[pending] = error
            if len(direct) < len(waiting):
                listed = self._targets.newest(repository.name, count)
                for pending in waiting:
                    tag = pending.item.target.tag
                    if pending not in shown and tag is not None and tag in listed:
                        shown[pending] = listed[tag]
            return shown

        def then(shown: Optional[Shown], error: Optional[AcrError]) -> None:
            repository.busy = False
            later = self._run.loop.now()
            repository.next_at = later + pause(later - newest_start)
            for pending in waiting:
                if pending.job in self._run.jobs and pending in pending.job.left:
                    self._looked(repository, pending, now, error or (shown or {}).get(pending))

        self._run.loop.do(self._readers, work, then)
        return now + SLOWEST

    def _looked(self, repository: Repository, pending: Pending, now: float, found: Union[Observed, AcrError, None]) -> None:
        """A look that began *now* has shown *found*; None: it is not among those that were listed."""
        job = pending.job
        if isinstance(found, AcrError) and found.reason == "sign_in":
            self._run.end(pending, found)
            return
        pending.looked = now
        if isinstance(found, AcrError):
            if not self._run.late:  # or the end of the run has cut it short, which says nothing
                pending.unread = found
            return
        pending.unread = None
        if found is not None:
            pending.shown = found
            if job.repaired and job.succeeded is None:
                return  # what it shows is what the first import has brought
            if _landed(pending, found):
                repository.landed += 1
                self.arrived(pending)

    def _look(self, pending: Pending) -> Observed:
        target, done = pending.item.target, pending.job.succeeded is not None
        if target.tag is None:
            return self._targets.shown(target.repository, pending.digest, hoped=None if done else pending.digest)
        if pending.updated and not pending.differed and not done:
            return self._targets.entry(target.repository, target.tag)
        if not done:
            return self._targets.shown(target.repository, target.tag, hoped=pending.digest)
        return self._targets.tag(target.repository, target.tag)

    def arrived(self, pending: Pending) -> None:
        """The target shows the right digest; the rest of it is checked when its repository is quiet."""
        now, job = self._run.loop.now(), pending.job
        pending.seconds = now - job.since
        if job.state is not State.UNDER_WAY:
            pending.final = (job.succeeded or now) + SETTLE
        job.landed(pending)
        self._run.pulled(job)
        repository = self.repository(pending.item.target.repository)
        self._quickest = max(FASTEST, min(self._quickest or LATEST, pending.seconds))
        repository.unchecked.append(pending)
        repository.check_at = 0.0
        self._run.progress.done += 1  # until the check says otherwise


class Checker:
    """Checks what has landed, a repository at a time."""

    def __init__(self, run: Run, targets: TargetRegistry, readers: ThreadPoolExecutor) -> None:
        self._run = run
        self._targets = targets
        self._readers = readers

    def check(self, repository: Repository) -> None:
        """Checks what has landed in a repository since the last time."""
        batch = [pending for pending in repository.unchecked if pending in pending.job.checking]
        repository.unchecked = []
        repository.busy = True
        digests = {pending.digest for pending in batch}
        began = self._run.loop.now()
        # What is said to be missing is believed, once it decides, only if it is said again and again.
        decides = any(pending.final is not None and began >= pending.final for pending in batch)

        def then(damage: Optional[Dict[str, Union[List[str], AcrError]]], error: Optional[AcrError]) -> None:
            repository.busy = False
            for pending in batch:
                if pending not in pending.job.checking:
                    continue  # the import did nothing: what is there is somebody else's, and is decided on anew
                found = error or (damage or {})[pending.digest]
                early = not self._run.late and (pending.final is None or began < pending.final)
                if found and not isinstance(found, AcrError) and early:
                    # Children may come after the tag, as tags come after Azure's word.
                    again = self._run.loop.now() + pause(began - pending.job.since)
                    repository.check_at = max(repository.check_at, again)
                    repository.unchecked.append(pending)
                else:
                    self._checked(pending, found)

        self._run.loop.do(self._readers, lambda: self._targets.damage(repository.name, digests, expected=decides), then)

    def _checked(self, pending: Pending, found: Union[List[str], AcrError]) -> None:
        """A check has come to an end: with why it failed, or with what is missing."""
        name = self._run.name(pending.item)
        if isinstance(found, AcrError):
            self._end(pending, found.but(f"{name} was imported, but can't be checked: {found}"))
            return
        if not found:
            pending.item.seconds = pending.seconds
            self._end(pending, None)
            return
        missing = f"{len(found)} of the manifests it lists ({found[0]})"
        if pending.expired or self._run.late:
            message = f"{name} was imported, but after {self._run.limit} the registry still lacked {missing}. {self._run.safe}"
            self._end(pending, AcrError("timeout", message))
        elif pending.job.repaired:
            message = f"Azure imported {name} twice, and the registry still lacks {missing}. Report this to Azure support."
            self._end(pending, AcrError("lost", message))
        else:
            self._repair(pending, AcrError("lost", f"{name} was imported, but the registry lacks {missing}; run again."))

    def _end(self, pending: Pending, error: Optional[AcrError]) -> None:
        self._run.progress.done -= 1
        self._run.end(pending, error)

    def _repair(self, pending: Pending, failure: AcrError) -> None:
        """What Azure brought stays incomplete: it is imported once more, by force, unless somebody keeps us from that."""
        targets, item, digest = self._targets, pending.item, pending.digest

        def look() -> Observed:
            place = item.target
            observed = Observed.there(digest)
            if place.tag is not None:
                observed = targets.tag(place.repository, place.tag, expected=True)
            return targets.guarded(item.desired, observed.lost()) if observed.digest == digest else observed

        def then(observed: Optional[Observed], error: Optional[AcrError]) -> None:
            if pending not in pending.job.checking:
                return  # decided on anew
            if observed is not None and observed.digest is None:
                error = failure  # somebody has deleted it
            elif observed is not None and observed.digest != digest:
                error = moved(self._run.name(item), pending, observed)
            elif observed is not None and observed.locks:
                error = AcrError("locked", f"{failure} It is locked against writing, so it was not imported again.")
            if error is not None:
                self._end(pending, error)
                return
            item.action = _plan.REPAIR
            job = pending.job
            self._run.progress.done -= 1
            self._run.drop(pending)
            again = Import(job.work.origin, item.mode, (item,))
            self._run.add(Job(again, job.tries, job.started, accepted=True, repaired=True, failure=failure))

        self._run.loop.do(self._readers, look, then)


def moved(name: str, pending: Pending, observed: Observed) -> AcrError:
    """What an import ends with whose target shows another digest than it should."""
    return AcrError(
        "lost",
        f"Azure says that {name} was imported, but it has digest {observed.digest} instead of {pending.digest}; someone else "
        "may have moved it in the meantime. Run again.",
    )


def _by_list(pending: Pending) -> bool:
    """Whether a listing of tags shows that the target has landed."""
    return pending.item.target.tag is not None and pending.job.succeeded is None and pending.differed


def _landed(pending: Pending, shown: Observed) -> bool:
    """Whether a target shows what was imported. The rest of it is checked afterwards, so a listing will do."""
    if shown.digest is None or shown.digest != pending.item.desired.digest:
        return False
    if pending.differed or pending.job.succeeded is not None:
        return True
    # The digest was right before: only a newer time stamp shows that the tag was written again.
    return pending.updated is not None and shown.updated not in (None, pending.updated)
