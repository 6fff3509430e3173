# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Registries in Resource Manager: lists, one, its credentials, its beginning, its changes and its end."""
from __future__ import annotations

import asyncio
import re
import secrets

from ..model import PREMIUM, AzureRegistry, ScopedToken
from ..roles import DATA_RIGHTS, REGISTRIES, role
from ..settings import merge
from ..tokens import new_id
from ..unrecorded import NOT_RECORDED
from .call import Answer, Call
from .refusals import REFUSALS, Problem, by_gateway, refusal
from .views import PROVIDER, iso_time, resource

# Properties whose PATCH, if it names no others, was answered 200 each time.
_NETWORK = {"publicNetworkAccess", "networkRuleBypassOptions", "networkRuleBypassAllowedForTasks", "networkRuleSet"}


def within(call: Call) -> list[AzureRegistry]:
    """The registries of the subscription or, if the path names one, of the resource group."""
    return [
        registry
        for registry in call.state.registries.values()
        if registry.subscription == call.subscription.id
        and registry.cloud is call.cloud
        and call.group.lower() in ("", registry.group.lower())
    ]


def _readable(call: Call) -> list[AzureRegistry]:
    return [registry for registry in within(call) if call.principal.may(registry, "read")]


async def listed(call: Call) -> Answer:
    return 200, {"value": [resource(registry, call.api_version) for registry in _readable(call)]}, {}


async def resources(call: Call) -> Answer:
    """The same as resources of any kind, as ``$filter`` wants them."""
    text = call.request.query.get("$filter", "")
    wanted = {}
    for clause in filter(None, re.split(r"\s+and\s+", text.strip("() "))):
        found = re.match(r"^\(?\s*(resourceType|name|resourceGroup|location)\s+eq\s+'([^']*)'\s*\)?$", clause, re.I)
        if found is None:
            message = f"Invalid $filter '{text}' specified in the query string."
            raise by_gateway(400, "InvalidFilterInQueryString", message)
        wanted[found[1].lower()] = found[2].lower()
    kept = []
    for registry in _readable(call):
        facts = {
            "resourcetype": f"{PROVIDER}/registries".lower(),
            "name": registry.name.lower(),
            "resourcegroup": registry.group.lower(),
            "location": registry.location.lower(),
        }
        if all(facts[key] == value for key, value in wanted.items()):
            full = resource(registry, call.api_version)
            kept.append({k: full[k] for k in ("id", "name", "type", "sku", "location", "tags")})
    return 200, {"value": kept}, {}


async def show(call: Call) -> Answer:
    return 200, resource(call.registry, call.api_version), {}


async def permissions(call: Call) -> Answer:
    """What the principal's own roles allow, one by one."""
    return 200, {"value": [role.permission() for role in call.principal.roles(call.registry)]}, {}


async def credentials(call: Call) -> Answer:
    registry = call.registry
    admin = registry.tokens.get(registry.name) if registry.properties["adminUserEnabled"] else None
    if admin is None:
        raise refusal(
            400,
            "UnAuthorizedForCredentialOperations",
            f"Cannot perform credential operations for {registry.resource_id} as admin user is disabled. "
            "Kindly enable admin user as per docs: https://docs.microsoft.com/en-us/azure/container-registry/"
            "container-registry-authentication#admin-account",
        )
    named = [{"name": n, "value": v} for n, v in zip(("password", "password2"), admin.passwords)]
    return 200, {"username": registry.name, "passwords": named}, {}


def writable(call: Call) -> None:
    """Refuse what the registry or its subscription forbids to everybody."""
    refusals, registry = call.state.knobs.refusals, call.registry
    code = refusals.get(registry.name) or refusals.get(registry.subscription)
    if code:
        status, text = REFUSALS[code]
        facts = {"scope": registry.resource_id, "subscription": registry.subscription, "name": registry.name}
        raise by_gateway(status, code, text.format(**facts))


async def create(call: Call) -> Answer:
    """A new registry, by a principal that may write throughout its subscription."""
    body, name = await call.json(), call.request.path.rstrip("/").rpartition("/")[2]
    home, action = call.subscription.id, REGISTRIES + "write"
    if not any(role(granted).may(action) for granted in call.principal.grants.get(f"{home}/*", ())):
        raise call.forbidden(action, call.request.path)
    if name in call.state.registries:
        raise refusal(409, "AlreadyInUse", NOT_RECORDED["arm"]["name_in_use"].format(name=name))
    call.registry = await call.state.create_registry(
        name, home, call.group, body["location"], body["sku"]["name"], call.cloud.name, properties=body.get("properties")
    )
    _give_admin(call.registry)
    return 201, resource(call.registry, call.api_version), _status(call, f"registries-{new_id()}")


async def delete(call: Call) -> Answer:
    writable(call)
    await call.state.delete_registry(call.registry)
    return 200, None, {}


async def patch(call: Call) -> Answer:
    writable(call)
    body, registry, knobs = await call.json(), call.registry, call.state.knobs
    changes = dict(body.get("properties") or {})
    for name, choices in (
        ("publicNetworkAccess", ("Enabled", "Disabled")),
        ("networkRuleBypassOptions", ("AzureServices", "None")),
    ):
        if name in changes and changes[name] not in choices:
            raise Problem(
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
        text = NOT_RECORDED["arm"]["no_network_rules"].format(sku=sku, name=registry.name)
        raise refusal(400, "NetworkRuleNotSupported", text)
    for fixed in ("loginServer", "creationDate", "provisioningState", "privateEndpointConnections"):
        changes.pop(fixed, None)

    def apply() -> None:
        registry.properties = merge(registry.properties, changes)
        registry.sku = sku
        if "tags" in body:
            registry.tags = dict(body["tags"] or {})
        _give_admin(registry)
        registry.modified = iso_time(), call.principal.client_id

    style = knobs.patch_style
    if style == "at_once" or style == "recorded" and set(changes) <= _NETWORK and set(body) <= {"properties"}:
        apply()
        return 200, resource(registry, call.api_version), {}
    number = f"registries-{new_id()}"
    registry.patching = number

    async def later() -> None:
        await asyncio.sleep(knobs.import_seconds)
        apply()
        registry.patching = ""

    call.state.run(later())
    shown = resource(registry, call.api_version)
    shown["properties"]["provisioningState"] = "Updating"
    return 201, shown, _status(call, number)


def _give_admin(registry: AzureRegistry) -> None:
    """Let the admin user in, or keep it out, as the registry's properties say."""
    if registry.properties["adminUserEnabled"]:
        passwords = [secrets.token_urlsafe(24), secrets.token_urlsafe(24)]
        registry.tokens.setdefault(registry.name, ScopedToken(passwords, {"*": set(DATA_RIGHTS)}))
    else:
        registry.tokens.pop(registry.name, None)


def _status(call: Call, number: str) -> dict[str, str]:
    """The header that says where to ask how a change stands."""
    place = f"https://{call.cloud.arm_host}{call.registry.resource_id}/operationStatuses/{number}"
    return {"Azure-AsyncOperation": f"{place}?api-version={call.api_version}"}


async def patched(call: Call) -> Answer:
    """How a change that takes its time stands."""
    pending = call.registry.patching == call.number
    return 200, {"status": call.state.knobs.patch_state if pending else "Succeeded"}, {}
