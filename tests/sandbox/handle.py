# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A sandbox in a process of its own, as tests and benchmarks hold it.

    with Sandbox.start() as sandbox:
        subprocess.run([...], env={**os.environ, **sandbox.env})
"""
from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import requests

from .tenants import CLOUDS, SUBSCRIPTION_1, TENANT_1, principals

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 30.0

TENANT = TENANT_1
SUBSCRIPTION = SUBSCRIPTION_1
ARM_URL = f"https://{CLOUDS[0].arm_host}"
# name -> (tenant, client ID, secret)
PRINCIPALS = {p.name: (p.tenant, p.client_id, p.secrets[0]) for p in principals() if p.username is None}


def environment(proxy: int, admin: int, ca: str, principal: str = "contributor") -> dict[str, str]:
    """The variables with which any client finds the sandbox, signed in as ``principal``."""
    tenant, client_id, secret = PRINCIPALS[principal]
    address = f"http://127.0.0.1:{proxy}"
    return {
        "HTTPS_PROXY": address,
        "https_proxy": address,
        "NO_PROXY": "",
        "no_proxy": "",
        "REQUESTS_CA_BUNDLE": ca,
        "SSL_CERT_FILE": ca,
        "AZURE_SUBSCRIPTION_ID": SUBSCRIPTION,
        "AZURE_TENANT": tenant,
        "AZURE_CLIENT_ID": client_id,
        "AZURE_SECRET": secret,
        "AZURE_CLOUD_ENVIRONMENT": ARM_URL,
    }


class AdminError(Exception):
    """The sandbox refused an admin call; the text says why."""


class Sandbox:
    """A running sandbox. ``env`` is for subprocesses, ``ca_path`` its authority's certificate, ``pid`` its process."""

    def __init__(self, process: subprocess.Popen[bytes], facts: dict[str, Any], errors: Any) -> None:
        self._process = process
        self._errors = errors
        self._facts = facts
        self.pid = process.pid
        self._session = requests.Session()
        self._session.trust_env = False
        self.proxy_url = f"http://127.0.0.1:{facts['proxy']}"
        self.admin_url = f"http://127.0.0.1:{facts['admin']}"
        self.ca_path: str = facts["ca"]
        self.env = environment(**facts)

    @classmethod
    def start(cls, python: str = sys.executable) -> Sandbox:
        """Start one and wait until it is seeded and answers. RuntimeError, with what it said, when it doesn't."""
        errors = tempfile.TemporaryFile()
        process = subprocess.Popen(
            [python, "-m", "tests.sandbox", "--json"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,  # Ctrl-C in a terminal is for us: we end it in good order
        )
        assert process.stdout is not None
        ready, _writable, _failed = select.select([process.stdout], [], [], START_SECONDS)
        line = process.stdout.readline() if ready else b""
        if not line:
            process.kill()
            process.wait()
            errors.seek(0)
            raise RuntimeError(f"the sandbox did not start: {errors.read().decode(errors='replace')[-3000:]}")
        return cls(process, json.loads(line), errors)

    def stop(self) -> None:
        """End it and everything it started."""
        self._session.close()
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(15)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        self._errors.close()
        shutil.rmtree(Path(self.ca_path).parent, ignore_errors=True)  # its own work, unless it was killed

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.stop()

    def errors(self) -> str:
        """What the sandbox wrote to its standard error: empty unless it failed itself."""
        # The process writes through the same file offset: read without moving it.
        return os.pread(self._errors.fileno(), 1 << 20, 0).decode(errors="replace")

    def env_as(self, principal: str) -> dict[str, str]:
        """``env`` for another of PRINCIPALS."""
        return environment(**self._facts, principal=principal)

    def msi_env(self, style: str = "imds") -> dict[str, str]:
        """The variables that lead a client to the managed identity: ``imds`` (virtual machine) or ``app_service``."""
        if style == "imds":
            return {"AZURE_POD_IDENTITY_AUTHORITY_HOST": self.admin_url}
        header = self._call("GET", "/msi/header")["header"]
        return {"IDENTITY_ENDPOINT": f"{self.admin_url}/msi/token", "IDENTITY_HEADER": header}

    def _call(self, method: str, path: str, body: Any = None, **query: Any) -> Any:
        answer = self._session.request(method, self.admin_url + path, json=body, params=query, timeout=300)
        if answer.status_code == 400:
            raise AdminError(answer.json()["error"])
        answer.raise_for_status()
        return answer.json()

    # ---- knobs and log ----------------------------------------------------------------------------------------

    def knobs(self, **changes: Any) -> dict[str, Any]:
        """Turn knobs (see knobs.py); returns all of them."""
        return self._call("PATCH", "/knobs", changes)

    def reset(self, *registries: str) -> None:
        """Knobs, faults, log and settings back to the start; the registries named are emptied."""
        self._call("POST", "/reset", {"registries": list(registries)})

    def log(self, since: int = 0, **filters: Any) -> list[dict[str, Any]]:
        """The requests after number ``since``. Filters by entry: ``host="…"``, ``status=429``, ``class_="token"``."""
        wanted = {key.rstrip("_"): value for key, value in filters.items()}
        entries = self._call("GET", "/log", since=since)
        return [e for e in entries if all(e[key] == value for key, value in wanted.items())]

    def clear_log(self) -> None:
        self._call("DELETE", "/log")

    def operations(self) -> list[dict[str, Any]]:
        """The imports so far, oldest first: id, registry, body, targets, status, error, digest, times, polls."""
        return self._call("GET", "/operations")

    # ---- contents ---------------------------------------------------------------------------------------------

    def push(
        self,
        host: str,
        repository: str,
        tags: Iterable[str] = (),
        kind: str = "single",
        seed: int = 0,
        **options: Any,
    ) -> dict[str, Any]:
        """Put a generated image into a registry (host or Azure name): ``{"digest", "children", "extras"}``.

        Kinds: single, index, manifest_list, helm, signed, artifact (options as of `images.artifact`), big_index (``count``), nested
        (``depth``), schema1.
        """
        body = {"host": host, "repository": repository, "tags": list(tags), "kind": kind, "seed": seed}
        return self._call("POST", "/images", {**body, "options": options})

    def bulk(
        self, host: str, repositories: int | list[str], tags: int = 1, digests: int | None = None, **more: Any
    ) -> dict[str, dict[str, str]]:
        """Many small images, tags and digests per repository: ``{repository: {tag: digest}}``.

        ``more``: ``referrers`` (SBOMs for each digest), ``seed``, ``prefix``, ``kind`` (single or index).
        """
        body = {"host": host, "repositories": repositories, "tags": tags, "digests": digests or tags}
        return self._call("POST", "/bulk", {**body, **more})

    def tags(self, host: str, repository: str) -> dict[str, str]:
        """``{tag: digest}`` of a repository; empty when there is none."""
        return self._call("GET", "/tags", host=host, repository=repository)

    def manifests(self, host: str, repository: str) -> dict[str, dict[str, Any]]:
        """``{digest: {media_type, children, subject, created, updated}}`` of a repository."""
        return self._call("GET", "/manifests", host=host, repository=repository)

    def set_tag(self, host: str, repository: str, tag: str, digest: str | None = None, dangling: bool = False) -> None:
        """Point a tag at a digest; without one remove it. ``dangling``: at a manifest that isn't there."""
        body = {"host": host, "repository": repository, "tag": tag, "digest": digest, "dangling": dangling}
        self._call("POST", "/tags", body)

    def lose_manifest(self, host: str, repository: str, digest: str) -> None:
        """Make a manifest vanish while its tags stay."""
        self._call("POST", "/tags", {"host": host, "repository": repository, "digest": digest, "lose": True})

    def lock(
        self, host: str, repository: str, tag: str | None = None, digest: str | None = None, **attributes: bool
    ) -> dict[str, bool]:
        """Set lock attributes (``writeEnabled=False`` …) of a repository, a tag or a manifest; returns all four."""
        body: dict[str, Any] = {"host": host, "repository": repository, "attributes": attributes}
        if tag is not None:
            body["tag"] = tag
        if digest is not None:
            body["digest"] = digest
        return self._call("POST", "/locks", body)

    def move_tag(self, host: str, repository: str, tag: str, interval_seconds: float, digests: Iterable[str] = ()) -> None:
        """Keep moving a tag through ``digests`` (none: to a fresh image each time) until stopped or reset."""
        body = {"host": host, "repository": repository, "tag": tag, "interval_seconds": interval_seconds}
        self._call("POST", "/moving", {**body, "digests": list(digests)})

    def stop_moving(self, host: str, repository: str, tag: str) -> list[tuple[float, str]]:
        """Returns the moves through given digests: (seconds since the epoch, digest)."""
        return self._call("POST", "/moving", {"host": host, "repository": repository, "tag": tag, "stop": True})["moves"]

    # ---- registries and principals ----------------------------------------------------------------------------

    def create_registry(self, name: str, **settings: Any) -> dict[str, str]:
        """Make an Azure registry: ``{"login_server", "resource_id"}``.

        ``settings``: subscription, group, location, sku, cloud (AzureCloud …), login_server, properties.
        """
        return self._call("POST", "/registries", {"name": name, **settings})

    def patch_registry(self, name: str, **settings: Any) -> dict[str, Any]:
        """Change an Azure registry: properties (merged), flags (merged), sku, tags, tokens,
        abac_repositories, one_scope_per_token, cache_rules, referrers_api."""
        return self._call("PATCH", f"/registries/{name}", settings)

    def patch_upstream(self, host: str, **settings: Any) -> dict[str, Any]:
        """Change another registry: flags (merged), users, private."""
        return self._call("PATCH", f"/upstreams/{host}", settings)

    def create_principal(self, name: str, **settings: Any) -> dict[str, str]:
        """Make an application: ``{"client_id", "object_id", "secret"}``. ``settings``: tenant, secret, grants (see roles.role)."""
        return self._call("POST", "/principals", {"name": name, **settings})

    def patch_principal(self, name: str, **settings: Any) -> None:
        """Replace an application's secrets, certificates (PEM), federated or grants."""
        self._call("PATCH", f"/principals/{name}", settings)

    def certificate(self, principal: str) -> str:
        """A fresh key and certificate (PEM) with which ``principal`` can sign in."""
        return self._call("POST", f"/principals/{principal}/certificate")["pem"]

    def federated_token(self, issuer: str, subject: str, **settings: Any) -> str:
        """A token as an external issuer gives it; ``settings``: audience, seconds."""
        return self._call("POST", "/federated", {"issuer": issuer, "subject": subject, **settings})["token"]

    # ---- waiting ----------------------------------------------------------------------------------------------

    def wait_for_operations(self, seconds: float = 10.0) -> list[dict[str, Any]]:
        """Wait until no import is running; TimeoutError after ``seconds``."""
        end = time.monotonic() + seconds
        while True:
            operations = self.operations()
            if all(o["status"] != "Accepted" for o in operations):
                return operations
            if time.monotonic() > end:
                raise TimeoutError("imports still running")
            time.sleep(0.02)
