# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Microsoft Entra over real HTTPS, as far as a sign-in needs it."""

from __future__ import annotations

from typing import Any

import pytest

TENANT = "11111111-1111-4111-8111-111111111111"


class Entra:
    """Gives a token to whoever asks; `sign_in` returns the form that a method was asked to sign in with."""

    tenant = TENANT

    def __init__(self, far_side: Any) -> None:
        self._far_side = far_side
        self.common = {"authority": far_side.url, "disable_instance_discovery": True}
        self.more: dict[str, Any] = {}  # further answers by path
        self.answer: dict[str, Any] = {"access_token": "token", "token_type": "Bearer", "expires_in": 3600}

    def sign_in(self, method: Any, values: dict[str, Any], tenant: str = TENANT) -> dict[str, str]:
        base = "{0}/{1}".format(self._far_side.url, tenant)
        self._far_side.routes(
            {
                "/{0}/v2.0/.well-known/openid-configuration".format(tenant): {
                    "token_endpoint": base + "/oauth2/v2.0/token",
                    "authorization_endpoint": base + "/oauth2/v2.0/authorize",
                    "issuer": base + "/v2.0",
                },
                "/{0}/oauth2/v2.0/token".format(tenant): self.answer,
                **self.more,
            }
        )
        assert method.credential(values, self.common).get_token("https://arm.test/.default").token == "token"
        return dict(self._far_side.forms("/{0}/oauth2/v2.0/token".format(tenant))[-1])


@pytest.fixture
def entra(far_side: Any) -> Entra:
    return Entra(far_side)
