# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lock file: the digest that each target gets, as it was reviewed. Its text, and whether it fits a list of images. Pure."""

from __future__ import annotations

import json
import re
from typing import Any, Dict, Iterable, List, Mapping, NamedTuple, Optional, Set, Tuple

from ._errors import Mistakes, UserError
from ._options import SHOWN_MISTAKES, Entry
from ._plan import Desired, Item, Origin, Target
from ._reference import Reference, parse_source, parse_target
from ._select import Selection

HEADER = """\
# The digest that each target gets. registryops.acr.acr_mirror writes this file (lock: update), and imports what it says (lock: use).
---
"""
_VALUE = r"""["']?([^\s"',{}]+)["']?"""
_LINE = re.compile(
    rf"- \{{source: {_VALUE}, (target|untagged_repositories): {_VALUE}(?:, platform: {_VALUE})?(?:, comment: (\[.*\]))?\}}\s*"
)


class Line(NamedTuple):
    """One target, without a digest, and the image that it gets, which has one. *chosen*: what the entries ask for that the rest
    doesn't show, each as of `_asked`."""

    target: Target
    source: Reference
    platform: Optional[str] = None
    chosen: Tuple[str, ...] = ()

    @property
    def key(self) -> Tuple[Target, Optional[Reference]]:
        """A tag holds one image; a repository may hold many without a tag."""
        return self.target, None if self.target.tag else self.source

    @property
    def image(self) -> str:
        """The source in words, by the tag that the user knows."""
        return _words(self.source._replace(digest=None) if self.source.tag else self.source, self.platform)

    def __str__(self) -> str:
        fields = {"source": str(self.source), "target" if self.target.tag else "untagged_repositories": str(self.target)}
        if self.platform:
            fields["platform"] = self.platform
        text = "".join(f", {name}: {json.dumps(value)}" for name, value in fields.items())
        return f"- {{{text[2:]}{', comment: [' + ', '.join(self.chosen) + ']' if self.chosen else ''}}}"


class Change(NamedTuple):
    """What differs for one target: its *line*, with its digest *before* and *after*, None where there is no such line."""

    line: Line
    before: Optional[str]
    after: Optional[str]

    def result(self) -> Dict[str, Optional[str]]:
        """As modules return it."""
        image, source = str(self.line.target), self.line.image
        return {"image": image, "source": source, "digest": self.after, "previous_digest": self.before}

    def __str__(self) -> str:
        image = f"{self.line.target} from {self.line.image}"
        if self.before is None:
            return f"{image} is new, with {self.after}."
        if self.after is None:
            return f"{image}, with {self.before}, is no longer asked for."
        if self.before != self.after:
            return f"{image} now has {self.after}, and had {self.before}."
        return f"{image} has the same digest, but what asks for it has changed."


class LockFile:
    """The file called *name*. UserError, with a sentence for each line that it can't hold."""

    def __init__(self, name: str, text: str) -> None:
        self.name = name
        self.lines: List[Line] = []
        self._at: Dict[Target, List[Line]] = {}
        self._chosen: Dict[Tuple[Optional[str], str], List[Line]] = {}  # by the source's host, and what chose them
        mistakes = Mistakes(
            lambda said: UserError(
                f"{name} isn't a lock file as lock: update writes it. Correct it, or delete it to have it written anew.\n{said}"
            )
        )
        numbers: Dict[Any, int] = {}
        for number, written in enumerate(text.splitlines(), 1):
            if written.startswith("#") or written.strip() in ("", "---", "[]"):
                continue
            line = mistakes.of(_line, number, written)
            if line is None:
                continue
            if numbers.setdefault(line.key, number) != number:
                mistakes.found.append(f"Line {number}: {line.target} stands in line {numbers[line.key]}, too.")
            self.lines.append(line)
            self._at.setdefault(line.target, []).append(line)
            for asked in line.chosen:
                self._chosen.setdefault((line.source.host, asked), []).append(line)
        mistakes.tell(SHOWN_MISTAKES)

    def changes(self, lines: Iterable[Line]) -> List[Change]:
        """What differs if *lines* replace those of the file."""
        before, after = ({line.key: line for line in several} for several in (self.lines, lines))
        changes = [
            Change(line, *(side[key].source.digest if key in side else None for side in (before, after)))
            for key, line in {**before, **after}.items()
            if before.get(key) != after.get(key)
        ]
        return sorted(changes, key=lambda one: str(one.line.target))

    def digest(self, desired: Desired) -> Optional[str]:
        """What the file has for a target from the same image, if it has that."""
        origin = desired.origin
        wanted = (origin.registry.name.lower(), origin.repository, origin.tag), origin.platform
        there = self._at.get(desired.target, ())
        return next((line.source.digest for line in there if (line.source[:3], line.platform) == wanted), None)

    def lines_for(self, entries: Mapping[int, Tuple[Entry, str]], complete: bool) -> Dict[int, List[Line]]:
        """The lines of each entry, given with the name of its source. *complete*: these are all entries. UserError, with a sentence
        for each, if list and file differ."""
        mistakes = Mistakes(
            lambda said: UserError(
                f"{self.name} doesn't fit the list, so nothing was imported. Run with lock: update, and review what changes there.\n{said}"
            )
        )
        found: Dict[int, List[Line]] = {}
        for number, (entry, name) in entries.items():
            find = self._named if entry.selection is None else self._selected
            found[number] = find(f"entry {number + 1}", entry, name.lower(), mistakes)
        used = {line for lines in found.values() for line in lines}
        if complete:
            mistakes.found += [f"{line.target} from {line.image}: no entry asks for it." for line in self.lines if line not in used]
        mistakes.tell(SHOWN_MISTAKES)
        return found

    def _named(self, who: str, entry: Entry, host: str, mistakes: Mistakes) -> List[Line]:
        """The lines of an entry that names one image."""
        platform, asked = entry.platform, _asked(entry)
        wanted = (entry.source or Reference(None, ""))._replace(host=host)
        found: List[Line] = []
        for target in entry.targets_for(host, wanted.repository, wanted.tag or "latest"):
            there = self._at.get(target, [])
            lines = [
                line
                for line in there
                if line.source[:2] == wanted[:2] and line.platform == platform and (asked is None or asked in line.chosen)
                # What is asked for by digest is the same under any tag; with a platform, the line has the digest of that.
                if (platform or line.source.digest == wanted.digest if wanted.digest else line.source.tag == wanted.tag)
            ]
            found += lines
            if not lines:
                has = "the file doesn't know it"
                if there and target.tag:
                    has = f"the file has {_words(there[0].source, there[0].platform) if wanted.digest else there[0].image} for it"
                mistakes.found.append(f"{target} from {_words(wanted, platform)} ({who}): {has}.")
        return found

    def _selected(self, who: str, entry: Entry, host: str, mistakes: Mistakes) -> List[Line]:
        """The lines of an entry that selects images."""
        place = entry.source.repository if entry.source else None
        lines: List[Line] = []
        wanted: Dict[Target, Line] = {}
        for line in self._chosen.get((host, _asked(entry) or ""), ()):
            if place in (None, line.source.repository) and line.platform == entry.platform:
                targets = entry.targets_for(host, line.source.repository, line.source.tag or "latest")
                if line.target in targets:
                    lines.append(line)
                    wanted.update(dict.fromkeys(targets, line))
        there = {line.target for line in lines}
        mistakes.found += [
            f"{target} from {line.image} ({who}): the file doesn't know it." for target, line in wanted.items() if target not in there
        ]
        if not lines:
            known = any(line.chosen and line.source.host == host and place in (None, line.source.repository) for line in self.lines)
            what = "it selects differently from when the file was written" if known else "the file has nothing that it selects"
            mistakes.found.append(f"{host}{'/' + place if place else ''} ({who}): {what}.")
        return lines


