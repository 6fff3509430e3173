# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From origins to digests, and whether Azure can import them: the cheapest way for each source, and one failure for each image."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.registryops.acr.plugins.module_utils._errors import AcrError
from ansible_collections.registryops.acr.plugins.module_utils._manifest import Descriptor
from ansible_collections.registryops.acr.plugins.module_utils._plan import Desired, Item, Origin, Target
from ansible_collections.registryops.acr.plugins.module_utils._resolver import Resolver
from tests.unit.plugins.held import IMAGE, INDEX, HeldAzure, HeldRegistry, Opened, digest

SERVER = "contosodev.azurecr.test"
A, B = digest(1), digest(2)
TAGS = {f"1.{number}": digest(10 + number) for number in range(6)}


@pytest.fixture
def quay() -> HeldRegistry:
    return HeldRegistry("quay.io", team_app={"1.0": A, "2.0": B, "stable": A})


@pytest.fixture
def azure() -> HeldAzure:
    return HeldAzure(SERVER, team_app=dict(TAGS))


@pytest.fixture
def sources(quay: HeldRegistry, azure: HeldAzure) -> Opened:
    return Opened(quay, azure)


@pytest.fixture
def resolver(sources: Opened) -> Iterator[Resolver]:
    found = Resolver(sources, 4)
    yield found
    found.close()


def item(sources: Opened, host: str, tag: str | None = "1.0", repository: str = "team/app", **facts: Any) -> Item:
    """An image that is to keep its name; with *untagged*, one that is to have no tag."""
    target = Target("bare", None) if facts.pop("untagged", False) else Target(repository, tag)
    return Item(Desired(target, Origin(sources.by_host[host].key, repository, tag, **facts)))


def resolve(resolver: Resolver, items: list[Item]) -> list[str | None]:
    """The digests, or the reasons why there are none."""
    resolver.start(items)
    ready = [resolver.finish(one) for one in items]
    assert ready == [one.error is None for one in items]
    return [one.error.reason if one.error else one.desired.digest for one in items]


# -- digests -----------------------------------------------------------------------------------------------------------


def test_an_image_has_its_digest_and_keeps_its_tag(resolver: Resolver, sources: Opened, quay: HeldRegistry) -> None:
    items = [item(sources, "quay.io", tag) for tag in ("1.0", "stable")] + [item(sources, "quay.io", untagged=True)]
    assert resolve(resolver, items) == [A, A, A]
    assert [one.desired.origin.tag for one in items] == ["1.0", "stable", "1.0"]
    assert [str(one.target) for one in items] == ["team/app:1.0", "team/app:stable", "bare@" + A]
    assert sorted(quay.asked) == [("describe", "team/app", "1.0"), ("describe", "team/app", "stable")], "each origin once"


@pytest.mark.parametrize(
    ("host", "count", "asked"),
    [
        (SERVER, 3, {"prepare": 1, "describe": 3}),
        (SERVER, 4, {"prepare": 1, "counts": 1, "tag_list": 1, "manifest_list": 1}),
        ("quay.io", 4, {"describe": 4}),
    ],
)
def test_many_tags_of_an_azure_repository_take_a_listing(
    resolver: Resolver, sources: Opened, azure: HeldAzure, quay: HeldRegistry, host: str, count: int, asked: dict[str, int]
) -> None:
    quay.tagged["team/app"] = dict(TAGS)
    items = [item(sources, host, tag) for tag in list(TAGS)[:count]]
    assert resolve(resolver, items) == list(TAGS.values())[:count]
    resolver.check_importable(items)
    assert [one.error for one in items] == [None] * count
    kinds = [what[0] for what in (azure if host == SERVER else quay).asked]
    assert {kind: kinds.count(kind) for kind in kinds} == asked


def test_a_listing_that_was_read_spares_all_looks(resolver: Resolver, sources: Opened, azure: HeldAzure) -> None:
    sources.by_host[SERVER].listing("team/app")
    azure.asked = []
    assert resolve(resolver, [item(sources, SERVER)]) == [TAGS["1.0"]]
    assert azure.asked == [("prepare", "team/app")]


