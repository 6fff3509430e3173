# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When the next request of a class may be sent: token buckets that learn from what the far side says."""

from __future__ import annotations

import threading
import time
from typing import Callable, Dict, Optional, Tuple

# Azure Resource Manager's documented budgets per subscription, principal and region: (burst, per second).
ARM_BUDGETS = {"imports": (200.0, 10.0), "arm_writes": (200.0, 10.0), "arm_reads": (250.0, 25.0)}
# What is asked of a registry has no fixed budget here (it depends on the tier): the first "too many requests" sets one.
UNLIMITED = (float("inf"), float("inf"))


class Bucket:
    """A token bucket shared by threads: *burst* requests at once, then *rate* a second."""

    def __init__(self, burst: float, rate: float, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._burst = burst
        self._rate = rate
        self._tokens = burst
        self._clock = clock
        self._stamp = clock()
        self._not_before = 0.0
        self._lock = threading.Lock()

    def reserve(self) -> float:
        """Takes a turn and returns how many seconds from now it comes."""
        with self._lock:
            now = self._clock()
            wait = max(0.0, self._not_before - now)
            if self._rate != float("inf"):
                self._tokens = min(self._burst, self._tokens + (now - self._stamp) * self._rate)
                self._stamp = now
                self._tokens -= 1.0
                if self._tokens < 0:
                    wait = max(wait, -self._tokens / self._rate)
            return wait

    def pause(self, seconds: float) -> None:
        """Nobody's turn comes sooner than in *seconds* from now: the far side asked for it."""
        with self._lock:
            self._not_before = max(self._not_before, self._clock() + seconds)

    def learn(self, remaining: int) -> None:
        """The far side says how many requests are left; believe it when it is less than thought."""
        with self._lock:
            if self._rate != float("inf"):
                self._tokens = min(self._tokens, float(remaining))


class Pace:
    """The buckets of one run, one for each (host, class of request)."""

    def __init__(self, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self._buckets: Dict[Tuple[str, str], Bucket] = {}
        self._lock = threading.Lock()
        self._sleep = sleep
        self.waited = 0.0

    def bucket(self, host: str, kind: str) -> Bucket:
        key = (host, kind)
        with self._lock:
            if key not in self._buckets:
                self._buckets[key] = Bucket(*ARM_BUDGETS.get(kind, UNLIMITED))
            return self._buckets[key]

    def turn(self, host: str, kind: str, deadline: Optional[float] = None) -> bool:
        """Waits for a turn. False when it would come only after *deadline* (monotonic seconds)."""
        wait = self.bucket(host, kind).reserve()
        if wait <= 0:
            return True
        if deadline is not None and time.monotonic() + wait > deadline:
            return False
        with self._lock:
            self.waited += wait
        self._sleep(wait)
        return True
