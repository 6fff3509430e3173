# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What users write about images, checked and made into data. Pure."""

from __future__ import annotations

import functools
import re
from difflib import get_close_matches
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Set, Tuple

from ansible.module_utils.common.validation import check_type_bool, check_type_dict, check_type_int, check_type_list

from ._blocked import NOTHING, Blocked
from ._credentials import Credentials
from ._errors import Mistakes
from ._plan import Desired, Origin, Rules, SourceRegistry, Target, merge
from ._quarantine import Quarantine
from ._reference import (
    NO_PASSWORD,
    InvalidReference,
    Reference,
    RegistryId,
    completed,
    filled,
    is_tag,
    misread,
    parse_pattern,
    parse_place,
    parse_platform,
    parse_registry,
    parse_source,
    parse_target,
    without_password,
)
from ._select import Selection, check_patterns
from ._signatures import accepted

SIGNER_ARGUMENTS: Dict[str, Any] = {
    "key": {"type": "str", "no_log": False},
    "issuer": {"type": "str"},
    "identity": {"type": "str"},
    "repository": {"type": "str"},
    "trust_root": {"type": "dict"},
    "certificate": {"type": "str"},
    "subject": {"type": "str"},
}
IF_EXISTS = ("update", "keep", "fail", "reimport")

# The options of one image, as an argument spec.
IMAGE_ARGUMENTS: Dict[str, Any] = {
    "source": {"type": "str", "required": True},
    "source_registry": {"type": "str"},
    "source_username": {"type": "str"},
    "source_password": {"type": "str", "no_log": True},
    "target": {"type": "list", "elements": "str"},
    "untagged_repositories": {"type": "list", "elements": "str"},
    "if_exists": {"type": "str", "default": "update", "choices": list(IF_EXISTS)},
    "platform": {"type": "str"},
    "referrers": {"type": "bool", "default": False},
    "verify": {"type": "bool", "default": True},
    "repair": {"type": "bool", "default": False},
    "if_source_missing": {"type": "str", "default": "fail", "choices": ["fail", "keep"]},
    "immutable": {"type": "bool", "default": False},
    "backup": {"type": "str"},
    "quarantine": {
        "type": "dict",
        "options": {"min_age": {"type": "str", "required": True}, "prefix": {"type": "str", "default": "quarantine/"}},
    },
    "signed_by": {"type": "list", "elements": "dict", "options": SIGNER_ARGUMENTS},
}
_PATTERNS: Dict[str, Any] = {
    "include": {"type": "list", "elements": "str"},
    "exclude": {"type": "list", "elements": "str"},
}
# The options of an entry of a list: those of one image, none of them required or with a default (that comes from the
# list's own defaults first), and the choice of several images.
ENTRY_ARGUMENTS: Dict[str, Any] = {
    **{
        name: {key: value for key, value in spec.items() if key not in ("default", "required")}
        for name, spec in IMAGE_ARGUMENTS.items()
    },
    "tags": {
        "type": "dict",
        "options": {
            "names": {"type": "list", "elements": "str"},
            **_PATTERNS,
            "match": {"type": "str"},
            "semver": {"type": "raw"},  # text, or a list: as a list, Ansible would split it at commas
            "newest": {"type": "int"},
            "order": {"type": "str", "default": "version", "choices": ["version", "time"]},
            "same_digest": {"type": "bool", "default": False},
        },
    },
    "repositories": {"type": "dict", "options": dict(_PATTERNS)},
    "comment": {"type": "raw"},
}
# What a list can set for all its entries.
DEFAULT_NAMES = (
    "source_registry", "source_username", "source_password", "if_exists", "platform", "referrers", "verify", "repair",
    "if_source_missing", "immutable", "backup", "quarantine", "signed_by", "tags",
)
DEFAULTS_ARGUMENTS: Dict[str, Any] = {name: ENTRY_ARGUMENTS[name] for name in DEFAULT_NAMES}
CREDENTIALS_ARGUMENTS: Dict[str, Any] = {
    "registry": {"type": "str", "required": True},
    "username": {"type": "str"},
    "password": {"type": "str", "required": True, "no_log": True},
}
LIST_ARGUMENTS: Dict[str, Any] = {
    "images": {"type": "list", "elements": "dict", "required": True, "options": ENTRY_ARGUMENTS},
    "defaults": {"type": "dict", "options": DEFAULTS_ARGUMENTS},
    "credentials": {"type": "list", "elements": "dict", "options": CREDENTIALS_ARGUMENTS, "no_log": False},
}
_KINDS: Dict[str, Tuple[Callable[[Any], Any], str]] = {
    "bool": (check_type_bool, "true or false"),
    "dict": (check_type_dict, "a dictionary"),
    "int": (lambda value: check_type_int(str(value)), "a whole number"),
    "list": (check_type_list, "a list"),
}
SHOWN_MISTAKES = 100

# What is wrong with each entry of an option, by its number; that of an option that is no list is 0.
ToldMistakes = Dict[Tuple[str, int], List[str]]


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


