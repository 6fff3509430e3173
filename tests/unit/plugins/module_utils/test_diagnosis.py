# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Azure's refusals, row by row: each of its texts gives the sentence that helps, whatever names stand in it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.registryops.acr.plugins.module_utils._diagnosis import SHOWN, TABLE, Context, explain

TARGET = "contosoprod.azurecr.io/base/nginx:1.27"
SOURCE = "fabrikam.azurecr.io/vendor/tool:1.0"
REGISTRY = "fabrikam.azurecr.io"
CONTEXT = Context(TARGET, SOURCE, REGISTRY)
SCOPE = (
    "/subscriptions/11111111-1111-4111-8111-111111111111/resourceGroups/rg-registries/providers/"
    "Microsoft.ContainerRegistry/registries/contosoprod"
)
OPERATION = "Operation registries-5b1b3f8e-5f0a-11ec-bf63-0242ac130002 failed. Resource {0} ".format(SCOPE)
CLIENT = "The client 'puller' with object id '22222222-0000-4000-8000-000000000002'"

# What users read: kind and sentence by row.
SENTENCES = {
    "tag exists": ("exists", TARGET + " exists already."),
    "throttled": ("throttled", "Azure Resource Manager takes no more requests for now; run again later."),
    "upstream throttles": (
        "throttled",
        "fabrikam.azurecr.io limits how often Azure may pull from it; fabrikam.azurecr.io/vendor/tool:1.0 was refused "
        "for "
        "now. Run again later, or give source_username and source_password of an account with a higher limit.",
    ),
    "linked scope": (
        "denied",
        "This account may import into the target, but may not read the source registry {0}. Give it Reader or AcrPull "
        "there, or name the source by its login server with source_username and source_password.".format(SCOPE),
    ),
    "no right to import": (
        "denied",
        "This account has no right to import into the registry of contosoprod.azurecr.io/base/nginx:1.27: it needs the "
        "action Microsoft.ContainerRegistry/registries/importImage/action there. The built-in role 'Container Registry "
        "Data Importer and Data Reader' has it, and Contributor.",
    ),
    "no right": (
        "denied",
        "This account has no right to Microsoft.ContainerRegistry/registries/read on " + SCOPE + ".",
    ),
    "subscription not found": ("not_found", "The subscription does not exist, or this account can't see it."),
    "wrong tenant": (
        "unauthorized",
        "The subscription belongs to another tenant than the one signed in to; set tenant to the subscription's.",
    ),
    "wrong audience": (
        "unauthorized",
        "Azure Resource Manager does not accept this sign-in; check cloud_environment and tenant.",
    ),
    "export policy": ("denied", "fabrikam.azurecr.io may not be copied from: its export policy is disabled."),
    "source firewall": (
        "firewall",
        "The firewall of the source fabrikam.azurecr.io refuses Azure's import service (Azure names the target "
        "instead). "
        "Allow trusted services on the source registry (registryops.acr.acr_trusted_services), and name it by "
        "source_registry without user name and password: with a login server and credentials Azure comes from a public "
        "address, which trusted services do not cover.",
    ),
    "locked": (
        "locked",
        TARGET + " is locked against writing (write-enabled false on the tag, the manifest or the repository). Unlock "
        "it, or set if_exists: keep.",
    ),
    "source forbidden": (
        "denied",
        "fabrikam.azurecr.io forbids Azure to copy fabrikam.azurecr.io/vendor/tool:1.0: the account lacks the right, "
        "or "
        "the registry's export policy is disabled.",
    ),
    "source unauthorized": (
        "unauthorized",
        "fabrikam.azurecr.io refuses fabrikam.azurecr.io/vendor/tool:1.0 to Azure: the user name or password is "
        "wrong or has ended, or the image needs credentials (source_username, source_password).",
    ),
    "source denies": (
        "denied",
        "The registry fabrikam.azurecr.io refuses Azure the image fabrikam.azurecr.io/vendor/tool:1.0 (Azure may name "
        "the "
        "target instead). Give the account AcrPull on the source, name an Azure registry by its resource ID "
        "(source_registry), or check source_username and source_password.",
    ),
    "cache rule": (
        "denied",
        TARGET + " is in a repository under a cache rule, into which nothing can be imported. Choose another target "
        "repository, or remove the cache rule.",
    ),
    "too many manifests": (
        "invalid",
        SOURCE
        + " has more than the 50 manifests that Azure can import at once. Import one platform (platform), or copy "
        "the image by other means.",
    ),
    "source missing": (
        "not_found",
        SOURCE + " does not exist, or fabrikam.azurecr.io does not show it to Azure.",
    ),
    "no digest header": (
        "invalid",
        "fabrikam.azurecr.io answers without the header Docker-Content-Digest, and Azure can't import from such a "
        "registry. Update it, or copy the image by other means.",
    ),
    "source unreachable": (
        "unreachable",
        "Azure can't reach the source registry fabrikam.azurecr.io. It must be reachable from Azure, not only from "
        "here.",
    ),
    "bad parameter": ("invalid", "Azure refuses the import's parameters for " + TARGET + "."),
    "not found": ("not_found", "Azure finds no such registry, or this account can't see it."),
    "quota": (
        "invalid",
        "The registry of contosoprod.azurecr.io/base/nginx:1.27 has no room left (its storage quota is reached). "
        "Delete "
        "what isn't needed, or choose a larger tier.",
    ),
    "quarantine": ("denied", SOURCE + " is in quarantine and can't be copied until it is released."),
    "temporary": ("unavailable", "Azure failed to copy " + SOURCE + " for a passing reason; run again later."),
}

