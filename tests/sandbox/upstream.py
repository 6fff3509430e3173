# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Registries that are not Azure's: Docker Hub with its token service, Microsoft's public one, private ones. Read only."""
from __future__ import annotations

import time
from typing import Any
from urllib.parse import parse_qsl

from aiohttp import web
from multidict import CIMultiDict, MultiDict

from . import lies, oci
from .acr.tokens import basic_credentials
from .model import Upstream
from .oci import answer, encode, errors
from .state import State
from .tokens import TokenError, new_id

TOKEN_SECONDS = 300
HUB_LIMIT = 100  # pulls in six hours
_HUB_EXCEEDED = ("You have reached your unauthenticated pull rate limit. https://www.docker.com/increase-rate-limit")


def take_pull(there: Upstream, counter: str = "import_pulls_left") -> bool:
    """Use one of the pulls that are left to Azure's imports; False when there was none."""
    left: int | None = getattr(there.flags, counter)
    if left is None:
        return True
    setattr(there.flags, counter, max(0, left - 1))
    return left > 0


def unauthorized_body(there: Upstream, repository: str) -> str:
    """What the registry answers to a pull that it doesn't allow."""
    detail = [{"Type": "repository", "Class": "", "Name": repository, "Action": "pull"}]
    return errors("UNAUTHORIZED", "authentication required", detail).decode().rstrip("\n")


async def handle(state: State, request: web.BaseRequest) -> web.StreamResponse:
    """One request to a registry, one of its other names, or its token service."""
    host = request.host.rsplit(":", 1)[0].lower()
    there = state.upstreams[host]
    headers: CIMultiDict[str] = CIMultiDict({"Docker-Distribution-Api-Version": "registry/2.0"})
    if host == there.token_host:
        return await _token(state, there, request)
    if there.flags.hub and host == "docker.io":  # the bare name is Docker's home page
        return web.Response(status=301, headers={"Location": "https://www.docker.com/"})
    path = oci.parse(request.path)
    if path is None:
        return web.Response(status=404, text="404 page not found\n")
    refusal = _refusal(state, there, request, path, headers)
    if refusal is not None:
        return refusal
    try:
        store = lies.read(state.knobs.lies, request, host, there.store)
    except lies.Told as told:
        headers.update(told.headers)
        return answer(told.status, told.body, headers)
    if request.method not in ("GET", "HEAD") or path.kind == "upload":
        return answer(405, errors("UNSUPPORTED", "The operation is unsupported."), headers)
    if path.kind == "ping":
        return answer(200, encode({}), headers)
    if path.kind == "manifest":
        return await _manifest(there, store, request, path, headers)
    if path.kind == "blob":
        return await oci.send_blob(request, there.store, path, headers)
    try:
        if path.kind == "referrers" and there.flags.referrers_api:
            return oci.referrers(request, store, path, headers, state.knobs.referrers_late_seconds, there.flags)
        if path.kind == "catalog":
            return _list(there, request, "repositories", {}, store.repositories(), headers)
        if path.kind == "tags":
            if path.repository not in store.repo_times:
                body = errors("NAME_UNKNOWN", "repository name not known to registry", {"name": path.repository})
                return answer(404, body, headers)
            names = [tag.name for tag in store.sorted_tags(path.repository)]
            return _list(there, request, "tags", {"name": path.repository}, names, headers)
    except ValueError:
        return answer(400, errors("PAGINATION_NUMBER_INVALID", "invalid number of results requested"), headers)
    return web.Response(status=404, text="404 page not found\n")


def _list(there: Upstream, request: web.BaseRequest, key: str, start: dict[str, str], names: list[str],
          headers: CIMultiDict[str]) -> web.Response:
    # Without ``n`` the whole list comes at once, as Distribution answers.
    number = oci.page_size(request, longest=there.flags.refuse_n_above) if "n" in request.query else len(names) or 1
    number = min(number, there.flags.page_limit or number)
    shown, more = oci.page(names, str, number, request.query.get("last", ""))
    if more:
        headers["Link"] = oci.next_link(request, {"last": shown[-1], "n": str(number)})
    return answer(200, encode({**start, key: shown}), headers)


async def _manifest(there: Upstream, store: Any, request: web.BaseRequest, path: oci.Path,
                    headers: CIMultiDict[str]) -> web.Response:
    if request.method == "HEAD" and there.flags.head_refused:
        return answer(405, errors("UNSUPPORTED", "The operation is unsupported."), headers)
    if there.flags.pulls_left is not None:
        allowed = request.method == "HEAD" or take_pull(there, "pulls_left")
        headers["ratelimit-limit"] = f"{HUB_LIMIT};w=21600"
        headers["ratelimit-remaining"] = f"{there.flags.pulls_left};w=21600"
        headers["docker-ratelimit-source"] = State.client_address
        if not allowed:
            return answer(429, errors("TOOMANYREQUESTS", _HUB_EXCEEDED), headers)
    repository = path.repository
    entry = store.manifest(repository, path.reference)
    if entry is None:
        return answer(404, oci.unknown_manifest(store, repository, path.reference), headers)
    sent = oci.accepted(request, store, repository, entry, convert=True)
    if isinstance(sent, str):
        return answer(404, errors("MANIFEST_UNKNOWN", sent), headers)
    if not there.flags.no_digest_header:
        headers["Docker-Content-Digest"] = sent.digest
        headers["ETag"] = f'"{sent.digest}"'
    return await oci.send_manifest(request, store, repository, sent, headers)


