# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sandbox's front: an HTTP proxy on loopback that plays every host itself, over TLS, under its real name.

``CONNECT host:port`` is answered 200; then TLS is terminated on that very connection with a certificate for ``host``
and aiohttp serves the requests. Unknown hosts get 502, so nothing ever leaves the machine. This module also keeps the
request log, adds round trips, limits the registries' rates and injects faults.
"""
from __future__ import annotations

import asyncio
import datetime
import gzip
import json
import re
import socket
import ssl
import sys
import time
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import trustme
from aiohttp import web

from . import admin, entra, seed, upstream
from .acr import front as acr
from .acr.answers import common_headers
from .arm import routes as arm
from .knobs import Action, Fault, Throttle
from .lies import dress
from .model import TIER_LIMITS, AzureRegistry
from .state import State

Handler = Callable[[State, web.BaseRequest], Awaitable[web.StreamResponse]]

_TOO_LARGE = (
    "<html>\r\n<head><title>400 Request Header Or Cookie Too Large</title></head>\r\n<body>\r\n"
    "<center><h1>400 Bad Request</h1></center>\r\n<center>Request Header Or Cookie Too Large</center>\r\n"
    "<hr><center>openresty</center>\r\n</body>\r\n</html>\r\n"
)
_TOO_MANY = json.dumps(
    {
        "errors": [
            {
                "code": "TOOMANYREQUESTS",
                "message": "Too many requests. Please visit https://aka.ms/acr/skus#sku-feature-matrix "
                "to view limits of all service tiers.",
            }
        ]
    },
    separators=(",", ":"),
)

_REGISTRY_CLASSES = [
    (re.compile(pattern), name)
    for pattern, name in (
        (r"^/oauth2/token|^/token", "token"),
        (r"^/oauth2/exchange", "exchange"),
        (r"^/(acr/v1|v2)/_catalog$", "catalog"),
        (r"^/acr/v1/.+/_tags/?$|^/v2/.+/tags/list$", "tag_list"),
        (r"^/acr/v1/", "metadata"),
        (r"^/v2/.+/referrers/", "referrers"),
        (r"^/v2/.+/manifests/", "manifest"),
        (r"^/v2/.+/blobs/", "blob"),
    )
]


def classify(kind: str, method: str, path: str) -> str:
    """The class of a request in the log: ``kind`` is entra, arm or registry."""
    if kind == "entra":
        return "token" if path.endswith("/token") else "authority"
    if kind == "arm":
        low = path.lower()
        if low.startswith("/metadata/"):
            return "authority"
        if "/operationresults/" in low:
            return "import_poll"
        if low.endswith("/importimage"):
            return "import"
        return "arm_read" if method in ("GET", "HEAD") else "arm_write"
    for pattern, name in _REGISTRY_CLASSES:
        if pattern.search(path):
            return name
    return "other"


class Server:
    """One sandbox in this process: ``await start()``, then ``proxy_port`` and ``admin_port`` answer."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.state = State(root)
        self.ca = trustme.CA(key_type=trustme.KeyType.ECDSA)
        self.ca_path = root / "ca.pem"
        self.proxy_port = 0
        self.admin_port = 0
        self._contexts: dict[str, tuple[float | None, ssl.SSLContext]] = {}
        self._tunnels: set[_Tunnel] = set()
        self._listener: asyncio.AbstractServer | None = None
        self._admin: web.AppRunner | None = None
        # aiohttp's own limits are lifted: Azure's, where it has any, are applied per host.
        self.web = web.Server(
            self._serve, access_log=None, keepalive_timeout=75, max_line_size=1 << 16, max_field_size=1 << 16
        )

    async def start(self, port: int = 0) -> None:
        """Seed the registries and listen on loopback; ``port`` 0 takes a free one for the proxy."""
        self.root.mkdir(parents=True, exist_ok=True)
        self.ca.cert_pem.write_to_path(str(self.ca_path))
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(report)
        self._listener = await loop.create_server(lambda: _Tunnel(self), "127.0.0.1", port, backlog=1024)
        self.proxy_port = self._listener.sockets[0].getsockname()[1]
        self._admin = web.AppRunner(admin.make_app(self.state), access_log=None)
        await self._admin.setup()
        site = web.TCPSite(self._admin, "127.0.0.1", 0)
        await site.start()
        self.admin_port = self._admin.addresses[0][1]
        await seed.seed(self.state)
        self.state.remember()

    async def stop(self) -> None:
        for task in list(self.state.tasks):
            task.cancel()
        if self._listener is not None:
            self._listener.close()
        for tunnel in list(self._tunnels):
            tunnel.abort()
        await self.web.shutdown(1)
        if self._admin is not None:
            await self._admin.cleanup()
        stores = {id(s): s for s in (r.store for r in self.state.registries.values())}
        stores.update({id(u.store): u.store for u in self.state.upstreams.values()})
        await asyncio.gather(*(store.stop() for store in stores.values()))

    def context(self, host: str) -> ssl.SSLContext:
        """TLS for ``host``, with a certificate minted at its first use under the present ``certificate_seconds``."""
        seconds = self.state.knobs.certificate_seconds.get(host)
        known, context = self._contexts.get(host, (None, None))
        if context is None or known != seconds:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.set_alpn_protocols(["http/1.1"])
            ends = {} if seconds is None else {
                "not_after": datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
            }
            self.ca.issue_cert(host, key_type=trustme.KeyType.ECDSA, **ends).configure_cert(context)
            self._contexts[host] = (seconds, context)
        return context

    def route(self, host: str) -> tuple[str, Handler] | None:
        """Kind and app of a host name, or None for one that the sandbox doesn't play."""
        if host in self.state.registry_hosts:
            return "registry", acr.handle
        if host in self.state.upstreams:
            return "registry", upstream.handle
        cloud = self.state.cloud_of(host)
        if cloud is None:
            return None
        return ("arm", arm.handle) if host == cloud.arm_host else ("entra", entra.handle)

    # ---- one request --------------------------------------------------------------------------------------------

    async def _serve(self, request: web.BaseRequest) -> web.StreamResponse:
        state = self.state
        knobs = state.knobs
        began, clock = time.time(), time.perf_counter()
        host = request.host.rsplit(":", 1)[0].lower()
        routed = self.route(host)
        kind, app = routed if routed is not None else ("registry", _misdirected)
        path = request.path
        request["class"] = group = classify(kind, request.method, path)
        if request.body_exists:
            _acknowledge(request)
        status = 0
        try:
            fault = None
            if knobs.faults:
                facts = {"class": group, "host": host, "method": request.method, "path": path}
                fault = next((f for f in knobs.faults if f.fires(facts)), None)
            response = await self._answer(request, app, host, fault)
            if response is None:  # dropped
                return web.Response()
            if knobs.lies:
                dress(knobs.lies, request, host, response)
            if knobs.round_trip_seconds:  # what we need ourselves is no part of what Azure needs
                await asyncio.sleep(max(0.0, knobs.round_trip_seconds - (time.perf_counter() - clock)))
            status = response.status
            return response
        except web.HTTPException as problem:
            status = problem.status
            raise
        except asyncio.CancelledError:  # the client has gone
            raise
        except ConnectionError:  # the same, in the middle of the answer
            return web.Response()
        except Exception:
            traceback.print_exc(file=sys.stderr)
            status = 500
            return web.Response(status=500, text="the sandbox itself failed, see its standard error\n")
        finally:
            state.log.add(
                began,
                host,
                request.method,
                path,
                request.query_string,
                status,
                round(time.perf_counter() - clock, 6),
                group,
                request.get("principal"),
                sum(len(n) + len(v) + 4 for n, v in request.raw_headers),
                request.headers.get("Authorization", "").partition(" ")[0].lower(),
            )

    async def _answer(
        self, request: web.BaseRequest, app: Handler, host: str, fault: Fault | None
    ) -> web.StreamResponse | None:
        registry = self.state.registry_hosts.get(host)
        if registry is not None:
            if any(len(n) + len(v) + 4 > registry.flags.max_header_line for n, v in request.raw_headers):
                answer = web.Response(
                    status=400, body=_TOO_LARGE.encode(), headers={"Server": "openresty", "Content-Type": "text/html"}
                )
                answer.force_close()
                return answer
            throttled = self._throttle(registry, request)
            if throttled is not None:
                return throttled
        if fault is None:
            return await app(self.state, request)
        action = fault.action
        if action.drop:
            _abort(request)
            return None
        if action.status is not None:
            text = action.body if isinstance(action.body, str) else json.dumps(action.body)
            headers = {"Content-Type": "application/json; charset=utf-8", **action.headers}
            headers = {name: _filled(value, fault.fired) for name, value in headers.items()}
            if action.repeat and not action.gzip:
                return await _repeat(request, action.status, headers, text.encode(), action.repeat)
            content = text.encode() * (action.repeat or 1)
            if action.gzip:
                content, headers["Content-Encoding"] = gzip.compress(content, 1), "gzip"
            return web.Response(status=action.status, body=content, headers=headers)
        if action.delay is not None:
            await asyncio.sleep(action.delay)
            return await app(self.state, request)
        return await _cut(request, await app(self.state, request), action)

    def _throttle(self, registry: AzureRegistry, request: web.BaseRequest) -> web.Response | None:
        """Azure's 429 when the registry's limit for this class of request is used up."""
        group = request["class"]
        if group in ("token", "exchange"):
            name = "tokens"
        elif group == "referrers":
            name = "referrers"
        else:
            name = "registry_reads" if request.method in ("GET", "HEAD") else "registry_writes"
        spec: Any = getattr(self.state.knobs.limits, name)
        if spec is None:
            return None
        if spec == "sku":
            spec = {"per_minute": TIER_LIMITS[registry.sku][name == "registry_writes"]}
        throttle = registry.throttles.get(name)
        if throttle is None or throttle.spec != spec:
            throttle = registry.throttles[name] = Throttle(spec)
        wait = throttle.take()
        if not wait:
            return None
        headers = common_headers(registry)
        headers["Content-Type"] = "application/json; charset=utf-8"
        if self.state.knobs.throttle_retry_after:
            headers["Retry-After"] = str(max(1, round(wait + 0.499)))
        return web.Response(status=429, body=_TOO_MANY.encode() + b"\n", headers=headers)


