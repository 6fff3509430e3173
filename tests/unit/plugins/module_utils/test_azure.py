# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a name to a connection: what is looked up for that, how often, and who signs in."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ansible_collections.registryops.acr.plugins.module_utils._acr import Counts
from ansible_collections.registryops.acr.plugins.module_utils._arm import RegistryResource
from ansible_collections.registryops.acr.plugins.module_utils._azure import Azure
from ansible_collections.registryops.acr.plugins.module_utils._credentials import Credentials
from ansible_collections.registryops.acr.plugins.module_utils._errors import AcrError
from ansible_collections.registryops.acr.plugins.module_utils._http import Http
from ansible_collections.registryops.acr.plugins.module_utils._reference import InvalidReference, RegistryId
from tests.unit.plugins.held import HeldContext, HeldManager, resource, signed_in

SERVER = "contosodev.azurecr.test"
DEV, PROD = resource("contosodev"), resource("contosoprod", group="other")
THREADS = 8


@pytest.fixture
def manager() -> HeldManager:
    return HeldManager(DEV, PROD)


@pytest.fixture
def azure(manager: HeldManager) -> Azure:
    return HeldContext(manager=manager)


def at_once(ask: Callable[[int], Any], threads: int = THREADS) -> list[Any]:
    """What *ask* returns to each of many threads that start together."""
    together = threading.Barrier(threads, timeout=5)

    def work(number: int) -> Any:
        together.wait()
        return ask(number)

    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, range(threads)))


# -- names -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("given", ["contosodev", SERVER, DEV.id])
def test_a_registry_by_any_of_its_names(azure: Azure, given: str) -> None:
    found = azure.named(given)
    assert found.name == "contosodev"
    assert azure.login_server(found) == azure.resource(found).login_server == SERVER


def test_what_names_no_registry(azure: Azure) -> None:
    with pytest.raises(InvalidReference):
        azure.named(" ")


@pytest.mark.parametrize(
    ("host", "held"), [(SERVER, True), ("ContosoDev.AzureCR.Test", True), ("contosodev.azurecr.io", False), ("azurecr.test", False)]
)
def test_which_hosts_are_registries_of_this_cloud(azure: Azure, host: str, held: bool) -> None:
    assert azure.suffix == "azurecr.test" and azure.holds(host) is held


# -- what is looked up -------------------------------------------------------------------------------------------------


def test_a_login_server_that_is_given_is_not_looked_up(azure: Azure, manager: HeldManager) -> None:
    given = azure.named(SERVER)
    assert azure.reaches(given) and azure.login_server(given, "rg") == SERVER
    assert manager.asked == []


@pytest.mark.parametrize(
    "given", [RegistryId("name", "contosodev"), RegistryId("resource_id", "contosodev", None, "s", "rg")], ids=["name", "id"]
)
def test_a_login_server_that_is_not_given_is_looked_up_once(azure: Azure, manager: HeldManager, given: RegistryId) -> None:
    assert not azure.reaches(given)
    assert [azure.login_server(given, "rg"), azure.login_server(given, "rg"), azure.resource(given, "rg")] == [SERVER, SERVER, DEV]
    assert manager.asked == [("registry", given, "rg")]


def test_a_login_server_of_another_cloud_is_not_believed(azure: Azure) -> None:
    """Nobody's token goes to a host that this cloud doesn't have."""
    given = RegistryId("login_server", "contosodev", "contosodev.azurecr.test.evil.test")
    assert not azure.reaches(given)
    with pytest.raises(AcrError, match="There is no registry"):
        azure.login_server(given)


class Slow(HeldManager):
    """Takes its time, and notes how many it answers at once."""

    def __init__(self, *resources: RegistryResource, together: int = 1) -> None:
        super().__init__(*resources)
        self._together = threading.Barrier(together, timeout=5)

    def registry(self, registry_id: RegistryId, resource_group: str | None = None) -> RegistryResource:
        self._together.wait()
        time.sleep(0.02)
        return super().registry(registry_id, resource_group)


