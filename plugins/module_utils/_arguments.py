# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The options of images: which there are, and what is wrong with the form of those that were given. Pure, and all that has to be
loaded before a module signs in."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

from ansible.module_utils.common.validation import check_type_bool, check_type_dict, check_type_int, check_type_list

from ._reference import NO_PASSWORD, misread, without_password

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

# What is wrong with each entry of an option, by its number; that of an option that is no list is 0.
ToldMistakes = Dict[Tuple[str, int], List[str]]


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
        told[option, number] = [whose(option, number, options) + sentence for sentence in unknown + wrong]
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


def whose(option: str, number: int, options: Mapping[str, Any]) -> str:
    """What a sentence on an entry starts with."""
    if option != "images":
        return f"Entry {number} of {option}: " if number else f"{option}: "
    named = without_password(" ".join(str(options.get("source") or options.get("source_registry") or "").split()))
    return f"Entry {number} ({named}): " if named else f"Entry {number}: "
