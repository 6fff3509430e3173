# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Builds small but real container images, the same bytes for the same seed.

Layers are tar archives compressed with gzip, configurations name the layers by their uncompressed digests, and
manifests are what a builder would push: any tool that pulls, unpacks or checks images accepts them.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import random
import tarfile
from base64 import b64decode
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
OCI_EMPTY = "application/vnd.oci.empty.v1+json"
DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
DOCKER_SCHEMA1 = "application/vnd.docker.distribution.manifest.v1+prettyjws"
HELM_CONFIG = "application/vnd.cncf.helm.config.v1+json"
HELM_CHART = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
COSIGN_LAYER = "application/vnd.dev.cosign.simplesigning.v1+json"
COSIGN_TYPE = "application/vnd.dev.cosign.artifact.sig.v1+json"
SBOM_TYPE = "application/spdx+json"
IN_TOTO = "application/vnd.in-toto+json"

INDEX_TYPES = (OCI_INDEX, DOCKER_LIST)
DEFAULT_PLATFORMS = ("linux/amd64", "linux/arm64/v8", "linux/arm/v7", "windows/amd64")
WINDOWS_VERSION = "10.0.17763.6414"
BUSYBOX = Path("/bin/busybox")
CREATED = "2024-05-14T08:30:00Z"


def digest_of(data: bytes) -> str:
    """The digest of some bytes, as registries write it."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def encode(value: Any) -> bytes:
    """JSON as container builders write manifests: indented, in the order given."""
    return json.dumps(value, indent=3).encode()


@dataclass
class Image:
    """A manifest with everything below it. `descriptor` holds what an index says of it beyond type, digest and size."""

    data: bytes
    media_type: str
    blobs: dict[str, bytes] = field(default_factory=dict)
    children: list[Image] = field(default_factory=list)
    descriptor: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.digest = digest_of(self.data)

    def walk(self) -> Iterator[Image]:
        """Children first, then the manifest itself: the order in which a client pushes."""
        for child in self.children:
            yield from child.walk()
        yield self


@dataclass
class Built:
    """What one call built: the image, and the manifests beside it (signatures, SBOMs), each with its tag or None."""

    image: Image
    extras: list[tuple[str | None, Image]] = field(default_factory=list)


def _blob(blobs: dict[str, bytes], content: bytes, media_type: str, /, **more: Any) -> dict[str, Any]:
    """Keeps a blob and returns its descriptor."""
    digest = digest_of(content)
    blobs[digest] = content
    return {"mediaType": media_type, "size": len(content), "digest": digest, **more}


def tar_layer(files: dict[str, tuple[int, bytes]]) -> tuple[bytes, str]:
    """A compressed layer of {path: (mode, content)}; returns (gzip bytes, digest of the plain tar archive)."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w", format=tarfile.PAX_FORMAT) as archive:
        directories: set[str] = set()
        for path, (mode, content) in files.items():
            parts = path.split("/")[:-1]
            for depth in range(1, len(parts) + 1):
                directory = "/".join(parts[:depth])
                if directory not in directories:
                    directories.add(directory)
                    entry = tarfile.TarInfo(directory)
                    entry.type, entry.mode = tarfile.DIRTYPE, 0o755
                    archive.addfile(entry)
            entry = tarfile.TarInfo(path)
            entry.mode, entry.size = mode, len(content)
            archive.addfile(entry, io.BytesIO(content))
    raw = plain.getvalue()
    # A fixed modification time: gzip would otherwise write the present one into the layer.
    return gzip.compress(raw, compresslevel=1, mtime=0), digest_of(raw)


@lru_cache(maxsize=1)
def _busybox_layer() -> tuple[bytes, str] | None:
    if not BUSYBOX.exists():
        return None
    return tar_layer({"bin/busybox": (0o755, BUSYBOX.read_bytes())})


def _base_layer(platform: dict[str, Any], seed: int) -> tuple[bytes, str]:
    name = f"Sandbox Linux {seed}"
    if platform["os"] == "windows":
        text = f"Sandbox Windows {platform['os.version']} {seed}\r\n"
        return tar_layer({"Files/License.txt": (0o644, text.encode())})
    text = f'NAME="Sandbox Linux"\nID=sandbox\nVERSION_ID={seed}\nPRETTY_NAME="{name}"\n'
    return tar_layer({"etc/os-release": (0o644, text.encode()), "etc/hostname": (0o644, b"sandbox\n")})


