# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When the next request of a class may be sent: token buckets that learn from what the far side says."""

from __future__ import annotations

import threading
import time
from typing import Callable, Dict, Optional, Tuple

INFINITE = float("inf")
MANY = 0.18  # the share of refusals among the last ten or so requests that is no chance: then the rate is halved
GROWTH = 1.05  # of the rate by each success
SLOWEST = 1.0  # requests a second, however often the far side refuses
# Azure Resource Manager's documented budgets per subscription, principal and region: (burst, per second). What is asked
# of a registry has none here (it depends on the tier): the first refusal sets one.
BUDGETS = {"imports": (200.0, 10.0), "arm_writes": (200.0, 10.0), "arm_reads": (250.0, 25.0)}


class Bucket:
    """A token bucket shared by threads: *burst* requests at once, then *rate* a second.

    Without a rate it is open until the far side refuses for the first time; from then on its rate follows what gets
    through: halved by refusals that come together, lowered a little by one that stands alone, raised a little by each
    success. A rate that was given is never exceeded, but lowered too: somebody else may be using up the same budget.
    """

    def __init__(self, burst: float, rate: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._fixed = rate != INFINITE
        self._burst = burst
        self._rate = self._fastest = rate
        self._tokens = burst
        self._clock = clock
        self._stamp = self._since = clock()
        self._not_before = 0.0
        self._taken = 0  # so far
        self._share = 0.0  # of refusals, of late
        self._halved = False  # by the present wave of refusals
        self._under_way = 0
        self._lock = threading.Lock()

    def take(self) -> float:
        """Takes a turn: 0.0 when there is one, else the seconds after which asking again makes sense."""
        with self._lock:
            now = self._clock()
            if now < self._not_before:
                return self._not_before - now
            if self._rate != INFINITE:
                self._tokens = min(self._burst, self._tokens + (now - self._stamp) * self._rate)
                self._stamp = now
                if self._tokens < 1.0:
                    return (1.0 - self._tokens) / self._rate
                self._tokens -= 1.0
            self._taken += 1
            self._under_way += 1
            return 0.0

    def answered(self, remaining: Optional[int] = None) -> None:
        """A request that had its turn got through; *remaining*: how many more the far side says it would take now."""
        with self._lock:
            self._under_way = max(0, self._under_way - 1)
            self._share *= 0.9
            if self._fixed and remaining is not None:
                # What is under way has its turn already, but the far side may not have counted it yet.
                self._tokens = float(remaining - self._under_way)
                self._stamp = self._clock()
                self._burst = max(self._burst, self._tokens)
            if self._rate != INFINITE and self._tokens < self._burst / 2:  # or it is not the rate that holds us up
                self._rate = min(self._fastest, self._rate * GROWTH)
                if not self._fixed:
                    self._burst = max(1.0, self._rate)

    def refused(self, seconds: float) -> None:
        """The far side answered "too many requests": nobody's turn comes sooner than in *seconds* from now."""
        with self._lock:
            self._under_way = max(0, self._under_way - 1)
            now = self._clock()
            self._share = self._share * 0.9 + 0.1
            first = now >= self._not_before  # of a wave
            self._halved = self._halved and not first
            if self._share > MANY and not self._halved:
                self._halved = True
                if self._rate == INFINITE:
                    self._rate = self._taken / max(1.0, now - self._since)
                self._rate = max(SLOWEST, self._rate / 2)
            elif first:
                self._rate = max(SLOWEST, self._rate * 0.8)
            if self._rate != INFINITE:
                self._tokens, self._stamp = min(self._tokens, 0.0), now
                if not self._fixed:
                    self._burst = max(1.0, self._rate)
            self._not_before = max(self._not_before, now + seconds)


class Pace:
    """The buckets of one run, one for each (host, class of request). *sleep* waits so many seconds; True: no more turns."""

    def __init__(self, *, sleep: Callable[[float], Optional[bool]] = time.sleep) -> None:
        self._buckets: Dict[Tuple[str, str], Bucket] = {}
        self._lock = threading.Lock()
        self._sleep = sleep

    def bucket(self, host: str, kind: str) -> Bucket:
        """The bucket of one class of requests to one host."""
        key = (host, kind)
        with self._lock:
            if key not in self._buckets:
                self._buckets[key] = Bucket(*BUDGETS.get(kind, (INFINITE, INFINITE)))
            return self._buckets[key]

    def turn(self, host: str, kind: str, deadline: Optional[float] = None) -> bool:
        """Waits for a turn. False when there are no more, or it would come only after *deadline* (monotonic seconds)."""
        bucket = self.bucket(host, kind)
        while True:
            wait = bucket.take()
            if wait <= 0:
                return True
            if deadline is not None and time.monotonic() + wait > deadline:
                return False
            if self._sleep(min(wait, 5.0)):
                return False
