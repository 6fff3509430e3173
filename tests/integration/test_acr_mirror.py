# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What acr_mirror promises, by real playbooks against the sandbox."""
from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Any, Callable

import pytest

from tests.playbook import Run, run_playbook, run_tasks
from tests.sandbox.handle import Sandbox

HUB, MCR, DEV = "registry-1.docker.io", "mcr.microsoft.com", "contosodev"
DEV_HOST = "contosodev.azurecr.test"
TARGET_HOST = "contosoprod.azurecr.test"
APP = f"{DEV_HOST}/team/app"  # 300 tags from 1.0.0 to 3.9.9, each five of the same digest
BUSYBOX = {"source": "docker.io/library/busybox:1.36"}
VENDOR = "basic.vendor.test/vendor"

Mirror = Callable[..., Run]


def results(run: Run) -> dict[str, dict[str, Any]]:
    """The results by repository and tag (or digest)."""
    found = {result["image"].partition("/")[2]: result for result in run.result["results"]}
    assert len(found) == len(run.result["results"]), "a target was reported twice"
    return found


def actions(run: Run) -> dict[str, str]:
    return {name: result["action"] for name, result in results(run).items()}


def held(sandbox: Sandbox, *repositories: str, host: str = "contosoprod") -> dict[str, str]:
    """``{repository:tag: digest}`` of these repositories."""
    return {
        f"{repository}:{tag}": digest
        for repository in repositories
        for tag, digest in sandbox.tags(host, repository).items()
    }


def operations(sandbox: Sandbox, registry: str = "contosoprod") -> list[dict[str, Any]]:
    return [operation for operation in sandbox.operations() if operation["registry"] == registry]


# ---- the main job ----------------------------------------------------------------------------------------------------


def test_first_run_fills_the_registry_and_the_second_does_nothing(sandbox: Sandbox, acr_mirror: Mirror) -> None:
    images = [
        {"source": "docker.io/library/hello-world", "tags": {"include": ["1.*"]}},
        {"source": "docker.io/library/busybox:1.37", "target": ["base/busybox:stable", "base/busybox:1.37"]},
        {"source": "mcr.microsoft.com/windows/servercore:ltsc2019"},
        {"source": APP, "tags": {"semver": ">=3.9"}},
        {"source": "signed/app:1.0", "source_registry": DEV, "referrers": True},
    ]
    first = acr_mirror(images)
    assert first.rc == 0 and first.recap["changed"] == 1, first.output
    hub, team = sandbox.tags(HUB, "library/hello-world"), sandbox.tags(DEV, "team/app")
    busybox = sandbox.tags(HUB, "library/busybox")["1.37"]
    expected = {
        **{f"library/hello-world:{tag}": hub[tag] for tag in ("1.0", "1.1")},
        "base/busybox:stable": busybox,
        "base/busybox:1.37": busybox,
        "windows/servercore:ltsc2019": sandbox.tags(MCR, "windows/servercore")["ltsc2019"],
        **{f"team/app:3.9.{patch}": team[f"3.9.{patch}"] for patch in range(10)},
        **held(sandbox, "signed/app", host=DEV),
    }
    repositories = ("library/hello-world", "base/busybox", "windows/servercore", "team/app", "signed/app")
    assert held(sandbox, *repositories) == expected
    assert set(sandbox.manifests("contosoprod", "signed/app")) == set(sandbox.manifests(DEV, "signed/app"))
    found = results(first)
    assert set(actions(first).values()) == {"import"}
    assert {name: found[name]["digest"] for name in expected} == expected
    assert all(result["previous_digest"] is None and result["seconds"] > 0 for result in found.values())
    assert found["team/app:3.9.9"]["source"] == f"{APP}:3.9.9"
    assert found["library/hello-world:1.0"]["source"] == "docker.io/library/hello-world:1.0"
    summary = first.result["summary"]
    assert summary["targets"] == summary["imported"] == len(found) and summary["failed"] == summary["unchanged"] == 0
    # One import for each digest and source repository.
    origins = {(result["digest"], result["source"].rpartition("/")[0]) for result in found.values()}
    assert len(operations(sandbox)) == len(origins) < len(found)

    started = len(sandbox.operations())
    second = acr_mirror(images)
    assert second.rc == 0 and second.recap["changed"] == 0, second.output
    assert set(actions(second).values()) == {"none"} and set(actions(second)) == set(found)
    assert second.result["summary"]["unchanged"] == len(found) and second.result["diff"] == []
    assert len(sandbox.operations()) == started and not sandbox.log(class_="import")[started:]


def test_check_mode_and_diff_show_what_the_real_run_does(sandbox: Sandbox, acr_mirror: Mirror) -> None:
    team = sandbox.tags(DEV, "team/app")
    before = [
        {"source": f"{APP}:1.0.0", "target": ["t/app:right", "t/app:lost"]},
        {"source": f"{APP}:1.0.5", "target": ["t/app:other", "t/app:kept", "t/app:release"]},
        {"source": f"{APP}:1.1.0", "target": ["t/app:again", "t/gone:1"]},
    ]
    assert acr_mirror(before).rc == 0
    sandbox.lose_manifest("contosoprod", "t/gone", team["1.1.0"])
    started, earlier = len(sandbox.operations()), held(sandbox, "t/app", "t/gone", "t/new")
    source = f"{APP}:1.0.0"
    images = [
        {"source": source, "target": ["t/app:right", "t/new:1", "t/app:other"]},
        {"source": source, "target": ["t/app:kept"], "if_exists": "keep"},
        {"source": source, "target": ["t/app:release"], "if_exists": "fail"},
        {"source": f"{APP}:1.1.0", "target": ["t/app:again"], "if_exists": "reimport"},
        {"source": f"{APP}:1.1.0", "target": ["t/gone:1"]},
        {"source": f"{DEV_HOST}/team/app:nowhere"},
        {"source": APP, "target": ["t/many"], "tags": {"semver": "1.2.x"}},
    ]
    checked = acr_mirror(images, "--check", "--diff")
    assert len(sandbox.operations()) == started and held(sandbox, "t/app", "t/gone", "t/new") == earlier
    real = acr_mirror(images, "--diff")
    expected = {
        "t/app:right": "none",
        "t/new:1": "import",
        "t/app:other": "update",
        "t/app:kept": "keep",
        "t/app:release": "failed",
        "t/app:again": "reimport",
        "t/gone:1": "repair",
        "team/app:nowhere": "failed",
        **{f"t/many:1.2.{patch}": "import" for patch in range(10)},
    }
    assert actions(checked) == actions(real) == expected, real.output
    assert checked.rc == real.rc == 2
    assert checked.result["msg"].splitlines()[1:] == real.result["msg"].splitlines()[1:]
    assert checked.result["msg"].startswith("2 of 18 targets would fail; all others would be as they should be.")
    assert checked.result["changed"] is real.result["changed"] is True
    assert checked.result["diff"] == real.result["diff"]
    [diff] = real.result["diff"]
    changed = {name for name, action in expected.items() if action not in ("none", "keep", "failed")}
    assert set(diff["before"]) == set(diff["after"]) == changed
    assert {name: earlier.get(name) for name in changed} == diff["before"]
    now = held(sandbox, "t/app", "t/gone", "t/new", "t/many")
    assert {name: now[name] for name in changed} == diff["after"]
    assert all(now[name] == earlier[name] for name in ("t/app:right", "t/app:kept", "t/app:release"))

    def bare(run: Run) -> list[dict[str, Any]]:
        return [{key: value for key, value in result.items() if key != "seconds"} for result in run.result["results"]]

    assert bare(checked) == bare(real)
    counts = {key: value for key, value in real.result["summary"].items() if key not in ("seconds", "requests")}
    assert counts == {key: checked.result["summary"][key] for key in counts}
    assert counts == {
        "targets": 18,
        "imported": 11,
        "updated": 1,
        "reimported": 1,
        "repaired": 1,
        "unchanged": 1,
        "kept": 1,
        "quarantined": 0,
        "waiting": 0,
        "failed": 2,
    }
    after = acr_mirror(images, "--check", "--diff")
    assert {a for n, a in actions(after).items() if n in changed} == {"none", "reimport"}


