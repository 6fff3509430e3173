# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the sandbox says where nobody has recorded what Azure says.

These texts are made up, after the recorded ones. No page of ours may quote one as Azure's, and no client may depend on
one. Each goes from here to where it is used once it has been seen.
"""
from __future__ import annotations

NOT_RECORDED = {
    # The texts of failed imports; see arm.copying.FAILURES for what stands in the braces.
    "import": {
        "locked": "Invalid message MethodNotAllowed Method Not Allowed {disallowed}",
        "export_disabled": "Invalid message Forbidden Forbidden {denied}",
        "unreachable": "Invalid message No such host is known. ({source})",
        "too_many_manifests": "The manifest list has {count} manifests, more than the {limit} that an import can copy.",
        "cache_rule": "The repository of {image} is associated with the cache rule {rule}; import is disallowed.",
    },
    # Azure Resource Manager: other refusals, and those of arm.refusals.REFUSALS of which only the code is known.
    "arm": {
        "no_operation": "The operation '{number}' was not found.",
        "bad_signature": "The signature of the operation's URL does not hold.",
        "name_in_use": "The registry name {name} is already in use.",
        "no_network_rules": "Network rules are not supported for the SKU {sku} of registry {name}.",
        "ReadOnlyDisabledSubscription": "The subscription '{subscription}' is disabled and therefore marked as read only. "
        "You cannot perform any write actions on this subscription until it is re-enabled.",
        "MissingSubscriptionRegistration": "The subscription is not registered to use namespace "
        "'Microsoft.ContainerRegistry'. See https://aka.ms/rps-not-found for how to register subscriptions.",
        "RequestDisallowedByPolicy": "Resource '{name}' was disallowed by policy. Policy identifiers: '[]'.",
        "RequestDisallowedByAzure": "Resource '{name}' was disallowed by Azure: please try again in another region.",
    },
    "registry": {
        "bad_number": "invalid number of results requested",
        "bad_attributes": "invalid changeable attributes",
        "bad_grant": "The grant type or its parameters are not supported.",
        "unknown_operation": "The operation is unknown.",
        "unsupported": "The operation is unsupported.",
        "upstream_trouble": "unknown error",
    },
}
