# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which images have been in quarantine for long enough: decided by what a quarantine repository holds. Pure.

The registry is the memory. For each digest that a tag of a source was found to name, a tag in quarantine has both in its name.
When it was created tells how long the digest has been there, and when it was last written tells which of several the source's
tag named last. All times are the registry's own, in seconds since 1970.
"""

from __future__ import annotations

import hashlib
import math
import re
from typing import Any, Container, Dict, Iterable, NamedTuple, Optional

from ._reference import InvalidReference, parse_target

_UNITS = {"m": 60, "h": 3600, "d": 86400}
_HEX = 64  # characters of a digest in a name: nobody finds two that start with the same
_TAG = 128 - _HEX - 1  # of a tag, which has no more than 128 in all; a longer one is abridged


class Quarantine(NamedTuple):
    """For how many *seconds* a digest has to wait, and what comes before the repositories in which it does."""

    seconds: int
    prefix: str

    @classmethod
    def of(cls, options: Optional[Dict[str, Any]]) -> Optional[Quarantine]:
        """From a module's options; None if nothing has to wait."""
        if not options:
            return None
        age, prefix = str(options.get("min_age")).strip(), options.get("prefix") or "quarantine/"
        found = re.fullmatch("([0-9]{1,5})([mhd])", age)
        if not found:
            raise InvalidReference(
                f"quarantine.min_age must be a number of minutes, hours or days, such as 90m, 72h or 3d, not {age!r}."
            )
        if parse_target(prefix + "x").tag:
            raise InvalidReference(f"quarantine.prefix {prefix!r} contains a tag; it is put before repositories.")
        seconds = int(found[1]) * _UNITS[found[2]]
        return cls(seconds, prefix) if seconds else None


class Kept(NamedTuple):
    """A tag in quarantine."""

    name: str
    digest: str
    created: float
    updated: float


class Verdict(NamedTuple):
    """*promote*: the digest that the target may get from quarantine now. *waits*: if there is none, the one that it may get
    next, and *ready*: from when on. *note*: whether the source's digest has to come into quarantine, or to be noted there again."""

    promote: Optional[str] = None
    waits: Optional[str] = None
    ready: float = 0.0
    note: bool = False


class Shelf:
    """What a quarantine repository holds."""

    def __init__(self, tags: Iterable[Kept]) -> None:
        self._tags: Dict[str, Kept] = {}
        self._since: Dict[str, float] = {}  # by digest
        for tag in tags:
            self.add(tag)

    def add(self, tag: Kept) -> None:
        """Notes a tag, unless its name tells of another digest than it has."""
        if tag.name.endswith(name_for(None, tag.digest)):
            self._tags[tag.name] = tag
            self._since[tag.digest] = min(tag.created, self._since.get(tag.digest, tag.created))

    def __contains__(self, name: str) -> bool:
        return name in self._tags

    def since(self, digest: Optional[str]) -> Optional[float]:
        """When a digest came into quarantine; None if it isn't there."""
        return self._since.get(digest or "")

    def judge(
        self,
        rule: Quarantine,
        now: float,
        tag: Optional[str],
        wanted: str,
        shown: Optional[str],
        came: float = -math.inf,
        moving: bool = True,
        blocked: Container[str] = (),
    ) -> Verdict:
        """What a target with this *tag* may get, if its source has the digest *wanted*, and it shows *shown* since *came*.
        *moving*: other digests that the source's tag has named before may do, too, but for *blocked* ones."""

        def ready(digest: str) -> float:
            return self._since.get(digest, now) + rule.seconds

        line = [one for one in self._tags.values() if moving and tag and one.name == name_for(tag, one.digest)]
        line.sort(key=lambda one: one.updated)
        behind = bool(line) and line[-1].digest != wanted
        if shown == wanted:
            return Verdict(note=behind)
        if ready(wanted) <= now:
            return Verdict(wanted, note=behind)
        came = max((one.updated for one in line if one.digest == shown), default=came)
        newer = [one.digest for one in line if one.updated > came and one.digest != wanted and one.digest not in blocked]
        old = [digest for digest in newer if ready(digest) <= now]
        note = behind or name_for(tag, wanted) not in self
        if old:
            return Verdict(old[-1], note=note)
        following = min([*newer, wanted], key=ready)
        return Verdict(waits=following, ready=ready(following), note=note)


def name_for(tag: Optional[str], digest: str) -> str:
    """The name in quarantine of a digest that *tag* names; None: it is to have no tag."""
    short = digest.partition(":")[2][:_HEX]
    if tag is None:
        return short
    if len(tag) > _TAG:
        tag = f"{tag[:_TAG - 33]}-{hashlib.sha256(tag.encode('utf-8')).hexdigest()[:32]}"
    return f"{tag}.{short}"
