# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pipeline's job that signs in by itself, over real HTTPS: a token for each sign-in, from the pipeline's token service."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.registryops.acr.plugins.module_utils._identity import _pipeline

TENANT = "11111111-1111-4111-8111-111111111111"


@pytest.fixture
def job(entra: Any, far_side: Any) -> dict[str, Any]:
    """A job of GitHub Actions, whose token service gives another token each time."""
    given: list[str] = []

    def token(request: Any) -> None:
        given.append(f"token{len(given)}")
        request.reply(200, '{"value": "%s"}' % given[-1])

    entra.more = {"/oidc": token}
    environ = {"ACTIONS_ID_TOKEN_REQUEST_URL": far_side.url + "/oidc?v=2", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "job\n"}
    return {"tenant": TENANT, "client_id": "app", "pipeline": _pipeline.job(environ)}


def test_each_sign_in_asks_for_a_token(entra: Any, job: dict[str, Any], far_side: Any) -> None:
    for number in range(2):
        form = entra.sign_in(_pipeline, job)
        assert (form["client_id"], form["client_assertion"]) == ("app", f"token{number}")
    asked = [(path, headers["Authorization"]) for _method, path, headers, _body in far_side.seen if path.startswith("/oidc")]
    assert asked == [("/oidc?v=2&audience=api%3A%2F%2FAzureADTokenExchange", "Bearer job")] * 2


@pytest.mark.parametrize(("status", "body"), [(403, "{}"), (200, "{}"), (200, "[]"), (200, "<html>"), (302, "")])
def test_a_token_service_that_gives_none(entra: Any, job: dict[str, Any], status: int, body: str) -> None:
    entra.more = {"/oidc": lambda request: request.reply(status, body, {"Location": "https://elsewhere.test/"})}
    with pytest.raises(
        ValueError, match=f"answered with status {status} and no token. Does the job have the permission id-token"
    ):
        entra.sign_in(_pipeline, job)


def test_azure_pipelines(entra: Any, far_side: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYSTEM_OIDCREQUESTURI", far_side.url + "/oidc")
    entra.more = {"/oidc": lambda request: request.reply(200, '{"oidcToken": "outside"}')}
    environ = {
        "SYSTEM_OIDCREQUESTURI": far_side.url + "/oidc",
        "SYSTEM_ACCESSTOKEN": "job",
        "AZURESUBSCRIPTION_SERVICE_CONNECTION_ID": "connection",
    }
    values = {"tenant": TENANT, "client_id": "app", "pipeline": _pipeline.job(environ)}
    assert entra.sign_in(_pipeline, values)["client_assertion"] == "outside"
    _method, path, headers, _body = next(seen for seen in far_side.seen if seen[1].startswith("/oidc"))
    assert "serviceConnectionId=connection" in path and headers["Authorization"] == "Bearer job"
