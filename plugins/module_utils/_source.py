# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One source registry: how imports name it, and how to read what is wanted of it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Callable, Dict, Iterable, List, Optional, Set, TypeVar, Union

from ._acr import AzureRegistry, Counts
from ._blocked import NOTHING, Blocked
from ._credentials import Credentials
from ._errors import AcrError
from ._listing import FEW, listing_pays
from ._manifest import Descriptor
from ._plan import Origin, SourceRegistry, refused
from ._platforms import platform_manifest
from ._reference import parse_platform
from ._registry import Registry

MANIFESTS_PER_IMPORT = 50
# An index lists each manifest in about 130 bytes at the very least: a smaller one needs no counting.
SMALL_INDEX = 130 * MANIFESTS_PER_IMPORT
DENIED = ("denied", "unauthorized")
ASKED_AT_ONCE = 8  # of the tags of one repository that a listing doesn't show

Known = Dict[str, Descriptor]  # what digests are, by digest: the same in every registry
Found = TypeVar("Found")


class Address:
    """How imports name a registry to Azure. *find* finds its resource ID, if there can be one; AcrError if nothing may be
    imported from it. *known*: that asks nobody."""

    def __init__(self, name: str, credentials: Optional[Credentials]) -> None:
        self._name = name
        self._credentials = credentials
        self.known = False
        self.find: Callable[[], Optional[str]] = lambda: None
        self._lock = threading.Lock()
        self._body: Optional[Dict[str, Any]] = None

    def check(self) -> None:
        """AcrError if it is known that nothing may be imported from it."""
        if self.known:
            self.body()

    def body(self) -> Dict[str, Any]:
        """The ``source`` of ``importImage``, without the image: by resource ID if the signed-in account may use it, so that its
        own rights apply and trusted services work; else by host, with the credentials if there are any."""
        with self._lock:
            if self._body is None:
                self._body = self._named()
            return self._body

    def _named(self) -> Dict[str, Any]:
        if self._credentials is None:
            resource_id = self.find()
            return {"registryUri": self._name} if resource_id is None else {"resourceId": resource_id}
        pair = {"password": self._credentials.password}
        if self._credentials.username is not None:
            pair["username"] = self._credentials.username
        return {"registryUri": self._name, "credentials": pair}


