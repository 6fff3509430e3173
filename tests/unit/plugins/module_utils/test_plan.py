# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan: each target's step, the imports that steps make, and what a registry looks like after them."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.registryops.acr.plugins.module_utils._plan import (
    CHANGING,
    GONE,
    IMPORT,
    KEEP,
    LISTED,
    NONE,
    REIMPORT,
    REPAIR,
    TARGETS_PER_IMPORT,
    THERE,
    UPDATE,
    Conflict,
    Diff,
    Import,
    Origin,
    Seen,
    Step,
    Target,
    Want,
    decide,
    imports,
    merge,
    origin_name,
    overwrites,
)

A, B, C = ("sha256:" + letter * 64 for letter in "abc")
IF_EXISTS = ("update", "keep", "fail", "reimport")
HUB = "docker.io"


def origin(digest: str | None = A, tag: str | None = "1.27", **facts: Any) -> Origin:
    return Origin(facts.pop("registry", HUB), facts.pop("repository", "library/nginx"), tag, digest, **facts)


def want(if_exists: str = "update", target: str = "base/nginx:1.27", **facts: Any) -> Want:
    repository, _colon, tag = target.partition(":")
    facts.setdefault("origin", origin())
    place = Target(repository, tag or None, None if tag else facts["origin"].digest)
    return Want(place, facts.pop("origin"), if_exists, **facts)


# -- one target ------------------------------------------------------------------------------------------------------

ABSENT, EQUAL, OTHER = Seen(), Seen(A), Seen(B)
FREE = {"locks": ()}  # somebody has looked: nothing is locked
EQUAL_FREE, OTHER_FREE = Seen(A, **FREE), Seen(B, **FREE)
DANGLING, DANGLING_OTHER = Seen(A, GONE, **FREE), Seen(B, GONE, **FREE)


@pytest.mark.parametrize(
    ("if_exists", "seen", "action", "mode"),
    [
        ("update", ABSENT, IMPORT, "NoForce"),
        ("update", EQUAL, NONE, None),
        ("update", OTHER_FREE, UPDATE, "Force"),
        ("update", DANGLING, REPAIR, "Force"),
        ("update", DANGLING_OTHER, REPAIR, "Force"),
        ("keep", ABSENT, IMPORT, "NoForce"),
        ("keep", EQUAL, KEEP, None),
        ("keep", OTHER, KEEP, None),
        ("fail", ABSENT, IMPORT, "NoForce"),
        ("fail", EQUAL, NONE, None),
        ("fail", DANGLING, REPAIR, "Force"),
        ("reimport", ABSENT, IMPORT, "NoForce"),
        ("reimport", EQUAL_FREE, REIMPORT, "Force"),
        ("reimport", OTHER_FREE, UPDATE, "Force"),
        ("reimport", DANGLING, REPAIR, "Force"),
        ("reimport", DANGLING_OTHER, REPAIR, "Force"),
    ],
)
def test_decide(if_exists: str, seen: Seen, action: str, mode: str | None) -> None:
    step = decide(want(if_exists), seen)
    assert (step.action, step.seen) == (action, seen)
    assert step.changes is (mode is not None) is (action in CHANGING)
    assert [work.mode for work in imports([step])] == ([mode] if mode else [])


def test_a_release_tag_with_another_digest_is_an_error() -> None:
    with pytest.raises(Conflict) as caught:
        decide(want("fail"), OTHER)
    assert str(caught.value) == (
        "base/nginx:1.27 exists with digest {0}, but docker.io/library/nginx:1.27 has {1}; nothing was changed. Choose "
        "another tag, or set if_exists: update.".format(B, A)
    )


@pytest.mark.parametrize(("if_exists", "seen"), [("keep", DANGLING), ("keep", DANGLING_OTHER), ("fail", DANGLING_OTHER)])
def test_a_broken_tag_that_must_not_change_is_reported(if_exists: str, seen: Seen) -> None:
    with pytest.raises(Conflict) as caught:
        decide(want(if_exists), seen)
    assert str(caught.value) == (
        "base/nginx:1.27 exists, but its manifest {0} is gone, so it can't be pulled; nothing was changed. Set repair: true to "
        "import it again.".format(seen.digest)
    )
    assert decide(want(if_exists, repair=True), seen).action == REPAIR


