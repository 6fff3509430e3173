# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Azure Resource Manager over real HTTPS: signed-in requests, lists page by page, and answers that are no use."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from ansible_collections.registryops.acr.plugins.module_utils._arm_client import REGISTRIES_VERSION, VERSIONS, ArmClient
from ansible_collections.registryops.acr.plugins.module_utils._http import Http
from tests.unit.plugins.manager import SUBSCRIPTIONS, SignedIn, error_of, refuse, resource


@pytest.fixture
def arm(http: Http, far_side: Any) -> ArmClient:
    return ArmClient(SignedIn(far_side.url), http)


def test_all_pages(arm: ArmClient, far_side: Any) -> None:
    far_side.script(
        lambda request: request.reply(200, json.dumps({"value": [resource("s1", "a")], "nextLink": far_side.url + "/p?skip=1"})),
        lambda request: request.reply(200, json.dumps({"value": [resource("s1", "b")]})),
    )
    assert [found.name for found in arm.registries("s1")] == ["a", "b"]
    assert far_side.paths[1] == "/p?skip=1"


PROVIDER = (
    "No registered resource provider found for location 'uksouth' and API version '{0}' for type 'registries'. The supported "
    "api-versions are '{1}'. The supported locations are 'westus, uksouth'."
)
TYPE = (
    "The resource type 'registries' could not be found in the namespace 'Microsoft.ContainerRegistry' for api version '{0}'. The "
    "supported api-versions are '{1}'."
)
PARAMETER = "The api-version '{0}' is invalid. The supported versions are '{1}'."
WORDS = [
    ("NoRegisteredProviderFound", 400, PROVIDER),
    ("InvalidResourceType", 404, TYPE),
    ("InvalidApiVersionParameter", 400, PARAMETER),
]


class Cloud:
    """Serves registries in some API versions only, and names *named* when it refuses others."""

    def __init__(self, far_side: Any, *served: str, named: str = "", refuse: tuple[str, int, str] = WORDS[0]) -> None:
        self.asked: list[str] = []
        code, status, text = refuse

        def answer(request: Any) -> None:
            version = request.path.partition("api-version=")[2]
            self.asked.append(version)
            if version in served:
                request.reply(200, json.dumps({"value": [resource("s1")]} if request.path.count("/") < 6 else resource("s1")))
            else:
                text_of = text.format(version, named or ", ".join(served))
                request.reply(status, json.dumps({"error": {"code": code, "message": text_of}}))

        far_side.answer = answer


@pytest.mark.parametrize("words", WORDS)
def test_a_cloud_that_serves_older_versions_only_is_asked_for_the_newest_of_them(arm: ArmClient, far_side: Any, words: Any) -> None:
    cloud = Cloud(far_side, "2019-05-01", "2021-09-01", "2021-12-01-preview", refuse=words)
    assert arm.registry("s1", "rg", "contosoprod").name == "contosoprod"
    assert [found.name for found in arm.registries("s1")] == ["contosoprod"]
    assert cloud.asked == [REGISTRIES_VERSION, "2021-09-01", "2021-09-01"], "what is refused is remembered"


def test_versions_that_a_cloud_names_and_refuses_all_the_same(arm: ArmClient, far_side: Any) -> None:
    """Seen of Azure: for a while, its list was ahead of what it served."""
    named = f"2019-05-01,2021-09-01, {REGISTRIES_VERSION}"
    cloud = Cloud(far_side, "2019-05-01", named=named)
    assert arm.registry("s1", "rg", "contosoprod").name == "contosoprod"
    assert cloud.asked == [REGISTRIES_VERSION, "2021-09-01", "2019-05-01"]


def test_a_cloud_that_serves_none_of_the_versions_it_names(arm: ArmClient, far_side: Any) -> None:
    cloud = Cloud(far_side, named="2017-10-01, 2018-10-01, 2019-10-01, 2020-10-01, 2021-10-01")
    error = error_of(lambda: arm.registry("s1", "rg", "contosoprod"))
    assert error.reason == "refused" and "NoRegisteredProviderFound" in str(error) and len(cloud.asked) == VERSIONS


@pytest.mark.parametrize(
    ("status", "code", "text"),
    [
        (400, "NoRegisteredProviderFound", PROVIDER.format("x", "2021-12-01-preview")),
        (400, "NoRegisteredProviderFound", PROVIDER.format("x", "2021-09-01&a=b, ../2021-09-01")),
        (400, "NoRegisteredProviderFound", "The source says: " + PROVIDER.format("x", "2021-09-01")),
        (400, "InvalidParameters", PROVIDER.format("x", "2021-09-01")),
        (500, "InvalidApiVersionParameter", PARAMETER.format("x", "2021-09-01")),
        (404, "ResourceNotFound", TYPE.format("x", "2021-09-01")),
        (404, "InvalidResourceType", "The resource type could not be found in the namespace 'x' for api version 'y'."),
    ],
)
def test_what_names_no_other_version(arm: ArmClient, far_side: Any, status: int, code: str, text: str) -> None:
    far_side.answer = refuse(status, json.dumps({"error": {"code": code, "message": text}}))
    error_of(lambda: arm.registry("s1", "rg", "contosoprod"))
    assert {path.partition("=")[2] for path in far_side.paths} == {REGISTRIES_VERSION}


