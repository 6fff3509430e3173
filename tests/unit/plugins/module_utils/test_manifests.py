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

from ansible_collections.registryops.acr.plugins.module_utils import _azure
from ansible_collections.registryops.acr.plugins.module_utils._acr import Counts, Tag
from ansible_collections.registryops.acr.plugins.module_utils._azure import Azure
from ansible_collections.registryops.acr.plugins.module_utils._errors import AcrError, UserError
from ansible_collections.registryops.acr.plugins.module_utils._identity._clouds import Cloud
from ansible_collections.registryops.acr.plugins.module_utils._manifest import Descriptor, Manifest
from ansible_collections.registryops.acr.plugins.module_utils._manifests import Content, ManifestQuery, details, read
from ansible_collections.registryops.acr.plugins.module_utils._reference import InvalidReference
from ansible_collections.registryops.acr.plugins.module_utils._registry import Registry
from tests.unit.plugins.held import unhurried

INDEX = "application/vnd.oci.image.index.v1+json"
LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
IMAGE = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
A, B, C, D, E, F, G = ("sha256:" + letter * 64 for letter in "abcdef0")
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

    confirmed, walk, _open = Registry.confirmed, Registry.walk, Registry._open
    name = "contosoprod.azurecr.test"

    def __init__(self) -> None:
        self.http = unhurried()
        self.fails: dict[tuple[Any, ...], AcrError] = {}
        self.asked: list[tuple[Any, ...]] = []
        self.many = 0  # manifests, as each repository counts them
        self.sent = 0  # entries that were taken from listings
        self.host = ""
        self.referring: dict[str, list[dict[str, Any]]] = {}
        self.named: dict[str, str] = {}  # tags that no list of manifests shows

    def __call__(self, host: str, _http: Any, *, entra: Any, tenant: str, credentials: None, public: bool) -> FakeRegistry:
        assert credentials is None and not public, "Azure's registries are read with the account that signs in"
        self.host, self.signed_in = host, (entra(), tenant)
        return self

    def _ask(self, *what: Any) -> None:
        self.asked.append(what)
        error = self.fails.get(what[:3]) or self.fails.get(what[:1])
        if error is not None:
            raise error

    def repositories(self) -> list[str]:
        return list(REGISTRY)

    def counts(self, repository: str) -> Counts:
        self._ask("counts", repository)
        return Counts(0, self.many)

    def prepare(self, repositories: list[str]) -> None:
        self._ask("prepare", *repositories)

    def manifest_list(self, repository: str, *, orderby: str = "", limit: int | None = None) -> Iterator[Any]:
        self._ask("list", repository, orderby, limit)
        for entry in REGISTRY.get(repository, []):
            self.sent += 1
            yield entry

    def manifest_metadata(self, repository: str, digest: str) -> dict[str, Any] | None:
        self._ask("entry", repository, digest)
        return next((entry for entry in REGISTRY.get(repository, []) if entry["digest"] == digest), None)

    def tag(self, repository: str, tag: str) -> Tag | None:
        found = (entry["digest"] for entry in REGISTRY.get(repository, []) if tag in entry.get("tags", []))
        return next((Tag(tag, digest) for digest in found), None)

    def manifest(self, repository: str, digest: str) -> Manifest:
        self._ask("manifest", repository, digest)
        media_type = (self.manifest_metadata(repository, digest) or {"mediaType": IMAGE})["mediaType"]
        content = {"manifests": CHILDREN} if media_type != IMAGE else {"layers": []}
        return Manifest(Descriptor(digest, media_type), json.dumps(content).encode())

    def referrers(self, repository: str, digest: str) -> tuple[str, list[dict[str, Any]]]:
        self._ask("referrers", repository, digest)
        return "api", self.referring.get(digest, [])

    def describe(self, repository: str, reference: str) -> Descriptor:
        self._ask("describe", repository, reference)
        if reference not in self.named:
            raise AcrError("not_found", f"{reference} does not exist.")
        return Descriptor(self.named[reference], IMAGE)


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> FakeRegistry:
    fake = FakeRegistry()
    monkeypatch.setattr(_azure, "AzureRegistry", fake)
    return fake


ID = "/subscriptions/1/resourceGroups/rg/providers/Microsoft.ContainerRegistry/registries/contosolabel"
IDENTITY = SimpleNamespace(
    http=unhurried(),
    cloud=Cloud("Test", "https://management.azure.test", "https://login.azure.test", "scope", "azurecr.test"),
    registry_scope="scope",
    tenant="tenant",
    token=lambda scope: "token for " + scope,
)


