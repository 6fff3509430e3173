# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What may leave quarantine, by what is in it and for how long."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.registryops.acr.plugins.module_utils._quarantine import Kept, Quarantine, Shelf, Verdict, name_for
from ansible_collections.registryops.acr.plugins.module_utils._reference import InvalidReference, is_tag
from tests.unit.plugins.held import digest

A, B, C, D = (digest(number) for number in (1, 2, 3, 4))
DAY = 86400.0
RULE = Quarantine(3 * 86400, "quarantine/")


def shelf(*tags: tuple[Any, ...], tag: str = "1.27") -> Shelf:
    """Of digests since that day, and last seen at the source on that day (by default, the same)."""
    return Shelf(Kept(name_for(tag, one), one, days[0] * DAY, days[-1] * DAY) for one, *days in tags)


def judge(on: Shelf, day: float, wanted: str, shown: str | None = None, came: float = -1.0, **facts: Any) -> Verdict:
    return on.judge(RULE, day * DAY, "1.27", wanted, shown, came * DAY, **facts)


@pytest.mark.parametrize(
    ("on", "day", "wanted", "shown", "expected"),
    [
        (shelf(), 9, A, None, Verdict(waits=A, ready=12 * DAY, note=True)),
        (shelf((A, 1)), 3, A, None, Verdict(waits=A, ready=4 * DAY)),
        (shelf((A, 1)), 4, A, None, Verdict(A)),
        (shelf((A, 1)), 9, A, A, Verdict()),
        (shelf(), 9, A, A, Verdict()),
        # A tag that moves: the newest that is old enough.
        (shelf((A, 1), (B, 2), (C, 3)), 5, D, None, Verdict(B, note=True)),
        (shelf((A, 1), (B, 2), (C, 3)), 5, C, A, Verdict(B)),
        (shelf((A, 1), (B, 2), (C, 3)), 5, C, B, Verdict(waits=C, ready=6 * DAY)),
        (shelf((A, 1), (B, 2), (C, 3)), 5, D, B, Verdict(waits=C, ready=6 * DAY, note=True)),
        (shelf((A, 1), (B, 2), (C, 3)), 5, D, C, Verdict(waits=D, ready=8 * DAY, note=True)),  # brought in by other means
        # What the source went back to comes first, and what it left is not newer any more.
        (shelf((A, 1), (B, 2)), 9, A, B, Verdict(A, note=True)),
        (shelf((A, 1), (B, 2)), 3, A, A, Verdict(note=True)),
        (shelf((A, 1, 3), (B, 2)), 5.5, C, A, Verdict(waits=C, ready=8.5 * DAY, note=True)),
        (shelf((A, 1, 3), (B, 2)), 5.5, A, A, Verdict()),
    ],
)
def test_what_a_target_may_get(on: Shelf, day: float, wanted: str, shown: str | None, expected: Verdict) -> None:
    assert judge(on, day, wanted, shown) == expected


def test_nothing_goes_back_behind_what_came_by_other_means() -> None:
    on = shelf((A, 1), (B, 2), (C, 3))
    assert judge(on, 6, digest(9), D, came=2.5).promote == C
    assert judge(on, 6, digest(9), D, came=3.5) == Verdict(waits=digest(9), ready=9 * DAY, note=True)


def test_who_names_a_digest_gets_no_other() -> None:
    assert judge(shelf((A, 1)), 9, B, moving=False) == Verdict(waits=B, ready=12 * DAY, note=True)
    assert judge(shelf((A, 1), (B, 2)), 9, A, B, moving=False) == Verdict(A), "nor is it noted what it named last"


def test_what_is_blocked_meanwhile_stays_where_it_is() -> None:
    on = shelf((A, 1), (B, 2))
    assert judge(on, 6, C, blocked={B}).promote == A
    assert judge(on, 6, C, blocked={A, B}) == Verdict(waits=C, ready=9 * DAY, note=True)


def test_a_digest_waits_once_for_all_tags() -> None:
    on = shelf((A, 1), tag="latest")
    assert judge(on, 3, A) == Verdict(waits=A, ready=4 * DAY, note=True)
    assert judge(on, 4, A) == Verdict(A)
    assert judge(on, 9, B) == Verdict(waits=B, ready=12 * DAY, note=True), "but it was never the other tag's"
    assert on.judge(RULE, 4 * DAY, None, A, None) == Verdict(A), "without a tag, too"
    assert on.judge(RULE, 3 * DAY, None, A, None) == Verdict(waits=A, ready=4 * DAY, note=True)


def test_a_name_that_tells_of_another_digest_proves_nothing() -> None:
    """Somebody has moved that tag, which keeps the time when it was made."""
    on = Shelf([Kept(name_for("1.27", A), B, 0.0, 0.0), Kept("1.27", B, 0.0, 0.0)])
    assert judge(on, 9, B) == Verdict(waits=B, ready=12 * DAY, note=True)
    assert judge(on, 9, A) == Verdict(waits=A, ready=12 * DAY, note=True)


def test_names_are_tags_that_tell_tag_and_digest_apart() -> None:
    tags = [None, "1.27", "1.27.0", "_", "a" * 63, "a" * 64, "a" * 128, "a" * 127 + "b"]
    digests = [A, B, "sha512:" + "1" * 128, "sha512:" + "2" * 128]
    names = {name_for(tag, one) for tag in tags for one in digests}
    assert len(names) == len(tags) * len(digests) and all(map(is_tag, names))
    assert name_for("1.27", A) == "1.27." + A.partition(":")[2]


@pytest.mark.parametrize(("age", "seconds"), [("72h", 259200), ("3d", 259200), ("90m", 5400), (" 1h ", 3600)])
def test_ages(age: str, seconds: int) -> None:
    assert Quarantine.of({"min_age": age}) == Quarantine(seconds, "quarantine/")


def test_no_quarantine() -> None:
    assert Quarantine.of(None) is Quarantine.of({"min_age": "0h", "prefix": "q/"}) is None


@pytest.mark.parametrize("age", ["72", "72 h", "72H", "1w", "-1h", "1.5h", "3d12h", "", None, "999999d"])
def test_other_ages_are_refused(age: Any) -> None:
    with pytest.raises(InvalidReference, match="min_age must be a number of minutes, hours or days, such as 90m, 72h or 3d, not"):
        Quarantine.of({"min_age": age})


@pytest.mark.parametrize("prefix", ["Quarantine/", "/", "q:", "q/{host}/", "a b/"])
def test_prefixes_that_lead_nowhere(prefix: str) -> None:
    with pytest.raises(InvalidReference):
        Quarantine.of({"min_age": "72h", "prefix": prefix})
