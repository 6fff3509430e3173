# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Choosing tags: patterns, version ranges as npm reads them, the newest versions, companions of the same digest."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.registryops.acr.plugins.module_utils._select import (
    InvalidSelection,
    Selection,
    matching,
    parse_range,
    parse_version,
    select_tags,
)

thorough = settings(derandomize=True, database=None, deadline=None, max_examples=300)


def select(tags: str | dict[str, str | None], **options: object) -> list[str]:
    listed = dict.fromkeys(tags.split()) if isinstance(tags, str) else tags
    return select_tags(listed, Selection.of(options)).tags


# -- ranges ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        # The expectations are those of npm's own semver.
        ("1.2.3", "1.2.3", "1.2.2 1.2.4 0.2.3"),
        ("=1.2.3", "1.2.3", "1.2.4"),
        ("v1.2.3", "1.2.3", "1.2.4"),
        ("1.2", "1.2.0 1.2.99", "1.1.9 1.3.0"),
        ("1", "1.0.0 1.99.0", "0.9.9 2.0.0"),
        ("1.x", "1.0.0 1.99.0", "0.9.9 2.0.0"),
        ("1.2.X", "1.2.0 1.2.99", "1.1.9 1.3.0"),
        ("1.2.*", "1.2.0 1.2.99", "1.1.9 1.3.0"),
        ("*", "0.0.0 99.0.0", ""),
        ("", "0.0.0 99.0.0", ""),
        ("x", "0.0.0 99.0.0", ""),
        (">=*", "0.0.0 99.0.0", ""),
        (">*", "", "0.0.0 99.0.0"),
        ("<*", "", "0.0.0 99.0.0"),
        (">1.2.3", "1.2.4 2.0.0", "1.2.3 0.9.0"),
        (">1.2", "1.3.0", "1.2.99"),
        (">1", "2.0.0", "1.99.99"),
        (">=1.2", "1.2.0 9.0.0", "1.1.99"),
        (">= 1.2", "1.2.0 9.0.0", "1.1.99"),
        ("<1.2.3", "1.2.2 0.0.0", "1.2.3"),
        ("<1.2", "1.1.99", "1.2.0"),
        ("<=1.2.3", "1.2.3", "1.2.4"),
        ("<=1.2", "1.2.99", "1.3.0"),
        ("<=1", "1.99.99", "2.0.0"),
        (">=1.2 <2", "1.2.0 1.99.0", "1.1.9 2.0.0"),
        (">1.2.3 <=1.4", "1.2.4 1.4.9", "1.2.3 1.5.0"),
        ("^1.2.3", "1.2.3 1.99.0", "1.2.2 2.0.0"),
        ("^1.2", "1.2.0 1.99.0", "1.1.9 2.0.0"),
        ("^1", "1.0.0 1.99.0", "2.0.0"),
        ("^1.x", "1.0.0 1.99.0", "2.0.0"),
        ("^0.2.3", "0.2.3 0.2.9", "0.2.2 0.3.0"),
        ("^0.0.3", "0.0.3", "0.0.2 0.0.4"),
        ("^0.0", "0.0.0 0.0.9", "0.1.0"),
        ("^0.0.0", "0.0.0", "0.0.1"),
        ("^0", "0.0.0 0.9.9", "1.0.0"),
        ("^0.1", "0.1.0 0.1.9", "0.2.0"),
        ("~1.2.3", "1.2.3 1.2.9", "1.2.2 1.3.0"),
        ("~1.2", "1.2.0 1.2.9", "1.3.0"),
        ("~1", "1.0.0 1.9.9", "2.0.0"),
        ("~> 1.2.3", "1.2.3 1.2.9", "1.3.0"),
        ("~0.0.1", "0.0.1 0.0.9", "0.1.0"),
        ("1.2 - 1.9", "1.2.0 1.9.99", "1.1.9 1.10.0"),
        ("1.2.3 - 2.3.4", "1.2.3 2.3.4", "1.2.2 2.3.5"),
        ("1.2 - *", "1.2.0 99.0.0", "1.1.9"),
        ("1.2 - 2", "1.2.0 2.99.0", "3.0.0"),
        ("1.2 || 2.x", "1.2.5 2.9.0", "1.3.0 3.0.0"),
        ("<1 || >=2 <3 || ^4.1", "0.9.0 2.5.0 4.1.0", "1.0.0 3.0.0 4.0.9 5.0.0"),
        ("1 ||", "1.0.0 7.0.0", ""),
        (">=2 <1", "", "1.0.0 1.5.0 2.0.0"),
        (">=1.10", "1.10.0 1.11.0", "1.9.0 1.2.0"),
    ],
)
def test_range(text: str, inside: str, outside: str) -> None:
    fits = parse_range(text)
    assert [version for version in inside.split() if not fits(numbers(version))] == []
    assert [version for version in outside.split() if fits(numbers(version))] == []


