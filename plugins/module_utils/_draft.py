# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads both sides, sources and target registry, and makes the steps from what they show."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Callable, Dict, List, Optional, Set, Tuple

from ansible_collections.registryops.acr.plugins.module_utils import _plan
from ansible_collections.registryops.acr.plugins.module_utils._errors import AcrError
from ansible_collections.registryops.acr.plugins.module_utils._options import Entry
from ansible_collections.registryops.acr.plugins.module_utils._plan import Origin, Seen, Step, Target, Want
from ansible_collections.registryops.acr.plugins.module_utils._referrers import Referrers
from ansible_collections.registryops.acr.plugins.module_utils._sources import FEW_TAGS, Source, Sources
from ansible_collections.registryops.acr.plugins.module_utils._targets import Targets

# Failures that concern a whole registry: on the target's side they end the run, instead of being told for each image.
GENERAL = frozenset(["unreachable", "certificate", "firewall", "timeout"])


class Draft:
    """Reads both sides and makes the steps. Both are read at once, each repository by one task. *targets* is called when
    the target is first needed, and may block: the sources are being read by then."""

    def __init__(
        self, sources: Sources, targets: Callable[[], Targets], pool: ThreadPoolExecutor, entries: List[Entry]
    ) -> None:
        self._find_targets = targets
        self.wants: List[Want] = []  # in the order in which they were asked for, then what refers to them
        self.steps: Dict[int, Step] = {}  # by the number of the want
        self.failures: Dict[int, AcrError] = {}  # of those that have no step
        self.seen: Dict[int, Seen] = {}  # what their targets show, where that was read
        self._sources = sources
        self._pool = pool
        self._entries = entries

    @property
    def targets(self) -> Targets:
        return self._find_targets()

    def plan(self, wants: List[Want]) -> None:
        """Fills in *wants*, *steps*, *failures* and *seen*. Conflict where two entries want different things of one
        target."""
        self.wants = _numbered(_plan.merge(wants), 0)
        blind = [want for want in self.wants if not self._entries[want.entry].verify]
        for want in blind:
            again = want.if_exists == "reimport"
            self.steps[want.number] = Step(want, _plan.REIMPORT if again else _plan.IMPORT, Seen("") if again else Seen())
        sighted = [want for want in self.wants if self._entries[want.entry].verify]
        if not sighted:
            return
        # The source is asked at once, except where it may turn out that it need not be.
        asked = [want for want in sighted if want.if_exists != "keep" or want.target.tag is None]
        resolving = self._start_resolving(asked)
        tagged = [want for want in sighted if want.target.tag is not None]
        self.seen.update(self._observe(tagged))
        later = [want for want in tagged if want.if_exists == "keep" and not self.seen.get(want.number, Seen()).present]
        resolving.update(self._start_resolving(later))
        resolved = self._finish_resolving(resolving, asked + later)
        sighted = _distinct([resolved.get(want.number, want) for want in sighted])
        there = [want for want in sighted if want.number in resolved]
        self._settle(sighted, [want for want in there if want.target.tag is None])
        # What refers to an image goes with it, and so not where that fails.
        good = [want for want in there if want.number not in self.failures]
        referring = self._referring(good, {want.target for want in sighted})
        self._settle(referring, referring)
        self.wants = sorted(blind + sighted, key=lambda want: want.number) + referring

    def _settle(self, wants: List[Want], unseen: List[Want]) -> None:
        """Fills in the steps of *wants*, after a look at the targets of those that are *unseen*."""
        self.seen.update(self._observe(unseen))
        wants = [want for want in wants if want.number not in self.failures]
        self._look_for_locks(wants)
        for want in wants:
            self._decide(want, self.seen[want.number])
        self._repair([self.steps[want.number] for want in wants if want.number in self.steps])
        self._check_importable([self.steps[want.number] for want in wants if want.number in self.steps])

    def _decide(self, want: Want, seen: Seen) -> None:
        try:
            self.steps[want.number] = _plan.decide(want, seen)
        except _plan.Conflict as conflict:
            self._fail(want, AcrError("exists", str(conflict)))

    def _fail(self, want: Want, error: AcrError) -> None:
        self.steps.pop(want.number, None)
        self.failures[want.number] = error

    def _referring(self, wants: List[Want], taken: Set[Target]) -> List[Want]:
        """Wants for what refers to the images of *wants*, where their entries ask for it; without the targets *taken*."""
        wants = [want for want in wants if self._entries[want.entry].referrers]
        if not wants:
            return []
        found = Referrers(self._sources, self._pool).of([want.origin for want in wants])
        extra: List[Want] = []
        for want in wants:
            referrers = found[want.origin.key]
            if isinstance(referrers, AcrError):
                self._fail(want, referrers)
                continue
            # What an image's release rule forbids must not stop a signature that was added later.
            if_exists = "update" if want.if_exists == "fail" else want.if_exists
            for origin in referrers:
                target = Target(want.target.repository, origin.tag, None if origin.tag else origin.digest)
                extra.append(Want(target, origin, if_exists, want.entry, selected=True))
        return _numbered(_plan.merge(want for want in extra if want.target not in taken), len(self.wants))

    def media_type(self, step: Step) -> Optional[str]:
        """The media type of a step's manifest, where it happens to be known."""
        return self.targets.media_type(step.digest)

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
                    self.failures[want.number] = error
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

    def _look_for_locks(self, wants: List[Want]) -> None:
        """Looks whether the tags that are to be moved are locked, where a listing has not told yet."""
        moved = [want for want in wants if want.target.tag and self._moves(want, self.seen[want.number])]

        def look(want: Want) -> Seen:
            try:
                return self.targets.entry(want.target.repository, want.target.tag or "")
            except AcrError:
                return Seen()  # Azure will tell

        for want, found in zip(moved, self._pool.map(look, moved)):
            if found.locked:
                self.seen[want.number] = self.seen[want.number]._replace(locked=True)

    @staticmethod
    def _moves(want: Want, seen: Seen) -> bool:
        return want.if_exists in ("update", "reimport") and seen.present and not seen.updated and seen.digest != want.digest

    def _repair(self, steps: List[Step]) -> None:
        """Turns steps into repairs where something is right but damaged, and its entry asks for that."""
        groups: Dict[str, List[Step]] = {}
        for step in steps:
            if step.action == _plan.NONE and self._entries[step.want.entry].repair:
                groups.setdefault(step.want.target.repository, []).append(step)
        looks = [(steps, self._pool.submit(self._damaged, repository, steps)) for repository, steps in groups.items()]
        for steps, look in looks:
            try:
                damaged = look.result()
            except AcrError as error:
                if error.kind in GENERAL:
                    raise
                for step in steps:
                    self._fail(step.want, error)
                continue
            for want, seen in damaged:
                self._decide(want, seen._replace(intact=False))

    def _damaged(self, repository: str, steps: List[Step]) -> List[Tuple[Want, Seen]]:
        """Those of a repository's targets of which something is missing, with the time of their last update."""
        lost = self.targets.damage(repository, {step.want.digest or "" for step in steps})
        return [
            (step.want, self.targets.entry(repository, step.want.target.tag) if step.want.target.tag else step.seen)
            for step in steps
            if step.want.digest in lost
        ]

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
            if plain and (self._sources.lists(source, repository) or source.azure and len(plain) > FEW_TAGS):
                listing = self._pool.submit(self._list, prepared.get(source), source, repository, plain)
            for key, origin in distinct.items():
                if listing is not None and origin.digest is None and origin.platform is None:
                    futures[key] = listing
                else:
                    futures[key] = self._pool.submit(self._resolve, prepared.get(source), origin)
        return futures

    def _resolve(self, prepared: Optional[Future], origin: Origin) -> Dict[Any, Origin]:
        if prepared is not None:
            prepared.result()
        return {origin.key: self._sources.resolve(origin)}

    def _list(
        self, prepared: Optional[Future], source: Source, repository: str, origins: List[Origin]
    ) -> Dict[Any, Any]:
        if prepared is not None:
            prepared.result()
        digests = self._sources.digests(source, repository, [origin.tag or "latest" for origin in origins])
        found = {}
        for origin in origins:
            digest = digests[origin.tag or "latest"]
            found[origin.key] = digest if isinstance(digest, AcrError) else origin._replace(digest=digest)
        return found

    def _finish_resolving(self, futures: Dict[Any, Future], wants: List[Want]) -> Dict[int, Want]:
        found: Dict[int, Want] = {}
        for want in wants:
            try:
                origin = futures[want.origin.key].result()[want.origin.key]
                if isinstance(origin, AcrError):
                    raise origin
            except AcrError as error:
                self.failures.setdefault(want.number, error)
                continue
            descriptor = self._sources.known(origin.digest or "")
            if descriptor is not None:
                self.targets.know(descriptor.digest, descriptor.media_type)
            target = want.target if want.target.tag else Target(want.target.repository, None, origin.digest)
            # Of two tags with the same digest each want keeps its own.
            found[want.number] = want._replace(origin=want.origin._replace(digest=origin.digest), target=target)
        return found

    def _learn(self, origins: List[Origin]) -> None:
        """Lists the manifests of Azure repositories of which many are wanted: cheaper than a look at each."""
        places: Dict[Tuple[Source, str], List[str]] = {}
        for origin in origins:
            source: Source = origin.registry  # type: ignore[assignment]
            if source.azure and self._sources.known(origin.digest or "") is None:
                places.setdefault((source, origin.repository), []).append(origin.digest or "")
        looks = [
            self._pool.submit(self._sources.learn, source, repository, digests)
            for (source, repository), digests in places.items()
            if len(digests) > FEW_TAGS
        ]
        for look in looks:
            look.exception()  # what could not be learnt is asked for one by one, and tells what is wrong

    def _check_importable(self, steps: List[Step]) -> None:
        """Looks at each manifest that is to be imported: what it is, and whether Azure can import it."""
        origins = {step.want.origin.key: step.want.origin for step in steps if step.changes and step.want.digest}
        self._learn(list(origins.values()))
        futures = {key: self._pool.submit(self._sources.check_importable, origin) for key, origin in origins.items()}
        for step in steps:
            future = futures.get(step.want.origin.key) if step.changes else None
            if future is None:
                continue
            try:
                descriptor = future.result()
                self.targets.know(descriptor.digest, descriptor.media_type)
            except AcrError as error:
                self._fail(step.want, error)


def _numbered(wants: List[Want], start: int) -> List[Want]:
    return [want._replace(number=number) for number, want in enumerate(wants, start)]


def _distinct(wants: List[Want]) -> List[Want]:
    """One want for each target: two images that are to be there without a tag may turn out to be the same."""
    found: Dict[Any, Want] = {}
    for want in wants:
        found.setdefault(want.target if want.target.tag or want.target.digest else want.number, want)
    return list(found.values())
