# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""References, registries and platforms: against the distribution specification, and against skopeo's parser."""

from __future__ import annotations

import os
import random
import re
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.registryops.acr.plugins.module_utils._reference import (
    InvalidReference,
    Platform,
    Reference,
    RegistryId,
    api_host,
    completed,
    filled,
    host_name,
    parse_pattern,
    parse_platform,
    parse_registry,
    parse_source,
    parse_target,
)
from ansible_collections.registryops.acr.plugins.module_utils._untrusted import same_host

A, B = "sha256:" + "a" * 64, "sha512:" + "b" * 128

# From the distribution specification, "Pulling manifests", word for word.
SPEC_NAME = re.compile(r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*", re.ASCII)
SPEC_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}", re.ASCII)
# From the image specification, "Digests": the two algorithms that it registers and that registries speak.
SPEC_DIGEST = re.compile(r"sha256:[a-f0-9]{64}|sha512:[a-f0-9]{128}")

thorough = settings(derandomize=True, database=None, deadline=None, max_examples=400)


def one_sentence(error: BaseException) -> str:
    """The message, after a check that it is one line that ends like a sentence."""
    message = str(error)
    assert message.endswith(".") and len(message.splitlines()) == 1, message
    return message


# -- sources ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("docker.io/library/nginx:1.27", Reference("docker.io", "library/nginx", "1.27")),
        ("docker.io/nginx", Reference("docker.io", "library/nginx", "latest")),
        ("index.docker.io/nginx:1", Reference("docker.io", "library/nginx", "1")),
        ("registry-1.docker.io/tensorflow/tensorflow", Reference("docker.io", "tensorflow/tensorflow", "latest")),
        ("registry.hub.docker.com/nginx:1", Reference("docker.io", "library/nginx", "1")),
        ("DOCKER.IO/nginx:1", Reference("docker.io", "library/nginx", "1")),
        ("mcr.microsoft.com/hello-world", Reference("mcr.microsoft.com", "hello-world", "latest")),
        ("MCR.Microsoft.com/a/b:V1", Reference("mcr.microsoft.com", "a/b", "V1")),
        ("bearer.vendor.test:8443/vendor/agent:2.3", Reference("bearer.vendor.test:8443", "vendor/agent", "2.3")),
        ("localhost/app", Reference("localhost", "app", "latest")),
        ("host:5000/app", Reference("host:5000", "app", "latest")),
        ("10.0.0.1/app:1", Reference("10.0.0.1", "app", "1")),
        ("[2001:db8::1]:5000/app:1", Reference("[2001:db8::1]:5000", "app", "1")),
        ("h.io/app@" + A, Reference("h.io", "app", None, A)),
        ("h.io/app@" + B, Reference("h.io", "app", None, B)),
        ("h.io/app:1@" + A, Reference("h.io", "app", "1", A)),
        ("  h.io/app:1 \n", Reference("h.io", "app", "1")),
        ("h.io/" + "a" * 255, Reference("h.io", "a" * 255, "latest")),
        ("h.io/app:" + "t" * 128, Reference("h.io", "app", "t" * 128)),
        ("h.io:65535/app:1", Reference("h.io:65535", "app", "1")),
    ],
)
def test_source(text: str, expected: Reference) -> None:
    assert parse_source(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "source is empty; write something like docker.io/library/nginx:1.27."),
        (" \n", "source is empty; write something like docker.io/library/nginx:1.27."),
        (None, "source is empty; write something like docker.io/library/nginx:1.27."),
        ("nginx:1.27", "source 'nginx:1.27' doesn't name a registry; put its host in front, such as "),
        ("library/nginx", "source 'library/nginx' doesn't name a registry; put its host in front, such as "),
        ("https://h.io/a", "source 'https://h.io/a' must not start with 'https://'; write 'h.io/a'."),
        ("https://me:secret@h.io/a", "source must not contain a user name or password; use the options for them."),
        ("me:secret@h.io/a", "source must not contain a user name or password; use the options for them."),
        ("docker://h.io/a", "source 'docker://h.io/a' must not start with 'docker://'; write 'h.io/a'."),
        ("h.io/App", "'h.io/App' has an invalid repository name 'App'; it must be lowercase."),
        ("h.io/a__-b", "'h.io/a__-b' has an invalid repository name 'a__-b'."),
        ("h.io/", "'h.io/' has an invalid repository name ''."),
        ("h.io//a", "'h.io//a' has an invalid repository name '/a'."),
        ("h.io/a:", "'h.io/a:' has an invalid tag ''; a tag has up to 128 "),
        ("h.io/a:-1", "'h.io/a:-1' has an invalid tag '-1'; a tag has up to 128 "),
        ("h.io/a:1:2", "'h.io/a:1:2' has an invalid tag '1:2'; a tag has up to 128 "),
        ("h.io/a:" + "t" * 129, "has an invalid tag"),
        ("h.io/a@", "'h.io/a@' has an invalid digest; a digest is sha256: followed by 64 lowercase hex digits."),
        ("h.io/a@sha256:" + "A" * 64, " has an invalid digest; a digest is "),
        ("h.io/a@sha256:" + "a" * 63, " has an invalid digest; a digest is "),
        ("h.io/a@{0}@{0}".format(A), " has an invalid digest; a digest is "),
        ("h.io/" + "a" * 256, "' has a repository name of more than 255 characters."),
        ("-h.io/a", "'-h.io/a' starts with an invalid host name: '-h.io'."),
        ("h..io/a", "'h..io/a' starts with an invalid host name: 'h..io'."),
        ("h_a.io/a", "'h_a.io/a' starts with an invalid host name: 'h_a.io'."),
        ("h.io:/a", "'h.io:/a' starts with an invalid host name: 'h.io:'."),
        ("h.io:0/a", "'h.io:0/a' has an invalid port: 0."),
        ("h.io:65536/a", "'h.io:65536/a' has an invalid port: 65536."),
        (A + "/a", " starts with an invalid host name: "),
    ],
)
def test_wrong_source(text: str, message: str) -> None:
    with pytest.raises(InvalidReference) as caught:
        parse_source(text)
    assert message in one_sentence(caught.value)


