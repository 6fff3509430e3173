# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What refers to an image, found in graphs of every shape."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ansible_collections.registryops.acr.plugins.module_utils import _referrers
from ansible_collections.registryops.acr.plugins.module_utils._errors import AcrError
from ansible_collections.registryops.acr.plugins.module_utils._manifest import Descriptor
from ansible_collections.registryops.acr.plugins.module_utils._plan import Origin, SourceRegistry
from ansible_collections.registryops.acr.plugins.module_utils._referrers import DEPTH, Referrers
from ansible_collections.registryops.acr.plugins.module_utils._source import Known, Source
from tests.unit.plugins.held import IMAGE, INDEX, HeldAzure, HeldRegistry, digest


class Graph(HeldRegistry):
    """A source whose manifests refer to each other as *referring* says (digest number → numbers), and list *children*."""

    def __init__(self, referring: dict[int, list[int]], children: dict[int, list[int]] | None = None) -> None:
        super().__init__("registry.test", team_app={"1": digest(0)})
        self.referring = {digest(one): [digest(n) for n in others] for one, others in referring.items()}
        for one in range(101):
            self.manifests[digest(one)] = (IMAGE, {})
        for one, others in (children or {}).items():
            listed = [{"digest": digest(n), "mediaType": INDEX if n in (children or {}) else IMAGE} for n in others]
            self.manifests[digest(one)] = (INDEX, {"manifests": listed})


KEY = SourceRegistry("registry.test")


def look(graph: Graph, *origins: Origin, known: Known | None = None) -> Any:
    with ThreadPoolExecutor(2) as pool:
        found = Referrers(Source(KEY, graph, None, known or {}), pool).of(origins)
    return {key: one if isinstance(one, AcrError) else [each.origin for each in one] for key, one in found.items()}


def find(graph: Graph, tags: dict[str, str] | None = None) -> Any:
    graph.tagged["team/app"].update(tags or {})
    origin = Origin(KEY, "team/app", "1", digest(0))
    found = look(graph, origin)[origin.key]
    return found if isinstance(found, AcrError) else [(one.tag, one.digest) for one in found]


def test_signatures_of_signatures_and_of_platforms() -> None:
    graph = Graph({0: [1, 2], 1: [3], 10: [4], 3: []}, {0: [10, 11]})
    assert sorted(find(graph)) == [(None, digest(n)) for n in (1, 2, 3, 4)]
    assert len(graph.asked) == len(set(graph.asked)), "all is asked for once"


def test_circles_end() -> None:
    assert find(Graph({0: [1], 1: [2], 2: [0, 1]})) == [(None, digest(n)) for n in (1, 2, 0, 1)], "with another subject"


def test_chains_end() -> None:
    assert len(find(Graph({n: [n + 1] for n in range(DEPTH - 1)}))) == DEPTH - 1
    found = find(Graph({n: [n + 1] for n in range(100)}))
    assert isinstance(found, AcrError) and f"referrers {DEPTH} levels deep" in str(found)


def test_crowds_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_referrers, "MOST", 10)
    found = find(Graph({0: list(range(1, 12))}))
    assert isinstance(found, AcrError) and "more than 10 referrers" in str(found)


def test_tags_of_a_digest_keep_their_tag() -> None:
    tag = digest(0).replace(":", "-")
    tags = {tag + ".sig": digest(5), tag + ".other": digest(6), "1": digest(0)}
    assert find(Graph({}), tags) == [(tag + ".sig", digest(5))]


SIG = digest(0).replace(":", "-") + ".sig"


def test_a9_a_signature_that_no_listing_shows_is_found() -> None:
    graph = Graph({})
    graph.hidden = {SIG}
    assert find(graph, {SIG: digest(5)}) == [(SIG, digest(5))]
    asked = [what for what in graph.asked if what[0] == "describe"]
    names = {digest(n).replace(":", "-") + end for n in (0, 5) for end in (".sig", ".att", ".sbom")}
    assert sorted(what[2] for what in asked) == sorted(names), "each name once"
    assert not [what for what in graph.asked if what[0] == "tags"], "and no listing"


