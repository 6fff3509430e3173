# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Azure Resource Manager over real HTTPS: how registries are found, changed and imported into, and what its answers mean."""

from __future__ import annotations

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

from ansible_collections.registryops.acr.plugins.module_utils import _arm
from ansible_collections.registryops.acr.plugins.module_utils._arm import (
    RETRY_AFTER,
    Arm,
    Operation,
    RegistryResource,
    posture,
)
from ansible_collections.registryops.acr.plugins.module_utils._diagnosis import Context
from ansible_collections.registryops.acr.plugins.module_utils._errors import AcrError, ImportFailed
from ansible_collections.registryops.acr.plugins.module_utils._http import TRIES, Http
from ansible_collections.registryops.acr.plugins.module_utils._reference import RegistryId

GROUP = "/subscriptions/{0}/resourceGroups/rg/providers/Microsoft.ContainerRegistry/registries"
LIST = "/subscriptions/{0}/providers/Microsoft.ContainerRegistry/registries"
RESOURCE = RegistryResource(GROUP.format("s1") + "/contosoprod", "contosoprod", "contosoprod.azurecr.test", "west", "Premium", {}, {})
CONTEXT = Context("contosoprod.azurecr.test/team/app:1", "docker.io/library/nginx:1", "docker.io")
BY_NAME = RegistryId("name", "contosoprod")
DENIED = '{"error": {"code": "AuthorizationFailed", "message": "does not have authorization to perform action \'read\'"}}'
EXISTS = '{"error": {"code": "Conflict", "message": "Tag team/app:1 already exists in target registry."}}'
NOT_THERE = '{"error": {"code": "ResourceNotFound", "message": "The Resource was not found."}}'
NO_GROUP = '{"error": {"code": "ResourceGroupNotFound", "message": "Resource group could not be found."}}'


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


@pytest.fixture
def operation(far_side: Any) -> Operation:
    """An import under way."""
    return Operation(far_side.url + RESULT, 0.0, CONTEXT._replace(targets=("team/app:1",)))


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


BY_LOGIN_SERVER = RegistryId("login_server", "contosoprod", "contosoprod.azurecr.test")


def test_a_name_and_a_resource_group_take_one_request(own: Arm, far_side: Any) -> None:
    far_side.routes({GROUP.format("S1") + "/contosoprod": resource("S1")})
    assert own.registry(BY_NAME, "rg").name == "contosoprod"
    assert own.registry(BY_LOGIN_SERVER, "rg").name == "contosoprod"
    assert len(far_side.seen) == 2


def test_a_name_and_a_login_server_that_contradict_each_other(own: Arm, far_side: Any) -> None:
    far_side.routes({GROUP.format("S1") + "/contosoprod": resource("S1"), "/subscriptions": {"value": []}})
    error = error_of(lambda: own.registry(RegistryId("login_server", "contosoprod", "contosoprod-x.azurecr.test"), "rg"))
    assert error.reason == "not_found" and "has the login server contosoprod.azurecr.test, not contosoprod-x" in str(error)


def refuse(status: int, body: str = "", **headers: str) -> Callable[[Any], None]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda request: request.reply(status, body, named)


OTHER = "/subscriptions/{0}/resourceGroups/other/providers/Microsoft.ContainerRegistry/registries/contosoprod"
NO_NAME = RegistryId("login_server", None, "contosoprod.azurecr.test")


@pytest.mark.parametrize("subscription", [None, "S1"])
@pytest.mark.parametrize("registry_id", [BY_NAME, BY_LOGIN_SERVER, NO_NAME])
def test_c7_a_resource_group_counts_whatever_else_is_given(
    http: Http, far_side: Any, subscription: str | None, registry_id: RegistryId
) -> None:
    """A registry of that name elsewhere is not the one that is meant."""
    arm = Arm(Identity(far_side.url, subscription), http)
    lists = {LIST.format(one): {"value": [resource(one)]} for one in ("S1", "s1", "s2")}
    groups = {GROUP.format(one) + "/contosoprod": resource(one) for one in ("S1", "s1", "s2")}
    missing = {OTHER.format(one): refuse(404, NO_GROUP) for one in ("S1", "s1", "s2", "s3")}
    far_side.routes({"/subscriptions": SUBSCRIPTIONS, **lists, **groups, **missing, LIST.format("s3"): {"value": []}})
    error = error_of(lambda: arm.registry(registry_id, "other"))
    assert error.reason == "not_found" and "in resource group other of the 3 subscriptions" in str(error), str(error)
    there = {**resource("s3"), "id": OTHER.format("s3")}
    more = {**missing, OTHER.format("s3"): there, LIST.format("s3"): {"value": [there]}}
    far_side.routes({"/subscriptions": SUBSCRIPTIONS, **lists, **groups, **more})
    assert arm.registry(registry_id, "other").id == OTHER.format("s3")


