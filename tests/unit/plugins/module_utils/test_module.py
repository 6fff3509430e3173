# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A module's frame in Ansible's own AnsibleModule: its result, its failures as one sentence each, its secrets, its end."""

from __future__ import annotations

import json
import os
import re
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from ansible.module_utils import basic

from ansible_collections.registryops.acr.plugins.module_utils import _module
from ansible_collections.registryops.acr.plugins.module_utils._errors import AcrError, IdentityError, Problem
from ansible_collections.registryops.acr.plugins.module_utils._identity import ENVIRONMENT, Identity
from ansible_collections.registryops.acr.plugins.module_utils._plan import Conflict
from ansible_collections.registryops.acr.plugins.module_utils._reference import InvalidReference

Work = Callable[[Any, Any], dict[str, Any]]
TIMEOUT: dict[str, Any] = {"timeout": {"type": "int", "default": 60}}


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., dict[str, Any]]:
    """``run(work, option=…)``: what a module that does *work* prints for Ansible."""
    for name in [variable for variables in ENVIRONMENT.values() for variable in variables]:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Identity, "begin", lambda self, registry: None)

    def call(work: Work, arguments: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
        given = {"registry": "contosoprod", "auth_source": "cli", **options}
        monkeypatch.setattr(basic, "_ANSIBLE_ARGS", json.dumps({"ANSIBLE_MODULE_ARGS": given}).encode())
        monkeypatch.setattr(basic, "_ANSIBLE_PROFILE", "legacy", raising=False)  # newer ansible-core's way to send results
        with pytest.raises(SystemExit) as end:
            _module.run(arguments or {}, work)
        result: dict[str, Any] = json.loads(capsys.readouterr().out)
        assert end.value.code == (1 if result.get("failed") else 0)
        return result

    return call


def raising(error: BaseException) -> Work:
    def work(module: Any, azure: Any) -> dict[str, Any]:
        raise error

    return work


def test_a_module_returns_what_its_work_does(run: Any) -> None:
    def work(module: Any, azure: Any) -> dict[str, Any]:
        return {"changed": True, "registry": module.params["registry"], "own": module.params["own"], "who": azure.identity.describe()}

    result = run(work, {"own": {"type": "int"}}, own="5")
    assert (result["changed"], result["registry"], result["own"]) == (True, "contosoprod", 5)
    assert result["who"] == "the Azure CLI, auth_source: cli"


@pytest.mark.parametrize("error", [AcrError("denied", "No."), IdentityError("No."), InvalidReference("No."), Conflict("No.")])
def test_a_failure_is_one_sentence(run: Any, error: Problem) -> None:
    result = run(raising(error))
    assert result["failed"] and result["msg"] == "No." and "exception" not in result
    assert result["reason"] == error.reason and "status" not in result


def test_a_failure_says_which_status_it_comes_from(run: Any) -> None:
    result = run(raising(AcrError("denied", "No.", status=403)))
    assert (result["msg"], result["reason"], result["status"]) == ("No.", "denied", 403)


def test_a_result_with_a_message_is_a_failure(run: Any) -> None:
    result = run(lambda module, azure: {"msg": "One of two failed.", "reason": "locked", "changed": True})
    assert result["failed"] and (result["msg"], result["reason"], result["changed"]) == ("One of two failed.", "locked", True)


def test_the_time_limit_is_the_deadline_of_all_requests(run: Any) -> None:
    def work(module: Any, azure: Any) -> dict[str, Any]:
        return {"left": azure.http.deadline - time.monotonic() if azure.http.deadline is not None else None}

    assert 58 < run(work, TIMEOUT)["left"] <= 60
    assert run(work)["left"] is None


def test_the_sign_in_begins_before_the_work(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    begun: list[str] = []
    monkeypatch.setattr(Identity, "begin", lambda self, registry: begun.append(registry))
    assert run(lambda module, azure: {"begun": list(begun)}, registry="contosodev.azurecr.io")["begun"] == ["contosodev.azurecr.io"]


def test_who_signs_in_is_checked_first(run: Any) -> None:
    result = run(raising(KeyError("not reached")), auth_source="auto", secret="hidden")
    assert result["msg"].endswith("also needs client_id (AZURE_CLIENT_ID) and tenant (AZURE_TENANT).")


@pytest.mark.parametrize(
    ("missing", "package"),
    [
        ("azure", "azure-identity"),
        ("azure.identity", "azure-identity"),
        ("azure.core.exceptions", "azure-identity"),
        ("azure.mgmt", "azure-mgmt-containerregistry"),
        ("azure.mgmt.containerregistry", "azure-mgmt-containerregistry"),
        ("msal", "azure-identity"),
        ("requests", "requests"),
        ("elsewhere", "elsewhere"),
    ],
)
def test_a_library_that_is_missing_is_named_by_its_package(run: Any, missing: str, package: str) -> None:
    result = run(raising(ImportError("No module named {0!r}".format(missing), name=missing)))
    assert "Python library ({0})".format(package) in result["msg"] and result["reason"] == "invalid"


@pytest.mark.parametrize("error", [ImportError("cannot import"), KeyError("x")])
def test_a_fault_of_ours_is_not_dressed_up(run: Any, error: Exception) -> None:
    with pytest.raises(type(error)):
        run(raising(error))


def test_secrets_of_the_environment_are_masked(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("CLIENT_ID", "app"), ("TENANT", "t"), ("SECRET", "of-the-environment")):
        monkeypatch.setenv("AZURE_" + name, value)
    result = run(lambda module, azure: {"said": "a of-the-environment b"}, auth_source="auto")
    assert result["said"] == "a ******** b"
    result = run(raising(AcrError("denied", "Not of-the-environment.")), auth_source="env")
    assert result["msg"] == "Not ********."


# -- what is text ------------------------------------------------------------------------------------------------------

TEXTS: dict[str, Any] = {
    "one": {"type": "str"},
    "several": {"type": "list", "elements": "str"},
    "hidden": {"type": "str", "no_log": True},
    "count": {"type": "int"},
    "ratio": {"type": "float"},
    "entries": {
        "type": "list",
        "elements": "dict",
        "options": {"one": {"type": "str"}, "tags": {"type": "dict", "options": {"include": {"type": "list", "elements": "str"}}}},
    },
    "defaults": {"type": "dict", "options": {"one": {}, "several": {"type": "list", "elements": "str"}}},
}


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"one": 3.10}, "one must be text, but 3.1 "),
        ({"one": 1e3}, "one must be text, but 1000.0 "),
        ({"registry": 5.0}, "registry must be text, but 5.0 "),
        ({"several": [3.10]}, "several must be text, but 3.1 "),
        ({"several": ["3.9", 3.10]}, "several must be text, but 3.1 "),
        ({"several": 3.10}, "several must be text, but 3.1 "),
        ({"several": [True]}, "several must be text, but true "),
        ({"one": False}, "one must be text, but false "),
        ({"hidden": 3.1415}, "hidden must be text, but what is given "),
    ],
)
def test_e10_text_that_yaml_read_as_something_else_is_refused(run: Any, options: dict[str, Any], sentence: str) -> None:
    result = run(raising(KeyError("not reached")), TEXTS, **options)
    assert result["failed"] and result["msg"].startswith(sentence) and "3.1415" not in str(result)
    assert re.search(r"Quote it, as in '(3\.10|yes)'\.$", result["msg"]), "what to do"


