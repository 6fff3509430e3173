# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every way to sign in, by real playbooks: the sandbox's authority, its managed identity endpoint, the real Azure CLI."""
from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Callable

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.serialization import pkcs12

from tests.azure_cli import AZ, AzureCli
from tests.playbook import ANSIBLE_BIN, ROOT, Run, run_module, run_tasks
from tests.sandbox.handle import ARM_URL, PRINCIPALS, SUBSCRIPTION, TENANT, Sandbox

CLIENT, SECRET = PRINCIPALS["contributor"][1:]
READER, READER_SECRET = PRINCIPALS["reader"][1:]
USER, PASSWORD = "user@contoso.test", "user-password"
TENANT_2 = PRINCIPALS["fabrikam-puller"][0]
FABRIKAM = (
    "/subscriptions/33333333-3333-4333-8333-333333333333/resourceGroups/rg-fabrikam"
    "/providers/Microsoft.ContainerRegistry/registries/fabrikam"
)
ISSUER, SUBJECT = "https://ci.test", "repo:contoso/images:ref:refs/heads/main"
HELLO = "docker.io/library/hello-world:latest"

# What a method needs, written down: options, and environment variables.
Given = tuple[dict[str, Any], dict[str, str]]


def nobody(sandbox: Sandbox, **variables: str) -> dict[str, str]:
    """The sandbox's environment without anybody signed in, and these variables."""
    env = {name: value for name, value in sandbox.env.items() if not name.startswith("AZURE_")}
    return {**env, "AZURE_CLOUD_ENVIRONMENT": ARM_URL, **variables}


# A tag of contosodev, which is found through Resource Manager and read from the registry itself.
IMAGE = {"registry": "contosodev", "repository": "aci-helloworld", "tag": "v1"}


def info(env: dict[str, str], *arguments: str, **options: Any) -> Run:
    return run_module("acr_manifest_info", {**IMAGE, **options}, env, *arguments)


def signed_in(sandbox: Sandbox) -> set[str]:
    """Who came to an Azure registry with a sign-in of its own, and was let in."""
    return {entry["principal"] for entry in sandbox.log(class_="exchange", status=200)}


def proves(sandbox: Sandbox, run: Run, principal: str) -> None:
    """The run read the image, and it was ``principal`` who did."""
    assert run.rc == 0, run.output
    assert run.result["manifests"][0]["digest"] == sandbox.tags("contosodev", "aci-helloworld")["v1"]
    assert signed_in(sandbox) == {principal}
    askers = {entry["principal"] for entry in sandbox.log(host="management.azure.test", class_="arm_read")}
    assert askers == {principal}


def clear(result: dict[str, Any], *words: str) -> str:
    """What a module says is one clear sentence with these words; returns it."""
    message: str = result["msg"]
    for word in words:
        assert word in message, message
    assert "\n" not in message and len(message) < 700, message
    assert "Traceback" not in str(result), result
    return message


def refused(run: Run, *words: str, secrets: tuple[str, ...] = ()) -> str:
    """The run failed with one clear sentence; returns it."""
    assert run.rc == 2 and run.recap["failed"] == 1 and "Traceback" not in run.output, run.output
    message = clear(run.result, *words)
    for secret in secrets:
        assert secret not in run.output + str(run.result), f"{secret} is shown"
    return message


# ---- each method ------------------------------------------------------------------------------------------------------


def service_principal(sandbox: Sandbox, tmp_path: Path) -> Given:
    return {"tenant": TENANT, "client_id": CLIENT, "secret": SECRET}, {}


def service_principal_env_ansible(sandbox: Sandbox, tmp_path: Path) -> Given:
    return {}, {"AZURE_TENANT": TENANT, "AZURE_CLIENT_ID": CLIENT, "AZURE_SECRET": SECRET}


def service_principal_env_azure_identity(sandbox: Sandbox, tmp_path: Path) -> Given:
    return {}, {"AZURE_TENANT_ID": TENANT, "AZURE_CLIENT_ID": CLIENT, "AZURE_CLIENT_SECRET": SECRET}


