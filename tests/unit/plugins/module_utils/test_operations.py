# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Updates and imports over real HTTPS: what is sent, and what Azure's answers mean."""

from __future__ import annotations

import base64
import json
import math
import socket
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError

from ansible_collections.registryops.acr.plugins.module_utils import _operations
from ansible_collections.registryops.acr.plugins.module_utils._arm_client import REGISTRIES_VERSION, ArmClient
from ansible_collections.registryops.acr.plugins.module_utils._diagnosis import Context
from ansible_collections.registryops.acr.plugins.module_utils._errors import AcrError, IdentityError, ImportFailed
from ansible_collections.registryops.acr.plugins.module_utils._http import TRIES, Http
from ansible_collections.registryops.acr.plugins.module_utils._operations import RETRY_AFTER, Operation, Operations
from tests.unit.plugins.manager import DENIED, GROUP, RESOURCE, SignedIn, error_of, places, refuse, resource

CONTEXT = Context("contosoprod.azurecr.test/team/app:1", "docker.io/library/nginx:1", "docker.io")
EXISTS = '{"error": {"code": "Conflict", "message": "Tag team/app:1 already exists in target registry."}}'
NOT_THERE = '{"error": {"code": "ResourceNotFound", "message": "The Resource was not found."}}'


def client(url: str, http: Http) -> ArmClient:
    return ArmClient(SignedIn(url), http)


@pytest.fixture
def arm(http: Http, far_side: Any) -> Operations:
    return Operations(client(far_side.url, http))


@pytest.fixture
def operation(far_side: Any) -> Operation:
    """An import under way."""
    return Operation(far_side.url + RESULT, 0.0, CONTEXT._replace(targets=("team/app:1",)))


def accept(location: str, **headers: str) -> Callable[[Any], None]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda request: request.reply(202, "", {"Location": location, **named})


# -- changes -----------------------------------------------------------------------------------------------------------


def test_an_update_sends_what_changes_and_reads_what_came_of_it(arm: Operations, far_side: Any) -> None:
    after = resource("s1", networkRuleBypassOptions="AzureServices")
    far_side.answer = lambda request: request.reply(200, json.dumps(after))
    found = arm.update(RESOURCE, {"networkRuleBypassOptions": "AzureServices"})
    assert found.properties["networkRuleBypassOptions"] == "AzureServices"
    method, _path, _headers, body = far_side.seen[0]
    assert (method, json.loads(body)) == ("PATCH", {"properties": {"networkRuleBypassOptions": "AzureServices"}})
    assert places(far_side)[-1] == GROUP.format("s1") + "/contosoprod" and far_side.seen[-1][0] == "GET"


def test_changes_are_sent_in_a_version_that_the_cloud_serves(arm: Operations, far_side: Any) -> None:
    """Whatever the SDK knows of versions; and what one request learnt, the next ones know."""
    text = "The api-version 'x' is invalid. The supported versions are '2019-05-01,2031-01-01,2032-01-01-preview'."

    def answer(request: Any) -> None:
        if not request.path.endswith("?api-version=2031-01-01"):
            request.reply(400, json.dumps({"error": {"code": "InvalidApiVersionParameter", "message": text}}))
        else:
            request.reply(202 if request.command == "POST" else 200, json.dumps(resource("s1", a=1)))

    far_side.answer = answer
    assert arm.start_import(RESOURCE, BODY, CONTEXT).uncertain is False
    assert arm.update(RESOURCE, {"a": 1}).properties["a"] == 1
    assert [(method, path[-10:]) for method, path, _headers, _body in far_side.seen] == [
        ("POST", REGISTRIES_VERSION), ("POST", "2031-01-01"), ("PATCH", "2031-01-01"), ("GET", "2031-01-01"),
    ]  # fmt: skip
    assert [json.loads(body) for method, _path, _headers, body in far_side.seen if method == "POST"] == [BODY] * 2


