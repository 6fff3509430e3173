# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What users write about images, checked and made into data. Pure."""

from __future__ import annotations

import functools
import re
from typing import Any, Dict, List, NamedTuple, Optional, Set, Tuple

from ._arguments import ToldMistakes, whose
from ._blocked import NOTHING, Blocked
from ._credentials import Credentials
from ._errors import Mistakes
from ._plan import Desired, Origin, Rules, SourceRegistry, Target, merge
from ._quarantine import Quarantine
from ._reference import (
    InvalidReference,
    Reference,
    RegistryId,
    completed,
    filled,
    is_tag,
    parse_pattern,
    parse_place,
    parse_platform,
    parse_registry,
    parse_source,
    parse_target,
)
from ._select import Selection, check_patterns
from ._signatures import accepted

SHOWN_MISTAKES = 100


class Pattern(NamedTuple):
    """A target before the image is known, with placeholders. *tag* None: the manifest gets no tag."""

    repository: str
    tag: Optional[str]

    def filled(self, host: str, repository: str, tag: str) -> Target:
        """The target of one image, whether it is valid or not."""
        place = filled(self.repository, host, repository, tag)
        return Target(place, None if self.tag is None else filled(self.tag, host, repository, tag))

    def target(self, host: str, repository: str, tag: str) -> Target:
        """The target of one image. InvalidReference if there can't be such a one."""
        found = self.filled(host, repository, tag)
        parse_target(str(found))
        return found


class Entry(NamedTuple):
    """What one entry wants. *source* has no host if *registry_id* (an Azure registry) stands for it.

    With *selection* it wants several tags of the source's repository, with *repositories* (patterns to include and to
    exclude) several repositories of that registry.
    """

    source: Optional[Reference]
    registry_id: Optional[RegistryId]
    credentials: Optional[Credentials]
    targets: Tuple[Pattern, ...]
    rules: Rules = Rules()
    platform: Optional[str] = None
    notes: Tuple[str, ...] = ()
    selection: Optional[Selection] = None
    repositories: Optional[Tuple[Tuple[str, ...], Tuple[str, ...]]] = None

    def targets_for(self, host: str, repository: str, tag: str) -> Tuple[Target, ...]:
        """The targets of one image. InvalidReference if there can't be such, or no backups or quarantine of them."""
        found = tuple(pattern.target(host, repository, tag) for pattern in self.targets)
        for target in found:
            _check_backup(self.rules, target)
            if self.rules.quarantine:
                parse_target(self.rules.quarantine.prefix + target.repository)
        return found


