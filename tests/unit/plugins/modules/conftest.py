# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the modules' own part is run with: an AnsibleModule that notes what it is told, and a run whose report a test writes."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.registryops.acr.plugins.module_utils._mirror import Report


class Failed(Exception):
    """``fail_json`` was called with *result*."""

    def __init__(self, result: dict[str, Any]) -> None:
        super().__init__(result["msg"])
        self.result = result


class FakeModule:
    def __init__(self, params: dict[str, Any], check_mode: bool = False) -> None:
        self.params, self.check_mode = params, check_mode
        self.warnings: list[str] = []
        self.warn = self.warnings.append

    def fail_json(self, **result: Any) -> None:
        raise Failed(result)


@pytest.fixture
def module() -> Callable[..., FakeModule]:
    return lambda check_mode=False, **params: FakeModule(params, check_mode)


@pytest.fixture
def failed() -> type[Failed]:
    return Failed


@pytest.fixture
def identity() -> Any:
    return SimpleNamespace(cloud=SimpleNamespace(registry_suffix="azurecr.test"), http=None)


class FakeMirror:
    """Stands for `Mirror`: returns *report*, and keeps what it was made and run with."""

    def __init__(self) -> None:
        self.report = Report(login_server="contosoprod.azurecr.test")
        self.settings: Any = None
        self.entries: list[Any] = []
        self.target: tuple[Any, ...] = ()

    def __call__(self, identity: Any, registry: str, resource_group: str | None, settings: Any) -> FakeMirror:
        self.target, self.settings = (registry, resource_group), settings
        return self

    def run(self, entries: list[Any]) -> Report:
        self.entries = entries
        return self.report


@pytest.fixture
def mirror() -> FakeMirror:
    return FakeMirror()
