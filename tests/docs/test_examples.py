# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every example that users read: YAML is what Ansible takes, commands name what is there."""
from __future__ import annotations

import ast
import json
import re
import shlex
import subprocess
from functools import lru_cache
from pathlib import Path
from typing import Any, Iterable, Iterator

import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.registryops.acr.plugins.module_utils._arguments import read_list
from ansible_collections.registryops.acr.plugins.module_utils._options import parse_entries
from tests.pages import Block, blocks_of
from tests.playbook import ANSIBLE_BIN, ROOT, environment
from tests.signing import Notary, Sigstore, new_key, public_pem

COLLECTION = "registryops.acr"
OTHERS = "azure.azcollection."  # modules of the guide that leads away from them; they need not be installed here
PLACES = ("*.md", "docs/**/*.md", "docs/**/*.rst", "playbooks/**/*.md", "roles/**/*.md")
PAGES = sorted(page for place in PLACES for page in ROOT.glob(place))
PLUGINS = sorted(path for kind in ("modules", "inventory", "lookup", "filter") for path in ROOT.glob(f"plugins/{kind}/*.py"))
# What templates in signed_by stand for.
SIGNERS = {"key": public_pem(new_key()), "certificate": Notary().pem, "trust_root": Sigstore().trust_root()}
TASK_KEYWORDS = {
    "name", "register", "vars", "loop", "loop_control", "when", "check_mode", "changed_when", "failed_when", "environment",
    "tags", "delegate_to", "run_once",
}  # fmt: skip


def examples_of(path: Path) -> Block:
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "EXAMPLES":
            return Block(str(path.relative_to(ROOT)), "yaml", ast.literal_eval(node.value))
    raise AssertionError(f"{path} has no EXAMPLES")


SPECS = yaml.safe_load((ROOT / "roles/mirror/meta/argument_specs.yml").read_text())["argument_specs"]["main"]
# Files that a page shows are not for Ansible; tests/integration/test_coming_from.py has the tasks that read them run.
BLOCKS = [block for page in PAGES for block in blocks_of(page) if not block.file]
YAML = [
    *(block for block in BLOCKS if block.language.startswith("y")),
    *map(examples_of, PLUGINS),
    Block("roles/mirror/meta/argument_specs.yml", "yaml", SPECS["examples"]),
    *(Block(str(path.relative_to(ROOT)), "yaml", path.read_text()) for path in sorted(ROOT.glob("playbooks/vars/*.yml"))),
]
SHELL = [block for block in BLOCKS if block.language in ("sh", "shell", "bash")]


# ---- what Ansible knows -------------------------------------------------------------------------------------------------


