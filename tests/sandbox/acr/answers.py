# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all answers of an Azure registry have in common, and its refusals."""
from __future__ import annotations

from multidict import CIMultiDict

from .. import oci
from ..model import AzureRegistry
from ..tokens import new_id
from ..unrecorded import NOT_RECORDED

UNAUTHORIZED = "authentication required, visit https://aka.ms/acr/authorization for more information."
_HSTS = "max-age=31536000; includeSubDomains"
_COMMON = CIMultiDict(
    [
        ("Docker-Distribution-Api-Version", "registry/2.0"),
        ("X-Content-Type-Options", "nosniff"),
        ("Strict-Transport-Security", _HSTS),
        ("Strict-Transport-Security", _HSTS),
        ("Access-Control-Expose-Headers", "Docker-Content-Digest"),
        ("Access-Control-Expose-Headers", "WWW-Authenticate"),
        ("Access-Control-Expose-Headers", "Link"),
        ("Access-Control-Expose-Headers", "X-Ms-Correlation-Request-Id"),
    ]
)


class Refused(Exception):
    """An error answer."""

    def __init__(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        super().__init__(status)
        self.status, self.body, self.headers = status, body, headers or {}


def page_not_found() -> Refused:
    return Refused(404, b"404 page not found\n", {"Content-Type": "text/plain; charset=utf-8"})


def unsupported() -> Refused:
    return Refused(405, oci.errors("UNSUPPORTED", NOT_RECORDED["registry"]["unsupported"]))


def unknown_repository(name: str) -> Refused:
    return Refused(404, oci.errors("NAME_UNKNOWN", f'repository "{name}" is not found'))


def disallowed() -> Refused:
    return Refused(405, oci.errors("REGISTRY_DISALLOWED_OPERATION", oci.DISALLOWED, {}))


def correlated(registry: AzureRegistry, correlation: str) -> str:
    """What ends a refusal's text."""
    return f" CorrelationId: {correlation}" if registry.flags.correlation_ids else ""


def firewall_body(registry: AzureRegistry, address: str, correlation: str = "") -> str:
    """What a registry tells a client from an address that its firewall does not let in. ``correlation``: the answer's
    ID (none given: a new one)."""
    # Azure writes the apostrophes as JSON escapes.
    return (
        f'{{"errors":[{{"code":"DENIED","message":"client with IP \\u0027{address}\\u0027 is not allowed access. '
        f'Refer https://aka.ms/acr/firewall to grant access.{correlated(registry, correlation or new_id())}"}}]}}'
    )


def common_headers(registry: AzureRegistry) -> CIMultiDict[str]:
    """What stands on each answer of a registry."""
    headers = CIMultiDict(_COMMON)
    headers["Server"] = registry.flags.server
    headers["X-Ms-Correlation-Request-Id"] = new_id()
    return headers
