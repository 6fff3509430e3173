# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Makes a registry hold images: reads both sides, plans, carries the plan out, and tells what happened.

One image (`acr_import`) is a mirror of one.
"""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any, Callable, Dict, Iterable, List, Optional, Tuple

from ansible_collections.registryops.acr.plugins.module_utils import _plan
from ansible_collections.registryops.acr.plugins.module_utils._acr import AzureRegistry
from ansible_collections.registryops.acr.plugins.module_utils._arm import Arm, RegistryResource
from ansible_collections.registryops.acr.plugins.module_utils._errors import AcrError
from ansible_collections.registryops.acr.plugins.module_utils._http import Http
from ansible_collections.registryops.acr.plugins.module_utils._imports import Imports, Outcome, Progress
from ansible_collections.registryops.acr.plugins.module_utils._options import Entry
from ansible_collections.registryops.acr.plugins.module_utils._plan import Origin, Seen, Step, Target, Want
from ansible_collections.registryops.acr.plugins.module_utils._reference import parse_registry
from ansible_collections.registryops.acr.plugins.module_utils._sources import FEW_TAGS, Source, Sources
from ansible_collections.registryops.acr.plugins.module_utils._targets import Targets

# Failures that concern a whole registry: on the target's side they end the run, instead of being told for each image.
GENERAL = frozenset(["unreachable", "certificate", "firewall", "timeout"])


@dataclass
class Settings:
    """How a run behaves. *timeout*: seconds for each import; *deadline*: monotonic end of the whole run, if any."""

    check: bool = False
    wait: bool = True
    timeout: float = 1800.0
    deadline: Optional[float] = None
    stop_on_error: bool = False
    concurrency: int = 16
    notify: Optional[Callable[[Progress], None]] = None


@dataclass
class Result:
    """What happened, or would happen, to one target."""

    step: Step
    media_type: Optional[str] = None
    error: Optional[AcrError] = None
    seconds: float = 0.0
    operation: str = ""

    @property
    def changed(self) -> bool:
        """Whether an import was started for it (or, in check mode, would be)."""
        return self.step.changes and self.error is None


@dataclass
class Report:
    """How a run ended. *diff* holds what was planned; *requests* are counts by class."""

    login_server: str = ""
    results: List[Result] = field(default_factory=list)
    diff: _plan.Diff = field(default_factory=_plan.Diff)
    seconds: float = 0.0
    requests: Dict[str, int] = field(default_factory=dict)

    @property
    def changed(self) -> bool:
        return any(result.changed for result in self.results)

    @property
    def failures(self) -> List[Result]:
        return [result for result in self.results if result.error is not None]


class Mirror:
    """Brings images into one Azure registry, which *registry* names in any of the ways that users have."""

    def __init__(self, identity: Any, registry: str, resource_group: Optional[str], settings: Settings) -> None:
        self._settings = settings
        self._identity = identity
        self._registry_id = parse_registry(registry, [identity.cloud.registry_suffix])
        self._resource_group = resource_group
        self._http = Http(connections=settings.concurrency + 24, deadline=settings.deadline)
        self._arm = Arm(identity, self._http)
        self._sources = Sources(identity, self._http, self._arm)
        self._resource: Optional[RegistryResource] = None

    def run(self, entries: List[Entry]) -> Report:
        """Does it. Raises AcrError and Conflict for what concerns the whole list, before anything is started; what
        concerns single images stands in the report."""
        started = time.monotonic()
        report = Report()
        wants = [replace(w, number=n) for n, w in enumerate(_plan.merge(self._wants(entries)))]
        pool = ThreadPoolExecutor(max(1, self._settings.concurrency))
        try:
            report.login_server = self._login_server()
            draft = _Draft(self._sources, self._targets(pool), pool, entries)
            steps, failures = draft.plan(wants)
            report.diff = _plan.Diff.of(steps.values())
            stopped = bool(failures) and self._settings.stop_on_error
            outcomes = {} if self._settings.check or stopped else self._carry_out(draft, list(steps.values()), entries)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
        for want in wants:
            if want.number in failures:
                step, error = Step(want, _plan.NONE), failures[want.number]
                result = Result(steps.get(want.number, step), error=error)
            else:
                step = steps[want.number]
                outcome = outcomes.get(step.want.number) or Outcome(step)
                result = Result(outcome.step, None, outcome.error, outcome.seconds, outcome.operation)
                if outcome.error is None and stopped and step.changes:
                    result.error = AcrError("stopped", "Not started, since another image failed (on_error: stop).")
            result.media_type = draft.media_type(result.step)
            report.results.append(result)
        report.seconds = time.monotonic() - started
        report.requests = dict(self._http.sent)
        return report

    # -- the target registry ---------------------------------------------------------------------------------------

    def _target_resource(self) -> RegistryResource:
        if self._resource is None:
            self._resource = self._arm.registry(self._registry_id, self._resource_group)
        return self._resource

    def _login_server(self) -> str:
        return self._registry_id.login_server or self._target_resource().login_server

    def _targets(self, pool: ThreadPoolExecutor) -> Targets:
        registry = AzureRegistry(
            self._login_server(),
            self._http,
            entra=lambda: self._identity.token(self._identity.registry_scope),
            tenant=self._identity.tenant,
        )
        return Targets(registry)

    # -- what is wanted --------------------------------------------------------------------------------------------

    def _wants(self, entries: List[Entry]) -> Iterable[Want]:
        for number, entry in enumerate(entries):
            source = self._sources.open(entry.source.host, entry.registry_id, entry.credentials)
            digest = entry.source.digest
            # Both tag and digest: the digest decides.
            origin = Origin(source, entry.source.repository, entry.source.tag, digest, entry.platform)
            for target in entry.targets:
                yield Want(target, origin, entry.if_exists, number)

    # -- carrying out ----------------------------------------------------------------------------------------------

    def _carry_out(self, draft: _Draft, steps: List[Step], entries: List[Entry]) -> Dict[int, Outcome]:
        changing = [step for step in steps if step.changes]
        outcomes: Dict[int, Outcome] = {}
        for verified in (True, False):
            batch = [step for step in changing if entries[step.want.entry].verify is verified]
            if not batch:
                continue
            engine = Imports(
                self._arm,
                self._target_resource(),
                draft.targets if verified else None,
                lambda origin: origin.registry.body(),
                timeout=self._settings.timeout,
                deadline=self._settings.deadline,
                wait=self._settings.wait,
                stop_on_error=self._settings.stop_on_error,
                concurrency=self._settings.concurrency,
                notify=self._settings.notify,
            )
            for outcome in engine.run(batch):
                outcomes[outcome.step.want.number] = outcome
        return outcomes


class _Draft:
    """Reads both sides and makes the steps. Both are read at once, each repository by one task."""

    def __init__(self, sources: Sources, targets: Targets, pool: ThreadPoolExecutor, entries: List[Entry]) -> None:
        self.targets = targets
        self._sources = sources
        self._pool = pool
        self._entries = entries
        self._failures: Dict[int, AcrError] = {}

    def plan(self, wants: List[Want]) -> Tuple[Dict[int, Step], Dict[int, AcrError]]:
        """Steps and failures by the number of the want."""
        steps: Dict[int, Step] = {}
        blind = [want for want in wants if not self._entries[want.entry].verify]
        for want in blind:
            seen = Seen("") if want.if_exists == "reimport" else Seen()
            steps[want.number] = Step(want, _plan.REIMPORT if want.if_exists == "reimport" else _plan.IMPORT, seen)
        sighted = [want for want in wants if self._entries[want.entry].verify]
        if not sighted:
            return steps, self._failures
        # The source is asked at once, except where it may turn out that it need not be.
        asked = [want for want in sighted if want.if_exists != "keep" or want.target.tag is None]
        resolving = self._start_resolving(asked)
        seen = self._observe([want for want in sighted if want.target.tag is not None])
        later = [
            want
            for want in sighted
            if want.if_exists == "keep" and want.target.tag is not None and not seen.get(want.number, Seen()).present
        ]
        resolving.update(self._start_resolving(later))
        resolved = self._finish_resolving(resolving, asked + later)
        seen.update(self._observe([want for want in resolved.values() if want.target.tag is None]))
        for want in sighted:
            if want.number in self._failures:
                continue
            try:
                step = _plan.decide(resolved.get(want.number, want), seen[want.number])
                steps[want.number] = self._repaired(step) if self._entries[want.entry].repair else step
            except _plan.Conflict as conflict:
                self._failures[want.number] = AcrError("exists", str(conflict))
        self._check_importable(steps)
        return steps, self._failures

    def media_type(self, step: Step) -> Optional[str]:
        """The media type of a step's manifest, where it happens to be known."""
        return self.targets.media_type(step.want.digest or step.seen.digest)

    # -- the target ------------------------------------------------------------------------------------------------

    def _observe(self, wants: List[Want]) -> Dict[int, Seen]:
        """What the target shows, by the number of the want."""
        if not wants:
            return {}
        groups: Dict[str, List[Want]] = {}
        for want in wants:
            groups.setdefault(want.target.repository, []).append(want)
        self.targets.registry.prepare(groups)
        futures = [
            (group, self._pool.submit(self._observe_repository, repository, group)) for repository, group in groups.items()
        ]
        found: Dict[int, Seen] = {}
        for group, future in futures:
            try:
                found.update(future.result())
            except AcrError as error:
                if error.kind in GENERAL:
                    raise
                for want in group:
                    self._failures[want.number] = error
        return found

    def _observe_repository(self, repository: str, wants: List[Want]) -> Dict[int, Seen]:
        found: Dict[int, Seen] = {}
        tags = {w.target.tag: w for w in wants if w.target.tag is not None}
        shown = self.targets.tags(repository, tags) if tags else {}
        gone = self.targets.gone(repository, [w.digest for w in wants if w.target.tag is None])
        for want in wants:
            if want.target.tag is None:
                found[want.number] = Seen() if want.digest in gone else Seen(want.digest)
                continue
            seen = shown[want.target.tag]
            if want.if_exists == "reimport" and seen.present and not seen.updated:
                # Only the time of its last update will tell that it was written again.
                seen = self.targets.entry(repository, want.target.tag)
            found[want.number] = seen
        return found

    def _repaired(self, step: Step) -> Step:
        """The step, or a repair where something is right but damaged."""
        if step.action != _plan.NONE:
            return step
        target, digest = step.want.target, step.want.digest or ""
        if not self.targets.damage(target.repository, [digest]):
            return step
        seen = self.targets.entry(target.repository, target.tag) if target.tag else step.seen
        return _plan.decide(step.want, replace(seen, intact=False))

    # -- the sources -----------------------------------------------------------------------------------------------

    def _start_resolving(self, wants: List[Want]) -> Dict[Any, Future]:
        """Starts to read the digests of the wants' origins; the futures by origin key."""
        futures: Dict[Any, Future] = {}
        repositories: Dict[Tuple[Source, str], List[Origin]] = {}
        for want in wants:
            origin = want.origin
            repositories.setdefault((origin.registry, origin.repository), []).append(origin)  # type: ignore[arg-type]
        by_source: Dict[Source, List[str]] = {}
        for source, repository in repositories:
            by_source.setdefault(source, []).append(repository)
        prepared = {
            source: self._pool.submit(source.registry.prepare, names) for source, names in by_source.items() if source.azure
        }
        for (source, repository), origins in repositories.items():
            distinct = {origin.key: origin for origin in origins}
            plain = [o for o in distinct.values() if o.digest is None and o.platform is None]
            listing = None
            if source.azure and len(plain) > FEW_TAGS:
                listing = self._pool.submit(self._list, prepared.get(source), source, repository, plain)
            for key, origin in distinct.items():
                if listing is not None and origin in plain:
                    futures[key] = listing
                else:
                    futures[key] = self._pool.submit(self._resolve, prepared.get(source), origin)
        return futures

    def _resolve(self, prepared: Optional[Future], origin: Origin) -> Dict[Any, Origin]:
        if prepared is not None:
            prepared.result()
        found, descriptor = self._sources.resolve(origin)
        self.targets.know(descriptor.digest, descriptor.media_type)
        return {origin.key: found}

    def _list(
        self, prepared: Optional[Future], source: Source, repository: str, origins: List[Origin]
    ) -> Dict[Any, Origin]:
        if prepared is not None:
            prepared.result()
        digests = self._sources.listed(source, repository, [origin.tag or "latest" for origin in origins])
        return {
            origin.key: replace(origin, digest=digests[origin.tag or "latest"])
            for origin in origins
            if origin.tag in digests
        }

    def _finish_resolving(self, futures: Dict[Any, Future], wants: List[Want]) -> Dict[int, Want]:
        found: Dict[int, Want] = {}
        for want in wants:
            try:
                origin = futures[want.origin.key].result().get(want.origin.key)
                if origin is None:
                    raise AcrError("not_found", "{0} does not exist.".format(_plan.origin_name(want.origin)))
            except AcrError as error:
                self._failures.setdefault(want.number, error)
                continue
            target = want.target if want.target.tag else Target(want.target.repository, None, origin.digest)
            found[want.number] = replace(want, origin=origin, target=target)
        return found

    def _check_importable(self, steps: Dict[int, Step]) -> None:
        """Looks at each manifest that is to be imported: what it is, and whether Azure can import it."""
        futures: Dict[Any, Future] = {}
        for step in steps.values():
            origin = step.want.origin
            if step.changes and origin.digest and self._entries[step.want.entry].verify and origin.key not in futures:
                futures[origin.key] = self._pool.submit(self._sources.check_importable, origin)
        for number, step in list(steps.items()):
            future = futures.get(step.want.origin.key) if step.changes else None
            if future is None:
                continue
            try:
                descriptor = future.result()
                self.targets.know(descriptor.digest, descriptor.media_type)
            except AcrError as error:
                self._failures[number] = error
                del steps[number]
