# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run asks for, of whom, and when: a table of its requests by class and phase."""
from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from tests.sandbox.tenants import CLOUDS

from .measure import table

PHASES = ("before the first import", "until the last lands", "afterwards")
# What the sandbox's classes are called here; those of manifests are told apart by method.
_CLASSES = {
    "arm_read": "reads",
    "authority": "where to sign in",
    "catalog": "list of repositories",
    "exchange": "exchanges of tokens",
    "import": "imports",
    "import_poll": "how an import is going",
    "other": "how to sign in",
    "referrers": "lists of referrers",
    "tag_list": "lists of tags",
    "token": "tokens",
}
_PROPERTIES = {"_manifests": "lists of manifests", "_tags": "properties of a tag"}


def _kind(entry: dict[str, Any]) -> str:
    if entry["status"] == 401:
        return "challenged"
    if entry["class"] in ("manifest", "blob"):
        return f"{entry['method']} {entry['class']}s"
    if entry["class"] == "metadata":
        return next((name for part, name in _PROPERTIES.items() if f"/{part}" in entry["path"]), "properties of a repository")
    return _CLASSES.get(entry["class"], entry["class"])


def _role(host: str, target: str) -> str:
    if host == target:
        return "target"
    names = {cloud.arm_host: "Azure Resource Manager" for cloud in CLOUDS}
    names.update({cloud.login_host: "Microsoft Entra ID" for cloud in CLOUDS})
    return names.get(host, "source")


def requests(log: Iterable[dict[str, Any]], target: str, landed: float) -> list[str]:
    """The table: who was asked for what, how often in each of PHASES. ``landed``: when the last import had."""
    log = list(log)
    began = min((entry["time"] for entry in log if entry["class"] == "import"), default=landed)
    counts: dict[tuple[str, str], Counter[int]] = {}
    for entry in log:
        phase = (entry["time"] >= began) + (entry["time"] > landed)
        counts.setdefault((_role(entry["host"], target), _kind(entry)), Counter())[phase] += 1
    rows = [(*place, *(found[phase] for phase in range(len(PHASES))), found.total()) for place, found in sorted(counts.items())]
    whole = [sum(row[column] for row in rows) for column in range(2, 3 + len(PHASES))]
    return table([("asked", "for", *PHASES, "in all"), *rows, ("all", "", *whole)])
