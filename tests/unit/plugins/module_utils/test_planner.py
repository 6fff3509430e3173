# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From desired images to items that are decided: what each side is asked, and what a failure on either side does to the others."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.registryops.acr.plugins.module_utils._errors import GENERAL, AcrError, IdentityError
from ansible_collections.registryops.acr.plugins.module_utils._expand import expand
from ansible_collections.registryops.acr.plugins.module_utils._lockfile import LockFile
from ansible_collections.registryops.acr.plugins.module_utils._options import parse_entries
from ansible_collections.registryops.acr.plugins.module_utils._plan import Conflict, Diff, Item, Observed
from ansible_collections.registryops.acr.plugins.module_utils._planner import Planner
from ansible_collections.registryops.acr.plugins.module_utils._resolver import Resolver
from ansible_collections.registryops.acr.plugins.module_utils._source import Known
from ansible_collections.registryops.acr.plugins.module_utils._target import TargetRegistry
from tests.signing import SIMPLE, b64, claims, new_key, public_pem, sign
from tests.unit.plugins.held import IMAGE, INDEX, HeldAzure, HeldRegistry, Opened, digest

SERVER = "contosodev.azurecr.test"
A, B, C = (digest(number) for number in (1, 2, 3))
TAGS = {f"1.{number}": digest(10 + number) for number in range(6)}


@pytest.fixture
def quay() -> HeldRegistry:
    return HeldRegistry("quay.io", team_app={"1.0": A, "2.0": B}, team_web={"1.0": C})


@pytest.fixture
def azure() -> HeldAzure:
    return HeldAzure(SERVER, team_app=dict(TAGS))


@pytest.fixture
def target() -> HeldAzure:
    return HeldAzure("contosoprod.azurecr.test")


Plan = Callable[..., list[Item]]


@pytest.fixture
def plan(quay: HeldRegistry, azure: HeldAzure, target: HeldAzure) -> Iterator[Plan]:
    """``plan({"source": …}, …)``: the items of these entries."""
    with ThreadPoolExecutor(4) as pool:

        def items(
            *images: dict[str, Any], noted: Callable[[list[Item]], None] = lambda batch: None, lock: str = "",
            blocked: list[str] | None = None,
        ) -> list[Item]:
            entries = parse_entries(list(images), None, None, None, "azurecr.test", blocked=blocked)
            known: Known = {}
            sources = Opened(quay, azure, known=known)
            registry = TargetRegistry(target, known=known)
            planner = Planner(Resolver(sources, 4), lambda: registry, 4)
            file = LockFile("images.lock.yml", lock) if lock else None
            desired, unplanned, _notes, _chosen = expand(entries, sources, pool, file)
            assert unplanned == []
            yielded = []
            for batch in planner.batches(desired):
                noted(batch)
                yielded += batch
            planner.close()
            assert len(yielded) == len(set(yielded)) and {*yielded, *planner.unverified} == set(planner.items)
            return planner.items

        yield items


def actions(items: list[Item]) -> dict[str, str]:
    """By target: what is to be done, or the reason why not."""
    found = {str(item.target): item.error.reason if item.error else item.action for item in items}
    assert len(found) == len(items), "each target once"
    assert None not in found.values(), "all are decided, or have failed"
    return found


def error_of(item: Item) -> str:
    assert item.error is not None and not item.changes and item.digest is None
    return str(item.error)


def app(tag: str = "1.0", **options: Any) -> dict[str, Any]:
    return {"source": "quay.io/team/app:" + tag, **options}


# -- both sides --------------------------------------------------------------------------------------------------------


def test_absent_equal_and_different(plan: Plan, target: HeldAzure, quay: HeldRegistry) -> None:
    target.tagged = {"same": {"1.0": A}, "other": {"1.0": B}}
    items = plan(app(target=["new", "same", "other"]))
    assert actions(items) == {"new:1.0": "import", "same:1.0": "none", "other:1.0": "update"}
    assert [item.desired.digest for item in items] == [A] * 3
    assert [item.before for item in items] == [None, A, B]
    assert [what for what in quay.asked if what[0] != "prepare"] == [("describe", "team/app", "1.0")], "one origin, one look"
    assert target.asked[0] == ("prepare", "new", "other", "same"), "one token for all"


@pytest.mark.parametrize(("tags", "times"), [({"1.0": A, "2.0": B}, 0), ({"1.0": A}, 1), ({}, 1)])
def test_that_something_is_absent_is_told_before_all_is_planned(
    target: HeldAzure, quay: HeldRegistry, tags: dict[str, str], times: int
) -> None:
    target.tagged["team/app"] = tags
    told: list[int] = []
    registry, sources = TargetRegistry(target), Opened(quay, known={})
    planner = Planner(Resolver(sources, 4), lambda: registry, 4, lambda: told.append(1))
    images = [{"source": f"quay.io/team/app:{tag}", "target": ["team/app", "other"]} for tag in ("1.0", "2.0")]
    target.tagged["other"] = {"1.0": A, "2.0": B}
    entries = parse_entries(images, None, None, None, "azurecr.test")
    with ThreadPoolExecutor(4) as pool:
        desired, *_rest = expand(entries, sources, pool)
    told_first = [len(told) for _batch in planner.batches(desired)]
    planner.close()
    assert len(told) == times and told_first == [times]


