# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Only vetted images come in, while sources lie about signatures, throttle, swap images and replay old signatures.

Which digests somebody who is accepted has signed, only the campaign knows. Nothing else may be in a target after any run, and a
signed image may be late, but must never be called unsigned.
"""
from __future__ import annotations

import json
import random
import re
import signal
from base64 import urlsafe_b64encode
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tests.chaos.rows import DEV, TARGET, VENDOR, Row, Size
from tests.playbook import Run, run_module
from tests.sandbox import images
from tests.sandbox.handle import Sandbox
from tests.signing import (
    BUNDLE,
    IDENTITY,
    ISSUER,
    NOTARY,
    NOW,
    SIMPLE,
    SUBJECT,
    Notary,
    Sigstore,
    b64,
    claims,
    key_bundle,
    new_key,
    public_pem,
    sign,
    statement,
    target,
)

# Where images come from, as the sandbox and as entries name it, and whether it has the referrers API.
HOSTS = {
    "contosodev": (DEV, True),
    "mcr.microsoft.com": ("mcr.microsoft.com", True),
    "bearer.vendor.test": (VENDOR, False),
    "basic.vendor.test": ("basic.vendor.test", False),
}
CREDENTIALS = [{"registry": host, "username": "vendor", "password": "vendorpass"} for host in (VENDOR, "basic.vendor.test")]
WAYS = {"key": "key", "key bundle": "key", "bundle": "keyless", "certificate": "keyless", "jws": "notation", "cose": "notation"}
TAGS = ("key", "certificate")  # these are found by a tag, and name a repository
SIGNATURE = "dev.cosignproject.cosign/signature"
INDEX = {"platforms": ["linux/amd64", "linux/arm64/v8"], "attestations": False}
QUARANTINE = {"min_age": "1h", "prefix": "quarantine/"}
ANY = "any"  # of what is vetted
LATE = {"throttled", "unavailable", "denied", "protocol"}  # why a signed image may have to wait for a later run


# ---- who signs --------------------------------------------------------------------------------------------------------


class Hand:
    """Somebody who signs in all ways."""

    def __init__(self, sigstore: Sigstore, authority: Notary, identity: str = IDENTITY, issuer: str = ISSUER, subject: str = SUBJECT):
        self.key, self.bundle_key, self.sigstore, self.authority = new_key(), new_key(), sigstore, authority
        self.leaf_key = new_key()
        self.leaf = sigstore.certify(self.leaf_key, identity, issuer)
        self.notary = Notary(subject, by=authority)

    def accepted(self, repository: str) -> list[dict[str, Any]]:
        """The option ``signed_by``. *repository*: the pattern of those that signatures have to name, if they can name any."""
        keyless = {"issuer": ISSUER, "identity": IDENTITY, "trust_root": self.sigstore.trust_root()}
        return [
            {"key": public_pem(self.key), "repository": repository},
            {"key": public_pem(self.bundle_key)},
            keyless,
            {"certificate": self.authority.pem, "subject": SUBJECT},
        ]

    def sign(self, way: str, digest: str, repository: str, **options: Any) -> dict[str, Any]:
        """A signature, as options of `images.artifact`. *options*: of the statement or the envelope."""
        if way in TAGS:
            payload = claims(digest, repository)
            by_key = {SIGNATURE: b64(sign(self.key, payload))}
            notes = by_key if way == "key" else self.sigstore.simple(payload, self.leaf_key, self.leaf)
            return _artifact(payload, SIMPLE, annotations=notes)
        if way == "key bundle":
            return _artifact(key_bundle(digest, self.bundle_key, **options), BUNDLE, artifact_type=BUNDLE)
        if way == "bundle":
            return _artifact(self.sigstore.bundle(digest, self.leaf_key, self.leaf, **options), BUNDLE, artifact_type=BUNDLE)
        if way == "jws":
            return _artifact(self.notary.jws(digest, **options), "application/jose+json", artifact_type=NOTARY)
        return _artifact(self.notary.cose(digest, **options), "application/cose", artifact_type=NOTARY)


def _artifact(content: Any, media_type: str, **options: Any) -> dict[str, Any]:
    raw = content if isinstance(content, bytes) else json.dumps(content).encode()
    return {"content": raw, "media_type": media_type, **options}


def rewritten(way: str, made: dict[str, Any], old: str, new: str, repository: str) -> dict[str, Any]:
    """A signature in which the digest that was signed is replaced."""
    content = made["content"]
    if way in TAGS:
        return {**made, "content": claims(new, repository)}
    if way == "cose":
        return {**made, "content": content.replace(old.encode(), new.encode())}
    document = json.loads(content)
    if way == "jws":
        document["payload"] = urlsafe_b64encode(target(new)).decode().rstrip("=")
    else:
        document["dsseEnvelope"]["payload"] = b64(statement(new))
    return {**made, "content": json.dumps(document).encode()}


# ---- images -----------------------------------------------------------------------------------------------------------


@dataclass
class Image:
    """A source tag, and the target that is called the same. *trick*: what its source does to get something in; empty if it is
    honest. *digest*: what has to come in in the end, or ANY; empty if that is nothing. *vetted*: what may come in, now or
    earlier. *may_fail*: it may come in, or end with what it *says*."""

    host: str
    repository: str
    tag: str
    kind: str
    way: str
    trick: str = ""
    digest: str = ""
    vetted: set[str] = field(default_factory=set)
    reason: str = "unsigned"
    says: str = ""
    may_fail: bool = False
    options: dict[str, Any] = field(default_factory=dict)  # of its entry
    faults: list[dict[str, Any]] = field(default_factory=list)  # how its source answers, in every run

    @property
    def name(self) -> str:
        """As entries and signatures call its repository."""
        return f"{HOSTS[self.host][0]}/{self.repository}"

    def answers(self, what: str, action: dict[str, Any], method: str = "") -> None:
        """Has its source answer this to reads of *what* (a path in its repository)."""
        match = {"host": re.escape(self.host), "path": f"/{self.repository}/{what}", "method": method}
        self.faults.append({"match": match, "action": {"status": 200, **action}})


class World:
    """All images and signatures, and what is so in truth."""

    def __init__(self, sandbox: Sandbox, seed: int, size: Size) -> None:
        self.sandbox, self.size = sandbox, size
        self.chooser = random.Random(seed)
        self.prefix = f"vetted{seed}"
        self.number = seed * 1_000_000
        ours = Sigstore()
        authority = Notary("CN=authority,O=Contoso", authority=True)
        self.hand = Hand(ours, authority)
        self.forger = Hand(Sigstore(), Notary("CN=authority,O=Contoso", authority=True))
        self.impostors = [
            Hand(ours, authority, f"https://evil.test/?{IDENTITY}", subject="CN=release,O=Contoso,OU=Evil,C=US"),
            Hand(ours, authority, IDENTITY + "-evil", subject="CN=release2,O=Contoso,C=US"),
            Hand(ours, authority, issuer=ISSUER + ".evil", subject="CN=other,O=Contoso,C=US"),
        ]
        self.images: list[Image] = []
        self.blocked: list[str] = []
        self.allowed: dict[str, set[str]] = {}  # by repository of the target: all manifests that may be there
        honest = [*WAYS, *WAYS] if size.patient else [*WAYS]
        tricks = [trick for trick in TRICKS if size.patient or trick not in SLOW]
        all_ways = [trick for trick in EACH_WAY[: None if size.patient else 1] for _way in WAYS]
        for number, trick in enumerate([*honest, *all_ways, *tricks]):
            self._make(trick if number >= len(honest) else "")
        while len(self.images) < size.images:
            self._make("" if self.chooser.random() < 0.6 else self.chooser.choice(tricks))
        for host, short in (("contosodev", "dev"), ("mcr.microsoft.com", "mcr")) if size.patient else ():
            for number, trick in enumerate(["", "unsigned", "", "forged", "", "replayed"]):
                self._make(trick, host, f"{self.prefix}/selected-{short}", f"v{number}")

    def _make(self, trick: str, host: str = "", repository: str = "", tag: str = "1") -> None:
        chooser, number = self.chooser, len(self.images)
        host = host or chooser.choice([name for name, (_host, api) in HOSTS.items() if api or trick not in LISTINGS])
        way = list(WAYS)[number % len(WAYS)]
        image = Image(host, repository or f"{self.prefix}/r{number:03}", tag, chooser.choice(["single", "index"]), way, trick)
        self.images.append(image)
        if trick:
            TRICKS[trick](self, image)
            return
        if repository == "" and chooser.random() < 0.25:
            image.kind, image.options = "index", {"platform": "linux/amd64"}
        elif repository == "":
            image.options = chooser.choices([{}, {"quarantine": QUARANTINE}, {"referrers": True}], [6, 2, 2])[0]
        self.release(image)

    def push(self, host: str, repository: str, tag: str, kind: str, seed: int) -> str:
        """The digest of what is pushed; the same for the same kind and seed."""
        options = INDEX if kind == "index" else {}
        return str(self.sandbox.push(host, repository, [tag], kind, seed, **options)["digest"])

    def build(self, image: Image) -> str:
        """A new image under its tag; the digest."""
        self.number += 1
        return self.push(image.host, image.repository, image.tag, image.kind, self.number)

    def attach(self, image: Image, digest: str, made: dict[str, Any]) -> str:
        """Puts a signature beside the image *digest*; its own digest."""
        options = {**made, "content": b64(made["content"])}
        tags = [] if "artifact_type" in made else [digest.replace(":", "-") + ".sig"]
        if not tags:
            options |= {"subject": digest, "listed": not HOSTS[image.host][1]}
        return str(self.sandbox.push(image.host, image.repository, tags, "artifact", **options)["digest"])

    def signed(self, image: Image, digest: str) -> None:
        """Signs an image, which may come in from now on, with its signature."""
        signature = self.attach(image, digest, self.hand.sign(image.way, digest, image.name))
        self.allow(image, digest)
        self.allowed[image.repository].add(signature)

    def allow(self, image: Image, digest: str) -> None:
        there = self.sandbox.manifests(image.host, image.repository)
        if "platform" in image.options:
            digest = there[digest]["children"][0]
        image.vetted.add(digest)
        for repository in (image.repository, QUARANTINE["prefix"] + image.repository):
            self.allowed.setdefault(repository, set()).update([digest, *there[digest]["children"]])

    def release(self, image: Image) -> None:
        """Gives an honest image's tag a new digest, which is signed."""
        digest = self.build(image)
        before = set(image.vetted)
        self.signed(image, digest)
        (image.digest,) = image.vetted - before

    def change(self) -> None:
        """What happens between two runs: there are new releases, and tags that were honest get what nobody signed, or are back."""
        for image in self.images:
            if image.trick in ("", "went bad") and "quarantine" not in image.options and self.chooser.random() < 0.2:
                if self.chooser.random() < 0.7:
                    image.trick = ""
                    self.release(image)
                else:
                    image.trick, image.digest = "went bad", ""
                    _forged(self, image)

    def entries(self, some: list[Image]) -> list[dict[str, Any]]:
        selected = sorted({image.name for image in some if "/selected-" in image.name})
        return [
            *({"source": f"{image.name}:{image.tag}", **image.options} for image in some if image.name not in selected),
            *({"source": name, "tags": {"include": ["v*"]}} for name in selected),
        ]


