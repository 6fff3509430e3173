# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report of a run for people: lines of text, and a web page that needs nothing but itself."""

from __future__ import annotations

import re
from html import escape
from typing import Any, Dict, Iterable, Iterator, List, Optional

from ansible.module_utils.common.text.formatters import bytes_to_human

COUNTS = {
    "failed": "bad", "imported": "", "updated": "", "reimported": "", "repaired": "", "quarantined": "", "waiting": "",
    "kept": "good", "unchanged": "good",
}  # fmt: skip
QUIET, FAILED, WAITING = ["none", "keep"], ["failed"], ["wait"]
CHECKED = " (check mode: nothing was done)"
STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #fff; --dim: #5b6570; --line: #d8dee4; --soft: #f4f6f8;
  --bad: #b3261e; --good: #1a7f37; --bar: #2f6fd0; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ed; --paper: #14181d; --dim: #9aa5b1; --line: #323a44; --soft: #1d232a;
  --bad: #ff8a80; --good: #56d364; --bar: #6ea8fe; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem; max-width: 84rem; background: var(--paper); color: var(--ink);
  font: 15px/1.45 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 2rem 0 .5rem; }
.dim { color: var(--dim); }
.counts { display: flex; flex-wrap: wrap; gap: .75rem; margin: 1rem 0; padding: 0; list-style: none; }
.counts li { background: var(--soft); border: 1px solid var(--line); border-radius: .5rem; padding: .4rem .9rem; }
.counts b { display: block; font-size: 1.4rem; font-variant-numeric: tabular-nums; }
.counts .bad b { color: var(--bad); }
.counts .good b { color: var(--good); }
.failure { border-left: 4px solid var(--bad); background: var(--soft); margin: .5rem 0; padding: .6rem .9rem;
  overflow-wrap: anywhere; }
