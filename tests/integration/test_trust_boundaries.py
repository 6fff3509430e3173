# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A registry's answer is data: where credentials go, and what is believed, whatever it says."""
from __future__ import annotations

from typing import Any, Callable

from tests.playbook import Run, run_playbook
from tests.sandbox.handle import Sandbox

BASIC, BEARER, DEV_HOST = "basic.vendor.test", "bearer.vendor.test:8443", "contosodev.azurecr.test"
ELSEWHERE = "mcr.microsoft.com"  # where nobody is to come with credentials
MANIFEST = {"Content-Type": "application/vnd.oci.image.manifest.v1+json"}
CLAIMED = {**MANIFEST, "Docker-Content-Digest": "sha256:" + "a" * 64}
CREDENTIALS = [
    {"registry": BASIC, "username": "vendor", "password": "vendorpass"},
    {"registry": BEARER, "username": "vendor", "password": "vendorpass"},
    {"registry": "docker.io", "username": "dockeruser", "password": "dockerpass"},
]
IMAGE = {"platform": "linux/amd64"}  # reads the manifest itself, by GET
MANY = {"tags": {"include": ["*"]}}  # reads the list of tags

# What a source does to requests for its repository of this name; the entry's further options; what the user reads.
Case = tuple[str, dict[str, Any], dict[str, Any], str]
CASES: dict[str, Case] = {
    "plain": (BASIC, {"status": 307, "headers": {"Location": "http://basic.vendor.test/v2/"}}, {}, "redirects to plain HTTP"),
    "local": (BASIC, {"status": 307, "headers": {"Location": "https://127.0.0.1/v2/"}}, {}, "redirects to a local address"),
    "metadata": (BASIC, {"status": 307, "headers": {"Location": "https://169.254.169.254/"}}, {}, "redirects to a local"),
    "circles": (
        BASIC, {"status": 307, "headers": {"Location": "/v2/trust/circles/manifests/1"}}, {}, "redirects in circles"
    ),
    "no-tls": (
        BEARER,
        {"status": 401, "headers": {"WWW-Authenticate": 'Bearer realm="http://tokens.test/token",service="x"'}},
        {},
        "names a token service without TLS (http://tokens.test/token); no credentials were sent",
    ),
    "other-service": (
        DEV_HOST,
        {
            "status": 401,
            "headers": {"WWW-Authenticate": f'Bearer realm="https://{ELSEWHERE}/token",service="x",error="invalid_token"'},
        },
        {},
        "can't be read by the account that signs in",
    ),
    "huge": (BASIC, {"status": 200, "headers": MANIFEST, "body": " " * (5 << 20)}, IMAGE, "sent more than 4194304 bytes"),
    "lies": (
        BASIC, {"status": 200, "headers": CLAIMED, "body": '{"schemaVersion": 2}'}, IMAGE, "content of another digest"
    ),
    "html": (BASIC, {"status": 200, "headers": {"Content-Type": "text/html"}, "body": "<html>"}, {}, "than a manifest"),
    "no-list": (BASIC, {"status": 200, "body": "[1]"}, MANY, "something other than JSON for a listing"),
    "endless": (
        BASIC,
        {"status": 200, "headers": {"Link": '</v2/trust/endless/tags/list?last=a>; rel="next"'}, "body": '{"tags": []}'},
        MANY,
        "never ends",
    ),
    "long-list": (BASIC, {"status": 200, "body": " " * (33 << 20)}, MANY, "sent more than 33554432 bytes"),
    "list-elsewhere": (
        BASIC,
        {"status": 200, "headers": {"Link": f'<https://{ELSEWHERE}/v2/a/tags/list>; rel="next"'}, "body": '{"tags": []}'},
        MANY,
        f"continues a listing on another host ({ELSEWHERE})",
    ),
}  # fmt: skip


def test_what_a_registry_answers_is_data(sandbox: Sandbox, acr_mirror: Callable[..., Run]) -> None:
    """One list with all of it: each image fails by itself, nothing is imported, and nobody else sees a credential."""
    faults = [
        {"match": {"host": host.partition(":")[0], "path": f"^/v2/trust/{name}/"}, "action": action}
        for name, (host, action, _options, _says) in CASES.items()
    ]
    faults.append({
        "match": {"host": "auth.docker.io"},
        "action": {"status": 307, "headers": {"Location": f"https://{ELSEWHERE}/token"}},
    })  # fmt: skip
    sandbox.knobs(faults=faults)
    images = [
        {"source": f"{host}/trust/{name}" + ("" if options is MANY else ":1"), **options}
        for name, (host, _action, options, _says) in CASES.items()
    ]
    images.append({"source": "docker.io/acme/private:1.0"})
    run = acr_mirror(images, credentials=CREDENTIALS)
    said = {result["source"].split("/", 1)[1].rpartition(":")[0]: result.get("error") for result in run.result["results"]}
    wrong = {name: said[f"trust/{name}"] for name, case in CASES.items() if case[3] not in (said[f"trust/{name}"] or "")}
    assert run.rc == 2 and not wrong, wrong
    assert "docker.io/acme/private answered with status 307" in said["acme/private"]
    assert not sandbox.operations()
    log = sandbox.log()
    assert {entry["host"] for entry in log} == {
        "auth.docker.io", "basic.vendor.test", "bearer.vendor.test", "contosodev.azurecr.test", "contosoprod.azurecr.test",
        "login.azure.test", "management.azure.test", "registry-1.docker.io",
    }  # fmt: skip
    assert {entry["host"] for entry in log if entry["authorization"] == "basic"} == {"auth.docker.io"}