STATUSES = GROUP.format("s1") + "/contosoprod/operationStatuses/registries-1"
REGISTRY = GROUP.format("s1") + "/contosoprod"


def updating(far_side: Any, first: Callable[[Any], None], *states: Any, **more: Any) -> None:
    """A PATCH with this answer; then the operation answers with *states*, and the registry with what *more* says."""
    left = list(states)

    def answer(request: Any) -> None:
        place = request.path.partition("?")[0]
        if request.command == "PATCH":
            first(request)
        elif place == STATUSES:
            state = left.pop(0) if len(left) > 1 else left[0]
            state(request) if callable(state) else request.reply(200, json.dumps({"status": state}), {"Retry-After": "0"})
        else:
            shown = more["shown"]
            request.reply(200, json.dumps(resource("s1", **(shown.pop(0) if len(shown) > 1 else shown[0]))))

    far_side.answer = answer


def created(far_side: Any, **headers: str) -> Callable[[Any], None]:
    named = {"Azure-AsyncOperation": far_side.url + STATUSES + "?api-version=1", **headers}
    return lambda request: request.reply(201, json.dumps(resource("s1", provisioningState="Updating")), named)


def test_an_update_that_takes_its_time(arm: Operations, http: Any, far_side: Any) -> None:
    updating(far_side, created(far_side), "Updating", "Creating", "InProgress", "Succeeded", shown=[{"a": 1}])
    assert arm.update(RESOURCE, {"a": 1}).properties["a"] == 1
    assert places(far_side) == [REGISTRY, *[STATUSES] * 4, REGISTRY]
    # Two seconds, as long as Azure names no time; then not at once, though it says so.
    assert http.pauses == [2.0, 1.0, 1.0, 1.0]


def test_an_update_that_only_the_registry_shows(arm: Operations, http: Any, far_side: Any) -> None:
    states = [{"provisioningState": "Updating"}, {"provisioningState": "Updating"}, {"provisioningState": "Succeeded", "a": 1}]
    for named in ({}, {"Azure-AsyncOperation": "https://elsewhere.test/x"}):
        http.pauses.clear()
        updating(far_side, lambda request: request.reply(201, json.dumps(resource("s1")), named), "", shown=[*states])
        assert arm.update(RESOURCE, {"a": 1}).properties["a"] == 1 and http.pauses == [2.0, 2.0]


@pytest.mark.parametrize(
    ("state", "shown", "sentence"),
    [
        (refuse(200, '{"status": "Failed", "error": {"code": "Odd", "message": "No way."}}'), {}, "(Odd, status 200): No way."),
        (refuse(400, '{"error": {"code": "Odd", "message": "No way."}}'), {}, "(Odd, status 400): No way."),
        ("Canceled", {}, "with status 200 for the update of registry contosoprod"),
        ("Succeeded", {"provisioningState": "Failed"}, "ended the update of registry contosoprod in state Failed"),
    ],
)
def test_an_update_that_fails(arm: Operations, far_side: Any, state: Any, shown: dict[str, Any], sentence: str) -> None:
    updating(far_side, created(far_side), state, shown=[shown])
    assert sentence in str(error_of(lambda: arm.update(RESOURCE, {"a": 1})))


@pytest.mark.parametrize("after", ["0", "86400"])
def test_d5_an_update_that_never_ends_ends_with_the_time_limit(arm: Operations, http: Any, far_side: Any, after: str) -> None:
    """However long Azure says to wait, and however short."""
    updating(far_side, created(far_side, **{"Retry-After": after}), "Updating", shown=[{}])
    http.pause = lambda seconds: http.pauses.append(seconds) or len(http.pauses) < 5
    error = error_of(lambda: arm.update(RESOURCE, {"a": 1}))
    assert error.reason == "timeout" and "has not finished the update of registry contosoprod within the time limit" in str(error)
    assert all(1.0 <= seconds <= 120.0 for seconds in http.pauses) and len(http.pauses) == 5


