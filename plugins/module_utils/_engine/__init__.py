# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Carries out imports: starts them at the pace that Azure allows, watches the target registry for what has landed, asks
Azure Resource Manager why the others have not, and checks what came.

No thread waits while Azure copies. Threads only send requests; all state is changed by the thread that called `run`.
"""

from __future__ import annotations

import functools
import math
import queue
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Iterable, List, Optional, Set, Tuple, Union

from . import _plan
from ._arm import RETRY_AFTER, Arm, Operation, RegistryResource
from ._diagnosis import Context
from ._errors import AcrError, IdentityError, ImportFailed
from ._pace import Bucket
from ._plan import GONE, STOPPED, Import, Origin, Outcome, Seen, Step
from ._progress import Progress
from ._targets import FEW, Targets

STARTERS = 16  # threads that start imports
ASKERS = 4  # threads that ask Azure Resource Manager
FASTEST, SLOWEST = 0.2, 2.0  # seconds between two looks at a repository
EAGER = 16  # repositories that are looked at soon; from them the others learn how long an import takes
ROUND, LONGEST_ROUND = 0.0002, 0.2  # seconds for each job between two looks at them all, and at most
SETTLE = 60.0  # seconds that the registry may take to show what Azure calls done
FOREIGN = 5.0  # seconds after which somebody else's digest under our tag is believed
TRIES = 5  # of an import that fails for passing reasons
FIRST_PAUSE = 2.0  # seconds before the second try; each further pause is three times as long
SAFE = "Running again is safe: what has landed meanwhile is not imported again. A longer time limit is set by timeout."
GATE = 5.0  # seconds for which the first import's answer is awaited: what hits every import is asked for once
# Requests a minute that a registry takes, by tier; watching uses at most half of them.
READS = {"basic": 1000, "standard": 3000, "premium": 10000}
UNASKED = frozenset(["unreachable", "timeout"])  # kinds of failure that keep a question from being answered


@dataclass(eq=False)
class Job:
    """One import on its way. Times are monotonic seconds. What is of a single target is by the number of its want."""

    work: Import
    tries: int = 0
    started: float = 0.0
    not_before: Optional[float] = None  # it waits until then, to be started (or, if it is *hidden*, looked at)
    operation: Optional[Operation] = None
    asking: bool = False
    unanswered: Optional[AcrError] = None  # why Azure last said nothing of the import, asked how it stands
    unanswered_since: float = 0.0
    left: Dict[int, Step] = field(default_factory=dict)  # what has neither landed nor ended
    checking: Dict[int, _Arrival] = field(default_factory=dict)
    succeeded: Optional[float] = None  # when Azure called it done
    shown: Dict[int, Seen] = field(default_factory=dict)
    looked: Dict[int, float] = field(default_factory=dict)  # when the last look at a step that has an answer began
    unread: Dict[int, AcrError] = field(default_factory=dict)  # why a target could not be read
    hidden: Optional[float] = None  # since when Azure says that its target exists, which the registry doesn't show
    failure: Optional[AcrError] = None  # of the last try
    accepted: bool = False  # Azure took an import for it
    uncertain: bool = False  # an earlier try may have brought what it wants
    repaired: bool = False
    last_pass: bool = False

    def again(self, work: Import, failure: Optional[AcrError] = None) -> Job:
        """A job for a part of this one's targets, which knows what has happened to them so far."""
        return Job(
            work,
            self.tries,
            self.started,
            accepted=self.accepted,
            uncertain=self.uncertain,
            repaired=self.repaired,
            failure=failure,
        )


@dataclass(eq=False)
class _Arrival:
    """A target that shows the right digest, while what stands behind it is checked. *final*: when what is missing won't come
    any more; None while Azure is still at it."""

    job: Job
    step: Step
    seconds: float
    final: Optional[float] = None
    expired: bool = False  # the time limit has passed, so nothing is done about what is missing
    void: bool = False  # the import did nothing: what stands there is somebody else's, and is decided on anew


@dataclass
class _Watch:
    """When a repository is looked at next."""

    eager: bool
    next_at: float = 0.0
    busy: bool = False
    landed: int = 0
    unchecked: List[_Arrival] = field(default_factory=list)
    check_at: float = 0.0


