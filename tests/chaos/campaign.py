# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is thrown at the collection on purpose, and what of it may be lost: nothing.

Each function runs real playbooks against a sandbox and returns one `Row`. Random choices follow the seed.
"""
from __future__ import annotations

import random
import signal
import subprocess
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from tests.playbook import Run, run_module
from tests.sandbox.handle import Sandbox

TARGET = "contosoprod"
LOGIN_SERVER = "contosoprod.azurecr.test"
VENDOR = "bearer.vendor.test:8443"
METADATA = "http://169.254.169.254/metadata/instance"


@dataclass
class Row:
    """One line of the table. *lost*: what went wrong, in words; empty where all promises held."""

    name: str
    thrown: str
    lost: list[str] = field(default_factory=list)
    note: str = ""

    def expect(self, condition: bool, message: str) -> None:
        if not condition:
            self.lost.append(message)


@dataclass
class Size:
    """How big a campaign is."""

    images: int = 200
    moving: int = 200
    kills: int = 20


# ---- throttling and failures ------------------------------------------------------------------------------------------

# (what, share of all requests, action)
STORM: list[tuple[str, float, dict[str, Any]]] = [
    ("429 with Retry-After", 0.025, {"status": 429, "headers": {"Retry-After": "1"}, "body": "{}"}),
    ("429 without", 0.025, {"status": 429, "body": "{}"}),
    ("500", 0.007, {"status": 500, "body": "oops"}),
    ("502", 0.007, {"status": 502, "body": "<html>Bad Gateway</html>"}),
    ("503", 0.006, {"status": 503, "body": "{}"}),
    ("dropped mid-answer", 0.01, {"drop_mid": True}),
]


def storm(sandbox: Sandbox, seed: int, size: Size) -> Row:
    """A mirror while many requests of every kind, sign-in included, go wrong."""
    sandbox.reset(TARGET)
    content = sandbox.bulk("contosodev", [f"storm/{n:03}" for n in range(size.images // 10)], tags=10)
    args = {
        "registry": TARGET,
        "images": [{"source_registry": "contosodev.azurecr.test", "repositories": {"include": ["storm/*"]}}],
    }
    calm_run = run_module("acr_mirror", args, sandbox.env)
    calm = len(sandbox.log())
    sandbox.reset(TARGET)
    sandbox.knobs(
        faults=[
            {"match": {"host": "azure|azurecr"}, "action": action, "probability": share, "seed": seed * 100 + number}
            for number, (_what, share, action) in enumerate(STORM)
        ],
        import_faults=[{"source": "storm/", "text": "copying_blobs", "times": max(1, size.images // 100)}],
    )
    run = run_module("acr_mirror", args, sandbox.env, timeout=600)
    faults = sandbox.knobs()["faults"]
    log = sandbox.log()
    sandbox.knobs(faults=[], import_faults=[])
    fired = {what: fault["fired"] for (what, _share, _action), fault in zip(STORM, faults)}
    row = Row("throttling and failures", ", ".join(f"{count}x {what}" for what, count in fired.items()))
    row.expect(calm_run.rc == 0, "the run without faults failed")
    row.expect(run.rc == 0, f"the run failed: {run.result.get('msg', run.output)[:300]}")
    wrong = [
        f"{repository}:{tag}"
        for repository, tags in content.items()
        for tag, digest in tags.items()
        if sandbox.tags(TARGET, repository).get(tag) != digest
    ]
    row.expect(not wrong, f"{len(wrong)} images are not right")
    operations = sandbox.operations()
    failed = sum(operation["status"] == "Failed" for operation in operations)
    # An answer that was dropped may belong to an import that was taken: that one may come twice.
    unknown = sum(entry["class"] == "import" and entry["status"] not in (202, 400, 429) for entry in log)
    row.expect(
        len(operations) <= size.images + failed + unknown,
        f"{len(operations)} imports for {size.images} images, {failed} failures and {unknown} answers that got lost",
    )
    sent = len(log) - sum(fired.values())
    row.expect(sent <= 1.3 * calm, f"{sent} requests got through, {calm} without faults")
    row.note = f"{size.images} images right after {run.seconds:.0f} s; {sent / calm:.2f} of the requests without faults"
    return row


# ---- moving tags ------------------------------------------------------------------------------------------------------


def moving_tags(sandbox: Sandbox, seed: int, size: Size) -> Row:
    """Source tags move all the time while they are imported: by digest, and beside it by tag as az acr import does."""
    row = Row("moving tags", f"{size.moving} tags, each moved every 50 ms")
    broken = {}
    for verify in (True, False):
        sandbox.reset(TARGET)
        sandbox.knobs(import_seconds=0.6)
        names = [f"moving/{seed}-{n:03}" for n in range(size.moving)]
        content = sandbox.bulk("contosodev", names, tags=5, kind="index")
        images = [{"source": f"contosodev.azurecr.test/{name}:live"} for name in names]
        for name in names:
            digests = list(content[name].values())
            sandbox.set_tag("contosodev", name, "live", digests[0])
            sandbox.move_tag("contosodev", name, "live", 0.05, digests)
        run = run_module(
            "acr_mirror", {"registry": TARGET, "images": images, "defaults": {"verify": verify}}, sandbox.env, timeout=600
        )
        for name in names:
            sandbox.stop_moving("contosodev", name, "live")
        broken[verify] = 0
        for name in names:
            digest = sandbox.tags(TARGET, name).get("live")
            there = sandbox.manifests(TARGET, name)
            whole = digest in there and all(child in there for child in there[digest]["children"])
            if not whole:
                broken[verify] += 1
            if verify:
                row.expect(digest in content[name].values(), f"{name} was never the source's")
        if verify:
            row.expect(run.rc == 0, f"the run failed: {run.result.get('msg', run.output)[:300]}")
            row.expect(broken[True] == 0, f"{broken[True]} tags can't be pulled")
    row.note = f"{broken[True]} broken tags; by tag, as az acr import does, {broken[False]}"
    return row


# ---- several at once --------------------------------------------------------------------------------------------------


def two_runs(sandbox: Sandbox, seed: int, size: Size) -> Row:
    """Two mirrors of one list at the same time, while somebody pushes by hand."""
    sandbox.reset(TARGET)
    sandbox.knobs(import_seconds=0.5)
    repositories = [f"twice/{n:03}" for n in range(size.images // 10)]
    content = sandbox.bulk("contosodev", repositories, tags=10)
    args = {
        "registry": TARGET,
        "images": [{"source_registry": "contosodev.azurecr.test", "repositories": {"include": ["twice/*"]}}],
    }
    runs: list[Run] = []
    threads = [
        threading.Thread(target=lambda: runs.append(run_module("acr_mirror", args, sandbox.env, timeout=300)))
        for _n in range(2)
    ]
    for thread in threads:
        thread.start()
    chooser = random.Random(seed)
    pushed = chooser.sample(repositories, max(1, len(repositories) // 4))
    time.sleep(1.0)
    hand = {name: sandbox.push(TARGET, name, ["by-hand"], seed=seed)["digest"] for name in pushed}
    for thread in threads:
        thread.join()
    row = Row("several at once", f"2 runs over {size.images} images, {len(pushed)} pushes by hand")
    for run in runs:
        row.expect(run.rc == 0, f"a run failed: {run.result.get('msg', run.output)[:300]}")
    for name, tags in content.items():
        there = sandbox.tags(TARGET, name)
        row.expect(all(there.get(tag) == digest for tag, digest in tags.items()), f"{name} is not right")
        if name in hand:
            row.expect(there.get("by-hand") == hand[name], f"the push to {name} was lost")
    row.note = f"{len(sandbox.operations())} imports"
    return row


# ---- hostile registries -----------------------------------------------------------------------------------------------


def _hostile() -> dict[str, tuple[dict[str, str], dict[str, Any], str]]:
    """What a source may do: which requests, the action, and what the message must say."""
    host = r"bearer\.vendor\.test"
    manifest = {"host": host, "class": "manifest"}
    lists = {"host": host, "class": "tag_list"}
    json_type = {"Content-Type": "application/vnd.oci.image.manifest.v1+json"}
    huge = {"Content-Type": json_type["Content-Type"]}
    return {
        "another digest than the content's": (
            {**manifest, "method": "GET"}, {"status": 200, "headers": json_type, "body": '{"schemaVersion": 2}'}, "digest"
        ),
        "a manifest of 8 MB": (manifest, {"status": 200, "headers": huge, "body": " " * (8 << 20)}, "more than"),
        "HTML for a manifest": (
            manifest, {"status": 200, "headers": {"Content-Type": "text/html"}, "body": "<html>Sign in</html>"}, "manifest"
        ),
        "HTML for a listing": (
            lists, {"status": 200, "headers": {"Content-Type": "text/html"}, "body": "<html></html>"}, "JSON"
        ),
        "a listing that never ends": (
            lists,
            {"status": 200, "headers": {"Link": '</v2/vendor/agent/tags/list?last=a>; rel="next"'}, "body": '{"tags": ["a"]}'},
            "never ends",
        ),
        "a listing that goes on elsewhere": (
            lists,
            {"status": 200, "headers": {"Link": '<https://elsewhere.test/v2/>; rel="next"'}, "body": '{"tags": ["a"]}'},
            "another host",
        ),
        "a redirect to this machine": (
            manifest, {"status": 307, "headers": {"Location": "https://127.0.0.1/v2/"}, "body": ""}, "local address"
        ),
        "a redirect to the metadata service": (
            manifest, {"status": 307, "headers": {"Location": METADATA}, "body": ""}, "plain HTTP"
        ),
        "redirects in circles": (
            manifest, {"status": 307, "headers": {"Location": f"https://{VENDOR}/v2/vendor/agent/manifests/2.3"}, "body": ""},
            "circles",
        ),
        "a token service without TLS": (
            {"host": host, "class": "manifest|tag_list|other"},
            {"status": 401, "headers": {"WWW-Authenticate": 'Bearer realm="http://tokens.test/token",service="x"'}, "body": ""},
            "without TLS",
        ),
        "a token service without a token": (
            {"host": r"auth\.vendor\.test"}, {"status": 200, "body": '{"hello": "there"}'}, "token"
        ),
        "one byte a second": (manifest, {"slow": 1}, "slow"),
    }


def hostile(sandbox: Sandbox, _seed: int, _size: Size) -> Row:
    """A source registry that lies, stalls, or leads elsewhere. One clear error each, in bounded time; no secret leaves."""
    cases = _hostile()
    row = Row("hostile registries", f"{len(cases)} ways to misbehave")
    slowest = 0.0
    for name, (match, action, words) in cases.items():
        sandbox.reset(TARGET)
        sandbox.knobs(faults=[{"match": match, "action": action}])
        image: dict[str, Any] = {"source": f"{VENDOR}/vendor/agent:2.3"}
        if "tag_list" in match.get("class", "") and "manifest" not in match["class"]:
            image = {"source": f"{VENDOR}/vendor/agent", "tags": {"include": ["2.*"]}}
        if name in ("another digest than the content's", "one byte a second"):  # with GET, HEAD has no content
            image["platform"] = "linux/amd64"
        args = {
            "registry": TARGET,
            "images": [image],
            "credentials": [{"registry": VENDOR, "username": "vendor", "password": "vendorpass"}],
        }
        run = run_module("acr_mirror", args, sandbox.env, timeout=200)
        message = str(run.result.get("msg", ""))
        slowest = max(slowest, run.seconds)
        row.expect(run.rc == 2, f"{name}: no error")
        row.expect(words in message, f"{name}: says {message[:200]!r}")
        row.expect("Traceback" not in run.output, f"{name}: a stack trace")
        row.expect(run.seconds < 90, f"{name}: took {run.seconds:.0f} s")
        foreign = {e["host"] for e in sandbox.log()} - {e["host"] for e in sandbox.log() if e["host"].endswith(".test")}
        row.expect(not foreign, f"{name}: asked {foreign}")
        row.expect(sandbox.operations() == [], f"{name}: started an import")
    sandbox.knobs(faults=[])
    row.note = f"one sentence each; the slowest took {slowest:.0f} s"
    return row


# ---- time -------------------------------------------------------------------------------------------------------------


def timeouts(sandbox: Sandbox, _seed: int, _size: Size) -> Row:
    """``timeout`` holds to within 2 s, whatever the far side does."""
    image = {"registry": TARGET, "source": "docker.io/library/hello-world:1.0", "timeout": 5}
    anything = {"host": r"azurecr\.test|registry-1"}
    cases: dict[str, dict[str, Any]] = {
        "an import that stays pending": {"import_faults": [{"source": ".", "text": "pending_forever"}]},
        "an import that never shows": {"import_faults": [{"source": ".", "text": "lost"}]},
        "registries that answer one byte a second": {"faults": [{"match": anything, "action": {"slow": 1}}]},
        "registries that answer nothing": {"faults": [{"match": anything, "action": {"delay": 60}}]},
        "429 for ever": {"faults": [{"match": anything, "action": {"status": 429, "headers": {"Retry-After": "2"}}}]},
        "Resource Manager that fails for ever": {
            "faults": [{"match": {"host": "management"}, "action": {"status": 503, "body": "{}"}}]
        },
        "a sign-in that never ends": {"faults": [{"match": {"host": "login"}, "action": {"delay": 60}}]},
    }
    row = Row("time limits", f"{len(cases)} ways to keep a task waiting, timeout 5 s")
    slowest = 0.0
    for name, knobs in cases.items():
        sandbox.reset(TARGET)
        sandbox.knobs(**knobs)
        try:
            run = run_module("acr_import", image, sandbox.env, timeout=30)
        except subprocess.TimeoutExpired:
            row.expect(False, f"{name}: still there after 30 s")
            continue
        overhead = 1.0  # of an ansible-playbook that does nothing
        slowest = max(slowest, run.seconds - overhead)
        row.expect(run.rc == 2, f"{name}: no error")
        row.expect(run.seconds - overhead <= 7.0, f"{name}: took {run.seconds:.1f} s")
    sandbox.reset(TARGET)
    row.note = f"the slowest ended after {slowest:.1f} s"
    return row


# ---- permissions ------------------------------------------------------------------------------------------------------


def permissions(sandbox: Sandbox, _seed: int, _size: Size) -> Row:
    """Accounts and images for which something is forbidden: each ends with a message of its own."""
    hello = "docker.io/library/hello-world:1.0"
    dev = "contosodev.azurecr.test/aci-helloworld:v1"
    cases: list[tuple[str, str, dict[str, Any], str]] = [
        ("an account that may only read", "reader", {"source": hello}, "no right to import"),
        ("an account without any right", "nobody", {"source": hello}, "can't be read by the account"),
        ("no access to the source", "importer", {"source": dev}, "credentials|AcrPull|Reader"),
        ("a locked tag", "contributor", {"source": hello, "target": ["locked/app:1"]}, "locked"),
        ("quarantine", "contributor", {"source": hello, "target": ["quarantine/app:1"]}, "quarantine"),
        ("quota", "contributor", {"source": hello, "target": ["quota/app:1"]}, "quota"),
        ("an index of 60", "contributor", {"source": "contosodev.azurecr.test/chaos/big:1"}, "50 manifests|at most 50"),
    ]
    row = Row("permissions", f"{len(cases)} refusals")
    messages: Counter[str] = Counter()
    for name, principal, image, words in cases:
        sandbox.reset(TARGET)
        if name == "a locked tag":
            sandbox.push(TARGET, "locked/app", ["1"], seed=5)
            sandbox.lock(TARGET, "locked/app", "1", writeEnabled=False)
        if name == "quarantine":
            text = "Invalid message Forbidden Forbidden: the manifest is in quarantine"
            sandbox.knobs(import_faults=[{"source": ".", "text": text.replace("Invalid message Forbidden ", "")}])
        if name == "quota":
            sandbox.knobs(import_faults=[{"source": ".", "text": "The registry's storage quota is exceeded."}])
        if name == "an index of 60":
            sandbox.push("contosodev", "chaos/big", ["1"], kind="big_index", count=60)
        run = run_module("acr_import", {"registry": LOGIN_SERVER, **image}, sandbox.env_as(principal), timeout=100)
        sandbox.knobs(import_faults=[])
        message = str(run.result.get("msg", ""))
        messages[message] += 1
        row.expect(run.rc == 2, f"{name}: no error")
        row.expect(any(word in message for word in words.split("|")), f"{name}: says {message[:200]!r}")
        row.expect("Traceback" not in run.output, f"{name}: a stack trace")
    row.expect(max(messages.values()) == 1, "two refusals read the same")
    row.note = "each with a message of its own"
    return row


# ---- interruption -----------------------------------------------------------------------------------------------------


def killed(sandbox: Sandbox, seed: int, size: Size) -> Row:
    """Runs that end at any moment, by signal or since the network is gone; the next one finishes, and repeats nothing
    that had landed by then."""
    chooser = random.Random(seed)
    images = min(100, size.images)
    content = sandbox.bulk("contosodev", [f"killed/{n:02}" for n in range(images // 10)], tags=10)
    args: dict[str, Any] = {
        "registry": TARGET,
        "images": [{"source_registry": "contosodev.azurecr.test", "repositories": {"include": ["killed/*"]}}],
    }
    # Without faults, for the number of requests: a run is ended when it has sent some of them.
    sandbox.reset(TARGET)
    sandbox.knobs(import_seconds=0.5)
    calm_run = run_module("acr_mirror", args, sandbox.env)
    requests = len(sandbox.log())
    ways: Counter[str] = Counter()
    row = Row("killed runs", "")
    row.expect(calm_run.rc == 0, "the run without faults failed")
    landed_early, slowest = 0, 0.0
    for number in range(size.kills):
        way, wait = chooser.choice(["SIGKILL", "SIGTERM"]), chooser.random() < 0.5
        way = "network gone" if number % 10 == 9 else way  # which takes as long as its patience
        last = sandbox.log()[-1]["n"]
        sandbox.reset(TARGET)
        sandbox.knobs(import_seconds=0.5, retry_after=1)
        moment = last + chooser.randint(1, requests)
        which = f"run {number + 1} ({way} after {moment - last} requests)"

        def reached(way: str = way, moment: int = moment) -> bool:
            if not sandbox.log(since=moment - 1):
                return False
            if way == "network gone" and not sandbox.knobs()["faults"]:
                sandbox.knobs(faults=[{"match": {}, "action": {"drop": True}}])
            return way != "network gone"

        short = {**args, "timeout": 5}  # in which the network does not come back
        end = signal.SIGTERM if way == "SIGTERM" else signal.SIGKILL
        run = run_module("acr_mirror", short, sandbox.env, until=reached, signal_=end, timeout=600)
        slowest = max(slowest, run.seconds)
        ways[way if run.rc else "over before"] += 1
        row.expect(not run.left, f"{which}: left processes behind")
        row.expect("Traceback" not in run.output, f"{which}: a stack trace")
        if wait:
            sandbox.wait_for_operations()
        sandbox.knobs(faults=[])
        landed = {tuple(operation["targets"]) for operation in sandbox.operations() if operation["status"] == "Succeeded"}
        landed_early += len(landed)
        before = len(sandbox.operations())
        again = run_module("acr_mirror", args, sandbox.env, timeout=600)
        row.expect(again.rc == 0, f"{which}: the next one failed: {again.result.get('msg', again.output)[:300]}")
        repeated = [o for o in sandbox.operations()[before:] if tuple(o["targets"]) in landed]
        row.expect(not repeated, f"{which}: {len(repeated)} imports were repeated though they had landed")
        held = {name: sandbox.tags(TARGET, name) for name in content}
        row.expect(held == content, f"{which}: the registry does not hold the list")
    row.thrown = f"{size.kills} runs over {images} images: " + ", ".join(f"{n}x {way}" for way, n in sorted(ways.items()))
    row.note = (
        f"every digest right; of {size.kills * images} imports {landed_early} had landed, none was repeated; the longest of "
        f"the runs that were ended took {slowest:.0f} s"
    )
    return row


SCENARIOS = {
    "storm": storm,
    "moving": moving_tags,
    "twice": two_runs,
    "hostile": hostile,
    "time": timeouts,
    "permissions": permissions,
    "killed": killed,
}