def test_d5_an_update_is_asked_for_once_more_before_the_time_limit(arm: Operations, http: Any, far_side: Any) -> None:
    updating(far_side, created(far_side, **{"Retry-After": "86400"}), "Succeeded", shown=[{"a": 1}])
    http.deadline = time.monotonic() + 60.0
    assert arm.update(RESOURCE, {"a": 1}).properties["a"] == 1
    assert 50.0 < http.pauses[0] < 58.5


BODY = {"source": {"registryUri": "docker.io", "sourceImage": "library/nginx:1"}, "mode": "NoForce", "targetTags": ["team/app:1"]}
RESULT = "/operationResults/registries-5b1b?api-version=1"


def test_an_import_is_sent_as_it_stands_and_nobody_waits_for_it(arm: Operations, far_side: Any) -> None:
    far_side.answer = accept(far_side.url + RESULT, Retry_After="7")
    before = time.monotonic()
    operation = arm.start_import(RESOURCE, BODY, CONTEXT)
    assert 7 <= operation.ask_at - before < 10
    assert (operation.location, operation.id, operation.done, operation.uncertain) == (
        far_side.url + RESULT, "registries-5b1b", False, False,
    )  # fmt: skip
    ((method, path, _headers, body),) = far_side.seen
    assert (method, json.loads(body)) == ("POST", BODY) and path.startswith(GROUP.format("s1") + "/contosoprod/importImage?")


def test_an_import_that_is_over_at_once(arm: Operations, far_side: Any) -> None:
    far_side.answer = lambda request: request.reply(200, "")
    operation = arm.start_import(RESOURCE, BODY, CONTEXT)
    assert (operation.done, operation.id) == (True, "")


def test_the_page_of_a_proxy_is_no_import_that_is_over(arm: Operations, far_side: Any) -> None:
    far_side.answer = refuse(200, "<html>Welcome</html>", Content_Type="text/html")
    operation = arm.start_import(RESOURCE, BODY, CONTEXT)
    assert (operation.done, operation.ask_at) == (False, math.inf)


def test_an_import_that_fails_at_once(arm: Operations, far_side: Any) -> None:
    far_side.answer = refuse(200, '{"status": "Failed"}')
    assert isinstance(error_of(lambda: arm.start_import(RESOURCE, BODY, CONTEXT)), ImportFailed)


@pytest.mark.parametrize("status", [201, 202, 204])
@pytest.mark.parametrize("location", [None, "", "https://elsewhere.test/operationResults/registries-1", "http://{0}/x", "https://["])
def test_a8_an_import_that_can_not_be_asked_for_is_neither_done_nor_failed(
    arm: Operations, far_side: Any, status: int, location: str | None
) -> None:
    named = {} if location is None else {"Location": location.format(far_side.host)}
    far_side.answer = lambda request: request.reply(status, "", named)
    operation = arm.start_import(RESOURCE, BODY, CONTEXT)
    assert (operation.location, operation.id, operation.done, operation.ask_at) == ("", "", False, math.inf)
    assert len(far_side.seen) == 1


@pytest.mark.parametrize(
    ("first", "uncertain"),
    [
        (lambda request: request.reply(500, "{}"), True),
        (lambda request: request.reply(502, "<html>"), True),
        (lambda request: request.reply(503), True),
        (lambda request: request.hang_up(), True),
        (lambda request: (request.reply(202, "half", {"Location": RESULT}, length=9), request.hang_up()), True),
        (lambda request: request.reply(429, '{"error": {"code": "TooManyRequests", "message": "x"}}'), False),
        (lambda request: request.reply(401, '{"error": {"code": "ExpiredAuthenticationToken", "message": "x"}}'), False),
    ],
    ids=["500", "502 in HTML", "503", "no answer", "half an answer", "429", "401"],
)
def test_only_a_try_that_may_have_got_through_leaves_doubt(arm: Operations, far_side: Any, first: Any, uncertain: bool) -> None:
    """Azure may have taken an import whose answer was lost, or became a failure of its own: it counts as ours then."""
    far_side.script(first, accept(far_side.url + RESULT))
    assert arm.start_import(RESOURCE, BODY, CONTEXT).uncertain is uncertain
    assert len(far_side.seen) == 2
    # What the next try says does not clear it up.
    far_side.script(first, lambda request: request.reply(409, EXISTS))
    error = error_of(lambda: arm.start_import(RESOURCE, BODY, CONTEXT))
    assert (error.reason, error.uncertain) == ("exists", uncertain)


