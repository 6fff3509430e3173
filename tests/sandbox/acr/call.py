# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One request to an Azure registry: what it may do, and how lists are answered."""
from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from aiohttp import web
from multidict import CIMultiDict

from .. import lies, oci
from ..model import AzureRegistry, Identity
from ..state import State
from ..unrecorded import NOT_RECORDED
from . import tokens
from .answers import UNAUTHORIZED, Refused, disallowed

Item = TypeVar("Item")


@dataclass
class Call:
    """A request to ``/v2`` or ``/acr/v1``. ``headers`` are those of the answer."""

    state: State
    registry: AzureRegistry
    request: web.BaseRequest
    host: str
    headers: CIMultiDict[str]
    store: Any = field(init=False)  # a Store, or a View of it

    def __post_init__(self) -> None:
        self.store = self.registry.store

    # ---- who may ---------------------------------------------------------------------------------------------------

    def need(self, repository: str, *actions: str) -> None:
        """Challenge, unless the client may do ``actions`` to ``repository`` (empty: to the catalog; no actions: be
        known)."""
        problem = ""
        identity: Identity | None = None
        try:
            identity = tokens.asker(self.state, self.registry, self.request)
        except tokens.BadToken as bad:
            if bad.basic:
                self._challenge(repository, actions, 'Basic realm="Azure Container Registry"')
            problem = "invalid_token"
        if identity is not None:
            self.request["principal"] = identity.name
            wanted = set(actions) if repository else {"metadata_read"} if actions else set()
            if wanted <= identity.allowed(repository):
                return
            problem = "insufficient_scope"
        parts = [f'realm="https://{self.host}/oauth2/token"', f'service="{self.host}"']
        if actions and not repository:
            parts.append('scope="registry:catalog:*"')
        elif actions:
            parts.append(f'scope="repository:{repository}:{",".join(actions)}"')
        if problem:
            parts.append(f'error="{problem}"')
        self._challenge(repository, actions, "Bearer " + ",".join(parts))

    def look(self) -> None:
        """From here on see the registry as those see it to whom it lies."""
        self.store = lies.read(self.state.knobs.lies, self.request, self.host, self.registry.store)

    def _challenge(self, repository: str, actions: tuple[str, ...], value: str) -> None:
        detail: Any = None
        if actions and not repository:
            detail = [{"Type": "registry", "Name": "catalog", "Action": "*"}]
        elif actions:
            detail = [{"Type": "repository", "Name": repository, "Action": a} for a in actions]
        raise Refused(401, oci.errors("UNAUTHORIZED", UNAUTHORIZED, detail), {"WWW-Authenticate": value})

    def unlocked(self, attribute: str, *locks: dict[str, bool] | None) -> None:
        """Refuse when one of these attribute sets forbids; a write lock forbids deletion too."""
        for lock in locks:
            if lock is not None and not (lock[attribute] and (attribute != "deleteEnabled" or lock["writeEnabled"])):
                raise disallowed()

    # ---- answers ---------------------------------------------------------------------------------------------------

    def number(self) -> int:
        """How many entries the page has that is asked for."""
        flags = self.registry.flags
        try:
            number = oci.page_size(self.request, longest=flags.refuse_n_above)
        except ValueError:
            text = NOT_RECORDED["registry"]["bad_number"]
            raise Refused(400, oci.errors("PAGINATION_NUMBER_INVALID", text)) from None
        return min(number, flags.page_limit or number)

    def page(self, items: list[Item], name: Callable[[Item], str], keep: Callable[[Item], bool], order: str = "",
             **query: str) -> list[Item]:
        """A page of a list, with the Link header set when there are more. ``order``: what it is sorted by, if not by name;
        ``query``: what the Link repeats besides."""
        number = self.number()
        shown, more = oci.page(items, name, number, self.request.query.get("last", ""), order == "", keep)
        if more or len(shown) == number and self.registry.flags.full_page_link:
            place = {"last": name(shown[-1]), "n": str(number), "orderby": order}
            self.headers["Link"] = oci.next_link(self.request, {**place, **query})
        return shown

    def json(self, value: Any, status: int = 200) -> web.Response:
        return oci.answer(status, oci.encode(value), self.headers)
