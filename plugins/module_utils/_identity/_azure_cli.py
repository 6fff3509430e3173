# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The account that is signed in to the Azure CLI on this machine."""

from __future__ import annotations

from typing import Any, Dict

NAME = "the Azure CLI"
NEEDS = ()


def credential(values: Dict[str, Any], common: Dict[str, Any]) -> Any:
    from azure.identity import AzureCliCredential

    return AzureCliCredential(tenant_id=values.get("tenant") or "", process_timeout=30)
