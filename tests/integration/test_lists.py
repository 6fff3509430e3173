# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists as people have them: short entries, what is chosen among tags, where it goes, what is told of what was left out."""
from __future__ import annotations

import re
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


# Two of each kind: what is written, and words of the sentence.
MISTAKES: dict[str, list[tuple[Any, str]]] = {
    "misspelt option": [
        ({"sorce": "docker.io/library/busybox:1.36"}, "sorce isn't an option; did you mean source?"),
        ({"source": f"{DEV_HOST}/team/app", "tags": {"semvr": ">=1"}}, "tags.semvr isn't an option; did you mean semver?"),
    ],
    "option in the wrong place": [
        ({"source": "docker.io/library/busybox:1.36", "password": f"{SECRET}-1"},
         "password isn't an option; did you mean source_password?"),
        ({"source": f"{DEV_HOST}/team/app", "newest": 3}, "newest isn't an option; it belongs under tags."),
    ],
    "nothing": [(None, "null can't be read"), ("", "source is empty")],
    "no source": [({"target": ["a:1"]}, "source is empty"), ({"comment": "later"}, "source is empty")],
    "wrong type": [
        ({"source": f"{DEV_HOST}/team/app", "tags": {"newest": "three"}}, "tags.newest must be a whole number, not 'three'."),
        ({"source": "docker.io/library/busybox:1.36", "source_password": [SECRET + "-2"]}, "source_password must be text, not a list."),
    ],
    "wrong choice": [
        ({"source": "docker.io/library/busybox:1.36", "if_exists": "kep"}, "if_exists must be update, keep, fail or reimport, not 'kep'."),
        ({"source": f"{DEV_HOST}/team/app", "tags": {"order": "size"}}, "tags.order must be version or time, not 'size'."),
    ],
    "number": [
        ({"source": f"{DEV_HOST}/team/app", "tags": {"include": [3.10]}}, "tags.include must be text, but 3.1 was read as a number"),
        (3.10, "3.1 can't be read"),
    ],
    "no image": [
        ("docker.io/library/Busybox:1.36", "has an invalid repository name 'library/Busybox'; it must be lowercase."),
        ("docker.io/library/busybox@sha256:1", "has an invalid digest"),
    ],
    "no host": [("busybox:1.36", "doesn't name a registry"), ("library/busybox", "doesn't name a registry")],
    "address": [
        ("https://docker.io/library/busybox:1.36", "must not start with 'https://'"),
        (f"https://me:{SECRET}-3@docker.io/library/busybox:1.36", "must not contain a user name or password"),
    ],
    "range, pattern, or expression": [
        ({"source": f"{DEV_HOST}/team/app", "tags": {"semver": "newer"}}, "semver 'newer' is invalid"),
        ({"source": f"{DEV_HOST}/team/app", "tags": {"include": ["^1.*"]}}, "looks like a regular expression; put it under match."),
    ],
    "what doesn't go together": [
        ({"source": "docker.io/library/busybox@sha256:" + 64 * "a", "tags": {"newest": 1}}, "names one image, but tags selects others"),
        ({"source": "docker.io/library/busybox:1.36", "verify": False, "platform": "linux/amd64"}, "platform needs verify: true"),
    ],
    "repositories or registry": [
        ({"repositories": {"include": ["*"]}}, "name it in source_registry"),
        ({"source": "team/app:1.0.0", "source_registry": "no_name"}, "'no_name' isn't the name of a registry"),
    ],
    "target": [
        ({"source": "docker.io/library/busybox:1.36", "target": ["{repo}"]}, "has an unknown placeholder {repo}"),
        ({"source": "docker.io/library/busybox:1.36", "target": ["contosoprod.azurecr.test/a"]}, "must not name the registry to import"),
    ],
    "two for one target": [
        ({"source": "docker.io/library/busybox:1.37", "target": ["good:9"]}, "good:9 is wanted twice: from docker.io/library/busybox:1.36"),
        ({"source": "docker.io/library/busybox:1.36", "target": ["good:19"], "repair": True}, "wanted twice, with different options"),
    ],
}  # fmt: skip


def test_all_mistakes_of_a_long_list_are_told_before_anything_is_imported(sandbox: Sandbox) -> None:
    """By the module and by the role: one sentence for each mistake, with the number of its entry."""
    wrong = [mistake for kind in MISTAKES.values() for mistake in kind]
    images: list[Any] = [{"source": "docker.io/library/busybox:1.36", "target": [f"good:{number}"]} for number in range(1, 301)]
    expected = {10 * count: says for count, (_entry, says) in enumerate(wrong, 1)}
    for count, (entry, _says) in enumerate(wrong, 1):
        images[10 * count - 1] = entry
    module = {"name": "Module", "registryops.acr.acr_mirror": {"registry": "contosoprod", "images": images}, "ignore_errors": True}
    role = {"ansible.builtin.include_role": {"name": "registryops.acr.mirror"}}
    variables = {"acr_mirror_registry": "contosoprod", "acr_mirror_images": images}
    play = {"name": "Test", "hosts": "localhost", "connection": "local", "gather_facts": False, "vars": variables}
    run = run_playbook([{**play, "tasks": [module, role]}], sandbox.env, "-vvv")
    assert SECRET not in run.output and SECRET not in str(run.tasks)
    failed = [task["result"] for task in run.tasks if task["status"] == "failed"]
    assert len(failed) == 2 and run.rc == 2, run.output
    for result in failed:
        assert result["reason"] == "invalid" and "results" not in result
        lines = result["msg"].splitlines()
        assert len(lines) == len(wrong) == 30, result["msg"]
        for line in lines:
            (number,) = re.findall(r"^Entry (\d+)(?: \(.*?\))?: |(?:\(entry|entries \d+ and) (\d+)\)\. Remove", line)
            assert expected[int("".join(number))] in line, line
        assert len({"".join(re.findall(r"\d+", line)[:1]) for line in lines}) > 25
    asked = [line["host"] + line["path"] for line in sandbox.log()]  # signing in begins before the list is read
    assert not sandbox.operations() and all(url.startswith("login.") or "/metadata/endpoints" in url for url in asked), asked


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
