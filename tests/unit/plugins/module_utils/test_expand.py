# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From entries to desired images: what selections select, what registries are asked for that, what is reported of bad entries."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ansible_collections.registryops.acr.plugins.module_utils._errors import AcrError
from ansible_collections.registryops.acr.plugins.module_utils._expand import expand
from ansible_collections.registryops.acr.plugins.module_utils._options import parse_entries
from ansible_collections.registryops.acr.plugins.module_utils._plan import Desired, Origin, Rules, Target
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


def names(desired: list[Desired]) -> list[str]:
    return [f"{one.target} <- {one.origin.repository}:{one.origin.tag}" for one in desired]


def test_one_image_for_several_targets(pool: ThreadPoolExecutor, quay: HeldRegistry) -> None:
    sources = Opened(quay)
    image = {"source": "quay.io/team/app:1.0", "target": ["a:1", "b:2"], "untagged_repositories": ["c"], "if_exists": "keep"}
    desired, unplanned, _notes, _chosen = expand(entries(image, {**image, "target": ["d"], "platform": "linux/amd64"}), sources, pool)
    origin, rules = Origin(sources.by_host["quay.io"].key, "team/app", "1.0"), Rules("keep")
    assert unplanned == []
    assert desired[:3] == [
        Desired(Target("a", "1"), origin, rules), Desired(Target("b", "2"), origin, rules), Desired(Target("c", None), origin, rules),
    ]  # fmt: skip
    assert (desired[3].target, desired[3].origin.platform, desired[3].entry) == (Target("d", "1.0"), "linux/amd64", 1)
    assert quay.asked == [], "nothing is selected there"


def test_entries_that_are_the_same_are_one(pool: ThreadPoolExecutor, quay: HeldRegistry) -> None:
    wanted = {"source": "quay.io/team/app", "tags": {"include": ["9.*"]}}
    lone = {"source": "quay.io/team/app:1.0"}
    unused = [{"registry": "docker.io", "password": "p"}]  # a note on the list, which makes no difference
    parsed = parse_entries([wanted, {**wanted, "comment": "again"}, lone, {**lone, "target": []}], None, unused, "", "t")
    desired, unplanned, _notes, _chosen = expand(parsed, Opened(quay), pool)
    assert [one.entry for one in unplanned] == [0] and [one.entry for one in desired] == [2]


def test_the_tags_that_a_selection_chooses(pool: ThreadPoolExecutor, quay: HeldRegistry) -> None:
    image = {"source": "quay.io/team/app", "tags": {"include": ["1.*"]}, "target": ["a", "b"]}
    other = {**image, "target": ["c"], "tags": {"newest": 1}, "platform": "linux/arm64", "if_exists": "keep", "repair": True}
    desired, unplanned, _notes, _chosen = expand(entries(image, other), Opened(quay), pool)
    assert unplanned == [] and all(one.selected for one in desired)
    assert [(one.entry, one.origin.platform, one.rules) for one in desired[3:]] == [
        (0, None, Rules()), (1, "linux/arm64", Rules("keep", repair=True)),
    ]  # fmt: skip
    assert names(desired) == [
        "a:1.0 <- team/app:1.0", "b:1.0 <- team/app:1.0", "a:1.1 <- team/app:1.1", "b:1.1 <- team/app:1.1", "c:1.1 <- team/app:1.1",
    ]  # fmt: skip
    assert quay.asked == [("tags", "team/app")], "both entries share the listing"


