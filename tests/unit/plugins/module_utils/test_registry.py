# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What registries of all sorts answer, over real HTTPS, and what is made of it. What is malformed stands in test_untrusted."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from ansible_collections.registryops.acr.plugins.module_utils import _http, _registry
from ansible_collections.registryops.acr.plugins.module_utils._errors import AcrError
from ansible_collections.registryops.acr.plugins.module_utils._http import Answer, Http
from ansible_collections.registryops.acr.plugins.module_utils._registry import (
    CONFIRM_PAUSES,
    INDEX_TYPES,
    MANIFEST_TYPES,
    Child,
    Credentials,
    Descriptor,
    Manifest,
    Registry,
    nothing_there,
    quoted,
    token_seconds,
)

INDEX, IMAGE = INDEX_TYPES[0], MANIFEST_TYPES[2]
A, B = ("sha256:" + letter * 64 for letter in "ab")
MANIFEST = json.dumps({"schemaVersion": 2, "layers": []}).encode()
DIGEST = "sha256:" + hashlib.sha256(MANIFEST).hexdigest()
DIGEST_512 = "sha512:" + hashlib.sha512(MANIFEST).hexdigest()
PATH = "/v2/team/app/manifests/1.0"
SPEAKS = {"Docker-Distribution-Api-Version": "registry/2.0"}


