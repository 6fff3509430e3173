# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is tried again, how often, and what of it."""

from __future__ import annotations

import pytest

from ansible_collections.registryops.acr.plugins.module_utils._engine._run import TRIES
from ansible_collections.registryops.acr.plugins.module_utils._errors import AcrError, ImportFailed
from ansible_collections.registryops.acr.plugins.module_utils._operations import Operation
from ansible_collections.registryops.acr.plugins.module_utils._plan import Observed
from tests.unit.plugins.planes import EXISTS, LOCKED, LOST, PASSING, UNAUTHORIZED, A, Azure, B, item

SAFE = "Running again is safe: what has arrived by then is not imported again. To allow more time, raise "


def test_what_landed_of_an_import_that_fails_is_checked_though_all_the_rest_is_over() -> None:
    """Azure brings one of three targets and then fails; the two others are refused when each is tried alone."""
    azure = Azure()
    azure.lands = lambda number, target: target == "a:1"
    azure.ends = lambda number: azure.wait_for_imports(0) or LOCKED
    azure.refuses = lambda number: LOCKED if number else None

    def damaged(repository: str) -> bool:
        azure.wait_for_imports(3)
        return False

    azure.damaged = damaged
    found = azure.run(item("a:1"), item("b:1"), item("c:1"))
    assert found[0].error is None
    assert found[1].error is found[2].error is LOCKED
    assert azure.targets == [["a:1", "b:1", "c:1"], ["b:1"], ["c:1"]]


def test_after_a_passing_failure_only_what_did_not_land_is_imported_again() -> None:
    azure = Azure()
    azure.lands = lambda number, target: number > 0 or target == "a:1"
    azure.ends = lambda number: azure.wait_for_imports(0) or (None if number else PASSING)
    progress: list[int] = []
    found = azure.run(item("a:1"), item("b:1"), item("b:2"), notify=lambda numbers: progress.append(numbers.done))
    assert all(one.error is None for one in found)
    assert azure.targets == [["a:1", "b:1", "b:2"], ["b:1", "b:2"]]
    assert max(progress) == 3


def test_a_passing_failure_is_tried_again_with_growing_pauses_and_once_more_at_the_end() -> None:
    azure = Azure()
    azure.refuses = lambda number: PASSING if azure.targets[number] == ["a:1"] else None
    azure.ends = lambda number: azure.time.sleep(300.0)
    azure.lands = lambda number, target: False
    found = azure.run(item("a:1"), item("b:1", B))
    tries = [began for began, targets in zip(azure.begun, azure.targets) if targets == ["a:1"]]
    assert found[0].error is PASSING and not found[0].changed
    pauses = [round(later - earlier) for earlier, later in zip(tries, tries[1:])]
    assert pauses[:4] == [2, 6, 18, 54] and len(tries) == TRIES + 1 and tries[-1] - azure.begun[0] > 300.0


def test_a_passing_failure_is_not_tried_again_beyond_the_deadline() -> None:
    azure = Azure()
    azure.refuses = lambda number: LOST
    [one] = azure.run(item("a:1"), deadline=azure.time.now() + 20.0)
    assert one.error is LOST and len(azure.bodies) == 3 and azure.time.now() < 1020.0


def test_a_source_that_refuses_what_it_let_us_read_is_asked_once_more() -> None:
    """Its token may have ended while Azure copied."""
    azure = Azure()
    azure.lands = lambda number, target: number > 0
    azure.ends = lambda number: None if number else UNAUTHORIZED
    assert azure.run(item("a:1"), item("b:1"))[1].error is None
    assert azure.targets == [["a:1", "b:1"], ["a:1", "b:1"]]


@pytest.mark.parametrize(("verified", "tries"), [(True, 2), (False, 1)])
def test_a_source_that_goes_on_refusing_is_believed(verified: bool, tries: int) -> None:
    """At once where nobody has looked at it before: the password may be wrong."""
    azure = Azure()
    azure.lands = lambda number, target: False
    azure.ends = lambda number: UNAUTHORIZED
    assert azure.run(item("a:1"), verified=verified)[0].error is UNAUTHORIZED
    assert len(azure.bodies) == tries


def test_what_has_landed_is_not_imported_again_though_the_next_try_fails() -> None:
    """A look that was under way finds it while the next try is sent, and that gets no answer."""
    azure = Azure()

    def shown(repository: str, tag: str, *, hoped: str | None = None) -> Observed:
        azure.time.sleep(80.0)
        return Observed.there(A)

    def refuses(number: int) -> Exception | None:
        if number == 0:
            return None
        azure.time.sleep(160.0)
        return LOST

    azure.shown = shown
    azure.ends = lambda number: PASSING
    azure.refuses = refuses
    azure.damaged = lambda repository: bool(azure.time.sleep(240.0))  # not over before that
    [one] = azure.run(item("a:1"))
    assert one.error is None and one.changed and len(azure.bodies) == 2


def test_of_a_next_try_whose_image_has_landed_meanwhile_nothing_is_asked() -> None:
    azure = Azure()

    def shown(repository: str, tag: str, *, hoped: str | None = None) -> Observed:
        azure.time.sleep(80.0)
        return Observed.there(A)

    azure.shown = shown
    azure.ends = lambda number: PASSING
    azure.refuses = lambda number: azure.time.sleep(160.0) if number else None
    azure.damaged = lambda repository: bool(azure.time.sleep(240.0))  # not over before that
    [one] = azure.run(item("a:1"))
    assert one.error is None and one.changed and len(azure.bodies) == 2 and azure.asked == [0]


