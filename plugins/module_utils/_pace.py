# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When the next request of a class may be sent, if at all: token buckets that learn from a host's answers, and circuits that
notice when a host refuses for good."""

from __future__ import annotations

import threading
import time
from typing import Callable, Dict, Optional, Tuple

from ._errors import AcrError

INFINITE = float("inf")
MANY = 0.18  # a larger share of refusals among the last ten or so requests can't be chance: the rate is halved
GROWTH = 1.05  # of the rate with each success
SLOWEST = 1.0  # requests a second, however often the host refuses
# Other runs may be using up a budget at the same time:
FIRST = 2  # requests at once, until an answer shows how much is left
LOOK = 0.02  # seconds until that answer is looked for again
SPARE = 10  # what is left to others that send at the same moment
OTHERS = 16  # as many of their requests are believed to go with one of ours
# Seconds since the first of a row of refusals without a useful answer in between. With the 30 s that the last request may take,
# a host that is lost costs a run less than two minutes, however many requests there are for it:
BORNE = 90.0  # how long requests wait for it
ONE_EACH = 60.0  # once one request has been given up: how long each of the others may still try once
PROBE = 60.0  # seconds between requests after that: in a long run, the host may recover
# Azure Resource Manager's documented budgets per subscription, principal and region: (burst, per second). Registries have
# none here (theirs depend on the tier): the first refusal sets one.
BUDGETS = {"imports": (200.0, 10.0), "arm_writes": (200.0, 10.0), "arm_reads": (250.0, 25.0)}


class Bucket:
    """A token bucket shared by threads: *burst* requests at once, then *rate* a second.

    Without a rate it is open until the host first refuses; from then on its rate follows what gets through: halved by
    refusals that come together, lowered a little by a single one, raised a little by each success. A given rate is never
    exceeded, but is lowered too: somebody else may be using up the same budget. If the host tells what remains of that, it shows
    how much others take, and no more is taken of it than our share of what was taken lately. *shared*: it is known that others
    may, so that the first answer is waited for.
    """

    def __init__(
        self, burst: float, rate: float, *, shared: bool = False, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._fixed = rate != INFINITE
        self._burst = burst
        self._rate = self._fastest = rate
        self._tokens = burst
        self._clock = clock
        self._stamp = self._since = clock()
        self._not_before = 0.0
        self._taken = 0  # so far
        self._share = 0.0  # of refusals, lately
        self._halved = False  # by the present wave of refusals
        self._under_way = 0
        self._unknown = shared  # how much is left: there was no answer yet
        self._tells = False  # whether answers say what remains
        self._left, self._told = burst, self._stamp  # what remains, and when that was said
        self._most = -1  # that ever remained
        self._ours = self._all = 1.0  # requests lately: ours, and all that the host has counted
        self._part = 1.0  # of the budget that is ours
        self._lock = threading.Lock()

    def take(self) -> float:
        """Takes a turn: 0.0 if there is one, else the seconds after which to ask again."""
        with self._lock:
            now = self._clock()
            if now < self._not_before:
                return self._not_before - now
            if self._rate != INFINITE:
                rate = min(self._rate, self._fastest * self._part)
                self._tokens = min(self._burst, self._tokens + (now - self._stamp) * rate)
                self._stamp = now
                if self._tokens < 1.0:
                    return (1.0 - self._tokens) / rate
                if self._unknown and self._under_way >= FIRST:
                    return LOOK
                self._tokens -= 1.0
            self._taken += 1
            self._under_way += 1
            return 0.0

    def answered(self, remaining: Optional[int] = None) -> None:
        """A request that had its turn got through; *remaining*: how many more the host says it would take now."""
        with self._lock:
            self._under_way, self._unknown = max(0, self._under_way - 1), False
            self._share *= 0.9
            if self._fixed and remaining is not None:
                self._stamp, self._tells = self._clock(), True
                self._share_with_others(remaining, self._stamp, 1)
                # Requests under way have had their turn, but the host may not have counted them yet.
                self._tokens = max(0.0, remaining - SPARE * (1.0 - self._part)) * self._part - self._under_way
                self._burst = max(self._burst, float(remaining))
            if self._rate != INFINITE and self._tokens < self._burst / 2:  # or it isn't the rate that holds us up
                self._rate = min(self._fastest, self._rate * GROWTH)
                if not self._fixed:
                    self._burst = max(1.0, self._rate)

    def _share_with_others(self, remaining: int, now: float, ours: int) -> None:
        """The host has counted requests, *ours* among them, and would take *remaining* more."""
        gone = min(self._burst, self._left + (now - self._told) * self._fastest, remaining + OTHERS) - remaining
        if ours and remaining == self._most:
            gone = 1.0  # it fills up to here and no further: nobody else takes anything
        self._most = max(self._most, remaining)
        self._left, self._told = float(remaining), now
        self._ours = self._ours * 0.9 + ours
        self._all = max(self._ours, self._all * 0.9 + gone)
        self._part = max(self._ours / self._all, 1.0 / OTHERS)

    def refused(self, seconds: float) -> None:
        """The host answered "too many requests": there are no turns for *seconds* from now."""
        with self._lock:
            self._under_way, self._unknown = max(0, self._under_way - 1), False
            now = self._clock()
            self._share = self._share * 0.9 + 0.1
            first = now >= self._not_before  # of a wave
            self._halved = self._halved and not first
            if self._share > MANY and not self._halved:
                self._halved = True
                if self._rate == INFINITE:
                    self._rate = self._taken / max(1.0, now - self._since)
                self._rate = max(SLOWEST, self._rate / 2)
            elif first and not self._tells:
                self._rate = max(SLOWEST, self._rate * 0.8)
            if self._tells:
                self._share_with_others(0, now, 0)
            if self._rate != INFINITE:
                self._tokens, self._stamp = min(self._tokens, 0.0), now
                if not self._fixed:
                    self._burst = max(1.0, self._rate)
            self._not_before = max(self._not_before, now + seconds)


class Circuit:
    """Whether a host still gives useful answers to a class of requests, shared by threads. Any answer except 429 and 5xx is
    useful, and makes up for all refusals before it.

    A request that is given up decides nothing for the others while useful answers come: only if none has come since its first
    refusal do the others stop waiting too.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._since = INFINITE  # when the first request of the present row of refusals was sent
        self._last = -INFINITE
        self._failure: Optional[AcrError] = None  # the last refusal
        self._told: Optional[AcrError] = None  # set once a request was given up: what all of them end with
        self._not_before = 0.0  # until then no request is sent
        self._probe_at = 0.0
        self._probed = False  # the result of a probe is what the others end with from then on

    @property
    def ends(self) -> float:
        """The time, by the clock, after which waiting for this host makes no sense."""
        if self._told is None and self._clock() - self._last > BORNE:
            return INFINITE  # nobody is still retrying what was refused then
        return self._since + (BORNE if self._told is None else ONE_EACH)

    def useful(self) -> None:
        """A useful answer came."""
        with self._lock:
            self._since, self._failure, self._told, self._not_before, self._probed = INFINITE, None, None, 0.0, False

    def refused(self, failure: AcrError, began: float) -> None:
        """A request that was sent at *began* was refused, or got no answer."""
        with self._lock:
            self._since = began if self._told is None and began - self._last > BORNE else min(self._since, began)
            self._last = self._clock()
            self._failure = failure

    def admits(self, tried: bool) -> bool:
        """Whether a request may be sent; *tried*: it was sent before."""
        with self._lock:
            now = self._clock()
            if self._told is None:
                return True
            if tried or now < self._not_before:
                return False
            if now < self._since + ONE_EACH:
                return True
            if now < self._probe_at:
                return False
            self._probe_at, self._probed = now + PROBE, True
            return True

    def given_up(self, failure: AcrError, first: float, wait: float = 0.0) -> AcrError:
        """What a request ends with that was first sent at *first* and last refused with *failure*: the same words for all. The
        host asks to *wait* that many seconds."""
        with self._lock:
            now = self._clock()
            if self._probed or self._told is None and self._since <= first:
                self._told, self._probed = failure, False
            if self._told is not None:
                self._not_before = max(self._not_before, now + failure.hold)
                self._probe_at = max(self._probe_at, now + max(PROBE, wait))
            return (self._told or failure).but()

    def lost(self) -> Optional[AcrError]:
        """What a request ends with that got no turn; None if a useful answer has come meanwhile."""
        with self._lock:
            self._told = self._told or self._failure
            return self._told.but() if self._told is not None else None


