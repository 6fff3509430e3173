# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The role: what it costs beside its module, and what AWX would keep of a big job."""
from __future__ import annotations

import json
import tempfile
from pathlib import Path
from statistics import median
from typing import Any

import ansible_runner

from tests.playbook import environment

from .lab import BOUNDLESS, HUB, SOURCE, TARGET, Content, Lab, entries
from .measure import Figure

TAGS = 20  # to a repository
MOST = 500_000  # characters of an event; of one whose result has more than 700,000, ansible-runner throws the result away


def variables(images: list[dict[str, Any]], home: Path) -> dict[str, Any]:
    """The role's, with both reports."""
    reports = {f"acr_mirror_report_{kind}": str(home / f"report.{kind}") for kind in ("html", "json")}
    return {"acr_mirror_registry": TARGET, "acr_mirror_images": images, **reports}


def role(images: int, rounds: int, limit: float | None) -> list[Figure]:
    """Nothing is to do; ``limit``: how many times as long as the module the role may take."""
    alone, whole = [], []
    with Lab.open(limits=BOUNDLESS) as lab, tempfile.TemporaryDirectory(prefix="acr-role-") as name:
        names = [f"library/app-{number}" for number in range(images // TAGS)]
        content: Content = {host: lab.sandbox.bulk(host, names, TAGS) for host in (TARGET, HUB)}[HUB]
        listed = entries(content, "docker.io")
        task = {"ansible.builtin.import_role": {"name": "registryops.acr.mirror"}, "vars": variables(listed, Path(name))}
        for _round in range(rounds):
            alone.append(lab.mirror(listed, changed=False).seconds)
            whole.append(lab.play(task, changed=False).seconds)
    module = ("the module", median(alone))
    most = limit and round(limit * module[1], 2)
    return [Figure(f"the role, {images:,} images, nothing to do, both reports", median(whole), "s", most, module)]


def runner(images: int) -> list[Figure]:
    """Everything is imported. SystemExit unless all events are whole and the report has all images."""
    with Lab.open(limits=BOUNDLESS) as lab, tempfile.TemporaryDirectory(prefix="acr-runner-") as name:
        home = Path(name)
        content = lab.sandbox.bulk(SOURCE, images // TAGS, TAGS)
        (home / "env").mkdir()
        (home / "env/extravars").write_text(json.dumps(variables(entries(content, lab.source), home)))
        job = ansible_runner.run(
            private_data_dir=name,
            playbook="registryops.acr.mirror",
            inventory="localhost ansible_connection=local",
            envvars=environment(home, lab.sandbox.env),
            suppress_env_files=True,
            quiet=True,
        )
        events = list(job.events)
        if job.status != "successful":
            raise SystemExit(f"A job failed:\n{job.stdout.read()[-5000:]}")
        lost = [event["event_data"]["task"] for event in events if event["event_data"].get("res") == {}]
        reported = len(json.loads((home / "report.json").read_text())["results"])
        if lost or reported != images:
            raise SystemExit(f"Events without their result: {lost}; {reported} of {images} images in the report.")
    longest = max(len(json.dumps(event)) for event in events)
    return [Figure(f"{images:,} images by ansible-runner: the longest event", longest, "characters", MOST)]
