# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Registries that lie or lag, and answers that are written oddly."""
from __future__ import annotations

import time
from typing import Any

import pytest
import requests

from tests.sandbox import lies
from tests.sandbox.handle import ARM_URL, PRINCIPALS, AdminError, Sandbox
from tests.unit.sandbox.clients import (
    DEV,
    FROM_DEV,
    PROD,
    PROD_ID,
    TYPES,
    VERSION,
    Imports,
    Registry,
    bearer,
    code,
)

VENDOR = "https://bearer.vendor.test:8443"


@pytest.fixture
def app(sandbox: Sandbox, http: requests.Session) -> Registry:
    """The target registry, with a repository ``app`` of the tags 1 … 9 and one more image of a single platform."""
    for number in range(1, 10):
        sandbox.push(PROD, "app", [str(number)], seed=number)
    return Registry(http, PROD, "repository:app:pull,metadata_read", "repository:new:pull,metadata_read", "registry:catalog:*")


def tell(sandbox: Sandbox, kind: str, **more: Any) -> None:
    sandbox.knobs(lies=[{"kind": kind, **more}])


def listed(registry: Registry) -> tuple[set[str], set[str], set[str]]:
    """The tags of ``app`` by Azure's list and by the specification's, and its digests."""
    tags = {tag["name"] for tag in registry.get("/acr/v1/app/_tags").json()["tags"]}
    plain = set(registry.get("/v2/app/tags/list").json()["tags"])
    return tags, plain, {m["digest"] for m in registry.get("/acr/v1/app/_manifests").json()["manifests"]}


def test_each_lie_is_named_and_said_what_it_is(sandbox: Sandbox) -> None:
    assert all(text.endswith(".") for text in lies.KINDS.values())
    for wrong in (
        {"kind": "white"},
        {"kind": "absent", "match": {"url": "x"}},
        {"kind": "dressed", "link": "odd"},
        {"kind": "redirected"},
        {"kind": "lost_poll", "form": "odd"},
        {"kind": "absent", "sooften": 1},
    ):
        with pytest.raises(AdminError):
            sandbox.knobs(lies=[wrong])
    assert sandbox.knobs()["lies"] == []


# ---- lists ----------------------------------------------------------------------------------------------------------


def test_lists_can_lack_what_is_there(sandbox: Sandbox, app: Registry) -> None:
    digests = sandbox.tags(PROD, "app")
    tell(sandbox, "unlisted", match={"repository": "^app$", "reference": f"^[12]$|^{digests['3']}$"})
    tags, plain, manifests = listed(app)
    assert tags == plain == set("3456789")
    assert manifests == set(digests.values()) - {digests["3"]}
    for path in ("/v2/app/manifests/1", f"/v2/app/manifests/{digests['3']}", "/acr/v1/app/_tags/1"):
        assert app.get(path).status_code == 200
    tell(sandbox, "unlisted", lists=["manifests"])
    assert listed(app) == (set("123456789"), set("123456789"), set())
    sandbox.push(PROD, "new", ["1"])
    tell(sandbox, "unlisted", lists=["catalog"], match={"repository": "^app$"})
    assert app.get("/acr/v1/_catalog").json()["repositories"] == app.get("/v2/_catalog").json()["repositories"] == ["new"]


def test_a_list_can_lack_a_share_of_its_items_always_the_same(sandbox: Sandbox, app: Registry) -> None:
    found = []
    for seed in (1, 1, 2):
        tell(sandbox, "unlisted", probability=0.5, seed=seed, lists=["tags"])
        found += [listed(app)[0] for _n in range(2)]
    assert found[0] == found[1] == found[2] == found[3] != found[4]
    assert all(0 < len(tags) < 9 for tags in found)
    assert sandbox.knobs()["lies"][0]["told"] > 0


def test_lists_can_be_late_with_what_is_new(sandbox: Sandbox, app: Registry) -> None:
    time.sleep(0.7)
    sandbox.push(PROD, "app", ["new"], seed=77)
    tell(sandbox, "unlisted", seconds=0.6)
    assert listed(app)[0] == set("123456789")
    assert app("HEAD", "/v2/app/manifests/new").status_code == 200
    time.sleep(0.7)
    assert listed(app)[0] == {*"123456789", "new"}


