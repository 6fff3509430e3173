# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What hosts send, which can't be trusted to have the right shape: every reader returns what it promises or raises `AcrError`.
Pure.

*who* is what an error's sentence calls the sender.
"""

from __future__ import annotations

import ipaddress
import json
import math
import re
import socket
from dataclasses import dataclass
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any, Dict, List, Mapping, Optional, Tuple
from urllib.parse import SplitResult, urljoin, urlsplit

from ._errors import AcrError

LONGEST_WAIT = 7 * 86400.0  # seconds; any longer wait that a host asks for is cut to this
LONGEST_DELAY = 1e9  # a larger number isn't a delay but a time since 1970: in seconds, or beyond 1e11 in milliseconds


@dataclass
class Answer:
    """What a host answered. *headers* ignore the case of names.

    An answer speaks only for the host that gave it. *host*: that host, as ``host[:port]``; empty if unknown. *strayed*: the
    other host that the one asked redirects to; empty while all redirects stayed with it. *signed*: whether the request
    carried credentials or a token; None if unknown.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = b""
    host: str = ""
    strayed: str = ""
    signed: Optional[bool] = None

    def json(self) -> Any:
        """The body as JSON; None if it isn't JSON."""
        return parse(self.body)

    def errors(self) -> List[Dict[str, Any]]:
        """The entries of a registry's ``{"errors": [...]}``; empty for any other body."""
        found = self.json()
        entries = found.get("errors") if isinstance(found, dict) else None
        return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []

    def codes(self) -> Tuple[str, ...]:
        """The codes of those errors, in capitals."""
        return tuple(str(entry.get("code", "")).upper() for entry in self.errors())


def parse(content: bytes) -> Any:
    """The JSON in *content*; None if it isn't JSON or is nested too deeply."""
    try:
        return json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError):
        return None


def mapping(found: Any, who: str) -> Dict[str, Any]:
    """A JSON object; null is taken as an empty one."""
    if isinstance(found, dict):
        return found
    if found is None:
        return {}
    raise _misshapen(who, "an object", found)


def objects(found: Any, who: str) -> List[Dict[str, Any]]:
    """A JSON list of objects; null is taken as an empty one."""
    return [mapping(entry, who) for entry in _list(found, who)]


def strings(found: Any, who: str) -> List[str]:
    """A JSON list of strings; null is taken as an empty one."""
    for entry in _list(found, who):
        if not isinstance(entry, str):
            raise _misshapen(who, "a string", entry)
    return found or []


def names(found: Any, who: str) -> List[str]:
    """A JSON list of names of repositories or tags: text that can be part of a URL."""
    for name in strings(found, who):
        if not re.fullmatch("[!-~]+", name):
            raise AcrError("protocol", f"{who} lists {name!r:.140}, which can't be a name; refused.")
    return found or []


def number(found: Any) -> Optional[int]:
    """A count from a header or JSON; None if it isn't one."""
    text = str(found) if isinstance(found, (str, int)) and not isinstance(found, bool) else ""
    return int(text) if re.fullmatch("[0-9]{1,18}", text) else None


def seconds(found: Any, most: float) -> Optional[float]:
    """A positive time in seconds, cut to *most*; None if it isn't one."""
    try:
        value = float(found)
    except (TypeError, ValueError, OverflowError):
        return None
    return min(value, most) if value > 0 else None


def retry_after(headers: Mapping[str, str], now: float) -> Optional[float]:
    """The seconds that ``Retry-After`` asks to wait, from 0.0 to LONGEST_WAIT; None if it doesn't ask.

    It may hold seconds, an HTTP date, or the seconds since 1970 (Docker Hub). A time is measured against the sender's own clock
    if there is a ``Date``, else against *now*, in seconds since 1970.
    """
    text = headers.get("Retry-After") or ""
    try:
        wait = float(text.partition(",")[0])  # the header may have come twice
    except ValueError:
        ends = since_1970(text)
        wait = ends - (since_1970(headers.get("Date")) or now) if ends is not None else math.nan
    else:
        if LONGEST_DELAY < wait < math.inf:
            wait = wait / (1000.0 if wait > 1e11 else 1.0) - (since_1970(headers.get("Date")) or now)
    return None if math.isnan(wait) else min(max(wait, 0.0), LONGEST_WAIT)


def since_1970(date: Optional[str]) -> Optional[float]:
    """An HTTP date in seconds since 1970; None if it isn't one."""
    try:
        found = parsedate_to_datetime(date or "")
        return (found if found.tzinfo else found.replace(tzinfo=timezone.utc)).timestamp()
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


def moment(found: Any, who: str) -> float:
    """A time in UTC as Azure's registries write it, with up to seven digits after the second, in seconds since 1970."""
    parts = re.fullmatch(r"(2[01]\d\d-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?Z", found if isinstance(found, str) else "")
    try:
        if parts:
            return datetime.strptime(parts[1] + "+0000", "%Y-%m-%dT%H:%M:%S%z").timestamp() + float(parts[2] or 0)
    except ValueError:
        pass
    raise AcrError("protocol", f"{who} sent {found!r:.60}, which isn't a time.")