UNAUTHORIZED = '{"errors":[{"code":"UNAUTHORIZED","message":"authentication required","detail":null}]}'
FIREWALL = (
    '{"errors":[{"code":"DENIED","message":"client with IP \\u002752.1.2.3\\u0027 is not allowed access. Refer '
    'https://aka.ms/acr/firewall to grant access."}]}\n'
)
LIMIT = (
    '{"errors":[{"code":"TOOMANYREQUESTS","message":"You have reached your pull rate limit. You may increase the '
    "limit by "
    'authenticating and upgrading: https://www.docker.com/increase-rate-limit"}]}'
)
MANIFEST = '{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json","layers":[]}'
DISALLOWED = (
    '{"errors":[{"code":"REGISTRY_DISALLOWED_OPERATION","message":"The operation is disallowed on this registry, '
    'repository or image. View troubleshooting steps at https://aka.ms/acr/faq/","detail":{}}]}'
)
LINKED = (
    CLIENT + " has permission to perform action 'Microsoft.ContainerRegistry/registries/importImage/action' on scope "
    "'/subscriptions/3/x'; however, it does not have permission to perform action 'read' on the linked scope(s) '"
    + SCOPE + "'"
)  # fmt: skip
NO_RIGHT = (
    CLIENT + " does not have authorization to perform action 'Microsoft.ContainerRegistry/registries/{0}' over scope '"
    + SCOPE + "' or the scope is invalid. If access was recently granted, please refresh your credentials."
)  # fmt: skip
THROTTLED = (
    "Number of requests for subscription '11111111-1111-4111-8111-111111111111' and operation "
    "'POST/SUBSCRIPTIONS/RESOURCEGROUPS/PROVIDERS/MICROSOFT.CONTAINERREGISTRY/REGISTRIES/IMPORTIMAGE' exceeded the "
    "backend "
    "storage limit. Please try again after '6' seconds."
)