def test_the_repositories_of_a_registry(pool: ThreadPoolExecutor, azure: HeldAzure) -> None:
    images = [
        {"source_registry": SERVER, "repositories": {"include": ["team/*"]}},
        {"source_registry": SERVER, "repositories": {"exclude": ["team/*"]}, "tags": {"include": ["0*"]}},
    ]
    desired, unplanned, _notes, _chosen = expand(entries(*images, prefix="mirror/"), Opened(azure), pool)
    assert unplanned == []
    assert sorted(names(desired)[:4]) == [
        "mirror/team/app:1.0 <- team/app:1.0", "mirror/team/app:1.1 <- team/app:1.1",
        "mirror/team/app:stable <- team/app:stable", "mirror/team/web:1.0 <- team/web:1.0",
    ]  # fmt: skip
    assert names(desired)[4:] == ["mirror/old/app:0.1 <- old/app:0.1"]
    listings = [("tag_list", repository) for repository in ("old/app", "team/app", "team/web")]
    assert azure.asked[:2] == [("repositories",), ("prepare", "old/app", "team/app", "team/web")]
    assert sorted(azure.asked[2:]) == listings, "one catalog, one token, one listing each"


def test_tokens_that_can_not_be_had_together_are_no_failure_yet(pool: ThreadPoolExecutor, azure: HeldAzure) -> None:
    azure.fails = {("prepare",): AcrError("denied", "no.")}
    image = {"source_registry": SERVER, "source": "team/web", "tags": {"newest": 1}}
    desired, unplanned, _notes, _chosen = expand(entries(image), Opened(azure), pool)
    assert names(desired) == ["team/web:1.0 <- team/web:1.0"] and unplanned == []


# -- all tags of an image ----------------------------------------------------------------------------------------------


def test_every_tag_of_the_chosen_image(pool: ThreadPoolExecutor, azure: HeldAzure, quay: HeldRegistry) -> None:
    chosen = {"newest": 1, "same_digest": True}
    images = [{"source": host + "/team/app", "tags": chosen, "target": [name]} for host, name in ((SERVER, "a"), ("quay.io", "q"))]
    desired, unplanned, _notes, _chosen = expand(entries(*images), Opened(azure, quay), pool)
    assert [str(one.target) for one in desired] == ["a:1.1", "a:stable", "q:1.1", "q:stable"] and unplanned == []
    assert {what[0] for what in azure.asked} == {"prepare", "tag_list"}, "Azure's listing has the digests"
    assert sorted(what for what in quay.asked if what[0] == "describe") == [
        ("describe", "team/app", tag) for tag in ("1.0", "1.1", "stable")
    ]


SAME = {"source": "quay.io/team/app", "tags": {"include": ["1.0"], "same_digest": True}}


def test_a_tag_that_went_since_it_was_listed_is_left_out(pool: ThreadPoolExecutor, quay: HeldRegistry) -> None:
    quay.tagged["team/app"]["stable"] = digest(1)
    quay.fails = {(ask, "team/app", "stable"): AcrError("not_found", "gone.") for ask in ("describe", "manifest")}
    desired, unplanned, notes, _chosen = expand(entries(SAME), Opened(quay), pool)
    assert (names(desired), unplanned, notes) == (["team/app:1.0 <- team/app:1.0"], [], [])
    quay.fails, quay.late = {}, {("describe", "team/app", "stable"): 2}
    assert len(expand(entries(SAME), Opened(quay), pool)[0]) == 2, "one 404 is no absence of what is listed"


@pytest.mark.parametrize("kind", ["protocol", "denied", "unauthorized"])
def test_c3_a_tag_that_can_not_be_read_is_left_out_of_same_digest_and_told(
    pool: ThreadPoolExecutor, quay: HeldRegistry, kind: str
) -> None:
    quay.tagged["team/app"].update({"old": digest(9), "companion": digest(1)})
    quay.fails = {("describe", "team/app", "old"): AcrError(kind, "quay.io/team/app:old is of the retired Docker schema 1.")}
    desired, unplanned, notes, _chosen = expand(entries(SAME), Opened(quay), pool)
    assert names(desired) == ["team/app:1.0 <- team/app:1.0", "team/app:companion <- team/app:companion"] and unplanned == []
    assert notes == [
        "Tags of quay.io/team/app that can't be read were left out of same_digest (old): quay.io/team/app:old is of the retired "
        "Docker schema 1."
    ]


