# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role mirror, the playbooks, and acr_trusted_services."""
from __future__ import annotations

import json
import threading
import time
from importlib import import_module
from pathlib import Path
from typing import Any, Callable, Iterator

import jsonschema
import pytest
import yaml

from tests.pages import blocks_of
from tests.playbook import ROOT, Run, run_module, run_playbook
from tests.sandbox.handle import SUBSCRIPTION, Sandbox

HELLO = "docker.io/library/hello-world:latest"
DEV_ID = (
    "/subscriptions/11111111-1111-4111-8111-111111111111/resourceGroups/rg-registries"
    "/providers/Microsoft.ContainerRegistry/registries/contosodev"
)
OUR_ADDRESS = "203.0.113.10"  # as the sandbox's registries see us
# Only our address gets in; Azure's import service stays out.
CLOSED = {
    "networkRuleSet": {"defaultAction": "Deny", "ipRules": [{"action": "Allow", "value": OUR_ADDRESS}]},
    "networkRuleBypassOptions": "None",
}

Role = Callable[..., Run]
Refusals = Callable[..., list[list[dict[str, Any]]]]


@pytest.fixture
def role(sandbox: Sandbox) -> Role:
    """``role(images, acr_mirror_…=…)`` on localhost; ``hosts`` gives an inventory of other hosts."""

    def call(images: Any, *arguments: str, env: dict[str, str] | None = None, **variables: Any) -> Run:
        play = {
            "name": "Test",
            "hosts": "all",
            "connection": "local",
            "gather_facts": False,
            "roles": [{"role": "registryops.acr.mirror"}],
            "vars": {
                "ansible_python_interpreter": "{{ ansible_playbook_python }}",
                "acr_mirror_registry": "contosoprod",
                "acr_mirror_images": images,
                **variables,
            },
        }
        if variables.pop("hosts_are_registries", False):
            del play["vars"]["acr_mirror_registry"]
        inventory = () if "-i" in arguments else ("-i", "localhost,")
        return run_playbook([play], {**sandbox.env, **(env or {})}, *inventory, *arguments)

    return call


@pytest.fixture
def refusals(sandbox: Sandbox) -> Refusals:
    """``refusals([variables, …])``: the role with each of these, all in one play; returns the tasks of each, of which the last
    failed."""

    def call(cases: list[dict[str, Any]], env: dict[str, str] | None = None) -> list[list[dict[str, Any]]]:
        tasks = [
            {
                "block": [{"ansible.builtin.include_role": {"name": "registryops.acr.mirror"}, "vars": variables}],
                "rescue": [{"name": "Go on", "ansible.builtin.meta": "noop"}],
            }
            for variables in cases
        ]
        play = {"name": "Test", "hosts": "localhost", "gather_facts": False, "vars": {"acr_mirror_registry": "contosoprod"}}
        run = run_playbook([{**play, "tasks": tasks}], {**sandbox.env, **(env or {})})
        assert run.rc == 0 and run.recap["rescued"] == len(cases), run.output
        done = [task for task in run.tasks if task["status"] != "skipped"]
        ends = [number for number, task in enumerate(done, 1) if task["status"] == "failed"]
        assert len(ends) == len(cases) and ends[-1] == len(done), run.output
        return [done[start:end] for start, end in zip([0, *ends], ends)]

    return call


@pytest.fixture
def closed(sandbox: Sandbox) -> Iterator[str]:
    """contosoprod with a firewall that lets us in, but not Azure's import service."""
    before = sandbox.patch_registry("contosoprod")["properties"]
    sandbox.patch_registry("contosoprod", properties=CLOSED)
    yield "contosoprod"
    kept = {name: before.get(name) for name in ("networkRuleSet", "networkRuleBypassOptions", "publicNetworkAccess")}
    sandbox.patch_registry("contosoprod", properties=kept)


def failures(run: Run) -> str:
    """The whole message of the task that mirrors."""
    [result] = [task["result"] for task in run.tasks if task["status"] == "failed"]
    return result["diff"][-1]["msg"]


def properties(sandbox: Sandbox, name: str) -> dict[str, Any]:
    return sandbox.patch_registry(name)["properties"]


# ---- acr_trusted_services ---------------------------------------------------------------------------------------------


def test_d5_an_update_that_never_ends(sandbox: Sandbox, closed: str) -> None:
    """A sentence at the end of the time limit, whatever Azure says about when to ask again."""
    for after in (0, 86400):
        sandbox.knobs(patch_style="async", import_seconds=3600, retry_after=after)
        run = run_module("acr_trusted_services", {"registry": closed, "timeout": 5}, sandbox.env, timeout=60)
        assert run.rc != 0 and "has not finished the update of registry contosoprod within the time limit" in run.result["msg"]
        assert run.seconds < 20
        polls = [line for line in sandbox.log(class_="arm_read") if "operationstatuses" in line["path"].lower()]
        assert len(polls) < 10, "Azure was asked without a pause"
        sandbox.clear_log()


