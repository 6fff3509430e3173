# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a text to entries and back: which results replace what, and that everything else stays as it is."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.registryops.acr.plugins.module_utils._containers import images, rewrite, sentence
from ansible_collections.registryops.acr.plugins.module_utils._errors import UserError

A, B = ("sha256:" + letter * 64 for letter in "ab")
NGINX = "docker.io/library/nginx:1.27"


def result(source: str = NGINX, image: str = "c.test/base/nginx:1.27", digest: str | None = A, **more: Any) -> dict[str, Any]:
    return {"source": source, "image": image, "digest": digest, "action": "import", **more}


def pod(image: str) -> str:
    return f"containers:\n  - image: {image}  # web\n"


# ---- entries ------------------------------------------------------------------------------------------------------------


def test_entries_are_sorted_and_each_image_is_there_once() -> None:
    found = images(pod("nginx:1.27") + pod("x")[12:] + f"  - image: 'quay.io/a/b@{A}'\n  - image: index.docker.io/nginx:1.27\n")
    entries = [
        {"source": "docker.io/library/nginx:1.27"},
        {"source": "docker.io/library/x:latest"},
        {"source": f"quay.io/a/b@{A}", "untagged_repositories": ["a/b"]},
    ]
    assert found == (entries, [])


@pytest.mark.parametrize("content", ["", "# nothing", "---\n---\n", "a: b", {}, [], [{"image": None}]])
def test_nothing_is_found_where_nothing_is(content: Any) -> None:
    assert images(content) == ([], []) and rewrite(content, [], True) == (content, [])


@pytest.mark.parametrize("content", ["manifests/web.yml", "--- nginx:1.27", 5, None, True])
def test_what_is_neither_text_nor_data_is_refused(content: Any) -> None:
    with pytest.raises(UserError, match="Expected the text of manifests"):
        images(content)


def test_a_list_of_texts_is_refused_and_documents_one_by_one_are_not() -> None:
    for content in ([pod("nginx")], ("", {})):
        with pytest.raises(UserError, match="use the filter map"):
            images(content)
    assert images(iter([{"image": "a:1"}]))[0] == [{"source": "docker.io/library/a:1"}]
    assert rewrite(iter([{"image": "nginx:1.27"}]), [result()], False)[0] == [{"image": "c.test/base/nginx:1.27"}]


def test_data_is_read_as_text_is() -> None:
    text = """\
a: {containers: [{image: nginx}, {image: '{{ x }}'}]}
b: {image: {repository: a/b, tag: '1'}}
c: {image: {repository: a, tag: 1.3}}
"""
    entries, unknown = images(yaml.safe_load(text))
    assert entries == images(text)[0] == [{"source": "docker.io/a/b:1"}, {"source": "docker.io/library/nginx:latest"}]
    assert [message.removeprefix("line 1: ").removeprefix("line 3: ") for message in images(text)[1]] == unknown


# ---- results ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("image", "pin", "results", "after"),
    [
        ("nginx:1.27", False, [result()], "c.test/base/nginx:1.27"),
        ("nginx:1.27", True, [result()], f"c.test/base/nginx:1.27@{A}"),
        ("nginx:1.27", False, [result(image=f"c.test/n@{A}")], f"c.test/n@{A}"),
        (f"nginx@{A}", False, [result(f"docker.io/library/nginx@{A}", f"c.test/n@{A}")], f"c.test/n@{A}"),
        (f"nginx:1.27@{A}", False, [result()], f"c.test/base/nginx:1.27@{A}"),
        (f"nginx:1.27@{A}", False, [result(digest=B), result(image="c.test/x:1")], f"c.test/x:1@{A}"),
        ("nginx:1.27", False, [result(image="c.test/x:stable"), result(image="c.test/x:1.27")], "c.test/x:1.27"),
        ("nginx:1.27", False, [result(image=f"c.test/x@{A}"), result(image="c.test/x:stable")], "c.test/x:stable"),
        ("nginx:1.27", False, [result(action="failed", digest=None), result()], "c.test/base/nginx:1.27"),
        ("nginx:1.27", False, [result("a.test/*:*", "c.test/*:*", None, action="failed"), result()], "c.test/base/nginx:1.27"),
        ("c.test/base/nginx:1.27", False, [result()], "c.test/base/nginx:1.27"),
        ("c.test/base/nginx:1.27", True, [result()], f"c.test/base/nginx:1.27@{A}"),
    ],
)
def test_which_result_replaces_an_image(image: str, pin: bool, results: list[dict[str, Any]], after: str) -> None:
    assert rewrite(pod(image), results, pin) == (pod(after), [])
    assert rewrite(pod(after), results, pin) == (pod(after), [])


