# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever comes over the wire: each reader takes it or raises AcrError, and never anything else.

Each reader gets the answer that a well-behaved host would send, with parts of it replaced by something else.
"""

# ruff: noqa: B023  (each lambda is called where it stands)

from __future__ import annotations

import base64
import copy
import json
import math
import re
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from requests.structures import CaseInsensitiveDict

from ansible_collections.registryops.acr.plugins.module_utils import _arm_client, _manifests, _registry
from ansible_collections.registryops.acr.plugins.module_utils._acr import AzureRegistry
from ansible_collections.registryops.acr.plugins.module_utils._arm import Arm, Operation, posture
from ansible_collections.registryops.acr.plugins.module_utils._authorization import token_payload, token_seconds
from ansible_collections.registryops.acr.plugins.module_utils._credentials import Credentials
from ansible_collections.registryops.acr.plugins.module_utils._diagnosis import SHOWN, Context, explain
from ansible_collections.registryops.acr.plugins.module_utils._errors import AcrError
from ansible_collections.registryops.acr.plugins.module_utils._http import Http, refuse_redirect
from ansible_collections.registryops.acr.plugins.module_utils._identity._clouds import find_cloud
from ansible_collections.registryops.acr.plugins.module_utils._manifest import INDEX_TYPES, MANIFEST_TYPES
from ansible_collections.registryops.acr.plugins.module_utils._plan import Origin, SourceRegistry
from ansible_collections.registryops.acr.plugins.module_utils._reference import Platform, RegistryId, valid_digest
from ansible_collections.registryops.acr.plugins.module_utils._referrers import Referrers
from ansible_collections.registryops.acr.plugins.module_utils._registry import Registry, next_page
from ansible_collections.registryops.acr.plugins.module_utils._source import Source
from ansible_collections.registryops.acr.plugins.module_utils._target import TargetRegistry
from ansible_collections.registryops.acr.plugins.module_utils._untrusted import (
    LONGEST_WAIT,
    Answer,
    challenge_values,
    challenges,
    link,
    links,
    local,
    moment,
    number,
    parse,
    retry_after,
    same_host,
    seconds,
)

fuzz = settings(derandomize=True, database=None, deadline=None, max_examples=200)

A, B, C = ("sha256:" + letter * 64 for letter in "abc")
ID = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ContainerRegistry/registries/contosoprod"

leaves = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from([A, "sha256:", "https://[", "//", "é", "\r\nX: y", "9" * 400, "nan", "\ud800", "²", "1e999", ""])
)
anything = st.recursive(leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3))


def places(content: Any) -> Iterator[tuple[Any, Any]]:
    """All (container, key) of a JSON document."""
    pairs = content.items() if isinstance(content, dict) else enumerate(content) if isinstance(content, list) else ()
    for key, value in list(pairs):
        yield content, key
        yield from places(value)


@st.composite
def mutated(draw: st.DrawFn, content: Any) -> bytes:
    """A document as bytes, with up to two of its parts replaced or removed; sometimes something else altogether."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=30) | anything.map(dump))
    whole = {"": copy.deepcopy(content)}
    for _n in range(draw(st.integers(0, 2))):
        container, key = draw(st.sampled_from(list(places(whole))))
        if isinstance(container, dict) and key != "" and draw(st.booleans()):
            del container[key]
        else:
            container[key] = draw(anything)
    return dump(whole[""])


def dump(content: Any) -> bytes:
    return json.dumps(content).encode("utf-8", "surrogatepass")


# Header values as http.client hands them over.
header_text = st.text(st.characters(max_codepoint=255), max_size=40)


class Wire(Http):
    """An Http whose answers are given, the last one for ever."""

    def __init__(self, *answers: Answer) -> None:
        super().__init__()
        self._answers = list(answers)
        self.asked: list[str] = []

    def pause(self, seconds: float) -> bool:
        return True

    def request(self, kind: str, method: str, url: str, **more: Any) -> Answer:
        self.asked.append(url)
        assert len(self.asked) < 300, "it never ends"
        return self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]


def answer(body: bytes, status: int = 200, **headers: str) -> Answer:
    return Answer(status, CaseInsensitiveDict({key.replace("_", "-"): value for key, value in headers.items()}), body)