class Source:
    """A registry that images come from, with one way to sign in. Reads each thing once. Shared by threads.

    *known* is filled with what digests turn out to be.
    """

    def __init__(self, key: SourceRegistry, registry: Registry, credentials: Optional[Credentials], known: Known) -> None:
        self.key = key
        self.name = key.name
        self.registry = registry
        self.credentials = credentials
        self.known = known
        self.address = Address(key.name, credentials)
        self._azure = registry if isinstance(registry, AzureRegistry) else None
        self._lock = threading.Lock()
        self._turns: Dict[str, threading.RLock] = {}  # of many who want the same of a repository, one reads it
        self._listings: Dict[str, Dict[str, Optional[str]]] = {}  # by repository
        self.times: Dict[str, Dict[str, str]] = {}  # repository → tag → its last update, as Azure's listings have it
        self._counted: Dict[str, Counts] = {}
        self._tags: Dict[str, Dict[str, Descriptor]] = {}  # repository → tag → manifest
        self._seen: Set[str] = set()  # digests that this registry itself has shown; what others have shown may be missing here
        self._lacking: Dict[str, bool] = {}  # repositories of images that were not there

    @property
    def azure(self) -> bool:
        return self._azure is not None

    def prepare(self, repositories: List[str]) -> None:
        """Lets many repositories share tokens, if that takes less than one for each."""
        self.registry.prepare(repositories)

    def repositories(self) -> List[str]:
        """The names of all its repositories. AcrError if it isn't an Azure registry: others don't list them."""
        if self._azure is None:
            raise AcrError("invalid", f"{self.name} isn't an Azure registry, and only those list their repositories.")
        try:
            return self._azure.repositories()
        except AcrError as error:
            if self.credentials is None or error.reason not in DENIED or not error.codes:  # nor if they are wrong
                raise
            raise error.but(
                f"{error} Listing repositories takes a right of its own: a service principal needs the role AcrPull, or "
                "Container Registry Repository Catalog Lister if permissions are per repository (ABAC); a token's scope map "
                "needs metadata/read on * (all repositories). Without that right, name each repository in source."
            ) from None

    # -- resolving -------------------------------------------------------------------------------------------------

    def resolve(self, origin: Origin) -> Origin:
        """The origin with its digest; `known` has then what that is. AcrError ``not_found`` if there is none."""
        reference = origin.digest or origin.tag or "latest"
        try:
            if origin.platform:
                wanted = parse_platform(origin.platform)
                name = f"{self.name}/{origin.image}"
                manifest = self.registry.confirmed(lambda: self.registry.manifest(origin.repository, reference))
                descriptor = platform_manifest(self.registry, name, origin.repository, manifest, wanted)
                origin = origin._replace(parent=manifest.descriptor.digest)
            elif origin.digest:
                descriptor = self._there(origin.repository, origin.digest)
            else:
                descriptor = self.tag(origin.repository, reference)
        except AcrError as error:
            if reference in self._listings.get(origin.repository, {}):
                error = error.but(codes=())  # its registry lists it, so that it isn't sure to be gone
            raise self.explain(origin.repository, error) from None
        self._learnt(descriptor)
        return origin._replace(digest=descriptor.digest)

    def _learnt(self, descriptor: Descriptor) -> None:
        self.known[descriptor.digest] = descriptor
        self._seen.add(descriptor.digest)

    def explain(self, repository: str, error: AcrError) -> AcrError:
        """Why something of a repository could not be read: if it doesn't exist, says whether the whole repository doesn't."""
        said = f": there is no repository {repository}."
        if error.reason != "not_found" or str(error).endswith(said) or not self._lacks(repository):
            return error
        return error.but(str(error).rstrip(".") + said)

    def _lacks(self, repository: str) -> bool:
        """Whether the registry says again and again that it has no such repository."""
        with self._turn(repository):
            if repository not in self._lacking:
                try:
                    lacks = self.registry.confirmed(lambda: None if self.registry.lacks(repository) else False) is None
                except AcrError:
                    lacks = False
                self._lacking[repository] = lacks
            return self._lacking[repository]

    def _there(self, repository: str, reference: str) -> Descriptor:
        """What a tag or digest names that somebody says exists. AcrError ``not_found`` only if the registry denies that again
        and again; once is enough if it lacks the whole repository."""
        found = None if self._lacking.get(repository) else _described(self.registry, repository, reference)
        return found or self.registry.manifest(repository, reference).descriptor  # unlike HEAD, with the registry's own words

    def _turn(self, repository: str) -> threading.RLock:
        with self._lock:
            return self._turns.setdefault(repository, threading.RLock())

    # -- tags ------------------------------------------------------------------------------------------------------

    def listing(self, repository: str) -> Dict[str, Optional[str]]:
        """All tags that a repository lists, read once; with their digests if the listing carries them (Azure's does).

        It shows what there is; what it lacks may exist all the same. It is empty, or AcrError ``not_found``, if there is no
        such repository.
        """
        with self._turn(repository):
            if repository not in self._listings:
                try:
                    found = self.registry.confirmed(lambda: self._read_listing(repository) or None) or {}
                except AcrError as error:
                    raise self._unlisted(repository, error) from None
                self._listings[repository] = found
            return self._listings[repository]

    def _read_listing(self, repository: str) -> Dict[str, Optional[str]]:
        if self._azure is not None:
            tags = list(self._azure.tag_list(repository))
            self.times[repository] = {tag.name: tag.updated for tag in tags if tag.updated}
            return {tag.name: tag.digest for tag in tags}
        return dict.fromkeys(self.registry.tags(repository))

    def _unlisted(self, repository: str, error: AcrError) -> AcrError:
        """The error of a listing; if it was denied, it says that this takes more than the right to pull."""
        if error.reason not in DENIED or self._azure is None:
            return error
        return error.but(
            f"{error} Choosing among the tags of {self.name}/{repository} takes the right to list them (metadata_read; "
            "metadata/read in a token's scope map). With the right to pull alone, name each tag."
        )

    def lists(self, repository: str, wanted: int) -> bool:
        """Whether to ask for *wanted* tags of a repository by `digests`, and not for each by itself."""
        return self._azure is not None and (repository in self._listings or wanted > FEW)

    def tag(self, repository: str, tag: str) -> Descriptor:
        """What a tag names, asked once. AcrError ``not_found`` if it doesn't exist."""
        tags = self._tags.setdefault(repository, {})
        if tag not in tags:
            tags[tag] = self._there(repository, tag)
        return tags[tag]

    def find(self, repository: str, tag: str) -> Optional[str]:
        """The digest of a tag that nobody says exists; None if it doesn't, by one answer."""
        listed = self._listings.get(repository, {})
        if listed.get(tag):
            return listed[tag]
        try:
            if tag not in listed:
                self._tags.setdefault(repository, {}).setdefault(tag, self.registry.describe(repository, tag))
            return self.tag(repository, tag).digest
        except AcrError as error:
            if error.reason != "not_found":
                raise
            return None

    def digests(self, repository: str, tags: Iterable[str]) -> Dict[str, Union[str, AcrError]]:
        """The digests of many tags of an Azure repository, in the cheapest way: by tag a digest, or what is wrong with that
        tag alone, such as ``not_found``. What a listing lacks, or can't be listed, is asked for by itself."""
        wanted = list(dict.fromkeys(tags))
        listed = self.listed(repository, len(wanted))
        found: Dict[str, Union[str, AcrError]] = {}
        for tag in wanted:
            digest = listed.get(tag)
            if digest:
                found[tag] = digest

        def ask(tag: str) -> Union[str, AcrError]:
            try:
                return self.tag(repository, tag).digest
            except AcrError as error:
                return self.explain(repository, error)

        found.update(_each(ask, [tag for tag in wanted if tag not in found]))
        return found

    def named(self, repository: str, tags: Iterable[str]) -> Dict[str, Optional[str]]:
        """Those of some *tags* that exist, with their digests if these are known. What can't be read is taken to exist: it
        says what is wrong with it when it is asked for its digest."""
        wanted = list(dict.fromkeys(tags))
        listed = self.listed(repository, len(wanted))
        found = {tag: listed[tag] for tag in wanted if tag in listed}

        def ask(tag: str) -> Union[str, AcrError, None]:
            try:
                return self.find(repository, tag)
            except AcrError as error:
                return error

        for tag, digest in _each(ask, [tag for tag in wanted if tag not in found]).items():
            if digest is not None:
                found[tag] = None if isinstance(digest, AcrError) else digest
        return found

    def listed(self, repository: str, wanted: int) -> Dict[str, Optional[str]]:
        """What a listing shows that is at hand, or pays for so many tags; nothing if it can't be read."""
        if repository not in self._listings:
            try:
                if self._azure is None or not listing_pays(wanted, lambda: self._counts(repository).tags):
                    return {}
                self.listing(repository)
            except AcrError:
                return {}  # asking for a tag itself shows what is wrong with that
        return self._listings[repository]

    def _counts(self, repository: str) -> Counts:
        with self._turn(repository):
            if repository not in self._counted and self._azure is not None:
                self._counted[repository] = self._azure.counts(repository)
            return self._counted[repository]

    # -- manifests -------------------------------------------------------------------------------------------------

    def learn(self, repository: str, digests: Iterable[str]) -> None:
        """Reads what kind of manifest many digests of an Azure repository are, by its list of manifests if that pays. What
        isn't learnt is asked for one by one later, and says then what is wrong."""
        left = set(digests) - self._seen
        try:
            if self._azure is None or not listing_pays(len(left), lambda: self._counts(repository).manifests):
                return
            for entry in self._azure.manifest_list(repository):
                digest, media_type = str(entry.get("digest")), str(entry.get("mediaType") or "")
                if digest in left:
                    left.discard(digest)
                    if media_type:
                        self._learnt(self.known.get(digest) or Descriptor(digest, media_type))
                    if not left:
                        return
        except AcrError:
            pass

    def check_importable(self, origin: Origin, blocked: Blocked = NOTHING) -> None:
        """Fills in what an origin's digest names; refuses an index that lists what is blocked, and what Azure won't import, such
        as one of more than 50 manifests."""
        self.address.check()
        registry, reference = self.registry, origin.digest or ""
        descriptor = self.known.get(reference) if reference in self._seen else None
        if descriptor is None:
            descriptor = self._there(origin.repository, reference)
            self._learnt(descriptor)
        if descriptor.is_index and (blocked.digests or descriptor.size is None or descriptor.size > SMALL_INDEX):
            _check_index(registry, origin, blocked)