def test_source_in_a_registry_named_elsewhere() -> None:
    assert parse_source("team/app", in_registry=True) == Reference(None, "team/app", "latest")
    assert parse_source("team/app@" + A, in_registry=True) == Reference(None, "team/app", None, A)
    # Only Docker Hub has official images: nothing gets library/ in front here.
    assert parse_source("nginx:1", in_registry=True) == Reference(None, "nginx", "1")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{host}/{repository}:{tag}", "quay.io_8443/team/app:1.0"),
        ("x/{name}-{tag}", "x/app-1.0"),
        ("plain", "plain"),
    ],
)
def test_filled(text: str, expected: str) -> None:
    assert filled(text, "quay.io:8443", "team/app", "1.0") == expected
    assert filled(text, "quay.io:8443", "app", "1.0") == expected.replace("team/", "")


@pytest.mark.parametrize(
    ("text", "repository", "tag"),
    [
        ("a/b", "a/b", None),
        (" {host}/{name}:{tag}-k8s ", "{host}/{name}", "{tag}-k8s"),
        ("{name}-{tag}", "{name}-{tag}", None),
        ("mcr.microsoft.com/dotnet/runtime:8.0", "mcr.microsoft.com/dotnet/runtime", "8.0"),
    ],
)
def test_parse_pattern(text: str, repository: str, tag: str | None) -> None:
    assert parse_pattern(text) == (repository, tag)


@pytest.mark.parametrize("text", ["{Host}/a", "{}", "a:{digest}", "{tag}/{registry}"])
def test_an_unknown_placeholder_is_one_clear_error(text: str) -> None:
    with pytest.raises(InvalidReference, match=r"unknown placeholder \{\w*\}; there are \{host\}, \{repository\}, \{name\} and \{tag\}\.$"):
        parse_pattern(text)


@pytest.mark.parametrize(
    ("text", "expected"), [("nginx", "h.io/nginx"), (" a/b:1 ", "h.io/a/b:1"), ("quay.io/a", "quay.io/a"), ("a:1/b", "a:1/b"), ("", "")]
)
def test_completed(text: str, expected: str) -> None:
    assert completed(text, "h.io") == expected


def test_api_host() -> None:
    assert api_host("docker.io") == "registry-1.docker.io"
    assert api_host("mcr.microsoft.com") == "mcr.microsoft.com"


