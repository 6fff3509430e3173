# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filters images and rewrite, by real runs: from manifests to a mirror, and to manifests that name the mirror."""

from __future__ import annotations

import difflib
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.playbook import Run, run_playbook
from tests.sandbox.handle import Sandbox

MANIFESTS = """\
# Überall — {{ not a template }}\t
apiVersion: batch/v1
kind: CronJob
metadata: {name: 'nightly', annotations: {image: "nothing:1"}}
spec:
  jobTemplate:
    spec:
      template:
        spec:
          initContainers:
            - {name: init, image: "hello-world:1.0"} # 1
          containers:
            -   name: main
                image: >-
                  docker.io/library/busybox:1.37

                args: ['--helper=mcr.microsoft.com/dotnet/runtime:8.0.10', "{{ $labels.pod }}"]
---
kind: ConfigMap
apiVersion: v1
data:
  image: hello-world:1.1
...
---
web:
  image: {registry: docker.io, repository: library/hello-world, tag: latest}   # values
"""
COMPOSE = "services:\r\n  web: {image: 'hello-world:${TAG:-1.0}'}\r\n  app: {build: ., image: app}\r\n"
DOCKERFILE = "ARG TAG=8.0\nFROM mcr.microsoft.com/dotnet/runtime:$TAG AS base\nFROM base\nCOPY --from=busybox /bin/sh /bin/sh\n"
CHANGED = {"manifests.yml": 4, "compose.yml": 1, "Dockerfile": 2}


def play(sandbox: Sandbox, home: Path, *tasks: dict[str, Any], **variables: Any) -> Run:
    variables["home"] = str(home)
    content = {"name": "Test", "hosts": "localhost", "gather_facts": False, "vars": variables, "tasks": list(tasks)}
    path = home / "play.yml"
    path.write_text(yaml.safe_dump([content], sort_keys=False))
    return run_playbook(path, sandbox.env)


def test_from_manifests_to_a_mirror_and_back(sandbox: Sandbox, tmp_path: Path) -> None:
    texts = {"manifests.yml": MANIFESTS, "compose.yml": COMPOSE, "Dockerfile": DOCKERFILE}
    for name, text in texts.items():
        (tmp_path / name).write_bytes(text.encode())
    read = "lookup('ansible.builtin.file', home ~ '/' ~ item, rstrip=false)"
    files = ", ".join(f"home ~ '/{name}'" for name in texts)
    run = play(
        sandbox,
        tmp_path,
        {
            "registryops.acr.acr_mirror": {
                "registry": "contosoprod",
                "target_prefix": "mirror/",
                "images": "{{ query('ansible.builtin.file', " + files + ") | map('registryops.acr.images') | flatten | unique }}",
            },
            "register": "mirror",
        },
        {
            "ansible.builtin.copy": {
                "content": "{{ " + read + " | registryops.acr.rewrite(mirror.results, digest=true) }}",
                "dest": "{{ home }}/new-{{ item }}",
                "mode": "0644",
            },
            "loop": list(texts),
        },
        {
            "ansible.builtin.debug": {
                "msg": "{{ lookup('ansible.builtin.file', home ~ '/new-' ~ item) | registryops.acr.images }}"
            },
            "loop": list(texts),
        },
    )
    assert run.rc == 0, run.output
    mirrored = {row["source"]: f"{row['image']}@{row['digest']}" for row in run.tasks[0]["result"]["results"]}
    assert set(mirrored) == {
        "docker.io/library/hello-world:1.0", "docker.io/library/hello-world:latest", "docker.io/library/busybox:1.37",
        "docker.io/library/busybox:latest", "mcr.microsoft.com/dotnet/runtime:8.0.10", "mcr.microsoft.com/dotnet/runtime:8.0",
    }  # fmt: skip
    assert all(image.startswith("contosoprod.azurecr.test/mirror/") for image in mirrored.values())
    for name, text in texts.items():
        before, after = text.splitlines(True), (tmp_path / f"new-{name}").read_bytes().decode().splitlines(True)
        changed = [line for line in difflib.ndiff(before, after) if line[0] in "+-"]
        assert len(before) == len(after) and len(changed) == 2 * CHANGED[name]
    hello = mirrored["docker.io/library/hello-world:latest"].partition("latest@")
    manifests = (
        MANIFESTS.replace('"hello-world:1.0"', f'"{mirrored["docker.io/library/hello-world:1.0"]}"')
        .replace("docker.io/library/busybox:1.37", mirrored["docker.io/library/busybox:1.37"])
        .replace("mcr.microsoft.com/dotnet/runtime:8.0.10", mirrored["mcr.microsoft.com/dotnet/runtime:8.0.10"])
        .replace("registry: docker.io", "registry: contosoprod.azurecr.test")
        .replace("repository: library", "repository: mirror/library")
        .replace("tag: latest", f"tag: latest@{hello[2]}")
    )
    assert (tmp_path / "new-manifests.yml").read_bytes().decode() == manifests
    shown = [entry["source"] for item in run.result["results"] for entry in item["msg"]]
    assert len(shown) == 7 and set(shown) == set(mirrored.values())


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("'services: {a: {image: \"x:$TAG\"}}' | registryops.acr.images", "service a: image: 'x:$TAG' depends on TAG"),
        ("'image: nginx:1' | registryops.acr.rewrite([])", "docker.io/library/nginx:1 is in none of the results"),
        ("'manifests/web.yml' | registryops.acr.images", "Expected the text of manifests"),
        ("nothing | registryops.acr.images", "'nothing' is undefined"),
    ],
)
def test_failures_are_one_sentence(sandbox: Sandbox, tmp_path: Path, template: str, message: str) -> None:
    run = play(sandbox, tmp_path, {"ansible.builtin.debug": {"msg": "{{ " + template + " }}"}})
    assert run.rc != 0 and message in run.result["msg"], run.output
    assert "Traceback" not in run.output


def test_data_and_warnings(sandbox: Sandbox, tmp_path: Path) -> None:
    data = {"containers": [{"image": "nginx:1"}, {"image": "$(IMAGE)"}], "rule": {"expr": "x"}}
    row = {"source": "docker.io/library/nginx:1", "image": "c.test/nginx:1", "digest": None, "action": "keep"}
    run = play(
        sandbox,
        tmp_path,
        {"ansible.builtin.debug": {"msg": "{{ data | registryops.acr.images(unknown='warn') }}"}},
        {"ansible.builtin.debug": {"msg": "{{ data | registryops.acr.rewrite(results, missing='ignore') | to_json }}"}},
        data=data,
        results=[row],
    )
    assert run.rc == 0 and "containers[1].image: '$(IMAGE)'" in run.output.replace("\n", " "), run.output
    assert run.tasks[0]["result"]["msg"] == [{"source": "docker.io/library/nginx:1"}]
    after = run.result["msg"] if isinstance(run.result["msg"], dict) else json.loads(run.result["msg"])
    assert after == {**data, "containers": [{"image": "c.test/nginx:1"}, {"image": "$(IMAGE)"}]}
