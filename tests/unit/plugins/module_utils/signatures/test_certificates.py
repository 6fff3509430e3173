# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keys and chains of certificates."""

from __future__ import annotations

import pytest

from ansible_collections.registryops.acr.plugins.module_utils._signatures import Unproven
from ansible_collections.registryops.acr.plugins.module_utils._signatures._certificates import chain, distinguished, parts
from tests.signing import NOW, Notary

YEAR = 365 * 86400


def test_a_chain_leads_through_what_is_between_to_the_anchor_that_is_given() -> None:
    root = Notary("CN=root", authority=True)
    issuing = Notary("CN=issuing", by=root, authority=True)
    leaf = Notary(by=issuing).certificate
    between, anchors = [issuing.certificate], [Notary("CN=other", authority=True).certificate, root.certificate]
    assert chain(leaf, between, anchors, NOW) == [leaf, issuing.certificate, root.certificate]
    assert chain(leaf, [], between, NOW) == [leaf, issuing.certificate]
    with pytest.raises(Unproven, match="doesn't lead to a trusted one"):
        chain(leaf, [], anchors, NOW)


def test_it_is_valid_at_the_time_that_counts() -> None:
    root = Notary("CN=root", authority=True)
    leaf = Notary(by=root, at=NOW - 100, seconds=60).certificate
    assert chain(leaf, [], [root.certificate], NOW - 70)
    for time in (NOW - 130, NOW):
        with pytest.raises(Unproven, match="its certificate is valid from .*Z to .*Z only"):
            chain(leaf, [], [root.certificate], time)


def test_an_authority_that_has_expired_issues_nothing_more() -> None:
    root = Notary("CN=root", authority=True, at=NOW - 2 * YEAR, seconds=YEAR)
    with pytest.raises(Unproven, match="doesn't lead to a trusted one"):
        chain(Notary(by=root).certificate, [], [root.certificate], NOW)


def test_a_subject_may_be_written_from_either_end_and_with_spaces() -> None:
    subject = Notary("CN=release,O=Contoso\\, Ltd.,C=US").certificate.subject
    for written in ("CN=release,O=Contoso\\, Ltd.,C=US", "C=US, O=Contoso\\, Ltd., CN=release"):
        assert distinguished(written) == parts(subject)
    for other in ("CN=release,O=Contoso\\, Ltd.", "CN=release,O=Contoso\\,Ltd.,C=US", "CN=Release,O=Contoso\\, Ltd.,C=US"):
        assert distinguished(other) != parts(subject)
