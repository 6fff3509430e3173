# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``python -m tests.contract``: check what the collection takes for granted about Azure, in a registry made for it."""
from __future__ import annotations

import json
import os
import secrets
import signal
import sys
from pathlib import Path
from typing import Any

import requests

from ansible_collections.registryops.acr.plugins.module_utils._errors import Problem
from ansible_collections.registryops.acr.plugins.module_utils._identity import Identity

from .azure import Azure
from .checks import CHECKS, Check, plain, prepare

NEEDS = """\
This creates a Premium registry in your subscription, imports two of Microsoft's public .NET images into it, checks what Azure does,
and deletes the registry. By estimate, it takes less than an hour; it costs what a Premium registry costs for that time, or for the
day if that is the least you are billed for.

It needs:
  AZURE_SUBSCRIPTION_ID   the subscription
  ACR_CONTRACT_GROUP      a resource group that exists, best an empty one
  ACR_CONTRACT_YES=1      your consent
and an account that may create, change and delete registries there (Contributor). It signs in as the modules do: with the
environment's credentials, or with the Azure CLI.
"""


def main() -> int:
    group, records = os.environ.get("ACR_CONTRACT_GROUP"), Path(os.environ.get("ACR_CONTRACT_RECORDS") or ".build/contract.jsonl")
    if os.environ.get("ACR_CONTRACT_YES") != "1" or not group or not os.environ.get("AZURE_SUBSCRIPTION_ID"):
        print(NEEDS + "\nNothing was done.")
        return 2
    azure = Azure(
        Identity({}, os.environ), group, f"acrcontract{secrets.token_hex(6)}", float(os.environ.get("ACR_CONTRACT_SECONDS") or 2)
    )
    azure.identity.token(azure.identity.cloud.arm_scope)  # whoever can't sign in has nothing to remove
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended"))  # not without removing the registry
    print(f"Creating registry {azure.name} in resource group {group} …", flush=True)
    try:
        azure.create()
        prepare(azure)
        outcomes = [outcome(one, azure) for one in CHECKS]
    finally:
        azure.check = "removal"
        gone = azure.remove()
        print(f"Registry {azure.name} {'is gone.' if gone else 'COULD NOT BE DELETED: delete it yourself.'}")
        records.parent.mkdir(parents=True, exist_ok=True)
        records.write_text("".join(json.dumps(exchange) + "\n" for exchange in azure.exchanges))
    counts = ", ".join(f"{outcomes.count(word)} {word}" for word in ("agree", "differ", "were unknown"))
    print(f"Of {len(CHECKS)} checks, {counts}. What was said is in {records}, without tokens, IDs and names.")
    return 1 if "differ" in outcomes or not gone else 0


def outcome(one: Check, azure: Azure) -> str:
    """How a check ended, which is printed."""
    azure.check = one.name
    expected = plain(azure, one.expected)
    try:
        seen: Any = plain(azure, one.look(azure))
    except Exception as wrong:  # whatever it is, Azure isn't as the check takes it to be
        seen = azure.masked(f"{type(wrong).__name__}: {wrong}")
    same = seen == expected
    word = "were unknown" if one.unknown else "agree" if same else "differ"
    print(f"{ {'agree': 'agrees', 'differ': 'DIFFERS'}.get(word, 'unknown')}  {one.name}", flush=True)
    if one.unknown or not same:
        print(f"         {one.fact}\n         Azure:   {json.dumps(seen)}\n         sandbox: {json.dumps(expected)}", flush=True)
    return word


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (Problem, RuntimeError, TimeoutError, requests.RequestException) as problem:
        sys.exit(str(problem))
