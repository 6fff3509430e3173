# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Azure Resource Manager over real HTTPS: how registries are found, changed and imported into, and what its answers mean."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from azure.core.credentials import AccessToken

from ansible_collections.registryops.acr.plugins.module_utils import _arm
from ansible_collections.registryops.acr.plugins.module_utils._arm import (
    RETRY_AFTER,
    Arm,
    Operation,
    RegistryResource,
    posture,
)
from ansible_collections.registryops.acr.plugins.module_utils._diagnosis import Context
from ansible_collections.registryops.acr.plugins.module_utils._errors import AcrError
from ansible_collections.registryops.acr.plugins.module_utils._http import TRIES, Http
from ansible_collections.registryops.acr.plugins.module_utils._reference import RegistryId

GROUP = "/subscriptions/{0}/resourceGroups/rg/providers/Microsoft.ContainerRegistry/registries"
LIST = "/subscriptions/{0}/providers/Microsoft.ContainerRegistry/registries"
RESOURCE = RegistryResource(GROUP.format("s1") + "/contosoprod", "contosoprod", "contosoprod.azurecr.test", "west", "Premium", {}, {})
CONTEXT = Context("contosoprod.azurecr.test/team/app:1", "docker.io/library/nginx:1", "docker.io")
BY_NAME = RegistryId("name", "contosoprod")
DENIED = '{"error": {"code": "AuthorizationFailed", "message": "does not have authorization to perform action \'read\'"}}'
EXISTS = '{"error": {"code": "InvalidParameters", "message": "Tag x already exists in target registry"}}'


def resource(subscription: str, name: str = "contosoprod", **properties: Any) -> dict[str, Any]:
    return {
        "id": GROUP.format(subscription) + "/" + name,
        "name": name,
        "location": "west",
        "sku": {"name": "Premium"},
        "properties": {"loginServer": name.upper() + ".azurecr.test", **properties},
    }


class Identity:
    """Somebody who signed in; each sign-in gives another token."""

    def __init__(self, url: str, subscription: str | None) -> None:
        self.cloud = SimpleNamespace(resource_manager=url + "/", arm_scope="https://arm/.default")
        self.subscription_id = subscription
        self.signed_in = 1

    @property
    def credential(self) -> Any:
        token = AccessToken(self.token(""), int(time.time()) + 3600)
        return SimpleNamespace(get_token=lambda *_scopes, **_more: token)

    def token(self, _scope: str) -> str:
        return "token{0}".format(self.signed_in)

    def renew(self) -> None:
        self.signed_in += 1

    def describe(self) -> str:
        return "a secret"


@pytest.fixture
def arm(http: Http, far_side: Any) -> Arm:
    """Of somebody who has no subscription of their own."""
    return Arm(Identity(far_side.url, None), http)


@pytest.fixture
def own(http: Http, far_side: Any) -> Arm:
    """Of somebody whose subscription is S1."""
    return Arm(Identity(far_side.url, "S1"), http)


def error_of(work: Callable[[], Any]) -> AcrError:
    with pytest.raises(AcrError) as caught:
        work()
    return caught.value


def places(far_side: Any) -> list[str]:
    return [path.partition("?")[0] for path in far_side.paths]


def accept(location: str, **headers: str) -> Callable[[Any], None]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda request: request.reply(202, "", {"Location": location, **named})


# -- finding -----------------------------------------------------------------------------------------------------------


def test_a_resource_id_takes_one_request(arm: Arm, far_side: Any) -> None:
    far_side.routes({GROUP.format("s1") + "/contosoprod": {**resource("s1"), "tags": {"team": "a"}}})
    found = arm.registry(RegistryId("resource_id", "contosoprod", None, "s1", "rg"))
    assert (found.name, found.login_server, found.location, found.sku) == (
        "contosoprod", "contosoprod.azurecr.test", "west", "Premium",
    )  # fmt: skip
    assert (found.subscription, found.resource_group, found.tags) == ("s1", "rg", {"team": "a"})
    assert len(far_side.seen) == 1 and far_side.seen[0][2]["Authorization"] == "Bearer token1"


def test_a_name_and_a_resource_group_take_one_request(own: Arm, far_side: Any) -> None:
    far_side.routes({GROUP.format("S1") + "/contosoprod": resource("S1")})
    assert own.registry(BY_NAME, "rg").name == "contosoprod"
    assert own.registry(RegistryId("login_server", "contosoprod", "contosoprod.azurecr.test"), "rg").name == "contosoprod"
    assert len(far_side.seen) == 2
    error = error_of(lambda: own.registry(RegistryId("login_server", "contosoprod", "contosoprod.elsewhere.test"), "rg"))
    assert error.kind == "not_found" and "has the login server contosoprod.azurecr.test, not contosoprod.elsewhere" in str(error)