def _app_layer(platform: dict[str, Any], seed: int, name: str, size: int) -> tuple[bytes, str]:
    noise = random.Random(f"{seed}/{name}/{platform}").randbytes(size)
    prefix = "Files/" if platform["os"] == "windows" else ""
    script = f"#!/bin/sh\necho 'Hello from {name} {seed} on {platform['os']}/{platform['architecture']}'\n"
    return tar_layer({f"{prefix}app/hello": (0o755, script.encode()), f"{prefix}app/data.bin": (0o644, noise)})


def parse_platform(text: str) -> dict[str, Any]:
    """`os/architecture[/variant]` as an index's `platform` object; Windows gets its build number."""
    parts = text.split("/")
    platform: dict[str, Any] = {"architecture": parts[1], "os": parts[0]}
    if platform["os"] == "windows":
        platform["os.version"] = WINDOWS_VERSION
    if len(parts) > 2:
        platform["variant"] = parts[2]
    return platform


def single(
    seed: int = 0,
    *,
    name: str = "app",
    platform: str = "linux/amd64",
    docker: bool = False,
    size: int = 512,
    layers: int = 2,
    busybox: bool = False,
    annotations: dict[str, str] | None = None,
) -> Image:
    """One platform's image. `size` is the bytes of noise in each layer above the base one."""
    described = parse_platform(platform)
    blobs: dict[str, bytes] = {}
    built = [_base_layer(described, seed)]
    tool = _busybox_layer() if busybox and platform == "linux/amd64" else None
    if tool:
        built.append(tool)
    built += [_app_layer(described, seed, f"{name}-{number}", size) for number in range(1, layers)]
    config = encode(
        {
            **described,
            "created": CREATED,
            "config": {
                "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
                "Cmd": ["/app/hello"],
                "Labels": {"org.opencontainers.image.title": name, "org.opencontainers.image.version": str(seed)},
            },
            "rootfs": {"type": "layers", "diff_ids": [diff_id for _data, diff_id in built]},
            "history": [{"created": CREATED, "created_by": f"COPY layer-{n} /"} for n in range(len(built))],
        }
    )
    config_type, layer_type, media_type = (
        (DOCKER_CONFIG, DOCKER_LAYER, DOCKER_MANIFEST) if docker else (OCI_CONFIG, OCI_LAYER, OCI_MANIFEST)
    )
    manifest: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": _blob(blobs, config, config_type),
        "layers": [_blob(blobs, data, layer_type) for data, _diff_id in built],
    }
    if annotations:
        manifest["annotations"] = annotations
    return Image(encode(manifest), media_type, blobs, descriptor={"platform": described})


def _attestation(subject: Image, seed: int) -> Image:
    """What BuildKit puts beside a platform's manifest: provenance, on the platform `unknown/unknown`."""
    blobs: dict[str, bytes] = {}
    statement = encode({
        "_type": "https://in-toto.io/Statement/v0.1",
        "predicateType": "https://slsa.dev/provenance/v0.2",
        "subject": [{"name": "_", "digest": {"sha256": subject.digest.split(":")[1]}}],
        "predicate": {"builder": {"id": ""}, "metadata": {"buildInvocationID": str(seed)}},
    })
    config = encode({
        "architecture": "unknown", "os": "unknown", "config": {},
        "rootfs": {"type": "layers", "diff_ids": [digest_of(statement)]},
    })
    manifest = encode({
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": _blob(blobs, config, OCI_CONFIG),
        "layers": [
            _blob(blobs, statement, IN_TOTO,
                  annotations={"in-toto.io/predicate-type": "https://slsa.dev/provenance/v0.2"})
        ],
    })
    return Image(manifest, OCI_MANIFEST, blobs, descriptor={
        "annotations": {
            "vnd.docker.reference.digest": subject.digest,
            "vnd.docker.reference.type": "attestation-manifest",
        },
        "platform": {"architecture": "unknown", "os": "unknown"},
    })


def assemble(
    children: list[Image],
    media_type: str = OCI_INDEX,
    annotations: dict[str, str] | None = None,
    untyped: bool = False,
) -> Image:
    """An index (or Docker manifest list) over manifests built before. ``untyped``: it does not say so itself."""
    value: dict[str, Any] = {
        "schemaVersion": 2,
        **({} if untyped else {"mediaType": media_type}),
        "manifests": [
            {"mediaType": child.media_type, "size": len(child.data), "digest": child.digest, **child.descriptor}
            for child in children
        ],
    }
    if annotations:
        value["annotations"] = annotations
    return Image(encode(value), media_type, children=children)