# -- targets ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("base/nginx:1.27", Reference(None, "base/nginx", "1.27")),
        ("nginx", Reference(None, "nginx", None)),
        (" a/b/c:latest ", Reference(None, "a/b/c", "latest")),
        ("v1.2:3", Reference(None, "v1.2", "3")),  # without a slash, a dot makes no host
    ],
)
def test_target(text: str, expected: Reference) -> None:
    assert parse_target(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "target is empty; write something like base/nginx:1.27."),
        ("quay.io:8443/a:1", "'quay.io:8443/a:1' has an invalid repository name 'quay.io:8443/a'."),
        ("a@" + A, "must not have a digest, because the source determines it; write a tag, or use "),
        ("A/b:1", "'A/b:1' has an invalid repository name 'A/b'; it must be lowercase."),
        ("a:b/c", "'a:b/c' has an invalid repository name 'a:b/c'."),
        ("/a", "'/a' has an invalid repository name '/a'."),
    ],
)
def test_wrong_target(text: str, message: str) -> None:
    with pytest.raises(InvalidReference) as caught:
        parse_target(text)
    assert message in one_sentence(caught.value)


# -- properties ------------------------------------------------------------------------------------------------------

HOSTS = ("docker.io", "h.io", "localhost", "h:1", "a-b.c.test:5000", "[::1]:5", "1.2.3.4")
component = st.from_regex(r"[a-z0-9]{1,4}((\.|_|__|-{1,3})[a-z0-9]{1,4}){0,2}", fullmatch=True)
repository = st.lists(component, min_size=1, max_size=4).map("/".join)
tag = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,20}", fullmatch=True)
digest = st.sampled_from([A, B, "sha256:" + "0123456789abcdef" * 4])
reference = st.builds(Reference, st.sampled_from(HOSTS), repository, st.none() | tag, st.none() | digest)
# Text that often comes close to a reference, and any text at all.
near = st.lists(
    st.sampled_from(
        ["a", "B", "1", ".", "_", "-", "/", ":", "@", "h.io/", A, "sha256:", "://", "[]", " ", "\n", "é", "{}"]
    ),
    max_size=12,
).map("".join)
anything = near | st.text(max_size=40)


@thorough
@given(reference)
def test_what_is_formatted_parses_to_the_same(wanted: Reference) -> None:
    parsed = parse_source(str(wanted))
    assert parsed.host == wanted.host
    official = wanted.host == "docker.io" and "/" not in wanted.repository
    assert parsed.repository == ("library/" if official else "") + wanted.repository
    assert parsed.tag == (wanted.tag or (None if wanted.digest else "latest"))
    assert parsed.digest == wanted.digest
    assert parse_source(str(parsed)) == parsed


@thorough
@given(anything)
def test_any_text_is_a_reference_that_comes_back_or_one_clear_error(text: str) -> None:
    for parse in (parse_source, parse_target, lambda one: parse_source(one, in_registry=True)):
        try:
            parsed = parse(text)
        except InvalidReference as error:
            one_sentence(error)
        else:
            assert parse(str(parsed)) == parsed
            assert SPEC_NAME.fullmatch(parsed.repository)


@thorough
@given(anything)
def test_any_text_is_a_registry_or_platform_or_one_clear_error(text: str) -> None:
    try:
        found = parse_registry(text, ["azurecr.test"])
    except InvalidReference as error:
        one_sentence(error)
    else:
        assert found.name or found.login_server
    try:
        platform = parse_platform(text)
    except InvalidReference as error:
        one_sentence(error)
    else:
        assert parse_platform(str(platform)) == platform


@thorough
@given(st.text("aZ9._-/é\n", max_size=8) | repository)
def test_names_are_those_of_the_specification(text: str) -> None:
    """Deliberately more: the specification sets no limit to a name's length, and Azure allows 255 characters."""
    assert _accepts("h.io/" + text, text) == bool(SPEC_NAME.fullmatch(text))


@thorough
@given(st.text("aZ9._-:/é\n", max_size=8) | tag | st.integers(120, 135).map(lambda n: "t" * n))
def test_tags_are_those_of_the_specification(text: str) -> None:
    assert _accepts("h.io/a:{0}@{1}".format(text, A), "a") == bool(SPEC_TAG.fullmatch(text))


