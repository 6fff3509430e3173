# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m tests.benchmarks [--quick] [case ...]``: measure, print; all cases at full size are written down too."""
from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

from tests.playbook import ROOT

from .cases import CASES, FULL, QUICK
from .lab import PACE
from .measure import Figure, lines, machine

RESULTS = ROOT / "docs/benchmarks/results.md"
CONDITIONS = (
    f"The sandbox adds {PACE['round_trip_seconds'] * 1000:g} ms to each round trip, an import takes "
    f"{PACE['import_seconds']} s and answers Retry-After: {PACE['retry_after']}. Times are for whole commands."
)


def blocks(found: Sequence[Figure | str]) -> list[str]:
    """A case's figures as a table, then what it has to say besides."""
    return ["\n".join(lines(one for one in found if isinstance(one, Figure))), *(one for one in found if isinstance(one, str))]


def document(command: str, tables: dict[str, Sequence[Figure | str]]) -> str:
    """What is kept of a run, in Markdown."""
    parts = ["# Benchmarks", f"Printed by `{command}` on {machine()}.", CONDITIONS]
    for name, found in tables.items():
        parts += [f"## {name}", (CASES[name].__doc__ or "").strip(), *blocks(found)]
    return "\n\n".join(parts) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description="Measure, and print a table.")
    parser.add_argument("--quick", action="store_true", help="fewer images, fewer rounds; nothing is written down")
    parser.add_argument("cases", nargs="*", metavar="case", help=f"of {', '.join(CASES)}; all without any")
    chosen = parser.parse_args()
    unknown = set(chosen.cases) - set(CASES)
    if unknown:
        parser.error(f"no such case: {', '.join(sorted(unknown))}")
    size = QUICK if chosen.quick else FULL
    names = [name for name in CASES if name in chosen.cases or not chosen.cases]
    print(f"{machine()}. {CONDITIONS}")
    tables: dict[str, Sequence[Figure | str]] = {}
    began = time.monotonic()
    for name in names:
        print(f"\n{name}: {(CASES[name].__doc__ or '').strip()}", flush=True)
        tables[name] = CASES[name](size)
        print("\n\n".join(blocks(tables[name])), flush=True)
    print(f"\n{time.monotonic() - began:.0f} s in all.")
    if size.full and len(names) == len(CASES):
        RESULTS.write_text(document("make bench", tables))
        print(f"Written to {RESULTS.parent.relative_to(ROOT)}/.")
    missed = [one.what for found in tables.values() for one in found if isinstance(one, Figure) and not one.met]
    print("All goals are met." if not missed else f"Goals not met: {'; '.join(missed)}.")


main()