# ---- tricks -----------------------------------------------------------------------------------------------------------


def _one_of(image: Image, *ways: str) -> str:
    """A way to sign instead of the image's own."""
    return ways[list(WAYS).index(image.way) % len(ways)]


def _unsigned(world: World, image: Image) -> None:
    image.says = "No signature of it was found"
    world.build(image)


def _replayed(world: World, image: Image) -> None:
    """The signature of an older image, which is good."""
    image.says = "it signs another image"
    older = world.build(image)
    world.signed(image, older)
    new = world.build(image)
    world.attach(image, new, world.hand.sign(image.way, older, image.name))


def _moved(world: World, image: Image) -> None:
    """Image and signature from another repository."""
    image.way, image.says = "key", "it was made for docker.io/other/app"
    digest = world.build(image)
    world.attach(image, digest, world.hand.sign(image.way, digest, "docker.io/other/app"))


def _forged(world: World, image: Image) -> None:
    """Signed by somebody with the same names, and other keys."""
    image.says = "It has a signature, but"
    digest = world.build(image)
    world.attach(image, digest, world.forger.sign(image.way, digest, image.name))


def _impostor(world: World, image: Image) -> None:
    """Signed by somebody whose name is nearly the wanted one, certified by the same authorities."""
    image.way = _one_of(image, "bundle", "certificate", "jws", "cose")
    image.says = "it is of"
    digest = world.build(image)
    world.attach(image, digest, world.chooser.choice(world.impostors).sign(image.way, digest, image.name))


