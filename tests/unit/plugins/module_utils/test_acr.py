# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An Azure registry over real HTTPS: what it is sent to sign in, how its lists are read, and which way is the cheaper."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ansible_collections.registryops.acr.plugins.module_utils._acr import AzureRegistry, Counts, Tag
from ansible_collections.registryops.acr.plugins.module_utils._credentials import Credentials
from ansible_collections.registryops.acr.plugins.module_utils._errors import AcrError
from ansible_collections.registryops.acr.plugins.module_utils._http import Http
from ansible_collections.registryops.acr.plugins.module_utils._untrusted import Answer

A, B = ("sha256:" + letter * 64 for letter in "ab")
EXCHANGE, TOKEN = "/oauth2/exchange", "/oauth2/token"
SCOPE = ("scope", "repository:team/app:metadata_read,pull")
COUNTS = {"imageName": "team/app", "tagCount": 7, "manifestCount": 5}


def jwt(**payload: Any) -> str:
    return "e30.{0}.x".format(base64.urlsafe_b64encode(json.dumps(payload).encode()).decode().rstrip("="))


class Azure:
    """The registry: tokens for whoever asks, and *content* by path for those that have one."""

    def __init__(self, far_side: Any) -> None:
        self.far_side = far_side
        self.content: dict[str, Any] = {"/acr/v1/team/app": COUNTS}
        self.exchange = 200
        self.tokens = [200]  # what the token service answers, the last for ever
        self.lock = threading.Lock()
        self.tell = ""  # the registry's own reason for a 401
        far_side.answer = self.answer

    def answer(self, request: Any) -> None:
        path = request.path.partition("?")[0]
        if path == EXCHANGE:
            number = len(self.far_side.forms(EXCHANGE))
            request.reply(self.exchange, json.dumps({"refresh_token": "refresh{0}".format(number)}))
        elif path == TOKEN:
            with self.lock:
                status = self.tokens.pop(0) if len(self.tokens) > 1 else self.tokens[0]
            request.reply(status, json.dumps({"access_token": "token"} if status == 200 else {"errors": []}))
        elif request.headers.get("Authorization") != "Bearer token":
            request.reply(401, headers={"WWW-Authenticate": 'Bearer realm="https://elsewhere.test/token"'})
        else:
            self.pages(request, path)

    def pages(self, request: Any, path: str) -> None:
        found = self.content.get(path)
        if callable(found):
            found(request)
        elif found is None:
            request.reply(404, '{"errors": [{"code": "NAME_UNKNOWN", "message": "repository name not known to registry"}]}')
        else:
            request.reply(200, json.dumps(found))

    @property
    def reads(self) -> list[str]:
        return [path for path in self.far_side.paths if not path.startswith("/oauth2")]


@pytest.fixture
def azure(far_side: Any) -> Azure:
    return Azure(far_side)


@pytest.fixture
def registry(http: Http, far_side: Any) -> AzureRegistry:
    """Signed in."""
    return AzureRegistry(far_side.host, http, entra=lambda: "entra", tenant="tenant")


def error_of(read: Callable[[], Any]) -> AcrError:
    with pytest.raises(AcrError) as caught:
        read()
    return caught.value


# -- signing in --------------------------------------------------------------------------------------------------------


def test_entra_is_exchanged_once_for_all_repositories(registry: AzureRegistry, azure: Azure, far_side: Any) -> None:
    azure.content["/acr/v1/other"] = COUNTS
    assert registry.counts("team/app") == registry.counts("team/app") == registry.counts("other") == Counts(7, 5)
    service = ("service", far_side.host)
    assert far_side.forms(EXCHANGE) == [
        [("grant_type", "access_token"), service, ("access_token", "entra"), ("tenant", "tenant")]
    ]
    grant = [("grant_type", "refresh_token"), ("refresh_token", "refresh1")]
    other = ("scope", "repository:other:metadata_read,pull")
    assert far_side.forms(TOKEN) == [[service, SCOPE, *grant], [service, other, *grant]]


