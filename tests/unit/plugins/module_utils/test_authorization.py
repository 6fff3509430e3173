# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signing in to registries of all sorts, over real HTTPS: which tokens they want, and who may never get any credentials."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from ansible_collections.registryops.acr.plugins.module_utils import _authorization, _http
from ansible_collections.registryops.acr.plugins.module_utils._acr import AzureRegistry
from ansible_collections.registryops.acr.plugins.module_utils._authorization import TokenService, token_seconds
from ansible_collections.registryops.acr.plugins.module_utils._credentials import Credentials
from ansible_collections.registryops.acr.plugins.module_utils._errors import AcrError
from ansible_collections.registryops.acr.plugins.module_utils._http import Http
from ansible_collections.registryops.acr.plugins.module_utils._refusals import Context
from ansible_collections.registryops.acr.plugins.module_utils._registry import Registry
from ansible_collections.registryops.acr.plugins.module_utils._untrusted import Answer
from tests.unit.plugins.registries import DIGEST, PATH, SPEAKS, VENDOR, by_method, error_of, moved, read, sends

ITS_OWN = 'Bearer realm="{0}/token",service="x",scope="repository:a:pull"'


@pytest.fixture
def registry(http: Http, far_side: Any) -> Registry:
    return Registry(far_side.host, http, name="registry.test")


# -- signing in --------------------------------------------------------------------------------------------------------


class Guarded:
    """A registry that wants tokens of its own token service: one that names the repository asked for, and not longer than
    *longest* characters. It answers ``{}``. *scopes*: what each token was asked for."""

    def __init__(self, far_side: Any, longest: int = 10**6, refusal: int = 431) -> None:
        self.asked: list[int] = []  # the number of scopes in each request for a token
        self.scopes: list[list[str]] = []
        self.logins: list[str | None] = []
        self.longest, self.refusal = longest, refusal
        self.most, self.too_many = 10**6, sends(414, b"")  # scopes in a request for a token; the answer to more
        self.granted: Callable[[list[str]], list[str]] = lambda scopes: scopes
        self.lives = 300
        self.renewed = 0  # tokens before this number are not valid any more
        self.challenge = 'Bearer realm="{0}/token",service="registry.test"'.format(far_side.url)
        self.repositories: list[str] = []  # asked for with a token
        self.refused = 0
        self.denied: list[str] = []  # asked for without a token that names them
        self.denies: Callable[[Any, str], None] = lambda request, given: request.reply(
            401, headers={"WWW-Authenticate": self.challenge + (',error="invalid_token"' if given else "")}
        )
        self.together = threading.Barrier(1)  # so many must have asked before they are refused
        self.lock = threading.Lock()
        far_side.answer = self.answer

    def answer(self, request: Any) -> None:
        url = urlsplit(request.path)
        if url.path == "/token":
            scopes = [value for name, value in parse_qsl(url.query) if name == "scope"]
            with self.lock:
                self.asked.append(len(scopes))
                if len(scopes) > self.most:
                    return self.too_many(request)
                self.logins.append(request.headers.get("Authorization"))
                self.scopes.append(scopes)
                token = "{0}.{1}".format(len(self.scopes), "".join(self.granted(scopes)).encode().hex())
            return request.reply(200, json.dumps({"token": token, "expires_in": self.lives}))
        given = (request.headers.get("Authorization") or "").partition("Bearer ")[2]
        number, _dot, named = given.partition(".")
        repository = url.path[len("/v2/"):].rpartition("/manifests/")[0]
        if len(given) > self.longest:
            with self.lock:
                self.refused += 1
            self.together.wait(5.0)
            return request.reply(self.refusal, "<html>", {})
        if not given or int(number) <= self.renewed or "repository:{0}:".format(repository) not in bytes.fromhex(named).decode():
            self.together.wait(5.0)
            with self.lock:
                self.denied.append(repository)
            return self.denies(request, given)
        with self.lock:
            self.repositories.append(repository)
        sends()(request)


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


