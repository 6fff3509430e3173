# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The facts about Azure that the collection relies on. A new one is a function here: what it returns is what Azure does, its
docstring says so in one sentence, and its decorator has what is expected."""
from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import requests

from .azure import NULL, TYPES, VERSION, Azure, claims

HOST = "mcr.microsoft.com"
SOURCE, NEW, OLD = "dotnet/runtime", "8.0.10", "6.0.36"  # a public repository with two tags that stay where they are
FROM, FROM_OLD = ({"registryUri": HOST, "sourceImage": f"{SOURCE}:{tag}"} for tag in (NEW, OLD))
APP, LOCKED, GONE = "contract/app", "contract/locked", "contract/gone"  # the last is never there
NOWHERE = "sha256:" + "0" * 64
CATALOG = "registry:catalog:*"
READ, WRITE = (f"repository:{APP}:{actions}" for actions in ("pull,metadata_read", "pull,push"))
CHALLENGE = 'Bearer realm="https://REGISTRY_HOST/oauth2/token",service="REGISTRY_HOST"'
WHERE = "Operation registries-GUID failed. Resource /subscriptions/GUID/resourceGroups/GROUP/providers/"
WHERE += "Microsoft.ContainerRegistry/registries/REGISTRY "


@dataclass(frozen=True)
class Check:
    """``unknown``: nobody has recorded what Azure does; *expected* is what the sandbox does."""

    name: str
    fact: str
    look: Callable[[Azure], Any]
    expected: Any
    unknown: bool


CHECKS: list[Check] = []


def check(expected: Any, unknown: bool = False) -> Callable[[Callable[[Azure], Any]], Callable[[Azure], Any]]:
    def add(look: Callable[[Azure], Any]) -> Callable[[Azure], Any]:
        CHECKS.append(Check(look.__name__, " ".join((look.__doc__ or "").split()), look, expected, unknown))
        return look

    return add


def prepare(azure: Azure) -> None:
    """The images that most checks look at."""
    for source, tag in ((FROM, "new"), (FROM_OLD, "old")):
        ended = azure.imported(source, f"{APP}:{tag}", f"{LOCKED}:{tag}")
        if ended.status_code != 200:
            raise RuntimeError(f"an import failed: {ended.status_code} {ended.text}")


def on(repository: str, *actions: str) -> str:
    return f"repository:{repository}:{','.join(actions) or 'pull,push,metadata_read,metadata_write,delete'}"


def error(answer: requests.Response) -> tuple[int, str, str]:
    """A refusal by a registry or Azure Resource Manager: status, code, text."""
    said = answer.json()
    first = said["errors"][0] if "errors" in said else said["error"]
    return answer.status_code, first["code"], first["message"]


def challenge(answer: requests.Response) -> tuple[int, str]:
    return answer.status_code, answer.headers["WWW-Authenticate"]


def digest(azure: Azure, repository: str, tag: str) -> str:
    return azure.registry("HEAD", f"/v2/{repository}/manifests/{tag}", on(repository)).headers["Docker-Content-Digest"]


def lock(azure: Azure, path: str, **attributes: bool) -> dict[str, Any]:
    return azure.registry("PATCH", f"/acr/v1/{path}", on(LOCKED), json=attributes).json()


def push(azure: Azure, repository: str, source: str, tag: str) -> requests.Response:
    """Gives an image of the repository another tag, as a client does that pushes it."""
    place = f"/v2/{repository}/manifests"
    held = azure.registry("GET", f"{place}/{source}", on(repository))
    kind = {"Content-Type": held.headers["Content-Type"]}
    return azure.registry("PUT", f"{place}/{tag}", on(repository), data=held.content, headers=kind)


# ---- challenges ---------------------------------------------------------------------------------------------------------


@check((401, CHALLENGE))
def ping_without_a_token(azure: Azure) -> Any:
    """Without a token, /v2/ is answered 401 with a challenge that names realm and service, and no scope."""
    return challenge(azure.registry("GET", "/v2/"))


@check((401, f'{CHALLENGE},scope="registry:catalog:*"'))
def catalog_without_a_token(azure: Azure) -> Any:
    """The challenge for the catalog names registry:catalog:*."""
    return challenge(azure.registry("GET", "/acr/v1/_catalog"))


@check([f'{CHALLENGE},scope="repository:{APP}:{action}"' for action in ("metadata_read", "metadata_read", "pull", "metadata_write")])
def scopes_of_challenges(azure: Azure) -> Any:
    """Lists of tags ask for metadata_read (also under /v2), manifests for pull, changes of attributes for metadata_write."""
    asked = (("GET", f"/acr/v1/{APP}/_tags"), ("GET", f"/v2/{APP}/tags/list"), ("GET", f"/v2/{APP}/manifests/new"))
    return [challenge(azure.registry(*one))[1] for one in (*asked, ("PATCH", f"/acr/v1/{APP}/_tags/new"))]


@check(f'{CHALLENGE},scope="repository:{APP}:pull"', unknown=True)
def scope_of_referrers(azure: Azure) -> Any:
    """Which scope does the challenge for referrers name?"""
    return challenge(azure.registry("GET", f"/v2/{APP}/referrers/{NOWHERE}"))[1]


@check((401, f'{CHALLENGE},scope="repository:{GONE}:metadata_read"'))
def challenge_before_existence(azure: Azure) -> Any:
    """A repository that isn't there is challenged like any other."""
    return challenge(azure.registry("GET", f"/acr/v1/{GONE}/_tags"))


