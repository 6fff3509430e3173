# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guides "Coming from other tools" and "Lists from elsewhere": all tasks are run twice. After the first run, the registry
holds what the other tools would have put there, as they read the inputs that the guide shows; the second run is quiet."""
from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Iterator
from operator import eq, ge, gt, le, lt
from pathlib import Path
from typing import Any, Callable

import yaml

from tests.pages import blocks_of
from tests.playbook import ROOT, run_playbook
from tests.sandbox.handle import Sandbox

DOMAIN = "contosoprod.azurecr.test/"
DEV = "contosodev.azurecr.test"
DEV_REPOSITORIES = ("aci-helloworld", "charts/web", "samples/aci-helloworld", "signed/app", "team/app")
MIRROR = "registryops.acr.acr_mirror"
OPERATORS = {">=": ge, ">": gt, "<=": le, "<": lt, "=": eq}

Copies = dict[str, str]  # repository:tag in the target → digest


class Sources:
    """What the source registries hold."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def tags(self, repository: str) -> dict[str, str]:
        """``{tag: digest}`` of ``host/repository``; Docker Hub's short names as other tools complete them."""
        host, _slash, path = repository.partition("/")
        if "." not in host:
            host, path = "docker.io", repository if path else f"library/{repository}"
        found = self._sandbox.tags({"docker.io": "registry-1.docker.io"}.get(host, host.removesuffix(".azurecr.test")), path)
        assert found, f"{repository} is empty"
        return found

    def digest(self, image: str) -> str:
        repository, _colon, tag = image.partition(":")
        return self.tags(repository)[tag]

    def of_platform(self, repository: str, architecture: str) -> dict[str, str]:
        """``{tag: digest}``, of the image for one architecture each."""
        host, _slash, path = repository.partition("/")
        manifests = self._sandbox.manifests({"docker.io": "registry-1.docker.io"}[host], path)
        order = ["amd64", "arm64", "arm"]  # as seeded
        return {tag: manifests[digest]["children"][order.index(architecture)] for tag, digest in self.tags(repository).items()}


def within(tag: str, constraint: str, tolerant: bool = False) -> bool:
    """Whether a tag with three numbers is in a range such as ``>=1.2.3 <2.0.0``, as all the tools understand it. *tolerant*:
    numbers may be missing."""
    version = re.fullmatch(r"v?(\d+)(?:\.(\d+))?(?:\.(\d+))?" if tolerant else r"v?(\d+)\.(\d+)\.(\d+)", tag)
    tests = re.findall(r"([<>=]+)\s*(\d+)\.(\d+)\.(\d+)", constraint)
    assert tests and len(tests) == len(re.findall(r"[<>=]+", constraint))
    numbers = [int(part or 0) for part in version.groups()] if version else []
    return bool(numbers) and all(OPERATORS[operator](numbers, [int(part) for part in parts]) for operator, *parts in tests)


# ---- what other tools do with the inputs ----------------------------------------------------------------------------


def regsync(text: str, sources: Sources) -> Copies:
    """Entries for images, repositories and registries. Expressions must match the whole name. A tag must fit all of ``tags``, or
    all of any of ``tagSets``."""

    def fits(name: str, rules: dict[str, Any]) -> bool:
        allowed, ranges = rules.get("allow"), rules.get("semverRange")
        return (
            (allowed is None or any(re.fullmatch(one, name) for one in allowed))
            and not any(re.fullmatch(one, name) for one in rules.get("deny", []))
            and (ranges is None or any(within(name, one) for one in ranges))
        )

    def copies() -> Iterator[tuple[str, str]]:
        for step in yaml.safe_load(text)["sync"]:
            target = step["target"] + "/"
            assert target.startswith(DOMAIN)
            if step["type"] == "image":
                yield target[len(DOMAIN) : -1], sources.digest(step["source"])
                continue
            repositories = {step["source"]: target[len(DOMAIN) :].rstrip("/")}
            if step["type"] == "registry":
                assert step["source"] == DEV and target == DOMAIN
                repositories = {f"{DEV}/{one}": one for one in DEV_REPOSITORIES if fits(one, step["repos"])}
            for source, repository in repositories.items():
                for tag, digest in sources.tags(source).items():
                    if any(fits(tag, rules) for rules in step.get("tagSets", [step.get("tags", {})])):
                        named = re.sub(r"\{\{ *\.Source\.Tag *\}\}", tag, step.get("targetTag", tag))
                        yield f"{repository}:{named}", digest

    return dict(copies())