def index(
    seed: int = 0,
    *,
    name: str = "app",
    platforms: tuple[str, ...] | list[str] = DEFAULT_PLATFORMS,
    docker: bool = False,
    attestations: bool = True,
    busybox: bool = False,
    size: int = 512,
    annotations: dict[str, str] | None = None,
    untyped: bool = False,
) -> Image:
    """A multi-architecture image; with `docker` a schema 2 manifest list, which carries no attestations."""
    children = [
        single(seed, name=name, platform=platform, docker=docker, busybox=busybox, size=size) for platform in platforms
    ]
    if docker:
        return assemble(children, DOCKER_LIST)
    if attestations:
        children += [_attestation(child, seed) for child in children[:]]
    return assemble(children, OCI_INDEX, annotations, untyped)


def helm(seed: int = 0, *, name: str = "web", version: str = "0.1.0") -> Image:
    """A Helm chart as `helm push` stores it."""
    blobs: dict[str, bytes] = {}
    chart = {"apiVersion": "v2", "appVersion": "1.0", "description": f"Chart {name} {seed}", "name": name,
             "type": "application", "version": version}
    text = "".join(f"{key}: {value}\n" for key, value in chart.items())
    template = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}\n"
    data, _diff_id = tar_layer({
        f"{name}/Chart.yaml": (0o644, text.encode()),
        f"{name}/values.yaml": (0o644, b"replicas: 1\n"),
        f"{name}/templates/configmap.yaml": (0o644, template.encode()),
    })
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": _blob(blobs, json.dumps(chart).encode(), HELM_CONFIG),
        "layers": [_blob(blobs, data, HELM_CHART)],
        "annotations": {"org.opencontainers.image.title": name, "org.opencontainers.image.version": version},
    }
    return Image(encode(manifest), OCI_MANIFEST, blobs)


def _subject(image: Image) -> dict[str, Any]:
    return {"mediaType": image.media_type, "size": len(image.data), "digest": image.digest}


def signature(subject: Image, *, reference: str = "signed/app", attached: bool = False) -> Image:
    """A cosign signature: found by its tag, or (`attached`) an OCI 1.1 referrer that names its subject."""
    blobs: dict[str, bytes] = {}
    payload = json.dumps({
        "critical": {
            "identity": {"docker-reference": reference},
            "image": {"docker-manifest-digest": subject.digest},
            "type": "cosign container image signature",
        },
        "optional": None,
    }).encode()
    layer = _blob(blobs, payload, COSIGN_LAYER, annotations={"dev.cosignproject.cosign/signature": "MEUCIQDsandbox"})
    config = json.dumps({
        "architecture": "", "config": {}, "created": "0001-01-01T00:00:00Z", "history": [{}], "os": "",
        "rootfs": {"type": "layers", "diff_ids": [layer["digest"]]},
    }).encode()
    manifest: dict[str, Any] = {"schemaVersion": 2, "mediaType": OCI_MANIFEST}
    if attached:
        # cosign's own way: the configuration's media type says what the artifact is, there is no artifactType.
        manifest["config"] = _blob(blobs, config, COSIGN_TYPE)
        manifest["layers"] = [layer]
        manifest["subject"] = _subject(subject)
    else:
        manifest["config"] = _blob(blobs, config, OCI_CONFIG)
        manifest["layers"] = [layer]
    return Image(encode(manifest), OCI_MANIFEST, blobs)


def artifact(
    content: str,
    media_type: str,
    *,
    annotations: dict[str, str] | None = None,
    subject: str = "",
    artifact_type: str = "",
) -> Image:
    """A manifest with one layer, whose *content* is in base64, and perhaps a subject (a digest)."""
    blobs: dict[str, bytes] = {}
    manifest: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "config": _blob(blobs, b"{}", OCI_EMPTY if artifact_type else OCI_CONFIG),
        "layers": [_blob(blobs, b64decode(content), media_type, annotations=annotations or {})],
    }
    if artifact_type:
        manifest["artifactType"] = artifact_type
    if subject:
        manifest["subject"] = {"mediaType": OCI_MANIFEST, "size": 2, "digest": subject}
    return Image(encode(manifest), OCI_MANIFEST, blobs)


def sbom(subject: Image, *, name: str = "app", artifact_type: str = SBOM_TYPE) -> Image:
    """An SBOM attached to a manifest, as ORAS pushes one: an empty configuration and an artifactType."""
    blobs: dict[str, bytes] = {}
    document = encode({
        "spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": name,
        "documentNamespace": f"https://sbom.example/{subject.digest}", "packages": [],
    })
    manifest = {
        "schemaVersion": 2,
        "mediaType": OCI_MANIFEST,
        "artifactType": artifact_type,
        "config": _blob(blobs, b"{}", OCI_EMPTY, data="e30="),
        "layers": [_blob(blobs, document, artifact_type,
                         annotations={"org.opencontainers.image.title": "sbom.spdx.json"})],
        "subject": _subject(subject),
        "annotations": {"org.opencontainers.image.created": CREATED},
    }
    return Image(encode(manifest), OCI_MANIFEST, blobs)


