# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which registry is meant by what a user wrote, and where it is looked for."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.registryops.acr.plugins.module_utils._arm import Arm, Operation
from ansible_collections.registryops.acr.plugins.module_utils._diagnosis import Context
from ansible_collections.registryops.acr.plugins.module_utils._http import Http
from ansible_collections.registryops.acr.plugins.module_utils._reference import RegistryId
from tests.unit.plugins.manager import (
    DENIED,
    GROUP,
    LIST,
    RESOURCE,
    SUBSCRIPTIONS,
    SignedIn,
    error_of,
    places,
    refuse,
    resource,
)

BY_NAME = RegistryId("name", "contosoprod")
NO_GROUP = '{"error": {"code": "ResourceGroupNotFound", "message": "Resource group could not be found."}}'


@pytest.fixture
def arm(http: Http, far_side: Any) -> Arm:
    """Of somebody who has no subscription of their own."""
    return Arm(SignedIn(far_side.url), http)


@pytest.fixture
def own(http: Http, far_side: Any) -> Arm:
    """Of somebody whose subscription is S1."""
    return Arm(SignedIn(far_side.url, "S1"), http)


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


OTHER = "/subscriptions/{0}/resourceGroups/other/providers/Microsoft.ContainerRegistry/registries/contosoprod"
NO_NAME = RegistryId("login_server", None, "contosoprod.azurecr.test")


@pytest.mark.parametrize("subscription", [None, "S1"])
@pytest.mark.parametrize("registry_id", [BY_NAME, BY_LOGIN_SERVER, NO_NAME])
def test_c7_a_resource_group_counts_whatever_else_is_given(
    http: Http, far_side: Any, subscription: str | None, registry_id: RegistryId
) -> None:
    """A registry of that name elsewhere is not the one that is meant."""
    arm = Arm(SignedIn(far_side.url, subscription), http)
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
    assert error.reason == "invalid" and "names resource group rg, not other" in str(error) and not far_side.seen
    far_side.routes({GROUP.format("s1") + "/contosoprod": resource("s1")})
    assert arm.registry(given, "RG").name == "contosoprod"


def test_c7_a_name_that_two_registries_share_is_not_guessed(arm: Arm, own: Arm, far_side: Any) -> None:
    """A domain name label makes login servers differ, and names need not."""

    def labelled(subscription: str) -> dict[str, Any]:
        return resource(subscription, loginServer="contosoprod-{0}.azurecr.test".format(subscription.lower()))

    lists = {LIST.format(one): {"value": [labelled(one)]} for one in ("S1", "s1", "s2")}
    far_side.routes({"/subscriptions": SUBSCRIPTIONS, **lists, LIST.format("s3"): {"value": []}})
    error = error_of(lambda: arm.registry(BY_NAME))
    assert error.reason == "invalid" and "2 registries are named contosoprod: " in str(error)
    assert GROUP.format("s1") in str(error) and GROUP.format("s2") in str(error)
    assert own.registry(BY_NAME).subscription == "S1"
    by_label = RegistryId("login_server", "contosoprod", "contosoprod-s2.azurecr.test")
    assert arm.registry(by_label).subscription == "s2"


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
    assert "There is no registry contosoprod {0} this account can see.".format(where) in str(error) and "(a secret)" in str(error)


def test_changes_are_made_by_the_sdk(arm: Arm, far_side: Any) -> None:
    far_side.answer = refuse(200, json.dumps(resource("s1", a=1)))
    assert arm.update(RESOURCE, {"a": 1}).properties["a"] == 1
    far_side.answer = refuse(202, "", Location=far_side.url + "/operationResults/registries-1")
    started = arm.start_import(RESOURCE, {}, Context())
    assert isinstance(started, Operation) and not started.done
    far_side.answer = refuse(200)
    arm.ask(started)
    assert started.done and [method for method, _path, _headers, _body in far_side.seen] == ["PATCH", "GET", "POST", "GET"]