def test_the_sdk_gets_the_new_sign_in_too(arm: Operations, far_side: Any) -> None:
    far_side.script(lambda request: request.reply(401, "{}"), accept(far_side.url + RESULT))
    arm.start_import(RESOURCE, BODY, CONTEXT)
    assert [headers["Authorization"] for _method, _path, headers, _body in far_side.seen] == ["Bearer token1", "Bearer token2"]


CLAIMS = base64.urlsafe_b64encode(b'{"access_token":{"acrs":{"essential":true,"values":["p1"]}}}').decode()
CHALLENGE = {"WWW-Authenticate": f'Bearer realm="", error="insufficient_claims", claims="{CLAIMS}"'}


def test_a_claims_challenge_that_the_sdk_answers_starts_the_import_once(arm: Operations, far_side: Any) -> None:
    far_side.script(lambda request: request.reply(401, "{}", CHALLENGE), accept(far_side.url + RESULT))
    arm.start_import(RESOURCE, BODY, CONTEXT)
    assert [json.loads(body) for _method, _path, _headers, body in far_side.seen] == [BODY, BODY]


def test_a_claims_challenge_that_the_sign_in_cannot_answer_is_a_failed_sign_in(arm: Operations, far_side: Any) -> None:
    far_side.answer = lambda request: request.reply(401, "{}", CHALLENGE)

    def get_token(*_scopes: str, claims: str | None = None, **_more: Any) -> AccessToken:
        if claims:
            raise ClientAuthenticationError("This credential doesn't support claims challenges.")
        return AccessToken("token", int(time.time()) + 3600)

    arm._arm.identity.credential = SimpleNamespace(get_token=get_token)
    with pytest.raises(IdentityError, match="Signing in failed: This credential doesn't support claims challenges"):
        arm.start_import(RESOURCE, BODY, CONTEXT)
    assert len(far_side.seen) == 1


def lacking(action: str) -> str:
    text = "The client 'c' with object id 'o' does not have authorization to perform action '{0}' over scope '/subscriptions/s1'."
    return json.dumps({"error": {"code": "AuthorizationFailed", "message": text.format(action)}})


LOCKED = (
    "The scope '/subscriptions/s1/x' cannot perform write operation because following scope(s) are locked: "
    "'/subscriptions/s1'. Please remove the lock and try again."
)
LINKED = (
    "The client 'c' has permission to perform action 'Microsoft.ContainerRegistry/registries/importImage/action' on scope '/a'; "
    "however, it does not have permission to perform action 'read' on the linked scope(s) '/b'."
)


