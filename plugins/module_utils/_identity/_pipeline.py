# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The identity of a pipeline's job. GitHub Actions and Azure Pipelines issue a token for each sign-in, however long a run takes."""

from __future__ import annotations

from typing import Any, Dict

from .._untrusted import parse

NAME = "the federated token of the pipeline's job"
NEEDS = ("client_id", "tenant", "oidc_request_token")
AUDIENCE = "api://AzureADTokenExchange"
SECONDS = 30.0  # for one request


def credential(values: Dict[str, Any], common: Dict[str, Any]) -> Any:
    if values.get("service_connection"):
        from azure.identity import AzurePipelinesCredential

        return AzurePipelinesCredential(
            tenant_id=values["tenant"],
            client_id=values["client_id"],
            service_connection_id=values["service_connection"],
            system_access_token=values["oidc_request_token"],
            **common,
        )
    from azure.identity import ClientAssertionCredential

    return ClientAssertionCredential(values["tenant"], values["client_id"], lambda: _assertion(values), **common)


def _assertion(values: Dict[str, Any]) -> str:
    """A new token from GitHub. ValueError or OSError if there is none."""
    import requests

    answer = requests.get(
        values["oidc_request_url"],
        params={"audience": AUDIENCE},
        headers={"Authorization": "Bearer " + values["oidc_request_token"]},
        timeout=SECONDS,
        allow_redirects=False,
    )
    content = parse(answer.content) if answer.status_code == 200 else None
    token = content.get("value") if isinstance(content, dict) else None
    if not isinstance(token, str):
        raise ValueError(
            f"The pipeline's token service answered with status {answer.status_code} and no token. Does the job have the permission "
            "id-token: write?"
        )
    return token
