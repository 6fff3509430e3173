# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is locked to be immutable, what that asks, and what keeps it from being locked."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor

import pytest

from ansible_collections.registryops.acr.plugins.module_utils import _plan
from ansible_collections.registryops.acr.plugins.module_utils._errors import AcrError, IdentityError
from ansible_collections.registryops.acr.plugins.module_utils._immutable import lock
from ansible_collections.registryops.acr.plugins.module_utils._plan import Desired, Diff, Item, Observed, Origin, Rules, Target
from ansible_collections.registryops.acr.plugins.module_utils._plan import SourceRegistry as Source
from ansible_collections.registryops.acr.plugins.module_utils._target import TargetRegistry
from tests.unit.plugins.held import HeldAzure, digest

A, B = digest(1), digest(2)
DENIED = AcrError("denied", "This account isn't allowed to.", status=401)


@pytest.fixture
def pool() -> Iterator[Executor]:
    with ThreadPoolExecutor(4) as found:
        yield found


@pytest.fixture
def registry() -> HeldAzure:
    return HeldAzure("contosoprod.azurecr.test", r={"1": A, "2": B, "3": A, "4": A})


def item(tag: str | None, wanted: str = A, before: str | None = A, action: str = _plan.NONE, immutable: bool = True) -> Item:
    target = Target("r", tag, None if tag else wanted)
    desired = Desired(target, Origin(Source("quay.io"), "app", "1", wanted), Rules(immutable=immutable))
    observed = Observed.there(before) if before else Observed.absent()
    return Item(desired, observed, action, changed=action in _plan.CHANGING)


def asked(registry: HeldAzure) -> list[tuple[str, ...]]:
    found, registry.asked = registry.asked, []
    return found


def test_what_was_imported_is_locked_and_read_back(registry: HeldAzure, pool: Executor) -> None:
    one = item("1", before=None, action=_plan.IMPORT)
    assert lock(TargetRegistry(registry), [one, item("2", B, immutable=False)], pool, check=False) == [one]
    assert registry.immutable == {("r", "1"), ("r", A)} and one.locked and one.error is None
    first, *rest = asked(registry)
    assert first == ("prepare locking", "r")
    assert sorted(rest) == [("lock", "r", "1"), ("lock", "r", A), ("metadata", "r", A), ("tag", "r", "1")]


def test_what_is_right_is_looked_at_and_locked_if_it_is_not(registry: HeldAzure, pool: Executor) -> None:
    registry.immutable = {("r", A), ("r", "1")}
    items = [item("1"), item("3")]
    for check in (True, False):
        lock(TargetRegistry(registry), items, pool, check)
        assert [one.locked for one in items] == [False, True], "the tag alone was open"
        assert (("r", "3") in registry.immutable) is not check
    diff = Diff()
    diff.lock(items)
    assert (diff.before, diff.after) == ({"r:3": A}, {"r:3": f"{A} (immutable)"})
    assert [what for what in asked(registry) if what[0] == "lock"] == [("lock", "r", "3")]
    lock(TargetRegistry(registry), items, pool, check=False)
    assert [one.locked for one in items] == [False, False]
    assert sorted(asked(registry)) == [("metadata", "r", A), ("tag", "r", "1"), ("tag", "r", "3")], "one look at each thing"


def test_a_write_lock_alone_is_not_enough(registry: HeldAzure, pool: Executor) -> None:
    registry.locks = {"1", A}
    one = item("1")
    lock(TargetRegistry(registry), [one], pool, check=True)
    assert one.locked


def test_what_listings_show_is_not_asked_for(registry: HeldAzure, pool: Executor) -> None:
    registry.tagged["r"] = dict(zip("12345", map(digest, range(1, 6))))
    items = [item(tag, held, held) for tag, held in registry.tagged["r"].items()]
    registry.immutable = {("r", name) for pair in registry.tagged["r"].items() for name in pair}
    targets = TargetRegistry(registry)
    targets.tags("r", "12345")
    assert [what[0] for what in asked(registry)] == ["manifest_list"]
    lock(targets, items, pool, check=False)
    assert [what[0] for what in asked(registry)] == ["tag_list"] and [one.locked for one in items] == [False] * 5


