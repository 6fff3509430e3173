# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When `acr_trusted_services` changes a registry, and what it says of it before and after."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.registryops.acr.plugins.module_utils._arm import RegistryResource
from ansible_collections.registryops.acr.plugins.module_utils._reference import parse_registry
from ansible_collections.registryops.acr.plugins.modules import acr_trusted_services

ID = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerRegistry/registries/contosoprod"


class FakeArm:
    """Azure Resource Manager, whose registry has this value of ``networkRuleBypassOptions``."""

    def __init__(self, bypass: str) -> None:
        rules = {"defaultAction": "Deny", "ipRules": []}
        properties = {"networkRuleBypassOptions": bypass, "networkRuleSet": rules}
        self.resource = RegistryResource(ID, "contosoprod", "contosoprod.azurecr.test", "west", "Premium", {}, properties)
        self.sent: list[dict[str, Any]] = []

    def registry(self, registry_id: Any, resource_group: str | None) -> RegistryResource:
        assert (registry_id.name, resource_group) == ("contosoprod", "rg")
        return self.resource

    def update(self, resource: RegistryResource, properties: dict[str, Any]) -> RegistryResource:
        self.sent.append(properties)
        # Somebody else opens the registry meanwhile.
        return resource._replace(properties={**properties, "networkRuleSet": {"defaultAction": "Allow"}})


@pytest.mark.parametrize("check_mode", [False, True])
@pytest.mark.parametrize(
    ("bypass", "state", "sent"),
    [
        ("None", "enabled", "AzureServices"),
        ("AzureServices", "disabled", "None"),
        ("AzureServices", "enabled", None),
        ("None", "disabled", None),
    ],
)
def test_only_what_differs_is_changed(
    module: Any, bypass: str, state: str, sent: str | None, check_mode: bool
) -> None:
    arm = FakeArm(bypass)
    azure = SimpleNamespace(arm=arm, resource=arm.registry, named=lambda text: parse_registry(text, ["azurecr.test"]))
    given = module(check_mode=check_mode, registry="contosoprod", resource_group="rg", state=state, timeout=60)
    found = acr_trusted_services.work(given, azure)
    really = sent is not None and not check_mode
    assert arm.sent == ([{"networkRuleBypassOptions": sent}] if really else [])
    assert found["changed"] is (sent is not None)
    assert found["before"]["trusted_services"] is (bypass != "None")
    assert found["after"]["trusted_services"] is (state == "enabled")
    # After a change Azure is believed, and not what was asked for.
    assert found["after"]["default_action"] == ("Allow" if really else "Deny")
    assert (found["id"], found["login_server"]) == (ID, "contosoprod.azurecr.test")
    assert (found["diff"]["before"], found["diff"]["after"]) == (found["before"], found["after"])