def azure(*answers: Answer) -> AzureRegistry:
    """An Azure registry that is signed in to already."""
    registry = AzureRegistry("contosoprod.azurecr.io", Wire(*answers))
    registry._authorization._header = lambda scope: "Bearer token"
    return registry


def survives(read: Callable[[], Any]) -> Any:
    """What *read* returns, or the AcrError that it raised. Any other exception fails the test."""
    try:
        return read()
    except AcrError as error:
        message = str(error)
        assert message and len(message) < 2000, message
        return error


# -- registries ------------------------------------------------------------------------------------------------------

MANIFEST = {
    "schemaVersion": 2,
    "mediaType": MANIFEST_TYPES[2],
    "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": A, "size": 7},
    "layers": [{"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": B, "size": 7}],
    "subject": {"mediaType": MANIFEST_TYPES[2], "digest": C, "size": 7},
}
INDEX = {
    "schemaVersion": 2,
    "mediaType": INDEX_TYPES[0],
    "manifests": [
        {"mediaType": MANIFEST_TYPES[2], "digest": A, "size": 7, "platform": {"os": "linux", "architecture": "amd64"}},
        {"mediaType": INDEX_TYPES[0], "digest": B, "size": 7, "artifactType": "text/x", "annotations": {"a": "b"}},
    ],
}
statuses = st.sampled_from([200, 200, 200, 200, 201, 204, 301, 400, 401, 403, 404, 405, 418, 431])


REGISTRY = SourceRegistry("registry.test")


@fuzz
@given(
    mutated(INDEX) | mutated(MANIFEST),
    statuses,
    st.sampled_from([*MANIFEST_TYPES, "text/html", ""]) | header_text,
    st.sampled_from([A, B, ""]) | header_text,
    header_text,
)
def test_manifests(body: bytes, status: int, media_type: str, digest: str, text: str) -> None:
    given_answer = answer(
        body, status, Content_Type=media_type, Docker_Content_Digest=digest, Content_Length=text, ratelimit_remaining=text,
        WWW_Authenticate=text, Docker_Distribution_Api_Version=text,
    )  # fmt: skip
    for reference in ("1.0", A):
        registry = Registry("registry.test", Wire(given_answer), Credentials("u", "p"))
        survives(lambda: registry.describe("team/app", reference).is_index)
        found = survives(lambda: registry.manifest("team/app", reference))
        if not isinstance(found, AcrError):
            assert valid_digest(found.descriptor.digest) and found.descriptor.size == len(body)
            children = survives(found.children)
            if not isinstance(children, AcrError):
                assert all(valid_digest(child["digest"]) for child in children)
                [Platform.of(child.get("platform") or {}) for child in children]
        survives(lambda: registry.blob("team/app", A))


@fuzz
@given(mutated(INDEX), mutated(MANIFEST), st.sampled_from(INDEX_TYPES))
def test_choosing_a_platform(index: bytes, config: bytes, media_type: str) -> None:
    for answers in ([answer(index, Content_Type=media_type)], [answer(dump(MANIFEST)), answer(config)], [answer(config)]):
        source = Source(REGISTRY, Registry("registry.test", Wire(*answers)), None, {})
        source.registry.blob = lambda repository, digest: config
        for platform in ("linux/amd64", "windows(10.0)/amd64"):
            survives(lambda: source.resolve(Origin(REGISTRY, "team/app", "1.0", None, platform)))
        survives(lambda: source.check_importable(Origin(REGISTRY, "team/app", None, A)))


@fuzz
@given(mutated({"name": "team/app", "tags": ["1.0", "2.0"]}), mutated(INDEX), statuses, header_text)
def test_listings(tags: bytes, index: bytes, status: int, link_header: str) -> None:
    for header in (link_header, "<{0}>; rel=next".format(link_header)):
        registry = Registry("registry.test", Wire(answer(tags, status, Link=header), answer(tags, status)))
        found = survives(lambda: registry.tags("team/app"))
        assert isinstance(found, AcrError) or all(isinstance(tag, str) for tag in found)
    for answers in ([answer(index, status)], [answer(b"", 404), answer(index, Content_Type=INDEX_TYPES[0])]):
        registry = Registry("registry.test", Wire(*answers))
        found = survives(lambda: registry.referrers("team/app", A)[1])
        assert isinstance(found, AcrError) or all(isinstance(entry, dict) for entry in found)
        source = Source(REGISTRY, Registry("registry.test", Wire(*answers)), None, {})
        with ThreadPoolExecutor(1) as pool:
            survives(lambda: Referrers(source, pool).of([Origin(REGISTRY, "team/app", "1.0", A)]))


