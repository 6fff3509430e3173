# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A far side over real HTTPS on loopback, whose answers a test writes itself."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
import trustme

from ansible_collections.registryops.acr.plugins.module_utils import _authorization, _http
from ansible_collections.registryops.acr.plugins.module_utils._http import Http
from tests.unit.plugins.held import unhurried

JSON = {"Content-Type": "application/json"}
NOT_FOUND = '{"errors": [{"code": "NAME_UNKNOWN", "message": "repository name not known to registry"}]}'


class FarSide:
    """Answers all requests by `answer`, which a test sets; *seen* holds (method, path, headers, body) of each."""

    def __init__(self, address: str) -> None:
        self.host = address
        self.url = "https://" + address
        self.seen: list[tuple[str, str, dict[str, str], str]] = []
        self.answer: Callable[[_Handler], None] = lambda request: request.reply(200)

    def script(self, *answers: Callable[[_Handler], None]) -> None:
        """The answers in this order; the last one for all that follow."""
        left = list(answers)

        def answer(request: _Handler) -> None:
            following = left.pop(0) if len(left) > 1 else left[0]
            following(request)

        self.answer = answer

    def routes(self, answers: dict[str, Any]) -> None:
        """Answers by path, whatever its query: what answers the request, or what is sent as JSON. 404 for all others."""

        def answer(request: _Handler) -> None:
            found = answers.get(request.path.partition("?")[0])
            if callable(found):
                found(request)
            elif found is not None:
                request.reply(200, json.dumps(found))
            else:
                request.reply(404, NOT_FOUND)

        self.answer = answer

    def forms(self, path: str) -> list[list[tuple[str, str]]]:
        """What was sent to *path* as a form, once for each request."""
        return [parse_qsl(body, keep_blank_values=True) for _method, there, _headers, body in self.seen if there == path]

    @property
    def paths(self) -> list[str]:
        return [path for _method, path, _headers, _body in self.seen]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or each body waits 40 ms for the client to acknowledge its head
    far_side: FarSide

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        self.far_side.seen.append((self.command, self.path, dict(self.headers), body))
        self.far_side.answer(self)

    do_GET = do_HEAD = do_POST = do_PATCH = _serve

    def reply(self, status: int, body: bytes | str = b"", headers: dict[str, str] | None = None, length: int = -1) -> None:
        """A whole answer; with *length*, one that announces another length than it has."""
        content = body.encode() if isinstance(body, str) else body
        self.send_response(status)
        for name, value in (JSON if headers is None else headers).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content) if length < 0 else length))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def trickle(self, body: bytes, turn: Callable[[], bool]) -> None:
        """An answer of a byte for each *turn*, until there are no more or the client has had enough."""
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        try:
            for number in range(len(body)):
                if not turn():
                    break
                self.wfile.write(body[number : number + 1])
        except OSError:
            pass
        self.close_connection = True

    def hang_up(self) -> None:
        """No answer: the connection is closed."""
        self.close_connection = True

    def log_message(self, *_args: object) -> None:
        """Silent."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, *_args: object) -> None:
        """Silent: clients leave when they have seen enough."""


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> trustme.CA:
    return trustme.CA(key_type=trustme.KeyType.ECDSA)


@pytest.fixture
def serve(authority: trustme.CA, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., FarSide]]:
    """``serve()``: another host. ``serve(trusted=False)``: one whose certificate comes from elsewhere."""
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    running: list[tuple[Any, threading.Thread]] = []

    def start(trusted: bool = True, **certificate: Any) -> FarSide:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        issuer = authority if trusted else trustme.CA(key_type=trustme.KeyType.ECDSA)
        issuer.issue_cert("127.0.0.1", key_type=trustme.KeyType.ECDSA, **certificate).configure_cert(context)
        handler = type("Handler", (_Handler,), {})
        server = _Server(("127.0.0.1", 0), handler)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        handler.far_side = FarSide(f"127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        running.append((server, thread))
        return handler.far_side

    yield start
    for server, thread in running:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def far_side(serve: Callable[..., FarSide]) -> FarSide:
    return serve()


@pytest.fixture
def http() -> Http:
    """One that waits for nothing."""
    return unhurried()


@pytest.fixture
def elsewhere(serve: Callable[..., FarSide], monkeypatch: pytest.MonkeyPatch) -> FarSide:
    """Another host; both are local here, so that this is allowed."""
    for module in (_authorization, _http):
        monkeypatch.setattr(module, "local", lambda _host: False)
    return serve()
