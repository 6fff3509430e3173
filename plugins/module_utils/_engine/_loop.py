# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Threads and time. Threads only send requests and wait for the answers; what follows is done by the one thread that takes the
events, so nothing else needs a lock."""

from __future__ import annotations

import functools
import queue
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Callable, Iterable, List, Optional, TypeVar

from .._errors import AcrError, IdentityError

Event = Callable[[], None]
Found = TypeVar("Found")


class Threads:
    """What there is of threads and time; tests have others, which take no time."""

    def now(self) -> float:
        """Monotonic seconds."""
        return time.monotonic()

    def pool(self, size: int) -> ThreadPoolExecutor:
        """Up to *size* threads for what is submitted."""
        return ThreadPoolExecutor(size)

    def queue(self) -> queue.Queue[Event]:
        return queue.Queue()

    def flag(self) -> threading.Event:
        return threading.Event()

    def start(self, work: Callable[[], None]) -> None:
        """A thread that nobody waits for."""
        threading.Thread(target=work, daemon=True).start()


class Loop:
    """Has work done on threads, and hands back what follows from it. *signed_out* is told of each sign-in that fails, and says
    which error its request ends with."""

    def __init__(self, threads: Threads) -> None:
        self.threads = threads
        self.now = threads.now
        self.signed_out: Callable[[AcrError], AcrError] = lambda error: error
        self._events = threads.queue()
        self._pools: List[ThreadPoolExecutor] = []

    def pool(self, size: int) -> ThreadPoolExecutor:
        """Up to *size* threads, until the loop is closed."""
        self._pools.append(self.threads.pool(size))
        return self._pools[-1]

    def close(self) -> None:
        """What has not begun yet never will."""
        for pool in self._pools:
            pool.shutdown(wait=False, cancel_futures=True)

    def do(
        self, pool: ThreadPoolExecutor, work: Callable[[], Found], then: Callable[[Optional[Found], Optional[AcrError]], None]
    ) -> None:
        """Runs *work* on a thread, then *then(value, error)* on ours."""

        def run() -> None:
            event: Event
            try:
                event = functools.partial(then, work(), None)
            except AcrError as error:
                event = functools.partial(then, None, error)
            except IdentityError as error:
                event = functools.partial(self._signed_out, then, AcrError("sign_in", str(error)))
            except BaseException as error:  # a fault of ours: ends the run
                event = functools.partial(_raise, error)
            self._events.put(event)

        pool.submit(run)

    def _signed_out(self, then: Callable[[Any, Optional[AcrError]], None], error: AcrError) -> None:
        then(None, self.signed_out(error))

    def feed(self, things: Iterable[Found], each: Callable[[Found], None], end: Event) -> None:
        """Takes in *things* on a thread of its own: *each(thing)* follows on ours, and *end()* at the end."""

        def run() -> None:
            try:
                for thing in things:
                    self._events.put(functools.partial(each, thing))
                self._events.put(end)
            except BaseException as error:
                self._events.put(functools.partial(_raise, error))

        self.threads.start(run)

    def take(self, patience: float, until: float, over: Callable[[], bool]) -> None:
        """Waits *patience* seconds for something to happen, and lets everything happen that does so *until* then."""
        with suppress(queue.Empty):
            self._events.get(timeout=patience)()
            while not over():
                self._events.get(timeout=max(0.0, until - self.now()))()


def _raise(error: BaseException) -> None:
    raise error
