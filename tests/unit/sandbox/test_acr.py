# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An Azure registry's data plane: plain requests and skopeo (tests/fidelity has Azure's own clients)."""
from __future__ import annotations

import base64
import json
import shutil
import subprocess
import time
import uuid
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.sandbox import images
from tests.sandbox.handle import PRINCIPALS, Sandbox
from tests.unit.sandbox.clients import AUDIENCE, DEV, PROD, TYPES, Registry, claims, code, credential, exchange

FABRIKAM = "fabrikam.azurecr.test"
NULL_GUID = "00000000-0000-0000-0000-000000000000"
VISIT = "authentication required, visit https://aka.ms/acr/authorization for more information."
UNLOCKED = {"deleteEnabled": True, "writeEnabled": True, "readEnabled": True, "listEnabled": True}
NOWHERE = "sha256:" + "0" * 64
ALL = "pull,push,metadata_read,metadata_write,delete"


# ---- challenges -----------------------------------------------------------------------------------------------------


def test_the_challenge_byte_for_byte(sandbox: Sandbox, http: requests.Session) -> None:
    ping = http.get(f"https://{PROD}/v2/")
    assert (ping.status_code, ping.headers["Content-Length"]) == (401, "149")
    assert ping.headers["WWW-Authenticate"] == f'Bearer realm="https://{PROD}/oauth2/token",service="{PROD}"'
    assert ping.text == '{"errors":[{"code":"UNAUTHORIZED","message":"' + VISIT + '","detail":null}]}\n'
    assert ping.headers["Server"] == "AzureContainerRegistry"
    assert ping.headers["Docker-Distribution-Api-Version"] == "registry/2.0"
    assert ping.raw.headers.getlist("Access-Control-Expose-Headers") == [
        "Docker-Content-Digest",
        "WWW-Authenticate",
        "Link",
        "X-Ms-Correlation-Request-Id",
    ]
    assert ping.raw.headers.getlist("Strict-Transport-Security") == ["max-age=31536000; includeSubDomains"] * 2
    assert ping.headers["X-Content-Type-Options"] == "nosniff"
    assert ping.headers["Content-Type"] == "application/json; charset=utf-8"
    assert str(uuid.UUID(ping.headers["X-Ms-Correlation-Request-Id"])) == ping.headers["X-Ms-Correlation-Request-Id"]
    sandbox.patch_registry("contosoprod", flags={"server": "openresty"})
    assert http.get(f"https://{PROD}/v2/").headers["Server"] == "openresty"


@pytest.mark.parametrize(
    ("method", "path", "kind", "name", "actions"),
    [
        ("GET", "/acr/v1/_catalog", "registry", "catalog", "*"),
        ("GET", "/v2/_catalog", "registry", "catalog", "*"),
        ("GET", "/acr/v1/no%2Fsuch/_tags/1", "repository", "no/such", "metadata_read"),
        ("PATCH", "/acr/v1/no/such", "repository", "no/such", "metadata_write"),
        ("DELETE", "/acr/v1/no/such/_tags/1", "repository", "no/such", "delete"),
        ("GET", "/v2/no/such/tags/list", "repository", "no/such", "metadata_read"),
        ("GET", "/v2/no/such/manifests/1", "repository", "no/such", "pull"),
        ("GET", f"/v2/no/such/referrers/{NOWHERE}", "repository", "no/such", "pull"),
        ("POST", "/v2/no/such/blobs/uploads/", "repository", "no/such", "pull,push"),
    ],
)
def test_the_scope_of_each_challenge(
    sandbox: Sandbox, http: requests.Session, method: str, path: str, kind: str, name: str, actions: str
) -> None:
    answer = http.request(method, f"https://{PROD}{path}")
    assert code(answer) == (401, "UNAUTHORIZED")
    assert answer.headers["WWW-Authenticate"] == (
        f'Bearer realm="https://{PROD}/oauth2/token",service="{PROD}",scope="{kind}:{name}:{actions}"'
    )
    assert answer.json()["errors"][0]["detail"] == [
        {"Type": kind, "Name": name, "Action": action} for action in actions.split(",")
    ]


def test_bad_and_weak_tokens_are_told_apart(sandbox: Sandbox, http: requests.Session) -> None:
    weak = Registry(http, DEV, "repository:team/app:metadata_read")
    assert weak.get("/acr/v1/team%2Fapp/_tags").status_code == 200
    refused = weak.get("/v2/team/app/manifests/1.0.0")
    assert code(refused) == (401, "UNAUTHORIZED")
    assert refused.headers["WWW-Authenticate"].endswith(':pull",error="insufficient_scope"')
    assert code(weak.get("/acr/v1/charts%2Fweb/_tags"))[0] == 401
    entra = credential().get_token(f"{AUDIENCE}/.default").token
    elsewhere = Registry(http, PROD, "repository:team/app:metadata_read").token
    for token in ("rubbish", entra, elsewhere, exchange(http, host=DEV).json()["refresh_token"]):
        answer = http.get(f"https://{DEV}/acr/v1/team%2Fapp/_tags", headers={"Authorization": f"Bearer {token}"})
        assert answer.headers["WWW-Authenticate"].endswith(',error="invalid_token"')


# ---- tokens ---------------------------------------------------------------------------------------------------------


def test_an_exchange_gives_a_refresh_token_for_three_hours(sandbox: Sandbox, http: requests.Session) -> None:
    answer = exchange(http, tenant=PRINCIPALS["contributor"][0])
    assert set(answer.json()) == {"refresh_token"}
    assert "Docker-Distribution-Api-Version" not in answer.headers
    assert answer.headers["Transfer-Encoding"] == "chunked"
    found = claims(answer.json()["refresh_token"])
    assert (found["aud"], found["grant_type"], found["version"]) == (PROD, "refresh_token", "1.0")
    assert found["exp"] - found["iat"] == 11_700
    assert found["permissions"]["Actions"] == ["read", "write", "delete", "deleted/read", "deleted/restore/action"]
    assert http.get(f"https://{PROD}/oauth2/exchange").status_code == 404