HOSTS = ["registry.test", ""]


@pytest.mark.parametrize(
    ("header", "following"),
    [
        ('</v2/a/tags/list?last=x&n=5>; rel="next"', "/v2/a/tags/list?n=5&last=x"),
        ("</v2/a/tags/list?last=x>; rel=next", "/v2/a/tags/list?n=1000&last=x"),
        ('<https://registry.test/v2/b?last=x>; rel="next"', "/v2/a/tags/list?n=1000&last=x"),
        ('<list?last=x>;rel="next"', "/v2/a/tags/list?n=1000&last=x"),
        ('<list?last=%2Fx%26>; title="t"; rel="next"', "/v2/a/tags/list?n=1000&last=%2Fx%26"),
        ('</first>; rel="first", </v2/a/tags/list?last=x>; rel="next"', "/v2/a/tags/list?n=1000&last=x"),
        ('</v2/a/tags/list?last=x>; rel="next", </z>; rel="last"', "/v2/a/tags/list?n=1000&last=x"),
        ('</z>; rel="last"', None),
        ("", None),
    ],
)
def test_link(header: str, following: str | None) -> None:
    assert next_page("/v2/a/tags/list?n=1000", header, HOSTS, HOSTS[0]) == following


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2021-06-11T19:11:38.7001063Z", 1623438698.7001063),
        ("2021-06-11T19:11:38.7Z", 1623438698.7),
        ("2021-06-11T19:11:38Z", 1623438698.0),
        ("1999-06-11T19:11:38Z", None),
        ("9999-12-31T23:59:59Z", None),
        ("2021-06-31T19:11:38Z", None),
        ("2021-06-11T19:11:38", None),
        ("2021-06-11", None),
    ],
)
def test_times_of_azures_registries(text: str, expected: float | None) -> None:
    if expected is not None:
        assert moment(text, "registry.test") == pytest.approx(expected, abs=1e-6)
    else:
        with pytest.raises(AcrError, match="^registry.test sent '.*', which isn't a time.$"):
            moment(text, "registry.test")


@fuzz
@given(anything)
def test_whatever_is_sent_as_a_time(found: Any) -> None:
    survives(lambda: moment(found, "registry.test"))


@pytest.mark.parametrize(
    "target",
    [
        "http://registry.test/v2/a/tags/list?last=x",
        "http://registry.test:80/v2/a/tags/list?last=x",
        "https://registry.test:443/v2/a/tags/list?last=x",
        "https://REGISTRY.test./v2/a/tags/list?last=x",
        "https://registry.test/repository/docker/v2/a/tags/list?last=x",
        "/repository/docker/v2/a/tags/list?last=x",
        "?last=x",
    ],
)
def test_e2_of_a_link_on_the_own_host_only_the_query_counts(target: str) -> None:
    header = '<{0}>; rel="next"'.format(target)
    assert next_page("/v2/a/tags/list?n=1000", header, HOSTS, HOSTS[0]) == "/v2/a/tags/list?n=1000&last=x"


@pytest.mark.parametrize(
    "header",
    [
        "</v2/b?last=x>; rel='next'",
        '</v2/b?last=x>; REL="NEXT"',
        "</v2/b?last=x>; Rel=Next",
        "</v2/b?last=x> ;rel = next",
        '</v2/b?last=x>; title="a; b, rel=prev"; rel="next"; type=x',
        '</v2/b?last=x>; rel="last next"',
        '</v2/b>; rel="prev", </v2/b?last=x>; rel="next"',
        '</v2/b>; title="<c>; rel=next"; rel=prev, </v2/b?last=x>;rel=next;',
        '</v2/b?last=x>; rel="next"; rel="prev"',
    ],
)
def test_e3_next_is_read_however_it_is_written(header: str) -> None:
    assert next_page("/v2/a", header, HOSTS, HOSTS[0]) == "/v2/a?last=x"


