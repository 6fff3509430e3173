# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The import operation: its POST, its checks, and the polls that follow it."""
from __future__ import annotations

import asyncio
import hashlib
import hmac
import re
import secrets
import time
from typing import Any
from urllib.parse import quote

from .. import lies, oci
from ..model import AzureRegistry, Operation
from ..source import split_image
from ..tokens import new_id
from ..unrecorded import NOT_RECORDED
from .call import Answer, Call
from .copying import Import
from .refusals import Problem, by_gateway, by_registry, refusal
from .registries import writable
from .views import PROVIDER

NULL = object()  # the JSON value null as a body, which is not the same as no body

_REPOSITORY = re.compile(rf"^{oci.NAME}$")
_TAG = re.compile(r"^\w[\w.-]{0,127}$", re.ASCII)
_DIGEST = re.compile(r"^sha256:[0-9a-f]{64}$")
_HOST = re.compile(r"^[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+(:\d+)?$")
_RESOURCE_ID = re.compile(
    r"^/subscriptions/[^/]+/resourcegroups/[^/]+/providers/microsoft\.containerregistry/registries/[^/]+$", re.I
)

_SIGNING_KEY = secrets.token_bytes(32)
_CERTIFICATE = secrets.token_urlsafe(6000)


async def start(call: Call) -> Answer:
    """The POST that begins an import."""
    writable(call)
    body, registry, knobs = await call.json(), call.registry, call.state.knobs
    targets = _check(registry, body)
    operation = Operation(
        id=f"registries-{new_id()}",
        registry=registry.name,
        body=body,
        principal=call.principal.name,
        started=time.time(),
        targets=targets,
        api_version=call.api_version,
    )
    work = Import(call.state, registry, operation, _origin(call, body["source"]))
    call.state.operations[operation.id] = operation
    if knobs.tag_exists_at == "post" and body.get("mode", "NoForce") != "Force":
        taken = work.taken()
        if taken:
            work.fail("tag_exists", image=taken)
            return _result(call, operation)
    lie = lies.of_import(knobs.lies, "no_location", call.cloud.arm_host, operation.id, targets)
    if lie is not None:
        if lie.runs:
            call.state.run(work.run())
        else:
            operation.status = "Dropped"
        return int(lie.status or 202), None, {}
    task = call.state.run(work.run())
    if knobs.import_poll_style == "at_once":
        await asyncio.wait([task])
        return _result(call, operation)
    return 202, NULL if knobs.import_poll_style == "2021" else None, _next(call, operation)


def _origin(call: Call, source: dict[str, Any]) -> AzureRegistry | None:
    """The source's registry if it is named by resource ID; the principal has to see it."""
    if not source.get("resourceId"):
        return None
    origin = call.state.registry_by_id(source["resourceId"])
    # Which operation Azure calls "read" here is not known: either will do.
    if origin is None or not (call.principal.may(origin, "read") or "pull" in call.principal.rights(origin)):
        raise by_gateway(
            403,
            "LinkedAuthorizationFailed",
            f"The client {call.who} has permission to perform action '{PROVIDER}/registries/importImage/action' on scope "
            f"'{call.registry.resource_id}'; however, it does not have permission to perform action 'read' on the linked "
            f"scope(s) '{source['resourceId']}'.",
        )
    return origin


async def poll(call: Call) -> Answer:
    """How an import stands."""
    operation = call.state.operations.get(call.number)
    if operation is None:
        raise refusal(404, "ResourceNotFound", NOT_RECORDED["arm"]["no_operation"].format(number=call.number))
    query = call.request.query
    if call.state.knobs.import_poll_style != "2021":
        expected = _sign(operation.id, query.get("t", ""), query.get("c", ""))
        if not hmac.compare_digest(expected, query.get("s", "")):
            raise refusal(403, "AuthorizationFailed", NOT_RECORDED["arm"]["bad_signature"])
    operation.polls += 1
    told = lies.of_import(call.state.knobs.lies, "lost_poll", call.cloud.arm_host, operation.id, operation.targets)
    if told is not None:
        raise _lost(call, operation, told)
    return _result(call, operation)


def _lost(call: Call, operation: Operation, lie: lies.Lie) -> Problem:
    """The answer to a poll that is none to the import."""
    status, where = int(lie.status or 404), f"{PROVIDER}/locations/operationResults"
    if lie.form == "empty":
        return Problem(status, None)
    if status == 403:
        return call.forbidden(f"{where}/read", call.request.path)
    if lie.form == "provider":
        return by_registry(status, "ResourceNotFound", f"The resource {operation.id} could not be found.")
    return by_gateway(status, "ResourceNotFound", f"The Resource '{where}/{operation.id}' was not found.")