@pytest.mark.parametrize(("sku", "calls"), [("Premium", ("149", "333.3")), ("Basic", ("166.65", "166.65"))])
def test_tokens_count_down(sandbox: Sandbox, http: requests.Session, sku: str, calls: tuple[str, str]) -> None:
    sandbox.patch_registry("contosoprod", sku=sku)
    form = {"grant_type": "refresh_token", "service": PROD, "scope": "repository:a:pull"}
    first, second = exchange(http), exchange(http)
    form["refresh_token"] = first.json()["refresh_token"]
    token = http.post(f"https://{PROD}/oauth2/token", data=form)
    name = "x-ms-ratelimit-remaining-calls-per-second"
    assert (first.headers[name], token.headers[name]) == calls
    assert float(calls[0]) - 0.02 <= float(second.headers[name]) < float(calls[0])


def test_an_account_without_a_role_gets_no_refresh_token(sandbox: Sandbox, http: requests.Session) -> None:
    refused = exchange(http, "nobody")
    correlation = refused.headers["X-Ms-Correlation-Request-Id"]
    text = f"{VISIT} CorrelationId: {correlation}"
    assert (refused.status_code, refused.text) == (401, f'{{"errors":[{{"code":"UNAUTHORIZED","message":"{text}"}}]}}\n')
    sandbox.patch_registry("contosoprod", flags={"correlation_ids": False})
    assert exchange(http, "nobody").json() == {"errors": [{"code": "UNAUTHORIZED", "message": VISIT}]}
    sandbox.patch_principal("nobody", grants={"contosoprod": ["read", "importImage/action"]})
    assert exchange(http, "nobody").status_code == 200
    sandbox.patch_registry("contosoprod", flags={"exchange_for_arm_rights": False})
    assert exchange(http, "nobody").status_code == 401


def test_whom_an_exchange_refuses(sandbox: Sandbox, http: requests.Session) -> None:
    arm = "https://management.azure.test"
    assert exchange(http, audience=arm).status_code == 200
    sandbox.patch_registry(
        "contosoprod", properties={"policies": {"azureADAuthenticationAsArmPolicy": {"status": "disabled"}}}
    )
    assert code(exchange(http, audience=arm)) == (401, "UNAUTHORIZED")
    assert exchange(http).status_code == 200
    assert exchange(http, audience="https://graph.microsoft.com").status_code == 401
    assert exchange(http, "fabrikam-puller").status_code == 401
    assert exchange(http, tenant=PRINCIPALS["fabrikam-puller"][0]).status_code == 401
    assert (exchange(http, service=DEV).status_code, exchange(http, service=DEV).content) == (400, b"")
    assert exchange(http, grant_type="refresh_token").status_code == 400  # without one
    sandbox.knobs(tokens={"arm_seconds": 0})
    assert exchange(http).status_code == 401


def test_a_user_s_refresh_token_is_exchanged_too(sandbox: Sandbox, http: requests.Session) -> None:
    form = {
        "grant_type": "password",
        "client_id": "04b07795-8ddb-461a-bbee-02f9e1bf7b46",
        "username": "user@contoso.test",
        "password": "user-password",
        "scope": f"{AUDIENCE}/.default offline_access",
    }
    tokens = http.post(f"https://login.azure.test/{PRINCIPALS['contributor'][0]}/oauth2/v2.0/token", data=form).json()

    def given(grant: str, *names: str) -> int:
        sent = {"grant_type": grant, "service": PROD, **{name: tokens[name] for name in names}}
        return http.post(f"https://{PROD}/oauth2/exchange", data=sent).status_code

    assert given("refresh_token", "refresh_token") == 200
    assert given("access_token_refresh_token", "access_token", "refresh_token") == 200
    assert given("access_token_refresh_token", "access_token") == 400
    tokens = {"access_token": tokens["refresh_token"], "refresh_token": tokens["access_token"]}
    assert (given("access_token", "access_token"), given("refresh_token", "refresh_token")) == (401, 401)


def test_a_registry_that_knows_one_audience_of_its_own(sandbox: Sandbox, http: requests.Session) -> None:
    own = "https://registry.local.test"
    sandbox.patch_registry("contosoprod", flags={"audience": own})
    assert exchange(http).status_code == 401
    assert exchange(http, audience=own).status_code == 200


def test_a_token_lists_what_is_allowed_and_lives_an_hour(sandbox: Sandbox, http: requests.Session) -> None:
    found = Registry(http, DEV, f"repository:team/app:{ALL}", "registry:catalog:*", principal="reader").claims()
    assert found["access"] == [
        {"type": "repository", "name": "team/app", "actions": ["pull", "metadata_read"]},
        {"type": "registry", "name": "catalog", "actions": ["*"]},
    ]
    assert (found["version"], found["grant_type"], found["exp"] - found["iat"]) == ("2.0", "access_token", 4500)
    assert found["appid"] == PRINCIPALS["reader"][1]
    sandbox.patch_principal("nobody", grants={"contosodev": ["metadata/write"]})
    weak = Registry(http, DEV, "repository:team/app:pull", principal="nobody").claims()
    assert weak["access"][0]["actions"] == []


def test_a_token_for_another_service(sandbox: Sandbox, http: requests.Session) -> None:
    form = {"grant_type": "refresh_token", "service": DEV, "refresh_token": exchange(http).json()["refresh_token"]}
    answer = http.post(f"https://{PROD}/oauth2/token", data=form)
    assert (answer.status_code, answer.content) == (400, b"")


def test_tokens_end(sandbox: Sandbox, http: requests.Session) -> None:
    sandbox.knobs(tokens={"access_seconds": 2})
    short = Registry(http, DEV, "repository:team/app:metadata_read")
    assert short.get("/acr/v1/team%2Fapp").status_code == 200
    time.sleep(2)
    assert short.get("/acr/v1/team%2Fapp").headers["WWW-Authenticate"].endswith(',error="invalid_token"')
    sandbox.knobs(tokens={"refresh_seconds": 0})
    ended = exchange(http, host=DEV).json()["refresh_token"]
    form = {"grant_type": "refresh_token", "service": DEV, "refresh_token": ended}
    assert http.post(f"https://{DEV}/oauth2/token", data=form).status_code == 401


