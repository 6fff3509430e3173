# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The registries that images come from: how to read them, and how to name them to Azure."""

from __future__ import annotations

import threading
from typing import Any, Callable, Dict, Iterable, List, Optional, Tuple

from ansible_collections.registryops.acr.plugins.module_utils._acr import AzureRegistry
from ansible_collections.registryops.acr.plugins.module_utils._arm import Arm, RegistryResource
from ansible_collections.registryops.acr.plugins.module_utils._errors import AcrError
from ansible_collections.registryops.acr.plugins.module_utils._http import Http
from ansible_collections.registryops.acr.plugins.module_utils._plan import Origin
from ansible_collections.registryops.acr.plugins.module_utils._reference import (
    Platform,
    api_host,
    parse_platform,
    parse_registry,
)
from ansible_collections.registryops.acr.plugins.module_utils._registry import Credentials, Descriptor, Registry
from ansible_collections.registryops.acr.plugins.module_utils._wire import mapping, number, parse

MANIFESTS_PER_IMPORT = 50
# An index lists each manifest in about 130 bytes at the very least: a smaller one needs no counting.
SMALL_INDEX = 130 * MANIFESTS_PER_IMPORT
FEW_TAGS = 3  # up to so many tags of a repository are asked for one by one


class Source:
    """One source registry with one way to sign in. *name* is what users call it: host, or registry name.

    Equal only to itself, so that it can stand in a plan as the key of what it is.
    """

    def __init__(
        self,
        name: str,
        registry: Registry,
        credentials: Optional[Credentials],
        find: Optional[Callable[[], Optional[str]]],
    ) -> None:
        self.name = name
        self.registry = registry
        self.credentials = credentials
        self._find = find
        self._lock = threading.Lock()
        self._body: Optional[Dict[str, Any]] = None

    @property
    def azure(self) -> bool:
        return isinstance(self.registry, AzureRegistry)

    def repositories(self) -> List[str]:
        """The names of all its repositories. AcrError where it isn't an Azure registry: others don't list them."""
        if not isinstance(self.registry, AzureRegistry):
            raise AcrError("invalid", "{0} is no Azure registry, and only those list their repositories.".format(self.name))
        return self.registry.repositories()

    def body(self) -> Dict[str, Any]:
        """How an import names this registry: by resource ID where the signed-in account may use it, so that its own
        rights apply and trusted services count; else by host, with the credentials if there are some."""
        with self._lock:
            if self._body is None:
                resource_id = self._find() if self._find and self.credentials is None else None
                if resource_id is not None:
                    self._body = {"resourceId": resource_id}
                else:
                    self._body = {"registryUri": self.name}
                    if self.credentials is not None:
                        pair = {"password": self.credentials.password}
                        if self.credentials.username is not None:
                            pair["username"] = self.credentials.username
                        self._body["credentials"] = pair
            return self._body


