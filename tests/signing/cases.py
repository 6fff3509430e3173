# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signatures that count, and signatures that must not: what ours and a second implementation have to say about each."""

from __future__ import annotations

import copy
import json
from base64 import b64decode
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from ansible_collections.registryops.acr.plugins.module_utils._signatures import Offer, Unproven, accepted, proven
from tests import signing
from tests.signing import (
    IDENTITY,
    ISSUER,
    NOW,
    SIGNED_AT,
    SUBJECT,
    Notary,
    Sigstore,
    b64,
    claims,
    key_bundle,
    new_key,
    public_pem,
)

MANIFEST = b'{"schemaVersion": 2, "what": "is signed"}'
OTHER_MANIFEST = b'{"schemaVersion": 2, "what": "nobody has signed"}'
DIGEST, OTHER = (f"sha256:{signing.sha256(content).hex()}" for content in (MANIFEST, OTHER_MANIFEST))
SIGNATURE = "dev.cosignproject.cosign/signature"
CERTIFICATE, ENTRY = "dev.sigstore.cosign/certificate", "dev.sigstore.cosign/bundle"


class Case(NamedTuple):
    """*signer*: the entry of ``signed_by``. *format*, *content*, *annotations*: the signature. *says*: the clause that tells what is
    wrong with it; empty if it proves that MANIFEST is signed."""

    name: str
    signer: dict[str, Any]
    format: str
    content: bytes
    annotations: dict[str, str]
    says: str

    def __str__(self) -> str:
        return self.name


@lru_cache(maxsize=1)
def cases() -> list[Case]:
    return [*_by_key(), *_keyless(), *_notation()]


def check(form: str, fewest: int) -> None:
    """Has ours judge the cases of a format."""
    wrong = {}
    judged = [case for case in cases() if case.format == form]
    for case in judged:
        try:
            proven(Offer(case.format, case.content, case.annotations), [accepted(case.signer)], DIGEST, NOW)
            said = ""
        except Unproven as error:
            said = str(error)
        if bool(said) != bool(case.says) or case.says not in said:
            wrong[case.name] = said
    assert wrong == {}
    assert len(judged) >= fewest and {bool(case.says) for case in judged} == {True, False}