def test_several_scopes_in_one_request(sandbox: Sandbox, http: requests.Session) -> None:
    scopes = ["repository:team/app:pull", "repository:charts/web:pull,metadata_read"]

    def names(*asked: str) -> list[str]:
        return [entry["name"] for entry in Registry(http, DEV, *asked).claims()["access"]]

    assert names(*scopes) == ["team/app", "charts/web"]
    assert names(" ".join(scopes)) == ["team/app"]
    sandbox.patch_registry("contosodev", flags={"space_scopes": True})
    assert names(" ".join(scopes)) == ["team/app", "charts/web"]
    sandbox.patch_registry("contosodev", one_scope_per_token=True)
    assert names(*scopes) == ["team/app"]


def test_a_token_for_every_repository(sandbox: Sandbox, http: requests.Session) -> None:
    wide = Registry(http, DEV, "repository:*:metadata_read")
    assert wide.get("/acr/v1/team%2Fapp").status_code == wide.get("/acr/v1/charts%2Fweb").status_code == 200


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_user_names_and_passwords(sandbox: Sandbox, http: requests.Session, method: str) -> None:
    url = f"https://{FABRIKAM}/oauth2/token"

    def ask(username: str, password: str) -> requests.Response:
        query = {"service": FABRIKAM, "scope": "repository:vendor/tool:pull,push"}
        if method == "GET":
            return http.get(url, params=query, auth=(username, password))
        form = {**query, "grant_type": "password", "username": username, "password": password}
        return http.post(url, data=form)

    _tenant, client, secret = PRINCIPALS["fabrikam-puller"]
    for username, password in (("pulltoken", "pulltokenpass"), (client, secret)):
        token = ask(username, password).json()["access_token"]
        assert claims(token)["access"] == [{"type": "repository", "name": "vendor/tool", "actions": ["pull"]}]
        head = http.head(
            f"https://{FABRIKAM}/v2/vendor/tool/manifests/1.0",
            headers={"Authorization": f"Bearer {token}", "Accept": TYPES},
        )
        assert head.status_code == 200
    wrong = ask("pulltoken", "wrong")
    assert code(wrong) == (401, "UNAUTHORIZED")
    correlation = wrong.headers["X-Ms-Correlation-Request-Id"]
    assert wrong.json()["errors"][0]["message"] == f"{VISIT} CorrelationId: {correlation}"
    assert ask(*PRINCIPALS["contributor"][1:]).status_code == 401  # of another tenant


def test_basic_credentials_without_a_token(sandbox: Sandbox, http: requests.Session) -> None:
    url = f"https://{FABRIKAM}/v2/vendor/tool/manifests/1.0"
    headers = {"Accept": TYPES}
    assert http.head(url, headers=headers, auth=("pulltoken", "pulltokenpass")).status_code == 200
    wrong = http.get(url, headers=headers, auth=("pulltoken", "wrong"))
    assert (wrong.status_code, wrong.headers["WWW-Authenticate"]) == (401, 'Basic realm="Azure Container Registry"')
    refresh = exchange(http, "fabrikam-puller", FABRIKAM).json()["refresh_token"]
    assert http.head(url, headers=headers, auth=(NULL_GUID, refresh)).status_code == 200


def test_anonymous_pull(sandbox: Sandbox, http: requests.Session) -> None:
    sandbox.push(PROD, "open", ["1"])
    scope = "repository:open:pull,metadata_write"
    form = {"grant_type": "password", "service": PROD, "scope": scope, "refresh_token": ""}
    url = f"https://{PROD}/oauth2/token"
    assert http.post(url, data=form).status_code == 401
    assert http.get(url, params={"service": PROD, "scope": scope}).status_code == 401
    sandbox.patch_registry("contosoprod", properties={"anonymousPullEnabled": True})
    for answer in (http.post(url, data=form), http.get(url, params={"service": PROD, "scope": scope})):
        headers = {"Authorization": f"Bearer {answer.json()['access_token']}", "Accept": TYPES}
        assert http.head(f"https://{PROD}/v2/open/manifests/1", headers=headers).status_code == 200
        refused = http.patch(f"https://{PROD}/acr/v1/open", json={}, headers=headers)
        assert refused.headers["WWW-Authenticate"].endswith(',error="insufficient_scope"')
    token = http.post(url, data={**form, "scope": "registry:catalog:*"}).json()["access_token"]
    catalog = http.get(f"https://{PROD}/acr/v1/_catalog", headers={"Authorization": f"Bearer {token}"})
    assert "open" in catalog.json()["repositories"]


def test_attribute_based_access(sandbox: Sandbox, http: requests.Session) -> None:
    client = PRINCIPALS["contributor"][1]
    mode = {"roleAssignmentMode": "AbacRepositoryPermissions"}
    sandbox.patch_registry("contosodev", properties=mode, abac_repositories={client: ["team/*"]})
    assert Registry(http, DEV, "repository:team/app:pull").claims()["access"][0]["actions"] == []  # Contributor alone
    sandbox.patch_principal("contributor", grants={"contosodev": ["Container Registry Repository Reader"]})
    scopes = ["repository:team/app:metadata_read", "repository:charts/web:metadata_read", "registry:catalog:*"]
    some = Registry(http, DEV, *scopes)
    assert some.get("/acr/v1/team%2Fapp/_tags").status_code == 200
    assert some.get("/acr/v1/charts%2Fweb/_tags").status_code == 401
    assert some.get("/acr/v1/_catalog").headers["WWW-Authenticate"].endswith('*",error="insufficient_scope"')
    form = {"grant_type": "refresh_token", "service": DEV, "scope": "repository:*:pull"}
    form["refresh_token"] = exchange(http, host=DEV).json()["refresh_token"]
    assert http.post(f"https://{DEV}/oauth2/token", data=form).status_code == 401
    sandbox.patch_principal("contributor", grants={"contosodev": ["Container Registry Repository Catalog Lister"]})
    lister = Registry(http, DEV, "registry:catalog:*", "repository:team/app:metadata_read")
    assert (lister.get("/acr/v1/_catalog").status_code, lister.get("/acr/v1/team%2Fapp").status_code) == (200, 401)


