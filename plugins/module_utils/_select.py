# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which tags of a repository, and which repositories, are selected. Pure."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import Any, Callable, Dict, Iterable, Iterator, List, Mapping, NamedTuple, Optional, Pattern, Tuple

from ._errors import Mistakes, UserError
from ._reference import is_tag, misread

Version = Tuple[int, int, int, int]
Tagged = Tuple[Version, str, int]  # version, suffix, and how many numbers it has
# A version among others: its numbers, then its suffix. Behind the numbers, () is where they begin, and (1,) is the release.
Place = Tuple[Version, Tuple[Any, ...]]

# Build metadata follows "+", which no tag can hold: Helm writes "_" for it.
_VERSION = r"[vV]?(\d+)(?:\.(\d+))?(?:\.(\d+))?(?:\.(\d+))?(?:-([0-9A-Za-z.-]+))?(?:[+_][0-9A-Za-z.-]+)?"
_BARE_NUMBER = re.compile(r"([vV]?[0-9])[0-9]{4,}(?![0-9.])")  # a date or a build number
_PART = r"(\d+|[xX*])"
_COMPARISON = rf"(\^|~>?|>=|<=|>|<|=)?\s*[vV]?{_PART}(?:\.{_PART})?(?:\.{_PART})?(?:\.{_PART})?(?:-([0-9A-Za-z.-]+))?"
# What means nothing in a shell pattern for a tag or repository, or not what was meant: "[^0-9]" would match digits.
_EXPRESSION = re.compile(r"[\^$\\|(]|\]\+|(?:^[vV]?|[-_.])\.[*+]")
SHOWN = 5  # names of many
_LOWEST: Place = ((0, 0, 0, 0), ())
_HIGHEST: Place = ((1 << 62, 0, 0, 0), ())


class InvalidSelection(UserError):
    """A selection that is invalid. ``str()`` is one sentence."""


class Selection(NamedTuple):
    """Applied in this order: *names* (exact tags), *include* and *exclude* (shell patterns), *match* (a regular expression),
    *semver* (a range), *newest* (keep this many, by version or, as *order* says, by time), *same_digest* (add all other tags of
    the selected images)."""

    include: Tuple[str, ...] = ()
    exclude: Tuple[str, ...] = ()
    semver: Optional[str] = None
    newest: Optional[int] = None
    same_digest: bool = False
    names: Tuple[str, ...] = ()
    match: Optional[str] = None
    order: str = "version"

    @classmethod
    def of(cls, options: Dict[str, Any]) -> Selection:
        """From a module's options. InvalidSelection if ranges, patterns, expressions or numbers are invalid."""
        mistakes = Mistakes(InvalidSelection)
        given = options.get("semver") or ()
        given = given if isinstance(given, (list, tuple)) else [given]
        for one in given:
            if isinstance(one, (bool, float)):
                mistakes.found.append(misread("semver", one))
            else:
                mistakes.of(parse_range, str(one))
        selection = cls(
            tuple(options.get("include") or ()),
            tuple(options.get("exclude") or ()),
            " || ".join(map(str, given)) or None,
            options.get("newest"),
            bool(options.get("same_digest")),
            tuple(options.get("names") or ()),
            options.get("match") or None,
            options.get("order") or "version",
        )
        for name in selection.names:
            if not is_tag(name):
                mistakes.found.append(f"names takes exact tags, but {name!r} isn't one; put shell patterns under include.")
        mistakes.of(check_patterns, options, "put it under match")
        if selection.match is not None:
            mistakes.of(_expression, selection.match)
        if selection.newest is not None and selection.newest < 1:
            mistakes.found.append(f"newest must be at least 1, not {selection.newest}.")
        mistakes.tell()
        return selection

    @property
    def by_time(self) -> bool:
        """Whether it takes the times of tags."""
        return self.newest is not None and self.order == "time"


class Choice(NamedTuple):
    """*tags*: what is selected, oldest first. *dropped*: the other tags by what dropped them, an option's name or one of
    ``version`` (it is none), ``number`` (a bare one) and ``suffix``."""

    tags: List[str]
    dropped: Dict[str, List[str]]


class Chosen(NamedTuple):
    """What the selection of an *entry* (by its number, from 0) made of the tags of one repository, *source* in words."""

    entry: int
    source: str
    choice: Choice

    def result(self) -> Dict[str, Any]:
        """As modules return it; entries are numbered from 1, as in messages."""
        dropped = [{"rule": rule, "count": len(tags), "tags": tags[:SHOWN]} for rule, tags in self.choice.dropped.items()]
        return {"entry": self.entry + 1, "source": self.source, "selected": self.choice.tags, "dropped": dropped}