@thorough
@given(
    digest
    | st.text("aF0:@", max_size=6).map(lambda text: "sha256:" + text)
    | st.builds(
        lambda algorithm, size: "{0}:{1}".format(algorithm, "c" * size),
        st.sampled_from(["sha256", "sha512", "sha384", "md5", "SHA256"]),
        st.sampled_from([32, 63, 64, 65, 128, 129]),
    )
)
def test_digests_are_those_of_the_specification(text: str) -> None:
    assert _accepts("h.io/a@" + text, "a") == bool(SPEC_DIGEST.fullmatch(text))


def _accepts(text: str, expected: str) -> bool:
    try:
        return parse_source(text).repository == expected
    except InvalidReference:
        return False


# -- skopeo ----------------------------------------------------------------------------------------------------------

CASES = 2400


class _EmptyRegistry(BaseHTTPRequestHandler):
    """A proxy behind which every host is a registry that holds nothing."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        there = self.path.endswith("/v2/")
        body = b"{}" if there else b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}'
        self.send_response(200 if there else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_args: object) -> None:
        """Silent."""


class _Server(ThreadingHTTPServer):
    request_queue_size = 128


@pytest.fixture(scope="module")
def proxy() -> Iterator[str]:
    server = _Server(("127.0.0.1", 0), _EmptyRegistry)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield "http://127.0.0.1:{0}".format(server.server_port)
    server.shutdown()
    server.server_close()
    thread.join()


def _generate(random_: random.Random) -> str:
    """A reference, three times out of four with some mistake or oddity."""
    host = random_.choice(["", "h.io/", "a-b.c.test:5000/", "docker.io/", "index.docker.io/", "10.1.2.3:8/", "H.io/"])
    separators = [".", "_", "__", "-", "--", "---"]
    components = [
        "".join(
            random_.choice(["a", "b1", "0", "x9z"]) + (random_.choice(separators) if last else "")
            for last in [random_.random() < 0.4, False]
        )
        for _number in range(random_.randint(1, 3))
    ]
    text = host + "/".join(components)
    if random_.random() < 0.02:
        text += "/" + "l" * random_.choice([240, 300])
    which = random_.random()
    if which < 0.5:
        text += ":" + random_.choice(["1", "v1.2.3-alpine_x", "_", "A-", "t" * 128, "t" * 129, "latest"])
    elif which < 0.75:
        text += "@" + random_.choice(["sha256:" + "0f" * 32, B, "sha256:" + "0F" * 32, A[:-1], "sha512:" + "b" * 64])
    for _mistake in range(random_.choice([0, 1, 1, 2])):
        at = random_.randrange(len(text) + 1)
        text = text[:at] + random_.choice("aZ0._-/:@+~% é") + text[at + random_.choice([0, 0, 1]) :]
    return text


def _skopeo(text: str, proxy: str) -> Reference | None:
    """What skopeo looks for when it is asked for *text*; None where that is no reference to it."""
    # It tries TLS first, which nobody answers.
    proxies = {"HTTPS_PROXY": "http://127.0.0.1:1", "HTTP_PROXY": proxy}
    asked = subprocess.run(
        ["skopeo", "inspect", "--no-tags", "--tls-verify=false", "docker://" + text],
        env={"PATH": os.environ["PATH"], "HOME": "/nonexistent", **proxies},
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(r"reading manifest (\S+) in ([^/\s]+)/(\S+): manifest unknown", asked.stderr)
    if found is None:
        assert re.search(
            r"invalid reference format|invalid checksum digest|unsupported digest|repository name must|not allowed"
            r"|no Host in request URL|both a tag and digest|64-byte hexadecimal",
            asked.stderr,
        ), asked.stderr
        return None
    name, host, path = found.groups()
    return Reference(host, path, None, name) if ":" in name else Reference(host, path, name)


def _ours(text: str) -> Reference | None:
    """What we take *text* for, brought to skopeo's view where we differ on purpose."""
    first, slash, _rest = text.partition("/")
    hostless = not (slash and ("." in first or ":" in first or first == "localhost"))
    try:
        parsed = parse_source(text, in_registry=hostless)
    except InvalidReference:
        return None
    if hostless:
        # On purpose: without a host skopeo means Docker Hub; we ask for the host, unless source_registry stands for it.
        with pytest.raises(InvalidReference, match="doesn't name a registry"):
            parse_source(text)
        repository = parsed.repository if "/" in parsed.repository else "library/" + parsed.repository
        return Reference("docker.io", repository, parsed.tag, parsed.digest)
    return parsed