def sends(
    status: int = 200, body: Any = MANIFEST, media_type: str = IMAGE, **headers: str
) -> Callable[[Any], None]:
    """What a registry answers; ``Docker_Content_Digest`` stands for the header of that name."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda request: request.reply(status, content, {"Content-Type": media_type, **named})


def by_method(**answers: Callable[[Any], None]) -> Callable[[Any], None]:
    return lambda request: answers[request.command](request)


def methods(far_side: Any) -> list[str]:
    return [method for method, _path, _headers, _body in far_side.seen]


@pytest.fixture
def registry(http: Http, far_side: Any) -> Registry:
    return Registry(far_side.host, http, name="registry.test")


def error_of(read: Callable[[], Any]) -> AcrError:
    with pytest.raises(AcrError) as caught:
        read()
    return caught.value


# -- which manifest a tag names ----------------------------------------------------------------------------------------


def test_one_request_that_is_no_pull_tells_all(registry: Registry, far_side: Any) -> None:
    far_side.routes({PATH: sends(media_type=INDEX + "; charset=utf-8", Docker_Content_Digest=A)})
    assert registry.describe("team/app", "1.0") == Descriptor(A, INDEX, len(MANIFEST))
    assert methods(far_side) == ["HEAD"]
    assert INDEX in far_side.seen[0][2]["Accept"] and registry.pulls_left is None


@pytest.mark.parametrize(
    "head",
    [
        pytest.param(sends(), id="no digest"),
        pytest.param(sends(Docker_Content_Digest="sha256:5"), id="no such digest"),
        pytest.param(sends(media_type="application/json", Docker_Content_Digest=A), id="no such type"),
        *[pytest.param(sends(status, b""), id=str(status)) for status in (400, 403, 404, 405, 501)],
    ],
)
def test_where_head_does_not_tell_the_manifest_is_read(registry: Registry, far_side: Any, head: Any) -> None:
    far_side.routes({PATH: by_method(HEAD=head, GET=sends(Docker_Content_Digest=DIGEST))})
    assert registry.describe("team/app", "1.0") == Descriptor(DIGEST, IMAGE, len(MANIFEST))
    assert methods(far_side) == ["HEAD", "GET"]


def test_a_registry_that_says_not_found_is_not_asked_again(registry: Registry, far_side: Any) -> None:
    far_side.answer = sends(404, b"", **SPEAKS)
    error = error_of(lambda: registry.describe("team/app", "1.0"))
    assert (error.reason, str(error)) == ("not_found", "registry.test/team/app:1.0 does not exist.")
    assert methods(far_side) == ["HEAD"]


def test_a_404_of_something_in_between_is_no_absence(registry: Registry, far_side: Any) -> None:
    far_side.answer = sends(404, b"<html>not here", "text/html")
    error = error_of(lambda: registry.describe("team/app", "1.0"))
    assert error.reason == "protocol" and "is a proxy in the way?" in str(error)


@pytest.mark.parametrize(("asked", "claimed"), [(A, B), ("sha512:" + "a" * 128, "sha512:" + "b" * 128)])
def test_a_digest_that_answers_with_another_is_refused(registry: Registry, far_side: Any, asked: str, claimed: str) -> None:
    far_side.answer = sends(Docker_Content_Digest=claimed)
    error = error_of(lambda: registry.describe("team/app", asked))
    assert error.reason == "protocol" and "registry.test/team/app@" in str(error) and claimed in str(error)


def test_a_digest_of_another_kind_is_told_by_the_content(registry: Registry, far_side: Any) -> None:
    far_side.answer = sends(Docker_Content_Digest=DIGEST)
    assert registry.describe("team/app", DIGEST_512).digest == DIGEST_512
    assert "another digest" in str(error_of(lambda: registry.describe("team/app", "sha512:" + "a" * 128)))


def test_what_a_registry_counts_is_noted(registry: Registry, far_side: Any) -> None:
    far_side.answer = sends(Docker_Content_Digest=A, ratelimit_remaining="76;w=21600")
    registry.describe("team/app", "1.0")
    assert registry.pulls_left == 76
    far_side.answer = sends(Docker_Content_Digest=A)
    registry.describe("team/app", "1.0")
    assert registry.pulls_left == 76, "an answer that says nothing changes nothing"


# -- contents ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reference", ["1.0", DIGEST, DIGEST_512])
def test_a_digest_is_computed(registry: Registry, far_side: Any, reference: str) -> None:
    far_side.answer = sends()
    found = registry.manifest("team/app", reference)
    assert found == Manifest(Descriptor(DIGEST_512 if reference == DIGEST_512 else DIGEST, IMAGE, len(MANIFEST)), MANIFEST)


def test_the_manifest_itself_may_say_what_it_is(registry: Registry, far_side: Any) -> None:
    far_side.answer = sends(media_type="application/json", body={"schemaVersion": 2, "mediaType": INDEX, "manifests": []})
    assert registry.manifest("team/app", "1.0").descriptor.is_index


LISTED = [{"digest": A, "mediaType": IMAGE}]
LAYERED = {"config": {"digest": A}, "layers": []}


@pytest.mark.parametrize("label", ["text/plain", "application/json", "", "application/octet-stream", IMAGE, INDEX.upper()])
@pytest.mark.parametrize("own", [None, IMAGE, INDEX, 5, "x/y"])
def test_b9_a_list_of_manifests_is_an_index(registry: Registry, far_side: Any, label: str, own: Any) -> None:
    """Whatever it is labelled, or labels itself: every check is as for a labelled one."""
    content = {"schemaVersion": 2, "manifests": LISTED, **({"mediaType": own} if own else {})}
    far_side.answer = sends(body=content, media_type=label, Docker_Content_Digest="")
    found = registry.manifest("team/app", "1.0")
    assert (found.descriptor.media_type, found.descriptor.is_index, found.children()) == (INDEX, True, LISTED)
    if label not in (IMAGE, INDEX.upper()):
        digest = found.descriptor.digest
        far_side.answer = sends(body=content, media_type=label, Docker_Content_Digest=digest)
        assert registry.describe("team/app", "1.0") == registry.describe("team/app", digest) == found.descriptor


@pytest.mark.parametrize(
    ("label", "content", "media_type"),
    [
        ("text/plain", LAYERED, IMAGE),
        (INDEX, LAYERED, IMAGE),
        (INDEX, {**LAYERED, "mediaType": MANIFEST_TYPES[3]}, MANIFEST_TYPES[3]),
        ("text/plain", {**LAYERED, "mediaType": INDEX}, IMAGE),
        (IMAGE, {**LAYERED, "manifests": LISTED}, INDEX),
        ("text/plain", {"manifests": [], "mediaType": INDEX_TYPES[1]}, INDEX_TYPES[1]),
        (INDEX_TYPES[1], {"manifests": [], "mediaType": INDEX_TYPES[0]}, INDEX_TYPES[1]),
        (INDEX, {}, INDEX),
        ("text/plain", {"mediaType": "x/y"}, "x/y"),
        ("text/plain", {}, "text/plain"),
    ],
)
def test_b9_the_shape_decides_over_the_label(registry: Registry, far_side: Any, label: str, content: Any, media_type: str) -> None:
    far_side.answer = sends(body=content, media_type=label)
    assert registry.manifest("team/app", "1.0").descriptor.media_type == media_type


@pytest.mark.parametrize(
    ("answer", "reference", "sentence"),
    [
        (sends(Docker_Content_Digest=A), "1.0", "registry.test/team/app:1.0 answers with content of another digest"),
        (sends(), A, "registry.test/team/app@{0} answers with content of another digest ({1})".format(A, DIGEST)),
        (sends(body=b"<html>"), "1.0", "registry.test/team/app:1.0 sent something else than a manifest."),
        (sends(body=[]), "1.0", "sent something else than a manifest."),
        (sends(body={"schemaVersion": 1}), "1.0", "retired Docker schema 1"),
        (sends(media_type="application/vnd.docker.distribution.manifest.v1+prettyjws"), "1.0", "retired Docker schema 1"),
    ],
)
def test_what_is_no_manifest(registry: Registry, far_side: Any, answer: Any, reference: str, sentence: str) -> None:
    far_side.answer = answer
    error = error_of(lambda: registry.manifest("team/app", reference))
    assert error.reason == ("unsupported" if "schema 1" in sentence else "protocol") and sentence in str(error)


def test_a_claim_in_another_algorithm_is_no_contradiction(registry: Registry, far_side: Any) -> None:
    far_side.answer = sends(Docker_Content_Digest="sha512:" + "0" * 128)
    assert registry.manifest("team/app", "1.0").descriptor.digest == DIGEST


def test_children() -> None:
    listed = [{"digest": A, "platform": None}, {"digest": B, "platform": {"os": "linux"}}]

    def read(media_type: str, content: Any) -> list[dict[str, Any]]:
        return Manifest(Descriptor(A, media_type), json.dumps(content).encode()).children()

    assert read(INDEX, {"manifests": listed}) == listed
    assert read(IMAGE, {"manifests": listed}) == [], "a single manifest lists nothing"
    assert "by None, which is no digest" in str(error_of(lambda: read(INDEX, {"manifests": [{}]})))
    assert error_of(lambda: read(INDEX, {"manifests": [{"digest": A, "platform": "linux"}]})).reason == "protocol"


# -- what isn't there, and what indexes list ---------------------------------------------------------------------------


def gone() -> AcrError:
    return AcrError("not_found", "It does not exist.")


@pytest.mark.parametrize("absent", [gone(), None], ids=["not found", "none"])
@pytest.mark.parametrize("late", range(len(CONFIRM_PAUSES) + 1))
def test_what_shows_late_is_there(registry: Registry, http: Http, absent: AcrError | None, late: int) -> None:
    answers = [absent] * late + ["it"]

    def ask() -> Any:
        found = answers.pop(0)
        if isinstance(found, AcrError):
            raise found
        return found

    assert registry.confirmed(ask) == "it"
    assert http.pauses == list(CONFIRM_PAUSES[:late])  # type: ignore[attr-defined]


def test_what_is_not_there_time_and_again_is_believed(registry: Registry, http: Http) -> None:
    asked: list[int] = []

    def ask() -> None:
        asked.append(1)
        raise gone()

    assert error_of(lambda: registry.confirmed(ask)).reason == "not_found"
    assert registry.confirmed(lambda: None) is None
    assert (len(asked), http.pauses) == (len(CONFIRM_PAUSES) + 1, list(CONFIRM_PAUSES) * 2)  # type: ignore[attr-defined]


def test_what_could_not_be_asked_again_is_not_confirmed(registry: Registry, http: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "pause", lambda _seconds: False)
    assert error_of(lambda: registry.confirmed(lambda: None)).reason == "timeout"


def test_other_errors_need_no_confirmation(registry: Registry, http: Http) -> None:
    def ask() -> None:
        raise AcrError("denied", "No.")

    assert error_of(lambda: registry.confirmed(ask)).reason == "denied" and http.pauses == []  # type: ignore[attr-defined]


class Shelf:
    """Manifests of team/app by their digests; *opened* counts how often each was read."""

    def __init__(self, far_side: Any) -> None:
        self.routes: dict[str, Any] = {}
        self.far_side = far_side

    def put(self, content: Any, media_type: str = IMAGE, there: bool = True) -> str:
        body = json.dumps(content).encode()
        digest = "sha256:" + hashlib.sha256(body).hexdigest()
        if there:
            self.routes["/v2/team/app/manifests/" + digest] = sends(body=body, media_type=media_type)
        self.far_side.routes(self.routes)
        return digest

    def index(self, *digests: str, there: bool = True, nr: int = 0, **more: Any) -> str:
        return self.put({"nr": nr, "manifests": [{"digest": one, **more} for one in digests]}, INDEX, there)

    def opened(self, digest: str) -> int:
        return self.far_side.paths.count("/v2/team/app/manifests/" + digest)


@pytest.fixture
def shelf(far_side: Any) -> Shelf:
    return Shelf(far_side)


def walked(registry: Registry, digest: str) -> list[Child]:
    return list(registry.walk("team/app", registry.manifest("team/app", digest)))


def test_e7_a_walk_shows_all_levels_each_digest_once(registry: Registry, shelf: Shelf) -> None:
    image, other = shelf.put({"layers": [1]}), shelf.put({"layers": [2]})
    inner = shelf.index(other, image, mediaType=IMAGE, platform={"os": "linux"}, size=7)
    root = shelf.put(
        {"manifests": [{"digest": image, "mediaType": IMAGE}, {"digest": inner, "mediaType": INDEX}, {"digest": inner}]}, INDEX
    )
    assert walked(registry, root) == [
        Child(image, IMAGE, {}, None), Child(inner, INDEX, {}, None), Child(other, IMAGE, {"os": "linux"}, 7)
    ]  # fmt: skip
    assert (shelf.opened(inner), shelf.opened(image)) == (1, 0)
    assert walked(registry, image) == []


@pytest.mark.parametrize("label", [None, "application/json"])
def test_e7_what_a_child_is_shows_when_no_label_says_it(registry: Registry, shelf: Shelf, label: str | None) -> None:
    image = shelf.put({"layers": [1]})
    inner = shelf.index(image, mediaType=label)
    assert walked(registry, shelf.index(inner, mediaType=label)) == [Child(inner, INDEX, {}, None), Child(image, IMAGE, {}, None)]
    assert shelf.opened(inner) == 1


def test_e7_a_walk_ends(registry: Registry, shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_registry, "MOST_NESTED", 3)
    leaf = shelf.put({"layers": []})
    deep = [shelf.index(leaf, mediaType=IMAGE)]
    for _level in range(4):
        deep.append(shelf.index(deep[-1], mediaType=INDEX))
    assert [child.digest for child in walked(registry, deep[-1])] == [deep[3], deep[2], deep[1]]
    many = [shelf.index(shelf.put({"layers": [nr]}), nr=nr, mediaType=IMAGE) for nr in range(5)]
    assert len(walked(registry, shelf.index(*many, mediaType=INDEX))) == 5 + 3


def test_e7_a_nested_index_that_is_not_there_is_shown_all_the_same(registry: Registry, shelf: Shelf) -> None:
    lost, image = shelf.index(A, there=False), shelf.put({"layers": [1]})
    assert walked(registry, shelf.index(lost, image, mediaType=INDEX))[0] == Child(lost, INDEX, {}, None)
    assert shelf.opened(lost) == len(CONFIRM_PAUSES) + 1
    shelf.routes["/v2/team/app/manifests/" + lost] = sends(403, b"")
    assert error_of(lambda: walked(registry, shelf.index(lost, mediaType=INDEX))).reason == "denied"


def test_blobs(registry: Registry, far_side: Any) -> None:
    far_side.answer = sends()
    assert registry.blob("team/app", DIGEST) == registry.blob("team/app", DIGEST_512) == MANIFEST
    assert "another digest" in str(error_of(lambda: registry.blob("team/app", A)))
    far_side.seen.clear()
    assert "which is no digest" in str(error_of(lambda: registry.blob("team/app", "../x")))
    assert far_side.seen == []


# -- lists -------------------------------------------------------------------------------------------------------------


def test_all_pages_of_tags(registry: Registry, far_side: Any) -> None:
    far_side.script(
        sends(body={"tags": ["1", "2"]}, Link='</v2/team/app/tags/list?last=2>; rel="next"'), sends(body={"tags": ["3"]})
    )
    assert registry.tags("team/app") == ["1", "2", "3"]
    assert far_side.paths == ["/v2/team/app/tags/list?n=1000", "/v2/team/app/tags/list?n=1000&last=2"]


@pytest.mark.parametrize(
    ("refusal", "accepts"),
    [
        (sends(400, {"errors": [{"code": "PAGINATION_NUMBER_INVALID", "message": "invalid number of results requested"}]}), "n=100"),
        (sends(400, b"<html>"), "n=100"),
        (sends(400, b""), ""),
        (sends(416, {"errors": [{"code": "pagination_number_invalid"}]}), "n=100"),
        (sends(404, {"errors": [{"code": "PAGINATION_NUMBER_INVALID"}]}), ""),
        (sends(422, {"errors": [{"code": "PAGINATION_NUMBER_INVALID"}]}), ""),
    ],
)
def test_e4_a_page_that_is_too_long_is_asked_for_shorter(registry: Registry, far_side: Any, refusal: Any, accepts: str) -> None:
    def answer(request: Any) -> None:
        query = request.path.partition("?")[2]
        if query == accepts:
            sends(body={"tags": ["1"]}, Link="</v2/team/app/tags/list?{0}last=1>; rel=next".format(accepts and accepts + "&"))(request)
        elif query.endswith("last=1"):
            sends(body={"tags": ["2"]})(request)
        else:
            refusal(request)

    far_side.answer = answer
    assert registry.tags("team/app") == ["1", "2"]


@pytest.mark.parametrize(("status", "asked"), [(400, 3), (404, 1), (422, 1)])
def test_e4_other_refusals_stay_what_they_are(registry: Registry, far_side: Any, status: int, asked: int) -> None:
    far_side.answer = sends(status, {"errors": [{"code": "NAME_UNKNOWN", "message": "no such name"}]})
    assert error_of(lambda: registry.tags("team/app")).reason == ("not_found" if status == 404 else "protocol")
    assert len(far_side.seen) == asked


def test_a_repository_without_tags(registry: Registry, far_side: Any) -> None:
    far_side.answer = sends(body={"name": "team/app", "tags": None})
    assert registry.tags("team/app") == []


@pytest.mark.parametrize(
    ("answer", "lacks"),
    [
        (sends(404, {"errors": [{"code": "NAME_UNKNOWN"}]}), True),
        (sends(404, {"errors": [{"code": "MANIFEST_UNKNOWN"}]}), False),
        (sends(404, b"<html>"), False),
        (sends(403, {"errors": [{"code": "NAME_UNKNOWN"}]}), False),
        (sends(200, {"tags": []}), False),
    ],
)
def test_only_a_registry_that_says_so_lacks_a_repository(registry: Registry, far_side: Any, answer: Any, lacks: bool) -> None:
    far_side.answer = answer
    assert registry.lacks("team/app") is lacks


# -- referrers ---------------------------------------------------------------------------------------------------------

REFERRERS = "/v2/team/app/referrers/" + DIGEST
BY_TAG = "/v2/team/app/manifests/" + DIGEST.replace(":", "-")


def test_referrers_by_the_api(registry: Registry, far_side: Any) -> None:
    far_side.routes({REFERRERS: {"manifests": [{"digest": A}]}})
    assert registry.referrers("team/app", DIGEST) == [{"digest": A}]


def test_referrers_by_tag_where_the_registry_lacks_the_api(registry: Registry, far_side: Any) -> None:
    """Some registries resolve such a tag to the image itself, whose children are no referrers."""
    signature, other = {"subject": {"digest": DIGEST}}, {"subject": {"digest": B}}
    digests = ["sha256:" + hashlib.sha256(json.dumps(one).encode()).hexdigest() for one in (signature, other)]
    index = {"manifests": [{"digest": one} for one in digests]}
    far_side.routes(
        {
            BY_TAG: sends(body=index, media_type=INDEX),
            "/v2/team/app/manifests/" + digests[0]: sends(body=signature),
            "/v2/team/app/manifests/" + digests[1]: sends(body=other),
        }
    )
    assert registry.referrers("team/app", DIGEST) == [{"digest": digests[0]}]


@pytest.mark.parametrize(
    "lacks",
    [
        sends(404, b""), sends(404, b"<html>", "text/html"), sends(405, b""), sends(501, b"x"),
        sends(405, {"errors": [{"code": "UNSUPPORTED"}]}),
        sends(400, {"errors": [{"code": "UNSUPPORTED"}]}), sends(403, {"errors": [{"code": "unsupported"}]}),
        sends(body={"manifests": []}), sends(body={"manifests": None}),
    ],
)  # fmt: skip
def test_e6_a_registry_without_the_api_or_with_an_empty_list_is_asked_by_tag(registry: Registry, far_side: Any, lacks: Any) -> None:
    signature = {"subject": {"digest": DIGEST}}
    digest = "sha256:" + hashlib.sha256(json.dumps(signature).encode()).hexdigest()
    by_tag = sends(body={"manifests": [{"digest": digest}]}, media_type=INDEX, Docker_Content_Digest="")
    far_side.routes({REFERRERS: lacks, BY_TAG: by_tag, "/v2/team/app/manifests/" + digest: sends(body=signature)})
    assert registry.referrers("team/app", DIGEST) == [{"digest": digest}]


def test_e6_a_list_that_breaks_off_is_not_none(registry: Registry, far_side: Any) -> None:
    far_side.script(
        sends(body={"manifests": [{"digest": A}]}, Link='</x?last=1>; rel="next"'), sends(404, {"errors": [{"code": "NAME_UNKNOWN"}]})
    )
    assert error_of(lambda: registry.referrers("team/app", DIGEST)).reason == "not_found"


def test_e6_an_empty_list_costs_one_look_and_none_on_azures_registries(registry: Registry, far_side: Any) -> None:
    far_side.routes({REFERRERS: sends(body={"manifests": []}), BY_TAG: sends(404, b"", **SPEAKS)})
    assert registry.referrers("team/app", DIGEST) == []
    assert [(method, path) for method, path, _headers, _body in far_side.seen] == [("GET", REFERRERS), ("HEAD", BY_TAG)]
    registry.lists_all_referrers = True
    assert registry.referrers("team/app", DIGEST) == [] and far_side.paths[2:] == [REFERRERS]


@pytest.mark.parametrize("routes", [{}, {REFERRERS: sends(404, b"<html>", "text/html")}])
def test_no_referrers_where_there_is_neither_api_nor_tag(registry: Registry, far_side: Any, routes: dict[str, Any]) -> None:
    far_side.routes(routes)
    assert registry.referrers("team/app", DIGEST) == []
    assert far_side.paths == [REFERRERS, BY_TAG]


@pytest.mark.parametrize(
    "routes",
    [
        {REFERRERS: sends(403, b"")}, {BY_TAG: sends(403, b"")}, {BY_TAG: sends(404, b"<html>", "text/html")}, {REFERRERS: sends(400, b"")},
        {REFERRERS: sends(403, {"errors": [{"code": "DENIED", "message": "UNSUPPORTED"}]})}, {REFERRERS: sends(401, b"")},
        {REFERRERS: sends(body={"manifests": []}), BY_TAG: sends(403, b"")},
    ],
)  # fmt: skip
def test_referrers_that_can_not_be_read_are_not_none(registry: Registry, far_side: Any, routes: dict[str, Any]) -> None:
    far_side.routes(routes)
    assert error_of(lambda: registry.referrers("team/app", DIGEST)).reason in ("denied", "protocol", "unauthorized")


# -- signing in --------------------------------------------------------------------------------------------------------


class Guarded:
    """A registry that wants tokens of its own token service: one that names the repository asked for, and not longer than
    *longest* characters. It answers ``{}``. *scopes*: what each token was asked for."""

    def __init__(self, far_side: Any, longest: int = 10**6, refusal: int = 431) -> None:
        self.scopes: list[list[str]] = []
        self.logins: list[str | None] = []
        self.longest, self.refusal = longest, refusal
        self.most = 10**6  # scopes in a request for a token
        self.lives = 300
        self.renewed = 0  # tokens before this number are not valid any more
        self.challenge = 'Bearer realm="{0}/token",service="registry.test"'.format(far_side.url)
        self.repositories: list[str] = []  # asked for with a token
        self.refused = 0
        self.together = threading.Barrier(1)  # so many must have asked before they are refused
        self.lock = threading.Lock()
        far_side.answer = self.answer

    def answer(self, request: Any) -> None:
        url = urlsplit(request.path)
        if url.path == "/token":
            scopes = [value for name, value in parse_qsl(url.query) if name == "scope"]
            if len(scopes) > self.most:
                return request.reply(414)
            with self.lock:
                self.logins.append(request.headers.get("Authorization"))
                self.scopes.append(scopes)
                token = "{0}.{1}".format(len(self.scopes), "".join(scopes).encode().hex())
            return request.reply(200, json.dumps({"token": token, "expires_in": self.lives}))
        given = (request.headers.get("Authorization") or "").rpartition(" ")[2]
        number, _dot, named = given.partition(".")
        repository = url.path[len("/v2/"):].rpartition("/manifests/")[0]
        if len(given) > self.longest:
            with self.lock:
                self.refused += 1
            self.together.wait(5.0)
            return request.reply(self.refusal, "<html>", {})
        if not given or int(number) <= self.renewed or "repository:{0}:".format(repository) not in bytes.fromhex(named).decode():
            self.together.wait(5.0)
            return request.reply(401, headers={"WWW-Authenticate": self.challenge + (',error="invalid_token"' if given else "")})
        with self.lock:
            self.repositories.append(repository)
        sends()(request)


def read(registry: Registry, *repositories: str) -> None:
    for repository in repositories:
        registry.manifest(repository, "1.0")


def at_once(work: Callable[[str], None], names: list[str]) -> None:
    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(work, names))


NAMES = ["team/app{0}".format(number) for number in range(8)]
SCOPES = ["repository:{0}:pull".format(name) for name in NAMES]


def test_a_token_is_asked_for_once(registry: Registry, far_side: Any) -> None:
    guarded = Guarded(far_side)
    read(registry, "a", "a", "b")
    assert guarded.scopes == [["repository:a:pull"], ["repository:b:pull"]]
    assert guarded.logins == [None, None], "without credentials none are sent"
    assert "service=registry.test" in next(path for path in far_side.paths if path.startswith("/token"))


@pytest.mark.parametrize(("username", "user"), [("puller", "puller"), (None, "00000000-0000-0000-0000-000000000000")])
def test_credentials_go_to_the_token_service_only(http: Http, far_side: Any, username: str | None, user: str) -> None:
    guarded = Guarded(far_side)
    credentials = Credentials(username, "pass:wörd")
    assert "wörd" not in repr(credentials)
    read(Registry(far_side.host, http, credentials), "a")
    assert guarded.logins == [credentials.basic()]
    assert base64.b64decode(credentials.basic()[6:]).decode() == user + ":pass:wörd"
    sent = [headers.get("Authorization") for _method, path, headers, _body in far_side.seen if path.startswith("/v2/")]
    assert credentials.basic() not in sent


def test_many_repositories_share_a_token(registry: Registry, far_side: Any) -> None:
    guarded = Guarded(far_side)
    registry.prepare(NAMES)
    read(registry, *NAMES)
    registry.prepare(NAMES)
    assert guarded.scopes == [SCOPES]


def test_one_repository_needs_no_preparation(registry: Registry, far_side: Any) -> None:
    registry.prepare(["a", "a"])
    assert far_side.seen == []


@pytest.mark.parametrize("answer", [sends(200, b"{}"), sends(401, b"", WWW_Authenticate="Negotiate"), sends(404, b"")])
def test_preparation_asks_for_no_token_where_none_is_wanted(registry: Registry, far_side: Any, answer: Any) -> None:
    far_side.answer = answer
    registry.prepare(NAMES)
    assert far_side.paths == ["/v2/"]


def test_a_token_names_no_more_repositories_than_a_header_holds(registry: Registry, far_side: Any) -> None:
    guarded = Guarded(far_side)
    registry.prepare(["team/application{0:03}".format(number) for number in range(200)])
    assert sum(len(scopes) for scopes in guarded.scopes) == 200
    assert all(30 < len(scopes) < 70 for scopes in guarded.scopes[:-1])


def test_a_token_service_that_takes_fewer_gets_fewer(registry: Registry, far_side: Any) -> None:
    guarded = Guarded(far_side)
    guarded.most = 2
    registry.prepare(NAMES)
    assert sorted(scope for scopes in guarded.scopes for scope in scopes) == SCOPES
    read(registry, *NAMES)
    assert guarded.repositories == NAMES and all(len(scopes) <= 2 for scopes in guarded.scopes)


def test_a_token_service_that_takes_none_says_why(registry: Registry, far_side: Any) -> None:
    guarded = Guarded(far_side)
    guarded.most = 0
    assert error_of(lambda: registry.prepare(NAMES)).status == 414


@pytest.mark.parametrize("refusal", [431, 400])
def test_a_token_that_is_too_long_is_split(registry: Registry, far_side: Any, refusal: int) -> None:
    guarded = Guarded(far_side, longest=110, refusal=refusal)  # two names fit
    registry.prepare(NAMES)
    read(registry, *NAMES)
    assert guarded.repositories == NAMES
    assert guarded.scopes[0] == SCOPES and {len(scopes) for scopes in guarded.scopes[1:]} <= {4, 2}
    # Each of the halves is learnt to be too long once, and not once for every repository.
    assert guarded.refused == 3


def test_threads_that_meet_a_token_that_is_too_long_split_it_together(registry: Registry, far_side: Any) -> None:
    guarded = Guarded(far_side, longest=250)  # four names fit
    registry.prepare(NAMES)
    guarded.together = threading.Barrier(len(NAMES))
    at_once(lambda name: read(registry, name), NAMES)
    assert sorted(guarded.repositories) == NAMES
    assert sorted(guarded.scopes) == sorted([SCOPES, SCOPES[:4], SCOPES[4:]])


def test_a_token_for_one_can_not_be_split(registry: Registry, far_side: Any) -> None:
    guarded = Guarded(far_side, longest=5)
    assert "status 431" in str(error_of(lambda: read(registry, "a")))
    assert guarded.refused == 1


def test_an_explained_400_is_no_matter_of_length(registry: Registry, far_side: Any) -> None:
    guarded = Guarded(far_side)
    registry.prepare(NAMES)
    far_side.answer = sends(400, {"errors": [{"code": "TAG_INVALID", "message": "bad tag"}]})
    assert "The registry says: bad tag." in str(error_of(lambda: read(registry, NAMES[0])))
    assert len(guarded.scopes) == 1


def test_a_token_that_ends_is_renewed_for_all_that_share_it(
    registry: Registry, far_side: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(_registry.time, "monotonic", lambda: now[0])
    guarded = Guarded(far_side)
    registry.prepare(NAMES)
    now[0] += guarded.lives * 0.8
    read(registry, *NAMES)
    assert len(guarded.scopes) == 1
    now[0] += guarded.lives * 0.15
    read(registry, *NAMES)
    assert guarded.scopes == [SCOPES, SCOPES]


def test_many_threads_ask_for_one_token(registry: Registry, far_side: Any) -> None:
    guarded = Guarded(far_side)
    registry.prepare(NAMES)
    guarded.renewed = 1  # and all of them meet a token that ended too early
    guarded.together = threading.Barrier(6)
    at_once(lambda name: read(registry, name), [NAMES[0]] * 6)
    assert guarded.repositories == [NAMES[0]] * 6
    assert guarded.scopes == [SCOPES, [SCOPES[0]]]


def test_a_registry_that_names_another_scope_gets_it(registry: Registry, far_side: Any) -> None:
    guarded = Guarded(far_side)
    guarded.challenge += ',scope="repository:a:pull,push"'
    read(registry, "a")
    assert guarded.scopes == [["repository:a:pull,push"]]


def test_a_registry_that_names_less_gets_what_we_ask_for(http: Http, far_side: Any) -> None:
    registry = Registry(far_side.host, http)
    registry.scope_actions = "metadata_read,pull"
    guarded = Guarded(far_side)
    guarded.challenge += ',scope="repository:a:pull"'
    read(registry, "a")
    assert guarded.scopes == [["repository:a:metadata_read,pull"]]


def test_a_token_of_its_own_that_is_not_enough_means_no(registry: Registry, far_side: Any) -> None:
    guarded = Guarded(far_side)
    read(registry, "a")
    far_side.script(sends(401, b"", WWW_Authenticate=guarded.challenge + ',error="insufficient_scope"'))
    seen = len(far_side.seen)
    assert error_of(lambda: read(registry, "a")).reason == "unauthorized"
    assert len(far_side.seen) == seen + 1, "nothing new to try"


def test_basic(http: Http, far_side: Any) -> None:
    def answer(request: Any) -> None:
        known = request.headers.get("Authorization") == Credentials("u", "p").basic()
        (sends() if known else sends(401, b"", WWW_Authenticate="Basic realm=x"))(request)

    far_side.answer = answer
    registry = Registry(far_side.host, http, Credentials("u", "p"))
    registry.prepare(NAMES)
    read(registry, *NAMES)
    assert len(far_side.seen) == 1 + len(NAMES), "from the first challenge on, all requests carry the password"
    for credentials, sentence in ((Credentials("u", "q"), "refuses the given credentials"), (None, "none were given")):
        far_side.seen.clear()
        error = error_of(lambda one=credentials: read(Registry(far_side.host, http, one), "a"))
        assert error.reason == "unauthorized" and sentence in str(error)
        assert len(far_side.seen) == (2 if credentials else 1)


@pytest.mark.parametrize(
    ("life", "believed"), [(300, 300), (1800, 1800), (10800 + 900, 10800), (10**7, 86400 - 900), (0, None), (-5, None)]
)
def test_a_tokens_life_by_itself(life: int, believed: float | None) -> None:
    """Whatever this machine's clock says; Azure dates long ones back by a quarter of an hour."""
    payload = base64.urlsafe_b64encode(json.dumps({"iat": 5000, "exp": 5000 + life}).encode()).decode().rstrip("=")
    assert token_seconds("e30.{0}.x".format(payload)) == believed


