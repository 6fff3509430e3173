# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What check mode concludes from Azure's list of an account's permissions, and what it doesn't."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ansible_collections.registryops.acr.plugins.module_utils import _permissions
from ansible_collections.registryops.acr.plugins.module_utils._errors import AcrError
from ansible_collections.registryops.acr.plugins.module_utils._mirror import Mirror, Settings
from ansible_collections.registryops.acr.plugins.module_utils._options import parse_entries
from ansible_collections.registryops.acr.plugins.module_utils._report import Report
from tests.unit.plugins.held import HeldAzure, HeldContext, HeldManager, digest, resource

REGISTRIES = "Microsoft.ContainerRegistry/registries"
EVERYTHING = {"actions": ["*"], "notActions": [], "dataActions": [], "notDataActions": []}
READER = {**EVERYTHING, "actions": ["*/read"]}


class Manager(HeldManager):
    """*permissions*: by the name of a registry; an error is raised after what comes before it."""

    def __init__(self, **permissions: list[Any]) -> None:
        super().__init__(resource("target"), resource("source"))
        self.permissions_on = permissions

    def permissions(self, resource_id: str) -> Iterator[dict[str, Any]]:
        name = resource_id.rpartition("/")[2]
        self._ask("permissions", name)
        for one in self.permissions_on[name]:
            if isinstance(one, AcrError):
                raise one
            yield one


def check(manager: Manager, held: int = 0, registry: str = "target", **entry: Any) -> Report:
    target = HeldAzure("target.azurecr.test", app={"1": digest(held)} if held else {})
    source = HeldAzure("source.azurecr.test", app={"1": digest(1)})
    azure = HeldContext(target, source, manager=manager)
    entries = parse_entries([{"source": f"{source.host}/app:1", **entry}], None, None, None, azure.suffix)
    return Mirror(azure, registry, None, Settings(check=True)).run(entries)


def asked(manager: Manager) -> list[str]:
    return [what[1] for what in manager.asked if what[0] == "permissions"]


@pytest.mark.parametrize(
    "permissions",
    [
        [EVERYTHING],
        [READER, {**EVERYTHING, "actions": [f"{REGISTRIES}/importImage/action"]}],
        [{**EVERYTHING, "actions": ["microsoft.containerregistry/*/ACTION"]}],
        [{**EVERYTHING, "notActions": ["*"]}, EVERYTHING],  # what one role excepts, another may allow
    ],
    ids=["all", "by name", "by pattern", "by another role"],
)
def test_an_account_that_may_import(permissions: list[Any]) -> None:
    manager = Manager(target=permissions, source=[READER])
    report = check(manager)
    assert (report.errors, report.asides, report.changed) == ([], [], True)
    assert asked(manager) == ["target", "source"]


@pytest.mark.parametrize(
    "permissions",
    [
        [READER],
        [{**EVERYTHING, "notActions": [f"{REGISTRIES}/importImage/*"]}],
        [{**EVERYTHING, "actions": [], "dataActions": ["*"]}],
        [READER, {"actions": None}],
    ],
    ids=["another right", "an exception", "data actions", "nothing"],
)
def test_an_account_that_may_not_import(permissions: list[Any]) -> None:
    manager = Manager(target=permissions, source=[EVERYTHING])
    report = check(manager)
    (error,) = report.errors
    assert (error.reason, report.changed) == ("denied", False)
    assert "isn't allowed to import into the registry of target.azurecr.test/app:1" in str(error)
    assert asked(manager) == ["target"]


def test_imports_with_one_cause_have_one_error() -> None:
    report = check(Manager(target=[READER]), target=["a", "b"])
    assert len(report.errors) == 2 and report.errors[0] is report.errors[1]


def test_a_source_that_the_account_may_not_read() -> None:
    useless = {**EVERYTHING, "actions": ["Microsoft.Compute/*"]}
    report = check(Manager(target=[EVERYTHING], source=[useless]))
    (error,) = report.errors
    assert error.reason == "denied" and "can't read the source registry /subscriptions/s/" in str(error)
    assert "Container Registry Repository Reader" in str(error)
    content = {**useless, "dataActions": [f"{REGISTRIES}/repositories/content/read"]}
    assert check(Manager(target=[EVERYTHING], source=[content])).errors == []


