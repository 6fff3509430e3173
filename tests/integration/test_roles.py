# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each built-in role allows in each mode of a registry, and what check mode foresees of it: all done, not looked up.

`docs/roles.md` has the table. If it changes: ACR_WRITE_ROLES=1 pytest … tests/integration/test_roles.py
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.registryops.acr.plugins.module_utils._azure import Azure
from ansible_collections.registryops.acr.plugins.module_utils._errors import Problem
from ansible_collections.registryops.acr.plugins.module_utils._identity import Identity
from ansible_collections.registryops.acr.plugins.module_utils._manifests import ManifestQuery, read
from ansible_collections.registryops.acr.plugins.module_utils._mirror import Mirror, Settings
from ansible_collections.registryops.acr.plugins.module_utils._options import parse_entries
from ansible_collections.registryops.acr.plugins.modules import acr_trusted_services
from tests.playbook import ROOT, run_tasks
from tests.sandbox.handle import SUBSCRIPTION, Sandbox
from tests.sandbox.roles import ROLES

PAGE = ROOT / "docs" / "roles.md"
BEGIN, END = "<!-- the table: tests/integration/test_roles.py -->\n", "<!-- its end -->\n"
PROD, DEV = "contosoprod.azurecr.test", "contosodev.azurecr.test"
DEV_ID = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-registries/providers/Microsoft.ContainerRegistry/registries/contosodev"
MODES = {"LegacyRegistryPermissions": "RBAC", "AbacRepositoryPermissions": "ABAC"}
IMPORTER, READER = "Container Registry Data Importer and Data Reader", "Container Registry Repository Reader"
LISTER = "Container Registry Repository Catalog Lister"
ALONE = [(name,) for name in ROLES if name not in ("AcrDelete", "Container Registry Repository Contributor")]
TOGETHER = [(IMPORTER, READER), (IMPORTER, READER, LISTER), ("Reader", READER)]  # with ABAC
HUB = {"source": "docker.io/library/hello-world:1.0"}
# What is done with a registry: as a target, as a source.
INTO: dict[str, dict[str, Any]] = {"import into it": HUB, "with `verify: false`": {**HUB, "verify": False}}
FROM: dict[str, dict[str, Any]] = {
    "source by login server": {"source": f"{DEV}/aci-helloworld:v1"},
    "source by resource ID": {"source_registry": DEV_ID, "source": "aci-helloworld:v1"},
    "`repositories`": {"source_registry": DEV_ID, "repositories": {"include": ["aci-*"]}, "tags": {"names": ["v1"]}},
}
READ, TRUST = "`acr_manifest_info`", "`acr_trusted_services`"
COLUMNS = (*INTO, READ, *FROM, TRUST)


def outcome(work: Callable[[], Any]) -> str:
    """What was wrong, without what Azure said of it; empty if nothing was."""
    try:
        report = work()
    except Problem as error:
        return f"{error.reason}: {error}".partition(" Azure says:")[0]
    errors = getattr(report, "errors", [])
    return f"{errors[0].reason}: {errors[0]}".partition(" Azure says:")[0] if errors else ""


class Account:
    """An application that has roles on one registry."""

    def __init__(self, sandbox: Sandbox, name: str, grants: dict[str, list[str]]) -> None:
        principal = sandbox.create_principal(name, grants=grants)
        self._environ = {**sandbox.env, "AZURE_CLIENT_ID": principal["client_id"], "AZURE_SECRET": principal["secret"]}
        self._name = name

    def azure(self) -> Azure:
        return Azure(Identity({}, self._environ))

    def imports(self, entry: dict[str, Any], name: str, check: bool, registry: str = PROD) -> str:
        own = f"{self._name}/{name}"
        to: dict[str, Any] = {"target_prefix": f"{own}/"} if "repositories" in entry else {"target": [f"{own}:1"]}
        azure = self.azure()
        entries = parse_entries([{**entry, **to}], None, None, None, azure.suffix)
        return outcome(lambda: Mirror(azure, registry, None, Settings(check=check, timeout=60)).run(entries))

    def reads(self) -> str:
        return outcome(lambda: read(self.azure(), PROD, None, ManifestQuery(repository="held", tag="1")))

    def trusts(self) -> str:
        params = {"registry": PROD, "resource_group": None, "state": "disabled"}
        module = SimpleNamespace(params=params, check_mode=False)
        return outcome(lambda: acr_trusted_services.work(module, self.azure()))


