# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which request is answered by what, and who may send it."""
from __future__ import annotations

import functools
import json
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from aiohttp import web

from ..model import AzureRegistry
from ..roles import REGISTRIES
from ..state import State
from ..tokens import new_id
from . import access, imports, registries, views
from .call import Answer, Call
from .refusals import Problem, by_gateway, by_registry, refusal
from .views import PROVIDER


async def _tenants(call: Call) -> Answer:
    return 200, {"value": [views.tenant(call.state.tenants[call.principal.tenant])]}, {}


async def _subscriptions(call: Call) -> Answer:
    visible = call.visible()
    found = [views.subscription(s) for s in call.state.subscriptions.values() if s.id in visible]
    return 200, {"value": found, "count": {"type": "Total", "value": len(found)}}, {}


async def _subscription(call: Call) -> Answer:
    return 200, views.subscription(call.subscription), {}


async def _groups(call: Call) -> Answer:
    return 200, {"value": [views.group(call.subscription, name) for name in call.subscription.groups]}, {}


async def _group(call: Call) -> Answer:
    return 200, views.group(call.subscription, call.group), {}


@dataclass(frozen=True)
class Route:
    """``method`` and path of a request, and what answers it.

    ``action``: what the principal has to be allowed to do, as refusals name it; empty if everybody may. What concerns no
    single registry, whoever sees anything of the subscription may do.
    """

    method: str
    path: str
    handler: Callable[[Call], Awaitable[Answer]]
    action: str = ""

    def match(self, method: str, path: str) -> dict[str, str] | None:
        """What the request has for the names in braces, if it is for this route. The case of its path doesn't matter."""
        found = _pattern(self.path).fullmatch(path) if method == self.method else None
        return found.groupdict() if found else None


@functools.cache
def _pattern(path: str) -> re.Pattern[str]:
    return re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(path)), re.IGNORECASE)


_SUBSCRIPTION = "/subscriptions/{subscription}"
_GROUP = _SUBSCRIPTION + "/resourceGroups/{group}"
_REGISTRIES = f"/providers/{PROVIDER}/registries"
_REGISTRY = _GROUP + _REGISTRIES + "/{registry}"
_RESULT = f"{_SUBSCRIPTION}/providers/{PROVIDER}/locations/{{location}}/operationResults/{{number}}"
_ANY = "Microsoft.Resources/subscriptions/"
_ONE = REGISTRIES
_RIGHTS = "Microsoft.Authorization/permissions"  # one's own; whether that takes a right is not recorded

ROUTES = (
    Route("GET", "/tenants", _tenants),
    Route("GET", "/subscriptions", _subscriptions),
    Route("GET", _RESULT, imports.poll),
    Route("GET", _SUBSCRIPTION, _subscription, _ANY + "read"),
    Route("GET", _SUBSCRIPTION + "/resources", registries.resources, _ANY + "resources/read"),
    Route("GET", _SUBSCRIPTION + "/resourceGroups", _groups, _ANY + "resourceGroups/read"),
    Route("GET", _SUBSCRIPTION + _REGISTRIES, registries.listed, _ONE + "read"),
    Route("GET", _GROUP, _group, _ANY + "resourceGroups/read"),
    Route("GET", _GROUP + "/resources", registries.resources, _ANY + "resourceGroups/read"),
    Route("GET", _GROUP + _REGISTRIES, registries.listed, _ANY + "resourceGroups/read"),
    Route("GET", _REGISTRY, registries.show, _ONE + "read"),
    Route("PUT", _GROUP + _REGISTRIES + "/{new}", registries.create, _ONE + "write"),
    Route("PATCH", _REGISTRY, registries.patch, _ONE + "write"),
    Route("DELETE", _REGISTRY, registries.delete, _ONE + "delete"),
    Route("GET", _REGISTRY + "/operationStatuses/{number}", registries.patched, _ONE + "read"),
    Route("GET", _REGISTRY + f"/providers/{_RIGHTS}", registries.permissions, f"{_RIGHTS}/read"),
    Route("POST", _REGISTRY + "/importImage", imports.start, _ONE + "importImage/action"),
    Route("POST", _REGISTRY + "/listCredentials", registries.credentials, _ONE + "listCredentials/action"),
    *(
        Route("GET", f"{scope}/providers/{access.AUTHORIZATION}/{kind}", handler, f"{access.AUTHORIZATION}/{kind}/read")
        for scope in (_SUBSCRIPTION, _GROUP, _REGISTRY)
        for kind, handler in (("roleAssignments", access.assignments), ("roleDefinitions", access.definitions))
    ),
)


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
        status, body, more = await _answer(Call(state, request, cloud, headers))
    except Problem as problem:
        status, body, more = problem.status, problem.body, problem.headers
    headers.update(more)
    payload = b""
    if body is not None:
        payload = b"null" if body is imports.NULL else json.dumps(body, separators=(",", ":")).encode()
        headers["Content-Type"] = "application/json; charset=utf-8"
    return web.Response(status=status, body=payload, headers=headers)


