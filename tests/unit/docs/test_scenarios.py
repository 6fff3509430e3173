# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/scenarios.md names tests and examples that exist, and every integration target."""
from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from ansible_collections.registryops.acr.plugins.modules import acr_import

ROOT = Path(__file__).resolve().parents[3]
TARGETS = ROOT / "tests/integration/targets"
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in (ROOT / "docs/scenarios.md").read_text().splitlines()
    if line.startswith("|") and "`tests/" in line
]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_what_is_named_exists(row: list[str]) -> None:
    path, _colons, name = row[-1].strip("`").partition("::")
    if name:
        assert re.search(rf"^def {name}\(", (ROOT / path).read_text(), re.M), row[-1]
    else:
        assert (ROOT / path / "tasks/main.yml").is_file(), row[-1]
    if len(row) == 3:
        assert row[1] in {task["name"] for task in yaml.safe_load(acr_import.EXAMPLES)}


def test_no_target_is_missing() -> None:
    named = {row[-1].strip("`").rpartition("/")[2] for row in ROWS if "/targets/" in row[-1]}
    # acr_manifest_info imports nothing; setup_* is what the others share.
    assert named == {path.name for path in TARGETS.iterdir()} - {"acr_manifest_info", "setup_import"}
