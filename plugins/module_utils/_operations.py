# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Changes to container registries, and how they are going: updates and imports.

azure-mgmt-containerregistry builds and sends the requests, and is only loaded for that. Pace, retries and waiting are our own.
"""

from __future__ import annotations

import functools
import json
import math
import re
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, Tuple
from urllib.parse import urlsplit

from ._arm_client import ArmClient, error_of, refusal
from ._diagnosis import Context, explain_failure, quoted, refuses
from ._errors import AcrError, ImportFailed
from ._http import CONNECT_SECONDS, REQUEST_SECONDS, certificate_failure, closed, root_reason
from ._resource import ARM, RegistryResource
from ._untrusted import Answer, retry_after

RETRY_AFTER = 10.0  # seconds between two status requests for an import, if Azure doesn't say
SOONEST, LATEST = 1.0, 120.0  # the same, whatever Azure says
UPDATE_PAUSE = 2.0  # seconds between two status requests for an update, if Azure doesn't say
LAST_REQUEST = 2.0  # seconds before the deadline at which the last status request for an update is sent
FAILED = ("Failed", "Canceled")  # states in which background work can end other than well

Options = Dict[str, Any]  # for every call of the SDK
Send = Callable[[Options], Any]  # one call of the SDK


@dataclass
class Operation:
    """An import that Azure has accepted. *location* is where its status is, which may change with each answer; *ask_at*, in
    monotonic seconds, is when to ask next. *uncertain*: an earlier try may have been accepted too.

    If there is no *location*, its status can't be asked for: *ask_at* is infinite.
    """

    location: str
    ask_at: float
    context: Context
    done: bool = False
    uncertain: bool = False

    @property
    def id(self) -> str:
        """The operation's name, ``registries-…``; empty if there is no *location*."""
        return urlsplit(self.location).path.rpartition("/")[2]


