# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The registries that images come from: how each is opened, and named to Azure."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ansible_collections.registryops.acr.plugins.module_utils._acr import AzureRegistry
from ansible_collections.registryops.acr.plugins.module_utils._credentials import Credentials
from ansible_collections.registryops.acr.plugins.module_utils._errors import AcrError
from ansible_collections.registryops.acr.plugins.module_utils._reference import RegistryId, parse_registry
from ansible_collections.registryops.acr.plugins.module_utils._sources import Sources
from tests.unit.plugins.held import HeldContext, HeldManager, resource

SERVER = "contosodev.azurecr.test"
RESOURCE = resource("contosodev")
ID = RESOURCE.id
BY_NAME = RegistryId("name", "contosodev")
BY_ID = RegistryId("resource_id", "contosodev", None, "s", "rg")
BY_SERVER = parse_registry(SERVER, ["azurecr.test"])
PAIR = Credentials("u", "p")


def manager(reason: str | None = None) -> HeldManager:
    """One that has the registry, or fails for this reason."""
    found = HeldManager(RESOURCE)
    if reason is not None:
        found.fails = {("registry",): AcrError(reason, "no.")}
    return found


def sources(found: HeldManager | None = None) -> Sources:
    return Sources(HeldContext(manager=found or manager()))


def error_of(work: Callable[[], Any]) -> AcrError:
    with pytest.raises(AcrError) as caught:
        work()
    return caught.value


# -- opening -----------------------------------------------------------------------------------------------------------


def test_each_source_is_opened_once_for_each_sign_in() -> None:
    opened = sources()
    hub = opened.open("docker.io", None, None)
    assert (hub.name, hub.registry.host, hub.azure) == ("docker.io", "registry-1.docker.io", False)
    assert opened.open("docker.io", None, None) is hub
    assert opened.open("docker.io", None, Credentials("u", "p")) is opened.open("docker.io", None, PAIR) is not hub
    assert opened.open("quay.io", None, None) is not hub


def test_a_plan_names_its_sources_and_they_are_found_by_that() -> None:
    opened = sources()
    found = [opened.open("quay.io", None, None), opened.open("quay.io", None, PAIR), opened.open(None, BY_NAME, None)]
    assert [opened.of(source.key) for source in found] == found
    assert [source.key.name for source in found] == ["quay.io", "quay.io", SERVER]
    assert len({source.key for source in found}) == 3, "read with other credentials, one registry is two sources"


def test_many_threads_that_open_one_registry_get_one_source() -> None:
    arm = manager()
    opened = sources(arm)
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(lambda number: opened.open(*[(None, BY_NAME), (None, BY_ID), (SERVER, None)][number % 3], None), range(24)))
    assert len(found) == 1 and len(arm.asked) == 2, "by name, and by resource ID"


def test_what_one_source_learns_the_others_know() -> None:
    known: dict[str, Any] = {}
    opened = Sources(HeldContext(), known)
    assert all(opened.open(host, None, None).known is known for host in ("quay.io", SERVER))


def test_a_login_server_of_this_cloud_is_an_azure_registry() -> None:
    arm = manager()
    opened = sources(arm)
    source = opened.open(SERVER, None, None)
    assert source.azure and source.registry.signs_in and source.name == SERVER
    assert opened.open(None, BY_SERVER, None) is source
    assert arm.asked == [], "its name tells all"
    assert not sources(arm).open("contosodev.azurecr.io.evil.test", None, None).azure


@pytest.mark.parametrize("registry_id", [BY_NAME, BY_ID])
def test_a_name_or_resource_id_is_looked_up(registry_id: RegistryId) -> None:
    arm = manager()
    source = sources(arm).open(None, registry_id, None)
    assert source.name == source.registry.host == SERVER
    assert source.address.body() == {"resourceId": ID}
    assert len(arm.asked) == 1, "one look is enough for both"


@pytest.mark.parametrize("credentials", [None, PAIR])
def test_c6_one_registry_is_one_source_however_it_is_named(credentials: Credentials | None) -> None:
    names = [BY_NAME, BY_ID, BY_SERVER, None]
    for order in (names, names[::-1]):
        opened = sources()
        found = [opened.open(SERVER if name is None else None, name, credentials) for name in order]
        assert len(set(found)) == 1 and found[0].name == SERVER
        body = {"resourceId": ID} if credentials is None else {"registryUri": SERVER, "credentials": {"username": "u", "password": "p"}}
        assert found[0].address.body() == body
        assert opened.open(SERVER, None, Credentials("other", "p")) is not found[0], "another sign-in is another source"


