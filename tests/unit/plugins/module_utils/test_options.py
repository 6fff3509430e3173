# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What users write about images, made into entries; what is wrong with them, in one clear sentence."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.registryops.acr.plugins.module_utils._arguments import (
    ENTRY_ARGUMENTS,
    IF_EXISTS,
    read_list,
)
from ansible_collections.registryops.acr.plugins.module_utils._credentials import Credentials
from ansible_collections.registryops.acr.plugins.module_utils._options import Entry, Pattern, parse_entries, parse_entry
from ansible_collections.registryops.acr.plugins.module_utils._plan import Rules, Target
from ansible_collections.registryops.acr.plugins.module_utils._quarantine import Quarantine
from ansible_collections.registryops.acr.plugins.module_utils._reference import InvalidReference, Reference, RegistryId
from ansible_collections.registryops.acr.plugins.module_utils._select import InvalidSelection, Selection
from tests.signing import new_key, public_pem

SUFFIX = "azurecr.test"
A = "sha256:" + "a" * 64
ID = "/subscriptions/1/resourceGroups/rg/providers/Microsoft.ContainerRegistry/registries/contosodev"
NGINX = "docker.io/nginx:1.27"
KEY = public_pem(new_key())


def entry(source: str | None = NGINX, prefix: str = "", **options: Any) -> Entry:
    return parse_entry({"source": source, **options}, SUFFIX, prefix)


def entries(*images: dict[str, Any], **lists: Any) -> list[Entry]:
    return parse_entries(
        list(images), lists.get("defaults"), lists.get("credentials"), lists.get("target_prefix"), SUFFIX, lists.get("default_host")
    )


def targets(parsed: Entry) -> list[str]:
    """The targets of an entry that means one image: they are known before that is looked at."""
    assert parsed.source is not None
    host, repository, tag, _digest = parsed.source
    return [str(target) for target in parsed.targets_for(host or "contosodev.azurecr.test", repository, tag or "latest")]


# -- one image -------------------------------------------------------------------------------------------------------


def test_the_least_that_can_be_said() -> None:
    assert entry() == Entry(
        source=Reference("docker.io", "library/nginx", "1.27"),
        registry_id=None,
        credentials=None,
        targets=(Pattern("{repository}", "{tag}"),),
        rules=Rules(if_exists="update", verify=True, referrers=False, repair=False),
        platform=None,
        notes=(),
    )


def test_everything_that_can_be_said() -> None:
    parsed = entry(
        "team/app:1@" + A,
        source_registry="contosodev",
        source_username="puller",
        source_password="secret",
        target=["base/app:2", "other/app"],
        untagged_repositories=["archive/app"],
        if_exists="fail",
        platform="linux/arm64",
        referrers=True,
        verify=True,
        repair=True,
    )
    note = (
        "source_registry and credentials were both given for team/app: the credentials are used, and not the rights of the "
        "signed-in account on that registry."
    )
    assert parsed == Entry(
        source=Reference(None, "team/app", "1", A),
        registry_id=RegistryId("name", "contosodev"),
        credentials=Credentials("puller", "secret"),
        targets=(Pattern("base/app", "2"), Pattern("other/app", "{tag}"), Pattern("archive/app", None)),
        rules=Rules(if_exists="fail", verify=True, referrers=True, repair=True),
        platform="linux/arm64",
        notes=(note,),
    )
    assert "secret" not in repr(parsed)


@pytest.mark.parametrize(
    ("source", "options", "expected"),
    [
        (NGINX, {}, ["library/nginx:1.27"]),
        ("docker.io/nginx", {}, ["library/nginx:latest"]),
        ("h.io/a/b@" + A, {}, ["a/b:latest"]),
        ("h.io/a/b:3@" + A, {}, ["a/b:3"]),
        (NGINX, {"target": []}, ["library/nginx:1.27"]),
        (NGINX, {"target": ["a"]}, ["a:1.27"]),
        (NGINX, {"target": ["a", "b:1", "a:2"]}, ["a:1.27", "b:1", "a:2"]),
        ("h.io/a@" + A, {"target": ["b"]}, ["b:latest"]),
        (NGINX, {"untagged_repositories": ["a", "b/c"]}, ["a", "b/c"]),
        (NGINX, {"target": ["a"], "untagged_repositories": ["a"]}, ["a:1.27", "a"]),
        (NGINX, {"prefix": "mirror/"}, ["mirror/library/nginx:1.27"]),
        (NGINX, {"prefix": "{host}/"}, ["docker.io/library/nginx:1.27"]),
        (NGINX, {"prefix": "{host}/", "target": ["x/{name}:{tag}-k8s"]}, ["docker.io/x/nginx:1.27-k8s"]),
        (NGINX, {"target": ["{host}/{repository}", "a-{tag}:latest"]}, ["docker.io/library/nginx:1.27", "a-1.27:latest"]),
        (NGINX, {"target": ["mcr.microsoft.com/nginx:1"], "untagged_repositories": ["u/{name}"]}, ["mcr.microsoft.com/nginx:1", "u/nginx"]),
        ("h.io:8443/a/b@" + A, {"target": ["{host}/{name}"]}, ["h.io_8443/b:latest"]),
        (NGINX, {"prefix": "mirror/", "target": ["a:1"], "untagged_repositories": ["b"]}, ["mirror/a:1", "mirror/b"]),
    ],
)
def test_targets(source: str, options: dict[str, Any], expected: list[str]) -> None:
    assert targets(entry(source, **options)) == expected


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, None),
        ({"source_password": ""}, None),
        ({"source_username": "u", "source_password": "p"}, Credentials("u", "p")),
        # A password without a user name is an access token.
        ({"source_password": "t"}, Credentials(None, "t")),
        ({"source_username": "", "source_password": "t"}, Credentials(None, "t")),
    ],
)
def test_credentials(options: dict[str, str], expected: Credentials | None) -> None:
    assert entry(**options).credentials == expected
    assert entry(**options).notes == ()


