# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What registries answer over real HTTPS, for tests of what reads them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest

from ansible_collections.registryops.acr.plugins.module_utils._errors import AcrError
from ansible_collections.registryops.acr.plugins.module_utils._manifest import INDEX_TYPES, MANIFEST_TYPES
from ansible_collections.registryops.acr.plugins.module_utils._reference import Credentials
from ansible_collections.registryops.acr.plugins.module_utils._registry import Registry

INDEX, IMAGE = INDEX_TYPES[0], MANIFEST_TYPES[2]
A, B = ("sha256:" + letter * 64 for letter in "ab")
MANIFEST = json.dumps({"schemaVersion": 2, "layers": []}).encode()
DIGEST = "sha256:" + hashlib.sha256(MANIFEST).hexdigest()
DIGEST_512 = "sha512:" + hashlib.sha512(MANIFEST).hexdigest()
PATH = "/v2/team/app/manifests/1.0"
SPEAKS = {"Docker-Distribution-Api-Version": "registry/2.0"}
VENDOR = Credentials("vendor", "secret")


def sends(
    status: int = 200, body: Any = MANIFEST, media_type: str = IMAGE, **headers: str
) -> Callable[[Any], None]:
    """What a registry answers; ``Docker_Content_Digest`` stands for the header of that name."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda request: request.reply(status, content, {"Content-Type": media_type, **named})


def by_method(**answers: Callable[[Any], None]) -> Callable[[Any], None]:
    return lambda request: answers[request.command](request)


def moved(there: Any, path: str = "/moved") -> Callable[[Any], None]:
    return sends(307, b"", Location=there.url + path)


def methods(far_side: Any) -> list[str]:
    return [method for method, _path, _headers, _body in far_side.seen]


def error_of(read: Callable[[], Any]) -> AcrError:
    with pytest.raises(AcrError) as caught:
        read()
    return caught.value


def read(registry: Registry, *repositories: str) -> None:
    for repository in repositories:
        registry.manifest(repository, "1.0")
