# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sign-in authority, through azure-identity's own credentials."""
from __future__ import annotations

from typing import Any

import jwt
import pytest
import requests
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import (
    CertificateCredential,
    ClientAssertionCredential,
    ClientSecretCredential,
    ManagedIdentityCredential,
    UsernamePasswordCredential,
)

from tests.sandbox.handle import PRINCIPALS, Sandbox

ARM = "https://management.azure.test"
TENANT, CLIENT, SECRET = PRINCIPALS["contributor"]
OPTIONS: dict[str, Any] = {
    "authority": "https://login.azure.test",
    "disable_instance_discovery": True,
    "retry_total": 0,
}


def subscriptions(http: requests.Session, token: str) -> list[str]:
    answer = http.get(f"{ARM}/subscriptions?api-version=2022-12-01", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200, answer.text
    return [s["displayName"] for s in answer.json()["value"]]


def test_a_secret(sandbox: Sandbox, http: requests.Session) -> None:
    token = ClientSecretCredential(TENANT, CLIENT, SECRET, **OPTIONS).get_token(f"{ARM}/.default").token
    keys = jwt.PyJWKSet.from_dict(http.get(f"https://login.azure.test/{TENANT}/discovery/v2.0/keys").json())
    claims = jwt.decode(token, keys.keys[0].key, algorithms=["RS256"], audience=ARM)
    assert (claims["tid"], claims["appid"]) == (TENANT, CLIENT)
    assert subscriptions(http, token) == ["Contoso Registries", "Contoso Shared"]


@pytest.mark.parametrize(
    ("tenant", "client", "secret", "code"),
    [
        (TENANT, CLIENT, "wrong", "AADSTS7000215"),
        (TENANT, "c0000000-0000-4000-8000-00000000ffff", SECRET, "AADSTS700016"),
        (PRINCIPALS["fabrikam-puller"][0], CLIENT, SECRET, "AADSTS700016"),
    ],
)
def test_refused_secrets(sandbox: Sandbox, tenant: str, client: str, secret: str, code: str) -> None:
    with pytest.raises(ClientAuthenticationError, match=code):
        ClientSecretCredential(tenant, client, secret, **OPTIONS).get_token(f"{ARM}/.default")


def test_an_unknown_tenant(sandbox: Sandbox, http: requests.Session) -> None:
    answer = http.get("https://login.azure.test/nowhere.test/v2.0/.well-known/openid-configuration")
    assert answer.status_code == 400
    assert answer.json()["error_description"].startswith("AADSTS90002: Tenant 'nowhere.test' not found.")


def test_an_unknown_resource(sandbox: Sandbox) -> None:
    with pytest.raises(ClientAuthenticationError, match="AADSTS500011"):
        ClientSecretCredential(TENANT, CLIENT, SECRET, **OPTIONS).get_token("https://other.test/.default")


def test_a_certificate(sandbox: Sandbox, http: requests.Session) -> None:
    pem = sandbox.certificate("contributor").encode()
    token = CertificateCredential(TENANT, CLIENT, certificate_data=pem, **OPTIONS).get_token(f"{ARM}/.default").token
    assert subscriptions(http, token)
    sandbox.patch_principal("contributor", certificates=[])
    with pytest.raises(ClientAuthenticationError, match="AADSTS700027"):
        CertificateCredential(TENANT, CLIENT, certificate_data=pem, **OPTIONS).get_token(f"{ARM}/.default")


def test_a_federated_token(sandbox: Sandbox, http: requests.Session) -> None:
    issuer, subject = "https://ci.test", "repo:contoso/images:ref:refs/heads/main"
    sandbox.patch_principal("contributor", federated=[{"issuer": issuer, "subject": subject}])

    def sign_in(assertion: str) -> str:
        credential = ClientAssertionCredential(TENANT, CLIENT, lambda: assertion, **OPTIONS)
        return credential.get_token(f"{ARM}/.default").token

    assert subscriptions(http, sign_in(sandbox.federated_token(issuer, subject)))
    for assertion, code in (
        (sandbox.federated_token(issuer, "repo:contoso/images:ref:refs/heads/dev"), "AADSTS700213"),
        (sandbox.federated_token("https://other.test", subject), "AADSTS700211"),
        (sandbox.federated_token(issuer, subject, audience="api://other"), "AADSTS700212"),
        (sandbox.federated_token(issuer, subject, seconds=-5), "AADSTS700024"),
        (jwt.encode({"iss": issuer, "sub": subject, "exp": 9e9}, "k" * 32, algorithm="HS256"), "AADSTS50013"),
    ):
        with pytest.raises(ClientAuthenticationError, match=code):
            sign_in(assertion)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_user_s_password(sandbox: Sandbox, http: requests.Session) -> None:
    def credential(password: str) -> UsernamePasswordCredential:
        azure_cli = "04b07795-8ddb-461a-bbee-02f9e1bf7b46"
        return UsernamePasswordCredential(azure_cli, "user@contoso.test", password, tenant_id=TENANT, **OPTIONS)

    user = credential("user-password")
    assert subscriptions(http, user.get_token(f"{ARM}/.default").token)
    # Another resource comes from the refresh token of the first sign-in: no password crosses again.
    sandbox.clear_log()
    user.get_token("https://containerregistry.azure.net/.default")
    assert [e["class"] for e in sandbox.log() if e["class"] == "token"] == ["token"]
    with pytest.raises(ClientAuthenticationError, match="AADSTS50126"):
        credential("wrong").get_token(f"{ARM}/.default")


@pytest.mark.parametrize("style", ["imds", "app_service"])
def test_a_managed_identity(
    sandbox: Sandbox, http: requests.Session, monkeypatch: pytest.MonkeyPatch, style: str
) -> None:
    for name, value in sandbox.msi_env(style).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert subscriptions(http, ManagedIdentityCredential().get_token(f"{ARM}/.default").token)
    reader = PRINCIPALS["reader"][1]
    token = ManagedIdentityCredential(client_id=reader).get_token(f"{ARM}/.default").token
    assert jwt.decode(token, options={"verify_signature": False})["appid"] == reader


def test_instance_discovery_and_user_realm(sandbox: Sandbox, http: requests.Session) -> None:
    asked = f"https://login.azure.test/{TENANT}/oauth2/v2.0/authorize"
    base = "https://login.azure.test/common/discovery/instance?api-version=1.1&authorization_endpoint="
    found = http.get(base + asked).json()
    assert http.get(found["tenant_discovery_endpoint"]).json()["issuer"] == f"https://login.azure.test/{TENANT}/v2.0"
    assert http.get(base + "https://evil.test/x/oauth2/v2.0/authorize").json()["error"] == "invalid_instance"
    realm = http.get("https://login.azure.test/common/userrealm/user@contoso.test?api-version=1.0").json()
    assert realm["account_type"] == "Managed"