@pytest.mark.parametrize("text", [">=1.2, <2", ">=1.2,<2"])
def test_a_comma_joins_as_helm_has_it(text: str) -> None:
    """On purpose more than npm: Masterminds' ranges, which Helm users write."""
    fits = parse_range(text)
    assert [fits(version) for version in [(1, 1, 9, 0), (1, 2, 0, 0), (1, 9, 9, 0), (2, 0, 0, 0)]] == [False, True, True, False]


@pytest.mark.parametrize(
    ("text", "inside", "outside"),
    [
        # The expectations are those of npm's own semver (with includePrerelease, for what a range doesn't invite).
        (">=2.0.0-rc.2", "2.0.0-rc.2 2.0.0-rc.10 2.0.0 2.1.0", "2.0.0-rc.1 2.0.0-beta 1.9.9"),
        (">2.0.0-rc.2", "2.0.0-rc.3 2.0.0", "2.0.0-rc.2 2.0.0-rc.1"),
        ("<2.0.0-rc.2", "2.0.0-rc.1 1.9.9", "2.0.0-rc.2 2.0.0"),
        ("<=2.0.0-rc.2", "2.0.0-rc.2 2.0.0-beta", "2.0.0-rc.3 2.0.0"),
        ("2.0.0-rc.2", "2.0.0-rc.2", "2.0.0-rc.1 2.0.0-rc.3 2.0.0"),
        ("^2.0.0-rc.2", "2.0.0-rc.3 2.0.0 2.9.0", "2.0.0-rc.1 3.0.0"),
        ("~2.0.0-rc.2", "2.0.0-rc.2 2.0.9", "2.0.0-rc.1 2.1.0"),
        ("2.0.0-rc.2 - 2.1.0-beta", "2.0.0-rc.2 2.1.0-beta 2.1.0-alpha", "2.0.0-rc.1 2.1.0-rc.1 2.1.0"),
        (">=1.27.3-alpine", "1.27.3-alpine 1.27.3", "1.27.2"),
        # A number that is left open leaves the suffix open, too, and what is no suffix in the range is a variant.
        ("1.x-alpine", "1.2.0 1.2.0-alpine", "2.0.0"),
        (">=2.0.0", "2.0.0-rc.1", "1.9.9"),
        # Four numbers
        (">=1.2.3.4", "1.2.3.4 1.2.3.10 1.2.4.0", "1.2.3.3 1.2.3.0"),
        ("1.2.3", "1.2.3.0 1.2.3.9", "1.2.4.0"),
        ("~1.2.3.4", "1.2.3.4 1.2.9.0", "1.3.0.0 1.2.3.3"),
        ("1.2.3.4", "1.2.3.4", "1.2.3.5"),
    ],
)
def test_a_suffix_and_a_fourth_number_count(text: str, inside: str, outside: str) -> None:
    fits = parse_range(text)

    def holds(tag: str) -> bool:
        version = parse_version(tag)
        assert version is not None
        return fits(*version[:2])

    assert [tag for tag in inside.split() if not holds(tag)] == [tag for tag in outside.split() if holds(tag)] == []


