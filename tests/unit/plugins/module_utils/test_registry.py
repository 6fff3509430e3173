# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What registries of all sorts answer, over real HTTPS, and what is made of it. What is malformed stands in test_wire."""

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

from ansible_collections.registryops.acr.plugins.module_utils import _registry
from ansible_collections.registryops.acr.plugins.module_utils._errors import AcrError
from ansible_collections.registryops.acr.plugins.module_utils._http import Http
from ansible_collections.registryops.acr.plugins.module_utils._registry import (
    CONFIRM_PAUSES,
    INDEX_TYPES,
    MANIFEST_TYPES,
    Child,
    Credentials,
    Descriptor,
    Manifest,
    Registry,
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
    assert (error.kind, str(error)) == ("not_found", "registry.test/team/app:1.0 does not exist.")
    assert methods(far_side) == ["HEAD"]


def test_a_404_of_something_in_between_is_no_absence(registry: Registry, far_side: Any) -> None:
    far_side.answer = sends(404, b"<html>not here", "text/html")
    error = error_of(lambda: registry.describe("team/app", "1.0"))
    assert error.kind == "invalid" and "is a proxy in the way?" in str(error)


@pytest.mark.parametrize(("asked", "claimed"), [(A, B), ("sha512:" + "a" * 128, "sha512:" + "b" * 128)])
def test_a_digest_that_answers_with_another_is_refused(registry: Registry, far_side: Any, asked: str, claimed: str) -> None:
    far_side.answer = sends(Docker_Content_Digest=claimed)
    error = error_of(lambda: registry.describe("team/app", asked))
    assert error.kind == "invalid" and "registry.test/team/app@" in str(error) and claimed in str(error)


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
    assert error.kind == "invalid" and sentence in str(error)


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
    assert error_of(lambda: read(INDEX, {"manifests": [{"digest": A, "platform": "linux"}]})).kind == "invalid"


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

    assert error_of(lambda: registry.confirmed(ask)).kind == "not_found"
    assert registry.confirmed(lambda: None) is None
    assert (len(asked), http.pauses) == (len(CONFIRM_PAUSES) + 1, list(CONFIRM_PAUSES) * 2)  # type: ignore[attr-defined]


def test_what_could_not_be_asked_again_is_not_confirmed(registry: Registry, http: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "pause", lambda _seconds: False)
    assert error_of(lambda: registry.confirmed(lambda: None)).kind == "timeout"


def test_other_errors_need_no_confirmation(registry: Registry, http: Http) -> None:
    def ask() -> None:
        raise AcrError("denied", "No.")

    assert error_of(lambda: registry.confirmed(ask)).kind == "denied" and http.pauses == []  # type: ignore[attr-defined]


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
    assert error_of(lambda: walked(registry, shelf.index(lost, mediaType=INDEX))).kind == "denied"


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


@pytest.mark.parametrize("routes", [{}, {REFERRERS: sends(404, b"<html>", "text/html")}])
def test_no_referrers_where_there_is_neither_api_nor_tag(registry: Registry, far_side: Any, routes: dict[str, Any]) -> None:
    far_side.routes(routes)
    assert registry.referrers("team/app", DIGEST) == []
    assert far_side.paths == [REFERRERS, BY_TAG]


@pytest.mark.parametrize(
    "routes", [{REFERRERS: sends(403, b"")}, {BY_TAG: sends(403, b"")}, {BY_TAG: sends(404, b"<html>", "text/html")}]
)
def test_referrers_that_can_not_be_read_are_not_none(registry: Registry, far_side: Any, routes: dict[str, Any]) -> None:
    far_side.routes(routes)
    assert error_of(lambda: registry.referrers("team/app", DIGEST)).kind in ("denied", "invalid")


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
    assert error_of(lambda: read(registry, "a")).kind == "unauthorized"
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
        assert error.kind == "unauthorized" and sentence in str(error)
        assert len(far_side.seen) == (2 if credentials else 1)


@pytest.mark.parametrize(
    ("life", "believed"), [(300, 300), (1800, 1800), (10800 + 900, 10800), (10**7, 86400 - 900), (0, None), (-5, None)]
)
def test_a_tokens_life_by_itself(life: int, believed: float | None) -> None:
    """Whatever this machine's clock says; Azure dates long ones back by a quarter of an hour."""
    payload = base64.urlsafe_b64encode(json.dumps({"iat": 5000, "exp": 5000 + life}).encode()).decode().rstrip("=")
    assert token_seconds("e30.{0}.x".format(payload)) == believed


# -- what an answer means ----------------------------------------------------------------------------------------------

FIREWALL = "client with IP '20.1.2.3' is not allowed access. Refer https://aka.ms/acr/firewall to grant access."


@pytest.mark.parametrize(
    ("status", "text", "kind", "sentence"),
    [
        (404, "manifest unknown", "not_found", "registry.test/team/app:1.0 does not exist."),
        (403, FIREWALL, "firewall", "The firewall of registry.test refuses this machine (20.1.2.3), so digests can't be read"),
        (403, "not allowed access", "firewall", "refuses this machine, so"),
        (403, "denied.", "denied", "registry.test/team/app:1.0 denies access. The registry says: denied. The account needs"),
        (418, "teapot", "invalid", "answered with status 418. The registry says: teapot."),
        (418, "", "invalid", "answered with status 418. That is not what a registry sends."),
    ],
)
def test_what_is_not_what_was_asked_for(
    registry: Registry, far_side: Any, status: int, text: str, kind: str, sentence: str
) -> None:
    far_side.answer = sends(status, {"errors": [{"code": "X", "message": text}] if text else []})
    error = error_of(lambda: registry.manifest("team/app", "1.0"))
    assert (error.kind, error.status) == (kind, status) and sentence in str(error), str(error)


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
    assert error.kind == "unauthorized" and sentence in str(error)
    if signs_in:
        assert "Catalog Lister" in str(registry.failure(found)), "without a repository it is the catalog"