@pytest.mark.parametrize(
    "answer",
    [[AcrError("denied", "No.", status=403)], [READER, AcrError("unavailable", "No.")], [], [READER, {"actions": "*"}]],
    ids=["denied", "only one page", "an empty list", "not a list"],
)
def test_what_proves_nothing(answer: list[Any]) -> None:
    manager = Manager(target=answer, source=[READER])
    report = check(manager)
    assert (report.errors, report.changed, len(report.asides)) == ([], True, 1)
    assert "permissions on target were not checked" in report.asides[0]


@pytest.mark.parametrize("named", [{}, {"source": "app:1", "source_registry": "source"}])
def test_a_source_that_exports_nothing(named: dict[str, str]) -> None:
    """However it is named, and only if something would be imported from it."""
    closed = {"policies": {"exportPolicy": {"status": "disabled"}}}
    for held in (0, 1):
        manager = Manager(target=[EVERYTHING], source=[READER])
        manager.resources = [resource("target"), resource("source", **closed)]
        report = check(manager, held=held, **named)
        assert ([error.reason for error in report.errors], report.asides) == (["denied"] * (1 - held), [])


@pytest.mark.parametrize(
    ("extra", "reasons"),
    [
        ({}, ["denied"]),
        ({"actions": [f"{REGISTRIES}/metadata/write"]}, []),
        ({"actions": [f"{REGISTRIES}/push/write"]}, []),  # nobody has said that this is too little
        ({"dataActions": [f"{REGISTRIES}/repositories/metadata/write"]}, []),
    ],
    ids=["none", "by role", "to push", "by repository"],
)
@pytest.mark.parametrize("held", [0, 1])
def test_an_account_that_may_import_and_not_lock(held: int, extra: dict[str, Any], reasons: list[str]) -> None:
    importer = {**READER, "actions": [f"{REGISTRIES}/importImage/action"]}
    manager = Manager(target=[importer, {**READER, **extra}], source=[READER])
    report = check(manager, held=held, immutable=True)
    assert [error.reason for error in report.errors] == reasons and report.changed == (not reasons)
    assert asked(manager) == ["target"] + ["source"] * (not held), "each is asked once"
    if reasons:
        assert str(report.errors[0]).startswith("This account isn't allowed to lock target.azurecr.test/app:1: it needs")


def test_nothing_is_asked_if_nothing_would_be_imported() -> None:
    manager = Manager()
    assert not check(manager, held=1).changed
    assert asked(manager) == []


def test_a_target_that_cannot_be_looked_up() -> None:
    """The run would end if the account doesn't see it; if Azure gives no answer, that says nothing."""
    manager = Manager(source=[READER])
    manager.fails = {("registry",): AcrError("not_found", "There is none.")}
    with pytest.raises(AcrError, match="There is none"):
        check(manager, registry="target.azurecr.test")
    manager.fails = {("registry",): AcrError("unavailable", "Azure is down.")}
    report = check(manager, registry="target.azurecr.test")
    assert (report.errors, report.asides) == ([], ["This account's permissions were not checked: Azure is down."])


@pytest.mark.parametrize("open_to_all", [True, False])
def test_a_source_that_azure_would_read_anonymously(monkeypatch: pytest.MonkeyPatch, open_to_all: bool) -> None:
    """Its resource ID can't be found, so Azure would be told its login server alone. One look is enough for all images."""
    strangers: list[str] = []

    class Strange:
        def __init__(self, host: str, _http: Any) -> None:
            self.host = host

        def describe(self, repository: str, reference: str) -> None:
            strangers.append(f"{self.host}/{repository}@{reference}")
            if not open_to_all:
                raise AcrError("unauthorized", "Who are you?")

    monkeypatch.setattr(_permissions, "AzureRegistry", Strange)
    manager = Manager(target=[EVERYTHING])
    manager.resources = [resource("target")]
    report = check(manager, target=["a", "b"])
    assert strangers == [f"source.azurecr.test/app@{digest(1)}"]
    assert {error.reason for error in report.errors} == (set() if open_to_all else {"denied"})
    assert report.changed is open_to_all
    assert check(manager, verify=False).errors == [] and len(strangers) == 1