def read_list(given: Dict[str, Any]) -> Tuple[Dict[str, Any], ToldMistakes]:
    """The options of a list as Ansible is to check them, from those that were given, and what it would stop at: it tells the
    first mistake only, and not whose it is.

    An entry that is only the text of an image becomes its options. A misspelt option gets the name that was meant, so that what
    else is wrong with it is found as well. An entry with a value that can't be read is left empty.
    """
    options = dict(given)
    told: ToldMistakes = {}
    for name, spec in LIST_ARGUMENTS.items():
        value = given.get(name)
        if spec["type"] == "dict" and value is not None:
            options[name] = _read(name, 0, value, spec["options"], told)
        elif isinstance(value, list):
            options[name] = [_read(name, number, one, spec["options"], told) for number, one in enumerate(value, 1)]
    return options, told


def _read(option: str, number: int, given: Any, arguments: Dict[str, Any], told: ToldMistakes) -> Dict[str, Any]:
    if option == "images" and isinstance(given, str) and not re.match(r"\s*(\{|\w+\s*=)", given):
        given = {"source": given}
    options: Dict[str, Any] = {}
    unknown: List[str] = []
    wrong: List[str] = []
    try:
        read = check_type_dict(given)
        if not isinstance(read, dict):
            raise TypeError
        options = _well_formed(read, arguments, "", unknown, wrong)
    except (TypeError, ValueError):
        what = "this text" if isinstance(given, str) else _shown(given)  # a text may hold a password
        images = "the text of an image, or " if option == "images" else ""
        wrong.append(f"{what} can't be read; write {images}a dictionary of options.")
    if unknown or wrong:
        told[option, number] = [_whose(option, number, options) + sentence for sentence in unknown + wrong]
    return {name: "" for name, spec in arguments.items() if spec.get("required")} if wrong and number else options


def _well_formed(
    given: Dict[str, Any], arguments: Dict[str, Any], place: str, unknown: List[str], wrong: List[str]
) -> Dict[str, Any]:
    """What can be read of options; adds a sentence for each of the others. *place* comes before their names."""
    found: Dict[str, Any] = {}
    for name, value in given.items():
        if name not in arguments:
            inside = [outer for outer, spec in arguments.items() if name in spec.get("options", ())]
            close = [] if inside else get_close_matches(str(name), arguments, 1)
            hint = f"it belongs under {inside[0]}." if inside else f"the options are {', '.join(sorted(arguments))}."
            hint = f"did you mean {close[0]}?" if close else hint
            unknown.append(f"{place}{without_password(str(name))} isn't an option; {hint}")
            if not close or close[0] in given:
                continue
            name = close[0]
        mistake = _mistake(place + name, value, arguments[name])
        if name in ("source", "source_registry", "registry") and isinstance(value, str) and without_password(value) != value:
            wrong.append(f"{place}{name} {NO_PASSWORD}")
            found[name] = without_password(value)  # or Ansible would show it
        elif mistake:
            wrong.append(mistake)
        elif value is not None:  # null means "not given"
            several, inner = isinstance(value, list), arguments[name].get("options")
            given_inside = [check_type_dict(one) for one in (value if several else [value])] if inner else []
            read = [_well_formed(one, inner, f"{place}{name}.", unknown, wrong) for one in given_inside]
            found[name] = (read if several else read[0]) if inner else value
    missing = [name for name, spec in arguments.items() if spec.get("required") and found.get(name) is None and not wrong]
    wrong.extend(f"{place}{name} is missing." for name in missing)
    return found


def _mistake(name: str, value: Any, spec: Dict[str, Any]) -> Optional[str]:
    """What is wrong with the value of an option, if anything is."""
    kind = spec["type"]
    if value is None or kind == "raw":
        return None
    if spec.get("elements") == "dict":
        wrong = [one for one in value if not isinstance(one, dict)] if isinstance(value, list) else [value]
        return f"{name} must be a list of dictionaries, not {_shown(wrong[0])}." if wrong else None
    if kind == "str" or kind == "list" and isinstance(value, (list, bool, float)):
        for one in value if kind == "list" and isinstance(value, list) else [value]:
            if isinstance(one, (bool, float)):
                return misread(name, one, bool(spec.get("no_log")))
            if one is None or isinstance(one, (list, dict)):
                return f"{name} must be text, not {_shown(one)}."
    else:
        check, words = _KINDS[kind]
        try:
            check(value)
        except (TypeError, ValueError):
            return f"{name} must be {words}, not {_shown(value)}."
    choices = spec.get("choices", [value])
    return None if value in choices else f"{name} must be {', '.join(choices[:-1])} or {choices[-1]}, not {_shown(value)}."


def _shown(value: Any) -> str:
    if isinstance(value, (dict, list)):
        return "a dictionary" if isinstance(value, dict) else "a list"
    return "null" if value is None else str(value).lower() if isinstance(value, bool) else repr(value)


def _whose(option: str, number: int, options: Mapping[str, Any]) -> str:
    """What a sentence on an entry starts with."""
    if option != "images":
        return f"Entry {number} of {option}: " if number else f"{option}: "
    named = without_password(" ".join(str(options.get("source") or options.get("source_registry") or "").split()))
    return f"Entry {number} ({named}): " if named else f"Entry {number}: "


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
        of_entries += [_whose("images", number, image) + one for one in its.found if one not in general.found]
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