def _rewritten(world: World, image: Image) -> None:
    """The signature of an older image, with the digest replaced."""
    image.says = "It has a signature, but"
    older = world.build(image)
    world.signed(image, older)
    new = world.build(image)
    made = world.hand.sign(image.way, older, image.name)
    world.attach(image, new, rewritten(image.way, made, older, new, image.name))


def _attested(world: World, image: Image) -> None:
    """Something is said of it, which isn't that it is good."""
    image.way, image.says = _one_of(image, "key bundle", "bundle"), "doesn't sign it"
    digest = world.build(image)
    world.attach(image, digest, world.hand.sign(image.way, digest, image.name, predicate="https://slsa.dev/provenance/v1"))


def _expired(world: World, image: Image) -> None:
    image.way, image.says = _one_of(image, "jws", "cose"), "it expired"
    digest = world.build(image)
    world.attach(image, digest, world.hand.sign(image.way, digest, image.name, expiry=NOW - 60))


def _child_signed(world: World, image: Image) -> None:
    """Of the index only one platform is signed."""
    image.kind, image.says = "index", "No signature of it was found"
    digest = world.build(image)
    child = world.sandbox.manifests(image.host, image.repository)[digest]["children"][0]
    world.attach(image, child, world.hand.sign(image.way, child, image.name))