@pytest.mark.parametrize(
    "header",
    ["<>", "</v2/b?last=x>", "/v2/b?last=x; rel=next", "</v2/b?last=x; rel=next", "</v2/b?last=x>; rel", '</v2/b>; title="a, rel=next',
     '</v2/b>; rel=prev, garbage', "next", '</v2/b?last=x>; rel=""'],
)  # fmt: skip
def test_e3_a_link_that_can_not_be_read_is_no_end_of_the_list(header: str) -> None:
    registry = Registry("registry.test", Wire(answer(dump({"tags": ["1"]}), Link=header)))
    with pytest.raises(AcrError, match="sent a Link header that can't be read"):
        registry.tags("team/app")


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ('Bearer realm="https://a.test/t",service="s"', [("bearer", {"realm": "https://a.test/t", "service": "s"})]),
        ("Negotiate, Basic realm=x", [("negotiate", {}), ("basic", {"realm": "x"})]),
        ('Basic realm="a, b", BEARER Realm = "c\\"d"', [("basic", {"realm": "a, b"}), ("bearer", {"realm": 'c"d'})]),
        ("Negotiate YII/+==, NTLM", [("negotiate", {}), ("ntlm", {})]),
        ('Bearer realm=https://a.test/t,scope="a:pull,push"', [("bearer", {"realm": "https://a.test/t", "scope": "a:pull,push"})]),
        ("Basic realm=My Registry", [("basic", {"realm": "My Registry"})]),
        ('Digest realm="a", nonce="b", Basic', [("digest", {"realm": "a", "nonce": "b"}), ("basic", {})]),
        ('Bearer realm="a", realm="b"', [("bearer", {"realm": "a"})]),
        (', ,"x", realm="a"', []),
        ("", []),
    ],
)  # fmt: skip
def test_e1_all_challenges_are_read(header: str, found: list[tuple[str, dict[str, str]]]) -> None:
    assert challenges(header) == found


@pytest.mark.parametrize("text", ['"\\' * 30_000, "<" * 60_000, ";" * 60_000, "," * 60_000, "a " * 30_000, "a" * 60_000 + '"'])
def test_headers_of_any_length_are_read_soon(text: str) -> None:
    began = time.monotonic()
    challenges(text)
    survives(lambda: links(text, "registry.test"))
    assert time.monotonic() - began < 5, "quadratic time would be a minute"


@pytest.mark.parametrize("name", ["\ud800", "a b", "a\n", "\u00e4", ""])
def test_what_can_not_be_a_name_is_refused_where_it_is_listed(name: str) -> None:
    """It would have to stand in a URL."""
    registry = Registry("registry.test", Wire(answer(json.dumps({"tags": ["1.0", name]}).encode())))
    with pytest.raises(AcrError, match=r"^registry\.test lists '.*', which can't be a name; refused\.$") as caught:
        registry.tags("team/app")
    assert str(caught.value).isprintable()
    listing = json.dumps({"tags": [{"name": name, "digest": A}]}).encode()
    with pytest.raises(AcrError, match="can't be a name"):
        list(azure(answer(listing)).tag_list("team/app"))


@pytest.mark.parametrize(("name", "value"), [("PAGES", 20), ("LISTING_LIMIT", 300), ("LISTING_SECONDS", -1)])
def test_a_listing_ends_by_pages_bytes_and_time(monkeypatch: pytest.MonkeyPatch, name: str, value: int) -> None:
    monkeypatch.setattr(_registry, name, value)
    numbers = iter(range(10**6))

    class Endless(Wire):
        def request(self, kind: str, method: str, url: str, **more: Any) -> Answer:
            super().request(kind, method, url)
            return answer(dump({"tags": ["a" * 20]}), Link="</v2/team/app/tags/list?last={0}>; rel=next".format(next(numbers)))

    wire = Endless(answer(b""))
    with pytest.raises(AcrError, match="never ends"):
        Registry("registry.test", wire).tags("team/app")
    assert len(wire.asked) <= 20


def test_a_listing_in_circles_ends_at_the_first_page_that_comes_again() -> None:
    pages = [answer(dump({"tags": []}), Link="</v2/team/app/tags/list?last={0}>; rel=next".format(last)) for last in "abab"]
    wire = Wire(*pages)
    with pytest.raises(AcrError, match="never ends"):
        Registry("registry.test", wire).tags("team/app")
    assert [url[-1] for url in wire.asked] == ["0", "a", "b"]