def same_host(one: str, other: str) -> bool:
    """Whether two ``host[:port]`` of HTTPS URLs name the same host, however they are written."""
    return _place(one) == _place(other)


def _place(host: str) -> Tuple[str, Optional[int]]:
    try:
        parts = urlsplit("//" + host)
        if parts.hostname and parts.netloc == host and "@" not in host:
            return parts.hostname.rstrip("."), 443 if parts.port is None else parts.port
    except ValueError:
        pass
    return host, None


def challenges(header: str) -> List[Tuple[str, Dict[str, str]]]:
    """The challenges in ``WWW-Authenticate``: (scheme in lower case, parameters by lower-case name). A line may hold several, and
    several lines may be joined by commas. What can't be read is left out."""
    found: List[Tuple[str, Dict[str, str]]] = []
    for part in _split(header, ","):
        parameter = _PARAMETER.match(part)
        if parameter is None:
            scheme = _SCHEME.match(part)
            if scheme is None:
                continue
            found.append((scheme.group(1).lower(), {}))
            rest = scheme.group(2) or ""
            parameter = None if _TOKEN68.match(rest) else _PARAMETER.match(rest)
        if parameter is not None and found:
            found[-1][1].setdefault(parameter.group(1).lower(), _unquoted(parameter.group(2)))
    return found


def challenge_values(header: str) -> Dict[str, str]:
    """The parameters of the first Bearer challenge in ``WWW-Authenticate``; empty if there is none."""
    return next((values for scheme, values in challenges(header) if scheme == "bearer"), {})


def links(header: str, who: str) -> List[Tuple[str, List[str]]]:
    """The links in ``Link``: (target, its relations in lower case). AcrError if one of them can't be read, since it may be the
    one that continues a listing."""
    found = []
    for part in filter(None, _split(header, ",", brackets=True)):
        target, *parameters = _split(part, ";", brackets=True)
        named = [(name.strip().lower(), _unquoted(value.strip())) for name, _is, value in (p.partition("=") for p in parameters)]
        relations = dict(reversed(named)).get("rel", "").lower().split()  # the first of several applies
        if not (target.startswith("<") and target.endswith(">") and relations):
            raise AcrError("protocol", f"{who} sent a Link header that can't be read ({header!r:.140}); refused.")
        found.append((target[1:-1].strip(), relations))
    return found


_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PARAMETER = re.compile(f"({_NAME})[ \t]*=[ \t]*(.+)$", re.S)
_SCHEME = re.compile(f"({_NAME})(?:[ \t]+(.*))?$", re.S)
_TOKEN68 = re.compile("[A-Za-z0-9._~+/-]*=*$")


def _split(text: str, separator: str, brackets: bool = False) -> List[str]:
    """The parts between separators, except separators in quoted strings or, with *brackets*, in angle brackets."""
    parts, start, ends, escaped = [], 0, "", False
    for position, character in enumerate(text):
        if escaped:
            escaped = False
        elif ends:
            escaped = ends == '"' and character == "\\"
            ends = "" if character == ends else ends
        elif character == separator:
            parts.append(text[start:position])
            start = position + 1
        elif character == '"' or brackets and character == "<":
            ends = '"' if character == '"' else ">"
    return [part.strip(" \t") for part in (*parts, text[start:])]


def _unquoted(value: str) -> str:
    if value[:1] == '"':
        quoted = re.match(r'"((?:[^"\\]|\\.)*)', value, re.S)
        return re.sub(r"\\(.)", r"\1", quoted.group(1), flags=re.S) if quoted else ""
    return value[1:-1] if len(value) > 1 and value[0] == "'" == value[-1] else value


def link(base: str, target: Any, who: str) -> SplitResult:
    """The URL that *target* means when found at the URL *base*."""
    try:
        found = urlsplit(urljoin(base, target) if isinstance(target, str) else "")
        if found.hostname and found.port != 0 and found.username is None and re.fullmatch(r"[\x21-\x7e]+", found.geturl()):
            return found
    except ValueError:
        pass
    raise AcrError("protocol", f"{who} names a URL that makes no sense ({target!r:.100}).")


def local(host: Optional[str]) -> bool:
    """Whether a host is this machine, or an address that only its own network can reach."""
    name = (host or "").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return not ipaddress.ip_address(name).is_global
    except ValueError:
        pass
    try:
        # 127.1, 2130706433 and 0x7f000001 also work as addresses when a connection is opened.
        return not ipaddress.ip_address(socket.inet_ntoa(socket.inet_aton(name))).is_global
    except (OSError, ValueError):
        return False


def _list(found: Any, who: str) -> List[Any]:
    if found is None:
        return []
    if not isinstance(found, list):
        raise _misshapen(who, "a list", found)
    return found


def _misshapen(who: str, wanted: str, found: Any) -> AcrError:
    return AcrError("protocol", f"{who} sent unexpected JSON: {wanted} was expected instead of {found!r:.60}.")
