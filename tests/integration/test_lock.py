# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A lock file: what was reviewed comes in, byte for byte, wherever the tags point by then."""
from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from tests.playbook import run_tasks
from tests.sandbox.handle import Sandbox

DEV, HUB = "contosodev.azurecr.test", "mcr.microsoft.com"
IMAGES: list[Any] = [
    *({"source": f"{HUB}/locked/app:{number}", "target": ["app"]} for number in range(1, 7)),
    {"source": f"{HUB}/locked/many:1", "target": ["amd64:1"], "platform": "linux/amd64"},
    {"source": f"{HUB}/locked/app:6", "untagged_repositories": ["bare"], "target": ["six/{name}"]},
    {"source_registry": "contosodev", "target": ["dev/{name}"], "repositories": {"include": ["locked/*"]}, "tags": {"newest": 2}},
]  # fmt: skip
UNREAD = [{"source": f"{HUB}/locked/app:1", "target": ["unread:1"], "verify": False}]


def push(sandbox: Sandbox, seed: int) -> None:
    """Points all tags at images of this seed."""
    for number in range(1, 7):
        sandbox.push(HUB, "locked/app", [str(number)], seed=seed + number)
    sandbox.push(HUB, "locked/many", ["1"], kind="index", seed=seed)
    for number in range(3):
        sandbox.push(DEV, "locked/web", [f"1.{number}"], seed=seed + number)


def test_what_was_locked_comes_in_wherever_the_tags_point_by_then(sandbox: Sandbox, tmp_path: Path) -> None:
    path, other = tmp_path / "images.lock.yml", tmp_path / "unread.lock.yml"
    plain = {"registry": "contosoprod", "images": IMAGES}
    locked = {**plain, "lock_file": str(path)}
    unread = {**plain, "images": UNREAD, "lock_file": str(other)}
    longer = {**locked, "images": [*IMAGES, f"{HUB}/locked/app:7"]}

    def run(*tasks: dict[str, Any]) -> list[dict[str, Any]]:
        return [task["result"] for task in run_tasks("acr_mirror", list(tasks), sandbox.env).tasks]

    push(sandbox, 100)
    modes = [{**locked, "lock": mode} for mode in ("use", "check", "update", "update", "check")]
    use, check, first, second, checked, _unread = run(*modes, {**unread, "lock": "update"})
    for result in (use, check):
        assert result["msg"] == f"The lock file {path} doesn't exist. Run with lock: update to write it."
    assert first["changed"] and not second["changed"] and not checked["changed"], (first, second, checked)
    assert len(first["lock_changes"]) == 11 and second["lock_changes"] == checked["lock_changes"] == []
    text = path.read_text()
    assert first["diff"]["after"] == second["diff"]["before"] == second["diff"]["after"] == text
    assert not sandbox.operations() and not sandbox.log(host="contosoprod.azurecr.test"), "nobody looks into the target"
    lines = yaml.safe_load(text) + yaml.safe_load(other.read_text())
    digests = {line.get("target") or line["untagged_repositories"]: line["source"].rpartition("@")[2] for line in lines}

    push(sandbox, 200)
    sandbox.clear_log()
    blind, imported, nothing = run(unread, locked, locked)
    assert [blind["summary"]["imported"], imported["summary"]["imported"], nothing["summary"]["unchanged"]] == [1, 11, 11]
    assert not nothing["changed"] and all(row["locked"] for row in imported["results"] + nothing["results"])
    log = sandbox.log()
    last = max(number for number, line in enumerate(log) if line["path"].endswith("/importImage"))
    asked = [line["path"] for line in log if line["host"] in (HUB, DEV) and line["path"].startswith("/v2/l")]
    assert asked and all("/sha256:" in place for place in asked), "no tag is asked for"
    assert not [line for line in log if line["host"] in (HUB, DEV) and "/_tags" in line["path"]], "nor are tags listed"
    assert not {line["host"] for line in log[last:]} & {HUB, DEV}, "if nothing has to come, no source is asked at all"
    held = {
        f"{name}:{tag}": digest
        for name in ("app", "amd64", "unread", "six/app", "dev/web")
        for tag, digest in sandbox.tags("contosoprod", name).items()
    }
    assert {**held, "bare": next(iter(sandbox.manifests("contosoprod", "bare")))} == digests

    updated, again, outdated, misfit, unwritten = run(plain, plain, {**locked, "lock": "check"}, longer, {**longer, "lock": "update"})
    assert updated["summary"]["updated"] == 10 and not again["changed"], updated
    assert nothing["summary"]["requests"] + 10 <= again["summary"]["requests"], "with the lock file, it takes fewer requests"
    headline, *differs = outdated["msg"].splitlines()
    assert headline == f"{path} is out of date. Run with lock: update, and review what changes."
    now = sandbox.tags(HUB, "locked/app")["1"]
    assert f"app:1 from {HUB}/locked/app:1 now has {now}, and had {digests['app:1']}." in differs
    assert len(differs) == 12, "what has no tag doesn't change: one digest goes, another comes"
    assert outdated["reason"] == "outdated" and not outdated["changed"]
    assert misfit["msg"].splitlines()[1:] == [f"locked/app:7 from {HUB}/locked/app:7 (entry 10): the file doesn't know it."]
    assert unwritten["msg"].splitlines() == [
        f"1 of 12 targets can't be locked, so {path} was not written.",
        f"locked/app:7 (entry 10): {HUB}/locked/app:7 does not exist.",
    ]
    assert unwritten["reason"] == "not_found" and path.read_text() == text
