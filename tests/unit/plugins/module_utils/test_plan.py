# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan: what happens to each target, the imports that this makes, and what a registry looks like after them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.registryops.acr.plugins.module_utils._errors import AcrError
from ansible_collections.registryops.acr.plugins.module_utils._plan import (
    CHANGING,
    IMPORT,
    KEEP,
    NONE,
    REIMPORT,
    REPAIR,
    TARGETS_PER_IMPORT,
    UPDATE,
    Conflict,
    Desired,
    Diff,
    Evidence,
    Import,
    Item,
    Observed,
    Origin,
    Rules,
    SourceRegistry,
    Target,
    decide,
    imports,
    merge,
    overwrites,
)
from ansible_collections.registryops.acr.plugins.module_utils._signatures import Signature, Signer

A, B, C = ("sha256:" + letter * 64 for letter in "abc")
IF_EXISTS = ("update", "keep", "fail", "reimport")
HUB, MICROSOFT = SourceRegistry("docker.io", 0), SourceRegistry("mcr.microsoft.com", 1)


def origin(digest: str | None = A, tag: str | None = "1.27", **facts: Any) -> Origin:
    return Origin(facts.pop("registry", HUB), facts.pop("repository", "library/nginx"), tag, digest, **facts)


def desired(if_exists: str = "update", target: str = "base/nginx:1.27", **facts: Any) -> Desired:
    repository, _colon, tag = target.partition(":")
    source = facts.pop("origin", origin())
    place = Target(repository, tag or None, None if tag else source.digest)
    return Desired(place, source, Rules(if_exists, repair=facts.pop("repair", False)), **facts)


def decided(one: Desired, observed: Observed) -> Item:
    item = Item(one)
    item.decide(observed)
    return item


# -- one target ------------------------------------------------------------------------------------------------------


def free(observed: Observed) -> Observed:
    """Somebody has looked: nothing is locked."""
    return replace(observed, locks=())


ABSENT, EQUAL, OTHER = Observed.absent(), Observed.there(A), Observed.there(B)
EQUAL_FREE, OTHER_FREE = free(EQUAL), free(OTHER)
DANGLING, DANGLING_OTHER = free(Observed.listed(A).lost()), free(Observed.listed(B).lost())