@pytest.mark.parametrize(
    ("image", "pin", "results", "problem"),
    [
        ("nginx:1.27", False, [], f"{NGINX} is in none of the results"),
        ("nginx:1.26", False, [result()], "docker.io/library/nginx:1.26 is in none of the results"),
        (f"nginx:1.27@{B}", False, [result()], f"{NGINX}@{B} is in none of the results"),
        ("nginx:1.27", False, [result(action="failed", error="It is locked.")], f"{NGINX} was not mirrored (It is locked)"),
        ("nginx:1.27", True, [result(digest=None)], f"{NGINX} can't be pinned, since its result has no digest"),
        ("'{{ x }}'", False, [result()], "'{{ x }}' has a variable that isn't filled in"),
    ],
)
def test_an_image_without_a_result_stays_and_is_reported(image: str, pin: bool, results: list[Any], problem: str) -> None:
    assert rewrite(pod(image), results, pin) == (pod(image), [f"line 2: containers[0].image: {problem}"])


NO_RESULTS = ["x", {"results": []}, None, [1], [{}], [result(source="x y")], [result(image="x")], [result(source=None)]]


@pytest.mark.parametrize("results", NO_RESULTS)
def test_results_that_are_none_are_refused(results: Any) -> None:
    with pytest.raises(UserError, match="results must be"):
        rewrite(pod("nginx"), results, False)


def test_several_fields_in_text_and_data() -> None:
    text = "web:\n  image: {registry: docker.io, repository: library/nginx, tag: 1.27-x, digest: ''}\n"
    results = [result(NGINX + "-x", "c.test/base/nginx:7")]
    after, problems = rewrite(text, results, True)
    assert after == f"web:\n  image: {{registry: c.test, repository: base/nginx, tag: \"7\", digest: '{A}'}}\n" and problems == []
    data = yaml.safe_load(text)
    assert rewrite(data, results, True) == (yaml.safe_load(after), [])
    assert data == yaml.safe_load(text)


def test_a_value_that_two_images_share_is_never_written_for_one_of_them() -> None:
    text = "a: {image: {repository: a, tag: &t '1'}}\nb: {image: {repository: b, tag: *t}}\n"
    one = [result("docker.io/library/a:1", "c.test/a:2")]
    for results in (one, one + [result("docker.io/library/b:1", "c.test/b:3")]):
        with pytest.raises(UserError, match="shares a value"):
            rewrite(text, results, False)
    assert rewrite(text, one + [result("docker.io/library/b:1", "c.test/b:2")], False)[1] == []


def test_a_dockerfile() -> None:
    text = "# syntax=docker/dockerfile:1\r\nARG V=1.27\r\nFROM  nginx:${V}\tAS web\r\nFROM web\r\nCOPY --from=nginx:1.27 a b\r\n"
    results = [result(), result("docker.io/docker/dockerfile:1", "c.test/docker/dockerfile:1")]
    after = text.replace("nginx:${V}", "c.test/base/nginx:1.27").replace("nginx:1.27 a", "c.test/base/nginx:1.27 a")
    assert rewrite(text, results, False) == (after.replace("=docker/", "=c.test/docker/"), [])


def test_a_message_names_some_problems_and_counts_the_rest() -> None:
    assert sentence("These are unknown", ["a", "b", "a"]) == "These are unknown: a; b."
    assert sentence("X", [str(number) for number in range(12)]).endswith("; 9; and 2 more.")


