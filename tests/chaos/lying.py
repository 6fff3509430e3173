# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Registries that lie or lag, while a mirror runs over images of every kind into targets in every state.

What must hold is worked out from the truth before each run, which only the sandbox knows: what is protected, what may fail
and what may be imported. What registries tell may cost time, never more than that.
"""
from __future__ import annotations

import random
import re
import subprocess
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.rows import DEV, LOGIN_SERVER, TARGET, VENDOR, Row, Size
from tests.playbook import run_module
from tests.sandbox.handle import Sandbox

PATIENCE = 120.0  # seconds after its last possible progress in which a run has to end
HUB = "registry-1.docker.io"  # refuses for good
# Where images come from, as the sandbox and as entries name it. Of all images so many in a hundred.
HOSTS = {
    "contosodev": (DEV, 35),
    "bearer.vendor.test": (VENDOR, 25),
    "basic.vendor.test": ("basic.vendor.test", 10),
    "mcr.microsoft.com": ("mcr.microsoft.com", 20),
    HUB: ("docker.io", 10),
}
CREDENTIALS = [
    {"registry": host, "username": "vendor", "password": "vendorpass"} for host in (VENDOR, "basic.vendor.test")
]
# Hosts to which credentials or tokens may go.
TRUSTED = {
    "bearer.vendor.test", "auth.vendor.test", "basic.vendor.test", "mcr.microsoft.com", HUB, "index.docker.io", "docker.io",
    "auth.docker.io", LOGIN_SERVER, DEV, "management.azure.test", "login.azure.test",
}  # fmt: skip
FOREIGN = {"mirror.vendor.test", "auth.mirror.test"}  # where a redirect leads; nobody gave us a password for it
KINDS: list[tuple[str, dict[str, Any]]] = [
    ("single", {}), ("index", {}), ("index", {"untyped": True}), ("manifest_list", {}), ("nested", {"depth": 2}), ("signed", {}),
]  # fmt: skip
STATES = {
    "absent": 30, "equal": 15, "other": 15, "unlisted equal": 7, "unlisted other": 7, "locked tag": 5, "locked manifest": 4,
    "locked repository": 4, "unreadable": 4, "broken": 3, "broken equal": 3, "childless": 3,
}  # fmt: skip


@dataclass
class Source:
    """A source tag. *digests*: what it has pointed at, the last of them now; *children*: of each of those all that it lists, at
    any depth; *first*: of each of those the manifest for linux/amd64, where it is an index of platforms."""

    host: str
    repository: str
    tag: str
    kind: str
    options: dict[str, Any]
    seeds: list[int] = field(default_factory=list)
    digests: list[str] = field(default_factory=list)
    children: dict[str, set[str]] = field(default_factory=dict)
    first: dict[str, str] = field(default_factory=dict)
    extras: dict[str, set[str]] = field(default_factory=dict)

    @property
    def image(self) -> str:
        return f"{HOSTS[self.host][0]}/{self.repository}:{self.tag}"


@dataclass
class Place:
    """A target tag, the source that it is for and on which conditions. *locked* against writing, *unreadable*: for good."""

    repository: str
    tag: str
    source: Source
    if_exists: str
    repair: bool
    platform: bool
    entry: int
    locked: bool = False
    unreadable: bool = False
    touched: bool = False  # somebody pushed there just before the run
    # The truth before a run.
    held: str | None = None
    there: bool = False
    whole: bool = False

    @property
    def image(self) -> str:
        return f"{LOGIN_SERVER}/{self.repository}:{self.tag}"

    def wanted(self, digest: str) -> str:
        """What the target should have of the source's *digest*."""
        return self.source.first[digest] if self.platform else digest

    @property
    def digest(self) -> str:
        return self.wanted(self.source.digests[-1])

    @property
    def protected(self) -> bool:
        """Must nothing change there?"""
        if self.held is None:
            return False
        if self.locked:
            return True
        if self.if_exists not in ("keep", "fail"):
            return False
        return self.there or not (self.repair or self.if_exists == "fail" and self.held == self.digest)


