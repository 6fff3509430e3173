# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the sandbox knows: clouds, tenants, principals and their rights, registries, operations, tokens, the log.

Every host's app is ``async def handle(state: State, request) -> web.StreamResponse`` and reads and changes this.
An app sets ``request["principal"]`` (a name, for the log); the server has set ``request["class"]`` before.

`seed.seed` makes the registries and fills them.
"""
from __future__ import annotations

import asyncio
import copy
import fnmatch
import secrets
import time
import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from .knobs import Knobs, Throttle

if TYPE_CHECKING:
    from .store import Store

NULL_GUID = "00000000-0000-0000-0000-000000000000"
ACR_AUDIENCE = "https://containerregistry.azure.net"

# The rights a principal can hold on a registry. ``arm_*`` are Resource Manager's, the others the registry's own.
RIGHTS = frozenset({"arm_read", "arm_import", "arm_write", "pull", "push", "metadata_read", "metadata_write", "delete"})
DATA_RIGHTS = RIGHTS - {"arm_read", "arm_import", "arm_write"}
READ_RIGHTS = frozenset({"arm_read", "pull", "metadata_read"})

TENANT_1 = "aaaaaaaa-0000-4000-8000-000000000001"
TENANT_2 = "bbbbbbbb-0000-4000-8000-000000000002"
SUBSCRIPTION_1 = "11111111-1111-4111-8111-111111111111"
SUBSCRIPTION_2 = "22222222-2222-4222-8222-222222222222"
SUBSCRIPTION_3 = "33333333-3333-4333-8333-333333333333"

PREMIUM, STANDARD, BASIC = "Premium", "Standard", "Basic"
# Requests a minute by tier: (reads, writes).
TIER_LIMITS = {BASIC: (1000, 100), STANDARD: (3000, 500), PREMIUM: (10000, 2000)}


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


@dataclass
class Tenant:
    id: str
    domain: str


@dataclass
class Subscription:
    id: str
    tenant: str
    name: str
    groups: dict[str, str] = field(default_factory=dict)  # resource group -> location


@dataclass
class Principal:
    """An application or a user. ``grants``: registry name, or ``{subscription}/*`` -> rights."""

    name: str
    client_id: str
    tenant: str
    object_id: str
    secrets: list[str] = field(default_factory=list)
    certificates: list[str] = field(default_factory=list)  # PEM, public part
    federated: list[dict[str, str]] = field(default_factory=list)  # {"issuer", "subject", "audience"}
    grants: dict[str, set[str]] = field(default_factory=dict)
    username: str | None = None  # a user's principal name; None for an application
    password: str | None = None

    def rights(self, registry: AzureRegistry) -> set[str]:
        """What it may do on ``registry``."""
        return self.grants.get(registry.name, set()) | self.grants.get(f"{registry.subscription}/*", set())

    def subscriptions(self, registries: Iterable[AzureRegistry]) -> set[str]:
        """The subscriptions it can see anything of through Resource Manager."""
        seen = {key.split("/")[0] for key, rights in self.grants.items() if key.endswith("/*") and rights}
        return seen | {r.subscription for r in registries if self.grants.get(r.name, set()) & {"arm_read", "arm_write"}}


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
    abac: bool = False  # RBAC Registry + ABAC: wildcard and catalog scopes are refused
    abac_repositories: dict[str, set[str]] = field(default_factory=dict)  # client id -> repository patterns it may use
    one_scope_per_token: bool = False  # the token endpoint honours only the first scope
    cache_rules: dict[str, str] = field(default_factory=dict)  # target repository pattern -> upstream repository
    referrers_api: bool = True
    flags: dict[str, Any] = field(default_factory=dict)  # further oddities, each named where it is read
    throttles: dict[str, Throttle] = field(default_factory=dict)
    calls_left: dict[str, float] = field(default_factory=dict)  # see acr_tokens

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
    ``flags``: ``hub`` (Docker Hub's ways), ``no_digest_header``, ``head_refused``, ``throttled`` (imports get HAP429).
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
    flags: dict[str, Any] = field(default_factory=dict)

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
        return not self.flags.get("hub") or repository in self.store.repo_times


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


class TokenError(Exception):
    """A token that does not hold. ``reason``: malformed, signature, expired, audience, tenant."""

    def __init__(self, reason: str, claims: dict[str, Any] | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.claims = claims or {}


class Signer:
    """Issues RS256 tokens and checks them. One key serves the authority and the registries."""

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.public_key = self.key.public_key()
        self.kid = secrets.token_urlsafe(20)
        self._checked: dict[str, dict[str, Any]] = {}

    def issue(self, claims: dict[str, Any]) -> str:
        """A signed token with exactly these claims (times as seconds since the epoch)."""
        token = jwt.encode(claims, self.key, algorithm="RS256", headers={"kid": self.kid, "x5t": self.kid})
        self._remember(token, claims)
        return token

    def check(self, token: str, audiences: Iterable[str] | None = None) -> dict[str, Any]:
        """The token's claims, or TokenError. Audiences are compared without a trailing slash."""
        claims = self._checked.get(token)
        if claims is None:
            try:
                claims = jwt.decode(
                    token,
                    self.public_key,
                    algorithms=["RS256"],
                    options={"verify_aud": False, "verify_exp": False, "verify_nbf": False, "verify_iat": False},
                )
            except jwt.InvalidSignatureError:
                raise TokenError("signature") from None
            except jwt.PyJWTError:
                raise TokenError("malformed") from None
            self._remember(token, claims)
        if claims.get("exp", 0) <= time.time():
            raise TokenError("expired", claims)
        if audiences is not None and str(claims.get("aud", "")).rstrip("/") not in {a.rstrip("/") for a in audiences}:
            raise TokenError("audience", claims)
        return claims

    def _remember(self, token: str, claims: dict[str, Any]) -> None:
        # Checking an RSA signature for each of thousands of requests would measure the sandbox, not the client.
        if len(self._checked) > 20_000:
            self._checked.clear()
        self._checked[token] = claims

    def jwks(self) -> dict[str, Any]:
        key = jwt.algorithms.RSAAlgorithm.to_jwk(self.public_key, as_dict=True)
        return {"keys": [{"kty": "RSA", "use": "sig", "kid": self.kid, "x5t": self.kid, "n": key["n"], "e": key["e"]}]}

    def public_pem(self) -> str:
        return self.public_key.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        ).decode()


class RequestLog:
    """Every request the sandbox saw, in order."""

    FIELDS = (
        "n", "time", "host", "method", "path", "query", "status", "seconds", "class", "principal", "bytes_header",
        "authorization",
    )  # fmt: skip

    def __init__(self) -> None:
        self._rows: list[tuple[Any, ...]] = []
        self._next = 1

    def add(self, *row: Any) -> None:
        """Append FIELDS but the number; ``authorization`` is that header's scheme in lower case, empty without one."""
        self._rows.append((self._next, *row))
        self._next += 1

    def clear(self) -> None:
        self._rows.clear()

    def since(self, number: int) -> list[dict[str, Any]]:
        return [dict(zip(self.FIELDS, row)) for row in self._rows if row[0] > number]


def new_id() -> str:
    return str(uuid.uuid4())


def object_id(client_id: str) -> str:
    """A principal's object ID: another GUID than its client ID, as in Entra, but a foreseeable one."""
    return str(uuid.uuid5(uuid.UUID(client_id), "object"))


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


# What a test may change of each and `State.restore` puts back.
_SETTINGS: dict[type, tuple[str, ...]] = {
    AzureRegistry: (
        "sku", "tags", "properties", "tokens", "abac", "abac_repositories", "one_scope_per_token", "cache_rules",
        "referrers_api", "flags",
    ),
    Upstream: ("users", "private", "flags"),
    Principal: ("secrets", "certificates", "federated", "grants", "password"),
}  # fmt: skip


class State:
    """The whole sandbox. All of it lives on one event loop, so nothing here takes a lock."""

    client_address = "203.0.113.10"  # the public address clients seem to come from (registry firewalls see it)

    def __init__(self, root: Path) -> None:
        self.root = root
        self.knobs = Knobs()
        self.log = RequestLog()
        self.signer = Signer()
        self.clouds = CLOUDS
        self.tenants = {t.id: t for t in (Tenant(TENANT_1, "contoso.test"), Tenant(TENANT_2, "fabrikam.test"))}
        self.subscriptions = {
            s.id: s
            for s in (
                Subscription(SUBSCRIPTION_1, TENANT_1, "Contoso Registries", {"rg-registries": "westeurope"}),
                Subscription(SUBSCRIPTION_2, TENANT_1, "Contoso Shared", {"rg-shared": "westeurope"}),
                Subscription(SUBSCRIPTION_3, TENANT_2, "Fabrikam", {"rg-fabrikam": "westeurope"}),
            )
        }
        self.principals: dict[str, Principal] = {p.name: p for p in _principals()}
        self.registries: dict[str, AzureRegistry] = {}  # by name
        self.registry_hosts: dict[str, AzureRegistry] = {}  # by host name, regional endpoints included
        self.upstreams: dict[str, Upstream] = {}  # by host name: the registry's, its aliases, its token service
        self.operations: dict[str, Operation] = {}
        self.arm_throttles: dict[tuple[str, str, str], Throttle] = {}  # limit, subscription, principal
        self.tasks: set[asyncio.Task[None]] = set()  # running imports and moving tags
        self.msi_system: str | None = "contributor"  # principal behind the managed identity endpoint
        self._pristine: dict[int, dict[str, Any]] = {}
        self.msi_header = secrets.token_hex(16)

    # ---- registries -------------------------------------------------------------------------------------------

    async def create_registry(
        self,
        name: str,
        subscription: str = SUBSCRIPTION_1,
        group: str | None = None,
        location: str = "westeurope",
        sku: str = PREMIUM,
        cloud: str = "AzureSandbox",
        login_server: str | None = None,
        properties: dict[str, Any] | None = None,
        **more: Any,
    ) -> AzureRegistry:
        """Make an empty Azure registry with a running store. ``more``: further AzureRegistry fields."""
        from .store import Store

        if name in self.registries:
            raise ValueError(f"registry {name} exists")
        home = self.subscriptions[subscription]
        group = group or next(iter(home.groups))
        home.groups.setdefault(group, location)
        at = next(c for c in self.clouds if c.name == cloud)
        host = login_server or f"{name}.{at.registry_suffix}"
        store = Store(name, self.root / "registries" / name)
        registry = AzureRegistry(name, subscription, group, location, home.tenant, at, store, sku, **more)
        registry.properties = merge(registry_properties(host, sku, location, at), properties or {})
        self.registries[name] = registry
        for alias in registry.hosts:
            self.registry_hosts[alias] = registry
        await store.start()
        self._pristine[id(registry)] = copy.deepcopy({k: getattr(registry, k) for k in _SETTINGS[AzureRegistry]})
        return registry

    def add_upstream(self, upstream: Upstream) -> None:
        """Serve ``upstream`` (its store is running) under its host, its aliases and its token service's host."""
        for host in (upstream.host, *upstream.aliases, *([upstream.token_host] if upstream.token_host else [])):
            self.upstreams[host] = upstream

    def remember(self) -> None:
        """Take everything but contents as it stands for what `restore` goes back to."""
        for thing in (*self.registries.values(), *self.upstreams.values(), *self.principals.values()):
            self._pristine[id(thing)] = copy.deepcopy({k: getattr(thing, k) for k in _SETTINGS[type(thing)]})

    def restore(self) -> None:
        """Undo what was changed of registries, upstreams and principals since `remember`; contents stay."""
        for thing in (*self.registries.values(), *self.upstreams.values(), *self.principals.values()):
            for name, value in copy.deepcopy(self._pristine.get(id(thing), {})).items():
                setattr(thing, name, value)
        for registry in self.registries.values():
            registry.throttles.clear()
            registry.calls_left.clear()
        self.arm_throttles.clear()

    def registry_by_id(self, resource_id: str) -> AzureRegistry | None:
        wanted = resource_id.lower().rstrip("/")
        return next((r for r in self.registries.values() if r.resource_id.lower() == wanted), None)

    def store_of(self, host_or_name: str) -> Store:
        """The store behind an Azure registry's name, or any registry's host name. KeyError when unknown."""
        host = host_or_name.split(":")[0]
        if host in self.registries:
            return self.registries[host].store
        if host in self.registry_hosts:
            return self.registry_hosts[host].store
        return self.upstreams[host].store

    # ---- who asks ---------------------------------------------------------------------------------------------

    def tenant(self, name: str) -> Tenant | None:
        """By ID or domain."""
        return next((t for t in self.tenants.values() if name.lower() in (t.id, t.domain)), None)

    def principal_by_client(self, client_id: str) -> Principal | None:
        return next((p for p in self.principals.values() if p.client_id == client_id and p.username is None), None)

    def principal_by_object(self, oid: str | None) -> Principal | None:
        return next((p for p in self.principals.values() if p.object_id == oid), None)

    def cloud_of(self, host: str) -> Cloud | None:
        """The cloud whose Resource Manager or authority this host is."""
        return next((c for c in self.clouds if host in (c.arm_host, c.login_host)), None)

    def entra_identity(self, registry: AzureRegistry, token: str, kind: str = "access_token") -> Identity:
        """Who an Entra token shows to ``registry``. TokenError: malformed, signature, expired, audience, tenant.

        A ``refresh_token`` is for no audience. Of an access token, Resource Manager's holds only where the registry's
        azureADAuthenticationAsArmPolicy is enabled.
        """
        arm = registry.cloud.arm_audiences if registry.arm_audience_tokens else ()
        # flags["audience"]: a registry off Azure (Azure Local) that knows one audience of its own only
        own = registry.flags.get("audience")
        audiences = (own,) if own else (ACR_AUDIENCE, *arm)
        claims = self.signer.check(token, None if kind == "refresh_token" else audiences)
        if (claims.get("use") == "refresh") != (kind == "refresh_token"):
            raise TokenError("malformed", claims)
        if claims.get("tid") != registry.tenant:
            raise TokenError("tenant", claims)
        principal = self.principal_by_object(claims.get("oid"))
        if principal is None:
            raise TokenError("malformed", claims)
        return self.principal_identity(registry, principal)

    def principal_identity(self, registry: AzureRegistry, principal: Principal) -> Identity:
        def allowed(repository: str) -> set[str]:
            rights = principal.rights(registry) & DATA_RIGHTS
            if registry.abac:
                patterns = registry.abac_repositories.get(principal.client_id)
                if not repository:
                    return set()
                if patterns is not None and not any(fnmatch.fnmatchcase(repository, p) for p in patterns):
                    return set()
            return rights

        return Identity(principal.name, principal.tenant, allowed, principal.client_id)

    def password_identity(self, registry: AzureRegistry, username: str, password: str) -> Identity | None:
        """Who a user name and a password show to ``registry``: a scoped token, an application, the admin user.

        Tokens as the password of the null GUID are the registry's own business (it issued them).
        """
        token = registry.tokens.get(username)
        if token is not None and password in token.passwords:
            scopes = token.scopes

            def scoped(repository: str) -> set[str]:
                return {a for p, actions in scopes.items() if fnmatch.fnmatchcase(repository, p) for a in actions}

            return Identity(username, None, scoped)
        principal = self.principal_by_client(username)
        if principal is not None and principal.tenant == registry.tenant and password in principal.secrets:
            return self.principal_identity(registry, principal)
        return None

    def anonymous_identity(self, registry: AzureRegistry) -> Identity:
        open_rights = {"pull", "metadata_read"} if registry.anonymous_pull else set()
        return Identity("anonymous", None, lambda repository: set(open_rights) if repository else set())

    def run(self, work: Any) -> asyncio.Task[None]:
        """Run a coroutine in the background until it ends or the sandbox does."""
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task


def merge(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """``base`` with ``changes`` laid over it, objects merged deeply, null kept as null."""
    merged = dict(base)
    for key, value in changes.items():
        old = merged.get(key)
        merged[key] = merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def _principals() -> list[Principal]:
    def application(number: int, name: str, tenant: str, secret: str, grants: dict[str, set[str]]) -> Principal:
        client = f"c0000000-0000-4000-8000-{number:012d}"
        return Principal(name, client, tenant, object_id(client), [secret], grants=grants)

    everything = {f"{SUBSCRIPTION_1}/*": set(RIGHTS), f"{SUBSCRIPTION_2}/*": set(RIGHTS)}
    reading = {f"{SUBSCRIPTION_1}/*": set(READ_RIGHTS), f"{SUBSCRIPTION_2}/*": set(READ_RIGHTS)}
    importing = {"contosoprod": {"arm_read", "arm_import", "pull", "metadata_read"}}
    user = Principal(
        "user",
        "04b07795-8ddb-461a-bbee-02f9e1bf7b46",  # signs in through the Azure CLI's public client
        TENANT_1,
        "d0000000-0000-4000-8000-000000000001",
        grants={k: set(v) for k, v in everything.items()},
        username="user@contoso.test",
        password="user-password",
    )
    return [
        application(1, "contributor", TENANT_1, "contributor-secret", everything),
        application(2, "reader", TENANT_1, "reader-secret", reading),
        application(3, "importer", TENANT_1, "importer-secret", importing),
        application(4, "nobody", TENANT_1, "nobody-secret", {}),
        application(5, "fabrikam-puller", TENANT_2, "fabrikam-secret", {"fabrikam": {"pull", "metadata_read"}}),
        user,
    ]
