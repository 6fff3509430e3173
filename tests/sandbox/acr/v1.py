# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``/acr/v1``: lists, properties, locks and deletion."""
from __future__ import annotations

import json
import re
import time
from operator import attrgetter
from typing import Any

from aiohttp import web

from .. import oci
from ..oci import errors
from ..store import Manifest, Tag, dotnet_time
from ..unrecorded import NOT_RECORDED
from .answers import Refused, page_not_found, unknown_repository, unsupported
from .call import Call

_V1_OTHER = re.compile(rf"^/acr/v1/(?:{oci.NAME}/)?_(?!tags|manifests)[^/]+(?:/|$)")  # _streaming and the like
_DIGEST = re.compile(r"^sha256:[0-9a-f]{64}$")
_ACTIONS = {"GET": "metadata_read", "HEAD": "metadata_read", "PATCH": "metadata_write", "DELETE": "delete"}


async def answer(call: Call) -> web.Response:
    path, method = call.request.path, call.request.method
    if path.rstrip("/") == "/acr/v1/_catalog":
        return catalog(call)
    found = oci.V1.match(path)
    if found is None and _V1_OTHER.match(path):
        raise Refused(404, errors("OPERATION_UNKNOWN", NOT_RECORDED["registry"]["unknown_operation"]))
    if found is None:  # a name with capitals, say
        raise page_not_found()
    repository, kind, reference = found["repository"], found["kind"], found["reference"]
    if kind == "_manifests" and reference and not _DIGEST.match(reference):
        raise page_not_found()  # before any challenge
    if method not in _ACTIONS or kind and not reference and method not in ("GET", "HEAD"):
        raise unsupported()
    call.need(repository, _ACTIONS[method])
    call.look()
    if repository not in call.store.repo_times:
        if method == "DELETE" and kind == "_tags":
            raise Refused(404, errors("TAG_UNKNOWN", "the specified tag does not exist"))
        if method == "DELETE" and kind is None:
            body = errors("NAME_UNKNOWN", "repository name not known to registry", {"name": repository})
            raise Refused(404, body)
        raise unknown_repository(repository)
    if kind is None:
        return await _repository(call, repository)
    if kind == "_tags":
        return await _tag(call, repository, reference) if reference else _tags(call, repository)
    return await _manifest(call, repository, reference) if reference else _manifests(call, repository)


# ---- repositories ---------------------------------------------------------------------------------------------------


def catalog(call: Call) -> web.Response:
    """The list of repositories, which ``/v2`` shows alike."""
    call.need("", "metadata_read")
    call.look()
    attributes = call.store.repo_attrs
    names = call.page(call.store.repositories(), str, lambda name: attributes[name]["listEnabled"])
    return call.json({"repositories": None if not names and call.registry.flags.null_catalog else names})


async def _repository(call: Call, repository: str) -> web.Response:
    attributes = call.store.repo_attrs[repository]
    if call.request.method == "DELETE":
        call.unlocked("deleteEnabled", attributes)
        digests, tags = call.store.delete_repository(repository)
        return call.json({"manifestsDeleted": digests, "tagsDeleted": tags}, 202)
    if call.request.method == "PATCH":
        await _change(call, attributes)
    times = call.store.repo_times[repository]
    return call.json(
        {
            **_names(call, repository),
            "createdTime": dotnet_time(times.created),
            "lastUpdateTime": dotnet_time(times.updated),
            "manifestCount": len(call.store.manifests[repository]),
            "tagCount": len(call.store.tags[repository]),
            "changeableAttributes": _attributes(call, "repository", attributes),
        }
    )


# ---- tags -----------------------------------------------------------------------------------------------------------


def _tags(call: Call, repository: str) -> web.Response:
    query = call.request.query
    tags = [_tag_item(call, tag) for tag in listed_tags(call, repository, query.get("orderby", ""), query.get("digest"))]
    return call.json({**_names(call, repository), "tags": tags})


def listed_tags(call: Call, repository: str, order: str = "", digest: str | None = None) -> list[Tag]:
    """A page of a repository's tags, or of those that point at ``digest``."""
    late = call.registry.flags.tags_late_seconds
    newest = time.time_ns() - int(late * 1e9)

    def keep(tag: Tag) -> bool:
        return tag.attrs["listEnabled"] and (not late or tag.created <= newest) and digest in (None, tag.digest)

    more = {"digest": digest} if digest else {}
    return call.page(call.store.sorted_tags(repository, order), attrgetter("name"), keep, order, **more)


