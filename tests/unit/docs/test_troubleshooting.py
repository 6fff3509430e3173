# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The troubleshooting page has the messages of the code."""
from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.registryops.acr.plugins.module_utils import _refusals
from ansible_collections.registryops.acr.plugins.module_utils._diagnosis import FORMS, REFUSALS, Context, explain, explain_failure
from ansible_collections.registryops.acr.plugins.module_utils._errors import AcrError
from ansible_collections.registryops.acr.plugins.module_utils._http import certificate_failure, passing_failure
from ansible_collections.registryops.acr.plugins.module_utils._untrusted import Answer

PAGE = Path(__file__).resolve().parents[3] / "docs/docsite/rst/troubleshooting.rst"

_AZURE = _refusals.Context("contosodev.azurecr.io", "contosodev.azurecr.io", signs_in=True, azure=True)
_HUB = _refusals.Context("registry-1.docker.io", "docker.io")
_VENDOR = _refusals.Context("registry.example.com", "registry.example.com", has_credentials=True)
_FIREWALL = b'{"errors":[{"code":"DENIED","message":"client with IP \'203.0.113.10\' is not allowed access."}]}'
_SCOPE = {"WWW-Authenticate": 'Bearer realm="https://registry.example.com/token",error="insufficient_scope"'}
_LISTING = {"WWW-Authenticate": _SCOPE["WWW-Authenticate"] + ',scope="repository:vendor/app:metadata_read"'}
_refused = _refusals.explain
# What registries do, and the error that it becomes.
REGISTRIES: dict[str, AcrError] = {
    "blocks this machine with its firewall": _refused(Answer(403, {}, _FIREWALL), _AZURE, "team/app", "1.0"),
    "gives the account no token, for example because it has no role there": (
        _refused(Answer(401, {}), _AZURE, step=_refusals.EXCHANGE)
    ),
    "doesn't let the account read a repository": _refused(Answer(401, {}), _AZURE, "team/app", "1.0"),
    "doesn't let the account list its repositories": _refused(Answer(401, {}), _AZURE),
    "requires credentials, and none were given": _refused(Answer(401, {}), _HUB, "contoso/app", "1.0"),
    "refuses the given credentials": _refused(Answer(401, {}), _VENDOR, "vendor/app", "1.0"),
    "accepts the credentials, but not for this image": _refused(Answer(401, _SCOPE), _VENDOR, "vendor/app", "1.0"),
    "accepts the credentials, but not for listing this repository": _refused(Answer(401, _LISTING), _VENDOR, "vendor/app"),
    "requires a sign-in that is neither Basic nor Bearer": _refused(Answer(401, {}, signed=False), _VENDOR, "vendor/app", "1.0"),
    "redirects to another host, which refuses": _refused(Answer(401, {}, strayed="cdn.example.com"), _VENDOR, "vendor/app", "1.0"),
    "doesn't have the image": _refused(Answer(404, {}), _HUB, "library/nginx", "1.27"),
    "is behind something that answers in its place": _refused(Answer(404, {}, b"<html>"), _HUB, "library/nginx", "1.27"),
    "keeps answering 429 for longer than the task waits": passing_failure("registry-1.docker.io", Answer(429, {})),
    "answers 429 and asks to wait for hours": passing_failure("registry-1.docker.io", Answer(429, {}), 7200.0),
    "has a certificate that isn't trusted here": certificate_failure("registry.example.com", ValueError("unknown authority")),
}


def table(heading: str) -> list[tuple[str, str]]:
    """The rows of the table under a heading, without its own heading."""
    text = PAGE.read_text().partition(heading + "\n" + "-" * len(heading) + "\n")[2]
    body = text.partition(".. list-table::")[2].split("\n\n")[1]
    rows = re.findall(r"^   \* - (.*?)\n     - (.*?)(?=\n   \* - |\Z)", body, re.M | re.S)
    return [(" ".join(left.split()), " ".join(right.split())) for left, right in rows][1:]


NOT_SEEN = {"export policy", "locked", "cache rule", "too many manifests", "source unreachable", "quota", "quarantine"}


@pytest.mark.parametrize(
    ("heading", "rows", "told"),
    [
        ("What Azure Resource Manager answers", REFUSALS, explain),
        ("What Azure says about an import that failed", FORMS, explain_failure),
    ],
)
def test_each_answer_of_azure_is_there_with_its_sentence(heading: str, rows: list[Any], told: Callable[..., AcrError]) -> None:
    lines = table(heading)
    assert len(lines) == len(rows)
    for (answer, sentence), row in zip(lines, rows):
        assert answer.startswith("(not seen) ") is (row.name in NOT_SEEN)
        code, _colon, text = answer.replace("(not seen) ", "").strip("`").partition(": ")
        assert told(code, text, 400, Context(targets=("base/nginx:1.27",))).cause == row.name, answer
        assert sentence == re.sub(r"{(\w+)}", r"*\1*", row.sentence)


def test_what_registries_do_stands_there_with_its_sentence() -> None:
    said = {what: re.sub(r"until .*\d\d:\d\d UTC", "until 14:05 UTC", str(error)) for what, error in REGISTRIES.items()}
    assert table("What registries answer") == list(said.items())
