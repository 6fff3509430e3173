# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What registries are signed in to with. Pure."""

from __future__ import annotations

import base64
from typing import NamedTuple, Optional


class Credentials(NamedTuple):
    """A user name and password; without a user name the password is an access token."""

    username: Optional[str]
    password: str

    def __repr__(self) -> str:
        return f"Credentials(username={self.username!r})"

    def basic(self) -> str:
        """The value of an Authorization header."""
        pair = f"{self.username or '00000000-0000-0000-0000-000000000000'}:{self.password}"
        return "Basic " + base64.b64encode(pair.encode("utf-8")).decode("ascii")