def test_a_changed_source_is_an_update_by_digest(sandbox: Sandbox, acr_mirror: Mirror) -> None:
    old = sandbox.push(HUB, "mirror/moves", ["1"], kind="index", seed=7001)["digest"]
    images = [{"source": "docker.io/mirror/moves:1"}]
    assert acr_mirror(images).rc == 0
    new = sandbox.push(HUB, "mirror/moves", ["1"], kind="index", seed=7002)["digest"]
    run = acr_mirror(images)
    assert actions(run) == {"mirror/moves:1": "update"}, run.output
    assert results(run)["mirror/moves:1"]["previous_digest"] == old
    assert sandbox.tags("contosoprod", "mirror/moves") == {"1": new}
    assert operations(sandbox)[-1]["body"]["source"]["sourceImage"] == f"mirror/moves@{new}"
    assert operations(sandbox)[-1]["body"]["mode"] == "Force"


# ---- choosing tags and repositories ----------------------------------------------------------------------------------


SELECTIONS: list[tuple[str, dict[str, Any], list[str]]] = [
    (APP, {"include": ["1.2.*", "2.0.0"], "exclude": ["*.5"]},
     [*(f"1.2.{n}" for n in range(10) if n != 5), "2.0.0"]),
    (APP, {"semver": ">=3.9.5"}, [f"3.9.{n}" for n in range(5, 10)]),
    (APP, {"semver": "^1.9 || 3.0.0"}, [*(f"1.9.{n}" for n in range(10)), "3.0.0"]),
    (APP, {"newest": 3}, ["3.9.7", "3.9.8", "3.9.9"]),
    (APP, {"semver": "<2", "newest": 2}, ["1.9.8", "1.9.9"]),
    (APP, {"newest": 1, "same_digest": True}, [f"3.9.{n}" for n in range(5, 10)]),
    (APP, {"exclude": ["1.*", "2.*", "3.[1-9].*"], "newest": 1}, ["3.0.9"]),
    (f"{DEV_HOST}/aci-helloworld:v2", {"same_digest": True}, ["latest", "v2"]),
    ("docker.io/library/hello-world", {}, ["1.0", "1.1", "latest", "linux"]),
    ("docker.io/library/hello-world", {"include": ["l*"], "exclude": ["la*"]}, ["linux"]),
    ("docker.io/library/hello-world", {"semver": "1.x"}, ["1.0", "1.1"]),
    ("docker.io/library/hello-world", {"newest": 1}, ["1.1"]),
    ("docker.io/library/hello-world", {"newest": 1, "same_digest": True}, ["1.1", "latest", "linux"]),
    ("docker.io/hello-world:linux", {"same_digest": True}, ["1.1", "latest", "linux"]),
    ("docker.io/library/busybox", {"semver": "~1.36", "same_digest": True}, ["1.36"]),
    ("mcr.microsoft.com/dotnet/runtime", {"newest": 1}, ["8.0.10"]),  # by version, and not as text
    ("mcr.microsoft.com/dotnet/runtime", {"include": ["6.*"], "newest": 1, "same_digest": True}, ["6.0", "6.0.36"]),
]  # fmt: skip


def test_tags(sandbox: Sandbox, acr_mirror: Mirror) -> None:
    """Each selection of tags, all in one run."""
    images = [
        {"source": source, "tags": tags, "target": [f"chosen/{number}"]}
        for number, (source, tags, _expected) in enumerate(SELECTIONS)
    ]
    run = acr_mirror(images)
    assert run.rc == 0, run.output
    for number, (source, tags, expected) in enumerate(SELECTIONS):
        host, _slash, repository = source.partition("/")
        repository = repository.partition(":")[0]
        repository = repository if "/" in repository or host != "docker.io" else f"library/{repository}"
        there = sandbox.tags({"docker.io": HUB, DEV_HOST: DEV}.get(host, host), repository)
        chosen = sandbox.tags("contosoprod", f"chosen/{number}")
        assert chosen == {tag: there[tag] for tag in expected}, f"{tags} of {source}"


def test_newest_goes_by_version_and_never_by_time(sandbox: Sandbox, acr_mirror: Mirror) -> None:
    for host, source in ((DEV, f"{DEV_HOST}/mirror/rebuilt"), (HUB, "docker.io/mirror/rebuilt")):
        for seed, tag in enumerate(("2.1.0", "2.0.9", "1.9.10", "1.9.9")):  # the oldest release was built last
            sandbox.push(host, "mirror/rebuilt", [tag], seed=7100 + seed)
        run = acr_mirror([{"source": source, "tags": {"newest": 2}, "target": [f"newest/{host}".replace(".", "-")]}])
        assert sorted(name.partition(":")[2] for name in actions(run)) == ["2.0.9", "2.1.0"], run.output


def test_no_tag_chosen_fails_only_that_entry(sandbox: Sandbox, acr_mirror: Mirror) -> None:
    images = [{"source": "docker.io/library/busybox", "tags": {"semver": ">=9"}}, BUSYBOX]
    run = acr_mirror(images)
    assert run.rc == 2 and "No tag of docker.io/library/busybox matches tags" in run.result["msg"], run.output
    assert list(held(sandbox, "library/busybox")) == ["library/busybox:1.36"]


