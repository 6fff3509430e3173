# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One source registry: what is read of it, how often, and what its answers prove."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ansible_collections.registryops.acr.plugins.module_utils._acr import AzureRegistry
from ansible_collections.registryops.acr.plugins.module_utils._credentials import Credentials
from ansible_collections.registryops.acr.plugins.module_utils._errors import AcrError
from ansible_collections.registryops.acr.plugins.module_utils._http import Http
from ansible_collections.registryops.acr.plugins.module_utils._listing import FEW
from ansible_collections.registryops.acr.plugins.module_utils._manifest import Descriptor
from ansible_collections.registryops.acr.plugins.module_utils._plan import Origin, SourceRegistry
from ansible_collections.registryops.acr.plugins.module_utils._referrers import Referrers
from ansible_collections.registryops.acr.plugins.module_utils._registry import CONFIRM_PAUSES
from ansible_collections.registryops.acr.plugins.module_utils._source import (
    MANIFESTS_PER_IMPORT,
    SMALL_INDEX,
    Source,
)
from tests.unit.plugins.held import IMAGE, INDEX, HeldAzure, HeldRegistry, digest, source_of

SERVER = "contosodev.azurecr.test"
PAIR = Credentials("u", "p")
A, B = digest(1), digest(2)
MANY = {f"1.{number}": digest(20 + number) for number in range(5)}
ARM = {"digest": digest(11), "mediaType": IMAGE, "size": 7, "platform": {"os": "linux", "architecture": "arm64"}}
TIMES = len(CONFIRM_PAUSES) + 1  # that something is asked for before it is told not to be there


@pytest.fixture
def quay() -> HeldRegistry:
    return HeldRegistry("quay.io", team_app={"1.0": A, "latest": B})


@pytest.fixture
def azure() -> HeldAzure:
    return HeldAzure(SERVER, team_app={"1.0": A, "2.0": B, "latest": B})


def image(tag: str | None = None, digest: str | None = None, platform: str | None = None, repository: str = "team/app") -> Origin:
    return Origin(SourceRegistry("quay.io"), repository, tag, digest, platform)


def error_of(work: Callable[[], Any]) -> AcrError:
    with pytest.raises(AcrError) as caught:
        work()
    return caught.value


# -- resolving ---------------------------------------------------------------------------------------------------------


def test_tags_and_digests(quay: HeldRegistry) -> None:
    source = source_of(quay)
    assert source.resolve(image("1.0")) == image("1.0", A)
    assert source.resolve(image()).digest == B, "without a tag, latest"
    assert source.resolve(image("1.0", B)).digest == B, "a digest decides"
    source.resolve(image("1.0"))
    assert quay.asked.count(("describe", "team/app", "1.0")) == 1
    assert source.known == {A: Descriptor(A, IMAGE, 2), B: Descriptor(B, IMAGE, 2)}


def test_a_platform_is_resolved_to_its_own_manifest(quay: HeldRegistry) -> None:
    quay.manifests[A] = (INDEX, {"manifests": [ARM]})
    source = source_of(quay)
    for origin in (image("1.0", platform="linux/arm64"), image("1.0", A, "linux/arm64")):
        assert source.resolve(origin).digest == ARM["digest"]
    assert source.known == {ARM["digest"]: Descriptor(ARM["digest"], IMAGE, 7)}
    assert "quay.io/team/app:1.0 has no image for" in str(error_of(lambda: source.resolve(image("1.0", platform="linux/386"))))


def test_a_source_that_is_not_there(quay: HeldRegistry) -> None:
    source = source_of(quay)
    error = error_of(lambda: source.resolve(image("3.0")))
    assert (error.reason, str(error)) == ("not_found", "quay.io/team/app:3.0 does not exist.")
    for tag in ("1.0", "2.0"):
        error = error_of(lambda tag=tag: source.resolve(image(tag, repository="team/other")))
        assert str(error) == f"quay.io/team/other:{tag} does not exist: there is no repository team/other."
    assert quay.asked.count(("lacks", "team/other")) == TIMES, "once is no proof"
    about = [what for what in quay.asked if what[1:] == ("team/other", "2.0")]
    assert len(about) == 1, "where the repository is missing, it is"