def test_referrers_can_be_missing_from_their_list(sandbox: Sandbox, http: requests.Session) -> None:
    digest = sandbox.push(PROD, "signed", ["1"], kind="signed")["digest"]
    registry = Registry(http, PROD, "repository:signed:pull")
    tell(sandbox, "unlisted", lists=["referrers"])
    assert registry.get(f"/v2/signed/referrers/{digest}").json()["manifests"] == []
    tell(sandbox, "absent")
    counts = [len(registry.get(f"/v2/signed/referrers/{digest}").json()["manifests"]) for _n in range(2)]
    assert counts == [0, 2]


# ---- single reads ---------------------------------------------------------------------------------------------------


def test_each_read_can_be_answered_404_at_first(sandbox: Sandbox, app: Registry) -> None:
    digest = sandbox.tags(PROD, "app")["1"]
    expected = {
        "/v2/app/manifests/1": "MANIFEST_UNKNOWN",
        f"/v2/app/manifests/{digest}": "MANIFEST_UNKNOWN",
        "/acr/v1/app/_tags/1": "TAG_UNKNOWN",
        f"/acr/v1/app/_manifests/{digest}": "MANIFEST_UNKNOWN",
        "/acr/v1/app/_tags": "NAME_UNKNOWN",
        "/acr/v1/app/_manifests": "NAME_UNKNOWN",
        "/acr/v1/app": "NAME_UNKNOWN",
        "/v2/app/tags/list": "NAME_UNKNOWN",
    }
    tell(sandbox, "absent")
    for path, wanted in expected.items():
        assert code(app.get(path)) == (404, wanted), path
        assert [app.get(path).status_code for _n in range(2)] == [200, 200]
    tell(sandbox, "absent", times=2)
    assert [app("HEAD", "/v2/app/manifests/1").status_code for _n in range(3)] == [404, 404, 200]


def test_the_challenge_comes_before_the_lie(sandbox: Sandbox, http: requests.Session, app: Registry) -> None:
    tell(sandbox, "absent")
    assert http.get(f"https://{PROD}/v2/app/manifests/1").status_code == 401
    assert app.get("/v2/app/manifests/1").status_code == 404


def test_a_share_of_all_paths_can_be_absent_for_a_while(sandbox: Sandbox, app: Registry) -> None:
    def statuses() -> list[int]:
        return [app("HEAD", f"/v2/app/manifests/{n}").status_code for n in range(1, 10)]

    lie = {"probability": 0.5, "seed": 3, "times": 1000, "match": {"path": "^/v2/"}}
    tell(sandbox, "absent", until_seconds=600, **lie)
    first = statuses()
    assert {*first} == {200, 404} and statuses() == first
    assert app.get("/acr/v1/app/_tags/1").status_code == 200
    tell(sandbox, "absent", until_seconds=0.1, **lie)
    time.sleep(0.2)
    assert {*statuses()} == {200}


@pytest.mark.parametrize(
    ("status", "wanted"), [(403, "DENIED"), (405, "REGISTRY_DISALLOWED_OPERATION"), (401, "UNAUTHORIZED"), (500, "UNKNOWN")]
)
def test_what_can_t_be_read(sandbox: Sandbox, app: Registry, status: int, wanted: str) -> None:
    digest = sandbox.tags(PROD, "app")["2"]
    tell(sandbox, "refused", status=status, match={"reference": f"^1$|^{digest}$"})
    assert code(app.get("/v2/app/manifests/1")) == (status, wanted)
    assert code(app.get(f"/v2/app/manifests/{digest}")) == (status, wanted)
    assert app("HEAD", "/v2/app/manifests/1").status_code == status
    assert app.get("/v2/app/manifests/2").status_code == 200
    tell(sandbox, "refused", status=status, body="no", times=1, match={"path": "_tags$"})
    assert [app.get("/acr/v1/app/_tags").text for _n in range(2)][0] == "no"
    assert app.get("/acr/v1/app/_tags").status_code == 200


# ---- replicas -------------------------------------------------------------------------------------------------------