@pytest.mark.parametrize(
    "registry", ["contosodev", "contosodev.azurecr.test", ID, "contosodev.uksouth.geo.azurecr.test"]
)
@pytest.mark.parametrize(
    "source", ["team/app:1", "contosodev.azurecr.test/team/app:1", "ContosoDev.azurecr.test/team/app:1"]
)
def test_a_source_registry_stands_for_the_host(registry: str, source: str) -> None:
    parsed = entry(source, source_registry=registry)
    assert parsed.source == Reference(None, "team/app", "1") and parsed.registry_id.name == "contosodev"


def test_a_source_registry_with_a_hash_in_its_host() -> None:
    host = "contosolabel-a1b2c3d4e5f6g7h8.azurecr.test"
    for registry in (host, "contosolabel"):
        assert entry(host + "/app:1", source_registry=registry).source == Reference(None, "app", "1")


@pytest.mark.parametrize("if_exists", IF_EXISTS)
@pytest.mark.parametrize("verify", [True, False])
def test_if_exists_goes_with_and_without_verifying(if_exists: str, verify: bool) -> None:
    parsed = entry(if_exists=if_exists, verify=verify)
    assert (parsed.rules.if_exists, parsed.rules.verify) == (if_exists, verify)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"source": ""}, "source is empty; write something like docker.io/library/nginx:1.27."),
        ({"source": None}, "source is empty; write something like docker.io/library/nginx:1.27."),
        (
            {"source": "nginx:1.27"},
            "source 'nginx:1.27' doesn't name a registry; put its host in front, such as docker.io/library/nginx:1.27, or "
            "set source_registry.",
        ),
        (
            {"source": "docker.io/nginx:1", "source_registry": "contosodev"},
            "source names the registry docker.io, but source_registry names another one (contosodev); leave one of "
            "them out.",
        ),
        (
            {"source": "contosoprod.azurecr.test/a:1", "source_registry": ID},
            "source names the registry contosoprod.azurecr.test, but source_registry names another one (contosodev); "
            "leave one of them out.",
        ),
        (
            {"source": "contosodev.azurecr.io/a:1", "source_registry": "contosodev.azurecr.test"},
            "source names the registry contosodev.azurecr.io, but source_registry names another one "
            "(contosodev.azurecr.test); leave one of them out.",
        ),
        (
            {"source": "a:1", "source_registry": "no_name"},
            "'no_name' isn't the name of a registry, which has 5 to 50 letters and digits.",
        ),
        ({"target": ["quay.io:8443/a:1"]}, "'quay.io:8443/a:1' has an invalid repository name 'quay.io:8443/a'."),
        (
            {"target": ["{registry}/a:1"]},
            "'{registry}/a:1' has an unknown placeholder {registry}; there are {host}, {repository}, {name} and {tag}.",
        ),
        ({"target": ["{name/a:1"]}, "'{name/a:1' has an invalid repository name '{name/a'."),
        (
            {"target": ["{tag}/{tag}"], "source": "docker.io/nginx:V1"},
            "'V1/V1:V1' has an invalid repository name 'V1/V1'; it must be lowercase.",
        ),
        (
            {"target": ["a:1", "b@" + A]},
            "target 'b@{0}' must not have a digest, because the source determines it; write a tag, or use "
            "untagged_repositories.".format(A),
        ),
        ({"target": ["a", ""]}, "target is empty; write something like base/nginx:1.27."),
        (
            {"target": ["Base/nginx"]},
            "'Base/nginx' has an invalid repository name 'Base/nginx'; it must be lowercase.",
        ),
        (
            {"untagged_repositories": ["a:1"]},
            "untagged_repositories takes repositories without a tag, but 'a:1' has one; put it under target.",
        ),
        ({"source_username": "u"}, "source_username is given, but source_password is empty."),
        ({"platform": "amd64"}, "platform 'amd64' is invalid; write something like linux/amd64 or linux/arm/v7."),
        (
            {"platform": "linux/amd64", "verify": False},
            "platform needs verify: true, since registries must be read for it.",
        ),
        ({"referrers": True, "verify": False}, "referrers needs verify: true, since registries must be read for it."),
        ({"repair": True, "verify": False}, "repair needs verify: true, since registries must be read for it."),
        ({"backup": "old", "verify": False}, "backup needs verify: true, since registries must be read for it."),
        ({"backup": "{tag}"}, "backup '{tag}' makes '1.27' of '1.27', which is the same tag; write something like {tag}-previous."),
        ({"backup": "{tag}{x}"},
         "backup '{tag}{x}' makes '1.27{x}' of '1.27', which is no valid tag; write something like {tag}-previous."),
        (
            {"source": "docker.io/nginx", "tags": {"newest": 1}, "backup": "{name}-old"},
            "backup '{name}-old' makes '{name}-old' of 'tag', which is no valid tag; write something like {tag}-previous.",
        ),
        ({"immutable": True, "verify": False}, "immutable needs verify: true, since registries must be read for it."),
        (
            {"if_source_missing": "keep", "verify": False},
            "if_source_missing needs verify: true, since registries must be read for it.",
        ),
        ({"signed_by": [{"key": KEY}], "verify": False}, "signed_by needs verify: true, since registries must be read for it."),
        ({"signed_by": [{"key": "x"}]}, "signed_by: key isn't a public key in PEM (-----BEGIN PUBLIC KEY-----)."),
        (
            {"source": "docker.io/nginx", "tags": {"newest": 1}, "verify": False},
            "tags needs verify: true, since registries must be read for it.",
        ),
        (
            {"tags": {"newest": 1}},
            "docker.io/nginx:1.27 names one image, but tags selects others; write the repository only.",
        ),
        (
            {"source": "docker.io/nginx@" + A, "tags": {"same_digest": True}},
            "docker.io/nginx@{0} names one image, but tags selects others; write the repository only.".format(A),
        ),
        (
            {"source": "docker.io/nginx", "tags": {"newest": 1}, "target": ["a:1"]},
            "target 'a:1' names a tag, but tags selects several; write the repository only, or put {tag} into it.",
        ),
        (
            {"source": None, "repositories": {"exclude": ["^team/"]}, "source_registry": "contosodev"},
            "exclude takes shell patterns such as 1.27*, but '^team/' looks like a regular expression; write something like team/*.",
        ),
        ({"source": "docker.io/nginx", "tags": {"newest": 0}}, "newest must be at least 1, not 0."),
        (
            {"source": "docker.io/nginx", "tags": {"semver": "latest"}},
            "semver 'latest' is invalid; write something like '>=1.2 <2', '^1.2', '~1.2', '1.x' or '1.2 - 1.9'.",
        ),
        (
            {"repositories": {"include": ["*"]}, "source_registry": "contosodev"},
            "repositories selects among the repositories of an Azure registry: name it in source_registry, and leave "
            "source out.",
        ),
        (
            {"source": None, "repositories": {"include": ["*"]}},
            "repositories selects among the repositories of an Azure registry: name it in source_registry, and leave "
            "source out.",
        ),
        (
            {"source": None, "repositories": {"include": ["*"]}, "source_registry": "contosodev", "target": ["a"]},
            "repositories selects several, so target 'a' must contain {repository} or {name}; or use target_prefix, which keeps "
            "their names.",
        ),
    ],
)
def test_wrong_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises((InvalidReference, InvalidSelection)) as caught:
        entry(**options)
    assert str(caught.value) == message


