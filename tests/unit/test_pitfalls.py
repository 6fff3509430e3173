# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every pitfall has a test, and docs/pitfalls.md names exactly those that there are."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_each_pitfall_is_tested_and_listed() -> None:
    tests = {
        name: int(number)
        for path in (ROOT / "tests").rglob("test_*.py")
        for name, number in re.findall(r"^def (test_pitfall_(\d\d)_\w+)\(", path.read_text(), re.MULTILINE)
    }
    assert set(tests.values()) == set(range(1, 31))
    rows = re.findall(r"^\| (\d+) \| (.+) \| (.+) \|$", (ROOT / "docs/pitfalls.md").read_text(), re.MULTILINE)
    assert [int(number) for number, _text, _names in rows] == list(range(1, 31))
    listed = {name: int(number) for number, _text, names in rows for name in re.findall(r"`(\w+)`", names)}
    assert listed == tests