def test_c3_many_tags_that_can_not_be_read_are_one_note(pool: ThreadPoolExecutor, quay: HeldRegistry) -> None:
    quay.tagged["team/app"].update({"old{0}".format(number): digest(9) for number in range(8)})
    quay.fails = {("describe", "team/app", "old{0}".format(number)): AcrError("protocol", "no.") for number in range(8)}
    desired, _failures, (note,), _chosen = expand(entries(SAME), Opened(quay), pool)
    assert names(desired) == ["team/app:1.0 <- team/app:1.0"] and "(old0, old1, old2, old3, old4 and 3 more): no." in note


def test_c3_a_tag_that_is_meant_itself_is_left_to_fail_by_itself(pool: ThreadPoolExecutor, quay: HeldRegistry) -> None:
    quay.fails = {("describe", "team/app", "1.0"): AcrError("protocol", "no.")}
    desired, unplanned, notes, _chosen = expand(entries(SAME), Opened(quay), pool)
    assert (names(desired), unplanned, notes) == (["team/app:1.0 <- team/app:1.0"], [], [])


def test_c2_while_a_registry_does_not_answer_nobody_knows_what_is_the_same(pool: ThreadPoolExecutor, quay: HeldRegistry) -> None:
    quay.fails = {("describe", "team/app", tag): AcrError("throttled", "later.") for tag in ("1.1", "stable")}
    desired, (failure,), notes, _chosen = expand(entries(SAME), Opened(quay), pool)
    assert names(desired) == ["team/app:1.0 <- team/app:1.0"] and notes == [], "what was read goes on"
    assert failure.error.reason == "throttled" and failure.target == "team/app:*"
    assert str(failure.error) == "Not all tags of quay.io/team/app could be compared for same_digest: later."


# -- tags that are named, and not listed -------------------------------------------------------------------------------


@pytest.mark.parametrize("host", [SERVER, "quay.io"])
@pytest.mark.parametrize(
    "image",
    [
        {"source": "{0}/team/app:1.0", "tags": {"same_digest": True}},
        {"source": "{0}/team/app", "tags": {"include": ["1.0", "stabl*", "none"], "newest": 1}},
    ],
)
def test_a10_a_tag_that_an_entry_names_is_asked_for_if_it_is_not_listed(
    pool: ThreadPoolExecutor, azure: HeldAzure, quay: HeldRegistry, host: str, image: dict[str, Any]
) -> None:
    azure.hidden = quay.hidden = {"1.0"}
    images = {**image, "source": image["source"].format(host)}
    desired, unplanned, _notes, _chosen = expand(entries(images), Opened(azure, quay), pool)
    assert names(desired) == ["team/app:1.0 <- team/app:1.0"] and unplanned == []


def test_c2_a_named_tag_that_can_not_be_read_is_left_to_fail_by_itself(pool: ThreadPoolExecutor, azure: HeldAzure) -> None:
    azure.hidden = {"1.0", "1.1"}
    azure.fails = {("describe", "team/app", "1.1"): AcrError("denied", "no.")}
    image = {"source": SERVER + "/team/app", "tags": {"include": ["1.0", "1.1", "1.2"]}}
    desired, unplanned, _notes, _chosen = expand(entries(image), Opened(azure), pool)
    assert [one.origin.tag for one in desired] == ["1.0", "1.1"] and unplanned == []


def test_the_newest_by_time_of_an_azure_registry(pool: ThreadPoolExecutor, azure: HeldAzure, quay: HeldRegistry) -> None:
    azure.times = {"1.0": "2026-01-02", "1.1": "2026-01-01", "stable": "2026-01-03"}
    tags = {"include": ["1.0", "1.1"], "newest": 1, "order": "time"}
    images = [{"source": host + "/team/app", "tags": tags} for host in (SERVER, "quay.io")]
    desired, (failure,), _notes, _chosen = expand(entries(*images), Opened(azure, quay), pool)
    assert names(desired) == ["team/app:1.0 <- team/app:1.0"]
    assert failure.error.reason == "invalid" and str(failure.error) == (
        "order: time needs an Azure registry; quay.io isn't one, and doesn't tell the times of its tags."
    )