def test_replicas_disagree_about_what_is_new(sandbox: Sandbox, app: Registry) -> None:
    old = sandbox.tags(PROD, "app")
    time.sleep(1.0)
    sandbox.push(PROD, "new", ["1"])
    index = sandbox.push(PROD, "app", ["2", "new"], kind="index", seed=78)
    tell(sandbox, "lagging", seconds=0.9, replicas=1, behind=1)
    assert app.get("/acr/v1/_catalog").json()["repositories"] == ["app"]
    assert code(app.get("/v2/new/manifests/1"))[0] == 404
    assert code(app.get("/acr/v1/app/_tags/new")) == (404, "TAG_UNKNOWN")
    for digest in (index["digest"], index["children"][0]):
        assert app("HEAD", f"/v2/app/manifests/{digest}").status_code == 404
    # A tag that moved still points at what it did.
    assert app("HEAD", "/v2/app/manifests/2").headers["Docker-Content-Digest"] == old["2"]
    assert {t["name"]: t["digest"] for t in app.get("/acr/v1/app/_tags").json()["tags"]} == old
    assert {m["digest"] for m in app.get("/acr/v1/app/_manifests").json()["manifests"]} == set(old.values())
    time.sleep(1.0)
    assert app("HEAD", "/v2/app/manifests/2").headers["Docker-Content-Digest"] == index["digest"]
    assert app.get("/v2/new/manifests/1").status_code == 200


def test_a_read_meets_one_replica_or_another(sandbox: Sandbox, app: Registry) -> None:
    def statuses() -> list[int]:
        tell(sandbox, "lagging", seconds=60, replicas=3, behind=1, seed=5)
        return [app("HEAD", "/v2/app/manifests/1").status_code for _n in range(30)]

    first = statuses()
    assert 3 <= first.count(404) <= 18
    assert statuses() == first


# ---- redirects ------------------------------------------------------------------------------------------------------


def test_a_manifest_can_lie_with_a_host_that_has_passwords_of_its_own(sandbox: Sandbox, http: requests.Session) -> None:
    asked = {"service": "bearer.vendor.test", "scope": "repository:vendor/tool:pull"}
    token = http.get("https://auth.vendor.test/token", params=asked, auth=("vendor", "vendorpass")).json()["token"]
    headers = {"Accept": TYPES, "Authorization": f"Bearer {token}"}
    tell(sandbox, "redirected", to="mirror.vendor.test", match={"host": "bearer", "repository": "^vendor/tool$"})
    first = http.get(f"{VENDOR}/v2/vendor/tool/manifests/1.0", headers=headers, allow_redirects=False)
    place = "https://mirror.vendor.test/v2/vendor/tool/manifests/1.0"
    assert (first.status_code, first.headers["Location"]) == (307, place)
    refused = http.get(place, headers={"Accept": TYPES})
    assert refused.headers["WWW-Authenticate"].startswith('Bearer realm="https://auth.mirror.test/token",')
    assert http.get("https://auth.mirror.test/token?service=mirror.vendor.test", auth=("vendor", "vendorpass")).status_code == 401
    form = {"service": "mirror.vendor.test", "grant_type": "password", "username": "vendor", "password": "vendorpass"}
    assert http.post("https://auth.mirror.test/token", data=form).status_code == 401
    told = [(e["authorization"], e["principal"]) for e in sandbox.log(host="auth.mirror.test")]
    assert told == [("basic", "vendor"), ("", "vendor")]
    asked = {"service": "mirror.vendor.test", "scope": "repository:vendor/tool:pull"}
    token = http.get("https://auth.mirror.test/token", params=asked, auth=("mirror", "mirrorpass")).json()["token"]
    found = http.get(place, headers={"Accept": TYPES, "Authorization": f"Bearer {token}"})
    assert found.headers["Docker-Content-Digest"] == sandbox.tags("bearer.vendor.test", "vendor/tool")["1.0"]


# ---- odd labels and headers -----------------------------------------------------------------------------------------


