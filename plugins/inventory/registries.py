# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: registries
short_description: Azure container registries as hosts
version_added: 0.1.0
description:
  - Makes every Azure container registry that an account can see a host, so that one play can mirror images to all of them, and
    forks and job slicing spread the work.
  - The file's name must end in C(acr.yml) or C(acr.yaml).
  - Each host is named after its registry. It gets C(ansible_connection=local) and the Python of this machine, which is the one
    that contacts the registry, and C(acr_mirror_registry) for the role P(registryops.acr.mirror#role).
  - Hosts are grouped by location, SKU, resource group and tags, for example into C(location_westeurope), C(sku_premium),
    C(resource_group_rg_registries) and C(tag_stage_production), and by their network rules into C(restricted) or C(unrestricted).
  - O(compose), O(groups) and O(keyed_groups) can use each host's C(name), C(id), C(login_server), C(location), C(sku),
    C(subscription_id), C(resource_group), C(registry_tags) (a dictionary) and C(network), which is what
    M(registryops.acr.acr_trusted_services) returns as RV(registryops.acr.acr_trusted_services#module:before). Except for
    C(name), which is C(inventory_hostname), these are also variables of the host.
  - Text from Azure, such as a tag's name or value, is never evaluated as a template.
options:
  plugin:
    description:
      - The name of this plugin.
    type: str
    required: true
    choices: [registryops.acr.registries]
  subscriptions:
    description:
      - The IDs of the subscriptions to search. By default, all that the account can see.
    type: list
    elements: str
    default: []
  resource_groups:
    description:
      - Only include registries in these resource groups. By default, all are included.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - registryops.acr.azure
  - constructed
  - inventory_cache
seealso:
  - module: registryops.acr.acr_mirror
  - module: registryops.acr.acr_trusted_services
notes:
  - The account needs V(Reader) on the registries. Registries it can't read don't become hosts.
  - If a subscription can't be read, its registries are left out with a warning, and the inventory isn't cached. If none can
    be read, the inventory fails.
author:
  - registryops.acr contributors (@registryops)
"""

EXAMPLES = r"""
# registries.acr.yml: all registries that the account can see
plugin: registryops.acr.registries

---
# production.acr.yml: the registries of one subscription, also grouped by their tag "stage"; Azure is queried at most once an hour
plugin: registryops.acr.registries
subscriptions:
  - 11111111-1111-4111-8111-111111111111
keyed_groups:
  - key: registry_tags.stage
    prefix: stage
compose:
  acr_mirror_target_prefix: "'mirror/'"
groups:
  large: sku == 'Premium'
  by_repository: network.role_assignment_mode == 'AbacRepositoryPermissions'
cache: true
cache_plugin: ansible.builtin.jsonfile
cache_connection: ~/.cache/acr-inventory
cache_timeout: 3600
"""

import os
import re
import sys
from typing import Any, Dict, List, Tuple

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable
from ansible.utils.unsafe_proxy import wrap_var

from ..module_utils._arm import Arm, posture
from ..module_utils._azure import Azure
from ..module_utils._errors import AcrError, Problem
from ..module_utils._identity import AUTH_ARGUMENTS, Identity

# Text that no template can be made of. Anything else is marked: braces, and the first line by which a text can choose other
# marks than braces (#jinja2:).
PLAIN = re.compile(r"[\w ./:@+,=-]*")


def _inert(found: Any, mark: bool = False) -> Any:
    """The same, with each text marked that could be read as a template: before ansible-core 2.19 every text is one, and tags
    are free text. The others stay plain, so that exports of the inventory, such as AWX's, read as ever.

    Names in a dictionary are texts, too. If one of them is marked, so are all values (*mark*): only by its values does
    ansible-core tell that what is made of a dictionary must not be read as a template, and exports keep the marks of values
    only.
    """
    if isinstance(found, dict):
        mark = mark or not all(PLAIN.fullmatch(name) for name in found)
        return {_inert(name): _inert(value, mark) for name, value in found.items()}
    if isinstance(found, list):
        return [_inert(value, mark) for value in found]
    return wrap_var(found) if isinstance(found, str) and (mark or not PLAIN.fullmatch(found)) else found


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):
    """Lists registries by Azure Resource Manager; at most one request for each subscription and page."""

    NAME = "registryops.acr.registries"

    def verify_file(self, path: str) -> bool:
        return super().verify_file(path) and path.endswith(("acr.yml", "acr.yaml"))

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        super().parse(inventory, loader, path)
        self._read_config_data(path)
        key = self.get_cache_key(path)
        use_cache = self.get_option("cache") and cache
        found = self._cache.get(key) if use_cache else None
        if found is None:
            found, complete = self._registries()
            if self.get_option("cache") and complete:
                self._cache[key] = found
        for facts in found:
            self._add(facts)

    def _registries(self) -> Tuple[List[Dict[str, Any]], bool]:
        """The facts of all registries, and whether all subscriptions could be read: one that can't is left out, and decides
        nothing about the others."""
        params = {name: self._templated(self.get_option(name)) for name in AUTH_ARGUMENTS}
        found: List[Dict[str, Any]] = []
        failures: Dict[str, AcrError] = {}
        try:
            arm = Azure(Identity(params, os.environ)).arm
            subscriptions = self.get_option("subscriptions") or arm.subscriptions()
            for subscription in subscriptions:
                try:
                    found += self._facts(arm, subscription)
                except AcrError as error:
                    failures[subscription] = error
        except Problem as error:
            raise AnsibleParserError(str(error)) from error
        if failures and len(failures) == len(set(subscriptions)):
            errors = [f"{subscription}: {failure}" for subscription, failure in failures.items()]
            raise AnsibleParserError("No subscription can be read. " + " ".join(errors))
        for subscription, failure in failures.items():
            self.display.warning(f"The registries of subscription {subscription} are left out: {failure}")
        return found, not failures

    def _facts(self, arm: Arm, subscription: str) -> List[Dict[str, Any]]:
        groups = {group.lower() for group in self.get_option("resource_groups")}
        return [
            {
                "name": registry.name,
                "id": registry.id,
                "login_server": registry.login_server,
                "location": registry.location,
                "sku": registry.sku,
                "subscription_id": registry.subscription,
                "resource_group": registry.resource_group,
                "registry_tags": registry.tags,
                "network": posture(registry.properties),
            }
            for registry in arm.registries(subscription)
            if not groups or registry.resource_group.lower() in groups
        ]

    def _templated(self, value: Any) -> Any:
        return self.templar.template(value) if isinstance(value, str) and self.templar.is_template(value) else value

    def _add(self, facts: Dict[str, Any]) -> None:
        facts = _inert(facts)
        host = facts["name"]
        self.inventory.add_host(host)
        variables = {
            **facts,
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "acr_mirror_registry": facts["login_server"],
        }
        for name, value in variables.items():
            if name != "name":  # reserved in plays, where it is inventory_hostname
                self.inventory.set_variable(host, name, value)
        groups = [("location", facts["location"]), ("sku", facts["sku"]), ("resource_group", facts["resource_group"])]
        groups += [("tag_" + name, value) for name, value in facts["registry_tags"].items()]
        for prefix, value in groups:
            group = self.inventory.add_group(self._sanitize_group_name(f"{prefix}_{value}".lower()))
            self.inventory.add_host(host, group)
        restricted = "restricted" if facts["network"]["restricted"] else "unrestricted"
        self.inventory.add_host(host, self.inventory.add_group(restricted))
        strict = self.get_option("strict")
        self._set_composite_vars(self.get_option("compose"), variables, host, strict=strict)
        self._add_host_to_composed_groups(self.get_option("groups"), variables, host, strict=strict)
        self._add_host_to_keyed_groups(self.get_option("keyed_groups"), variables, host, strict=strict)