def test_what_is_to_be_kept_asks_the_source_nothing(plan: Plan, target: HeldAzure, quay: HeldRegistry) -> None:
    target.tagged = {"team/app": {"1.0": B}}
    assert actions(plan(app(if_exists="keep"))) == {"team/app:1.0": "keep"}
    assert quay.asked == []
    assert actions(plan(app(if_exists="keep", target=["team/app", "team/app:new"]))) == {
        "team/app:1.0": "keep", "team/app:new": "import",
    }  # fmt: skip
    assert quay.asked == [("describe", "team/app", "1.0")]


# What is locked to A or B; the source's own tags have moved.
LOCK = f"""
- {{source: "quay.io/team/app:1.0@{A}", target: "team/app:1.0"}}
- {{source: "quay.io/team/app:2.0@{B}", target: "team/app:2.0"}}
- {{source: "quay.io/team/app:2.0@{B}", untagged_repositories: "bare"}}
"""


def test_what_is_locked_asks_the_source_for_what_is_missing_only_and_by_digest(
    plan: Plan, target: HeldAzure, quay: HeldRegistry
) -> None:
    quay.tagged["team/app"] = {"1.0": C, "2.0": C, "old": A, "older": B}
    images = app(), app("2.0", target=["team/app:2.0"], untagged_repositories=["bare"])
    target.tagged = {"team/app": {"1.0": A, "2.0": B}, "bare": {"any": B}}
    assert set(actions(plan(*images, lock=LOCK)).values()) == {"none"}
    assert quay.asked == []
    target.tagged = {"team/app": {"1.0": A, "2.0": C}}
    items = plan(*images, lock=LOCK)
    assert actions(items) == {"team/app:1.0": "none", "team/app:2.0": "update", f"bare@{B}": "import"}
    assert [item.desired.digest for item in items] == [A, B, B]
    assert quay.asked == [("describe", "team/app", B)], "one look for both, and never at a tag"
    quay.asked.clear()
    assert actions(plan(app(if_exists="keep"), {**images[1], "if_exists": "keep"}, lock=LOCK))["team/app:2.0"] == "keep"
    assert quay.asked == [("describe", "team/app", B)]


def test_a_locked_digest_that_is_gone(plan: Plan, target: HeldAzure, quay: HeldRegistry) -> None:
    del quay.tagged["team/app"]["1.0"]
    lock = LOCK.split("- ")[1]
    gone = f"quay.io/team/app@{A} does not exist."
    [item] = plan(app(), lock="- " + lock)
    assert error_of(item).startswith(gone) and error_of(item).endswith("The lock file has this digest; run with lock: update.")
    [item] = plan(app(if_source_missing="keep"), lock="- " + lock)
    assert error_of(item).startswith(gone) and "Nothing could be kept" in error_of(item)
    target.tagged = {"team/app": {"1.0": B}}
    [item] = plan(app(if_source_missing="keep"), lock="- " + lock)
    assert (item.action, item.gone, item.digest) == ("keep", True, B)


def test_a_release_that_differs_is_the_failure_of_its_target_alone(plan: Plan, target: HeldAzure) -> None:
    target.tagged = {"team/app": {"1.0": B, "2.0": B}}
    items = plan(app(if_exists="fail"), app("2.0", if_exists="fail"))
    assert actions(items) == {"team/app:1.0": "exists", "team/app:2.0": "none"}
    assert "exists with digest " + B in error_of(items[0])


def test_without_verification_nothing_is_asked(plan: Plan, target: HeldAzure, quay: HeldRegistry) -> None:
    items = plan(app(verify=False), app(verify=False, target=["b"], if_exists="reimport"))
    assert actions(items) == {"team/app:1.0": "import", "b:1.0": "reimport"}
    assert [item.mode for item in items] == ["NoForce", "Force"]
    assert quay.asked == target.asked == []


def test_two_entries_that_contradict_each_other(plan: Plan, quay: HeldRegistry, target: HeldAzure) -> None:
    with pytest.raises(Conflict, match="entry 1.*entry 2"):
        plan(app(target=["a:2.0"]), {"source": "quay.io/team/app", "tags": {"names": ["2.0"]}, "target": ["a"]})
    assert quay.asked == target.asked == []


def test_one_manifest_without_a_tag_is_wanted_once(plan: Plan, quay: HeldRegistry, target: HeldAzure) -> None:
    quay.tagged["team/app"]["2.0"] = A
    bare = {"target": [], "untagged_repositories": ["bare"]}
    items = plan(app(**bare), app("2.0", **bare))
    assert actions(items) == {"bare@" + A: "import"}
    target.tagged = {"bare": {"x": A}}
    assert actions(plan(app(**bare))) == {"bare@" + A: "none"}


def test_of_two_tags_with_one_digest_each_is_told_as_it_was_named(plan: Plan) -> None:
    items = plan(app("1.0@" + A), app("stable@" + A))
    found = [(item.target.tag, item.desired.origin.tag, item.digest) for item in items]
    assert found == [("1.0", "1.0", A), ("stable", "stable", A)]


