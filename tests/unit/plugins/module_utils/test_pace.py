# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Buckets against a far side with a budget of its own, on a clock that only the test moves."""
from __future__ import annotations

import random

import pytest

from ansible_collections.registryops.acr.plugins.module_utils._pace import INFINITE, Bucket


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
