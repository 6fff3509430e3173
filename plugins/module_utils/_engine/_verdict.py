# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What follows when an import is refused, fails, or takes too long."""

from __future__ import annotations

import math

from .._errors import AcrError
from ._job import SETTLE, Job, State
from ._run import FIRST_PAUSE, TRIES, Run
from ._strategy import Strategy


class Verdict:
    """Decides whether what failed is tried again."""

    def __init__(self, run: Run, strategy: Strategy) -> None:
        self._run = run
        self._strategy = strategy

    def failed(self, job: Job, error: AcrError) -> None:
        """An import was refused or failed."""
        run, now = self._run, self._run.loop.now()
        if error.ends_run and run.refusal is None:
            run.refusal = error
        if error.reason == "exists":
            self._strategy.exists(job, error)
            return
        for pending in job.checking:
            pending.final = now + SETTLE  # what came before it failed may show late, too
        if not job.left:
            job.state = State.CHECKING  # all is there, or is seen to by the checks
            return
        job.failure = error
        job.uncertain = job.uncertain or job.accepted
        if error.throttled_source and run.refusal is None and self._throttled(job, error, now):
            return
        most = TRIES if error.passing and not error.throttled_source else 0
        special = self._strategy.tries(error)
        if special is not None:
            most = special
        pause = FIRST_PAUSE * 3 ** (job.tries - 1)
        in_time = run.deadline is None or now + pause < run.deadline
        if job.tries < most and in_time and run.refusal is None:
            job.resumes_at = now + pause
            run.add(job)
        elif error.passing and most and not job.last_pass and in_time and run.refusal is None:
            run.postpone(job)
        elif not error.passing and len(job.left) > 1 and error is not run.refusal:
            self._split(job, error)
        else:
            run.end_all(job, error)

    def _throttled(self, job: Job, error: AcrError, now: float) -> bool:
        """The source lets Azure pull no more for now: whether *job* waits for better times."""
        run = self._run
        if run.sources.refused(job, now, run.deadline):
            run.add(job)
            return True
        for other in run.sources.abandoned(job):
            run.end_all(other, other.failure or error)
        return False

    def _split(self, job: Job, error: AcrError) -> None:
        """One of several targets may be to blame: each gets an import of its own."""
        left = list(job.left)
        for pending in left:
            self._run.drop(pending)
        for pending in left:
            self._run.add(job.again(job.work._replace(items=(pending.item,)), failure=error))

    def expired(self, job: Job) -> None:
        """The time limit of an import has passed."""
        run, limit = self._run, self._run.limit
        for pending in job.checking:
            pending.final, pending.expired = run.loop.now(), True
        state = job.state
        for pending in list(job.left):
            name = run.name(pending.item)
            unread = pending.unread or job.unanswered
            if run.late and unread is not None and unread.reason == "timeout":
                unread = None  # there was no time left to ask
            if state is State.DONE:
                message = f"Azure says that {name} was imported, but the registry did not show it within {limit}."
            elif state is not State.UNDER_WAY:
                message = f"The time limit passed before {name} could be imported."
            elif unread is not None:
                message = f"The import of {name} was started, but its outcome could not be read within {limit}: {unread}"
            elif job.operation is not None and job.operation.ask_at == math.inf:
                message = (
                    f"The import of {name} was started, but the registry did not show it within {limit}, and Azure "
                    "didn't say where to ask how it ended."
                )
            else:
                message = f"Azure still reports the import of {name} as pending after {limit}."
            run.end(pending, AcrError("timeout", f"{message} {run.safe}"))
        if job.checking:
            job.state = State.CHECKING
