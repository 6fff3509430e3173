# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A service principal with a secret."""

from __future__ import annotations

from typing import Any, Dict

NAME = "a service principal's secret"
NEEDS = ("client_id", "secret", "tenant")


def credential(values: Dict[str, Any], common: Dict[str, Any]) -> Any:
    from azure.identity import ClientSecretCredential

    return ClientSecretCredential(values["tenant"], values["client_id"], values["secret"], **common)
