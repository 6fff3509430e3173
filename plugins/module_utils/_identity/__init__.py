# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who signs in to Azure, and where: from options, environment, profile or Azure CLI, as in Azure's other Ansible modules.

Each sign-in method is a file of its own, with ``NAME``, ``NEEDS`` (the values it requires) and ``credential``.
"""

from __future__ import annotations

import configparser
import logging
import os
import re
import threading
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Dict, Mapping, NamedTuple, Optional, Set

from .._errors import IdentityError
from .._http import Http
from . import _azure_cli, _certificate, _managed_identity, _pipeline, _secret, _user_password, _workload
from ._clouds import Cloud, find_cloud

REGISTRY_AUDIENCE = "https://containerregistry.azure.net"

AUTH_ARGUMENTS: Dict[str, Any] = {
    "auth_source": {"type": "str", "default": "auto", "choices": ["auto", "cli", "credential_file", "env", "msi"]},
    "profile": {"type": "str"},
    "subscription_id": {"type": "str"},
    "tenant": {"type": "str"},
    "client_id": {"type": "str"},
    "secret": {"type": "str", "no_log": True},
    "x509_certificate_path": {"type": "path"},
    "x509_certificate_password": {"type": "str", "no_log": True},
    "ad_user": {"type": "str"},
    "password": {"type": "str", "no_log": True},
    "oidc_token": {"type": "str", "no_log": True},
    "oidc_token_file_path": {"type": "path"},
    "cloud_environment": {"type": "str"},
    "registry_audience": {"type": "str"},
}
# Option → environment variables, of which the first that is set applies: that of Azure's Ansible modules and AWX, then that of
# azure-identity.
ENVIRONMENT = {
    "profile": ("AZURE_PROFILE",),
    "subscription_id": ("AZURE_SUBSCRIPTION_ID",),
    "tenant": ("AZURE_TENANT", "AZURE_TENANT_ID"),
    "client_id": ("AZURE_CLIENT_ID",),
    "secret": ("AZURE_SECRET", "AZURE_CLIENT_SECRET"),
    "x509_certificate_path": ("AZURE_X509_CERTIFICATE_PATH", "AZURE_CLIENT_CERTIFICATE_PATH"),
    "x509_certificate_password": ("AZURE_X509_CERTIFICATE_PASSWORD", "AZURE_CLIENT_CERTIFICATE_PASSWORD"),
    "ad_user": ("AZURE_AD_USER", "AZURE_USERNAME"),
    "password": ("AZURE_PASSWORD",),
    "oidc_token": ("AZURE_FEDERATED_TOKEN",),
    "oidc_token_file_path": ("AZURE_FEDERATED_TOKEN_FILE",),
    "cloud_environment": ("AZURE_CLOUD_ENVIRONMENT",),
}
AUTH_SOURCE = "ANSIBLE_AZURE_AUTH_SOURCE"  # the environment variable for auth_source, as in Azure's Ansible modules
# Who signs in: all of these come from the same place. The other options say where to sign in.
WHO = (
    "client_id",
    "secret",
    "x509_certificate_path",
    "x509_certificate_password",
    "ad_user",
    "password",
    "oidc_token",
    "oidc_token_file_path",
)
SECRETS = ("secret", "x509_certificate_password", "password", "oidc_token")
# Value → the sign-in method that uses it, in order of precedence.
METHODS = (
    ("secret", _secret),
    ("x509_certificate_path", _certificate),
    ("oidc_token", _workload),
    ("oidc_token_file_path", _workload),
    ("ad_user", _user_password),
    ("pipeline", _pipeline),
)
# Entra's error numbers whose own text doesn't say what to do here.
CAUSES = (
    (
        r"AADSTS(50072|50074|50076|50079|50158)\b|claims challenge",
        "Azure asks for multifactor authentication or another proof that a task can't give. Sign in as a service principal, by "
        "federation or with a managed identity; or with the Azure CLI (az login) and auth_source: cli.",
    ),
    (r"AADSTS530\d\d\d?\b", "A Conditional Access policy blocks this sign-in, because of its location, device or account."),
    (
        r"AADSTS700024\b",
        "The federated token has expired, or this machine's clock is wrong. A pipeline's token lasts only a few minutes: give it as "
        "a file that is renewed (oidc_token_file_path), or let the pipeline's job sign in itself.",
    ),
    (r"AADSTS7000222\b", "The secret has expired. Create a new one."),
)


class Identity:
    """The account that signs in. Tokens are kept in memory only, and renewed by azure-identity. Shared by threads.

    *params*: a module's options (AUTH_ARGUMENTS); *environ*: the environment. *http* looked up the cloud; to use it again reuses
    its open connection. IdentityError if the options don't say who signs in, AcrError if the cloud can't be found.
    """

    def __init__(self, params: Mapping[str, Any], environ: Mapping[str, str]) -> None:
        self._environ = environ
        self._lock = threading.Lock()
        self._locks: Dict[str, threading.Lock] = {}
        self._credential: Any = None
        self._claims: Dict[str, str] = {}  # scope → what its next token has to prove
        self._begun: Dict[str, Future[str]] = {}  # by scope
        options = {name: params.get(name) for name in AUTH_ARGUMENTS if params.get(name)}
        environment = _environment(environ)
        self._values, self._from, self._method = _choose(options, environment, _source(params, environ))
        values = self._values
        self.tenant: Optional[str] = values.get("tenant")
        self.subscription_id: Optional[str] = values.get("subscription_id")
        self._check()
        self.http = Http()
        cloud = values.get("cloud_environment") or "AzureCloud"
        if "://" in cloud:
            # Looking the cloud up takes as long as loading azure-identity, so do both at once. The session loads requests, and has
            # to do so first because two threads that import hinder each other: hence a line that seems to do nothing.
            self.http.session  # noqa: B018
            threading.Thread(target=_load).start()
        self.cloud: Cloud = find_cloud(cloud, self.http)
        audience = str(params.get("registry_audience") or REGISTRY_AUDIENCE).rstrip("/")
        self.registry_scope = audience + "/.default"

    @property
    def secrets(self) -> Set[str]:
        """All secrets in use, wherever they come from, for Ansible to mask."""
        return {self._values[name] for name in SECRETS if self._values.get(name)} | _pipeline.secrets(self._values)

    def describe(self) -> str:
        """The method, the account and where they come from, for messages."""
        who = self._values.get("ad_user") or self._values.get("client_id")
        return f"{self._method.NAME}{f' {who}' if who else ''}, {self._from}"

    @property
    def credential(self) -> Any:
        """The azure-identity credential."""
        with self._lock:
            if self._credential is None:
                # We report why a sign-in failed; without a handler, Python would print azure-identity's log as well.
                logging.getLogger("azure").addHandler(logging.NullHandler())
                self._credential = self._method.credential(self._values, self._common())
            return self._credential

    def token(self, scope: str) -> str:
        """An access token for *scope*. IdentityError if signing in fails."""
        begun = self._begun.get(scope)
        if begun is None:
            return self._sign_in(scope)
        try:
            return begun.result()
        finally:
            self._begun.pop(scope, None)

    def begin(self, registry: str) -> None:
        """Starts to sign in for what will be asked first of *registry*: the `token` for that is waited for, or fails, later."""
        _load()  # first: beside what else is loaded, it would take longer
        scope = self.registry_scope if self.cloud.holds(registry) else self.cloud.arm_scope
        begun = self._begun[scope] = Future()

        def work() -> None:
            try:
                begun.set_result(self._sign_in(scope))
            except BaseException as error:  # is for whoever needs the token
                begun.set_exception(error)

        threading.Thread(target=work, daemon=True).start()

    def _sign_in(self, scope: str) -> str:
        from azure.core.exceptions import AzureError

        with self._lock:
            lock = self._locks.setdefault(scope, threading.Lock())
        with lock:  # so that threads don't each sign in
            try:
                claims = self._claims.pop(scope, None)
                return str(self.credential.get_token(scope, **({"claims": claims} if claims else {})).token)
            except AzureError as error:
                raise self.failure(str(getattr(error, "message", None) or error)) from None
            except (ValueError, OSError) as error:
                raise self.failure(str(error)) from None

    def renew(self, claims: str = "") -> None:
        """Discards all tokens, because a server refuses them although this machine's clock calls them valid. *claims*: what Azure
        Resource Manager wants the next one to prove, as its claims challenge has it."""
        with self._lock:
            self._credential = None
            if claims:
                self._claims[self.cloud.arm_scope] = claims

    def failure(self, text: str) -> IdentityError:
        """The error for a sign-in that failed with *text*, azure-identity's message."""
        cause = next((f"{sentence} " for pattern, sentence in CAUSES if re.search(pattern, text)), "")
        return IdentityError(f"Signing in to {self.cloud.authority} with {self.describe()} failed: {cause}{self._short(text)}")

    def _common(self) -> Dict[str, Any]:
        common: Dict[str, Any] = {"authority": self.cloud.authority}
        if not self.cloud.known:
            common["disable_instance_discovery"] = True
        return common

    def _check(self) -> None:
        missing = [name for name in self._method.NEEDS if not self._values.get(name)]
        if missing:
            names = [f"{name} ({ENVIRONMENT[name][0]})" for name in missing]
            raise IdentityError(f"Signing in with {self._method.NAME} ({self._from}) also needs {' and '.join(names)}.")

    def _short(self, text: str) -> str:
        for secret in self.secrets:
            for shown in (secret, repr(secret)[1:-1]):
                text = text.replace(shown, "********")
        text = re.sub(r"\s*(Trace ID|Correlation ID|Timestamp):.*", "", text, flags=re.DOTALL)
        text = " ".join(text.replace("Authentication failed: ", "").split())
        return text[:400].rstrip(". ") + "."