def test_a_digest_or_a_platform_is_asked_for_beside_a_listing(resolver: Resolver, sources: Opened, azure: HeldAzure) -> None:
    """A listing says nothing of either."""
    child = {"digest": B, "mediaType": IMAGE, "platform": {"os": "linux", "architecture": "arm64"}}
    azure.manifests = {TAGS["1.0"]: (INDEX, {"manifests": [child]}), B: (IMAGE, {})}
    items = [item(sources, SERVER, tag) for tag in TAGS]
    items += [item(sources, SERVER, digest=B), item(sources, SERVER, platform="linux/arm64")]
    assert resolve(resolver, items) == [*TAGS.values(), B, B]
    assert sorted(what for what in azure.asked if what[0] in ("describe", "manifest")) == [
        ("describe", "team/app", B), ("manifest", "team/app", "1.0"),
    ]  # fmt: skip


def test_one_token_for_all_repositories_of_a_source(resolver: Resolver, sources: Opened, azure: HeldAzure) -> None:
    azure.tagged["team/web"] = {"1.0": A}
    azure.fails = {("prepare",): AcrError("unauthorized", "no.")}  # the read that needs a token asks again
    items = [item(sources, SERVER), item(sources, SERVER, repository="team/web")]
    assert resolve(resolver, items) == [TAGS["1.0"], A]
    assert azure.asked[0] == ("prepare", "team/app", "team/web")


@pytest.mark.parametrize("count", [1, 4])
def test_a_tag_that_does_not_exist_fails_its_image_alone(resolver: Resolver, sources: Opened, count: int) -> None:
    items = [item(sources, SERVER, tag) for tag in [*list(TAGS)[: count - 1], "9.9"]]
    assert resolve(resolver, items) == [*list(TAGS.values())[: count - 1], "not_found"]
    assert str(items[-1].error) == SERVER + "/team/app:9.9 does not exist."


def test_a_source_repository_that_is_not_there(resolver: Resolver, sources: Opened) -> None:
    items = [item(sources, SERVER, tag, repository="none") for tag in "12345"]
    assert resolve(resolver, items) == ["not_found"] * 5
    assert {str(one.error).partition(": ")[2] for one in items} == {"there is no repository none."}


def test_a_source_that_does_not_answer_takes_no_threads_of_another(
    resolver: Resolver, sources: Opened, quay: HeldRegistry, azure: HeldAzure
) -> None:
    answers, describe = threading.Event(), quay.describe

    def late(repository: str, reference: str) -> Descriptor:
        assert answers.wait(10)
        return describe(repository, reference)

    quay.describe = late
    slow = [item(sources, "quay.io", f"{number}") for number in range(20)]
    quay.tagged["team/app"] = {f"{number}": A for number in range(20)}
    resolver.start(slow)
    assert resolve(resolver, [item(sources, SERVER)]) == [TAGS["1.0"]], "while all threads of the other wait"
    answers.set()
    assert all(resolver.finish(one) for one in slow)


# -- what Azure can import, and what refers to it ----------------------------------------------------------------------


def test_an_image_that_azure_can_not_import_fails_alone(resolver: Resolver, sources: Opened, quay: HeldRegistry) -> None:
    quay.manifests[A] = (INDEX, {"manifests": [{"digest": digest(number), "mediaType": IMAGE} for number in range(51)]})
    items = [item(sources, "quay.io", tag) for tag in ("1.0", "2.0", "1.0")]
    assert resolve(resolver, items) == [A, B, A]
    resolver.check_importable(items)
    assert [one.error.reason if one.error else None for one in items] == ["unsupported", None, "unsupported"]
    assert quay.asked.count(("manifest", "team/app", A)) == 1, "one origin, one look"


def test_few_digests_are_not_learnt_from_a_listing(resolver: Resolver, sources: Opened, azure: HeldAzure) -> None:
    sources.by_host[SERVER].listing("team/app")
    items = [item(sources, SERVER, tag) for tag in list(TAGS)[:3]]
    resolve(resolver, items)
    azure.asked = []
    resolver.check_importable(items)
    assert sorted(azure.asked) == sorted(("describe", "team/app", TAGS[tag]) for tag in list(TAGS)[:3])


def test_referrers_are_those_of_each_image(resolver: Resolver, sources: Opened, quay: HeldRegistry) -> None:
    quay.referring = {A: [digest(50)]}
    quay.manifests[digest(50)] = (IMAGE, {})
    quay.fails = {("referrers", "team/app", B): AcrError("denied", "no.")}
    items = [item(sources, "quay.io", tag) for tag in ("1.0", "2.0")]
    resolve(resolver, items)
    of_a, of_b = resolver.referrers(items).values()
    assert isinstance(of_a, list) and [one.digest for one in of_a] == [digest(50)]
    assert str(of_b) == "What refers to quay.io/team/app:2.0 can't be found: no."
