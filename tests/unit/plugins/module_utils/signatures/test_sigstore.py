# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Roots of trust, and whom certificates name."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest
from cryptography import x509

from ansible_collections.registryops.acr.plugins.module_utils._errors import UserError
from ansible_collections.registryops.acr.plugins.module_utils._signatures import Signer, Unproven
from ansible_collections.registryops.acr.plugins.module_utils._signatures._sigstore import Accepted, instance
from tests.signing import IDENTITY, ISSUER, Sigstore, new_key

SIGNER = Signer(issuer=ISSUER, identity=IDENTITY)


def test_the_public_root_comes_with_the_library_and_nothing_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "socket", None)
    names = {one.subject.rfc4514_string() for one in instance("").authorities}
    assert "CN=sigstore-intermediate,O=sigstore.dev" in names
    assert instance("") is instance("")


@pytest.mark.parametrize("root", [[], {}, {**Sigstore().trust_root(), "tlogs": []}, {**Sigstore().trust_root(), "ctlogs": "x"}])
def test_a_root_of_trust_that_can_not_be_read(root: Any) -> None:
    with pytest.raises(UserError, match="^signed_by: trust_root isn't the content of a trusted_root.json"):
        instance(json.dumps(root))


def test_who_vouched_may_be_named_in_the_old_way_alone_but_the_new_one_counts() -> None:
    sigstore = Sigstore()
    oid = x509.ObjectIdentifier("1.3.6.1.4.1.57264.1.8")
    long = "https://" + "a" * 200 + ".test"
    for issuer in (ISSUER, long):
        certificate = sigstore.certify(new_key(), issuer=issuer)
        accepted = Accepted(SIGNER._replace(issuer=issuer))
        accepted.verify(certificate)
        assert accepted.identity == IDENTITY
    lying = sigstore.certify(new_key(), issuer="https://evil.test", old_issuer=ISSUER)
    assert lying.extensions.get_extension_for_oid(oid)
    with pytest.raises(Unproven, match="of https://evil.test"):
        Accepted(SIGNER).verify(lying)
    Accepted(SIGNER).verify(sigstore.certify(new_key(), issuer="", old_issuer=ISSUER))
