# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reads any registry that speaks the OCI distribution protocol: digests, manifests, tags, referrers."""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Tuple, TypeVar
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from ._authorization import Authorization, TokenService
from ._credentials import Credentials
from ._errors import AcrError
from ._http import BODY_LIMIT, LIST_LIMIT, Http
from ._manifest import (
    ACCEPT,
    MANIFEST_TYPES,
    Child,
    Descriptor,
    Manifest,
    computed_digest,
    is_index,
    label,
    read_manifest,
    wrong_digest,
)
from ._reference import valid_digest
from ._refusals import Context, explain, nothing_there, speaks_registry
from ._untrusted import Answer, link, links, mapping, names, number, objects, same_host

LACKS_REFERRERS = frozenset([404, 405, 501])  # what registries without the referrers API answer
FEWER = 100  # entries per page for registries that refuse more
PAGES = 1000  # a listing of more pages never ends
LISTING_LIMIT = 128 * 1024 * 1024  # bytes of all pages; 300,000 of Azure's tags
LISTING_SECONDS = 900.0
CONFIRM_PAUSES = (0.25, 0.5, 1.0, 2.0)  # seconds between the questions after which "does not exist" is believed
NESTED = 3  # an index may list indexes; nobody nests deeper
MOST_NESTED = 50  # such indexes are opened on each level: an index without end is an attack

Found = TypeVar("Found")


