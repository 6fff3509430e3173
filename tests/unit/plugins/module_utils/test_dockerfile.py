# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The images of Dockerfiles, as BuildKit reads them."""

from __future__ import annotations

from textwrap import dedent

import pytest

from ansible_collections.registryops.acr.plugins.module_utils._dockerfile import is_dockerfile, places_in
from ansible_collections.registryops.acr.plugins.module_utils._places import Span


def found(text: str) -> list[str]:
    """The images, or why they can't be known; each is where it says."""
    text = dedent(text)
    places = places_in(text)
    for place in places:
        span = place.fields["image"]
        assert isinstance(span, Span) and text[span.start:span.end] == span.value
        assert f"line {text.count(chr(10), 0, span.start) + 1}:" in place.where or "\\\n" in text or "`" in text
    return [str(place.image) if place.image else place.why for place in places]


@pytest.mark.parametrize("text", ["FROM a", "# c\n\nfrom a\n", "ARG A=1\nFROM a", "\ufeff# syntax=x\r\nFROM a\r\n", "  FROM a"])
def test_dockerfiles_are_recognized(text: str) -> None:
    assert is_dockerfile(text)


@pytest.mark.parametrize("text", ["", "# FROM a", "from: a", "FROM:\n", "a: b\nFROM x", "- FROM a", "FROM", "path/FROM a"])
def test_other_texts_are_not(text: str) -> None:
    assert not is_dockerfile(text)


def test_stages_and_scratch_are_no_images() -> None:
    text = """\
        FROM --platform=$BUILDPLATFORM golang:1.22 AS Build
        FROM build as tests
        FROM scratch
        COPY --from=BUILD /a /a
        COPY --chown=1 --from=0 /a /a
        COPY --from=busybox:1.36 --chmod=1 /bin /bin
        RUN --mount=type=bind,from=tests,target=/x --mount=from=quay.io/a/b:1,target=/y make --from=no
        ONBUILD COPY --from=alpine /a /a
    """
    assert found(text) == [
        "docker.io/library/golang:1.22",
        "docker.io/library/busybox:1.36",
        "quay.io/a/b:1",
        "docker.io/library/alpine:latest",
    ]


def test_arguments_before_the_first_stage_have_defaults() -> None:
    text = """\
        ARG VERSION=1.27 VARIANT="alpine"
        ARG TAG=${VERSION}-$VARIANT
        ARG NONE
        ARG TARGETARCH=amd64
        ARG BASE=a
        ARG NOTHING=scratch
        FROM nginx:${TAG} AS a
        FROM $BASE
        FROM ${NOTHING}
        ARG VERSION=2
        FROM nginx:$VERSION
        FROM nginx:${NONE:-1}
        FROM nginx:$NONE
        FROM nginx:$TARGETARCH
        COPY --from=nginx:$VERSION /a /a
    """
    assert found(text) == [
        "docker.io/library/nginx:1.27-alpine",
        "docker.io/library/nginx:1.27",
        "docker.io/library/nginx:1",
        "'nginx:$NONE' depends on NONE, which has no default",
        "'nginx:$TARGETARCH' depends on TARGETARCH, which has no default",
        "'nginx:$VERSION' depends on VERSION, which has no default",
    ]


def test_lines_that_go_on_comments_and_heredocs() -> None:
    text = """\
        # syntax = docker/dockerfile:1.7
        # check=skip=all
        # FROM no:1
        FROM \\
          # FROM no:2

          nginx:1 \\
          AS web
        RUN <<EOF cat <<-"END"
        FROM no:3
        EOF
        \tFROM no:4
        \tEND
        RUN echo $((1<<x)) \\
          && echo FROM no:5
        FROM alpine:3
    """
    assert found(text) == ["docker.io/docker/dockerfile:1.7", "docker.io/library/nginx:1", "docker.io/library/alpine:3"]


def test_another_escape_character_and_line_ending() -> None:
    assert found("# escape=`\r\nFROM `\r\n nginx:1\r\nRUN dir C:\\\r\nFROM alpine:3 \r\n") == [
        "docker.io/library/nginx:1",
        "docker.io/library/alpine:3",
    ]
