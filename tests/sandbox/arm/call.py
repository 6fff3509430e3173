# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One request to Resource Manager: who asks, for what, and how often they may."""
from __future__ import annotations

import json
import re
import time
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from ..knobs import Throttle
from ..model import AzureRegistry
from ..state import State
from ..tenants import Cloud, Principal, Subscription
from ..tokens import TokenError
from .refusals import Problem, by_gateway, refusal
from .views import us_time

Answer = tuple[int, Any, dict[str, str]]  # status, body, headers

# Buckets for the count-down headers while no limit is set.
_DEFAULTS = {
    "reads": {"capacity": 1100, "refill": 25},
    "writes": {"capacity": 800, "refill": 10},
    "deletes": {"capacity": 800, "refill": 10},
}


@dataclass
class Call:
    """A request, with what is known of it. What its path doesn't name isn't set."""

    state: State
    request: web.BaseRequest
    cloud: Cloud
    headers: dict[str, str]  # for the answer
    principal: Principal = field(init=False)
    subscription: Subscription = field(init=False)
    group: str = ""
    registry: AzureRegistry = field(init=False)
    number: str = ""  # of an operation

    @property
    def api_version(self) -> str:
        return self.request.query["api-version"]

    def visible(self) -> set[str]:
        """The subscriptions of which the principal sees anything."""
        return self.principal.subscriptions(self.state.registries.values())

    def forbidden(self, action: str, scope: str) -> Problem:
        return by_gateway(
            403,
            "AuthorizationFailed",
            f"The client {self.who} does not have authorization to perform action '{action}' over scope '{scope}' or the "
            "scope is invalid. If access was recently granted, please refresh your credentials.",
        )

    @property
    def who(self) -> str:
        """The principal as refusals name it."""
        return f"'{self.principal.username or self.principal.client_id}' with object id '{self.principal.object_id}'"

    def no_route(self) -> Problem:
        where = f"{self.request.method} {self.request.path}"
        return by_gateway(404, "InvalidResourceType", f"The resource type could not be found for '{where}'.")

    async def json(self) -> dict[str, Any]:
        """The request's body, which has to be an object."""
        try:
            body = json.loads(await self.request.text() or "null")
        except ValueError:
            body = None
        if not isinstance(body, dict):
            text = "The request content was invalid and could not be deserialized."
            raise by_gateway(400, "InvalidRequestContent", text)
        return body

    # ---- who asks, how often ------------------------------------------------------------------------------------

    def authenticate(self, subscription_id: str | None) -> None:
        """Find out who asks, and the subscription that they ask about (None: about none)."""
        scheme, _space, token = self.request.headers.get("Authorization", "").partition(" ")
        subscription = self.state.subscriptions.get(subscription_id or "")
        tenant = subscription.tenant if subscription else "common"
        login = f"https://{self.cloud.login_host}/{tenant}"
        challenge = {
            "WWW-Authenticate": f'Bearer authorization_uri="{login}", error="invalid_token", '
            'error_description="The access token is missing or invalid."',
            "x-ms-failure-cause": "gateway",
        }
        if not token or scheme.lower() != "bearer":
            text = "Authentication failed. The 'Authorization' header is missing or the access token is invalid."
            raise refusal(401, "AuthenticationFailed", text, challenge)
        try:
            claims = self.state.signer.check(token, self.cloud.arm_audiences)
        except TokenError as problem:
            raise self._bad_token(problem, challenge) from None
        principal = self.state.principal_by_object(claims.get("oid"))
        if principal is None:
            raise refusal(401, "InvalidAuthenticationToken", "The access token is invalid.", challenge)
        self.principal = principal
        self.request["principal"] = principal.name
        if subscription_id is None:
            return
        if subscription is None:
            text = f"The subscription '{subscription_id}' could not be found."
            raise by_gateway(404, "SubscriptionNotFound", text)
        if claims.get("tid") != subscription.tenant:
            raise refusal(
                401,
                "InvalidAuthenticationTokenTenant",
                f"The access token is from the wrong issuer 'https://sts.windows.net/{claims.get('tid')}/'. It must "
                f"match the tenant 'https://sts.windows.net/{subscription.tenant}/' associated with this "
                f"subscription. Please use the authority (URL) '{login}' to get the token. Note, if the subscription "
                "is transferred to another tenant there is no impact to the services, but information about new "
                "tenant could take time to propagate (up to an hour). If you just transferred your subscription and "
                "see this error message, please try back later.",
                challenge,
            )
        self.subscription = subscription

    def _bad_token(self, problem: TokenError, challenge: dict[str, str]) -> Problem:
        code, text = "InvalidAuthenticationToken", "The access token is invalid."
        if problem.reason == "expired":
            code = "ExpiredAuthenticationToken"
            text = (
                f"The access token expiry UTC time '{us_time(problem.claims.get('exp', 0))}' is earlier than current UTC time "
                f"'{us_time(time.time())}'."
            )
        elif problem.reason == "audience":
            code = "InvalidAuthenticationTokenAudience"
            allowed = ",".join(f"{a}/,{a}" for a in self.cloud.arm_audiences)
            text = (
                f"The access token has been obtained for wrong audience or resource '{problem.claims.get('aud')}'. It should "
                f"exactly match with one of the allowed audiences '{allowed}'."
            )
        return refusal(401, code, text, challenge)

    def limit(self) -> None:
        """Take one from the bucket, set the count-down headers; 429 when a limit is set and used up."""
        method = self.request.method
        kind = {"GET": "reads", "HEAD": "reads", "DELETE": "deletes"}.get(method, "writes")
        limit = getattr(self.state.knobs.limits, f"arm_{kind}")
        spec = limit or _DEFAULTS[kind]
        key = (kind, self.subscription.id, self.principal.client_id)
        throttle = self.state.arm_throttles.get(key)
        if throttle is None or throttle.spec != spec:
            throttle = self.state.arm_throttles[key] = Throttle(spec)
        wait = throttle.take()
        prefix = "x-ms-ratelimit-remaining-subscription"
        self.headers[f"{prefix}-{kind}"] = str(int(throttle.left))
        # The subscription's own bucket is fifteen times a principal's.
        self.headers[f"{prefix}-global-{kind}"] = str(int(throttle.capacity * 14 + throttle.left))
        if wait and limit:
            seconds = max(1, round(wait + 0.499))
            operation = re.sub(r"/[0-9a-f-]{36}", "", self.request.path, count=1).upper()
            raise by_gateway(
                429,
                "SubscriptionRequestsThrottled",
                f"Number of requests for subscription '{self.subscription.id}' and operation '{method}{operation}' "
                f"exceeded the backend storage limit. Please try again after '{seconds}' seconds.",
                {"Retry-After": str(seconds)},
            )