def service_principal_env_awx(sandbox: Sandbox, tmp_path: Path) -> Given:
    """What AWX's Azure credential injects for a service principal."""
    variables = {
        "AZURE_CLIENT_ID": CLIENT,
        "AZURE_TENANT": TENANT,
        "AZURE_SECRET": SECRET,
        "AZURE_SUBSCRIPTION_ID": SUBSCRIPTION,
        "AZURE_CLOUD_ENVIRONMENT": ARM_URL,
    }
    return {}, variables


def service_principal_auth_source_env(sandbox: Sandbox, tmp_path: Path) -> Given:
    """Options that say who signs in don't count then, and are not mixed in."""
    variables = {"AZURE_TENANT": TENANT, "AZURE_CLIENT_ID": CLIENT, "AZURE_SECRET": SECRET}
    return {"auth_source": "env", "client_id": READER, "secret": "of another"}, variables


def options_before_environment(sandbox: Sandbox, tmp_path: Path) -> Given:
    variables = {"AZURE_TENANT": TENANT, "AZURE_CLIENT_ID": READER, "AZURE_SECRET": READER_SECRET}
    return {"client_id": CLIENT, "secret": SECRET}, variables


def certificate(sandbox: Sandbox, tmp_path: Path) -> Given:
    path = tmp_path / "both.pem"
    path.write_text(sandbox.certificate("contributor"))
    return {"tenant": TENANT, "client_id": CLIENT, "x509_certificate_path": str(path)}, {}


def certificate_with_password(sandbox: Sandbox, tmp_path: Path) -> Given:
    path = tmp_path / "both.pfx"
    pem = sandbox.certificate("contributor").encode()
    key = serialization.load_pem_private_key(pem, None)
    public = x509.load_pem_x509_certificate(pem[pem.index(b"-----BEGIN CERTIFICATE") :])
    locked = serialization.BestAvailableEncryption(b"pfx-password")
    path.write_bytes(pkcs12.serialize_key_and_certificates(b"acr", key, public, None, locked))
    return {
        "tenant": TENANT,
        "client_id": CLIENT,
        "x509_certificate_path": str(path),
        "x509_certificate_password": "pfx-password",
    }, {}


def certificate_env_ansible(sandbox: Sandbox, tmp_path: Path) -> Given:
    options, _variables = certificate_with_password(sandbox, tmp_path)
    return {}, {
        "AZURE_TENANT": TENANT,
        "AZURE_CLIENT_ID": CLIENT,
        "AZURE_X509_CERTIFICATE_PATH": options["x509_certificate_path"],
        "AZURE_X509_CERTIFICATE_PASSWORD": "pfx-password",
    }


def certificate_env_azure_identity(sandbox: Sandbox, tmp_path: Path) -> Given:
    options, _variables = certificate_with_password(sandbox, tmp_path)
    return {}, {
        "AZURE_TENANT_ID": TENANT,
        "AZURE_CLIENT_ID": CLIENT,
        "AZURE_CLIENT_CERTIFICATE_PATH": options["x509_certificate_path"],
        "AZURE_CLIENT_CERTIFICATE_PASSWORD": "pfx-password",
    }


def federated(sandbox: Sandbox) -> str:
    sandbox.patch_principal("contributor", federated=[{"issuer": ISSUER, "subject": SUBJECT}])
    return sandbox.federated_token(ISSUER, SUBJECT)


def workload_token(sandbox: Sandbox, tmp_path: Path) -> Given:
    return {"tenant": TENANT, "client_id": CLIENT, "oidc_token": federated(sandbox)}, {}


def workload_token_env(sandbox: Sandbox, tmp_path: Path) -> Given:
    return {}, {"AZURE_TENANT": TENANT, "AZURE_CLIENT_ID": CLIENT, "AZURE_FEDERATED_TOKEN": federated(sandbox)}


def workload_file(sandbox: Sandbox, tmp_path: Path) -> Given:
    path = tmp_path / "token"
    path.write_text(federated(sandbox))
    return {"tenant": TENANT, "client_id": CLIENT, "oidc_token_file_path": str(path)}, {}


