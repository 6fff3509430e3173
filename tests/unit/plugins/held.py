# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Registries, and Azure Resource Manager, that are held in memory and note what they are asked.

For tests of what is asked, of whom and how often: no connection is made.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterable, Iterator
from types import SimpleNamespace
from typing import Any

from ansible_collections.registryops.acr.plugins.module_utils._acr import AzureRegistry, Counts, Tag
from ansible_collections.registryops.acr.plugins.module_utils._arm import RegistryResource
from ansible_collections.registryops.acr.plugins.module_utils._azure import Azure
from ansible_collections.registryops.acr.plugins.module_utils._errors import AcrError
from ansible_collections.registryops.acr.plugins.module_utils._http import Http
from ansible_collections.registryops.acr.plugins.module_utils._identity._clouds import Cloud
from ansible_collections.registryops.acr.plugins.module_utils._manifest import INDEX_TYPES, MANIFEST_TYPES, Descriptor, Manifest
from ansible_collections.registryops.acr.plugins.module_utils._plan import SourceRegistry
from ansible_collections.registryops.acr.plugins.module_utils._reference import RegistryId
from ansible_collections.registryops.acr.plugins.module_utils._registry import Registry
from ansible_collections.registryops.acr.plugins.module_utils._source import Known, Source
from ansible_collections.registryops.acr.plugins.module_utils._sources import Sources

INDEX, IMAGE = INDEX_TYPES[0], MANIFEST_TYPES[2]
CLOUD = Cloud("Test", "https://arm.test", "https://login.test", "https://arm.test/.default", "azurecr.test")


def digest(number: int) -> str:
    return f"sha256:{number:064x}"


