# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Makes a registry hold images: reads both sides, plans, carries the plan out, and reports what happened.

One image (`acr_import`) is a mirror of one.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Callable, Dict, Iterator, List, Optional, Tuple

from . import _lockfile, _plan, _signatures
from ._acr import AzureRegistry
from ._azure import Azure
from ._errors import AcrError, IdentityError, UserError
from ._expand import expand
from ._lockfile import Line, LockFile
from ._options import Entry
from ._permissions import Permissions
from ._plan import STOPPED, Desired, Item, Observed, SourceRegistry
from ._planner import Planner
from ._progress import Progress
from ._report import Report
from ._resolver import Resolver
from ._source import Known
from ._sources import Sources
from ._target import TargetRegistry


@dataclass
class Settings:
    """How a run behaves. *timeout*: seconds for each import; *details*: read sizes and platforms of what the registry holds
    afterwards."""

    check: bool = False
    wait: bool = True
    timeout: float = 1800.0
    stop_on_error: bool = False
    concurrency: int = 16
    notify: Optional[Callable[[Progress], None]] = None
    details: bool = False


class Mirror:
    """Brings images into one Azure registry, which *registry* names in any of the ways that users have."""

    def __init__(self, azure: Azure, registry: str, resource_group: Optional[str], settings: Settings) -> None:
        if settings.concurrency < 1:
            raise UserError(f"concurrency must be at least 1, not {settings.concurrency}.")
        self._settings = settings
        self._azure = azure
        self._registry_id = azure.named(registry)
        self._resource_group = resource_group
        self._known: Known = {}
        self._sources = Sources(azure, self._known, self._registry_id, resource_group)

    def resolve(self, entries: List[Entry], lock: LockFile) -> Tuple[Report, List[Line]]:
        """What *lock* is to hold; whatever failed is in the report. Errors as of `run`."""
        pool = ThreadPoolExecutor(self._settings.concurrency)
        resolver = Resolver(self._sources, self._settings.concurrency)
        try:
            desired, unplanned, notes, selections = expand(entries, self._sources, pool)
            items = [Item(one) for one in _plan.merge(desired)]
            resolver.start(items)
            resolved = []
            for item in items:
                locked = lock.digest(item.desired)
                item.observed = Observed.there(locked) if locked else None  # may be kept if its source has it no more
                if resolver.finish(item):
                    item.observed = None
                    item.screen(self._registry_id.login_server or "")
                    resolved.append(item)
            resolver.vet(resolved)
        finally:
            self._azure.http.close()
            resolver.close()
            pool.shutdown(wait=False, cancel_futures=True)
        notes = [*(note for entry in entries for note in entry.notes), *self._sources.notes.values(), *notes]
        report = Report(items=items, unplanned=unplanned, notes=notes, selections=selections)
        return report, _lockfile.lines_of(items, desired, entries)

    def run(self, entries: List[Entry], lock: Optional[LockFile] = None) -> Report:
        """Does it, with the digests of *lock* if that is given. Raises AcrError and UserError for what concerns the whole list,
        before anything is started; what concerns single images is in the report."""
        started = time.monotonic()
        settings = self._settings
        report = Report(known=self._known)
        pool = ThreadPoolExecutor(settings.concurrency)
        target = pool.submit(self._open, pool)  # signs in meanwhile
        signers = {signer for entry in entries for signer in entry.rules.signed_by}
        if signers:
            pool.submit(_signatures.load, signers)
        resolver = Resolver(self._sources, settings.concurrency)
        planner = Planner(resolver, target.result, settings.concurrency, lambda: pool.submit(self._prepare))
        try:
            if settings.notify is not None:
                settings.notify(Progress())
            desired, report.unplanned, notes, report.selections = expand(entries, self._sources, pool, lock)
            needed: Dict[SourceRegistry, int] = {}
            batches = self._batches(planner, desired, report, needed)
            if settings.check or settings.stop_on_error:
                batches = iter(list(batches))  # to know of all failures first
            if settings.stop_on_error and (report.unplanned or any(item.error for item in planner.items)):
                _stop(planner.items)
            else:
                if not settings.check:
                    self._carry_out(planner, batches)
                self._lock(planner, report, pool)
                if settings.check:
                    self._check_permissions(planner.items, report)
                    for item in planner.items:
                        item.changed, item.locked = item.changes, None if item.error else item.locked
                        if item.backup is not None:
                            item.backup.changed = item.changes and item.backup.changes
            report.login_server = planner.target.registry.host
            report.items = planner.items
            noted = dict.fromkeys(note for entry in entries for note in entry.notes)
            source_notes = self._sources.notes.values()
            found = dict.fromkeys(f"{report.login_server}/{item.note}" for item in report.items if item.note)
            report.notes = [*noted, *source_notes, *notes, *self._quota_notes(needed), *self._quarantine_notes(report), *found]
            if settings.details:
                self._add_details(planner.target.registry, report, pool)
        finally:
            self._azure.http.close()
            planner.close()
            resolver.close()
            pool.shutdown(wait=False, cancel_futures=True)
            if target.done() and target.exception() is None:
                target.result().close()
        report.seconds = time.monotonic() - started
        report.requests = dict(self._azure.http.sent)
        return report

    def _check_permissions(self, items: List[Item], report: Report) -> None:
        """Fails what Azure would refuse because this account lacks a right. AcrError if it wouldn't even find the registry."""
        if not any(item.changes or item.locked for item in items):
            return
        try:
            target = self._azure.resource(self._registry_id, self._resource_group)
        except AcrError as error:
            if error.reason in ("not_found", "denied", "unauthorized", "invalid"):
                raise
            report.asides = [f"This account's permissions were not checked: {error}"]
            return
        permissions = Permissions(self._azure, self._sources, target)
        permissions.check(items)
        report.asides = permissions.unknown

    def _lock(self, planner: Planner, report: Report, pool: ThreadPoolExecutor) -> None:
        """Locks what is to be immutable."""
        if any(item.desired.rules.immutable for item in planner.items):
            from ._immutable import lock

            report.diff.lock(lock(planner.target, planner.items, pool, self._settings.check))

    @staticmethod
    def _batches(
        planner: Planner, desired: List[Desired], report: Report, needed: Dict[SourceRegistry, int]
    ) -> Iterator[List[Item]]:
        """The planner's batches, noted while they are still as planned: what they will change goes into the report, and how many
        imports each source serves into *needed*."""

        def note(items: List[Item]) -> None:
            report.diff.add(items)
            for request in _plan.imports(items):
                needed[request.origin.registry] = needed.get(request.origin.registry, 0) + 1

        for items in planner.batches(desired):
            note(items)
            yield items
        note(planner.unverified)

    def _quota_notes(self, needed: Dict[SourceRegistry, int]) -> List[str]:
        """What to say of sources that announce fewer pulls than the run needs."""
        sources = [(self._sources.of(registry), count) for registry, count in needed.items()]
        return [
            f"{source.name} announces {source.registry.pulls_left} more pulls for now, and {count} imports from it are needed; "
            "what it refuses is tried again later. An account of your own (credentials) may have a higher limit."
            for source, count in sources
            if source.registry.pulls_left is not None and source.registry.pulls_left < count
        ]

    def _quarantine_notes(self, report: Report) -> List[str]:
        resource = self._azure.seen(self._registry_id, self._resource_group)
        if resource is None or not resource.fact("quarantine") or not any(item.changed for item in report.items):
            return []
        return [
            f"{resource.login_server} has a quarantine policy: what is imported there can only be pulled once it is released, "
            "except by accounts that may read quarantined images."
        ]

    def _add_details(self, registry: AzureRegistry, report: Report, pool: ThreadPoolExecutor) -> None:
        from ._manifests import details

        places = {
            item: (item.target.repository, item.digest)
            for item in report.items
            if item.digest and item.desired.rules.verify and not (self._settings.check and item.changed)
        }
        try:
            found = details(registry, places.values(), pool)
        except (AcrError, IdentityError) as error:
            report.notes.append(f"Sizes and platforms could not be read: {error}")
            return
        report.details = {item: found[place] for item, place in places.items() if place in found}

    def _open(self, pool: ThreadPoolExecutor) -> TargetRegistry:
        azure = self._azure
        if not azure.reaches(self._registry_id):
            # The registry's own sign-in goes on while Azure Resource Manager looks it up.
            azure.identity.token(azure.identity.cloud.arm_scope)
            pool.submit(azure.identity.token, azure.identity.registry_scope)
        login_server = azure.login_server(self._registry_id, self._resource_group)
        return TargetRegistry(azure.registry(login_server), self._settings.concurrency, self._known)

    def _prepare(self) -> None:
        """Loads what imports take, and has the registry looked up; what fails here fails again when it is needed."""
        if not self._settings.check:
            from . import _engine  # noqa: F401  # loading it is the point

            self._azure.arm.prepare(self._azure.resource(self._registry_id, self._resource_group))

    # -- carrying out ----------------------------------------------------------------------------------------------

    def _carry_out(self, planner: Planner, batches: Iterator[List[Item]]) -> None:
        """Starts with the first source that has something to import; the others join in when they are planned."""
        progress = Progress()
        batches = self._backed_up(planner, batches)
        for first in batches:
            if any(item.changes for item in first):
                self._import(planner.target, first, progress, batches)
                break
        # Once all is planned: what is imported without looking at the registry.
        unverified = planner.unverified
        if unverified and self._settings.stop_on_error and any(item.error for item in planner.items):
            _stop(unverified)
        elif unverified:
            self._import(None, unverified, progress)

    def _backed_up(self, planner: Planner, batches: Iterator[List[Item]]) -> Iterator[List[Item]]:
        """The batches, each once the backups that it needs are there."""
        for items in batches:
            backups = [item.backup for item in items if item.changes and item.backup is not None and item.backup.changes]
            if backups:
                self._import(planner.target, backups, Progress(), backups=True)
                for item in items:
                    item.check_backup()
            if self._settings.stop_on_error and any(item.error for item in planner.items):
                _stop(items)
            yield items

    def _import(
        self,
        target: Optional[TargetRegistry],
        items: List[Item],
        progress: Progress,
        more: Optional[Iterator[List[Item]]] = None,
        backups: bool = False,
    ) -> None:
        # The engine is loaded if there is something to do: reading it takes as long as a round trip.
        from ._engine import Engine

        settings = self._settings
        resource = self._azure.resource(self._registry_id, self._resource_group)
        Engine(
            self._azure.arm,
            resource,
            target,
            lambda origin: {"resourceId": resource.id} if backups else self._sources.of(origin.registry).address.body(),
            timeout=settings.timeout,
            deadline=self._azure.http.deadline,
            wait=settings.wait or backups,
            stop_on_error=settings.stop_on_error,
            concurrency=settings.concurrency,
            notify=None if backups else settings.notify,
        ).run(items, progress, more)


def _stop(items: List[Item]) -> None:
    """What would change is not even started."""
    for item in items:
        if item.changes:
            item.fail(AcrError("stopped", STOPPED))
