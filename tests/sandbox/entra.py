# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sign-in authority (Microsoft Entra ID): discovery, and tokens that Resource Manager and registries check.

Also the managed identity endpoints (a virtual machine's and App Service's), which the admin server mounts.
"""
from __future__ import annotations

import base64
import json
import time
from typing import Any

import jwt
from aiohttp import web
from cryptography import x509

from .model import ACR_AUDIENCE
from .state import State
from .tenants import Cloud, Principal, Tenant
from .tokens import TokenError, new_id

# Scopes that ask for a sign-in's trimmings rather than for a resource.
_OIDC_SCOPES = {"openid", "profile", "offline_access", "email"}
_GRAPH = ("https://graph.microsoft.com", "https://graph.windows.net")
_ANY_TENANT = ("common", "organizations")
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class _Refused(Exception):
    """An error answer of the authority: HTTP status, OAuth error, AADSTS number, text."""

    def __init__(self, status: int, error: str, code: int, text: str) -> None:
        super().__init__(text)
        self.status, self.error, self.code, self.text = status, error, code, text

    def response(self, host: str) -> web.Response:
        trace, correlation = new_id(), new_id()
        stamp = time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime())
        body = {
            "error": self.error,
            "error_description": f"AADSTS{self.code}: {self.text} Trace ID: {trace} "
            f"Correlation ID: {correlation} Timestamp: {stamp}",
            "error_codes": [self.code],
            "timestamp": stamp,
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": f"https://{host}/error?code={self.code}",
        }
        return web.json_response(body, status=self.status)


async def handle(state: State, request: web.BaseRequest) -> web.StreamResponse:
    """One request to a login host."""
    host = request.host.rsplit(":", 1)[0].lower()
    cloud = state.cloud_of(host)
    assert cloud is not None
    parts = request.path.strip("/").split("/")
    tail = "/".join(parts[1:])
    try:
        if request.path == "/common/discovery/instance":
            return _instance(state, request, host)
        if tail.startswith("userrealm/"):
            return _user_realm(state, cloud, parts[2])
        if tail in (".well-known/openid-configuration", "v2.0/.well-known/openid-configuration"):
            return web.json_response(_configuration(state, host, parts[0], tail.startswith("v2.0")))
        if tail in ("discovery/keys", "discovery/v2.0/keys"):
            return web.json_response(state.signer.jwks())
        if tail in ("oauth2/token", "oauth2/v2.0/token") and request.method == "POST":
            form = {k: str(v) for k, v in (await request.post()).items()}
            return web.json_response(_token(state, request, cloud, parts[0], form))
    except _Refused as refused:
        return refused.response(host)
    return web.Response(status=404)


def _instance(state: State, request: web.BaseRequest, host: str) -> web.Response:
    asked = request.query.get("authorization_endpoint", "")
    pieces = asked.split("/")
    if len(pieces) < 4 or not any(pieces[2] == c.login_host for c in state.clouds):
        raise _Refused(400, "invalid_instance", 50049, "Unknown or invalid instance.")
    names = [{"preferred_network": c.login_host, "preferred_cache": c.login_host, "aliases": [c.login_host]}
             for c in state.clouds]  # fmt: skip
    return web.json_response(
        {
            "tenant_discovery_endpoint": f"https://{pieces[2]}/{pieces[3]}/v2.0/.well-known/openid-configuration",
            "api-version": "1.1",
            "metadata": names,
        }
    )


def _user_realm(state: State, cloud: Cloud, user: str) -> web.Response:
    domain = user.rpartition("@")[2]
    managed = state.tenant(domain) is not None
    return web.json_response(
        {
            "ver": "1.0",
            "account_type": "Managed" if managed else "Unknown",
            "domain_name": domain,
            "cloud_instance_name": cloud.login_host,
            "cloud_audience_urn": "urn:federation:MicrosoftOnline",
        }
    )


def _configuration(state: State, host: str, tenant: str, v2: bool) -> dict[str, Any]:
    known = _tenant(state, tenant)
    where = known.id if known else tenant
    base = f"https://{host}/{where}"
    middle = "oauth2/v2.0" if v2 else "oauth2"
    issuer = f"{base}/v2.0" if v2 else f"https://sts.windows.net/{where}/"
    return {
        "token_endpoint": f"{base}/{middle}/token",
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "jwks_uri": f"{base}/discovery/{'v2.0/' if v2 else ''}keys",
        "response_modes_supported": ["query", "fragment", "form_post"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "issuer": issuer.replace(where, "{tenantid}") if known is None else issuer,
        "authorization_endpoint": f"{base}/{middle}/authorize",
        "device_authorization_endpoint": f"{base}/{middle}/devicecode",
        "end_session_endpoint": f"{base}/{middle}/logout",
        "claims_supported": ["sub", "iss", "aud", "exp", "iat", "nonce", "tid", "ver"],
        "tenant_region_scope": "EU",
        "cloud_instance_name": host,
    }


def _tenant(state: State, name: str) -> Tenant | None:
    """The tenant of a path, None for one of the multi-tenant names."""
    if name in _ANY_TENANT:
        return None
    tenant = state.tenant(name)
    if tenant is None:
        raise _Refused(
            400,
            "invalid_tenant",
            90002,
            f"Tenant '{name}' not found. Check to make sure you have the correct tenant ID and are signing into the "
            "correct cloud. Check with your subscription administrator, this may happen if there are no active "
            "subscriptions for the tenant.",
        )
    return tenant


def _token(state: State, request: web.BaseRequest, cloud: Cloud, tenant_name: str, form: dict[str, str]) -> dict[str, Any]:
    tenant = _tenant(state, tenant_name)
    grant = form.get("grant_type")
    if not grant:
        raise _Refused(
            400, "invalid_request", 900144, "The request body must contain the following parameter: 'grant_type'."
        )
    request["principal"] = form.get("username") or form.get("client_id")
    if grant == "client_credentials":
        principal = _application(state, tenant, form, f"https://{cloud.login_host}/")
    elif grant == "password":
        principal = _user(state, tenant, form)
    elif grant == "refresh_token":
        principal = _refreshed(state, tenant, form)
    else:
        raise _Refused(400, "unsupported_grant_type", 70003, f"The app requested an unsupported grant type '{grant}'.")
    request["principal"] = principal.name
    audience = _audience(state, cloud, form)
    answer = access_token(state, cloud, principal, audience, form.get("client_id") or principal.client_id)
    if principal.username is not None:
        answer.update(_user_extras(state, cloud, principal, form, audience))
    if "resource" in form:  # the v1 endpoint speaks of resources and sends its numbers as strings
        now = int(time.time())
        answer.update(resource=form["resource"], expires_on=str(now + answer["expires_in"]), not_before=str(now - 300))
        answer["expires_in"] = str(answer["expires_in"])
    return answer


def access_token(state: State, cloud: Cloud, principal: Principal, audience: str, client: str) -> dict[str, Any]:
    """The answer of a token endpoint: a signed access token for ``audience``."""
    now = int(time.time())
    seconds = state.knobs.tokens.arm_seconds
    claims: dict[str, Any] = {
        "aud": audience,
        "iss": f"https://sts.windows.net/{principal.tenant}/",
        "iat": now,
        "nbf": now,
        "exp": now + seconds,
        "aio": "k2BgYPjOZMZjWLTHbOEyAA==",
        "appid": client,
        "appidacr": "1",
        "idp": f"https://sts.windows.net/{principal.tenant}/",
        "idtyp": "app",
        "oid": principal.object_id,
        "sub": principal.object_id,
        "tid": principal.tenant,
        "uti": new_id(),
        "ver": "1.0",
    }
    if principal.username is not None:
        claims.update(idtyp="user", appidacr="0", scp="user_impersonation", upn=principal.username)
        claims.update(unique_name=principal.username, name=principal.name)
    answer: dict[str, Any] = {"token_type": "Bearer", "expires_in": seconds, "ext_expires_in": seconds}
    if seconds > 7200:
        answer["refresh_in"] = seconds // 2
    answer["access_token"] = state.signer.issue(claims)
    return answer


def _user_extras(state: State, cloud: Cloud, principal: Principal, form: dict[str, str], audience: str) -> dict[str, Any]:
    """What comes beside a user's access token: scope, refresh token, ID token, client_info."""
    now = int(time.time())
    client = form.get("client_id", "")
    extras: dict[str, Any] = {
        "scope": f"{audience.rstrip('/')}/user_impersonation {audience.rstrip('/')}/.default",
        "foci": "1",
    }
    scopes = set(form.get("scope", "").split())
    if "offline_access" in scopes or "resource" in form:
        extras["refresh_token"] = state.signer.issue(
            {
                "use": "refresh",
                "oid": principal.object_id,
                "tid": principal.tenant,
                "exp": now + 90 * 86400,
                "n": new_id(),
            }
        )
    if "openid" in scopes or "resource" in form:
        extras["id_token"] = state.signer.issue(
            {
                "aud": client,
                "iss": f"https://{cloud.login_host}/{principal.tenant}/v2.0",
                "iat": now,
                "nbf": now,
                "exp": now + 3600,
                "name": principal.name,
                "oid": principal.object_id,
                "preferred_username": principal.username,
                "sub": principal.object_id,
                "tid": principal.tenant,
                "ver": "2.0",
            }
        )
    if form.get("client_info"):
        info = json.dumps({"uid": principal.object_id, "utid": principal.tenant}).encode()
        extras["client_info"] = base64.urlsafe_b64encode(info).decode().rstrip("=")
    return extras


