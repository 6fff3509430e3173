# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Docker Hub, Microsoft's public registry and the private ones."""
from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import pytest
import requests

from tests.sandbox import images
from tests.sandbox.handle import Sandbox

HUB = "https://registry-1.docker.io"
HUB_TOKEN = "https://auth.docker.io/token"
MCR = "https://mcr.microsoft.com"
TYPES = {"Accept": ", ".join((images.OCI_INDEX, images.OCI_MANIFEST, images.DOCKER_LIST, images.DOCKER_MANIFEST))}


def hub(http: requests.Session, *repositories: str, auth: tuple[str, str] | None = None) -> dict[str, str]:
    """The headers of a request to Docker Hub that may pull these."""
    scopes = [f"repository:{r}:pull" for r in repositories]
    answer = http.get(HUB_TOKEN, params={"service": "registry.docker.io", "scope": scopes}, auth=auth)
    assert answer.status_code == 200, answer.text
    return {**TYPES, "Authorization": f"Bearer {answer.json()['token']}"}


def test_docker_hub_challenges_and_names_its_token_service(sandbox: Sandbox, http: requests.Session) -> None:
    ping = http.get(f"{HUB}/v2/")
    assert (ping.status_code, ping.headers["WWW-Authenticate"]) == (
        401,
        'Bearer realm="https://auth.docker.io/token",service="registry.docker.io"',
    )
    first = http.get(f"{HUB}/v2/library/hello-world/manifests/latest")
    assert first.status_code == 401
    assert first.headers["WWW-Authenticate"].endswith(',scope="repository:library/hello-world:pull"')
    token = http.get(HUB_TOKEN, params={"service": "registry.docker.io"}).json()
    assert token["token"] == token["access_token"]
    assert token["expires_in"] == 300


def test_only_a_get_counts_as_a_pull(sandbox: Sandbox, http: requests.Session) -> None:
    sandbox.patch_upstream("registry-1.docker.io", flags={"pulls_left": 2})
    url, headers = f"{HUB}/v2/library/hello-world/manifests/latest", hub(http, "library/hello-world")
    head = http.head(url, headers=headers)
    assert (head.status_code, head.headers["ratelimit-limit"]) == (200, "100;w=21600")
    assert head.headers["ratelimit-remaining"] == "2;w=21600"
    assert head.headers["Docker-Content-Digest"] == sandbox.tags("docker.io", "library/hello-world")["latest"]
    got = [http.get(url, headers=headers) for _n in range(3)]
    assert [g.status_code for g in got] == [200, 200, 429]
    assert [g.headers["ratelimit-remaining"] for g in got] == ["1;w=21600", "0;w=21600", "0;w=21600"]
    assert got[2].json()["errors"][0]["code"] == "TOOMANYREQUESTS"
    assert http.head(url, headers=headers).headers["Content-Length"] == str(len(got[0].content))


def test_docker_hub_s_private_and_missing_repositories_look_alike(sandbox: Sandbox, http: requests.Session) -> None:
    for repository in ("acme/private", "acme/missing", "nobody/missing"):
        answer = http.get(f"{HUB}/v2/{repository}/manifests/latest", headers=hub(http, repository))
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].endswith(',error="insufficient_scope"')
    known = hub(http, "acme/private", auth=("dockeruser", "dockerpass"))
    assert http.get(f"{HUB}/v2/acme/private/manifests/latest", headers=known).status_code == 200
    assert http.get(f"{HUB}/v2/acme/private/manifests/none", headers=known).status_code == 404
    wrong = http.get(HUB_TOKEN, params={"service": "registry.docker.io"}, auth=("dockeruser", "wrong"))
    assert (wrong.status_code, wrong.json()) == (401, {"details": "incorrect username or password"})


def test_one_token_for_several_repositories(sandbox: Sandbox, http: requests.Session) -> None:
    headers = hub(http, "library/hello-world", "library/busybox")
    for repository in ("library/hello-world", "library/busybox"):
        assert http.head(f"{HUB}/v2/{repository}/manifests/latest", headers=headers).status_code == 200
    joined = http.get(
        HUB_TOKEN,
        params={
            "service": "registry.docker.io",
            "scope": "repository:library/busybox:pull repository:tensorflow/tensorflow:pull",
        },
    ).json()["token"]
    answer = http.head(
        f"{HUB}/v2/tensorflow/tensorflow/manifests/latest-gpu", headers={**TYPES, "Authorization": f"Bearer {joined}"}
    )
    assert answer.status_code == 200


def test_docker_hub_s_other_names(sandbox: Sandbox, http: requests.Session) -> None:
    headers = hub(http, "library/busybox")
    assert http.head("https://index.docker.io/v2/library/busybox/manifests/1.36", headers=headers).status_code == 200
    home = http.get("https://docker.io/v2/", allow_redirects=False)
    assert (home.status_code, home.headers["Location"]) == (301, "https://www.docker.com/")


