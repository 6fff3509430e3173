# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Makes a registry hold images: reads both sides, plans, carries the plan out, and tells what happened.

One image (`acr_import`) is a mirror of one.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Callable, Dict, Iterator, List, Optional

from . import _plan
from ._acr import AzureRegistry
from ._arm import Arm, RegistryResource
from ._draft import Draft
from ._errors import AcrError, IdentityError
from ._expand import expand
from ._options import Entry
from ._plan import STOPPED, Outcome, Seen, Step, Want
from ._progress import Progress
from ._reference import parse_registry
from ._sources import Sources
from ._targets import Targets


@dataclass
class Settings:
    """How a run behaves. *timeout*: seconds for each import; *deadline*: monotonic end of the whole run, if any; *details*:
    read sizes and platforms of what the registry holds afterwards."""

    check: bool = False
    wait: bool = True
    timeout: float = 1800.0
    deadline: Optional[float] = None
    stop_on_error: bool = False
    concurrency: int = 16
    notify: Optional[Callable[[Progress], None]] = None
    details: bool = False


@dataclass
class Result:
    """What happened, or would happen, to one target. *changed*: an import was started for it, or would be."""

    step: Step
    media_type: Optional[str] = None
    error: Optional[AcrError] = None
    changed: bool = False
    seconds: float = 0.0
    operation: str = ""
    details: Optional[Dict[str, Any]] = None

    @property
    def digest(self) -> Optional[str]:
        """The digest that the target has now, or (in check mode) would have; None where it failed or isn't known."""
        return self.step.digest if self.error is None else None


@dataclass
class Report:
    """How a run ended. *diff* holds what was planned; *requests* are counts by class; *notes* are worth a warning."""

    login_server: str = ""
    results: List[Result] = field(default_factory=list)
    diff: _plan.Diff = field(default_factory=_plan.Diff)
    seconds: float = 0.0
    requests: Dict[str, int] = field(default_factory=dict)
    notes: List[str] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        return any(result.changed for result in self.results)

    @property
    def failures(self) -> List[Result]:
        return [result for result in self.results if result.error is not None]


