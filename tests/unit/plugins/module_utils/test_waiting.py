# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs that find images in quarantine, or bring them there: what is asked for that, and what comes of it."""

from __future__ import annotations

import random
import time
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from typing import Any

import pytest

from ansible_collections.registryops.acr.plugins.module_utils._errors import AcrError
from ansible_collections.registryops.acr.plugins.module_utils._expand import expand
from ansible_collections.registryops.acr.plugins.module_utils._options import parse_entries
from ansible_collections.registryops.acr.plugins.module_utils._plan import (
    Conflict,
    Import,
    Item,
    Observed,
    Origin,
    decide,
    imports,
)
from ansible_collections.registryops.acr.plugins.module_utils._planner import Planner
from ansible_collections.registryops.acr.plugins.module_utils._quarantine import name_for
from ansible_collections.registryops.acr.plugins.module_utils._resolver import Resolver
from ansible_collections.registryops.acr.plugins.module_utils._signatures import Signature
from ansible_collections.registryops.acr.plugins.module_utils._source import Known
from ansible_collections.registryops.acr.plugins.module_utils._target import TargetRegistry
from ansible_collections.registryops.acr.plugins.module_utils._vetting import Vetting
from tests.signing import new_key, public_pem
from tests.unit.plugins.held import IMAGE, INDEX, HeldAzure, HeldRegistry, Opened, digest

A, B, C, D = (digest(number) for number in (1, 2, 3, 4))
HOUR, DAY = 3600.0, 86400.0
BEGIN = 1_790_000_000.0  # when the clock of the registry starts
KEY = public_pem(new_key())
WAITS = {"quarantine": {"min_age": "72h"}}
HELD = "quarantine/team/app"


def stamp(now: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now)) + ".1234567Z"


class World:
    """A source, a target and its clock. *imported*: the requests that Azure got."""

    def __init__(self) -> None:
        self.quay = HeldRegistry("quay.io", team_app={"1.0": A})
        self.target = HeldAzure("contosoprod.azurecr.test")
        self.imported: list[Import] = []
        self.blocked: list[str] = []
        self.now = BEGIN

    def plan(self, *images: dict[str, Any]) -> list[Item]:
        self.target.date = formatdate(self.now, usegmt=True)
        entries = parse_entries(list(images), None, None, None, "azurecr.test", blocked=self.blocked)
        known: Known = {}
        sources = Opened(self.quay, known=known)
        registry = TargetRegistry(self.target, known=known)
        resolver = Resolver(sources, 4)
        planner = Planner(resolver, lambda: registry, 4)
        with ThreadPoolExecutor(4) as pool:
            desired = expand(entries, sources, pool).desired
            yielded = [item for batch in planner.batches(desired) for item in batch]
        planner.close()
        resolver.close()
        registry.close()
        assert sorted(map(id, yielded)) == sorted(map(id, planner.items))
        return planner.items

    def carry_out(self, items: list[Item]) -> None:
        """What Azure makes of it: without Force, a tag that exists stays."""
        for request in imports(items):
            self.imported.append(request)
            if request.origin.registry.name == self.target.host:
                assert request.origin.digest in self.target.tagged[request.origin.repository].values()
            for item in request.items:
                self.hold(item.target.repository, item.target.tag, request.origin.digest or "", request.mode == "Force")

    def hold(self, repository: str, tag: str | None, one: str, force: bool = True) -> None:
        tags = self.target.tagged.setdefault(repository, {})
        tag = tag or f"untagged-{one[-4:]}"
        if force or tag not in tags:
            created, _updated = self.target.stamps.get((repository, tag), (stamp(self.now), ""))
            self.target.stamps[repository, tag] = created, stamp(self.now)
            self.target.arrived.setdefault((repository, one), stamp(self.now))
            tags[tag] = one

    def run(self, *images: dict[str, Any]) -> list[Item]:
        items = self.plan(*(images or (app(),)))
        self.carry_out(items)
        return items

    def after(self, hours: float) -> World:
        self.now += hours * HOUR
        return self


