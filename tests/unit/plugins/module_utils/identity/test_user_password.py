# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A user with a password, signing in over real HTTPS."""

from __future__ import annotations

import base64
import warnings
from typing import Any

import jwt
import pytest

from ansible_collections.registryops.acr.plugins.module_utils._identity import _user_password

USER = {"ad_user": "u@contoso.test", "password": "hidden"}


@pytest.mark.filterwarnings("ignore:This API has been deprecated")
@pytest.mark.parametrize("more", [{}, {"client_id": "app", "tenant": "11111111-1111-4111-8111-111111111111"}])
def test_what_is_sent(entra: Any, monkeypatch: pytest.MonkeyPatch, more: dict[str, str]) -> None:
    # What kind of account it is, msal asks at port 443, whatever port the authority has.
    monkeypatch.setattr("msal.authority.Authority.user_realm_discovery", lambda *_args, **_more: {"account_type": "Managed"})
    claims = {"aud": "app", "iss": "x", "exp": 2**31, "iat": 0, "sub": "u", "oid": "u", "tid": "t", "preferred_username": "u"}
    entra.answer["id_token"] = jwt.encode(claims, "of nobody's, since nobody looks at it")
    entra.answer["client_info"] = base64.urlsafe_b64encode(b'{"uid": "u", "utid": "t"}').decode()
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)  # it is the user's choice, and told in the documentation
        _user_password.credential({**USER, **more}, entra.common)
    form = entra.sign_in(_user_password, {**USER, **more}, more.get("tenant", "organizations"))
    assert (form["grant_type"], form["username"], form["password"]) == ("password", "u@contoso.test", "hidden")
    assert form["client_id"] == more.get("client_id", _user_password.CLIENT)
