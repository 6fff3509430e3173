# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When the registry is looked at and by which read, what has landed, and what is done about what came incomplete."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.registryops.acr.plugins.module_utils import _plan
from ansible_collections.registryops.acr.plugins.module_utils._arm import Operation
from ansible_collections.registryops.acr.plugins.module_utils._errors import AcrError
from ansible_collections.registryops.acr.plugins.module_utils._plan import Observed
from tests.unit.plugins.planes import EXISTS, LOCKED, PASSING, A, Azure, B, item


def digests(count: int) -> list[str]:
    return ["sha256:{0:064x}".format(number) for number in range(count)]


# -- which read --------------------------------------------------------------------------------------------------------


def test_a_few_tags_are_looked_at_one_by_one_cheaply_before_azure_is_done_and_thoroughly_after() -> None:
    azure = Azure()
    azure.lands = lambda number, target: False
    azure.ends = lambda number: azure.reads.append(("asked", "")) or azure.hold("a", "1", A)
    assert azure.run(item("a:1"))[0].error is None
    before, after = azure.reads[:azure.reads.index(("asked", ""))], azure.reads[azure.reads.index(("asked", "")) + 1:]
    assert set(before) == {("shown", "a:1")} and after == [("tag", "a:1")]


def test_many_tags_are_looked_at_by_one_listing_and_by_name_once_azure_is_done() -> None:
    azure = Azure()
    azure.unlisted = set("01234567")
    found = azure.run(*(item("a:{0}".format(number), digest) for number, digest in enumerate(digests(8))))
    assert all(one.error is None for one in found)
    assert list(dict.fromkeys(azure.reads)) == [("newest", "a:28"), *(("tag", "a:{0}".format(number)) for number in range(8))]


def test_what_has_landed_in_a_repository_is_allowed_for_in_its_listings() -> None:
    azure = Azure()
    azure.lands = lambda number, target: target not in ("a:4", "a:5", "a:6", "a:7")
    azure.run(*(item("a:{0}".format(number), digest) for number, digest in enumerate(digests(8))), deadline=azure.time.now() + 9.0)
    assert list(dict.fromkeys(azure.reads)) == [("newest", "a:28")], "8 wait, then 4 have landed"


def test_a_manifest_without_a_tag_is_asked_for_by_its_digest() -> None:
    azure = Azure()
    found = azure.run(*(item("a", digest) for digest in digests(5)))
    assert all(one.error is None for one in found)
    assert azure.reads == [("shown", "a:" + digest) for digest in digests(5)]


def test_an_image_that_is_imported_again_has_landed_when_its_tag_has_a_new_time() -> None:
    azure = Azure()
    azure.lands = lambda number, target: False
    azure.hold("a", "1", A)
    observed = replace(Observed.there(A), updated=azure.updated["a", "1"], locks=())
    ends: list[float] = []

    def notify(_numbers: Any) -> None:
        if azure.time.now() >= 1005.0 and not ends:
            ends.append(azure.time.now())
            azure.hold("a", "1", A)

    [one] = azure.run(item("a:1", action=_plan.REIMPORT, observed=observed), notify=notify)
    assert one.error is None and 5.0 <= one.seconds < 7.0 and {kind for kind, _place in azure.reads} == {"entry"}


def test_an_image_that_is_imported_again_and_whose_tag_has_no_time_has_landed_when_azure_says_so() -> None:
    azure = Azure()
    azure.hold("a", "1", A)
    [one] = azure.run(item("a:1", action=_plan.REIMPORT, observed=replace(Observed.there(A), locks=())))
    assert one.error is None and one.seconds >= 10.0 and {kind for kind, _place in azure.reads} == {"shown", "tag"}


# -- when --------------------------------------------------------------------------------------------------------------


def test_looks_become_rarer_the_longer_an_import_takes() -> None:
    azure = Azure()
    times: list[float] = []

    def shown(repository: str, tag: str, *, hoped: str | None = None) -> Observed:
        times.append(azure.time.now() - azure.begun[0])
        return Observed.absent()

    azure.shown = shown
    azure.lands = lambda number, target: False
    azure.ask = lambda operation: setattr(operation, "ask_at", azure.time.now() + 10.0)
    azure.run(item("a:1"), deadline=azure.time.now() + 60.0)
    pauses = [later - earlier for earlier, later in zip(times, times[1:])]
    assert times[0] == pytest.approx(0.2) and pauses[0] == pytest.approx(0.2) and pauses[-1] == pytest.approx(2.0, abs=0.01)
    assert pauses == sorted(pauses, key=lambda one: round(one, 6)) and 35 < len(times) < 60


