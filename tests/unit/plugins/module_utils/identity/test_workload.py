# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A workload identity's token as text and as a file, signing in over real HTTPS."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.registryops.acr.plugins.module_utils._identity import _workload


def test_a_token_as_text_counts_before_a_file(entra: Any) -> None:
    values = {"tenant": entra.tenant, "client_id": "app", "oidc_token": "outside", "oidc_token_file_path": "/nowhere"}
    form = entra.sign_in(_workload, values)
    assert (form["client_id"], form["client_assertion"]) == ("app", "outside")
    assert form["client_assertion_type"].endswith(":jwt-bearer")


def test_a_file_is_read_at_each_sign_in(entra: Any, tmp_path: Path) -> None:
    path = tmp_path / "token"
    values = {"tenant": entra.tenant, "client_id": "app", "oidc_token_file_path": str(path)}
    for token in ("first", "renewed"):
        path.write_text(token + "\n")
        assert entra.sign_in(_workload, values)["client_assertion"] == token
