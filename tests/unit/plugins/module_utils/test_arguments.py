# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which options there are, and how lists of them are read; test_options.py has what is wrong with them."""

from __future__ import annotations

from ansible_collections.registryops.acr.plugins.module_utils._arguments import (
    DEFAULTS_ARGUMENTS,
    ENTRY_ARGUMENTS,
    IMAGE_ARGUMENTS,
    read_list,
)

NGINX = "docker.io/nginx:1.27"


def test_an_entry_that_is_text_is_its_source() -> None:
    option = {"source": NGINX, "if_exists": "keep"}
    given = {"images": [NGINX, option, "nginx", "source=docker.io/nginx", '{"source": "docker.io/nginx"}', ""], "other": 1}
    read = [{"source": NGINX}, option, {"source": "nginx"}, {"source": "docker.io/nginx"}, {"source": "docker.io/nginx"}, {"source": ""}]
    assert read_list(given) == ({"images": read, "other": 1}, {})
    nulls = {"source": "h.io/a", "target": None, "tags": {"newest": 1, "order": None, "same_digest": None}}
    assert read_list({"images": [nulls]}) == ({"images": [{"source": "h.io/a", "tags": {"newest": 1}}]}, {}), "as if it weren't there"
    for left in ({}, {"images": None}, {"images": "docker.io/nginx"}):
        assert read_list(left) == (left, {}), "Ansible knows what that is"


def test_entries_take_all_options_of_one_image_and_leave_their_defaults_to_the_list() -> None:
    assert set(ENTRY_ARGUMENTS) == set(IMAGE_ARGUMENTS) | {"tags", "repositories", "comment"}
    assert set(DEFAULTS_ARGUMENTS) < set(ENTRY_ARGUMENTS)
    assert [name for name, spec in ENTRY_ARGUMENTS.items() if "default" in spec or "required" in spec] == []
    for arguments in (IMAGE_ARGUMENTS, ENTRY_ARGUMENTS, DEFAULTS_ARGUMENTS):
        assert arguments["source_password"]["no_log"] is True
