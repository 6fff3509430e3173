# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What only Azure's registries have: sign-in with Microsoft Entra, and lists that carry digests and metadata."""

from __future__ import annotations

import threading
from typing import Any, Callable, Dict, Iterable, Iterator, List, NamedTuple, Optional, Tuple
from urllib.parse import quote

from ._authorization import Service, TokenService, token_payload, token_seconds
from ._credentials import Credentials
from ._errors import GENERAL, AcrError
from ._http import Http
from ._listing import PAGE
from ._reference import valid_digest
from ._refusals import EXCHANGE, Context, explain
from ._registry import Registry
from ._untrusted import Answer, mapping, names, number, objects, since_1970, strings

LOCKING = "repository:{}:metadata_read,metadata_write"  # the scope of a token that may lock


class Tag(NamedTuple):
    """A tag as an Azure registry lists it. *updated* and *created* are Azure's time stamps, as text. *locked*: can't be moved.
    *immutable*: nor deleted."""

    name: str
    digest: str
    updated: Optional[str] = None
    locked: bool = False
    immutable: bool = False
    created: Optional[str] = None


class Counts(NamedTuple):
    """How much a repository holds."""

    tags: int
    manifests: int


class AzureTokens(TokenService):
    """An Azure registry's own token service.

    It is asked by POST, where long lists of scopes and refresh tokens have room. An access token of Microsoft Entra is exchanged
    for a refresh token of the registry first; *public*: if the registry doesn't know that account, it is read anonymously.
    """

    joins = True
    base, each = 1200, 60

    def __init__(
        self,
        host: str,
        http: Http,
        entra: Optional[Callable[[], str]] = None,
        tenant: Optional[str] = None,
        credentials: Optional[Credentials] = None,
        public: bool = False,
    ) -> None:
        self._entra = entra if credentials is None else None
        signs_in = self._entra is not None
        context = Context(host, host, credentials is not None, signs_in, azure=True)
        super().__init__(http.request, context, credentials, Service(f"https://{host}/oauth2/token", host))
        self._tenant = tenant if signs_in else None
        self._public = public and signs_in
        if credentials is not None and credentials.username is None:
            token = credentials.password
            if token_payload(token).get("grant_type") != "refresh_token":
                self._entra = lambda: token
        self._clock = http.clock
        self._refresh: Optional[Tuple[str, float]] = None  # the refresh token, and when it ends by the clock
        self._lock = threading.Lock()

    def fetch(self, service: Service, scopes: List[str]) -> Tuple[str, float]:
        form = [("service", service.name)] + [("scope", scope) for scope in scopes]
        if self._entra is not None:
            try:
                return self.read(self._signed_in(self._entra, service, form), scopes)
            except AcrError as error:
                if not self._public or error.status != 401:
                    raise
                refusal = error
            try:
                found = self._anonymous(service, form, scopes)
            except AcrError as error:
                raise (error if error.passing or error.reason in GENERAL else refusal) from None
            self._entra = None  # from now on
            return found
        if self.credentials is None:
            return self._anonymous(service, form, scopes)
        if self.credentials.username is None:
            form += [("grant_type", "refresh_token"), ("refresh_token", self.credentials.password)]
        else:
            form += [
                ("grant_type", "password"),
                ("username", self.credentials.username),
                ("password", self.credentials.password),
            ]
        return self.read(self.request("tokens", "POST", service.realm, form=form), scopes)

    def _anonymous(self, service: Service, form: List[Tuple[str, str]], scopes: List[str]) -> Tuple[str, float]:
        form = form + [("grant_type", "password"), ("refresh_token", "")]
        return self.read(self.request("tokens", "POST", service.realm, form=form), scopes)

    def _signed_in(self, entra: Callable[[], str], service: Service, form: List[Tuple[str, str]]) -> Answer:
        """The token service's answer to a refresh token; asked once more with a new one if the registry says that the one in
        hand has expired, whatever this machine's clock says."""
        for last in (False, True):
            token = self._refresh_token(entra, service)
            sent = form + [("grant_type", "refresh_token"), ("refresh_token", token)]
            answer = self.request("tokens", "POST", service.realm, form=sent)
            if answer.status != 401 or last:
                break
            with self._lock:
                if self._refresh is not None and self._refresh[0] == token:
                    self._refresh = None
        return answer

    def _refresh_token(self, entra: Callable[[], str], service: Service) -> str:
        with self._lock:
            if self._refresh is not None and self._clock() < self._refresh[1]:
                return self._refresh[0]
            form = [("grant_type", "access_token"), ("service", service.name), ("access_token", entra())]
            if self._tenant:
                form.append(("tenant", self._tenant))
            answer = self.request("tokens", "POST", f"https://{self.context.host}/oauth2/exchange", form=form)
            content = answer.json()
            found = content.get("refresh_token") if isinstance(content, dict) else None
            if answer.status != 200 or not isinstance(found, str):
                raise explain(answer, self.context, step=EXCHANGE)
            self._refresh = (found, self._clock() + (token_seconds(found) or 3600) * 0.9)
            return found


