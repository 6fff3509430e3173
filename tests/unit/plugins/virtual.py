# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Threads of which one runs at a time, always in the same order, and a clock that jumps ahead when all of them wait: what takes
minutes is over at once, and happens in the same way each time."""

from __future__ import annotations

import math
import queue
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

LONGEST, MOST = 3 * 3600.0, 100_000  # seconds, and turns; what takes more hangs


@dataclass(eq=False)
class _Waiter:
    ready: Callable[[], bool]
    until: float
    main: bool
    baton: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))


class Virtual:
    """Threads and time for an engine (see `Threads` there), and for the doubles that it talks to."""

    def __init__(self) -> None:
        self._now = 1000.0
        self._waiters: list[_Waiter] = []
        self._main = threading.current_thread()
        self._others = 0
        self._turns = 0
        self._hangs = False

    # -- as the engine uses it -------------------------------------------------------------------------------------------

    def now(self) -> float:
        return self._now

    def pool(self, size: int) -> _Pool:
        return _Pool(self, size)

    def queue(self) -> _Queue:
        return _Queue(self)

    def flag(self) -> _Flag:
        return _Flag(self)

    def start(self, work: Callable[[], None]) -> None:
        waiter = _Waiter(lambda: True, self._now, main=False)

        def run() -> None:
            waiter.baton.acquire()
            try:
                work()
            finally:
                self._others -= 1
                self._pass_on()

        self._others += 1
        self._waiters.append(waiter)
        threading.Thread(target=run, daemon=True).start()

    # -- as tests and doubles use it -------------------------------------------------------------------------------------

    def wait(self, ready: Callable[[], bool], seconds: float = math.inf) -> bool:
        """Lets the others run until *ready*, or for so many seconds; returns whether it is ready."""
        me = _Waiter(ready, self._now + seconds, threading.current_thread() is self._main)
        self._waiters.append(me)
        self._pass_on()
        me.baton.acquire()
        assert not (me.main and self._hangs), "the run hangs"
        return ready()

    def sleep(self, seconds: float) -> None:
        self.wait(lambda: False, seconds)

    def finish(self) -> None:
        """Lets all other threads come to their ends."""
        self.wait(lambda: not self._others)

    def _pass_on(self) -> None:
        """The first one that can go on does so, now or at the next moment at which one can."""
        self._turns += 1
        while True:
            for waiter in self._waiters:
                if self._turns <= MOST and (waiter.until <= self._now or waiter.ready()):
                    self._waiters.remove(waiter)
                    waiter.baton.release()
                    return
            self._now = min((waiter.until for waiter in self._waiters), default=math.inf)
            if self._now > LONGEST or self._turns > MOST:
                self._hangs = True
                for waiter in self._waiters:
                    if waiter.main:
                        waiter.baton.release()
                return


class _Pool:
    def __init__(self, threads: Virtual, size: int) -> None:
        self._threads = threads
        self._free = size
        self._work: deque[Callable[[], None]] = deque()

    def submit(self, work: Callable[[], None]) -> None:
        self._work.append(work)
        if self._free:
            self._free -= 1
            self._threads.start(self._run)

    def _run(self) -> None:
        while self._work:
            self._work.popleft()()
        self._free += 1

    def shutdown(self, **_how: Any) -> None:
        self._work.clear()


class _Queue:
    def __init__(self, threads: Virtual) -> None:
        self._threads = threads
        self._things: deque[Any] = deque()

    def put(self, thing: Any) -> None:
        self._things.append(thing)

    def get(self, timeout: float) -> Any:
        if not self._threads.wait(lambda: bool(self._things), timeout):
            raise queue.Empty
        return self._things.popleft()


class _Flag:
    def __init__(self, threads: Virtual) -> None:
        self._threads = threads
        self._set = False

    def set(self) -> None:
        self._set = True

    def wait(self, timeout: float) -> bool:
        return self._set or self._threads.wait(lambda: self._set, timeout)
