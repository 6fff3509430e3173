# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Buckets and circuits against a far side with ways of its own, on a clock that only the test moves."""
from __future__ import annotations

import heapq
import itertools
import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.registryops.acr.plugins.module_utils import _http
from ansible_collections.registryops.acr.plugins.module_utils._errors import AcrError
from ansible_collections.registryops.acr.plugins.module_utils._http import Http
from ansible_collections.registryops.acr.plugins.module_utils._pace import INFINITE, Bucket
from ansible_collections.registryops.acr.plugins.module_utils._untrusted import Answer


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class FarSide:
    """Takes ``burst`` requests at once, then ``rate`` a second; a refusal says "one second"."""

    def __init__(self, clock: Clock, burst: float, rate: float) -> None:
        self.clock, self.burst, self.rate, self.left, self.since = clock, burst, rate, burst, clock.now

    def takes_one(self) -> bool:
        self.left = min(self.burst, self.left + (self.clock.now - self.since) * self.rate)
        self.since = self.clock.now
        if self.left < 1:
            return False
        self.left -= 1
        return True


def drive(bucket: Bucket, far: FarSide, count: int, told: bool) -> tuple[float, int]:
    """Gets ``count`` requests through; the seconds and the refusals that took. ``told``: answers say what remains."""
    clock, refusals, began = far.clock, 0, far.clock.now
    while count:
        wait = bucket.take()
        if wait:
            clock.now += max(wait, 0.001)
        elif far.takes_one():
            count -= 1
            bucket.answered(int(far.left) if told else None)
        else:
            refusals += 1
            bucket.refused(1.0)
    return clock.now - began, refusals


@pytest.mark.parametrize("told", [True, False])
def test_a_documented_budget_is_used_in_full_without_a_refusal(told: bool) -> None:
    clock = Clock()
    seconds, refusals = drive(Bucket(200, 10, clock=clock), FarSide(clock, 200, 10), 400, told)
    assert refusals <= 1 and 20 <= seconds <= 23


@pytest.mark.parametrize("told", [True, False])
def test_a_budget_that_others_use_too_is_found_by_few_refusals(told: bool) -> None:
    """Only a fifth of the budget is left for us."""
    clock = Clock()
    seconds, refusals = drive(Bucket(200, 10, clock=clock), FarSide(clock, 3, 2), 60, told)
    assert refusals <= 12 and seconds <= 45


@pytest.mark.parametrize(("burst", "rate", "borne"), [(200, 10, 24), (100, 5, 96)])
def test_runs_that_share_a_budget_learn_of_each_other_by_what_remains(burst: int, rate: int, borne: int) -> None:
    """Eight of them, each with sixteen threads and 75 requests, begin one after the other; an answer takes 40 ms. Unaware of
    each other they would be refused 250 times and more, and twice as often with half of the documented budget."""
    clock, answers, refusals = Clock(), [], 0
    far, began, due = FarSide(clock, burst, rate), clock.now, itertools.count()
    runs = [(Bucket(200, 10, shared=True, clock=clock), clock.now + 0.1 * number) for number in range(8)]
    left, free = [75] * len(runs), [16] * len(runs)
    while any(left):
        clock.now += 0.01
        for number, (bucket, start) in enumerate(runs):
            while clock.now >= start and left[number] and free[number] and not bucket.take():
                left[number], free[number] = left[number] - 1, free[number] - 1
                taken = far.takes_one()
                heapq.heappush(answers, (clock.now + 0.04, next(due), number, int(far.left) if taken else None))
        while answers and answers[0][0] <= clock.now:
            _at, _due, number, remaining = heapq.heappop(answers)
            free[number] += 1
            if remaining is None:
                refusals += 1
                left[number] += 1
                runs[number][0].refused(1.0)
            else:
                runs[number][0].answered(remaining)
    assert clock.now - began <= 1.06 * (600 - burst) / rate
    assert refusals <= borne


