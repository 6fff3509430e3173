# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""HTTPS requests to hosts that are not trusted: paced, retried, bounded in time and size."""

from __future__ import annotations

import os
import random
import re
import threading
import time
from dataclasses import dataclass, field
from http.client import HTTPException, RemoteDisconnected
from typing import Any, Callable, Dict, List, Mapping, Optional, Set, Tuple, TypeVar
from urllib.parse import urlsplit

from ansible_collections.registryops.acr.plugins.module_utils._errors import AcrError
from ansible_collections.registryops.acr.plugins.module_utils._pace import Pace
from ansible_collections.registryops.acr.plugins.module_utils._wire import link, local, number, parse, seconds

BODY_LIMIT = 4 * 1024 * 1024  # bytes; the distribution specification's bound for a manifest
LIST_LIMIT = 32 * 1024 * 1024  # bytes; a page of 1,000 manifests stays far below
TRIES = 8
PATIENCE = 45.0  # seconds for which "too many requests" is borne, however often: others may take the turns meanwhile
REQUEST_SECONDS = 30.0
UNREACHED_TRIES = 3  # of a request whose host can't be connected to
SLOW_TRIES = 2  # of a request that gets no whole answer in REQUEST_SECONDS
CONNECT_SECONDS = 10.0
REDIRECTS = 3
HOSTS, CONNECTIONS = 64, 256  # whose connections are kept for reuse, and how many for each
PASSING_STATUS = frozenset([429, 500, 502, 503, 504])


@dataclass
class Answer:
    """What a host answered. *headers* look up names in any case. *host*: ``host[:port]`` of who gave this answer, which
    after a redirect is not who was asked; empty where that isn't known."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""
    host: str = ""

    def json(self) -> Any:
        """The body as JSON, or None where it isn't JSON."""
        return parse(self.body)

    def errors(self) -> List[Dict[str, Any]]:
        """The entries of a registry's ``{"errors": [...]}``; empty for any other body."""
        found = self.json()
        entries = found.get("errors") if isinstance(found, dict) else None
        return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []


AnyAnswer = TypeVar("AnyAnswer", bound=Answer)


