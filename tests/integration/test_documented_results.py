# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What modules return is what their documentation says: each key, its type, and nothing else."""
from __future__ import annotations

import json
from importlib import import_module
from typing import Any

import yaml

from tests.playbook import run_playbook
from tests.sandbox.handle import Sandbox
from tests.signing import BUNDLE, b64, key_bundle, new_key, public_pem

MODULES = ("acr_import", "acr_manifest_info", "acr_mirror", "acr_trusted_services")
# What every module may return.
COMMON = {"changed", "deprecations", "diff", "exception", "failed", "invocation", "msg", "warnings"}
TYPES = {"bool": bool, "dict": dict, "float": (float, int), "int": int, "list": list, "str": str}
# What is null when there is nothing to say.
MAY_BE_NULL = {
    "acr_import.digest",
    "acr_import.media_type",
    "acr_import.targets.digest",
    "acr_import.targets.previous_digest",
    "acr_import.targets.signature.time",
    "acr_manifest_info.manifests.architecture",
    "acr_manifest_info.manifests.config_media_type",
    "acr_manifest_info.manifests.os",
    "acr_manifest_info.manifests.platforms.os_version",
    "acr_manifest_info.manifests.referrers.tag",
    "acr_mirror.lock_changes.digest",
    "acr_mirror.lock_changes.previous_digest",
    "acr_mirror.results.digest",
    "acr_mirror.results.previous_digest",
    "acr_mirror.results.signature.time",
    *(f"acr_trusted_services.{when}.{name}" for when in ("before", "after") for name in ("regional_endpoints", "soft_delete_days")),
}
HELLO = "docker.io/library/hello-world"
KEY = new_key()
VETTED = {"source_registry": "contosodev", "source": "vetted/app:1", "signed_by": [{"key": public_pem(KEY)}]}
SIGNED = {"source_registry": "contosodev", "source": "signed/app:1.0", "referrers": True}
STAYING = {"immutable": True, "backup": "{tag}-previous"}
TASKS: list[tuple[str, dict[str, Any]]] = [
    ("acr_import", {**SIGNED, "target": ["moving/app:1"], **STAYING}),
    ("acr_import", VETTED),
    ("acr_import", {"source": f"{HELLO}:latest", "wait": False}),
    ("acr_import", {"source": f"{HELLO}:missing"}),
    ("acr_import", {"source": f"{HELLO}:1.0", "verify": False}),
    *2 * [("acr_import", {"source": "docker.io/library/busybox:1.36", "quarantine": {"min_age": "72h"}})],
    ("acr_mirror", {
        "images": [SIGNED, VETTED, {"source": f"{HELLO}:1.1", "target": ["moving/app:2"], **STAYING}, {"source": f"{HELLO}:missing"}],
        "details": True,
    }),
    ("acr_mirror", {"images": [{"source": f"{HELLO}:linux"}, {"source": HELLO, "tags": {"semver": "1.0.x"}}], "wait": False}),
    *(
        ("acr_mirror", {"images": [f"{HELLO}:{tag}"], "lock_file": "~/images.lock.yml", "lock": lock})
        for tag, lock in (("1.1", "update"), ("1.0", "update"), ("1.0", "use"))
    ),
    *2 * [("acr_mirror", {"images": ["docker.io/library/busybox:1.37"], "defaults": {"quarantine": {"min_age": "3d", "prefix": "q/"}}})],
    ("acr_manifest_info", {"registry": "contosodev", "repository": "signed/app", "tag": "1.0", "raw": True, "referrers": True}),
    ("acr_manifest_info", {"all": True}),
    ("acr_trusted_services", {"registry": "contosovault"}),
    *((module, {"registry": "missing", "resource_group": "rg-registries", **more}) for module, more in (
        ("acr_import", SIGNED), ("acr_mirror", {"images": [SIGNED]}), ("acr_manifest_info", {"all": True}), ("acr_trusted_services", {}),
    )),
]  # fmt: skip