@pytest.mark.parametrize("lock", ["1.0", B, "team/app"])
def test_a13_a_lock_is_told_before_anything_is_overwritten(plan: Plan, target: HeldAzure, lock: str) -> None:
    """In check mode too. Azure's forced import would ignore it."""
    target.tagged = {"team/app": {"1.0": B}, "same": {"1.0": A}, "new": {}}
    target.locks = {lock}
    items = plan(app(target=["team/app", "same", "new"]))
    assert actions(items) == {"team/app:1.0": "locked", "same:1.0": "none", "new:1.0": "import"}
    assert "is locked against writing" in error_of(items[0])


@pytest.mark.parametrize("look", [("tag", "team/app", "1.0"), ("metadata",), ("repository",)])
def test_a13_a_lock_that_can_not_be_looked_for_is_the_failure_of_that_image(plan: Plan, target: HeldAzure, look: tuple[str, ...]) -> None:
    target.tagged = {"team/app": {"1.0": B}}
    target.fails = {look: AcrError("denied", "no.")}
    assert actions(plan(app(target=["team/app", "new"]))) == {"team/app:1.0": "denied", "new:1.0": "import"}


@pytest.mark.parametrize("if_exists", ["keep", "fail"])
@pytest.mark.parametrize("count", [1, 6])
def test_a1_what_is_not_listed_is_not_overwritten(plan: Plan, target: HeldAzure, if_exists: str, count: int) -> None:
    """Tags whose manifests no listing shows, with other digests than the source's."""
    names = list(TAGS)[:count]
    target.tagged = {"team/app": {name: digest(100 + number) for number, name in enumerate(names)}}
    target.hidden = set(target.tagged["team/app"].values())
    items = plan(*[{"source": f"{SERVER}/team/app:{name}", "if_exists": if_exists} for name in names])
    assert set(actions(items).values()) == {"keep" if if_exists == "keep" else "exists"}


def test_a2_what_is_not_listed_and_equal_is_left_alone(plan: Plan, target: HeldAzure) -> None:
    target.tagged = {"team/app": dict(TAGS)}
    target.hidden = set(TAGS.values())
    items = plan(*[{"source": f"{SERVER}/team/app:{name}"} for name in TAGS])
    assert set(actions(items).values()) == {"none"}


@pytest.mark.parametrize("if_exists", ["keep", "fail"])
@pytest.mark.parametrize("lost", [False, True])
def test_a4_one_answer_that_a_tag_does_not_exist_overwrites_nothing(
    plan: Plan, target: HeldAzure, if_exists: str, lost: bool
) -> None:
    target.tagged = {"team/app": {"1.0": B}}
    target.late = {("describe", "team/app", "1.0"): 1}
    target.lost = {B} if lost else set()
    items = plan(app(if_exists=if_exists))
    assert actions(items) == {"team/app:1.0": "keep" if if_exists == "keep" and not lost else "exists"}
    if lost:
        assert f"its manifest {B} is gone" in error_of(items[0])
        repaired = plan(app(if_exists=if_exists, repair=True))
        assert actions(repaired) == {"team/app:1.0": "repair"}


def test_a11_check_mode_sees_what_is_not_listed(plan: Plan, target: HeldAzure) -> None:
    target.tagged = {"team/app": dict(TAGS)}
    target.hidden = {"1.0", "1.1"}
    items = plan(*[{"source": f"{SERVER}/team/app:{name}"} for name in TAGS])
    assert set(actions(items).values()) == {"none"}


def test_c2_what_fails_while_one_source_is_planned_is_no_failure_of_the_others(
    plan: Plan, target: HeldAzure, quay: HeldRegistry, azure: HeldAzure
) -> None:
    """A sign-in that one source needs, and a token for the target that is refused once the others are under way."""
    quay.fails = {("describe",): IdentityError("Signing in failed.")}
    other = {"source": SERVER + "/team/app:1.0", "target": ["other"]}
    items = plan(app(), app(target=["b"]), other)
    assert actions(items) == {"team/app:1.0": "sign_in", "b:1.0": "sign_in", "other:1.0": "import"}
    quay.fails = {}
    target.fails = {("prepare", "bare"): AcrError("unauthorized", "no.")}
    items = plan(app(target=[], untagged_repositories=["bare"]), other)
    assert actions(items) == {"bare@" + A: "unauthorized", "other:1.0": "import"}


def test_a_sign_in_that_fails_while_referrers_are_looked_for_fails_their_image(plan: Plan, quay: HeldRegistry) -> None:
    """Or it would be imported without its signature, and nobody told."""
    quay.fails = {("referrers",): IdentityError("Signing in failed.")}
    assert actions(plan(app(referrers=True))) == {"team/app:1.0": "sign_in"}


def test_c6_an_image_that_fails_over_a_referrer_takes_none_from_others(plan: Plan, quay: HeldRegistry, azure: HeldAzure) -> None:
    """Two images from two registries want different signatures under one tag; a third shares a referrer with the failed one."""
    signature = A.replace(":", "-") + ".sig"
    quay.tagged["team/app"][signature] = digest(51)
    azure.tagged["team/app"].update({"same": A, signature: digest(52)})
    items = plan(app(referrers=True), {"source": SERVER + "/team/app:same", "referrers": True})
    found = actions(items)
    assert sorted(found.values()) == ["exists", "import", "import"] and "team/app:" + signature in found
    assert ["is wanted twice" in str(item.error) for item in items if item.error] == [True]