class Pace:
    """The buckets and circuits of one run, one for each (host, class of request). *sleep* waits for that many seconds; True: no
    more turns."""

    def __init__(
        self, *, sleep: Callable[[float], Optional[bool]] = time.sleep, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._buckets: Dict[Tuple[str, str], Bucket] = {}
        self._circuits: Dict[Tuple[str, str], Circuit] = {}
        self._lock = threading.Lock()
        self._sleep = sleep
        self._clock = clock

    def bucket(self, host: str, kind: str) -> Bucket:
        """The bucket of one class of requests to one host."""
        key = (host, kind)
        with self._lock:
            if key not in self._buckets:
                budget = BUDGETS.get(kind, (INFINITE, INFINITE))
                self._buckets[key] = Bucket(*budget, shared=kind in BUDGETS, clock=self._clock)
            return self._buckets[key]

    def circuit(self, host: str, kind: str) -> Circuit:
        """The circuit of one class of requests to one host."""
        with self._lock:
            return self._circuits.setdefault((host, kind), Circuit(self._clock))

    def turn(self, host: str, kind: str, deadline: Optional[float] = None, tried: bool = False) -> bool:
        """Waits for a turn. False if there are no more, or if it would come only after *deadline* (in seconds, by the clock).

        `AcrError` if the host is lost. *tried*: the request was sent before.
        """
        bucket, circuit = self.bucket(host, kind), self.circuit(host, kind)
        while deadline is None or self._clock() <= deadline:
            admitted = circuit.admits(tried)
            wait = bucket.take() if admitted else 0.0
            if admitted and wait <= 0:
                return True
            ends = self._clock() + wait
            if deadline is not None and ends > deadline:
                return False
            if not admitted or ends > circuit.ends:
                lost = circuit.lost()
                if lost is not None:
                    raise lost
            elif self._sleep(min(wait, 5.0)):
                break
        return False
