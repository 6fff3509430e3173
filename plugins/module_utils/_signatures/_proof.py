# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Who is accepted, what was found, and what it proves."""

from __future__ import annotations

import fnmatch
from datetime import datetime, timezone
from typing import Mapping, NamedTuple, Optional, Union

SIGNED = "https://sigstore.dev/cosign/sign/v1"  # the predicate of a bundle that signs; others only say something about an image


class Unproven(Exception):
    """A signature doesn't prove what it should. ``str()`` is a clause that says why."""


class Signer(NamedTuple):
    """Somebody whose signatures are accepted: by *key* (PEM), by *issuer* and *identity* (a pattern), or by *certificate* (PEM)
    and *subject*. *repository*: the pattern of the one that a signature has to name. *trust_root*: JSON; if empty, the public one.
    """

    key: str = ""
    issuer: str = ""
    identity: str = ""
    certificate: str = ""
    subject: str = ""
    repository: str = ""
    trust_root: str = ""

    @property
    def kind(self) -> str:
        return "key" if self.key else "keyless" if self.issuer else "notation"

    @property
    def who(self) -> str:
        """As results name a key: by the digest of its public half."""
        from ._certificates import key_hash, public_key

        return f"sha256:{key_hash(public_key(self.key)).hex()}" if self.key else self.identity or self.subject

    def __str__(self) -> str:
        return f"the key {self.who}" if self.key else f"{self.who} (of {self.issuer})" if self.issuer else self.who

    def check_repository(self, named: Optional[str]) -> None:
        """Unproven if a signature has to name another repository than the one that it names; None if it can't name any."""
        if self.repository and not (named and fnmatch.fnmatchcase(named, self.repository)):
            says = f"it was made for {named}" if named else "it doesn't say for which repository it was made"
            raise Unproven(f"{says}, and not for {self.repository}")


class Signature(NamedTuple):
    """A signature that was verified. *kind*: ``key``, ``keyless`` or ``notation``. *time*: when it was made, as ISO 8601; None
    if nobody says."""

    kind: str
    identity: str
    time: Optional[str]


class Offer(NamedTuple):
    """A signature as it was found. *format*: ``bundle``, ``simple``, ``jws`` or ``cose``. *annotations*: of the layer."""

    format: str
    content: bytes
    annotations: Mapping[str, str] = {}


def brief(error: Exception) -> str:
    """What a library says of bytes that anybody may have sent."""
    return f"{type(error).__name__}: {' '.join(str(error).split()):.120}"


def shown(time: Union[int, float, datetime]) -> str:
    """A time as results show it."""
    moment = time if isinstance(time, datetime) else datetime.fromtimestamp(time, timezone.utc)
    return moment.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
