# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The registries that images come from: how to read them, and how to name them to Azure."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Dict, Iterable, List, Optional, Tuple, Union

from ._acr import PAGE, AzureRegistry, Counts
from ._arm import Arm, RegistryResource
from ._errors import AcrError
from ._http import Http
from ._manifest import INDEX_TYPES, Descriptor, Manifest
from ._plan import Origin
from ._reference import (
    Credentials,
    Platform,
    api_host,
    parse_platform,
    parse_registry,
)
from ._registry import Registry
from ._untrusted import mapping, parse

MANIFESTS_PER_IMPORT = 50
# An index lists each manifest in about 130 bytes at the very least: a smaller one needs no counting.
SMALL_INDEX = 130 * MANIFESTS_PER_IMPORT
FEW_TAGS = 3  # up to so many things of a repository are asked for one by one
DENIED = ("denied", "unauthorized")
ASKED_AT_ONCE = 8  # of the tags of one repository that a listing doesn't show
IMAGE_CONFIGS = ("application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json")


def listing_pays(wanted: int, total: Callable[[], int]) -> bool:
    """The one rule for reading many things of an Azure repository: whether its listing takes less than to ask for each of
    *wanted* things. *total* finds out how many the listing has."""
    # The rule for going on after a first page, with all pages still to come.
    return wanted > FEW_TAGS and not AzureRegistry.direct(total() + PAGE, wanted)


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
        self.resource_id: Optional[str] = None  # where it was looked up already
        self._find = find
        self._lock = threading.Lock()
        self._body: Optional[Dict[str, Any]] = None

    @property
    def azure(self) -> bool:
        return isinstance(self.registry, AzureRegistry)

    def repositories(self) -> List[str]:
        """The names of all its repositories. AcrError where it isn't an Azure registry: others don't list them."""
        if not isinstance(self.registry, AzureRegistry):
            raise AcrError("invalid", f"{self.name} is no Azure registry, and only those list their repositories.")
        try:
            return self.registry.repositories()
        except AcrError as error:
            if self.credentials is None or error.reason not in DENIED:
                raise
            raise _with_advice(
                error,
                "Listing repositories takes a right of its own: the role AcrPull has it, or Container Registry Repository "
                "Catalog "
                "Lister where rights go by repository (ABAC). Without it, name each repository.",
            ) from None

    def body(self) -> Dict[str, Any]:
        """How an import names this registry: by resource ID where the signed-in account may use it, so that its own
        rights apply and trusted services count; else by host, with the credentials if there are some."""
        with self._lock:
            if self._body is None:
                resource_id = None
                if self.credentials is None:
                    resource_id = self.resource_id or (self._find() if self._find else None)
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
        self._named: Dict[Tuple[Any, ...], Source] = {}  # by what users write
        self._open: Dict[Tuple[Any, ...], Source] = {}  # by host: however a registry is named, it is one source
        self._descriptors: Dict[str, Descriptor] = {}
        self._turns: Dict[Tuple[Source, str], Any] = {}  # locks: of many who want the same of a repository, one reads it
        self._listings: Dict[Tuple[Source, str], Dict[str, Optional[str]]] = {}
        self._counted: Dict[Tuple[Source, str], Counts] = {}
        self._tags: Dict[Tuple[Source, str, str], Descriptor] = {}
        self._lacking: Dict[Tuple[Source, str], bool] = {}  # repositories of images that were not there

    def open(
        self, host: Optional[str], registry_id: Optional[Any], credentials: Optional[Credentials]
    ) -> Source:
        """The source that *host* or *registry_id* (an Azure registry) names."""
        if registry_id is None and host is not None and self.is_azure(host):
            registry_id = parse_registry(host, self._suffixes())
        named = (registry_id or host, credentials)
        with self._lock:
            if named not in self._named:
                if registry_id is not None:
                    self._named[named] = self._open_azure(registry_id, credentials)
                else:
                    registry = Registry(api_host(host or ""), self._http, credentials, host or "")
                    self._named[named] = Source(host or "", registry, credentials, None)
            return self._named[named]

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
            return self._resource_id(registry_id)

        key = (login_server.lower(), credentials)
        if key not in self._open:
            registry = AzureRegistry(
                login_server,
                self._http,
                entra=lambda: self._identity.token(self._identity.registry_scope),
                tenant=self._identity.tenant,
                credentials=credentials,
            )
            self._open[key] = Source(login_server, registry, credentials, find)
        if resource is not None:
            self._open[key].resource_id = resource.id
        return self._open[key]

    def _resource(self, registry_id: Any) -> RegistryResource:
        try:
            return self._arm.registry(registry_id)
        except AcrError as error:
            if registry_id.kind != "resource_id" or error.reason != "denied":
                raise
            # AcrPull alone does not show a registry there, but is enough to import from it.
            login_server = f"{registry_id.name.lower()}.{self._suffixes()[0]}"
            return RegistryResource(registry_id.resource_id, registry_id.name, login_server, "", "", {}, {})

    def _resource_id(self, registry_id: Any) -> Optional[str]:
        try:
            return self._arm.registry(registry_id).id
        except AcrError as error:
            # By its login server a registry can be read all the same: anonymously, or in another tenant.
            if error.reason not in ("not_found", "denied"):
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
                descriptor = self._there(source, origin.repository, origin.digest)
            else:
                descriptor = self.tag(source, origin.repository, origin.tag or "latest")
        except AcrError as error:
            raise self.explain(origin, error) from None
        self._descriptors[descriptor.digest] = descriptor
        return origin._replace(digest=descriptor.digest)

    def explain(self, origin: Origin, error: AcrError) -> AcrError:
        """Why an origin could not be read: where it is not there, says whether its whole repository isn't."""
        source: Source = origin.registry  # type: ignore[assignment]
        told = f": there is no repository {origin.repository}."
        if error.reason != "not_found" or str(error).endswith(told) or not self._lacks(source, origin.repository):
            return error
        return error.but(str(error).rstrip(".") + told)

    def _lacks(self, source: Source, repository: str) -> bool:
        """Whether the registry says again and again that it has no such repository."""
        registry = source.registry
        with self._turn(source, repository):
            if (source, repository) not in self._lacking:
                try:
                    lacks = registry.confirmed(lambda: None if registry.lacks(repository) else False) is None
                except AcrError:
                    lacks = False
                self._lacking[source, repository] = lacks
            return self._lacking[source, repository]

    def _there(self, source: Source, repository: str, reference: str) -> Descriptor:
        """What a tag or digest names that somebody says exists. AcrError ``not_found`` only where the registry denies that
        again and again; once is enough where it lacks the whole repository."""
        if self._lacking.get((source, repository)):
            return source.registry.describe(repository, reference)
        return source.registry.confirmed(lambda: source.registry.describe(repository, reference))

    def _turn(self, source: Source, repository: str) -> Any:
        with self._lock:
            return self._turns.setdefault((source, repository), threading.RLock())

    def listing(self, source: Source, repository: str) -> Dict[str, Optional[str]]:
        """All tags that a repository lists, read once; with their digests where the listing carries them (Azure's does).

        It shows what is there; what it lacks may be there all the same. It is empty, or AcrError ``not_found``, where there
        is no such repository.
        """
        key = (source, repository)
        with self._turn(source, repository):
            if key not in self._listings:
                try:
                    found = source.registry.confirmed(lambda: self._read_listing(source, repository) or None) or {}
                except AcrError as error:
                    raise self._unlisted(source, repository, error) from None
                self._listings[key] = found
            return self._listings[key]

    @staticmethod
    def _read_listing(source: Source, repository: str) -> Dict[str, Optional[str]]:
        if isinstance(source.registry, AzureRegistry):
            return {tag.name: tag.digest for tag in source.registry.tag_list(repository)}
        return dict.fromkeys(source.registry.tags(repository))

    @staticmethod
    def _unlisted(source: Source, repository: str, error: AcrError) -> AcrError:
        """The error of a listing; where it was denied, it says that this takes more than the right to pull."""
        if error.reason not in DENIED or not source.azure:
            return error
        advice = (
            f"Choosing among the tags of {source.name}/{repository} takes the right to list them (metadata_read; metadata/read "
            "in a token's scope "
            "map). With the right to pull alone, name each tag."
        )
        return _with_advice(error, advice)

    def lists(self, source: Source, repository: str) -> bool:
        """Whether the digests of a repository's tags are at hand from a listing."""
        return source.azure and (source, repository) in self._listings

    def tag(self, source: Source, repository: str, tag: str) -> Descriptor:
        """What a tag names, asked once. AcrError ``not_found`` where there is none."""
        key = (source, repository, tag)
        if key not in self._tags:
            self._tags[key] = self._there(source, repository, tag)
        return self._tags[key]

    def find(self, source: Source, repository: str, tag: str) -> Optional[str]:
        """The digest of a tag of which nobody says that it exists; None where there is none, by one answer."""
        listed = self._listings.get((source, repository), {})
        if listed.get(tag):
            return listed[tag]
        try:
            if tag not in listed:
                self._tags.setdefault((source, repository, tag), source.registry.describe(repository, tag))
            return self.tag(source, repository, tag).digest
        except AcrError as error:
            if error.reason != "not_found":
                raise
            return None

    def digests(self, source: Source, repository: str, tags: Iterable[str]) -> Dict[str, Union[str, AcrError]]:
        """The digests of many tags of an Azure repository, in the cheapest way: by tag a digest, or what is wrong with that
        tag alone, such as ``not_found``. What a listing lacks, or nobody may list, is asked for by itself."""
        wanted = list(dict.fromkeys(tags))
        listed = self._listed(source, repository, len(wanted))
        found: Dict[str, Union[str, AcrError]] = {tag: listed[tag] or "" for tag in wanted if listed.get(tag)}

        def ask(tag: str) -> Union[str, AcrError]:
            try:
                return self.tag(source, repository, tag).digest
            except AcrError as error:
                return self.explain(Origin(source, repository, tag), error)

        found.update(_each(ask, [tag for tag in wanted if tag not in found]))
        return found

    def named(self, source: Source, repository: str, tags: Iterable[str]) -> Dict[str, Optional[str]]:
        """Those of some *tags* that exist, with their digests where these are known. What can't be read counts as there: it
        tells what is wrong with it when it is asked for its digest."""
        wanted = list(dict.fromkeys(tags))
        listed = self._listed(source, repository, len(wanted))
        found = {tag: listed[tag] for tag in wanted if tag in listed}

        def ask(tag: str) -> Union[str, AcrError, None]:
            try:
                return self.find(source, repository, tag)
            except AcrError as error:
                return error

        for tag, digest in _each(ask, [tag for tag in wanted if tag not in found]).items():
            if digest is not None:
                found[tag] = None if isinstance(digest, AcrError) else digest
        return found

    def _listed(self, source: Source, repository: str, wanted: int) -> Dict[str, Optional[str]]:
        """What a listing shows that is at hand, or pays for so many tags; nothing where it can't be read."""
        if (source, repository) not in self._listings:
            try:
                if not source.azure or not listing_pays(wanted, lambda: self._counts(source, repository).tags):
                    return {}
                self.listing(source, repository)
            except AcrError:
                return {}  # whoever asks for a tag itself learns what is wrong with that
        return self._listings[source, repository]

    def _counts(self, source: Source, repository: str) -> Counts:
        with self._turn(source, repository):
            if (source, repository) not in self._counted:
                self._counted[source, repository] = source.registry.counts(repository)  # type: ignore[attr-defined]
            return self._counted[source, repository]

    def known(self, digest: str) -> Optional[Descriptor]:
        """What a digest is, where it was read already."""
        return self._descriptors.get(digest)

    def learn(self, source: Source, repository: str, digests: Iterable[str]) -> None:
        """Reads what kind of manifest many digests of an Azure repository are, by its list of manifests where that pays.
        What isn't learnt is to be asked for one by one, and tells then what is wrong."""
        left = set(digests)
        try:
            if not listing_pays(len(left), lambda: self._counts(source, repository).manifests):
                return
            for entry in source.registry.manifest_list(repository):  # type: ignore[attr-defined]
                digest = str(entry.get("digest"))
                if digest in left:
                    left.discard(digest)
                    self._descriptors.setdefault(digest, Descriptor(digest, str(entry.get("mediaType") or "")))
                    if not left:
                        return
        except AcrError:
            pass

    def check_importable(self, origin: Origin) -> Descriptor:
        """What an origin's digest names; refuses what Azure can't import: an index of more than 50 manifests."""
        source: Source = origin.registry  # type: ignore[assignment]
        registry, reference = source.registry, origin.digest or ""
        descriptor = self._descriptors.get(reference)
        if descriptor is None or not descriptor.media_type:
            descriptor = self._there(source, origin.repository, reference)
        if descriptor.is_index and (descriptor.size is None or descriptor.size > SMALL_INDEX):
            count = len(registry.confirmed(lambda: registry.manifest(origin.repository, reference)).children())
            if count > MANIFESTS_PER_IMPORT:
                raise AcrError(
                    "unsupported",
                    f"{source.name}/{origin.image} lists {count} manifests, and Azure imports at most {MANIFESTS_PER_IMPORT} at "
                    "once; nothing was started for it. "
                    "Import one platform (platform), or copy it by other means.",
                )
        return descriptor

    def _platform(self, source: Source, origin: Origin, wanted: Platform) -> Descriptor:
        registry, repository = source.registry, origin.repository
        manifest = registry.confirmed(lambda: registry.manifest(repository, origin.digest or origin.tag or "latest"))
        name = f"{source.name}/{origin.image}"
        if not manifest.descriptor.is_index:
            offered = self._runs_on(source, repository, manifest)
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
            elif not child.platform and child.media_type not in INDEX_TYPES:
                unsaid.append(child.digest)
        for digest in unsaid[:MANIFESTS_PER_IMPORT]:
            image = self._image(source, repository, digest)
            platform = self._runs_on(source, repository, image) if image else Platform.of({})
            if image and wanted.matches(platform):
                return image.descriptor
            if platform.os != "unknown":
                offers.append(str(platform))
        raise AcrError(
            "not_found",
            f"{name} has no image for {wanted}; it has {', '.join(dict.fromkeys(offers)) or 'none at all'}.",
        )

    @staticmethod
    def _image(source: Source, repository: str, digest: str) -> Optional[Manifest]:
        """A manifest that an index lists, if it is there and that of an image."""
        try:
            manifest = source.registry.confirmed(lambda: source.registry.manifest(repository, digest))
        except AcrError as error:
            if error.reason != "not_found":
                raise
            return None
        return manifest if mapping(manifest.json().get("config"), source.name).get("mediaType") in IMAGE_CONFIGS else None

    @staticmethod
    def _runs_on(source: Source, repository: str, manifest: Manifest) -> Platform:
        """The platform that an image's configuration states."""
        name = f"{source.name}/{repository}@{manifest.descriptor.digest}"
        config = str(mapping(manifest.json().get("config"), name).get("digest"))
        return Platform.of(mapping(parse(source.registry.confirmed(lambda: source.registry.blob(repository, config))), name))


def _each(ask: Callable[[str], Any], tags: List[str]) -> Dict[str, Any]:
    """What *ask* returns for each tag, several at once."""
    if not tags:
        return {}
    with ThreadPoolExecutor(min(ASKED_AT_ONCE, len(tags))) as pool:
        return dict(zip(tags, pool.map(ask, tags)))


def _with_advice(error: AcrError, advice: str) -> AcrError:
    return error.but(f"{error} {advice}")