def parse_entry(options: Dict[str, Any], suffix: str, prefix: str = "", registry: Optional[str] = None) -> Entry:
    """The entry that *options* (see IMAGE_ARGUMENTS, ENTRY_ARGUMENTS) describe. InvalidReference with one sentence, each on a
    line, for all that is wrong.

    *suffix* is that of the cloud's registries, such as ``azurecr.io``; *prefix* comes before every target repository; *registry*
    is the one to import into, which no target may name.
    """
    mistakes = Mistakes(InvalidReference)
    notes: List[str] = []
    source, registry_id = mistakes.of(_source, options, suffix) or (None, None)
    credentials = mistakes.of(_credentials, options)
    if credentials is not None and registry_id is not None and source is not None:
        notes.append(
            f"source_registry and credentials were both given for {source.repository}: the credentials are used, and not the "
            "rights of the signed-in account on that registry."
        )
    if options.get("platform"):
        mistakes.of(parse_platform, options["platform"])
    quarantine = mistakes.of(Quarantine.of, options.get("quarantine"))
    if options.get("verify") is False:
        options = {**options, "quarantine": quarantine}
        needing = "platform referrers repair if_source_missing immutable backup quarantine signed_by tags repositories blocked"
        for name in needing.split():
            if options.get(name) and options[name] != "fail":
                mistakes.found.append(f"{name} needs verify: true, since registries must be read for it.")
    signers = [mistakes.of(accepted, signer) for signer in options.get("signed_by") or []]
    several = bool(options.get("tags") or options.get("repositories"))
    selection = (mistakes.of(Selection.of, options.get("tags") or {}) or Selection()) if several else None
    repositories = None
    if options.get("repositories"):
        patterns = options["repositories"]
        mistakes.of(check_patterns, patterns, "write something like team/*")
        repositories = (tuple(patterns.get("include") or ()), tuple(patterns.get("exclude") or ()))
    if selection is not None and source is not None and _names_image(options["source"]):
        if source.digest or selection != Selection(same_digest=True):
            mistakes.found.append(f"{options['source']} names one image, but tags selects others; write the repository only.")
        selection = selection._replace(include=(source.tag or "",))
    written = [(name, text) for name in ("target", "untagged_repositories") for text in options.get(name) or []]
    targets = [mistakes.of(_pattern, options, name, text, prefix) for name, text in written]
    for _name, text in written:
        mistakes.of(_refuse_own_host, text, registry, suffix)
    entry = Entry(
        source=source,
        registry_id=registry_id,
        credentials=credentials,
        targets=tuple(filter(None, targets)) or (Pattern(prefix + "{repository}", "{tag}"),),
        rules=Rules(
            if_exists=options.get("if_exists") or "update",
            verify=options.get("verify") is not False,
            referrers=bool(options.get("referrers")),
            repair=bool(options.get("repair")),
            if_source_missing=options.get("if_source_missing") or "fail",
            immutable=bool(options.get("immutable")),
            backup=options.get("backup") or "",
            blocked=options.get("blocked") or NOTHING,
            quarantine=quarantine,
            signed_by=tuple(filter(None, signers)),
        ),
        platform=options.get("platform") or None,
        notes=tuple(notes),
        selection=selection,
        repositories=repositories,
    )
    if source is not None and selection is None:
        mistakes.of(entry.targets_for, source.host or "host", source.repository, source.tag or "latest")
    else:
        mistakes.of(_check_backup, entry.rules, Target("repository", "tag"))
    mistakes.tell()
    return entry


def _check_backup(rules: Rules, target: Target) -> None:
    """InvalidReference if the backup of *target* can't have the tag that it is to have."""
    backup = rules.backup_of(target)
    if backup is not None and (backup == target or not is_tag(backup.tag or "")):
        why = "the same tag" if backup == target else "no valid tag"
        raise InvalidReference(
            f"backup {rules.backup!r} makes {backup.tag!r} of {target.tag!r}, which is {why}; write something like {{tag}}-previous."
        )


