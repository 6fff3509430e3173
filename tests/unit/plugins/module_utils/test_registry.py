# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What registries of all sorts answer, over real HTTPS, and what is made of it. For malformed answers see test_untrusted."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from ansible_collections.registryops.acr.plugins.module_utils import _registry
from ansible_collections.registryops.acr.plugins.module_utils._errors import AcrError
from ansible_collections.registryops.acr.plugins.module_utils._http import Http
from ansible_collections.registryops.acr.plugins.module_utils._manifest import Child, Descriptor, Manifest
from ansible_collections.registryops.acr.plugins.module_utils._refusals import nothing_there
from ansible_collections.registryops.acr.plugins.module_utils._registry import CONFIRM_PAUSES, Registry
from tests.unit.plugins.registries import (
    DIGEST,
    DIGEST_512,
    IMAGE,
    INDEX,
    MANIFEST,
    PATH,
    SPEAKS,
    VENDOR,
    A,
    B,
    by_method,
    error_of,
    methods,
    moved,
    sends,
)


@pytest.fixture
def registry(http: Http, far_side: Any) -> Registry:
    return Registry(far_side.host, http, name="registry.test")


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


@pytest.mark.parametrize("headers", [SPEAKS, {}])
def test_one_answer_will_do_for_those_that_ask_on(registry: Registry, far_side: Any, headers: dict[str, str]) -> None:
    far_side.answer = sends(404, b"", **headers)
    assert error_of(lambda: registry.describe("team/app", "1.0", brief=True)).reason == "not_found"
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
    assert http.pauses == list(CONFIRM_PAUSES[:late])


def test_what_is_not_there_time_and_again_is_believed(registry: Registry, http: Http) -> None:
    asked: list[int] = []

    def ask() -> None:
        asked.append(1)
        raise gone()

    assert error_of(lambda: registry.confirmed(ask)).reason == "not_found"
    assert registry.confirmed(lambda: None) is None
    assert (len(asked), http.pauses) == (len(CONFIRM_PAUSES) + 1, list(CONFIRM_PAUSES) * 2)


def test_what_could_not_be_asked_again_is_not_confirmed(registry: Registry, http: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "pause", lambda _seconds: False)
    assert error_of(lambda: registry.confirmed(lambda: None)).reason == "timeout"


def test_other_errors_need_no_confirmation(registry: Registry, http: Http) -> None:
    def ask() -> None:
        raise AcrError("denied", "No.")

    assert error_of(lambda: registry.confirmed(ask)).reason == "denied" and http.pauses == []


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
    assert "which isn't a digest" in str(error_of(lambda: registry.blob("team/app", "../x")))
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
    assert registry.referrers("team/app", DIGEST)[1] == [{"digest": A}]


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
    assert registry.referrers("team/app", DIGEST)[1] == [{"digest": digests[0]}]


def test_a_referrer_by_tag_that_is_gone_does_not_hide_the_others(registry: Registry, far_side: Any) -> None:
    signature = {"subject": {"digest": DIGEST}}
    digests = [B, "sha256:" + hashlib.sha256(json.dumps(signature).encode()).hexdigest()]
    by_tag = sends(body={"manifests": [{"digest": one} for one in digests]}, media_type=INDEX)
    gone, there = (f"/v2/team/app/manifests/{one}" for one in digests)
    far_side.routes({BY_TAG: by_tag, gone: sends(404, b"", **SPEAKS), there: sends(body=signature)})
    assert [found["digest"] for found in registry.referrers("team/app", DIGEST)[1]] == digests
    far_side.routes({BY_TAG: by_tag, gone: sends(403, b""), there: sends(body=signature)})
    assert error_of(lambda: registry.referrers("team/app", DIGEST)).reason == "denied"


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
    assert registry.referrers("team/app", DIGEST)[1] == [{"digest": digest}]


def test_e6_a_list_that_breaks_off_is_not_none(registry: Registry, far_side: Any) -> None:
    far_side.script(
        sends(body={"manifests": [{"digest": A}]}, Link='</x?last=1>; rel="next"'), sends(404, {"errors": [{"code": "NAME_UNKNOWN"}]})
    )
    assert error_of(lambda: registry.referrers("team/app", DIGEST)).reason == "not_found"


def test_e6_an_empty_list_costs_one_look_and_none_on_azures_registries(registry: Registry, far_side: Any) -> None:
    far_side.routes({REFERRERS: sends(body={"manifests": []}), BY_TAG: sends(404, b"", **SPEAKS)})
    assert registry.referrers("team/app", DIGEST)[1] == []
    assert [(method, path) for method, path, _headers, _body in far_side.seen] == [("GET", REFERRERS), ("HEAD", BY_TAG)]
    registry.lists_all_referrers = True
    assert registry.referrers("team/app", DIGEST)[1] == [] and far_side.paths[2:] == [REFERRERS]


@pytest.mark.parametrize("routes", [{}, {REFERRERS: sends(404, b"<html>", "text/html")}])
def test_no_referrers_where_there_is_neither_api_nor_tag(registry: Registry, far_side: Any, routes: dict[str, Any]) -> None:
    far_side.routes(routes)
    assert registry.referrers("team/app", DIGEST)[1] == []
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


# -- answers of somebody else ------------------------------------------------------------------------------------------


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
    elsewhere.answer = sends(status, {"errors": [{"code": "UNKNOWN"}]}, WWW_Authenticate='Bearer realm="{0}/token"'.format(elsewhere.url))
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
    assert registry.referrers("team/app", DIGEST)[1] == []
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
