# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock file: what is written for a list, what is read from it, and what is said if the two don't fit each other."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import yaml

from ansible_collections.registryops.acr.plugins.module_utils._arguments import read_list
from ansible_collections.registryops.acr.plugins.module_utils._errors import AcrError, UserError
from ansible_collections.registryops.acr.plugins.module_utils._expand import expand
from ansible_collections.registryops.acr.plugins.module_utils._lockfile import HEADER, LockFile, text_of
from ansible_collections.registryops.acr.plugins.module_utils._mirror import Mirror, Settings
from ansible_collections.registryops.acr.plugins.module_utils._options import SHOWN_MISTAKES, parse_entries
from ansible_collections.registryops.acr.plugins.module_utils._plan import Desired, Item
from ansible_collections.registryops.acr.plugins.module_utils._planner import Planner
from ansible_collections.registryops.acr.plugins.module_utils._resolver import Resolver
from ansible_collections.registryops.acr.plugins.module_utils._source import Known
from ansible_collections.registryops.acr.plugins.module_utils._target import TargetRegistry
from tests.signing import BUNDLE, key_bundle, public_pem
from tests.unit.plugins.held import IMAGE, INDEX, HeldAzure, HeldContext, HeldRegistry, Opened, digest
from tests.unit.plugins.module_utils.test_vetting import KEY, refer

A, B, C, D, AMD = (digest(number) for number in range(1, 6))
SERVER = "contosodev.azurecr.test"
APP = "quay.io/team/app"
NAME = "images.lock.yml"


@pytest.fixture
def quay() -> HeldRegistry:
    quay = HeldRegistry("quay.io", team_app={"1.0": A, "1.1": B, "1.2": C, "stable": B})
    platform = {"os": "linux", "architecture": "amd64"}
    quay.manifests[C] = (INDEX, {"manifests": [{"digest": AMD, "mediaType": IMAGE, "platform": platform}]})
    quay.manifests[AMD] = (IMAGE, {})
    return quay


@pytest.fixture
def azure() -> HeldAzure:
    return HeldAzure(SERVER, team_web={"7": D}, team_job={"7": A, "8": B}, other={"1": A})


class Locking:
    """Writes and reads lock files for lists of images."""

    def __init__(self, *registries: Any) -> None:
        self.registries = list(registries)

    @property
    def sources(self) -> Opened:
        """As a new run opens them."""
        return Opened(*self.registries)

    def entries(self, images: tuple[Any, ...], prefix: str) -> Any:
        options, told = read_list({"images": list(images)})
        for one in options["images"]:
            one.update({name: [one[name]] for name in ("target", "untagged_repositories") if isinstance(one.get(name), str)})
        return parse_entries(options["images"], None, None, prefix, "azurecr.test", told=told)

    def resolve(self, entries: Any, old: str = "") -> tuple[list[AcrError], str]:
        mirror = Mirror(HeldContext(), "contosoprod", None, Settings())
        mirror._sources = self.sources
        report, lines = mirror.resolve(entries, LockFile(NAME, old))
        return [one.error for one in report.items if one.error], text_of(lines)

    def update(self, *images: Any, old: str = "", prefix: str = "") -> str:
        errors, text = self.resolve(self.entries(images, prefix), old)
        assert errors == []
        return text

    def use(self, text: str, *images: Any, prefix: str = "") -> list[Desired]:
        with ThreadPoolExecutor(4) as pool:
            return expand(self.entries(images, prefix), self.sources, pool, LockFile(NAME, text)).desired

    def mistakes(self, text: str, *images: Any, prefix: str = "") -> list[str]:
        with pytest.raises(UserError) as raised:
            self.use(text, *images, prefix=prefix)
        head, *sentences = str(raised.value).splitlines()
        assert head == f"{NAME} doesn't fit the list, so nothing was imported. Run with lock: update, and review what changes there."
        return sentences


@pytest.fixture
def locking(quay: HeldRegistry, azure: HeldAzure) -> Locking:
    return Locking(quay, azure)