def test_when_azure_calls_an_import_done_the_registry_is_looked_at_at_once() -> None:
    azure = Azure()
    done: list[float] = []

    def ask(operation: Operation) -> None:
        operation.ask_at = azure.time.now() + 9.9
        if azure.time.now() > 1090.0:
            operation.done = True
            done.append(azure.time.now())
            azure.hold("a", "1", A)

    azure.ask = ask
    azure.lands = lambda number, target: False
    [one] = azure.run(item("a:1"))
    assert one.error is None and one.seconds == pytest.approx(done[0] - azure.begun[0], abs=0.05)


@pytest.mark.parametrize(("landing", "first"), [(1.5, 1.6), (4.0, 2.0)])
def test_what_lands_in_many_repositories_is_first_looked_for_in_one(landing: float, first: float) -> None:
    """The others learn from it how long an import takes, unless it takes too long itself."""
    azure = Azure()
    times: dict[str, list[float]] = {}
    real = azure.shown

    def shown(repository: str, tag: str, *, hoped: str | None = None) -> Observed:
        times.setdefault(repository, []).append(azure.time.now() - azure.begun[0])
        return real(repository, tag)

    azure.shown = shown
    late = {"a{0}".format(number) for number in range(20)}
    azure.lands = lambda number, target: False

    def notify(_numbers: Any) -> None:
        if azure.time.now() >= 1000.0 + landing and late:
            for repository in late:
                azure.hold(repository, "1", A)
            late.clear()

    found = azure.run(*(item("a{0}:1".format(number)) for number in range(20)), notify=notify)
    assert all(one.error is None for one in found)
    others = [times["a{0}".format(number)] for number in range(1, 20)]
    assert times["a0"][0] == pytest.approx(0.2, abs=0.01) and [one[0] for one in others] == pytest.approx([first] * 19, abs=0.05)
    assert landing > first or all(len(one) == 1 for one in others), "what was learnt spares looks in vain"


def test_a_registry_is_not_asked_more_often_than_its_tier_allows() -> None:
    """Half of what it takes: 8 looks a second, after 100 at once."""
    azure = Azure()
    azure.lands = lambda number, target: False
    azure.ask = lambda operation: setattr(operation, "ask_at", azure.time.now() + 10.0)
    resource = azure.resource._replace(sku="Basic")
    azure.resource = resource
    azure.run(*(item("a{0}:1".format(number)) for number in range(40)), deadline=azure.time.now() + 60.0)
    assert 500 < len(azure.reads) <= 100 + 60 * 1000 / 120 + 1


def test_only_a_look_that_began_late_enough_says_that_an_import_is_not_there() -> None:
    """A busy registry takes longer to answer than it is given to show what Azure calls done."""
    azure = Azure()
    looks: list[str] = []

    def shown(repository: str, tag: str, *, hoped: str | None = None) -> Observed:
        looks.append("shown")
        azure.time.sleep(160.0)
        return Observed.absent()

    def tag(_repository: str, _tag: str) -> Observed:
        looks.append("tag")
        azure.time.sleep(160.0)
        return Observed.there(A)

    azure.shown, azure.tag = shown, tag
    assert azure.run(item("a:1"))[0].error is None and looks == ["shown", "tag"]
    azure = Azure()
    azure.lands = lambda number, target: False
    began = azure.time.now()
    assert "it isn't in the registry" in str(azure.run(item("a:1"))[0].error) and azure.time.now() - began >= 70.0


def test_c1_a_target_that_can_not_be_read_is_no_failure_of_its_neighbours() -> None:
    azure = Azure()
    shown, tag = azure.shown, azure.tag
    refusal = AcrError("protocol", "The operation is disallowed.", status=405)

    def shown_or_not(repository: str, name: str, *, hoped: str | None = None) -> Observed:
        if name == "locked":
            raise refusal
        return shown(repository, name)

    def tag_or_not(repository: str, name: str, *, expected: bool = False) -> Observed:
        if name == "locked":
            raise refusal
        return tag(repository, name, expected=expected)

    azure.shown, azure.tag = shown_or_not, tag_or_not
    found = azure.run(item("a:1"), item("a:locked", B))
    assert found[0].error is None
    assert "was imported, but this can't be checked: The operation is disallowed." in str(found[1].error)


def test_a_listing_that_fails_is_no_failure_of_what_was_asked_for_by_itself() -> None:
    azure = Azure()
    failures: list[AcrError] = []

    def newest(_repository: str, _count: int) -> Any:
        failures.append(AcrError("unavailable", "Not now."))
        raise failures[-1]

    azure.newest = newest
    found = azure.run(*(item("a:{0}".format(number), digest) for number, digest in enumerate(digests(8))))
    assert failures and all(one.error is None for one in found)


