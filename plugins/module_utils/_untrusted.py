# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads what hosts send, whose shape is not trusted: every reader returns what it promises, or raises `AcrError`. Pure.

*who* is the sender's name for the sentence.
"""

from __future__ import annotations

import ipaddress
import json
import math
import re
import socket
from datetime import timezone
from email.utils import parsedate_to_datetime
from typing import Any, Dict, List, Mapping, Optional, Tuple
from urllib.parse import SplitResult, urljoin, urlsplit

from ._errors import AcrError

LONGEST_WAIT = 7 * 86400.0  # seconds; whoever asks to wait longer asks for that
LONGEST_DELAY = 1e9  # a larger number is no time to wait, but one since 1970: in seconds, or beyond 1e11 in milliseconds


def parse(content: bytes) -> Any:
    """JSON, or None where it isn't JSON or is nested without end."""
    try:
        return json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError):
        return None


def mapping(found: Any, who: str) -> Dict[str, Any]:
    """A JSON object; null counts as an empty one."""
    if isinstance(found, dict):
        return found
    if found is None:
        return {}
    raise _misshapen(who, "an object", found)


def objects(found: Any, who: str) -> List[Dict[str, Any]]:
    """A JSON list of objects; null counts as an empty one."""
    return [mapping(entry, who) for entry in _list(found, who)]


def strings(found: Any, who: str) -> List[str]:
    """A JSON list of strings; null counts as an empty one."""
    for entry in _list(found, who):
        if not isinstance(entry, str):
            raise _misshapen(who, "a string", entry)
    return found or []


def names(found: Any, who: str) -> List[str]:
    """A JSON list of names of repositories or tags: text that can stand in a URL."""
    for name in strings(found, who):
        if not re.fullmatch("[!-~]+", name):
            raise AcrError("protocol", f"{who} lists {name!r:.140}, which can't be a name; refused.")
    return found or []


def number(found: Any) -> Optional[int]:
    """A count that a header or JSON states, or None where it states none."""
    text = str(found) if isinstance(found, (str, int)) and not isinstance(found, bool) else ""
    return int(text) if re.fullmatch("[0-9]{1,18}", text) else None


def seconds(found: Any, most: float) -> Optional[float]:
    """A positive time in seconds, no longer than *most*; None where there is none."""
    try:
        value = float(found)
    except (TypeError, ValueError, OverflowError):
        return None
    return min(value, most) if value > 0 else None


def retry_after(headers: Mapping[str, str], now: float) -> Optional[float]:
    """The seconds that ``Retry-After`` asks to wait, from 0.0 to LONGEST_WAIT; None where it says nothing.

    It may hold seconds, an HTTP date, or the seconds since 1970 (Docker Hub). A time is taken by the sender's own clock where
    its ``Date`` shows that, else by *now*, which is in seconds since 1970.
    """
    text = headers.get("Retry-After") or ""
    try:
        wait = float(text.partition(",")[0])  # the header may have come twice
    except ValueError:
        ends = _since_1970(text)
        wait = ends - (_since_1970(headers.get("Date")) or now) if ends is not None else math.nan
    else:
        if LONGEST_DELAY < wait < math.inf:
            wait = wait / (1000.0 if wait > 1e11 else 1.0) - (_since_1970(headers.get("Date")) or now)
    return None if math.isnan(wait) else min(max(wait, 0.0), LONGEST_WAIT)


def _since_1970(date: Optional[str]) -> Optional[float]:
    try:
        found = parsedate_to_datetime(date or "")
        return (found if found.tzinfo else found.replace(tzinfo=timezone.utc)).timestamp()
    except (TypeError, ValueError, IndexError, OverflowError):
        return None


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
    """The challenges of ``WWW-Authenticate``, of which one line may hold several and several lines may be joined by commas:
    (scheme in lower case, parameters by lower-case name). What makes no sense is left out."""
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


def links(header: str, who: str) -> List[Tuple[str, List[str]]]:
    """The links of ``Link``: (target, its relations in lower case). AcrError where one of them can't be read, since it may be
    the one that a listing goes on by."""
    found = []
    for part in filter(None, _split(header, ",", brackets=True)):
        target, *parameters = _split(part, ";", brackets=True)
        named = [(name.strip().lower(), _unquoted(value.strip())) for name, _is, value in (p.partition("=") for p in parameters)]
        relations = dict(reversed(named)).get("rel", "").lower().split()  # of several, the first counts
        if not (target.startswith("<") and target.endswith(">") and relations):
            raise AcrError("protocol", f"{who} sent a Link header that can't be read ({header!r:.140}); refused.")
        found.append((target[1:-1].strip(), relations))
    return found


_NAME = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_PARAMETER = re.compile(f"({_NAME})[ \t]*=[ \t]*(.+)$", re.S)
_SCHEME = re.compile(f"({_NAME})(?:[ \t]+(.*))?$", re.S)
_TOKEN68 = re.compile("[A-Za-z0-9._~+/-]*=*$")


def _split(text: str, separator: str, brackets: bool = False) -> List[str]:
    """The parts between separators that stand neither in a quoted string nor, with *brackets*, in angle brackets."""
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
    """The URL that *target*, as found at the URL *base*, leads to."""
    try:
        found = urlsplit(urljoin(base, target) if isinstance(target, str) else "")
        if found.hostname and found.port != 0 and found.username is None and re.fullmatch(r"[\x21-\x7e]+", found.geturl()):
            return found
    except ValueError:
        pass
    raise AcrError("protocol", f"{who} names a URL that makes no sense ({target!r:.100}).")


def local(host: Optional[str]) -> bool:
    """Whether a host is this machine, or an address that only its own network reaches."""
    name = (host or "").rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return not ipaddress.ip_address(name).is_global
    except ValueError:
        pass
    try:
        # 127.1, 2130706433 and 0x7f000001 are addresses as well to whoever opens a connection.
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
    message = f"{who} sent JSON that makes no sense: {wanted} was expected where {found!r:.60} stands."
    return AcrError("protocol", message)
