# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What depends on whether the target registry is looked into."""

from __future__ import annotations

import abc
import math
from concurrent.futures import ThreadPoolExecutor
from typing import Dict, List, Optional, Union

from .. import _plan
from .._errors import AcrError
from .._plan import Observed
from .._target import TargetRegistry
from ._job import SETTLE, Job, Pending, State, pause
from ._run import TRIES, Run
from ._watch import Shown, Watch, moved

FOREIGN = 5.0  # seconds after which somebody else's digest under our tag is believed
UNASKED = frozenset(["unreachable", "timeout"])  # reasons for which a question did not reach Azure


class Strategy(abc.ABC):
    """What is done about an import at each turn."""

    together = False  # whether one import may serve several targets
    patience = 0.0  # seconds for which what is under way may still show itself when nobody can be asked about it

    def __init__(self, run: Run) -> None:
        self._run = run

    def tries(self, error: AcrError) -> Optional[int]:
        """How often an import is tried that fails with *error*, if that says so and is believed."""
        return None

    def unanswered(self, job: Job, now: float) -> None:
        """Azure did not say how an import is doing, or (if nothing is *unanswered* in the job) where to ask that."""

    @abc.abstractmethod
    def succeeded(self, job: Job) -> None:
        """Azure calls an import done."""

    @abc.abstractmethod
    def exists(self, job: Job, error: AcrError) -> None:
        """Azure refused an import since a target exists that was absent."""

    def look_again(self, job: Job) -> None:
        """The pause of a job that is `State.HIDDEN` is over."""

    def watch(self, jobs: List[Job], now: float) -> float:
        """Does what is due *now* for these jobs in flight; returns when there is more to do."""
        return math.inf


class Unverified(Strategy):
    """Believes Azure Resource Manager, and reports what it doesn't say as unknown."""

    def unanswered(self, job: Job, now: float) -> None:
        """A question that is refused is repeated for a while, in case that passes."""
        error, why = job.unanswered, "didn't say where to ask how it ended."
        if error is not None:
            if error.passing or error.reason in UNASKED or now - job.unanswered_since < SETTLE:
                return
            why = f"doesn't say how it ended: {error}"
        for pending in list(job.left):
            message = f"Azure accepted the import of {self._run.name(pending.item)}, but {why} Run again with verify: true to find out."
            self._run.end(pending, AcrError("unknown", message))

    def succeeded(self, job: Job) -> None:
        """Azure's word counts."""
        for pending in list(job.left):
            pending.item.seconds = self._run.loop.now() - job.since
            self._run.end(pending)

    def exists(self, job: Job, error: AcrError) -> None:
        """That is what ``if_exists`` is about, unless an earlier try of ours has brought the target."""
        job.accepted = job.uncertain  # this import did nothing
        for pending in list(job.left):
            item = pending.item
            if not (job.uncertain or item.desired.rules.if_exists in ("update", "keep")):
                message = f"{error} Choose another tag, or set if_exists: update with verify: true."
                self._run.end(pending, AcrError("exists", message))
                continue
            if not job.uncertain:
                item.action = _plan.KEEP  # nobody knows whether it has the source's digest
            self._run.end(pending)


