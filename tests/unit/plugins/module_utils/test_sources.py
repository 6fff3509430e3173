# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The registries that images come from: how each is opened and named to Azure, and what a plan reads of them how often."""

from __future__ import annotations

import hashlib
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
from ansible_collections.registryops.acr.plugins.module_utils._manifest import Descriptor
from ansible_collections.registryops.acr.plugins.module_utils._plan import Origin
from ansible_collections.registryops.acr.plugins.module_utils._reference import Credentials, RegistryId, parse_registry
from ansible_collections.registryops.acr.plugins.module_utils._referrers import Referrers
from ansible_collections.registryops.acr.plugins.module_utils._registry import CONFIRM_PAUSES
from ansible_collections.registryops.acr.plugins.module_utils._sources import (
    MANIFESTS_PER_IMPORT,
    SMALL_INDEX,
    Source,
    Sources,
    listing_pays,
)
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


@pytest.mark.parametrize("credentials", [None, PAIR])
def test_c6_one_registry_is_one_source_however_it_is_named(credentials: Credentials | None) -> None:
    names = [RegistryId("name", "contosodev"), RESOURCE_ID, parse_registry(SERVER, ["azurecr.test"]), None]
    for order in (names, names[::-1]):
        opened = sources()
        found = [opened.open(SERVER if name is None else None, name, credentials) for name in order]
        assert len(set(found)) == 1 and found[0].name == SERVER
        body = {"resourceId": ID} if credentials is None else {"registryUri": SERVER, "credentials": {"username": "u", "password": "p"}}
        assert found[0].body() == body
        assert opened.open(SERVER, None, Credentials("other", "p")) is not found[0], "another sign-in is another source"


def test_c6_a_resource_id_that_is_given_counts_where_nothing_can_be_looked_up() -> None:
    """AcrPull alone shows no registry: whoever gives the resource ID as well means it."""
    arm = FakeArm(AcrError("denied", "no."))
    opened = sources(arm)
    by_server = opened.open(SERVER, None, None)
    assert opened.open(None, RESOURCE_ID, None) is by_server and by_server.body() == {"resourceId": ID}


def test_only_azure_registries_list_their_repositories() -> None:
    azure = Source("a", HeldAzure("a", x={}, y={}), None, None)
    assert azure.repositories() == ["x", "y"]
    other = Source("quay.io", HeldRegistry("quay.io", x={}), None, None)
    assert "quay.io is no Azure registry" in str(error_of(other.repositories))


def test_who_may_pull_but_not_read_a_registry_names_it_by_its_id() -> None:
    source = sources(FakeArm(AcrError("denied", "no."))).open(None, RESOURCE_ID, None)
    assert source.registry.host == SERVER and source.body() == {"resourceId": ID}
    for kind in ("not_found", "unavailable"):
        assert error_of(lambda kind=kind: sources(FakeArm(AcrError(kind, "no."))).open(None, RESOURCE_ID, None)).reason == kind
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
    assert error_of(source.body).reason == "throttled"


# -- resolving ---------------------------------------------------------------------------------------------------------

A, B = digest(1), digest(2)
MANY = {"1.{0}".format(number): digest(20 + number) for number in range(5)}
TIMES = len(CONFIRM_PAUSES) + 1  # that something is asked for before it is told not to be there


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
    assert (error.reason, str(error)) == ("not_found", "quay.io/team/app:3.0 does not exist.")
    for tag in ("1.0", "2.0"):
        error = error_of(lambda tag=tag: read.resolve(Origin(source, "team/other", tag)))
        assert str(error) == "quay.io/team/other:{0} does not exist: there is no repository team/other.".format(tag)
    assert quay.asked.count(("lacks", "team/other")) == TIMES, "once is no proof"
    assert quay.asked.count(("describe", "team/other", "2.0")) == 1, "where the repository is missing, it is"


def test_why_a_source_is_not_there_is_no_failure_of_its_own(quay: HeldRegistry) -> None:
    quay.fails = {("lacks",): AcrError("denied", "no.")}
    assert str(error_of(lambda: sources().resolve(Origin(of(quay), "other", "1")))) == "quay.io/other:1 does not exist."
    quay.fails, quay.asked = {("describe",): AcrError("denied", "no.")}, []
    assert error_of(lambda: sources().resolve(Origin(of(quay), "other", "1"))).reason == "denied"
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


