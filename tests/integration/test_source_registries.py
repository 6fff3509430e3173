# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How source registries may be named, and what is said of images that can't be had from them."""
from __future__ import annotations

import re
from typing import Callable

from tests.playbook import Run, run_module, run_tasks
from tests.sandbox.handle import PRINCIPALS, SUBSCRIPTION, Sandbox

OURS = ["vendor/*", "sourcerepo"]  # of fabrikam's repositories
LABEL = "contosolabel-a1b2c3d4e5f6g7h8.azurecr.test"
REGIONAL = "contosodev.westeurope.geo.azurecr.test"
FABRIKAM = "fabrikam.azurecr.test"
BEARER = "bearer.vendor.test:8443"

Call = Callable[..., Run]


def resource_id(name: str) -> str:
    group = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-registries"
    return f"{group}/providers/Microsoft.ContainerRegistry/registries/{name}"


def test_all_names_of_an_azure_registry_lead_to_its_resource(sandbox: Sandbox, acr_mirror: Call) -> None:
    """Written twice, by regional endpoint, by a login server with a domain-name label; a label's name alone too."""
    sandbox.push("contosolabel", "team/label", ["1"], seed=71)
    dev = {
        "twice": {"source": "contosodev.azurecr.test/aci-helloworld:v1", "source_registry": "contosodev.azurecr.test"},
        "twice-by-id": {"source": "ContosoDev.azurecr.test/aci-helloworld:v1", "source_registry": resource_id("contosodev")},
        "twice-by-name": {"source": "contosodev.azurecr.test/aci-helloworld:v1", "source_registry": "contosodev"},
        "regional": {"source": f"{REGIONAL}/aci-helloworld:v1"},
        "regional-twice": {"source": f"{REGIONAL}/aci-helloworld:v1", "source_registry": "contosodev"},
        "url": {"source": "aci-helloworld:v1", "source_registry": "https://contosodev.azurecr.test/"},
    }
    label = {
        "login-server": {"source": f"{LABEL}/team/label:1"},
        "name": {"source": "team/label:1", "source_registry": "contosolabel"},
        "name-twice": {"source": f"{LABEL}/team/label:1", "source_registry": "contosolabel"},
    }
    images = [{**image, "target": [f"{kind}/{name}:1"]} for kind, named in (("dev", dev), ("label", label))
              for name, image in named.items()]  # fmt: skip
    run = acr_mirror(images)
    assert run.rc == 0 and run.result["summary"]["imported"] == len(images), run.output
    told = {target: operation["body"]["source"].get("resourceId")
            for operation in sandbox.operations() for target in operation["targets"]}  # fmt: skip
    assert told == {
        **{f"dev/{name}:1": resource_id("contosodev") for name in dev},
        **{f"label/{name}:1": resource_id("contosolabel") for name in label},
    }
    again = acr_mirror(images)
    assert again.recap["changed"] == 0
    (note,) = again.result["warnings"]
    assert note.startswith(f"Imports can't choose a region: contosodev.azurecr.test is used instead of {REGIONAL}, and ")


def test_policies_that_stand_in_the_way(sandbox: Sandbox) -> None:
    """What allows no exports is not asked for any; and what comes into quarantine is said to."""
    sandbox.patch_registry("contosodev", properties={"policies": {"exportPolicy": {"status": "disabled"}}})
    sandbox.patch_registry("contosoprod", properties={"policies": {"quarantinePolicy": {"status": "enabled"}}})
    images = [
        {"source": "aci-helloworld:v1", "source_registry": "contosodev"},
        {"source": "contosodev.azurecr.test/aci-helloworld:v1"},
        {"source": "docker.io/library/hello-world:1.0"},
    ]
    run = run_tasks("acr_import", [{"registry": "contosoprod", **image} for image in images], sandbox.env)
    *closed, taken = [task["result"] for task in run.tasks]
    for result in closed:
        assert result["reason"] == "denied" and "Nothing can be imported from contosodev.azurecr.test: its export" in result["msg"]
    assert taken["changed"] and len(sandbox.operations()) == 1
    (note,) = taken["warnings"]
    assert note.startswith("contosoprod.azurecr.test has a quarantine policy: ")


