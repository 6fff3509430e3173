# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fixtures that all tests share."""
from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Callable

import pytest

from tests.playbook import Run, run_module
from tests.sandbox.handle import Sandbox

TARGETS = ("contosoprod",)  # what a test may leave things in


@pytest.fixture(scope="session")
def running_sandbox() -> Iterator[Sandbox]:
    with Sandbox.start() as sandbox:
        yield sandbox
        errors = sandbox.errors()
    assert not errors, f"the sandbox itself failed:\n{errors}"


@pytest.fixture
def sandbox(running_sandbox: Sandbox) -> Sandbox:
    """A sandbox in its first state: knobs at their defaults, the log empty, ``contosoprod`` without images."""
    running_sandbox.reset(*TARGETS)
    return running_sandbox


@pytest.fixture
def acr_import(sandbox: Sandbox) -> Callable[..., Run]:
    """``acr_import(source=…, target=…)`` into contosoprod, with ``--check`` and ``--diff`` as positional arguments."""

    def call(*arguments: str, env: dict[str, str] | None = None, **args: Any) -> Run:
        return run_module("acr_import", {"registry": "contosoprod", **args}, {**sandbox.env, **(env or {})}, *arguments)

    return call


@pytest.fixture
def acr_mirror(sandbox: Sandbox) -> Callable[..., Run]:
    """``acr_mirror([entry, …], on_error=…)`` into contosoprod, with ``--check`` and ``--diff`` as further positions."""

    def call(
        images: list[dict[str, Any]], *arguments: str, env: dict[str, str] | None = None, **args: Any
    ) -> Run:
        args = {"registry": "contosoprod", "images": images, **args}
        return run_module("acr_mirror", args, {**sandbox.env, **(env or {})}, *arguments)

    return call