def test_a_regional_endpoint_and_a_login_server_with_a_hash(sandbox: Sandbox, http: requests.Session) -> None:
    regional = Registry(http, "contosodev.westeurope.geo.azurecr.test", "repository:team/app:metadata_read")
    assert regional.claims()["aud"] == DEV
    assert regional.get("/acr/v1/team%2Fapp").json()["registry"] == DEV
    label = "contosolabel-a1b2c3d4e5f6g7h8.azurecr.test"
    assert Registry(http, label, "registry:catalog:*").get("/v2/_catalog").json() == {"repositories": None}


# ---- lists and properties -------------------------------------------------------------------------------------------


def pages(registry: Registry, path: str, key: str, **query: Any) -> list[list[Any]]:
    """Every page of a list, following its links."""
    found = []
    answer = registry.get(path, **query)
    while True:
        found.append(answer.json()[key])
        if "next" not in answer.links:
            return found
        answer = registry.get(answer.links["next"]["url"])


def test_tags_page_by_page(sandbox: Sandbox, http: requests.Session) -> None:
    registry = Registry(http, DEV, "repository:team/app:metadata_read")
    expected = sandbox.tags("contosodev", "team/app")
    by_default = pages(registry, "/acr/v1/team%2Fapp/_tags", "tags")
    assert [len(p) for p in by_default] == [100, 100, 100]
    assert {t["name"]: t["digest"] for page in by_default for t in page} == expected
    assert [t["name"] for page in by_default for t in page] == sorted(expected)
    assert [len(p) for p in pages(registry, "/v2/team/app/tags/list", "tags", n=120)] == [120, 120, 60]
    assert len(registry.get("/acr/v1/team/app/_tags", n=10_000).json()["tags"]) == 300
    first = registry.get("/acr/v1/team%2Fapp/_tags", n=2)
    assert first.headers["Link"] == '</acr/v1/team%2Fapp/_tags?last=1.0.1&n=2&orderby=>; rel="next"'
    assert code(registry.get("/acr/v1/team%2Fapp/_tags", n=0)) == (400, "PAGINATION_NUMBER_INVALID")


def test_no_page_is_longer_than_1000(sandbox: Sandbox, http: requests.Session) -> None:
    sandbox.bulk("contosoprod", ["many"], tags=1200, digests=1)
    registry = Registry(http, PROD, "repository:many:metadata_read")
    assert [len(p) for p in pages(registry, "/acr/v1/many/_tags", "tags", n=10_000)] == [1000, 200]


def test_tags_in_order_of_time_and_by_digest(sandbox: Sandbox, http: requests.Session) -> None:
    for seed, tag in enumerate(("b", "c", "a")):
        sandbox.push(PROD, "app", [tag], seed=seed)
    registry = Registry(http, PROD, "repository:app:metadata_read")

    def names(**query: str) -> list[str]:
        return [t["name"] for page in pages(registry, "/acr/v1/app/_tags", "tags", n=1, **query) for t in page]

    assert (names(orderby="timeasc"), names(orderby="timedesc")) == (["b", "c", "a"], ["a", "c", "b"])
    digest = sandbox.tags(PROD, "app")["c"]
    sandbox.set_tag(PROD, "app", "d", digest)
    assert names(digest=digest) == ["c", "d"]


def test_the_catalog(sandbox: Sandbox, http: requests.Session) -> None:
    registry = Registry(http, DEV, "registry:catalog:*")
    whole = registry.get("/acr/v1/_catalog").json()["repositories"]
    assert {"aci-helloworld", "charts/web", "team/app"} <= set(whole)
    assert whole == sorted(whole)
    assert [n for page in pages(registry, "/v2/_catalog", "repositories", n=1) for n in page] == whole
    link = registry.get("/acr/v1/_catalog", n=1, last="charts").headers["Link"]
    assert link == '</acr/v1/_catalog?last=charts%2Fweb&n=1&orderby=>; rel="next"'


def test_the_catalog_of_an_empty_registry(sandbox: Sandbox, http: requests.Session) -> None:
    registry = Registry(http, PROD, "registry:catalog:*")
    assert registry.get("/acr/v1/_catalog").text == '{"repositories":null}\n'
    sandbox.patch_registry("contosoprod", flags={"null_catalog": False})
    assert registry.get("/acr/v1/_catalog").text == '{"repositories":[]}\n'


def test_a_last_page_that_is_full_can_lead_to_an_empty_one(sandbox: Sandbox, http: requests.Session) -> None:
    for repository in ("a", "b"):
        sandbox.push(PROD, repository, ["1", "2"])
    registry = Registry(http, PROD, "registry:catalog:*", "repository:a:metadata_read")
    lists = {"/acr/v1/_catalog": "repositories", "/acr/v1/a/_tags": "tags", "/v2/a/tags/list": "tags"}
    assert [len(pages(registry, path, key, n=2)) for path, key in lists.items()] == [1, 1, 1]
    sandbox.patch_registry("contosoprod", flags={"full_page_link": True})
    assert pages(registry, "/acr/v1/_catalog", "repositories", n=2) == [["a", "b"], None]
    assert [pages(registry, path, key, n=2)[1:] for path, key in lists.items()] == [[None], [[]], [[]]]
    assert [len(page) for page in pages(registry, "/acr/v1/a/_manifests", "manifests", n=1)] == [1, 0]


def test_long_pages_can_be_refused(sandbox: Sandbox, http: requests.Session) -> None:
    sandbox.patch_registry("contosodev", flags={"refuse_n_above": 100})
    registry = Registry(http, DEV, "repository:team/app:metadata_read")
    statuses = [registry.get("/acr/v1/team%2Fapp/_tags", n=n).status_code for n in (100, 101, 1000)]
    assert statuses == [200, 400, 400]