def test_why_a_source_is_not_there_is_no_failure_of_its_own(quay: HeldRegistry) -> None:
    quay.fails = {("lacks",): AcrError("denied", "no.")}
    assert str(error_of(lambda: source_of(quay).resolve(image("1", repository="other")))) == "quay.io/other:1 does not exist."
    quay.fails, quay.asked = {("describe",): AcrError("denied", "no.")}, []
    assert error_of(lambda: source_of(quay).resolve(image("1", repository="other"))).reason == "denied"
    assert ("lacks", "other") not in quay.asked, "only of what is not there"


# -- listings ----------------------------------------------------------------------------------------------------------


def test_a_listing_is_read_once_whoever_wants_it(quay: HeldRegistry, azure: HeldAzure) -> None:
    for registry, expected in ((quay, {"1.0": None, "latest": None}), (azure, {"1.0": A, "2.0": B, "latest": B})):
        source = source_of(registry)
        assert not source.lists("team/app", FEW) and source.lists("team/app", FEW + 1) is source.azure
        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(lambda _n: source.listing("team/app"), range(8))) == [expected] * 8
        assert len(registry.asked) == 1
        assert source.lists("team/app", 1) is source.azure, "only Azure's carry digests"


def test_digests_of_many_tags_in_the_cheapest_way(azure: HeldAzure) -> None:
    azure.tagged["team/app"] = dict(MANY)
    source = source_of(azure)
    assert source.digests("team/app", list(MANY)[:3]) == dict(list(MANY.items())[:3])
    assert sorted(azure.asked) == [("describe", "team/app", tag) for tag in list(MANY)[:3]], "few are asked for"
    azure.asked = []
    assert source.digests("team/app", MANY) == MANY
    assert azure.asked == [("counts", "team/app"), ("tag_list", "team/app")]
    azure.asked = []
    assert source.digests("team/app", ["1.0", "1.1"]) == {"1.0": MANY["1.0"], "1.1": MANY["1.1"]}
    assert azure.asked == [], "it is at hand"


def test_a10_a_tag_that_no_listing_shows_is_asked_for(azure: HeldAzure) -> None:
    azure.tagged["team/app"] = dict(MANY)
    azure.hidden = {"1.2"}
    source = source_of(azure)
    found = source.digests("team/app", [*MANY, "9.9"])
    absent = found.pop("9.9")
    assert found == MANY, "all others have their digest"
    assert isinstance(absent, AcrError) and (absent.reason, str(absent)) == ("not_found", SERVER + "/team/app:9.9 does not exist.")
    asked = [what[2] for what in azure.asked if what[0] == "describe"]
    assert (asked.count("1.2"), asked.count("9.9"), len(set(asked))) == (1, TIMES, 2), "absence is told only if it is said again"


def test_a10_one_404_is_no_absence(quay: HeldRegistry, azure: HeldAzure) -> None:
    """Not of a tag, a digest, an index, a configuration or a listing."""
    quay.manifests[A] = (INDEX, {"manifests": [ARM]})
    quay.manifests[B] = (IMAGE, {"config": {"digest": digest(5)}})
    quay.blob = lambda repository, found: quay._ask("blob") or b'{"os": "linux", "architecture": "amd64"}'
    asks = [("describe", "team/app", "1.0"), ("describe", "team/app", B), ("manifest", "team/app", "1.0"), ("blob",), ("tags", "team/app")]
    quay.late = dict.fromkeys(asks, 2)
    source = source_of(quay)
    assert source.listing("team/app") == {"1.0": None, "latest": None}
    assert source.resolve(image("1.0")).digest == A
    assert source.resolve(image(None, B)).digest == B
    assert source.resolve(image("1.0", None, "linux/arm64")).digest == digest(11)
    assert source.resolve(image("latest", None, "linux/amd64")).digest == B
    quay.manifests[A] = index_of(2, SMALL_INDEX)
    quay.late = dict.fromkeys([("describe", "team/app", A), ("manifest", "team/app", A)], 2)
    fresh = source_of(quay)
    fresh.check_importable(image("1.0", A))
    assert fresh.known[A].is_index
    azure.late = {("tag_list", "team/app"): 2}
    assert set(source_of(azure).listing("team/app")) == {"1.0", "2.0", "latest"}