def test_an_unknown_limit_is_found_by_few_refusals() -> None:
    clock = Clock()
    seconds, refusals = drive(Bucket(INFINITE, INFINITE, clock=clock), FarSide(clock, 40, 5), 200, False)
    assert refusals <= 20 and seconds <= 60


def test_a_refusal_holds_everybody_up_no_longer_than_it_says() -> None:
    clock = Clock()
    bucket = Bucket(200, 10, clock=clock)
    assert bucket.take() == 0.0 and bucket.take() == 0.0
    bucket.refused(3.0)
    bucket.refused(3.0)
    assert bucket.take() == pytest.approx(3.0)
    clock.now += 3.0
    assert bucket.take() == 0.0


def test_a_wave_of_refusals_halves_the_rate_once() -> None:
    clock = Clock()
    bucket = Bucket(1, 10, clock=clock)
    for _n in range(6):
        bucket.refused(1.0)
    clock.now += 1.0
    assert bucket.take() == 0.0
    assert bucket.take() == pytest.approx(1 / 4), "0.8 for the first one, half for the wave"


def test_refusals_by_chance_do_not_slow_everything_down() -> None:
    """One request in twenty is refused, however slowly they come: going slower and slower would help nobody."""
    clock, chance = Clock(), random.Random(1)
    bucket = Bucket(INFINITE, INFINITE, clock=clock)
    for _n in range(2000):
        while wait := bucket.take():
            clock.now += max(wait, 0.001)
        clock.now += 0.02  # so long takes each
        if chance.random() < 0.05:
            bucket.refused(0.5)
        else:
            bucket.answered()
    # 40 s for the requests, 50 s for what a hundred refusals ask to wait.
    assert clock.now - 1000.0 < 40 + 50 + 110


# -- a host that refuses for good --------------------------------------------------------------------------------------


