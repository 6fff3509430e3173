# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What has to be done: desired images × observed registry → items → imports. Pure: no I/O, no clock."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field, replace
from typing import Any, Callable, Dict, Iterable, List, NamedTuple, Optional, Tuple

from ._blocked import NOTHING, Blocked
from ._errors import AcrError, Mistakes, UserError
from ._quarantine import Quarantine
from ._signatures import Signature, Signer

TARGETS_PER_IMPORT = 100

# What happens to a target. The first four start an import.
IMPORT = "import"  # it is absent
UPDATE = "update"  # it has another digest
REIMPORT = "reimport"  # asked for, whatever is there
REPAIR = "repair"  # the tag is there, but its manifest or a child of it is gone
KEEP = "keep"  # present, and not to be touched; or it is all that is left of the image
NONE = "none"  # it has the right digest
WAIT = "wait"  # what it may get has not been in quarantine for long enough
QUARANTINE = "quarantine"  # how an import into quarantine is told
CHANGING = frozenset([IMPORT, UPDATE, REIMPORT, REPAIR])
OVERWRITING = CHANGING - {IMPORT}
# Why, in a word, if an action didn't fail.
REASONS = {
    IMPORT: "absent", UPDATE: "differs", REIMPORT: "requested", REPAIR: "broken", KEEP: "present", NONE: "equal", WAIT: "new",
    QUARANTINE: "new",
}  # fmt: skip
STOPPED = "Not started, since another image failed (on_error: stop)."


class Conflict(UserError):
    """What the user asks for contradicts itself, or what is there. ``str()`` is one sentence. *refusal*: the reason of an image
    that fails for it."""

    refusal = "exists"


class Locked(Conflict):
    """What is there must not be written."""

    refusal = "locked"


class Target(NamedTuple):
    """A place in the target registry: a tag, or (tag None) a repository that gets the manifest *digest* without one."""

    repository: str
    tag: Optional[str]
    digest: Optional[str] = None

    def __str__(self) -> str:
        if self.tag:
            return f"{self.repository}:{self.tag}"
        return f"{self.repository}@{self.digest}" if self.digest else self.repository


class SourceRegistry(NamedTuple):
    """Which registry an image comes from. *name*: its host, or the name that users gave. *number* tells registries apart that
    are called the same, but are read with other credentials."""

    name: str
    number: int = 0


class Origin(NamedTuple):
    """An image in a source registry. *digest* is None until it is known; *parent*: that of the image whose *platform* it is."""

    registry: SourceRegistry
    repository: str
    tag: Optional[str] = None
    digest: Optional[str] = None
    platform: Optional[str] = None  # only this platform's manifest of it
    parent: Optional[str] = None

    def __str__(self) -> str:
        """In words: registry, repository and the tag that the user knows."""
        return f"{self.registry.name}/{self.repository}" + (f":{self.tag}" if self.tag else f"@{self.digest}")

    @property
    def image(self) -> str:
        """As Azure's ``sourceImage`` wants it: never tag and digest at once."""
        return f"{self.repository}@{self.digest}" if self.digest else f"{self.repository}:{self.tag}"

    @property
    def key(self) -> OriginKey:
        """Equal for origins that one import can serve."""
        return (self.registry, self.repository, self.digest or self.tag, self.platform)


OriginKey = Tuple[SourceRegistry, str, Optional[str], Optional[str]]


class Rules(NamedTuple):
    """What may be done to a target, and what is done beside."""

    if_exists: str = "update"
    verify: bool = True  # whether registries are looked into at all
    referrers: bool = False  # whether signatures and the like come, too
    repair: bool = False  # whether a broken target may be overwritten whatever if_exists says
    if_source_missing: str = "fail"
    immutable: bool = False  # whether the tag and its manifest are locked afterwards
    backup: str = ""  # the tag that keeps the digest of one that is moved; {tag} stands for that one
    blocked: Blocked = NOTHING  # what must not come in
    quarantine: Optional[Quarantine] = None  # where what is new has to wait
    signed_by: Tuple[Signer, ...] = ()  # of whom at least one must have signed

    def backup_of(self, target: Target) -> Optional[Target]:
        """The place for a backup of *target*, if it is to have one."""
        if not self.backup or target.tag is None:
            return None
        return Target(target.repository, self.backup.replace("{tag}", target.tag))


