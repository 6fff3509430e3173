# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is thrown at the collection on purpose, and what of it may be lost: nothing.

Each scenario runs real playbooks against a sandbox and returns one `Row`. Random choices follow the seed.
"""
from __future__ import annotations

import json
import os
import random
import re
import signal
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.chaos.lying import lies
from tests.chaos.rows import DEV, LOGIN_SERVER, TARGET, VENDOR, Row, Size
from tests.chaos.vetting import vetted
from tests.playbook import Run, run_module, run_playbook
from tests.sandbox.handle import PRINCIPALS, Sandbox

MEGABYTES = 100  # that a module may take beyond a quiet run


# ---- tasks, measured --------------------------------------------------------------------------------------------------


@dataclass
class Task:
    """One task of a play: the module's options, and how it ended. *jump*: seconds by which its clock jumps after one."""

    module: str
    args: dict[str, Any]
    jump: float = 0.0
    failed: bool = False
    result: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0  # of the module's process
    megabytes: float = 0.0  # its peak

    @property
    def message(self) -> str:
        return str(self.result.get("msg", ""))


# Stands between Ansible and a module's Python, to measure it.
_INTERPRETER = """#!{python}
import json, resource, subprocess, sys, time
began = time.monotonic()
code = subprocess.call([sys.executable, *{prelude!r}, *sys.argv[1:]])
facts = {{
    "seconds": time.monotonic() - began,
    "megabytes": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024,
}}
open({path!r}, "w").write(json.dumps(facts))
sys.exit(code)
"""
_JUMP = """
import runpy, sys, time
true, monotonic, began = time.time, time.monotonic, time.monotonic()
time.time = lambda: true() + (JUMP if monotonic() - began > 1 else 0)
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def run_tasks(sandbox: Sandbox, tasks: dict[str, Task], timeout: float = 900) -> Run:
    """Run tasks in one play, each to its end, and note in them how they ended."""
    with tempfile.TemporaryDirectory(prefix="acr-chaos-") as name:
        play: dict[str, Any] = {"name": "Chaos", "hosts": "localhost", "gather_facts": False, "tasks": []}
        measured = []
        for number, (case, task) in enumerate(tasks.items()):
            interpreter, facts = Path(name, f"python-{number}"), Path(name, f"{number}.json")
            prelude = ["-c", _JUMP.replace("JUMP", str(task.jump))] if task.jump else []
            interpreter.write_text(_INTERPRETER.format(python=sys.executable, prelude=prelude, path=str(facts)))
            interpreter.chmod(interpreter.stat().st_mode | stat.S_IXUSR)
            measured.append((task, facts))
            play["tasks"].append({
                "name": case,
                f"registryops.acr.{task.module}": task.args,
                "vars": {"ansible_python_interpreter": str(interpreter)},
                "ignore_errors": True,
            })
        run = run_playbook([play], sandbox.env, timeout=timeout)
        for task, facts in measured:
            if facts.exists():
                found = json.loads(facts.read_text())
                task.seconds, task.megabytes = found["seconds"], found["megabytes"]
    for line in run.tasks:
        tasks[line["task"]].failed = line["status"] == "failed"
        tasks[line["task"]].result = line["result"]
    return run


def quiet() -> Task:
    """A task that ends at once: what starting a module takes on this machine, now."""
    return Task("acr_import", {"registry": LOGIN_SERVER, "source": "quiet"})


def skopeo(sandbox: Sandbox, *arguments: str) -> str:
    """What skopeo says against pulling; empty where it could."""
    done = subprocess.run(
        ["skopeo", *arguments], env={**os.environ, **sandbox.env}, capture_output=True, text=True, timeout=120, check=False
    )
    return "" if done.returncode == 0 else done.stderr


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
    operations = sandbox.operations()
    failed = Counter(operation["digest"] for operation in operations if operation["status"] == "Failed")
    thrown = {**fired, "failed operations": sum(failed.values())}
    row = Row("throttling and failures", ", ".join(f"{count} × {what}" for what, count in thrown.items()))
    row.expect(calm_run.rc == 0, "the run without faults failed")
    row.expect(run.rc == 0, f"the run failed: {run.result.get('msg', run.output)[:300]}")
    wrong = [
        f"{repository}:{tag}"
        for repository, tags in content.items()
        for tag, digest in tags.items()
        if sandbox.tags(TARGET, repository).get(tag) != digest
    ]
    row.expect(not wrong, f"{len(wrong)} images are not right")
    # An answer that was lost may belong to an import that was taken: that one may come twice.
    unknown = sum(entry["class"] == "import" and entry["status"] not in (202, 400, 429) for entry in log)
    started = Counter(operation["digest"] for operation in operations)
    extra = sum(max(0, count - 1 - failed[digest]) for digest, count in started.items())
    row.expect(extra <= unknown, f"{extra} imports were repeated without a failure of their own ({unknown} answers got lost)")
    ratio = len(log) / calm
    # A few requests are many of a small run's: the bound is for the real size.
    row.expect(ratio <= 1.3 or size.images < 100, f"{len(log)} requests, {calm} without faults")
    row.note = (
        f"all {size.images} images right, after {run.seconds:.0f} s; "
        f"{ratio:.2f} times the requests of a run without faults"
    )
    return row


# ---- moving tags ------------------------------------------------------------------------------------------------------


def moving_tags(sandbox: Sandbox, seed: int, size: Size) -> Row:
    """Source tags move all the time while they are imported: by digest, and beside it by tag as az acr import does."""
    row = Row("moving tags", f"{size.moving} tags, each moved every 50 ms")
    broken = {}
    names = [f"moving/{seed}-{n:03}" for n in range(size.moving)]
    content = sandbox.bulk("contosodev", names, tags=5, kind="index")
    images = [{"source": f"{DEV}/{name}:live"} for name in names]
    pulled = 0
    for verify in (True, False):
        sandbox.reset(TARGET)
        sandbox.knobs(import_seconds=0.6)
        for name in names:
            digests = list(content[name].values())
            sandbox.set_tag("contosodev", name, "live", digests[-1])
            sandbox.move_tag("contosodev", name, "live", 0.05, digests)
        began = time.time()
        run = run_module(
            "acr_mirror", {"registry": TARGET, "images": images, "defaults": {"verify": verify}}, sandbox.env, timeout=600
        )
        ended = time.time()
        moves = {name: sandbox.stop_moving("contosodev", name, "live") for name in names}
        broken[verify] = 0
        for name in names:
            digest = sandbox.tags(TARGET, name).get("live")
            there = sandbox.manifests(TARGET, name)
            if digest not in there or not all(child in there for child in there[digest]["children"]):
                broken[verify] += 1
            if verify:
                # A tag's digest counts from its move to the next one.
                ends = [moment for moment, _digest in moves[name][1:]] + [ended]
                spans = [(start, end, one) for (start, one), end in zip(moves[name], ends)]
                during = {one for start, end, one in spans if end >= began and start <= ended}
                row.expect(digest in during, f"{name} was not the source's during the run")
        if verify:
            row.expect(run.rc == 0, f"the run failed: {run.result.get('msg', run.output)[:300]}")
            row.expect(broken[True] == 0, f"{broken[True]} tags can't be pulled")
            pulled = min(10, size.moving)
            credentials = f"{sandbox.env['AZURE_CLIENT_ID']}:{sandbox.env['AZURE_SECRET']}"
            for name in random.Random(seed).sample(names, pulled):
                with tempfile.TemporaryDirectory(prefix="acr-pull-") as directory:
                    image = f"docker://{LOGIN_SERVER}/{name}:live"
                    said = skopeo(sandbox, "copy", "--all", "--src-creds", credentials, image, f"dir:{directory}")
                row.expect(not said, f"skopeo can't pull {name}: {said[-200:]}")
    row.note = f"{broken[True]} broken tags, {pulled} pulled whole by skopeo; by tag, as az acr import does: {broken[False]} broken"
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

_MANIFEST = {"Content-Type": "application/vnd.oci.image.manifest.v1+json"}
_INDEX = {"Content-Type": "application/vnd.oci.image.index.v1+json"}
_HTML = {"Content-Type": "text/html"}


@dataclass
class Misdeed:
    """What a source registry does: to which requests for *its* repository, and what the message must say.

    *match* is laid over ``{"path": that repository's}``; ``{path}`` and ``{name}`` in an action stand for it.
    """

    action: dict[str, Any]
    says: str
    image: dict[str, Any] = field(default_factory=dict)
    more: list[dict[str, Any]] = field(default_factory=list)  # further faults
    match: dict[str, str] = field(default_factory=dict)
    host: str = VENDOR
    patient: bool = False


def _redirect(location: str) -> dict[str, Any]:
    return {"status": 307, "headers": {"Location": location}, "body": ""}


def _token_service(realm: str) -> dict[str, Any]:
    return {"status": 401, "headers": {"WWW-Authenticate": f'Bearer realm="{realm}",service="x"'}, "body": ""}


def _misdeeds() -> dict[str, Misdeed]:
    listing = {"image": {"tags": {"include": ["*"]}}, "match": {"class": "tag_list"}}
    platform = {"platform": "linux/amd64"}  # asked with GET: HEAD has no content
    link = '</v2/{name}/tags/list?last=%s>; rel="next"'
    by_token = "https://auth.vendor.test/token/{name}"

    def tokens(body: str) -> list[dict[str, Any]]:
        return [{"match": {"host": "auth", "path": "/token/{name}"}, "action": {"status": 200, "body": body}}]

    def page(following: str) -> dict[str, Any]:
        return {"status": 200, "headers": {"Link": following}, "body": '{"tags": ["a"]}'}

    return {
        "another digest than the content's": Misdeed(
            {"status": 200, "headers": {**_MANIFEST, "Docker-Content-Digest": "sha256:" + "0" * 64}, "body": '{"schemaVersion": 2}'},
            "another digest", platform,
        ),
        "a gigabyte for a manifest": Misdeed(
            {"status": 200, "headers": _MANIFEST, "body": " " * (1 << 20), "repeat": 1024}, "more than", platform
        ),
        "a gigabyte for a listing": Misdeed(
            {"status": 200, "headers": {}, "body": " " * (1 << 20), "repeat": 1024}, "more than", **listing
        ),
        "a gigabyte with a redirect": Misdeed(
            {**_redirect("/v2/"), "body": " " * (1 << 20), "repeat": 1024}, "more than", platform
        ),
        "a compressed bomb": Misdeed(
            {"status": 200, "headers": _MANIFEST, "body": " " * (1 << 20), "repeat": 512, "gzip": True},
            "something other than a manifest", platform,
        ),
        "JSON of a million levels": Misdeed(
            {"status": 200, "headers": _INDEX, "body": "[" * 1_000_000}, "something other than a manifest", platform
        ),
        "JSON of another shape": Misdeed(
            {"status": 200, "headers": _INDEX, "body": '{"manifests": [{"digest": 5}, "x"]}'}, "expected|no digest", platform
        ),
        "HTML for a manifest": Misdeed(
            {"status": 200, "headers": _HTML, "body": "<html>Sign in</html>"}, "something other than a manifest"
        ),
        "HTML for a listing": Misdeed({"status": 200, "headers": _HTML, "body": "<html></html>"}, "JSON", **listing),
        "a listing in circles": Misdeed(page(link % "a"), "never ends", **listing),
        "a listing without end": Misdeed(page(link % "{n}"), "never ends", patient=True, **listing),
        "a listing that goes on elsewhere": Misdeed(page('<https://elsewhere.test/v2/>; rel="next"'), "another host", **listing),
        "a redirect to this machine": Misdeed(_redirect("https://127.0.0.1/v2/"), "local address"),
        "a redirect to this machine in disguise": Misdeed(_redirect("https://2130706433/v2/"), "local address"),
        "a redirect to the metadata service": Misdeed(
            _redirect("https://169.254.169.254/metadata/instance"), "local address"
        ),
        "a redirect to plain HTTP": Misdeed(_redirect("http://basic.vendor.test/v2/"), "plain HTTP"),
        "a redirect in circles": Misdeed(_redirect(f"https://{VENDOR}/v2/{{name}}/manifests/1"), "circles"),
        "a redirect to another registry": Misdeed(
            _redirect("https://basic.vendor.test/v2/vendor/tool/manifests/1.0"), "redirects to basic.vendor.test"
        ),
        "a token service without TLS": Misdeed(_token_service("http://tokens.test/token"), "without TLS"),
        "a token service on this machine": Misdeed(_token_service("https://localhost/token"), "local address"),
        "a token service that makes no sense": Misdeed(_token_service("https://["), "makes no sense"),
        "a token service without a token": Misdeed(_token_service(by_token), "without a token", more=tokens('{"hello": 1}')),
        "a token of two lines": Misdeed(_token_service(by_token), "without a token", more=tokens('{"token": "a\\nX-Evil: b"}')),
        "one byte a second": Misdeed({"slow": 1}, "slow", platform, patient=True),
        # Its connections are not kept, and the next one comes when the certificate has ended.
        "a certificate that ends meanwhile": Misdeed(
            {"status": 503, "headers": {"Retry-After": "4", "Connection": "close"}, "body": ""},
            "certificate.*expired", host="basic.vendor.test",
        ),
    }  # fmt: skip


def hostile(sandbox: Sandbox, _seed: int, size: Size) -> Row:
    """A source registry that lies, stalls, or leads elsewhere. One clear error each, in bounded time; no secret leaves."""
    misdeeds = {name: misdeed for name, misdeed in _misdeeds().items() if size.patient or not misdeed.patient}
    sandbox.reset(TARGET)
    faults: list[dict[str, Any]] = []
    tasks = {"quiet": quiet()}
    for number, (case, misdeed) in enumerate(misdeeds.items()):
        name = f"vendor/h{number:02}"
        sandbox.push(misdeed.host.partition(":")[0], name, ["1"], kind="index", seed=number)
        path = {"host": misdeed.host.partition(":")[0], "class": "manifest", "path": f"/{name}/", **misdeed.match}
        fault = {"match": path, "action": misdeed.action}
        faults += json.loads(json.dumps([fault, *misdeed.more]).replace("{name}", name))
        source = f"{misdeed.host}/{name}" + ("" if "tags" in misdeed.image else ":1")
        tasks[case] = Task("acr_mirror", {
            "registry": LOGIN_SERVER,
            "images": [{"source": source, **misdeed.image}],
            "credentials": [{"registry": misdeed.host, "username": "vendor", "password": "vendorpass"}],
        })  # fmt: skip
    sandbox.knobs(faults=faults, certificate_seconds={"basic.vendor.test": 3})
    run = run_tasks(sandbox, tasks)
    log = sandbox.log()
    sandbox.knobs(faults=[], certificate_seconds={})
    row = Row("hostile registries", f"{len(misdeeds)} ways to misbehave")
    idle = tasks.pop("quiet")
    for case, task in tasks.items():
        row.expect(task.failed, f"{case}: no error")
        row.expect(bool(re.search(misdeeds[case].says, task.message)), f"{case}: says {task.message[:300]!r}")
        row.expect("Traceback" not in json.dumps(task.result), f"{case}: a stack trace")
        row.expect(task.seconds - idle.seconds < 75, f"{case}: took {task.seconds:.0f} s")
        row.expect(task.megabytes - idle.megabytes < MEGABYTES, f"{case}: took {task.megabytes:.0f} MB")
    known = {VENDOR.partition(":")[0], "auth.vendor.test", "basic.vendor.test", LOGIN_SERVER, "login.azure.test", "management.azure.test"}
    foreign = {entry["host"] for entry in log} - known
    row.expect(not foreign, f"asked {', '.join(sorted(foreign))}")
    taken = [entry for entry in log if entry["path"] == "/v2/vendor/tool/manifests/1.0" and entry["principal"]]
    row.expect(not taken, "credentials went along with a redirect")
    row.expect("vendorpass" not in run.output + json.dumps(run.tasks), "the password was printed")
    row.expect(sandbox.operations() == [], "an import was started")
    slowest, biggest = max(task.seconds for task in tasks.values()), max(task.megabytes for task in tasks.values())
    row.note = (
        f"one sentence each and nothing imported; the slowest took {slowest:.0f} s, the biggest {biggest:.0f} MB "
        f"(a task that ends at once: {idle.seconds:.0f} s, {idle.megabytes:.0f} MB)"
    )
    return row


# ---- time -------------------------------------------------------------------------------------------------------------


def timeouts(sandbox: Sandbox, _seed: int, size: Size) -> Row:
    """Far sides that never finish: the task ends when its limit has passed. Tokens that end, and clocks that jump."""
    waits: dict[str, tuple[str, dict[str, Any]]] = {
        "an import that stays pending": ("pending", {}),
        "an import that never shows": ("lost", {}),
        "a registry that answers one byte a second": ("slow", {"slow": 1}),
        "a registry that answers nothing": ("silent", {"delay": 60}),
        "429 for ever": ("refused", {"status": 429, "body": "{}"}),
    }
    sandbox.reset(TARGET)
    names = [name for name, _action in waits.values()] + ["calm", "calm2"]
    sandbox.bulk("contosodev", [f"time/{name}" for name in names], tags=1)
    tag = next(iter(sandbox.tags("contosodev", "time/calm")))
    sandbox.knobs(
        import_seconds=3.0,
        faults=[
            {"match": {"host": "contosoprod", "path": f"/time/{name}/"}, "action": action} for name, action in waits.values() if action
        ],
        import_faults=[
            {"source": "time/pending", "text": "pending_forever"}, {"source": "time/lost", "text": "lost"},
        ],
    )  # fmt: skip

    def waiting(name: str, timeout: int = 5, jump: float = 0.0) -> Task:
        args = {"registry": LOGIN_SERVER, "source": f"{DEV}/time/{name}:{tag}", "timeout": timeout}
        return Task("acr_import", args, jump)

    days = 2 * 86400.0
    tasks = {"quiet": quiet(), **{case: waiting(name) for case, (name, _action) in waits.items()}}
    jumping = {
        "an import while the clock goes two days forward": waiting("calm", 60, days),
        "an import while the clock goes two days back": waiting("calm2", 60, -days),
        "a time limit while the clock goes two days forward": waiting("pending", 5, days),
        "a time limit while the clock goes two days back": waiting("pending", 5, -days),
    }
    run_tasks(sandbox, {**tasks, **jumping, "quiet again": (again := quiet())})
    # What concerns all requests of a kind takes a play of its own.
    sandbox.knobs(faults=[{"match": {"class": "import"}, "action": {"status": 503, "body": ""}}], import_faults=[])
    failing = {"Resource Manager that fails for ever": waiting("slow")}
    run_tasks(sandbox, failing)
    sandbox.knobs(faults=[{"match": {"host": "login"}, "action": {"delay": 60}}])
    failing["a sign-in that never ends"] = waiting("slow")
    run_tasks(sandbox, {"a sign-in that never ends": failing["a sign-in that never ends"]})
    sandbox.reset(TARGET)
    sandbox.knobs(import_seconds=9.0, tokens={"arm_seconds": 6, "refresh_seconds": 6, "access_seconds": 4})
    renewed = waiting("calm", 60)
    run_tasks(sandbox, {"tokens that end while an import is waited for": renewed})
    fresh = {entry["path"] for entry in sandbox.log() if entry["class"] in ("token", "exchange")}
    sandbox.reset(TARGET)

    idle = max(tasks.pop("quiet").seconds, again.seconds)
    limited = {**tasks, **failing, **{case: task for case, task in jumping.items() if task.args["timeout"] == 5}}
    row = Row("time", f"{len(limited)} ways to keep a task waiting for longer than its 5 s, clocks that jump, tokens that end")
    late = {case: task.seconds - idle - 5.0 for case, task in limited.items()}
    for case, task in limited.items():
        row.expect(task.failed, f"{case}: no error")
        row.expect(late[case] <= size.late, f"{case}: ended {late[case]:.1f} s late")
        row.expect("Traceback" not in json.dumps(task.result), f"{case}: a stack trace")
    for case, task in {**jumping, "tokens that end": renewed}.items():
        if task.args["timeout"] == 60:
            row.expect(not task.failed and bool(task.result.get("changed")), f"{case}: {task.message[:300]}")
            row.expect(task.seconds - idle < 30, f"{case}: took {task.seconds:.0f} s")
    row.expect(len(fresh) >= 3, f"only {fresh} gave tokens")
    row.note = f"the latest ended {max(0.0, *late.values()):.1f} s after its limit; imports across jumps and ended tokens are right"
    return row


# ---- permissions ------------------------------------------------------------------------------------------------------


def permissions(sandbox: Sandbox, _seed: int, _size: Size) -> Row:
    """Accounts and images for which something is forbidden: each ends with a message of its own."""
    sandbox.reset(TARGET)
    hello = "docker.io/library/hello-world:1.0"
    blind = sandbox.create_principal("blind-importer", grants={TARGET: ["read", "importImage/action"]})
    accounts = {name: {"tenant": who[0], "client_id": who[1], "secret": who[2]} for name, who in PRINCIPALS.items()}
    accounts["blind"] = {**accounts["contributor"], "client_id": blind["client_id"], "secret": blind["secret"]}
    sandbox.bulk("contosodev", ["perm/quarantine", "perm/quota"], tags=1)
    tag = next(iter(sandbox.tags("contosodev", "perm/quota")))
    sandbox.push("contosodev", "perm/big", ["1"], kind="big_index", count=60)
    sandbox.push(TARGET, "locked/tag", ["1"], seed=5)
    sandbox.lock(TARGET, "locked/tag", "1", writeEnabled=False)
    sandbox.push(TARGET, "locked/repository", ["1"], seed=6)
    sandbox.lock(TARGET, "locked/repository", writeEnabled=False)
    sandbox.knobs(import_faults=[
        {"source": "perm/quarantine", "text": "Invalid message Forbidden: the manifest is in quarantine"},
        {"source": "perm/quota", "text": "The registry's storage quota is exceeded."},
    ])  # fmt: skip
    cases: dict[str, tuple[str, dict[str, Any], str]] = {
        "an account that may only read": ("reader", {"source": hello}, "isn't allowed to import"),
        "an account that may only import": ("blind", {"source": hello}, "can't be read by the account"),
        "no access to the source": ("importer", {"source": f"{DEV}/aci-helloworld:v1"}, "contosodev.*no role on this registry"),
        "a locked tag": ("contributor", {"source": hello, "target": ["locked/tag:1"]}, "locked/tag.*locked"),
        "a locked repository": ("contributor", {"source": hello, "target": ["locked/repository:2"]}, "locked/repository.*locked"),
        "quarantine": ("contributor", {"source": f"{DEV}/perm/quarantine:{tag}"}, "quarantine"),
        "an index of 60": ("contributor", {"source": f"{DEV}/perm/big:1"}, "60 manifests"),
        "quota": ("contributor", {"source": f"{DEV}/perm/quota:{tag}"}, "quota"),
    }
    tasks = {
        case: Task("acr_import", {"registry": LOGIN_SERVER, "timeout": 60, **accounts[who], **image})
        for case, (who, image, _says) in cases.items()
    }
    possible = Task("acr_import", {"registry": LOGIN_SERVER, **accounts["blind"], "source": hello, "verify": False})
    run_tasks(sandbox, {**tasks, "what an account that may only import can do": possible})
    sandbox.knobs(import_faults=[])
    row = Row("permissions", f"{len(cases)} refusals")
    for case, task in tasks.items():
        row.expect(task.failed, f"{case}: no error")
        row.expect(bool(re.search(cases[case][2], task.message)), f"{case}: says {task.message[:300]!r}")
        row.expect("Traceback" not in json.dumps(task.result), f"{case}: a stack trace")
    row.expect(len({task.message for task in tasks.values()}) == len(tasks), "two refusals read the same")
    row.expect(not possible.failed, f"an account that may only import can't, without verifying: {possible.message[:300]}")
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
    row.thrown = f"{size.kills} runs over {images} images: " + ", ".join(f"{n} × {way}" for way, n in sorted(ways.items()))
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
    "lies": lies,
    "vetted": vetted,
}
