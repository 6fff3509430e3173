# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A service principal with a certificate, signing in over real HTTPS."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)

from ansible_collections.registryops.acr.plugins.module_utils._identity import _certificate


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def self_signed(key: rsa.RSAPrivateKey) -> bytes:
    """A certificate for *key*, as PEM."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "app")])
    now = datetime.now(timezone.utc)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)


@pytest.mark.parametrize("form", ["PEM", "PKCS12"])
def test_what_is_sent_is_signed_by_the_key_that_the_password_opens(
    entra: Any, tmp_path: Path, key: rsa.RSAPrivateKey, form: str
) -> None:
    certificate = self_signed(key)
    encrypted = BestAvailableEncryption(b"hidden")
    if form == "PEM":
        content = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encrypted) + certificate
    else:
        parsed = x509.load_pem_x509_certificate(certificate)
        content = pkcs12.serialize_key_and_certificates(b"app", key, parsed, None, encrypted)
    path = tmp_path / "certificate"
    path.write_bytes(content)
    values = {"tenant": entra.tenant, "client_id": "app", "x509_certificate_path": str(path), "x509_certificate_password": "hidden"}
    sent = entra.sign_in(_certificate, values)
    claims = jwt.decode(
        sent["client_assertion"], key.public_key(), algorithms=["PS256", "RS256"], options={"verify_aud": False}
    )
    assert claims["sub"] == sent["client_id"] == "app"
    for wrong in ("wrong", None):
        with pytest.raises(ValueError, match="(?i)password|decrypt|deserialize"):
            _certificate.credential({**values, "x509_certificate_password": wrong}, entra.common)


def test_a_password_for_a_key_that_has_none(entra: Any, tmp_path: Path, key: rsa.RSAPrivateKey) -> None:
    path = tmp_path / "certificate"
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + self_signed(key))
    values = {"tenant": entra.tenant, "client_id": "app", "x509_certificate_path": str(path), "x509_certificate_password": "p"}
    with pytest.raises(ValueError, match="(?i)password"):
        _certificate.credential(values, entra.common)