class Sources:
    """Opens sources, each once, and reads what a plan needs of them."""

    def __init__(self, identity: Any, http: Http, arm: Arm) -> None:
        self._identity = identity
        self._http = http
        self._arm = arm
        self._lock = threading.Lock()
        self._open: Dict[Tuple[Any, ...], Source] = {}
        self._descriptors: Dict[str, Descriptor] = {}
        self._listing: Dict[Tuple[Source, str], Any] = {}  # locks: of many who want a listing, one reads it
        self._listings: Dict[Tuple[Source, str], Dict[str, Optional[str]]] = {}
        self._tags: Dict[Tuple[Source, str, str], Descriptor] = {}
        self._lacking: Dict[Tuple[Source, str], bool] = {}  # repositories of images that were not there

    def open(
        self, host: Optional[str], registry_id: Optional[Any], credentials: Optional[Credentials]
    ) -> Source:
        """The source that *host* or *registry_id* (an Azure registry) names."""
        if registry_id is None and host is not None and self.is_azure(host):
            registry_id = parse_registry(host, self._suffixes())
        key = (registry_id or host, credentials)
        with self._lock:
            if key not in self._open:
                self._open[key] = (
                    self._open_azure(registry_id, credentials)
                    if registry_id is not None
                    else Source(host or "", Registry(api_host(host or ""), self._http, credentials, host or ""), credentials, None)
                )
            return self._open[key]

    def is_azure(self, host: str) -> bool:
        """Whether *host* is the login server of an Azure registry in this cloud."""
        return self._identity.cloud.holds(host)

    def _suffixes(self) -> List[str]:
        return [self._identity.cloud.registry_suffix]

    def _open_azure(self, registry_id: Any, credentials: Optional[Credentials]) -> Source:
        login_server = registry_id.login_server
        resource: Optional[RegistryResource] = None
        if not login_server or credentials is None and not self.is_azure(login_server):
            resource = self._resource(registry_id)
            login_server = resource.login_server

        def find() -> Optional[str]:
            return self._resource_id(registry_id) if resource is None else resource.id

        registry = AzureRegistry(
            login_server,
            self._http,
            entra=lambda: self._identity.token(self._identity.registry_scope),
            tenant=self._identity.tenant,
            credentials=credentials,
        )
        return Source(login_server, registry, credentials, find)

    def _resource(self, registry_id: Any) -> RegistryResource:
        try:
            return self._arm.registry(registry_id)
        except AcrError as error:
            if registry_id.kind != "resource_id" or error.kind != "denied":
                raise
            # AcrPull alone does not show a registry there, but is enough to import from it.
            login_server = "{0}.{1}".format(registry_id.name.lower(), self._suffixes()[0])
            return RegistryResource(registry_id.resource_id, registry_id.name, login_server, "", "", {}, {})

    def _resource_id(self, registry_id: Any) -> Optional[str]:
        try:
            return self._arm.registry(registry_id).id
        except AcrError as error:
            # By its login server a registry can be read all the same: anonymously, or in another tenant.
            if error.kind not in ("not_found", "denied"):
                raise
            return None

    # -- resolving -------------------------------------------------------------------------------------------------

    def resolve(self, origin: Origin) -> Origin:
        """The origin with its digest; what that is, `known` tells then. AcrError ``not_found`` where there is none."""
        source: Source = origin.registry  # type: ignore[assignment]
        try:
            if origin.platform:
                descriptor = self._platform(source, origin, parse_platform(origin.platform))
            elif origin.digest:
                descriptor = source.registry.describe(origin.repository, origin.digest)
            else:
                descriptor = self.tag(source, origin.repository, origin.tag or "latest")
        except AcrError as error:
            raise self.explain(origin, error) from None
        self._descriptors[descriptor.digest] = descriptor
        return origin._replace(digest=descriptor.digest)

    def explain(self, origin: Origin, error: AcrError) -> AcrError:
        """Why an origin could not be read: where it is not there, says whether its whole repository isn't."""
        source: Source = origin.registry  # type: ignore[assignment]
        if error.kind != "not_found":
            return error
        key = (source, origin.repository)
        if key not in self._lacking:
            try:
                self._lacking[key] = source.registry.lacks(origin.repository)
            except AcrError:
                self._lacking[key] = False
        if not self._lacking[key]:
            return error
        message = "{0}: there is no repository {1}.".format(str(error).rstrip("."), origin.repository)
        return AcrError("not_found", message, status=error.status)

    def listing(self, source: Source, repository: str) -> Dict[str, Optional[str]]:
        """All tags of a repository, read once; with their digests where the listing carries them (Azure's does)."""
        key = (source, repository)
        with self._lock:
            lock = self._listing.setdefault(key, threading.Lock())
        with lock:
            if key in self._listings:
                return self._listings[key]
            if isinstance(source.registry, AzureRegistry):
                found: Dict[str, Optional[str]] = {tag.name: tag.digest for tag in source.registry.tag_list(repository)}
            else:
                found = dict.fromkeys(source.registry.tags(repository))
            self._listings[key] = found
            return found

    def lists(self, source: Source, repository: str) -> bool:
        """Whether the digests of a repository's tags are at hand from a listing."""
        return source.azure and (source, repository) in self._listings

    def tag(self, source: Source, repository: str, tag: str) -> Descriptor:
        """What a tag names, asked once. AcrError ``not_found`` where there is none."""
        key = (source, repository, tag)
        if key not in self._tags:
            self._tags[key] = source.registry.describe(repository, tag)
        return self._tags[key]

    def digests(self, source: Source, repository: str, tags: Iterable[str]) -> Dict[str, str]:
        """Digests of many tags of an Azure repository, in the cheapest way: tag → digest, for those that exist."""
        wanted = set(tags)
        if self.lists(source, repository):
            listed = self._listings[source, repository]
            return {tag: listed[tag] or "" for tag in wanted if tag in listed}
        found, complete = source.registry.find_tags(repository, wanted)  # type: ignore[attr-defined]
        digests = {name: tag.digest for name, tag in found.items()}
        for tag in () if complete else wanted - set(found):
            try:
                digests[tag] = self.tag(source, repository, tag).digest
            except AcrError as error:
                if error.kind != "not_found":
                    raise
        return digests

    def known(self, digest: str) -> Optional[Descriptor]:
        """What a digest is, where it was read already."""
        return self._descriptors.get(digest)

    def learn(self, source: Source, repository: str, digests: Iterable[str]) -> None:
        """Reads what kind of manifest many digests of an Azure repository are, by its list of manifests."""
        left = set(digests)
        for entry in source.registry.manifest_list(repository):  # type: ignore[attr-defined]
            digest = str(entry.get("digest"))
            if digest in left:
                left.discard(digest)
                self._descriptors.setdefault(digest, Descriptor(digest, str(entry.get("mediaType") or "")))
                if not left:
                    return

    def check_importable(self, origin: Origin) -> Descriptor:
        """What an origin's digest names; refuses what Azure can't import: an index of more than 50 manifests."""
        source: Source = origin.registry  # type: ignore[assignment]
        registry, reference = source.registry, origin.digest or ""
        descriptor = self._descriptors.get(reference)
        if descriptor is None or not descriptor.media_type:
            descriptor = registry.describe(origin.repository, reference)
        if descriptor.is_index and (descriptor.size is None or descriptor.size > SMALL_INDEX):
            count = len(registry.manifest(origin.repository, reference).children())
            if count > MANIFESTS_PER_IMPORT:
                raise AcrError(
                    "invalid",
                    "{0}/{1} lists {2} manifests, and Azure imports at most {3} at once; nothing was started for it. "
                    "Import one platform (platform), or copy it by other means.".format(
                        source.name, origin.image, count, MANIFESTS_PER_IMPORT
                    ),
                )
        return descriptor

    def _platform(self, source: Source, origin: Origin, wanted: Platform) -> Descriptor:
        registry = source.registry
        manifest = registry.manifest(origin.repository, origin.digest or origin.tag or "latest")
        name = "{0}/{1}".format(source.name, origin.image)
        if not manifest.descriptor.is_index:
            config = mapping(manifest.json().get("config"), name)
            offered = Platform.of(mapping(parse(registry.blob(origin.repository, str(config.get("digest")))), name))
            if not wanted.matches(offered):
                raise AcrError("not_found", "{0} is a single image for {1}, not for {2}.".format(name, offered, wanted))
            return manifest.descriptor
        offers: List[str] = []
        for child in manifest.children():
            platform = Platform.of(child.get("platform") or {})
            if wanted.matches(platform):
                return Descriptor(str(child["digest"]), str(child.get("mediaType")), number(child.get("size")))
            if platform.os != "unknown":
                offers.append(str(platform))
        raise AcrError(
            "not_found",
            "{0} has no image for {1}; it has {2}.".format(name, wanted, ", ".join(dict.fromkeys(offers)) or "none at all"),
        )