def _difference(text: str) -> str | None:
    """Why skopeo's verdict on *text* does not count: the ways in which we differ from it on purpose."""
    first, slash, rest = text.partition("/")
    if text != text.strip():
        return "white space around a reference is dropped"
    name, at, digest_ = text.partition("@")
    if at and SPEC_DIGEST.fullmatch(digest_) and ":" in name.rpartition("/")[2]:
        return "tag and digest together: skopeo has no such references, and here the digest decides"
    if first.lower() in ("registry-1.docker.io", "registry.hub.docker.com") or first in ("DOCKER.io", "Docker.io"):
        return "more names are Docker Hub's"
    if re.search(r"\.(:[0-9]+)?$|:0*443$", first):
        return "a dot at the end of a host and the port 443 are dropped"
    port = re.search(r":([0-9]+)$", first)
    if slash and port and not 0 < int(port[1]) < 65536:
        return "a port that can't exist is refused"
    if slash and first != first.lower() and not set(first) & set(".:"):
        return "a first part in capitals is a host to newer versions of skopeo, to older ones and to us a mistake"
    if len(name) > 200:
        return "skopeo limits host and name together to 255 characters, Azure the name alone"
    return None


def test_skopeo_reads_references_as_we_do(proxy: str) -> None:
    random_ = random.Random(20260101)
    texts: dict[str, str | None] = {}
    while sum(reason is None for reason in texts.values()) < CASES:
        text = _generate(random_)
        texts[text] = _difference(text)
    compared = [text for text, reason in texts.items() if reason is None]
    with ThreadPoolExecutor(8) as pool:
        theirs = dict(zip(compared, pool.map(lambda text: _skopeo(text, proxy), compared)))
    different = []
    for text in compared:
        ours, skopeo = _ours(text), theirs[text]
        if skopeo is not None:
            # We write hosts in lower case, as they are the same in DNS.
            skopeo = skopeo._replace(host=str(skopeo.host).lower())
        if ours != skopeo:
            different.append((text, ours, skopeo))
    assert different == []
    # Both verdicts must have been well tried, and what is left out must be little.
    verdicts = Counter(found is not None for found in theirs.values())
    assert min(verdicts.values()) > CASES // 4, verdicts
    assert len(texts) < 1.25 * CASES


@pytest.mark.parametrize(
    ("text", "ours", "skopeo"),
    [
        ("h.io/a:1@" + A, Reference("h.io", "a", "1", A), None),
        (" h.io/a:1 ", Reference("h.io", "a", "1"), None),
        (
            "registry-1.docker.io/nginx",
            Reference("docker.io", "library/nginx", "latest"),
            Reference("registry-1.docker.io", "nginx", "latest"),
        ),
        ("DOCKER.io/a", Reference("docker.io", "library/a", "latest"), Reference("DOCKER.io", "a", "latest")),
        ("h.io:99999/a", None, Reference("h.io:99999", "a", "latest")),
        ("h.io/" + "a" * 255, Reference("h.io", "a" * 255, "latest"), None),
        ("nginx", None, Reference("docker.io", "library/nginx", "latest")),
    ],
    ids=["tag and digest", "white space", "hub by its API host", "hub in capitals", "port", "length", "no host"],
)
def test_where_we_differ_from_skopeo_on_purpose(
    proxy: str, text: str, ours: Reference | None, skopeo: Reference | None
) -> None:
    assert _skopeo(text, proxy) == skopeo
    if ours is None:
        with pytest.raises(InvalidReference):
            parse_source(text)
    else:
        assert parse_source(text) == ours


# -- registries ------------------------------------------------------------------------------------------------------

ID = "/subscriptions/1111/resourceGroups/rg-registries/providers/Microsoft.ContainerRegistry/registries/contosoprod"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("contosoprod", RegistryId("name", "contosoprod")),
        ("ContosoProd", RegistryId("name", "contosoprod")),
        ("contosoprod.azurecr.test", RegistryId("login_server", "contosoprod", "contosoprod.azurecr.test")),
        ("https://ContosoProd.azurecr.io/", RegistryId("login_server", "contosoprod", "contosoprod.azurecr.io")),
        ("contosoprod.azurecr.us", RegistryId("login_server", "contosoprod", "contosoprod.azurecr.us")),
        ("contosoprod.uksouth.data.azurecr.test", RegistryId("login_server", None, "contosoprod.uksouth.data.azurecr.test")),
        (
            "contosolabel-a1b2c3d4e5f6g7h8.azurecr.test",
            RegistryId("login_server", "contosolabel", "contosolabel-a1b2c3d4e5f6g7h8.azurecr.test"),
        ),
        ("registry.vendor.test", RegistryId("login_server", None, "registry.vendor.test")),
        ("a.b.azurecr.test", RegistryId("login_server", None, "a.b.azurecr.test")),
        (ID, RegistryId("resource_id", "contosoprod", None, "1111", "rg-registries")),
        (ID.lower() + "/", RegistryId("resource_id", "contosoprod", None, "1111", "rg-registries")),
    ],
)
def test_registry(text: str, expected: RegistryId) -> None:
    assert parse_registry(text, ["azurecr.test"]) == expected