def test_a10_a_repository_that_is_late_is_not_missing(azure: HeldAzure, monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [True, True, False]
    monkeypatch.setattr(azure, "lacks", lambda repository: answers.pop(0))
    error = error_of(lambda: source_of(azure).resolve(image("9.9")))
    assert str(error) == SERVER + "/team/app:9.9 does not exist." and answers == []


def test_a10_a_listing_of_nothing_is_asked_for_again(azure: HeldAzure) -> None:
    assert source_of(azure).listing("none") == {}
    assert azure.asked == [("tag_list", "none")] * TIMES


def test_c2_one_tag_that_can_not_be_read_fails_no_other(azure: HeldAzure) -> None:
    azure.tagged["team/app"], azure.crowd = dict(MANY), 20_000
    azure.fails = {
        ("describe", "team/app", "1.1"): AcrError("denied", "no."),
        ("describe", "team/app", "1.3"): AcrError("protocol", "bad."),
    }
    found = source_of(azure).digests("team/app", MANY)
    assert {tag: one for tag, one in found.items() if isinstance(one, str)} == {tag: MANY[tag] for tag in ("1.0", "1.2", "1.4")}
    assert [str(found[tag]) for tag in ("1.1", "1.3")] == ["no.", "bad."]


@pytest.mark.parametrize("kind", ["unauthorized", "denied", "protocol"])
@pytest.mark.parametrize("what", ["counts", "tag_list"])
def test_e5_what_can_not_be_listed_is_asked_for_one_by_one(azure: HeldAzure, what: str, kind: str) -> None:
    azure.tagged["team/app"] = dict(MANY)
    azure.fails = {(what,): AcrError(kind, "no.")}
    assert source_of(azure).digests("team/app", MANY) == MANY
    assert {asked[2] for asked in azure.asked if asked[0] == "describe"} == set(MANY)


def test_what_is_learnt_needs_no_look_later(azure: HeldAzure) -> None:
    source = source_of(azure)
    azure.manifests[digest(7)] = (INDEX, {})
    source.learn("team/app", [A, digest(7), digest(8), digest(9)])
    assert source.known == {A: Descriptor(A, IMAGE), digest(7): Descriptor(digest(7), INDEX)}
    source.check_importable(image("1.0", A))
    assert azure.asked == [("counts", "team/app"), ("manifest_list", "team/app")]


def test_a_list_that_does_not_say_what_a_manifest_is_teaches_nothing(azure: HeldAzure) -> None:
    azure.tagged["team/app"] = dict(MANY)
    azure.manifests[MANY["1.0"]] = ("", {})
    source = source_of(azure)
    source.learn("team/app", MANY.values())
    assert set(source.known) == set(MANY.values()) - {MANY["1.0"]}


def test_d6_few_of_a_crowd_are_asked_for_one_by_one(azure: HeldAzure) -> None:
    azure.tagged["team/app"], azure.crowd = dict(MANY), 20_000
    source = source_of(azure)
    assert source.digests("team/app", MANY) == MANY
    source.learn("team/app", MANY.values())
    for tag, one in MANY.items():
        source.check_importable(image(tag, one))
        assert source.known[one].media_type == IMAGE
    kinds = [what[0] for what in azure.asked]
    assert {kind: kinds.count(kind) for kind in kinds} == {"counts": 1, "describe": 10}, "no page of any listing"


def test_what_can_not_be_learnt_is_no_failure(azure: HeldAzure) -> None:
    azure.tagged["team/app"] = dict(MANY)
    azure.fails = {("manifest_list",): AcrError("denied", "no.")}
    source = source_of(azure)
    source.learn("team/app", MANY.values())
    assert MANY["1.0"] not in source.known


def test_a9_a_tag_that_no_listing_shows_is_found_by_its_name(azure: HeldAzure, quay: HeldRegistry) -> None:
    for registry in (azure, quay):
        registry.hidden = {"1.0"}
        source = source_of(registry)
        for _listed in range(2):  # without a listing at hand, and with one
            registry.asked = []
            assert (source.find("team/app", "1.0"), source.find("team/app", "9.9")) == (A, None)
            asked = [("describe", "team/app", "1.0"), ("describe", "team/app", "9.9")]
            assert registry.asked == asked, "once each: nobody says that it is there"
            source.listing("team/app")
        registry.asked = []
        assert source.find("team/app", "latest") == B
        assert registry.asked == ([] if registry is azure else [("describe", "team/app", "latest")])
        registry.fails = {("describe",): AcrError("throttled", "later.")}
        assert error_of(lambda: source.find("team/app", "8")).reason == "throttled"  # noqa: B023


def test_only_azure_registries_list_their_repositories() -> None:
    azure = source_of(HeldAzure("a", x={}, y={}))
    assert azure.repositories() == ["x", "y"]
    other = source_of(HeldRegistry("quay.io", x={}))
    assert "quay.io isn't an Azure registry" in str(error_of(other.repositories))


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
    return Source(SourceRegistry(far_side.host), registry, PAIR, {})


def test_e5_five_named_tags_take_the_right_to_pull_alone(pulled: Source) -> None:
    pulled.registry.prepare(["team/app", "team/web"])  # a token for several, asked for with both rights
    assert pulled.digests("team/app", "12345") == dict.fromkeys("12345", PULLED)


def test_e5_referrers_take_the_right_to_pull_alone(pulled: Source) -> None:
    origin = image("1", PULLED)
    with ThreadPoolExecutor(4) as pool:
        (found,) = Referrers(pulled, pool).of([origin]).values()
    assert [one.origin.tag for one in found] == [PULLED.replace(":", "-") + ".sig"]


def test_e5_what_takes_a_listing_names_the_right_that_is_missing(pulled: Source) -> None:
    error = error_of(lambda: pulled.listing("team/app"))
    assert error.reason == "unauthorized" and "allow pulling" not in str(error)
    for part in ("don't allow listing", "the right to list them (metadata_read", "With the right to pull alone, name each tag."):
        assert part in str(error), part
    error = error_of(pulled.repositories)
    assert error.reason == "unauthorized" and "allow pulling" not in str(error) and "don't allow listing" in str(error)
    assert "allow listing the repositories of " in str(error) and "does not exist" not in str(error)
    for part in ("the role AcrPull", "Container Registry Repository Catalog Lister", "metadata/read on *", "name each repository"):
        assert part in str(error), part


def test_wrong_credentials_lack_no_right(far_side: Any, http: Http) -> None:
    challenge = {"WWW-Authenticate": f'Bearer realm="https://{far_side.host}/oauth2/token",service="{far_side.host}"'}
    far_side.answer = lambda request: request.reply(401, '{"errors": [{"code": "UNAUTHORIZED"}]}', challenge)
    source = Source(SourceRegistry(far_side.host), AzureRegistry(far_side.host, http, credentials=PAIR), PAIR, {})
    error = str(error_of(source.repositories))
    assert "Check user name and password" in error and "AcrPull" not in error


# -- what Azure can import ---------------------------------------------------------------------------------------------


def index_of(count: int, padding: int = 0) -> tuple[str, dict[str, Any]]:
    entries = [{"digest": digest(number), "mediaType": IMAGE} for number in range(count)]
    return INDEX, {"manifests": entries, "annotations": {"x": "y" * padding}}


@pytest.mark.parametrize(("count", "padding", "reads"), [(2, 0, 0), (2, SMALL_INDEX, 1), (MANIFESTS_PER_IMPORT, 0, 1)])
def test_an_index_is_counted_where_it_is_big_enough_to_hold_too_many(
    quay: HeldRegistry, count: int, padding: int, reads: int
) -> None:
    quay.manifests[A] = index_of(count, padding)
    source = source_of(quay)
    source.check_importable(image("1.0", A))
    assert source.known[A].is_index
    assert sum(what[0] == "manifest" for what in quay.asked) == reads


def test_an_index_of_too_many_manifests_is_refused(quay: HeldRegistry) -> None:
    quay.manifests[A] = index_of(MANIFESTS_PER_IMPORT + 1)
    error = error_of(lambda: source_of(quay).check_importable(image("1.0", A)))
    assert error.reason == "unsupported" and f"quay.io/team/app@{A} lists 51 manifests" in str(error)


def test_an_index_of_unknown_size_is_counted(azure: HeldAzure) -> None:
    source = source_of(azure)
    azure.manifests[A] = index_of(MANIFESTS_PER_IMPORT + 1)
    source.learn("team/app", [A, B, digest(8), digest(9)])  # a list of manifests does not tell the size
    assert "51 manifests" in str(error_of(lambda: source.check_importable(image("1.0", A))))