def test_an_update_that_takes_its_time(sandbox: Sandbox, closed: str) -> None:
    sandbox.knobs(patch_style="async", import_seconds=1.5, retry_after=None)
    run = run_module("acr_trusted_services", {"registry": closed}, sandbox.env)
    assert run.rc == 0 and run.result["changed"] and run.result["after"]["trusted_services"] is True, run.output


def test_trusted_services_are_let_in_and_nothing_else_changes(sandbox: Sandbox, closed: str) -> None:
    subnet = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v/subnets/s"
    regional = f"{closed}.westeurope.geo.azurecr.test"
    policies = {
        "quarantinePolicy": {"status": "enabled"},
        "exportPolicy": {"status": "disabled"},
        "azureADAuthenticationAsArmPolicy": {"status": "disabled"},
        "retentionPolicy": {"status": "enabled", "days": 30},
        "softDeletePolicy": {"status": "enabled", "retentionDays": 14},
    }
    rules = {"virtualNetworkRules": [{"action": "Allow", "virtualNetworkSubnetResourceId": subnet}]}
    more = {"networkRuleBypassAllowedForTasks": True, "regionalEndpoints": "Enabled", "regionalEndpointHostNames": [regional]}
    sandbox.patch_registry(closed, properties={"networkRuleSet": rules, "policies": policies, **more})
    sandbox.knobs(api_versions=["2022-12-01", "2026-11-01", "2026-09-01-preview"])  # a cloud that tells all, to those who ask
    before = properties(sandbox, closed)
    checked = run_module("acr_trusted_services", {"registry": closed}, sandbox.env, "--check", "--diff")
    assert checked.rc == 0 and checked.result["changed"], checked.output
    assert properties(sandbox, closed) == before, "check mode changed something"
    assert checked.result["diff"]["before"]["trusted_services"] is False
    assert checked.result["diff"]["after"]["trusted_services"] is True

    first = run_module("acr_trusted_services", {"registry": closed}, sandbox.env, "--diff")
    assert first.rc == 0 and first.result["changed"], first.output
    assert first.result["after"] == checked.result["after"]
    assert first.result["before"] == {
        "public_network_access": True,
        "default_action": "Deny",
        "ip_rules": [OUR_ADDRESS],
        "virtual_network_rules": [subnet],
        "private_endpoints": [],
        "trusted_services": False,
        "trusted_services_for_tasks": True,
        "restricted": True,
        "role_assignment_mode": "LegacyRegistryPermissions",
        "exports_allowed": False,
        "arm_tokens_allowed": False,
        "quarantine": True,
        "retention_days": 30,
        "soft_delete_days": 14,
        "regional_endpoints": [regional],
    }
    assert properties(sandbox, closed) == {**before, "networkRuleBypassOptions": "AzureServices"}

    second = run_module("acr_trusted_services", {"registry": closed}, sandbox.env)
    assert second.rc == 0 and not second.result["changed"]

    sandbox.knobs(patch_style="async", import_seconds=0.5, retry_after=1)  # Azure may take its time
    off = run_module("acr_trusted_services", {"registry": closed, "state": "disabled"}, sandbox.env)
    assert off.result["changed"] and properties(sandbox, closed) == before


def test_trusted_services_without_the_right_to_change(sandbox: Sandbox, closed: str) -> None:
    run = run_module("acr_trusted_services", {"registry": closed}, sandbox.env_as("reader"))
    assert run.rc == 2
    assert "isn't allowed to perform" in run.result["msg"] and "registries/write" in run.result["msg"]
    assert properties(sandbox, closed)["networkRuleBypassOptions"] == "None"


# ---- network rules ----------------------------------------------------------------------------------------------------


def test_without_trusted_services_the_import_fails_as_azures_does(sandbox: Sandbox, closed: str, role: Role) -> None:
    run = role([{"source": HELLO}], acr_mirror_trusted_services="ignore")
    assert run.rc == 2
    _headline, failed = failures(run).splitlines()
    image, said = failed.split(": ", 1)
    assert image == "contosoprod.azurecr.test/library/hello-world:latest (entry 1)" and said.startswith("The firewall of"), run.output
    assert "blocks Azure's import service" in said and "registryops.acr.acr_trusted_services" in said
    assert said.partition("Azure says: ")[2].startswith('Invalid message Forbidden Forbidden {"errors":[{"code":"DENIED"')
    assert sandbox.tags("contosoprod", "library/hello-world") == {}


def test_check_fails_with_the_remedy(sandbox: Sandbox, closed: str, role: Role) -> None:
    run = role([{"source": HELLO}], acr_mirror_trusted_services="check")
    assert run.rc == 2
    message = run.result["msg"]
    assert "contosoprod" in message and "az acr update --name contosoprod --allow-trusted-services true" in message
    assert properties(sandbox, closed)["networkRuleBypassOptions"] == "None"
    assert sandbox.operations() == []


