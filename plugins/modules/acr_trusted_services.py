#!/usr/bin/python
# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: acr_trusted_services
short_description: Let Azure's trusted services through a container registry's network rules
version_added: 0.1.0
description:
  - Sets whether Azure's trusted services may access a container registry whose network access is restricted. Importing into or
    from such a registry requires that.
  - No other property of the registry is changed. What Azure says about its network rules and policies is returned.
options:
  registry:
    description:
      - The registry, by its name (V(contosoprod)), its login server (V(contosoprod.azurecr.io)) or its resource ID.
    type: str
    required: true
  resource_group:
    description:
      - The resource group of O(registry), if that is given by name. By default, the registry is looked up.
    type: str
  state:
    description:
      - Whether to allow trusted services. In check mode, the registry is read but not changed.
    type: str
    choices: [enabled, disabled]
    default: enabled
  timeout:
    description:
      - The maximum number of seconds that the task may take. Azure goes on with an update after that; running the task again is
        safe.
    type: int
    default: 600
    version_added: 0.2.0
extends_documentation_fragment:
  - registryops.acr.azure
  - registryops.acr.azure.attributes
seealso:
  - module: registryops.acr.acr_mirror
  - name: azure.azcollection.azure_rm_containerregistry
    description: Creates registries.
    link: https://docs.ansible.com/ansible/latest/collections/azure/azcollection/azure_rm_containerregistry_module.html
  - name: Allow trusted services to securely access a network-restricted container registry
    description: Which services are trusted, and what they may do.
    link: https://learn.microsoft.com/azure/container-registry/allow-access-trusted-services
notes:
  - To change the setting, the account needs C(Microsoft.ContainerRegistry/registries/write) on the registry, which V(Contributor)
    includes. To read it, V(Reader) is enough.
author:
  - registryops.acr contributors (@registryops)
"""

EXAMPLES = r"""
- name: Allow Azure's import service
  registryops.acr.acr_trusted_services:
    registry: contosoprod
    state: enabled

- name: Read the network rules without changing them
  registryops.acr.acr_trusted_services:
    registry: contosoprod
  check_mode: true
  register: network

- name: Fail if imports would be refused
  ansible.builtin.assert:
    that: not network.before.restricted or network.before.trusted_services

- name: Fail if nothing could be imported from here into other registries
  ansible.builtin.assert:
    that: network.before.exports_allowed is not false
"""

RETURN = r"""
before:
  description: The registry's network rules and policies as they were.
  returned: success
  type: dict
  contains: &posture
    public_network_access:
      description: Whether the registry can be reached from public networks at all.
      type: bool
      returned: always
      sample: true
    default_action:
      description: What happens to addresses without a rule, V(Allow) or V(Deny).
      type: str
      returned: always
      sample: Deny
    ip_rules:
      description: The addresses that are allowed.
      type: list
      elements: str
      returned: always
      sample: [203.0.113.0/24]
    virtual_network_rules:
      description: The resource IDs of the subnets that are allowed, as far as Azure says.
      type: list
      elements: str
      returned: always
      sample: []
    private_endpoints:
      description: The names of the approved private endpoint connections.
      type: list
      elements: str
      returned: always
      sample: [contosoprod-endpoint]
    trusted_services:
      description: Whether Azure's trusted services are allowed.
      type: bool
      returned: always
      sample: false
    trusted_services_for_tasks:
      description: Whether that includes ACR Tasks. Null if Azure doesn't say.
      type: bool
      returned: always
      sample: false
    restricted:
      description: Whether network access is restricted, so that it matters whether trusted services are allowed.
      type: bool
      returned: always
      sample: true
    role_assignment_mode:
      description:
        - How the registry assigns roles. With V(AbacRepositoryPermissions), rights can be granted per repository, and roles such
          as AcrPull have no effect. Otherwise V(LegacyRegistryPermissions). Null if Azure doesn't say.
      type: str
      returned: always
      sample: LegacyRegistryPermissions
    exports_allowed:
      description: Whether images may be imported from here into other registries. Null if Azure doesn't say.
      type: bool
      returned: always
      sample: true
    arm_tokens_allowed:
      description: Whether the registry accepts tokens for Azure Resource Manager. Null if Azure doesn't say.
      type: bool
      returned: always
      sample: true
    quarantine:
      description: Whether new images are quarantined until they are released. Null if Azure doesn't say.
      type: bool
      returned: always
      sample: false
    retention_days:
      description: For how many days untagged manifests are kept; 0 if forever. Null if Azure doesn't say.
      type: int
      returned: always
      sample: 0
    soft_delete_days:
      description:
        - For how many days deleted images can be restored; 0 if they can't. Null if Azure doesn't say, as in API versions
          before 2026-11-01.
      type: int
      returned: always
      sample: 0
    regional_endpoints:
      description:
        - The host names by which regions can be reached; empty if that is disabled. Null if Azure doesn't say, as in API
          versions before 2026-11-01.
      type: list
      elements: str
      returned: always
      sample: [contosoprod.westeurope.geo.azurecr.io]
after:
  description: The registry's network rules and policies as they are now or, in check mode, would be.
  returned: success
  type: dict
  contains: *posture
id:
  description: The registry's resource ID.
  returned: success
  type: str
  sample: >-
    /subscriptions/11111111-1111-4111-8111-111111111111/resourceGroups/rg-registries/providers/Microsoft.ContainerRegistry/registries/contosoprod
login_server:
  description: The registry's login server.
  returned: success
  type: str
  sample: contosoprod.azurecr.io
reason:
  description:
    - Why the task failed, as a word to use in conditions.
    - V(invalid) if the options make no sense, V(sign_in) if signing in to Azure failed, V(unauthorized) if credentials are
      missing or wrong, V(denied) if a right is missing, V(firewall) if a firewall blocks this machine, V(not_found) if something
      doesn't exist, V(refused) if Azure or the registry refuses for another reason.
    - V(throttled) or V(unavailable) if it is temporary, V(unreachable) if there is no connection, V(certificate) if a TLS
      certificate isn't trusted, V(timeout) if the time limit was reached, V(protocol) if a response was invalid.
  returned: failure
  type: str
  sample: not_found
status:
  description: The status of the HTTP response that caused the failure.
  returned: failure, if there was such a response
  type: int
  sample: 404
"""

from typing import TYPE_CHECKING, Any, Dict

from ..module_utils._module import run

if TYPE_CHECKING:
    from ..module_utils._azure import Azure

VALUES = {"enabled": "AzureServices", "disabled": "None"}


def work(module: Any, azure: Azure) -> Dict[str, Any]:
    from ..module_utils._arm import posture

    params = module.params
    resource = azure.resource(azure.named(params["registry"]), params["resource_group"])
    before = posture(resource.properties)
    wanted = params["state"] == "enabled"
    changed = before["trusted_services"] != wanted
    after = dict(before, trusted_services=wanted)
    if changed and not module.check_mode:
        after = posture(azure.arm.update(resource, {"networkRuleBypassOptions": VALUES[params["state"]]}).properties)
    header = f"{resource.login_server} network rules"
    return dict(
        changed=changed,
        before=before,
        after=after,
        id=resource.id,
        login_server=resource.login_server,
        diff={"before_header": header, "after_header": header, "before": before, "after": after},
    )


def main() -> None:
    arguments: Dict[str, Any] = {
        "state": {"type": "str", "default": "enabled", "choices": ["enabled", "disabled"]},
        "timeout": {"type": "int", "default": 600},
    }
    run(arguments, work)


if __name__ == "__main__":
    main()