class Operations:
    """Changes made through Azure Resource Manager. Shared by threads."""

    def __init__(self, arm: ArmClient) -> None:
        self._arm = arm
        self._http = arm.http
        self._sdk: Dict[str, Tuple[Any, Any]] = {}  # subscription → credential and client
        self._lock = threading.Lock()

    # -- updates ---------------------------------------------------------------------------------------------------

    def update(self, resource: RegistryResource, properties: Dict[str, Any]) -> RegistryResource:
        """Sets these *properties* (with Azure's names) of a registry, and no others; returns when Azure has done so.

        AcrError ``timeout`` if that doesn't happen before the deadline.
        """
        body = json.dumps({"properties": properties}).encode("utf-8")
        context = Context(f"the update of registry {resource.name}")
        answer, _uncertain = self._change(
            "arm_writes",
            context,
            lambda options: self._registries(resource).begin_update(
                resource.resource_group, resource.name, body, **options
            ),
        )
        # The SDK would wait forever, and for as long between two requests as Azure says.
        location = ""
        with suppress(AcrError):  # if there is none, or it leads elsewhere, the registry itself shows how it went
            location = self._arm.own(answer.headers.get("Azure-AsyncOperation") or answer.headers.get("Location"))
        while location:
            self._wait(_pause(answer, UPDATE_PAUSE), context)
            answer = self._arm.get(location)
            state = _state(answer)
            if answer.status not in (200, 202, 204) or state in FAILED:
                raise refusal(answer, context)
            if state == "Succeeded" or state is None and answer.status != 202:
                break
        while True:
            found = self._arm.registry(resource.subscription, resource.resource_group, resource.name)
            state = found.properties.get("provisioningState") or "Succeeded"
            if state in FAILED:
                raise AcrError("refused", f"Azure ended {context.target} in state {state}.")
            if state == "Succeeded":
                return found
            self._wait(UPDATE_PAUSE, context)

    def _wait(self, seconds: float, context: Context) -> None:
        if self._http.deadline is not None:  # however long Azure says to wait, there is a last request at the end
            seconds = min(seconds, max(SOONEST, self._http.deadline - self._http.clock() - LAST_REQUEST))
        if not self._http.pause(seconds):
            message = (
                f"Azure has not finished {context.target} within the time limit, but may still do so. To wait longer, set a "
                "higher timeout."
            )
            raise AcrError("timeout", message)

    # -- imports ---------------------------------------------------------------------------------------------------

    def start_import(
        self, resource: RegistryResource, body: Dict[str, Any], context: Context, check: Callable[[], None] = lambda: None
    ) -> Operation:
        """Starts an import, with the body of ``importImage``. AcrError if Azure refuses it.

        *check* is called just before each try is sent, and may raise to prevent that.
        """
        content = json.dumps(body).encode("utf-8")

        def send(options: Options) -> Any:
            check()
            registries = self._registries(resource)
            return registries.begin_import_image(resource.resource_group, resource.name, content, **options)

        context = context._replace(targets=tuple(body.get("targetTags") or ()))
        answer, uncertain = self._change("imports", context, send, starting=True)
        if answer.status == 200 and _state(answer) in FAILED:
            raise _failed_import(answer, context)
        if _done(answer):
            return Operation("", self._http.clock(), context, done=True, uncertain=uncertain)
        operation = Operation("", math.inf, context, uncertain=uncertain)
        # Azure has accepted the import now. If there is no location, or one that we don't follow, its result can't be known,
        # but it has not failed, and must not be started again.
        with suppress(AcrError):
            operation.location = self._arm.own(answer.headers.get("Location"))
            operation.ask_at = self._http.clock() + _pause(answer)
        return operation

    def ask(self, operation: Operation) -> None:
        """Asks for the status of an import: sets ``done`` if it has succeeded, else ``ask_at``.

        ImportFailed, with what Azure says, if it has failed. Any other AcrError means that asking failed, and says nothing
        about the import. Not to be called before ``ask_at``.
        """
        answer = self._arm.get(operation.location)
        if _about_import(answer):
            raise _failed_import(answer, operation.context)
        operation.done = _done(answer)
        if answer.status not in (200, 202) or answer.status == 200 and _foreign(answer):
            reason = {401: "unauthorized", 403: "denied"}.get(answer.status, "protocol")
            message = (
                f"{ARM} did not report the progress of the import of {operation.context.target} (status {answer.status})."
                f"{quoted(error_of(answer)[1])}"
            )
            raise AcrError(reason, message, status=answer.status)
        operation.ask_at = self._http.clock() + _pause(answer)
        location = answer.headers.get("Location")
        if location and not operation.done:
            operation.location = self._arm.own(location)

    # -- requests of the SDK ---------------------------------------------------------------------------------------

    def _change(self, kind: str, context: Context, send: Send, *, starting: bool = False) -> Tuple[Answer, bool]:
        """Sends a request with our own pace and retries. Returns the answer, and whether an earlier try may have been accepted,
        because its answer was lost or was a server error."""
        uncertain = False

        def once(version: str) -> Answer:
            nonlocal uncertain
            try:
                answer = self._send(send, version)
            except AcrError as error:
                uncertain = uncertain or error.uncertain
                raise
            uncertain = uncertain or answer.status >= 500
            return answer

        try:
            answer = self._arm.served(
                lambda version: self._arm.signed_in(
                    lambda: self._http.attempts(self._arm.host, kind, functools.partial(once, version))
                )
            )
            if answer.status >= 300:
                raise refusal(answer, context, starting=starting)
        except AcrError as error:
            raise error.but(uncertain=uncertain) from None
        return answer, uncertain

    def _send(self, send: Send, version: str) -> Answer:
        """One call of the SDK in this API version, whatever the status of its answer. AcrError if there is none; ``uncertain``
        if the request may have been received. IdentityError if a new token was wanted, and couldn't be had."""
        from azure.core.exceptions import (
            ClientAuthenticationError,
            HttpResponseError,
            ServiceRequestError,
            ServiceResponseError,
        )

        def versioned(request: Any) -> None:  # each release of the SDK knows other versions, and we send the same to all
            sent = request.http_request
            sent.url = re.sub(r"(?<=[?&]api-version=)[^&]*", version, sent.url)

        answers: List[Any] = []
        options = {
            "polling": False,
            "raw_request_hook": versioned,
            "raw_response_hook": lambda response: answers.append(response.http_response),
            "connection_timeout": self._http.left(CONNECT_SECONDS),
            "read_timeout": self._http.left(REQUEST_SECONDS),
        }
        self._arm.token()  # so that a failed sign-in is reported as such, and not as a failed import
        try:
            send(options)
        except HttpResponseError as error:
            if error.response is None and isinstance(error, ClientAuthenticationError):
                raise self._arm.identity.failure(str(error.message)) from None  # it could not answer a claims challenge
            if error.response is None:
                message = f"{self._arm.host} sent an incomplete answer: {root_reason(error)}."
                raise AcrError("unavailable", message, uncertain=True) from None
            answers.append(error.response)
        except (ServiceRequestError, ServiceResponseError) as error:
            cause = error.inner_exception or error
            reason = root_reason(cause)
            if "CERTIFICATE_VERIFY" in reason or "certificate" in reason.lower():
                raise certificate_failure(self._arm.host, error) from None
            received = isinstance(error, ServiceResponseError) or closed(cause)
            message = f"{self._arm.host} can't be reached: {reason}."
            raise AcrError("unavailable" if received else "unreachable", message, uncertain=received) from None
        except ValueError:
            # The SDK takes every refusal for JSON; one from a proxy or gateway isn't.
            if not answers:
                raise
        final = answers[-1]  # there are two if the SDK answered a claims challenge
        return Answer(final.status_code, final.headers, final.body() or b"")

    def prepare(self, resource: RegistryResource) -> None:
        """Loads the SDK ahead of the first change."""
        self._registries(resource)

    def _registries(self, resource: RegistryResource) -> Any:
        """The SDK's operations on registries, with the current credential: a client keeps the token of its own."""
        subscription, credential = resource.subscription, self._arm.identity.credential
        with self._lock:
            if self._sdk.get(subscription, (None,))[0] is not credential:
                from azure.core.pipeline.transport import RequestsTransport
                from azure.mgmt.containerregistry import ContainerRegistryManagementClient

                client = ContainerRegistryManagementClient(
                    credential,
                    subscription,
                    base_url=self._arm.url,
                    credential_scopes=[self._arm.identity.cloud.arm_scope],
                    transport=RequestsTransport(
                        session=self._http.session,
                        session_owner=False,
                        use_env_settings=False,
                        connection_timeout=CONNECT_SECONDS,
                        read_timeout=REQUEST_SECONDS,
                    ),
                    proxies=self._http.proxies(self._arm.url),
                    retry_total=0,  # `_http` retries, at a pace that all requests share
                    permit_redirects=False,  # only Azure Resource Manager gets our token
                )
                self._sdk[subscription] = credential, client
            return self._sdk[subscription][1].registries