def _check_index(registry: Registry, origin: Origin, blocked: Blocked) -> None:
    """Refuses an index for what it lists."""
    index = registry.confirmed(lambda: registry.manifest(origin.repository, origin.digest or ""))
    count = len(index.children())
    if count > MANIFESTS_PER_IMPORT:
        raise AcrError(
            "unsupported",
            f"{origin.registry.name}/{origin.image} lists {count} manifests, and Azure imports at most {MANIFESTS_PER_IMPORT} at "
            "once; nothing was started for it. Import one platform (platform), or copy it by other means.",
        )
    for child in registry.walk(origin.repository, index) if blocked.digests else ():
        if child.digest in blocked.digests:
            raise refused(origin, f"{child.digest}, which it lists")


def _described(registry: Registry, repository: str, reference: str) -> Optional[Descriptor]:
    """What a tag or digest names; None if it is denied again and again, without a word why."""
    try:
        return registry.confirmed(lambda: registry.describe(repository, reference))
    except AcrError as error:
        if error.reason != "not_found" or error.codes:
            raise
        return None


def _each(ask: Callable[[str], Found], tags: List[str]) -> Dict[str, Found]:
    """What *ask* returns for each tag, several at once."""
    if not tags:
        return {}
    with ThreadPoolExecutor(min(ASKED_AT_ONCE, len(tags))) as pool:
        return dict(zip(tags, pool.map(ask, tags)))
