# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What users write about images, checked and made into data. Pure."""

from __future__ import annotations

import re
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from ._credentials import Credentials
from ._plan import Rules, Target
from ._reference import (
    InvalidReference,
    Reference,
    RegistryId,
    completed,
    filled,
    parse_pattern,
    parse_place,
    parse_platform,
    parse_registry,
    parse_source,
    parse_target,
)
from ._select import InvalidSelection, Selection, check_patterns

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
    "if_source_missing", "tags",
)
DEFAULTS_ARGUMENTS: Dict[str, Any] = {name: ENTRY_ARGUMENTS[name] for name in DEFAULT_NAMES}
CREDENTIALS_ARGUMENTS: Dict[str, Any] = {
    "registry": {"type": "str", "required": True},
    "username": {"type": "str"},
    "password": {"type": "str", "required": True, "no_log": True},
}


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
        """The targets of one image. InvalidReference if there can't be such."""
        return tuple(pattern.target(host, repository, tag) for pattern in self.targets)


def parse_entry(options: Dict[str, Any], suffix: str, prefix: str = "", registry: Optional[str] = None) -> Entry:
    """The entry that *options* (see IMAGE_ARGUMENTS, ENTRY_ARGUMENTS) describe. InvalidReference, InvalidSelection with
    one sentence for bad input.

    *suffix* is that of the cloud's registries, such as ``azurecr.io``; *prefix* comes before every target repository; *registry*
    is the one to import into, which no target may name.
    """
    notes: List[str] = []
    registry_id = parse_registry(options["source_registry"], [suffix]) if options.get("source_registry") else None
    source = _source(options, registry_id, suffix)
    credentials = _credentials(options)
    if credentials is not None and registry_id is not None and source is not None:
        notes.append(
            f"source_registry and credentials were both given for {source.repository}: the credentials are used, and not the "
            "rights of the signed-in account on that registry."
        )
    if options.get("platform"):
        parse_platform(options["platform"])
    if options.get("verify") is False:
        for name in ("platform", "referrers", "repair", "if_source_missing", "tags", "repositories"):
            if options.get(name) and options[name] != "fail":
                raise InvalidReference(f"{name} needs verify: true, since it takes looking into a registry.")
    selection = Selection.of(options["tags"]) if options.get("tags") else None
    repositories = None
    if options.get("repositories"):
        patterns = options["repositories"]
        check_patterns(patterns, "write something like team/*")
        repositories = (tuple(patterns.get("include") or ()), tuple(patterns.get("exclude") or ()))
        selection = selection or Selection()
    if selection is not None and source is not None and _names_image(options["source"]):
        if source.digest or selection != Selection(same_digest=True):
            raise InvalidReference(
                f"{options['source']} names one image, but tags selects others; write the repository only."
            )
        selection = selection._replace(include=(source.tag or "",))
    entry = Entry(
        source=source,
        registry_id=registry_id,
        credentials=credentials,
        targets=_targets(options, selection is not None, prefix),
        rules=Rules(
            if_exists=options.get("if_exists") or "update",
            verify=options.get("verify") is not False,
            referrers=bool(options.get("referrers")),
            repair=bool(options.get("repair")),
            if_source_missing=options.get("if_source_missing") or "fail",
        ),
        platform=options.get("platform") or None,
        notes=tuple(notes),
        selection=selection,
        repositories=repositories,
    )
    for text in [prefix, *(options.get("target") or []), *(options.get("untagged_repositories") or [])]:
        _refuse_own_host(text, registry, suffix)
    if source is not None and selection is None:
        entry.targets_for(source.host or "host", source.repository, source.tag or "latest")
    return entry


def written_out(images: Any) -> Any:
    """The entries of a list, as given, with each that is only the text of an image made into its options.

    What else may be text, a dictionary as JSON or ``key=value``, is left to Ansible: no image has an ``=`` or starts with ``{``.
    """
    if not isinstance(images, list):
        return images
    return [
        {"source": image} if isinstance(image, str) and "=" not in image and not image.lstrip().startswith("{") else image
        for image in images
    ]


