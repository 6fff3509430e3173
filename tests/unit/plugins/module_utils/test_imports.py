# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Imports that end halfway: an Azure whose every answer the test chooses, since the sandbox's imports bring all or nothing."""
from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from ansible_collections.registryops.acr.plugins.module_utils import _imports, _plan
from ansible_collections.registryops.acr.plugins.module_utils._arm import Operation, RegistryResource
from ansible_collections.registryops.acr.plugins.module_utils._errors import AcrError, IdentityError, ImportFailed
from ansible_collections.registryops.acr.plugins.module_utils._imports import Imports
from ansible_collections.registryops.acr.plugins.module_utils._plan import LISTED, Origin, Outcome, Seen, Step, Target, Want
from ansible_collections.registryops.acr.plugins.module_utils._progress import Progress

A, B = ("sha256:" + letter * 64 for letter in "ab")
RESOURCE = RegistryResource("/id", "contosoprod", "contosoprod.azurecr.test", "westeurope", "Premium", {}, {})
LOCKED = ImportFailed("locked", "It is locked.", status=400, cause="locked")
PASSING = ImportFailed("unavailable", "Error copying blobs.", status=400, cause="temporary")
UNAUTHORIZED = ImportFailed("unauthorized", "The source refuses it.", status=400, tries=2)
LOST = AcrError("unavailable", "management.azure.test closed the connection: reset.")
SIGNED_OUT = "Signing in failed: the secret has expired."
EXISTS = ImportFailed("exists", "It exists already.", status=400, cause="tag exists")


class Azure:
    """Both planes. What the test sets: ``lands``: does the import of this number bring this target? ``ends``: how it ends,
    once it is asked for; ``refuses``: does its start fail? ``damaged``: are these digests in this repository?"""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.held: dict[tuple[str, str], str] = {}
        self.lands: Callable[[int, str], bool] = lambda number, target: True
        self.ends: Callable[[int], Exception | None] = lambda number: None
        self.refuses: Callable[[int], Exception | None] = lambda number: None
        self.damaged: Callable[[str], bool] = lambda repository: False
        self._lock = threading.Lock()

    def start_import(self, _resource: Any, body: dict[str, Any], context: Any, check: Callable[[], None]) -> Operation:
        check()
        with self._lock:
            number = len(self.bodies)
            self.bodies.append(body)
        refusal = self.refuses(number)
        if refusal is not None:
            raise refusal
        digest = body["source"]["sourceImage"].rpartition("@")[2]
        for target in body.get("targetTags", []) + body.get("untaggedTargetRepositories", []):
            if self.lands(number, target):
                repository, _colon, tag = target.partition(":")
                with self._lock:
                    self.held[repository, tag or digest] = digest
        return Operation("https://management.azure.test/registries-{0}".format(number), time.monotonic() + 0.05, context)

    def ask(self, operation: Operation) -> None:
        end = self.ends(int(operation.id.rpartition("-")[2]))
        if end is not None:
            raise end
        operation.done = True

    def tag(self, repository: str, tag: str, *, expected: bool = False) -> Seen:
        with self._lock:
            return Seen(self.held.get((repository, tag)))

    entry = shown = tag

    def examine(self, want: Want) -> Seen:
        return self.guarded(want, self.tag(want.target.repository, want.target.tag or want.digest or ""))

    def guarded(self, _want: Want, seen: Seen) -> Seen:
        return seen._replace(locks=())

    def newest(self, repository: str, _count: int) -> dict[str, Seen]:
        with self._lock:
            return {tag: Seen(digest, LISTED) for (place, tag), digest in self.held.items() if place == repository}

    def damage(self, repository: str, digests: Iterable[str], *, expected: bool = False) -> dict[str, list[str]]:
        return {digest: [digest] if self.damaged(repository) else [] for digest in digests}

    def wait_for_imports(self, count: int) -> None:
        """Until so many were started, or it is clear that they never will be."""
        ends = time.monotonic() + 5.0
        while len(self.bodies) < count and time.monotonic() < ends:
            time.sleep(0.01)
        time.sleep(0.1)  # until the loop has taken in what came of it


