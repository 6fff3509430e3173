# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the lookup asks a registry, over real HTTPS, and what it says where there is no digest."""

from __future__ import annotations

from typing import Any

import pytest
from ansible.errors import AnsibleLookupError

from ansible_collections.registryops.acr.plugins.lookup.digest import LookupModule
from ansible_collections.registryops.acr.plugins.module_utils import _registry
from ansible_collections.registryops.acr.plugins.module_utils._identity import AUTH_ARGUMENTS
from ansible_collections.registryops.acr.plugins.module_utils._manifest import MANIFEST_TYPES
from ansible_collections.registryops.acr.plugins.module_utils._reference import Credentials

A, B = ("sha256:" + letter * 64 for letter in "ab")


class Lookup(LookupModule):
    """The plugin with these options, without Ansible's look into its documentation."""

    def set_options(self, task_keys: Any = None, var_options: Any = None, direct: Any = None) -> None:
        usual = {"platform": None, "source_username": None, "source_password": None}
        self.options = {**dict.fromkeys(AUTH_ARGUMENTS), "auth_source": "cli", **usual, **(direct or {})}

    def get_option(self, option: str, hostvars: Any = None) -> Any:
        return self.options[option]


def look(*terms: Any, **options: Any) -> list[str]:
    return Lookup().run(list(terms), {}, **options)


def error_of(*terms: Any, **options: Any) -> str:
    with pytest.raises(AnsibleLookupError) as caught:
        look(*terms, **options)
    return str(caught.value)


@pytest.fixture
def registry(far_side: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(_registry, "CONFIRM_PAUSES", (0.001,) * 4)

    def manifest(digest: str) -> Any:
        headers = {"Content-Type": MANIFEST_TYPES[2], "Docker-Content-Digest": digest}
        return lambda request: request.reply(200, "{}", headers)

    far_side.routes({"/v2/team/app/manifests/" + tag: manifest(digest) for tag, digest in (("1.0", A), ("latest", B))})
    return far_side


def test_each_image_in_its_order(registry: Any) -> None:
    assert look(registry.host + "/team/app", registry.host + "/team/app:1.0") == [B, A]
    assert [method for method, _path, _headers, _body in registry.seen] == ["HEAD", "HEAD"]
    assert look() == []


def test_credentials(registry: Any) -> None:
    answer = registry.answer
    known = Credentials("u", "p").basic()
    registry.answer = lambda request: (
        answer(request)
        if request.headers.get("Authorization") == known
        else request.reply(401, headers={"WWW-Authenticate": "Basic realm=x"})
    )
    assert look(registry.host + "/team/app:1.0", source_username="u", source_password="p") == [A]
    assert "none were given" in error_of(registry.host + "/team/app:1.0")
    assert error_of(registry.host + "/team/app:1.0", source_username="u") == (
        "source_username is given, but source_password is empty."
    )


@pytest.mark.parametrize(
    ("term", "options", "sentence"),
    [
        ("nginx", {}, "source 'nginx' names no registry"),
        ("", {}, "source is empty"),
        (5, {}, "source is empty"),
        ("docker.io/nginx", {"platform": "linux"}, "platform 'linux' is not understood"),
        ("docker.io/nginx", {"auth_source": "auto", "client_id": "app"}, "which is not enough"),
        ("docker.io/nginx", {"cloud_environment": "Mars"}, "cloud_environment 'Mars' is not known"),
    ],
)
def test_what_makes_no_sense(far_side: Any, term: Any, options: dict[str, str], sentence: str) -> None:
    assert sentence in error_of(term, **options)


def test_an_image_that_does_not_exist(registry: Any) -> None:
    message = error_of(registry.host + "/team/app:1.0", registry.host + "/team/app:9")
    assert message == "{0}/team/app:9 does not exist: there is no repository team/app.".format(registry.host)