@pytest.mark.parametrize(
    ("if_exists", "observed", "action", "mode"),
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
def test_decide(if_exists: str, observed: Observed, action: str, mode: str | None) -> None:
    item = decided(desired(if_exists), observed)
    assert decide(desired(if_exists), observed) == item.action == action
    assert item.observed is observed
    assert item.changes is (mode is not None) is (action in CHANGING)
    assert [one.mode for one in imports([item])] == ([mode] if mode else [])


def test_a_release_tag_with_another_digest_is_an_error() -> None:
    with pytest.raises(Conflict) as caught:
        decide(desired("fail"), OTHER)
    assert str(caught.value) == (
        f"base/nginx:1.27 exists with digest {B}, but docker.io/library/nginx:1.27 has {A}; nothing was changed. Choose "
        "another tag, or set if_exists: update."
    )


@pytest.mark.parametrize(("if_exists", "observed"), [("keep", DANGLING), ("keep", DANGLING_OTHER), ("fail", DANGLING_OTHER)])
def test_a_broken_tag_that_must_not_change_is_reported(if_exists: str, observed: Observed) -> None:
    with pytest.raises(Conflict) as caught:
        decide(desired(if_exists), observed)
    assert str(caught.value) == (
        f"base/nginx:1.27 exists, but its manifest {observed.digest} is gone, so it can't be pulled; nothing was changed. Set "
        "repair: true to import it again."
    )
    assert decide(desired(if_exists, repair=True), observed) == REPAIR


@pytest.mark.parametrize("if_exists", IF_EXISTS)
@pytest.mark.parametrize("repair", [True, False])
def test_nothing_is_decided_on_a_listing(if_exists: str, repair: bool) -> None:
    for digest in (A, B):
        with pytest.raises(ValueError, match="was not asked for"):
            decide(desired(if_exists, repair=repair), free(Observed.listed(digest)))


@pytest.mark.parametrize("if_exists", IF_EXISTS)
@pytest.mark.parametrize("observed", [EQUAL, OTHER, DANGLING, DANGLING_OTHER])
def test_nothing_is_overwritten_before_somebody_has_looked_for_locks(if_exists: str, observed: Observed) -> None:
    one, unguarded = desired(if_exists, repair=True), replace(observed, locks=None)
    if overwrites(one, unguarded):
        with pytest.raises(ValueError, match="locks"):
            decide(one, unguarded)
    elif (if_exists, observed) != ("fail", OTHER):
        assert not decided(one, unguarded).changes


@pytest.mark.parametrize("if_exists", IF_EXISTS)
@pytest.mark.parametrize(("observed", "action"), [(ABSENT, IMPORT), (DANGLING, IMPORT)])
def test_a_manifest_without_tag_overwrites_nothing(if_exists: str, observed: Observed, action: str) -> None:
    item = decided(desired(if_exists, "base/nginx"), observed)
    assert (item.action, item.mode) == (action, "NoForce")


@pytest.mark.parametrize(
    ("if_exists", "action"), [("update", NONE), ("keep", KEEP), ("fail", NONE), ("reimport", REIMPORT)]
)
def test_a_manifest_without_tag_that_is_there(if_exists: str, action: str) -> None:
    assert decide(desired(if_exists, "base/nginx"), EQUAL_FREE) == action


@pytest.mark.parametrize("observed", [EQUAL, OTHER])
def test_keep_needs_nothing_from_the_source_where_the_target_is_present(observed: Observed) -> None:
    item = decided(desired("keep", origin=origin(None)), observed)
    assert (item.action, item.observed, item.digest) == (KEEP, observed, observed.digest)


@pytest.mark.parametrize(
    ("if_exists", "observed"),
    [
        ("update", OTHER),
        ("reimport", OTHER),
        ("reimport", EQUAL),
        ("update", DANGLING),
        ("fail", DANGLING),
    ],
)
def test_a_locked_target_is_not_written(if_exists: str, observed: Observed) -> None:
    with pytest.raises(
        Conflict, match=r"^base/nginx:1\.27 is locked against writing \(write-enabled false on its tag\)\. Unlock it"
    ):
        decide(desired(if_exists), replace(observed, locks=("tag",)))


@pytest.mark.parametrize(("if_exists", "observed"), [("update", EQUAL), ("fail", EQUAL), ("keep", EQUAL), ("keep", OTHER)])
def test_a_locked_target_that_need_not_be_written_is_fine(if_exists: str, observed: Observed) -> None:
    assert not decided(desired(if_exists), replace(observed, locks=("tag",))).changes


@pytest.mark.parametrize(("observed", "advice"), [(OTHER, "Unlock it, or set if_exists: keep."), (DANGLING, "Unlock it.")])
def test_advice_for_a_locked_target_is_only_what_helps(observed: Observed, advice: str) -> None:
    """A tag without its manifest is repaired also with ``keep``."""
    with pytest.raises(Conflict) as caught:
        decide(desired("update"), replace(observed, locks=("tag",)))
    assert str(caught.value) == "base/nginx:1.27 is locked against writing (write-enabled false on its tag). " + advice


def test_an_immutable_target_stays_what_it_is() -> None:
    wanted = desired("update")
    wanted = wanted._replace(rules=wanted.rules._replace(immutable=True))
    with pytest.raises(Conflict) as caught:
        decide(wanted, replace(OTHER, locks=("tag", "manifest")))
    assert caught.value.refusal == "locked" and str(caught.value) == (
        "base/nginx:1.27 is locked against writing (write-enabled false on its tag and its manifest). It is to be immutable: give "
        "the new image another tag, or unlock it."
    )
    assert decided(wanted, replace(OTHER, locks=())).action == "update", "somebody has unlocked it"


def test_all_locks_of_a_target_are_named() -> None:
    with pytest.raises(Conflict, match=r"\(write-enabled false on its repository and its manifest\)"):
        decide(desired("update"), replace(OTHER, locks=("repository", "manifest")))


@pytest.mark.parametrize(
    ("name", "given_origin"),
    [
        ("docker.io/library/nginx:1.27", origin()),
        ("docker.io/library/nginx@" + A, origin(tag=None)),
        (
            "contosodev.azurecr.io/app:1.27",
            origin(registry=SourceRegistry("contosodev.azurecr.io", 2), repository="app"),
        ),
    ],
)
def test_the_name_of_an_origin_is_the_users(name: str, given_origin: Origin) -> None:
    assert str(given_origin) == name


def test_the_name_of_a_target() -> None:
    assert [str(Target("a/b", "1")), str(Target("a/b", None, A)), str(Target("a/b", None))] == [
        "a/b:1",
        "a/b@" + A,
        "a/b",
    ]


# -- evidence --------------------------------------------------------------------------------------------------------


def test_a_listing_never_shows_that_something_is_absent() -> None:
    with pytest.raises(ValueError, match="a listing never shows"):
        Observed(None, Evidence.LISTED)
    with pytest.raises(ValueError, match="a listing never shows"):
        replace(Observed.listed(A), digest=None)


@pytest.mark.parametrize("evidence", Evidence)
@pytest.mark.parametrize("digest", [A, None])
def test_only_repeated_answers_show_that_a_manifest_is_gone(evidence: Evidence, digest: str | None) -> None:
    if digest is not None and evidence is Evidence.CONFIRMED:
        assert Observed(digest, evidence, gone=True).gone
    else:
        with pytest.raises(ValueError):
            Observed(digest, evidence, gone=True)


def test_what_is_absent_can_not_be_lost_and_what_is_lost_was_not_seen() -> None:
    with pytest.raises(ValueError, match="is gone"):
        ABSENT.lost()
    with pytest.raises(ValueError, match="is gone"):
        DANGLING.seen()


def test_only_what_was_asked_for_and_answered_is_present() -> None:
    listed = Observed.listed(A, "yesterday", locked=True)
    assert (listed.present, listed.seen().present, listed.lost().present) == (False, True, False)
    assert EQUAL.present and not ABSENT.present
    for later in (listed.seen(), listed.lost()):
        assert (later.digest, later.updated, later.tag_locked, later.locks) == (A, "yesterday", True, None)


# -- how one target ends ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("if_exists", "source", "observed", "before", "digest"),
    [
        ("update", A, ABSENT, None, A),
        ("update", A, OTHER_FREE, B, A),
        ("update", A, EQUAL, A, A),
        ("keep", A, OTHER, B, B),
        ("keep", None, OTHER, B, B),
        ("reimport", None, OTHER_FREE, B, B),
        ("update", None, ABSENT, None, None),
    ],
)
def test_digests_of_an_item(if_exists: str, source: str | None, observed: Observed, before: str | None, digest: str | None) -> None:
    item = decided(desired(if_exists, origin=origin(source)), observed)
    assert (item.before, item.digest) == (before, digest)
    item.fail(AcrError("denied", "no."))
    assert (item.before, item.digest) == (before, None), "nobody knows what a target has after a failure"


