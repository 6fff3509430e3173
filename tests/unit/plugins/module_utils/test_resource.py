# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Registries as Azure Resource Manager describes them: what is taken from that, and what it says about their network."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.registryops.acr.plugins.module_utils._resource import RegistryResource, posture
from tests.unit.plugins.manager import GROUP, error_of, resource


def test_a_registry() -> None:
    found = RegistryResource.of({**resource("s1"), "tags": {"team": "a", "odd": None}})
    assert found[:5] == (GROUP.format("s1") + "/contosoprod", "contosoprod", "contosoprod.azurecr.test", "west", "Premium")
    assert (found.subscription, found.resource_group, found.tags) == ("s1", "rg", {"team": "a", "odd": ""})
    assert found.properties == {"loginServer": "CONTOSOPROD.azurecr.test"}


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ({"id": "/subscriptions/s1"}, "describes a registry without a resource ID"),
        ({**resource("s1"), "name": "{{ 1 }}"}, "with an invalid name or login server ('{{ 1 }}'"),
        (resource("s1", loginServer="a.test/b@c.test"), "with an invalid name or login server ('contosoprod', 'a.test/b@c.test')"),
    ],
)
def test_what_is_no_registry(content: dict[str, Any], sentence: str) -> None:
    error = error_of(lambda: RegistryResource.of(content))
    assert error.reason == "protocol" and sentence in str(error), str(error)


def endpoint(name: str, status: str | None) -> dict[str, Any]:
    return {"name": name, "properties": {"privateLinkServiceConnectionState": {"status": status} if status else None}}


def policies(status: str) -> dict[str, Any]:
    names = ("exportPolicy", "azureADAuthenticationAsArmPolicy", "quarantinePolicy")
    days = {"retentionPolicy": {"days": 30}, "softDeletePolicy": {"retentionDays": 7}}
    return {"policies": {name: {"status": status, **days.get(name, {})} for name in (*names, *days)}}


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
        (
            {"networkRuleSet": {"virtualNetworkRules": [{"id": "/a"}, {"virtualNetworkSubnetResourceId": "/b"}, {"action": "Allow"}]}},
            {"virtual_network_rules": ["/a", "/b"]},
        ),
        ({"networkRuleBypassAllowedForTasks": True}, {"trusted_services_for_tasks": True}),
        ({"roleAssignmentMode": "AbacRepositoryPermissions"}, {"role_assignment_mode": "AbacRepositoryPermissions"}),
        (
            policies("disabled"),
            {"exports_allowed": False, "arm_tokens_allowed": False, "quarantine": False, "retention_days": 0, "soft_delete_days": 0},
        ),
        (
            policies("Enabled"),
            {"exports_allowed": True, "arm_tokens_allowed": True, "quarantine": True, "retention_days": 30, "soft_delete_days": 7},
        ),
        ({"policies": {"exportPolicy": None, "retentionPolicy": {"days": 7, "status": None}}}, {}),
        ({"regionalEndpoints": "Disabled", "regionalEndpointHostNames": ["a.b.geo.azurecr.test"]}, {"regional_endpoints": []}),
        (
            {"regionalEndpoints": "Enabled", "regionalEndpointHostNames": ["a.b.geo.azurecr.test"]},
            {"regional_endpoints": ["a.b.geo.azurecr.test"]},
        ),
    ],
)
def test_posture(properties: dict[str, Any], expected: dict[str, Any]) -> None:
    usual = {
        "public_network_access": True,
        "default_action": "Allow",
        "ip_rules": [],
        "virtual_network_rules": [],
        "private_endpoints": [],
        "trusted_services": True,
        "restricted": False,
        # What isn't said isn't known.
        "trusted_services_for_tasks": None,
        "role_assignment_mode": None,
        "exports_allowed": None,
        "arm_tokens_allowed": None,
        "quarantine": None,
        "retention_days": None,
        "soft_delete_days": None,
        "regional_endpoints": None,
    }
    assert posture(properties) == {**usual, **expected}
