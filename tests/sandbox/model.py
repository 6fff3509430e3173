# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the sandbox is made of: registries, who asks them, imports."""
from __future__ import annotations

import fnmatch
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .flags import RegistryFlags, UpstreamFlags
from .knobs import Throttle
from .tenants import Cloud

if TYPE_CHECKING:
    from .store import Store

ACR_AUDIENCE = "https://containerregistry.azure.net"
PREMIUM, STANDARD, BASIC = "Premium", "Standard", "Basic"
# Requests a minute by tier: (reads, writes).
TIER_LIMITS = {BASIC: (1000, 100), STANDARD: (3000, 500), PREMIUM: (10000, 2000)}


@dataclass
class ScopedToken:
    """A repository-scoped token (or the admin user) of one registry: repository pattern -> actions."""

    passwords: list[str]
    scopes: dict[str, set[str]]


@dataclass
class AzureRegistry:
    """One Azure registry.

    ``properties`` is the ARM resource's ``properties`` object, exactly as ``GET`` shows it; PATCH merges into it.
    """

    name: str
    subscription: str
    group: str
    location: str
    tenant: str
    cloud: Cloud
    store: Store
    sku: str = PREMIUM
    tags: dict[str, str] = field(default_factory=dict)
    properties: dict[str, Any] = field(default_factory=dict)
    tokens: dict[str, ScopedToken] = field(default_factory=dict)  # user name -> scoped token
    # The conditions of role assignments, for client IDs that have any: patterns of the repositories they may use. Only a
    # registry with ABAC heeds them.
    abac_repositories: dict[str, set[str]] = field(default_factory=dict)
    one_scope_per_token: bool = False  # the token endpoint honours only the first scope
    cache_rules: dict[str, str] = field(default_factory=dict)  # target repository pattern -> upstream repository
    referrers_api: bool = True
    flags: RegistryFlags = field(default_factory=RegistryFlags)
    modified: tuple[str, str] | None = None  # when it was last changed by a PATCH, and by which client ID
    patching: str = ""  # the number of the PATCH under way
    throttles: dict[str, Throttle] = field(default_factory=dict)
    calls_left: dict[str, float] = field(default_factory=dict)  # see acr.tokens

    @property
    def login_server(self) -> str:
        return self.properties["loginServer"]

    @property
    def resource_id(self) -> str:
        return (
            f"/subscriptions/{self.subscription}/resourceGroups/{self.group}"
            f"/providers/Microsoft.ContainerRegistry/registries/{self.name}"
        )

    @property
    def hosts(self) -> list[str]:
        """All host names it answers under: login server, regional endpoint."""
        suffix = self.cloud.registry_suffix
        label = self.login_server[: -len(suffix) - 1]
        return [self.login_server, f"{label}.{self.location}.geo.{suffix}"]

    @property
    def arm_audience_tokens(self) -> bool:
        """Are tokens for the Resource Manager audience accepted at /oauth2/exchange?"""
        return self.properties["policies"]["azureADAuthenticationAsArmPolicy"]["status"] == "enabled"

    @property
    def role_assignment_mode(self) -> str:
        return self.properties["roleAssignmentMode"]

    @property
    def anonymous_pull(self) -> bool:
        return bool(self.properties.get("anonymousPullEnabled"))

    @property
    def bypass(self) -> bool:
        """May Azure's own services pass the firewall?"""
        return self.properties.get("networkRuleBypassOptions") == "AzureServices"

    def open_to(self, address: str) -> bool:
        """May a client at this public address reach the registry's public endpoint?"""
        if self.properties.get("publicNetworkAccess") == "Disabled":
            return False
        rules = self.properties.get("networkRuleSet") or {}
        if rules.get("defaultAction") != "Deny":
            return True
        return any(rule.get("value", "").split("/")[0] == address for rule in rules.get("ipRules") or [])

    def cache_rule(self, repository: str) -> str | None:
        """The cache rule's pattern that covers ``repository``, or None."""
        return next((p for p in self.cache_rules if fnmatch.fnmatchcase(repository, p)), None)


@dataclass
class Identity:
    """Who asks a registry, and what that one may do: the outcome of a sign-in."""

    name: str
    tenant: str | None
    allowed: Callable[[str], set[str]]  # repository ("" for the registry's catalog) -> data rights
    client_id: str | None = None  # of an application or user