def test_options_may_be_read_before_they_are_checked(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = {"entries": {"type": "list", "elements": "dict", "options": {"hidden": {"type": "str", "no_log": True}}}}

    def read(given: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
        return {**given, "entries": [{"hidden": one} for one in given["entries"]]}, ["A mistake."]

    def work(module: Any, azure: Any) -> dict[str, Any]:
        return {"shown": [dict(one) for one in module.params["entries"]], "mistakes": module.mistakes}

    original = _module.run
    monkeypatch.setattr(_module, "run", lambda spec, work: original(spec, work, read=read))
    result = run(work, arguments, entries=["secret1"])
    assert result["shown"] == [{"hidden": "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"}] and "secret1" not in str(result)
    assert result["mistakes"] == ["A mistake."], "for the work to tell"


def test_e10_what_is_no_other_text_as_a_number_is_taken(run: Any) -> None:
    given = {
        "one": 1, "several": [20240807, "3.10", 3], "count": 2, "ratio": 0.5, "hidden": 12345,
        "entries": [{"one": None, "tags": {"include": ["3.10", 1]}}, {"tags": None}], "defaults": {"one": "3.10", "several": 5},
    }  # fmt: skip

    def work(module: Any, azure: Any) -> dict[str, Any]:
        return {"params": {name: module.params[name] for name in ("one", "several", "count", "ratio", "defaults")}}

    assert run(work, TEXTS, **given)["params"] == {
        "one": "1", "several": ["20240807", "3.10", "3"], "count": 2, "ratio": 0.5,
        "defaults": {"one": "3.10", "several": ["5"]},
    }  # fmt: skip


# -- the time limit ----------------------------------------------------------------------------------------------------


def test_a_module_that_hangs_is_ended(
    run: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(_module, "GRACE", 0.05)
    ends: list[int] = []
    printed: list[dict[str, Any]] = []

    def end(code: int) -> None:
        printed.append(json.loads(capsys.readouterr().out))
        ends.append(code)

    monkeypatch.setattr(os, "_exit", end)
    monkeypatch.setattr(threading, "excepthook", lambda _args: None)  # the thread ends by SystemExit, since the process lives on

    def work(module: Any, azure: Any) -> dict[str, Any]:
        began = time.monotonic()
        while not ends and time.monotonic() - began < 10.0:
            time.sleep(0.01)
        return {}

    run(work, TIMEOUT, timeout=0)
    assert ends == [1] and printed[0]["failed"]
    assert printed[0]["reason"] == "timeout"
    assert printed[0]["msg"].startswith("The time limit of 0 s passed while")
    assert "To allow more time, raise timeout" in printed[0]["msg"]


@pytest.mark.parametrize("work", [lambda module, azure: {}, raising(AcrError("denied", "No."))])
def test_a_module_that_ends_in_time_is_left_alone(run: Any, work: Work) -> None:
    run(work, TIMEOUT)
    for thread in threading.enumerate():
        if isinstance(thread, threading.Timer):
            thread.join(5.0)
            assert not thread.is_alive(), "it would end the process a minute later"
