# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A service principal with a secret, signing in over real HTTPS."""

from __future__ import annotations

from typing import Any

from ansible_collections.registryops.acr.plugins.module_utils._identity import _secret


def test_what_is_sent(entra: Any) -> None:
    form = entra.sign_in(_secret, {"tenant": entra.tenant, "client_id": "app", "secret": "hidden"})
    assert (form["grant_type"], form["client_id"], form["client_secret"]) == ("client_credentials", "app", "hidden")
    assert form["scope"] == "https://arm.test/.default"
