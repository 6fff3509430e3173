# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Azure Resource Manager's refusals mean: from its code and text to one sentence that helps. Pure.

There are two speakers, and a table for each. Azure Resource Manager refuses *our requests* by codes of its own: REFUSALS holds
them, and a text only fills in a sentence. Why *a copy* failed is in a text, under a code that says nothing: FORMS holds how
Azure's own words begin. What follows those words was written by others (a source's answer, names of images): at most it
says what a source thinks of this image, and nothing about our sign-in or about any other import.
"""

from __future__ import annotations

import re
from typing import Dict, List, NamedTuple, Optional, Tuple, Union

from ._errors import AcrError, ImportFailed

IMPORT_ROLE = "Container Registry Data Importer and Data Reader"
SHOWN = 400  # characters of Azure's own text that an error repeats
READ = 4000  # characters of it that are looked at: a source registry's answer may stand in it, however long


class Context(NamedTuple):
    """What the failing request was about, in the user's words. *registry* is the source's host; *targets* are the tags to be
    written, as Azure names them: ``repository:tag``. Without them they are those of *target*."""

    target: str = "the target"
    source: str = "the source"
    registry: str = "the source registry"
    credentials: bool = False
    targets: Tuple[str, ...] = ()


class Refusal(NamedTuple):
    """A request that Azure Resource Manager refuses. *code*: a pattern for its whole code. *facts*: a pattern searched in its
    text, whose groups can be used in *sentence*. *ends_run*: if the request was to start an import, every other import into
    this registry would be refused as well."""

    name: str
    code: str
    reason: str
    sentence: str
    facts: str = ""
    ends_run: bool = False


class Form(NamedTuple):
    """A copy that failed. *pattern*: how Azure's text begins, without the operation's name. *tries*: how often in all such an
    import is tried, if not as often as its reason says. *throttled*: the source keeps Azure waiting."""

    name: str
    pattern: str
    reason: str
    sentence: str
    tries: Optional[int] = None
    throttled: bool = False


# The first row whose code matches decides. AuthorizationFailed is shared by three of them, see `_refusal`.
REFUSALS = [
    Refusal(
        "throttled",
        r"\w*RequestsThrottled|TooManyRequests",
        "throttled",
        "Azure Resource Manager takes no more requests for now; run again later.",
    ),
    Refusal(
        "linked scope",
        r"LinkedAuthorizationFailed",
        "denied",
        "This account may import into the target, but may not read the source registry {scope}. Give it Reader or "
        "AcrPull there, or name the source by its login server with source_username and source_password.",
        r"permission to perform action\(?s?\)? '(?P<action>[^']*)' on the linked scope\(?s?\)? '(?P<scope>[^']*)'",
    ),
    Refusal(
        "no right to import",
        r"DenyAssignmentAuthorizationFailed",
        "denied",
        "This account has no right to import into the registry of {target}: it needs the action "
        "Microsoft.ContainerRegistry/registries/importImage/action there. The built-in role '" + IMPORT_ROLE + "' has "
        "it, and Contributor.",
        ends_run=True,
    ),
    Refusal(
        "no right",
        r"AuthorizationFailed",
        "denied",
        "This account has no right to {action} on {scope}.",
        r"perform action '(?P<action>[^']*)' over scope '(?P<scope>[^']*)'",
    ),
    Refusal(
        "subscription not found",
        r"SubscriptionNotFound|InvalidSubscriptionId",
        "not_found",
        "The subscription does not exist, or this account can't see it.",
    ),
    Refusal(
        "subscription disabled",
        r"ReadOnlyDisabledSubscription|DisallowedOperation",
        "denied",
        "The registry's subscription is disabled, so Azure changes nothing in it. Have the subscription enabled again.",
        ends_run=True,
    ),
    Refusal(
        "provider not registered",
        r"MissingSubscriptionRegistration|SubscriptionNotRegistered",
        "denied",
        "The registry's subscription isn't registered for Azure Container Registry. Register it: az provider register "
        "--namespace Microsoft.ContainerRegistry.",
        ends_run=True,
    ),
    Refusal(
        "scope locked",
        r"ScopeLocked",
        "locked",
        "A lock on the registry, its resource group or its subscription keeps Azure from changing the registry and from "
        "importing into it. Remove the lock.",
        ends_run=True,
    ),
    Refusal(
        "policy",
        r"RequestDisallowedBy\w+",
        "denied",
        "A policy of the registry's subscription forbids this request.",
        ends_run=True,
    ),
    Refusal(
        "wrong tenant",
        r"InvalidAuthenticationTokenTenant",
        "unauthorized",
        "The subscription belongs to another tenant than the one signed in to; set tenant to the subscription's.",
        ends_run=True,
    ),
    Refusal(
        "wrong audience",
        r"InvalidAuthenticationTokenAudience|InvalidAuthenticationToken|AuthenticationFailed|ExpiredAuthenticationToken",
        "unauthorized",
        "Azure Resource Manager does not accept this sign-in; check cloud_environment and tenant.",
        ends_run=True,
    ),
    Refusal(
        "bad parameter",
        r"InvalidImportImageParameter",
        "refused",
        "Azure refuses the import's parameters for {target}.",
    ),
    Refusal(
        "not found",
        r"(Parent)?ResourceNotFound|ResourceGroupNotFound|NotFound",
        "not_found",
        "Azure finds no such registry, or this account can't see it.",
    ),
    Refusal(
        "temporary",
        r"InternalServerError|ServerTimeout|GatewayTimeout|BadGateway|InvalidGatewayHost|ServiceUnavailable|ServerBusy|"
        r"OperationPreempted|AnotherOperationInProgress",
        "unavailable",
        "Azure Resource Manager failed for {target} for a passing reason; run again later.",
    ),
]

# "Invalid message {status} {reason} {body}" is what a source answered to Azure. A row marked "not seen" follows Azure's
# documentation or habits: nobody has recorded its words.
FORMS = [
    Form(
        "tag exists",  # of one of our targets, or under a code of its own: see `_form`
        r"(\S+ )?Tag (?P<tag>\S+) already exists in target registry\b",
        "exists",
        "{target} exists already.",
    ),
    Form(
        "upstream throttles",
        r"Invalid message (429|TooManyRequests)\b|Invalid message (Forbidden|Unauthorized) "
        r"(.*\"code\"\s*:\s*\"TOOMANYREQUESTS\"|\w+ You have reached your (unauthenticated )?pull rate limit)",
        "throttled",
        "{registry} limits how often Azure may pull from it; {source} was refused for now. Run again later, or give "
        "source_username and source_password of an account with a higher limit.",
        throttled=True,
    ),
    Form(
        "export policy",  # not seen
        r"Exports are disabled for registry\b|The export policy of \S+ is disabled\b",
        "denied",
        "{registry} may not be copied from: its export policy is disabled.",
    ),
    Form(
        "source firewall",
        r"Invalid message Forbidden .*(client with IP \S{1,60} is not allowed access|https://aka\.ms/acr/firewall\b)",
        "firewall",
        "The firewall of the source {registry} refuses Azure's import service (Azure names the target instead). Allow "
        "trusted services on the source registry (registryops.acr.acr_trusted_services), and name it by source_registry "
        "without user name and password: with a login server and credentials Azure comes from a public address, which "
        "trusted services do not cover.",
    ),
    Form(
        "locked",  # not seen
        r"Invalid message MethodNotAllowed .*\"code\"\s*:\s*\"REGISTRY_DISALLOWED_OPERATION\"|"
        r"[Tt]he (tag|manifest|repository)( \S+)? is locked\b",
        "locked",
        "{target} is locked against writing, or {source} against reading (write-enabled or read-enabled false on the tag, "
        "the manifest or the repository). Unlock it, or set if_exists: keep.",
    ),
    Form(
        "source forbidden",
        r"Invalid message Forbidden\b",
        "denied",
        "{registry} forbids Azure to copy {source}: the account lacks the right, or the registry's export policy is "
        "disabled.",
    ),
    Form(
        "source unauthorized",
        r"Invalid message Unauthorized\b",
        "unauthorized",
        "{registry} refuses {source} to Azure: the user name or password is wrong or has expired, or the image needs "
        "credentials (source_username, source_password).",
        tries=2,  # its token may have ended while Azure copied: Azure doesn't tell that from a wrong password
    ),
    Form(
        "source denies",
        r"Access to \S+ denied\b",
        "denied",
        "The registry {registry} refuses Azure the image {source} (Azure may name the target instead). Give the account "
        "AcrPull on the source, name an Azure registry by its resource ID (source_registry), or check source_username "
        "and source_password.",
    ),
    Form(
        "cache rule",  # not seen
        r"(The repository of )?\S+ is associated with the cache rule\b",
        "denied",
        "{target} is in a repository under a cache rule, into which nothing can be imported. Choose another target "
        "repository, or remove the cache rule.",
    ),
    Form(
        "too many manifests",  # not seen
        r"The manifest list has \d+ manifests, more than\b",
        "unsupported",
        "{source} has more than the 50 manifests that Azure can import at once. Import one platform (platform), or "
        "copy the image by other means.",
    ),
    Form(
        "source missing",
        r"Unable to find manifest digest\b|Invalid message NotFound\b",
        "not_found",
        "{source} does not exist, or {registry} does not show it to Azure.",
    ),
    Form(
        "no digest header",
        r"No value specified for Docker-Content-Digest\b",
        "protocol",
        "{registry} answers without the header Docker-Content-Digest, and Azure can't import from such a registry. "
        "Update it, or copy the image by other means.",
    ),
    Form(
        "source unreachable",  # not seen
        r"(Invalid message )?(No such host is known|Name or service not known|The remote name could not be resolved|"
        r"No connection could be made)\b",
        "unreachable",
        "Azure can't reach the source registry {registry}. It must be reachable from Azure, not only from here.",
    ),
    Form(
        "quota",  # not seen
        r"The registry has reached its storage quota\b",
        "refused",
        "The registry of {target} has no room left (its storage quota is reached). Delete what isn't needed, or choose a "
        "larger tier.",
    ),
    Form(
        "quarantine",  # not seen
        r"The image \S+ is quarantined\b",
        "denied",
        "{source} is in quarantine and can't be copied until it is released.",
    ),
    Form(
        "source fails",
        r"Invalid message (5\d\d|InternalServerError|BadGateway|ServiceUnavailable|GatewayTimeout|408|RequestTimeout)\b",
        "unavailable",
        "{registry} answered Azure with a server error for {source}; run again later.",
    ),
    Form(
        "copying failed",
        r"Error copying blobs\b",
        "unavailable",
        "Azure failed to copy {source} for a passing reason; run again later.",
    ),
]
Row = Union[Refusal, Form]
TABLE: List[Row] = [*REFUSALS, *FORMS]
_BY_NAME: Dict[str, Refusal] = {row.name: row for row in REFUSALS}
_OPERATION = re.compile(r"(Operation \S+ failed\.\s+)?(Resource /subscriptions/\S+\s+)?")  # what a failed copy's text begins with
_CORRELATION = re.compile(r"\bCorrelationId: ?[0-9A-Fa-f-]{36}\b")


def explain(code: str, text: str, status: int, context: Context = Context(), *, starting: bool = False) -> AcrError:
    """The error for a request that Azure Resource Manager refuses; *code* and *text* are those of its ``error`` object.
    *starting*: the request was to start an import; only then may the error end the run.

    The sentence ends with what Azure said, shortened.
    """
    code, text = code[:100], _bounded(text)
    refusal = _refusal(code, text, status, starting)
    row = refusal or _form(code, text, context)
    if row is not None:
        message = _sentence(row, text, context)
        ends_run = starting and refusal is not None and refusal.ends_run
        return AcrError(row.reason, message, status=status, cause=row.name, ends_run=ends_run)
    if status == 401:
        message = f"Azure does not accept this sign-in for {context.target}.{quoted(text)}"
        return AcrError("unauthorized", message, status=status)
    if status == 403:
        return AcrError("denied", f"Azure denies access to {context.target}.{quoted(text)}", status=status)
    return AcrError("refused", _unknown(code, text, status, context), status=status)


def explain_failure(code: str, text: str, status: int, context: Context = Context()) -> ImportFailed:
    """The error for an import that Azure calls failed. Of Azure Resource Manager's own codes only those that pass mean
    something here: they refuse requests, and this is about a copy."""
    code, text = code[:100], _bounded(text)
    temporary = _BY_NAME["temporary"]
    row = temporary if re.fullmatch(temporary.code, code) else _form(code, text, context)
    if row is None:
        return ImportFailed("refused", _unknown(code, text, status, context), status=status)
    sentence = _sentence(row, text, context)
    if isinstance(row, Refusal):
        return ImportFailed(row.reason, sentence, status=status, cause=row.name)
    return ImportFailed(
        row.reason, sentence, status=status, cause=row.name, tries=row.tries, throttled_source=row.throttled
    )


def refuses(code: str) -> bool:
    """Whether a code of Azure Resource Manager's is about a request, and not about what was requested before."""
    return any(re.fullmatch(row.code, code) for row in REFUSALS if row.reason not in ("refused", "unavailable"))