def test_ensure_lets_azure_in_and_mirrors(sandbox: Sandbox, closed: str, role: Role) -> None:
    checked = role([{"source": HELLO}], "--check")
    assert checked.rc == 0 and checked.recap["changed"] == 2, checked.output
    assert properties(sandbox, closed)["networkRuleBypassOptions"] == "None"
    first = role([{"source": HELLO}])
    assert first.rc == 0 and first.recap["changed"] == 2, first.output
    assert properties(sandbox, closed)["networkRuleBypassOptions"] == "AzureServices"
    second = role([{"source": HELLO}])
    assert second.rc == 0 and second.recap["changed"] == 0, second.output


def test_a_restricted_source_is_opened_too(sandbox: Sandbox, role: Role) -> None:
    created = sandbox.create_registry("closedsource", properties=CLOSED)
    sandbox.push("closedsource", "team/app", ["1.0"])
    images = [{"source": f"{created['login_server']}/team/app:1.0"}]
    ignored = role(images, acr_mirror_trusted_services="ignore")
    assert ignored.rc == 2
    failed = failures(ignored)
    assert "closedsource" in failed and "trusted services" in failed.lower(), failed
    checked = role(images, acr_mirror_trusted_services="check")
    assert checked.rc == 2 and "closedsource" in checked.result["msg"]
    # Rules that could not be read are told, unless this account does not see them at all, as another tenant's.
    gateway = {"status": 400, "headers": {"Content-Type": "text/html"}, "body": "<html>Bad Request</html>"}
    sandbox.knobs(faults=[{"match": {"class": "arm_read", "path": "registries/contosodev$"}, "action": gateway, "times": 1}])
    images.append({"source": "signed/app:1.0", "source_registry": DEV_ID})
    fabrikam = {"source_username": "pulltoken", "source_password": "pulltokenpass"}
    images.append({"source": "fabrikam.azurecr.test/sourcerepo:tag", **fabrikam})
    run = role(images)
    assert run.rc == 0 and run.recap["changed"] == 2, run.output
    assert properties(sandbox, "closedsource")["networkRuleBypassOptions"] == "AzureServices"
    assert properties(sandbox, "contosoprod")["networkRuleBypassOptions"] == "AzureServices"
    assert list(sandbox.tags("contosoprod", "team/app")) == ["1.0"]
    told = next(task["result"]["results"] for task in run.tasks if task["task"].endswith("network rules could not be read"))
    assert [line["msg"] for line in told] == [
        f"The network rules of {DEV_ID} could not be read, so it is not known whether they block Azure's import service: Azure "
        "Resource Manager answered with status 400 for registry contosodev in resource group rg-registries, without an "
        "explanation."
    ]


def test_a_source_registry_without_a_name_is_as_if_not_given(sandbox: Sandbox, refusals: Refusals) -> None:
    """The source's host is looked at then, and no registry called None, or nothing, is."""
    created = sandbox.create_registry("closednamed", properties=CLOSED)
    sandbox.push("closednamed", "team/app", ["1.0"])
    source = f"{created['login_server']}/team/app:1.0"
    cases: list[dict[str, Any]] = []
    for name in (None, ""):
        cases.append({"acr_mirror_images": [{"source": source, "source_registry": name}]})
        cases.append({"acr_mirror_images": [{"source": source}], "acr_mirror_defaults": {"source_registry": name}})
    # The registry of the defaults counts for an entry without a name.
    defaults = {"source_registry": "closednamed"}
    cases.append({"acr_mirror_images": [{"source": "team/app:1.0", "source_registry": None}], "acr_mirror_defaults": defaults})
    refused = refusals([{"acr_mirror_trusted_services": "check", **case} for case in cases])
    for tasks in refused:
        assert tasks[-1]["result"]["msg"].startswith("closednamed: network access is restricted"), tasks[-1]
    for tasks in refused[:-1]:
        read = next(task for task in tasks if task["task"].endswith("Read the network rules"))
        assert [one["acr_mirror_place"] for one in read["result"]["results"]] == ["contosoprod", created["login_server"]]


def test_a_target_without_public_access(sandbox: Sandbox, closed: str, role: Role) -> None:
    """Azure's import service is let in, which this machine never is: it can import, and not look."""
    sandbox.knobs(retry_after=1)
    sandbox.patch_registry(closed, properties={"publicNetworkAccess": "Disabled"})
    run = role([{"source": HELLO}])
    assert run.rc == 2 and not sandbox.operations(), run.output
    failed = next(task["result"]["msg"] for task in run.tasks if task["status"] == "failed")
    assert failed.startswith("The firewall of contosoprod.azurecr.test refuses this machine") and "verify: false" in failed
    assert properties(sandbox, closed)["networkRuleBypassOptions"] == "AzureServices"
    run = role([{"source": HELLO}], acr_mirror_defaults={"verify": False})
    assert run.rc == 0 and run.recap["changed"] == 1, run.output
    assert list(sandbox.tags(closed, "library/hello-world")) == ["latest"]
    assert properties(sandbox, closed)["publicNetworkAccess"] == "Disabled"


