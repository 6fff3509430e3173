# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a test can turn: times, limits, faults. All at their defaults the sandbox is an unhurried, healthy Azure."""
from __future__ import annotations

import random
import re
import time
from dataclasses import asdict, dataclass, field
from typing import Any, Union

from .arm.refusals import REFUSALS
from .lies import Lie
from .settings import changed, check, made

# A bucket {"capacity", "refill" a second}, a window {"per_minute", "window" in seconds}, "sku" (what the registry's tier
# allows a minute) or None: no limit.
Limit = Union[dict[str, float], str, None]


# In which Azure served registries in 2026.
API_VERSIONS = (
    "2017-10-01", "2019-05-01", "2021-09-01", "2022-12-01", "2023-07-01", "2025-04-01", "2025-11-01", "2026-09-01-preview",
)  # fmt: skip


@dataclass
class Limits:
    """How many requests are answered before there is a 429."""

    arm_reads: Limit = None  # Resource Manager's reads, by subscription and principal.
    arm_writes: Limit = None  # Its writes.
    arm_deletes: Limit = None  # Its deletions.
    registry_reads: Limit = None  # A registry's reads, tokens and referrers aside.
    registry_writes: Limit = None  # Its writes.
    referrers: Limit = None  # Its lists of referrers.
    tokens: Limit = None  # Its token endpoints.


# Azure's documented limits, for ``limits="azure"``. The token figure is not documented; users meet it after a few dozen
# requests in a burst.
AZURE_LIMITS = Limits(
    arm_reads={"capacity": 250, "refill": 25},
    arm_writes={"capacity": 200, "refill": 10},
    arm_deletes={"capacity": 200, "refill": 10},
    registry_reads="sku",
    registry_writes="sku",
    referrers={"per_minute": 1000},
    tokens={"capacity": 40, "refill": 5},
)


@dataclass
class Lifetimes:
    """How long tokens last, in seconds."""

    arm_seconds: int = 86399  # The authority's, for Resource Manager and registries.
    refresh_seconds: int = 10800  # A registry's refresh tokens.
    access_seconds: int = 3600  # A registry's access tokens.


class Throttle:
    """A token bucket (``capacity``, ``refill`` a second) or a count in a window (``per_minute``, ``window`` s)."""

    def __init__(self, spec: dict[str, Any]) -> None:
        self.spec = spec
        self.window = float(spec.get("window", 60))
        self.capacity = float(spec.get("capacity", spec.get("per_minute", 0)))
        self.refill = float(spec["refill"]) if "refill" in spec else None
        self.left = self.capacity
        self.since = time.monotonic()

    def take(self) -> float:
        """Use one: 0.0 when there was one, else the seconds until there is."""
        now = time.monotonic()
        if self.refill is not None:
            self.left = min(self.capacity, self.left + (now - self.since) * self.refill)
            self.since = now
        elif now - self.since >= self.window:
            self.left, self.since = self.capacity, now
        if self.left >= 1:
            self.left -= 1
            return 0.0
        if self.refill is None:
            return self.window - (now - self.since)
        return (1 - self.left) / self.refill if self.refill else 3600.0


@dataclass
class Action:
    """What a fault does; at least one of status, drop, drop_mid, delay and slow."""

    status: int | None = None  # Answer with this status.
    # The answer's headers, in which ``{n}`` is the number of the time and ``{now+30}`` the seconds since 1970 in 30 s.
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = ""  # The answer's body: a text, or a value that is sent as JSON.
    repeat: int = 0  # Send the body this many times, until the client has had enough.
    gzip: bool = False  # Compress the body.
    drop: bool = False  # Close the connection before an answer.
    drop_mid: bool = False  # Close it in the middle of the true answer.
    delay: float | None = None  # Wait for this many seconds, then give the true answer.
    slow: float | None = None  # Trickle the true answer, this many bytes a second.

    def __post_init__(self) -> None:
        if not (self.drop or self.drop_mid) and self.status is self.delay is self.slow is None:
            raise ValueError("fault action needs one of status, drop, drop_mid, delay, slow")


@dataclass
class Fault:
    """A misbehaviour of the server: which requests (regular expressions), how often, and what happens."""

    match: dict[str, str]
    action: Action
    probability: float | None = None
    times: int | None = None
    every: int | None = None
    seed: int = 1
    hits: int = 0  # requests that matched
    fired: int = 0

    def __post_init__(self) -> None:
        check(self.match, ("class", "host", "method", "path"), "match of a fault")
        self._patterns = [(key, re.compile(pattern)) for key, pattern in self.match.items()]
        self._random = random.Random(self.seed)

    def fires(self, facts: dict[str, str]) -> bool:
        """Does it happen to the request with these facts (class, host, method, path)?"""
        if not all(pattern.search(facts[key]) for key, pattern in self._patterns):
            return False
        self.hits += 1
        if self.times is not None and self.fired >= self.times:
            return False
        if self.every is not None and self.hits % self.every:
            return False
        if self.probability is not None and self._random.random() >= self.probability:
            return False
        self.fired += 1
        return True


