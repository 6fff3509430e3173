# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the target shows, asked in the cheaper way, and what is missing behind it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.registryops.acr.plugins.module_utils._errors import AcrError
from ansible_collections.registryops.acr.plugins.module_utils._manifest import Descriptor
from ansible_collections.registryops.acr.plugins.module_utils._plan import (
    Desired,
    Evidence,
    Observed,
    Origin,
    Rules,
    SourceRegistry,
    Target,
)
from ansible_collections.registryops.acr.plugins.module_utils._target import TargetRegistry
from tests.unit.plugins.held import IMAGE, INDEX, HeldAzure, digest

DENIED = AcrError("invalid", "The operation is disallowed.", status=405)
NAMES = ["a", "b", "c", "d", "e"]
DESIRED = Desired(Target("r", "a"), Origin(SourceRegistry("quay.io"), "app", "1", digest(2)))
THERE = Observed.there(digest(1))


def held(**tags: str) -> HeldAzure:
    return HeldAzure("contosoprod.azurecr.test", r=tags)


def index(*children: int, media_type: str = IMAGE) -> tuple[str, dict[str, Any]]:
    return INDEX, {"manifests": [{"digest": digest(child), "mediaType": media_type} for child in children]}


def test_few_tags_are_asked_for_one_by_one_and_many_by_listings() -> None:
    registry = held(**dict.fromkeys("abcd", digest(1)))
    assert TargetRegistry(registry).tags("r", ["a", "b"]) == {"a": THERE, "b": THERE}
    assert sorted(registry.asked) == [("describe", "r", "a"), ("describe", "r", "b")]
    registry.asked.clear()
    found = TargetRegistry(registry).tags("r", NAMES)
    assert found["a"] == THERE and found["e"] == Observed.absent()
    assert registry.asked == [("manifest_list", "r"), ("tag", "r", "e")]


@pytest.mark.parametrize(
    ("count", "wanted", "listed", "asked"),
    [
        pytest.param(3000, [5, 7, 8, 9], 10, 0, id="all on the first page"),
        pytest.param(3000, [5, 1500, 2500, 2600], 1000, 3, id="three of two more pages: asked one by one"),
        pytest.param(3000, list(range(0, 3000, 100)), 2901, 0, id="many: read on"),
        pytest.param(1000, [5, 6, 7, 9000], 1000, 1, id="one page is all there is"),
        pytest.param(999, [9000, 9001, 9002, 9003], 999, 4, id="less than a page"),
        pytest.param(1300, [1200, 9000, 9001, 9002], 1300, 3, id="little is left to read"),
    ],
)
def test_a_list_is_read_on_while_that_is_cheaper(count: int, wanted: list[int], listed: int, asked: int) -> None:
    registry = held(**{f"t{number}": digest(number) for number in range(count)})
    read, seen = registry.manifest_list, []
    registry.manifest_list = lambda *args, **more: (seen.append(one) or one for one in read(*args, **more))
    found = TargetRegistry(registry).tags("r", [f"t{number}" for number in wanted])
    assert found == {f"t{one}": Observed.there(digest(one)) if one < count else Observed.absent() for one in wanted}
    assert len(seen) == listed
    assert sum(what[0] in ("tag", "describe") for what in registry.asked) == asked


def test_where_one_tag_is_absent_the_properties_of_others_are_asked_for_first() -> None:
    """As in a first run, one repository after the other."""
    registry = held(a=digest(1), b=digest(1))
    targets = TargetRegistry(registry)
    assert targets.tags("none", ["x"]) == {"x": Observed.absent()}
    assert registry.asked == [("describe", "none", "x"), ("tag", "none", "x")]
    registry.asked.clear()
    assert targets.tags("none", ["y"]) == {"y": Observed.absent()} and registry.asked == [("tag", "none", "y")]
    registry.asked.clear()
    assert targets.tags("r", ["a"]) == {"a": Observed.listed(digest(1), "now").seen()}
    assert registry.asked == [("tag", "r", "a"), ("describe", "r", digest(1))], "properties prove no manifest"
    registry.asked.clear()
    assert targets.tags("r", ["b"]) == {"b": THERE} and registry.asked == [("describe", "r", "b")], "one was there"


