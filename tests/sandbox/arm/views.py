# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How things look in Resource Manager's answers."""
from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from ..model import AzureRegistry
from ..settings import merge
from ..tenants import Cloud, Subscription, Tenant

PROVIDER = "Microsoft.ContainerRegistry"


def resource(registry: AzureRegistry) -> dict[str, Any]:
    """The registry as Resource Manager shows it."""
    created = registry.properties["creationDate"]
    modified, client = registry.modified or (created, None)
    return {
        "type": f"{PROVIDER}/registries",
        "id": registry.resource_id,
        "name": registry.name,
        "location": registry.location,
        "tags": registry.tags,
        "sku": {"name": registry.sku, "tier": registry.sku},
        "properties": merge(registry.properties, {}),
        "systemData": {
            "createdBy": "admin@contoso.test",
            "createdByType": "User",
            "createdAt": created,
            "lastModifiedBy": client or "admin@contoso.test",
            "lastModifiedByType": "Application" if client else "User",
            "lastModifiedAt": modified,
        },
    }


def subscription(shown: Subscription) -> dict[str, Any]:
    return {
        "id": f"/subscriptions/{shown.id}",
        "authorizationSource": "RoleBased",
        "managedByTenants": [],
        "subscriptionId": shown.id,
        "tenantId": shown.tenant,
        "displayName": shown.name,
        "state": "Enabled",
        "subscriptionPolicies": {
            "locationPlacementId": "Public_2014-09-01",
            "quotaId": "PayAsYouGo_2014-09-01",
            "spendingLimit": "Off",
        },
    }


def tenant(shown: Tenant) -> dict[str, Any]:
    return {
        "id": f"/tenants/{shown.id}",
        "tenantId": shown.id,
        "countryCode": "NL",
        "displayName": shown.domain.split(".")[0].capitalize(),
        "domains": [shown.domain],
        "defaultDomain": shown.domain,
        "tenantType": "AAD",
        "tenantCategory": "Home",
    }


def group(of: Subscription, name: str) -> dict[str, Any]:
    return {
        "id": f"/subscriptions/{of.id}/resourceGroups/{name}",
        "name": name,
        "type": "Microsoft.Resources/resourceGroups",
        "location": of.groups[name],
        "properties": {"provisioningState": "Succeeded"},
    }


def us_time(seconds: float) -> str:
    moment = time.gmtime(seconds)
    hour = moment.tm_hour % 12 or 12
    half = "AM" if moment.tm_hour < 12 else "PM"
    return f"{moment.tm_mon}/{moment.tm_mday}/{moment.tm_year} {hour}:{moment.tm_min:02d}:{moment.tm_sec:02d} {half}"


def iso_time() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()) + f".{time.time_ns() % 1_000_000_000 // 100:07d}Z"


def metadata(known: Sequence[Cloud], cloud: Cloud, version: str) -> Any:
    """``/metadata/endpoints``: one object of a cloud since 2022-09-01, a list of clouds in 2019 to 2021."""
    if version < "2022":
        clouds = [cloud] if cloud is known[0] else known[1:]
        if version >= "2019":
            return [_cloud(c) for c in clouds]
        new = _cloud(cloud)  # 2015-01-01
        return {
            "galleryEndpoint": f"https://gallery.{_zone(cloud)}/",
            "graphEndpoint": new["graph"],
            "portalEndpoint": new["portal"],
            "authentication": {k: new["authentication"][k] for k in ("loginEndpoint", "audiences")},
        }
    return _cloud(cloud)


def _zone(cloud: Cloud) -> str:
    return cloud.arm_host.split(".", 1)[1]


def _cloud(cloud: Cloud) -> dict[str, Any]:
    zone = _zone(cloud)
    services = zone.replace("azure.com", "azure.net")
    core = cloud.more_audiences[0].split(".", 1)[1] if cloud.more_audiences else f"core.{zone}"
    audiences = [f"{a}/" for a in (*cloud.more_audiences, f"https://{cloud.arm_host}")]
    if not cloud.more_audiences:
        audiences = [f"https://{cloud.arm_host}"]
    return {
        "portal": f"https://portal.{zone}",
        "authentication": {
            "loginEndpoint": f"https://{cloud.login_host}/",
            "audiences": audiences,
            "tenant": "common",
            "identityProvider": "AAD",
        },
        "media": f"https://rest.media.{services}",
        "graphAudience": "https://graph.windows.net/",
        "graph": "https://graph.windows.net/",
        "name": cloud.name,
        "suffixes": {
            "acrLoginServer": cloud.registry_suffix,
            "storage": core,
            "keyVaultDns": f"vault.{services}",
            "sqlServerHostname": f".{core.replace('core', 'database')}",
        },
        "batch": f"https://batch.{core}/",
        "resourceManager": f"https://{cloud.arm_host}/",
        "activeDirectoryDataLake": f"https://datalake.{zone}/",
        "sqlManagement": f"https://sql.{zone}:8443/",
        "microsoftGraphResourceId": "https://graph.microsoft.com/",
        "vmImageAliasDoc": f"https://aliases.{zone}/aliases.json",
        "gallery": f"https://gallery.{zone}/",
    }
