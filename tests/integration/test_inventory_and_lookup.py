# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The inventory plugin registries and the lookup digest, by real runs."""
from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.registryops.acr.plugins.inventory.registries import EXAMPLES
from tests.playbook import ANSIBLE_BIN, Run, environment, run_playbook
from tests.sandbox.handle import SUBSCRIPTION, Sandbox

OTHER_SUBSCRIPTION = "22222222-2222-4222-8222-222222222222"


def inventory(sandbox: Sandbox, home: Path, *, rc: int = 0, env: dict[str, str] | None = None, **options: Any) -> Any:
    path = home / "all.acr.yml"
    path.write_text(yaml.safe_dump({"plugin": "registryops.acr.registries", **options}))
    done = subprocess.run(
        [str(ANSIBLE_BIN / "ansible-inventory"), "-i", str(path), "--list"],
        env={**environment(home, {**sandbox.env, **(env or {})}), "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert bool(done.returncode) is bool(rc), done.stderr
    return json.loads(done.stdout, object_hook=plain) if not rc else done.stderr


def plain(found: dict[str, Any]) -> Any:
    """ansible-inventory marks strings that are not to be templated."""
    return found["__ansible_unsafe"] if set(found) == {"__ansible_unsafe"} else found


def lookup(sandbox: Sandbox, call: str, **env: str) -> Run:
    task = {"name": "Look", "ansible.builtin.debug": {"msg": "{{ " + call + " }}"}}
    play = {"name": "Test", "hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [task]}
    return run_playbook([play], {**sandbox.env, **env})


def test_registries_are_hosts_in_groups(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.create_registry("taggedone", sku="Standard", location="northeurope")
    sandbox.patch_registry("taggedone", tags={"stage": "test"})
    found = inventory(sandbox, tmp_path)
    hosts = found["_meta"]["hostvars"]
    assert {"contosoprod", "contosodev", "contososhared", "contosovault", "taggedone"} <= set(hosts)
    tagged = hosts["taggedone"]
    assert tagged["login_server"] == tagged["acr_mirror_registry"] == "taggedone.azurecr.test"
    assert tagged["sku"] == "Standard" and tagged["ansible_connection"] == "local"
    assert tagged["subscription_id"] == SUBSCRIPTION
    for group in ("location_northeurope", "sku_standard", "resource_group_rg_registries", "tag_stage_test", "unrestricted"):
        assert "taggedone" in found[group]["hosts"], group
    assert found["restricted"]["hosts"] == ["contosovault"]
    assert hosts["contosovault"]["network"]["public_network_access"] is False
    assert hosts["contosoprod"]["resource_group"] == "rg-registries"
    assert hosts["contososhared"]["subscription_id"] != SUBSCRIPTION, "not all subscriptions were looked through"
    play = {"name": "Test", "hosts": "taggedone", "gather_facts": False, "tasks": [{"ansible.builtin.ping": {}}]}
    run = run_playbook([play], sandbox.env, "-i", str(tmp_path / "all.acr.yml"))
    assert run.rc == 0 and "reserved name" not in run.output, run.output


def test_composing_and_filters_as_the_documentation_shows_them(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.create_registry("composedone", sku="Standard")
    sandbox.patch_registry("composedone", tags={"stage": "canary"}, properties={"roleAssignmentMode": "AbacRepositoryPermissions"})
    example = list(yaml.safe_load_all(EXAMPLES))[1]
    options = {key: value for key, value in example.items() if key != "plugin" and not key.startswith("cache")}
    assert options["subscriptions"] == [SUBSCRIPTION] and {"compose", "groups", "keyed_groups"} <= set(options)
    found = inventory(sandbox, tmp_path, resource_groups=["RG-registries"], **options)
    hosts = found["_meta"]["hostvars"]
    assert "contososhared" not in hosts and "contosoprod" in hosts
    assert hosts["contosoprod"]["acr_mirror_target_prefix"] == "mirror/"
    assert "contosoprod" in found["large"]["hosts"] and "composedone" not in found["large"]["hosts"]
    assert found["stage_canary"]["hosts"] == ["composedone"]
    assert found["by_repository"]["hosts"] == ["composedone"]
    # Other users can't put a cache there before it is made.
    assert example["cache_connection"].startswith("~/")


def test_texts_from_azure_are_no_templates(sandbox: Sandbox, tmp_path: Path) -> None:
    """Neither as the inventory is read, from Azure or the cache, nor in a task. Groups and variables of one's own stay."""
    hostile = "{{ lookup('pipe', 'echo ran | tee " + str(tmp_path / "ran") + "') }}"
    sandbox.create_registry("hostiletags", group="rg-hostile")
    sandbox.patch_registry("hostiletags", tags={"owner": hostile, "stage": "test"})
    options = {
        "resource_groups": ["rg-hostile"],
        "strict": True,
        "keyed_groups": [{"key": "registry_tags.owner", "prefix": "owner"}, {"key": "registry_tags.stage", "prefix": "in"}],
        "compose": {"composed": "registry_tags.owner", "called": "name ~ '/'"},
        "groups": {"same": "name == inventory_hostname and registry_tags.stage == 'test'"},
        "cache": True,
        "cache_plugin": "ansible.builtin.jsonfile",
        "cache_connection": str(tmp_path / "cache"),
    }
    for source in ("Azure", "the cache"):
        found = inventory(sandbox, tmp_path, **options)
        assert not (tmp_path / "ran").exists(), source
        assert any(group.startswith("owner_") and "lookup" in group for group in found), found
        assert found["in_test"]["hosts"] == found["same"]["hosts"] == found["tag_stage_test"]["hosts"] == ["hostiletags"]
        variables = found["_meta"]["hostvars"]["hostiletags"]
        assert variables["registry_tags"]["owner"] == variables["composed"] == hostile
        assert variables["called"] == "hostiletags/"
    tasks = [{"ansible.builtin.debug": {"msg": "{{ registry_tags.owner }} {{ composed }} {{ acr_mirror_registry }}"}}]
    play = {"name": "Test", "hosts": "hostiletags", "gather_facts": False, "tasks": tasks}
    run = run_playbook([play], sandbox.env, "-i", str(tmp_path / "all.acr.yml"))
    assert run.rc == 0 and not (tmp_path / "ran").exists(), run.output
    assert run.result["msg"] == f"{hostile} {hostile} hostiletags.azurecr.test"


def test_e14_names_of_tags_are_no_templates(sandbox: Sandbox, tmp_path: Path) -> None:
    """Before ansible-core 2.19 every text may be a template, a dictionary's keys too, once something makes values of them."""
    pipe = "lookup('pipe', 'echo ran | tee " + str(tmp_path / "ran") + "')"
    names = ["{{ " + pipe + " }}", '#jinja2:variable_start_string:"[[",variable_end_string:"]]"\n[[ ' + pipe + " ]]"]
    sandbox.create_registry("hostilenames", group="rg-hostile-names")
    tags = {**dict.fromkeys(names, "x"), "stage": "test", "owner": names[1]}
    sandbox.patch_registry("hostilenames", tags=tags)
    options = {
        "resource_groups": ["rg-hostile-names"],
        "strict": True,
        "keyed_groups": [{"key": "registry_tags", "prefix": "all"}, {"key": "registry_tags.keys() | list", "prefix": "named"}],
        "compose": {"names": "registry_tags.keys() | join(' and ')", "items": "registry_tags | dict2items"},
        "cache": True,
        "cache_plugin": "ansible.builtin.jsonfile",
        "cache_connection": str(tmp_path / "cache"),
    }
    tasks = [
        {"ansible.builtin.set_fact": {"joined": "{{ registry_tags.keys() | join(' and ') }}", "told": "{{ registry_tags.owner }}!"}},
        {
            "ansible.builtin.debug": {"msg": "{{ item.key }}={{ item.value }} {{ joined }} {{ told }} {{ names }} {{ items }}"},
            "loop": "{{ registry_tags | dict2items }}",
        },
        {"ansible.builtin.debug": {"msg": "{{ group_names }} {{ groups }} {{ hostvars }}"}},
        {"ansible.builtin.debug": {"msg": "{{ registry_tags | dict2items }}"}},
    ]
    play = {"name": "Test", "hosts": "hostilenames", "gather_facts": False, "tasks": tasks}
    for source in ("Azure", "the cache"):
        found = inventory(sandbox, tmp_path, **options)
        assert found["_meta"]["hostvars"]["hostilenames"]["registry_tags"] == tags
        assert found["all_stage_test"]["hosts"] == found["named_stage"]["hosts"] == found["tag_stage_test"]["hosts"] == ["hostilenames"]
        run = run_playbook([play], sandbox.env, "-i", str(tmp_path / "all.acr.yml"))
        assert not (tmp_path / "ran").exists(), source
        assert run.rc == 0 and {item["key"]: item["value"] for item in run.result["msg"]} == tags, run.output


def test_several_subscriptions(sandbox: Sandbox, tmp_path: Path) -> None:
    found = inventory(sandbox, tmp_path, subscriptions=[SUBSCRIPTION, OTHER_SUBSCRIPTION])["_meta"]["hostvars"]
    assert {"contosoprod", "contososhared"} <= set(found)
    assert sandbox.log(class_="arm_read", path="/subscriptions") == [], "subscriptions are listed though they are given"
    other = inventory(sandbox, tmp_path, subscriptions=[OTHER_SUBSCRIPTION])["_meta"]["hostvars"]
    assert {host["subscription_id"] for host in other.values()} == {OTHER_SUBSCRIPTION}


@pytest.mark.parametrize("status", [403, 409])
def test_c4_a_subscription_that_can_not_be_read_is_left_out(sandbox: Sandbox, tmp_path: Path, status: int) -> None:
    body = json.dumps({"error": {"code": "AuthorizationFailed" if status == 403 else "Odd", "message": "x"}})
    action = {"status": status, "headers": {"Content-Type": "application/json"}, "body": body}
    sandbox.knobs(faults=[{"match": {"class": "arm_read", "path": f"/subscriptions/{OTHER_SUBSCRIPTION}/"}, "action": action}])
    hosts = inventory(sandbox, tmp_path)["_meta"]["hostvars"]
    assert "contosoprod" in hosts and "contososhared" not in hosts
    play = {"name": "Test", "hosts": "contosoprod", "gather_facts": False, "tasks": [{"ansible.builtin.ping": {}}]}
    run = run_playbook([play], sandbox.env, "-i", str(tmp_path / "all.acr.yml"))
    assert run.rc == 0 and f"The registries of subscription {OTHER_SUBSCRIPTION} are left out" in run.output.replace("\n", " ")
    message = inventory(sandbox, tmp_path, rc=1, subscriptions=[OTHER_SUBSCRIPTION])
    assert "No subscription can be read" in message.replace("\n", " ") and "Traceback" not in message


def test_strict_makes_a_mistake_in_composing_an_error(sandbox: Sandbox, tmp_path: Path) -> None:
    mistake = {"compose": {"stage": "registry_tags.stage"}, "subscriptions": [OTHER_SUBSCRIPTION]}
    hosts = inventory(sandbox, tmp_path, **mistake)["_meta"]["hostvars"]
    assert "contososhared" in hosts and "stage" not in hosts["contososhared"]
    message = inventory(sandbox, tmp_path, rc=1, strict=True, **mistake)
    assert "stage" in message and "contososhared" in message and "Traceback" not in message


def test_the_cache_spares_requests(sandbox: Sandbox, tmp_path: Path) -> None:
    cache = {
        "cache": True,
        "cache_plugin": "ansible.builtin.jsonfile",
        "cache_connection": str(tmp_path / "cache"),
        "cache_timeout": 3600,
    }
    first = inventory(sandbox, tmp_path, **cache)
    assert sandbox.log(class_="arm_read")
    sandbox.clear_log()
    assert inventory(sandbox, tmp_path, **cache) == first
    assert sandbox.log(class_="arm_read") == []


def test_an_inventory_without_sign_in_says_why(sandbox: Sandbox, tmp_path: Path) -> None:
    message = inventory(sandbox, tmp_path, rc=1, env={"AZURE_SECRET": "wrong"})
    assert "Signing in" in message and "Traceback" not in message


def test_one_playbook_fills_a_fleet(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.create_registry("fleetone", group="rg-fleet")
    sandbox.create_registry("fleettwo", group="rg-fleet")
    path = tmp_path / "fleet.acr.yml"
    path.write_text(yaml.safe_dump({"plugin": "registryops.acr.registries", "resource_groups": ["rg-fleet"]}))
    images = json.dumps({"acr_mirror_images": [{"source": "docker.io/library/hello-world:1.0"}]})
    run = run_playbook("registryops.acr.mirror", sandbox.env, "-i", str(path), "-e", "acr_hosts=all", "-e", images)
    assert run.rc == 0, run.output
    for name in ("fleetone", "fleettwo"):
        assert list(sandbox.tags(name, "library/hello-world")) == ["1.0"]


@pytest.mark.parametrize(
    ("host", "repository", "tag", "image"),
    [
        ("registry-1.docker.io", "library/hello-world", "1.0", "docker.io/hello-world:1.0"),
        ("contosodev", "aci-helloworld", "latest", "contosodev.azurecr.test/aci-helloworld"),
    ],
)
def test_digest(sandbox: Sandbox, host: str, repository: str, tag: str, image: str) -> None:
    run = lookup(sandbox, f"lookup('registryops.acr.digest', '{image}')")
    assert run.rc == 0, run.output
    assert run.result["msg"] == sandbox.tags(host, repository)[tag]
    assert all(entry["method"] == "HEAD" for entry in sandbox.log(class_="manifest"))


def test_digest_of_a_platform_and_with_credentials(sandbox: Sandbox) -> None:
    image = "contosodev.azurecr.test/aci-helloworld:v1"
    run = lookup(sandbox, f"query('registryops.acr.digest', '{image}', platform='linux/arm64')")
    assert run.rc == 0, run.output
    index = sandbox.tags("contosodev", "aci-helloworld")["v1"]
    assert run.result["msg"][0] in sandbox.manifests("contosodev", "aci-helloworld")[index]["children"]
    private = "basic.vendor.test/vendor/tool:1.0"
    call = f"lookup('registryops.acr.digest', '{private}', source_username='vendor', source_password=lookup('env', 'PW'))"
    run = lookup(sandbox, call, PW="vendorpass")
    assert run.rc == 0 and run.result["msg"] == sandbox.tags("basic.vendor.test", "vendor/tool")["1.0"], run.output


def test_a_digest_that_is_not_there(sandbox: Sandbox) -> None:
    run = lookup(sandbox, "lookup('registryops.acr.digest', 'docker.io/library/hello-world:none')")
    assert run.rc != 0 and "docker.io/library/hello-world:none does not exist" in run.output