@pytest.mark.parametrize("answer", [sends(), sends(401, b"", WWW_Authenticate="Negotiate"), sends(404, b"")])
def test_where_no_token_is_wanted_nothing_is_asked_but_what_is_read(registry: Registry, far_side: Any, answer: Any) -> None:
    far_side.answer = answer
    registry.prepare(NAMES)
    assert far_side.seen == []
    for name in NAMES:
        try:
            read(registry, name)
        except AcrError:
            pass
    assert far_side.paths == ["/v2/{0}/manifests/1.0".format(name) for name in NAMES]


MANY = ["team/application{0:03}".format(number) for number in range(200)]


def test_a_token_names_no_more_repositories_than_a_header_holds(http: Http, far_side: Any) -> None:
    guarded = Guarded(far_side)
    registry = Registry(far_side.host, http)
    registry.prepare(MANY)
    read(registry, *MANY[:20])
    assert sum(len(scopes) for scopes in guarded.scopes) == 200
    assert all(15 < len(scopes) < 30 for scopes in guarded.scopes)
    assert max(map(len, far_side.paths)) < 2000
    far_side.seen.clear()
    azure = AzureRegistry(far_side.host, http)
    far_side.answer = lambda request: sends(200, {"access_token": "t"} if "oauth2" in request.path else {})(request)
    azure.prepare(MANY)
    assert len(far_side.seen) == 1
    read(azure, *MANY[:20])
    sizes = [[name for name, _value in form].count("scope") for form in far_side.forms("/oauth2/token")]
    assert sum(sizes) == 200 and all(30 < size < 70 for size in sizes)


def test_once_one_token_is_granted_to_many_the_others_are_asked_for_at_once(registry: Registry, far_side: Any) -> None:
    guarded = Guarded(far_side)
    together = threading.Barrier(10)  # of eleven tokens

    def answer(request: Any) -> None:
        if request.path.startswith("/token") and guarded.scopes:
            together.wait(10.0)
        guarded.answer(request)

    far_side.answer = answer
    registry.prepare(MANY)
    at_once(lambda name: read(registry, name), MANY[:22])
    assert len(guarded.scopes) == 11 and len(guarded.denied) == 1


REFUSALS = {
    "too long": sends(414, b""),
    "bad": sends(400, {"details": "invalid scope"}),
    "unauthorized": sends(401, b"", WWW_Authenticate="Basic"),
    "denied": sends(403, {"errors": [{"code": "DENIED", "message": "requested access to the resource is denied"}]}),
    "not found": sends(404, {"errors": [{"code": "NAME_UNKNOWN"}]}),
    "nonsense": sends(200, b"<html>", "text/html"),
    "crash": sends(500, b""),
}


@pytest.mark.parametrize("refusal", REFUSALS)
@pytest.mark.parametrize("credentials", [VENDOR, None])
def test_a_token_service_that_takes_one_scope_gets_one(http: Http, far_side: Any, refusal: str, credentials: Any) -> None:
    guarded = Guarded(far_side)
    guarded.most, guarded.too_many = 1, REFUSALS[refusal]
    registry = Registry(far_side.host, http, credentials)
    for names in (NAMES[:5], NAMES[5:]) if refusal != "crash" else (NAMES,):  # whose tries take time
        registry.prepare(names)
    at_once(lambda name: read(registry, name), NAMES)
    registry.prepare([*NAMES, "x", "y"])
    read(registry, *NAMES, "x", "y")
    assert guarded.asked.count(1) == len(NAMES) + 2
    assert len(guarded.asked) - guarded.asked.count(1) == (1 if refusal != "crash" else _http.TRIES), "learnt once"
    assert sorted(guarded.repositories) == sorted([*NAMES, *NAMES, "x", "y"]) and guarded.denied == guarded.denied[:1]


def test_a_token_service_that_takes_none_says_why(registry: Registry, far_side: Any) -> None:
    guarded = Guarded(far_side)
    guarded.most = 0
    registry.prepare(NAMES)
    assert [error_of(lambda one=name: read(registry, one)).status for name in NAMES] == [414] * len(NAMES)
    assert guarded.asked == [len(NAMES)] + [1] * len(NAMES)


def test_a_token_service_that_has_no_time_is_not_asked_for_more(registry: Registry, far_side: Any) -> None:
    guarded = Guarded(far_side)
    guarded.most, guarded.too_many = 0, sends(429, b"", Retry_After="3600")
    registry.prepare(NAMES)
    assert [error_of(lambda one=name: read(registry, one)).reason for name in NAMES] == ["throttled"] * len(NAMES)
    guarded.most = len(NAMES)
    registry.http.sleep(4000.0)
    read(registry, *NAMES)
    assert guarded.scopes == [SCOPES]


