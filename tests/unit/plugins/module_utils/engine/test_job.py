# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The states of an import, as its targets land and end."""

from __future__ import annotations

import pytest

from ansible_collections.registryops.acr.plugins.module_utils._engine._job import Job, State, pause
from ansible_collections.registryops.acr.plugins.module_utils._errors import AcrError
from ansible_collections.registryops.acr.plugins.module_utils._plan import Import
from tests.unit.plugins.planes import item


def job(*targets: str) -> Job:
    items = tuple(item(target) for target in targets)
    return Job(Import(items[0].desired.origin, "NoForce", items))


@pytest.mark.parametrize(("state", "then"), [(State.UNDER_WAY, State.UNDER_WAY), (State.PAUSED, State.CHECKING)])
def test_when_all_has_landed_azure_is_asked_on_but_nothing_is_sent_any_more(state: State, then: State) -> None:
    one = job("a:1", "b:1")
    one.state = state
    first, second = one.left
    one.landed(first)
    assert (one.state, one.left, one.checking) == (state, [second], [first])
    one.landed(second)
    assert (one.state, one.left, one.checking) == (then, [], [first, second])


def test_an_import_is_over_when_nothing_is_left_and_nothing_is_checked() -> None:
    one = job("a:1", "b:1")
    first, second = one.left
    one.landed(first)
    one.drop(second)
    assert one.state is State.CHECKING
    one.drop(first)
    assert one.state is State.OVER


def test_a_next_try_forgets_what_was_seen() -> None:
    one = job("a:1", "b:1")
    first, second = one.left
    second.unread, one.succeeded = AcrError("denied", "No."), 1.0
    one.landed(first)
    one.reset()
    assert second.unread is one.succeeded is None and one.left == [second] and one.checking == [first]


def test_a_job_for_a_part_knows_what_has_happened() -> None:
    one = job("a:1", "b:1")
    one.tries, one.started, one.accepted, one.uncertain, one.repaired = 3, 7.0, True, True, True
    failure = AcrError("denied", "No.")
    part = one.again(one.work._replace(items=one.work.items[1:]), failure)
    assert (part.tries, part.since, part.accepted, part.uncertain, part.repaired, part.failure) == (3, 7.0, True, True, True, failure)
    assert [str(pending.item.target) for pending in part.left] == ["b:1"] and part.left[0].job is part


@pytest.mark.parametrize(("elapsed", "seconds"), [(0.0, 0.2), (2.0, 0.2), (10.0, 1.0), (1000.0, 2.0)])
def test_the_longer_something_is_expected_the_rarer_it_is_looked_for(elapsed: float, seconds: float) -> None:
    assert pause(elapsed) == seconds
