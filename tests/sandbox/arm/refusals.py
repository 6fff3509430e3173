# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How Resource Manager refuses."""
from __future__ import annotations

from typing import Any

from ..unrecorded import NOT_RECORDED

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


class Problem(Exception):
    """An error answer: status, body, further headers."""

    def __init__(self, status: int, body: dict[str, Any] | None, headers: dict[str, str] | None = None) -> None:
        super().__init__(str(body))
        self.status, self.body, self.headers = status, body, headers or {}


def refusal(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> Problem:
    """As a resource provider words it."""
    return Problem(status, {"error": {"code": code, "message": message}}, headers)


def by_gateway(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> Problem:
    """As Resource Manager itself words it, before any provider is asked."""
    return refusal(status, code, message, {**(headers or {}), "x-ms-failure-cause": "gateway"})


def by_registry(status: int, code: str, message: str) -> Problem:
    """As Azure Container Registry words it."""
    return Problem(status, {"error": {"code": code, "message": message}, "status": "Failed"})
