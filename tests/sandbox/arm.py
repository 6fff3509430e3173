# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Azure Resource Manager: cloud metadata, subscriptions, registries, and the import operation.

Flags of a registry that are read here: ``locks_under_force`` and ``locks_without_force`` (see LOCKS).
"""
from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import re
import secrets
import time
from typing import Any
from urllib.parse import quote

from aiohttp import web

from . import acr, lies, oci
from .knobs import ImportFault, Throttle
from .source import SERVICE_ADDRESS, Found, SourceFailure, resolve_source, split_image
from .state import (
    DATA_RIGHTS,
    PREMIUM,
    AzureRegistry,
    Cloud,
    Operation,
    Principal,
    ScopedToken,
    State,
    Subscription,
    TokenError,
    merge,
    new_id,
)
from .unrecorded import NOT_RECORDED

PROVIDER = "Microsoft.ContainerRegistry"
API_VERSIONS = "2017-10-01, 2019-05-01, 2022-12-01, 2023-07-01, 2025-04-01, 2025-11-01, 2026-09-01-preview"
ABAC = "AbacRepositoryPermissions"
MAX_MANIFESTS = 50
# A failed import shows after this long at most: Azure looks before it copies.
FAIL_SECONDS = 0.3

_DISALLOWED = oci.errors("REGISTRY_DISALLOWED_OPERATION", oci.DISALLOWED, {}).decode().rstrip("\n")
_UNAUTHORIZED = '{"errors":[{"code":"UNAUTHORIZED","message":"authentication required","detail":null}]}'
_DENIED = '{"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]}'

# How Azure words the failure of an import. {source}: registry/repository, {tag}, {digest}, {target}: the target
# registry's login server, {image}: the target, {body}: what the source answered.
FAILURES = {
    **NOT_RECORDED["import"],
    "source_missing": "Unable to find manifest digest  Repo: {source} Tag: {tag} Manifest: {digest}",
    "tag_exists": "Tag {image} already exists in target registry.",
    "tag_exists_2019": "{image} Tag {image} already exists in target registry.",
    "unauthorized": "Invalid message Unauthorized Unauthorized {body}",
    "access_denied": "Access to {target} denied.",
    "firewall": "Invalid message Forbidden Forbidden {body}",
    "throttled": "Invalid message 429 Too Many Requests Too Many Requests (HAP429).",
    "no_digest": "No value specified for Docker-Content-Digest OK OK {body}",
    "copying_blobs": "Error copying blobs",
}
# How Azure refuses all writes to a subscription or a registry (knobs.refusals): code -> status and text. {scope}: the
# registry's resource ID, {subscription}: the ID alone, {name}: the registry's.
REFUSALS = {
    "ScopeLocked": (
        409,
        "The scope '{scope}' cannot perform write operation because following scope(s) are locked: '{scope}'. Please "
        "remove the lock and try again.",
    ),
    **{
        code: (409 if "Subscription" in code else 403, text)
        for code, text in NOT_RECORDED["arm"].items()
        if code[0].isupper()
    },
}
# The locks (``writeEnabled`` false) that an import heeds: of a tag, a manifest, a repository. A forced import was seen to
# move a locked tag; all else about locks and imports is unknown.
LOCKS = {"locks_under_force": [], "locks_without_force": ["manifest", "repository"]}
# Properties whose PATCH, if it names no others, was answered 200 each time.
_NETWORK = {"publicNetworkAccess", "networkRuleBypassOptions", "networkRuleBypassAllowedForTasks", "networkRuleSet"}
_SOURCE_KINDS = {"not_found": "source_missing"}  # other kinds of SourceFailure are keys of FAILURES already

_REPOSITORY = re.compile(r"^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*$")
_TAG = re.compile(r"^\w[\w.-]{0,127}$", re.ASCII)
_DIGEST = re.compile(r"^sha256:[0-9a-f]{64}$")
_HOST = re.compile(r"^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+(:\d+)?$")

_SIGNING_KEY = secrets.token_bytes(32)
_CERTIFICATE = secrets.token_urlsafe(6000)

# Buckets for the count-down headers while no limit is set.
_ARM_DEFAULTS = {
    "arm_reads": {"capacity": 1100, "refill": 25},
    "arm_writes": {"capacity": 800, "refill": 10},
    "arm_deletes": {"capacity": 800, "refill": 10},
}


class _Problem(Exception):
    """An error answer: status, body, further headers."""

    def __init__(self, status: int, body: dict[str, Any] | None, headers: dict[str, str] | None = None) -> None:
        super().__init__(str(body))
        self.status, self.body, self.headers = status, body, headers or {}


def _error(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> _Problem:
    return _Problem(status, {"error": {"code": code, "message": message}}, headers)


async def handle(state: State, request: web.BaseRequest) -> web.StreamResponse:
    """One request to a Resource Manager host."""
    cloud = state.cloud_of(request.host.rsplit(":", 1)[0].lower())
    assert cloud is not None
    headers = {
        "Cache-Control": "no-cache",
        "Pragma": "no-cache",
        "Expires": "-1",
        "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
        "X-Content-Type-Options": "nosniff",
        "x-ms-request-id": new_id(),
        "x-ms-correlation-request-id": request.headers.get("x-ms-correlation-request-id") or new_id(),
    }
    headers["x-ms-routing-request-id"] = (
        f"WESTEUROPE:{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime())}:{headers['x-ms-request-id']}"
    )
    if "x-ms-client-request-id" in request.headers:
        headers["x-ms-client-request-id"] = request.headers["x-ms-client-request-id"]
    try:
        status, body, more = await _Call(state, request, cloud, headers).answer()
    except _Problem as problem:
        status, body, more = problem.status, problem.body, problem.headers
    headers.update(more)
    payload = b"" if body is None else _encode(body)
    if payload:
        headers["Content-Type"] = "application/json; charset=utf-8"
    return web.Response(status=status, body=payload, headers=headers)


_Answer = tuple[int, Any, dict[str, str]]


class _Call:
    """One request, once who asks is known."""

    def __init__(self, state: State, request: web.BaseRequest, cloud: Cloud, headers: dict[str, str]) -> None:
        self.state = state
        self.request = request
        self.cloud = cloud
        self.headers = headers
        self.principal: Principal

    async def answer(self) -> _Answer:
        request = self.request
        parts = request.path.strip("/").split("/")
        low = [p.lower() for p in parts]
        if low == ["metadata", "endpoints"]:
            return 200, _metadata(self.state, self.cloud, request.query.get("api-version", "")), {}
        self._authenticate(low[1] if low[0] == "subscriptions" and len(low) > 1 else None)
        if "api-version" not in request.query:
            raise _error(
                400,
                "MissingApiVersionParameter",
                "The api-version query parameter (?api-version=) is required for all requests.",
            )
        if low == ["tenants"]:
            tenant = self.state.tenants[self.principal.tenant]
            return 200, {"value": [_tenant(tenant.id, tenant.domain)]}, {}
        if low[0] != "subscriptions":
            raise self._no_route()
        visible = self.principal.subscriptions(self.state.registries.values())
        if len(low) == 1:
            found = [_subscription(s) for s in self.state.subscriptions.values() if s.id in visible]
            return 200, {"value": found, "count": {"type": "Total", "value": len(found)}}, {}
        subscription = self.state.subscriptions[low[1]]
        self._limit(subscription)
        rest, low = parts[2:], low[2:]
        if low[:1] == ["providers"] and low[2:3] == ["locations"] and len(low) == 6:
            if low[4] == "operationresults":
                return self._poll(rest[5])
        if low in ([], ["resources"], ["resourcegroups"], ["providers", PROVIDER.lower(), "registries"]):
            if request.method != "GET":
                raise self._no_route()
            if subscription.id not in visible:
                scope = f"/subscriptions/{subscription.id}"
                raise self._forbidden("Microsoft.Resources/subscriptions/read" if not low else _list_action(low), scope)
            if not low:
                return 200, _subscription(subscription), {}
            if low == ["resourcegroups"]:
                groups = [_group(subscription, g) for g in subscription.groups]
                return 200, {"value": groups}, {}
            return 200, {"value": self._list(low, self._readable(subscription, None))}, {}
        if low[0] == "resourcegroups" and len(low) >= 2:
            return await self._in_group(subscription, rest, low)
        raise self._no_route()

    # ---- who asks, how often ------------------------------------------------------------------------------------

    def _authenticate(self, subscription_id: str | None) -> None:
        scheme, _space, token = self.request.headers.get("Authorization", "").partition(" ")
        subscription = self.state.subscriptions.get(subscription_id or "")
        tenant = subscription.tenant if subscription else "common"
        login = f"https://{self.cloud.login_host}/{tenant}"
        challenge = {
            "WWW-Authenticate": f'Bearer authorization_uri="{login}", error="invalid_token", '
            'error_description="The access token is missing or invalid."',
            "x-ms-failure-cause": "gateway",
        }
        if not token or scheme.lower() != "bearer":
            raise _error(
                401,
                "AuthenticationFailed",
                "Authentication failed. The 'Authorization' header is missing or the access token is invalid.",
                challenge,
            )
        try:
            claims = self.state.signer.check(token, self.cloud.arm_audiences)
        except TokenError as problem:
            raise self._bad_token(problem, challenge) from None
        principal = self.state.principal_by_object(claims.get("oid"))
        if principal is None:
            raise _error(401, "InvalidAuthenticationToken", "The access token is invalid.", challenge)
        self.principal = principal
        self.request["principal"] = principal.name
        if subscription_id is None:
            return
        if subscription is None:
            raise _error(
                404,
                "SubscriptionNotFound",
                f"The subscription '{subscription_id}' could not be found.",
                {"x-ms-failure-cause": "gateway"},
            )
        if claims.get("tid") != subscription.tenant:
            raise _error(
                401,
                "InvalidAuthenticationTokenTenant",
                f"The access token is from the wrong issuer 'https://sts.windows.net/{claims.get('tid')}/'. It must "
                f"match the tenant 'https://sts.windows.net/{subscription.tenant}/' associated with this "
                f"subscription. Please use the authority (URL) '{login}' to get the token. Note, if the subscription "
                "is transferred to another tenant there is no impact to the services, but information about new "
                "tenant could take time to propagate (up to an hour). If you just transferred your subscription and "
                "see this error message, please try back later.",
                challenge,
            )

    def _bad_token(self, problem: TokenError, challenge: dict[str, str]) -> _Problem:
        if problem.reason == "expired":
            expiry = _us_time(problem.claims.get("exp", 0))
            return _error(
                401,
                "ExpiredAuthenticationToken",
                f"The access token expiry UTC time '{expiry}' is earlier than current UTC time "
                f"'{_us_time(time.time())}'.",
                challenge,
            )
        if problem.reason == "audience":
            allowed = ",".join(f"{a}/,{a}" for a in self.cloud.arm_audiences)
            return _error(
                401,
                "InvalidAuthenticationTokenAudience",
                "The access token has been obtained for wrong audience or resource "
                f"'{problem.claims.get('aud')}'. It should exactly match with one of the allowed audiences "
                f"'{allowed}'.",
                challenge,
            )
        return _error(401, "InvalidAuthenticationToken", "The access token is invalid.", challenge)

    def _limit(self, subscription: Subscription) -> None:
        """Take one from the bucket, set the count-down headers; 429 when a limit is set and used up."""
        method = self.request.method
        kind = {"GET": "reads", "HEAD": "reads", "DELETE": "deletes"}.get(method, "writes")
        name = f"arm_{kind}"
        limit = self.state.knobs.limits[name]
        spec = limit or _ARM_DEFAULTS[name]
        key = (name, subscription.id, self.principal.client_id)
        throttle = self.state.arm_throttles.get(key)
        if throttle is None or throttle.spec != spec:
            throttle = self.state.arm_throttles[key] = Throttle(spec)
        wait = throttle.take()
        prefix = "x-ms-ratelimit-remaining-subscription"
        self.headers[f"{prefix}-{kind}"] = str(int(throttle.left))
        # The subscription's own bucket is fifteen times a principal's.
        self.headers[f"{prefix}-global-{kind}"] = str(int(throttle.capacity * 14 + throttle.left))
        if wait and limit:
            seconds = max(1, round(wait + 0.499))
            operation = re.sub(r"/[0-9a-f-]{36}", "", self.request.path, count=1).upper()
            raise _error(
                429,
                "SubscriptionRequestsThrottled",
                f"Number of requests for subscription '{subscription.id}' and operation '{method}{operation}' "
                f"exceeded the backend storage limit. Please try again after '{seconds}' seconds.",
                {"Retry-After": str(seconds), "x-ms-failure-cause": "gateway"},
            )

    def _forbidden(self, action: str, scope: str) -> _Problem:
        who = self.principal
        return _error(
            403,
            "AuthorizationFailed",
            f"The client '{who.username or who.client_id}' with object id '{who.object_id}' does not have "
            f"authorization to perform action '{action}' over scope '{scope}' or the scope is invalid. If access was "
            "recently granted, please refresh your credentials.",
            {"x-ms-failure-cause": "gateway"},
        )

    def _no_route(self) -> _Problem:
        return _error(
            404,
            "InvalidResourceType",
            f"The resource type could not be found for '{self.request.method} {self.request.path}'.",
            {"x-ms-failure-cause": "gateway"},
        )

    # ---- registries ---------------------------------------------------------------------------------------------

    def _readable(self, subscription: Subscription, group: str | None) -> list[AzureRegistry]:
        return [
            r
            for r in self.state.registries.values()
            if r.subscription == subscription.id
            and r.cloud is self.cloud
            and (group is None or r.group.lower() == group)
            and "arm_read" in self.principal.rights(r)
        ]

    def _list(self, low: list[str], registries: list[AzureRegistry]) -> list[dict[str, Any]]:
        if low[-1] == "registries":
            return [resource(r) for r in registries]
        text = self.request.query.get("$filter", "")
        wanted = {}
        for clause in filter(None, re.split(r"\s+and\s+", text.strip("() "))):
            found = re.match(r"^\(?\s*(resourceType|name|resourceGroup|location)\s+eq\s+'([^']*)'\s*\)?$", clause, re.I)
            if found is None:
                raise _error(
                    400,
                    "InvalidFilterInQueryString",
                    f"Invalid $filter '{text}' specified in the query string.",
                    {"x-ms-failure-cause": "gateway"},
                )
            wanted[found[1].lower()] = found[2].lower()
        kept = []
        for registry in registries:
            facts = {
                "resourcetype": f"{PROVIDER}/registries".lower(),
                "name": registry.name.lower(),
                "resourcegroup": registry.group.lower(),
                "location": registry.location.lower(),
            }
            if all(facts[key] == value for key, value in wanted.items()):
                full = resource(registry)
                kept.append({k: full[k] for k in ("id", "name", "type", "sku", "location", "tags")})
        return kept

    async def _in_group(self, subscription: Subscription, rest: list[str], low: list[str]) -> _Answer:
        group = next((g for g in subscription.groups if g.lower() == low[1]), None)
        visible = self.principal.subscriptions(self.state.registries.values())
        scope = f"/subscriptions/{subscription.id}/resourceGroups/{rest[1]}"
        if subscription.id not in visible:
            action = "Microsoft.Resources/subscriptions/resourceGroups/read"
            if len(low) > 5:
                action, scope = f"{PROVIDER}/registries/{_action(self.request, low)}", self.request.path
                if len(low) > 6:
                    scope = "/" + "/".join(self.request.path.strip("/").split("/")[:8])
            raise self._forbidden(action, scope)
        if group is None:
            raise _error(
                404,
                "ResourceGroupNotFound",
                f"Resource group '{rest[1]}' could not be found.",
                {"x-ms-failure-cause": "gateway"},
            )
        if len(low) == 2 and self.request.method == "GET":
            return 200, _group(subscription, group), {}
        if (low[2:] == ["resources"] or low[2:] == ["providers", PROVIDER.lower(), "registries"]) and (
            self.request.method == "GET"
        ):
            return 200, {"value": self._list(low, self._readable(subscription, low[1]))}, {}
        if low[2:5] != ["providers", PROVIDER.lower(), "registries"] or len(low) < 6:
            raise self._no_route()
        registry = next(
            (
                r
                for r in self.state.registries.values()
                if r.name.lower() == low[5]
                and r.group.lower() == low[1]
                and r.subscription == subscription.id
                and r.cloud is self.cloud
            ),
            None,
        )
        if registry is None and self.state.knobs.not_found_style == "provider":
            error = {"code": "ResourceNotFound", "message": f"The resource {rest[5]} could not be found."}
            raise _Problem(404, {"error": error, "status": "Failed"})
        if registry is None:
            raise _error(
                404,
                "ResourceNotFound",
                f"The Resource '{PROVIDER}/registries/{rest[5]}' under resource group '{rest[1]}' was not found. "
                "For more details please go to https://aka.ms/ARMResourceNotFoundFix",
                {"x-ms-failure-cause": "gateway"},
            )
        return await self._on_registry(registry, low[6:])

    async def _on_registry(self, registry: AzureRegistry, tail: list[str]) -> _Answer:
        self.headers["api-supported-versions"] = API_VERSIONS
        rights = self.principal.rights(registry)
        method = self.request.method

        def need(right: str, action: str) -> None:
            if right not in rights:
                raise self._forbidden(f"{PROVIDER}/registries/{action}", registry.resource_id)

        if not tail and method == "GET":
            need("arm_read", "read")
            return 200, resource(registry), {}
        if not tail and method == "PATCH":
            need("arm_write", "write")
            self._writable(registry)
            return self._patch(registry, await self._json())
        if tail[:1] == ["operationstatuses"] and len(tail) == 2 and method == "GET":
            need("arm_read", "read")
            return self._patched(registry, tail[1])
        if tail == ["importimage"] and method == "POST":
            need("arm_import", "importImage/action")
            self._writable(registry)
            return await self._import(registry, await self._json())
        if tail == ["listcredentials"] and method == "POST":
            need("arm_write", "listCredentials/action")
            admin = registry.tokens.get(registry.name) if registry.properties["adminUserEnabled"] else None
            if admin is None:
                raise _error(
                    400,
                    "UnAuthorizedForCredentialOperations",
                    f"Cannot perform credential operations for {registry.resource_id} as admin user is disabled. "
                    "Kindly enable admin user as per docs: https://docs.microsoft.com/en-us/azure/container-registry/"
                    "container-registry-authentication#admin-account",
                )
            named = [{"name": n, "value": v} for n, v in zip(("password", "password2"), admin.passwords)]
            return 200, {"username": registry.name, "passwords": named}, {}
        raise self._no_route()

    def _writable(self, registry: AzureRegistry) -> None:
        """Refuse what the registry or its subscription forbids to everybody."""
        refusals = self.state.knobs.refusals
        code = refusals.get(registry.name) or refusals.get(registry.subscription)
        if code:
            status, text = REFUSALS[code]
            facts = {"scope": registry.resource_id, "subscription": registry.subscription, "name": registry.name}
            raise _error(status, code, text.format(**facts), {"x-ms-failure-cause": "gateway"})

    async def _json(self) -> dict[str, Any]:
        try:
            body = json.loads(await self.request.text() or "null")
        except ValueError:
            body = None
        if not isinstance(body, dict):
            raise _error(
                400,
                "InvalidRequestContent",
                "The request content was invalid and could not be deserialized.",
                {"x-ms-failure-cause": "gateway"},
            )
        return body

    def _patch(self, registry: AzureRegistry, body: dict[str, Any]) -> _Answer:
        changes = dict(body.get("properties") or {})
        for name, choices in (
            ("publicNetworkAccess", ("Enabled", "Disabled")),
            ("networkRuleBypassOptions", ("AzureServices", "None")),
        ):
            if name in changes and changes[name] not in choices:
                raise _Problem(
                    400,
                    {
                        "type": "https://tools.ietf.org/html/rfc9110#section-15.5.1",
                        "title": "One or more validation errors occurred.",
                        "status": 400,
                        "errors": {f"Properties.{name}": [f"The value '{changes[name]}' is not valid."]},
                    },
                )
        sku = (body.get("sku") or {}).get("name", registry.sku)
        if changes.get("networkRuleSet") and sku != PREMIUM:
            raise _error(
                400,
                "NetworkRuleNotSupported",
                NOT_RECORDED["arm"]["no_network_rules"].format(sku=sku, name=registry.name),
            )
        for fixed in ("loginServer", "creationDate", "provisioningState", "privateEndpointConnections"):
            changes.pop(fixed, None)

        def apply() -> None:
            registry.properties = merge(registry.properties, changes)
            registry.sku = sku
            if "tags" in body:
                registry.tags = dict(body["tags"] or {})
            if registry.properties["adminUserEnabled"]:
                passwords = [secrets.token_urlsafe(24), secrets.token_urlsafe(24)]
                registry.tokens.setdefault(registry.name, ScopedToken(passwords, {"*": set(DATA_RIGHTS)}))
            else:
                registry.tokens.pop(registry.name, None)
            registry.flags["modified"] = _iso_time()
            registry.flags["modified_by"] = self.principal.client_id

        style = self.state.knobs.patch_style
        if style == "at_once" or style == "recorded" and set(changes) <= _NETWORK and set(body) <= {"properties"}:
            apply()
            return 200, resource(registry), {}
        number = f"registries-{new_id()}"
        registry.flags["patching"] = number

        async def later() -> None:
            await asyncio.sleep(self.state.knobs.import_seconds)
            apply()
            registry.flags.pop("patching", None)

        self.state.run(later())
        shown = resource(registry)
        shown["properties"]["provisioningState"] = "Updating"
        place = (
            f"https://{self.cloud.arm_host}{registry.resource_id}/operationStatuses/{number}"
            f"?api-version={self.request.query['api-version']}"
        )
        return 201, shown, {"Azure-AsyncOperation": place}

    def _patched(self, registry: AzureRegistry, number: str) -> _Answer:
        """How a PATCH that takes its time stands."""
        pending = registry.flags.get("patching") == number
        return 200, {"status": self.state.knobs.patch_state if pending else "Succeeded"}, {}

    # ---- imports ------------------------------------------------------------------------------------------------

    async def _import(self, registry: AzureRegistry, body: dict[str, Any]) -> _Answer:
        targets = _check_import(registry, body)
        source = body["source"]
        origin = None
        if source.get("resourceId"):
            origin = self.state.registry_by_id(source["resourceId"])
            if origin is None or not self.principal.rights(origin) & {"arm_read", "pull"}:
                who = self.principal
                raise _error(
                    403,
                    "LinkedAuthorizationFailed",
                    f"The client '{who.username or who.client_id}' with object id '{who.object_id}' has permission to "
                    f"perform action '{PROVIDER}/registries/importImage/action' on scope '{registry.resource_id}'; "
                    "however, it does not have permission to perform action 'read' on the linked scope(s) "
                    f"'{source['resourceId']}'.",
                    {"x-ms-failure-cause": "gateway"},
                )
        knobs = self.state.knobs
        operation = Operation(
            id=f"registries-{new_id()}",
            registry=registry.name,
            body=body,
            principal=self.principal.name,
            started=time.time(),
            targets=targets,
            api_version=self.request.query["api-version"],
        )
        self.state.operations[operation.id] = operation
        work = _Import(self.state, registry, operation, origin)
        if knobs.tag_exists_at == "post" and body.get("mode", "NoForce") != "Force":
            taken = work.taken()
            if taken:
                work.fail("tag_exists", image=taken)
                return self._result(operation)
        lie = lies.of_import(knobs.lies, "no_location", self.cloud.arm_host, operation.id, targets)
        if lie is not None:
            if lie.runs:
                self.state.run(work.run())
            else:
                operation.status = "Dropped"
            return int(lie.status or 202), None, {}
        task = self.state.run(work.run())
        if knobs.import_poll_style == "at_once":
            await asyncio.wait([task])
            return self._result(operation)
        more = {"Location": self._location(operation), **self._retry_after()}
        if knobs.import_poll_style == "2021":
            return 202, _NULL, more
        return 202, None, more

    def _retry_after(self) -> dict[str, str]:
        seconds = self.state.knobs.retry_after
        return {} if seconds is None else {"Retry-After": str(seconds)}

    def _location(self, operation: Operation) -> str:
        registry = self.state.registries[operation.registry]
        base = (
            f"https://{self.cloud.arm_host}/subscriptions/{registry.subscription}/providers/{PROVIDER}"
            f"/locations/{registry.location.upper()}/operationResults/{operation.id}"
            f"?api-version={operation.api_version}"
        )
        if self.state.knobs.import_poll_style == "2021":
            return base
        stamp = str(time.time_ns() // 100 + 621355968000000000)
        start = secrets.randbelow(2000)
        certificate = _CERTIFICATE[start : start + 2600]
        signature = _sign(operation.id, stamp, certificate)
        digest = hashlib.sha256(signature.encode()).hexdigest()[:43]
        return f"{base}&t={stamp}&c={quote(certificate)}&s={signature}&h={digest}"

    def _poll(self, number: str) -> _Answer:
        operation = self.state.operations.get(number)
        if operation is None:
            raise _error(404, "ResourceNotFound", NOT_RECORDED["arm"]["no_operation"].format(number=number))
        query = self.request.query
        if self.state.knobs.import_poll_style != "2021":
            expected = _sign(number, query.get("t", ""), query.get("c", ""))
            if not hmac.compare_digest(expected, query.get("s", "")):
                raise _error(403, "AuthorizationFailed", NOT_RECORDED["arm"]["bad_signature"])
        operation.polls += 1
        told = lies.of_import(self.state.knobs.lies, "lost_poll", self.cloud.arm_host, number, operation.targets)
        if told is not None:
            raise self._lost(operation, told)
        return self._result(operation)

    def _lost(self, operation: Operation, lie: lies.Lie) -> _Problem:
        """The answer to a poll that is none to the import."""
        status, gateway = int(lie.status or 404), {"x-ms-failure-cause": "gateway"}
        where = f"{PROVIDER}/locations/operationResults"
        if lie.form == "empty":
            return _Problem(status, None)
        if status == 403:
            return self._forbidden(f"{where}/read", self.request.path)
        if lie.form == "provider":
            error = {"code": "ResourceNotFound", "message": f"The resource {operation.id} could not be found."}
            return _Problem(status, {"error": error, "status": "Failed"})
        return _error(status, "ResourceNotFound", f"The Resource '{where}/{operation.id}' was not found.", gateway)

    def _result(self, operation: Operation) -> _Answer:
        if operation.status == "Accepted":
            early = time.time() - operation.started < self.state.knobs.first_poll_seconds
            body = dict.fromkeys(operation.targets, "Pending") if operation.show_entries and not early else {}
            more = {"Location": self._location(operation), **self._retry_after()}
            return 202, {**body, "status": "Accepted"}, more
        if operation.status == "Failed":
            conflict = (operation.error or {})["error"]["code"] == "Conflict"
            return 409 if conflict and self.state.knobs.tag_exists_style == "2026" else 400, operation.error, {}
        return 200, {"status": "Succeeded"}, {}


_NULL = object()  # the JSON value null as a body, which is not the same as no body


def _encode(body: Any) -> bytes:
    return b"null" if body is _NULL else json.dumps(body, separators=(",", ":")).encode()


def _sign(number: str, stamp: str, certificate: str) -> str:
    return hmac.new(_SIGNING_KEY, f"{number}\n{stamp}\n{certificate}".encode(), hashlib.sha256).hexdigest()


def _check_import(registry: AzureRegistry, body: dict[str, Any]) -> list[str]:
    """Azure's checks of an import's parameters at the POST; the targets as ``repository:tag`` or ``repository``."""

    def refuse(text: str) -> _Problem:
        return _Problem(
            400,
            {
                "error": {
                    "code": "InvalidImportImageParameter",
                    "message": f"{text} for resource name {registry.name}. "
                    "For more information, please visit https://aka.ms/acr/import.",
                },
                "status": "Failed",
            },
        )

    def invalid(value: Any, name: str) -> _Problem:
        return refuse(f"Invalid value {value} for property parameters.{name}")

    def missing(name: str) -> _Problem:
        return _Problem(
            400,
            {
                "error": {
                    "code": "InvalidImportImageParameter",
                    "message": f"Missing property parameters.{name} for the operation against the resource with name "
                    f"{registry.name}",
                },
                "status": "Failed",
            },
        )

    source = body.get("source")
    if not isinstance(source, dict):
        raise missing("Source")
    uri, resource_id = str(source.get("registryUri") or ""), source.get("resourceId")
    if not uri and not resource_id:
        raise missing("Source.RegistryUri")
    if not resource_id and not _HOST.match(uri):
        raise invalid(uri, "Source.RegistryUri")
    if resource_id and not re.match(
        r"^/subscriptions/[^/]+/resourcegroups/[^/]+/providers/microsoft\.containerregistry/registries/[^/]+$",
        resource_id,
        re.I,
    ):
        raise invalid(resource_id, "Source.ResourceId")
    image = source.get("sourceImage")
    if not image:
        raise missing("Source.SourceImage")
    repository, tag, digest = split_image(image)
    if (
        tag
        and digest
        or not _REPOSITORY.match(repository)
        or tag
        and not _TAG.match(tag)
        or digest
        and not _DIGEST.match(digest)
    ):
        raise invalid(image, "Source.SourceImage")
    credentials = source.get("credentials")
    if credentials is not None and not credentials.get("password"):
        raise missing("Source.Credentials.Password")
    if body.get("mode", "NoForce") not in ("NoForce", "Force"):
        raise invalid(body["mode"], "Mode")
    tags, untagged = body.get("targetTags") or [], body.get("untaggedTargetRepositories") or []
    if not tags and not untagged:
        raise missing("TargetTags")
    targets = []
    for target in tags:
        repository, tag, digest = split_image(target)
        if digest or not _REPOSITORY.match(repository) or tag and not _TAG.match(tag):
            raise invalid(target, "TargetTags")
        targets.append(f"{repository}:{tag or 'latest'}")
    for target in untagged:
        if not _REPOSITORY.match(target):
            raise invalid(target, "UntaggedTargetRepositories")
        targets.append(target)
    return targets


class _Failed(Exception):
    """The import ends with this text of FAILURES (or a literal one)."""

    def __init__(self, text: str, **facts: Any) -> None:
        super().__init__(text)
        self.text, self.facts = text, facts


class _Import:
    """One import at work."""

    def __init__(
        self, state: State, registry: AzureRegistry, operation: Operation, origin: AzureRegistry | None
    ) -> None:
        self.state = state
        self.registry = registry
        self.operation = operation
        source = operation.body["source"]
        self.repository, tag, digest = split_image(source["sourceImage"])
        self.reference = digest or tag or "latest"
        host = origin.login_server if origin else source["registryUri"]
        self.source = f"{host}/{self.repository}"
        self.force = operation.body.get("mode", "NoForce") == "Force"
        self.fault: ImportFault | None = None

    async def run(self) -> None:
        clock = asyncio.get_running_loop().time
        began = clock()
        knobs = self.state.knobs
        seconds = knobs.import_seconds

        async def until(moment: float) -> None:
            await asyncio.sleep(max(0.0, began + moment - clock()))

        name = f"{self.source}@{self.reference}" if ":" in self.reference else f"{self.source}:{self.reference}"
        self.fault = next((f for f in knobs.import_faults if f.fires(name)), None)
        text = self.fault.text if self.fault else ""
        if self.fault is not None:
            self.operation.show_entries = self.fault.entries
        try:
            if text == "pending_forever":
                return
            if text and text not in ("missing_children", "lost"):
                raise _Failed(text, **({"image": self.operation.targets[0]} if text in FAILURES else {}))
            found = await self._look()
            self.operation.digest = found.digest
            if text == "lost":
                await until(seconds)
            elif knobs.visibility == "early":
                await until(seconds / 2)
                await self._copy(found)
                await until(seconds)
            elif knobs.visibility == "late":
                await until(seconds)
                self._check_targets()
                self._succeed()
                await until(seconds + knobs.late_seconds)
                await self._copy(found)
                return
            else:
                await until(seconds)
                self._check_targets()
                await self._copy(found)
            self._succeed()
        except _Failed as failed:
            await until(min(seconds, FAIL_SECONDS))
            self.fail(failed.text, **failed.facts)
        except KeyError:  # a child or blob of the source is not there
            await until(min(seconds, FAIL_SECONDS))
            self.fail("copying_blobs")

    async def _look(self) -> Found:
        """Everything Azure looks at before it copies."""
        if not self.registry.open_to(SERVICE_ADDRESS) and not self.registry.bypass:
            raise _Failed("firewall", body=acr.firewall_body(self.registry, SERVICE_ADDRESS))
        try:
            found = await resolve_source(self.state, self.operation.body["source"])
        except SourceFailure as failure:
            raise _Failed(_SOURCE_KINDS.get(failure.kind, failure.kind), body=failure.body) from None
        children = found.store.manifests[found.repository][found.digest].children
        if len(children) > MAX_MANIFESTS:
            raise _Failed("too_many_manifests", count=len(children), limit=MAX_MANIFESTS)
        self._check_targets()
        return found

    def taken(self) -> str | None:
        """The first target tag that exists."""
        tags = self.registry.store.tags
        for target in self.operation.targets:
            repository, tag, _digest = split_image(target)
            if tag and tag in tags.get(repository, {}):
                return target
        return None

    def _check_targets(self) -> None:
        if not self.force:
            taken = self.taken()
            if taken:
                raise _Failed("tag_exists", image=taken)
        store = self.registry.store
        for target in self.operation.targets:
            repository, tag, _digest = split_image(target)
            rule = self.registry.cache_rule(repository)
            if rule is not None:
                raise _Failed("cache_rule", image=target, rule=rule)
            held = store.tags.get(repository, {}).get(tag or "")
            manifest = store.manifests.get(repository, {}).get(self.operation.digest or "")
            locks = {
                "tag": held.attrs if held else None,
                "manifest": manifest.attrs if manifest else None,
                "repository": store.repo_attrs.get(repository),
            }
            kind = "locks_under_force" if self.force else "locks_without_force"
            for name in self.registry.flags.get(kind, LOCKS[kind]):
                attributes = locks[name]
                if attributes is not None and not attributes["writeEnabled"]:
                    raise _Failed("locked")

    async def _copy(self, found: Found) -> None:
        store = self.registry.store
        late = self.state.knobs.children_late_seconds
        partial = late > 0 or self.fault is not None and self.fault.text == "missing_children"
        targets = [split_image(t)[:2] for t in self.operation.targets]
        for repository in dict.fromkeys(r for r, _tag in targets):
            await store.copy_from(found.store, found.repository, found.digest, repository, (), skip_children=partial)
        digest = found.digest
        if ":" not in self.reference:
            # Azure reads a source tag again at the end; when it has moved, the target's tag names a manifest that
            # was never copied.
            digest = found.store.resolve(found.repository, self.reference) or digest
        for repository, tag in targets:
            if tag:
                store.set_tag(repository, tag, digest)
        self.operation.visible = time.time()
        if late > 0:
            self.state.run(self._copy_children(found, [repository for repository, _tag in targets], late))

    async def _copy_children(self, found: Found, repositories: list[str], seconds: float) -> None:
        await asyncio.sleep(seconds)
        for repository in dict.fromkeys(repositories):
            await self.registry.store.copy_from(found.store, found.repository, found.digest, repository)

    def _succeed(self) -> None:
        self.operation.status = "Succeeded"
        self.operation.finished = time.time()

    def fail(self, text: str, **facts: Any) -> None:
        code = "InvalidParameters"
        if text == "tag_exists":
            if self.state.knobs.tag_exists_style == "2019":
                text = "tag_exists_2019"
            else:
                code = "Conflict"
        template = FAILURES.get(text)
        if template is not None:
            by_digest = ":" in self.reference
            facts = {
                "source": self.source,
                "tag": "" if by_digest else self.reference,
                "digest": self.reference if by_digest else "",
                "target": self.registry.login_server,
                "disallowed": _DISALLOWED,
                "denied": _DENIED,
                "body": acr.firewall_body(self.registry, SERVICE_ADDRESS) if text == "firewall" else _UNAUTHORIZED,
                **facts,
            }
            text = template.format(**facts)
        self.operation.error = {
            "error": {
                "code": code,
                "message": f"Operation {self.operation.id} failed. Resource {self.registry.resource_id} {text}",
            },
            "status": "Failed",
        }
        self.operation.status = "Failed"
        self.operation.finished = time.time()


# ---- how things look ----------------------------------------------------------------------------------------------


def resource(registry: AzureRegistry) -> dict[str, Any]:
    """The registry as Resource Manager shows it."""
    created = registry.properties["creationDate"]
    return {
        "type": f"{PROVIDER}/registries",
        "id": registry.resource_id,
        "name": registry.name,
        "location": registry.location,
        "tags": registry.tags,
        "sku": {"name": registry.sku, "tier": registry.sku},
        "properties": {**merge(registry.properties, {}), **({"roleAssignmentMode": ABAC} if registry.abac else {})},
        "systemData": {
            "createdBy": "admin@contoso.test",
            "createdByType": "User",
            "createdAt": created,
            "lastModifiedBy": registry.flags.get("modified_by", "admin@contoso.test"),
            "lastModifiedByType": "Application" if "modified_by" in registry.flags else "User",
            "lastModifiedAt": registry.flags.get("modified", created),
        },
    }


def _subscription(subscription: Subscription) -> dict[str, Any]:
    return {
        "id": f"/subscriptions/{subscription.id}",
        "authorizationSource": "RoleBased",
        "managedByTenants": [],
        "subscriptionId": subscription.id,
        "tenantId": subscription.tenant,
        "displayName": subscription.name,
        "state": "Enabled",
        "subscriptionPolicies": {
            "locationPlacementId": "Public_2014-09-01",
            "quotaId": "PayAsYouGo_2014-09-01",
            "spendingLimit": "Off",
        },
    }


def _tenant(tenant_id: str, domain: str) -> dict[str, Any]:
    return {
        "id": f"/tenants/{tenant_id}",
        "tenantId": tenant_id,
        "countryCode": "NL",
        "displayName": domain.split(".")[0].capitalize(),
        "domains": [domain],
        "defaultDomain": domain,
        "tenantType": "AAD",
        "tenantCategory": "Home",
    }


def _group(subscription: Subscription, name: str) -> dict[str, Any]:
    return {
        "id": f"/subscriptions/{subscription.id}/resourceGroups/{name}",
        "name": name,
        "type": "Microsoft.Resources/resourceGroups",
        "location": subscription.groups[name],
        "properties": {"provisioningState": "Succeeded"},
    }


def _list_action(low: list[str]) -> str:
    if low == ["resources"]:
        return "Microsoft.Resources/subscriptions/resources/read"
    if low == ["resourcegroups"]:
        return "Microsoft.Resources/subscriptions/resourceGroups/read"
    return f"{PROVIDER}/registries/read"


def _action(request: web.BaseRequest, low: list[str]) -> str:
    """The name of the right that a request for a registry needs."""
    if len(low) > 6:
        return {"importimage": "importImage", "listcredentials": "listCredentials"}.get(low[6], low[6]) + "/action"
    return "read" if request.method == "GET" else "write"


def _us_time(seconds: float) -> str:
    moment = time.gmtime(seconds)
    hour = moment.tm_hour % 12 or 12
    half = "AM" if moment.tm_hour < 12 else "PM"
    return f"{moment.tm_mon}/{moment.tm_mday}/{moment.tm_year} {hour}:{moment.tm_min:02d}:{moment.tm_sec:02d} {half}"


def _iso_time() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime()) + f".{time.time_ns() % 1_000_000_000 // 100:07d}Z"


def _metadata(state: State, cloud: Cloud, version: str) -> Any:
    """``/metadata/endpoints``: one object of a cloud since 2022-09-01, a list of clouds in 2019 to 2021."""
    if version < "2022":
        clouds = [cloud] if cloud is state.clouds[0] else state.clouds[1:]
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