def test_a_tag_whose_properties_can_not_be_read_is_asked_for_itself() -> None:
    registry = held(a=digest(1))
    targets = TargetRegistry(registry)
    targets.tags("none", ["x"])
    registry.fails = {("tag",): DENIED}
    assert targets.tags("r", ["a"]) == {"a": THERE}


def test_many_wait_for_the_first_tag_to_know_how_to_ask() -> None:
    registry = held()
    targets = TargetRegistry(registry)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda number: targets.tags(f"none-{number}", ["x"]), range(8)))
    assert found == [{"x": Observed.absent()}] * 8
    assert [what[0] for what in registry.asked].count("describe") == 1


def test_a_repository_that_does_not_exist_takes_two_requests() -> None:
    """However many tags are wanted of it, as in a first run."""
    registry = held()
    names = [f"1.{number}" for number in range(200)]
    assert TargetRegistry(registry).tags("none", names) == dict.fromkeys(names, Observed.absent())
    assert registry.asked == [("manifest_list", "none"), ("repository", "none")]


def test_one_answer_that_a_repository_does_not_exist_is_no_absence() -> None:
    """Another replica knows it: its tags are asked for, one by one."""
    registry = held(**dict.fromkeys("abcd", digest(1)))
    registry.late["manifest_list", "r"] = 1
    found = TargetRegistry(registry).tags("r", NAMES)
    assert {name: one.digest for name, one in found.items()} == {**dict.fromkeys("abcd", digest(1)), "e": None}
    assert [what[0] for what in registry.asked] == ["manifest_list", "repository", *["tag"] * len(NAMES), "describe"]
    assert all(found[name].present for name in "abcd")


def test_a_repository_that_can_not_be_read_is_not_absent() -> None:
    registry = held()
    registry.fails["repository",] = AcrError("unavailable", "It is busy.")
    with pytest.raises(AcrError, match="busy"):
        TargetRegistry(registry).tags("none", NAMES)


@pytest.mark.parametrize("names", [["a"], NAMES])
def test_a_tag_whose_manifest_is_gone_is_broken(names: list[str]) -> None:
    registry = held(a=digest(9))
    registry.lost = {digest(9)}
    seen = TargetRegistry(registry).tags("r", names)["a"]
    assert seen == Observed.listed(digest(9), "now").lost() and not seen.present
    assert (seen.gone, seen.evidence) == (True, Evidence.CONFIRMED)
    assert registry.asked.count(("describe", "r", digest(9))) == 5, "again and again"


@pytest.mark.parametrize("names", [["a"], NAMES])
def test_a1_what_a_listing_of_manifests_lacks_is_asked_for_by_digest(names: list[str]) -> None:
    registry = held(**{name: digest(number) for number, name in enumerate(NAMES)})
    registry.hidden = {digest(number) for number in range(5)}
    found = TargetRegistry(registry).tags("r", names)
    assert [found[name] for name in names if isinstance(found[name], AcrError) or not found[name].present] == []


@pytest.mark.parametrize("hidden", [2, 10])
def test_a3_children_that_are_not_listed_are_not_missing(hidden: int) -> None:
    registry = held(a=digest(1))
    registry.manifests = {digest(1): index(*range(2, 2 + hidden))}
    registry.manifests.update({digest(number): (IMAGE, {}) for number in range(2, 2 + hidden)})
    registry.hidden = set(registry.manifests)
    assert TargetRegistry(registry).damage("r", [digest(1)]) == {digest(1): []}


@pytest.mark.parametrize("what", ["a", digest(1)])
@pytest.mark.parametrize("times", [1, 4])
def test_a4_a_tag_is_broken_only_when_its_digest_is_missed_again_and_again(what: str, times: int) -> None:
    registry = held(a=digest(1))
    registry.late = {("describe", "r", "a"): 1, ("describe", "r", what): times}
    assert TargetRegistry(registry).tag("r", "a").present


def test_a11_a_tag_that_is_not_listed_is_asked_for() -> None:
    registry = held(**{name: digest(number) for number, name in enumerate(NAMES)})
    registry.hidden = {"c", "d"}
    found = TargetRegistry(registry).tags("r", NAMES)
    assert {name: seen.digest for name, seen in found.items()} == registry.tagged["r"]
    assert all(seen.present for seen in found.values())


