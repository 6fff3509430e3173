# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An Azure registry's front: who may do what, the lists and properties under ``/acr/v1``, and ``/v2``.

Flags of a registry that are read here and in what this calls: ``tags_late_seconds`` (for so long after it was made, a
tag is missing from lists), ``cache_referrers_424`` false (referrers of repositories under a cache rule do not fail),
``page_limit`` (entries a page at most, however many are asked for), ``full_page_link`` (a last page that is exactly full
has a Link to one more), ``refuse_n_above`` (longer pages are refused, not cut), ``referrers_page`` and
``referrers_filter`` (see oci.referrers), ``null_catalog`` false (a catalog's page without entries is ``[]``),
``more_attributes`` ({"tag", "manifest", "repository": further changeableAttributes, as ``quarantineState`` and
``teleportEnabled``}), ``correlation_ids`` false (refusals end without one, as until 2025), ``server`` (openresty, as
until then), ``exchange_for_arm_rights`` and ``space_scopes`` (see acr_tokens), ``max_header_line`` (bytes; see server).
"""
from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from typing import Any

from aiohttp import web
from multidict import CIMultiDict

from . import acr_tokens, lies, oci
from .acr_tokens import UNAUTHORIZED, BadToken, identify
from .oci import answer, encode, errors
from .state import AzureRegistry, Identity, State, new_id
from .store import Manifest, Tag, dotnet_time
from .unrecorded import NOT_RECORDED

__all__ = ["common_headers", "firewall_body", "handle", "identify"]

_V1_OTHER = re.compile(rf"^/acr/v1/(?:{oci.NAME}/)?_(?!tags|manifests)[^/]+(?:/|$)")  # _streaming and the like
_DIGEST = re.compile(r"^sha256:[0-9a-f]{64}$")
_NOT_FOUND = b"404 page not found\n"


def firewall_body(registry: AzureRegistry, address: str, correlation: str = "") -> str:
    """What a registry tells a client from an address that its firewall does not let in. ``correlation``: the answer's
    ID (none given: a new one)."""
    # Azure writes the apostrophes as JSON escapes.
    return (
        f'{{"errors":[{{"code":"DENIED","message":"client with IP \\u0027{address}\\u0027 is not allowed access. '
        f'Refer https://aka.ms/acr/firewall to grant access.{acr_tokens.correlated(registry, correlation or new_id())}"}}]}}'
    )


def common_headers(registry: AzureRegistry) -> CIMultiDict[str]:
    """What stands on each answer of a registry."""
    headers = CIMultiDict(_COMMON)
    headers["Server"] = registry.flags.get("server", "AzureContainerRegistry")
    headers["X-Ms-Correlation-Request-Id"] = new_id()
    return headers


_HSTS = "max-age=31536000; includeSubDomains"
_COMMON = CIMultiDict(
    [
        ("Docker-Distribution-Api-Version", "registry/2.0"),
        ("X-Content-Type-Options", "nosniff"),
        ("Strict-Transport-Security", _HSTS),
        ("Strict-Transport-Security", _HSTS),
        ("Access-Control-Expose-Headers", "Docker-Content-Digest"),
        ("Access-Control-Expose-Headers", "WWW-Authenticate"),
        ("Access-Control-Expose-Headers", "Link"),
        ("Access-Control-Expose-Headers", "X-Ms-Correlation-Request-Id"),
    ]
)


class _Refused(Exception):
    """An error answer."""

    def __init__(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        super().__init__(status)
        self.status, self.body, self.headers = status, body, headers or {}


async def handle(state: State, request: web.BaseRequest) -> web.StreamResponse:
    """One request to a registry's login server or regional endpoint."""
    host = request.host.rsplit(":", 1)[0].lower()
    registry = state.registry_hosts[host]
    headers = common_headers(registry)
    if not registry.open_to(state.client_address):
        body = firewall_body(registry, state.client_address, headers["X-Ms-Correlation-Request-Id"])
        return answer(403, body.encode() + b"\n", headers)
    if request.path.startswith("/oauth2/"):
        return await acr_tokens.handle(state, registry, request, headers)
    try:
        return await _Call(state, registry, request, host, headers).answer()
    except (_Refused, lies.Told) as refused:
        headers.update(refused.headers)
        return answer(refused.status, refused.body, headers)


class _Call:
    """One request to ``/v2`` or ``/acr/v1``."""

    def __init__(
        self, state: State, registry: AzureRegistry, request: web.BaseRequest, host: str, headers: CIMultiDict[str]
    ) -> None:
        self.state = state
        self.registry = registry
        self.store: Any = registry.store
        self.request = request
        self.host = host
        self.headers = headers

    async def answer(self) -> web.StreamResponse:
        if self.request.path.startswith("/acr/v1/"):
            return await self._v1()
        path = oci.parse(self.request.path)
        if path is None:
            raise _page_not_found()
        return await self._v2(path)

    # ---- who may ---------------------------------------------------------------------------------------------------

    def _need(self, repository: str, *actions: str) -> None:
        """Challenge, unless the client may do ``actions`` to ``repository`` (empty: to the catalog; no actions: be
        known)."""
        problem = ""
        identity: Identity | None = None
        try:
            identity = acr_tokens.asker(self.state, self.registry, self.request)
        except BadToken as bad:
            if bad.basic:
                self._challenge(repository, actions, 'Basic realm="Azure Container Registry"')
            problem = "invalid_token"
        if identity is not None:
            self.request["principal"] = identity.name
            wanted = set(actions) if repository else {"metadata_read"} if actions else set()
            if wanted <= identity.allowed(repository):
                return
            problem = "insufficient_scope"
        parts = [f'realm="https://{self.host}/oauth2/token"', f'service="{self.host}"']
        if actions and not repository:
            parts.append('scope="registry:catalog:*"')
        elif actions:
            parts.append(f'scope="repository:{repository}:{",".join(actions)}"')
        if problem:
            parts.append(f'error="{problem}"')
        self._challenge(repository, actions, "Bearer " + ",".join(parts))

    def _look(self) -> None:
        """From here on see the registry as those see it to whom it lies."""
        self.store = lies.read(self.state.knobs.lies, self.request, self.host, self.registry.store)

    def _challenge(self, repository: str, actions: tuple[str, ...], value: str) -> None:
        detail: Any = None
        if actions and not repository:
            detail = [{"Type": "registry", "Name": "catalog", "Action": "*"}]
        elif actions:
            detail = [{"Type": "repository", "Name": repository, "Action": a} for a in actions]
        raise _Refused(401, errors("UNAUTHORIZED", UNAUTHORIZED, detail), {"WWW-Authenticate": value})

    def _unlocked(self, attribute: str, *locks: dict[str, bool] | None) -> None:
        """Refuse when one of these attribute sets forbids; a write lock forbids deletion too."""
        for lock in locks:
            if lock is not None and not (lock[attribute] and (attribute != "deleteEnabled" or lock["writeEnabled"])):
                raise _Refused(405, errors("REGISTRY_DISALLOWED_OPERATION", oci.DISALLOWED, {}))

    def _number(self) -> int:
        flags = self.registry.flags
        try:
            number = oci.page_size(self.request, longest=flags.get("refuse_n_above"))
        except ValueError:
            text = NOT_RECORDED["registry"]["bad_number"]
            raise _Refused(400, errors("PAGINATION_NUMBER_INVALID", text)) from None
        return min(number, int(flags.get("page_limit", oci.MAX_PAGE)))

    def _more(self, shown: list[Any], more: bool, number: int) -> bool:
        """Does a list go on after this page, as far as its Link says?"""
        return more or len(shown) == number and bool(self.registry.flags.get("full_page_link"))

    # ---- /acr/v1 ---------------------------------------------------------------------------------------------------

    async def _v1(self) -> web.StreamResponse:
        if self.request.path.rstrip("/") == "/acr/v1/_catalog":
            return self._catalog()
        found = oci.V1.match(self.request.path)
        if found is None and _V1_OTHER.match(self.request.path):
            raise _Refused(404, errors("OPERATION_UNKNOWN", NOT_RECORDED["registry"]["unknown_operation"]))
        if found is None:  # a name with capitals, say
            raise _page_not_found()
        repository, kind, reference = found["repository"], found["kind"], found["reference"]
        if kind == "_manifests" and reference and not _DIGEST.match(reference):
            raise _page_not_found()  # before any challenge
        method = self.request.method
        action = {"GET": "metadata_read", "HEAD": "metadata_read", "PATCH": "metadata_write", "DELETE": "delete"}
        if method not in action or reference in (None, "") and kind and method not in ("GET", "HEAD"):
            raise _unsupported()
        self._need(repository, action[method])
        self._look()
        if repository not in self.store.repo_times:
            if method == "DELETE" and kind == "_tags":
                raise _Refused(404, errors("TAG_UNKNOWN", "the specified tag does not exist"))
            if method == "DELETE" and kind is None:
                body = errors("NAME_UNKNOWN", "repository name not known to registry", {"name": repository})
                raise _Refused(404, body)
            raise _Refused(404, errors("NAME_UNKNOWN", f'repository "{repository}" is not found'))
        if kind is None:
            return await self._repository(repository)
        if kind == "_tags":
            return await self._tag(repository, reference) if reference else self._tags(repository)
        return await self._manifest(repository, reference) if reference else self._manifests(repository)

    def _catalog(self) -> web.Response:
        self._need("", "metadata_read")
        self._look()
        attributes = self.store.repo_attrs
        number = self._number()
        names, more = oci.page(
            self.store.repositories(), str, number, self.request.query.get("last", ""),
            keep=lambda name: attributes[name]["listEnabled"],
        )
        if self._more(names, more, number):
            self._link(names[-1], number)
        return self._json({"repositories": None if not names and self.registry.flags.get("null_catalog", True) else names})

    async def _repository(self, repository: str) -> web.Response:
        attributes = self.store.repo_attrs[repository]
        if self.request.method == "DELETE":
            self._unlocked("deleteEnabled", attributes)
            digests, tags = self.store.delete_repository(repository)
            return self._json({"manifestsDeleted": digests, "tagsDeleted": tags}, 202)
        if self.request.method == "PATCH":
            await self._change(attributes)
        times = self.store.repo_times[repository]
        return self._json(
            {
                **self._names(repository),
                "createdTime": dotnet_time(times.created),
                "lastUpdateTime": dotnet_time(times.updated),
                "manifestCount": len(self.store.manifests[repository]),
                "tagCount": len(self.store.tags[repository]),
                "changeableAttributes": self._attributes("repository", attributes),
            }
        )

    def _tags(self, repository: str) -> web.Response:
        order, digest = self.request.query.get("orderby", ""), self.request.query.get("digest")
        shown, number = self._listed_tags(repository, order, digest)
        tags = [self._tag_item(tag) for tag in shown]
        return self._json({**self._names(repository), "tags": tags})

    def _listed_tags(self, repository: str, order: str, digest: str | None) -> tuple[list[Tag], int]:
        """A page of a repository's tags, with the Link header set when there are more."""
        number = self._number()
        keep = self._seen(lambda tag: digest is None or tag.digest == digest)
        shown, more = oci.page(
            self.store.sorted_tags(repository, order), lambda tag: tag.name, number,
            self.request.query.get("last", ""), order == "", keep,
        )
        if self._more(shown, more, number):
            self._link(shown[-1].name, number, order, {"digest": digest} if digest else {})
        return shown, number

    def _seen(self, matches: Callable[[Tag], bool]) -> Callable[[Tag], bool]:
        late = float(self.registry.flags.get("tags_late_seconds", 0))
        newest = time.time_ns() - int(late * 1e9)
        return lambda tag: tag.attrs["listEnabled"] and (not late or tag.created <= newest) and matches(tag)

    async def _tag(self, repository: str, name: str) -> web.Response:
        tag = self.store.tags[repository].get(name)
        if tag is None:
            raise _Refused(404, errors("TAG_UNKNOWN", "the specified tag does not exist"))
        if self.request.method == "DELETE":
            self._unlocked("deleteEnabled", self.store.repo_attrs[repository], tag.attrs)
            self.store.delete_tag(repository, name)
            self.headers["X-Ms-Int-Docker-Content-Digest"] = tag.digest
            self.headers["X-Ms-Ratelimit-Remaining-Calls-Per-Second"] = "8.000000"
            return web.Response(status=202, headers=self.headers)
        if self.request.method == "PATCH":
            await self._change(tag.attrs)
        return self._json({**self._names(repository), "tag": self._tag_item(tag)})

    def _manifests(self, repository: str) -> web.Response:
        order, number = self.request.query.get("orderby", ""), self._number()
        shown, more = oci.page(
            self.store.sorted_manifests(repository, order), lambda entry: entry.digest, number,
            self.request.query.get("last", ""), order == "", lambda entry: entry.attrs["listEnabled"],
        )
        if self._more(shown, more, number):
            self._link(shown[-1].digest, number, order)
        tags = self.store.tags_by_digest(repository)
        found = [self._manifest_item(entry, tags.get(entry.digest)) for entry in shown]
        return self._json({**self._names(repository), "manifests": found})

    async def _manifest(self, repository: str, digest: str) -> web.Response:
        entry = self.store.manifests[repository].get(digest)
        if entry is None:
            raise _Refused(404, errors("MANIFEST_UNKNOWN", "manifest unknown"))
        if self.request.method == "DELETE":
            return self._delete_manifest(repository, entry)
        if self.request.method == "PATCH":
            await self._change(entry.attrs)
        shown = self._manifest_item(entry, self.store.tags_by_digest(repository).get(digest))
        if entry.platforms:
            keys = ("digest", "architecture", "os")
            shown["references"] = [{k: p[k] for k in keys if k in p} for p in entry.platforms]
        return self._json({**self._names(repository), "manifest": shown})

    def _delete_manifest(self, repository: str, entry: Manifest) -> web.Response:
        tags = self.store.tags[repository]
        named = [tags[name].attrs for name in self.store.tags_by_digest(repository).get(entry.digest, [])]
        self._unlocked("deleteEnabled", self.store.repo_attrs[repository], entry.attrs, *named)
        self.store.delete_manifest(repository, entry.digest)
        return web.Response(status=202, headers=self.headers)

    async def _change(self, attributes: dict[str, bool]) -> None:
        try:
            changes = json.loads(await self.request.read())
        except ValueError:
            changes = None
        if not isinstance(changes, dict) or any(
            name not in attributes or not isinstance(value, bool) for name, value in changes.items()
        ):
            raise _Refused(400, errors("UNSUPPORTED", NOT_RECORDED["registry"]["bad_attributes"]))
        attributes.update(changes)

    def _names(self, repository: str) -> dict[str, str]:
        return {"registry": self.registry.login_server, "imageName": repository}

    def _json(self, value: Any, status: int = 200) -> web.Response:
        return answer(status, encode(value), self.headers)

    def _link(self, last: str, number: int, order: str = "", more: dict[str, str] | None = None) -> None:
        query = {"last": last, "n": str(number), "orderby": order, **(more or {})}
        self.headers["Link"] = oci.next_link(self.request, query)

    # ---- how things look -------------------------------------------------------------------------------------------

    def _attributes(self, kind: str, attributes: dict[str, bool]) -> dict[str, Any]:
        return {**attributes, **self.registry.flags.get("more_attributes", {}).get(kind, {})}

    def _tag_item(self, tag: Tag) -> dict[str, Any]:
        return {
            "name": tag.name,
            "digest": tag.digest,
            "createdTime": dotnet_time(tag.created),
            "lastUpdateTime": dotnet_time(tag.updated),
            "signed": False,
            "changeableAttributes": self._attributes("tag", tag.attrs),
        }

    def _manifest_item(self, entry: Manifest, tags: list[str] | None) -> dict[str, Any]:
        """A manifest as lists show it: no ``tags`` where it has none, ``configMediaType`` only where it was pushed."""
        shown: dict[str, Any] = {
            "digest": entry.digest,
            "imageSize": entry.image_size,
            "createdTime": dotnet_time(entry.created),
            "lastUpdateTime": dotnet_time(entry.updated),
        }
        if entry.architecture:
            shown["architecture"] = entry.architecture
        if entry.os:
            shown["os"] = entry.os
        shown["mediaType"] = entry.media_type
        if entry.config_media_type and not entry.imported:
            shown["configMediaType"] = entry.config_media_type
        if tags:
            shown["tags"] = tags
        shown["changeableAttributes"] = self._attributes("manifest", entry.attrs)
        return shown

    # ---- /v2 -------------------------------------------------------------------------------------------------------

    async def _v2(self, path: oci.Path) -> web.StreamResponse:
        method, repository = self.request.method, path.repository
        reading = method in ("GET", "HEAD")
        if path.kind == "ping":
            self._need("")
            return self._json({})
        if path.kind == "catalog":
            return self._catalog()
        if path.kind == "tags" and reading:
            self._need(repository, "metadata_read")
            self._look()
            if repository not in self.store.repo_times:
                raise _Refused(404, errors("NAME_UNKNOWN", f'repository "{repository}" is not found'))
            shown, _number = self._listed_tags(repository, "", None)
            return self._json({"name": repository, "tags": [tag.name for tag in shown]})
        if path.kind == "manifest" and reading:
            return await self._pull(path)
        if path.kind == "manifest" and method == "PUT":
            self._need(repository, "pull", "push")
            self._pushable(repository, path.reference)
            return await oci.put_manifest(self.request, self.store, path, self.headers)
        if path.kind == "manifest" and method == "DELETE":
            self._need(repository, "delete")
            if ":" not in path.reference:
                raise _Refused(405, errors("UNSUPPORTED", "A manifest can only be deleted by digest."))
            entry = self.store.manifests.get(repository, {}).get(path.reference)
            if entry is None:
                raise _Refused(404, errors("MANIFEST_UNKNOWN", f"manifest {path.reference} is not found"))
            return self._delete_manifest(repository, entry)
        if path.kind == "blob" and reading:
            self._need(repository, "pull")
            return await oci.send_blob(self.request, self.store, path, self.headers)
        if path.kind == "upload":
            self._need(repository, "pull", "push")
            self._pushable(repository, "")
            return await oci.upload(self.request, self.store, self.headers)
        if path.kind == "referrers" and reading:
            return self._referrers(path)
        raise _unsupported()

    async def _pull(self, path: oci.Path) -> web.Response:
        repository, reference = path.repository, path.reference
        self._need(repository, "pull")
        self._look()
        entry = self.store.manifest(repository, reference)
        if entry is None:
            raise _Refused(404, oci.unknown_manifest(self.store, repository, reference))
        tag = None if ":" in reference else self.store.tags[repository][reference]
        self._unlocked("readEnabled", self.store.repo_attrs[repository], entry.attrs, tag.attrs if tag else None)
        sent = oci.accepted(self.request, self.store, repository, entry, convert=False)
        if isinstance(sent, str):
            raise _Refused(404, errors("MANIFEST_UNKNOWN", sent))
        self.headers["Docker-Content-Digest"] = sent.digest
        self.headers["ETag"] = f'"{sent.digest}"'
        return await oci.send_manifest(self.request, self.store, repository, sent, self.headers)

    def _pushable(self, repository: str, reference: str) -> None:
        """Refuse a push to what is locked, and into repositories that a cache rule fills."""
        if self.registry.cache_rule(repository) is not None:
            raise _Refused(405, errors("REGISTRY_DISALLOWED_OPERATION", oci.DISALLOWED, {}))
        tag = self.store.tags.get(repository, {}).get(reference)
        entry = self.store.manifests.get(repository, {}).get(reference)
        locks = (self.store.repo_attrs.get(repository), tag.attrs if tag else None, entry.attrs if entry else None)
        self._unlocked("writeEnabled", *locks)

    def _referrers(self, path: oci.Path) -> web.Response:
        self._need(path.repository, "pull")
        self._look()
        flags = self.registry.flags
        if not self.registry.referrers_api:
            raise _page_not_found()
        if flags.get("cache_referrers_424", True) and self.registry.cache_rule(path.repository) is not None:
            raise _Refused(424, errors("UNKNOWN", NOT_RECORDED["registry"]["upstream_trouble"], {}))
        self._number()
        late = self.state.knobs.referrers_late_seconds
        return oci.referrers(self.request, self.store, path, self.headers, late, flags)


def _page_not_found() -> _Refused:
    return _Refused(404, _NOT_FOUND, {"Content-Type": "text/plain; charset=utf-8"})


def _unsupported() -> _Refused:
    return _Refused(405, errors("UNSUPPORTED", NOT_RECORDED["registry"]["unsupported"]))
