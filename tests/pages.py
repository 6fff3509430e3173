# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The code blocks of pages."""
from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.playbook import ROOT


@dataclass(frozen=True)
class Block:
    """A block of a page. *language* as the page says it; *file*: the name, if it shows a file that tasks of the page read or
    replace."""

    place: str
    language: str
    text: str
    file: str = ""

    def __str__(self) -> str:
        return self.place


def blocks_of(path: Path) -> Iterator[Block]:
    text = path.read_text()
    if path.suffix == ".rst":
        found = re.finditer(r"^( *)\.\. code-block:: (\S+)\n((?:\1 +:.*\n)*)\n((?:\1 +.*\n|\n)+)", text, re.MULTILINE)
        parts = [(match.start(), match[2], match[4], match[3].partition(":caption:")[2].strip()) for match in found]
        assert len(parts) == text.count(".. code-block::") and "::\n\n" not in re.sub(r"\.\. .*", "", text), path
    else:
        found = re.finditer(r"^( *)```(\w*)\n(.*?)^\1```$", text, re.MULTILINE | re.DOTALL)
        parts = [(match.start(), match[2], match[3], "") for match in found]
        assert 2 * len(parts) == text.count("```"), path
    for start, language, content, file in parts:
        number = text.count("\n", 0, start) + 1
        content = re.sub(r"^ {%d}" % _indent(content), "", content, flags=re.M)
        yield Block(f"{path.relative_to(ROOT)}:{number}", language, content, file)


def _indent(text: str) -> int:
    return min(len(line) - len(line.lstrip()) for line in text.splitlines() if line.strip())