class Registry:
    """One registry, by the host that answers for it. Shared by threads."""

    scope_actions = "pull"
    lists_all_referrers = False  # whether its referrers API also knows what was pushed by the tag schema

    def __init__(
        self,
        host: str,
        http: Http,
        credentials: Optional[Credentials] = None,
        name: str = "",
        tokens: Optional[TokenService] = None,
    ) -> None:
        tokens = tokens or TokenService(http.request, Context(host, name or host, credentials is not None), credentials)
        self._context = tokens.context
        self._authorization = Authorization(tokens, self._ping, http.clock)
        self.host = host
        self.name = tokens.context.name
        self.http = http
        self.date: Optional[str] = None  # of its last answer, by its own clock
        self.pulls_left: Optional[int] = None  # how many more pulls the registry announces, if it counts them (Docker Hub does)

    @property
    def signs_in(self) -> bool:
        """Whether it is read with the account that signs in to Azure."""
        return self._context.signs_in

    # -- reading ---------------------------------------------------------------------------------------------------

    def prepare(self, repositories: Iterable[str]) -> None:
        """Lets many repositories share tokens, so that the reads that follow need none of their own."""
        self._authorization.prepare([self.scope(repository) for repository in repositories])

    def scope(self, repository: str) -> str:
        return f"repository:{repository}:{self.scope_actions}"

    def describe(self, repository: str, reference: str, *, brief: bool = False) -> Descriptor:
        """The manifest that a tag or digest names. `AcrError` ``not_found`` if there is none.

        Asked with HEAD, which isn't a pull on Docker Hub; with GET if the registry refuses HEAD or leaves the digest out. *brief*:
        any 404 to HEAD will do, even one that may come from something in front of the registry.
        """
        answer = self._manifest_request("HEAD", repository, reference)
        if answer.status == 200:
            digest, media_type = answer.headers.get("Docker-Content-Digest") or "", label(answer)
            if valid_digest(digest) and media_type in MANIFEST_TYPES:
                if digest == reference or not valid_digest(reference):
                    return Descriptor(digest, media_type, number(answer.headers.get("Content-Length")))
                if digest.split(":")[0] == reference.split(":")[0]:
                    raise wrong_digest(self._context.of(repository, reference), digest)
        elif brief and answer.status == 404 and not answer.strayed:
            raise AcrError("not_found", f"{self._context.of(repository, reference)} does not exist.", status=404)
        elif not answer.strayed and not _leaves_open(answer):
            raise self.failure(answer, repository, reference)
        return self.manifest(repository, reference).descriptor

    def manifest(self, repository: str, reference: str) -> Manifest:
        """The manifest itself; its digest is computed over the bytes, never taken on trust."""
        answer = self._manifest_request("GET", repository, reference)
        if answer.status != 200:
            raise self.failure(answer, repository, reference)
        return read_manifest(answer, reference, self._context.of(repository, reference))

    def blob(self, repository: str, digest: str) -> bytes:
        """A small blob, such as an image's configuration; bytes with another digest are refused."""
        if not valid_digest(digest):
            raise AcrError("protocol", f"{self._context.of(repository)} names a blob by {digest!r}, which isn't a digest.")
        answer = self.get("reads", f"/v2/{repository}/blobs/{digest}", self.scope(repository))
        if answer.status != 200:
            raise self.failure(answer, repository, digest)
        found = computed_digest(digest.split(":")[0], answer.body)
        if found != digest:
            raise wrong_digest(self._context.of(repository, digest), found)
        return answer.body

    def tags(self, repository: str) -> List[str]:
        """The names of all tags of a repository, in the registry's order."""
        found: List[str] = []
        for page in self.pages("reads", f"/v2/{repository}/tags/list?n=1000", self.scope(repository), repository):
            found += names(page.get("tags"), self.name)
        return found

    def lacks(self, repository: str) -> bool:
        """Whether the registry says that it has no such repository; False also if it doesn't say."""
        answer = self.get("reads", f"/v2/{repository}/tags/list?n=1", self.scope(repository))
        return not answer.strayed and answer.status == 404 and "NAME_UNKNOWN" in answer.codes()

    def referrers(self, repository: str, digest: str) -> Tuple[str, List[Dict[str, Any]]]:
        """The descriptors of what refers to a manifest (OCI 1.1), and where they were found: ``api``, or ``index`` for the tag
        schema, which is used if the registry lacks the API."""
        path, scope = f"/v2/{repository}/referrers/{digest}", self.scope(repository)
        tag = digest.replace(":", "-")
        answer = self.get("referrers", path, scope, limit=LIST_LIMIT)
        # A 404 means that the registry lacks the API, whatever its body; the next read shows whether it is a registry at all.
        if answer.status not in LACKS_REFERRERS and "UNSUPPORTED" not in answer.codes():
            found: List[Dict[str, Any]] = []
            for page in self.pages("referrers", path, scope, repository, answer):
                found += objects(page.get("manifests"), self.name)
            # A list may know only what was pushed by the API.
            if found or self.lists_all_referrers or self._manifest_request("HEAD", repository, tag).status == 404:
                return "api", found
        try:
            index = self.manifest(repository, tag)
        except AcrError as error:
            if not nothing_there(error):
                raise
            return "index", []
        # Some registries resolve such a tag to the image itself: what it lists must name the image as its subject.
        return "index", [child for child in index.children() if self._refers(repository, str(child["digest"]), digest)]

    def confirmed(self, ask: Callable[[], Found]) -> Found:
        """What *ask* returns. That something doesn't exist (None, or `AcrError` ``not_found``) is believed only after it was
        said again and again: one of a registry's many replicas may be late."""
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
        """All that an index lists, also through the indexes that it lists, down to NESTED levels: level by level, each digest
        once. Nothing for a single manifest.

        On each level at most MOST_NESTED manifests are opened. One that doesn't exist comes as its parent describes it.
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
                if media_type not in MANIFEST_TYPES:  # only its content shows what it is
                    found = self._open(repository, digest, opened)
                    media_type = found.descriptor.media_type if found else media_type
                if is_index(media_type):
                    nested.append(digest)
                yield Child(digest, media_type, entry.get("platform") or {}, number(entry.get("size")))
            if depth < NESTED:
                level = [found for found in (self._open(repository, digest, opened) for digest in nested) if found]

    def _open(self, repository: str, digest: str, opened: Dict[str, Optional[Manifest]]) -> Optional[Manifest]:
        """One of the manifests of a level, None if it doesn't exist; *opened* holds those that were read."""
        if digest not in opened and len(opened) < MOST_NESTED:
            try:
                opened[digest] = self.confirmed(lambda: self.manifest(repository, digest))
            except AcrError as error:
                if error.reason != "not_found":
                    raise
                opened[digest] = None
        return opened.get(digest)

    def _refers(self, repository: str, referrer: str, digest: str) -> bool:
        """Whether a manifest that an index lists refers to *digest*. As far as is known: one that is gone, or late, can't deny it,
        and must not hide the others."""
        try:
            manifest = self.manifest(repository, referrer)
        except AcrError as error:
            if error.reason != "not_found":
                raise
            return True
        return mapping(manifest.json().get("subject"), self._context.of(repository, referrer)).get("digest") == digest

    # -- requests --------------------------------------------------------------------------------------------------

    def pages(
        self, kind: str, path: str, scope: str, repository: str = "", answer: Optional[Answer] = None
    ) -> Iterator[Dict[str, Any]]:
        """The pages of a listing, following ``Link`` on this host only. *answer*: the first page, if it was read already."""
        seen = set()
        size, ends = 0, self.http.clock() + LISTING_SECONDS
        for _count in range(PAGES):
            answer = answer or self.get(kind, path, scope, limit=LIST_LIMIT)
            while _too_many(answer, path):
                path = _fewer(path)
                answer = self.get(kind, path, scope, limit=LIST_LIMIT)
            page = answer.json()
            if answer.status != 200:
                raise self.failure(answer, repository)
            if not isinstance(page, dict):
                raise AcrError("protocol", f"{self.name} sent something other than JSON for a listing.")
            yield page
            size += len(answer.body)
            following = next_page(path, answer.headers.get("Link") or "", [self.host, answer.host], self.name)
            if following is None:
                return
            if following in seen or size > LISTING_LIMIT or self.http.clock() > ends:
                break
            seen.add(following)
            path, answer = following, None
        raise AcrError("protocol", f"The listing of {self._context.of(repository)} never ends; refused.")

    def get(
        self,
        kind: str,
        path: str,
        scope: str,
        *,
        method: str = "GET",
        headers: Optional[Dict[str, str]] = None,
        body: Optional[bytes] = None,
        limit: int = BODY_LIMIT,
    ) -> Answer:
        """One request with whatever sign-in the registry asks for; any final status is returned."""

        def send(authorization: Optional[str]) -> Answer:
            sent = {**(headers or {}), **({"Authorization": authorization} if authorization else {})}
            url = f"https://{self.host}{path}"
            answer = self.http.request(kind, method, url, headers=sent, form=body, limit=limit, follow=True)
            answer.signed = authorization is not None
            if not answer.strayed:
                self.date = answer.headers.get("Date") or self.date
            return answer

        return self._authorization.send(scope, send)

    def failure(self, answer: Answer, repository: str = "", reference: str = "") -> AcrError:
        """The error for an answer that isn't what was asked for."""
        return explain(answer, self._context, repository, reference)

    def _ping(self) -> Answer:
        return self.http.request("tokens", "GET", f"https://{self.host}/v2/", follow=True)

    def _manifest_request(self, method: str, repository: str, reference: str) -> Answer:
        path = f"/v2/{repository}/manifests/{quote(reference, safe=':')}"
        answer = self.get("reads", path, self.scope(repository), method=method, headers={"Accept": ACCEPT})
        left = number((answer.headers.get("ratelimit-remaining") or "").partition(";")[0].strip())
        if left is not None and not answer.strayed:
            self.pulls_left = left
        return answer


