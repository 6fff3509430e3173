# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Azure Resource Manager: finding registries, their network posture, and imports.

Reads go over `_http` straight away; azure-mgmt-containerregistry is loaded only to change something.
"""

from __future__ import annotations

import json
import re
import threading
import time
from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Tuple
from urllib.parse import quote, urlsplit

from ansible_collections.registryops.acr.plugins.module_utils._diagnosis import Context, explain
from ansible_collections.registryops.acr.plugins.module_utils._errors import AcrError
from ansible_collections.registryops.acr.plugins.module_utils._http import (
    CONNECT_SECONDS,
    REQUEST_SECONDS,
    Answer,
    Http,
    certificate_failure,
    closed,
    root_reason,
)
from ansible_collections.registryops.acr.plugins.module_utils._wire import link, mapping, number, objects

SUBSCRIPTIONS_VERSION = "2022-12-01"
REGISTRIES_VERSION = "2023-07-01"
PROVIDER = "Microsoft.ContainerRegistry"
WHO = "Azure Resource Manager"
PAGES = 1000  # of a listing; more are one that never ends
RETRY_AFTER = 10.0  # seconds between two questions about an import, where Azure names none


class RegistryResource(NamedTuple):
    """A container registry as Azure Resource Manager knows it. *properties* are Azure's own, by its own names."""

    id: str
    name: str
    login_server: str
    location: str
    sku: str
    tags: Dict[str, str]
    properties: Dict[str, Any]

    @property
    def subscription(self) -> str:
        return self.id.split("/")[2]

    @property
    def resource_group(self) -> str:
        return self.id.split("/")[4]


@dataclass
class Operation:
    """An accepted import. *location* is where to ask next; it changes with each answer. Times are monotonic seconds.
    *uncertain*: it was asked for before without an answer that tells whether it was taken."""

    location: str
    ask_at: float
    context: Context
    done: bool = False
    uncertain: bool = False

    @property
    def id(self) -> str:
        """The operation's name, ``registries-…``; empty where the import was over at once."""
        return urlsplit(self.location).path.rpartition("/")[2]