def _application(state: State, tenant: Tenant | None, form: dict[str, str], login: str) -> Principal:
    client = form.get("client_id", "")
    principal = state.principal_by_client(client)
    if principal is None or tenant is None or principal.tenant != tenant.id:
        raise _Refused(
            400,
            "unauthorized_client",
            700016,
            f"Application with identifier '{client}' was not found in the directory "
            f"'{tenant.domain if tenant else 'common'}'. This can happen if the application has not been installed by "
            "the administrator of the tenant or consented to by any user in the tenant. You may have sent your "
            "authentication request to the wrong tenant.",
        )
    if "client_assertion" in form:
        if form.get("client_assertion_type") != _ASSERTION:
            raise _Refused(
                400,
                "invalid_request",
                900144,
                "The request body must contain the following parameter: 'client_assertion_type'.",
            )
        _check_assertion(state, principal, form["client_assertion"], login)
    elif "client_secret" not in form:
        raise _Refused(
            401,
            "invalid_client",
            7000218,
            "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
        )
    elif form["client_secret"] not in principal.secrets:
        raise _Refused(
            401,
            "invalid_client",
            7000215,
            "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, "
            f"not the client secret ID, for a secret added to app '{client}'.",
        )
    return principal


def _check_assertion(state: State, principal: Principal, assertion: str, login: str) -> None:
    """A client assertion: signed with a registered certificate, or a federated token of a registered issuer."""
    try:
        claims = jwt.decode(assertion, options={"verify_signature": False})
        algorithm = jwt.get_unverified_header(assertion)["alg"]
    except (jwt.PyJWTError, KeyError):
        raise _Refused(401, "invalid_client", 50027, "JWT token is invalid or malformed.") from None
    if claims.get("iss") != principal.client_id:
        _check_federated(state, principal, assertion, claims)
        return
    for pem in principal.certificates:
        key = x509.load_pem_x509_certificate(pem.encode()).public_key()
        try:
            jwt.decode(
                assertion,
                key,
                algorithms=[algorithm] if algorithm in ("RS256", "PS256") else ["RS256"],
                options={"verify_aud": False, "verify_exp": False},
            )
        except jwt.InvalidSignatureError:
            continue
        except jwt.PyJWTError:
            raise _Refused(401, "invalid_client", 50027, "JWT token is invalid or malformed.") from None
        if claims.get("sub") != principal.client_id or not str(claims.get("aud", "")).startswith(login):
            raise _Refused(401, "invalid_client", 700023, f"Client assertion audience claim does not match '{login}'.")
        if claims.get("exp", 0) <= time.time():
            raise _Refused(401, "invalid_client", 700024, "Client assertion is not within its valid time range.")
        return
    raise _Refused(
        401,
        "invalid_client",
        700027,
        "The certificate with identifier used to sign the client assertion is not registered on application. "
        "[Reason - The key was not found.]",
    )


