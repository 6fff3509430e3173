# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What acr_import promises, by real playbooks against the sandbox."""
from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any, Callable

import pytest

from tests.playbook import ROOT, Run, run_module, run_playbook, run_tasks
from tests.sandbox.handle import Sandbox

HELLO = "docker.io/library/hello-world:latest"

Import = Callable[..., Run]


def digest(sandbox: Sandbox, host: str, repository: str, tag: str) -> str:
    return sandbox.tags(host, repository)[tag]


def actions(run: Run) -> list[str]:
    return [target["action"] for target in run.result["targets"]]


def contents(sandbox: Sandbox) -> dict[str, Any]:
    return {"tags": sandbox.tags("contosoprod", "t/app"), "manifests": sandbox.manifests("contosoprod", "t/app")}


def skopeo(sandbox: Sandbox, *arguments: str) -> str:
    done = subprocess.run(
        ["skopeo", *arguments], env={**os.environ, **sandbox.env}, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# ---- the main job -----------------------------------------------------------------------------------------------------


def test_a_cloud_that_serves_older_api_versions(sandbox: Sandbox) -> None:
    """Azure Stack Hub, or Azure in China: what it serves is learnt from its first refusal, and holds for the run."""
    served = ["2019-05-01", "2021-09-01", "2021-12-01-preview"]
    sandbox.knobs(api_versions=served)
    run = run_module("acr_import", {"registry": "contosoprod", "source": HELLO}, sandbox.env)
    assert run.rc == 0 and run.result["changed"], run.output
    (operation,) = sandbox.operations()
    assert operation["api_version"] == "2021-09-01"
    refused = [entry for entry in sandbox.log(host="management.azure.test") if entry["status"] == 400]
    assert len(refused) == 1


def test_first_run_changes_second_does_not(sandbox: Sandbox, acr_import: Import) -> None:
    first = acr_import(source=HELLO)
    assert first.rc == 0 and first.recap["changed"] == 1, first.output
    there = digest(sandbox, "registry-1.docker.io", "library/hello-world", "latest")
    assert sandbox.tags("contosoprod", "library/hello-world") == {"latest": there}
    assert first.result["digest"] == there
    assert first.result["media_type"] == "application/vnd.oci.image.index.v1+json"
    assert first.result["source"] == HELLO
    (target,) = first.result["targets"]
    assert target.pop("seconds") > 0
    assert target == {
        "image": "contosoprod.azurecr.test/library/hello-world:latest",
        "source": HELLO,
        "digest": there,
        "previous_digest": None,
        "action": "import",
        "reason": "absent",
    }
    second = acr_import(source=HELLO)
    assert second.rc == 0 and second.recap["changed"] == 0, second.output
    assert actions(second) == ["none"]
    assert len(sandbox.operations()) == 1


def test_a_quiet_run_leaves_resource_manager_alone(sandbox: Sandbox, acr_import: Import) -> None:
    registry = "contosoprod.azurecr.test"
    args = {"registry": registry, "source": HELLO}
    assert run_module("acr_import", args, sandbox.env).rc == 0
    sandbox.clear_log()
    assert run_module("acr_import", args, sandbox.env).recap["changed"] == 0
    classes = {entry["class"] for entry in sandbox.log(host="management.azure.test")}
    assert classes <= {"authority"}, classes


def test_every_platform_can_be_pulled(sandbox: Sandbox, acr_import: Import, tmp_path: Path) -> None:
    assert acr_import(source=HELLO, target="pull/me:1").rc == 0
    credentials = f"{sandbox.env['AZURE_CLIENT_ID']}:{sandbox.env['AZURE_SECRET']}"
    image = "docker://contosoprod.azurecr.test/pull/me:1"
    raw = skopeo(sandbox, "inspect", "--raw", "--creds", credentials, image)
    assert raw == skopeo(sandbox, "inspect", "--raw", "docker://docker.io/library/hello-world:latest")
    skopeo(sandbox, "copy", "--all", "--src-creds", credentials, image, f"dir:{tmp_path}/ours")
    skopeo(sandbox, "copy", "--all", "docker://docker.io/library/hello-world:latest", f"dir:{tmp_path}/theirs")
    ours = {p.name: p.read_bytes() for p in (tmp_path / "ours").iterdir()}
    assert ours == {p.name: p.read_bytes() for p in (tmp_path / "theirs").iterdir()}
    children = [m["digest"].split(":")[1] for m in json.loads(raw)["manifests"]]
    assert len(children) > 4 and all(f"{child}.manifest.json" in ours for child in children)


# ---- if_exists --------------------------------------------------------------------------------------------------------


IF_EXISTS = {
    "update": {"absent": "import", "equal": "none", "different": "update"},
    "keep": {"absent": "import", "equal": "keep", "different": "keep"},
    "fail": {"absent": "import", "equal": "none", "different": "failed"},
    "reimport": {"absent": "import", "equal": "reimport", "different": "update"},
}


@pytest.mark.parametrize("state", ["absent", "equal", "different"])
def test_if_exists(sandbox: Sandbox, acr_import: Import, state: str) -> None:
    """Each value of the option, on a tag of its own."""
    wanted = digest(sandbox, "contosodev", "aci-helloworld", "v2")
    if state != "absent":
        source = f"contosodev.azurecr.test/aci-helloworld:{'v2' if state == 'equal' else 'v1'}"
        before = acr_import(source=source, target=[f"t/app:{if_exists}" for if_exists in IF_EXISTS])
        assert before.rc == 0, before.output
    earlier = contents(sandbox)
    started = len(sandbox.operations())
    source = {"registry": "contosoprod", "source": "contosodev.azurecr.test/aci-helloworld:v2"}
    tasks = [{**source, "target": f"t/app:{if_exists}", "if_exists": if_exists} for if_exists in IF_EXISTS]

    checked = run_tasks("acr_import", tasks, sandbox.env, "--check", "--diff")
    assert contents(sandbox) == earlier and len(sandbox.operations()) == started, "check mode changed something"
    done = run_tasks("acr_import", tasks, sandbox.env, "--diff")
    assert len(checked.tasks) == len(done.tasks) == len(tasks), done.output
    operations = {operation["targets"][0]: operation for operation in sandbox.operations()[started:]}
    for if_exists, looked, task in zip(IF_EXISTS, checked.tasks, done.tasks):
        action, target = IF_EXISTS[if_exists][state], f"t/app:{if_exists}"
        result = task["result"]
        assert [line["action"] for line in result["targets"]] == [action], result
        assert [line["action"] for line in looked["result"]["targets"]] == [action], looked
        assert task["status"] == looked["status"] == ("failed" if action == "failed" else "ok")
        changes = action in ("import", "update", "reimport")
        assert result["changed"] is looked["result"]["changed"] is changes
        assert result["diff"] == looked["result"]["diff"]
        now, previous = sandbox.tags("contosoprod", "t/app").get(if_exists), earlier["tags"].get(if_exists)
        assert now == (wanted if changes else previous)
        assert (target in operations) is changes
        if changes:
            [diff] = result["diff"]
            assert diff["before"] == {target: previous} and diff["after"] == {target: now}
            assert operations[target]["body"]["mode"] == ("NoForce" if state == "absent" else "Force")
        else:
            assert not result["diff"]
        if action == "failed":
            assert f"{target} exists with digest" in result["msg"] and "if_exists: update" in result["msg"]
    assert len(sandbox.operations()) == started + len(operations)


def test_keep_asks_the_source_nothing_when_all_targets_are_there(sandbox: Sandbox, acr_import: Import) -> None:
    assert acr_import(source=HELLO, target=["t/app:1", "t/app:2"]).rc == 0
    sandbox.clear_log()
    again = acr_import(source=HELLO, target=["t/app:1", "t/app:2"], if_exists="keep")
    assert again.rc == 0 and actions(again) == ["keep", "keep"]
    assert not [e for e in sandbox.log() if "docker.io" in e["host"]]


# ---- what the words mean ----------------------------------------------------------------------------------------------


def test_a_tag_whose_manifest_is_gone_is_drift(sandbox: Sandbox, acr_import: Import) -> None:
    first = acr_import(source=HELLO, target="t/app:1")
    sandbox.lose_manifest("contosoprod", "t/app", first.result["digest"])
    again = acr_import(source=HELLO, target="t/app:1")
    assert again.rc == 0 and again.result["changed"], again.output
    assert actions(again) == ["repair"]
    assert first.result["digest"] in sandbox.manifests("contosoprod", "t/app")


def test_repair_finds_missing_children(sandbox: Sandbox, acr_import: Import) -> None:
    first = acr_import(source=HELLO, target="t/app:1")
    index = first.result["digest"]
    child = sandbox.manifests("contosoprod", "t/app")[index]["children"][0]
    sandbox.lose_manifest("contosoprod", "t/app", child)
    quiet = acr_import(source=HELLO, target="t/app:1")
    assert actions(quiet) == ["none"]
    checked = acr_import("--check", source=HELLO, target="t/app:1", repair=True)
    assert actions(checked) == ["repair"]
    mended = acr_import(source=HELLO, target="t/app:1", repair=True)
    assert mended.rc == 0 and actions(mended) == ["repair"], mended.output
    assert child in sandbox.manifests("contosoprod", "t/app")
    assert actions(acr_import(source=HELLO, target="t/app:1", repair=True)) == ["none"]


def test_a_digest_without_target_becomes_latest(sandbox: Sandbox, acr_import: Import) -> None:
    there = digest(sandbox, "registry-1.docker.io", "library/hello-world", "1.0")
    run = acr_import(source=f"docker.io/library/hello-world@{there}")
    assert run.rc == 0 and sandbox.tags("contosoprod", "library/hello-world") == {"latest": there}


def test_with_tag_and_digest_the_digest_decides(sandbox: Sandbox, acr_import: Import) -> None:
    there = digest(sandbox, "registry-1.docker.io", "library/hello-world", "1.0")
    assert there != digest(sandbox, "registry-1.docker.io", "library/hello-world", "latest")
    run = acr_import(source=f"docker.io/library/hello-world:latest@{there}")
    assert run.rc == 0 and sandbox.tags("contosoprod", "library/hello-world") == {"latest": there}
    assert sandbox.operations()[-1]["body"]["source"]["sourceImage"] == f"library/hello-world@{there}"


def test_wait_false_returns_the_operation(sandbox: Sandbox, acr_import: Import) -> None:
    sandbox.knobs(import_seconds=1.5)
    run = acr_import(source=HELLO, target="t/app:1", wait=False)
    assert run.rc == 0 and run.result["changed"], run.output
    [operation] = sandbox.operations()
    assert run.result["targets"][0]["operation"] == operation["id"]
    assert operation["polls"] == 0 and sandbox.log()[-1]["class"] == "import", "it waited"
    sandbox.wait_for_operations()
    assert actions(acr_import(source=HELLO, target="t/app:1", wait=False)) == ["none"]


def test_check_mode_fails_for_a_source_tag_that_does_not_exist(sandbox: Sandbox, acr_import: Import) -> None:
    real, checked = acr_import(source=HELLO + "-no"), acr_import("--check", source=HELLO + "-no")
    assert real.rc == checked.rc == 2
    assert real.result["msg"] == checked.result["msg"]


def test_verify_false_sends_no_data_plane_request(sandbox: Sandbox) -> None:
    sandbox.knobs(retry_after=1)
    expected = {"update": "keep", "keep": "keep", "fail": "failed", "reimport": "reimport"}
    options = {"registry": "contosoprod", "source": HELLO, "verify": False}
    tasks = [{**options, "target": [f"{name}/app:1", f"{name}/app:2"], "if_exists": name} for name in expected]
    first = run_tasks("acr_import", tasks, sandbox.env)
    assert len(first.tasks) == len(tasks), first.output
    for task in first.tasks:
        assert task["status"] == "ok" and task["result"]["changed"] and task["result"]["verified"] is False, first.output
    assert {operation["body"]["source"]["sourceImage"] for operation in sandbox.operations()} == {"library/hello-world:latest"}
    again = run_tasks("acr_import", tasks, sandbox.env)
    assert len(again.tasks) == len(tasks), again.output
    for (if_exists, action), task in zip(expected.items(), again.tasks):
        result = task["result"]
        assert [target["action"] for target in result["targets"]] == [action] * 2, result
        modes = {o["body"]["mode"] for o in sandbox.operations() if o["targets"][0].startswith(f"{if_exists}/")}
        assert modes == {"Force" if if_exists == "reimport" else "NoForce"}
        assert task["status"] == ("failed" if action == "failed" else "ok")
        if action == "failed":
            assert f"contosoprod.azurecr.test/{if_exists}/app:1 already exists" in result["msg"]
        else:
            assert result["changed"] is (if_exists == "reimport")
    assert {e["host"] for e in sandbox.log()} <= {"management.azure.test", "login.azure.test"}


@pytest.mark.parametrize(
    "knobs",
    [
        {"import_poll_style": "2021", "visibility": "early"},
        {"import_poll_style": "at_once", "retry_after": None},
        {"tag_exists_at": "post"},
    ],
    ids=["older answers, shown before they are done", "done at once", "conflicts at the start"],
)
def test_azures_other_ways_to_answer(sandbox: Sandbox, knobs: dict[str, Any]) -> None:
    sandbox.knobs(**{"retry_after": 1, **knobs})
    verified, by_presence = ({"registry": "contosoprod", "source": HELLO, "target": f"t/app:{n}"} for n in (1, 2))
    by_presence["verify"] = False
    tasks = [{"registryops.acr.acr_import": args} for args in (verified, by_presence, by_presence)]
    play = {"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}
    run = run_playbook([play], sandbox.env)
    assert run.rc == 0, run.output
    assert [task["result"]["targets"][0]["action"] for task in run.tasks] == ["import", "import", "keep"]
    assert [task["result"]["changed"] for task in run.tasks] == [True, True, False]
    hello = digest(sandbox, "docker.io", "library/hello-world", "latest")
    assert sandbox.tags("contosoprod", "t/app") == {"1": hello, "2": hello}


# ---- bad input: one clear sentence each ---------------------------------------------------------------------------------


BAD: list[tuple[dict[str, Any], str]] = [
    ({"source": "docker.io/Library/Nginx:1"}, "must be lowercase"),
    ({"source": "library/hello-world:1"}, "doesn't name a registry"),
    ({"source": "https://docker.io/library/nginx:1"}, "must not start with 'https://'"),
    ({"source": HELLO, "target": "contosoprod.azurecr.test/a:1"}, "must not name the registry to import into"),
    ({"source": "docker.io/library/hello-world@sha256:12"}, "invalid digest"),
    ({"registry": "contoso-prod", "source": HELLO}, "isn't the name of a registry"),
    ({"registry": "nosuchregistry", "source": HELLO}, "There is no registry nosuchregistry"),
    ({"source": "docker.io/library/hello-world:no"}, "docker.io/library/hello-world:no does not exist"),
    ({"source": "docker.io/library/nothing:1"}, "docker.io/library/nothing:1 needs credentials that may pull it"),
    ({"source": "mcr.microsoft.com/dotnet/nothing:1"}, "mcr.microsoft.com/dotnet/nothing:1 does not exist"),
    (
        {"source": "basic.vendor.test/vendor/tool:1.0", "source_username": "vendor", "source_password": "wrong"},
        "refuses the given credentials",
    ),
    ({"source": "basic.vendor.test/vendor/tool:1.0"}, "needs credentials"),
    ({"source": "nowhere.example.test/vendor/tool:1.0"}, "The proxy could not connect to nowhere.example.test: "),
    ({"source": HELLO, "source_username": "x"}, "source_password is empty"),
    (
        {"registry": "contosoprod-abc.azurecr.test", "resource_group": "rg-registries", "source": HELLO, "verify": False},
        "has the login server contosoprod.azurecr.test, not contosoprod-abc.azurecr.test",
    ),
]


def test_bad_input(sandbox: Sandbox) -> None:
    run = run_tasks("acr_import", [{"registry": "contosoprod", **args} for args, _says in BAD], sandbox.env)
    assert len(run.tasks) == len(BAD) and "Traceback" not in run.output, run.output
    for task, (_args, says) in zip(run.tasks, BAD):
        message = task["result"]["msg"]
        assert task["status"] == "failed" and says in message, f"{says!r} is not what was said: {message}"
        assert "\n" not in message and len(message) < 600
    assert not sandbox.operations()


def test_no_write_permission(sandbox: Sandbox) -> None:
    env = sandbox.env_as("reader")
    run = run_module("acr_import", {"registry": "contosoprod", "source": HELLO}, env)
    assert run.rc == 2
    assert "Microsoft.ContainerRegistry/registries/importImage/action" in run.result["msg"], run.output
    assert "Container Registry Data Importer and Data Reader" in run.result["msg"]


@pytest.mark.parametrize(
    ("status", "body", "says"),
    [(503, "", None), (403, "<html>Forbidden by the proxy</html>", "Azure denies access to contosoprod.azurecr.test/")],
)
def test_an_answer_to_an_import_that_is_not_azures(
    sandbox: Sandbox, acr_import: Import, status: int, body: str, says: str | None
) -> None:
    """A gateway that is busy is asked again; one that refuses is one sentence."""
    answer = {"status": status, "headers": {"Content-Type": "text/html"}, "body": body}
    sandbox.knobs(faults=[{"match": {"class": "^import$"}, "times": 1, "action": answer}])
    run = acr_import(source=HELLO, target="t/app:1")
    if says is None:
        assert run.rc == 0 and actions(run) == ["import"], run.output
    else:
        assert run.rc == 2 and says in run.result["msg"] and "\n" not in run.result["msg"], run.output


def test_unreachable_host(sandbox: Sandbox, acr_import: Import) -> None:
    run = acr_import(source=HELLO, env={"HTTPS_PROXY": "", "https_proxy": ""})
    assert run.rc == 2 and "\n" not in run.result["msg"], run.output
    assert run.result["msg"].startswith("management.azure.test can't be reached: ")
    assert not sandbox.log()


@pytest.mark.parametrize(
    ("library", "package"),
    [
        ("requests", "requests"),
        ("azure.identity", "azure-identity"),
        ("azure.mgmt.containerregistry", "azure-mgmt-containerregistry"),
    ],
)
def test_missing_python_library(sandbox: Sandbox, tmp_path: Path, library: str, package: str) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import sys\n"
        "class Missing:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == {library!r} or name.startswith({library!r} + '.'):\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Missing())\n"
    )
    env = {**sandbox.env, "PYTHONPATH": f"{tmp_path}:{ROOT}"}
    run = run_module("acr_import", {"registry": "contosoprod", "source": HELLO}, env)
    assert run.rc == 2, run.output
    assert f"({package})" in run.result["msg"], run.result["msg"]


def test_an_import_whose_answer_got_lost_is_ours_all_the_same(sandbox: Sandbox, acr_import: Import) -> None:
    """Azure takes it, the answer gets lost, and the second try is refused since the tag is there by then."""
    lost = [{"match": {"class": "import"}, "action": {"drop_mid": True}, "times": 1}]
    digest = sandbox.tags("registry-1.docker.io", "library/hello-world")["latest"]
    for verify in (True, False):
        sandbox.knobs(faults=lost, import_seconds=0, retry_after=0)
        run = acr_import(source=HELLO, target=f"t/lost:{verify}", verify=verify)
        assert run.rc == 0 and run.result["changed"] is True, run.output
        assert run.result["targets"][0]["action"] == "import"
        assert sandbox.tags("contosoprod", "t/lost")[str(verify)] == digest
        assert len(sandbox.log(class_="import")) == 2
        sandbox.clear_log()


def test_a_finished_task_does_not_wait_for_resource_manager(sandbox: Sandbox, acr_import: Import) -> None:
    """The registry shows the import; the question how it stands is still to be asked again in two minutes."""
    later = {"status": 429, "headers": {"Retry-After": "120"}, "body": "{}"}
    sandbox.knobs(faults=[{"match": {"class": "import_poll"}, "action": later}], retry_after=0, import_seconds=2)
    run = acr_import(source=HELLO)
    assert run.rc == 0 and run.result["changed"], run.output
    assert sandbox.log(class_="import_poll") and run.seconds < 100
