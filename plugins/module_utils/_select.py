# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which tags of a repository, and which repositories, are selected. Pure."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import Any, Callable, Dict, Iterable, List, Mapping, NamedTuple, Optional, Tuple

from ._errors import UserError
from ._reference import is_tag

Version = Tuple[int, int, int]
Test = Callable[[Version], bool]

# Build metadata follows "+", which no tag can hold: Helm writes "_" for it.
_VERSION = r"[vV]?(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:-([0-9A-Za-z.-]+))?(?:[+_][0-9A-Za-z.-]+)?"
_BARE_NUMBER = re.compile(r"([vV]?[0-9])[0-9]{4,}(?![0-9.])")  # a date or a build number
_COMPARISON = r"(\^|~>?|>=|<=|>|<|=)?\s*[vV]?(\d+|[xX*])(?:\.(\d+|[xX*]))?(?:\.(\d+|[xX*]))?(?:-[0-9A-Za-z.-]+)?"
# What means nothing in a shell pattern for a tag or repository, or not what was meant: "[^0-9]" would match digits.
_EXPRESSION = re.compile(r"[\^$\\|(]|\]\+|(?:^[vV]?|[-_.])\.[*+]")
_HIGHEST: Version = (1 << 62, 0, 0)


class InvalidSelection(UserError):
    """A selection that is invalid. ``str()`` is one sentence."""


class Selection(NamedTuple):
    """Applied in this order: *names* (exact tags), *include* and *exclude* (shell patterns), *semver* (a range), *newest* (keep
    this many, by version), *same_digest* (add all other tags of the selected images)."""

    include: Tuple[str, ...] = ()
    exclude: Tuple[str, ...] = ()
    semver: Optional[str] = None
    newest: Optional[int] = None
    same_digest: bool = False
    names: Tuple[str, ...] = ()

    @classmethod
    def of(cls, options: Dict[str, Any]) -> Selection:
        """From a module's options. InvalidSelection if a range, pattern or number is invalid."""
        selection = cls(
            tuple(options.get("include") or ()),
            tuple(options.get("exclude") or ()),
            options.get("semver") or None,
            options.get("newest"),
            bool(options.get("same_digest")),
            tuple(options.get("names") or ()),
        )
        for name in selection.names:
            if not is_tag(name):
                raise InvalidSelection(f"names takes exact tags, but {name!r} isn't one; put shell patterns under include.")
        check_patterns(options, "put it under match")
        if selection.semver is not None:
            parse_range(selection.semver)
        if selection.newest is not None and selection.newest < 1:
            raise InvalidSelection(f"newest must be at least 1, not {selection.newest}.")
        return selection


def select_tags(tags: Mapping[str, Optional[str]], selection: Selection) -> List[str]:
    """The names of the selected tags, oldest version first. *tags*: name → digest (only needed for ``same_digest``).

    A tag such as ``1.27.3-alpine`` is a variant of version 1.27.3: it satisfies the ranges that 1.27.3 satisfies, but *semver*
    and *newest* only select it if *include* is given. They drop tags that aren't versions, and also bare numbers of five or more
    digits, such as dates, unless *include* names those.
    """
    chosen = matching(set(tags).intersection(selection.names or tags), selection.include, selection.exclude)
    if selection.semver is not None or selection.newest is not None:
        versions = {
            name: version
            for name in chosen
            for version in [parse_version(name)]
            if version is not None and (not _BARE_NUMBER.match(name) or _named(name, selection.include))
        }
        if not selection.include:
            versions = {name: version for name, version in versions.items() if not version[1]}
        if selection.semver is not None:
            fits = parse_range(selection.semver)
            versions = {name: version for name, version in versions.items() if fits(version[0])}
        chosen = sorted(versions, key=lambda name: _order(name, versions[name]))
        if selection.newest is not None:
            chosen = chosen[-selection.newest:]
    else:
        chosen = sorted(chosen, key=lambda name: _order(name, parse_version(name)))
    if selection.same_digest:
        digests = {tags[name] for name in chosen if tags[name]}
        found = set(chosen)
        chosen += sorted(name for name, digest in tags.items() if digest in digests and name not in found)
    return chosen


def check_patterns(options: Mapping[str, Any], instead: str) -> None:
    """InvalidSelection if a pattern of *include* or *exclude* looks like a regular expression; *instead*: what to do."""
    for option in ("include", "exclude"):
        for pattern in options.get(option) or ():
            if _EXPRESSION.search(pattern):
                raise InvalidSelection(
                    f"{option} takes shell patterns such as 1.27*, but {pattern!r} looks like a regular expression; {instead}."
                )


