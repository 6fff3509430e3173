# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The registries that images come from: how each is opened and named to Azure, and what a plan reads of them how often."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.registryops.acr.plugins.module_utils._acr import AzureRegistry
from ansible_collections.registryops.acr.plugins.module_utils._arm import RegistryResource
from ansible_collections.registryops.acr.plugins.module_utils._errors import AcrError
from ansible_collections.registryops.acr.plugins.module_utils._http import Http
from ansible_collections.registryops.acr.plugins.module_utils._identity._clouds import Cloud
from ansible_collections.registryops.acr.plugins.module_utils._plan import Origin
from ansible_collections.registryops.acr.plugins.module_utils._reference import RegistryId, parse_registry
from ansible_collections.registryops.acr.plugins.module_utils._registry import Credentials, Descriptor
from ansible_collections.registryops.acr.plugins.module_utils._sources import MANIFESTS_PER_IMPORT, SMALL_INDEX, Source, Sources
from tests.unit.plugins.held import IMAGE, INDEX, HeldAzure, HeldRegistry, digest

ID = "/subscriptions/s/resourceGroups/rg/providers/Microsoft.ContainerRegistry/registries/contosodev"
RESOURCE_ID = RegistryId("resource_id", "contosodev", None, "s", "rg")
SERVER = "contosodev.azurecr.test"
PAIR = Credentials("u", "p")


class FakeArm:
    """Finds *found*, or raises it; counts how often it is asked."""

    def __init__(self, found: Any = None) -> None:
        self.found = found or RegistryResource(ID, "contosodev", SERVER, "west", "Premium", {}, {})
        self.asked: list[Any] = []

    def registry(self, registry_id: Any) -> RegistryResource:
        self.asked.append(registry_id)
        if isinstance(self.found, AcrError):
            raise self.found
        return self.found


def sources(arm: FakeArm | None = None) -> Sources:
    identity = SimpleNamespace(
        cloud=Cloud("Test", "https://arm.test", "https://login.test", "scope", "azurecr.test"),
        registry_scope="scope",
        tenant="tenant",
        token=lambda scope: "token",
    )
    return Sources(identity, Http(), arm or FakeArm())  # type: ignore[arg-type]


def error_of(work: Callable[[], Any]) -> AcrError:
    with pytest.raises(AcrError) as caught:
        work()
    return caught.value


# -- opening -----------------------------------------------------------------------------------------------------------


def test_each_source_is_opened_once_for_each_sign_in() -> None:
    opened = sources()
    hub = opened.open("docker.io", None, None)
    assert (hub.name, hub.registry.host, hub.azure) == ("docker.io", "registry-1.docker.io", False)
    assert opened.open("docker.io", None, None) is hub
    assert opened.open("docker.io", None, Credentials("u", "p")) is opened.open("docker.io", None, PAIR) is not hub
    assert opened.open("quay.io", None, None) is not hub


def test_a_login_server_of_this_cloud_is_an_azure_registry() -> None:
    arm = FakeArm()
    opened = sources(arm)
    source = opened.open(SERVER, None, None)
    assert source.azure and source.registry.signs_in and source.name == SERVER
    assert opened.open(None, parse_registry(SERVER, ["azurecr.test"]), None) is source
    assert arm.asked == [], "its name tells all"
    assert not sources(arm).open("contosodev.azurecr.io.evil.test", None, None).azure


@pytest.mark.parametrize("registry_id", [RegistryId("name", "contosodev"), RESOURCE_ID])
def test_a_name_or_resource_id_is_looked_up(registry_id: RegistryId) -> None:
    arm = FakeArm()
    source = sources(arm).open(None, registry_id, None)
    assert source.name == source.registry.host == SERVER
    assert source.body() == {"resourceId": ID}
    assert len(arm.asked) == 1, "one look is enough for both"


def test_only_azure_registries_list_their_repositories() -> None:
    azure = Source("a", HeldAzure("a", x={}, y={}), None, None)
    assert azure.repositories() == ["x", "y"]
    other = Source("quay.io", HeldRegistry("quay.io", x={}), None, None)
    assert "quay.io is no Azure registry" in str(error_of(other.repositories))


def test_who_may_pull_but_not_read_a_registry_names_it_by_its_id() -> None:
    source = sources(FakeArm(AcrError("denied", "no."))).open(None, RESOURCE_ID, None)
    assert source.registry.host == SERVER and source.body() == {"resourceId": ID}
    for kind in ("not_found", "unavailable"):
        assert error_of(lambda kind=kind: sources(FakeArm(AcrError(kind, "no."))).open(None, RESOURCE_ID, None)).kind == kind
    assert error_of(lambda: sources(FakeArm(AcrError("denied", "no."))).open(None, RegistryId("name", "contosodev"), None))


