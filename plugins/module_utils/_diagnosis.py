# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What Azure Resource Manager's refusals mean: from its code and text to one sentence that helps. Pure."""

from __future__ import annotations

import re
from typing import NamedTuple

from ansible_collections.registryops.acr.plugins.module_utils._errors import AcrError

IMPORT_ROLE = "Container Registry Data Importer and Data Reader"
SHOWN = 400  # characters of Azure's own text that an error repeats
READ = 4000  # characters of it that are looked at: a source registry's answer may stand in it, however long


class Context(NamedTuple):
    """What the failing request was about, in the user's words. *registry* is the source's host."""

    target: str = "the target"
    source: str = "the source"
    registry: str = "the source registry"
    credentials: bool = False


class Row(NamedTuple):
    """One line of the table. *pattern* is searched in ``code: text``; its named groups can be used in *sentence*."""

    name: str
    pattern: str
    kind: str
    sentence: str


# The first line that matches counts. Lines that search for everyday words come last, since those may stand in names.
TABLE = [
    Row(
        "tag exists",
        r"already exists in target registry",
        "exists",
        "{target} exists already.",
    ),
    Row(
        "throttled",
        r"^(\w*RequestsThrottled|TooManyRequests):|^\w*: The request is being throttled",
        "throttled",
        "Azure Resource Manager takes no more requests for now; run again later.",
    ),
    Row(
        "upstream throttles",
        r"HAP429|429 Too Many Requests|TOOMANYREQUESTS|pull rate limit",
        "throttled",
        "{registry} limits how often Azure may pull from it; {source} was refused for now. Run again later, or give "
        "source_username and source_password of an account with a higher limit.",
    ),
    Row(
        "linked scope",
        r"(LinkedAuthorizationFailed.*)?does not have permission to perform action\(?s?\)? "
        r"'(?P<action>[^']*)' on the linked scope\(?s?\)? '(?P<scope>[^']*)'|LinkedAuthorizationFailed",
        "denied",
        "This account may import into the target, but may not read the source registry {scope}. Give it Reader or "
        "AcrPull there, or name the source by its login server with source_username and source_password.",
    ),
    Row(
        "no right to import",
        r"AuthorizationFailed.*importImage/action",
        "denied",
        "This account has no right to import into the registry of {target}: it needs the action "
        "Microsoft.ContainerRegistry/registries/importImage/action there. The built-in role '" + IMPORT_ROLE + "' has "
        "it, and Contributor.",
    ),
    Row(
        "no right",
        r"AuthorizationFailed.*perform action '(?P<action>[^']*)' over scope '(?P<scope>[^']*)'|AuthorizationFailed",
        "denied",
        "This account has no right to {action} on {scope}.",
    ),
    Row(
        "subscription not found",
        r"SubscriptionNotFound|InvalidSubscriptionId",
        "not_found",
        "The subscription does not exist, or this account can't see it.",
    ),
    Row(
        "wrong tenant",
        r"InvalidAuthenticationTokenTenant",
        "unauthorized",
        "The subscription belongs to another tenant than the one signed in to; set tenant to the subscription's.",
    ),
    Row(
        "wrong audience",
        r"InvalidAuthenticationTokenAudience|InvalidAuthenticationToken|AuthenticationFailed|ExpiredAuthenticationToken",
        "unauthorized",
        "Azure Resource Manager does not accept this sign-in; check cloud_environment and tenant.",
    ),
    Row(
        "export policy",
        r"export ?polic|exports? (is|are) (disabled|not allowed|disallowed)",
        "denied",
        "{registry} may not be copied from: its export policy is disabled.",
    ),
    Row(
        "source firewall",
        r"Invalid message Forbidden.*(is not allowed access|acr/firewall)",
        "firewall",
        "The firewall of the source {registry} refuses Azure's import service (Azure names the target instead). Allow "
        "trusted services on the source registry (registryops.acr.acr_trusted_services), and name it by source_registry "
        "without user name and password: with a login server and credentials Azure comes from a public address, which "
        "trusted services do not cover.",
    ),
    Row(
        "locked",
        r"DISALLOWED_OPERATION|operation is disallowed on this registry|is locked|writeEnabled",
        "locked",
        "{target} is locked against writing (write-enabled false on the tag, the manifest or the repository). Unlock it, "
        "or set if_exists: keep.",
    ),
    Row(
        "source forbidden",
        r"Invalid message Forbidden",
        "denied",
        "{registry} forbids Azure to copy {source}: the account lacks the right, or the registry's export policy is "
        "disabled.",
    ),
    Row(
        "source unauthorized",
        r"Invalid message Unauthorized",
        "unauthorized",
        "{registry} refuses {source} to Azure: the user name or password is wrong or has ended, or the image needs "
        "credentials (source_username, source_password).",
    ),
    Row(
        "source denies",
        r"Access to \S+ denied",
        "denied",
        "The registry {registry} refuses Azure the image {source} (Azure may name the target instead). Give the account "
        "AcrPull on the source, name an Azure registry by its resource ID (source_registry), or check source_username "
        "and source_password.",
    ),
    Row(
        "cache rule",
        r"cache rule",
        "denied",
        "{target} is in a repository under a cache rule, into which nothing can be imported. Choose another target "
        "repository, or remove the cache rule.",
    ),
    Row(
        "too many manifests",
        r"more than \S*\s*\d+ (manifests|that)|manifest list has \d+|exceeds? .*manifests",
        "invalid",
        "{source} has more than the 50 manifests that Azure can import at once. Import one platform (platform), or "
        "copy the image by other means.",
    ),
    Row(
        "source missing",
        r"Unable to find manifest digest|Invalid message NotFound|manifest unknown|MANIFEST_UNKNOWN|NAME_UNKNOWN",
        "not_found",
        "{source} does not exist, or {registry} does not show it to Azure.",
    ),
    Row(
        "no digest header",
        r"No value specified for Docker-Content-Digest",
        "invalid",
        "{registry} answers without the header Docker-Content-Digest, and Azure can't import from such a registry. "
        "Update it, or copy the image by other means.",
    ),
    Row(
        "source unreachable",
        r"No such host is known|Name or service not known|remote name could not be resolved|No connection could be made",
        "unreachable",
        "Azure can't reach the source registry {registry}. It must be reachable from Azure, not only from here.",
    ),
    Row(
        "bad parameter",
        r"^InvalidImportImageParameter:",
        "invalid",
        "Azure refuses the import's parameters for {target}.",
    ),
    Row(
        "not found",
        r"^\w*NotFound:",
        "not_found",
        "Azure finds no such registry, or this account can't see it.",
    ),
    Row(
        "quota",
        r"quota|storage limit|MaximumStorage|SizeLimit",
        "invalid",
        "The registry of {target} has no room left (its storage quota is reached). Delete what isn't needed, or choose a "
        "larger tier.",
    ),
    Row(
        "quarantine",
        r"quarantin",
        "denied",
        "{source} is in quarantine and can't be copied until it is released.",
    ),
    Row(
        "temporary",
        r"Error copying blobs|InternalServerError|ServerTimeout|GatewayTimeout|ServiceUnavailable|temporar|timed? ?out|"
        r"try again|OperationPreempted|ServerBusy|\b50[0234] \w+",
        "unavailable",
        "Azure failed to copy {source} for a passing reason; run again later.",
    ),
]