def test_repositories_of_a_whole_registry_under_a_prefix(sandbox: Sandbox, acr_mirror: Mirror) -> None:
    sandbox.create_registry("mirrorwhole")
    sandbox.bulk("mirrorwhole", ["team/one", "team/two", "cache/x", "infra/dns"], tags=4, digests=2)
    patterns = {"include": ["team/*", "cache/*"], "exclude": ["cache/*"]}
    run = acr_mirror([{"source_registry": "mirrorwhole", "repositories": patterns}], target_prefix="copy/")
    assert run.rc == 0, run.output
    there = held(sandbox, "team/one", "team/two", host="mirrorwhole")
    expected = {f"copy/{name}": digest for name, digest in there.items()}
    assert held(sandbox, "copy/team/one", "copy/team/two", "copy/cache/x", "copy/infra/dns") == expected
    assert {name: result["digest"] for name, result in results(run).items()} == expected
    everything = [{"source_registry": "mirrorwhole", "repositories": {}, "tags": {"newest": 1}}]
    run = acr_mirror(everything)
    chosen = sorted(name.partition(":")[0] for name in actions(run))
    assert chosen == ["cache/x", "infra/dns", "team/one", "team/two"], run.output
    run = acr_mirror([{"source_registry": "mirrorwhole", "repositories": {"include": ["nothing/*"]}}])
    assert run.rc == 2 and "No repository of mirrorwhole" in run.result["msg"], run.output


def test_only_azure_registries_list_their_repositories(sandbox: Sandbox, acr_mirror: Mirror) -> None:
    run = acr_mirror([{"source": "docker.io/library/busybox", "repositories": {"include": ["*"]}}])
    assert run.rc == 2 and "Entry 1 (docker.io/library/busybox): repositories selects among" in run.result["msg"], run.output


def test_target_prefix_counts_for_every_target(sandbox: Sandbox, acr_mirror: Mirror) -> None:
    images = [
        {"source": "docker.io/library/busybox:1.36"},
        {"source": "docker.io/library/busybox:1.37", "target": ["box:new"], "untagged_repositories": ["bare"]},
        {"source": f"{DEV_HOST}/aci-helloworld", "tags": {"include": ["v*"]}},
    ]
    run = acr_mirror(images, target_prefix="mirror/")
    digest = sandbox.tags(HUB, "library/busybox")["1.37"]
    assert set(actions(run)) == {
        "mirror/library/busybox:1.36",
        "mirror/box:new",
        f"mirror/bare@{digest}",
        "mirror/aci-helloworld:v1",
        "mirror/aci-helloworld:v2",
    }, run.output
    assert digest in sandbox.manifests("contosoprod", "mirror/bare") and not sandbox.tags("contosoprod", "mirror/bare")
    assert acr_mirror(images, target_prefix="mirror/").recap["changed"] == 0


def test_defaults_count_where_an_entry_says_nothing(sandbox: Sandbox, acr_mirror: Mirror) -> None:
    assert acr_mirror([{"source": f"{APP}:1.0.0", "target": ["d/app:1", "d/app:2"]}]).rc == 0
    old, new = (sandbox.tags(DEV, "team/app")[tag] for tag in ("1.0.0", "2.0.0"))
    defaults = {"source_registry": DEV, "if_exists": "keep", "referrers": True, "tags": {"newest": 1, "semver": "2.x"}}
    images = [
        {"source": "team/app", "target": ["d/app"]},
        {"source": "signed/app", "tags": {"include": ["1.0"]}},
        {"source": "team/app", "target": ["d/other"], "tags": {"include": ["2.0.0"]}},
    ]
    run = acr_mirror(images, defaults=defaults)
    assert run.rc == 0, run.output
    assert set(sandbox.tags("contosoprod", "d/app")) == {"1", "2", "2.9.9"}
    assert sandbox.tags("contosoprod", "d/other") == {"2.0.0": new}
    assert set(sandbox.manifests("contosoprod", "signed/app")) == set(sandbox.manifests(DEV, "signed/app"))
    single = [
        {"source": "team/app:2.0.0", "target": ["d/app:1"]},
        {"source": "team/app:2.0.0", "target": ["d/app:2"], "if_exists": "update"},
    ]
    run = acr_mirror(single, defaults={"source_registry": DEV, "if_exists": "keep"})
    assert actions(run) == {"d/app:1": "keep", "d/app:2": "update"}, run.output
    assert sandbox.tags("contosoprod", "d/app") == {"1": old, "2": new, "2.9.9": sandbox.tags(DEV, "team/app")["2.9.9"]}
    assert {tuple(o["body"]["source"]) for o in operations(sandbox)[1:]} == {("resourceId", "sourceImage")}


# ---- credentials -----------------------------------------------------------------------------------------------------


def test_the_longest_matching_credentials_count(sandbox: Sandbox, acr_mirror: Mirror) -> None:
    credentials = [
        {"registry": "docker.io/acme/private", "username": "dockeruser", "password": "dockerpass"},
        {"registry": "docker.io/acme", "username": "wrong", "password": "not-this-one"},
        {"registry": "docker.io/lib", "username": "wrong", "password": "not-this-one"},  # no namespace of that name
        {"registry": "basic.vendor.test", "username": "vendor", "password": "vendorpass"},
        {"registry": "bearer.vendor.test:8443", "username": "vendor", "password": "vendorpass"},
        {"registry": "fabrikam.azurecr.test/sourcerepo", "username": "pulltoken", "password": "pulltokenpass"},
    ]
    images = [
        {"source": "index.docker.io/acme/private:1.0"},
        {"source": "docker.io/library/busybox:1.36"},
        {"source": "basic.vendor.test/vendor/tool:1.0"},
        {"source": "bearer.vendor.test:8443/vendor/agent:2.3"},
        {"source": "fabrikam.azurecr.test/sourcerepo:tag"},
    ]
    run = acr_mirror(images, "-vvv", credentials=credentials)
    assert run.rc == 0, run.output
    users = {o["body"]["source"]["registryUri"]: o["body"]["source"].get("credentials", {}).get("username")
             for o in operations(sandbox) if "library" not in o["body"]["source"]["sourceImage"]}
    assert users == {
        "docker.io": "dockeruser",
        "basic.vendor.test": "vendor",
        "bearer.vendor.test:8443": "vendor",
        "fabrikam.azurecr.test": "pulltoken",
    }
    [library] = [o for o in operations(sandbox) if "library" in o["body"]["source"]["sourceImage"]]
    assert "credentials" not in library["body"]["source"]
    for secret in ("dockerpass", "vendorpass", "pulltokenpass", "not-this-one"):
        assert secret not in run.output and secret not in str(run.tasks)
    assert acr_mirror(images, credentials=credentials).recap["changed"] == 0


