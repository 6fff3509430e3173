# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a registry's refusal means: from its status, codes and challenge to one sentence that helps. Pure.

The text that comes with a refusal is passed on, shortened, and decides nothing, except for the one that Azure's firewall sends.
"""

from __future__ import annotations

import re
from typing import Callable, Dict, NamedTuple, Optional

from ._errors import AcrError
from ._reference import valid_digest
from ._untrusted import Answer, challenge_values

SHOWN = 300  # characters of a registry's own text that an error repeats
READ, TOKEN, EXCHANGE = "read", "token", "exchange"  # what was asked: the registry, its token service, Azure's token exchange


class Context(NamedTuple):
    """Which registry is read, and as whom. *signs_in*: with the account that signs in to Azure."""

    host: str
    name: str
    has_credentials: bool = False
    signs_in: bool = False
    azure: bool = False

    def of(self, repository: str = "", reference: str = "") -> str:
        """What a sentence calls the registry, a repository or an image."""
        place = f"{self.name}/{repository}" if repository else self.name
        return place + ("@" if valid_digest(reference) else ":") + reference if reference else place


class Refused(NamedTuple):
    """A request that wasn't answered as it should be: what the rows of the table look at."""

    answer: Answer
    context: Context
    step: str
    repository: str

    @property
    def anonymous(self) -> bool:
        return not (self.context.has_credentials or self.context.signs_in)

    @property
    def unsent(self) -> bool:
        """Whether there are credentials that weren't sent: the registry asked for none that can be sent."""
        return self.context.has_credentials and self.answer.signed is False

    @property
    def challenge(self) -> Dict[str, str]:
        return challenge_values(self.answer.headers.get("WWW-Authenticate") or "")

    @property
    def address(self) -> Optional[str]:
        """The address that Azure's firewall refuses; None if it isn't the firewall that refuses."""
        for error in self.answer.errors() if self.context.azure else []:
            found = re.match("client with IP '([0-9A-Fa-f.:]+)' is not allowed access", str(error.get("message")))
            if found and error.get("code") == "DENIED":
                return found.group(1)
        return None

    def facts(self) -> Dict[str, object]:
        """What a row's sentence may name, besides *what*."""
        text = quoted(self.answer)
        said = f" The registry says: {text}." if text else ""
        correlation = re.search("CorrelationId: .*", text)
        actions = self.challenge.get("scope", "").rpartition(":")[2].split(",")
        listing = "metadata_read" in actions and "pull" not in actions  # Azure's name for the right to list
        return {
            "host": self.context.host,
            "name": self.context.name,
            "strayed": self.answer.strayed,
            "status": self.answer.status,
            "said": said,
            "said_there": f" and says: {text}" if text else "",
            "said_or_no_registry": said or " That is not what a registry sends.",
            "said_or_no_token_service": said or " That is not what a token service sends.",
            "address": self.address,
            "correlation": f" {correlation.group(0)}." if correlation else "",
            "do": "list" if listing or not self.repository else "pull",
            "doing": "listing the repositories of" if not self.repository else "listing" if listing else "pulling",
            "lack": " (metadata/read)" if listing and self.repository else "",
            "or_missing": ", or it does not exist" if self.repository else "",
            "right": "to list" if listing else "to pull" if "pull" in actions else "to pull and to list",
        }


class Refusal(NamedTuple):
    """A row of the table. *status*: of the answer, None for any. *when*: what else must hold."""

    status: Optional[int]
    when: Callable[[Refused], bool]
    reason: str
    sentence: str


def speaks_registry(answer: Answer) -> bool:
    """Whether an answer comes from a registry, and not from something in front of it."""
    return bool(answer.headers.get("Docker-Distribution-Api-Version"))


