# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who signs in: which of options, environment, profile and Azure CLI counts, and what is said where it is not enough."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from azure.core.exceptions import ClientAuthenticationError

from ansible_collections.registryops.acr.plugins.module_utils._identity import (
    AUTH_ARGUMENTS,
    ENVIRONMENT,
    Identity,
    IdentityError,
    _azure_cli,
    _certificate,
    _managed_identity,
    _pipeline,
    _secret,
    _user_password,
    _workload,
)

SECRET = {"client_id": "app", "secret": "hidden", "tenant": "t"}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home directory without profiles."""
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".azure").mkdir()
    return tmp_path


@pytest.fixture
def profiles(home: Path) -> Callable[[str], None]:
    return lambda text: (home / ".azure" / "credentials").write_text(text, encoding="latin-1") and None


def environment(**options: str) -> dict[str, str]:
    """The variables of Azure's Ansible modules for these options."""
    return {ENVIRONMENT[name][0]: value for name, value in options.items()}


class Used:
    """What a sign-in method is handed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.method: Any = None
        self.values: dict[str, Any] = {}
        self.common: dict[str, Any] = {}
        for method in (_azure_cli, _certificate, _managed_identity, _pipeline, _secret, _user_password, _workload):
            monkeypatch.setattr(method, "credential", self._taker(method))

    def _taker(self, method: Any) -> Callable[..., Any]:
        def credential(values: dict[str, Any], common: dict[str, Any]) -> Any:
            self.method, self.values, self.common = method, values, common
            return SimpleNamespace(get_token=lambda scope: SimpleNamespace(token="token for " + scope))

        return credential


@pytest.fixture
def used(monkeypatch: pytest.MonkeyPatch) -> Used:
    return Used(monkeypatch)


def sign_in(params: dict[str, Any] | None = None, environ: dict[str, str] | None = None) -> Identity:
    identity = Identity(params or {}, environ or {})
    identity.token("scope")
    return identity


def error_of(params: dict[str, Any] | None = None, environ: dict[str, str] | None = None) -> str:
    with pytest.raises(IdentityError) as caught:
        Identity(params or {}, environ or {})
    message = str(caught.value)
    assert message.endswith(".") and "hidden" not in message
    return message


# -- which way -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("style", ["options", "Ansible's variables", "azure-identity's variables"])
@pytest.mark.parametrize(
    ("values", "method"),
    [
        (SECRET, _secret),
        ({"client_id": "app", "tenant": "t", "x509_certificate_path": "/c", "x509_certificate_password": "p"}, _certificate),
        ({"client_id": "app", "tenant": "t", "oidc_token": "o"}, _workload),
        ({"client_id": "app", "tenant": "t", "oidc_token_file_path": "/o"}, _workload),
        ({"ad_user": "u", "password": "hidden"}, _user_password),
        ({**SECRET, "ad_user": "u", "x509_certificate_path": "/c"}, _secret),
    ],
    ids=["secret", "certificate", "token", "token file", "user", "a secret before all others"],
)
def test_the_method_follows_from_what_is_given(used: Used, values: dict[str, str], method: Any, style: str) -> None:
    if style == "options":
        sign_in(values)
    else:
        place = 0 if style.startswith("Ansible") else -1
        sign_in({}, {ENVIRONMENT[name][place]: value for name, value in values.items()})
    assert used.method is method
    assert {name: used.values[name] for name in values} == values


def test_ansibles_variables_count_before_azure_identitys() -> None:
    environ = {**environment(**SECRET), "AZURE_TENANT_ID": "other", "AZURE_CLIENT_SECRET": "other"}
    identity = Identity({}, environ)
    assert (identity.tenant, identity.secrets) == ("t", {"hidden"})
    assert Identity({}, {**environ, "AZURE_TENANT": ""}).tenant == "other", "empty is not set"


def test_without_anything_the_azure_cli_is_asked(used: Used) -> None:
    identity = sign_in()
    assert used.method is _azure_cli
    assert identity.describe() == "the Azure CLI, since nothing else was given"


def test_options_count_before_the_environment(used: Used) -> None:
    identity = sign_in({**SECRET, "client_id": "mine"}, environment(client_id="theirs", secret="no", tenant="no"))
    assert (used.values["client_id"], used.values["tenant"]) == ("mine", "t")
    assert identity.describe() == "a service principal's secret mine, from the options"


def test_where_may_come_from_the_environment_and_who_from_the_options(used: Used) -> None:
    environ = environment(tenant="t", subscription_id="s", cloud_environment="AzureChinaCloud")
    identity = sign_in({"client_id": "app", "secret": "hidden"}, environ)
    assert (identity.tenant, identity.subscription_id, identity.cloud.name) == ("t", "s", "AzureChinaCloud")


def test_who_is_never_mixed_from_two_places() -> None:
    message = error_of({"client_id": "app"}, environment(**SECRET))
    assert message.startswith("The options give client_id to sign in with, which isn't enough")
    message = error_of({}, environment(client_id="app", tenant="t"))
    assert message.startswith("The environment variables give client_id to sign in with")


@pytest.mark.parametrize(
    ("values", "lacks"),
    [
        ({"secret": "hidden", "tenant": "t"}, "client_id (AZURE_CLIENT_ID)"),
        ({"secret": "hidden"}, "client_id (AZURE_CLIENT_ID) and tenant (AZURE_TENANT)"),
        ({"ad_user": "u"}, "password (AZURE_PASSWORD)"),
        ({"oidc_token": "hidden", "client_id": "app"}, "tenant (AZURE_TENANT)"),
    ],
)
def test_what_a_method_lacks_is_named(values: dict[str, str], lacks: str) -> None:
    assert error_of(values).endswith("(from the options) also needs {0}.".format(lacks))


# -- auth_source -------------------------------------------------------------------------------------------------------


def test_cli_and_msi_leave_the_secrets_alone(used: Used) -> None:
    identity = sign_in({"auth_source": "cli", **SECRET})
    assert used.method is _azure_cli and "secret" not in used.values and identity.secrets == set()
    sign_in({"auth_source": "msi"}, environment(**SECRET))
    assert used.method is _managed_identity and used.values.get("client_id") == "app"
    sign_in({"auth_source": "msi", "client_id": "mine"}, environment(**SECRET))
    assert used.values["client_id"] == "mine" and "secret" not in used.values


def test_env_ignores_who_the_options_name(used: Used) -> None:
    sign_in({"auth_source": "env", "client_id": "mine", "secret": "no"}, environment(**SECRET))
    assert (used.values["client_id"], used.values["secret"]) == ("app", "hidden")
    assert "environment variables give nothing" in error_of({"auth_source": "env", **SECRET})


def test_the_environment_may_choose_the_source(used: Used) -> None:
    sign_in(SECRET, {"ANSIBLE_AZURE_AUTH_SOURCE": "cli"})
    assert used.method is _azure_cli
    sign_in({"auth_source": "msi"}, {"ANSIBLE_AZURE_AUTH_SOURCE": "cli"})
    assert used.method is _managed_identity, "an option counts before it"
    assert error_of({"auth_source": "auto"}, {"ANSIBLE_AZURE_AUTH_SOURCE": "magic"}).startswith(
        "ANSIBLE_AZURE_AUTH_SOURCE is 'magic'; it must be one of auto, cli,"
    )


# -- profiles ----------------------------------------------------------------------------------------------------------

TWO = """
[default]
client_id = standard
secret = hid%den
tenant = t
subscription_id = s
unknown = x

