# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is measured. Each case has a sandbox of its own and returns its figures."""
from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import Any

from . import awx, growth
from .lab import HUB, PACE, ROUND_TRIP, SOURCE, TARGET, Content, Lab, entries
from .measure import Figure

IMAGE = "docker.io/library/hello-world:latest"  # multi-architecture, with attestations
REFUSING = "mcr.microsoft.com"  # a source that is made to refuse
CONCURRENCY = 16  # acr_mirror's default
BURST, RATE = 200, 10  # imports that Azure Resource Manager takes at once, and then a second


@dataclass(frozen=True)
class Size:
    """How much is done. ``bulk``: (repositories, tags each, digests each)."""

    rounds: int
    images: int
    bulk: tuple[tuple[int, int, int], ...]
    loop: int
    growth: tuple[int, ...]
    full: bool

    def limit(self, value: float) -> float | None:
        """A goal, which only the full size has."""
        return value if self.full else None


# 26 × 57 + 4 × 56 = 1,706 tags, 30 × 20 = 600 digests
FULL = Size(3, 200, ((26, 57, 20), (4, 56, 20)), 10, (10, 100, 1000, 5000), True)
QUICK = Size(1, 20, ((2, 57, 20), (1, 56, 20)), 3, (10, 100), False)


def single(size: Size) -> list[Figure]:
    """One multi-architecture image from Docker Hub, then the same again with nothing to do. Medians of three rounds."""
    empty, imported, again, over = [], [], [], []
    with Lab.open() as lab:
        for number in range(size.rounds):
            task = {
                "registryops.acr.acr_import": {"registry": TARGET, "source": IMAGE, "target": f"round/{number}:latest"}
            }
            empty.append(lab.play().seconds)
            imported.append(lab.play(task, changed=True).seconds)
            again.append(lab.play(task, changed=False).seconds)
            over.append(again[-1] - empty[-1])
        with lab.azure_cli() as az:
            peer = az.import_image(IMAGE, "az/hello-world:latest")
            version = az.version()
    nothing = ("empty playbook", median(empty))
    return [
        Figure("empty playbook", median(empty), "s"),
        Figure(f"az acr import, one image (azure-cli {version})", peer, "s"),
        Figure("acr_import, one image: whole playbook", median(imported), "s", 4.5, ("az acr import", peer)),
        Figure("the same again, nothing to do", median(again), "s", peer=nothing),
        Figure("… less an empty playbook's time", median(over), "s", 1.2),
    ]


def images(size: Size) -> list[Figure]:
    """Distinct images from Docker Hub, each in its own repository, so that nothing can be shared."""
    with Lab.open() as lab:
        content = lab.sandbox.bulk(HUB, size.images, prefix="library/app")
        found = lab.mirror(entries(content, "docker.io"), changed=True)
        lab.check(content)
        again = lab.mirror(entries(content, "docker.io"), changed=False)
    count = f"{size.images} distinct images, no write limit"
    return [
        Figure(count, found.seconds, "s", size.limit(6.5)),
        Figure("… requests", found.requests, "requests"),
        Figure("the same again, nothing to do", again.seconds, "s"),
    ]


def fill(lab: Lab, host: str, size: Size) -> Content:
    """The same content whatever the host."""
    content: Content = {}
    for repositories, tags, digests in size.bulk:
        names = [f"team/app-{len(content) + number:02}" for number in range(repositories)]
        content.update(lab.sandbox.bulk(host, names, tags, digests, seed=tags))
    return content


def bulk(size: Size) -> list[Figure]:
    """Many tags of few digests, with one entry for each tag and Azure's documented limits."""
    with Lab.open(limits="azure") as lab:
        content = fill(lab, SOURCE, size)
        found = lab.mirror(entries(content, lab.source), changed=True)
        lab.check(content)
        again = lab.mirror(entries(content, lab.source), changed=False)
    with Lab.open(limits="azure") as lab:
        fill(lab, TARGET, size)
        fill(lab, HUB, size)
        public = lab.mirror(entries(content, "docker.io"), changed=False)
        public_target = public.hosts[lab.target]
    repositories, tags = len(content), sum(map(len, content.values()))
    digests = len({digest for found_tags in content.values() for digest in found_tags.values()})
    name = f"{tags:,} tags, {digests} digests, {repositories} repositories, Azure's limits"
    allowed = max(0, digests - BURST) / RATE + PACE["import_seconds"]
    source_requests = sum(public.hosts[host] for host in (HUB, "auth.docker.io"))
    alone = source_requests * ROUND_TRIP / CONCURRENCY
    return [
        Figure(name, found.seconds, "s", size.limit(50), ("what the write limit allows", allowed)),
        Figure("… memory of the module", found.mebibytes, "MiB", 150),
        Figure("… requests", found.requests, "requests"),
        Figure("the same again, nothing to do, Azure source", again.seconds, "s", size.limit(4)),
        Figure("… requests", again.requests / repositories, "requests per repository", 6),
        Figure(
            "the same again, nothing to do, public source",
            public.seconds,
            "s",
            peer=("the source's round trips, 16 at once", alone),
        ),
        Figure("… requests to the source", source_requests, "requests", peer=("one for each tag", tags)),
        Figure("… requests to the target", public_target / repositories, "requests per repository", 6),
    ]