# -- answers of somebody else ------------------------------------------------------------------------------------------


@pytest.fixture
def elsewhere(serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> Any:
    """Another host; both are local here, so that this is allowed."""
    for module in (_http, _registry):
        monkeypatch.setattr(module, "local", lambda _host: False)
    return serve()


def moved(there: Any, path: str = "/moved") -> Callable[[Any], None]:
    return sends(307, b"", Location=there.url + path)


VENDOR = Credentials("vendor", "secret")
ITS_OWN = 'Bearer realm="{0}/token",service="x",scope="repository:a:pull"'


@pytest.mark.parametrize("method", ["describe", "manifest"])
@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 431])
def test_b1_a_redirect_teaches_no_credentials(
    http: Http, far_side: Any, elsewhere: Any, status: int, method: str
) -> None:
    """The user's password went to the token service of whoever a registry redirects to."""
    guarded = Guarded(far_side)

    def answer(request: Any) -> None:
        if "/manifests/moved" in request.path and request.headers.get("Authorization"):
            moved(elsewhere)(request)
        else:
            guarded.answer(request)

    far_side.answer = answer
    elsewhere.answer = lambda request: request.reply(
        status, '{"errors": [{"code": "MANIFEST_UNKNOWN", "message": "no"}]}' if status != 431 else "<html>",
        {"WWW-Authenticate": ITS_OWN.format(elsewhere.url), "ratelimit-remaining": "3", "Docker-Distribution-Api-Version": "x"},
    )  # fmt: skip
    registry = Registry(far_side.host, http, VENDOR, "registry.test")
    registry.prepare(["a", "b"])
    error = error_of(lambda: getattr(registry, method)("a", "moved"))
    assert error.reason == "protocol" and error.status == status
    assert str(error).startswith(
        "registry.test/a:moved can't be read: {0} redirects to {1}, which answers with status {2}".format(
            far_side.host, elsewhere.host, status
        )
    )
    assert str(error).endswith("No credentials were sent there.")
    assert set(elsewhere.paths) == {"/moved"}, "nobody asked for a token there"
    assert {headers.get("Authorization") for _m, _p, headers, _b in elsewhere.seen} == {None}
    read(registry, "b")
    assert guarded.scopes == [["repository:a:pull", "repository:b:pull"]] and registry.pulls_left is None
    assert guarded.logins == [VENDOR.basic()]


