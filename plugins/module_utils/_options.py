# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What users write about one image, checked and made into data. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, List, Optional, Tuple

from ansible_collections.registryops.acr.plugins.module_utils._plan import Target
from ansible_collections.registryops.acr.plugins.module_utils._reference import (
    InvalidReference,
    Reference,
    default_target,
    parse_platform,
    parse_registry,
    parse_source,
    parse_target,
)
from ansible_collections.registryops.acr.plugins.module_utils._registry import Credentials

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
}


@dataclass(frozen=True)
class Entry:
    """One image as the user wants it. *source* has no host where *registry_id* (an Azure registry) stands for it."""

    source: Reference
    registry_id: Optional[Any]
    credentials: Optional[Credentials]
    targets: Tuple[Target, ...]
    if_exists: str = "update"
    platform: Optional[str] = None
    referrers: bool = False
    verify: bool = True
    repair: bool = False
    notes: Tuple[str, ...] = ()


def parse_entry(options: Dict[str, Any], suffix: str) -> Entry:
    """The entry that *options* (see IMAGE_ARGUMENTS) describe. InvalidReference with one sentence for bad input.

    *suffix* is that of the cloud's registries, such as ``azurecr.io``.
    """
    notes: List[str] = []
    source = parse_source(options["source"], in_registry=bool(options.get("source_registry")))
    registry_id = parse_registry(options["source_registry"], [suffix]) if options.get("source_registry") else None
    if registry_id is not None and source.host is not None:
        _refuse_other_host(source.host, registry_id, suffix)
        source = Reference(None, source.repository, source.tag, source.digest)
    credentials = _credentials(options)
    if credentials is not None and registry_id is not None:
        notes.append(
            "source_registry and credentials were both given for {0}: the credentials are used, and so the rights of the "
            "signed-in account on that registry do not count.".format(source.repository)
        )
    if options.get("platform"):
        parse_platform(options["platform"])
        if not options.get("verify", True):
            raise InvalidReference(
                "platform needs verify: true, since the platform's digest has to be read from {0}.".format(options["source"])
            )
    if options.get("referrers") and not options.get("verify", True):
        raise InvalidReference(
            "referrers needs verify: true, since they have to be read from {0}.".format(options["source"])
        )
    return Entry(
        source=source,
        registry_id=registry_id,
        credentials=credentials,
        targets=_targets(options, source),
        if_exists=options.get("if_exists") or "update",
        platform=options.get("platform") or None,
        referrers=bool(options.get("referrers")),
        verify=options.get("verify", True) is not False,
        repair=bool(options.get("repair")),
        notes=tuple(notes),
    )


def _targets(options: Dict[str, Any], source: Reference) -> Tuple[Target, ...]:
    targets: List[Target] = []
    default = default_target(source)
    for text in options.get("target") or []:
        target = parse_target(text)
        # As Azure does: a target without a tag takes the source's.
        targets.append(Target(target.repository, target.tag or default.tag))
    for text in options.get("untagged_repositories") or []:
        target = parse_target(text)
        if target.tag:
            raise InvalidReference(
                "untagged_repositories takes repositories without a tag, but {0!r} has one; put it under target.".format(text)
            )
        targets.append(Target(target.repository, None))
    if not targets:
        targets.append(Target(default.repository, default.tag))
    return tuple(targets)


def _credentials(options: Dict[str, Any]) -> Optional[Credentials]:
    password, username = options.get("source_password"), options.get("source_username")
    if not password:
        if username:
            raise InvalidReference(
                "source_username is given for {0}, but source_password is empty.".format(options["source"])
            )
        return None
    return Credentials(username or None, password)


def _refuse_other_host(host: str, registry_id: Any, suffix: str) -> None:
    there = parse_registry(host, [suffix])
    same = (
        there.login_server == registry_id.login_server
        if there.login_server and registry_id.login_server
        else bool(there.name) and there.name.lower() == (registry_id.name or "").lower()
    )
    if not same:
        raise InvalidReference(
            "source names the registry {0}, but source_registry names another one ({1}); leave one of them out.".format(
                host, registry_id.login_server or registry_id.name
            )
        )
