# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What breaks other tools because of sources, sign-ins and rights, each provoked in the sandbox."""
from __future__ import annotations

import base64
import json
import secrets
from typing import Callable

import pytest

from tests.playbook import Run, run_module
from tests.sandbox.handle import ARM_URL, PRINCIPALS, Sandbox

HUB, DEV, DEV_HOST = "registry-1.docker.io", "contosodev", "contosodev.azurecr.test"
BASIC, BEARER = "basic.vendor.test", "bearer.vendor.test:8443"
ABAC = {"roleAssignmentMode": "AbacRepositoryPermissions"}
CONTRIBUTOR = PRINCIPALS["contributor"][1]
READER, READER_SECRET = PRINCIPALS["reader"][1:]
RESOURCES = "/subscriptions/{0}/resourceGroups/{1}/providers/Microsoft.ContainerRegistry/registries/{2}"
SUBSCRIPTION_1, SUBSCRIPTION_2 = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
DEV_ID = RESOURCES.format(SUBSCRIPTION_1, "rg-registries", DEV)
VAULT_ID = RESOURCES.format(SUBSCRIPTION_1, "rg-registries", "contosovault")
SHARED_ID = RESOURCES.format(SUBSCRIPTION_2, "rg-shared", "contososhared")
HELLO = "docker.io/library/hello-world:latest"
VENDOR = [
    {"registry": BASIC, "username": "vendor", "password": "vendorpass"},
    {"registry": BEARER, "username": "vendor", "password": "vendorpass"},
]

Call = Callable[..., Run]


def actions(run: Run) -> dict[str, str]:
    """What was done to each ``repository:tag`` (or ``@digest``)."""
    return {result["image"].partition("/")[2]: result["action"] for result in run.result["results"]}


def errors(run: Run) -> dict[str, str]:
    """What failed, each with its sentence."""
    failed = [result for result in run.result["results"] if result["action"] == "failed"]
    assert len(failed) == len({result["error"] for result in failed}), "two failures read the same"
    return {result["image"].partition("/")[2]: result["error"] for result in failed}


def refused(run: Run, *words: str) -> None:
    """The run failed with one clear sentence that has these words."""
    assert run.rc == 2 and "\n" not in run.result["msg"] and "Traceback" not in run.output, run.output
    for word in words:
        assert word in run.result["msg"], run.result["msg"]


# ---- sign-in ----------------------------------------------------------------------------------------------------------


def test_pitfall_05_a_registry_that_refuses_tokens_for_resource_manager(sandbox: Sandbox, acr_import: Call) -> None:
    policy = {"policies": {"azureADAuthenticationAsArmPolicy": {"status": "disabled"}}}
    sandbox.patch_registry("contosoprod", properties=policy)
    run = acr_import(source=HELLO, target="t/app:1")
    assert run.rc == 0 and run.result["changed"], run.output
    assert {entry["status"] for entry in sandbox.log(class_="exchange")} == {200}
    refusing = acr_import(source=HELLO, target="t/app:1", registry_audience=ARM_URL)
    refused(refusing, "contosoprod.azurecr.test does not accept this sign-in", "registry_audience")


def test_pitfall_05_a_registry_with_an_audience_of_its_own(sandbox: Sandbox) -> None:
    own = "https://registry.edge.azure.test"
    sandbox.patch_registry(DEV, flags={"audience": own})
    args = {"registry": DEV, "repository": "aci-helloworld", "tag": "v1"}
    refused(run_module("acr_manifest_info", args, sandbox.env), f"{DEV_HOST} does not accept", "registry_audience")
    run = run_module("acr_manifest_info", {**args, "registry_audience": own}, sandbox.env)
    assert run.rc == 0, run.output
    assert run.result["manifests"][0]["digest"] == sandbox.tags(DEV, "aci-helloworld")["v1"]


