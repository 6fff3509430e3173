# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What editors are told of lists of images is what the module takes."""

from __future__ import annotations

import json
import re
from typing import Any

import jsonschema
import pytest
import yaml
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ansible_collections.registryops.acr.plugins.module_utils._arguments import LIST_ARGUMENTS, read_list
from ansible_collections.registryops.acr.plugins.module_utils._options import parse_entries
from tests.docs import schema

CHECK = jsonschema.Draft7Validator(json.loads(schema.PLACE.read_text()))
GOOD = """
- docker.io/library/nginx:1.27
- source: docker.io/library/nginx:1.27
- {source: docker.io/library/nginx:1.27, comment: {ticket: 5, by: [web]}}
- {source: docker.io/library/nginx, comment: null, platform: null}
- {source: docker.io/library/nginx, target: nginx}
- {source: docker.io/library/nginx, target: ["{host}/{name}", other/nginx:5]}
- {source: docker.io/library/nginx, untagged_repositories: [a, b]}
- {source: docker.io/library/nginx, if_exists: keep, platform: linux/amd64, referrers: true, repair: yes}
- {source: docker.io/library/nginx, quarantine: {min_age: 72h}}
- {source: docker.io/library/nginx, quarantine: {min_age: 3d, prefix: new/}}
- {source: docker.io/library/nginx, quarantine: null}
- {source: docker.io/library/nginx, verify: "No", quarantine: {min_age: 0h}}
- {source: docker.io/library/nginx, verify: "No"}
- {source: docker.io/library/nginx, verify: "off", if_exists: reimport}
- {source: docker.io/library/nginx, referrers: 1}
- {source: docker.io/library/nginx, source_username: contoso, source_password: secret}
- {source: docker.io/library/nginx, source_username: 1234, source_password: secret}
- {source: docker.io/library/nginx, source_username: contoso, source_password: !vault "$ANSIBLE_VAULT;1.1;AES256"}
- {source: library/nginx, source_registry: contosodev}
- {source: docker.io/library/nginx, tags: {names: ["1.27", latest]}}
- {source: docker.io/library/nginx, tags: {include: "1.27*", exclude: ["*-perl"], same_digest: true}}
- {source: docker.io/library/nginx, tags: {match: '1\\.2\\d', semver: [^1.26, ^2.0], newest: 3, order: time}}
- {source: docker.io/library/nginx, tags: {semver: ">=1.26", newest: "3"}}
- {source_registry: contosodev, repositories: {include: [team/*], exclude: [team/old]}}
- {source_registry: contosodev, repositories: {include: ["*"]}, tags: {newest: 1}}
"""
BAD = """
- {}
- {target: nginx}
- {source: null}
- [docker.io/library/nginx]
- {source: docker.io/library/nginx, sauce: ketchup}
- {source: docker.io/library/nginx, if_exists: replace}
- {source: docker.io/library/nginx, if_exists: Keep}
- {source: docker.io/library/nginx, if_exists: [keep]}
- {source: docker.io/library/nginx, verify: maybe}
- {source: docker.io/library/nginx, quarantine: {}}
- {source: docker.io/library/nginx, quarantine: {prefix: new/}}
- {source: docker.io/library/nginx, quarantine: {min_age: 72h, max_age: 1d}}
- {source: docker.io/library/nginx, quarantine: 72h}
- {source: docker.io/library/nginx, verify: 2}
- {source: docker.io/library/nginx, referrers: [true]}
- {source: docker.io/library/nginx, tags: [latest]}
- {source: docker.io/library/nginx, tags: {newest: few}}
- {source: docker.io/library/nginx, tags: {newest: 1.5}}
- {source: docker.io/library/nginx, tags: {order: size}}
- {source: docker.io/library/nginx, tags: {latest: true}}
- {source: docker.io/library/nginx, repositories: {include: [a]}}
- {source_registry: contosodev, repositories: [a]}
- {source_registry: contosodev, repositories: {match: a}}
- {source: docker.io/library/nginx, target: {repository: nginx}, tags: {names: a}, verify: "2"}
- ""
- null
- 5
"""