_ANY: Callable[[Refused], bool] = lambda it: True
NO_LOCK = (
    "This account isn't allowed to lock {what}: it needs the right metadata/write there. The role Contributor includes it; "
    "Container Registry Repository Writer if permissions are per repository (ABAC)."
)
_NOT_SENT = "The given credentials were not sent: it offers neither Basic nor Bearer sign-in."
# fmt: off
TABLE = [  # the first row that fits decides
    Refusal(None, lambda it: bool(it.answer.strayed), "protocol",
            "{what} can't be read: {host} redirects to {strayed}, which answers with status {status}{said_there}. No credentials "
            "were sent there."),
    # Whatever a token service answers, it knows nothing of what exists.
    Refusal(None, lambda it: it.step != READ and it.answer.status not in (401, 403), "protocol",
            "The token service for {what} answered with status {status}.{said_or_no_token_service}"),
    Refusal(404, lambda it: bool(it.answer.errors()) or not it.answer.body or speaks_registry(it.answer), "not_found",
            "{what} does not exist."),
    Refusal(404, _ANY, "protocol",
            "{host} answered 404 with something that no registry sends; is a proxy in the way?"),
    Refusal(401, lambda it: it.context.signs_in and it.step == EXCHANGE, "unauthorized",
            "{name} does not accept this sign-in. Most often the account has no role on this registry, not even AcrPull "
            "(Container Registry Repository Reader if permissions are per repository). Or the registry belongs to another tenant "
            "(then give source_username and source_password), or wants tokens for another audience (option registry_audience)."
            "{said}"),
    Refusal(401, lambda it: "metadata_write" in it.challenge.get("scope", ""), "denied",
            NO_LOCK + "{said}"),
    Refusal(401, lambda it: it.context.signs_in and not it.repository, "unauthorized",
            "The repositories of {what} can't be listed by the account that signs in. It needs the role AcrPull there, or "
            "Container Registry Repository Catalog Lister if permissions are per repository (ABAC).{said}"),
    Refusal(401, lambda it: it.context.signs_in, "unauthorized",
            "{what} can't be read by the account that signs in. It needs the right {right} there: the role AcrPull, or Container "
            "Registry Data Importer and Data Reader; Container Registry Repository Reader if permissions are per repository "
            "(ABAC). Another tenant's registry needs source_username and source_password.{said}"),
    Refusal(401, lambda it: it.anonymous, "unauthorized",
            "{what} needs credentials that may {do} it (none were given), or does not exist.{said}"),
    Refusal(401, lambda it: it.unsent, "unauthorized",
            "{what} requires a sign-in.{said} " + _NOT_SENT),
    Refusal(401, lambda it: it.challenge.get("error") == "insufficient_scope", "unauthorized",
            "The given credentials are valid but don't allow {doing} {what}{lack}{or_missing}.{said}"),
    Refusal(401, _ANY, "unauthorized",
            "{what} refuses the given credentials.{said} Check user name and password."),
    Refusal(403, lambda it: it.address is not None, "firewall",
            "The firewall of {name} refuses this machine ({address}), so digests can't be read from here. Allow the address, run "
            "from inside the network, or set verify: false.{correlation}"),
    Refusal(403, lambda it: it.unsent, "denied", "{what} denies access.{said} " + _NOT_SENT),
    Refusal(403, lambda it: it.anonymous, "denied", "{what} denies access.{said} No credentials were given."),
    Refusal(403, _ANY, "denied", "{what} denies access.{said} The account needs the right to pull it."),
    Refusal(None, _ANY, "protocol", "{what} answered with status {status}.{said_or_no_registry}"),
]
# fmt: on


def explain(answer: Answer, context: Context, repository: str = "", reference: str = "", *, step: str = READ) -> AcrError:
    """The error for an answer that isn't what was asked for."""
    refused = Refused(answer, context, step, repository)
    row = next(row for row in TABLE if row.status in (None, answer.status) and row.when(refused))
    message = row.sentence.format(what=context.of(repository, reference), **refused.facts())
    return AcrError(row.reason, message, status=answer.status, codes=answer.codes() if step == READ else ())


def quoted(answer: Answer) -> str:
    """What a registry says in its errors, on one line and shortened; Azure's correlation ID stays, since its support asks for
    it."""
    text = " ".join("; ".join(str(error.get("message", "")) for error in answer.errors()).split()).rstrip(".")
    found = re.search("CorrelationId: ([0-9A-Za-z-]{1,64})", text)
    if found and found.end() > SHOWN:
        return f"{text[: min(SHOWN, found.start())].rstrip()}… {found.group(0)}"
    return text[:SHOWN].rstrip(".")


def nothing_there(error: AcrError) -> bool:
    """Whether a look for something that need not exist, such as a signature, found nothing. Here, and only here, the word of a
    registry that another one redirects to is enough (registry.k8s.io sends all questions on to Google's)."""
    unknown = {"MANIFEST_UNKNOWN", "NAME_UNKNOWN"}.intersection(error.codes)
    return error.reason == "not_found" or error.reason == "protocol" and error.status == 404 and bool(unknown)