@pytest.mark.parametrize(
    ("status", "body", "kind", "ends_run"),
    [
        (409, ("ScopeLocked", LOCKED), "locked", True),
        (409, ("ReadOnlyDisabledSubscription", "The subscription 's1' is disabled. Please try again later."), "denied", True),
        (409, ("MissingSubscriptionRegistration", "The subscription is not registered to use namespace 'x'."), "denied", True),
        (409, ("SubscriptionNotRegistered", "x"), "denied", True),
        (403, ("RequestDisallowedByPolicy", "Resource 'quota' was disallowed by policy."), "denied", True),
        (403, ("RequestDisallowedByAzure", "x"), "denied", True),
        (403, ("AuthorizationFailed", "x"), "denied", True),
        (403, ("AuthorizationFailed", LINKED), "denied", False),
        (403, ("LinkedAuthorizationFailed", LINKED), "denied", False),
        (401, ("InvalidAuthenticationTokenTenant", "x"), "unauthorized", True),
        (404, ("ResourceNotFound", "x"), "not_found", False),
        (400, ("InvalidImportImageParameter", "Invalid value ScopeLocked: AuthorizationFailed"), "refused", False),
        (400, ("InvalidParameters", "ScopeLocked: AuthenticationFailed, AuthorizationFailed"), "refused", False),
    ],
)
def test_b5_c8_what_would_hit_every_import_ends_the_run_and_only_as_the_answer_to_a_post(
    arm: Operations, http: Http, far_side: Any, operation: Operation, status: int, body: tuple[str, str], kind: str, ends_run: bool
) -> None:
    far_side.answer = refuse(status, json.dumps({"error": {"code": body[0], "message": body[1]}}))
    error = error_of(lambda: arm.start_import(RESOURCE, BODY, CONTEXT))
    assert (error.reason, error.ends_run, error.passing) == (kind, ends_run, False), str(error)
    assert len(far_side.seen) == (2 if status == 401 else 1), "it was tried again"
    reads = client(far_side.url, http)
    for ask in (lambda: arm.ask(operation), lambda: arm.update(RESOURCE, {"a": 1}), reads.subscriptions):
        assert error_of(ask).ends_run is False


def test_a_right_that_is_missing_elsewhere_ends_no_run(arm: Operations, far_side: Any) -> None:
    for action, ends_run in (("Microsoft.ContainerRegistry/registries/importImage/action", True), ("Microsoft.Odd/join/action", False)):
        far_side.answer = refuse(403, lacking(action))
        error = error_of(lambda: arm.start_import(RESOURCE, BODY, CONTEXT))
        assert (error.reason, error.ends_run) == ("denied", ends_run)


def test_nobody_else_gets_the_sign_in_with_an_import(arm: Operations, serve: Callable[..., Any], far_side: Any) -> None:
    other = serve()
    far_side.answer = refuse(307, "", Location=other.url + "/x")
    assert "status 307" in str(error_of(lambda: arm.start_import(RESOURCE, BODY, CONTEXT))) and other.seen == []


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (409, EXISTS, "exists"),
        (403, DENIED, "denied"),
        (403, "<html>", "denied"),
        (400, "<html>", "protocol"),
    ],
)
def test_an_import_that_is_refused(arm: Operations, far_side: Any, status: int, body: str, kind: str) -> None:
    far_side.answer = lambda request: request.reply(status, body)
    error = error_of(lambda: arm.start_import(RESOURCE, BODY, CONTEXT))
    assert error.reason == kind and len(far_side.seen) == 1
    assert CONTEXT.target in str(error) or kind == "denied"


def test_an_import_that_is_not_wanted_any_more_is_not_sent(arm: Operations, far_side: Any) -> None:
    def check() -> None:
        raise AcrError("stopped", "Not started.")

    assert error_of(lambda: arm.start_import(RESOURCE, BODY, CONTEXT, check)).reason == "stopped"
    assert far_side.seen == []


def test_a_certificate_that_is_not_trusted(http: Http, serve: Callable[..., Any]) -> None:
    arm = Operations(client(serve(trusted=False).url, http))
    error = error_of(lambda: arm.start_import(RESOURCE, BODY, CONTEXT))
    assert error.reason == "certificate" and "REQUESTS_CA_BUNDLE" in str(error)


def test_nobody_there(arm: Operations, far_side: Any) -> None:
    far_side.answer = lambda request: request.hang_up()
    error = error_of(lambda: arm.start_import(RESOURCE, BODY, CONTEXT))
    assert error.reason == "unavailable" and len(far_side.seen) == TRIES


