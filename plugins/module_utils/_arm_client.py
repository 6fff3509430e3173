# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Requests to Azure Resource Manager, signed in: reads of one thing or of a list, and the errors that refusals become."""

from __future__ import annotations

import base64
import functools
import re
from contextlib import suppress
from typing import Any, Callable, Dict, Iterator, List, Set, Tuple
from urllib.parse import quote, urlsplit

from ._diagnosis import Context, explain
from ._errors import AcrError
from ._http import Http
from ._identity import Identity
from ._resource import ARM, RegistryResource
from ._untrusted import Answer, challenge_values, link, objects, same_host

SUBSCRIPTIONS_VERSION = "2022-12-01"
PERMISSIONS_VERSION = "2022-04-01"
REGISTRIES_VERSION = "2025-11-01"  # the newest stable one that is known to be served
PROVIDER = "Microsoft.ContainerRegistry"
PAGES = 1000  # of a list; a longer one is taken for endless
VERSIONS = 4  # API versions that one request is tried with
# How Azure Resource Manager refuses an API version, and what it says of those that it serves.
_OTHER_VERSION = ("NoRegisteredProviderFound", "InvalidResourceType", "InvalidApiVersionParameter")
_SERVED = re.compile(
    r"(?:No registered resource provider found|The resource type|The api-version)\b(?:[^'.]*'[^']*')*[^'.]*\. "
    r"The supported (?:api-)?versions are '([^']*)'"
)


class ArmClient:
    """Azure Resource Manager of one cloud, for one identity. Each method raises AcrError if the request fails, and IdentityError
    if signing in does."""

    def __init__(self, identity: Identity, http: Http) -> None:
        self.identity = identity
        self.http = http
        self.url = identity.cloud.resource_manager.rstrip("/")
        self.host = urlsplit(self.url).netloc
        self._version = REGISTRIES_VERSION
        self._refused: Set[str] = set()  # other versions, which this cloud doesn't serve

    def registry(self, subscription: str, resource_group: str, name: str) -> RegistryResource:
        """One registry, in one request."""
        group = f"/subscriptions/{quote(subscription, safe='')}/resourceGroups/{quote(resource_group, safe='')}"
        answer = self._read(f"{group}/providers/{PROVIDER}/registries/{quote(name, safe='')}")
        return RegistryResource.of(_content(answer, Context(f"registry {name} in resource group {resource_group}")))

    def registries(self, subscription: str) -> Iterator[RegistryResource]:
        """All registries of a subscription that the account can see."""
        path = f"/subscriptions/{quote(subscription, safe='')}/providers/{PROVIDER}/registries"
        return map(RegistryResource.of, self._list(lambda: self._read(path), Context(f"subscription {subscription}")))

    def subscriptions(self) -> List[str]:
        """The IDs of all subscriptions that the account can see."""
        url = f"{self.url}/subscriptions?api-version={SUBSCRIPTIONS_VERSION}"
        entries = self._list(lambda: self.get(url), Context("the list of subscriptions"))
        return [str(entry["subscriptionId"]) for entry in entries if entry.get("subscriptionId")]

    def permissions(self, resource_id: str) -> Iterator[Dict[str, Any]]:
        """What the account may do with a registry: what each of its roles allows and excepts, in Azure's words."""
        place = f"{self.url}{quote(resource_id)}/providers/Microsoft.Authorization/permissions"
        url = f"{place}?api-version={PERMISSIONS_VERSION}"
        return self._list(lambda: self.get(url), Context(f"the permissions on {resource_id}"))

    def _list(self, read: Callable[[], Answer], context: Context) -> Iterator[Dict[str, Any]]:
        """The entries of a list, of which *read* returns the first page."""
        for _page in range(PAGES):
            page = _content(read(), context)
            if "value" not in page:  # not a list, so nothing can be concluded from what it lacks
                raise AcrError("protocol", f"{ARM} returned no list for {context.target}.")
            yield from objects(page["value"], ARM)
            following = page.get("nextLink")
            if not following:
                return
            read = functools.partial(self.get, self.own(following))
        raise AcrError("protocol", f"{ARM} returned more than {PAGES} pages for {context.target}; refused.")

    def _read(self, path: str) -> Answer:
        return self.served(lambda version: self.get(f"{self.url}{path}?api-version={version}"))

    def served(self, send: Callable[[str], Answer]) -> Answer:
        """What *send* returns for the API version of registries in use. If the cloud doesn't serve that one, the newest stable
        one that its answer names is in use from then on."""
        for _try in range(VERSIONS):
            version = self._version
            answer = send(version)
            others = _others(answer)
            if not others:
                break
            self._refused.add(version)
            left = [other for other in others if other not in self._refused]  # Azure may name even what it has just refused
            if not left:
                break
            self._version = max(left)
        return answer

    def get(self, url: str) -> Answer:
        """The answer to a GET, whatever its status."""
        return self.signed_in(
            lambda: self.http.request("arm_reads", "GET", url, headers={"Authorization": "Bearer " + self.token()})
        )

    def signed_in(self, send: Callable[[], Answer]) -> Answer:
        """What *send* returns; sent once more with a new token if Azure calls the current one expired, whatever this machine's
        clock says, or wants one that proves more (continuous access evaluation, multifactor authentication)."""
        answer = send()
        if answer.status != 401:
            return answer
        self.identity.renew(claims_of(answer))
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


def claims_of(answer: Answer) -> str:
    """What a claims challenge wants a token to prove, as JSON; empty if the answer is none."""
    values = challenge_values(answer.headers.get("WWW-Authenticate") or "")
    with suppress(ValueError):
        encoded = values.get("claims", "")
        return base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
    return ""


def _content(answer: Answer, context: Context) -> Dict[str, Any]:
    content = answer.json()
    if answer.status != 200 or not isinstance(content, dict):
        raise refusal(answer, context)
    return content


def _others(answer: Answer) -> List[str]:
    """The stable API versions that the cloud names if it refused the one that was asked for."""
    code, text = error_of(answer) if answer.status in (400, 404) else ("", "")
    named = _SERVED.match(text) if code in _OTHER_VERSION else None
    return [one for one in re.split(r",\s*", named[1]) if re.fullmatch(r"20\d\d-\d\d-\d\d", one, re.ASCII)] if named else []


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
    if answer.status == 401 and claims_of(answer):
        code = "insufficient_claims"  # whatever the body's code
    if not code and not text and answer.status not in (401, 403, 404):
        message = f"{ARM} answered with status {answer.status} for {context.target}, without an explanation."
        return AcrError("protocol", message, status=answer.status)
    return explain(code, text, answer.status, context, starting=starting)
