# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which fields name images: in manifests, in values of charts and in compose files."""

from __future__ import annotations

from textwrap import dedent

import pytest

from ansible_collections.registryops.acr.plugins.module_utils._workloads import places_in
from ansible_collections.registryops.acr.plugins.module_utils._yaml import documents

A = "sha256:" + "a" * 64


def found(text: str) -> list[str]:
    """The images of a text by their places, or why they can't be known."""
    places = [place for tree in documents(dedent(text)) for place in places_in(tree)]
    return [f"{place.where} = {place.image or place.why}" for place in places]


def images(text: str) -> list[str]:
    return [place.rpartition(" = ")[2] for place in found(text)]


def test_workloads_of_every_kind_and_lists_of_them() -> None:
    text = """\
        apiVersion: v1
        kind: List
        items:
          - apiVersion: batch/v1
            kind: CronJob
            metadata: {name: nightly, labels: {image: no}, annotations: {image: no}}
            spec:
              jobTemplate:
                spec:
                  template:
                    metadata: {image: no}
                    spec:
                      initContainers: [{name: i, image: busybox}]
                      containers: [{name: c, image: "nginx:1.27"}, {name: d}, {name: e, image: ""}]
                      ephemeralContainers: [{name: e, image: quay.io/a/b}]
                      volumes:
                        - {name: v, image: {reference: quay.io/a/data, pullPolicy: Always}}
                        - {name: w, rbd: {image: foo}}
            status: {image: no}
          - {apiVersion: v1, kind: Pod, metadata: {generateName: p-}, spec: {containers: [{image: alpine:3}]}}
    """
    spec = "CronJob nightly: spec.jobTemplate.spec.template.spec"
    assert found(text) == [
        f"line 13, {spec}.initContainers[0].image = docker.io/library/busybox:latest",
        f"line 14, {spec}.containers[0].image = docker.io/library/nginx:1.27",
        f"line 15, {spec}.ephemeralContainers[0].image = quay.io/a/b:latest",
        f"line 17, {spec}.volumes[0].image.reference = quay.io/a/data:latest",
        "line 20, Pod p-: spec.containers[0].image = docker.io/library/alpine:3",
    ]


@pytest.mark.parametrize("kind", ["ConfigMap", "Secret", "CustomResourceDefinition"])
def test_what_nobody_runs_is_not_searched(kind: str) -> None:
    data = "data:\n  image: nginx:1\n  a: docker.io/library/nginx:1\n  b: |\n    image: x:1\n"
    assert found(f"apiVersion: v1\nkind: {kind}\nimage: nginx:1\n{data}") == []


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("image: quay.io/a/b:1", ["quay.io/a/b:1"]),
        ("image: quay.io/a/b", ["'quay.io/a/b' has no tag, and something else may add one"]),
        ("image: {{pullPolicy: Always}}", []),
        ("image: {{offer: x, sku: y}}", []),
        ("image: {{name: a/b:1}}", ["docker.io/a/b:1"]),
        ("image: 7", ["'7' has no tag, and something else may add one"]),
        ("image: true", ["'true' isn't text to YAML; quote it"]),
        ("image: ~", []),
        ("image: [a:1, {{image: b:1}}]", ["docker.io/library/a:1", "docker.io/library/b:1"]),
        ("imageName: ghcr.io/a/pg:16", ["ghcr.io/a/pg:16"]),
        ("sidecarImage: a/b:1", ["docker.io/a/b:1"]),
        ("sidecarImage: a/b", ["'a/b' has no tag, and something else may add one"]),
        ("sidecarImage: '$(IMAGE)'", ["'$(IMAGE)' has a variable that isn't filled in"]),
        ("backgroundImage: https://example.com/a.png", []),
        ("useImage: true", []),
        ("osImage: Ubuntu 24.04 LTS", []),
        ("images: [a:1, quay.io/b:2, '*']", ["docker.io/library/a:1", "quay.io/b:2"]),
        ("images: {{web: a:1, db: {{image: b:1}}}}", ["docker.io/library/a:1", "docker.io/library/b:1"]),
        ("relatedImages: [{{name: x, image: quay.io/a/b@{A}}}]", ["quay.io/a/b@" + A]),
        ("image: !Ref x", ["'x' isn't text to YAML; quote it"]),
    ],
)
def test_fields_of_custom_resources(spec: str, expected: list[str]) -> None:
    assert images(f"apiVersion: a/v1\nkind: Custom\nspec: {{{spec.format(A=A)}}}\n") == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ("registry: quay.io, repository: a/b, tag: '1'", ["quay.io/a/b:1"]),
        ("registry: '', repository: nginx, tag: 7, digest: ''", ["docker.io/library/nginx:7"]),
        ("registry: ~, repository: quay.io/a/b, tag: ~, digest: '{A}'", ["quay.io/a/b@" + A]),
        ("repository: a/b, tag: v1, sha: {a}", [f"docker.io/a/b:v1@{A}"]),
        ("repository: quay.io/a/b:1", ["quay.io/a/b:1"]),
        ("repository: quay.io/a/b, tag: ''", ["'quay.io/a/b' has no tag, and something else may add one"]),
        ("repository: a/b, tag: 1.30", ["'1.30' isn't text to YAML; quote it"]),
        ("repository: a/b, tag: '{{{{ x }}}}'", ["'a/b:{{ x }}' has a variable that isn't filled in"]),
        ("repository: '', tag: ''", []),
        ("name: quay.io/a/b, tag: v1", ["quay.io/a/b:v1"]),
        ("registry: quay.io, name: a/b, tag: v1", ["quay.io/a/b:v1"]),
    ],
)
def test_images_in_several_fields(values: str, expected: list[str]) -> None:
    values = values.format(A=A, a="a" * 64)
    assert images(f"web: {{image: {{{values}}}}}") == expected


