# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Any registry that speaks the OCI distribution protocol: sign-in, digests, manifests, tags, referrers."""

from __future__ import annotations

import base64
import hashlib
import re
import threading
import time
from typing import Any, Callable, Dict, Iterable, Iterator, List, NamedTuple, Optional, Tuple, TypeVar
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from ._errors import AcrError
from ._http import LIST_LIMIT, Answer, Http
from ._untrusted import (
    challenges,
    link,
    links,
    local,
    mapping,
    names,
    number,
    objects,
    parse,
    same_host,
    seconds,
)

INDEX_TYPES = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
IMAGE_TYPE = "application/vnd.oci.image.manifest.v1+json"
MANIFEST_TYPES = INDEX_TYPES + (
    IMAGE_TYPE,
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.oci.artifact.manifest.v1+json",
)
SCHEMA1_TYPES = (
    "application/vnd.docker.distribution.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
)
ACCEPT = ", ".join(MANIFEST_TYPES + ("*/*;q=0.1",))
LACKS_REFERRERS = frozenset([404, 405, 501])  # what registries answer that don't know the referrers API
FEWER = 100  # entries a page for registries that don't take more
SAID = 300  # characters of what a registry says
TOKEN_SECONDS = 86400.0  # for which a token is believed to live at most
PAGES = 1000  # a listing of more pages than this is a registry that never ends
SPLITS = 12  # times that a token is split before a front that still refuses it is believed to mean something else
LISTING_LIMIT = 128 * 1024 * 1024  # bytes of all pages; 300,000 of Azure's tags
LISTING_SECONDS = 900.0
TOKEN_CHARACTERS = 6144  # Azure's front refuses header lines over 8 KiB
TOKEN_BASE = 1200  # what a token needs besides the repositories it names
CONFIRM_PAUSES = (0.25, 0.5, 1.0, 2.0)  # seconds between the questions after which "not there" is believed
NESTED = 3  # an index may list indexes; nobody nests deeper
MOST_NESTED = 50  # such indexes are looked into on each level: an index without end is an attack

Found = TypeVar("Found")


class Credentials(NamedTuple):
    """A user name and password; without a user name the password is an access token."""

    username: Optional[str]
    password: str

    def __repr__(self) -> str:
        return f"Credentials(username={self.username!r})"

    def basic(self) -> str:
        """The value of an Authorization header."""
        pair = f"{self.username or '00000000-0000-0000-0000-000000000000'}:{self.password}"
        return "Basic " + base64.b64encode(pair.encode("utf-8")).decode("ascii")


class Descriptor(NamedTuple):
    """A manifest as a registry announces it. *size* in bytes, None where the registry doesn't say."""

    digest: str
    media_type: str
    size: Optional[int] = None

    @property
    def is_index(self) -> bool:
        return self.media_type in INDEX_TYPES


class Manifest(NamedTuple):
    """A manifest's bytes, whose digest was computed here."""

    descriptor: Descriptor
    content: bytes

    def json(self) -> Dict[str, Any]:
        return mapping(parse(self.content), f"The manifest {self.descriptor.digest}")

    def children(self) -> List[Dict[str, Any]]:
        """The descriptors an index lists, each with a digest; empty for a single manifest."""
        who = f"The index {self.descriptor.digest}"
        found = objects(self.json().get("manifests"), who) if self.descriptor.is_index else []
        for entry in found:
            mapping(entry.get("platform"), who)
            digest = entry.get("digest")
            if not valid_digest(digest):
                raise AcrError("protocol", f"{who} lists a manifest by {digest!r:.100}, which is no digest.")
        return found


class Child(NamedTuple):
    """A manifest that an index lists. *platform*: as the index states it, ``{}`` where it doesn't. *size* in bytes, None
    where the index doesn't say."""

    digest: str
    media_type: str
    platform: Dict[str, Any]
    size: Optional[int]