def test_pitfall_06_a_registry_with_rights_by_repository(sandbox: Sandbox, acr_mirror: Call) -> None:
    """One token is asked for all repositories; those it does not cover fail alone. The catalog is a right of its own."""
    roles = ["Contributor", "Container Registry Repository Reader"]
    sandbox.patch_principal("contributor", grants={"contosoprod": roles, DEV: roles})
    sandbox.patch_registry(DEV, properties=ABAC, abac_repositories={CONTRIBUTOR: ["team/*", "aci-helloworld"]})
    sandbox.patch_registry("contosoprod", properties=ABAC)
    images = [
        {"source": f"{DEV_HOST}/team/app", "tags": {"semver": "1.0.x"}},
        {"source": f"{DEV_HOST}/aci-helloworld:v1"},
        {"source": f"{DEV_HOST}/signed/app:1.0"},
        {"source_registry": DEV, "repositories": {"include": ["charts/*"]}},
    ]
    run = acr_mirror(images)
    failed = errors(run)
    assert set(failed) == {"signed/app:1.0", "*:*"}, run.output
    assert "Container Registry Repository Reader" in failed["signed/app:1.0"]
    assert "Container Registry Repository Catalog Lister" in failed["*:*"]
    assert len(sandbox.tags("contosoprod", "team/app")) == 10
    assert list(sandbox.tags("contosoprod", "aci-helloworld")) == ["v1"]


@pytest.mark.parametrize(
    "tokens",
    [
        {"access_seconds": 2},
        {"refresh_seconds": 3, "access_seconds": 2},
        {"arm_seconds": 3},
        {"arm_seconds": 3, "refresh_seconds": 3, "access_seconds": 2},
    ],
    ids=["access tokens", "refresh tokens", "sign-in", "all"],
)
def test_pitfall_07_tokens_that_end_in_a_long_wait_are_renewed(
    sandbox: Sandbox, acr_import: Call, tokens: dict[str, int]
) -> None:
    sandbox.knobs(tokens=tokens, import_seconds=4.5, retry_after=1)
    run = acr_import(source=HELLO, target="t/app:1")
    assert run.rc == 0 and run.result["changed"], run.output
    assert list(sandbox.tags("contosoprod", "t/app")) == ["1"]
    started = next(entry["n"] for entry in sandbox.log(class_="import"))
    registry = "contosoprod.azurecr.test"
    renewed = {entry["class"] for entry in sandbox.log(since=started, host=registry, status=200)}
    signed = sandbox.log(since=started, host="login.azure.test", class_="token")
    if "access_seconds" in tokens:
        assert "token" in renewed
    if "refresh_seconds" in tokens:
        assert "exchange" in renewed
    if "arm_seconds" in tokens:
        assert signed


CLAIMS = base64.urlsafe_b64encode(b'{"access_token":{"acrs":{"essential":true,"values":["p1"]}}}').decode()
EXPIRED = {"error": {"code": "ExpiredAuthenticationToken", "message": "The access token expiry UTC time has passed."}}
REFUSED = {
    "expired": {"body": json.dumps(EXPIRED)},
    "claims": {"body": "", "headers": {"WWW-Authenticate": f'Bearer realm="", error="insufficient_claims", claims="{CLAIMS}"'}},
}


@pytest.mark.parametrize(("class_", "why"), [("arm_read", "expired"), ("import", "expired"), ("import", "claims")])
def test_pitfall_07_a_token_that_azure_refuses_before_its_time(
    sandbox: Sandbox, acr_import: Call, class_: str, why: str
) -> None:
    """If this machine's clock jumped, or more proof is wanted, Azure's word counts, and the sign-in is renewed once."""
    action = {"status": 401, **REFUSED[why]}
    sandbox.knobs(faults=[{"match": {"host": "management", "class": class_}, "action": action, "times": 1}])
    run = acr_import(source=HELLO, target="t/app:1")
    assert run.rc == 0 and run.result["changed"], run.output
    assert len(sandbox.operations()) == 1
    assert [entry["status"] for entry in sandbox.log(class_=class_)][0] == 401