def test_targets_are_filled_in_for_each_image(pool: ThreadPoolExecutor, azure: HeldAzure, quay: HeldRegistry) -> None:
    azure.tagged["team/web"]["RC"] = digest(3)
    images = [
        {"source": "team/app:1.0", "source_registry": SERVER, "target": ["{host}/{name}"]},
        {"source": "quay.io/team/app", "tags": {"include": ["1*"]}, "target": ["{name}-{tag}:x"]},
        {"source_registry": SERVER, "repositories": {"include": ["team/web"]}, "target": ["{tag}/{name}:{tag}"]},
    ]
    desired, (failure,), _notes, _chosen = expand(entries(*images, prefix="m/"), Opened(azure, quay), pool)
    assert [str(one.target) for one in desired] == [f"m/{SERVER}/app:1.0", "m/app-1.0:x", "m/app-1.1:x", "m/1.0/web:1.0"]
    assert (failure.target, failure.source, failure.error.reason) == ("m/RC/web:RC", SERVER + "/team/web:RC", "invalid")
    assert str(failure.error).endswith("has an invalid repository name 'm/RC/web'; it must be lowercase.")


def test_what_a_selection_dropped_is_told(pool: ThreadPoolExecutor, azure: HeldAzure) -> None:
    azure.tagged["team/web"] = {f"2.0-rc.{number}": digest(number) for number in range(7)}
    images = [
        {"source_registry": SERVER, "source": "team/app", "tags": {"names": ["1.0", "1.1"], "newest": 1}},
        {"source_registry": SERVER, "repositories": {"include": ["team/*"]}, "tags": {"semver": ">=1", "newest": 1}},
        {"source_registry": SERVER, "source": "team/app:1.0", "target": ["x"]},
    ]
    desired, unplanned, notes, chosen = expand(entries(*images), Opened(azure), pool)
    assert len(desired) == 3 and unplanned == []
    assert [one.result() for one in chosen] == [
        {"entry": 1, "source": f"{SERVER}/team/app", "selected": ["1.1"], "dropped": [{"rule": "newest", "count": 1, "tags": ["1.0"]}]},
        {"entry": 2, "source": f"{SERVER}/team/app", "selected": ["1.1"], "dropped": [
            {"rule": "version", "count": 1, "tags": ["stable"]}, {"rule": "newest", "count": 1, "tags": ["1.0"]},
        ]},
        {"entry": 2, "source": f"{SERVER}/team/web", "selected": [], "dropped": [
            {"rule": "suffix", "count": 7, "tags": [f"2.0-rc.{number}" for number in range(5)]},
        ]},
    ]  # fmt: skip
    assert notes == [
        f"Entry 2 of images selects no tag of {SERVER}/team/web. Dropped: 7 by suffix (2.0-rc.0, 2.0-rc.1, 2.0-rc.2, 2.0-rc.3, 2.0-rc.4 "
        "and 2 more). To select tags with a suffix, ask for them by include or match, such as include: ['*-alpine']."
    ]


NAMED = {"names": ["1.0", "gone"]}


@pytest.mark.parametrize(
    ("host", "tags", "asked"),
    [
        ("quay.io", NAMED, set()),
        (SERVER, NAMED, {"prepare"}),
        (SERVER, {**NAMED, "exclude": ["9*"]}, {"prepare"}),
        (SERVER, {**NAMED, "same_digest": True}, {"prepare", "tag_list", "describe"}),
        ("quay.io", {**NAMED, "same_digest": True}, {"tags", "describe"}),
    ],
)
def test_a_name_that_must_exist_is_left_to_fail_by_itself(
    pool: ThreadPoolExecutor, azure: HeldAzure, quay: HeldRegistry, host: str, tags: dict[str, Any], asked: set[str]
) -> None:
    image = {"source": host + "/team/app", "tags": tags, "target": ["a"]}
    desired, unplanned, _notes, _chosen = expand(entries(image), Opened(azure, quay), pool)
    assert {str(one.target) for one in desired} == {"a:1.0", "a:gone"} and unplanned == []
    assert not any(one.selected for one in desired), "they are named"
    assert {what[0] for what in azure.asked + quay.asked} == asked


