# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""YAML as text and as data: what is read, and that nothing but what is meant is written."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from ansible_collections.registryops.acr.plugins.module_utils._errors import UserError
from ansible_collections.registryops.acr.plugins.module_utils._yaml import Scalar, changed, documents, of_data, written


@pytest.fixture(params=["with libyaml", "without"], autouse=True)
def loader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "without":
        monkeypatch.delattr(yaml, "CSafeLoader")


def plain(tree: Any) -> Any:
    """A tree without its places."""
    if isinstance(tree, Scalar):
        return (tree.text, tree.kind)
    if isinstance(tree, list):
        return [plain(child) for child in tree]
    return {key: plain(child) for key, child in tree.items()}


def only(text: str) -> Any:
    (tree,) = documents(text)
    return tree


@pytest.mark.parametrize(
    ("value", "kind"),
    [("a", "text"), ("'1'", "text"), ("!!str 1", "text"), ("7", "integer"), ("1.30", "other"), ("010", "other"),
     ("true", "other"), ("~", "null"), ("", "null"), ("!vault x", "other"), ("1_000", "other"), ("2024-01-01", "other")],
)  # fmt: skip
def test_scalars_are_of_the_kind_that_yaml_gives_them(value: str, kind: str) -> None:
    assert only(f"a: {value}\n")["a"].kind == kind


def test_aliases_merges_and_anchors_that_are_defined_again() -> None:
    text = "a: &x {p: 1, q: 2}\nb: {<<: *x, q: 3}\nc: &x z\nd: *x\ne: {<<: [*y, {q: 5, r: 6}]}\n".replace("*y", "{q: 4}")
    assert plain(only(text)) == {
        "a": {"p": ("1", "integer"), "q": ("2", "integer")},
        "b": {"p": ("1", "integer"), "q": ("3", "integer")},
        "c": ("z", "text"),
        "d": ("z", "text"),
        "e": {"q": ("4", "integer"), "r": ("6", "integer")},
    }


def test_documents() -> None:
    trees = [plain(tree) for tree in documents("%YAML 1.1\n---\na: b\n...\n---\n- c\n---\n")]
    assert trees == [{"a": ("b", "text")}, [("c", "text")], ("", "null")]
    assert list(documents("# nothing\n")) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [("a: b: c", "line 1: mapping values"), ("a: *x", "line 1"), ("a: [", "line"), ("a: \x01", "YAML"), ("[" * 5000, "YAML")],
)  # fmt: skip
def test_what_is_not_yaml_is_refused_in_one_sentence(text: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        list(documents(text))
    assert str(caught.value).startswith("The text isn't valid YAML") and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("nginx", "c.test/x:1"),
        ("'nginx'", "'c.test/x:1'"),
        ('"nginx"', '"c.test/x:1"'),
        ('"n\\u0067inx"', '"c.test/x:1"'),
        ("&a nginx", "&a c.test/x:1"),
        ("&nginx nginx", "&nginx c.test/x:1"),
        ("!!str &a 'nginx'", "!!str &a 'c.test/x:1'"),
        (">-  # nginx\n    nginx\n", ">-  # nginx\n    c.test/x:1\n"),
        ("|-\n   nginx\n\n", "|-\n   c.test/x:1\n\n"),
    ],
)
def test_only_the_value_is_written(before: str, after: str) -> None:
    text = "\ufeff# é\t\r\nx: ÿ\na: {0}\r\nb: nginx"
    if before[0] in ">|":
        text = text.replace("{0}\r\n", "{0}")
    whole = text.format(before)
    tree = only(whole)
    assert tree["a"].text.strip() == "nginx"
    assert written(whole, {tree["a"].handle: "c.test/x:1"}) == text.format(after)
    assert written(whole, {tree["a"].handle: tree["a"].text}) == whole


@pytest.mark.parametrize(
    ("new", "shown"),
    [("7", '"7"'), ("1.30", '"1.30"'), ("v1", "v1"), ("no", '"no"'), ("latest", "latest"), ("1@sha256:a", '"1@sha256:a"')],
)
def test_plain_text_gets_quotes_if_it_would_be_something_else(new: str, shown: str) -> None:
    tree = only("{tag: old}")
    assert written("{tag: old}", {tree["tag"].handle: new}) == f"{{tag: {shown}}}"


def test_what_is_written_in_several_lines_is_refused() -> None:
    text = "a: x\n  y\n"
    with pytest.raises(UserError, match="line 1"):
        written(text, {only(text)["a"].handle: "z"})


def test_data() -> None:
    data = {"a": ["x", None, 7, 1.5, True], 1: ("y",)}
    tree: Any = of_data(data)
    kinds = [("x", "text"), ("", "null"), ("7", "integer"), ("1.5", "other"), ("True", "other")]
    assert plain(tree) == {"a": kinds, "1": [("y", "text")]}
    assert changed(data, {tree["a"][0].handle: "z", tree["1"][0].handle: "w"}) == {"a": ["z", *data["a"][1:]], 1: ["w"]}
    assert data["a"][0] == "x"