@pytest.mark.parametrize("if_exists", IF_EXISTS)
@pytest.mark.parametrize("repair", [True, False])
def test_nothing_is_decided_on_a_listing(if_exists: str, repair: bool) -> None:
    for digest in (A, B):
        with pytest.raises(ValueError, match="was not asked for"):
            decide(want(if_exists, repair=repair), Seen(digest, LISTED, locks=()))


@pytest.mark.parametrize("if_exists", IF_EXISTS)
@pytest.mark.parametrize("seen", [EQUAL, OTHER, DANGLING, DANGLING_OTHER])
def test_nothing_is_overwritten_before_somebody_has_looked_for_locks(if_exists: str, seen: Seen) -> None:
    one = want(if_exists, repair=True)
    if overwrites(one, seen._replace(locks=None)):
        with pytest.raises(ValueError, match="locks"):
            decide(one, seen._replace(locks=None))
    elif (if_exists, seen) != ("fail", OTHER):
        assert not decide(one, seen._replace(locks=None)).changes


@pytest.mark.parametrize("if_exists", IF_EXISTS)
@pytest.mark.parametrize(("seen", "action"), [(ABSENT, IMPORT), (DANGLING, IMPORT)])
def test_a_manifest_without_tag_overwrites_nothing(if_exists: str, seen: Seen, action: str) -> None:
    step = decide(want(if_exists, "base/nginx"), seen)
    assert (step.action, step.mode) == (action, "NoForce")


@pytest.mark.parametrize(
    ("if_exists", "action"), [("update", NONE), ("keep", KEEP), ("fail", NONE), ("reimport", REIMPORT)]
)
def test_a_manifest_without_tag_that_is_there(if_exists: str, action: str) -> None:
    assert decide(want(if_exists, "base/nginx"), EQUAL_FREE).action == action


@pytest.mark.parametrize("seen", [EQUAL, OTHER])
def test_keep_needs_nothing_from_the_source_where_the_target_is_present(seen: Seen) -> None:
    unresolved = want("keep", origin=origin(None))
    assert decide(unresolved, seen) == Step(unresolved, KEEP, seen)


@pytest.mark.parametrize(
    ("if_exists", "seen"),
    [
        ("update", OTHER),
        ("reimport", OTHER),
        ("reimport", EQUAL),
        ("update", DANGLING),
        ("fail", DANGLING),
    ],
)
def test_a_locked_target_is_not_written(if_exists: str, seen: Seen) -> None:
    with pytest.raises(
        Conflict, match=r"^base/nginx:1\.27 is locked against writing \(write-enabled false on its tag\)\. Unlock it"
    ):
        decide(want(if_exists), seen._replace(locks=("tag",)))


@pytest.mark.parametrize(("if_exists", "seen"), [("update", EQUAL), ("fail", EQUAL), ("keep", EQUAL), ("keep", OTHER)])
def test_a_locked_target_that_need_not_be_written_is_fine(if_exists: str, seen: Seen) -> None:
    assert not decide(want(if_exists), seen._replace(locks=("tag",))).changes


@pytest.mark.parametrize(("seen", "advice"), [(OTHER, "Unlock it, or set if_exists: keep."), (DANGLING, "Unlock it.")])
def test_advice_for_a_locked_target_is_only_what_helps(seen: Seen, advice: str) -> None:
    """A tag without its manifest is repaired also with ``keep``."""
    with pytest.raises(Conflict) as caught:
        decide(want("update"), seen._replace(locks=("tag",)))
    assert str(caught.value) == "base/nginx:1.27 is locked against writing (write-enabled false on its tag). " + advice


@pytest.mark.parametrize(
    ("name", "given_origin"),
    [
        ("docker.io/library/nginx:1.27", origin()),
        ("docker.io/library/nginx@" + A, origin(tag=None)),
        (
            "contosodev.azurecr.io/app:1.27",
            origin(registry=SimpleNamespace(name="contosodev.azurecr.io"), repository="app"),
        ),
    ],
)
def test_the_name_of_an_origin_is_the_users(name: str, given_origin: Origin) -> None:
    assert origin_name(given_origin) == name


