# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an answer that isn't what was asked for means, and what is said about it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.registryops.acr.plugins.module_utils._refusals import (
    EXCHANGE,
    READ,
    TOKEN,
    Context,
    explain,
    nothing_there,
    quoted,
)
from ansible_collections.registryops.acr.plugins.module_utils._untrusted import Answer

FIREWALL = "client with IP '20.1.2.3' is not allowed access. Refer https://aka.ms/acr/firewall to grant access."


INSUFFICIENT = 'Bearer error="insufficient_scope"'
HUB = Context("registry-1.test", "registry.test")
GIVEN = HUB._replace(has_credentials=True)
AZURE = Context("registry.test", "registry.test", signs_in=True, azure=True)


def refusal(status: int, *messages: Any, code: str = "X", **more: Any) -> Answer:
    body = json.dumps({"errors": [{"code": code, "message": message} for message in messages]}).encode()
    return Answer(status, {}, body, **more)


def challenged(challenge: str) -> Answer:
    return Answer(401, {"WWW-Authenticate": challenge})


@pytest.mark.parametrize(
    ("answer", "reason", "sentence"),
    [
        (refusal(404, "manifest unknown"), "not_found", "registry.test/team/app:1.0 does not exist."),
        (Answer(404, {}), "not_found", "registry.test/team/app:1.0 does not exist."),
        (
            Answer(404, {"Docker-Distribution-Api-Version": "registry/2.0"}, b"<html>"),
            "not_found",
            "registry.test/team/app:1.0 does not exist.",
        ),
        (
            Answer(404, {}, b"<html>"),
            "protocol",
            "registry-1.test answered 404 with something that no registry sends; is a proxy in the way?",
        ),
        (
            refusal(403, FIREWALL, code="DENIED"),
            "denied",
            f"registry.test/team/app:1.0 denies access. The registry says: {FIREWALL} No credentials were given.",
        ),
        (
            refusal(403, "denied."),
            "denied",
            "registry.test/team/app:1.0 denies access. The registry says: denied. No credentials were given.",
        ),
        (
            refusal(418, "teapot"),
            "protocol",
            "registry.test/team/app:1.0 answered with status 418. The registry says: teapot.",
        ),
        (
            refusal(418),
            "protocol",
            "registry.test/team/app:1.0 answered with status 418. That is not what a registry sends.",
        ),
        (
            refusal(404, "no", strayed="cdn.test"),
            "protocol",
            "registry.test/team/app:1.0 can't be read: registry-1.test redirects to cdn.test, which answers with status 404 and "
            "says: no. No credentials were sent there.",
        ),
    ],
)
def test_what_is_not_what_was_asked_for(answer: Answer, reason: str, sentence: str) -> None:
    error = explain(answer, HUB, "team/app", "1.0")
    assert (error.reason, error.status, str(error)) == (reason, answer.status, sentence)


@pytest.mark.parametrize("status", [200, 400, 404, 410])
@pytest.mark.parametrize("step", [TOKEN, EXCHANGE])
def test_a_token_service_knows_nothing_of_what_exists(status: int, step: str) -> None:
    error = explain(refusal(status, "no", code="NAME_UNKNOWN"), AZURE, "team/app", step=step)
    assert error.reason == "protocol" and not nothing_there(error)
    assert str(error) == f"The token service for registry.test/team/app answered with status {status}. The registry says: no."
    assert str(explain(Answer(status, {}), AZURE, step=step)).endswith(" That is not what a token service sends.")


@pytest.mark.parametrize(
    ("answer", "context", "step", "reason", "sentence"),
    [
        (refusal(403, FIREWALL, code="DENIED"), AZURE, READ, "firewall", "The firewall of registry.test refuses this machine (20.1.2.3)"),
        (refusal(403, FIREWALL, code="DENIED"), AZURE, EXCHANGE, "firewall", "refuses this machine (20.1.2.3)"),
        (refusal(403, FIREWALL), AZURE, READ, "denied", "The account needs the right to pull it."),
        (refusal(403, FIREWALL, code="DENIED"), GIVEN, READ, "denied", "The account needs the right to pull it."),
        (refusal(401), AZURE, EXCHANGE, "unauthorized", "registry.test does not accept this sign-in. Most often the account has no role"),
        (refusal(401), AZURE._replace(signs_in=False, has_credentials=True), EXCHANGE, "unauthorized", "refuses the given credentials."),
        (refusal(401), AZURE, TOKEN, "unauthorized", "can't be listed by the account that signs in."),
        (refusal(403, signed=False), GIVEN, READ, "denied", "The given credentials were not sent"),
        (refusal(401, signed=False), GIVEN, READ, "unauthorized", "requires a sign-in. The given credentials were not sent"),
    ],
)
def test_who_asked_what_decides(answer: Answer, context: Context, step: str, reason: str, sentence: str) -> None:
    error = explain(answer, context, step=step)
    assert error.reason == reason and sentence in str(error), str(error)