@pytest.mark.parametrize("challenge", [ITS_OWN, "Basic realm=x"])
def test_b1_what_another_host_wants_is_not_what_the_registry_wants(
    http: Http, far_side: Any, elsewhere: Any, challenge: str
) -> None:
    """Also the question how to sign in may be answered by somebody else, or on a way round."""
    far_side.routes({
        PATH: moved(elsewhere), "/v2/": moved(elsewhere), "/back": sends(401, b"", WWW_Authenticate=challenge.format(elsewhere.url)),
    })  # fmt: skip
    refuses = sends(401, b"", WWW_Authenticate=challenge.format(elsewhere.url))
    for answers in (refuses, moved(far_side, "/back")):
        elsewhere.answer = answers
        registry = Registry(far_side.host, http, VENDOR)
        registry.prepare(["a", "b"])
        assert "redirects to " + elsewhere.host in str(error_of(lambda: registry.describe("team/app", "1.0")))  # noqa: B023
    assert not [headers for _m, _p, headers, _b in far_side.seen + elsewhere.seen if "Authorization" in headers]
    assert set(elsewhere.paths) == {"/moved"}


@pytest.mark.parametrize(
    "look",
    [
        lambda registry: registry.tags("team/app"),
        lambda registry: registry.blob("team/app", DIGEST),
        lambda registry: registry.referrers("team/app", DIGEST),
    ],
    ids=["tags", "blob", "referrers"],
)
@pytest.mark.parametrize("status", [401, 403, 404])
def test_b1_all_reads_tell_who_refused(http: Http, far_side: Any, elsewhere: Any, look: Any, status: int) -> None:
    far_side.answer = moved(elsewhere)
    elsewhere.answer = sends(status, {"errors": [{"code": "UNKNOWN"}]}, WWW_Authenticate=ITS_OWN.format(elsewhere.url))
    registry = Registry(far_side.host, http, VENDOR)
    error = error_of(lambda: look(registry))
    assert error.reason == "protocol" and "redirects to {0}, which answers".format(elsewhere.host) in str(error)
    elsewhere.answer = sends(404, {"errors": [{"code": "NAME_UNKNOWN"}]})
    assert not registry.lacks("team/app")