# -- several images of one entry -------------------------------------------------------------------------------------


def test_tags_of_a_repository() -> None:
    parsed = entry("docker.io/nginx", prefix="mirror/", tags={"include": ["1.*"], "newest": 3, "same_digest": False})
    assert parsed.selection == Selection(include=("1.*",), newest=3)
    assert parsed.targets_for("docker.io", "library/nginx", "1.27") == (Target("mirror/library/nginx", "1.27"),)


def test_tags_of_a_repository_into_others() -> None:
    parsed = entry("docker.io/nginx", prefix="m/", tags={"newest": 3}, target=["a", "b"], untagged_repositories=["c"])
    targets = parsed.targets_for("docker.io", "library/nginx", "1")
    assert targets == (Target("m/a", "1"), Target("m/b", "1"), Target("m/c", None))
    parsed = entry("docker.io/etcd", "{host}/", tags={"newest": 3}, target=["{name}:{tag}-k8s", "all:{name}-{tag}"])
    targets = parsed.targets_for("docker.io", "library/etcd", "1")
    assert targets == (Target("docker.io/etcd", "1-k8s"), Target("docker.io/all", "etcd-1"))


@pytest.mark.parametrize(("source", "tag"), [("docker.io/nginx:1.27", "1.27")])
def test_one_image_with_all_its_tags(source: str, tag: str) -> None:
    assert entry(source, tags={"same_digest": True}).selection == Selection(include=(tag,), same_digest=True)


def test_repositories_of_a_registry() -> None:
    parsed = entry(None, "m/", source_registry="contosodev", repositories={"include": ["team/*"], "exclude": None})
    assert (parsed.source, parsed.repositories, parsed.selection) == (None, (("team/*",), ()), Selection())
    assert parsed.targets_for("any", "team/app", "1") == (Target("m/team/app", "1"),)
    flat = entry(None, source_registry="contosodev", repositories={"exclude": ["x"]}, target=["{name}:{tag}"])
    assert flat.targets_for("any", "team/app", "1") == (Target("app", "1"),)
    one = entry(None, source_registry="contosodev", repositories={"exclude": ["x"]}, target=["all:{name}-{tag}"])
    assert one.targets_for("any", "team/app", "1") == (Target("all", "app-1"),)


def test_repositories_with_tags_and_credentials() -> None:
    parsed = entry(
        None, source_registry="contosodev", source_password="t", repositories={"include": None}, tags={"newest": 2}
    )
    assert parsed.selection == Selection(newest=2)
    assert parsed.notes == (), "there is no other way to name a registry of another tenant"


@pytest.mark.parametrize("host", ["quay.io", "https://harbor.example.com/", "azurecr.test", "a.b.azurecr.test"])
def test_repositories_of_a_registry_that_is_not_azures(host: str) -> None:
    name = host.removeprefix("https://").rstrip("/")
    expected = f"repositories needs an Azure registry, and {name} isn't one; name each repository in source."
    with pytest.raises(InvalidReference) as caught:
        entry(None, source_registry=host, repositories={"include": None})
    assert str(caught.value) == expected


# -- lists -----------------------------------------------------------------------------------------------------------


def test_an_entry_overrides_the_defaults_of_its_list() -> None:
    first, second = entries(
        {"source": NGINX, "if_exists": None, "verify": None},
        {"source": "docker.io/nginx:1", "if_exists": "fail", "platform": "linux/arm64"},
        defaults={"if_exists": "keep", "platform": "linux/amd64", "verify": True, "referrers": None},
        target_prefix="hub/",
    )
    assert (first.rules.if_exists, first.platform, targets(first)) == ("keep", "linux/amd64", ["hub/library/nginx:1.27"])
    assert (second.rules.if_exists, second.platform, second.rules.referrers) == ("fail", "linux/arm64", False)


def test_an_entry_can_switch_off_what_its_list_switches_on() -> None:
    (parsed,) = entries({"source": NGINX, "referrers": False}, defaults={"referrers": True})
    assert parsed.rules.referrers is False