class Loader(yaml.SafeLoader):
    """Takes what is encrypted as the text that it is when Ansible has decrypted it, as editors do."""


Loader.add_constructor("!vault", Loader.construct_scalar)


def entries(text: str) -> list[Any]:
    return yaml.load(text, Loader)


def refusal(**options: Any) -> str | None:
    """Why the module refuses options; None if it takes them."""
    given, told = read_list({"images": [], **options})
    validated = ArgumentSpecValidator(LIST_ARGUMENTS).validate(given)
    if validated.error_messages:
        return validated.error_messages[0]
    read = validated.validated_parameters
    try:
        parse_entries(read["images"], read["defaults"], read["credentials"], None, "azurecr.io", told=told)
    except ValueError as error:
        return str(error)
    return None


def test_the_schema_is_what_the_documentation_makes() -> None:
    assert schema.PLACE.read_text() == schema.text(), "run make schema"
    jsonschema.Draft7Validator.check_schema(schema.schema())


@pytest.mark.parametrize("entry", entries(GOOD), ids=str)
def test_both_take_what_is_right(entry: Any) -> None:
    assert refusal(images=[entry]) is None
    assert CHECK.is_valid([entry]) and CHECK.is_valid({"acr_mirror_images": [entry], "other": 1})


@pytest.mark.parametrize("entry", entries(BAD), ids=str)
def test_both_refuse_what_is_wrong(entry: Any) -> None:
    assert refusal(images=[entry])
    assert not CHECK.is_valid([entry]) and not CHECK.is_valid({"acr_mirror_images": [entry]})


@pytest.mark.parametrize(
    ("name", "content", "right"),
    [
        ("defaults", {"verify": False, "source_registry": "contosodev", "if_exists": "keep"}, True),
        ("defaults", {"tags": {"newest": 3}}, True),
        ("defaults", {"source": "docker.io/library/nginx"}, False),
        ("defaults", {"if_exists": "never"}, False),
        ("credentials", [{"registry": "docker.io", "username": "a", "password": "b"}], True),
        ("credentials", [{"registry": "docker.io", "password": "b"}], True),
        ("credentials", [{"registry": "docker.io"}], False),
        ("credentials", [{"registry": "docker.io", "password": "b", "user": "a"}], False),
    ],
)
def test_both_agree_on_the_variables_beside_the_list(name: str, content: Any, right: bool) -> None:
    assert (refusal(**{name: content}) is None) is right
    assert CHECK.is_valid({f"acr_mirror_{name}": content}) is right


@pytest.mark.parametrize("name", ["README.md", "docs/docsite/rst/guide_mirror.rst", "playbooks/vars/mirror.yml"])
def test_the_line_for_editors_leads_to_the_schema(name: str) -> None:
    page = schema.ROOT / name
    (named,) = re.findall(r"^ *# yaml-language-server: \$schema=(\S+)$", page.read_text(), re.MULTILINE)
    assert named == schema.schema()["$id"] or (page.parent / named).resolve() == schema.PLACE


def test_the_sample_of_variables_is_right() -> None:
    assert CHECK.is_valid(yaml.safe_load((schema.ROOT / "playbooks/vars/mirror.yml").read_text()))


def test_each_option_is_explained_in_plain_words() -> None:
    definitions = schema.schema()["definitions"]
    options = definitions["entry"]["properties"]
    assert set(options) == set(LIST_ARGUMENTS["images"]["options"])
    assert options["tags"]["anyOf"][0]["properties"]["order"]["anyOf"][0]["enum"] == ["version", "time"]
    assert options["source"]["description"].startswith("What to import, as `host/repository[:tag][@digest]`, such as `docker.io/")
    for marked in ("O(", "V(", "C(", "M(", "images[]."):
        assert marked not in schema.text()


@pytest.mark.parametrize("value", ["{{ images }}", [{"source": "{{ image }}", "verify": "{{ verify }}", "tags": "{{ tags }}"}]])
def test_expressions_are_left_to_ansible(value: Any) -> None:
    assert CHECK.is_valid({"acr_mirror_images": value})
