# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a registry holds, read for `acr_manifest_info`."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any, Dict, Iterable, List, NamedTuple, Optional, Set, Tuple, Union

from ._acr import AzureRegistry
from ._azure import Azure
from ._errors import GENERAL, AcrError, UserError
from ._listing import listing_pays
from ._manifest import Child, Descriptor, is_index
from ._plan import Origin, SourceRegistry
from ._reference import Platform, valid_digest
from ._referrers import Referrer, Referrers
from ._source import Source
from ._untrusted import mapping, number, objects

CONCURRENCY = 16


class ManifestQuery(NamedTuple):
    """What to read. *repository* None: all. *orderby*: empty, ``timeasc`` or ``timedesc``."""

    repository: Optional[str] = None
    tag: Optional[str] = None
    digest: Optional[str] = None
    orderby: str = ""
    limit: Optional[int] = None
    untagged: Optional[bool] = None
    raw: bool = False
    referrers: bool = False


class Content(NamedTuple):
    """The repositories that were looked at, the manifests that were found, as the module returns them, and why repositories
    could not be read, by name. A manifest that could not be read to the end has an ``error``."""

    repositories: List[str]
    manifests: List[Dict[str, Any]]
    unreadable: Dict[str, AcrError]


def read(azure: Azure, registry: str, resource_group: Optional[str], query: ManifestQuery) -> Content:
    """What a registry holds. AcrError if nothing of it can be read, UserError for a query that makes no sense."""
    if query.digest is not None and not valid_digest(query.digest):
        raise UserError(f"digest: {query.digest!r} isn't a digest; a digest looks like sha256: and 64 hex digits.")
    if query.limit is not None and query.limit < 1:
        raise UserError(f"limit must be at least 1, not {query.limit}.")
    reader = _Reader(azure.registry(azure.login_server(azure.named(registry), resource_group)), query)
    if query.repository is None:
        repositories = reader.registry.repositories()
        reader.registry.prepare(repositories)
    else:
        repositories = [query.repository]
    with ThreadPoolExecutor(CONCURRENCY) as pool:
        looks = {repository: pool.submit(reader.entries, repository) for repository in repositories}
        listed: List[Tuple[str, Dict[str, Any]]] = []
        unreadable: Dict[str, AcrError] = {}
        for repository, look in looks.items():
            try:
                listed += look.result()
            except AcrError as error:
                if error.reason in GENERAL:
                    raise
                unreadable[repository] = error
        if unreadable and len(unreadable) == len(repositories):
            raise next(iter(unreadable.values()))
        reader.look_around(listed, pool)
        return Content(repositories, list(pool.map(reader.complete, listed)), unreadable)


def details(
    registry: AzureRegistry, places: Iterable[Tuple[str, str]], pool: ThreadPoolExecutor
) -> Dict[Tuple[str, str], Dict[str, Any]]:
    """Sizes (bytes), platforms and Azure's times of manifests, by repository and digest: ``{"size", "platforms": ["linux/amd64"],
    "created"}``; without those that could not be read. AcrError where none could."""
    wanted: Dict[str, Set[str]] = {}
    for repository, digest in places:
        wanted.setdefault(repository, set()).add(digest)
    reader = _Reader(registry, ManifestQuery())
    errors: List[AcrError] = []
    listed: List[Tuple[str, Dict[str, Any]]] = []
    for look in [pool.submit(reader.find, repository, digests, errors) for repository, digests in wanted.items()]:
        listed += look.result()
    result = {}
    for found in pool.map(reader.complete, listed):
        platforms = [platform["platform"] for platform in found["platforms"]]
        if not platforms and found["os"]:
            platforms = [f"{found['os']}/{found['architecture']}"]
        if "error" not in found:
            facts = {"size": found["size"], "platforms": platforms, "created": found["created"]}
            result[found["repository"], found["digest"]] = facts
    if errors and not result:
        raise errors[0]
    return result