# -- as an import names it ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arm", "host", "credentials", "body"),
    [
        (FakeArm(), SERVER, None, {"resourceId": ID}),
        (FakeArm(AcrError("not_found", "no.")), SERVER, None, {"registryUri": SERVER}),
        (FakeArm(AcrError("denied", "no.")), SERVER, None, {"registryUri": SERVER}),
        (FakeArm(), SERVER, PAIR, {"registryUri": SERVER, "credentials": {"username": "u", "password": "p"}}),
        (FakeArm(), "quay.io", Credentials(None, "p"), {"registryUri": "quay.io", "credentials": {"password": "p"}}),
        (FakeArm(), "docker.io", None, {"registryUri": "docker.io"}),
    ],
)
def test_body(arm: FakeArm, host: str, credentials: Credentials | None, body: dict[str, Any]) -> None:
    source = sources(arm).open(host, None, credentials)
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda _n: source.body(), range(4))) == [body] * 4
    assert len(arm.asked) == (1 if host == SERVER and credentials is None else 0)


def test_a_registry_that_can_not_be_looked_up_for_now_is_not_named_otherwise() -> None:
    source = sources(FakeArm(AcrError("throttled", "later."))).open(SERVER, None, None)
    assert error_of(source.body).kind == "throttled"


# -- resolving ---------------------------------------------------------------------------------------------------------

A, B = digest(1), digest(2)


@pytest.fixture
def quay() -> HeldRegistry:
    return HeldRegistry("quay.io", team_app={"1.0": A, "latest": B})


@pytest.fixture
def azure() -> HeldAzure:
    return HeldAzure(SERVER, team_app={"1.0": A, "2.0": B, "latest": B})


def of(registry: Any) -> Source:
    return Source(registry.host, registry, None, None)


def test_tags_and_digests(quay: HeldRegistry) -> None:
    read, source = sources(), of(quay)
    assert read.resolve(Origin(source, "team/app", "1.0")) == Origin(source, "team/app", "1.0", A)
    assert read.resolve(Origin(source, "team/app")).digest == B, "without a tag, latest"
    assert read.resolve(Origin(source, "team/app", "1.0", B)).digest == B, "a digest decides"
    read.resolve(Origin(source, "team/app", "1.0"))
    assert quay.asked.count(("describe", "team/app", "1.0")) == 1
    assert read.known(A) == Descriptor(A, IMAGE, 2) and read.known(digest(9)) is None


def test_a_source_that_is_not_there(quay: HeldRegistry) -> None:
    read, source = sources(), of(quay)
    error = error_of(lambda: read.resolve(Origin(source, "team/app", "3.0")))
    assert (error.kind, str(error)) == ("not_found", "quay.io/team/app:3.0 does not exist.")
    for tag in ("1.0", "2.0"):
        error = error_of(lambda tag=tag: read.resolve(Origin(source, "team/other", tag)))
        assert str(error) == "quay.io/team/other:{0} does not exist: there is no repository team/other.".format(tag)
    assert quay.asked.count(("lacks", "team/other")) == 1


def test_why_a_source_is_not_there_is_no_failure_of_its_own(quay: HeldRegistry) -> None:
    quay.fails = {("lacks",): AcrError("denied", "no.")}
    assert str(error_of(lambda: sources().resolve(Origin(of(quay), "other", "1")))) == "quay.io/other:1 does not exist."
    quay.fails, quay.asked = {("describe",): AcrError("denied", "no.")}, []
    assert error_of(lambda: sources().resolve(Origin(of(quay), "other", "1"))).kind == "denied"
    assert ("lacks", "other") not in quay.asked, "only of what is not there"


# -- platforms ---------------------------------------------------------------------------------------------------------


def platform(os: str, architecture: str, number: int, **more: Any) -> dict[str, Any]:
    return {
        "digest": digest(number), "mediaType": IMAGE, "size": 7, "platform": {"os": os, "architecture": architecture, **more},
    }  # fmt: skip


CHILDREN = [
    platform("linux", "arm", 10, variant="v7"),
    platform("linux", "arm64", 11, variant="v8"),
    platform("windows", "amd64", 12, **{"os.version": "10.0.20348.1"}),
    platform("unknown", "unknown", 13),
    {"digest": digest(14), "mediaType": IMAGE, "platform": None},
]


@pytest.mark.parametrize(
    ("wanted", "number"),
    [("linux/arm64", 11), ("linux/arm64/v8", 11), ("linux/arm", 10), ("windows/amd64", 12), ("windows(10.0.20348)/amd64", 12)],
)
def test_a_platform_of_an_index(quay: HeldRegistry, wanted: str, number: int) -> None:
    quay.manifests[A] = (INDEX, {"manifests": CHILDREN})
    read = sources()
    origin = read.resolve(Origin(of(quay), "team/app", "1.0", None, wanted))
    assert origin.digest == digest(number) and read.known(digest(number)) == Descriptor(digest(number), IMAGE, 7)


def test_a_platform_that_an_index_lacks(quay: HeldRegistry) -> None:
    quay.manifests[A] = (INDEX, {"manifests": CHILDREN})
    quay.manifests[B] = (INDEX, {"manifests": CHILDREN[3:]})
    error = error_of(lambda: sources().resolve(Origin(of(quay), "team/app", "1.0", None, "linux/s390x")))
    offers = "linux/arm, linux/arm64, windows(10.0.20348.1)/amd64"
    assert str(error) == "quay.io/team/app:1.0 has no image for linux/s390x; it has {0}.".format(offers)
    error = error_of(lambda: sources().resolve(Origin(of(quay), "team/app", "latest", None, "linux/s390x")))
    assert str(error).endswith("it has none at all.")