@pytest.mark.parametrize("listing", [sends(404, {"errors": [{"code": "NAME_UNKNOWN"}]}), sends(body={"manifests": []})])
def test_b1_a_registry_that_leads_to_another_with_all_questions_may_have_no_signatures(
    http: Http, far_side: Any, elsewhere: Any, listing: Any
) -> None:
    """As registry.k8s.io does: what need not be there may be missing at the other one."""
    far_side.routes({REFERRERS: moved(elsewhere, REFERRERS), BY_TAG: moved(elsewhere, BY_TAG)})
    elsewhere.routes({REFERRERS: listing, BY_TAG: sends(404, {"errors": [{"code": "MANIFEST_UNKNOWN"}]})})
    registry = Registry(far_side.host, http)
    assert registry.referrers("team/app", DIGEST) == []
    assert error_of(lambda: registry.describe("team/app", DIGEST.replace(":", "-"))).reason == "protocol"
    assert nothing_there(error_of(lambda: registry.manifest("team/app", DIGEST.replace(":", "-"))))


def test_b1_what_is_read_elsewhere_is_used(http: Http, far_side: Any, elsewhere: Any) -> None:
    far_side.answer = moved(elsewhere)
    elsewhere.answer = sends(Docker_Content_Digest=DIGEST)
    registry = Registry(far_side.host, http)
    assert registry.describe("team/app", "1.0").digest == registry.manifest("team/app", "1.0").descriptor.digest == DIGEST
    elsewhere.answer = sends(body={"tags": ["1"]}, Link="<{0}/v2/x?last=1>; rel=next".format(elsewhere.url))
    far_side.script(moved(elsewhere), sends(body={"tags": ["2"]}))
    assert registry.tags("team/app") == ["1", "2"], "its own host is no other host to it"


