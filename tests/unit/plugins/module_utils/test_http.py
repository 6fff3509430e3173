# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests to a far side that fails, lies or stalls, over real HTTPS."""

from __future__ import annotations

import os
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from http.client import RemoteDisconnected
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
import urllib3

from ansible_collections.registryops.acr.plugins.module_utils import _http
from ansible_collections.registryops.acr.plugins.module_utils._errors import AcrError
from ansible_collections.registryops.acr.plugins.module_utils._http import Http, refuse_redirect
from ansible_collections.registryops.acr.plugins.module_utils._untrusted import Answer

SECRET = {"Authorization": "Bearer secret"}


def error_of(http: Http, url: str, **more: Any) -> AcrError:
    with pytest.raises(AcrError) as caught:
        http.request("reads", "GET", url, **more)
    message = str(caught.value)
    assert message.endswith(".") and len(message.splitlines()) == 1, message
    return caught.value


def test_an_answer(http: Http, far_side: Any) -> None:
    far_side.answer = lambda request: request.reply(404, '{"errors": [{"code": "NAME_UNKNOWN"}, 5]}', {"X-Any": "1"})
    answer = http.request("reads", "GET", far_side.url + "/v2/", headers=SECRET)
    assert (answer.status, answer.headers["x-any"], answer.errors()) == (404, "1", [{"code": "NAME_UNKNOWN"}])
    _method, path, headers, _body = far_side.seen[0]
    assert (path, headers["Authorization"], headers["Accept-Encoding"]) == ("/v2/", "Bearer secret", "identity")
    assert http.sent == {"reads": 1}
    assert answer.host == far_side.host