def test_an_untagged_manifest_of_two_sources_fails_with_neither_of_them(plan: Plan, quay: HeldRegistry, azure: HeldAzure) -> None:
    azure.tagged["team/app"]["same"] = A
    children = [{"digest": digest(number), "mediaType": IMAGE} for number in range(50)]  # so many that they are counted
    quay.manifests[A] = azure.manifests[A] = (INDEX, {"manifests": children})
    quay.fails = {("manifest", "team/app", A): AcrError("denied", "no.")}
    bare = {"target": [], "untagged_repositories": ["bare"]}
    items = plan(app(**bare), {"source": SERVER + "/team/app:same", **bare})
    assert sorted(item.error.reason if item.error else str(item.action) for item in items) == ["denied", "import"]


def test_the_time_of_the_last_update_tells_a_reimport(plan: Plan, target: HeldAzure) -> None:
    target.tagged = {"team/app": {"1.0": A}}
    items = plan(app(if_exists="reimport"))
    assert actions(items) == {"team/app:1.0": "reimport"}
    assert items[0].observed == replace(Observed.there(A), updated="now", locks=()) and ("tag", "team/app", "1.0") in target.asked


def test_d1_a_source_that_keeps_its_images_waiting_holds_up_no_other(
    plan: Plan, quay: HeldRegistry, azure: HeldAzure
) -> None:
    """Those of the other source are planned, and can be imported, while this one is still being asked."""
    answered = threading.Event()
    describe = quay.describe

    def late(repository: str, reference: str) -> Any:
        assert answered.wait(10)
        return describe(repository, reference)

    quay.describe = late
    images = [app(target=[f"slow-{number}"]) for number in range(20)]
    images += [{"source": f"{SERVER}/team/app:{name}"} for name in TAGS]
    first: list[Any] = []

    def noted(batch: list[Any]) -> None:
        first.append(batch)
        answered.set()

    items = plan(*images, noted=noted)
    assert [{item.target.repository for item in batch} for batch in first][0] == {"team/app"}
    assert len(first) == 2 and set(actions(items).values()) == {"import"}


# -- what is blocked ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("blocked", "said"),
    [
        (A, f"{A}, its digest"),
        ("quay.io/team/app:1.*", "quay.io/team/app:1.*"),
        ("*/prod/app", "*/prod/app"),  # its target
    ],
)
def test_what_is_blocked_fails_and_nothing_of_it_comes_in(plan: Plan, quay: HeldRegistry, blocked: str, said: str) -> None:
    quay.referring = {A: [digest(50)]}
    items = plan(app(target=["prod/app"], referrers=True), app("2.0", target=["prod/other"]), blocked=[blocked])
    assert actions(items) == {"prod/app:1.0": "blocked", "prod/other:2.0": "import"}
    assert error_of(items[0]) == f"quay.io/team/app:1.0 is blocked ({said}), so nothing of it is imported. Remove or exclude it."


@pytest.mark.parametrize(
    "image",
    [
        app("1.0@" + A),
        {"source": "quay.io/team/app@" + A, "target": [], "untagged_repositories": ["bare"]},
        {"source": "quay.io/team/app", "tags": {"include": ["1*"]}},
        app(if_exists="reimport"),
        app(if_exists="fail"),
        app(if_exists="keep", target=["new"]),
    ],
)
def test_a_blocked_digest_does_not_come_in_whatever_asks_for_it(plan: Plan, target: HeldAzure, image: dict[str, Any]) -> None:
    target.tagged = {"team/app": {"1.0": B}}
    assert set(actions(plan(image, blocked=[A])).values()) == {"blocked"}


def test_an_index_that_lists_a_blocked_manifest_does_not_come_in(plan: Plan, quay: HeldRegistry) -> None:
    """At any depth, nor does a platform of a blocked index."""
    platform = {"os": "linux", "architecture": "amd64"}
    quay.manifests[B] = (INDEX, {"manifests": [{"digest": C, "mediaType": IMAGE, "platform": platform}]})
    quay.manifests[A] = (INDEX, {"manifests": [{"digest": B, "mediaType": INDEX}]})
    [item] = plan(app(), blocked=[C])
    assert f"({C}, which it lists)" in error_of(item)
    amd = {"platform": "linux/amd64"}
    assert actions(plan(app("2.0", **amd), blocked=[A])) == {"team/app:2.0": "import"}
    assert f"({C}, its digest)" in error_of(*plan(app("2.0", **amd), blocked=[C]))
    assert f"({B}, the index that it is from)" in error_of(*plan(app("2.0", **amd), blocked=[B]))


def test_a_referrer_that_is_blocked_stays_out_alone(plan: Plan, quay: HeldRegistry) -> None:
    quay.referring = {A: [digest(50), digest(51)]}
    quay.manifests.update({one: (IMAGE, {}) for one in quay.referring[A]})
    found = actions(plan(app(referrers=True), blocked=[digest(50)]))
    assert found == {"team/app:1.0": "import", f"team/app@{digest(50)}": "blocked", f"team/app@{digest(51)}": "import"}