class AzureRegistry(Registry):
    """The data plane of one Azure registry.

    *entra* returns an access token for the registries' audience; None reads anonymously (or with *credentials*), and so does
    *public* if the registry doesn't know that account. A password without a user name is a refresh token of the registry, or an
    access token of Microsoft Entra for it or for Azure Resource Manager.
    """

    scope_actions = "metadata_read,pull"
    lists_all_referrers = True

    def __init__(
        self,
        host: str,
        http: Http,
        *,
        entra: Optional[Callable[[], str]] = None,
        tenant: Optional[str] = None,
        credentials: Optional[Credentials] = None,
        public: bool = False,
    ) -> None:
        super().__init__(host, http, tokens=AzureTokens(host, http, entra, tenant, credentials, public))

    def now(self) -> float:
        """The time by its own clock, as of its last answer, in seconds since 1970."""
        found = since_1970(self.date)
        if found is None:
            raise AcrError("protocol", f"{self.name} doesn't say what time it is, so ages can't be told.")
        return found

    # -- lists -----------------------------------------------------------------------------------------------------

    def counts(self, repository: str) -> Counts:
        """How many tags and manifests a repository holds; none if it does not exist."""
        content = self._read(_path(repository), repository)
        if content is None:
            return Counts(0, 0)
        return Counts(number(content.get("tagCount")) or 0, number(content.get("manifestCount")) or 0)

    def repository_locked(self, repository: str) -> Optional[bool]:
        """Whether a repository is locked against writing; None if it does not exist."""
        content = self._read(_path(repository), repository)
        return locked(content, self.name) if content is not None else None

    def tag(self, repository: str, tag: str) -> Optional[Tag]:
        """One tag; None if the registry says that it does not exist. Its manifest may be gone all the same."""
        content = self._read(_path(repository, tag), repository, tag)
        return self._tag(mapping(content.get("tag"), self.name)) if content is not None else None

    def tag_list(self, repository: str, newest: Optional[int] = None) -> Iterator[Tag]:
        """All tags with their digests, page by page; or the *newest* ones, one page only."""
        query = f"?n={min(newest, PAGE)}&orderby=timedesc" if newest else f"?n={PAGE}"
        for page in self._list(f"{_path(repository)}/_tags{query}", repository):
            yield from self._tags(page)
            if newest:
                return

    def _tags(self, page: Dict[str, Any]) -> Iterator[Tag]:
        return map(self._tag, objects(page.get("tags"), self.name))

    def manifest_list(self, repository: str, *, orderby: str = "", limit: Optional[int] = None) -> Iterator[Dict[str, Any]]:
        """The manifests of a repository with their metadata, as Azure lists them; *orderby* ``timeasc``, ``timedesc``."""
        query = f"?n={min(limit or PAGE, PAGE)}{'&orderby=' + orderby if orderby else ''}"
        for page in self._list(f"{_path(repository)}/_manifests{query}", repository):
            yield from map(self._manifest, objects(page.get("manifests"), self.name))

    def manifest_metadata(self, repository: str, digest: str) -> Optional[Dict[str, Any]]:
        """One manifest's metadata, with ``references`` for an index; None if it does not exist."""
        content = self._read(_path(repository, digest), repository, digest)
        return self._manifest(mapping(content.get("manifest"), self.name)) if content is not None else None

    def prepare_locking(self, repositories: Iterable[str]) -> None:
        """As `prepare`, for `lock`."""
        self._authorization.prepare([LOCKING.format(repository) for repository in repositories])

    def lock(self, repository: str, reference: str) -> None:
        """Forbids to change or delete a tag, or a manifest by its digest."""
        body = b'{"writeEnabled": false, "deleteEnabled": false}'
        headers = {"Content-Type": "application/json"}
        scope = LOCKING.format(repository)
        answer = self.get("locks", _path(repository, reference), scope, method="PATCH", headers=headers, body=body)
        if answer.status != 200:
            raise self.failure(answer, repository, reference)

    def repositories(self) -> List[str]:
        """The names of all repositories."""
        found: List[str] = []
        for page in self.pages("reads", f"/acr/v1/_catalog?n={PAGE}", "registry:catalog:*"):
            found += names(page.get("repositories"), self.name)
        return found

    def _list(self, path: str, repository: str) -> Iterator[Dict[str, Any]]:
        """The pages of a listing; none if the repository does not exist."""
        try:
            yield from self._pages(path, repository)
        except AcrError as error:
            if error.reason != "not_found":
                raise

    def _pages(self, path: str, repository: str) -> Iterator[Dict[str, Any]]:
        """The pages of a listing. AcrError ``not_found`` if the repository does not exist."""
        begun = False
        try:
            for page in self.pages("reads", path, self.scope(repository), repository):
                begun = True
                yield page
        except AcrError as error:
            if error.reason != "not_found" or not begun:
                raise
            # The first page has shown that there is such a repository.
            message = f"{self.name} broke off the listing of {repository}: {error} Run again."
            raise AcrError("unavailable", message) from None

    def _read(self, path: str, repository: str, reference: str = "") -> Optional[Dict[str, Any]]:
        answer = self.get("reads", path, self.scope(repository))
        if answer.status != 200:
            error = self.failure(answer, repository, reference)
            if error.reason == "not_found":
                return None
            raise error
        content = answer.json()
        if not isinstance(content, dict):
            raise AcrError("protocol", f"{self.name} sent something other than JSON.")
        return content

    def _tag(self, entry: Dict[str, Any]) -> Tag:
        (name,), digest = names([entry.get("name")], self.name), self._digest(entry)
        updated, created = (str(entry.get(time) or "") or None for time in ("lastUpdateTime", "createdTime"))
        return Tag(name, digest, updated, locked(entry, self.name), immutable(entry, self.name), created)

    def _manifest(self, entry: Dict[str, Any]) -> Dict[str, Any]:
        """An entry of a list of manifests, after checking what is relied on."""
        self._digest(entry)
        mapping(entry.get("changeableAttributes"), self.name)
        strings(entry.get("tags"), self.name)
        return entry

    def _digest(self, entry: Dict[str, Any]) -> str:
        digest = entry.get("digest")
        if not isinstance(digest, str) or not valid_digest(digest):
            named = f"tag {entry['name']!r:.140}" if "name" in entry else "a manifest"
            raise AcrError("protocol", f"{self.name} lists {named} with the digest {digest!r:.100}.")
        return digest


def _path(repository: str, reference: str = "") -> str:
    kind = "/_manifests/" if ":" in reference else "/_tags/" if reference else ""
    return "/acr/v1/" + quote(repository, safe="/") + kind + quote(reference, safe=":")


def locked(entry: Dict[str, Any], who: str) -> bool:
    """Whether Azure's properties of a repository, tag or manifest forbid writing to it."""
    return mapping(entry.get("changeableAttributes"), who).get("writeEnabled") is False


def immutable(entry: Dict[str, Any], who: str) -> bool:
    """Whether they forbid deleting it, too."""
    return locked(entry, who) and mapping(entry.get("changeableAttributes"), who).get("deleteEnabled") is False