@pytest.fixture
def world() -> World:
    return World()


def app(tag: str = "1.0", **options: Any) -> dict[str, Any]:
    return {"source": "quay.io/team/app:" + tag, **WAITS, **options}


def told(items: list[Item]) -> dict[str, tuple[str, str | None]]:
    """By target: what is to be done and why, or why it failed."""
    return {str(item.target): ("failed", item.error.reason) if item.error else (item.told, item.reason) for item in items}


def kept(tag: str | None, one: str) -> str:
    return f"{HELD}:{name_for(tag, one)}"


def test_what_is_new_waits_and_is_promoted_from_where_it_waited(world: World) -> None:
    first = world.run()
    assert told(first) == {"team/app:1.0": ("wait", "new"), kept("1.0", A): ("quarantine", "new")}
    assert (first[0].waiting, first[0].ready_at, first[0].digest) == (A, stamp(BEGIN + 3 * DAY)[:19] + "Z", None)
    assert not first[0].changes and first[1].changes and first[1].mode == "NoForce"
    second = world.after(71).run()
    assert told(second) == {"team/app:1.0": ("wait", "new")}
    assert second[0].ready_at == stamp(BEGIN + 3 * DAY + 1)[:19] + "Z", "not before it is old enough"
    assert (first[0].quarantined_at, second[0].quarantined_at) == ("", stamp(BEGIN)[:19] + "Z")
    third = world.after(1.001).run()
    assert told(third) == {"team/app:1.0": ("import", "promoted")} and third[0].quarantined_at == second[0].quarantined_at
    assert [(str(one.origin), one.mode) for one in world.imported] == [
        ("quay.io/team/app:1.0", "NoForce"), (f"contosoprod.azurecr.test/{HELD}@{A}", "NoForce"),
    ]  # fmt: skip
    assert str(third[0].desired.origin) == "quay.io/team/app:1.0", "what was asked for"
    assert told(world.run()) == {"team/app:1.0": ("none", "equal")}


def test_of_a_tag_that_moves_the_newest_that_is_old_enough(world: World) -> None:
    for one in (A, B, C):
        world.quay.tagged["team/app"]["1.0"] = one
        world.run()
        world.after(24)
    world.quay.tagged["team/app"]["1.0"] = D
    items = world.after(25).run()
    assert told(items) == {"team/app:1.0": ("import", "promoted"), kept("1.0", D): ("quarantine", "new")}
    assert items[0].desired.digest == B and world.target.tagged["team/app"] == {"1.0": B}
    assert told(world.after(24).run())["team/app:1.0"] == ("update", "promoted")
    assert world.target.tagged["team/app"] == {"1.0": C}


def test_what_the_source_went_back_from_never_comes(world: World) -> None:
    """A tag that named something bad for a day: once it is old enough, it is not the newest any more."""
    world.hold("team/app", "1.0", A)
    for one, hours in ((B, 24), (A, 24), (C, 60)):
        world.quay.tagged["team/app"]["1.0"] = one
        world.run()
        world.after(hours)
    assert told(world.run()) == {"team/app:1.0": ("wait", "new")}
    assert told(world.after(24).run()) == {"team/app:1.0": ("update", "promoted")}
    assert [one.origin.digest for one in world.imported] == [B, A, C, C]
    world.quay.tagged["team/app"]["1.0"] = A
    again = world.run()
    assert told(again) == {"team/app:1.0": ("update", "promoted"), kept("1.0", A): ("quarantine", "returned")}
    assert again[1].mode == "Force" and world.target.stamps[HELD, name_for("1.0", A)][1] == stamp(world.now)


