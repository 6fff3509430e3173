# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A user with a password. Only works for accounts without multi-factor authentication."""

from __future__ import annotations

import warnings
from typing import Any, Dict

NAME = "a user's password"
NEEDS = ("ad_user", "password")
# The public client with which Azure's command-line tools sign in users.
CLIENT = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"


def credential(values: Dict[str, Any], common: Dict[str, Any]) -> Any:
    from azure.identity import UsernamePasswordCredential

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return UsernamePasswordCredential(
            values.get("client_id") or CLIENT,
            values["ad_user"],
            values["password"],
            tenant_id=values.get("tenant") or "organizations",
            **common
        )