class _Held:
    """*tagged*: repository → tag → digest; whatever is tagged exists, and so do *manifests* (digest → media type and content).
    *asked*: what was asked, in order, as (kind of question, repository, reference). *fails*: a question, or a kind of question →
    the error that it gets."""

    host: str

    def hold(self, **repositories: dict[str, str]) -> None:
        self.asked: list[tuple[str, ...]] = []
        self.fails: dict[tuple[str, ...], AcrError] = {}
        self.tagged: dict[str, dict[str, str]] = {name.replace("_", "/"): tags for name, tags in repositories.items()}
        self.manifests: dict[str, tuple[str, dict[str, Any]]] = {}
        self.referring: dict[str, list[str]] = {}
        self.described: dict[str, dict[str, Any]] = {}  # what listings of referrers say of those, besides their digests
        self.blobs: dict[str, bytes] = {}
        self.hidden: set[str] = set()  # tags and digests that no listing shows
        self.lost: set[str] = set()  # digests that are tagged, and not there
        self.late: dict[tuple[str, ...], int] = {}  # what is asked → how often it is said not to be there before it is
        self.locks: set[str] = set()  # repositories, tags and digests that must not be written
        self.immutable: set[tuple[str, str]] = set()  # repositories and tags, or digests, that must be neither written nor deleted
        self.times: dict[str, str] = {}  # of tags; all others are of "now"
        self.arrived: dict[tuple[str, str], str] = {}  # of repository and digest: when the manifest came
        self.stamps: dict[tuple[str, str], tuple[str, str]] = {}  # of repository and tag: when it was made, when last written
        self.crowd = 0  # more tags and manifests that a repository counts
        self._asking = threading.Lock()

    def _ask(self, *what: str) -> None:
        with self._asking:
            self.asked.append(what)
            late = self.late.get(what, 0)
            self.late[what] = late - 1
        error = self.fails.get(what) or self.fails.get(what[:1])
        if error is not None:
            raise error
        if late > 0:
            raise AcrError("not_found", f"{what[-1]} does not exist.", status=404, codes=("MANIFEST_UNKNOWN",))

    def prepare(self, repositories: Iterable[str]) -> None:
        self._ask("prepare", *sorted(repositories))

    def describe(self, repository: str, reference: str, *, brief: bool = False) -> Descriptor:
        self._ask("describe", repository, reference)
        return self._find(repository, reference).descriptor

    def manifest(self, repository: str, reference: str) -> Manifest:
        self._ask("manifest", repository, reference)
        return self._find(repository, reference)

    def _find(self, repository: str, reference: str) -> Manifest:
        tags = self.tagged.get(repository, {})
        found = tags.get(reference, reference)
        if found in self.lost or found not in self.manifests and found not in tags.values():
            separator = "@" if ":" in reference else ":"
            message = f"{self.host}/{repository}{separator}{reference} does not exist."
            raise AcrError("not_found", message, status=404, codes=("MANIFEST_UNKNOWN",))
        media_type, content = self.manifests.get(found, (IMAGE, {}))
        body = json.dumps(content).encode()
        return Manifest(Descriptor(found, media_type, len(body)), body)

    def tags(self, repository: str) -> list[str]:
        self._ask("tags", repository)
        return [name for name in self.tagged.get(repository, {}) if name not in self.hidden]

    def lacks(self, repository: str) -> bool:
        self._ask("lacks", repository)
        return repository not in self.tagged

    def referrers(self, repository: str, subject: str) -> tuple[str, list[dict[str, Any]]]:
        self._ask("referrers", repository, subject)
        return "api", [{"digest": one, **self.described.get(one, {})} for one in self.referring.get(subject, [])]

    def blob(self, repository: str, one: str) -> bytes:
        self._ask("blob", repository, one)
        if one not in self.blobs:
            raise AcrError("not_found", f"{self.host}/{repository}@{one} does not exist.", status=404, codes=("BLOB_UNKNOWN",))
        return self.blobs[one]

    # -- Azure's own

    def repositories(self) -> list[str]:
        self._ask("repositories")
        return list(self.tagged)

    def _read(self, *what: str) -> bool:
        """Asks for properties: False if the answer is that there is no such thing."""
        try:
            self._ask(*what)
        except AcrError as error:
            if error.reason != "not_found":
                raise
            return False
        return True

    def _listed(self, repository: str) -> list[Tag]:
        tags = self.tagged.get(repository, {}).items()
        return [self._tag(repository, name, found) for name, found in tags if name not in self.hidden]

    def _tag(self, repository: str, name: str, found: str) -> Tag:
        immutable = (repository, name) in self.immutable
        created, updated = self.stamps.get((repository, name), (None, self.times.get(name, "now")))
        return Tag(name, found, updated, immutable or name in self.locks, immutable, created)

    def _attributes(self, repository: str, one: str) -> dict[str, bool]:
        immutable = (repository, one) in self.immutable
        return {"writeEnabled": not (immutable or one in self.locks), "deleteEnabled": not immutable}

    def tag(self, repository: str, tag: str) -> Tag | None:
        found = self.tagged.get(repository, {}).get(tag)
        return self._tag(repository, tag, found) if self._read("tag", repository, tag) and found else None

    def tag_list(self, repository: str, newest: int | None = None) -> Iterator[Tag]:
        self._ask("tag_list", repository)
        return iter(self._listed(repository))

    def repository_locked(self, repository: str) -> bool | None:
        there = self._read("repository", repository) and repository in self.tagged
        return repository in self.locks if there else None

    def manifest_list(self, repository: str, *, orderby: str = "", limit: int | None = None) -> Iterator[dict[str, Any]]:
        if not self._read("manifest_list", repository):
            return
        tags: dict[str, list[str]] = {}
        for tag in self._listed(repository):
            tags.setdefault(tag.digest, []).append(tag.name)
        for one in dict.fromkeys([*self.tagged.get(repository, {}).values(), *self.manifests]):
            if one not in self.hidden | self.lost:
                kind, named = self.manifests.get(one, (IMAGE, {}))[0], {"tags": tags[one]} if one in tags else {}
                yield {"digest": one, "mediaType": kind, "changeableAttributes": self._attributes(repository, one), **named}

    def manifest_metadata(self, repository: str, one: str) -> dict[str, Any] | None:
        there = one in self.manifests or one in self.tagged.get(repository, {}).values()
        if not self._read("metadata", repository, one) or not there or one in self.lost:
            return None
        created = {"createdTime": self.arrived[repository, one]} if (repository, one) in self.arrived else {}
        return {"digest": one, "changeableAttributes": self._attributes(repository, one), **created}

    def prepare_locking(self, repositories: Iterable[str]) -> None:
        self._ask("prepare locking", *sorted(repositories))

    def lock(self, repository: str, reference: str) -> None:
        self._ask("lock", repository, reference)
        self.immutable.add((repository, reference))

    def counts(self, repository: str) -> Counts:
        self._ask("counts", repository)
        tags = self.tagged.get(repository, {})
        return Counts(len(tags) + self.crowd, len(set(tags.values())) + self.crowd)


def unhurried() -> Http:
    """An Http that waits for nothing: its clock jumps over its pauses, which are noted in ``http.pauses``."""
    pauses: list[float] = []

    def sleep(seconds: float) -> bool:
        pauses.append(seconds)
        return False

    found = Http(clock=lambda: time.monotonic() + sum(pauses), sleep=sleep)
    found.pauses = pauses
    return found


