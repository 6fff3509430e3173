# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Oddities of single registries. A new one is a field here, with a name, a type, a default and a sentence."""
from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass
class Flags:
    """Oddities that any registry can have. The defaults are those of most registries."""

    page_limit: int | None = None  # A list's page has at most this many entries, however many are asked for.
    refuse_n_above: int | None = None  # Pages longer than this are refused, not cut.
    referrers_page: int = 100  # A page of referrers has this many entries.
    referrers_filter: bool = True  # The list of referrers can be filtered by artifactType.


@dataclass
class RegistryFlags(Flags):
    """Oddities of an Azure registry. The defaults are what was recorded of Azure."""

    tags_late_seconds: float = 0.0  # For this many seconds after it was made, a tag is missing from lists.
    older_by_seconds: float = 0.0  # Tags and manifests say that they are this much older than they are.
    full_page_link: bool = False  # A last page that is exactly full has a Link to one more.
    null_catalog: bool = True  # A page of the catalog without entries is null; else it is [].
    cache_referrers_424: bool = True  # Referrers of a repository under a cache rule fail with status 424.
    # Further changeableAttributes of a "tag", "manifest" or "repository", as quarantineState and teleportEnabled.
    more_attributes: dict[str, dict[str, Any]] = field(default_factory=dict)
    correlation_ids: bool = True  # Refusals end with a correlation ID; until 2025 they had none.
    server: str = "AzureContainerRegistry"  # The Server header of all answers; until 2025 it was openresty.
    # One request header line has at most this many bytes, its end of line included: openresty's buffer.
    max_header_line: int = 8192
    exchange_for_arm_rights: bool = True  # An exchange succeeds for principals with rights in Resource Manager alone.
    # All scopes that are joined by a space are honoured, not the first alone; whether Azure does that is documented nowhere.
    space_scopes: bool = False
    audience: str | None = None  # The only audience that the registry accepts tokens for, as off Azure (Azure Local).
    # The write locks ("tag", "manifest", "repository") that refuse a forced import; it was seen to move a locked tag.
    locks_under_force: list[str] = field(default_factory=list)
    # The write locks that refuse any other import; nobody has recorded which do.
    locks_without_force: list[str] = field(default_factory=lambda: ["manifest", "repository"])


@dataclass
class UpstreamFlags(Flags):
    """Oddities of a registry that isn't Azure's."""

    hub: bool = False  # It behaves as Docker Hub: its bare name is a web page, and what isn't there looks private.
    no_digest_header: bool = False  # Manifests come without Docker-Content-Digest.
    head_refused: bool = False  # HEAD of a manifest is refused with status 405.
    throttled: bool = False  # Azure's imports are refused with status 429 (HAP429).
    # Clients can GET this many more manifests until they get 429; it counts down, and None is no limit.
    pulls_left: int | None = None
    import_pulls_left: int | None = None  # The same for Azure's imports.
    referrers_api: bool = False  # It has the referrers API; without it that is answered 404.
    token_key: str | None = None  # A token is given under this name alone: "token" or "access_token"; None is both.
    challenge_scope: str | None = None  # Every challenge names this scope, whatever the repository.
    hides_from_nobody: bool = False  # Without a sign-in no manifest or tag is found, and only /v2/ challenges.