def workload_file_env(sandbox: Sandbox, tmp_path: Path) -> Given:
    """What Kubernetes' workload identity webhook injects."""
    path = tmp_path / "token"
    path.write_text(federated(sandbox))
    return {}, {"AZURE_TENANT_ID": TENANT, "AZURE_CLIENT_ID": CLIENT, "AZURE_FEDERATED_TOKEN_FILE": str(path)}


def system_identity_of_a_machine(sandbox: Sandbox, tmp_path: Path) -> Given:
    return {"auth_source": "msi"}, sandbox.msi_env("imds")


def system_identity_of_an_app_service(sandbox: Sandbox, tmp_path: Path) -> Given:
    return {"auth_source": "msi"}, sandbox.msi_env("app_service")


def user_and_password(sandbox: Sandbox, tmp_path: Path) -> Given:
    return {"ad_user": USER, "password": PASSWORD}, {}


def user_and_password_env_ansible(sandbox: Sandbox, tmp_path: Path) -> Given:
    """What AWX's Azure credential injects for a user."""
    return {}, {"AZURE_AD_USER": USER, "AZURE_PASSWORD": PASSWORD, "AZURE_SUBSCRIPTION_ID": SUBSCRIPTION}


def user_and_password_env_azure_identity(sandbox: Sandbox, tmp_path: Path) -> Given:
    return {"tenant": TENANT}, {"AZURE_USERNAME": USER, "AZURE_PASSWORD": PASSWORD}


def profiles(tmp_path: Path) -> dict[str, str]:
    """A home with two profiles."""
    home = tmp_path / "home"
    (home / ".azure").mkdir(parents=True)
    (home / ".azure/credentials").write_text(
        f"[default]\ntenant={TENANT}\nclient_id={CLIENT}\nsecret={SECRET}\nsubscription_id={SUBSCRIPTION}\n"
        f"cloud_environment={ARM_URL}\n\n"
        f"[percent]\ntenant={TENANT}\nclient_id={READER}\nsecret=with%percent\ncloud_environment={ARM_URL}\n"
    )
    return {"HOME": str(home), "AZURE_CLOUD_ENVIRONMENT": ""}


def default_profile(sandbox: Sandbox, tmp_path: Path) -> Given:
    return {}, profiles(tmp_path)


def default_profile_auth_source(sandbox: Sandbox, tmp_path: Path) -> Given:
    others = {"AZURE_TENANT": TENANT, "AZURE_CLIENT_ID": READER, "AZURE_SECRET": READER_SECRET}
    return {"auth_source": "credential_file"}, {**profiles(tmp_path), **others}


def named_profile(sandbox: Sandbox, tmp_path: Path) -> Given:
    sandbox.patch_principal("reader", secrets=["with%percent"])
    return {"profile": "percent"}, profiles(tmp_path)


def named_profile_env(sandbox: Sandbox, tmp_path: Path) -> Given:
    sandbox.patch_principal("reader", secrets=["with%percent"])
    return {}, {**profiles(tmp_path), "AZURE_PROFILE": "percent"}


def user_identity_of_a_machine(sandbox: Sandbox, tmp_path: Path) -> Given:
    return {"auth_source": "msi", "client_id": READER}, sandbox.msi_env("imds")


def user_identity_of_an_app_service(sandbox: Sandbox, tmp_path: Path) -> Given:
    variables = {"AZURE_CLIENT_ID": READER, "ANSIBLE_AZURE_AUTH_SOURCE": "msi"}
    return {}, {**sandbox.msi_env("app_service"), **variables}


