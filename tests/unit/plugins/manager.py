# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Azure Resource Manager as a far side: who is signed in there, what it holds and how it answers."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from azure.core.credentials import AccessToken

from ansible_collections.registryops.acr.plugins.module_utils._errors import AcrError, IdentityError
from ansible_collections.registryops.acr.plugins.module_utils._resource import RegistryResource

GROUP = "/subscriptions/{0}/resourceGroups/rg/providers/Microsoft.ContainerRegistry/registries"
LIST = "/subscriptions/{0}/providers/Microsoft.ContainerRegistry/registries"
RESOURCE = RegistryResource(GROUP.format("s1") + "/contosoprod", "contosoprod", "contosoprod.azurecr.test", "west", "Premium", {}, {})
DENIED = '{"error": {"code": "AuthorizationFailed", "message": "does not have authorization to perform action \'read\'"}}'
SUBSCRIPTIONS = {"value": [{"subscriptionId": one} for one in ("s1", "s2", "s3")]}


def resource(subscription: str, name: str = "contosoprod", **properties: Any) -> dict[str, Any]:
    return {
        "id": GROUP.format(subscription) + "/" + name,
        "name": name,
        "location": "west",
        "sku": {"name": "Premium"},
        "properties": {"loginServer": name.upper() + ".azurecr.test", **properties},
    }


class SignedIn:
    """Somebody who signed in; each sign-in gives another token."""

    def __init__(self, url: str, subscription: str | None = None) -> None:
        self.cloud = SimpleNamespace(resource_manager=url + "/", arm_scope="https://arm/.default")
        self.subscription_id = subscription
        self.signed_in = 0
        self.renew()

    def token(self, _scope: str) -> str:
        return "token{0}".format(self.signed_in)

    def renew(self, claims: str = "") -> None:
        self.signed_in += 1
        self.claims = claims
        token = AccessToken(self.token(""), int(time.time()) + 3600)
        self.credential = SimpleNamespace(get_token=lambda *_scopes, **_more: token)

    def describe(self) -> str:
        return "a secret"

    def failure(self, text: str) -> IdentityError:
        return IdentityError("Signing in failed: " + text)


def error_of(work: Callable[[], Any]) -> AcrError:
    with pytest.raises(AcrError) as caught:
        work()
    return caught.value


def places(far_side: Any) -> list[str]:
    return [path.partition("?")[0] for path in far_side.paths]


def refuse(status: int, body: str = "", **headers: str) -> Callable[[Any], None]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda request: request.reply(status, body, named)