def test_items_can_have_more_attributes(sandbox: Sandbox, http: requests.Session) -> None:
    more = {"tag": {"quarantineState": "Passed"}, "manifest": {"quarantineState": "Passed"},
            "repository": {"teleportEnabled": False}}  # fmt: skip
    sandbox.patch_registry("contosodev", flags={"more_attributes": more})
    registry = Registry(http, DEV, "repository:charts/web:metadata_read")
    whole = registry.get("/acr/v1/charts%2Fweb").json()
    tag = registry.get("/acr/v1/charts%2Fweb/_tags").json()["tags"][0]
    manifest = registry.get("/acr/v1/charts%2Fweb/_manifests").json()["manifests"][0]
    for kind, item in (("repository", whole), ("tag", tag), ("manifest", manifest)):
        assert item["changeableAttributes"] == {**UNLOCKED, **more[kind]}


@pytest.mark.parametrize(
    "path", ["/acr/v1/Team%2Fapp/_tags", "/v2/Team/app/manifests/1", "/v2/team/app/manifests/sha256:xyz",
             "/acr/v1/team%2Fapp/_manifests/sha256:xyz", "/v2/team/app/referrers/1.0.0"],
)  # fmt: skip
def test_what_can_be_no_name_or_digest(sandbox: Sandbox, http: requests.Session, path: str) -> None:
    answer = http.get(f"https://{DEV}{path}")
    assert (answer.status_code, answer.text) == (404, "404 page not found\n")
    assert answer.headers["Content-Type"].startswith("text/plain")


@pytest.mark.parametrize("path", ["/acr/v1/_streaming", "/acr/v1/team%2Fapp/_streaming/x"])
def test_what_this_registry_can_t_do(sandbox: Sandbox, http: requests.Session, path: str) -> None:
    assert code(http.get(f"https://{DEV}{path}")) == (404, "OPERATION_UNKNOWN")


def test_a_repository_s_and_a_tag_s_properties(sandbox: Sandbox, http: requests.Session) -> None:
    registry = Registry(http, DEV, "repository:charts/web:metadata_read")
    found = registry.get("/acr/v1/charts%2Fweb").json()
    assert (found["registry"], found["imageName"]) == (DEV, "charts/web")
    assert (found["manifestCount"], found["tagCount"]) == (2, 2)
    assert found["changeableAttributes"] == UNLOCKED
    tag = registry.get("/acr/v1/charts%2Fweb/_tags/0.1.0").json()["tag"]
    assert tag == {
        "name": "0.1.0",
        "digest": sandbox.tags("contosodev", "charts/web")["0.1.0"],
        "createdTime": found["createdTime"],
        "lastUpdateTime": found["createdTime"],
        "signed": False,
        "changeableAttributes": UNLOCKED,
    }


def test_manifests_and_what_an_index_refers_to(sandbox: Sandbox, http: requests.Session) -> None:
    registry = Registry(http, DEV, "repository:signed/app:metadata_read")
    digest = sandbox.tags("contosodev", "signed/app")["1.0"]
    first = registry.get("/acr/v1/signed%2Fapp/_manifests", n=1)
    last = first.json()["manifests"][0]["digest"].replace(":", "%3A")
    assert first.headers["Link"] == f'</acr/v1/signed%2Fapp/_manifests?last={last}&n=1&orderby=>; rel="next"'
    listed = pages(registry, "/acr/v1/signed%2Fapp/_manifests", "manifests", n=3)
    items = {manifest["digest"]: manifest for page in listed for manifest in page}
    assert set(items) == set(sandbox.manifests("contosodev", "signed/app"))
    index = items[digest]
    assert (index["tags"], index["mediaType"]) == (["1.0"], images.OCI_INDEX)
    assert not {"architecture", "os", "references", "configMediaType"} & set(index)
    one = registry.get(f"/acr/v1/signed%2Fapp/_manifests/{digest}").json()["manifest"]
    assert [(r["os"], r["architecture"]) for r in one["references"]] == [
        ("linux", "amd64"),
        ("linux", "arm64"),
        ("linux", "arm"),
        ("windows", "amd64"),
    ]
    child = items[one["references"][0]["digest"]]
    assert (child["os"], child["architecture"], child["configMediaType"]) == ("linux", "amd64", images.OCI_CONFIG)
    assert "tags" not in child


def test_errors_word_for_word(sandbox: Sandbox, http: requests.Session) -> None:
    registry = Registry(http, DEV, f"repository:charts/web:{ALL}", f"repository:no/such:{ALL}")
    digest = NOWHERE
    expected = {
        "/acr/v1/charts%2Fweb/_tags/none": '{"code":"TAG_UNKNOWN","message":"the specified tag does not exist"}',
        "/acr/v1/no%2Fsuch/_tags": '{"code":"NAME_UNKNOWN","message":"repository \\"no/such\\" is not found"}',
        f"/acr/v1/charts%2Fweb/_manifests/{digest}": '{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}',
        "/v2/charts/web/manifests/none": '{"code":"MANIFEST_UNKNOWN","message":"manifest tagged by \\"none\\" is not '
        'found","detail":{"Tag":"none"}}',
    }
    for path, error in expected.items():
        answer = registry.get(path)
        assert (answer.status_code, answer.text) == (404, f'{{"errors":[{error}]}}\n')
    missing = registry("DELETE", "/acr/v1/no%2Fsuch")
    assert missing.json()["errors"][0]["detail"] == {"name": "no/such"}
    by_digest = registry.get(f"/v2/charts/web/manifests/{digest}")
    assert by_digest.json()["errors"][0]["message"] == f"manifest {digest} is not found"
    plain = http.get(f"https://{DEV}/acr/v1/charts%2Fweb/_manifests/sha256:short")
    assert (plain.status_code, plain.text) == (404, "404 page not found\n")
    assert plain.headers["Content-Type"].startswith("text/plain")