def parse_entries(
    images: List[Dict[str, Any]],
    defaults: Optional[Dict[str, Any]],
    credentials: Optional[List[Dict[str, Any]]],
    prefix: Optional[str],
    suffix: str,
    default_host: Optional[str] = None,
    registry: Optional[str] = None,
    told: Optional[ToldMistakes] = None,
    blocked: Optional[List[str]] = None,
) -> List[Entry]:
    """The entries of a list. InvalidReference, with a sentence for each on a line, if anything is wrong with them.

    *credentials*: ``{"registry", "username", "password"}`` each, the registry as `parse_place` takes it; entries that have none
    of their own get those with the longest match. Those that match no entry are reported in the notes. *default_host* is that of
    sources that name none. *registry* as of `parse_entry`. *told*: what `read_list` found. *blocked*: as of `Blocked.of`.
    """
    told = told or {}
    mistakes = Mistakes(InvalidReference)
    host = mistakes.of(_host, default_host) or "docker.io" if default_host else ""
    prefix = mistakes.of(_prefix, prefix, registry, suffix) or "" if prefix else ""
    common = {name: value for name, value in (defaults or {}).items() if value is not None}
    common["blocked"] = mistakes.of(Blocked.of, blocked or (), host, suffix)
    sample = {"source": "x/x" if common.get("source_registry") else "docker.io/x/x", **common}
    general = Mistakes()
    general.of(parse_entry, sample, suffix)
    mistakes.found += told.get(("defaults", 0), ())
    places: List[_Place] = []
    for number, one in enumerate(credentials or [], 1):
        mistakes.found += told.get(("credentials", number), ())
        if ("credentials", number) not in told:
            place = mistakes.of(_place, number, one)
            places += [place] if place else []
    unused = set(places)
    found: Dict[int, Entry] = {}
    of_entries: List[str] = []
    repeated: Set[str] = set()
    for number, image in enumerate(images, 1):
        of_entries += told.get(("images", number), ())
        own = {name: value for name, value in image.items() if value is not None}
        if not own and ("images", number) in told:
            continue
        options = {**common, **own}
        if host and not options.get("source_registry"):
            options["source"] = completed(options.get("source") or "", host)
        origin = Mistakes().of(_origin, options, suffix) if places else None
        covering = [place for place in places if origin and place.covers(*origin)]
        unused.difference_update(covering)
        if covering and not options.get("source_password"):
            best = max(covering, key=lambda place: len(place.namespace))
            options.update({"source_username": best.username, "source_password": best.password})
        its = Mistakes()
        entry = its.of(parse_entry, options, suffix, prefix, registry)
        if entry:
            found[number] = entry
        of_entries += [whose("images", number, image) + one for one in its.found if one not in general.found]
        repeated.update(its.found)
    mistakes.found += [f"defaults: {one}" for one in general.found if one in repeated] + of_entries
    mistakes.of(merge, [wish for number, entry in found.items() for wish in _wishes(number, entry, suffix)])
    mistakes.tell(SHOWN_MISTAKES)
    # They concern the list, and are reported once.
    notes = tuple(
        f"The credentials for {place} match no entry of images, so they are not used."
        for place in places
        if place in unused
    )
    entries = list(found.values())
    return [entries[0]._replace(notes=notes + entries[0].notes), *entries[1:]] if entries else []


def _host(text: str) -> str:
    host, namespace = parse_place(text)
    if namespace:
        raise InvalidReference(f"default_host {text!r} must be a host only; write {host!r}.")
    return host


def _prefix(text: str, registry: Optional[str], suffix: str) -> str:
    if parse_pattern(text + "x")[1]:
        raise InvalidReference(f"target_prefix {text!r} contains a tag; it is put before repositories.")
    _refuse_own_host(text, registry, suffix)
    return text


@functools.lru_cache(maxsize=None)
def _registry_name(host: str, suffix: str) -> str:
    known = Mistakes().of(parse_registry, host, [suffix])
    return known.name if known and known.name else host


def _wishes(number: int, entry: Entry, suffix: str) -> List[Desired]:
    """What an entry wants of each target, as far as that is known before any registry is asked."""
    if entry.source is None or entry.selection is not None:
        return []
    host, repository, tag, digest = entry.source
    # A registry of Azure's has several names; whether two of them mean the same one is left for later, if only Azure knows.
    name = _registry_name(host, suffix) if host else entry.registry_id and entry.registry_id.name
    if not name:
        return []
    name = name.lower()
    origin = Origin(SourceRegistry(name), repository, tag, digest, entry.platform)
    targets = [pattern.filled(host or f"{name}.{suffix}", repository, tag or "latest") for pattern in entry.targets]
    return [Desired(target, origin, entry.rules, number - 1) for target in targets]


class _Place(NamedTuple):
    """What an entry of ``credentials`` is for, and what it holds. ``str()`` has no secret."""

    host: str
    namespace: str
    username: Optional[str]
    password: str

    def covers(self, host: Optional[str], repository: str) -> bool:
        return host == self.host and (repository + "/").startswith(self.namespace + "/" if self.namespace else "")

    def __str__(self) -> str:
        return "/".join(part for part in (self.host, self.namespace) if part)

    def __repr__(self) -> str:
        return str(self)


