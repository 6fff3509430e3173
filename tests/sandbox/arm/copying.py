# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One import at work: what Azure looks at, what it copies, and how it words a failure."""
from __future__ import annotations

import asyncio
import time
from typing import Any

from .. import oci
from ..acr.answers import firewall_body
from ..knobs import ImportFault
from ..model import AzureRegistry, Operation
from ..source import SERVICE_ADDRESS, Found, SourceFailure, resolve_source, split_image
from ..state import State
from ..unrecorded import NOT_RECORDED

MAX_MANIFESTS = 50
# A failed import shows after this long at most: Azure looks before it copies.
FAIL_SECONDS = 0.3

_DISALLOWED = oci.errors("REGISTRY_DISALLOWED_OPERATION", oci.DISALLOWED, {}).decode().rstrip("\n")
_UNAUTHORIZED = '{"errors":[{"code":"UNAUTHORIZED","message":"authentication required","detail":null}]}'
_DENIED = '{"errors":[{"code":"DENIED","message":"requested access to the resource is denied"}]}'

# How Azure words the failure of an import. {source}: registry/repository, {tag}, {digest}, {target}: the target
# registry's login server, {image}: the target, {body}: what the source answered.
FAILURES = {
    **NOT_RECORDED["import"],
    "source_missing": "Unable to find manifest digest  Repo: {source} Tag: {tag} Manifest: {digest}",
    "tag_exists": "Tag {image} already exists in target registry.",
    "tag_exists_2019": "{image} Tag {image} already exists in target registry.",
    "unauthorized": "Invalid message Unauthorized Unauthorized {body}",
    "access_denied": "Access to {target} denied.",
    "firewall": "Invalid message Forbidden Forbidden {body}",
    "throttled": "Invalid message 429 Too Many Requests Too Many Requests (HAP429).",
    "no_digest": "No value specified for Docker-Content-Digest OK OK {body}",
    "copying_blobs": "Error copying blobs",
}
_SOURCE_KINDS = {"not_found": "source_missing"}  # other kinds of SourceFailure are keys of FAILURES already


class _Failed(Exception):
    """The import ends with this text of FAILURES (or a literal one)."""

    def __init__(self, text: str, **facts: Any) -> None:
        super().__init__(text)
        self.text, self.facts = text, facts


