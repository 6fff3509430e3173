# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Clients by which the sandbox's tests ask it: an Azure registry with a token, and imports."""
from __future__ import annotations

import time
from typing import Any

import jwt
import requests
from azure.identity import ClientSecretCredential

from tests.sandbox import images
from tests.sandbox.handle import ARM_URL, PRINCIPALS, SUBSCRIPTION

PROD = "contosoprod.azurecr.test"
DEV = "contosodev.azurecr.test"
AUDIENCE = "https://containerregistry.azure.net"
TYPES = ", ".join((images.OCI_INDEX, images.OCI_MANIFEST, images.DOCKER_LIST, images.DOCKER_MANIFEST))
_REGISTRIES = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-registries/providers/Microsoft.ContainerRegistry/registries"
PROD_ID = f"{_REGISTRIES}/contosoprod"
DEV_ID = f"{_REGISTRIES}/contosodev"
VERSION = {"api-version": "2025-11-01"}
FROM_DEV = {"resourceId": DEV_ID, "sourceImage": "aci-helloworld:v1"}
FROM_HUB = {"registryUri": "docker.io", "sourceImage": "library/hello-world:latest"}


def credential(principal: str = "contributor") -> ClientSecretCredential:
    tenant, client, secret = PRINCIPALS[principal]
    return ClientSecretCredential(
        tenant, client, secret, authority="https://login.azure.test", disable_instance_discovery=True
    )


def exchange(
    http: requests.Session, principal: str = "contributor", host: str = PROD, audience: str = AUDIENCE, **more: str
) -> requests.Response:
    entra = credential(principal).get_token(f"{audience}/.default").token
    form = {"grant_type": "access_token", "service": host, "access_token": entra, **more}
    return http.post(f"https://{host}/oauth2/exchange", data=form)


class Registry:
    """A registry as seen with an access token for some scopes."""

    def __init__(self, http: requests.Session, host: str, *scopes: str, principal: str = "contributor") -> None:
        self.http = http
        self.base = f"https://{host}"
        form: dict[str, Any] = {"grant_type": "refresh_token", "service": host, "scope": list(scopes)}
        form["refresh_token"] = exchange(http, principal, host).json()["refresh_token"]
        answer = http.post(f"{self.base}/oauth2/token", data=form)
        assert answer.status_code == 200, answer.text
        assert set(answer.json()) == {"access_token"}
        self.token = answer.json()["access_token"]

    def __call__(self, method: str, path: str, **options: Any) -> requests.Response:
        headers = {"Authorization": f"Bearer {self.token}", "Accept": TYPES, **options.pop("headers", {})}
        return self.http.request(method, self.base + path, headers=headers, **options)

    def get(self, path: str, **query: Any) -> requests.Response:
        return self("GET", path, params=query)

    def claims(self) -> dict[str, Any]:
        return claims(self.token)


def claims(token: str) -> dict[str, Any]:
    return jwt.decode(token, options={"verify_signature": False})


def code(answer: requests.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["errors"][0]["code"]


def bearer(principal: str = "contributor", scope: str = f"{ARM_URL}/.default") -> dict[str, str]:
    return {"Authorization": f"Bearer {credential(principal).get_token(scope).token}"}


class Imports:
    """Sends imports as ``principal`` and follows them to the end."""

    def __init__(self, http: requests.Session, principal: str = "contributor") -> None:
        self.http = http
        self.headers = bearer(principal)

    def post(self, source: dict[str, Any], *targets: str, mode: str = "NoForce", **more: Any) -> requests.Response:
        body = {"source": source, "targetTags": list(targets), "mode": mode, **more}
        return self.http.post(f"{ARM_URL}{PROD_ID}/importImage", params=VERSION, json=body, headers=self.headers)

    def follow(self, answer: requests.Response, seconds: float = 10.0) -> requests.Response:
        assert answer.status_code == 202, answer.text
        end = time.monotonic() + seconds
        while answer.status_code == 202:
            assert time.monotonic() < end
            time.sleep(0.02)
            answer = self.http.get(answer.headers["Location"], headers=self.headers)
        return answer

    def run(self, *arguments: Any, **options: Any) -> requests.Response:
        return self.follow(self.post(*arguments, **options))
