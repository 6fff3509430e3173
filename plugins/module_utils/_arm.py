# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Azure Resource Manager: finding registries, their network posture, and imports.

Reads go over `_http` straight away; azure-mgmt-containerregistry is loaded only to change something.
"""

from __future__ import annotations

import json
import math
import re
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Callable, Dict, Iterable, Iterator, List, NamedTuple, Optional, Tuple
from urllib.parse import quote, urlsplit

from ._diagnosis import (
    Context,
    explain,
    explain_failure,
    quoted,
    refuses,
)
from ._errors import AcrError, ImportFailed
from ._http import CONNECT_SECONDS, REQUEST_SECONDS, Http, certificate_failure, closed, root_reason
from ._untrusted import Answer, link, mapping, objects, retry_after, same_host

SUBSCRIPTIONS_VERSION = "2022-12-01"
REGISTRIES_VERSION = "2023-07-01"
PROVIDER = "Microsoft.ContainerRegistry"
WHO = "Azure Resource Manager"
PAGES = 1000  # of a listing; more are one that never ends
RETRY_AFTER = 10.0  # seconds between two questions about an import, if Azure names none
SOONEST, LATEST = 1.0, 120.0  # seconds between two questions, whatever Azure names
UPDATE_PAUSE = 2.0  # seconds between two questions about an update, if Azure names none
LAST_QUESTION = 2.0  # seconds before the end of the time limit at which an update is asked for once more
FAILED = ("Failed", "Canceled")  # how what Azure does in the background ends, other than well


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
    *uncertain*: it was asked for before without an answer that tells whether it was taken.

    Without a *location* nothing can be asked: *ask_at* is never then.
    """

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
        """The registry that a `RegistryId` names, in *resource_group* if given; looked for in all subscriptions if it takes
        that, the account's own first.

        AcrError ``not_found`` if no subscription that the account sees has it, all of which were read.
        """
        group = resource_group or ""
        if registry_id.kind == "resource_id":
            if group.lower() not in ("", registry_id.resource_group.lower()):
                message = (
                    f"The resource ID of registry {registry_id.name} names the resource group {registry_id.resource_group}, and "
                    f"not {group}; leave resource_group out."
                )
                raise AcrError("invalid", message)
            return self._find(registry_id.subscription, registry_id.resource_group, registry_id.name)
        default = self._identity.subscription_id
        found: List[RegistryResource] = []
        failure: Optional[AcrError] = None
        seen = 0
        for subscription in self._candidates(default):
            try:
                for one in self._named(subscription, registry_id, group):
                    if _unique(one, registry_id):
                        return one
                    found.append(one)
                seen += 1
            except AcrError as error:
                # What one subscription answers says nothing of the others; no answer at all does.
                if error.reason == "unauthorized" or error.status is None and error.reason != "protocol":
                    raise
                if error.reason != "denied":
                    failure = failure or error
            if found and subscription == default:
                break
        if len(found) == 1:
            return found[0]
        if found:
            message = (
                f"There are {len(found)} registries {registry_id.name}: {', '.join(one.id for one in found)}. Give the resource "
                "ID or the login server of the one that is meant."
            )
            raise AcrError("invalid", message)
        if failure is not None:
            raise failure
        where = {0: "any subscription", 1: "the subscription"}.get(seen, f"the {seen} subscriptions")
        if group:
            where = f"resource group {group} of {where}"
        message = (
            f"There is no registry {registry_id.login_server or registry_id.name} in {where} that this account sees. Check the "
            f"name, the sign-in ({self._identity.describe()}) and its rights (Reader on the registry; AcrPull and AcrPush alone "
            "don't show it), or give the resource ID."
        )
        raise AcrError("not_found", message)

    def _named(self, subscription: str, registry_id: Any, group: str) -> Iterable[RegistryResource]:
        """The registries of a subscription, or of a resource group in it, that *registry_id* can mean."""
        if not group:
            everything: Iterable[RegistryResource] = self.registries(subscription)
        elif not registry_id.name:
            everything = (one for one in self.registries(subscription) if one.resource_group.lower() == group.lower())
        else:
            try:
                there = self._find(subscription, group, registry_id.name)
            except AcrError as error:
                if error.cause != "not found":
                    raise
                return []
            if not _is(there, registry_id):
                message = (
                    f"Registry {there.name} in resource group {group} has the login server {there.login_server}, not "
                    f"{registry_id.login_server}."
                )
                told = message
                raise AcrError("not_found", told, status=200)
            everything = [there]
        return (one for one in everything if _is(one, registry_id))

    def registries(self, subscription: str) -> Iterator[RegistryResource]:
        """All registries of a subscription that the account sees."""
        path = f"/subscriptions/{quote(subscription, safe='')}/providers/{PROVIDER}/registries?api-version={REGISTRIES_VERSION}"
        for entry in self._list(path, Context(f"subscription {subscription}")):
            yield _resource(entry)

    def subscriptions(self) -> List[str]:
        """The IDs of all subscriptions that the account sees."""
        path = "/subscriptions?api-version=" + SUBSCRIPTIONS_VERSION
        entries = self._list(path, Context("the list of subscriptions"))
        return [str(entry["subscriptionId"]) for entry in entries if entry.get("subscriptionId")]

    def _candidates(self, default: Optional[str]) -> Iterator[str]:
        if default:
            yield default
        for subscription in self.subscriptions():
            if subscription.lower() != (default or "").lower():
                yield subscription

    def _find(self, subscription: str, resource_group: str, name: str) -> RegistryResource:
        where = f"/subscriptions/{quote(subscription, safe='')}/resourceGroups/{quote(resource_group, safe='')}"
        path = f"{where}/providers/{PROVIDER}/registries/{quote(name, safe='')}?api-version={REGISTRIES_VERSION}"
        what = f"registry {name} in resource group {resource_group}"
        return _resource(self._read(self._url + path, Context(what)))

    def _list(self, path: str, context: Context) -> Iterator[Dict[str, Any]]:
        url = self._url + path
        for _page in range(PAGES):
            page = self._read(url, context)
            if "value" not in page:  # no listing, and so nothing that is missing from it
                raise AcrError("protocol", f"{WHO} answered for {context.target} with no list.")
            yield from objects(page["value"], WHO)
            following = page.get("nextLink")
            if not following:
                return
            url = self._own(following)
        raise AcrError("protocol", f"{WHO} lists {context.target} without end; refused.")

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
        parts = link(self._url, url or None, WHO)
        regional = parts.netloc.lower().endswith("." + self._host.lower())
        if parts.scheme != "https" or not (same_host(parts.netloc, self._host) or regional):
            raise AcrError("protocol", f"{self._host} points to another host ({parts.netloc}); refused.")
        return parts.geturl()

    # -- changes ---------------------------------------------------------------------------------------------------

    def update(self, resource: RegistryResource, properties: Dict[str, Any]) -> RegistryResource:
        """Sets these *properties* (Azure's names) of a registry, and no other; returns when Azure has done so.

        AcrError ``timeout`` if that takes longer than the run may.
        """
        body = json.dumps({"properties": properties}).encode("utf-8")
        context = Context(f"the update of registry {resource.name}")

        def send(hook: Callable[[Any], None]) -> Any:
            return self._client(resource.subscription).registries.begin_update(
                resource.resource_group, resource.name, _stream(body), polling=False, raw_response_hook=hook
            )

        answer, _uncertain = self._change("arm_writes", context, send)
        # The SDK would wait without end, and as long between two questions as Azure says.
        place = ""
        with suppress(AcrError):  # where there is none, or none of its own, the registry tells
            place = self._own(answer.headers.get("Azure-AsyncOperation") or answer.headers.get("Location"))
        while place:
            self._wait(_seconds(answer, UPDATE_PAUSE), context)
            answer = self._get(place)
            state = _state(answer)
            if answer.status not in (200, 202, 204) or state in FAILED:
                raise _failure(answer, context)
            if state == "Succeeded" or state is None and answer.status != 202:
                break
        while True:
            found = self._find(resource.subscription, resource.resource_group, resource.name)
            state = found.properties.get("provisioningState") or "Succeeded"
            if state in FAILED:
                raise AcrError("refused", f"Azure ended {context.target} with the state {state}.")
            if state == "Succeeded":
                return found
            self._wait(UPDATE_PAUSE, context)

    def _wait(self, seconds: float, context: Context) -> None:
        if self._http.deadline is not None:  # however long Azure says to wait, it is asked once more at the end
            seconds = min(seconds, max(SOONEST, self._http.deadline - time.monotonic() - LAST_QUESTION))
        if not self._http.pause(seconds):
            message = (
                f"Azure has not finished {context.target} within the time limit, but may still do so. A longer limit is set by "
                "timeout."
            )
            raise AcrError("timeout", message)

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

        context = context._replace(targets=tuple(body.get("targetTags") or ()))
        answer, uncertain = self._change("imports", context, send, starting=True)
        if answer.status == 200 and _state(answer) in FAILED:
            raise _failed_import(answer, context)
        if _done(answer):
            return Operation("", time.monotonic(), context, done=True, uncertain=uncertain)
        operation = Operation("", math.inf, context, uncertain=uncertain)
        # From here on Azure has taken the import: without a place to ask, or with one that we don't follow, how it ends is
        # not known. It has not failed, and must not be started again.
        with suppress(AcrError):
            operation.location = self._own(answer.headers.get("Location"))
            operation.ask_at = time.monotonic() + _seconds(answer)
        return operation

    def ask(self, operation: Operation) -> None:
        """Asks how an import stands: sets ``done`` when it succeeded, ``ask_at`` while it is under way.

        ImportFailed, with what Azure says, when it failed. Any other AcrError means that the question failed, and says
        nothing of the import. Call it no sooner than ``ask_at``.
        """
        answer = self._get(operation.location)
        if _about_import(answer):
            raise _failed_import(answer, operation.context)
        operation.done = _done(answer)
        if answer.status not in (200, 202) or answer.status == 200 and _foreign(answer):
            kind = {401: "unauthorized", 403: "denied"}.get(answer.status, "protocol")
            message = (
                f"Azure Resource Manager doesn't say how the import of {operation.context.target} stands (status "
                f"{answer.status}).{quoted(_words(answer)[1])}"
            )
            told = message
            raise AcrError(kind, told, status=answer.status)
        operation.ask_at = time.monotonic() + _seconds(answer)
        location = answer.headers.get("Location")
        if location and not operation.done:
            operation.location = self._own(location)

    def _change(
        self, kind: str, context: Context, send: Callable[[Callable[[Any], None]], Any], *, starting: bool = False
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
                    raise AcrError("refused", f"Azure Resource Manager: {error.message}") from None
                if error.response is None:
                    unknown[-1] = True
                    message = f"{self._host} sent no whole answer: {root_reason(error)}."
                    raise AcrError("unavailable", message) from None
                answers.insert(0, error.response)
            except (ServiceRequestError, ServiceResponseError) as error:
                reason = root_reason(error.inner_exception or error)
                if "CERTIFICATE_VERIFY" in reason or "certificate" in reason.lower():
                    raise certificate_failure(self._host, error) from None
                unknown[-1] = isinstance(error, ServiceResponseError) or closed(error.inner_exception or error)
                kind = "unavailable" if unknown[-1] else "unreachable"
                raise AcrError(kind, f"{self._host} can't be reached: {reason}.") from None
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
                raise _failure(answer, context, starting=starting)
        except AcrError as error:
            raise error.but(uncertain=any(unknown)) from None
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
                    permit_redirects=False,  # nobody but Azure Resource Manager gets our sign-in
                )
            return self._clients[subscription]