@pytest.mark.parametrize(
    ("source", "username"),
    [
        ("docker.io/nginx:1", "hub"),
        ("index.docker.io/nginx:1", "hub"),
        ("docker.io/acme/private:1", "acme"),
        ("registry-1.docker.io/acme/private:1", "acme"),
        ("docker.io/acmeother/private:1", "hub"),
        ("docker.io/acme/private/deep/down:1", "deep"),
        ("DOCKER.io/acme/private/deep@" + A, "deep"),
        ("bearer.vendor.test:8443/vendor/agent:2.3", "port"),
        ("mcr.microsoft.com/hello-world", None),
        ("mydocker.io/nginx", None),
    ],
)
def test_the_longest_match_of_the_credentials_wins(source: str, username: str | None) -> None:
    listed = {
        "docker.io": "hub",
        "docker.io/acme/private/deep": "deep",
        "index.docker.io/acme/": "acme",
        "bearer.vendor.test:8443": "port",
    }
    secrets = [{"registry": place, "username": name, "password": "p"} for place, name in listed.items()]
    (parsed,) = entries({"source": source}, credentials=secrets)
    assert parsed.credentials == (Credentials(username, "p") if username else None)


def test_an_entrys_own_credentials_come_before_the_lists() -> None:
    secrets = [{"registry": "docker.io", "username": "hub", "password": "p"}]
    (parsed,) = entries({"source": NGINX, "source_password": "own"}, credentials=secrets)
    assert parsed.credentials == Credentials(None, "own")


@pytest.mark.parametrize("source", ["team/app:1", "contosodev.azurecr.test/team/app:1"])
def test_credentials_for_a_source_registry(source: str) -> None:
    secrets = [{"registry": "contosodev.azurecr.test/team", "username": "puller", "password": "p"}]
    (parsed,) = entries({"source": source, "source_registry": "contosodev.azurecr.test"}, credentials=secrets)
    assert parsed.credentials == Credentials("puller", "p")


@pytest.mark.parametrize(
    ("images", "lists", "message"),
    [
        (
            [{"source": NGINX}, {"source": "nginx"}],
            {},
            "Entry 2 (nginx): source 'nginx' doesn't name a registry; put its host in front, such as "
            "docker.io/library/nginx:1.27, or set source_registry.",
        ),
        (
            [{"source": "docker.io/nginx", "tags": {"newest": -1}}],
            {},
            "Entry 1 (docker.io/nginx): newest must be at least 1, not -1.",
        ),
        (
            [{"source": NGINX, "verify": False}],
            {"defaults": {"referrers": True}},
            "Entry 1 (docker.io/nginx:1.27): referrers needs verify: true, since registries must be read for it.",
        ),
        ([{}], {}, "Entry 1: source is empty; write something like docker.io/library/nginx:1.27."),
    ],
)
def test_wrong_entries(images: list[dict[str, Any]], lists: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidReference) as caught:
        entries(*images, **lists)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("host", "source", "expected"),
    [
        ("docker.io", "nginx:1.27", "docker.io/library/nginx:1.27"),
        ("docker.io", "grafana/grafana", "docker.io/grafana/grafana:latest"),
        ("index.docker.io", " nginx@" + A, "docker.io/library/nginx@" + A),
        ("docker.io", "quay.io/a:1", "quay.io/a:1"),
        ("docker.io", "localhost/a:1", "localhost/a:1"),
        ("Vendor.test:8443", "nginx", "vendor.test:8443/nginx:latest"),
        ("", "quay.io/a:1", "quay.io/a:1"),
    ],
)
def test_a_default_host_completes_what_names_none(host: str, source: str, expected: str) -> None:
    (parsed,) = entries({"source": source}, default_host=host)
    assert str(parsed.source) == expected


def test_a_default_host_is_for_entries_that_need_one() -> None:
    images = [{"source": "team/app:1", "source_registry": "contosodev"}, {"source_registry": "contosodev", "repositories": {}}]
    first, second = entries(images[0], {**images[1], "repositories": {"include": ["*"]}}, default_host="docker.io")
    assert first.source == Reference(None, "team/app", "1") and second.source is None
    hub = [{"registry": "docker.io", "username": "u", "password": "p"}]
    (parsed,) = entries({"source": "nginx"}, default_host="docker.io", credentials=hub)
    assert parsed.credentials == Credentials("u", "p"), "credentials go by the host that stands in"


@pytest.mark.parametrize(
    ("host", "message"),
    [
        ("docker.io/contoso", "default_host 'docker.io/contoso' must be a host only; write 'docker.io'."),
        ("docker", "registry 'docker' doesn't name a host; write one, "),
    ],
)
def test_a_default_host_that_is_none(host: str, message: str) -> None:
    with pytest.raises(InvalidReference) as caught:
        entries({"source": "nginx"}, default_host=host)
    assert str(caught.value).startswith(message)
    with pytest.raises(InvalidReference, match="source is empty"):
        entries({"source": " "}, default_host="docker.io")


OWN = "'contosoprod.azurecr.test/a' must not name the registry to import into, because the option registry does; write 'a'."


@pytest.mark.parametrize("registry", ["contosoprod", "contosoprod.azurecr.test", ID.replace("dev", "prod"), "ContosoProd"])
@pytest.mark.parametrize("option", ["target", "untagged_repositories"])
def test_a_target_does_not_name_its_own_registry(registry: str, option: str) -> None:
    for host in ("contosodev", "contosoproduction", "contosoprod.other"):
        parse_entry({"source": NGINX, option: [host + ".azurecr.test/a", "my_app.v2/a", "{name}.x/a"]}, SUFFIX, registry=registry)
    with pytest.raises(InvalidReference) as caught:
        parse_entry({"source": NGINX, option: ["contosoprod.azurecr.test/a"]}, SUFFIX, registry=registry)
    assert str(caught.value) == OWN
    with pytest.raises(InvalidReference, match="^'contosoprod.azurecr.test/' must not name"):
        parse_entries([{"source": NGINX}], None, None, "contosoprod.azurecr.test/", SUFFIX, registry=registry)