def test_a_redirect_to_another_host_loses_the_credentials(sandbox: Sandbox, acr_mirror: Callable[..., Run]) -> None:
    """As registries send clients to their storage: what lies there is read, without an Authorization header."""
    there = f"https://{ELSEWHERE}/v2/dotnet/runtime/manifests/8.0"
    challenges = {
        "basic.vendor.test": 'Basic realm="vendor"',
        "bearer.vendor.test": 'Bearer realm="https://auth.vendor.test/token",service="bearer.vendor.test"',
    }
    tool = {"path": "^/v2/vendor/tool/manifests"}
    faults: list[dict[str, Any]] = [
        {"match": {**tool, "host": host}, "action": {"status": 401, "headers": {"WWW-Authenticate": value}}, "times": 1}
        for host, value in challenges.items()
    ]
    faults.append({"match": {**tool, "host": "vendor"}, "action": {"status": 307, "headers": {"Location": there}}})
    sandbox.knobs(faults=faults)
    run = acr_mirror([{"source": f"{host}/vendor/tool:1.0", "target": [f"from/{host[:5]}:1"]} for host in (BASIC, BEARER)],
                     "--check", credentials=CREDENTIALS)  # fmt: skip
    assert run.rc == 0, run.output
    digest = sandbox.tags(ELSEWHERE, "dotnet/runtime")["8.0"]
    assert {result["digest"] for result in run.result["results"]} == {digest}
    assert {entry["authorization"] for entry in sandbox.log(host=ELSEWHERE)} == {""}
    sent = {(e["host"], e["authorization"]) for e in sandbox.log(class_="manifest")}
    assert {("basic.vendor.test", "basic"), ("bearer.vendor.test", "bearer")} <= sent


def test_b1_a_password_stays_with_the_registry_that_it_is_for(sandbox: Sandbox, acr_mirror: Callable[..., Run]) -> None:
    """One image lies at a host that wants a password, and names a token service of its own."""
    lie = {"kind": "redirected", "to": "mirror.vendor.test", "match": {"host": "bearer", "repository": "^vendor/tool$"}}
    sandbox.knobs(lies=[lie])
    run = acr_mirror([{"source": f"{BEARER}/vendor/{name}"} for name in ("tool:1.0", "agent:2.3")], "--check", credentials=CREDENTIALS)
    done = {result["source"].rpartition("/")[2]: result["action"] for result in run.result["results"]}
    assert run.rc == 2 and done == {"tool:1.0": "failed", "agent:2.3": "import"}, run.output
    assert (
        f"{BEARER}/vendor/tool:1.0 can't be read: {BEARER} redirects to mirror.vendor.test, which answers with status 401 and says: "
        "authentication required. No credentials were sent there."
    ) in run.result["msg"]
    assert not sandbox.log(host="auth.mirror.test")
    assert {entry["authorization"] for entry in sandbox.log(host="mirror.vendor.test")} == {""}


def test_the_account_shows_itself_to_registries_of_its_cloud_only(sandbox: Sandbox) -> None:
    """A name that is no registry of this cloud must be known to Azure before it gets a token."""
    hello = "docker.io/library/hello-world:latest"
    tasks = [
        ("acr_manifest_info", {"registry": BASIC, "repository": "vendor/tool"}),
        ("acr_import", {"registry": "contosoprod", "source": "vendor/tool:1.0", "source_registry": BASIC}),
        ("acr_import", {"registry": BASIC, "source": hello}),
    ]
    play = {
        "hosts": "localhost",
        "connection": "local",
        "gather_facts": False,
        "tasks": [{f"registryops.acr.{module}": args, "ignore_errors": True} for module, args in tasks],
    }
    run = run_playbook([play], sandbox.env)
    said = [task["result"]["msg"] for task in run.tasks]
    assert len(said) == 3 and all(f"There is no registry {BASIC}" in text for text in said), run.output
    assert not sandbox.log(host=BASIC)
