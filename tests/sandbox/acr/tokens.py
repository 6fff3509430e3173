# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How one signs in to an Azure registry: ``/oauth2/exchange``, ``/oauth2/token``, and what each token allows.

A refresh token says who one is, an access token what one may do to which repositories. Both are JWTs whose ``iat``
lies 15 minutes back, as Azure's do; how long they live is in them only.
"""
from __future__ import annotations

import base64
import binascii
import fnmatch
import secrets
import time
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web
from multidict import CIMultiDict, MultiDict

from ..model import PREMIUM, AzureRegistry, Identity
from ..oci import answer, encode, errors
from ..roles import ABAC
from ..state import State
from ..tokens import TokenError, new_id
from ..unrecorded import NOT_RECORDED
from .answers import UNAUTHORIZED, correlated

ISSUER = "Azure Container Registry"
NULL_GUID = "00000000-0000-0000-0000-000000000000"
_BACKDATED = 900  # seconds
# x-ms-ratelimit-remaining-calls-per-second of a token and of an exchange, at first; by tier.
_CALLS = {PREMIUM: {"access_token": 333.3, "refresh_token": 149.0}}
_CALLS_ELSE = 166.65
# Grant types of an exchange (all but the first are deprecated) and Entra's tokens that each needs, of which the first
# tells who asks.
_GRANTS = {
    "access_token": ("access_token",),
    "access_token_refresh_token": ("access_token", "refresh_token"),
    "refresh_token": ("refresh_token",),
}
_ACTIONS = {"pull": ["read"], "push": ["write"], "delete": ["delete", "deleted/read", "deleted/restore/action"]}


class BadToken(Exception):
    """Credentials that do not hold. ``basic``: they came as a user name and a password."""

    def __init__(self, basic: bool = False) -> None:
        super().__init__()
        self.basic = basic


async def handle(state: State, registry: AzureRegistry, request: web.BaseRequest,
                 headers: CIMultiDict[str]) -> web.Response:
    """``POST /oauth2/exchange``, ``GET`` and ``POST /oauth2/token``."""
    fields = request.query if request.method == "GET" else await _form(request)
    if request.path == "/oauth2/exchange" and request.method == "POST":
        return _exchange(state, registry, request, fields, headers)
    if request.path == "/oauth2/token" and request.method in ("GET", "POST"):
        return _token(state, registry, request, fields, headers)
    return web.Response(status=404, text="404 page not found\n", headers=headers)


async def _form(request: web.BaseRequest) -> Any:
    text = (await request.read()).decode("utf-8", "replace")
    return MultiDict(parse_qsl(text, keep_blank_values=True))


def _exchange(state: State, registry: AzureRegistry, request: web.BaseRequest, form: Any,
              headers: CIMultiDict[str]) -> web.Response:
    problem = _wrong_service(registry, form, headers)
    if problem is not None:
        return problem
    needed = _GRANTS.get(form.get("grant_type", ""))
    if needed is None or not all(form.get(name) for name in needed):
        return answer(400, errors("UNSUPPORTED", NOT_RECORDED["registry"]["bad_grant"]), headers)
    try:
        identity = state.entra_identity(registry, form[needed[0]], needed[0])
        tenant = state.tenant(form["tenant"]) if form.get("tenant") else None
        if form.get("tenant") and (tenant is None or tenant.id != registry.tenant):
            raise TokenError("tenant")
    except TokenError:
        return _refused(registry, headers)
    request["principal"] = identity.name
    principal = state.principals[identity.name]
    held = principal.roles(registry) if registry.flags.exchange_for_arm_rights else principal.rights(registry)
    if not held:
        return _refused(registry, headers)
    rights = identity.allowed("")
    actions = [action for right, named in _ACTIONS.items() if right in rights for action in named]
    more = {"tenant": registry.tenant, "permissions": {"Actions": actions, "NotActions": None}}
    return _given(state, registry, "refresh", identity, "1.0", more, headers)


def _token(state: State, registry: AzureRegistry, request: web.BaseRequest, fields: Any,
           headers: CIMultiDict[str]) -> web.Response:
    problem = _wrong_service(registry, fields, headers)
    if problem is not None:
        return problem
    identity = _asker(state, registry, request, fields)
    if identity is None:
        return _refused(registry, headers)
    request["principal"] = identity.name
    access = []
    for scope in _scopes(registry, fields.getall("scope", [])):
        if registry.role_assignment_mode == ABAC and "*" in scope[1]:
            return _refused(registry, headers)
        access.append(_grant(identity, *scope))
    return _given(state, registry, "access", identity, "2.0", {"access": access}, headers)


def _asker(state: State, registry: AzureRegistry, request: web.BaseRequest, fields: Any) -> Identity | None:
    """Who asks for an access token; None for credentials that do not hold."""
    if request.method == "GET":
        try:
            basic = basic_credentials(request)
        except ValueError:
            return None
        if basic is not None:
            return _by_password(state, registry, *basic)
    elif fields.get("grant_type") == "refresh_token":
        return _by_token(state, registry, fields.get("refresh_token", ""), "refresh_token")
    elif fields.get("grant_type") == "password":
        if fields.get("username"):
            return _by_password(state, registry, fields["username"], fields.get("password", ""))
    else:
        return None
    return state.anonymous_identity(registry) if registry.anonymous_pull else None


def _scopes(registry: AzureRegistry, texts: list[str]) -> list[tuple[str, str, list[str]]]:
    """(type, name, actions) of each scope that the registry honours."""
    found = []
    for text in texts:
        words = text.split()
        for word in words if registry.flags.space_scopes else words[:1]:
            kind, _colon, rest = word.partition(":")
            name, _colon, actions = rest.rpartition(":")
            if name:
                found.append((kind, name, actions.split(",")))
    return found[:1] if registry.one_scope_per_token else found


def _grant(identity: Identity, kind: str, name: str, actions: list[str]) -> dict[str, Any]:
    """The entry of a token: of the actions asked for, those that are allowed. None missing is no error.

    In 2021 its keys were capitalised; the Azure CLI of today reads them in lower case.
    """
    if kind == "registry":
        allowed = {"*"} if name == "catalog" and "metadata_read" in identity.allowed("") else set()
    else:
        allowed = identity.allowed(name)
        if "*" in actions:
            return {"type": kind, "name": name, "actions": sorted(allowed)}
    return {"type": kind, "name": name, "actions": [a for a in actions if a in allowed]}


def _wrong_service(registry: AzureRegistry, fields: Any, headers: CIMultiDict[str]) -> web.Response | None:
    if fields.get("service") in registry.hosts:
        return None
    return web.Response(status=400, headers=headers)


def _refused(registry: AzureRegistry, headers: CIMultiDict[str]) -> web.Response:
    """Who signs in can't be told, or has no right here: both are answered alike."""
    text = UNAUTHORIZED + correlated(registry, headers["X-Ms-Correlation-Request-Id"])
    return answer(401, errors("UNAUTHORIZED", text), headers)