class Import:
    """One import at work."""

    def __init__(self, state: State, registry: AzureRegistry, operation: Operation, origin: AzureRegistry | None) -> None:
        self.state = state
        self.registry = registry
        self.operation = operation
        source = operation.body["source"]
        self.repository, tag, digest = split_image(source["sourceImage"])
        self.reference = digest or tag or "latest"
        host = origin.login_server if origin else source["registryUri"]
        self.source = f"{host}/{self.repository}"
        self.force = operation.body.get("mode", "NoForce") == "Force"
        self.fault: ImportFault | None = None

    async def run(self) -> None:
        clock = asyncio.get_running_loop().time
        began = clock()
        knobs = self.state.knobs
        seconds = knobs.import_seconds

        async def until(moment: float) -> None:
            await asyncio.sleep(max(0.0, began + moment - clock()))

        name = f"{self.source}@{self.reference}" if ":" in self.reference else f"{self.source}:{self.reference}"
        self.fault = next((f for f in knobs.import_faults if f.fires(name)), None)
        text = self.fault.text if self.fault else ""
        if self.fault is not None:
            self.operation.show_entries = self.fault.entries
        try:
            if text == "pending_forever":
                return
            if text and text not in ("missing_children", "lost"):
                raise _Failed(text, **({"image": self.operation.targets[0]} if text in FAILURES else {}))
            found = await self._look()
            self.operation.digest = found.digest
            if text == "lost":
                await until(seconds)
            elif knobs.visibility == "early":
                await until(seconds / 2)
                await self._copy(found)
                await until(seconds)
            elif knobs.visibility == "late":
                await until(seconds)
                self._check_targets()
                self._succeed()
                await until(seconds + knobs.late_seconds)
                await self._copy(found)
                return
            else:
                await until(seconds)
                self._check_targets()
                await self._copy(found)
            self._succeed()
        except _Failed as failed:
            await until(min(seconds, FAIL_SECONDS))
            self.fail(failed.text, **failed.facts)
        except KeyError:  # a child or blob of the source is not there
            await until(min(seconds, FAIL_SECONDS))
            self.fail("copying_blobs")

    async def _look(self) -> Found:
        """Everything Azure looks at before it copies."""
        if not self.registry.open_to(SERVICE_ADDRESS) and not self.registry.bypass:
            raise _Failed("firewall", body=firewall_body(self.registry, SERVICE_ADDRESS))
        try:
            found = await resolve_source(self.state, self.operation.body["source"])
        except SourceFailure as failure:
            raise _Failed(_SOURCE_KINDS.get(failure.kind, failure.kind), body=failure.body) from None
        children = found.store.manifests[found.repository][found.digest].children
        if len(children) > MAX_MANIFESTS:
            raise _Failed("too_many_manifests", count=len(children), limit=MAX_MANIFESTS)
        self._check_targets()
        return found

    def taken(self) -> str | None:
        """The first target tag that exists."""
        tags = self.registry.store.tags
        for target in self.operation.targets:
            repository, tag, _digest = split_image(target)
            if tag and tag in tags.get(repository, {}):
                return target
        return None

    def _check_targets(self) -> None:
        if not self.force:
            taken = self.taken()
            if taken:
                raise _Failed("tag_exists", image=taken)
        store, flags = self.registry.store, self.registry.flags
        heeded = flags.locks_under_force if self.force else flags.locks_without_force
        for target in self.operation.targets:
            repository, tag, _digest = split_image(target)
            rule = self.registry.cache_rule(repository)
            if rule is not None:
                raise _Failed("cache_rule", image=target, rule=rule)
            held = store.tags.get(repository, {}).get(tag or "")
            manifest = store.manifests.get(repository, {}).get(self.operation.digest or "")
            locks = {
                "tag": held.attrs if held else None,
                "manifest": manifest.attrs if manifest else None,
                "repository": store.repo_attrs.get(repository),
            }
            for name in heeded:
                attributes = locks[name]
                if attributes is not None and not attributes["writeEnabled"]:
                    raise _Failed("locked")

    async def _copy(self, found: Found) -> None:
        store = self.registry.store
        late = self.state.knobs.children_late_seconds
        partial = late > 0 or self.fault is not None and self.fault.text == "missing_children"
        targets = [split_image(t)[:2] for t in self.operation.targets]
        for repository in dict.fromkeys(r for r, _tag in targets):
            await store.copy_from(found.store, found.repository, found.digest, repository, (), skip_children=partial)
        digest = found.digest
        if ":" not in self.reference:
            # Azure reads a source tag again at the end; when it has moved, the target's tag names a manifest that
            # was never copied.
            digest = found.store.resolve(found.repository, self.reference) or digest
        for repository, tag in targets:
            if tag:
                store.set_tag(repository, tag, digest)
        self.operation.visible = time.time()
        if late > 0:
            self.state.run(self._copy_children(found, [repository for repository, _tag in targets], late))

    async def _copy_children(self, found: Found, repositories: list[str], seconds: float) -> None:
        await asyncio.sleep(seconds)
        for repository in dict.fromkeys(repositories):
            await self.registry.store.copy_from(found.store, found.repository, found.digest, repository)

    def _succeed(self) -> None:
        self.operation.status = "Succeeded"
        self.operation.finished = time.time()

    def fail(self, text: str, **facts: Any) -> None:
        code = "InvalidParameters"
        if text == "tag_exists":
            if self.state.knobs.tag_exists_style == "2019":
                text = "tag_exists_2019"
            else:
                code = "Conflict"
        template = FAILURES.get(text)
        if template is not None:
            by_digest = ":" in self.reference
            facts = {
                "source": self.source,
                "tag": "" if by_digest else self.reference,
                "digest": self.reference if by_digest else "",
                "target": self.registry.login_server,
                "disallowed": _DISALLOWED,
                "denied": _DENIED,
                "body": firewall_body(self.registry, SERVICE_ADDRESS) if text == "firewall" else _UNAUTHORIZED,
                **facts,
            }
            text = template.format(**facts)
        self.operation.error = {
            "error": {
                "code": code,
                "message": f"Operation {self.operation.id} failed. Resource {self.registry.resource_id} {text}",
            },
            "status": "Failed",
        }
        self.operation.status = "Failed"
        self.operation.finished = time.time()
