# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The order of things in a run: what is started when, what a stop and a failed sign-in leave, and what joins in later."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ansible_collections.registryops.acr.plugins.module_utils import _plan
from ansible_collections.registryops.acr.plugins.module_utils._arm import Operation
from ansible_collections.registryops.acr.plugins.module_utils._engine import Engine
from ansible_collections.registryops.acr.plugins.module_utils._errors import AcrError, IdentityError
from ansible_collections.registryops.acr.plugins.module_utils._plan import Item, Observed
from ansible_collections.registryops.acr.plugins.module_utils._progress import Progress
from tests.unit.plugins.planes import LOCKED, LOST, PASSING, RESOURCE, SIGNED_OUT, UNAUTHORIZED, A, Azure, B, item, nowhere

POLL = AcrError("not_found", "Azure finds no such registry.", status=404)  # an answer to the question, not about the import
DISABLED = AcrError("denied", "The subscription is disabled.", status=409, ends_run=True)


def many(count: int) -> list[Item]:
    return [item("a{0}:1".format(number), "sha256:{0:064x}".format(number)) for number in range(count)]


def test_an_import_runs_on_real_threads_too() -> None:
    azure = Azure()

    def start(_resource: Any, body: dict[str, Any], context: Any, check: Callable[[], None]) -> Operation:
        check()
        return Operation("", 0.0, context, done=True)

    azure.start_import = start
    planned = iter([[item("b:1")], [item("c:1")]])
    found = Engine(azure, RESOURCE, None, lambda _origin: {}, timeout=60.0).run([item("a:1")], None, planned)
    assert [(str(one.target), one.error, one.changed) for one in found] == [(name, None, True) for name in ("a:1", "b:1", "c:1")]


def test_an_import_that_is_not_waited_for_ends_with_its_operation() -> None:
    azure = Azure()
    [one] = azure.run(item("a:1"), wait=False)
    assert one.error is None and one.changed and one.operation == "registries-0" and not azure.asked and not azure.reads


def test_azure_is_asked_no_sooner_than_it_says_and_the_registry_is_looked_at_meanwhile() -> None:
    azure = Azure()
    azure.lands = lambda number, target: False
    azure.ends = lambda number: azure.hold("a", "1", A)
    [one] = azure.run(item("a:1"))
    assert one.error is None and 10.0 <= one.seconds < 10.5 and azure.asked == [0]
    assert {kind for kind, _place in azure.reads} == {"shown", "tag"} and 10 < len(azure.reads) < 30


def test_seconds_count_to_the_landing_and_not_to_the_check() -> None:
    """One import takes long; what else came into its repository is checked only then."""
    azure = Azure()
    azure.lands = lambda number, target: target == "a:1"

    def ends(number: int) -> None:
        if azure.targets[number] == ["a:2"]:
            azure.time.sleep(200.0)
            azure.hold("a", "2", B)

    checks: list[float] = []
    azure.ends, azure.damaged = ends, lambda repository: bool(checks.append(azure.time.now()))
    progress: set[tuple[int, int]] = set()
    found = azure.run(item("a:1"), item("a:2", B), notify=lambda numbers: progress.add((numbers.done, numbers.in_flight)))
    assert found[0].error is found[1].error is None
    assert found[0].seconds == pytest.approx(0.2) and 210.0 <= found[1].seconds < 213.0
    assert (1, 1) in progress and (2, 0) in progress and min(checks) >= 1210.0


# -- stops -------------------------------------------------------------------------------------------------------------


def test_after_a_stop_each_target_ends_with_its_own_reason() -> None:
    azure = Azure()

    def ends(number: int) -> Exception | None:
        azure.time.sleep(80.0)  # the other one is refused meanwhile
        return LOCKED

    azure.lands = lambda number, target: False
    azure.refuses = lambda number: UNAUTHORIZED if azure.targets[number] == ["x:1"] else None
    azure.ends = ends
    found = azure.run(item("x:1", registry="quay.io"), item("a:1"), item("b:1"), item("c:1"), stop_on_error=True)
    assert found[0].error is UNAUTHORIZED
    assert all(one.error is LOCKED and one.changed for one in found[1:])