class HeldRegistry(_Held, Registry):
    """Any registry. ``HeldRegistry("quay.io", team_app={"1.0": digest(1)})``: "_" stands for "/"."""

    def __init__(self, host: str, **repositories: dict[str, str]) -> None:
        Registry.__init__(self, host, unhurried())
        self.hold(**repositories)

    def prepare(self, repositories: Iterable[str]) -> None:
        """Asks nobody: its tokens are asked for when they are needed."""


class HeldAzure(_Held, AzureRegistry):
    """An Azure registry."""

    def __init__(self, host: str, **repositories: dict[str, str]) -> None:
        AzureRegistry.__init__(self, host, unhurried())
        self.hold(**repositories)


def resource(name: str, subscription: str = "s", group: str = "rg", **properties: Any) -> RegistryResource:
    """A registry as Azure Resource Manager knows it; *properties* are Azure's."""
    place = f"/subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.ContainerRegistry/registries/{name}"
    return RegistryResource(place, name, f"{name}.{CLOUD.registry_suffix}", "westeurope", "Premium", {}, properties)


class HeldManager:
    """Azure Resource Manager with these registries. *asked* and *fails* as of the registries: (name of the method, and what it
    was asked for)."""

    def __init__(self, *resources: RegistryResource) -> None:
        self.resources = list(resources)
        self.asked: list[tuple[Any, ...]] = []
        self.fails: dict[tuple[Any, ...], AcrError] = {}
        self.sent: list[dict[str, Any]] = []  # changed properties

    def _ask(self, *what: Any) -> None:
        self.asked.append(what)
        error = self.fails.get(what) or self.fails.get(what[:1])
        if error is not None:
            raise error

    def registry(self, registry_id: RegistryId, resource_group: str | None = None) -> RegistryResource:
        self._ask("registry", registry_id, resource_group)
        for one in self.resources:
            facts = (one.name, one.login_server, one.subscription, one.resource_group)
            if all(wanted in (None, fact) for wanted, fact in zip(registry_id[1:], facts)):
                if resource_group in (None, one.resource_group):
                    return one
        raise AcrError("not_found", f"There is no registry {registry_id.login_server or registry_id.name}.")

    def subscriptions(self) -> list[str]:
        self._ask("subscriptions")
        return sorted({one.subscription for one in self.resources})

    def registries(self, subscription: str) -> Iterator[RegistryResource]:
        self._ask("registries", subscription)
        yield from [one for one in self.resources if one.subscription == subscription]

    def update(self, resource: RegistryResource, properties: dict[str, Any]) -> RegistryResource:
        self._ask("update", resource.name)
        self.sent.append(properties)
        changed = resource._replace(properties={**resource.properties, **properties})
        self.resources[self.resources.index(resource)] = changed
        return changed


def signed_in(**facts: Any) -> Any:
    """An identity that is signed in to `CLOUD`."""
    usual = {
        "cloud": CLOUD,
        "subscription_id": "s",
        "tenant": "tenant",
        "registry_scope": "https://registry.test/.default",
        "http": unhurried(),
        "token": lambda scope: f"token for {scope}",
        "describe": lambda: "a test",
    }
    return SimpleNamespace(**{**usual, **facts})


class HeldContext(Azure):
    """Azure with this Resource Manager (``arm``) and these registries; the data plane of no other can be reached."""

    arm: HeldManager

    def __init__(self, *registries: HeldAzure, manager: HeldManager | None = None, deadline: float | None = None) -> None:
        super().__init__(signed_in(), deadline)
        self.arm = manager or HeldManager(*(resource(one.host.partition(".")[0]) for one in registries))
        self._held = {one.host: one for one in registries}

    def registry(self, login_server: str, credentials: Any = None, public: bool = False) -> AzureRegistry:
        return self._held.get(login_server) or super().registry(login_server, credentials, public)


def source_of(registry: Registry, known: Known | None = None) -> Source:
    """A registry as a source that takes no credentials."""
    return Source(SourceRegistry(registry.host), registry, None, {} if known is None else known)


class Opened(Sources):
    """Real sources of these registries; no other can be reached. *by_host*: the sources."""

    def __init__(self, *registries: Registry, known: Known | None = None) -> None:
        super().__init__(HeldContext(), known)
        self.by_host = {registry.host: self._add(registry.host, registry, None) for registry in registries}

    def open(self, host: Any, registry_id: Any, credentials: Any) -> Source:
        name = registry_id.login_server if registry_id else host
        if name not in self.by_host:
            raise AcrError("unreachable", f"{name} can't be reached.")
        return self.by_host[name]
