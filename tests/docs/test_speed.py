# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The README tells of speed what `make bench` has written down."""
from __future__ import annotations

import re

import pytest

from tests.playbook import ROOT

README = (ROOT / "README.md").read_text()
RESULTS = (ROOT / "docs/benchmarks/results.md").read_text()


def rows(text: str) -> list[list[str]]:
    """The cells of all lines of tables."""
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]


def measured(case: str, again: bool = False) -> float:
    """The seconds of the first line that begins with ``case``, or of "the same again" below it."""
    left = iter(rows(RESULTS))
    cells = next(cells for cells in left if cells[0].startswith(case))
    if again:
        cells = next(cells for cells in left if cells[0].startswith("the same again, nothing to do"))
    return float(cells[1].split(" ")[0])


def found(pattern: str, text: str) -> str:
    """What the pattern's group matches, where it first does."""
    match = re.search(pattern, text)
    assert match, pattern
    return match.group(1)


ALLOWED = float(found(r"what the write limit allows \((\d+\.\d+) s\)", RESULTS))


@pytest.mark.parametrize(
    ("what", "figures"),
    [
        ("one image, whole playbook", [measured("acr_import, one image"), measured("az acr import, one image")]),
        ("ten images in one task", [measured("acr_mirror, 10"), measured("az acr import in a loop, 10")]),
        ("1,706 tags of 600 images, with Azure's limits", [measured("1,706 tags"), ALLOWED]),
        ("the same again, nothing to do", [measured("1,706 tags", again=True)]),
        ("5,000 images from one Azure registry to another", [measured("5,000"), measured("5,000", again=True)]),
    ],
)
def test_the_readme_rounds_what_was_measured(what: str, figures: list[float]) -> None:
    told = next(cells[1] for cells in rows(README) if cells[0] == what)
    numbers = re.findall(r"\d+(?:\.\d+)?", told)
    assert len(numbers) == len(figures)
    for number, figure in zip(numbers, figures):
        assert number == f"{figure:.{len(number.partition('.')[2])}f}"


def test_on_the_same_machine() -> None:
    assert found(r"on (\d+) cores", README) == found(r"on (\d+) cores", RESULTS)