def test_a_wrong_prefix() -> None:
    with pytest.raises(InvalidReference, match="must be lowercase"):
        entries({"source": NGINX}, target_prefix="Mirror/")


def test_a_prefix_that_is_no_repository() -> None:
    with pytest.raises(InvalidReference, match="target_prefix 'a:1' contains a tag"):
        entries({"source": NGINX}, target_prefix="a:1")
    with pytest.raises(InvalidReference, match="more than 255 characters"):
        entries({"source": NGINX}, target_prefix="a" * 250 + "/")


@pytest.mark.parametrize(
    ("registry", "source", "used"),
    [
        ("vendor.test", "vendor.test:8443/a:1", False),  # another port is another server
        ("vendor.test:8443", "vendor.test:8443/a:1", True),
        ("docker.io/library", "docker.io/nginx", True),
        ("index.docker.io", "docker.io/nginx", True),
        ("docker.io/lib", "docker.io/nginx", False),
        ("docker.io/team/app", "docker.io/team/app:1", True),
        ("docker.io/team/app", "docker.io/team/apple:1", False),
    ],
)
def test_credentials_go_nowhere_else(registry: str, source: str, used: bool) -> None:
    [found] = entries({"source": source}, credentials=[{"registry": registry, "username": "u", "password": "p"}])
    assert (found.credentials == Credentials("u", "p")) is used


HUB = "https://index.docker.io/v1/"


@pytest.mark.parametrize(
    ("registry", "source", "used"),
    [
        (HUB, "docker.io/nginx", True),
        ("index.docker.io/v1/", "docker.io/acme/app", True),
        ("https://registry-1.docker.io/v2", "docker.io/acme/app", True),
        ("HTTPS://Quay.IO/", "quay.io/a:1", True),
        ("http://quay.io", "quay.io/a:1", True),
        ("quay.io/", "quay.io/a:1", True),
        ("quay.io.", "quay.io/a:1", True),
        ("QUAY.io:443", "quay.io/a:1", True),
        ("quay.io", "Quay.io.:443/a:1", True),
        ("https://quay.io:8443/v2/", "quay.io:8443/a:1", True),
        ("quay.io:8443", "quay.io/a:1", False),
        ("docker.io:443/acme", "docker.io/acme/app", True),
        ("https://quay.io/team", "quay.io/team/app:1", True),
        ("https://quay.io/team/", "quay.io/teams/app:1", False),
        # A namespace may have such a name; only of a URL is it the API's path.
        ("quay.io/v2", "quay.io/v2/app:1", True),
        ("quay.io/v2", "quay.io/app:1", False),
        ("contosodev.azurecr.test", "contosodev.azurecr.test/team/app:1", True),
        ("quay.io.evil.test", "quay.io/a:1", False),
        ("https://quay.io.evil.test/quay.io", "quay.io/a:1", False),
    ],
)
def test_e11_credentials_are_found_by_any_spelling_of_their_registry(registry: str, source: str, used: bool) -> None:
    (found,) = entries({"source": source}, credentials=[{"registry": registry, "username": "u", "password": "hidden"}])
    assert (found.credentials == Credentials("u", "hidden")) is used
    assert len(found.notes) == (0 if used else 1), "what is for nothing is reported"


@pytest.mark.parametrize(
    "registry",
    ["myteam", "myteam/app", "", " ", "https://", "https:///v1/", "/", "//", "contosodev", "ftp://quay.io", "quay io/a", "[x]/a", ID],
)
def test_e11_credentials_for_no_host_are_refused(registry: str) -> None:
    listed = [{"registry": "quay.io", "password": "p"}, {"registry": registry, "username": "u", "password": "hidden"}]
    with pytest.raises(InvalidReference) as caught:
        entries({"source": NGINX}, credentials=listed)
    assert str(caught.value).startswith("Entry 2 of credentials: registry {0!r} doesn't name a host; ".format(registry.strip()))
    assert str(caught.value).endswith(".") and "hidden" not in str(caught.value)


@pytest.mark.parametrize("registry", ["https://me:hidden@quay.io/v2/", "me:hidden@quay.io", "me:hidden@quay.io/a"])
def test_e11_a_password_in_the_registrys_place_is_not_repeated(registry: str) -> None:
    with pytest.raises(InvalidReference, match="^Entry 1 of credentials: registry must not contain a user name or password") as caught:
        entries({"source": NGINX}, credentials=[{"registry": registry, "password": "p"}])
    assert "hidden" not in str(caught.value)


def test_e11_credentials_that_match_nothing_are_told_once_by_their_registry_alone() -> None:
    listed = [
        {"registry": place, "username": "someone", "password": "hidden"}
        for place in ("https://Quay.io/team/", "docker.io", "docker.io/library", "ghcr.io", "contosodev.azurecr.test")
    ]
    images: list[dict[str, Any]] = [
        {"source": NGINX}, {"source": "ghcr.io/a:1", "source_password": "own"}, {"source": "b:1", "source_registry": "contosodev"},
    ]  # fmt: skip
    notes = [note for entry in entries(*images, credentials=listed) for note in entry.notes]
    # That an entry has its own, or another one matches better, is no mistake.
    assert notes == [
        "The credentials for {0} match no entry of images, so they are not used.".format(place)
        for place in ("quay.io/team", "contosodev.azurecr.test")
    ]


def test_a_user_name_without_a_password_for_a_whole_registry() -> None:
    with pytest.raises(InvalidReference, match=r"Entry 1 \(contosodev\): source_username is given"):
        entries({"source_registry": "contosodev", "repositories": {"include": ["*"]}, "source_username": "u"})


# -- all mistakes of a list --------------------------------------------------------------------------------------------

