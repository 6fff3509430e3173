# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists as people have them: short entries, what is chosen among tags, where it goes, what is told of what was left out."""
from __future__ import annotations

from typing import Any

import pytest

from tests.playbook import run_playbook, run_tasks
from tests.sandbox.handle import Sandbox

DEV_HOST = "contosodev.azurecr.test"
SECRET = "marked-secret-5fd1c0"

# What is asked for, and what becomes of it: actions by target, and words of the message if it fails.
CASES: dict[str, tuple[dict[str, Any], dict[str, str], str]] = {
    "text, the same twice, and a comment": (
        {
            "default_host": "docker.io",
            "images": [
                "busybox:1.36", {"source": "docker.io/library/busybox:1.36", "comment": {"for": "jobs"}}, "busybox:1.36",
                {"source": f"{DEV_HOST}/team/app:1.0.0", "source_password": SECRET, "target": ["text/app:1"]},
            ],
        },
        {"library/busybox:1.36": "import", "text/app:1": "failed"}, "text/app:1",
    ),
    "exact tags, one of which does not exist": (
        {"images": [{"source": f"{DEV_HOST}/team/app", "target": ["names"], "tags": {"names": ["1.0.0", "1.0.1", "none"]}}]},
        {"names:1.0.0": "import", "names:1.0.1": "import", "names:none": "failed"}, "team/app:none does not exist",
    ),
    "names that are made from the source's": (
        {"target_prefix": "{host}/", "images": [
            {"source": f"{DEV_HOST}/team/app", "target": ["{name}:{tag}-dev"], "tags": {"names": ["1.0.0"]}},
            {"source_registry": "contosodev", "target": ["flat/{name}"], "repositories": {"include": ["samples/*"]}},
            "docker.io/library/busybox:1.36",
        ]},
        {f"{DEV_HOST}/app:1.0.0-dev": "import", f"{DEV_HOST}/flat/aci-helloworld:latest": "import",
         "docker.io/library/busybox:1.36": "import"},
        "",
    ),
    "names that can't be": (
        {"images": [{"source": "docker.io/library/busybox:1.36", "target": ["{registry}/busybox"]}]}, {}, "unknown placeholder {registry}",
    ),
    "the registry's own name": (
        {"images": [{"source": "docker.io/library/busybox:1.36", "target": ["contosoprod.azurecr.test/busybox"]}]}, {},
        "must not name the registry to import into",
    ),
    "a repository that is left empty": (
        {"images": [{"source_registry": "contosodev", "target": ["empty/{name}"], "repositories": {"include": ["team/*", "samples/*"]},
                     "tags": {"semver": "3.9.9"}}]},
        {"empty/app:3.9.9": "import"}, "",
    ),
    "by expression, in any of some ranges, and by time": (
        {"images": [
            {"source": f"{DEV_HOST}/team/app", "target": ["match"],
             "tags": {"match": r"(?P<version>3\.9\.\d)", "semver": ["3.9.1", ">=3.9.8"], "newest": 2}},
            {"source": f"{DEV_HOST}/samples/aci-helloworld", "target": ["time"], "tags": {"newest": 1, "order": "time"}},
            {"source": "docker.io/library/busybox", "target": ["hub"], "tags": {"newest": 1, "order": "time"}},
        ]},
        {"match:3.9.8": "import", "match:3.9.9": "import", "time:latest": "import", "hub:*": "failed"},
        "order: time needs an Azure registry",
    ),
    "a regular expression among the patterns": (
        {"images": [{"source": f"{DEV_HOST}/team/app", "tags": {"include": ["^1[.].*$"]}}]}, {}, "put it under match",
    ),
    "short names without a host that stands in": ({"images": ["busybox:1.36"]}, {}, "doesn't name a registry"),
}  # fmt: skip


def test_lists(sandbox: Sandbox) -> None:
    """All in one play."""
    run = run_tasks("acr_mirror", [{"registry": "contosoprod", **given} for given, _actions, _says in CASES.values()], sandbox.env, "-vvv")
    assert SECRET not in run.output and SECRET not in str(run.tasks)
    for name, task, (_given, actions, says) in zip(CASES, run.tasks, CASES.values(), strict=True):
        result = task["result"]
        found = {one["image"].partition("/")[2]: one["action"] for one in result.get("results", [])}
        assert found == actions, (name, result)
        if name == "a repository that is left empty":
            chosen = {one["source"].partition("/")[2]: one for one in result["selections"]}
            assert chosen["team/app"]["selected"] == ["3.9.9"] and chosen["samples/aci-helloworld"]["selected"] == []
            assert [one["rule"] for one in chosen["team/app"]["dropped"]] == ["semver"]
            warning = "Entry 1 of images selects no tag of contosodev.azurecr.test/samples/aci-helloworld. Dropped: 1 by version (latest)."
            assert result["warnings"] == [warning]
        assert says in result.get("msg", "") and bool(says) == ("msg" in result), (name, result)


@pytest.mark.any_version
def test_the_role_takes_text(sandbox: Sandbox) -> None:
    images = ["busybox:1.36", {"source": "busybox:1.36"}, f"{DEV_HOST}/samples/aci-helloworld:latest"]
    variables = {"acr_mirror_registry": "contosoprod", "acr_mirror_images": images, "acr_mirror_default_host": "docker.io"}
    play = {"name": "Test", "hosts": "localhost", "connection": "local", "gather_facts": False}
    run = run_playbook([{**play, "roles": [{"role": "registryops.acr.mirror", "vars": variables}]}], sandbox.env)
    assert run.rc == 0, run.output
    mirrored = [task["result"]["results"] for task in run.tasks if task["task"].endswith("Mirror the images")]
    assert [[one["action"] for one in results] for results in mirrored] == [["import", "import"]]