class Desired(NamedTuple):
    """One target and the image that it should hold. *entry* is the number of the user's request that it comes from. *locked*: its
    digest is that of a lock file, so that no source is asked for it. *via*: where the image is imported from, if that isn't its
    origin."""

    target: Target
    origin: Origin
    rules: Rules = Rules()
    entry: int = 0
    selected: bool = False  # by a selection, and not named by the user
    locked: bool = False
    via: Optional[Origin] = None
    arriving: bool = False  # it comes into quarantine

    @property
    def digest(self) -> Optional[str]:
        return self.origin.digest

    @property
    def source(self) -> Origin:
        """What Azure imports."""
        return self.via or self.origin


class Evidence(enum.Enum):
    """How it is known what is behind a name. A listing shows what there is, and never what there isn't."""

    LISTED = "a listing, or the tag's properties, name the digest; nobody has asked for the manifest"
    ASKED = "it was asked for itself"
    CONFIRMED = "it was asked for by digest, again and again"


@dataclass(frozen=True)
class Observed:
    """What the target registry shows. *digest* None: absent. *gone*: there is a tag, but not its manifest, or not all of what
    that lists. *updated*: Azure's time of the tag's last change, None unless the tag's properties were read; *tag_locked* goes
    with it. *locks*: which of ``repository``, ``tag`` and ``manifest`` are locked against writing; None while nobody has looked.

    ValueError for what the evidence can't show.
    """

    digest: Optional[str]
    evidence: Evidence
    gone: bool = False
    updated: Optional[str] = None
    tag_locked: bool = False
    locks: Optional[Tuple[str, ...]] = None

    def __post_init__(self) -> None:
        if self.digest is None and self.evidence is Evidence.LISTED:
            raise ValueError("a listing never shows that something is absent")
        if self.gone and (self.digest is None or self.evidence is not Evidence.CONFIRMED):
            raise ValueError("only repeated answers about a digest show that it is gone")

    @classmethod
    def absent(cls) -> Observed:
        """The registry was asked for the thing itself, and has none."""
        return cls(None, Evidence.ASKED)

    @classmethod
    def listed(cls, digest: str, updated: Optional[str] = None, locked: bool = False) -> Observed:
        """A listing, or the tag's properties, name the digest."""
        return cls(digest, Evidence.LISTED, updated=updated, tag_locked=locked)

    @classmethod
    def there(cls, digest: str) -> Observed:
        """The manifest was asked for, or is listed itself."""
        return cls(digest, Evidence.ASKED)

    def seen(self) -> Observed:
        """The same, now that its manifest was asked for and is there."""
        return replace(self, evidence=Evidence.ASKED)

    def lost(self) -> Observed:
        """The same, now that its manifest, or a part of it, was asked for again and again and isn't there."""
        return replace(self, evidence=Evidence.CONFIRMED, gone=True)

    @property
    def present(self) -> bool:
        """Whether there is something that can be pulled."""
        return self.digest is not None and not self.gone and self.evidence is not Evidence.LISTED


