# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Azure's clouds by name, and clouds that describe themselves over HTTPS."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.registryops.acr.plugins.module_utils._errors import AcrError
from ansible_collections.registryops.acr.plugins.module_utils._http import Http
from ansible_collections.registryops.acr.plugins.module_utils._identity._clouds import CLOUDS, find_cloud

LOCAL: dict[str, Any] = {
    "name": "Local",
    "authentication": {"loginEndpoint": "https://login.local.test/", "audiences": ["https://management.local.test/"]},
    "suffixes": {"acrLoginServer": ".azurecr.local.test"},
}


@pytest.mark.parametrize("name", CLOUDS)
def test_names_in_any_case_and_without_azure(name: str) -> None:
    for text in (name, name.lower(), name.upper()):
        assert find_cloud(text, Http()) is CLOUDS[name]
    assert CLOUDS[name].holds("Contosoprod." + CLOUDS[name].registry_suffix)
    assert not CLOUDS[name].holds("contosoprod.azurecr.io.evil.test")


@pytest.mark.parametrize("text", ["", "Azure", "http://management.local.test", "ftp://x", "https:/x"])
def test_what_is_no_cloud(text: str) -> None:
    with pytest.raises(AcrError, match="is unknown"):
        find_cloud(text, Http())


@pytest.mark.parametrize("text", ["https://", "https://[", "https://a b", "https://u:p@host"])
def test_an_address_that_makes_no_sense(text: str) -> None:
    with pytest.raises(AcrError, match="makes no sense"):
        find_cloud(text, Http())


@pytest.mark.parametrize("several", [False, True])
def test_a_cloud_that_describes_itself(far_side: Any, several: bool) -> None:
    body = [{**LOCAL, "name": "Other", "resourceManager": "https://other.test"}, {**LOCAL, "resourceManager": far_side.url + "/"}]
    far_side.answer = lambda request: request.reply(200, json.dumps(body if several else LOCAL))
    cloud = find_cloud(far_side.url + "/", Http())
    assert (cloud.name, cloud.resource_manager, cloud.authority) == ("Local", far_side.url, "https://login.local.test")
    assert (cloud.arm_scope, cloud.registry_suffix, cloud.known) == (
        "https://management.local.test/.default", "azurecr.local.test", False,
    )  # fmt: skip
    assert far_side.paths == ["/metadata/endpoints?api-version=2022-09-01"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"authentication": {"loginEndpoint": "http://login.test", "audiences": ["a"]}}, "without TLS"),
        ({"resourceManager": "http://management.test"}, "without TLS"),
        ({"authentication": {"audiences": ["a"]}}, "lacks loginEndpoint"),
        ({"authentication": None, "suffixes": {}}, "lacks loginEndpoint, audiences, acrLoginServer"),
        ({"authentication": {"loginEndpoint": "https://login.test", "audiences": "a"}}, "a list was expected"),
        ({"suffixes": []}, "an object was expected"),
    ],
)
def test_a_cloud_that_describes_itself_badly(far_side: Any, changes: dict[str, Any], message: str) -> None:
    far_side.answer = lambda request: request.reply(200, json.dumps({**LOCAL, **changes}))
    with pytest.raises(AcrError, match=message):
        find_cloud(far_side.url, Http())
