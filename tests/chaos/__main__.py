# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``make chaos``: the whole campaign, and its table in Markdown."""
from __future__ import annotations

import argparse
import sys

from tests.chaos.campaign import SCENARIOS, Row, Size
from tests.sandbox.handle import Sandbox


def table(rows: list[Row], seed: int) -> str:
    lines = ["| what | thrown at it | lost | |", "| --- | --- | --- | --- |"]
    lines += [f"| {row.name} | {row.thrown} | {'; '.join(row.lost) or 'nothing'} | {row.note} |" for row in rows]
    return "\n".join([*lines, "", f"Again: `make chaos SEED={seed}`"])


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("scenarios", nargs="*", choices=[[], *SCENARIOS], default=[], metavar="scenario")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--images", type=int, default=200)
    arguments = parser.parse_args()
    rows = []
    with Sandbox.start() as sandbox:
        for name in arguments.scenarios or SCENARIOS:
            print(f"{name} ...", file=sys.stderr, flush=True)
            row = SCENARIOS[name](sandbox, arguments.seed, Size(arguments.images, arguments.images))
            rows.append(row)
            print(f"  lost: {'; '.join(row.lost) or 'nothing'} ({row.note})", file=sys.stderr, flush=True)
        errors = sandbox.errors()
    print(table(rows, arguments.seed))
    if errors:
        print(f"the sandbox itself failed:\n{errors}", file=sys.stderr)
    return 1 if errors or any(row.lost for row in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