LABEL = RegistryId("login_server", "contosoprod", "contosoprod-h4x0c3d4e5f6g7h8.azurecr.test")


@pytest.mark.parametrize(
    "text",
    [
        "contosoprod-h4x0c3d4e5f6g7h8", "ContosoProd-H4X0c3d4e5f6g7h8", "https://contosoprod-h4x0c3d4e5f6g7h8/",
        " contosoprod-h4x0c3d4e5f6g7h8 ",
    ],
)  # fmt: skip
def test_e12_a_domain_name_label_is_a_login_server_of_the_cloud_in_use(text: str) -> None:
    assert parse_registry(text, ["azurecr.test"]) == LABEL
    assert parse_registry(LABEL.login_server or "", ["azurecr.test"]) == LABEL


@pytest.mark.parametrize(
    "text",
    [
        "HTTPS://ContosoProd.azurecr.test/", "contosoprod.azurecr.test.", "contosoprod.azurecr.test:443",
        "https://contosoprod.azurecr.test.:443/",
    ],
)  # fmt: skip
def test_e11_a_registry_by_any_spelling_of_its_login_server(text: str) -> None:
    assert parse_registry(text, ["azurecr.test"]) == RegistryId("login_server", "contosoprod", "contosoprod.azurecr.test")


@pytest.mark.parametrize("text", ["contosoprod.uksouth.geo.azurecr.test", "https://ContosoProd.uksouth.GEO.AZURECR.test./"])
def test_a_regional_endpoint_means_the_registry_that_it_belongs_to(text: str) -> None:
    found = parse_registry(text, ["azurecr.test"])
    assert found[:3] == ("login_server", "contosoprod", "contosoprod.azurecr.test")
    assert found.endpoint == "contosoprod.uksouth.geo.azurecr.test"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("docker.io:443/nginx:1", Reference("docker.io", "library/nginx", "1")),
        ("Docker.IO./acme/a:1", Reference("docker.io", "acme/a", "1")),
        ("index.docker.io:443/nginx:1", Reference("docker.io", "library/nginx", "1")),
        ("quay.io./a:1", Reference("quay.io", "a", "1")),
        ("quay.io.:443/a:1", Reference("quay.io", "a", "1")),
        ("host:443/a:1", Reference("host", "a", "1")),
        ("quay.io.:8443/a:1", Reference("quay.io:8443", "a", "1")),
        ("quay.io:0443/a:1", Reference("quay.io", "a", "1")),
    ],
)
def test_e11_a_source_by_any_spelling_of_its_host(text: str, expected: Reference) -> None:
    assert parse_source(text) == expected


hosts = st.builds(
    "{0}{1}{2}".format,
    st.sampled_from(["quay.io", "QUAY.io", "docker.io", "10.0.0.1", "localhost", "[::1]"]),
    st.sampled_from(["", "."]),
    st.sampled_from(["", ":443", ":0443", ":8443", ":8443"]),
).filter(lambda host: not host.startswith("[::1]."))