# ---- reports ----------------------------------------------------------------------------------------------------------


def checked(path: Path) -> dict[str, Any]:
    """A report as JSON, which is as its schema says."""
    report = json.loads(path.read_text())
    schema = json.loads((ROOT / "docs/report.schema.json").read_text())
    jsonschema.Draft202012Validator(schema).validate(report)
    described = schema["properties"]
    assert set(report) == set(described) and set(report["summary"]) == set(described["summary"]["properties"])
    for kind in ("results", "selections"):
        for row in report[kind]:
            assert set(row) <= set(described[kind]["items"]["properties"]), "a key that the schema doesn't have"
    return report


def test_reports_are_written_also_when_something_failed(sandbox: Sandbox, role: Role, tmp_path: Path) -> None:
    images = [
        {"source": HELLO},
        {"source": "docker.io/library/hello-world:none"},
        {"source": "docker.io/library/hello-world", "tags": {"include": ["1.*"], "newest": 1}},
        {"source": HELLO, "target": "kept/app:1", "if_exists": "keep"},
        {"source": HELLO, "target": "new/app:1", "quarantine": {"min_age": "72h"}},
    ]
    kept = sandbox.push("contosoprod", "kept/app", ["1"])["digest"]
    reports = {f"acr_mirror_report_{kind}": str(tmp_path / f"report.{kind}") for kind in ("html", "json")}
    run = role(images, acr_mirror_blocked=[kept], **reports)
    assert run.rc == 2
    report = checked(tmp_path / "report.json")
    assert report["summary"]["failed"] == 1 and report["summary"]["imported"] >= 1
    good, failed = report["results"][:2]
    assert (good["entry"], good["action"], good["reason"]) == (1, "import", "absent")
    assert (failed["entry"], failed["action"], failed["reason"]) == (2, "failed", "not_found")
    assert good["platforms"] and good["size"] > 0 and good["seconds"] > 0
    page = (tmp_path / "report.html").read_text()
    assert page.index("Failed</h2>") < page.index("Changed</h2>"), "failures come first"
    assert "docker.io/library/hello-world:none does not exist" in page
    assert good["digest"] in page and "linux/arm64" in page
    assert "http" not in page.replace("<html", ""), "the page needs nothing but itself"
    shown = next(task["result"]["msg"] for task in run.tasks if task["task"].endswith("Show what was done"))
    assert any(line.startswith("failed") for line in shown) and any(line.startswith("import") for line in shown)
    failure = "contosoprod.azurecr.test/library/hello-world:none (entry 2): docker.io/library/hello-world:none does not exist."
    assert f"failed    {failure}" in shown
    [selection] = report["selections"]
    dropped = ", ".join(f"{drop['count']} by {drop['rule']}" for drop in selection["dropped"])
    assert dropped and f"selected  1 of docker.io/library/hello-world (entry 3); dropped {dropped}" in shown
    assert "Selected tags" in page and "(entry 2)" in page
    *_others, kept_row, waiting, quarantined = report["results"]
    note = kept_row["note"]
    assert kept in note and note in page and f"note      {note} (entry 4)" in shown
    assert (waiting["action"], quarantined["action"], waiting["waiting"]) == ("wait", "quarantine", quarantined["digest"])
    line = f"wait      new/app:1 absent -> {waiting['waiting'][:19]} at {waiting['ready_at']}"
    assert line in shown and waiting["ready_at"] in page and (report["summary"]["waiting"], report["summary"]["quarantined"]) == (1, 1)
    # The task that mirrors fails, each failure is shown once, and nothing shows all results as JSON.
    [mirrored] = [task for task in run.tasks if task["task"].endswith("Mirror the images")]
    assert mirrored["status"] == "failed" and mirrored["result"]["msg"].startswith("1 of ") and run.recap["failed"] == 1
    assert run.output.count("hello-world:none does not exist") == 1 and "previous_digest" not in run.output
    # Without the report, its message is all that tells what failed.
    run = role(images, "--check", acr_mirror_report="no")
    [message] = [task["result"]["msg"] for task in run.tasks if task["status"] == "failed"]
    assert failure in message.splitlines() and "previous_digest" not in run.output