def test_an_entrys_own_credentials_come_before_the_list(sandbox: Sandbox, acr_mirror: Mirror) -> None:
    wrong = [{"registry": f"{VENDOR}/tool", "username": "vendor", "password": "wrong"}]
    own = {"source_username": "vendor", "source_password": "vendorpass"}
    images = [{"source": f"{VENDOR}/tool:1.0", **own}, {"source": f"{VENDOR}/agent:2.3", **own}]
    assert acr_mirror(images, credentials=wrong).rc == 0
    images[0] = {"source": f"{VENDOR}/tool:1.0", "target": ["x:1"]}
    run = acr_mirror(images, credentials=wrong)
    assert actions(run) == {"x:1": "failed", "vendor/agent:2.3": "none"}, run.output
    assert "refuses the given credentials" in run.result["msg"]


# ---- what is refused before anything starts --------------------------------------------------------------------------


CONTRADICTIONS: list[tuple[list[dict[str, Any]], str]] = [
    ([BUSYBOX, {**BUSYBOX, "if_exists": "keep"}],
     "library/busybox:1.36 is wanted twice, with different options (entries 1 and 2)"),
    ([BUSYBOX, {"source": "index.docker.io/busybox:1.36", "repair": True}], "library/busybox:1.36 is"),
    ([BUSYBOX, {"source": "docker.io/library/busybox:1.37", "target": ["library/busybox:1.36"]}],
     "library/busybox:1.36 is wanted twice: from docker.io/library/busybox:1.36 (entry 1) and from "
     "docker.io/library/busybox:1.37 (entry 2)"),
    ([{"source": "docker.io/library/busybox", "tags": {}},
      {"source": f"{APP}:1.0.0", "target": ["library/busybox:latest"]}],
     "library/busybox:latest is wanted twice"),
    ([BUSYBOX, {"source": "docker.io/library/busybox:1.37", "tags": {"newest": 1}}],
     "Entry 2 (docker.io/library/busybox:1.37): docker.io/library/busybox:1.37 names one image, but tags selects others"),
    ([BUSYBOX, {"source": "docker.io/library/busybox", "tags": {"semver": "newer than 1"}}],
     "Entry 2 (docker.io/library/busybox): semver 'newer than 1'"),
    ([BUSYBOX, {"source": "docker.io/library/busybox", "tags": {"newest": 0}}], "newest must be at least 1"),
    ([BUSYBOX, {"source": "docker.io/Library/Busybox:1"}], "must be lowercase"),
    ([BUSYBOX, {"source": "library/busybox:1.37"}], "Entry 2 (library/busybox:1.37):"),
    ([BUSYBOX, {"source": "docker.io/library/busybox", "tags": {}, "target": ["a:1"]}],
     "names a tag, but tags selects several"),
    ([BUSYBOX, {"source": f"{APP}:1.0.0", "verify": False, "referrers": True}],
     "referrers needs verify: true"),
]  # fmt: skip


def test_contradictions_are_refused_before_anything_starts(sandbox: Sandbox) -> None:
    run = run_tasks("acr_mirror", [{"registry": "contosoprod", "images": images} for images, _says in CONTRADICTIONS], sandbox.env)
    assert len(run.tasks) == len(CONTRADICTIONS), run.output
    for task, (_images, says) in zip(run.tasks, CONTRADICTIONS):
        message = task["result"]["msg"]
        assert task["status"] == "failed" and says in message and "\n" not in message, f"{says!r} is not what was said: {message}"
        assert "results" not in task["result"]
    assert not sandbox.operations()


def test_at_least_one_request_at_once(acr_mirror: Mirror) -> None:
    assert acr_mirror([BUSYBOX], concurrency=0).result["msg"] == "concurrency must be at least 1, not 0."


def test_two_selections_may_choose_the_same_image(sandbox: Sandbox, acr_mirror: Mirror) -> None:
    images = [
        {"source": APP, "tags": {"semver": "1.0.x"}},
        {"source": APP, "tags": {"include": ["*.0.0"]}},
        {"source": f"{APP}:1.0.0"},
    ]
    run = acr_mirror(images)
    assert run.rc == 0 and len(actions(run)) == 12, run.output


# ---- failures --------------------------------------------------------------------------------------------------------


def test_on_error_continue_does_the_rest_and_names_each_failure_once(sandbox: Sandbox, acr_mirror: Mirror) -> None:
    sandbox.knobs(
        retry_after=1,
        import_faults=[{"source": "busybox", "text": "x is associated with the cache rule r; import is disallowed."}],
    )
    assert acr_mirror([{"source": f"{APP}:1.0.0", "target": ["locked/app:1", "release/app:1"]}]).rc == 0
    sandbox.lock("contosoprod", "locked/app", tag="1", writeEnabled=False)
    update = f"{APP}:2.0.0"
    bad = {
        "locked/app:1": {"source": update, "target": ["locked/app:1"]},
        "release/app:1": {"source": update, "target": ["release/app:1"], "if_exists": "fail"},
        "library/hello-world:none": {"source": "docker.io/library/hello-world:none"},
        "library/busybox:1.36": {"source": "docker.io/library/busybox:1.36"},
        "vendor/tool:1.0": {"source": "basic.vendor.test/vendor/tool:1.0"},
        "some/thing:1": {"source": "nowhere.example.test/some/thing:1"},
        "an/app:1": {"source": "nosuchregistry.azurecr.test/an/app:1"},
        "team/nothing:*": {"source": "team/nothing", "source_registry": DEV, "tags": {"newest": 1}},
        "other/app:1": {"source": "app:1", "source_registry": "nosuchregistry", "target": ["other/app:1"]},
    }
    good = [
        {"source": APP, "tags": {"semver": "1.x"}},
        {"source": "docker.io/library/hello-world:1.0"},
        {"source": "mcr.microsoft.com/dotnet/runtime:8.0"},
    ]
    run = acr_mirror([*bad.values(), *good])
    assert run.rc == 2, run.output
    failed = {name for name, action in actions(run).items() if action == "failed"}
    assert failed == set(bad)
    first, *lines = run.result["msg"].splitlines()
    assert first == f"{len(bad)} of {len(actions(run))} targets failed; all others are as they should be."
    found = results(run)
    entries = {name: f"{TARGET_HOST}/{name} (entry {number})" for number, name in enumerate(bad, 1)}
    assert Counter(line.partition(": ")[0] for line in lines) == Counter(entries.values())
    assert all(f"{entries[name]}: {found[name]['error']}" in lines for name in bad)
    says = {
        "locked/app:1": "locked",
        "release/app:1": "if_exists: update",
        "library/hello-world:none": "does not exist",
        "library/busybox:1.36": "cache rule",
        "vendor/tool:1.0": "needs credentials",
        "some/thing:1": "nowhere.example.test",
        "an/app:1": "nosuchregistry",
        "team/nothing:*": "No tag of",
        "other/app:1": "There is no registry nosuchregistry",
    }
    assert {name: text for name, text in says.items() if text not in found[name]["error"]} == {}
    assert len(sandbox.tags("contosoprod", "team/app")) == 100
    public = held(sandbox, "library/hello-world", "dotnet/runtime")
    assert set(public) == {"library/hello-world:1.0", "dotnet/runtime:8.0"}
    assert run.result["changed"] is True and run.result["summary"]["failed"] == len(bad)


