# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether Azure would let this account start its imports. Only the lack of a right proves anything: a condition or a deny
assignment can take away what the list of the account's permissions shows."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Any, Dict, List, Sequence, Tuple

from . import _plan
from ._acr import AzureRegistry
from ._azure import Azure
from ._diagnosis import Context, foreseen
from ._errors import AcrError
from ._plan import Import, Item, SourceRegistry
from ._refusals import NO_LOCK
from ._resource import ARM, RegistryResource
from ._source import DENIED, Source
from ._sources import Sources
from ._untrusted import strings

REGISTRIES = "Microsoft.ContainerRegistry/registries/"
Right = Tuple[str, str]  # an operation, and the kind that it is of
IMPORT = [("actions", REGISTRIES + "importImage/action")]
READ = [  # any of them may be what Azure wants
    ("actions", REGISTRIES + "read"),
    ("actions", REGISTRIES + "pull/read"),
    ("dataActions", REGISTRIES + "repositories/content/read"),
]
LOCK = [
    ("actions", REGISTRIES + "metadata/write"),
    ("actions", REGISTRIES + "push/write"),
    ("dataActions", REGISTRIES + "repositories/metadata/write"),
]
EXCEPTIONS = {"actions": "notActions", "dataActions": "notDataActions"}


class Permissions:
    """What this account may do, asked once for each registry. *unknown*: what could not be found out, and why."""

    def __init__(self, azure: Azure, sources: Sources, target: RegistryResource) -> None:
        self.unknown: List[str] = []
        self._azure, self._sources, self._target = azure, sources, target
        self._asked: Dict[str, List[Dict[str, Any]]] = {}  # by resource ID; empty if it isn't known

    def check(self, items: List[Item]) -> None:
        """Fails those *items* whose imports, or locks, Azure would refuse because this account lacks a right."""
        self._check_imports(items)
        locking = [item for item in items if item.locked and item.error is None]
        if locking and self._lacks(self._target.name, self._target.id, LOCK):
            for item in locking:
                item.fail(AcrError("denied", NO_LOCK.format(what=f"{self._target.login_server}/{item.target}")))

    def _check_imports(self, items: List[Item]) -> None:
        requests = _plan.imports(items)
        if requests and self._lacks(self._target.name, self._target.id, IMPORT):
            self._fail(requests, "no right to import")
            return
        sources: Dict[SourceRegistry, List[Import]] = {}
        for request in requests:
            sources.setdefault(request.origin.registry, []).append(request)
        for key, some in sources.items():
            source = self._sources.of(key)
            try:
                resource_id = source.address.body().get("resourceId")
            except AcrError as error:
                if error.cause != "export policy":
                    self._unknown(source.name, error)
                    continue
                for item in (item for request in some for item in request.items):
                    item.fail(error)
                continue
            if resource_id and self._lacks(source.name, resource_id, READ):
                for request in some:
                    self._fail([request], "linked scope", resource_id)
            elif not resource_id and source.azure and source.credentials is None and self._closed(source, some[0]):
                for request in some:
                    self._fail([request], "source denies")

    def _lacks(self, name: str, resource_id: str, rights: Sequence[Right]) -> bool:
        try:
            if resource_id not in self._asked:
                self._asked[resource_id] = []
                self._asked[resource_id] = list(self._azure.arm.permissions(resource_id))
                if not self._asked[resource_id]:
                    raise AcrError("protocol", f"{ARM} lists none.")
            permissions = self._asked[resource_id]
            return bool(permissions) and not _allow(permissions, rights)
        except AcrError as error:
            self._unknown(name, error)
            return False

    def _closed(self, source: Source, request: Import) -> bool:
        """Whether a source refuses whoever doesn't sign in. Azure doesn't, if all it is told is a login server."""
        if request.origin.digest is None or not request.items[0].desired.rules.verify:
            return False
        try:
            AzureRegistry(source.name, self._azure.http).describe(request.origin.repository, request.origin.digest)
        except AcrError as error:
            return error.reason in DENIED
        return False

    def _unknown(self, name: str, error: AcrError) -> None:
        self.unknown.append(f"This account's permissions on {name} were not checked, because they could not be read: {error}")

    def _fail(self, requests: List[Import], why: str, scope: str = "") -> None:
        names = ", ".join(f"{self._target.login_server}/{item.target}" for item in requests[0].items)
        origin = requests[0].origin
        error = foreseen(why, Context(names, str(origin), origin.registry.name), scope)
        for request in requests:
            for item in request.items:
                item.fail(error)


def _allow(permissions: List[Dict[str, Any]], rights: Sequence[Right]) -> bool:
    """Whether any of *permissions* allows any of *rights*."""

    def named(permission: Dict[str, Any], key: str, operation: str) -> bool:
        return any(fnmatchcase(operation.lower(), pattern.lower()) for pattern in strings(permission.get(key), ARM))

    return any(
        named(permission, kind, operation) and not named(permission, EXCEPTIONS[kind], operation)
        for permission in permissions
        for kind, operation in rights
    )
