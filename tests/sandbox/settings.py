# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Settings as tests send them: JSON objects for dataclasses, in which an unknown name is an error."""
from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any, TypeVar

Settings = TypeVar("Settings")


def check(names: Iterable[str], known: Iterable[str], what: str) -> None:
    """ValueError names those of ``names`` that aren't ``known``; ``what`` is what they were taken for."""
    unknown = set(names) - set(known)
    if unknown:
        raise ValueError(f"unknown {what} {', '.join(sorted(unknown))}")


def made(kind: type[Settings], values: dict[str, Any], what: str) -> Settings:
    """A dataclass from a JSON object."""
    check(values, (f.name for f in dataclasses.fields(kind)), what)
    return kind(**values)


def changed(settings: Settings, changes: dict[str, Any], what: str) -> Settings:
    """A copy of a dataclass with the fields that a JSON object names replaced."""
    return made(type(settings), {**vars(settings), **changes}, what)


def merge(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """``base`` with ``changes`` laid over it, objects merged deeply, null kept as null."""
    merged = dict(base)
    for key, value in changes.items():
        old = merged.get(key)
        merged[key] = merge(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return merged
