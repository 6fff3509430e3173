# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shape of the code: imports run downward, nothing pure does input or output, classes stay small enough to be read."""

from __future__ import annotations

import ast
import re
from pathlib import Path

PLUGINS = Path(__file__).resolve().parents[2] / "plugins"
UTILS = PLUGINS / "module_utils"
# From the top down: each may import what stands below it, and nothing beside or above. In one row: they don't know each other.
LAYERS = """
_module _mirror
_planner
_expand _permissions _resolver _waiting
_engine _immutable _manifests _sources
_azure _page _referrers _report _target _vetting
_arm _source
_acr _containers _operations _platforms
_arm_client _lockfile _registry _workloads
_authorization _dockerfile _identity _options _yaml
_http _manifest _places _plan _refusals _resource _select
_arguments _blocked _quarantine
_diagnosis _pace _reference _untrusted
_signatures
_credentials _errors _listing _progress
""".strip().split("\n")
PURE = (
    "_containers _dockerfile _places _workloads _yaml "
    "_lockfile _plan _arguments _options _blocked _quarantine _select _reference _errors _diagnosis _manifest _untrusted "
    "_refusals _resource _credentials _listing _signatures"
).split()
IO = {"requests", "urllib3", "threading", "concurrent", "azure", "os", "time"}
LARGEST = 250  # lines of a class
IGNORED = 5  # lines that the type checker is told to leave alone


def files() -> dict[str, list[Path]]:
    """The files of each helper: a package is one helper."""
    found: dict[str, list[Path]] = {}
    for path in sorted(UTILS.rglob("*.py")):
        found.setdefault(path.relative_to(UTILS).parts[0].removesuffix(".py"), []).append(path)
    return found


def imported(path: Path) -> set[str]:
    """The helpers that a file imports, at its top or later."""
    depth = len(path.relative_to(UTILS).parts)
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.level == depth:
            found |= {node.module.split(".")[0]} if node.module else {name.name for name in node.names}
    return found


def test_imports_run_downward() -> None:
    rank = {name: number for number, row in enumerate(LAYERS) for name in row.split()}
    assert set(rank) == set(files()), "each helper has its layer"
    upward = {
        f"{name} → {other}"
        for name, paths in files().items()
        for path in paths
        for other in imported(path) - {name}
        if rank[other] <= rank[name]
    }
    assert upward == set()


def at_its_top(path: Path) -> tuple[set[str], set[str]]:
    """What is loaded with a file: helpers, and the first parts of all other modules."""
    helpers, others = set(), set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ImportFrom) and node.level:
            module = (node.module or "").removeprefix("module_utils").strip(".")
            helpers |= {module.split(".")[0]} if module else {name.name for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            others.add((node.module or "").split(".")[0])
        elif isinstance(node, ast.Import):
            others |= {name.name.split(".")[0] for name in node.names}
    return helpers, others


def test_a_module_signs_in_before_it_loads_the_rest() -> None:
    """Until then nobody waits for an answer, so that all that is loaded takes its full time."""
    helpers = files()
    for module in (PLUGINS / "modules").glob("*.py"):
        left, loaded = at_its_top(module)[0], set()
        while left:
            name = left.pop()
            loaded.add(name)
            for path in helpers[name]:
                left |= (at_its_top(path)[0] & set(helpers)) - loaded
        assert {"_module", "_identity"} <= loaded
        assert not loaded & {"_azure", "_arm", "_registry", "_mirror", "_manifests", "_engine"}, module.name


def test_libraries_are_loaded_where_they_are_needed() -> None:
    for path in UTILS.rglob("*.py"):
        assert not at_its_top(path)[1] & {"requests", "urllib3", "azure", "msal", "cryptography", "yaml"}, path.name


def test_contributing_shows_each_helper_in_a_row_that_imports_itself_or_rows_below() -> None:
    table = (PLUGINS.parent / "CONTRIBUTING.md").read_text().partition("## The helpers")[2].partition("\n## ")[0]
    rows = [re.findall(r"`(_\w+)/?`", line) for line in table.splitlines() if line.startswith("|")]
    shown = {name: number for number, row in enumerate(rows) for name in row}
    assert sorted(name for row in rows for name in row) == sorted(files())
    pairs = {(name, other) for name, paths in files().items() for path in paths for other in imported(path)}
    assert {f"{name} → {other}" for name, other in pairs if shown[other] < shown[name]} == set()


def test_what_is_pure_does_no_input_or_output() -> None:
    for name in PURE:
        for path in files()[name]:
            for node in ast.walk(ast.parse(path.read_text())):
                modules = [a.name for a in node.names] if isinstance(node, ast.Import) else []
                modules += [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
                assert not {module.split(".")[0] for module in modules} & IO, f"{path.name} imports {modules}"
            assert imported(path) <= set(PURE), f"{path.name} imports what is not pure: {imported(path) - set(PURE)}"


def test_classes_are_small_enough_to_be_read() -> None:
    sizes = {
        f"{path.name} {node.name}": (node.end_lineno or 0) - node.lineno + 1
        for path in PLUGINS.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
    }
    assert {name: size for name, size in sizes.items() if size > LARGEST} == {}


def test_the_type_checker_is_told_to_look_away_only_with_a_reason() -> None:
    found = [line for path in PLUGINS.rglob("*.py") for line in path.read_text().splitlines() if "type: ignore" in line]
    assert len(found) <= IGNORED
    assert [line for line in found if not re.search(r"# type: ignore\[[\w, -]+\]  # \w", line)] == []