def refused(size: Size) -> list[Figure]:
    """Images of a source that answers 429 for good, among five times as many of another one: these must not wait."""
    count = size.images // 2
    landed, whole = [], []
    for share in (0, count):
        with Lab.open() as lab:
            content = lab.sandbox.bulk(HUB, 5 * count, prefix="library/app")
            lab.sandbox.knobs(faults=[{"match": {"host": REFUSING}, "action": {"status": 429, "body": "{}"}}])
            others = [{"source": f"{REFUSING}/app/{number}:1"} for number in range(share)]
            began = time.time()
            run = lab.mirror(others + entries(content, "docker.io"), None, f"{share} of {6 * count} targets" if share else "")
            lab.check(content)
            landed.append(max(operation["visible"] for operation in lab.sandbox.operations()) - began)
            whole.append(run.seconds - landed[-1])
    alone, among = landed
    return [
        Figure(f"{5 * count} images alone, until the last has landed", alone, "s"),
        Figure(f"the same among {6 * count}", among, "s", size.limit(round(1.1 * alone, 2)), ("alone", alone)),
        Figure("… from then on to the end of the run", whole[1], "s", 120),
    ]


def peers(size: Size) -> list[Figure]:
    """A few images from Docker Hub in three ways, including start-up and sign-in."""
    with Lab.open() as lab:
        content = lab.sandbox.bulk(HUB, size.loop, prefix="library/app")
        names = [f"{repository}:{tag}" for repository, tags in content.items() for tag in tags]
        mirrored = lab.mirror(entries(content, "docker.io"), changed=True)
        image = {"registry": TARGET, "source": "docker.io/{{ item }}", "target": "loop/{{ item }}"}
        task: dict[str, Any] = {"registryops.acr.acr_import": image, "loop": names}
        looped = lab.play(task, changed=True)
        with lab.azure_cli() as az:
            cli = sum(az.import_image(f"docker.io/{name}", f"az/{name}") for name in names)
    peer = ("az acr import", cli / size.loop)
    return [
        Figure(f"az acr import in a loop, {size.loop} images", cli / size.loop, "s per image"),
        Figure(f"acr_import in a loop, {size.loop} images", looped.seconds / size.loop, "s per image", peer=peer),
        Figure(f"acr_mirror, {size.loop} images", mirrored.seconds / size.loop, "s per image", peer=peer),
    ]


def growing(size: Size) -> list[Figure]:
    """From few images to many, from one Azure registry to another, without limits."""
    points = [growth.measure(count) for count in size.growth]
    if size.full:
        growth.draw(points)
    figures = []
    for point in points:
        first, again = point.first, point.again
        figures += [
            Figure(f"{point.images:,} images, up to {growth.TAGS} to a repository: first run", first.seconds, "s"),
            Figure("… requests", first.requests, "requests"),
            Figure("the same again, nothing to do", again.seconds, "s"),
            Figure("… requests", again.requests, "requests"),
        ]
    return figures


def role(size: Size) -> list[Figure]:
    """A list of a public source of which all is there already: by the role with both reports, and by the module alone."""
    return awx.role(5 * size.images, size.rounds, size.limit(1.3))


def runner(size: Size) -> list[Figure]:
    """A list of which everything is imported, by ansible-runner as AWX does it; the report has all images."""
    return awx.runner(25 * size.images)


CASES: dict[str, Callable[[Size], list[Figure]]] = {
    "single": single,
    "images": images,
    "bulk": bulk,
    "refused": refused,
    "peers": peers,
    "growth": growing,
    "role": role,
    "runner": runner,
}