def test_an_item_that_nobody_has_decided_on_changes_nothing() -> None:
    item = Item(desired())
    assert (item.observed, item.before, item.action, item.changes) == (None, None, None, False)


def test_an_item_that_failed_changes_nothing_and_keeps_its_first_error() -> None:
    item = decided(desired(), ABSENT)
    assert item.changes
    first = AcrError("denied", "no.")
    item.fail(first)
    item.fail(AcrError("timeout", "too late."))
    assert item.error is first and not item.changes and imports([item]) == []


def test_an_item_that_must_not_change_still_shows_what_was_there() -> None:
    item = Item(desired("fail"))
    with pytest.raises(Conflict):
        item.decide(OTHER)
    assert (item.before, item.action, item.changes) == (B, None, False)


# -- imports ---------------------------------------------------------------------------------------------------------


def items_for(*pairs: tuple[Desired, Observed]) -> list[Item]:
    return [decided(one, observed) for one, observed in pairs]


def targets(made: list[Import]) -> list[tuple[str, list[str]]]:
    return [(one.mode, [str(item.target) for item in one.items]) for one in made]


def test_targets_that_share_a_digest_share_an_import() -> None:
    latest = origin(A, "latest")
    items = items_for(
        (desired(target="a:1"), ABSENT), (desired(target="b:2"), ABSENT), (desired(target="c:3", origin=latest), ABSENT)
    )
    assert targets(imports(items)) == [("NoForce", ["a:1", "b:2", "c:3"])]


@pytest.mark.parametrize(
    "other",
    [
        origin(B),
        origin(repository="library/httpd"),
        origin(registry=MICROSOFT),
        origin(registry=SourceRegistry(HUB.name, 2)),
    ],
    ids=["digest", "repository", "registry", "credentials"],
)
def test_what_comes_from_elsewhere_is_another_import(other: Origin) -> None:
    made = imports(items_for((desired(target="a:1"), ABSENT), (desired(target="b:1", origin=other), ABSENT)))
    assert targets(made) == [("NoForce", ["a:1"]), ("NoForce", ["b:1"])]
    assert [one.origin for one in made] == [origin(), other]