def test_a_range_that_names_a_suffix_invites_those_of_its_version() -> None:
    tags = "1.9.0 2.0.0-rc.1 2.0.0-rc.2 2.0.0-rc.10 2.0.0 2.1.0-rc.1 2.1.0"
    assert select(tags, semver=">=2.0.0-rc.2") == "2.0.0-rc.2 2.0.0-rc.10 2.0.0 2.1.0".split()
    assert select(tags, semver=">=2.0.0-rc.2", include=["2.1*"]) == ["2.1.0-rc.1", "2.1.0"]
    assert select(tags, semver=">=2.0.0") == ["2.0.0", "2.1.0"]


def test_any_range_of_several() -> None:
    assert select("1.0 1.5 2.0 3.0", semver=["^1.5", "3.x"]) == ["1.5", "3.0"]
    assert select("1.0 1.5 2.0", semver=[">=1.2, <2"]) == select("1.0 1.5 2.0", semver=">=1.2, <2") == ["1.5"]
    assert select("1.0 2", semver=2) == ["2"] and Selection.of({"semver": []}).semver is None
    for wrong, read in ((1.1, "1.1 was read as a number"), ([1.1], "1.1 was read as a number"), (True, "true was read as a boolean")):
        with pytest.raises(InvalidSelection, match=f"semver must be text, but {read}"):
            Selection.of({"semver": wrong})
    with pytest.raises(InvalidSelection, match="^semver 'nonsense' is invalid"):
        Selection.of({"semver": ["1.x", "nonsense"]})


@pytest.mark.parametrize(
    "text",
    [
        "latest",
        ">",
        "^",
        "1.2.3.4.5",
        "1..2",
        "=>1",
        "!=1.2",
        ">=1.2<2",
        "1.2 | 1.3",
        "> =1",
        "a - b",
        "1 - >=2",
        ",",
        "-1",
    ],
)
def test_what_is_no_range_is_one_clear_error(text: str) -> None:
    with pytest.raises(InvalidSelection) as caught:
        Selection.of({"semver": text})
    assert str(caught.value).startswith("semver {0!r} is invalid".format(text)) and str(caught.value).endswith(
        "."
    )


def numbers(text: str) -> tuple[int, int, int, int]:
    first, second, third, fourth = [*map(int, text.split(".")), 0][:4]
    return first, second, third, fourth


small = st.integers(0, 12)
versions = st.tuples(small, small, small, st.just(0))
bounds = versions.map(lambda version: "{0}.{1}.{2}".format(*version))


@thorough
@given(versions, bounds, bounds)
def test_ranges_obey_arithmetic(version: tuple[int, int, int, int], low: str, high: str) -> None:
    def fits(text: str) -> bool:
        return parse_range(text)(version)

    assert fits(">=" + low) is (version >= numbers(low)) is not fits("<" + low)
    assert fits("<=" + low) is (version <= numbers(low)) is not fits(">" + low)
    assert fits(low) is (version == numbers(low)) is (fits(">=" + low) and fits("<=" + low))
    assert fits("{0} - {1}".format(low, high)) is fits(">={0} <={1}".format(low, high))
    assert fits("{0} || {1}".format(low, high)) is (fits(low) or fits(high))
    assert fits("^" + low) or not fits("~" + low) or low.startswith("0.")
    assert not fits("^" + low) or (fits(">=" + low) and version[0] == numbers(low)[0])
    assert not fits("~" + low) or (fits(">=" + low) and version[:2] == numbers(low)[:2])


@thorough
@given(st.text("0123456789.xX*^~<>=|-, vaé٣²", max_size=12) | st.text(max_size=12), versions)
def test_any_text_is_a_range_or_one_clear_error(text: str, version: tuple[int, int, int, int]) -> None:
    try:
        assert parse_range(text)(version) in (True, False)
    except InvalidSelection as error:
        assert str(error).startswith("semver ") and str(error).endswith(".")


