# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""HTTPS requests to hosts that can't be trusted: paced, retried, bounded in time and size."""

from __future__ import annotations

import os
import random
import re
import threading
import time
from functools import partial
from http.client import HTTPException, RemoteDisconnected
from socket import gaierror
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Mapping, Optional, Tuple, TypeVar, Union
from urllib.parse import urlsplit

from ._errors import AcrError
from ._pace import Pace
from ._untrusted import (
    LONGEST_WAIT,
    Answer,
    link,
    local,
    number,
    retry_after,
    same_host,
)

if TYPE_CHECKING:
    import requests

BODY_LIMIT = 4 * 1024 * 1024  # bytes; the distribution specification's bound for a manifest
LIST_LIMIT = 32 * 1024 * 1024  # bytes; a page of 1,000 manifests stays far below
TRIES = 8
PATIENCE = 45.0  # seconds of "too many requests", however often: others may have taken the turns meanwhile
SOONEST = 0.5  # seconds; a refused request is never repeated sooner, whatever the host asks for
TOLD = 60.0  # seconds; the user is told of any longer wait that a host asks for
REQUEST_SECONDS = 30.0
UNREACHED_TRIES = 3  # of a request whose host can't be reached
SLOW_TRIES = 2  # of a request that gets no complete answer in REQUEST_SECONDS
CONNECT_SECONDS = 10.0
REDIRECTS = 3
HOSTS, CONNECTIONS = 64, 256  # how many hosts' connections are kept for reuse, and how many for each
PASSING_STATUS = frozenset([429, 500, 502, 503, 504])


AnyAnswer = TypeVar("AnyAnswer", bound=Answer)
Form = Union[List[Tuple[str, str]], bytes]  # bytes are sent as they are


