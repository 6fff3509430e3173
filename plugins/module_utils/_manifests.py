# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a registry holds, read for `acr_manifest_info`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Set, Tuple

from ansible_collections.registryops.acr.plugins.module_utils._acr import AzureRegistry
from ansible_collections.registryops.acr.plugins.module_utils._arm import Arm
from ansible_collections.registryops.acr.plugins.module_utils._errors import AcrError
from ansible_collections.registryops.acr.plugins.module_utils._reference import Platform, parse_registry
from ansible_collections.registryops.acr.plugins.module_utils._registry import INDEX_TYPES, valid_digest

CONCURRENCY = 16


class Wanted(NamedTuple):
    """What to read. *repository* None: all. *orderby*: empty, ``timeasc`` or ``timedesc``."""

    repository: Optional[str] = None
    tag: Optional[str] = None
    digest: Optional[str] = None
    orderby: str = ""
    limit: Optional[int] = None
    untagged: Optional[bool] = None
    raw: bool = False
    referrers: bool = False


def read(
    identity: Any, registry: str, resource_group: Optional[str], wanted: Wanted
) -> Tuple[List[str], List[Dict[str, Any]]]:
    """The repositories looked at and the manifests found, as the module returns them."""
    if wanted.digest is not None and not valid_digest(wanted.digest):
        raise AcrError("invalid", "digest: {0!r} is no digest; it looks like sha256: and 64 hex digits.".format(wanted.digest))
    if wanted.limit is not None and wanted.limit < 1:
        raise AcrError("invalid", "limit must be at least 1, not {0}.".format(wanted.limit))
    http = identity.http
    registry_id = parse_registry(registry, [identity.cloud.registry_suffix])
    login_server = registry_id.login_server
    if not (login_server and identity.cloud.holds(login_server)):
        login_server = Arm(identity, http).registry(registry_id, resource_group).login_server
    reader = _Reader(
        AzureRegistry(
            login_server, http, entra=lambda: identity.token(identity.registry_scope), tenant=identity.tenant
        ),
        wanted,
    )
    if wanted.repository is None:
        repositories = reader.registry.repositories()
        reader.registry.prepare(repositories)
    else:
        repositories = [wanted.repository]
    with ThreadPoolExecutor(CONCURRENCY) as pool:
        listed = [entry for entries in pool.map(reader.entries, repositories) for entry in entries]
        return repositories, list(pool.map(reader.complete, listed))


def details(
    registry: AzureRegistry, places: Iterable[Tuple[str, str]], pool: ThreadPoolExecutor
) -> Dict[Tuple[str, str], Dict[str, Any]]:
    """Sizes (bytes) and platforms of manifests, by repository and digest: ``{"size", "platforms": ["linux/amd64"]}``."""
    wanted: Dict[str, Set[str]] = {}
    for repository, digest in places:
        wanted.setdefault(repository, set()).add(digest)
    reader = _Reader(registry, Wanted())

    def entries(repository: str) -> List[Tuple[str, Dict[str, Any]]]:
        left = set(wanted[repository])
        found = []
        for entry in registry.manifest_list(repository):
            if entry.get("digest") in left:
                left.discard(str(entry["digest"]))
                found.append((repository, entry))
                if not left:
                    break
        return found

    listed = [entry for several in pool.map(entries, wanted) for entry in several]
    result = {}
    for found in pool.map(reader.complete, listed):
        platforms = [platform["platform"] for platform in found["platforms"]]
        if not platforms and found["os"]:
            platforms = ["{0}/{1}".format(found["os"], found["architecture"])]
        result[found["repository"], found["digest"]] = {"size": found["size"], "platforms": platforms}
    return result


class _Reader:
    def __init__(self, registry: AzureRegistry, wanted: Wanted) -> None:
        self.registry = registry
        self._wanted = wanted

    def entries(self, repository: str) -> List[Tuple[str, Dict[str, Any]]]:
        """Azure's entries for the manifests that are wanted of one repository."""
        digest = self._wanted.digest
        if self._wanted.tag is not None:
            tag = self.registry.tag(repository, self._wanted.tag)
            if tag is None:
                return []
            digest = tag.digest
        if digest is not None:
            entry = self.registry.manifest_metadata(repository, digest)
            return [(repository, entry)] if entry is not None else []
        untagged = self._wanted.untagged
        limit = self._wanted.limit
        # Without a filter, Azure need not send more than what is wanted.
        found: Iterable[Dict[str, Any]] = self.registry.manifest_list(
            repository, orderby=self._wanted.orderby, limit=limit if untagged is None else None
        )
        if untagged is not None:
            found = (entry for entry in found if bool(entry.get("tags")) is not untagged)
        return [(repository, entry) for entry in islice(found, limit)]

    def complete(self, named: Tuple[str, Dict[str, Any]]) -> Dict[str, Any]:
        """One manifest as the module returns it."""
        repository, entry = named
        digest = str(entry.get("digest"))
        attributes = entry.get("changeableAttributes") or {}
        result: Dict[str, Any] = {
            "repository": repository,
            "digest": digest,
            "tags": entry.get("tags") or [],
            "media_type": entry.get("mediaType"),
            "config_media_type": entry.get("configMediaType"),
            "size": entry.get("imageSize"),
            "created": entry.get("createdTime"),
            "updated": entry.get("lastUpdateTime"),
            "architecture": entry.get("architecture"),
            "os": entry.get("os"),
            "locks": {
                "delete_enabled": attributes.get("deleteEnabled"),
                "write_enabled": attributes.get("writeEnabled"),
                "read_enabled": attributes.get("readEnabled"),
                "list_enabled": attributes.get("listEnabled"),
            },
            "platforms": [],
        }
        is_index = entry.get("mediaType") in INDEX_TYPES
        if is_index or self._wanted.raw:
            manifest = self.registry.manifest(repository, digest)
            if is_index:
                result["platforms"] = [_platform(child) for child in manifest.children() if _runs(child)]
            if self._wanted.raw:
                result["raw"] = manifest.content.decode("utf-8")
        if self._wanted.referrers:
            result["referrers"] = [
                {
                    "digest": found.get("digest"),
                    "media_type": found.get("mediaType"),
                    "artifact_type": found.get("artifactType"),
                    "size": found.get("size"),
                    "annotations": found.get("annotations") or {},
                }
                for found in self.registry.referrers(repository, digest)
            ]
        return result


def _runs(child: Dict[str, Any]) -> bool:
    """Whether an index's entry is an image for a platform, and not an attestation."""
    return (child.get("platform") or {}).get("os") not in (None, "unknown")


def _platform(child: Dict[str, Any]) -> Dict[str, Any]:
    return {
        "platform": str(Platform.of(child["platform"])),
        "digest": child["digest"],
        "media_type": child.get("mediaType"),
        "os_version": child["platform"].get("os.version"),
    }