def test_a_tag_whose_manifest_is_lost(sandbox: Sandbox, http: requests.Session) -> None:
    digest = sandbox.push(PROD, "app", ["1"])["digest"]
    sandbox.lose_manifest(PROD, "app", digest)
    registry = Registry(http, PROD, "repository:app:pull,metadata_read")
    assert registry.get("/acr/v1/app/_tags/1").json()["tag"]["digest"] == digest
    assert registry.get("/acr/v1/app/_manifests").json()["manifests"] == []
    assert registry("HEAD", "/v2/app/manifests/1").status_code == 404
    assert registry.get("/v2/app/manifests/1").json()["errors"][0]["message"] == f"manifest {digest} is not found"


def test_a_new_tag_can_be_late_in_lists(sandbox: Sandbox, http: requests.Session) -> None:
    sandbox.patch_registry("contosoprod", flags={"tags_late_seconds": 60})
    sandbox.push(PROD, "app", ["1"])
    registry = Registry(http, PROD, "repository:app:pull,metadata_read")
    assert registry.get("/acr/v1/app/_tags").json()["tags"] == []
    assert registry("HEAD", "/v2/app/manifests/1").status_code == 200


def test_things_can_be_older_than_they_are(sandbox: Sandbox, http: requests.Session) -> None:
    digest = sandbox.push(PROD, "app", ["1"])["digest"]
    registry = Registry(http, PROD, "repository:app:pull,metadata_read")

    def times() -> list[str]:
        tag = registry.get("/acr/v1/app/_tags/1").json()["tag"]
        manifest = registry.get(f"/acr/v1/app/_manifests/{digest}").json()["manifest"]
        return [one[key] for one in (tag, manifest) for key in ("createdTime", "lastUpdateTime")]

    before = times()
    sandbox.patch_registry("contosoprod", flags={"older_by_seconds": 86400.0})
    assert all(older[:10] < now[:10] and older[10:] == now[10:] for now, older in zip(before, times()))


# ---- locks, deletion ------------------------------------------------------------------------------------------------


def test_locks(sandbox: Sandbox, http: requests.Session) -> None:
    digest = sandbox.push(PROD, "app", ["1", "2"])["digest"]
    registry = Registry(http, PROD, f"repository:app:{ALL}", "registry:catalog:*")
    manifest = f"/acr/v1/app/_manifests/{digest}"
    before = registry.get("/acr/v1/app/_tags/1").json()["tag"]
    changed = registry("PATCH", "/acr/v1/app/_tags/1", json={"writeEnabled": False}).json()["tag"]
    assert changed == {**before, "changeableAttributes": {**UNLOCKED, "writeEnabled": False}}
    for method, path in (
        ("DELETE", "/acr/v1/app/_tags/1"),
        ("DELETE", f"/v2/app/manifests/{digest}"),
        ("PUT", "/v2/app/manifests/1"),
    ):
        assert code(registry(method, path)) == (405, "REGISTRY_DISALLOWED_OPERATION")
    assert registry("DELETE", "/acr/v1/app/_tags/2").status_code == 202
    registry("PATCH", "/acr/v1/app/_tags/1", json=UNLOCKED)
    registry("PATCH", manifest, json={"deleteEnabled": False, "listEnabled": False})
    assert registry("DELETE", f"/v2/app/manifests/{digest}").status_code == 405
    assert registry.get("/acr/v1/app/_manifests").json()["manifests"] == []
    assert registry.get(manifest).json()["manifest"]["changeableAttributes"]["listEnabled"] is False
    registry("PATCH", manifest, json=UNLOCKED)
    registry("PATCH", "/acr/v1/app", json={"readEnabled": False, "listEnabled": False})
    assert registry.get("/v2/app/manifests/1").status_code == 405
    assert registry.get("/acr/v1/_catalog").json()["repositories"] is None
    assert registry("PATCH", "/acr/v1/app", json={"frozen": True}).status_code == 400
    assert registry("PATCH", "/acr/v1/app/_tags/none", json={}).status_code == 404


@pytest.mark.parametrize("locked", ["tag", "manifest", "repository"])
@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_what_must_not_be_read(sandbox: Sandbox, http: requests.Session, locked: str, method: str) -> None:
    digest = sandbox.push(PROD, "app", ["1", "2"])["digest"]
    where = {"tag": {"tag": "1"}, "manifest": {"digest": digest}, "repository": {}}[locked]
    sandbox.lock(PROD, "app", **where, readEnabled=False)
    registry = Registry(http, PROD, "repository:app:pull,metadata_read")
    statuses = [registry(method, f"/v2/app/manifests/{name}").status_code for name in ("1", "2", digest)]
    assert statuses == ([405, 200, 200] if locked == "tag" else [405, 405, 405])
    if method == "GET":
        assert code(registry.get("/v2/app/manifests/1")) == (405, "REGISTRY_DISALLOWED_OPERATION")
    assert registry.get("/acr/v1/app/_tags/1").status_code == 200


def test_deletion(sandbox: Sandbox, http: requests.Session) -> None:
    digest = sandbox.push(PROD, "app", ["1", "2"])["digest"]
    registry = Registry(http, PROD, f"repository:app:{ALL}")
    gone = registry("DELETE", "/acr/v1/app/_tags/1")
    assert (gone.status_code, gone.content, gone.headers["X-Ms-Int-Docker-Content-Digest"]) == (202, b"", digest)
    assert registry("HEAD", f"/v2/app/manifests/{digest}").status_code == 200
    assert registry("DELETE", f"/v2/app/manifests/{digest}").status_code == 202
    assert sandbox.tags(PROD, "app") == {}
    again = registry("DELETE", f"/v2/app/manifests/{digest}")
    assert code(again) == (404, "MANIFEST_UNKNOWN") and "detail" not in again.json()["errors"][0]
    assert code(registry("DELETE", "/v2/app/manifests/1")) == (405, "UNSUPPORTED")
    nowhere = Registry(http, PROD, "repository:none:delete")
    assert code(nowhere("DELETE", "/acr/v1/none/_tags/1")) == (404, "TAG_UNKNOWN")
    sandbox.push(PROD, "app", ["3"])
    whole = registry("DELETE", "/acr/v1/app")
    assert (whole.status_code, whole.json()) == (202, {"manifestsDeleted": [digest], "tagsDeleted": ["3"]})