@check((401, f'{CHALLENGE},scope="repository:{APP}:pull",error="invalid_token"'))
def bad_token(azure: Azure) -> Any:
    """A token that isn't the registry's is answered with error="invalid_token"."""
    return challenge(azure.registry("GET", f"/v2/{APP}/manifests/new", headers={"Authorization": "Bearer no.such.token"}))


@check((401, f'{CHALLENGE},scope="repository:{APP}:delete",error="insufficient_scope"'))
def token_without_the_right(azure: Azure) -> Any:
    """A token that lacks an action is answered 401, not 403, with error="insufficient_scope"."""
    return challenge(azure.registry("DELETE", f"/acr/v1/{APP}/_tags/new", READ))


@check((401, 'Basic realm="Azure Container Registry"'))
def wrong_password(azure: Azure) -> Any:
    """A wrong user name and password are answered with a Basic challenge."""
    answer = azure.registry("GET", "/v2/", auth=("nobody", "wrong"))
    return challenge(answer)


# ---- tokens -------------------------------------------------------------------------------------------------------------


@check((200, ["refresh_token"], 11700, "REGISTRY_HOST"))
def refresh_token(azure: Azure) -> Any:
    """An exchange gives a refresh token and nothing else; it is dated back by 15 minutes and lives three hours more."""
    answer = azure.exchange()
    said = claims(answer.json()["refresh_token"])
    return answer.status_code, sorted(answer.json()), said["exp"] - said["iat"], said["aud"]


@check((["access_token"], 4500, ["metadata_read", "pull"]))
def access_token(azure: Azure) -> Any:
    """An access token is dated back by 15 minutes and lives one hour more; only its claims tell what it allows."""
    form = {"grant_type": "refresh_token", "service": azure.host, "scope": READ, "refresh_token": azure.refresh_token()}
    answer = azure.registry("POST", "/oauth2/token", data=form).json()
    said = claims(answer["access_token"])
    (entry,) = ({name.lower(): value for name, value in one.items()} for one in said["access"])
    return sorted(answer), said["exp"] - said["iat"], sorted(entry["actions"])


@check([APP, LOCKED])
def several_scopes(azure: Azure) -> Any:
    """A token is for all scopes that are given as parameters of their own."""
    access = claims(azure.token(on(APP, "pull"), on(LOCKED, "pull")))["access"]
    return sorted(entry.get("name") or entry["Name"] for entry in access)


@check([APP], unknown=True)
def scopes_joined_by_a_space(azure: Azure) -> Any:
    """For which repositories is a token, of two scopes in one parameter with a space between?"""
    access = claims(azure.token(f"{on(APP, 'pull')} {on(LOCKED, 'pull')}"))["access"]
    return sorted(entry.get("name") or entry["Name"] for entry in access)


@check((401, "UNAUTHORIZED", "authentication required, visit https://aka.ms/acr/authorization for more information. CorrelationId: GUID"))
def exchange_of_a_bad_token(azure: Azure) -> Any:
    """An exchange is refused with a text that ends in a correlation ID."""
    return error(azure.exchange("no.such.token"))