def test_a_login_server_is_the_same_in_capitals() -> None:
    opened = sources(HeldManager(RESOURCE._replace(login_server="ContosoDev.azurecr.test")))
    assert opened.open(None, BY_NAME, None) is opened.open(SERVER, None, None)


def test_c6_a_resource_id_that_is_given_counts_where_nothing_can_be_looked_up() -> None:
    """AcrPull alone shows no registry: whoever gives the resource ID as well means it."""
    arm = manager("denied")
    opened = sources(arm)
    by_server = opened.open(SERVER, None, None)
    assert opened.open(None, BY_ID, None) is by_server and by_server.address.body() == {"resourceId": ID}


def test_who_may_pull_but_not_read_a_registry_names_it_by_its_id() -> None:
    source = sources(manager("denied")).open(None, BY_ID, None)
    assert source.registry.host == SERVER and source.address.body() == {"resourceId": ID}
    for kind in ("not_found", "unavailable"):
        assert error_of(lambda kind=kind: sources(manager(kind)).open(None, BY_ID, None)).reason == kind
    assert error_of(lambda: sources(manager("denied")).open(None, BY_NAME, None))


# -- as an import names it ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arm", "host", "credentials", "body"),
    [
        (manager(), SERVER, None, {"resourceId": ID}),
        (manager("not_found"), SERVER, None, {"registryUri": SERVER}),
        (manager("denied"), SERVER, None, {"registryUri": SERVER}),
        (manager(), SERVER, PAIR, {"registryUri": SERVER, "credentials": {"username": "u", "password": "p"}}),
        (manager(), "quay.io", Credentials(None, "p"), {"registryUri": "quay.io", "credentials": {"password": "p"}}),
        (manager(), "docker.io", None, {"registryUri": "docker.io"}),
    ],
)
def test_body(arm: HeldManager, host: str, credentials: Credentials | None, body: dict[str, Any]) -> None:
    source = sources(arm).open(host, None, credentials)
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda _n: source.address.body(), range(4))) == [body] * 4
    assert len(arm.asked) == (1 if host == SERVER and credentials is None else 0)


def test_a_registry_that_can_not_be_looked_up_for_now_is_not_named_otherwise() -> None:
    source = sources(manager("throttled")).open(SERVER, None, None)
    assert error_of(source.address.body).reason == "throttled"


def test_an_azure_registry_is_read_by_whoever_signs_in() -> None:
    registry = sources().open(SERVER, None, None).registry
    assert isinstance(registry, AzureRegistry) and registry.signs_in
    assert not sources().open(SERVER, None, PAIR).registry.signs_in


# -- what is said of them ---------------------------------------------------------------------------------------------


def test_nothing_is_imported_from_what_allows_no_exports() -> None:
    """Only if that is known, and somebody is to import: from one repository to another it isn't an export, and reading is none."""
    closed = resource("contosodev", policies={"exportPolicy": {"status": "disabled"}})

    def opened(target: str | None) -> Sources:
        named = parse_registry(target, ["azurecr.test"]) if target else None
        return Sources(HeldContext(manager=HeldManager(closed)), target=named)

    for named in (BY_NAME, BY_ID):
        address = opened("contosoprod").open(None, named, None).address  # nothing is refused that needs no import
        error = error_of(address.check)
        assert error.reason == "denied" and str(error).startswith(f"Nothing can be imported from {SERVER}: its export policy is")
        for target in (None, "contosodev", SERVER):
            assert opened(target).open(None, named, None).address.body() == {"resourceId": ID}
    source = opened("contosoprod").open(SERVER, None, None)  # isn't looked up for that, but before an import starts
    source.address.check()
    assert error_of(source.address.body).cause == "export policy"
    assert opened("contosoprod").open(SERVER, None, PAIR).address.body()["registryUri"] == SERVER, "isn't looked up at all"


def test_a_regional_endpoint_is_the_registry_and_a_note() -> None:
    arm = manager()
    opened = sources(arm)
    regional = "contosodev.uksouth.geo.azurecr.test"
    source = opened.open(regional, None, None)
    assert source is opened.open(SERVER, None, None) is opened.open(None, parse_registry(regional, ["azurecr.test"]), None)
    assert (source.name, source.address.body(), len(arm.asked)) == (SERVER, {"resourceId": ID}, 1)
    assert list(opened.notes.values()) == [
        f"Imports can't choose a region: {SERVER} is used instead of {regional}, and Azure copies from its home region."
    ]