def test_pitfall_07_a_sign_in_that_is_revoked_in_the_middle_of_a_run(sandbox: Sandbox) -> None:
    """What has landed is told with its digest, what is left has the failed sign-in's sentence, and nothing new is started."""
    # Azure Resource Manager takes three imports, and no more for two seconds; each of its requests signs in anew.
    sandbox.knobs(limits={"arm_writes": {"capacity": 3, "refill": 0.5}}, tokens={"arm_seconds": 60})
    revoked: list[bool] = []

    def revoke() -> bool:
        if not revoked and len(sandbox.operations()) == 3:
            sandbox.patch_principal("contributor", secrets=[])
            revoked.append(True)
        return False

    args = {"registry": "contosoprod", "images": [{"source": f"{DEV_HOST}/team/app", "tags": {"semver": ">=3.5"}}]}
    run = run_module("acr_mirror", args, sandbox.env, until=revoke)
    assert run.rc == 2 and run.result["changed"] is True, run.output
    held = sandbox.tags("contosoprod", "team/app")
    found = {result["image"].partition(":")[2]: result for result in run.result["results"]}
    assert len(found) == 50 and len(held) == 15  # five tags share an import
    assert {tag: result["digest"] for tag, result in found.items() if result["action"] == "import"} == held
    failed = {result["error"] for result in found.values() if result["action"] == "failed"}
    assert len(failed) == 1 and failed.pop().startswith("Signing in to https://login.azure.test with "), run.output
    assert run.result["summary"]["failed"] == 35 and len(sandbox.operations()) == 3


def test_pitfall_07_a_password_that_ends_before_azure_uses_it(sandbox: Sandbox, acr_mirror: Call) -> None:
    """Amazon's registries give passwords for twelve hours: read with it here, refused to Azure later."""
    sandbox.knobs(retry_after=1, import_faults=[{"source": "vendor/agent", "text": "unauthorized"}])
    images = [{"source": f"{BASIC}/vendor/agent:2.3"}, {"source": f"{BASIC}/vendor/tool:1.0"}]
    run = acr_mirror(images, credentials=VENDOR)
    assert actions(run) == {"vendor/agent:2.3": "failed", "vendor/tool:1.0": "import"}, run.output
    sentence = errors(run)["vendor/agent:2.3"]
    assert f"{BASIC} doesn't let Azure read {BASIC}/vendor/agent" in sentence and "has expired" in sentence


def test_pitfall_08_token_requests_that_are_refused_do_not_end_the_run(sandbox: Sandbox, acr_mirror: Call) -> None:
    """Some twenty az acr import in a row end at the registry's limit of sign-ins. Here one sign-in serves the whole list,
    and a refused one is asked again."""
    action = {"status": 429, "headers": {"Retry-After": "1"}, "body": "{}"}
    sandbox.knobs(
        faults=[{"match": {"class": kind, "host": "azurecr"}, "action": action, "times": 2} for kind in ("exchange", "token")]
    )
    run = acr_mirror([{"source": f"{DEV_HOST}/team/app", "tags": {"semver": "1.x"}}])  # 100 tags
    assert run.rc == 0 and set(actions(run).values()) == {"import"}, run.output
    signed_in = [(entry["host"], entry["status"]) for entry in sandbox.log(class_="exchange")]
    assert len([status for _host, status in signed_in if status == 200]) == 2  # source and target
    assert 429 in {status for _host, status in signed_in} & {entry["status"] for entry in sandbox.log(class_="token")}


# ---- the sources' own ways --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("entries", [True, False], ids=["with the targets' names", "without"])
def test_pitfall_12_an_import_that_stays_pending(sandbox: Sandbox, acr_import: Call, entries: bool) -> None:
    sandbox.knobs(import_faults=[{"source": "hello-world", "text": "pending_forever", "entries": entries}], retry_after=1)
    run = acr_import(source=HELLO, target="t/app:1", timeout=8)
    refused(run, "contosoprod.azurecr.test/t/app:1", "pending", "Running again is safe")


def test_pitfall_12_a_password_of_4000_characters(sandbox: Sandbox, acr_mirror: Call) -> None:
    """A service account's key file as the password, as Google's registry takes it."""
    key = json.dumps({"type": "service_account", "private_key": secrets.token_hex(1960)})
    assert len(key) > 3950
    for host in ("basic.vendor.test", "bearer.vendor.test"):
        sandbox.patch_upstream(host, users={"_json_key": key})
    images = [{"source": f"{BASIC}/vendor/tool:1.0"}, {"source": f"{BEARER}/vendor/agent:2.3"}]
    credentials = [{"registry": host, "username": "_json_key", "password": key} for host in (BASIC, BEARER)]
    run = acr_mirror(images, credentials=credentials)
    assert run.rc == 0 and len(actions(run)) == 2, run.output