def _refusal(code: str, text: str, status: int, starting: bool) -> Optional[Refusal]:
    row = next((row for row in REFUSALS if re.fullmatch(row.code, code)), None)
    if row is None and status == 429:
        return _BY_NAME["throttled"]
    if row is None and status == 404 and re.fullmatch(r"The resource \S+ could not be found\.", text):
        return _BY_NAME["not found"]  # as resource providers say it
    if row is None or row.name != "no right":
        return row
    # Which right is missing is in the text only. Refused to start an import, without a word on another action or scope, is
    # the right to import.
    if re.search(_BY_NAME["linked scope"].facts, text):
        return _BY_NAME["linked scope"]
    found = re.search(row.facts, text)
    importing = found["action"].endswith("/importImage/action") if found else starting
    return _BY_NAME["no right to import"] if importing else row


def _form(code: str, text: str, context: Context) -> Optional[Form]:
    text = _own_words(text)
    targets = context.targets or [target.partition("/")[2] for target in context.target.split(", ")]
    for row in FORMS:
        found = re.match(row.pattern, text, re.DOTALL)
        if found and (row.name != "tag exists" or code == "Conflict" or found["tag"] in targets):
            return row
    return None


def _bounded(text: str) -> str:
    return text if len(text) <= READ else text[: READ - 100] + text[-100:]  # at the end may be a CorrelationId


def _own_words(text: str) -> str:
    return _OPERATION.sub("", text, count=1)


def _sentence(row: Row, text: str, context: Context) -> str:
    # Facts that the text leaves out are words that still make a sentence.
    facts = {"action": "do this", "scope": "(Azure does not say which)"}
    found = re.search(row.facts, text) if isinstance(row, Refusal) else None
    facts.update(found.groupdict() if found else {})
    told = row.sentence.format(target=context.target, source=context.source, registry=context.registry, **facts)
    return told + quoted(text)


def quoted(text: str) -> str:
    """What to put behind a sentence: what Azure said, shortened."""
    said = _said(text)
    return " Azure says: " + said if said else ""


def _said(text: str) -> str:
    """Azure's words on one line, shortened; the CorrelationId stays, since Azure's support asks for it."""
    said = " ".join(_own_words(text).split())
    if len(said) <= SHOWN:
        return said
    found = _CORRELATION.search(said, SHOWN - 60)
    return said[:SHOWN] + "…" + (" " + found[0] if found and found.end() > SHOWN else "")


def _unknown(code: str, text: str, status: int, context: Context) -> str:
    message = f"Azure refused {context.target} ({code or 'no code'}, status {status}): {_said(text) or 'no text'}"
    return message
