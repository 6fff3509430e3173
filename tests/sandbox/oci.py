# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every registry speaks: the distribution specification's paths, answered from a store.

Whether the client may, and how a registry words its refusals, is the registry's own business (acr.py, upstream.py).
``headers`` arguments are what the registry puts on each of its answers; the functions add theirs to it.
"""
from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote

from aiohttp import web
from multidict import CIMultiDict

from .flags import Flags
from .images import DOCKER_LIST, DOCKER_SCHEMA1, OCI_INDEX, OCI_MANIFEST, digest_of
from .store import Manifest, Store

MAX_MANIFEST = 4 << 20  # bytes
MAX_PAGE = 1000
_STREAM_ABOVE = 1 << 20  # bytes; smaller blobs are answered in one piece
_HELD_UP_TO = 1 << 16  # bytes; Distribution is asked once for smaller blobs

NAME = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*"
_DIGEST = r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}"
_REFERENCE = rf"[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}}|{_DIGEST}"
_PATHS = (
    ("manifest", re.compile(rf"^/v2/({NAME})/manifests/({_REFERENCE})$")),
    ("tags", re.compile(rf"^/v2/({NAME})/tags/list()/?$")),
    ("blob", re.compile(rf"^/v2/({NAME})/blobs/({_DIGEST})$")),
    ("referrers", re.compile(rf"^/v2/({NAME})/referrers/({_DIGEST})$")),
    ("upload", re.compile(rf"^/v2/({NAME})/blobs/uploads/?([^/]*)$")),
)
# Azure's own, beside the specification's.
V1 = re.compile(rf"^/acr/v1/(?P<repository>{NAME})(?:/(?P<kind>_tags|_manifests)(?:/(?P<reference>[^/]*))?)?/?$")
DISALLOWED = (
    "The operation is disallowed on this registry, repository or image. View troubleshooting steps at "
    "https://aka.ms/acr/faq/#why-does-my-pull-or-push-request-fail-with-disallowed-operation"
)
_BLOB_HEADERS = ("Content-Type", "Docker-Content-Digest", "Etag", "Accept-Ranges", "Content-Range", "Cache-Control")
_UPLOAD_HEADERS = ("Location", "Range", "Docker-Upload-Uuid", "Docker-Content-Digest", "Content-Type")
_ABSENT = object()

Item = TypeVar("Item")


@dataclass(frozen=True)
class Path:
    """A request's path. ``kind``: ping, catalog, manifest, tags, blob, referrers, upload."""

    kind: str
    repository: str = ""
    reference: str = ""  # tag or digest; an upload's ID


def parse(path: str) -> Path | None:
    """What a decoded path asks for, or None for one that no registry knows."""
    if path in ("/v2/", "/v2"):
        return Path("ping")
    if path == "/v2/_catalog":
        return Path("catalog")
    for kind, pattern in _PATHS:
        found = pattern.match(path)
        if found is not None:
            return Path(kind, found[1], found[2])
    return None


def encode(value: Any) -> bytes:
    """JSON as registries write it: compact, with a newline at the end."""
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"


def errors(code: str, message: str, detail: Any = _ABSENT) -> bytes:
    """The body of a refusal; without ``detail`` it has none."""
    error = {"code": code, "message": message}
    return encode({"errors": [error if detail is _ABSENT else {**error, "detail": detail}]})


def answer(status: int, body: bytes, headers: CIMultiDict[str]) -> web.Response:
    headers.setdefault("Content-Type", "application/json; charset=utf-8")
    return web.Response(status=status, body=body, headers=headers)


# ---- lists --------------------------------------------------------------------------------------------------------


def page_size(request: web.BaseRequest, default: int = 100, longest: int | None = None) -> int:
    """The ``n`` of a list's query, at most MAX_PAGE. ValueError when it is no positive number, or above ``longest``."""
    number = int(request.query.get("n") or default)
    if number < 1 or longest is not None and number > longest:
        raise ValueError(f"n={number}")
    return min(number, MAX_PAGE)


