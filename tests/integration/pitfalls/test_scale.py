# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What breaks for people who copy many images, or big ones, into Azure, provoked in the sandbox."""
from __future__ import annotations

import signal
import threading
from collections import Counter
from typing import Callable

import pytest

from tests.playbook import Run, run_module, run_playbook
from tests.sandbox.handle import Sandbox

HUB, DEV, TARGET = "registry-1.docker.io", "contosodev", "contosoprod"
DEV_HOST, TARGET_HOST = "contosodev.azurecr.test", "contosoprod.azurecr.test"

Mirror = Callable[..., Run]
Import = Callable[..., Run]


def actions(run: Run) -> Counter[str]:
    return Counter(result["action"] for result in run.result["results"])


def held(sandbox: Sandbox, content: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    return {repository: sandbox.tags(TARGET, repository) for repository in content}


# ---- tokens and limits ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("line", [8192, 2600], ids=["as Azure's", "shorter"])
def test_pitfall_01_tokens_for_many_repositories_stay_below_the_header_limit(
    sandbox: Sandbox, acr_mirror: Mirror, line: int
) -> None:
    count = 300 if line == 8192 else 60
    names = [f"long/{line}/{n:03}".ljust(60, "x") for n in range(count)]
    for host in (TARGET, DEV):
        sandbox.patch_registry(host, flags={"max_header_line": line})
        sandbox.bulk(host, names, seed=line)
    sandbox.clear_log()
    run = acr_mirror([{"source_registry": DEV, "repositories": {"include": [f"long/{line}/*"]}}])
    assert run.rc == 0 and actions(run) == {"none": count}, run.output
    tokens, refused = sandbox.log(class_="token", status=200), sandbox.log(status=400)
    if line == 8192:
        assert not refused
        assert len(tokens) < count / 10, "one for each repository"
    else:  # learnt from what is refused: half as long, then half of that
        assert refused and {entry["class"] for entry in refused} <= {"tag_list", "manifest"}
        assert len(tokens) < count, "one for each repository"


def test_pitfall_02_referrers_and_tokens_are_paced_on_their_own(sandbox: Sandbox, acr_mirror: Mirror) -> None:
    """Azure's limits, but of referrers 100 in 3 s: twice as many lookups are needed, and everything else goes on."""
    content = sandbox.bulk(DEV, [f"referred/{n:02}" for n in range(20)], tags=5, referrers=1)
    sandbox.knobs(limits="azure")
    sandbox.knobs(limits={"referrers": {"per_minute": 100, "window": 3}})
    run = acr_mirror([{"source_registry": DEV, "repositories": {"include": ["referred/*"]}, "referrers": True}])
    assert run.rc == 0 and actions(run) == {"import": 200}, run.output
    assert held(sandbox, content) == content
    for repository in content:
        assert set(sandbox.manifests(TARGET, repository)) == set(sandbox.manifests(DEV, repository))
    refused = Counter(entry["class"] for entry in sandbox.log(status=429))
    assert 0 < refused["referrers"] < 60 and not refused["token"] and not refused["manifest"], refused


def test_pitfall_03_what_could_not_be_read_is_not_absent(sandbox: Sandbox) -> None:
    """Reads of every kind that are refused for ever end an image with that sentence, and nothing is imported for it."""
    old, new = (sandbox.push(host, "unread/app", ["new"], seed=n)["digest"] for n, host in enumerate((TARGET, DEV)))
    for name in ("keep", "few", "many"):
        for number in range(9):
            sandbox.push(TARGET, f"unread/{name}", [str(number)], seed=0)
    images = {
        "keep": {"source": f"{DEV_HOST}/unread/app:new", "target": "unread/keep:1", "if_exists": "keep"},
        "few": {"source": f"{DEV_HOST}/unread/app:new", "target": "unread/few:1"},
        "many": {"source": f"{DEV_HOST}/unread/app:new", "target": [f"unread/many:{n}" for n in range(9)]},
        "referrers": {"source": f"{DEV_HOST}/signed/app:1.0", "target": "unread/signed:1", "referrers": True},
        "source": {"source": "docker.io/library/busybox:1.36", "target": "unread/source:1"},
    }
    names = ("source", "target", "if_exists", "referrers")
    args = {name: f"{{{{ images[inventory_hostname].{name} | default(omit) }}}}" for name in names}
    task = {"name": "Import", "registryops.acr.acr_import": {"registry": TARGET_HOST, "timeout": 12, **args}}
    variables = {"images": images, "ansible_python_interpreter": "{{ ansible_playbook_python }}"}
    play = {"name": "All at once", "hosts": "all", "connection": "local", "gather_facts": False, "vars": variables}
    arguments = ("-i", ",".join(images) + ",", "--forks", str(len(images)))

    too_many, broken = {"status": 429, "headers": {"Retry-After": "1"}}, {"status": 503}
    target = {"host": TARGET_HOST, "class": "manifest|tag_list|metadata"}
    sandbox.knobs(
        faults=[
            {"match": {**target, "path": "unread/(keep|few)"}, "action": too_many},
            {"match": {**target, "path": "unread/many"}, "action": broken},
            {"match": {"host": DEV_HOST, "class": "referrers"}, "action": too_many},
            {"match": {"host": HUB, "class": "manifest"}, "action": broken},
        ]
    )
    run = run_playbook([{**play, "tasks": [task]}], sandbox.env, *arguments)
    said = {task["host"]: task["result"]["msg"] for task in run.tasks if task["status"] == "failed"}
    assert set(said) == set(images), run.output
    for name, sentence in said.items():
        assert ("503" if name in ("many", "source") else "'too many requests'") in sentence, said
    assert sandbox.operations() == []
    assert set(sandbox.tags(TARGET, "unread/keep").values()) == {old}

    sandbox.knobs(faults=[])
    run = run_playbook([{**play, "tasks": [task]}], sandbox.env, *arguments)
    done = {task["host"]: {target["action"] for target in task["result"]["targets"]} for task in run.tasks}
    expected = {"keep": {"keep"}, "few": {"update"}, "many": {"update"}, "referrers": {"import"}, "source": {"import"}}
    assert run.rc == 0 and done == expected, run.output
    assert set(sandbox.tags(TARGET, "unread/many").values()) == {new}


# ---- lists ------------------------------------------------------------------------------------------------------------


def test_pitfall_09_lists_are_read_past_their_first_hundred(sandbox: Sandbox, acr_mirror: Mirror) -> None:
    """Registries that give 100 entries a page, whatever is asked for, and links that are relative or absolute."""
    sandbox.create_registry("pitfallpages")
    for name in ("pitfallpages", TARGET):
        sandbox.patch_registry(name, flags={"page_limit": 100, "referrers_page": 100})
        sandbox.bulk(name, ["pages/tags"], tags=250, digests=2)
    sandbox.bulk("pitfallpages", 210, prefix="pages/repo")
    sandbox.bulk("pitfallpages", ["referred/app"], referrers=120)
    public = sandbox.bulk(HUB, ["pages/public"], tags=250, digests=2)["pages/public"]
    first = sorted(public)[:100]
    absolute = {
        "status": 200,
        "headers": {"Link": f'<https://{HUB}/v2/pages/public/tags/list?n=100&last={first[-1]}>; rel="next"'},
        "body": {"name": "pages/public", "tags": first},
    }
    sandbox.patch_upstream(HUB, flags={"page_limit": 100})
    sandbox.knobs(faults=[{"match": {"host": HUB, "class": "tag_list"}, "action": absolute, "times": 1}])
    images = [
        {"source_registry": "pitfallpages", "repositories": {"include": ["pages/*"]}},
        {"source": "referred/app:1.0.0", "source_registry": "pitfallpages", "referrers": True},
        {"source": "docker.io/pages/public", "tags": {}},
    ]
    run = acr_mirror(images, "--check")
    assert run.rc == 0, run.output
    found: dict[str, Counter[str]] = {}
    for result in run.result["results"]:
        name = result["image"].partition("/")[2].partition("@")[0].rpartition(":")[0] or "referred/app"
        found.setdefault(name.partition("-")[0], Counter())[result["action"]] += 1
    assert found == {
        "pages/tags": {"none": 250},  # both sides were read to their ends
        "pages/repo": {"import": 210},
        "referred/app": {"import": 121},
        "pages/public": {"import": 250},
    }
    pages = Counter((entry["host"], entry["class"]) for entry in sandbox.log(status=200))
    assert pages["pitfallpages.azurecr.test", "catalog"] == 3 and pages[HUB, "tag_list"] == 3


def test_pitfall_10_what_the_registry_shows_late_is_waited_for(sandbox: Sandbox, acr_mirror: Mirror) -> None:
    """Azure calls imports done 2 s before the registry has them, and its lists lack a tag for as long as it is new."""
    sandbox.knobs(retry_after=1, visibility="late", late_seconds=2.0)
    sandbox.patch_registry(TARGET, flags={"tags_late_seconds": 3600})
    images = [
        {"source": f"{DEV_HOST}/team/app", "tags": {"semver": "1.0.x"}},
        {"source": "docker.io/library/hello-world:1.0"},
    ]
    first = acr_mirror(images)
    assert first.rc == 0 and actions(first) == {"import": 11}, first.output
    assert len(sandbox.operations()) == 3, "what was not there yet was imported again"
    again = acr_mirror(images)
    assert again.rc == 0 and again.recap["changed"] == 0 and actions(again) == {"none": 11}, again.output
    assert [operation["status"] for operation in sandbox.operations()[:3]] == ["Succeeded"] * 3


# ---- the plan ---------------------------------------------------------------------------------------------------------


def test_pitfall_24_existing_and_absent_targets_never_share_an_import(sandbox: Sandbox, acr_import: Import) -> None:
    assert acr_import(source=f"{DEV_HOST}/aci-helloworld:v1", target="t/app:1").rc == 0
    started = len(sandbox.operations())
    run = acr_import(source=f"{DEV_HOST}/aci-helloworld:v2", target=["t/app:1", "t/app:2", "t/other:2"])
    assert run.rc == 0 and [target["action"] for target in run.result["targets"]] == ["update", "import", "import"]
    bodies = [operation["body"] for operation in sandbox.operations()[started:]]
    assert {(b["mode"], tuple(b["targetTags"])) for b in bodies} == {
        ("Force", ("t/app:1",)),
        ("NoForce", ("t/app:2", "t/other:2")),
    }
    assert all("@sha256:" in b["source"]["sourceImage"] for b in bodies)


def test_pitfall_25_an_index_of_more_than_50_manifests_is_refused_before_anything_starts(
    sandbox: Sandbox, acr_import: Import
) -> None:
    sandbox.push(HUB, "big/index", ["51"], kind="big_index", count=51)
    sandbox.push(HUB, "big/index", ["50"], kind="big_index", count=50)
    run = acr_import(source="docker.io/big/index:51")
    assert run.rc == 2 and "51 manifests" in run.result["msg"] and "50" in run.result["msg"], run.output
    assert not sandbox.operations()
    assert acr_import(source="docker.io/big/index:50").rc == 0


def test_pitfall_25_few_tags_of_a_repository_of_50000(sandbox: Sandbox, acr_mirror: Mirror) -> None:
    """On both sides a listing of 50 pages: two tags are asked for one by one; so are ten in the source, while in the target a
    page of manifests shows them. Their locks are asked for before they are moved."""
    sandbox.create_registry("pitfallhuge")
    there = sandbox.bulk("pitfallhuge", ["huge/app"], tags=50_000, digests=20, seed=1)["huge/app"]
    sandbox.bulk(TARGET, ["huge/app"], tags=50_000, digests=20, seed=2)
    for start, count, pages in ((1, 2, 0), (3, 10, 1)):
        wanted = sorted(there)[start::4001][:count]
        sandbox.clear_log()
        run = acr_mirror([{"source": f"pitfallhuge.azurecr.test/huge/app:{tag}"} for tag in wanted])
        assert run.rc == 0 and actions(run) == {"update": count}, run.output
        now = sandbox.tags(TARGET, "huge/app")
        assert {tag: now[tag] for tag in wanted} == {tag: there[tag] for tag in wanted}
        log = sandbox.log()
        first = min(entry["n"] for entry in log if entry["class"] == "import")
        lists = [entry for entry in log if entry["path"].endswith(("/_tags", "/_manifests")) and entry["n"] < first]
        read = Counter(entry["host"] for entry in lists)
        assert max(read.values(), default=0) == pages
        assert len(log) <= 20 + 6 * count, Counter((entry["host"], entry["class"]) for entry in log)


def test_pitfall_26_neither_turns_nor_copies_use_up_time_limits_or_threads(
    sandbox: Sandbox, acr_mirror: Mirror
) -> None:
    """Azure takes two imports at once and three a second: the last of 20 starts after 6 s. Each may take 3 s and takes
    two. Only two requests may be under way at once, but any number of imports."""
    sandbox.knobs(import_seconds=2.0, retry_after=1, limits={"arm_writes": {"capacity": 2, "refill": 3}})
    run = acr_mirror([{"source": f"{DEV_HOST}/team/app", "tags": {"include": ["[12].*.0"]}}], import_timeout=4, concurrency=2)
    assert run.rc == 0 and actions(run) == {"import": 20}, run.output
    operations = sandbox.operations()
    assert max(o["started"] for o in operations) - min(o["started"] for o in operations) > 4.0
    under_way = [sum(o["started"] <= now["started"] < o["finished"] for o in operations) for now in operations]
    assert max(under_way) >= 5, under_way


# ---- interruptions ----------------------------------------------------------------------------------------------------


def test_pitfall_28_two_runs_at_once(sandbox: Sandbox) -> None:
    sandbox.knobs(import_seconds=1.0, retry_after=1)
    content = sandbox.bulk(DEV, ["twice/a", "twice/b"], tags=10)
    args = {"registry": TARGET, "images": [{"source_registry": DEV, "repositories": {"include": ["twice/*"]}}]}
    runs: list[Run] = []
    threads = [threading.Thread(target=lambda: runs.append(run_module("acr_mirror", args, sandbox.env))) for _n in "12"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for run in runs:
        assert run.rc == 0 and set(actions(run)) <= {"import", "none"}, run.output
    assert held(sandbox, content) == content


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL], ids=["terminated", "killed"])
def test_pitfall_28_killed_between_the_start_of_an_import_and_its_check(sandbox: Sandbox, how: signal.Signals) -> None:
    sandbox.knobs(import_seconds=2.0, retry_after=1)
    content = sandbox.bulk(DEV, ["killed/app"], tags=12)
    args = {"registry": TARGET, "images": [{"source_registry": DEV, "repositories": {"include": ["killed/*"]}}]}
    run = run_module("acr_mirror", args, sandbox.env, until=lambda: len(sandbox.operations()) > 5, signal_=how)
    assert run.rc == -how and not run.left, run.output
    started = len(sandbox.wait_for_operations())
    assert started > 5
    again = run_module("acr_mirror", args, sandbox.env)
    assert again.rc == 0 and held(sandbox, content) == content, again.output
    digests = Counter(operation["digest"] for operation in sandbox.operations())
    assert max(digests.values()) == 1, "imported twice"