[other]
ad_user = someone
password = hidden
cloud_environment = AzureUSGovernment
"""


def test_the_default_profile_counts_where_nothing_else_is_given(used: Used, profiles: Any) -> None:
    profiles(TWO)
    identity = sign_in()
    assert (used.method, used.values["client_id"], identity.subscription_id) == (_secret, "standard", "s")
    assert identity.secrets == {"hid%den"} and identity.describe().endswith("standard, profile default")
    assert "unknown" not in used.values
    sign_in({}, environment(**SECRET))
    assert used.values["client_id"] == "app"


def test_a_profile_that_an_option_names_counts_before_all(used: Used, profiles: Any) -> None:
    profiles(TWO)
    identity = sign_in({"profile": "other", **SECRET, "tenant": "mine"}, environment(**SECRET))
    assert (used.method, used.values["ad_user"]) == (_user_password, "someone")
    assert "client_id" not in used.values, "who signs in comes from the profile alone"
    assert (identity.tenant, identity.cloud.name) == ("mine", "AzureUSGovernment")


def test_a_profile_that_the_environment_names_counts_last(used: Used, profiles: Any) -> None:
    profiles(TWO)
    sign_in({}, {"AZURE_PROFILE": "other"})
    assert used.method is _user_password
    sign_in(SECRET, {"AZURE_PROFILE": "other"})
    assert used.method is _secret and used.values["client_id"] == "app"
    sign_in({"auth_source": "credential_file", **SECRET}, {"AZURE_PROFILE": "other"})
    assert used.method is _user_password


@pytest.mark.parametrize(
    ("content", "params", "environ", "sentence"),
    [
        (TWO, {"profile": "third"}, {}, "There is no profile third in {0}; it has default, other."),
        (TWO, {}, {"AZURE_PROFILE": "third"}, "There is no profile third in {0}; it has default, other."),
        ("", {"auth_source": "credential_file"}, {}, "There is no profile default in {0}; it has none."),
        ("secret = hidden", {}, {}, "{0} can't be read: File contains no section headers"),
        ("[a]\nsecret = \xff", {}, {}, "{0} can't be read: 'utf-8' codec"),
        ("[default]\ntenant = t\n", {}, {}, "The values of profile default give nothing to sign in with"),
    ],
)
def test_profiles_that_do_not_help(
    home: Path, profiles: Any, content: str, params: dict[str, str], environ: dict[str, str], sentence: str
) -> None:
    profiles(content)
    assert error_of(params, environ).startswith(sentence.format(home / ".azure" / "credentials"))


# -- tokens ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("audience", "scope"),
    [
        (None, "https://containerregistry.azure.net/.default"),
        ("https://management.azure.com/", "https://management.azure.com/.default"),
    ],
)
def test_the_registries_audience(audience: str | None, scope: str) -> None:
    assert Identity({**SECRET, "registry_audience": audience}, {}).registry_scope == scope


def test_threads_sign_in_once_and_scopes_do_not_wait_for_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []
    busy: set[str] = set()
    both = threading.Barrier(2)

    def get_token(scope: str) -> Any:
        assert scope not in busy, "two threads sign in for the same thing"
        busy.add(scope)
        if len(made) == 1 and scope in waiting:
            waiting.discard(scope)
            both.wait(5.0)  # both scopes are under way at once
        busy.discard(scope)
        return SimpleNamespace(token=scope)

    waiting = {"arm", "registry"}
    monkeypatch.setattr(
        _secret, "credential", lambda values, common: made.append(1) or SimpleNamespace(get_token=get_token)
    )
    identity = Identity(SECRET, {})
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(identity.token, ["arm", "registry"] * 8)) == ["arm", "registry"] * 8
    assert len(made) == 1
    identity.renew()
    identity.token("arm")
    assert len(made) == 2


def failing(error: Exception) -> Callable[..., Any]:
    def get_token(scope: str) -> Any:
        raise error

    return lambda values, common: SimpleNamespace(get_token=get_token)


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            ClientAuthenticationError(
                message="Authentication failed: AADSTS7000215: Invalid client secret hidden\n provided.  Trace ID: 5 "
                "Correlation ID: 6\nTimestamp: 7"
            ),
            "AADSTS7000215: Invalid client secret ******** provided.",
        ),
        (ValueError("Unable to get authority configuration for hidden"), "Unable to get authority configuration for ********."),
        (OSError("no such file"), "no such file."),
        (ValueError("x" * 1000), "x" * 400 + "."),
    ],
)
def test_a_sign_in_that_fails(monkeypatch: pytest.MonkeyPatch, error: Exception, sentence: str) -> None:
    monkeypatch.setattr(_secret, "credential", failing(error))
    with pytest.raises(IdentityError) as caught:
        sign_in(SECRET)
    assert str(caught.value) == (
        "Signing in to https://login.microsoftonline.com with a service principal's secret app, from the options failed: " + sentence
    )


def test_a_fault_of_ours_is_no_failed_sign_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_secret, "credential", failing(KeyError("x")))
    with pytest.raises(KeyError):
        sign_in(SECRET)


@pytest.mark.parametrize(
    ("registry", "scope"),
    [
        ("contosoprod", "https://management.azure.com/.default"),
        ("contosoprod.azurecr.io", "https://containerregistry.azure.net/.default"),
        ("contosoprod.azurecr.io.evil.test", "https://management.azure.com/.default"),
    ],
)
def test_a_sign_in_may_begin_before_its_token_is_needed(monkeypatch: pytest.MonkeyPatch, registry: str, scope: str) -> None:
    asked: list[str] = []
    needed, begun = threading.Event(), threading.Event()

    def get_token(scope: str) -> Any:
        asked.append(scope)
        begun.set()
        assert needed.wait(5.0)
        return SimpleNamespace(token="token for " + scope)

    monkeypatch.setattr(_secret, "credential", lambda values, common: SimpleNamespace(get_token=get_token))
    identity = Identity(SECRET, {})
    identity.begin(registry)
    assert begun.wait(5.0) and asked == [scope], "nobody waits for it"
    with ThreadPoolExecutor(4) as pool:
        found = [pool.submit(identity.token, scope) for _number in range(4)]
        needed.set()
        assert {one.result() for one in found} == {"token for " + scope}
    others = len(asked)
    identity.token(scope)
    assert len(asked) == others + 1, "renewed by azure-identity from then on"


@pytest.mark.parametrize("error", [ClientAuthenticationError(message="No."), ImportError("No.", name="msal"), KeyError("No.")])
def test_a_sign_in_that_began_fails_where_its_token_is_needed(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    asked: list[str] = []

    def get_token(scope: str) -> Any:
        asked.append(scope)
        raise error

    monkeypatch.setattr(_secret, "credential", lambda values, common: SimpleNamespace(get_token=get_token))
    identity = Identity(SECRET, {})
    identity.begin("contosoprod")
    expected = IdentityError if isinstance(error, ClientAuthenticationError) else type(error)
    for attempt in (1, 2):
        with pytest.raises(expected, match="No"):
            identity.token(identity.cloud.arm_scope)
        assert len(asked) == attempt, "once, and again only when it is asked for again"


@pytest.mark.parametrize("known", [True, False])
def test_only_clouds_that_microsoft_knows_are_looked_up_there(used: Used, far_side: Any, known: bool) -> None:
    description = {
        "name": "Local",
        "authentication": {"loginEndpoint": "https://login.local.test/", "audiences": ["https://management.local.test/"]},
        "suffixes": {"acrLoginServer": "azurecr.local.test"},
    }
    far_side.routes({"/metadata/endpoints": description})
    sign_in({**SECRET, "cloud_environment": "AzureCloud" if known else far_side.url})
    expected = {"authority": "https://login.local.test", "disable_instance_discovery": True}
    assert used.common == ({"authority": "https://login.microsoftonline.com"} if known else expected)


def test_every_variable_belongs_to_an_option() -> None:
    assert set(ENVIRONMENT) <= set(AUTH_ARGUMENTS)
    names = [variable for variables in ENVIRONMENT.values() for variable in variables]
    assert len(names) == len(set(names)), "one variable means one thing"


# -- pipelines, claims and causes -------------------------------------------------------------------------------------

GITHUB_URL = "ACTIONS_ID_TOKEN_REQUEST_URL"
GITHUB = {"ACTIONS_ID_TOKEN_REQUEST_URL": "https://tokens.test/?v=2", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "job"}
AZURE = {
    "SYSTEM_OIDCREQUESTURI": "https://tokens.test/oidc",
    "SYSTEM_ACCESSTOKEN": "job",
    "AZURESUBSCRIPTION_SERVICE_CONNECTION_ID": "connection",
}


@pytest.mark.parametrize("job", [GITHUB, AZURE])
@pytest.mark.parametrize("by_options", [True, False])
def test_a_pipeline_s_job_signs_in_itself_if_the_account_is_named(used: Used, job: dict[str, str], by_options: bool) -> None:
    who = {"client_id": "app", "tenant": "t"}
    identity = sign_in(who if by_options else {}, {**job, **({} if by_options else environment(**who))})
    assert used.method is _pipeline
    assert used.values["pipeline"] == job and identity.secrets == {"job"}


@pytest.mark.parametrize("job", [GITHUB, AZURE])
def test_a_pipeline_s_job_is_the_last_choice(used: Used, job: dict[str, str]) -> None:
    sign_in({}, job)  # nobody is named, as after a login with the Azure CLI
    assert used.method is _azure_cli
    sign_in(SECRET, job)
    assert used.method is _secret
    sign_in({"client_id": "app", "tenant": "t"}, {**job, "AZURE_FEDERATED_TOKEN_FILE": "/token"})
    assert used.method is _pipeline  # the account in the options is never mixed with another's token
    sign_in({}, {**job, **environment(client_id="app", tenant="t", oidc_token_file_path="/token")})
    assert used.method is _workload


@pytest.mark.parametrize("job", [GITHUB, AZURE])
def test_a_job_that_lacks_a_variable_is_told_which_and_borrows_none(job: dict[str, str]) -> None:
    """The token of one pipeline's job never goes to the token service of the other."""
    address, *others = job
    other = AZURE if job is GITHUB else GITHUB
    environ = {address: job[address], **{name: "other" for name in other if name not in ("SYSTEM_OIDCREQUESTURI", GITHUB_URL)}}
    with pytest.raises(IdentityError, match=f"{address} is set, but not {' and '.join(others)}"):
        sign_in({"client_id": "app", "tenant": "t"}, environ)


