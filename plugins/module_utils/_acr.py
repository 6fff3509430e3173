# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What only Azure's registries have: sign-in with Microsoft Entra, and lists that carry digests and metadata."""

from __future__ import annotations

import re
import threading
import time
from typing import Any, Callable, Dict, Iterable, Iterator, List, NamedTuple, Optional, Tuple
from urllib.parse import quote

from ._errors import AcrError
from ._http import Answer, Http
from ._registry import (
    Credentials,
    Registry,
    quoted,
    token_payload,
    token_seconds,
    valid_digest,
)
from ._untrusted import mapping, names, number, objects, strings

PAGE = 1000  # the most that Azure puts on one page
REQUESTS_PER_PAGE = 4  # a page of 1,000 entries costs about as much as so many single requests


class Tag(NamedTuple):
    """A tag as an Azure registry lists it. *updated* is Azure's time stamp, as text. *locked*: can't be moved."""

    name: str
    digest: str
    updated: Optional[str] = None
    locked: bool = False


class Counts(NamedTuple):
    """How much a repository holds."""

    tags: int
    manifests: int


class AzureRegistry(Registry):
    """The data plane of one Azure registry.

    *entra* gives an access token for the registries' audience; None reads anonymously (or with *credentials*). A password
    without a user name is a refresh token of the registry, or an access token of Microsoft Entra for it or for Azure
    Resource Manager.
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
    ) -> None:
        super().__init__(host, http, credentials)
        self._entra = entra if credentials is None else None
        self.signs_in = self._entra is not None
        self._tenant = tenant if self.signs_in else None
        if credentials is not None and credentials.username is None:
            token = credentials.password
            if token_payload(token).get("grant_type") != "refresh_token":
                self._entra = lambda: token
        self._refresh: Tuple[str, float] = ("", 0.0)
        self._refresh_lock = threading.Lock()
        self._authorization.know(f"https://{host}/oauth2/token", host)

    # -- sign-in ---------------------------------------------------------------------------------------------------

    def fetch_token(self, realm: str, service: str, scopes: List[str]) -> Tuple[str, float]:
        """As for any registry, but by POST, where long lists of scopes and refresh tokens have room."""
        form = [("service", service)] + [("scope", scope) for scope in scopes]
        if self._entra is not None:
            return self.read_token(self._signed_in(realm, service, form), scopes)
        if self.credentials is None:
            form += [("grant_type", "password"), ("refresh_token", "")]
        elif self.credentials.username is None:
            form += [("grant_type", "refresh_token"), ("refresh_token", self.credentials.password)]
        else:
            form += [
                ("grant_type", "password"),
                ("username", self.credentials.username),
                ("password", self.credentials.password),
            ]
        return self.read_token(self.http.request("tokens", "POST", realm, form=form), scopes)

    def _signed_in(self, realm: str, service: str, form: List[Tuple[str, str]]) -> Answer:
        """The token service's answer to the account that signs in; once more with a new refresh token where the registry
        says that the one in hand has ended, whatever this machine's clock says."""
        for last in (False, True):
            token = self._refresh_token(service)
            sent = form + [("grant_type", "refresh_token"), ("refresh_token", token)]
            answer = self.http.request("tokens", "POST", realm, form=sent)
            if answer.status != 401 or last:
                break
            with self._refresh_lock:
                if self._refresh[0] == token:
                    self._refresh = ("", 0.0)
        return answer

    def _refresh_token(self, service: str) -> str:
        with self._refresh_lock:
            token, ends = self._refresh
            if time.monotonic() < ends:
                return token
            form = [("grant_type", "access_token"), ("service", service), ("access_token", self._entra())]
            if self._tenant:
                form.append(("tenant", self._tenant))
            answer = self.http.request("tokens", "POST", f"https://{self.host}/oauth2/exchange", form=form)
            content = answer.json()
            found = content.get("refresh_token") if isinstance(content, dict) else None
            if answer.status != 200 or not isinstance(found, str):
                raise self._exchange_failure(answer)
            self._refresh = (found, time.monotonic() + (token_seconds(found) or 3600) * 0.9)
            return found

    def _exchange_failure(self, answer: Answer) -> AcrError:
        if answer.status == 401 and self.signs_in:
            return AcrError(
                "unauthorized",
                f"{self.name} does not accept this sign-in. Most often the account has no role on this registry, not even "
                "AcrPull "
                "(Container Registry Repository Reader where rights go by repository). Or the registry belongs to another tenant "
                "(then give source_username and source_password), or wants tokens for another audience (option "
                f"registry_audience).{self._said(answer)}",
                status=401,
            )
        return self.token_failure(answer)

    def failure(self, answer: Answer, repository: str = "", reference: str = "") -> AcrError:
        """As for any registry; and the firewall's refusal, in the form that only Azure gives it."""
        found = None if answer.strayed or answer.status != 403 else next(filter(None, map(_firewall, answer.errors())), None)
        if found is None:
            return super().failure(answer, repository, reference)
        text = quoted(answer)
        correlation = re.search("CorrelationId: .*", text)
        more = f" {correlation.group(0)}." if correlation else ""
        message = (
            f"The firewall of {self.name} refuses this machine ({found.group(1)}), so digests can't be read from here. Allow the "
            f"address, run from inside the network, or set verify: false.{more}"
        )
        return AcrError("firewall", message, status=403)

    # -- lists -----------------------------------------------------------------------------------------------------

    def counts(self, repository: str) -> Counts:
        """How many tags and manifests a repository holds; none where it does not exist."""
        content = self._read("/acr/v1/" + quote(repository, safe="/"), repository)
        if content is None:
            return Counts(0, 0)
        return Counts(number(content.get("tagCount")) or 0, number(content.get("manifestCount")) or 0)

    def repository_locked(self, repository: str) -> Optional[bool]:
        """Whether a repository is locked against writing; None where it does not exist."""
        content = self._read("/acr/v1/" + quote(repository, safe="/"), repository)
        return locked(content, self.name) if content is not None else None

    def tag(self, repository: str, tag: str) -> Optional[Tag]:
        """One tag; None where the registry says that it does not exist. Its manifest may be gone all the same."""
        path = f"/acr/v1/{quote(repository, safe='/')}/_tags/{quote(tag, safe='')}"
        content = self._read(path, repository, tag)
        return self._tag(mapping(content.get("tag"), self.name)) if content is not None else None

    def tag_list(self, repository: str, newest: Optional[int] = None) -> Iterator[Tag]:
        """All tags with their digests, page by page; or the *newest* ones, one page only."""
        query = f"?n={min(newest, PAGE)}&orderby=timedesc" if newest else f"?n={PAGE}"
        for page in self._list(self._tags_path(repository) + query, repository):
            yield from self._tags(page)
            if newest:
                return

    def find_tags(self, repository: str, names: Iterable[str]) -> Tuple[Dict[str, Tag], bool]:
        """Those of *names* that a listing shows, and whether the repository exists. The others may exist all the same: a
        listing leaves out what is hidden or was just made.

        The listing is not read to its end if asking for each tag that is left takes fewer requests, as with a few tags of
        a huge repository.
        """
        wanted = set(names)
        found: Dict[str, Tag] = {}
        listed, weighed = 0, False
        try:
            for page in self._pages(f"{self._tags_path(repository)}?n={PAGE}", repository):
                for tag in self._tags(page):
                    listed += 1
                    if tag.name in wanted:
                        found[tag.name] = tag
                if len(found) == len(wanted):
                    break
                if listed >= PAGE and not weighed:
                    weighed = True
                    if self.direct(self.counts(repository).tags, len(wanted) - len(found)):
                        break
        except AcrError as error:
            if error.reason != "not_found":
                raise
            return {}, False
        return found, True

    def _tags_path(self, repository: str) -> str:
        return f"/acr/v1/{quote(repository, safe='/')}/_tags"

    def _tags(self, page: Dict[str, Any]) -> Iterator[Tag]:
        return map(self._tag, objects(page.get("tags"), self.name))

    @staticmethod
    def direct(total: int, missing: int) -> bool:
        """Whether asking for *missing* things one by one is cheaper than reading on after the first page of *total*."""
        return missing * PAGE < (total - PAGE) * REQUESTS_PER_PAGE

    def manifest_list(self, repository: str, *, orderby: str = "", limit: Optional[int] = None) -> Iterator[Dict[str, Any]]:
        """The manifests of a repository with their metadata, as Azure lists them; *orderby* ``timeasc``, ``timedesc``."""
        query = f"?n={min(limit or PAGE, PAGE)}{'&orderby=' + orderby if orderby else ''}"
        for page in self._list(f"/acr/v1/{quote(repository, safe='/')}/_manifests{query}", repository):
            yield from map(self._manifest, objects(page.get("manifests"), self.name))

    def manifest_metadata(self, repository: str, digest: str) -> Optional[Dict[str, Any]]:
        """One manifest's metadata, with ``references`` for an index; None where it does not exist."""
        path = f"/acr/v1/{quote(repository, safe='/')}/_manifests/{quote(digest, safe=':')}"
        content = self._read(path, repository, digest)
        return self._manifest(mapping(content.get("manifest"), self.name)) if content is not None else None

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
            raise AcrError("protocol", f"{self.name} sent something else than JSON.")
        return content

    def _tag(self, entry: Dict[str, Any]) -> Tag:
        (name,), digest = names([entry.get("name")], self.name), self._digest(entry)
        updated = entry.get("lastUpdateTime")
        return Tag(name, digest, str(updated) if updated else None, locked(entry, self.name))

    def _manifest(self, entry: Dict[str, Any]) -> Dict[str, Any]:
        """An entry of a list of manifests, after a look at what is relied on."""
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


def locked(entry: Dict[str, Any], who: str) -> bool:
    """Whether Azure's properties of a repository, tag or manifest forbid to write it."""
    return mapping(entry.get("changeableAttributes"), who).get("writeEnabled") is False


def _firewall(entry: Dict[str, Any]) -> Optional[Any]:
    """The match of a firewall's refusal that names the address it refuses."""
    if entry.get("code") != "DENIED":
        return None
    return re.match("client with IP '([0-9A-Fa-f.:]+)' is not allowed access", str(entry.get("message")))
