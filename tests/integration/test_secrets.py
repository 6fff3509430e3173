# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets are shown nowhere: every module, the lookup and the inventory run at -vvvv with a marked secret in each secret
option, succeeding and failing, and all that they print, return, echo, write or show in the process list is searched.

One place is Ansible's own. Without pipelining it writes each module, with its arguments, into a temporary directory that
only its user can read, and removes it when the task ends. That is how Ansible carries modules to hosts, and no collection
can change it: there the promise is that nothing is left afterwards, and with pipelining that nothing is written at all.
"""
from __future__ import annotations

import base64
import json
import os
import re
import stat
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12

from tests.playbook import ANSIBLE_BIN, ROOT, environment
from tests.sandbox.handle import ARM_URL, PRINCIPALS, TENANT, Sandbox

CLIENT = PRINCIPALS["contributor"][1]
ISSUER, SUBJECT = "https://ci.test", "repo:contoso/images"
GOOD = {name: f"marked-good-{name}-5fd1c0" for name in ("secret", "x509", "source", "listed", "default")}
BAD = {name: f"marked-bad-{name}-5fd1c0" for name in ("secret", "x509", "password", "oidc", "source", "listed", "default")}


@dataclass
class Watch:
    """Looks for needles: in given texts, in all files below *root*, and in the command lines of all processes."""

    root: Path
    needles: list[bytes]
    found: set[str] = field(default_factory=set)
    files: dict[str, int] = field(default_factory=dict)  # file with a needle -> mode of its directory
    looks: int = 0

    def __post_init__(self) -> None:
        self._any = re.compile(b"|".join(re.escape(needle) for needle in self.needles))

    def text(self, name: str, text: bytes) -> None:
        self.found |= {f"{name}: {needle.decode()}" for needle in self._any.findall(text)}

    def look(self) -> None:
        self.looks += 1
        for directory, _names, files in os.walk(self.root):
            for name in files:
                path = Path(directory, name)
                try:
                    if self._any.search(path.read_bytes()):
                        self.files[str(path)] = stat.S_IMODE(os.stat(directory).st_mode)
                except OSError:  # gone meanwhile
                    continue
        for process in Path("/proc").iterdir():
            if process.name.isdigit():
                try:
                    self.text("command line", (process / "cmdline").read_bytes())
                except OSError:
                    continue

    @contextmanager
    def watching(self) -> Iterator[None]:
        over = threading.Event()

        def watch() -> None:
            while not over.wait(0.1):
                self.look()

        thread = threading.Thread(target=watch)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    """Where the tests write down what they give, secrets and all; and what Ansible has for itself, which is watched."""
    given, watched = tmp_path / "given", tmp_path / "watched"
    given.mkdir()
    (watched / "tmp").mkdir(parents=True)
    return given, watched


def run(sandbox: Sandbox, watch: Watch, command: list[str], **env: str) -> str:
    """Run one of Ansible's commands at -vvvv, watched; returns what it printed."""
    variables = {
        **{name: value for name, value in sandbox.env.items() if not name.startswith("AZURE_")},
        "AZURE_CLOUD_ENVIRONMENT": ARM_URL,
        "TMPDIR": str(watch.root / "tmp"),
        "ANSIBLE_KEEP_REMOTE_FILES": "0",
        "ANSIBLE_REMOTE_TMP": str(watch.root / "remote"),
        "ANSIBLE_CALLBACK_PLUGINS": str(ROOT / "tests/callback_plugins"),
        "ANSIBLE_CALLBACKS_ENABLED": "results",
        "RESULTS_FILE": str(watch.root.parent / "results.jsonl"),
        **env,
    }
    with watch.watching():
        done = subprocess.run(
            [str(ANSIBLE_BIN / command[0]), *command[1:], "-vvvv"],
            env=environment(watch.root, variables),
            capture_output=True,
            check=False,
            timeout=300,
            cwd=watch.root,
        )
    for name, text in (("standard output", done.stdout), ("standard error", done.stderr)):
        watch.text(name, text)
    return (done.stdout + done.stderr).decode()