class Hours:
    """A clock for several threads, which jumps to the next time that one of them waits for once all of them wait."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._threads = 0
        self._wakes: list[float] = []
        self._change = threading.Condition()

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> bool:
        with self._change:
            wake = self.now + max(0.001, seconds)
            self._wakes.append(wake)
            self._jump()
            while self.now < wake:
                self._change.wait()
        return False

    def _jump(self) -> None:
        if self._wakes and len(self._wakes) >= self._threads:
            self.now = min(self._wakes)
            self._wakes = [wake for wake in self._wakes if wake > self.now]
            self._change.notify_all()

    def run(self, work: Callable[[int], None], count: int, threads: int) -> None:
        """``work(0)`` to ``work(count - 1)``, on so many threads."""
        numbers = iter(range(count))
        self._threads = threads

        def one() -> None:
            try:
                for number in numbers:
                    work(number)
            finally:
                with self._change:
                    self._threads -= 1
                    self._jump()

        workers = [threading.Thread(target=one, daemon=True) for _n in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(20.0)
        assert not any(worker.is_alive() for worker in workers)


class Run:
    """Requests of a run for one host. *far* says what becomes of each: a status, with what ``Retry-After``, or the kind and
    facts of an error; and after how many seconds."""

    def __init__(self, far: Callable[[int, float], Any]) -> None:
        self.hours = Hours()
        self.http = Http(clock=self.hours.clock, sleep=self.hours.sleep)
        self.far = far
        self.began = self.hours.now
        self.asked: Counter[int] = Counter()  # by the number of the request
        self.errors: dict[int, AcrError] = {}
        self.last_useful = self.hours.now

    def work(self, number: int, host: str = "registry.test") -> None:
        def send() -> Answer:
            self.asked[number] += 1
            found, more, seconds = self.far(number, self.hours.now - self.began)
            self.hours.sleep(seconds)
            if isinstance(found, str):
                raise AcrError(found, "It is not there.", **(more or {}))
            if found == 200:
                self.last_useful = self.hours.now
            return Answer(found, {"Retry-After": more} if more is not None else {})

        try:
            self.http.attempts(host, "reads", send)
        except AcrError as error:
            self.errors[number] = error

    def of(self, count: int, threads: int) -> Run:
        self.hours.run(self.work, count, threads)
        return self


EPOCH = object()
LOST = {
    "d1_429": (429, None, 0.1),
    "d1_429_soon": (429, "1", 0.1),
    "d1_429_at_once": (429, "0", 0.1),
    "d1_429_half_a_minute": (429, "30", 0.1),
    "d1_429_a_minute": (429, "60", 0.1),
    "d1_429_nearly_too_long": (429, "89", 0.1),
    "d1_429_six_hours": (429, "21600", 0.1),
    "d3_429_since_1970": (429, EPOCH, 0.1),
    "d2_503": (503, None, 0.1),
    "d2_503_a_minute": (503, "60", 0.1),
    "d2_503_an_hour": (503, "3600", 0.1),
    "d2_500_slow": (500, None, 20.0),
    "d2_slow": ("unavailable", {"tries": _http.SLOW_TRIES}, 30.0),
    "d2_hangs_up": ("unavailable", None, 0.1),
    "d2_silent": ("unreachable", {"hold": _http.CONNECT_SECONDS}, 10.0),
    "d2_no_such_host": ("unreachable", None, 0.1),
}


@pytest.mark.parametrize("threads", [1, 16])
@pytest.mark.parametrize("count", [5, 100, 600])
@pytest.mark.parametrize("lost", LOST)
def test_d1_d2_a_host_that_is_lost_costs_less_than_two_minutes(lost: str, count: int, threads: int) -> None:
    status, more, seconds = LOST[lost]
    more = str(int(time.time()) + 3600) if more is EPOCH else more
    run = Run(lambda _number, _now: (status, more, seconds)).of(count, threads)
    assert len(run.errors) == count and run.hours.now - run.began < 120
    assert len({str(error) for error in run.errors.values()}) == 1, "one sentence for all"
    # Those that were at it from the start try as often as ever, the others once, and after a minute not even that.
    assert sum(tries > 1 for tries in run.asked.values()) <= threads and max(run.asked.values()) <= 50


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("more", [None, "1", "21600"])
def test_d1_d2_the_two_minutes_begin_with_the_last_useful_answer(status: int, more: str | None) -> None:
    """For ten minutes all is well."""
    run = Run(lambda _number, now: (200, None, 4.0) if now < 600 else (status, more, 0.1)).of(3000, 16)
    assert run.last_useful >= run.began + 600 and run.hours.now - run.last_useful < 120
    assert len({str(error) for error in run.errors.values()}) == 1


def test_d1_the_rest_of_the_run_goes_on() -> None:
    """Every other request is for a host that is lost; the others are not held up by it, and another class isn't either."""
    run = Run(lambda number, _now: (429, "1", 0.1) if number % 2 else (200, None, 1.0))
    run.hours.run(lambda number: run.work(number, "lost.test" if number % 2 else "registry.test"), 600, 16)
    assert set(run.errors) == set(range(1, 600, 2)) and run.hours.now - run.began < 120
    assert run.http.attempts("lost.test", "tokens", lambda: Answer(200, {})).status == 200


@pytest.mark.parametrize(
    "refuses",
    [
        pytest.param(lambda chance, _now: (429, "1") if chance < 0.025 else None, id="2.5 % at random"),
        pytest.param(lambda chance, _now: (429, None) if chance < 0.025 else (503, None) if chance < 0.04 else None, id="without a time"),
        pytest.param(lambda _chance, now: (429, "1") if 10 < now < 50 else None, id="40 s"),
        pytest.param(lambda _chance, now: (429, None) if 10 < now < 50 else None, id="40 s without a time"),
        pytest.param(lambda _chance, now: (429, "60") if 10 < now < 70 else None, id="a minute, as it says"),
        pytest.param(lambda _chance, now: (503, None) if 10 < now < 40 else None, id="503 for 30 s"),
    ],
)
def test_d1_what_passes_is_borne(refuses: Callable[[float, float], Any]) -> None:
    chance = random.Random(1)
    run = Run(lambda _number, now: (*(refuses(chance.random(), now) or (200, None)), 0.2)).of(2000, 16)
    assert not run.errors and len(run.asked) == 2000