def test_odd_labels(sandbox: Sandbox, http: requests.Session) -> None:
    typed = sandbox.push("mcr.microsoft.com", "odd", ["typed"], kind="index", seed=3)
    untyped = sandbox.push("mcr.microsoft.com", "odd", ["untyped"], kind="index", seed=3, untyped=True)
    assert typed["digest"] != untyped["digest"] and typed["children"] == untyped["children"]
    tell(sandbox, "dressed", match={"host": "^mcr", "reference": "^untyped$"},
         headers={"Content-Type": "text/plain", "ETag": None})  # fmt: skip
    for method in ("GET", "HEAD"):
        answer = http.request(method, "https://mcr.microsoft.com/v2/odd/manifests/untyped", headers={"Accept": TYPES})
        assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/plain")
        assert answer.headers["Docker-Content-Digest"] == untyped["digest"] and "ETag" not in answer.headers
    plain = http.get("https://mcr.microsoft.com/v2/odd/manifests/untyped", headers={"Accept": TYPES}).json()
    assert "mediaType" not in plain and {m["digest"] for m in plain["manifests"]} == set(untyped["children"])


def test_several_challenges(sandbox: Sandbox, http: requests.Session) -> None:
    lines = ["Negotiate", 'Basic realm="here"']
    tell(sandbox, "dressed", match={"host": "^basic", "status": "401"}, headers={"WWW-Authenticate": lines})
    answer = http.get("https://basic.vendor.test/v2/vendor/tool/manifests/1.0")
    assert answer.raw.headers.getlist("WWW-Authenticate") == lines
    tell(sandbox, "dressed", match={"method": "HEAD", "status": "401"}, headers={"WWW-Authenticate": None})
    url = "https://basic.vendor.test/v2/vendor/tool/manifests/1.0"
    assert "WWW-Authenticate" not in http.head(url).headers and "WWW-Authenticate" in http.get(url).headers


@pytest.mark.parametrize(
    ("link", "expected"),
    [
        ("http", '<http://{h}{p}>; rel="next"'),
        ("https", '<https://{h}{p}>; rel="next"'),
        ("prefix", '</repository/proxied{p}>; rel="next"'),
        ("single", "<{p}>; rel='next'"),
        ("upper", '<{p}>; REL="next"'),
        ("bare", "<{p}>; rel=next"),
    ],
)
def test_odd_links(sandbox: Sandbox, http: requests.Session, link: str, expected: str) -> None:
    tell(sandbox, "dressed", link=link)
    answer = http.get("https://mcr.microsoft.com/v2/dotnet/runtime/tags/list?n=4")
    place = "/v2/dotnet/runtime/tags/list?last=8.0&n=4"
    assert answer.headers["Link"] == expected.format(h="mcr.microsoft.com", p=place)
    assert "Link" not in http.get("https://mcr.microsoft.com/v2/dotnet/runtime/tags/list?n=7").headers


def test_nothing_is_there_for_nobody(sandbox: Sandbox, http: requests.Session) -> None:
    sandbox.patch_upstream("bearer.vendor.test", flags={"hides_from_nobody": True})
    for path in ("manifests/1.0", "tags/list"):
        assert code(http.get(f"{VENDOR}/v2/vendor/tool/{path}")) == (404, "MANIFEST_UNKNOWN")
    assert http.get(f"{VENDOR}/v2/").headers["WWW-Authenticate"].startswith("Bearer ")
    asked = {"service": "bearer.vendor.test", "scope": "repository:vendor/tool:pull"}
    token = http.get("https://auth.vendor.test/token", params=asked, auth=("vendor", "vendorpass")).json()["token"]
    headers = {"Accept": TYPES, "Authorization": f"Bearer {token}"}
    assert http.get(f"{VENDOR}/v2/vendor/tool/manifests/1.0", headers=headers).status_code == 200


def test_pauses_that_are_times(sandbox: Sandbox, http: requests.Session) -> None:
    action = {"status": 429, "headers": {"Retry-After": "{now+30}"}, "body": ""}
    sandbox.knobs(faults=[{"match": {"host": "^mcr"}, "action": action}])
    answer = http.get("https://mcr.microsoft.com/v2/")
    assert 28 < int(answer.headers["Retry-After"]) - time.time() < 31