def _given(state: State, registry: AzureRegistry, kind: str, identity: Identity, version: str, more: dict[str, Any],
           headers: CIMultiDict[str]) -> web.Response:
    """The answer with a token: ``refresh`` or ``access``, as its claims and the answer say."""
    now, name = int(time.time()), f"{kind}_token"
    token = state.signer.issue({
        "jti": new_id(),
        "sub": identity.name,
        "nbf": now - _BACKDATED,
        "exp": now + getattr(state.knobs.tokens, f"{kind}_seconds"),
        "iat": now - _BACKDATED,
        "iss": ISSUER,
        "aud": registry.login_server,
        "version": version,
        "rid": secrets.token_hex(16),
        "grant_type": name,
        **({"appid": identity.client_id} if identity.client_id else {}),
        **more,
        "roles": [],
    })
    left = registry.calls_left.get(name, _CALLS.get(registry.sku, {}).get(name, _CALLS_ELSE))
    registry.calls_left[name] = left - 1 / 60
    headers["x-ms-ratelimit-remaining-calls-per-second"] = f"{left:.2f}".rstrip("0").rstrip(".")
    headers.popall("Docker-Distribution-Api-Version", None)
    response = answer(200, encode({name: token}), headers)
    response.enable_chunked_encoding()
    return response


# ---- what credentials show ----------------------------------------------------------------------------------------


def basic_credentials(request: web.BaseRequest) -> tuple[str, str] | None:
    """User name and password of a Basic header, None without one. ValueError when it can't be read."""
    scheme, _space, value = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        username, colon, password = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise ValueError("Basic credentials") from None
    if not colon:
        raise ValueError("Basic credentials")
    return username, password


def identify(state: State, registry: AzureRegistry, username: str | None, password: str | None) -> Identity | None:
    """Who the credentials of an import's source are to this registry, None for nobody it knows.

    Without a user name the password is a token: the registry's own, or one from Entra. Without both: anonymous.
    """
    if not password:
        return state.anonymous_identity(registry)
    if username and username != NULL_GUID:
        return state.password_identity(registry, username, password)
    identity = _by_token(state, registry, password)
    if identity is None:
        try:
            identity = state.entra_identity(registry, password)
        except TokenError:
            return None
    return identity


def asker(state: State, registry: AzureRegistry, request: web.BaseRequest) -> Identity | None:
    """Who a data request comes from: None without credentials; BadToken when they do not hold."""
    scheme, _space, token = request.headers.get("Authorization", "").partition(" ")
    if not scheme:
        return None
    if scheme.lower() == "basic":
        try:
            basic = basic_credentials(request)
        except ValueError:
            raise BadToken(basic=True) from None
        identity = _by_password(state, registry, *basic) if basic else None
        if identity is None:
            raise BadToken(basic=True)
        return identity
    identity = _by_token(state, registry, token, "access_token") if scheme.lower() == "bearer" else None
    if identity is None:
        raise BadToken
    return identity


def _by_password(state: State, registry: AzureRegistry, username: str, password: str) -> Identity | None:
    if username == NULL_GUID:
        return _by_token(state, registry, password)
    return state.password_identity(registry, username, password)


def _by_token(state: State, registry: AzureRegistry, token: str, kind: str | None = None) -> Identity | None:
    """Who a token of this registry shows. ``kind``: ``refresh_token``, ``access_token``, None for both."""
    try:
        claims = state.signer.check(token, (registry.login_server,))
    except TokenError:
        return None
    found = claims.get("grant_type")
    if claims.get("iss") != ISSUER or kind is not None and found != kind:
        return None
    if found == "refresh_token":
        principal = state.principals.get(claims["sub"])
        return state.principal_identity(registry, principal) if principal else None
    return Identity(claims["sub"], None, lambda repository: _actions(claims["access"], repository))


def _actions(access: list[dict[str, Any]], repository: str) -> set[str]:
    """What an access token's entries allow: of a repository, or ("") of the catalog."""
    if not repository:
        catalog = any(e["type"] == "registry" and e["name"] == "catalog" and "*" in e["actions"] for e in access)
        return {"metadata_read"} if catalog else set()
    allowed: set[str] = set()
    for entry in access:
        name = entry["name"]
        if entry["type"] == "repository" and (name == repository or "*" in name and fnmatch.fnmatchcase(repository, name)):
            allowed.update(entry["actions"])
    return allowed