@pytest.mark.parametrize(
    "target",
    ["https://elsewhere.test/", "//elsewhere.test/", "http://registry.test/", "https://registry.test:444/", "http://registry.test.evil.test/",
     "file:///etc",
     "https://u:p@registry.test/", "https://registry.test.evil.test/", "https://[", "\\\\evil.test", "https:/\\evil.test",
     "?" + "&".join("a{0}=1".format(number) for number in range(101))],
)
def test_a_listing_goes_on_nowhere_else(target: str) -> None:
    found = survives(lambda: next_page("/v2/a/tags/list", '<{0}>; rel="next"'.format(target), HOSTS, HOSTS[0]))
    assert isinstance(found, AcrError) or found.startswith("/")


# -- signing in ------------------------------------------------------------------------------------------------------

CHALLENGE = 'Bearer realm="https://auth.test/token",service="registry.test",scope="repository:team/app:pull"'


@fuzz
@given(
    header_text | st.text(st.sampled_from(' ,="\\realm:/https[]scope'), max_size=60).map(lambda text: "Bearer " + text)
    | st.tuples(st.sampled_from(list(range(len(CHALLENGE)))), header_text).map(lambda f: CHALLENGE[: f[0]] + f[1] + CHALLENGE[f[0] :])
    | st.text(max_size=30).map('Bearer realm="https://{0}/token"'.format),
    mutated({"token": "t", "access_token": "t", "expires_in": 300, "issued_at": "2026-01-01T00:00:00Z"}),
    statuses,
)  # fmt: skip
def test_challenges_and_tokens(challenge: str, body: bytes, status: int) -> None:
    values = challenge_values(challenge)
    assert all(isinstance(value, str) for value in values.values())
    wire = Wire(answer(b"", 401, WWW_Authenticate=challenge), answer(body, status), answer(b"{}"))
    survives(lambda: Registry("registry.test", wire, Credentials("u", "p")).describe("team/app", "1.0"))
    for url in wire.asked:
        assert url.startswith("https://")


@fuzz
@given(mutated({"refresh_token": "t"}), mutated({"access_token": "t"}), statuses)
def test_azures_tokens(exchanged: bytes, token: bytes, status: int) -> None:
    wire = Wire(answer(exchanged, status), answer(token, status), answer(b"{}"))
    registry = AzureRegistry("contosoprod.azurecr.io", wire, entra=lambda: "entra")
    survives(lambda: registry.tag("team/app", "1.0"))


@fuzz
@given(
    mutated({"access": [{"Type": "repository", "Name": "team/app", "Actions": ["pull"]}], "exp": 5000, "iat": 500}),
    st.text(max_size=20),
)
def test_what_tokens_say_of_themselves(payload: bytes, text: str) -> None:
    token = "e30.{0}.{1}".format(base64.urlsafe_b64encode(payload).decode().rstrip("="), "x")
    for whole in (token, text, "a.{0}.b".format(text)):
        assert isinstance(token_payload(whole), dict)
        life = token_seconds(whole)
        assert life is None or 0 < life <= 86400


@pytest.mark.parametrize("status", [400, 431])
@pytest.mark.parametrize("challenge", ["Basic realm=x", CHALLENGE])
def test_a_front_that_refuses_every_sign_in_is_asked_a_few_times(challenge: str, status: int) -> None:
    signing_in = [answer(b'{"token": "t"}')] if challenge is CHALLENGE else []
    wire = Wire(answer(b"", 401, WWW_Authenticate=challenge), *signing_in, answer(b"<html>", status))
    with pytest.raises(AcrError, match="status {0}".format(status)):
        Registry("registry.test", wire, Credentials("u", "p")).blob("team/app", A)
    assert len(wire.asked) < 5


@pytest.mark.parametrize(
    "realm", ["https://127.0.0.1/token", "https://localhost:8080/", "https://169.254.169.254/metadata", "https://127.1/", "http://auth.test/"]
)
def test_no_credentials_go_to_a_local_address_or_without_tls(realm: str) -> None:
    wire = Wire(answer(b"", 401, WWW_Authenticate='Bearer realm="{0}"'.format(realm)))
    with pytest.raises(AcrError, match="no credentials were sent"):
        Registry("registry.test", wire, Credentials("u", "p")).describe("team/app", "1.0")
    assert wire.asked == ["https://registry.test/v2/team/app/manifests/1.0"]