@pytest.fixture
def steady(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses without chance: eight tries take 49 s."""
    monkeypatch.setattr(_http.random, "uniform", lambda least, _most: least + 0.1)


@pytest.mark.parametrize("useless", [lambda request: request.hang_up(), lambda request: request.reply(503)], ids=["nothing", "503"])
def test_d2_a_host_that_nobody_gets_through_to_is_tried_once_until_it_answers(
    http: Http, far_side: Any, steady: None, useless: Any
) -> None:
    far_side.answer = useless
    assert error_of(http, far_side.url).reason == "unavailable"
    assert len(far_side.seen) == _http.TRIES
    assert error_of(http, far_side.url).reason == "unavailable"
    assert len(far_side.seen) == _http.TRIES + 1
    far_side.answer = lambda request: request.reply(200)
    http.request("reads", "GET", far_side.url)
    far_side.script(useless, lambda request: request.reply(200, '"right"'))
    assert http.request("reads", "GET", far_side.url).json() == "right"


def test_d2_nothing_is_slept_after_the_last_try(http: Http, far_side: Any) -> None:
    far_side.answer = lambda request: request.reply(503)
    error_of(http, far_side.url)
    assert len(http.pauses) == _http.TRIES - 1


def test_d2_an_answer_of_another_class_is_no_sign_for_this_one(http: Http, far_side: Any, steady: None) -> None:
    far_side.answer = lambda request: request.reply(503)
    error_of(http, far_side.url)
    far_side.answer = lambda request: request.reply(200)
    assert http.request("tokens", "GET", far_side.url).status == 200
    far_side.seen.clear()
    far_side.answer = lambda request: request.reply(503)
    error_of(http, far_side.url)
    assert len(far_side.seen) == 1


def test_no_cookie_is_kept(http: Http, far_side: Any) -> None:
    """Whoever sends: the Azure SDKs send through the session."""
    far_side.answer = lambda request: request.reply(200, "{}", {"Set-Cookie": "a=b; Path=/; Secure"})
    for _n in range(2):
        http.request("reads", "GET", far_side.url)
        http.session.request("GET", far_side.url)
    assert len(far_side.seen) == 4 and not any("Cookie" in headers for _m, _p, headers, _b in far_side.seen)


def test_connections_are_used_again(http: Http, far_side: Any) -> None:
    ports = set()

    def answer(request: Any) -> None:
        ports.add(request.client_address)
        request.reply(200, "{}")

    far_side.answer = answer
    for _n in range(5):
        http.request("reads", "GET", far_side.url)
    assert len(ports) == 1


def test_connections_that_were_closed_to_make_room_are_opened_again(http: Http, far_side: Any) -> None:
    assert http.request("reads", "GET", far_side.url).status == 200
    adapter: Any = http.session.get_adapter(far_side.url)
    adapter.poolmanager.clear()
    for pool in adapter.pools.values():
        pool.close()  # as older versions of urllib3 do
    assert http.request("reads", "GET", far_side.url).status == 200


def test_a_host_that_takes_no_connection_is_left_alone_for_a_while(http: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each try takes ten seconds: whoever waits for another's token, one after the other, would wait for hours."""
    tries: list[str] = []

    def send(prepared: Any, **_more: Any) -> None:
        tries.append(prepared.url)
        raise requests.exceptions.ConnectTimeout(urllib3.exceptions.ConnectTimeoutError(None, "timed out"))

    monkeypatch.setattr(http.session.get_adapter("https://"), "send", send)
    first = error_of(http, "https://registry.test/")
    assert first.reason == "unreachable" and len(tries) == _http.UNREACHED_TRIES
    assert str(error_of(http, "https://registry.test/")) == str(first) and len(tries) == _http.UNREACHED_TRIES
    http.sleep(_http.CONNECT_SECONDS + 0.1)
    error_of(http, "https://registry.test/")
    assert len(tries) == _http.UNREACHED_TRIES + 1


@pytest.mark.parametrize(
    "failing",
    [
        pytest.param(lambda request: request.reply(500, "oops"), id="500"),
        pytest.param(lambda request: request.reply(502, "<html>"), id="502"),
        pytest.param(lambda request: request.reply(503), id="503"),
        pytest.param(lambda request: request.reply(504), id="504"),
        pytest.param(lambda request: request.reply(429), id="429"),
        pytest.param(lambda request: request.hang_up(), id="no answer"),
        pytest.param(lambda request: (request.reply(200, "half", length=9), request.hang_up()), id="half an answer"),
    ],
)
def test_what_passes_is_tried_again(http: Http, far_side: Any, failing: Callable[[Any], None]) -> None:
    far_side.script(failing, failing, lambda request: request.reply(200, '"right"'))
    assert http.request("reads", "GET", far_side.url).json() == "right"
    assert len(far_side.seen) == http.sent["reads"] == 3


def older_urllib3(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before 2.1 it has no read1, and Python's own is used."""
    for kind in urllib3.response.HTTPResponse.__mro__:
        if "read1" in vars(kind):
            monkeypatch.delattr(kind, "read1")


def test_half_an_answer_is_none_with_an_older_urllib3_too(http: Http, far_side: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Python's read1 takes a connection's end for the end of what it was to bring."""
    older_urllib3(monkeypatch)
    far_side.script(lambda request: (request.reply(200, "1", length=9), request.hang_up()), lambda request: request.reply(200, "2"))
    assert http.request("reads", "GET", far_side.url).json() == 2
    far_side.answer = lambda request: request.reply(200, "", length=9)
    assert http.request("reads", "HEAD", far_side.url).body == b""


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("older", [False, True])
def test_whoever_takes_a_used_connection_finds_it_free(
    http: Http, far_side: Any, monkeypatch: pytest.MonkeyPatch, method: str, older: bool
) -> None:
    """Python's read1 leaves an answer open that has been read to its end: the next to ask would meet it."""
    if older:
        older_urllib3(monkeypatch)
    ports, real = set(), urllib3.response.HTTPResponse.release_conn
    waiting = [lambda: http.request("reads", "GET", far_side.url)]

    def release(response: Any) -> None:
        taken = response.connection is not None
        real(response)
        if taken and waiting:
            assert waiting.pop()().json() == 2

    def answer(request: Any) -> None:
        ports.add(request.client_address)
        request.reply(200, "2" if request.command == "GET" else "")

    monkeypatch.setattr(urllib3.response.HTTPResponse, "release_conn", release)
    far_side.answer = answer
    assert http.request("reads", method, far_side.url).status == 200
    assert (http.sent, len(ports), waiting) == ({"reads": 2}, 1, [])


@pytest.mark.parametrize(
    ("failing", "kind"),
    [
        (lambda request: request.reply(503, "<h1>" * 1000), "unavailable"),
        (lambda request: (request.reply(200, "half", length=9), request.hang_up()), "unavailable"),
    ],
)
def test_what_does_not_pass_ends_after_a_few_tries(http: Http, far_side: Any, failing: Any, kind: str) -> None:
    far_side.answer = failing
    error = error_of(http, far_side.url)
    assert error.reason == kind and far_side.host in str(error) and "<h1>" not in str(error)
    assert len(far_side.seen) == _http.TRIES


def test_being_refused_is_borne_for_a_time(http: Http, far_side: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_http, "PATIENCE", 0.3)
    monkeypatch.setattr(http, "_backoff", lambda *_arguments: 0.01)
    far_side.answer = lambda request: request.reply(429, headers={})
    assert error_of(http, far_side.url).reason == "throttled"
    assert len(far_side.seen) >= _http.TRIES


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 409, 501])
def test_other_answers_are_final(http: Http, far_side: Any, status: int) -> None:
    far_side.answer = lambda request: request.reply(status)
    assert http.request("reads", "GET", far_side.url).status == status
    assert len(far_side.seen) == 1


@pytest.mark.parametrize(
    ("retry_after", "least", "most"),
    [("7", 7, 7), ("0", 0, 1), ("-5", 0, 1), ("nan", 0, 1), ("soon", 0, 1), ("\xb2", 0, 1), ("Wed, 21 Oct 2020 07:28:00 GMT", 0, 1),
     ("89", 89, 89)],
)  # fmt: skip
def test_retry_after(http: Http, far_side: Any, retry_after: str, least: float, most: float) -> None:
    far_side.script(lambda request: request.reply(503, headers={"Retry-After": retry_after}), lambda request: request.reply(200))
    http.request("reads", "GET", far_side.url)
    (pause,) = http.pauses
    assert least <= pause <= most


def test_d3_a_time_since_1970_is_waited_for(http: Http, far_side: Any) -> None:
    far_side.script(
        lambda request: request.reply(429, headers={"Retry-After": str(int(time.time()) + 20)}), lambda request: request.reply(200)
    )
    assert http.request("reads", "GET", far_side.url).status == 200
    assert 17 < sum(http.pauses) < 21


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("retry_after", ["9999999", "1e999", "inf", "3600", "in an hour, since 1970"])
def test_d1_a_wait_beyond_our_patience_is_none(http: Http, far_side: Any, status: int, retry_after: str) -> None:
    hour = time.time() + 3600
    named = {time.strftime(" and asks to wait until %H:%M UTC", time.gmtime(hour + more)) for more in (0, 60, 120)}
    retry_after = str(int(hour)) if "hour" in retry_after else retry_after
    far_side.answer = lambda request: request.reply(status, headers={"Retry-After": retry_after})
    error = error_of(http, far_side.url)
    assert error.passing and error.status == status and len(far_side.seen) == 1
    assert http.pauses == []
    says = re.sub(r" \d{4}-\d\d-\d\d ", " ", str(error))  # tomorrow's date
    if retry_after in ("9999999", "1e999", "inf"):
        assert says.endswith("; run again later.") and " until " not in says, "nobody knows when that is"
    else:
        assert says.endswith("; run again then.") and any(one in says for one in named), says


@pytest.mark.parametrize("retry_after", ["0", "0.001", "-1"])
def test_d4_no_wait_at_all_is_no_leave_to_flood(http: Http, far_side: Any, retry_after: str) -> None:
    far_side.answer = lambda request: request.reply(429, headers={"Retry-After": retry_after})
    assert error_of(http, far_side.url).reason == "throttled"
    assert len(far_side.seen) < 15


def test_no_request_is_started_after_the_deadline(far_side: Any) -> None:
    far_side.answer = lambda request: request.reply(503, headers={"Retry-After": "60"})
    began = time.monotonic()
    assert error_of(Http(deadline=began + 5), far_side.url).reason == "unavailable"
    assert len(far_side.seen) == 1, "the pause that was asked for ends after the deadline"
    http = Http(deadline=time.monotonic() - 1)
    http.pace.bucket(far_side.host, "reads").refused(1)
    assert error_of(http, far_side.url).reason == "timeout"
    assert time.monotonic() - began < 4


class Ticking:
    """A clock that goes on by *seconds* whenever it is looked at; each time, the far side sends another byte."""

    def __init__(self, seconds: float) -> None:
        self.now, self.seconds = 1000.0, seconds
        self.looks = threading.Semaphore(0)

    def __call__(self) -> float:
        self.now += self.seconds
        self.looks.release()
        return self.now

    def byte_at_a_time(self, request: Any) -> None:
        request.trickle(b"x" * 1000, lambda: self.looks.acquire(timeout=5.0))


def test_a_byte_at_a_time_ends_at_the_deadline(far_side: Any) -> None:
    clock = Ticking(0.05)
    far_side.answer = clock.byte_at_a_time
    error = error_of(Http(deadline=clock.now + 5.0, clock=clock, sleep=lambda _seconds: False), far_side.url)
    assert error.reason == "unavailable" and "answers too slowly: a request takes more than 4." in str(error)
    assert len(far_side.seen) == 1 and clock.now < 1006


def test_a_byte_at_a_time_is_given_up(far_side: Any) -> None:
    clock = Ticking(1.0)
    far_side.answer = clock.byte_at_a_time
    error = error_of(Http(clock=clock, sleep=lambda _seconds: False), far_side.url)
    assert error.tries == len(far_side.seen) == _http.SLOW_TRIES and "takes more than 30 s." in str(error)
    assert clock.now < 1000 + _http.SLOW_TRIES * (_http.REQUEST_SECONDS + 20)


MANY = 500  # pieces of a body without end: 30 MB, far more than any buffer between the two ends holds


def without_end(sent: list[int], status: int, headers: dict[str, str]) -> Callable[[Any], None]:
    """A body that is longer than anybody should read; *sent* gets an entry for each piece that was taken."""

    def answer(request: Any) -> None:
        request.send_response(status)
        for name, value in headers.items():
            request.send_header(name, value)
        request.end_headers()
        for _n in range(MANY):
            sent.append(request.wfile.write(b"x" * 65536))
        request.hang_up()  # or whoever reads it all would wait for more

    return answer


def test_a_body_without_end_is_refused(http: Http, far_side: Any) -> None:
    sent: list[int] = []
    far_side.answer = without_end(sent, 200, {})
    error = error_of(http, far_side.url, limit=100_000)
    assert error.reason == "protocol" and "more than 100000 bytes" in str(error)
    assert len(sent) < MANY, "the rest was not even received"


@pytest.mark.parametrize("follow", [True, False])
def test_a_redirect_without_end_is_refused(http: Http, far_side: Any, follow: bool) -> None:
    sent: list[int] = []
    far_side.answer = without_end(sent, 307, {"Location": "/elsewhere"})
    assert "more than" in str(error_of(http, far_side.url, limit=100_000, follow=follow))
    assert len(sent) < MANY and len(far_side.seen) == 1


def test_a_compressed_bomb_stays_compressed(http: Http, far_side: Any) -> None:
    import gzip

    bomb = gzip.compress(b" " * (2 * _http.BODY_LIMIT))
    far_side.answer = lambda request: request.reply(200, bomb, {"Content-Encoding": "gzip", "Content-Type": "application/json"})
    answer = http.request("reads", "GET", far_side.url)
    assert answer.body == bomb and answer.json() is None


@pytest.mark.parametrize("body", ["[" * 100_000, '{"a":' * 100_000, "1" * 5000, "\ufeff{}", "", "nul", "<html>"])
def test_what_is_no_json_is_none(http: Http, far_side: Any, body: str) -> None:
    far_side.answer = lambda request: request.reply(200, body)
    answer = http.request("reads", "GET", far_side.url)
    assert answer.json() is None and answer.errors() == []


# -- redirects -------------------------------------------------------------------------------------------------------


def test_a_redirect_takes_no_secret_to_another_host(
    http: Http, serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_http, "local", lambda host: False)  # both ends of this test are local
    here, there = serve(), serve()
    here.script(
        lambda request: request.reply(307, headers={"Location": "/second"}),
        lambda request: request.reply(302, headers={"Location": there.url + "/third"}),
    )
    there.answer = lambda request: request.reply(200, '"blob"')
    answer = http.request("reads", "GET", here.url + "/first", headers=SECRET, follow=True)
    assert (answer.json(), answer.host) == ("blob", there.host)
    assert [headers.get("Authorization") for _m, _p, headers, _b in here.seen] == ["Bearer secret"] * 2
    assert [headers.get("Authorization") for _m, _p, headers, _b in there.seen] == [None]


@pytest.fixture
def hops(http: Http, monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[tuple[str, bool]]]:
    """Answers by URL, without a network. ``hops({url: answer})`` returns the list of what is asked: (URL, with a secret?)."""

    def script(answers: dict[str, Answer]) -> list[tuple[str, bool]]:
        asked: list[tuple[str, bool]] = []

        def send(_method: str, url: str, headers: dict[str, str], _form: Any, _limit: int) -> Answer:
            asked.append((url, "Authorization" in headers))
            return replace(answers[url])

        monkeypatch.setattr(http, "_send_once", send)
        return asked

    return script


def moved(location: str) -> Answer:
    return Answer(307, {"Location": location})


def test_b1_the_same_host_written_otherwise_is_no_other_host(http: Http, hops: Any) -> None:
    asked = hops({"https://registry.test/a": moved("https://Registry.TEST.:443/b"), "https://Registry.TEST.:443/b": Answer(401, {})})
    answer = http.request("reads", "GET", "https://registry.test/a", headers=SECRET, follow=True)
    assert answer.strayed == "" and all(secret for _url, secret in asked) and len(asked) == 2


def test_b1_whoever_was_at_another_host_comes_back_without_the_secret(http: Http, hops: Any) -> None:
    asked = hops({
        "https://registry.test/a": moved("https://other.test/b"),
        "https://other.test/b": moved("https://registry.test/c"),
        "https://registry.test/c": Answer(401, {}),
    })  # fmt: skip
    answer = http.request("reads", "GET", "https://registry.test/a", headers=SECRET, follow=True)
    assert [secret for _url, secret in asked] == [True, False, False] and answer.strayed == "other.test"


def test_b1_another_hosts_refusals_are_its_own(http: Http, hops: Any) -> None:
    asked = hops({
        "https://registry.test/a": moved("https://other.test/b"),
        "https://other.test/b": Answer(429, {"Retry-After": "3600"}),
        "https://registry.test/c": Answer(200, {}),
    })  # fmt: skip
    error = error_of(http, "https://registry.test/a", follow=True)
    assert str(error).startswith("other.test answers 'too many requests'") and str(error).endswith(" registry.test redirects there.")
    assert http.request("reads", "GET", "https://registry.test/c").status == 200
    assert http.pauses == [] and len(asked) == 3


def test_redirects_are_not_followed_unasked(http: Http, far_side: Any) -> None:
    far_side.answer = lambda request: request.reply(307, headers={"Location": far_side.url})
    assert http.request("tokens", "POST", far_side.url, form=[("password", "secret")]).status == 307
    assert len(far_side.seen) == 1


def test_redirects_in_circles_end(http: Http, far_side: Any) -> None:
    far_side.answer = lambda request: request.reply(301, headers={"Location": "/again"})
    assert "in circles" in str(error_of(http, far_side.url, follow=True))
    assert len(far_side.seen) == 1 + _http.REDIRECTS


@pytest.mark.parametrize("location", ["https://[", "https://a b/", "https://é.test/", "https://x:y/", "https://x:0/"])
def test_a_redirect_to_nowhere(http: Http, far_side: Any, location: str) -> None:
    far_side.answer = lambda request: request.reply(307, headers={"Location": location})
    assert error_of(http, far_side.url, follow=True).reason == "protocol"
    assert len(far_side.seen) == 1


@pytest.mark.parametrize(
    "target",
    [
        "https://127.0.0.1/", "https://127.1/", "https://2130706433/", "https://0x7f.1/", "https://0177.0.0.1/",
        "https://localhost/", "https://LOCALHOST./", "https://a.localhost/", "https://[::1]/", "https://[::ffff:127.0.0.1]/",
        "https://169.254.169.254/metadata/instance", "https://[fe80::1]/", "https://10.0.0.1/", "https://192.168.1.1:8443/",
        "https://0.0.0.0/", "https://0/", "https://168.63.129.16.:443/", "https://127.0.0.1./",
    ],
)  # fmt: skip
def test_no_redirect_leads_to_a_local_address(target: str) -> None:
    if "168.63" in target:  # Azure's own host of the machine has a global address: nothing tells it from others
        refuse_redirect("https://registry.test/v2/", target)
        return
    with pytest.raises(AcrError, match="local address"):
        refuse_redirect("https://registry.test/v2/", target)


@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("https://registry.test/v2/", "https://blobs.test/x"),
        ("https://registry.test/v2/", "https://registry.test/x"),
        ("https://registry.test/v2/", "https://8.8.8.8/x"),
        ("https://10.0.0.1:5000/v2/", "https://10.0.0.1:5000/x"),
        ("https://registry.test/v2/", "https://10.example.test/x"),
    ],
)
def test_other_redirects_are_followed(http: Http, hops: Any, source: str, target: str) -> None:
    asked = hops({source: moved(target), target: Answer(200, {}, b'"right"')})
    answer = http.request("reads", "GET", source, headers=SECRET, follow=True)
    here, there = urlsplit(source).netloc, urlsplit(target).netloc
    assert (answer.json(), answer.strayed) == ("right", "" if here == there else there)
    assert asked == [(source, True), (target, here == there)]