class Mirror:
    """Brings images into one Azure registry, which *registry* names in any of the ways that users have."""

    def __init__(self, identity: Any, registry: str, resource_group: Optional[str], settings: Settings) -> None:
        if settings.concurrency < 1:
            raise AcrError("invalid", f"concurrency must be at least 1, not {settings.concurrency}.")
        self._settings = settings
        self._identity = identity
        self._registry_id = parse_registry(registry, [identity.cloud.registry_suffix])
        self._resource_group = resource_group
        self._http = identity.http
        self._http.deadline = settings.deadline
        self._arm = Arm(identity, self._http)
        self._sources = Sources(identity, self._http, self._arm)
        self._resource: Optional[RegistryResource] = None

    def run(self, entries: List[Entry]) -> Report:
        """Does it. Raises AcrError and Conflict for what concerns the whole list, before anything is started; what
        concerns single images stands in the report."""
        started = time.monotonic()
        report = Report()
        pool = ThreadPoolExecutor(self._settings.concurrency)
        targets = pool.submit(self._targets, pool)  # signs in meanwhile
        draft = Draft(self._sources, targets.result, self._settings.concurrency, entries)
        try:
            self._notify(Progress())
            wants, failures, notes = expand(entries, self._sources, pool)
            batches = draft.batches(wants)
            if self._settings.check or self._settings.stop_on_error:
                batches = iter(list(batches))  # to know of all failures first
            stopped = self._settings.stop_on_error and bool(failures or draft.failures)
            if self._settings.check or stopped:
                outcomes: Dict[int, Outcome] = {}
            else:
                outcomes = self._carry_out(draft, batches, entries)
            report.login_server = draft.targets.registry.host
            report.diff = _plan.Diff.of(draft.steps[number] for number in sorted(draft.steps))
            report.notes = notes + self._quota_notes(draft)
            for failure in failures:
                report.results.append(Result(Step(failure.want, _plan.NONE), error=failure.error))
            for want in draft.wants:
                report.results.append(self._result(draft, want, outcomes, stopped))
            report.results.sort(key=lambda result: result.step.want.entry)
            if self._settings.details:
                self._add_details(draft, report, entries, pool)
        finally:
            self._http.close()
            draft.close()
            pool.shutdown(wait=False, cancel_futures=True)
            if targets.done() and targets.exception() is None:
                targets.result().close()
        report.seconds = time.monotonic() - started
        report.requests = dict(self._http.sent)
        return report

    def _result(self, draft: Draft, want: Want, outcomes: Dict[int, Outcome], stopped: bool) -> Result:
        if want.number in draft.failures:
            seen = draft.seen.get(want.number, Seen())
            return Result(Step(want, _plan.NONE, seen), error=draft.failures[want.number])
        step = draft.steps[want.number]
        outcome = outcomes.get(want.number)
        if outcome is None:  # nothing to do, or nothing done
            error = AcrError("stopped", STOPPED) if stopped and step.changes else None
            outcome = Outcome(step, error, started=step.changes and error is None)
        return Result(
            outcome.step,
            draft.media_type(outcome.step),
            outcome.error,
            outcome.started,
            outcome.seconds,
            outcome.operation,
        )

    def _notify(self, progress: Progress) -> None:
        if self._settings.notify is not None:
            self._settings.notify(progress)

    def _quota_notes(self, draft: Draft) -> List[str]:
        """What to say of sources that announce fewer pulls than the run needs."""
        needed: Dict[Any, int] = {}
        for work in _plan.imports(draft.steps.values()):
            needed[work.origin.registry] = needed.get(work.origin.registry, 0) + 1
        return [
            f"{source.name} announces {source.registry.pulls_left} more pulls for now, and {count} imports from it are needed; "
            "what it refuses is tried again later. "
            "An account of your own (credentials) may have a higher limit."
            for source, count in needed.items()
            if source.registry.pulls_left is not None and source.registry.pulls_left < count
        ]

    def _add_details(self, draft: Draft, report: Report, entries: List[Entry], pool: ThreadPoolExecutor) -> None:
        from ._manifests import details

        there = [
            result
            for result in report.results
            if result.digest and entries[result.step.want.entry].verify and not (self._settings.check and result.changed)
        ]
        try:
            found = details(draft.targets.registry, [(r.step.want.target.repository, r.digest) for r in there], pool)
        except (AcrError, IdentityError) as error:
            report.notes.append(f"Sizes and platforms could not be read: {error}")
            return
        for result in there:
            result.details = found.get((result.step.want.target.repository, result.digest))

    # -- the target registry ---------------------------------------------------------------------------------------

    def _target_resource(self) -> RegistryResource:
        if self._resource is None:
            self._resource = self._arm.registry(self._registry_id, self._resource_group)
        return self._resource

    def _named(self) -> bool:
        """Whether the login server was given, so that nothing has to be looked up to read the registry."""
        host = self._registry_id.login_server
        return bool(host) and self._identity.cloud.holds(host)

    def _login_server(self) -> str:
        return self._registry_id.login_server if self._named() else self._target_resource().login_server

    def _targets(self, pool: ThreadPoolExecutor) -> Targets:
        if not self._named():
            # The registry's own sign-in goes on while Azure Resource Manager looks it up.
            self._identity.token(self._identity.cloud.arm_scope)
            pool.submit(self._identity.token, self._identity.registry_scope)
        registry = AzureRegistry(
            self._login_server(),
            self._http,
            entra=lambda: self._identity.token(self._identity.registry_scope),
            tenant=self._identity.tenant,
        )
        return Targets(registry, self._settings.concurrency)

    # -- carrying out ----------------------------------------------------------------------------------------------

    def _carry_out(self, draft: Draft, batches: Iterator[List[Step]], entries: List[Entry]) -> Dict[int, Outcome]:
        """Starts with the first source that has something to import; the others join in when they are planned."""
        progress = Progress()
        found: List[Outcome] = []
        for first in batches:
            if any(step.changes for step in first):
                found += self._engine(draft.targets).run(first, progress, batches)
                break
        # Once all is planned: what is imported without looking at the registry.
        unverified = [draft.steps[want.number] for want in draft.wants if not entries[want.entry].verify]
        if unverified and self._settings.stop_on_error and any(outcome.error for outcome in found):
            found += [Outcome(step, AcrError("stopped", STOPPED)) for step in unverified]
        elif unverified:
            found += self._engine(None).run(unverified, progress)
        return {outcome.step.want.number: outcome for outcome in found}

    def _engine(self, targets: Optional[Targets]) -> Any:
        # The engine is loaded if there is something to do: reading it takes as long as a round trip.
        from ._imports import Imports

        return Imports(
            self._arm,
            self._target_resource(),
            targets,
            lambda origin: origin.registry.body(),
            timeout=self._settings.timeout,
            deadline=self._settings.deadline,
            wait=self._settings.wait,
            stop_on_error=self._settings.stop_on_error,
            concurrency=self._settings.concurrency,
            notify=self._settings.notify,
        )


# -- as modules return it -----------------------------------------------------------------------------------------------


def target_result(report: Report, result: Result) -> Dict[str, Any]:
    """One target as modules return it."""
    step = result.step
    found: Dict[str, Any] = {
        "image": f"{report.login_server}/{step.want.target}",
        "digest": result.digest,
        "previous_digest": step.seen.digest,
        "action": "failed" if result.error else step.action,
    }
    if result.operation:
        found["operation"] = result.operation
    if result.error is not None:
        found["error"] = str(result.error)
    return found


def source_name(result: Result) -> str:
    """The source of a target: registry, repository, tag."""
    return _plan.origin_name(result.step.want.origin)


def diff(report: Report) -> List[Dict[str, Any]]:
    """What ``--diff`` shows: the targets that change, each with its digest before and after."""
    if not report.diff.after:
        return []
    return [
        {
            "before_header": report.login_server,
            "after_header": report.login_server,
            "before": report.diff.before,
            "after": report.diff.after,
        }
    ]
