# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The log of all requests."""
from __future__ import annotations

from typing import Any


class RequestLog:
    """Every request the sandbox saw, in order."""

    FIELDS = (
        "n", "time", "host", "method", "path", "query", "status", "seconds", "class", "principal", "bytes_header",
        "authorization",
    )  # fmt: skip

    def __init__(self) -> None:
        self._rows: list[tuple[Any, ...]] = []
        self._next = 1

    def add(self, *row: Any) -> None:
        """Append FIELDS but the number; ``authorization`` is that header's scheme in lower case, empty without one."""
        self._rows.append((self._next, *row))
        self._next += 1

    def clear(self) -> None:
        self._rows.clear()

    def since(self, number: int) -> list[dict[str, Any]]:
        return [dict(zip(self.FIELDS, row)) for row in self._rows if row[0] > number]