def test_a_start_that_gets_no_answer_is_given_up_in_our_time_and_not_in_the_sdks(
    http: Http, monkeypatch: pytest.MonkeyPatch
) -> None:
    """azure-core waits five minutes for an answer, whatever limit the task has."""
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(_operations, "CONNECT_SECONDS", 0.02)
    monkeypatch.setattr(_operations, "REQUEST_SECONDS", 0.02)
    failures: list[Any] = []
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = "https://127.0.0.1:{0}".format(silent.getsockname()[1])
        http.deadline = http.clock() + 2.0  # in which its clock, which jumps over pauses, allows for a few tries
        arm = Operations(client(url, http))
        thread = threading.Thread(
            target=lambda: failures.append(error_of(lambda: arm.start_import(RESOURCE, {}, CONTEXT))), daemon=True
        )
        thread.start()
        thread.join(20.0)
    assert failures, "still waiting"
    assert failures[0].passing or failures[0].reason == "unreachable"


@pytest.mark.parametrize(
    "send", [lambda arm: arm.start_import(RESOURCE, {}, CONTEXT), lambda arm: arm.update(RESOURCE, {"a": 1})]
)
def test_a_change_that_gets_no_answer_is_given_up_when_the_task_ends(
    http: Http, monkeypatch: pytest.MonkeyPatch, send: Callable[[Operations], Any]
) -> None:
    """The module is cut off a second later, and would lose what is known of all other images."""
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        arm = Operations(client("https://127.0.0.1:{0}".format(silent.getsockname()[1]), http))
        arm._registries(RESOURCE)  # loads the SDK
        began = time.monotonic()
        http.deadline = http.clock() + 1.0
        assert error_of(lambda: send(arm)).reason in ("unavailable", "unreachable")
    assert time.monotonic() - began < 2.0


# -- how an import stands ----------------------------------------------------------------------------------------------


def test_under_way(arm: Operations, far_side: Any, operation: Operation) -> None:
    far_side.answer = accept(far_side.url + "/operationResults/registries-5b1b?page=2")
    before = time.monotonic()
    arm.ask(operation)
    assert not operation.done and operation.location.endswith("?page=2")
    assert RETRY_AFTER <= operation.ask_at - before < RETRY_AFTER + 3, "where Azure names no time"


@pytest.mark.parametrize("body", ["", '{"status": "Succeeded"}', '{"team/app:1": "Succeeded"}', "[]"])
def test_done(arm: Operations, far_side: Any, operation: Operation, body: str) -> None:
    far_side.answer = lambda request: request.reply(200, body, {"Location": far_side.url + "/elsewhere"})
    arm.ask(operation)
    assert operation.done and operation.id == "registries-5b1b"


def test_the_first_answer_may_name_no_targets(arm: Operations, far_side: Any, operation: Operation) -> None:
    far_side.answer = refuse(202, '{"status": "Accepted"}', Location=far_side.url + RESULT)
    arm.ask(operation)
    assert not operation.done


@pytest.mark.parametrize("status", [200, 202, 400, 409])
@pytest.mark.parametrize("state", ["Failed", "Canceled"])
def test_failed(arm: Operations, far_side: Any, operation: Operation, status: int, state: str) -> None:
    error = {
        "code": "InvalidParameters",
        "message": "Operation registries-5b1b failed. Resource /subscriptions/s1/x team/app:1 Tag team/app:1 already exists in "
        "target registry.",
    }
    far_side.answer = lambda request: request.reply(status, json.dumps({"status": state, "error": error}))
    found = error_of(lambda: arm.ask(operation))
    assert isinstance(found, ImportFailed) and found.reason == "exists" and not operation.done


@pytest.mark.parametrize("state", ["Accepted", "Pending", "InProgress"])
def test_a_status_that_is_no_end_is_none(arm: Operations, far_side: Any, operation: Operation, state: str) -> None:
    far_side.answer = refuse(200, json.dumps({"status": state}))
    arm.ask(operation)
    assert not operation.done and not arm.start_import(RESOURCE, BODY, CONTEXT).done


