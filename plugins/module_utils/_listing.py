# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether to list what a repository of an Azure registry holds, or to ask for each thing by itself. Pure; the one place that
knows."""

from __future__ import annotations

from typing import Callable

PAGE = 1000  # the most that Azure puts on one page
REQUESTS_PER_PAGE = 4  # a page of 1,000 entries costs about as much as this many single requests
FEW = 3  # up to this many things are always asked for one by one


def asking_pays(total: int, missing: int) -> bool:
    """Whether asking for *missing* things one by one is cheaper than reading on after the first page of *total*."""
    return missing * PAGE < (total - PAGE) * REQUESTS_PER_PAGE


def listing_pays(wanted: int, total: Callable[[], int]) -> bool:
    """Whether a listing takes less than asking for each of *wanted* things. *total* finds out how many it has."""
    return wanted > FEW and not asking_pays(total() + PAGE, wanted)  # all pages are still to come