IMAGES: tuple[Any, ...] = (
    f"{APP}:stable",
    {"source": f"{APP}:1.0", "target": ["b/app", "a/app:one"], "untagged_repositories": "bare"},
    {"source": APP, "target": "few/{name}", "tags": {"semver": ">=1.1", "newest": 2}},
    {"source": APP, "target": "few/{name}", "tags": {"include": ["1.1", "stable*"]}},
    {"source": f"{APP}:1.2", "target": "one/app", "platform": "linux/amd64"},
    {"source": f"{APP}@{A}", "untagged_repositories": ["bare"], "if_exists": "keep"},
    {"source_registry": SERVER, "target": "{name}", "repositories": {"include": ["team/*"], "exclude": ["team/web"]}},
)
SEVERAL = '{"semver": ">=1.1", "newest": 2}'
OTHERS = '{"include": ["1.1", "stable*"]}'
TEAMS = '{"repositories": {"include": ["team/*"], "exclude": ["team/web"]}}'
LINES = f"""\
- {{source: "{APP}:1.0@{A}", target: "a/app:one"}}
- {{source: "{APP}:1.0@{A}", target: "b/app:1.0"}}
- {{source: "{APP}:1.0@{A}", untagged_repositories: "bare"}}
- {{source: "{APP}@{A}", untagged_repositories: "bare"}}
- {{source: "{APP}:1.1@{B}", target: "few/app:1.1", comment: [{OTHERS}, {SEVERAL}]}}
- {{source: "{APP}:1.2@{C}", target: "few/app:1.2", comment: [{SEVERAL}]}}
- {{source: "{APP}:stable@{B}", target: "few/app:stable", comment: [{OTHERS}]}}
- {{source: "{SERVER}/team/job:7@{A}", target: "job:7", comment: [{TEAMS}]}}
- {{source: "{SERVER}/team/job:8@{B}", target: "job:8", comment: [{TEAMS}]}}
- {{source: "{APP}:1.2@{AMD}", target: "one/app:1.2", platform: "linux/amd64"}}
- {{source: "{APP}:stable@{B}", target: "team/app:stable"}}
"""


def test_a_line_per_target_sorted_and_the_same_each_time(locking: Locking) -> None:
    text = locking.update(*IMAGES)
    assert text == HEADER + LINES
    assert locking.update(*IMAGES, old=text) == text
    assert locking.update(*reversed(IMAGES)) == text
    assert locking.update() == HEADER + "[]\n"


def test_what_must_not_come_in_is_told_when_the_file_is_written(locking: Locking) -> None:
    images = [{"source": f"{APP}:1.0", **SIGNED_BY}, {"source": f"{APP}:1.1"}, {"source": f"{APP}:1.2"}]
    entries = parse_entries(images, None, None, None, "azurecr.test", blocked=[B])
    (unsigned, blocked), _text = locking.resolve(entries, locking.update(f"{APP}:1.0"))
    assert (unsigned.reason, blocked.reason) == ("unsigned", "blocked")
    assert f"{APP}:1.0 ({A}) isn't signed by" in str(unsigned) and "has it already" not in str(unsigned)
    assert f"{APP}:1.1 is blocked ({B}" in str(blocked)


def planned(quay: HeldRegistry, text: str, image: dict[str, Any], blocked: tuple[str, ...] = (), **target: dict[str, str]) -> Item:
    """What becomes of the only image of a list and its lock file."""
    known: Known = {}
    sources, registry = Opened(quay, known=known), TargetRegistry(HeldAzure("contosoprod.azurecr.test", **target), known=known)
    resolver = Resolver(sources, 4)
    planner = Planner(resolver, lambda: registry, 4)
    entries = parse_entries([image], None, None, None, "azurecr.test", blocked=list(blocked))
    with ThreadPoolExecutor(4) as pool:
        list(planner.batches(expand(entries, sources, pool, LockFile(NAME, text)).desired))
    for one in (planner, resolver, registry):
        one.close()
    [item] = planner.items
    return item


SIGNED_BY: dict[str, Any] = {"signed_by": [{"key": public_pem(KEY)}]}
OF_INDEX = f'- {{source: "{APP}@{AMD}", target: "app:1", platform: "linux/amd64", comment: [\'{{"digest": "{C}"}}\']}}'