@pytest.fixture
def proxied(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Sandbox:
    """The sandbox, to which this process's own requests go."""
    for name, value in sandbox.env.items():
        monkeypatch.setenv(name, value)
    sandbox.knobs(import_seconds=0.01, retry_after=1)
    sandbox.push("contosoprod", "held", ["1"])
    return sandbox


class Row:
    """Some roles in one mode of a registry. *came*, *foreseen*: by column, what came of it, and what check mode said would."""

    def __init__(self, sandbox: Sandbox, roles: tuple[str, ...], short: str) -> None:
        self.roles, self.short = roles, short
        name = "-".join([*roles, short]).lower().replace(" ", "-")
        self._target = Account(sandbox, f"into-{name}", {"contosoprod": list(roles)})
        self._source = Account(sandbox, f"from-{name}", {"contosodev": list(roles), "contosoprod": [IMPORTER, READER]})
        self.came: dict[str, str] = {}
        self.foreseen: dict[str, str] = {}

    def fill(self) -> None:
        for account, work in ((self._target, INTO), (self._source, FROM)):
            for number, (column, entry) in enumerate(work.items()):
                self.foreseen[column] = account.imports(entry, str(number), check=True)
                self.came[column] = account.imports(entry, str(number), check=False)
        self.came[READ] = self._target.reads()

    def trust(self, sandbox: Sandbox) -> None:
        """All rows are about one registry: one after the other."""
        sandbox.patch_registry("contosoprod", properties={"networkRuleBypassOptions": "AzureServices"})
        self.came[TRUST] = self._target.trusts()

    def text(self) -> str:
        roles = " and ".join(f"*{role}*" for role in self.roles)
        return "| " + " | ".join([roles, self.short, *("–" if self.came[column] else "✓" for column in COLUMNS)]) + " |\n"


def test_the_page_says_what_each_role_allows_and_check_mode_foresees_it(proxied: Sandbox) -> None:
    table = f"| role | mode | {' | '.join(COLUMNS)} |\n{'| --- ' * (len(COLUMNS) + 2)}|\n"
    wrong = {}
    for mode, short in MODES.items():
        for registry in ("contosoprod", "contosodev"):
            proxied.patch_registry(registry, properties={"roleAssignmentMode": mode})
        every = ALONE + (TOGETHER if short == "ABAC" else [])
        rows = [Row(proxied, roles, short) for roles in every]
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(Row.fill, rows))
        for row in rows:
            row.trust(proxied)
            table += row.text()
            wrong.update({(row.roles, short, c): (said, row.came[c]) for c, said in row.foreseen.items() if said != row.came[c]})
    assert wrong == {}
    before, _begin, rest = PAGE.read_text().partition(BEGIN)
    old, _end, after = rest.partition(END)
    if os.environ.get("ACR_WRITE_ROLES"):
        PAGE.write_text(before + BEGIN + table + END + after)
    assert old == table, f"{PAGE.name} is out of date; the docstring of this file says how to write it anew"


def test_check_mode_says_what_it_found_out_and_what_it_could_not(sandbox: Sandbox) -> None:
    """An account that may list its permissions, and one that may not. Azure would let the second one import."""
    accounts = [("reader", ["Reader"]), ("silent", ["read", "importImage/action"])]
    tasks = []
    for name, roles in accounts:
        principal = sandbox.create_principal(f"check-{name}", grants={"contosoprod": roles})
        signed_in = {"client_id": principal["client_id"], "secret": principal["secret"]}
        tasks.append({"registry": PROD, **HUB, "target": [f"t/{name}:1"], "verify": False, **signed_in})
    run = run_tasks("acr_import", tasks, sandbox.env, "--check", "-v")
    reader, silent = (task["result"] for task in run.tasks)
    assert reader["reason"] == "denied" and not reader["changed"], run.output
    assert IMPORTER in reader["msg"] and "isn't allowed to import" in reader["msg"]
    assert silent["changed"] and "permissions on contosoprod were not checked" in silent["warnings"][0], run.output
    assert len([entry for entry in sandbox.log() if "Microsoft.Authorization/permissions" in entry["path"]]) == 2
    assert sandbox.operations() == []