def test_what_is_right_takes_few_tasks(sandbox: Sandbox, role: Role, tmp_path: Path) -> None:
    reports = {f"acr_mirror_report_{kind}": str(tmp_path / f"report.{kind}") for kind in ("html", "json")}
    first, second = (role([{"source": HELLO}], **reports) for _run in range(2))
    assert first.rc == second.rc == 0 and second.recap["changed"] == 0, second.output
    assert second.recap["skipped"] == 2, second.output
    assert [row["reason"] for row in checked(tmp_path / "report.json")["results"]] == ["equal"]


@pytest.mark.parametrize("given", [True, False])
def test_a_role_assignment_that_takes_its_time(sandbox: Sandbox, role: Role, given: bool) -> None:
    """The role waits for it, and then does all at once; if it never comes, what is missing is reported."""
    sandbox.patch_principal("importer", grants={})
    waiting = threading.Event()

    def assign() -> None:
        while not waiting.is_set() and not sandbox.log(class_="arm_read"):
            time.sleep(0.1)
        time.sleep(1)
        sandbox.patch_principal("importer", grants={"contosoprod": ["Container Registry Data Importer and Data Reader"]})

    thread = threading.Thread(target=assign)
    if given:
        thread.start()
    run = role(
        [{"source": HELLO}, {"source": "docker.io/library/hello-world:none"}],
        env=sandbox.env_as("importer"),
        acr_mirror_wait_for_access=5 if given else 1,
        acr_mirror_trusted_services="ignore",
    )
    waiting.set()
    assert "FAILED - RETRYING: [localhost]" in run.output, run.output
    assert list(sandbox.tags("contosoprod", "library/hello-world")) == (["latest"] if given else [])
    [mirrored] = [task for task in run.tasks if task["task"].endswith("Mirror the images")]
    assert mirrored["status"] == "failed"
    assert mirrored["result"]["msg"].startswith("1 of 2 targets failed" if given else "There is no registry contosoprod")
    if given:
        thread.join()
        assert len(sandbox.operations()) == 1


def test_the_example_of_a_registry_that_was_just_created(sandbox: Sandbox) -> None:
    [example] = [block.text for block in blocks_of(ROOT / "roles/mirror/README.md") if "wait_for_access" in block.text]
    # All that the module returned can be read by the tasks that follow.
    [task] = yaml.safe_load(example)
    task["ansible.builtin.include_role"]["public"] = True
    shown = {"name": "Show", "ansible.builtin.debug": {"var": "acr_mirror_returned.results"}}
    play = {"hosts": "localhost", "gather_facts": False, "tasks": [task, shown]}
    run = run_playbook([play], sandbox.env)
    assert run.rc == 0 and len(sandbox.operations()) == 1, run.output
    [result] = run.tasks[-1]["result"]["acr_mirror_returned.results"]
    assert (result["action"], bool(result["operation"])) == ("import", True)


def test_reports_of_what_was_not_looked_at(sandbox: Sandbox, role: Role, tmp_path: Path) -> None:
    """Without verification there are neither digests nor sizes; in check mode nothing was done, and both reports say so."""
    sandbox.knobs(retry_after=1)
    reports = {f"acr_mirror_report_{kind}": str(tmp_path / f"report.{kind}") for kind in ("html", "json")}
    images = [{"source": HELLO, "verify": False}, {"source": HELLO, "target": ["checked/hello:1"]}]
    run = role(images, **reports)
    assert run.rc == 0, run.output
    page = (tmp_path / "report.html").read_text()
    assert "not checked" in page and "check mode" not in page
    run = role([*images, {"source": HELLO, "target": ["checked/hello:2"]}], "--check", **reports)
    assert run.rc == 0, run.output
    assert "check mode: nothing was done" in (tmp_path / "report.html").read_text()
    document = checked(tmp_path / "report.json")
    assert document["check_mode"] is True and document["registry"] == "contosoprod"
    assert [(result["action"], result["reason"]) for result in document["results"]] == [
        ("import", "unverified"), ("none", "equal"), ("import", "absent")
    ]  # fmt: skip


def test_a_relative_report_lands_where_the_command_was_run(sandbox: Sandbox, role: Role, tmp_path: Path) -> None:
    run = role([{"source": HELLO}], acr_mirror_report_html="mirror.html", env={"PWD": str(tmp_path)})
    assert run.rc == 0, run.output
    assert (tmp_path / "mirror.html").exists()


def test_reports_may_go_to_the_home_folder(sandbox: Sandbox, role: Role, tmp_path: Path) -> None:
    reports = {f"acr_mirror_report_{kind}": f"~/mirror.{kind}" for kind in ("html", "json")}
    run = role([{"source": HELLO}], env={"HOME": str(tmp_path)}, **reports)
    assert run.rc == 0, run.output
    assert (tmp_path / "mirror.html").exists() and json.loads((tmp_path / "mirror.json").read_text())["changed"]


