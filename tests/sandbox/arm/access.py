# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Role assignments and role definitions in Resource Manager, as their lists show them: after its specification, not recorded."""
from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from typing import Any

from ..roles import IDS, ROLES, role
from ..tenants import Principal
from .call import Answer, Call
from .refusals import by_gateway

AUTHORIZATION = "Microsoft.Authorization"
_WHOSE = re.compile(r"(?P<at>atScope\(\))|principalId eq '(?P<is>[^']*)'|(?P<also>atScope\(\) and )?assignedTo\('(?P<to>[^']*)'\)", re.I)
_NAMED = re.compile(r"roleName eq '([^']*)'", re.I)


def _filter(call: Call, pattern: re.Pattern[str]) -> re.Match[str] | None:
    text = call.request.query.get("$filter", "").strip()
    found = pattern.fullmatch(text)
    if text and not found:
        raise by_gateway(400, "InvalidFilterInQueryString", f"Invalid $filter '{text}' specified in the query string.")
    return found


def _home(call: Call) -> str:
    return f"/subscriptions/{call.subscription.id}"


def _shown(kind: str, scope: str, guid: str, properties: dict[str, Any]) -> dict[str, Any]:
    full = f"{AUTHORIZATION}/{kind}"
    return {"properties": properties, "id": f"{scope}/providers/{full}/{guid}", "type": full, "name": guid}


def _guid(call: Call, name: str) -> str:
    # A custom role's GUID is its own; here, one that follows from its name.
    return IDS.get(name) or str(uuid.uuid5(uuid.UUID(call.subscription.id), name))


def _all(call: Call) -> Iterator[tuple[str, Principal, str]]:
    """Scope, principal and role of each assignment in the subscription."""
    scopes = {r.name: r.resource_id for r in call.state.registries.values() if r.subscription == call.subscription.id}
    scopes[f"{call.subscription.id}/*"] = _home(call)
    for principal in call.state.principals.values():
        for place, names in principal.grants.items():
            yield from ((scopes[place], principal, name) for name in names if place in scopes)


async def assignments(call: Call) -> Answer:
    """Those at the path's scope, above it and, without ``atScope()``, below it."""
    asked = call.request.path.lower().partition("/providers/microsoft.authorization")[0]
    wanted, found = _filter(call, _WHOSE), []
    who = wanted and (wanted["is"] or wanted["to"])
    below = not (wanted and (wanted["at"] or wanted["also"]))
    for scope, principal, name in _all(call):
        place = scope.lower()
        near = f"{asked}/".startswith(f"{place}/") or below and place.startswith(f"{asked}/")
        if near and who in (None, "", principal.object_id):
            facts = {
                "roleDefinitionId": f"{_home(call)}/providers/{AUTHORIZATION}/roleDefinitions/{_guid(call, name)}",
                "principalId": principal.object_id,
                "principalType": "User" if principal.username else "ServicePrincipal",
                "scope": scope,
            }
            guid = str(uuid.uuid5(uuid.UUID(principal.object_id), f"{place} {name}"))
            found.append(_shown("roleAssignments", scope, guid, facts))
    return 200, {"value": found}, {}


async def definitions(call: Call) -> Answer:
    """The built-in roles, and the custom ones that the subscription's assignments give."""
    wanted, found = _filter(call, _NAMED), []
    for name in dict.fromkeys((*ROLES, *(given for _scope, _principal, given in _all(call)))):
        if wanted is None or wanted[1] == name:
            kind, where = ("BuiltInRole", "/") if name in ROLES else ("CustomRole", _home(call))
            facts = {"roleName": name, "type": kind, "assignableScopes": [where], "permissions": [role(name).permission()]}
            found.append(_shown("roleDefinitions", _home(call), _guid(call, name), facts))
    return 200, {"value": found}, {}