def test_no_challenge_leads_to_another_token_service(registry: AzureRegistry, azure: Azure, far_side: Any) -> None:
    azure.content["/acr/v1/team/app"] = lambda request: request.reply(
        401, headers={"WWW-Authenticate": 'Bearer realm="https://elsewhere.test/token"'}
    )
    assert error_of(lambda: registry.counts("team/app")).reason == "unauthorized"
    assert len(far_side.forms(TOKEN)) == 1
    azure.content["/acr/v1/other"] = COUNTS
    assert registry.counts("other") == Counts(7, 5) and len(far_side.forms(TOKEN)) == 2


REFRESH = jwt(grant_type="refresh_token")


@pytest.mark.parametrize(
    ("credentials", "grant", "exchanged"),
    [
        (None, [("grant_type", "password"), ("refresh_token", "")], False),
        (Credentials("u", "p"), [("grant_type", "password"), ("username", "u"), ("password", "p")], False),
        (Credentials(None, REFRESH), [("grant_type", "refresh_token"), ("refresh_token", REFRESH)], False),
        (Credentials(None, "access"), [("grant_type", "refresh_token"), ("refresh_token", "refresh1")], True),
    ],
    ids=["anonymous", "password", "refresh token", "access token"],
)
def test_other_ways_in(
    http: Http, azure: Azure, far_side: Any, credentials: Any, grant: list[tuple[str, str]], exchanged: bool
) -> None:
    registry = AzureRegistry(far_side.host, http, tenant="tenant", credentials=credentials)
    registry.counts("team/app")
    assert far_side.forms(TOKEN) == [[("service", far_side.host), SCOPE, *grant]]
    # The tenant is that of whoever signs in, and need not be the token's.
    expected = [("grant_type", "access_token"), ("service", far_side.host), ("access_token", "access")]
    assert far_side.forms(EXCHANGE) == ([expected] if exchanged else [])
    assert not registry.signs_in


def test_credentials_count_before_the_account(http: Http, azure: Azure, far_side: Any) -> None:
    registry = AzureRegistry(far_side.host, http, entra=lambda: "entra", credentials=Credentials("u", "p"))
    registry.counts("team/app")
    assert far_side.forms(EXCHANGE) == [] and not registry.signs_in


def test_threads_share_the_exchange(registry: AzureRegistry, azure: Azure, far_side: Any) -> None:
    names = ["r{0}".format(number) for number in range(8)]
    azure.content.update({"/acr/v1/" + name: COUNTS for name in names})
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(registry.counts, names)) == [Counts(7, 5)] * 8
    assert len(far_side.forms(EXCHANGE)) == 1


def test_a_refresh_token_that_ended_is_replaced_once(registry: AzureRegistry, azure: Azure, far_side: Any) -> None:
    azure.tokens = [401, 200]
    assert registry.counts("team/app") == Counts(7, 5)
    assert [dict(form)["refresh_token"] for form in far_side.forms(TOKEN)] == ["refresh1", "refresh2"]
    azure.tokens = [401]
    error = error_of(lambda: registry.counts("other"))
    assert error.reason == "unauthorized" and "AcrPull" in str(error)
    assert len(far_side.forms(EXCHANGE)) == 3, "the first one was taken before, and one more is enough"


@pytest.mark.parametrize(
    ("life", "exchanges"), [(3 * 3600, 1), (60, 2)]
)
def test_a_refresh_token_is_used_as_long_as_it_lives(http: Http, far_side: Any, life: int, exchanges: int) -> None:
    token = jwt(iat=100, exp=100 + life)
    answers = {EXCHANGE: {"refresh_token": token}, TOKEN: {"access_token": "token", "expires_in": 60}}
    far_side.routes({**answers, "/acr/v1/team/app": COUNTS})
    registry = AzureRegistry(far_side.host, http, entra=lambda: "entra")
    for _n in range(2):
        registry.counts("team/app")
        http.sleep(59.0)
    assert (len(far_side.forms(EXCHANGE)), len(far_side.forms(TOKEN))) == (exchanges, 2)


CORRELATION = "CorrelationId: 01234567-89ab-cdef-0123-456789abcdef"
REQUIRED = "authentication required, visit https://aka.ms/acr/authorization for more information. " + CORRELATION
FIREWALL = "client with IP '20.1.2.3' is not allowed access. Refer https://aka.ms/acr/firewall to grant access. " + CORRELATION


def refusing(azure: Azure, status: int, code: str, message: str) -> None:
    """The exchange answers so."""
    body = json.dumps({"errors": [{"code": code, "message": message}]})
    plain = azure.answer
    azure.far_side.answer = lambda request: request.reply(status, body) if request.path == EXCHANGE else plain(request)


