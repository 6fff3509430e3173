# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests to a server that misbehaves, over real TLS on loopback."""
from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Callable

import pytest
import trustme

from ansible_collections.registryops.acr.plugins.module_utils._errors import AcrError
from ansible_collections.registryops.acr.plugins.module_utils._http import Http

Server = Callable[[bytes], str]


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """``server(answer)`` gives the URL of a host that sends these bytes to whoever asks, and hangs up."""
    authority = trustme.CA()
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(bundle)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    for name in ("HTTPS_PROXY", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    listener = socket.create_server(("127.0.0.1", 0))

    def start(answer: bytes) -> str:
        def serve() -> None:
            while True:
                try:
                    connection, _address = listener.accept()
                except OSError:
                    return  # the test is over
                with context.wrap_socket(connection, server_side=True) as tls:
                    tls.recv(65536)
                    tls.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        return f"https://localhost:{listener.getsockname()[1]}/"

    yield start
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nonly this",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno size\r\nat all",
    ],
    ids=["length", "chunked", "no chunk"],
)
def test_an_answer_that_breaks_off_is_a_passing_failure(server: Server, answer: bytes) -> None:
    http = Http(deadline=time.monotonic() + 1.0)
    with pytest.raises(AcrError) as failure:
        http.request("reads", "GET", server(answer))
    assert failure.value.kind == "unavailable", failure.value
    assert "localhost" in str(failure.value)


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
    assert found and found[0].kind == "timeout" and not http.sent