def test_the_name_of_a_target() -> None:
    assert [str(Target("a/b", "1")), str(Target("a/b", None, A)), str(Target("a/b", None))] == [
        "a/b:1",
        "a/b@" + A,
        "a/b",
    ]


# -- imports ---------------------------------------------------------------------------------------------------------


def steps_for(*pairs: tuple[Want, Seen]) -> list[Step]:
    return [decide(one, seen) for one, seen in pairs]


def targets(works: list[Import]) -> list[tuple[str, list[str]]]:
    return [(work.mode, [str(step.want.target) for step in work.steps]) for work in works]


def test_targets_that_share_a_digest_share_an_import() -> None:
    latest = origin(A, "latest")
    steps = steps_for(
        (want(target="a:1"), ABSENT), (want(target="b:2"), ABSENT), (want(target="c:3", origin=latest), ABSENT)
    )
    assert targets(imports(steps)) == [("NoForce", ["a:1", "b:2", "c:3"])]


@pytest.mark.parametrize(
    "other",
    [origin(B), origin(repository="library/httpd"), origin(registry="mcr.microsoft.com")],
    ids=["digest", "repository", "registry"],
)
def test_what_comes_from_elsewhere_is_another_import(other: Origin) -> None:
    works = imports(steps_for((want(target="a:1"), ABSENT), (want(target="b:1", origin=other), ABSENT)))
    assert targets(works) == [("NoForce", ["a:1"]), ("NoForce", ["b:1"])]
    assert [work.origin for work in works] == [origin(), other]


def test_absent_and_existing_targets_are_never_in_one_import() -> None:
    steps = steps_for((want(target="a:1"), ABSENT), (want(target="b:1"), OTHER_FREE), (want(target="c:1"), DANGLING))
    assert targets(imports(steps)) == [("NoForce", ["a:1"]), ("Force", ["b:1", "c:1"])]


def test_what_is_right_already_is_in_no_import() -> None:
    steps = steps_for((want(target="a:1"), EQUAL), (want("keep", "b:1"), OTHER), (want(target="c:1"), ABSENT))
    assert targets(imports(steps)) == [("NoForce", ["c:1"])]
    assert imports(steps[:2]) == []


def test_an_import_takes_a_limited_number_of_targets() -> None:
    names = ["a:{0}".format(number) for number in range(2 * TARGETS_PER_IMPORT + 1)]
    works = imports(steps_for(*((want(target=name), ABSENT) for name in names)))
    assert [len(work.steps) for work in works] == [TARGETS_PER_IMPORT, TARGETS_PER_IMPORT, 1]
    assert [name for _mode, part in targets(works) for name in part] == names


def test_body() -> None:
    steps = steps_for((want(target="a:1"), ABSENT), (want(target="b/c:2"), ABSENT), (want(target="d"), ABSENT))
    (work,) = imports(steps)
    source = {"registryUri": "docker.io"}
    assert work.body(source) == {
        "source": {"registryUri": "docker.io", "sourceImage": "library/nginx@" + A},
        "mode": "NoForce",
        "targetTags": ["a:1", "b/c:2"],
        "untaggedTargetRepositories": ["d"],
    }
    assert source == {"registryUri": "docker.io"}
    tagged, untagged = imports(steps[:1])[0].body(source), imports(steps[2:])[0].body(source)
    assert "untaggedTargetRepositories" not in tagged and "targetTags" not in untagged


def test_a_repository_is_named_once_though_two_tags_have_the_same_manifest() -> None:
    """Two source tags of one digest, both wanted without a tag in the same repository."""
    steps = steps_for((want(target="d"), ABSENT), (want(target="d", origin=origin(A, "latest")), ABSENT))
    (work,) = imports(steps)
    assert work.body({})["untaggedTargetRepositories"] == ["d"]


def test_by_digest_where_it_is_known_and_never_by_both() -> None:
    assert origin(A, "1").image == "library/nginx@" + A
    assert origin(None, "1").image == "library/nginx:1"