def everything(**query: Any) -> Content:
    return read(Azure(IDENTITY), "contosoprod.azurecr.test", None, ManifestQuery(**query))


def look(**query: Any) -> list[dict[str, Any]]:
    return everything(**query).manifests


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
    repositories, found, unreadable = everything()
    assert unreadable == {} and repositories == ["team/app", "old/app", "empty"]
    assert names(found) == [("team/app", letter) for letter in "abcd"] + [("old/app", "a")]
    # Tokens for all at once.
    assert registry.asked[0] == ("prepare", "team/app", "old/app", "empty")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"untagged": True}, "bc"),
        ({"untagged": False}, "ad"),
        ({"untagged": True, "limit": 1}, "b"),
        ({"untagged": False, "limit": 1}, "a"),
        ({"untagged": False, "limit": 9}, "ad"),
        ({"limit": 3}, "abc"),
    ],
)
def test_filters(registry: FakeRegistry, query: dict[str, Any], expected: str) -> None:
    assert names(look(repository="team/app", **query)) == [("team/app", letter) for letter in expected]


def test_azure_is_asked_for_no_more_than_is_wanted(registry: FakeRegistry) -> None:
    look(repository="team/app", limit=2, orderby="timedesc")
    assert registry.asked[0] == ("list", "team/app", "timedesc", 2)
    # With a filter, Azure can't count: more may be needed than the limit, and the rest of the list is left unread.
    registry.asked.clear()
    registry.sent = 0
    look(repository="team/app", limit=1, untagged=True)
    assert (registry.asked[0], registry.sent) == (("list", "team/app", "", None), 2)


@pytest.mark.parametrize("query", [{"tag": "none"}, {"digest": "sha256:" + "0" * 64}])
def test_what_does_not_exist_is_no_manifest(registry: FakeRegistry, query: dict[str, str]) -> None:
    assert look(repository="team/app", **query) == []
    assert look(repository="none", **query) == []


def test_an_unknown_repository_holds_nothing(registry: FakeRegistry) -> None:
    assert everything(repository="none") == (["none"], [], {})


def test_raw(registry: FakeRegistry) -> None:
    found = look(repository="team/app", raw=True)
    assert [json.loads(manifest["raw"]) for manifest in found] == [{"manifests": CHILDREN}] + [{"layers": []}] * 3
    assert all("raw" not in manifest for manifest in look(repository="team/app"))


def test_referrers(registry: FakeRegistry) -> None:
    registry.referring = {
        D: [{"digest": C, "mediaType": IMAGE, "artifactType": "x/sig", "size": 7}, {"digest": E, "annotations": {"a": "b"}}],
    }
    (found,) = look(repository="team/app", tag="arm", referrers=True)
    about = {"subject": D, "found_by": "api", "tag": None}
    assert found["referrers"] == [
        {"digest": C, **about, "media_type": IMAGE, "artifact_type": "x/sig", "size": 7, "annotations": {}},
        {"digest": E, **about, "media_type": None, "artifact_type": None, "size": None, "annotations": {"a": "b"}},
    ]
    assert "referrers" not in look(repository="team/app", tag="arm")[0]


def test_referrers_of_platforms_and_of_referrers(registry: FakeRegistry) -> None:
    """Those of the image are listed with those of everything below it; each with what it refers to."""
    registry.referring = {A: [{"digest": E}], B: [{"digest": F}], E: [{"digest": G}]}
    (found,) = look(repository="team/app", tag="1.0", referrers=True)
    assert [(one["digest"], one["subject"]) for one in found["referrers"]] == [(E, A), (F, B), (G, E)]


