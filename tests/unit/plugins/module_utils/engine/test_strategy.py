# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is concluded when Azure calls an import done, or says that its target exists; with and without a look at the registry."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ansible_collections.registryops.acr.plugins.module_utils._errors import AcrError
from ansible_collections.registryops.acr.plugins.module_utils._plan import Desired, Observed, Target
from tests.unit.plugins.planes import EXISTS, LOCKED, LOST, PASSING, A, Azure, B, item

VERIFIED = pytest.mark.parametrize("verified", [True, False])


@VERIFIED
def test_two_images_for_one_untagged_repository_end_each_on_its_own(verified: bool) -> None:
    azure = Azure()
    azure.refuses = lambda number: LOCKED if number == 0 else None
    found = azure.run(item("a"), item("a", B), verified=verified)
    assert [one.error for one in found] == [LOCKED, None]


def test_blind_imports_into_one_repository_are_told_apart() -> None:
    """Without a look into the registries neither digest nor tag tells the targets apart."""
    azure = Azure()
    items = [item("a"), item("a", B)]
    for one in items:
        one.desired = one.desired._replace(target=Target("a", None))
    azure.refuses = lambda number: LOCKED if number == 0 else None
    assert [one.error for one in azure.run(*items, verified=False)] == [LOCKED, None]


def test_only_verified_targets_share_an_import() -> None:
    for verified, expected in ((True, [["a:1", "b:1"]]), (False, [["a:1"], ["b:1"]])):
        azure = Azure()
        azure.run(item("a:1"), item("b:1"), verified=verified)
        assert azure.targets == expected and bool(azure.reads) == verified


def test_an_unverified_import_takes_until_azure_calls_it_done() -> None:
    azure = Azure()
    [one] = azure.run(item("a:1"), verified=False)
    assert one.error is None and one.changed and one.seconds == pytest.approx(10.0, abs=0.1) and azure.asked == [0]


def test_another_digest_is_believed_sooner_than_none() -> None:
    azure = Azure()
    azure.lands = lambda number, target: False
    azure.ends = lambda number: azure.hold("a", "1", B)
    [one] = azure.run(item("a:1"))
    assert one.error is not None and one.error.reason == "lost" and 1015.0 <= azure.time.now() < 1020.0
    assert str(one.error) == (
        f"Azure says that contosoprod.azurecr.test/a:1 was imported, but it has digest {B} instead of {A}; someone else may have "
        "moved it in the meantime. Run again."
    )


def test_the_digest_that_the_target_had_before_is_not_somebody_elses() -> None:
    azure = Azure()
    azure.lands = lambda number, target: False
    azure.hold("a", "1", B)
    [one] = azure.run(item("a:1", action="update", observed=replace(Observed.there(B), locks=())))
    assert "it has digest" in str(one.error) and azure.time.now() >= 1070.0


# -- targets that exist though they were absent ------------------------------------------------------------------------


@VERIFIED
def test_a_target_that_appeared_meanwhile_was_not_imported_by_us(verified: bool) -> None:
    azure = Azure()
    azure.hold("a", "1", B)
    azure.lands = lambda number, target: False
    azure.ends = lambda number: EXISTS
    [one] = azure.run(item("a:1", if_exists="keep"), verified=verified)
    assert one.error is None and not one.changed and one.action == "keep"
    assert one.before == (B if verified else None)


@pytest.mark.parametrize("if_exists", ["fail", "reimport"])
def test_without_a_look_a_target_that_appeared_meanwhile_is_an_error_unless_it_may_be_left(if_exists: str) -> None:
    azure = Azure()
    azure.refuses = lambda number: EXISTS
    [one] = azure.run(item("a:1", if_exists=if_exists), verified=False)
    assert str(one.error) == "It exists already. Choose another tag, or set if_exists: update with verify: true."
    assert one.error is not None and one.error.reason == "exists" and not one.changed


@VERIFIED
def test_a_target_that_exists_since_an_earlier_try_landed_was_imported_by_us(verified: bool) -> None:
    """The first try ends badly though it brings the target, and the second is refused."""
    azure = Azure()
    azure.lands = lambda number, target: False

    def ends(number: int) -> Exception:
        if number == 0:
            return PASSING
        azure.hold("a", "1", A)
        return EXISTS

    azure.ends = ends
    [one] = azure.run(item("a:1"), verified=verified)
    assert one.error is None and one.changed and one.action == "import"
    assert len(azure.bodies) == 2


