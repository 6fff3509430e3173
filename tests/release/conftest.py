# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures for what is released: the artifact, and a place where it is installed."""
from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.playbook import ANSIBLE_BIN, ROOT, environment

PACKAGED = ROOT / ".build/packaged"  # collections of the package "ansible", see __main__.py


@dataclass
class Release:
    tree: Path  # a copy of the sources
    artifact: Path
    installed: Path  # a collections path that holds the artifact and nothing else

    @property
    def collection(self) -> Path:
        return self.installed / "ansible_collections/registryops/acr"


def run(*command: str | Path, env: dict[str, str] | None = None, **options: Any) -> str:
    """What a command prints; AssertionError, with that, when it fails."""
    options = {"timeout": 1800, "cwd": ROOT, **options}
    done = subprocess.run(
        [str(part) for part in command],
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        **options,
    )
    assert done.returncode == 0, f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout[-5000:]}"
    return done.stdout


OURS = ("ANSIBLE_COLLECTIONS_PATH", "ANSIBLE_HOME", "ANSIBLE_LOCAL_TEMP", "PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "VIRTUAL_ENV")


def clean(home: Path, **env: str) -> dict[str, str]:
    """An environment with an empty home and nothing of ours; not even the sources are found through it."""
    return {**{name: value for name, value in environment(home, {}).items() if name not in OURS}, **env}


def sources() -> list[str]:
    """The files that are, or are about to be, in the repository."""
    listed = run("git", "ls-files", "-co", "--exclude-standard", "-z").split("\0")
    return sorted(name for name in listed if name and (ROOT / name).is_file())


@pytest.fixture(scope="session")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    base = tmp_path_factory.mktemp("release")
    tree = base / "ansible_collections/registryops/acr"
    for name in sources():
        target = tree / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes((ROOT / name).read_bytes())
    galaxy = ANSIBLE_BIN / "ansible-galaxy"
    env = clean(base / "home")
    run(galaxy, "collection", "build", "--output-path", base, cwd=tree, env=env)
    (artifact,) = base.glob("*.tar.gz")
    assert artifact.name == f"registryops-acr-{yaml.safe_load((ROOT / 'galaxy.yml').read_text())['version']}.tar.gz"
    installed = base / "installed"
    run(galaxy, "collection", "install", "--offline", "--collections-path", installed, artifact, env=env)
    return Release(tree, artifact, installed)