def test_a13_tag_manifest_and_repository_are_looked_at_for_locks() -> None:
    registry = held(a=digest(1), b=digest(2))
    assert TargetRegistry(registry).guarded(DESIRED, THERE) == replace(THERE, updated="now", locks=())
    for lock, name in (("r", "repository"), ("a", "tag"), (digest(1), "manifest"), (digest(2), "manifest")):
        registry.locks = {lock}
        assert TargetRegistry(registry).guarded(DESIRED, THERE).locks == (name,)
    registry.locks = {"r", "a", digest(1)}
    assert TargetRegistry(registry).guarded(DESIRED, THERE).locks == ("repository", "tag", "manifest")


def test_a13_what_a_listing_says_of_locks_is_not_asked_again() -> None:
    registry = held(**{name: digest(number) for number, name in enumerate(NAMES)})
    registry.locks = {"b", digest(2)}
    target = TargetRegistry(registry)
    found = target.tags("r", NAMES)
    registry.asked.clear()
    desired = {name: DESIRED._replace(target=Target("r", name)) for name in "abc"}
    assert {name: target.guarded(one, found[name]).locks for name, one in desired.items()} == {
        "a": ("manifest",), "b": ("tag", "manifest"), "c": ("manifest",),
    }  # fmt: skip
    assert registry.asked == [("repository", "r"), ("tag", "r", "a"), ("tag", "r", "b"), ("tag", "r", "c")]


@pytest.mark.parametrize("look", ["repository", "tag", "metadata"])
def test_a13_a_look_for_locks_that_fails_is_no_sign_that_there_are_none(look: str) -> None:
    registry = held(a=digest(1))
    registry.fails = {(look,): AcrError("denied", "No.", status=401)}
    with pytest.raises(AcrError, match="Whether r:a is locked can't be read, so it was not overwritten: No."):
        TargetRegistry(registry).guarded(DESIRED, THERE)


@pytest.mark.parametrize(("look", "lock"), [("repository", "r"), ("tag", "a"), ("metadata", digest(1))])
def test_a13_a_lock_is_seen_though_a_replica_does_not_know_the_thing_yet(look: str, lock: str) -> None:
    registry = held(a=digest(1))
    registry.locks = {lock}
    names = {"repository": ("repository", "r"), "tag": ("tag", "r", "a"), "metadata": ("metadata", "r", digest(1))}
    registry.late = {names[look]: 1}
    target = TargetRegistry(registry)
    assert target.guarded(DESIRED, target.tag("r", "a")).locks


def test_a_target_is_examined_with_its_locks_only_if_it_would_be_overwritten() -> None:
    registry = held(a=digest(1))
    registry.locks = {"a"}
    target = TargetRegistry(registry)
    assert target.examine(DESIRED) == replace(THERE, updated="now", tag_locked=True, locks=("tag",))
    assert target.examine(DESIRED._replace(rules=Rules(if_exists="keep"))) == THERE
    untagged = DESIRED._replace(target=Target("r", None, digest(2)))
    assert target.examine(untagged) == Observed.absent()
    registry.manifests = {digest(2): (IMAGE, {})}
    assert target.examine(untagged) == Observed.there(digest(2))


def test_c1_a_tag_that_can_not_be_read_is_no_failure_of_the_others() -> None:
    registry = held(**dict.fromkeys("abcd", digest(1)))
    registry.fails = {("describe", "r", "b"): DENIED, ("tag", "r", "b"): DENIED, ("tag", "r", "e"): DENIED}
    for names in (["a", "b"], NAMES):
        found = TargetRegistry(registry).tags("r", names)
        assert {name for name, seen in found.items() if isinstance(seen, AcrError)} == {"b" if len(names) < 4 else "e"}


def test_c1_a_tag_that_may_not_be_pulled_is_known_by_its_properties() -> None:
    registry = held(a=digest(1))
    registry.fails = {("describe",): DENIED}
    assert TargetRegistry(registry).tag("r", "a").present
    assert TargetRegistry(registry).shown("r", "a") == Observed.listed(digest(1), "now")