def _load() -> None:
    """Loads azure-identity ahead of its first use."""
    with suppress(ImportError):  # which reports what is missing
        import azure.identity  # noqa: F401  # loading it is the point


def _environment(environ: Mapping[str, str]) -> Dict[str, Any]:
    found: Dict[str, Any] = {}
    for name, variables in ENVIRONMENT.items():
        value = next((environ[variable] for variable in variables if environ.get(variable)), None)
        if value:
            found[name] = value
    job = _pipeline.job(environ)
    return {**found, "pipeline": job} if job else found


def _source(params: Mapping[str, Any], environ: Mapping[str, str]) -> str:
    given = str(params.get("auth_source") or "auto")
    source = environ.get(AUTH_SOURCE) or "auto" if given == "auto" else given
    choices = AUTH_ARGUMENTS["auth_source"]["choices"]
    if source not in choices:
        raise IdentityError(f"{AUTH_SOURCE} is {source!r}; it must be one of {', '.join(choices)}.")
    return source


class Choice(NamedTuple):
    """How to sign in: *values* by option, *origin* in words, and the *method*, one of the modules in this package."""

    values: Dict[str, Any]
    origin: str
    method: Any


def _choose(options: Dict[str, Any], environment: Dict[str, str], source: str) -> Choice:
    """How to sign in. The values in WHO are never mixed from two places."""
    where = {name: value for name, value in {**environment, **options}.items() if name not in WHO}
    given = {name: options[name] for name in WHO if name in options}
    surrounding = {name: environment[name] for name in WHO if name in environment}
    if source == "cli":
        return Choice(where, "auth_source: cli", _azure_cli)
    if source == "msi":
        client = given.get("client_id") or surrounding.get("client_id")
        return Choice(dict(where, client_id=client), "auth_source: msi", _managed_identity)
    profile = where.get("profile")
    if source == "credential_file" or (source == "auto" and options.get("profile")):
        return _profile(where, profile or "default")
    if given and source != "env":
        return Choice(dict(where, **given), "from the options", _method({**where, **given}, "options"))
    if surrounding or source == "env":
        return Choice(
            dict(where, **surrounding), "from the environment", _method({**where, **surrounding}, "environment variables")
        )
    cli = Choice(where, "since nothing else was given", _azure_cli)
    return _profile(where, profile) if profile else _profile(where, "default", otherwise=cli)