def _phantom(world: World, image: Image) -> None:
    """A listing shows a signature that isn't there."""
    image.says = "can't be read.*does not exist"
    digest = world.build(image)
    image.answers(f"referrers/{digest}", _listing("sha256:" + "1" * 64))


def _borrowed(world: World, image: Image) -> None:
    """A listing shows another image's signature."""
    image.way, image.says = _one_of(image, "key bundle", "bundle", "jws", "cose"), "it signs another image"
    older = world.build(image)
    world.allow(image, older)
    found = world.attach(image, older, world.hand.sign(image.way, older, image.name))
    new = world.build(image)
    image.answers(f"referrers/{new}", _listing(found))


def _listing(digest: str) -> dict[str, Any]:
    entry = {"mediaType": images.OCI_MANIFEST, "digest": digest, "size": 2}
    body = {"schemaVersion": 2, "mediaType": images.OCI_INDEX, "manifests": [entry]}
    return {"headers": {"Content-Type": images.OCI_INDEX}, "body": json.dumps(body)}


def _downgraded(world: World, image: Image) -> None:
    """The bundle is gone, though a list may still have it, and what there is instead nobody accepts."""
    image.says = "It has a signature, but"
    digest = world.build(image)
    bundle = world.attach(image, digest, world.hand.sign("bundle", digest, image.name))
    world.sandbox.lose_manifest(image.host, image.repository, bundle)
    world.attach(image, digest, world.forger.sign("key", digest, image.name))


def _moving(world: World, image: Image) -> None:
    """Its tag moves all the time, between an image that is signed and one that isn't."""
    image.may_fail, image.says = True, "isn't signed"
    good = world.build(image)
    world.signed(image, good)
    digests = [good, world.build(image)]
    world.sandbox.move_tag(image.host, image.repository, image.tag, 0.05, digests)


def _swapped(world: World, image: Image) -> None:
    """HEAD tells of a signed image, which has to come in. GET, and Azure, get another one."""
    good = world.build(image)
    world.signed(image, good)
    world.build(image)
    image.digest = good
    image.answers(f"manifests/{image.tag}$", _head(image, good), "HEAD")