def test_c7_a_resource_id_in_another_resource_group(arm: Arm, far_side: Any) -> None:
    given = RegistryId("resource_id", "contosoprod", None, "s1", "rg")
    error = error_of(lambda: arm.registry(given, "other"))
    assert error.reason == "invalid" and "names the resource group rg, and not other" in str(error) and not far_side.seen
    far_side.routes({GROUP.format("s1") + "/contosoprod": resource("s1")})
    assert arm.registry(given, "RG").name == "contosoprod"


def test_c7_a_name_that_two_registries_share_is_not_guessed(arm: Arm, own: Arm, far_side: Any) -> None:
    """A domain name label makes login servers differ, and names need not."""

    def labelled(subscription: str) -> dict[str, Any]:
        return resource(subscription, loginServer="contosoprod-{0}.azurecr.test".format(subscription.lower()))

    lists = {LIST.format(one): {"value": [labelled(one)]} for one in ("S1", "s1", "s2")}
    far_side.routes({"/subscriptions": SUBSCRIPTIONS, **lists, LIST.format("s3"): {"value": []}})
    error = error_of(lambda: arm.registry(BY_NAME))
    assert error.reason == "invalid" and "There are 2 registries contosoprod: " in str(error)
    assert GROUP.format("s1") in str(error) and GROUP.format("s2") in str(error)
    assert own.registry(BY_NAME).subscription == "S1"
    by_label = RegistryId("login_server", "contosoprod", "contosoprod-s2.azurecr.test")
    assert arm.registry(by_label).subscription == "s2"


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


@pytest.mark.parametrize(("status", "kind"), [(503, "unavailable"), (409, "protocol"), (404, "not_found")])
def test_a_subscription_that_can_not_be_read_decides_only_where_nothing_is_found(
    arm: Arm, far_side: Any, status: int, kind: str
) -> None:
    body = '{"error": {"code": "SubscriptionNotFound", "message": "x"}}' if status == 404 else ""
    lists = {LIST.format("s1"): refuse(status, body), LIST.format("s2"): {"value": []}, LIST.format("s3"): {"value": []}}
    far_side.routes({"/subscriptions": SUBSCRIPTIONS, **lists})
    error = error_of(lambda: arm.registry(BY_NAME))
    assert error.reason == kind and "There is no registry" not in str(error)
    far_side.routes({"/subscriptions": SUBSCRIPTIONS, **lists, LIST.format("s3"): {"value": [resource("s3")]}})
    assert arm.registry(BY_NAME).subscription == "s3"


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
    assert error.reason == "not_found"
    assert "There is no registry contosoprod {0} this account sees.".format(where) in str(error) and "(a secret)" in str(error)


def test_all_pages(arm: Arm, far_side: Any) -> None:
    far_side.script(
        lambda request: request.reply(200, json.dumps({"value": [resource("s1", "a")], "nextLink": far_side.url + "/p?skip=1"})),
        lambda request: request.reply(200, json.dumps({"value": [resource("s1", "b")]})),
    )
    assert [found.name for found in arm.registries("s1")] == ["a", "b"]
    assert far_side.paths[1] == "/p?skip=1"


@pytest.mark.parametrize("body", ["{}", '{"message": "ok"}'])
def test_an_answer_without_a_list_is_no_empty_list(arm: Arm, far_side: Any, body: str) -> None:
    far_side.answer = refuse(200, body)
    assert "with no list" in str(error_of(arm.subscriptions))
    far_side.answer = refuse(200, '{"value": null}')
    assert arm.subscriptions() == []


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
    assert error_of(arm.subscriptions).reason == "unauthorized" and len(far_side.seen) == 4