def parse_entries(
    images: List[Dict[str, Any]],
    defaults: Optional[Dict[str, Any]],
    credentials: Optional[List[Dict[str, Any]]],
    prefix: Optional[str],
    suffix: str,
    default_host: Optional[str] = None,
    registry: Optional[str] = None,
) -> List[Entry]:
    """The entries of a list. InvalidReference, with the number of the entry, for bad input.

    *credentials*: ``{"registry", "username", "password"}`` each, the registry as `parse_place` takes it; entries that have none
    of their own get those with the longest match. Those that match no entry are reported in the notes. *default_host* is that of
    sources that name none. *registry* as of `parse_entry`.
    """
    host, namespace = parse_place(default_host) if default_host else ("", "")
    if namespace:
        raise InvalidReference(f"default_host {default_host!r} must be a host only; write {host!r}.")
    prefix = prefix or ""
    if prefix and parse_pattern(prefix + "x")[1]:
        raise InvalidReference(f"target_prefix {prefix!r} contains a tag; it is put before repositories.")
    places = [_place(number, entry) for number, entry in enumerate(credentials or [], 1)]
    unused = set(places)
    found: List[Entry] = []
    for number, image in enumerate(images, 1):
        options = {name: value for name, value in (defaults or {}).items() if value is not None}
        options.update({name: value for name, value in image.items() if value is not None})
        if host and not options.get("source_registry"):
            options["source"] = completed(options.get("source") or "", host)
        try:
            covering = [place for place in places if place.covers(*_origin(options, suffix))]
            unused.difference_update(covering)
            if covering and not options.get("source_password"):
                best = max(covering, key=lambda place: len(place.namespace))
                options.update({"source_username": best.username, "source_password": best.password})
            found.append(parse_entry(options, suffix, prefix, registry))
        except (InvalidReference, InvalidSelection) as error:
            raise InvalidReference(f"Entry {number} of images: {error}") from None
    notes = tuple(
        f"The credentials for {place} match no entry of images, so they are not used."
        for place in places
        if place in unused
    )
    # They concern the list, and are reported once.
    return [found[0]._replace(notes=notes + found[0].notes), *found[1:]] if found else found


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


def _source(options: Dict[str, Any], registry_id: Optional[RegistryId], suffix: str) -> Optional[Reference]:
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
        return None
    source = parse_source(options.get("source") or "", in_registry=registry_id is not None)
    if registry_id is not None and source.host is not None:
        _refuse_other_host(source.host, registry_id, suffix)
        return Reference(None, source.repository, source.tag, source.digest)
    return source


def _names_image(text: str) -> bool:
    """Whether a source that was parsed says a tag or digest itself."""
    return ":" in text.rpartition("/")[2] or "@" in text


def _targets(options: Dict[str, Any], several: bool, prefix: str) -> Tuple[Pattern, ...]:
    targets: List[Pattern] = []
    for text in options.get("target") or []:
        repository, tag = parse_pattern(text)
        if several and tag and "{tag}" not in text:
            raise InvalidReference(
                f"target {text!r} names a tag, but tags selects several; write the repository only, or put {{tag}} into it."
            )
        # As Azure does: a target without a tag takes the source's.
        targets.append(Pattern(prefix + repository, tag or "{tag}"))
    for text in options.get("untagged_repositories") or []:
        repository, tag = parse_pattern(text)
        if tag:
            raise InvalidReference(
                f"untagged_repositories takes repositories without a tag, but {text!r} has one; put it under target."
            )
        targets.append(Pattern(prefix + repository, None))
    for target in targets if options.get("repositories") else []:
        if not re.search(r"{repository}|{name}", f"{target.repository}:{target.tag}"):
            raise InvalidReference(
                f"repositories selects several, so target {target.repository!r} must contain {{repository}} or {{name}}; or use "
                "target_prefix, which keeps their names."
            )
    return tuple(targets) or (Pattern(prefix + "{repository}", "{tag}"),)


def _credentials(options: Dict[str, Any]) -> Optional[Credentials]:
    password, username = options.get("source_password"), options.get("source_username")
    if not password:
        if username:
            raise InvalidReference(
                f"source_username is given for {options.get('source') or options['source_registry']}, but source_password is "
                "empty."
            )
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
