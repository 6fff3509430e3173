# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Resource Manager: registries, limits, and imports, through azure-mgmt-containerregistry and plain requests."""
from __future__ import annotations

import re
import time
import uuid
from typing import Any

import pytest
import requests
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.mgmt.containerregistry import ContainerRegistryManagementClient

from tests.sandbox.handle import ARM_URL as ARM
from tests.sandbox.handle import PRINCIPALS, SUBSCRIPTION, AdminError, Sandbox
from tests.sandbox.tenants import object_id
from tests.unit.sandbox.clients import DEV_ID as DEV
from tests.unit.sandbox.clients import FROM_DEV, FROM_HUB, VERSION, Imports, bearer, credential
from tests.unit.sandbox.clients import PROD_ID as PROD


@pytest.fixture
def client(sandbox: Sandbox) -> ContainerRegistryManagementClient:
    return ContainerRegistryManagementClient(
        credential(), SUBSCRIPTION, base_url=ARM, credential_scopes=[f"{ARM}/.default"], polling_interval=0.05
    )


@pytest.fixture
def imports(http: requests.Session) -> Imports:
    return Imports(http)


def failure(answer: requests.Response, status: int = 400, code: str = "InvalidParameters") -> str:
    """The text of a failed operation, checked for the shape around it."""
    body = answer.json()
    assert (answer.status_code, body["status"], body["error"]["code"]) == (status, "Failed", code)
    head, text = body["error"]["message"].split(f" failed. Resource {PROD} ")
    assert head.startswith("Operation registries-")
    return text


# ---- registries -------------------------------------------------------------------------------------------------


def test_registries_are_served_in_some_api_versions_only(sandbox: Sandbox, http: requests.Session) -> None:
    def show(version: str) -> requests.Response:
        return http.get(ARM + PROD, params={"api-version": version}, headers=bearer())

    refused = show("2026-11-01")
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "NoRegisteredProviderFound")
    assert "for type 'registries'. The supported api-versions are '2017-10-01, " in refused.json()["error"]["message"]
    sandbox.knobs(api_versions=["2023-07-01", "2026-11-01"])
    assert show("2025-11-01").status_code == 400 and show("2026-11-01").headers["api-supported-versions"] == "2023-07-01, 2026-11-01"

    def shown(version: str) -> tuple[bool, bool, bool]:
        properties = show(version).json()["properties"]
        return "publicNetworkAccess" in properties, "roleAssignmentMode" in properties, "softDeletePolicy" in properties["policies"]

    assert shown("2023-07-01") == (True, False, False) and shown("2026-11-01") == (True, True, True)
    sandbox.knobs(api_versions=["2025-11-01", "2026-09-01-preview"])
    assert shown("2025-11-01") == (True, True, False) and shown("2026-09-01-preview") == (True, True, True)


def test_registries_are_found_listed_and_patched(client: ContainerRegistryManagementClient) -> None:
    registry = client.registries.get("rg-registries", "contosoprod")
    assert (registry.id, registry.login_server, registry.sku.name) == (PROD, "contosoprod.azurecr.test", "Premium")
    names = {r.name for r in client.registries.list()}
    assert {"contosoprod", "contosodev", "contosovault", "contosolabel"} <= names
    assert "contososhared" not in names
    patched = client.registries.begin_update(
        "rg-registries", "contosoprod", {"properties": {"networkRuleBypassOptions": "None"}}
    ).result()
    assert patched.network_rule_bypass_options == "None"
    assert client.registries.get("rg-registries", "contosoprod").public_network_access == "Enabled"
    with pytest.raises(ResourceNotFoundError, match="ResourceNotFound"):
        client.registries.get("rg-registries", "nosuchregistry")
    with pytest.raises(ResourceNotFoundError, match="ResourceGroupNotFound"):
        client.registries.get("rg-none", "contosoprod")


def test_a_registry_is_made_and_deleted(
    sandbox: Sandbox, http: requests.Session, client: ContainerRegistryManagementClient, imports: Imports
) -> None:
    wanted: Any = {"location": "westeurope", "sku": {"name": "Premium"}, "properties": {"adminUserEnabled": True}}
    made = client.registries.begin_create("rg-registries", "contosonew", wanted).result()
    assert (made.login_server, made.sku.name, made.admin_user_enabled) == ("contosonew.azurecr.test", "Premium", True)
    assert len(client.registries.list_credentials("rg-registries", "contosonew").passwords) == 2
    new = PROD.replace("contosoprod", "contosonew")

    def refused(method: str, principal: str) -> tuple[int, str]:
        answer = http.request(method, ARM + new, params=VERSION, json=wanted, headers=bearer(principal))
        return answer.status_code, answer.json()["error"]["code"]

    assert refused("PUT", "contributor") == (409, "AlreadyInUse")
    assert refused("PUT", "reader") == refused("DELETE", "reader") == (403, "AuthorizationFailed")
    body = {"source": FROM_DEV, "targetTags": ["a:1"]}
    started = http.post(f"{ARM}{new}/importImage", params=VERSION, json=body, headers=imports.headers)
    assert imports.follow(started).status_code == 200 and set(sandbox.tags("contosonew", "a")) == {"1"}
    client.registries.begin_delete("rg-registries", "contosonew").result()
    with pytest.raises(ResourceNotFoundError, match="ResourceNotFound"):
        client.registries.get("rg-registries", "contosonew")
    assert "contosonew" not in {r.name for r in client.registries.list()}