def test_what_is_sent_follows_what_is_accepted(sandbox: Sandbox, http: requests.Session) -> None:
    headers = hub(http, "library/busybox", "library/hello-world")
    url = f"{HUB}/v2/library/busybox/manifests/latest"
    whole = http.get(url, headers=headers)
    assert whole.headers["Content-Type"] == images.DOCKER_LIST
    del headers["Accept"]
    amd64 = http.get(url, headers=headers)
    assert amd64.headers["Content-Type"] == images.DOCKER_MANIFEST
    assert amd64.headers["Docker-Content-Digest"] == whole.json()["manifests"][0]["digest"]
    refused = http.get(f"{HUB}/v2/library/hello-world/manifests/latest", headers=headers)
    assert refused.status_code == 404
    message = refused.json()["errors"][0]["message"]
    assert message == "OCI index found, but Accept header does not support OCI indexes"


def test_microsoft_s_registry_asks_for_nothing(sandbox: Sandbox, http: requests.Session) -> None:
    assert http.get(f"{MCR}/v2/").status_code == 200
    manifest = http.get(f"{MCR}/v2/windows/servercore/manifests/ltsc2019", headers=TYPES)
    assert manifest.headers["Content-Type"] == images.DOCKER_MANIFEST
    config = http.get(f"{MCR}/v2/windows/servercore/blobs/{manifest.json()['config']['digest']}").json()
    assert (config["os"], config["os.version"]) == ("windows", images.WINDOWS_VERSION)
    assert http.get(f"{MCR}/v2/dotnet/runtime/tags/list").json() == {
        "name": "dotnet/runtime",
        "tags": ["6.0", "6.0.35", "6.0.36", "8.0", "8.0.10", "8.0.9", "latest"],
    }
    missing = http.get(f"{MCR}/v2/dotnet/none/tags/list")
    assert (missing.status_code, missing.json()["errors"][0]["code"]) == (404, "NAME_UNKNOWN")


def test_tags_are_paged_when_asked(sandbox: Sandbox, http: requests.Session) -> None:
    page = http.get(f"{MCR}/v2/dotnet/runtime/tags/list?n=4")
    assert page.json()["tags"] == ["6.0", "6.0.35", "6.0.36", "8.0"]
    assert page.headers["Link"] == '</v2/dotnet/runtime/tags/list?last=8.0&n=4>; rel="next"'
    rest = http.get(MCR + page.links["next"]["url"])
    assert (rest.json()["tags"], "Link" in rest.headers) == (["8.0.10", "8.0.9", "latest"], False)
    assert http.get(f"{MCR}/v2/dotnet/runtime/tags/list?n=none").status_code == 400
    sandbox.patch_upstream("mcr.microsoft.com", flags={"refuse_n_above": 999})
    statuses = [http.get(f"{MCR}/v2/dotnet/runtime/tags/list?n={n}").status_code for n in (999, 1000)]
    assert statuses == [200, 400]


def test_a_blob_in_part(sandbox: Sandbox, http: requests.Session) -> None:
    layer = http.get(f"{MCR}/v2/windows/servercore/manifests/ltsc2019", headers=TYPES).json()["layers"][0]
    url = f"{MCR}/v2/windows/servercore/blobs/{layer['digest']}"
    whole = http.get(url)
    assert "sha256:" + hashlib.sha256(whole.content).hexdigest() == layer["digest"]
    part = http.get(url, headers={"Range": "bytes=2-5"})
    assert (part.status_code, part.content) == (206, whole.content[2:6])
    assert http.head(url).headers["Content-Length"] == str(layer["size"])


def test_a_blob_larger_than_is_sent_in_one_piece(sandbox: Sandbox, http: requests.Session) -> None:
    sandbox.push("mcr.microsoft.com", "big", ["1"], size=3_000_000)
    layer = http.get(f"{MCR}/v2/big/manifests/1", headers=TYPES).json()["layers"][1]
    assert layer["size"] > 2_000_000
    content = http.get(f"{MCR}/v2/big/blobs/{layer['digest']}").content
    assert "sha256:" + hashlib.sha256(content).hexdigest() == layer["digest"]


def test_a_basic_challenge(sandbox: Sandbox, http: requests.Session) -> None:
    url = "https://basic.vendor.test/v2/vendor/tool/manifests/1.0"
    refused = http.get(url, headers=TYPES)
    assert (refused.status_code, refused.headers["WWW-Authenticate"]) == (401, 'Basic realm="basic.vendor.test"')
    assert http.get(url, headers=TYPES, auth=("vendor", "wrong")).status_code == 401
    assert http.get(url, headers=TYPES, auth=("vendor", "vendorpass")).status_code == 200
    assert sandbox.log()[-1]["principal"] == "vendor"


