# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Azure as the checks ask it: raw requests about one registry, each recorded without what is private."""
from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import requests

from ansible_collections.registryops.acr.plugins.module_utils._errors import Problem
from ansible_collections.registryops.acr.plugins.module_utils._identity import Identity

VERSION = "2025-11-01"
TYPES = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)
NULL = "00000000-0000-0000-0000-000000000000"
PATIENCE = 600  # seconds that Azure has for one operation
_TRIES = 6  # of a request that is answered 429
_DROPPED = {"authorization", "cookie", "set-cookie"}  # headers that are not recorded
# What is private whoever asks, and what stands in its place.
_PRIVATE = (
    (r"eyJ[\w-]+\.[\w-]+\.[\w-]+", "TOKEN"),
    (r"((?:access|refresh)_token|password)(\"?[:=] ?\"?)[^\"&]+", r"\1\2TOKEN"),
    (r"(?i)\b(?!00000000-0000-0000-0000-000000000000)[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", "GUID"),
    (r"([?&][tcsh]=)[^&\"\s]+", r"\1SIGNED"),
    (r"\b\d{1,3}(\.\d{1,3}){3}\b", "192.0.2.1"),
    (r"(?i)(client )'[^']*'", r"\1'CLIENT'"),
    (r"(\"(?:createdBy|lastModifiedBy)\": ?)\"[^\"]*\"", r'\1"CLIENT"'),
    (r"[\w.+-]+@(?!sha256:)[\w-]+(\.[\w-]+)+", "user@example.com"),
)