@pytest.mark.parametrize("state", ["Updating", "Creating"])
def test_a_patch_can_take_its_time(
    sandbox: Sandbox, http: requests.Session, client: ContainerRegistryManagementClient, state: str
) -> None:
    sandbox.knobs(patch_style="async", patch_state=state, import_seconds=0.3)
    body: dict[str, Any] = {"properties": {"networkRuleBypassOptions": "None"}}
    client.registries.begin_update("rg-registries", "contosoprod", body).result()
    assert client.registries.get("rg-registries", "contosoprod").network_rule_bypass_options == "None"
    sandbox.knobs(import_seconds=600)
    accepted = http.patch(ARM + PROD, params=VERSION, json=body, headers=bearer())
    assert (accepted.status_code, accepted.json()["properties"]["provisioningState"]) == (201, "Updating")
    place = accepted.headers["Azure-AsyncOperation"]
    assert place.startswith(f"{ARM}{PROD}/operationStatuses/registries-")
    running = http.get(place, headers=bearer())
    assert (running.status_code, running.json()) == (200, {"status": state})
    assert not {"Location", "Retry-After"} & ({*accepted.headers} | {*running.headers})


def test_only_a_patch_of_more_than_the_network_takes_its_time(sandbox: Sandbox, http: requests.Session) -> None:
    def status(body: dict[str, Any]) -> int:
        return http.patch(ARM + PROD, params=VERSION, json=body, headers=bearer()).status_code

    assert status({"properties": {"networkRuleBypassOptions": "None", "publicNetworkAccess": "Disabled"}}) == 200
    assert status({"properties": {"networkRuleBypassOptions": "None", "anonymousPullEnabled": True}}) == 201
    assert status({"tags": {"a": "b"}}) == 201
    sandbox.knobs(patch_style="at_once")
    assert status({"tags": {"a": "b"}}) == 200


def test_container_registry_s_own_404(sandbox: Sandbox, http: requests.Session) -> None:
    sandbox.knobs(not_found_style="provider")
    answer = http.get(ARM + PROD.replace("contosoprod", "nosuch"), params=VERSION, headers=bearer())
    assert (answer.status_code, answer.json()["status"]) == (404, "Failed")
    assert answer.json()["error"]["message"] == "The resource nosuch could not be found."
    assert "x-ms-failure-cause" not in answer.headers


def test_a_registry_says_how_its_roles_are_assigned(sandbox: Sandbox, http: requests.Session) -> None:
    def mode() -> str:
        answer = http.get(ARM + PROD, params=VERSION, headers=bearer())
        return answer.json()["properties"]["roleAssignmentMode"]

    assert mode() == "LegacyRegistryPermissions"
    sandbox.patch_registry("contosoprod", properties={"roleAssignmentMode": "AbacRepositoryPermissions"})
    assert mode() == "AbacRepositoryPermissions"


def test_errors_word_for_word(sandbox: Sandbox, http: requests.Session) -> None:
    def error(path: str, headers: dict[str, str]) -> tuple[int, dict[str, str]]:
        answer = http.get(ARM + path, params=VERSION, headers=headers)
        assert answer.headers["x-ms-failure-cause"] == "gateway"
        return answer.status_code, answer.json()["error"]

    contributor = bearer()
    assert error(PROD.replace("contosoprod", "nosuch"), contributor) == (
        404,
        {
            "code": "ResourceNotFound",
            "message": "The Resource 'Microsoft.ContainerRegistry/registries/nosuch' under resource group "
            "'rg-registries' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix",
        },
    )
    assert error(PROD.replace("rg-registries", "rg-none"), contributor) == (
        404,
        {"code": "ResourceGroupNotFound", "message": "Resource group 'rg-none' could not be found."},
    )
    importer = PRINCIPALS["importer"][1]
    who = f"The client '{importer}' with object id '{uuid.uuid5(uuid.UUID(importer), 'object')}'"
    assert error(DEV, bearer("importer")) == (
        403,
        {
            "code": "AuthorizationFailed",
            "message": f"{who} does not have authorization to perform action "
            f"'Microsoft.ContainerRegistry/registries/read' over scope '{DEV}' or the scope is invalid. If access was "
            "recently granted, please refresh your credentials.",
        },
    )
    sandbox.knobs(tokens={"arm_seconds": 0})
    status, expired = error(PROD, bearer())
    assert (status, expired["code"]) == (401, "ExpiredAuthenticationToken")
    moment = r"'\d+/\d+/2\d{3} \d+:\d\d:\d\d [AP]M'"
    text = rf"The access token expiry UTC time {moment} is earlier than current UTC time {moment}\."
    assert re.fullmatch(text, expired["message"])


