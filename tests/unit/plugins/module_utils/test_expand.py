# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From entries to wants: what selections choose, what each registry is asked for that, and what is told of bad entries."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ansible_collections.registryops.acr.plugins.module_utils._errors import AcrError
from ansible_collections.registryops.acr.plugins.module_utils._expand import expand
from ansible_collections.registryops.acr.plugins.module_utils._options import parse_entries
from ansible_collections.registryops.acr.plugins.module_utils._plan import Origin, Target, Want
from tests.unit.plugins.held import HeldAzure, HeldRegistry, Opened, digest

SERVER = "contosodev.azurecr.test"


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as found:
        yield found


@pytest.fixture
def azure() -> HeldAzure:
    return HeldAzure(
        SERVER,
        team_app={"1.0": digest(1), "1.1": digest(2), "stable": digest(2)},
        team_web={"1.0": digest(3)},
        old_app={"0.1": digest(4)},
    )


@pytest.fixture
def quay() -> HeldRegistry:
    return HeldRegistry("quay.io", team_app={"1.0": digest(1), "1.1": digest(2), "stable": digest(2)})


def entries(*images: dict[str, Any], prefix: str = "") -> Any:
    return parse_entries(list(images), None, None, prefix, "azurecr.test")


def names(wants: list[Want]) -> list[str]:
    return ["{0} <- {1}:{2}".format(want.target, want.origin.repository, want.origin.tag) for want in wants]


def test_one_image_for_several_targets(pool: ThreadPoolExecutor, quay: HeldRegistry) -> None:
    sources = Opened(quay)
    image = {"source": "quay.io/team/app:1.0", "target": ["a:1", "b:2"], "untagged_repositories": ["c"], "if_exists": "keep"}
    wants, failures = expand(entries(image, {**image, "target": ["d"], "platform": "linux/amd64"}), sources, pool)
    origin = Origin(sources.by_host["quay.io"], "team/app", "1.0")
    assert failures == []
    assert wants[:3] == [
        Want(Target("a", "1"), origin, "keep", 0), Want(Target("b", "2"), origin, "keep", 0), Want(Target("c", None), origin, "keep", 0),
    ]  # fmt: skip
    assert (wants[3].target, wants[3].origin.platform, wants[3].entry) == (Target("d", "1.0"), "linux/amd64", 1)
    assert quay.asked == [], "nothing is chosen there"


def test_the_tags_that_a_selection_chooses(pool: ThreadPoolExecutor, quay: HeldRegistry) -> None:
    image = {"source": "quay.io/team/app", "tags": {"include": ["1.*"]}, "target": ["a", "b"]}
    wants, failures = expand(entries(image, {**image, "target": ["c"], "tags": {"newest": 1}}), Opened(quay), pool)
    assert failures == [] and all(want.selected for want in wants)
    assert names(wants) == [
        "a:1.0 <- team/app:1.0", "b:1.0 <- team/app:1.0", "a:1.1 <- team/app:1.1", "b:1.1 <- team/app:1.1", "c:1.1 <- team/app:1.1",
    ]  # fmt: skip
    assert quay.asked == [("tags", "team/app")], "both entries share the listing"


def test_the_repositories_of_a_registry(pool: ThreadPoolExecutor, azure: HeldAzure) -> None:
    images = [
        {"source_registry": SERVER, "repositories": {"include": ["team/*"]}},
        {"source_registry": SERVER, "repositories": {"exclude": ["team/*"]}, "tags": {"include": ["0*"]}},
    ]
    wants, failures = expand(entries(*images, prefix="mirror/"), Opened(azure), pool)
    assert failures == []
    assert sorted(names(wants)[:4]) == [
        "mirror/team/app:1.0 <- team/app:1.0", "mirror/team/app:1.1 <- team/app:1.1",
        "mirror/team/app:stable <- team/app:stable", "mirror/team/web:1.0 <- team/web:1.0",
    ]  # fmt: skip
    assert names(wants)[4:] == ["mirror/old/app:0.1 <- old/app:0.1"]
    listings = [("tag_list", repository) for repository in ("old/app", "team/app", "team/web")]
    assert azure.asked[:2] == [("repositories",), ("prepare", "old/app", "team/app", "team/web")]
    assert sorted(azure.asked[2:]) == listings, "one catalog, one token, one listing each"


def test_tokens_that_can_not_be_had_together_are_no_failure_yet(pool: ThreadPoolExecutor, azure: HeldAzure) -> None:
    azure.fails = {("prepare",): AcrError("denied", "no.")}
    wants, failures = expand(entries({"source_registry": SERVER, "source": "team/web", "tags": {"newest": 1}}), Opened(azure), pool)
    assert names(wants) == ["team/web:1.0 <- team/web:1.0"] and failures == []


