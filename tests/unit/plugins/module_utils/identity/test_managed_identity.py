# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine's own identity, asked for at the endpoint that Azure gives to a machine."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from ansible_collections.registryops.acr.plugins.module_utils._identity import _managed_identity


@pytest.mark.parametrize("client", [None, "", "app"])
def test_whose_identity_is_asked_for(far_side: Any, monkeypatch: pytest.MonkeyPatch, client: str | None) -> None:
    monkeypatch.setenv("IDENTITY_ENDPOINT", far_side.url + "/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", "header")
    monkeypatch.delenv("IDENTITY_SERVER_THUMBPRINT", raising=False)
    answer = {"access_token": "token", "expires_on": str(int(time.time()) + 3600), "resource": "x", "token_type": "Bearer"}
    far_side.answer = lambda request: request.reply(200, json.dumps(answer))
    values = {} if client is None else {"client_id": client}
    assert _managed_identity.credential(values, {"authority": "https://login.test"}).get_token("https://arm.test/.default").token
    ((_method, path, headers, _body),) = far_side.seen
    query = parse_qs(urlsplit(path).query)
    assert (query["resource"], headers["X-IDENTITY-HEADER"]) == (["https://arm.test"], "header")
    assert query.get("client_id") == (["app"] if client else None)