def test_absent_and_existing_targets_are_never_in_one_import() -> None:
    items = items_for((desired(target="a:1"), ABSENT), (desired(target="b:1"), OTHER_FREE), (desired(target="c:1"), DANGLING))
    assert targets(imports(items)) == [("NoForce", ["a:1"]), ("Force", ["b:1", "c:1"])]


def test_what_is_right_already_is_in_no_import() -> None:
    items = items_for((desired(target="a:1"), EQUAL), (desired("keep", "b:1"), OTHER), (desired(target="c:1"), ABSENT))
    assert targets(imports(items)) == [("NoForce", ["c:1"])]
    assert imports(items[:2]) == []


def test_an_import_takes_a_limited_number_of_targets() -> None:
    names = ["a:{0}".format(number) for number in range(2 * TARGETS_PER_IMPORT + 1)]
    made = imports(items_for(*((desired(target=name), ABSENT) for name in names)))
    assert [len(one.items) for one in made] == [TARGETS_PER_IMPORT, TARGETS_PER_IMPORT, 1]
    assert [name for _mode, part in targets(made) for name in part] == names


def test_body() -> None:
    items = items_for((desired(target="a:1"), ABSENT), (desired(target="b/c:2"), ABSENT), (desired(target="d"), ABSENT))
    (one,) = imports(items)
    source = {"registryUri": "docker.io"}
    assert one.body(source) == {
        "source": {"registryUri": "docker.io", "sourceImage": "library/nginx@" + A},
        "mode": "NoForce",
        "targetTags": ["a:1", "b/c:2"],
        "untaggedTargetRepositories": ["d"],
    }
    assert source == {"registryUri": "docker.io"}
    tagged, untagged = imports(items[:1])[0].body(source), imports(items[2:])[0].body(source)
    assert "untaggedTargetRepositories" not in tagged and "targetTags" not in untagged


def test_a_repository_is_named_once_though_two_tags_have_the_same_manifest() -> None:
    """Two source tags of one digest, both wanted without a tag in the same repository."""
    items = items_for((desired(target="d"), ABSENT), (desired(target="d", origin=origin(A, "latest")), ABSENT))
    (one,) = imports(items)
    assert one.body({})["untaggedTargetRepositories"] == ["d"]


def test_by_digest_where_it_is_known_and_never_by_both() -> None:
    assert origin(A, "1").image == "library/nginx@" + A
    assert origin(None, "1").image == "library/nginx:1"


def test_without_verifying_each_target_has_its_own_import_by_tag() -> None:
    """So that one target that exists does not refuse the others; nothing is known of digests."""
    unresolved = origin(None)
    items = [Item(desired(target=name, origin=unresolved), action=IMPORT) for name in ("a:1", "b:1", "c")]
    made = imports(items, together=False)
    assert targets(made) == [("NoForce", ["a:1"]), ("NoForce", ["b:1"]), ("NoForce", ["c"])]
    assert [one.body({})["source"] for one in made] == [{"sourceImage": "library/nginx:1.27"}] * 3
    again = Item(desired("reimport", origin=unresolved), action=REIMPORT)
    assert targets(imports([again], together=False)) == [("Force", ["base/nginx:1.27"])]


# -- merging ---------------------------------------------------------------------------------------------------------


def test_two_different_images_for_one_tag_are_refused() -> None:
    with pytest.raises(Conflict) as caught:
        merge([desired(entry=0), desired(entry=2, origin=origin(B, "1.28"))])
    assert str(caught.value) == (
        "base/nginx:1.27 is wanted twice: from docker.io/library/nginx:1.27 (entry 1) and from "
        "docker.io/library/nginx:1.28 (entry 3). Remove one."
    )


def test_two_platforms_of_one_image_for_one_tag_are_refused() -> None:
    with pytest.raises(Conflict, match=r"^base/nginx:1\.27 is wanted twice: "):
        merge([desired(origin=origin(None, platform=platform)) for platform in ("linux/amd64", "linux/arm64")])


def test_two_images_without_tag_do_not_contend_for_a_repository() -> None:
    both = [Desired(Target("a", None), origin(None, tag), entry=entry) for entry, tag in enumerate(["1", "2"])]
    assert merge(both) == both


@pytest.mark.parametrize("target", ["base/nginx:1.27", "base/nginx"])
def test_the_same_twice_is_one_unless_the_options_differ(target: str) -> None:
    first = desired(target=target, entry=0)
    assert merge([first, desired(target=target, entry=3)]) == [first]
    with pytest.raises(Conflict, match=r" is wanted twice, with different options \(entries 1 and 4\)\. Remove one\.$"):
        merge([first, desired("keep", target=target, entry=3)])


