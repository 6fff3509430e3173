# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signs images as cosign and Notation do: a Sigstore instance of its own, and signers of all kinds.

JOSE and COSE envelopes come from joserfc and pycose; of cosign's formats there is no library, so they are put together here, and
Sigstore's own libraries for Python and for JavaScript have to take them.
"""

from __future__ import annotations

import hashlib
import json
import struct
import time
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

import cbor2
from asn1crypto import cms, core, tsp
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID
from joserfc import jws
from joserfc.jwk import ECKey, RSAKey
from joserfc.registry import HeaderParameter
from pycose import algorithms
from pycose.headers import Algorithm, ContentType, Critical
from pycose.keys import EC2Key
from pycose.keys import RSAKey as CoseRSAKey
from pycose.keys.curves import P256, P384, P521
from pycose.messages import Sign1Message

ISSUER = "https://issuer.test"
IDENTITY = "https://git.test/team/app/.workflows/release.yml@refs/tags/v1"
BUNDLE = "application/vnd.dev.sigstore.bundle.v0.3+json"
SIGN = "https://sigstore.dev/cosign/sign/v1"
SIMPLE = "application/vnd.dev.cosign.simplesigning.v1+json"
NOTARY = "application/vnd.cncf.notary.signature"
NOTARY_PAYLOAD = "application/vnd.cncf.notary.payload.v1+json"
DER, PEM = Encoding.DER, Encoding.PEM
SPKI = PublicFormat.SubjectPublicKeyInfo
NOW = int(time.time())
SIGNED_AT = NOW - 86400  # long after which a certificate of ten minutes has expired
SIGNED_TIME = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(SIGNED_AT))


def b64(content: bytes) -> str:
    return b64encode(content).decode()


def canonical(content: Any) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def sha256(content: bytes) -> bytes:
    return hashlib.sha256(content).digest()


def der(tag: int, content: bytes) -> bytes:
    """Up to 255 bytes in DER."""
    size = len(content)
    return bytes([tag, 129, size] if size > 127 else [tag, size]) + content


def public_pem(key: Any) -> str:
    return key.public_key().public_bytes(PEM, SPKI).decode()


def key_id(key: Any) -> bytes:
    return sha256(key.public_key().public_bytes(DER, SPKI))


def new_key(curve: Any = None) -> Any:
    return ec.generate_private_key(curve or ec.SECP256R1())


def sign(key: Any, message: bytes) -> bytes:
    found: bytes = key.sign(message, ec.ECDSA(hashes.SHA256()))
    return found


def pae(kind: str, payload: bytes) -> bytes:
    """What a DSSE envelope's signature is over."""
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(payload), payload)


def certificate(
    subject: str,
    key: Any,
    issuer: x509.Certificate | None,
    issuer_key: Any,
    *,
    at: int = NOW,
    seconds: int = 10 * 365 * 86400,
    authority: bool = False,
    usage: Any = ExtendedKeyUsageOID.CODE_SIGNING,
    more: tuple[tuple[x509.ExtensionType, bool], ...] = (),
    serial: int = 0,
) -> x509.Certificate:
    """*issuer* None: it is its own. *at*: from an hour before that for authorities, else from then, and for *seconds*."""
    name = x509.Name.from_rfc4514_string(subject)
    start = datetime.fromtimestamp(at - (86400 * 365 if authority else 0), timezone.utc)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer.subject if issuer else name)
        .public_key(key.public_key())
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(seconds=seconds))
        .add_extension(x509.KeyUsage(not authority, False, False, False, False, authority, authority, False, False), True)
        .add_extension(x509.BasicConstraints(authority, None), True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
    )
    if issuer:
        builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), False)
    if usage and not authority:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), False)
    for extension, critical in more:
        builder = builder.add_extension(extension, critical)
    return builder.sign(issuer_key, hashes.SHA256())