def test_b10_a_sign_in_that_the_registry_does_not_accept(http: Http, registry: AzureRegistry, azure: Azure, far_side: Any) -> None:
    """What is most often the cause comes first, and what Azure says last."""
    refusing(azure, 401, "UNAUTHORIZED", REQUIRED)
    error = error_of(lambda: registry.counts("team/app"))
    assert not far_side.forms(TOKEN), "a target is never read anonymously"
    causes = [str(error).index(cause) for cause in ("has no role on this registry", "belongs to another tenant", "registry_audience")]
    assert error.reason == "unauthorized" and causes == sorted(causes)
    assert str(error).endswith(" The registry says: {0}.".format(REQUIRED))
    given = AzureRegistry(far_side.host, http, credentials=Credentials(None, "access"))
    assert "refuses the given credentials. The registry says: " + REQUIRED in str(error_of(lambda: given.counts("team/app")))


@pytest.fixture
def public(http: Http, far_side: Any) -> AzureRegistry:
    """A source that the account signs in to, or that is read by anybody."""
    return AzureRegistry(far_side.host, http, entra=lambda: "entra", tenant="tenant", public=True)


def test_a_source_that_does_not_know_the_account_is_read_anonymously(public: AzureRegistry, azure: Azure, far_side: Any) -> None:
    refusing(azure, 401, "UNAUTHORIZED", REQUIRED)
    azure.content["/acr/v1/team/web"] = COUNTS
    for repository in ("team/app", "team/web"):
        assert public.counts(repository) == Counts(7, 5)
    assert len(far_side.forms(EXCHANGE)) == 1, "it is remembered"
    forms = far_side.forms(TOKEN)
    assert [dict(form)["grant_type"] for form in forms] == ["password"] * 2
    assert not any("entra" in value or name in ("username", "password") for form in forms for name, value in form)


@pytest.mark.parametrize("status", [400, 401, 403])
def test_a_source_that_nobody_may_read_names_the_missing_role_first(public: AzureRegistry, azure: Azure, status: int) -> None:
    refusing(azure, 401, "UNAUTHORIZED", REQUIRED)
    azure.tokens = [status]
    error = error_of(lambda: public.counts("team/app"))
    assert error.reason == "unauthorized" and "does not accept this sign-in. Most often the account has no role" in str(error)


def test_a_source_that_is_busy_is_not_called_unauthorized(public: AzureRegistry, azure: Azure) -> None:
    refusing(azure, 401, "UNAUTHORIZED", REQUIRED)
    azure.tokens = [503]
    assert error_of(lambda: public.counts("team/app")).reason == "unavailable"


def test_an_account_that_is_known_is_not_left_out(public: AzureRegistry, azure: Azure, far_side: Any) -> None:
    """Nor does a firewall make a registry public."""
    assert public.counts("team/app") == Counts(7, 5)
    assert [dict(form)["grant_type"] for form in far_side.forms(TOKEN)] == ["refresh_token"]


@pytest.mark.parametrize("given", [Credentials(None, "access"), Credentials("u", "p")])
def test_credentials_are_never_left_out(http: Http, azure: Azure, far_side: Any, given: Credentials) -> None:
    refusing(azure, 401, "UNAUTHORIZED", REQUIRED)
    azure.tokens = [401]
    registry = AzureRegistry(far_side.host, http, entra=lambda: "entra", credentials=given, public=True)
    assert error_of(lambda: registry.counts("team/app")).reason == "unauthorized"
    assert not [form for form in far_side.forms(TOKEN) if ("refresh_token", "") in form]


def test_b10_a_firewalls_refusal(registry: AzureRegistry, azure: Azure) -> None:
    """Also of the exchange alone, as just after a rule was added."""
    refusing(azure, 403, "DENIED", FIREWALL)
    error = error_of(lambda: registry.counts("team/app"))
    assert error.reason == "firewall" and "refuses this machine (20.1.2.3), so digests can't be read from here" in str(error)
    assert str(error).endswith(" or set verify: false. {0}.".format(CORRELATION))


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (403, "DENIED", "requested access to the resource is denied"),
        (403, "OTHER", FIREWALL),
        (403, "DENIED", "the scanner says: " + FIREWALL),
        (403, "DENIED", "not allowed access"),
        (400, "DENIED", FIREWALL),
    ],
)
def test_b10_what_is_no_firewalls_refusal(registry: AzureRegistry, azure: Azure, status: int, code: str, message: str) -> None:
    refusing(azure, status, code, message)
    error = error_of(lambda: registry.counts("team/app"))
    assert error.reason == ("denied" if status == 403 else "protocol") and message in str(error)


