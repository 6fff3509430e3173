# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What acr_manifest_info makes of a registry's oddities; targets/acr_manifest_info has what it tells of a usual one."""
from __future__ import annotations

from tests.playbook import run_playbook
from tests.sandbox.handle import Sandbox


def test_an_empty_registry_and_short_pages(sandbox: Sandbox) -> None:
    sandbox.patch_registry("contosoprod", flags={"null_catalog": True})
    sandbox.patch_registry("contosodev", flags={"page_limit": 7})
    tasks = [
        {"registryops.acr.acr_manifest_info": {"registry": "contosoprod", "all": True}},
        {"registryops.acr.acr_manifest_info": {"registry": "contosodev", "repository": "team/app"}},
    ]
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}
    run = run_playbook([play], sandbox.env)
    assert run.rc == 0, run.output
    empty, paged = (task["result"] for task in run.tasks)
    assert (empty["repositories"], empty["manifests"]) == ([], [])
    held = sandbox.manifests("contosodev", "team/app")
    assert [manifest["digest"] for manifest in paged["manifests"]] == sorted(held) and len(held) == 60
