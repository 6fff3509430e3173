# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Carries out imports: starts them at the pace that Azure allows, watches the target registry for what has landed, asks
Azure Resource Manager why the others have not, and checks what came.

No thread waits while Azure copies. Threads only send requests; all state is changed by the thread that called `Engine.run`.

    Engine          what is due when; starts imports, and asks how they are doing
    ├── _verdict    what follows when one is refused, fails, or takes too long
    ├── _strategy   what depends on whether the registry is looked into
    ├── _watch      what has landed, and whether it is whole
    ├── _run        the jobs on their way, which of them wait for which, and how items end
    ├── _job        one import: its state, and what is known of its targets
    └── _loop       threads and time
"""

from __future__ import annotations

import math
from typing import Any, Callable, Dict, Iterable, List, Optional

from .._arm import RETRY_AFTER, Arm, Operation, RegistryResource
from .._diagnosis import Context
from .._errors import AcrError, ImportFailed
from .._plan import STOPPED, Item, Origin
from .._progress import Progress
from .._target import TargetRegistry
from ._job import IN_FLIGHT, RESTING, SLOWEST, Job, State
from ._loop import Loop, Threads
from ._run import Run
from ._strategy import Strategy, Unverified, Verified
from ._verdict import Verdict

STARTERS = 16  # threads that start imports
ASKERS = 4  # threads that ask how they are doing
GATE = 5.0  # seconds for which the first import's answer is awaited: what hits every import is asked for once
ROUND, LONGEST_ROUND = 0.0002, 0.2  # seconds for each job between two looks at them all, and at most


class Engine:
    """Carries out imports into one registry.

    *targets* None: the registry's content is not looked at, and Azure's word counts. *body* gives an origin's
    ``source`` object. *timeout*: seconds for one import from its start; *deadline*: monotonic end of everything.
    """

    def __init__(
        self,
        arm: Arm,
        resource: RegistryResource,
        targets: Optional[TargetRegistry],
        body: Callable[[Origin], Dict[str, Any]],
        *,
        timeout: float,
        deadline: Optional[float] = None,
        wait: bool = True,
        stop_on_error: bool = False,
        concurrency: int = STARTERS,
        notify: Optional[Callable[[Progress], None]] = None,
        threads: Optional[Threads] = None,
    ) -> None:
        self._loop = Loop(threads or Threads())
        self._run = Run(self._loop, resource.login_server, timeout=timeout, deadline=deadline, stop_on_error=stop_on_error)
        self._strategy: Strategy = Unverified(self._run)
        if targets is not None:
            self._strategy = Verified(self._run, targets, self._loop.pool(concurrency), resource.sku)
        self._verdict = Verdict(self._run, self._strategy)
        self._run.start = self._start
        self._loop.signed_out = lambda error: self._run.sign_out(error, self._strategy.patience)
        self._arm = arm
        self._resource = resource
        self._body = body
        self._wait = wait
        self._notify = notify
        self._first: Optional[Job] = None  # the one whose answer all others wait for
        self._answered = self._loop.threads.flag()
        self._starters = self._loop.pool(min(STARTERS, concurrency))
        self._askers = self._loop.pool(ASKERS)

    def run(
        self, items: Iterable[Item], progress: Optional[Progress] = None, more: Optional[Iterable[List[Item]]] = None
    ) -> List[Item]:
        """Carries out the items that change something, and those that *more* yields meanwhile, on a thread of its own; returns
        them in their order, each with how it ended. *progress* is added to if these items aren't all.
        """
        run = self._run
        run.progress = progress or Progress()
        run.expecting = more is not None
        try:
            self._accept(items)
            if more is not None:
                self._loop.feed(more, self._accept, run.stop_expecting)
            self._carry_out()
        finally:
            run.refusal = run.refusal or AcrError("stopped", STOPPED)  # for what still waits for its turn
            self._answered.set()
            self._loop.close()
        return run.accepted

    def _accept(self, items: Iterable[Item]) -> None:
        self._run.accept(items, self._strategy.together)

    def _carry_out(self) -> None:
        run = self._run
        while not run.over:
            if not run.jobs and not run.expecting:
                run.resume()
            now = self._loop.now()
            next_at = min(self._due(now), now + SLOWEST)
            if run.over:
                break  # the last ones ran out of time
            if not run.jobs and run.postponed and not run.expecting:
                continue
            self._loop.take(max(0.005, next_at - now), now + min(ROUND * len(run.jobs), LONGEST_ROUND), lambda: run.over)
            if self._notify is not None:
                run.progress.in_flight = sum(len(job.left) for job in run.jobs if job.state in IN_FLIGHT)
                self._notify(run.progress)

    def _due(self, now: float) -> float:
        """Does all that is due at *now*; returns when the next thing is."""
        run, next_at = self._run, now + SLOWEST
        flying: List[Job] = []
        for job in list(run.jobs):
            if job.state in IN_FLIGHT:
                ends = run.ends(job)
                if now >= ends:
                    self._verdict.expired(job)
                    continue
                next_at = min(next_at, ends)
                if job.state is State.UNDER_WAY and not job.asking and job.operation is not None:
                    if now >= job.operation.ask_at:
                        self._ask(job, job.operation)
                    else:
                        next_at = min(next_at, job.operation.ask_at)
                flying.append(job)
            elif job.state in RESTING and job.resumes_at is not None:
                if now >= job.resumes_at or run.refusal is not None and job.state is State.PAUSED:
                    (run.send if job.state is State.PAUSED else self._strategy.look_again)(job)
                    continue
                if run.late:
                    self._verdict.expired(job)
                    continue
                next_at = min(next_at, job.resumes_at, run.deadline or math.inf)
        return min(next_at, self._strategy.watch(flying, now))

    # -- Azure Resource Manager ------------------------------------------------------------------------------------

    def _start(self, job: Job) -> None:
        """Sends what is left of a job, when its turn comes."""
        run, request = self._run, job.work
        origin = request.origin
        names = ", ".join(run.name(item) for item in request.items)
        context = Context(names, str(origin), origin.registry.name)

        def check() -> None:
            if self._first is None:
                self._first = job
            if self._first is not job:  # what hits every import is asked for once
                self._answered.wait(GATE)
            if run.refusal is not None:
                raise AcrError("stopped", STOPPED)
            if run.deadline is not None and run.loop.now() >= run.deadline:
                raise AcrError("timeout", f"The time limit passed before {names} could be imported.")

        def work() -> Operation:
            check()
            return self._arm.start_import(self._resource, request.body(self._body(origin)), context, check)

        def then(operation: Optional[Operation], error: Optional[AcrError]) -> None:
            job.tries += 1
            if job.left:  # or an earlier try has brought all of it meanwhile
                self._started(job, operation, error)
            self._answered.set()

        run.loop.do(self._starters, work, then)

    def _started(self, job: Job, operation: Optional[Operation], error: Optional[AcrError]) -> None:
        now = self._run.loop.now()
        if error is not None:
            if error.reason == "stopped":
                error = job.failure or self._run.refusal or error
            # Without an answer, or with a failure of Azure's own, it may have been taken all the same.
            elif error.reason == "unavailable" or error.uncertain:
                job.uncertain = True
                job.started = now if job.started is None else job.started
            self._verdict.failed(job, error)
        elif operation is not None:
            job.state, job.operation, job.started = State.UNDER_WAY, operation, now
            job.accepted = True
            job.uncertain = job.uncertain or operation.uncertain
            if not self._wait:
                for pending in list(job.left):
                    pending.item.operation = operation.id
                    self._run.end(pending)
            elif operation.done:
                self._success(job)
            elif operation.ask_at == math.inf:
                self._strategy.unanswered(job, now)

    def _ask(self, job: Job, operation: Operation) -> None:
        """Asks how a job under way is doing."""
        if self._run.signed_out and self._run.refusal is not None:
            self._verdict.failed(job, self._run.refusal)
            return
        job.asking = True

        def then(_value: None, error: Optional[AcrError]) -> None:
            job.asking = False
            if job.state not in IN_FLIGHT:
                return  # landed meanwhile
            if isinstance(error, ImportFailed):
                self._verdict.failed(job, error)
            elif error is None:
                job.unanswered = None
                if operation.done:
                    self._success(job)
            elif error.reason != "sign_in" and not self._run.late:
                # `Run.sign_out` has seen to a failed sign-in, and what the end of the run has cut short says nothing
                self._unanswered(job, operation, error)

        run = self._run
        run.loop.do(self._askers, lambda: self._arm.ask(operation), then)

    def _unanswered(self, job: Job, operation: Operation, error: AcrError) -> None:
        """The question failed, which says nothing of the import: it is asked again, and the registry watched on."""
        now = self._run.loop.now()
        if job.unanswered is None:
            job.unanswered_since = now
        job.unanswered = error
        operation.ask_at = now + RETRY_AFTER
        self._strategy.unanswered(job, now)

    def _success(self, job: Job) -> None:
        """Azure calls the import done."""
        job.state, job.succeeded = State.DONE, self._run.loop.now()
        self._run.pulled(job)
        self._strategy.succeeded(job)