class Registry:
    """One registry, by the host that answers for it. Shared by threads."""

    scope_actions = "pull"
    lists_all_referrers = False  # whether its referrers API also knows what was pushed by the tag schema
    signs_in = False  # whether it is read with the account that signs in to Azure

    def __init__(self, host: str, http: Http, credentials: Optional[Credentials] = None, name: str = "") -> None:
        self.host = host
        self.name = name or host
        self.http = http
        self.credentials = credentials
        # How many more pulls the registry announces, where it counts them (Docker Hub does).
        self.pulls_left: Optional[int] = None
        self._authorization = Authorization(self)

    # -- reading ---------------------------------------------------------------------------------------------------

    def prepare(self, repositories: Iterable[str]) -> None:
        """Asks for tokens for many repositories at once, so that the reads that follow need none of their own."""
        self._authorization.prepare([self.scope(repository) for repository in repositories])

    def scope(self, repository: str) -> str:
        return f"repository:{repository}:{self.scope_actions}"

    def describe(self, repository: str, reference: str) -> Descriptor:
        """The manifest that a tag or digest names. `AcrError` ``not_found`` where there is none.

        Asked with HEAD, which counts as no pull on Docker Hub; with GET where the registry refuses HEAD or leaves the
        digest out.
        """
        answer = self._manifest_request("HEAD", repository, reference)
        if answer.status == 200:
            digest = answer.headers.get("Docker-Content-Digest") or ""
            media_type = _media_type(answer)
            if valid_digest(digest) and media_type in MANIFEST_TYPES:
                if digest == reference or not valid_digest(reference):
                    return Descriptor(digest, media_type, number(answer.headers.get("Content-Length")))
                if digest.split(":")[0] == reference.split(":")[0]:
                    raise self._wrong_digest(repository, reference, digest)
        elif not answer.strayed and not self._leaves_open(answer):
            raise self.failure(answer, repository, reference)
        return self.manifest(repository, reference).descriptor

    def _leaves_open(self, answer: Answer) -> bool:
        """Whether a refused HEAD says nothing of the manifest, since it may be HEAD that is refused."""
        if answer.status == 401:
            return not answer.headers.get("WWW-Authenticate")
        return answer.status in (400, 403, 405, 501) or answer.status == 404 and not self._speaks_registry(answer)

    def manifest(self, repository: str, reference: str) -> Manifest:
        """The manifest itself; its digest is computed over the bytes, never taken on trust."""
        answer = self._manifest_request("GET", repository, reference)
        if answer.status != 200:
            raise self.failure(answer, repository, reference)
        content = answer.json()
        if not isinstance(content, dict):
            raise AcrError("protocol", f"{self._of(repository, reference)} sent something else than a manifest.")
        media_type = _shape(content, _media_type(answer))
        if media_type in SCHEMA1_TYPES or content.get("schemaVersion") == 1:
            raise AcrError(
                "unsupported",
                f"{self._of(repository, reference)} is a manifest of the retired Docker schema 1, which Azure does not import; "
                "push the image again "
                "with a current client.",
            )
        algorithm = reference.split(":")[0] if valid_digest(reference) else "sha256"
        digest = f"{algorithm}:{hashlib.new(algorithm, answer.body).hexdigest()}"
        claimed = reference if valid_digest(reference) else answer.headers.get("Docker-Content-Digest")
        if claimed and claimed.startswith(algorithm) and claimed != digest:
            raise self._wrong_digest(repository, reference, digest)
        return Manifest(Descriptor(digest, media_type, len(answer.body)), answer.body)

    def blob(self, repository: str, digest: str) -> bytes:
        """A small blob, such as an image's configuration; bytes of another digest are refused."""
        if not valid_digest(digest):
            raise AcrError("protocol", f"{self._of(repository)} names a blob by {digest!r}, which is no digest.")
        answer = self.get("reads", f"/v2/{repository}/blobs/{digest}", self.scope(repository))
        if answer.status != 200:
            raise self.failure(answer, repository, digest)
        algorithm, expected = digest.split(":")
        if hashlib.new(algorithm, answer.body).hexdigest() != expected:
            raise self._wrong_digest(repository, digest, f"{algorithm}:…")
        return answer.body

    def tags(self, repository: str) -> List[str]:
        """The names of all tags of a repository, in the registry's order."""
        found: List[str] = []
        for page in self.pages("reads", f"/v2/{repository}/tags/list?n=1000", self.scope(repository), repository):
            found += names(page.get("tags"), self.name)
        return found

    def lacks(self, repository: str) -> bool:
        """Whether the registry says that it has no such repository; False also where it doesn't tell."""
        answer = self.get("reads", f"/v2/{repository}/tags/list?n=1", self.scope(repository))
        return not answer.strayed and answer.status == 404 and "NAME_UNKNOWN" in _codes(answer)

    def referrers(self, repository: str, digest: str) -> List[Dict[str, Any]]:
        """The descriptors of what refers to a manifest (OCI 1.1); by tag schema where the registry lacks the API."""
        path, scope = f"/v2/{repository}/referrers/{digest}", self.scope(repository)
        tag = digest.replace(":", "-")
        answer = self.get("referrers", path, scope, limit=LIST_LIMIT)
        # Whatever stands in a 404: the registry lacks the API. Whether it is a registry that speaks, the next read tells.
        if answer.status not in LACKS_REFERRERS and "UNSUPPORTED" not in _codes(answer):
            found: List[Dict[str, Any]] = []
            for page in self.pages("referrers", path, scope, repository, answer):
                found += objects(page.get("manifests"), self.name)
            # A list may know only what was pushed by the API.
            if found or self.lists_all_referrers or self._manifest_request("HEAD", repository, tag).status == 404:
                return found
        try:
            index = self.manifest(repository, tag)
        except AcrError as error:
            if not nothing_there(error):
                raise
            return []
        # Some registries resolve such a tag to the image itself: what it lists must name the image as its subject.
        return [child for child in index.children() if self._subject(repository, str(child["digest"])) == digest]

    def confirmed(self, ask: Callable[[], Found]) -> Found:
        """What *ask* returns. That something is not there (None, or `AcrError` ``not_found``) is believed only after it was
        said again and again: one place of many that a registry has may be late."""
        for pause in CONFIRM_PAUSES:
            try:
                found = ask()
                if found is not None:
                    return found
            except AcrError as error:
                if error.reason != "not_found":
                    raise
            if not self.http.pause(pause):
                raise AcrError("timeout", f"The time limit passed before {self.name} could be asked again.")
        return ask()

    def walk(self, repository: str, manifest: Manifest) -> Iterator[Child]:
        """All that an index lists, also by the indexes that it lists, down to NESTED levels: level by level, each digest
        once. Nothing for a single manifest.

        On each level at most MOST_NESTED manifests are opened. One that isn't there comes as what its parent says of it.
        """
        seen = {manifest.descriptor.digest}
        level = [manifest]
        for depth in range(1, NESTED + 1):
            opened: Dict[str, Optional[Manifest]] = {}
            nested: List[str] = []
            for entry in (entry for parent in level for entry in parent.children()):
                digest, media_type = str(entry["digest"]), str(entry.get("mediaType") or "")
                if digest in seen:
                    continue
                seen.add(digest)
                if media_type not in MANIFEST_TYPES:  # what it is shows only when it is looked at
                    found = self._open(repository, digest, opened)
                    media_type = found.descriptor.media_type if found else media_type
                if media_type in INDEX_TYPES:
                    nested.append(digest)
                yield Child(digest, media_type, entry.get("platform") or {}, number(entry.get("size")))
            if depth < NESTED:
                level = [found for found in (self._open(repository, digest, opened) for digest in nested) if found]

    def _open(self, repository: str, digest: str, opened: Dict[str, Optional[Manifest]]) -> Optional[Manifest]:
        """One of the manifests of a level, None where it isn't there; *opened* holds those that were read."""
        if digest not in opened and len(opened) < MOST_NESTED:
            try:
                opened[digest] = self.confirmed(lambda: self.manifest(repository, digest))
            except AcrError as error:
                if error.reason != "not_found":
                    raise
                opened[digest] = None
        return opened.get(digest)

    def _subject(self, repository: str, digest: str) -> Optional[str]:
        """The digest that a manifest refers to, which an index lists, so that it exists."""
        manifest = self.confirmed(lambda: self.manifest(repository, digest))
        return mapping(manifest.json().get("subject"), self._of(repository, digest)).get("digest")

    # -- requests --------------------------------------------------------------------------------------------------

    def pages(
        self, kind: str, path: str, scope: str, repository: str = "", answer: Optional[Answer] = None
    ) -> Iterator[Dict[str, Any]]:
        """The pages of a listing, following ``Link`` on this host only. *answer*: the first page, where it is there already."""
        seen = set()
        size, ends = 0, time.monotonic() + LISTING_SECONDS
        for _count in range(PAGES):
            answer = answer or self.get(kind, path, scope, limit=LIST_LIMIT)
            while _too_many(answer, path):
                path = _fewer(path)
                answer = self.get(kind, path, scope, limit=LIST_LIMIT)
            page = answer.json()
            if answer.status != 200:
                raise self.failure(answer, repository)
            if not isinstance(page, dict):
                raise AcrError("protocol", f"{self.name} sent something else than JSON for a listing.")
            yield page
            size += len(answer.body)
            following = self._next(path, answer.headers.get("Link") or "", answer.host)
            if following is None:
                return
            if following in seen or size > LISTING_LIMIT or time.monotonic() > ends:
                break
            seen.add(following)
            path, answer = following, None
        raise AcrError("protocol", f"The listing of {self._of(repository)} never ends; refused.")

    def _next(self, path: str, header: str, host: str = "") -> Optional[str]:
        """Where a listing at *path* goes on by a ``Link`` that *host* sent. Of the link only the query counts: registries write
        the host and the path as they, or whoever stands in front of them, see themselves."""
        target = next((target for target, relations in links(header, self.name) if "next" in relations), None)
        if target is None:
            return None
        there = link(f"https://{self.host}{path}", target, self.name)
        # We stay with the host and port that were asked. A front may not know the port that leads to it.
        names = [urlsplit("//" + one).hostname or "" for one in (self.host, host) if one]
        if there.scheme not in ("http", "https") or not any(same_host(there.hostname or "", name) for name in names):
            raise AcrError("protocol", f"{self.name} continues a listing on another host ({there.netloc}); refused.")
        # Some registries put only the new parameters into the link; those that were asked for stay.
        own = urlsplit(path)
        asked = dict(parse_qsl(own.query))
        try:
            asked.update(parse_qsl(there.query, max_num_fields=100))
        except ValueError:
            raise AcrError("protocol", f"{self.name} continues a listing with too many parameters; refused.") from None
        return f"{own.path}?{urlencode(asked)}" if asked else own.path

    def get(
        self,
        kind: str,
        path: str,
        scope: str,
        *,
        method: str = "GET",
        headers: Optional[Dict[str, str]] = None,
        limit: int = 4 * 1024 * 1024,
    ) -> Answer:
        """One read with whatever sign-in the registry asks for; any final status is returned."""
        url = f"https://{self.host}{path}"
        again = splits = 0
        while True:
            sent = dict(headers or {})
            authorization = self._authorization.header(scope)
            if authorization:
                sent["Authorization"] = authorization
            answer = self.http.request(kind, method, url, headers=sent, limit=limit, follow=True)
            answer.signed = authorization is not None
            if answer.strayed:
                return answer  # by another host, of which this registry's sign-in learns nothing
            # A front that finds a header line too long says so in HTML, if at all.
            if answer.status == 431 or answer.status == 400 and not answer.errors():
                if authorization and splits < SPLITS and self._authorization.too_long(scope, authorization):
                    splits += 1
                    continue
            if again == 2 or not self._authorization.refused(scope, answer, authorization):
                return answer
            again += 1

    def _manifest_request(self, method: str, repository: str, reference: str) -> Answer:
        path = f"/v2/{repository}/manifests/{quote(reference, safe=':')}"
        answer = self.get("reads", path, self.scope(repository), method=method, headers={"Accept": ACCEPT})
        left = number((answer.headers.get("ratelimit-remaining") or "").partition(";")[0].strip())
        if left is not None and not answer.strayed:
            self.pulls_left = left
        return answer

    def fetch_token(self, realm: str, service: str, scopes: List[str]) -> Tuple[str, float]:
        """A bearer token for *scopes* and its life in seconds, from the token service *realm*.

        Asked as the distribution specification's token protocol says: credentials as Basic, ``scope`` repeated.
        """
        query = ([("service", service)] if service else []) + [("scope", scope) for scope in scopes]
        headers = {"Authorization": self.credentials.basic()} if self.credentials else {}
        separator = "&" if "?" in realm else "?"
        answer = self.http.request("tokens", "GET", realm + separator + urlencode(query), headers=headers)
        answer.signed = self.credentials is not None
        return self.read_token(answer, scopes)

    def read_token(self, answer: Answer, scopes: List[str]) -> Tuple[str, float]:
        """The token in a token service's answer and its life in seconds."""
        content = answer.json()
        token = (content.get("access_token") or content.get("token")) if isinstance(content, dict) else None
        if answer.status == 200 and isinstance(token, str) and re.fullmatch(r"[\x21-\x7e]+", token):
            return token, seconds(content.get("expires_in"), TOKEN_SECONDS) or token_seconds(token) or 60.0
        if answer.status == 200:
            raise AcrError("protocol", f"The token service of {self.name} answered without a token.")
        raise self.token_failure(answer, scopes[0].split(":")[1] if scopes and scopes[0].startswith("repository:") else "")

    # -- failures --------------------------------------------------------------------------------------------------

    def _speaks_registry(self, answer: Answer) -> bool:
        """Whether a body-less 404 comes from a registry and not from something in front of it."""
        return bool(answer.headers.get("Docker-Distribution-Api-Version"))

    def _of(self, repository: str = "", reference: str = "") -> str:
        separator = "@" if valid_digest(reference) else ":"
        return "/".join(part for part in (self.name, repository) if part) + (separator + reference if reference else "")

    def _wrong_digest(self, repository: str, reference: str, digest: str) -> AcrError:
        message = f"{self._of(repository, reference)} answers with content of another digest ({digest}); nothing of it is used."
        return AcrError("protocol", message)

    def token_failure(self, answer: Answer, repository: str = "") -> AcrError:
        """The error for a token service that gives no token. Whatever it answers, it knows nothing of what is there."""
        if answer.status in (401, 403):
            return self.failure(answer, repository)
        said = self._said(answer) or " That is not what a token service sends."
        message = f"The token service for {self._of(repository)} answered with status {answer.status}.{said}"
        return AcrError("protocol", message, status=answer.status)

    def failure(self, answer: Answer, repository: str = "", reference: str = "") -> AcrError:
        """The error for an answer that isn't what was asked for.

        Status, codes and challenge decide what it means; the text that comes with them is passed on, and decides nothing.
        """
        what, status, text, said = self._of(repository, reference), answer.status, quoted(answer), self._said(answer)
        if answer.strayed:
            message = "{0} can't be read: {1} redirects to {2}, which answers with status {3}{4}. No credentials were sent there."
            said = f" and says: {text}" if text else ""
            message = message.format(what, self.host, answer.strayed, status, said)
            return AcrError("protocol", message, status=status, codes=_codes(answer))
        if status == 404:
            if answer.errors() or not answer.body or self._speaks_registry(answer):
                return AcrError("not_found", f"{what} does not exist.", status=status)
            message = f"{self.host} answered 404 with something that no registry sends; is a proxy in the way?"
            return AcrError("protocol", message, status=status)
        if status == 401:
            return AcrError("unauthorized", self._unauthorized(answer, what, bool(repository)), status=status)
        if status == 403:
            message = f"{what} denies access.{said} {self._right(answer)}"
            return AcrError("denied", message, status=status)
        message = f"{what} answered with status {status}.{said or ' That is not what a registry sends.'}"
        return AcrError("protocol", message, status=status, codes=_codes(answer))

    def _said(self, answer: Answer) -> str:
        text = quoted(answer)
        return f" The registry says: {text}." if text else ""

    def _unsent(self, answer: Answer) -> bool:
        """Whether there are credentials that nobody refused, since the registry asked for none that can be sent."""
        return self.credentials is not None and answer.signed is False

    def _right(self, answer: Answer) -> str:
        if self._unsent(answer):
            return "The given credentials were not sent: it offers neither Basic nor Bearer sign-in."
        if self.credentials is None and not self.signs_in:
            return "No credentials were given."
        return "The account needs the right to pull it."

    def _unauthorized(self, answer: Answer, what: str, one: bool) -> str:
        said = self._said(answer)
        values = challenge_values(answer.headers.get("WWW-Authenticate") or "")
        actions = values.get("scope", "").rpartition(":")[2].split(",")
        listing = "metadata_read" in actions and "pull" not in actions  # Azure's name for the right to list
        if self.signs_in and not one:
            return (
                f"The repositories of {what} can't be listed by the account that signs in. It needs the role AcrPull there, or "
                f"Container Registry Repository Catalog Lister where rights go by repository (ABAC).{said}"
            )
        if self.signs_in:
            right = "to list" if listing else "to pull" if "pull" in actions else "to pull and to list"
            return (
                f"{what} can't be read by the account that signs in. It needs the right {right} there: the role AcrPull, or "
                "Container Registry Data Importer and Data Reader; Container Registry Repository Reader where rights go by "
                f"repository (ABAC). Another tenant's registry needs source_username and source_password.{said}"
            )
        do = "list" if listing or not one else "pull"
        if self.credentials is None:
            return f"{what} needs credentials that may {do} it (none were given), or does not exist.{said}"
        if self._unsent(answer):
            return f"{what} wants a sign-in.{said} {self._right(answer)}"
        if values.get("error") == "insufficient_scope":
            lack = " (metadata/read)" if listing else ""
            message = (
                f"{what} is not for the given credentials: they hold, but may not {do} it{lack}, or it does not exist.{said}"
            )
            return message
        return f"{what} refuses the given credentials.{said} Check user name and password."


