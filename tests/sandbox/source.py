# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How an import reads its source: through the same rules as any client of that registry."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import upstream
from .acr.answers import firewall_body
from .acr.tokens import identify
from .model import AzureRegistry
from .state import State
from .store import Store

# The public address from which Azure's import service reads a source that was not named by resource ID.
SERVICE_ADDRESS = "20.61.97.4"


@dataclass(frozen=True)
class Found:
    """The source's manifest: copy ``digest`` of ``repository`` from ``store``."""

    store: Store
    repository: str
    digest: str


class SourceFailure(Exception):
    """The source does not give the image.

    ``kind``: ``not_found`` · ``unauthorized`` (``body``: the source's answer) · ``access_denied`` (an Azure registry
    refuses the identity) · ``firewall`` (``body``) · ``throttled`` · ``no_digest`` (``body``: the manifest's text) ·
    ``export_disabled`` · ``unreachable``.
    """

    def __init__(self, kind: str, body: str = "") -> None:
        super().__init__(kind)
        self.kind = kind
        self.body = body


def split_image(image: str) -> tuple[str, str | None, str | None]:
    """``repository[:tag][@digest]`` -> (repository, tag, digest)."""
    name, _at, digest = image.partition("@")
    head, slash, last = name.rpartition("/")
    last, _colon, tag = last.partition(":")
    return head + slash + last, tag or None, digest or None


async def resolve_source(state: State, source: dict[str, Any]) -> Found:
    """Read the ``source`` object of an import's body as Azure's import service does; SourceFailure tells why not.

    ``source``: {"registryUri" | "resourceId", "sourceImage", "credentials"?: {"username"?, "password"}}. That the
    caller may read a registry given by resource ID is Resource Manager's to check before.
    """
    repository, tag, digest = split_image(source["sourceImage"])
    reference = digest or tag or "latest"
    credentials = source.get("credentials") or {}
    username, password = credentials.get("username"), credentials.get("password")
    if source.get("resourceId"):
        registry = state.registry_by_id(source["resourceId"])
        if registry is None:
            raise SourceFailure("not_found")
        # Inside Azure the service is trusted, and credentials beside a resource ID are ignored.
        if not registry.open_to(SERVICE_ADDRESS) and not registry.bypass:
            raise SourceFailure("firewall", firewall_body(registry, SERVICE_ADDRESS))
        return _azure(registry, repository, reference)
    netloc = source["registryUri"].lower()
    registry = state.registry_hosts.get(netloc)
    if registry is not None:
        if not registry.open_to(SERVICE_ADDRESS):
            raise SourceFailure("firewall", firewall_body(registry, SERVICE_ADDRESS))
        identity = identify(state, registry, username, password)
        if identity is None or "pull" not in identity.allowed(repository):
            raise SourceFailure("access_denied")
        return _azure(registry, repository, reference)
    host, _colon, port = netloc.partition(":")
    there = state.upstreams.get(host)
    if there is None or host == there.token_host or int(port or 443) != there.port:
        raise SourceFailure("unreachable")
    if not there.may_pull(repository, username, password):
        raise SourceFailure("unauthorized", upstream.unauthorized_body(there, repository))
    if there.flags.throttled or not upstream.take_pull(there):
        raise SourceFailure("throttled")
    found = _find(there.store, repository, reference)
    if there.flags.no_digest_header:
        data, _media_type = await there.store.get_manifest(found.repository, found.digest)
        raise SourceFailure("no_digest", data.decode())
    return found


def _azure(registry: AzureRegistry, repository: str, reference: str) -> Found:
    if registry.properties["policies"]["exportPolicy"]["status"] == "disabled":
        raise SourceFailure("export_disabled")
    return _find(registry.store, repository, reference)


def _find(store: Store, repository: str, reference: str) -> Found:
    entry = store.manifest(repository, reference)
    if entry is None:
        raise SourceFailure("not_found")
    return Found(store, repository, entry.digest)