def test_resources_by_type_and_name(sandbox: Sandbox, http: requests.Session) -> None:
    url = f"{ARM}/subscriptions/{SUBSCRIPTION}/resources"
    by_type = "resourceType eq 'Microsoft.ContainerRegistry/registries'"
    found = http.get(url, params={**VERSION, "$filter": by_type}, headers=bearer()).json()["value"]
    assert PROD in [r["id"] for r in found]
    assert "properties" not in found[0]
    both = f"{by_type} and name eq 'ContosoProd'"
    found = http.get(url, params={**VERSION, "$filter": both}, headers=bearer()).json()["value"]
    assert [r["name"] for r in found] == ["contosoprod"]
    bad = http.get(url, params={**VERSION, "$filter": "size gt 3"}, headers=bearer())
    assert (bad.status_code, bad.json()["error"]["code"]) == (400, "InvalidFilterInQueryString")


def test_rights_decide_what_is_seen(sandbox: Sandbox, http: requests.Session) -> None:
    listing = f"{ARM}/subscriptions/{SUBSCRIPTION}/providers/Microsoft.ContainerRegistry/registries"
    seen = http.get(listing, params=VERSION, headers=bearer("importer")).json()["value"]
    assert [r["name"] for r in seen] == ["contosoprod"]
    for principal, url in (("nobody", listing), ("nobody", ARM + PROD), ("importer", ARM + DEV)):
        answer = http.get(url, params=VERSION, headers=bearer(principal))
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "AuthorizationFailed")
        assert answer.headers["x-ms-failure-cause"] == "gateway"
    answer = http.patch(ARM + PROD, params=VERSION, json={}, headers=bearer("reader"))
    assert "'Microsoft.ContainerRegistry/registries/write' over scope '" + PROD in answer.json()["error"]["message"]


def test_tokens_are_checked(sandbox: Sandbox, http: requests.Session) -> None:
    def code(headers: dict[str, str], url: str = ARM + PROD) -> str:
        answer = http.get(url, params=VERSION, headers=headers)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith('Bearer authorization_uri="https://login.')
        return answer.json()["error"]["code"]

    assert code({}) == "AuthenticationFailed"
    good = bearer()
    assert code({"Authorization": good["Authorization"][:-8] + "AAAAAAAA"}) == "InvalidAuthenticationToken"
    acr = bearer(scope="https://containerregistry.azure.net/.default")
    assert code(acr) == "InvalidAuthenticationTokenAudience"
    assert code(good, "https://management.azure.com" + PROD) == "InvalidAuthenticationTokenAudience"
    assert code(bearer("fabrikam-puller")) == "InvalidAuthenticationTokenTenant"
    sandbox.knobs(tokens={"arm_seconds": 0})
    assert code(bearer()) == "ExpiredAuthenticationToken"


def test_reads_and_writes_have_their_own_buckets(sandbox: Sandbox, http: requests.Session, imports: Imports) -> None:
    sandbox.knobs(limits={"arm_reads": {"capacity": 2, "refill": 1}, "arm_writes": {"capacity": 1, "refill": 0.1}})
    reads = [http.get(ARM + PROD, params=VERSION, headers=imports.headers) for _n in range(3)]
    assert [r.status_code for r in reads] == [200, 200, 429]
    assert [r.headers["x-ms-ratelimit-remaining-subscription-reads"] for r in reads] == ["1", "0", "0"]
    assert reads[2].headers["Retry-After"] == "1"
    assert imports.post(FROM_DEV, "a:1").status_code == 202
    refused = imports.post(FROM_DEV, "a:2")
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "10")
    error = refused.json()["error"]
    assert error["code"] == "SubscriptionRequestsThrottled"
    assert "REGISTRIES/CONTOSOPROD/IMPORTIMAGE' exceeded the backend storage limit" in error["message"]
    sandbox.knobs(limits={"arm_deletes": {"capacity": 1, "refill": 0}})
    deletes = [http.delete(ARM + PROD + "x", params=VERSION, headers=imports.headers).status_code for _n in range(2)]
    assert deletes == [404, 429]
    # Another principal has buckets of its own.
    assert http.get(ARM + PROD, params=VERSION, headers=bearer("reader")).status_code == 200