# -- versions --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("tag", "version"),
    [
        ("1.27.3", ((1, 27, 3, 0), "", 3)),
        ("v1.27", ((1, 27, 0, 0), "", 2)),
        ("V2", ((2, 0, 0, 0), "", 1)),
        ("1.27.3-alpine3.20", ((1, 27, 3, 0), "alpine3.20", 3)),
        ("1.27-alpine", ((1, 27, 0, 0), "alpine", 2)),
        ("20240131", ((20240131, 0, 0, 0), "", 1)),
        ("2024-01-31", ((2024, 0, 0, 0), "01-31", 1)),
        ("latest", None),
        ("alpine", None),
        ("1.2.3.4", ((1, 2, 3, 4), "", 4)),
        ("4.8.1.2-windows", ((4, 8, 1, 2), "windows", 4)),
        ("1.2.3.4.5", None),
        ("1.2.3_4", ((1, 2, 3, 0), "", 3)),
        ("1.2.0-rc.1_build.7", ((1, 2, 0, 0), "rc.1", 3)),
        ("v1.2.0_2024-08-07", ((1, 2, 0, 0), "", 3)),
        ("1.2.3_", None),
        ("1.2.3_4_5", None),
        ("1.", None),
        ("version1", None),
        ("sha256-" + "a" * 64 + ".sig", None),
    ],
)
def test_version(tag: str, version: object) -> None:
    assert parse_version(tag) == version


# -- tags ------------------------------------------------------------------------------------------------------------

NGINX = (
    "latest alpine stable 1 1.9 1.26 1.26.0 1.26.1 1.27 1.27.0 1.27.1 1.27.10 1.27.2 1.27.2-alpine 1.27.10-alpine "
    "2.0.0-rc.1"
)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"include": ["1.26*"]}, "1.26.0 1.26 1.26.1"),
        ({"include": ["latest", "stable"]}, "latest stable"),
        ({"include": ["1.27.?"]}, "1.27.0 1.27.1 1.27.2"),
        ({"include": ["1.27.[01]"]}, "1.27.0 1.27.1"),
        ({"include": ["*-alpine"], "exclude": ["1.27.2-*"]}, "1.27.10-alpine"),
        ({"include": ["LATEST"]}, ""),
        ({"exclude": ["*alpine", "1.*"]}, "latest stable 1 2.0.0-rc.1"),
        ({"semver": ">=1.27.1"}, "1.27.1 1.27.2 1.27.10"),
        ({"semver": "~1.27"}, "1.27.0 1.27 1.27.1 1.27.2 1.27.10"),
        ({"semver": "~1.27", "include": ["*-alpine"]}, "1.27.2-alpine 1.27.10-alpine"),
        ({"semver": "~1.27", "exclude": ["1.27"]}, "1.27.0 1.27.1 1.27.2 1.27.10"),
        ({"semver": ">=3"}, ""),
        # A candidate for a release comes only where it was asked for.
        ({"semver": ">=2"}, ""),
        ({"semver": ">=2", "include": ["*-rc.*"]}, "2.0.0-rc.1"),
        ({"newest": 2}, "1.27.2 1.27.10"),
        ({"newest": 1, "semver": "<1.27"}, "1.26.1"),
        ({"newest": 1, "include": ["*-alpine"]}, "1.27.10-alpine"),
        ({"newest": 1, "exclude": ["1.27.10"]}, "1.27.2"),
        ({"newest": 99, "semver": "1.26"}, "1.26.0 1.26 1.26.1"),
        ({"newest": 1, "include": ["latest"]}, ""),
    ],
)
def test_select(options: dict[str, object], expected: str) -> None:
    shuffled = NGINX.split()
    random.Random(1).shuffle(shuffled)
    assert select(dict.fromkeys(shuffled), **options) == expected.split()


def test_all_tags_are_chosen_where_nothing_is_said() -> None:
    assert sorted(select(NGINX)) == sorted(NGINX.split())
    assert select({}) == []