def test_what_the_target_holds_already_is_told(plan: Plan, target: HeldAzure) -> None:
    target.tagged = {"kept": {"1.0": C}, "moved": {"1.0": C}, "same": {"1.0": A}}
    items = plan(app(target=["kept"], if_exists="keep"), app(target=["moved"]), app(target=["same"]), blocked=[C])
    assert actions(items) == {"kept:1.0": "keep", "moved:1.0": "update", "same:1.0": "none"}
    told = "{0}:1.0 was found to hold {1}, which is blocked. Nothing was deleted: remove that digest yourself."
    assert [item.note for item in items] == [told.format("kept", C), told.format("moved", C), None]
    [item] = plan(app(target=["same"]), blocked=[A])
    assert item.error and item.error.reason == "blocked" and item.note == told.format("same", A)


def test_who_blocks_nothing_pays_nothing(plan: Plan, quay: HeldRegistry, target: HeldAzure) -> None:
    """And who blocks names alone no more: no index is read."""
    quay.manifests[A] = (INDEX, {"manifests": [{"digest": C, "mediaType": IMAGE}]})
    plan(app())
    asked = quay.asked[:], target.asked[:]
    quay.asked.clear(), target.asked.clear()
    plan(app(), blocked=["quay.io/other/*"])
    assert (quay.asked, target.asked) == asked


# -- the cheaper way ---------------------------------------------------------------------------------------------------


def test_a_listing_that_is_at_hand_is_used(plan: Plan, azure: HeldAzure) -> None:
    items = plan({"source": SERVER + "/team/app", "tags": {"newest": 1}}, {"source": SERVER + "/team/app:1.0"})
    assert [item.desired.digest for item in items] == [TAGS["1.5"], TAGS["1.0"]]
    assert [what[0] for what in azure.asked].count("tag_list") == 1 and ("manifest_list", "team/app") not in azure.asked
    assert ("describe", "team/app", "1.0") not in azure.asked


def test_only_what_will_be_imported_is_looked_at(plan: Plan, azure: HeldAzure, target: HeldAzure) -> None:
    target.tagged = {"team/app": dict(TAGS)}
    items = plan(*[{"source": f"{SERVER}/team/app:{tag}"} for tag in TAGS])
    assert set(actions(items).values()) == {"none"}
    assert [what[0] for what in azure.asked] == ["prepare", "counts", "tag_list"]


# -- failures ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [1, 4])
def test_a_source_tag_that_is_not_there(plan: Plan, azure: HeldAzure, count: int) -> None:
    tags = [*list(TAGS)[: count - 1], "9.9"]
    items = plan(*[{"source": f"{SERVER}/team/app:{tag}"} for tag in tags], app(target=["z"]))
    assert list(actions(items).values()) == ["import"] * (count - 1) + ["not_found", "import"]
    assert error_of(items[count - 1]) == SERVER + "/team/app:9.9 does not exist."


@pytest.mark.parametrize("if_exists", ["update", "keep", "fail", "reimport"])
@pytest.mark.parametrize("count", [1, 5])
def test_what_the_source_has_no_more_may_be_kept(
    plan: Plan, azure: HeldAzure, target: HeldAzure, count: int, if_exists: str
) -> None:
    target.tagged = {"team/app": {"9.9": B}}
    named = {"source": f"{SERVER}/team/app", "if_exists": if_exists, "repair": True}
    tags = {"names": ["9.9", *list(TAGS)[1:count]]}
    found = {item.target.tag: item for item in plan({**named, "tags": tags, "if_source_missing": "keep"})}
    assert actions(list(found.values())) == {"team/app:9.9": "keep", **{f"team/app:{tag}": "import" for tag in tags["names"][1:]}}
    assert not found["9.9"].changes and found["9.9"].digest == found["9.9"].before == B
    if if_exists != "keep":  # which asks the source nothing
        assert azure.asked.count(("describe", "team/app", "9.9")) == 5, "missing is what is missing again and again"
        [failed] = [item for item in plan({**named, "tags": tags}) if item.target.tag == "9.9"]
        assert error_of(failed).startswith(SERVER + "/team/app:9.9 does not exist")


def test_a_whole_repository_that_the_source_has_no_more(plan: Plan, azure: HeldAzure, target: HeldAzure) -> None:
    target.tagged = {"team/app": {"1.0": B}}
    azure.tagged.clear()
    assert actions(plan({"source": f"{SERVER}/team/app:1.0", "if_source_missing": "keep"})) == {"team/app:1.0": "keep"}


def test_where_there_is_nothing_to_keep(plan: Plan, quay: HeldRegistry, target: HeldAzure) -> None:
    target.tagged = {"team/app": {"8": digest(8)}}
    target.lost = {digest(8)}
    bare = {"target": [], "untagged_repositories": ["bare"]}
    items = plan(*[app(tag, if_source_missing="keep") for tag in "89"], app("7", if_source_missing="keep", **bare))
    assert [error_of(item) for item in items] == [
        "quay.io/team/app:8 does not exist. Nothing could be kept: the target team/app:8 can't be pulled, since its manifest is gone.",
        "quay.io/team/app:9 does not exist. Nothing could be kept: the target team/app:9 does not exist.",
        "quay.io/team/app:7 does not exist.",
    ]
    assert all(item.error and item.error.reason == "not_found" for item in items)