# row, status, code, text. Recorded or reported by users, as far as Azure's words are known.
KNOWN = [
    (
        "tag exists",
        400,
        "InvalidParameters",
        OPERATION + "base/nginx:1.27 Tag base/nginx:1.27 already exists in target registry.",
    ),
    ("throttled", 429, "SubscriptionRequestsThrottled", THROTTLED),
    ("throttled", 429, "ResourceRequestsThrottled", "Too many requests were received. Please try again later."),
    ("throttled", 429, "TooManyRequests", "The request is being throttled."),
    (
        "upstream throttles",
        400,
        "InvalidParameters",
        OPERATION + "Invalid message 429 Too Many Requests Too Many Requests (HAP429).",
    ),
    ("upstream throttles", 400, "InvalidParameters", OPERATION + "Invalid message 429 Too Many Requests " + LIMIT),
    ("upstream throttles", 400, "InvalidParameters", OPERATION + "Invalid message Forbidden Forbidden " + LIMIT),
    ("linked scope", 403, "LinkedAuthorizationFailed", LINKED),
    ("linked scope", 403, "AuthorizationFailed", LINKED),
    ("no right to import", 403, "AuthorizationFailed", NO_RIGHT.format("importImage/action")),
    ("no right", 403, "AuthorizationFailed", NO_RIGHT.format("read")),
    (
        "wrong audience",
        401,
        "InvalidAuthenticationTokenAudience",
        "The access token has been obtained for wrong audience or resource 'https://containerregistry.azure.net'. It "
        "should "
        "exactly match with one of the allowed audiences 'https://management.core.windows.net/'.",
    ),
    (
        "wrong audience",
        401,
        "ExpiredAuthenticationToken",
        "The access token expiry UTC time '1/2/2026 1:00:00 AM' is earlier than current UTC time '1/2/2026 1:00:01 "
        "AM'.",
    ),
    ("source firewall", 400, "InvalidParameters", OPERATION + "Invalid message Forbidden Forbidden " + FIREWALL),
    (
        "source forbidden",
        400,
        "InvalidParameters",
        OPERATION
        + 'Invalid message Forbidden Forbidden {"errors":[{"code":"DENIED","message":"requested access to the '
        'resource is denied"}]}',
    ),
    (
        "source unauthorized",
        400,
        "InvalidParameters",
        OPERATION + "Invalid message Unauthorized Unauthorized " + UNAUTHORIZED,
    ),
    (  # Docker Hub's words, for a token that has ended as for an image that is not there: it can't be told to be passing
        "source unauthorized",
        400,
        "InvalidParameters",
        OPERATION
        + 'Invalid message Unauthorized Unauthorized {"errors":[{"code":"UNAUTHORIZED","message":"authentication required",'
        '"detail":[{"Type":"repository","Class":"","Name":"library/nats","Action":"pull"}]}]}',
    ),
    ("source denies", 400, "InvalidParameters", OPERATION + "Access to contosoprod.azurecr.io denied."),
    (
        "source missing",
        400,
        "InvalidParameters",
        OPERATION + "Unable to find manifest digest  Repo: fabrikam.azurecr.io/vendor/tool Tag: 1.0 Manifest: ",
    ),
    (
        "no digest header",
        400,
        "InvalidParameters",
        OPERATION + "No value specified for Docker-Content-Digest OK OK " + MANIFEST,
    ),
    (
        "bad parameter",
        400,
        "InvalidImportImageParameter",
        "Invalid value https://docker.io/ for property parameters.Source.RegistryUri for resource name contosoprod. "
        "For more "
        "information, please visit https://aka.ms/acr/import.",
    ),
    (
        "bad parameter",
        400,
        "InvalidImportImageParameter",
        "Missing property parameters.TargetTags for the operation against the resource with name contosoprod",
    ),
    (
        "bad parameter",
        400,
        "InvalidImportImageParameter",
        "Invalid value http://vendor.test:500 for property parameters.Source.RegistryUri for resource name "
        "contosoprod.",
    ),
    (
        "not found",
        404,
        "ResourceNotFound",
        "The Resource 'Microsoft.ContainerRegistry/registries/contosoprod' under resource group 'rg-registries' was "
        "not found. "
        "For more details please go to https://aka.ms/ARMResourceNotFoundFix",
    ),
    ("not found", 404, "ResourceGroupNotFound", "Resource group 'rg-registries' could not be found."),
    ("temporary", 400, "InvalidParameters", OPERATION + "Error copying blobs"),
]
# Azure's own words are not known for these: worded after the others, after its documentation, or after its habits.
LIKELY = [
    ("throttled", 429, "", "The request is being throttled."),
    (
        "upstream throttles",
        400,
        "InvalidParameters",
        OPERATION + "Invalid message Forbidden Forbidden You have reached your pull rate limit.",
    ),
    (
        "source firewall",
        400,
        "InvalidParameters",
        OPERATION + "Invalid message Forbidden Forbidden " + FIREWALL.replace("[", "[\n  "),
    ),
    (
        "subscription not found",
        404,
        "SubscriptionNotFound",
        "The subscription '11111111-1111-4111-8111-111111111111' could not be found.",
    ),
    (
        "wrong tenant",
        401,
        "InvalidAuthenticationTokenTenant",
        "The access token is from the wrong issuer 'https://sts.windows.net/a/'. It must match the tenant "
        "'https://sts.windows.net/b/' associated with this subscription.",
    ),
    ("wrong audience", 401, "AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing."),
    ("wrong audience", 401, "InvalidAuthenticationToken", "The access token is invalid."),
    ("export policy", 400, "InvalidParameters", OPERATION + "The export policy of fabrikam.azurecr.io is disabled."),
    ("export policy", 400, "InvalidParameters", OPERATION + "Exports are disabled for registry fabrikam."),
    (
        "locked",
        400,
        "InvalidParameters",
        OPERATION + "Invalid message MethodNotAllowed Method Not Allowed " + DISALLOWED,
    ),
    (
        "cache rule",
        400,
        "InvalidParameters",
        OPERATION + "The repository of base/nginx:1.27 is associated with the cache rule hub; import is disallowed.",
    ),
    (
        "too many manifests",
        400,
        "InvalidParameters",
        OPERATION + "The manifest list has 51 manifests, more than the 50 that an import can copy.",
    ),
    (
        "source missing",
        400,
        "InvalidParameters",
        OPERATION + 'Invalid message NotFound Not Found {"errors":[{"code":"BLOB_UNKNOWN","message":"blob unknown"}]}',
    ),
    (
        "source missing",
        400,
        "InvalidParameters",
        OPERATION
        + 'Invalid message NotFound Not Found {"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}',
    ),
    (
        "source unreachable",
        400,
        "InvalidParameters",
        OPERATION + "Invalid message No such host is known. (vendor.test:443)",
    ),
    ("quota", 400, "InvalidParameters", OPERATION + "The registry has reached its storage quota."),
    ("quarantine", 400, "InvalidParameters", OPERATION + "The image vendor/tool:1.0 is quarantined."),
    ("temporary", 400, "InvalidParameters", OPERATION + "Invalid message 502 Bad Gateway"),
    ("temporary", 500, "InternalServerError", "An internal server error occurred."),
    ("temporary", 503, "ServerTimeout", "The request timed out."),
    ("temporary", 409, "OperationPreempted", "The operation was preempted by another one."),
    ("temporary", 504, "GatewayTimeout", ""),
]
ALL = KNOWN + LIKELY
IDS = ["{0}-{1}".format(row, number) for number, (row, _status, _code, _text) in enumerate(ALL)]