def skopeo(text: str, sources: Sources) -> Copies:
    """A file whose images are copied with ``--scoped``. Expressions match anywhere."""

    def copies() -> Iterator[tuple[str, str]]:
        for host, content in yaml.safe_load(text).items():
            chosen: dict[str, Callable[[str], Any]] = {}
            chosen |= {name: (lambda tag, tags=tags: not tags or tag in tags) for name, tags in content.get("images", {}).items()}
            chosen |= {name: re.compile(one).search for name, one in content.get("images-by-tag-regex", {}).items()}
            chosen |= {
                name: (lambda tag, one=one: within(tag, one)) for name, one in content.get("images-by-semver", {}).items()
            }
            for name, fits in chosen.items():
                for tag, digest in sources.tags(f"{host}/{name}").items():
                    if fits(tag):
                        yield f"skopeo/{host}/{name}:{tag}", digest

    return dict(copies())


def skopeo_command(text: str, sources: Sources) -> Copies:
    """All tags of one repository, for one platform, as the last part of its name."""
    *options, source, target = shlex.split(text.replace("\\\n", " "))
    assert options[:2] == ["skopeo", "--override-os"] and "--all" not in options and "--scoped" not in options
    architecture, suffix = (options[options.index(name) + 1] for name in ("--override-arch", "--append-suffix"))
    place = f"{target}/{source.rpartition('/')[2]}".removeprefix(DOMAIN)
    return {f"{place}:{tag}{suffix}": digest for tag, digest in sources.of_platform(source, architecture).items()}


def dregsy(text: str, sources: Sources) -> Copies:
    """Mappings: a tag is copied if it satisfies any of the filters, as a whole. A path with an expression replaces parts of the
    name, and any other comes before the name that an expression matched. Otherwise, the path is the name of the repository."""

    def fits(tag: str, filters: list[str]) -> bool:
        kinds = {"semver:": lambda one: within(tag, one, tolerant=True), "regex:": lambda one: re.fullmatch(one.strip(), tag)}
        return not filters or any(
            next((test(one.removeprefix(kind)) for kind, test in kinds.items() if one.startswith(kind)), tag == one)
            for one in filters
        )

    def copies() -> Iterator[tuple[str, str]]:
        for task in yaml.safe_load(text)["tasks"]:
            assert task["target"]["registry"] + "/" == DOMAIN
            for mapping in task["mappings"]:
                expression, before = mapping["from"].removeprefix("regex:"), mapping.get("to", "")
                matched = expression != mapping["from"]
                assert mapping["platform"] == "all" and (not matched or task["source"]["registry"] == DEV)
                for name in [one for one in DEV_REPOSITORIES if re.fullmatch(expression, one)] if matched else [expression]:
                    place = before or name
                    if before.startswith("regex:"):
                        old, new = before.removeprefix("regex:").split(",")
                        place = re.sub(old, new, name)
                    elif matched:
                        place = f"{before}/{name}"
                    for tag, digest in sources.tags(f"{task['source']['registry']}/{name}").items():
                        if fits(tag, mapping.get("tags", [])):
                            yield f"{place}:{tag}", digest

    return dict(copies())


def image_syncer(text: str, sources: Sources) -> Copies:
    """``repository[:tag,…]`` to ``repository[:tag]``; an empty target means the namespace that the command names."""
    found = {}
    for source, target in json.loads(text).items():
        repository, _colon, tags = source.partition(":")
        place, _colon, tag = (target or f"{DOMAIN}syncer/{repository.rpartition('/')[2]}").removeprefix(DOMAIN).partition(":")
        for name in tags.split(",") if tags else sources.tags(repository):
            found[f"{place}:{tag or name}"] = sources.digest(f"{repository}:{name}")
    return found


def az_list(text: str, sources: Sources) -> Copies:
    return {image.partition("/")[2]: sources.digest(image) for image in text.split()}


def az_releases(text: str, sources: Sources) -> Copies:
    rows = [line.split(",") for line in text.split()]
    return {target: sources.digest(f"{DEV}/{source}") for source, target in rows}


def ansible_module(text: str, sources: Sources) -> Copies:
    (task,) = yaml.safe_load(text)
    module = json.dumps(task["azure.azcollection.azure_rm_containerregistrytag"])
    found = {}
    for item in task["loop"]:
        given = json.loads(re.sub(r"\{\{ item\.(\w+) \}\}", lambda match: item[match[1]], module))
        source = "{registry_uri}/{repository}:{name}".format(**given["source_image"])
        found[f"{given['repository_name']}:{given['name']}"] = sources.digest(source)
    return found


INPUTS: dict[str, Callable[[str, Sources], Copies]] = {
    "regsync.yml": regsync,
    "regsync-registry.yml": regsync,
    "skopeo.yml": skopeo,
    "skopeo.sh": skopeo_command,
    "dregsy.yml": dregsy,
    "dregsy-regex.yml": dregsy,
    "images.json": image_syncer,
    "hub.txt": az_list,
    "releases.csv": az_releases,
    "import.yml": ansible_module,
}
HOW = {"skopeo-yaml.sh", "image-syncer.sh", "hub.sh", "releases.sh"}  # how some of them are used

