# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whoever is signed in to the Azure CLI: what the command is asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from ansible_collections.registryops.acr.plugins.module_utils._identity import _azure_cli

AZ = """#!/bin/sh
echo "$@" > "$0.asked"
echo '{"accessToken": "token", "expiresOn": "2199-01-01 00:00:00.000000", "expires_on": 7226582400, "tokenType": "Bearer"}'
"""


@pytest.mark.parametrize("tenant", [None, "contoso.test"])
def test_the_tenant_is_asked_for_where_one_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tenant: str | None) -> None:
    command = tmp_path / "az"
    command.write_text(AZ)
    command.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    credential = _azure_cli.credential({"tenant": tenant} if tenant else {}, {"authority": "https://login.test"})
    assert credential.get_token("https://arm.test/.default").token == "token"
    asked = (tmp_path / "az.asked").read_text()
    assert asked.startswith("account get-access-token ")
    assert ("--tenant contoso.test" in asked) is (tenant is not None)