def _method(values: Mapping[str, Any], place: str) -> Any:
    for name, method in METHODS:
        if values.get(name):
            return method
    given = ", ".join(name for name in sorted(values) if name in WHO) or "nothing"
    raise IdentityError(
        f"The {place} give {given} to sign in with, which isn't enough: give client_id with secret, x509_certificate_path or "
        "oidc_token, or ad_user with password; for a managed identity, set auth_source: msi."
    )


def _profile(where: Dict[str, Any], name: str, otherwise: Optional[Choice] = None) -> Choice:
    """What the profile says. If there is none, *otherwise*, or IdentityError without that."""
    path = os.path.join(os.path.expanduser("~"), ".azure", "credentials")
    parser = configparser.ConfigParser(interpolation=None)
    try:
        parser.read(path, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError) as error:
        raise IdentityError(f"{path} can't be read: {str(error).splitlines()[0].rstrip('.')}.") from None
    if not parser.has_section(name):
        if otherwise is not None:
            return otherwise
        raise IdentityError(f"There is no profile {name} in {path}; it has {', '.join(parser.sections()) or 'none'}.")
    found = {key: value for key, value in parser.items(name) if key in AUTH_ARGUMENTS and value}
    values = {**found, **{key: value for key, value in where.items() if key not in WHO}}
    method = _method({**where, **{key: found[key] for key in WHO if key in found}}, f"values of profile {name}")
    return Choice(values, f"profile {name}", method)
