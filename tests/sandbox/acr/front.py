# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An Azure registry's front: its firewall, and what is asked where."""
from __future__ import annotations

from aiohttp import web

from .. import lies, oci
from ..state import State
from . import tokens, v1, v2
from .answers import Refused, common_headers, firewall_body, page_not_found
from .call import Call


async def handle(state: State, request: web.BaseRequest) -> web.StreamResponse:
    """One request to a registry's login server or regional endpoint."""
    host = request.host.rsplit(":", 1)[0].lower()
    registry = state.registry_hosts[host]
    headers = common_headers(registry)
    if not registry.open_to(state.client_address):
        body = firewall_body(registry, state.client_address, headers["X-Ms-Correlation-Request-Id"])
        return oci.answer(403, body.encode() + b"\n", headers)
    if request.path.startswith("/oauth2/"):
        return await tokens.handle(state, registry, request, headers)
    call = Call(state, registry, request, host, headers)
    try:
        if request.path.startswith("/acr/v1/"):
            return await v1.answer(call)
        path = oci.parse(request.path)
        if path is None:
            raise page_not_found()
        return await v2.answer(call, path)
    except (Refused, lies.Told) as refused:
        headers.update(refused.headers)
        return oci.answer(refused.status, refused.body, headers)