@pytest.mark.parametrize(
    ("status", "body", "kind", "sentence"),
    [
        (409, "<html>", "protocol", "answered for registry contosoprod in resource group rg with status 409 and nothing that"),
        (200, "[]", "protocol", "with status 200 and nothing that explains it"),
        (200, "<html>", "protocol", "with status 200 and nothing that explains it"),
        (200, '{"id": "/subscriptions/s1"}', "protocol", "describes a registry without a resource ID"),
        (200, json.dumps({**resource("s1"), "name": "{{ 1 }}"}), "protocol", "by a name that makes no sense ('{{ 1 }}'"),
        (200, json.dumps(resource("s1", loginServer="a.test/b@c.test")), "protocol", "by a name that makes no sense"),
        (403, "<html>", "denied", "registry contosoprod in resource group rg"),
        (404, '{"error": {"code": "ResourceNotFound", "message": "x"}}', "not_found", "Azure finds no such registry"),
    ],
)
def test_answers_that_describe_no_registry(arm: Arm, far_side: Any, status: int, body: str, kind: str, sentence: str) -> None:
    far_side.answer = lambda request: request.reply(status, body)
    error = error_of(lambda: arm.registry(RegistryId("resource_id", "contosoprod", None, "s1", "rg")))
    assert error.reason == kind and sentence in str(error), str(error)


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
        # What isn't known to be open is not called open.
        ({"publicNetworkAccess": "SecuredByPerimeter"}, {"public_network_access": False, "restricted": True}),
        ({"publicNetworkAccess": "enabled", "networkRuleBypassOptions": "azureservices"}, {}),
        ({"networkRuleSet": {"defaultAction": "allow", "ipRules": [{"action": "Allow"}]}}, {"default_action": "allow"}),
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


def test_an_update_that_takes_its_time(arm: Arm, http: Any, far_side: Any) -> None:
    updating(far_side, created(far_side), "Updating", "Creating", "InProgress", "Succeeded", shown=[{"a": 1}])
    assert arm.update(RESOURCE, {"a": 1}).properties["a"] == 1
    assert places(far_side) == [REGISTRY, *[STATUSES] * 4, REGISTRY]
    # Two seconds, as long as Azure names no time; then not at once, though it says so.
    assert http.pauses == [2.0, 1.0, 1.0, 1.0]


def test_an_update_that_only_the_registry_shows(arm: Arm, http: Any, far_side: Any) -> None:
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
        ("Canceled", {}, "the update of registry contosoprod with status 200"),
        ("Succeeded", {"provisioningState": "Failed"}, "ended the update of registry contosoprod with the state Failed"),
    ],
)
def test_an_update_that_fails(arm: Arm, far_side: Any, state: Any, shown: dict[str, Any], sentence: str) -> None:
    updating(far_side, created(far_side), state, shown=[shown])
    assert sentence in str(error_of(lambda: arm.update(RESOURCE, {"a": 1})))


@pytest.mark.parametrize("after", ["0", "86400"])
def test_d5_an_update_that_never_ends_ends_with_the_time_limit(arm: Arm, http: Any, far_side: Any, after: str) -> None:
    """However long Azure says to wait, and however short."""
    updating(far_side, created(far_side, **{"Retry-After": after}), "Updating", shown=[{}])
    http.pause = lambda seconds: http.pauses.append(seconds) or len(http.pauses) < 5
    error = error_of(lambda: arm.update(RESOURCE, {"a": 1}))
    assert error.reason == "timeout" and "has not finished the update of registry contosoprod within the time limit" in str(error)
    assert all(1.0 <= seconds <= 120.0 for seconds in http.pauses) and len(http.pauses) == 5


def test_d5_an_update_is_asked_for_once_more_before_the_time_limit(arm: Arm, http: Any, far_side: Any) -> None:
    updating(far_side, created(far_side, **{"Retry-After": "86400"}), "Succeeded", shown=[{"a": 1}])
    http.deadline = time.monotonic() + 60.0
    assert arm.update(RESOURCE, {"a": 1}).properties["a"] == 1
    assert 50.0 < http.pauses[0] < 58.5


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