SUBSCRIPTIONS = {"value": [{"subscriptionId": one} for one in ("s1", "s2", "s3")]}


def test_ones_own_subscription_is_looked_at_first(own: Arm, far_side: Any) -> None:
    far_side.routes({LIST.format("S1"): {"value": [resource("S1", "other"), resource("S1")]}})
    assert own.registry(RegistryId("login_server", "contosoprod", "CONTOSOPROD.azurecr.test")).subscription == "S1"
    assert places(far_side) == [LIST.format("S1")]


def test_then_all_others(own: Arm, far_side: Any) -> None:
    empty: dict[str, Any] = {"value": []}
    far_side.routes(
        {
            "/subscriptions": SUBSCRIPTIONS,
            LIST.format("S1"): empty,
            LIST.format("s2"): lambda request: request.reply(403, DENIED),
            LIST.format("s3"): {"value": [resource("s3")]},
        }
    )
    assert own.registry(BY_NAME).subscription == "s3"
    assert places(far_side) == [LIST.format("S1"), "/subscriptions", LIST.format("s2"), LIST.format("s3")]


def test_a_subscription_that_can_not_be_read_is_not_passed_over(arm: Arm, far_side: Any) -> None:
    far_side.routes({"/subscriptions": SUBSCRIPTIONS, LIST.format("s1"): lambda request: request.reply(503)})
    assert error_of(lambda: arm.registry(BY_NAME)).kind == "unavailable"


@pytest.mark.parametrize(
    ("readable", "where"), [(0, "in any subscription that"), (1, "in the subscription that"), (2, "in the 2 subscriptions that")]
)
def test_a_registry_that_is_nowhere(arm: Arm, far_side: Any, readable: int, where: str) -> None:
    lists: dict[str, Any] = {
        LIST.format(one): {"value": []} if number < readable else lambda request: request.reply(403, DENIED)
        for number, one in enumerate(("s1", "s2", "s3"))
    }
    far_side.routes({"/subscriptions": SUBSCRIPTIONS, **lists})
    error = error_of(lambda: arm.registry(BY_NAME))
    assert error.kind == "not_found"
    assert "There is no registry contosoprod {0} this account sees.".format(where) in str(error) and "(a secret)" in str(error)


def test_all_pages(arm: Arm, far_side: Any) -> None:
    far_side.script(
        lambda request: request.reply(200, json.dumps({"value": [resource("s1", "a")], "nextLink": far_side.url + "/p?skip=1"})),
        lambda request: request.reply(200, json.dumps({"value": [resource("s1", "b")]})),
    )
    assert [found.name for found in arm.registries("s1")] == ["a", "b"]
    assert far_side.paths[1] == "/p?skip=1"


@pytest.mark.parametrize("link", ["https://elsewhere.test/p", "http://{0}/p", "https://127.0.0.1.evil.test/p"])
def test_the_next_page_is_on_no_other_host(arm: Arm, far_side: Any, link: str) -> None:
    far_side.answer = lambda request: request.reply(200, json.dumps({"value": [], "nextLink": link.format(far_side.host)}))
    assert "refused" in str(error_of(arm.subscriptions)) and len(far_side.seen) == 1


def test_a_token_that_azure_calls_expired_is_renewed_once(arm: Arm, far_side: Any) -> None:
    expired = '{"error": {"code": "ExpiredAuthenticationToken", "message": "expired"}}'
    far_side.script(lambda request: request.reply(401, expired), lambda request: request.reply(200, json.dumps(SUBSCRIPTIONS)))
    assert arm.subscriptions() == ["s1", "s2", "s3"]
    assert [headers["Authorization"] for _method, _path, headers, _body in far_side.seen] == ["Bearer token1", "Bearer token2"]
    far_side.answer = lambda request: request.reply(401, expired)
    assert error_of(arm.subscriptions).kind == "unauthorized" and len(far_side.seen) == 4


@pytest.mark.parametrize(
    ("status", "body", "kind", "sentence"),
    [
        (409, "<html>", "invalid", "answered for registry contosoprod in resource group rg with status 409 and nothing that"),
        (200, "[]", "invalid", "with status 200 and nothing that explains it"),
        (200, '{"id": "/subscriptions/s1"}', "invalid", "describes a registry without a resource ID"),
        (403, "<html>", "denied", "registry contosoprod in resource group rg"),
        (404, '{"error": {"code": "ResourceNotFound", "message": "x"}}', "not_found", "Azure finds no such registry"),
    ],
)
def test_answers_that_describe_no_registry(arm: Arm, far_side: Any, status: int, body: str, kind: str, sentence: str) -> None:
    far_side.answer = lambda request: request.reply(status, body)
    error = error_of(lambda: arm.registry(RegistryId("resource_id", "contosoprod", None, "s1", "rg")))
    assert error.kind == kind and sentence in str(error), str(error)


