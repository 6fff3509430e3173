# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Container registries as Azure Resource Manager describes them: where they are, and who can reach them. Pure."""

from __future__ import annotations

import re
from typing import Any, Dict, NamedTuple

from ._errors import AcrError
from ._untrusted import mapping, objects

ARM = "Azure Resource Manager"


class RegistryResource(NamedTuple):
    """A container registry in Azure Resource Manager. *properties* are Azure's, with Azure's names."""

    id: str
    name: str
    login_server: str
    location: str
    sku: str
    tags: Dict[str, str]
    properties: Dict[str, Any]

    @property
    def subscription(self) -> str:
        return self.id.split("/")[2]

    @property
    def resource_group(self) -> str:
        return self.id.split("/")[4]

    @classmethod
    def of(cls, content: Dict[str, Any]) -> RegistryResource:
        """From Azure Resource Manager's JSON. AcrError ``protocol`` if it isn't that of a registry."""
        properties = mapping(content.get("properties"), ARM)
        tags = mapping(content.get("tags"), ARM)
        found = cls(
            id=str(content.get("id")),
            name=str(content.get("name")),
            login_server=str(properties.get("loginServer") or "").lower(),
            location=str(content.get("location") or ""),
            sku=str(mapping(content.get("sku"), ARM).get("name") or ""),
            tags={name: "" if value is None else str(value) for name, value in tags.items()},
            properties=properties,
        )
        if not re.match(r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/[^/]+/registries/[^/]+$", found.id, re.I):
            raise AcrError("protocol", f"{ARM} describes a registry without a resource ID.")
        # The name becomes that of a host, and sign-ins are sent to the login server.
        server = r"([\w-]+(\.[\w-]+)+(:\d+)?)?"
        if not re.fullmatch(r"[\w-]+", found.name) or not re.fullmatch(server, found.login_server, re.ASCII):
            names = f"{found.name!r:.100}, {found.login_server!r:.100}"
            raise AcrError("protocol", f"{ARM} describes a registry with an invalid name or login server ({names}).")
        return found


def posture(properties: Dict[str, Any]) -> Dict[str, Any]:
    """What a registry's *properties* say about its network."""
    rules = mapping(properties.get("networkRuleSet"), ARM)
    public = str(properties.get("publicNetworkAccess") or "Enabled").lower() == "enabled"
    default_action = str(rules.get("defaultAction") or "Allow")
    connections = objects(properties.get("privateEndpointConnections"), ARM)
    return {
        "public_network_access": public,
        "default_action": default_action,
        "ip_rules": [str(rule["value"]) for rule in objects(rules.get("ipRules"), ARM) if rule.get("value")],
        "private_endpoints": [
            str(connection.get("name") or connection.get("id"))
            for connection in connections
            if _status(connection) in (None, "Approved")
        ],
        "trusted_services": str(properties.get("networkRuleBypassOptions") or "AzureServices").lower() != "none",
        "restricted": not public or default_action.lower() != "allow",
    }


def _status(connection: Dict[str, Any]) -> Any:
    state = mapping(connection.get("properties"), ARM).get("privateLinkServiceConnectionState")
    return mapping(state, ARM).get("status")