@pytest.fixture
def azure(monkeypatch: pytest.MonkeyPatch) -> Azure:
    monkeypatch.setattr(_imports, "FASTEST", 0.01)
    monkeypatch.setattr(_imports, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(_imports, "SETTLE", 0.3)
    return Azure()


def step(number: int, target: str, *, digest: str = A, registry: str = "docker.io", **facts: Any) -> Step:
    repository, _colon, tag = target.partition(":")
    origin = Origin(registry, "library/nginx", "1.27", digest)
    want = Want(Target(repository, tag or None, None if tag else digest), origin, facts.pop("if_exists", "update"), 0, number)
    return Step(want, facts.pop("action", _plan.IMPORT), facts.pop("seen", Seen()))


def run(azure: Azure, steps: list[Step], *, blind: bool = False, **options: Any) -> dict[int, Outcome]:
    """How each step ended, by its number. A run that hangs fails, instead of hanging the test."""
    found: list[Any] = []
    progress = Progress()

    def work() -> None:
        try:
            targets: Any = None if blind else azure
            engine = Imports(azure, RESOURCE, targets, lambda _origin: {}, timeout=60.0, **options)  # type: ignore[arg-type]
            found.append(engine.run(steps, progress))
        except BaseException as error:
            found.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(20.0)
    assert found, "the run hangs"
    if isinstance(found[0], BaseException):
        raise found[0]
    assert [outcome.step.want.number for outcome in found[0]] == [one.want.number for one in steps]
    assert progress.done == sum(outcome.error is None for outcome in found[0])
    assert progress.done + progress.failed == progress.total == len(steps)
    return {outcome.step.want.number: outcome for outcome in found[0]}


def targets(azure: Azure) -> list[list[str]]:
    """The targets of each import."""
    return [body.get("targetTags", []) + body.get("untaggedTargetRepositories", []) for body in azure.bodies]


def test_what_landed_of_an_import_that_fails_is_checked_though_all_the_rest_is_over(azure: Azure) -> None:
    """Azure brings one of three targets and then fails; the two others are refused when each is tried alone."""
    azure.lands = lambda number, target: target == "a:1"
    azure.ends = lambda number: azure.wait_for_imports(0) or LOCKED
    azure.refuses = lambda number: LOCKED if number else None

    def damaged(repository: str) -> bool:
        azure.wait_for_imports(3)
        return False

    azure.damaged = damaged
    found = run(azure, [step(0, "a:1"), step(1, "b:1"), step(2, "c:1")])
    assert found[0].error is None
    assert found[1].error is found[2].error is LOCKED
    assert targets(azure) == [["a:1", "b:1", "c:1"], ["b:1"], ["c:1"]]


def test_a_repair_in_one_repository_leaves_the_other_targets_of_the_import_alone(azure: Azure) -> None:
    azure.lands = lambda number, target: (number, target) != (0, "b:1")  # that comes later

    def damaged(repository: str) -> bool:
        return repository == "a" and len(azure.bodies) < 2

    def ends(number: int) -> None:
        azure.wait_for_imports(2)
        if number == 0:
            azure.held["b", "1"] = A

    azure.damaged, azure.ends = damaged, ends
    found = run(azure, [step(0, "a:1"), step(1, "b:1")])
    assert found[0].error is found[1].error is None
    assert targets(azure) == [["a:1", "b:1"], ["a:1"]]


def test_after_a_passing_failure_only_what_did_not_land_is_imported_again(azure: Azure) -> None:
    azure.lands = lambda number, target: number > 0 or target == "a:1"
    azure.ends = lambda number: azure.wait_for_imports(0) or (None if number else PASSING)
    progress: list[int] = []
    found = run(azure, [step(0, "a:1"), step(1, "b:1"), step(2, "b:2")], notify=lambda numbers: progress.append(numbers.done))
    assert all(outcome.error is None for outcome in found.values())
    assert targets(azure) == [["a:1", "b:1", "b:2"], ["b:1", "b:2"]]
    assert max(progress) == 3


def test_a_source_that_refuses_what_it_let_us_read_is_asked_once_more(azure: Azure) -> None:
    """Its token may have ended while Azure copied."""
    azure.lands = lambda number, target: number > 0
    azure.ends = lambda number: None if number else UNAUTHORIZED
    assert run(azure, [step(0, "a:1"), step(1, "b:1")])[1].error is None
    assert targets(azure) == [["a:1", "b:1"], ["a:1", "b:1"]]


@pytest.mark.parametrize(("blind", "tries"), [(False, 2), (True, 1)])
def test_a_source_that_goes_on_refusing_is_believed(azure: Azure, blind: bool, tries: int) -> None:
    """At once where nobody has looked at it before: the password may be wrong."""
    azure.lands = lambda number, target: False
    azure.ends = lambda number: UNAUTHORIZED
    assert run(azure, [step(0, "a:1")], blind=blind)[0].error is UNAUTHORIZED
    assert len(azure.bodies) == tries


def test_a_question_that_gets_lost_is_no_failure_of_the_import(azure: Azure) -> None:
    azure.lands = lambda number, target: False

    def ends(number: int) -> Exception | None:
        azure.held["a", "1"] = A  # while the question was under way
        return LOST

    azure.ends = ends
    found = run(azure, [step(0, "a:1")])
    assert found[0].error is None and targets(azure) == [["a:1"]]


def test_only_a_look_that_began_late_enough_says_that_an_import_is_not_there(
    azure: Azure, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A busy registry takes longer to answer than it is given to show what Azure calls done."""
    monkeypatch.setattr(_imports, "SETTLE", 0.3)
    looks: list[str] = []

    def tag(_repository: str, tag: str) -> Seen:
        looks.append(tag)
        time.sleep(0.8)
        return Seen(A if len(looks) > 1 else None)

    azure.tag = azure.shown = tag  # type: ignore[method-assign]
    assert run(azure, [step(0, "a:1")])[0].error is None
    looks.clear()
    azure.tag = azure.shown = lambda _repository, tag: looks.append(tag) or Seen()  # type: ignore[method-assign]
    assert "it isn't there" in str(run(azure, [step(0, "a:1")])[0].error) and looks


@pytest.mark.parametrize("blind", [True, False])
def test_two_images_for_one_untagged_repository_end_each_on_its_own(azure: Azure, blind: bool) -> None:
    azure.refuses = lambda number: LOCKED if number == 0 else None
    found = run(azure, [step(0, "a"), step(1, "a", digest=B)], blind=blind)
    assert sorted(outcome.error is None for outcome in found.values()) == [False, True]


def test_blind_imports_into_one_repository_are_told_apart(azure: Azure) -> None:
    """Without a look into the registries neither digest nor tag tells the targets apart."""
    steps = [step(0, "a"), step(1, "a", digest=B)]
    steps = [one._replace(want=one.want._replace(target=Target("a", None))) for one in steps]
    azure.refuses = lambda number: LOCKED if number == 0 else None
    found = run(azure, steps, blind=True)
    assert sorted(outcome.error is None for outcome in found.values()) == [False, True]


def test_seconds_count_to_the_landing_and_not_to_the_check(azure: Azure) -> None:
    """One import takes long; what else came into its repository is checked only then."""
    azure.lands = lambda number, target: target == "a:1"

    def ends(number: int) -> None:
        if azure.bodies[number]["targetTags"] == ["a:2"]:
            time.sleep(1.0)
            azure.held["a", "2"] = B

    azure.ends = ends
    progress: set[tuple[int, int]] = set()
    steps = [step(0, "a:1"), step(1, "a:2", digest=B)]
    found = run(azure, steps, notify=lambda numbers: progress.add((numbers.done, numbers.in_flight)))
    assert found[0].error is found[1].error is None
    assert found[0].seconds < found[1].seconds / 2
    assert (1, 1) in progress and (2, 0) in progress


def test_a_second_import_is_judged_by_what_it_brings_itself(azure: Azure) -> None:
    """What the first one has brought shows at once, and is damaged."""
    whole: list[int] = []

    def ends(number: int) -> None:
        if number == 1:
            time.sleep(0.5)
            whole.append(number)

    azure.ends, azure.damaged = ends, lambda repository: not whole
    found = run(azure, [step(0, "a:1")])
    assert found[0].error is None and len(azure.bodies) == 2


def test_a_tag_that_azure_sees_before_we_do_keeps_no_other_target_back(azure: Azure) -> None:
    azure.lands = lambda number, target: not refuses(number)

    def refuses(number: int) -> Exception | None:
        if number == 1:
            azure.held["a", "1"] = B  # shown now: somebody has pushed it
        body = azure.bodies[number]
        return EXISTS if "a:1" in body["targetTags"] and body["mode"] == "NoForce" else None

    azure.refuses = refuses
    found = run(azure, [step(0, "a:1"), step(1, "b:1")])
    assert found[0].error is found[1].error is None and azure.held["a", "1"] == azure.held["b", "1"] == A
    assert targets(azure)[0] == ["a:1", "b:1"] and sorted(targets(azure)[1:]) == [["a:1"], ["a:1"], ["b:1"]]


def test_what_has_landed_is_not_imported_again_though_the_next_try_fails(azure: Azure) -> None:
    """A look that was under way finds it while the next try is sent, and that gets no answer."""
    looks: list[str] = []

    def tag(_repository: str, tag: str) -> Seen:
        looks.append(tag)
        time.sleep(0.4)
        return Seen(A)

    def refuses(number: int) -> Exception | None:
        if number == 0:
            return None
        time.sleep(0.8)
        return LOST

    azure.tag = azure.shown = tag  # type: ignore[method-assign]
    azure.ends = lambda number: PASSING
    azure.refuses = refuses
    azure.damaged = lambda repository: bool(time.sleep(1.2))  # so that the run is not over before that
    found = run(azure, [step(0, "a:1")])
    assert found[0].error is None and found[0].started and len(azure.bodies) == 2


def test_after_a_stop_each_target_ends_with_its_own_reason(azure: Azure) -> None:
    def ends(number: int) -> Exception | None:
        time.sleep(0.4)  # the other one is refused meanwhile
        return LOCKED

    azure.lands = lambda number, target: False
    azure.refuses = lambda number: UNAUTHORIZED if azure.bodies[number]["targetTags"] == ["x:1"] else None
    azure.ends = ends
    steps = [step(0, "x:1", registry="quay.io"), step(1, "a:1"), step(2, "b:1"), step(3, "c:1")]
    found = run(azure, steps, stop_on_error=True)
    assert found[0].error is UNAUTHORIZED
    assert all(found[number].error is LOCKED and found[number].started for number in (1, 2, 3))


def test_after_a_stop_a_damaged_image_is_told_as_damaged(azure: Azure) -> None:
    def damaged(_repository: str) -> bool:
        time.sleep(0.3)  # the other one is refused meanwhile
        return True

    azure.refuses = lambda number: UNAUTHORIZED if azure.bodies[number]["targetTags"] == ["x:1"] else None
    azure.damaged = damaged
    found = run(azure, [step(0, "x:1", registry="quay.io"), step(1, "a:1")], stop_on_error=True)
    assert "1 of what it lists are missing" in str(found[1].error) and found[1].started


def test_what_waits_for_its_turn_is_dropped_at_a_stop_and_not_tried_again(azure: Azure) -> None:
    dropped: list[AcrError] = []
    waiting = threading.Event()
    real = azure.start_import

    def start(resource: Any, body: dict[str, Any], context: Any, check: Callable[[], None]) -> Operation:
        if body["targetTags"] == ["a:1"] and body in azure.bodies:
            waiting.set()
            try:
                for _look in range(500):  # until its turn comes
                    check()
                    time.sleep(0.01)
            except AcrError as error:
                dropped.append(error)
                raise
        if body["targetTags"] == ["x:1"]:
            waiting.wait(5)
        return real(resource, body, context, check)

    azure.start_import = start  # type: ignore[method-assign]
    azure.lands = lambda number, target: False
    azure.refuses = lambda number: LOCKED if azure.bodies[number]["targetTags"] == ["x:1"] else None
    azure.ends = lambda number: PASSING
    found = run(azure, [step(0, "a:1"), step(1, "x:1", registry="quay.io")], stop_on_error=True)
    assert found[0].error is PASSING and found[1].error is LOCKED
    assert [error.passing for error in dropped] == [False]


# -- changed -----------------------------------------------------------------------------------------------------------


def test_an_import_that_started_counts_as_started_however_it_ends(azure: Azure) -> None:
    azure.lands = lambda number, target: target != "a:1"
    azure.ends = lambda number: LOCKED if azure.bodies[number]["targetTags"] == ["a:1"] else None
    azure.refuses = lambda number: LOCKED if azure.bodies[number]["targetTags"] == ["c:1"] else None
    found = run(azure, [step(0, "a:1"), step(1, "b:1", digest=B), step(2, "c:1", registry="quay.io")])
    assert {number: outcome.started for number, outcome in found.items()} == {0: True, 1: True, 2: False}


@pytest.mark.parametrize("blind", [True, False])
def test_a_target_that_appeared_meanwhile_was_not_imported_by_us(azure: Azure, blind: bool) -> None:
    azure.held["a", "1"] = B
    azure.lands = lambda number, target: False
    azure.ends = lambda number: EXISTS
    found = run(azure, [step(0, "a:1", if_exists="keep")], blind=blind)
    assert found[0].error is None and not found[0].started and found[0].step.action == "keep"


@pytest.mark.parametrize("blind", [True, False])
def test_a_target_that_exists_since_an_earlier_try_landed_was_imported_by_us(azure: Azure, blind: bool) -> None:
    """The first try ends badly though it brings the target, and the second is refused."""
    azure.lands = lambda number, target: False

    def ends(number: int) -> Exception:
        if number == 0:
            return PASSING
        azure.held["a", "1"] = A
        return EXISTS

    azure.ends = ends
    found = run(azure, [step(0, "a:1")], blind=blind)
    assert found[0].error is None and found[0].started and found[0].step.action == "import"
    assert len(azure.bodies) == 2


@pytest.mark.parametrize(("blind", "if_exists"), [(False, "update"), (True, "update"), (True, "fail")])
def test_a_target_that_exists_since_a_start_got_no_answer_was_imported_by_us(azure: Azure, blind: bool, if_exists: str) -> None:
    """The start is tried again at once, below the engine: all that it sees is the refusal."""
    refusal = AcrError("exists", "It exists already.", status=409)
    refusal.uncertain = True
    azure.refuses = lambda number: refusal
    azure.held["a", "1"] = A
    found = run(azure, [step(0, "a:1", if_exists=if_exists)], blind=blind)
    assert found[0].error is None and found[0].started and found[0].step.action == "import" and found[0].seconds < 10.0


def test_a_look_that_is_under_way_may_find_what_azure_refuses_as_existing(azure: Azure) -> None:
    """Somebody else brings the target. The look comes back first, then the one after the refusal."""
    refused = threading.Event()
    looks: list[str] = []

    def tag(_repository: str, tag: str) -> Seen:
        looks.append(tag)
        second = len(looks) > 1
        refused.wait(5.0)
        time.sleep(0.2 if second else 0.1)
        return Seen(A)

    azure.lands = lambda number, target: False
    azure.ends = lambda number: refused.set() or EXISTS
    azure.damaged = lambda repository: bool(time.sleep(0.5))  # so that the run is not over before the second look
    azure.tag = azure.shown = tag  # type: ignore[method-assign]
    found = run(azure, [step(0, "a:1")])
    assert found[0].error is None and not found[0].started and found[0].step.action == "none"


# -- a sign-in that fails in the middle of a run -----------------------------------------------------------------------


def test_a_failed_sign_in_is_the_failure_of_what_is_left_and_nothing_new_is_started(azure: Azure) -> None:
    def refuses(number: int) -> Exception | None:
        if number == 2:
            time.sleep(0.2)  # its turn may have come before the failure was taken in; the others wait behind it
        return IdentityError(SIGNED_OUT) if number == 1 else None

    azure.refuses = refuses
    found = run(azure, [step(n, "a:{0}".format(n), registry="r{0}.test".format(n)) for n in range(20)], concurrency=1)
    done = [outcome for outcome in found.values() if outcome.error is None]
    assert found[0] in done and all(outcome.started for outcome in done)
    left = [outcome for outcome in found.values() if outcome not in done]
    assert {(str(outcome.error), outcome.started) for outcome in left} == {(SIGNED_OUT, False)}
    assert len(azure.bodies) <= 3 and len(left) >= 18


def test_what_is_under_way_when_the_sign_in_fails_may_still_land(azure: Azure, monkeypatch: pytest.MonkeyPatch) -> None:
    """Azure Resource Manager can't be asked any more, but the registry's own tokens live on."""
    monkeypatch.setattr(_imports, "SETTLE", 0.5)
    asked: list[int] = []

    def ends(number: int) -> Exception:
        asked.append(number)
        azure.wait_for_imports(2)
        azure.held["a", "1"] = A
        return IdentityError(SIGNED_OUT)

    azure.lands = lambda number, target: False
    azure.ends = ends
    found = run(azure, [step(0, "a:1"), step(1, "b:1", registry="quay.io")])
    assert found[0].error is None and found[0].started
    assert str(found[1].error) == SIGNED_OUT and found[1].started
    assert len(asked) == len(set(asked)), "who is signed out asks no more"


def test_a_registry_that_can_not_be_signed_in_to_any_more_is_not_waited_for(azure: Azure) -> None:
    def tag(_repository: str, _tag: str) -> Seen:
        raise IdentityError(SIGNED_OUT)

    azure.tag = azure.shown = tag  # type: ignore[method-assign]
    azure.ends = lambda number: time.sleep(5.0)
    began = time.monotonic()
    found = run(azure, [step(0, "a:1")])
    assert str(found[0].error) == SIGNED_OUT and found[0].started and time.monotonic() - began < 4.0


def test_without_a_look_into_the_registry_a_failed_sign_in_ends_the_wait(azure: Azure) -> None:
    azure.ends = lambda number: IdentityError(SIGNED_OUT)
    found = run(azure, [step(0, "a:1"), step(1, "b:1", registry="quay.io")], blind=True)
    assert {(str(outcome.error), outcome.started) for outcome in found.values()} == {(SIGNED_OUT, True)}


# -- nothing is concluded from weak evidence ---------------------------------------------------------------------------

POLL = AcrError("not_found", "Azure finds no such registry.", status=404)  # an answer to the question, not about the import
DISABLED = AcrError("denied", "The subscription is disabled.", status=409, ends_run=True)


def test_a5_a_push_by_hand_is_not_overwritten_since_one_look_missed_it(azure: Azure) -> None:
    """Refused as existing; the look after that misses the tag, and the next one shows it."""
    azure.refuses = lambda number: EXISTS
    azure.lands = lambda number, target: False
    looks: list[Want] = []

    def examine(want: Want) -> Seen:
        looks.append(want)
        return Seen(B, locks=()) if len(looks) > 2 else Seen()

    azure.examine = examine  # type: ignore[method-assign]
    for if_exists, error in (("keep", None), ("fail", "exists with digest")):
        looks.clear()
        azure.bodies.clear()
        outcome = run(azure, [step(0, "a:1", if_exists=if_exists)])[0]
        assert (error in str(outcome.error)) if error else outcome.error is None
        assert [body["mode"] for body in azure.bodies] == ["NoForce"] and not outcome.started


@pytest.mark.parametrize("looks", [1, 4])
def test_a6_children_that_come_after_their_tag_are_waited_for(azure: Azure, looks: int) -> None:
    """As long as for tags, counted from Azure's success."""
    checks: list[str] = []

    def damaged(repository: str) -> bool:
        checks.append(repository)
        return len(checks) <= looks

    azure.damaged = damaged
    outcome = run(azure, [step(0, "a:1")])[0]
    assert outcome.error is None and len(azure.bodies) == 1 and len(checks) == looks + 1


def test_a6_children_are_waited_for_while_azure_is_still_copying(azure: Azure, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_imports, "SETTLE", 0.0)
    copied = threading.Event()
    azure.ends = lambda number: time.sleep(0.6) or copied.set()
    azure.damaged = lambda repository: not copied.is_set()
    outcome = run(azure, [step(0, "a:1")])[0]
    assert outcome.error is None and len(azure.bodies) == 1


def test_what_stays_incomplete_is_imported_once_more_unless_it_is_locked(azure: Azure) -> None:
    azure.damaged = lambda repository: len(azure.bodies) < 2
    assert run(azure, [step(0, "a:1")])[0].error is None and [body["mode"] for body in azure.bodies] == ["NoForce", "Force"]
    azure.bodies.clear()
    azure.guarded = lambda want, seen: seen._replace(locks=("manifest",))  # type: ignore[method-assign]
    assert "locked against writing" in str(run(azure, [step(0, "a:1")])[0].error) and len(azure.bodies) == 1


@pytest.mark.parametrize("poll", [POLL, AcrError("denied", "No.", status=403), AcrError("protocol", "Nothing.", status=404)])
def test_a7_a_poll_without_a_word_on_the_import_ends_nothing(
    azure: Azure, poll: AcrError, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_imports, "RETRY_AFTER", 0.1)
    azure.lands = lambda number, target: False

    def ends(number: int) -> Exception | None:
        polls.append(number)
        if len(polls) == 3:
            azure.held["a", "1"] = A
        return poll

    polls: list[int] = []
    azure.ends = ends
    assert run(azure, [step(0, "a:1")])[0].error is None
    assert len(azure.bodies) == 1 and len(polls) >= 3


def test_a7_unverified_a_poll_that_is_refused_for_long_makes_the_end_unknown(
    azure: Azure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_imports, "RETRY_AFTER", 0.1)
    azure.ends = lambda number: POLL
    outcome = run(azure, [step(0, "a:1")], blind=True)[0]
    assert outcome.started and outcome.error is not None and outcome.error.reason == "unknown" and len(azure.bodies) == 1
    assert "doesn't say how it ended: Azure finds no such registry." in str(outcome.error)


def nowhere(azure: Azure) -> None:
    """Imports are taken without a place to ask about them."""
    real = azure.start_import

    def start(*arguments: Any) -> Operation:
        return Operation("", math.inf, real(*arguments).context)

    azure.start_import = start  # type: ignore[method-assign]


def test_a8_an_import_that_names_no_place_to_ask_is_watched(azure: Azure) -> None:
    nowhere(azure)
    assert run(azure, [step(0, "a:1")])[0].error is None
    azure.lands = lambda number, target: False
    azure.held.clear()
    outcome = run(azure, [step(0, "a:1")], deadline=time.monotonic() + 0.5)[0]
    assert outcome.started and "named no place to ask" in str(outcome.error)


def test_a8_unverified_an_import_that_names_no_place_to_ask_is_no_success(azure: Azure) -> None:
    nowhere(azure)
    outcome = run(azure, [step(0, "a:1")], blind=True)[0]
    assert outcome.started and outcome.error is not None and outcome.error.reason == "unknown"
    assert str(outcome.error) == (
        "Azure took the import of contosoprod.azurecr.test/a:1, but named no place to ask how it ended. Run again with verify: "
        "true to find out."
    )


def test_a12_a_tag_that_azure_sees_and_we_do_not_is_not_imported_again_and_again(azure: Azure) -> None:
    azure.refuses = lambda number: EXISTS
    azure.lands = lambda number, target: False
    outcome = run(azure, [step(0, "a:1")])[0]
    assert len(azure.bodies) == 1 and not outcome.started
    assert str(outcome.error) == (
        "Azure says that contosoprod.azurecr.test/a:1 exists already, but the registry did not show it within 0.3 s. Run again "
        "later."
    )


def test_a13_a_target_that_appeared_and_is_locked_is_not_overwritten(azure: Azure) -> None:
    azure.refuses = lambda number: EXISTS
    azure.lands = lambda number, target: False
    azure.examine = lambda want: Seen(B, locks=("tag",))  # type: ignore[method-assign]
    outcome = run(azure, [step(0, "a:1")])[0]
    assert "is locked against writing" in str(outcome.error) and len(azure.bodies) == 1


def test_c1_a_target_that_can_not_be_read_is_no_failure_of_its_neighbours(azure: Azure) -> None:
    real = azure.tag

    def tag(repository: str, tag: str) -> Seen:
        if tag == "locked":
            raise AcrError("protocol", "The operation is disallowed.", status=405)
        return real(repository, tag)

    azure.tag = azure.shown = tag  # type: ignore[method-assign]
    found = run(azure, [step(0, "a:1"), step(1, "a:locked", digest=B)])
    assert found[0].error is None
    assert "was imported, but it can't be read to check: The operation is disallowed." in str(found[1].error)


def test_c2_an_index_that_can_not_be_read_is_no_failure_of_its_neighbours(azure: Azure) -> None:
    denied = AcrError("denied", "No.")
    azure.damage = lambda repository, digests, *, expected: {one: denied if one == B else [] for one in digests}  # type: ignore[method-assign]
    found = run(azure, [step(0, "a:1"), step(1, "a:2", digest=B)])
    assert found[0].error is None and "was imported, but can't be checked: No." in str(found[1].error)


def test_c8_what_would_refuse_every_import_is_asked_for_once(azure: Azure) -> None:
    azure.refuses = lambda number: time.sleep(0.1) or DISABLED
    found = run(azure, [step(number, "a{0}:1".format(number), digest="sha256:{0:064x}".format(number)) for number in range(30)])
    assert {outcome.error for outcome in found.values()} == {DISABLED} and len(azure.bodies) == 1


def test_b2_only_a_refusal_to_start_ends_the_run(azure: Azure) -> None:
    """The failure of one import says nothing of the others, however it is worded."""
    azure.lands = lambda number, target: target != "a0:1"
    azure.ends = lambda number: UNAUTHORIZED if azure.bodies[number]["targetTags"] == ["a0:1"] else None
    found = run(azure, [step(number, "a{0}:1".format(number), digest="sha256:{0:064x}".format(number)) for number in range(30)])
    assert [number for number, outcome in found.items() if outcome.error] == [0]


def test_d1_of_a_source_that_lets_azure_pull_no_more_one_image_tries_for_all(
    azure: Azure, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_imports, "FIRST_PAUSE", 0.1)
    monkeypatch.setattr(_imports, "TRIES", 3)
    throttled = ImportFailed("throttled", "quay.io limits how often Azure may pull from it.", status=400, throttled_source=True)
    sources = {"sha256:{0:064x}".format(number): "quay.io" if number < 20 else "docker.io" for number in range(30)}
    open_again: list[bool] = []

    def of_quay(number: int) -> bool:
        return sources[azure.bodies[number]["source"]["sourceImage"].rpartition("@")[2]] == "quay.io" and not open_again

    def end(number: int) -> Exception | None:
        return throttled if of_quay(number) else None

    azure.lands = lambda number, target: not of_quay(number)
    azure.ends = end
    began: list[float] = []
    real = azure.start_import

    def start(*arguments: Any) -> Operation:
        began.append(time.monotonic())
        return real(*arguments)

    azure.start_import = start  # type: ignore[method-assign]
    steps = [step(n, "a{0}:1".format(n), digest=one, registry=host) for n, (one, host) in enumerate(sources.items())]
    found = run(azure, steps)
    assert [number for number, outcome in found.items() if outcome.error] == list(range(20))
    assert {str(outcome.error) for number, outcome in found.items() if number < 20} == {str(throttled)}
    assert len(azure.bodies) == 30 + 2, "each once, and one of them twice more"
    pauses = [later - earlier for earlier, later in zip(sorted(began)[29:], sorted(began)[30:])]
    assert pauses[0] >= 0.1 and pauses[1] >= 0.3, "each pause three times the last"

    azure.bodies.clear()
    azure.ends = lambda number: open_again.append(True) if len(azure.bodies) > 30 else end(number)  # type: ignore[func-returns-value]
    azure.lands = lambda number, target: len(azure.bodies) > 30 or not of_quay(number)
    assert all(outcome.error is None for outcome in run(azure, steps).values())


def test_d1_what_was_pulled_before_a_source_refused_does_not_open_it_again(
    azure: Azure, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten imports end one by one, long after ten others were refused: each end is no reason to try all of these again."""
    monkeypatch.setattr(_imports, "FIRST_PAUSE", 0.3)
    monkeypatch.setattr(_imports, "TRIES", 2)
    throttled = ImportFailed("throttled", "quay.io limits.", status=400, throttled_source=True)
    digests = ["sha256:{0:064x}".format(number) for number in range(20)]

    def end(number: int) -> Exception | None:
        one = digests.index(azure.bodies[number]["source"]["sourceImage"].rpartition("@")[2])
        if one >= 10:
            return throttled
        time.sleep(0.05 * one)
        azure.held["a{0}".format(one), "1"] = digests[one]
        return None

    azure.lands, azure.ends = (lambda number, target: False), end
    found = run(azure, [step(number, "a{0}:1".format(number), digest=one) for number, one in enumerate(digests)])
    assert [number for number, outcome in found.items() if outcome.error] == list(range(10, 20))
    assert len(azure.bodies) == 20 + 1


def test_what_lands_in_a_pause_is_not_asked_for_again(azure: Azure, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first try brings one of two and fails; a look that was under way sees that in the pause before the next one."""
    monkeypatch.setattr(_imports, "FIRST_PAUSE", 0.6)
    azure.lands = lambda number, target: number > 0 or target == "a:1"
    azure.ends = lambda number: None if number else PASSING
    real = azure.tag

    def tag(repository: str, tag: str) -> Seen:
        seen = real(repository, tag)
        time.sleep(0.2)
        return seen

    azure.tag = azure.shown = tag  # type: ignore[method-assign]
    found = run(azure, [step(0, "a:1"), step(1, "b:1")])
    assert found[0].error is found[1].error is None and targets(azure) == [["a:1", "b:1"], ["b:1"]]


def test_a6_nothing_is_imported_again_since_one_answer_missed_a_child(azure: Azure) -> None:
    """Another target of the import fails, so that nothing more will come for the one that has: it is asked about again."""
    azure.lands = lambda number, target: target == "a:1"
    azure.ends = lambda number: azure.wait_for_imports(0) or LOCKED
    azure.damage = lambda repository, digests, *, expected: {  # type: ignore[method-assign]
        one: [] if expected else [one] for one in digests
    }
    found = run(azure, [step(0, "a:1"), step(1, "b:1")])
    assert found[0].error is None and found[1].error is LOCKED and targets(azure) == [["a:1", "b:1"]]


@pytest.mark.parametrize("if_exists", ["keep", "update"])
def test_a5_what_was_there_all_along_is_not_repaired_as_if_we_had_brought_it(azure: Azure, if_exists: str) -> None:
    """Missed when it was planned; seen while the import was under way, which Azure then refuses; and it lacks a child."""
    azure.held["a", "1"] = A
    azure.lands = lambda number, target: False
    azure.ends = lambda number: time.sleep(0.3) or EXISTS
    azure.damaged = lambda repository: True
    outcome = run(azure, [step(0, "a:1", if_exists=if_exists)])[0]
    assert outcome.error is None and not outcome.started and len(azure.bodies) == 1


def test_a6_what_is_incomplete_when_the_time_is_over_is_not_imported_again(azure: Azure) -> None:
    """Azure may still be copying."""

    def ask(operation: Operation) -> None:
        operation.ask_at = time.monotonic() + 0.1

    azure.ask = ask  # type: ignore[method-assign]
    azure.damaged = lambda repository: True
    outcome = run(azure, [step(0, "a:1")], deadline=time.monotonic() + 0.5)[0]
    assert len(azure.bodies) == 1 and outcome.error is not None and outcome.error.reason == "timeout"


def test_a13_what_is_gone_again_is_not_repaired_by_force(azure: Azure) -> None:
    azure.damaged = lambda repository: True
    azure.ends = lambda number: time.sleep(0.3)  # the tag is seen before that
    azure.tag = lambda repository, tag, *, expected=False: Seen()  # type: ignore[method-assign]
    outcome = run(azure, [step(0, "a:1")])[0]
    assert len(azure.bodies) == 1 and "are missing in the registry" in str(outcome.error)


def test_a_repair_of_our_own_import_has_no_previous_digest(azure: Azure) -> None:
    azure.damaged = lambda repository: len(azure.bodies) < 2
    outcome = run(azure, [step(0, "a:1")])[0]
    assert outcome.error is None and outcome.step.seen.digest is None and outcome.step.action == _plan.REPAIR


def test_what_our_last_try_brought_is_no_conflict(azure: Azure) -> None:
    azure.lands = lambda number, target: False
    azure.ends = lambda number: PASSING

    def refuses(number: int) -> Exception | None:
        if number < _imports.TRIES:
            return None
        azure.held["a", "1"] = A
        return EXISTS

    azure.refuses = refuses
    outcome = run(azure, [step(0, "a:1")])[0]
    assert outcome.error is None and outcome.started


def test_nothing_is_started_after_the_deadline(azure: Azure) -> None:
    ends = time.monotonic() + 0.8
    late: list[float] = []
    real = azure.start_import

    def start(*arguments: Any) -> Operation:
        operation = real(*arguments)
        late.append(time.monotonic() - ends)
        return operation

    def ask(operation: Operation) -> None:
        if azure.bodies[int(operation.id.rpartition("-")[2])]["targetTags"] == ["a:1"]:
            raise PASSING
        operation.ask_at = time.monotonic() + 0.1

    azure.start_import, azure.ask = start, ask  # type: ignore[method-assign]
    azure.lands = lambda number, target: False
    found = run(azure, [step(0, "a:1"), step(1, "b:1", digest=B)], deadline=ends)
    assert all(outcome.error is not None for outcome in found.values()) and max(late) < 0.1


def test_a_stop_ends_what_waits_for_its_next_try(azure: Azure, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_imports, "FIRST_PAUSE", 30.0)
    azure.lands = lambda number, target: False
    failed = threading.Event()

    def end(number: int) -> Exception:
        if azure.bodies[number]["targetTags"] == ["a:1"]:
            failed.set()
            return PASSING
        failed.wait(5)
        time.sleep(0.1)
        return LOCKED

    azure.ends = end
    began = time.monotonic()
    found = run(azure, [step(0, "a:1"), step(1, "b:1", digest=B)], stop_on_error=True)
    assert found[0].error is PASSING and found[1].error is LOCKED and time.monotonic() - began < 10


def test_steps_that_are_planned_later_join_in(azure: Azure) -> None:
    def later() -> Iterator[list[Step]]:
        yield [step(1, "b:1")]
        time.sleep(0.2)
        yield [step(2, "c:1"), step(3, "d:1", action=_plan.NONE)]

    engine = Imports(azure, RESOURCE, azure, lambda _origin: {}, timeout=60.0)  # type: ignore[arg-type]
    progress = Progress()
    found = engine.run([step(0, "a:1")], progress, later())
    assert [outcome.step.want.number for outcome in found] == [0, 1, 2] and progress.done == progress.total == 3


def test_steps_that_can_not_be_planned_end_the_run(azure: Azure) -> None:
    def later() -> Iterator[list[Step]]:
        yield []
        raise KeyError("a fault of ours")

    engine = Imports(azure, RESOURCE, azure, lambda _origin: {}, timeout=60.0)  # type: ignore[arg-type]
    with pytest.raises(KeyError):
        engine.run([step(0, "a:1")], None, later())
