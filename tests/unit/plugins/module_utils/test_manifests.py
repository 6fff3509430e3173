# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `acr_manifest_info` returns, read from a registry that is held in memory and counts what it is asked."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.registryops.acr.plugins.module_utils import _manifests
from ansible_collections.registryops.acr.plugins.module_utils._acr import Tag
from ansible_collections.registryops.acr.plugins.module_utils._errors import AcrError
from ansible_collections.registryops.acr.plugins.module_utils._identity._clouds import Cloud
from ansible_collections.registryops.acr.plugins.module_utils._manifests import Wanted, details, read
from ansible_collections.registryops.acr.plugins.module_utils._reference import InvalidReference
from ansible_collections.registryops.acr.plugins.module_utils._registry import Descriptor, Manifest

INDEX = "application/vnd.oci.image.index.v1+json"
LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
IMAGE = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
A, B, C, D = ("sha256:" + letter * 64 for letter in "abcd")
LOCKS = {"deleteEnabled": False, "writeEnabled": True, "readEnabled": True, "listEnabled": False}


def listed(digest: str, media_type: str = IMAGE, **facts: Any) -> dict[str, Any]:
    """An entry as Azure lists it: an untagged manifest has no ``tags``, an index neither architecture nor os."""
    entry = {"digest": digest, "mediaType": media_type, "imageSize": 4473, "changeableAttributes": LOCKS}
    entry.update({"createdTime": "2026-01-01T00:00:00.1Z", "lastUpdateTime": "2026-01-02T00:00:00.7001063Z"})
    if media_type == IMAGE:
        entry.update({"architecture": "amd64", "os": "linux"})
    return {**entry, **facts}


CHILDREN = [
    {"digest": B, "mediaType": IMAGE, "platform": {"os": "linux", "architecture": "arm64", "variant": "v8"}},
    {"digest": C, "mediaType": IMAGE, "platform": {"os": "windows", "architecture": "amd64", "os.version": "10.0.1"}},
    {"digest": D, "mediaType": IMAGE, "platform": {"os": "unknown", "architecture": "unknown"}},
    {"digest": D, "mediaType": IMAGE},
]
REGISTRY = {
    "team/app": [
        listed(A, INDEX, tags=["1.0", "latest"]),
        listed(B, configMediaType=CONFIG),
        listed(C),
        listed(D, tags=["arm"]),
    ],
    "old/app": [listed(A, LIST, tags=["1"])],
    "empty": [],
}


