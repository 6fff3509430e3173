# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads both sides, sources and target registry, and makes the steps from what they show.

Each source is planned on its own, as soon as it has answered: one that keeps us waiting holds up no other. What can't be
read fails the images that it was read for.
"""

from __future__ import annotations

import itertools
import threading
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple, Union

from . import _plan
from ._errors import AcrError, IdentityError
from ._options import Entry
from ._plan import Origin, Seen, Step, Target, Want
from ._referrers import Referrers
from ._sources import FEW_TAGS, Source, Sources
from ._targets import GENERAL, Targets

Resolved = Dict[Any, Union[Origin, AcrError]]  # by the key of the origin that was asked for


class Draft:
    """Reads both sides and makes the steps. Both are read at once, each repository by one task. *targets* is called when
    the target is first needed, and may block: the sources are being read by then. *concurrency*: tasks at once for the
    target, and for each source."""

    def __init__(
        self, sources: Sources, targets: Callable[[], Targets], concurrency: int, entries: List[Entry]
    ) -> None:
        self._find_targets = targets
        self.steps: Dict[int, Step] = {}  # by the number of the want
        self.failures: Dict[int, AcrError] = {}  # of those that have no step
        self.seen: Dict[int, Seen] = {}  # what their targets show, if that was read
        self._wants: Dict[int, Want] = {}
        self._numbers = itertools.count()
        self._referrers: Dict[Target, Want] = {}
        self._contending = threading.Lock()
        self._sources = sources
        self._concurrency = concurrency
        self._pools: Dict[Any, ThreadPoolExecutor] = {}
        self._entries = entries

    @property
    def targets(self) -> Targets:
        return self._find_targets()

    @property
    def wants(self) -> List[Want]:
        """In the order in which they were asked for, then what refers to them."""
        return [self._wants[number] for number in sorted(self._wants)]

    def close(self) -> None:
        """Starts no further reads."""
        for pool in list(self._pools.values()):
            pool.shutdown(wait=False, cancel_futures=True)

    def _pool(self, source: Optional[Source]) -> ThreadPoolExecutor:
        """The threads that read one source; None: the target. A registry that keeps its own waiting holds up no other."""
        if source not in self._pools:
            self._pools.setdefault(source, ThreadPoolExecutor(self._concurrency))
        return self._pools[source]

    def plan(self, wants: List[Want]) -> None:
        """Fills in *wants*, *steps*, *failures* and *seen*. Conflict if two entries want different things of one target."""
        for _steps in self.batches(wants):
            pass

    def batches(self, wants: List[Want]) -> Iterator[List[Step]]:
        """Does what `plan` does, and yields the steps of each source once they are made; those without verification, which
        need no reading, only stand in *steps*."""
        for want in _plan.merge(wants):
            self._add(want)
        verified = []
        for want in self.wants:
            if self._entries[want.entry].verify:
                verified.append(want)
            else:
                self.steps[want.number] = Step(want, _plan.REIMPORT if want.if_exists == "reimport" else _plan.IMPORT)
        if not verified:
            return
        # The source is asked at once, unless it may turn out that it need not be.
        resolving = self._start_resolving([want for want in verified if not _may_be_kept(want)])
        tagged = [want for want in verified if want.target.tag is not None]
        self._observe(tagged)
        failed = [self.failures.get(want.number) for want in tagged]
        if failed and not self.steps and all(error is not None and error.reason in GENERAL for error in failed):
            raise failed[0]  # type: ignore[misc]  # it isn't None
        resolving.update(self._start_resolving([want for want in tagged if _may_be_kept(want) and self._is_needed(want)]))
        groups: Dict[Any, List[Want]] = {}
        for want in verified:
            groups.setdefault(want.origin.registry, []).append(want)
        planners = self._pools["planners"] = ThreadPoolExecutor(len(groups))
        for planned in as_completed([planners.submit(self._plan_source, group, resolving) for group in groups.values()]):
            yield planned.result()

    def _plan_source(self, group: List[Want], resolving: Dict[Any, Future]) -> List[Step]:
        """Makes the steps for what is wanted of one source; returns them."""
        found, referring = group, []
        try:
            asked = [want for want in group if not _may_be_kept(want) or self._is_needed(want)]
            resolved = self._finish_resolving(resolving, asked)
            found = _distinct([resolved.get(want.number, want) for want in group])
            for want in group:
                del self._wants[want.number]
            self._wants.update((want.number, want) for want in found)
            self._settle(found, [want for want in found if want.target.tag is None and want.number in resolved])
            # What refers to an image goes with it, and so not if that fails.
            referring = self._referring([want for want in found if want.number in resolved])
            self._settle(referring, referring)
        except (AcrError, IdentityError) as error:  # of this source: the others may be under way already
            failure = error if isinstance(error, AcrError) else AcrError("sign_in", str(error))
            for want in found + referring:
                step = self.steps.get(want.number)
                if step is None or step.changes:  # it may lack what belongs to it
                    self.failures.setdefault(want.number, failure)
                    self.steps.pop(want.number, None)
        return [self.steps[want.number] for want in found + referring if want.number in self.steps]

    def _add(self, want: Want) -> Want:
        number = next(self._numbers)
        self._wants[number] = want._replace(number=number, repair=self._entries[want.entry].repair)
        return self._wants[number]

    def _is_needed(self, want: Want) -> bool:
        """Whether an image that is to be kept, if it is there, must be read from its source."""
        seen = self.seen.get(want.number)
        return seen is not None and (seen.digest is None or seen.broken and want.repair)

    def _settle(self, wants: List[Want], unseen: List[Want]) -> None:
        """Fills in the steps of *wants*, after a look at the targets of those that are *unseen*."""
        self._observe([want for want in unseen if want.number not in self.failures])
        self._decide(wants)
        self._repair([self.steps[want.number] for want in wants if want.number in self.steps])
        self._check_importable([self.steps[want.number] for want in wants if want.number in self.steps])

    def _decide(self, wants: List[Want]) -> None:
        wants = [want for want in wants if want.number in self.seen and want.number not in self.failures]
        looks = {
            want.number: self._pool(None).submit(self.targets.guarded, want, self.seen[want.number])
            for want in wants
            if _plan.overwrites(want, self.seen[want.number])
        }
        for want in wants:
            try:
                if want.number in looks:
                    self.seen[want.number] = looks[want.number].result()
                self.steps[want.number] = _plan.decide(want, self.seen[want.number])
            except _plan.Conflict as conflict:
                self._fail(want, AcrError("exists", str(conflict)))
            except AcrError as error:
                self._fail(want, error)

    def _fail(self, want: Want, error: AcrError) -> None:
        self.steps.pop(want.number, None)
        self.failures[want.number] = error

    def _referring(self, wants: List[Want]) -> List[Want]:
        """Wants for what refers to the images of *wants*, if their entries ask for it; but for targets that are wanted
        anyway."""
        wants = [want for want in wants if self._entries[want.entry].referrers and want.number not in self.failures]
        if not wants:
            return []
        source: Source = wants[0].origin.registry  # type: ignore[assignment]
        found = Referrers(self._sources, self._pool(source)).of([want.origin for want in wants])
        taken = {want.target for want in list(self._wants.values())}
        extra: List[Want] = []
        for want in wants:
            referrers = found[want.origin.key]
            if isinstance(referrers, AcrError):
                self._fail(want, referrers)
                continue
            # What an image's release rule forbids must not stop a signature that was added later.
            if_exists = "update" if want.if_exists == "fail" else want.if_exists
            more = {
                target: Want(target, origin, if_exists, want.entry, selected=True)
                for origin in referrers
                for target in [Target(want.target.repository, origin.tag, None if origin.tag else origin.digest)]
            }
            with self._contending:
                others = {target: self._referrers[target] for target in more if target in self._referrers}
                for target, other in others.items():
                    if other.digest != more[target].digest:
                        self._fail(want, _contention(more[target], other))
                if want.number not in self.failures:
                    self._referrers.update(more)
                    extra += [referrer for target, referrer in more.items() if target not in taken and target not in others]
        return [self._add(want) for want in extra]

    def media_type(self, step: Step) -> Optional[str]:
        """The media type of a step's manifest, where it happens to be known."""
        return self.targets.media_type(step.digest)

    # -- the target ------------------------------------------------------------------------------------------------

    def _observe(self, wants: List[Want]) -> None:
        """Fills in what the targets show, or why an image's target can't be read."""
        if not wants:
            return
        groups: Dict[str, List[Want]] = {}
        for want in wants:
            groups.setdefault(want.target.repository, []).append(want)
        try:
            self.targets.registry.prepare(groups)
        except AcrError as error:
            if error.reason in GENERAL or error.reason == "unauthorized":
                raise
            # Whoever needs a token asks again, and tells what is wrong.
        looks = [
            (group, self._pool(None).submit(self._observe_repository, repository, group))
            for repository, group in groups.items()
        ]
        for group, look in looks:
            for want in group:
                try:
                    seen = look.result()[want.target.tag or want.target.digest]
                except AcrError as error:
                    seen = error
                if isinstance(seen, AcrError):
                    self._fail(want, seen)
                else:
                    self.seen[want.number] = seen

    def _observe_repository(self, repository: str, wants: List[Want]) -> Dict[Optional[str], Union[Seen, AcrError]]:
        """What tags, and manifests that are to have none, show; by tag or digest."""
        tags = [want.target.tag for want in wants if want.target.tag is not None]
        digests = [want.digest for want in wants if want.target.tag is None and want.digest is not None]
        found: Dict[Optional[str], Union[Seen, AcrError]] = {}
        if tags:
            found.update(self.targets.tags(repository, tags))
        if digests:
            found.update(self.targets.manifests(repository, digests))
        return found

    def _repair(self, steps: List[Step]) -> None:
        """Turns steps into repairs if something is right but damaged, and its entry asks for that."""
        groups: Dict[str, List[Step]] = {}
        for step in steps:
            if step.action == _plan.NONE and step.want.repair:
                groups.setdefault(step.want.target.repository, []).append(step)
        looks = [
            (group, self._pool(None).submit(
                self.targets.damage, repository, {step.want.digest or "" for step in group}, expected=True
            ))
            for repository, group in groups.items()
        ]  # fmt: skip
        broken: List[Want] = []
        for group, look in looks:
            for step in group:
                try:
                    missing = look.result()[step.want.digest or ""]
                except AcrError as error:
                    missing = error
                if isinstance(missing, AcrError):
                    self._fail(step.want, missing)
                elif missing:
                    self.seen[step.want.number] = step.seen._replace(manifest=_plan.GONE)
                    broken.append(step.want)
        self._decide(broken)

    # -- the sources -----------------------------------------------------------------------------------------------

    def _start_resolving(self, wants: List[Want]) -> Dict[Any, Future]:
        """Starts to read the digests of the wants' origins; the futures (of `Resolved`) by origin key."""
        futures: Dict[Any, Future] = {}
        repositories: Dict[Tuple[Source, str], List[Origin]] = {}
        for want in wants:
            origin = want.origin
            repositories.setdefault((origin.registry, origin.repository), []).append(origin)  # type: ignore[arg-type]
        by_source: Dict[Source, List[str]] = {}
        for source, repository in repositories:
            by_source.setdefault(source, []).append(repository)
        prepared = {
            source: self._pool(source).submit(source.registry.prepare, names)
            for source, names in by_source.items()
            if source.azure
        }
        for (source, repository), origins in repositories.items():
            distinct = {origin.key: origin for origin in origins}
            plain = [o for o in distinct.values() if o.digest is None and o.platform is None]
            listing = None
            if plain and (self._sources.lists(source, repository) or source.azure and len(plain) > FEW_TAGS):
                listing = self._pool(source).submit(self._list, prepared.get(source), source, repository, plain)
            for key, origin in distinct.items():
                if listing is not None and origin.digest is None and origin.platform is None:
                    futures[key] = listing
                else:
                    futures[key] = self._pool(source).submit(self._resolve, prepared.get(source), origin)
        return futures

    def _resolve(self, prepared: Optional[Future], origin: Origin) -> Resolved:
        if prepared is not None:
            prepared.exception()  # whoever needs a token asks again, and tells what is wrong
        return {origin.key: self._sources.resolve(origin)}

    def _list(self, prepared: Optional[Future], source: Source, repository: str, origins: List[Origin]) -> Resolved:
        if prepared is not None:
            prepared.exception()
        digests = self._sources.digests(source, repository, [origin.tag or "latest" for origin in origins])
        found: Resolved = {}
        for origin in origins:
            digest = digests[origin.tag or "latest"]
            found[origin.key] = digest if isinstance(digest, AcrError) else origin._replace(digest=digest)
        return found

    def _finish_resolving(self, futures: Dict[Any, Future], wants: List[Want]) -> Dict[int, Want]:
        """The wants whose origins have a digest now, by number; fills in why the others have none."""
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

    def _learn(self, source: Source, origins: List[Origin]) -> None:
        """Lists the manifests of Azure repositories of which many are wanted: cheaper than a look at each."""
        places: Dict[str, List[str]] = {}
        for origin in origins:
            if source.azure and origin.digest is not None and self._sources.known(origin.digest) is None:
                places.setdefault(origin.repository, []).append(origin.digest)
        looks = [
            self._pool(source).submit(self._sources.learn, source, repository, digests)
            for repository, digests in places.items()
            if len(digests) > FEW_TAGS
        ]
        for look in looks:
            look.exception()  # what could not be learnt is asked for one by one, and tells what is wrong

    def _check_importable(self, steps: List[Step]) -> None:
        """Looks at each manifest that is to be imported from a source: what it is, and whether Azure can import it."""
        changing = [step for step in steps if step.changes and step.want.digest]
        if not changing:
            return
        source: Source = changing[0].want.origin.registry  # type: ignore[assignment]
        origins = {step.want.origin.key: step.want.origin for step in changing}
        self._learn(source, list(origins.values()))
        looks = {key: self._pool(source).submit(self._sources.check_importable, origin) for key, origin in origins.items()}
        for step in changing:
            try:
                descriptor = looks[step.want.origin.key].result()
                self.targets.know(descriptor.digest, descriptor.media_type)
            except AcrError as error:
                self._fail(step.want, error)


def _may_be_kept(want: Want) -> bool:
    """Whether it may turn out that nothing of an image's source needs to be known."""
    return want.if_exists == "keep" and want.target.tag is not None


def _distinct(wants: List[Want]) -> List[Want]:
    """Two images of a source that are to be there without a tag may turn out to be the same: one of them will do."""
    found: Dict[Any, Want] = {}
    for want in wants:
        found.setdefault(want.target if want.target.tag or want.target.digest else want.number, want)
    return list(found.values())


def _contention(one: Want, other: Want) -> AcrError:
    names = [_plan.origin_name(want.origin) for want in (one, other)]
    message = (
        f"{one.target} is wanted twice: {one.digest} of {names[0]}, and {other.digest} of {names[1]}. Give one of the images "
        "another target."
    )
    return AcrError("exists", message)
