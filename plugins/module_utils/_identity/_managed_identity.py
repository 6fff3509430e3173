# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The managed identity of the machine: the system-assigned one, or the user-assigned one given by client_id."""

from __future__ import annotations

from typing import Any, Dict

NAME = "the managed identity"
NEEDS = ()


def credential(values: Dict[str, Any], common: Dict[str, Any]) -> Any:
    from azure.identity import ManagedIdentityCredential

    client = values.get("client_id")
    return ManagedIdentityCredential(client_id=client) if client else ManagedIdentityCredential()
