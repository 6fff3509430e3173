# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the filter reports, and how."""

from __future__ import annotations

from typing import Any
from unittest.mock import Mock

import pytest
from ansible.errors import AnsibleFilterError
from ansible.utils.unsafe_proxy import wrap_var

from ansible_collections.registryops.acr.plugins.filter import images as plugin

images: Any = plugin.FilterModule().filters()["images"]
TEXT = "containers:\n  - image: nginx:1.27\n  - image: '{{ x }}'\n"


@pytest.fixture
def warning(monkeypatch: pytest.MonkeyPatch) -> Mock:
    display = Mock()
    monkeypatch.setattr(plugin, "Display", lambda: display)
    warning: Mock = display.warning
    return warning


def test_what_cannot_be_known_fails() -> None:
    with pytest.raises(AnsibleFilterError, match=r"line 3: containers\[1\].image: '{{ x }}' has a variable that isn't filled in"):
        images(TEXT)


def test_or_is_a_warning_or_ignored(warning: Mock) -> None:
    assert images(TEXT, unknown="ignore") == [{"source": "docker.io/library/nginx:1.27"}]
    warning.assert_not_called()
    assert images(TEXT, unknown="warn") == [{"source": "docker.io/library/nginx:1.27"}]
    assert "line 3: containers[1].image" in warning.call_args[0][0]


@pytest.mark.parametrize(("content", "options"), [("a.yml", {}), (None, {}), ("a: b: c", {}), ("a: b", {"unknown": "skip"})])
def test_bad_input_is_one_sentence(content: Any, options: dict[str, Any]) -> None:
    with pytest.raises(AnsibleFilterError, match=r"^registryops.acr.images: .*\.$") as caught:
        images(content, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["image: quay.io/a/b:1", {"image": "quay.io/a/b:1"}])
def test_text_that_ansible_has_marked(content: Any) -> None:
    assert images(wrap_var(content)) == [{"source": "quay.io/a/b:1"}]