def test_names_of_a_whole_registry_must_be_in_each_repository(pool: ThreadPoolExecutor, azure: HeldAzure) -> None:
    every = {"source_registry": SERVER, "repositories": {"include": ["team/*"]}, "tags": {"names": ["stable"]}}
    desired, unplanned, _notes, _chosen = expand(entries(every), Opened(azure), pool)
    assert [str(one.target) for one in desired] == ["team/app:stable", "team/web:stable"] and unplanned == []


def test_a_whole_registry_is_not_asked_for_names(pool: ThreadPoolExecutor, azure: HeldAzure) -> None:
    every = {"source_registry": SERVER, "repositories": {"include": ["*"]}, "tags": {"include": ["1.0", "latest"]}}
    desired, _failures, _notes, _chosen = expand(entries(every), Opened(azure), pool)
    assert len(desired) == 2 and not [what for what in azure.asked if what[0] == "describe"]


def test_a10_a_repository_that_does_not_exist_is_told_as_such(pool: ThreadPoolExecutor, azure: HeldAzure, quay: HeldRegistry) -> None:
    quay.fails = {("tags",): AcrError("not_found", "quay.io/none does not exist.")}
    images = [{"source": host + "/none", "tags": {"newest": 1}} for host in (SERVER, "quay.io")]
    desired, unplanned, _notes, _chosen = expand(entries(*images), Opened(azure, quay), pool)
    sentence = "No tag of {0}/none matches tags; nothing was selected there: there is no repository none.".format(SERVER)
    assert desired == [] and [str(failure.error) for failure in unplanned] == [sentence, "quay.io/none does not exist."]
    images = [{"source": SERVER + "/team/web", "tags": {"include": ["9*"]}}]
    assert str(expand(entries(*images), Opened(azure), pool)[1][0].error).endswith("there. Dropped: 1 by include (1.0).")


def test_d6_a_few_names_of_a_crowd_take_no_listing(pool: ThreadPoolExecutor, azure: HeldAzure, quay: HeldRegistry) -> None:
    tags = {"1.{0}".format(number): digest(20 + number) for number in range(5)}
    azure.tagged["team/app"], azure.crowd, quay.tagged["team/app"] = tags, 20_000, tags
    names = {"include": [*tags, "none"], "newest": 2}
    images = [{"source": host + "/team/app", "tags": names, "target": [host[:1]]} for host in (SERVER, "quay.io")]
    desired, unplanned, _notes, _chosen = expand(entries(*images), Opened(azure, quay), pool)
    assert [str(one.target) for one in desired] == ["c:1.3", "c:1.4", "q:1.3", "q:1.4"] and unplanned == []
    kinds = [what[0] for what in azure.asked + quay.asked if what[0] != "prepare"]
    assert {kind: kinds.count(kind) for kind in kinds} == {"counts": 1, "describe": 12}


@pytest.mark.parametrize(
    ("tags", "found"),
    [
        ({"include": ["1.0", "1.1", "none"]}, ["1.0", "1.1"]),
        ({"include": ["1.0", "1.1"], "newest": 1}, ["1.1"]),
        ({"include": ["1.*"]}, None),
        ({"include": ["1.0"], "same_digest": True}, None),
        ({"newest": 1}, None),
    ],
)
def test_e5_only_what_takes_a_listing_fails_without_the_right_to_list(
    pool: ThreadPoolExecutor, azure: HeldAzure, tags: dict[str, Any], found: list[str] | None
) -> None:
    azure.fails = {("tag_list",): AcrError("unauthorized", "no.")}
    desired, unplanned, _notes, _chosen = expand(entries({"source": SERVER + "/team/app", "tags": tags}), Opened(azure), pool)
    assert [one.origin.tag for one in desired] == (found or [])
    sentences = [str(failure.error) for failure in unplanned]
    assert len(sentences) == (0 if found else 1) and all("metadata_read" in sentence for sentence in sentences)


