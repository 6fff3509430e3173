# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a client is told instead of the truth, by ``Knobs.lies``: registries that lie, lag or can't be read.

The truth stays in the stores, and Azure's imports follow it. A client's read gets a `View` of a store, or a `Told`
answer; both only once the registry has let the client in, so that each refusal and each absence is worded by that
registry as ever.
"""
from __future__ import annotations

import dataclasses
import random
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from . import oci
from .settings import check
from .store import Contents, Manifest, Store, Tag

KINDS = {
    "unlisted": "Lists (`lists`: tags, manifests, catalog, referrers) lack what matches, for `seconds` after it came or "
    "for ever; asked for by itself it is there.",
    "absent": "What is there is answered 404 (referrers: an empty list), at the first `times` (1) requests of each path.",
    "lagging": "One of `replicas` (2) answers each read; `behind` (1) of them know nothing of the last `seconds` (5).",
    "refused": "Reads of what matches are answered `status` (403), with `body` or as registries word it.",
    "redirected": "Reads of what matches are sent (307) to the host `to`.",
    "dressed": "Answers carry other `headers` (a list: several lines; null: none), their Link written as `link` says.",
    "lost_poll": "Polls of an import into what matches are answered `status` (404, 403), in the `form` of the gateway or "
    "the provider, or empty.",
    "no_location": "The POST of an import into what matches is answered `status` (202) without a Location; `runs` false: "
    "and nothing is imported.",
}
_MATCH = {"host", "repository", "reference", "method", "path", "status"}
_TIMES = {"absent": 1}
_STATUS = {"refused": 403, "lost_poll": 404, "no_location": 202}
_LINKS = {
    "http": ("<http://{host}{place}>", 'rel="next"'),
    "https": ("<https://{host}{place}>", 'rel="next"'),
    "prefix": ("</repository/proxied{place}>", 'rel="next"'),
    "single": ("<{place}>", "rel='next'"),
    "upper": ("<{place}>", 'REL="next"'),
    "bare": ("<{place}>", "rel=next"),
}
_REFUSALS = {
    401: ("UNAUTHORIZED", "authentication required"),
    403: ("DENIED", "requested access to the resource is denied"),
    404: ("MANIFEST_UNKNOWN", "manifest unknown"),
    405: ("REGISTRY_DISALLOWED_OPERATION", oci.DISALLOWED),
    429: ("TOOMANYREQUESTS", "Too many requests."),
}


@dataclass
class Lie:
    """One lie; see KINDS for what each does.

    ``match``: regular expressions over host, repository, reference (tag or digest), method, path, status (of an answer to
    be dressed). ``probability``: of all that matches so much, the same ones for the same ``seed``; an item of a list
    each for itself, else a path, an import. ``times``: so often for each of those. ``until_seconds``: so long after it
    was set.
    """

    kind: str
    match: dict[str, str] = field(default_factory=dict)
    probability: float | None = None
    seed: int = 1
    times: int | None = None
    until_seconds: float | None = None
    seconds: float | None = None
    lists: list[str] = field(default_factory=lambda: ["tags", "manifests", "catalog"])
    replicas: int = 2
    behind: int = 1
    status: int | None = None
    body: str | None = None
    form: str = "gateway"
    to: str = ""
    headers: dict[str, Any] = field(default_factory=dict)
    link: str | None = None
    runs: bool = True
    told: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"a lie is one of {', '.join(KINDS)}")
        check(self.match, _MATCH, "match of a lie")
        if self.link is not None and self.link not in _LINKS or self.form not in ("gateway", "provider", "empty"):
            raise ValueError("lie: unknown link or form")
        if self.kind == "redirected" and not self.to:
            raise ValueError("lie: redirected needs to")
        if self.times is None:
            self.times = _TIMES.get(self.kind)
        if self.status is None:
            self.status = _STATUS.get(self.kind)
        if self.kind == "lagging" and self.seconds is None:
            self.seconds = 5.0
        self._patterns = {key: re.compile(pattern) for key, pattern in self.match.items()}
        self._began = time.monotonic()
        self._drawn: dict[str, bool] = {}
        self._counts: dict[str, int] = {}
        self._random = random.Random(self.seed)

    def about(self, **facts: str) -> bool:
        """Is it about something with these facts? What is not said of it can't keep it from being so."""
        return all(key not in facts or pattern.search(facts[key]) for key, pattern in self._patterns.items())

    def over(self) -> bool:
        return self.until_seconds is not None and time.monotonic() - self._began > self.until_seconds

    def drawn(self, subject: str) -> bool:
        """Does chance want it for this subject? Always the same answer."""
        if self.probability is None:
            return True
        if subject not in self._drawn:
            self._drawn[subject] = random.Random(f"{self.seed}/{self.kind}/{subject}").random() < self.probability
        return self._drawn[subject]

    def tells(self, subject: str, chance: str = "") -> bool:
        """Is it told of this subject, this time? ``chance``: what is drawn for, if not for the subject."""
        if self.over() or not self.drawn(chance or subject):
            return False
        count = self._counts.get(subject, 0)
        if self.times is not None and count >= self.times:
            return False
        self._counts[subject] = count + 1
        self.told += 1
        return True

    def late(self) -> bool:
        """Is this request answered by a replica that lags?"""
        late = not self.over() and self._random.randrange(self.replicas) < self.behind
        self.told += late
        return late


