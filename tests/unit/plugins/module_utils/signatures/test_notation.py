# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each case of the table that is in one of these formats: what it proves, or why it doesn't."""

from __future__ import annotations

import pytest

from tests.signing.cases import check


@pytest.mark.parametrize("form", ["jws", "cose"])
def test_what_counts_and_what_does_not(form: str) -> None:
    check(form, 25)