# What "Lists from elsewhere" mirrors: repositories and tags by prefix.
LISTS = {
    "text": "library/busybox:1.37 library/hello-world:latest dotnet/runtime:8.0",
    "csv": "tools/busybox:1.36 dotnet:6.0-lts",
    "json": "library/hello-world:1.0 library/hello-world:1.1 dotnet/runtime:8.0",
    "computed": "library/busybox:latest library/hello-world:latest",
    "manifests": "library/busybox:1.37 dotnet/runtime:8.0",
    "helm": "library/hello-world:1.0",
    "builds": "library/busybox:1.36 dotnet/runtime:8.0",
    "by-host": f"docker.io/library/busybox:1.37 mcr.microsoft.com/runtime:8.0-approved mcr.microsoft.com/runtime:6.0-approved "
    f"{DEV}/flat/aci-helloworld:latest",
    "chosen": "library/busybox:1.36 library/busybox:latest team/app:1.9.9 team/app:3.9.9 dotnet/runtime:6.0.35 "
    "dotnet/runtime:6.0.36 dotnet/runtime:6.0 dotnet/runtime:8.0.10 aci-helloworld:v2 charts/web:0.2.0 "
    "library/hello-world:1.0",
}


def read(guide: str, home: Path) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """The files that a guide shows, which are written to *home*, and its tasks."""
    files: dict[str, str] = {}
    tasks: list[dict[str, Any]] = []
    for block in blocks_of(ROOT / f"docs/docsite/rst/{guide}.rst"):
        text = block.text.replace(".azurecr.io", ".azurecr.test").replace("[.]azurecr[.]io", "[.]azurecr[.]test")
        if block.file:
            assert block.file not in files
            files[block.file] = text.rstrip("\n") + "\n"
            (home / block.file).write_text(files[block.file])
        elif block.language == "yaml+jinja":
            tasks += yaml.safe_load(text)
    return files, [task for task in tasks if not any(name.startswith("azure.") for name in task)]


def mirrored(tasks: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    for task in tasks:
        if "summary" in task["result"]:
            yield task["result"]["results"]


def test_what_other_tools_would_have_put_there(sandbox: Sandbox, tmp_path: Path) -> None:
    files, tasks = read("guide_coming_from", tmp_path)
    lists, more = read("guide_lists", tmp_path)
    assert set(files) == {*INPUTS, *HOW} and len(INPUTS) == 10 and not set(files) & set(lists)
    play = {"name": "Test", "hosts": "localhost", "gather_facts": False, "tasks": tasks + more}
    play["vars"] = {"docker_hub_user": "dockeruser", "docker_hub_token": "dockerpass"}
    playbook = tmp_path / "guides.yml"
    playbook.write_text(yaml.safe_dump([play], sort_keys=False))
    first, second = (run_playbook(playbook, sandbox.env) for _run in range(2))

    for run in (first, second):
        assert run.rc == 0 and len(run.tasks) == len(tasks + more), run.output
        assert "WARNING" not in run.output.upper() and not any("warnings" in task["result"] for task in run.tasks), run.output
    assert second.recap["changed"] == 0
    results = list(mirrored(first.tasks))
    assert len(results) == len(list(mirrored(second.tasks))) == len(INPUTS) + len(LISTS)

    # Each input by itself, in the order of the guide, and then what is in the registry.
    sources = Sources(sandbox)
    expected: Copies = {}
    for (name, meaning), found in zip(INPUTS.items(), results):
        copies = meaning(files[name], sources)
        assert {one["image"].removeprefix(DOMAIN): one["digest"] for one in found} == copies, name
        assert copies and not set(expected) & set(copies)
        expected |= copies
    for found in results[len(INPUTS) :]:
        prefix = found[0]["image"].removeprefix(DOMAIN).partition("/")[0]
        listed = {one["image"].removeprefix(f"{DOMAIN}{prefix}/"): one["digest"] for one in found}
        assert set(listed) == set(LISTS[prefix].split()), prefix
        assert not any(image.startswith(f"{prefix}/") for image in expected)
        expected |= {f"{prefix}/{image}": digest for image, digest in listed.items()}
    repositories = {image.rpartition(":")[0] for image in expected}
    held = {f"{name}:{tag}": digest for name in repositories for tag, digest in sandbox.tags("contosoprod", name).items()}
    assert held == expected

    manifests = lists["web.yml"]
    for image, source in (("busybox:1.37", "docker.io/library/busybox:1.37"), ("mcr.microsoft.com/dotnet/runtime:8.0",) * 2):
        name = source.partition("/")[2]
        manifests = manifests.replace(image, f"{DOMAIN}manifests/{name}@{sources.digest(source)}")
    assert (tmp_path / "web-mirrored.yml").read_text() == manifests
