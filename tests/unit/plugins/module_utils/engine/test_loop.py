# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Work goes to threads, and what follows comes back to ours."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from ansible_collections.registryops.acr.plugins.module_utils._engine._loop import Loop, Threads
from ansible_collections.registryops.acr.plugins.module_utils._errors import AcrError, IdentityError
from tests.unit.plugins.virtual import Virtual


def failing(error: BaseException) -> Any:
    raise error


def test_work_is_done_on_another_thread_and_what_follows_on_ours() -> None:
    loop, found = Loop(Threads()), []
    loop.do(loop.pool(1), threading.get_ident, lambda value, error: found.append((value, error, threading.get_ident())))
    loop.take(10.0, 0.0, lambda: bool(found))
    loop.close()
    [(worker, error, ours)] = found
    assert worker != ours == threading.get_ident() and error is None


def test_failures_are_handed_over_and_a_failed_sign_in_is_told_first() -> None:
    loop, found = Loop(Virtual()), []
    told: list[AcrError] = []
    refused = AcrError("denied", "No.")
    loop.signed_out = lambda error: told.append(error) or refused
    pool = loop.pool(1)
    for error in (refused, IdentityError("Signing in failed.")):
        loop.do(pool, lambda error=error: failing(error), lambda value, error: found.append((value, error)))
    loop.take(10.0, loop.now() + 1.0, lambda: len(found) == 2)
    assert found == [(None, refused), (None, refused)]
    assert [(error.reason, str(error)) for error in told] == [("sign_in", "Signing in failed.")]


def test_a_fault_of_ours_ends_the_run() -> None:
    loop = Loop(Virtual())
    loop.do(loop.pool(1), lambda: failing(KeyError("x")), lambda value, error: None)
    with pytest.raises(KeyError):
        loop.take(10.0, 0.0, lambda: False)


def test_events_are_waited_for_so_long_and_those_that_follow_soon_are_taken_along() -> None:
    threads = Virtual()
    loop, found = Loop(threads), []

    def things() -> Any:
        for number in range(4):
            threads.sleep(1.0)
            yield number

    loop.feed(things(), found.append, lambda: found.append("end"))
    loop.take(0.5, threads.now(), lambda: False)
    assert found == [] and threads.now() == 1000.5
    loop.take(5.0, 1002.5, lambda: False)
    assert found == [0, 1] and threads.now() == 1002.5
    loop.take(5.0, 1010.0, lambda: 2 in found)
    assert found == [0, 1, 2] and threads.now() == 1003.0
    loop.take(5.0, 1010.0, lambda: False)
    assert found == [0, 1, 2, 3, "end"]


def test_what_has_not_begun_when_the_loop_closes_never_does() -> None:
    threads = Virtual()
    loop, begun = Loop(threads), []
    pool = loop.pool(1)
    for number in range(3):
        loop.do(pool, lambda number=number: begun.append(number) or threads.sleep(5.0), lambda value, error: None)
    loop.take(1.0, 0.0, lambda: False)
    loop.close()
    threads.finish()
    assert begun == [0]
