# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What can go wrong, as one family of exceptions. Each has a sentence for people and a *reason* for programs.

    Problem
    ├── UserError       what the user asked for makes no sense; nothing was started
    ├── IdentityError   signing in to Azure failed
    └── AcrError        Azure or a registry did not do what it was asked for
        └── ImportFailed
"""

from __future__ import annotations

from typing import Any, Callable, List, Optional, Tuple, TypeVar

Found = TypeVar("Found")
Kind = TypeVar("Kind", bound="AcrError")

# Reasons that concern a whole host, and not the one thing that was asked for.
GENERAL = frozenset(["unreachable", "certificate", "firewall", "timeout"])


class Problem(Exception):
    """A failure that a user can act on: ``str()`` is one sentence that says what failed, for what, and what to do.

    *status* is that of the HTTP answer, if an answer said it. *reason* tells programs what they may conclude:

    * ``invalid``: what the user asked for makes no sense.
    * ``sign_in``: signing in to Azure failed. ``unauthorized``: not signed in, or wrong credentials.
    * ``denied``: signed in, but without the right. ``firewall``: refused because of the address that asks.
    * ``not_found``: the far side said that the thing does not exist. The only reason that means "absent".
    * ``exists``: a target holds something that must not be overwritten. ``locked``: it is locked against writing.
    * ``refused``: Azure or a registry refuses, for a reason that is none of these.
    * ``unsupported``: Azure can't import such an image. ``blocked``: the user wants nothing of it.
    * ``unsigned``: nobody whose signature is accepted has signed the image.
    * ``throttled``, ``unavailable``: passing; asking later may help.
    * ``unreachable``: no connection. ``certificate``: the TLS certificate isn't trusted.
    * ``timeout``: our own deadline passed.
    * ``protocol``: an answer that breaks its protocol, or can't be believed.
    * ``lost``: Azure calls an image imported, but it isn't there, or isn't what was asked for.
    * ``unknown``: Azure took an import, and nobody can say what became of it.
    * ``stopped``: not even tried, since something else failed and the user wants to stop then.
    """

    reason = "invalid"
    status: Optional[int] = None


class UserError(Problem, ValueError):
    """What the user asked for contradicts itself, or makes no sense."""


class Mistakes:
    """Gathers what is wrong, so that all of it is told at once."""

    def __init__(self, kind: Callable[[str], UserError] = UserError) -> None:
        self._kind = kind
        self.found: List[str] = []

    def of(self, check: Callable[..., Found], *given: Any) -> Optional[Found]:
        """What *check* returns for what is *given*; None if that is wrong."""
        try:
            return check(*given)
        except UserError as error:
            self.found.extend(str(error).splitlines())
            return None

    def tell(self, most: Optional[int] = None) -> None:
        """Raises them, one on each line; no more than *most*."""
        if self.found:
            more = [f"Mistakes that are not shown here: {len(self.found) - most}."] if most and len(self.found) > most else []
            raise self._kind("\n".join(self.found[:most] + more))


class IdentityError(Problem):
    """Signing in to Azure failed."""

    reason = "sign_in"


class AcrError(Problem):
    """Azure or a registry did not do what it was asked for.

    *codes* are those of a registry's answer, in capitals. *cause* names the row of `_diagnosis` that explains it. What follows
    for retries stands in *tries* (how often in all such a request is sent; None: as often as any), *hold* (seconds for which
    nobody asks that host again), *throttled_source* (the source keeps Azure waiting, so that other imports from it would be
    refused, too), *uncertain* (an earlier try of the same request may have got through) and *ends_run* (every other import
    would be refused for the same reason).
    """

    PASSING = frozenset(["throttled", "unavailable"])

    def __init__(
        self,
        reason: str,
        message: str,
        *,
        status: Optional[int] = None,
        codes: Tuple[str, ...] = (),
        cause: Optional[str] = None,
        tries: Optional[int] = None,
        hold: float = 0.0,
        throttled_source: bool = False,
        uncertain: bool = False,
        ends_run: bool = False,
    ) -> None:
        super().__init__(message)
        self.reason = reason
        self.status = status
        self.codes = codes
        self.cause = cause
        self.tries = tries
        self.hold = hold
        self.throttled_source = throttled_source
        self.uncertain = uncertain
        self.ends_run = ends_run

    @property
    def passing(self) -> bool:
        """Whether the same request may succeed later without anybody changing anything."""
        return self.reason in self.PASSING

    def but(self: Kind, message: Optional[str] = None, **facts: Any) -> Kind:
        """A copy with another *message*, or other *facts*."""
        other = self.__class__.__new__(self.__class__)
        other.__dict__.update(self.__dict__, **facts)
        other.args = self.args if message is None else (message,)
        return other


class ImportFailed(AcrError):
    """Azure's own word that an import has failed. Any other error of a question about an import says nothing of the import."""
