# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the README tells a newcomer to do, done: its commands, from a clean clone, with an empty home.

Against Azure they are run with the artifact in the name's place and the sandbox's environment; there, too, the only Python
packages are ansible-core and what the README has installed.
"""
from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.playbook import ROOT
from tests.release.conftest import Release, clean, run
from tests.sandbox.handle import Sandbox

FENCE = re.compile(r"^[ ]*```(?:sh|bash|shell|console)\n(.*?)^[ ]*```$", re.M | re.S)
INLINE = re.compile(r"(?<!`)`((?:ansible-galaxy|ansible-playbook|make|pip) [^`\n]+)`(?!`)")
BY_THE_SANDBOX = ("az", "export")  # it stands for Azure, and its variables are set
BY_THE_CLONE = ("git", "cd")


def commands(text: str) -> list[list[str]]:
    """The commands of code blocks and of code within sentences, in order, each in words."""
    found: list[tuple[int, str]] = [(match.start(), match.group(1)) for match in INLINE.finditer(text)]
    for match in FENCE.finditer(text):
        lines = match.group(1).replace("\\\n", " ").splitlines()
        found += [(match.start(), line.strip().removeprefix("$ ")) for line in lines]
    words = [shlex.split(line, comments=True) for _position, line in sorted(found, key=lambda entry: entry[0])]
    return [command for command in words if command]


def variables(text: str) -> str:
    """The block of YAML that the README has the newcomer write into a file."""
    blocks = [textwrap.dedent(match) for match in re.findall(r"^ *```yaml\n(.*?)^ *```$", text, re.M | re.S)]
    (found,) = [block for block in blocks if isinstance(yaml.safe_load(block), dict)]
    return found


@dataclass
class Newcomer:
    clone: Path
    env: dict[str, str]


@pytest.fixture(scope="module")
def newcomer(tmp_path_factory: pytest.TempPathFactory) -> Newcomer:
    base = tmp_path_factory.mktemp("newcomer")
    run("git", "clone", "--quiet", ROOT, base / "clone")
    (base / "home").mkdir()
    path = [part for part in os.environ["PATH"].split(":") if not part.startswith((str(ROOT), str(Path(sys.executable).parent)))]
    cache = subprocess.run([sys.executable, "-m", "pip", "cache", "dir"], capture_output=True, text=True, check=True)
    env = clean(base / "home", PATH=":".join(path), PIP_CACHE_DIR=cache.stdout.strip())
    return Newcomer(base / "clone", {name: value for name, value in env.items() if not name.startswith(("MAKE", "MFLAGS"))})


def test_the_demo(newcomer: Newcomer) -> None:
    told = [command for command in commands((newcomer.clone / "README.md").read_text()) if command[0] == "make"]
    assert ["make", "demo"] in told and ["make", "test"] in told, told
    output = run("make", "demo", cwd=newcomer.clone, env=newcomer.env)
    assert "All as it should be" in output, output
    for command in told:  # the others can't be run by a test of theirs, but they are there
        run(*command, "--dry-run", cwd=newcomer.clone, env=newcomer.env)


def test_against_azure(newcomer: Newcomer, sandbox: Sandbox, release: Release, tmp_path: Path) -> None:
    clone = newcomer.clone
    run(sys.executable, "-m", "venv", tmp_path / "venv")
    python = tmp_path / "venv/bin"
    run(python / "pip", "install", "--quiet", "ansible-core", env=newcomer.env)
    env = {**newcomer.env, **sandbox.env, "PATH": f"{python}:{newcomer.env['PATH']}"}
    direct = {name: value for name, value in env.items() if name not in sandbox.env}
    done = []
    text = (clone / "README.md").read_text()
    for command in commands(text):
        if command[0] in ("make", *BY_THE_SANDBOX, *BY_THE_CLONE):
            continue
        command = [word.replace("~", newcomer.env["HOME"], 1) if word.startswith("~") else word for word in command]
        if command[:3] == ["ansible-galaxy", "collection", "install"]:
            command = [str(release.artifact) if word == "registryops.acr" else word for word in command]
            assert str(release.artifact) in command, command
        if command[0] == "ansible-playbook":
            for word in command:
                if word.startswith("@"):
                    (clone / word[1:]).write_text(variables(text))
            looks = "--check" in command
            first, second = (run(*command, cwd=clone, env=env) for _time in range(2))
            assert re.search("changed=[1-9] .*failed=0" if looks else "changed=0 .*failed=0", second), f"{first}{second}"
            assert bool(sandbox.tags("contosoprod", "library/hello-world")) is not looks, "check mode imports, or nothing does"
        else:
            run(*command, cwd=clone, env=direct if command[0] in ("ansible-galaxy", "pip") else env)
        done.append(command[0])
    assert [name for name in ("ansible-galaxy", "pip", "ansible-playbook") if name not in done] == [], done
    installed = newcomer.env["HOME"] + "/.ansible/collections/ansible_collections/registryops/acr"
    assert Path(installed, "MANIFEST.json").is_file(), "the collection that ran was not the artifact"