async def _answer(call: Call) -> Answer:
    request = call.request
    path = "/" + request.path.strip("/")
    if path.lower() == "/metadata/endpoints":
        return 200, views.metadata(call.state.clouds, call.cloud, request.query.get("api-version", "")), {}
    subscription = re.match(r"/subscriptions/([^/]+)", path, re.IGNORECASE)
    call.authenticate(subscription[1].lower() if subscription else None)
    if "api-version" not in request.query:
        text = "The api-version query parameter (?api-version=) is required for all requests."
        raise refusal(400, "MissingApiVersionParameter", text)
    if subscription:
        call.limit()
    for route in ROUTES:
        names = route.match(request.method, path)
        if names is not None:
            provider = route.path.rpartition("/providers/")[2]
            if provider.startswith(f"{PROVIDER}/registries") and call.api_version not in call.state.knobs.api_versions:
                raise _version_refused(call)
            call.number = names.get("number", "")
            if route.action:
                _permit(call, route, names, path)
            return await route.handler(call)
    raise call.no_route()


def _version_refused(call: Call) -> Problem:
    return by_gateway(
        400,
        "NoRegisteredProviderFound",
        f"No registered resource provider found for location 'westeurope' and API version '{call.api_version}' for type "
        f"'registries'. The supported api-versions are '{', '.join(call.state.knobs.api_versions)}'. The supported "
        "locations are 'westus, eastus, westeurope, northeurope'.",
    )


def _permit(call: Call, route: Route, names: dict[str, str], path: str) -> None:
    """Find what the path names; a problem when it isn't there or the principal may not do that to it."""
    group, name = names.get("group"), names.get("registry")
    if call.subscription.id not in call.visible():
        scope = f"/subscriptions/{call.subscription.id}"
        if name:
            scope = "/".join(path.split("/")[:9])
        elif group:
            scope += f"/resourceGroups/{group}"
        raise call.forbidden(route.action, scope)
    if group:
        call.group = next((known for known in call.subscription.groups if known.lower() == group.lower()), "")
        if not call.group:
            raise by_gateway(404, "ResourceGroupNotFound", f"Resource group '{group}' could not be found.")
    if group and name:
        call.registry = _registry(call, group, name)
        call.headers["api-supported-versions"] = ", ".join(call.state.knobs.api_versions)
        if not call.principal.may(call.registry, route.action):
            raise call.forbidden(route.action, call.registry.resource_id)


def _registry(call: Call, group: str, name: str) -> AzureRegistry:
    for registry in registries.within(call):
        if registry.name.lower() == name.lower():
            return registry
    if call.state.knobs.not_found_style == "provider":
        raise by_registry(404, "ResourceNotFound", f"The resource {name} could not be found.")
    raise by_gateway(
        404,
        "ResourceNotFound",
        f"The Resource '{PROVIDER}/registries/{name}' under resource group '{group}' was not found. "
        "For more details please go to https://aka.ms/ARMResourceNotFoundFix",
    )