def test_a_registry_on_this_machine_may_have_its_token_service_there() -> None:
    wire = Wire(answer(b"", 401, WWW_Authenticate='Bearer realm="https://127.0.0.1:5001/token"'), answer(b'{"token": "t"}'), answer(b""))
    survives(lambda: Registry("localhost:5000", wire).describe("team/app", "1.0"))
    assert wire.asked[1] == "https://127.0.0.1:5001/token?scope=repository%3Ateam%2Fapp%3Apull"


# -- Azure's own lists -----------------------------------------------------------------------------------------------

ATTRIBUTES = {"deleteEnabled": True, "writeEnabled": True, "readEnabled": True, "listEnabled": True}
TAG = {"name": "1.0", "digest": A, "lastUpdateTime": "2026-01-01T00:00:00.1Z", "changeableAttributes": ATTRIBUTES}
ENTRY = {
    "digest": A,
    "mediaType": MANIFEST_TYPES[0],
    "imageSize": 5,
    "tags": ["1.0"],
    "architecture": "amd64",
    "os": "linux",
    "changeableAttributes": ATTRIBUTES,
    "references": [{"digest": B, "architecture": "amd64", "os": "linux"}],
}


@fuzz
@given(
    mutated({"registry": "r", "imageName": "team/app", "tag": TAG, "manifest": ENTRY, "tagCount": 5, "manifestCount": 5}),
    mutated({"registry": "r", "tags": [TAG, TAG], "manifests": [ENTRY], "repositories": ["team/app"]}),
    mutated(INDEX),
    statuses,
)
def test_azures_lists(one: bytes, many: bytes, index: bytes, status: int) -> None:
    survives(lambda: azure(answer(one, status)).tag("team/app", "1.0"))
    survives(lambda: azure(answer(one, status)).counts("team/app"))
    survives(lambda: azure(answer(one, status)).manifest_metadata("team/app", A))
    survives(lambda: list(azure(answer(many, status)).tag_list("team/app")))
    survives(lambda: azure(answer(many, status)).repositories())
    survives(lambda: TargetRegistry(azure(answer(many, status))).tags("team/app", ["1", "2", "3", "4"]))
    survives(lambda: TargetRegistry(azure(answer(many, status))).manifests("team/app", [A, B, C, A.replace("a", "d")]))
    survives(lambda: TargetRegistry(azure(answer(index, Content_Type=INDEX_TYPES[0]))).damage("team/app", [A, B]))
    reader = _manifests._Reader(azure(answer(many, status), answer(index)), _manifests.ManifestQuery(raw=True, referrers=True))

    def whole() -> None:
        found = reader.entries("team/app")
        with ThreadPoolExecutor(1) as pool:
            reader.look_around(found, pool)
        for entry in found:
            reader.complete(entry)

    survives(whole)


# -- Azure Resource Manager ------------------------------------------------------------------------------------------

RESOURCE = {
    "id": ID,
    "name": "contosoprod",
    "location": "westeurope",
    "sku": {"name": "Premium"},
    "tags": {"team": "a"},
    "properties": {
        "loginServer": "contosoprod.azurecr.io",
        "publicNetworkAccess": "Enabled",
        "networkRuleSet": {"defaultAction": "Deny", "ipRules": [{"value": "10.0.0.0/8"}]},
        "privateEndpointConnections": [
            {"id": "x", "properties": {"privateLinkServiceConnectionState": {"status": "Approved"}}}
        ],
    },
}
ERROR = {"error": {"code": "InvalidParameters", "message": "Operation registries-1 failed. Error copying blobs"}, "status": "Failed"}
CLOUD = {
    "name": "Local",
    "resourceManager": "https://management.test",
    "authentication": {"loginEndpoint": "https://login.test", "audiences": ["https://management.test"]},
    "suffixes": {"acrLoginServer": ".azurecr.test"},
}
IDENTITY: Any = SimpleNamespace(
    cloud=SimpleNamespace(resource_manager="https://management.test", arm_scope="scope"),
    token=lambda scope: "token",
    renew=lambda _claims="": None,
    subscription_id="s",
    describe=lambda: "somebody",
)


