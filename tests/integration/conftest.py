# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.playbook import preforked


@pytest.fixture(scope="session", autouse=True)
def ansible() -> Iterator[None]:
    """Most playbooks run without the start of ansible-playbook."""
    with preforked():
        yield
