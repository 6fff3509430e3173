# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sandbox as the unmodified Azure CLI finds it."""
from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.azure_cli import AzureCli
from tests.sandbox.handle import PRINCIPALS, SUBSCRIPTION, Sandbox
from tests.sandbox.tenants import object_id

PROD = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-registries"
    "/providers/Microsoft.ContainerRegistry/registries/contosoprod"
)
SHARED = (
    "/subscriptions/22222222-2222-4222-8222-222222222222/resourceGroups/rg-shared"
    "/providers/Microsoft.ContainerRegistry/registries/contososhared"
)


@pytest.fixture(scope="session")
def signed_in(running_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> AzureCli:
    running_sandbox.reset()
    return AzureCli(running_sandbox, tmp_path_factory.mktemp("az"))


class Az:
    """``az acr``, for a sandbox in its first state."""

    def __init__(self, cli: AzureCli, sandbox: Sandbox) -> None:
        self.cli = cli
        self.sandbox = sandbox

    def show(self, *arguments: str) -> Any:
        """What a command prints, read as JSON."""
        return json.loads(self.cli.run("acr", *arguments))

    def imports(self, *arguments: str) -> dict[str, Any]:
        """``az acr import`` into contosoprod, which prints nothing; returns the operation that it led to."""
        assert self.cli.run("acr", "import", "--name", "contosoprod", *arguments) == ""
        return self.sandbox.operations()[-1]


@pytest.fixture
def az(signed_in: AzureCli, sandbox: Sandbox) -> Iterator[Az]:
    sandbox.knobs(retry_after=1)  # the CLI waits for as long as Azure says
    yield Az(signed_in, sandbox)
    assert {e["principal"] for e in sandbox.log(host="management.azure.test")} == {"contributor"}


def test_show(az: Az) -> None:
    registry = az.show("show", "--name", "contosoprod")
    assert registry["id"] == PROD
    expected = {
        "name": "contosoprod",
        "loginServer": "contosoprod.azurecr.test",
        "location": "westeurope",
        "resourceGroup": "rg-registries",
        "sku": {"name": "Premium", "tier": "Premium"},
        "adminUserEnabled": False,
        "provisioningState": "Succeeded",
        "publicNetworkAccess": "Enabled",
        "networkRuleBypassOptions": "AzureServices",
        "networkRuleBypassAllowedForTasks": False,
        "networkRuleSet": {"defaultAction": "Allow", "ipRules": [], "virtualNetworkRules": None},
        "anonymousPullEnabled": False,
        "roleAssignmentMode": "LegacyRegistryPermissions",
        "creationDate": "2025-11-03T09:12:44.123456+00:00",
    }
    assert {name: registry[name] for name in expected} == expected
    assert registry["policies"]["azureAdAuthenticationAsArmPolicy"] == {"status": "enabled"}


SUBNET = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v/subnets/s"
REGIONAL = "contosoprod.westeurope.geo.azurecr.test"
POLICIES = {
    "quarantinePolicy": {"status": "enabled"},
    "retentionPolicy": {"status": "enabled", "days": 30},
    "softDeletePolicy": {"status": "enabled", "retentionDays": 14},
}


def test_what_is_new_is_shown_and_outlives_changes(az: Az, sandbox: Sandbox) -> None:
    rules = {"defaultAction": "Deny", "virtualNetworkRules": [{"action": "Allow", "virtualNetworkSubnetResourceId": SUBNET}]}
    more = {"roleAssignmentMode": "AbacRepositoryPermissions", "regionalEndpoints": "Enabled", "dataEndpointEnabled": True}
    sandbox.patch_registry("contosoprod", properties={"networkRuleSet": rules, "policies": POLICIES, **more})
    name = ("--name", "contosoprod")
    before = az.show("show", *name)
    expected = {
        "networkRuleBypassOptions": "AzureServices",
        "roleAssignmentMode": "AbacRepositoryPermissions",
        "regionalEndpoints": "Enabled",
        "regionalEndpointHostNames": [REGIONAL],
        "networkRuleSet": {**rules, "ipRules": []},
    }
    assert {one: before[one] for one in expected} == expected
    policies = before["policies"]
    assert (policies["quarantinePolicy"]["status"], policies["retentionPolicy"]["days"]) == ("enabled", 30)
    assert (policies["softDeletePolicy"]["retentionDays"], policies["exportPolicy"]["status"]) == (14, "enabled")
    shown = az.show("show-endpoints", *name)
    assert [one["endpoint"] for one in shown["regionalEndpoints"]] == [REGIONAL]

    after = az.show("update", *name, "--allow-trusted-services", "false")
    assert after.pop("networkRuleBypassOptions") == "None"
    still = {one: value for one, value in before.items() if one not in ("networkRuleBypassOptions", "systemData")}
    assert {one: value for one, value in after.items() if one != "systemData"} == still
    closed = az.show("update", *name, "--allow-exports", "false", "--public-network-enabled", "false")
    assert (closed["policies"]["exportPolicy"]["status"], closed["publicNetworkAccess"]) == ("disabled", "Disabled")
    assert closed["roleAssignmentMode"] == "AbacRepositoryPermissions"


def test_import_from_a_regional_endpoint(az: Az) -> None:
    operation = az.imports("--source", "contosodev.westeurope.geo.azurecr.test/aci-helloworld:v1")
    assert operation["body"]["source"]["resourceId"] == PROD.replace("contosoprod", "contosodev")


def test_import_by_tag_again_and_with_force(az: Az, sandbox: Sandbox) -> None:
    by_tag = ("--source", "docker.io/library/hello-world:latest", "--image", "app:1")
    operation = az.imports(*by_tag)
    assert operation["body"]["source"] == {"registryUri": "docker.io", "sourceImage": "library/hello-world:latest"}
    assert (operation["body"]["mode"], operation["polls"]) == ("NoForce", 2)  # pending, then done
    hello = sandbox.tags("docker.io", "library/hello-world")["latest"]
    assert sandbox.tags("contosoprod", "app") == {"1": hello}
    held = sandbox.manifests("contosoprod", "app")
    assert set(held) == {hello, *sandbox.manifests("docker.io", "library/hello-world")[hello]["children"]}

    listed = {m["digest"]: m for m in az.show("manifest", "list-metadata", "-r", "contosoprod", "-n", "app")}
    assert list(listed) == sorted(held)
    assert {d: m["mediaType"] for d, m in listed.items()} == {d: m["media_type"] for d, m in held.items()}
    index = listed.pop(hello)
    assert index["tags"] == ["1"] and not {"architecture", "os", "references"} & set(index)
    assert index["changeableAttributes"] == dict.fromkeys(
        ("deleteEnabled", "listEnabled", "readEnabled", "writeEnabled"), True
    )
    assert {"linux/amd64", "linux/arm64", "windows/amd64"} < {f"{m['os']}/{m['architecture']}" for m in listed.values()}
    assert not any("tags" in m or "configMediaType" in m for m in listed.values())

    again = az.cli.call("acr", "import", "--name", "contosoprod", *by_tag)
    failed = sandbox.operations()[-1]["id"]
    message = f"Operation {failed} failed. Resource {PROD} Tag app:1 already exists in target registry."
    assert (again.returncode, again.stdout) == (1, "")
    assert again.stderr.startswith(f"ERROR: (Conflict) {message}\n")
    assert sandbox.tags("contosoprod", "app") == {"1": hello}

    other = az.imports("--source", "docker.io/library/hello-world:1.0", "--image", "app:1", "--force")
    assert other["body"]["mode"] == "Force"
    assert sandbox.tags("contosoprod", "app") == {"1": sandbox.tags("docker.io", "library/hello-world")["1.0"]}


def test_import_by_digest(az: Az, sandbox: Sandbox) -> None:
    digest = sandbox.tags("contosodev", "aci-helloworld")["v1"]
    operation = az.imports("--source", f"contosodev.azurecr.test/aci-helloworld@{digest}")
    # The CLI finds the registry among those of the subscription.
    assert operation["body"]["source"] == {
        "resourceId": PROD.replace("contosoprod", "contosodev"),
        "sourceImage": f"aci-helloworld@{digest}",
    }
    assert sandbox.tags("contosoprod", "aci-helloworld") == {"latest": digest}


def test_import_by_resource_id(az: Az, sandbox: Sandbox) -> None:
    targets = ("--image", "a:1", "--image", "b:2")
    operation = az.imports("--registry", SHARED, "--source", "samples/aci-helloworld:latest", *targets)
    assert operation["body"]["source"] == {"resourceId": SHARED, "sourceImage": "samples/aci-helloworld:latest"}
    digest = sandbox.tags("contososhared", "samples/aci-helloworld")["latest"]
    assert sandbox.tags("contosoprod", "a") == {"1": digest} and sandbox.tags("contosoprod", "b") == {"2": digest}


def test_import_with_credentials(az: Az, sandbox: Sandbox) -> None:
    sign_in = ("--username", "pulltoken", "--password", "pulltokenpass")
    operation = az.imports("--source", "fabrikam.azurecr.test/sourcerepo:tag", *sign_in)
    assert operation["body"]["source"]["credentials"] == {"username": "pulltoken", "password": "pulltokenpass"}
    assert sandbox.tags("contosoprod", "sourcerepo") == sandbox.tags("fabrikam", "sourcerepo")


def test_import_without_waiting(az: Az, sandbox: Sandbox) -> None:
    sandbox.knobs(import_seconds=60)
    operation = az.imports("--source", "docker.io/library/busybox:1.36", "--no-wait")
    assert (operation["status"], operation["polls"], operation["targets"]) == ("Accepted", 0, ["library/busybox:1.36"])


def test_show_tags(az: Az, sandbox: Sandbox) -> None:
    expected = sandbox.tags("contosodev", "team/app")
    shown = az.show("repository", "show-tags", "-n", "contosodev", "--repository", "team/app", "--detail")
    assert [(tag["name"], tag["digest"]) for tag in shown] == sorted(expected.items())
    assert set(shown[0]) == {"name", "digest", "createdTime", "lastUpdateTime", "signed", "changeableAttributes"}
    pages = sandbox.log(class_="tag_list")
    assert [entry["query"].split("&")[-1] for entry in pages] == ["n=100", "orderby=", "orderby="]


def test_lock_of_an_image(az: Az) -> None:
    """As the option immutable locks its tag."""
    image = ("--name", "contosodev", "--image", "team/app:1.0.0")
    found = az.show("repository", "update", *image, "--write-enabled", "false", "--delete-enabled", "false")
    assert found["changeableAttributes"] == {
        "deleteEnabled": False, "listEnabled": True, "readEnabled": True, "writeEnabled": False,
    }  # fmt: skip


def test_role_assignments(az: Az, sandbox: Sandbox) -> None:
    importer = "Container Registry Data Importer and Data Reader"
    elsewhere = {"contosoprod": [importer], "contosodev": ["AcrPull"]}
    sandbox.patch_principal("importer", grants=elsewhere)
    # There is no Microsoft Graph to ask for principals' names.
    asked = ("--scope", PROD, "--include-inherited", "--fill-principal-name", "false")
    listed = json.loads(az.cli.run("role", "assignment", "list", *asked))
    names = {object_id(client_id): name for name, (_tenant, client_id, _secret) in PRINCIPALS.items()}
    found = {(names.get(one["principalId"], one["principalType"]), one["roleDefinitionName"], one["scope"]) for one in listed}
    above = f"/subscriptions/{SUBSCRIPTION}"
    assert found == {
        ("contributor", "Contributor", above),
        ("User", "Contributor", above),
        ("reader", "Reader", above),
        ("importer", importer, PROD),
    }
    assert all(one["id"].startswith(one["scope"] + "/providers/Microsoft.Authorization/") for one in listed)


@pytest.fixture
def resolving(tmp_path: Path) -> tuple[str, ...]:
    """What runs a program with a hosts file of its own, as one needs that looks a name up before it asks the proxy."""
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 localhost contosoprod.azurecr.test\n")
    mount = 'mount --bind "$0" /etc/hosts && exec "$@"'
    within = ("unshare", "--map-root-user", "--mount", "sh", "-c", mount, str(hosts), "env")
    if not shutil.which("unshare") or subprocess.run([*within, "true"], check=False, capture_output=True).returncode:
        pytest.skip("no name can be put in the hosts file for one program: this machine allows no mount of its own (unshare)")
    return within


def test_check_health(resolving: tuple[str, ...], az: Az) -> None:
    within = (*resolving, "DOCKER_COMMAND=no-docker")  # it would pull an image from the Internet
    done = az.cli.call("acr", "check-health", "--name", "contosoprod", "--ignore-errors", "--yes", within=within)
    lines = done.stderr.splitlines()
    server = "contosoprod.azurecr.test"
    first = lines.index(f"WARNING: DNS lookup to {server} at IP 127.0.0.1 : OK")
    assert lines[first + 1 : first + 4] == [
        f"WARNING: Challenge endpoint https://{server}/v2/ : OK",
        f"WARNING: Fetch refresh token for registry '{server}' : OK",
        f"WARNING: Fetch access token for registry '{server}' : OK",
    ]
    assert done.returncode == 0