# ---- firewall -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "properties",
    [
        {"publicNetworkAccess": "Disabled"},
        {"networkRuleSet": {"defaultAction": "Deny", "ipRules": [{"action": "Allow", "value": "198.51.100.7"}]}},
    ],
)
def test_the_firewall_answers_everything(sandbox: Sandbox, http: requests.Session, properties: dict[str, Any]) -> None:
    sandbox.patch_registry("contosoprod", properties=properties)
    for method, path in (("GET", "/v2/"), ("GET", "/acr/v1/_catalog"), ("POST", "/oauth2/exchange")):
        answer = http.request(method, f"https://{PROD}{path}")
        assert answer.status_code == 403
        assert "WWW-Authenticate" not in answer.headers
        assert answer.text == (
            '{"errors":[{"code":"DENIED","message":"client with IP \\u0027203.0.113.10\\u0027 is not allowed access. '
            f'Refer https://aka.ms/acr/firewall to grant access. CorrelationId: {answer.headers["X-Ms-Correlation-Request-Id"]}"'
            '}]}\n'
        )


def test_a_rule_lets_an_address_in(sandbox: Sandbox, http: requests.Session) -> None:
    rules = {"defaultAction": "Deny", "ipRules": [{"action": "Allow", "value": "203.0.113.10"}]}
    sandbox.patch_registry("contosoprod", properties={"networkRuleSet": rules})
    assert http.get(f"https://{PROD}/v2/").status_code == 401


# ---- pulls and pushes -----------------------------------------------------------------------------------------------


def test_a_manifest_by_head_and_get(sandbox: Sandbox, http: requests.Session) -> None:
    registry = Registry(http, DEV, "repository:aci-helloworld:pull")
    digest = sandbox.tags("contosodev", "aci-helloworld")["latest"]
    head, got = (registry(method, "/v2/aci-helloworld/manifests/latest") for method in ("HEAD", "GET"))
    for answer in (head, got):
        assert answer.status_code == 200
        assert answer.headers["Docker-Content-Digest"] == digest
        assert answer.headers["ETag"] == f'"{digest}"'
        assert answer.headers["Content-Type"] == images.OCI_INDEX
    assert (head.headers["Content-Length"], head.content) == (str(len(got.content)), b"")
    assert images.digest_of(got.content) == digest
    vague = registry("GET", "/v2/aci-helloworld/manifests/latest", headers={"Accept": "*/*"})
    assert vague.json()["errors"][0]["message"] == "OCI index found, but Accept header does not support OCI indexes"


def push(registry: Registry, repository: str, image: images.Image, reference: str) -> requests.Response:
    for digest, data in image.blobs.items():
        started = registry("POST", f"/v2/{repository}/blobs/uploads/")
        assert started.status_code == 202
        ended = registry("PUT", started.headers["Location"] + f"&digest={digest}", data=data)
        assert (ended.status_code, ended.headers["Docker-Content-Digest"]) == (201, digest)
    headers = {"Content-Type": image.media_type}
    return registry("PUT", f"/v2/{repository}/manifests/{reference}", data=image.data, headers=headers)


def test_a_push(sandbox: Sandbox, http: requests.Session) -> None:
    registry = Registry(http, PROD, "repository:new/app:pull,push,metadata_read")
    image = images.single(5)
    put = {"data": image.data, "headers": {"Content-Type": image.media_type}}
    early = registry("PUT", "/v2/new/app/manifests/1", **put)
    assert code(early) == (400, "MANIFEST_BLOB_UNKNOWN")
    assert sandbox.tags(PROD, "new/app") == {}
    done = push(registry, "new/app", image, "1")
    assert (done.status_code, done.headers["Docker-Content-Digest"]) == (201, image.digest)
    assert registry.get("/v2/new/app/manifests/1").content == image.data
    shown = registry.get(f"/acr/v1/new%2Fapp/_manifests/{image.digest}").json()["manifest"]
    assert shown["imageSize"] == len(image.data) + sum(map(len, image.blobs.values()))
    sbom = images.sbom(image)
    attached = push(registry, "new/app", sbom, sbom.digest)
    assert attached.headers["OCI-Subject"] == image.digest
    assert set(sandbox.tags(PROD, "new/app")) == {"1"}
    wrong = registry("PUT", f"/v2/new/app/manifests/{NOWHERE}", **put)
    assert code(wrong) == (400, "DIGEST_INVALID")


def test_a_push_that_is_not_allowed(sandbox: Sandbox, http: requests.Session) -> None:
    reading = Registry(http, PROD, "repository:app:pull,push", principal="reader")
    refused = reading("POST", "/v2/app/blobs/uploads/")
    assert refused.headers["WWW-Authenticate"].endswith(':pull,push",error="insufficient_scope"')
    sandbox.patch_registry("contosoprod", cache_rules={"hub/*": "docker.io/library/*"})
    cached = Registry(http, PROD, "repository:hub/x:pull,push")
    assert code(cached("POST", "/v2/hub/x/blobs/uploads/")) == (405, "REGISTRY_DISALLOWED_OPERATION")


def test_blobs(sandbox: Sandbox, http: requests.Session) -> None:
    registry = Registry(http, DEV, "repository:charts/web:pull")
    layer = registry.get("/v2/charts/web/manifests/0.1.0").json()["layers"][0]
    path = f"/v2/charts/web/blobs/{layer['digest']}"
    assert images.digest_of(registry.get(path).content) == layer["digest"]
    assert registry("HEAD", path).headers["Content-Length"] == str(layer["size"])
    assert registry("GET", path, headers={"Range": "bytes=0-1"}).content == b"\x1f\x8b"
    assert registry.get(f"/v2/charts/web/blobs/{NOWHERE}").status_code == 404


