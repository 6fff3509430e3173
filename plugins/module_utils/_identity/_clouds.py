# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Azure's clouds: where to sign in, where Azure Resource Manager is, and what registries are called."""

from __future__ import annotations

from typing import NamedTuple

from .._errors import AcrError
from .._http import Http
from .._reference import AZURE_SUFFIXES
from .._untrusted import link, mapping, strings

METADATA_VERSION = "2022-09-01"


class Cloud(NamedTuple):
    """One cloud. URLs have no trailing slash; *registry_suffix* has no leading dot.

    *known*: Microsoft's sign-in libraries know the cloud; others must not be looked up there.
    """

    name: str
    resource_manager: str
    authority: str
    arm_scope: str
    registry_suffix: str
    known: bool = True

    def holds(self, host: str) -> bool:
        """Whether *host* is the login server of a registry in this cloud."""
        return host.lower().endswith("." + self.registry_suffix)


def _cloud(name: str, manager: str, authority: str) -> Cloud:
    return Cloud(name, "https://" + manager, "https://" + authority, f"https://{manager}/.default", AZURE_SUFFIXES[name])


CLOUDS = {
    "AzureCloud": _cloud("AzureCloud", "management.azure.com", "login.microsoftonline.com"),
    "AzureChinaCloud": _cloud("AzureChinaCloud", "management.chinacloudapi.cn", "login.chinacloudapi.cn"),
    "AzureUSGovernment": _cloud("AzureUSGovernment", "management.usgovcloudapi.net", "login.microsoftonline.us"),
}
# Names that other tools use.
ALIASES = {"azurepubliccloud": "AzureCloud", "azureusgovernmentcloud": "AzureUSGovernment", "azurechina": "AzureChinaCloud"}


def find_cloud(text: str, http: Http) -> Cloud:
    """The cloud with this name, or the one described by the Azure Resource Manager at this URL.

    AcrError if there is none, or if its description is invalid.
    """
    if text.lower().startswith("https://"):
        return _described(text.rstrip("/"), http)
    for name, cloud in CLOUDS.items():
        if text.lower() in (name.lower(), name.lower().replace("azure", "")) or ALIASES.get(text.lower()) == name:
            return cloud
    raise AcrError(
        "invalid",
        f"cloud_environment {text!r} is unknown; it must be one of {', '.join(CLOUDS)}, or the https:// URL of an Azure Resource "
        "Manager.",
    )


def _described(url: str, http: Http) -> Cloud:
    host = link("", url, "cloud_environment").netloc
    answer = http.request("metadata", "GET", f"{url}/metadata/endpoints?api-version={METADATA_VERSION}")
    content = answer.json()
    if isinstance(content, list):  # in other versions, the descriptions of several clouds
        clouds = [entry for entry in content if isinstance(entry, dict)]
        clouds.sort(key=lambda entry: host not in str(entry.get("resourceManager")))
        content = clouds[0] if clouds else None
    if answer.status != 200 or not isinstance(content, dict):
        raise AcrError(
            "invalid",
            f"cloud_environment {url} answered with status {answer.status} instead of describing its cloud (/metadata/endpoints).",
        )
    authentication = mapping(content.get("authentication"), url)
    login = str(authentication.get("loginEndpoint") or "").rstrip("/")
    audiences = strings(authentication.get("audiences"), url)
    suffix = str(mapping(content.get("suffixes"), url).get("acrLoginServer") or "").lstrip(".")
    needed = {"loginEndpoint": login, "audiences": audiences, "acrLoginServer": suffix}
    missing = [name for name, value in needed.items() if not value]
    if missing:
        raise AcrError("protocol", f"The description of the cloud at {url} lacks {', '.join(missing)}.")
    manager = str(content.get("resourceManager") or url).rstrip("/")
    for address in (manager, login):
        if link("", address, url).scheme != "https":
            raise AcrError("protocol", f"{url} names an address without TLS ({address}); refused.")
    scope = audiences[0].rstrip("/") + "/.default"
    for cloud in CLOUDS.values():
        if cloud.resource_manager == manager:
            return cloud
    return Cloud(str(content.get("name") or host), manager, login, scope, suffix, known=False)