@pytest.mark.parametrize("granted", [lambda scopes: scopes[:1], lambda scopes: scopes[-1:]], ids=["first", "last"])
@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_token_that_is_for_one_repository_only_is_no_reason_to_believe_a_denial(
    registry: Registry, far_side: Any, granted: Any, status: int
) -> None:
    """Older versions of several token services read only one of the scopes."""
    guarded = Guarded(far_side)
    guarded.granted = granted
    challenged = guarded.denies
    guarded.denies = lambda request, given: request.reply(status, "{}") if given else challenged(request, given)
    registry.prepare(NAMES)
    read(registry, *NAMES)
    assert guarded.repositories == NAMES
    assert guarded.scopes[0] == SCOPES and all(len(scopes) == 1 for scopes in guarded.scopes[1:])
    assert len(guarded.denied) <= 3, "one without a token, and then it is learnt once"
    assert len(guarded.scopes) <= 1 + len(NAMES)


def test_threads_that_meet_a_token_for_one_repository_only(registry: Registry, far_side: Any) -> None:
    guarded = Guarded(far_side)
    guarded.granted = lambda scopes: scopes[:1]
    guarded.denies = lambda request, given: request.reply(404) if given else sends(401, b"", WWW_Authenticate=guarded.challenge)(request)
    registry.prepare(NAMES)
    at_once(lambda name: read(registry, name), NAMES * 3)
    assert sorted(guarded.repositories) == sorted(NAMES * 3)
    assert len(guarded.scopes) <= 2 + len(NAMES)


BASIC = {"WWW-Authenticate": 'Basic realm="x"'}
DENIALS: dict[str, Callable[[Any, Guarded], None]] = {
    "insufficient scope": lambda request, guarded: request.reply(
        401, headers={"WWW-Authenticate": guarded.challenge + ',error="insufficient_scope"'}
    ),
    "no challenge": lambda request, _guarded: request.reply(401, headers={}),
    "Basic only": lambda request, _guarded: request.reply(401, headers=BASIC),  # Harbor, to whoever brings a token
    "denied": lambda request, _guarded: request.reply(403, '{"errors": [{"code": "DENIED"}]}'),
    "not found": lambda request, _guarded: request.reply(404, NAME_UNKNOWN),
    "nothing": lambda request, _guarded: request.reply(404, headers={}),
}
NAME_UNKNOWN = '{"errors": [{"code": "NAME_UNKNOWN", "message": "repository name not known to registry"}]}'


@pytest.mark.parametrize("denial", DENIALS)
@pytest.mark.parametrize("credentials", [VENDOR, None])
def test_one_private_repository_spoils_no_other(http: Http, far_side: Any, denial: str, credentials: Any) -> None:
    guarded = Guarded(far_side)
    private = SCOPES[3]
    guarded.granted = lambda scopes: [scope for scope in scopes if scope != private]
    challenged = guarded.denies
    guarded.denies = lambda request, given: DENIALS[denial](request, guarded) if given else challenged(request, given)
    registry = Registry(far_side.host, http, credentials)
    registry.prepare(NAMES)
    read(registry, *NAMES[:3], *NAMES[4:])
    assert guarded.scopes == [SCOPES] and len(guarded.denied) == 1
    for _again in range(2):
        error = error_of(lambda: registry.describe(NAMES[3], "1.0"))
        assert error.reason == ("not_found" if DENIALS[denial] in (DENIALS["not found"], DENIALS["nothing"]) else error.reason)
        assert error.reason in ("unauthorized", "denied", "not_found")
        assert guarded.scopes[:2] == [SCOPES, [private]], "it wasn't believed before a token for this repository alone was tried"
    read(registry, *NAMES[:3], *NAMES[4:])
    assert guarded.scopes.count(SCOPES) == 1 and all(scopes in (SCOPES, [private]) for scopes in guarded.scopes)