@dataclass
class Sigstore:
    """An instance of its own: an authority that issues certificates, a log of those, a log of signatures, and somebody who stamps
    signatures with the time."""

    name: str = "log.test"
    root_key: Any = field(default_factory=new_key)
    authority_key: Any = field(default_factory=new_key)
    log_key: Any = field(default_factory=new_key)
    certificate_log_key: Any = field(default_factory=new_key)
    stamp_key: Any = field(default_factory=new_key)

    def __post_init__(self) -> None:
        self.root = certificate("O=sigstore.test,CN=root", self.root_key, None, self.root_key, authority=True)
        self.authority = certificate(
            "O=sigstore.test,CN=intermediate", self.authority_key, self.root, self.root_key, authority=True
        )

        stamping = ((x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), True),)
        since = SIGNED_AT - 86400
        self.stamper = certificate("CN=stamps", self.stamp_key, self.root, self.root_key, at=since, usage=None, more=stamping)

    def trust_root(self) -> dict[str, Any]:
        """As its ``trusted_root.json`` has it."""
        valid = {"start": "2020-01-01T00:00:00Z"}

        def log(key: Any) -> dict[str, Any]:
            public = {
                "rawBytes": b64(key.public_key().public_bytes(DER, SPKI)),
                "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                "validFor": valid,
            }
            known = {"baseUrl": f"https://{self.name}", "hashAlgorithm": "SHA2_256"}
            return {**known, "publicKey": public, "logId": {"keyId": b64(key_id(key))}}

        def authority(leaf: x509.Certificate) -> dict[str, Any]:
            chain = [{"rawBytes": b64(one.public_bytes(DER))} for one in (leaf, self.root)]
            named = {"subject": {"organization": "sigstore.test", "commonName": "root"}, "uri": "https://ca.test"}
            return {**named, "certChain": {"certificates": chain}, "validFor": valid}

        return {
            "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
            "tlogs": [log(self.log_key)],
            "certificateAuthorities": [authority(self.authority)],
            "ctlogs": [log(self.certificate_log_key)],
            "timestampAuthorities": [authority(self.stamper)],
        }

    def certify(
        self,
        key: Any,
        identity: str = IDENTITY,
        issuer: str = ISSUER,
        at: int = SIGNED_AT,
        *,
        listed: bool = True,
        old_issuer: str = "",
        **options: Any,
    ) -> x509.Certificate:
        """A certificate of ten minutes. *listed*: with the promise of the log of certificates. *old_issuer*: what it calls the issuer
        in the old way, if that isn't *issuer*; if *issuer* is empty, it doesn't say it in the new way."""
        name = x509.UniformResourceIdentifier(identity) if ":" in identity else x509.RFC822Name(identity)
        oid = "1.3.6.1.4.1.57264.1."
        more = [
            (x509.SubjectAlternativeName([name]), True),
            (x509.UnrecognizedExtension(x509.ObjectIdentifier(oid + "1"), (old_issuer or issuer).encode()), False),
        ]
        if issuer:
            more.append((x509.UnrecognizedExtension(x509.ObjectIdentifier(oid + "8"), der(12, issuer.encode())), False))
        given = {"at": at, "seconds": 600, "serial": x509.random_serial_number(), **options}

        def issue() -> x509.Certificate:
            return certificate("", key, self.authority, self.authority_key, more=tuple(more), **given)

        if listed:
            promise = self._promise(issue().tbs_certificate_bytes, at * 1000)
            more.append((x509.UnrecognizedExtension(x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2"), promise), False))
        return issue()

    def _promise(self, body: bytes, at: int) -> bytes:
        """The log of certificates will list this one: the extension's content (RFC 6962). *at* in milliseconds."""
        parts = 0, 0, at, 1, key_id(self.authority_key), len(body).to_bytes(3, "big"), body, 0
        signature = sign(self.certificate_log_key, struct.pack(f"!BBQH32s3s{len(body)}sH", *parts))
        log = 0, key_id(self.certificate_log_key), at, 0, 4, 3, len(signature), signature
        promise = struct.pack(f"!B32sQHBBH{len(signature)}s", *log)
        listed = struct.pack(f"!HH{len(promise)}s", len(promise) + 2, len(promise), promise)
        return der(4, listed)

    def logged(self, record: dict[str, Any], at: int = SIGNED_AT) -> dict[str, Any]:
        """The log's entry of a record, as bundles have it."""
        body = canonical(record)
        index, other = 1, sha256(b"\0of another")
        root = sha256(b"\1" + other + sha256(b"\0" + body))
        note = f"{self.name}\n2\n{b64(root)}\n"
        signed = b64(key_id(self.log_key)[:4] + sign(self.log_key, note.encode()))
        promised = {"body": b64(body), "integratedTime": at, "logID": key_id(self.log_key).hex(), "logIndex": index}
        return {
            "logIndex": str(index),
            "logId": {"keyId": b64(key_id(self.log_key))},
            "kindVersion": {"kind": record["kind"], "version": record["apiVersion"]},
            "integratedTime": str(at),
            "inclusionPromise": {"signedEntryTimestamp": b64(sign(self.log_key, canonical(promised)))},
            "inclusionProof": {
                "logIndex": str(index),
                "rootHash": b64(root),
                "treeSize": "2",
                "hashes": [b64(other)],
                "checkpoint": {"envelope": f"{note}\n\u2014 {self.name} {signed}\n"},
            },
            "canonicalizedBody": b64(body),
        }

    # -- signatures --------------------------------------------------------------------------------------------------------

    def bundle(self, digest: str, key: Any, leaf: x509.Certificate, at: int = SIGNED_AT, **options: Any) -> dict[str, Any]:
        """As ``cosign sign`` makes it without a key. *options* as of `statement`."""
        kind, payload = "application/vnd.in-toto+json", statement(digest, **options)
        signature = sign(key, pae(kind, payload))
        envelope = {"payload": b64(payload), "payloadType": kind, "signatures": [{"sig": b64(signature)}]}
        signatures = [{"signature": b64(signature), "verifier": b64(leaf.public_bytes(PEM))}]
        spec = {
            "envelopeHash": {"algorithm": "sha256", "value": sha256(canonical(envelope)).hex()},
            "payloadHash": {"algorithm": "sha256", "value": sha256(payload).hex()},
            "signatures": signatures,
        }
        entry = self.logged({"apiVersion": "0.0.1", "kind": "dsse", "spec": spec}, at)
        return {"mediaType": BUNDLE, "verificationMaterial": _material(leaf, entry), "dsseEnvelope": envelope}

    def message(self, content: bytes, key: Any, leaf: x509.Certificate, at: int = SIGNED_AT) -> dict[str, Any]:
        """A bundle over the manifest's own bytes, as ``sigstore sign`` makes it."""
        signature = sign(key, content)
        entry = self.logged(_record(content, signature, leaf.public_bytes(PEM)), at)
        digest = {"algorithm": "SHA2_256", "digest": b64(sha256(content))}
        signed = {"messageDigest": digest, "signature": b64(signature)}
        return {"mediaType": BUNDLE, "verificationMaterial": _material(leaf, entry), "messageSignature": signed}

    def stamped(self, content: bytes, key: Any, leaf: x509.Certificate, at: int = SIGNED_AT) -> dict[str, Any]:
        """As `message`, with the second version of the log, which says no times, and with a time stamp."""
        found = self.message(content, key, leaf)
        signature, algorithm = found["messageSignature"]["signature"], {"algorithm": "SHA2_256"}
        verifier = {"keyDetails": "PKIX_ECDSA_P256_SHA_256", "x509Certificate": {"rawBytes": b64(leaf.public_bytes(DER))}}
        data = {**algorithm, "digest": b64(sha256(content))}
        spec = {"hashedRekordV002": {"data": data, "signature": {"content": signature, "verifier": verifier}}}
        entry = self.logged({"apiVersion": "0.0.2", "kind": "hashedrekord", "spec": spec})
        del entry["integratedTime"], entry["inclusionPromise"]
        stamp = {"signedTimestamp": b64(self.stamp(b64decode(signature), at))}
        found["verificationMaterial"] = {**_material(leaf, entry), "timestampVerificationData": {"rfc3161Timestamps": [stamp]}}
        return found

    def stamp(self, signature: bytes, at: int) -> bytes:
        """When a signature was there (RFC 3161)."""
        sha, stamper = {"algorithm": "sha256"}, self.stamper.public_bytes(DER)
        info = tsp.TSTInfo({
            "version": "v1", "policy": "1.2.3", "serial_number": 1, "gen_time": datetime.fromtimestamp(at, timezone.utc),
            "message_imprint": {"hash_algorithm": sha, "hashed_message": sha256(signature)},
        })  # fmt: skip
        signed = cms.CMSAttributes([
            {"type": "content_type", "values": ["tst_info"]},
            {"type": "message_digest", "values": [sha256(info.dump())]},
            {"type": "signing_certificate_v2", "values": [{"certs": [{"hash_algorithm": sha, "cert_hash": sha256(stamper)}]}]},
        ])  # fmt: skip
        certificate = asn1_x509.Certificate.load(stamper)
        signer = cms.SignerInfo({
            "version": "v1", "digest_algorithm": sha, "signed_attrs": signed, "signature_algorithm": {"algorithm": "sha256_ecdsa"},
            "sid": {"issuer_and_serial_number": {"issuer": certificate.issuer, "serial_number": certificate.serial_number}},
            "signature": sign(self.stamp_key, signed.dump()),
        })  # fmt: skip
        content = cms.SignedData({
            "version": "v3", "digest_algorithms": [sha], "certificates": [certificate], "signer_infos": [signer],
            "encap_content_info": {"content_type": "tst_info", "content": core.ParsableOctetString(info.dump())},
        })  # fmt: skip
        token = {"content_type": "signed_data", "content": content}
        return bytes(tsp.TimeStampResp({"status": {"status": "granted"}, "time_stamp_token": token}).dump())

    def simple(self, payload: bytes, key: Any, leaf: x509.Certificate, at: int = SIGNED_AT) -> dict[str, str]:
        """The annotations of a payload's layer that was signed without a key."""
        signature, pem = sign(key, payload), leaf.public_bytes(PEM)
        entry = self.logged(_record(payload, signature, pem), at)
        logged = {
            "body": entry["canonicalizedBody"],
            "integratedTime": at,
            "logIndex": int(entry["logIndex"]),
            "logID": key_id(self.log_key).hex(),
        }
        promise = {"SignedEntryTimestamp": entry["inclusionPromise"]["signedEntryTimestamp"], "Payload": logged}
        return {
            "dev.cosignproject.cosign/signature": b64(signature),
            "dev.sigstore.cosign/certificate": pem.decode(),
            "dev.sigstore.cosign/chain": "".join(one.public_bytes(PEM).decode() for one in (self.authority, self.root)),
            "dev.sigstore.cosign/bundle": json.dumps(promise),
        }


def _material(leaf: x509.Certificate, entry: dict[str, Any]) -> dict[str, Any]:
    return {"certificate": {"rawBytes": b64(leaf.public_bytes(DER))}, "tlogEntries": [entry]}


def _record(content: bytes, signature: bytes, pem: bytes) -> dict[str, Any]:
    spec = {
        "data": {"hash": {"algorithm": "sha256", "value": sha256(content).hex()}},
        "signature": {"content": b64(signature), "publicKey": {"content": b64(pem)}},
    }
    return {"apiVersion": "0.0.1", "kind": "hashedrekord", "spec": spec}


def statement(digest: str, predicate: str = SIGN, **more: Any) -> bytes:
    algorithm, _colon, value = digest.partition(":")
    subject = {"digest": {algorithm: value}}
    kind = "https://in-toto.io/Statement/v1"
    return canonical({"_type": kind, "subject": [subject], "predicateType": predicate, "predicate": {}, **more})


def claims(digest: str, repository: str = "docker.io/team/app", kind: str = "cosign container image signature") -> bytes:
    """The payload of a simple signature."""
    critical = {"identity": {"docker-reference": repository}, "image": {"docker-manifest-digest": digest}, "type": kind}
    return canonical({"critical": critical, "optional": None})


def key_bundle(digest: str, key: Any, **options: Any) -> dict[str, Any]:
    """As ``cosign sign --key`` makes it."""
    kind, payload = "application/vnd.in-toto+json", statement(digest, **options)
    envelope = {"payload": b64(payload), "payloadType": kind, "signatures": [{"sig": b64(sign(key, pae(kind, payload)))}]}
    material = {"publicKey": {"hint": b64(key_id(key))}, "tlogEntries": []}
    return {"mediaType": BUNDLE, "verificationMaterial": material, "dsseEnvelope": envelope}


# -- Notation --------------------------------------------------------------------------------------------------------------

OURS = "io.cncf.notary."
SUBJECT = "CN=release,O=Contoso,C=US"
_CURVES = {256: ("ES256", P256, algorithms.Es256), 384: ("ES384", P384, algorithms.Es384), 521: ("ES512", P521, algorithms.Es512)}
_SIZES = {2048: ("PS256", algorithms.Ps256), 3072: ("PS384", algorithms.Ps384), 4096: ("PS512", algorithms.Ps512)}


class Notary:
    """Somebody who signs with a certificate, their own or one that *by* has issued. *options* as of `certificate`."""

    def __init__(self, subject: str = SUBJECT, key: Any = None, by: Notary | None = None, **options: Any) -> None:
        self.key = key or new_key()
        self.by = by
        self.certificate = certificate(
            subject, self.key, by.certificate if by else None, by.key if by else self.key, **options
        )
        self.pem = self.certificate.public_bytes(PEM).decode()

    @property
    def chain(self) -> list[bytes]:
        return [self.certificate.public_bytes(DER), *(self.by.chain if self.by else [])]

    def _headers(self, options: dict[str, Any], moment: Any) -> dict[str, Any]:
        scheme, time_name = "notary.x509", OURS + "signingTime"
        headers = {OURS + "signingScheme": scheme, time_name: moment(SIGNED_AT)}
        crit = [OURS + "signingScheme"]
        if "expiry" in options:
            headers[OURS + "expiry"] = moment(options["expiry"])
            crit.append(OURS + "expiry")
        if "critical" in options:
            headers[options["critical"]] = "x"
            crit.append(options["critical"])
        if options.get("authority"):
            headers = {OURS + "signingScheme": scheme + ".signingAuthority", OURS + "authenticSigningTime": moment(SIGNED_AT)}
            crit.append(OURS + "authenticSigningTime")
        return {**headers, "crit": crit, "cty": options.get("cty", NOTARY_PAYLOAD)}

    def jws(self, digest: str, *, algorithm: str = "", **options: Any) -> dict[str, Any]:
        """An envelope in JOSE. *options*: ``expiry``, ``critical`` (a header), ``authority``, ``cty``."""
        curve = isinstance(self.key, ec.EllipticCurvePrivateKey)
        algorithm = algorithm or (_CURVES if curve else _SIZES)[self.key.key_size][0]
        headers = self._headers(options, lambda at: datetime.fromtimestamp(at, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"))
        known = {name: HeaderParameter(name, "str") for name in headers if name.startswith(OURS)}
        registry = jws.JWSRegistry(known, algorithms=[algorithm], strict_check_header=False)
        members = {"protected": {"alg": algorithm, **headers}, "header": {"x5c": [b64(one) for one in self.chain]}}
        key = (ECKey if curve else RSAKey).import_key(self.key)
        return dict(jws.serialize_json(members, target(digest), key, registry=registry))

    def cose(self, digest: str, **options: Any) -> bytes:
        """An envelope in COSE. *options* as of `jws`."""
        headers = self._headers(options, lambda at: cbor2.CBORTag(1, at))
        numbers = self.key.private_numbers()
        size = self.key.key_size
        if isinstance(self.key, ec.EllipticCurvePrivateKey):
            _name, curve, algorithm = _CURVES[size]
            width = (size + 7) // 8
            x, y, d = (n.to_bytes(width, "big") for n in (numbers.public_numbers.x, numbers.public_numbers.y, numbers.private_value))
            key: Any = EC2Key(crv=curve, x=x, y=y, d=d)
        else:
            algorithm = _SIZES[size][1]
            pub = numbers.public_numbers
            parts = {"n": pub.n, "e": pub.e, "d": numbers.d, "p": numbers.p, "q": numbers.q}
            parts.update(dp=numbers.dmp1, dq=numbers.dmq1, qinv=numbers.iqmp)
            key = CoseRSAKey(**{name: n.to_bytes((n.bit_length() + 7) // 8, "big") for name, n in parts.items()})
        protected = {Algorithm: algorithm, Critical: headers.pop("crit"), ContentType: headers.pop("cty"), **headers}
        message = Sign1Message(phdr=protected, uhdr={33: self.chain}, payload=target(digest))
        message.key = key
        return bytes(message.encode())


def target(digest: str) -> bytes:
    """What Notation signs."""
    return canonical({"targetArtifact": {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": digest, "size": 2}})