@dataclass(eq=False)
class Item:
    """One target from what is desired to how it ended. *observed* None: nobody has looked. *action* None: not decided.

    *changed*: an import was started for it (or, in check mode, would be), and not refused since the target existed. *seconds*
    from the import's start to its landing; *operation* names the import if it was not waited for. *gone*: its source has the
    image no more, so that what the target holds is kept. *backup*: what keeps what it held before, and comes first. *locked*: whether
    something of it had to be locked to be immutable; None if it isn't. *waiting*: the digest that it may get next, *ready_at* that
    time. *quarantined_at*: since when what it gets, or waits for, has been in quarantine. *signature*: the one that its rules ask for.
    """

    desired: Desired
    observed: Optional[Observed] = None
    action: Optional[str] = None
    error: Optional[AcrError] = None
    changed: bool = False
    seconds: float = 0.0
    operation: str = ""
    gone: bool = False
    backup: Optional[Item] = None
    locked: Optional[bool] = None
    waiting: Optional[str] = None
    ready_at: str = ""
    quarantined_at: str = ""
    signature: Optional[Signature] = None

    @property
    def target(self) -> Target:
        return self.desired.target

    @property
    def changes(self) -> bool:
        """Whether there is something to import, as far as is known."""
        return self.error is None and self.action in CHANGING

    @property
    def before(self) -> Optional[str]:
        """The digest that the target showed."""
        return self.observed.digest if self.observed else None

    @property
    def digest(self) -> Optional[str]:
        """What the target has once the action is done; None if it failed, or that isn't known."""
        if self.error is not None:
            return None
        return self.before if self.action in (KEEP, WAIT) else self.desired.digest or self.before

    @property
    def told(self) -> str:
        """The action as users are told of it."""
        return QUARANTINE if self.desired.arriving and self.changes else self.action or ""

    @property
    def reason(self) -> Optional[str]:
        """Why, in a word, if it didn't fail."""
        if not self.desired.rules.verify:
            return "unverified"
        if self.gone:
            return "source_missing"
        if self.changes and (self.desired.via or self.desired.arriving and self.action != IMPORT):
            return "promoted" if self.desired.via else "returned"
        return REASONS.get(self.told)

    @property
    def mode(self) -> str:
        """Azure's: a target that exists needs ``Force``; one that should not, must not have it."""
        return "NoForce" if self.action == IMPORT else "Force"

    def fail(self, error: AcrError) -> None:
        """It ends with *error*; the first one is kept."""
        self.error = self.error or error

    def unresolved(self, error: AcrError) -> None:
        """Its image can't be had. If that is since the source has it no more, what the target holds may be kept."""
        # Only a registry's own code says so: not a bare 404 of something in front of it, and not that there is no such platform.
        gone = error.reason == "not_found" and bool(error.codes)
        if not gone or self.desired.rules.if_source_missing != "keep" or self.observed is None:
            self.fail(error)
        elif self.observed.present:
            self.action, self.gone = KEEP, True
        else:
            lack = "can't be pulled, since its manifest is gone" if self.before else "does not exist"
            self.fail(error.but(f"{error} Nothing could be kept: the target {self.target} {lack}."))

    def back_up(self, host: str, examine: Callable[[Desired], Observed]) -> None:
        """Plans the backup of a tag that is to be moved, in the registry *host*, after a look at its target with *examine*."""
        place = self.desired.rules.backup_of(self.target)
        if self.action == UPDATE and self.error is None and place is not None:
            origin = Origin(SourceRegistry(host), place.repository, self.target.tag, self.before)
            self.backup = Item(Desired(place, origin, entry=self.desired.entry))
            try:
                self.backup.decide(examine(self.backup.desired))
            except Conflict as conflict:
                self.backup.fail(AcrError(conflict.refusal, str(conflict)))
            except AcrError as error:
                self.backup.fail(error)
            self.check_backup()

    def check_backup(self) -> None:
        """What has no backup must not be moved."""
        if self.backup is not None and self.backup.error is not None:
            error = self.backup.error
            self.fail(error.but(f"{self.target} was not overwritten, because its backup {self.backup.target} failed: {error}"))

    def screen(self, host: str) -> None:
        """Fails it if it is blocked: by a digest, or by the name of its source or target. *host* is the target registry."""
        blocked, origin, (repository, tag, _digest) = self.desired.rules.blocked, self.desired.origin, self.target
        by_name = blocked.image(origin.registry.name, origin.repository, origin.tag) or blocked.image(host, repository, tag)
        if by_name or origin.digest in blocked.digests:
            self.fail(refused(origin, by_name or f"{origin.digest}, its digest"))
        elif origin.parent in blocked.digests:
            self.fail(refused(origin, f"{origin.parent}, the index that it is from"))

    @property
    def note(self) -> Optional[str]:
        """What there is to say of its target, whatever happens to it."""
        if self.before not in self.desired.rules.blocked.digests:
            return None
        return f"{self.target} was found to hold {self.before}, which is blocked. Nothing was deleted: remove that digest yourself."

    def decide(self, observed: Observed) -> None:
        """Sets what was observed, and the action that follows from it. Errors as of `decide`."""
        self.observed = observed
        self.action = decide(self.desired, observed)