def test_cloud_metadata(sandbox: Sandbox, http: requests.Session) -> None:
    one = http.get(f"{ARM}/metadata/endpoints?api-version=2022-09-01").json()
    assert one["authentication"]["loginEndpoint"] == "https://login.azure.test/"
    assert one["authentication"]["audiences"] == [ARM]
    assert one["suffixes"]["acrLoginServer"] == "azurecr.test"
    many = http.get("https://management.azure.com/metadata/endpoints?api-version=2019-05-01").json()
    assert [c["name"] for c in many] == ["AzureCloud", "AzureUSGovernment", "AzureChinaCloud"]
    documented = {
        "portal": "https://portal.azure.com",
        "authentication": {
            "loginEndpoint": "https://login.microsoftonline.com/",
            "audiences": ["https://management.core.windows.net/", "https://management.azure.com/"],
            "tenant": "common",
            "identityProvider": "AAD",
        },
        "media": "https://rest.media.azure.net",
        "graphAudience": "https://graph.windows.net/",
        "graph": "https://graph.windows.net/",
        "name": "AzureCloud",
        "suffixes": {
            "acrLoginServer": "azurecr.io",
            "storage": "core.windows.net",
            "keyVaultDns": "vault.azure.net",
            "sqlServerHostname": ".database.windows.net",
        },
        "batch": "https://batch.core.windows.net/",
        "resourceManager": "https://management.azure.com/",
    }
    assert {key: many[0][key] for key in documented} == documented


# ---- imports ----------------------------------------------------------------------------------------------------


def test_an_import_through_the_sdk_copies_everything(
    sandbox: Sandbox, client: ContainerRegistryManagementClient
) -> None:
    sandbox.knobs(retry_after=None)
    client.registries.begin_import_image(
        "rg-registries",
        "contosoprod",
        {"source": FROM_DEV, "targetTags": ["app/hello:1", "app/hello:2"], "mode": "NoForce"},
    ).result()
    digest = sandbox.tags("contosodev", "aci-helloworld")["v1"]
    assert sandbox.tags("contosoprod", "app/hello") == {"1": digest, "2": digest}
    children = sandbox.manifests("contosodev", "aci-helloworld")[digest]["children"]
    assert len(children) > 1
    assert set(sandbox.manifests("contosoprod", "app/hello")) == {digest, *children}
    with pytest.raises(HttpResponseError, match="contosoprod Tag app/hello:2 already exists in target registry."):
        client.registries.begin_import_image(
            "rg-registries", "contosoprod", {"source": FROM_DEV, "targetTags": ["app/hello:2"], "mode": "NoForce"}
        ).result()


def test_the_answers_of_an_import_byte_for_byte(sandbox: Sandbox, http: requests.Session, imports: Imports) -> None:
    sandbox.knobs(import_seconds=0.5)
    accepted = imports.post(FROM_DEV, "a:1", "b:2")
    assert (accepted.status_code, accepted.content, accepted.headers["Content-Length"]) == (202, b"", "0")
    assert accepted.headers["Retry-After"] == "10"
    assert "2025-11-01" in accepted.headers["api-supported-versions"].split(", ")
    assert "Azure-AsyncOperation" not in accepted.headers
    location = accepted.headers["Location"]
    start = f"{ARM}/subscriptions/{SUBSCRIPTION}/providers/Microsoft.ContainerRegistry/locations/WESTEUROPE/"
    assert location.startswith(start + "operationResults/registries-")
    assert len(location) > 2500
    early = http.get(location, headers=imports.headers)
    assert (early.status_code, early.content) == (202, b'{"status":"Accepted"}')
    sandbox.knobs(first_poll_seconds=0)
    pending = http.get(early.headers["Location"], headers=imports.headers)
    assert (pending.status_code, pending.content) == (
        202,
        b'{"a:1":"Pending","b:2":"Pending","status":"Accepted"}',
    )
    assert len({location, early.headers["Location"], pending.headers["Location"]}) == 3
    assert sandbox.tags("contosoprod", "a") == {}
    done = imports.follow(pending)
    assert (done.status_code, done.content) == (200, b'{"status":"Succeeded"}')
    assert "Location" not in done.headers
    assert not any("api-supported-versions" in poll.headers for poll in (early, pending, done))
    classes = [e["class"] for e in sandbox.log(host="management.azure.test")]
    assert classes[0] == "import" and set(classes[1:]) == {"import_poll"}
    tampered = http.get(location.replace("&s=", "&s=0"), headers=imports.headers)
    assert tampered.status_code == 403


def test_older_answers(sandbox: Sandbox, imports: Imports) -> None:
    sandbox.knobs(import_poll_style="2021")
    accepted = imports.post(FROM_DEV, "a:1")
    assert (accepted.content, "&t=" in accepted.headers["Location"]) == (b"null", False)
    assert imports.follow(accepted).status_code == 200
    sandbox.knobs(import_poll_style="at_once")
    at_once = imports.post(FROM_DEV, "a:2")
    assert (at_once.status_code, at_once.json()) == (200, {"status": "Succeeded"})