@lru_cache(maxsize=None)
def described(kind: str) -> dict[str, Any]:
    """What ansible-doc tells of all plugins of a kind that are ours or that examples use, by their names."""
    names = {f"{COLLECTION}.{path.stem}" for path in PLUGINS if path.parent.name.rstrip("s") == kind}
    if kind == "module":
        names |= {name for block in YAML for task in tasks_in(block) for name in [module_of(task)]}
    if kind == "lookup":
        names |= {name for block in YAML for name in re.findall(r"(?:lookup|query)\(\s*'([^']+)'", block.text)}
    names = {name for name in names if not name.startswith(OTHERS)}
    done = subprocess.run(
        [str(ANSIBLE_BIN / "ansible-doc"), "--json", "-t", kind, *sorted(names)],
        env=environment(ROOT / ".build/home", {}),
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    assert set(found) == names, f"Ansible knows no {kind} {', '.join(sorted(names - set(found)))}"
    return found


def options_of(kind: str, name: str) -> dict[str, Any]:
    options: dict[str, Any] = described(kind)[name]["doc"]["options"]
    return options


def spec_of(options: dict[str, Any]) -> dict[str, Any]:
    """The argument spec that documented options stand for."""
    spec = {}
    for name, option in options.items():
        spec[name] = {key: option[key] for key in ("type", "elements", "choices", "required", "aliases") if key in option}
        inner = option.get("suboptions") or option.get("options")
        if inner:
            spec[name]["options"] = spec_of(inner)
    return spec


def filled(value: Any, spec: dict[str, Any]) -> Any:
    """The value, with templates replaced by something of the right type."""
    if isinstance(value, str) and "{{" in value:
        samples = {"int": 1, "bool": True, "float": 1.0, "list": [], "dict": {}}
        return spec["choices"][0] if spec.get("choices") else samples.get(spec.get("type", "str"), value)
    if isinstance(value, dict):
        return {key: filled(entry, spec.get("options", {}).get(key, {})) for key, entry in value.items()}
    if isinstance(value, list):
        element = {**spec, "type": spec.get("elements", "str")}
        return [filled(entry, element) for entry in value]
    return value


def check(values: dict[str, Any], options: dict[str, Any], *, complete: bool = True) -> None:
    """Has Ansible check values against documented options, templates apart."""
    spec = spec_of(options)
    if not complete:
        spec = {name: {**option, "required": False} for name, option in spec.items()}
    if "images" in values:
        values, told = read_list(values)
        assert not told, told
    result = ArgumentSpecValidator(spec).validate({name: filled(value, spec.get(name, {})) for name, value in values.items()})
    assert not result.error_messages, result.error_messages


def parse(values: dict[str, Any]) -> None:
    """Reads images as the modules do: references, ranges, and what goes with what."""
    text = re.sub(r"@(sha256:)?\{\{.*?\}\}", "@sha256:" + 64 * "0", json.dumps(values))
    for name, sample in SIGNERS.items():
        text = re.sub(rf'(?<="{name}": )"\{{\{{.*?\}}\}}"', lambda _found: json.dumps(sample), text)
    plain = json.loads(re.sub(r"\{\{.*?\}\}", "x", text))
    if plain.get("images") is None:  # all else must make sense as well
        plain["images"] = ["docker.io/library/busybox:1.37"]
    if not isinstance(plain.get("images"), list):
        return  # a template as a whole
    lists = ("target", "untagged_repositories")
    written = [{"source": image} if isinstance(image, str) else image for image in plain["images"]]
    images = [dict(image, **{name: _list(image.get(name)) for name in lists}) for image in written]
    others = [plain.get(name) for name in ("defaults", "credentials", "target_prefix")]
    parse_entries(images, *others, "azurecr.io", plain.get("default_host"), blocked=plain.get("blocked"))


def _list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


# ---- YAML -----------------------------------------------------------------------------------------------------------


def documents(block: Block) -> list[Any]:
    return [document for document in yaml.safe_load_all(block.text) if document is not None]


def plays_in(block: Block) -> list[dict[str, Any]]:
    """The plays of a block; a list of tasks makes one."""
    plays: list[dict[str, Any]] = []
    for document in documents(block):
        if isinstance(document, list) and any("hosts" in entry for entry in document):
            plays += document
        elif isinstance(document, list):
            plays.append({"name": block.place, "hosts": "localhost", "gather_facts": False, "tasks": document})
    return plays


def tasks_in(block: Block) -> Iterator[dict[str, Any]]:
    for play in plays_in(block):
        yield from play.get("tasks", [])


def module_of(task: dict[str, Any]) -> str:
    names = set(task) - TASK_KEYWORDS
    assert len(names) == 1, f"not one module in {task}"
    name = names.pop()
    assert name.count(".") == 2, f"{name} is no full name of a module"
    return name


def playbook_variables() -> set[str]:
    return {name for path in ROOT.glob("playbooks/**/*.yml") for name in re.findall(r"\bacr_[a-z_]+\b", path.read_text())}


def check_variables(values: dict[str, Any], *, complete: bool = False) -> None:
    """Variables of the role, or of a playbook."""
    role = {name: value for name, value in values.items() if name.startswith("acr_mirror_")}
    check(role, SPECS["options"], complete=complete)
    unknown = set(values) - set(role) - playbook_variables()
    assert not unknown, f"no playbook uses {', '.join(sorted(unknown))}"
    options = options_of("module", f"{COLLECTION}.acr_mirror")
    given = {name: values.get(f"acr_mirror_{name}") for name in ("images", "defaults", "credentials", "blocked")}
    given["images"] = values.get("acr_images", given["images"])
    if "acr_from" in values:
        given["defaults"] = {"source_registry": values["acr_from"]}
    check({name: value for name, value in given.items() if value is not None}, options, complete=False)
    parse(given)


def check_task(task: dict[str, Any], defaults: dict[str, Any]) -> None:
    name = module_of(task)
    if name.startswith(OTHERS):
        return
    if name == "ansible.builtin.import_role":
        assert task[name] == {"name": f"{COLLECTION}.mirror"}
        check_variables(task.get("vars", {}))
        return
    group = defaults.get(f"group/{COLLECTION}.acr", {}) if name.startswith(COLLECTION) else {}
    if name != "ansible.builtin.set_fact":  # that takes any names
        check({**group, **task[name]}, options_of("module", name))
    if name == f"{COLLECTION}.acr_mirror":
        parse(task[name])
    if name == f"{COLLECTION}.acr_import":
        parse({"images": [task[name]]})


def check_inventory(content: dict[str, Any]) -> None:
    allowed = {"ansible_connection", "ansible_python_interpreter", *SPECS["options"]}
    assert set(content) == {"all"} and set(content["all"]) <= {"hosts", "vars", "children"}
    variables = [content["all"].get("vars"), *content["all"]["hosts"].values()]
    unknown = {name for several in variables for name in several or {}} - allowed
    assert not unknown, f"{unknown} mean nothing here"


@pytest.mark.parametrize("block", YAML, ids=str)
def test_yaml_is_what_ansible_takes(block: Block) -> None:
    assert documents(block)
    for document in documents(block):
        if isinstance(document, list):
            continue
        if "plugin" in document:
            check(document, options_of("inventory", document["plugin"]))
        elif "all" in document:
            check_inventory(document)
        else:
            check_variables(document)
    for play in plays_in(block):
        for entry in play.get("roles", []):
            assert entry["role"] == f"{COLLECTION}.mirror"
            check_variables(entry["vars"], complete=True)
        for task in play.get("tasks", []):
            check_task(task, play.get("module_defaults", {}))


def test_ansible_reads_all_plays_and_tasks(tmp_path: Path) -> None:
    """One syntax check over all examples: keywords, modules and roles are there, and templates can be parsed."""
    plays = [dict(play) for block in YAML for play in plays_in(block)]
    for play in plays:
        if "tasks" in play:
            play["tasks"] = [task for task in play["tasks"] if not module_of(task).startswith(OTHERS)]
    assert len(plays) > 20
    path = tmp_path / "examples.yml"
    path.write_text(yaml.safe_dump(plays, sort_keys=False))
    done = subprocess.run(
        [ANSIBLE_BIN / "ansible-playbook", "--syntax-check", path],
        env=environment(tmp_path, {}),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr


def test_lookups_and_filters_are_there() -> None:
    assert {f"{COLLECTION}.digest", "ansible.builtin.file"} <= set(described("lookup"))
    assert {f"{COLLECTION}.images", f"{COLLECTION}.rewrite"} == set(described("filter"))


# ---- commands and files ---------------------------------------------------------------------------------------------

COMMANDS = {
    "ansible-builder", "ansible-galaxy", "ansible-inventory", "ansible-playbook", "az", "cd", "done", "export", "for", "git",
    "helm", "make", "pip", "podman", "pre-commit", "pytest", "python3",
}  # fmt: skip


def commands(block: Block) -> Iterator[list[str]]:
    for line in block.text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words:
            yield words


@pytest.mark.parametrize("block", SHELL, ids=str)
def test_commands_name_what_is_there(block: Block) -> None:
    page = (ROOT / block.place.split(":")[0]).read_text()
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for words in commands(block):
        assert words[0] in COMMANDS, f"{words[0]} is not known here"
        missing = [word for word in words if re.match(r"(docs|playbooks|plugins|tests)/", word) and not (ROOT / word).exists()]
        assert not missing
        if words[0] == "make":
            assert words[1] in targets, f"make has no {words[1]}"
        if words[0] == "ansible-playbook":
            check_playbook(words[1:], page.replace(block.text.strip(), ""))
        if words[:3] == ["ansible-galaxy", "collection", "install"]:
            assert words[3] in (COLLECTION, "awx.awx")


def check_playbook(words: list[str], page: str) -> None:
    """A playbook of ours, or one that the page shows; and so with the files and variables that go with it."""
    ours = words[0].startswith(COLLECTION)
    path = ROOT / "playbooks" / (words[0].removeprefix(f"{COLLECTION}.").replace(".", "/") + ".yml")
    assert path.exists() if ours else words[0] in page, f"there is no playbook {words[0]}"
    for option, value in zip(words, words[1:]):
        if option == "-e" and value.startswith("@"):
            assert value[1:] in page, f"{value} is nowhere described"
        elif option == "-e":
            assert value.partition("=")[0] in playbook_variables() | set(SPECS["options"]), value
        elif option == "-i":
            assert value in page, f"{value} is nowhere described"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_and_pages_that_are_named_exist(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    links = [link for link in re.findall(r"\]\(([^)#]*)[^)]*\)|(?:src|srcset)=\"([^\"]+)\"", text) for link in link if link]
    named = re.findall(r"`((?:docs|playbooks|plugins|roles|tests|meta)/[\w./-]+)`", text)
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    missing += [name for name in named if not (ROOT / name).exists()]
    assert not missing


def test_the_readme_has_every_kind_of_source() -> None:
    sources = (ROOT / "docs/scenarios.md").read_text().split("## ")[1]
    proofs = set(re.findall(r"`(tests/integration/targets/\w+)`", sources))
    assert proofs - set(re.findall(r"`(tests/[\w./]+)`", (ROOT / "README.md").read_text())) == set() and len(proofs) > 10


# ---- documentation of plugins ---------------------------------------------------------------------------------------


def returned(contents: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    for name, value in contents.items():
        yield f"{path}{name}", value
        yield from returned(value.get("contains", {}), f"{path}{name}.")


@pytest.mark.parametrize("path", PLUGINS, ids=lambda path: path.stem)
def test_documentation_has_every_part(path: Path) -> None:
    kind = path.parent.name.rstrip("s")
    whole = described(kind)[f"{COLLECTION}.{path.stem}"]
    doc = whole["doc"]
    parts: Iterable[str] = ("short_description", "description", "version_added", "author", "requirements", "notes", "seealso")
    if kind == "filter":
        parts = [part for part in parts if part != "requirements"]  # what Ansible itself has is enough
    assert not [part for part in parts if not doc.get(part)]
    if kind == "module":
        wanted = {"check_mode", "diff_mode", "idempotent", "async", "platform", "action_group"}
        assert wanted <= set(doc["attributes"])
        for attribute in doc["attributes"].values():
            assert attribute["description"] and attribute["support"]
    for key, value in returned(whole["return"] or {}):
        assert value["description"] and value["type"], key
        assert "returned" in value or kind != "module", key
        assert "sample" in value or "contains" in value, f"{key} has no sample"


@pytest.mark.parametrize("name", ["README.md", "meta/argument_specs.yml"])
def test_all_variables_of_the_role_are_described_alike(name: str) -> None:
    """The role's README, its argument specification and its defaults say the same."""
    defaults = yaml.safe_load((ROOT / "roles/mirror/defaults/main.yml").read_text())
    if name == "README.md":
        rows = re.findall(r"^\| `(acr_mirror_\w+)` \|", (ROOT / "roles/mirror/README.md").read_text(), re.MULTILINE)
        assert sorted(rows) == sorted(SPECS["options"])
    else:
        documented = {name: option["default"] for name, option in SPECS["options"].items() if "default" in option}
        assert documented == {name: value for name, value in defaults.items() if name != "acr_mirror_registry"}