def reasons(chosen: Iterable[Chosen]) -> str:
    """What dropped the tags of repositories, and how to select those with a suffix, to be put behind a sentence."""
    dropped: Dict[str, List[str]] = {}
    for one in chosen:
        for rule, tags in one.choice.dropped.items():
            dropped.setdefault(rule, []).extend(tags)
    said = "; ".join(f"{len(tags)} by {rule} ({shown(tags)})" for rule, tags in dropped.items())
    hint = " To select tags with a suffix, ask for them by include or match, such as include: ['*-alpine']."
    return (f" Dropped: {said}." if said else "") + (hint if "suffix" in dropped else "")


def shown(names: List[str]) -> str:
    """Names in words: a few of many."""
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if len(names) > SHOWN else "")


def select_tags(
    tags: Mapping[str, Optional[str]], selection: Selection, times: Optional[Mapping[str, str]] = None
) -> Choice:
    """The selected tags. *tags*: name → digest (only needed for ``same_digest``); *times*: when each was updated, as Azure
    writes it (only needed for ``by_time``).

    A tag such as ``1.27.3-alpine`` is a variant of version 1.27.3: it satisfies the ranges that 1.27.3 satisfies, but *semver*
    and *newest* only select it if *include* or *match* is given, or if the range names a suffix of the same version. They drop
    tags that aren't versions, and also bare numbers of five or more digits, such as dates, unless a pattern names those.
    """
    chosen = sorted(tags)
    versions = {name: _version(name, selection.match) for name in chosen}
    dropped: Dict[str, List[str]] = {}
    for rule, holds in _rules(selection, versions):
        dropped[rule] = [name for name in chosen if not holds(name)]
        chosen = [name for name in chosen if holds(name)]
    chosen.sort(key=lambda name: _order(name, versions[name]))
    if selection.by_time:
        chosen.sort(key=lambda name: (times or {}).get(name, "").rstrip("Z"))  # or 00.5Z came before 00Z
    if selection.newest is not None:
        dropped["newest"], chosen = chosen[:-selection.newest], chosen[-selection.newest:]
    if selection.same_digest:
        digests = {tags[name] for name in chosen if tags[name]}
        found = set(chosen)
        chosen += sorted(name for name, digest in tags.items() if digest in digests and name not in found)
    found = set(chosen)
    left = {rule: [name for name in names if name not in found] for rule, names in dropped.items()}
    return Choice(chosen, {rule: names for rule, names in left.items() if names})


def _rules(selection: Selection, versions: Mapping[str, Optional[Tagged]]) -> Iterator[Tuple[str, Callable[[str], bool]]]:
    """What a tag must hold by itself, rule by rule; *versions*: those of all tags."""
    if selection.names:
        yield "names", set(selection.names).__contains__
    if selection.include:
        yield "include", lambda name: _fits(name, selection.include)
    if selection.exclude:
        yield "exclude", lambda name: not _fits(name, selection.exclude)
    if selection.match is not None:
        yield "match", lambda name: _expression(selection.match or "").fullmatch(name) is not None
    if selection.semver is None and (selection.newest is None or selection.by_time):
        return
    wanted = parse_range(selection.semver or "*")
    found: Dict[str, Tagged] = {name: version for name, version in versions.items() if version is not None}
    yield "version", found.__contains__
    yield "number", lambda name: not _BARE_NUMBER.match(name) or _named(name, selection)
    if not selection.include and selection.match is None:
        yield "suffix", lambda name: not found[name][1] or wanted.invites(found[name][0])
    if selection.semver is not None:
        yield "semver", lambda name: wanted(*found[name][:2])


def _expression(text: str) -> Pattern[str]:
    """A regular expression; groups may be named as in other languages, too."""
    try:
        return re.compile(re.sub(r"\(\?<(?=[A-Za-z_])", "(?P<", text))
    except (re.error, OverflowError, RecursionError) as error:
        raise InvalidSelection(f"match {text!r} isn't a regular expression: {error}.") from None


def _version(name: str, match: Optional[str]) -> Optional[Tagged]:
    """The version that a tag is, or that *match* names in it."""
    if match is not None and "version" in _expression(match).groupindex:
        found = _expression(match).fullmatch(name)
        return parse_version(found["version"] or "") if found else None
    return parse_version(name)


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
    return sorted(name for name in names if (not include or _fits(name, include)) and not _fits(name, exclude))