def test_newest_is_by_version_and_not_by_text_or_place() -> None:
    assert select("10.0 9.0 2.0", newest=2) == ["9.0", "10.0"]
    assert select("v10 v9 v2", newest=1) == ["v10"]
    assert select("1.0-rc.2 1.0-rc.10 1.0-rc.9 1.0-rc", include=["*-rc*"], newest=3) == ["1.0-rc.2", "1.0-rc.9", "1.0-rc.10"]
    assert select("3.20-alpine3.9 3.20-alpine3.20", include=["*alpine*"], newest=1) == ["3.20-alpine3.20"]
    assert select("1.0-rc2 1.0-rc10 1.0-2 1.0-beta", include=["*-*"], newest=3) == ["1.0-beta", "1.0-rc2", "1.0-rc10"]
    # A release comes after its candidates, which count only where they are included.
    assert select("2.0.0 2.0.0-rc.1 1.9.0", newest=2, include=["*"]) == ["2.0.0-rc.1", "2.0.0"]
    assert select("2.0.0 2.0.0-rc.1 1.9.0", newest=2) == ["1.9.0", "2.0.0"]


@pytest.mark.parametrize(
    ("tags", "options", "expected"),
    [
        # Helm writes "+" as "_", since a tag can't hold it.
        ("1.2.0_build.7 1.0.0 1.1.0", {"newest": 1}, "1.2.0_build.7"),
        ("1.2.0_build.7 1.0.0 1.1.0", {"semver": ">=1.1"}, "1.1.0 1.2.0_build.7"),
        ("1.2.0_build-7 1.0.0", {"newest": 1}, "1.2.0_build-7"),
        ("v1.2.0_sha.0a1b2c 1.0.0", {"semver": "^1.2"}, "v1.2.0_sha.0a1b2c"),
        ("1.2.0_build.7 1.2.0-rc.1_build.9", {"newest": 2}, "1.2.0_build.7"),
        ("1.2.0_build.7 1.2.0-rc.1_build.9", {"newest": 2, "include": ["*"]}, "1.2.0-rc.1_build.9 1.2.0_build.7"),
        # It is no newer or older version, but one order is needed: the plain one, then builds by number.
        ("1.2.0_build.10 1.2.0_build.9 1.2.0 1.2.1", {"newest": 3}, "1.2.0_build.9 1.2.0_build.10 1.2.1"),
        ("1.2.0_build.10 1.2.0_build.9 1.2.0", {"newest": 9}, "1.2.0 1.2.0_build.9 1.2.0_build.10"),
        ("1.2.0_build.10 1.2.0_build.9 1.2", {"newest": 1}, "1.2"),
    ],
)
def test_e8_build_metadata_leaves_a_version_a_version(tags: str, options: dict[str, object], expected: str) -> None:
    for order in (tags.split(), tags.split()[::-1]):
        assert select(dict.fromkeys(order), **options) == expected.split()


ALPINE = "3.20.0 3.19.1 2.7 20240807 20231219 v20240807 edge latest"


@pytest.mark.parametrize(
    ("tags", "options", "expected"),
    [
        (ALPINE, {"newest": 2}, "3.19.1 3.20.0"),
        (ALPINE, {"semver": ">=3"}, "3.19.1 3.20.0"),
        (ALPINE, {"newest": 2, "include": ["*"]}, "3.19.1 3.20.0"),
        (ALPINE, {"newest": 9, "include": ["2*"]}, "2.7"),
        (ALPINE, {"newest": 9, "include": ["[0-9]*", "v*"]}, "2.7 3.19.1 3.20.0"),
        (ALPINE, {"newest": 9, "exclude": ["2024*"]}, "2.7 3.19.1 3.20.0"),
        # What a pattern names is meant.
        (ALPINE, {"newest": 9, "include": ["2024*"]}, "20240807"),
        (ALPINE, {"newest": 1, "include": ["202?????"]}, "20240807"),
        (ALPINE, {"newest": 1, "include": ["3*", "20231219"]}, "20231219"),
        (ALPINE, {"newest": 9, "include": ["[12]" + "[0-9]" * 7]}, "20231219 20240807"),
        (ALPINE, {"newest": 9, "include": ["v2024*"]}, "v20240807"),
        (ALPINE, {"semver": ">=20240101", "include": ["20*"]}, "20240807"),
        # A build number counts as such from five digits on, as does a date with a variant behind it.
        ("99999 10234 9999 4", {"newest": 1}, "9999"),
        ("3.20-alpine 20240807-alpine", {"newest": 1, "include": ["*-alpine"]}, "3.20-alpine"),
        ("3.20-alpine 20240807-alpine", {"newest": 1, "include": ["2024*-alpine"]}, "20240807-alpine"),
        ("3.20 20240807_1", {"newest": 1}, "3.20"),
        # More than one number is a version, however big the first.
        ("20240807.1 20240807.2 3.20", {"newest": 2}, "20240807.1 20240807.2"),
        # Without an order of versions, all that is asked for is taken.
        (ALPINE, {"include": ["*0807", "3*"]}, "v20240807 3.19.1 3.20.0 20240807"),
    ],
)
def test_e9_a_bare_number_of_five_digits_is_no_version(tags: str, options: dict[str, object], expected: str) -> None:
    assert sorted(select(tags, **options)) == sorted(expected.split())