@dataclass
class Http:
    """Sends requests for one run: one pool of connections, one pace, one deadline, shared by all threads.

    *deadline* is in monotonic seconds: no request is started, waited for or retried after it.
    *sent* counts the requests by class.
    """

    pace: Any = None  # a Pace; its waiting ends with `close`
    deadline: Optional[float] = None
    sent: Dict[str, int] = field(default_factory=dict)
    _gone: Set[str] = field(default_factory=set)  # hosts that some request has tried to the end without an answer
    _silent: Dict[str, Tuple[float, AcrError]] = field(default_factory=dict)  # by host: not asked until then, and why
    _session: Any = None
    _proxies: Dict[str, Any] = field(default_factory=dict)
    _lock: Any = field(default_factory=threading.Lock)
    _over: Any = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.pace = self.pace or Pace(sleep=self._over.wait)
        check_proxies(os.environ)

    def close(self) -> None:
        """Ends all waiting for turns and retries: what is still asked for is of no use to anybody."""
        self.deadline = time.monotonic()
        self._over.set()

    @property
    def session(self) -> Any:
        """The requests session; also what the Azure SDKs send through, so that they share its connections."""
        with self._lock:
            if self._session is None:
                import requests

                session = requests.Session()
                session.mount("https://", _adapter())
                # The environment's proxy and CA bundle count (looked up once, not for each request); ~/.netrc does
                # not: it would put a password of its own into our Authorization header.
                session.trust_env = False
                session.headers["Accept-Encoding"] = "identity"
                # requests prepares for redirects that nobody asked it to follow, and reads their bodies whole for that,
                # however long.
                session.get_redirect_target = lambda response: None
                self._session = session
            return self._session

    def proxies(self, url: str) -> Any:
        """The environment's proxies for *url*'s host, as requests takes them."""
        from requests.utils import get_environ_proxies

        host = urlsplit(url).netloc
        if host not in self._proxies:
            self._proxies[host] = get_environ_proxies(url)
        return self._proxies[host]

    def count(self, kind: str) -> None:
        """Notes one request of the class *kind*."""
        with self._lock:
            self.sent[kind] = self.sent.get(kind, 0) + 1

    def request(
        self,
        kind: str,
        method: str,
        url: str,
        *,
        headers: Optional[Dict[str, str]] = None,
        form: Optional[List[Tuple[str, str]]] = None,
        limit: int = BODY_LIMIT,
        follow: bool = False,
    ) -> Answer:
        """One request with retries of what passes by itself. Any status is returned but 429 and 5xx, which raise
        `AcrError` (``throttled``, ``unavailable``) once the retries are used up; so do connections that fail.

        With *follow* redirects are followed, over HTTPS only, and without ``Authorization`` on another host.
        """
        return self.attempts(
            urlsplit(url).netloc, kind, lambda: self._send(method, url, dict(headers or {}), form, limit, follow)
        )

    def attempts(self, host: str, kind: str, send: Callable[[], AnyAnswer]) -> AnyAnswer:
        """What `request` does around sending: turns, counting, retries. *send* returns an `Answer`."""
        failure: Optional[AcrError] = None
        until, silence = self._silent.get(host, (0.0, None))
        if silence is not None and time.monotonic() < until:
            raise AcrError(silence.kind, str(silence), detail=silence.detail)
        bucket = self.pace.bucket(host, kind)
        attempt, refused = 0, 0.0  # since when we are refused
        while attempt < TRIES or refused and time.monotonic() - refused < PATIENCE:
            if not self.pace.turn(host, kind, self.deadline):
                break
            self.count(kind)
            try:
                answer = send()
            except AcrError as error:
                bucket.answered()
                unreachable = error.kind == "unreachable"
                if not error.passing and not unreachable:
                    raise
                attempts = UNREACHED_TRIES if unreachable else SLOW_TRIES if error.detail == "slow" else TRIES
                if attempt + 1 >= (1 if host in self._gone else attempts):
                    self._gone.add(host)  # whoever asks next tries once: many in turn would wait for hours
                    if error.detail == "silent":
                        self._silent[host] = (time.monotonic() + CONNECT_SECONDS, error)
                    raise
                failure, pause = error, self._backoff(attempt, None)
            else:
                self._gone.discard(host)
                if answer.status not in PASSING_STATUS:
                    bucket.answered(_remaining(answer.headers, kind))
                    return answer
                failure = passing_failure(host, answer)
                pause = self._backoff(attempt, answer.headers.get("Retry-After"))
                if answer.status == 429:
                    # Everybody who asks this host for the same kind of thing would be refused too, but no longer than
                    # it says: each wave of refusals lowers the rate already.
                    bucket.refused(_seconds(answer.headers.get("Retry-After")) or pause)
                    refused = refused or time.monotonic()
                    attempt += 1
                    continue
                bucket.answered()
            refused = 0.0
            attempt += 1
            if not self.pause(pause):
                break
        if failure is None:
            raise AcrError("timeout", "The time limit passed before {0} could be asked.".format(host))
        raise failure

    def _backoff(self, attempt: int, retry_after: Optional[str]) -> float:
        return max(_seconds(retry_after), min(0.5 * 2**attempt, 30.0) * random.uniform(0.7, 1.0))

    def pause(self, seconds: float) -> bool:
        """Waits; False, and at once, where the run is over or would be by then."""
        if self.deadline is not None and time.monotonic() + seconds > self.deadline:
            return False
        return not self._over.wait(seconds)

    def _send(
        self, method: str, url: str, headers: Dict[str, str], form: Any, limit: int, follow: bool
    ) -> Answer:
        answer = self._send_once(method, url, headers, form, limit)
        redirects = 0
        while follow and answer.status in (301, 302, 303, 307, 308) and answer.headers.get("Location"):
            target = link(url, answer.headers["Location"], urlsplit(url).netloc).geturl()
            redirects += 1
            if redirects > REDIRECTS:
                raise AcrError("invalid", "{0} redirects in circles.".format(urlsplit(url).netloc))
            refuse_redirect(url, target)
            if urlsplit(target).netloc != urlsplit(url).netloc:
                headers.pop("Authorization", None)
            url = target
            answer = self._send_once(method, url, headers, None, limit)
        return answer

    def _send_once(self, method: str, url: str, headers: Dict[str, str], form: Any, limit: int) -> Answer:
        import requests
        import urllib3

        host = urlsplit(url).netloc
        started = time.monotonic()
        ends = started + REQUEST_SECONDS
        if self.deadline is not None:
            ends = min(ends, self.deadline)
        left = max(0.1, ends - started)
        try:
            response = self.session.request(
                method,
                url,
                headers=headers,
                data=form,
                stream=True,
                allow_redirects=False,
                timeout=(min(CONNECT_SECONDS, left), left),
                proxies=self.proxies(url),
            )
            try:
                return Answer(response.status_code, response.headers, _read(response, method, host, limit, ends), host)
            finally:
                response.close()
        except requests.exceptions.SSLError as error:
            raise certificate_failure(host, error) from None
        except requests.exceptions.ProxyError as error:
            if closed(error):
                raise AcrError("unavailable", "{0} closed the connection: {1}.".format(host, root_reason(error))) from None
            reason = root_reason(error)
            message = "The proxy could not connect to {0}: {1}."
            if not reason.startswith("Tunnel connection failed"):
                message = "The proxy that leads to {0} can't be reached: {1}."
            raise AcrError("unreachable", message.format(host, reason)) from None
        except (
            requests.exceptions.ConnectTimeout,
            requests.exceptions.InvalidURL,
            requests.exceptions.InvalidSchema,
        ) as error:
            detail = "silent" if isinstance(error, requests.exceptions.ConnectTimeout) else None
            message = "{0} can't be reached: {1}."
            raise AcrError("unreachable", message.format(host, root_reason(error)), detail=detail) from None
        except requests.exceptions.ConnectionError as error:
            text = root_reason(error)
            if "establish a new connection" in text or "resolve" in text or "refused" in text:
                message = "{0} can't be reached: {1}. Check the name and the network.".format(host, text)
                raise AcrError("unreachable", message) from None
            raise AcrError("unavailable", "{0} closed the connection: {1}.".format(host, text)) from None
        except requests.exceptions.Timeout:
            raise slow_failure(host) from None
        except (requests.exceptions.InvalidHeader, UnicodeError):  # their text repeats the header, and so a secret
            message = "Nothing was sent to {0}, since the sign-in has characters that no header takes."
            raise AcrError("invalid", message.format(host)) from None
        except urllib3.exceptions.ReadTimeoutError:
            raise slow_failure(host) from None
        except urllib3.exceptions.LocationValueError as error:
            raise AcrError("unreachable", "{0} can't be reached: {1}.".format(host, root_reason(error))) from None
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, HTTPException, OSError) as error:
            raise AcrError("unavailable", "{0} sent no whole answer: {1}.".format(host, root_reason(error))) from None


