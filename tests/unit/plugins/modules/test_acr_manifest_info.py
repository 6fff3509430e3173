# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `acr_manifest_info` makes of its options, and which of them go together."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible.module_utils import basic

from ansible_collections.registryops.acr.plugins.module_utils import _manifests
from ansible_collections.registryops.acr.plugins.module_utils._errors import AcrError
from ansible_collections.registryops.acr.plugins.module_utils._manifests import Content, ManifestQuery
from ansible_collections.registryops.acr.plugins.modules import acr_manifest_info

PARAMS = {
    "registry": "contosoprod", "resource_group": "rg", "repository": "team/app", "tag": None, "digest": None, "orderby": None,
    "limit": None, "untagged": None, "raw": False, "referrers": False,
}  # fmt: skip


@pytest.mark.parametrize(
    ("options", "query"),
    [
        ({}, ManifestQuery("team/app")),
        ({"orderby": "time_desc", "limit": 5, "untagged": False}, ManifestQuery("team/app", orderby="timedesc", limit=5, untagged=False)),
        ({"repository": None, "all": True, "raw": True, "referrers": True}, ManifestQuery(None, raw=True, referrers=True)),
        ({"tag": "1.0"}, ManifestQuery("team/app", tag="1.0")),
        ({"digest": "sha256:5"}, ManifestQuery("team/app", digest="sha256:5")),
    ],
)
def test_what_is_read(
    module: Any, azure: Any, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any], query: ManifestQuery
) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(_manifests, "read", lambda *what: asked.append(what) or Content(["team/app"], [{"digest": "d"}], {}))
    found = acr_manifest_info.work(module(**{**PARAMS, **options}), azure)
    assert found == {"changed": False, "repositories": ["team/app"], "manifests": [{"digest": "d"}]}
    assert asked == [(azure, "contosoprod", "rg", query)]


def test_c5_repositories_that_were_left_out_are_told(module: Any, azure: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    content = Content(["a", "b", "c"], [{"digest": "d"}], {"b": AcrError("denied", "No b."), "c": AcrError("denied", "No c.")})
    monkeypatch.setattr(_manifests, "read", lambda *what: content)
    given = module(**PARAMS)
    found = acr_manifest_info.work(given, azure)
    assert found["unreadable"] == [{"repository": "b", "error": "No b."}, {"repository": "c", "error": "No c."}]
    assert found["manifests"] == [{"digest": "d"}]
    assert given.warnings == ["Repositories were left out, since they can't be read: b, c."]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({}, "all is False but all of the following are missing: repository"),
        ({"all": True, "tag": "1.0"}, "missing parameter(s) required by 'tag': repository"),
        ({"all": True, "digest": "sha256:5"}, "missing parameter(s) required by 'digest': repository"),
        ({"repository": "a", "tag": "1.0", "digest": "sha256:5"}, "parameters are mutually exclusive: tag|digest"),
        ({"repository": "a", "orderby": "size"}, "value of orderby must be one of: time_asc, time_desc"),
    ],
)
def test_options_that_do_not_go_together(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], options: dict[str, Any], sentence: str
) -> None:
    given = json.dumps({"ANSIBLE_MODULE_ARGS": {"registry": "contosoprod", "auth_source": "cli", **options}})
    monkeypatch.setattr(basic, "_ANSIBLE_ARGS", given.encode())
    monkeypatch.setattr(basic, "_ANSIBLE_PROFILE", "legacy", raising=False)  # newer ansible-core's way to send results
    monkeypatch.setattr(_manifests, "read", lambda *what: pytest.fail("it was read"))
    with pytest.raises(SystemExit):
        acr_manifest_info.main()
    assert sentence in json.loads(capsys.readouterr().out)["msg"]
