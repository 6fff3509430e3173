# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Cosign's simple signing: a payload that names image and repository, its signature in an annotation; beside that, if it was made
without a key, the certificate and the entry of Sigstore's log."""

from __future__ import annotations

import hashlib
import json
from base64 import b64decode
from typing import Any, Dict

from ._certificates import chain, public_key, verify
from ._proof import Offer, Signature, Signer, Unproven, shown

_SIGNATURE = "dev.cosignproject.cosign/signature"
_CERTIFICATE = "dev.sigstore.cosign/certificate"
_ENTRY = "dev.sigstore.cosign/bundle"


def prove(offer: Offer, signer: Signer, digest: str) -> Signature:
    if not signer.key:
        return _by_certificate(offer, signer, digest)
    verify(public_key(signer.key), _signature(offer), offer.content)
    _check_claims(offer, signer, digest)
    return Signature("key", signer.who, None)


def _by_certificate(offer: Offer, signer: Signer, digest: str) -> Signature:
    from cryptography.x509 import load_pem_x509_certificate

    from ._sigstore import Accepted, check_listed, instance

    if _CERTIFICATE not in offer.annotations:
        raise Unproven("it was made with a key")
    if _ENTRY not in offer.annotations:
        raise Unproven("no log says when it was made")
    trust = instance(signer.trust_root)
    pem = offer.annotations[_CERTIFICATE]
    certificate = load_pem_x509_certificate(pem.encode())
    entry = json.loads(offer.annotations[_ENTRY])
    logged: Dict[str, Any] = {name: entry["Payload"][name] for name in ("body", "integratedTime", "logID", "logIndex")}
    promised = json.dumps(logged, sort_keys=True, separators=(",", ":")).encode()
    trust.log.verify(
        key_id=bytes.fromhex(logged["logID"]), signature=b64decode(entry["SignedEntryTimestamp"], validate=True), data=promised
    )
    _check_logged(json.loads(b64decode(logged["body"], validate=True)), offer, pem)
    leaf, issuer, *_more = chain(certificate, [], trust.authorities, logged["integratedTime"])
    check_listed(trust, leaf, issuer)
    accepted = Accepted(signer)
    accepted.verify(certificate)
    verify(certificate.public_key(), _signature(offer), offer.content)
    _check_claims(offer, signer, digest)
    return Signature("keyless", accepted.identity, shown(logged["integratedTime"]))


def _signature(offer: Offer) -> bytes:
    return b64decode(offer.annotations[_SIGNATURE], validate=True)


def _check_logged(record: Dict[str, Any], offer: Offer, pem: str) -> None:
    """Unproven unless the log's record is of this signature."""
    spec = record["spec"]
    same = (
        (record["kind"], record["apiVersion"]) == ("hashedrekord", "0.0.1")
        and spec["data"]["hash"] == {"algorithm": "sha256", "value": hashlib.sha256(offer.content).hexdigest()}
        and b64decode(spec["signature"]["content"], validate=True) == _signature(offer)
        and b64decode(spec["signature"]["publicKey"]["content"], validate=True).split() == pem.encode().split()
    )
    if not same:
        raise Unproven("the log's entry is of another signature")


def _check_claims(offer: Offer, signer: Signer, digest: str) -> None:
    """Unproven unless what was signed, and may be believed now, is this image."""
    claims = json.loads(offer.content)["critical"]
    if claims["type"] != "cosign container image signature":
        raise Unproven("it signs something other than an image")
    if claims["image"]["docker-manifest-digest"] != digest:
        raise Unproven(f"it signs another image ({claims['image']['docker-manifest-digest']:.80})")
    signer.check_repository(claims["identity"]["docker-reference"])