def _filled(header: str, number: int) -> str:
    """A fault's header with its number and times in place."""
    header = header.replace("{n}", str(number))
    return re.sub(r"\{now\+(\d+)\}", lambda found: str(int(time.time()) + int(found[1])), header)


async def _misdirected(state: State, request: web.BaseRequest) -> web.Response:
    return web.Response(status=421, text="this host is not played here\n")


def _acknowledge(request: web.BaseRequest) -> None:
    """Acknowledge a request's head at once: through a proxy urllib3 sends its body only then (Nagle's algorithm),
    and the kernel would wait 40 ms."""
    connection = request.transport.get_extra_info("socket") if request.transport is not None else None
    if connection is not None and hasattr(socket, "TCP_QUICKACK"):
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)


async def _repeat(
    request: web.BaseRequest, status: int, headers: dict[str, str], content: bytes, times: int
) -> web.StreamResponse:
    response = web.StreamResponse(status=status, headers=headers)
    response.content_length = len(content) * times
    await response.prepare(request)
    for _n in range(times if request.method != "HEAD" else 0):
        # In small pieces: what is written at once after the far side has hung up, asyncio complains about.
        for start in range(0, len(content), 16384):
            if request.transport is None or request.transport.is_closing():
                return response
            await response.write(content[start : start + 16384])
            await asyncio.sleep(0)
    return response


