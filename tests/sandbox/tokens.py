# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signed tokens (the authority's, the registries' and the token services': one key signs them all), and IDs."""
from __future__ import annotations

import secrets
import time
import uuid
from collections.abc import Iterable
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa


def new_id() -> str:
    return str(uuid.uuid4())


class TokenError(Exception):
    """A token that does not hold. ``reason``: malformed, signature, expired, audience, tenant."""

    def __init__(self, reason: str, claims: dict[str, Any] | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.claims = claims or {}


class Signer:
    """Issues RS256 tokens and checks them. One key serves the authority and the registries."""

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.public_key = self.key.public_key()
        self.kid = secrets.token_urlsafe(20)
        self._checked: dict[str, dict[str, Any]] = {}

    def issue(self, claims: dict[str, Any]) -> str:
        """A signed token with exactly these claims (times as seconds since the epoch)."""
        token = jwt.encode(claims, self.key, algorithm="RS256", headers={"kid": self.kid, "x5t": self.kid})
        self._remember(token, claims)
        return token

    def check(self, token: str, audiences: Iterable[str] | None = None) -> dict[str, Any]:
        """The token's claims, or TokenError. Audiences are compared without a trailing slash."""
        claims = self._checked.get(token)
        if claims is None:
            try:
                claims = jwt.decode(
                    token,
                    self.public_key,
                    algorithms=["RS256"],
                    options={"verify_aud": False, "verify_exp": False, "verify_nbf": False, "verify_iat": False},
                )
            except jwt.InvalidSignatureError:
                raise TokenError("signature") from None
            except jwt.PyJWTError:
                raise TokenError("malformed") from None
            self._remember(token, claims)
        if claims.get("exp", 0) <= time.time():
            raise TokenError("expired", claims)
        if audiences is not None and str(claims.get("aud", "")).rstrip("/") not in {a.rstrip("/") for a in audiences}:
            raise TokenError("audience", claims)
        return claims

    def _remember(self, token: str, claims: dict[str, Any]) -> None:
        # Checking an RSA signature for each of thousands of requests would measure the sandbox, not the client.
        if len(self._checked) > 20_000:
            self._checked.clear()
        self._checked[token] = claims

    def jwks(self) -> dict[str, Any]:
        key = jwt.algorithms.RSAAlgorithm.to_jwk(self.public_key, as_dict=True)
        return {"keys": [{"kty": "RSA", "use": "sig", "kid": self.kid, "x5t": self.kid, "n": key["n"], "e": key["e"]}]}
