# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Finds the manifest of one platform in a multi-architecture image."""

from __future__ import annotations

from typing import List, Optional

from ._errors import AcrError
from ._manifest import Descriptor, Manifest
from ._reference import Platform
from ._registry import Registry
from ._untrusted import mapping, parse

MOST_OPENED = 50  # manifests of an index that are opened to find out their platform
IMAGE_CONFIGS = ("application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json")


def platform_manifest(registry: Registry, name: str, repository: str, manifest: Manifest, wanted: Platform) -> Descriptor:
    """The manifest for *wanted* of an image; the image itself if it is for one platform only. *name* is that of the image in
    messages. AcrError ``not_found`` if it isn't made for that platform.
    """
    if not manifest.descriptor.is_index:
        offered = _runs_on(registry, repository, manifest)
        if not wanted.matches(offered):
            raise AcrError("not_found", f"{name} is a single image for {offered}, not for {wanted}.")
        return manifest.descriptor
    offers: List[str] = []
    unsaid: List[str] = []  # images whose platform only they themselves tell
    for child in registry.walk(repository, manifest):
        platform = Platform.of(child.platform)
        if wanted.matches(platform):
            return Descriptor(child.digest, child.media_type, child.size)
        if platform.os != "unknown":
            offers.append(str(platform))
        elif not child.platform and not child.is_index:
            unsaid.append(child.digest)
    for digest in unsaid[:MOST_OPENED]:
        image = _image(registry, repository, digest)
        platform = _runs_on(registry, repository, image) if image else Platform.of({})
        if image and wanted.matches(platform):
            return image.descriptor
        if platform.os != "unknown":
            offers.append(str(platform))
    raise AcrError(
        "not_found",
        f"{name} has no image for {wanted}; it has {', '.join(dict.fromkeys(offers)) or 'none at all'}.",
    )


def _image(registry: Registry, repository: str, digest: str) -> Optional[Manifest]:
    """A manifest that an index lists, if it is there and that of an image."""
    try:
        manifest = registry.confirmed(lambda: registry.manifest(repository, digest))
    except AcrError as error:
        if error.reason != "not_found":
            raise
        return None
    return manifest if mapping(manifest.json().get("config"), registry.name).get("mediaType") in IMAGE_CONFIGS else None


def _runs_on(registry: Registry, repository: str, manifest: Manifest) -> Platform:
    """The platform that an image's configuration states."""
    name = f"{registry.name}/{repository}@{manifest.descriptor.digest}"
    config = str(mapping(manifest.json().get("config"), name).get("digest"))
    try:
        blob = registry.confirmed(lambda: registry.blob(repository, config))
    except AcrError as error:  # the image is there: a part of it that is missing is no sign that it is gone
        raise error.but(codes=()) from None
    return Platform.of(mapping(parse(blob), name))