def _abort(request: web.BaseRequest) -> None:
    if request.transport is not None:
        request.transport.abort()


async def _cut(request: web.BaseRequest, response: web.StreamResponse, action: Action) -> web.StreamResponse | None:
    """Send the true answer slowly, or only its first half. A streamed one has gone already and stays whole."""
    if response.prepared or not isinstance(response, web.Response):
        return response
    body = bytes(response.body or b"")
    if action.drop_mid and (not body or request.method == "HEAD"):  # its middle is in its head
        _abort(request)
        return None
    partial = web.StreamResponse(status=response.status, headers=response.headers)
    if request.method != "HEAD":
        partial.content_length = len(body)
    await partial.prepare(request)
    if action.drop_mid:
        await partial.write(body[: len(body) // 2])
        await asyncio.sleep(0.01)  # let the half leave before the connection breaks
        _abort(request)
        return None
    speed = action.slow or 1.0
    step = max(1, int(speed) // 10)
    for start in range(0, len(body), step):
        await partial.write(body[start : start + step])
        await asyncio.sleep(step / speed)
    await partial.write_eof()
    return partial


def report(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What went wrong in a callback of ``loop``, on standard error, but for a defect of asyncio's: a connection that is
    reset while it is written to may be ended twice, and the second time finds nothing."""
    callback = str(context.get("handle"))
    if not (isinstance(context.get("exception"), AttributeError) and "._call_connection_lost(" in callback):
        loop.default_exception_handler(context)


class _Tunnel(asyncio.Protocol):
    """One client connection until its TLS handshake is done; then aiohttp's protocol takes its place."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.transport: asyncio.Transport | None = None
        self.received = b""
        self.connected = False
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.server._tunnels.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        self.server._tunnels.discard(self)

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        # After CONNECT this collects what came with the end of the handshake, before aiohttp has taken over.
        self.received += data
        if not self.connected and b"\r\n\r\n" in self.received:
            self.connected = True
            head, self.received = self.received.split(b"\r\n\r\n", 1)
            self.server.state.run(self._open(head))

    async def _open(self, head: bytes) -> None:
        transport = self.transport
        assert transport is not None
        method, _space, rest = head.split(b"\r\n", 1)[0].decode("latin-1").partition(" ")
        target = rest.split(" ")[0]
        host = target.rsplit(":", 1)[0].lower()
        if method != "CONNECT" or self.server.route(host) is None:
            self.server.state.log.add(
                time.time(), host, method, "" if method == "CONNECT" else target, "", 502, 0.0, "other", None, len(head), ""
            )
            transport.write(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            transport.close()
            return
        if self.server.state.knobs.round_trip_seconds:
            await asyncio.sleep(2 * self.server.state.knobs.round_trip_seconds)
        transport.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        try:
            tls = await asyncio.get_running_loop().start_tls(transport, self, self.server.context(host), server_side=True)
        except (OSError, ssl.SSLError):  # the client doesn't trust us, or has gone
            transport.abort()
            return
        if tls is None or self.lost:
            return
        protocol = self.server.web()
        protocol.connection_made(tls)
        tls.set_protocol(protocol)
        self.server._tunnels.discard(self)
        if self.received:
            protocol.data_received(self.received)
