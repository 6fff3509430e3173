# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a name means to Docker, what variables stand for, and how an image is written into fields."""

from __future__ import annotations

import pytest

from ansible_collections.registryops.acr.plugins.module_utils._places import Place, Unknown, complete, states_version, substitute
from ansible_collections.registryops.acr.plugins.module_utils._reference import parse_source

A = "sha256:" + "a" * 64


@pytest.mark.parametrize(
    ("text", "image"),
    [
        ("nginx", "docker.io/library/nginx:latest"),
        ("contoso/app:1", "docker.io/contoso/app:1"),
        ("index.docker.io/nginx:1.27", "docker.io/library/nginx:1.27"),
        ("quay.io/a/b", "quay.io/a/b:latest"),
        ("localhost/a:1", "localhost/a:1"),
        ("vendor.test:8443/a/b@" + A, "vendor.test:8443/a/b@" + A),
        ("nginx:1.27@" + A, "docker.io/library/nginx:1.27@" + A),
    ],
)
def test_names_are_completed_as_docker_does(text: str, image: str) -> None:
    assert str(complete(text)) == image


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{{ image }}", "variable"),
        ("nginx:${TAG}", "variable"),
        ("nginx:$(TAG)", "variable"),
        (" nginx", "spaces"),
        ("nginx\n", "spaces"),
        ("<image>", "isn't an image"),
        ("https://example.com/a.png", "isn't an image"),
        ("nginx@sha256:placeholder", "isn't an image"),
    ],
)
def test_what_is_no_image_is_unknown(text: str, why: str) -> None:
    with pytest.raises(Unknown, match=why):
        complete(text)


def test_whether_a_name_states_a_version() -> None:
    assert [states_version(text) for text in ("a:1", "a@" + A, "h:1/a", "h:1/a:1", "a")] == [True, True, False, True, False]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("nginx", "nginx"),
        ("nginx:${TAG:-1.2}", "nginx:1.2"),
        ("nginx:${TAG-1.2}-$VARIANT", "nginx:1.2-alpine"),
        ("${NONE:-${TAG:-${VARIANT}}}/x", "alpine/x"),
        ("a${EMPTY:-b}c", "abc"),
        ("a${EMPTY-b}c", "ac"),
    ],
)
def test_variables_stand_for_values_and_defaults(text: str, found: str) -> None:
    assert substitute(text, {"VARIANT": "alpine", "EMPTY": "", "TAG": None}) == found


UNFILLED = ["a:$TAG", "a:${TAG}", "a:${TAG:?needed}", "a:${TAG:+b}", "a:${TAG", "$", "$(TAG)", "$$TAG", "${TAG#v}"]


@pytest.mark.parametrize("text", UNFILLED)
def test_variables_without_a_value_are_unknown(text: str) -> None:
    with pytest.raises(Unknown):
        substitute(text, {"TAG": None})


@pytest.mark.parametrize(
    ("fields", "image", "written"),
    [
        ("image", "c.test/a:1@" + A, {"image": "c.test/a:1@" + A}),
        ("registry repository tag", "c.test/a:1", {"registry": "c.test", "repository": "a", "tag": "1"}),
        ("repository tag", "c.test/a:1@" + A, {"repository": "c.test/a", "tag": "1@" + A}),
        ("repository tag digest", "c.test/a:1@" + A, {"repository": "c.test/a", "tag": "1", "digest": A}),
        ("repository tag sha", "c.test/a:1@" + A, {"repository": "c.test/a", "tag": "1", "sha": "a" * 64}),
        ("repository tag digest", "c.test/a@" + A, {"repository": "c.test/a", "tag": "old", "digest": A}),
        ("image tag", "c.test/a:1", {"image": "c.test/a", "tag": "1"}),
        ("registry name tag", "c.test/a:1", {"registry": "c.test", "name": "a", "tag": "1"}),
        ("image digest", "c.test/a:1@" + A, {"image": "c.test/a", "digest": A}),
        ("repository", "c.test/a:1", {"repository": "c.test/a:1"}),
        ("registry repository", "c.test/a:1@" + A, {"registry": "c.test", "repository": "a:1@" + A}),
        ("repository digest", "c.test/a:1", {"repository": "c.test/a:1", "digest": ""}),
        ("repository digest", "c.test/a:1@" + A, {"repository": "c.test/a", "digest": A}),
    ],
)
def test_an_image_is_written_field_by_field(fields: str, image: str, written: dict[str, str]) -> None:
    place = Place("here", {name: name for name in fields.split()}, complete("x:old"))
    assert place.written(parse_source(image)) == written


def test_what_stands_before_an_image_stays() -> None:
    place = Place("here", {"image": 1}, complete("x"), prefix="--image=")
    assert place.written(complete("c.test/a:1")) == {1: "--image=c.test/a:1"}