def _swapped_back(world: World, image: Image) -> None:
    """HEAD tells of an image that isn't signed, though there is a signed one."""
    image.says = "isn't signed"
    evil = world.build(image)
    world.signed(image, world.build(image))
    image.answers(f"manifests/{image.tag}$", _head(image, evil), "HEAD")


def _head(image: Image, digest: str) -> dict[str, Any]:
    media_type = images.OCI_INDEX if image.kind == "index" else images.OCI_MANIFEST
    return {"headers": {"Content-Type": media_type, "Docker-Content-Digest": digest}}


def _shown(world: World, image: Image) -> None:
    """Who reads the tag gets a signed index, and Azure another one; the platform is of the signed one."""
    image.kind, image.options = "index", {"platform": "linux/amd64"}
    good = world.build(image)
    number = world.number
    world.signed(image, good)
    (image.digest,) = image.vetted
    world.build(image)
    made = images.index(number, **INDEX)
    headers = {"Content-Type": images.OCI_INDEX, "Docker-Content-Digest": good}
    image.answers(f"manifests/{image.tag}$", {"headers": headers, "body": made.data.decode()})


def _moving_index(world: World, image: Image) -> None:
    """Its tag moves all the time through indexes that are all signed, of which one platform is wanted."""
    image.kind, image.options = "index", {"platform": "linux/amd64"}
    digests = [world.build(image) for _count in range(6)]
    for digest in digests:
        world.signed(image, digest)
    image.digest = ANY
    world.sandbox.move_tag(image.host, image.repository, image.tag, 0.05, digests)


def _blocked(world: World, image: Image) -> None:
    """Signed, and known to be bad: by its digest, under any name."""
    image.reason, image.says = "blocked", "is blocked"
    digest = world.build(image)
    world.blocked.append(digest)
    world.attach(image, digest, world.hand.sign(image.way, digest, image.name))
    name = f"{image.repository}-renamed"
    other = Image("contosodev", name, "stable", image.kind, "key", image.trick, reason="blocked", says=image.says)
    world.images.append(other)
    world.push(other.host, other.repository, other.tag, other.kind, world.number)
    world.attach(other, digest, world.hand.sign("key", digest, other.name))


def _blocked_child(world: World, image: Image) -> None:
    """A signed index that lists what is blocked."""
    image.kind, image.reason, image.says = "index", "blocked", "is blocked.*which it lists"
    digest = world.build(image)
    world.blocked.append(world.sandbox.manifests(image.host, image.repository)[digest]["children"][-1])
    world.attach(image, digest, world.hand.sign(image.way, digest, image.name))


def _blocked_name(world: World, image: Image) -> None:
    image.reason, image.says = "blocked", "is blocked"
    digest = world.build(image)
    world.blocked.append(f"*/{image.repository}:{image.tag}")
    world.attach(image, digest, world.hand.sign(image.way, digest, image.name))


def _in_quarantine(world: World, image: Image) -> None:
    """What somebody has let into quarantine has waited for long enough, and isn't signed. Its source is honest again."""
    image.options, image.says, image.may_fail = {"quarantine": QUARANTINE}, "isn't signed", True
    evil = world.build(image)
    place = QUARANTINE["prefix"] + image.repository
    there = world.sandbox.manifests(image.host, image.repository)
    world.push(TARGET, place, f"{image.tag}.{evil[7:]}", image.kind, world.number)
    world.allowed.setdefault(place, set()).update([evil, *there[evil]["children"]])
    world.release(image)


TRICKS: dict[str, Callable[[World, Image], None]] = {
    "unsigned": _unsigned,
    "replayed": _replayed,
    "moved from elsewhere": _moved,
    "forged": _forged,
    "nearly the identity": _impostor,
    "rewritten": _rewritten,
    "only attested": _attested,
    "expired": _expired,
    "only a child signed": _child_signed,
    "phantom listed": _phantom,
    "another's listed": _borrowed,
    "downgraded": _downgraded,
    "tag moving": _moving,
    "HEAD swapped": _swapped,
    "GET swapped": _swapped_back,
    "Azure shown another": _shown,
    "signed tag moving": _moving_index,
    "blocked digest": _blocked,
    "blocked child": _blocked_child,
    "blocked name": _blocked_name,
    "unsigned in quarantine": _in_quarantine,
}
EACH_WAY = ("replayed", "forged", "rewritten", "nearly the identity", "only attested", "expired")  # of signing
SLOW = ("unsigned in quarantine",)  # takes twice as long to be sure of
LISTINGS = ("phantom listed", "another's listed")  # take the referrers API