REGISTRIES = {"source_registry": "contosodev", "repositories": {"include": ["team/*"]}}
KINDS: dict[str, tuple[Any, str]] = {
    "misspelt option": ({"sorce": NGINX}, "(docker.io/nginx:1.27): sorce isn't an option; did you mean source?"),
    "misspelt option inside": ({"source": "h.io/a", "tags": {"semvr": "1"}}, "(h.io/a): tags.semvr isn't an option; did you mean semver?"),
    "option in the wrong place": ({"source": "h.io/a", "newest": 3}, "(h.io/a): newest isn't an option; it belongs under tags."),
    "no option at all": (
        {"source_registry": "contosodev", "repositories": {"include": ["a*"], "x": 1}},
        "(contosodev): repositories.x isn't an option; the options are exclude, include.",
    ),
    "password in the wrong place": ({"source": NGINX, "password": "hidden"}, "password isn't an option; did you mean source_password?"),
    "no source": ({"target": ["a:1"]}, ": source is empty; write something like docker.io/library/nginx:1.27."),
    "null": (None, ": null can't be read; write the text of an image, or a dictionary of options."),
    "number": (5, ": 5 can't be read; write the text of an image, or a dictionary of options."),
    "list": ([NGINX], ": a list can't be read; write the text of an image, or a dictionary of options."),
    "half a dictionary": ('{"source_password": "hidden', ": this text can't be read; write the text of an image, or a dictionary"),
    "empty text": ("", ": source is empty; "),
    "no whole number": ({"source": "h.io/a", "tags": {"newest": "three"}}, "(h.io/a): tags.newest must be a whole number, not 'three'."),
    "true as a number": ({"source": "h.io/a", "tags": {"newest": True}}, "(h.io/a): tags.newest must be a whole number, not true."),
    "text as options": ({"source": "h.io/a", "tags": "1.27"}, "(h.io/a): tags must be a dictionary, not '1.27'."),
    "neither true nor false": ({"source": NGINX, "verify": "maybe"}, "verify must be true or false, not 'maybe'."),
    "options as a list": ({"source": NGINX, "target": {"a": "hidden"}}, "target must be a list, not a dictionary."),
    "a list as text": ({"source": [NGINX, "hidden"]}, ": source must be text, not a list."),
    "null in a list": ({"source": NGINX, "target": [None]}, "target must be text, not null."),
    "wrong choice": ({"source": NGINX, "if_exists": "kep"}, "if_exists must be update, keep, fail or reimport, not 'kep'."),
    "wrong choice inside": ({"source": "h.io/a", "tags": {"order": "size"}}, "tags.order must be version or time, not 'size'."),
    "number as a tag": ({"source": "h.io/a", "tags": {"include": ["1", 3.10]}}, "tags.include must be text, but 3.1 was read as a number "),
    "number as a source": ({"source": 3.10}, ": source must be text, but 3.1 was read as a number "),
    "number as a password": ({"source": NGINX, "source_password": 3.14159}, "source_password must be text, but what is given was read "),
    "number as a range": ({"source": "h.io/a", "tags": {"semver": 1.5}}, "(h.io/a): semver must be text, but 1.5 was read as a number "),
    "capitals": (
        "docker.io/Nginx:1",
        "(docker.io/Nginx:1): 'docker.io/Nginx:1' has an invalid repository name 'Nginx'; it must be lowercase.",
    ),
    "bad tag": ("h.io/a:.1", "(h.io/a:.1): 'h.io/a:.1' has an invalid tag '.1'; "),
    "bad digest": ("h.io/a@sha256:12", "has an invalid digest; "),
    "no host": ("nginx:1.27", "(nginx:1.27): source 'nginx:1.27' doesn't name a registry; "),
    "address of a page": ("https://h.io/a", "(https://h.io/a): source 'https://h.io/a' must not start with 'https://'; write 'h.io/a'."),
    "password in a source": ("me:hidden@h.io/a", "(h.io/a): source must not contain a user name or password; "),
    "password with a slash": ("me:hid/hidden@h.io/a", "(h.io/a): source must not contain a user name or password; "),
    "password before a host alone": ("me:hidden@h.io", "(h.io): source must not contain a user name or password; "),
    "password in a registry": ({"source": "a", "source_registry": "me:hidden@h.io"}, "source_registry must not contain a user name "),
    "password in an address": ("https://me:hidden@h.io", "(h.io): source must not contain a user name or password; "),
    "password with an equals sign": ("me:hidden=@h.io/a", "(h.io/a): source must not contain a user name or password; "),
    "user without password": ({"source": NGINX, "source_username": "me"}, "source_username is given, but source_password is empty."),
    "bad range": ({"source": "h.io/a", "tags": {"semver": "newer"}}, "semver 'newer' is invalid; "),
    "expression as a pattern": (
        {"source": "h.io/a", "tags": {"include": ["^1.*$"]}},
        "looks like a regular expression; put it under match.",
    ),
    "bad expression": ({"source": "h.io/a", "tags": {"match": "(1"}}, "match '(1' isn't a regular expression: "),
    "tags of one image": ({"source": NGINX, "tags": {"newest": 1}}, "docker.io/nginx:1.27 names one image, but tags selects others; "),
    "tags and digest": ({"source": "h.io/a@" + A, "tags": {"newest": 1}}, "names one image, but tags selects others; "),
    "repositories of no registry": ({"repositories": {"include": ["*"]}}, ": repositories selects among the repositories of an Azure "),
    "unverified platform": ({"source": NGINX, "verify": False, "platform": "linux/amd64"}, "platform needs verify: true, since "),
    "bad platform": ({"source": NGINX, "platform": "linux"}, "platform 'linux' is invalid; "),
    "bad registry": ({"source": "a", "source_registry": "no_name"}, "(a): 'no_name' isn't the name of a registry, "),
    "bad placeholder": ({"source": NGINX, "target": ["{repo}"]}, "'{repo}' has an unknown placeholder {repo}; "),
    "one target for all": ({**REGISTRIES, "target": ["a"]}, "(contosodev): repositories selects several, so target 'a' must contain "),
    "target with a digest": ({"source": NGINX, "target": ["a@" + A]}, "must not have a digest, "),
    "target in its own registry": (
        {"source": NGINX, "target": ["contosoprod.azurecr.test/a"]},
        "must not name the registry to import into, ",
    ),
    "two for one target": ({"source": "docker.io/library/alpine:3.20"}, "library/alpine:3.20 is wanted twice, with different options "),
}  # fmt: skip


