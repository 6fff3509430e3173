# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report as lines, and as a page: well-formed, with what matters first, and with nothing in it that others have written as HTML."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import Any

from ansible_collections.registryops.acr.plugins.module_utils._page import lines, page

A, B = ("sha256:" + letter * 64 for letter in "ab")
SUMMARY = {
    "targets": 3, "imported": 0, "updated": 1, "reimported": 0, "repaired": 0, "quarantined": 0, "waiting": 0, "unchanged": 1,
    "kept": 0, "failed": 1,
    "seconds": 1.5, "requests": 9,
}  # fmt: skip


def row(action: str, **facts: Any) -> dict[str, Any]:
    same = {"image": "contosoprod.azurecr.io/team/app:1", "source": "quay.io/team/app:1", "entry": 1}
    return {**same, "digest": A, "previous_digest": A, "action": action, "reason": "equal", **facts}


def report(*rows: dict[str, Any], **facts: Any) -> dict[str, Any]:
    return {"registry": "contosoprod", "time": "2026-01-02T03:04:05Z", "check_mode": False, "changed": True, "summary": SUMMARY,
            "results": list(rows), "selections": [], **facts}  # fmt: skip


class Shape(HTMLParser):
    """Which elements are open."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, _attrs: Any) -> None:
        if tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_what_matters_comes_first() -> None:
    failed = row("failed", digest=None, previous_digest=None, error="No right.", entry=7)
    updated = row("update", digest=B, seconds=2.5, size=3 * 2**20, platforms=["linux/amd64", "linux/arm64"])
    selection = {"entry": 2, "source": "quay.io/x", "selected": ["1", "2"], "dropped": [{"rule": "semver", "count": 9, "tags": ["a"]}]}
    text = page(report(failed, updated, row("none"), selections=[selection]))
    assert Shape(text).open == []
    places = [text.index(part) for part in ("Failed</h2>", "No right.", "Changed</h2>", "3.00 MB", "Nothing to do: 1", "Selected tags")]
    assert places == sorted(places)
    assert "2026-01-02 03:04 UTC: 3 targets in 1.5 s, 9 requests<" in text and "(entry 7)" in text
    assert '<li class="bad"><b>1</b>failed</li>' in text and "imported</li>" not in text
    assert f'<code title="{B}">sha256:bbbbbbbbbbbb</code>' in text and "linux/arm64" in text
    assert '2.5 s<span class="bar" style="width: 100.0%">' in text
    assert "1, 2<" in text and "9 by semver (a, …)" in text


def test_what_waits_and_what_was_vetted() -> None:
    waits = row("wait", digest=None, waiting=B, ready_at="2026-01-05T03:04:05Z", note="team/app:1 holds a bad one.")
    signed = {"kind": "keyless", "identity": "<release>@example.com", "time": None}
    vetted = row("update", signature=signed, locked=True, immutable=True, backup="contosoprod.azurecr.io/team/app:1-old",
                 quarantined_at="2026-01-01T00:00:00Z", created="2025-12-31T23:59:59.1Z")  # fmt: skip
    text = page(report(waits, vetted))
    assert Shape(text).open == []
    assert "team/app:1 holds a bad one." in text and "Waiting</h2>" in text and "2026-01-05T03:04:05Z" in text and B in text
    said = (
        "reviewed in the lock file; signed by &lt;release&gt;@example.com (keyless); in quarantine since 2026-01-01T00:00:00Z; "
        "immutable; before: team/app:1-old"
    )
    assert said + "<" in text and ">2025-12-31<" in text
    assert list(lines("contosoprod", report(vetted), False))[-1].endswith("  " + said.replace("&lt;", "<").replace("&gt;", ">"))
    assert list(lines("contosoprod", report(waits), False))[-2:] == [
        "note      team/app:1 holds a bad one. (entry 1)",
        "wait      team/app:1 absent -> sha256:bbbbbbbbbbbb at 2026-01-05T03:04:05Z",
    ]
    waits["signature"] = signed
    assert list(lines("contosoprod", report(waits), False))[-1].endswith(":05Z  signed by <release>@example.com (keyless)")


def test_what_is_not_known_is_said() -> None:
    text = page(report(row("import", digest=None, previous_digest=None), check_mode=True))
    assert "absent" in text and "not checked" in text and "check mode: nothing was done" in text


def test_what_others_wrote_is_no_html() -> None:
    bad = '<img src=x onerror="a">'
    selection = {"entry": 1, "source": bad, "selected": [bad], "dropped": [{"rule": bad, "count": 1, "tags": [bad]}]}
    rows = [row("failed", error=bad), row("update", platforms=[bad]), row("none", image="host/" + bad, source=bad, digest=bad)]
    text = page(report(*rows, selections=[selection], registry=bad))
    assert "<img" not in text and 'onerror="' not in text and Shape(text).open == []


def test_a_long_digest_in_a_name_is_cut_and_told_in_full() -> None:
    text = page(report(row("none", image=f"contosoprod.azurecr.io/team/app@{A}")))
    assert f'title="contosoprod.azurecr.io/team/app@{A}">team/app@sha256:aaaaaaaaaaaa<' in text


def test_what_comes_into_quarantine_is_told_in_short() -> None:
    arriving = row("quarantine", image=f"contosoprod.azurecr.io/quarantine/app:1.2.{A[7:]}", previous_digest=None)
    assert list(lines("contosoprod", report(arriving), False))[-1] == (
        "quarantine quarantine/app:1.2.aaaaaaaaaaaa absent              -> sha256:aaaaaaaaaaaa"
    )


def test_lines() -> None:
    selections = [{"entry": 2, "source": "quay.io/x", "selected": ["1"], "dropped": [{"rule": "semver", "count": 9, "tags": ["a"]}]},
                  {"entry": 3, "source": "quay.io/y", "selected": ["1"], "dropped": []}]  # fmt: skip
    rows = [row("update", digest=B, seconds=2.55), row("none"), row("import", image=f"host/app@{A}", digest=None, previous_digest=None)]
    found = list(lines("contosoprod", {**report(*rows, selections=selections), "msg": "1 failed.\nimage: No right."}, True))
    assert found == [
        "contosoprod: 3 targets in 1.5 s with 9 requests",
        "     1 failed",
        "     1 updated (check mode: nothing was done)",
        "     1 unchanged",
        "failed    image: No right.",
        "selected  1 of quay.io/x (entry 2); dropped 9 by semver",
        "update    team/app:1              sha256:aaaaaaaaaaaa -> sha256:bbbbbbbbbbbb    2.5 s",
        "import    app@sha256:aaaaaaaaaaaa absent              -> not checked",
    ]
