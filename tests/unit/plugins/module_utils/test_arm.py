# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the SDK does on its own unless it is told otherwise."""
from __future__ import annotations

import socket
import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest
from azure.core.credentials import AccessToken

from ansible_collections.registryops.acr.plugins.module_utils import _arm
from ansible_collections.registryops.acr.plugins.module_utils._arm import Arm, RegistryResource
from ansible_collections.registryops.acr.plugins.module_utils._diagnosis import Context
from ansible_collections.registryops.acr.plugins.module_utils._errors import AcrError
from ansible_collections.registryops.acr.plugins.module_utils._http import Http

RESOURCE = RegistryResource("/subscriptions/s/resourceGroups/g/providers/p/registries/r", "r", "", "", "")


def test_a_start_that_gets_no_answer_is_given_up_in_our_time_and_not_in_the_sdks(monkeypatch: pytest.MonkeyPatch) -> None:
    """azure-core waits five minutes for an answer, whatever limit the task has."""
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(_arm, "CONNECT_SECONDS", 0.2)
    monkeypatch.setattr(_arm, "REQUEST_SECONDS", 0.2)
    failures: list[Any] = []
    with socket.create_server(("127.0.0.1", 0)) as silent:
        identity = SimpleNamespace(
            cloud=SimpleNamespace(
                resource_manager="https://127.0.0.1:{0}".format(silent.getsockname()[1]), arm_scope="https://arm/.default"
            ),
            credential=SimpleNamespace(get_token=lambda *_scopes, **_more: AccessToken("token", int(time.time()) + 3600)),
            token=lambda _scope: "token",
        )
        arm = Arm(identity, Http(deadline=time.monotonic() + 1.0))

        def start() -> None:
            try:
                arm.start_import(RESOURCE, {}, Context())
            except AcrError as error:
                failures.append(error)

        thread = threading.Thread(target=start, daemon=True)
        thread.start()
        thread.join(20.0)
    assert failures, "still waiting"
    assert failures[0].passing or failures[0].kind == "unreachable"