def test_on_error_stop_starts_nothing_after_a_failure(sandbox: Sandbox, acr_mirror: Mirror) -> None:
    images = [{"source": "docker.io/library/hello-world:none"}]
    images += [{"source": f"{DEV_HOST}/team/app:1.{n}.0"} for n in range(5)]
    run = acr_mirror(images, on_error="stop")
    assert run.rc == 2 and not sandbox.operations(), run.output
    assert "docker.io/library/hello-world:none does not exist" in run.result["msg"]
    *names, stopped = run.result["msg"].splitlines()[-1].split(": ", 1)
    assert stopped == "Not started, since another image failed (on_error: stop)."
    assert names[0].split(", ") == [f"{TARGET_HOST}/team/app:1.{n}.0 (entry {n + 2})" for n in range(5)]
    assert run.result["changed"] is False
    # What fails only while it is imported stops the entries without verification too.
    sandbox.knobs(retry_after=0, import_faults=[{"source": "team/app:1.0.0|team/app@", "text": "locked"}])
    images = [{"source": f"{DEV_HOST}/team/app:1.0.0"}, {"source": "docker.io/library/hello-world:1.0", "verify": False}]
    run = acr_mirror(images, on_error="stop")
    assert actions(run) == {"team/app:1.0.0": "failed", "library/hello-world:1.0": "failed"}, run.output
    assert len(operations(sandbox)) == 1 and run.result["changed"] is True
    assert [result["digest"] for result in run.result["results"]] == [None, None]


def test_on_error_stop_waits_for_what_is_under_way(sandbox: Sandbox, acr_mirror: Mirror) -> None:
    """Azure takes two imports a second, after three, of which two go at once; the first fails, and that is known a second later."""
    sandbox.knobs(
        retry_after=1,
        import_seconds=1.0,
        limits={"arm_writes": {"capacity": 3, "refill": 2}},
        import_faults=[{"source": "team/app", "times": 1, "text": "cache rule: import is disallowed"}],
    )
    images = [{"source": APP, "tags": {"include": ["*.0"]}}]  # 30 tags, 30 digests
    run = acr_mirror(images, on_error="stop")
    assert run.rc == 2, run.output
    started = [target for operation in operations(sandbox) for target in operation["targets"]]
    found = actions(run)
    stopped = [name for name, result in results(run).items() if "on_error: stop" in result.get("error", "")]
    assert 2 <= len(started) < 15 and set(stopped) == set(found) - set(started)
    assert Counter(found[name] for name in started) == {"failed": 1, "import": len(started) - 1}
    assert len(sandbox.tags("contosoprod", "team/app")) == len(started) - 1
    sandbox.knobs(limits=None, import_faults=[])
    assert acr_mirror(images, on_error="stop").rc == 0 and len(sandbox.tags("contosoprod", "team/app")) == 30


def test_a_target_registry_that_does_not_exist_is_one_sentence(sandbox: Sandbox, acr_mirror: Mirror) -> None:
    run = acr_mirror([{"source": APP, "tags": {}}], registry="nosuchregistry")
    assert run.rc == 2 and run.result["msg"].startswith("There is no registry nosuchregistry"), run.output
    assert "\n" not in run.result["msg"]


def test_the_sources_pull_quota_is_compared_with_what_is_needed(sandbox: Sandbox, acr_mirror: Mirror) -> None:
    sandbox.patch_upstream(HUB, flags={"pulls_left": 3})
    images = [
        {"source": "docker.io/library/hello-world", "tags": {}},  # two digests
        {"source": "docker.io/library/busybox", "tags": {}},  # two digests
        {"source": "mcr.microsoft.com/dotnet/runtime", "tags": {}},
    ]
    run = acr_mirror(images, "--check")
    assert run.rc == 0, run.output
    [note] = run.result["warnings"]
    assert note.startswith("docker.io announces 3 more pulls for now, and 4 imports from it are needed;")
    assert "mirror" not in note and "credentials" in note
    # What it refuses to Azure is tried again later, and named when it still refuses.
    sandbox.patch_upstream(HUB, flags={"pulls_left": 4})
    assert "warnings" not in acr_mirror(images, "--check").result
    assert acr_mirror(images).rc == 0
    sandbox.patch_upstream(HUB, flags={"pulls_left": 0})
    quiet = acr_mirror(images)
    assert quiet.rc == 0 and quiet.recap["changed"] == 0 and "warnings" not in quiet.result, quiet.output


@pytest.mark.parametrize("action", [{"drop": True}, {"drop_mid": True}, {"status": 503, "body": "busy"}], ids=str)
def test_connections_that_break_are_borne(sandbox: Sandbox, acr_mirror: Mirror, action: dict[str, Any]) -> None:
    match = {"host": r"azurecr\.test$|docker\.io$|management", "class": "^(?!import$)"}
    sandbox.knobs(faults=[{"match": match, "probability": 0.15, "seed": 5, "action": action}])
    images = [
        {"source": APP, "tags": {"semver": "1.x"}},
        {"source": "docker.io/library/hello-world", "tags": {}},
        {"source": "signed/app:1.0", "source_registry": DEV, "referrers": True},
    ]
    run = acr_mirror(images)
    assert run.rc == 0 and set(actions(run).values()) == {"import"}, run.output
    assert set(sandbox.manifests("contosoprod", "signed/app")) == set(sandbox.manifests(DEV, "signed/app"))
    assert held(sandbox, "library/hello-world") == held(sandbox, "library/hello-world", host=HUB)
    if "status" in action:
        assert sandbox.log(status=503)