@dataclass
class Upstream:
    """A registry that is not Azure's: Docker Hub, MCR, a private one.

    ``kind``: ``open`` (no challenge), ``bearer`` (token service at ``token_host``), ``basic``.
    ``private``: repository prefixes that need a sign-in; ``[""]`` means all.
    """

    host: str
    store: Store
    kind: str = "open"
    port: int = 443
    aliases: tuple[str, ...] = ()
    token_host: str | None = None
    service: str | None = None
    users: dict[str, str] = field(default_factory=dict)
    private: tuple[str, ...] = ()
    flags: UpstreamFlags = field(default_factory=UpstreamFlags)

    @property
    def netloc(self) -> str:
        return self.host if self.port == 443 else f"{self.host}:{self.port}"

    def may_pull(self, repository: str, username: str | None, password: str | None) -> bool:
        """May this user (None: nobody) pull? A wrong password is refused everywhere; a bare token is a password."""
        if password is not None:
            known = self.users.get(username) == password if username else password in self.users.values()
            if not known:
                return False
        elif any(repository.startswith(prefix) for prefix in self.private):
            return False
        # Docker Hub does not tell a repository that isn't there from one that is private.
        return not self.flags.hub or repository in self.store.repo_times


@dataclass
class Operation:
    """One import, as Resource Manager follows it."""

    id: str
    registry: str
    body: dict[str, Any]
    principal: str
    started: float  # seconds since the epoch
    targets: list[str] = field(default_factory=list)
    api_version: str = ""
    status: str = "Accepted"  # Accepted, Succeeded, Failed
    error: dict[str, Any] | None = None  # the whole answer's body
    digest: str | None = None
    finished: float | None = None
    visible: float | None = None  # when the registry showed it
    polls: int = 0
    show_entries: bool = True

    def as_json(self) -> dict[str, Any]:
        return {k: getattr(self, k) for k in (
            "id", "registry", "body", "principal", "started", "targets", "api_version", "status", "error", "digest",
            "finished", "visible", "polls",
        )}  # fmt: skip


def registry_properties(login_server: str, sku: str, location: str, cloud: Cloud) -> dict[str, Any]:
    """The ``properties`` of a new registry as Resource Manager shows them in 2026."""
    label = login_server[: -len(cloud.registry_suffix) - 1]
    properties: dict[str, Any] = {
        "loginServer": login_server,
        "creationDate": "2025-11-03T09:12:44.1234567Z",
        "provisioningState": "Succeeded",
        "adminUserEnabled": False,
        "policies": {
            "quarantinePolicy": {"status": "disabled"},
            "trustPolicy": {"type": "Notary", "status": "disabled"},
            "retentionPolicy": {
                "days": 7,
                "lastUpdatedTime": "2025-11-03T09:12:51.7654321+00:00",
                "status": "disabled",
            },
            "exportPolicy": {"status": "enabled"},
            "azureADAuthenticationAsArmPolicy": {"status": "enabled"},
            "softDeletePolicy": {
                "retentionDays": 7,
                "lastUpdatedTime": "2025-11-03T09:12:51.7654321+00:00",
                "status": "disabled",
            },
        },
        "encryption": {"status": "disabled"},
        "dataEndpointEnabled": False,
        "dataEndpointHostNames": [],
        "regionalEndpoints": "Disabled",
        "regionalEndpointHostNames": [f"{label}.{location}.geo.{cloud.registry_suffix}"],
        "endpointProtocol": "IPv4",
        "privateEndpointConnections": [],
        "publicNetworkAccess": "Enabled",
        "networkRuleBypassOptions": "AzureServices",
        "networkRuleBypassAllowedForTasks": False,
        "zoneRedundancy": "Disabled",
        "anonymousPullEnabled": False,
        "metadataSearch": "Disabled",
        "roleAssignmentMode": "LegacyRegistryPermissions",
        "autoGeneratedDomainNameLabelScope": "Unsecure",
    }
    if sku == PREMIUM:
        properties["networkRuleSet"] = {"defaultAction": "Allow", "ipRules": []}
    return properties
