# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Azure's clouds: where they sign in, manage and keep registries."""

from __future__ import annotations

from typing import NamedTuple

from .._errors import AcrError
from .._http import Http
from .._reference import AZURE_SUFFIXES
from .._untrusted import link, mapping, strings

METADATA_VERSION = "2022-09-01"


class Cloud(NamedTuple):
    """One cloud. URLs without a slash at the end; *registry_suffix* without a dot in front.

    *known* clouds are those that Microsoft's sign-in libraries know; others must not be looked up there.
    """

    name: str
    resource_manager: str
    authority: str
    arm_scope: str
    registry_suffix: str
    known: bool = True

    def holds(self, host: str) -> bool:
        """Whether *host* is the login server of one of this cloud's registries."""
        return host.lower().endswith("." + self.registry_suffix)


def _cloud(name: str, manager: str, authority: str) -> Cloud:
    return Cloud(name, "https://" + manager, "https://" + authority, f"https://{manager}/.default", AZURE_SUFFIXES[name])


CLOUDS = {
    "AzureCloud": _cloud("AzureCloud", "management.azure.com", "login.microsoftonline.com"),
    "AzureChinaCloud": _cloud("AzureChinaCloud", "management.chinacloudapi.cn", "login.chinacloudapi.cn"),
    "AzureUSGovernment": _cloud("AzureUSGovernment", "management.usgovcloudapi.net", "login.microsoftonline.us"),
}
# Spellings that other tools use.
ALIASES = {"azurepubliccloud": "AzureCloud", "azureusgovernmentcloud": "AzureUSGovernment", "azurechina": "AzureChinaCloud"}


def find_cloud(text: str, http: Http) -> Cloud:
    """The cloud of this name, or the one that a Resource Manager at this URL describes.

    AcrError where there is none, or its description makes no sense.
    """
    if text.lower().startswith("https://"):
        return _described(text.rstrip("/"), http)
    for name, cloud in CLOUDS.items():
        if text.lower() in (name.lower(), name.lower().replace("azure", "")) or ALIASES.get(text.lower()) == name:
            return cloud
    raise AcrError(
        "invalid",
        f"cloud_environment {text!r} is not known; it is one of {', '.join(CLOUDS)}, or the https:// URL of an Azure Resource "
        "Manager.",
    )


def _described(url: str, http: Http) -> Cloud:
    host = link("", url, "cloud_environment").netloc
    answer = http.request("metadata", "GET", f"{url}/metadata/endpoints?api-version={METADATA_VERSION}")
    content = answer.json()
    if isinstance(content, list):  # other versions of the description hold one for each cloud
        managers = [entry for entry in content if isinstance(entry, dict)]
        content = next((entry for entry in managers if host in str(entry.get("resourceManager"))), (managers or [None])[0])
    if answer.status != 200 or not isinstance(content, dict):
        raise AcrError(
            "invalid",
            f"cloud_environment {url} answers with status {answer.status} where it should describe its cloud "
            "(/metadata/endpoints).",
        )
    authentication = mapping(content.get("authentication"), url)
    login = str(authentication.get("loginEndpoint") or "").rstrip("/")
    audiences = strings(authentication.get("audiences"), url)
    suffix = str(mapping(content.get("suffixes"), url).get("acrLoginServer") or "").lstrip(".")
    missing = [
        name
        for name, value in (("loginEndpoint", login), ("audiences", audiences), ("acrLoginServer", suffix))
        if not value
    ]
    if missing:
        raise AcrError("protocol", f"The cloud at {url} does not say its {' and its '.join(missing)}.")
    manager = str(content.get("resourceManager") or url).rstrip("/")
    for address in (manager, login):
        if link("", address, url).scheme != "https":
            raise AcrError("protocol", f"{url} names an address without TLS ({address}); refused.")
    scope = audiences[0].rstrip("/") + "/.default"
    for cloud in CLOUDS.values():
        if cloud.resource_manager == manager:
            return cloud
    return Cloud(str(content.get("name") or host), manager, login, scope, suffix, known=False)