def test_reports_read_no_templates_from_what_failed(sandbox: Sandbox, role: Role, tmp_path: Path) -> None:
    """Nor does anything that is made of the results later: before ansible-core 2.19 every text may be a template."""
    hostile = "{{ lookup('pipe', 'touch " + str(tmp_path / "ran") + "') }}"
    sandbox.knobs(import_faults=[{"source": "hello-world", "text": "Invalid message Forbidden Forbidden " + hostile}])
    page, document = tmp_path / "report.html", tmp_path / "report.json"
    run = role([{"source": HELLO}], acr_mirror_report_html=str(page), acr_mirror_report_json=str(document))
    assert run.rc == 2 and json.dumps(hostile)[1:-1] in run.output, run.output
    assert hostile in json.loads(document.read_text())["results"][0]["error"] and "lookup(" in page.read_text()
    assert not (tmp_path / "ran").exists()


def test_the_page_escapes_what_registries_say(sandbox: Sandbox, role: Role, tmp_path: Path) -> None:
    sandbox.knobs(import_faults=[{"source": "hello-world", "text": "<script>alert(1)</script>"}])
    sandbox.push("contosodev", "odd/platform", ["1"], platform="linux/<img>")
    images = [{"source": HELLO}, {"source": "contosodev.azurecr.test/odd/platform:1"}]
    run = role(images, acr_mirror_report_html=str(tmp_path / "report.html"))
    assert run.rc == 2
    page = (tmp_path / "report.html").read_text()
    assert "<script>" not in page and "&lt;script&gt;" in page
    assert "<img>" not in page and "linux/&lt;img&gt;" in page


# ---- lists from elsewhere ---------------------------------------------------------------------------------------------

ENCRYPTED = """source_password: !vault |
          $ANSIBLE_VAULT;1.1;AES256
          35333131326564336632643564653334306138613433393365356436306435353561373331306631
          6435343664393338643535386635353430313831383563610a653136616538396237356562633131
          66636230613461366232653238313934333035376166383066613765393138666437616536386438
          3032623636303962660a626164333363366138376438623637626263303437313635643466353739
          3535
"""  # vendorpass, by the password pw


def test_e13_encrypted_values_in_a_text(sandbox: Sandbox, role: Role, refusals: Refusals, tmp_path: Path) -> None:
    """The sentence says how, and that works."""
    vault = {"ANSIBLE_VAULT_PASSWORD_FILE": str(tmp_path / "password")}
    (tmp_path / "password").write_text("pw")
    images = "- source: basic.vendor.test/vendor/tool:1.0\n  source_username: vendor\n  " + ENCRYPTED
    (tmp_path / "list.yml").write_text(images)
    looked_up = "{{ lookup('ansible.builtin.file', '" + str(tmp_path / "list.yml") + "') }}"
    cases = [{"acr_mirror_images": looked_up}, {"acr_mirror_images": images}, {"acr_mirror_credentials": ENCRYPTED},
             {"acr_mirror_defaults": "{a: 1, " + ENCRYPTED.replace("|", "x}").partition("\n")[0]}]  # fmt: skip
    for case, tasks in zip(cases, refusals([{"acr_mirror_images": [{"source": HELLO}], **case} for case in cases], vault)):
        message = tasks[-1]["result"]["msg"]
        assert "is text with !vault in it" in message and "ansible.builtin.include_vars" in message, case
        assert "constructor" not in message
    # A comment is none.
    run = role("# no !vault here\n- source: " + HELLO + "\n", "--check")
    assert run.rc == 0, run.output
    (tmp_path / "vars.yml").write_text("acr_mirror_images:\n" + "".join("  " + line for line in images.splitlines(keepends=True)))
    run = role([], "-e", "@" + str(tmp_path / "vars.yml"), env=vault)
    assert run.rc == 0 and list(sandbox.tags("contosoprod", "vendor/tool")) == ["1.0"], run.output


# ---- hosts, tags, arguments -------------------------------------------------------------------------------------------


def test_hosts_are_registries(sandbox: Sandbox, role: Role, tmp_path: Path) -> None:
    """Several at once, each with its own list and report; one that fails leaves the others alone."""
    tags = {"contosoeast": "1.0", "contosogone": "1.0", "contosowest": "1.1"}
    for name in ("contosoeast", "contosowest"):
        sandbox.create_registry(name)
    run = role(
        [{"source": "docker.io/library/hello-world:{{ tags[inventory_hostname] }}"}],
        *("-i", ",".join(tags), "--forks", "3"),
        hosts_are_registries=True,
        tags=tags,
        acr_mirror_report_json=str(tmp_path / "{{ inventory_hostname }}.json"),
    )
    assert run.rc == 2, run.output
    failed = {task["host"]: task["result"]["msg"] for task in run.tasks if task["status"] == "failed"}
    assert list(failed) == ["contosogone"] and "There is no registry contosogone" in failed["contosogone"]
    for name in ("contosoeast", "contosowest"):
        assert list(sandbox.tags(name, "library/hello-world")) == [tags[name]]
        report = json.loads((tmp_path / f"{name}.json").read_text())
        images = [result["image"] for result in report["results"]]
        assert report["registry"] == name and images == [f"{name}.azurecr.test/library/hello-world:{tags[name]}"]


