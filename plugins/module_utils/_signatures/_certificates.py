# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keys and certificates: what a key has signed, and to whom a chain of certificates leads."""

from __future__ import annotations

import hashlib
import re
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Callable, List, Sequence

from .._errors import UserError
from ._proof import Signer, Unproven, shown

if TYPE_CHECKING:
    from cryptography import x509


def check(signer: Signer) -> None:
    """UserError if what is written of a signer can't be read."""
    try:
        public_key(signer.key) if signer.key else authorities(signer.certificate)
    except ValueError:
        name, what = ("key", "public key") if signer.key else ("certificate", "certificate")
        raise UserError(f"signed_by: {name} isn't a {what} in PEM (-----BEGIN {what.upper()}-----).") from None
    try:
        distinguished(signer.subject)
    except (KeyError, ValueError):
        raise UserError(
            f"signed_by: the subject {signer.subject!r} can't be read; write something like CN=release,O=Contoso,C=US."
        ) from None


def public_key(pem: str) -> Any:
    """Of the kinds that cosign signs with. ValueError for others."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(pem.encode())
    except UnsupportedAlgorithm as error:
        raise ValueError(str(error)) from None
    if not isinstance(key, (ec.EllipticCurvePublicKey, rsa.RSAPublicKey, ed25519.Ed25519PublicKey)):
        raise ValueError("unknown kind of key")
    return key


def authorities(pem: str) -> List[x509.Certificate]:
    """The certificates that all trust starts from. ValueError if these are none."""
    from cryptography.x509 import load_pem_x509_certificates

    return load_pem_x509_certificates(pem.encode())


def key_hash(key: Any) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).digest()


def distinguished(subject: str) -> List[str]:
    """The parts of a subject in no order, so that it may be written from either end."""
    from cryptography.x509 import Name

    return parts(Name.from_rfc4514_string(re.sub(r"(?<!\\),\s+", ",", subject)))


def parts(name: x509.Name) -> List[str]:
    return sorted(part.rfc4514_string() for part in name.rdns)


def verify(key: Any, signature: bytes, message: bytes) -> None:
    """Unproven unless *key* has signed *message*, as Sigstore's tools do."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

    ways: List[Any]
    if isinstance(key, ed25519.Ed25519PublicKey):
        ways = [()]
    elif isinstance(key, rsa.RSAPublicKey):
        ways = [(padding.PKCS1v15(), hashes.SHA256())]
    else:  # cosign signed with SHA-256 whatever the curve, and now does with the curve's own hash
        own = {384: hashes.SHA384(), 521: hashes.SHA512()}.get(key.key_size)
        ways = [(ec.ECDSA(algorithm),) for algorithm in (hashes.SHA256(), own) if algorithm]
    for way in ways:
        try:
            key.verify(signature, message, *way)
            return
        except InvalidSignature:
            pass
    raise Unproven("its signature is not of this key, or what it signs was changed")


def chain(
    leaf: x509.Certificate, between: Sequence[x509.Certificate], anchors: Sequence[x509.Certificate], time: float
) -> List[x509.Certificate]:
    """The certificates from *leaf*, which must be for signing code, to one of *anchors*, valid at *time*. Unproven if there are
    no such ones."""
    from cryptography.x509 import BasicConstraints, ExtendedKeyUsage, KeyUsage
    from cryptography.x509.oid import ExtendedKeyUsageOID
    from cryptography.x509.verification import Criticality, ExtensionPolicy, PolicyBuilder, Store, VerificationError

    def demand(right: Callable[[Any], bool], what: str) -> Any:
        def validate(_policy: Any, _certificate: x509.Certificate, extension: Any) -> None:
            if extension is not None and not right(extension):
                raise ValueError(f"it isn't for {what}")

        return Criticality.AGNOSTIC, validate

    code = demand(lambda usage: ExtendedKeyUsageOID.CODE_SIGNING in usage, "signing code")
    issuing = "issuing certificates"
    signer = ExtensionPolicy.permit_all().require_present(KeyUsage, *demand(lambda usage: usage.digital_signature, "signing"))
    issuer = ExtensionPolicy.permit_all().require_present(KeyUsage, *demand(lambda usage: usage.key_cert_sign, issuing))
    verifier = (
        PolicyBuilder()
        .store(Store(list(anchors)))
        .time(datetime.fromtimestamp(time, timezone.utc))
        .extension_policies(
            ca_policy=issuer.require_present(BasicConstraints, *demand(lambda constraints: constraints.ca, issuing)),
            ee_policy=signer.may_be_present(ExtendedKeyUsage, *code),
        )
        .build_client_verifier()
    )
    try:
        return verifier.verify(leaf, list(between)).chain
    except VerificationError as error:
        start, end = leaf.not_valid_before_utc, leaf.not_valid_after_utc
        if not start.timestamp() <= time <= end.timestamp():
            raise Unproven(f"its certificate is valid from {shown(start)} to {shown(end)} only") from None
        raise Unproven(f"its certificate doesn't lead to a trusted one ({str(error):.120})") from None