# -- network posture ---------------------------------------------------------------------------------------------------


def endpoint(name: str, status: str | None) -> dict[str, Any]:
    return {"name": name, "properties": {"privateLinkServiceConnectionState": {"status": status} if status else None}}


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ({}, {}),
        ({"publicNetworkAccess": "Disabled"}, {"public_network_access": False, "restricted": True}),
        (
            {"networkRuleSet": {"defaultAction": "Deny", "ipRules": [{"action": "Allow", "value": "10.0.0.0/8"}]}},
            {"default_action": "Deny", "ip_rules": ["10.0.0.0/8"], "restricted": True},
        ),
        ({"networkRuleSet": {"defaultAction": None, "ipRules": None}}, {}),
        ({"networkRuleBypassOptions": "None"}, {"trusted_services": False}),
        (
            {"privateEndpointConnections": [endpoint("a", "Approved"), endpoint("b", "Pending"), endpoint("c", None), {"id": "d"}]},
            {"private_endpoints": ["a", "c", "d"]},
        ),
    ],
)
def test_posture(properties: dict[str, Any], expected: dict[str, Any]) -> None:
    usual = {
        "public_network_access": True,
        "default_action": "Allow",
        "ip_rules": [],
        "private_endpoints": [],
        "trusted_services": True,
        "restricted": False,
    }
    assert posture(properties) == {**usual, **expected}


# -- changes -----------------------------------------------------------------------------------------------------------


def test_an_update_sends_what_changes_and_reads_what_came_of_it(arm: Arm, far_side: Any) -> None:
    after = resource("s1", networkRuleBypassOptions="AzureServices")
    far_side.answer = lambda request: request.reply(200, json.dumps(after))
    found = arm.update(RESOURCE, {"networkRuleBypassOptions": "AzureServices"})
    assert found.properties["networkRuleBypassOptions"] == "AzureServices"
    method, _path, _headers, body = far_side.seen[0]
    assert (method, json.loads(body)) == ("PATCH", {"properties": {"networkRuleBypassOptions": "AzureServices"}})
    assert places(far_side)[-1] == GROUP.format("s1") + "/contosoprod" and far_side.seen[-1][0] == "GET"


BODY = {"source": {"registryUri": "docker.io", "sourceImage": "library/nginx:1"}, "mode": "NoForce", "targetTags": ["team/app:1"]}
RESULT = "/operationResults/registries-5b1b?api-version=1"


def test_an_import_is_sent_as_it_stands_and_nobody_waits_for_it(arm: Arm, far_side: Any) -> None:
    far_side.answer = accept(far_side.url + RESULT, Retry_After="7")
    before = time.monotonic()
    operation = arm.start_import(RESOURCE, BODY, CONTEXT)
    assert 7 <= operation.ask_at - before < 10
    assert (operation.location, operation.id, operation.done, operation.uncertain) == (
        far_side.url + RESULT, "registries-5b1b", False, False,
    )  # fmt: skip
    ((method, path, _headers, body),) = far_side.seen
    assert (method, json.loads(body)) == ("POST", BODY) and path.startswith(GROUP.format("s1") + "/contosoprod/importImage?")


@pytest.mark.parametrize("status", [200, 202])
def test_an_import_that_is_over_at_once(arm: Arm, far_side: Any, status: int) -> None:
    far_side.answer = lambda request: request.reply(status, "")
    operation = arm.start_import(RESOURCE, BODY, CONTEXT)
    assert (operation.done, operation.id) == (True, "")


def test_an_import_goes_on_at_no_other_host(arm: Arm, far_side: Any) -> None:
    far_side.answer = accept("https://elsewhere.test/operationResults/registries-1")
    assert "points to another host (elsewhere.test)" in str(error_of(lambda: arm.start_import(RESOURCE, BODY, CONTEXT)))


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
def test_only_a_try_that_may_have_got_through_leaves_doubt(arm: Arm, far_side: Any, first: Any, uncertain: bool) -> None:
    """Azure may have taken an import whose answer was lost, or became a failure of its own: it counts as ours then."""
    far_side.script(first, accept(far_side.url + RESULT))
    assert arm.start_import(RESOURCE, BODY, CONTEXT).uncertain is uncertain
    assert len(far_side.seen) == 2
    # What the next try says does not clear it up.
    far_side.script(first, lambda request: request.reply(409, EXISTS))
    error = error_of(lambda: arm.start_import(RESOURCE, BODY, CONTEXT))
    assert (error.kind, error.uncertain) == ("exists", uncertain)