class Told(Exception):
    """An answer in the truth's place."""

    def __init__(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        super().__init__(status)
        self.status, self.body, self.headers = status, body, headers or {}


def subject(path: str) -> tuple[str, str, str]:
    """What a decoded path reads: (kind, repository, reference). Kinds: catalog, repository, tags, tag, manifests,
    manifest, referrers, blob, other."""
    if path.rstrip("/") in ("/acr/v1/_catalog", "/v2/_catalog"):
        return "catalog", "", ""
    found = oci.V1.match(path)
    if found is not None:
        kind, reference = found["kind"], found["reference"] or ""
        if kind is None:
            return "repository", found["repository"], ""
        return kind[1:-1] if reference else kind[1:], found["repository"], reference
    parsed = oci.parse(path)
    if parsed is None or parsed.kind in ("ping", "upload"):
        return "other", "", ""
    return parsed.kind, parsed.repository, parsed.reference


# ---- what a client sees -------------------------------------------------------------------------------------------


class _Kept(Mapping[str, Any]):
    """Of a store's contents by repository, what is shown."""

    def __init__(self, whole: dict[str, Any], keep: Callable[[str], bool],
                 show: Callable[[str, Any], Any] = lambda repository, held: held) -> None:
        self.whole, self.keep, self.show = whole, keep, show

    def __getitem__(self, repository: str) -> Any:
        if not self.keep(repository):
            raise KeyError(repository)
        return self.show(repository, self.whole[repository])

    def __iter__(self) -> Iterator[str]:
        return (repository for repository in self.whole if self.keep(repository))

    def __len__(self) -> int:
        return sum(1 for _repository in self)


class View(Contents):
    """A store as one client finds it: reads as `Store` has them, of what is shown.

    Functions say what that is: of a repository, of a tag (or an older state of it), of a manifest.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.repository: list[Callable[[str], bool]] = []
        self.tag: list[Callable[[str, Tag], Tag | None]] = []
        self.entry: list[Callable[[str, Manifest], bool]] = []
        self.tags = _Kept(store.tags, self._shows, self._tags)
        self.manifests = _Kept(store.manifests, self._shows, self._manifests)
        self.repo_times = _Kept(store.repo_times, self._shows)
        self.repo_attrs = _Kept(store.repo_attrs, self._shows)

    def __getattr__(self, name: str) -> Any:  # its bytes
        return getattr(self._store, name)

    def _shows(self, repository: str) -> bool:
        return repository in self._store.repo_times and all(shows(repository) for shows in self.repository)

    def _seen(self, repository: str, tag: Tag | None) -> Tag | None:
        for shown in self.tag:
            tag = None if tag is None else shown(repository, tag)
        return tag

    def _tags(self, repository: str, held: dict[str, Tag]) -> dict[str, Tag]:
        seen = ((name, self._seen(repository, tag)) for name, tag in held.items())
        return {name: tag for name, tag in seen if tag is not None}

    def _manifests(self, repository: str, held: dict[str, Manifest]) -> dict[str, Manifest]:
        return {d: entry for d, entry in held.items() if all(shows(repository, entry) for shows in self.entry)}

    def sorted_tags(self, repository: str, order: str = "") -> list[Tag]:
        shown = self.tags[repository]
        whole = self._store.sorted_tags(repository, order)
        return [shown[tag.name] for tag in whole if tag.name in shown]

    def sorted_manifests(self, repository: str, order: str = "") -> list[Manifest]:
        shown = self.manifests[repository]
        return [entry for entry in self._store.sorted_manifests(repository, order) if entry.digest in shown]

    def referrers(self, repository: str, digest: str, arrived_before: int | None = None) -> list[Manifest]:
        shown = self.manifests.get(repository, {})
        return [e for e in self._store.referrers(repository, digest, arrived_before) if e.digest in shown]


def as_of(tag: Tag, moment: int) -> Tag | None:
    """A tag as it was then (nanoseconds since the epoch), None before it was."""
    if tag.created > moment:
        return None
    digest, updated = tag.digest, tag.updated
    for before, since in reversed(tag.history):
        if updated <= moment:
            break
        digest, updated = before, since
    return dataclasses.replace(tag, digest=digest, updated=updated)


def read(lies: list[Lie], request: web.BaseRequest, host: str, store: Store) -> Any:
    """The store as this request finds it: a `Store` where nobody lies, else a `View`; or `Told`."""
    if not lies or request.method not in ("GET", "HEAD"):
        return store
    kind, repository, reference = subject(request.path)
    facts = {"host": host, "method": request.method, "path": request.path}
    view = View(store)
    for lie in lies:
        if lie.kind == "unlisted" and kind in lie.lists and lie.about(**facts):
            _unlist(lie, view, kind)
            continue
        if kind == "other" or not lie.about(**facts, repository=repository, reference=reference):
            continue
        if lie.kind == "lagging":
            if lie.late():
                _lag(view, time.time_ns() - int((lie.seconds or 0) * 1e9))
        elif lie.kind == "absent" and kind != "catalog":
            if lie.tells(host + request.path):
                _hide(view, kind, reference)
        elif lie.kind == "refused" and lie.tells(host + request.path):
            code, text = _REFUSALS.get(int(lie.status or 0), ("UNKNOWN", "unknown error"))
            raise Told(int(lie.status or 0), oci.errors(code, text, {}) if lie.body is None else lie.body.encode())
        elif lie.kind == "redirected" and lie.tells(host + request.path):
            raise Told(307, b"", {"Location": f"https://{lie.to}{request.raw_path}"})
    return view if view.repository or view.tag or view.entry else store


def _unlist(lie: Lie, view: View, kind: str) -> None:
    def hidden(repository: str, reference: str, created: int) -> bool:
        if lie.over() or not lie.about(repository=repository, reference=reference):
            return False
        if lie.seconds is not None and created < time.time_ns() - int(lie.seconds * 1e9):
            return False
        if not lie.drawn(f"{kind}/{repository}/{reference}"):
            return False
        lie.told += 1
        return True

    if kind == "catalog":
        times = view._store.repo_times
        view.repository.append(lambda name: not hidden(name, "", times[name].created))
    elif kind == "tags":
        view.tag.append(lambda name, tag: None if hidden(name, tag.name, tag.updated) else tag)
    else:
        view.entry.append(lambda name, entry: not hidden(name, entry.digest, entry.created))


def _lag(view: View, moment: int) -> None:
    times = view._store.repo_times
    view.repository.append(lambda repository: times[repository].created <= moment)
    view.tag.append(lambda _repository, tag: as_of(tag, moment))
    view.entry.append(lambda _repository, entry: entry.created <= moment)


def _hide(view: View, kind: str, reference: str) -> None:
    if kind in ("repository", "tags", "manifests"):
        view.repository.append(lambda _repository: False)
    elif kind == "referrers":
        view.entry.append(lambda _repository, entry: entry.subject != reference)
    else:
        view.tag.append(lambda _repository, tag: None if tag.name == reference else tag)
        view.entry.append(lambda _repository, entry: entry.digest != reference)


# ---- answers and imports ------------------------------------------------------------------------------------------


def dress(lies: list[Lie], request: web.BaseRequest, host: str, response: web.StreamResponse) -> None:
    """Lay other headers over an answer that has not left yet."""
    if response.prepared:
        return
    _kind, repository, reference = subject(request.path)
    facts = {"host": host, "method": request.method, "path": request.path, "status": str(response.status),
             "repository": repository, "reference": reference}  # fmt: skip
    for lie in lies:
        if lie.kind != "dressed" or not lie.about(**facts) or not lie.tells(host + request.path):
            continue
        for name, value in lie.headers.items():
            response.headers.popall(name, None)
            for line in [] if value is None else value if isinstance(value, list) else [value]:
                response.headers.add(name, line)
        link = re.match(r"<([^>]*)>", response.headers.get("Link", ""))
        if lie.link and link:
            where, relation = _LINKS[lie.link]
            response.headers["Link"] = where.format(host=host, place=link[1]) + "; " + relation


def of_import(lies: list[Lie], kind: str, host: str, operation: str, targets: list[str]) -> Lie | None:
    """The lie of this kind that is told of an import into these targets (``repository:tag``)."""
    for lie in lies:
        about = any(lie.about(host=host, repository=t.partition(":")[0], reference=t.partition(":")[2]) for t in targets)
        if lie.kind == kind and about and lie.tells(operation, " ".join(sorted(targets))):
            return lie
    return None