def test_d1_random_refusals_do_not_slow_a_run_down() -> None:
    chance = random.Random(1)
    run = Run(lambda _number, _now: (429, "1", 0.2) if chance.random() < 0.025 else (200, None, 0.2)).of(1000, 16)
    assert not run.errors and run.hours.now - run.began < 1000 / 16 * 0.2 + 40 + 30  # each refusal asks for a second


@pytest.mark.parametrize("refusal", [(503, None), (429, "1"), (429, "21600")])
def test_d1_d2_one_request_that_is_refused_for_good_is_not_everybody(refusal: tuple[int, str | None]) -> None:
    run = Run(lambda number, _now: (*refusal, 0.2) if number == 7 else (200, None, 0.2)).of(2000, 8)
    assert set(run.errors) == {7}


def test_d1_what_is_told_says_when_it_is_worth_running_again() -> None:
    run = Run(lambda number, _now: (429, str(3600 * (1 + number % 3)), 0.1)).of(30, 4)
    (said,) = {str(error) for error in run.errors.values()}
    until = {time.strftime("%H:%M UTC", time.gmtime(time.time() + 3600 * hours + more)) for hours in (1, 2, 3) for more in (0, 60)}
    assert any(one in said for one in until) and said.endswith("; run again then.")
    assert {error.status for error in run.errors.values()} == {429} and len(set(map(id, run.errors.values()))) == 30


def test_d1_a_refusal_long_ago_is_none_of_now() -> None:
    """The request that met it went on, and ended by something else."""
    run = Run(lambda number, now: (429, "1", 0.1) if now < 1 else ("invalid", None, 0.1) if number == 0 else (200, None, 0.1))
    run.of(1, 1)
    run.hours.sleep(500.0)
    run.http.pace.bucket("registry.test", "reads").refused(5.0)
    run.work(1)
    assert set(run.errors) == {0} and run.errors[0].reason == "invalid"


def test_d1_what_is_told_is_of_the_last_probe() -> None:
    run = Run(lambda _number, now: (429, "600", 0.1) if now < 300 else (503, None, 0.1)).of(3, 1)
    run.hours.sleep(700.0)
    run.of(9, 1)
    assert {str(error) for error in run.errors.values()} == {"registry.test answers with status 503; run again later."}


@pytest.mark.parametrize(("asked", "back"), [(None, 60.0), ("600", 600.0)])
def test_d1_a_host_that_comes_to_itself_in_a_long_run_is_found(asked: str | None, back: float) -> None:
    """Once a minute one request finds out, or when the host said."""
    run = Run(lambda _number, now: (429, asked, 0.1) if now < 500 else (200, None, 0.1)).of(20, 1)
    given_up = run.hours.now
    tries = sum(run.asked.values())
    for number in itertools.count(100):
        run.work(number)
        if number not in run.errors:
            break
        run.hours.sleep(1.0)
    assert sum(run.asked.values()) - tries <= 60 + (run.hours.now - given_up) / 60
    assert run.hours.now - run.began < max(500, back) + 65
    run.of(50, 4)
    assert not {number for number in run.errors if 20 <= number < 50}


def test_d2_waiting_for_a_turn_ends_with_the_host() -> None:
    """Those that wait for their turn are told too, and not one a second."""
    run = Run(lambda _number, _now: (429, "80", 0.1))
    run.http.pace.bucket("registry.test", "reads").refused(40.0)
    run.of(64, 64)
    assert len(run.errors) == 64 and run.hours.now - run.began < 130
