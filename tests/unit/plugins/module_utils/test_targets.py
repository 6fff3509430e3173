# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the target shows, asked in the cheaper way, and what is missing behind it."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.registryops.acr.plugins.module_utils import _targets
from ansible_collections.registryops.acr.plugins.module_utils._acr import Tag
from ansible_collections.registryops.acr.plugins.module_utils._errors import AcrError
from ansible_collections.registryops.acr.plugins.module_utils._plan import Seen
from ansible_collections.registryops.acr.plugins.module_utils._registry import INDEX_TYPES, MANIFEST_TYPES, Descriptor, Manifest
from ansible_collections.registryops.acr.plugins.module_utils._targets import MOST_NESTED, NESTED, Targets

INDEX, IMAGE = INDEX_TYPES[0], MANIFEST_TYPES[2]


def digest(number: int) -> str:
    return "sha256:{0:064x}".format(number)


class Held:
    """A registry that holds *indexes* (digest → what it lists) and *images*, and notes what it is asked."""

    def __init__(self, indexes: dict[str, list[tuple[str, str]]], images: set[str], tags: dict[str, str] | None = None) -> None:
        self.indexes, self.images, self.tagged = indexes, images, tags or {}
        self.asked: list[str] = []

    def describe(self, repository: str, reference: str) -> Descriptor:
        self.asked.append(reference)
        found = self.tagged.get(reference, reference)
        if found not in self.indexes and found not in self.images:
            raise AcrError("not_found", "gone.", status=404)
        return Descriptor(found, INDEX if found in self.indexes else IMAGE)

    def manifest(self, repository: str, reference: str) -> Manifest:
        found = self.describe(repository, reference)
        entries = [{"digest": one, "mediaType": media_type} for one, media_type in self.indexes.get(found.digest, [])]
        return Manifest(found, json.dumps({"manifests": entries}).encode())

    def manifest_list(self, repository: str) -> Any:
        self.asked.append("manifests")
        return iter([{"digest": one} for one in [*self.indexes, *self.images]])

    def find_tags(self, repository: str, names: set[str]) -> Any:
        self.asked.append("tags")
        return {name: Tag(name, self.tagged[name], "now") for name in names if name in self.tagged}, True

    def tag(self, repository: str, name: str) -> Tag | None:
        self.asked.append("tag " + name)
        return Tag(name, self.tagged[name], "now", True) if name in self.tagged else None

    @staticmethod
    def direct(total: int, missing: int) -> bool:
        return False

    def counts(self, repository: str) -> Any:
        return SimpleNamespace(tags=1, manifests=1)


def test_few_tags_are_asked_for_one_by_one_and_many_by_listings() -> None:
    held = Held({}, {digest(1)}, {name: digest(1) for name in "abcd"})
    targets = Targets(held)  # type: ignore[arg-type]
    assert targets.tags("r", ["a", "b"]) == {"a": Seen(digest(1)), "b": Seen(digest(1))}
    assert sorted(held.asked) == ["a", "b"]
    held.asked.clear()
    found = targets.tags("r", ["a", "b", "c", "d", "e"])
    assert found["a"] == Seen(digest(1), True, "now") and found["e"] == Seen()
    assert held.asked == ["tags", digest(1)]


@pytest.mark.parametrize("names", [["lost"], ["lost", "b", "c", "d", "e"]])
def test_a_tag_whose_manifest_is_gone_is_not_intact(names: list[str]) -> None:
    targets = Targets(Held({}, set(), {"lost": digest(9)}))  # type: ignore[arg-type]
    seen = targets.tags("r", names)["lost"]
    assert (seen.digest, seen.intact, seen.present) == (digest(9), False, False)


def test_what_could_not_be_read_is_not_gone() -> None:
    class Busy(Held):
        def describe(self, repository: str, reference: str) -> Descriptor:
            raise AcrError("throttled", "later.")

    held = Busy({}, set(), {})
    for read in (lambda: Targets(held).tag("r", "a"), lambda: Targets(held).gone("r", [digest(1)])):  # type: ignore[arg-type]
        with pytest.raises(AcrError, match="later"):
            read()


def test_damage_at_any_depth() -> None:
    inner = {digest(2): [(digest(3), IMAGE), (digest(4), IMAGE)]}
    held = Held({digest(1): [(digest(2), INDEX), (digest(5), IMAGE)], **inner}, {digest(3), digest(5)})
    assert Targets(held).damage("r", [digest(1)]) == {digest(1): [digest(4)]}  # type: ignore[arg-type]
    held.images.add(digest(4))
    assert Targets(held).damage("r", [digest(1)]) == {}  # type: ignore[arg-type]
    assert Targets(held).damage("r", [digest(7)]) == {digest(7): [digest(7)]}  # type: ignore[arg-type]


def test_indexes_without_end_are_not_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    """An index of 100 indexes of 100 indexes, each of them another: an attack on whoever follows them all."""
    number = iter(range(10, 10**9))

    class Endless(Held):
        def manifest(self, repository: str, reference: str) -> Manifest:
            self.asked.append(reference)
            assert len(self.asked) < 1000, "it never ends"
            self.indexes[reference] = self.indexes.get(reference) or [(digest(next(number)), INDEX) for _n in range(100)]
            entries = [{"digest": one, "mediaType": INDEX} for one, _type in self.indexes[reference]]
            return Manifest(Descriptor(reference, INDEX), json.dumps({"manifests": entries}).encode())

    held = Endless({}, set())
    monkeypatch.setattr(_targets.Targets, "gone", lambda self, repository, digests: set())
    assert Targets(held).damage("r", [digest(1)]) == {}  # type: ignore[arg-type]
    assert len(held.asked) == 1 + (NESTED - 1) * MOST_NESTED
