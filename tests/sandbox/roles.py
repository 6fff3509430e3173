# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Azure's built-in roles, and what they allow on a registry: in Resource Manager, and to its content."""
from __future__ import annotations

import fnmatch
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

REGISTRIES = "Microsoft.ContainerRegistry/registries/"
ABAC = "AbacRepositoryPermissions"
# What an access token can allow on a repository. Resource Manager has no part in it.
DATA_RIGHTS = frozenset({"pull", "push", "metadata_read", "metadata_write", "delete"})

# In either mode of a registry: what each operation allows there. "catalog" is the list of its repositories. A registry honours
# the actions of its own mode alone: those of the legacy mode are Resource Manager's, the others are data actions.
_LEGACY = {
    "pull/read": {"pull", "metadata_read", "catalog"},
    "push/write": {"push"},
    "metadata/read": {"metadata_read", "catalog"},
    "metadata/write": {"metadata_write"},
    "artifacts/delete": {"delete"},
}
_BY_REPOSITORY = {
    "repositories/content/read": {"pull"},
    "repositories/content/write": {"push"},
    "repositories/content/delete": {"delete"},
    "repositories/metadata/read": {"metadata_read"},
    "repositories/metadata/write": {"metadata_write"},
    "repositories/metadata/delete": {"delete"},
    "catalog/read": {"catalog"},
}


@dataclass(frozen=True)
class Role:
    """What a role allows. Operations in this provider's registries are named without its name; ``*`` stands for any text."""

    actions: tuple[str, ...] = ()
    not_actions: tuple[str, ...] = ()
    data_actions: tuple[str, ...] = ()

    def permission(self) -> dict[str, Any]:
        """As Resource Manager shows it to the one who has it."""
        return {
            "actions": [_full(action) for action in self.actions],
            "notActions": [_full(action) for action in self.not_actions],
            "dataActions": [_full(action) for action in self.data_actions],
            "notDataActions": [],
        }

    def may(self, action: str) -> bool:
        """Whether it allows an operation of Resource Manager."""
        return _any(action, self.actions) and not _any(action, self.not_actions)


_READING = ("repositories/content/read", "repositories/metadata/read")
_WRITING = (*_READING, "repositories/content/write", "repositories/metadata/write")
ROLES = {
    "Owner": Role(("*",)),
    "Contributor": Role(
        ("*",),
        (
            "Microsoft.Authorization/*/Delete",
            "Microsoft.Authorization/*/Write",
            "Microsoft.Authorization/elevateAccess/Action",
            "Microsoft.Blueprint/blueprintAssignments/write",
            "Microsoft.Blueprint/blueprintAssignments/delete",
        ),
    ),
    "Reader": Role(("*/read",)),
    "AcrPull": Role(("pull/read",)),
    "AcrPush": Role(("pull/read", "push/write")),
    "AcrDelete": Role(("artifacts/delete",)),
    # Its description promises to read content, but it has no data action.
    "Container Registry Data Importer and Data Reader": Role(("importImage/action", "pull/read", "read")),
    # Those of its actions that the sandbox has operations for.
    "Container Registry Contributor and Data Access Configuration Administrator": Role(
        ("Microsoft.Authorization/*/read", "listCredentials/action", "operationStatuses/read", "read", "write")
    ),
    "Container Registry Repository Reader": Role(data_actions=_READING),
    "Container Registry Repository Writer": Role(data_actions=_WRITING),
    "Container Registry Repository Contributor": Role(
        data_actions=(*_WRITING, "repositories/content/delete", "repositories/metadata/delete")
    ),
    "Container Registry Repository Catalog Lister": Role(data_actions=("catalog/read",)),
}
# Their GUIDs, the same in every tenant.
IDS = {
    "Owner": "8e3af657-a8ff-443c-a75c-2fe8c4bcb635",
    "Contributor": "b24988ac-6180-42a0-ab88-20f7382dd24c",
    "Reader": "acdd72a7-3385-48ef-bd42-f606fba81ae7",
    "AcrPull": "7f951dda-4ed3-4680-a7ca-43fe172d538d",
    "AcrPush": "8311e382-0749-4cb8-b61a-304f252e45ec",
    "AcrDelete": "c2f4ef07-c644-48eb-af81-4b1b4947fb11",
    "Container Registry Data Importer and Data Reader": "577a9874-89fd-4f24-9dbd-b5034d0ad23a",
    "Container Registry Contributor and Data Access Configuration Administrator": "3bc748fc-213d-45c1-8d91-9da5725539b9",
    "Container Registry Repository Reader": "b93aa761-3e63-49ed-ac28-beffa264f7ac",
    "Container Registry Repository Writer": "2a1e307c-b015-4ebd-883e-5b7698a07328",
    "Container Registry Repository Contributor": "2efddaa5-3f1f-4df3-97df-af3f13818f4c",
    "Container Registry Repository Catalog Lister": "bfdb9389-c9a5-478a-bb2f-ba9ca092c3c7",
}


def role(name: str) -> Role:
    """A built-in role, or a custom one that has just the operation named. ValueError for what is neither."""
    if name in ROLES:
        return ROLES[name]
    if name in _BY_REPOSITORY:
        return Role(data_actions=(name,))
    if "/" not in name and name not in ("read", "write"):
        raise ValueError(f"unknown role {name}")
    return Role((name,))


def allowed(roles: Iterable[Role], mode: str) -> set[str]:
    """What roles allow on a registry's content: DATA_RIGHTS, and ``catalog``. ``mode``: its roleAssignmentMode."""
    found: set[str] = set()
    for one in roles:
        if mode == ABAC:
            found.update(*(given for action, given in _BY_REPOSITORY.items() if _any(action, one.data_actions)))
        else:
            found.update(*(given for action, given in _LEGACY.items() if one.may(action)))
    return found


def _full(action: str) -> str:
    return action if action.startswith(("*", "Microsoft.")) else REGISTRIES + action


def _any(action: str, patterns: Iterable[str]) -> bool:
    full = _full(action).lower()
    return any(fnmatch.fnmatchcase(full, _full(pattern).lower()) for pattern in patterns)