def test_what_the_repository_has_held_for_as_long_need_not_wait(world: World) -> None:
    world.hold("team/app", "stable", A)
    assert told(world.after(70).plan(app())) == {"team/app:1.0": ("wait", "new"), kept("1.0", A): ("quarantine", "new")}
    assert told(world.after(3).run()) == {"team/app:1.0": ("import", "absent")}
    assert [str(one.origin) for one in world.imported] == ["quay.io/team/app:1.0"]


def test_what_came_as_a_referrer_has_to_wait_all_the_same(world: World) -> None:
    """Whoever can push to the source makes a bad image a referrer of a good one, and later moves the tag to it."""
    good = app(referrers=True)
    world.run(good)
    world.after(73).run(good)
    world.quay.referring, world.quay.manifests = {A: [B]}, {B: (IMAGE, {"subject": {"digest": A}})}
    world.after(1).run(good)
    assert B in world.target.tagged["team/app"].values()
    world.quay.tagged["team/app"]["1.0"] = B
    assert told(world.after(1).run(good))["team/app:1.0"] == ("wait", "new")
    assert world.target.tagged["team/app"]["1.0"] == A


@pytest.mark.parametrize("came", ["yesterday", None])
def test_what_does_not_say_since_when_it_is_held_has_to_wait(world: World, came: Any) -> None:
    world.hold("team/app", "stable", A)
    world.target.arrived["team/app", A] = came
    assert told(world.after(80).plan(app()))["team/app:1.0"] == ("failed", "protocol")


@pytest.mark.parametrize("options", [{"if_exists": "keep"}, {"if_exists": "reimport"}, {"if_exists": "fail"}, {"repair": True}])
def test_what_is_right_or_kept_has_nothing_to_do_with_it(world: World, options: dict[str, Any]) -> None:
    world.hold("team/app", "1.0", A)
    expected = {"keep": "keep", "reimport": "reimport"}.get(str(options.get("if_exists")), "none")
    assert [item.told for item in world.run(app(**options))] == [expected]


def test_a_release_that_differs_does_not_come_into_quarantine(world: World) -> None:
    world.hold("team/app", "1.0", B)
    assert told(world.run(app(if_exists="fail"))) == {"team/app:1.0": ("failed", "exists")}
    world.target.locks = {"1.0"}
    assert told(world.run()) == {"team/app:1.0": ("failed", "locked")}


def test_who_names_a_digest_gets_that(world: World) -> None:
    world.run()
    world.quay.tagged["team/app"]["2.0"] = B
    pinned = app("1.0@" + B)
    assert told(world.after(80).run(pinned)) == {"team/app:1.0": ("wait", "new"), kept("1.0", B): ("quarantine", "new")}
    assert told(world.after(73).run(pinned)) == {"team/app:1.0": ("import", "promoted")}
    assert world.target.tagged["team/app"] == {"1.0": B}


def test_without_a_tag(world: World) -> None:
    bare = {"source": "quay.io/team/app@" + A, "target": [], "untagged_repositories": ["team/app"], **WAITS}
    assert told(world.run(bare)) == {f"team/app@{A}": ("wait", "new"), kept(None, A): ("quarantine", "new")}
    assert told(world.after(73).run(bare)) == {f"team/app@{A}": ("import", "promoted")}
    assert told(world.run(bare)) == {f"team/app@{A}": ("none", "equal")}


def test_only_a_platform(world: World) -> None:
    platform = {"os": "linux", "architecture": "arm64"}
    world.quay.manifests = {A: (INDEX, {"manifests": [{"digest": B, "mediaType": IMAGE, "platform": platform}]}), B: (IMAGE, {})}
    arm = app(platform="linux/arm64")
    assert told(world.run(arm)) == {"team/app:1.0": ("wait", "new"), kept("1.0", B): ("quarantine", "new")}
    assert told(world.after(73).run(arm)) == {"team/app:1.0": ("import", "promoted")}