def test_an_import_that_is_over_at_once(arm: Arm, far_side: Any) -> None:
    far_side.answer = lambda request: request.reply(200, "")
    operation = arm.start_import(RESOURCE, BODY, CONTEXT)
    assert (operation.done, operation.id) == (True, "")


def test_the_page_of_a_proxy_is_no_import_that_is_over(arm: Arm, far_side: Any) -> None:
    far_side.answer = refuse(200, "<html>Welcome</html>", Content_Type="text/html")
    operation = arm.start_import(RESOURCE, BODY, CONTEXT)
    assert (operation.done, operation.ask_at) == (False, math.inf)


def test_an_import_that_fails_at_once(arm: Arm, far_side: Any) -> None:
    far_side.answer = refuse(200, '{"status": "Failed"}')
    assert isinstance(error_of(lambda: arm.start_import(RESOURCE, BODY, CONTEXT)), ImportFailed)


@pytest.mark.parametrize("status", [201, 202, 204])
@pytest.mark.parametrize("location", [None, "", "https://elsewhere.test/operationResults/registries-1", "http://{0}/x", "https://["])
def test_a8_an_import_that_can_not_be_asked_for_is_neither_done_nor_failed(
    arm: Arm, far_side: Any, status: int, location: str | None
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
def test_only_a_try_that_may_have_got_through_leaves_doubt(arm: Arm, far_side: Any, first: Any, uncertain: bool) -> None:
    """Azure may have taken an import whose answer was lost, or became a failure of its own: it counts as ours then."""
    far_side.script(first, accept(far_side.url + RESULT))
    assert arm.start_import(RESOURCE, BODY, CONTEXT).uncertain is uncertain
    assert len(far_side.seen) == 2
    # What the next try says does not clear it up.
    far_side.script(first, lambda request: request.reply(409, EXISTS))
    error = error_of(lambda: arm.start_import(RESOURCE, BODY, CONTEXT))
    assert (error.reason, error.uncertain) == ("exists", uncertain)


def test_the_sdk_gets_the_new_sign_in_too(arm: Arm, far_side: Any) -> None:
    far_side.script(lambda request: request.reply(401, "{}"), accept(far_side.url + RESULT))
    arm.start_import(RESOURCE, BODY, CONTEXT)
    assert [headers["Authorization"] for _method, _path, headers, _body in far_side.seen] == ["Bearer token1", "Bearer token2"]


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
    arm: Arm, far_side: Any, operation: Operation, status: int, body: tuple[str, str], kind: str, ends_run: bool
) -> None:
    far_side.answer = refuse(status, json.dumps({"error": {"code": body[0], "message": body[1]}}))
    error = error_of(lambda: arm.start_import(RESOURCE, BODY, CONTEXT))
    assert (error.reason, error.ends_run, error.passing) == (kind, ends_run, False), str(error)
    assert len(far_side.seen) == (2 if status == 401 else 1), "it was tried again"
    for ask in (lambda: arm.ask(operation), lambda: arm.update(RESOURCE, {"a": 1}), arm.subscriptions):
        assert error_of(ask).ends_run is False  # type: ignore[arg-type]


def test_a_right_that_is_missing_elsewhere_ends_no_run(arm: Arm, far_side: Any) -> None:
    for action, ends_run in (("Microsoft.ContainerRegistry/registries/importImage/action", True), ("Microsoft.Odd/join/action", False)):
        far_side.answer = refuse(403, lacking(action))
        error = error_of(lambda: arm.start_import(RESOURCE, BODY, CONTEXT))
        assert (error.reason, error.ends_run) == ("denied", ends_run)


def test_nobody_else_gets_the_sign_in_with_an_import(arm: Arm, serve: Callable[..., Any], far_side: Any) -> None:
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
def test_an_import_that_is_refused(arm: Arm, far_side: Any, status: int, body: str, kind: str) -> None:
    far_side.answer = lambda request: request.reply(status, body)
    error = error_of(lambda: arm.start_import(RESOURCE, BODY, CONTEXT))
    assert error.reason == kind and len(far_side.seen) == 1
    assert CONTEXT.target in str(error) or kind == "denied"