def test_the_index_that_a_locked_platform_is_from_counts_for_it(quay: HeldRegistry) -> None:
    image = {"source": f"{APP}@{C}", "platform": "linux/amd64", "target": ["app:1"]}
    text = OF_INDEX.replace("'", "")
    refer(quay, C, 60, BUNDLE, key_bundle(C, KEY), artifactType=BUNDLE)
    assert planned(quay, text, {**image, **SIGNED_BY}).action == "import"
    blocked = planned(quay, text, image, (C,)).error
    assert blocked is not None and blocked.reason == "blocked"


def test_a_locked_platform_whose_tag_is_deleted_has_no_index(quay: HeldRegistry) -> None:
    text = f'- {{source: "{APP}:gone@{AMD}", target: "app:1", platform: "linux/amd64"}}'
    error = planned(quay, text, {"source": f"{APP}:gone", "platform": "linux/amd64", "target": ["app:1"], **SIGNED_BY}).error
    assert error is not None and error.reason == "unsigned"


@pytest.mark.parametrize(("held", "becomes"), [({"1": D}, "keep"), ({}, "not_found")])
def test_what_the_source_has_no_more_may_be_kept_unsigned(quay: HeldRegistry, held: dict[str, str], becomes: str) -> None:
    image = {"source": f"{APP}:gone", "target": ["app:1"], "if_source_missing": "keep", **SIGNED_BY}
    item = planned(quay, f'- {{source: "{APP}:gone@{D}", target: "app:1"}}', image, app=held)
    assert (item.error.reason if item.error else item.action) == becomes


def test_a_repository_may_get_several_digests_of_one_tag(locking: Locking) -> None:
    images = [{"source": f"{APP}:1.0{digest}", "untagged_repositories": ["bare"]} for digest in ("", f"@{B}")]
    text = locking.update(*images)
    assert text.count("bare") == 2 and locking.update(*images, old=text) == text
    assert {str(one.target) for one in locking.use(text, *images)} == {f"bare@{A}", f"bare@{B}"}
    images[1] = {"source": APP, "untagged_repositories": ["bare"], "tags": {"names": ["1.0"]}}
    images[2:] = [{**images[0], "source": f"{APP}:1.0@{A}"}]
    same = locking.update(*images)
    assert same == f'{HEADER}- {{source: "{APP}:1.0@{A}", untagged_repositories: "bare", comment: [{{"names": ["1.0"]}}]}}\n'
    assert {str(one.target) for one in locking.use(same, *images)} == {f"bare@{A}"}


def test_it_is_a_list_that_images_accepts_and_means_the_same(locking: Locking) -> None:
    written = yaml.safe_load(HEADER + LINES)
    plain = {(str(one.target), one.origin.digest) for one in locking.use(HEADER + LINES, *IMAGES)}
    entries = locking.entries(tuple(written), "")
    with ThreadPoolExecutor(4) as pool:
        found = expand(entries, locking.sources, pool)
    assert {(str(one.target if one.target.tag else one.target._replace(digest=one.origin.digest)), one.origin.digest)
            for one in found.desired} == plain  # fmt: skip
    # Two lines are the same image without a tag; and what is held here has no configuration that names its platform.
    whole = [line for line in written if "platform" not in line and line["source"] != f"{APP}@{A}"]
    again = yaml.safe_load(locking.update(*whole))
    for line in whole:
        line.pop("comment", None)
    assert again == whole