@pytest.mark.parametrize("denial", DENIALS)
def test_a_denial_to_a_shared_token_is_none(registry: Registry, far_side: Any, denial: str) -> None:
    guarded = Guarded(far_side)
    guarded.granted = lambda scopes: scopes if len(scopes) == 1 else [scope for scope in scopes if scope != SCOPES[3]]
    challenged = guarded.denies
    guarded.denies = lambda request, given: DENIALS[denial](request, guarded) if given else challenged(request, given)
    registry.prepare(NAMES)
    at_once(lambda name: read(registry, name), NAMES * 2)
    assert sorted(guarded.repositories) == sorted(NAMES * 2)


def test_a_repository_that_takes_its_own_token_keeps_to_it(registry: Registry, http: Http, far_side: Any) -> None:
    guarded = Guarded(far_side)
    guarded.granted = lambda scopes: [scope for scope in scopes if scope != SCOPES[3]]
    registry.prepare(NAMES)
    error_of(lambda: read(registry, NAMES[3]))
    http.sleep(guarded.lives)
    read(registry, NAMES[0])  # with a new token for all
    denied = len(guarded.denied)
    guarded.denies = lambda request, _given: request.reply(404)
    error_of(lambda: read(registry, NAMES[3]))
    assert len(guarded.denied) == denied + 1


def test_a_denial_to_a_token_that_is_replaced_meanwhile_is_none(registry: Registry, http: Http, far_side: Any) -> None:
    guarded = Guarded(far_side)
    guarded.granted = lambda scopes: scopes if len(scopes) == 1 else [scope for scope in scopes if scope != SCOPES[3]]
    challenged = guarded.denies

    def denies(request: Any, given: str) -> None:
        if given:
            http.sleep(guarded.lives)
            at_once(lambda name: read(registry, name), [NAMES[0]])
            request.reply(404)
        else:
            challenged(request, given)

    guarded.denies = denies
    registry.prepare(NAMES)
    read(registry, NAMES[3])
    assert guarded.repositories == [NAMES[0], NAMES[3]]


def test_an_absence_is_believed_of_a_token_that_has_shown_something_there(registry: Registry, far_side: Any) -> None:
    """Or looking for each image's signatures would take a token for each."""
    guarded = Guarded(far_side)
    absent = sends(404, {"errors": [{"code": "MANIFEST_UNKNOWN"}]})
    far_side.answer = lambda request: (absent if request.path.endswith("/sig") and "Authorization" in request.headers else guarded.answer)(
        request
    )
    registry.prepare(NAMES)
    read(registry, *NAMES[1:])
    for name in NAMES:
        assert error_of(lambda one=name: registry.manifest(one, "sig")).reason == "not_found"
    assert guarded.scopes == [SCOPES, [SCOPES[0]]]


def test_a_service_with_one_token_for_everything_is_asked_once_more(registry: Registry, far_side: Any) -> None:
    challenged = sends(401, b"", WWW_Authenticate='Bearer realm="{0}/token"'.format(far_side.url))

    def answer(request: Any) -> None:
        if request.path.startswith("/token"):
            request.reply(200, '{"token": "anonymous"}')
        else:
            (sends(404, NAME_UNKNOWN.encode()) if "Authorization" in request.headers else challenged)(request)

    far_side.answer = answer
    registry.prepare(NAMES)
    for name in NAMES:
        assert error_of(lambda one=name: registry.manifest(one, "1.0")).reason == "not_found"
    assert len([path for path in far_side.paths if path.startswith("/token")]) == 2
    assert len(far_side.seen) == 2 + 2 + len(NAMES)


def test_a_refused_group_leaves_the_others(registry: Registry, far_side: Any) -> None:
    """GitHub's token service refuses all that are asked for with one that it doesn't grant."""
    guarded = Guarded(far_side)
    denied = REFUSALS["denied"]
    private = "repository:{0}:pull".format(MANY[50])
    far_side.answer = lambda request: (denied if private in parse_qsl_values(request.path) else guarded.answer)(request)
    registry.prepare(MANY)
    read(registry, *MANY[:22])
    assert error_of(lambda: read(registry, MANY[50])).status == 403
    shared = [scopes for scopes in guarded.scopes if len(scopes) > 1]
    alone = [scopes for scopes in guarded.scopes if len(scopes) == 1]
    assert len(shared) == 10 and len(guarded.denied) == 1
    assert alone == [["repository:{0}:pull".format(MANY[number])] for number in (6, 17)], "of its group"