def _leaves_open(answer: Answer) -> bool:
    """Whether a refused HEAD says nothing about the manifest, since it may be HEAD that is refused."""
    if answer.status == 401:
        return not answer.headers.get("WWW-Authenticate")
    return answer.status in (400, 403, 405, 501) or answer.status == 404 and not speaks_registry(answer)


def next_page(path: str, header: str, hosts: List[str], who: str) -> Optional[str]:
    """The path that continues a listing at *path* by the ``Link`` that came with it; None at its end. *hosts*: the host that was
    asked, and the one that answered ("" if unknown).

    Only the query of the link is used: registries write host and path as they, or the fronts before them, see themselves.
    """
    target = next((target for target, relations in links(header, who) if "next" in relations), None)
    if target is None:
        return None
    there = link(f"https://{hosts[0]}{path}", target, who)
    # The listing stays on the host and port that were asked. A front may not know the port that leads to it.
    own_names = [urlsplit("//" + host).hostname or "" for host in hosts if host]
    if there.scheme not in ("http", "https") or not any(same_host(there.hostname or "", name) for name in own_names):
        raise AcrError("protocol", f"{who} continues a listing on another host ({there.netloc}); refused.")
    # Some registries put only the new parameters into the link; the others stay as they were asked.
    own = urlsplit(path)
    query = dict(parse_qsl(own.query))
    try:
        query.update(parse_qsl(there.query, max_num_fields=100))
    except ValueError:
        raise AcrError("protocol", f"{who} continues a listing with too many parameters; refused.") from None
    return f"{own.path}?{urlencode(query)}" if query else own.path


def _too_many(answer: Answer, path: str) -> bool:
    """Whether a registry refuses a page of a listing for its size."""
    if "n" not in dict(parse_qsl(urlsplit(path).query)) or answer.strayed:
        return False
    return answer.status == 400 or answer.status in (404, 416, 422) and "PAGINATION_NUMBER_INVALID" in answer.codes()


def _fewer(path: str) -> str:
    """The path of a listing with fewer entries per page, or with as many as the registry likes."""
    parts = urlsplit(path)
    query = dict(parse_qsl(parts.query))
    if (number(query.pop("n")) or 0) > FEWER:
        query["n"] = str(FEWER)
    return f"{parts.path}?{urlencode(query)}" if query else parts.path
