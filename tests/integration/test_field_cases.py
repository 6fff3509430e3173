# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What weak evidence did to people's registries, as they would see it: whole playbooks, and what is left in the target."""
from __future__ import annotations

from typing import Any, Callable, NamedTuple

import pytest

from tests.playbook import Run, run_module
from tests.sandbox.handle import Sandbox

TARGET = "contosoprod"
DEV = "contosodev.azurecr.test"
CROWDED = "crowded.azurecr.test"
Call = Callable[..., Run]


def actions(run: Run) -> dict[str, str]:
    """What was done to each ``repository:tag``."""
    assert "results" in run.result, run.output
    return {result["image"].partition("/")[2]: result["action"] for result in run.result["results"]}


def fill(sandbox: Sandbox, repositories: list[str], tags: int) -> dict[str, dict[str, str]]:
    """The same tags in source and target, with other digests."""
    sandbox.bulk("contosodev", repositories, tags=tags, seed=1)
    return sandbox.bulk(TARGET, repositories, tags=tags, seed=2)


def images(content: dict[str, dict[str, str]], **options: Any) -> list[dict[str, Any]]:
    return [{"source": f"{DEV}/{name}:{tag}", **options} for name, tags in content.items() for tag in tags]


def held(sandbox: Sandbox, content: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    return {name: sandbox.tags(TARGET, name) for name in content}


def test_a1_what_is_hidden_from_listings_is_not_overwritten(sandbox: Sandbox, acr_mirror: Call) -> None:
    content = fill(sandbox, ["hidden/keep", "hidden/fail"], 4)
    for name, tags in content.items():
        for digest in tags.values():
            sandbox.lock(TARGET, name, digest=digest, listEnabled=False)
    keep, fail = ({name: content[name]} for name in content)
    run = acr_mirror(images(keep, if_exists="keep") + images(fail, if_exists="fail"))
    assert run.rc == 2 and list(actions(run).values()) == ["keep"] * 4 + ["failed"] * 4, run.output
    assert held(sandbox, content) == content and sandbox.operations() == []


def test_a4_one_wrong_answer_overwrites_nothing(sandbox: Sandbox, acr_mirror: Call) -> None:
    content = fill(sandbox, ["late/keep", "late/fail"], 1)
    sandbox.knobs(lies=[{"kind": "absent", "match": {"host": TARGET, "path": "^/v2/.*/manifests/"}}])
    keep, fail = ({name: content[name]} for name in content)
    run = acr_mirror(images(keep, if_exists="keep") + images(fail, if_exists="fail"))
    assert run.rc == 2 and list(actions(run).values()) == ["keep", "failed"], run.output
    assert "exists with digest" in run.result["msg"]
    assert held(sandbox, content) == content and sandbox.operations() == []


def test_a5_a_push_meanwhile_is_not_overwritten(sandbox: Sandbox, acr_mirror: Call) -> None:
    """Azure sees it, and the replica that answers first does not."""
    content = fill(sandbox, ["pushed/keep"], 1)
    # Absent when it is planned; and by its tag also after Azure has refused it as existing.
    sandbox.knobs(lies=[
        {"kind": "absent", "match": {"host": TARGET, "path": "^/v2/.*/manifests/[^:]+$"}, "times": 1000},
        {"kind": "absent", "match": {"host": TARGET, "path": "/_tags/"}, "times": 1},
    ])  # fmt: skip
    run = acr_mirror(images(content, if_exists="keep"))
    assert run.rc == 0 and list(actions(run).values()) == ["keep"], run.output
    assert held(sandbox, content) == content
    assert [operation["body"]["mode"] for operation in sandbox.operations()] == ["NoForce"]


def test_a7_a_poll_that_is_refused_says_nothing_of_the_import(sandbox: Sandbox, acr_mirror: Call) -> None:
    content = sandbox.bulk("contosodev", ["poll/missing", "poll/empty", "poll/provider", "poll/denied"], tags=1)
    sandbox.knobs(import_seconds=4, retry_after=1, lies=[
        {"kind": "lost_poll", "match": {"repository": "poll/missing"}},
        {"kind": "lost_poll", "match": {"repository": "poll/empty"}, "form": "empty"},
        {"kind": "lost_poll", "match": {"repository": "poll/provider"}, "form": "provider"},
        {"kind": "lost_poll", "match": {"repository": "poll/denied"}, "status": 403},
    ])  # fmt: skip
    run = acr_mirror(images(content))
    assert run.rc == 0 and set(actions(run).values()) == {"import"}, run.output
    assert held(sandbox, content) == content and len(sandbox.operations()) == 4


def test_a8_an_import_that_names_no_place_to_ask(sandbox: Sandbox, acr_mirror: Call) -> None:
    """Watched, it is seen to land; unverified, its end is unknown, and no success."""
    content = sandbox.bulk("contosodev", ["place/201", "place/202", "place/204"], tags=1)
    sandbox.knobs(lies=[
        {"kind": "no_location", "match": {"repository": f"place/{status}"}, "status": status} for status in (201, 202, 204)
    ])  # fmt: skip
    run = acr_mirror(images(content))
    assert run.rc == 0 and set(actions(run).values()) == {"import"}, run.output
    assert held(sandbox, content) == content and len(sandbox.operations()) == 3
    sandbox.knobs(lies=[{"kind": "no_location"}])
    blind = acr_mirror([{**image, "target": ["blind"]} for image in images(content, verify=False)[:1]])
    assert blind.rc == 2 and blind.result["changed"], blind.output
    assert "didn't say where to ask how it ended" in blind.result["msg"]


def test_a11_check_mode_sees_tags_that_are_not_listed(sandbox: Sandbox, acr_mirror: Call) -> None:
    content = fill(sandbox, ["unlisted/app"], 5)
    sandbox.knobs(lies=[{"kind": "unlisted", "match": {"host": TARGET}, "lists": ["tags"], "probability": 0.5}])
    checked = acr_mirror(images(content, if_exists="keep"), "--check")
    run = acr_mirror(images(content, if_exists="keep"))
    assert actions(checked) == actions(run) and set(actions(run).values()) == {"keep"}, run.output
    assert sandbox.operations() == []


def test_a13_locks_are_looked_for_since_azure_ignores_them(sandbox: Sandbox, acr_mirror: Call) -> None:
    content = fill(sandbox, ["locked/tag", "locked/manifest", "locked/repository", "locked/not"], 1)
    tags = {name: next(iter(found)) for name, found in content.items()}
    sandbox.lock(TARGET, "locked/tag", tags["locked/tag"], writeEnabled=False)
    sandbox.lock(TARGET, "locked/manifest", digest=content["locked/manifest"][tags["locked/manifest"]], writeEnabled=False)
    sandbox.lock(TARGET, "locked/repository", writeEnabled=False)
    for check in (["--check"], []):
        run = acr_mirror(images(content), *check)
        assert run.rc == 2 and list(actions(run).values()) == ["failed"] * 3 + ["update"], run.output
        for place in ("tag", "manifest", "repository"):
            assert f"is locked against writing (write-enabled false on its {place})" in run.result["msg"]
    now = held(sandbox, content)
    assert [name for name in content if now[name] != content[name]] == ["locked/not"]


def test_c1_one_tag_that_must_not_be_read_is_no_failure_of_its_neighbours(sandbox: Sandbox, acr_mirror: Call) -> None:
    content = fill(sandbox, ["unread/app"], 6)
    tag, digest = next(iter(content["unread/app"].items()))
    sandbox.lock(TARGET, "unread/app", tag, readEnabled=False)
    sandbox.lock(TARGET, "unread/app", digest=digest, readEnabled=False)
    run = acr_mirror(images(content))
    others = {f"unread/app:{name}": "update" for name in content["unread/app"] if name != tag}
    assert {image: action for image, action in actions(run).items() if not image.endswith(":" + tag)} == others, run.output


# ---- the source's side -----------------------------------------------------------------------------------------------


def test_a9_a_signature_that_is_not_listed_yet_comes_along(sandbox: Sandbox, acr_mirror: Call) -> None:
    """Of the image, and of a platform of an index in its index."""
    sandbox.create_registry("fieldsource")
    image = sandbox.push("fieldsource", "late/signed", ["1"], seed=90)["digest"]
    nested = sandbox.push("fieldsource", "late/nested", ["1"], kind="nested", depth=2, seed=91)["digest"]
    deepest = [digest for digest, found in sandbox.manifests("fieldsource", "late/nested").items() if not found["children"]]
    wanted = {"late/signed": [image], "late/nested": [nested, *deepest]}
    names = {name: [digest.replace(":", "-") + ".sig" for digest in digests] for name, digests in wanted.items()}
    for name, tags in names.items():
        sandbox.push("fieldsource", name, tags, seed=92)
    sandbox.knobs(lies=[{"kind": "unlisted", "match": {"reference": "[.]sig$"}, "lists": ["tags"]}])
    run = acr_mirror([{"source": f"fieldsource.azurecr.test/{name}:1", "referrers": True} for name in names])
    assert run.rc == 0, run.output
    for name, tags in names.items():
        assert set(tags) < set(sandbox.tags(TARGET, name)), name


def test_a10_source_tags_that_are_not_listed_are_found_and_one_that_is_missing_is_told_alone(
    sandbox: Sandbox, acr_mirror: Call
) -> None:
    content = sandbox.bulk("contosodev", ["shy/app"], tags=6)
    first, second, *_others = content["shy/app"]
    sandbox.knobs(lies=[
        {"kind": "unlisted", "match": {"host": "contosodev", "reference": first}, "lists": ["tags"]},
        {"kind": "absent", "match": {"host": "contosodev", "path": f"/manifests/{first}$"}},
        {"kind": "unlisted", "match": {"host": "contosodev", "reference": second}, "lists": ["tags"]},
    ])  # fmt: skip
    for check in (["--check"], []):
        run = acr_mirror([*images(content), {"source": f"{DEV}/shy/app:missing"}], *check)
        assert run.rc == 2, run.output
        assert actions(run) == {**{f"shy/app:{tag}": "import" for tag in content["shy/app"]}, "shy/app:missing": "failed"}
        assert run.result["msg"].endswith(f"{DEV}/shy/app:missing does not exist.")
    assert held(sandbox, content) == content


def test_c2_one_source_tag_that_must_not_be_read_fails_alone(sandbox: Sandbox, acr_mirror: Call) -> None:
    content = sandbox.bulk("contosodev", ["forbidden/app"], tags=6)
    first, second, *others = content["forbidden/app"]
    refused = {"kind": "refused", "status": 403}
    sandbox.knobs(lies=[
        {"kind": "unlisted", "match": {"host": "contosodev", "reference": first}, "lists": ["tags"]},
        {**refused, "match": {"host": "contosodev", "path": f"/manifests/{first}$"}},
        {**refused, "match": {"host": "contosodev", "path": "/manifests/" + content["forbidden/app"][second]}},
        {"kind": "unlisted", "match": {"host": "contosodev"}, "lists": ["manifests"]},
    ])  # fmt: skip
    run = acr_mirror(images(content))
    failed = {f"forbidden/app:{tag}": "failed" for tag in (first, second)}
    assert run.rc == 2 and actions(run) == {**failed, **{f"forbidden/app:{tag}": "import" for tag in others}}, run.output


def test_c5_a_manifest_that_must_not_be_read_is_marked(sandbox: Sandbox) -> None:
    locked = sandbox.push(TARGET, "unread/info", ["locked"], kind="index", seed=93)["digest"]
    sandbox.push(TARGET, "unread/info", ["open"], kind="index", seed=94)
    sandbox.lock(TARGET, "unread/info", digest=locked, readEnabled=False)
    run = run_module("acr_manifest_info", {"registry": TARGET, "repository": "unread/info", "untagged": False}, sandbox.env)
    assert run.rc == 0, run.output
    found = {manifest["tags"][0]: manifest for manifest in run.result["manifests"]}
    assert f"unread/info@{locked}" in found["locked"]["error"] and found["locked"]["platforms"] == []
    assert found["locked"]["locks"]["read_enabled"] is False and found["locked"]["media_type"] == found["open"]["media_type"]
    assert "error" not in found["open"] and found["open"]["platforms"]


def test_e5_a_token_that_may_only_pull_is_enough_for_named_tags(sandbox: Sandbox, acr_mirror: Call) -> None:
    content = sandbox.bulk("contosodev", ["pull/only"], tags=5)
    sandbox.knobs(lies=[{"kind": "refused", "match": {"host": "contosodev", "path": "^/acr/v1/|/tags/list"}, "status": 401}])
    run = acr_mirror(images(content, referrers=True))
    assert run.rc == 0 and set(actions(run).values()) == {"import"}, run.output
    assert held(sandbox, content) == content
    chosen = acr_mirror([{"source": f"{DEV}/pull/only", "tags": {"newest": 2}}])
    assert chosen.rc == 2 and "can't be read by the account that signs in" in chosen.result["msg"], chosen.output
    assert "takes the right to list them (metadata_read" in chosen.result["msg"]


# ---- one run that meets many of them ---------------------------------------------------------------------------------


class Mirrored(NamedTuple):
    """``done`` (the action) and ``errors`` by ``repository:tag``; ``started``: the modes of each repository's imports."""

    done: dict[str, str]
    errors: dict[str, str]
    started: dict[str, list[str]]
    log: list[dict[str, Any]]
    made: dict[str, dict[str, str]]  # the digests of each repository's tags in the source

    def of(self, repository: str) -> dict[str, str]:
        """What was done to each tag."""
        return {image.partition(":")[2]: action for image, action in self.done.items() if image.startswith(repository + ":")}


@pytest.fixture(scope="module")
def mirrored(running_sandbox: Sandbox) -> Mirrored:
    """Into one registry: each case has a repository of its own, in which it can't touch the others."""
    sandbox = running_sandbox
    sandbox.reset(TARGET)
    sandbox.create_registry("crowded")
    made: dict[str, dict[str, str]] = {}
    for name, tags, kind in (
        ("a2", 5, "single"), ("a12", 1, "single"), ("c2", 3, "index"), ("c2named", 3, "single"), ("d6", 1300, "single"),
        ("d7", 8, "index"),
    ):  # fmt: skip
        made.update(sandbox.bulk("crowded", ["case/" + name], tags=tags, kind=kind))
        if name in ("a2", "a12", "d7"):  # the same in the target
            sandbox.bulk(TARGET, ["case/" + name], tags=tags, kind=kind)
    sandbox.push("crowded", "case/a3", ["1"], kind="big_index", count=10)
    late = sandbox.push("crowded", "case/a6", ["1"], kind="index", platforms=["linux/amd64", "linux/arm64"], attestations=False)
    sandbox.push("crowded", "case/e7", ["1"], kind="nested", depth=2)
    for digest in made["case/a2"].values():
        sandbox.lock(TARGET, "case/a2", digest=digest, listEnabled=False)
    tags = {name: list(found) for name, found in made.items()}
    unread, unlisted = made["case/c2"][tags["case/c2"][0]], tags["case/c2named"][0]
    sandbox.knobs(
        retry_after=1,
        tag_exists_at="post",
        faults=[{"match": {"host": TARGET, "path": "^/v2/case/d7/manifests/sha256"}, "action": {"delay": 0.2}}],
        lies=[
            {"kind": "unlisted", "match": {"host": TARGET, "repository": "case/a3"}, "lists": ["manifests"]},
            {"kind": "absent", "match": {"host": TARGET, "path": "/case/a6/manifests/(%s)" % "|".join(late["children"])}, "times": 6},
            {"kind": "absent", "match": {"host": TARGET, "path": "/case/a12/(manifests|_tags)/"}, "times": 4},
            {"kind": "refused", "match": {"host": TARGET, "method": "GET", "path": f"/case/c2/manifests/({unread}|{tags['case/c2'][0]})$"}},
            {"kind": "unlisted", "match": {"host": "crowded", "repository": "case/c2named", "reference": unlisted},
             "lists": ["tags"]},
            {"kind": "refused", "match": {"host": "crowded", "path": "/case/c2named/manifests/" + unlisted}},
        ],
    )  # fmt: skip
    entries: list[dict[str, Any]] = [
        {"source": f"{CROWDED}/case/{name}:{tag}"} for name in ("a2", "a12", "c2") for tag in tags["case/" + name]
    ]
    entries += [{"source": f"{CROWDED}/case/d7:{tag}", "repair": True} for tag in tags["case/d7"]]
    entries += [{"source": f"{CROWDED}/case/{name}", "tags": {"include": tags["case/" + name][:5]}} for name in ("c2named", "d6")]
    entries += [{"source": f"{CROWDED}/case/{name}:1"} for name in ("a3", "a6")]
    entries += [{"source": f"{CROWDED}/case/e7:1", "platform": "linux/amd64"}]
    run = run_module("acr_mirror", {"registry": TARGET, "images": entries}, sandbox.env)
    assert "results" in run.result, run.output
    errors = {result["image"].partition("/")[2]: result.get("error") or "" for result in run.result["results"]}
    started: dict[str, list[str]] = {}
    for operation in sandbox.operations():
        started.setdefault(operation["targets"][0].partition(":")[0], []).append(operation["body"]["mode"])
    return Mirrored(actions(run), errors, started, sandbox.log(), made)


def test_a2_equal_images_that_no_listing_shows_are_left_alone(mirrored: Mirrored) -> None:
    assert mirrored.of("case/a2") == dict.fromkeys(mirrored.made["case/a2"], "none") and "case/a2" not in mirrored.started


def test_a3_an_index_whose_children_are_not_listed_is_imported_once(mirrored: Mirrored) -> None:
    assert mirrored.of("case/a3") == {"1": "import"} and mirrored.started["case/a3"] == ["NoForce"], mirrored.errors


def test_a6_children_that_show_late_are_waited_for(mirrored: Mirrored) -> None:
    assert mirrored.of("case/a6") == {"1": "import"} and mirrored.started["case/a6"] == ["NoForce"], mirrored.errors


def test_a12_what_azure_sees_and_a_replica_does_not_is_imported_once(mirrored: Mirrored) -> None:
    assert list(mirrored.of("case/a12").values()) == ["none"] and mirrored.started["case/a12"] == ["NoForce"], mirrored.errors


def test_c2_an_imported_index_that_can_not_be_read_fails_alone(mirrored: Mirrored) -> None:
    assert list(mirrored.of("case/c2").values()) == ["failed", "import", "import"], mirrored.errors


def test_c2_a_tag_that_is_chosen_by_its_name_and_can_not_be_read_fails_alone(mirrored: Mirrored) -> None:
    assert list(mirrored.of("case/c2named").values()) == ["failed", "import", "import"], mirrored.errors


def test_d6_five_tags_of_a_crowd_take_no_listing(mirrored: Mirrored) -> None:
    assert list(mirrored.of("case/d6").values()) == ["import"] * 5
    asked = [entry["path"] for entry in mirrored.log if entry["host"] == CROWDED and "/case/d6/" in entry["path"]]
    assert asked and not [path for path in asked if path.endswith(("/_tags", "/_manifests", "/tags/list"))]


def test_d7_many_indexes_are_looked_into_at_the_same_time(mirrored: Mirrored) -> None:
    assert set(mirrored.of("case/d7").values()) == {"none"}
    looks = [
        (entry["time"], entry["time"] + entry["seconds"])
        for entry in mirrored.log
        if entry["method"] == "GET" and entry["path"].startswith("/v2/case/d7/manifests/sha256") and entry["host"] != CROWDED
    ]
    assert len(looks) == 8 and max(sum(begin <= now < end for begin, end in looks) for now, _end in looks) > 1, looks


def test_e7_a_platform_of_an_index_in_an_index_is_found(mirrored: Mirrored) -> None:
    assert mirrored.of("case/e7") == {"1": "import"}, mirrored.errors


def test_c8_a_disabled_subscription_is_asked_once(sandbox: Sandbox, acr_mirror: Call) -> None:
    content = sandbox.bulk("contosodev", ["disabled/app"], tags=30)
    sandbox.knobs(refusals={TARGET: "ReadOnlyDisabledSubscription"})
    run = acr_mirror(images(content))
    assert run.rc == 2 and set(actions(run).values()) == {"failed"}, run.output
    assert len([entry for entry in sandbox.log(method="POST") if entry["path"].endswith("/importImage")]) == 1
    assert run.result["msg"].count("subscription is disabled") == 1, run.result["msg"]