# ---- how little is asked ---------------------------------------------------------------------------------------------


def test_targets_of_the_same_digest_share_one_import(sandbox: Sandbox, acr_mirror: Mirror) -> None:
    images = [
        {"source": APP, "tags": {"include": ["1.0.?"]}, "target": ["one", "two"]},  # two digests
        {"source": f"{APP}:1.0.9", "target": ["three:1"]},
        {"source": "docker.io/library/hello-world", "tags": {}},  # two digests
    ]
    run = acr_mirror(images)
    assert run.rc == 0 and len(actions(run)) == 25, run.output
    assert sorted(len(operation["targets"]) for operation in operations(sandbox)) == [1, 3, 10, 11]


def test_a_quiet_run_costs_at_most_six_requests_for_each_repository(sandbox: Sandbox, acr_mirror: Mirror) -> None:
    sandbox.create_registry("mirrorquiet")
    repositories = 12
    for host in ("mirrorquiet", "contosoprod"):
        sandbox.bulk(host, repositories, tags=40, digests=8, seed=9, prefix="quiet/repo")
    images = [{"source_registry": "mirrorquiet.azurecr.test", "repositories": {}}]
    sandbox.clear_log()
    run = acr_mirror(images, registry=TARGET_HOST)
    assert run.rc == 0 and run.recap["changed"] == 0, run.output
    assert run.result["summary"]["unchanged"] == repositories * 40
    log = sandbox.log()
    assert len(log) <= 6 * repositories, Counter((entry["host"], entry["class"]) for entry in log)
    assert run.result["summary"]["requests"] <= 6 * repositories
    assert not [e for e in log if e["class"] in ("import", "arm_write", "manifest", "referrers")]


def test_a_public_source_costs_no_target_request_for_each_tag(sandbox: Sandbox, acr_mirror: Mirror) -> None:
    for host in (HUB, "contosoprod"):
        sandbox.bulk(host, ["mirror/wide"], tags=80, digests=80, seed=10)
    sandbox.clear_log()
    run = acr_mirror([{"source": "docker.io/mirror/wide", "tags": {}}], registry=TARGET_HOST)
    assert run.rc == 0 and run.recap["changed"] == 0 and len(actions(run)) == 80, run.output
    asked = sandbox.log(host=TARGET_HOST)
    assert len(asked) <= 8, Counter(entry["class"] for entry in asked)
    assert not [entry for entry in asked if entry["class"] == "manifest"]


# ---- further options -------------------------------------------------------------------------------------------------


def test_referrers_come_along_and_the_second_run_is_quiet(sandbox: Sandbox, acr_mirror: Mirror) -> None:
    images = [{"source": "signed/app:1.0", "source_registry": DEV, "target": ["a/app:1", "b/app:1"]}]
    assert acr_mirror(images).rc == 0
    there = sandbox.manifests(DEV, "signed/app")
    referring = {digest for digest, manifest in there.items() if manifest["subject"]}
    assert len(referring) > 3 and not referring & set(sandbox.manifests("contosoprod", "a/app"))
    checked = acr_mirror(images, "--check", defaults={"referrers": True})
    run = acr_mirror(images, defaults={"referrers": True})
    assert run.rc == 0 and actions(run) == actions(checked), run.output
    assert Counter(actions(run).values())["none"] == 2
    for repository in ("a/app", "b/app"):
        assert set(sandbox.manifests("contosoprod", repository)) == set(there)
        signatures = {tag for tag in sandbox.tags(DEV, "signed/app") if tag.startswith("sha256-")}
        assert signatures and set(sandbox.tags("contosoprod", repository)) == {"1"} | signatures
    assert acr_mirror(images, defaults={"referrers": True}).recap["changed"] == 0


def test_referrers_of_a_repository_all_of_whose_tags_are_chosen(sandbox: Sandbox, acr_mirror: Mirror) -> None:
    """The tags of its signatures are chosen like any others, and belong to the images as well."""
    images = [{"source": f"{DEV_HOST}/signed/app", "tags": {}, "referrers": True}]
    run = acr_mirror(images)
    assert run.rc == 0 and set(actions(run).values()) == {"import"}, run.output
    assert held(sandbox, "signed/app") == held(sandbox, "signed/app", host=DEV)
    assert set(sandbox.manifests("contosoprod", "signed/app")) == set(sandbox.manifests(DEV, "signed/app"))


def test_the_same_content_from_two_registries_without_a_tag(sandbox: Sandbox, acr_mirror: Mirror) -> None:
    """Of one registry it is one target, once both tags are resolved. Each registry brings it on its own, so that what fails
    at one of them is no failure of the other. What fails is told for each."""
    for host in (HUB, DEV):
        digest = sandbox.push(host, "mirror/same", ["1", "latest"], seed=7200)["digest"]
    places = {"untagged_repositories": ["no/tag"]}
    images = [
        {"source": "docker.io/mirror/same:1", **places},
        {"source": "docker.io/mirror/same:latest", **places},
        {"source": f"{DEV_HOST}/mirror/same:1", **places},
        {"source": "docker.io/mirror/same:none", **places},
        {"source": f"{DEV_HOST}/mirror/same:none", **places},
    ]
    run = acr_mirror(images)
    found = [(r["image"].partition("/")[2], r["action"]) for r in run.result["results"]]
    assert [image for image, _action in found] == [f"no/tag@{digest}"] * 2 + ["no/tag"] * 2, run.output
    done = [action for _image, action in found]
    # Each source is planned as soon as it has answered: the later one may see what the earlier one has brought.
    assert sorted(done[:2]) in (["import", "import"], ["import", "none"]) and done[2:] == ["failed", "failed"], run.output
    assert set(sandbox.manifests("contosoprod", "no/tag")) == {digest}
    assert len(operations(sandbox)) == done.count("import")


def test_details(sandbox: Sandbox, acr_mirror: Mirror) -> None:
    images = [{"source": "docker.io/library/hello-world:1.0"}, {"source": f"{APP}:1.0.0"}]
    plain = acr_mirror(images)
    assert not any("size" in result or "platforms" in result for result in plain.result["results"])
    found = results(acr_mirror(images, details=True))
    assert all(result["size"] > 0 for result in found.values())
    *linux, windows = found["library/hello-world:1.0"]["platforms"]
    assert linux == ["linux/amd64", "linux/arm64", "linux/arm"] and windows.startswith("windows")
    assert found["team/app:1.0.0"]["platforms"] == ["linux/amd64"]
    # Where they can't be read the images are right all the same; without verification they are not read at all.
    sandbox.knobs(faults=[{"match": {"path": "/_manifests"}, "action": {"status": 403, "body": "{}"}}])
    hidden = acr_mirror(images, details=True)
    assert hidden.rc == 0 and set(actions(hidden).values()) == {"none"}, hidden.output
    assert "Sizes and platforms could not be read" in hidden.output
    digest = sandbox.tags(HUB, "library/hello-world")["1.0"]
    image = {"source": f"docker.io/library/hello-world@{digest}", "target": ["library/hello-world:1.0"], "verify": False}
    sandbox.clear_log()
    blind = acr_mirror([image], details=True)
    assert actions(blind) == {"library/hello-world:1.0": "keep"}, blind.output
    assert not [entry for entry in sandbox.log() if entry["host"] == TARGET_HOST]