@pytest.mark.parametrize(
    ("context", "challenge", "sentence"),
    [
        (HUB, "", "registry.test/team/app:1.0 needs credentials that may pull it (none were given), or does not exist."),
        (GIVEN, "", "registry.test/team/app:1.0 refuses the given credentials. Check user name and password."),
        (GIVEN, INSUFFICIENT, "The given credentials are valid but don't allow pulling registry.test/team/app:1.0, or it does not exist."),
        (AZURE, "", "registry.test/team/app:1.0 can't be read by the account that signs in. It needs the right to pull and to list"),
    ],
)
def test_a_sign_in_that_is_not_enough(context: Context, challenge: str, sentence: str) -> None:
    error = explain(challenged(challenge), context, "team/app", "1.0")
    assert error.reason == "unauthorized" and str(error).startswith(sentence)
    if context.signs_in:
        assert "Catalog Lister" in str(explain(challenged(challenge), context)), "without a repository it is the catalog"


@pytest.mark.parametrize(
    ("context", "action", "sentence"),
    [
        (GIVEN, "metadata_read", "don't allow listing registry.test/team/app (metadata/read), or it does not exist."),
        (GIVEN, "pull", "don't allow pulling registry.test/team/app, or it does not exist."),
        (GIVEN, "metadata_read,pull", "don't allow pulling registry.test/team/app, or it does not exist."),
        (HUB, "metadata_read", "needs credentials that may list it (none were given)"),
        (AZURE, "metadata_read", "It needs the right to list there: the role AcrPull"),
        (AZURE, "pull", "It needs the right to pull there: the role AcrPull"),
    ],
)
def test_e5_the_right_that_is_missing_is_named(context: Context, action: str, sentence: str) -> None:
    challenge = f'Bearer realm="https://registry.test/t",scope="repository:team/app:{action}",error="insufficient_scope"'
    assert sentence in str(explain(challenged(challenge), context, "team/app"))


def test_the_right_to_lock_is_one_of_its_own() -> None:
    challenge = 'Bearer realm="https://registry.test/t",scope="repository:team/app:metadata_write",error="insufficient_scope"'
    error = explain(challenged(challenge), AZURE, "team/app", "1.0")
    assert error.reason == "denied"
    assert str(error).startswith("This account isn't allowed to lock registry.test/team/app:1.0: it needs the right metadata/write")


CORRELATION = "CorrelationId: 01234567-89ab-cdef-0123-456789abcdef"


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        (["manifest  unknown.\n"], "manifest unknown"),
        (["one", "two."], "one; two"),
        (["x" * 500], "x" * 300),
        (["no. " + CORRELATION], "no. " + CORRELATION),
        (["x" * 500 + " " + CORRELATION], "x" * 300 + "… " + CORRELATION),
        (["x" * 290 + " " + CORRELATION], "x" * 290 + "… " + CORRELATION),
        ([{"a": 1}], "{'a': 1}"),
        ([], ""),
    ],
)
def test_b10_what_a_registry_says_is_short_and_keeps_what_support_asks_for(messages: list[Any], said: str) -> None:
    assert quoted(refusal(400, *messages)) == said


@pytest.mark.parametrize("text", ["insufficient_scope", "MANIFEST_UNKNOWN", "not allowed access", "UNSUPPORTED", "invalid_token"])
def test_b2_text_decides_nothing(text: str) -> None:
    for status, reason in ((400, "protocol"), (401, "unauthorized"), (403, "denied"), (404, "not_found"), (418, "protocol")):
        with_text, without = (explain(refusal(status, one), GIVEN, "a", "1") for one in (text, "no"))
        assert with_text.reason == without.reason == reason
        assert str(with_text) == str(without).replace("says: no", "says: " + text)