@check(("enabled", 200))
def token_for_resource_manager(azure: Azure) -> Any:
    """As long as azureADAuthenticationAsArmPolicy is enabled, a token for Azure Resource Manager can be exchanged."""
    policies = azure.settled()["properties"]["policies"]
    answer = azure.exchange(azure.identity.token(azure.identity.cloud.arm_scope))
    return policies["azureADAuthenticationAsArmPolicy"]["status"], answer.status_code


@check((200, ["access_token"]))
def refresh_token_as_a_password(azure: Azure) -> Any:
    """A refresh token is the password of a user whose name is a GUID of zeros."""
    query = {"service": azure.host, "scope": READ}
    answer = azure.registry("GET", "/oauth2/token", params=query, auth=(NULL, azure.refresh_token()))
    return answer.status_code, sorted(answer.json())


# ---- lists and properties -----------------------------------------------------------------------------------------------


@check(([APP], f'</acr/v1/_catalog?last={APP.replace("/", "%2F")}&n=1&orderby=>; rel="next"'))
def page_of_the_catalog(azure: Azure) -> Any:
    """The catalog is sorted; a page's Link is relative, its values are encoded, and orderby is there though empty."""
    answer = azure.registry("GET", "/acr/v1/_catalog?n=1", CATALOG)
    return answer.json()["repositories"], answer.headers["Link"]


@check({"repositories": None})
def catalog_past_its_end(azure: Azure) -> Any:
    """A page of the catalog without entries is null, not an empty list."""
    return azure.registry("GET", "/acr/v1/_catalog?last=zzz", CATALOG).json()


@check(False, unknown=True)
def full_last_page(azure: Azure) -> Any:
    """Has a last page that is exactly full a Link to one more?"""
    return "Link" in azure.registry("GET", f"/acr/v1/{APP}/_tags?n=2", READ).headers


@check((["new", "old"], ["changeableAttributes", "createdTime", "digest", "lastUpdateTime", "name", "signed"]))
def list_of_tags(azure: Azure) -> Any:
    """A list of tags is sorted by name and says of each its digest, its times and its locks."""
    tags = azure.registry("GET", f"/acr/v1/{APP}/_tags", READ).json()["tags"]
    return [tag["name"] for tag in tags], sorted(set(tags[0]) - {"quarantineState"})


@check((True, f'</acr/v1/{APP.replace("/", "%2F")}/_tags?last=new&n=1&orderby=>; rel="next"'))
def slash_of_a_repository(azure: Azure) -> Any:
    """A repository's slash can be sent as it is or encoded, and comes back in Links as it was sent."""
    encoded = APP.replace("/", "%2F")
    plain, quoted = (azure.registry("GET", f"/acr/v1/{name}/_tags?n=1", READ) for name in (APP, encoded))
    return plain.json() == quoted.json(), quoted.headers["Link"]


@check(["old", "new"])
def newest_tags_first(azure: Azure) -> Any:
    """orderby=timedesc sorts tags by their last update, newest first."""
    answer = azure.registry("GET", f"/acr/v1/{APP}/_tags?orderby=timedesc", READ)
    return [tag["name"] for tag in answer.json()["tags"]]


@check((True, False, [["new"], ["old"]]))
def list_of_manifests(azure: Azure) -> Any:
    """A list of manifests is sorted by digest, an index in it has no architecture, and what has no tag no key for tags."""
    found = azure.registry("GET", f"/acr/v1/{APP}/_manifests", READ).json()["manifests"]
    digests = [one["digest"] for one in found]
    indexes = [one for one in found if "index" in one["mediaType"] or "list" in one["mediaType"]]
    return digests == sorted(digests), any("architecture" in one for one in indexes), sorted(one["tags"] for one in found if "tags" in one)


@check(["architecture", "digest", "os"])
def properties_of_an_index(azure: Azure) -> Any:
    """Asked for by itself, an index names its children, with digest and platform."""
    shown = azure.registry("GET", f"/acr/v1/{APP}/_manifests/{digest(azure, APP, 'new')}", READ).json()
    return sorted(set(shown["manifest"]["references"][0]) & {"architecture", "digest", "os"})


@check((2, {"deleteEnabled", "listEnabled", "readEnabled", "writeEnabled"}))
def properties_of_a_repository(azure: Azure) -> Any:
    """A repository says how many tags it has, and its locks."""
    shown = azure.registry("GET", f"/acr/v1/{APP}", READ).json()
    return shown["tagCount"], {name for name in shown["changeableAttributes"] if name.endswith("Enabled")} - {"teleportEnabled"}