# ---- runs -------------------------------------------------------------------------------------------------------------


def _busy(chooser: random.Random, seed: int, patient: bool) -> list[dict[str, Any]]:
    """What passes by itself: of all reads of signatures some are refused (which takes time), not found or an empty list, at first."""

    def some(kind: str, path: str, share: float, **more: Any) -> dict[str, Any]:
        match = {"host": "^(contosodev|mcr|basic|bearer)", "path": path}
        return {"kind": kind, "match": match, "probability": share, "seed": seed + more.get("status", 0), **more}

    signatures, statuses = "/referrers/|/manifests/sha256|/blobs/", (429, 500, 503) if patient else ()
    return [
        *(some("refused", signatures, 0.05, status=status, times=1, body="{}") for status in statuses),
        some("absent", "/referrers/", 0.3, times=chooser.choice([1, 2])),
        some("absent", "/manifests/sha256-", 0.3, times=chooser.choice([1, 2])),
        some("absent", "/manifests/sha256:", 0.1, times=1),
    ]


def _lasting(image: Image, number: int) -> dict[str, Any]:
    """What keeps an image's signatures from being read for a whole run."""
    hour = {"Retry-After": "3600"}
    gateway = {"status": 404, "body": "<html>", "headers": {"Content-Type": "text/html"}}
    what, action = [
        ("referrers/", {"status": 429, "headers": hour}),
        ("referrers/", {"status": 403, "body": "{}"}),
        ("(referrers|manifests/sha256-)", {"status": 503, "headers": hour}),
        ("blobs/", {"status": 429, "headers": hour}),
        ("blobs/", gateway),
    ][number % 5]
    match = {"host": re.escape(image.host), "path": f"/{image.repository}/{what}"}
    return {"match": match, "action": action}


def _look(row: Row, which: str, world: World) -> None:
    """Nothing may be in the target that isn't vetted, whoever has put it there."""
    named = {target.partition(":")[0] for operation in world.sandbox.operations() for target in operation["targets"]}
    for repository in sorted(named | set(world.allowed) | {image.repository for image in world.images}):
        strange = set(world.sandbox.manifests(TARGET, repository)) | set(world.sandbox.tags(TARGET, repository).values())
        strange -= world.allowed.get(repository, set())
        row.expect(not strange, f"{which}: {repository} has {len(strange)} digests that nobody has vetted")
    for image in world.images:
        held = world.sandbox.tags(TARGET, image.repository).get(image.tag)
        row.expect(held is None or held in image.vetted, f"{which}: {image.name}:{image.tag} came in ({image.trick})")


def _check(row: Row, which: str, world: World, run: Run, some: list[Image], late: set[str]) -> Counter[str]:
    """What a run says of each image. *late*: the hosts that keep signatures from being read."""
    results = {result["image"].partition("/")[2]: result for result in run.result.get("results") or []}
    row.expect(bool(results), f"{which}: no results: {run.result.get('msg', run.output)[:300]}")
    row.expect("Traceback" not in run.output, f"{which}: a stack trace")
    for image in some if results else ():
        result = results.get(f"{image.repository}:{image.tag}", {"action": "missing"})
        told = f"{which}: {image.name}:{image.tag} ({image.trick or image.way}): {result['action']}, {result.get('error', '')[-200:]}"
        if result["action"] != "failed":
            row.expect(bool(image.digest or image.may_fail), told)
            kind = (result.get("signature") or {}).get("kind")
            row.expect(kind in ([WAYS[image.way]] if not image.trick else WAYS.values()), f"{told}, signed by {kind}")
        elif image.host in late and result["reason"] in LATE:
            row.expect("can't be known" in result["error"], told)
        else:
            fits = result["reason"] == image.reason and re.search(image.says, result["error"])
            row.expect(bool(fits) and (image.may_fail or not image.digest), told)
    return Counter(result["reason"] if result["action"] == "failed" else result["action"] for result in results.values())


