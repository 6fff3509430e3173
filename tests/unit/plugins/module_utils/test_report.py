# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What modules return of a run: the same for one image as for many."""

from __future__ import annotations

from typing import Any

import pytest

from ansible_collections.registryops.acr.plugins.module_utils._blocked import Blocked
from ansible_collections.registryops.acr.plugins.module_utils._errors import AcrError
from ansible_collections.registryops.acr.plugins.module_utils._plan import (
    Desired,
    Diff,
    Item,
    Observed,
    Origin,
    Rules,
    SourceRegistry,
    Target,
    Unplanned,
)
from ansible_collections.registryops.acr.plugins.module_utils._report import Report
from ansible_collections.registryops.acr.plugins.module_utils._signatures import Signature

A, B = ("sha256:" + letter * 64 for letter in "ab")
NO = AcrError("denied", "No.")


def item(target: str = "1.0", digest: str | None = A, shown: str | None = None, entry: int = 0, **facts: Any) -> Item:
    desired = Desired(Target("team/app", target), Origin(SourceRegistry("quay.io"), "team/app", "1.0", digest), entry=entry)
    return Item(desired, Observed.there(shown) if shown else Observed.absent(), **{"action": "none", **facts})


def report(*items: Item, **facts: Any) -> Report:
    return Report("contosoprod.azurecr.test", list(items), **facts)


@pytest.mark.parametrize(
    ("found", "digest"),
    [
        (item(shown=B, action="update"), A),
        (item(shown=B, action="keep"), B),
        (item(action="keep"), None),
        (item(digest=None, shown=B), B),
        (item(shown=B, error=NO), None),
    ],
)
def test_the_digest_that_a_target_has_now(found: Item, digest: str | None) -> None:
    assert found.digest == digest and report(found).results()[0]["digest"] == digest


def test_a_target_as_modules_return_it() -> None:
    same = {"image": "contosoprod.azurecr.test/team/app:1.0", "source": "quay.io/team/app:1.0"}
    found = report(item(digest=None), item(shown=B, error=NO, operation="registries-1"), item(seconds=2.345, action="import"))
    assert found.results() == [
        {**same, "digest": None, "previous_digest": None, "action": "none", "reason": "equal"},
        {**same, "digest": None, "previous_digest": B, "action": "failed", "error": "No.", "reason": "denied",
         "operation": "registries-1"},
        {**same, "digest": A, "previous_digest": None, "action": "import", "reason": "absent", "seconds": 2.35},
    ]  # fmt: skip


@pytest.mark.parametrize(("locked", "changed"), [(None, False), (False, False), (True, True)])
def test_to_lock_a_target_is_a_change(locked: bool | None, changed: bool) -> None:
    found = report(item(shown=A, locked=locked))
    assert found.changed is changed and found.results()[0].get("immutable") == (True if locked is not None else None)
    assert "immutable" not in report(item(shown=A, locked=locked, error=NO)).results()[0]


@pytest.mark.parametrize(
    ("facts", "shown"),
    [
        ({"action": "import", "changed": True}, True),
        ({"action": "none"}, True),  # it was there before
        ({"action": "import"}, False),  # it was not even started
        ({"action": "import", "changed": True, "error": NO}, False),
    ],
)
def test_a_backup_that_was_made_is_shown_even_if_nothing_came_of_the_rest(facts: dict[str, Any], shown: bool) -> None:
    found = report(item(shown=B, action="update", error=NO, backup=item("1.0-old", B, **facts)))
    assert found.results()[0].get("backup") == ("contosoprod.azurecr.test/team/app:1.0-old" if shown else None)
    assert bool(found.changed) is bool(facts.get("changed"))


def test_what_else_there_is_to_say_of_a_target() -> None:
    noted = item(shown=B, action="keep")
    noted.desired = noted.desired._replace(rules=Rules(blocked=Blocked([B])))
    assert report(noted, item("2.0")).results()[0]["note"].startswith(f"team/app:1.0 was found to hold {B}, which is blocked.")
    assert "note" not in report(item(shown=B)).results()[0]


def test_nobody_has_looked_at_what_is_not_verified() -> None:
    found = Item(Desired(Target("team/app", "1.0"), Origin(SourceRegistry("quay.io"), "team/app", "1.0")), action="import")
    assert (report(found).results()[0]["digest"], report(found).results()[0]["previous_digest"]) == (None, None)


def test_what_could_not_be_planned_is_in_its_place() -> None:
    unplanned = [Unplanned(1, "mirror/x:*", "quay.io/x:*", NO)]
    found = report(item(entry=0), item("2.0", entry=2), item("3.0", entry=1), unplanned=unplanned)
    assert [row["image"].partition("/")[2] for row in found.results()] == [
        "team/app:1.0", "mirror/x:*", "team/app:3.0", "team/app:2.0",
    ]  # fmt: skip
    assert found.results()[1] == {
        "image": "contosoprod.azurecr.test/mirror/x:*", "source": "quay.io/x:*", "digest": None, "previous_digest": None,
        "action": "failed", "error": "No.", "reason": "denied",
    }  # fmt: skip
    assert found.errors == [NO]


def test_a_signature_is_shown_with_what_it_signs() -> None:
    signature = Signature("keyless", "me@team.test", "2026-03-01T10:00:00Z")
    row, other = report(item(signature=signature), item("2.0")).results()
    assert row["signature"] == {"kind": "keyless", "identity": "me@team.test", "time": "2026-03-01T10:00:00Z"}
    assert "signature" not in other


def test_it_is_told_since_when_something_was_in_quarantine() -> None:
    since = {"quarantined_at": "2026-01-01T00:00:00Z"}
    promoted, failed, other = report(item(**since), item("2.0", error=NO, **since), item("3.0")).results()
    assert promoted["quarantined_at"] == since["quarantined_at"]
    assert "quarantined_at" not in failed and "quarantined_at" not in other


@pytest.mark.parametrize(
    ("errors", "reason"),
    [
        ([], None),
        (["denied"], "denied"),
        (["denied", "denied"], "denied"),
        (["denied", "locked"], "several"),
        (["stopped", "denied", "stopped"], "denied"),  # the others were stopped by it
        (["stopped"], "stopped"),
    ],
)
def test_one_word_says_why_a_run_failed(errors: list[str], reason: str | None) -> None:
    found = report(item(), *[item(error=AcrError(one, "No.")) for one in errors])
    assert found.result().get("reason") == reason


def test_the_diff_and_whether_anything_changed() -> None:
    planned = Diff()
    planned.add([item(action="import"), item("2.0", shown=B, action="update"), item("3.0", shown=A), item("4.0", error=NO)])
    found = report(item(changed=True), diff=planned)
    header = "contosoprod.azurecr.test"
    assert found.result() == {
        "changed": True,
        "diff": [
            {
                "before_header": header, "after_header": header,
                "before": {"team/app:1.0": None, "team/app:2.0": B}, "after": {"team/app:1.0": A, "team/app:2.0": A},
            }
        ],
    }  # fmt: skip
    assert report(item()).result() == {"changed": False, "diff": []}