def test_referrers_that_are_kept_under_tags(registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    layers = [{"mediaType": "application/vnd.dev.cosign.simplesigning.v1+json"}]
    content = json.dumps({"layers": layers, "annotations": {"a": "b"}}).encode()
    monkeypatch.setattr(registry, "manifest", lambda place, one: Manifest(Descriptor(one, IMAGE, 99), content))
    signature = D.replace(":", "-") + ".sig"
    registry.named = {signature: E}
    (found,) = look(repository="team/app", tag="arm", referrers=True)
    assert found["referrers"] == [
        {
            "digest": E,
            "subject": D,
            "found_by": "tag",
            "tag": signature,
            "media_type": IMAGE,
            "artifact_type": layers[0]["mediaType"],
            "size": 99,
            "annotations": {"a": "b"},
        }
    ]


def test_tags_that_a_whole_list_of_manifests_shows_are_not_asked_for(
    registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(REGISTRY, "signed", [listed(D, tags=["1"]), listed(E, tags=[D.replace(":", "-") + ".sig"])])
    image, signature = look(repository="signed", referrers=True)
    assert [(one["digest"], one["found_by"]) for one in image["referrers"]] == [(E, "tag")] and signature["referrers"] == []
    assert not [asked for asked in registry.asked if asked[0] == "describe"]
    # A list that is cut short proves nothing of the rest.
    registry.named = {D.replace(":", "-") + ".att": F}
    (image,) = look(repository="signed", referrers=True, limit=1)
    assert [one["digest"] for one in image["referrers"]] == [F]


def test_a_tag_that_can_not_be_read_is_no_missing_signature(registry: FakeRegistry) -> None:
    registry.fails = {("describe", "team/app", D.replace(":", "-") + ".sig"): AcrError("throttled", "busy.")}
    (found,) = look(repository="team/app", tag="arm", referrers=True)
    assert "busy." in found["error"] and "referrers" not in found


def test_a_manifest_without_attributes_has_locks_that_are_not_known(
    registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(REGISTRY, "bare", [{"digest": B}])
    (found,) = look(repository="bare")
    assert set(found["locks"].values()) == {None}
    assert (found["tags"], found["size"], found["platforms"]) == ([], None, [])


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"digest": "latest"}, "digest: 'latest' isn't a digest; a digest looks like sha256: and 64 hex digits."),
        ({"digest": ""}, "digest: '' isn't a digest; a digest looks like sha256: and 64 hex digits."),
        ({"limit": 0}, "limit must be at least 1, not 0."),
        ({"limit": -5}, "limit must be at least 1, not -5."),
    ],
)
def test_wrong_options_are_refused_before_anything_is_asked(
    registry: FakeRegistry, query: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError) as caught:
        look(repository="team/app", **query)
    assert (caught.value.reason, str(caught.value)) == ("invalid", message)
    assert registry.host == ""


def test_a_wrong_registry_is_refused(registry: FakeRegistry) -> None:
    with pytest.raises(InvalidReference, match="'no_name' isn't the name of a registry"):
        read(Azure(IDENTITY), "no_name", None, ManifestQuery())