def test_pitfall_13_registries_without_digests_and_manifests_that_nobody_reads(sandbox: Sandbox, acr_mirror: Call) -> None:
    sandbox.patch_upstream("basic.vendor.test", flags={"head_refused": True})
    sandbox.patch_upstream("bearer.vendor.test", flags={"no_digest_header": True})
    sandbox.push(HUB, "pitfall/old", ["1"], kind="schema1")
    images = [
        {"source": f"{BASIC}/vendor/tool:1.0"},
        {"source": f"{BEARER}/vendor/agent:2.3"},
        {"source": "docker.io/pitfall/old:1"},
    ]
    checked = acr_mirror(images, "--check", credentials=VENDOR)
    assert actions(checked)["vendor/agent:2.3"] == "import", "the digest is computed where the registry does not say it"
    run = acr_mirror(images, credentials=VENDOR)
    failed = errors(run)
    assert actions(run)["vendor/tool:1.0"] == "import" and len(failed) == 2, run.output
    assert f"{BEARER} doesn't send the Docker-Content-Digest header" in failed["vendor/agent:2.3"]
    assert "retired Docker schema 1" in failed["pitfall/old:1"]


def test_pitfall_14_challenges_and_tokens_of_other_shapes(sandbox: Sandbox, acr_mirror: Call) -> None:
    """A scope that names no repository (Amazon's public registry), one with several repositories; a token under one of its
    two names only."""
    both = "repository:library/hello-world:pull repository:library/busybox:pull"
    sandbox.patch_upstream("bearer.vendor.test", flags={"challenge_scope": "aws", "token_key": "token"})
    sandbox.patch_upstream(HUB, flags={"challenge_scope": both, "token_key": "access_token"})
    images = [{"source": f"{BEARER}/vendor/agent:2.3"}, {"source": HELLO}, {"source": "docker.io/library/busybox:1.36"}]
    run = acr_mirror(images, credentials=VENDOR)
    assert run.rc == 0 and len(actions(run)) == 3, run.output


def test_pitfall_15_a_tag_of_the_digest_that_is_the_image_itself(sandbox: Sandbox, acr_import: Call) -> None:
    """GitLab resolves sha256-<hex> to the image: what that lists are platforms, and no referrers."""
    index = sandbox.tags(HUB, "library/hello-world")["1.0"]
    sandbox.set_tag(HUB, "library/hello-world", index.replace(":", "-"), index)
    try:
        run = acr_import(source="docker.io/library/hello-world:1.0", referrers=True)
    finally:
        sandbox.set_tag(HUB, "library/hello-world", index.replace(":", "-"))
    assert run.rc == 0 and [t["image"] for t in run.result["targets"]] == [
        "contosoprod.azurecr.test/library/hello-world:1.0"
    ], run.output


def test_pitfall_16_the_names_of_a_source(sandbox: Sandbox, acr_mirror: Call) -> None:
    """Ports, Docker Hub's many names, upper case in hosts; the default target never has the host in it."""
    names = ["hello-world", "library/hello-world"]
    hosts = ["docker.io", "index.docker.io", "registry-1.docker.io", "Docker.IO"]
    spellings = [f"{host}/{name}:1.0" for host in hosts for name in names]
    images = [{"source": source, "target": [f"same/number-{n}:1"]} for n, source in enumerate(spellings)]
    images += [
        {"source": "docker.io/hello-world"},
        {"source": "index.docker.io/library/hello-world:1.0"},
        {"source": "mcr.microsoft.com/dotnet/runtime:8.0"},
        {"source": "Bearer.Vendor.TEST:8443/vendor/agent:2.3"},
    ]
    run = acr_mirror(images, credentials=VENDOR)
    assert run.rc == 0, run.output
    assert set(actions(run)) == {
        *(f"same/number-{n}:1" for n in range(len(spellings))),
        "library/hello-world:latest",
        "library/hello-world:1.0",
        "dotnet/runtime:8.0",
        "vendor/agent:2.3",
    }
    bodies = [operation["body"] for operation in sandbox.operations()]
    assert {body["source"]["registryUri"] for body in bodies} == {"docker.io", "mcr.microsoft.com", BEARER}
    [shared] = [body for body in bodies if "same/number-0:1" in body["targetTags"]]
    assert len(shared["targetTags"]) == len(spellings) + 1
    refused(acr_mirror([{"source": "docker.io/Library/Nginx:1"}]), "must be lowercase")