def _adapter() -> Any:
    """What connects for requests, with one TLS context for all: the CA bundle is read once, 25 ms of work, and not for
    each connection."""
    from requests.adapters import HTTPAdapter
    from requests.certs import where
    from urllib3.util.ssl_ import create_urllib3_context

    context = create_urllib3_context()
    bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or where()
    try:
        context.load_verify_locations(**{"capath" if os.path.isdir(bundle) else "cafile": bundle})
    except OSError as error:
        message = "The CA bundle {0} can't be read: {1}. Correct REQUESTS_CA_BUNDLE."
        raise AcrError("certificate", message.format(bundle, error.strerror or error)) from None

    class Adapter(HTTPAdapter):
        def init_poolmanager(self, *args: Any, **more: Any) -> None:
            super().init_poolmanager(*args, ssl_context=context, **more)

        def proxy_manager_for(self, proxy: str, **more: Any) -> Any:
            if proxy.lower().startswith("https:"):
                more["proxy_ssl_context"] = context
            return super().proxy_manager_for(proxy, ssl_context=context, **more)

        def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
            conn.cert_reqs = "CERT_REQUIRED"  # or requests would have the bundle read again

    return Adapter(pool_connections=HOSTS, pool_maxsize=CONNECTIONS, max_retries=0)


def _seconds(retry_after: Optional[str]) -> float:
    """What a ``Retry-After`` asks for, at most two minutes; 0.0 where it says nothing."""
    return seconds(retry_after, 120.0) or 0.0  # an HTTP date: nobody here sends one