def test_the_sdk_gets_the_new_sign_in_too(arm: Arm, far_side: Any) -> None:
    far_side.script(lambda request: request.reply(401, "{}"), accept(far_side.url + RESULT))
    arm.start_import(RESOURCE, BODY, CONTEXT)
    assert [headers["Authorization"] for _method, _path, headers, _body in far_side.seen] == ["Bearer token1", "Bearer token2"]


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (409, EXISTS, "exists"),
        (403, DENIED, "denied"),
        (403, "<html>", "denied"),
        (400, "<html>", "invalid"),
    ],
)
def test_an_import_that_is_refused(arm: Arm, far_side: Any, status: int, body: str, kind: str) -> None:
    far_side.answer = lambda request: request.reply(status, body)
    error = error_of(lambda: arm.start_import(RESOURCE, BODY, CONTEXT))
    assert error.kind == kind and len(far_side.seen) == 1
    assert CONTEXT.target in str(error) or kind == "denied"


def test_an_import_that_is_not_wanted_any_more_is_not_sent(arm: Arm, far_side: Any) -> None:
    def check() -> None:
        raise AcrError("stopped", "Not started.")

    assert error_of(lambda: arm.start_import(RESOURCE, BODY, CONTEXT, check)).kind == "stopped"
    assert far_side.seen == []


def test_a_certificate_that_is_not_trusted(http: Http, serve: Callable[..., Any]) -> None:
    arm = Arm(Identity(serve(trusted=False).url, None), http)
    error = error_of(lambda: arm.start_import(RESOURCE, BODY, CONTEXT))
    assert error.kind == "certificate" and "REQUESTS_CA_BUNDLE" in str(error)


def test_nobody_there(arm: Arm, far_side: Any) -> None:
    far_side.answer = lambda request: request.hang_up()
    error = error_of(lambda: arm.start_import(RESOURCE, BODY, CONTEXT))
    assert error.kind == "unavailable" and len(far_side.seen) == TRIES


def test_a_start_that_gets_no_answer_is_given_up_in_our_time_and_not_in_the_sdks(monkeypatch: pytest.MonkeyPatch) -> None:
    """azure-core waits five minutes for an answer, whatever limit the task has."""
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(_arm, "CONNECT_SECONDS", 0.2)
    monkeypatch.setattr(_arm, "REQUEST_SECONDS", 0.2)
    failures: list[Any] = []
    with socket.create_server(("127.0.0.1", 0)) as silent:
        identity = Identity("https://127.0.0.1:{0}".format(silent.getsockname()[1]), None)
        arm = Arm(identity, Http(deadline=time.monotonic() + 1.0))
        thread = threading.Thread(
            target=lambda: failures.append(error_of(lambda: arm.start_import(RESOURCE, {}, CONTEXT))), daemon=True
        )
        thread.start()
        thread.join(20.0)
    assert failures, "still waiting"
    assert failures[0].passing or failures[0].kind == "unreachable"


# -- how an import stands ----------------------------------------------------------------------------------------------


@pytest.fixture
def operation(far_side: Any) -> Operation:
    return Operation(far_side.url + RESULT, 0.0, CONTEXT)


def test_under_way(arm: Arm, far_side: Any, operation: Operation) -> None:
    far_side.answer = accept(far_side.url + "/operationResults/registries-5b1b?page=2")
    before = time.monotonic()
    arm.ask(operation)
    assert not operation.done and operation.location.endswith("?page=2")
    assert RETRY_AFTER <= operation.ask_at - before < RETRY_AFTER + 3, "where Azure names no time"


@pytest.mark.parametrize("body", ["", '{"status": "Succeeded"}', '{"team/app:1": "Succeeded"}', "[]"])
def test_done(arm: Arm, far_side: Any, operation: Operation, body: str) -> None:
    far_side.answer = lambda request: request.reply(200, body, {"Location": far_side.url + "/elsewhere"})
    arm.ask(operation)
    assert operation.done and operation.id == "registries-5b1b"


@pytest.mark.parametrize("status", [200, 202, 400])
@pytest.mark.parametrize("state", ["Failed", "Canceled"])
def test_failed(arm: Arm, far_side: Any, operation: Operation, status: int, state: str) -> None:
    error = {"code": "InvalidParameters", "message": "Operation registries-5b1b failed. Tag already exists in target registry"}
    far_side.answer = lambda request: request.reply(status, json.dumps({"status": state, "error": error}))
    assert error_of(lambda: arm.ask(operation)).kind == "exists"
    assert not operation.done


def test_an_import_that_goes_on_elsewhere(arm: Arm, far_side: Any, operation: Operation) -> None:
    far_side.answer = accept("https://elsewhere.test/x")
    assert "another host" in str(error_of(lambda: arm.ask(operation)))
    assert operation.location == far_side.url + RESULT
