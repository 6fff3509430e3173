# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all scenarios share: the registries, how big a campaign is, and a line of its table."""
from __future__ import annotations

from dataclasses import dataclass, field

TARGET = "contosoprod"
LOGIN_SERVER = "contosoprod.azurecr.test"
DEV = "contosodev.azurecr.test"
VENDOR = "bearer.vendor.test:8443"


@dataclass
class Row:
    """One line of the table. *lost*: what went wrong, in words; empty where all promises held."""

    name: str
    thrown: str
    lost: list[str] = field(default_factory=list)
    note: str = ""

    def expect(self, condition: bool, message: str) -> None:
        if not condition:
            self.lost.append(message)


@dataclass
class Size:
    """How big a campaign is. *patient*: also what takes a minute by design; *late*: seconds after its time limit in which
    a task must have ended."""

    images: int = 200
    moving: int = 200
    kills: int = 20
    patient: bool = True
    late: float = 2.0
