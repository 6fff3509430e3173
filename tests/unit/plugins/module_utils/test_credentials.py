# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How credentials are sent, and that they are shown to nobody else."""

from __future__ import annotations

import base64

import pytest

from ansible_collections.registryops.acr.plugins.module_utils._credentials import Credentials


@pytest.mark.parametrize("show", [repr, str, "{}".format, "{!r}".format])
def test_no_text_shows_the_password(show: object) -> None:
    assert show(Credentials("user", "pass:wörd")) == "Credentials(username='user')"


@pytest.mark.parametrize(("user", "sent"), [("user", "user"), ("ü", "ü"), (None, "0" * 8 + "-0000-0000-0000-" + "0" * 12)])
def test_a_token_is_sent_under_the_name_of_nobody(user: str | None, sent: str) -> None:
    scheme, _space, pair = Credentials(user, "pass:wörd").basic().partition(" ")
    assert (scheme, base64.b64decode(pair).decode()) == ("Basic", sent + ":pass:wörd")