def test_after_a_stop_a_damaged_image_is_told_as_damaged() -> None:
    azure = Azure()

    def damaged(_repository: str) -> bool:
        azure.time.sleep(60.0)  # the other one is refused meanwhile
        return True

    azure.refuses = lambda number: UNAUTHORIZED if azure.targets[number] == ["x:1"] else None
    azure.damaged = damaged
    found = azure.run(item("x:1", registry="quay.io"), item("a:1"), stop_on_error=True)
    assert "the registry lacks 1 of the manifests it lists" in str(found[1].error) and found[1].changed


def test_what_waits_for_its_turn_is_dropped_at_a_stop_and_not_tried_again() -> None:
    azure = Azure()
    dropped: list[AcrError] = []
    waiting: list[bool] = []
    real = azure.start_import

    def start(resource: Any, body: dict[str, Any], context: Any, check: Callable[[], None]) -> Operation:
        if body["targetTags"] == ["a:1"] and body in azure.bodies:
            waiting.append(True)
            try:
                for _look in range(500):  # until its turn comes
                    check()
                    azure.time.sleep(1.0)
            except AcrError as error:
                dropped.append(error)
                raise
        if body["targetTags"] == ["x:1"]:
            azure.time.wait(lambda: bool(waiting), 1000.0)
        return real(resource, body, context, check)

    azure.start_import = start
    azure.lands = lambda number, target: False
    azure.refuses = lambda number: LOCKED if azure.targets[number] == ["x:1"] else None
    azure.ends = lambda number: PASSING
    found = azure.run(item("a:1"), item("x:1", registry="quay.io"), stop_on_error=True)
    assert found[0].error is PASSING and found[1].error is LOCKED
    assert [error.passing for error in dropped] == [False]


def test_a_stop_ends_what_waits_for_its_next_try() -> None:
    azure = Azure()
    azure.lands = lambda number, target: False
    failed: list[float] = []

    def end(number: int) -> Exception:
        if azure.targets[number] == ["a:1"]:
            failed.append(azure.time.now())
            return PASSING
        azure.time.wait(lambda: len(failed) == 3)  # the next try is 18 s away
        azure.time.sleep(1.0)
        return LOCKED

    azure.ends = end
    ends: list[float] = []
    found = azure.run(item("a:1"), item("b:1", B), stop_on_error=True, notify=lambda _numbers: ends.append(azure.time.now()))
    assert found[0].error is PASSING and found[1].error is LOCKED and ends[-1] - failed[-1] < 5.0
    assert sorted(azure.targets) == [["a:1"], ["a:1"], ["a:1"], ["b:1"]]


def test_nothing_is_started_after_the_deadline() -> None:
    azure = Azure()
    ends = azure.time.now() + 160.0

    def ask(operation: Operation) -> None:
        if azure.targets[int(operation.id.rpartition("-")[2])] == ["a:1"]:
            raise PASSING
        operation.ask_at = azure.time.now() + 20.0

    azure.ask = ask
    azure.lands = lambda number, target: False
    found = azure.run(item("a:1"), item("b:1", B), deadline=ends)
    assert all(one.error is not None for one in found) and len(azure.begun) == 6 and max(azure.begun) < ends


def test_what_has_its_turn_only_after_the_deadline_is_not_sent() -> None:
    azure = Azure()
    azure.refuses = lambda number: azure.time.sleep(100.0)
    found = azure.run(item("a:1"), item("b:1", B), deadline=azure.time.now() + 50.0, concurrency=1)
    assert "The time limit passed before contosoprod.azurecr.test/b:1 could be imported." == str(found[1].error)
    assert len(azure.bodies) == 1 and not found[1].changed


# -- the first answer --------------------------------------------------------------------------------------------------


