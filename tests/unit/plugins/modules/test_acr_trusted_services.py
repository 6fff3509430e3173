# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When `acr_trusted_services` changes a registry, and what it says of it before and after."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.registryops.acr.plugins.module_utils._arm import RegistryResource
from ansible_collections.registryops.acr.plugins.modules import acr_trusted_services
from tests.unit.plugins.held import HeldContext, HeldManager, resource


class Manager(HeldManager):
    """Somebody else opens the registry while we change it."""

    def update(self, resource: RegistryResource, properties: dict[str, Any]) -> RegistryResource:
        changed = super().update(resource, properties)
        return changed._replace(properties={**changed.properties, "networkRuleSet": {"defaultAction": "Allow"}})


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
    prod = resource("contosoprod", networkRuleBypassOptions=bypass, networkRuleSet={"defaultAction": "Deny", "ipRules": []})
    arm = Manager(resource("contosoprod", group="other"), prod)
    given = module(check_mode=check_mode, registry="contosoprod", resource_group="rg", state=state, timeout=60)
    found = acr_trusted_services.work(given, HeldContext(manager=arm))
    really = sent is not None and not check_mode
    assert arm.sent == ([{"networkRuleBypassOptions": sent}] if really else [])
    assert found["changed"] is (sent is not None)
    assert found["before"]["trusted_services"] is (bypass != "None")
    assert found["after"]["trusted_services"] is (state == "enabled")
    # After a change Azure is believed, and not what was asked for.
    assert found["after"]["default_action"] == ("Allow" if really else "Deny")
    assert (found["id"], found["login_server"]) == (prod.id, "contosoprod.azurecr.test")
    assert (found["diff"]["before"], found["diff"]["after"]) == (found["before"], found["after"])
