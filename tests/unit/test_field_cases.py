# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every field case has a test, and docs/field-cases.md names exactly those that there are."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CASES = [f"{kind}{number}" for kind, count in (("A", 13), ("B", 10), ("C", 8), ("D", 7), ("E", 14)) for number in range(1, count + 1)]


def test_each_field_case_is_tested_and_listed() -> None:
    tests = {
        name: case.upper()
        for path in (ROOT / "tests").rglob("test_*.py")
        for name, case in re.findall(r"^def (test_([a-e]\d+)_\w+)\(", path.read_text(), re.MULTILINE)
    }
    assert set(tests.values()) == set(CASES)
    page = (ROOT / "docs/field-cases.md").read_text()
    rows = re.findall(r"^\| ([A-E]\d+) \| (.+) \| (.+) \| (.+) \|$", page, re.MULTILINE)
    assert [case for case, *_texts, _names in rows] == CASES
    listed = {name: case for case, *_texts, names in rows for name in re.findall(r"`(test_\w+)`", names)}
    assert listed == tests