@fuzz
@given(mutated(RESOURCE), mutated({"value": [RESOURCE, {"subscriptionId": "s"}], "nextLink": None}), mutated(ERROR), statuses)
def test_resource_manager(one: bytes, many: bytes, error: bytes, status: int) -> None:
    for body in (one, many, error):
        found = survives(lambda: Arm(IDENTITY, Wire(answer(body, status), answer(b"{}"))).registry(RegistryId("name", "contosoprod"), "g"))
        if not isinstance(found, AcrError):
            assert found.subscription and found.resource_group
            survives(lambda: posture(found.properties))
        survives(lambda: list(Arm(IDENTITY, Wire(answer(body, status), answer(b"{}"))).registries("s")))
        survives(lambda: Arm(IDENTITY, Wire(answer(body, status), answer(b"{}"))).registry(RegistryId("name", "contosoprod")))


def test_a_listing_of_resource_manager_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_arm_client, "PAGES", 10)
    wire = Wire(answer(dump({"value": [RESOURCE], "nextLink": "https://management.test/again"})))
    with pytest.raises(AcrError, match="more than 10 pages"):
        list(Arm(IDENTITY, wire).registries("s"))
    assert len(wire.asked) == 10


@pytest.mark.parametrize(
    "url",
    ["https://elsewhere.test/a", "http://management.test/a", "https://management.test.elsewhere.test/a", "https://xmanagement.test/a",
     "https://management.test:444/a", "//elsewhere.test/a"],
)  # fmt: skip
def test_resource_manager_leads_nowhere_else(url: str) -> None:
    """The next request carries the account's token."""
    wire = Wire(answer(dump({"value": [], "nextLink": url})))
    with pytest.raises(AcrError, match="another host"):
        list(Arm(IDENTITY, wire).registries("s"))
    assert len(wire.asked) == 1
    operation = Operation("https://management.test/operationResults/registries-1", 0.0, Context())
    with pytest.raises(AcrError, match="another host"):
        Arm(IDENTITY, Wire(answer(dump({"status": "Accepted"}), 202, Location=url))).ask(operation)
    assert operation.location.startswith("https://management.test/")


def test_resource_manager_may_lead_to_a_region_of_itself() -> None:
    url = "https://westeurope.management.test/operationResults/registries-1?t=2"
    operation = Operation("https://management.test/operationResults/registries-1", 0.0, Context())
    Arm(IDENTITY, Wire(answer(dump({"status": "Accepted"}), 202, Location=url))).ask(operation)
    assert operation.location == url


@fuzz
@given(
    mutated(ERROR) | mutated({"team/app:1": "Pending", "status": "Accepted"}),
    st.sampled_from([200, 202, 202, 400, 403, 404]),
    header_text,
    header_text | st.just("https://management.test/next") | st.text(max_size=20).map("https://{0}/".format),
)  # fmt: skip
def test_imports_under_way(body: bytes, status: int, retry_after: str, location: str) -> None:
    operation = Operation("https://management.test/operationResults/registries-1?t=1", 0.0, Context())
    survives(lambda: Arm(IDENTITY, Wire(answer(body, status, Retry_After=retry_after, Location=location))).ask(operation))
    assert re.match(r"https://management\.test(/|\?|$)", operation.location)
    assert operation.ask_at >= 0 and not math.isnan(operation.ask_at)


@fuzz
@given(mutated(CLOUD), statuses)
def test_descriptions_of_clouds(body: bytes, status: int) -> None:
    found = survives(lambda: find_cloud("https://management.test", Wire(answer(body, status))))
    assert isinstance(found, AcrError) or found.authority.startswith("https://") and found.resource_manager.startswith("https://")


@fuzz
@given(st.text(max_size=60), st.text(max_size=300), st.integers(100, 599))
def test_explanations(code: str, text: str, status: int) -> None:
    error = explain(code, text, status, Context("{target}", "{0}", "%s"))
    assert len(str(error)) < 2000


@pytest.mark.parametrize(
    "text",
    ["LinkedAuthorizationFailed" * 100_000, "AuthorizationFailed perform action '" * 100_000, "Operation registries-" * 100_000,
     "Resource /subscriptions/" * 100_000, "Invalid message Forbidden" * 100_000, "exceeds " * 300_000],
)  # fmt: skip
def test_a_long_explanation_takes_no_time(text: str) -> None:
    error = explain("InvalidParameters", text, 400)  # quadratic time would be hours
    assert len(str(error)) < 1000 + SHOWN