def _broken(text: str, at_end: bool = False) -> str:
    """Base64 with one bit changed in the middle, or at the end."""
    content = bytearray(b64decode(text + "=" * (-len(text) % 4), altchars=b"-_" if "-" in text or "_" in text else None))
    content[-1 if at_end else len(content) // 2] ^= 1
    return b64(bytes(content))


def _at(document: dict[str, Any], path: str) -> tuple[dict[str, Any], Any, Any]:
    """A copy of a document; where in it *path* is; and the last part of that."""
    found = copy.deepcopy(document)
    *parents, last = (int(part) if part.isdigit() else part for part in path.split("."))
    place: Any = found
    for part in parents:
        place = place[part]
    return found, place, last


def _changed(document: dict[str, Any], path: str, change: Callable[[Any], Any] = _broken) -> dict[str, Any]:
    found, place, last = _at(document, path)
    place[last] = change(place[last])
    return found


def _without(document: dict[str, Any], path: str) -> dict[str, Any]:
    found, place, last = _at(document, path)
    del place[last]
    return found


def _case(name: str, signer: dict[str, Any], form: str, content: Any, says: str = "", annotations: Any = None) -> Case:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return Case(f"{form}: {name}", signer, form, raw, annotations or {}, says)


# -- cosign, with a key ----------------------------------------------------------------------------------------------------


def _by_key() -> list[Case]:
    key, stranger, large = new_key(), new_key(), new_key(ec.SECP384R1())
    rsa_key, edwards = rsa.generate_private_key(65537, 2048), ed25519.Ed25519PrivateKey.generate()
    signer = {"key": public_pem(key)}
    payload, moved = claims(DIGEST), claims(DIGEST, "docker.io/team/app.evil")

    def simple(name: str, says: str = "", content: bytes = payload, signature: bytes | None = None, **more: Any) -> Case:
        text = b64(signing.sign(key, content) if signature is None else signature)
        return _case(name, {**signer, **more}, "simple", content, says, {SIGNATURE: text})

    def bundle(name: str, says: str = "", content: Any = None) -> Case:
        return _case(name, signer, "bundle", content or key_bundle(DIGEST, key), says)

    good = key_bundle(DIGEST, key)
    not_of_key = "its signature is not of this key"
    edwards_envelope = copy.deepcopy(good)
    envelope = edwards_envelope["dsseEnvelope"]
    envelope["signatures"][0]["sig"] = b64(edwards.sign(signing.pae(envelope["payloadType"], b64decode(envelope["payload"]))))
    without_envelope = _without(good, "dsseEnvelope")
    message = {"messageDigest": {"algorithm": "SHA2_256", "digest": b64(signing.sha256(MANIFEST))}, "signature": "MEUCIQ=="}
    large_signature = large.sign(payload, ec.ECDSA(hashes.SHA384()))
    of_rsa = rsa_key.sign(payload, padding.PKCS1v15(), hashes.SHA256())
    return [
        simple("signed with a key"),
        simple("signed with an RSA key", signature=of_rsa, key=public_pem(rsa_key)),
        simple("signed with a larger curve and its hash", signature=large_signature, key=public_pem(large)),
        simple("signed with a larger curve and SHA-256", signature=signing.sign(large, payload), key=public_pem(large)),
        simple("signed for a repository that is accepted", repository="docker.io/team/*"),
        simple("signed with another key", not_of_key, signature=signing.sign(stranger, payload)),
        simple("of another image", "it signs another image", claims(OTHER)),
        simple("moved from another repository", "it was made for docker.io/team/app.evil", moved, repository="docker.io/team/app"),
        simple("of something other than an image", "it signs something other than an image", claims(DIGEST, kind="a blob")),
        simple("a payload changed after it was signed", not_of_key, payload + b" ", signing.sign(key, payload)),
        simple("another image put into a signed payload", not_of_key, claims(DIGEST), signing.sign(key, claims(OTHER))),
        simple("a signature of nothing", not_of_key, signature=b""),
        simple("claims that are no JSON", "it can't be verified", b"docker-manifest-digest: " + DIGEST.encode()),
        _case("no signature at all", signer, "simple", payload, "it can't be verified"),
        bundle("signed with a key"),
        _case("signed with an Edwards key", {"key": public_pem(edwards)}, "bundle", edwards_envelope),
        bundle("of another image", "it signs another image", key_bundle(OTHER, key)),
        bundle("signed with another key", not_of_key, key_bundle(DIGEST, stranger)),
        bundle("an attestation", "doesn't sign it", key_bundle(DIGEST, key, predicate="https://slsa.dev/provenance/v1")),
        bundle("its payload was changed", not_of_key, _changed(good, "dsseEnvelope.payload")),
        bundle("its signature was changed", not_of_key, _changed(good, "dsseEnvelope.signatures.0.sig")),
        bundle("its type was changed", not_of_key, _changed(good, "dsseEnvelope.payloadType", lambda kind: kind + "x")),
        bundle("signed twice", "it can't be verified", _changed(good, "dsseEnvelope.signatures", lambda several: several * 2)),
        bundle("a bare message", "it doesn't say that it signs an image", {**without_envelope, "messageSignature": message}),
        bundle("not signed", "it can't be verified", _changed(good, "dsseEnvelope.signatures", lambda several: [])),
        _case(
            "it can't say its repository",
            {**signer, "repository": "docker.io/team/app"},
            "bundle",
            good,
            "it doesn't say for which repository it was made",
        ),
    ]


# -- cosign, without a key -------------------------------------------------------------------------------------------------


def _keyless() -> list[Case]:
    instance, stranger = Sigstore(), Sigstore()
    key, other_key = new_key(), new_key()
    leaf, root = instance.certify(key), instance.trust_root()
    signer = {"issuer": ISSUER, "identity": IDENTITY, "trust_root": root}
    good = instance.bundle(DIGEST, key, leaf)
    entry = "verificationMaterial.tlogEntries.0."
    proof = entry + "inclusionProof."

    def bundle(name: str, says: str = "", content: Any = None, **more: Any) -> Case:
        return _case(name, {**signer, **more}, "bundle", content or good, says)

    def of(says: str, name: str, identity: str = IDENTITY, issuer: str = ISSUER, **options: Any) -> list[Case]:
        """Both formats, with a certificate of this kind. *options* as of `Sigstore.certify`."""
        its = instance.certify(key, identity, issuer, **options)
        payload = claims(DIGEST)
        annotations = instance.simple(payload, key, its)
        return [
            bundle(name, says, instance.bundle(DIGEST, key, its)),
            _case(name, signer, "simple", payload, says, annotations),
        ]

    def simple(name: str, says: str = "", annotations: Any = None, payload: bytes = claims(DIGEST), **more: Any) -> Case:
        given = annotations or instance.simple(payload, key, leaf)
        return _case(name, {**signer, **more}, "simple", payload, says, given)

    def with_stamp(stamp: bytes) -> dict[str, Any]:
        return _changed(stamped, stamps + ".0.signedTimestamp", lambda _: b64(stamp))

    def promised(name: str, change: Callable[[Any], Any]) -> Callable[[dict[str, Any]], Any]:
        return lambda found: found["Payload"].update({name: change(found["Payload"][name])})

    def entry_changed(change: Callable[[dict[str, Any]], Any]) -> dict[str, str]:
        annotations = instance.simple(claims(DIGEST), key, leaf)
        found = json.loads(annotations[ENTRY])
        change(found)
        return {**annotations, ENTRY: json.dumps(found)}

    unlisted = instance.certify(key, listed=False)
    annotations = instance.simple(claims(DIGEST), key, leaf)
    swapped = instance.certify(other_key)
    other_bundle = instance.bundle(OTHER, key, leaf)
    cant = "it can't be verified"
    timeless = _without(_without(good, entry + "inclusionPromise"), entry + "integratedTime")
    stamped, stamps = instance.stamped(MANIFEST, key, leaf), "verificationMaterial.timestampVerificationData.rfc3161Timestamps"
    foreign = {"trust_root": stranger.trust_root()}
    return [
        bundle("signed by an identity"),
        bundle("signed by an identity that a pattern accepts", identity="https://git.test/team/app/*@refs/tags/v*"),
        bundle("signed by a mail address", "", instance.bundle(DIGEST, key, instance.certify(key, "me@team.test")), identity="*@team.test"),
        bundle("the manifest itself signed", "", instance.message(MANIFEST, key, leaf)),
        bundle("a time stamp instead of a time in the log", "", instance.stamped(MANIFEST, key, leaf)),
        simple("signed by an identity"),
        simple("signed by an identity, for a repository that is accepted", repository="*/team/app"),
        # Identities
        *of("it is of " + IDENTITY + "-evil", "an identity that starts with the wanted one", IDENTITY + "-evil"),
        *of("it is of https://evil.test/", "an identity that contains the wanted one", "https://evil.test/?" + IDENTITY),
        *of("of " + ISSUER + ".evil", "an issuer that starts with the wanted one", issuer=ISSUER + ".evil"),
        *of("of https://other.test", "another issuer", issuer="https://other.test"),
        bundle("a pattern without a star", "it is of", identity=IDENTITY[:-1]),
        bundle("an identity in other capitals", "it is of", identity=IDENTITY.upper()),
        # Certificates
        *of("", "signed within the certificate's ten minutes", at=SIGNED_AT - 500),
        *of("valid", "signed after the certificate had expired", at=SIGNED_AT - 900),
        *of("valid", "signed before the certificate was valid", at=SIGNED_AT + 900),
        *of("signing", "a certificate for servers", usage=ExtendedKeyUsageOID.SERVER_AUTH),
        bundle("a certificate that no log lists", cant, instance.bundle(DIGEST, key, unlisted)),
        simple("a certificate that no log lists", cant, instance.simple(claims(DIGEST), key, unlisted)),
        bundle("of another instance", "", stranger.bundle(DIGEST, key, stranger.certify(key)), **foreign),
        bundle("of an instance that isn't trusted", cant, **foreign),
        simple("of an instance that isn't trusted", cant, **foreign),
        bundle("a certificate of an authority that isn't trusted", cant, instance.bundle(DIGEST, key, stranger.certify(key))),
        bundle("another certificate of the same identity", cant, instance.bundle(DIGEST, key, swapped)),
        simple("another certificate of the same identity", "not of this key", instance.simple(claims(DIGEST), key, swapped)),
        bundle("a certificate put in place of the signer's", cant, _changed(
            good, "verificationMaterial.certificate.rawBytes", lambda _: b64(swapped.public_bytes(signing.DER)))),
        simple("a certificate put in place of the signer's", "the log's entry is of another signature",
               {**annotations, CERTIFICATE: swapped.public_bytes(signing.PEM).decode()}),
        bundle("a certificate changed", cant, _changed(good, "verificationMaterial.certificate.rawBytes")),
        # Time stamps
        bundle("stamped after the certificate had expired", cant, instance.stamped(MANIFEST, key, leaf, SIGNED_AT + 900)),
        bundle("stamped by somebody else", cant, with_stamp(
            stranger.stamp(b64decode(stamped["messageSignature"]["signature"]), SIGNED_AT))),
        bundle("the time stamp of another signature", cant, with_stamp(instance.stamp(b"another", SIGNED_AT))),
        bundle("a time stamp that was changed", cant, _changed(
            stamped, stamps + ".0.signedTimestamp", lambda stamp: _broken(stamp, at_end=True))),  # where its signature is
        bundle("no time stamp", cant, _changed(stamped, stamps, lambda _: [])),
        # What is signed
        bundle("of another image", "it signs another image", other_bundle),
        bundle("another manifest signed", cant, instance.message(OTHER_MANIFEST, key, leaf)),
        bundle("another image put into a signed bundle", cant, _changed(
            other_bundle, "dsseEnvelope.payload", lambda _: good["dsseEnvelope"]["payload"])),
        bundle("an attestation", "doesn't sign it", instance.bundle(DIGEST, key, leaf, predicate="https://slsa.dev/provenance/v1")),
        bundle("its payload was changed", cant, _changed(good, "dsseEnvelope.payload")),
        bundle("its signature was changed", cant, _changed(good, "dsseEnvelope.signatures.0.sig")),
        bundle("a message's signature was changed", cant, _changed(instance.message(MANIFEST, key, leaf), "messageSignature.signature")),
        simple("of another image", "it signs another image", payload=claims(OTHER)),
        simple("a payload put in place of the signed one", "the log's entry is of another signature",
               instance.simple(claims(OTHER), key, leaf)),
        simple("its signature was changed", "the log's entry is of another signature",
               {**annotations, SIGNATURE: _broken(annotations[SIGNATURE])}),
        simple("moved from another repository", "it was made for docker.io/team/app", repository="docker.io/other/*"),
        # The log
        bundle("no entry in the log", cant, _changed(good, "verificationMaterial.tlogEntries", lambda _: [])),
        bundle("the entry of another signature", cant, _changed(
            good, "verificationMaterial.tlogEntries", lambda _: other_bundle["verificationMaterial"]["tlogEntries"])),
        bundle("an expired certificate, and nobody says when it was used", cant, timeless),
        bundle("the time in the log was changed", cant, _changed(good, entry + "integratedTime", lambda at: str(int(at) + 60))),
        bundle("the log's promise was changed", cant, _changed(good, entry + "inclusionPromise.signedEntryTimestamp")),
        bundle("the log's record was changed", cant, _changed(good, entry + "canonicalizedBody")),
        bundle("the place in the log was changed", cant, _changed(good, entry + "logIndex", lambda index: "7")),
        bundle("the path to the log's root was changed", cant, _changed(good, proof + "hashes.0")),
        bundle("the log's checkpoint was changed", cant, _changed(
            good, proof + "checkpoint.envelope", lambda note: note.replace("\n2\n", "\n3\n"))),
        bundle("logged by somebody else", cant, {**good, "verificationMaterial": {**good["verificationMaterial"], "tlogEntries": [
            stranger.bundle(DIGEST, key, leaf)["verificationMaterial"]["tlogEntries"][0]]}}),
        simple("no entry in the log", "no log says when it was made", {
            name: text for name, text in annotations.items() if name != ENTRY}),
        simple("the entry of another signature", "the log's entry is of another signature", {
            **annotations, ENTRY: instance.simple(claims(OTHER), key, leaf)[ENTRY]}),
        simple("the time in the log was changed", cant, entry_changed(promised("integratedTime", lambda at: at + 60))),
        simple("the place in the log was changed", cant, entry_changed(promised("logIndex", lambda index: index + 1))),
        simple("the log's record was changed", cant, entry_changed(promised("body", _broken))),
        simple("the log's promise was changed", cant, entry_changed(
            lambda found: found.update(SignedEntryTimestamp=_broken(found["SignedEntryTimestamp"])))),
        simple("logged by somebody else", cant, {**annotations, ENTRY: stranger.simple(claims(DIGEST), key, leaf)[ENTRY]}),
    ]


# -- Notation --------------------------------------------------------------------------------------------------------------


def _notation() -> list[Case]:
    authority = Notary("CN=authority,O=Contoso", authority=True)
    between = Notary("CN=issuing,O=Contoso", by=authority, authority=True)
    stranger = Notary("CN=authority,O=Contoso", authority=True)
    release = Notary(by=between)
    alone = Notary()
    signer = {"certificate": authority.pem, "subject": SUBJECT}

    def both(name: str, says: str = "", by: Notary = release, digest: str = DIGEST, accepted: Any = None, **options: Any) -> list[Case]:
        given = accepted or signer
        return [
            _case(name, given, "jws", by.jws(digest, **options), says),
            _case(name, given, "cose", by.cose(digest, **options), says),
        ]

    def unpadded(text: str) -> str:
        return _broken(text).replace("+", "-").replace("/", "_").rstrip("=")

    def jws(name: str, says: str, path: str, change: Callable[[Any], Any] = _broken) -> Case:
        return _case(name, signer, "jws", _changed(release.jws(DIGEST), path, change), says)

    changed = "not of its certificate"
    cose = release.cose(DIGEST)
    day = 86400
    return [
        *both("signed with a certificate of an authority"),
        *both("any order of the subject", accepted={**signer, "subject": "C=US, O=Contoso, CN=release"}),
        *both("an authority between", accepted={**signer, "certificate": between.pem}),
        *both("signed with a certificate of one's own", by=alone, accepted={**signer, "certificate": alone.pem}),
        *both("an RSA key", by=Notary(by=authority, key=rsa.generate_private_key(65537, 2048))),
        *both("a larger RSA key", by=Notary(by=authority, key=rsa.generate_private_key(65537, 3072))),
        *both("a larger curve", by=Notary(by=authority, key=new_key(ec.SECP384R1()))),
        *both("the largest curve", by=Notary(by=authority, key=new_key(ec.SECP521R1()))),
        *both("signed by a signing authority", authority=True),
        *both("not expired yet", expiry=NOW + 30 * day),
        *both("of another image", "it signs another image", digest=OTHER),
        *both("expired", "it expired", expiry=NOW - 60),
        *both("with something critical that nobody here knows", "who know io.cncf.notary.verificationPlugin",
              critical="io.cncf.notary.verificationPlugin"),
        *both("of another kind", "isn't one of Notation's", cty="application/json"),
        *both("of another subject", "it is of CN=other", by=Notary("CN=other,O=Contoso,C=US", by=authority)),
        *both("a subject that starts with the wanted one", "it is of", by=Notary("CN=release2,O=Contoso,C=US", by=authority)),
        *both("a subject that contains the wanted one", "it is of", by=Notary("CN=release,O=Contoso,OU=Evil,C=US", by=authority)),
        *both("of an authority of the same name", "doesn't lead to a trusted one", by=Notary(by=stranger)),
        *both("a certificate of one's own that isn't trusted", "doesn't lead to a trusted one", by=alone),
        *both("an expired certificate", "its certificate is valid from", by=Notary(by=authority, at=NOW - 9 * day, seconds=8 * day)),
        *both("a certificate that isn't valid yet", "its certificate is valid from", by=Notary(by=authority, at=NOW + day)),
        *both("a certificate for servers", "doesn't lead", by=Notary(by=authority, usage=ExtendedKeyUsageOID.SERVER_AUTH)),
        *both("issued by somebody who is no authority", "doesn't lead", by=Notary(by=Notary("CN=user,O=Contoso", by=authority))),
        jws("its payload was changed", changed, "payload", unpadded),
        jws("its signature was changed", changed, "signature", unpadded),
        jws("what it promises was changed", changed, "protected", unpadded),
        jws("the signer's certificate was replaced", changed, "header.x5c.0", lambda _: b64(Notary(by=between).chain[0])),
        jws("no certificate", "it can't be verified", "header.x5c", lambda _: []),
        _case("its payload was changed", signer, "cose", cose.replace(DIGEST.encode(), OTHER.encode()), changed),
        _case("its signature was changed", signer, "cose", cose[:-1] + bytes([cose[-1] ^ 1]), changed),
        _case("what it promises was changed", signer, "cose", cose.replace(b"signingTime", b"signingTimf"), changed),
        _case("cut off", signer, "cose", cose[:-10], "it can't be verified"),
    ]