def _check_federated(state: State, principal: Principal, assertion: str, claims: dict[str, Any]) -> None:
    issuers = [f for f in principal.federated if f["issuer"] == claims.get("iss")]
    if not issuers:
        raise _Refused(
            401,
            "invalid_client",
            700211,
            f"No matching federated identity record found for presented assertion issuer '{claims.get('iss')}'. "
            "Please check your federated identity credential Subject, Audience and Issuer against the presented "
            "assertion.",
        )
    if not any(f["subject"] == claims.get("sub") for f in issuers):
        raise _Refused(
            401,
            "invalid_client",
            700213,
            f"No matching federated identity record found for presented assertion subject '{claims.get('sub')}'. "
            "Please check your federated identity credential Subject, Audience and Issuer against the presented "
            "assertion.",
        )
    try:
        state.signer.check(assertion, {f.get("audience", "api://AzureADTokenExchange") for f in issuers})
    except TokenError as problem:
        if problem.reason == "expired":
            raise _Refused(401, "invalid_client", 700024, "Client assertion is not within its valid time range.") from None
        if problem.reason == "audience":
            raise _Refused(
                401,
                "invalid_client",
                700212,
                f"No matching federated identity record found for presented assertion audience "
                f"'{claims.get('aud')}'.",
            ) from None
        raise _Refused(401, "invalid_client", 50013, "Assertion failed signature validation.") from None