@pytest.mark.parametrize(
    ("method", "principal"),
    [
        (service_principal, "contributor"),
        (service_principal_env_ansible, "contributor"),
        (service_principal_env_azure_identity, "contributor"),
        (service_principal_env_awx, "contributor"),
        (service_principal_auth_source_env, "contributor"),
        (options_before_environment, "contributor"),
        (certificate, "contributor"),
        (certificate_with_password, "contributor"),
        (certificate_env_ansible, "contributor"),
        (certificate_env_azure_identity, "contributor"),
        (workload_token, "contributor"),
        (workload_token_env, "contributor"),
        (workload_file, "contributor"),
        (workload_file_env, "contributor"),
        (system_identity_of_a_machine, "contributor"),
        (system_identity_of_an_app_service, "contributor"),
        (user_identity_of_a_machine, "reader"),
        (user_identity_of_an_app_service, "reader"),
        (user_and_password, "user"),
        (user_and_password_env_ansible, "user"),
        (user_and_password_env_azure_identity, "user"),
        (default_profile, "contributor"),
        (default_profile_auth_source, "contributor"),
        (named_profile, "reader"),
        (named_profile_env, "reader"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_signs_in(
    sandbox: Sandbox, tmp_path: Path, method: Callable[[Sandbox, Path], Given], principal: str
) -> None:
    options, variables = method(sandbox, tmp_path)
    proves(sandbox, info(nobody(sandbox, **variables), **options), principal)


@pytest.mark.parametrize("style", ["imds", "app_service"])
def test_a_managed_identity_imports(sandbox: Sandbox, style: str) -> None:
    """An import goes through Azure's SDK, which asks for tokens itself."""
    env = nobody(sandbox, **sandbox.msi_env(style))
    run = run_module("acr_import", {"registry": "contosoprod", "source": HELLO, "auth_source": "msi"}, env)
    assert run.rc == 0 and run.result["changed"], run.output
    assert [operation["principal"] for operation in sandbox.operations()] == ["contributor"]


# ---- the Azure CLI ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cli(running_sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Variables that lead to an Azure CLI in which ``contributor`` is signed in."""
    if not os.environ.get("AZ_BIN") and not (ROOT / ".venv-az").exists():
        pytest.skip("the Azure CLI is not installed: run `make .venv-az/.ready`, or name one in AZ_BIN")
    home = tmp_path_factory.mktemp("azure-cli")
    running_sandbox.reset()
    variables = AzureCli(running_sandbox, home).variables
    (home / "bin").mkdir()
    program = home / "bin/az"  # alone in its directory, or its Python would stand before Ansible's
    program.write_text(f'#!/bin/sh\nexec "{AZ}" "$@"\n')
    program.chmod(0o755)
    return {"PATH": f"{home}/bin:{ANSIBLE_BIN}:{os.environ['PATH']}", **variables}


@pytest.mark.parametrize(
    ("options", "more"),
    [
        ({}, {}),
        ({"auth_source": "cli"}, {"AZURE_TENANT": TENANT, "AZURE_CLIENT_ID": READER, "AZURE_SECRET": READER_SECRET}),
    ],
    ids=["when nothing else is given", "auth_source"],
)
def test_the_azure_cli(
    cli: dict[str, str], sandbox: Sandbox, options: dict[str, Any], more: dict[str, str]
) -> None:
    proves(sandbox, info(nobody(sandbox, **cli, **more), **options), "contributor")


def test_the_azure_cli_imports(cli: dict[str, str], sandbox: Sandbox) -> None:
    env = nobody(sandbox, **cli)
    run = run_module("acr_import", {"registry": "contosoprod", "source": HELLO}, env)
    assert run.rc == 0 and run.result["changed"], run.output
    assert [operation["principal"] for operation in sandbox.operations()] == ["contributor"]


def test_the_azure_cli_without_a_sign_in(cli: dict[str, str], sandbox: Sandbox, tmp_path: Path) -> None:
    env = nobody(sandbox, **{**cli, "AZURE_CONFIG_DIR": str(tmp_path)})
    refused(info(env), "the Azure CLI", "since nothing else was given", "az login")


# ---- failed sign-ins --------------------------------------------------------------------------------------------------

SP = "a service principal's secret"
NEVER = "a-Secret-that-is-never-shown"


FAILED: list[tuple[dict[str, Any], dict[str, str], list[str]]] = [
    (
        {"tenant": TENANT, "client_id": CLIENT, "secret": NEVER},
        {},
        [f"Signing in to https://login.azure.test with {SP} {CLIENT}, from the options failed", "AADSTS7000215"],
    ),
    (
        {},
        {"AZURE_TENANT": TENANT, "AZURE_CLIENT_ID": CLIENT, "AZURE_SECRET": NEVER},
        [f"with {SP} {CLIENT}, from the environment failed", "AADSTS7000215"],
    ),
    (
        {"tenant": "nowhere.test", "client_id": CLIENT, "secret": NEVER},
        {},
        [f"with {SP} {CLIENT}, from the options failed", "nowhere.test"],
    ),
    (
        {"tenant": TENANT_2, "client_id": CLIENT, "secret": NEVER},
        {},
        [f"with {SP} {CLIENT}, from the options failed", "AADSTS700016", "fabrikam.test"],
    ),
    ({"client_id": CLIENT, "secret": NEVER}, {}, [SP, "from the options", "also needs tenant (AZURE_TENANT)"]),
    (
        {},
        {"AZURE_SECRET": NEVER},
        [SP, "from the environment", "client_id (AZURE_CLIENT_ID) and tenant (AZURE_TENANT)"],
    ),
    ({}, {"ANSIBLE_AZURE_AUTH_SOURCE": "vault"}, ["ANSIBLE_AZURE_AUTH_SOURCE is 'vault'; it must be one of auto, cli"]),
    ({"client_id": CLIENT}, {}, ["The options give client_id to sign in with, which isn't enough", "msi"]),
    ({"auth_source": "env"}, {}, ["The environment variables give nothing to sign in with"]),
    (
        {"ad_user": USER, "password": NEVER},
        {},
        [f"with a user's password {USER}, from the options failed", "AADSTS50126"],
    ),
    ({"ad_user": USER}, {}, ["a user's password", "also needs password (AZURE_PASSWORD)"]),
    (
        {"tenant": TENANT, "client_id": CLIENT, "oidc_token": NEVER},
        {},
        [f"with a workload identity's token {CLIENT}, from the options failed", "AADSTS50027"],
    ),
    (
        {"tenant": TENANT, "client_id": CLIENT, "oidc_token_file_path": "/nowhere/token"},
        {},
        [f"with a workload identity's token {CLIENT}, from the options failed", "/nowhere/token"],
    ),
    (
        {"tenant": TENANT, "client_id": CLIENT, "x509_certificate_path": "/nowhere/both.pem"},
        {},
        [f"with a service principal's certificate {CLIENT}, from the options failed", "/nowhere/both.pem"],
    ),
    (
        {"auth_source": "msi"},
        {"IDENTITY_ENDPOINT": "http://127.0.0.1:1/msi/token", "IDENTITY_HEADER": NEVER},
        ["with the managed identity, auth_source: msi failed"],
    ),
    ({"auth_source": "credential_file"}, {}, ["There is no profile default in", ".azure/credentials; it has none."]),
    ({"profile": "staging"}, {}, ["There is no profile staging in", ".azure/credentials"]),
    ({"cloud_environment": "AzureMoonCloud"}, {}, ["'AzureMoonCloud' is unknown", "AzureChinaCloud", "https://"]),
    (
        {"cloud_environment": "https://management.nowhere.test", "tenant": TENANT, "client_id": CLIENT, "secret": NEVER},
        {},
        ["management.nowhere.test"],
    ),
]


def test_a_failed_sign_in_says_what_was_tried(sandbox: Sandbox) -> None:
    """One play for each environment."""
    for variables in [{}, *(variables for _options, variables, _words in FAILED if variables)]:
        cases = [(options, words) for options, needed, words in FAILED if needed == variables]
        # A variable holds the secret: beside a message Ansible may show the lines of the playbook.
        given = [{name: "{{ never }}" if value == NEVER else value for name, value in options.items()} for options, _words in cases]
        tasks = [{**IMAGE, **options} for options in given]
        run = run_tasks("acr_manifest_info", tasks, nobody(sandbox, **variables), "-vvv", "-e", f"never={NEVER}")
        assert len(run.tasks) == len(cases) and "Traceback" not in run.output, run.output
        assert NEVER not in run.output + str(run.tasks), f"{NEVER} is shown"
        for task, (_options, words) in zip(run.tasks, cases):
            assert task["status"] == "failed"
            clear(task["result"], *words)
    assert not signed_in(sandbox)


def test_no_way_to_sign_in(sandbox: Sandbox) -> None:
    """Nothing is given anywhere, and no Azure CLI is there either (or nobody is signed in to it)."""
    message = refused(info(nobody(sandbox, PATH=f"{ANSIBLE_BIN}:/usr/bin:/bin")))
    assert "with the Azure CLI, since nothing else was given failed" in message
    assert "Azure CLI not found" in message or "az login" in message


def test_a_certificate_that_is_not_registered(sandbox: Sandbox, tmp_path: Path) -> None:
    options, _variables = certificate(sandbox, tmp_path)
    sandbox.patch_principal("contributor", certificates=[])
    refused(info(nobody(sandbox), **options), "a service principal's certificate", "AADSTS700027")


def test_a_wrong_password_of_a_certificate(sandbox: Sandbox, tmp_path: Path) -> None:
    options, _variables = certificate_with_password(sandbox, tmp_path)
    run = info(nobody(sandbox), **{**options, "x509_certificate_password": NEVER})
    refused(run, "a service principal's certificate", secrets=(NEVER,))


def test_a_federated_token_for_another_subject(sandbox: Sandbox) -> None:
    sandbox.patch_principal("contributor", federated=[{"issuer": ISSUER, "subject": SUBJECT}])
    token = sandbox.federated_token(ISSUER, "repo:contoso/other:ref:refs/heads/main")
    run = info(nobody(sandbox), tenant=TENANT, client_id=CLIENT, oidc_token=token)
    refused(run, "a workload identity's token", "AADSTS700213", secrets=(token,))


def test_a_managed_identity_that_is_not_there(sandbox: Sandbox) -> None:
    unknown = "c0000000-0000-4000-8000-00000000ffff"
    run = info(nobody(sandbox, **sandbox.msi_env("app_service")), auth_source="msi", client_id=unknown)
    refused(run, f"the managed identity {unknown}", "auth_source: msi")


def test_an_account_without_rights(sandbox: Sandbox) -> None:
    """Signed in, but the registry is nowhere to be seen: the message names who looked."""
    client, secret = PRINCIPALS["nobody"][1:]
    run = info(nobody(sandbox), tenant=TENANT, client_id=client, secret=secret)
    refused(run, "contosodev", f"{SP} {client}, from the options", "Reader")


# ---- clouds -----------------------------------------------------------------------------------------------------------

CLOUDS = {
    "AzureCloud": ("management.azure.com", "login.microsoftonline.com", "azurecr.io"),
    "AzureUSGovernment": ("management.usgovcloudapi.net", "login.microsoftonline.us", "azurecr.us"),
    "AzureChinaCloud": ("management.chinacloudapi.cn", "login.chinacloudapi.cn", "azurecr.cn"),
}


@pytest.fixture(scope="module")
def registries(running_sandbox: Sandbox) -> dict[str, str]:
    """A registry in each public cloud: cloud -> login server."""
    return {
        cloud: running_sandbox.create_registry(f"signin{cloud.lower()}", cloud=cloud)["login_server"] for cloud in CLOUDS
    }


def in_cloud(sandbox: Sandbox, text: str) -> dict[str, str]:
    return {**sandbox.env, "AZURE_CLOUD_ENVIRONMENT": text}


@pytest.mark.parametrize("cloud", CLOUDS)
@pytest.mark.parametrize("by", ["name", "metadata URL"])
def test_a_cloud(registries: dict[str, str], sandbox: Sandbox, cloud: str, by: str) -> None:
    """Authority, audience and registry suffix follow the cloud, and nothing is asked of another one."""
    manager, authority, suffix = CLOUDS[cloud]
    name = registries[cloud].split(".")[0]
    sandbox.reset(name)
    env = in_cloud(sandbox, cloud if by == "name" else f"https://{manager}")
    run = run_module("acr_import", {"registry": name, "source": HELLO, "target": "t/app:1"}, env)
    assert run.rc == 0, run.output
    assert run.result["targets"][0]["image"] == f"{name}.{suffix}/t/app:1"
    assert list(sandbox.tags(name, "t/app")) == ["1"]
    assert {entry["principal"] for entry in sandbox.log(class_="import")} == {"contributor"}
    hub = {"registry-1.docker.io", "auth.docker.io", "docker.io"}
    assert {entry["host"] for entry in sandbox.log()} - hub == {manager, authority, f"{name}.{suffix}"}
    described = [entry for entry in sandbox.log() if entry["path"] == "/metadata/endpoints"]
    assert len(described) == (by == "metadata URL")


@pytest.mark.parametrize("text", ["azurecloud", "AzurePublicCloud", "AZURECLOUD"])
def test_a_cloud_s_name_in_other_spellings(registries: dict[str, str], sandbox: Sandbox, text: str) -> None:
    args = {"registry": registries["AzureCloud"].split(".")[0], "repository": "none/at-all"}
    run = run_module("acr_manifest_info", args, in_cloud(sandbox, text))
    assert run.rc == 0 and run.result["manifests"] == [], run.output
    assert "management.azure.com" in {entry["host"] for entry in sandbox.log()}


def test_without_a_cloud_it_is_the_public_one(registries: dict[str, str], sandbox: Sandbox) -> None:
    args = {"registry": registries["AzureCloud"].split(".")[0], "repository": "none/at-all"}
    env = {name: value for name, value in sandbox.env.items() if name != "AZURE_CLOUD_ENVIRONMENT"}
    run = run_module("acr_manifest_info", args, env)
    assert run.rc == 0, run.output
    assert {entry["host"] for entry in sandbox.log(class_="arm_read")} == {"management.azure.com"}


def test_a_cloud_of_one_s_own_by_its_metadata_url(sandbox: Sandbox) -> None:
    """Its authority is taken as described, and not looked up at Microsoft's."""
    proves(sandbox, info(sandbox.env), "contributor")
    hosts = {entry["host"] for entry in sandbox.log()}
    assert hosts == {"management.azure.test", "login.azure.test", "contosodev.azurecr.test"}
    assert [entry["query"] for entry in sandbox.log() if entry["path"] == "/metadata/endpoints"] == [
        "api-version=2022-09-01"
    ]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"name": "Odd"}, ["lacks loginEndpoint, audiences, acrLoginServer"]),
        ("<html>hello</html>", ["management.azure.test", "/metadata/endpoints"]),
    ],
)
def test_a_cloud_that_describes_itself_badly(sandbox: Sandbox, body: Any, words: list[str]) -> None:
    sandbox.knobs(faults=[{"match": {"path": "^/metadata"}, "action": {"status": 200, "body": body}}])
    refused(info(sandbox.env), *words, secrets=(SECRET,))