.name { font-weight: 600; }
table { border-collapse: collapse; width: 100%; }
th { text-align: left; white-space: nowrap; font-weight: 600; color: var(--dim); font-size: .85rem; }
th, td { padding: .4rem .6rem .4rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td:first-child { min-width: 16rem; overflow-wrap: anywhere; }
code { font-size: .85rem; white-space: nowrap; }
.bar { background: var(--bar); border-radius: 2px; display: block; height: .6rem; min-width: 2px; }
.action, .time, .one { white-space: nowrap; }
.time { min-width: 8rem; }
summary { cursor: pointer; font-size: 1.1rem; font-weight: 600; margin: 2rem 0 .5rem; }
@media (max-width: 46rem) {
  body { padding: 1rem; }
  table, tbody, tr, td { display: block; }
  td:first-child { min-width: 0; }
  .one { white-space: normal; overflow-wrap: anywhere; }
  thead { display: none; }
  tr { border-bottom: 1px solid var(--line); padding: .5rem 0; }
  td, td.number { border: 0; padding: .1rem 0; text-align: left; }
  td[data-label]:not(:empty)::before { content: attr(data-label) " "; color: var(--dim); font-size: .85rem; }
}
"""


def lines(registry: str, result: Dict[str, Any], check_mode: bool) -> Iterator[str]:
    """Of what the module returned."""
    summary = result["summary"]
    yield f"{registry}: {summary['targets']} targets in {summary['seconds']} s with {summary['requests']} requests"
    for name in (name for name in COUNTS if summary[name]):
        mode = CHECKED if check_mode and name not in ("failed", "waiting", "kept", "unchanged") else ""
        yield f"{summary[name]:6} {name}{mode}"
    yield from (f"failed    {line}" for line in result.get("msg", "").split("\n")[1:])
    yield from (f"note      {row['note']} (entry {row['entry']})" for row in result["results"] if "note" in row)
    for row in (row for row in result["results"] if row["action"] in WAITING):
        before, name = (row["digest"] or "absent")[:19], _short(row["image"].split("/", 1)[-1])
        yield f"wait      {name} {before} -> {row['waiting'][:19]} at {row['ready_at']}{_vetted(row)}"
    for one in result["selections"]:
        if one["dropped"]:
            dropped = ", ".join(f"{drop['count']} by {drop['rule']}" for drop in one["dropped"])
            yield f"selected  {len(one['selected'])} of {one['source']} (entry {one['entry']}); dropped {dropped}"
    changes = [(_short(row["image"].split("/", 1)[-1]), row) for row in result["results"] if _changes(row)]
    width = max([20, *(min(len(name), 60) for name, _row in changes)])
    for name, row in changes:
        before, after = (row["previous_digest"] or "absent")[:19], (row["digest"] or "not checked")[:19]
        seconds = f" {row['seconds']:6.1f} s" if "seconds" in row else ""
        yield f"{row['action']:9} {name:{width}} {before:19} -> {after}{seconds}{_vetted(row)}"


def page(report: Dict[str, Any]) -> str:
    """Of what the JSON report holds."""
    results, summary, registry = report["results"], report["summary"], escape(report["registry"])
    failed = [row for row in results if row["action"] in FAILED]
    quiet = [row for row in results if row["action"] in QUIET]
    changes = [row for row in results if _changes(row)]
    waiting = [row for row in results if row["action"] in WAITING]
    slowest = max([0.001, *(row["seconds"] for row in changes if "seconds" in row)])
    mode = CHECKED if report["check_mode"] else ""
    parts = [
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{registry}: images mirrored</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{registry}</h1>",
        f'<div class="dim">{report["time"][:16].replace("T", " ")} UTC: {summary["targets"]} targets in {summary["seconds"]} s, '
        f'{summary["requests"]} requests{mode}</div>\n<ul class="counts">',
        *(f'<li class="{kind}"><b>{summary[name]}</b>{name}</li>' for name, kind in COUNTS.items() if summary[name]),
        "</ul>",
    ]
    if failed:
        parts.append("<h2>Failed</h2>")
        parts += (
            f'<div class="failure">{_name(row)} <span class="dim">(entry {row["entry"]})</span><br>{escape(row["error"])}</div>'
            for row in failed
        )
    noted = (row for row in results if "note" in row)
    parts += (f'<div class="failure">{escape(row["note"])} <span class="dim">(entry {row["entry"]})</span></div>' for row in noted)
    if changes:
        parts.append("<h2>Changed</h2>")
        headings = ["Image", "What", "From", "To", "Platforms", "Size", "Here since", "Time"]
        parts += _table(headings, (_changed(row, slowest) for row in changes))
    if waiting:
        parts.append("<h2>Waiting</h2>")
        parts += _table(["Image", "Now", "Next", "Ready"], map(_waiting, waiting))
    if quiet:
        parts.append(f"<details{'' if failed or changes else ' open'}>\n<summary>Nothing to do: {len(quiet)}</summary>")
        parts += _table(["Image", "Digest", "Platforms", "Size", "Here since"], map(_unchanged, quiet))
        parts.append("</details>")
    if report["selections"]:
        parts.append("<details>\n<summary>Selected tags</summary>")
        parts += _table(["Repository", "Entry", "Selected", "Dropped"], map(_selection, report["selections"]))
        parts.append("</details>")
    return "\n".join([*parts, "</body>\n</html>\n"])


def _changes(row: Dict[str, Any]) -> bool:
    return row["action"] not in QUIET + FAILED + WAITING


def _table(headings: List[str], rows: Iterable[str]) -> List[str]:
    heads = "".join(f"<th>{heading}</th>" for heading in headings)
    return [f"<table>\n<thead><tr>{heads}</tr></thead>\n<tbody>", *(f"<tr>{row}</tr>" for row in rows), "</tbody>\n</table>"]


def _cell(label: str, content: str, kind: str = "") -> str:
    """*content* is HTML."""
    return f'<td data-label="{label}" class="{kind}">{content}</td>'


def _changed(row: Dict[str, Any], slowest: float) -> str:
    time = ""
    if "seconds" in row:
        time = f'{row["seconds"]} s<span class="bar" style="width: {100 * row["seconds"] / slowest:.1f}%"></span>'
    return (
        f"<td>{_name(row)}</td>{_cell('', row['action'], 'action')}{_cell('from', _digest(row['previous_digest'], 'absent'))}"
        f"{_cell('to', _digest(row['digest'], 'not checked'))}{_details(row)}{_cell('', time, 'time')}"
    )


def _waiting(row: Dict[str, Any]) -> str:
    return (
        f"<td>{_name(row)}</td>{_cell('now', _digest(row['digest'], 'absent'))}{_cell('next', _digest(row['waiting'], ''))}"
        f"{_cell('ready', escape(row['ready_at']), 'time')}"
    )


def _unchanged(row: Dict[str, Any]) -> str:
    return f"<td>{_name(row)}</td>{_cell('', _digest(row['digest'], 'not checked'))}{_details(row)}"


def _selection(one: Dict[str, Any]) -> str:
    dropped = "; ".join(
        f"{drop['count']} by {drop['rule']} ({', '.join(drop['tags'])}{', …' if drop['count'] > len(drop['tags']) else ''})"
        for drop in one["dropped"]
    )
    return (
        f'<td><span class="name">{escape(one["source"])}</span></td>{_cell("entry", one["entry"], "number")}'
        f"{_cell('selected', escape(', '.join(one['selected'])))}{_cell('dropped', escape(dropped))}"
    )


def _name(row: Dict[str, Any]) -> str:
    image, source = (escape(_short(name)) for name in (row["image"].split("/", 1)[-1], row["source"]))
    facts = [f"from {source}", *map(escape, _facts(row))]
    return f'<span class="name" title="{escape(row["image"])}">{image}</span><br><span class="dim">{"; ".join(facts)}</span>'


def _facts(row: Dict[str, Any]) -> Iterator[str]:
    """How it was vetted, and what was done besides."""
    if row.get("locked"):
        yield "reviewed in the lock file"
    if "signature" in row:
        yield f"signed by {_short(row['signature']['identity'])} ({row['signature']['kind']})"
    if "quarantined_at" in row:
        yield f"in quarantine since {row['quarantined_at']}"
    if row.get("immutable"):
        yield "immutable"
    if "backup" in row:
        yield f"before: {row['backup'].split('/', 1)[-1]}"


def _vetted(row: Dict[str, Any]) -> str:
    facts = "; ".join(_facts(row))
    return f"  {facts}" if facts else ""


def _short(name: str) -> str:
    return re.sub("([:.-][0-9a-f]{12})[0-9a-f]{52}", r"\1", name)


def _digest(value: Optional[str], without: str) -> str:
    return f'<code title="{escape(value)}">{escape(value[:19])}</code>' if value else f'<span class="dim">{without}</span>'


def _details(row: Dict[str, Any]) -> str:
    platforms = ", ".join(f'<span class="one">{escape(one)}</span>' for one in row.get("platforms", []))
    size = bytes_to_human(row["size"]) if row.get("size") else ""
    since = escape(str(row.get("created") or "")[:10])
    return _cell("platforms", platforms) + _cell("size", size, "number") + _cell("here since", since, "one")
