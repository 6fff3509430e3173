# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The manifest of one platform, in images of every shape."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ansible_collections.registryops.acr.plugins.module_utils._errors import AcrError
from ansible_collections.registryops.acr.plugins.module_utils._manifest import Descriptor
from ansible_collections.registryops.acr.plugins.module_utils._platforms import MOST_OPENED, platform_manifest
from ansible_collections.registryops.acr.plugins.module_utils._reference import parse_platform
from tests.unit.plugins.held import IMAGE, INDEX, HeldRegistry, digest

A, B = digest(1), digest(2)
CONFIG = "application/vnd.oci.image.config.v1+json"


@pytest.fixture
def quay() -> HeldRegistry:
    return HeldRegistry("quay.io", team_app={"1.0": A, "latest": B})


def find(registry: HeldRegistry, wanted: str, tag: str = "1.0") -> Descriptor:
    manifest = registry.manifest("team/app", tag)
    return platform_manifest(registry, f"quay.io/team/app:{tag}", "team/app", manifest, parse_platform(wanted))


def refusal(registry: HeldRegistry, wanted: str, tag: str = "1.0") -> str:
    with pytest.raises(AcrError) as caught:
        find(registry, wanted, tag)
    assert caught.value.reason == "not_found"
    return str(caught.value)


def platform(os: str, architecture: str, number: int, **more: Any) -> dict[str, Any]:
    return {
        "digest": digest(number), "mediaType": IMAGE, "size": 7, "platform": {"os": os, "architecture": architecture, **more},
    }  # fmt: skip


CHILDREN = [
    platform("linux", "arm", 10, variant="v7"),
    platform("linux", "arm64", 11, variant="v8"),
    platform("windows", "amd64", 12, **{"os.version": "10.0.20348.1"}),
    platform("unknown", "unknown", 13),
    {"digest": digest(14), "mediaType": IMAGE, "platform": None},
]


@pytest.mark.parametrize(
    ("wanted", "number"),
    [("linux/arm64", 11), ("linux/arm64/v8", 11), ("linux/arm", 10), ("windows/amd64", 12), ("windows(10.0.20348)/amd64", 12)],
)
def test_a_platform_of_an_index(quay: HeldRegistry, wanted: str, number: int) -> None:
    quay.manifests[A] = (INDEX, {"manifests": CHILDREN})
    assert find(quay, wanted) == Descriptor(digest(number), IMAGE, 7)


def test_a_platform_that_an_index_lacks(quay: HeldRegistry) -> None:
    quay.manifests[A] = (INDEX, {"manifests": CHILDREN})
    quay.manifests[B] = (INDEX, {"manifests": CHILDREN[3:]})
    error = refusal(quay, "linux/s390x")
    offers = "linux/arm, linux/arm64, windows(10.0.20348.1)/amd64"
    assert error == f"quay.io/team/app:1.0 has no image for linux/s390x; it has {offers}."
    error = refusal(quay, "linux/s390x", "latest")
    assert error.endswith("it has none at all.")
    asked = {what[2] for what in quay.asked if what[0] == "manifest"}
    assert asked == {"1.0", "latest", digest(14)}, "only what doesn't say its platform is opened, and no attestation"


def test_e7_a_platform_of_an_index_that_an_index_lists(quay: HeldRegistry) -> None:
    nested = {"digest": digest(30), "mediaType": INDEX}
    quay.manifests[A] = (INDEX, {"manifests": [nested, {"digest": digest(31)}]})
    quay.manifests[digest(30)] = (INDEX, {"manifests": CHILDREN})
    quay.manifests[digest(31)] = (INDEX, {"manifests": [platform("linux", "s390x", 32)]})  # without a media type in its parent
    for wanted, number in (("linux/arm64", 11), ("linux/s390x", 32)):
        assert find(quay, wanted).digest == digest(number)
    error = refusal(quay, "linux/386")
    offers = "linux/arm, linux/arm64, windows(10.0.20348.1)/amd64, linux/s390x"
    assert error == f"quay.io/team/app:1.0 has no image for linux/386; it has {offers}."


def test_e7_a_platform_that_only_the_image_itself_states(quay: HeldRegistry) -> None:
    """An index need not say for what its images are."""
    for number, media_type in ((40, "application/vnd.dev.other"), (41, CONFIG), (42, CONFIG)):
        quay.manifests[digest(number)] = (IMAGE, {"config": {"digest": digest(number + 10), "mediaType": media_type}})
    quay.manifests[A] = (INDEX, {"manifests": [{"digest": digest(number), "mediaType": IMAGE} for number in (39, 40, 41, 42)]})
    machines = {digest(51): "arm64", digest(52): "amd64"}
    quay.blob = lambda repository, found: json.dumps({"os": "linux", "architecture": machines[found]}).encode()
    assert find(quay, "linux/amd64").digest == digest(42)
    error = refusal(quay, "linux/386")
    assert error.endswith("has no image for linux/386; it has linux/arm64, linux/amd64.")


def test_a_single_image_may_be_of_the_platform(quay: HeldRegistry) -> None:
    quay.manifests[A] = (IMAGE, {"config": {"digest": digest(5)}})
    quay.blob = lambda repository, found: json.dumps({"os": "linux", "architecture": "amd64", "at": found}).encode()
    assert find(quay, "linux/amd64").digest == A
    error = refusal(quay, "linux/arm64")
    assert error == "quay.io/team/app:1.0 is a single image for linux/amd64, not for linux/arm64."


def test_not_more_than_some_images_are_opened_to_find_out_their_platform(quay: HeldRegistry) -> None:
    children = [{"digest": digest(number), "mediaType": IMAGE} for number in range(100, 100 + MOST_OPENED + 1)]
    for child in children:
        quay.manifests[child["digest"]] = (IMAGE, {"config": {"digest": digest(5), "mediaType": CONFIG}})
    quay.manifests[A] = (INDEX, {"manifests": children})
    quay.blob = lambda repository, found: b'{"os": "linux", "architecture": "arm64"}'
    assert refusal(quay, "linux/amd64").endswith("it has linux/arm64.")
    assert sum(what[0] == "manifest" for what in quay.asked) == 1 + MOST_OPENED


def test_an_image_of_an_index_that_can_not_be_read_is_not_taken_for_absent(quay: HeldRegistry) -> None:
    quay.manifests[A] = (INDEX, {"manifests": [{"digest": digest(40), "mediaType": IMAGE}]})
    quay.fails = {("manifest", "team/app", digest(40)): AcrError("denied", "no.")}
    with pytest.raises(AcrError, match="no."):
        find(quay, "linux/amd64")