@check((True, True, True))
def manifest(azure: Azure) -> Any:
    """A manifest comes byte for byte, with its digest, quoted as the ETag; HEAD says the same as GET."""
    got, head = (azure.registry(method, f"/v2/{APP}/manifests/new", READ) for method in ("GET", "HEAD"))
    said = got.headers["Docker-Content-Digest"]
    whole = "sha256:" + hashlib.sha256(got.content).hexdigest()
    return said == whole, got.headers["ETag"] == f'"{said}"', head.headers["Docker-Content-Digest"] == said


@check((200, [], "artifactType"))
def referrers(azure: Azure) -> Any:
    """Referrers can be read with pull alone; none is an empty list, and a filter that was applied is named."""
    place = f"/v2/{APP}/referrers/{digest(azure, APP, 'new')}"
    answer = azure.registry("GET", place, on(APP, "pull"), params={"artifactType": "application/vnd.example.none"})
    return answer.status_code, answer.json()["manifests"], answer.headers.get("OCI-Filters-Applied")


# ---- what isn't there ---------------------------------------------------------------------------------------------------


@check((404, "TAG_UNKNOWN", "the specified tag does not exist"))
def missing_tag(azure: Azure) -> Any:
    """A tag that isn't there is answered TAG_UNKNOWN."""
    return error(azure.registry("GET", f"/acr/v1/{APP}/_tags/nosuch", READ))


@check((404, "NAME_UNKNOWN", f'repository "{GONE}" is not found'))
def missing_repository(azure: Azure) -> Any:
    """The tags of a repository that isn't there are answered NAME_UNKNOWN."""
    return error(azure.registry("GET", f"/acr/v1/{GONE}/_tags", on(GONE, "metadata_read")))


@check([(404, "MANIFEST_UNKNOWN", f"manifest {name} is not found") for name in ('tagged by "nosuch"', NOWHERE)])
def missing_manifest(azure: Azure) -> Any:
    """A manifest that isn't there is answered MANIFEST_UNKNOWN, by tag and by digest in other words."""
    return [error(azure.registry("GET", f"/v2/{APP}/manifests/{name}", READ)) for name in ("nosuch", NOWHERE)]


@check((404, "MANIFEST_UNKNOWN"), unknown=True)
def manifest_of_a_missing_repository(azure: Azure) -> Any:
    """How is a manifest answered whose repository isn't there?"""
    return error(azure.registry("GET", f"/v2/{GONE}/manifests/new", on(GONE, "pull")))[:2]


@check((404, "404 page not found\n"))
def not_a_digest(azure: Azure) -> Any:
    """Where a digest has to stand and doesn't, the answer is 404 in plain text."""
    answer = azure.registry("GET", f"/acr/v1/{APP}/_manifests/new", READ)
    return answer.status_code, answer.text


# ---- imports ------------------------------------------------------------------------------------------------------------


@check((202, "", "10", False, {"Accepted"}, {"Pending"}, (200, {"status": "Succeeded"}, False), True))
def course_of_an_import(azure: Azure) -> Any:
    """An import is accepted with 202, no body, a Location and 10 s to wait; polls say Accepted, and Pending of targets, until 200
    says Succeeded without a Location; then the tag has the source's digest."""
    started = azure.start(FROM, "contract/course:one", "contract/course:two")
    *running, last = azure.polls(started)
    said = [one.json() for one in running]
    found = {one.pop("status") for one in said} or {"Accepted"}
    states = {state for one in said for state in one.values()} or {"Pending"}
    wanted = azure.send("HEAD", f"https://{HOST}/v2/{SOURCE}/manifests/{NEW}", headers={"Accept": TYPES})
    same = digest(azure, "contract/course", "two") == wanted.headers["Docker-Content-Digest"]
    accepted = started.status_code, started.text, started.headers.get("Retry-After"), "Azure-AsyncOperation" in started.headers
    return *accepted, found, states, (last.status_code, last.json(), "Location" in last.headers), same


@check(False, unknown=True)
def tag_before_success(azure: Azure) -> Any:
    """Can a tag be there before a poll says that its import has succeeded?"""
    started = azure.start(FROM, "contract/early:one")
    place, early = started.headers["Location"], False

    def done() -> bool:
        nonlocal place, early
        there = azure.registry("HEAD", "/v2/contract/early/manifests/one", on("contract/early")).status_code == 200
        answer = azure.arm("GET", place)
        place = answer.headers.get("Location", place)
        early = early or there and answer.status_code == 202
        return answer.status_code != 202

    azure.until(done)
    return early


