# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is blocked by what users write, and what they can't write since it would block nothing."""

from __future__ import annotations

import pytest

from ansible_collections.registryops.acr.plugins.module_utils._blocked import Blocked
from ansible_collections.registryops.acr.plugins.module_utils._reference import InvalidReference

A = "sha256:" + "a" * 64
NGINX = ("docker.io", "library/nginx", "1.27")
TRIVY = ("docker.io", "aquasec/trivy", "0.69.4")
OWN = ("contosodev.azurecr.io", "team/app", None)
PORT = ("registry.example.com:8443", "vendor/agent", "2.3")


@pytest.mark.parametrize("written", [A, f" {A} ", f"nginx@{A}", f"docker.io/nginx:1.27@{A}", f"*/nginx*@{A}", "sha512:" + "b" * 128])
def test_a_digest_counts_whatever_is_written_before_it(written: str) -> None:
    blocked = Blocked.of([written])
    assert blocked and blocked.digests == {written.strip().rpartition("@")[2]}
    assert blocked.image(*NGINX) is None


@pytest.mark.parametrize(
    ("written", "image", "expected"),
    [
        ("docker.io/library/nginx", NGINX, True),
        ("docker.io/nginx", NGINX, True),
        ("index.docker.io/nginx:1.27", NGINX, True),
        ("nginx", NGINX, True),  # the default host, and what Docker Hub makes of short names
        ("nginx:1.2*", NGINX, True),
        ("nginx:1.2[0-6]", NGINX, False),
        ("ngin", NGINX, False),
        ("library/*", NGINX, True),
        ("docker.io/*", NGINX, True),
        ("docker.io/*", TRIVY, True),
        ("docker.io/*", OWN, False),
        ("docker.io/nginx/*", NGINX, False),
        ("aquasec/trivy:0.69.*", TRIVY, True),
        ("aquasec/trivy:0.69", TRIVY, False),
        ("*/trivy", TRIVY, True),
        ("*trivy*", TRIVY, True),
        ("*:0.69.4", TRIVY, True),
        ("*", OWN, True),
        ("*:*", OWN, True),  # a digest alone has no tag, and any will do
        ("*:1*", OWN, False),
        ("*.azurecr.io/team/*", OWN, True),
        ("ContosoDev.azurecr.io:443/team/app", OWN, True),
        ("contosodev.westeurope.geo.azurecr.io/team/app", OWN, True),
        ("registry.example.com:8443/vendor/*:2.?", PORT, True),
        ("registry.example.com/vendor/*", PORT, False),
        ("docker.io/library/[!a-m]ginx", NGINX, True),
    ],
)
def test_what_a_pattern_means(written: str, image: tuple[str, str, str | None], expected: bool) -> None:
    assert Blocked.of(["mcr.microsoft.com/x", written], "docker.io", "azurecr.io").image(*image) == (written if expected else None)


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("", "neither"),
        ("sha256:abc", "neither"),
        ("sha256-" + "a" * 64, "neither"),
        ("SHA256:" + "A" * 64, "neither"),
        ("a" * 64, "neither"),
        ("@" + A, "neither"),
        ("docker.io/x@sha256:abc", "neither"),
        ("docker.io/Library/nginx", "neither"),
        ("docker.io/library/nginx:", "neither"),
        ("docker.io/library/nginx:1\\.27", "neither"),
        ("docker.io/library/nginx.*", "neither"),  # as in a regular expression
        ("docker.io/library/(nginx|httpd)", "neither"),
        ("docker.io/library/[nginx", "neither"),
        ("docker.io/{name}", "neither"),
        ("https://docker.io/library/nginx", "neither"),
        ("quay.io/", "neither"),
        ("quay.io", "write 'quay.io/\\*'"),
        ("localhost", "write 'localhost/\\*'"),
        ("3.1", "names only a registry"),
        ("nginx", "doesn't name a registry"),
        ("aquasec/trivy:0.69.4", "doesn't name a registry"),
    ],
)
def test_what_would_block_nothing_is_refused(written: str, said: str) -> None:
    with pytest.raises(InvalidReference, match=said) as caught:
        Blocked.of(["docker.io/library/busybox", written])
    assert "\n" not in str(caught.value) and repr(written.strip()) in str(caught.value)


def test_all_that_is_wrong_is_said_and_no_password() -> None:
    with pytest.raises(InvalidReference) as caught:
        Blocked.of(["quay.io", "user:secret@quay.io/x", "sha256:1"])
    assert len(str(caught.value).splitlines()) == 3 and "secret" not in str(caught.value)


def test_nothing_is_blocked_by_nothing() -> None:
    assert not Blocked.of([]) and Blocked().image(*NGINX) is None
