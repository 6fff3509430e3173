# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When to list, and when to ask for each thing by itself."""

from __future__ import annotations

import pytest

from ansible_collections.registryops.acr.plugins.module_utils._listing import FEW, asking_pays, listing_pays


@pytest.mark.parametrize(
    ("wanted", "total", "pays"),
    [(3, 10, False), (4, 10, True), (4, 1100, False), (5, 1100, True), (79, 20_000, False), (80, 20_000, True)],
)
def test_d6_a_listing_pays_where_its_pages_cost_less_than_what_is_asked_for(wanted: int, total: int, pays: bool) -> None:
    """A page of 1,000 costs about as much as four requests."""
    assert listing_pays(wanted, lambda: total) is pays


def test_few_things_are_asked_for_without_a_look_at_how_many_there_are() -> None:
    assert not listing_pays(FEW, lambda: pytest.fail("the count is a request, too"))


@pytest.mark.parametrize(
    ("total", "missing", "direct"), [(1000, 1, False), (1001, 1, False), (1300, 1, True), (2000, 3, True), (2000, 4, False)]
)
def test_four_requests_cost_as_much_as_a_page(total: int, missing: int, direct: bool) -> None:
    assert asking_pays(total, missing) is direct
