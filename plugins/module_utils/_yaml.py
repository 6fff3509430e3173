# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""YAML as text and as data, in one form to search. Each value knows its place, so that it can be replaced and nothing else changes.
Pure."""

from __future__ import annotations

from typing import Any, Dict, Hashable, Iterator, List, Mapping, NamedTuple, Tuple, Union

from ._errors import UserError
from ._places import Span

_TAG = "tag:yaml.org,2002:"


class Scalar(NamedTuple):
    """A value. *kind*: ``text``, ``integer``, ``null`` or ``other``. *handle* is a Span or, in data, a path. *line* counts from
    1; it is 0 in data."""

    text: str
    kind: str
    handle: Hashable
    line: int = 0


Tree = Union[Scalar, List[Any], Dict[str, Any]]


# -- text --------------------------------------------------------------------------------------------------------------


def documents(text: str) -> Iterator[Tree]:
    """The documents of a YAML text. UserError if it isn't YAML."""
    import yaml  # Ansible has it, on the controller

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    skipped = len(text) - len(text.lstrip("\ufeff"))  # libyaml doesn't count it
    try:
        yield from _Builder(loader(text[skipped:]), skipped).documents()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" in line {mark.line + 1}" if mark else ""
        reason = getattr(error, "problem", None) or getattr(error, "reason", None) or "it can't be parsed"
        raise UserError(f"The text isn't valid YAML{line}: {reason}.") from error
    except RecursionError:
        raise UserError("The text isn't valid YAML: it is nested too deeply.") from None


class _Builder:
    """Builds trees from the events of *loader*, whose offsets are too low by *skipped*. (PyYAML's own composer refuses anchors
    that are defined again, which YAML allows.)"""

    def __init__(self, loader: Any, skipped: int) -> None:
        self._loader = loader
        self._skipped = skipped
        self._anchors: Dict[str, Tree] = {}

    def documents(self) -> Iterator[Tree]:
        while self._loader.check_event():
            event = self._loader.get_event()
            if type(event).__name__ == "DocumentStartEvent":
                self._anchors = {}
                yield self._tree(self._loader.get_event())

    def _tree(self, event: Any) -> Tree:
        kind = type(event).__name__
        line = event.start_mark.line + 1
        if kind == "AliasEvent":
            if event.anchor not in self._anchors:
                raise UserError(f"The text isn't valid YAML in line {line}: there is no anchor {event.anchor}.")
            return self._anchors[event.anchor]
        tree: Tree
        if kind == "ScalarEvent":
            start, end = (mark.index + self._skipped for mark in (event.start_mark, event.end_mark))
            span = Span(start, end, event.style or None, event.value)
            tree = self._anchors[event.anchor] = Scalar(event.value, self._kind(event), span, line)
        elif kind == "SequenceStartEvent":
            tree = self._anchors[event.anchor] = []
            tree.extend(map(self._tree, self._until("SequenceEndEvent")))
        else:
            tree = self._anchors[event.anchor] = {}
            self._fill(tree)
        return tree

    def _until(self, end: str) -> Iterator[Any]:
        while True:
            event = self._loader.get_event()
            if type(event).__name__ == end:
                return
            yield event

    def _fill(self, mapping: Dict[str, Tree]) -> None:
        merged: Dict[str, Tree] = {}
        for event in self._until("MappingEndEvent"):
            key, value = self._tree(event), self._tree(self._loader.get_event())
            if isinstance(key, Scalar) and key.text == "<<" and isinstance(key.handle, Span) and not key.handle.style:
                for other in value if isinstance(value, list) else [value]:
                    if isinstance(other, dict):
                        merged = {**other, **merged}
            elif isinstance(key, Scalar):
                mapping[key.text] = value
        for name, value in merged.items():
            mapping.setdefault(name, value)

    def _kind(self, event: Any) -> str:
        tag = event.tag
        if tag is None or tag == "!":
            import yaml

            tag = self._loader.resolve(yaml.ScalarNode, event.value, event.implicit)
        if tag in (_TAG + "str", _TAG + "null"):
            return "text" if tag == _TAG + "str" else "null"
        plain = event.value.isdigit() and str(int(event.value)) == event.value
        return "integer" if tag == _TAG + "int" and plain else "other"


def written(text: str, edits: Mapping[Hashable, str]) -> str:
    """*text* with other values at some of its spans. UserError where one can't be written."""
    found, at = [], 0
    for start, end, new in sorted(_replacement(text, span, new) for span, new in edits.items() if isinstance(span, Span)):
        found += [text[at:start], new]
        at = end
    return "".join(found) + text[at:]


def _replacement(text: str, span: Span, new: str) -> Tuple[int, int, str]:
    """What to put between which offsets, so that anchors, tags, quotes and indentation are kept."""
    start, end, style, value = span
    if new == value:
        return end, end, ""
    if style in ("'", '"'):
        inner = end - 1 - len(value)
        if text[inner - 1:end] == f"{style}{value}{style}":
            return inner, end - 1, new
        opening = text.index(style, start)  # it has escapes; nothing that stands before it has quotes
        return opening + 1, end - 1, new
    if style in ("|", ">"):
        body = text.index("\n", start) + 1
        if text[body:end].strip() == value:
            body = text.index(value, body)
            return body, body + len(value), new
    if style in (None, "raw") and text[end - len(value):end] == value:
        return end - len(value), end, new if style == "raw" or _is_text(new) else f'"{new}"'
    raise UserError(f"{value!r} in line {text.count(chr(10), 0, start) + 1} is written in a way that can't be rewritten.")


def _is_text(value: str) -> bool:
    """Whether YAML, of any version, reads it as text without quotes."""
    words = ("y", "yes", "n", "no", "on", "off", "true", "false", "null")
    return "/" in value or (value[:1].isalpha() and value.lower() not in words)


# -- data --------------------------------------------------------------------------------------------------------------


def of_data(data: Any, path: Tuple[Any, ...] = ()) -> Tree:
    """The tree of dictionaries, lists and what they hold."""
    if isinstance(data, Mapping):
        return {str(key): of_data(value, path + (key,)) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [of_data(value, path + (number,)) for number, value in enumerate(data)]
    if data is None:
        return Scalar("", "null", path)
    if isinstance(data, str):
        return Scalar(str.__str__(data), "text", path)
    return Scalar(str(data), "integer" if isinstance(data, int) and not isinstance(data, bool) else "other", path)


def changed(data: Any, edits: Mapping[Hashable, str], path: Tuple[Any, ...] = ()) -> Any:
    """*data* with other values at some of its paths. It is not changed itself."""
    if isinstance(data, Mapping):
        return {key: changed(value, edits, path + (key,)) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [changed(value, edits, path + (number,)) for number, value in enumerate(data)]
    return edits.get(path, data)
