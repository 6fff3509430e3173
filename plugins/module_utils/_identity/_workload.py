# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A workload identity: a token from an external issuer, such as Kubernetes or a pipeline, given as text or as a file."""

from __future__ import annotations

from typing import Any, Dict

NAME = "a workload identity's token"
NEEDS = ("client_id", "tenant")


def credential(values: Dict[str, Any], common: Dict[str, Any]) -> Any:
    if values.get("oidc_token"):
        from azure.identity import ClientAssertionCredential

        token = values["oidc_token"]
        return ClientAssertionCredential(values["tenant"], values["client_id"], lambda: token, **common)
    from azure.identity import WorkloadIdentityCredential

    # The file is read again for each sign-in, because its token is replaced from time to time.
    return WorkloadIdentityCredential(
        tenant_id=values["tenant"],
        client_id=values["client_id"],
        token_file_path=values["oidc_token_file_path"],
        **common
    )
