# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Manifests: what their bytes, their shape and their label say of them. Pure."""

from __future__ import annotations

import hashlib
from typing import Any, Dict, List, NamedTuple, Optional

from ._errors import AcrError
from ._reference import valid_digest
from ._untrusted import Answer, mapping, objects, parse

INDEX_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
IMAGE_TYPE = "application/vnd.oci.image.manifest.v1+json"
MANIFEST_TYPES = INDEX_TYPES + (
    IMAGE_TYPE,
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.artifact.manifest.v1+json",
)
SCHEMA1_TYPES = (
    "application/vnd.docker.distribution.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
)
ACCEPT = ", ".join(MANIFEST_TYPES + ("*/*;q=0.1",))


def is_index(media_type: str) -> bool:
    """Whether a manifest of this type lists others."""
    return media_type in INDEX_TYPES


class Descriptor(NamedTuple):
    """A manifest as a registry announces it. *size* in bytes; None if the registry doesn't say."""

    digest: str
    media_type: str
    size: Optional[int] = None

    @property
    def is_index(self) -> bool:
        return is_index(self.media_type)


class Child(NamedTuple):
    """A manifest that an index lists. *platform*: as the index states it, ``{}`` if it doesn't. *size* in bytes; None if the
    index doesn't say."""

    digest: str
    media_type: str
    platform: Dict[str, Any]
    size: Optional[int]

    @property
    def is_index(self) -> bool:
        return is_index(self.media_type)


class Manifest(NamedTuple):
    """A manifest's bytes, whose digest was computed here."""

    descriptor: Descriptor
    content: bytes

    def json(self) -> Dict[str, Any]:
        return mapping(parse(self.content), f"The manifest {self.descriptor.digest}")

    def children(self) -> List[Dict[str, Any]]:
        """The descriptors an index lists, each with a digest; empty for a single manifest."""
        who = f"The index {self.descriptor.digest}"
        found = objects(self.json().get("manifests"), who) if self.descriptor.is_index else []
        for child in found:
            mapping(child.get("platform"), who)
            digest = child.get("digest")
            if not valid_digest(digest):
                raise AcrError("protocol", f"{who} lists a manifest by {digest!r:.100}, which isn't a digest.")
        return found


def read_manifest(answer: Answer, reference: str, what: str) -> Manifest:
    """The manifest in an answer to a request for the tag or digest *reference*; *what* names the image for errors."""
    content = answer.json()
    if not isinstance(content, dict):
        raise AcrError("protocol", f"{what} sent something other than a manifest.")
    media_type = _type_of(content, label(answer))
    if media_type in SCHEMA1_TYPES or content.get("schemaVersion") == 1:
        raise AcrError(
            "unsupported",
            f"{what} is a manifest of the retired Docker schema 1, which Azure does not import; push the image again with a "
            "current client.",
        )
    algorithm = reference.split(":")[0] if valid_digest(reference) else "sha256"
    digest = computed_digest(algorithm, answer.body)
    claimed = reference if valid_digest(reference) else answer.headers.get("Docker-Content-Digest")
    if claimed and claimed.startswith(algorithm) and claimed != digest:
        raise wrong_digest(what, digest)
    return Manifest(Descriptor(digest, media_type, len(answer.body)), answer.body)


def computed_digest(algorithm: str, content: bytes) -> str:
    return f"{algorithm}:{hashlib.new(algorithm, content).hexdigest()}"


def wrong_digest(what: str, digest: str) -> AcrError:
    """The error for content that doesn't have the digest it was asked for by, or announced with."""
    return AcrError("protocol", f"{what} answered with content of another digest ({digest}); it was not used.")


def label(answer: Answer) -> str:
    """The media type in ``Content-Type``."""
    return (answer.headers.get("Content-Type") or "").split(";")[0].strip().lower()


def _type_of(content: Dict[str, Any], labelled: str) -> str:
    """A manifest's media type. Azure and everybody who pulls it read it by its content, so its shape decides what it is, and its
    labels only which of the names for that it goes by."""
    labels = [found for found in (labelled, content.get("mediaType")) if found in MANIFEST_TYPES]
    if isinstance(content.get("manifests"), list):
        return next(filter(is_index, labels), INDEX_TYPES[0])
    if "config" in content and "layers" in content:
        return next((found for found in labels if not is_index(found)), IMAGE_TYPE)
    return labels[0] if labels else str(content.get("mediaType") or labelled)