def test_e7_a_platform_of_an_index_that_an_index_lists(quay: HeldRegistry) -> None:
    nested = {"digest": digest(30), "mediaType": INDEX}
    quay.manifests[A] = (INDEX, {"manifests": [nested, {"digest": digest(31)}]})
    quay.manifests[digest(30)] = (INDEX, {"manifests": CHILDREN})
    quay.manifests[digest(31)] = (INDEX, {"manifests": [platform("linux", "s390x", 32)]})  # without a media type in its parent
    for wanted, number in (("linux/arm64", 11), ("linux/s390x", 32)):
        assert sources().resolve(Origin(of(quay), "team/app", "1.0", None, wanted)).digest == digest(number)
    error = error_of(lambda: sources().resolve(Origin(of(quay), "team/app", "1.0", None, "linux/386")))
    offers = "linux/arm, linux/arm64, windows(10.0.20348.1)/amd64, linux/s390x"
    assert str(error) == "quay.io/team/app:1.0 has no image for linux/386; it has {0}.".format(offers)


def test_e7_a_platform_that_only_the_image_itself_states(quay: HeldRegistry) -> None:
    """An index need not say for what its images are."""
    config = "application/vnd.oci.image.config.v1+json"
    for number, media_type in ((40, "application/vnd.dev.other"), (41, config), (42, config)):
        quay.manifests[digest(number)] = (IMAGE, {"config": {"digest": digest(number + 10), "mediaType": media_type}})
    quay.manifests[A] = (INDEX, {"manifests": [{"digest": digest(number), "mediaType": IMAGE} for number in (39, 40, 41, 42)]})
    machines = {digest(51): "arm64", digest(52): "amd64"}
    quay.blob = lambda repository, found: json.dumps({"os": "linux", "architecture": machines[found]}).encode()
    assert sources().resolve(Origin(of(quay), "team/app", "1.0", None, "linux/amd64")).digest == digest(42)
    error = error_of(lambda: sources().resolve(Origin(of(quay), "team/app", "1.0", None, "linux/386")))
    assert str(error).endswith("has no image for linux/386; it has linux/arm64, linux/amd64.")


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
    azure.tagged["team/app"] = dict(MANY)
    read, source = sources(), of(azure)
    assert read.digests(source, "team/app", list(MANY)[:3]) == dict(list(MANY.items())[:3])
    assert sorted(azure.asked) == [("describe", "team/app", tag) for tag in list(MANY)[:3]], "few are asked for"
    azure.asked = []
    assert read.digests(source, "team/app", MANY) == MANY
    assert azure.asked == [("counts", "team/app"), ("tag_list", "team/app")]
    azure.asked = []
    assert read.digests(source, "team/app", ["1.0", "1.1"]) == {"1.0": MANY["1.0"], "1.1": MANY["1.1"]}
    assert azure.asked == [], "it is at hand"


def test_a10_a_tag_that_no_listing_shows_is_asked_for(azure: HeldAzure) -> None:
    azure.tagged["team/app"] = dict(MANY)
    azure.hidden = {"1.2"}
    read, source = sources(), of(azure)
    found = read.digests(source, "team/app", [*MANY, "9.9"])
    absent = found.pop("9.9")
    assert found == MANY, "all others have their digest"
    assert isinstance(absent, AcrError) and (absent.reason, str(absent)) == ("not_found", SERVER + "/team/app:9.9 does not exist.")
    asked = [what[2] for what in azure.asked if what[0] == "describe"]
    assert (asked.count("1.2"), asked.count("9.9"), len(set(asked))) == (1, TIMES, 2), "absence is told only if it is said again"


def test_a10_one_404_is_no_absence(quay: HeldRegistry, azure: HeldAzure) -> None:
    """Not of a tag, a digest, an index, a configuration or a listing."""
    quay.manifests[A] = (INDEX, {"manifests": CHILDREN})
    quay.manifests[B] = (IMAGE, {"config": {"digest": digest(5)}})
    quay.blob = lambda repository, found: quay._ask("blob") or b'{"os": "linux", "architecture": "amd64"}'
    asks = [("describe", "team/app", "1.0"), ("describe", "team/app", B), ("manifest", "team/app", "1.0"), ("blob",), ("tags", "team/app")]
    quay.late = dict.fromkeys(asks, 2)
    source, read = of(quay), sources()
    assert read.listing(source, "team/app") == {"1.0": None, "latest": None}
    assert read.resolve(Origin(source, "team/app", "1.0")).digest == A
    assert read.resolve(Origin(source, "team/app", None, B)).digest == B
    assert read.resolve(Origin(source, "team/app", "1.0", None, "linux/arm64")).digest == digest(11)
    assert read.resolve(Origin(source, "team/app", "latest", None, "linux/amd64")).digest == B
    quay.manifests[A] = index_of(2, SMALL_INDEX)
    quay.late = dict.fromkeys([("describe", "team/app", A), ("manifest", "team/app", A)], 2)
    assert sources().check_importable(Origin(source, "team/app", "1.0", A)).is_index
    azure.late = {("tag_list", "team/app"): 2}
    assert set(sources().listing(of(azure), "team/app")) == {"1.0", "2.0", "latest"}


