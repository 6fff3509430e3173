# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Sources that let Azure pull no more: who tries again, who waits, and what opens a source again."""

from __future__ import annotations

from ansible_collections.registryops.acr.plugins.module_utils._errors import ImportFailed
from ansible_collections.registryops.acr.plugins.module_utils._plan import Item, Observed
from tests.unit.plugins.planes import LOCKED, PASSING, Azure, item

THROTTLED = ImportFailed("throttled", "quay.io limits how often Azure may pull from it.", status=400, throttled_source=True)
DIGESTS = ["sha256:{0:064x}".format(number) for number in range(30)]


def imported(azure: Azure, number: int) -> int:
    """Which image the import of this number is for."""
    return DIGESTS.index(azure.bodies[number]["source"]["sourceImage"].rpartition("@")[2])


def items(quay: int, docker: int) -> list[Item]:
    hosts = ["quay.io"] * quay + ["docker.io"] * docker
    return [item("a{0}:1".format(number), DIGESTS[number], host) for number, host in enumerate(hosts)]


def gaps(times: list[float]) -> list[int]:
    return [round(later - earlier) for earlier, later in zip(times, times[1:])]


def test_d1_of_a_source_that_lets_azure_pull_no_more_one_image_tries_for_all() -> None:
    azure = Azure()
    azure.lands = lambda number, target: imported(azure, number) >= 20
    azure.ends = lambda number: THROTTLED if imported(azure, number) < 20 else None
    found = azure.run(*items(20, 10))
    assert [number for number, one in enumerate(found) if one.error] == list(range(20))
    assert {str(one.error) for one in found[:20]} == {str(THROTTLED)} and all(one.changed for one in found)
    assert len(azure.bodies) == 30 + 4, "each once, and one of them four times more"
    assert gaps(azure.begun[29:]) == [12, 16, 28, 64], "each pause three times the last"


def test_d1_a_source_that_is_open_again_is_pulled_from_by_all() -> None:
    azure = Azure()
    azure.lands = lambda number, target: number >= 30
    azure.ends = lambda number: THROTTLED if number < 30 else None
    found = azure.run(*items(30, 0))
    assert all(one.error is None for one in found) and len(azure.bodies) == 60
    assert gaps(azure.begun[29:32]) == [12, 0], "the others follow as soon as one has landed"


def test_d1_a_source_is_open_again_when_azure_says_so_if_nobody_looks() -> None:
    azure = Azure()
    azure.ends = lambda number: THROTTLED if number < 3 else None
    found = azure.run(*items(3, 0), verified=False)
    assert all(one.error is None for one in found) and gaps(azure.begun) == [0, 0, 12, 10, 0]


def test_d1_what_was_pulled_before_a_source_refused_does_not_open_it_again() -> None:
    """Ten imports end one by one, long after ten others were refused: each end is no reason to try all of these again."""
    azure = Azure()

    def end(number: int) -> Exception | None:
        one = imported(azure, number)
        if one >= 10:
            return THROTTLED
        azure.time.sleep(2.0 * one)
        azure.hold("a{0}".format(one), "1", DIGESTS[one])
        return None

    azure.lands, azure.ends = (lambda number, target: False), end
    found = azure.run(*items(20, 0))
    assert [number for number, one in enumerate(found) if one.error] == list(range(10, 20))
    assert len(azure.bodies) == 20 + 4


def test_d1_when_the_one_that_tries_ends_otherwise_the_next_one_tries() -> None:
    azure = Azure()
    azure.lands = lambda number, target: number > 4
    azure.ends = lambda number: THROTTLED if number < 3 else LOCKED if number == 3 else THROTTLED if number == 4 else None
    found = azure.run(*items(3, 0))
    assert found[0].error is LOCKED and found[1].error is found[2].error is None
    assert [imported(azure, number) for number in range(len(azure.bodies))] == [0, 1, 2, 0, 1, 1, 2]


def test_d1_what_is_planned_after_a_source_was_given_up_gets_one_try() -> None:
    azure = Azure()
    azure.lands = lambda number, target: False
    azure.ends = lambda number: THROTTLED

    def later() -> object:
        azure.time.wait(lambda: len(azure.bodies) == 5)
        azure.time.sleep(100.0)
        yield items(2, 0)[1:]

    found = azure.run(items(1, 0)[0], more=later())
    assert [one.error for one in found] == [THROTTLED, THROTTLED] and len(azure.bodies) == 6


def test_d1_a_source_is_not_waited_for_beyond_the_deadline() -> None:
    azure = Azure()
    errors = [THROTTLED.but("quay.io refuses number {0}.".format(number)) for number in range(3)]
    azure.lands = lambda number, target: False
    azure.ends = lambda number: errors[imported(azure, number)]
    found = azure.run(*items(3, 0), deadline=azure.time.now() + 25.0)
    assert [one.error for one in found] == errors and len(azure.bodies) == 4


def test_what_was_started_after_the_last_refusal_and_is_pulled_opens_a_source() -> None:
    """Its turn came late, so it was sent although others had been refused."""
    azure = Azure()
    azure.refuses = lambda number: azure.time.sleep(15.0) if number == 2 else None
    azure.lands = lambda number, target: number in (2, 4, 5)
    azure.ends = lambda number: THROTTLED if number in (0, 1, 3) else None
    found = azure.run(*items(3, 0))
    assert all(one.error is None for one in found)
    assert [imported(azure, number) for number in range(len(azure.bodies))] == [0, 1, 2, 0, 1, 0]
    assert gaps(azure.begun)[3:] == [5, 7], "the second one as soon as the third has landed"


def test_what_a_look_finds_of_an_import_that_waits_for_its_source_is_left_to_its_next_try() -> None:
    azure = Azure()
    real = azure.shown

    def shown(repository: str, tag: str, *, hoped: str | None = None) -> Observed:
        azure.time.sleep(13.0 if repository == "a0" else 10.5)  # until the other one has its next try, or just has failed
        return real(repository, tag)

    azure.shown = shown
    azure.ends = lambda number: THROTTLED if number < 2 else None
    found = azure.run(*items(2, 0))
    assert all(one.error is None for one in found) and azure.targets == [["a0:1"], ["a1:1"], ["a0:1"], ["a1:1"]]


def test_what_waits_for_a_source_keeps_its_own_failure_and_pause() -> None:
    """One fails for a passing reason while another finds out about their source."""
    azure = Azure()
    azure.lands = lambda number, target: number > 1
    azure.ends = lambda number: [THROTTLED, PASSING][number] if number < 2 else None
    found = azure.run(*items(2, 0))
    assert all(one.error is None for one in found) and len(azure.bodies) == 4
