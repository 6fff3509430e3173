# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Registries that are held in memory and note what they are asked, for tests of who asks what of them, and how often."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Iterator
from types import SimpleNamespace
from typing import Any

from ansible_collections.registryops.acr.plugins.module_utils._acr import AzureRegistry, Counts, Tag
from ansible_collections.registryops.acr.plugins.module_utils._errors import AcrError
from ansible_collections.registryops.acr.plugins.module_utils._http import Http
from ansible_collections.registryops.acr.plugins.module_utils._identity._clouds import Cloud
from ansible_collections.registryops.acr.plugins.module_utils._manifest import INDEX_TYPES, MANIFEST_TYPES, Descriptor, Manifest
from ansible_collections.registryops.acr.plugins.module_utils._registry import Registry
from ansible_collections.registryops.acr.plugins.module_utils._sources import Source, Sources

INDEX, IMAGE = INDEX_TYPES[0], MANIFEST_TYPES[2]


def digest(number: int) -> str:
    return "sha256:{0:064x}".format(number)


class _Held:
    """*tagged*: repository → tag → digest; all that is tagged is there, and *manifests* besides. *fails*: what is asked →
    the error that it gets."""

    host: str

    def hold(self, **repositories: dict[str, str]) -> None:
        self.asked: list[tuple[str, ...]] = []
        self.fails: dict[tuple[str, ...], AcrError] = {}
        self.tagged: dict[str, dict[str, str]] = {name.replace("_", "/"): tags for name, tags in repositories.items()}
        self.manifests: dict[str, tuple[str, dict[str, Any]]] = {}
        self.referring: dict[str, list[str]] = {}
        self.hidden: set[str] = set()  # tags and digests that no listing shows
        self.lost: set[str] = set()  # digests that are tagged, and not there
        self.late: dict[tuple[str, ...], int] = {}  # what is asked → how often it is said not to be there before it is
        self.locks: set[str] = set()  # repositories, tags and digests that must not be written
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
            raise AcrError("not_found", "{0} does not exist.".format(what[-1]), status=404)

    def prepare(self, repositories: Iterable[str]) -> None:
        self._ask("prepare", *sorted(repositories))

    def describe(self, repository: str, reference: str) -> Descriptor:
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
            raise AcrError("not_found", "{0}/{1}{2}{3} does not exist.".format(self.host, repository, separator, reference))
        media_type, content = self.manifests.get(found, (IMAGE, {}))
        body = json.dumps(content).encode()
        return Manifest(Descriptor(found, media_type, len(body)), body)

    def tags(self, repository: str) -> list[str]:
        self._ask("tags", repository)
        return [name for name in self.tagged.get(repository, {}) if name not in self.hidden]

    def lacks(self, repository: str) -> bool:
        self._ask("lacks", repository)
        return repository not in self.tagged

    def referrers(self, repository: str, subject: str) -> list[dict[str, Any]]:
        self._ask("referrers", repository, subject)
        return [{"digest": one} for one in self.referring.get(subject, [])]

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
        return [Tag(name, found, "now", name in self.locks) for name, found in tags if name not in self.hidden]

    def tag(self, repository: str, tag: str) -> Tag | None:
        found = self.tagged.get(repository, {}).get(tag)
        return Tag(tag, found, "now", tag in self.locks) if self._read("tag", repository, tag) and found else None

    def tag_list(self, repository: str, newest: int | None = None) -> Iterator[Tag]:
        self._ask("tag_list", repository)
        return iter(self._listed(repository))

    def find_tags(self, repository: str, names: Iterable[str]) -> tuple[dict[str, Tag], bool]:
        self._ask("find_tags", repository)
        wanted = set(names)
        return {tag.name: tag for tag in self._listed(repository) if tag.name in wanted}, repository in self.tagged

    def repository_locked(self, repository: str) -> bool | None:
        there = self._read("repository", repository) and repository in self.tagged
        return repository in self.locks if there else None

    def manifest_list(self, repository: str, *, orderby: str = "", limit: int | None = None) -> Iterator[dict[str, Any]]:
        self._ask("manifest_list", repository)
        for one in dict.fromkeys([*self.tagged.get(repository, {}).values(), *self.manifests]):
            if one not in self.hidden | self.lost:
                attributes = {"writeEnabled": one not in self.locks}
                yield {"digest": one, "mediaType": self.manifests.get(one, (IMAGE, {}))[0], "changeableAttributes": attributes}

    def manifest_metadata(self, repository: str, one: str) -> dict[str, Any] | None:
        there = one in self.manifests or one in self.tagged.get(repository, {}).values()
        if not self._read("metadata", repository, one) or not there or one in self.lost:
            return None
        return {"digest": one, "changeableAttributes": {"writeEnabled": one not in self.locks}}

    def counts(self, repository: str) -> Counts:
        self._ask("counts", repository)
        tags = self.tagged.get(repository, {})
        return Counts(len(tags) + self.crowd, len(set(tags.values())) + self.crowd)


def unhurried() -> Http:
    """An Http whose pauses take no time."""
    http = Http()
    http.pause = lambda seconds: True  # type: ignore[method-assign]
    return http


class HeldRegistry(_Held, Registry):
    """Any registry. ``HeldRegistry("quay.io", team_app={"1.0": digest(1)})``: "_" stands for "/"."""

    def __init__(self, host: str, **repositories: dict[str, str]) -> None:
        Registry.__init__(self, host, unhurried())
        self.hold(**repositories)


class HeldAzure(_Held, AzureRegistry):
    """An Azure registry."""

    def __init__(self, host: str, **repositories: dict[str, str]) -> None:
        AzureRegistry.__init__(self, host, unhurried())
        self.hold(**repositories)


class Opened(Sources):
    """Real sources of these registries; no other can be reached."""

    def __init__(self, *registries: Any) -> None:
        cloud = Cloud("Test", "https://arm.test", "https://login.test", "scope", "azurecr.test")
        super().__init__(SimpleNamespace(cloud=cloud), Http(), None)  # type: ignore[arg-type]
        self.by_host = {registry.host: Source(registry.host, registry, None, None) for registry in registries}

    def open(self, host: Any, registry_id: Any, credentials: Any) -> Source:
        name = registry_id.login_server if registry_id else host
        if name not in self.by_host:
            raise AcrError("unreachable", "{0} can't be reached.".format(name))
        return self.by_host[name]
