# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people read while a run goes on."""
from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.registryops.acr.plugins.module_utils._progress import line

RUN = {"total": 200, "done": 0, "failed": 0, "in_flight": 160, "seconds": 4.0}


@pytest.mark.parametrize(
    ("numbers", "expected"),
    [
        ({}, "reading the registries (6 s)"),
        ({**RUN, "total": 0, "in_flight": 0}, "reading the registries (6 s)"),
        (RUN, "0 of 200 done, 160 in flight (6 s)"),
        # The first ones tell nothing of those to come.
        ({**RUN, "done": 17, "failed": 2}, "17 of 200 done, 160 in flight, 2 failed (6 s)"),
        # Counted from when the reading was over.
        ({**RUN, "done": 38, "failed": 2}, "38 of 200 done, 160 in flight, 2 failed, 10.0 a second, about 16 s left"),
        ({**RUN, "done": 200, "in_flight": 0}, "200 of 200 done (6 s)"),
    ],
)
def test_line(numbers: dict[str, Any], expected: str) -> None:
    assert line(numbers, 6.2) == expected