def test_b1_a_storage_that_refuses_head_only(http: Http, far_side: Any, elsewhere: Any) -> None:
    far_side.answer = moved(elsewhere)
    elsewhere.answer = by_method(HEAD=sends(403, b""), GET=sends())
    assert Registry(far_side.host, http).describe("team/app", "1.0").digest == DIGEST


@pytest.mark.parametrize("status", [404, 410, 307])
def test_b1_a_token_service_knows_nothing_of_what_is_there(registry: Registry, far_side: Any, status: int) -> None:
    guarded = Guarded(far_side)
    far_side.answer = lambda request: (
        request.reply(status, '{"errors": [{"code": "NAME_UNKNOWN"}]}', {"Location": "/elsewhere"})
        if request.path.startswith("/token") else guarded.answer(request)
    )  # fmt: skip
    error = error_of(lambda: registry.describe("team/app", "1.0"))
    assert error.reason == "protocol"
    assert str(error).startswith("The token service for registry.test/team/app answered with status {0}.".format(status))


# -- answers to nobody -------------------------------------------------------------------------------------------------

MANIFEST_UNKNOWN = {"errors": [{"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}]}


def to_nobody(far_side: Any, answer: Callable[[Any], None], challenge: str = "Basic realm=x", ping: int = 401) -> None:
    """A registry whose reads are answered so without a sign-in, and which names its way to sign in at ``/v2/`` only."""
    guarded = Guarded(far_side)

    def reply(request: Any) -> None:
        if request.path == "/v2/":
            request.reply(ping, "{}", {"WWW-Authenticate": challenge.format(far_side.url)} if challenge else {})
        elif request.path.startswith("/token"):
            guarded.answer(request)
        elif request.headers.get("Authorization", "").partition(" ")[0] in ("Basic", "Bearer"):
            sends(Docker_Content_Digest=DIGEST)(request)
        else:
            answer(request)

    far_side.answer = reply


NOBODY = {
    "manifest unknown": sends(404, MANIFEST_UNKNOWN, **SPEAKS),
    "name unknown": sends(404, {"errors": [{"code": "NAME_UNKNOWN"}]}),
    "empty": sends(404, b""),
    "html": sends(404, b"<html>", "text/html"),
    "denied": sends(403, {"errors": [{"code": "DENIED"}]}),
    "unauthorized": sends(401, {"errors": [{"code": "UNAUTHORIZED"}]}),
    "negotiate": sends(401, b"", WWW_Authenticate="Negotiate"),
}


@pytest.mark.parametrize("challenge", ["Basic realm=x", 'Bearer realm="{0}/token"'])
@pytest.mark.parametrize("nobody", NOBODY)
def test_b7_an_answer_to_nobody_is_none(http: Http, far_side: Any, nobody: str, challenge: str) -> None:
    to_nobody(far_side, NOBODY[nobody], challenge)
    for look in (
        lambda registry: registry.describe("team/app", "1.0").digest,
        lambda registry: registry.manifest("team/app", "1.0").descriptor.digest,
    ):
        far_side.seen.clear()
        registry = Registry(far_side.host, http, VENDOR)
        assert [look(registry), look(registry)] == [DIGEST, DIGEST]
        assert far_side.paths.count("/v2/") == 1, "it is asked once how to sign in"
        assert far_side.paths.count(PATH) == 3


def test_b7_threads_ask_once_how_to_sign_in(http: Http, far_side: Any) -> None:
    to_nobody(far_side, NOBODY["manifest unknown"])
    registry = Registry(far_side.host, http, VENDOR)
    at_once(lambda name: read(registry, name), NAMES)
    assert far_side.paths.count("/v2/") == 1


def test_b7_an_absence_is_believed_when_it_is_told_to_us(http: Http, far_side: Any) -> None:
    """Or where the registry wants nobody to sign in, or nobody gave us anything to sign in with."""
    absent = NOBODY["manifest unknown"]
    far_side.answer = lambda request: sends(401, b"", WWW_Authenticate="Basic")(request) if request.path == "/v2/" else absent(request)
    registry = Registry(far_side.host, http, VENDOR)
    assert error_of(lambda: registry.describe("team/app", "1.0")).reason == "not_found"
    assert [headers.get("Authorization") for _m, _p, headers, _b in far_side.seen] == [None, None, VENDOR.basic()]
    far_side.seen.clear()
    assert error_of(lambda: Registry(far_side.host, http).describe("team/app", "1.0")).reason == "not_found"
    assert far_side.paths == [PATH]
    to_nobody(far_side, absent, "", 200)
    registry = Registry(far_side.host, http, VENDOR)
    for _n in range(2):
        assert error_of(lambda: registry.describe("team/app", "1.0")).reason == "not_found"
    assert far_side.paths[1:] == [PATH, "/v2/", PATH]


def test_b7_where_nobody_can_say_how_to_sign_in_nothing_is_absent(http: Http, far_side: Any) -> None:
    to_nobody(far_side, NOBODY["manifest unknown"], "", 503)
    error = error_of(lambda: Registry(far_side.host, http, VENDOR).describe("team/app", "1.0"))
    assert error.reason == "unavailable"


@pytest.mark.parametrize("status", [403, 404])
def test_b7_a_challenge_is_one_whatever_status_it_comes_with(http: Http, far_side: Any, status: int) -> None:
    to_nobody(far_side, sends(status, b"", WWW_Authenticate="Basic realm=x"), "", 500)
    assert Registry(far_side.host, http, VENDOR).describe("team/app", "1.0").digest == DIGEST


def test_b8_a_head_that_is_refused_without_a_challenge_is_asked_otherwise(http: Http, far_side: Any) -> None:
    def answer(request: Any) -> None:
        if request.path == "/v2/":
            request.reply(200, "{}")
        elif request.command == "HEAD":
            request.reply(401)
        elif request.headers.get("Authorization") == VENDOR.basic():
            sends()(request)
        else:
            request.reply(401, headers={"WWW-Authenticate": "Basic realm=x"})

    far_side.answer = answer
    assert Registry(far_side.host, http, VENDOR).describe("team/app", "1.0").digest == DIGEST
    to_nobody(far_side, by_method(HEAD=sends(401, b""), GET=sends()), "", 404)
    assert Registry(far_side.host, http).describe("team/app", "1.0").digest == DIGEST


def test_b8_an_anonymous_token_is_asked_for_too(http: Http, far_side: Any) -> None:
    to_nobody(far_side, sends(401, b""), 'Bearer realm="{0}/token"')
    assert Registry(far_side.host, http).describe("team/app", "1.0").digest == DIGEST


@pytest.mark.parametrize(
    ("nobody", "sentence"),
    [
        ("unauthorized", "team/app:1.0 wants a sign-in. The given credentials were not sent: it offers neither Basic nor Bearer sign-in."),
        ("negotiate", "wants a sign-in. The given credentials were not sent: it offers neither Basic nor Bearer sign-in."),
        ("denied", "denies access. The given credentials were not sent: it offers neither Basic nor Bearer sign-in."),
    ],
)
def test_b8_credentials_that_were_not_sent_were_not_refused(http: Http, far_side: Any, nobody: str, sentence: str) -> None:
    to_nobody(far_side, NOBODY[nobody], "Negotiate")
    error = error_of(lambda: Registry(far_side.host, http, VENDOR).describe("team/app", "1.0"))
    assert error.reason in ("unauthorized", "denied") and sentence in str(error), error
    assert not [headers for _m, _p, headers, _b in far_side.seen if "Authorization" in headers]


# -- challenges in all shapes ------------------------------------------------------------------------------------------


def lines(*challenges: str) -> Callable[[Any], None]:
    """401 with several lines of challenges."""

    def answer(request: Any) -> None:
        request.send_response(401)
        for one in challenges:
            request.send_header("WWW-Authenticate", one)
        request.send_header("Content-Length", "0")
        request.end_headers()

    return answer


@pytest.mark.parametrize(
    "challenges",
    [
        ("Negotiate", "Basic realm=x"),
        ("Basic realm=x", "Negotiate"),
        ("Negotiate, Basic realm=x",),
        ('Digest realm="a, b", nonce="c", Basic realm="x"',),
        ("Negotiate YII=", 'Bearer realm="http://plain.test/token"', "Basic realm=x"),
        ("Bearer", "basic"),
    ],
)
def test_e1_basic_among_others(http: Http, far_side: Any, challenges: tuple[str, ...]) -> None:
    refuses = lines(*challenges)
    far_side.answer = lambda request: (sends() if request.headers.get("Authorization") == VENDOR.basic() else refuses)(request)
    read(Registry(far_side.host, http, VENDOR), "a", "b")
    assert len(far_side.seen) == 3


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("joined", [True, False])
@pytest.mark.parametrize("credentials", [VENDOR, None])
def test_e1_bearer_before_basic(http: Http, far_side: Any, order: int, joined: bool, credentials: Any) -> None:
    guarded = Guarded(far_side)
    challenges = ["Negotiate", "Basic realm=x", guarded.challenge][::order]
    refuses = lines(*([", ".join(challenges)] if joined else challenges))
    far_side.answer = lambda request: (
        guarded.answer if request.headers.get("Authorization") or request.path.startswith("/token") else refuses
    )(request)
    read(Registry(far_side.host, http, credentials), "a")
    assert guarded.scopes == [["repository:a:pull"]] and guarded.logins == [credentials.basic() if credentials else None]
    sent = [headers.get("Authorization", "") for _method, path, headers, _body in far_side.seen if path.startswith("/v2/")]
    assert [one.partition(" ")[0] for one in sent] == ["", "Bearer"]


# -- what an answer means ----------------------------------------------------------------------------------------------

FIREWALL = "client with IP '20.1.2.3' is not allowed access. Refer https://aka.ms/acr/firewall to grant access."


@pytest.mark.parametrize(
    ("status", "text", "kind", "sentence"),
    [
        (404, "manifest unknown", "not_found", "registry.test/team/app:1.0 does not exist."),
        (403, FIREWALL, "denied", "denies access. The registry says: client with IP '20.1.2.3' is not allowed access. Refer"),
        (403, "denied.", "denied", "registry.test/team/app:1.0 denies access. The registry says: denied. No credentials were given."),
        (418, "teapot", "protocol", "answered with status 418. The registry says: teapot."),
        (418, "", "protocol", "answered with status 418. That is not what a registry sends."),
    ],
)
def test_what_is_not_what_was_asked_for(
    registry: Registry, far_side: Any, status: int, text: str, kind: str, sentence: str
) -> None:
    far_side.answer = sends(status, {"errors": [{"code": "X", "message": text}] if text else []})
    error = error_of(lambda: registry.manifest("team/app", "1.0"))
    assert (error.reason, error.status) == (kind, status) and sentence in str(error), str(error)


@pytest.mark.parametrize(
    ("credentials", "signs_in", "challenge", "sentence"),
    [
        (None, False, "", "registry.test/team/app:1.0 needs credentials that may pull it (none were given), or does not exist."),
        (Credentials("u", "p"), False, "", "refuses the given credentials. Check user name and password."),
        (Credentials("u", "p"), False, 'Bearer error="insufficient_scope"', "they hold, but may not pull it"),
        (None, True, "", "registry.test/team/app:1.0 can't be read by the account that signs in. It needs the right to pull"),
    ],
)
def test_a_sign_in_that_is_not_enough(
    http: Http, far_side: Any, credentials: Any, signs_in: bool, challenge: str, sentence: str
) -> None:
    registry = Registry(far_side.host, http, credentials, "registry.test")
    registry.signs_in = signs_in
    found = http.request("reads", "GET", far_side.url)
    found.status, found.headers = 401, {"WWW-Authenticate": challenge}
    error = registry.failure(found, "team/app", "1.0")
    assert error.reason == "unauthorized" and sentence in str(error)
    if signs_in:
        assert "Catalog Lister" in str(registry.failure(found)), "without a repository it is the catalog"


@pytest.mark.parametrize(
    ("credentials", "signs_in", "action", "sentence"),
    [
        (VENDOR, False, "metadata_read", "they hold, but may not list it (metadata/read), or it does not exist."),
        (VENDOR, False, "pull", "they hold, but may not pull it, or it does not exist."),
        (VENDOR, False, "metadata_read,pull", "they hold, but may not pull it, or it does not exist."),
        (None, False, "metadata_read", "needs credentials that may list it (none were given)"),
        (None, True, "metadata_read", "It needs the right to list there: the role AcrPull"),
        (None, True, "pull", "It needs the right to pull there: the role AcrPull"),
    ],
)
def test_e5_the_right_that_is_missing_is_named(http: Http, credentials: Any, signs_in: bool, action: str, sentence: str) -> None:
    registry = Registry("registry.test", http, credentials)
    registry.signs_in = signs_in
    challenge = 'Bearer realm="https://registry.test/t",scope="repository:team/app:{0}",error="insufficient_scope"'.format(action)
    assert sentence in str(registry.failure(Answer(401, {"WWW-Authenticate": challenge}), "team/app"))


CORRELATION = "CorrelationId: 01234567-89ab-cdef-0123-456789abcdef"


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        (["manifest  unknown.\n"], "manifest unknown"),
        (["one", "two."], "one; two"),
        (["x" * 500], "x" * 300),
        (["no. " + CORRELATION], "no. " + CORRELATION),
        (["x" * 500 + " " + CORRELATION], "x" * 300 + "… " + CORRELATION),
        (["x" * 290 + " " + CORRELATION], "x" * 290 + "… " + CORRELATION),
        ([{"a": 1}], "{'a': 1}"),
        ([], ""),
    ],
)
def test_b10_what_a_registry_says_is_short_and_keeps_what_support_asks_for(messages: list[Any], said: str) -> None:
    body = json.dumps({"errors": [{"code": "X", "message": message} for message in messages]}).encode()
    assert quoted(Answer(400, {}, body)) == said


@pytest.mark.parametrize("text", ["insufficient_scope", "MANIFEST_UNKNOWN", "not allowed access", "UNSUPPORTED", "invalid_token"])
def test_b2_text_decides_nothing(http: Http, text: str) -> None:
    body = json.dumps({"errors": [{"code": "X", "message": text}]}).encode()
    registry = Registry("registry.test", http, VENDOR)
    for status, kind in ((400, "protocol"), (401, "unauthorized"), (403, "denied"), (404, "not_found"), (418, "protocol")):
        with_text, without = (registry.failure(Answer(status, {}, one), "a", "1") for one in (body, body.replace(text.encode(), b"no")))
        assert with_text.reason == without.reason == kind and str(with_text) == str(without).replace("says: no", "says: " + text)