def test_no_redirect_leaves_tls() -> None:
    with pytest.raises(AcrError, match="plain HTTP"):
        refuse_redirect("https://registry.test/v2/", "http://registry.test/v2/")


# -- connections that fail -------------------------------------------------------------------------------------------


def test_a_host_that_is_not_there(http: Http, serve: Callable[..., Any]) -> None:
    for url in ("https://127.0.0.1:1/", "https://nowhere.invalid/"):
        error = error_of(http, url)
        assert error.reason == "unreachable" and "can't be reached" in str(error)


@pytest.mark.parametrize(
    ("reason", "kind"),
    [
        (urllib3.exceptions.ProtocolError("Connection aborted.", RemoteDisconnected("refused to resolve")), "unavailable"),
        (urllib3.exceptions.NewConnectionError(None, "no route"), "unreachable"),
        (urllib3.exceptions.ProtocolError("Connection aborted.", ConnectionRefusedError(111, "no")), "unreachable"),
    ],
)
def test_the_kind_of_an_error_decides_and_not_its_words(
    http: Http, monkeypatch: pytest.MonkeyPatch, reason: Exception, kind: str
) -> None:
    def send(*_args: Any, **_more: Any) -> None:
        raise requests.exceptions.ConnectionError(reason)

    monkeypatch.setattr(http.session.get_adapter("https://"), "send", send)
    assert error_of(http, "https://registry.test/").reason == kind