def test_platform_and_repair_of_single_entries(sandbox: Sandbox, acr_mirror: Mirror) -> None:
    images = [
        {"source": "docker.io/library/hello-world:1.0", "platform": "linux/arm64", "target": ["p/hello:arm"]},
        {"source": "docker.io/library/hello-world:1.0", "target": ["p/hello:all"], "repair": True},
    ]
    run = acr_mirror(images)
    assert run.rc == 0, run.output
    tags = sandbox.tags("contosoprod", "p/hello")
    children = sandbox.manifests("contosoprod", "p/hello")[tags["all"]]["children"]
    assert tags["arm"] in children
    [lost] = [child for child in children[:2] if child != tags["arm"]]
    sandbox.lose_manifest("contosoprod", "p/hello", lost)
    run = acr_mirror(images)
    assert actions(run) == {"p/hello:arm": "none", "p/hello:all": "repair"}, run.output
    assert lost in sandbox.manifests("contosoprod", "p/hello")


def test_what_is_new_waits_in_quarantine_and_is_promoted_from_there(sandbox: Sandbox, acr_mirror: Mirror) -> None:
    images = [
        {"source": "docker.io/library/busybox:1.36", "target": ["vetted/busybox"]},
        {"source": "signed/app:1.0", "source_registry": DEV, "referrers": True, "target": ["vetted/app"]},
    ]
    wanted = {f"vetted/{one}": sandbox.tags(*place)[tag] for one, tag, place in (
        ("busybox", "1.36", (HUB, "library/busybox")), ("app", "1.0", (DEV, "signed/app")),
    )}  # fmt: skip
    rule: dict[str, Any] = {"defaults": {"quarantine": {"min_age": "72h"}}}
    quarantined = {
        f"quarantine/{one}:{tag}.{wanted[one].partition(':')[2]}": wanted[one]
        for one, tag in (("vetted/busybox", "1.36"), ("vetted/app", "1.0"))
    }
    expected = {"vetted/busybox:1.36": "wait", "vetted/app:1.0": "wait", **dict.fromkeys(quarantined, "quarantine")}
    checked = acr_mirror(images, "--check", **rule)
    assert (actions(checked), checked.recap["changed"], sandbox.operations()) == (expected, 1, []), checked.output
    first = acr_mirror(images, **rule)
    assert (actions(first), first.rc, first.recap["changed"]) == (expected, 0, 1), first.output
    assert held(sandbox, "quarantine/vetted/busybox", "quarantine/vetted/app") == quarantined
    assert not held(sandbox, "vetted/busybox", "vetted/app")
    ready = results(first)["vetted/busybox:1.36"]["ready_at"]
    sandbox.patch_registry("contosoprod", flags={"older_by_seconds": 72 * 3600.0})
    second = acr_mirror(images, "--diff", **rule)
    assert second.rc == 0 and set(actions(second).values()) == {"import"}, second.output
    found = results(second)["vetted/busybox:1.36"]
    assert (found["reason"], found["digest"], found["source"]) == ("promoted", wanted["vetted/busybox"], images[0]["source"])
    assert held(sandbox, "vetted/busybox") == {"vetted/busybox:1.36": wanted["vetted/busybox"]} and ready.endswith("Z")
    assert set(sandbox.manifests("contosoprod", "vetted/app")) == set(sandbox.manifests(DEV, "signed/app")), "signatures, too"
    own = [one["body"]["source"] for one in operations(sandbox) if one["body"]["source"]["sourceImage"].startswith("quarantine/")]
    assert len(own) == 2 and {one["resourceId"].rpartition("/")[2] for one in own} == {"contosoprod"}
    third = acr_mirror(images, **rule)
    assert third.recap["changed"] == 0 and set(actions(third).values()) == {"none"}, third.output


def test_entries_without_verification_stand_beside_verified_ones(sandbox: Sandbox, acr_mirror: Mirror) -> None:
    sandbox.knobs(retry_after=1)
    images = [
        {"source": "docker.io/library/hello-world:1.0", "verify": False, "target": ["blind/hello:1", "blind/hello:2"]},
        {"source": f"{APP}:1.0.0"},
        {"source": "secret/app:1.0", "source_registry": "contosovault", "verify": False},
        {"source": "docker.io/library/hello-world:none", "verify": False},
    ]
    sandbox.patch_registry("contosovault", properties={"networkRuleBypassOptions": "AzureServices"})
    run = acr_mirror(images)
    assert actions(run) == {
        "blind/hello:1": "import",
        "blind/hello:2": "import",
        "team/app:1.0.0": "import",
        "secret/app:1.0": "import",
        "library/hello-world:none": "failed",
    }, run.output
    assert run.rc == 2 and "docker.io/library/hello-world:none" in run.result["msg"]
    by_tag = Counter(operation["body"]["source"]["sourceImage"] for operation in operations(sandbox))
    assert by_tag["library/hello-world:1.0"] == 2 and by_tag["secret/app:1.0"] == 1
    sandbox.clear_log()
    again = acr_mirror(images[:3])
    assert again.rc == 0 and again.recap["changed"] == 0, again.output
    assert (again.result["summary"]["kept"], again.result["summary"]["unchanged"]) == (3, 1)
    assert not [e for e in sandbox.log() if "blind" in e["path"] or "docker.io" in e["host"] or "vault" in e["host"]]


def test_wait_false_returns_at_once_and_the_same_task_finds_out(sandbox: Sandbox, acr_mirror: Mirror) -> None:
    sandbox.knobs(import_seconds=3.0)
    images = [{"source": APP, "tags": {"semver": "1.0.x"}}, BUSYBOX]
    run = acr_mirror(images, wait=False)
    assert run.rc == 0 and run.result["changed"] is True, run.output
    running = operations(sandbox)
    assert {o["polls"] for o in running} == {0} and len(running) == 3
    assert sandbox.log()[-1]["class"] == "import", "it waited"
    assert {result["operation"] for result in run.result["results"]} == {o["id"] for o in running}
    sandbox.wait_for_operations()
    again = acr_mirror(images, wait=False)
    assert again.recap["changed"] == 0 and set(actions(again).values()) == {"none"}, again.output


