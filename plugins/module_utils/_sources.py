# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The registries that images come from: each is opened once, however it is named."""

from __future__ import annotations

import threading
from typing import Dict, List, Optional, Tuple

from ._acr import AzureRegistry
from ._arm import RegistryResource
from ._azure import Azure
from ._credentials import Credentials
from ._errors import AcrError
from ._plan import SourceRegistry
from ._reference import RegistryId, api_host
from ._registry import Registry
from ._source import Known, Source


class Sources:
    """Opens sources. *known*: what digests are, as far as it was read. *target*: the registry to import into, and its resource
    *group*. *notes* are worth a warning."""

    def __init__(
        self, azure: Azure, known: Optional[Known] = None, target: Optional[RegistryId] = None, group: Optional[str] = None
    ) -> None:
        self._azure = azure
        self._target = target
        self._group = group
        self._own: Optional[Source] = None
        self.notes: Dict[str, str] = {}
        self._known: Known = {} if known is None else known
        self._lock = threading.Lock()
        self._named: Dict[Tuple[object, Optional[Credentials]], Source] = {}  # by what users write
        self._hosts: Dict[Tuple[str, Optional[Credentials]], Source] = {}  # of Azure: a registry has more than one name
        self._opened: List[Source] = []

    def of(self, registry: SourceRegistry) -> Source:
        """The open source that a plan means."""
        return self._opened[registry.number]

    def open(self, host: Optional[str], registry_id: Optional[RegistryId], credentials: Optional[Credentials]) -> Source:
        """The source that *host* or *registry_id* (an Azure registry) names."""
        if registry_id is None and host is not None and self._azure.holds(host):
            registry_id = self._azure.named(host)
        if registry_id is not None and registry_id.endpoint is not None:
            self.notes[registry_id.endpoint] = (
                f"Imports can't choose a region: {registry_id.login_server} is used instead of {registry_id.endpoint}, and Azure "
                "copies from its home region."
            )
            registry_id = registry_id._replace(endpoint=None)
        key = (registry_id or host, credentials)
        with self._lock:
            if key not in self._named:
                if registry_id is not None:
                    self._named[key] = self._open_azure(registry_id, credentials)
                else:
                    name = host or ""
                    self._named[key] = self._add(name, Registry(api_host(name), self._azure.http, credentials, name), credentials)
            return self._named[key]

    def own(self, registry: AzureRegistry) -> SourceRegistry:
        """The registry to import into, as a source: images are promoted from its quarantine."""
        with self._lock:
            if self._own is None:
                self._own = self._add(registry.host, registry, None)
                if self._target is not None:
                    target = self._target
                    self._own.address.find = lambda: self._azure.resource(target, self._group).id
            return self._own.key

    def _add(self, name: str, registry: Registry, credentials: Optional[Credentials]) -> Source:
        self._opened.append(Source(SourceRegistry(name, len(self._opened)), registry, credentials, self._known))
        return self._opened[-1]

    def _open_azure(self, registry_id: RegistryId, credentials: Optional[Credentials]) -> Source:
        login_server = registry_id.login_server or ""
        resource: Optional[RegistryResource] = None
        if not login_server or credentials is None and not self._azure.holds(login_server):
            resource = self._resource(registry_id)
            login_server = resource.login_server
        key = (login_server.lower(), credentials)
        if key not in self._hosts:
            source = self._add(login_server, self._azure.registry(login_server, credentials, public=True), credentials)
            source.address.find = lambda: self._resource_id(registry_id)
            self._hosts[key] = source
        if resource is not None:
            found = resource
            self._hosts[key].address.find = lambda: self._exporting(found).id
            self._hosts[key].address.known = True
        return self._hosts[key]

    def _resource(self, registry_id: RegistryId) -> RegistryResource:
        try:
            return self._azure.resource(registry_id)
        except AcrError as error:
            if registry_id.kind != "resource_id" or registry_id.name is None or error.reason != "denied":
                raise
            # AcrPull alone doesn't show a registry there, but is enough to import from it.
            login_server = f"{registry_id.name.lower()}.{self._azure.suffix}"
            return RegistryResource(registry_id.resource_id, registry_id.name, login_server, "", "", {}, {})

    def _resource_id(self, registry_id: RegistryId) -> Optional[str]:
        try:
            resource = self._azure.resource(registry_id)
        except AcrError as error:
            # A registry can be read by its login server all the same: anonymously, or in another tenant.
            if error.reason not in ("not_found", "denied"):
                raise
            return None
        return self._exporting(resource).id

    def _exporting(self, resource: RegistryResource) -> RegistryResource:
        """The same. AcrError if it says that nothing may be imported from it into other registries."""
        if self._target is None or resource.called(self._target) or resource.fact("exports_allowed") is not False:
            return resource
        message = f"Nothing can be imported from {resource.login_server}: its export policy is disabled. Enable it there first."
        raise AcrError("denied", message, cause="export policy")