# ---- imports --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("lie", "status", "body"),
    [
        ({}, 404, '{"error":{"code":"ResourceNotFound","message":"The Resource'),
        ({"form": "provider"}, 404, '{"error":{"code":"ResourceNotFound","message":"The resource registries-'),
        ({"form": "empty"}, 404, ""),
        ({"status": 403}, 403, '{"error":{"code":"AuthorizationFailed"'),
        ({"status": 403, "form": "empty"}, 403, ""),
    ],
)
def test_polls_that_say_nothing_of_the_import(
    sandbox: Sandbox, http: requests.Session, lie: dict[str, Any], status: int, body: str
) -> None:
    imports = Imports(http)
    tell(sandbox, "lost_poll", times=2, match={"repository": "^a$"}, **lie)
    location = imports.post(FROM_DEV, "a:1").headers["Location"]
    answers = [http.get(location, headers=imports.headers) for _n in range(2)]
    for answer in answers:
        assert answer.status_code == status
        assert answer.text.startswith(body) if body else answer.text == ""
    assert http.get(location, headers=imports.headers).status_code in (200, 202)
    assert imports.run(FROM_DEV, "b:1").status_code == 200
    assert sandbox.wait_for_operations()[0]["status"] == "Succeeded"
    assert set(sandbox.tags(PROD, "a")) == {"1"}


@pytest.mark.parametrize("status", [201, 202, 204])
@pytest.mark.parametrize("runs", [True, False])
def test_imports_of_which_nothing_more_is_told(
    sandbox: Sandbox, http: requests.Session, status: int, runs: bool
) -> None:
    tell(sandbox, "no_location", status=status, runs=runs)
    answer = Imports(http).post(FROM_DEV, "a:1")
    assert (answer.status_code, answer.content, "Location" in answer.headers) == (status, b"", False)
    [operation] = sandbox.wait_for_operations()
    assert operation["status"] == ("Succeeded" if runs else "Dropped")
    assert set(sandbox.tags(PROD, "a")) == ({"1"} if runs else set())


def test_children_can_come_after_their_index(sandbox: Sandbox, http: requests.Session) -> None:
    sandbox.knobs(children_late_seconds=600)
    assert Imports(http).run(FROM_DEV, "a:1").status_code == 200
    digest = sandbox.tags(PROD, "a")["1"]
    children = sandbox.manifests("contosodev", "aci-helloworld")[digest]["children"]
    assert set(sandbox.manifests(PROD, "a")) == {digest}
    registry = Registry(http, PROD, "repository:a:pull", "repository:b:pull")
    assert registry("HEAD", f"/v2/a/manifests/{children[0]}").status_code == 404
    sandbox.knobs(children_late_seconds=0.2)
    assert Imports(http).run(FROM_DEV, "b:1").status_code == 200
    end = time.monotonic() + 60
    while set(sandbox.manifests(PROD, "b")) != {digest, *children}:
        assert time.monotonic() < end
        time.sleep(0.05)
    assert registry("HEAD", f"/v2/b/manifests/{children[0]}").status_code == 200


def test_azure_s_imports_follow_the_truth(sandbox: Sandbox, http: requests.Session) -> None:
    sandbox.knobs(lies=[{"kind": kind} for kind in ("absent", "unlisted", "refused")] + [{"kind": "lagging", "seconds": 3600}])
    assert Imports(http).run(FROM_DEV, "a:1").status_code == 200
    assert sandbox.tags(PROD, "a")["1"] == sandbox.tags("contosodev", "aci-helloworld")["v1"]


def test_what_is_changed_is_changed_in_truth(sandbox: Sandbox, http: requests.Session) -> None:
    sandbox.push(PROD, "app", ["1"])
    registry = Registry(http, PROD, "repository:app:metadata_read,metadata_write,delete")
    tell(sandbox, "lagging", seconds=3600, replicas=1)
    assert registry.get("/acr/v1/app/_tags/1").status_code == 404
    assert registry("PATCH", "/acr/v1/app/_tags/1", json={"deleteEnabled": False}).status_code == 200
    assert registry("DELETE", "/acr/v1/app/_tags/1").status_code == 405


def test_what_is_no_read_of_a_registry_stays_true(sandbox: Sandbox, http: requests.Session) -> None:
    sandbox.knobs(lies=[{"kind": kind} for kind in ("absent", "refused")])
    assert http.get(f"{ARM_URL}{PROD_ID}", params=VERSION, headers=bearer()).status_code == 200
    assert http.get(f"https://{DEV}/v2/", auth=PRINCIPALS["reader"][1:]).status_code == 200
