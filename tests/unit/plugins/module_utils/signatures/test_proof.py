# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signers and times in words."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from ansible_collections.registryops.acr.plugins.module_utils._signatures import Signer, Unproven
from ansible_collections.registryops.acr.plugins.module_utils._signatures._proof import shown
from tests.signing import key_id, new_key, public_pem


def test_each_kind_of_signer_is_named() -> None:
    key = new_key()
    assert str(Signer(key=public_pem(key))) == f"the key sha256:{key_id(key).hex()}"
    assert str(Signer(issuer="https://issuer.test", identity="me@team.test")) == "me@team.test (of https://issuer.test)"
    assert str(Signer(certificate="PEM", subject="CN=release")) == "CN=release"


@pytest.mark.parametrize(("pattern", "named"), [("docker.io/*", None), ("*", None), ("*", ""), ("team/app", "team/app2"), ("Team", "team")])
def test_a_signature_has_to_name_the_whole_repository(pattern: str, named: str | None) -> None:
    with pytest.raises(Unproven):
        Signer(key="PEM", repository=pattern).check_repository(named)


def test_a_repository_that_need_not_or_does_match() -> None:
    Signer(key="PEM").check_repository(None)
    Signer(key="PEM", repository="docker.io/*/app").check_repository("docker.io/team/app")


def test_times_are_shown_in_utc() -> None:
    assert shown(0) == "1970-01-01T00:00:00Z"
    assert shown(datetime(2026, 3, 1, 1, 30, tzinfo=timezone(timedelta(hours=2)))) == "2026-02-28T23:30:00Z"
