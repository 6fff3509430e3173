# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What refers to an image, found in graphs of every shape."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.registryops.acr.plugins.module_utils import _referrers
from ansible_collections.registryops.acr.plugins.module_utils._errors import AcrError
from ansible_collections.registryops.acr.plugins.module_utils._plan import Origin
from ansible_collections.registryops.acr.plugins.module_utils._referrers import DEPTH, Referrers


def digest(number: int) -> str:
    return "sha256:{0:064x}".format(number)


class Graph:
    """A source whose manifests refer to each other as *referring* says (digest number → numbers), and list *children*."""

    def __init__(self, referring: dict[int, list[int]], children: dict[int, list[int]] | None = None) -> None:
        self.asked: list[str] = []
        self.registry = self
        self.name = "registry.test"
        self._referring = {digest(one): [digest(n) for n in others] for one, others in referring.items()}
        self._children = {digest(one): [digest(n) for n in others] for one, others in (children or {}).items()}

    def referrers(self, repository: str, subject: str) -> list[dict[str, Any]]:
        self.asked.append(subject)
        return [{"digest": one} for one in self._referring.get(subject, [])]

    def manifest(self, repository: str, reference: str) -> Any:
        found = [{"digest": one} for one in self._children.get(reference, [])]
        return SimpleNamespace(children=lambda: found)


def find(graph: Any, tags: dict[str, str] | None = None) -> Any:
    sources: Any = SimpleNamespace(listing=lambda source, repository: tags or {}, known=lambda one: None)
    origin = Origin(graph, "team/app", "1", digest(0))
    with ThreadPoolExecutor(2) as pool:
        found = Referrers(sources, pool).of([origin])[origin.key]
    return found if isinstance(found, AcrError) else [(one.tag, one.digest) for one in found]


def test_signatures_of_signatures_and_of_platforms() -> None:
    graph = Graph({0: [1, 2], 1: [3], 10: [4], 3: []}, {0: [10, 11]})
    assert sorted(find(graph)) == [(None, digest(n)) for n in (1, 2, 3, 4)]
    assert len(graph.asked) == len(set(graph.asked)), "each manifest is asked for once"


def test_circles_end() -> None:
    assert find(Graph({0: [1], 1: [2], 2: [0, 1]})) == [(None, digest(n)) for n in (1, 2, 0)]


def test_chains_end() -> None:
    assert len(find(Graph({n: [n + 1] for n in range(100)}))) == DEPTH


def test_crowds_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_referrers, "MOST", 10)
    found = find(Graph({0: list(range(1, 12))}))
    assert isinstance(found, AcrError) and "more than 10 referrers" in str(found)


def test_tags_of_a_digest_keep_their_tag() -> None:
    tag = digest(0).replace(":", "-")
    tags = {tag + ".sig": digest(5), tag + ".other": digest(6), "1": digest(0)}
    assert find(Graph({}), tags) == [(tag + ".sig", digest(5))]


def test_what_can_not_be_read_is_no_empty_list() -> None:
    class Busy(Graph):
        def referrers(self, repository: str, subject: str) -> list[dict[str, Any]]:
            raise AcrError("throttled", "registry.test is busy.")

    found = find(Busy({}))
    assert isinstance(found, AcrError) and found.kind == "throttled" and "team/app:1" in str(found)