def test_a_profile_may_name_the_account_of_a_job(used: Used, profiles: Callable[[str], None]) -> None:
    profiles("[ci]\nclient_id=app\ntenant=t\n")
    sign_in({"profile": "ci"}, GITHUB)
    assert used.method is _pipeline and used.values["client_id"] == "app"


def test_a_secret_that_an_error_shows_escaped_is_masked() -> None:
    identity = Identity({**SECRET, "secret": "hid\nden"}, {})
    assert "hid" not in str(identity.failure(f"invalid header value {'hid' + chr(10) + 'den'!r}"))


def test_claims_are_asked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, dict[str, str]]] = []

    def get_token(scope: str, **more: str) -> SimpleNamespace:
        asked.append((scope, more))
        return SimpleNamespace(token="token")

    monkeypatch.setattr(_secret, "credential", lambda values, common: SimpleNamespace(get_token=get_token))
    identity = sign_in(SECRET)
    arm = identity.cloud.arm_scope
    identity.renew('{"access_token":{}}')
    for scope in ("registries", arm, arm):
        identity.token(scope)
    assert asked[1:] == [("registries", {}), (arm, {"claims": '{"access_token":{}}'}), (arm, {})]


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("AADSTS50076: Due to a configuration change you must use multi-factor authentication.", "Azure asks for multifactor"),
        ("This credential doesn't support claims challenges. Run az login --claims-challenge e30=", "Azure asks for multifactor"),
        ("AADSTS53003: Access has been blocked by Conditional Access policies.", "A Conditional Access policy blocks"),
        ("AADSTS700024: Client assertion is not within its valid time range.", "The federated token has expired"),
        ("AADSTS7000222: The provided client secret keys are expired.", "The secret has expired."),
        ("AADSTS7000215: Invalid client secret provided.", "AADSTS7000215"),
    ],
)
def test_a_failed_sign_in_names_its_cause(text: str, cause: str) -> None:
    message = str(Identity(SECRET, {}).failure(text))
    assert f"failed: {cause}" in message and text.rstrip(".") in message
