# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Notation's envelopes, in JOSE and in COSE: the signed descriptor of an image, with a chain of certificates."""

from __future__ import annotations

import json
from base64 import b64decode, urlsafe_b64decode
from datetime import datetime
from typing import Any, Dict, List, NamedTuple, Union

from ._certificates import authorities, chain, distinguished, parts
from ._proof import Offer, Signature, Signer, Unproven, shown

_PAYLOAD = "application/vnd.cncf.notary.payload.v1+json"
_OURS = "io.cncf.notary."
_SCHEME, _EXPIRY = _OURS + "signingScheme", _OURS + "expiry"
_TIMES = {"notary.x509": _OURS + "signingTime", "notary.x509.signingAuthority": _OURS + "authenticSigningTime"}
_ALGORITHMS = {-7: "ES256", -35: "ES384", -36: "ES512", -37: "PS256", -38: "PS384", -39: "PS512"}  # COSE's numbers
_SIZES = {256: "256", 384: "384", 521: "512", 2048: "256", 3072: "384", 4096: "512"}  # of keys → the hash that goes with them


class _Envelope(NamedTuple):
    """*headers*: those that are signed, by JOSE's names. *message*: what *signature* is over."""

    headers: Dict[str, Any]
    certificates: List[bytes]
    payload: bytes
    message: bytes
    signature: bytes


def prove(offer: Offer, signer: Signer, digest: str, now: float) -> Signature:
    return _prove((_read_jws if offer.format == "jws" else _read_cose)(offer.content), signer, digest, now)


def _read_jws(content: bytes) -> _Envelope:
    document = json.loads(content)
    protected, payload = document["protected"], document["payload"]
    certificates = [b64decode(one, validate=True) for one in document["header"]["x5c"]]
    headers, message = json.loads(_decoded(protected)), f"{protected}.{payload}".encode()
    return _Envelope(headers, certificates, _decoded(payload), message, _decoded(document["signature"]))


def _read_cose(content: bytes) -> _Envelope:
    import cbor2

    protected, unprotected, payload, signature = cbor2.loads(content).value
    headers = dict(cbor2.loads(protected))
    named = {"alg": _ALGORITHMS.get(headers[1]), "crit": headers[2], "cty": headers[3]}
    certificates = headers.get(33) or unprotected[33]
    certificates = [certificates] if isinstance(certificates, bytes) else list(certificates)
    message = cbor2.dumps(["Signature1", protected, b"", payload])
    return _Envelope({**headers, **named}, certificates, payload, message, signature)


def _prove(envelope: _Envelope, signer: Signer, digest: str, now: float) -> Signature:
    from cryptography.x509 import load_der_x509_certificate

    headers = envelope.headers
    leaf, *between = map(load_der_x509_certificate, envelope.certificates)
    _verify(leaf.public_key(), envelope)
    time = _TIMES.get(headers[_SCHEME])
    if headers["cty"] != _PAYLOAD or time is None:
        raise Unproven("it isn't one of Notation's kinds of signature")
    unknown = set(headers["crit"]) - {_SCHEME, _EXPIRY, time}
    if unknown:
        raise Unproven(f"it is valid only for those who know {' and '.join(sorted(map(str, unknown)))}")
    if _EXPIRY in headers and _moment(headers[_EXPIRY]).timestamp() <= now:
        raise Unproven(f"it expired at {shown(_moment(headers[_EXPIRY]))}")
    if parts(leaf.subject) != distinguished(signer.subject):
        raise Unproven(f"it is of {leaf.subject.rfc4514_string()}")
    chain(leaf, between, authorities(signer.certificate), now)
    signed = json.loads(envelope.payload)["targetArtifact"]["digest"]
    if signed != digest:
        raise Unproven(f"it signs another image ({signed:.80})")
    return Signature("notation", leaf.subject.rfc4514_string(), shown(_moment(headers[time])))


def _verify(key: Any, envelope: _Envelope) -> None:
    """Unproven unless *key* has signed it, with the one algorithm that such a key is for."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, padding
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    curve, size = isinstance(key, ec.EllipticCurvePublicKey), _SIZES[key.key_size]
    algorithm, signature = {"256": hashes.SHA256(), "384": hashes.SHA384(), "512": hashes.SHA512()}[size], envelope.signature
    if envelope.headers["alg"] != ("ES" if curve else "PS") + size:
        raise Unproven(f"its algorithm {envelope.headers['alg']} isn't that of its key")
    try:
        if curve:
            half = len(signature) // 2
            numbers = int.from_bytes(signature[:half], "big"), int.from_bytes(signature[half:], "big")
            key.verify(encode_dss_signature(*numbers), envelope.message, ec.ECDSA(algorithm))
        else:
            key.verify(signature, envelope.message, padding.PSS(padding.MGF1(algorithm), algorithm.digest_size), algorithm)
    except InvalidSignature:
        raise Unproven("its signature is not of its certificate, or what it signs was changed") from None


def _moment(time: Union[str, datetime]) -> datetime:
    return datetime.fromisoformat(time.replace("Z", "+00:00")) if isinstance(time, str) else time


def _decoded(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
