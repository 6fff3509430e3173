# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signatures in registries: where they are looked for, how often, and what a registry's answers allow to conclude."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.registryops.acr.plugins.module_utils import _vetting
from ansible_collections.registryops.acr.plugins.module_utils._errors import AcrError, UserError
from ansible_collections.registryops.acr.plugins.module_utils._plan import Desired, Item, Observed, Origin, Rules, Target
from ansible_collections.registryops.acr.plugins.module_utils._signatures import Signature, Signer, accepted
from ansible_collections.registryops.acr.plugins.module_utils._vetting import Vetting, refusal
from tests.signing import (
    BUNDLE,
    NOTARY,
    NOW,
    SIGN,
    SIGNED_TIME,
    SIMPLE,
    SUBJECT,
    Notary,
    b64,
    claims,
    key_bundle,
    new_key,
    public_pem,
    sign,
)
from tests.unit.plugins.held import IMAGE, INDEX, HeldRegistry, digest, source_of

KEY = new_key()
BY_KEY = accepted({"key": public_pem(KEY)})
NOTATION = Notary()
BY_NOTATION = accepted({"certificate": NOTATION.pem, "subject": SUBJECT})
A, B = digest(1), digest(2)
SIG = A.replace(":", "-") + ".sig"
OF_KEY = Signature("key", BY_KEY.who, None)


@pytest.fixture
def quay() -> HeldRegistry:
    return HeldRegistry("quay.io", team_app={"1.0": A, "2.0": B})


def hold(registry: HeldRegistry, number: int, media_type: str, content: Any, annotations: Any = None) -> str:
    """A manifest with this number for a digest, with one layer."""
    blob = digest(number + 1000)
    registry.blobs[blob] = content if isinstance(content, bytes) else json.dumps(content).encode()
    layer = {"mediaType": media_type, "digest": blob, "annotations": annotations or {}}
    registry.manifests[digest(number)] = (IMAGE, {"layers": [layer]})
    return digest(number)


def refer(registry: HeldRegistry, subject: str, number: int, media_type: str, content: Any, **described: Any) -> None:
    registry.referring.setdefault(subject, []).append(hold(registry, number, media_type, content))
    registry.described[digest(number)] = described


def hold_tag(registry: HeldRegistry, subject: str = A, key: Any = KEY, number: int = 90) -> None:
    payload = claims(subject)
    found = hold(registry, number, SIMPLE, payload, {"dev.cosignproject.cosign/signature": b64(sign(key, payload))})
    registry.tagged["team/app"][subject.replace(":", "-") + ".sig"] = found


def vet(registry: HeldRegistry, *signers: Signer, tag: str = "1.0", **facts: Any) -> Signature | AcrError:
    source = source_of(registry)
    try:
        return Vetting(source, NOW).signature(Origin(source.key, "team/app", tag, A, **facts), signers or (BY_KEY,))
    except AcrError as error:
        return error


def error_of(found: Signature | AcrError) -> AcrError:
    assert isinstance(found, AcrError)
    return found


# -- where -------------------------------------------------------------------------------------------------------------


def test_a_bundle_takes_three_requests(quay: HeldRegistry) -> None:
    refer(quay, A, 10, BUNDLE, key_bundle(A, KEY), artifactType=BUNDLE)
    assert vet(quay) == OF_KEY
    assert quay.asked == [("referrers", "team/app", A), ("manifest", "team/app", digest(10)), ("blob", "team/app", digest(1010))]


def test_a_signature_under_a_tag_takes_three_requests(quay: HeldRegistry) -> None:
    hold_tag(quay)
    assert vet(quay) == OF_KEY
    assert quay.asked == [("referrers", "team/app", A), ("manifest", "team/app", SIG), ("blob", "team/app", digest(1090))]


def test_notation_signs_by_referrers_alone(quay: HeldRegistry) -> None:
    hold_tag(quay)
    refer(quay, A, 10, "application/jose+json", NOTATION.jws(A), artifactType=NOTARY)
    assert vet(quay, BY_NOTATION) == Signature("notation", SUBJECT, SIGNED_TIME)
    quay.referring.clear()
    quay.asked.clear()
    assert error_of(vet(quay, BY_NOTATION)).reason == "unsigned"
    assert {what[0] for what in quay.asked} == {"referrers"}