class Arm:
    """Azure Resource Manager of one cloud, for one identity."""

    def __init__(self, identity: Any, http: Http) -> None:
        self._identity = identity
        self._http = http
        self._url = identity.cloud.resource_manager.rstrip("/")
        self._host = urlsplit(self._url).netloc
        self._clients: Dict[str, Any] = {}
        self._lock = threading.Lock()

    # -- registries ------------------------------------------------------------------------------------------------

    def registry(self, registry_id: Any, resource_group: Optional[str] = None) -> RegistryResource:
        """The registry that a `RegistryId` names; looked for in all subscriptions where it takes that.

        AcrError ``not_found`` where no subscription that the account sees has it.
        """
        if registry_id.kind == "resource_id":
            return self._find(registry_id.subscription, registry_id.resource_group, registry_id.name)
        default = self._identity.subscription_id
        if registry_id.name and resource_group and default:
            there = self._find(default, resource_group, registry_id.name)
            if _is(there, registry_id):
                return there
            message = "Registry {0} in resource group {1} has the login server {2}, not {3}."
            raise AcrError(
                "not_found", message.format(there.name, resource_group, there.login_server, registry_id.login_server)
            )
        seen = 0
        for subscription in self._candidates(default):
            try:
                for found in self.registries(subscription):
                    if _is(found, registry_id):
                        return found
                seen += 1
            except AcrError as error:
                if error.kind != "denied":
                    raise
        raise AcrError(
            "not_found",
            "There is no registry {0} in {1} that this account sees. Check the name, the sign-in ({2}) and its rights "
            "(Reader on the registry; AcrPull and AcrPush alone don't show it), or give the resource ID.".format(
                registry_id.login_server or registry_id.name,
                {0: "any subscription", 1: "the subscription"}.get(seen, "the {0} subscriptions".format(seen)),
                self._identity.describe(),
            ),
        )

    def registries(self, subscription: str) -> Iterator[RegistryResource]:
        """All registries of a subscription that the account sees."""
        path = "/subscriptions/{0}/providers/{1}/registries?api-version={2}".format(
            quote(subscription), PROVIDER, REGISTRIES_VERSION
        )
        for entry in self._list(path, Context("subscription {0}".format(subscription))):
            yield _resource(entry)

    def subscriptions(self) -> List[str]:
        """The IDs of all subscriptions that the account sees."""
        path = "/subscriptions?api-version=" + SUBSCRIPTIONS_VERSION
        return [str(entry.get("subscriptionId")) for entry in self._list(path, Context("the list of subscriptions"))]

    def _candidates(self, default: Optional[str]) -> Iterator[str]:
        if default:
            yield default
        for subscription in self.subscriptions():
            if subscription.lower() != (default or "").lower():
                yield subscription

    def _find(self, subscription: str, resource_group: str, name: str) -> RegistryResource:
        path = "/subscriptions/{0}/resourceGroups/{1}/providers/{2}/registries/{3}?api-version={4}".format(
            quote(subscription), quote(resource_group), PROVIDER, quote(name), REGISTRIES_VERSION
        )
        what = "registry {0} in resource group {1}".format(name, resource_group)
        return _resource(self._read(self._url + path, Context(what)))

    def _list(self, path: str, context: Context) -> Iterator[Dict[str, Any]]:
        url = self._url + path
        for _page in range(PAGES):
            page = self._read(url, context)
            yield from objects(page.get("value"), WHO)
            following = page.get("nextLink")
            if not following:
                return
            url = self._own(following)
        raise AcrError("invalid", "{0} lists {1} without end; refused.".format(WHO, context.target))

    def _read(self, url: str, context: Context) -> Dict[str, Any]:
        answer = self._get(url)
        content = answer.json()
        if answer.status != 200 or not isinstance(content, dict):
            raise _failure(answer, context)
        return content

    def _get(self, url: str) -> Answer:
        return self._signed_in(lambda: self._http.request("arm_reads", "GET", url, headers=self._authorization()))

    def _signed_in(self, ask: Callable[[], Answer]) -> Answer:
        """What *ask* gets; asked once more with a new sign-in where Azure calls the token in hand expired, whatever this
        machine's clock says."""
        answer = ask()
        if answer.status != 401:
            return answer
        self._identity.renew()
        with self._lock:
            self._clients.clear()
        return ask()

    def _authorization(self) -> Dict[str, str]:
        return {"Authorization": "Bearer " + self._identity.token(self._identity.cloud.arm_scope)}

    def _own(self, url: Any) -> str:
        """A URL that Azure Resource Manager names, where it leads to itself."""
        parts = link(self._url, url, WHO)
        if parts.scheme != "https" or not (parts.netloc == self._host or parts.netloc.endswith("." + self._host)):
            raise AcrError("invalid", "{0} points to another host ({1}); refused.".format(self._host, parts.netloc))
        return parts.geturl()

    # -- changes ---------------------------------------------------------------------------------------------------

    def update(self, resource: RegistryResource, properties: Dict[str, Any]) -> RegistryResource:
        """Sets these *properties* (Azure's names) of a registry, and no other."""
        body = json.dumps({"properties": properties}).encode("utf-8")
        context = Context("the update of registry {0}".format(resource.name))

        def send(hook: Callable[[Any], None]) -> Any:
            poller = self._client(resource.subscription).registries.begin_update(
                resource.resource_group, resource.name, _stream(body), raw_response_hook=hook, polling_interval=2
            )
            return poller.result()

        self._change("arm_writes", context, send)
        return self._find(resource.subscription, resource.resource_group, resource.name)

    def start_import(
        self, resource: RegistryResource, body: Dict[str, Any], context: Context, check: Callable[[], None] = lambda: None
    ) -> Operation:
        """Starts an import with the body that ``importImage`` takes. AcrError with what Azure says against it.

        *check* is called when its turn has come, and may raise what keeps it from being sent.
        """
        content = json.dumps(body).encode("utf-8")

        def send(hook: Callable[[Any], None]) -> Any:
            check()
            return self._client(resource.subscription).registries.begin_import_image(
                resource.resource_group, resource.name, _stream(content), polling=False, raw_response_hook=hook
            )

        answer, uncertain = self._change("imports", context, send)
        location = answer.headers.get("Location") or ""
        if answer.status == 200 or not location:
            return Operation("", time.monotonic(), context, done=True, uncertain=uncertain)
        return Operation(self._own(location), time.monotonic() + _seconds(answer), context, uncertain=uncertain)

    def ask(self, operation: Operation) -> None:
        """Asks how an import stands: sets ``done`` when it succeeded, ``ask_at`` while it is under way.

        AcrError, with what Azure says, when it failed. Call it no sooner than ``ask_at``.
        """
        answer = self._get(operation.location)
        content = answer.json()
        status = content.get("status") if isinstance(content, dict) else None
        if answer.status in (200, 202) and status not in ("Failed", "Canceled"):
            operation.done = answer.status == 200
            operation.ask_at = time.monotonic() + _seconds(answer)
            location = answer.headers.get("Location")
            if location and not operation.done:
                operation.location = self._own(location)
            return
        raise _failure(answer, operation.context)

    def _change(
        self, kind: str, context: Context, send: Callable[[Callable[[Any], None]], Any]
    ) -> Tuple[Answer, bool]:
        """Carries out a call of the SDK under our own pacing and retries; returns its first answer, and whether an earlier
        try may have got through, since its own answer was lost or a failure of Azure's."""
        from azure.core.exceptions import (
            ClientAuthenticationError,
            HttpResponseError,
            ServiceRequestError,
            ServiceResponseError,
        )

        unknown: List[bool] = []  # for each try, whether that is so

        def once() -> Answer:
            answers: List[Any] = []
            unknown.append(False)
            self._authorization()  # so that a failed sign-in is told as such, and not as a failed import
            try:
                send(lambda response: answers.append(response.http_response))
            except HttpResponseError as error:
                if error.response is None and isinstance(error, ClientAuthenticationError):
                    raise AcrError("invalid", "Azure Resource Manager: {0}".format(error.message)) from None
                if error.response is None:
                    unknown[-1] = True
                    message = "{0} sent no whole answer: {1}."
                    raise AcrError("unavailable", message.format(self._host, root_reason(error))) from None
                answers.insert(0, error.response)
            except (ServiceRequestError, ServiceResponseError) as error:
                reason = root_reason(error.inner_exception or error)
                if "CERTIFICATE_VERIFY" in reason or "certificate" in reason.lower():
                    raise certificate_failure(self._host, error) from None
                unknown[-1] = isinstance(error, ServiceResponseError) or closed(error.inner_exception or error)
                kind = "unavailable" if unknown[-1] else "unreachable"
                raise AcrError(kind, "{0} can't be reached: {1}.".format(self._host, reason)) from None
            except ValueError:
                # The SDK takes every refusal for JSON; a proxy's or a gateway's is none.
                if not answers:
                    raise
                answers.insert(0, answers[-1])
            unknown[-1] = answers[0].status_code >= 500
            return Answer(answers[0].status_code, answers[0].headers, answers[0].body() or b"")

        try:
            answer = self._signed_in(lambda: self._http.attempts(self._host, kind, once))
            if answer.status >= 300:
                raise _failure(answer, context)
        except AcrError as error:
            error.uncertain = any(unknown)
            raise
        return answer, any(unknown)

    def _client(self, subscription: str) -> Any:
        with self._lock:
            if subscription not in self._clients:
                from azure.core.pipeline.transport import RequestsTransport
                from azure.mgmt.containerregistry import ContainerRegistryManagementClient

                session = self._http.session
                self._clients[subscription] = ContainerRegistryManagementClient(
                    self._identity.credential,
                    subscription,
                    base_url=self._url,
                    credential_scopes=[self._identity.cloud.arm_scope],
                    transport=RequestsTransport(
                        session=session,
                        session_owner=False,
                        use_env_settings=False,
                        connection_timeout=CONNECT_SECONDS,
                        read_timeout=REQUEST_SECONDS,
                    ),
                    proxies=self._http.proxies(self._url),
                    retry_total=0,  # `_http` retries, at a pace that all requests share
                )
            return self._clients[subscription]