@check(True)
def children_of_an_import(azure: Azure) -> Any:
    """Once an import of an index has succeeded, all its children are there."""
    index = azure.registry("GET", f"/v2/{APP}/manifests/new", READ).json()
    heads = [azure.registry("HEAD", f"/v2/{APP}/manifests/{child['digest']}", READ) for child in index["manifests"]]
    return len(heads) > 0 and all(head.status_code == 200 for head in heads)


@check((200, 200))
def import_by_digest_without_a_tag(azure: Azure) -> Any:
    """An import can name its source by digest, and its target by repository alone."""
    place, held = "contract/untagged", digest(azure, APP, "old")
    ended = azure.imported({**FROM, "sourceImage": f"{SOURCE}@{held}"}, untaggedTargetRepositories=[place])
    return ended.status_code, azure.registry("HEAD", f"/v2/{place}/manifests/{held}", on(place)).status_code


@check("Conflict: Tag contract/app:new already exists in target registry.")
def import_where_a_tag_is(azure: Azure) -> Any:
    """Without mode Force, an import into a tag that is there fails with the code Conflict, at a poll."""
    _status, code, text = error(azure.imported(FROM_OLD, f"{APP}:new", mode="NoForce"))
    return f"{code}: {azure.masked(text).removeprefix(WHERE)}"


@check(409, unknown=True)
def status_of_a_conflict(azure: Azure) -> Any:
    """With which status does that poll answer?"""
    return azure.imported(FROM_OLD, f"{APP}:new", mode="NoForce").status_code


@check((True, True, True))
def forced_import(azure: Azure) -> Any:
    """With mode Force, an import moves the tag, which keeps its createdTime and gets a new lastUpdateTime."""
    place = "/acr/v1/contract/course/_tags/one"
    before = azure.registry("GET", place, on("contract/course")).json()["tag"]
    azure.imported(FROM_OLD, "contract/course:one", mode="Force")
    after = azure.registry("GET", place, on("contract/course")).json()["tag"]
    return tuple((before[key] == after[key]) == same for key, same in (("digest", False), ("createdTime", True), ("lastUpdateTime", False)))


@check((True, True, True))
def forced_import_of_the_same(azure: Azure) -> Any:
    """With mode Force, an import of what the tag names already gives it a new lastUpdateTime, too."""
    place = "/acr/v1/contract/course/_tags/one"
    before = azure.registry("GET", place, on("contract/course")).json()["tag"]
    azure.imported(FROM_OLD, "contract/course:one", mode="Force")
    after = azure.registry("GET", place, on("contract/course")).json()["tag"]
    return tuple((before[key] == after[key]) == same for key, same in (("digest", True), ("createdTime", True), ("lastUpdateTime", False)))


@check((400, "InvalidParameters", f"{WHERE}Unable to find manifest digest  Repo: {HOST}/{SOURCE} Tag: nosuch Manifest: "))
def import_of_what_isnt_there(azure: Azure) -> Any:
    """An import whose source isn't there fails at a poll, with status 400 and the code InvalidParameters."""
    return error(azure.imported({**FROM, "sourceImage": f"{SOURCE}:nosuch"}, f"{APP}:nosuch"))


@check((400, "InvalidImportImageParameter", "Failed"))
def import_with_a_url(azure: Azure) -> Any:
    """registryUri with a scheme is refused at once, with the code InvalidImportImageParameter and status Failed beside it."""
    answer = azure.start({**FROM, "registryUri": f"https://{HOST}/"}, f"{APP}:url")
    return *error(answer)[:2], answer.json().get("status")


@check((403, "LinkedAuthorizationFailed"), unknown=True)
def import_from_a_registry_out_of_sight(azure: Azure) -> Any:
    """How is a source refused that is named by resource ID, in a subscription that isn't there?"""
    source = f"/subscriptions/{NULL}/resourceGroups/none/providers/Microsoft.ContainerRegistry/registries/nosuchregistry"
    return error(azure.start({"resourceId": source, "sourceImage": "app:1"}, f"{APP}:linked"))[:2]


# ---- locks --------------------------------------------------------------------------------------------------------------