def _result(call: Call, operation: Operation) -> Answer:
    knobs = call.state.knobs
    if operation.status == "Accepted":
        early = time.time() - operation.started < knobs.first_poll_seconds
        body = dict.fromkeys(operation.targets, "Pending") if operation.show_entries and not early else {}
        return 202, {**body, "status": "Accepted"}, _next(call, operation)
    if operation.status == "Failed":
        conflict = (operation.error or {})["error"]["code"] == "Conflict"
        return 409 if conflict and knobs.tag_exists_style == "2026" else 400, operation.error, {}
    return 200, {"status": "Succeeded"}, {}


def _next(call: Call, operation: Operation) -> dict[str, str]:
    """The headers that say where and when to ask next."""
    seconds = call.state.knobs.retry_after
    return {"Location": _location(call, operation), **({} if seconds is None else {"Retry-After": str(seconds)})}


def _location(call: Call, operation: Operation) -> str:
    registry = call.state.registries[operation.registry]
    base = (
        f"https://{call.cloud.arm_host}/subscriptions/{registry.subscription}/providers/{PROVIDER}"
        f"/locations/{registry.location.upper()}/operationResults/{operation.id}"
        f"?api-version={operation.api_version}"
    )
    if call.state.knobs.import_poll_style == "2021":
        return base
    stamp = str(time.time_ns() // 100 + 621355968000000000)
    start = secrets.randbelow(2000)
    certificate = _CERTIFICATE[start : start + 2600]
    signature = _sign(operation.id, stamp, certificate)
    digest = hashlib.sha256(signature.encode()).hexdigest()[:43]
    return f"{base}&t={stamp}&c={quote(certificate)}&s={signature}&h={digest}"


def _sign(number: str, stamp: str, certificate: str) -> str:
    return hmac.new(_SIGNING_KEY, f"{number}\n{stamp}\n{certificate}".encode(), hashlib.sha256).hexdigest()


def _check(registry: AzureRegistry, body: dict[str, Any]) -> list[str]:
    """Azure's checks of an import's parameters at the POST; the targets as ``repository:tag`` or ``repository``."""

    def invalid(value: Any, name: str) -> Problem:
        text = (
            f"Invalid value {value} for property parameters.{name} for resource name {registry.name}. For more information, "
            "please visit https://aka.ms/acr/import."
        )
        return by_registry(400, "InvalidImportImageParameter", text)

    def missing(name: str) -> Problem:
        text = f"Missing property parameters.{name} for the operation against the resource with name {registry.name}"
        return by_registry(400, "InvalidImportImageParameter", text)

    source = body.get("source")
    if not isinstance(source, dict):
        raise missing("Source")
    uri, resource_id = str(source.get("registryUri") or ""), source.get("resourceId")
    if not uri and not resource_id:
        raise missing("Source.RegistryUri")
    if not resource_id and not _HOST.match(uri):
        raise invalid(uri, "Source.RegistryUri")
    if resource_id and not _RESOURCE_ID.match(resource_id):
        raise invalid(resource_id, "Source.ResourceId")
    image = source.get("sourceImage")
    if not image:
        raise missing("Source.SourceImage")
    repository, tag, digest = split_image(image)
    good = _REPOSITORY.match(repository) and (not tag or _TAG.match(tag)) and (not digest or _DIGEST.match(digest))
    if not good or tag and digest:
        raise invalid(image, "Source.SourceImage")
    credentials = source.get("credentials")
    if credentials is not None and not credentials.get("password"):
        raise missing("Source.Credentials.Password")
    if body.get("mode", "NoForce") not in ("NoForce", "Force"):
        raise invalid(body["mode"], "Mode")
    tags, untagged = body.get("targetTags") or [], body.get("untaggedTargetRepositories") or []
    if not tags and not untagged:
        raise missing("TargetTags")
    targets = []
    for target in tags:
        repository, tag, digest = split_image(target)
        if digest or not _REPOSITORY.match(repository) or tag and not _TAG.match(tag):
            raise invalid(target, "TargetTags")
        targets.append(f"{repository}:{tag or 'latest'}")
    for target in untagged:
        if not _REPOSITORY.match(target):
            raise invalid(target, "UntaggedTargetRepositories")
        targets.append(target)
    return targets