def test_failed_without_a_word(arm: Operations, far_side: Any, operation: Operation) -> None:
    far_side.answer = refuse(200, '{"status": "Failed"}')
    found = error_of(lambda: arm.ask(operation))
    assert isinstance(found, ImportFailed) and "no text" in str(found)


OWN_404 = '{"error": {"code": "NotFound", "message": "The resource x could not be found."}, "status": "Failed"}'


@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [
        (404, "", {}),
        (404, NOT_THERE, {}),
        (404, OWN_404, {}),
        (404, "<html>", {}),
        (403, DENIED, {}),
        (403, "", {}),
        (401, '{"error": {"code": "AuthenticationFailed", "message": "x"}}', {}),
        (405, "", {}),
        (410, '{"error": {"code": "Gone", "message": "x"}}', {}),
        (500, '{"error": {"code": "InternalServerError", "message": "x"}, "status": "Failed"}', {}),
        (503, "", {}),
        (400, "<html>Bad Request</html>", {}),
        (400, '{"error": {"code": "InvalidApiVersionParameter", "message": "x"}}', {"x_ms_failure_cause": "gateway"}),
        (409, "{}", {}),
        (400, '{"error": {"code": "AuthenticationFailed", "message": "x"}}', {}),
        (409, '{"error": {"code": "ReadOnlyDisabledSubscription", "message": "x"}}', {}),
        (200, "<html>Welcome to the proxy</html>", {}),
        (302, "", {"Location": "https://elsewhere.test/x"}),
    ],
)
def test_a7_a_question_that_fails_says_nothing_of_the_import(
    arm: Operations, far_side: Any, operation: Operation, status: int, body: str, headers: dict[str, str]
) -> None:
    far_side.answer = refuse(status, body, **headers)
    error = error_of(lambda: arm.ask(operation))
    assert not isinstance(error, ImportFailed) and error.reason != "not_found" and error.ends_run is False
    assert "registry does not exist" not in str(error) and not operation.done and operation.location == far_side.url + RESULT


def test_b2_what_a_source_says_of_a_sign_in_is_not_about_ours(arm: Operations, far_side: Any, operation: Operation) -> None:
    text = "Operation registries-1 failed. Resource /subscriptions/s1/x Invalid message Forbidden Forbidden {0}"
    for quoted in ("<Error><Code>AuthenticationFailed</Code></Error>", "InvalidAuthenticationToken AuthorizationFailed importImage/action"):
        error = {"code": "InvalidParameters", "message": text.format(quoted)}
        far_side.answer = refuse(400, json.dumps({"error": error, "status": "Failed"}))
        found = error_of(lambda: arm.ask(operation))
        assert (found.cause, found.ends_run) == ("source forbidden", False) and isinstance(found, ImportFailed)


@pytest.mark.parametrize(
    ("after", "pause"),
    [("0", 1.0), ("-7", 1.0), ("0.01", 1.0), ("7", 7.0), ("7.5", 7.5), ("86400", 120.0), ("inf", 120.0), ("soon", RETRY_AFTER)],
)
def test_d4_the_time_between_two_questions_has_bounds(
    arm: Operations, far_side: Any, operation: Operation, after: str, pause: float
) -> None:
    far_side.answer = accept(far_side.url + RESULT, Retry_After=after)
    before = time.monotonic()
    arm.ask(operation)
    started = arm.start_import(RESOURCE, BODY, CONTEXT)
    for found in (operation, started):
        assert pause <= found.ask_at - before < pause + 3


def test_an_import_that_goes_on_elsewhere(arm: Operations, far_side: Any, operation: Operation) -> None:
    far_side.answer = accept("https://elsewhere.test/x")
    assert "another host" in str(error_of(lambda: arm.ask(operation)))
    assert operation.location == far_side.url + RESULT
