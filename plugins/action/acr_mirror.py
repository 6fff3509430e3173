# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs the module of the same name, and shows its progress meanwhile."""

from __future__ import annotations

import json
import os
import tempfile
import threading
import time
from typing import Any, Dict, Optional

from ansible import constants
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.plugins.action import ActionBase
from ansible.utils.display import Display

from ..module_utils import _page, _progress

FIRST = 2.0  # seconds until the first line
SLOWEST = 15.0  # seconds between two lines at most
LARGE = 450_000  # characters of a result
LONG = 180_000  # characters of a text, which AWX keeps twice
CUT = "…\nThe rest is in the reports that are files."


class ActionModule(ActionBase):
    """Only shapes what is shown: the module also works without it."""

    _supports_check_mode = True
    _supports_async = True

    def run(self, tmp: Optional[str] = None, task_vars: Optional[Dict[str, Any]] = None) -> Dict[str, Any]:
        task_vars = task_vars or {}
        result: Dict[str, Any] = super().run(tmp, task_vars)
        # Only a module on this machine can be watched; an async one outlives this process; check mode is quick.
        watched = (
            self._connection.transport == "local"
            and not self._task.async_val
            and not self._task.check_mode
            and boolean(self._templar.template(task_vars.get("acr_mirror_progress", True)), strict=False)
        )
        if not watched:
            result.update(self._execute_module(task_vars=task_vars, wrap_async=self._task.async_val))
            return self._abridged(result, task_vars)
        handle, path = tempfile.mkstemp(prefix="acr-mirror-", dir=constants.DEFAULT_LOCAL_TMP)
        os.close(handle)
        over = threading.Event()
        watcher = threading.Thread(target=_watch, args=(path, over, task_vars.get("inventory_hostname", "")), daemon=True)
        self._task.environment = list(self._task.environment or []) + [{_progress.VARIABLE: path}]
        watcher.start()
        try:
            result.update(self._execute_module(task_vars=task_vars))
        finally:
            over.set()
            watcher.join(5.0)
            os.unlink(path)
        return self._abridged(result, task_vars)

    def _abridged(self, result: Dict[str, Any], task_vars: Dict[str, Any]) -> Dict[str, Any]:
        """What others are to see of a run: Ansible prints all that a failed task returns, except for `diff`, which only -vvv shows;
        and of a result above 700,000 characters, AWX keeps nothing. The role mirror finds the results elsewhere then: in `diff`
        or, if there are many, in a file. If `acr_mirror_reported`, it shows `report`, which names each failure."""
        if len(str(result)) > LARGE and "invocation" in result:
            given = result["invocation"]["module_args"]
            given["images"] = f"{len(given['images'])} {'entries' if isinstance(given['images'], list) else 'characters'}"
        if "acr_mirror_reported" not in task_vars or "results" not in result:
            return result
        shown = boolean(self._templar.template(task_vars["acr_mirror_reported"]), strict=False)
        if shown:
            text = "\n".join(_page.lines(self._task.args["registry"], result, self._task.check_mode))
            result["report"] = (text if len(text) <= LONG else text[:LONG] + CUT).split("\n")
        if not self._task.diff:
            result["diff"] = []  # which nobody is shown then
        large = len(str(result)) > LARGE
        if not large and not result.get("failed"):
            return result
        result.pop("exception", None)  # it has the whole message, too
        returned = {name: result.pop(name) for name in ("results", "selections", "summary", "report", "msg") if name in result}
        if large:
            handle, path = tempfile.mkstemp(prefix="acr-mirror-", dir=constants.DEFAULT_LOCAL_TMP)  # Ansible removes it at its end
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(returned, file)
            result.update(summary=returned["summary"], returned_file=path)
        else:
            result["diff"] = [*result["diff"], returned]
        if "msg" in returned:
            headline, more, _rest = returned["msg"].partition("\n")
            result["msg"] = f"{headline} The report names each failure." if shown and more else returned["msg"][:LONG]
        return result


def _watch(path: str, over: threading.Event, host: str) -> None:
    display = Display()
    started = time.monotonic()
    pause = FIRST
    while not over.wait(pause):
        seconds = time.monotonic() - started
        display.display(f"acr_mirror [{host}]: {_progress.line(_progress.read(path), seconds)}")
        pause = min(SLOWEST, max(FIRST, seconds / 6))
