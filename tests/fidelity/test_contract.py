# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks that are made for Azure, with the sandbox in its place."""
from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.contract.checks import CHECKS
from tests.playbook import ROOT
from tests.sandbox.handle import PRINCIPALS, SUBSCRIPTION, AdminError, Sandbox

YES = {"ACR_CONTRACT_YES": "1", "ACR_CONTRACT_GROUP": "rg-registries", "ACR_CONTRACT_SECONDS": "0.05"}
UNKNOWN = sum(check.unknown for check in CHECKS)


def contract(sandbox: Sandbox, records: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **sandbox.env, "ACR_CONTRACT_RECORDS": str(records), **variables}
    command = [sys.executable, "-m", "tests.contract"]
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)


def assert_gone(sandbox: Sandbox, output: str) -> str:
    """The name of the registry that was made and removed."""
    found = re.search(r"^Creating registry (acrcontract\w+)", output)
    assert found and f"Registry {found[1]} is gone." in output, output
    with pytest.raises(AdminError, match="unknown"):
        sandbox.tags(found[1], "contract/app")
    return found[1]


@pytest.mark.parametrize("missing", [*YES][:2])
def test_nothing_is_done_without_consent(sandbox: Sandbox, tmp_path: Path, missing: str) -> None:
    done = contract(sandbox, tmp_path / "records", **{**YES, missing: ""})
    assert (done.returncode, done.stderr) == (2, "") and "Nothing was done." in done.stdout
    assert all(name in done.stdout for name in ("Premium", "costs", "AZURE_SUBSCRIPTION_ID", *YES) if name != "ACR_CONTRACT_SECONDS")
    assert sandbox.log() == [] and not (tmp_path / "records").exists()


def test_the_sandbox_does_what_is_expected_and_nothing_private_is_recorded(sandbox: Sandbox, tmp_path: Path) -> None:
    records = tmp_path / "records"
    done = contract(sandbox, records, **YES)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Of {len(CHECKS)} checks, {len(CHECKS) - UNKNOWN} agree, 0 differ, {UNKNOWN} were unknown." in done.stdout
    assert len(CHECKS) >= 40
    seen = re.findall(r"Azure:   (.*)\n +sandbox: (.*)", done.stdout)
    assert len(seen) == UNKNOWN and all(azure == ours for azure, ours in seen), "what the sandbox does where Azure is unknown"
    text = records.read_text()
    assert {f'"{check.name}"' for check in CHECKS} | {'"setup"', '"removal"'} <= set(re.findall(r'^{"check": ("\w+")', text, re.M))
    private = [assert_gone(sandbox, done.stdout), "rg-registries", SUBSCRIPTION, *PRINCIPALS["contributor"], "eyJ", "admin@contoso"]
    assert [word for word in private if word in text] == []


# Check → knobs with which the sandbox does otherwise than Azure.
DIFFERENCES: dict[str, dict[str, Any]] = {
    "course_of_an_import": {"import_poll_style": "2021"},
    "import_where_a_tag_is": {"tag_exists_style": "2019"},
    "missing_registry": {"not_found_style": "provider"},
    "change_of_the_bypass": {"patch_style": "async"},
    "refresh_token": {"tokens": {"refresh_seconds": 7200}},
    "access_token": {"tokens": {"access_seconds": 1800}},
    "catalog_without_a_token": {
        "lies": [{"kind": "dressed", "match": {"path": "/_catalog$", "status": "401"}, "headers": {"WWW-Authenticate": "Bearer"}}]
    },
    "referrers": {"lies": [{"kind": "dressed", "match": {"path": "/referrers/"}, "headers": {"OCI-Filters-Applied": None}}]},
    "missing_tag": {"faults": [{"match": {"path": "/_tags/nosuch$"}, "action": {"status": 404, "body": "404 page not found\n"}}]},
    "own_permissions": {"faults": [{"match": {"path": "/permissions$"}, "action": {"status": 200, "body": {"value": []}}}]},
}


def test_each_difference_is_found(sandbox: Sandbox, tmp_path: Path) -> None:
    knobs: dict[str, Any] = {}
    for difference in DIFFERENCES.values():
        for name, value in difference.items():
            if isinstance(value, list):
                value = [*knobs.get(name, []), *value]
            elif isinstance(value, dict):
                value = {**knobs.get(name, {}), **value}
            knobs[name] = value
    sandbox.knobs(**knobs)
    done = contract(sandbox, tmp_path / "records", **YES)
    assert done.returncode == 1, done.stdout + done.stderr
    assert sorted(re.findall(r"^DIFFERS  (\w+)$", done.stdout, re.M)) == sorted(DIFFERENCES) and len(DIFFERENCES) == 10
    assert_gone(sandbox, done.stdout)


def test_the_registry_goes_whatever_happens(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.knobs(import_faults=[{"source": "", "text": "unauthorized"}])
    done = contract(sandbox, tmp_path / "records", **YES)
    assert done.returncode == 1 and "an import failed: 400 " in done.stderr and "Traceback" not in done.stderr
    assert_gone(sandbox, done.stdout)
