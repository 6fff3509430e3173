# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Imports that end halfway: an Azure whose every answer the test chooses, since the sandbox's imports bring all or nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from ansible_collections.registryops.acr.plugins.module_utils import _plan
from ansible_collections.registryops.acr.plugins.module_utils._arm import RETRY_AFTER, Operation, RegistryResource
from ansible_collections.registryops.acr.plugins.module_utils._engine import Engine
from ansible_collections.registryops.acr.plugins.module_utils._errors import AcrError, ImportFailed
from ansible_collections.registryops.acr.plugins.module_utils._plan import (
    Desired,
    Item,
    Observed,
    Origin,
    Rules,
    SourceRegistry,
    Target,
)
from ansible_collections.registryops.acr.plugins.module_utils._progress import Progress
from tests.unit.plugins.virtual import Virtual

A, B = ("sha256:" + letter * 64 for letter in "ab")
RESOURCE = RegistryResource("/id", "contosoprod", "contosoprod.azurecr.test", "westeurope", "Premium", {}, {})
LOCKED = ImportFailed("locked", "It is locked.", status=400, cause="locked")
PASSING = ImportFailed("unavailable", "Error copying blobs.", status=400, cause="temporary")
UNAUTHORIZED = ImportFailed("unauthorized", "The source refuses it.", status=400, cause="source unauthorized", tries=2)
LOST = AcrError("unavailable", "management.azure.test closed the connection: reset.")
SIGNED_OUT = "Signing in failed: the secret has expired."
EXISTS = ImportFailed("exists", "It exists already.", status=400, cause="tag exists")


class Azure:
    """Both planes. What the test sets: ``lands``: does the import of this number bring this target? ``ends``: how it ends,
    once it is asked about; ``refuses``: does its start fail? ``damaged``: are the digests in this repository?

    Each read has an answer of its own: `shown` and `tag` what is held, `tag` only what is not in ``late``, `entry` with the time
    of the tag's last change, `newest` without what is in ``unlisted``. ``reads`` says what was asked for.
    """

    def __init__(self) -> None:
        self.time = Virtual()
        self.resource = RESOURCE
        self.bodies: list[dict[str, Any]] = []
        self.begun: list[float] = []  # when each import was started
        self.held: dict[tuple[str, str], str] = {}
        self.updated: dict[tuple[str, str], str] = {}
        self.unlisted: set[str] = set()
        self.reads: list[tuple[str, str]] = []  # which kind of read, of what
        self.asked: list[int] = []  # the imports that were asked about
        self.lands: Callable[[int, str], bool] = lambda number, target: True
        self.ends: Callable[[int], Exception | None] = lambda number: None
        self.refuses: Callable[[int], Exception | None] = lambda number: None
        self.damaged: Callable[[str], bool] = lambda repository: False

    # -- Azure Resource Manager --------------------------------------------------------------------------------------------

    def start_import(self, _resource: Any, body: dict[str, Any], context: Any, check: Callable[[], None]) -> Operation:
        check()
        number = len(self.bodies)
        self.bodies.append(body)
        self.begun.append(self.time.now())
        refusal = self.refuses(number)
        if refusal is not None:
            raise refusal
        digest = body["source"]["sourceImage"].rpartition("@")[2]
        for target in body.get("targetTags", []) + body.get("untaggedTargetRepositories", []):
            if self.lands(number, target):
                repository, _colon, tag = target.partition(":")
                self.hold(repository, tag or digest, digest)
        location = "https://management.azure.test/registries-{0}".format(number)
        return Operation(location, self.time.now() + RETRY_AFTER, context)

    def ask(self, operation: Operation) -> None:
        number = int(operation.id.rpartition("-")[2])
        self.asked.append(number)
        end = self.ends(number)
        if end is not None:
            raise end
        operation.done = True

    # -- the registry ------------------------------------------------------------------------------------------------------

    def hold(self, repository: str, reference: str, digest: str) -> None:
        self.held[repository, reference] = digest
        self.updated[repository, reference] = str(self.time.now())

    def shown(self, repository: str, reference: str, *, hoped: str | None = None) -> Observed:
        self.reads.append(("shown", f"{repository}:{reference}"))
        return self._held(repository, reference)

    def tag(self, repository: str, name: str, *, expected: bool = False) -> Observed:
        self.reads.append(("tag again" if expected else "tag", f"{repository}:{name}"))
        return self._held(repository, name)

    def entry(self, repository: str, name: str) -> Observed:
        self.reads.append(("entry", f"{repository}:{name}"))
        digest = self.held.get((repository, name))
        return Observed.listed(digest, self.updated[repository, name]) if digest else Observed.absent()

    def newest(self, repository: str, count: int) -> dict[str, Observed]:
        self.reads.append(("newest", f"{repository}:{count}"))
        return {
            tag: Observed.listed(digest, self.updated[place, tag])
            for (place, tag), digest in self.held.items()
            if place == repository and tag not in self.unlisted
        }

    def examine(self, desired: Desired) -> Observed:
        target = desired.target
        self.reads.append(("examine", str(target)))
        return self.guarded(desired, self._held(target.repository, target.tag or target.digest or ""))

    def guarded(self, _desired: Desired, observed: Observed) -> Observed:
        return replace(observed, locks=())

    def damage(self, repository: str, digests: Iterable[str], *, expected: bool = False) -> dict[str, Any]:
        return {digest: [digest] if self.damaged(repository) else [] for digest in digests}

    def _held(self, repository: str, reference: str) -> Observed:
        digest = self.held.get((repository, reference))
        return Observed.there(digest) if digest else Observed.absent()

    # -- for tests ---------------------------------------------------------------------------------------------------------

    @property
    def targets(self) -> list[list[str]]:
        """The targets of each import."""
        return [body.get("targetTags", []) + body.get("untaggedTargetRepositories", []) for body in self.bodies]

    def wait_for_imports(self, count: int) -> None:
        """Until so many were started, or it is clear that they never will be."""
        self.time.wait(lambda: len(self.bodies) >= count, 300.0)
        self.time.sleep(1.0)  # until the loop has taken in what came of it

    def engine(self, *, verified: bool = True, **options: Any) -> Engine:
        """An engine for which no time passes."""
        target: Any = self if verified else None
        return Engine(self, self.resource, target, lambda _origin: {}, timeout=1800.0, threads=self.time, **options)

    def run(self, *items: Item, verified: bool = True, more: Iterator[list[Item]] | None = None, **options: Any) -> list[Item]:
        """Carries out *items*, and returns what was, with how it ended."""
        progress = Progress()
        try:
            found = self.engine(verified=verified, **options).run(items, progress, more)
        finally:
            self.time.finish()
        assert more is not None or found == list(items)
        assert progress.done == sum(one.error is None for one in found)
        assert progress.done + progress.failed == progress.total == len(found)
        return found


def item(target: str, digest: str = A, registry: str = "docker.io", if_exists: str = "update", **facts: Any) -> Item:
    repository, _colon, tag = target.partition(":")
    origin = Origin(SourceRegistry(registry), "library/nginx", "1.27", digest)
    desired = Desired(Target(repository, tag or None, None if tag else digest), origin, Rules(if_exists))
    return Item(desired, facts.pop("observed", Observed.absent()), facts.pop("action", _plan.IMPORT))


def nowhere(azure: Azure) -> None:
    """Imports are taken without a place to ask about them."""
    real = azure.start_import

    def start(*arguments: Any) -> Operation:
        return Operation("", math.inf, real(*arguments).context)

    azure.start_import = start
