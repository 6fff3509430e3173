# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a manifest is, by its bytes, its shape and its label."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.registryops.acr.plugins.module_utils._manifest import (
    INDEX_TYPES,
    MANIFEST_TYPES,
    Child,
    Descriptor,
    Manifest,
    is_index,
    read_manifest,
)
from ansible_collections.registryops.acr.plugins.module_utils._untrusted import Answer
from tests.unit.plugins.registries import DIGEST, DIGEST_512, IMAGE, INDEX, MANIFEST, A, B, error_of

WHAT = "registry.test/team/app:1.0"
LAYERED = {"config": {"digest": A}, "layers": []}
LISTED = [{"digest": A, "mediaType": IMAGE}]


def sent(body: Any = MANIFEST, label: str = IMAGE, digest: str = "") -> Answer:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Answer(200, {"Content-Type": label, **({"Docker-Content-Digest": digest} if digest else {})}, content)


@pytest.mark.parametrize("media_type", [*MANIFEST_TYPES, "", "text/plain"])
def test_what_is_an_index(media_type: str) -> None:
    index = media_type in INDEX_TYPES
    assert is_index(media_type) is Descriptor(A, media_type).is_index is Child(A, media_type, {}, None).is_index is index


@pytest.mark.parametrize(("reference", "digest"), [("1.0", DIGEST), (DIGEST, DIGEST), (DIGEST_512, DIGEST_512)])
def test_a_digest_is_computed_over_the_bytes(reference: str, digest: str) -> None:
    assert read_manifest(sent(), reference, WHAT) == Manifest(Descriptor(digest, IMAGE, len(MANIFEST)), MANIFEST)


@pytest.mark.parametrize(
    ("label", "content", "media_type"),
    [
        ("text/plain", LAYERED, IMAGE),
        (INDEX, LAYERED, IMAGE),
        (INDEX, {**LAYERED, "mediaType": MANIFEST_TYPES[3]}, MANIFEST_TYPES[3]),
        ("text/plain", {**LAYERED, "mediaType": INDEX}, IMAGE),
        (IMAGE, {**LAYERED, "manifests": LISTED}, INDEX),
        ("text/plain", {"manifests": [], "mediaType": INDEX_TYPES[1]}, INDEX_TYPES[1]),
        (INDEX_TYPES[1], {"manifests": [], "mediaType": INDEX_TYPES[0]}, INDEX_TYPES[1]),
        (INDEX, {}, INDEX),
        ("text/plain", {"mediaType": "x/y"}, "x/y"),
        ("text/plain", {}, "text/plain"),
    ],
)
def test_b9_the_shape_decides_over_the_label(label: str, content: Any, media_type: str) -> None:
    assert read_manifest(sent(content, label), "1.0", WHAT).descriptor.media_type == media_type


@pytest.mark.parametrize(
    ("answer", "reference", "sentence"),
    [
        (sent(digest=A), "1.0", f"{WHAT} answered with content of another digest ({DIGEST}); it was not used."),
        (sent(), A, f"{WHAT} answered with content of another digest ({DIGEST}); it was not used."),
        (sent(b"<html>"), "1.0", f"{WHAT} sent something other than a manifest."),
        (sent([]), "1.0", f"{WHAT} sent something other than a manifest."),
        (sent({"schemaVersion": 1}), "1.0", "retired Docker schema 1"),
        (sent(label="application/vnd.docker.distribution.manifest.v1+prettyjws"), "1.0", "retired Docker schema 1"),
    ],
)
def test_what_is_no_manifest(answer: Answer, reference: str, sentence: str) -> None:
    error = error_of(lambda: read_manifest(answer, reference, WHAT))
    assert error.reason == ("unsupported" if "schema 1" in sentence else "protocol") and sentence in str(error)


def test_a_claim_in_another_algorithm_is_no_contradiction() -> None:
    assert read_manifest(sent(digest="sha512:" + "0" * 128), "1.0", WHAT).descriptor.digest == DIGEST


def test_children() -> None:
    listed = [{"digest": A, "platform": None}, {"digest": B, "platform": {"os": "linux"}}]

    def read(media_type: str, content: Any) -> list[dict[str, Any]]:
        return Manifest(Descriptor(A, media_type), json.dumps(content).encode()).children()

    assert read(INDEX, {"manifests": listed}) == listed
    assert read(IMAGE, {"manifests": listed}) == [], "a single manifest lists nothing"
    assert "by None, which isn't a digest" in str(error_of(lambda: read(INDEX, {"manifests": [{}]})))
    assert error_of(lambda: read(INDEX, {"manifests": [{"digest": A, "platform": "linux"}]})).reason == "protocol"