@thorough
@given(hosts, hosts)
def test_e11_hosts_have_one_spelling_where_they_are_one_host(one: str, other: str) -> None:
    """What is compared here as text is equal exactly where the comparison of URLs' hosts says so."""
    assert (host_name(one) == host_name(other)) is same_host(one, other)
    assert same_host(host_name(one), one) and host_name(host_name(one)) == host_name(one)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "The registry is empty; give its name, login server or resource ID."),
        ("prod", "'prod' isn't the name of a registry, which has 5 to 50 letters and digits."),
        ("contoso_prod", "'contoso_prod' isn't the name of a registry, which has 5 to 50 letters and digits."),
        ("http://contosoprod", "'http://contosoprod' isn't the name of a registry, which has 5 to 50 letters and digits."),
        ("me:secret@contoso.test", "The registry must not contain a user name or password; use the options for them."),
        ("contoso.test:8443", "'contoso.test:8443' isn't a login server, which looks like contosoprod.azurecr.test."),
        ("contosoprod-", "'contosoprod-' isn't the name of a registry, which has 5 to 50 letters and digits."),
        ("prod-a1b2c3d4", "'prod-a1b2c3d4' isn't the name of a registry, which has 5 to 50 letters and digits."),
        ("contoso-prod", "'contoso-prod' isn't the name of a registry, which has 5 to 50 letters and digits."),
        ("contosoprod-a1b2-c3", "'contosoprod-a1b2-c3' isn't the name of a registry, which has 5 to 50 letters and digits."),
        ("contoso.test/app", "'contoso.test/app' isn't a login server, which looks like contosoprod.azurecr.test."),
        (
            "/subscriptions/1/registries/a",
            "isn't the resource ID of a container registry, which looks like /subscriptions/{id}",
        ),
        (ID + "/replications/x", "isn't the resource ID of a container registry, which looks like /subscriptions/{id}/"),
    ],
)
def test_wrong_registry(text: str, message: str) -> None:
    with pytest.raises(InvalidReference) as caught:
        parse_registry(text, ["azurecr.test"])
    assert message in one_sentence(caught.value)


# -- platforms -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("linux/amd64", "linux/amd64"),
        ("Linux/x86_64", "linux/amd64"),
        ("linux/arm64", "linux/arm64"),
        ("linux/arm64/v8", "linux/arm64"),
        ("linux/aarch64", "linux/arm64"),
        ("linux/arm", "linux/arm"),
        ("linux/arm/v7", "linux/arm"),
        ("linux/armhf", "linux/arm"),
        ("linux/arm/v6", "linux/arm/v6"),
        ("linux/armel", "linux/arm/v6"),
        ("linux/i386", "linux/386"),
        ("windows(10.0.20348)/amd64", "windows(10.0.20348)/amd64"),
    ],
)
def test_platform(text: str, expected: str) -> None:
    assert str(parse_platform(text)) == expected


@pytest.mark.parametrize("text", ["", "linux", "linux/", "/amd64", "linux/amd64/v1/x", "linux(x)/amd64", "linux amd64"])
def test_wrong_platform(text: str) -> None:
    with pytest.raises(InvalidReference) as caught:
        parse_platform(text)
    assert one_sentence(caught.value) == (
        "platform {0!r} is invalid; write something like linux/amd64 or linux/arm/v7.".format(text)
    )


@pytest.mark.parametrize(
    ("wanted", "offered", "matches"),
    [
        ("linux/arm64", {"os": "linux", "architecture": "arm64", "variant": "v8"}, True),
        ("linux/arm64/v8", {"os": "linux", "architecture": "arm64"}, True),
        ("linux/arm", {"os": "linux", "architecture": "arm", "variant": "v7"}, True),
        ("linux/arm", {"os": "linux", "architecture": "arm", "variant": "v6"}, False),
        ("linux/arm/v6", {"os": "linux", "architecture": "arm", "variant": "v6"}, True),
        ("linux/amd64", {"os": "linux", "architecture": "arm64"}, False),
        ("linux/amd64", {"os": "windows", "architecture": "amd64"}, False),
        ("windows/amd64", {"os": "windows", "architecture": "amd64", "os.version": "10.0.20348.2"}, True),
        ("windows(10.0.20348)/amd64", {"os": "windows", "architecture": "amd64", "os.version": "10.0.20348.2"}, True),
        ("windows(10.0.20348)/amd64", {"os": "windows", "architecture": "amd64", "os.version": "10.0.203480"}, False),
        ("windows(10.0.20348)/amd64", {"os": "windows", "architecture": "amd64"}, False),
        ("linux/amd64", {"os": "unknown", "architecture": "unknown"}, False),
        ("linux/amd64", {}, False),
        ("linux/amd64", {"os": None, "architecture": 5, "variant": None}, False),
    ],
)
def test_platform_of_an_index_entry(wanted: str, offered: dict[str, object], matches: bool) -> None:
    assert parse_platform(wanted).matches(Platform.of(offered)) is matches