# -- the parts -------------------------------------------------------------------------------------------------------


@fuzz
@given(header_text | leaves)
def test_numbers_and_times(found: Any) -> None:
    count = number(found)
    assert count is None or 0 <= count < 10**18
    wait = seconds(found, 120.0)
    assert wait is None or 0 < wait <= 120


DATE = "Wed, 21 Oct 2026 07:28:00 GMT"
NOW = 1792567650.0  # half a minute before


@pytest.mark.parametrize(
    ("text", "expected"),
    [("7", 7), ("7.5", 7.5), (" 7 ", 7), ("0", 0), ("-5", 0), ("9999999", LONGEST_WAIT), ("inf", LONGEST_WAIT), ("nan", None),
     ("soon", None), ("", None), ("\xb2", None), (DATE, 30), ("Wed, 21 Oct 2026 07:28:00 +0200", 0),
     ("Wednesday, 21-Oct-26 07:28:00 GMT", 30),
     ("Wed Oct 21 07:28:00 2026", 30), ("Wed, 41 Oct 2026", None), ("1792567680", 30), ("1792567680.5", 30.5), ("1792567680000", 30),
     ("1700000000", 0), ("4000000000", LONGEST_WAIT), ("5, 5", 5), ("1e999", LONGEST_WAIT)],
)  # fmt: skip
def test_d3_d4_one_reader_of_retry_after(text: str, expected: float | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "America/New_York")  # a date without a zone is no local one
    time.tzset()
    assert retry_after(CaseInsensitiveDict({"retry-after": text}), NOW) == expected
    assert retry_after({}, NOW) is None


@pytest.mark.parametrize("text", ["1792567680", DATE])
def test_d3_a_time_is_taken_by_the_clock_of_who_names_it(text: str) -> None:
    headers = {"Retry-After": text, "Date": "Wed, 21 Oct 2026 07:27:50 GMT"}
    assert retry_after(headers, NOW - 86400) == retry_after({**headers, "Date": "soon"}, NOW + 20) == 10


@fuzz
@given(header_text, header_text)
def test_any_retry_after(text: str, date: str) -> None:
    wait = retry_after({"Retry-After": text, "Date": date}, NOW)
    assert wait is None or 0 <= wait <= LONGEST_WAIT


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("registry.test", "Registry.TEST:443", True),
        ("registry.test", "registry.test.", True),
        ("registry.test:5000", "REGISTRY.test.:5000", True),
        ("registry.test:0443", "registry.test", True),
        ("[::1]:443", "[::1]", True),
        ("registry.test", "registry.test:5000", False),
        ("registry.test", "registry.test:80", False),
        ("registry.test", "registry.test.evil.test", False),
        ("registry.test", "user@registry.test", False),
        ("registry.test", "registry.test/path", False),
        ("registry.test", "registry.test:x", False),
        ("registry.test", "registry.test:0", False),
        ("registry.test", "", False),
    ],
)
def test_the_same_host_written_otherwise(one: str, other: str, same: bool) -> None:
    for pair in ((one, other), (other, one)):
        assert same_host(*pair) is same
    assert same_host(one, one) and same_host(other, other)


@fuzz
@given(st.text(max_size=40) | st.text(st.sampled_from("htps:/[]@.%#?\\a1 "), max_size=30).map(lambda text: "https://" + text) | leaves)
def test_urls(target: Any) -> None:
    for base in ("https://registry.test/v2/", ""):
        found = survives(lambda: link(base, target, "registry.test"))
        if not isinstance(found, AcrError):
            assert found.hostname and "@" not in found.netloc and found.geturl().isascii()
            assert local(found.hostname) in (True, False)
            survives(lambda: refuse_redirect(base or "https://registry.test/", found.geturl()))


@pytest.mark.parametrize("depth", [10, 1000, 100_000, 1_000_000])
def test_nesting_without_end(depth: int) -> None:
    body = b'{"a":' * depth + b"1" + b"}" * depth
    registry = Registry("registry.test", Wire(answer(body, Content_Type=INDEX_TYPES[0])))
    found = survives(lambda: registry.manifest("team/app", "1.0").children())
    assert found == [] or isinstance(found, AcrError)
    assert parse(b"[" * depth) is None