@pytest.mark.parametrize(
    ("source", "targets", "text"),
    [
        (
            {"registryUri": "https://docker.io/", "sourceImage": "library/hello-world:latest"},
            ["a:1"],
            "Invalid value https://docker.io/ for property parameters.Source.RegistryUri for resource name "
            "contosoprod. For more information, please visit https://aka.ms/acr/import.",
        ),
        (
            {"resourceId": DEV, "sourceImage": "a:1@sha256:" + "0" * 64},
            ["a:1"],
            "Invalid value a:1@sha256:" + "0" * 64 + " for property parameters.Source.SourceImage for resource name "
            "contosoprod. For more information, please visit https://aka.ms/acr/import.",
        ),
        (
            FROM_DEV,
            [],
            "Missing property parameters.TargetTags for the operation against the resource with name contosoprod",
        ),
    ],
)
def test_bad_parameters_fail_at_the_post(
    imports: Imports, source: dict[str, str], targets: list[str], text: str
) -> None:
    answer = imports.post(source, *targets)
    assert answer.status_code == 400
    assert answer.json() == {"error": {"code": "InvalidImportImageParameter", "message": text}, "status": "Failed"}


def test_force_overwrites_and_keeps_the_creation_time(
    sandbox: Sandbox, http: requests.Session, imports: Imports
) -> None:
    def tag() -> dict[str, str]:
        answer = http.get("https://contosoprod.azurecr.test/acr/v1/a/_tags/1", auth=PRINCIPALS["contributor"][1:])
        return answer.json()["tag"]

    assert imports.run(FROM_HUB, "a:1").status_code == 200
    before = tag()
    assert failure(imports.run(FROM_DEV, "a:1"), 409, "Conflict") == "Tag a:1 already exists in target registry."
    assert tag() == before
    assert imports.run(FROM_DEV, "a:1", mode="Force").status_code == 200
    after = tag()
    assert after["digest"] == sandbox.tags("contosodev", "aci-helloworld")["v1"] != before["digest"]
    assert after["createdTime"] == before["createdTime"] < after["lastUpdateTime"]


@pytest.mark.parametrize("at", ["poll", "post"])
@pytest.mark.parametrize(
    ("style", "status", "code", "text"),
    [
        ("2026", 409, "Conflict", "Tag a:1"),
        ("2026-400", 400, "Conflict", "Tag a:1"),
        ("2019", 400, "InvalidParameters", "a:1 Tag a:1"),
    ],
)
def test_how_azure_says_that_a_tag_exists(
    sandbox: Sandbox, imports: Imports, at: str, style: str, status: int, code: str, text: str
) -> None:
    sandbox.push("contosoprod", "a", ["1"])
    sandbox.knobs(tag_exists_style=style, tag_exists_at=at)
    answer = imports.post(FROM_DEV, "a:1")
    if at == "poll":
        answer = imports.follow(answer)
    assert failure(answer, status, code) == f"{text} already exists in target registry."


def test_untagged_targets(sandbox: Sandbox, imports: Imports) -> None:
    assert imports.run(FROM_DEV, untaggedTargetRepositories=["plain"]).status_code == 200
    assert sandbox.tags("contosoprod", "plain") == {}
    assert sandbox.tags("contosodev", "aci-helloworld")["v1"] in sandbox.manifests("contosoprod", "plain")


@pytest.mark.parametrize(
    ("source", "text"),
    [
        (
            {"resourceId": DEV, "sourceImage": "aci-helloworld:none"},
            "Unable to find manifest digest  Repo: contosodev.azurecr.test/aci-helloworld Tag: none Manifest: ",
        ),
        (
            {"registryUri": "docker.io", "sourceImage": "acme/private:latest"},
            "Invalid message Unauthorized Unauthorized {",
        ),
        (
            {
                "registryUri": "bearer.vendor.test:8443",
                "sourceImage": "vendor/tool:1.0",
                "credentials": {"username": "vendor", "password": "wrong"},
            },
            "Invalid message Unauthorized Unauthorized {",
        ),
        (
            {"registryUri": "fabrikam.azurecr.test", "sourceImage": "sourcerepo:tag"},
            "Access to contosoprod.azurecr.test denied.",
        ),
        (
            {"registryUri": "contosovault.azurecr.test", "sourceImage": "secret/app:1.0"},
            'Invalid message Forbidden Forbidden {"errors":[{"code":"DENIED","message":"client with IP ',
        ),
        ({"registryUri": "gone.test", "sourceImage": "a:1"}, "Invalid message No such host is known. (gone.test/a)"),
    ],
)
def test_sources_that_give_nothing(imports: Imports, source: dict[str, Any], text: str) -> None:
    assert failure(imports.run(source, "a:1")).startswith(text)


@pytest.mark.parametrize(
    "source",
    [
        {
            "registryUri": "docker.io",
            "sourceImage": "acme/private:latest",
            "credentials": {"username": "dockeruser", "password": "dockerpass"},
        },
        {
            "registryUri": "bearer.vendor.test:8443",
            "sourceImage": "vendor/tool:1.0",
            "credentials": {"username": "vendor", "password": "vendorpass"},
        },
        {
            "registryUri": "fabrikam.azurecr.test",
            "sourceImage": "sourcerepo:tag",
            "credentials": {"username": "pulltoken", "password": "pulltokenpass"},
        },
        {
            "registryUri": "fabrikam.azurecr.test",
            "sourceImage": "vendor/tool:1.0",
            "credentials": {
                "username": PRINCIPALS["fabrikam-puller"][1],
                "password": PRINCIPALS["fabrikam-puller"][2],
            },
        },
        {"resourceId": DEV.replace("contosodev", "contosovault"), "sourceImage": "secret/app:1.0"},
    ],
)
def test_sources_that_need_credentials_or_trust(sandbox: Sandbox, imports: Imports, source: dict[str, Any]) -> None:
    assert imports.run(source, "a:1").status_code == 200
    assert set(sandbox.tags("contosoprod", "a")) == {"1"}