def test_e10_a_version_without_quotes_is_refused(sandbox: Sandbox, refusals: Refusals) -> None:
    python = "docker.io/library/python"
    cases: list[dict[str, Any]] = [
        {"acr_mirror_images": [{"source": python, "tags": {"include": [3.10]}}]},
        {"acr_mirror_images": f"- source: {python}\n  tags:\n    semver: 3.10\n"},
        {"acr_mirror_images": [{"source": HELLO}], "acr_mirror_defaults": {"tags": {"include": [3.10]}}},
    ]
    for case, tasks in zip(cases, refusals([{"acr_mirror_trusted_services": "ignore", **case} for case in cases])):
        message = tasks[-1]["result"]["msg"]
        assert "must be text, but 3.1 was read as a number" in message, case
        assert "Quote it, as in '3.10'." in message, message
    assert not sandbox.operations()


def test_tags_run_a_part(sandbox: Sandbox, closed: str, role: Role, tmp_path: Path) -> None:
    images = [{"source": HELLO}, {"source": "docker.io/library/hello-world:none"}]
    page = tmp_path / "report.html"
    run = role(images, "--tags", "network")
    assert run.rc == 0, run.output
    assert properties(sandbox, closed)["networkRuleBypassOptions"] == "AzureServices"
    assert sandbox.operations() == []
    sandbox.clear_log()
    run = role(images, "--tags", "report", acr_mirror_report_html=str(page))
    assert run.rc == 0 and not page.exists() and not sandbox.log(), run.output
    run = role(images, "--tags", "mirror", acr_mirror_report_html=str(page))
    assert run.rc == 2 and "hello-world:none does not exist" in run.result["msg"], run.output
    assert not page.exists() and len(sandbox.operations()) == 1
    run = role(images, "--tags", "mirror,report", acr_mirror_report_html=str(page))
    assert run.rc == 2 and page.exists() and len(sandbox.operations()) == 1


# As AWX's surveys and -e name=value give them.
TEXTS = {
    "acr_mirror_registry": "contosoprod",
    "acr_mirror_resource_group": "rg-registries",
    "acr_mirror_images": "- source: tool:1.0\n",
    "acr_mirror_defaults": '{"source_registry": "contosodev", "if_exists": "keep"}',
    "acr_mirror_credentials": '[{"registry": "basic.vendor.test", "username": "vendor", "password": "vendorpass"}]',
    "acr_mirror_default_host": "docker.io",
    "acr_mirror_target_prefix": "texts/",
    "acr_mirror_lock_file": "images.lock.yml",
    "acr_mirror_lock": "use",
    "acr_mirror_blocked": '["quay.io/*"]',
    "acr_mirror_concurrency": "2",
    "acr_mirror_on_error": "stop",
    "acr_mirror_timeout": "120",
    "acr_mirror_import_timeout": "60",
    "acr_mirror_wait": "yes",
    "acr_mirror_wait_for_access": "0",
    "acr_mirror_trusted_services": "ignore",
    "acr_mirror_progress": "no",
    "acr_mirror_report": "false",
    "acr_mirror_report_html": "",
    "acr_mirror_report_json": "report.json",
}