DIGESTS: dict[str, str | None] = {
    "latest": "sha256:3",
    "3": "sha256:3",
    "3.0": "sha256:3",
    "3.0-alpine": "sha256:4",
    "2.9": "sha256:2",
    "2": "sha256:2",
    "edge": "sha256:5",
}


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"newest": 1, "same_digest": True}, ["3", "3.0", "latest"]),
        ({"newest": 1, "same_digest": False}, ["3"]),
        ({"include": ["2.9"], "same_digest": True}, ["2.9", "2"]),
        # What exclude leaves out comes back where it is the same image: same_digest is applied last.
        ({"include": ["3"], "exclude": ["latest"], "same_digest": True}, ["3", "3.0", "latest"]),
        ({"include": ["edge"], "same_digest": True}, ["edge"]),
        ({"include": ["none"], "same_digest": True}, []),
    ],
)
def test_same_digest(options: dict[str, object], expected: list[str]) -> None:
    assert select(DIGESTS, **options) == expected


def test_tags_whose_digest_is_unknown_are_not_the_same() -> None:
    assert select({"1": None, "2": None}, include=["1"], same_digest=True) == ["1"]


@pytest.mark.parametrize("newest", [0, -1])
def test_newest_below_one_is_one_clear_error(newest: int) -> None:
    with pytest.raises(InvalidSelection) as caught:
        Selection.of({"newest": newest})
    assert str(caught.value) == "newest must be at least 1, not {0}.".format(newest)


MINIO = "RELEASE.2024-01-31T20-20-33Z RELEASE.2024-01-05T22-17-24Z RELEASE.2023-12-31T01-00-00Z.fips latest edge"


@pytest.mark.parametrize(
    ("tags", "options", "expected"),
    [
        (NGINX, {"match": r"1\.2[67]\.\d"}, "1.26.0 1.26.1 1.27.0 1.27.1 1.27.2"),
        (NGINX, {"match": "latest|stable"}, "latest stable"),
        (NGINX, {"match": "1.27"}, "1.27"),  # the whole tag
        (NGINX, {"match": r"(?P<version>.*)-alpine", "semver": "1.27.x"}, "1.27.2-alpine 1.27.10-alpine"),
        (NGINX, {"match": r"(?<version>.*)-alpine", "newest": 1}, "1.27.10-alpine"),
        (NGINX, {"match": r".*-alpine", "semver": "1.27.x", "newest": 1}, "1.27.10-alpine"),
        (NGINX, {"match": r"(?P<version>1\.27\..*)-alpine|latest", "newest": 3}, "1.27.2-alpine 1.27.10-alpine"),
        (NGINX, {"match": r"1\.27.*", "include": ["*-alpine"], "exclude": ["*.2-*"]}, "1.27.10-alpine"),
        # Dates
        (MINIO, {"match": r"RELEASE\.(?P<version>\d{4}-\d\d-\d\d)T[0-9-]+Z", "newest": 1}, "RELEASE.2024-01-31T20-20-33Z"),
        ("2024.01.31 2024.10.01 2023.12.31", {"newest": 2}, "2024.01.31 2024.10.01"),
        ("20240807 20231219 3.20 edge", {"match": r"(?P<version>\d{8})", "newest": 1}, "20240807"),
        ("20240807 20231219 3.20 edge", {"match": r"\d{8}", "newest": 1}, "20240807"),
        ("20240807 20231219 3.20 edge", {"match": r".*", "newest": 1}, "3.20"),
        ("4.8.1.10 4.8.1.9 4.8.2.0 4.8.1", {"newest": 2, "semver": "4.8.1"}, "4.8.1.9 4.8.1.10"),
    ],
)
def test_match(tags: str, options: dict[str, object], expected: str) -> None:
    assert sorted(select(tags, **options)) == sorted(expected.split())


