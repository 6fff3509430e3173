# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a run ended, as modules return it: one place for `acr_import` and `acr_mirror`, which must not tell it differently."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Tuple

from ._errors import AcrError
from ._plan import Diff, Item, Unplanned
from ._select import Chosen
from ._source import Known

SEVERAL = "several"  # the reason of a run whose images failed for different reasons


@dataclass
class Report:
    """*diff* holds what was planned; *requests* are counts by class; *notes* are worth a warning, *asides* only at ``-v``;
    *details* are sizes, platforms and ages of what the registry holds now, if they were asked for; *known*: what digests are;
    *selections*: what was chosen among the tags of repositories."""

    login_server: str = ""
    items: List[Item] = field(default_factory=list)
    unplanned: List[Unplanned] = field(default_factory=list)
    diff: Diff = field(default_factory=Diff)
    seconds: float = 0.0
    requests: Dict[str, int] = field(default_factory=dict)
    notes: List[str] = field(default_factory=list)
    asides: List[str] = field(default_factory=list)
    details: Dict[Item, Dict[str, Any]] = field(default_factory=dict)
    known: Known = field(default_factory=dict)
    selections: List[Chosen] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        return any(item.changed or item.locked or item.backup and item.backup.changed for item in self.items)

    def media_type(self, digest: Optional[str]) -> Optional[str]:
        """What a digest is, if it is known."""
        found = self.known.get(digest or "")
        return found.media_type if found else None

    @property
    def errors(self) -> List[AcrError]:
        """Why targets failed, in the order of `results`."""
        errors = [(one.entry, one.error) for one in self.unplanned]
        errors += [(item.desired.entry, item.error) for item in self.items if item.error is not None]
        return [error for _entry, error in sorted(errors, key=lambda one: one[0])]

    def results(self) -> List[Dict[str, Any]]:
        """What became of each target, in the order of the entries: ``{"image", "source", "digest", "previous_digest",
        "action", "reason"}``, and ``backup``, ``immutable``, ``seconds``, ``operation``, ``error``, ``note``, ``waiting``,
        ``ready_at``, ``quarantined_at``, ``signature``, ``size``, ``platforms`` if there are any."""
        return [row for _entry, row in self._rows()]

    def numbered(self) -> List[Dict[str, Any]]:
        """The results of a list, with the number of each one's ``entry``, from 1 as in messages."""
        return [{"entry": entry + 1, **row} for entry, row in self._rows()]

    def result(self) -> Dict[str, Any]:
        """What every module returns: ``changed`` and ``diff``; ``reason`` if something failed."""
        shown = {"before_header": self.login_server, "after_header": self.login_server, **vars(self.diff)}
        found: Dict[str, Any] = {"changed": self.changed, "diff": [shown] if self.diff.after else []}
        reasons = {error.reason for error in self.errors}
        if len(reasons) > 1:
            reasons.discard("stopped")  # that follows from the others
        if reasons:
            found["reason"] = reasons.pop() if len(reasons) == 1 else SEVERAL
        return found

    def _rows(self) -> List[Tuple[int, Dict[str, Any]]]:
        rows = [(one.entry, self._row(one.target, one.source, "failed", error=one.error)) for one in self.unplanned]
        for item in self.items:
            row = self._row(str(item.target), str(item.desired.origin), item.told, item.digest, item.before, item.error)
            if item.error is None:
                row["reason"] = item.reason
                if item.waiting:
                    row.update(waiting=item.waiting, ready_at=item.ready_at)
                if item.quarantined_at:
                    row["quarantined_at"] = item.quarantined_at
            backup = item.backup
            if backup is not None and backup.error is None and (backup.changed or not backup.changes):
                row["backup"] = f"{self.login_server}/{backup.target}"
            if item.locked is not None and item.error is None:
                row["immutable"] = True
            if item.seconds:
                row["seconds"] = round(item.seconds, 2)
            if item.desired.locked:
                row["locked"] = True
            if item.operation:
                row["operation"] = item.operation
            if item.note:
                row["note"] = item.note
            if item.signature:
                row["signature"] = item.signature._asdict()
            row.update(self.details.get(item, {}))
            rows.append((item.desired.entry, row))
        return sorted(rows, key=lambda row: row[0])

    def _row(
        self,
        target: str,
        source: str,
        action: str,
        digest: Optional[str] = None,
        before: Optional[str] = None,
        error: Optional[AcrError] = None,
    ) -> Dict[str, Any]:
        row: Dict[str, Any] = {
            "image": f"{self.login_server}/{target}".lstrip("/"),
            "source": source,
            "digest": digest,
            "previous_digest": before,
            "action": "failed" if error else action,
        }
        if error is not None:
            row.update(error=str(error), reason=error.reason)
        return row