def test_c2_an_index_that_can_not_be_read_is_no_failure_of_the_others() -> None:
    registry = held(a=digest(1), b=digest(2))
    registry.manifests = {digest(1): index(3), digest(2): index(3), digest(3): (IMAGE, {})}
    registry.fails = {("manifest", "r", digest(1)): DENIED}
    assert TargetRegistry(registry).damage("r", [digest(1), digest(2)]) == {digest(1): DENIED, digest(2): []}


def test_d7_many_indexes_are_looked_into_at_once() -> None:
    registry, together = held(), threading.Barrier(8, timeout=5)
    registry.manifests = {digest(number): index() for number in range(8)}
    read = registry.manifest

    def manifest(repository: str, reference: str) -> Any:
        together.wait()  # until all are under way
        return read(repository, reference)

    registry.manifest = manifest
    assert TargetRegistry(registry).damage("r", [digest(number) for number in range(8)]) == {digest(number): [] for number in range(8)}


def test_what_could_not_be_read_is_not_gone() -> None:
    later = AcrError("throttled", "later.")
    registry = held(a=digest(1))
    registry.fails = {("describe",): later}
    with pytest.raises(AcrError, match="later"):
        TargetRegistry(registry).tag("r", "a")
    assert TargetRegistry(registry).manifests("r", [digest(1)]) == {digest(1): later}
    with pytest.raises(AcrError, match="later"):
        TargetRegistry(registry).shown("r", "a")
    registry.fails = {("describe",): DENIED}
    assert TargetRegistry(registry).manifests("r", [digest(9)]) == {digest(9): DENIED}, "nor has it properties"


def test_damage_at_any_depth() -> None:
    registry = held()
    registry.manifests = {
        digest(1): (INDEX, {"manifests": [{"digest": digest(2), "mediaType": INDEX}, {"digest": digest(5), "mediaType": IMAGE}]}),
        digest(2): index(3, 4),
        **{digest(number): (IMAGE, {}) for number in (3, 5)},
    }  # fmt: skip
    assert TargetRegistry(registry).damage("r", [digest(1)]) == {digest(1): [digest(4)]}
    registry.manifests[digest(4)] = (IMAGE, {})
    assert TargetRegistry(registry).damage("r", [digest(1)]) == {digest(1): []}
    assert TargetRegistry(registry).damage("r", [digest(7)]) == {digest(7): [digest(7)]}


def test_damage_that_a_late_replica_reports_is_believed_when_it_is_said_again() -> None:
    registry = held()
    registry.manifests = {digest(1): index(2), digest(2): (IMAGE, {})}
    for what in (("manifest", "r", digest(1)), ("describe", "r", digest(2))):
        registry.late = {what: 1}
        assert TargetRegistry(registry).damage("r", [digest(1)], expected=True) == {digest(1): []}
        registry.late = {what: 1}
        assert TargetRegistry(registry).damage("r", [digest(1)])[digest(1)] == [what[-1]]


def test_what_was_learnt_elsewhere_spares_a_look_into_an_image() -> None:
    registry = held(a=digest(1))
    known = {digest(1): Descriptor(digest(1), IMAGE)}
    target = TargetRegistry(registry, known=known)
    assert target.damage("r", [digest(1)]) == {digest(1): []}
    assert registry.asked == [("describe", "r", digest(1))], "and no manifest"
    registry.manifests = {digest(2): index()}
    target.shown("r", digest(2))
    assert known[digest(2)].is_index, "what is read here is known elsewhere"


def test_after_it_is_closed_nothing_is_read() -> None:
    registry = held(a=digest(1), b=digest(1))
    target = TargetRegistry(registry)
    target.close()
    with pytest.raises(RuntimeError):
        target.tags("r", ["a", "b"])
    assert registry.asked == []


def test_an_index_that_is_looked_for_is_read_once() -> None:
    registry = held(a=digest(1))
    registry.manifests = {digest(1): index(2), digest(2): (IMAGE, {})}
    targets = TargetRegistry(registry, known={digest(1): Descriptor(digest(1), INDEX)})
    assert targets.shown("r", "b", hoped=digest(1)) == Observed.absent()
    assert targets.shown("r", "a", hoped=digest(1)) == THERE and targets.damage("r", [digest(1)]) == {digest(1): []}
    assert registry.asked == [("manifest", "r", "b"), ("manifest", "r", "a"), ("describe", "r", digest(2))]
