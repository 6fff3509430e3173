# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Signing in to a registry: credentials, its token service, and what goes into ``Authorization``. Requests are made by functions
that are passed in."""

from __future__ import annotations

import base64
import re
import threading
import time
from dataclasses import dataclass
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Set, Tuple
from urllib.parse import urlencode, urlsplit

from ._credentials import Credentials
from ._errors import GENERAL, AcrError
from ._refusals import TOKEN, Context, explain
from ._untrusted import Answer, challenge_values, challenges, link, local, parse, seconds

TOKEN_SECONDS = 86400.0  # no token is believed to live longer
TOKEN_CHARACTERS = 6144  # Azure's front refuses header lines over 8 KiB
LONGEST_TOKEN = 8000  # characters; one for several repositories that is longer isn't sent, but split
SPLITS = 12  # how often a token is split before a front that still refuses it must mean something else
TRIES = 4  # of a request, each with another token
FIRST_SECONDS = 2.0  # how long all others wait for what the registry tells the first who asks


class Service(NamedTuple):
    """A token service: its URL, and what it calls the registry."""

    realm: str
    name: str


@dataclass
class TokenService:
    """Asks token services for bearer tokens, as the distribution specification's token protocol says: credentials as Basic,
    ``scope`` repeated.

    *request* sends a request (see `Http.request`). *service*: the one token service to ask, if it is known without a challenge.
    """

    joins = False  # whether a token for several repositories is sure to be for all of them that the account may read
    base, each = 2600, 100  # a token's characters: those for no repository, and, before base64, for each besides its name
    request: Callable[..., Answer]
    context: Context
    credentials: Optional[Credentials] = None
    service: Optional[Service] = None

    def fetch(self, service: Service, scopes: List[str]) -> Tuple[str, float]:
        """A bearer token for *scopes* and its life in seconds."""
        query = ([("service", service.name)] if service.name else []) + [("scope", scope) for scope in scopes]
        headers = {"Authorization": self.credentials.basic()} if self.credentials else {}
        separator = "&" if "?" in service.realm else "?"
        answer = self.request("tokens", "GET", service.realm + separator + urlencode(query), headers=headers)
        answer.signed = self.credentials is not None
        return self.read(answer, scopes)

    def read(self, answer: Answer, scopes: List[str]) -> Tuple[str, float]:
        """The token in a token service's answer and its life in seconds."""
        content = answer.json()
        token = (content.get("access_token") or content.get("token")) if isinstance(content, dict) else None
        if answer.status == 200 and isinstance(token, str) and re.fullmatch(r"[\x21-\x7e]+", token):
            return token, seconds(content.get("expires_in"), TOKEN_SECONDS) or token_seconds(token) or 60.0
        if answer.status == 200:
            raise AcrError("protocol", f"The token service of {self.context.name} answered without a token.")
        repository = scopes[0].split(":")[1] if scopes and scopes[0].startswith("repository:") else ""
        raise explain(answer, self.context, repository, step=TOKEN)


class _Token(NamedTuple):
    value: str
    ends: float  # by the clock
    scopes: Tuple[str, ...]  # as they were asked for


