# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Azure Resource Manager's errors mean: from code and text to one message that helps. Pure.

There is a table for each kind of error. Azure Resource Manager refuses *our requests* with codes of its own: REFUSALS is matched
against the code, and the text only fills in the message. When *a copy* fails, the code says nothing and the reason is in the
text: FORMS is matched against the beginning of Azure's own words. What follows them was written by others (a source's answer,
names of images): at most it says why the source refused this image, and nothing about our sign-in or any other import.
"""

from __future__ import annotations

import re
from typing import Dict, List, NamedTuple, Optional, Tuple, Union

from ._errors import AcrError, ImportFailed

IMPORT_ROLE = "Container Registry Data Importer and Data Reader"
SHOWN = 400  # characters of Azure's text that a message quotes
READ = 4000  # characters of it that are examined: it may contain a source registry's answer of any length


class Context(NamedTuple):
    """What the failed request was about, in the user's words. *registry* is the source's host; *targets* are the tags to be
    written, as Azure names them: ``repository:tag``. If it is empty, they are taken from *target*."""

    target: str = "the target"
    source: str = "the source"
    registry: str = "the source registry"
    credentials: bool = False
    targets: Tuple[str, ...] = ()


class Refusal(NamedTuple):
    """A request that Azure Resource Manager refuses. *code*: a pattern for the whole code. *facts*: a pattern to search for in
    the text, whose groups can be used in *sentence*. *ends_run*: if the request was to start an import, every other import
    into this registry would be refused too."""

    name: str
    code: str
    reason: str
    sentence: str
    facts: str = ""
    ends_run: bool = False


class Form(NamedTuple):
    """A copy that failed. *pattern*: the beginning of Azure's text, without the operation's name. *tries*: how often such an
    import is tried in total, if that differs from what its reason implies. *throttled*: the source is throttling Azure."""

    name: str
    pattern: str
    reason: str
    sentence: str
    tries: Optional[int] = None
    throttled: bool = False


# The first row whose code matches applies. Three of them share AuthorizationFailed, see `_refusal`.
REFUSALS = [
    Refusal(
        "throttled",
        r"\w*RequestsThrottled|TooManyRequests",
        "throttled",
        "Azure Resource Manager is throttling requests; run again later.",
    ),
    Refusal(
        "linked scope",
        r"LinkedAuthorizationFailed",
        "denied",
        "This account can import into the target, but can't read the source registry {scope}. Grant it Reader or AcrPull "
        "there (if permissions are per repository, ABAC: Reader and Container Registry Repository Reader), or give the source by "
        "its login server with source_username and source_password.",
        r"permission to perform action\(?s?\)? '(?P<action>[^']*)' on the linked scope\(?s?\)? '(?P<scope>[^']*)'",
    ),
    Refusal(
        "no right to import",
        r"DenyAssignmentAuthorizationFailed",
        "denied",
        "This account isn't allowed to import into the registry of {target}: it needs the action "
        "Microsoft.ContainerRegistry/registries/importImage/action there, which the built-in roles "
        f"'{IMPORT_ROLE}' and Contributor include.",
        ends_run=True,
    ),
    Refusal(
        "no right",
        r"AuthorizationFailed",
        "denied",
        "This account isn't allowed to perform {action} on scope {scope}.",
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
        "The registry's subscription is disabled, so nothing in it can be changed. Have the subscription re-enabled.",
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
        "A lock on the registry, its resource group or its subscription prevents changes to the registry and imports into it. "
        "Remove the lock.",
        ends_run=True,
    ),
    Refusal(
        "policy",
        r"RequestDisallowedBy\w+",
        "denied",
        "An Azure policy forbids this request in the registry's subscription.",
        ends_run=True,
    ),
    Refusal(
        "wrong tenant",
        r"InvalidAuthenticationTokenTenant",
        "unauthorized",
        "The subscription belongs to a different tenant from the one signed in to; set tenant to the subscription's tenant.",
        ends_run=True,
    ),
    Refusal(
        "more proof",
        r"insufficient_claims",
        "unauthorized",
        "Azure requires more proof than this sign-in can give, such as multifactor authentication (a claims challenge). Sign "
        "in as a service principal, by federation or with a managed identity.",
        ends_run=True,
    ),
    Refusal(
        "token expired",
        r"ExpiredAuthenticationToken",
        "unauthorized",
        "Azure Resource Manager says that this sign-in's token has expired, and so has a new one. Sign in again, and check this "
        "machine's clock.",
        ends_run=True,
    ),
    Refusal(
        "wrong audience",
        r"InvalidAuthenticationTokenAudience|InvalidAuthenticationToken|AuthenticationFailed",
        "unauthorized",
        "Azure Resource Manager does not accept this sign-in; check cloud_environment and tenant.",
        ends_run=True,
    ),
    Refusal(
        "bad parameter",
        r"InvalidImportImageParameter",
        "refused",
        "Azure rejects the import parameters for {target}.",
    ),
    Refusal(
        "not found",
        r"(Parent)?ResourceNotFound|ResourceGroupNotFound|NotFound",
        "not_found",
        "The registry does not exist, or this account can't see it.",
    ),
    Refusal(
        "temporary",
        r"InternalServerError|ServerTimeout|GatewayTimeout|BadGateway|InvalidGatewayHost|ServiceUnavailable|ServerBusy|"
        r"OperationPreempted|AnotherOperationInProgress",
        "unavailable",
        "Azure Resource Manager failed temporarily for {target}; run again later.",
    ),
]

# "Invalid message {status} {reason} {body}" quotes the source's answer to Azure. The wording of rows marked "not seen" is
# unconfirmed: it follows Azure's documentation, or the other rows.
FORMS = [
    Form(
        "tag exists",  # for one of our targets, or under a code of its own: see `_form`
        r"(\S+ )?Tag (?P<tag>\S+) already exists in target registry\b",
        "exists",
        "{target} already exists.",
    ),
    Form(
        "upstream throttles",
        r"Invalid message (429|TooManyRequests)\b|Invalid message (Forbidden|Unauthorized) "
        r"(.*\"code\"\s*:\s*\"TOOMANYREQUESTS\"|\w+ You have reached your (unauthenticated )?pull rate limit)",
        "throttled",
        "{registry} limits how often Azure can pull from it, and refused {source} for now. Run again later, or set "
        "source_username and source_password to an account with a higher limit.",
        throttled=True,
    ),
    Form(
        "export policy",  # not seen
        r"Exports are disabled for registry\b|The export policy of \S+ is disabled\b",
        "denied",
        "Images can't be copied out of {registry}: its export policy is disabled.",
    ),
    Form(
        "source firewall",
        r"Invalid message Forbidden .*(client with IP \S{1,60} is not allowed access|https://aka\.ms/acr/firewall\b)",
        "firewall",
        "The firewall of the source registry {registry} blocks Azure's import service (Azure's message names the target "
        "instead). Allow trusted services on the source registry (registryops.acr.acr_trusted_services), and give it as "
        "source_registry without user name and password: with a login server and credentials, Azure connects from a public "
        "address, which trusted services don't cover.",
    ),
    Form(
        "locked",  # not seen
        r"Invalid message MethodNotAllowed .*\"code\"\s*:\s*\"REGISTRY_DISALLOWED_OPERATION\"|"
        r"[Tt]he (tag|manifest|repository)( \S+)? is locked\b",
        "locked",
        "{target} is locked against writing, or {source} against reading (write-enabled or read-enabled is false on the tag, "
        "the manifest or the repository). Unlock it, or set if_exists: keep.",
    ),
    Form(
        "source forbidden",
        r"Invalid message Forbidden\b",
        "denied",
        "{registry} doesn't allow Azure to copy {source}: the account lacks permission, or the registry's export policy is "
        "disabled.",
    ),
    Form(
        "source unauthorized",
        r"Invalid message Unauthorized\b",
        "unauthorized",
        "{registry} doesn't let Azure read {source}: the user name or password is wrong or has expired, or the image needs "
        "credentials (source_username, source_password).",
        tries=2,  # its token may have expired during the copy, which Azure can't tell from a wrong password
    ),
    Form(
        "source denies",
        r"Access to \S+ denied\b",
        "denied",
        "{registry} denies Azure access to {source} (Azure's message may name the target instead). Grant the account AcrPull "
        "on the source (Container Registry Repository Reader if permissions are per repository, ABAC), and give an Azure registry "
        "by its resource ID (source_registry), which is found by itself if the account has Reader there; or check "
        "source_username and source_password.",
    ),
    Form(
        "cache rule",  # not seen
        r"(The repository of )?\S+ is associated with the cache rule\b",
        "denied",
        "{target} is in a repository with a cache rule, which can't be imported into. Choose another target repository, or "
        "remove the cache rule.",
    ),
    Form(
        "too many manifests",  # not seen
        r"The manifest list has \d+ manifests, more than\b",
        "unsupported",
        "{source} has more than the 50 manifests that Azure can import at once. Import a single platform (platform), or copy "
        "the image by other means.",
    ),
    Form(
        "source missing",
        r"Unable to find manifest digest\b|Invalid message NotFound\b",
        "not_found",
        "{source} does not exist, or {registry} doesn't show it to Azure.",
    ),
    Form(
        "no digest header",
        r"No value specified for Docker-Content-Digest\b",
        "protocol",
        "{registry} doesn't send the Docker-Content-Digest header, which Azure's import requires. Update the registry, or copy "
        "the image by other means.",
    ),
    Form(
        "source unreachable",  # not seen
        r"(Invalid message )?(No such host is known|Name or service not known|The remote name could not be resolved|"
        r"No connection could be made)\b",
        "unreachable",
        "Azure can't reach the source registry {registry}. It must be reachable from Azure, not just from here.",
    ),
    Form(
        "quota",  # not seen
        r"The registry has reached its storage quota\b",
        "refused",
        "The registry of {target} has reached its storage quota. Delete what isn't needed, or choose a larger tier.",
    ),
    Form(
        "quarantine",  # not seen
        r"The image \S+ is quarantined\b",
        "denied",
        "{source} is quarantined, and can't be copied until it is released.",
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
        "Copying {source} failed temporarily in Azure; run again later.",
    ),
]
Row = Union[Refusal, Form]
TABLE: List[Row] = [*REFUSALS, *FORMS]
_BY_NAME: Dict[str, Refusal] = {row.name: row for row in REFUSALS}
_OPERATION = re.compile(r"(Operation \S+ failed\.\s+)?(Resource /subscriptions/\S+\s+)?")  # the prefix of a failed copy's text
_CORRELATION = re.compile(r"\bCorrelationId: ?[0-9A-Fa-f-]{36}\b")


def explain(code: str, text: str, status: int, context: Context = Context(), *, starting: bool = False) -> AcrError:
    """The error for a request that Azure Resource Manager refuses; *code* and *text* are those of its ``error`` object.
    *starting*: the request was to start an import; only then can the error end the run.

    The message ends with Azure's text, shortened.
    """
    code, text = code[:100], _bounded(text)
    refusal = _refusal(code, text, status, starting)
    row = refusal or _form(code, text, context)
    if row is not None:
        message = _sentence(row, text, context)
        if isinstance(row, Form):
            return AcrError(row.reason, message, status=status, cause=row.name, tries=row.tries, throttled_source=row.throttled)
        return AcrError(row.reason, message, status=status, cause=row.name, ends_run=starting and row.ends_run)
    if status == 401:
        message = f"Azure does not accept this sign-in for {context.target}.{quoted(text)}"
        return AcrError("unauthorized", message, status=status)
    if status == 403:
        return AcrError("denied", f"Azure denies access to {context.target}.{quoted(text)}", status=status)
    return AcrError("refused", _unknown(code, text, status, context), status=status)


def foreseen(name: str, context: Context, scope: str = "") -> AcrError:
    """The error for an import that would fail as the row *name* explains, had it been started. *scope*: the source's resource
    ID."""
    row = next(row for row in TABLE if row.name == name)
    return AcrError(row.reason, _sentence(row, "", context, scope), cause=name)


def explain_failure(code: str, text: str, status: int, context: Context = Context()) -> ImportFailed:
    """The error for an import that Azure reports as failed. Of the codes in REFUSALS, only the temporary ones apply here: the
    others refuse requests, and this is about a copy."""
    code, text = code[:100], _bounded(text)
    temporary = _BY_NAME["temporary"]
    row = temporary if re.fullmatch(temporary.code, code) else _form(code, text, context)
    if row is None:
        return ImportFailed("refused", _unknown(code, text, status, context), status=status)
    sentence = _sentence(row, text, context)
    if isinstance(row, Refusal):
        return ImportFailed(row.reason, sentence, status=status, cause=row.name)
    return ImportFailed(row.reason, sentence, status=status, cause=row.name, tries=row.tries, throttled_source=row.throttled)


def refuses(code: str) -> bool:
    """Whether a code refuses the request itself, rather than reporting on something requested earlier."""
    return any(re.fullmatch(row.code, code) for row in REFUSALS if row.reason not in ("refused", "unavailable"))


def _refusal(code: str, text: str, status: int, starting: bool) -> Optional[Refusal]:
    row = next((row for row in REFUSALS if re.fullmatch(row.code, code)), None)
    if row is None and status == 429:
        return _BY_NAME["throttled"]
    if row is None and status == 404 and re.fullmatch(r"The resource \S+ could not be found\.", text):
        return _BY_NAME["not found"]  # the wording of resource providers
    if row is None or row.name != "no right":
        return row
    # Only the text says which permission is missing. If the start of an import is refused and the text names no other action or
    # scope, it is the permission to import.
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
    return text if len(text) <= READ else text[: READ - 100] + text[-100:]  # a CorrelationId would be at the end


def _own_words(text: str) -> str:
    return _OPERATION.sub("", text, count=1)


def _sentence(row: Row, text: str, context: Context, scope: str = "(not named by Azure)") -> str:
    facts = {"action": "this action", "scope": scope}  # unless the text says more
    found = re.search(row.facts, text) if isinstance(row, Refusal) else None
    facts.update(found.groupdict() if found else {})
    sentence = row.sentence.format(target=context.target, source=context.source, registry=context.registry, **facts)
    return sentence + quoted(text)


def quoted(text: str) -> str:
    """Azure's text, shortened, to append to a message."""
    said = _said(text)
    return " Azure says: " + said if said else ""


def _said(text: str) -> str:
    """Azure's text on one line, shortened; the CorrelationId is kept, because Azure support asks for it."""
    said = " ".join(_own_words(text).split())
    if len(said) <= SHOWN:
        return said
    found = _CORRELATION.search(said, SHOWN - 60)
    return said[:SHOWN] + "…" + (" " + found[0] if found and found.end() > SHOWN else "")


def _unknown(code: str, text: str, status: int, context: Context) -> str:
    return f"Azure refused {context.target} ({code or 'no code'}, status {status}): {_said(text) or 'no text'}"
