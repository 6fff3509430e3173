# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a name to a connection: Azure as one account sees it, for one run."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import Dict, Optional, Tuple

from ._acr import AzureRegistry
from ._arm import Arm, RegistryResource
from ._credentials import Credentials
from ._identity import Identity
from ._reference import RegistryId, parse_registry


class Azure:
    """Who is signed in, and what they are connected to. Shared by threads.

    *deadline*: the monotonic time at which everything ends, if any.
    """

    def __init__(self, identity: Identity, deadline: Optional[float] = None) -> None:
        self.identity = identity
        self.http = identity.http
        self.http.deadline = deadline
        self.arm = Arm(identity, identity.http)
        self._resources: Dict[Tuple[RegistryId, Optional[str]], Future[RegistryResource]] = {}
        self._lock = threading.Lock()

    @property
    def suffix(self) -> str:
        """What login servers end with in this cloud, such as ``azurecr.io``."""
        return self.identity.cloud.registry_suffix

    def holds(self, host: str) -> bool:
        """Whether *host* is the login server of an Azure registry in this cloud."""
        return self.identity.cloud.holds(host)

    def named(self, registry: str) -> RegistryId:
        """A registry in any of the forms that users write. InvalidReference if it is none."""
        return parse_registry(registry, [self.suffix])

    def resource(self, registry_id: RegistryId, resource_group: Optional[str] = None) -> RegistryResource:
        """The registry as Azure Resource Manager knows it; looked up once: of many who ask at the same time,
        one does, and all have what it finds, or how it fails. Errors as of `Arm.registry`."""
        key = (registry_id, resource_group)
        mine: Future[RegistryResource] = Future()
        with self._lock:
            found = self._resources.setdefault(key, mine)
        if found is mine:
            try:
                found.set_result(self.arm.registry(registry_id, resource_group))
            except BaseException as error:
                del self._resources[key]  # who asks later tries again
                found.set_exception(error)
        return found.result()

    def seen(self, registry_id: RegistryId, resource_group: Optional[str] = None) -> Optional[RegistryResource]:
        """The same, if it was looked up already."""
        found = self._resources.get((registry_id, resource_group))
        return found.result() if found is not None and found.done() else None

    def reaches(self, registry_id: RegistryId) -> bool:
        """Whether the login server was given, so that nothing has to be looked up to read the registry."""
        return registry_id.login_server is not None and self.holds(registry_id.login_server)

    def login_server(self, registry_id: RegistryId, resource_group: Optional[str] = None) -> str:
        """The host that serves the registry; asks Azure Resource Manager if it wasn't given. Errors as of `resource`."""
        if registry_id.login_server is not None and self.holds(registry_id.login_server):
            return registry_id.login_server
        return self.resource(registry_id, resource_group).login_server

    def registry(self, login_server: str, credentials: Optional[Credentials] = None, public: bool = False) -> AzureRegistry:
        """The data plane of an Azure registry, read with the account that signs in, or with *credentials*. *public*: anonymously
        if it doesn't know the account."""
        return AzureRegistry(
            login_server,
            self.http,
            entra=lambda: self.identity.token(self.identity.registry_scope),
            tenant=self.identity.tenant,
            credentials=credentials,
            public=public,
        )