@pytest.mark.parametrize("given", ["contosolabel", ID])
def test_the_login_server_of_a_registry_is_looked_up_where_it_is_not_given(
    registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    looked_up = []

    class FakeArm:
        def __init__(self, identity: Any, http: Any) -> None:
            assert identity is IDENTITY and http is IDENTITY.http

        def registry(self, registry_id: Any, group: str | None) -> Any:
            looked_up.append((registry_id.name, group))
            return SimpleNamespace(login_server="contosolabel-a1b2.azurecr.test")

    monkeypatch.setattr(_azure, "Arm", FakeArm)
    read(Azure(IDENTITY), given, "rg", ManifestQuery(repository="empty"))
    assert (looked_up, registry.host) == ([("contosolabel", "rg")], "contosolabel-a1b2.azurecr.test")


def test_details_of_manifests_that_are_known_by_digest() -> None:
    registry = FakeRegistry()
    places = [("team/app", B), ("team/app", A), ("old/app", A), ("team/app", "sha256:" + "0" * 64), ("team/app", B)]
    with ThreadPoolExecutor(2) as pool:
        found = details(registry, places, pool)
    platforms, same = ["linux/arm64", "windows(10.0.1)/amd64"], {"size": 4473, "created": "2026-01-01T00:00:00.1Z"}
    assert found == {
        ("team/app", A): {**same, "platforms": platforms},
        ("team/app", B): {**same, "platforms": ["linux/amd64"]},
        ("old/app", A): {**same, "platforms": platforms},
    }


def test_details_read_a_listing_no_further_than_needed(registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    held = [listed("sha256:{0:064x}".format(number)) for number in range(9)]
    monkeypatch.setitem(REGISTRY, "many", held)
    with ThreadPoolExecutor(1) as pool:
        assert len(details(registry, [("many", entry["digest"]) for entry in held[:4]], pool)) == 4
    assert registry.sent == 4 and [asked[0] for asked in registry.asked] == ["counts", "list"]


def test_d6_details_of_a_few_of_many_manifests_take_no_listing(registry: FakeRegistry) -> None:
    registry.many = 20_000
    with ThreadPoolExecutor(1) as pool:
        assert len(details(registry, [("team/app", one) for one in (A, B, C, D)], pool)) == 4
    assert [asked[0] for asked in registry.asked if asked[0] != "manifest"][:1] == ["counts"] and registry.sent == 0


def test_c2_details_that_can_not_be_read_leave_the_others(registry: FakeRegistry) -> None:
    places = [("team/app", A), ("team/app", B), ("old/app", A)]
    registry.fails = {("manifest", "team/app", A): AcrError("invalid", "locked."), ("entry", "old/app", A): AcrError("denied", "no.")}
    with ThreadPoolExecutor(2) as pool:
        assert list(details(registry, places, pool)) == [("team/app", B)]
        registry.fails = {("entry",): AcrError("denied", "no.")}
        with pytest.raises(AcrError, match="no."):
            details(registry, places, pool)


# -- what can't be read ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["invalid", "denied", "not_found", "throttled"])
def test_c5_an_index_that_can_not_be_read_is_marked_and_the_rest_returned(registry: FakeRegistry, kind: str) -> None:
    whole = look(repository="team/app", raw=True, referrers=True)
    registry.fails = {("manifest", "team/app", A): AcrError(kind, "It is locked.")}
    found = look(repository="team/app", raw=True, referrers=True)
    assert [manifest.pop("error", None) for manifest in found] == ["It is locked.", None, None, None]
    assert found[1:] == whole[1:]
    without = {name: value for name, value in whole[0].items() if name not in ("raw", "referrers")}
    assert found[0] == {**without, "platforms": []}, "what the registry lists of it; its platforms may have referrers"


def test_c5_referrers_that_can_not_be_read_are_no_empty_list(registry: FakeRegistry) -> None:
    registry.referring = {B: [{"digest": E}]}
    registry.fails = {("referrers", "team/app", A): AcrError("denied", "No right.")}
    first, second = look(repository="team/app", referrers=True)[:2]
    assert first["error"].endswith("can't be found: No right.") and "referrers" not in first and len(first["platforms"]) == 2
    assert "error" not in second and len(second["referrers"]) == 1


@pytest.mark.parametrize("kind", ["unreachable", "firewall", "certificate", "timeout"])
def test_what_is_wrong_with_the_whole_registry_is_told_once(registry: FakeRegistry, kind: str) -> None:
    for what in ("manifest", "list"):
        registry.fails = {(what,): AcrError(kind, "no.")}
        with pytest.raises(AcrError, match="no."):
            everything()


def test_c5_a_repository_that_can_not_be_read_is_told_beside_the_others(registry: FakeRegistry) -> None:
    registry.fails = {("list", "team/app", ""): AcrError("denied", "no.")}
    repositories, found, unreadable = everything()
    assert repositories == ["team/app", "old/app", "empty"] and names(found) == [("old/app", "a")]
    assert {name: str(error) for name, error in unreadable.items()} == {"team/app": "no."}
    registry.fails = {("list",): AcrError("denied", "no.")}
    for query in ({}, {"repository": "team/app"}):
        with pytest.raises(AcrError, match="no."):
            everything(**query)


def test_a10_one_404_is_no_absence(registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    late = {"tag": 2, "manifest_metadata": 2}
    for name in late:

        def answer(repository: str, reference: str, name: str = name, real: Any = getattr(registry, name)) -> Any:
            late[name] -= 1
            return None if late[name] >= 0 else real(repository, reference)

        monkeypatch.setattr(registry, name, answer)
    assert names(look(repository="team/app", tag="arm")) == [("team/app", "d")]


def test_e7_the_platforms_of_an_index_in_an_index(registry: FakeRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    outer, inner = ("sha256:" + letter * 64 for letter in "ef")
    monkeypatch.setitem(REGISTRY, "nested", [listed(outer, INDEX), listed(inner, LIST)])
    real = registry.manifest
    nested = json.dumps({"manifests": [{"digest": inner, "mediaType": LIST}]}).encode()
    outermost = Manifest(Descriptor(outer, INDEX), nested)
    monkeypatch.setattr(registry, "manifest", lambda place, one: outermost if one == outer else real(place, one))
    found = look(repository="nested")
    assert [[platform["digest"] for platform in manifest["platforms"]] for manifest in found] == [[B, C], [B, C]]