def test_pitfall_17_a_throttled_source_is_tried_again_while_the_others_go_on(sandbox: Sandbox, acr_mirror: Call) -> None:
    sandbox.knobs(retry_after=1, import_faults=[{"source": "docker.io", "text": "throttled", "times": 2}])
    images = [
        {"source": "docker.io/library/busybox:1.36"},
        {"source": "docker.io/library/hello-world:1.0"},
        {"source": f"{DEV_HOST}/team/app", "tags": {"semver": "1.x"}},
    ]
    run = acr_mirror(images)
    assert run.rc == 0 and set(actions(run).values()) == {"import"}, run.output
    hub = [o for o in sandbox.operations() if o["body"]["source"].get("registryUri") == "docker.io"]
    refused = [o for o in hub if o["status"] == "Failed"]
    assert len(refused) == 2 and len(hub) == 4 and all("HAP429" in str(o["error"]) for o in refused)
    # Nobody waited for them.
    again = min(o["started"] for o in hub if o["started"] > max(r["finished"] for r in refused))
    others = [o for o in sandbox.operations() if o not in hub]
    assert len(others) == 20 and all(o["finished"] < again for o in others)


def test_pitfall_17_what_a_source_says_to_azure(sandbox: Sandbox, acr_mirror: Call) -> None:
    """Azure repeats it in the failure's text. A limit passes, whatever its status, and is tried again. So is what the source
    refuses though it was read here, once: a token may have ended while Azure copied, and reads like a wrong password."""
    limit = 'Invalid message Forbidden Forbidden {"errors":[{"code":"TOOMANYREQUESTS","message":"pull rate limit"}]}'
    sandbox.knobs(
        retry_after=1,
        import_faults=[
            {"source": "hello-world", "text": limit, "times": 1},
            {"source": "busybox", "text": "unauthorized", "times": 1},
            {"source": "tensorflow", "text": "unauthorized"},
        ],
    )
    images = ["library/hello-world:latest", "library/busybox:1.36", "tensorflow/tensorflow:latest-gpu"]
    run = acr_mirror([{"source": f"docker.io/{image}"} for image in images])
    assert actions(run) == dict(zip(images, ["import", "import", "failed"])), run.output
    assert errors(run)[images[2]].startswith(f"docker.io doesn't let Azure read docker.io/{images[2]}")
    assert len(sandbox.operations()) == 6


def test_pitfall_18_credentials_beside_source_registry_win(sandbox: Sandbox, acr_import: Call) -> None:
    run = acr_import(
        source_registry=SHARED_ID,
        source="samples/aci-helloworld:latest",
        source_username=READER,
        source_password=READER_SECRET,
    )
    assert run.rc == 0, run.output
    source = sandbox.operations()[-1]["body"]["source"]
    assert source["registryUri"] == "contososhared.azurecr.test" and "resourceId" not in source
    assert source["credentials"] == {"username": READER, "password": READER_SECRET}
    assert "the credentials are used" in " ".join(run.result["warnings"])


# ---- rights and firewalls ---------------------------------------------------------------------------------------------


def test_pitfall_19_not_found_that_is_no_permission(sandbox: Sandbox) -> None:
    """With push and pull alone (AcrPush) an account does not see the registry in Resource Manager."""
    pusher = sandbox.create_principal("pusher", grants={"contosoprod": ["AcrPush"]})
    signed_in = {"client_id": pusher["client_id"], "secret": pusher["secret"]}
    run = run_module("acr_import", {"registry": "contosoprod", "source": HELLO, **signed_in}, sandbox.env)
    refused(run, "There is no registry contosoprod", "that this account can see", "Reader on the registry", pusher["client_id"])