def _fits(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _named(name: str, selection: Selection) -> bool:
    """Whether a bare number is meant: a pattern matches that, but not a version that starts the same, as ``*`` would; or it is
    said what the version is."""
    version = _BARE_NUMBER.sub(r"\1.0.0", name, 1)
    if selection.match is not None:
        expression = _expression(selection.match)
        if "version" in expression.groupindex or not expression.fullmatch(version):
            return True
    return any(fnmatchcase(name, pattern) and not fnmatchcase(version, pattern) for pattern in selection.include)


def parse_version(tag: str) -> Optional[Tagged]:
    """Version, suffix and how many numbers it has; None if the tag isn't a version."""
    found = re.fullmatch(_VERSION, tag)
    if not found:
        return None
    *numbers, suffix = found.groups()
    written = [int(part) for part in numbers if part is not None]
    return _padded(written), suffix or "", len(written)


def _order(name: str, version: Optional[Tagged]) -> Tuple[Any, ...]:
    if version is None:
        return (0, _LOWEST[0], 0, name)
    numbers, suffix, written = version
    # 1.2 is the newest 1.2.x, and a version without suffix is the release: both come after the versions that lead up to them.
    # Numbers in a suffix are compared as numbers: rc.10 follows rc.9. Build metadata only orders versions that are equal.
    return (1, numbers, not suffix, -written, _parts(suffix), _parts(name), name)


def _parts(text: str) -> List[Tuple[int, int, str]]:
    parts = re.findall(r"[0-9]+|[^0-9.-]+", text)
    return [(0, int(part), "") if part.isdigit() else (1, 0, part) for part in parts]


class Range(NamedTuple):
    """Intervals, each from its first place to the first one after it: of one alternative, a version must be in all."""

    alternatives: Tuple[Tuple[Tuple[Place, Place], ...], ...]

    def __call__(self, version: Version, suffix: str = "") -> bool:
        """Whether a version is in the range."""
        place = (version, _rank(suffix))
        return any(all(low <= place < high for low, high in intervals) for intervals in self.alternatives)

    def invites(self, version: Version) -> bool:
        """Whether it names a suffix of this version, so that such are meant."""
        return any(end[0] == version and end[1] for intervals in self.alternatives for ends in intervals for end in ends)


def parse_range(text: str) -> Range:
    """A range in npm's syntax: ``>=1.2 <2``, ``^1.2``, ``~1.2``, ``1.x``, ``1.2 - 1.9``, or several joined by ``||``."""
    return Range(tuple(_parse_all(part, text) for part in text.split("||")))


def _parse_all(part: str, text: str) -> Tuple[Tuple[Place, Place], ...]:
    hyphen = re.fullmatch(r"\s*(\S+)\s+-\s+(\S+)\s*", part)
    if hyphen:
        return ((_bounds("", hyphen.group(1), text)[0], _bounds("", hyphen.group(2), text)[1]),)
    tests: List[Tuple[Place, Place]] = []
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
    return tuple(tests)


def _bounds(operator: str, text: str, whole: str) -> Tuple[Place, Place]:
    """The half-open interval that one comparison allows."""
    found = re.fullmatch(_COMPARISON, text)
    if not found or found.group(1):
        raise InvalidSelection(f"semver {whole!r} is invalid at {text!r}.")
    _operator, *parts, suffix = found.groups()
    numbers: List[int] = []
    for part in parts:
        if part is None or not part.isdigit():
            break
        numbers.append(int(part))
    if not numbers:
        return _LOWEST, _LOWEST if operator in ("<", ">") else _HIGHEST
    low: Place = (_padded(numbers), ())
    after = _after(numbers, len(numbers))  # the first version that no longer starts with these numbers
    if suffix and "x" not in "".join(filter(None, parts)).lower().replace("*", "x"):
        # The release comes after its candidates, and all of them after what has lower numbers.
        low, after = (low[0], _rank(suffix)), (low[0], (*_rank(suffix), True))
    if operator == ">":
        return after, _HIGHEST
    if operator == ">=":
        return low, _HIGHEST
    if operator == "<":
        return _LOWEST, low
    if operator == "<=":
        return _LOWEST, after
    if operator in ("~", "~>"):
        return low, _after(numbers, min(2, len(numbers)))
    if operator == "^":
        significant = next((n + 1 for n, number in enumerate(numbers) if number), len(numbers))
        return low, _after(numbers, significant)
    return low, after


def _rank(suffix: str) -> Tuple[Any, ...]:
    return (0, _parts(suffix)) if suffix else (1,)


def _padded(numbers: List[int]) -> Version:
    first, second, third, fourth = (numbers + [0, 0, 0])[:4]
    return first, second, third, fourth


def _after(numbers: List[int], significant: int) -> Place:
    head = numbers[:significant]
    return _padded(head[:-1] + [head[-1] + 1]), ()