@pytest.mark.parametrize("reason", ["unauthorized", "denied", "throttled", "unavailable", "protocol"])
def test_a_source_that_can_not_be_read_may_still_have_the_tag(
    plan: Plan, quay: HeldRegistry, target: HeldAzure, reason: str
) -> None:
    target.tagged = {"team/app": {"1.0": B}}
    quay.fails["describe",] = AcrError(reason, "no.", status=404)
    assert actions(plan(app(if_source_missing="keep"))) == {"team/app:1.0": reason}


def test_a_bare_404_is_no_word_of_a_registry(plan: Plan, quay: HeldRegistry, target: HeldAzure) -> None:
    target.tagged = {"team/app": {"1.0": B}}
    quay.fails["describe",] = bare = AcrError("not_found", "quay.io/team/app:1.0 does not exist.", status=404)
    assert actions(plan(app(if_source_missing="keep"))) == {"team/app:1.0": "update"}, "what HEAD denies, GET may show"
    quay.fails["manifest",] = bare
    assert actions(plan(app(if_source_missing="keep"))) == {"team/app:1.0": "not_found"}


def test_a_tag_that_the_source_lists_is_not_missing(plan: Plan, azure: HeldAzure, target: HeldAzure) -> None:
    target.tagged = {"team/app": {"1.0": B}}
    azure.fails["describe", "team/app", "1.0"] = AcrError("not_found", "no.", status=404, codes=("MANIFEST_UNKNOWN",))
    azure.fails["manifest", "team/app", digest(1)] = AcrError("not_found", "no.", status=404, codes=("MANIFEST_UNKNOWN",))
    entry = {"source": f"{SERVER}/team/app", "if_source_missing": "keep", "platform": "linux/amd64"}
    [item] = [one for one in plan({**entry, "tags": {"include": ["*"]}}) if one.target.tag == "1.0"]
    assert item.action != "keep" and item.error is not None


def test_a_tag_that_has_no_image_for_the_platform_is_not_missing(plan: Plan, quay: HeldRegistry, target: HeldAzure) -> None:
    target.tagged = {"team/app": {"1.0": B}}
    quay.manifests[A] = (INDEX, {"manifests": []})
    wanted = {"platform": "linux/arm64", "if_source_missing": "keep"}
    assert "has no image for linux/arm64" in error_of(plan(app(**wanted))[0])
    quay.tagged["team/app"].pop("1.0")
    assert actions(plan(app(**wanted))) == {"team/app:1.0": "keep"}


def test_a_replica_that_is_late_does_not_make_a_source_lose_its_tag(plan: Plan, quay: HeldRegistry, target: HeldAzure) -> None:
    target.tagged = {"team/app": {"1.0": B}}
    quay.late["describe", "team/app", "1.0"] = 2
    assert actions(plan(app(if_source_missing="keep"))) == {"team/app:1.0": "update"}


@pytest.mark.parametrize("kind", sorted(GENERAL))
def test_a_target_registry_that_can_not_be_read_ends_it_all(plan: Plan, target: HeldAzure, kind: str) -> None:
    target.fails = {("describe",): AcrError(kind, "no.")}
    with pytest.raises(AcrError, match="no."):
        plan(app(), app("2.0"))


def test_c1_a_target_that_can_not_be_read_is_no_failure_of_its_neighbours(plan: Plan, target: HeldAzure) -> None:
    target.fails = {(how, "locked", "1.0"): AcrError("denied", "no.") for how in ("describe", "tag")}
    assert actions(plan(app(target=["locked", "open"]), app("2.0", target=["locked"]))) == {
        "locked:1.0": "denied", "open:1.0": "import", "locked:2.0": "import",
    }  # fmt: skip


def test_an_image_that_azure_can_not_import_is_no_step(plan: Plan, quay: HeldRegistry) -> None:
    children = [{"digest": digest(number), "mediaType": IMAGE} for number in range(51)]
    quay.manifests[A] = (INDEX, {"manifests": children})
    items = plan(app(), app("2.0"))
    assert actions(items) == {"team/app:1.0": "unsupported", "team/app:2.0": "import"}
    assert "lists 51 manifests" in error_of(items[0])


# -- repair ------------------------------------------------------------------------------------------------------------


def lose_a_child(target: HeldAzure, quay: HeldRegistry) -> None:
    quay.manifests[A] = target.manifests[A] = (INDEX, {"manifests": [{"digest": C, "mediaType": IMAGE}]})
    target.tagged = {"team/app": {"1.0": A}, "whole": {"1.0": A, "child": C}}


@pytest.mark.parametrize(("repair", "action"), [(True, "repair"), (False, "none")])
def test_damage_is_looked_for_where_that_is_asked_for(
    plan: Plan, target: HeldAzure, quay: HeldRegistry, repair: bool, action: str
) -> None:
    lose_a_child(target, quay)
    items = plan(app(repair=repair))
    assert actions(items) == {"team/app:1.0": action}
    assert items[0].observed == (replace(Observed.there(A), updated="now", locks=()).lost() if repair else Observed.there(A))
    assert (("manifest", "team/app", A) in target.asked) is repair