def page(items: Sequence[Item], name: Callable[[Item], str], number: int, last: str, by_name: bool = True,
         keep: Callable[[Item], bool] = lambda item: True) -> tuple[list[Item], bool]:
    """The ``number`` items to show after ``last`` (empty: from the start), and whether there are more.

    ``by_name``: the items are sorted by name, and ``last`` need not be one of them.
    """
    start = 0
    if last and by_name:
        end = len(items)
        while start < end:
            middle = (start + end) // 2
            if name(items[middle]) <= last:
                start = middle + 1
            else:
                end = middle
    elif last:
        start = next((i + 1 for i, item in enumerate(items) if name(item) == last), len(items))
    found: list[Item] = []
    for position in range(start, len(items)):
        if keep(items[position]):
            if len(found) == number:
                return found, True
            found.append(items[position])
    return found, False


def next_link(request: web.BaseRequest, query: dict[str, str]) -> str:
    """A ``Link`` header's value to the same path, relative as registries send it."""
    path = request.raw_path.split("?", 1)[0]
    text = "&".join(f"{key}={quote(value, safe='')}" for key, value in query.items())
    return f'<{path}?{text}>; rel="next"'


# ---- manifests ----------------------------------------------------------------------------------------------------


def unknown_manifest(store: Store, repository: str, reference: str) -> bytes:
    """The body of the 404 for a manifest that is not there, or for a tag whose manifest is gone."""
    if ":" not in reference:
        digest = store.resolve(repository, reference)
        if digest is None:
            return errors("MANIFEST_UNKNOWN", f'manifest tagged by "{reference}" is not found', {"Tag": reference})
        reference = digest
    return errors("MANIFEST_UNKNOWN", f"manifest {reference} is not found", {"Name": repository, "Revision": reference})


def accepted(request: web.BaseRequest, store: Store, repository: str, entry: Manifest, convert: bool) -> Manifest | str:
    """The manifest to send for what the client accepts, or the message of the 404.

    OCI types are sent only to clients that name them, as Distribution does. ``convert``: a client that knows no
    manifest lists gets the linux/amd64 one of a Docker list.
    """
    accept = ",".join(request.headers.getall("Accept", ()))
    if entry.media_type in accept:
        return entry
    if entry.media_type == OCI_INDEX:
        return "OCI index found, but Accept header does not support OCI indexes"
    if entry.media_type == OCI_MANIFEST:
        return "OCI manifest found, but Accept header does not support OCI manifests"
    if entry.media_type == DOCKER_LIST and convert:
        for platform in entry.platforms:
            if (platform.get("os"), platform.get("architecture")) == ("linux", "amd64"):
                return store.manifests[repository].get(platform["digest"], entry)
    return entry


async def send_manifest(request: web.BaseRequest, store: Store, repository: str, entry: Manifest,
                        headers: CIMultiDict[str]) -> web.Response:
    """A manifest for GET (its bytes come from Distribution) or HEAD (from the index alone)."""
    headers["Content-Type"] = entry.media_type
    if request.method == "HEAD":
        headers["Content-Length"] = str(entry.size)
        return web.Response(headers=headers)
    if entry.media_type == DOCKER_SCHEMA1:  # Distribution 2.8 checks and rewrites these
        return web.Response(body=store.read_blob(entry.digest), headers=headers)
    data, _media_type = await store.get_manifest(repository, entry.digest)
    return web.Response(body=data, headers=headers)


async def put_manifest(request: web.BaseRequest, store: Store, path: Path, headers: CIMultiDict[str]) -> web.Response:
    """Take a pushed manifest: Distribution checks it (blobs and children must be there), the index learns of it."""
    data = b""
    async for part in request.content.iter_any():
        data += part
        if len(data) > MAX_MANIFEST:
            return answer(413, errors("MANIFEST_INVALID", "manifest exceeds the size limit"), headers)
    media_type = request.headers.get("Content-Type", "").split(";")[0].strip()
    digest = digest_of(data)
    if ":" in path.reference and path.reference != digest:
        return answer(400, errors("DIGEST_INVALID", "provided digest did not match uploaded content"), headers)
    place = f"/v2/{path.repository}/manifests/{digest}"
    async with store.request("PUT", place, data=data, headers={"Content-Type": media_type}) as reply:
        if reply.status != 201:
            return answer(reply.status, await reply.read(), headers)
    entry = store.record(path.repository, data, media_type, [] if ":" in path.reference else [path.reference])
    headers["Docker-Content-Digest"] = digest
    headers["Location"] = place
    if entry.subject:
        headers["OCI-Subject"] = entry.subject
    return web.Response(status=201, headers=headers)


