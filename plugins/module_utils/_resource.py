# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Container registries as Azure Resource Manager describes them: where they are, who can reach them, and their policies. Pure."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import Any, Dict, NamedTuple

from ._errors import AcrError
from ._reference import RegistryId
from ._untrusted import mapping, objects, strings

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

    def called(self, registry_id: RegistryId) -> bool:
        """Whether *registry_id* can mean this registry."""
        if registry_id.login_server:
            return self.login_server == registry_id.login_server.lower()
        return self.name.lower() == (registry_id.name or "").lower()

    def fact(self, name: str) -> Any:
        """What `posture` says under *name*; None also if Azure's description can't be read."""
        with suppress(AcrError):
            return posture(self.properties)[name]
        return None

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
    """What a registry's *properties* say about its network and its policies. None: not said, as in older API versions."""
    rules = mapping(properties.get("networkRuleSet"), ARM)
    public = str(properties.get("publicNetworkAccess") or "Enabled").lower() == "enabled"
    default_action = str(rules.get("defaultAction") or "Allow")
    connections = objects(properties.get("privateEndpointConnections"), ARM)
    subnets = [  # called "id" until 2021
        rule.get("virtualNetworkSubnetResourceId") or rule.get("id") for rule in objects(rules.get("virtualNetworkRules"), ARM)
    ]
    policies = mapping(properties.get("policies"), ARM)

    def policy(name: str) -> Dict[str, Any]:
        return mapping(policies.get(name), ARM)

    retention, soft_delete = policy("retentionPolicy"), policy("softDeletePolicy")
    return {
        "public_network_access": public,
        "default_action": default_action,
        "ip_rules": [str(rule["value"]) for rule in objects(rules.get("ipRules"), ARM) if rule.get("value")],
        "virtual_network_rules": [str(subnet) for subnet in subnets if subnet],
        "private_endpoints": [
            str(connection.get("name") or connection.get("id"))
            for connection in connections
            if _status(connection) in (None, "Approved")
        ],
        "trusted_services": str(properties.get("networkRuleBypassOptions") or "AzureServices").lower() != "none",
        "trusted_services_for_tasks": properties.get("networkRuleBypassAllowedForTasks"),
        "restricted": not public or default_action.lower() != "allow",
        "role_assignment_mode": properties.get("roleAssignmentMode"),
        "exports_allowed": _when(policy("exportPolicy").get("status")),
        "arm_tokens_allowed": _when(policy("azureADAuthenticationAsArmPolicy").get("status")),
        "quarantine": _when(policy("quarantinePolicy").get("status")),
        "retention_days": _when(retention.get("status"), retention.get("days"), 0),
        "soft_delete_days": _when(soft_delete.get("status"), soft_delete.get("retentionDays"), 0),
        "regional_endpoints": _when(
            properties.get("regionalEndpoints"), strings(properties.get("regionalEndpointHostNames"), ARM), []
        ),
    }


def _when(status: Any, on: Any = True, off: Any = False) -> Any:
    """*on* if this status is "enabled", else *off*; None if there is none."""
    return None if status is None else on if str(status).lower() == "enabled" else off


def _status(connection: Dict[str, Any]) -> Any:
    state = mapping(connection.get("properties"), ARM).get("privateLinkServiceConnectionState")
    return mapping(state, ARM).get("status")