@pytest.mark.parametrize("body", ["{}", '{"message": "ok"}'])
def test_an_answer_without_a_list_is_no_empty_list(arm: ArmClient, far_side: Any, body: str) -> None:
    far_side.answer = refuse(200, body)
    assert "returned no list" in str(error_of(arm.subscriptions))
    far_side.answer = refuse(200, '{"value": null}')
    assert arm.subscriptions() == []


@pytest.mark.parametrize("link", ["https://elsewhere.test/p", "http://{0}/p", "https://127.0.0.1.evil.test/p"])
def test_the_next_page_is_on_no_other_host(arm: ArmClient, far_side: Any, link: str) -> None:
    far_side.answer = lambda request: request.reply(200, json.dumps({"value": [], "nextLink": link.format(far_side.host)}))
    assert "refused" in str(error_of(arm.subscriptions)) and len(far_side.seen) == 1


def test_a_token_that_azure_calls_expired_is_renewed_once(arm: ArmClient, far_side: Any) -> None:
    expired = '{"error": {"code": "ExpiredAuthenticationToken", "message": "expired"}}'
    far_side.script(lambda request: request.reply(401, expired), lambda request: request.reply(200, json.dumps(SUBSCRIPTIONS)))
    assert arm.subscriptions() == ["s1", "s2", "s3"]
    assert [headers["Authorization"] for _method, _path, headers, _body in far_side.seen] == ["Bearer token1", "Bearer token2"]
    far_side.answer = lambda request: request.reply(401, expired)
    error = error_of(arm.subscriptions)
    assert (error.reason, error.cause, len(far_side.seen)) == ("unauthorized", "token expired", 4)


CLAIMS = '{"access_token":{"acrs":{"essential":true,"values":["p1"]}}}'
CHALLENGE = 'Bearer realm="", authorization_uri="https://login.test/common", error="insufficient_claims", claims="{0}"'


@pytest.mark.parametrize("body", ["", '{"error": {"code": "InvalidAuthenticationToken", "message": "more"}}'])
def test_a_claims_challenge_is_answered_by_a_token_with_these_claims(arm: ArmClient, far_side: Any, body: str) -> None:
    headers = {"WWW-Authenticate": CHALLENGE.format(base64.urlsafe_b64encode(CLAIMS.encode()).decode().rstrip("="))}
    far_side.script(
        lambda request: request.reply(401, body, headers), lambda request: request.reply(200, json.dumps(SUBSCRIPTIONS))
    )
    assert arm.subscriptions() == ["s1", "s2", "s3"]
    assert arm.identity.claims == CLAIMS
    far_side.answer = lambda request: request.reply(401, body, headers)
    error = error_of(arm.subscriptions)
    assert (error.reason, error.cause, len(far_side.seen)) == ("unauthorized", "more proof", 4)


@pytest.mark.parametrize("value", ["Bearer", 'Bearer claims="%%%"', 'Bearer claims="/w=="', "Basic"])
def test_what_is_no_claims_challenge_asks_for_nothing(arm: ArmClient, far_side: Any, value: str) -> None:
    far_side.answer = lambda request: request.reply(401, "{}", {"WWW-Authenticate": value})
    assert error_of(arm.subscriptions).cause != "more proof"
    assert arm.identity.claims == ""


@pytest.mark.parametrize(
    ("status", "body", "kind", "sentence"),
    [
        (409, "<html>", "protocol", "answered with status 409 for registry contosoprod in resource group rg, without"),
        (200, "[]", "protocol", "with status 200 for registry contosoprod"),
        (200, "<html>", "protocol", "with status 200 for registry contosoprod"),
        (200, '{"id": "/subscriptions/s1"}', "protocol", "describes a registry without a resource ID"),
        (200, json.dumps({**resource("s1"), "name": "{{ 1 }}"}), "protocol", "with an invalid name or login server ('{{ 1 }}'"),
        (200, json.dumps(resource("s1", loginServer="a.test/b@c.test")), "protocol", "with an invalid name"),
        (403, "<html>", "denied", "registry contosoprod in resource group rg"),
        (404, '{"error": {"code": "ResourceNotFound", "message": "x"}}', "not_found", "The registry does not exist"),
    ],
)
def test_answers_that_describe_no_registry(arm: ArmClient, far_side: Any, status: int, body: str, kind: str, sentence: str) -> None:
    far_side.answer = lambda request: request.reply(status, body)
    error = error_of(lambda: arm.registry("s1", "rg", "contosoprod"))
    assert error.reason == kind and sentence in str(error), str(error)
