# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What users see of tags that must not change."""
from __future__ import annotations

from tests.playbook import run_tasks
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
