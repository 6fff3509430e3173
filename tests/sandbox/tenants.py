# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who there is at first: clouds, tenants, subscriptions, principals and their roles."""
from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from .roles import Role, allowed, role

if TYPE_CHECKING:
    from .model import AzureRegistry

TENANT_1 = "aaaaaaaa-0000-4000-8000-000000000001"
TENANT_2 = "bbbbbbbb-0000-4000-8000-000000000002"
SUBSCRIPTION_1 = "11111111-1111-4111-8111-111111111111"
SUBSCRIPTION_2 = "22222222-2222-4222-8222-222222222222"
SUBSCRIPTION_3 = "33333333-3333-4333-8333-333333333333"


@dataclass(frozen=True)
class Cloud:
    """One Azure cloud: where it signs in, manages and keeps registries."""

    name: str
    arm_host: str
    login_host: str
    registry_suffix: str
    more_audiences: tuple[str, ...] = ()

    @property
    def arm_audiences(self) -> tuple[str, ...]:
        """Audiences that Resource Manager accepts, without a trailing slash."""
        return (f"https://{self.arm_host}", *self.more_audiences)


CLOUDS = (
    Cloud("AzureSandbox", "management.azure.test", "login.azure.test", "azurecr.test"),
    Cloud(
        "AzureCloud",
        "management.azure.com",
        "login.microsoftonline.com",
        "azurecr.io",
        ("https://management.core.windows.net",),
    ),
    Cloud(
        "AzureUSGovernment",
        "management.usgovcloudapi.net",
        "login.microsoftonline.us",
        "azurecr.us",
        ("https://management.core.usgovcloudapi.net",),
    ),
    Cloud(
        "AzureChinaCloud",
        "management.chinacloudapi.cn",
        "login.chinacloudapi.cn",
        "azurecr.cn",
        ("https://management.core.chinacloudapi.cn",),
    ),
)


@dataclass(frozen=True)
class Tenant:
    id: str
    domain: str


TENANTS = (Tenant(TENANT_1, "contoso.test"), Tenant(TENANT_2, "fabrikam.test"))


@dataclass
class Subscription:
    id: str
    tenant: str
    name: str
    groups: dict[str, str] = field(default_factory=dict)  # resource group -> location


@dataclass
class Principal:
    """An application or a user. ``grants``: registry name, or ``{subscription}/*`` -> roles, see `roles.role`."""

    name: str
    client_id: str
    tenant: str
    object_id: str
    secrets: list[str] = field(default_factory=list)
    certificates: list[str] = field(default_factory=list)  # PEM, public part
    federated: list[dict[str, str]] = field(default_factory=list)  # {"issuer", "subject", "audience"}
    grants: dict[str, list[str]] = field(default_factory=dict)
    username: str | None = None  # a user's principal name; None for an application
    password: str | None = None

    def roles(self, registry: AzureRegistry) -> list[Role]:
        """Those it has on ``registry``."""
        names = (*self.grants.get(f"{registry.subscription}/*", ()), *self.grants.get(registry.name, ()))
        return [role(name) for name in names]

    def may(self, registry: AzureRegistry, *actions: str) -> bool:
        """Whether Resource Manager lets it do any of ``actions`` to ``registry``."""
        return any(one.may(action) for one in self.roles(registry) for action in actions)

    def rights(self, registry: AzureRegistry) -> set[str]:
        """What it may do with the content of ``registry``."""
        return allowed(self.roles(registry), registry.role_assignment_mode)

    def subscriptions(self, registries: Iterable[AzureRegistry]) -> set[str]:
        """The subscriptions it can see anything of through Resource Manager."""
        seen = {key.split("/")[0] for key, names in self.grants.items() if key.endswith("/*") and names}
        return seen | {registry.subscription for registry in registries if self.may(registry, "read", "write")}


def object_id(client_id: str) -> str:
    """A principal's object ID: another GUID than its client ID, as in Entra, but a foreseeable one."""
    return str(uuid.uuid5(uuid.UUID(client_id), "object"))


def subscriptions() -> list[Subscription]:
    return [
        Subscription(SUBSCRIPTION_1, TENANT_1, "Contoso Registries", {"rg-registries": "westeurope"}),
        Subscription(SUBSCRIPTION_2, TENANT_1, "Contoso Shared", {"rg-shared": "westeurope"}),
        Subscription(SUBSCRIPTION_3, TENANT_2, "Fabrikam", {"rg-fabrikam": "westeurope"}),
    ]


def principals() -> list[Principal]:
    def application(number: int, name: str, tenant: str, secret: str, grants: dict[str, list[str]]) -> Principal:
        client = f"c0000000-0000-4000-8000-{number:012d}"
        return Principal(name, client, tenant, object_id(client), [secret], grants=grants)

    everything = {f"{SUBSCRIPTION_1}/*": ["Contributor"], f"{SUBSCRIPTION_2}/*": ["Contributor"]}
    reading = {f"{SUBSCRIPTION_1}/*": ["Reader"], f"{SUBSCRIPTION_2}/*": ["Reader"]}
    importing = {"contosoprod": ["Container Registry Data Importer and Data Reader"]}
    user = Principal(
        "user",
        "04b07795-8ddb-461a-bbee-02f9e1bf7b46",  # signs in through the Azure CLI's public client
        TENANT_1,
        "d0000000-0000-4000-8000-000000000001",
        grants=dict(everything),
        username="user@contoso.test",
        password="user-password",
    )
    return [
        application(1, "contributor", TENANT_1, "contributor-secret", everything),
        application(2, "reader", TENANT_1, "reader-secret", reading),
        application(3, "importer", TENANT_1, "importer-secret", importing),
        application(4, "nobody", TENANT_1, "nobody-secret", {}),
        application(5, "fabrikam-puller", TENANT_2, "fabrikam-secret", {"fabrikam": ["AcrPull"]}),
        user,
    ]