class Authorization:
    """What a registry wants to see in ``Authorization``: learnt from its challenges, kept in memory only. Shared by threads.

    *ask* asks the registry how to sign in, by ``/v2/``. *clock* is in seconds.
    """

    def __init__(self, tokens: TokenService, ask: Callable[[], Answer], clock: Callable[[], float] = time.monotonic) -> None:
        self._token_service = tokens
        self._credentials = tokens.credentials
        self._ask = ask
        self._clock = clock
        self._lock = threading.Lock()
        self._turns: Dict[str, Any] = {}  # locks by scope: of many threads that need the same token, one asks for it
        self._groups: Dict[str, List[str]] = {}  # scope -> all that share a token with it
        self._shared: Dict[str, Set[str]] = {}  # header with a token for several, that may be for less -> what was read with it
        self._alone = False  # whether tokens are for one repository each
        self._first = threading.Lock()  # taken for good by the first request
        self._heard = threading.Event()  # whether there has been an answer
        self._basic = False
        self._service = tokens.service
        self._tokens: Dict[str, _Token] = {}
        self._scopes: Dict[str, str] = {}  # our scope -> the one that the registry's challenge names
        self._batch = TOKEN_CHARACTERS
        self._asking = threading.Lock()
        self._asked = False  # how to sign in

    def send(self, scope: str, request: Callable[[Optional[str]], Answer]) -> Answer:
        """What *request* returns for the ``Authorization`` that *scope* takes; None is for no such header. It is called again as
        long as a refusal leaves something to try."""
        tries = splits = 0
        doubted = False
        while True:
            sent = self._header(scope)
            shared = self._shared.get(sent or "")
            try:
                answer = request(sent)
                if answer.strayed:
                    return answer  # it is another host's, and says nothing about signing in here
                # A front that finds a header line too long says so in HTML, if at all.
                if answer.status == 431 or answer.status == 400 and not answer.errors():
                    if sent and splits < SPLITS and self._too_long(scope, sent):
                        splits += 1
                        continue
                tries += 1
                if tries == TRIES or not self._refused(scope, answer, sent):
                    break
                doubted = doubted or shared is not None
            finally:
                self._heard.set()
        if answer.status == 200 and shared is not None:
            shared.add(scope)
        elif answer.status == 200 and doubted:
            self._apart()
        return answer

    def _header(self, scope: str) -> Optional[str]:
        """The header's value for *scope*; None while the registry hasn't asked for anything."""
        if self._service is None and not self._basic and not self._first.acquire(blocking=False):
            self._heard.wait(FIRST_SECONDS)
        if self._basic:
            return self._credentials.basic() if self._credentials else None
        while True:
            found = self._ready(scope)
            if found is not None or self._service is None:
                return found
            group = self._groups.get(scope, [scope])
            untried = len(group) > 1 and not self._shared and not self._token_service.joins  # whether tokens can be shared
            with self._turn("" if untried else group[0]):
                found = self._ready(scope)
                if found is None and group == self._groups.get(scope, [scope]) and not (untried and self._shared):
                    found = self._fetched(self._service, group)
            if found is not None and (len(found) <= LONGEST_TOKEN or not self._too_long(scope, found)):
                return found

    def _fetched(self, service: Service, group: List[str]) -> Optional[str]:
        """A new token for *group*; None if none is granted for so many, so that each needs its own."""
        try:
            return "Bearer " + self._fetch(service, group)
        except AcrError as error:
            if len(group) == 1 or self._token_service.joins or error.reason in (*GENERAL, "throttled"):
                raise
            if self._shared:  # others are granted: this one may name something that nobody may read
                with self._lock:
                    self._groups.update({scope: [scope] for scope in group})
            else:
                self._apart()
            return None

    def _apart(self) -> None:
        """From now on a token for each, except where a shared one has proved good."""
        with self._lock:
            self._alone = True
            self._groups = {scope: [scope] for scope in self._groups}
            for scope, token in list(self._tokens.items()):
                if scope not in self._shared.get("Bearer " + token.value, {scope}):
                    del self._tokens[scope]

    def _ready(self, scope: str) -> Optional[str]:
        token = self._tokens.get(scope)
        return "Bearer " + token.value if token and self._clock() < token.ends else None

    def _turn(self, scope: str) -> Any:
        with self._lock:
            return self._turns.setdefault(scope, threading.Lock())

    def prepare(self, scopes: List[str]) -> None:
        """Lets all *scopes* share tokens, as few as their size allows. Each is fetched when it is needed, and so at the same time
        as others; the first at once, if it is sure to be granted to whoever may sign in."""
        now = self._clock()
        known = dict(self._tokens)
        missing = [scope for scope in dict.fromkeys(scopes) if scope not in known or known[scope].ends < now]
        missing = [scope for scope in missing if self._groups.get(scope) != [scope]]
        if len(missing) < 2 or self._alone:
            return
        # A token names each repository in JSON, and base64 makes four characters of three.
        size = sum((len(scope) + self._token_service.each) * 4 // 3 for scope in missing)
        while True:
            count = min(len(missing), -(-size // max(1, self._batch - self._token_service.base)))
            groups = [missing[number::count] for number in range(count)]
            with self._lock:
                self._groups.update({scope: group for group in groups for scope in group})
            try:
                if self._token_service.joins and self._service is not None:
                    self._fetch(self._service, groups[0])
                return
            except AcrError as error:
                if error.status not in (400, 414, 431) or count == len(missing):
                    raise
                self._batch //= 2

    def _too_long(self, scope: str, sent: str) -> bool:
        """The registry's front refuses what was *sent*, perhaps for its length: two tokens then replace it. False if that can't
        be the reason."""
        if not sent.startswith("Bearer "):
            return False
        with self._lock:
            token = self._tokens.get(scope)
            if token is None or sent != "Bearer " + token.value:
                return True  # another thread has replaced it meanwhile
            group = [other for other, its in self._tokens.items() if its is token]
            if len(group) < 2:
                return False
            self._batch = min(self._batch, len(sent)) // 2
            for half in (group[: len(group) // 2], group[len(group) // 2:]):
                for other in half:
                    self._groups[other] = half
                    del self._tokens[other]
        return True

    def _refused(self, scope: str, answer: Answer, sent: Optional[str]) -> bool:
        """The registry refused what was *sent*, or that nothing was. True if there is something new to try.

        What it answers to an anonymous request, even "does not exist", says nothing to somebody with credentials. Nor does what
        it answers to a shared token, which may be for less than it was asked for, unless something was read there with it.
        """
        shared = self._shared.get(sent or "")
        if shared is not None and (answer.status in (401, 403) or answer.status == 404 and scope not in shared):
            values: Optional[Dict[str, str]] = challenge_values(answer.headers.get("WWW-Authenticate") or "")
        elif answer.status not in (401, 403) and (sent is not None or answer.status != 404):
            return False
        else:
            values = self._learn(answer)
        if values is None:
            unasked = answer.status == 401 and not answer.headers.get("WWW-Authenticate")
            return sent is None and (unasked or self._credentials is not None) and self._discovered()
        if self._basic or self._service is None:
            return not (sent or "").startswith("Basic ")
        wanted = _wider(scope, values.get("scope") or scope)
        if sent is None and wanted == scope:
            return True
        with self._turn(scope):
            token = self._tokens.get(scope)
            if token is not None:
                ready = "Bearer " + token.value
                if sent != ready and (shared is None or ready not in self._shared):
                    return True  # another thread has fetched one meanwhile
                if token.scopes == (wanted,) and values.get("error") != "invalid_token":
                    return False  # a token of its own, and still not enough: denied
            self._scopes[scope] = wanted
            self._groups[scope] = [scope]
            self._fetch(self._service, [scope])
        return True

    def _discovered(self) -> bool:
        """Whether the registry wants a sign-in that is known here. It is asked once, unless it has said so already."""
        with self._asking:
            if not self._asked and self._service is None and not self._basic:
                self._learn(self._ask())
                self._asked = True
        return self._service is not None or self._basic

    def _learn(self, answer: Answer) -> Optional[Dict[str, str]]:
        """The parameters of the best challenge that can be met; None if there is none.

        Only here is it decided where credentials go. An answer speaks only for the host that gave it: the registry's own
        answers say where, those of hosts that it redirects to don't.
        """
        if answer.strayed:
            return None
        problem: Optional[AcrError] = None
        offered = challenges(answer.headers.get("WWW-Authenticate") or "")
        for values in (values for scheme, values in offered if scheme == "bearer"):
            try:
                if self._token_service.service is None and "realm" in values:
                    self._check(values["realm"])
                    self._service = Service(values["realm"], values.get("service", ""))
            except AcrError as error:
                problem = problem or error
                continue
            if self._service is not None:
                self._basic = False
                return values
        if self._credentials is not None and any(scheme == "basic" for scheme, _values in offered):
            self._basic = True
            return {}
        if problem is not None:
            raise problem
        return None

    def _check(self, realm: str) -> None:
        """Raises if a token service must not get credentials."""
        context = self._token_service.context
        parts = link("", realm, context.name)
        if parts.scheme != "https":
            message = f"{context.name} names a token service without TLS ({realm}); no credentials were sent."
            raise AcrError("protocol", message)
        if local(parts.hostname) and not local(urlsplit("//" + context.host).hostname):
            message = f"{context.name} names a token service at a local address ({parts.netloc}); no credentials were sent."
            raise AcrError("protocol", message)

    def _fetch(self, service: Service, scopes: List[str]) -> str:
        wanted = [self._scopes.get(scope, scope) for scope in scopes]
        value, life = self._token_service.fetch(service, wanted)
        # Renewed a little early: a token must not end between being chosen and being checked.
        token = _Token(value, self._clock() + max(5.0, life * 0.9), tuple(wanted))
        with self._lock:
            if len(scopes) == 1:
                self._shared.pop("Bearer " + value, None)  # some services have one token for everything
            elif not self._token_service.joins:
                self._shared.setdefault("Bearer " + value, set())
            for scope in scopes:
                if len(scopes) == 1 or self._groups.get(scope) != [scope]:  # it may need its own by now
                    self._tokens[scope] = token
        return value


def _wider(ours: str, theirs: str) -> str:
    """*ours* if it already asks for all that *theirs* names; else *theirs*."""
    one, other = ours.rsplit(":", 1), theirs.rsplit(":", 1)
    if one[0] == other[0] and set(other[-1].split(",")) <= set(one[-1].split(",")):
        return ours
    return theirs


def token_payload(token: str) -> Dict[str, Any]:
    """What a JSON Web Token says of itself, unverified (only hints are taken from it); empty for other tokens."""
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        found = parse(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def token_seconds(token: str) -> Optional[float]:
    """How long a JSON Web Token lives from now; None if it doesn't say. This machine's clock, which may be wrong, isn't asked.

    Azure's registries backdate ``iat`` by 15 minutes.
    """
    payload = token_payload(token)
    ends, begins = seconds(payload.get("exp"), 1e12), seconds(payload.get("iat"), 1e12)
    if ends is None or begins is None:
        return None
    life = seconds(ends - begins, TOKEN_SECONDS)
    return life - 900 if life is not None and life > 1800 else life