def vetted(sandbox: Sandbox, seed: int, size: Size) -> Row:
    """Mirrors of signed images and others, while sources do what they can to get those in and to keep the signed ones out."""
    sandbox.reset(TARGET)
    row = Row("only vetted images", "")
    world = World(sandbox, seed, size)
    # By Azure's clock, what is in quarantine has been there for long enough at the next run.
    sandbox.patch_registry(TARGET, flags={"older_by_seconds": 7200})
    args = {
        "registry": TARGET,
        "credentials": CREDENTIALS,
        "blocked": world.blocked,
        "defaults": {"signed_by": world.hand.accepted(f"*/{world.prefix}/*")},
    }
    own = [fault for image in world.images for fault in image.faults]
    said: Counter[str] = Counter()
    runs, requests, refused = 4 if size.patient else 1, 0, 0
    for number in range(runs):
        which, chooser = f"run {number + 1}", random.Random(f"{seed}/{number}")
        if number:
            world.change()
        honest = [image for image in world.images if not image.trick and "quarantine" not in image.options]
        waiting = chooser.sample(honest, max(2, len(honest) // 6))
        lies = _busy(chooser, seed * 100 + number, size.patient)
        faults = [_lasting(image, number + n) for n, image in enumerate(waiting)]
        signatures = {"host": "contosodev|mcr|vendor", "class": "^(referrers|blob)$"}
        faults.append({"match": signatures, "action": {"drop_mid": True}, "probability": 0.02, "seed": seed + number})
        sandbox.knobs(retry_after=1, import_seconds=0.05, lies=lies, faults=own + faults)
        options: dict[str, Any] = {}
        if number == 2:  # ends too early
            moment = sandbox.log()[-1]["n"] + chooser.randint(requests // 10, requests // 2)
            options = {"until": lambda moment=moment: bool(sandbox.log(since=moment)), "signal_": signal.SIGKILL}
        run = run_module("acr_mirror", {**args, "images": world.entries(world.images)}, sandbox.env, timeout=600, **options)
        requests, knobs = requests or len(sandbox.log()), sandbox.knobs()
        refused += sum(lie["told"] for lie in knobs["lies"]) + sum(fault["fired"] for fault in knobs["faults"][len(own) :])
        sandbox.wait_for_operations(30)
        _look(row, which, world)
        if options:
            row.expect(run.rc != 0 and not run.tasks, f"{which} was over before it was killed")
        else:
            said += _check(row, which, world, run, world.images, {image.host for image in waiting})
    which = "the run without faults"
    sandbox.knobs(lies=[], faults=own)
    # To be sure that something isn't signed takes seconds, and the first run has shown it.
    some = [image for image in world.images if size.patient or image.digest]
    run = run_module("acr_mirror", {**args, "images": world.entries(some)}, sandbox.env, timeout=600)
    _look(row, which, world)
    said += _check(row, which, world, run, some, set())
    for image in world.images:
        if image.trick in ("tag moving", "signed tag moving"):
            sandbox.stop_moving(image.host, image.repository, image.tag)
        held = sandbox.tags(TARGET, image.repository).get(image.tag)
        missing = image.digest and (held not in image.vetted or image.digest not in (ANY, held))
        row.expect(not missing, f"{image.name}:{image.tag} ({image.trick or image.way}) isn't in")
    sandbox.reset()
    signed, late = sum(bool(image.digest) for image in world.images), sum(said[reason] for reason in LATE)
    row.thrown = (
        f"{runs} runs over {len(world.images)} images, {signed} of them signed and {len(world.images) - signed} not to come in by any "
        f"of {len(TRICKS)} tricks; {refused} reads of signatures refused, cut short or answered with nothing"
    )
    row.note = (
        f"no digest in any target that nobody has vetted, every signed image in; {said['unsigned']} × unsigned, "
        f"{said['blocked']} × blocked, {late} × put off because signatures couldn't be read"
    )
    return row