def test_what_can_not_count_is_not_read(quay: HeldRegistry) -> None:
    provenance = {"dev.sigstore.bundle.predicateType": "https://slsa.dev/provenance/v1"}
    refer(quay, A, 10, BUNDLE, {}, artifactType=BUNDLE, annotations=provenance)
    refer(quay, A, 11, "application/jose+json", {}, artifactType=NOTARY)
    refer(quay, A, 12, "application/spdx+json", {}, artifactType="application/spdx+json")
    refer(quay, A, 13, BUNDLE, key_bundle(A, KEY), artifactType=BUNDLE, annotations={"dev.sigstore.bundle.predicateType": SIGN})
    assert vet(quay) == OF_KEY
    assert [what for what in quay.asked if what[0] == "manifest"] == [("manifest", "team/app", digest(13))]


def test_a_registry_that_hides_a_bundle_can_not_make_another_signature_count(quay: HeldRegistry) -> None:
    hold_tag(quay, key=new_key())
    assert error_of(vet(quay)).reason == "unsigned"
    refer(quay, A, 10, BUNDLE, key_bundle(B, KEY), artifactType=BUNDLE)
    assert error_of(vet(quay)).reason == "unsigned"


def test_a_bad_signature_does_not_stand_in_the_way_of_a_good_one(quay: HeldRegistry) -> None:
    refer(quay, A, 10, BUNDLE, key_bundle(A, new_key()))
    refer(quay, A, 11, BUNDLE, b"nothing")
    quay.referring[A].append(digest(12))  # listed, and not there
    refer(quay, A, 13, BUNDLE, {})
    del quay.blobs[digest(1013)]
    quay.manifests[digest(14)] = (IMAGE, {"layers": ["?"]})
    quay.referring[A].append(digest(14))
    hold_tag(quay)
    sig = quay.manifests[digest(90)][1]
    sig["layers"].insert(0, {"mediaType": SIMPLE, "digest": digest(999)})
    assert vet(quay) == OF_KEY


# -- what answers prove --------------------------------------------------------------------------------------------------


def test_one_answer_does_not_make_an_image_unsigned(quay: HeldRegistry) -> None:
    hold_tag(quay)
    quay.late[("manifest", "team/app", SIG)] = 2
    assert vet(quay) == OF_KEY
    assert quay.asked.count(("referrers", "team/app", A)) == 3


def test_an_image_without_signatures_is_unsigned_after_it_was_asked_for_again_and_again(quay: HeldRegistry) -> None:
    error = error_of(vet(quay))
    assert (error.reason, str(error)) == ("unsigned", "No signature of it was found.")
    assert quay.asked.count(("referrers", "team/app", A)) == 5


def test_what_is_wrong_with_signatures_is_said(quay: HeldRegistry) -> None:
    for number in range(10, 16):
        refer(quay, A, number, BUNDLE, key_bundle(A, new_key(), predicate=f"https://test/{number}") if number > 10 else key_bundle(B, KEY))
    error = error_of(vet(quay))
    assert (error.reason, str(error)) == (
        "unsigned",
        "It has a signature, but it signs another image; its signature is not of this key, or what it signs was changed.",
    )


@pytest.mark.parametrize("question", [("referrers",), ("manifest", "team/app", SIG), ("blob",)])
@pytest.mark.parametrize("reason", ["throttled", "unavailable", "denied", "unauthorized", "unreachable", "timeout"])
def test_a_registry_that_does_not_answer_makes_no_image_unsigned(quay: HeldRegistry, question: tuple[str, ...], reason: str) -> None:
    hold_tag(quay, key=new_key())
    quay.fails[question] = AcrError(reason, "quay.io said no.")
    error = error_of(vet(quay))
    assert (error.reason, str(error)) == (reason, "quay.io said no.")