@pytest.mark.parametrize("expression", ["(", "[", "(?P<version>1)(?P<version>2)", "*", "(?<1>a)"])
def test_what_is_no_regular_expression_is_one_clear_error(expression: str) -> None:
    with pytest.raises(InvalidSelection) as caught:
        Selection.of({"match": expression})
    assert str(caught.value).startswith(f"match {expression!r} isn't a regular expression: ") and str(caught.value).endswith(".")


def test_newest_by_time() -> None:
    times = {"a": "2026-01-01T00:00:00.5Z", "b": "2026-01-01T00:00:00Z", "2.0": "2025-01-01T00:00:00Z", "1.0": "2026-02-01T00:00:00Z"}
    tags = dict.fromkeys([*times, "untold"])
    for newest, expected in ((1, ["1.0"]), (3, ["b", "a", "1.0"]), (9, ["untold", "2.0", "b", "a", "1.0"])):
        assert select_tags(tags, Selection.of({"newest": newest, "order": "time"}), times).tags == expected
    assert select_tags(tags, Selection.of({"newest": 1, "order": "time", "semver": ">=1"}), times).tags == ["1.0"]
    assert select_tags(tags, Selection.of({"newest": 1}), times).tags == ["2.0"]
    assert not Selection.of({"order": "time"}).by_time


@pytest.mark.parametrize(
    ("tags", "options", "dropped"),
    [
        ("1.0 latest", {}, {}),
        ("1.0 1.1 a b", {"names": ["1.0", "a"], "include": ["1*"]}, {"names": ["1.1", "b"], "include": ["a"]}),
        ("1.0 1.1 a", {"exclude": ["a"], "match": r"1\.1"}, {"exclude": ["a"], "match": ["1.0"]}),
        (
            "1.0 1.1 1.2 2.0 2.0-rc.1 20240807 edge", {"semver": "1.x", "newest": 1},
            {"version": ["edge"], "number": ["20240807"], "suffix": ["2.0-rc.1"], "semver": ["2.0"], "newest": ["1.0", "1.1"]},
        ),
    ],
)  # fmt: skip
def test_each_tag_is_chosen_or_dropped_by_one_rule(tags: str, options: dict[str, object], dropped: dict[str, list[str]]) -> None:
    choice = select_tags(dict.fromkeys(tags.split()), Selection.of(options))
    assert choice.dropped == dropped and list(choice.dropped) == list(dropped)
    assert sorted(choice.tags + sum(dropped.values(), [])) == sorted(tags.split())


def test_what_comes_back_as_the_same_image_was_not_dropped() -> None:
    choice = select_tags(DIGESTS, Selection.of({"include": ["3"], "exclude": ["latest"], "same_digest": True}))
    assert choice.dropped == {"include": ["2", "2.9", "3.0-alpine", "edge"]}


def test_names_are_the_first_choice() -> None:
    assert select("1.0 1.1 latest", names=["1.1", "latest", "none"]) == ["latest", "1.1"]
    assert select("1.0 1.1 1.2 latest", names=["1.0", "1.1", "latest"], newest=1) == ["1.1"]
    assert select(DIGESTS, names=["2.9"], same_digest=True) == ["2.9", "2"]


@pytest.mark.parametrize("name", ["1.*", "", "a/b", ".1", "x" * 129])
def test_a_name_that_is_no_tag_is_one_clear_error(name: str) -> None:
    with pytest.raises(InvalidSelection) as caught:
        Selection.of({"names": ["1.0", name]})
    assert str(caught.value) == f"names takes exact tags, but {name!r} isn't one; put shell patterns under include."