def test_without_verifying_each_target_has_its_own_import_by_tag() -> None:
    """So that one target that exists does not refuse the others; nothing is known of digests."""
    blind = origin(None)
    steps = [Step(want(target=name, origin=blind), IMPORT) for name in ("a:1", "b:1", "c")]
    works = imports(steps, together=False)
    assert targets(works) == [("NoForce", ["a:1"]), ("NoForce", ["b:1"]), ("NoForce", ["c"])]
    assert [work.body({})["source"] for work in works] == [{"sourceImage": "library/nginx:1.27"}] * 3
    again = Step(want("reimport", origin=blind), REIMPORT, Seen(""))
    assert targets(imports([again], together=False)) == [("Force", ["base/nginx:1.27"])]


# -- merging ---------------------------------------------------------------------------------------------------------


def test_two_different_images_for_one_tag_are_refused() -> None:
    with pytest.raises(Conflict) as caught:
        merge([want(entry=0), want(entry=2, origin=origin(B, "1.28"))])
    assert str(caught.value) == (
        "base/nginx:1.27 is wanted twice: from docker.io/library/nginx:1.27 (entry 1) and from "
        "docker.io/library/nginx:1.28 (entry 3). Remove one."
    )


def test_two_platforms_of_one_image_for_one_tag_are_refused() -> None:
    with pytest.raises(Conflict, match=r"^base/nginx:1\.27 is wanted twice: "):
        merge([want(origin=origin(None, platform=platform)) for platform in ("linux/amd64", "linux/arm64")])


def test_two_images_without_tag_do_not_contend_for_a_repository() -> None:
    both = [Want(Target("a", None), origin(None, tag), "update", entry) for entry, tag in enumerate(["1", "2"])]
    assert merge(both) == both


@pytest.mark.parametrize("target", ["base/nginx:1.27", "base/nginx"])
def test_the_same_twice_is_refused_where_the_user_wrote_it(target: str) -> None:
    with pytest.raises(Conflict, match=r" is listed twice \(entries 1 and 4\)\. Remove one\.$"):
        merge([want(target=target, entry=0), want(target=target, entry=3)])


@pytest.mark.parametrize(("first", "second"), [(True, True), (True, False), (False, True)])
def test_the_same_twice_is_one_where_a_selection_brought_it(first: bool, second: bool) -> None:
    wants = [want(entry=0, selected=first), want(target="b:1"), want("keep", entry=1, selected=second)]
    # What names an image counts, with its options, wherever it stands.
    assert merge(wants) == ([wants[2], wants[1]] if first and not second else wants[:2])


def test_a_selection_does_not_hide_a_conflict() -> None:
    with pytest.raises(Conflict, match=" is wanted twice: "):
        merge([want(selected=True), want(selected=True, origin=origin(B, "2"))])


# -- diff ------------------------------------------------------------------------------------------------------------


def test_diff_shows_what_changes_and_nothing_else() -> None:
    steps = steps_for(
        (want(target="new:1"), ABSENT),
        (want(target="moved:1"), OTHER_FREE),
        (want(target="right:1"), EQUAL),
        (want("keep", "kept:1"), OTHER),
        (want(target="lost:1"), DANGLING_OTHER),
        (want(target="bare"), ABSENT),
    )
    diff = Diff.of(steps)
    assert diff.before == {"new:1": None, "moved:1": B, "lost:1": B, "bare@" + A: None}
    assert diff.after == {"new:1": A, "moved:1": A, "lost:1": A, "bare@" + A: A}
    assert Diff.of(steps_for((want(), EQUAL))) == Diff({}, {})


# -- whole plans, carried out on a registry that follows Azure's rules -----------------------------------------------


