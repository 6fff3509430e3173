# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``/v2``: the distribution specification, as Azure has it."""
from __future__ import annotations

from aiohttp import web

from .. import oci
from ..oci import errors
from ..unrecorded import NOT_RECORDED
from . import v1
from .answers import Refused, disallowed, page_not_found, unknown_repository, unsupported
from .call import Call


async def answer(call: Call, path: oci.Path) -> web.StreamResponse:
    method, repository = call.request.method, path.repository
    reading = method in ("GET", "HEAD")
    if path.kind == "ping":
        call.need("")
        return call.json({})
    if path.kind == "catalog":
        return v1.catalog(call)
    if path.kind == "tags" and reading:
        call.need(repository, "metadata_read")
        call.look()
        if repository not in call.store.repo_times:
            raise unknown_repository(repository)
        return call.json({"name": repository, "tags": [tag.name for tag in v1.listed_tags(call, repository)]})
    if path.kind == "manifest" and reading:
        return await _pull(call, path)
    if path.kind == "manifest" and method == "PUT":
        call.need(repository, "pull", "push")
        _pushable(call, repository, path.reference)
        return await oci.put_manifest(call.request, call.store, path, call.headers)
    if path.kind == "manifest" and method == "DELETE":
        call.need(repository, "delete")
        if ":" not in path.reference:
            raise Refused(405, errors("UNSUPPORTED", "A manifest can only be deleted by digest."))
        entry = call.store.manifests.get(repository, {}).get(path.reference)
        if entry is None:
            raise Refused(404, errors("MANIFEST_UNKNOWN", f"manifest {path.reference} is not found"))
        return v1.delete_manifest(call, repository, entry)
    if path.kind == "blob" and reading:
        call.need(repository, "pull")
        return await oci.send_blob(call.request, call.store, path, call.headers)
    if path.kind == "upload":
        call.need(repository, "pull", "push")
        _pushable(call, repository, "")
        return await oci.upload(call.request, call.store, call.headers)
    if path.kind == "referrers" and reading:
        return _referrers(call, path)
    raise unsupported()


async def _pull(call: Call, path: oci.Path) -> web.Response:
    repository, reference = path.repository, path.reference
    call.need(repository, "pull")
    call.look()
    entry = call.store.manifest(repository, reference)
    if entry is None:
        raise Refused(404, oci.unknown_manifest(call.store, repository, reference))
    tag = None if ":" in reference else call.store.tags[repository][reference]
    call.unlocked("readEnabled", call.store.repo_attrs[repository], entry.attrs, tag.attrs if tag else None)
    sent = oci.accepted(call.request, call.store, repository, entry, convert=False)
    if isinstance(sent, str):
        raise Refused(404, errors("MANIFEST_UNKNOWN", sent))
    call.headers["Docker-Content-Digest"] = sent.digest
    call.headers["ETag"] = f'"{sent.digest}"'
    return await oci.send_manifest(call.request, call.store, repository, sent, call.headers)


def _pushable(call: Call, repository: str, reference: str) -> None:
    """Refuse a push to what is locked, and into repositories that a cache rule fills."""
    if call.registry.cache_rule(repository) is not None:
        raise disallowed()
    tag = call.store.tags.get(repository, {}).get(reference)
    entry = call.store.manifests.get(repository, {}).get(reference)
    locks = (call.store.repo_attrs.get(repository), tag.attrs if tag else None, entry.attrs if entry else None)
    call.unlocked("writeEnabled", *locks)


def _referrers(call: Call, path: oci.Path) -> web.Response:
    call.need(path.repository, "pull")
    call.look()
    flags = call.registry.flags
    if not call.registry.referrers_api:
        raise page_not_found()
    if flags.cache_referrers_424 and call.registry.cache_rule(path.repository) is not None:
        raise Refused(424, errors("UNKNOWN", NOT_RECORDED["registry"]["upstream_trouble"], {}))
    call.number()
    late = call.state.knobs.referrers_late_seconds
    return oci.referrers(call.request, call.store, path, call.headers, late, flags)