@dataclass
class ImportFault:
    """A misbehaviour of an import: ``source`` (regular expression over ``host/repository:tag``), ``times``, ``text``.

    ``text``: a key of ``arm.copying.FAILURES``, a literal failure text, or ``pending_forever``, ``missing_children`` (an index
    arrives without them), ``lost`` (Succeeded, but nothing arrives). ``entries`` false: polls name no targets.
    """

    source: str
    text: str
    times: int | None = None
    entries: bool = True
    fired: int = 0

    def fires(self, source: str) -> bool:
        if self.times is not None and self.fired >= self.times or not re.search(self.source, source):
            return False
        self.fired += 1
        return True


_LISTS: dict[str, tuple[type, str]] = {
    "faults": (Fault, "field of a fault"),
    "import_faults": (ImportFault, "field of an import fault"),
    "lies": (Lie, "field of a lie"),
}
_COUNTS = ("hits", "fired", "told")  # shown with the knobs, and of no use when these come back


@dataclass
class Knobs:
    """See each line. Times in seconds."""

    import_seconds: float = 0.2  # how long an import takes
    round_trip_seconds: float = 0.0  # of each request, at least; twice for each new connection (TCP and TLS)
    retry_after: int | None = 10  # Retry-After of an accepted import
    visibility: str = "on_time"  # early: at half of import_seconds; late: late_seconds after Succeeded
    late_seconds: float = 2.0  # how late that is
    children_late_seconds: float = 0.0  # how long after an imported index its children come
    referrers_late_seconds: float = 0.0  # how long after its arrival a manifest is missing from referrer lists
    limits: Limits = field(default_factory=Limits)  # a test may also say "azure", or None for none at all
    throttle_retry_after: bool = True  # do the registries' 429s carry Retry-After?
    tokens: Lifetimes = field(default_factory=Lifetimes)  # how long they last
    faults: list[Fault] = field(default_factory=list)  # what befalls requests; of those that match, the first that fires
    import_faults: list[ImportFault] = field(default_factory=list)  # what befalls imports, likewise
    lies: list[Lie] = field(default_factory=list)  # see lies.py
    # 2026: empty 202, signed Location. 2021: body "null", Location with api-version only. at_once: 200 at the POST.
    import_poll_style: str = "2026"
    first_poll_seconds: float = 2.0  # for so long after its POST an import's polls name no targets; 0: at once, as in 2019
    tag_exists_at: str = "poll"  # where a NoForce conflict shows: poll, or post
    # 2026: code Conflict (its status is not known: 409, or 400 by 2026-400). 2019: InvalidParameters, the text doubled.
    tag_exists_style: str = "2026"
    certificate_seconds: dict[str, float] = field(default_factory=dict)  # host -> life of its certificate from its first use
    # How a registry's PATCH is answered. recorded: 200 to network properties alone, else as async; at_once: 200;
    # async: 201 + Azure-AsyncOperation, done after import_seconds.
    patch_style: str = "recorded"
    patch_state: str = "Updating"  # what an unfinished PATCH is called
    not_found_style: str = "gateway"  # who says that there is no such registry; provider: Azure Container Registry itself
    api_versions: list[str] = field(default_factory=lambda: [*API_VERSIONS])  # those in which registries are served
    refusals: dict[str, str] = field(default_factory=dict)  # subscription ID or registry -> code of arm.refusals.REFUSALS

    _CHOICES = {
        "visibility": ("early", "on_time", "late"),
        "import_poll_style": ("2026", "2021", "at_once"),
        "tag_exists_at": ("poll", "post"),
        "tag_exists_style": ("2026", "2026-400", "2019"),
        "patch_style": ("recorded", "at_once", "async"),
        "patch_state": ("Updating", "Creating", "InProgress"),
        "not_found_style": ("gateway", "provider"),
    }

    def update(self, changes: dict[str, Any]) -> None:
        """Lay JSON ``changes`` over the knobs; ValueError names what is wrong, and then nothing has changed."""
        check(changes, self.__dataclass_fields__, "knob")
        ready: dict[str, Any] = {}
        for name, value in changes.items():
            if name in self._CHOICES and value not in self._CHOICES[name]:
                raise ValueError(f"{name}: one of {', '.join(self._CHOICES[name])}")
            if name == "limits":
                wanted = vars(AZURE_LIMITS) if value == "azure" else value or vars(Limits())
                value = changed(self.limits, wanted, "limit")
            elif name == "tokens":
                value = changed(self.tokens, value, "lifetime of tokens")
            elif name == "refusals" and set(value.values()) - set(REFUSALS):
                raise ValueError(f"refusals: one of {', '.join(REFUSALS)}")
            elif name == "faults":
                value = [{**fault, "action": made(Action, fault["action"], "action of a fault")} for fault in value]
            if name in _LISTS:
                kind, what = _LISTS[name]
                value = [made(kind, {k: v for k, v in one.items() if k not in _COUNTS}, what) for one in value]
            ready[name] = value
        for name, value in ready.items():
            setattr(self, name, value)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)