def parse_qsl_values(path: str) -> list[str]:
    return [value for _name, value in parse_qsl(urlsplit(path).query)]


def test_a_shared_token_that_no_header_holds_is_never_sent(registry: Registry, far_side: Any) -> None:
    guarded = Guarded(far_side)
    guarded.granted = lambda scopes: [*scopes, "x" * 500 * len(scopes)]
    registry.prepare(MANY[:16])
    read(registry, *MANY[:16])
    sent = [len(headers.get("Authorization", "")) for _method, path, headers, _body in far_side.seen if path.startswith("/v2/")]
    assert max(sent) < 8100 and guarded.asked == [16, 8, 4, 4, 8, 4, 4] and guarded.repositories == MANY[:16]


def test_an_azure_registry_means_what_it_says_to_a_shared_token(http: Http, far_side: Any) -> None:
    registry = AzureRegistry(far_side.host, http)
    far_side.routes({"/oauth2/token": {"access_token": "t"}})
    registry.prepare(NAMES)
    for name in NAMES:
        assert error_of(lambda one=name: registry.manifest(one, "1.0")).reason == "not_found"
    assert len(far_side.seen) == 1 + len(NAMES)


# -- who asks first ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prepared", [True, False])
def test_of_many_threads_one_is_challenged(registry: Registry, far_side: Any, prepared: bool) -> None:
    guarded = Guarded(far_side)
    if prepared:
        registry.prepare(NAMES)
    at_once(lambda name: read(registry, name), NAMES * 2)
    assert len(guarded.denied) == 1 and sorted(guarded.repositories) == sorted(NAMES * 2)
    assert sorted(guarded.scopes) == ([SCOPES] if prepared else [[scope] for scope in SCOPES])


def test_of_many_threads_one_learns_that_a_password_is_wanted(http: Http, far_side: Any) -> None:
    far_side.answer = lambda request: (
        sends() if request.headers.get("Authorization") == VENDOR.basic() else sends(401, b"", WWW_Authenticate="Basic realm=x")
    )(request)
    registry = Registry(far_side.host, http, VENDOR)
    at_once(lambda name: read(registry, name), NAMES)
    assert len(far_side.seen) == len(NAMES) + 1


def test_where_nothing_is_wanted_all_are_on_their_way_after_the_first(registry: Registry, far_side: Any) -> None:
    together = threading.Barrier(len(NAMES) - 1)
    first = threading.Lock()

    def answer(request: Any) -> None:
        if not first.acquire(blocking=False):
            together.wait(5.0)
        sends()(request)

    far_side.answer = answer
    at_once(lambda name: read(registry, name), NAMES)
    assert len(far_side.seen) == len(NAMES)