def test_a_bearer_challenge_with_a_port_and_a_realm_of_its_own(sandbox: Sandbox, http: requests.Session) -> None:
    url = "https://bearer.vendor.test:8443/v2/vendor/agent/manifests/2.3"
    challenge = http.get(url).headers["WWW-Authenticate"]
    assert challenge == (
        'Bearer realm="https://auth.vendor.test/token",service="bearer.vendor.test",'
        'scope="repository:vendor/agent:pull"'
    )
    asked = {"service": "bearer.vendor.test", "scope": "repository:vendor/agent:pull"}
    anonymous = http.get("https://auth.vendor.test/token", params=asked).json()["token"]
    assert http.get(url, headers={**TYPES, "Authorization": f"Bearer {anonymous}"}).status_code == 401
    form = {**asked, "grant_type": "password", "username": "vendor", "password": "vendorpass"}
    for token in (
        http.get("https://auth.vendor.test/token", params=asked, auth=("vendor", "vendorpass")).json()["token"],
        http.post("https://auth.vendor.test/token", data=form).json()["access_token"],
    ):
        assert http.get(url, headers={**TYPES, "Authorization": f"Bearer {token}"}).status_code == 200
    stray = hub(http, "library/busybox")
    assert http.get(url, headers=stray).headers["WWW-Authenticate"].endswith(',error="invalid_token"')


@pytest.mark.parametrize("key", ["token", "access_token"])
def test_a_token_under_one_name_only_and_a_challenge_of_an_odd_scope(
    sandbox: Sandbox, http: requests.Session, key: str
) -> None:
    sandbox.patch_upstream("bearer.vendor.test", flags={"token_key": key, "challenge_scope": "aws"}, private=[])
    url = "https://bearer.vendor.test:8443/v2/vendor/tool/manifests/1.0"
    assert ',scope="aws"' in http.get(url).headers["WWW-Authenticate"]
    asked = {"service": "bearer.vendor.test", "scope": "aws"}
    given = http.get("https://auth.vendor.test/token", params=asked).json()
    assert {"token", "access_token"} & set(given) == {key}
    assert http.get(url, headers={**TYPES, "Authorization": f"Bearer {given[key]}"}).status_code == 200


def test_registries_that_leave_things_out(sandbox: Sandbox, http: requests.Session) -> None:
    sandbox.patch_upstream("mcr.microsoft.com", flags={"no_digest_header": True, "head_refused": True})
    url = f"{MCR}/v2/dotnet/runtime/manifests/8.0"
    assert http.head(url, headers=TYPES).status_code == 405
    got = http.get(url, headers=TYPES)
    assert (got.status_code, "Docker-Content-Digest" in got.headers) == (200, False)


def test_referrers_where_there_are_any(sandbox: Sandbox, http: requests.Session) -> None:
    digest = sandbox.push("mcr.microsoft.com", "signed", ["1"], kind="signed", fallback_tags=True)["digest"]
    url = f"{MCR}/v2/signed/referrers/{digest}"
    found = http.get(url)
    assert found.headers["Content-Type"] == images.OCI_INDEX
    assert {m["artifactType"] for m in found.json()["manifests"]} == {images.SBOM_TYPE, images.COSIGN_TYPE}
    sandbox.patch_upstream("mcr.microsoft.com", flags={"referrers_api": False})
    assert http.get(url).status_code == 404
    tag = digest.replace(":", "-")
    fallback = http.get(f"{MCR}/v2/signed/manifests/{tag}", headers=TYPES).json()
    assert {m["digest"] for m in fallback["manifests"]} == {m["digest"] for m in found.json()["manifests"]}


@pytest.mark.skipif(shutil.which("skopeo") is None, reason="needs skopeo")
@pytest.mark.parametrize(
    ("image", "credentials"),
    [
        ("docker.io/library/hello-world", None),
        ("docker.io/library/busybox:1.37", None),
        ("docker.io/acme/private:latest", "dockeruser:dockerpass"),
        ("mcr.microsoft.com/dotnet/runtime:8.0", None),
        ("basic.vendor.test/vendor/tool:1.0", "vendor:vendorpass"),
        ("bearer.vendor.test:8443/vendor/tool:1.0", "vendor:vendorpass"),
    ],
)
def test_skopeo_copies_all_of_an_image(
    sandbox: Sandbox, tmp_path: Path, image: str, credentials: str | None
) -> None:
    more = ["--src-creds", credentials] if credentials else []
    subprocess.run(["skopeo", "copy", "-q", "--all", *more, f"docker://{image}", f"dir:{tmp_path}"], check=True)
    index = json.loads((tmp_path / "manifest.json").read_bytes())
    for child in index["manifests"]:
        name = child["digest"].split(":")[1]
        data = (tmp_path / f"{name}.manifest.json").read_bytes()
        assert hashlib.sha256(data).hexdigest() == name
        for blob in [json.loads(data)["config"], *json.loads(data)["layers"]]:
            assert (tmp_path / blob["digest"].split(":")[1]).stat().st_size == blob["size"]
