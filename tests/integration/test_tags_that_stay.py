# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What users see of tags that must not change, and of those that must be put back."""
from __future__ import annotations

import json
from pathlib import Path

from tests.playbook import ROOT, run_playbook, run_tasks
from tests.sandbox.handle import Sandbox

APP = "contosodev.azurecr.test/team/app"
IMPORTER = "Container Registry Data Importer and Data Reader"


def test_immutable_images(sandbox: Sandbox) -> None:
    sandbox.knobs(retry_after=1, import_seconds=0.05)
    principal = sandbox.create_principal("cannot-lock", grants={"contosoprod": [IMPORTER], "contosodev": ["Reader", "AcrPull"]})
    importer = {"client_id": principal["client_id"], "secret": principal["secret"]}
    image = {"source": f"{APP}:1.0.0", "target": ["app:1"], "immutable": True}
    moved = {**image, "source": f"{APP}:2.0.0"}
    index = {**image, "source": "docker.io/library/hello-world:1.0", "untagged_repositories": ["hello"], "target": ["hello:1"]}
    other = {**image, "target": ["other:1"]}
    tasks = [{"images": [image, index]}, {"images": [image, index]}, {"images": [moved]}, {"images": [other], **importer}]
    run = run_tasks("acr_mirror", [{"registry": "contosoprod", **task} for task in tasks], sandbox.env, "--diff")
    first, second, third, fourth = (task["result"] for task in run.tasks)
    assert first["changed"] and [one["immutable"] for one in first["results"]] == [True] * 3, run.output
    digest = first["results"][0]["digest"]
    assert first["diff"][0]["after"]["app:1"] == f"{digest} (immutable)"
    assert not second["changed"] and {one["action"] for one in second["results"]} == {"none"} and second["diff"] == []
    assert [one["immutable"] for one in second["results"]] == [True] * 3
    assert third["reason"] == "locked" and "It is to be immutable" in third["msg"]
    assert sandbox.tags("contosoprod", "app") == {"1": digest}
    assert fourth["reason"] == "denied" and fourth["changed"] and "other:1 was imported, but could not be made" in fourth["msg"]
    assert "needs the right metadata/write" in fourth["msg"] and sandbox.tags("contosoprod", "other") == {"1": digest}
    patched = [entry["path"] for entry in sandbox.log() if entry["method"] == "PATCH"]
    assert len([path for path in patched if "/app/" in path]) == 2 and len([path for path in patched if "/hello/" in path]) == 2


def test_what_a_run_replaced_has_a_backup_and_can_be_put_back(sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.knobs(retry_after=1, import_seconds=0.05)
    old, new = ([f"{APP}:{version}" for version in versions] for versions in (("1.0.0", "1.1.0"), ("2.0.0", "2.1.0")))
    places = ["app:stable", "lost/app:stable"]

    def images(sources: list[str]) -> list[dict[str, str]]:
        return [{"source": source, "target": place, "backup": "{tag}-previous"} for source, place in zip(sources, places)]

    report = tmp_path / "mirror.json"
    listed = {"acr_mirror_registry": "contosoprod", "acr_mirror_report_json": str(report), "acr_mirror_trusted_services": "ignore"}
    mirrored = run_playbook([{
        "name": "Move the tags",
        "hosts": "localhost",
        "gather_facts": False,
        "tasks": [
            {"name": "Before", "registryops.acr.acr_mirror": {"registry": "contosoprod", "images": images(old)}},
            {"name": "After", "ansible.builtin.import_role": {"name": "registryops.acr.mirror"},
             "vars": {**listed, "acr_mirror_images": [*images(new), "docker.io/library/hello-world:1.0"]}},
        ],
    }], sandbox.env)  # fmt: skip
    assert mirrored.rc == 0, mirrored.output
    before = [one["previous_digest"] for one in json.loads(report.read_text())["results"][:2]]
    after = [sandbox.tags("contosoprod", place.partition(":")[0])["stable"] for place in places]
    assert sandbox.tags("contosoprod", "app") == {"stable": after[0], "stable-previous": before[0]}
    shown = [one.get("backup") for one in json.loads(report.read_text())["results"]]
    assert shown == [f"contosoprod.azurecr.test/{place}-previous" for place in places] + [None]
    sandbox.lose_manifest("contosoprod", "lost/app", before[1])
    variables = ROOT / "playbooks/vars/rollback.yml"
    arguments = ("registryops.acr.rollback", {**sandbox.env, "PWD": str(tmp_path)}, "-e", f"@{variables}")
    run = run_playbook(*arguments, "--check", "-e", json.dumps({"acr_mirror_blocked": before[:1]}))
    [result] = [task["result"] for task in run.tasks if task["task"] == "Put back"]
    assert [one["reason"] for one in result["results"]] == ["blocked", "not_found"], run.output
    for flags, holds in ((["--check"], after[0]), ([], before[0])):
        run = run_playbook(*arguments, *flags)
        assert run.rc == 2 and run.recap["changed"] == 0, run.output
        [result] = [task["result"] for task in run.tasks if task["task"] == "Put back"]
        assert [one["action"] for one in result["results"]] == ["update", "failed"] and result["changed"], run.output
        assert f"contosoprod.azurecr.test/lost/app@{before[1]} does not exist" in result["msg"]
        assert sandbox.tags("contosoprod", "app")["stable"] == holds
    assert sandbox.tags("contosoprod", "lost/app")["stable"] == after[1] and len(result["results"]) == 2