def test_c8_what_would_refuse_every_import_is_asked_for_once() -> None:
    azure = Azure()
    azure.refuses = lambda number: azure.time.sleep(4.0) or DISABLED
    found = azure.run(*many(30))
    assert {one.error for one in found} == {DISABLED} and len(azure.bodies) == 1


def test_the_first_answer_is_not_waited_for_for_ever() -> None:
    azure = Azure()
    azure.refuses = lambda number: None if number else azure.time.sleep(100.0)
    azure.run(*many(3))
    gaps = [began - azure.begun[0] for began in azure.begun]
    assert gaps == [0.0, 10.0, 10.0], "5 s before the credentials are fetched, and 5 s when its turn has come"


def test_b2_only_a_refusal_to_start_ends_the_run() -> None:
    """The failure of one import says nothing of the others, however it is worded."""
    azure = Azure()
    azure.lands = lambda number, target: target != "a0:1"
    azure.ends = lambda number: UNAUTHORIZED if azure.targets[number] == ["a0:1"] else None
    found = azure.run(*many(30))
    assert [number for number, one in enumerate(found) if one.error] == [0]


# -- questions that fail -----------------------------------------------------------------------------------------------


def test_a_question_that_gets_lost_is_no_failure_of_the_import() -> None:
    azure = Azure()
    azure.lands = lambda number, target: False

    def ends(number: int) -> Exception | None:
        azure.hold("a", "1", A)  # while the question was under way
        return LOST

    azure.ends = ends
    assert azure.run(item("a:1"))[0].error is None and azure.targets == [["a:1"]]


@pytest.mark.parametrize("poll", [POLL, AcrError("denied", "No.", status=403), AcrError("protocol", "Nothing.", status=404)])
def test_a7_a_poll_without_a_word_on_the_import_ends_nothing(poll: AcrError) -> None:
    azure = Azure()
    azure.lands = lambda number, target: False
    asked: list[float] = []

    def ends(number: int) -> Exception | None:
        asked.append(azure.time.now())
        if len(asked) == 3:
            azure.hold("a", "1", A)
        return poll

    azure.ends = ends
    assert azure.run(item("a:1"))[0].error is None and len(azure.bodies) == 1
    assert [round(later - earlier) for earlier, later in zip(asked, asked[1:])][:2] == [10, 10]


def test_a7_unverified_a_poll_that_is_refused_for_long_makes_the_end_unknown() -> None:
    azure = Azure()
    azure.ends = lambda number: POLL
    [one] = azure.run(item("a:1"), verified=False)
    assert one.changed and one.error is not None and one.error.reason == "unknown" and len(azure.bodies) == 1
    assert "doesn't say how it ended: Azure finds no such registry." in str(one.error) and len(azure.asked) == 7


@pytest.mark.parametrize("poll", [LOST, AcrError("unreachable", "No connection."), AcrError("timeout", "No answer.")])
def test_a7_unverified_a_question_that_does_not_reach_azure_is_asked_until_the_time_is_over(poll: AcrError) -> None:
    azure = Azure()
    azure.ends = lambda number: None if len(azure.asked) > 30 else poll
    assert azure.run(item("a:1"), verified=False)[0].error is None
    azure = Azure()
    azure.ends = lambda number: poll
    [one] = azure.run(item("a:1"), verified=False)
    assert one.error is not None and "its outcome could not be read within 1800 s: " + str(poll) in str(one.error)


def test_a8_an_import_that_names_no_place_to_ask_is_watched() -> None:
    azure = Azure()
    nowhere(azure)
    assert azure.run(item("a:1"))[0].error is None
    azure.lands = lambda number, target: False
    azure.held.clear()
    [one] = azure.run(item("a:1"), deadline=azure.time.now() + 100.0)
    assert one.changed and "didn't say where to ask" in str(one.error)