# -- checking what came ------------------------------------------------------------------------------------------------


def test_c2_an_index_that_can_not_be_read_is_no_failure_of_its_neighbours() -> None:
    azure = Azure()
    denied = AcrError("denied", "No.")
    azure.damage = lambda repository, digests, *, expected: {
        one: denied if one == B else [] for one in digests
    }
    found = azure.run(item("a:1"), item("a:2", B))
    assert found[0].error is None and found[1].error is not None and found[1].error.reason == "denied"
    assert "was imported, but can't be checked: No." in str(found[1].error)


def test_a_repair_in_one_repository_leaves_the_other_targets_of_the_import_alone() -> None:
    azure = Azure()
    azure.lands = lambda number, target: (number, target) != (0, "b:1")  # that comes later

    def ends(number: int) -> None:
        azure.wait_for_imports(2)
        if number == 0:
            azure.hold("b", "1", A)

    azure.damaged = lambda repository: repository == "a" and len(azure.bodies) < 2
    azure.ends = ends
    found = azure.run(item("a:1"), item("b:1"))
    assert found[0].error is found[1].error is None
    assert azure.targets == [["a:1", "b:1"], ["a:1"]]


def test_a_second_import_is_judged_by_what_it_brings_itself() -> None:
    """What the first one has brought shows at once, and is damaged."""
    azure = Azure()
    whole: list[int] = []

    def ends(number: int) -> None:
        if number == 1:
            azure.time.sleep(100.0)
            whole.append(number)

    azure.ends, azure.damaged = ends, lambda repository: not whole
    [one] = azure.run(item("a:1"))
    assert one.error is None and len(azure.bodies) == 2 and one.seconds >= 110.0


def test_what_stays_incomplete_twice_is_given_up() -> None:
    azure = Azure()
    azure.damaged = lambda repository: True
    [one] = azure.run(item("a:1"))
    assert len(azure.bodies) == 2 and one.changed and one.error is not None and one.error.reason == "lost"
    assert "Azure imported contosoprod.azurecr.test/a:1 twice, and the registry still lacks 1 of the manifests it lists" in str(one.error)


@pytest.mark.parametrize("looks", [1, 30])
def test_a6_children_that_come_after_their_tag_are_waited_for(looks: int) -> None:
    """As long as for tags, counted from Azure's success."""
    azure = Azure()
    checks: list[float] = []

    def damaged(repository: str) -> bool:
        checks.append(azure.time.now() - azure.begun[0])
        return len(checks) <= looks

    azure.damaged = damaged
    [one] = azure.run(item("a:1"))
    assert one.error is None and len(azure.bodies) == 1 and len(checks) == looks + 1 and one.seconds == pytest.approx(0.2)
    assert looks == 1 or 10.0 < checks[-1] < 70.0


def test_a6_children_are_waited_for_while_azure_is_still_copying() -> None:
    azure = Azure()
    copied: list[bool] = []
    azure.ends = lambda number: azure.time.sleep(600.0) or copied.append(True)
    azure.damaged = lambda repository: not copied
    assert azure.run(item("a:1"))[0].error is None and len(azure.bodies) == 1


def test_children_of_what_landed_before_its_import_failed_are_waited_for_too() -> None:
    azure = Azure()
    azure.lands = lambda number, target: target == "a:1"
    azure.ends = lambda number: LOCKED
    azure.damaged = lambda repository: azure.time.now() < 1050.0
    found = azure.run(item("a:1"), item("b:1"))
    assert found[0].error is None and found[1].error is LOCKED and len(azure.bodies) == 1


def test_children_of_what_lands_in_a_pause_are_waited_for_too() -> None:
    """A look that was under way sees the tag when the import has failed; its children come later."""
    azure = Azure()
    real = azure.shown

    def shown(repository: str, tag: str, *, hoped: str | None = None) -> Observed:
        azure.time.sleep(11.0)
        return real(repository, tag)

    azure.shown = shown
    azure.ends = lambda number: PASSING
    azure.damaged = lambda repository: azure.time.now() < 1050.0
    [one] = azure.run(item("a:1"))
    assert one.error is None and azure.targets == [["a:1"]]


def test_a6_nothing_is_imported_again_since_one_answer_missed_a_child() -> None:
    """Another target of the import fails, so that nothing more will come for the one that has: it is asked about again."""
    azure = Azure()
    azure.lands = lambda number, target: target == "a:1"
    azure.ends = lambda number: azure.wait_for_imports(0) or LOCKED
    azure.damage = lambda repository, digests, *, expected: {
        one: [] if expected else [one] for one in digests
    }
    found = azure.run(item("a:1"), item("b:1"))
    assert found[0].error is None and found[1].error is LOCKED and azure.targets == [["a:1", "b:1"]]


