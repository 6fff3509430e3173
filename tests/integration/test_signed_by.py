# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Only what somebody who is accepted has signed comes in."""
from __future__ import annotations

import json
from typing import Any

import pytest

from tests.playbook import run_tasks
from tests.sandbox.handle import Sandbox
from tests.signing import (
    BUNDLE,
    IDENTITY,
    ISSUER,
    NOTARY,
    SIGNED_TIME,
    SIMPLE,
    SUBJECT,
    Notary,
    Sigstore,
    b64,
    claims,
    new_key,
    public_pem,
    sign,
)

DEV = "contosodev.azurecr.test"


def attach(sandbox: Sandbox, repository: str, content: Any, media_type: str, tag: str = "", **options: Any) -> None:
    """Puts a signature beside an image."""
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    sandbox.push("contosodev", repository, [tag] if tag else [], "artifact", content=b64(raw), media_type=media_type, **options)


@pytest.mark.any_version  # sigstore needs a newer urllib3 than the oldest; tests/fidelity has its own oldest version
def test_what_is_signed_comes_in_and_nothing_else(sandbox: Sandbox) -> None:
    key, notary, sigstore = new_key(), Notary(), Sigstore()
    names = ("by/key", "by/identity", "by/notation", "by/nobody", "by/another", "by/throttled")
    digests = {name: sandbox.push("contosodev", name, ["1"], "index", seed)["digest"] for seed, name in enumerate(names)}
    for name, signer in (("by/key", key), ("by/another", new_key())):
        payload = claims(digests[name], f"{DEV}/{name}")
        annotations = {"dev.cosignproject.cosign/signature": b64(sign(signer, payload))}
        attach(sandbox, name, payload, SIMPLE, digests[name].replace(":", "-") + ".sig", annotations=annotations)
    signed = digests["by/identity"]
    bundle = sigstore.bundle(signed, key, sigstore.certify(key))
    attach(sandbox, "by/identity", bundle, BUNDLE, subject=signed, artifact_type=BUNDLE)
    signed = digests["by/notation"]
    attach(sandbox, "by/notation", notary.cose(signed), "application/cose", subject=signed, artifact_type=NOTARY)
    busy = {"status": 429, "headers": {"Retry-After": "3600"}, "body": "{}"}
    sandbox.knobs(faults=[{"match": {"class": "^referrers$", "path": "by/throttled"}, "action": busy}])
    keyless = {"issuer": ISSUER, "identity": IDENTITY.replace("v1", "v*"), "trust_root": json.dumps(sigstore.trust_root())}
    accepted = [{"key": public_pem(key), "repository": DEV + "/*"}, keyless, {"certificate": notary.pem, "subject": SUBJECT}]
    mirror = {
        "registry": "contosoprod",
        "defaults": {"source_registry": "contosodev", "signed_by": accepted},
        "images": [{"source": f"{name}:1"} for name in names],
    }
    again = [*mirror["images"][:3], {"source": "by/throttled:1", "signed_by": []}]
    run = run_tasks("acr_mirror", [mirror, {**mirror, "images": again}], sandbox.env)
    first, second = (task["result"] for task in run.tasks)
    assert "results" in first, run.output
    assert [row["action"] for row in first["results"]] == ["import"] * 3 + ["failed"] * 3, run.output
    assert [row["reason"] for row in first["results"][3:]] == ["unsigned", "unsigned", "throttled"]
    assert [row["action"] for row in second["results"]] == ["none"] * 3 + ["import"], run.output
    for result in (first, second):
        assert [row["signature"] for row in result["results"][:3]] == [
            {"kind": "key", "identity": result["results"][0]["signature"]["identity"], "time": None},
            {"kind": "keyless", "identity": IDENTITY, "time": SIGNED_TIME},
            {"kind": "notation", "identity": SUBJECT, "time": SIGNED_TIME},
        ]
    nobody, another, throttled = (row["error"] for row in first["results"][3:])
    assert nobody.startswith(f"{DEV}/by/nobody:1 ({digests['by/nobody']}) isn't signed by the key sha256:")
    assert nobody.endswith(f" or {SUBJECT}, so it wasn't imported. No signature of it was found.")
    assert "It has a signature, but its signature is not of this key" in another
    assert "can't be known, so it wasn't imported: " in throttled
    assert [name for name in names if sandbox.tags("contosoprod", name)] == [*names[:3], names[5]]


def test_an_image_that_the_registry_has_is_vetted_too_and_left_alone(sandbox: Sandbox) -> None:
    one = {"registry": "contosoprod", "source": "docker.io/library/hello-world:latest"}
    strict = {**one, "signed_by": [{"key": public_pem(new_key())}]}
    run = run_tasks("acr_import", [one, strict, {**strict, "signed_by": [{"key": "cosign.pub"}]}], sandbox.env)
    there, unsigned, wrong = (task["result"] for task in run.tasks)
    assert there["changed"] and unsigned["reason"] == "unsigned" and not unsigned["changed"]
    assert unsigned["msg"].endswith(" library/hello-world:latest has it already, and was left alone.")
    assert wrong["msg"] == "signed_by: key isn't a public key in PEM (-----BEGIN PUBLIC KEY-----)."
    assert sandbox.tags("contosoprod", "library/hello-world") == {"latest": there["digest"]}