@dataclass
class Draw:
    """What one run is told, and about whom that can't be got over."""

    knobs: dict[str, Any] = field(default_factory=dict)
    lies: list[dict[str, Any]] = field(default_factory=list)
    upstream_flags: dict[str, Any] = field(default_factory=dict)
    behind: set[str] = field(default_factory=set)  # sources of a host of which replicas lag
    lag: float = 0.0
    lost: set[str] = field(default_factory=set)  # sources (images) that can't be read
    hidden: set[str] = field(default_factory=set)  # targets (images) that can't be read


class World:
    """Sources, targets and what is so in truth."""

    def __init__(self, sandbox: Sandbox, seed: int, size: Size) -> None:
        self.sandbox = sandbox
        self.chooser = random.Random(seed)
        self.prefix = f"lies{seed}"
        self.number = seed * 1_000_000
        self.sources: list[Source] = []
        self.places: list[Place] = []
        self.entries: list[dict[str, Any]] = []
        hosts = [host for host in HOSTS if size.patient or host != HUB]
        shares = [HOSTS[host][1] for host in hosts]
        while len(self.sources) < size.images:
            host = self.chooser.choices(hosts, shares)[0]
            if len(self.sources) % 20 == 5 and host != HUB:
                self._selection(host)
            else:
                self._single(host)
        self.groups = sorted({place.repository for place in self.places})

    # ---- what there is ----------------------------------------------------------------------------------------------

    def _fresh(self) -> int:
        self.number += 1
        return self.number

    def _source(self, host: str, repository: str, tag: str, plain: bool = False) -> Source:
        kind, options = ("single", {}) if plain else self.chooser.choice(KINDS)
        if kind == "signed":  # where there is no API for referrers, tags name them
            options = {"fallback_tags": host not in ("contosodev", "mcr.microsoft.com")}
        source = Source(host, repository, tag, kind, options)
        self.sources.append(source)
        self.push(source)
        return source

    def push(self, source: Source) -> None:
        """Give a source's tag a new image."""
        seed = self._fresh()
        made = self.sandbox.push(source.host, source.repository, [source.tag], source.kind, seed, **source.options)
        digest = made["digest"]
        source.seeds.append(seed)
        source.digests.append(digest)
        source.children[digest] = self._below(self.sandbox.manifests(source.host, source.repository), digest)
        if source.kind not in ("single", "nested"):
            source.first[digest] = made["children"][0]
        source.extras[digest] = {extra["digest"] for extra in made["extras"] if not extra["tag"]}

    def _below(self, manifests: dict[str, dict[str, Any]], digest: str) -> set[str]:
        found: set[str] = set()
        ahead = [digest]
        while ahead:
            for child in manifests[ahead.pop()]["children"]:
                if child not in found:
                    found.add(child)
                    ahead.append(child)
        return found

    def _single(self, host: str) -> None:
        """An entry for one source tag, with one or more targets."""
        number = len(self.entries)
        source = self._source(host, f"{self.prefix}/s{number:03}", "1")
        rules: dict[str, Any] = {
            "if_exists": self.chooser.choices(["update", "keep", "fail", "reimport"], [5, 2, 2, 1])[0],
            "repair": self.chooser.random() < 0.3,
            "referrers": source.kind == "signed" or self.chooser.random() < 0.2,
        }
        platform = bool(source.first) and self.chooser.random() < 0.25
        entry = {"source": source.image, **rules, "target": []}
        if platform:
            entry["platform"] = "linux/amd64"
        self.entries.append(entry)
        for turn in range(self.chooser.choices([1, 2, 3], [7, 2, 1])[0]):
            state = self.chooser.choices(list(STATES), list(STATES.values()))[0]
            alone = state in ("locked repository", "childless", "broken equal")
            repository = f"{self.prefix}/r{number:03}-{turn}" if alone else f"{self.prefix}/g{number // 5:02}"
            place = Place(repository, f"t{number:03}-{turn}", source, rules["if_exists"], rules["repair"], platform, number)
            entry["target"].append(f"{place.repository}:{place.tag}")
            self._put(place, state)

    def _selection(self, host: str) -> None:
        """An entry that chooses all tags of a repository."""
        number = len(self.entries)
        repository = f"{self.prefix}/s{number:03}"
        self.entries.append({"source": f"{HOSTS[host][0]}/{repository}", "tags": {"include": ["v*"]}})
        for tag in range(4):
            source = self._source(host, repository, f"v{tag}", plain=True)
            place = Place(repository, source.tag, source, "update", False, False, number)
            self._put(place, self.chooser.choice(["absent", "equal", "other"]))

    def _put(self, place: Place, state: str) -> None:
        sandbox, repository, tag = self.sandbox, place.repository, place.tag
        self.places.append(place)
        if state == "absent":
            return
        below = place.source.children.get(place.digest)  # none of one platform's manifest
        if state == "childless" and not below:
            state = "equal"
        if "equal" in state or state == "childless" or state == "unreadable" and self.chooser.random() < 0.5:
            source = place.source
            sandbox.push(TARGET, repository, [], source.kind, source.seeds[-1], **source.options)
            sandbox.set_tag(TARGET, repository, tag, place.digest)
        else:
            sandbox.push(TARGET, repository, [tag], seed=self._fresh())
        held = sandbox.tags(TARGET, repository)[tag]
        if state.startswith("unlisted"):
            sandbox.lock(TARGET, repository, digest=held, listEnabled=False)
            if self.chooser.random() < 0.5:
                sandbox.lock(TARGET, repository, tag=tag, listEnabled=False)
        elif state == "unreadable":
            place.unreadable = True
            sandbox.lock(TARGET, repository, tag=tag, readEnabled=False)
        elif state.startswith("locked"):
            place.locked = True
            where = {"tag": {"tag": tag}, "manifest": {"digest": held}, "repository": {}}[state.split()[1]]
            sandbox.lock(TARGET, repository, **where, writeEnabled=False)
        elif state.startswith("broken"):
            self.lose(place, held)
        elif state == "childless":
            self.lose(place, *(below or ()))

    def lose(self, place: Place, *digests: str) -> None:
        there = self.sandbox.manifests(TARGET, place.repository)
        for digest in digests:
            if digest in there:
                self.sandbox.lose_manifest(TARGET, place.repository, digest)

    def change(self) -> None:
        """What happens between two runs: source tags move, somebody pushes into the target, manifests get lost."""
        for source in self.sources:
            if self.chooser.random() < 0.15:
                self.push(source)
        self.look()
        for place in self.places:
            place.touched = False
            if place.locked or place.unreadable:
                continue
            chance = self.chooser.random()
            if chance < 0.04:
                place.touched = True
                self.sandbox.push(TARGET, place.repository, [place.tag], seed=self._fresh())
            elif chance < 0.07 and place.there and place.held and place.repository.count("/r"):
                self.lose(place, place.held)

    def look(self) -> None:
        """Note in each place what is so now."""
        tags = {name: self.sandbox.tags(TARGET, name) for name in self.groups}
        manifests = {name: self.sandbox.manifests(TARGET, name) for name in self.groups}
        for place in self.places:
            there = manifests[place.repository]
            place.held = tags[place.repository].get(place.tag)
            place.there = place.held in there
            place.whole = place.there and self._complete(there, str(place.held))

    def _complete(self, there: dict[str, dict[str, Any]], digest: str) -> bool:
        return digest in there and all(self._complete(there, child) for child in there[digest]["children"])

    # ---- what may be ------------------------------------------------------------------------------------------------

    def told(self, place: Place, draw: Draw) -> set[str]:
        """The digests that a client may take for the wanted one."""
        digests = place.source.digests[-2:] if place.source.host in draw.behind else place.source.digests[-1:]
        return {place.wanted(digest) for digest in digests}

    def imports(self, place: Place, draw: Draw) -> int:
        """How many imports it may take."""
        if place.repair and place.there and not place.whole and not place.locked:
            return 1
        if place.protected:
            return 0
        if place.held is None or place.unreadable or not place.there or place.if_exists == "reimport":
            return 1
        return int(place.if_exists == "update" and self.told(place, draw) != {place.held})

    def may_fail(self, place: Place, draw: Draw) -> bool:
        if place.source.host == HUB or place.source.image in draw.lost or place.image in draw.hidden or place.unreadable:
            return True
        if place.held is None:
            return False
        if not place.there:
            return place.protected
        differs = self.told(place, draw) != {place.held}
        if place.if_exists == "fail":
            return differs
        return place.locked and (place.if_exists == "reimport" or place.if_exists == "update" and differs)


