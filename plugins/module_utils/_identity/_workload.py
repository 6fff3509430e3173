# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A workload identity: a token from an external issuer, such as Kubernetes or a pipeline, given as text or as a file."""

from __future__ import annotations

from typing import Any, Dict

NAME = "a workload identity's token"
NEEDS = ("client_id", "tenant")


def credential(values: Dict[str, Any], common: Dict[str, Any]) -> Any:
    from azure.identity import ClientAssertionCredential

    return ClientAssertionCredential(values["tenant"], values["client_id"], lambda: _assertion(values), **common)


def _assertion(values: Dict[str, Any]) -> str:
    """The token. A file is read again for each sign-in, since a pipeline's token is replaced every few minutes; azure-identity's
    own class for files would keep it for ten."""
    if values.get("oidc_token"):
        return str(values["oidc_token"])
    with open(values["oidc_token_file_path"], encoding="utf-8") as file:
        return file.read().strip()