# -- all tags of an image ----------------------------------------------------------------------------------------------


def test_every_tag_of_the_chosen_image(pool: ThreadPoolExecutor, azure: HeldAzure, quay: HeldRegistry) -> None:
    chosen = {"newest": 1, "same_digest": True}
    images = [{"source": host + "/team/app", "tags": chosen, "target": [name]} for host, name in ((SERVER, "a"), ("quay.io", "q"))]
    wants, failures = expand(entries(*images), Opened(azure, quay), pool)
    assert [str(want.target) for want in wants] == ["a:1.1", "a:stable", "q:1.1", "q:stable"] and failures == []
    assert {what[0] for what in azure.asked} == {"prepare", "tag_list"}, "Azure's listing has the digests"
    assert sorted(what for what in quay.asked if what[0] == "describe") == [
        ("describe", "team/app", tag) for tag in ("1.0", "1.1", "stable")
    ]


def test_a_tag_that_went_since_it_was_listed_is_left_out(pool: ThreadPoolExecutor, quay: HeldRegistry) -> None:
    image = {"source": "quay.io/team/app", "tags": {"include": ["1.0"], "same_digest": True}}
    quay.fails = {("describe", "team/app", "stable"): AcrError("not_found", "gone.")}
    assert names(expand(entries(image), Opened(quay), pool)[0]) == ["team/app:1.0 <- team/app:1.0"]
    quay.fails = {("describe", "team/app", "stable"): AcrError("throttled", "later.")}
    wants, (failure,) = expand(entries(image), Opened(quay), pool)
    assert wants == [] and failure.error.kind == "throttled"


# -- failures ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("image", "kind", "sentence", "target", "repository", "tag"),
    [
        (
            {"source": "quay.io/team/app", "tags": {"include": ["9.*"]}},
            "not_found", "No tag of quay.io/team/app matches tags; nothing was chosen there.", "team/app:*", "team/app", "*",
        ),
        (
            {"source_registry": SERVER, "repositories": {"include": ["team/*"]}, "tags": {"include": ["9.*"]}},
            "not_found", "No tag of {0} matches tags; nothing was chosen there.".format(SERVER), "*:*", "*", "*",
        ),
        (
            {"source_registry": SERVER, "repositories": {"include": ["x*"]}},
            "not_found", "No repository of {0} matches repositories.".format(SERVER), "*:*", "*", "*",
        ),
        (
            {"source": "gone.test/team/app:1.0", "target": ["a"]},
            "unreachable", "gone.test can't be reached.", "a:1.0", "team/app", "1.0",
        ),
        (
            {"source_registry": "gone.azurecr.test", "repositories": {"include": ["*"]}},
            "unreachable", "gone.azurecr.test can't be reached.", "*:*", "*", "*",
        ),
    ],
)  # fmt: skip
def test_an_entry_that_fails_leaves_the_others_alone(
    pool: ThreadPoolExecutor, azure: HeldAzure, quay: HeldRegistry,
    image: dict[str, Any], kind: str, sentence: str, target: str, repository: str, tag: str,
) -> None:  # fmt: skip
    good = {"source": "quay.io/team/app:1.0"}
    wants, failures = expand(entries(good, image, {**good, "target": ["b"]}), Opened(azure, quay), pool)
    assert [want.entry for want in wants] == [0, 2]
    ((want, error),) = [(failure.want, failure.error) for failure in failures]
    assert (error.kind, str(error), want.entry) == (kind, sentence, 1)
    assert (str(want.target), want.origin.repository, want.origin.tag) == (target, repository, tag)


def test_a_repository_that_fails_leaves_the_others_of_its_entry_alone(pool: ThreadPoolExecutor, azure: HeldAzure) -> None:
    azure.fails = {("tag_list", "team/app"): AcrError("denied", "no.")}
    every = {"source_registry": SERVER, "repositories": {"include": ["*"]}}
    wants, failures = expand(entries(every, prefix="copy/"), Opened(azure), pool)
    assert names(wants) == ["copy/old/app:0.1 <- old/app:0.1", "copy/team/web:1.0 <- team/web:1.0"]
    assert [(str(failure.want.target), str(failure.error)) for failure in failures] == [("copy/team/app:*", "no.")]


def test_a_registry_whose_catalog_can_not_be_read(pool: ThreadPoolExecutor, azure: HeldAzure) -> None:
    azure.fails = {("repositories",): AcrError("unauthorized", "no.")}
    every = {"source_registry": SERVER, "repositories": {"include": ["*"]}}
    wants, failures = expand(entries(every, every, {"source_registry": SERVER, "source": "team/web:1.0"}), Opened(azure), pool)
    assert [failure.want.entry for failure in failures] == [0, 1] and names(wants) == ["team/web:1.0 <- team/web:1.0"]
    assert azure.asked == [("repositories",)]