# ---- what is told ---------------------------------------------------------------------------------------------------


def _one_of(names: list[str]) -> str:
    return "^(" + "|".join(map(re.escape, names)) + ")$"


def draw(world: World, chooser: random.Random, patient: bool) -> Draw:
    """Lies for one run. Most of all kinds may be told at once."""
    found = Draw(knobs={"import_seconds": 0.5, "retry_after": chooser.choice([0, 1, 2])})
    lies = found.lies
    target, source = f"^{re.escape(LOGIN_SERVER)}$", "contosodev|vendor|mcr"

    def chance(share: float) -> bool:
        return chooser.random() < share

    def tell(kind: str, **more: Any) -> None:
        lies.append({"kind": kind, "seed": chooser.randrange(1 << 30), **more})

    # Lists that lack things, for a while or for ever.
    lying = chance(0.75)  # the target
    for lists in (["tags"], ["manifests"]):
        if lying and chance(0.7):
            until = {} if chance(0.5) else {"until_seconds": chooser.uniform(1, 6)}
            tell("unlisted", lists=lists, match={"host": target}, probability=chooser.choice([0.2, 0.6, 1.0]), **until)
    if chance(0.4):
        tell("unlisted", lists=["tags"], match={"host": source, "repository": "/s"}, probability=0.3)
    # Stale 404s on any read.
    for host in (target, source):
        if chance(0.7) and (lying or host != target):
            times = chooser.choice([1, 1, 2] if patient else [1])
            tell("absent", match={"host": host}, probability=chooser.choice([0.1, 0.4, 1.0]), times=times)
    # Replicas that disagree. What has been there for longer than they lag they all know.
    if lying and chance(0.7):
        found.lag = chooser.uniform(1, 2) if not patient else chooser.uniform(1, 3) if chance(0.7) else chooser.uniform(4, 8)
        tell("lagging", match={"host": target}, seconds=found.lag, replicas=chooser.choice([2, 3, 4]))
    if chance(0.4):
        found.behind = {"contosodev"}
        tell("lagging", match={"host": "^contosodev"}, seconds=chooser.uniform(1, 3), replicas=chooser.choice([2, 3]))
    # What can't be read.
    few = max(1, len(world.sources) // 30)
    if chance(0.6):
        for picked in chooser.sample(world.sources, few):
            found.lost |= {s.image for s in world.sources if (s.host, s.repository) == (picked.host, picked.repository)}
            match = {"host": picked.host.split(".")[0], "repository": _one_of([picked.repository]), "path": "/manifests/"}
            tell("refused", match=match, status=chooser.choice([401, 403, 405, *([500] if patient else [])]))
    if lying and chance(0.6) and patient:  # which takes all of its time limit
        hidden = chooser.sample(world.places, few)
        found.hidden |= {place.image for place in hidden}
        paths = "|".join(re.escape(f"/v2/{place.repository}/manifests/{place.tag}") for place in hidden)
        tell("refused", match={"host": target, "path": f"^({paths})$"}, status=chooser.choice([403, 405]))
    # Redirects to a host that asks for a sign-in.
    vendors = [s for s in world.sources if s.host == "bearer.vendor.test"]
    if vendors and chance(0.7):
        moved = chooser.sample(vendors, min(few, len(vendors)))
        names = {s.repository for s in moved}
        found.lost |= {s.image for s in vendors if s.repository in names}
        tell("redirected", to="mirror.vendor.test", match={"host": "^bearer", "repository": _one_of(sorted(names)), "path": "/manifests/"})
    # Imports of which nobody can tell how they are: for ever only where the target says what is there, or nobody could know.
    honest = not any(lie["match"].get("host") == target for lie in lies)
    if chance(0.6) and (honest or patient):  # the next question comes ten seconds later
        often = {} if honest else {"times": chooser.choice([1, 2, 3])}
        tell("lost_poll", probability=chooser.choice([0.3, 1.0]), status=chooser.choice([404, 403]),
             form=chooser.choice(["gateway", "provider", "empty"]), **often)  # fmt: skip
    if honest and chance(0.7):
        tell("no_location", probability=0.2, status=chooser.choice([201, 202, 204]))
    # Odd labels and headers.
    if chance(0.7):
        label = chooser.choice(["text/plain", "application/json", "application/octet-stream", None])
        match = {"host": "vendor|mcr", "path": "/manifests/", "status": "^200$"}
        tell("dressed", match=match, probability=0.5, headers={"Content-Type": label})
    if chance(0.7):
        tell("dressed", match={"host": "vendor|mcr", "path": "/tags/list$"},
             link=chooser.choice(["http", "https", "prefix", "single", "upper", "bare"]))  # fmt: skip
        found.upstream_flags["page_limit"] = chooser.choice([1, 2, 3])
    if chance(0.5):
        found.upstream_flags["refuse_n_above"] = 500
    if chance(0.5):
        found.upstream_flags["hides_from_nobody"] = True
    if chance(0.5):
        lines = {"WWW-Authenticate": ["Negotiate", 'Basic realm="here"']}
        tell("dressed", match={"host": "^basic", "status": "401"}, headers=lines)
    if chance(0.5):
        tell("dressed", match={"host": "^basic|^bearer", "method": "HEAD", "status": "401"}, headers={"WWW-Authenticate": None})
    # A host that refuses for good.
    status = chooser.choice([429, 429, 503])
    pause = chooser.choice([{}, {"Retry-After": "0"}, {"Retry-After": "1"}, {"Retry-After": "{now+40}"}, {"Retry-After": "21600"}])
    action = {"status": status, "headers": pause, "body": "{}"}
    found.knobs["faults"] = [{"match": {"host": "^registry-1", "class": "manifest|tag_list"}, "action": action}]
    # Azure's own pace.
    if chance(0.4):
        found.knobs["children_late_seconds"] = chooser.uniform(1, 6 if patient else 2)
    if chance(0.4):
        found.knobs.update(visibility="late", late_seconds=chooser.uniform(1, 4 if patient else 2))
    return found


# ---- runs -----------------------------------------------------------------------------------------------------------


def _check_run(row: Row, which: str, world: World, told: Draw, timeout: int) -> Counter[str]:
    """One run under these lies, of which an import may take *timeout* seconds; what it broke goes to the row. Returns what
    was thrown at it and what came of it."""
    sandbox = world.sandbox
    world.look()
    before = {place.image: place.held for place in world.places}
    args = {"registry": TARGET, "images": world.entries, "credentials": CREDENTIALS, "import_timeout": timeout}
    patience = 2 * PATIENCE + timeout
    began = time.time()
    try:
        run = run_module("acr_mirror", args, sandbox.env, timeout=patience)
    except subprocess.TimeoutExpired:
        row.lost.append(f"{which}: did not end within {patience:.0f} s")
        return Counter()
    ended = time.time()
    log = sandbox.log()
    lies: Counter[str] = Counter()
    for lie in sandbox.knobs()["lies"]:
        lies[lie["kind"]] += lie["told"]
    sandbox.knobs(lies=[], faults=[])
    operations = sandbox.wait_for_operations(30)
    time.sleep(told.knobs.get("children_late_seconds", 0) + told.knobs.get("late_seconds", 0))
    expected = {place.image: (world.imports(place, told), world.may_fail(place, told)) for place in world.places}
    protected = [place for place in world.places if place.protected]
    results = {result["image"]: result for result in run.result.get("results") or []}
    row.expect(bool(results), f"{which}: no results: {run.result.get('msg', run.output)[:300]}")
    row.expect("Traceback" not in run.output, f"{which}: a stack trace")

    # Nothing that is protected has changed, no import was repeated.
    world.look()
    for place in protected:
        row.expect(place.held == before[place.image], f"{which}: {place.image} was overwritten ({_rules(place)})")
    started = Counter(t for o in operations if o["status"] == "Succeeded" for t in o["targets"])
    for place in world.places:
        count, most = started[f"{place.repository}:{place.tag}"], expected[place.image][0]
        row.expect(count <= most, f"{which}: {place.image} was imported {count} times, needed {most} ({_rules(place)})")

    # What can be right is.
    failed = 0
    for place in world.places:
        result = results.get(place.image)
        if result is None:
            # A selection can only choose what a list shows.
            row.expect(not results or "tags" in world.entries[place.entry], f"{which}: nothing was said of {place.image}")
        elif result["action"] == "failed":
            failed += 1
            row.expect(expected[place.image][1], f"{which}: {place.image} failed ({_rules(place)}): {result.get('error', '')[:300]}")
        elif expected[place.image][0] and place.if_exists != "keep" and not (place.touched and told.lag):
            # (That somebody pushed there just now, a replica that lags can't tell.)
            right = place.held in world.told(place, told)
            row.expect(right, f"{which}: {place.image} is said to be done ({result['action']}), but is not right ({_rules(place)})")
            row.expect(place.whole or not right, f"{which}: {place.image} lacks children ({_rules(place)})")
    fine = {source.image.rpartition(":")[0] for source in world.sources if source.host != HUB and source.image not in told.lost}
    locked = {f"{LOGIN_SERVER}/{place.repository}" for place in world.places if place.locked}  # perhaps the repository
    for image, result in results.items():  # referrers
        if image not in expected and result["action"] == "failed" and re.split(r"@|:(?=[^/]*$)", image)[0] not in locked:
            whose = re.split(r"@|:(?=[^/]*$)", result["source"])[0]
            row.expect(whose not in fine, f"{which}: {image} failed: {result.get('error', '')[:300]}")

    # It ended in time, and told no secrets.
    progress = [o[key] for o in operations for key in ("finished", "visible") if o[key]]
    after = ended - max([began, *progress])
    row.expect(after <= PATIENCE, f"{which}: ended {after:.0f} s after its last progress")
    leaks = {e["host"] for e in log if e["host"] not in TRUSTED and (e["authorization"] or e["principal"] not in (None, "anonymous"))}
    row.expect(not leaks, f"{which}: credentials or tokens went to {', '.join(sorted(leaks))}")
    strange = {e["host"] for e in log} - TRUSTED - FOREIGN
    row.expect(not strange, f"{which}: asked {', '.join(sorted(strange))}")
    row.expect("vendorpass" not in run.output + str(run.tasks), f"{which}: a password was printed")
    return lies + Counter({"": sum(started.values()), "failed": failed, "seconds": round(ended - began)})


def _rules(place: Place) -> str:
    words = [place.if_exists, place.source.kind, place.source.host.split(".")[0]]
    words += [name for name in ("repair", "platform", "locked", "unreadable") if getattr(place, name)]
    return ", ".join(words)


def lies(sandbox: Sandbox, seed: int, size: Size) -> Row:
    """Mirrors while registries lie, lag, and can't be read; each run with other lies, the last one without."""
    sandbox.reset(TARGET)
    world = World(sandbox, seed, size)
    runs = 5 if size.patient else 2
    row = Row("registries that lie or lag", "")
    total: Counter[str] = Counter()
    for number in range(runs + 1):
        chooser = random.Random(f"{seed}/{number}")
        told = draw(world, chooser, size.patient) if number < runs else Draw(knobs={"retry_after": 1})
        sandbox.reset()
        sandbox.patch_upstream(HUB, flags={"pulls_left": None})
        if number:
            world.change()
        # Between what happened and the run lies as much time as the replicas need, if they need more than a moment.
        time.sleep(told.lag if told.lag > 3 else 0)
        for host in ("bearer.vendor.test", "basic.vendor.test", "mcr.microsoft.com"):
            sandbox.patch_upstream(host, flags=told.upstream_flags)
        sandbox.knobs(lies=told.lies, **told.knobs)
        which = f"run {number + 1}" if number < runs else "the run without lies"
        total += _check_run(row, which, world, told, 60 if size.patient else 20)
    for place in world.places:
        source = place.source
        brings = world.entries[place.entry].get("referrers") and place.if_exists in ("update", "reimport") and not place.locked
        if brings and place.held == source.digests[-1] and source.host != HUB:
            there = sandbox.manifests(TARGET, place.repository)
            missing = source.extras[source.digests[-1]] - set(there)
            row.expect(not missing, f"{place.image} lacks {len(missing)} referrers ({_rules(place)})")
    seconds, imported, failed = total.pop("seconds"), total.pop(""), total.pop("failed")
    told_of = ", ".join(f"{count} × {kind}" for kind, count in sorted(total.items()))
    row.thrown = f"{runs} runs over {len(world.places)} targets of {len(world.sources)} images: {told_of}"
    row.note = f"{imported} imports, {failed} failures as foreseen, {seconds / (runs + 1):.0f} s a run"
    return row