@pytest.mark.parametrize("option", ["include", "exclude"])
@pytest.mark.parametrize(
    "pattern",
    [
        "^1.2", "1.2$", r"\d+", r"1\.2", "1|2", "(1)", ".*", ".+", "v.*", ".*-alpine", "release-.*", "[0-9]+", "[^0-9]*", "1.2-.+",
    ],
)  # fmt: skip
def test_a_regular_expression_is_no_shell_pattern(option: str, pattern: str) -> None:
    with pytest.raises(InvalidSelection) as caught:
        Selection.of({option: ["1.*", pattern]})
    assert str(caught.value) == (
        f"{option} takes shell patterns such as 1.27*, but {pattern!r} looks like a regular expression; put it under match."
    )


@pytest.mark.parametrize("pattern", ["1.*", "v1.*", "*.*", "[0-9].*", "[!0-9]*", "*-rc.*", "1.27*", "*", "?", "1.2.*-alpine"])
def test_shell_patterns_are_none(pattern: str) -> None:
    assert Selection.of({"include": [pattern]}).include == (pattern,)


def test_options_left_empty_select_everything() -> None:
    empty = {"include": None, "exclude": [], "semver": "", "newest": None, "same_digest": None}
    assert Selection.of(empty) == Selection() == Selection.of({})


def test_matching() -> None:
    names = ["team/app", "team/db", "base/nginx", "team"]
    assert matching(names, ["team/*"], []) == ["team/app", "team/db"]
    assert matching(names, [], ["team/*"]) == ["base/nginx", "team"]
    assert matching(iter(names), iter(["*"]), iter(["*/db"])) == ["base/nginx", "team", "team/app"]


tag_names = st.from_regex(r"v?[0-9]{1,2}(\.[0-9]{1,2}){0,2}(-(alpine|rc\.[0-9]))?", fullmatch=True) | st.sampled_from(
    ["latest", "edge", "stable", "1_2"]
)
listings = st.dictionaries(tag_names, st.none() | st.sampled_from(["sha256:1", "sha256:2", "sha256:3"]), max_size=12)
selections = st.builds(
    Selection,
    st.sampled_from([(), ("*",), ("1*", "v*"), ("*-alpine",)]),
    st.sampled_from([(), ("*rc*",), ("latest",)]),
    st.sampled_from([None, "*", ">=1", "^1.2", "<5 || >9"]),
    st.none() | st.integers(1, 4),
    st.booleans(),
    st.sampled_from([(), ("1", "1.1", "v1-alpine", "latest")]),
    st.none(),
    st.just("version"),
)


@thorough
@given(listings, selections, st.randoms(use_true_random=False))
def test_properties(tags: dict[str, str | None], selection: Selection, random_: random.Random) -> None:
    chosen = select_tags(tags, selection).tags
    shuffled = list(tags.items())
    random_.shuffle(shuffled)
    assert select_tags(dict(shuffled), selection).tags == chosen, "the order of the listing must not matter"
    assert len(set(chosen)) == len(chosen) and set(chosen) <= set(tags)
    fits = parse_range(selection.semver or "")
    by_name = select_tags(tags, selection._replace(same_digest=False)).tags
    assert chosen[: len(by_name)] == by_name
    for name in by_name:
        assert name in matching(tags, selection.include, selection.exclude)
        version = parse_version(name)
        if selection.semver is not None or selection.newest is not None:
            assert version is not None and fits(*version[:2])
            assert selection.include or not version[1]
    ordered = [version[0] for name in by_name for version in [parse_version(name)] if version is not None]
    assert ordered == sorted(ordered)
    if selection.newest is not None:
        every = select_tags(tags, selection._replace(same_digest=False, newest=None, semver=selection.semver or "*")).tags
        assert by_name == every[-selection.newest :]
    companions = set(chosen[len(by_name) :])
    shared = {tags[name] for name in by_name} - {None}
    same = {name for name, digest in tags.items() if digest in shared}
    assert companions == (same - set(by_name) if selection.same_digest else set())