def _pause(answer: Answer, usual: float = RETRY_AFTER) -> float:
    """Seconds until the next status request: what Azure asks for, within bounds."""
    asked = retry_after(answer.headers, time.time())
    return usual if asked is None else min(max(asked, SOONEST), LATEST)


def _state(answer: Answer) -> Any:
    """The ``status`` that an answer gives to background work; None if it gives none."""
    content = answer.json()
    return content.get("status") if isinstance(content, dict) else None


def _foreign(answer: Answer) -> bool:
    """Whether this isn't an answer from Azure Resource Manager, but for instance a proxy's page."""
    return answer.json() is None and answer.body.strip() not in (b"", b"null")


def _done(answer: Answer) -> bool:
    """Whether Azure says that an import has succeeded."""
    return answer.status == 200 and _state(answer) in (None, "Succeeded") and not _foreign(answer)


def _about_import(answer: Answer) -> bool:
    """Whether Azure says that the import itself has failed. All other answers are about the status request: no permission, a
    gateway, a resource provider that no longer knows the operation (404)."""
    if answer.status in (200, 202) or answer.status in (400, 409) and _state(answer) in FAILED:
        return _state(answer) in FAILED
    code, text = error_of(answer)
    gateway = answer.headers.get("x-ms-failure-cause") == "gateway"
    return answer.status in (400, 409) and bool(code or text) and not gateway and not refuses(code)


def _failed_import(answer: Answer, context: Context) -> ImportFailed:
    code, text = error_of(answer)
    return explain_failure(code, text, answer.status, context)