@pytest.mark.parametrize(("row", "status", "code", "text"), ALL, ids=IDS)
def test_each_text_gives_the_sentence_that_helps(row: str, status: int, code: str, text: str) -> None:
    error = explain(code, text, status, CONTEXT)
    kind, sentence = SENTENCES[row]
    said = " ".join(text.replace(OPERATION, "").split())
    said = said[:SHOWN] + "…" if len(said) > SHOWN else said
    assert (error.detail, error.kind, error.status) == (row, kind, status)
    assert str(error) == (sentence + " Azure says: " + said if said else sentence)
    assert error.passing is (kind in ("throttled", "unavailable"))


def test_every_row_is_reached_and_none_stands_twice() -> None:
    names = [row.name for row in TABLE]
    assert len(set(names)) == len(names)
    assert {row for row, _status, _code, _text in ALL} == set(names) == set(SENTENCES)


# Words of the table, as people use them in names of registries, groups and repositories.
NAMES = ["quota", "export", "quarantine", "temporary", "timeout", "islocked", "cache-rule", "500", "notfound"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("row", "status", "code", "text"), ALL, ids=IDS)
def test_the_names_of_the_target_do_not_matter(row: str, status: int, code: str, text: str, name: str) -> None:
    for old, new in (("rg-registries", "rg-" + name), ("contosoprod", "contoso" + name.replace("-", ""))):
        text = text.replace(old, new)
    assert explain(code, text, status, CONTEXT).detail == row


