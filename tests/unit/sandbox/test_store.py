# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A registry's content: the index, and the Distribution process that holds the bytes."""
from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tests.sandbox import images
from tests.sandbox.images import digest_of
from tests.sandbox.store import UNLOCKED, Store, dotnet_time

Work = Callable[[Store, Store], Awaitable[None]]


def with_stores(root: Path, work: Work) -> None:
    """Run ``work`` with two running stores."""

    async def run() -> None:
        one, two = Store("one", root / "one"), Store("two", root / "two")
        await asyncio.gather(one.start(), two.start())
        try:
            await work(one, two)
        finally:
            await asyncio.gather(one.stop(), two.stop())

    asyncio.run(run())


async def status(store: Store, path: str) -> int:
    accept = ", ".join((images.OCI_INDEX, images.OCI_MANIFEST))
    async with store.request("GET", path, headers={"Accept": accept}) as reply:
        await reply.read()
        return reply.status


def test_a_copy_brings_everything_and_distribution_serves_it(tmp_path: Path) -> None:
    image = images.index(1)

    async def work(one: Store, two: Store) -> None:
        await one.add("a/b", [(image, ["1", "2"])])
        await two.copy_from(one, "a/b", image.digest, "c", ["new"])
        assert {n: t.digest for n, t in two.tags["c"].items()} == {"new": image.digest}
        assert set(two.manifests["c"]) == {part.digest for part in image.walk()}
        for part in image.walk():
            data, media_type = await two.get_manifest("c", part.digest)
            assert (data, media_type) == (part.data, part.media_type)
            for digest, blob in part.blobs.items():
                async with two.request("GET", f"/v2/c/blobs/{digest}") as reply:
                    assert await reply.read() == blob
        entry = two.manifests["c"][image.digest]
        assert entry.imported and entry.attrs == UNLOCKED
        assert entry.created > one.manifests["a/b"][image.digest].created
        assert [p["digest"] for p in entry.platforms] == [c.digest for c in image.children]

    with_stores(tmp_path, work)


def test_a_copy_without_children_is_an_index_of_nothing(tmp_path: Path) -> None:
    image = images.index(1)

    async def work(one: Store, two: Store) -> None:
        await one.add("a", [(image, ["1"])])
        await two.copy_from(one, "a", image.digest, "a", ["1"], skip_children=True)
        assert list(two.manifests["a"]) == [image.digest]
        assert await status(two, f"/v2/a/manifests/{image.digest}") == 200
        assert await status(two, f"/v2/a/manifests/{image.children[0].digest}") == 404
        one.lose_manifest("a", image.children[0].digest)
        with pytest.raises(KeyError):
            await two.copy_from(one, "a", image.digest, "b")
        assert "b" not in two.repo_times

    with_stores(tmp_path, work)


def test_sizes_are_those_that_azure_counts(tmp_path: Path) -> None:
    image = images.index(1, platforms=("linux/amd64", "linux/arm64"), attestations=False)

    async def work(one: Store, _two: Store) -> None:
        await one.add("a", [(image, ["1"])])
        entries = one.manifests["a"]
        for child in image.children:
            entry = entries[child.digest]
            assert entry.size == len(child.data)
            assert entry.image_size == len(child.data) + sum(map(len, child.blobs.values()))
            assert (entry.os, entry.config_media_type) == ("linux", images.OCI_CONFIG)
        assert entries[image.digest].image_size == len(image.data) + sum(
            entries[c.digest].image_size for c in image.children
        )
        assert entries[image.digest].architecture is None

    with_stores(tmp_path, work)


def test_what_is_deleted_is_gone_from_distribution_too(tmp_path: Path) -> None:
    first, second = images.single(1), images.single(2)

    async def work(one: Store, _two: Store) -> None:
        await one.add("a", [(first, ["1", "2"]), (second, ["3"])])
        await one.add("a/below", [(first, ["1"])])
        one.lose_manifest("a", second.digest)
        assert one.resolve("a", "3") == second.digest and one.manifest("a", "3") is None
        one.delete_manifest("a", first.digest)
        assert set(one.tags["a"]) == {"3"}
        assert await status(one, f"/v2/a/manifests/{first.digest}") == 404
        one.delete_repository("a")
        assert one.repositories() == ["a/below"]
        assert await status(one, f"/v2/a/below/manifests/{first.digest}") == 200
        assert await status(one, f"/v2/a/blobs/{next(iter(first.blobs))}") == 404
        one.clear()
        await one.add("a", [(first, ["1"])])  # nothing remembered stands in the way of a second life
        assert await status(one, f"/v2/a/manifests/{first.digest}") == 200

    with_stores(tmp_path, work)


def test_tags_and_their_order(tmp_path: Path) -> None:
    store = Store("still", tmp_path)  # the index needs no process
    for moment, name in enumerate(("b", "c", "a")):
        store.set_tag("r", name, f"sha256:{name}", moment)
    assert [t.name for t in store.sorted_tags("r")] == ["a", "b", "c"]
    assert [t.name for t in store.sorted_tags("r", "timeasc")] == ["b", "c", "a"]
    moved = store.set_tag("r", "b", "sha256:a", 9)
    assert (moved.created, moved.updated) == (0, 9)
    assert [t.name for t in store.sorted_tags("r", "timedesc")] == ["b", "a", "c"]
    assert store.tags_by_digest("r") == {"sha256:a": ["a", "b"], "sha256:c": ["c"]}
    store.delete_tag("r", "b")
    assert store.tags_by_digest("r") == {"sha256:a": ["a"], "sha256:c": ["c"]}


def test_referrers(tmp_path: Path) -> None:
    built = images.signed(1)

    async def work(one: Store, _two: Store) -> None:
        await one.add("a", [(built.image, ["1"])], now=10)
        await one.add("a", [(extra, [tag] if tag else []) for tag, extra in built.extras], now=20)
        found = one.referrers("a", built.image.digest)
        assert sorted(e.artifact_type or str(e.config_media_type) for e in found) == [
            images.SBOM_TYPE,
            images.COSIGN_TYPE,
        ]
        assert len(one.referrers("a", built.image.children[0].digest)) == 1
        assert one.referrers("a", built.image.digest, arrived_before=19) == []
        assert one.referrers("a", digest_of(b"unknown")) == []

    with_stores(tmp_path, work)


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (1_623_438_698_700_106_300, "2021-06-11T19:11:38.7001063Z"),
        (1_623_438_698_700_000_000, "2021-06-11T19:11:38.7Z"),
        (1_623_438_698_000_000_099, "2021-06-11T19:11:38Z"),
    ],
)
def test_times(nanoseconds: int, text: str) -> None:
    assert dotnet_time(nanoseconds) == text


def test_a_registry_that_does_not_start_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.sandbox.distribution.REGISTRY", "/bin/false")
    with pytest.raises(RuntimeError, match="docker-registry for x did not start"):
        asyncio.run(Store("x", tmp_path).start())
