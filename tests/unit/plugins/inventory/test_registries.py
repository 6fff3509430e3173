# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which registries become hosts, in which groups, with which variables, and when Azure is asked."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.errors import AnsibleParserError
from ansible.inventory.data import InventoryData
from ansible.parsing.dataloader import DataLoader
from ansible.utils.display import Display

from ansible_collections.registryops.acr.plugins.inventory import registries
from ansible_collections.registryops.acr.plugins.inventory.registries import InventoryModule
from ansible_collections.registryops.acr.plugins.module_utils._arm import RegistryResource
from ansible_collections.registryops.acr.plugins.module_utils._errors import AcrError
from ansible_collections.registryops.acr.plugins.module_utils._identity import AUTH_ARGUMENTS
from tests.unit.plugins.held import HeldContext, HeldManager, resource

try:
    from ansible.template import trust_as_template as template
except ImportError:  # before ansible-core 2.19 every text may be one
    template = str


def registry(name: str, subscription: str = "s1", group: str = "RG-Registries", **properties: Any) -> RegistryResource:
    return resource(name, subscription, group, **properties)._replace(tags={"Stage": "pre-prod"})


class Inventory(InventoryModule):
    """The plugin with these options, on a configuration file that Ansible has read."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        usual = {"subscriptions": [], "resource_groups": [], "cache": False, "strict": True, "compose": {}, "groups": {},
                 "keyed_groups": [], "leading_separator": True, "use_extra_vars": False}  # fmt: skip
        self.options = {**dict.fromkeys(AUTH_ARGUMENTS), **usual, "auth_source": "cli", **options}
        self._cache: dict[str, Any] = {}

    def get_option(self, option: str, hostvars: Any = None) -> Any:
        return self.options[option]

    def _read_config_data(self, path: str) -> dict[str, Any]:
        return {}

    def get_cache_key(self, path: str) -> str:
        return path

    def read(self, cache: bool = True) -> InventoryData:
        inventory = InventoryData()
        self.parse(inventory, DataLoader(), "/x.acr.yml", cache)
        return inventory


@pytest.fixture
def arm(monkeypatch: pytest.MonkeyPatch) -> HeldManager:
    closed = {"publicNetworkAccess": "Disabled"}
    found = HeldManager(registry("contosoprod"), registry("contosodev", "s2", "rg-dev", **closed))
    monkeypatch.setattr(registries, "Azure", lambda identity: HeldContext(manager=found))
    return found


@pytest.mark.parametrize(
    ("name", "ours"), [("acr.yml", True), ("prod.acr.yaml", True), ("prod.yml", False), ("acr.json", False), ("missing.acr.yml", None)]
)
def test_which_files_are_ours(tmp_path: Path, name: str, ours: bool | None) -> None:
    if ours is not None:
        (tmp_path / name).write_text("plugin: registryops.acr.registries")
    assert InventoryModule().verify_file(str(tmp_path / name)) is bool(ours)


def test_hosts(arm: HeldManager) -> None:
    inventory = Inventory().read()
    assert sorted(inventory.hosts) == ["contosodev", "contosoprod"]
    variables = inventory.hosts["contosoprod"].vars
    assert variables["acr_mirror_registry"] == variables["login_server"] == "contosoprod.azurecr.test"
    assert (variables["ansible_connection"], variables["ansible_python_interpreter"]) == ("local", sys.executable)
    assert (variables["subscription_id"], variables["resource_group"], variables["registry_tags"]) == (
        "s1", "RG-Registries", {"Stage": "pre-prod"},
    )  # fmt: skip
    assert variables["network"]["restricted"] is False
    assert "name" not in variables, "a name that is reserved in plays"
    assert arm.asked == [("subscriptions",), ("registries", "s1"), ("registries", "s2")]


def test_groups(arm: HeldManager) -> None:
    groups = {name: sorted(host.name for host in group.hosts) for name, group in Inventory().read().groups.items()}
    both = ["contosodev", "contosoprod"]
    assert {name: hosts for name, hosts in groups.items() if hosts} == {
        "location_westeurope": both,
        "sku_premium": both,
        "resource_group_rg_registries": ["contosoprod"],
        "resource_group_rg_dev": ["contosodev"],
        "tag_stage_pre_prod": both,
        "restricted": ["contosodev"],
        "unrestricted": ["contosoprod"],
    }


def test_what_users_compose(arm: HeldManager) -> None:
    inventory = Inventory(
        compose={"acr_mirror_target_prefix": template("name + '/'")},
        groups={"closed": template("not network.public_network_access")},
        keyed_groups=[{"key": template("registry_tags.Stage"), "prefix": "stage"}],
    ).read()
    assert inventory.hosts["contosodev"].vars["acr_mirror_target_prefix"] == "contosodev/"
    assert [host.name for host in inventory.groups["closed"].hosts] == ["contosodev"]
    assert len(inventory.groups["stage_pre_prod"].hosts) == 2


def test_where_is_looked(arm: HeldManager) -> None:
    assert list(Inventory(subscriptions=["s2"]).read().hosts) == ["contosodev"]
    assert arm.asked == [("registries", "s2")]
    assert list(Inventory(resource_groups=["rg-REGISTRIES", "other"]).read().hosts) == ["contosoprod"]


def test_the_cache_is_used_where_that_is_wanted(arm: HeldManager) -> None:
    plugin = Inventory(cache=True)
    for cache, asked in ((True, 3), (True, 3), (False, 6)):  # without: as for meta: refresh_inventory
        assert len(plugin.read(cache).hosts) == 2 and len(arm.asked) == asked
    plugin = Inventory()
    plugin.read()
    plugin.read()
    assert len(arm.asked) == 12 and plugin._cache == {}


def failing(arm: HeldManager, monkeypatch: pytest.MonkeyPatch, *subscriptions: str) -> list[str]:
    """These subscriptions can't be read; the warnings that come of it."""
    arm.fails = {("registries", one): AcrError("denied", f"No right to {one}.", status=403) for one in subscriptions}
    warnings: list[str] = []
    monkeypatch.setattr(Display, "warning", lambda self, text: warnings.append(text))
    return warnings


