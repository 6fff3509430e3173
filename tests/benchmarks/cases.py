# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is measured. Each case has a sandbox of its own and returns its figures."""
from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from statistics import median
from typing import Any

from . import awx, growth, traffic, vetted
from .lab import HUB, PACE, ROUND_TRIP, SOURCE, TARGET, Content, Lab, Measured, entries
from .measure import Figure

IMAGE = "docker.io/library/hello-world:latest"  # multi-architecture, with attestations
REFUSING = "mcr.microsoft.com"  # a source that is made to refuse
CONCURRENCY = 16  # acr_mirror's default
FORKS = 8
BURST, RATE = 200, 10  # imports that Azure Resource Manager takes at once, and then a second


@dataclass(frozen=True)
class Size:
    """How much is done. ``bulk``, ``many``: (repositories, tags each, digests each); ``forked``: images to each registry."""

    rounds: int
    images: int
    bulk: tuple[tuple[int, int, int], ...]
    many: tuple[int, int, int]
    forked: int
    loop: int
    growth: tuple[int, ...]
    full: bool

    def limit(self, value: float) -> float | None:
        """A goal, which only the full size has."""
        return value if self.full else None


# 26 × 57 + 4 × 56 = 1,706 tags, 30 × 20 = 600 digests
FULL = Size(3, 200, ((26, 57, 20), (4, 56, 20)), (1000, 50, 20), 120, 10, (10, 100, 1000, 5000), True)
QUICK = Size(1, 20, ((2, 57, 20), (1, 56, 20)), (20, 50, 20), 5, 3, (10, 100), False)


def timed(what: str, run: Measured, limit: float | None = None, peer: tuple[str, float] | None = None) -> Figure:
    """A run's seconds."""
    return Figure(what, run.seconds, "s", limit, peer, run.sandbox)