class _Reader:
    def __init__(self, registry: AzureRegistry, query: ManifestQuery) -> None:
        self.registry = registry
        self._query = query
        self._tags: Dict[str, Dict[str, str]] = {}  # of repositories that were listed to their end
        self._around: Dict[Tuple[str, str], Union[List[Referrer], AcrError]] = {}  # by repository and digest

    def entries(self, repository: str) -> List[Tuple[str, Dict[str, Any]]]:
        """Azure's entries for the manifests that are wanted of one repository."""
        digest, name = self._query.digest, self._query.tag
        if name is not None:
            tag = self.registry.confirmed(lambda: self.registry.tag(repository, name))
            if tag is None:
                return []
            digest = tag.digest
        if digest is not None:
            entry = self.registry.confirmed(lambda: self.registry.manifest_metadata(repository, digest))
            return [(repository, entry)] if entry is not None else []
        untagged = self._query.untagged
        limit = self._query.limit
        # Without a filter, Azure need not send more than what is wanted.
        found: Iterable[Dict[str, Any]] = self.registry.manifest_list(
            repository, orderby=self._query.orderby, limit=limit if untagged is None else None
        )
        if limit is None:
            found = list(found)
            self._tags[repository] = {tag: str(entry["digest"]) for entry in found for tag in entry.get("tags") or []}
        if untagged is not None:
            found = (entry for entry in found if bool(entry.get("tags")) is not untagged)
        return [(repository, entry) for entry in islice(found, limit)]

    def find(
        self, repository: str, digests: Iterable[str], errors: List[AcrError]
    ) -> List[Tuple[str, Dict[str, Any]]]:
        """Azure's entries for manifests that are known by digest. What could not be read goes to *errors*."""
        left = set(digests)
        found: Dict[str, Dict[str, Any]] = {}
        try:
            if listing_pays(len(left), lambda: self.registry.counts(repository).manifests):
                for entry in self.registry.manifest_list(repository):
                    if entry.get("digest") in left:
                        left.discard(str(entry["digest"]))
                        found[str(entry["digest"])] = entry
                        if not left:
                            break
            for digest in sorted(left):
                shown = self.registry.manifest_metadata(repository, digest)
                if shown is not None:
                    found[digest] = shown
        except AcrError as error:
            errors.append(error)
        return [(repository, entry) for entry in found.values()]

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
        # What fails is marked at this manifest alone: it may be locked, or was deleted since it was listed.
        for look in (self._look_inside, self._show_referrers):
            try:
                look(repository, digest, result)
            except AcrError as error:
                if error.reason in GENERAL:
                    raise
                result.setdefault("error", str(error))
        return result

    def _look_inside(self, repository: str, digest: str, result: Dict[str, Any]) -> None:
        index = is_index(result["media_type"])
        if not (index or self._query.raw):
            return
        manifest = self.registry.confirmed(lambda: self.registry.manifest(repository, digest))
        if self._query.raw:
            result["raw"] = manifest.content.decode("utf-8")
        if index:
            result["platforms"] = [_platform(child) for child in self.registry.walk(repository, manifest) if _runs(child)]

    def look_around(self, listed: List[Tuple[str, Dict[str, Any]]], pool: ThreadPoolExecutor) -> None:
        """Finds what refers to manifests, if that is wanted."""
        if not self._query.referrers:
            return
        types = {str(entry["digest"]): entry.get("mediaType") for _repository, entry in listed}
        known = {digest: Descriptor(digest, media_type) for digest, media_type in types.items() if media_type}
        source = Source(SourceRegistry(self.registry.host), self.registry, None, known)
        origins = [Origin(source.key, repository, digest=str(entry["digest"])) for repository, entry in listed]
        found = Referrers(source, pool, self._tags).of(origins)
        self._around = {(origin.repository, str(origin.digest)): found[origin.key] for origin in origins}

    def _show_referrers(self, repository: str, digest: str, result: Dict[str, Any]) -> None:
        if self._query.referrers:
            found = self._around[repository, digest]
            if isinstance(found, AcrError):
                raise found
            result["referrers"] = [self._referrer(one) for one in found]

    def _referrer(self, found: Referrer) -> Dict[str, Any]:
        origin, about = found.origin, found.descriptor
        digest = str(origin.digest)
        if found.found_by == "tag":
            manifest = self.registry.confirmed(lambda: self.registry.manifest(origin.repository, digest))
            content = manifest.json()
            types = [content.get("artifactType")] + [layer.get("mediaType") for layer in objects(content.get("layers"), digest)]
            about = {
                "mediaType": manifest.descriptor.media_type,
                "size": manifest.descriptor.size,
                "artifactType": next(filter(None, types), None),
                "annotations": content.get("annotations"),
            }
        return {
            "digest": digest,
            "subject": found.subject,
            "found_by": found.found_by,
            "tag": origin.tag,
            "media_type": about.get("mediaType"),
            "artifact_type": about.get("artifactType"),
            "size": number(about.get("size")),
            "annotations": mapping(about.get("annotations"), f"{self.registry.name}/{origin.repository}@{digest}"),
        }


def _runs(child: Child) -> bool:
    """Whether what an index lists is an image for a platform, and not an attestation or another index."""
    return child.platform.get("os") not in (None, "unknown")


def _platform(child: Child) -> Dict[str, Any]:
    return {
        "platform": str(Platform.of(child.platform)),
        "digest": child.digest,
        "media_type": child.media_type,
        "os_version": child.platform.get("os.version"),
    }