def posture(properties: Dict[str, Any]) -> Dict[str, Any]:
    """What a registry's properties, by Azure's names, say about its network."""
    rules = mapping(properties.get("networkRuleSet"), WHO)
    public = str(properties.get("publicNetworkAccess") or "Enabled").lower() == "enabled"
    default_action = str(rules.get("defaultAction") or "Allow")
    connections = objects(properties.get("privateEndpointConnections"), WHO)
    return {
        "public_network_access": public,
        "default_action": default_action,
        "ip_rules": [str(rule["value"]) for rule in objects(rules.get("ipRules"), WHO) if rule.get("value")],
        "private_endpoints": [
            str(connection.get("name") or connection.get("id"))
            for connection in connections
            if _status(connection) in (None, "Approved")
        ],
        "trusted_services": str(properties.get("networkRuleBypassOptions") or "AzureServices").lower() != "none",
        "restricted": not public or default_action.lower() != "allow",
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


def _unique(resource: RegistryResource, registry_id: Any) -> bool:
    """Whether no other registry can be meant: a login server is one registry's alone, and so is a name without a domain
    name label, which would show in the login server."""
    return bool(registry_id.login_server) or resource.login_server.partition(".")[0] == resource.name.lower()


def _resource(entry: Dict[str, Any]) -> RegistryResource:
    properties = mapping(entry.get("properties"), WHO)
    tags = mapping(entry.get("tags"), WHO)
    found = RegistryResource(
        id=str(entry.get("id")),
        name=str(entry.get("name")),
        login_server=str(properties.get("loginServer") or "").lower(),
        location=str(entry.get("location") or ""),
        sku=str(mapping(entry.get("sku"), WHO).get("name") or ""),
        tags={name: "" if value is None else str(value) for name, value in tags.items()},
        properties=properties,
    )
    if not re.match(r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/[^/]+/registries/[^/]+$", found.id, re.I):
        raise AcrError("protocol", "Azure Resource Manager describes a registry without a resource ID.")
    # The one becomes the name of a host, the other is where sign-ins are sent to.
    if not re.fullmatch(r"[\w-]+", found.name) or not re.fullmatch(r"([\w-]+(\.[\w-]+)+(:\d+)?)?", found.login_server, re.ASCII):
        message = (
            f"Azure Resource Manager describes a registry by a name that makes no sense ({found.name!r:.100}, "
            f"{found.login_server!r:.100})."
        )
        raise AcrError("protocol", message)
    return found


def _seconds(answer: Answer, usual: float = RETRY_AFTER) -> float:
    """Seconds until the next question of the same kind, of which Azure's own wish is kept within bounds."""
    asked = retry_after(answer.headers, time.time())
    return usual if asked is None else min(max(asked, SOONEST), LATEST)


def _state(answer: Answer) -> Any:
    """The ``status`` of what Azure does in the background, as an answer tells it; None where it doesn't."""
    content = answer.json()
    return content.get("status") if isinstance(content, dict) else None


def _foreign(answer: Answer) -> bool:
    """Whether this is no answer of Azure Resource Manager's, such as the page of a proxy."""
    return answer.json() is None and answer.body.strip() not in (b"", b"null")


def _done(answer: Answer) -> bool:
    """Whether Azure says that an import succeeded."""
    return answer.status == 200 and _state(answer) in (None, "Succeeded") and not _foreign(answer)


def _about_import(answer: Answer) -> bool:
    """Whether Azure says of an import that it failed. All other answers are about the question: no right to ask, a gateway, a
    resource provider that doesn't know the operation any more (404)."""
    if answer.status in (200, 202) or answer.status in (400, 409) and _state(answer) in FAILED:
        return _state(answer) in FAILED
    code, text = _words(answer)
    gateway = answer.headers.get("x-ms-failure-cause") == "gateway"
    return answer.status in (400, 409) and bool(code or text) and not gateway and not refuses(code)


def _words(answer: Answer) -> Tuple[str, str]:
    """The code and the message of Azure's ``error`` object; empty where there is none."""
    content = answer.json()
    error = content.get("error") if isinstance(content, dict) else None
    if not isinstance(error, dict):
        return "", ""
    return str(error.get("code") or ""), str(error.get("message") or "")


def _failed_import(answer: Answer, context: Context) -> ImportFailed:
    code, text = _words(answer)
    return explain_failure(code, text, answer.status, context)


def _failure(answer: Answer, context: Context, *, starting: bool = False) -> AcrError:
    """The error for a request that Azure Resource Manager refused."""
    code, text = _words(answer)
    if not code and not text and answer.status not in (401, 403, 404):
        message = (
            f"Azure Resource Manager answered for {context.target} with status {answer.status} and nothing that explains it."
        )
        return AcrError("protocol", message, status=answer.status)
    return explain(code, text, answer.status, context, starting=starting)