def mistakes(images: list[Any], **lists: Any) -> list[str]:
    """All that is said of a list; nothing of it may be a secret."""
    options, told = read_list({"images": images, **lists})
    rest = [options.get(name) for name in ("defaults", "credentials", "target_prefix")]
    with pytest.raises(InvalidReference) as caught:
        parse_entries(options["images"], *rest, SUFFIX, options.get("default_host"), "contosoprod", told, options.get("blocked"))
    assert "hidden" not in str(caught.value) and "3.14159" not in str(caught.value)
    assert "hidden" not in str([one for one in options["images"] if set(one) - set(ENTRY_ARGUMENTS)]), "Ansible would show it"
    return str(caught.value).splitlines()


def test_all_mistakes_are_told_at_once_each_with_its_entry() -> None:
    good: list[Any] = [{"source": "docker.io/library/alpine:3.20", "if_exists": "keep"}]
    said = mistakes(good + [one for one, _says in KINDS.values()])
    numbered = {int(re.findall(r"[Ee]ntr(?:y|ies 1 and) (\d+)", line)[0]): line for line in said}
    assert len(said) == len(numbered) == len(KINDS), "\n".join(said)
    for number, (kind, (_one, says)) in enumerate(KINDS.items(), 2):
        start = f"Entry {number}" + ("" if says.startswith(":") else " (")
        assert says in numbered[number] and (kind == "two for one target" or numbered[number].startswith(start)), numbered[number]


def test_an_entry_may_make_several_mistakes() -> None:
    one = {"sorce": "docker.io/Nginx", "platform": "linux", "target": ["A", "{x}"], "tags": {"newest": 0, "semver": ["x-", 2.5]}}
    assert [line.partition(": ")[2].partition(";")[0] for line in mistakes([one])] == [
        "sorce isn't an option", "'docker.io/Nginx' has an invalid repository name 'Nginx'", "platform 'linux' is invalid",
        "semver 'x-' is invalid", "semver must be text, but 2.5 was read as a number (3.10 would be, too). Quote it, as in '3.10'.",
        "newest must be at least 1, not 0.", "'A' has an invalid repository name 'A'", "'{x}' has an unknown placeholder {x}",
    ]  # fmt: skip


def test_a_mistake_in_the_defaults_is_told_once() -> None:
    images = [{"source": "h.io/a"}, {"source": "h.io/b"}, {"source": "h.io/c", "platform": "linux/amd64"}, "h.io/A"]
    found = mistakes(images, defaults={"platform": "linux", "if_exits": "keep", "tags": {"newest": "x"}})
    assert [line.partition(";")[0] for line in found] == [
        "defaults: if_exits isn't an option", "defaults: tags.newest must be a whole number, not 'x'.",
        "defaults: platform 'linux' is invalid", "Entry 4 (h.io/A): 'h.io/A' has an invalid repository name 'A'",
    ]  # fmt: skip
    options, told = read_list({"images": ["h.io/a:1"], "defaults": {"platform": "linux"}})
    own = [{**options["images"][0], "platform": "linux/amd64"}]
    assert parse_entries(own, options["defaults"], None, None, SUFFIX, told=told), "what nobody takes does no harm"
    assert mistakes(["h.io/A"], defaults="hidden")[0] == "defaults: this text can't be read; write a dictionary of options."


def test_mistakes_in_the_credentials_are_told_with_their_place() -> None:
    listed = [
        {"registry": "h.io", "pasword": "hidden"}, {"registry": "h.io"}, {"password": "hidden"}, "h.io:hidden", None,
        {"registry": "https://me:hidden@h.io", "password": "p"}, {"registry": "h.io", "password": ["hidden"]},
        {"registry": "other", "password": "hidden"}, {"registry": "h.io", "password": "hidden", "source_username": "me"},
    ]  # fmt: skip
    assert [line.removeprefix("Entry ").partition(";")[0] for line in mistakes(["h.io/a", "h.io/B"], credentials=listed)] == [
        "1 of credentials: pasword isn't an option", "2 of credentials: password is missing.", "3 of credentials: registry is missing.",
        "4 of credentials: this text can't be read", "5 of credentials: null can't be read",
        "6 of credentials: registry must not contain a user name or password", "7 of credentials: password must be text, not a list.",
        "8 of credentials: registry 'other' doesn't name a host", "9 of credentials: source_username isn't an option",
        "2 (h.io/B): 'h.io/B' has an invalid repository name 'B'",
    ]  # fmt: skip


def test_mistakes_of_the_list_itself() -> None:
    found = mistakes(["nginx", "B"], default_host="docker.io/team", target_prefix="contosoprod.azurecr.test/")
    assert [line.partition(";")[0] for line in found] == [
        "default_host 'docker.io/team' must be a host only",
        "'contosoprod.azurecr.test/' must not name the registry to import into, because the option registry does",
        "Entry 2 (B): 'docker.io/B' has an invalid repository name 'B'",
    ]  # fmt: skip