def _user(state: State, tenant: Tenant | None, form: dict[str, str]) -> Principal:
    name = form.get("username", "").lower()
    user = next((p for p in state.principals.values() if p.username and p.username.lower() == name), None)
    if user is None or (tenant is not None and user.tenant != tenant.id):
        domain = tenant.domain if tenant else name.rpartition("@")[2]
        raise _Refused(
            400,
            "invalid_grant",
            50034,
            f"The user account {name} does not exist in the {domain} directory. To sign into this application, the "
            "account must be added to the directory.",
        )
    if form.get("password") != user.password:
        raise _Refused(400, "invalid_grant", 50126, "Error validating credentials due to invalid username or password.")
    return user


def _refreshed(state: State, tenant: Tenant | None, form: dict[str, str]) -> Principal:
    try:
        claims = state.signer.check(form.get("refresh_token", ""))
    except TokenError:
        claims = {}
    principal = state.principal_by_object(claims.get("oid"))
    if claims.get("use") != "refresh" or principal is None:
        raise _Refused(400, "invalid_grant", 9002313, "Invalid request. Request is malformed or invalid.")
    if tenant is not None and principal.tenant != tenant.id:
        raise _Refused(
            400,
            "invalid_grant",
            50020,
            f"User account '{principal.username}' from identity provider does not exist in tenant '{tenant.domain}'.",
        )
    return principal


def _audience(state: State, cloud: Cloud, form: dict[str, str]) -> str:
    """The ``aud`` of the token asked for by ``scope`` (v2) or ``resource`` (v1)."""
    if "resource" in form:
        wanted = form["resource"]
    else:
        scopes = [s for s in form.get("scope", "").split() if s not in _OIDC_SCOPES]
        if not scopes:
            raise _Refused(400, "invalid_scope", 70011, "The provided value for the input parameter 'scope' is not valid.")
        # "https://x//.default" is the resource "https://x/": only the last slash parts the resource from the scope.
        wanted = scopes[0].rpartition("/")[0]
    own = [r.flags.audience for r in state.registries.values() if r.flags.audience]
    known = {a.rstrip("/") for a in (*cloud.arm_audiences, ACR_AUDIENCE, *_GRAPH, *own)}
    if wanted.rstrip("/") not in known:
        raise _Refused(
            400,
            "invalid_resource",
            500011,
            f"The resource principal named {wanted} was not found in the tenant. This can happen if the application "
            "has not been installed by the administrator of the tenant or consented to by any user in the tenant. "
            "You might have sent your authentication request to the wrong tenant.",
        )
    return wanted


# ---- managed identity -------------------------------------------------------------------------------------------


async def managed_identity(state: State, request: web.Request) -> web.Response:
    """``GET /metadata/identity/oauth2/token`` (virtual machine) and ``GET /msi/token`` (App Service)."""
    app_service = request.path.startswith("/msi")
    if app_service and request.headers.get("X-IDENTITY-HEADER") != state.msi_header:
        return web.json_response({"statusCode": 403, "message": "bad or missing X-IDENTITY-HEADER"}, status=403)
    if not app_service and request.headers.get("Metadata", "").lower() != "true":
        return web.json_response(
            {"error": "invalid_request", "error_description": "Required metadata header not specified"}, status=400
        )
    client = request.query.get("client_id")
    principal = state.principal_by_client(client) if client else state.principals.get(state.msi_system or "")
    resource = request.query.get("resource", "")
    cloud = next((c for c in state.clouds if resource.rstrip("/") in c.arm_audiences), state.clouds[0])
    if principal is None:
        return web.json_response({"error": "invalid_request", "error_description": "Identity not found"}, status=400)
    answer = access_token(state, cloud, principal, resource, principal.client_id)
    return web.json_response(
        {
            "access_token": answer["access_token"],
            "client_id": principal.client_id,
            "expires_in": str(answer["expires_in"]),
            "expires_on": str(int(time.time()) + answer["expires_in"]),
            "resource": resource,
            "token_type": "Bearer",
        }
    )