def test_rights_to_import_and_to_read_the_source(http: requests.Session, imports: Imports) -> None:
    refused = Imports(http, "reader").post(FROM_DEV, "a:1")
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "AuthorizationFailed")
    assert "'Microsoft.ContainerRegistry/registries/importImage/action'" in refused.json()["error"]["message"]
    linked = Imports(http, "importer").post(FROM_DEV, "a:1")
    assert (linked.status_code, linked.json()["error"]["code"]) == (403, "LinkedAuthorizationFailed")
    importer = PRINCIPALS["importer"][1]
    assert linked.json()["error"]["message"] == (
        f"The client '{importer}' with object id '{uuid.uuid5(uuid.UUID(importer), 'object')}' has permission to perform "
        f"action 'Microsoft.ContainerRegistry/registries/importImage/action' on scope '{PROD}'; however, it does not have "
        f"permission to perform action 'read' on the linked scope(s) '{DEV}'."
    )
    assert Imports(http, "importer").run(FROM_HUB, "a:1").status_code == 200


def test_a_restricted_target_needs_the_bypass(sandbox: Sandbox, imports: Imports) -> None:
    sandbox.patch_registry("contosoprod", properties={"publicNetworkAccess": "Disabled"})
    assert imports.run(FROM_DEV, "a:1").status_code == 200
    sandbox.patch_registry("contosoprod", properties={"networkRuleBypassOptions": "None"})
    assert failure(imports.run(FROM_DEV, "a:2")).startswith("Invalid message Forbidden Forbidden")


def test_a_cache_rule_refuses_an_import(sandbox: Sandbox, imports: Imports) -> None:
    sandbox.patch_registry("contosoprod", cache_rules={"hub/*": "docker.io/library/*"})
    assert "cache rule hub/*" in failure(imports.run(FROM_DEV, "hub/x:1"))


@pytest.mark.parametrize("what", ["tag", "manifest", "repository"])
def test_a_forced_import_heeds_no_lock_and_keeps_it(sandbox: Sandbox, imports: Imports, what: str) -> None:
    assert imports.run(FROM_HUB, "a:1").status_code == 200
    hello, dev = sandbox.tags("contosoprod", "a")["1"], sandbox.tags("contosodev", "aci-helloworld")["v1"]
    assert imports.run(FROM_DEV, untaggedTargetRepositories=["a"]).status_code == 200
    where = {"tag": {"tag": "1"}, "manifest": {"digest": dev}, "repository": {}}[what]
    sandbox.lock("contosoprod", "a", **where, writeEnabled=False)
    sandbox.patch_registry("contosoprod", flags={"locks_under_force": [what]})
    assert "REGISTRY_DISALLOWED_OPERATION" in failure(imports.run(FROM_DEV, "a:1", mode="Force"))
    assert sandbox.tags("contosoprod", "a") == {"1": hello}
    sandbox.patch_registry("contosoprod", flags={"locks_under_force": []})
    assert imports.run(FROM_DEV, "a:1", mode="Force").status_code == 200
    assert sandbox.tags("contosoprod", "a") == {"1": dev}
    assert sandbox.lock("contosoprod", "a", **where)["writeEnabled"] is False


def test_an_import_without_force_into_what_is_locked(sandbox: Sandbox, imports: Imports) -> None:
    assert imports.run(FROM_HUB, "a:1").status_code == 200
    sandbox.lock("contosoprod", "a", writeEnabled=False)
    assert "REGISTRY_DISALLOWED_OPERATION" in failure(imports.run(FROM_DEV, "a:2"))
    sandbox.patch_registry("contosoprod", flags={"locks_without_force": []})
    assert imports.run(FROM_DEV, "a:2").status_code == 200


