# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Requests to Azure Resource Manager, signed in: reads of one thing or of a list, and the errors that refusals become."""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterator, List, Tuple
from urllib.parse import quote, urlsplit

from ._diagnosis import Context, explain
from ._errors import AcrError
from ._http import Http
from ._identity import Identity
from ._resource import ARM, RegistryResource
from ._untrusted import Answer, link, objects, same_host

SUBSCRIPTIONS_VERSION = "2022-12-01"
PERMISSIONS_VERSION = "2022-04-01"
REGISTRIES_VERSION = "2023-07-01"
PROVIDER = "Microsoft.ContainerRegistry"
PAGES = 1000  # of a list; a longer one is taken for endless


class ArmClient:
    """Azure Resource Manager of one cloud, for one identity. Each method raises AcrError if the request fails, and IdentityError
    if signing in does."""

    def __init__(self, identity: Identity, http: Http) -> None:
        self.identity = identity
        self.http = http
        self.url = identity.cloud.resource_manager.rstrip("/")
        self.host = urlsplit(self.url).netloc

    def registry(self, subscription: str, resource_group: str, name: str) -> RegistryResource:
        """One registry, in one request."""
        group = f"/subscriptions/{quote(subscription, safe='')}/resourceGroups/{quote(resource_group, safe='')}"
        path = f"{group}/providers/{PROVIDER}/registries/{quote(name, safe='')}?api-version={REGISTRIES_VERSION}"
        return RegistryResource.of(self._read(self.url + path, Context(f"registry {name} in resource group {resource_group}")))

    def registries(self, subscription: str) -> Iterator[RegistryResource]:
        """All registries of a subscription that the account can see."""
        path = f"/subscriptions/{quote(subscription, safe='')}/providers/{PROVIDER}/registries?api-version={REGISTRIES_VERSION}"
        return map(RegistryResource.of, self._list(path, Context(f"subscription {subscription}")))

    def subscriptions(self) -> List[str]:
        """The IDs of all subscriptions that the account can see."""
        entries = self._list(f"/subscriptions?api-version={SUBSCRIPTIONS_VERSION}", Context("the list of subscriptions"))
        return [str(entry["subscriptionId"]) for entry in entries if entry.get("subscriptionId")]

    def permissions(self, resource_id: str) -> Iterator[Dict[str, Any]]:
        """What the account may do with a registry: what each of its roles allows and excepts, in Azure's words."""
        path = f"{quote(resource_id)}/providers/Microsoft.Authorization/permissions?api-version={PERMISSIONS_VERSION}"
        return self._list(path, Context(f"the permissions on {resource_id}"))

    def _list(self, path: str, context: Context) -> Iterator[Dict[str, Any]]:
        url = self.url + path
        for _page in range(PAGES):
            page = self._read(url, context)
            if "value" not in page:  # not a list, so nothing can be concluded from what it lacks
                raise AcrError("protocol", f"{ARM} returned no list for {context.target}.")
            yield from objects(page["value"], ARM)
            following = page.get("nextLink")
            if not following:
                return
            url = self.own(following)
        raise AcrError("protocol", f"{ARM} returned more than {PAGES} pages for {context.target}; refused.")

    def _read(self, url: str, context: Context) -> Dict[str, Any]:
        answer = self.get(url)
        content = answer.json()
        if answer.status != 200 or not isinstance(content, dict):
            raise refusal(answer, context)
        return content

    def get(self, url: str) -> Answer:
        """The answer to a GET, whatever its status."""
        return self.signed_in(
            lambda: self.http.request("arm_reads", "GET", url, headers={"Authorization": "Bearer " + self.token()})
        )

    def signed_in(self, send: Callable[[], Answer]) -> Answer:
        """What *send* returns; sent once more with a new token if Azure calls the current one expired, whatever this machine's
        clock says."""
        answer = send()
        if answer.status != 401:
            return answer
        self.identity.renew()
        return send()

    def token(self) -> str:
        """The access token that requests are signed in with."""
        return self.identity.token(self.identity.cloud.arm_scope)

    def own(self, url: Any) -> str:
        """*url*, as found in an answer, made absolute. AcrError unless it leads to Azure Resource Manager itself."""
        parts = link(self.url, url or None, ARM)
        regional = parts.netloc.lower().endswith("." + self.host.lower())
        if parts.scheme != "https" or not (same_host(parts.netloc, self.host) or regional):
            raise AcrError("protocol", f"{self.host} points to another host ({parts.netloc}); refused.")
        return parts.geturl()


def error_of(answer: Answer) -> Tuple[str, str]:
    """Code and message of the answer's ``error`` object; empty if it has none."""
    content = answer.json()
    error = content.get("error") if isinstance(content, dict) else None
    if not isinstance(error, dict):
        return "", ""
    return str(error.get("code") or ""), str(error.get("message") or "")


def refusal(answer: Answer, context: Context, *, starting: bool = False) -> AcrError:
    """The error for a request that Azure Resource Manager refused. *starting*: the request was to start an import."""
    code, text = error_of(answer)
    if not code and not text and answer.status not in (401, 403, 404):
        message = f"{ARM} answered with status {answer.status} for {context.target}, without an explanation."
        return AcrError("protocol", message, status=answer.status)
    return explain(code, text, answer.status, context, starting=starting)