def test_check_mode_says_what_would_be_locked(registry: HeldAzure, pool: Executor) -> None:
    new = item("9", before=None, action=_plan.IMPORT)
    new.changed = False
    moving = item("2", A, B, _plan.UPDATE)
    lock(TargetRegistry(registry), [new, moving], pool, check=True)
    assert new.locked and moving.locked and asked(registry) == [] == sorted(registry.immutable)


def test_a_manifest_without_a_tag(registry: HeldAzure, pool: Executor) -> None:
    lock(TargetRegistry(registry), [item(None)], pool, check=False)
    assert registry.immutable == {("r", A)}


def test_what_is_kept_is_locked_as_it_is(registry: HeldAzure, pool: Executor) -> None:
    one = item("2", A, B, _plan.KEEP)
    lock(TargetRegistry(registry), [one], pool, check=False)
    assert registry.immutable == {("r", "2"), ("r", B)} and one.digest == B


def test_what_waits_in_quarantine_must_still_move(registry: HeldAzure, pool: Executor) -> None:
    assert lock(TargetRegistry(registry), [item("1", B, action=_plan.WAIT)], pool, check=False) == []
    assert asked(registry) == [] and not registry.immutable


def test_what_failed_or_is_on_its_way_is_left_alone(registry: HeldAzure, pool: Executor) -> None:
    failed, started = item("1"), item("2", B, None, _plan.IMPORT)
    failed.fail(DENIED)
    started.operation = "registries-1"
    assert lock(TargetRegistry(registry), [failed, started], pool, check=False) == []
    assert asked(registry) == [] and failed.locked is started.locked is None


@pytest.mark.parametrize("failure", [DENIED, IdentityError("The secret has expired.")])
def test_what_can_not_be_locked_fails_and_says_that_it_is_there(
    registry: HeldAzure, pool: Executor, failure: AcrError
) -> None:
    new, old, other = item("1", before=None, action=_plan.IMPORT), item("3"), item("2", B)
    registry.fails = {("lock", "r", A): failure, ("prepare locking",): failure}
    lock(TargetRegistry(registry), [new, old, other], pool, check=False)
    assert [str(one.error) for one in (new, old)] == [
        f"r:1 was imported, but could not be made immutable: {failure}",
        f"r:3 is in the registry, but could not be made immutable: {failure}",
    ]
    assert new.error is not None and new.error.reason == failure.reason and new.changed
    assert other.error is None and {("r", "2"), ("r", B)} <= registry.immutable, "one is no other's"
    assert new.locked, "its tag was"


def test_a_look_that_fails(registry: HeldAzure, pool: Executor) -> None:
    one = item("1")
    registry.fails = {("tag", "r", "1"): DENIED}
    lock(TargetRegistry(registry), [one], pool, check=True)
    assert str(one.error).startswith("r:1 is in the registry, but could not be made immutable: This account isn't")


def test_a_tag_that_somebody_moved_meanwhile(registry: HeldAzure, pool: Executor) -> None:
    one = item("2", A)
    lock(TargetRegistry(registry), [one], pool, check=False)
    assert one.error is not None and one.error.reason == "lost"
    assert str(one.error).endswith(f"It now has digest {B} instead of {A}. Run again.")
    assert ("r", "2") not in registry.immutable, "what it names now was never checked"


def test_a_lock_that_is_accepted_and_does_not_show(
    registry: HeldAzure, pool: Executor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry, "lock", lambda repository, reference: None)
    one = item("1", before=None, action=_plan.IMPORT)
    lock(TargetRegistry(registry), [one], pool, check=False)
    assert one.error is not None and one.error.reason == "lost" and "accepted the lock, but doesn't show it" in str(one.error)
    assert len([what for what in asked(registry) if what[0] == "tag"]) == 5, "it may come late"
