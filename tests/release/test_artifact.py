# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The artifact: what is in it, that Galaxy takes it, and that builders of execution environments find what it needs."""
from __future__ import annotations

import json
import re
import tarfile
from pathlib import Path

import yaml

from tests.playbook import ANSIBLE_BIN, ROOT
from tests.release.conftest import Release, clean, run, sources

VERSION = yaml.safe_load((ROOT / "galaxy.yml").read_text())["version"]
FOLDERS = ("docs/", "meta/", "playbooks/", "plugins/", "roles/")
FILES = ("CHANGELOG.rst", "LICENSE", "README.md", "bindep.txt", "changelogs/changelog.yaml", "requirements.txt")


def test_it_holds_what_users_run_and_nothing_else(release: Release) -> None:
    with tarfile.open(release.artifact) as archive:
        held = {member.name for member in archive.getmembers() if member.isfile()}
    wanted = {name for name in sources() if name.startswith(FOLDERS) or name in FILES}
    assert held - wanted == {"MANIFEST.json", "FILES.json"}, "what users don't run belongs under build_ignore in galaxy.yml"
    assert wanted <= held
    assert not [name for name in held if name.endswith((".pyc", ".orig", ".rej", ".swp"))]


def test_the_version_stands_in_one_place() -> None:
    """Documentation says since when something is there; nothing else repeats the version."""
    pattern = re.compile(rf"(?<![\w.]){re.escape(VERSION)}(?![\w.])")
    for name in sources():
        if name == "galaxy.yml" or name.startswith(("changelogs/", "tests/", "docs/")) or name == "CHANGELOG.rst":
            continue
        for line in (ROOT / name).read_text(encoding="utf-8").splitlines():
            assert not pattern.search(line) or "version_added:" in line, f"{name} repeats the version: {line.strip()}"


def test_the_changelog_is_ready(release: Release, tmp_path: Path) -> None:
    changelog = ANSIBLE_BIN / "antsibull-changelog"
    env = clean(tmp_path, ANSIBLE_COLLECTIONS_PATH=str(release.tree.parents[2]))
    run(changelog, "lint", cwd=release.tree, env=env)
    kept = release.tree / "changelogs/changelog.yaml"
    out = VERSION in yaml.safe_load(kept.read_text())["releases"]
    run(changelog, "release", *(["--update-existing"] if out else []), cwd=release.tree, env=env)
    text = (release.tree / "CHANGELOG.rst").read_text()
    assert f"v{VERSION}" in text and "Release Summary" in text
    entry = yaml.safe_load(kept.read_text())["releases"][VERSION]
    assert entry["changes"]["release_summary"]
    if not out:
        modules = (ROOT / "plugins/modules").glob("acr_*.py")
        added = {path.stem for path in modules if f"version_added: {VERSION}" in path.read_text()}
        assert added == {module["name"] for module in entry.get("modules", [])}
    run(changelog, "lint-changelog-yaml", kept, cwd=release.tree, env=env)


def test_galaxy_takes_it_without_a_warning(release: Release, tmp_path: Path) -> None:
    output = run(
        ANSIBLE_BIN / "python", "-m", "galaxy_importer.main", release.artifact, cwd=tmp_path, env=clean(tmp_path)
    )
    assert "ansible-lint run complete" in output and "Importer processing completed successfully" in output, output
    assert not re.findall(r"^(?:WARNING|ERROR|CRITICAL).*", output, re.M), output


def test_an_execution_environment_gets_what_it_needs(release: Release, tmp_path: Path) -> None:
    """ansible-builder reads it from the collection; test_readme.py installs exactly this into an empty environment."""
    builder, env = ANSIBLE_BIN / "ansible-builder", clean(tmp_path)
    found = yaml.safe_load(run(builder, "introspect", release.installed, env=env))
    asked = (ROOT / "requirements.txt").read_text().split()
    assert [line.split("#")[0].strip() for line in found["python"]] == asked and len(asked) == 3
    assert found["system"] == []
    definition = release.collection / "playbooks/awx/execution-environment.yml"
    run(builder, "create", "--file", definition, "--context", tmp_path / "context", "--output-filename", "Containerfile", env=env)
    build = tmp_path / "context/_build"
    assert yaml.safe_load((build / "requirements.yml").read_text()) == {"collections": ["registryops.acr"]}
    containerfile = (tmp_path / "context/Containerfile").read_text()
    assert "ansible-galaxy collection install" in containerfile and "introspect" in containerfile
    # Builder's default image is no longer made, and pip takes an old ansible-core where Python is too old for a new one.
    assert "ansible-runner:latest" not in containerfile and 'PYCMD="/usr/bin/python3.12"' in containerfile
    assert "ansible-core>=2.16" in containerfile


def test_ansible_lists_it_once_it_is_installed(release: Release, tmp_path: Path) -> None:
    env = clean(tmp_path, ANSIBLE_COLLECTIONS_PATH=str(release.installed), PYTHONDONTWRITEBYTECODE="1")
    run(ANSIBLE_BIN / "ansible-galaxy", "collection", "verify", "--offline", "registryops.acr", env=env, cwd=tmp_path)
    for kind, folder in (("module", "modules"), ("inventory", "inventory"), ("lookup", "lookup"), ("filter", "filter")):
        shown = run(ANSIBLE_BIN / "ansible-doc", "--json", "-t", kind, "-l", "registryops.acr", env=env, cwd=tmp_path)
        listed = json.loads(shown)
        names = {path.stem for path in (ROOT / "plugins" / folder).glob("[!_]*.py")}
        assert set(listed) == {f"registryops.acr.{name}" for name in names} and all(listed.values())
