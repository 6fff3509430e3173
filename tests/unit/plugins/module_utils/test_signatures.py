# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who is accepted, and where their signatures may be. What each format proves is tested beside it, with tests/signing/cases.py."""

from __future__ import annotations

import builtins
import json
from typing import Any

import pytest

from ansible_collections.registryops.acr.plugins.module_utils import _signatures
from ansible_collections.registryops.acr.plugins.module_utils._errors import UserError
from ansible_collections.registryops.acr.plugins.module_utils._signatures import (
    Offer,
    Signature,
    Unproven,
    accepted,
    layers,
    may_count,
    proven,
)  # fmt: skip
from tests.signing import (
    BUNDLE,
    IDENTITY,
    ISSUER,
    NOTARY,
    NOW,
    SIGN,
    SIGNED_TIME,
    SIMPLE,
    SUBJECT,
    Notary,
    Sigstore,
    claims,
    key_bundle,
    new_key,
    public_pem,
)  # fmt: skip
from tests.signing.cases import DIGEST, MANIFEST

KEY = new_key()
NOTARY_OF_ONES_OWN = Notary()
BY_KEY = {"key": public_pem(KEY)}
KEYLESS = {"issuer": ISSUER, "identity": IDENTITY}
BY_NOTATION = {"certificate": NOTARY_OF_ONES_OWN.pem, "subject": SUBJECT}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({}, "each signer needs one of key, issuer (with identity) and certificate (with subject)"),
        ({"identity": IDENTITY}, "each signer needs one of key, issuer"),
        ({**BY_KEY, **KEYLESS}, "each signer needs one of key, issuer"),
        ({"issuer": ISSUER}, "a signer with issuer needs identity, too"),
        ({"certificate": NOTARY_OF_ONES_OWN.pem}, "a signer with certificate needs subject, too"),
        ({**BY_KEY, "identity": IDENTITY}, "identity means nothing beside key; leave it out"),
        ({**BY_NOTATION, "repository": "team/*"}, "repository means nothing beside certificate"),
        ({**BY_KEY, "trust_root": {"a": 1}}, "trust_root means nothing beside key"),
        ({"key": "cosign.pub"}, "key isn't a public key in PEM (-----BEGIN PUBLIC KEY-----)"),
        ({"key": NOTARY_OF_ONES_OWN.pem}, "key isn't a public key in PEM"),
        ({**BY_NOTATION, "certificate": BY_KEY["key"]}, "certificate isn't a certificate in PEM (-----BEGIN CERTIFICATE-----)"),
        ({**BY_NOTATION, "subject": "release"}, "the subject 'release' can't be read; write something like CN=release,O=Contoso,C=US"),
        ({**KEYLESS, "trust_root": {"mediaType": "?"}}, "trust_root isn't the content of a trusted_root.json"),
    ],
)
def test_what_makes_no_sense_is_one_sentence(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(UserError) as caught:
        accepted(options)
    assert str(caught.value).startswith("signed_by: ") and sentence in str(caught.value) and "\n" not in str(caught.value)


def test_what_is_left_out_may_be_null() -> None:
    assert accepted({**BY_KEY, "issuer": None, "trust_root": None, "repository": ""}) == accepted(BY_KEY)


def test_one_of_several_signers_is_enough_and_each_says_why_it_is_not() -> None:
    offer = Offer("bundle", json.dumps(key_bundle(DIGEST, KEY)).encode())
    others = [accepted({"key": public_pem(new_key())}), accepted({**KEYLESS, "trust_root": Sigstore().trust_root()})]
    assert proven(offer, [*others, accepted(BY_KEY)], DIGEST, NOW) == Signature("key", accepted(BY_KEY).who, None)
    with pytest.raises(Unproven, match="its signature is not of this key.* and it was made with a key"):
        proven(offer, others, DIGEST, NOW)
    with pytest.raises(Unproven, match="nobody is accepted who signs this way"):
        proven(offer, [accepted(BY_NOTATION)], DIGEST, NOW)


def test_a_library_that_is_missing_is_told_before_anything_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_signatures, "find_spec", lambda name: None)
    with pytest.raises(ImportError) as caught:
        accepted(KEYLESS)
    assert caught.value.name == "sigstore"
    assert accepted(BY_KEY)