@dataclass
class Registry:
    """Tags, and which manifests exist in which repository."""

    tags: dict[tuple[str, str], str] = field(default_factory=dict)
    manifests: set[tuple[str, str]] = field(default_factory=set)

    def look(self, target: Target) -> Seen:
        digest = self.tags.get((target.repository, target.tag)) if target.tag else target.digest
        there = (target.repository, digest) in self.manifests
        if target.tag is None:
            return Seen(digest, locks=()) if there else Seen()
        return Seen(digest, THERE if there else GONE, locks=()) if digest else Seen()

    def carry_out(self, body: dict[str, Any]) -> None:
        """One import by digest. Azure refuses it whole when one target exists, unless by force."""
        assert body["mode"] in ("Force", "NoForce")
        places = [tuple(name.split(":")) for name in body.get("targetTags", [])]
        bare = body.get("untaggedTargetRepositories", [])
        assert places or bare
        assert len(set(places)) == len(places) and len(set(bare)) == len(bare)
        existing = [place for place in places if place in self.tags]
        assert not existing if body["mode"] == "NoForce" else len(existing) == len(places), (body, existing)
        digest = body["source"]["sourceImage"].split("@")[1]
        for repository in [place[0] for place in places] + bare:
            self.manifests.add((repository, digest))
        self.tags.update(dict.fromkeys(places, digest))


digests = st.sampled_from([A, B, C])
places = st.builds(Target, st.sampled_from(["a", "b", "c/d"]), st.sampled_from(["1", "2", "latest", None]), st.none())
origins = st.builds(
    Origin,
    st.sampled_from([HUB, "mcr.microsoft.com"]),
    st.sampled_from(["x", "y"]),
    st.sampled_from(["1", "2"]),
    digests,
    st.none(),
)


@st.composite
def wishes(draw: st.DrawFn) -> list[Want]:
    """Resolved wants for distinct places."""
    chosen = draw(st.lists(st.tuples(places, origins, st.sampled_from(IF_EXISTS)), max_size=10))
    made: dict[Target, Want] = {}
    for place, source, if_exists in chosen:
        target = place if place.tag else Target(place.repository, None, source.digest)
        made.setdefault(target, Want(target, source, if_exists))
    return list(made.values())


@st.composite
def registries(draw: st.DrawFn) -> Registry:
    tags = draw(
        st.dictionaries(st.tuples(st.sampled_from(["a", "b", "c/d"]), st.sampled_from(["1", "2", "latest"])), digests)
    )
    registry = Registry(tags, {(repository, digest) for (repository, _tag), digest in tags.items()})
    registry.manifests -= set(draw(st.lists(st.tuples(st.sampled_from(["a", "b"]), digests), max_size=2)))
    return registry


def plan(wants: list[Want], registry: Registry) -> tuple[list[Step], list[Want]]:
    """The steps, and the wants that were refused."""
    steps, refused = [], []
    for one in wants:
        try:
            steps.append(decide(one, registry.look(one.target)))
        except Conflict:
            refused.append(one)
    return steps, refused


@settings(derandomize=True, database=None, deadline=None, max_examples=500)
@given(wishes(), registries())
def test_a_plan_carried_out_leads_to_what_is_wanted_and_then_to_nothing_more(
    wants: list[Want], registry: Registry
) -> None:
    before = dict(registry.tags)
    present = {one.target: registry.look(one.target).present for one in wants}
    steps, refused = plan(wants, registry)
    # What exists with another digest is refused, and what is broken and must not change.
    assert all(one.if_exists in (("fail",) if present[one.target] else ("keep", "fail")) for one in refused)
    works = imports(steps)
    # The fewest: one for each origin's digest and mode.
    assert len(works) == len({(step.want.origin.key, step.mode) for step in steps if step.changes})
    for work in works:
        registry.carry_out(work.body({}))
    diff = Diff.of(steps)
    touched = set()
    for step in steps:
        seen = registry.look(step.want.target)
        assert seen.present
        if step.want.if_exists == "keep" and present[step.want.target]:
            assert (
                step.want.target.tag is None or seen.digest == before[step.want.target.repository, step.want.target.tag]
            )
        else:
            assert seen.digest == step.want.digest
        if step.changes:
            assert diff.after[str(step.want.target)] == seen.digest
            touched.add((step.want.target.repository, step.want.target.tag))
    # Nothing that was not asked for has moved, and nothing that was refused.
    assert all(registry.tags[place] == digest for place, digest in before.items() if place not in touched)
    again, refused_again = plan(wants, registry)
    assert imports([step for step in again if step.want.if_exists != "reimport"]) == []
    # A manifest that another image brought may have made whole what was broken.
    assert all(one in refused for one in refused_again)
    assert all(one in refused_again or not present[one.target] for one in refused)