def test_one_answer_that_a_signature_is_missing_does_not_outweigh_a_listing() -> None:
    registry = HeldAzure("registry.test", team_app={"1": digest(0), SIG: digest(5)})
    registry.late = {("describe", "team/app", SIG): 1}
    origin = Origin(KEY, "team/app", "1", digest(0))
    with ThreadPoolExecutor(2) as pool:
        ((found,),) = Referrers(Source(KEY, registry, None, {}), pool).of([origin]).values()
    assert (found.origin.tag, found.origin.digest, found.subject, found.found_by) == (SIG, digest(5), digest(0), "tag")
    assert registry.asked.count(("tag_list", "team/app")) == 1


def test_a_registry_that_leads_to_another_one_with_all_questions_may_have_no_signatures() -> None:
    """As registry.k8s.io does: that the other one has no such tag is enough here. What it refuses is not."""
    graph = Graph({})
    led = AcrError("protocol", "It redirects to another host.", status=404, codes=("MANIFEST_UNKNOWN",))
    graph.fails = {("describe", "team/app", digest(0).replace(":", "-") + "." + end): led for end in ("sig", "att", "sbom")}
    assert find(graph) == []
    graph.fails = dict.fromkeys(graph.fails, AcrError("invalid", "It redirects to another host.", status=401))
    assert "another host" in str(find(graph))


def test_what_is_too_long_for_a_tag_is_no_question() -> None:
    graph = Graph({})
    long = "sha512:" + "a" * 128
    graph.manifests[long] = (IMAGE, {})
    origin = Origin(KEY, "team/app", "1", long)
    assert look(graph, origin) == {origin.key: []}
    assert not [what for what in graph.asked if what[0] == "describe"]


def test_e7_what_refers_to_the_platforms_of_an_index_in_an_index() -> None:
    graph = Graph({10: [1], 11: [2], 13: [3]}, {0: [10, 12], 10: [11], 12: [13]})
    assert sorted(find(graph)) == [(None, digest(n)) for n in (1, 2, 3)]


def test_an_image_that_is_also_a_part_of_another_is_looked_into() -> None:
    """What is asked for once must not depend on who asked first."""
    graph = Graph({11: [1]}, {0: [10], 10: [11]})
    origins = [Origin(KEY, "team/app", "1", digest(0)), Origin(KEY, "team/app", "2", digest(10))]
    for order in (origins, origins[::-1]):
        found = look(graph, *order)
        assert [[one.digest for one in found[origin.key]] for origin in origins] == [[digest(1)]] * 2
    asked = [what for what in graph.asked if what[0] == "referrers"]
    assert sorted(asked) == sorted(2 * [("referrers", "team/app", digest(n)) for n in (0, 1, 10, 11)]), "each once in each run"


@pytest.mark.parametrize(("media_type", "times"), [(IMAGE, 0), (INDEX, 1), (None, 1)])
def test_what_is_known_to_be_a_single_image_is_not_read_for_its_platforms(media_type: str | None, times: int) -> None:
    graph = Graph({})
    known = {digest(0): Descriptor(digest(0), media_type)} if media_type else {}
    assert list(look(graph, Origin(KEY, "team/app", "1", digest(0)), known=known).values()) == [[]]
    assert graph.asked.count(("manifest", "team/app", digest(0))) == times


@pytest.mark.parametrize(
    "what", [("referrers",), ("describe", "team/app", SIG), ("manifest", "team/app", digest(0)), ("manifest", "team/app", digest(10))]
)
def test_c2_what_can_not_be_read_is_no_empty_list_and_nobody_elses_failure(what: tuple[str, ...]) -> None:
    graph = Graph({9: []}, {0: [10], 10: [11]})
    graph.fails = {what if len(what) > 1 else ("referrers", "team/app", digest(0)): AcrError("throttled", "registry.test is busy.")}
    bad, good = look(graph, Origin(KEY, "team/app", "1", digest(0)), Origin(KEY, "team/app", "2", digest(9))).values()
    assert isinstance(bad, AcrError) and bad.reason == "throttled" and "team/app:1" in str(bad)
    assert good == []