def matching(names: Iterable[str], include: Iterable[str], exclude: Iterable[str]) -> List[str]:
    """The names that match any of *include* (all names, if that is empty) and none of *exclude*, sorted."""
    include, exclude = tuple(include), tuple(exclude)
    return sorted(
        name
        for name in names
        if (not include or any(fnmatchcase(name, pattern) for pattern in include))
        and not any(fnmatchcase(name, pattern) for pattern in exclude)
    )


def _named(name: str, patterns: Iterable[str]) -> bool:
    """Whether a pattern names a bare number: it matches that, but not a version that starts the same, as ``*`` would."""
    version = _BARE_NUMBER.sub(r"\1.0.0", name, 1)
    return any(fnmatchcase(name, pattern) and not fnmatchcase(version, pattern) for pattern in patterns)


def parse_version(tag: str) -> Optional[Tuple[Version, str, int]]:
    """Version, suffix and how many numbers it has; None if the tag isn't a version."""
    found = re.fullmatch(_VERSION, tag)
    if not found:
        return None
    major, minor, patch, suffix = found.groups()
    version = (int(major), int(minor or 0), int(patch or 0))
    return version, suffix or "", sum(part is not None for part in (major, minor, patch))


def _order(name: str, version: Optional[Tuple[Version, str, int]]) -> Tuple[Any, ...]:
    if version is None:
        return (0, (0, 0, 0), 0, name)
    numbers, suffix, written = version
    # 1.2 is the newest 1.2.x, and a version without suffix is the release: both come after the versions that lead up to them.
    # Numbers in a suffix are compared as numbers: rc.10 follows rc.9. Build metadata only orders versions that are equal.
    return (1, numbers, not suffix, -written, _parts(suffix), _parts(name), name)


def _parts(text: str) -> List[Tuple[int, int, str]]:
    parts = re.findall(r"[0-9]+|[^0-9.-]+", text)
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts]


def parse_range(text: str) -> Test:
    """A range in npm's syntax: ``>=1.2 <2``, ``^1.2``, ``~1.2``, ``1.x``, ``1.2 - 1.9``, or several joined by ``||``."""
    alternatives = [_parse_all(part, text) for part in text.split("||")]
    return lambda version: any(fits(version) for fits in alternatives)


def _parse_all(part: str, text: str) -> Test:
    hyphen = re.fullmatch(r"\s*(\S+)\s+-\s+(\S+)\s*", part)
    if hyphen:
        low, high = _bounds("", hyphen.group(1), text)[0], _bounds("", hyphen.group(2), text)[1]
        return lambda version: low <= version < high
    tests: List[Tuple[Version, Version]] = []
    rest = part.replace(",", " ").strip()
    while rest:
        found = re.match(_COMPARISON, rest)
        if not found or (found.end() < len(rest) and not rest[found.end()].isspace()):
            raise InvalidSelection(
                f"semver {text!r} is invalid; write something like '>=1.2 <2', '^1.2', '~1.2', '1.x' or '1.2 - 1.9'."
            )
        operator = found.group(1) or ""
        tests.append(_bounds(operator, rest[:found.end()][len(operator):].strip(), text))
        rest = rest[found.end():].strip()
    if not tests and part.strip() not in ("", "*"):
        raise InvalidSelection(f"semver {text!r} is invalid.")
    return lambda version: all(low <= version < high for low, high in tests)


def _bounds(operator: str, text: str, whole: str) -> Tuple[Version, Version]:
    """The half-open interval that one comparison allows."""
    found = re.fullmatch(_COMPARISON, text)
    if not found or found.group(1):
        raise InvalidSelection(f"semver {whole!r} is invalid at {text!r}.")
    numbers: List[int] = []
    for part in found.groups()[1:4]:
        if part is None or not part.isdigit():
            break
        numbers.append(int(part))
    if not numbers:
        return (0, 0, 0), (0, 0, 0) if operator in ("<", ">") else _HIGHEST
    low = _padded(numbers)
    after = _after(numbers, len(numbers))  # the first version that no longer starts with these numbers
    if operator == ">":
        return after, _HIGHEST
    if operator == ">=":
        return low, _HIGHEST
    if operator == "<":
        return (0, 0, 0), low
    if operator == "<=":
        return (0, 0, 0), after
    if operator in ("~", "~>"):
        return low, _after(numbers, min(2, len(numbers)))
    if operator == "^":
        significant = next((n + 1 for n, number in enumerate(numbers) if number), len(numbers))
        return low, _after(numbers, significant)
    return low, after


def _padded(numbers: List[int]) -> Version:
    major, minor, patch = (numbers + [0, 0])[:3]
    return major, minor, patch


def _after(numbers: List[int], significant: int) -> Version:
    head = numbers[:significant]
    return _padded(head[:-1] + [head[-1] + 1])