# ---- any text -----------------------------------------------------------------------------------------------------------

IMAGES = [NGINX, "quay.io/a/b:v1", f"ghcr.io/a/c@{A}", "mcr.microsoft.com/x/y:8.0"]
COMMENTS = st.sampled_from(["", "  # plain", " #\ttab\there", " # image: nginx:1", "  # ünï — 漢字 🐳", "   "])
# Ways to write an image in block style: before it, after it, and whether that ends the line.
STYLES = [
    ("", "", False),
    ("'", "'", False),
    ('"', '"', False),
    ("&anchor{n} ", "", False),
    ("!!str ", "", False),
    ("&a{n} !!str '", "'", False),
    (">-\n        ", "\n", True),
    ("|-  # nginx\n          ", "\n\n", True),
    ("\n        ", "", False),
    ('\n       "', '"', False),
]
FLOWS = [
    "{{name: é, image: {0}}}",
    "{{image: '{0}', name: x}}",
    '{{ "image" : "{0}" }}',
    "{{? image : {0}, x: [a, {{}}]}}",
    "{{image:\n         {0}\n        , x: y}}",
]


@st.composite
def manifests(draw: st.DrawFn) -> list[str]:
    """A text in pieces; those with odd numbers are images."""
    pieces = [draw(st.sampled_from(["", "\ufeff", "# é\n", "%YAML 1.1\n---\n", "---  # x\n", "\n \n"]))]

    def add(text: str) -> None:
        pieces[-1] += text

    number = 0
    for document in range(draw(st.integers(1, 3))):
        if document:
            add(draw(st.sampled_from(["---\n", "--- # image: x\n", "...\n---\n", "...\n# é\n\n--- !!map\n"])))
        add(f"kind: Pod{draw(COMMENTS)}\napiVersion: v1\nmetadata: {{name: 'ä', annotations: {{image: nginx:1}}}}\n")
        add("spec:\n  containers:\n")
        for _container in range(draw(st.integers(1, 3))):
            number += 1
            image, end = draw(st.sampled_from(IMAGES)), draw(COMMENTS)
            if draw(st.booleans()):
                before, after = draw(st.sampled_from(FLOWS)).format("\0").split("\0")
                add(f"    - {before}")
                pieces.extend((image, after + end + "\n"))
            else:
                before, after, whole = draw(st.sampled_from(STYLES))
                add(draw(st.sampled_from(["    - ", "    -\n      "])) + "image: " + before.replace("{n}", str(number)))
                pieces.extend((image, after if whole else after + end + "\n"))
            add(draw(st.sampled_from(["", "\n", "# image: nginx:1\n", "    # ÿ\t\n"])))
        add(draw(st.sampled_from(["", "other: |\n  image: nginx:1\n\n", 'text: "FROM nginx\\n"\n', "? [a, b]\n: x: ~\n"])))
    if draw(st.booleans()):
        pieces = [piece.replace("\n", "\r\n") for piece in pieces]
    if draw(st.booleans()):
        pieces[-1] = pieces[-1].rstrip("\r\n")
    return pieces


@settings(deadline=None, max_examples=300)
@given(manifests(), st.booleans(), st.booleans())
def test_only_images_change_in_any_text(pieces: list[str], pin: bool, libyaml: bool) -> None:
    text = "".join(pieces)
    with patch.object(yaml, "CSafeLoader", yaml.CSafeLoader if libyaml else yaml.SafeLoader):
        entries, unknown = images(text)
        assert unknown == [] and {entry["source"] for entry in entries} == set(pieces[1::2])
        same = [result(image, image, None) for image in IMAGES]
        assert rewrite(text, same, False)[0] == text
        there = {image: f"c.test/mirror/{number}:v{number}" for number, image in enumerate(IMAGES)}
        after, problems = rewrite(text, [result(source, image) for source, image in there.items()], pin)
        pieces[1::2] = [there[image] + (f"@{A}" if pin or "@" in image else "") for image in pieces[1::2]]
        assert problems == [] and after == "".join(pieces)
        assert all(entry["source"].startswith("c.test/") for entry in images(after)[0])
