# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The identity of a pipeline's job. GitHub Actions and Azure Pipelines issue a token for each sign-in, however long a run takes."""

from __future__ import annotations

from typing import Any, Dict, Mapping, Set

from .._untrusted import parse

NAME = "the federated token of the pipeline's job"
NEEDS = ("client_id", "tenant")
AUDIENCE = "api://AzureADTokenExchange"
SECONDS = 30.0  # for one request
# The address of each pipeline's token service → what goes with it: the job's own token first.
GITHUB, AZURE = "ACTIONS_ID_TOKEN_REQUEST_URL", "SYSTEM_OIDCREQUESTURI"
VARIABLES = {
    GITHUB: ("ACTIONS_ID_TOKEN_REQUEST_TOKEN",),
    AZURE: ("SYSTEM_ACCESSTOKEN", "AZURESUBSCRIPTION_SERVICE_CONNECTION_ID"),
}


def job(environ: Mapping[str, str]) -> Dict[str, str]:
    """What a pipeline's job finds in its environment to sign in with; empty outside of one."""
    for address, others in VARIABLES.items():
        if environ.get(address):
            return {name: environ[name].strip() for name in (address, *others) if environ.get(name)}
    return {}


def secrets(values: Mapping[str, Any]) -> Set[str]:
    """Those of them that must not be shown."""
    return {text for name, text in values.get("pipeline", {}).items() if name.endswith("TOKEN") and text}


def credential(values: Dict[str, Any], common: Dict[str, Any]) -> Any:
    """ValueError if the job lacks a variable."""
    given = values["pipeline"]
    address = next(name for name in VARIABLES if name in given)
    missing = [name for name in VARIABLES[address] if not given.get(name)]
    if missing:
        raise ValueError(f"{address} is set, but not {' and '.join(missing)}. Run the job as the guide to pipelines says.")
    token = given[VARIABLES[address][0]]
    if address == AZURE:
        from azure.identity import AzurePipelinesCredential

        return AzurePipelinesCredential(
            tenant_id=values["tenant"],
            client_id=values["client_id"],
            service_connection_id=given["AZURESUBSCRIPTION_SERVICE_CONNECTION_ID"],
            system_access_token=token,
            **common
        )
    from azure.identity import ClientAssertionCredential

    return ClientAssertionCredential(values["tenant"], values["client_id"], lambda: _assertion(given[GITHUB], token), **common)


def _assertion(url: str, token: str) -> str:
    """A new token from GitHub. ValueError or OSError if there is none."""
    import requests

    answer = requests.get(
        url,
        params={"audience": AUDIENCE},
        headers={"Authorization": "Bearer " + token},
        timeout=SECONDS,
        allow_redirects=False,
    )
    content = parse(answer.content) if answer.status_code == 200 else None
    assertion = content.get("value") if isinstance(content, dict) else None
    if not isinstance(assertion, str):
        raise ValueError(
            f"The pipeline's token service answered with status {answer.status_code} and no token. Does the job have the permission "
            "id-token: write?"
        )
    return assertion
