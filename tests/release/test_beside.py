# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Beside other tools in one environment: azure.azcollection with what it pins, and the newest Azure CLI."""
from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.azure_cli import AZ, AzureCli
from tests.playbook import ROOT
from tests.release.conftest import PACKAGED, Release, clean, run
from tests.sandbox.handle import Sandbox

BESIDE_AZCOLLECTION = ROOT / ".venv-azcollection/bin"
HELLO = "docker.io/library/hello-world:1.0"


@pytest.mark.parametrize("packages", [BESIDE_AZCOLLECTION, AZ.parent], ids=["azcollection", "azure_cli"])
def test_pitfall_29_pip_check_is_clean(packages: Path) -> None:
    assert "No broken requirements found" in run(packages / "python", "-m", "pip", "check")
    wanted = "azure-cli-core" if packages == BESIDE_AZCOLLECTION else "azure-cli"
    together = (wanted, "ansible-core", "azure-identity", "azure-mgmt-containerregistry")
    shown = run(packages / "python", "-m", "pip", "show", *together)
    assert shown.count("Version:") == len(together), shown


def test_pitfall_29_both_collections_in_one_play(sandbox: Sandbox, release: Release, tmp_path: Path) -> None:
    """azure.azcollection knows only clouds by name, so here the sandbox plays the public one."""
    sandbox.create_registry("besideone", cloud="AzureCloud")
    tasks = [
        {"registryops.acr.acr_import": {"registry": "besideone", "source": HELLO}},
        {"azure.azcollection.azure_rm_containerregistry_info": {"name": "besideone", "resource_group": "rg-registries"}},
        {"azure.azcollection.azure_rm_containerregistrytag_info":
            {"registry": "besideone.azurecr.io", "repository_name": "library/hello-world"}},
        # What theirs found is what ours holds.
        {"registryops.acr.acr_import": {"registry": "{{ registry.registries[0].id }}", "source": HELLO, "if_exists": "fail"}},
    ]
    tasks[1]["register"] = "registry"
    tasks[2]["register"] = "theirs"
    tasks[3]["register"] = "ours"
    shown = "{{ {'theirs': theirs.repositories[0].tags[0], 'ours': ours} | to_json }}"
    tasks.append({"ansible.builtin.copy": {"content": shown, "dest": str(tmp_path / "found.json"), "mode": "0600"}})
    play = [{"name": "Both", "hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}]
    (tmp_path / "both.yml").write_text(json.dumps(play))
    env = {name: value for name, value in sandbox.env.items() if name != "AZURE_CLOUD_ENVIRONMENT"}
    run(
        BESIDE_AZCOLLECTION / "ansible-playbook",
        tmp_path / "both.yml",
        env=clean(tmp_path, **env, ANSIBLE_COLLECTIONS_PATH=f"{release.installed}:{PACKAGED}"),
    )
    found = json.loads((tmp_path / "found.json").read_text())
    digest = sandbox.tags("besideone", "library/hello-world")["1.0"]
    assert (found["theirs"]["name"], found["theirs"]["digest"]) == ("1.0", digest)
    assert found["ours"]["changed"] is False and found["ours"]["digest"] == digest
    assert found["ours"]["targets"][0]["image"] == "besideone.azurecr.io/library/hello-world:1.0"


def test_pitfall_29_the_newest_azure_cli_in_the_same_environment(sandbox: Sandbox, release: Release, tmp_path: Path) -> None:
    """One import by the environment that holds the CLI, signed in through the CLI, which then shows the image."""
    az = AzureCli(sandbox, tmp_path)
    play = [
        {
            "name": "Beside",
            "hosts": "localhost",
            "connection": "local",
            "gather_facts": False,
            "tasks": [{"registryops.acr.acr_import": {"registry": "contosoprod", "source": HELLO, "auth_source": "cli"}}],
        }
    ]
    (tmp_path / "beside.yml").write_text(json.dumps(play))
    network = {name: value for name, value in sandbox.env.items() if not name.startswith("AZURE_")}
    cloud = {"AZURE_CLOUD_ENVIRONMENT": sandbox.env["AZURE_CLOUD_ENVIRONMENT"]}
    env = clean(tmp_path, **network, **az.variables, **cloud, ANSIBLE_COLLECTIONS_PATH=str(release.installed))
    env["PATH"] = f"{AZ.parent}:{env['PATH']}"
    run(AZ.parent / "ansible-playbook", tmp_path / "beside.yml", env=env)
    tags = az.run("acr", "repository", "show-tags", "--name", "contosoprod", "--repository", "library/hello-world")
    assert json.loads(tags) == ["1.0"]