def test_what_refers_to_an_image_comes_with_its_promotion(world: World) -> None:
    """From the source, so that a signature may come late."""
    world.run(app(referrers=True))
    world.quay.referring, world.quay.manifests = {A: [D]}, {D: (IMAGE, {})}
    assert told(world.after(1).run(app(referrers=True))) == {"team/app:1.0": ("wait", "new")}
    assert told(world.after(73).run(app(referrers=True))) == {"team/app:1.0": ("import", "promoted"), f"team/app@{D}": ("import", "absent")}
    assert [one.origin.registry.name for one in world.imported] == ["quay.io", "contosoprod.azurecr.test", "quay.io"]


def test_what_is_blocked_neither_comes_into_quarantine_nor_out_of_it(world: World) -> None:
    world.run()
    world.blocked = [A]
    assert told(world.after(80).run()) == {"team/app:1.0": ("failed", "blocked")}
    world.quay.tagged["team/app"]["1.0"] = B
    assert told(world.run())["team/app:1.0"] == ("wait", "new")
    world.blocked = [C]
    world.target.manifests[A] = (INDEX, {"manifests": [{"digest": C, "mediaType": IMAGE}]})
    assert told(world.run())["team/app:1.0"] == ("failed", "blocked"), "what it lists, too"


def test_what_is_promoted_in_place_of_what_the_tag_names_is_vetted_too(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    signed = {B}

    def signature(_self: Any, origin: Origin, _signers: Any) -> Signature:
        if origin.digest not in signed:
            raise AcrError("unsigned", "No signature of it was found.")
        return Signature("key", origin.digest or "", None)

    monkeypatch.setattr(Vetting, "signature", signature)
    world.run()  # nobody asked for signatures then
    world.quay.tagged["team/app"]["1.0"] = B
    vetted = app(signed_by=[{"key": KEY}])
    items = world.after(80).run(vetted)
    assert told(items)["team/app:1.0"] == ("failed", "unsigned") and "1.0" not in world.target.tagged.get("team/app", {})
    signed.add(A)
    [promoted] = [item for item in world.after(1).run(vetted) if str(item.target) == "team/app:1.0"]
    assert (promoted.digest, promoted.reason) == (A, "promoted") and promoted.signature == Signature("key", A, None)


def test_a_signature_is_told_of_what_it_signs_alone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Vetting, "signature", lambda _self, origin, *_rest: Signature("key", origin.digest, None))
    vetted = app(signed_by=[{"key": KEY}])
    for named, signed in ((A, A), (B, None)):  # the tag moves on, and its first digest is still the next one
        world.quay.tagged["team/app"]["1.0"] = named
        waits, arriving = world.after(1).run(vetted)
        assert waits.waiting == A and waits.signature == (signed and Signature("key", signed, None))
        assert arriving.told == "quarantine" and arriving.signature == Signature("key", named, None)


def test_a_tag_that_no_listing_shows_is_there_all_the_same(world: World) -> None:
    world.run()
    world.target.hidden = {name_for("1.0", A)}
    assert told(world.after(71).run()) == {"team/app:1.0": ("wait", "new")}
    assert told(world.after(2).run()) == {"team/app:1.0": ("import", "promoted")}


def test_a_tag_in_quarantine_that_somebody_has_moved_is_not_taken_over(world: World) -> None:
    """It keeps the time when it was made, so that what it names would seem old."""
    world.hold(HELD, name_for("1.0", A), B)
    items = world.after(80).run()
    assert told(items) == {"team/app:1.0": ("wait", "new"), kept("1.0", A): ("quarantine", "new")} and items[1].mode == "NoForce"
    with pytest.raises(Conflict, match="exists with digest " + B):
        decide(items[1].desired, Observed.there(B))


