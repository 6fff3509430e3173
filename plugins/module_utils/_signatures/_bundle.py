# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sigstore bundles: signature, certificate or hint of a key, and log entry in one document."""

from __future__ import annotations

import json
from base64 import b64decode
from typing import Any, Dict, Optional

from ._certificates import public_key, verify
from ._proof import SIGNED, Offer, Signature, Signer, Unproven, shown

_STATEMENT = "application/vnd.in-toto+json"


def prove(offer: Offer, signer: Signer, digest: str) -> Signature:
    bundle = json.loads(offer.content)
    if not signer.key:
        return _by_certificate(bundle, offer.content, signer, digest)
    if "publicKey" not in bundle["verificationMaterial"]:
        raise Unproven("it was made with a certificate, and not with a key")
    if "dsseEnvelope" not in bundle:
        raise Unproven("it doesn't say that it signs an image")
    envelope = bundle["dsseEnvelope"]
    payload, kind = b64decode(envelope["payload"], validate=True), envelope["payloadType"]
    (signature,) = envelope["signatures"]
    message = b"DSSEv1 %d %s %d %s" % (len(kind.encode()), kind.encode(), len(payload), payload)
    verify(public_key(signer.key), b64decode(signature["sig"], validate=True), message)
    _check_statement(kind, payload, digest)
    signer.check_repository(None)
    return Signature("key", signer.who, None)


def _by_certificate(document: Dict[str, Any], content: bytes, signer: Signer, digest: str) -> Signature:
    from sigstore.hashes import Hashed
    from sigstore.models import Bundle
    from sigstore_models.common.v1 import HashAlgorithm

    from ._sigstore import Accepted, instance

    material = document["verificationMaterial"]
    if "publicKey" in material:
        raise Unproven("it was made with a key")
    bundle, verifier, accepted = Bundle.from_json(content), instance(signer.trust_root).verifier, Accepted(signer)
    if "dsseEnvelope" in document:
        kind, payload = verifier.verify_dsse(bundle, accepted)
        _check_statement(kind, payload, digest)
    else:
        algorithm, _colon, value = digest.partition(":")
        if algorithm != "sha256":
            raise Unproven(f"it can't sign a {algorithm} digest")
        verifier.verify_artifact(Hashed(algorithm=HashAlgorithm.SHA2_256, digest=bytes.fromhex(value)), bundle, accepted)
    signer.check_repository(None)
    return Signature("keyless", accepted.identity, _time(material))


def _check_statement(kind: str, payload: bytes, digest: str) -> None:
    """Unproven unless what was signed, and may be believed now, signs this image."""
    statement = json.loads(payload)
    if kind != _STATEMENT or not str(statement["_type"]).startswith("https://in-toto.io/Statement/"):
        raise Unproven(f"it signs something other than an image ({kind:.80})")
    if statement["predicateType"] != SIGNED:
        raise Unproven(f"it says something about the image, but doesn't sign it ({statement['predicateType']:.80})")
    algorithm, _colon, value = digest.partition(":")
    if value not in [subject["digest"].get(algorithm) for subject in statement["subject"]]:
        raise Unproven("it signs another image")


def _time(material: Dict[str, Any]) -> Optional[str]:
    """When a verified bundle was made, by the log or the only time stamp."""
    (entry,) = material["tlogEntries"]
    if entry.get("inclusionPromise") and int(entry.get("integratedTime") or 0):
        return shown(int(entry["integratedTime"]))
    stamps = (material.get("timestampVerificationData") or {}).get("rfc3161Timestamps") or []
    if len(stamps) != 1:
        return None
    from rfc3161_client import decode_timestamp_response

    return shown(decode_timestamp_response(b64decode(stamps[0]["signedTimestamp"])).tst_info.gen_time)
