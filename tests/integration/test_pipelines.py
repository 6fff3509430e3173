# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The files for pipelines: they are what their services take, and their steps do what they should, as a runner would run them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml

from ansible_collections.registryops.acr.plugins.module_utils._lockfile import LockFile
from tests.playbook import ANSIBLE_BIN, ROOT, environment, run_playbook
from tests.sandbox.handle import PRINCIPALS, Sandbox

pytestmark = pytest.mark.any_version

FILES = ROOT / "playbooks/pipelines"
TENANT, CLIENT, _secret = PRINCIPALS["contributor"]
ISSUER, SUBJECT = "https://issuer.test", "repo:contoso/images:environment:acr-plan"
CONNECTION = "6f1c2a9e-0000-4000-8000-000000000001"
PASS = "the-job-s-own-token"
DIGEST = "sha256:" + "4f8a" * 16


# ---- the services' schemas --------------------------------------------------------------------------------------------


def valid(schema: str, path: Path, *options: str) -> str:
    """What is wrong with a file, by the schema that its service publishes."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", f"vendor.{schema}", *options, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode in (0, 1) and "Traceback" not in done.stderr, done.stderr
    return done.stdout if done.returncode else ""


@pytest.mark.parametrize(
    ("schema", "name", "options", "wrong"),
    [
        ("github-workflows", "github-actions.yml", (), ("runs-on:", "run-on:")),
        # Its patterns aren't meant for regular expressions in Unicode mode.
        (
            "azure-pipelines",
            "azure-pipelines.yml",
            ("--data-transform", "azure-pipelines", "--regex-variant", "nonunicode"),
            ("lockBehavior: sequential", "lockBehavior: always"),
        ),
        ("renovate", "renovate.json", (), ('"customType": "regex"', '"customType": "sed"')),
    ],
)
def test_the_service_takes_the_file(
    tmp_path: Path, schema: str, name: str, options: tuple[str, ...], wrong: tuple[str, str]
) -> None:
    assert not valid(schema, FILES / name, *options)
    broken = tmp_path / name
    broken.write_text((FILES / name).read_text().replace(*wrong))
    assert valid(schema, broken, *options), "the schema says nothing"


# ---- the steps --------------------------------------------------------------------------------------------------------


class Issuer(ThreadingHTTPServer):
    """Hands out tokens for a job as GitHub and Azure Pipelines do: to whoever has the job's own token."""

    def __init__(self, sandbox: Sandbox) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.sandbox = sandbox
        self.asked: list[str] = []
        self.url = f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Issuer

    def do_GET(self) -> None:  # GitHub
        query = parse_qs(urlsplit(self.path).query)
        self.reply("value", query == {"api-version": ["2.0"], "audience": ["api://AzureADTokenExchange"]})

    def do_POST(self) -> None:  # Azure Pipelines
        query = parse_qs(urlsplit(self.path).query)
        known = query == {"api-version": ["7.1"], "serviceConnectionId": [CONNECTION]}
        self.reply("oidcToken", known and self.headers["Content-Type"] == "application/json")

    def reply(self, name: str, known: bool) -> None:
        self.server.asked.append(self.path)
        known = known and self.headers["Authorization"] == f"Bearer {PASS}"
        body = json.dumps({name: self.server.sandbox.federated_token(ISSUER, SUBJECT)} if known else {}).encode()
        self.send_response(200 if known else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@dataclass
class Pipeline:
    """One run of a pipeline in a folder of its own. ``done``: the steps with their exit codes."""

    folder: Path
    env: dict[str, str]
    steps: list[tuple[str, list[str], str, dict[str, str]]]
    done: dict[str, int] = field(default_factory=dict)
    output: str = ""

    def run(self, images: list[Any], **env: str) -> None:
        prefix = f"{self.folder.name}/"
        values = {"acr_mirror_registry": "contosoprod", "acr_mirror_target_prefix": prefix, "acr_mirror_images": images}
        (self.folder / "images.yml").write_text(yaml.safe_dump(values))
        for name, shell, script, own in self.steps:
            path = self.folder / "step"
            path.write_text(script)
            command, whole = [*shell, str(path)], {**self.env, **own, **env}
            done = subprocess.run(command, cwd=self.folder, env=whole, capture_output=True, text=True, timeout=120, check=False)
            self.done[name] = done.returncode
            self.output += done.stdout + done.stderr

    def report(self) -> dict[str, Any]:
        assert "<!DOCTYPE html>" in (self.folder / "report/mirror.html").read_text()
        return json.loads((self.folder / "report/mirror.json").read_text())

    def summary(self) -> str:
        return (self.folder / "report/mirror.md").read_text()


def github(folder: Path, issuer: Issuer) -> Pipeline:
    content = yaml.safe_load((FILES / "github-actions.yml").read_text())
    shell = {"bash": ["bash", "--noprofile", "--norc", "-eo", "pipefail"]}[content["defaults"]["run"]["shell"]]
    filled = {"vars.AZURE_TENANT_ID": TENANT, "vars.AZURE_CLIENT_ID": CLIENT}
    steps = []
    for step in content["jobs"]["mirror"]["steps"]:
        if "run" in step:
            own = {
                name: re.sub(r"\${{ (\S+) }}", lambda found: filled[found[1]], text) for name, text in step.get("env", {}).items()
            }
            steps.append((step["name"], shell, step["run"], own))
    env = {
        "ACTIONS_ID_TOKEN_REQUEST_URL": f"{issuer.url}/?api-version=2.0",
        "ACTIONS_ID_TOKEN_REQUEST_TOKEN": PASS,
        "GITHUB_STEP_SUMMARY": str(folder / "shown.md"),
    }
    return Pipeline(folder, env, steps)


def azure(folder: Path, issuer: Issuer) -> Pipeline:
    content = yaml.safe_load((FILES / "azure-pipelines.yml").read_text())
    env = {
        "SYSTEM_OIDCREQUESTURI": issuer.url,
        "AZURESUBSCRIPTION_TENANT_ID": TENANT,
        "AZURESUBSCRIPTION_CLIENT_ID": CLIENT,
        "AZURESUBSCRIPTION_SERVICE_CONNECTION_ID": CONNECTION,
    }
    steps = []
    for step in content["jobs"][0]["steps"]:
        script = step.get("bash") or step.get("inputs", {}).get("inlineScript")
        if script:
            own = {name: {"$(System.AccessToken)": PASS}[text] for name, text in step.get("env", {}).items()}
            steps.append((step["displayName"], ["bash"], script, own))
    return Pipeline(folder, env, steps)


@pytest.fixture
def issuer(sandbox: Sandbox) -> Iterator[Issuer]:
    sandbox.patch_principal("contributor", federated=[{"issuer": ISSUER, "subject": SUBJECT}])
    with Issuer(sandbox) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def pipelines(sandbox: Sandbox, issuer: Issuer, tmp_path: Path) -> list[Pipeline]:
    """One of each service, on machines that have everything installed already."""
    made = []
    for build in (github, azure):
        folder = tmp_path / build.__name__
        (folder / "bin").mkdir(parents=True)
        (folder / ".ansible/collections").mkdir(parents=True)
        (folder / ".ansible/collections/ansible_collections").symlink_to(ROOT / ".build/ansible_collections")
        others = {name: value for name, value in sandbox.env.items() if not name.startswith("AZURE_")}
        base = environment(folder, {**others, "AZURE_CLOUD_ENVIRONMENT": sandbox.env["AZURE_CLOUD_ENVIRONMENT"]})
        base |= {"PATH": f"{folder}/bin:{ANSIBLE_BIN}:{os.environ['PATH']}", "PIP_NO_INDEX": "1"}
        pipeline = build(folder, issuer)
        pipeline.env = {**base, **pipeline.env}
        made.append(pipeline)
    return made


def test_a_check_and_a_mirror_of_which_one_image_fails(sandbox: Sandbox, issuer: Issuer, pipelines: list[Pipeline]) -> None:
    """Both at once: a pull request in GitHub, and a merge in Azure Pipelines."""
    check, mirror = pipelines
    hello, missing = "docker.io/library/hello-world:1.0", "docker.io/library/no-such-image:1.0"
    with ThreadPoolExecutor(2) as pool:
        runs = [pool.submit(check.run, [hello], GITHUB_EVENT_NAME="pull_request")]
        runs.append(pool.submit(mirror.run, [hello, missing], BUILD_REASON="IndividualCI"))
        [run.result() for run in runs]
    for part in ("audience", "serviceConnectionId"):
        assert [path for path in issuer.asked if part in path], issuer.asked

    assert check.done == {"Install": 0, "Mirror": 0, "Summarise": 0}, check.output
    assert check.report()["check_mode"] and check.report()["summary"]["imported"] == 1
    assert check.summary().startswith("### Plan for `contosoprod`\n\n**1** to be imported\n"), check.summary()
    assert f"| import | `github/library/hello-world:1.0` | `{hello}` | absent → `sha256:" in check.summary()
    assert (check.folder / "shown.md").read_text() == check.summary()
    assert check.output.index("::stop-commands::") < check.output.index("PLAY ["), "the runner listens to it"

    assert mirror.done == {"Install": 0, "Mirror": 2, "Summarise": 0}, mirror.output
    assert mirror.report()["summary"]["imported"] == 1 and mirror.report()["summary"]["failed"] == 1
    assert mirror.summary().startswith("### Mirrored to `contosoprod`\n\n**1** failed, **1** imported\n"), mirror.summary()
    assert "- :x: `azure/library/no-such-image:1.0` (entry 2): `" in mirror.summary()
    assert f"##vso[task.uploadsummary]{mirror.folder}/report/mirror.md\n" in mirror.output
    assert [operation["targets"] for operation in sandbox.operations()] == [["azure/library/hello-world:1.0"]]
    for one in pipelines:
        assert PASS not in one.output


def test_only_pull_requests_are_checked(issuer: Issuer, pipelines: list[Pipeline]) -> None:
    """And what comes from a registry commands no agent. A recorder takes Ansible's place, since its arguments are the matter."""
    for one in pipelines:
        (one.folder / "bin/ansible-playbook").write_text(
            '#!/bin/sh\necho "$@" > arguments\necho "x ##vso[task.setvariable]"\nexit 2\n'
        )
        (one.folder / "bin/ansible-playbook").chmod(0o755)
        one.steps = [step for step in one.steps if step[0] == "Mirror"]
        for event, reason in (("pull_request", "PullRequest"), ("push", "IndividualCI"), ("schedule", "Schedule")):
            one.run([], GITHUB_EVENT_NAME=event, BUILD_REASON=reason)
            words = (one.folder / "arguments").read_text().split()
            assert words[:3] == ["registryops.acr.mirror", "-e", "@images.yml"] and one.done["Mirror"] == 2
            assert ("--check" in words) is (event == "pull_request")
    assert pipelines[1].output.count("x # vso[task.setvariable]") == 3 and "##vso" not in pipelines[1].output


def test_a_run_that_cannot_sign_in(sandbox: Sandbox, issuer: Issuer, pipelines: list[Pipeline]) -> None:
    github_one = pipelines[0]
    github_one.steps = [step for step in github_one.steps if step[0] == "Mirror"]
    github_one.run([], GITHUB_EVENT_NAME="push", ACTIONS_ID_TOKEN_REQUEST_TOKEN="another")
    assert github_one.done["Mirror"] != 0 and "The pipeline's token service answered with status 401" in github_one.output
    assert issuer.asked and "another" not in github_one.output and not sandbox.operations()


def test_the_summary_is_plain_text_whatever_registries_say(tmp_path: Path) -> None:
    """And there is one too if there is no report."""
    hostile = "`</code>` | @everyone\n# [x](https://example.com) {{ 1 + 1 }}"
    target = {"image": "contosoprod.azurecr.io/a:1", "source": "docker.io/a:1", "action": "failed", "entry": 3, "error": hostile}
    changed = {**target, "action": "update", "previous_digest": DIGEST, "digest": None, "signature": {"identity": hostile}}
    report = {"registry": "contosoprod", "check_mode": False, "summary": {"failed": 201, "updated": 201, "waiting": 1}}
    waiting = {**target, "action": "wait", "waiting": DIGEST, "ready_at": "2026-11-30T02:00:09Z"}
    (tmp_path / "mirror.json").write_text(json.dumps({**report, "results": [target] * 201 + [changed] * 201 + [waiting]}))
    written = {}
    for name in ("mirror", "none"):
        variables = {"acr_here": str(tmp_path), "acr_report": f"{name}.json", "acr_summary": f"{name}.md"}
        run = run_playbook("registryops.acr.pipelines.summary", {}, "-e", json.dumps(variables))
        assert run.rc == 0, run.output
        written[name] = (tmp_path / f"{name}.md").read_text().splitlines()
    assert written["none"][0] == "### Nothing was mirrored"
    assert written["mirror"][:3] == ["### Mirrored to `contosoprod`", "", "**201** failed, **201** updated, **1** waiting"]
    assert f"- `a:1` waits for `{DIGEST[:19]}` until `2026-11-30T02:00:09Z`" in written["mirror"]
    said = "'</code>' \\| @everyone # [x](https://example.com) {{ 1 + 1 }}"
    assert written["mirror"].count(f"- :x: `a:1` (entry 3): `{said}`") == 200 and "- and 1 more" in written["mirror"]
    row = f"| update | `a:1` | `docker.io/a:1`, signed by `{said}` | `{DIGEST[:19]}` → not checked |"
    assert written["mirror"].count(row) == 200 and "1 more are in the report." in written["mirror"]


# ---- Renovate ---------------------------------------------------------------------------------------------------------

LIST = f"""\
acr_mirror_registry: contosoprod
acr_mirror_credentials:
  - registry: registry.example.com:8443
acr_mirror_images:
  - docker.io/library/nginx:1.27.3@{DIGEST}
  - source: mcr.microsoft.com/dotnet/runtime:8.0
  - source: "registry.example.com:8443/team/app:v1_2@{DIGEST}"
    target: team/app:stable
  - {{source: docker.io/library/debian:12, target: [base/debian:12, base/debian:bookworm]}}
  - source: docker.io/library/python
    tags:
      semver: ">=3.11"
"""
LOCK = f"""\
- {{source: docker.io/library/nginx:1.27.3@{DIGEST}, target: library/nginx:1.27.3}}
- {{source: "registry.example.com:8443/team/app:8@{DIGEST}", target: "team/app:8"}}
- {{source: "docker.io/library/redis:7.4.1@{DIGEST}", target: "library/redis:7.4.1", comment: [{{"newest": 1}}]}}
- {{source: "docker.io/library/alpine:3.20@{DIGEST}", target: "library/alpine:3.20", platform: "linux/amd64"}}
- {{source: "docker.io/library/alpine@{DIGEST}", untagged_repositories: "library/alpine"}}
"""


def found(number: int, text: str) -> list[re.Match[str]]:
    manager = json.loads((FILES / "renovate.json").read_text())["customManagers"][number]
    (pattern,) = manager["matchStrings"]
    assert not re.search(r"\(\?<?[=!]|\\\d", pattern), "Renovate's engine, RE2, has no lookaround or backreferences"
    return list(re.finditer(pattern.replace("(?<", "(?P<"), text))


def test_renovate_finds_the_images_of_a_list() -> None:
    assert [tuple(match.groupdict().values()) for match in found(0, LIST)] == [
        ("docker.io/library/nginx", "1.27.3", DIGEST),
        ("mcr.microsoft.com/dotnet/runtime", "8.0", None),
        ("registry.example.com:8443/team/app", "v1_2", DIGEST),
        ("docker.io/library/debian", "12", None),
    ]
    # What its template replaces is exactly what it writes, so that nothing around it changes.
    for match in found(0, LIST):
        name, tag, digest = match.groups()
        assert match[0] == f"{name}:{tag}" + (f"@{digest}" if digest else "")


def test_renovate_finds_the_lines_of_a_lock_file() -> None:
    """Only those for which it knows the digest and what to replace."""
    assert len(LockFile("images.lock.yml", LOCK).lines) == 5
    nginx, app = found(1, LOCK)
    assert nginx.groups() == ("docker.io/library/nginx", "1.27.3", DIGEST)
    assert app.groups() == ("registry.example.com:8443/team/app", "8", DIGEST)
    # Renovate replaces the old tag and the old digest wherever they stand in what was found.
    other = "sha256:" + "07b1" * 16
    changed = nginx[0].replace("1.27.3", "1.27.4").replace(DIGEST, other)
    assert changed == f"source: docker.io/library/nginx:1.27.4@{other}, target: library/nginx:1.27.4}}"
    (rule,) = json.loads((FILES / "renovate.json").read_text())["packageRules"]
    unsafe = re.compile(rule["matchCurrentValue"].strip("/"))
    assert [bool(unsafe.search(match["currentValue"])) for match in (nginx, app)] == [False, True]