def test_what_is_used_is_what_the_file_says_and_nobody_is_asked(locking: Locking, quay: HeldRegistry, azure: HeldAzure) -> None:
    text = locking.update(*IMAGES)
    for registry in (quay, azure):
        for tags in registry.tagged.values():
            tags.update(dict.fromkeys(tags, digest(99)))  # all of them move
            tags["9.9"] = digest(98)
        registry.asked.clear()
    desired = locking.use(text, *IMAGES)
    assert quay.asked == azure.asked == []
    found = {(one.entry, str(one.target), one.origin.tag, one.origin.digest, one.rules.if_exists, one.selected) for one in desired}
    assert all(one.locked for one in desired)
    assert found == {
        (0, "team/app:stable", "stable", B, "update", False),
        (1, "b/app:1.0", "1.0", A, "update", False),
        (1, "a/app:one", "1.0", A, "update", False),
        (1, f"bare@{A}", "1.0", A, "update", False),
        (2, "few/app:1.1", "1.1", B, "update", True),
        (2, "few/app:1.2", "1.2", C, "update", True),
        (3, "few/app:1.1", "1.1", B, "update", True),
        (3, "few/app:stable", "stable", B, "update", True),
        (4, "one/app:1.2", "1.2", AMD, "update", False),
        (5, f"bare@{A}", None, A, "keep", False),
        (5, f"bare@{A}", "1.0", A, "keep", False),  # the same
        (6, "job:7", "7", A, "update", True),
        (6, "job:8", "8", B, "update", True),
    }


def test_lines_may_be_written_by_hand_and_selected_ones_left_out(locking: Locking) -> None:
    text = locking.update(*IMAGES[:3]).replace('"', "").replace(SEVERAL.replace('"', ""), SEVERAL).replace(f"1.2@{C}", f"1.3@{D}")
    text = text.replace("few/app:1.2", "few/app:1.3")  # as after Renovate
    kept = [line for line in text.splitlines() if "few/app:1.1" not in line]
    found = locking.use("\n".join(kept), *IMAGES[:3])
    assert [(str(one.target), one.origin.digest) for one in found if one.entry == 2] == [("few/app:1.3", D)]


