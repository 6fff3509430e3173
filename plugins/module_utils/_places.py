# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Places that name images: what each of them names, or why that can't be known. Pure."""

from __future__ import annotations

import re
from typing import Dict, Hashable, Mapping, NamedTuple, Optional

from ._reference import DOCKER_HUB, InvalidReference, Reference, names_host, parse_source

_VARIABLE = re.compile(r"\$(?:(?P<plain>[A-Za-z_]\w*)|\{(?P<name>[A-Za-z_]\w*))", re.ASCII)
_DEFAULT = re.compile(r":?-")


class Unknown(Exception):
    """What a place names can't be known. ``str()`` says why, as the end of a sentence that starts with the place."""


class Span(NamedTuple):
    """A value in a text, between two offsets. *style* is the character that starts it in YAML, None if there is none, ``raw``
    outside YAML."""

    start: int
    end: int
    style: Optional[str]
    value: str


class Place(NamedTuple):
    """One place that names an image.

    *where* describes it to people. *image* is None if it can't be known, for the reason *why*. *fields* are where to write
    another image: ``image`` alone for all of it (after *prefix*, which stays), or as far as the place has them, ``registry``,
    ``repository`` (or ``name``, or ``image``), ``tag``, ``digest`` and ``sha`` (a digest without its ``sha256:``).
    """

    where: str
    fields: Dict[str, Hashable]
    image: Optional[Reference] = None
    why: str = ""
    prefix: str = ""

    def written(self, image: Reference) -> Dict[Hashable, str]:
        """What to write where for the place to name *image*, which has a host."""
        fields = self.fields
        if set(fields) == {"image"}:
            return {fields["image"]: f"{self.prefix}{image}"}
        digest, version = image.digest or "", image.tag or (self.image.tag if self.image else None)
        if digest and "digest" not in fields and "sha" not in fields:
            version = f"{version or 'latest'}@{digest}"
        repository = image.repository if "registry" in fields else f"{image.host}/{image.repository}"
        if version and "tag" not in fields and not (digest and "@" not in version):
            repository += ":" + version
        texts = {"registry": image.host, "tag": version, "digest": digest, "sha": digest.partition(":")[2]}
        texts.update(dict.fromkeys(("image", "name", "repository"), repository))
        return {handle: text for name, handle in fields.items() for text in [texts[name]] if text is not None}


def complete(text: str) -> Reference:
    """The image that a name means to Docker: from Docker Hub without a host, ``latest`` without a tag. Unknown if it is none."""
    if text != text.strip():
        raise Unknown(f"{text!r} has spaces around it")
    if "$" in text or "{{" in text:
        raise Unknown(f"{text!r} has a variable that isn't filled in")
    first, slash, _rest = text.partition("/")
    try:
        return parse_source(text if slash and names_host(first) else f"{DOCKER_HUB}/{text}")
    except InvalidReference:
        raise Unknown(f"{text!r} isn't an image") from None


def states_version(text: str) -> bool:
    """Whether an image's name has a tag or a digest."""
    return ":" in text.rpartition("/")[2] or "@" in text


def substitute(text: str, values: Mapping[str, Optional[str]]) -> str:
    """*text* with ``$NAME``, ``${NAME}`` and ``${NAME:-default}`` filled in. Unknown for variables without value and default, and
    for anything else that starts with ``$``."""
    found, at = "", 0
    while at < len(text):
        dollar = text.find("$", at)
        if dollar < 0:
            break
        variable = _VARIABLE.match(text, dollar)
        if variable is None:
            raise Unknown(f"{text!r} has a variable that isn't understood")
        found, at = found + text[at:dollar], variable.end()
        rest = ""
        if variable["name"]:
            end = _closing(text, at)
            rest, at = text[at:end], end + 1
        found += _value(text, variable["plain"] or variable["name"], rest, values)
    return found + text[at:]


def _value(text: str, name: str, rest: str, values: Mapping[str, Optional[str]]) -> str:
    operator = _DEFAULT.match(rest)
    if rest and operator is None:
        raise Unknown(f"{text!r} has a variable that isn't understood")
    value = values.get(name)
    if operator and (value is None or (value == "" and operator[0] == ":-")):
        return substitute(rest[operator.end():], values)
    if value is None:
        raise Unknown(f"{text!r} depends on {name}, which has no default")
    return value


def _closing(text: str, start: int) -> int:
    depth = 1
    for at in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        if depth == 0:
            return at
    raise Unknown(f"{text!r} has a variable that isn't understood")