def results(watch: Watch) -> list[dict[str, Any]]:
    """Each task's result, items of loops one by one; searched on the way."""
    text = (watch.root.parent / "results.jsonl").read_text()
    watch.text("results", text.encode())
    found: list[dict[str, Any]] = []
    for line in text.splitlines():
        written = json.loads(line)
        result = {**written["result"], "failed": written["status"] == "failed"}
        items = result.get("results", [])
        found += items if items and "ansible_loop_var" in items[0] else [result]
    return found


def set_up(sandbox: Sandbox, given: Path) -> dict[str, Any]:
    """Makes the good secrets work; returns the variables of the plays: sign-in methods, and a secret for each option."""
    sandbox.patch_principal(
        "contributor", secrets=[GOOD["secret"]], federated=[{"issuer": ISSUER, "subject": SUBJECT}]
    )
    pem = sandbox.certificate("contributor").encode()
    key = serialization.load_pem_private_key(pem, None)
    public = x509.load_pem_x509_certificate(pem[pem.index(b"-----BEGIN CERTIFICATE") :])
    locked = serialization.BestAvailableEncryption(GOOD["x509"].encode())
    path = given / "both.pfx"
    path.write_bytes(pkcs12.serialize_key_and_certificates(b"acr", key, public, None, locked))
    sandbox.patch_upstream("basic.vendor.test", users={"vendor": GOOD["source"], "listed": GOOD["listed"]})
    sandbox.patch_upstream("bearer.vendor.test", users={"vendor": GOOD["default"], "listed": GOOD["listed"]})
    application = {"tenant": TENANT, "client_id": CLIENT}
    token = sandbox.federated_token(ISSUER, SUBJECT)
    methods = {
        "principal": {**application, "secret": GOOD["secret"]},
        "wrong principal": {**application, "secret": BAD["secret"]},
        "certificate": {
            **application, "x509_certificate_path": str(path), "x509_certificate_password": GOOD["x509"],
        },
        "wrong certificate": {
            **application, "x509_certificate_path": str(path), "x509_certificate_password": BAD["x509"],
        },
        "user": {"ad_user": "user@contoso.test", "password": "user-password"},
        "wrong user": {"ad_user": "user@contoso.test", "password": BAD["password"]},
        "workload": {**application, "oidc_token": token},
        "wrong workload": {**application, "oidc_token": BAD["oidc"]},
    }  # fmt: skip
    return {"methods": methods, "good": GOOD, "bad": BAD}


def needles(variables: dict[str, Any]) -> list[bytes]:
    """Every secret, as it is and as an Authorization header has it."""
    secrets = {*GOOD.values(), *BAD.values()}
    for method in variables["methods"].values():
        secrets |= {method[name] for name in ("password", "oidc_token") if name in method}
    pairs = [f"{user}:{secret}" for user in ("vendor", "listed") for secret in secrets]
    return [text.encode() for text in secrets] + [base64.b64encode(pair.encode()) for pair in pairs]


WHO = ("tenant", "client_id", "secret", "x509_certificate_path", "x509_certificate_password", "ad_user", "password", "oidc_token")
PRINCIPAL = {"tenant": TENANT, "client_id": CLIENT, "secret": "{{ good.secret }}"}
# Options that are given but not used are secrets too.
UNUSED = {"password": "{{ bad.password }}", "x509_certificate_password": "{{ bad.x509 }}", "oidc_token": "{{ bad.oidc }}"}


def sign_ins() -> dict[str, Any]:
    args = {name: "{{ methods[item]['" + name + "'] | default(omit) }}" for name in WHO}
    args |= {"registry": "contosodev", "repository": "aci-helloworld", "tag": "v1"}
    return task("acr_manifest_info", args, loop="{{ methods.keys() | list }}")


def task(module: str, args: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"name": module, f"registryops.acr.{module}": args, "ignore_errors": True, **more}


def imports() -> list[dict[str, Any]]:
    """acr_import and acr_mirror with good and with bad credentials in all places that take them."""
    found = []
    for how in ("good", "bad"):
        own = {"source_username": "vendor", "source_password": "{{ " + how + ".source }}"}
        agent = {"source": "basic.vendor.test/vendor/agent:2.3", **own}
        found.append(task("acr_import", {"registry": "contosoprod", **agent, "target": [how + "/agent:1"]}))
        listed = {"username": "listed", "password": "{{ " + how + ".listed }}"}
        defaults = {"source_username": "vendor", "source_password": "{{ " + how + ".default }}"}
        tool, bearer = "basic.vendor.test/vendor/tool:1.0", "bearer.vendor.test:8443/vendor/tool:1.0"
        for number, (images, more) in enumerate((
            ([{"source": tool}, {**agent}], {"credentials": [{"registry": "basic.vendor.test/vendor", **listed}]}),
            ([{"source": bearer}], {"defaults": defaults}),
        )):  # fmt: skip
            args = {"registry": "contosoprod", "images": images, "target_prefix": f"{how}{number}/", **more}
            found.append(task("acr_mirror", args))
    return found


