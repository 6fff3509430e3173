# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Unit tests mirror plugins/: a file each, at the same place."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PLUGINS, TESTS = ROOT / "plugins", ROOT / "tests/unit/plugins"


def test_each_plugin_file_that_holds_code_has_its_unit_tests_and_each_unit_test_its_plugin_file() -> None:
    wanted = set()
    for path in PLUGINS.rglob("*.py"):
        if any(isinstance(node, ast.FunctionDef) for node in ast.walk(ast.parse(path.read_text()))):
            # A package's own code is tested beside the package, and names lose the underscore that makes them private.
            place = (path.parent if path.name == "__init__.py" else path.with_suffix("")).relative_to(PLUGINS)
            *folders, name = (part.lstrip("_") for part in place.parts)
            wanted.add("/".join([*folders, "test_{0}.py".format(name)]))
    assert {str(path.relative_to(TESTS)) for path in TESTS.rglob("test_*.py")} == wanted