@pytest.mark.parametrize(("verified", "if_exists"), [(True, "update"), (False, "update"), (False, "fail")])
def test_a_target_that_exists_since_a_start_got_no_answer_was_imported_by_us(verified: bool, if_exists: str) -> None:
    """The start is tried again at once, below the engine: all that it sees is the refusal."""
    azure = Azure()
    azure.refuses = lambda number: AcrError("exists", "It exists already.", status=409, uncertain=True)
    azure.hold("a", "1", A)
    [one] = azure.run(item("a:1", if_exists=if_exists), verified=verified)
    assert one.error is None and one.changed and one.action == "import" and one.seconds < 10.0


@VERIFIED
def test_a_target_that_exists_since_a_start_that_got_no_answer_brought_it_was_imported_by_us(verified: bool) -> None:
    azure = Azure()
    azure.refuses = lambda number: EXISTS if number else azure.hold("a", "1", A) or LOST
    [one] = azure.run(item("a:1", if_exists="fail"), verified=verified)
    assert one.error is None and one.changed and one.action == "import" and len(azure.bodies) == 2


def test_a_target_with_another_digest_was_not_imported_by_us_though_a_start_got_no_answer() -> None:
    azure = Azure()
    azure.refuses = lambda number: AcrError("exists", "It exists already.", status=409, uncertain=True)
    azure.hold("a", "1", B)
    [one] = azure.run(item("a:1", if_exists="keep"))
    assert one.error is None and one.action == "keep" and one.before == B


def test_a_look_that_is_under_way_may_find_what_azure_refuses_as_existing() -> None:
    """Somebody else brings the target. The look comes back first, then the one after the refusal."""
    azure = Azure()
    refused: list[bool] = []
    looks: list[str] = []

    def shown(repository: str, tag: str, *, hoped: str | None = None) -> Observed:
        looks.append("shown")
        azure.time.wait(lambda: bool(refused), 1000.0)
        azure.time.sleep(20.0)
        return Observed.there(A)

    def examine(_desired: Desired) -> Observed:
        looks.append("examine")
        azure.time.sleep(40.0)
        return replace(Observed.there(A), locks=())

    azure.lands = lambda number, target: False
    azure.ends = lambda number: refused.append(True) or EXISTS
    azure.damaged = lambda repository: bool(azure.time.sleep(100.0))  # not over before that
    azure.shown, azure.examine = shown, examine
    [one] = azure.run(item("a:1"))
    assert one.error is None and not one.changed and one.action == "none" and looks == ["shown", "examine"]


def test_what_the_look_after_a_refusal_has_found_is_found_once() -> None:
    """An earlier try of ours has brought it. The look after the refusal comes back first, then the one that was under way."""
    azure = Azure()
    looks: list[float] = []

    def shown(repository: str, tag: str, *, hoped: str | None = None) -> Observed:
        azure.time.sleep(20.0)
        looks.append(azure.time.now())
        return Observed.there(A)

    azure.shown = shown
    azure.refuses = lambda number: None if number else azure.hold("a", "1", A) or LOST
    azure.ends = lambda number: EXISTS
    azure.damaged = lambda repository: bool(azure.time.sleep(60.0))  # not over before that
    [one] = azure.run(item("a:1"))
    assert one.error is None and one.changed and one.action == "import" and len(azure.bodies) == 2 and looks


def test_a_tag_that_azure_sees_before_we_do_keeps_no_other_target_back() -> None:
    azure = Azure()

    def refuses(number: int) -> Exception | None:
        if number == 1:
            azure.hold("a", "1", B)  # shown now: somebody has pushed it
        body = azure.bodies[number]
        return EXISTS if "a:1" in body["targetTags"] and body["mode"] == "NoForce" else None

    azure.refuses = refuses
    found = azure.run(item("a:1"), item("b:1"))
    assert found[0].error is found[1].error is None and azure.held["a", "1"] == azure.held["b", "1"] == A
    assert found[0].before == B and found[1].before is None and found[0].action == "update"
    assert azure.targets[0] == ["a:1", "b:1"] and sorted(azure.targets[1:]) == [["a:1"], ["a:1"], ["b:1"]]


def test_a_target_that_appeared_is_taken_out_and_the_others_stay_together() -> None:
    azure = Azure()
    azure.hold("a", "1", B)
    azure.refuses = lambda number: EXISTS if number == 0 else None
    found = azure.run(item("a:1"), item("b:1"), item("c:1"))
    assert all(one.error is None and one.changed for one in found)
    assert azure.targets == [["a:1", "b:1", "c:1"], ["a:1"], ["b:1", "c:1"]]
    assert [body["mode"] for body in azure.bodies] == ["NoForce", "Force", "NoForce"]