def test_what_is_blocked_is_checked_with_the_list() -> None:
    found = mistakes(["h.io/B", {"source": "h.io/a", "verify": False}], blocked=["quay.io/*", "quay.io", "hidden:hidden@h.io/x"])
    assert [line.partition(";")[0] for line in found] == [
        "blocked: 'quay.io' names only a registry", "An entry of blocked must not contain a user name or password",
        "Entry 1 (h.io/B): 'h.io/B' has an invalid repository name 'B'",
    ]  # fmt: skip
    [unread] = mistakes([{"source": "h.io/a", "verify": False}], blocked=["quay.io/*"])
    assert unread == "Entry 1 (h.io/a): blocked needs verify: true, since registries must be read for it."


def test_quarantine() -> None:
    asked = {"quarantine": {"min_age": "72h"}}
    assert entry(**asked).rules.quarantine == Quarantine(259200, "quarantine/")
    first, second = entries({"source": NGINX}, {"source": "h.io/a", "quarantine": {"min_age": "0h"}}, defaults=asked)
    assert first.rules.quarantine == Quarantine(259200, "quarantine/") and second.rules.quarantine is None
    assert entries({"source": NGINX, "verify": False, "quarantine": {"min_age": "0h"}}, defaults=asked), "turned off"
    for options, said in (
        ({"verify": False}, "quarantine needs verify: true"),
        ({"target": ["a" * 250]}, "has a repository name of more than 255 characters"),  # in quarantine
        ({"quarantine": {"min_age": "1w"}}, "min_age must be"),
    ):
        with pytest.raises(InvalidReference, match=said):
            entry(**{**asked, **options})


def test_of_very_many_mistakes_the_rest_is_counted() -> None:
    found = mistakes(["A"] * 300)
    assert len(found) == 101 and found[99].startswith("Entry 100 (A): ") and found[100] == "Mistakes that are not shown here: 200."


def test_only_what_surely_contradicts_is_refused_before_registries_are_asked() -> None:
    """A registry of Azure's has several names; the digest of one tag may be that of another."""
    here = {"source": "contosodev.azurecr.test/a:1"}
    assert len(entries(here, {"source": "a:1", "source_registry": "contosodev"}, {"source": "a:1", "source_registry": ID})) == 3
    assert len(entries(here, {"source": "a:1", "source_registry": "registry.contoso.test"})) == 2
    assert len(entries({"source": "h.io/a"}, {"source": "i.io/a", "tags": {"newest": 1}})) == 2
    assert len(entries(here, here, {"source": "docker.io/nginx"}, {"source": "index.docker.io/library/nginx"})) == 4
    for other in ("contosotest.azurecr.test/a:1", "h.io:8443/a:1", "quay.io/a:1"):
        (said,) = mistakes([here, {"source": other}])
        assert said.endswith(f"(entry 1) and from {other.replace('.azurecr.test', '')} (entry 2). Remove one.")


# -- signers -----------------------------------------------------------------------------------------------------------


def test_signers_of_the_list_hold_for_entries_without_their_own() -> None:
    other = public_pem(new_key())
    images = [{"source": NGINX}, {"source": "h.io/a", "signed_by": [{"key": other}]}, {"source": "h.io/b", "signed_by": []}]
    options, told = read_list({"images": images, "defaults": {"signed_by": [{"key": KEY}, {"key": other}]}})
    parsed = entries(*options["images"], defaults=options["defaults"])
    assert not told
    assert [[signer.key for signer in one.rules.signed_by] for one in parsed] == [[KEY, other], [other], []]


def test_a_mistake_in_a_signer_has_its_place() -> None:
    one = {"source": NGINX, "signed_by": [{"key": KEY}, {"issuer": 1.5}, {"isuer": "https://a.test", "identity": "x"}]}
    assert mistakes([one, {"source": NGINX, "signed_by": "cosign.pub"}, {"source": NGINX, "signed_by": ["cosign.pub"]}]) == [
        "Entry 1 (docker.io/nginx:1.27): signed_by.isuer isn't an option; did you mean issuer?",
        "Entry 1 (docker.io/nginx:1.27): signed_by.issuer must be text, but 1.5 was read as a number (3.10 would be, too). "
        "Quote it, as in '3.10'.",
        "Entry 2 (docker.io/nginx:1.27): signed_by must be a list of dictionaries, not 'cosign.pub'.",
        "Entry 3 (docker.io/nginx:1.27): signed_by must be a list of dictionaries, not 'cosign.pub'.",
    ]


# -- anything at all -------------------------------------------------------------------------------------------------

words = st.sampled_from(
    [
        "",
        "a",
        "a:1",
        "h.io/a",
        "h.io/a:1",
        "contosodev",
        "contosodev.azurecr.test/a:1",
        "A",
        "a@" + A,
        "linux/amd64",
        ID,
    ]
)
odd = st.none() | words | st.text(max_size=8)


@settings(derandomize=True, database=None, deadline=None, max_examples=500)
@given(
    st.fixed_dictionaries(
        {"source": words | st.text(max_size=8)},
        optional={
            "source_registry": odd,
            "source_username": odd,
            "source_password": odd,
            "target": st.none() | st.lists(words, max_size=2),
            "untagged_repositories": st.none() | st.lists(words, max_size=2),
            "platform": odd,
            "verify": st.booleans(),
            "referrers": st.booleans(),
            "tags": st.none() | st.fixed_dictionaries({"newest": st.none() | st.integers(-1, 2), "semver": odd}),
        },
    )
)
def test_any_options_are_an_entry_or_clear_errors(options: dict[str, Any]) -> None:
    try:
        parsed = parse_entry(options, SUFFIX)
    except InvalidReference as error:
        sentences = str(error).splitlines()
        assert sentences and all(sentence.endswith(".") for sentence in sentences)
        assert len(set(sentences)) == len(sentences) or options.get("target") or options.get("untagged_repositories")
    else:
        assert parsed.source is not None and parsed.targets
        assert (parsed.source.host is None) is (parsed.registry_id is not None)
        assert parsed.rules.verify or not (parsed.rules.referrers or parsed.platform or parsed.selection)
