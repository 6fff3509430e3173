# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How time and requests grow with the number of images, and the picture of it."""
from __future__ import annotations

import re
from dataclasses import dataclass

import matplotlib
from matplotlib.figure import Figure

from tests.playbook import ROOT

from .lab import BOUNDLESS, SOURCE, Lab, Measured, entries

PICTURE = ROOT / "docs/benchmarks/growth.svg"
TAGS = 20  # to a repository
# Legible on a white page and on a nearly black one; marks and dashes tell the lines apart without colours.
INK, FIRST, AGAIN = "#7d8590", "#d9730d", "#2f81f7"


@dataclass(frozen=True)
class Point:
    images: int
    repositories: int
    first: Measured
    again: Measured


def measure(images: int) -> Point:
    """Mirror so many distinct images of another Azure registry, then the same again."""
    with Lab.open(limits=BOUNDLESS) as lab:
        repositories = max(1, images // TAGS)
        content = lab.sandbox.bulk(SOURCE, repositories, images // repositories)
        first = lab.mirror(entries(content, lab.source), changed=True)
        lab.check(content)
        again = lab.mirror(entries(content, lab.source), changed=False)
    return Point(images, repositories, first, again)


def draw(points: list[Point]) -> None:
    """Write PICTURE: seconds and requests over images, for a first run and one with nothing to do."""
    settings = {
        "svg.fonttype": "none",  # text stays text
        "svg.hashsalt": "growth",
        "font.family": "sans-serif",
        "font.size": 11,
        "text.color": INK,
        "axes.labelcolor": INK,
        "axes.edgecolor": INK,
        "xtick.color": INK,
        "ytick.color": INK,
    }
    counts = [point.images for point in points]
    with matplotlib.rc_context(settings):
        figure = Figure(figsize=(9, 3.8), layout="constrained")
        panels = figure.subplots(1, 2)
        for panel, name in zip(panels, ("seconds", "requests")):
            runs = (("first run", FIRST, "o-", "first"), ("nothing to do", AGAIN, "s--", "again"))
            for label, color, style, run in runs:
                values = [getattr(getattr(point, run), name) for point in points]
                panel.loglog(counts, values, style, color=color, label=label, linewidth=2)
                for count, value in zip(counts, values):
                    text = f"{value:,.1f}" if name == "seconds" and value < 20 else f"{value:,.0f}"
                    above = run == "first"
                    panel.annotate(
                        text,
                        (count, value),
                        xytext=(0, 8 if above else -8),
                        textcoords="offset points",
                        ha="center",
                        va="bottom" if above else "top",
                        color=color,
                        fontsize=9,
                    )
            panel.set_title(f"{name} of the whole ansible-playbook" if name == "seconds" else f"{name} to all hosts")
            panel.set_xlabel("images")
            panel.yaxis.set_major_formatter("{x:,.0f}")
            panel.set_xticks(counts, [f"{count:,}" for count in counts])
            panel.minorticks_off()
            panel.margins(x=0.12, y=0.2)
            panel.grid(True, color=INK, alpha=0.25, linewidth=0.6)
            for side in ("top", "right"):
                panel.spines[side].set_visible(False)
        panels[0].legend(frameon=False, labelcolor=INK)
        PICTURE.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(PICTURE, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    # matplotlib leaves blanks at the ends of lines
    PICTURE.write_text(re.sub(r"[ \t]+$", "", PICTURE.read_text(), flags=re.MULTILINE))
