# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Azure Resource Manager: which registry a user means, and what can be done with it."""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional

from ._arm_client import ArmClient
from ._diagnosis import Context
from ._errors import AcrError
from ._http import Http
from ._identity import Identity
from ._operations import RETRY_AFTER, Operation, Operations
from ._reference import RegistryId
from ._resource import RegistryResource, posture

__all__ = ["RETRY_AFTER", "Arm", "Operation", "RegistryResource", "posture"]


class Arm:
    """Azure Resource Manager of one cloud, for one identity. Shared by threads."""

    def __init__(self, identity: Identity, http: Http) -> None:
        self._identity = identity
        self._client = ArmClient(identity, http)
        self._operations = Operations(self._client)

    def registry(self, registry_id: RegistryId, resource_group: Optional[str] = None) -> RegistryResource:
        """The registry that *registry_id* means, in *resource_group* if given. Unless the two say where it is, all subscriptions
        are searched, the account's own first.

        AcrError ``not_found`` if it is in none of the subscriptions that the account can see, ``invalid`` if there are several;
        otherwise as of `ArmClient`.
        """
        group = resource_group or ""
        subscription, own_group, name = registry_id.subscription, registry_id.resource_group, registry_id.name
        if subscription and own_group and name:
            if group.lower() not in ("", own_group.lower()):
                message = f"The resource ID of registry {name} names resource group {own_group}, not {group}; omit resource_group."
                raise AcrError("invalid", message)
            return self._client.registry(subscription, own_group, name)
        default = self._identity.subscription_id
        found: List[RegistryResource] = []
        failure: Optional[AcrError] = None
        searched = 0
        for subscription in self._candidates(default):
            try:
                for one in self._matches(subscription, registry_id, group):
                    if _unique(one, registry_id):
                        return one
                    found.append(one)
                searched += 1
            except AcrError as error:
                # What Azure answers for one subscription says nothing about the others; no answer at all does.
                if error.reason == "unauthorized" or error.status is None and error.reason != "protocol":
                    raise
                if error.reason != "denied":
                    failure = failure or error
            if found and subscription == default:
                break
        if len(found) == 1:
            return found[0]
        if found:
            ids = ", ".join(one.id for one in found)
            message = f"{len(found)} registries are named {name}: {ids}. Give the resource ID or login server of the one you mean."
            raise AcrError("invalid", message)
        raise failure or self._not_found(registry_id, group, searched)

    def _candidates(self, default: Optional[str]) -> Iterator[str]:
        if default:
            yield default
        for subscription in self.subscriptions():
            if subscription.lower() != (default or "").lower():
                yield subscription

    def _matches(self, subscription: str, registry_id: RegistryId, group: str) -> Iterable[RegistryResource]:
        """The registries of a subscription, or of a resource group in it, that *registry_id* can mean."""
        if not group or not registry_id.name:
            return (
                one
                for one in self.registries(subscription)
                if one.called(registry_id) and group.lower() in ("", one.resource_group.lower())
            )
        try:
            one = self._client.registry(subscription, group, registry_id.name)
        except AcrError as error:
            if error.cause != "not found":
                raise
            return []
        if not one.called(registry_id):
            message = (
                f"Registry {one.name} in resource group {group} has the login server {one.login_server}, not "
                f"{registry_id.login_server}."
            )
            raise AcrError("not_found", message, status=200)
        return [one]

    def _not_found(self, registry_id: RegistryId, group: str, searched: int) -> AcrError:
        where = {0: "any subscription", 1: "the subscription"}.get(searched, f"the {searched} subscriptions")
        if group:
            where = f"resource group {group} of {where}"
        message = (
            f"There is no registry {registry_id.login_server or registry_id.name} in {where} that this account can see. Check the "
            f"name, the sign-in ({self._identity.describe()}) and its roles (Reader on the registry; roles for its content "
            "alone, such as AcrPull and Container Registry Repository Reader, don't show it), or give the resource ID."
        )
        return AcrError("not_found", message)

    def registries(self, subscription: str) -> Iterator[RegistryResource]:
        """All registries of a subscription that the account can see."""
        return self._client.registries(subscription)

    def subscriptions(self) -> List[str]:
        """The IDs of all subscriptions that the account can see."""
        return self._client.subscriptions()

    def permissions(self, resource_id: str) -> Iterator[Dict[str, Any]]:
        """See `ArmClient.permissions`."""
        return self._client.permissions(resource_id)

    def update(self, resource: RegistryResource, properties: Dict[str, Any]) -> RegistryResource:
        """See `Operations.update`."""
        return self._operations.update(resource, properties)

    def prepare(self, resource: RegistryResource) -> None:
        """See `Operations.prepare`."""
        self._operations.prepare(resource)

    def start_import(
        self, resource: RegistryResource, body: Dict[str, Any], context: Context, check: Callable[[], None] = lambda: None
    ) -> Operation:
        """See `Operations.start_import`."""
        return self._operations.start_import(resource, body, context, check)

    def ask(self, operation: Operation) -> None:
        """See `Operations.ask`."""
        self._operations.ask(operation)


def _unique(resource: RegistryResource, registry_id: RegistryId) -> bool:
    """Whether no other registry can be meant: a login server belongs to one registry only, and so does a name without a domain
    name label, which would be part of the login server."""
    return bool(registry_id.login_server) or resource.login_server.partition(".")[0] == resource.name.lower()