@pytest.mark.parametrize("options", [{}, {"subscriptions": ["s1", "s2"]}])
def test_c4_a_subscription_that_can_not_be_read_is_left_out(
    arm: HeldManager, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    warnings = failing(arm, monkeypatch, "s1")
    plugin = Inventory(cache=True, **options)
    assert list(plugin.read().hosts) == ["contosodev"]
    assert warnings == ["The registries of subscription s1 are left out: No right to s1."]
    assert plugin._cache == {}, "what is missing now would be missing for as long as the cache is valid"


@pytest.mark.parametrize("subscriptions", [[], ["s1"], ["s1", "s1"]])
def test_c4_where_none_can_be_read_the_inventory_fails(
    arm: HeldManager, monkeypatch: pytest.MonkeyPatch, subscriptions: list[str]
) -> None:
    failing(arm, monkeypatch, "s1", "s2")
    with pytest.raises(AnsibleParserError, match="No subscription can be read. s1: No right to s1."):
        Inventory(subscriptions=subscriptions).read()


def test_an_account_without_subscriptions_has_no_hosts(arm: HeldManager) -> None:
    arm.resources = []
    assert list(Inventory().read().hosts) == []


class Marked(str):
    """Text that ansible-core must not read as a template."""


def test_e14_names_are_marked_as_values_are(arm: HeldManager, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registries, "wrap_var", Marked)
    hostile = ["{{ 1 }}", "{% if %}", "{# x #}", '#jinja2:variable_start_string:"[["\n[[ 1 ]]']
    plain = {"Stage": "pre-prod", "cost centre": "4711/a+b, c@d.test = ü"}
    arm.resources = [
        registry("plainone")._replace(tags=plain),
        registry("valueone")._replace(tags={**plain, **dict(zip("abcd", hostile))}),
        registry("nameone")._replace(tags={**plain, **dict.fromkeys(hostile, "")}),
    ]
    tags = {name: host.vars["registry_tags"] for name, host in Inventory().read().hosts.items()}
    assert not any(isinstance(text, Marked) for pair in tags["plainone"].items() for text in pair)
    assert [name for name, value in tags["valueone"].items() if isinstance(value, Marked)] == list("abcd")
    assert not any(isinstance(name, Marked) for name in tags["valueone"])
    # Where a name is marked, so are all values: what is made of the dictionary as a whole must not be a template either.
    assert [name for name in tags["nameone"] if isinstance(name, Marked)] == hostile
    assert all(isinstance(value, Marked) for value in tags["nameone"].values())


@pytest.mark.parametrize("options", [{}, {"auth_source": "auto", "client_id": "app"}])
def test_failures_are_told_in_a_sentence(arm: HeldManager, options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> list[str]:
        raise AcrError("denied", "No right.")

    monkeypatch.setattr(arm, "subscriptions", fail)
    with pytest.raises(AnsibleParserError, match="isn't enough" if options else "No right."):
        Inventory(**options).read()


def test_options_may_be_templates(arm: HeldManager, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Any] = []

    def identity(params: dict[str, Any], environ: Any) -> Any:
        given.append(params)
        return SimpleNamespace()

    monkeypatch.setattr(registries, "Identity", identity)
    plugin = Inventory(secret=template("{{ 'a' ~ 'b' }}"), tenant="plain")
    plugin.read()
    assert (given[0]["secret"], given[0]["tenant"]) == ("ab", "plain")