@pytest.mark.parametrize("where", ["contosoprod", SUBSCRIPTION])
@pytest.mark.parametrize(
    ("code", "status", "text"),
    [
        (
            "ScopeLocked",
            409,
            f"The scope '{PROD}' cannot perform write operation because following scope(s) are locked: '{PROD}'. Please "
            "remove the lock and try again.",
        ),
        ("ReadOnlyDisabledSubscription", 409, f"The subscription '{SUBSCRIPTION}' is disabled"),
        ("MissingSubscriptionRegistration", 409, "The subscription is not registered"),
        ("RequestDisallowedByPolicy", 403, "Resource 'contosoprod' was disallowed by policy."),
    ],
)
def test_registries_and_subscriptions_that_refuse_all_writes(
    sandbox: Sandbox, http: requests.Session, imports: Imports, where: str, code: str, status: int, text: str
) -> None:
    sandbox.knobs(refusals={where: code})
    for answer in (
        imports.post(FROM_DEV, "a:1"),
        http.patch(ARM + PROD, params=VERSION, json={"tags": {}}, headers=imports.headers),
    ):
        assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)
        assert answer.json()["error"]["message"].startswith(text)
    assert http.get(ARM + PROD, params=VERSION, headers=imports.headers).status_code == 200
    assert sandbox.operations() == []
    with pytest.raises(AdminError, match="refusals: one of ScopeLocked"):
        sandbox.knobs(refusals={where: "Whim"})


def test_at_most_50_manifests(sandbox: Sandbox, imports: Imports) -> None:
    for count, expected in ((50, 200), (51, 400)):
        sandbox.push("contosodev", "huge", [f"of-{count}"], kind="big_index", count=count)
        answer = imports.run({"resourceId": DEV, "sourceImage": f"huge:of-{count}"}, f"huge:{count}")
        assert answer.status_code == expected


@pytest.mark.parametrize("seconds", [None, 0, 3])
def test_what_an_import_says_of_when_to_ask_again(
    sandbox: Sandbox, http: requests.Session, imports: Imports, seconds: int | None
) -> None:
    sandbox.knobs(retry_after=seconds)
    accepted = imports.post(FROM_DEV, "a:1")
    pending = http.get(accepted.headers["Location"], headers=imports.headers)
    expected = None if seconds is None else str(seconds)
    assert (accepted.headers.get("Retry-After"), pending.headers.get("Retry-After")) == (expected, expected)


def test_how_long_an_import_takes(sandbox: Sandbox, imports: Imports) -> None:
    sandbox.knobs(import_seconds=1)
    assert imports.run(FROM_DEV, "a:1").status_code == 200
    [operation] = sandbox.operations()
    assert 1 <= operation["finished"] - operation["started"]


@pytest.mark.parametrize("digests", [0, 2])
def test_a_source_tag_that_keeps_moving(sandbox: Sandbox, digests: int) -> None:
    given = [sandbox.push("contosodev", "moving", [], seed=seed)["digest"] for seed in range(digests)]
    sandbox.push("contosodev", "moving", ["live"], seed=9)
    sandbox.move_tag("contosodev", "moving", "live", 0.02, given)
    seen: set[str] = set()
    end = time.monotonic() + 10
    while not (seen >= set(given) if given else len(seen) > 2):
        assert time.monotonic() < end
        seen.add(sandbox.tags("contosodev", "moving")["live"])
    assert seen <= set(sandbox.manifests("contosodev", "moving"))
    moves = sandbox.stop_moving("contosodev", "moving", "live")
    assert [digest for _moment, digest in moves] == [given[n % digests] for n in range(len(moves))] if given else not moves
    still = sandbox.tags("contosodev", "moving")["live"]
    time.sleep(0.1)
    assert sandbox.tags("contosodev", "moving")["live"] == still


@pytest.mark.parametrize("by", ["tag", "digest"])
def test_a_tag_that_moves_during_an_import(sandbox: Sandbox, imports: Imports, by: str) -> None:
    first = sandbox.push("contosodev", "moving", ["latest"], seed=1)["digest"]
    sandbox.knobs(import_seconds=0.6)
    image = "moving:latest" if by == "tag" else f"moving@{first}"
    accepted = imports.post({"resourceId": DEV, "sourceImage": image}, "moving:latest")
    second = sandbox.push("contosodev", "moving", ["latest"], seed=2)["digest"]
    assert imports.follow(accepted).status_code == 200
    expected = second if by == "tag" else first
    assert sandbox.tags("contosoprod", "moving") == {"latest": expected}
    assert (expected in sandbox.manifests("contosoprod", "moving")) == (by == "digest")


@pytest.mark.parametrize("visibility", ["early", "on_time", "late"])
def test_when_the_registry_shows_an_import(sandbox: Sandbox, imports: Imports, visibility: str) -> None:
    sandbox.knobs(import_seconds=2, visibility=visibility, late_seconds=1)
    assert imports.post(FROM_DEV, "a:1").status_code == 202
    early = late = shown = done = False
    end = time.monotonic() + 20
    while not (shown and done):
        assert time.monotonic() < end
        done = sandbox.operations()[-1]["status"] == "Succeeded"
        shown = "1" in sandbox.tags("contosoprod", "a")
        late |= done and not shown
        early |= shown and sandbox.operations()[-1]["status"] == "Accepted"
        time.sleep(0.02)
    assert (early, late) == (visibility == "early", visibility == "late")