def explain(code: str, text: str, status: int, context: Context = Context()) -> AcrError:
    """The error for a refusal of Azure Resource Manager or a failed import.

    *code* and *text* are those of Azure's ``error`` object. The sentence ends with what Azure said, shortened.
    """
    code, text = code[:100], text[:READ]
    # Names of the target's registry and resource group tell nothing, and could be taken for words of the table.
    text = re.sub(r"Operation registries-\S+ failed\. |Resource /subscriptions/\S+ ", "", text)
    whole = "{0}: {1}".format(code, text)
    said = " ".join(text.split())
    said = said if len(said) <= SHOWN else said[:SHOWN] + "…"
    quoted = " Azure says: " + said if said else ""
    for row in TABLE:
        found = re.search(row.pattern, whole, re.IGNORECASE | re.DOTALL)
        if found:
            # Groups that did not take part stand as words that still make a sentence.
            facts = {"action": "do this", "scope": "(Azure does not say which)"}
            facts.update({key: value for key, value in found.groupdict().items() if value})
            sentence = row.sentence.format(
                target=context.target, source=context.source, registry=context.registry, **facts
            )
            return AcrError(row.kind, sentence + quoted, status=status, detail=row.name)
    if status == 401:
        message = "Azure does not accept this sign-in for {0}.{1}".format(context.target, quoted)
        return AcrError("unauthorized", message, status=status)
    if status == 403:
        return AcrError("denied", "Azure denies access to {0}.{1}".format(context.target, quoted), status=status)
    message = "Azure refused {0} ({1}, status {2}): {3}".format(context.target, code or "no code", status, said or "no text")
    return AcrError("invalid", message, status=status)
