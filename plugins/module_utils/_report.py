# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a run ended, as modules return it: one place for `acr_import` and `acr_mirror`, which must not tell it differently."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, List, Optional, Tuple

from ._errors import AcrError
from ._plan import REASONS, Diff, Item, Unplanned
from ._select import Chosen
from ._source import Known

SEVERAL = "several"  # the reason of a run whose images failed for different reasons


@dataclass
class Report:
    """*diff* holds what was planned; *requests* are counts by class; *notes* are worth a warning, *asides* only at ``-v``;
    *details* are sizes and platforms of what the registry holds now, if they were asked for; *known*: what digests are;
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
        return any(item.changed for item in self.items)

    def media_type(self, digest: Optional[str]) -> Optional[str]:
        """What a digest is, if it is known."""
        found = self.known.get(digest or "")
        return found.media_type if found else None

    @property
    def errors(self) -> List[AcrError]:
        """Why targets failed, in the order of `results`."""
        return [error for _entry, error, _row in self._rows() if error is not None]

    def results(self) -> List[Dict[str, Any]]:
        """What became of each target, in the order of the entries: ``{"image", "source", "digest", "previous_digest",
        "action", "reason"}``, and ``seconds``, ``operation``, ``error``, ``signature``, ``size``, ``platforms`` if there are any."""
        return [row for _entry, _error, row in self._rows()]

    def numbered(self) -> List[Dict[str, Any]]:
        """The results of a list, with the number of each one's ``entry``, from 1 as in messages."""
        return [{"entry": entry + 1, **row} for entry, _error, row in self._rows()]

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

    def _rows(self) -> List[Tuple[int, Optional[AcrError], Dict[str, Any]]]:
        rows: List[Tuple[int, Optional[AcrError], Dict[str, Any]]] = [
            (one.entry, one.error, self._row(one.target, one.source, "failed", error=one.error)) for one in self.unplanned
        ]
        for item in self.items:
            row = self._row(str(item.target), str(item.desired.origin), item.action or "", item.digest, item.before, item.error)
            if item.error is None:
                row["reason"] = REASONS.get(item.action or "") if item.desired.rules.verify else "unverified"
                if item.gone:
                    row["reason"] = "source_missing"
            if item.seconds:
                row["seconds"] = round(item.seconds, 2)
            if item.operation:
                row["operation"] = item.operation
            if item.signature:
                row["signature"] = item.signature._asdict()
            row.update(self.details.get(item, {}))
            rows.append((item.desired.entry, item.error, row))
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
            "image": f"{self.login_server}/{target}",
            "source": source,
            "digest": digest,
            "previous_digest": before,
            "action": "failed" if error else action,
        }
        if error is not None:
            row.update(error=str(error), reason=error.reason)
        return row
