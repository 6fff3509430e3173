# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What all parts of the engine share: the imports that are on their way, and how the run stands."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Callable, Dict, Iterable, List, Optional

from .. import _plan
from .._errors import AcrError
from .._plan import STOPPED, Item, SourceRegistry
from .._progress import Progress
from ._job import IN_FLIGHT, Job, Pending, State
from ._loop import Loop

TRIES = 5  # of an import that fails for passing reasons
FIRST_PAUSE = 2.0  # seconds before the second try; each further pause is three times as long
SAFE = "Running again is safe: what has arrived by then is not imported again. To allow more time, raise {}."


class Run:
    """One run into the registry *host*. *timeout*: seconds for one import from its start; *deadline*: monotonic end of everything.
    *start* sends a job."""

    def __init__(self, loop: Loop, host: str, *, timeout: float, deadline: Optional[float], stop_on_error: bool) -> None:
        self.loop = loop
        self.host = host
        self.timeout = timeout
        self.deadline = deadline
        self.jobs: Dict[Job, None] = {}  # those that are on their way, in the order in which they came
        self.postponed: List[Job] = []
        self.sources = Sources()
        self.progress = Progress()
        self.refusal: Optional[AcrError] = None  # set: nothing new is started
        self.start: Callable[[Job], None]
        self._stop_on_error = stop_on_error
        self.accepted: List[Item] = []
        self.expecting = False  # whether more items will come
        self._open = 0  # items that have not ended

    def accept(self, items: Iterable[Item], together: bool) -> None:
        """Takes in those items that change something; *together*: one import may serve several."""
        changing = [item for item in items if item.changes]
        self.accepted += changing
        self._open += len(changing)
        self.progress.total += len(changing)
        for work in _plan.imports(changing, together=together):
            self.add(Job(work))

    def stop_expecting(self) -> None:
        """No more items will come."""
        self.expecting = False

    @property
    def over(self) -> bool:
        """Whether all items have ended."""
        return not self._open and not self.expecting

    @property
    def signed_out(self) -> bool:
        """Whether Azure Resource Manager can't be asked for anything any more."""
        return self.refusal is not None and self.refusal.reason == "sign_in"

    @property
    def late(self) -> bool:
        """Whether the time for everything is up."""
        return self.deadline is not None and self.loop.now() >= self.deadline

    @property
    def limit(self) -> str:
        """The time limit that has passed, in words."""
        return "the task's time limit" if self.late else f"{self.timeout:g} s"

    @property
    def safe(self) -> str:
        """What to do if it has."""
        return SAFE.format("timeout" if self.late else "import_timeout")

    def name(self, item: Item) -> str:
        return f"{self.host}/{item.target}"

    # -- jobs ------------------------------------------------------------------------------------------------------

    def add(self, job: Job) -> None:
        """A new job, or once more what is left of one."""
        job.reset()
        if self.sources.hold(job):
            job.state = State.HELD
            self.jobs.pop(job, None)
            return
        self.jobs[job] = None
        if job.resumes_at is None:
            self.send(job)
        else:
            job.state = State.PAUSED

    def send(self, job: Job) -> None:
        """Has what is left of a job sent now."""
        job.state, job.resumes_at = State.STARTING, None
        job.work = job.work._replace(items=tuple(pending.item for pending in job.left))
        self.start(job)

    def postpone(self, job: Job) -> None:
        """A job has its next try when all others are over."""
        job.state = State.POSTPONED
        self.jobs.pop(job, None)
        self.postponed.append(job)

    def resume(self) -> None:
        """All others are over: the postponed jobs have their last try."""
        again, self.postponed = self.postponed, []
        for job in again:
            job.last_pass = True
            self.add(job)

    def pulled(self, job: Job) -> None:
        """Azure could pull from a job's source: what waits for that goes on."""
        for other in self.sources.pulled(job):
            self.add(other)

    def drop(self, pending: Pending) -> None:
        """A job has nothing to do any more for one of its targets."""
        job = pending.job
        job.drop(pending)
        if job.state is State.OVER:
            self.jobs.pop(job, None)
            following = self.sources.over(job)
            if following is not None:
                self.add(following)

    # -- ends ------------------------------------------------------------------------------------------------------

    def end(self, pending: Pending, error: Optional[AcrError] = None) -> None:
        """One target has ended: well, or with *error*."""
        item = pending.item
        item.changed = pending.job.accepted
        if error is None:
            if not item.changed and item.changes:
                item.action = _plan.NONE  # somebody else has brought it
            self.progress.done += 1
        else:
            item.fail(error)
            self.progress.failed += 1
            if self._stop_on_error and self.refusal is None:
                self.refusal = AcrError("stopped", STOPPED)
        self._open -= 1
        self.drop(pending)

    def end_all(self, job: Job, error: AcrError) -> None:
        """All that is left of a job ends with *error*."""
        for pending in list(job.left):
            self.end(pending, error)

    def sign_out(self, error: AcrError, patience: float) -> AcrError:
        """Signing in failed: nothing new is started. What is under way gets *patience* seconds to show itself in the registry,
        which may be open to us for longer than Azure Resource Manager. Returns what all requests end with from now on."""
        if not self.signed_out:
            self.refusal = error
            for job in self.jobs:
                if job.state in IN_FLIGHT and job.operation is not None:
                    job.operation.ask_at = self.loop.now() + patience
        return self.refusal or error

    def ends(self, job: Job) -> float:
        """When the time of a job in flight is up."""
        ends = job.since + self.timeout
        return ends if self.deadline is None else min(ends, self.deadline)