@pytest.mark.parametrize("name", NAMES)
def test_the_name_of_a_missing_source_does_not_matter(name: str) -> None:
    text = OPERATION + "Unable to find manifest digest  Repo: h.io/{0}/{0} Tag: {0} Manifest: ".format(name)
    assert explain("InvalidParameters", text, 400, CONTEXT).detail == "source missing"


def test_a_source_called_notfound_is_not_a_missing_registry() -> None:
    text = OPERATION + "Error copying blobs of h.io/notfound/app"
    assert explain("InvalidParameters", text, 400, CONTEXT).detail == "temporary"


def test_a_number_is_not_taken_for_a_status() -> None:
    """What is taken for a passing failure is tried again and again."""
    error = explain("InvalidParameters", OPERATION + "A layer of 1502 bytes is invalid.", 400, CONTEXT)
    assert (error.detail, error.passing) == (None, False)


def test_braces_in_names_are_only_text() -> None:
    text = NO_RIGHT.format("read").replace("rg-registries", "rg-{0}{target}")
    assert "/resourceGroups/rg-{0}{target}/" in str(explain("AuthorizationFailed", text, 403, Context("{source}")))


@pytest.mark.parametrize(
    ("status", "code", "text", "kind", "message"),
    [
        (403, "", "", "denied", "Azure denies access to {0}.".format(TARGET)),
        (403, "Odd", "No way.", "denied", "Azure denies access to {0}. Azure says: No way.".format(TARGET)),
        (401, "", "", "unauthorized", "Azure does not accept this sign-in for {0}.".format(TARGET)),
        (400, "", "", "invalid", "Azure refused {0} (no code, status 400): no text".format(TARGET)),
        (
            409,
            "Conflict",
            "Odd\n thing.",
            "invalid",
            "Azure refused {0} (Conflict, status 409): Odd thing.".format(TARGET),
        ),
        # Without Azure's own word for it, nothing is taken for absent.
        (404, "", "", "invalid", "Azure refused {0} (no code, status 404): no text".format(TARGET)),
    ],
)
def test_what_the_table_does_not_know(status: int, code: str, text: str, kind: str, message: str) -> None:
    error = explain(code, text, status, CONTEXT)
    assert (error.kind, str(error), error.status, error.detail) == (kind, message, status, None)


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("AuthorizationFailed", "This account has no right to do this on (Azure does not say which)."),
        (
            "LinkedAuthorizationFailed",
            "This account may import into the target, but may not read the source registry (Azure",
        ),
    ],
)
def test_what_azure_leaves_out_leaves_a_sentence(code: str, sentence: str) -> None:
    assert str(explain(code, "", 403, CONTEXT)).startswith(sentence)


def test_a_long_text_is_shortened() -> None:
    message = str(explain("InvalidParameters", OPERATION + "Error copying blobs " + "x" * 5000, 400, CONTEXT))
    assert message.endswith("x…") and len(message.partition("Azure says: ")[2]) == SHOWN + 1


def test_without_a_context_the_sentence_still_reads() -> None:
    message = str(explain("InvalidParameters", "Invalid message Unauthorized Unauthorized x", 400))
    assert message.startswith("the source registry refuses the source to Azure: ")


@settings(derandomize=True, database=None, deadline=None, max_examples=300)
@given(st.text(max_size=12), st.text(max_size=60), st.sampled_from([400, 401, 403, 404, 409, 429, 500]))
def test_any_answer_is_an_error_that_names_the_target_or_what_azure_said(code: str, text: str, status: int) -> None:
    error = explain(code, text, status, CONTEXT)
    assert error.status == status and str(error)
    assert TARGET in str(error) or " ".join(text.split()) in str(error)