def test_damage_is_believed_when_it_is_said_again(plan: Plan, target: HeldAzure, quay: HeldRegistry) -> None:
    lose_a_child(target, quay)
    target.tagged["team/app"]["child"] = C
    target.late = {("manifest", "team/app", A): 1, ("describe", "team/app", C): 1}
    assert actions(plan(app(repair=True))) == {"team/app:1.0": "none"}


def test_a_broken_tag_that_is_not_to_be_repaired_asks_the_source_nothing(
    plan: Plan, target: HeldAzure, quay: HeldRegistry
) -> None:
    target.tagged = {"team/app": {"1.0": B}}
    target.lost = {B}
    assert actions(plan(app(if_exists="keep"))) == {"team/app:1.0": "exists"}
    assert quay.asked == []


@pytest.mark.parametrize("kind", ["denied", "firewall"])
def test_damage_that_can_not_be_looked_for(plan: Plan, target: HeldAzure, quay: HeldRegistry, kind: str) -> None:
    lose_a_child(target, quay)
    target.fails = {("manifest", "team/app", A): AcrError(kind, "no.")}
    assert actions(plan(app(repair=True), app("2.0", target=["new"]))) == {"team/app:1.0": kind, "new:2.0": "import"}


# -- backups -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("held", "action", "mode"), [(None, "import", "NoForce"), (B, "none", ""), (A, "update", "Force")])
def test_what_is_moved_is_backed_up_first(plan: Plan, target: HeldAzure, held: str | None, action: str, mode: str) -> None:
    target.tagged = {"team/app": {"1.0": B, **({"1.0-old": held} if held else {})}}
    (item,) = plan(app(backup="{tag}-old"))
    assert item.action == "update" and item.backup is not None and item.backup.action == action
    origin = item.backup.desired.origin
    assert (origin.registry.name, origin.image) == (target.host, "team/app@" + B)
    assert (str(item.backup.target), item.backup.desired.digest) == ("team/app:1.0-old", B)
    assert not mode or item.backup.mode == mode
    diff = Diff()
    diff.add([item])
    assert diff.after == {"team/app:1.0": A, **({"team/app:1.0-old": B} if mode else {})}


def test_only_what_is_moved_is_backed_up(plan: Plan, target: HeldAzure) -> None:
    target.tagged = {"same": {"1.0": A}, "lost": {"1.0": digest(9)}, "kept": {"1.0": B}}
    target.lost = {digest(9)}
    items = plan(app(target=["new", "same", "lost"], backup="{tag}-old"), app(target=["kept"], if_exists="keep", backup="old"))
    assert actions(items) == {"new:1.0": "import", "same:1.0": "none", "lost:1.0": "repair", "kept:1.0": "keep"}
    assert [item.backup for item in items] == [None] * 4


@pytest.mark.parametrize(("why", "reason"), [("locked", "locked"), ("unreadable", "denied")])
def test_what_can_not_be_backed_up_is_not_moved(plan: Plan, target: HeldAzure, quay: HeldRegistry, why: str, reason: str) -> None:
    target.tagged = {"team/app": {"1.0": B, "1.0-old": A}, "other": {"1.0": B}}
    quay.referring = {A: [digest(50)]}
    quay.manifests[digest(50)] = (IMAGE, {})
    if why == "locked":
        target.locks = {"1.0-old"}
    else:
        target.fails = {(how, "team/app", "1.0-old"): AcrError("denied", "no.") for how in ("describe", "tag")}
    items = plan(app(target=["team/app", "other"], backup="{tag}-old", referrers=True))
    assert actions(items) == {"team/app:1.0": reason, "other:1.0": "update", "other@" + digest(50): "import"}
    assert error_of(items[0]).startswith("team/app:1.0 was not overwritten, because its backup team/app:1.0-old failed: ")


# -- referrers ---------------------------------------------------------------------------------------------------------


def test_what_refers_to_an_image_comes_after_it(plan: Plan, target: HeldAzure, quay: HeldRegistry) -> None:
    signature = A.replace(":", "-") + ".sig"
    quay.referring = {A: [digest(50)]}
    quay.manifests[digest(50)] = (IMAGE, {})
    quay.tagged["team/app"][signature] = digest(51)
    target.tagged = {"b": {"1.0": A, signature: digest(52)}}
    items = plan(app(referrers=True, if_exists="fail", immutable=True, target=["a", "b"]), app("2.0"))
    assert [str(item.target) for item in items if item.desired.rules.immutable] == ["a:1.0", "b:1.0"]
    assert actions(items) == {
        "a:1.0": "import", "b:1.0": "none", "team/app:2.0": "import",
        "a@" + digest(50): "import", "a:" + signature: "import",
        # A release may not change, but a signature may be added to it later.
        "b@" + digest(50): "import", "b:" + signature: "update",
    }  # fmt: skip


