# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every playbook by ansible-runner, as AWX and the automation controller run them: with the variables of their Azure
credential, inventories as scripts, survey answers as text; and what is then kept of each job."""
from __future__ import annotations

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

import ansible_runner
import pytest
import yaml

from tests.playbook import ANSIBLE_BIN, ROOT, environment
from tests.sandbox.handle import PRINCIPALS, Sandbox

HELLO = "docker.io/library/hello-world"
SOURCE_SECRET = "vendorpass"
EVENT_LIMIT = 700_000  # characters; of an event that is longer ansible-runner throws the result away


@dataclass
class Job:
    """What is kept of a job."""

    status: str
    events: list[dict[str, Any]]
    kept: dict[str, str]  # file -> content

    @property
    def stdout(self) -> str:
        return re.sub(r"\x1b\[[0-9;]*m", "", self.kept["stdout"])

    def results(self, task: str, event: str = "runner_on_ok") -> list[dict[str, Any]]:
        """The results of a task, one for each host, or, with ``runner_item_on_ok``, one for each item."""
        found = [e["event_data"]["res"] for e in self.events if e["event"] == event and e["event_data"]["task"] == task]
        assert found, f"no {event} of {task}: {self.stdout}"
        return found


Launch = Callable[..., Job]


@pytest.fixture
def launch(sandbox: Sandbox, tmp_path: Path) -> Launch:
    """``launch("playbooks/mirror.yml", {variable: value}, inventory=…, limit=…)``, as AWX starts a job."""
    project = tmp_path / "project"
    shutil.copytree(ROOT / "playbooks", project / "playbooks")
    # What AWX injects for a credential of the type Microsoft Azure Resource Manager; besides, the way to the sandbox.
    tenant, client_id, secret = PRINCIPALS["contributor"]
    credential = {
        "AZURE_SUBSCRIPTION_ID": sandbox.env["AZURE_SUBSCRIPTION_ID"],
        "AZURE_CLIENT_ID": client_id,
        "AZURE_TENANT": tenant,
        "AZURE_SECRET": secret,
        "AZURE_CLOUD_ENVIRONMENT": sandbox.env["AZURE_CLOUD_ENVIRONMENT"],
    }
    network = {name: value for name, value in sandbox.env.items() if not name.startswith("AZURE_")}

    def call(playbook: str, variables: dict[str, Any], inventory: Any = None, limit: str = "", extra: str = "") -> Job:
        (tmp_path / "env").mkdir(exist_ok=True)
        (tmp_path / "env/extravars").write_text(yaml.safe_dump(variables))
        (tmp_path / "env/cmdline").write_text(f"-u root {f'-l {limit}' if limit else ''} {extra}")
        hosts = tmp_path / "inventory/hosts"
        hosts.parent.mkdir(exist_ok=True)
        content = inventory or {"all": {"hosts": ["localhost"]}, "_meta": {"hostvars": {}}}
        hosts.write_text(f"#! /usr/bin/env python3\nprint({json.dumps(content)!r})\n")
        hosts.chmod(0o700)
        done = ansible_runner.run(
            private_data_dir=str(tmp_path),
            ident=f"{playbook.replace('/', '-')}-{len(list(tmp_path.glob('artifacts/*')))}",
            playbook=playbook,
            inventory=str(hosts),
            envvars=environment(tmp_path / "home", {**network, **credential, "ANSIBLE_INVENTORY_UNPARSED_FAILED": "True"}),
            suppress_env_files=True,
            quiet=True,
        )
        directory = Path(done.config.artifact_dir)
        # The file "command" is not of the job's making: ansible-runner writes its own environment there.
        files = [path for path in directory.rglob("*") if path.is_file() and path.name != "command"]
        kept = {str(path.relative_to(directory)): path.read_text() for path in files}
        assert len([name for name in kept if name.startswith("job_events/")]) > 3, kept
        for name, content in kept.items():
            for secret_text in (secret, SOURCE_SECRET):
                assert secret_text not in content, f"{name} shows {secret_text}: {content}"
            assert not re.search(r"eyJ[\w-]{20,}", content), f"{name} shows a token: {content}"
            assert "Traceback" not in content, content
        return Job(done.status, list(done.events), kept)

    return call


def sample(name: str) -> dict[str, Any]:
    return yaml.safe_load((ROOT / "playbooks/vars" / name).read_text())


def test_import(sandbox: Sandbox, launch: Launch) -> None:
    variables = sample("import.yml")
    busybox = sandbox.tags("registry-1.docker.io", "library/busybox")["1.37"]
    variables["acr_images"][2]["source"] = f"docker.io/library/busybox@{busybox}"
    variables["acr_images"].append({"source": f"{HELLO}:none"})
    job = launch("playbooks/import.yml", variables)
    assert job.status == "failed"
    (result,) = job.results("Import", "runner_on_failed")
    assert [row["action"] for row in result["results"]] == ["import", "import", "import", "failed"], result
    assert result["results"][2]["digest"] == busybox
    assert result["msg"].splitlines()[0].startswith("1 of 4 targets failed") and f"{HELLO}:none does not exist" in result["msg"]


def test_inspect(sandbox: Sandbox, launch: Launch) -> None:
    launch("playbooks/import.yml", {"acr_registry": "contosoprod", "acr_images": [{"source": f"{HELLO}:1.0"}]})
    job = launch("playbooks/inspect.yml", sample("inspect.yml"))
    assert job.status == "successful"
    (shown,) = job.results("Show")
    digest = sandbox.tags("contosoprod", "library/hello-world")["1.0"]
    assert any("library/hello-world:1.0" in line and digest[:19] in line for line in shown["msg"]), shown
    (read,) = job.results("Read")
    assert [manifest["digest"] for manifest in read["manifests"] if "1.0" in manifest["tags"]] == [digest]


def test_promote(sandbox: Sandbox, launch: Launch) -> None:
    job = launch("playbooks/promote.yml", sample("promote.yml"))
    assert job.status == "successful", job.stdout
    (result,) = job.results("Mirror the images")
    by_image = {target["image"].split("/", 1)[1]: target for target in result["results"]}
    for image in ("signed/app:1.0", "charts/web:0.2.0"):
        repository, tag = image.split(":")
        assert by_image[image]["action"] == "import"
        assert by_image[image]["digest"] == sandbox.tags("contosoprod", repository)[tag]
        assert image in job.stdout


def test_what_is_kept_of_a_big_job_is_small(sandbox: Sandbox, launch: Launch) -> None:
    variables = sample("mirror.yml")
    del variables["acr_mirror_report_html"]  # a file on the node is of no use to anybody
    job = launch("playbooks/mirror.yml", variables)
    assert job.status == "successful", job.stdout
    (result,) = job.results("Mirror the images")
    targets = result["results"]
    assert len(targets) > 40 and all(target["action"] == "import" and target["digest"] for target in targets)
    for target in targets:
        shown = re.sub("(sha256[:-][0-9a-f]{12})[0-9a-f]{52}", r"\1", target["image"].split("/", 1)[1])
        assert shown in job.stdout, "the report has no line for an image"
    # Room for two thousand images before an event is too long to be kept.
    assert len(str(result["results"])) / len(targets) < EVENT_LIMIT / 2000
    assert sum(map(len, job.kept.values())) < 150_000


def test_of_a_very_big_job_every_event_is_whole(launch: Launch, tmp_path: Path) -> None:
    """What is too long for events is in the report, and in the variable for other tasks."""
    count = 2500
    include = {"name": "Mirror", "ansible.builtin.include_role": {"name": "registryops.acr.mirror", "public": True}}
    counted = "{{ acr_mirror_returned.results | map(attribute='image') | unique | length }}"
    shown = {"name": "Count", "ansible.builtin.debug": {"msg": counted}}
    python = {"ansible_python_interpreter": "{{ ansible_playbook_python }}"}
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "vars": python, "tasks": [include, shown]}
    (tmp_path / "project/playbooks/big.yml").write_text(yaml.safe_dump([play]))
    variables = {
        "acr_mirror_registry": "contosoprod",
        "acr_mirror_images": [f"docker.io/library/application-with-a-long-name-{number}:1" for number in range(count)],
        "acr_mirror_defaults": {"verify": False},  # in check mode, so that no registry is asked
        "acr_mirror_trusted_services": "ignore",
        "acr_mirror_wait_for_access": 1,
        "acr_mirror_report_json": str(tmp_path / "report.json"),
    }
    job = launch("playbooks/big.yml", variables, extra="--check")
    assert job.status == "successful", job.stdout
    assert max(len(json.dumps(event)) for event in job.events) < 500_000
    for task in ("Wait for access", "Mirror the images"):
        (result,) = job.results(task)
        assert result["summary"]["imported"] == count and "results" not in result
    (report,) = job.results("Show what was done")
    assert 1000 < len(report["msg"]) < count and report["msg"][-1].startswith("The rest is in")
    assert int(job.results("Count")[0]["msg"]) == count  # text in older versions
    assert len(json.loads((tmp_path / "report.json").read_text())["results"]) == count


def test_the_job_template_of_the_walk_through(sandbox: Sandbox, launch: Launch, tmp_path: Path) -> None:
    (play,) = yaml.safe_load((ROOT / "playbooks/awx/setup.yml").read_text())
    tasks = yaml.safe_load((ROOT / "playbooks/awx/tasks/setup.yml").read_text())
    modules = {key: task[key] for task in tasks for key in task if key.startswith("awx.awx.")}
    template, source = modules["awx.awx.job_template"], modules["awx.awx.inventory_source"]
    limit, slices = play["vars"]["acr_awx_limit"], play["vars"]["acr_awx_slices"]
    answers = {question["variable"]: question["default"] for question in template["survey_spec"]["spec"]}
    assert set(answers) <= set(yaml.safe_load((ROOT / "roles/mirror/meta/argument_specs.yml").read_text())
                               ["argument_specs"]["main"]["options"])
    answers["acr_mirror_images"] = f"- source: {HELLO}:1.0\n- source: basic.vendor.test/vendor/tool:1.0\n"
    answers["acr_mirror_credentials"] = json.dumps(
        [{"registry": "basic.vendor.test", "username": "vendor", "password": SOURCE_SECRET}]
    )

    # The inventory source is read by ansible-inventory, and each slice is given its part of the hosts.
    fleet = ["awxone", "awxtwo", "awxthree"]
    for name in fleet:
        sandbox.create_registry(name)
        sandbox.patch_registry(name, tags={"mirror": "true"})
    read = subprocess.run(
        [str(ANSIBLE_BIN / "ansible-inventory"), "-i", str(ROOT / source["source_path"]), "--list", "--export"],
        env=environment(tmp_path, sandbox.env),
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    inventory = json.loads(read.stdout)
    hosts = sorted(inventory["_meta"]["hostvars"])
    filled: list[str] = []
    for number in range(slices):
        mine = set(hosts[number::slices])
        part = {name: {**group, "hosts": [h for h in group.get("hosts", []) if h in mine]} for name, group in inventory.items()
                if name != "_meta"}
        part["all"]["hosts"] = sorted(mine)
        part["_meta"] = {"hostvars": {host: inventory["_meta"]["hostvars"][host] for host in mine}}
        job = launch(template["playbook"], {**template["extra_vars"], **answers}, part, limit)
        assert job.status == "successful", job.stdout
        wanted = sorted(mine & set(fleet))
        results = job.results("Mirror the images")
        assert sorted(target["image"].split(".")[0] for result in results for target in result["results"]) == sorted(wanted * 2)
        filled += wanted
    assert sorted(filled) == sorted(fleet)
    for name in fleet:
        assert list(sandbox.tags(name, "library/hello-world")) == ["1.0"] and sandbox.tags(name, "vendor/tool")
    assert sandbox.tags("contosodev", "library/hello-world") == {}, "a registry without the tag was filled"


def test_a_job_that_fails_keeps_no_secret(sandbox: Sandbox, launch: Launch) -> None:
    wrong = json.dumps([{"registry": "basic.vendor.test", "username": "vendor", "password": SOURCE_SECRET + "-of-before"}])
    variables = {
        "acr_mirror_registry": "contosoprod",
        "acr_mirror_images": json.dumps([{"source": "basic.vendor.test/vendor/tool:1.0"}, {"source": f"{HELLO}:1.0"}]),
        "acr_mirror_credentials": wrong,
    }
    job = launch("playbooks/mirror.yml", variables, extra="-vvv")
    assert job.status == "failed"
    (failed,) = job.results("Mirror the images", "runner_on_failed")
    result = failed["diff"][-1]
    actions = {target["image"].split("/", 1)[1]: target["action"] for target in result["results"]}
    assert actions == {"vendor/tool:1.0": "failed", "library/hello-world:1.0": "import"}
    assert "basic.vendor.test/vendor/tool:1.0" in job.stdout
    # A mistake in the variable itself is told without what stands in it.
    job = launch("playbooks/mirror.yml", {**variables, "acr_mirror_credentials": wrong.replace("username", "user")}, extra="-v")
    assert job.status == "failed" and "user" in job.stdout