def test_what_lands_in_a_pause_is_not_asked_for_again() -> None:
    """The first try brings one of two and fails; a look that was under way sees that in the pause before the next one."""
    azure = Azure()
    azure.lands = lambda number, target: number > 0 or target == "a:1"
    azure.ends = lambda number: None if number else PASSING
    real = azure.shown

    def shown(repository: str, tag: str, *, hoped: str | None = None) -> Observed:
        observed = real(repository, tag)
        azure.time.sleep(11.0)
        return observed

    azure.shown = shown
    found = azure.run(item("a:1"), item("b:1"))
    assert found[0].error is found[1].error is None and azure.targets == [["a:1", "b:1"], ["b:1"]]


def test_an_import_that_started_counts_as_started_however_it_ends() -> None:
    azure = Azure()
    azure.lands = lambda number, target: target != "a:1"
    azure.ends = lambda number: LOCKED if azure.targets[number] == ["a:1"] else None
    azure.refuses = lambda number: LOCKED if azure.targets[number] == ["c:1"] else None
    found = azure.run(item("a:1"), item("b:1", B), item("c:1", registry="quay.io"))
    assert [one.changed for one in found] == [True, True, False]


def test_what_our_last_try_brought_is_no_conflict() -> None:
    azure = Azure()
    azure.lands = lambda number, target: False
    azure.ends = lambda number: PASSING

    def refuses(number: int) -> Exception | None:
        if number < TRIES:
            return None
        azure.hold("a", "1", A)
        return EXISTS

    azure.refuses = refuses
    [one] = azure.run(item("a:1"))
    assert one.error is None and one.changed and len(azure.bodies) == TRIES + 1


def test_an_import_that_azure_never_ends_ends_with_its_time_limit() -> None:
    azure = Azure()
    azure.lands = lambda number, target: False
    azure.ask = lambda operation: setattr(operation, "ask_at", azure.time.now() + 10.0)
    [one] = azure.run(item("a:1"))
    assert one.changed and azure.time.now() == pytest.approx(2800.0, abs=3.0)
    message = "Azure still reports the import of contosoprod.azurecr.test/a:1 as pending after 1800 s."
    assert str(one.error) == f"{message} {SAFE}import_timeout."


def test_a_look_that_the_time_limit_cuts_short_says_nothing_of_the_import() -> None:
    azure = Azure()
    azure.lands = lambda number, target: False
    deadline = azure.time.now() + 40.0

    def ask(operation: Operation) -> None:
        operation.ask_at = azure.time.now() + 10.0
        if azure.time.now() + 10.0 >= deadline:
            azure.time.sleep(deadline - azure.time.now())
            raise AcrError("timeout", "The time limit passed before Azure could be asked.")

    azure.ask = ask
    [one] = azure.run(item("a:1"), deadline=deadline)
    message = "Azure still reports the import of contosoprod.azurecr.test/a:1 as pending after the task's time limit."
    assert str(one.error) == f"{message} {SAFE}timeout."


def test_an_import_that_is_done_when_the_time_is_over_is_told_as_done() -> None:
    azure = Azure()
    azure.lands = lambda number, target: False
    [one] = azure.run(item("a:1"), deadline=azure.time.now() + 40.0)
    message = "Azure says that contosoprod.azurecr.test/a:1 was imported, but the registry did not show it within the task's time limit."
    assert str(one.error) == f"{message} {SAFE}timeout."


def test_what_azure_sees_and_we_do_not_ends_with_the_deadline() -> None:
    azure = Azure()
    azure.lands = lambda number, target: False
    azure.refuses = lambda number: EXISTS
    [one] = azure.run(item("a:1"), deadline=azure.time.now() + 30.0)
    message = "The time limit passed before contosoprod.azurecr.test/a:1 could be imported."
    assert str(one.error) == f"{message} {SAFE}timeout." and azure.time.now() < 1030.5


def test_a_refusal_of_one_of_two_targets_is_not_the_other_ones() -> None:
    azure = Azure()
    azure.refuses = lambda number: LOCKED if "b:1" in azure.targets[number] else None
    found = azure.run(item("a:1"), item("b:1"))
    assert found[0].error is None and found[1].error is LOCKED and azure.targets == [["a:1", "b:1"], ["a:1"], ["b:1"]]


def test_a_passing_failure_of_a_kind_that_says_how_often_is_tried_so_often() -> None:
    azure = Azure()
    failure = ImportFailed("unavailable", "Try later.", status=400, cause="a row", tries=3)
    azure.ends = lambda number: failure
    azure.lands = lambda number, target: False
    assert azure.run(item("a:1"))[0].error is failure
    assert len(azure.bodies) == 3 + 1, "and once more at the end"


def test_how_often_a_request_is_sent_says_nothing_of_how_often_an_import_is() -> None:
    """A host that answers too slowly is asked twice by the same request; the import is tried as often as any."""
    azure = Azure()
    slow = AcrError("unavailable", "management.azure.test answers too slowly.", tries=2)
    azure.refuses = lambda number: slow if number < 3 else None
    assert azure.run(item("a:1"))[0].error is None
    assert len(azure.bodies) == 3 + 1
