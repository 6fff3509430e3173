# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the filter reports, and that its result is never a template."""

from __future__ import annotations

from typing import Any
from unittest.mock import Mock

import pytest
from ansible.errors import AnsibleFilterError
from ansible.utils.unsafe_proxy import wrap_var

from ansible_collections.registryops.acr.plugins.filter import rewrite as plugin

rewrite: Any = plugin.FilterModule().filters()["rewrite"]
DIGEST = "sha256:" + "a" * 64
RESULTS = [{"source": "docker.io/library/nginx:1.27", "image": "c.test/nginx:1.27", "digest": DIGEST, "action": "none"}]
TEXT = "containers:\n  - image: nginx:1.27\n  - image: busybox:1\nrule: '{{ $labels.x }}'\n"
AFTER = TEXT.replace("nginx", "c.test/nginx")


@pytest.fixture
def warning(monkeypatch: pytest.MonkeyPatch) -> Mock:
    display = Mock()
    monkeypatch.setattr(plugin, "Display", lambda: display)
    warning: Mock = display.warning
    return warning


def test_an_image_without_result_fails() -> None:
    with pytest.raises(AnsibleFilterError, match=r"docker.io/library/busybox:1 is in none of the results"):
        rewrite(TEXT, RESULTS)


def test_or_is_a_warning_or_ignored(warning: Mock) -> None:
    assert rewrite(TEXT, RESULTS, missing="ignore") == AFTER
    warning.assert_not_called()
    assert rewrite(TEXT, RESULTS, missing="warn") == AFTER
    assert "docker.io/library/busybox:1" in warning.call_args[0][0]


@pytest.mark.parametrize("digest", [True, "yes", "true"])
def test_digests(digest: Any) -> None:
    assert rewrite("image: nginx:1.27", RESULTS, digest=digest) == f"image: c.test/nginx:1.27@{DIGEST}"


@pytest.mark.parametrize(
    ("content", "results", "options"),
    [("a.yml", [], {}), ("a: b", {}, {}), ("a: b", [{}], {}), ("a: b", [], {"missing": "keep"}), ("a: b", [], {"digest": "x"})],
)
def test_bad_input_is_one_sentence(content: Any, results: Any, options: dict[str, Any]) -> None:
    with pytest.raises(AnsibleFilterError, match=r"^registryops.acr.rewrite: .*\.$") as caught:
        rewrite(content, results, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("mark", [wrap_var, lambda value: value])
def test_the_result_is_no_template(mark: Any) -> None:
    text = rewrite(mark(TEXT), mark(RESULTS), missing="ignore")
    data = rewrite(mark({"image": "quay.io/a:1", "rule": "{{ x }}"}), mark(RESULTS), missing="ignore")
    assert text == AFTER and type(text) is type(wrap_var("x"))
    assert data["rule"] == "{{ x }}" and type(data["rule"]) is type(wrap_var("x"))