@check((False, True, True))
def change_of_a_lock(azure: Azure) -> Any:
    """A change of one attribute is answered with the whole tag; the others stay, and so does lastUpdateTime."""
    before = azure.registry("GET", f"/acr/v1/{LOCKED}/_tags/new", on(LOCKED)).json()["tag"]
    after = lock(azure, f"{LOCKED}/_tags/new", writeEnabled=False)["tag"]
    attributes = after["changeableAttributes"]
    return attributes["writeEnabled"], attributes["deleteEnabled"], before["lastUpdateTime"] == after["lastUpdateTime"]


@check([(405, "REGISTRY_DISALLOWED_OPERATION")] * 2)
def push_and_removal_of_a_locked_tag(azure: Azure) -> Any:
    """A tag whose writeEnabled is false can be neither pushed nor deleted: 405."""
    pushed = push(azure, LOCKED, "old", "new")
    return [error(one)[:2] for one in (pushed, azure.registry("DELETE", f"/acr/v1/{LOCKED}/_tags/new", on(LOCKED)))]


@check((200, True, False))
def forced_import_into_a_locked_tag(azure: Azure) -> Any:
    """With mode Force, an import moves even a tag whose writeEnabled is false; the tag stays locked."""
    ended = azure.imported(FROM_OLD, f"{LOCKED}:new", mode="Force")
    tag = azure.registry("GET", f"/acr/v1/{LOCKED}/_tags/new", on(LOCKED)).json()["tag"]
    return ended.status_code, tag["digest"] == digest(azure, APP, "old"), tag["changeableAttributes"]["writeEnabled"]


@check((200, 400), unknown=True)
def imports_into_a_locked_repository(azure: Azure) -> Any:
    """How do imports end into a repository whose writeEnabled is false: with mode Force, and without into a new tag?"""
    lock(azure, LOCKED, writeEnabled=False)
    modes = (("Force", "old"), ("NoForce", "more"))
    ended = tuple(azure.imported(FROM, f"{LOCKED}:{tag}", mode=mode).status_code for mode, tag in modes)
    lock(azure, LOCKED, writeEnabled=True)
    return ended


@check(200, unknown=True)
def forced_import_of_a_locked_manifest(azure: Azure) -> Any:
    """How does an import with mode Force end if the repository has the manifest, whose writeEnabled is false?"""
    place = f"{LOCKED}/_manifests/{digest(azure, LOCKED, 'new')}"
    lock(azure, place, writeEnabled=False)
    ended = azure.imported(FROM_OLD, f"{LOCKED}:again", mode="Force")
    lock(azure, place, writeEnabled=True)
    return ended.status_code


@check((["again", "more"], 200))
def hidden_tags(azure: Azure) -> Any:
    """A tag whose listEnabled and readEnabled are false is missing from lists, and there if asked for by itself."""
    place = f"/acr/v1/{LOCKED}/_tags"
    for name in ("again", "more"):
        push(azure, LOCKED, "old", name)
    for name in ("new", "old"):
        lock(azure, f"{LOCKED}/_tags/{name}", listEnabled=False, readEnabled=False)
    listed = [tag["name"] for tag in azure.registry("GET", place, on(LOCKED)).json()["tags"]]
    return listed, azure.registry("GET", f"{place}/old", on(LOCKED)).status_code


@check(405, unknown=True)
def pull_of_an_unreadable_tag(azure: Azure) -> Any:
    """How is a pull of that tag answered?"""
    return azure.registry("GET", f"/v2/{LOCKED}/manifests/old", on(LOCKED)).status_code


@check((202, 404, 200))
def removal_of_a_tag(azure: Azure) -> Any:
    """A deleted tag is gone, and its manifest stays."""
    place, course = "/acr/v1/contract/course/_tags/two", "contract/course"
    held = digest(azure, course, "two")
    removed = azure.registry("DELETE", place, on(course))
    again = azure.registry("GET", place, on(course))
    return removed.status_code, again.status_code, azure.registry("HEAD", f"/v2/{course}/manifests/{held}", on(course)).status_code


# ---- Azure Resource Manager ---------------------------------------------------------------------------------------------


@check((404, "ResourceNotFound"))
def missing_registry(azure: Azure) -> Any:
    """A registry that isn't there is answered 404 ResourceNotFound, with the header x-ms-failure-cause: gateway."""
    answer = azure.arm("GET", azure.id + "x")
    assert answer.headers["x-ms-failure-cause"] == "gateway", "x-ms-failure-cause isn't gateway"
    return error(answer)[:2]


