# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What has to be done: desired images × observed registry → steps → imports. Pure: no I/O, no clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, Hashable, Iterable, List, NamedTuple, Optional, Tuple

from ._errors import AcrError, UserError

TARGETS_PER_IMPORT = 100

# What happens to a target. The first four start an import.
IMPORT = "import"  # it is absent
UPDATE = "update"  # it has another digest
REIMPORT = "reimport"  # asked for, whatever is there
REPAIR = "repair"  # the tag is there, but its manifest or a child of it is gone
KEEP = "keep"  # present, and not to be touched
NONE = "none"  # it has the right digest
CHANGING = frozenset([IMPORT, UPDATE, REIMPORT, REPAIR])
OVERWRITING = CHANGING - {IMPORT}
STOPPED = "Not started, since another image failed (on_error: stop)."

# How the manifest behind a digest is known. A listing shows what there is and never what there isn't, so nothing is decided
# on LISTED; and only `_targets`, where manifests are asked for by digest, says GONE.
LISTED = "listed"  # a listing, or the tag's properties, name the digest; nobody has asked for the manifest
THERE = "there"  # it was asked for, or is listed itself
GONE = "gone"  # it was asked for by digest, again and again


class Conflict(UserError):
    """What the user asks for contradicts itself, or what is there. ``str()`` is one sentence."""


class Target(NamedTuple):
    """A place in the target registry: a tag, or (tag None) a repository that gets the manifest *digest* without one."""

    repository: str
    tag: Optional[str]
    digest: Optional[str] = None

    def __str__(self) -> str:
        if self.tag:
            return f"{self.repository}:{self.tag}"
        return f"{self.repository}@{self.digest}" if self.digest else self.repository


class Origin(NamedTuple):
    """An image in a source registry. *registry* stands for a connection to it; *digest* is None until it is known.

    A plan only compares *registry*. Whoever reads knows it to be a `Source`: hence each ``type: ignore`` there.
    """

    registry: Hashable
    repository: str
    tag: Optional[str] = None
    digest: Optional[str] = None
    platform: Optional[str] = None  # only this platform's manifest of it

    @property
    def image(self) -> str:
        """As Azure's ``sourceImage`` wants it: never tag and digest at once."""
        if self.digest:
            return f"{self.repository}@{self.digest}"
        return f"{self.repository}:{self.tag}"

    @property
    def key(self) -> Tuple[Hashable, ...]:
        """Equal for origins that one import can serve."""
        return (self.registry, self.repository, self.digest or self.tag, self.platform)


class Want(NamedTuple):
    """One target and the image that it should hold. *entry* is the number of the user's entry that it comes from."""

    target: Target
    origin: Origin
    if_exists: str
    entry: int = 0
    number: int = 0  # of the want itself, within its run
    selected: bool = False  # by a selection, and not named by the user
    repair: bool = False  # whether a broken target may be overwritten whatever if_exists says

    @property
    def digest(self) -> Optional[str]:
        return self.origin.digest


class Seen(NamedTuple):
    """What the target registry shows. *digest* None: absent. *manifest*: LISTED, THERE or GONE. *updated*: Azure's time of
    the tag's last change, None unless the tag's properties were read; *tag_locked* goes with it. *locks*: which of
    ``repository``, ``tag`` and ``manifest`` are locked against writing; None while nobody has looked.
    """

    digest: Optional[str] = None
    manifest: str = THERE
    updated: Optional[str] = None
    tag_locked: bool = False
    locks: Optional[Tuple[str, ...]] = None

    @property
    def present(self) -> bool:
        return self.digest is not None and self.manifest == THERE

    @property
    def broken(self) -> bool:
        """Whether there is a tag whose manifest is gone."""
        return self.digest is not None and self.manifest == GONE


class Step(NamedTuple):
    """What happens to one target."""

    want: Want
    action: str
    seen: Seen = Seen()

    @property
    def changes(self) -> bool:
        return self.action in CHANGING

    @property
    def digest(self) -> Optional[str]:
        """What the target has once the step is done; None where that isn't known."""
        if self.action == KEEP:
            return self.seen.digest
        return self.want.digest or self.seen.digest

    @property
    def mode(self) -> str:
        """Azure's: a target that exists needs ``Force``; one that should not, must not have it."""
        return "NoForce" if self.action == IMPORT else "Force"


def overwrites(want: Want, seen: Seen) -> bool:
    """Whether *want* would have Azure overwrite what is there, so that its locks have to be looked at first."""
    try:
        return _action(want, seen) in OVERWRITING
    except Conflict:
        return False


def decide(want: Want, seen: Seen) -> Step:
    """The step for one target. Conflict if *want* forbids to touch what is there, or a lock does.

    *want* may lack its digest only if nothing depends on it: with ``if_exists: keep`` and a target that is there. ValueError
    if *seen* is too weak to decide on: a tag that is only listed, or something to overwrite whose locks nobody has looked at
    (Azure's forced import moves a locked tag, so that look is the only guard).
    """
    action = _action(want, seen)
    if action in OVERWRITING:
        if seen.locks is None:
            raise ValueError(f"the locks of {want.target} are not known")
        if seen.locks:
            advice = "Unlock it, or set if_exists: keep." if seen.present else "Unlock it."
            raise Conflict(
                f"{want.target} is locked against writing (write-enabled false on its {' and its '.join(seen.locks)}). {advice}"
            )
    return Step(want, action, seen)