@pytest.mark.parametrize("fails", [True, False])
def test_nobody_waits_long_for_the_first(
    registry: Registry, far_side: Any, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    """It may be the one image that its registry can't serve."""
    monkeypatch.setattr(_authorization, "FIRST_SECONDS", 60.0 if fails else 0.1)
    asked, others = threading.Lock(), threading.Event()

    def answer(request: Any) -> None:
        if asked.acquire(blocking=False):
            request.reply(302, headers={"Location": "http://plain.test/"}) if fails else (others.wait(5.0), sends()(request))
        else:
            sends()(request)
            others.set()

    far_side.answer = answer

    def look(name: str) -> None:
        try:
            read(registry, name)
        except AcrError as error:
            failed.append(error)

    failed: list[AcrError] = []
    began = time.monotonic()
    at_once(look, NAMES)
    assert len(far_side.seen) == len(NAMES) and len(failed) == fails and time.monotonic() - began < 30


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
    guarded = Guarded(far_side)
    registry.prepare(NAMES)
    read(registry, NAMES[0])
    guarded.repositories.clear()
    guarded.longest = 250  # four names fit
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
    read(registry, NAMES[0])
    far_side.answer = sends(400, {"errors": [{"code": "TAG_INVALID", "message": "bad tag"}]})
    assert "The registry says: bad tag." in str(error_of(lambda: read(registry, NAMES[0])))
    assert len(guarded.scopes) == 1


def test_a_token_that_ends_is_renewed_for_all_that_share_it(registry: Registry, http: Http, far_side: Any) -> None:
    guarded = Guarded(far_side)
    registry.prepare(NAMES)
    read(registry, *NAMES)
    http.sleep(guarded.lives * 0.8)
    read(registry, *NAMES)
    assert len(guarded.scopes) == 1
    http.sleep(guarded.lives * 0.15)
    read(registry, *NAMES)
    assert guarded.scopes == [SCOPES, SCOPES]


def test_many_threads_ask_for_one_token(registry: Registry, far_side: Any) -> None:
    guarded = Guarded(far_side)
    registry.prepare(NAMES)
    read(registry, NAMES[0])
    guarded.repositories.clear()
    guarded.renewed = 1  # and all of them meet a token that ended too early
    guarded.together = threading.Barrier(6)
    at_once(lambda name: read(registry, name), [NAMES[0]] * 6)
    assert guarded.repositories == [NAMES[0]] * 6
    assert guarded.scopes == [SCOPES, [SCOPES[0]]]


def test_a_token_of_its_own_that_ended_too_early_is_renewed(registry: Registry, far_side: Any) -> None:
    guarded = Guarded(far_side)
    read(registry, "a")
    guarded.renewed = 1
    read(registry, "a")
    assert guarded.scopes == [["repository:a:pull"]] * 2


def test_a_registry_that_names_another_scope_gets_it(registry: Registry, far_side: Any) -> None:
    guarded = Guarded(far_side)
    guarded.challenge += ',scope="repository:a:pull,push"'
    read(registry, "a")
    assert guarded.scopes == [["repository:a:pull,push"]]


def test_a_registry_that_names_another_scope_late_gets_it(registry: Registry, far_side: Any) -> None:
    """Only once it has seen that the first token isn't enough."""
    guarded = Guarded(far_side)

    def answer(request: Any) -> None:
        if request.headers.get("Authorization") and len(guarded.scopes) == 1:
            sends(401, b"", WWW_Authenticate=guarded.challenge + ',scope="repository:a:pull,push"')(request)
        else:
            guarded.answer(request)

    far_side.answer = answer
    read(registry, "a")
    assert guarded.scopes == [["repository:a:pull"], ["repository:a:pull,push"]]


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


def never(*_asked: Any, **_more: Any) -> Answer:
    raise AssertionError("nothing is asked")


TOKENS = TokenService(never, Context("registry.test", "registry.test"))


def sent(content: Any) -> Answer:
    return Answer(200, {}, json.dumps(content).encode())


@pytest.mark.parametrize("token", ["a b", "a\nb", "\u20ac", "é", "", 5, None, ["t"], {"t": 1}])
def test_what_is_no_token_is_never_sent(token: Any) -> None:
    with pytest.raises(AcrError, match="without a token"):
        TOKENS.read(sent({"token": token}), ["repository:team/app:pull"])


@pytest.mark.parametrize(
    ("expires_in", "expected"),
    [(300, 300), ("300", 300), (0, 60), (-1, 60), (None, 60), ("soon", 60), ([], 60), ({"a": 1}, 60), (1e999, 86400),
     (float("nan"), 60), (True, 1)],
)
def test_how_long_a_token_lives(expires_in: Any, expected: float) -> None:
    assert TOKENS.read(sent({"token": "t", "expires_in": expires_in}), []) == ("t", expected)


@pytest.mark.parametrize(
    ("life", "believed"), [(300, 300), (1800, 1800), (10800 + 900, 10800), (10**7, 86400 - 900), (0, None), (-5, None)]
)
def test_a_tokens_life_by_itself(life: int, believed: float | None) -> None:
    """Whatever this machine's clock says; Azure dates long ones back by a quarter of an hour."""
    payload = base64.urlsafe_b64encode(json.dumps({"iat": 5000, "exp": 5000 + life}).encode()).decode().rstrip("=")
    assert token_seconds("e30.{0}.x".format(payload)) == believed


# -- answers of somebody else ------------------------------------------------------------------------------------------


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
        ("unauthorized", "team/app:1.0 requires a sign-in. The given credentials were not sent: it offers neither Basic nor Bearer"),
        ("negotiate", "requires a sign-in. The given credentials were not sent: it offers neither Basic nor Bearer sign-in."),
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