def test_a_single_image_may_be_of_the_platform(quay: HeldRegistry) -> None:
    quay.manifests[A] = (IMAGE, {"config": {"digest": digest(5)}})
    quay.blob = lambda repository, found: json.dumps({"os": "linux", "architecture": "amd64", "at": found}).encode()
    assert sources().resolve(Origin(of(quay), "team/app", "1.0", None, "linux/amd64")).digest == A
    error = error_of(lambda: sources().resolve(Origin(of(quay), "team/app", "1.0", None, "linux/arm64")))
    assert str(error) == "quay.io/team/app:1.0 is a single image for linux/amd64, not for linux/arm64."


# -- listings ----------------------------------------------------------------------------------------------------------


def test_a_listing_is_read_once_whoever_wants_it(quay: HeldRegistry, azure: HeldAzure) -> None:
    for registry, expected in ((quay, {"1.0": None, "latest": None}), (azure, {"1.0": A, "2.0": B, "latest": B})):
        read, source = sources(), of(registry)
        assert not read.lists(source, "team/app")
        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(lambda _n: read.listing(source, "team/app"), range(8))) == [expected] * 8
        assert len(registry.asked) == 1
        assert read.lists(source, "team/app") is source.azure, "only Azure's carry digests"


def test_digests_of_many_tags_in_the_cheapest_way(azure: HeldAzure) -> None:
    read, source = sources(), of(azure)
    assert read.digests(source, "team/app", ["1.0", "2.0", "3.0"]) == {"1.0": A, "2.0": B}
    assert azure.asked == [("find_tags", "team/app")]
    azure.complete, azure.asked = False, []
    assert read.digests(source, "team/app", ["1.0", "3.0"]) == {"1.0": A}
    assert sorted(azure.asked) == [("describe", "team/app", "1.0"), ("describe", "team/app", "3.0"), ("find_tags", "team/app")]
    read.listing(source, "team/app")
    azure.asked = []
    assert read.digests(source, "team/app", ["1.0", "3.0"]) == {"1.0": A} and azure.asked == [], "it is at hand"


def test_a_tag_that_could_not_be_read_is_not_absent(azure: HeldAzure) -> None:
    azure.complete = False
    azure.fails = {("describe",): AcrError("throttled", "later.")}
    assert error_of(lambda: sources().digests(of(azure), "team/app", ["1.0"])).kind == "throttled"


def test_what_is_learnt_needs_no_look_later(azure: HeldAzure) -> None:
    read, source = sources(), of(azure)
    azure.manifests[digest(7)] = (INDEX, {})
    read.learn(source, "team/app", [A, digest(7), digest(8)])
    assert read.known(digest(7)) == Descriptor(digest(7), INDEX) and read.known(digest(8)) is None and read.known(B) is None
    assert read.check_importable(Origin(source, "team/app", "1.0", A)).media_type == IMAGE
    assert azure.asked == [("manifest_list", "team/app")]


# -- what Azure can import ---------------------------------------------------------------------------------------------


def index_of(count: int, padding: int = 0) -> tuple[str, dict[str, Any]]:
    entries = [{"digest": digest(number), "mediaType": IMAGE} for number in range(count)]
    return INDEX, {"manifests": entries, "annotations": {"x": "y" * padding}}


@pytest.mark.parametrize(("count", "padding", "reads"), [(2, 0, 0), (2, SMALL_INDEX, 1), (MANIFESTS_PER_IMPORT, 0, 1)])
def test_an_index_is_counted_where_it_is_big_enough_to_hold_too_many(
    quay: HeldRegistry, count: int, padding: int, reads: int
) -> None:
    quay.manifests[A] = index_of(count, padding)
    assert sources().check_importable(Origin(of(quay), "team/app", "1.0", A)).is_index
    assert sum(what[0] == "manifest" for what in quay.asked) == reads


def test_an_index_of_too_many_manifests_is_refused(quay: HeldRegistry) -> None:
    quay.manifests[A] = index_of(MANIFESTS_PER_IMPORT + 1)
    error = error_of(lambda: sources().check_importable(Origin(of(quay), "team/app", "1.0", A)))
    assert error.kind == "invalid" and "quay.io/team/app@{0} lists 51 manifests".format(A) in str(error)


def test_an_index_of_unknown_size_is_counted(azure: HeldAzure) -> None:
    read, source = sources(), of(azure)
    azure.manifests[A] = index_of(MANIFESTS_PER_IMPORT + 1)
    read.learn(source, "team/app", [A])  # a list of manifests does not tell the size
    assert "51 manifests" in str(error_of(lambda: read.check_importable(Origin(source, "team/app", "1.0", A))))


def test_an_azure_registry_is_read_by_whoever_signs_in() -> None:
    registry = sources().open(SERVER, None, None).registry
    assert isinstance(registry, AzureRegistry) and registry.signs_in
    assert not sources().open(SERVER, None, PAIR).registry.signs_in