def test_a_missing_library_is_no_sign_of_a_bad_signature(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any) -> Any:
        if name == "cbor2":
            raise ImportError(name=name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError):
        proven(Offer("cose", b""), [accepted(BY_NOTATION)], DIGEST, NOW)


def test_the_time_of_a_signature_is_what_is_known_of_it() -> None:
    sigstore = Sigstore()
    keyless = accepted({**KEYLESS, "trust_root": sigstore.trust_root()})
    leaf = sigstore.certify(KEY)
    bundle = json.dumps(sigstore.bundle(DIGEST, KEY, leaf)).encode()
    simple = Offer("simple", claims(DIGEST), sigstore.simple(claims(DIGEST), KEY, leaf))
    stamped = json.dumps(sigstore.stamped(MANIFEST, KEY, leaf)).encode()
    for offer in (Offer("bundle", bundle), Offer("bundle", stamped), simple):
        assert proven(offer, [keyless], DIGEST, NOW) == Signature("keyless", IDENTITY, SIGNED_TIME)


LAYER = {"mediaType": SIMPLE, "digest": DIGEST, "annotations": {"a": "b"}}


@pytest.mark.parametrize(
    ("manifest", "found"),
    [
        ({"layers": [LAYER, {"mediaType": "application/gzip", "digest": DIGEST}]}, [("simple", DIGEST, {"a": "b"})]),
        ({"layers": [{"mediaType": BUNDLE, "digest": DIGEST}]}, [("bundle", DIGEST, {})]),
        ({"layers": [{"mediaType": "application/vnd.dev.sigstore.bundle+json;version=0.2"}]}, [("bundle", "None", {})]),
        ({"layers": [{"mediaType": "application/jose+json", "digest": DIGEST}]}, [("jws", DIGEST, {})]),
        ({"layers": [{"mediaType": "application/cose", "digest": DIGEST}]}, [("cose", DIGEST, {})]),
        ({}, []),
        ({"layers": None}, []),
        ({"layers": "x"}, []),
        ({"layers": [None, "x", {}, {**LAYER, "annotations": ["x"]}]}, [("simple", DIGEST, {})]),
    ],
)
def test_layers_that_hold_signatures(manifest: dict[str, Any], found: list[Any]) -> None:
    assert list(layers(manifest)) == found


PREDICATE = "dev.sigstore.bundle.predicateType"


@pytest.mark.parametrize(
    ("descriptor", "of_whom"),
    [
        ({}, ["key", "notation"]),
        ({"artifactType": "application/vnd.oci.empty.v1+json"}, ["key", "notation"]),
        ({"artifactType": BUNDLE}, ["key"]),
        ({"artifactType": BUNDLE, "annotations": {PREDICATE: SIGN}}, ["key"]),
        ({"artifactType": BUNDLE, "annotations": {PREDICATE: "https://slsa.dev/provenance/v1"}}, []),
        ({"artifactType": BUNDLE, "annotations": "x"}, ["key"]),
        ({"artifactType": "application/vnd.dev.cosign.artifact.sig.v1+json"}, ["key"]),
        ({"artifactType": NOTARY}, ["notation"]),
        ({"artifactType": "application/spdx+json"}, []),
    ],
)
def test_only_what_may_be_a_signature_of_somebody_who_is_accepted_is_read(descriptor: dict[str, Any], of_whom: list[str]) -> None:
    signers = {"key": accepted(BY_KEY), "notation": accepted(BY_NOTATION)}
    assert [kind for kind, signer in signers.items() if may_count([signer], descriptor)] == of_whom
    assert may_count(signers.values(), descriptor) == bool(of_whom)