def refused(origin: Origin, what: str) -> AcrError:
    """The error of an image that must not come in."""
    return AcrError("blocked", f"{origin} is blocked ({what}), so nothing of it is imported. Remove or exclude it.")


class Unplanned(NamedTuple):
    """What one entry wants, or wants of one repository, if it could not even be planned. *target* and *source* are in words."""

    entry: int
    target: str
    source: str
    error: AcrError


def overwrites(desired: Desired, observed: Observed) -> bool:
    """Whether *desired* would have Azure overwrite what is there, so that its locks have to be looked at first."""
    try:
        return _action(desired, observed) in OVERWRITING
    except Conflict:
        return False


def decide(desired: Desired, observed: Observed) -> str:
    """The action for one target. Conflict if *desired* forbids to touch what is there, or a lock does.

    *desired* may lack its digest only if nothing depends on it: with ``if_exists: keep`` and a target that is there. ValueError
    if *observed* is too weak to decide on: a tag that is only listed, or something to overwrite whose locks nobody has looked at
    (Azure's forced import moves a locked tag, so that look is the only guard).
    """
    action = _action(desired, observed)
    if action in OVERWRITING:
        if observed.locks is None:
            raise ValueError(f"the locks of {desired.target} are not known")
        if observed.locks:
            advice = "Unlock it, or set if_exists: keep." if observed.present else "Unlock it."
            if desired.rules.immutable:
                advice = "It is to be immutable: give the new image another tag, or unlock it."
            locked = " and its ".join(observed.locks)
            raise Locked(f"{desired.target} is locked against writing (write-enabled false on its {locked}). {advice}")
    return action


def _action(desired: Desired, observed: Observed) -> str:
    target, rules = desired.target, desired.rules
    if observed.digest is None:
        return IMPORT
    if observed.evidence is Evidence.LISTED:
        raise ValueError(f"what {target} names was not asked for")
    if observed.gone and target.tag is None:
        return IMPORT
    if observed.gone:
        same = rules.if_exists == "fail" and observed.digest == desired.digest
        if not (rules.repair or same or rules.if_exists in ("update", "reimport")):
            raise Conflict(
                f"{target} exists, but its manifest {observed.digest} is gone, so it can't be pulled; nothing was changed. Set "
                "repair: true to import it again."
            )
        return REPAIR
    if rules.if_exists == "keep":
        return KEEP
    if rules.if_exists == "reimport":
        return REIMPORT if observed.digest == desired.digest else UPDATE
    if observed.digest == desired.digest:
        return NONE
    if rules.if_exists == "fail":
        raise Conflict(
            f"{target} exists with digest {observed.digest}, but {desired.origin} has {desired.digest}; nothing was changed. "
            "Choose another tag, or set if_exists: update."
        )
    return UPDATE


class Import(NamedTuple):
    """One request to Azure: one origin, one mode, the targets that share them."""

    origin: Origin
    mode: str
    items: Tuple[Item, ...]

    def body(self, source: Dict[str, Any]) -> Dict[str, Any]:
        """What ``importImage`` takes; *source* names the registry (and credentials)."""
        content: Dict[str, Any] = {"source": dict(source, sourceImage=self.origin.image), "mode": self.mode}
        tags = [str(item.target) for item in self.items if item.target.tag]
        untagged = [item.target.repository for item in self.items if not item.target.tag]
        if tags:
            content["targetTags"] = tags
        if untagged:
            # Two tags of the source may turn out to be one manifest.
            content["untaggedTargetRepositories"] = list(dict.fromkeys(untagged))
        return content