def test_two_tags_that_are_locked_to_one_image_are_one_without_a_tag() -> None:
    """As they are if their digests become known later."""
    images = [
        Desired(Target("a", None, A), origin(A, tag), Rules(if_exists), number, locked=True)
        for number, (tag, if_exists) in enumerate([("1", "update"), ("2", "keep")])
    ]
    assert merge(images) == images[:1]


@pytest.mark.parametrize(("first", "second"), [(True, True), (True, False), (False, True)])
def test_the_same_twice_is_one_where_a_selection_brought_it(first: bool, second: bool) -> None:
    images = [desired(entry=0, selected=first), desired(target="b:1"), desired("keep", entry=1, selected=second)]
    # What names an image decides, with its rules, in whatever order they come.
    assert merge(images) == ([images[2], images[1]] if first and not second else images[:2])


def test_two_selections_do_not_differ_about_who_has_to_sign() -> None:
    strict = desired(entry=1, selected=True)
    strict = strict._replace(rules=strict.rules._replace(signed_by=(Signer(key="PEM"),)))
    with pytest.raises(Conflict, match=r" is wanted twice, with different options \(entries 1 and 2\)"):
        merge([desired(entry=0, selected=True), strict])
    assert merge([strict, desired(entry=0)]) == [desired(entry=0)], "what names an image decides"


def test_a_selection_does_not_hide_a_conflict() -> None:
    with pytest.raises(Conflict, match=" is wanted twice: "):
        merge([desired(selected=True), desired(selected=True, origin=origin(B, "2"))])


def backed_up(backup: str, **facts: Any) -> Desired:
    one = desired(**facts)
    return one._replace(rules=one.rules._replace(backup=backup))


def test_a_backup_that_is_needed_for_something_else_is_refused() -> None:
    with pytest.raises(Conflict) as caught:
        merge([backed_up("{tag}-old", target="a:1"), desired(target="a:1-old", entry=1)])
    assert str(caught.value) == (
        "a:1-old is to be the backup of a:1 (entry 1), but entry 2 needs it, too. Choose another backup."
    )
    with pytest.raises(Conflict, match=r"^a:old is to be the backup of a:2 \(entry 2\), but entry 1 needs it, too\."):
        merge([backed_up("old", target="a:1"), backed_up("old", target="a:2", entry=1)])
    fine = [backed_up("old", target="a:1"), backed_up("old", target="b:1"), backed_up("old", target="c"), desired(target="c:old")]
    assert merge(fine) == fine


# -- diff ------------------------------------------------------------------------------------------------------------


def test_diff_shows_what_changes_and_nothing_else() -> None:
    items = items_for(
        (desired(target="new:1"), ABSENT),
        (desired(target="moved:1"), OTHER_FREE),
        (desired(target="right:1"), EQUAL),
        (desired("keep", "kept:1"), OTHER),
        (desired(target="lost:1"), DANGLING_OTHER),
        (desired(target="bare"), ABSENT),
        (desired(target="failed:1"), ABSENT),
    )
    items[-1].fail(AcrError("denied", "no."))
    diff = Diff()
    diff.add(items[:2])
    diff.add(items[2:])
    assert diff.before == {"new:1": None, "moved:1": B, "lost:1": B, "bare@" + A: None}
    assert diff.after == {"new:1": A, "moved:1": A, "lost:1": A, "bare@" + A: A}
    unchanged = Diff()
    unchanged.add(items_for((desired(), EQUAL)))
    assert unchanged == Diff({}, {})


def test_the_diff_tells_what_there_is_to_know_beforehand() -> None:
    signature = Signature("keyless", "me@team.test", None)
    signed, promoted, waits, failed = items_for(
        (desired(target="signed:1"), ABSENT),
        (desired(target="promoted:1"), OTHER_FREE),
        (desired(target="waits:1"), OTHER_FREE),
        (desired(target="failed:1"), ABSENT),
    )
    signed.signature = promoted.signature = failed.signature = signature
    promoted.quarantined_at = "2026-01-01T00:00:00Z"
    waits.action, waits.waiting, waits.ready_at = "wait", A, "2026-01-04T00:00:00Z"
    failed.fail(AcrError("unsigned", "no."))
    diff = Diff()
    diff.add([signed, promoted, waits, failed])
    said = "signed by me@team.test"
    assert diff.before == {"signed:1": None, "promoted:1": B, "waits:1": B}
    assert diff.after == {
        "signed:1": f"{A} ({said})",
        "promoted:1": f"{A} ({said}, in quarantine since 2026-01-01T00:00:00Z)",
        "waits:1": f"{A} (not before 2026-01-04T00:00:00Z)",
    }
    signed.locked = True
    diff.lock([signed, promoted])
    assert diff.after["signed:1"] == f"{A} ({said}, immutable)" and "immutable" not in str(diff.after["promoted:1"])