def test_a6_what_is_incomplete_when_the_time_is_over_is_not_imported_again() -> None:
    """Azure may still be copying."""
    azure = Azure()
    azure.ask = lambda operation: setattr(operation, "ask_at", azure.time.now() + 20.0)
    azure.damaged = lambda repository: True
    [one] = azure.run(item("a:1"), deadline=azure.time.now() + 100.0)
    assert len(azure.bodies) == 1 and one.error is not None and one.error.reason == "timeout"
    assert "after the task's time limit the registry still lacked 1 of the manifests it lists" in str(one.error)
    assert azure.time.now() < 1105.0


def test_what_stays_incomplete_is_imported_once_more_unless_it_is_locked() -> None:
    azure = Azure()
    azure.damaged = lambda repository: len(azure.bodies) < 2
    assert azure.run(item("a:1"))[0].error is None and [body["mode"] for body in azure.bodies] == ["NoForce", "Force"]
    assert ("tag again", "a:1") in azure.reads
    azure = Azure()
    azure.damaged = lambda repository: len(azure.bodies) < 2
    gone: list[bool] = []
    azure.guarded = lambda desired, observed: gone.append(observed.gone) or replace(
        observed, locks=("manifest",)
    )
    [one] = azure.run(item("a:1"))
    assert "locked against writing" in str(one.error) and len(azure.bodies) == 1
    assert one.error is not None and one.error.reason == "locked" and gone == [True]


def test_a13_what_is_gone_again_is_not_repaired_by_force() -> None:
    azure = Azure()
    azure.damaged = lambda repository: True
    azure.ends = lambda number: azure.time.sleep(60.0)  # the tag is seen before that
    azure.tag = lambda repository, tag, *, expected=False: Observed.absent()
    [one] = azure.run(item("a:1"))
    assert len(azure.bodies) == 1 and "the registry lacks 1 of the manifests it lists" in str(one.error)


def test_a13_what_somebody_has_moved_is_not_repaired_by_force() -> None:
    azure = Azure()
    azure.damaged = lambda repository: True
    azure.tag = lambda repository, tag, *, expected=False: Observed.there(B)
    [one] = azure.run(item("a:1"))
    assert len(azure.bodies) == 1 and f"it has digest {B} instead of {A}" in str(one.error)


def test_a_manifest_without_a_tag_that_is_incomplete_is_imported_once_more() -> None:
    azure = Azure()
    azure.damaged = lambda repository: len(azure.bodies) < 2
    assert azure.run(item("a"))[0].error is None and azure.targets == [["a"], ["a"]]


def test_a_repair_of_our_own_import_has_no_previous_digest() -> None:
    azure = Azure()
    azure.damaged = lambda repository: len(azure.bodies) < 2
    [one] = azure.run(item("a:1"))
    assert one.error is None and one.before is None and one.action == _plan.REPAIR


def test_what_is_being_checked_when_the_time_is_over_is_checked_at_once() -> None:
    """Azure has called it done, and its children may still come; but a second later the whole task is ended."""
    azure = Azure()
    azure.damaged = lambda repository: True
    ends = azure.time.now() + 33.0
    [one] = azure.run(item("a:1"), deadline=ends)
    assert one.error is not None and one.error.reason == "timeout" and len(azure.bodies) == 1
    assert "after the task's time limit the registry still lacked 1 of" in str(one.error) and azure.time.now() < ends + 0.5


def test_what_landed_of_an_import_that_failed_is_not_checked_beyond_the_deadline() -> None:
    azure = Azure()
    azure.damaged = lambda repository: True
    azure.lands = lambda number, target: target == "a:1"
    azure.ends = lambda number: azure.time.sleep(5.0) or LOCKED
    ends = azure.time.now() + 33.0
    found = azure.run(item("a:1"), item("b:1"), deadline=ends)
    assert [str(one.error and one.error.reason) for one in found] == ["timeout", "locked"] and azure.time.now() < ends + 0.5


def test_a_repair_that_azure_refuses_since_the_target_exists_ends_well() -> None:
    """It makes no sense of a forced import, but must not end the run; an earlier try may have brought it."""
    azure = Azure()
    azure.damaged = lambda repository: len(azure.bodies) < 2
    throttled = AcrError("throttled", "Azure Resource Manager is throttling requests.")
    azure.refuses = {1: throttled, 2: EXISTS}.get
    [one] = azure.run(item("a:1"))
    assert one.error is None and len(azure.bodies) == 3