@dataclass
class _Throttled:
    since: float  # the last refusal
    probe: Optional[Job] = None
    tries: int = 0
    waiting: List[Job] = field(default_factory=list)


class Sources:
    """Which sources refuse to be pulled from, and which imports wait for them."""

    def __init__(self) -> None:
        self._throttled: Dict[SourceRegistry, _Throttled] = {}

    def hold(self, job: Job) -> bool:
        """Whether *job* has to wait until another import has tried its source."""
        throttled = self._throttled.get(job.work.origin.registry)
        if throttled is None or throttled.probe in (None, job):
            return False
        throttled.waiting.append(job)
        return True

    def refused(self, job: Job, now: float, deadline: Optional[float]) -> bool:
        """Azure could not pull for *job*: it tries again later, or has to wait (`hold`) for one that does. False once the source
        was tried to the end."""
        throttled = self._throttled.setdefault(job.work.origin.registry, _Throttled(now))
        throttled.since = now
        if throttled.probe is job:
            throttled.tries += 1
        pause = FIRST_PAUSE * 3**throttled.tries
        if throttled.tries + 1 >= TRIES or deadline is not None and now + pause >= deadline:
            throttled.probe = None  # and whatever comes now gets one try
            return False
        if throttled.probe in (None, job):
            throttled.probe = job
            job.resumes_at = now + pause
        return True

    def abandoned(self, job: Job) -> List[Job]:
        """What waits for *job*'s source, though nobody tries it any more."""
        throttled = self._throttled[job.work.origin.registry]
        waiting, throttled.waiting = throttled.waiting, []
        return waiting

    def pulled(self, job: Job) -> List[Job]:
        """Azure could pull for *job*: nothing has to wait for its source any more, unless it has refused others since. Returns
        what waited."""
        registry = job.work.origin.registry
        throttled = self._throttled.get(registry)
        if throttled is None or throttled.probe is not job and job.since <= throttled.since:
            return []
        del self._throttled[registry]
        return throttled.waiting

    def over(self, job: Job) -> Optional[Job]:
        """*job* is over: if others wait for what it finds out, the one that takes its place."""
        throttled = self._throttled.get(job.work.origin.registry)
        if throttled is None or throttled.probe is not job:
            return None
        throttled.probe = throttled.waiting.pop(0) if throttled.waiting else None
        return throttled.probe