# ---- referrers ------------------------------------------------------------------------------------------------------


def test_referrers_filtered_and_paged(sandbox: Sandbox, http: requests.Session) -> None:
    registry = Registry(http, DEV, "repository:signed/app:pull")
    digest = sandbox.tags("contosodev", "signed/app")["1.0"]
    path = f"/v2/signed/app/referrers/{digest}"
    whole = registry.get(path)
    assert whole.headers["Content-Type"] == images.OCI_INDEX
    assert {m["artifactType"] for m in whole.json()["manifests"]} == {images.SBOM_TYPE, images.COSIGN_TYPE}
    sbom = registry.get(path, artifactType=images.SBOM_TYPE)
    assert ("oci-filters-applied", "artifactType") in sbom.raw.headers.items()
    assert [m["artifactType"] for m in sbom.json()["manifests"]] == [images.SBOM_TYPE]
    signature = registry.get(f"/v2/signed/app/referrers/{sbom.json()['manifests'][0]['digest']}")
    assert len(signature.json()["manifests"]) == 1
    assert registry.get(f"/v2/signed/app/referrers/{NOWHERE}").json()["manifests"] == []
    sandbox.patch_registry("contosodev", flags={"referrers_page": 1, "referrers_filter": False})
    found = pages(registry, path, "manifests", artifactType=images.SBOM_TYPE)
    assert [m for page in found for m in page] == whole.json()["manifests"]
    assert [len(page) for page in found] == [1, 1]


def test_referrers_that_are_late_missing_or_broken(sandbox: Sandbox, http: requests.Session) -> None:
    digest = sandbox.push(PROD, "hub/app", ["1"], kind="signed")["digest"]
    registry = Registry(http, PROD, "repository:hub/app:pull")
    path = f"/v2/hub/app/referrers/{digest}"
    assert len(registry.get(path).json()["manifests"]) == 2
    sandbox.knobs(referrers_late_seconds=60)
    assert registry.get(path).json()["manifests"] == []
    sandbox.patch_registry("contosoprod", cache_rules={"hub/*": "docker.io/*"})
    assert code(registry.get(path)) == (424, "UNKNOWN")
    sandbox.patch_registry("contosoprod", flags={"cache_referrers_424": False})
    assert registry.get(path).status_code == 200
    sandbox.patch_registry("contosoprod", referrers_api=False)
    assert (registry.get(path).status_code, registry.get(path).text) == (404, "404 page not found\n")


# ---- a client that we did not write ----------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("skopeo") is None, reason="needs skopeo")
@pytest.mark.parametrize("sign_in", ["password", "refresh token"])
def test_skopeo_pushes_and_pulls_back(
    sandbox: Sandbox, http: requests.Session, tmp_path: Path, sign_in: str
) -> None:
    _tenant, client, secret = PRINCIPALS["contributor"]
    if sign_in == "password":
        credentials = [f"--{side}-creds={client}:{secret}" for side in ("src", "dest")]
    else:  # as `az acr login` leaves it: an identity token, which skopeo sends by POST
        login = {
            "auth": base64.b64encode(f"{NULL_GUID}:".encode()).decode(),
            "identitytoken": exchange(http).json()["refresh_token"],
        }
        (tmp_path / "auth.json").write_text(json.dumps({"auths": {PROD: login}}))
        credentials = ["--authfile", str(tmp_path / "auth.json")]
    first, second, target = f"dir:{tmp_path}/first", f"dir:{tmp_path}/second", f"docker://{PROD}/pushed/hello:1"
    subprocess.run(["skopeo", "copy", "-q", "--all", "docker://docker.io/library/hello-world", first], check=True)
    to = [c for c in credentials if not c.startswith("--src")]
    subprocess.run(["skopeo", "copy", "-q", "--all", "--preserve-digests", *to, first, target], check=True)
    assert sandbox.tags(PROD, "pushed/hello")["1"] == sandbox.tags("docker.io", "library/hello-world")["latest"]
    back = [c for c in credentials if not c.startswith("--dest")]
    subprocess.run(["skopeo", "copy", "-q", "--all", *back, target, second], check=True)
    files = {p.name: p.read_bytes() for p in (tmp_path / "first").iterdir()}
    assert files == {p.name: p.read_bytes() for p in (tmp_path / "second").iterdir()}
    assert {e["principal"] for e in sandbox.log(class_="manifest", host=PROD, status=201)} == {"contributor"}


@pytest.mark.skipif(shutil.which("skopeo") is None, reason="needs skopeo")
def test_skopeo_pulls_all_that_an_import_brought(sandbox: Sandbox, http: requests.Session, tmp_path: Path) -> None:
    arm = "https://management.azure.test"
    token = credential().get_token(f"{arm}/.default").token
    url = (
        f"{arm}/subscriptions/{sandbox.env['AZURE_SUBSCRIPTION_ID']}/resourceGroups/rg-registries/providers"
        "/Microsoft.ContainerRegistry/registries/contosoprod/importImage?api-version=2025-11-01"
    )
    source = {"registryUri": "docker.io", "sourceImage": "library/hello-world:latest"}
    body = {"source": source, "targetTags": ["hello:1"]}
    assert http.post(url, json=body, headers={"Authorization": f"Bearer {token}"}).status_code == 202
    assert sandbox.wait_for_operations()[-1]["status"] == "Succeeded"
    creds = f"--src-creds={PRINCIPALS['reader'][1]}:{PRINCIPALS['reader'][2]}"
    for name, image, more in (("source", "docker.io/library/hello-world", []), ("target", f"{PROD}/hello:1", [creds])):
        command = ["skopeo", "copy", "-q", "--all", *more, f"docker://{image}", f"dir:{tmp_path}/{name}"]
        subprocess.run(command, check=True)
    files = {p.name: p.read_bytes() for p in (tmp_path / "source").iterdir()}
    assert files == {p.name: p.read_bytes() for p in (tmp_path / "target").iterdir()}