class Http:
    """Sends requests for one run: one pool of connections, one pace, one deadline, shared by all threads.

    *deadline* is in seconds by *clock*: no request is started, waited for or retried after it. *sleep* waits for that many
    seconds, and returns True if the run is over. *sent* counts the requests by class.
    """

    def __init__(
        self,
        *,
        deadline: Optional[float] = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Optional[Callable[[float], bool]] = None,
    ) -> None:
        check_proxies(os.environ)
        self._over = threading.Event()
        self.deadline = deadline
        self.clock = clock
        self.sleep = sleep or self._over.wait
        self.pace = Pace(sleep=self.sleep, clock=clock)
        self.sent: Dict[str, int] = {}
        self._session: Optional[requests.Session] = None
        self._proxies: Dict[str, Dict[str, str]] = {}
        self._lock = threading.Lock()

    def close(self) -> None:
        """Ends all waiting for turns and retries: nobody needs the answers any more."""
        self.deadline = self.clock()
        self._over.set()

    @property
    def session(self) -> requests.Session:
        """The requests session; the Azure SDKs send through it too, so that they share its connections."""
        with self._lock:
            if self._session is None:
                self._session = _new_session()
            return self._session

    def proxies(self, url: str) -> Dict[str, str]:
        """The environment's proxies for *url*'s host, as requests takes them."""
        from requests.utils import get_environ_proxies

        host = urlsplit(url).netloc
        if host not in self._proxies:
            self._proxies[host] = dict(get_environ_proxies(url))
        return self._proxies[host]

    def count(self, kind: str) -> None:
        """Counts one request of the class *kind*."""
        with self._lock:
            self.sent[kind] = self.sent.get(kind, 0) + 1

    def request(
        self,
        kind: str,
        method: str,
        url: str,
        *,
        headers: Optional[Dict[str, str]] = None,
        form: Optional[Form] = None,
        limit: int = BODY_LIMIT,
        follow: bool = False,
    ) -> Answer:
        """One request; failures that pass by themselves are retried. Any status is returned except 429 and 5xx, which raise
        `AcrError` (``throttled``, ``unavailable``) once the retries are used up, as do connections that fail.

        With *follow*, redirects are followed, over HTTPS only, and without ``Authorization`` from the first other host on. Each
        host on the way has its own turns, retries and failures.
        """
        asked, sent, strayed = urlsplit(url).netloc, dict(headers or {}), ""
        for _redirect in range(REDIRECTS + 1):
            host = urlsplit(url).netloc
            try:
                answer = self.attempts(host, kind, partial(self._send_once, method, url, sent, form, limit))
            except AcrError as error:
                if same_host(host, asked):
                    raise
                message = f"{error} {asked} redirects there."
                raise error.but(message) from None
            answer.strayed = strayed
            location = answer.headers.get("Location")
            if not follow or answer.status not in (301, 302, 303, 307, 308) or not location:
                return answer
            target = link(url, location, host)
            refuse_redirect(url, target.geturl())
            if not same_host(target.netloc, asked):
                strayed = target.netloc
            if strayed:
                sent.pop("Authorization", None)
            url, form = target.geturl(), None
        raise AcrError("protocol", f"{host} redirects in circles.")

    def attempts(self, host: str, kind: str, send: Callable[[], AnyAnswer]) -> AnyAnswer:
        """What `request` does around sending: turns, counting, retries."""
        bucket, circuit = self.pace.bucket(host, kind), self.pace.circuit(host, kind)
        failure: Optional[AcrError] = None
        attempt, first = 0, 0.0  # *first*: when the first try that failed was sent
        throttled: Optional[float] = None  # since when there has been nothing but "too many requests"
        while self.pace.turn(host, kind, self.deadline, tried=attempt > 0):
            self.count(kind)
            began = self.clock()
            try:
                answer = send()
                if answer.status not in PASSING_STATUS:
                    circuit.useful()
                    bucket.answered(_remaining(answer.headers, kind))
                    return answer
                asked = retry_after(answer.headers, time.time()) or 0.0
                failure = passing_failure(host, answer, asked)
            except AcrError as error:
                if not error.passing and error.reason != "unreachable":
                    bucket.answered()
                    raise
                failure, asked = error, 0.0
            began = max(began, self.clock() - REQUEST_SECONDS)  # the SDK may have waited for several answers
            first = first if attempt else began
            circuit.refused(failure, began)
            pause = self._backoff(attempt)
            if failure.reason == "throttled":
                throttled = began if throttled is None else throttled
                pause = asked if asked >= SOONEST else pause
            else:
                throttled = None
                pause = max(asked, pause)
            attempt += 1
            now = self.clock()
            tries = failure.tries or (UNREACHED_TRIES if failure.reason == "unreachable" else TRIES)
            patient = attempt < tries or throttled is not None and now - throttled < PATIENCE
            ends = not patient or now + pause > circuit.ends or not circuit.admits(tried=True)
            if throttled is None:
                bucket.answered()
            else:
                # Other requests of this class would be refused too, but for no longer than the host says: each wave of
                # refusals lowers the rate already. If this request doesn't wait, the others don't either.
                bucket.refused(min(pause, SOONEST) if ends else pause)
            if ends:
                raise circuit.given_up(failure, first, asked)
            if throttled is None and not self.pause(pause):
                break
        raise failure or AcrError("timeout", f"The time limit passed before {host} could be asked.")

    def left(self, seconds: float) -> float:
        """Of so many seconds for a request, those that are left before the deadline."""
        return seconds if self.deadline is None else max(0.1, min(seconds, self.deadline - self.clock()))

    def _backoff(self, attempt: int) -> float:
        return min(0.5 * 2.0**attempt, 30.0) * random.uniform(0.7, 1.0)

    def pause(self, seconds: float) -> bool:
        """Waits. False, without waiting, if the run is over or would be by then."""
        if self.deadline is not None and self.clock() + seconds > self.deadline:
            return False
        return not self.sleep(seconds)

    def _send_once(
        self, method: str, url: str, headers: Dict[str, str], form: Optional[Form], limit: int
    ) -> Answer:
        import requests
        import urllib3

        host = urlsplit(url).netloc
        left = self.left(REQUEST_SECONDS)
        ends = self.clock() + left

        def check() -> None:
            if self.clock() > ends:
                raise slow_failure(host, left)

        try:
            # Not session.request: what that adds (cookies, sign-ins, hooks, redirects) isn't wanted, and takes a fifth more CPU.
            session = self.session
            prepared = requests.PreparedRequest()
            prepared.prepare_method(method)
            prepared.prepare_url(url, None)
            prepared.prepare_headers({**session.headers, **headers})
            prepared.prepare_body(form, None)
            response = session.get_adapter(url).send(
                prepared, stream=True, timeout=(min(CONNECT_SECONDS, left), left), proxies=self.proxies(url)
            )
            try:
                body = _read(response, method, host, limit, check)
                return Answer(response.status_code, response.headers, body, host)
            finally:
                response.close()
        except requests.exceptions.SSLError as error:
            raise certificate_failure(host, error) from None
        except requests.exceptions.ProxyError as error:
            if closed(error):
                raise AcrError("unavailable", f"{host} closed the connection: {root_reason(error)}.") from None
            reason = root_reason(error)
            message = f"The proxy could not connect to {host}: {reason}."
            if not reason.startswith("Tunnel connection failed"):
                message = f"The proxy that leads to {host} can't be reached: {reason}."
            raise AcrError("unreachable", message) from None
        except (
            requests.exceptions.ConnectTimeout,
            requests.exceptions.InvalidURL,
            requests.exceptions.InvalidSchema,
            urllib3.exceptions.LocationValueError,
        ) as error:
            # Many requests that get no connection, one after the other, would wait for hours.
            hold = CONNECT_SECONDS if isinstance(error, requests.exceptions.ConnectTimeout) else 0.0
            raise AcrError("unreachable", f"{host} can't be reached: {root_reason(error)}.", hold=hold) from None
        except requests.exceptions.ConnectionError as error:
            # urllib3 has one error for all that keeps a connection from being opened, including names that don't resolve.
            opened = not isinstance(_root(error), (urllib3.exceptions.NewConnectionError, ConnectionRefusedError, gaierror))
            message = "{0} closed the connection: {1}." if opened else "{0} can't be reached: {1}. Check the name and the network."
            raise AcrError("unavailable" if opened else "unreachable", message.format(host, root_reason(error))) from None
        except (requests.exceptions.Timeout, urllib3.exceptions.ReadTimeoutError):
            raise slow_failure(host, left) from None
        except (requests.exceptions.InvalidHeader, UnicodeError):  # their text repeats the header, and so a secret
            message = f"Nothing was sent to {host}: the credentials have characters that can't be sent in a header."
            raise AcrError("protocol", message) from None
        except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, HTTPException, OSError) as error:
            raise AcrError("unavailable", f"{host} sent no complete answer: {root_reason(error)}.") from None