def posture(properties: Dict[str, Any]) -> Dict[str, Any]:
    """What a registry's properties, by Azure's names, say about its network."""
    rules = mapping(properties.get("networkRuleSet"), WHO)
    public = properties.get("publicNetworkAccess") != "Disabled"
    default_action = rules.get("defaultAction") or "Allow"
    connections = objects(properties.get("privateEndpointConnections"), WHO)
    return {
        "public_network_access": public,
        "default_action": default_action,
        "ip_rules": [str(rule.get("value")) for rule in objects(rules.get("ipRules"), WHO)],
        "private_endpoints": [
            str(connection.get("name") or connection.get("id"))
            for connection in connections
            if _status(connection) in (None, "Approved")
        ],
        "trusted_services": properties.get("networkRuleBypassOptions") != "None",
        "restricted": not public or default_action == "Deny",
    }


def _status(connection: Dict[str, Any]) -> Any:
    state = mapping(connection.get("properties"), WHO).get("privateLinkServiceConnectionState")
    return mapping(state, WHO).get("status")


def _stream(content: bytes) -> Any:
    from io import BytesIO

    return BytesIO(content)


def _is(resource: RegistryResource, registry_id: Any) -> bool:
    if registry_id.login_server:
        return resource.login_server.lower() == registry_id.login_server.lower()
    return resource.name.lower() == registry_id.name.lower()


def _resource(entry: Dict[str, Any]) -> RegistryResource:
    properties = mapping(entry.get("properties"), WHO)
    found = RegistryResource(
        id=str(entry.get("id")),
        name=str(entry.get("name")),
        login_server=str(properties.get("loginServer") or "").lower(),
        location=str(entry.get("location") or ""),
        sku=str(mapping(entry.get("sku"), WHO).get("name") or ""),
        tags=mapping(entry.get("tags"), WHO),
        properties=properties,
    )
    if not re.match(r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/[^/]+/registries/[^/]+$", found.id, re.I):
        raise AcrError("invalid", "Azure Resource Manager describes a registry without a resource ID.")
    return found


def _seconds(answer: Answer) -> float:
    asked = number(answer.headers.get("Retry-After"))
    return RETRY_AFTER if asked is None else float(asked)


def _failure(answer: Answer, context: Context) -> AcrError:
    content = answer.json()
    error = content.get("error") if isinstance(content, dict) else None
    if not isinstance(error, dict):
        error = {}
    code, text = str(error.get("code") or ""), str(error.get("message") or "")
    if not code and not text and answer.status not in (401, 403, 404):
        message = "Azure Resource Manager answered for {0} with status {1} and nothing that explains it."
        return AcrError("invalid", message.format(context.target, answer.status), status=answer.status)
    return explain(code, text, answer.status, context)
