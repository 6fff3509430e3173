# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What it costs to check who signed each image, and what a lock file saves."""
from __future__ import annotations

import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from tests.signing import BUNDLE, IDENTITY, ISSUER, Sigstore, b64, key_bundle, new_key, public_pem

from .lab import HUB, TARGET, Content, Lab, entries
from .measure import Figure

SIGNED = "mcr.microsoft.com"  # a source with signatures as referrers


def signatures(images: int, rounds: int, limit: float | None) -> list[Figure]:
    """Everything is there already; ``limit``: how many times as long as without ``signed_by`` it may take with it."""
    key, sigstore = new_key(), Sigstore()
    leaf = sigstore.certify(key)
    keyless = {"issuer": ISSUER, "identity": IDENTITY, "trust_root": sigstore.trust_root()}
    kinds: dict[str, tuple[dict[str, Any], Callable[[str], dict[str, Any]]]] = {
        "by a key": ({"key": public_pem(key)}, lambda digest: key_bundle(digest, key)),
        "keyless": (keyless, lambda digest: sigstore.bundle(digest, key, leaf)),
    }
    figures = []
    for kind, (signer, sign) in kinds.items():
        with Lab.open() as lab:
            content: Content = {host: lab.sandbox.bulk(host, images, prefix="team/app") for host in (TARGET, SIGNED)}[SIGNED]
            for repository, tags in content.items():
                for digest in tags.values():
                    text = b64(json.dumps(sign(digest)).encode())
                    artifact = {"content": text, "media_type": BUNDLE, "artifact_type": BUNDLE}
                    lab.sandbox.push(SIGNED, repository, kind="artifact", subject=digest, **artifact)
            runs = []
            for _round in range(rounds):
                plain = lab.mirror(entries(content, SIGNED), changed=False)
                runs.append((plain, lab.mirror(entries(content, SIGNED), changed=False, defaults={"signed_by": [signer]})))
        without, found = (median(run.seconds for run in several) for several in zip(*runs))
        vetted = runs[0][1]
        most = limit and round(limit * without, 2)
        figures += [
            Figure(f"{images} images signed {kind}, nothing to do", found, "s", most, ("without signed_by", without), vetted.sandbox),
            Figure("… requests", vetted.requests / images, "requests per image"),
        ]
    return figures


def locked(images: int, rounds: int, limit: float | None) -> list[Figure]:
    """Everything is there already; ``limit``: how many times as long as without a lock file it may take with it."""
    with Lab.open() as lab, tempfile.TemporaryDirectory(prefix="acr-lock-") as name:
        content: Content = {host: lab.sandbox.bulk(host, images, prefix="library/app") for host in (TARGET, HUB)}[HUB]
        listed, file = entries(content, "docker.io"), str(Path(name) / "images.lock.yml")
        lab.mirror(listed, changed=True, lock_file=file, lock="update")
        runs = []
        for _round in range(rounds):
            runs.append((lab.mirror(listed, changed=False), lab.mirror(listed, changed=False, lock_file=file)))
    without, found = (median(run.seconds for run in several) for several in zip(*runs))
    free, bound = runs[0]
    most = limit and round(limit * without, 2)
    return [
        Figure(f"{images} images of a lock file, nothing to do", found, "s", most, ("without it", without), bound.sandbox),
        Figure("… requests", bound.requests, "requests", peer=("without it", free.requests)),
    ]