@pytest.mark.parametrize("look", [("tag_list", HELD), ("tag", HELD, name_for("1.0", A)), ("metadata", "team/app", A)])
def test_what_can_not_be_read_fails_the_images_it_concerns(world: World, look: tuple[str, ...]) -> None:
    world.target.fails = {look: AcrError("denied", "no.")}
    items = world.run(app(), app(target=["other"]))
    assert told(items)["team/app:1.0"] == ("failed", "denied") and told(items)["other:1.0"] == ("wait", "new")
    assert [str(one.target) for one in items if one.changes] == [f"quarantine/other:{name_for('1.0', A)}"]


@pytest.mark.parametrize("broken", ["no Date", "no time"])
def test_a_registry_that_tells_no_time(world: World, broken: str) -> None:
    world.run()
    plan = world.plan
    if broken == "no Date":
        world.target.now = HeldAzure("x").now
    else:
        world.target.stamps[HELD, name_for("1.0", A)] = ("yesterday", "yesterday")
    item, other = plan(app(), app(target=["other"], quarantine=None))
    assert item.error is not None and item.error.reason == "protocol" and "time" in str(item.error)
    assert other.told == "import", "it has nothing to do with that"


def test_what_it_costs(world: World) -> None:
    """One listing for each repository, and one question for each image that is new."""
    world.target.hold(team_app={f"1.{number}": digest(100 + number) for number in range(20)})
    world.quay.hold(team_app=dict(world.target.tagged["team/app"]))
    images = [app(f"1.{number}") for number in range(20)]
    world.run(*[{**one, "quarantine": None} for one in images])
    plain = len(world.target.asked)
    world.target.asked.clear()
    world.run(*images)
    assert len(world.target.asked) == plain + 1 and ("tag_list", HELD) in world.target.asked


def test_two_runners_at_once_bring_it_once(world: World) -> None:
    one, other = world.plan(app()), world.plan(app())
    world.carry_out(one), world.after(1).carry_out(other)
    assert world.target.stamps[HELD, name_for("1.0", A)] == (stamp(BEGIN), stamp(BEGIN))


@pytest.mark.parametrize("seed", range(4))
def test_a_month_of_a_busy_tag(world: World, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two runners whose clocks are days off, at odd hours, sometimes at once; a tag that moves daily, and sometimes back, and one
    that follows it. After each run, the target has the newest digest that is old enough: none younger, and none older."""
    chance = random.Random(seed)
    number, moves_at, runs_at = 100, world.now, world.now
    seen: dict[str, dict[str, float]] = {"edge": {}, "stable": {}}  # tag → digest → when a run last saw it
    since: dict[str, float] = {}  # digest → when it came into quarantine
    tags = world.quay.tagged["team/app"] = {"edge": digest(number), "stable": digest(number)}
    promoted = 0
    while world.now < BEGIN + 30 * DAY:
        world.now = min(moves_at, runs_at)
        if moves_at <= runs_at:
            if number > 100 and chance.random() < 0.2:
                tags["edge"] = digest(number - 1)  # back
            else:
                number += 1
                tags["edge"] = digest(number)
            if chance.random() < 0.3:
                tags["stable"] = tags["edge"]
            moves_at += chance.uniform(2, 40) * HOUR
            continue
        runs_at += chance.uniform(1, 15) * HOUR
        before = dict(world.target.tagged.get("team/app", {}))
        plans = []
        for skew in chance.sample([-5 * DAY, 5 * DAY], chance.choice([1, 1, 2])):
            monkeypatch.setattr(time, "time", lambda skew=skew: world.now + skew)
            plans.append(world.plan(app("edge"), app("stable")))
        for items in plans:
            world.carry_out(items)
        for tag, one in tags.items():
            seen[tag][one] = world.now
            since.setdefault(one, world.now)
        for tag in tags:
            old = {one: at for one, at in seen[tag].items() if since[one] + 3 * DAY <= world.now}
            expected = max(old, key=old.__getitem__, default=None)
            found = world.target.tagged.get("team/app", {}).get(tag)
            assert found == expected, f"{tag} after {(world.now - BEGIN) / DAY:.2f} days"
            promoted += found != before.get(tag)
    assert promoted > 15