def single(size: Size) -> list[Figure]:
    """One multi-architecture image from Docker Hub, then the same again with nothing to do. Medians of three rounds."""
    empty, imported, again, above = [], [], [], []
    with Lab.open() as lab:
        for number in range(size.rounds):
            task = {
                "registryops.acr.acr_import": {"registry": TARGET, "source": IMAGE, "target": f"round/{number}:latest"}
            }
            empty.append(lab.play().seconds)
            imported.append(lab.play(task, changed=True))
            again.append(lab.play(task, changed=False))
            above.append((imported[-1].seconds - empty[-1] - PACE["import_seconds"], again[-1].seconds - empty[-1]))
        with lab.azure_cli() as az:
            peer = az.import_image(IMAGE, "az/hello-world:latest")
            version = az.version()
    nothing = ("empty playbook", median(empty))
    by_import, by_nothing = (median(values) for values in zip(*above))
    first, second = (sorted(runs, key=attrgetter("seconds"))[size.rounds // 2] for runs in (imported, again))
    return [
        Figure("empty playbook", median(empty), "s"),
        Figure(f"az acr import, one image (azure-cli {version})", peer, "s"),
        timed("acr_import, one image: whole playbook", first, peer=("az acr import", peer)),
        Figure("… above an empty playbook and the import", by_import, "s", 1.2),
        timed("the same again, nothing to do", second, peer=nothing),
        Figure("… above an empty playbook", by_nothing, "s", 0.9),
    ]


def images(size: Size) -> list[Figure | str]:
    """Distinct images from Docker Hub, each in its own repository, so that nothing can be shared."""
    with Lab.open() as lab:
        content = lab.sandbox.bulk(HUB, size.images, prefix="library/app")
        empty = lab.empty()
        found = lab.mirror(entries(content, "docker.io"), changed=True)
        lab.check(content)
        asked = traffic.requests(found.log, lab.target, lab.landed())
        again = lab.mirror(entries(content, "docker.io"), changed=False)
    above = found.seconds - empty - PACE["import_seconds"]
    return [
        timed(f"{size.images} distinct images, no write limit", found),
        Figure("… above an empty playbook and one import", above, "s", size.limit(2.0)),
        Figure("… requests", found.requests / size.images, "requests per image", size.limit(4.2)),
        timed("the same again, nothing to do", again),
        Figure("… requests", again.requests / size.images, "requests per image", size.limit(2.2)),
        "\n".join(["The requests of the first run:", "", *asked]),
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
        empty = lab.empty()
        found = lab.mirror(entries(content, lab.source), changed=True)
        lab.check(content)
        again = lab.mirror(entries(content, lab.source), changed=False)
    with Lab.open(limits="azure") as lab:
        fill(lab, TARGET, size)
        fill(lab, HUB, size)
        public = lab.mirror(entries(content, "docker.io"), changed=False)
        target_requests, source_requests = public.asked(lab.target), public.asked(HUB, "auth.docker.io")
    repositories, tags = len(content), sum(map(len, content.values()))
    digests = len({digest for found_tags in content.values() for digest in found_tags.values()})
    name = f"{tags:,} tags, {digests} digests, {repositories} repositories, Azure's limits"
    allowed = wait(digests) + PACE["import_seconds"]
    alone = source_requests * ROUND_TRIP / CONCURRENCY
    return [
        timed(name, found, peer=("what the write limit allows", allowed)),
        Figure("… over what the write limit, one import and an empty playbook allow", found.seconds / (allowed + empty), "×",
               size.limit(1.04)),
        Figure("… memory of the module", found.mebibytes, "MiB", 150),
        Figure("… requests", found.requests, "requests"),
        timed("the same again, nothing to do, Azure source", again, size.limit(4)),
        Figure("… requests", again.requests / repositories, "requests per repository", 6),
        timed("the same again, nothing to do, public source", public),
        Figure("… over the source's bare round trips, 16 at once", public.seconds / alone, "×", size.limit(1.8)),
        Figure("… requests to the source", source_requests, "requests", peer=("one for each tag", tags)),
        Figure("… requests to the target", target_requests / repositories, "requests per repository", 6),
    ]


def wait(imports: int) -> float:
    """The seconds that Azure Resource Manager's limit makes so many imports take, at the very least."""
    return max(0, imports - BURST) / RATE


def many(size: Size) -> list[Figure]:
    """Tags of all repositories of an Azure registry, chosen by one entry, that another registry has already."""
    repositories, tags, digests = size.many
    with Lab.open(limits="azure") as lab:
        for host in (SOURCE, TARGET):
            lab.sandbox.bulk(host, repositories, tags, digests)
        entry = {"source_registry": lab.source, "repositories": {"include": ["bulk/*"]}, "tags": {"include": ["*"]}}
        found = lab.mirror([entry], changed=False)
    return [
        timed(f"{repositories * tags:,} tags in {repositories:,} repositories, Azure source, nothing to do", found, size.limit(25)),
        Figure("… memory of the module", found.mebibytes, "MiB", 300),
        Figure("… requests", found.requests / repositories, "requests per repository", 3),
    ]


def forks(size: Size) -> list[Figure]:
    """Eight registries of one subscription at once, as hosts of one play; each run learns of Azure's limits by itself."""
    with Lab.open(limits="azure") as lab:
        registries = [f"benchfork{number}" for number in range(FORKS)]
        for registry in registries:
            lab.sandbox.create_registry(registry)
        content = lab.sandbox.bulk(SOURCE, size.forked)
        empty = lab.empty(registries)
        found = lab.mirror(entries(content, lab.source), True, registries=registries)
        for registry in registries:
            lab.check(content, registry)
    allowed = wait(FORKS * size.forked) + PACE["import_seconds"] + empty
    refused = [entry for entry in found.log if entry["status"] == 429]
    return [
        timed(f"{size.forked} images into each of {FORKS} registries", found),
        Figure("… over what the write limit, one import and an empty playbook allow", found.seconds / allowed, "×",
               size.limit(1.15)),
        Figure("… requests that were refused", 100 * len(refused) / found.requests, "%", size.limit(2)),
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
            landed.append(lab.landed() - began)
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


def growing(size: Size) -> list[Figure | str]:
    """From few images to many, from one Azure registry to another, without limits."""
    points = [growth.measure(count) for count in size.growth]
    if size.full:
        growth.draw(points)
    figures: list[Figure] = []
    for point in points:
        first, again = point.first, point.again
        figures += [
            timed(f"{point.images:,} images, up to {growth.TAGS} to a repository: first run", first),
            Figure("… requests", first.requests, "requests"),
            timed("the same again, nothing to do", again),
            Figure("… requests", again.requests, "requests"),
        ]
    return [*figures, "![Seconds and requests by number of images](growth.svg)"]


def role(size: Size) -> list[Figure]:
    """A list of a public source of which all is there already: by the role with both reports, and by the module alone."""
    return awx.role(5 * size.images, size.rounds, size.limit(1.3))


def runner(size: Size) -> list[Figure]:
    """A list of which everything is imported, by ansible-runner as AWX does it; the report has all images."""
    return awx.runner(25 * size.images)


def signed(size: Size) -> list[Figure]:
    """Signed images that are all there already, with and without a look at their signatures."""
    return vetted.signatures(size.images, size.rounds, size.limit(1.5))


def locked(size: Size) -> list[Figure]:
    """Images of Docker Hub that are all there already, with and without a lock file."""
    return vetted.locked(size.images, size.rounds, size.limit(1.0))


CASES: dict[str, Callable[[Size], Sequence[Figure | str]]] = {
    "single": single,
    "images": images,
    "bulk": bulk,
    "refused": refused,
    "many": many,
    "forks": forks,
    "peers": peers,
    "growth": growing,
    "role": role,
    "runner": runner,
    "signed": signed,
    "locked": locked,
}