def referrers(request: web.BaseRequest, store: Store, path: Path, headers: CIMultiDict[str], late_seconds: float,
              flags: Flags) -> web.Response:
    """The referrers of a digest as an index: empty when nothing refers to it, whether it exists or not.

    ``late_seconds``: what arrived more recently is missing.
    """
    before = time.time_ns() - int(late_seconds * 1e9) if late_seconds else None
    found = store.referrers(path.repository, path.reference, before)
    wanted = request.query.get("artifactType", "")
    if wanted and flags.referrers_filter:
        found = [entry for entry in found if _artifact_type(entry) == wanted]
        headers["oci-filters-applied"] = "artifactType"
    number = page_size(request, flags.referrers_page)
    shown, more = page(found, lambda entry: entry.digest, number, request.query.get("last", ""))
    if more:
        query = {"artifactType": wanted} if wanted else {}
        headers["Link"] = next_link(request, {**query, "last": shown[-1].digest, "n": str(number)})
    headers["Content-Type"] = OCI_INDEX
    entries = []
    for entry in shown:
        value: dict[str, Any] = {"mediaType": entry.media_type, "digest": entry.digest, "size": entry.size}
        artifact_type = _artifact_type(entry)
        if artifact_type:
            value["artifactType"] = artifact_type
        if entry.annotations:
            value["annotations"] = entry.annotations
        entries.append(value)
    return web.Response(body=encode({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}), headers=headers)


def _artifact_type(entry: Manifest) -> str | None:
    return entry.artifact_type or entry.config_media_type


# ---- blobs --------------------------------------------------------------------------------------------------------


async def send_blob(request: web.BaseRequest, store: Store, path: Path,
                    headers: CIMultiDict[str]) -> web.StreamResponse:
    """A blob, or the asked range of it, from Distribution."""
    ask = {name: request.headers[name] for name in ("Range", "If-None-Match") if name in request.headers}
    held = store.held(path.repository, f"blob {path.reference}") if request.method == "GET" and not ask else None
    if held is not None:
        headers.update(held[0])
        return web.Response(body=held[1], headers=headers)
    place, version = f"/v2/{path.repository}/blobs/{path.reference}", store.version(path.repository)
    async with store.request(request.method, place, headers=ask) as reply:
        named = {name: reply.headers[name] for name in _BLOB_HEADERS if name in reply.headers}
        headers.update(named)
        length = int(reply.headers.get("Content-Length", 0))
        if request.method == "HEAD":
            headers["Content-Length"] = str(length)
            return web.Response(status=reply.status, headers=headers)
        if length <= _STREAM_ABOVE:
            body = await reply.read()
            if reply.status == 200 and length <= _HELD_UP_TO:
                store.hold(path.repository, f"blob {path.reference}", (named, body), version)
            return web.Response(status=reply.status, body=body, headers=headers)
        response = web.StreamResponse(status=reply.status, headers=headers)
        response.content_length = length
        await response.prepare(request)
        async for part in reply.content.iter_chunked(1 << 18):
            await response.write(part)
        await response.write_eof()
        return response


async def upload(request: web.BaseRequest, store: Store, headers: CIMultiDict[str]) -> web.Response:
    """A step of a blob's upload (start, mount, chunk, end), handed to Distribution as it is."""
    sent = {n: request.headers[n] for n in ("Content-Type", "Content-Length", "Content-Range") if n in request.headers}
    data = request.content if request.body_exists else None
    async with store.request(request.method, request.raw_path, headers=sent, data=data) as reply:
        for name in _UPLOAD_HEADERS:
            if name in reply.headers:
                headers[name] = reply.headers[name]
        return web.Response(status=reply.status, body=await reply.read(), headers=headers)