def test_every_variable_may_be_text(sandbox: Sandbox, closed: str, role: Role, tmp_path: Path) -> None:
    specs = yaml.safe_load((ROOT / "roles/mirror/meta/argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
    assert set(TEXTS) == set(specs), "each variable that there is"
    sandbox.push("contosodev", "tool", ["1.0"], seed=71)
    sandbox.patch_registry("contosoprod", properties={"networkRuleBypassOptions": "AzureServices"})
    source = f"contosodev.azurecr.test/tool:1.0@{sandbox.tags('contosodev', 'tool')['1.0']}"
    (tmp_path / "images.lock.yml").write_text(f"- {{source: {source}, target: texts/tool:1.0}}\n")
    files = {"acr_mirror_report_json": str(tmp_path / "report.json"), "acr_mirror_lock_file": str(tmp_path / "images.lock.yml")}
    run = role([], **{**TEXTS, **files})
    assert run.rc == 0 and list(sandbox.tags("contosoprod", "texts/tool")) == ["1.0"], run.output
    assert json.loads((tmp_path / "report.json").read_text())["summary"]["imported"] == 1
    assert not any("network" in task["task"] or "Show" in task["task"] for task in run.tasks if task["status"] == "ok")
    # Text without content counts as not given: the registry is the host then.
    names = "resource_group defaults credentials default_host target_prefix blocked lock_file report_html report_json"
    empty = dict.fromkeys(names.split(), "")
    nothing = {"acr_mirror_registry": "", **{f"acr_mirror_{name}": text for name, text in empty.items()}}
    run = role([], "-i", "contosoprod,", **{**nothing, "acr_mirror_images": f"[{{source: '{HELLO}'}}]"})
    assert run.rc == 0 and list(sandbox.tags("contosoprod", "library/hello-world")) == ["latest"], run.output


def test_nonsense_for_images_is_one_clear_sentence(sandbox: Sandbox, refusals: Refusals) -> None:
    nonsense: list[Any] = ["nonsense", "", 7, {"source": HELLO}, f"source: {HELLO}", [[HELLO]], "- 1"]
    says = ["acr_mirror_images must be a list of entries"] * 5 + ["Entry 1: a list can't be read; ", "Entry 1: 1 can't be read; "]
    for images, said, tasks in zip(nonsense, says, refusals([{"acr_mirror_images": images} for images in nonsense]), strict=True):
        message = tasks[-1]["result"]["msg"]
        assert said in message and "\n" not in message, images
    assert all(line["host"].startswith("login.") or "/metadata/endpoints" in line["path"] for line in sandbox.log())


def test_text_that_is_no_yaml_is_told_with_its_place(sandbox: Sandbox, role: Role) -> None:
    run = role("- source: [")
    assert run.rc == 2 and "while parsing a flow node" in run.result["msg"] and "line 2" in run.result["msg"], run.output
    assert sandbox.log() == []


def test_a_wrong_argument_is_refused_before_anything(sandbox: Sandbox, role: Role) -> None:
    run = role([{"source": HELLO}], acr_mirror_trusted_services="maybe")
    assert run.rc == 2 and "acr_mirror_trusted_services" in run.output
    assert sandbox.log(host="management.azure.test") == []


# ---- playbooks --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["import", "mirror", "lock", "promote", "inspect"])
def test_playbooks_run_with_their_sample_variables(sandbox: Sandbox, name: str, tmp_path: Path) -> None:
    variables = yaml.safe_load((ROOT / f"playbooks/vars/{name}.yml").read_text())
    if name == "import":  # its sample names a digest that only the real Docker Hub has
        there = sandbox.tags("registry-1.docker.io", "library/busybox")["1.37"]
        variables["acr_images"][2]["source"] = f"docker.io/library/busybox@{there}"
    (tmp_path / "vars.yml").write_text(yaml.safe_dump(variables))
    env = {**sandbox.env, "PWD": str(tmp_path)}
    first = run_playbook(f"registryops.acr.{name}", env, "-e", f"@{tmp_path}/vars.yml")
    assert first.rc == 0, first.output
    assert (first.recap["changed"] > 0) is (name != "inspect")
    if name == "lock":
        assert '"Changes in images.lock.yml: 3",' in first.output and not sandbox.operations(), "a line for each"
    second = run_playbook(f"registryops.acr.{name}", env, "-e", f"@{tmp_path}/vars.yml")
    assert second.rc == 0 and second.recap["changed"] == 0, second.output


def test_the_playbook_import_passes_every_option_of_an_entry() -> None:
    """The list goes to acr_mirror as it is, which takes all that acr_import does."""
    [play] = yaml.safe_load((ROOT / "playbooks/import.yml").read_text())
    passed = play["tasks"][0]["registryops.acr.acr_mirror"]
    assert passed["images"] == "{{ acr_images }}"
    of_one, listed = (
        yaml.safe_load(import_module(f"ansible_collections.registryops.acr.plugins.modules.{name}").DOCUMENTATION)["options"]
        for name in ("acr_import", "acr_mirror")
    )
    missing = set(of_one) - set(listed["images"]["suboptions"]) - set(passed)
    assert missing <= {"resource_group", "wait", "timeout"}, "they concern the run, and not an entry"


def test_promoting_a_release_that_changed_is_refused(sandbox: Sandbox, tmp_path: Path) -> None:
    variables = {"acr_from": "contosodev", "acr_to": "contosoprod", "acr_images": [{"source": "aci-helloworld:v1"}]}
    (tmp_path / "vars.yml").write_text(yaml.safe_dump(variables))
    arguments = ("registryops.acr.promote", sandbox.env, "-e", f"@{tmp_path}/vars.yml")
    assert run_playbook(*arguments).rc == 0
    tags = sandbox.tags("contosodev", "aci-helloworld")
    sandbox.set_tag("contosodev", "aci-helloworld", "v1", tags["v2"])
    again = run_playbook(*arguments)
    sandbox.set_tag("contosodev", "aci-helloworld", "v1", tags["v1"])
    assert again.rc == 2
    assert tags["v1"] in again.output and tags["v2"] in again.output
    assert sandbox.tags("contosoprod", "aci-helloworld")["v1"] == tags["v1"]