async def _tag(call: Call, repository: str, name: str) -> web.Response:
    tag = call.store.tags[repository].get(name)
    if tag is None:
        raise Refused(404, errors("TAG_UNKNOWN", "the specified tag does not exist"))
    if call.request.method == "DELETE":
        call.unlocked("deleteEnabled", call.store.repo_attrs[repository], tag.attrs)
        call.store.delete_tag(repository, name)
        call.headers["X-Ms-Int-Docker-Content-Digest"] = tag.digest
        call.headers["X-Ms-Ratelimit-Remaining-Calls-Per-Second"] = "8.000000"
        return web.Response(status=202, headers=call.headers)
    if call.request.method == "PATCH":
        await _change(call, tag.attrs)
    return call.json({**_names(call, repository), "tag": _tag_item(call, tag)})


# ---- manifests ------------------------------------------------------------------------------------------------------


def _manifests(call: Call, repository: str) -> web.Response:
    order = call.request.query.get("orderby", "")
    entries = call.store.sorted_manifests(repository, order)
    shown = call.page(entries, attrgetter("digest"), lambda entry: entry.attrs["listEnabled"], order)
    tags = call.store.tags_by_digest(repository)
    found = [_manifest_item(call, entry, tags.get(entry.digest)) for entry in shown]
    return call.json({**_names(call, repository), "manifests": found})


async def _manifest(call: Call, repository: str, digest: str) -> web.Response:
    entry = call.store.manifests[repository].get(digest)
    if entry is None:
        raise Refused(404, errors("MANIFEST_UNKNOWN", "manifest unknown"))
    if call.request.method == "DELETE":
        return delete_manifest(call, repository, entry)
    if call.request.method == "PATCH":
        await _change(call, entry.attrs)
    shown = _manifest_item(call, entry, call.store.tags_by_digest(repository).get(digest))
    if entry.platforms:
        keys = ("digest", "architecture", "os")
        shown["references"] = [{k: p[k] for k in keys if k in p} for p in entry.platforms]
    return call.json({**_names(call, repository), "manifest": shown})


def delete_manifest(call: Call, repository: str, entry: Manifest) -> web.Response:
    tags = call.store.tags[repository]
    named = [tags[name].attrs for name in call.store.tags_by_digest(repository).get(entry.digest, [])]
    call.unlocked("deleteEnabled", call.store.repo_attrs[repository], entry.attrs, *named)
    call.store.delete_manifest(repository, entry.digest)
    return web.Response(status=202, headers=call.headers)


# ---- what all have in common ----------------------------------------------------------------------------------------


async def _change(call: Call, attributes: dict[str, bool]) -> None:
    try:
        changes = json.loads(await call.request.read())
    except ValueError:
        changes = None
    if not isinstance(changes, dict) or any(
        name not in attributes or not isinstance(value, bool) for name, value in changes.items()
    ):
        raise Refused(400, errors("UNSUPPORTED", NOT_RECORDED["registry"]["bad_attributes"]))
    attributes.update(changes)


def _names(call: Call, repository: str) -> dict[str, str]:
    return {"registry": call.registry.login_server, "imageName": repository}


def _attributes(call: Call, kind: str, attributes: dict[str, bool]) -> dict[str, Any]:
    return {**attributes, **call.registry.flags.more_attributes.get(kind, {})}


def _time(call: Call, nanoseconds: int) -> str:
    return dotnet_time(nanoseconds - int(call.registry.flags.older_by_seconds * 1e9))


def _tag_item(call: Call, tag: Tag) -> dict[str, Any]:
    return {
        "name": tag.name,
        "digest": tag.digest,
        "createdTime": _time(call, tag.created),
        "lastUpdateTime": _time(call, tag.updated),
        "signed": False,
        "changeableAttributes": _attributes(call, "tag", tag.attrs),
    }


def _manifest_item(call: Call, entry: Manifest, tags: list[str] | None) -> dict[str, Any]:
    """A manifest as lists show it: no ``tags`` where it has none, ``configMediaType`` only where it was pushed."""
    shown: dict[str, Any] = {
        "digest": entry.digest,
        "imageSize": entry.image_size,
        "createdTime": _time(call, entry.created),
        "lastUpdateTime": _time(call, entry.updated),
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
    shown["changeableAttributes"] = _attributes(call, "manifest", entry.attrs)
    return shown
