# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All that the sandbox knows at one time, and who may do what.

Every host's app is ``async def handle(state: State, request) -> web.StreamResponse`` and reads and changes this.
An app sets ``request["principal"]`` (a name, for the log); the server has set ``request["class"]`` before.

`seed.seed` makes the registries and fills them.
"""
from __future__ import annotations

import asyncio
import copy
import fnmatch
import secrets
from pathlib import Path
from typing import Any

from .knobs import Knobs, Throttle
from .log import RequestLog
from .model import ACR_AUDIENCE, PREMIUM, AzureRegistry, Identity, Operation, Upstream, registry_properties
from .roles import ABAC
from .settings import merge
from .store import Store
from .tenants import CLOUDS, SUBSCRIPTION_1, TENANTS, Cloud, Principal, Tenant, principals, subscriptions
from .tokens import Signer, TokenError

# What a test may change of each and `State.restore` puts back.
_SETTINGS: dict[type, tuple[str, ...]] = {
    AzureRegistry: (
        "sku", "tags", "properties", "tokens", "abac_repositories", "one_scope_per_token", "cache_rules",
        "referrers_api", "flags", "modified", "patching",
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
        self.tenants = {tenant.id: tenant for tenant in TENANTS}
        self.subscriptions = {subscription.id: subscription for subscription in subscriptions()}
        self.principals = {principal.name: principal for principal in principals()}
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

    async def delete_registry(self, registry: AzureRegistry) -> None:
        """Make a registry vanish, with its contents and what is known of its imports."""
        del self.registries[registry.name]
        self._pristine.pop(id(registry), None)
        for alias in registry.hosts:
            del self.registry_hosts[alias]
        self.operations = {number: one for number, one in self.operations.items() if one.registry != registry.name}
        await registry.store.stop()

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
        own = registry.flags.audience
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
            rights = principal.rights(registry)
            if not repository:
                return {"metadata_read"} | rights if "catalog" in rights else rights - {"metadata_read"}
            patterns = registry.abac_repositories.get(principal.client_id)
            if registry.role_assignment_mode == ABAC and patterns is not None:
                if not any(fnmatch.fnmatchcase(repository, pattern) for pattern in patterns):
                    return set()
            return rights - {"catalog"}

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
        return Identity("anonymous", None, lambda repository: set(open_rights))

    def run(self, work: Any) -> asyncio.Task[None]:
        """Run a coroutine in the background until it ends or the sandbox does."""
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task
