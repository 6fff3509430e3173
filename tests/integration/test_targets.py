# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs each integration target (targets/*/tasks/main.yml) against the sandbox."""
from __future__ import annotations

from pathlib import Path

import pytest

from tests.playbook import run_playbook
from tests.sandbox.handle import Sandbox

TARGETS = sorted(path.parent.parent for path in Path(__file__).parent.glob("targets/*/tasks/main.yml"))


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
def test_target(sandbox: Sandbox, target: Path) -> None:
    tasks = {"name": f"Run {target.name}", "ansible.builtin.include_tasks": str(target / "tasks/main.yml")}
    play = {"name": target.name, "hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [tasks]}
    run = run_playbook([play], sandbox.env)
    assert run.rc == 0, run.output