def imports(items: Iterable[Item], together: bool = True) -> List[Import]:
    """The fewest imports for the items that change something; each target in an import of its own unless *together*."""
    groups: Dict[Tuple[Any, ...], List[Item]] = {}
    for number, item in enumerate(item for item in items if item.changes):
        key = item.desired.source.key + (item.mode,) + (() if together else (number,))
        groups.setdefault(key, []).append(item)
    return [
        Import(group[0].desired.source, group[0].mode, tuple(group[start:start + TARGETS_PER_IMPORT]))
        for group in groups.values()
        for start in range(0, len(group), TARGETS_PER_IMPORT)
    ]


def merge(desired: Iterable[Desired]) -> List[Desired]:
    """The same, each wish once. Conflict, with a line for each, if two entries want different things of a target."""
    kept: Dict[Tuple[Any, ...], Desired] = {}
    conflicts = Mistakes(Conflict)
    for one in desired:
        # Without a tag there is no place that two images could contend for; and a digest is the same from anywhere.
        place = (one.target,) if one.target.tag or one.target.digest else (one.target, one.origin.key)
        other = kept.get(place)
        if other is None:
            kept[place] = one
        elif one.target.digest and (one.locked or other.origin.key != one.origin.key):
            continue
        elif other.origin.key != one.origin.key:
            conflicts.found.append(
                f"{one.target} is wanted twice: from {other.origin} (entry {other.entry + 1}) and from {one.origin} "
                f"(entry {one.entry + 1}). Remove one."
            )
        elif one.selected == other.selected and (
            one.rules.signed_by != other.rules.signed_by or one.rules != other.rules and not one.selected
        ):
            conflicts.found.append(
                f"{one.target} is wanted twice, with different options (entries {other.entry + 1} and {one.entry + 1}). Remove one."
            )
        elif other.selected and not one.selected:
            kept[place] = one  # what names an image knows better than what happens to choose it
    backups: Dict[Target, Desired] = {}
    for one in kept.values():
        backup = one.rules.backup_of(one.target)
        other = None if backup is None else kept.get((backup,)) or backups.setdefault(backup, one)
        if other not in (None, one):
            conflicts.found.append(
                f"{backup} is to be the backup of {one.target} (entry {one.entry + 1}), but entry {other.entry + 1} needs it, too. "
                "Choose another backup."
            )
    conflicts.tell()
    return list(kept.values())


@dataclass
class Diff:
    """Digests before and after, by target, as Ansible's ``--diff`` shows them, with what there is to know beforehand."""

    before: Dict[str, Optional[str]] = field(default_factory=dict)
    after: Dict[str, Optional[str]] = field(default_factory=dict)

    def add(self, items: Iterable[Item]) -> None:
        """Notes what carrying out *items* will change, now or, if they wait, later."""
        for item in items:
            if item.changes or item.error is None and item.waiting:
                if item.backup is not None:
                    self.add([item.backup])
                self.before[str(item.target)] = item.before
                self._tell(item, item.waiting or item.desired.digest)

    def lock(self, items: Iterable[Item]) -> None:
        """Notes which of *items* were locked, or will be."""
        for item in items:
            if item.locked and item.error is None:
                self.before.setdefault(str(item.target), item.before)
                self._tell(item, item.digest)

    def _tell(self, item: Item, digest: Optional[str]) -> None:
        facts = [f"signed by {item.signature.identity}"] if item.signature else []
        if item.quarantined_at:
            facts.append(f"in quarantine since {item.quarantined_at}")
        if item.waiting:
            facts.append(f"not before {item.ready_at}")
        if item.locked:
            facts.append("immutable")
        self.after[str(item.target)] = f"{digest} ({', '.join(facts)})" if facts else digest
