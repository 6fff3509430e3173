# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Finds the digests of what is desired, and what stands behind them, in the source registries.

Each source is read by threads of its own, so that one that keeps us waiting holds up no other.
"""

from __future__ import annotations

import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Dict, List, Optional, Tuple, Union

from ._acr import AzureRegistry
from ._errors import AcrError
from ._plan import Item, Origin, OriginKey, SourceRegistry, Target
from ._referrers import Referrers
from ._signatures import Signature, Signer
from ._source import Source
from ._sources import Sources
from ._vetting import Vetting, refusal

Resolved = Dict[OriginKey, Union[Origin, AcrError]]  # by the key of the origin that was asked for


SIGNATURES = 2  # times as many reads at once: each signature takes three, one after another


class Resolver:
    """Reads sources for one run. *concurrency*: tasks at once for each source."""

    def __init__(self, sources: Sources, concurrency: int) -> None:
        self._sources = sources
        self._concurrency = concurrency
        self._pools: Dict[Tuple[SourceRegistry, int], ThreadPoolExecutor] = {}
        self._resolving: Dict[OriginKey, Future[Resolved]] = {}
        self._vetters: Dict[SourceRegistry, Vetting] = {}
        self._vetting: Dict[Item, Future[Signature]] = {}

    def close(self) -> None:
        """Starts no further reads."""
        for pool in list(self._pools.values()):
            pool.shutdown(wait=False, cancel_futures=True)

    def _pool(self, registry: SourceRegistry, share: int = 1) -> ThreadPoolExecutor:
        if (registry, share) not in self._pools:
            self._pools.setdefault((registry, share), ThreadPoolExecutor(share * self._concurrency))
        return self._pools[registry, share]

    def start(self, items: List[Item]) -> None:
        """Starts to read the digests of the items' origins that aren't locked, and their signatures if those are asked for."""
        repositories: Dict[Tuple[SourceRegistry, str], Dict[OriginKey, Origin]] = {}
        sources: Dict[SourceRegistry, Source] = {}
        for item in items:
            if item.desired.locked:
                continue
            origin = item.desired.origin
            repositories.setdefault((origin.registry, origin.repository), {})[origin.key] = origin
            sources[origin.registry] = self._sources.of(origin.registry)
        names: Dict[SourceRegistry, List[str]] = {}
        for registry, repository in repositories:
            names.setdefault(registry, []).append(repository)
        prepared = {
            registry: self._pool(registry).submit(sources[registry].prepare, several) for registry, several in names.items()
        }
        for (registry, repository), origins in repositories.items():
            source, pool, ready = sources[registry], self._pool(registry), prepared[registry]
            plain = {key: origin for key, origin in origins.items() if origin.digest is None and origin.platform is None}
            if source.lists(repository, len(plain)):
                listing = pool.submit(_resolve_together, ready, source, repository, list(plain.values()))
                self._resolving.update(dict.fromkeys(plain, listing))
                origins = {key: origin for key, origin in origins.items() if key not in plain}
            for key, origin in origins.items():
                self._resolving[key] = pool.submit(_resolve, ready, source, origin)
        for item in items:  # after all that has to be resolved, which they wait for
            if item.desired.rules.signed_by:
                self._start_vetting(item, self._resolving.get(item.desired.origin.key))

    def _start_vetting(self, item: Item, resolving: Optional[Future[Resolved]] = None) -> None:
        origin, signers = item.desired.origin, item.desired.rules.signed_by
        vetter = self._vetters.setdefault(origin.registry, Vetting(self._sources.of(origin.registry), time.time()))
        self._vetting[item] = self._pool(origin.registry, SIGNATURES).submit(_vet, resolving, vetter, origin, signers)

    def finish(self, item: Item) -> bool:
        """Fills in the digest of an item's origin, or why it has none; whether it has one. It was started before."""
        desired = item.desired
        if desired.locked:
            return True
        try:
            origin = self._resolving[desired.origin.key].result()[desired.origin.key]
        except AcrError as error:
            origin = error
        if isinstance(origin, AcrError):
            item.unresolved(origin)
            return False
        target = desired.target if desired.target.tag else Target(desired.target.repository, None, origin.digest)
        # Of two tags with the same digest each keeps its own.
        item.desired = desired._replace(origin=desired.origin._replace(digest=origin.digest, parent=origin.parent), target=target)
        return True

    def own(self, target: AzureRegistry) -> SourceRegistry:
        """The target as a source."""
        return self._sources.own(target)

    def vet(self, items: List[Item], anew: bool = False) -> None:
        """Fills in whose signatures the images of *items* have; fails those that nobody accepted has signed. `start` has begun it,
        unless they have got another digest since (*anew*)."""
        items = [item for item in items if item.desired.rules.signed_by and item.error is None]
        for item in items if anew else ():
            self._start_vetting(item)
        for item in items:
            try:
                item.signature = self._vetting[item].result()
            except AcrError as error:
                if item.desired.locked and item.desired.rules.if_source_missing == "keep":
                    self._check_there(item)
                if not item.gone:
                    item.fail(refusal(item, error))

    def _check_there(self, item: Item) -> None:
        """Keeps or fails an item of a lock file whose image is gone: nothing that goes with it could be found."""
        origin = item.desired.origin
        try:
            self._sources.of(origin.registry).check_importable(origin)
        except AcrError as error:
            if error.reason == "not_found":
                item.unresolved(error)

    def referrers(self, items: List[Item]) -> Dict[OriginKey, Union[List[Origin], AcrError]]:
        """What refers to the images of *items*, all of one source; by the key of the image's origin."""
        source = self._sources.of(items[0].desired.origin.registry)
        found = Referrers(source, self._pool(source.key)).of([item.desired.origin for item in items])
        return {key: one if isinstance(one, AcrError) else [each.origin for each in one] for key, one in found.items()}

    def check_importable(self, items: List[Item]) -> None:
        """Looks at each manifest that is to be imported, all of one source: what it is, and whether Azure can import it."""
        source = self._sources.of(items[0].desired.source.registry)
        pool = self._pool(source.key)
        origins = {item.desired.source.key: item.desired.source for item in items}
        blocked = items[0].desired.rules.blocked  # one for all
        digests: Dict[str, List[str]] = {}
        for origin in origins.values():
            if origin.digest is not None:
                digests.setdefault(origin.repository, []).append(origin.digest)
        if source.azure:
            for look in [pool.submit(source.learn, repository, several) for repository, several in digests.items()]:
                look.exception()  # what could not be learnt is asked for one by one, and reports what is wrong
        looks = {key: pool.submit(source.check_importable, origin, blocked) for key, origin in origins.items()}
        for item in items:
            try:
                looks[item.desired.source.key].result()
            except AcrError as error:
                if item.desired.locked and error.reason == "not_found":
                    error = error.but(f"{error} The lock file has this digest; run with lock: update.")
                item.unresolved(error)


def _vet(resolving: Optional[Future[Resolved]], vetter: Vetting, origin: Origin, signers: Tuple[Signer, ...]) -> Signature:
    found = resolving.result()[origin.key] if resolving is not None else origin
    if isinstance(found, AcrError):
        raise found
    return vetter.signature(found, signers)


def _resolve(prepared: Future[None], source: Source, origin: Origin) -> Resolved:
    prepared.exception()  # the read that needs a token asks again, and reports what is wrong
    return {origin.key: source.resolve(origin)}


def _resolve_together(prepared: Future[None], source: Source, repository: str, origins: List[Origin]) -> Resolved:
    prepared.exception()
    digests = source.digests(repository, [origin.tag or "latest" for origin in origins])
    found: Resolved = {}
    for origin in origins:
        digest = digests[origin.tag or "latest"]
        found[origin.key] = digest if isinstance(digest, AcrError) else origin._replace(digest=digest)
    return found