def test_a_certificate_from_elsewhere(http: Http, serve: Callable[..., Any]) -> None:
    there = serve(trusted=False)
    error = error_of(http, there.url, headers=SECRET)
    assert error.reason == "certificate" and "REQUESTS_CA_BUNDLE" in str(error)
    assert there.seen == []


def test_the_ca_bundle_is_read_once(serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes 25 ms, and there are dozens of connections."""
    read: list[dict[str, str]] = []

    class Context(ssl.SSLContext):
        def load_verify_locations(self, *args: Any, **more: Any) -> None:
            read.append(more)
            super().load_verify_locations(*args, **more)

    monkeypatch.setattr("urllib3.util.ssl_.SSLContext", Context)
    http = Http()
    for there in (serve(), serve(), serve()):
        assert http.request("reads", "GET", there.url).status == 200
    assert read == [{"cafile": os.environ["REQUESTS_CA_BUNDLE"]}]


@pytest.mark.parametrize("content", [None, "", "no certificate"])
def test_a_ca_bundle_that_is_none(
    http: Http, far_side: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None
) -> None:
    bundle = tmp_path / "bundle.pem"
    if content is not None:
        bundle.write_text(content)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    error = error_of(http, far_side.url)
    assert error.reason == "certificate" and str(error).startswith(f"The CA bundle {bundle} can't be read: ")
    assert far_side.seen == []


def test_a_certificate_that_has_expired(http: Http, serve: Callable[..., Any]) -> None:
    import datetime

    there = serve(not_after=datetime.datetime(2020, 1, 1, tzinfo=datetime.timezone.utc))
    error = error_of(http, there.url, headers=SECRET)
    assert error.reason == "certificate" and "expired" in str(error)
    assert there.seen == []


@pytest.mark.parametrize("url", ["https://a..test/", "https://" + "a" * 64 + ".test/", "https://.test/", "https://*.test/"])
def test_a_name_that_is_no_name(http: Http, serve: Callable[..., Any], url: str) -> None:
    assert error_of(http, url).reason == "unreachable"


@pytest.mark.parametrize("value", ["a\nb", "a\r\nX-Other: 1", "\u20ac", " leading"])
def test_a_header_that_can_not_be_sent(http: Http, far_side: Any, value: str) -> None:
    error = error_of(http, far_side.url, headers={"Authorization": value})
    assert error.reason == "protocol" and value not in str(error) and repr(value)[1:-1] not in str(error)
    assert far_side.seen == []


@pytest.mark.parametrize(
    "head",
    [b"", b"garbage\r\n\r\n", b"HTTP/1.1 abc\r\n\r\n", b"HTTP/1.1 99999 x\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
     b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n{", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
     b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
     b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n", b"\xff\xfe" * 40],
)
def test_garbage_instead_of_http(http: Http, far_side: Any, head: bytes) -> None:
    def answer(request: Any) -> None:
        request.wfile.write(head)
        request.hang_up()

    far_side.answer = answer
    try:
        found = http.request("reads", "GET", far_side.url)
    except AcrError as error:
        assert error.reason in ("unavailable", "unreachable", "protocol") and len(str(error)) < 1000
    else:
        assert found.json() is None


def test_a_proxy_that_hangs_up_is_asked_as_often_as_a_host_that_does(http: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:{0}".format(proxy.getsockname()[1]))
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)

        def serve() -> None:
            while len(seen) < _http.TRIES:
                connection, _address = proxy.accept()
                seen.append(connection.recv(65536))
                connection.close()

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        error = error_of(http, "https://registry.test/")
    assert error.reason == "unavailable" and str(error).startswith("registry.test closed the connection: ")
    assert len(seen) == _http.TRIES and seen[0].startswith(b"CONNECT registry.test:443")


def test_a_proxy_that_refuses_says_so(http: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    def send(*_args: Any, **_more: Any) -> None:
        refused = urllib3.exceptions.ProxyError("Cannot connect to proxy.", OSError("Tunnel connection failed: 403 Forbidden"))
        raise requests.exceptions.ProxyError(urllib3.exceptions.MaxRetryError(None, "/", refused))

    monkeypatch.setattr(http.session.get_adapter("https://"), "send", send)
    error = error_of(http, "https://registry.test/")
    assert error.reason == "unreachable"
    assert str(error) == "The proxy could not connect to registry.test: Tunnel connection failed: 403 Forbidden."


def test_a_connection_lost_behind_a_proxy_is_no_proxy_that_can_not_be_reached(http: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    """urllib3 before 2 blames the proxy for all that it reaches through it."""
    tries: list[str] = []

    def send(prepared: Any, **_more: Any) -> None:
        tries.append(prepared.url)
        lost = urllib3.exceptions.ProxyError("Cannot connect to proxy.", RemoteDisconnected("Remote end closed connection"))
        raise requests.exceptions.ProxyError(urllib3.exceptions.MaxRetryError(None, "/", lost))

    monkeypatch.setattr(http.session.get_adapter("https://"), "send", send)
    error = error_of(http, "https://registry.test/")
    assert error.reason == "unavailable" and str(error) == "registry.test closed the connection: Remote end closed connection."
    assert len(tries) == _http.TRIES


@pytest.mark.parametrize("proxy", ["http://user:se/cret@127.0.0.1:9", "http://user:s#ecret@127.0.0.1:9", "u:s?ecret@proxy:9"])
def test_a_proxys_password_is_never_taken_for_its_host(monkeypatch: pytest.MonkeyPatch, proxy: str) -> None:
    """urllib3 and all above it repeat in their complaint what they take for the host."""
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    with pytest.raises(AcrError) as failure:
        Http()
    assert str(failure.value).startswith("HTTPS_PROXY can't be read") and "percent-encoded" in str(failure.value)
    monkeypatch.setenv("HTTPS_PROXY", "http://user:se%2Fcret@127.0.0.1:9/")
    Http()


def test_close_ends_all_waiting() -> None:
    http = Http()
    http.pace.bucket("host", "reads").refused(60.0)
    found: list[AcrError] = []

    def ask() -> None:
        try:
            http.request("reads", "GET", "https://host/")
        except AcrError as error:
            found.append(error)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    http.close()
    thread.join(20.0)
    assert found and found[0].reason == "timeout" and not http.sent


def test_a_pause_ends_with_the_run() -> None:
    http = Http()
    assert http.pause(0.01)
    http.deadline = time.monotonic() + 60
    assert http.pause(0.01)
    began = time.monotonic()
    assert not http.pause(61.0)
    http.deadline = None
    threading.Timer(0.05, http.close).start()
    assert not http.pause(60.0)
    assert time.monotonic() - began < 20