def test_a10_a_repository_that_is_late_is_not_missing(azure: HeldAzure, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [True, True, False]
    monkeypatch.setattr(azure, "lacks", lambda repository: answers.pop(0))
    error = error_of(lambda: sources().resolve(Origin(of(azure), "team/app", "9.9")))
    assert str(error) == SERVER + "/team/app:9.9 does not exist." and answers == []


def test_a10_a_listing_of_nothing_is_asked_for_again(azure: HeldAzure) -> None:
    assert sources().listing(of(azure), "none") == {}
    assert azure.asked == [("tag_list", "none")] * TIMES


def test_c2_one_tag_that_can_not_be_read_fails_no_other(azure: HeldAzure) -> None:
    azure.tagged["team/app"], azure.crowd = dict(MANY), 20_000
    azure.fails = {
        ("describe", "team/app", "1.1"): AcrError("denied", "no."),
        ("describe", "team/app", "1.3"): AcrError("protocol", "bad."),
    }
    found = sources().digests(of(azure), "team/app", MANY)
    assert {tag: one for tag, one in found.items() if isinstance(one, str)} == {tag: MANY[tag] for tag in ("1.0", "1.2", "1.4")}
    assert [str(found[tag]) for tag in ("1.1", "1.3")] == ["no.", "bad."]


@pytest.mark.parametrize("kind", ["unauthorized", "denied", "protocol"])
@pytest.mark.parametrize("what", ["counts", "tag_list"])
def test_e5_what_can_not_be_listed_is_asked_for_one_by_one(azure: HeldAzure, what: str, kind: str) -> None:
    azure.tagged["team/app"] = dict(MANY)
    azure.fails = {(what,): AcrError(kind, "no.")}
    assert sources().digests(of(azure), "team/app", MANY) == MANY
    assert {asked[2] for asked in azure.asked if asked[0] == "describe"} == set(MANY)


def test_what_is_learnt_needs_no_look_later(azure: HeldAzure) -> None:
    read, source = sources(), of(azure)
    azure.manifests[digest(7)] = (INDEX, {})
    read.learn(source, "team/app", [A, digest(7), digest(8), digest(9)])
    assert read.known(digest(7)) == Descriptor(digest(7), INDEX) and read.known(digest(8)) is None and read.known(B) is None
    assert read.check_importable(Origin(source, "team/app", "1.0", A)).media_type == IMAGE
    assert azure.asked == [("counts", "team/app"), ("manifest_list", "team/app")]


def test_d6_few_of_a_crowd_are_asked_for_one_by_one(azure: HeldAzure) -> None:
    azure.tagged["team/app"], azure.crowd = dict(MANY), 20_000
    read, source = sources(), of(azure)
    assert read.digests(source, "team/app", MANY) == MANY
    read.learn(source, "team/app", MANY.values())
    for tag, one in MANY.items():
        assert read.check_importable(Origin(source, "team/app", tag, one)).media_type == IMAGE
    kinds = [what[0] for what in azure.asked]
    assert {kind: kinds.count(kind) for kind in kinds} == {"counts": 1, "describe": 10}, "no page of any listing"


@pytest.mark.parametrize(
    ("wanted", "total", "pays"),
    [(3, 10, False), (4, 10, True), (4, 1100, False), (5, 1100, True), (79, 20_000, False), (80, 20_000, True)],
)
def test_d6_a_listing_pays_where_its_pages_cost_less_than_what_is_asked_for(wanted: int, total: int, pays: bool) -> None:
    """A page of 1,000 costs about as much as four requests."""
    assert listing_pays(wanted, lambda: total) is pays


def test_what_can_not_be_learnt_is_no_failure(azure: HeldAzure) -> None:
    azure.tagged["team/app"] = dict(MANY)
    azure.fails = {("manifest_list",): AcrError("denied", "no.")}
    read = sources()
    read.learn(of(azure), "team/app", MANY.values())
    assert read.known(MANY["1.0"]) is None


def test_a9_a_tag_that_no_listing_shows_is_found_by_its_name(azure: HeldAzure, quay: HeldRegistry) -> None:
    for registry in (azure, quay):
        registry.hidden = {"1.0"}
        read, source = sources(), of(registry)
        for _listed in range(2):  # without a listing at hand, and with one
            registry.asked = []
            assert (read.find(source, "team/app", "1.0"), read.find(source, "team/app", "9.9")) == (A, None)
            asked = [("describe", "team/app", "1.0"), ("describe", "team/app", "9.9")]
            assert registry.asked == asked, "once each: nobody says that it is there"
            read.listing(source, "team/app")
        registry.asked = []
        assert read.find(source, "team/app", "latest") == B
        assert registry.asked == ([] if registry is azure else [("describe", "team/app", "latest")])
        registry.fails = {("describe",): AcrError("throttled", "later.")}
        assert error_of(lambda: read.find(source, "team/app", "8")).reason == "throttled"  # noqa: B023


# -- who may pull, but not list ----------------------------------------------------------------------------------------


PULLED = "sha256:" + hashlib.sha256(b"{}").hexdigest()


def pull_only(request: Any) -> None:
    """An Azure registry whose tokens hold the right to pull and nothing else, whatever is asked for."""
    path = request.path.partition("?")[0]
    if path == "/oauth2/token":
        return request.reply(200, '{"access_token": "pull-only"}')
    action = "pull" if "/manifests/" in path or "/referrers/" in path else "metadata_read"
    headers = {"Docker-Distribution-Api-Version": "registry/2.0", "Content-Type": "application/json"}
    if request.headers.get("Authorization") == "Bearer pull-only" and action == "pull":
        if "/referrers/" in path:
            return request.reply(200, '{"manifests": []}', headers)
        if path.endswith(".sbom") or path.endswith(".att"):
            return request.reply(404, "", headers)
        return request.reply(200, "{}", {**headers, "Content-Type": IMAGE, "Docker-Content-Digest": PULLED})
    challenge = 'Bearer realm="https://{0}/oauth2/token",service="{0}",scope="repository:team/app:{1}",error="insufficient_scope"'
    text = '{"errors": [{"code": "UNAUTHORIZED", "message": "authentication required"}]}'
    request.reply(401, text, {**headers, "WWW-Authenticate": challenge.format(request.headers["Host"], action)})


@pytest.fixture
def pulled(far_side: Any, http: Http) -> Source:
    far_side.answer = pull_only
    registry = AzureRegistry(far_side.host, http, credentials=PAIR)
    return Source(far_side.host, registry, PAIR, None)


def test_e5_five_named_tags_take_the_right_to_pull_alone(pulled: Source) -> None:
    pulled.registry.prepare(["team/app", "team/web"])  # a token for several, asked for with both rights
    assert sources().digests(pulled, "team/app", "12345") == dict.fromkeys("12345", PULLED)


def test_e5_referrers_take_the_right_to_pull_alone(pulled: Source) -> None:
    origin = Origin(pulled, "team/app", "1", PULLED)
    with ThreadPoolExecutor(4) as pool:
        (found,) = Referrers(sources(), pool).of([origin]).values()
    assert [one.tag for one in found] == [PULLED.replace(":", "-") + ".sig"]


def test_e5_what_takes_a_listing_names_the_right_that_is_missing(pulled: Source) -> None:
    error = error_of(lambda: sources().listing(pulled, "team/app"))
    assert error.reason == "unauthorized" and "allow pulling" not in str(error)
    for part in ("don't allow listing", "the right to list them (metadata_read", "With the right to pull alone, name each tag."):
        assert part in str(error), part
    error = error_of(pulled.repositories)
    assert error.reason == "unauthorized" and "allow pulling" not in str(error) and "don't allow listing" in str(error)
    assert "Container Registry Repository Catalog Lister" in str(error) and "name each repository" in str(error)


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
    assert error.reason == "unsupported" and "quay.io/team/app@{0} lists 51 manifests".format(A) in str(error)


def test_an_index_of_unknown_size_is_counted(azure: HeldAzure) -> None:
    read, source = sources(), of(azure)
    azure.manifests[A] = index_of(MANIFESTS_PER_IMPORT + 1)
    read.learn(source, "team/app", [A, B, digest(8), digest(9)])  # a list of manifests does not tell the size
    assert "51 manifests" in str(error_of(lambda: read.check_importable(Origin(source, "team/app", "1.0", A))))


def test_an_azure_registry_is_read_by_whoever_signs_in() -> None:
    registry = sources().open(SERVER, None, None).registry
    assert isinstance(registry, AzureRegistry) and registry.signs_in
    assert not sources().open(SERVER, None, PAIR).registry.signs_in