def _new_session() -> requests.Session:
    from http.cookiejar import DefaultCookiePolicy

    import requests

    class Session(requests.Session):
        # requests prepares for redirects that nobody asked it to follow, and reads their whole bodies for that, of any length.
        def get_redirect_target(self, resp: requests.Response) -> None:
            return None

    session = Session()
    session.mount("https://", _adapter())
    # The environment's proxy and CA bundle are used (but looked up once, not for each request); ~/.netrc isn't: it would put
    # a password of its own into our Authorization header.
    session.trust_env = False
    session.headers["Accept-Encoding"] = "identity"
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=()))  # none is kept
    return session


def _adapter() -> requests.adapters.HTTPAdapter:
    """What opens connections for requests, with one TLS context for all: reading the CA bundle takes 25 ms, and is done once
    rather than for each connection."""
    from requests.adapters import HTTPAdapter
    from requests.utils import DEFAULT_CA_BUNDLE_PATH
    from urllib3.util.ssl_ import create_urllib3_context

    context = create_urllib3_context()
    bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or DEFAULT_CA_BUNDLE_PATH
    try:
        context.load_verify_locations(**{"capath" if os.path.isdir(bundle) else "cafile": bundle})
    except OSError as error:
        message = f"The CA bundle {bundle} can't be read: {error.strerror or error}. Correct REQUESTS_CA_BUNDLE."
        raise AcrError("certificate", message) from None

    class Adapter(HTTPAdapter):
        pools: Dict[str, Any] = {}  # by host: to look one up takes a tenth of the CPU that a request takes

        def get_connection_with_tls_context(self, request: Any, *args: Any, **more: Any) -> Any:
            host = urlsplit(request.url).netloc
            pool = self.pools.get(host)
            if pool is None or pool.pool is None:  # closed, as some versions of urllib3 do to make room for others
                if len(self.pools) >= HOSTS:
                    self.pools.clear()
                pool = self.pools[host] = super().get_connection_with_tls_context(request, *args, **more)
            return pool

        def init_poolmanager(self, *args: Any, **more: Any) -> None:
            super().init_poolmanager(*args, ssl_context=context, **more)

        def proxy_manager_for(self, proxy: str, **more: Any) -> Any:
            if proxy.lower().startswith("https:"):
                more["proxy_ssl_context"] = context
            return super().proxy_manager_for(proxy, ssl_context=context, **more)

        def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
            conn.cert_reqs = "CERT_REQUIRED"  # or requests would read the bundle again

    return Adapter(pool_connections=HOSTS, pool_maxsize=CONNECTIONS, max_retries=0)