@dataclass
class _Throttled:
    """A source that lets Azure pull no more for now: one import tries it again, and all others wait for that."""

    since: float  # the last refusal
    probe: Optional[Job] = None
    tries: int = 0
    waiting: List[Job] = field(default_factory=list)
    over: bool = False  # it was tried to the end: whatever comes now gets one try


class Imports:
    """Carries out imports into one registry.

    *targets* None: the registry's content is not looked at, and Azure's word counts. *body* gives an origin's
    ``source`` object. *timeout*: seconds for one import from its start; *deadline*: monotonic end of everything.
    """

    def __init__(
        self,
        arm: Arm,
        resource: RegistryResource,
        targets: Optional[Targets],
        body: Callable[[Origin], Dict[str, Any]],
        *,
        timeout: float,
        deadline: Optional[float] = None,
        wait: bool = True,
        stop_on_error: bool = False,
        concurrency: int = STARTERS,
        notify: Optional[Callable[[Progress], None]] = None,
    ) -> None:
        self._arm = arm
        self._resource = resource
        self._targets = targets
        self._body = body
        self._timeout = timeout
        self._deadline = deadline
        self._wait = wait
        self._stop_on_error = stop_on_error
        self._notify = notify
        self._events: queue.Queue[Callable[[], None]] = queue.Queue()
        self._jobs: Set[Job] = set()
        self._watches: Dict[str, _Watch] = {}
        self._quickest = SLOWEST  # seconds that an import has taken at least, so far
        self._accepted: List[Step] = []
        self._expecting = False  # whether more steps will come
        self._outcomes: Dict[int, Outcome] = {}  # by the number of the want
        self._last: List[Job] = []
        self._throttled: Dict[Any, _Throttled] = {}  # by source registry
        self._refusal: Optional[AcrError] = None  # set: nothing new is started
        self._first: Optional[Job] = None  # the one whose answer all others wait for
        self._answered = threading.Event()
        self._progress = Progress()
        per_minute = READS.get(resource.sku.lower(), READS["basic"])
        self._looks = Bucket(per_minute / 10.0, per_minute / 120.0)
        self._starters = ThreadPoolExecutor(min(STARTERS, concurrency))
        self._readers = ThreadPoolExecutor(concurrency)
        self._askers = ThreadPoolExecutor(ASKERS)

    def run(
        self, steps: Iterable[Step], progress: Optional[Progress] = None, more: Optional[Iterable[List[Step]]] = None
    ) -> List[Outcome]:
        """Carries out the steps that change something, and those that *more* yields meanwhile; returns how each of them
        ended, in their order. *progress* counts on if these steps aren't all."""
        self._progress = progress or Progress()
        self._expecting = more is not None
        try:
            self._accept(steps)
            if more is not None:
                threading.Thread(target=self._feed, args=(more,), daemon=True).start()
            self._loop()
        finally:
            self._refusal = self._refusal or AcrError("stopped", STOPPED)  # for what still waits for its turn
            self._answered.set()
            for pool in (self._starters, self._readers, self._askers):
                pool.shutdown(wait=False, cancel_futures=True)
        return [self._outcomes[step.want.number] for step in self._accepted]

    def _feed(self, more: Iterable[List[Step]]) -> None:
        try:
            for steps in more:
                self._events.put(functools.partial(self._accept, steps))
            self._events.put(self._stop_expecting)
        except BaseException as error:
            self._events.put(functools.partial(_raise, error))

    def _stop_expecting(self) -> None:
        self._expecting = False

    def _accept(self, steps: Iterable[Step]) -> None:
        steps = [step for step in steps if step.changes]
        self._accepted += steps
        self._progress.total += len(steps)
        for work in _plan.imports(steps, together=self._targets is not None):
            self._add(Job(work))

    @property
    def _over(self) -> bool:
        return not self._expecting and len(self._outcomes) == len(self._accepted)

    # -- the loop --------------------------------------------------------------------------------------------------

    def _loop(self) -> None:
        while not self._over:
            if not self._jobs and not self._expecting:
                # Everything else is over: once more over what failed for passing reasons.
                again, self._last = self._last, []
                for job in again:
                    job.last_pass = True
                    self._add(job)
            now = time.monotonic()
            next_at = min(self._due(now), now + SLOWEST)
            if self._over:
                break  # the last ones ran out of time
            if not self._jobs and self._last and not self._expecting:
                continue
            self._take_events(max(0.005, next_at - now), now + min(ROUND * len(self._jobs), LONGEST_ROUND))
            if self._notify is not None:
                self._progress.in_flight = sum(len(job.left) for job in self._jobs if job.operation is not None)
                self._notify(self._progress)

    def _take_events(self, patience: float, until: float) -> None:
        """Waits *patience* seconds for something to happen, and lets everything happen that does so *until* then."""
        with suppress(queue.Empty):
            self._events.get(timeout=patience)()
            while not self._over:
                self._events.get(timeout=max(0.0, until - time.monotonic()))()

    def _due(self, now: float) -> float:
        """Does all that is due at *now*; returns when the next thing is."""
        next_at = now + SLOWEST
        waiting: Dict[str, List[Tuple[Job, Step]]] = {}  # what is to land, by repository
        for job in list(self._jobs):
            if job.operation is None:
                if job.not_before is not None:
                    if now >= job.not_before or self._refusal is not None and job.hidden is None:
                        job.not_before = None
                        (self._start if job.hidden is None else self._look_again)(job)
                    else:
                        next_at = min(next_at, job.not_before)
                        if self._deadline is not None and now > self._deadline:
                            self._expired(job)
                continue
            if now >= self._ends(job):
                self._expired(job)
                continue
            next_at = min(next_at, self._ends(job))
            if job.succeeded is None:
                if not job.asking:
                    if now >= job.operation.ask_at:
                        self._ask(job)
                    else:
                        next_at = min(next_at, job.operation.ask_at)
            elif self._gave_up(job):
                continue
            for step in job.left.values():
                waiting.setdefault(step.want.target.repository, []).append((job, step))
        if self._targets is not None:
            for repository, landing in waiting.items():
                next_at = min(next_at, self._look_when_due(repository, landing, now))
            for repository, watch in self._watches.items():
                if watch.unchecked and not watch.busy and repository not in waiting:
                    if now >= watch.check_at:
                        self._check(repository, watch)
                    else:
                        next_at = min(next_at, watch.check_at)
        return next_at

    def _do(self, pool: ThreadPoolExecutor, work: Callable[[], Any], then: Callable[[Any, Optional[AcrError]], None]) -> None:
        """Runs *work* on a thread, then *then(value, error)* on ours."""

        def run() -> None:
            try:
                event = functools.partial(then, work(), None)
            except AcrError as error:
                event = functools.partial(then, None, error)
            except IdentityError as error:
                event = functools.partial(self._signed_out, then, AcrError("sign_in", str(error)))
            except BaseException as error:  # a fault of ours: ends the run
                event = functools.partial(_raise, error)
            self._events.put(event)

        pool.submit(run)

    def _signed_out(self, then: Callable[[Any, Optional[AcrError]], None], error: AcrError) -> None:
        """Signing in failed: nothing new is started. What is under way gets a while to show itself in the registry, which
        may be open to us for longer than Azure Resource Manager."""
        if self._refusal is None or self._refusal.reason != "sign_in":
            self._refusal = error
            wait = SETTLE if self._targets is not None else 0.0
            for job in self._jobs:
                if job.operation is not None:
                    job.operation.ask_at = time.monotonic() + wait
        then(None, self._refusal)

    # -- starting --------------------------------------------------------------------------------------------------

    def _add(self, job: Job) -> None:
        """A new job, or once more what is left of one."""
        if job.left:
            job.work = job.work._replace(steps=tuple(job.left.values()))
        else:
            job.left = {step.want.number: step for step in job.work.steps}
        job.operation, job.succeeded, job.unanswered, job.hidden = None, None, None, None
        job.unread.clear()
        job.shown.clear()
        job.looked.clear()
        throttled = self._throttled.get(job.work.origin.registry)
        if throttled is not None and throttled.probe not in (None, job):
            throttled.waiting.append(job)
            self._jobs.discard(job)
            return
        self._jobs.add(job)
        if job.not_before is None:
            self._start(job)

    def _start(self, job: Job) -> None:
        if not job.left:
            return  # an earlier try has brought all of it meanwhile
        job.work = job.work._replace(steps=tuple(job.left.values()))
        origin = job.work.origin
        context = Context(
            target=", ".join(self._name(step) for step in job.left.values()),
            source=_plan.origin_name(origin),
            registry=getattr(origin.registry, "name", ""),
        )

        def check() -> None:
            if self._first is None:
                self._first = job
            if self._first is not job:  # what hits every import is asked for once
                self._answered.wait(GATE)
            if self._refusal is not None:
                raise AcrError("stopped", STOPPED)
            if self._deadline is not None and time.monotonic() >= self._deadline:
                raise AcrError("timeout", f"The time limit passed before {context.target} could be imported.")

        request = job.work

        def work() -> Operation:
            check()
            return self._arm.start_import(self._resource, request.body(self._body(origin)), context, check)

        def then(operation: Any, error: Optional[AcrError]) -> None:
            job.tries += 1
            if job.left:  # or an earlier try has brought all of it meanwhile
                self._started(job, operation, error)
            self._answered.set()

        self._do(self._starters, work, then)

    def _started(self, job: Job, operation: Any, error: Optional[AcrError]) -> None:
        if error is not None:
            if error.reason == "stopped":
                error = job.failure or self._refusal or error
            # Without an answer, or with a failure of Azure's own, it may have been taken all the same.
            elif error.reason == "unavailable" or error.uncertain:
                job.uncertain = True
                job.started = job.started or time.monotonic()
            self._failed(job, error)
            return
        job.operation = operation
        job.accepted = True
        job.uncertain = job.uncertain or operation.uncertain
        job.started = time.monotonic()
        if not self._wait:
            for step in list(job.left.values()):
                self._end(job, step, Outcome(step, operation=operation.id))
        elif operation.done:
            self._success(job)
        elif self._targets is None and operation.ask_at == math.inf:
            self._end_unknown(job, "Azure took the import of {0}, but named no place to ask how it ended.")

    # -- asking Azure Resource Manager -----------------------------------------------------------------------------

    def _ask(self, job: Job) -> None:
        if self._refusal is not None and self._refusal.reason == "sign_in":
            self._failed(job, self._refusal)
            return
        operation = job.operation
        job.asking = True

        def then(_value: Any, error: Optional[AcrError]) -> None:
            job.asking = False
            if job not in self._jobs or job.operation is not operation:
                return  # landed meanwhile
            if isinstance(error, ImportFailed):
                self._failed(job, error)
            elif error is None:
                job.unanswered = None
                if operation.done:
                    self._success(job)
            elif error.reason != "sign_in":  # `_signed_out` has seen to that
                self._unanswered(job, error)

        self._do(self._askers, lambda: self._arm.ask(operation), then)

    def _unanswered(self, job: Job, error: AcrError) -> None:
        """The question failed, which says nothing of the import: it is asked again, and the registry watched on."""
        now = time.monotonic()
        if job.unanswered is None:
            job.unanswered_since = now
        job.unanswered = error
        job.operation.ask_at = now + RETRY_AFTER
        refused = not error.passing and error.reason not in UNASKED
        if self._targets is None and refused and now - job.unanswered_since >= SETTLE:
            self._end_unknown(job, "Azure took the import of {0}, but doesn't say how it ended: {1}")

    def _end_unknown(self, job: Job, message: str) -> None:
        for step in list(job.left.values()):
            text = message.format(self._name(step), job.unanswered)
            self._end(job, step, Outcome(step, AcrError("unknown", text + " Run again with verify: true to find out.")))

    def _success(self, job: Job) -> None:
        """Azure calls the import done: now the registry should show it."""
        job.succeeded = time.monotonic()
        job.shown.clear()
        self._pulled(job)
        if self._targets is None:
            for step in list(job.left.values()):
                self._end(job, step, Outcome(step, seconds=job.succeeded - job.started))
            return
        for arrival in job.checking.values():
            arrival.final = job.succeeded + SETTLE
        for step in job.left.values():
            self._watch(step.want.target.repository).next_at = 0.0

    def _gave_up(self, job: Job) -> bool:
        """Whether the registry has had its time to show what Azure calls done."""
        for number, step in list(job.left.items()):
            # A look can take long if the registry refuses many: what matters is what was seen late enough.
            waited = job.looked.get(number, 0.0) - job.succeeded
            shown = job.shown.get(number, Seen())
            foreign = number not in job.unread and shown.digest not in (None, step.want.digest, step.seen.digest)
            if waited < (FOREIGN if foreign else SETTLE):
                continue
            name = self._name(step)
            if number in job.unread:
                message = f"Azure says that {name} was imported, but it can't be read to check: {job.unread[number]}"
            elif shown.digest is None:
                message = f"Azure says that {name} was imported, but it isn't there; run again."
            else:
                message = self._moved(step, shown)
            self._end(job, step, Outcome(step, AcrError("lost", message)))
        return not job.left

    def _moved(self, step: Step, shown: Seen) -> str:
        message = (
            f"Azure says that {self._name(step)} was imported, but it has digest {shown.digest} instead of {step.want.digest}; "
            "somebody else may have moved it meanwhile. "
            "Run again."
        )
        return message

    # -- watching the target registry ------------------------------------------------------------------------------

    def _watch(self, repository: str) -> _Watch:
        if repository not in self._watches:
            self._watches[repository] = _Watch(eager=len(self._watches) < EAGER)
        return self._watches[repository]

    def _look_when_due(self, repository: str, waiting: List[Tuple[Job, Step]], now: float) -> float:
        """Looks at a repository for what is *waiting* to land there, or returns when to."""
        watch = self._watch(repository)
        if watch.busy:
            return now + SLOWEST
        soonest = FASTEST if watch.eager else self._quickest
        due = max(watch.next_at, min(job.succeeded or job.started + soonest for job, _step in waiting))
        if now < due:
            return due
        pause = self._looks.take()
        if pause > 0:
            watch.next_at = now + pause
            return watch.next_at
        newest_start = max(job.started for job, _step in waiting)
        watch.busy = True
        count = len(waiting) + watch.landed + 20
        direct = [(job, step) for job, step in waiting if len(waiting) <= FEW or not _by_list(job, step)]

        def work() -> Dict[int, Union[Seen, AcrError]]:
            shown: Dict[int, Union[Seen, AcrError]] = {}
            for job, step in direct:
                try:
                    shown[step.want.number] = self._look(job, step)
                except AcrError as error:
                    shown[step.want.number] = error
            if len(direct) < len(waiting):
                listed = self._targets.newest(repository, count)
                for _job, step in waiting:
                    if step.want.number not in shown and step.want.target.tag in listed:
                        shown[step.want.number] = listed[step.want.target.tag]
            return shown

        def then(shown: Optional[Dict[int, Union[Seen, AcrError]]], error: Optional[AcrError]) -> None:
            watch.busy = False
            watch.next_at = time.monotonic() + min(SLOWEST, max(FASTEST, 0.1 * (time.monotonic() - newest_start)))
            for job, step in waiting:
                number = step.want.number
                if job not in self._jobs or number not in job.left:
                    continue
                if error is not None and error.reason == "sign_in":
                    self._end(job, step, Outcome(step, error))
                    continue
                job.looked[number] = now
                job.unread.pop(number, None)
                found = error or (shown or {}).get(number)
                if isinstance(found, AcrError):
                    job.unread[number] = found
                elif found is not None:
                    job.shown[number] = found
                    if job.repaired and job.succeeded is None:
                        continue  # what it shows is what the first import has brought
                    if _landed(step, found, job.succeeded is not None):
                        watch.landed += 1
                        self._arrived(job, step)

        self._do(self._readers, work, then)
        return now + SLOWEST

    def _look(self, job: Job, step: Step) -> Seen:
        target = step.want.target
        if target.tag is None:
            return self._targets.shown(target.repository, step.want.digest or "")
        if step.seen.updated and step.seen.digest == step.want.digest and job.succeeded is None:
            return self._targets.entry(target.repository, target.tag)
        if job.succeeded is None:
            return self._targets.shown(target.repository, target.tag)
        return self._targets.tag(target.repository, target.tag)

    def _arrived(self, job: Job, step: Step) -> None:
        """The target shows the right digest; what stands behind it is checked when its repository is quiet."""
        now = time.monotonic()
        del job.left[step.want.number]
        arrival = _Arrival(job, step, now - job.started)
        if job.operation is None or job.succeeded is not None:
            arrival.final = (job.succeeded or now) + SETTLE
        job.checking[step.want.number] = arrival
        self._pulled(job)
        watch = self._watch(step.want.target.repository)
        self._quickest = min(self._quickest, max(FASTEST, arrival.seconds - FASTEST))
        watch.unchecked.append(arrival)
        watch.check_at = 0.0
        self._progress.done += 1  # until the check says otherwise

    # -- checking what came ----------------------------------------------------------------------------------------

    def _check(self, repository: str, watch: _Watch) -> None:
        batch, watch.unchecked = [arrival for arrival in watch.unchecked if not arrival.void], []
        watch.busy = True
        digests = {arrival.step.want.digest or "" for arrival in batch}
        began = time.monotonic()
        # What is said to be missing is believed, once it decides, only if it is said again and again.
        decides = any(arrival.final is not None and began >= arrival.final for arrival in batch)

        def then(damage: Optional[Dict[str, Union[List[str], AcrError]]], error: Optional[AcrError]) -> None:
            watch.busy = False
            for arrival in batch:
                job, step = arrival.job, arrival.step
                if arrival.void:
                    continue
                found = error or (damage or {})[step.want.digest or ""]
                if found and not isinstance(found, AcrError) and (arrival.final is None or began < arrival.final):
                    # Children may come after the tag, as tags come after Azure's word.
                    pause = min(SLOWEST, max(FASTEST, 0.1 * (began - job.started)))
                    watch.check_at = max(watch.check_at, time.monotonic() + pause)
                    watch.unchecked.append(arrival)
                    continue
                self._progress.done -= 1
                if isinstance(found, AcrError):
                    message = f"{self._name(step)} was imported, but can't be checked: {found}"
                    self._end(job, step, Outcome(step, found.but(message)))
                elif found and arrival.expired:
                    message = "{0} was imported, but {1} of what it lists were not there within {2:g} s ({3}). " + SAFE
                    text = message.format(self._name(step), len(found), self._timeout, found[0])
                    self._end(job, step, Outcome(step, AcrError("timeout", text)))
                elif found:
                    self._damaged(job, step, found)
                else:
                    self._end(job, step, Outcome(step, seconds=arrival.seconds))

        self._do(self._readers, lambda: self._targets.damage(repository, digests, expected=decides), then)

    def _damaged(self, job: Job, step: Step, missing: List[str]) -> None:
        """What Azure brought stays incomplete: it is imported once more, by force, unless somebody keeps us from that."""
        facts = (self._name(step), len(missing), missing[0])
        if job.repaired:
            message = (
                "Azure imported {0} twice, and still {1} of what it lists are missing in the registry ({2}). Report it "
                "to Azure's support.".format(*facts)
            )
            self._end(job, step, Outcome(step, AcrError("lost", message)))
            return
        message = "{0} was imported, but {1} of what it lists are missing in the registry ({2}); run again."
        failure = AcrError("lost", message.format(*facts))
        targets, want = self._targets, step.want

        def look() -> Seen:
            place = want.target
            seen = Seen(want.digest) if place.tag is None else targets.tag(place.repository, place.tag, expected=True)
            return targets.guarded(want, seen._replace(manifest=GONE)) if seen.digest == want.digest else seen

        def then(seen: Optional[Seen], error: Optional[AcrError]) -> None:
            if error is None and seen.digest is None:
                error = failure  # somebody has deleted it
            elif error is None and seen.digest != want.digest:
                error = AcrError("lost", self._moved(step, seen))
            elif error is None and seen.locks:
                error = AcrError("locked", f"{failure} It is locked against writing, so it was not imported again.")
            if error is not None:
                self._end(job, step, Outcome(step, error))
                return
            again = Import(job.work.origin, "Force", (step._replace(action=_plan.REPAIR),))
            self._drop(job, step)
            self._add(Job(again, tries=job.tries, accepted=True, repaired=True, failure=failure))

        self._do(self._readers, look, then)

    # -- ends ------------------------------------------------------------------------------------------------------

    def _drop(self, job: Job, step: Step) -> None:
        """A job has nothing to do any more for one of its targets."""
        job.left.pop(step.want.number, None)
        job.checking.pop(step.want.number, None)
        if not job.left and not job.checking:
            self._jobs.discard(job)
            self._next_probe(job)

    def _end(self, job: Job, step: Step, outcome: Outcome) -> None:
        outcome.started = job.accepted
        if outcome.error is None and not job.accepted and outcome.step.changes:
            outcome.step = step._replace(action=_plan.NONE)  # somebody else has brought it
        self._outcomes[step.want.number] = outcome
        if outcome.error is None:
            self._progress.done += 1
        else:
            self._progress.failed += 1
            if self._stop_on_error and self._refusal is None:
                self._refusal = AcrError("stopped", STOPPED)
        self._drop(job, step)

    def _failed(self, job: Job, error: AcrError) -> None:
        """An import was refused or failed."""
        now = time.monotonic()
        if error.ends_run and self._refusal is None:
            self._refusal = error
        if error.reason == "exists":
            self._exists(job, error)
            return
        for arrival in job.checking.values():
            arrival.final = now + SETTLE  # what came before it failed may show late, too
        if not job.left:
            job.operation = None  # all is there, or is seen to by the checks
            return
        job.failure = error
        job.uncertain = job.uncertain or job.accepted
        if error.throttled_source and self._refusal is None and self._throttle(job):
            return
        most = TRIES if error.passing and not error.throttled_source else 0
        if error.tries is not None and self._targets is not None:  # it let us read the image just before
            most = error.tries
        pause = FIRST_PAUSE * 3 ** (job.tries - 1)
        in_time = self._deadline is None or now + pause < self._deadline
        if job.tries < most and in_time and self._refusal is None:
            job.not_before = now + pause
            self._add(job)
            return
        if error.passing:
            if most and not job.last_pass and in_time and self._refusal is None:
                self._jobs.discard(job)
                self._last.append(job)
                return
        elif len(job.left) > 1 and error is not self._refusal:
            # One of several targets may be to blame: each gets an import of its own.
            steps = list(job.left.values())
            for step in steps:
                self._drop(job, step)
            for step in steps:
                self._add(job.again(job.work._replace(steps=(step,)), failure=error))
            return
        for step in list(job.left.values()):
            self._end(job, step, Outcome(step, error))

    # -- sources that let Azure pull no more -------------------------------------------------------------------------

    def _throttle(self, job: Job) -> bool:
        """Has *job* try its source again later, or wait until another one has. False once it was tried to the end."""
        now = time.monotonic()
        throttled = self._throttled.setdefault(job.work.origin.registry, _Throttled(now))
        throttled.since = now
        if throttled.over:
            return False
        if throttled.probe is job:
            throttled.tries += 1
        pause = FIRST_PAUSE * 3**throttled.tries
        if throttled.tries + 1 >= TRIES or self._deadline is not None and now + pause >= self._deadline:
            throttled.over, throttled.probe = True, None
            waiting, throttled.waiting = throttled.waiting, []
            for other in waiting:
                for step in list(other.left.values()):
                    self._end(other, step, Outcome(step, other.failure or job.failure))
            return False
        if throttled.probe in (None, job):
            throttled.probe = job
            job.not_before = now + pause
        self._add(job)
        return True

    def _pulled(self, job: Job) -> None:
        """Azure could pull from a job's source: nothing has to wait for it any more, unless it has refused others since."""
        registry = job.work.origin.registry
        throttled = self._throttled.get(registry)
        if throttled is not None and (throttled.probe is job or job.started > throttled.since):
            del self._throttled[registry]
            for other in throttled.waiting:
                self._add(other)

    def _next_probe(self, job: Job) -> None:
        """*job* is over: if others wait for what it finds out, one of them takes its place."""
        throttled = self._throttled.get(job.work.origin.registry)
        if throttled is not None and throttled.probe is job:
            throttled.probe = None
            if throttled.waiting:
                throttled.probe = throttled.waiting.pop(0)
                self._add(throttled.probe)

    # -- targets that exist though they were absent ------------------------------------------------------------------

    def _exists(self, job: Job, error: AcrError) -> None:
        """A target that was absent has appeared: look again, and decide again."""
        job.accepted = job.uncertain  # this import did nothing
        if self._targets is None:
            for step in list(job.left.values()):
                if (job.uncertain or step.want.if_exists in ("update", "keep")):
                    action = _plan.KEEP if step.want.if_exists == "keep" else _plan.NONE
                    self._end(job, step, Outcome(step if job.uncertain else step._replace(action=action)))
                else:
                    message = f"{error} Choose another tag, or set if_exists: update with verify: true."
                    self._end(job, step, Outcome(step, AcrError("exists", message)))
            return
        for number, arrival in job.checking.items():  # not by this import
            arrival.void = True
            job.left[number] = arrival.step
            self._progress.done -= 1
        job.checking.clear()
        job.operation = None
        job.hidden = time.monotonic()
        self._look_again(job)

    def _look_again(self, job: Job) -> None:
        targets, left = self._targets, dict(job.left)

        def look() -> Dict[int, Union[Seen, AcrError]]:
            found: Dict[int, Union[Seen, AcrError]] = {}
            for number, step in left.items():
                try:
                    found[number] = targets.examine(step.want)
                except AcrError as error:
                    found[number] = error
            return found

        def then(found: Optional[Dict[int, Union[Seen, AcrError]]], failure: Optional[AcrError]) -> None:
            absent: List[Step] = []
            forced: List[Step] = []
            for number, step in left.items():
                if number not in job.left:
                    continue  # a look that was under way has found it
                shown = failure or (found or {})[number]
                if isinstance(shown, AcrError):
                    self._end(job, step, Outcome(step, shown))
                    continue
                try:
                    decided = _plan.decide(step.want, shown)
                except _plan.Conflict as conflict:
                    self._end(job, step, Outcome(step, AcrError("exists", str(conflict))))
                    continue
                if decided.action == _plan.IMPORT:
                    absent.append(decided)
                elif decided.changes:
                    forced.append(decided)
                elif job.uncertain and shown.digest == step.want.digest:
                    self._arrived(job, step)  # by an earlier try of ours
                else:
                    self._end(job, step, Outcome(decided))
            if len(job.work.steps) == 1 and absent:
                self._wait_for_hidden(job, absent[0])
                return
            if job.tries >= TRIES:
                message = (
                    f"{self._name(step)} was there, or not, at each of {job.tries} tries: somebody else changes it. Run again "
                    "later."
                )
                for step in forced + absent:
                    self._end(job, step, Outcome(step, AcrError("exists", message)))
                return
            for step in forced + absent:
                self._drop(job, step)
            # If no target shows why all were refused, each gets an import of its own.
            together = len(absent) < len(left)
            for work in _plan.imports(forced) + _plan.imports(absent, together=together):
                self._add(job.again(work))

        self._do(self._readers, look, then)

    def _wait_for_hidden(self, job: Job, step: Step) -> None:
        """Azure says that a target exists, and the registry doesn't show it yet: trying again would be refused again."""
        now = time.monotonic()
        waited = now - (job.hidden or now)
        if waited < SETTLE:
            job.not_before = now + min(SLOWEST, max(FASTEST, 0.1 * waited))
            return
        message = (
            f"Azure says that {self._name(step)} exists already, but the registry did not show it within {SETTLE:g} s. Run again "
            "later."
        )
        self._end(job, step, Outcome(step, AcrError("exists", message)))

    def _ends(self, job: Job) -> float:
        ends = job.started + self._timeout
        return ends if self._deadline is None else min(ends, self._deadline)

    def _name(self, step: Step) -> str:
        return f"{self._resource.login_server}/{step.want.target}"

    def _expired(self, job: Job) -> None:
        for arrival in job.checking.values():
            arrival.final, arrival.expired = time.monotonic(), True
        for number, step in list(job.left.items()):
            name = self._name(step)
            unread = job.unread.get(number) or job.unanswered
            if job.succeeded is not None:
                message = f"Azure says that {name} was imported, but the registry did not show it within {self._timeout:g} s."
            elif job.operation is None:
                message = f"The time limit of {self._timeout:g} s passed before {name} could be imported."
            elif unread is not None:
                message = f"The import of {name} was started, but what became of it within {self._timeout:g} s can't be read: {unread}"
            elif job.operation.ask_at == math.inf:
                message = (
                    f"The import of {name} was started, but the registry did not show it within {self._timeout:g} s, and Azure "
                    "named no place to ask how it ended."
                )
            else:
                message = f"Azure still calls the import of {name} pending after {self._timeout:g} s."
            message += " " + SAFE
            self._end(job, step, Outcome(step, AcrError("timeout", message)))
        job.operation = None


def _by_list(job: Job, step: Step) -> bool:
    """Whether a listing of tags tells that the step has landed."""
    return step.want.target.tag is not None and job.succeeded is None and step.seen.digest != step.want.digest


def _landed(step: Step, shown: Seen, succeeded: bool) -> bool:
    """Whether a target shows what was imported. What stands behind it is checked afterwards, so a listing will do."""
    if shown.digest is None or shown.digest != step.want.digest:
        return False
    if step.seen.digest != step.want.digest or succeeded:
        return True
    # The digest was right before: only a newer time stamp tells that the tag was written again.
    return step.seen.updated is not None and shown.updated not in (None, step.seen.updated)


def _raise(error: BaseException) -> None:
    raise error