# -- unplanned ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("image", "kind", "sentence", "target", "source"),
    [
        (
            {"source": "quay.io/team/app", "tags": {"include": ["9.*"]}},
            "not_found", "No tag of quay.io/team/app matches tags; nothing was selected there. Dropped: 3 by include (1.0, 1.1, stable).",
            "team/app:*", "quay.io/team/app:*",
        ),
        (
            {"source_registry": SERVER, "repositories": {"include": ["team/*"]}, "tags": {"include": ["9.*"]}},
            "not_found",
            f"No tag of {SERVER} matches tags; nothing was selected there. Dropped: 4 by include (1.0, 1.1, stable, 1.0).",
            "*:*", SERVER + "/*:*",
        ),
        (
            {"source_registry": SERVER, "repositories": {"include": ["x*"]}},
            "not_found", "No repository of {0} matches repositories.".format(SERVER), "*:*", SERVER + "/*:*",
        ),
        (
            {"source": "gone.test/team/app:1.0", "target": ["a"]},
            "unreachable", "gone.test can't be reached.", "a:1.0", "gone.test/team/app:1.0",
        ),
        (
            {"source": "gone.test/team/app@" + digest(1), "untagged_repositories": ["a"]},
            "unreachable", "gone.test can't be reached.", "a:*", "gone.test/team/app@" + digest(1),
        ),
        (
            {"source_registry": "gone.azurecr.test", "repositories": {"include": ["*"]}},
            "unreachable", "gone.azurecr.test can't be reached.", "*:*", "the source registry/*:*",
        ),
    ],
)  # fmt: skip
def test_an_entry_that_fails_leaves_the_others_alone(
    pool: ThreadPoolExecutor, azure: HeldAzure, quay: HeldRegistry,
    image: dict[str, Any], kind: str, sentence: str, target: str, source: str,
) -> None:  # fmt: skip
    good = {"source": "quay.io/team/app:1.0"}
    desired, unplanned, _notes, _chosen = expand(entries(good, image, {**good, "target": ["b"]}), Opened(azure, quay), pool)
    assert [one.entry for one in desired] == [0, 2]
    (failure,) = unplanned
    assert (failure.error.reason, str(failure.error), failure.entry) == (kind, sentence, 1)
    assert (failure.target, failure.source) == (target, source)


def test_a_repository_that_fails_leaves_the_others_of_its_entry_alone(pool: ThreadPoolExecutor, azure: HeldAzure) -> None:
    azure.fails = {("tag_list", "team/app"): AcrError("protocol", "no.")}
    every = {"source_registry": SERVER, "repositories": {"include": ["*"]}}
    desired, unplanned, _notes, _chosen = expand(entries(every, prefix="copy/"), Opened(azure), pool)
    assert names(desired) == ["copy/old/app:0.1 <- old/app:0.1", "copy/team/web:1.0 <- team/web:1.0"]
    assert [(failure.target, str(failure.error)) for failure in unplanned] == [("copy/team/app:*", "no.")]


def test_a_registry_whose_catalog_can_not_be_read(pool: ThreadPoolExecutor, azure: HeldAzure) -> None:
    azure.fails = {("repositories",): AcrError("unauthorized", "no.")}
    every = {"source_registry": SERVER, "repositories": {"include": ["*"]}}
    other = {**every, "platform": "linux/amd64"}
    images = [every, other, {"source_registry": SERVER, "source": "team/web:1.0"}]
    desired, unplanned, _notes, _chosen = expand(entries(*images), Opened(azure), pool)
    assert [failure.entry for failure in unplanned] == [0, 1] and names(desired) == ["team/web:1.0 <- team/web:1.0"]
    assert azure.asked == [("repositories",)]