# ---- signing in ---------------------------------------------------------------------------------------------------


def _refusal(state: State, there: Upstream, request: web.BaseRequest, path: oci.Path,
             headers: CIMultiDict[str]) -> web.Response | None:
    """The 401 for a client that may not do this, or None."""
    if there.kind == "open":
        return None
    if there.flags.hides_from_nobody and path.repository and "Authorization" not in request.headers:
        return answer(404, oci.unknown_manifest(there.store, "", path.reference), headers)
    scheme, _space, value = request.headers.get("Authorization", "").partition(" ")
    problem = ""
    if there.kind == "basic":
        try:
            username, password = basic_credentials(request) or (None, None)
        except ValueError:
            username, password = "", ""
        known = there.users.get(username or "") == password if password is not None else False
        if known:
            request["principal"] = username
        if known or (password is None and path.repository and there.may_pull(path.repository, None, None)):
            return None
        headers["WWW-Authenticate"] = f'Basic realm="{there.host}"'
        return answer(401, errors("UNAUTHORIZED", "authentication required", None), headers)
    if scheme.lower() == "bearer":
        try:
            claims = state.signer.check(value, (str(there.service),))
        except TokenError:
            problem = "invalid_token"
        else:
            request["principal"] = claims["sub"] or "anonymous"
            if path.kind == "ping":
                return None
            if any(e["name"] in (path.repository, "*") and "pull" in e["actions"] for e in claims["access"]):
                return None
            problem = "insufficient_scope"
    parts = [f'realm="https://{there.token_host}/token"', f'service="{there.service}"']
    scope = there.flags.challenge_scope or (f"repository:{path.repository}:pull" if path.repository else "")
    if scope:
        parts.append(f'scope="{scope}"')
    if problem:
        parts.append(f'error="{problem}"')
    headers["WWW-Authenticate"] = "Bearer " + ",".join(parts)
    if path.repository:
        return answer(401, unauthorized_body(there, path.repository).encode() + b"\n", headers)
    return answer(401, errors("UNAUTHORIZED", "authentication required", None), headers)


async def _token(state: State, there: Upstream, request: web.BaseRequest) -> web.Response:
    """``GET /token`` (Basic or anonymous; ``scope`` repeated or joined by spaces) and ``POST /token`` (OAuth 2)."""
    fields: Any
    username: str | None = None
    password: str | None = None
    if request.path != "/token" or request.method not in ("GET", "POST"):
        return web.Response(status=404, text="404 page not found\n")
    if request.method == "POST":
        form = (await request.read()).decode("utf-8", "replace")
        fields = MultiDict(parse_qsl(form, keep_blank_values=True))
        if fields.get("grant_type") != "password":
            return answer(400, encode({"details": "unsupported grant type"}), CIMultiDict())
        username, password = fields.get("username", ""), fields.get("password", "")
    else:
        fields = request.query
        try:
            username, password = basic_credentials(request) or (None, None)
        except ValueError:
            username, password = "", ""
    request["principal"] = username or "anonymous"
    if fields.get("service") != there.service:
        return answer(400, encode({"details": "invalid service"}), CIMultiDict())
    if password is not None and there.users.get(username or "") != password:
        return answer(401, encode({"details": "incorrect username or password"}), CIMultiDict())
    access = []
    for scope in " ".join(fields.getall("scope", ())).split():
        if scope == there.flags.challenge_scope:
            allowed = "" not in there.private or password is not None
            access.append({"type": "repository", "name": "*", "actions": ["pull"] if allowed else []})
            continue
        kind, _colon, rest = scope.partition(":")
        name, _colon, actions = rest.rpartition(":")
        allowed = kind == "repository" and "pull" in actions.split(",") and there.may_pull(name, username, password)
        access.append({"type": kind, "name": name, "actions": ["pull"] if allowed else []})
    now = int(time.time())
    token = state.signer.issue({
        "jti": new_id(),
        "iss": str(there.token_host),
        "sub": username or "",
        "aud": there.service,
        "iat": now,
        "nbf": now - 5,
        "exp": now + TOKEN_SECONDS,
        "access": access,
    })
    only = there.flags.token_key
    body: dict[str, Any] = {key: token for key in ("token", "access_token") if only in (None, key)}
    body["expires_in"] = TOKEN_SECONDS
    body["issued_at"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(now))
    return answer(200, encode(body), CIMultiDict({"Content-Type": "application/json"}))