def _action(want: Want, seen: Seen) -> str:
    if seen.digest is None:
        return IMPORT
    if seen.manifest == LISTED:
        raise ValueError(f"what {want.target} names was not asked for")
    if seen.broken and want.target.tag is None:
        return IMPORT
    if seen.broken:
        same = want.if_exists == "fail" and seen.digest == want.digest
        if not (want.repair or same or want.if_exists in ("update", "reimport")):
            raise Conflict(
                f"{want.target} exists, but its manifest {seen.digest} is gone, so it can't be pulled; nothing was changed. Set "
                "repair: true to "
                "import it again."
            )
        return REPAIR
    if want.if_exists == "keep":
        return KEEP
    if want.if_exists == "reimport":
        return REIMPORT if seen.digest == want.digest else UPDATE
    if seen.digest == want.digest:
        return NONE
    if want.if_exists == "fail":
        raise Conflict(
            f"{want.target} exists with digest {seen.digest}, but {origin_name(want.origin)} has {want.digest}; nothing was "
            "changed. Choose another tag, or set "
            "if_exists: update."
        )
    return UPDATE


def origin_name(origin: Origin) -> str:
    """An origin in words: registry, repository and the tag that the user knows."""
    name = getattr(origin.registry, "name", None) or str(origin.registry)
    if origin.tag:
        return f"{name}/{origin.repository}:{origin.tag}"
    return f"{name}/{origin.repository}@{origin.digest}"


@dataclass
class Outcome:
    """How one step ended. *seconds* from the import's start to its landing; *operation* where it was not waited for.
    *started*: Azure took an import for it, and did not refuse it since the target existed."""

    step: Step
    error: Optional[AcrError] = None
    seconds: float = 0.0
    operation: str = ""
    started: bool = False


class Import(NamedTuple):
    """One request to Azure: one origin, one mode, the targets that share them."""

    origin: Origin
    mode: str
    steps: Tuple[Step, ...]

    def body(self, source: Dict[str, Any]) -> Dict[str, Any]:
        """What ``importImage`` takes; *source* names the registry (and credentials)."""
        content: Dict[str, Any] = {"source": dict(source, sourceImage=self.origin.image), "mode": self.mode}
        tags = [str(step.want.target) for step in self.steps if step.want.target.tag]
        untagged = [step.want.target.repository for step in self.steps if not step.want.target.tag]
        if tags:
            content["targetTags"] = tags
        if untagged:
            # Two tags of the source may turn out to be one manifest.
            content["untaggedTargetRepositories"] = list(dict.fromkeys(untagged))
        return content


def imports(steps: Iterable[Step], together: bool = True) -> List[Import]:
    """The fewest imports for the steps that change something; each target in an import of its own unless *together*."""
    groups: Dict[Tuple[Any, ...], List[Step]] = {}
    for number, step in enumerate(step for step in steps if step.changes):
        key = step.want.origin.key + (step.mode,) + (() if together else (number,))
        groups.setdefault(key, []).append(step)
    return [
        Import(group[0].want.origin, group[0].mode, tuple(group[start:start + TARGETS_PER_IMPORT]))
        for group in groups.values()
        for start in range(0, len(group), TARGETS_PER_IMPORT)
    ]


def merge(wants: Iterable[Want]) -> List[Want]:
    """The wants without those that two selections share. Conflict where two entries want different things of a target."""
    kept: Dict[Tuple[Any, ...], Want] = {}
    for want in wants:
        # Without a tag there is no place that two images could contend for; and a digest is the same from anywhere.
        place = (want.target,) if want.target.tag or want.target.digest else (want.target, want.origin.key)
        other = kept.get(place)
        if other is None:
            kept[place] = want
        elif other.origin.key != want.origin.key:
            if want.target.digest:
                continue
            raise Conflict(
                f"{want.target} is wanted twice: from {origin_name(other.origin)} (entry {other.entry + 1}) and from "
                f"{origin_name(want.origin)} (entry {want.entry + 1}). Remove one."
            )
        elif not (want.selected or other.selected):
            raise Conflict(
                f"{want.target} is listed twice (entries {other.entry + 1} and {want.entry + 1}). Remove one."
            )
        elif not want.selected:
            kept[place] = want  # what names an image knows better than what happens to choose it
    return list(kept.values())


@dataclass
class Diff:
    """Before and after of the targets that change, as Ansible's ``--diff`` shows them."""

    before: Dict[str, Optional[str]] = field(default_factory=dict)
    after: Dict[str, Optional[str]] = field(default_factory=dict)

    @classmethod
    def of(cls, steps: Iterable[Step]) -> Diff:
        """The diff that carrying out *steps* will make."""
        diff = cls()
        for step in steps:
            if step.changes:
                diff.before[str(step.want.target)] = step.seen.digest
                diff.after[str(step.want.target)] = step.want.digest
        return diff