def test_two_registries_for_one_source_are_refused(sandbox: Sandbox, acr_mirror: Call) -> None:
    image = {"source": "contososhared.azurecr.test/aci-helloworld:v1", "source_registry": resource_id("contosodev")}
    run = acr_mirror([image])
    assert run.rc == 2 and "source_registry names another one (contosodev)" in run.result["msg"], run.output


def test_a_public_registry_of_another_tenant(sandbox: Sandbox, acr_mirror: Call) -> None:
    """It is read anonymously, and Azure is told no credentials. What it has no more may be kept."""
    sandbox.push("contosoprod", "vendor/tool", ["9.9"], seed=73)
    images = [
        {"source": f"{FABRIKAM}/vendor/tool", "tags": {"names": ["1.0", "9.9"]}, "if_source_missing": "keep"},
        {"source_registry": FABRIKAM, "repositories": {"include": OURS}, "target": ["all/{repository}"]},
    ]
    private = acr_mirror(images, "--check")
    said = {result["error"].partition(" Or ")[0] for result in private.result["results"]}
    role = "not even AcrPull (Container Registry Repository Reader if permissions are per repository)."
    assert said == {
        f"{FABRIKAM} does not accept this sign-in. Most often the account has no role on this registry, {role}"
    }, private.output

    sandbox.patch_registry("fabrikam", properties={"anonymousPullEnabled": True})
    run = acr_mirror(images)
    found = {one["image"].partition("/")[2]: one["action"] for one in run.result["results"]}
    new = {"vendor/tool:1.0", "all/vendor/tool:1.0", "all/vendor/tool:1.1", "all/sourcerepo:tag"}
    assert found == {"vendor/tool:9.9": "keep", **dict.fromkeys(new, "import")}, run.output
    assert run.result["summary"]["kept"] == 1
    bodies = [operation["body"]["source"] for operation in sandbox.operations()]
    assert {tuple(sorted(body)) for body in bodies} == {("registryUri", "sourceImage")}
    assert {body["registryUri"] for body in bodies} == {FABRIKAM}
    assert sandbox.log(host=FABRIKAM, class_="exchange") and not sandbox.log(host=FABRIKAM, class_="exchange", status=200)


def test_a_whole_registry_of_another_tenant_by_credentials(sandbox: Sandbox) -> None:
    _tenant, client, secret = PRINCIPALS["fabrikam-puller"]
    listed = {"source_registry": FABRIKAM, "repositories": {"include": OURS}}
    accounts = [(client, secret), ("pulltoken", "wrong"), ("pulltoken", "pulltokenpass")]
    tasks = [
        {"registry": "contosoprod", "images": [{**listed, "source_username": user, "source_password": word}]}
        for user, word in accounts
    ]
    tasks.append({"registry": "contosoprod", "images": [{"source_registry": "quay.io", "repositories": {}}]})
    run = run_tasks("acr_mirror", tasks, sandbox.env, "--check")
    able, wrong, lacking, other = [task["result"] for task in run.tasks]
    assert able["summary"]["imported"] == 3 and not able.get("warnings"), run.output
    assert "Check user name and password" in wrong["msg"] and "AcrPull" not in wrong["msg"]
    assert "don't allow listing the repositories of fabrikam.azurecr.test. " in lacking["msg"], lacking["msg"]
    assert "a token's scope map needs metadata/read on * (all repositories)" in lacking["msg"]
    assert other["msg"] == (
        "Entry 1 (quay.io): repositories needs an Azure registry, and quay.io isn't one; name each repository in source."
    )


def test_registries_of_another_cloud(sandbox: Sandbox) -> None:
    """Their suffix is the cloud's; a registry of the public cloud is a stranger there."""
    for name, cloud in (("sovereignsource", "AzureChinaCloud"), ("sovereigntarget", "AzureChinaCloud")):
        sandbox.create_registry(name, cloud=cloud)
    sandbox.push("sovereignsource", "team/app", ["1"], seed=72)
    env = {**sandbox.env, "AZURE_CLOUD_ENVIRONMENT": "AzureChinaCloud"}
    images = [{"source": "sovereignsource.azurecr.cn/team/app:1"}, {"source": "contosodev.azurecr.test/aci-helloworld:v1"}]
    run = run_module("acr_mirror", {"registry": "sovereigntarget.azurecr.cn", "images": images}, env)
    found = {result["image"]: result["action"] for result in run.result["results"]}
    assert found == {
        "sovereigntarget.azurecr.cn/team/app:1": "import",
        "sovereigntarget.azurecr.cn/aci-helloworld:v1": "failed",
    }, run.output
    [operation] = sandbox.operations()
    assert operation["body"]["source"]["resourceId"] == resource_id("sovereignsource")
    assert not sandbox.log(host="contosodev.azurecr.test", class_="exchange"), "a sign-in went to a stranger"


