# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The unmodified Azure CLI, signed in to a sandbox that it knows as a cloud of its own."""
from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.playbook import ROOT, environment
from tests.sandbox.handle import ARM_URL, Sandbox

AZ = Path(os.environ.get("AZ_BIN") or ROOT / ".venv-az/bin/az")


class AzureCliError(RuntimeError):
    """There is no Azure CLI, or a command of it failed; the text says what."""


class AzureCli:
    """The Azure CLI with a configuration of its own in ``home``, where ``contributor`` is signed in.

    ``variables`` lead any other program to that sign-in.
    """

    def __init__(self, sandbox: Sandbox, home: Path) -> None:
        if not os.access(AZ, os.X_OK):
            raise AzureCliError(f"no Azure CLI at {AZ}: `make .venv-az/.ready` installs it, AZ_BIN names another")
        self.variables = {"AZURE_CONFIG_DIR": str(home / "azure"), "AZURE_CORE_COLLECT_TELEMETRY": "false"}
        network = {name: value for name, value in sandbox.env.items() if not name.startswith("AZURE_")}
        self._env = environment(home, {**network, **self.variables})
        self.run("cloud", "register", "--name", "sandbox", "--endpoint-resource-manager", ARM_URL)
        self.run("cloud", "set", "--name", "sandbox")
        who = {"--username": "AZURE_CLIENT_ID", "--password": "AZURE_SECRET", "--tenant": "AZURE_TENANT"}
        self.run("login", "--service-principal", *(part for o, name in who.items() for part in (o, sandbox.env[name])))

    def call(self, *arguments: str, within: Sequence[str] = ()) -> subprocess.CompletedProcess[str]:
        """Run a command, however it ends. ``within``: a command that runs the one that follows it."""
        options: dict[str, Any] = {"env": self._env, "capture_output": True, "text": True}
        return subprocess.run([*within, str(AZ), *arguments], timeout=300, check=False, **options)

    def run(self, *arguments: str) -> str:
        """Run a command; returns what it prints, AzureCliError when it fails."""
        done = self.call(*arguments)
        if done.returncode != 0:
            raise AzureCliError(f"az {' '.join(arguments[:2])} failed:\n{done.stderr[-3000:]}")
        return done.stdout