def test_pitfall_19_a_source_that_the_account_may_not_read(sandbox: Sandbox) -> None:
    """Nor see, which for imports by resource ID is no obstacle where it may pull."""
    images = [
        {"source": f"{DEV_HOST}/aci-helloworld:v1", "target": ["read/here:1"]},
        {"source_registry": DEV_ID, "source": "aci-helloworld:v1", "target": ["read/by-azure:1"], "verify": False},
    ]
    env = {k: v for k, v in sandbox.env_as("importer").items() if k != "AZURE_SUBSCRIPTION_ID"}
    run = run_module("acr_mirror", {"registry": "contosoprod", "images": images}, env)
    failed = errors(run)
    assert set(failed) == {"read/here:1", "read/by-azure:1"}, run.output
    # Without any role there, the registry gives no token at all.
    assert f"{DEV_HOST} does not accept this sign-in" in failed["read/here:1"] and "AcrPull" in failed["read/here:1"]
    assert DEV_ID in failed["read/by-azure:1"] and "Reader or AcrPull" in failed["read/by-azure:1"]
    imports = ["Container Registry Data Importer and Data Reader"]
    sandbox.patch_principal("importer", grants={"contosoprod": imports, DEV: ["AcrPull"]})
    images = [{"source_registry": DEV_ID, "source": "aci-helloworld:v1"}]
    run = run_module("acr_mirror", {"registry": "contosoprod", "images": images}, env)
    assert run.rc == 0 and actions(run) == {"aci-helloworld:v1": "import"}, run.output


def test_pitfall_20_a_source_behind_a_firewall(sandbox: Sandbox, acr_mirror: Call) -> None:
    """Azure names the target. By login server the resource ID is found, which trusted services need; with a user name and
    password Azure comes from outside."""
    sandbox.knobs(retry_after=1)
    private = {"source": "contosovault.azurecr.test/secret/app:1.0", "verify": False}
    images = [
        {**private, "target": ["by/login-server:1"]},
        {**private, "target": ["by/principal:1"], "source_username": READER, "source_password": READER_SECRET},
    ]
    run = acr_mirror(images)
    assert actions(run) == {"by/login-server:1": "import", "by/principal:1": "failed"}, run.output
    by_id = [o["body"]["source"].get("resourceId") for o in sandbox.operations() if o["status"] == "Succeeded"]
    assert by_id == [VAULT_ID]
    sentence = errors(run)["by/principal:1"]
    assert sentence.startswith("The firewall of the source registry contosovault.azurecr.test blocks"), sentence
    assert "source_registry without user name and password" in sentence

    sandbox.patch_registry("contosovault", properties={"networkRuleBypassOptions": "None"})
    untrusted = acr_mirror([{**private, "target": ["by/nobody:1"]}])
    sentence = errors(untrusted)["by/nobody:1"]
    assert sentence.startswith("The firewall of the source registry contosovault.azurecr.test") and "acr_trusted_services" in sentence


def test_pitfall_20_a_target_behind_a_firewall(sandbox: Sandbox, acr_import: Call) -> None:
    """Of two firewalls the one that refuses is named."""
    sandbox.knobs(retry_after=1)
    closed = {"publicNetworkAccess": "Disabled", "networkRuleBypassOptions": "None"}
    sandbox.patch_registry("contosoprod", properties=closed)
    refused(acr_import(source=HELLO), "The firewall of contosoprod.azurecr.test refuses this machine", "verify: false")
    assert not sandbox.operations()


def test_pitfall_21_repositories_under_a_cache_rule(sandbox: Sandbox, acr_mirror: Call) -> None:
    sandbox.knobs(retry_after=1)
    sandbox.patch_registry("contosoprod", cache_rules={"cached/*": "docker.io/library/*", "one/cached": "docker.io/x"})
    images = [{"source": HELLO, "target": ["cached/hello:1", "one/cached:1", "free/hello:1"]}]
    run = acr_mirror(images)
    assert actions(run) == {"cached/hello:1": "failed", "one/cached:1": "failed", "free/hello:1": "import"}, run.output
    for image, sentence in errors(run).items():
        assert sentence.startswith(f"contosoprod.azurecr.test/{image} is in a repository with a cache rule"), sentence


