# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules' own part is run with: an AnsibleModule that notes its warnings, and a run whose report a test writes."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any
from unittest.mock import create_autospec

import pytest

from ansible_collections.registryops.acr.plugins.module_utils._errors import AcrError
from ansible_collections.registryops.acr.plugins.module_utils._mirror import Mirror, Settings
from ansible_collections.registryops.acr.plugins.module_utils._plan import Desired, Item, Observed, Origin, SourceRegistry, Target
from ansible_collections.registryops.acr.plugins.module_utils._report import Report

A, B = ("sha256:" + letter * 64 for letter in "ab")


class FakeModule:
    _verbosity = 0

    def __init__(self, params: dict[str, Any], check_mode: bool = False) -> None:
        self.params, self.check_mode, self.mistakes = params, check_mode, dict[Any, Any]()
        self.given, self.no_log_values = dict(params), set[str]()
        self.warnings: list[str] = []
        self.warn = self.warnings.append


@pytest.fixture
def module() -> Callable[..., FakeModule]:
    return lambda check_mode=False, **params: FakeModule(params, check_mode)


@pytest.fixture
def azure() -> Any:
    return SimpleNamespace(suffix="azurecr.test")


class Run:
    """A mirror's run that returns *report*; what it was made and run with."""

    def __init__(self) -> None:
        self.report = Report(login_server="contosoprod.azurecr.test")
        self.mirror = create_autospec(Mirror)
        self.mirror.return_value.run.return_value = self.report

    @property
    def target(self) -> tuple[str, str | None]:
        _azure, registry, resource_group, _settings = self.mirror.call_args.args
        return registry, resource_group

    @property
    def settings(self) -> Settings:
        return self.mirror.call_args.args[3]

    @property
    def entries(self) -> list[Any]:
        return self.mirror.return_value.run.call_args.args[0]


@pytest.fixture
def run() -> Run:
    return Run()


def item(target: str, action: str, error: str | None = None, reason: str = "denied", **facts: Any) -> Item:
    """One target of an image of quay.io, as a run leaves it."""
    origin = Origin(SourceRegistry("quay.io"), "team/app", "1.0", A)
    shown = Observed.there(B) if action == "update" else Observed.absent()
    found = Item(Desired(Target(target, "1.0"), origin), shown, action, AcrError(reason, error) if error else None, **facts)
    found.changed = found.changes
    if action == "wait":
        found.waiting, found.ready_at = A, "2026-01-05T03:04:05Z"
    return found