def test_a8_unverified_an_import_that_names_no_place_to_ask_is_no_success() -> None:
    azure = Azure()
    nowhere(azure)
    [one] = azure.run(item("a:1"), verified=False)
    assert one.changed and one.error is not None and one.error.reason == "unknown"
    assert str(one.error) == (
        "Azure accepted the import of contosoprod.azurecr.test/a:1, but didn't say where to ask how it ended. Run again with verify: "
        "true to find out."
    )


# -- a sign-in that fails in the middle of a run -----------------------------------------------------------------------


def test_a_failed_sign_in_is_the_failure_of_what_is_left_and_nothing_new_is_started() -> None:
    azure = Azure()

    def refuses(number: int) -> Exception | None:
        if number == 2:
            azure.time.sleep(40.0)  # its turn may have come before the failure was taken in; the others wait behind it
        return IdentityError(SIGNED_OUT) if number == 1 else None

    azure.refuses = refuses
    found = azure.run(*(item("a:{0}".format(n), registry="r{0}.test".format(n)) for n in range(20)), concurrency=1)
    done = [one for one in found if one.error is None]
    assert found[0] in done and all(one.changed for one in done)
    left = [one for one in found if one not in done]
    assert {(str(one.error), one.error.reason, one.changed) for one in left if one.error} == {(SIGNED_OUT, "sign_in", False)}
    assert len(azure.bodies) <= 3 and len(left) >= 18


def test_what_is_under_way_when_the_sign_in_fails_may_still_land() -> None:
    """Azure Resource Manager can't be asked any more, but the registry's own tokens live on."""
    azure = Azure()

    def ends(number: int) -> Exception:
        azure.wait_for_imports(2)
        azure.time.sleep(30.0)
        azure.hold("a", "1", A)
        return IdentityError(SIGNED_OUT)

    azure.lands = lambda number, target: False
    azure.ends = ends
    found = azure.run(item("a:1"), item("b:1", registry="quay.io"))
    assert found[0].error is None and found[0].changed
    assert str(found[1].error) == SIGNED_OUT and found[1].changed
    assert len(azure.asked) == len(set(azure.asked)), "who is signed out asks no more"


def test_a_registry_that_can_not_be_signed_in_to_any_more_is_not_waited_for() -> None:
    azure = Azure()

    def shown(repository: str, tag: str, *, hoped: str | None = None) -> Observed:
        raise IdentityError(SIGNED_OUT)

    azure.shown = shown
    [one] = azure.run(item("a:1"))
    assert str(one.error) == SIGNED_OUT and one.changed and not azure.asked and azure.time.now() < 1004.0


def test_without_a_look_into_the_registry_a_failed_sign_in_ends_the_wait() -> None:
    azure = Azure()
    azure.ends = lambda number: IdentityError(SIGNED_OUT)
    found = azure.run(item("a:1"), item("b:1", registry="quay.io"), verified=False)
    assert {(str(one.error), one.changed) for one in found} == {(SIGNED_OUT, True)} and azure.time.now() < 1015.0


# -- items that are planned later --------------------------------------------------------------------------------------


def test_steps_that_are_planned_later_join_in() -> None:
    azure = Azure()

    def later() -> Iterator[list[Item]]:
        yield [item("b:1")]
        azure.time.sleep(40.0)
        yield [item("c:1"), item("d:1", action=_plan.NONE)]

    found = azure.run(item("a:1"), more=later())
    assert [str(one.target) for one in found] == ["a:1", "b:1", "c:1"] and azure.begun[2] >= azure.begun[0] + 40.0


def test_steps_that_can_not_be_planned_end_the_run() -> None:
    azure = Azure()

    def later() -> Iterator[list[Item]]:
        yield []
        raise KeyError("a fault of ours")

    with pytest.raises(KeyError):
        azure.run(item("a:1"), more=later())


def test_progress_is_added_to() -> None:
    azure = Azure()
    progress = Progress(total=3, done=2, failed=1)
    azure.engine().run([item("a:1")], progress)
    assert (progress.total, progress.done, progress.failed) == (4, 3, 1)