class Verified(Strategy):
    """Believes what the registry shows late enough, and decides again on a target that has appeared."""

    together = True
    patience = SETTLE

    def __init__(self, run: Run, targets: TargetRegistry, readers: ThreadPoolExecutor, sku: str) -> None:
        super().__init__(run)
        self._targets = targets
        self._readers = readers
        self._watch = Watch(run, targets, readers, sku)

    def tries(self, error: AcrError) -> Optional[int]:
        """As `_diagnosis` says: its source let us read the image just before. Other errors count the tries of one request."""
        return error.tries if error.cause is not None else None

    def succeeded(self, job: Job) -> None:
        """Now the registry should show it."""
        for pending in job.checking:
            pending.final = self._run.loop.now() + SETTLE
        for pending in job.left:
            self._watch.repository(pending.item.target.repository).next_at = 0.0

    def watch(self, jobs: List[Job], now: float) -> float:
        """Looks at the repositories in which these jobs are to land; ends what the registry should show by now, and doesn't."""
        waiting: Dict[str, List[Pending]] = {}
        for job in jobs:
            if job.succeeded is not None:
                self._give_up(job, job.succeeded)
            for pending in job.left:
                waiting.setdefault(pending.item.target.repository, []).append(pending)
        return self._watch.due(waiting, now)

    def _give_up(self, job: Job, succeeded: float) -> None:
        """Ends what the registry has had its time to show since Azure called it done."""
        for pending in list(job.left):
            name, digest = self._run.name(pending.item), pending.shown.digest if pending.shown is not None else None
            foreign = pending.unread is None and digest not in (None, pending.digest, pending.item.before)
            # A look can take long if the registry refuses many: what matters is what was seen late enough.
            if pending.looked is None or pending.looked - succeeded < (FOREIGN if foreign else SETTLE):
                continue
            if pending.unread is not None:
                message = f"Azure says that {name} was imported, but this can't be checked: {pending.unread}"
                error = AcrError("lost", message)
            elif pending.shown is None or digest is None:
                error = AcrError("lost", f"Azure says that {name} was imported, but it isn't in the registry; run again.")
            else:
                error = moved(name, pending, pending.shown)
            self._run.end(pending, error)

    # -- targets that exist though they were absent ------------------------------------------------------------------

    def exists(self, job: Job, _error: AcrError) -> None:
        """A target that was absent has appeared: look again, and decide again."""
        job.accepted = job.uncertain  # this import did nothing
        for pending in job.checking:  # not by this import
            job.left.append(Pending(job, pending.item))
            self._run.progress.done -= 1
        job.checking.clear()
        job.hidden_since = self._run.loop.now()
        self.look_again(job)

    def look_again(self, job: Job) -> None:
        """Looks at all that is left of a job, to decide what to do about it."""
        job.state, job.resumes_at = State.LOOKING, None
        left = list(job.left)

        def look() -> Shown:
            found: Shown = {}
            for pending in left:
                try:
                    found[pending] = self._targets.examine(pending.item.desired)
                except AcrError as error:
                    found[pending] = error
            return found

        def then(found: Optional[Shown], failure: Optional[AcrError]) -> None:
            absent: List[Pending] = []
            forced: List[Pending] = []
            seen: Dict[Pending, Observed] = {}
            for pending in left:
                if pending not in job.left:
                    continue  # a look that was under way has found it
                shown = failure or (found or {})[pending]
                action = self._decide(pending, shown)
                if action is not None and not isinstance(shown, AcrError):
                    seen[pending] = shown
                    (absent if action == _plan.IMPORT else forced).append(pending)
            if len(job.work.items) == 1 and absent:
                self._wait_for_hidden(job, absent[0])
                return
            for pending in forced + absent:
                pending.item.decide(seen[pending])
                if job.tries >= TRIES:
                    message = (
                        f"{self._run.name(pending.item)} kept appearing or disappearing over {job.tries} tries: something else is "
                        "changing it. Run again later."
                    )
                    self._run.end(pending, AcrError("exists", message))
                else:
                    self._run.drop(pending)
            # If no target shows why all were refused, each gets an import of its own.
            for pendings, together in ((forced, True), (absent, len(absent) < len(left))):
                for work in _plan.imports([pending.item for pending in pendings], together=together):
                    self._run.add(job.again(work))

        self._run.loop.do(self._readers, look, then)

    def _decide(self, pending: Pending, shown: Union[Observed, AcrError]) -> Optional[str]:
        """Decides again on one target of an import that was refused: returns the action if it is to be imported after all;
        otherwise it ends, or is checked."""
        item = pending.item
        if isinstance(shown, AcrError):
            self._run.end(pending, shown)
            return None
        try:
            action = _plan.decide(item.desired, shown)
        except _plan.Conflict as conflict:
            self._run.end(pending, AcrError(conflict.refusal, str(conflict)))
            return None
        if action == _plan.UPDATE and item.desired.rules.backup:
            message = f"{item.target} has appeared meanwhile, and has no backup, so it was not overwritten. Run again."
            self._run.end(pending, AcrError("exists", message))
            return None
        if action in _plan.CHANGING:
            return action
        if pending.job.uncertain and shown.digest == pending.digest:
            self._watch.arrived(pending)  # by an earlier try of ours
        else:
            item.observed, item.action = shown, action
            self._run.end(pending)
        return None

    def _wait_for_hidden(self, job: Job, pending: Pending) -> None:
        """Azure says that a target exists, and the registry doesn't show it yet: trying again would be refused again."""
        now = self._run.loop.now()
        waited = now - job.hidden_since
        if waited < SETTLE:
            job.state, job.resumes_at = State.HIDDEN, now + pause(waited)
            return
        message = (
            f"Azure says that {self._run.name(pending.item)} exists already, but the registry did not show it within {SETTLE:g} s. "
            "Run again later."
        )
        self._run.end(pending, AcrError("exists", message))
