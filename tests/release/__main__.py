# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m tests.release DIRECTORY``: put azure.azcollection and awx.awx, as the package "ansible" ships them, there."""
from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

COLLECTIONS = tuple(f"ansible_collections/{name}/" for name in ("azure/azcollection", "awx/awx"))


def main(directory: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:", "--dest", name]
        subprocess.run([*pip, "ansible"], check=True)
        (wheel,) = Path(name).glob("ansible-*.whl")
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(directory, [member for member in archive.namelist() if member.startswith(COLLECTIONS)])


main(sys.argv[1])