def compare(returned: dict[str, Any], documented: dict[str, Any], path: str, met: set[str], absent: set[str]) -> None:
    """Every key of ``returned`` is documented, with its type; ``met`` gets the names of all that were there, ``absent`` of those
    that were null."""
    for name, value in returned.items():
        place = f"{path}.{name}"
        assert name in documented, f"{place} is returned, but not documented"
        described = documented[name]
        met.add(place)
        if value is None:
            text = str(described["description"]).lower()
            assert "null" in text, f"{place} may be null, and its description does not say so"
            absent.add(place)
            continue
        assert isinstance(value, TYPES[described["type"]]), f"{place} is {value!r}, and documented as {described['type']}"
        assert isinstance(value, bool) is (described["type"] == "bool"), place
        if "contains" in described:
            for entry in value if isinstance(value, list) else [value]:
                compare(entry, described["contains"], place, met, absent)


def names(documented: dict[str, Any], path: str) -> set[str]:
    found = set()
    for name, described in documented.items():
        found |= {f"{path}.{name}"} | names(described.get("contains", {}), f"{path}.{name}")
    return found


def test_results_are_as_documented(sandbox: Sandbox) -> None:
    sandbox.push("contosoprod", "secret/app", ["1"])
    sandbox.push("contosoprod", "moving/app", ["1", "2"])
    locked = sandbox.push("contosoprod", "locked/app", ["1"], kind="index")["digest"]
    sandbox.lock("contosoprod", "locked/app", digest=locked, readEnabled=False)
    vetted = sandbox.push("contosodev", "vetted/app", ["1"])["digest"]
    bundle = b64(json.dumps(key_bundle(vetted, KEY)).encode())
    sandbox.push("contosodev", "vetted/app", kind="artifact", content=bundle, media_type=BUNDLE, subject=vetted, artifact_type=BUNDLE)
    broken = {"match": {"class": "arm_read", "path": "registries/missing$"}, "action": {"status": 400, "body": "<html>"}}
    sandbox.knobs(import_seconds=0.1, faults=[broken], lies=[{"kind": "refused", "match": {"path": "^/acr/v1/secret/app/_manifests"}}])
    signed = sandbox.tags("contosodev", "signed/app")["1.0"]
    kept = {**SIGNED, "if_exists": "keep"}
    blocked = {"images": [kept, f"{HELLO}:1.1"], "blocked": [signed, "docker.io/hello-world:1.*"]}
    tasks = [
        {
            "name": module,
            f"registryops.acr.{module}": {"registry": "contosoprod", **arguments},
            "check_mode": module == "acr_trusted_services",
            "ignore_errors": "missing" in str(arguments) or "blocked" in arguments,
        }
        for module, arguments in [*TASKS, ("acr_mirror", blocked)]
    ]
    run = run_playbook([{"name": "Test", "hosts": "localhost", "gather_facts": False, "tasks": tasks}], sandbox.env)
    assert run.rc == 0 and len(run.tasks) == len(tasks), run.output
    assert [row["reason"] for row in run.result["results"]] == ["present", "blocked"], run.output
    documented = {
        module: yaml.safe_load(import_module(f"ansible_collections.registryops.acr.plugins.modules.{module}").RETURN)
        for module in MODULES
    }
    met: set[str] = set()
    absent: set[str] = set()
    for module, task in zip([task["name"] for task in tasks], run.tasks):
        result = {name: value for name, value in task["result"].items() if not name.startswith("_ansible")}
        common = COMMON - set(documented[module])
        compare({name: value for name, value in result.items() if name not in common}, documented[module], module, met, absent)
    missing = set().union(*(names(documented[module], module) for module in MODULES)) - met
    assert absent == MAY_BE_NULL
    assert not missing, f"documented, but never returned: {', '.join(sorted(missing))}"
