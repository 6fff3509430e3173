# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs each integration target (targets/*/tasks/main.yml) against the sandbox."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.playbook import run_playbook
from tests.sandbox.handle import SUBSCRIPTION, Sandbox

ROOT = Path(__file__).parent / "targets"
TARGETS = sorted(path.parts[-3] for path in ROOT.glob("*/tasks/main.yml") if not path.parts[-3].startswith("setup_"))


def resource_id(subscription: str, group: str, name: str) -> str:
    return f"/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.ContainerRegistry/registries/{name}"


DEV, VAULT, PROD = (resource_id(SUBSCRIPTION, "rg-registries", f"contoso{name}") for name in ("dev", "vault", "prod"))
SHARED = resource_id("22222222-2222-4222-8222-222222222222", "rg-shared", "contososhared")
# How Azure was told of the sources: by resource ID, or by host and with whose credentials.
SOURCES = {
    "acr_manifest_info": set(),
    "digests_and_targets": {DEV, PROD},
    "oci_artifacts": {DEV},
    "platform": {"docker.io", DEV},
    "referrers": {DEV, "basic.vendor.test as vendor"},
    "source_docker_hub": {"docker.io", "docker.io as dockeruser"},
    "source_microsoft": {"mcr.microsoft.com"},
    "source_other_subscription": {SHARED},
    "source_other_tenant": {
        "fabrikam.azurecr.test as c0000000-0000-4000-8000-000000000005",
        "fabrikam.azurecr.test as pulltoken",
        "fabrikam.azurecr.test with a token",
    },
    "source_private_endpoint": {VAULT},
    "source_private_registry": {"basic.vendor.test as vendor", "bearer.vendor.test:8443 as vendor"},
    "source_same_subscription": {DEV},
    "source_service_principal": {"contososhared.azurecr.test as c0000000-0000-4000-8000-000000000002"},
}


def named(source: dict[str, Any]) -> str:
    credentials = source.get("credentials")
    if credentials is None:
        return source.get("resourceId") or source["registryUri"]
    return source["registryUri"] + (f" as {credentials['username']}" if "username" in credentials else " with a token")


@pytest.mark.parametrize("target", TARGETS)
def test_target(sandbox: Sandbox, target: str) -> None:
    sandbox.knobs(retry_after=1)
    tasks = {"name": f"Run {target}", "ansible.builtin.include_tasks": str(ROOT / target / "tasks/main.yml")}
    play = {"name": target, "hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [tasks]}
    run = run_playbook([play], sandbox.env)
    assert run.rc == 0, run.output
    operations = sandbox.operations()
    assert {named(operation["body"]["source"]) for operation in operations} == SOURCES[target]
    for operation in operations:
        for image in operation["targets"]:
            repository, _colon, tag = image.partition(":")
            held = sandbox.manifests("contosoprod", repository)
            if operation["status"] == "Succeeded":
                assert not tag or sandbox.tags("contosoprod", repository)[tag] == operation["digest"]
                assert {operation["digest"], *held[operation["digest"]]["children"]} <= set(held)