def signature_tag(digest: str, suffix: str = ".sig") -> str:
    """The tag under which cosign stores what belongs to a digest."""
    return digest.replace(":", "-") + suffix


def referrers_index(referrers: list[Image]) -> Image:
    """What a client keeps under the tag `sha256-<hex>` on a registry that has no referrers API."""
    entries = []
    for image in referrers:
        manifest = json.loads(image.data)
        entry = {"mediaType": image.media_type, "size": len(image.data), "digest": image.digest,
                 "artifactType": manifest.get("artifactType") or manifest["config"]["mediaType"]}
        entries.append(entry)
    return Image(encode({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}), OCI_INDEX,
                 children=list(referrers))


def signed(seed: int = 0, *, name: str = "app", platforms: tuple[str, ...] | list[str] = DEFAULT_PLATFORMS,
           reference: str = "signed/app", fallback_tags: bool = False) -> Built:
    """An index with all that can hang on it.

    A signature by tag, a signature and an SBOM as referrers, an SBOM for each platform, and a signature of the
    index's SBOM (a referrer of a referrer). `fallback_tags` adds the `sha256-<hex>` tags that clients keep on
    registries without a referrers API.
    """
    image = index(seed, name=name, platforms=platforms, attestations=False)
    top_sbom = sbom(image, name=name)
    attached = signature(image, reference=reference, attached=True)
    sbom_signature = signature(top_sbom, reference=reference, attached=True)
    by_subject = {image.digest: [attached, top_sbom], top_sbom.digest: [sbom_signature]}
    for child in image.children:
        by_subject[child.digest] = [sbom(child, name=name)]
    built = Built(image, [(signature_tag(image.digest), signature(image, reference=reference))])
    for subject, found in by_subject.items():
        built.extras += [(None, extra) for extra in found]
        if fallback_tags:
            built.extras.append((signature_tag(subject, ""), referrers_index(found)))
    return built


def big_index(count: int, seed: int = 0) -> Image:
    """An index of `count` manifests, to exceed the limit of manifests per image."""
    children = [single(seed * 1000 + number, name=f"part-{number}", size=16, layers=1) for number in range(count)]
    return assemble(children)


def nested(depth: int, seed: int = 0) -> Image:
    """An index of an index of an index …"""
    image = single(seed, name="nested", size=16, layers=1)
    for _n in range(depth):
        image = assemble([image])
    return image


def schema1(seed: int = 0, *, name: str = "library/old", tag: str = "latest") -> bytes:
    """A signed manifest of the long retired schema 1, which clients must refuse clearly."""
    layer = digest_of(f"schema1 {seed}".encode())
    return encode({
        "schemaVersion": 1,
        "name": name,
        "tag": tag,
        "architecture": "amd64",
        "fsLayers": [{"blobSum": layer}],
        "history": [{"v1Compatibility": json.dumps({"id": layer.split(":")[1], "created": CREATED})}],
        "signatures": [{"header": {"alg": "ES256"}, "signature": "c2FuZGJveA", "protected": "e30"}],
    })


def build(kind: str, seed: int = 0, **options: Any) -> Built:
    """Builds by the kind's name: single, index, manifest_list, helm, signed, artifact (options as of that; `listed`: under the
    tag of its subject, too, as clients do where there is no referrers API), big_index (option `count`) or nested (`depth`)."""
    if kind == "single":
        return Built(single(seed, **options))
    if kind == "index":
        return Built(index(seed, **options))
    if kind == "manifest_list":
        platforms = options.pop("platforms", [p for p in DEFAULT_PLATFORMS if not p.startswith("windows/")])
        return Built(index(seed, docker=True, platforms=platforms, **options))
    if kind == "helm":
        return Built(helm(seed, **options))
    if kind == "signed":
        return signed(seed, **options)
    if kind == "artifact":
        listed = options.pop("listed", False)
        made = artifact(**options)
        return Built(made, [(signature_tag(options["subject"], ""), referrers_index([made]))] if listed else [])
    if kind == "nested":
        return Built(nested(options.get("depth", 3), seed))
    if kind == "big_index":
        return Built(big_index(options.get("count", 51), seed))
    raise ValueError(f"unknown kind of image: {kind}")