def _place(number: int, entry: Dict[str, Any]) -> _Place:
    try:
        host, namespace = parse_place(entry["registry"])
        return _Place(host, namespace, entry.get("username"), entry["password"])
    except InvalidReference as error:
        raise InvalidReference(f"Entry {number} of credentials: {error}") from None


def _origin(options: Dict[str, Any], suffix: str) -> Tuple[Optional[str], str]:
    """The host (None if it isn't named) and repository that an entry reads.

    What is given by resource ID or name is read with the rights of the account that signs in.
    """
    if options.get("source_registry"):
        host = parse_registry(options["source_registry"], [suffix]).login_server
        return host, parse_source(options.get("source") or "x", in_registry=True).repository
    source = parse_source(options.get("source") or "")
    return source.host, source.repository


def _source(options: Dict[str, Any], suffix: str) -> Tuple[Optional[Reference], Optional[RegistryId]]:
    registry_id = parse_registry(options["source_registry"], [suffix]) if options.get("source_registry") else None
    if options.get("repositories"):
        if options.get("source") or registry_id is None:
            raise InvalidReference(
                "repositories selects among the repositories of an Azure registry: name it in source_registry, and leave "
                "source out."
            )
        if registry_id.kind == "login_server" and registry_id.name is None:
            raise InvalidReference(
                f"repositories needs an Azure registry, and {registry_id.login_server} isn't one; name each repository in source."
            )
        return None, registry_id
    source = parse_source(options.get("source") or "", in_registry=registry_id is not None)
    if registry_id is not None and source.host is not None:
        _refuse_other_host(source.host, registry_id, suffix)
        source = source._replace(host=None)
    return source, registry_id


def _names_image(text: str) -> bool:
    """Whether a source that was parsed says a tag or digest itself."""
    return ":" in text.rpartition("/")[2] or "@" in text


def _pattern(options: Dict[str, Any], option: str, text: str, prefix: str) -> Pattern:
    repository, tag = parse_pattern(text)
    if option == "target":
        if tag and "{tag}" not in text and (options.get("tags") or options.get("repositories")):
            raise InvalidReference(
                f"target {text!r} names a tag, but tags selects several; write the repository only, or put {{tag}} into it."
            )
        tag = tag or "{tag}"  # as Azure does: a target without a tag takes the source's
    elif tag:
        raise InvalidReference(
            f"untagged_repositories takes repositories without a tag, but {text!r} has one; put it under target."
        )
    target = Pattern(prefix + repository, tag)
    if options.get("repositories") and not re.search(r"{repository}|{name}", f"{target.repository}:{tag}"):
        raise InvalidReference(
            f"repositories selects several, so target {target.repository!r} must contain {{repository}} or {{name}}; or use "
            "target_prefix, which keeps their names."
        )
    return target


def _credentials(options: Dict[str, Any]) -> Optional[Credentials]:
    password, username = options.get("source_password"), options.get("source_username")
    if not password:
        if username:
            raise InvalidReference("source_username is given, but source_password is empty.")
        return None
    return Credentials(username or None, password)


def _names_registry(host: str, registry_id: RegistryId, suffix: str) -> bool:
    there = parse_registry(host, [suffix])
    if there.login_server and registry_id.login_server:
        return there.login_server == registry_id.login_server
    return there.name is not None and there.name.lower() == (registry_id.name or "").lower()


def _refuse_own_host(target: str, registry: Optional[str], suffix: str) -> None:
    host, slash, rest = target.strip().partition("/")
    if not registry or not slash or not re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", host):
        return
    if _names_registry(host, parse_registry(registry, [suffix]), suffix):
        raise InvalidReference(
            f"{target!r} must not name the registry to import into, because the option registry does; write {rest!r}."
        )


def _refuse_other_host(host: str, registry_id: RegistryId, suffix: str) -> None:
    if not _names_registry(host, registry_id, suffix):
        raise InvalidReference(
            f"source names the registry {host}, but source_registry names another one "
            f"({registry_id.login_server or registry_id.name}); leave one of them out."
        )