def test_import_faults(sandbox: Sandbox, http: requests.Session, imports: Imports) -> None:
    sandbox.knobs(import_faults=[{"source": "hello-world:latest$", "times": 1, "text": "throttled"}])
    text = "Invalid message 429 Too Many Requests Too Many Requests (HAP429)."
    assert failure(imports.run(FROM_HUB, "a:1")) == text
    assert imports.run(FROM_HUB, "a:1").status_code == 200
    sandbox.knobs(import_faults=[{"source": "", "text": "Something {odd} happened"}])
    assert failure(imports.run(FROM_HUB, "a:2")) == "Something {odd} happened"
    sandbox.knobs(import_faults=[{"source": "", "text": "pending_forever", "entries": False}])
    accepted = imports.post(FROM_HUB, "a:3")
    time.sleep(0.4)
    assert http.get(accepted.headers["Location"], headers=imports.headers).json() == {"status": "Accepted"}
    sandbox.knobs(import_faults=[{"source": "", "text": "missing_children"}])
    assert imports.run(FROM_DEV, "b:1").status_code == 200
    assert list(sandbox.manifests("contosoprod", "b")) == [sandbox.tags("contosodev", "aci-helloworld")["v1"]]
    sandbox.knobs(import_faults=[{"source": "", "text": "lost"}])
    assert imports.run(FROM_DEV, "c:1").status_code == 200
    assert sandbox.tags("contosoprod", "c") == {}


def test_hundreds_of_imports(sandbox: Sandbox, imports: Imports) -> None:
    sandbox.bulk("contosodev", ["many"], tags=300)
    sandbox.knobs(import_seconds=1.0)
    for tag in sandbox.tags("contosodev", "many"):
        assert imports.post({"resourceId": DEV, "sourceImage": f"many:{tag}"}, f"many:{tag}").status_code == 202
    operations = sandbox.wait_for_operations(60)
    assert {o["status"] for o in operations} == {"Succeeded"}
    assert sandbox.tags("contosoprod", "many") == sandbox.tags("contosodev", "many")


def test_an_account_sees_its_own_permissions(sandbox: Sandbox, http: requests.Session) -> None:
    def ask(principal: str) -> requests.Response:
        path = f"{PROD}/providers/Microsoft.Authorization/permissions"
        return http.get(ARM + path, params={"api-version": "2022-04-01"}, headers=bearer(principal))

    reading = {"actions": ["*/read"], "notActions": [], "dataActions": [], "notDataActions": []}
    assert ask("reader").json() == {"value": [reading]}
    assert "Microsoft.Authorization/*/Write" in ask("contributor").json()["value"][0]["notActions"]
    refused = ask("importer")
    assert refused.status_code == 403 and "Microsoft.Authorization/permissions/read" in refused.json()["error"]["message"]


def test_role_assignments_by_scope_and_principal(sandbox: Sandbox, http: requests.Session) -> None:
    sandbox.patch_principal("nobody", grants={"contosoprod": ["pull/read"], "contosodev": ["AcrPush"]})
    home, nobody = PROD.split("/resourceGroups")[0], object_id(PRINCIPALS["nobody"][1])

    def ask(kind: str, scope: str, by: str | None, principal: str = "reader") -> requests.Response:
        path = f"{scope}/providers/Microsoft.Authorization/{kind}"
        return http.get(ARM + path, params={"api-version": "2022-04-01", "$filter": by}, headers=bearer(principal))

    def scopes(scope: str, by: str | None) -> set[str]:
        return {one["properties"]["scope"] for one in ask("roleAssignments", scope, by).json()["value"]}

    assert scopes(PROD, "atScope()") == scopes(PROD.upper(), None) == {home, PROD}
    assert scopes(home, "atScope()") == {home} and scopes(home, None) == {home, PROD, DEV}
    assert scopes(home, f"principalId eq '{nobody}'") == {PROD, DEV}
    assert scopes(DEV, f"atScope() and assignedTo('{nobody}')") == {DEV}
    refused = ask("roleAssignments", DEV, f"atScope() and principalId eq '{nobody}'")
    assert (refused.status_code, refused.json()["error"]["code"]) == (400, "InvalidFilterInQueryString")
    assert ask("roleAssignments", PROD, "atScope()", "nobody").status_code == 403

    (given,) = ask("roleAssignments", PROD, f"principalId eq '{nobody}'").json()["value"]
    (custom,) = ask("roleDefinitions", PROD, "roleName eq 'pull/read'").json()["value"]
    assert (custom["id"], custom["properties"]["type"]) == (given["properties"]["roleDefinitionId"], "CustomRole")
    (pull,) = ask("roleDefinitions", PROD, "roleName eq 'AcrPull'").json()["value"]
    assert (pull["name"], pull["properties"]["type"]) == ("7f951dda-4ed3-4680-a7ca-43fe172d538d", "BuiltInRole")


def test_which_roles_there_are_is_known(sandbox: Sandbox) -> None:
    with pytest.raises(AdminError, match="unknown role AcrPul$"):
        sandbox.patch_principal("nobody", grants={"contosoprod": ["AcrPul"]})