# -- whole plans, carried out on a registry that follows Azure's rules -----------------------------------------------


@dataclass
class Registry:
    """Tags, and which manifests exist in which repository."""

    tags: dict[tuple[str, str], str] = field(default_factory=dict)
    manifests: set[tuple[str, str]] = field(default_factory=set)

    def look(self, target: Target) -> Observed:
        digest = self.tags.get((target.repository, target.tag)) if target.tag else target.digest
        if digest is None or target.tag is None and (target.repository, digest) not in self.manifests:
            return Observed.absent()
        there = (target.repository, digest) in self.manifests
        return free(Observed.there(digest) if there else Observed.listed(digest).lost())

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
    st.sampled_from([HUB, MICROSOFT]),
    st.sampled_from(["x", "y"]),
    st.sampled_from(["1", "2"]),
    digests,
    st.none(),
)


@st.composite
def wishes(draw: st.DrawFn) -> list[Desired]:
    """Resolved images for distinct places."""
    chosen = draw(st.lists(st.tuples(places, origins, st.sampled_from(IF_EXISTS)), max_size=10))
    made: dict[Target, Desired] = {}
    for place, source, if_exists in chosen:
        target = place if place.tag else Target(place.repository, None, source.digest)
        made.setdefault(target, Desired(target, source, Rules(if_exists)))
    return list(made.values())


@st.composite
def registries(draw: st.DrawFn) -> Registry:
    tags = draw(
        st.dictionaries(st.tuples(st.sampled_from(["a", "b", "c/d"]), st.sampled_from(["1", "2", "latest"])), digests)
    )
    registry = Registry(tags, {(repository, digest) for (repository, _tag), digest in tags.items()})
    registry.manifests -= set(draw(st.lists(st.tuples(st.sampled_from(["a", "b"]), digests), max_size=2)))
    return registry


def plan(images: list[Desired], registry: Registry) -> tuple[list[Item], list[Desired]]:
    """The items, and the images that were refused."""
    items, refused = [], []
    for one in images:
        try:
            items.append(decided(one, registry.look(one.target)))
        except Conflict:
            refused.append(one)
    return items, refused


@settings(derandomize=True, database=None, deadline=None, max_examples=500)
@given(wishes(), registries())
def test_a_plan_carried_out_leads_to_what_is_wanted_and_then_to_nothing_more(
    images: list[Desired], registry: Registry
) -> None:
    before = dict(registry.tags)
    present = {one.target: registry.look(one.target).present for one in images}
    items, refused = plan(images, registry)
    # What exists with another digest is refused, and what is broken and must not change.
    assert all(one.rules.if_exists in (("fail",) if present[one.target] else ("keep", "fail")) for one in refused)
    made = imports(items)
    # The fewest: one for each origin's digest and mode.
    assert len(made) == len({(item.desired.origin.key, item.mode) for item in items if item.changes})
    for one in made:
        registry.carry_out(one.body({}))
    diff = Diff()
    diff.add(items)
    touched = set()
    for item in items:
        observed = registry.look(item.target)
        assert observed.present and observed.digest == item.digest
        if item.desired.rules.if_exists == "keep" and present[item.target]:
            assert item.target.tag is None or observed.digest == before[item.target.repository, item.target.tag]
        else:
            assert observed.digest == item.desired.digest
        if item.changes:
            assert diff.after[str(item.target)] == observed.digest
            touched.add((item.target.repository, item.target.tag))
    # Nothing that was not asked for has moved, and nothing that was refused.
    assert all(registry.tags[place] == digest for place, digest in before.items() if place not in touched)
    again, refused_again = plan(images, registry)
    assert imports([item for item in again if item.desired.rules.if_exists != "reimport"]) == []
    # A manifest that another image brought may have made whole what was broken.
    assert all(one in refused for one in refused_again)
    assert all(one in refused_again or not present[one.target] for one in refused)