@pytest.mark.parametrize(("failing", "reason"), [("release", "exists"), ("importable", "unsupported")])
def test_what_refers_to_an_image_that_fails_stays_away(
    plan: Plan, target: HeldAzure, quay: HeldRegistry, failing: str, reason: str
) -> None:
    quay.referring = {A: [digest(50)]}
    quay.manifests[digest(50)] = (IMAGE, {})
    if failing == "release":
        target.tagged = {"team/app": {"1.0": B}}
    else:
        quay.manifests[A] = (INDEX, {"manifests": [{"digest": digest(n)} for n in range(100, 200)]})
    items = plan(app(referrers=True, if_exists="fail"))
    assert [item.error.reason for item in items if item.error] == [reason] and len(items) == 1


def test_referrers_that_are_wanted_anyway_are_not_wanted_twice(plan: Plan, quay: HeldRegistry) -> None:
    signature = A.replace(":", "-") + ".sig"
    quay.tagged["team/app"][signature] = digest(51)
    items = plan(app(referrers=True), app(signature, if_exists="keep"))
    assert actions(items) == {"team/app:1.0": "import", "team/app:" + signature: "import"}


def test_referrers_that_can_not_be_found_are_the_failure_of_their_image(plan: Plan, quay: HeldRegistry) -> None:
    quay.fails = {("referrers", "team/app", A): AcrError("denied", "no.")}
    items = plan(app(referrers=True), app("2.0", referrers=True))
    assert actions(items) == {"team/app:1.0": "denied", "team/app:2.0": "import"}
    assert error_of(items[0]) == "What refers to quay.io/team/app:1.0 can't be found: no."


# -- signatures ------------------------------------------------------------------------------------------------------------

KEY = new_key()
SIGNED = {"signed_by": [{"key": public_pem(KEY)}]}
SIG = A.replace(":", "-") + ".sig"


def sign_with(registry: HeldRegistry, key: Any) -> None:
    """Puts a signature of A beside it."""
    payload = claims(A)
    annotations = {"dev.cosignproject.cosign/signature": b64(sign(key, payload))}
    layer = {"mediaType": SIMPLE, "digest": digest(91), "annotations": annotations}
    registry.blobs[digest(91)] = payload
    registry.manifests[digest(90)] = (IMAGE, {"layers": [layer]})
    registry.tagged["team/app"][SIG] = digest(90)


def test_what_is_signed_is_planned_with_its_signature(plan: Plan, quay: HeldRegistry, target: HeldAzure) -> None:
    sign_with(quay, KEY)
    target.tagged = {"team/app": {"same": A}}
    quay.tagged["team/app"]["same"] = A
    items = plan(app(**SIGNED), app("same", **SIGNED))
    assert actions(items) == {"team/app:1.0": "import", "team/app:same": "none"}
    assert {item.signature.kind if item.signature else None for item in items} == {"key"}
    signature = [what for what in quay.asked if what[0] in ("referrers", "manifest", "blob")]
    assert len(signature) == 3, "read once for both tags"


def test_nothing_of_an_image_that_is_not_signed_is_imported(plan: Plan, quay: HeldRegistry, target: HeldAzure) -> None:
    sign_with(quay, new_key())
    target.tagged = {"team/app": {"same": A, "old": B}}
    items = plan(
        app(referrers=True, **SIGNED), app(target=["team/app:same", "team/app:old"], if_exists="fail", **SIGNED), app("2.0")
    )
    assert actions(items) == {
        "team/app:1.0": "unsigned", "team/app:same": "unsigned", "team/app:old": "unsigned", "team/app:2.0": "import",
    }  # fmt: skip
    assert [error_of(item).endswith(" team/app:same has it already, and was left alone.") for item in items[:3]] == [False, True, False]
    assert "its signature is not of this key" in error_of(items[0])


def test_what_is_kept_needs_no_signature(plan: Plan, quay: HeldRegistry, target: HeldAzure) -> None:
    target.tagged = {"team/app": {"1.0": B}}
    assert actions(plan(app(if_exists="keep", **SIGNED))) == {"team/app:1.0": "keep"}
    assert quay.asked == []


@pytest.mark.parametrize("reason", ["throttled", "denied", "unreachable"])
def test_signatures_that_can_not_be_read_are_the_failure_of_their_images(plan: Plan, quay: HeldRegistry, reason: str) -> None:
    sign_with(quay, KEY)
    quay.fails[("referrers", "team/app", A)] = AcrError(reason, "quay.io said no.")
    items = plan(app(**SIGNED), app("2.0"))
    assert actions(items) == {"team/app:1.0": reason, "team/app:2.0": "import"}
    assert "can't be known, so it wasn't imported: quay.io said no." in error_of(items[0])


def test_the_index_counts_for_its_platform(plan: Plan, quay: HeldRegistry) -> None:
    platform = {"os": "linux", "architecture": "amd64"}
    quay.manifests[A] = (INDEX, {"manifests": [{"digest": C, "mediaType": IMAGE, "platform": platform}]})
    sign_with(quay, KEY)
    for source in ("quay.io/team/app:1.0", "quay.io/team/app@" + A):
        (item,) = plan({"source": source, "platform": "linux/amd64", "target": ["new:1"], **SIGNED})
        assert item.error is None and item.desired.digest == C and item.signature