def _remaining(headers: Mapping[str, str], kind: str) -> Optional[int]:
    """How many more requests Azure Resource Manager would take, if it says so."""
    name = {"imports": "writes", "arm_writes": "writes", "arm_reads": "reads"}.get(kind)
    text = headers.get("x-ms-ratelimit-remaining-subscription-" + name) if name else None
    return number(text)


def _read(response: requests.Response, method: str, host: str, limit: int, check: Callable[[], None]) -> bytes:
    """The body as it comes, a piece at a time, so that *limit* (bytes) and *check* (which raises when time is up) apply even to
    a host that sends a byte a second. Nothing is decompressed: no compression was asked for."""
    raw: Any = response.raw  # whose private _fp is needed
    receive = getattr(raw, "read1", None) or raw._fp.read1  # urllib3 has its own since 2.1
    chunks: List[bytes] = []
    size = 0
    while True:
        chunk = receive(65536)
        if not chunk:
            raw._fp.close()  # the older read1 leaves it open for the next request on this connection
            raw.release_conn()
            break
        size += len(chunk)
        if size > limit:
            raise AcrError("protocol", f"{host} sent more than {limit} bytes; refused.")
        check()
        chunks.append(chunk)
    announced = number(response.headers.get("Content-Length")) or 0
    if size < announced and method != "HEAD" and response.status_code not in (204, 304):
        raise AcrError("unavailable", f"{host} closed the connection in the middle of an answer.")
    return b"".join(chunks)


def check_proxies(environ: Mapping[str, str]) -> None:
    """Raises if a part of a proxy's user name or password would be taken for its host, and so be repeated in error messages."""
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        url = environ.get(name, "")
        _authority, _slash, rest = re.sub("[/?#]", "/", url.partition("://")[2] or url).partition("/")
        if "@" in rest:
            message = f"{name} can't be read: in its user name and password, characters such as / and # must be percent-encoded."
            raise AcrError("protocol", message)


def closed(error: BaseException) -> bool:
    """Whether an open connection ended. Through a proxy, that looks like a proxy that can't be reached."""
    return isinstance(_root(error), (RemoteDisconnected, ConnectionResetError, ConnectionAbortedError, BrokenPipeError))


def _root(error: BaseException) -> BaseException:
    inner = error
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
        f"The TLS certificate of {host} isn't trusted ({root_reason(error)}). If a proxy or a private certificate authority "
        "issued it, put that authority's certificate into a bundle and set REQUESTS_CA_BUNDLE to that file.",
    )


def passing_failure(host: str, answer: Answer, wait: Optional[float] = None) -> AcrError:
    """The error for a 429 or 5xx. If *host* asks to *wait* (seconds from now) for long, the sentence says until when; the body,
    which may be long, isn't quoted."""
    says = "'too many requests'" if answer.status == 429 else f"with status {answer.status}"
    again = "; run again later"
    if wait is not None and TOLD < wait < LONGEST_WAIT:
        until = time.gmtime(time.time() + wait + 59.0)  # the next full minute
        day = "" if until[:3] == time.gmtime()[:3] else "%Y-%m-%d "
        again = f" and asks to wait until {time.strftime(day + '%H:%M', until)} UTC; run again then"
    kind = "throttled" if answer.status == 429 else "unavailable"
    return AcrError(kind, f"{host} answers {says}{again}.", status=answer.status)


def slow_failure(host: str, seconds: float) -> AcrError:
    """The error for a host that doesn't answer, or not completely, within the *seconds* that there were."""
    message = f"{host} answers too slowly: a request takes more than {seconds:.2g} s."
    return AcrError("unavailable", message, tries=SLOW_TRIES)


def refuse_redirect(url: str, target: str) -> None:
    """Raises if following a redirect could leak secrets, or reach what only this machine may reach."""
    source, there = urlsplit(url).netloc, urlsplit(target)
    if there.scheme != "https":
        raise AcrError("protocol", f"{source} redirects to plain HTTP ({there.netloc}); refused.")
    if local(there.hostname) and not same_host(there.netloc, source):
        raise AcrError("protocol", f"{source} redirects to a local address ({there.netloc}); refused.")