def play(given: Path, variables: dict[str, Any], tasks: list[dict[str, Any]]) -> list[str]:
    """A command that plays the tasks; what is given lies in files, and not in the command line."""
    defaults = {"group/registryops.acr.acr": {**PRINCIPAL, **UNUSED}}
    (given / "play.yml").write_text(yaml.safe_dump([{
        "name": "Secrets", "hosts": "localhost", "connection": "local", "gather_facts": False, "module_defaults": defaults,
        "tasks": tasks,
    }]))  # fmt: skip
    (given / "vars.json").write_text(json.dumps(variables))
    return ["ansible-playbook", str(given / "play.yml"), "-e", f"@{given / 'vars.json'}"]


def test_nothing_is_shown_or_written(sandbox: Sandbox, places: tuple[Path, Path]) -> None:
    given, watched = places
    variables = set_up(sandbox, given)
    watch = Watch(watched, needles(variables))
    look = "lookup('registryops.acr.digest', 'basic.vendor.test/vendor/tool:1.0', source_username='vendor', "
    sign_in = f"tenant='{TENANT}', client_id='{CLIENT}', secret="
    tasks = [
        sign_ins(),
        *imports(),
        task("acr_trusted_services", {"registry": "contosoprod"}),
        task("acr_trusted_services", {"registry": "nosuchregistry", "state": "disabled"}),
    ]
    for how in ("good", "bad"):
        call = f"{look}source_password={how}.source, {sign_in}{how}.secret)"
        tasks.append({"name": "digest", "ansible.builtin.debug": {"msg": "{{ " + call + " }}"}, "ignore_errors": True})
    output = run(sandbox, watch, play(given, variables, tasks), ANSIBLE_PIPELINING="1")
    found = results(watch)
    ended = ["failed" if result.get("failed") else "ok" for result in found if "ansible_loop_var" in result]
    assert ended == ["ok", "failed"] * 4, output
    others = ["failed" if result.get("failed") else "ok" for result in found if "ansible_loop_var" not in result]
    assert others == ["ok"] * 3 + ["failed"] * 3 + ["ok", "failed"] + ["ok", "failed"], output
    assert any("source_password" in result.get("invocation", {}).get("module_args", {}) for result in found)
    watch.look()
    assert watch.looks > 20
    assert not watch.found and not watch.files, output


def test_without_pipelining_nothing_is_left(sandbox: Sandbox, places: tuple[Path, Path]) -> None:
    given, watched = places
    variables = set_up(sandbox, given)
    watch = Watch(watched, needles(variables))
    output = run(sandbox, watch, play(given, variables, imports()[:2]), ANSIBLE_PIPELINING="0")
    assert len(results(watch)) == 2 and not watch.found, output
    for path, mode in watch.files.items():
        assert path.startswith((f"{watched}/remote/ansible-tmp-", f"{watched}/tmp/ansible-local-")), path
        assert mode & 0o077 == 0, f"{path} is open to others"
    watch.files.clear()
    watch.look()
    assert not watch.files


def test_the_inventory_shows_nothing(sandbox: Sandbox, places: tuple[Path, Path]) -> None:
    given, watched = places
    variables = set_up(sandbox, given)
    watch = Watch(watched, needles(variables))
    for how, ends in (("principal", "contosoprod"), ("wrong principal", "AADSTS7000215")):
        options = {**variables["methods"][how], "password": BAD["password"], "oidc_token": BAD["oidc"]}
        path = given / "all.acr.yml"
        path.write_text(yaml.safe_dump({"plugin": "registryops.acr.registries", **options}))
        assert ends in run(sandbox, watch, ["ansible-inventory", "-i", str(path), "--list"])
    watch.look()
    assert not watch.found and not watch.files