def test_several_fields_without_a_field_around_them() -> None:
    assert images("proxy: {repository: quay.io/a/b, tag: v1}") == ["quay.io/a/b:v1"]
    assert images("chart: {repository: 'https://charts.test', tag: v1}") == []
    assert images("web: {image: a/b, tag: '1'}") == ["docker.io/a/b:1"]
    assert images("web: {image: 'a/b:2', tag: '1'}") == ["docker.io/a/b:2"]


def test_a_container_is_told_of_images() -> None:
    text = f"""\
        apiVersion: v1
        kind: Pod
        spec:
          containers:
            - image: a:1
              command: [run, quay.io/a/b:1, "nginx:1"]
              args: ["--reloader=quay.io/a/c:v1", --at=http://a.test/b:1, --listen=a.test:80, "--x=a.test/b", 7]
              env:
                - {{name: I, value: ghcr.io/a/d@{A}}}
                - {{name: J, valueFrom: x}}
                - name: K
                  value: |
                    1.0=quay.io/a/e:1.0
    """
    assert [place.partition(": ")[2] for place in found(text)] == [
        "spec.containers[0].command[1] = quay.io/a/b:1",
        "spec.containers[0].args[0] = quay.io/a/c:v1",
        f"spec.containers[0].env[0].value = ghcr.io/a/d@{A}",
        "spec.containers[0].env[2].value = it has images amid other text",
        "spec.containers[0].image = docker.io/library/a:1",
    ]


def test_an_anchor_is_one_place_and_known_where_it_is_used() -> None:
    text = "image: &i nginx\nspec: {containers: [{image: *i}]}\nx: &x {containers: [{image: a:1}]}\ny: {<<: *x}\nz: *x\n"
    assert found(text) == [
        "line 1: spec.containers[0].image = docker.io/library/nginx:latest",
        "line 3: x.containers[0].image = docker.io/library/a:1",
    ]


def test_many_aliases_are_no_burden_and_circles_end() -> None:
    lines = ["a0: &a0 [x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 40)]
    assert found("\n".join(lines)) == []
    assert images("a: &a {image: 'x:1', b: *a}") == ["docker.io/library/x:1"]


def test_kustomizations_are_to_be_built_first() -> None:
    text = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nimages: [{name: a, newTag: '1'}]"
    assert images(text) == ["it changes other images; read what kustomize builds"]


def test_compose_files() -> None:
    text = """\
        name: shop
        x-base: &base {image: "redis:${REDIS:-7}"}
        services:
          cache: *base
          copy: {<<: *base, command: x}
          web: {image: "nginx:${TAG}"}
          short: {image: nginx}
          built: {build: ., image: "contoso/app:1"}
          inline: {build: {dockerfile_inline: FROM a}}
          data:
            image: alpine:$$x
            volumes: [{type: image, source: "quay.io/a/data:1", target: /x}, "a:b", {type: bind, source: b}]
          nothing:
        volumes: {image: {}}
    """
    assert found(text) == [
        "line 2, service cache: image = docker.io/library/redis:7",
        "line 6, service web: image = 'nginx:${TAG}' depends on TAG, which has no default",
        "line 7, service short: image = docker.io/library/nginx:latest",
        "line 9, service inline: build.dockerfile_inline = a Dockerfile inside YAML isn't read",
        "line 11, service data: image = 'alpine:$$x' has a variable that isn't understood",
        "line 12, service data: volumes[0].source = quay.io/a/data:1",
    ]


def test_values_with_services_are_no_compose_file() -> None:
    assert images("services: {web: {port: 80}}\nimage: a:1") == ["docker.io/library/a:1"]