def test_each_reason_why_an_image_can_not_be_had_is_told_from_the_others(
    sandbox: Sandbox, acr_mirror: Call, acr_import: Call
) -> None:
    sandbox.knobs(retry_after=1)
    expected = {
        "mcr.microsoft.com/dotnet/runtime:none": "mcr.microsoft.com/dotnet/runtime:none does not exist.",
        "mcr.microsoft.com/dotnet/nothing:1": (
            "mcr.microsoft.com/dotnet/nothing:1 does not exist: there is no repository dotnet/nothing."
        ),
        "contosodev.azurecr.test/team/app:none": "contosodev.azurecr.test/team/app:none does not exist.",
        "contosodev.azurecr.test/team/nothing:1": (
            "contosodev.azurecr.test/team/nothing:1 does not exist: there is no repository team/nothing."
        ),
        "contosovault.azurecr.test/secret/app:1.0": (
            "The firewall of contosovault.azurecr.test refuses this machine (203.0.113.10), so digests can't be read from "
            "here. Allow the address, run from inside the network, or set verify: false."
        ),
        "docker.io/library/nothing:1": (
            "docker.io/library/nothing:1 needs credentials that may pull it (none were given), or does not exist."
        ),
        "docker.io/acme/nothing:1": (
            "The given credentials are valid but don't allow pulling docker.io/acme/nothing:1, or it does not exist."
        ),
    }
    account = [{"registry": "docker.io/acme", "username": "dockeruser", "password": "dockerpass"}]
    run = acr_mirror([{"source": source} for source in expected], credentials=account)
    said = {result["source"]: re.sub(r" CorrelationId: \S+$", "", result.get("error") or "") for result in run.result["results"]}
    assert run.rc == 2 and said == expected

    sandbox.patch_upstream("mcr.microsoft.com", flags={"throttled": True})
    throttled = acr_import(source="mcr.microsoft.com/dotnet/runtime:8.0", timeout=8)
    assert throttled.rc == 2 and throttled.result["msg"].startswith(
        "mcr.microsoft.com limits how often Azure can pull from it, and refused mcr.microsoft.com/dotnet/runtime:8.0 for now."
    ), throttled.output


def test_b7_registries_that_speak_otherwise_are_understood(sandbox: Sandbox, acr_mirror: Call) -> None:
    """One that shows nothing to nobody, one that offers a sign-in that nobody knows, and no challenge for HEAD; one with short
    pages, whose links lead to its own host as it sees that itself."""
    sandbox.patch_upstream("bearer.vendor.test", flags={"hides_from_nobody": True})
    sandbox.patch_upstream("mcr.microsoft.com", flags={"refuse_n_above": 100, "page_limit": 2})
    links = [{"kind": "dressed", "match": {"host": "^mcr"}, "link": link, "times": 1} for link in ("http", "prefix", "upper", "single")]
    challenges = ["Negotiate", 'Basic realm="here"']
    sandbox.knobs(lies=[
        *links,
        {"kind": "dressed", "match": {"host": "^basic", "method": "HEAD", "status": "401"}, "headers": {"WWW-Authenticate": None}},
        {"kind": "dressed", "match": {"host": "^basic", "status": "401"}, "headers": {"WWW-Authenticate": challenges}},
    ])  # fmt: skip
    accounts = [{"registry": host, "username": "vendor", "password": "vendorpass"} for host in ("basic.vendor.test", BEARER)]
    sources = [{"source": f"{host}/vendor/tool:1.0", "target": [f"{host[:5]}:1"]} for host in ("basic.vendor.test", BEARER)]
    run = acr_mirror([*sources, {"source": "mcr.microsoft.com/dotnet/runtime", "tags": {}}], "--check", credentials=accounts)
    assert run.rc == 0, run.output
    taken = {result["source"] for result in run.result["results"] if "mcr" in result["source"]}
    assert {source.rpartition(":")[2] for source in taken} == set(sandbox.tags("mcr.microsoft.com", "dotnet/runtime")), run.output