def _remaining(headers: Mapping[str, str], kind: str) -> Optional[int]:
    """How many more requests Azure Resource Manager would take, where it says so."""
    name = {"imports": "writes", "arm_writes": "writes", "arm_reads": "reads"}.get(kind)
    text = headers.get("x-ms-ratelimit-remaining-subscription-" + name) if name else None
    return number(text)


def _read(response: Any, method: str, host: str, limit: int, ends: float) -> bytes:
    """The body as it comes, a piece at a time, so that *limit* and *ends* hold even against a far side that sends a byte a
    second. Nothing is decompressed: no compression was asked for."""
    raw = response.raw
    receive = getattr(raw, "read1", None) or raw._fp.read1  # urllib3 has its own since 2.1
    chunks: List[bytes] = []
    size = 0
    while True:
        chunk = receive(65536)
        if not chunk:
            raw._fp.close()  # the older read1 leaves it open, and whoever gets the connection next would meet it
            raw.release_conn()
            break
        size += len(chunk)
        if size > limit:
            raise AcrError("invalid", "{0} sent more than {1} bytes; refused.".format(host, limit))
        if time.monotonic() > ends:
            raise slow_failure(host)
        chunks.append(chunk)
    announced = number(response.headers.get("Content-Length")) or 0
    if size < announced and method != "HEAD" and response.status_code not in (204, 304):
        raise AcrError("unavailable", "{0} closed the connection in the middle of an answer.".format(host))
    return b"".join(chunks)


def check_proxies(environ: Mapping[str, str]) -> None:
    """Raises where a proxy's user name or password would be taken for its host, and so be repeated by whoever complains."""
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        url = environ.get(name, "")
        _authority, _slash, rest = re.sub("[/?#]", "/", url.partition("://")[2] or url).partition("/")
        if "@" in rest:
            message = "{0} can't be read: in its user name and password, characters such as / and # must be percent-encoded."
            raise AcrError("invalid", message.format(name))


def closed(error: BaseException) -> bool:
    """Whether an open connection ended. Through a proxy, that comes under the name of a proxy that can't be reached."""
    return isinstance(_root(error), (RemoteDisconnected, ConnectionResetError, ConnectionAbortedError, BrokenPipeError))


def _root(error: BaseException) -> BaseException:
    inner: Any = error
    while True:
        causes = (getattr(inner, "reason", None), getattr(inner, "original_error", None), *getattr(inner, "args", ()))
        following = next((cause for cause in causes if isinstance(cause, BaseException)), None)
        if following is None:
            return inner
        inner = following


def root_reason(error: BaseException) -> str:
    """The innermost reason of a requests exception, on one line, without the object noise."""
    inner = _root(error)
    text = " ".join(str(inner).split())
    return text.rsplit(">: ", 1)[-1].rstrip(".") or inner.__class__.__name__


def certificate_failure(host: str, error: BaseException) -> AcrError:
    """The sentence for a TLS certificate that isn't trusted."""
    return AcrError(
        "certificate",
        "The TLS certificate of {0} isn't trusted ({1}). Where a proxy or a private certificate authority stands in "
        "between, put its certificate into a bundle and name that file in REQUESTS_CA_BUNDLE.".format(host, root_reason(error)),
    )


def passing_failure(host: str, answer: Answer) -> AcrError:
    """A 429 or 5xx as an error. *host* is named; the body isn't trusted to be short."""
    if answer.status == 429:
        return AcrError("throttled", "{0} answers 'too many requests'; run again later.".format(host), status=429)
    return AcrError(
        "unavailable", "{0} answers with status {1}; run again later.".format(host, answer.status), status=answer.status
    )


def slow_failure(host: str) -> AcrError:
    """A far side that does not answer, or not to the end, in its time."""
    message = "{0} answers too slowly: a request takes more than {1:g} s."
    return AcrError("unavailable", message.format(host, REQUEST_SECONDS), detail="slow")


def refuse_redirect(url: str, target: str) -> None:
    """Raises where following a redirect could leak or reach what only this machine may reach."""
    source, there = urlsplit(url).netloc, urlsplit(target)
    if there.scheme != "https":
        raise AcrError("invalid", "{0} redirects to plain HTTP ({1}); refused.".format(source, there.netloc))
    if local(there.hostname) and there.netloc != source:
        raise AcrError("invalid", "{0} redirects to a local address ({1}); refused.".format(source, there.netloc))