# ---- other tenants ----------------------------------------------------------------------------------------------------


def test_a_target_in_another_tenant(sandbox: Sandbox) -> None:
    """Signed in to the target's tenant; the source in the first one is read with credentials of its own."""
    tenant, client, secret = PRINCIPALS["fabrikam-puller"]
    role = "Container Registry Data Importer and Data Reader"
    sandbox.patch_principal("fabrikam-puller", grants={"fabrikam": [role]})
    args = {
        "registry": FABRIKAM,
        "source": "contosodev.azurecr.test/aci-helloworld:v1",
        "source_username": READER,
        "source_password": READER_SECRET,
        "target": "from/contoso:v1",
        "tenant": tenant,
        "client_id": client,
        "secret": secret,
    }
    first = run_module("acr_import", args, sandbox.env)
    assert first.rc == 0 and first.result["changed"], first.output
    assert sandbox.tags("fabrikam", "from/contoso")["v1"] == sandbox.tags("contosodev", "aci-helloworld")["v1"]
    assert not run_module("acr_import", args, sandbox.env).result["changed"]
    assert {entry["host"] for entry in sandbox.log(class_="exchange")} == {"fabrikam.azurecr.test"}


def test_a_registry_of_another_tenant_than_the_sign_in(sandbox: Sandbox) -> None:
    args = {"registry": "fabrikam.azurecr.test", "repository": "sourcerepo"}
    run = run_module("acr_manifest_info", args, sandbox.env)
    refused(run, "fabrikam.azurecr.test does not accept this sign-in", "another tenant", secrets=(SECRET,))