def test_many_threads_that_ask_for_one_registry_look_it_up_once() -> None:
    manager = Slow(DEV)
    azure = HeldContext(manager=manager)
    given = azure.named("contosodev")
    found = at_once(lambda number: azure.resource(given) if number % 2 else azure.login_server(given))
    assert found == [SERVER, DEV] * (THREADS // 2)
    assert manager.asked == [("registry", given, None)]


def test_many_threads_that_ask_for_one_registry_have_its_failure_once() -> None:
    manager = Slow(DEV)
    manager.fails = {("registry",): AcrError("throttled", "later.")}
    azure = HeldContext(manager=manager)
    given = azure.named("contosodev")

    def ask(_number: int) -> str:
        with pytest.raises(AcrError) as caught:
            azure.resource(given)
        return str(caught.value)

    assert at_once(ask) == ["later."] * THREADS and azure.seen(given) is None
    assert manager.asked == [("registry", given, None)]


def test_different_registries_are_looked_up_at_the_same_time() -> None:
    azure = HeldContext(manager=Slow(DEV, PROD, together=2))  # each answer waits until both are asked for
    given = [azure.named("contosodev"), azure.named("contosoprod")]
    assert at_once(lambda number: azure.resource(given[number]), threads=2) == [DEV, PROD]


def test_a_resource_group_makes_it_another_question(azure: Azure, manager: HeldManager) -> None:
    twin = resource("contosodev", group="other")
    manager.resources.append(twin)
    given = azure.named("contosodev")
    assert [azure.resource(given, group) for group in ("rg", "other", "rg")] == [DEV, twin, DEV]
    assert [group for _what, _name, group in manager.asked] == ["rg", "other"]


def test_a_failure_is_not_kept(azure: Azure, manager: HeldManager) -> None:
    given = azure.named("contosodev")
    manager.fails = {("registry",): AcrError("throttled", "later.")}
    with pytest.raises(AcrError, match="later"):
        azure.resource(given)
    manager.fails = {}
    assert azure.resource(given) == DEV


# -- connecting --------------------------------------------------------------------------------------------------------


def sign_ins(far_side: Any, azure: Azure, credentials: Credentials | None) -> tuple[list[Any], list[Any]]:
    """The forms that are sent to sign in to an Azure registry: for a refresh token, and for an access token."""
    challenge = f'Bearer realm="https://{far_side.host}/oauth2/token",service="{far_side.host}"'

    def answer(request: Any) -> None:
        if request.path.startswith("/oauth2"):
            request.reply(200, '{"refresh_token": "refresh", "access_token": "token"}')
        elif request.headers.get("Authorization") != "Bearer token":
            request.reply(401, "", {"WWW-Authenticate": challenge})
        else:
            request.reply(200, '{"tagCount": 7, "manifestCount": 5}')

    far_side.answer = answer
    registry = azure.registry(far_side.host, credentials)
    assert registry.signs_in is (credentials is None)
    assert registry.counts("team/app") == Counts(7, 5)
    return far_side.forms("/oauth2/exchange"), far_side.forms("/oauth2/token")


def test_a_registry_is_read_by_the_account_that_signs_in(far_side: Any, http: Http) -> None:
    azure = Azure(signed_in(http=http, tenant="contoso"))
    (exchange,), _tokens = sign_ins(far_side, azure, None)
    assert dict(exchange)["access_token"] == "token for https://registry.test/.default"
    assert dict(exchange)["tenant"] == "contoso"


def test_a_registry_is_read_with_the_credentials_that_are_given(far_side: Any, http: Http) -> None:
    """And the account's token stays with us."""
    azure = Azure(signed_in(http=http, token=lambda scope: pytest.fail("the account signs in")))
    exchanges, (token,) = sign_ins(far_side, azure, Credentials("u", "p"))
    assert exchanges == [] and (dict(token)["username"], dict(token)["password"]) == ("u", "p")


def test_nothing_is_asked_before_it_is_needed(far_side: Any, http: Http) -> None:
    identity = signed_in(http=http, token=lambda scope: pytest.fail("nobody needs a token yet"))
    Azure(identity).registry(far_side.host)
    assert far_side.seen == []


@pytest.mark.parametrize("deadline", [None, 12.5])
def test_all_ends_with_the_deadline(deadline: float | None) -> None:
    identity = signed_in()
    assert Azure(identity, deadline).http is identity.http and identity.http.deadline == deadline