@pytest.mark.parametrize("question", [("manifest", "team/app", SIG), ("blob",)])
def test_what_stands_before_a_registry_makes_no_image_unsigned(quay: HeldRegistry, question: tuple[str, ...]) -> None:
    """Another signature may still show that it is signed."""
    hold_tag(quay)
    quay.fails[question] = AcrError("protocol", "quay.io answered 404 with something that no registry sends.", status=404)
    error = error_of(vet(quay))
    assert (error.reason, str(error)) == ("protocol", "quay.io answered 404 with something that no registry sends.")
    refer(quay, A, 10, "application/jose+json", NOTATION.jws(A), artifactType=NOTARY)
    quay.fails[("manifest", "team/app", SIG)] = quay.fails.pop(question)
    assert vet(quay, BY_KEY, BY_NOTATION) == Signature("notation", SUBJECT, SIGNED_TIME)


@pytest.mark.parametrize(
    ("error", "says"),
    [
        (ImportError(name="sigstore.models"), "The Python library sigstore is missing, or too old."),
        (UserError("signed_by: trust_root isn't one."), "signed_by: trust_root isn't one."),
    ],
)
def test_what_keeps_us_from_verifying_makes_no_image_unsigned(
    quay: HeldRegistry, monkeypatch: pytest.MonkeyPatch, error: Exception, says: str
) -> None:
    def proven(*_arguments: Any) -> Signature:
        raise error

    hold_tag(quay)
    monkeypatch.setattr(_vetting, "proven", proven)
    found = error_of(vet(quay))
    assert (found.reason, str(found)) == ("invalid", says)


def test_signatures_without_end_are_refused(quay: HeldRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_vetting, "MOST", 3)
    for number in range(10, 14):
        refer(quay, A, number, BUNDLE, key_bundle(A, new_key()))
    assert error_of(vet(quay)).reason == "refused"


# -- platforms -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("parent", [digest(50), None])
def test_a_signature_of_the_index_counts_for_the_platform_that_it_lists(quay: HeldRegistry, parent: str | None) -> None:
    """Its index is the one that it was found in, even if the tag has moved on; of a lock file's digest, the one that the tag names."""
    quay.manifests[digest(50)] = (INDEX, {"manifests": [{"digest": A}, {"digest": B}]})
    quay.manifests[digest(51)] = (INDEX, {"manifests": [{"digest": B}]})
    quay.tagged["team/app"]["index"] = digest(51 if parent else 50)
    refer(quay, digest(50), 10, BUNDLE, key_bundle(digest(50), KEY))
    assert vet(quay, platform="linux/amd64", tag="index", parent=parent) == OF_KEY
    assert error_of(vet(quay, tag="index", parent=parent)).reason == "unsigned", "unless the platform was asked for"


@pytest.mark.parametrize("parent", [digest(50), None])
def test_an_index_that_does_not_list_the_platform_says_nothing_of_it(quay: HeldRegistry, parent: str | None) -> None:
    quay.manifests[digest(50)] = (INDEX, {"manifests": [{"digest": B}]})
    quay.tagged["team/app"]["index"] = digest(50)
    refer(quay, digest(50), 10, BUNDLE, key_bundle(digest(50), KEY))
    assert error_of(vet(quay, platform="linux/amd64", tag="index", parent=parent)).reason == "unsigned"


# -- sentences -------------------------------------------------------------------------------------------------------------


def item(before: str | None) -> Item:
    origin = Origin(source_of(HeldRegistry("quay.io")).key, "team/app", "1.0", A)
    desired = Desired(Target("team/app", "1.0"), origin, Rules(signed_by=(BY_KEY, BY_NOTATION)))
    return Item(desired, Observed.there(before) if before else None)


@pytest.mark.parametrize(("before", "left"), [(None, ""), (B, ""), (A, " team/app:1.0 has it already, and was left alone.")])
def test_an_image_that_is_not_signed(before: str | None, left: str) -> None:
    error = refusal(item(before), AcrError("unsigned", "No signature of it was found."))
    wanted = f"the key {BY_KEY.who} or {SUBJECT}"
    assert str(error) == (
        f"quay.io/team/app:1.0 ({A}) isn't signed by {wanted}, so it wasn't imported. No signature of it was found.{left}"
    )
    assert error.reason == "unsigned"


def test_signatures_that_can_not_be_read() -> None:
    error = refusal(item(None), AcrError("throttled", "quay.io said no."))
    assert error.reason == "throttled"
    assert str(error).endswith(f" or {SUBJECT} can't be known, so it wasn't imported: quay.io said no.")