FEW = {"source": APP, "target": "few", "tags": {"newest": 1}}
# What is locked, the list when that is used, and what is said.
MISFITS: dict[str, tuple[list[Any], list[Any], list[str]]] = {
    "a new image": (
        [f"{APP}:1.0"], [f"{APP}:1.0", f"{APP}:1.1"],
        [f"team/app:1.1 from {APP}:1.1 (entry 2): the file doesn't know it."],
    ),
    "another image for a target": (
        [{"source": f"{APP}:1.0", "target": "x:y"}], [{"source": f"{APP}:1.1", "target": "x:y"}],
        [f"x:y from {APP}:1.1 (entry 1): the file has {APP}:1.0 for it.", f"x:y from {APP}:1.0: no entry asks for it."],
    ),
    "another digest": (
        [f"{APP}:1.0@{A}"], [f"{APP}:1.0@{B}"],
        [f"team/app:1.0 from {APP}:1.0@{B} (entry 1): the file has {APP}:1.0@{A} for it.",
         f"team/app:1.0 from {APP}:1.0: no entry asks for it."],
    ),
    "another digest of which a platform is wanted": (
        [{"source": f"{APP}:1.2@{C}", "platform": "linux/amd64"}], [{"source": f"{APP}:1.2@{A}", "platform": "linux/amd64"}],
        [f"team/app:1.2 from {APP}:1.2@{A} (linux/amd64) (entry 1): the file has {APP}:1.2@{AMD} (linux/amd64) for it.",
         f"team/app:1.2 from {APP}:1.2 (linux/amd64): no entry asks for it."],
    ),
    "another platform": (
        [f"{APP}:1.2"], [{"source": f"{APP}:1.2", "platform": "linux/amd64"}],
        [f"team/app:1.2 from {APP}:1.2 (linux/amd64) (entry 1): the file has {APP}:1.2 for it.",
         f"team/app:1.2 from {APP}:1.2: no entry asks for it."],
    ),
    "one more target": (
        [f"{APP}:1.0"], [{"source": f"{APP}:1.0", "target": ["team/app", "b/app"], "untagged_repositories": ["bare"]}],
        [f"{target} from {APP}:1.0 (entry 1): the file doesn't know it." for target in ("b/app:1.0", "bare")],
    ),
    "an image less": ([f"{APP}:1.0", f"{APP}:1.1"], [f"{APP}:1.1"], [f"team/app:1.0 from {APP}:1.0: no entry asks for it."]),
    "a new selection": ([], [FEW], [f"{APP} (entry 1): the file has nothing that it selects."]),
    "another selection": (
        [FEW], [{**FEW, "tags": {"newest": 2}}],
        [f"{APP} (entry 1): it selects differently from when the file was written.",
         f"few:1.2 from {APP}:1.2: no entry asks for it."],
    ),
    "a selection of other repositories": (
        [IMAGES[6]], [{**IMAGES[6], "repositories": {"include": ["team/*"]}}],
        [f"{SERVER} (entry 1): it selects differently from when the file was written.",
         f"job:7 from {SERVER}/team/job:7: no entry asks for it.", f"job:8 from {SERVER}/team/job:8: no entry asks for it."],
    ),
    "one more target for a selection": (
        [FEW], [{**FEW, "target": ["few", "many"]}], [f"many:1.2 from {APP}:1.2 (entry 1): the file doesn't know it."],
    ),
    "a selection for one platform": (
        [FEW], [{**FEW, "platform": "linux/amd64"}],
        [f"{APP} (entry 1): it selects differently from when the file was written.",
         f"few:1.2 from {APP}:1.2: no entry asks for it."],
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", MISFITS)
def test_each_misfit_has_its_sentence(locking: Locking, case: str) -> None:
    before, after, sentences = MISFITS[case]
    assert locking.mistakes(locking.update(*before), *after) == sentences


def test_another_prefix_is_another_target(locking: Locking) -> None:
    text = locking.update(f"{APP}:1.0", prefix="old/")
    assert locking.mistakes(text, f"{APP}:1.0", prefix="new/") == [
        f"new/team/app:1.0 from {APP}:1.0 (entry 1): the file doesn't know it.",
        f"old/team/app:1.0 from {APP}:1.0: no entry asks for it.",
    ]


def test_options_that_decide_no_digest_may_differ(locking: Locking) -> None:
    text = locking.update(f"{APP}:1.0")
    [found] = locking.use(text, {"source": f"{APP}:1.0", "if_exists": "fail", "referrers": True, "comment": "why not"})
    assert (found.rules.if_exists, found.rules.referrers, found.origin.digest) == ("fail", True, A)


def test_lines_of_a_source_that_cannot_be_opened_are_not_left_over(locking: Locking, azure: HeldAzure) -> None:
    text = locking.update(f"{APP}:1.0", f"{SERVER}/other:1")
    locking.registries.remove(azure)
    with ThreadPoolExecutor(4) as pool:
        entries = locking.entries((f"{APP}:1.0", f"{SERVER}/other:1"), "")
        found = expand(entries, locking.sources, pool, LockFile(NAME, text))
    assert [str(one.target) for one in found.desired] == ["team/app:1.0"]
    assert [(one.entry, one.error.reason) for one in found.unplanned] == [(1, "unreachable")]


def test_many_mistakes_are_not_all_told(locking: Locking) -> None:
    told = locking.mistakes("", *({"source": f"{APP}:1.0", "target": f"x:{number}"} for number in range(SHOWN_MISTAKES + 5)))
    assert len(told) == SHOWN_MISTAKES + 1 and told[-1] == "Mistakes that are not shown here: 5."


GOOD = f'- {{source: "{APP}:1.0@{A}", target: "team/app:1.0"}}'
# What can't be in a lock file, in its second line.
NO_LINES = {
    "acr_mirror_images:": "Line 2: this isn't a line of a lock file.",
    f"- source: {APP}:1.0@{A}": "Line 2: this isn't a line of a lock file.",
    "<<<<<<< HEAD": "Line 2: this isn't a line of a lock file.",
    GOOD.replace(f"@{A}", ""): f"Line 2: {APP}:1.0 has no digest.",
    GOOD.replace(A, "sha256:12"): (
        f"Line 2: '{APP}:1.0@sha256:12' has an invalid digest; a digest is sha256: followed by 64 lowercase hex digits."
    ),
    GOOD.replace("quay.io/", ""): (
        f"Line 2: source 'team/app:1.0@{A}' doesn't name a registry; put its host in front, such as docker.io/library/nginx:1.27, or "
        "set source_registry."
    ),
    GOOD.replace("/app:1.0\"}", "/app\"}"): "Line 2: target team/app must have a tag.",
    GOOD.replace("target", "untagged_repositories"): "Line 2: untagged_repositories team/app:1.0 must have no tag.",
    GOOD.replace("}", ", if_exists: keep}"): "Line 2: this isn't a line of a lock file.",
    GOOD.replace("}", ', comment: ["a]}'): "Line 2: Unterminated string starting at: line 1 column 2 (char 1).",
    GOOD: "Line 2: team/app:1.0 stands in line 1, too.",
}  # fmt: skip


@pytest.mark.parametrize("line", NO_LINES)
def test_what_is_no_lock_file_is_told_with_its_lines(line: str) -> None:
    with pytest.raises(UserError) as raised:
        LockFile(NAME, f"{GOOD}\n{line}\n# a comment\n\n")
    assert str(raised.value).splitlines() == [
        f"{NAME} isn't a lock file as lock: update writes it. Correct it, or delete it to have it written anew.", NO_LINES[line],
    ]  # fmt: skip


def test_what_would_change(locking: Locking, quay: HeldRegistry) -> None:
    before = LockFile(NAME, locking.update(f"{APP}:1.0", f"{APP}:1.1", FEW))
    quay.tagged["team/app"]["1.0"] = D
    after = LockFile(NAME, locking.update(f"{APP}:1.0", f"{APP}:stable", {**FEW, "tags": {"newest": 1, "include": ["1.*"]}}))
    assert [str(change) for change in before.changes(after.lines)] == [
        f"few:1.2 from {APP}:1.2 has the same digest, but what asks for it has changed.",
        f"team/app:1.0 from {APP}:1.0 now has {D}, and had {A}.",
        f"team/app:1.1 from {APP}:1.1, with {B}, is no longer asked for.",
        f"team/app:stable from {APP}:stable is new, with {B}.",
    ]
    assert before.changes(after.lines)[1].result() == {
        "image": "team/app:1.0", "source": f"{APP}:1.0", "digest": D, "previous_digest": A,
    }  # fmt: skip
    assert before.changes(before.lines) == []


def test_what_the_source_has_no_more_keeps_its_line_if_asked_for(locking: Locking, quay: HeldRegistry) -> None:
    image = {"source": f"{APP}:1.0", "if_source_missing": "keep"}
    text = locking.update(image)
    del quay.tagged["team/app"]["1.0"]
    assert locking.update(image, old=text) == text
    for old, options in (("", image), (text, {"source": f"{APP}:1.0"}), (text.replace("1.0@", "0.9@"), image)):
        with pytest.raises(AssertionError, match="does not exist"):
            locking.update(options, old=old)


SHAPES: list[dict[str, Any]] = [
    *IMAGES[1:4], *IMAGES[5:], {"source": f"{APP}:1.0"},
    {"source": f"{APP}:1.0@{A}", "target": "few/app:1.0", "untagged_repositories": "bare"},
    {"source": f"{APP}:stable", "target": ["{name}:{tag}", "few/{name}"], "untagged_repositories": "bare"},
    {"source": APP, "tags": {"names": ["1.0", "1.1"]}, "untagged_repositories": "bare"},
    {"source": APP, "target": ["few/{name}", "{host}/x"], "tags": {"newest": 1, "same_digest": True}},
    {"source_registry": SERVER, "target": "all/{repository}", "repositories": {"include": ["*"]}, "tags": {"newest": 1}},
    {"source": f"{SERVER}/team/job:7", "target": ["job", "bare:7"]},
]  # fmt: skip


def test_any_list_uses_what_was_written_for_it_and_nothing_less(locking: Locking) -> None:
    chance = random.Random(17)
    used = 0
    for _round in range(60):
        images = chance.sample(SHAPES, chance.randrange(2, 7))
        try:
            text = locking.update(*images)
        except UserError:  # two of them want one target
            continue
        assert locking.update(*images, old=text) == text
        lines = {(str(line.target), line.source.digest) for line in LockFile(NAME, text).lines}
        desired = locking.use(text, *images)
        assert {(str(one.target._replace(digest=None)), one.origin.digest) for one in desired} == lines, images
        for line in text.splitlines()[2:]:
            if "untagged" not in line:
                assert locking.mistakes(text + line.replace('", target: "', '", target: "more/') + "\n", *images), line
        used += 1
    assert used > 30