@pytest.mark.parametrize("path", [EXCHANGE, TOKEN])
def test_b1_a_sign_in_that_is_not_found_says_nothing_of_what_is_there(
    registry: AzureRegistry, azure: Azure, far_side: Any, path: str
) -> None:
    missing = '{"errors": [{"code": "NAME_UNKNOWN"}]}'
    far_side.answer = lambda request: request.reply(404, missing) if request.path == path else azure.answer(request)
    for look in (lambda: registry.tag("team/app", "1.0"), lambda: list(registry.tag_list("team/app"))):
        assert error_of(look).reason == "protocol"


# -- lists -------------------------------------------------------------------------------------------------------------


def test_what_does_not_exist(registry: AzureRegistry, azure: Azure) -> None:
    azure.content.clear()
    assert registry.counts("team/app") == Counts(0, 0)
    assert registry.tag("team/app", "1.0") is None
    assert registry.manifest_metadata("team/app", A) is None
    assert list(registry.tag_list("team/app")) == list(registry.manifest_list("team/app")) == []


def test_what_is_denied_is_not_absent(registry: AzureRegistry, azure: Azure) -> None:
    def deny(request: Any) -> None:
        request.reply(403, '{"errors": [{"code": "DENIED", "message": "no."}]}')

    azure.content = {"/acr/v1/team/app" + end: deny for end in ("", "/_tags", "/_tags/1.0", "/_manifests")}
    azure.content["/acr/v1/team/app/_manifests/" + A] = deny
    for look in (
        lambda: registry.counts("team/app"),
        lambda: registry.tag("team/app", "1.0"),
        lambda: registry.manifest_metadata("team/app", A),
        lambda: list(registry.tag_list("team/app")),
        lambda: list(registry.manifest_list("team/app")),
    ):
        assert error_of(look).reason == "denied"


@pytest.mark.parametrize(("attributes", "locked"), [({"writeEnabled": False}, True), ({"writeEnabled": True}, False), (None, False)])
def test_a_tag(registry: AzureRegistry, azure: Azure, attributes: Any, locked: bool) -> None:
    azure.content["/acr/v1/team/app/_tags/1.0"] = {
        "tag": {"name": "1.0", "digest": A, "lastUpdateTime": "2026-01-01T00:00:00.1Z", "changeableAttributes": attributes}
    }
    assert registry.tag("team/app", "1.0") == Tag("1.0", A, "2026-01-01T00:00:00.1Z", locked)


@pytest.mark.parametrize(("attributes", "immutable"), [
    ({"writeEnabled": False, "deleteEnabled": False}, True), ({"deleteEnabled": False}, False), ({"writeEnabled": False}, False),
])
def test_what_is_immutable(registry: AzureRegistry, azure: Azure, attributes: Any, immutable: bool) -> None:
    azure.content["/acr/v1/team/app/_tags/1.0"] = {"tag": {"name": "1.0", "digest": A, "changeableAttributes": attributes}}
    found = registry.tag("team/app", "1.0")
    assert found is not None and found.immutable is immutable


def test_a_lock(registry: AzureRegistry, azure: Azure) -> None:
    places = {"1.0": "/acr/v1/team/app/_tags/1.0", A: "/acr/v1/team/app/_manifests/" + A}
    for reference, place in places.items():
        azure.content[place] = {}
        registry.lock("team/app", reference)
        method, path, headers, body = azure.far_side.seen[-1]
        assert (method, path, headers["Content-Type"]) == ("PATCH", place, "application/json")
        assert json.loads(body) == {"writeEnabled": False, "deleteEnabled": False}
    assert ("scope", "repository:team/app:metadata_read,metadata_write") in azure.far_side.forms(TOKEN)[-1]
    assert len(azure.far_side.forms(TOKEN)) == 1
    assert error_of(lambda: registry.lock("team/app", "2.0")).reason == "not_found"