def test_an_import_that_is_not_wanted_any_more_is_not_sent(arm: Arm, far_side: Any) -> None:
    def check() -> None:
        raise AcrError("stopped", "Not started.")

    assert error_of(lambda: arm.start_import(RESOURCE, BODY, CONTEXT, check)).reason == "stopped"
    assert far_side.seen == []


def test_a_certificate_that_is_not_trusted(http: Http, serve: Callable[..., Any]) -> None:
    arm = Arm(Identity(serve(trusted=False).url, None), http)
    error = error_of(lambda: arm.start_import(RESOURCE, BODY, CONTEXT))
    assert error.reason == "certificate" and "REQUESTS_CA_BUNDLE" in str(error)


def test_nobody_there(arm: Arm, far_side: Any) -> None:
    far_side.answer = lambda request: request.hang_up()
    error = error_of(lambda: arm.start_import(RESOURCE, BODY, CONTEXT))
    assert error.reason == "unavailable" and len(far_side.seen) == TRIES


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
    assert failures[0].passing or failures[0].reason == "unreachable"


# -- how an import stands ----------------------------------------------------------------------------------------------


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


def test_the_first_answer_may_name_no_targets(arm: Arm, far_side: Any, operation: Operation) -> None:
    far_side.answer = refuse(202, '{"status": "Accepted"}', Location=far_side.url + RESULT)
    arm.ask(operation)
    assert not operation.done


@pytest.mark.parametrize("status", [200, 202, 400, 409])
@pytest.mark.parametrize("state", ["Failed", "Canceled"])
def test_failed(arm: Arm, far_side: Any, operation: Operation, status: int, state: str) -> None:
    error = {
        "code": "InvalidParameters",
        "message": "Operation registries-5b1b failed. Resource /subscriptions/s1/x team/app:1 Tag team/app:1 already exists in "
        "target registry.",
    }
    far_side.answer = lambda request: request.reply(status, json.dumps({"status": state, "error": error}))
    found = error_of(lambda: arm.ask(operation))
    assert isinstance(found, ImportFailed) and found.reason == "exists" and not operation.done


@pytest.mark.parametrize("state", ["Accepted", "Pending", "InProgress"])
def test_a_status_that_is_no_end_is_none(arm: Arm, far_side: Any, operation: Operation, state: str) -> None:
    far_side.answer = refuse(200, json.dumps({"status": state}))
    arm.ask(operation)
    assert not operation.done and not arm.start_import(RESOURCE, BODY, CONTEXT).done


def test_failed_without_a_word(arm: Arm, far_side: Any, operation: Operation) -> None:
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
    arm: Arm, far_side: Any, operation: Operation, status: int, body: str, headers: dict[str, str]
) -> None:
    far_side.answer = refuse(status, body, **headers)
    error = error_of(lambda: arm.ask(operation))
    assert not isinstance(error, ImportFailed) and error.reason != "not_found" and error.ends_run is False
    assert "no such registry" not in str(error) and not operation.done and operation.location == far_side.url + RESULT


def test_b2_what_a_source_says_of_a_sign_in_is_not_about_ours(arm: Arm, far_side: Any, operation: Operation) -> None:
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
def test_d4_the_time_between_two_questions_has_bounds(arm: Arm, far_side: Any, operation: Operation, after: str, pause: float) -> None:
    far_side.answer = accept(far_side.url + RESULT, Retry_After=after)
    before = time.monotonic()
    arm.ask(operation)
    started = arm.start_import(RESOURCE, BODY, CONTEXT)
    for found in (operation, started):
        assert pause <= found.ask_at - before < pause + 3


def test_an_import_that_goes_on_elsewhere(arm: Arm, far_side: Any, operation: Operation) -> None:
    far_side.answer = accept("https://elsewhere.test/x")
    assert "another host" in str(error_of(lambda: arm.ask(operation)))
    assert operation.location == far_side.url + RESULT
