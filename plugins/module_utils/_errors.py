# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can go wrong while talking to Azure or to a registry, as one exception with a kind."""

from __future__ import annotations

from typing import Optional


class AcrError(Exception):
    """A failure that a user can act on: ``str()`` is one sentence that says what failed, for what, and what to do.

    *kind* tells callers what they may conclude:

    * ``not_found``: the far side said that the thing does not exist. The only kind that means "absent".
    * ``denied``: signed in, but without the right. ``unauthorized``: not signed in, or wrong credentials.
    * ``sign_in``: signing in to Azure failed while imports were under way (before, it is an `IdentityError`).
    * ``firewall``: refused because of the address that asks.
    * ``throttled``, ``unavailable``: passing; asking later may help.
    * ``unreachable``: no connection. ``certificate``: the TLS certificate isn't trusted.
    * ``exists``: an import was refused since a target tag exists.
    * ``locked``: the target is locked against writing.
    * ``timeout``: our own deadline passed.
    * ``unknown``: Azure took an import, and nobody can say what became of it.
    * ``stopped``: not even tried, since something else failed and the user wants to stop then.
    * ``invalid``: the far side's answer, or what the user asked for, makes no sense.
    """

    PASSING = frozenset(["throttled", "unavailable"])
    uncertain = False  # of a change: an earlier try of the same request may have got through

    def __init__(
        self,
        kind: str,
        message: str,
        *,
        status: Optional[int] = None,
        detail: Optional[str] = None,
        ends_run: bool = False,
    ) -> None:
        super().__init__(message)
        self.kind = kind
        self.status = status
        self.detail = detail
        self.ends_run = ends_run  # every other import would be refused for the same reason

    @property
    def passing(self) -> bool:
        """Whether the same request may succeed later without anybody changing anything."""
        return self.kind in self.PASSING


class ImportFailed(AcrError):
    """Azure's own word that an import has failed. Any other error of a question about an import says nothing of the import."""
