# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Azure's refusals and failed copies, row by row: each gives the sentence that helps, whatever names and quotations are in it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.registryops.acr.plugins.module_utils._diagnosis import (
    FORMS,
    REFUSALS,
    SHOWN,
    TABLE,
    Context,
    explain,
    explain_failure,
)
from ansible_collections.registryops.acr.plugins.module_utils._errors import AcrError, ImportFailed

TARGET = "contosoprod.azurecr.io/base/nginx:1.27"
SOURCE = "fabrikam.azurecr.io/vendor/tool:1.0"
REGISTRY = "fabrikam.azurecr.io"
CONTEXT = Context(TARGET, SOURCE, REGISTRY, targets=("base/nginx:1.27",))
SCOPE = (
    "/subscriptions/11111111-1111-4111-8111-111111111111/resourceGroups/rg-registries/providers/"
    "Microsoft.ContainerRegistry/registries/contosoprod"
)
OPERATION = "Operation registries-5b1b3f8e-5f0a-11ec-bf63-0242ac130002 failed. Resource {0} ".format(SCOPE)
CLIENT = "The client 'puller' with object id '22222222-0000-4000-8000-000000000002'"

# What users read: kind and sentence by row.
SENTENCES = {
    "tag exists": ("exists", f"{TARGET} already exists."),
    "throttled": ("throttled", "Azure Resource Manager is throttling requests; run again later."),
    "upstream throttles": (
        "throttled",
        f"{REGISTRY} limits how often Azure can pull from it, and refused {SOURCE} for now. Run again later, or set "
        "source_username and source_password to an account with a higher limit.",
    ),
    "linked scope": (
        "denied",
        f"This account can import into the target, but can't read the source registry {SCOPE}. Grant it Reader or AcrPull there "
        "(if permissions are per repository, ABAC: Reader and Container Registry Repository Reader), or give the source by its "
        "login server with source_username and source_password.",
    ),
    "no right to import": (
        "denied",
        f"This account isn't allowed to import into the registry of {TARGET}: it needs the action "
        "Microsoft.ContainerRegistry/registries/importImage/action there, which the built-in roles 'Container Registry Data "
        "Importer and Data Reader' and Contributor include.",
    ),
    "no right": (
        "denied",
        f"This account isn't allowed to perform Microsoft.ContainerRegistry/registries/read on scope {SCOPE}.",
    ),
    "subscription not found": ("not_found", "The subscription does not exist, or this account can't see it."),
    "subscription disabled": (
        "denied",
        "The registry's subscription is disabled, so nothing in it can be changed. Have the subscription re-enabled.",
    ),
    "provider not registered": (
        "denied",
        "The registry's subscription isn't registered for Azure Container Registry. Register it: az provider register "
        "--namespace Microsoft.ContainerRegistry.",
    ),
    "scope locked": (
        "locked",
        "A lock on the registry, its resource group or its subscription prevents changes to the registry and imports into it. "
        "Remove the lock.",
    ),
    "policy": ("denied", "An Azure policy forbids this request in the registry's subscription."),
    "wrong tenant": (
        "unauthorized",
        "The subscription belongs to a different tenant from the one signed in to; set tenant to the subscription's tenant.",
    ),
    "more proof": (
        "unauthorized",
        "Azure requires more proof than this sign-in can give, such as multifactor authentication (a claims challenge). Sign "
        "in as a service principal, by federation or with a managed identity.",
    ),
    "token expired": (
        "unauthorized",
        "Azure Resource Manager says that this sign-in's token has expired, and so has a new one. Sign in again, and check this "
        "machine's clock.",
    ),
    "wrong audience": (
        "unauthorized",
        "Azure Resource Manager does not accept this sign-in; check cloud_environment and tenant.",
    ),
    "export policy": ("denied", f"Images can't be copied out of {REGISTRY}: its export policy is disabled."),
    "source firewall": (
        "firewall",
        f"The firewall of the source registry {REGISTRY} blocks Azure's import service (Azure's message names the target "
        "instead). Allow trusted services on the source registry (registryops.acr.acr_trusted_services), and give it as "
        "source_registry without user name and password: with a login server and credentials, Azure connects from a public "
        "address, which trusted services don't cover.",
    ),
    "locked": (
        "locked",
        f"{TARGET} is locked against writing, or {SOURCE} against reading (write-enabled or read-enabled is false on the tag, "
        "the manifest or the repository). Unlock it, or set if_exists: keep.",
    ),
    "source forbidden": (
        "denied",
        f"{REGISTRY} doesn't allow Azure to copy {SOURCE}: the account lacks permission, or the registry's export policy is "
        "disabled.",
    ),
    "source unauthorized": (
        "unauthorized",
        f"{REGISTRY} doesn't let Azure read {SOURCE}: the user name or password is wrong or has expired, or the image needs "
        "credentials (source_username, source_password).",
    ),
    "source denies": (
        "denied",
        f"{REGISTRY} denies Azure access to {SOURCE} (Azure's message may name the target instead). Grant the account AcrPull on "
        "the source (Container Registry Repository Reader if permissions are per repository, ABAC), and give an Azure registry by "
        "its resource ID (source_registry), which is found by itself if the account has Reader there; or check source_username "
        "and source_password.",
    ),
    "cache rule": (
        "denied",
        f"{TARGET} is in a repository with a cache rule, which can't be imported into. Choose another target repository, or "
        "remove the cache rule.",
    ),
    "too many manifests": (
        "unsupported",
        f"{SOURCE} has more than the 50 manifests that Azure can import at once. Import a single platform (platform), or copy "
        "the image by other means.",
    ),
    "source missing": ("not_found", f"{SOURCE} does not exist, or {REGISTRY} doesn't show it to Azure."),
    "no digest header": (
        "protocol",
        f"{REGISTRY} doesn't send the Docker-Content-Digest header, which Azure's import requires. Update the registry, or copy "
        "the image by other means.",
    ),
    "source unreachable": (
        "unreachable",
        f"Azure can't reach the source registry {REGISTRY}. It must be reachable from Azure, not just from here.",
    ),
    "bad parameter": ("refused", f"Azure rejects the import parameters for {TARGET}."),
    "not found": ("not_found", "The registry does not exist, or this account can't see it."),
    "quota": (
        "refused",
        f"The registry of {TARGET} has reached its storage quota. Delete what isn't needed, or choose a larger tier.",
    ),
    "quarantine": ("denied", f"{SOURCE} is quarantined, and can't be copied until it is released."),
    "temporary": ("unavailable", f"Azure Resource Manager failed temporarily for {TARGET}; run again later."),
    "source fails": ("unavailable", f"{REGISTRY} answered Azure with a server error for {SOURCE}; run again later."),
    "copying failed": ("unavailable", f"Copying {SOURCE} failed temporarily in Azure; run again later."),
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
    ("tag exists", 409, "Conflict", OPERATION + "Tag base/nginx:1.27 already exists in target registry."),
    ("tag exists", 409, "Conflict", "Tag other/app:1 already exists in target registry."),
    (
        "scope locked",
        409,
        "ScopeLocked",
        "The scope '" + SCOPE + "' cannot perform write operation because following scope(s) are locked: '" + SCOPE + "'. "
        "Please remove the lock and try again.",
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
        "token expired",
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
    ("not found", 404, "", "The resource contosoprod could not be found."),
    ("temporary", 502, "InvalidGatewayHost", "The gateway host is invalid."),
    ("copying failed", 400, "InvalidParameters", OPERATION + "Error copying blobs"),
]
# Azure's own words are not known for these: worded after the others, after its documentation, or after its habits.
LIKELY = [
    ("throttled", 429, "", "The request is being throttled."),
    (
        "subscription disabled",
        409,
        "ReadOnlyDisabledSubscription",
        "The subscription '11111111-1111-4111-8111-111111111111' is disabled and therefore marked as read only. You cannot "
        "perform any write actions on this subscription until it is re-enabled.",
    ),
    (
        "provider not registered",
        409,
        "MissingSubscriptionRegistration",
        "The subscription is not registered to use namespace 'Microsoft.ContainerRegistry'.",
    ),
    ("policy", 403, "RequestDisallowedByPolicy", "Resource 'contosoprod' was disallowed by policy."),
    ("no right to import", 403, "DenyAssignmentAuthorizationFailed", "x"),
    ("upstream throttles", 400, "InvalidParameters", OPERATION + "Invalid message TooManyRequests Too Many Requests <html>"),
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
    ("more proof", 401, "insufficient_claims", "The access token is invalid."),
    ("export policy", 400, "InvalidParameters", OPERATION + "The export policy of fabrikam.azurecr.io is disabled."),
    ("export policy", 400, "InvalidParameters", OPERATION + "Exports are disabled for registry fabrikam."),
    (
        "locked",
        400,
        "InvalidParameters",
        OPERATION + "Invalid message MethodNotAllowed Method Not Allowed " + DISALLOWED,
    ),
    ("locked", 400, "InvalidParameters", OPERATION + "The tag base/nginx:1.27 is locked."),
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
    ("source fails", 400, "InvalidParameters", OPERATION + "Invalid message 502 Bad Gateway"),
    ("source fails", 400, "InvalidParameters", OPERATION + "Invalid message BadGateway Bad Gateway <html>502 Bad Gateway</html>"),
    ("source fails", 400, "InvalidParameters", OPERATION + "Invalid message ServiceUnavailable Service Unavailable "),
    ("source fails", 400, "InvalidParameters", OPERATION + "Invalid message InternalServerError Internal Server Error {}"),
    ("source fails", 400, "InvalidParameters", OPERATION + "Invalid message GatewayTimeout Gateway Time-out"),
    ("source fails", 400, "InvalidParameters", OPERATION + "Invalid message 520 Web Server Returned an Unknown Error"),
    ("source unreachable", 400, "InvalidParameters", OPERATION + "No connection could be made because x actively refused it."),
    ("temporary", 500, "InternalServerError", "An internal server error occurred."),
    ("temporary", 503, "ServerTimeout", "The request timed out."),
    ("temporary", 409, "OperationPreempted", "The operation was preempted by another one."),
    ("temporary", 504, "GatewayTimeout", ""),
]
ALL = KNOWN + LIKELY
IDS = ["{0}-{1}".format(row, number) for number, (row, _status, _code, _text) in enumerate(ALL)]


FORM_NAMES = {row.name for row in FORMS}


def told(row: str, code: str, text: str, status: int, context: Context = CONTEXT) -> AcrError:
    """What is told where it is told: of a request, or of an import."""
    return (explain_failure if row in FORM_NAMES else explain)(code, text, status, context)


@pytest.mark.parametrize(("row", "status", "code", "text"), ALL, ids=IDS)
def test_each_text_gives_the_sentence_that_helps(row: str, status: int, code: str, text: str) -> None:
    error = told(row, code, text, status)
    kind, sentence = SENTENCES[row]
    said = " ".join(text.replace(OPERATION, "").split())
    said = said[:SHOWN] + "…" if len(said) > SHOWN else said
    assert (error.cause, error.reason, error.status) == (row, kind, status)
    assert str(error) == (sentence + " Azure says: " + said if said else sentence)
    assert error.passing is (kind in ("throttled", "unavailable"))
    assert isinstance(error, ImportFailed) is (row in FORM_NAMES)
    # What a start is refused with reads the same.
    refused = explain(code, text, status, CONTEXT, starting=True)
    assert refused.cause == row or row == "no right"
    form = next((form for form in FORMS if form.name == row), None)
    if form is not None:
        assert (refused.tries, refused.throttled_source) == (form.tries, form.throttled), "as if the copy had failed"


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
    assert told(row, code, text, status).cause == row


IMAGES = [
    "team/quota-service", "team/quarantine-scanner", "temporary", "timeout", "cache rule", "try again", "502 Bad Gateway",
    "already exists in target registry", "is locked", "export policy", "more than 50 manifests", "manifest unknown", "ScopeLocked",
]  # fmt: skip


@pytest.mark.parametrize("name", [*NAMES, *IMAGES])
@pytest.mark.parametrize(
    ("row", "text"),
    [
        ("source missing", "Unable to find manifest digest  Repo: h.io/{0}/{0} Tag: {0} Manifest: "),
        ("source denies", "Access to h.io denied. {0}"),
        ("copying failed", "Error copying blobs of h.io/{0}"),
        ("source forbidden", "Invalid message Forbidden Forbidden {0}"),
        ("source unauthorized", 'Invalid message Unauthorized Unauthorized {{"errors":[{{"detail":[{{"Name":"{0}"}}]}}]}}'),
        ("no digest header", "No value specified for Docker-Content-Digest OK OK {0}"),
        (None, "Invalid message Conflict Conflict {0}"),
        (None, "The image {0} is odd."),
        (None, "{0} is odd."),
    ],
)
def test_b4_names_in_a_text_decide_nothing(row: str | None, text: str, name: str) -> None:
    error = explain_failure("InvalidParameters", OPERATION + text.format(name), 400, CONTEXT)
    assert error.cause == row and (row == "copying failed") is error.passing


# What a source may write into its answer.
QUOTED = [
    "<Error><Code>AuthenticationFailed</Code><Message>Server failed to authenticate the request.</Message></Error>",
    '{"errors":[{"code":"InvalidAuthenticationToken","message":"AuthorizationFailed importImage/action"}]}',
    "InvalidAuthenticationTokenTenant: ScopeLocked",
    "base/nginx:1.27 Tag base/nginx:1.27 already exists in target registry.",
    "Operation registries-1 failed. Resource /subscriptions/1/x Tag base/nginx:1.27 already exists in target registry.",
    "InternalServerError 502 Bad Gateway, try again: temporarily unavailable",
]


@pytest.mark.parametrize("quoted", QUOTED)
@pytest.mark.parametrize("phrase", ["Forbidden Forbidden", "Unauthorized Unauthorized", "NotFound Not Found", "BadRequest Bad Request"])
@pytest.mark.parametrize("code", ["InvalidParameters", "Conflict", ""])
def test_b2_b3_a_quotation_decides_nothing(code: str, phrase: str, quoted: str) -> None:
    text = "{0}Invalid message {1} {2}".format(OPERATION, phrase, quoted)
    rows = {"F": "source forbidden", "U": "source unauthorized", "N": "source missing", "B": None}
    for error in (explain_failure(code, text, 400, CONTEXT), explain(code, text, 400, CONTEXT, starting=True)):
        assert (error.cause, error.ends_run, error.passing) == (rows[phrase[0]], False, False), str(error)


@pytest.mark.parametrize(
    ("code", "text", "exists"),
    [
        ("InvalidParameters", "Tag base/nginx:1.27 already exists in target registry.", True),
        ("InvalidParameters", "base/nginx:1.27 Tag base/nginx:1.27 already exists in target registry.", True),
        ("InvalidParameters", "Tag base/nginx:1.28 already exists in target registry.", False),
        ("InvalidParameters", "Tag already exists in target registry.", False),
        ("InvalidParameters", "It says: Tag base/nginx:1.27 already exists in target registry.", False),
        ("Conflict", "Tag base/nginx:1.28 already exists in target registry.", True),
        ("Conflict", "Another operation is in progress: Tag base/nginx:1.27 already exists in target registry.", False),
        ("Conflict", "", False),
    ],
)
def test_b3_only_azures_own_form_says_that_a_tag_exists(code: str, text: str, exists: bool) -> None:
    several = Context("contosoprod.azurecr.io/other/app:1, " + TARGET, SOURCE, REGISTRY)
    for prefix in (OPERATION, ""):
        for context in (CONTEXT, several):
            assert (explain_failure(code, prefix + text, 400, context).reason == "exists") is exists


@pytest.mark.parametrize("row", REFUSALS, ids=lambda row: row.name)
def test_b2_codes_of_requests_mean_nothing_of_a_copy(row: object) -> None:
    for name, _status, code, text in ALL:
        if name == row.name:
            error = explain_failure(code, text, 400, CONTEXT)
            assert error.cause == (name if name == "temporary" and code else None) and error.ends_run is False


@pytest.mark.parametrize("text", ["ScopeLocked", "AuthorizationFailed", "AuthenticationFailed: x", "ReadOnlyDisabledSubscription"])
@pytest.mark.parametrize("code", ["", "Odd", "OddScopeLocked", "AuthenticationFailedX", "InvalidParameters"])
def test_b5_a_code_is_matched_whole_and_a_text_is_none(code: str, text: str) -> None:
    error = explain(code, text, 409, CONTEXT, starting=True)
    assert (error.cause, error.ends_run) == (None, False)


@pytest.mark.parametrize(
    "phrase",
    ["BadGateway Bad Gateway", "ServiceUnavailable Service Unavailable", "GatewayTimeout Gateway Timeout", "502 Bad Gateway",
     "InternalServerError Internal Server Error", "503", "522 Origin Connection Time-out", "RequestTimeout Request Timeout"],
)  # fmt: skip
def test_b6_what_a_sources_server_can_not_do_now_passes(phrase: str) -> None:
    for body in ("", " <html><h1>Not Found</h1></html>", ' {"errors":[{"code":"DENIED"}]}'):
        error = explain_failure("InvalidParameters", OPERATION + "Invalid message " + phrase + body, 400, CONTEXT)
        assert (error.cause, error.passing) == ("source fails", True)


def test_a_correlation_id_is_passed_on_however_long_the_text() -> None:
    told = "CorrelationId: 0f8fad5b-d9cb-469f-a165-70867728950e"
    for length in (10, SHOWN - 40, SHOWN - 5, SHOWN + 300, 3990, 50_000):
        text = OPERATION + "Error copying blobs " + "x" * length + ". " + told
        message = str(explain_failure("InvalidParameters", text, 400, CONTEXT))
        assert message.count(told) == 1 and len(message) < 1000, length
    assert "CorrelationId" not in str(explain_failure("InvalidParameters", "Error copying blobs" + "x" * 900, 400, CONTEXT))


def test_a_number_is_not_taken_for_a_status() -> None:
    """What is taken for a passing failure is tried again and again."""
    error = explain_failure("InvalidParameters", OPERATION + "A layer of 1502 bytes is invalid.", 400, CONTEXT)
    assert (error.cause, error.passing) == (None, False)


def test_braces_in_names_are_only_text() -> None:
    text = NO_RIGHT.format("read").replace("rg-registries", "rg-{0}{target}")
    assert "/resourceGroups/rg-{0}{target}/" in str(explain("AuthorizationFailed", text, 403, Context("{source}")))


@pytest.mark.parametrize(
    ("status", "code", "text", "kind", "message"),
    [
        (403, "", "", "denied", "Azure denies access to {0}.".format(TARGET)),
        (403, "Odd", "No way.", "denied", "Azure denies access to {0}. Azure says: No way.".format(TARGET)),
        (401, "", "", "unauthorized", "Azure does not accept this sign-in for {0}.".format(TARGET)),
        (400, "", "", "refused", "Azure refused {0} (no code, status 400): no text".format(TARGET)),
        (
            409,
            "Conflict",
            "Odd\n thing.",
            "refused",
            "Azure refused {0} (Conflict, status 409): Odd thing.".format(TARGET),
        ),
        # Without Azure's own word for it, nothing is taken for absent.
        (404, "", "", "refused", "Azure refused {0} (no code, status 404): no text".format(TARGET)),
    ],
)
def test_what_the_table_does_not_know(status: int, code: str, text: str, kind: str, message: str) -> None:
    error = explain(code, text, status, CONTEXT)
    assert (error.reason, str(error), error.status, error.cause) == (kind, message, status, None)


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("AuthorizationFailed", "This account isn't allowed to perform this action on scope (not named by Azure)."),
        (
            "LinkedAuthorizationFailed",
            "This account can import into the target, but can't read the source registry (not named by Azure).",
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
    assert message.startswith("the source registry doesn't let Azure read the source: ")


@settings(derandomize=True, database=None, deadline=None, max_examples=300)
@given(st.text(max_size=12), st.text(max_size=60), st.sampled_from([400, 401, 403, 404, 409, 429, 500]))
def test_any_answer_is_an_error_that_names_the_target_or_what_azure_said(code: str, text: str, status: int) -> None:
    error = explain(code, text, status, CONTEXT)
    assert error.status == status and str(error)
    assert TARGET in str(error) or " ".join(text.split()) in str(error)