def test_tokens_to_lock_in_many_repositories_are_one(registry: AzureRegistry, azure: Azure) -> None:
    azure.content.update({f"/acr/v1/{name}/_tags/1": {} for name in "ab"})
    registry.prepare_locking("ab")
    for name in "ab":
        registry.lock(name, "1")
    assert len(azure.far_side.forms(TOKEN)) == 1


def test_a_tag_with_a_digest_that_is_none(registry: AzureRegistry, azure: Azure) -> None:
    azure.content["/acr/v1/team/app/_tags"] = {"tags": [{"name": "1.0", "digest": "sha256:5"}]}
    azure.content["/acr/v1/team/app/_manifests"] = {"manifests": [{"digest": None}]}
    assert "lists tag '1.0' with the digest 'sha256:5'" in str(error_of(lambda: list(registry.tag_list("team/app"))))
    assert "lists a manifest with the digest None" in str(error_of(lambda: list(registry.manifest_list("team/app"))))


def listing(request: Any, count: int, key: str = "tags", first: int = 0) -> None:
    """A page of 1,000 entries of so many, as Azure continues it."""
    last = int(request.path.partition("last=t")[2].partition("&")[0] or first - 1)
    numbers = range(last + 1, min(count, last + 1001))
    entries = [{"name": "t{0}".format(number), "digest": "sha256:{0:064x}".format(number)} for number in numbers]
    following = '<{0}?last=t{1}&n=1000>; rel="next"'.format(request.path.partition("?")[0], numbers[-1]) if numbers else ""
    more = {"Link": following} if numbers and numbers[-1] < count - 1 else {}
    request.reply(200, json.dumps({key: entries}), more)


def test_the_newest_tags_are_one_page(registry: AzureRegistry, azure: Azure) -> None:
    azure.content["/acr/v1/team/app/_tags"] = lambda request: listing(request, 3000)
    assert len(list(registry.tag_list("team/app", newest=50))) == 1000  # what the registry sends is not cut
    assert len(list(registry.tag_list("team/app", newest=5000))) == 1000
    assert azure.reads == ["/acr/v1/team/app/_tags?n={0}&orderby=timedesc".format(count) for count in (50, 1000)]


def test_manifests_as_they_are_asked_for(registry: AzureRegistry, azure: Azure) -> None:
    azure.content["/acr/v1/team/app/_manifests"] = lambda request: listing(request, 1500, "manifests")
    assert len(list(registry.manifest_list("team/app"))) == 1500
    next(registry.manifest_list("team/app", orderby="timeasc", limit=5))
    next(registry.manifest_list("team/app", limit=5000))
    assert [path.partition("?")[2] for path in azure.reads] == ["n=1000", "n=1000&last=t999", "n=5&orderby=timeasc", "n=1000"]


def test_all_repositories(registry: AzureRegistry, azure: Azure, far_side: Any) -> None:
    azure.content["/acr/v1/_catalog"] = {"repositories": ["a", "b/c"]}
    assert registry.repositories() == ["a", "b/c"]
    assert ("scope", "registry:catalog:*") in far_side.forms(TOKEN)[0]
    azure.content["/acr/v1/_catalog"] = lambda request: request.reply(401, '{"errors": []}')
    assert "Catalog Lister" in str(error_of(registry.repositories))


def test_its_clock_is_its_own(registry: AzureRegistry, azure: Azure) -> None:
    """What counts is what it said last; another host's clock, to which it redirects, doesn't."""
    assert error_of(registry.now).reason == "protocol"

    def answer(request: Any) -> None:
        request.date_time_string = lambda: "Fri, 11 Jun 2021 10:00:00 GMT"
        request.reply(200, json.dumps(COUNTS))

    azure.content["/acr/v1/team/app"] = answer
    assert registry.counts("team/app") and registry.now() == 1623405600.0
    there = Answer(200, {"Date": "Fri, 11 Jun 2021 11:00:00 GMT"}, strayed="cdn.test")
    registry.http.request = lambda *_what, **_how: there
    assert registry.get("reads", "/", "").strayed and registry.now() == 1623405600.0
    there.strayed = ""
    assert not registry.get("reads", "/", "").strayed and registry.now() == 1623409200.0