class FakeRegistry:
    """Stands in for AzureRegistry: as many of its methods as are needed, and what was asked of them."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.sent = 0  # entries that were taken from listings
        self.host = ""

    def __call__(self, host: str, _http: Any, *, entra: Any, tenant: str) -> FakeRegistry:
        self.host, self.signed_in = host, (entra(), tenant)
        return self

    def repositories(self) -> list[str]:
        return list(REGISTRY)

    def prepare(self, repositories: list[str]) -> None:
        self.asked.append(("prepare", *repositories))

    def manifest_list(self, repository: str, *, orderby: str = "", limit: int | None = None) -> Iterator[Any]:
        self.asked.append(("list", repository, orderby, limit))
        for entry in REGISTRY.get(repository, []):
            self.sent += 1
            yield entry

    def manifest_metadata(self, repository: str, digest: str) -> dict[str, Any] | None:
        self.asked.append(("entry", repository, digest))
        return next((entry for entry in REGISTRY.get(repository, []) if entry["digest"] == digest), None)

    def tag(self, repository: str, tag: str) -> Tag | None:
        found = (entry["digest"] for entry in REGISTRY.get(repository, []) if tag in entry.get("tags", []))
        return next((Tag(tag, digest) for digest in found), None)

    def manifest(self, repository: str, digest: str) -> Manifest:
        self.asked.append(("manifest", repository, digest))
        media_type = self.manifest_metadata(repository, digest)["mediaType"]
        content = {"manifests": CHILDREN} if media_type != IMAGE else {"layers": []}
        return Manifest(Descriptor(digest, media_type), json.dumps(content).encode())

    def referrers(self, repository: str, digest: str) -> list[dict[str, Any]]:
        self.asked.append(("referrers", repository, digest))
        signature = {"digest": C, "mediaType": IMAGE, "artifactType": "x/sig", "size": 7}
        return [signature, {"digest": D, "annotations": {"a": "b"}}]


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> FakeRegistry:
    fake = FakeRegistry()
    monkeypatch.setattr(_manifests, "AzureRegistry", fake)
    return fake


ID = "/subscriptions/1/resourceGroups/rg/providers/Microsoft.ContainerRegistry/registries/contosolabel"
IDENTITY = SimpleNamespace(
    http=None,
    cloud=Cloud("Test", "https://management.azure.test", "https://login.azure.test", "scope", "azurecr.test"),
    registry_scope="scope",
    tenant="tenant",
    token=lambda scope: "token for " + scope,
)


def look(**wanted: Any) -> list[dict[str, Any]]:
    return read(IDENTITY, "contosoprod.azurecr.test", None, Wanted(**wanted))[1]


def names(found: list[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(manifest["repository"], manifest["digest"][7:8]) for manifest in found]


def test_one_manifest_by_tag(registry: FakeRegistry) -> None:
    assert look(repository="team/app", tag="arm") == [
        {
            "repository": "team/app",
            "digest": D,
            "tags": ["arm"],
            "media_type": IMAGE,
            "config_media_type": None,
            "size": 4473,
            "created": "2026-01-01T00:00:00.1Z",
            "updated": "2026-01-02T00:00:00.7001063Z",
            "architecture": "amd64",
            "os": "linux",
            "locks": {"delete_enabled": False, "write_enabled": True, "read_enabled": True, "list_enabled": False},
            "platforms": [],
        }
    ]
    assert registry.asked == [("entry", "team/app", D)]
    assert (registry.host, registry.signed_in) == ("contosoprod.azurecr.test", ("token for scope", "tenant"))


@pytest.mark.parametrize(("repository", "media_type"), [("team/app", INDEX), ("old/app", LIST)])
def test_an_index_tells_its_platforms_and_leaves_attestations_out(
    registry: FakeRegistry, repository: str, media_type: str
) -> None:
    (found,) = look(repository=repository, digest=A)
    assert found["platforms"] == [
        {"platform": "linux/arm64", "digest": B, "media_type": IMAGE, "os_version": None},
        {"platform": "windows(10.0.1)/amd64", "digest": C, "media_type": IMAGE, "os_version": "10.0.1"},
    ]
    assert (found["media_type"], found["architecture"], found["os"]) == (media_type, None, None)


def test_all_manifests_of_a_repository(registry: FakeRegistry) -> None:
    found = look(repository="team/app")
    assert names(found) == [("team/app", letter) for letter in "abcd"]
    assert [manifest["tags"] for manifest in found] == [["1.0", "latest"], [], [], ["arm"]]
    assert [manifest["config_media_type"] for manifest in found] == [None, CONFIG, None, None]
    # Only the index itself had to be read.
    assert [asked for asked in registry.asked if asked[0] == "manifest"] == [("manifest", "team/app", A)]


def test_all_repositories(registry: FakeRegistry) -> None:
    repositories, found = read(IDENTITY, "contosoprod.azurecr.test", None, Wanted())
    assert repositories == ["team/app", "old/app", "empty"]
    assert names(found) == [("team/app", letter) for letter in "abcd"] + [("old/app", "a")]
    # Tokens for all at once.
    assert registry.asked[0] == ("prepare", "team/app", "old/app", "empty")


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"untagged": True}, "bc"),
        ({"untagged": False}, "ad"),
        ({"untagged": True, "limit": 1}, "b"),
        ({"untagged": False, "limit": 1}, "a"),
        ({"untagged": False, "limit": 9}, "ad"),
        ({"limit": 3}, "abc"),
    ],
)
def test_filters(registry: FakeRegistry, wanted: dict[str, Any], expected: str) -> None:
    assert names(look(repository="team/app", **wanted)) == [("team/app", letter) for letter in expected]


def test_azure_is_asked_for_no_more_than_is_wanted(registry: FakeRegistry) -> None:
    look(repository="team/app", limit=2, orderby="timedesc")
    assert registry.asked[0] == ("list", "team/app", "timedesc", 2)
    # With a filter, Azure can't count: more may be needed than the limit, and the rest of the list is left unread.
    registry.asked.clear()
    registry.sent = 0
    look(repository="team/app", limit=1, untagged=True)
    assert (registry.asked[0], registry.sent) == (("list", "team/app", "", None), 2)


@pytest.mark.parametrize("wanted", [{"tag": "none"}, {"digest": "sha256:" + "0" * 64}])
def test_what_does_not_exist_is_no_manifest(registry: FakeRegistry, wanted: dict[str, str]) -> None:
    assert look(repository="team/app", **wanted) == []
    assert look(repository="none", **wanted) == []


def test_an_unknown_repository_holds_nothing(registry: FakeRegistry) -> None:
    assert read(IDENTITY, "contosoprod.azurecr.test", None, Wanted(repository="none")) == (["none"], [])


def test_raw(registry: FakeRegistry) -> None:
    found = look(repository="team/app", raw=True)
    assert [json.loads(manifest["raw"]) for manifest in found] == [{"manifests": CHILDREN}] + [{"layers": []}] * 3
    assert all("raw" not in manifest for manifest in look(repository="team/app"))


def test_referrers(registry: FakeRegistry) -> None:
    (found,) = look(repository="team/app", tag="arm", referrers=True)
    assert found["referrers"] == [
        {"digest": C, "media_type": IMAGE, "artifact_type": "x/sig", "size": 7, "annotations": {}},
        {"digest": D, "media_type": None, "artifact_type": None, "size": None, "annotations": {"a": "b"}},
    ]
    assert registry.asked[-1] == ("referrers", "team/app", D)
    assert "referrers" not in look(repository="team/app", tag="arm")[0]


def test_a_manifest_without_attributes_has_locks_that_are_not_known(
    registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(REGISTRY, "bare", [{"digest": B}])
    (found,) = look(repository="bare")
    assert set(found["locks"].values()) == {None}
    assert (found["tags"], found["size"], found["platforms"]) == ([], None, [])


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        ({"digest": "latest"}, "digest: 'latest' is no digest; it looks like sha256: and 64 hex digits."),
        ({"digest": ""}, "digest: '' is no digest; it looks like sha256: and 64 hex digits."),
        ({"limit": 0}, "limit must be at least 1, not 0."),
        ({"limit": -5}, "limit must be at least 1, not -5."),
    ],
)
def test_wrong_options_are_refused_before_anything_is_asked(
    registry: FakeRegistry, wanted: dict[str, Any], message: str
) -> None:
    with pytest.raises(AcrError) as caught:
        look(repository="team/app", **wanted)
    assert (caught.value.kind, str(caught.value)) == ("invalid", message)
    assert registry.host == ""


def test_a_wrong_registry_is_refused(registry: FakeRegistry) -> None:
    with pytest.raises(InvalidReference, match="'no_name' is no name of a registry"):
        read(IDENTITY, "no_name", None, Wanted())


@pytest.mark.parametrize("given", ["contosolabel", ID])
def test_the_login_server_of_a_registry_is_looked_up_where_it_is_not_given(
    registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    looked_up = []

    class FakeArm:
        def __init__(self, identity: Any, _http: Any) -> None:
            assert identity is IDENTITY

        def registry(self, registry_id: Any, group: str | None) -> Any:
            looked_up.append((registry_id.name, group))
            return SimpleNamespace(login_server="contosolabel-a1b2.azurecr.test")

    monkeypatch.setattr(_manifests, "Arm", FakeArm)
    read(IDENTITY, given, "rg", Wanted(repository="empty"))
    assert (looked_up, registry.host) == ([("contosolabel", "rg")], "contosolabel-a1b2.azurecr.test")


def test_details_of_manifests_that_are_known_by_digest() -> None:
    registry = FakeRegistry()
    places = [("team/app", B), ("team/app", A), ("old/app", A), ("team/app", "sha256:" + "0" * 64), ("team/app", B)]
    with ThreadPoolExecutor(2) as pool:
        found = details(registry, places, pool)
    platforms = ["linux/arm64", "windows(10.0.1)/amd64"]
    assert found == {
        ("team/app", A): {"size": 4473, "platforms": platforms},
        ("team/app", B): {"size": 4473, "platforms": ["linux/amd64"]},
        ("old/app", A): {"size": 4473, "platforms": platforms},
    }


def test_details_read_a_listing_no_further_than_needed() -> None:
    registry = FakeRegistry()
    with ThreadPoolExecutor(1) as pool:
        assert list(details(registry, [("team/app", B)], pool)) == [("team/app", B)]
    assert registry.sent == 2
