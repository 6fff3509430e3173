# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where Dockerfiles name images. Pure."""

from __future__ import annotations

import re
from typing import Dict, Iterator, List, NamedTuple, Optional, Tuple

from ._places import Place, Span, Unknown, complete, substitute

_DIRECTIVE = re.compile(r"[ \t]*#[ \t]*(\w+)[ \t]*=[ \t]*(\S+)[ \t]*")
_HEREDOC = re.compile(r"(?<!<)<<(?P<tabs>-?)(?P<quote>[\"']?)(?P<end>[A-Za-z_][\w.-]*)(?P=quote)")
_LINE = re.compile(r"[^\n]*(?:\n|\Z)")
_PLATFORM_VARIABLES = re.compile(r"(?:TARGET|BUILD)(?:PLATFORM|OS|ARCH|VARIANT)")


class Instruction(NamedTuple):
    """*keyword* in capitals; *words*: all that follow, each with its offset in the text; *line* counts from 1."""

    keyword: str
    words: List[Tuple[int, str]]
    line: int


def is_dockerfile(text: str) -> bool:
    """Whether *text* starts as only Dockerfiles do: with ``FROM`` or ``ARG``, comments apart."""
    for line in text.lstrip("\ufeff").splitlines():
        words = line.split()
        if words and not words[0].startswith("#"):
            return len(words) > 1 and words[0].upper() in ("FROM", "ARG")
    return False


def places_in(text: str) -> List[Place]:
    """The images of ``FROM``, ``COPY --from``, ``ADD --from``, ``RUN --mount=…,from=`` and ``# syntax=``, in their order."""
    directives, instructions = _read(text)
    found: List[Place] = []
    if "syntax" in directives:
        found += _places("syntax", directives["syntax"], 1 + text.count("\n", 0, directives["syntax"][0]), {}, [])
    arguments: Dict[str, Optional[str]] = {}
    stages: List[str] = []
    for instruction in instructions:
        keyword, words, line = instruction
        if keyword == "ONBUILD" and words:
            keyword, words = words[0][1].upper(), words[1:]
        if keyword == "ARG" and not stages:
            for _at, word in words:
                _define(word, arguments)
        elif keyword == "FROM":
            names = [word for word in words if not word[1].startswith("--")]
            found += [place for word in names[:1] for place in _places("FROM", word, line, arguments, stages)]
            named = len(names) > 2 and names[1][1].upper() == "AS"
            stages.append(names[2][1].lower() if named else "")
        elif keyword in ("COPY", "ADD", "RUN"):
            for at, name in _sources(keyword, words):
                if not name.isdigit():
                    found += _places(f"{keyword} from", (at, name), line, {}, stages)
    return found


def _places(
    what: str, word: Tuple[int, str], line: int, arguments: Dict[str, Optional[str]], stages: List[str]
) -> Iterator[Place]:
    """The place that a word is, unless it names a stage, or nothing to start from."""
    at, text = word
    where, fields = f"line {line}: {what}", {"image": Span(at, at + len(text), "raw", text)}
    try:
        name = substitute(text, arguments)
        if name != "scratch" and name.lower() not in stages:
            yield Place(where, {**fields}, complete(name))
    except Unknown as unknown:
        yield Place(where, {**fields}, why=str(unknown))


def _define(word: str, arguments: Dict[str, Optional[str]]) -> None:
    """Notes what an ``ARG`` before the first ``FROM`` says. What builders set themselves has no default to rely on."""
    name, equals, value = word.partition("=")
    if not equals:
        arguments.setdefault(name, None)
        return
    if len(value) > 1 and value[0] == value[-1] and value[0] in "\"'":
        value = value[1:-1]
    try:
        arguments[name] = None if _PLATFORM_VARIABLES.fullmatch(name) else substitute(value, arguments)
    except Unknown:
        arguments[name] = None


def _sources(keyword: str, words: List[Tuple[int, str]]) -> Iterator[Tuple[int, str]]:
    """What the flags of an instruction name as the stage or image to read from."""
    for at, word in words:
        if not word.startswith("--"):
            return
        flag, _equals, value = word.partition("=")
        at += len(flag) + 1
        if flag == "--from" and keyword != "RUN":
            yield at, value
        elif flag == "--mount" and keyword == "RUN":
            for part in value.split(","):
                if part.startswith("from="):
                    yield at + 5, part[5:]
                at += len(part) + 1


def _read(text: str) -> Tuple[Dict[str, Tuple[int, str]], List[Instruction]]:
    """The parser directives of a Dockerfile, each with the offset of its value, and its instructions."""
    lines = [(found.start(), found[0]) for found in _LINE.finditer(text) if found[0]]
    directives: Dict[str, Tuple[int, str]] = {}
    number = 0
    for start, line in lines:
        directive = _DIRECTIVE.fullmatch(line.strip("\ufeff\r\n") if not start else line.rstrip("\r\n"))
        if directive is None:
            break
        shift = 1 if not start and line.startswith("\ufeff") else 0
        directives.setdefault(directive[1].lower(), (start + shift + directive.start(2), directive[2]))
        number += 1
    escape = directives.get("escape", (0, "\\"))[1]
    instructions = []
    while number < len(lines):
        first = number
        pieces: List[Tuple[int, str]] = []
        while number < len(lines):
            start, line = lines[number]
            number += 1
            bare = line.lstrip("\ufeff").strip()
            if bare.startswith("#") or (pieces and not bare):
                if pieces:
                    continue  # comments and empty lines don't end what a line before them continues
                break
            goes_on = bare.endswith(escape)
            pieces.append((start, line.rstrip()[:-1] if goes_on else line))
            if not goes_on:
                break
        words = [(start + word.start(), word[0]) for start, piece in pieces for word in re.finditer(r"[^\s\ufeff]+", piece)]
        if words:
            instructions.append(Instruction(words[0][1].upper(), words[1:], first + 1))
            number = _after_heredocs(" ".join(piece for _start, piece in pieces), words[0][1].upper(), lines, number)
    return directives, instructions


def _after_heredocs(command: str, keyword: str, lines: List[Tuple[int, str]], number: int) -> int:
    """The number of the line after the texts that an instruction has behind it (``RUN <<EOF``)."""
    if keyword not in ("RUN", "COPY", "ADD"):
        return number
    for heredoc in _HEREDOC.finditer(command):
        for end in range(number, len(lines)):
            line = lines[end][1].rstrip("\r\n")
            if (line.lstrip("\t") if heredoc["tabs"] else line) == heredoc["end"]:
                number = end + 1
                break
    return number