def test_import_timeout_limits_each_import_and_timeout_the_task(sandbox: Sandbox, acr_mirror: Mirror) -> None:
    sandbox.knobs(import_faults=[{"source": "busybox", "text": "pending_forever"}])
    run = acr_mirror([BUSYBOX, {"source": f"{APP}:1.0.0"}], import_timeout=6)
    assert actions(run) == {"library/busybox:1.36": "failed", "team/app:1.0.0": "import"}, run.output
    assert "pending after 6 s" in run.result["msg"] and "Running again is safe" in run.result["msg"]
    assert run.result["reason"] == "timeout"
    run = acr_mirror([BUSYBOX, {"source": f"{APP}:1.1.0"}], timeout=12)
    assert actions(run) == {"library/busybox:1.36": "failed", "team/app:1.1.0": "import"}, run.output
    assert "pending after the task's time limit" in run.result["msg"] and run.result["reason"] == "timeout", run.output


# ---- how it is run ---------------------------------------------------------------------------------------------------


def play(task: dict[str, Any], **more: Any) -> list[dict[str, Any]]:
    return [{"name": "Test", "hosts": "all", "connection": "local", "gather_facts": False, "tasks": [task], **more}]


def mirror_task(images: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    args = {"registry": "contosoprod", "images": images}
    return {"name": "Mirror", "registryops.acr.acr_mirror": args, **more}


SLOW = [{"source": APP, "tags": {"include": ["*.*.0"]}}]  # 30 tags, 30 digests


def test_progress_is_shown(sandbox: Sandbox, acr_mirror: Mirror) -> None:
    sandbox.knobs(import_seconds=5.0)
    run = acr_mirror(SLOW)
    assert run.rc == 0, run.output
    shown = [line for line in run.stdout.splitlines() if line.startswith("acr_mirror [localhost]: ")]
    assert any("0 of 30 done, 30 in flight" in line for line in shown), run.stdout


@pytest.mark.parametrize("how", ["variable", "check", "async"])
def test_progress_is_not_shown(sandbox: Sandbox, tmp_path: Path, how: str) -> None:
    sandbox.knobs(import_seconds=4.0)
    task = mirror_task(SLOW, **({"async": 60, "poll": 1} if how == "async" else {}))
    arguments = {"variable": ["-e", "acr_mirror_progress=false"], "check": ["--check"], "async": []}[how]
    if how == "check":
        sandbox.knobs(faults=[{"match": {"class": "token", "host": "azurecr"}, "action": {"delay": 2.5}}])
    env = {**sandbox.env, "ANSIBLE_ASYNC_DIR": str(tmp_path)}
    run = run_playbook(play(task, hosts="localhost"), env, *arguments)
    assert run.rc == 0 and run.recap["changed"] == 1 and run.seconds > 3.5, run.output
    assert "acr_mirror [" not in run.output
    assert len(operations(sandbox)) == (0 if how == "check" else 30)


def test_async_without_waiting(sandbox: Sandbox, tmp_path: Path) -> None:
    tasks = [
        mirror_task(SLOW, register="job", **{"async": 60, "poll": 0}),
        {
            "name": "Wait",
            "ansible.builtin.async_status": {"jid": "{{ job.ansible_job_id }}"},
            "register": "done",
            "until": "done is finished",
            "retries": 30,
            "delay": 1,
        },
    ]
    env = {**sandbox.env, "ANSIBLE_ASYNC_DIR": str(tmp_path)}
    run = run_playbook(play(tasks[0], hosts="localhost", tasks=tasks), env)
    assert run.rc == 0 and run.result["summary"]["imported"] == 30, run.output
    assert len(sandbox.tags("contosoprod", "team/app")) == 30


@pytest.mark.parametrize("delegated", [False, True], ids=["as the host", "delegated"])
def test_hosts_with_other_names(sandbox: Sandbox, delegated: bool) -> None:
    """Hosts are often registries (or anything else), and the task runs on the controller."""
    sandbox.knobs(import_seconds=4.0)
    task = mirror_task(SLOW, **({"delegate_to": "controller"} if delegated else {}))
    python = {"ansible_python_interpreter": "{{ ansible_playbook_python }}"}
    if delegated:
        task["vars"] = {**python, "ansible_connection": "local"}
        playbook = [{k: v for k, v in play(task)[0].items() if k != "connection"}]
    else:
        playbook = play(task, vars=python)
    run = run_playbook(playbook, sandbox.env, "-i", "prod-registry,")
    assert run.rc == 0 and run.result["summary"]["imported"] == 30, run.output
    assert "acr_mirror [prod-registry]: " in run.stdout


def test_module_defaults_group(sandbox: Sandbox) -> None:
    task = {"name": "Mirror", "registryops.acr.acr_mirror": {"images": [BUSYBOX]}}
    group = {"group/registryops.acr.acr": {"registry": "contosoprod", "resource_group": "rg-registries"}}
    run = run_playbook(play(task, hosts="localhost", module_defaults=group), sandbox.env)
    assert run.rc == 0 and actions(run) == {"library/busybox:1.36": "import"}, run.output


def test_memory_at_1706_tags(sandbox: Sandbox, tmp_path: Path) -> None:
    """At most 150 MiB for the module, imports and all. Measured by standing in for the Python that runs it."""
    sandbox.create_registry("mirrormemory")
    sandbox.bulk("mirrormemory", 38, tags=45, digests=3)
    measure = tmp_path / "python"
    measure.write_text(
        f"#!{sys.executable}\n"
        "import resource, subprocess, sys\n"
        f"done = subprocess.run([{sys.executable!r}, *sys.argv[1:]], check=False)\n"
        f"with open({str(tmp_path / 'peaks')!r}, 'a') as peaks:\n"
        "    print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=peaks)\n"
        "sys.exit(done.returncode)\n"
    )
    measure.chmod(0o755)
    task = mirror_task([{"source_registry": "mirrormemory", "repositories": {}}])
    run = run_playbook(play(task, hosts="localhost", vars={"ansible_python_interpreter": str(measure)}), sandbox.env)
    assert run.rc == 0 and run.result["summary"]["imported"] == 38 * 45 >= 1706, run.output
    peak = max(int(line) for line in (tmp_path / "peaks").read_text().split())  # KiB
    assert 20 * 1024 < peak <= 150 * 1024, f"{peak // 1024} MiB"