def test_pitfall_22_locks_are_named_and_the_others_go_on(sandbox: Sandbox, acr_mirror: Call) -> None:
    sandbox.knobs(retry_after=1)
    old = sandbox.tags(DEV, "aci-helloworld")
    names = ["tag", "manifest", "repository", "again", "free"]
    first = acr_mirror([{"source": f"{DEV_HOST}/aci-helloworld:v1", "target": [f"lock/{name}:1" for name in names]}])
    assert first.rc == 0, first.output
    sandbox.lock("contosoprod", "lock/tag", tag="1", writeEnabled=False)
    sandbox.push("contosoprod", "lock/manifest", ["2"], kind="index", seed=12, name="aci-helloworld")
    sandbox.lock("contosoprod", "lock/manifest", digest=old["v2"], writeEnabled=False)
    sandbox.lock("contosoprod", "lock/repository", writeEnabled=False)
    sandbox.lock("contosoprod", "lock/again", tag="1", writeEnabled=False)
    update = [{"source": f"{DEV_HOST}/aci-helloworld:v2", "target": [f"lock/{name}:1" for name in names if name != "again"]}]
    again = [{"source": f"{DEV_HOST}/aci-helloworld:v1", "target": ["lock/again:1"], "if_exists": "reimport"}]
    run = acr_mirror([*update, *again])
    assert actions(run) == {f"lock/{name}:1": "update" if name == "free" else "failed" for name in names}, run.output
    for image, sentence in errors(run).items():
        assert f"{image} is locked" in sentence and "if_exists: keep" in sentence
    assert {name: sandbox.tags("contosoprod", f"lock/{name}")["1"] for name in names} == {
        name: old["v2"] if name == "free" else old["v1"] for name in names
    }


def test_pitfall_23_within_one_repository(sandbox: Sandbox, acr_import: Call) -> None:
    """A tag moves to another image of the same repository: nothing is copied, and the second run is quiet."""
    old = sandbox.push("contosoprod", "move/app", ["1", "production"], seed=1)["digest"]
    new = sandbox.push("contosoprod", "move/app", ["2"], seed=2)["digest"]
    args = {"source": "contosoprod.azurecr.test/move/app:2", "target": "move/app:production"}
    first, second = acr_import(**args), acr_import(**args)
    assert first.rc == 0 and first.result["targets"][0]["action"] == "update", first.output
    assert sandbox.operations()[0]["body"]["mode"] == "Force"
    assert sandbox.tags("contosoprod", "move/app") == {"1": old, "2": new, "production": new}
    assert set(sandbox.manifests("contosoprod", "move/app")) == {old, new}
    assert second.rc == 0 and not second.result["changed"] and len(sandbox.operations()) == 1


# ---- the way there ----------------------------------------------------------------------------------------------------


def test_pitfall_27_a_proxy_that_opens_tls(sandbox: Sandbox) -> None:
    """All that is asked goes through the environment's proxy, which answers with certificates of its own: sign-in, Resource
    Manager by requests and by the SDK, registries and their token services."""
    env = {name: value for name, value in sandbox.env.items() if name not in ("SSL_CERT_FILE", "https_proxy", "no_proxy")}
    run = run_module("acr_import", {"registry": "contosoprod", "source": HELLO}, env)
    assert run.rc == 0 and run.result["changed"], run.output
    assert {entry["host"] for entry in sandbox.log()} == {
        "login.azure.test",
        "management.azure.test",
        "contosoprod.azurecr.test",
        "registry-1.docker.io",
        "auth.docker.io",
    }


def test_pitfall_27_a_certificate_that_is_not_trusted(sandbox: Sandbox, acr_import: Call) -> None:
    run = acr_import(source=HELLO, env={"REQUESTS_CA_BUNDLE": "/etc/ssl/certs/ca-certificates.crt"})
    refused(run, "isn't trusted", "REQUESTS_CA_BUNDLE")


def test_pitfall_27_a_proxy_that_is_not_there(sandbox: Sandbox, acr_import: Call) -> None:
    run = acr_import(source=HELLO, env={"HTTPS_PROXY": "http://127.0.0.1:1", "https_proxy": "http://127.0.0.1:1"})
    refused(run, "The proxy that leads to management.azure.test can't be reached")