def lines_of(items: Iterable[Item], desired: Iterable[Desired], entries: List[Entry]) -> List[Line]:
    """What a lock file is to hold: the digests of *items*, which all that is *desired* has become."""
    chosen: Dict[Any, Set[str]] = {}
    for one in desired:
        asked = _asked(entries[one.entry])
        chosen.setdefault(_place(one), set()).update([asked] if asked else ())
    lines: Dict[Any, Line] = {}
    for item in items:
        origin, target = item.desired.origin, item.target._replace(digest=None)
        source = Reference(origin.registry.name.lower(), origin.repository, origin.tag, item.digest)
        line = Line(target, source, origin.platform)
        same = lines.get(line.key, line)  # without a tag, what is named and what is pinned may be one
        lines[line.key] = line._replace(chosen=tuple(sorted({*same.chosen, *chosen[_place(item.desired)]})))
    return sorted(lines.values(), key=lambda line: (str(line.target), str(line.source)))


def text_of(lines: Iterable[Line]) -> str:
    """The text of a lock file."""
    return HEADER + ("".join(f"{line}\n" for line in lines) or "[]\n")


def _line(number: int, written: str) -> Line:
    found = _LINE.fullmatch(written)
    try:
        if found is None:
            raise ValueError("this isn't a line of a lock file")
        source, option, target, platform, comment = found.groups()
        image, place = parse_source(source), parse_target(target)
        if not image.digest:
            raise ValueError(f"{source} has no digest")
        if (option == "target") != bool(place.tag):
            raise ValueError(f"{option} {target} must have {'a' if option == 'target' else 'no'} tag")
        chosen = tuple(map(json.dumps, json.loads(comment or "[]")))
    except ValueError as error:
        raise UserError(f"Line {number}: {str(error).rstrip('.')}.") from None
    return Line(Target(place.repository, place.tag), image, platform, chosen)


def _asked(entry: Entry) -> Optional[str]:
    """What an entry asks for and its lines don't show by themselves, as JSON; None if they show it."""
    asked: Dict[str, Any] = {}
    if entry.selection is not None:
        usual = Selection()._asdict()
        asked = {name: value for name, value in entry.selection._asdict().items() if value != usual[name]}
        if entry.repositories is not None:
            asked["repositories"] = {name: some for name, some in zip(("include", "exclude"), entry.repositories) if some}
    elif entry.platform and entry.source is not None and entry.source.digest:
        asked["digest"] = entry.source.digest  # its lines have that of the platform's manifest
    else:
        return None
    return json.dumps(asked)


def _place(desired: Desired) -> Tuple[Target, Origin]:
    """What stays the same when digests become known."""
    return desired.target._replace(digest=None), desired.origin._replace(digest=None, parent=None)


def _words(source: Reference, platform: Optional[str]) -> str:
    return f"{source} ({platform})" if platform else str(source)