@check((404, "ResourceGroupNotFound", "Resource group 'nosuchgroupofregistries' could not be found."))
def missing_resource_group(azure: Azure) -> Any:
    """A resource group that isn't there is answered 404 ResourceGroupNotFound."""
    return error(azure.arm("GET", azure.group.rpartition("/")[0] + "/nosuchgroupofregistries" + azure.id[len(azure.group) :]))


@check((400, True))
def api_version_out_of_service(azure: Azure) -> Any:
    """An API version that isn't served is refused with 400 and the names of those that are."""
    answer = azure.arm("GET", azure.id, version="2016-01-01")
    return answer.status_code, VERSION in answer.text


@check([401, 401])
def resource_manager_without_a_token(azure: Azure) -> Any:
    """Without a token, or with a bad one, Azure Resource Manager answers 401 with a Bearer challenge."""
    url = f"{azure.identity.cloud.resource_manager}{azure.id}?api-version={VERSION}"
    answers = [azure.send("GET", url, headers=headers) for headers in ({}, {"Authorization": "Bearer no.such.token"})]
    return [answer.status_code for answer in answers if answer.headers["WWW-Authenticate"].startswith("Bearer ")]


@check(True)
def own_permissions(azure: Azure) -> Any:
    """An account can ask what it may do with a registry: actions and data actions, with their exceptions."""
    found = azure.arm("GET", f"{azure.id}/providers/Microsoft.Authorization/permissions", "2022-04-01").json()["value"]
    return len(found) > 0 and all({"actions", "notActions"} <= set(one) for one in found)


@check(["networkRuleBypassOptions", "networkRuleSet", "policies", "publicNetworkAccess", "roleAssignmentMode"])
def properties_of_a_registry(azure: Azure) -> Any:
    """The newest stable API version shows a registry's network rules, its policies and how roles are assigned."""
    wanted = {"networkRuleBypassOptions", "networkRuleSet", "policies", "publicNetworkAccess", "roleAssignmentMode"}
    return sorted(wanted & set(azure.settled()["properties"]))


@check([True, True])
def budget_of_requests(azure: Azure) -> Any:
    """Each answer to a read says how many reads the account and the subscription have left."""
    headers = azure.arm("GET", azure.id).headers
    return [f"x-ms-ratelimit-remaining-subscription-{kind}" in headers for kind in ("reads", "global-reads")]


@check((200, "None", "Succeeded"))
def change_of_the_bypass(azure: Azure) -> Any:
    """A change of networkRuleBypassOptions alone is answered 200 at once, with the whole registry."""
    answer = azure.change(networkRuleBypassOptions="None")
    properties = answer.json()["properties"]
    return answer.status_code, properties["networkRuleBypassOptions"], properties["provisioningState"]


# ---- last, since they change who is let in ------------------------------------------------------------------------------


@check((200, 401, True))
def anonymous_pull(azure: Azure) -> Any:
    """With anonymous pull, anybody gets a token for anything, and what it doesn't allow is refused as insufficient_scope."""
    azure.change(anonymousPullEnabled=True)
    form = {"grant_type": "password", "service": azure.host, "scope": on(APP, "metadata_write"), "refresh_token": ""}
    given = azure.until(lambda: (answer := azure.registry("POST", "/oauth2/token", data=form)).status_code == 200 and answer)
    bearer = {"Authorization": "Bearer " + given.json()["access_token"]}
    answer = azure.registry("PATCH", f"/acr/v1/{APP}/_tags/new", headers=bearer, json={"writeEnabled": False})
    return given.status_code, answer.status_code, 'error="insufficient_scope"' in answer.headers["WWW-Authenticate"]


@check((403, "DENIED", "client with IP '192.0.2.1' is not allowed access. Refer https://aka.ms/acr/firewall to grant access. "
        "CorrelationId: GUID"))
def firewall(azure: Azure) -> Any:
    """Whom the registry's firewall keeps out gets 403 even from /v2/, without a challenge, with the address and a correlation ID."""
    azure.change(publicNetworkAccess="Disabled")
    answer = azure.until(lambda: (found := azure.registry("GET", "/v2/")).status_code == 403 and found)
    assert "WWW-Authenticate" not in answer.headers, "there is a challenge"
    return error(answer)


def plain(azure: Azure, seen: Any) -> Any:
    """*seen* without what is private, and as JSON has it, in which sets are sorted lists."""
    return json.loads(azure.masked(json.dumps(seen, default=sorted)))
