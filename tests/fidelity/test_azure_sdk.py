# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sandbox's registries as Azure's own Python client for registries finds them."""
from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from azure.containerregistry import ArtifactManifestOrder, ArtifactTagOrder, ContainerRegistryClient
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError, ResourceNotFoundError
from azure.identity import ClientSecretCredential

from tests.playbook import ROOT, environment
from tests.sandbox import images
from tests.sandbox.handle import ARM_URL, PRINCIPALS, SUBSCRIPTION, Sandbox

AUDIENCE = "https://containerregistry.azure.net"
NOWHERE = "sha256:" + "0" * 64

Open = Callable[..., ContainerRegistryClient]


@pytest.fixture
def registry(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Open:
    """``registry("contosodev", "reader")``: a client for that registry, as that principal; None is nobody."""
    for name, value in sandbox.env.items():
        monkeypatch.setenv(name, value)

    def client(name: str, principal: str | None = "contributor") -> ContainerRegistryClient:
        credential = None
        if principal is not None:
            credential = ClientSecretCredential(*PRINCIPALS[principal], authority="https://login.azure.test")
        return ContainerRegistryClient(f"https://{name}.azurecr.test", credential, audience=AUDIENCE)

    return client


def test_tags_page_by_page(sandbox: Sandbox, registry: Open) -> None:
    client = registry("contosodev")
    pages = [list(page) for page in client.list_tag_properties("team/app", results_per_page=70).by_page()]
    assert [len(page) for page in pages] == [70, 70, 70, 70, 20]
    tags = [tag for page in pages for tag in page]
    assert [(tag.name, tag.digest) for tag in tags] == sorted(sandbox.tags("contosodev", "team/app").items())
    assert len(sandbox.log(class_="tag_list", status=200)) == 5
    newest = next(iter(client.list_tag_properties("team/app", order_by=ArtifactTagOrder.LAST_UPDATED_ON_DESCENDING)))
    assert newest.last_updated_on == max(tag.last_updated_on for tag in tags)


def test_repositories_page_by_page(sandbox: Sandbox, registry: Open) -> None:
    client = registry("contosodev")
    names = [list(page) for page in client.list_repository_names(results_per_page=3).by_page()]
    assert [len(page) for page in names[:-1]] == [3] * (len(names) - 1)
    assert [name for page in names for name in page] == list(client.list_repository_names())
    assert {"aci-helloworld", "charts/web", "signed/app", "team/app"} <= {name for page in names for name in page}


def test_manifests_page_by_page(sandbox: Sandbox, registry: Open) -> None:
    client = registry("contosodev")
    pages = [list(page) for page in client.list_manifest_properties("signed/app", results_per_page=4).by_page()]
    assert len(pages) > 2
    found = {manifest.digest: manifest for page in pages for manifest in page}
    assert list(found) == sorted(sandbox.manifests("contosodev", "signed/app"))
    index = found[sandbox.tags("contosodev", "signed/app")["1.0"]]
    assert (index.tags, index.architecture, index.operating_system) == (["1.0"], None, None)
    ascending = ArtifactManifestOrder.LAST_UPDATED_ON_ASCENDING
    times = [m.last_updated_on for m in client.list_manifest_properties("signed/app", order_by=ascending)]
    assert times == sorted(times)


def test_properties(sandbox: Sandbox, registry: Open) -> None:
    client = registry("contosodev")
    repository = client.get_repository_properties("team/app")
    assert (repository.name, repository.tag_count, repository.manifest_count) == ("team/app", 300, 60)
    tag = client.get_tag_properties("signed/app", "1.0")
    assert tag.digest == sandbox.tags("contosodev", "signed/app")["1.0"]
    assert (tag.can_delete, tag.can_list, tag.can_read, tag.can_write) == (True,) * 4
    index = client.get_manifest_properties("signed/app", "1.0")
    assert (index.digest, index.tags, index.created_on) == (tag.digest, ["1.0"], tag.created_on)
    child = sandbox.manifests("contosodev", "signed/app")[tag.digest]["children"][0]
    platform = client.get_manifest_properties("signed/app", child)
    assert (platform.operating_system, platform.architecture, platform.tags) == ("linux", "amd64", None)
    assert index.size_in_bytes > platform.size_in_bytes > 0


@pytest.mark.parametrize(
    ("call", "arguments", "code"),
    [
        ("get_tag_properties", ("team/app", "none"), "TAG_UNKNOWN"),
        ("get_manifest_properties", ("team/app", NOWHERE), "MANIFEST_UNKNOWN"),
        ("get_manifest", ("team/app", "none"), "MANIFEST_UNKNOWN"),
        ("get_manifest", ("team/app", NOWHERE), "MANIFEST_UNKNOWN"),
        ("get_repository_properties", ("team/none",), "NAME_UNKNOWN"),
        ("get_tag_properties", ("team/none", "1.0.0"), "NAME_UNKNOWN"),
    ],
)
def test_what_is_not_there(registry: Open, call: str, arguments: tuple[str, ...], code: str) -> None:
    with pytest.raises(ResourceNotFoundError) as missing:
        getattr(registry("contosodev"), call)(*arguments)
    assert json.loads(missing.value.response.read())["errors"][0]["code"] == code


def test_a_whole_image_is_read(sandbox: Sandbox, registry: Open) -> None:
    """The client itself checks each digest against what came."""
    client = registry("contosodev")
    top = client.get_manifest("aci-helloworld", "latest")
    assert (top.digest, top.media_type) == (sandbox.tags("contosodev", "aci-helloworld")["latest"], images.OCI_INDEX)
    for entry in top.manifest["manifests"]:
        child = client.get_manifest("aci-helloworld", entry["digest"])
        assert (child.digest, child.media_type) == (entry["digest"], entry["mediaType"])
        for blob in (child.manifest["config"], *child.manifest["layers"]):
            assert sum(map(len, client.download_blob("aci-helloworld", blob["digest"]))) == blob["size"]
    config = client.download_blob("aci-helloworld", child.manifest["config"]["digest"])
    assert "rootfs" in json.loads(b"".join(config))


def test_an_image_is_pushed_locked_and_deleted(sandbox: Sandbox, registry: Open) -> None:
    client = registry("contosoprod")
    digest, size = client.upload_blob("up", io.BytesIO(b"{}" * 3_000_000))  # in two chunks
    assert sum(map(len, client.download_blob("up", digest))) == size
    config = {"mediaType": "application/vnd.test", "digest": digest, "size": size}
    manifest = {"schemaVersion": 2, "mediaType": images.OCI_MANIFEST, "config": config, "layers": []}
    pushed = client.set_manifest("up", manifest, tag="1")
    assert sandbox.tags("contosoprod", "up") == {"1": pushed}
    assert client.update_tag_properties("up", "1", can_delete=False).can_delete is False
    with pytest.raises(HttpResponseError, match="REGISTRY_DISALLOWED_OPERATION") as refused:
        client.delete_tag("up", "1")
    assert refused.value.status_code == 405
    client.update_tag_properties("up", "1", can_delete=True)
    client.delete_tag("up", "1")
    client.delete_manifest("up", pushed)
    client.delete_repository("up")
    assert list(client.list_repository_names()) == []


def test_rights(sandbox: Sandbox, registry: Open) -> None:
    sandbox.push("contosoprod", "open", ["1"])
    with pytest.raises(ClientAuthenticationError, match="UNAUTHORIZED"):
        registry("contosoprod", "reader").delete_tag("open", "1")
    assert [tag.name for tag in registry("contosoprod", "reader").list_tag_properties("open")] == ["1"]
    anonymous = registry("contosoprod", None)
    with pytest.raises(ClientAuthenticationError):
        list(anonymous.list_tag_properties("open"))
    sandbox.patch_registry("contosoprod", properties={"anonymousPullEnabled": True})
    assert [tag.name for tag in anonymous.list_tag_properties("open")] == ["1"]


# What both ends of the supported releases of azure-mgmt-containerregistry find and change.
MANAGEMENT = """
import json, sys
from azure.identity import ClientSecretCredential
from azure.mgmt.containerregistry import ContainerRegistryManagementClient
sign_in, url, subscription = json.loads(sys.argv[1])
credential = ClientSecretCredential(*sign_in, authority="https://login.azure.test", disable_instance_discovery=True)
client = ContainerRegistryManagementClient(credential, subscription, base_url=url, credential_scopes=[url + "/.default"])
found = [client.registries.get("rg-registries", "contosoprod")]
changes = {"properties": {"networkRuleBypassOptions": "None"}}
found.append(client.registries.begin_update("rg-registries", "contosoprod", json.dumps(changes).encode()).result())
print(json.dumps([
    [one.network_rule_bypass_options, one.policies.export_policy.status, one.policies.quarantine_policy.status,
     one.policies.retention_policy.days, getattr(one, "role_assignment_mode", None)]
    for one in found
]))
"""


@pytest.mark.parametrize(
    ("python", "mode"),
    [(sys.executable, "AbacRepositoryPermissions"), (ROOT / ".venv-oldest/bin/python", None)],
    ids=["newest", "oldest"],
)
def test_both_ends_of_the_management_client(sandbox: Sandbox, tmp_path: Path, python: str | Path, mode: str | None) -> None:
    policies = {"quarantinePolicy": {"status": "enabled"}, "retentionPolicy": {"status": "enabled", "days": 30}}
    properties = {"policies": policies, "roleAssignmentMode": "AbacRepositoryPermissions"}
    before = sandbox.patch_registry("contosoprod", properties=properties)["properties"]
    given = json.dumps([PRINCIPALS["contributor"], ARM_URL, SUBSCRIPTION])
    done = subprocess.run(
        [str(python), "-c", MANAGEMENT, given],
        env=environment(tmp_path, sandbox.env), capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    facts = ["enabled", "enabled", 30, mode]
    assert json.loads(done.stdout) == [["AzureServices", *facts], ["None", *facts]]
    after = sandbox.patch_registry("contosoprod")["properties"]
    assert after == {**before, "networkRuleBypassOptions": "None"}