class _Token(NamedTuple):
    value: str
    ends: float  # monotonic seconds
    scopes: Tuple[str, ...]  # as they were asked for


class Authorization:
    """What a registry wants to see in ``Authorization``: learnt from its challenges, kept in memory only."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._lock = threading.Lock()
        self._turns: Dict[str, Any] = {}  # locks by scope: of many who need the same token, one asks for it
        self._groups: Dict[str, List[str]] = {}  # scope -> all that share a token with it
        self._basic = False
        self._realm: Optional[Tuple[str, str]] = None
        self._fixed = False  # whether the realm is known beforehand, so that no challenge can name another
        self._tokens: Dict[str, _Token] = {}
        self._scopes: Dict[str, str] = {}  # our scope -> the one that the registry's challenge names
        self._batch = TOKEN_CHARACTERS
        self._asking = threading.Lock()
        self._asked = False  # how to sign in

    def know(self, realm: str, service: str) -> None:
        """Sets the token service, where it is known without a challenge: no other one is asked then."""
        self._realm, self._fixed = (realm, service), True

    def header(self, scope: str) -> Optional[str]:
        """The header's value for *scope*, or None while the registry asked for nothing yet."""
        if self._basic:
            return self._registry.credentials.basic() if self._registry.credentials else None
        found = self._ready(scope)
        if found is not None or self._realm is None:
            return found
        with self._turn(self._groups.get(scope, [scope])[0]):
            return self._ready(scope) or "Bearer " + self._fetch(self._groups.get(scope, [scope]))

    def _ready(self, scope: str) -> Optional[str]:
        token = self._tokens.get(scope)
        return "Bearer " + token.value if token and time.monotonic() < token.ends else None

    def _turn(self, scope: str) -> Any:
        with self._lock:
            return self._turns.setdefault(scope, threading.Lock())

    def prepare(self, scopes: List[str]) -> None:
        """Fetches tokens for all *scopes*, as few as their size allows."""
        now = time.monotonic()
        known = dict(self._tokens)
        missing = [scope for scope in dict.fromkeys(scopes) if scope not in known or known[scope].ends < now]
        if len(missing) < 2 or self._basic:
            return
        if not self._discovered() or self._basic or self._realm is None:
            return
        while missing:
            batch: List[str] = []
            size = TOKEN_BASE
            for scope in missing:
                # A token names each repository in JSON, and base64 makes four characters of three.
                size += (len(scope) + 60) * 4 // 3
                if batch and size > self._batch:
                    break
                batch.append(scope)
            try:
                self._fetch(batch)
            except AcrError as error:
                if error.status not in (400, 414, 431) or len(batch) < 2:
                    raise
                self._batch = max(TOKEN_BASE, size // 2)
                continue
            missing = missing[len(batch):]

    def too_long(self, scope: str, sent: str) -> bool:
        """The registry's front refused what was *sent*, and it may be the length: two tokens then take its place. False
        where that can't be it."""
        if not sent.startswith("Bearer "):
            return False
        with self._lock:
            token = self._tokens.get(scope)
            if token is None or sent != "Bearer " + token.value:
                return True  # another thread has seen to it meanwhile
            group = [other for other, its in self._tokens.items() if its is token]
            if len(group) < 2:
                return False
            self._batch = max(TOKEN_BASE, min(self._batch, len(sent)) // 2)
            for half in (group[: len(group) // 2], group[len(group) // 2:]):
                for other in half:
                    self._groups[other] = half
                    del self._tokens[other]
        return True

    def refused(self, scope: str, answer: Answer, sent: Optional[str]) -> bool:
        """The registry refused what was *sent*, or that nothing was. True when there is something new to try.

        What it answers to nobody, "does not exist" too, is no answer to somebody who has credentials.
        """
        if answer.status not in (401, 403) and (sent is not None or answer.status != 404):
            return False
        values = self._learn(answer)
        if values is None:
            unasked = answer.status == 401 and not answer.headers.get("WWW-Authenticate")
            return sent is None and (unasked or self._registry.credentials is not None) and self._discovered()
        if self._basic:
            return not (sent or "").startswith("Basic ")
        wanted = _wider(scope, values.get("scope") or scope)
        with self._turn(scope):
            token = self._tokens.get(scope)
            if token is not None:
                if sent != "Bearer " + token.value:
                    return True  # another thread has fetched one meanwhile
                if token.scopes == (wanted,) and values.get("error") != "invalid_token":
                    return False  # a token of its own, and still not enough: denied
            self._scopes[scope] = wanted
            self._groups[scope] = [scope]
            self._fetch([scope])
        return True

    def _discovered(self) -> bool:
        """Whether the registry wants a sign-in that is known here. It is asked once, where it hasn't said so by itself."""
        with self._asking:
            if not self._asked and self._realm is None and not self._basic:
                self._learn(self._registry.http.request("tokens", "GET", f"https://{self._registry.host}/v2/", follow=True))
                self._asked = True
        return self._realm is not None or self._basic

    def _learn(self, answer: Answer) -> Optional[Dict[str, str]]:
        """The parameters of the best challenge that can be met; None where there is none.

        The one place where it is learnt where credentials go. An answer belongs to the host that gave it: the registry's own
        say where, those of hosts that it redirects to don't.
        """
        if answer.strayed:
            return None
        problem: Optional[AcrError] = None
        offered = challenges(answer.headers.get("WWW-Authenticate") or "")
        for values in (values for scheme, values in offered if scheme == "bearer"):
            try:
                if not self._fixed and "realm" in values:
                    self._check(values["realm"])
                    self._realm = (values["realm"], values.get("service", ""))
            except AcrError as error:
                problem = problem or error
                continue
            if self._realm is not None:
                self._basic = False
                return values
        if self._registry.credentials is not None and any(scheme == "basic" for scheme, _values in offered):
            self._basic = True
            return {}
        if problem is not None:
            raise problem
        return None

    def _check(self, realm: str) -> None:
        name = self._registry.name
        parts = link("", realm, name)
        if parts.scheme != "https":
            message = "{0} names a token service without TLS ({1}); no credentials were sent."
            raise AcrError("protocol", message.format(name, realm))
        if local(parts.hostname) and not local(urlsplit("//" + self._registry.host).hostname):
            message = f"{name} names a token service at a local address ({parts.netloc}); no credentials were sent."
            raise AcrError("protocol", message)

    def _fetch(self, scopes: List[str]) -> str:
        wanted = [self._scopes.get(scope, scope) for scope in scopes]
        value, seconds = self._registry.fetch_token(self._realm[0], self._realm[1], wanted)
        # Renewed a little early: a token must not end between being chosen and being looked at.
        token = _Token(value, time.monotonic() + max(5.0, seconds * 0.9), tuple(wanted))
        with self._lock:
            for scope in scopes:
                self._tokens[scope] = token
                self._groups.setdefault(scope, scopes)
        return value


def _wider(ours: str, theirs: str) -> str:
    """*ours* where it already asks for all that *theirs* names; else *theirs*."""
    one, other = ours.rsplit(":", 1), theirs.rsplit(":", 1)
    if one[0] == other[0] and set(other[-1].split(",")) <= set(one[-1].split(",")):
        return ours
    return theirs


def challenge_values(header: str) -> Dict[str, str]:
    """The parameters of the Bearer challenge in a ``WWW-Authenticate`` header; empty where there is none."""
    return next((values for scheme, values in challenges(header) if scheme == "bearer"), {})


def quoted(answer: Answer) -> str:
    """What a registry says in its errors, on one line and not too long; with Azure's correlation ID, which its support asks for."""
    text = " ".join("; ".join(str(entry.get("message", "")) for entry in answer.errors()).split()).rstrip(".")
    found = re.search("CorrelationId: ([0-9A-Za-z-]{1,64})", text)
    if found and found.end() > SAID:
        return f"{text[: min(SAID, found.start())].rstrip()}… {found.group(0)}"
    return text[:SAID].rstrip(".")


def nothing_there(error: AcrError) -> bool:
    """Whether a look for something that need not be there, such as a signature, found nothing. Here, and only here, the word of
    a registry that another one redirects its questions to is enough (registry.k8s.io leads to Google's with all of them)."""
    unknown = {"MANIFEST_UNKNOWN", "NAME_UNKNOWN"}.intersection(error.codes)
    return error.reason == "not_found" or error.reason == "protocol" and error.status == 404 and bool(unknown)


def _codes(answer: Answer) -> Tuple[str, ...]:
    return tuple(str(entry.get("code", "")).upper() for entry in answer.errors())


def _media_type(answer: Answer) -> str:
    return (answer.headers.get("Content-Type") or "").split(";")[0].strip().lower()


def _shape(content: Dict[str, Any], label: str) -> str:
    """What a manifest is: its own shape decides, and its label which of the names for that it goes by. Azure and everybody who
    pulls it read it by its content."""
    labels = [found for found in (label, content.get("mediaType")) if found in MANIFEST_TYPES]
    if isinstance(content.get("manifests"), list):
        return next((found for found in labels if found in INDEX_TYPES), INDEX_TYPES[0])
    if "config" in content and "layers" in content:
        return next((found for found in labels if found not in INDEX_TYPES), IMAGE_TYPE)
    return labels[0] if labels else str(content.get("mediaType") or label)


def _too_many(answer: Answer, path: str) -> bool:
    """Whether a registry refuses a page of a listing for its size."""
    if "n" not in dict(parse_qsl(urlsplit(path).query)) or answer.strayed:
        return False
    return answer.status == 400 or answer.status in (404, 416, 422) and "PAGINATION_NUMBER_INVALID" in _codes(answer)


def _fewer(path: str) -> str:
    """The path of a listing with fewer entries a page, or with as many as the registry likes."""
    parts = urlsplit(path)
    query = dict(parse_qsl(parts.query))
    if (number(query.pop("n")) or 0) > FEWER:
        query["n"] = str(FEWER)
    return f"{parts.path}?{urlencode(query)}" if query else parts.path


def token_payload(token: str) -> Dict[str, Any]:
    """What a JSON Web Token says of itself, unverified (it is only looked at for hints); empty for other tokens."""
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        found = parse(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def token_seconds(token: str) -> Optional[float]:
    """How long a JSON Web Token lives from now, without asking this machine's clock, which may be wrong.

    Azure's registries backdate ``iat`` by 15 minutes.
    """
    payload = token_payload(token)
    ends, begins = seconds(payload.get("exp"), 1e12), seconds(payload.get("iat"), 1e12)
    if ends is None or begins is None:
        return None
    life = seconds(ends - begins, TOKEN_SECONDS)
    return life - 900 if life is not None and life > 1800 else life


def valid_digest(text: Any) -> bool:
    """Whether *text* is a digest whose algorithm is known here."""
    return isinstance(text, str) and re.fullmatch(r"sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}", text) is not None
