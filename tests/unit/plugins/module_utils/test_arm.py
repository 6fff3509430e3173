# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starting imports by the SDK: what it does on its own unless it is told otherwise, and answers that get lost."""
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

LOCATION = "/subscriptions/s/providers/p/locations/r/operationResults/registries-1?t=1"
RESOURCE = RegistryResource("/subscriptions/s/resourceGroups/g/providers/p/registries/r", "r", "", "", "")


def arm_at(url: str, http: Http) -> Arm:
    """Azure Resource Manager at *url*, for somebody who is signed in."""
    identity = SimpleNamespace(
        cloud=SimpleNamespace(resource_manager=url, arm_scope="https://arm/.default"),
        credential=SimpleNamespace(get_token=lambda *_scopes, **_more: AccessToken("token", int(time.time()) + 3600)),
        token=lambda _scope: "token",
    )
    return Arm(identity, http)


def test_a_start_that_gets_no_answer_is_given_up_in_our_time_and_not_in_the_sdks(monkeypatch: pytest.MonkeyPatch) -> None:
    """azure-core waits five minutes for an answer, whatever limit the task has."""
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(_arm, "CONNECT_SECONDS", 0.2)
    monkeypatch.setattr(_arm, "REQUEST_SECONDS", 0.2)
    failures: list[Any] = []
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = "https://127.0.0.1:{0}".format(silent.getsockname()[1])
        arm = arm_at(url, Http(deadline=time.monotonic() + 1.0))

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


@pytest.mark.parametrize(
    ("first", "uncertain"),
    [
        pytest.param(None, False, id="none before"),
        pytest.param(lambda request: request.reply(429), False, id="429"),
        pytest.param(lambda request: request.reply(503), True, id="503"),
        pytest.param(lambda request: request.reply(500, "<html>"), True, id="500"),
        pytest.param(lambda request: request.hang_up(), True, id="no answer"),
    ],
)
def test_an_earlier_try_may_have_got_through(http: Http, far_side: Any, first: Any, uncertain: bool) -> None:
    """Azure may have taken an import whose answer was lost, or became a failure of its own: it counts as ours then."""

    def accepted(request: Any) -> None:
        request.reply(202, headers={"Location": far_side.url + LOCATION, "Retry-After": "10"})

    far_side.script(*([first] if first else []), accepted)
    operation = arm_at(far_side.url, http).start_import(RESOURCE, {}, Context())
    assert (operation.id, operation.done, operation.uncertain) == ("registries-1", False, uncertain)
    assert len(far_side.seen) == (2 if first else 1)