def test_a_target_that_can_not_be_examined_fails_alone() -> None:
    azure = Azure()
    denied = AcrError("denied", "No.")
    real = azure.examine

    def examine(desired: Desired) -> Observed:
        if desired.target.repository == "a":
            raise denied
        return real(desired)

    azure.examine = examine
    azure.refuses = lambda number: EXISTS if number == 0 else None
    found = azure.run(item("a:1"), item("b:1"))
    assert found[0].error is denied and found[1].error is None and azure.targets == [["a:1", "b:1"], ["b:1"]]


def test_a_target_that_comes_and_goes_is_given_up() -> None:
    azure = Azure()
    azure.lands = lambda number, target: False
    azure.refuses = lambda number: EXISTS
    azure.examine = lambda desired: replace(Observed.there(B), locks=())
    [one] = azure.run(item("a:1"))
    assert len(azure.bodies) == 5 and str(one.error) == (
        "contosoprod.azurecr.test/a:1 kept appearing or disappearing over 5 tries: something else is changing it. Run again later."
    )


def test_a5_a_push_by_hand_is_not_overwritten_since_one_look_missed_it() -> None:
    """Refused as existing; the look after that misses the tag, and the next one shows it."""
    for if_exists, error in (("keep", None), ("fail", "exists with digest")):
        azure = Azure()
        azure.refuses = lambda number: EXISTS
        azure.lands = lambda number, target: False
        looks: list[float] = []

        def examine(_desired: Desired) -> Observed:
            looks.append(azure.time.now())
            return replace(Observed.there(B), locks=()) if len(looks) > 2 else Observed.absent()

        azure.examine = examine
        [one] = azure.run(item("a:1", if_exists=if_exists))
        assert (error in str(one.error)) if error else one.error is None
        assert [body["mode"] for body in azure.bodies] == ["NoForce"] and not one.changed
        assert looks[2] - looks[1] == pytest.approx(0.2)


@pytest.mark.parametrize("if_exists", ["keep", "update"])
def test_a5_what_was_there_all_along_is_not_repaired_as_if_we_had_brought_it(if_exists: str) -> None:
    """Missed when it was planned; seen while the import was under way, which Azure then refuses; and it lacks a child."""
    azure = Azure()
    azure.hold("a", "1", A)
    azure.lands = lambda number, target: False
    azure.ends = lambda number: azure.time.sleep(60.0) or EXISTS
    azure.damaged = lambda repository: True
    [one] = azure.run(item("a:1", if_exists=if_exists))
    assert one.error is None and not one.changed and len(azure.bodies) == 1


def test_a_check_of_what_somebody_else_has_brought_ends_nothing() -> None:
    """It is under way when Azure refuses the import, and comes back before the look at what there is."""
    azure = Azure()
    azure.hold("a", "1", A)
    azure.lands = lambda number, target: False
    azure.ends = lambda number: EXISTS
    azure.damaged = lambda repository: bool(azure.time.sleep(30.0))
    real = azure.examine

    def examine(desired: Desired) -> Observed:
        azure.time.sleep(60.0)
        return real(desired)

    azure.examine = examine
    [one] = azure.run(item("a:1", if_exists="keep"))
    assert one.error is None and one.action == "keep" and not one.changed and one.seconds == 0.0


def test_a12_a_tag_that_azure_sees_and_we_do_not_is_not_imported_again_and_again() -> None:
    azure = Azure()
    azure.refuses = lambda number: EXISTS
    azure.lands = lambda number, target: False
    [one] = azure.run(item("a:1"))
    assert len(azure.bodies) == 1 and not one.changed and 1060.0 <= azure.time.now() < 1063.0
    assert str(one.error) == (
        "Azure says that contosoprod.azurecr.test/a:1 exists already, but the registry did not show it within 60 s. Run again "
        "later."
    )


def test_a13_a_target_that_appeared_and_is_locked_is_not_overwritten() -> None:
    azure = Azure()
    azure.refuses = lambda number: EXISTS
    azure.lands = lambda number, target: False
    azure.examine = lambda desired: replace(Observed.there(B), locks=("tag",))
    [one] = azure.run(item("a:1"))
    assert "is locked against writing" in str(one.error) and len(azure.bodies) == 1
    assert one.error is not None and one.error.reason == "locked"


@pytest.mark.parametrize(("held", "reason"), [(B, "exists"), (A, None)])
def test_a_target_that_appeared_is_not_overwritten_without_its_backup(held: str, reason: str | None) -> None:
    azure = Azure()
    azure.refuses = lambda number: EXISTS
    azure.lands = lambda number, target: False
    azure.hold("a", "1", held)
    one = item("a:1")
    one.desired = one.desired._replace(rules=one.desired.rules._replace(backup="old"))
    azure.run(one)
    assert (one.error.reason if one.error else None) == reason and len(azure.bodies) == 1
    assert reason is None or "has appeared meanwhile, and has no backup" in str(one.error)