class Azure:
    """One registry, as the account sees it that *identity* signs in. *seconds*: how long to wait between two looks at something
    that takes its time. ``exchanges`` has all that was said, and ``check`` is what it was said for."""

    def __init__(self, identity: Identity, group: str, name: str, seconds: float = 2.0) -> None:
        self.identity, self.name, self.seconds = identity, name, seconds
        self.group = f"/subscriptions/{identity.subscription_id}/resourceGroups/{group}"
        self.id = f"{self.group}/providers/Microsoft.ContainerRegistry/registries/{name}"
        self.host = f"{name}.{identity.cloud.registry_suffix}"
        self.check = "setup"
        self.exchanges: list[dict[str, Any]] = []
        self._http = requests.Session()
        self._tokens: dict[tuple[str, ...], str] = {}
        own = ((re.escape(self.host), "REGISTRY_HOST"), (re.escape(name), "REGISTRY"))
        place = (rf"(?i)(resource ?groups?(?:/| ')|\"name\": ?\"){re.escape(group)}(?![\w-])", r"\1GROUP")
        self._private = [(re.compile(pattern), instead) for pattern, instead in (*own, place, *_PRIVATE)]

    def masked(self, text: str) -> str:
        """*text* without what is private."""
        for pattern, instead in self._private:
            text = pattern.sub(instead, text)
        return text

    # ---- requests -----------------------------------------------------------------------------------------------------

    def send(self, method: str, url: str, **options: Any) -> requests.Response:
        """Any request; redirects are not followed. Sent again for a while if it is throttled."""
        for _try in range(_TRIES):
            answer = self._http.request(method, url, timeout=60, allow_redirects=False, **options)
            self._record(answer)
            if answer.status_code != 429:
                break
            time.sleep(float(answer.headers.get("Retry-After", 10)))
        return answer

    def _record(self, answer: requests.Response) -> None:
        asked = answer.request
        sent = asked.body.decode("utf-8", "replace") if isinstance(asked.body, bytes) else asked.body or ""

        def said(headers: Any) -> dict[str, str]:
            return {name: self.masked(value) for name, value in headers.items() if name.lower() not in _DROPPED}

        self.exchanges.append(
            {
                "check": self.check,
                "request": [asked.method, self.masked(str(asked.url)), said(asked.headers), self.masked(sent)],
                "answer": [answer.status_code, said(answer.headers), self.masked(answer.text)],
            }
        )

    def arm(self, method: str, path: str, version: str = VERSION, **options: Any) -> requests.Response:
        """A request to Azure Resource Manager, for a path or (as of the header Location) a whole URL."""
        cloud = self.identity.cloud
        headers = {"Authorization": "Bearer " + self.identity.token(cloud.arm_scope), **options.pop("headers", {})}
        if not path.startswith("/"):
            return self.send(method, path, headers=headers, **options)
        query = {"api-version": version, **options.pop("params", {})}
        return self.send(method, cloud.resource_manager + path, headers=headers, params=query, **options)

    def registry(self, method: str, path: str, *scopes: str, **options: Any) -> requests.Response:
        """A request to the registry, with a token for *scopes*, or without any."""
        headers = {"Accept": TYPES, **options.pop("headers", {})}
        if scopes:
            headers["Authorization"] = "Bearer " + self.token(*scopes)
        return self.send(method, f"https://{self.host}{path}", headers=headers, **options)

    def exchange(self, token: str = "", **form: str) -> requests.Response:
        """The sign-in with a token of Microsoft Entra ID (empty: one for registries)."""
        token = token or self.identity.token(self.identity.registry_scope)
        form = {"grant_type": "access_token", "service": self.host, "access_token": token, **form}
        return self.registry("POST", "/oauth2/exchange", data=form)

    def refresh_token(self) -> str:
        if () not in self._tokens:
            self._tokens[()] = self.exchange().json()["refresh_token"]
        return self._tokens[()]

    def token(self, *scopes: str) -> str:
        """An access token for *scopes*, each of them a parameter."""
        if scopes not in self._tokens:
            form = {"grant_type": "refresh_token", "service": self.host, "scope": scopes, "refresh_token": self.refresh_token()}
            self._tokens[scopes] = self.registry("POST", "/oauth2/token", data=form).json()["access_token"]
        return self._tokens[scopes]

    # ---- what takes its time ------------------------------------------------------------------------------------------

    def until(self, look: Callable[[], Any]) -> Any:
        """What *look* returns, as soon as that is neither None nor False. TimeoutError if that never comes."""
        end = time.monotonic() + PATIENCE
        while (found := look()) in (None, False):  # an answer that refuses is false, too
            if time.monotonic() > end:
                raise TimeoutError(f"not so within {PATIENCE} s")
            time.sleep(self.seconds)
        return found

    def create(self) -> None:
        """Make the registry, in the place of its resource group. RuntimeError if Azure refuses to."""
        found = self.arm("GET", self.group, "2022-09-01")
        made = found
        if found.status_code == 200:
            # In the other mode, Contributor would give no right to images.
            properties = {"roleAssignmentMode": "LegacyRegistryPermissions"}
            body = {"location": found.json()["location"], "sku": {"name": "Premium"}, "properties": properties}
            made = self.arm("PUT", self.id, json=body)
        if made.status_code not in (200, 201, 202):
            raise RuntimeError(f"Azure made no registry: {made.status_code} {made.text}")
        self.settled()

    def settled(self) -> dict[str, Any]:
        """The registry once no change of it is under way."""
        done = ("Succeeded", "Failed", "Canceled")

        def shown() -> Any:
            found = self.arm("GET", self.id).json()
            return found if found.get("properties", {}).get("provisioningState") in done else None

        return self.until(shown)

    def change(self, **properties: Any) -> requests.Response:
        """The answer to a change of the registry's properties, once that has been made."""
        answer = self.arm("PATCH", self.id, json={"properties": properties})
        place = answer.headers.get("Azure-AsyncOperation")
        if place:
            self.until(lambda: self.arm("GET", place).json().get("status") in ("Succeeded", "Failed", "Canceled"))
        return answer

    def remove(self) -> bool:
        """Whether the registry is gone."""
        with suppress(Problem, requests.RequestException, TimeoutError):
            if self.arm("DELETE", self.id).status_code >= 400:
                return self.arm("GET", self.id).status_code == 404
            return bool(self.until(lambda: self.arm("GET", self.id).status_code == 404))
        return False

    def start(self, source: dict[str, str], *targets: str, **more: Any) -> requests.Response:
        """The answer to the request that starts an import."""
        body = {"source": source, **({"targetTags": targets} if targets else {}), **more}
        return self.arm("POST", f"{self.id}/importImage", json=body)

    def polls(self, started: requests.Response) -> list[requests.Response]:
        """How an import went: the answers until there is a last one."""
        found, end = [started], time.monotonic() + PATIENCE
        while found[-1].status_code == 202 and time.monotonic() < end:
            time.sleep(self.seconds)
            found.append(self.arm("GET", found[-1].headers.get("Location", found[0].headers["Location"])))
        return found[1:] or found

    def imported(self, source: dict[str, str], *targets: str, **more: Any) -> requests.Response:
        """The last answer about an import."""
        return self.polls(self.start(source, *targets, **more))[-1]


def claims(token: str) -> dict[str, Any]:
    """What a token of a registry says; its signature is the registry's business."""
    payload = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
