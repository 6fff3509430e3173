# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What must not come into a registry, whatever asks for it. Pure."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase, translate
from typing import FrozenSet, Iterable, NamedTuple, Optional, Pattern, Union

from ._errors import Mistakes
from ._reference import (
    DOCKER_HUB,
    DOCKER_HUB_HOSTS,
    NO_PASSWORD,
    InvalidReference,
    host_name,
    names_host,
    parse_registry,
    parse_source,
    valid_digest,
    without_password,
)

_WILDCARD = re.compile(r"\[!?[a-zA-Z0-9._-]+\]|[*?]")


class _Image(NamedTuple):
    """An image pattern: what it matches the name by, the tag (None: any), and how it was written."""

    name: Pattern[str]
    tag: Optional[str]
    written: str


class Blocked:
    """*digests*, and patterns of images. A list's entries share one, and it equals no other."""

    def __init__(self, digests: Iterable[str] = (), images: Iterable[_Image] = ()) -> None:
        self.digests: FrozenSet[str] = frozenset(digests)
        self._images = tuple(images)

    @classmethod
    def of(cls, written: Iterable[str], host: str = "", suffix: str = "") -> Blocked:
        """From the option. InvalidReference, with a sentence for each on a line, for what would block nothing. *host* is that of
        patterns that name none; *suffix* is that of the cloud's registries."""
        mistakes = Mistakes(InvalidReference)
        read = [found for found in (mistakes.of(_read, text, host, suffix) for text in written) if found]
        mistakes.tell()
        return cls([one for one in read if isinstance(one, str)], [one for one in read if not isinstance(one, str)])

    def __bool__(self) -> bool:
        return bool(self.digests or self._images)

    def image(self, host: str, repository: str, tag: Optional[str]) -> Optional[str]:
        """The pattern that blocks an image by its name, as it was written."""
        names = [f"{host.lower()}/{repository}"]
        if host == DOCKER_HUB and repository.startswith("library/"):
            names.append(f"{host}/{repository[len('library/'):]}")
        for one in self._images:
            if (one.tag is None or fnmatchcase(tag or "", one.tag)) and any(map(one.name.match, names)):
                return one.written
        return None


def _read(text: str, default_host: str, suffix: str) -> Union[str, _Image]:
    """A digest or a pattern. Of an image that is given with a digest, only that counts: whatever it is called, it is the same."""
    text = text.strip()
    if without_password(text) != text:
        raise InvalidReference(f"An entry of blocked {NO_PASSWORD}")
    image, at, digest = text.rpartition("@")
    if valid_digest(digest) and (not at or _sound(image)):
        return digest
    if at or re.match(r"sha(256|512)\b|[0-9a-f]{32,}$", text) or not _sound(text):
        raise InvalidReference(
            f"blocked: {text!r} is neither a digest (sha256: and 64 lowercase hex digits) nor an image pattern, such as "
            "docker.io/library/nginx:1.2*."
        )
    first, slash, rest = text.partition("/")
    if not slash and re.match(r"localhost$|[^:]*\.", first):
        raise InvalidReference(f"blocked: {text!r} names only a registry; to block all of its images, write '{text}/*'.")
    if not (names_host(first) and slash or first.startswith("*")):
        if not default_host:
            raise InvalidReference(
                f"blocked: {text!r} doesn't name a registry; put its host in front, or */ for all of them, as in '*/{text}'."
            )
        first, slash, rest = default_host, "/", text
    if slash:
        first = host_name(first)
        known = Mistakes().of(parse_registry, first, [suffix])  # a regional endpoint is a registry's second name
        first = DOCKER_HUB if first in DOCKER_HUB_HOSTS else known and known.login_server or first
    head, _slash, last = f"{first}{slash}{rest}".rpartition("/")
    last, colon, tag = last.partition(":")
    name = translate(f"{head}/{last}" if slash else last)
    return _Image(re.compile(name), tag if colon and tag != "*" else None, text)


def _sound(pattern: str) -> bool:
    """Whether there can be images that match."""
    sample = _WILDCARD.sub("x", pattern)
    return ".*" not in pattern.partition("/")[2].partition(":")[0] and bool(Mistakes().of(parse_source, sample, True))


NOTHING = Blocked()
