# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whole runs over real HTTPS against a small Azure: what is reported of them, and what is asked and started for that."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.registryops.acr.plugins.module_utils import _registry
from ansible_collections.registryops.acr.plugins.module_utils._arm import Arm
from ansible_collections.registryops.acr.plugins.module_utils._azure import Azure
from ansible_collections.registryops.acr.plugins.module_utils._engine import _job, _verdict, _watch
from ansible_collections.registryops.acr.plugins.module_utils._errors import AcrError, Problem, UserError
from ansible_collections.registryops.acr.plugins.module_utils._http import Http
from ansible_collections.registryops.acr.plugins.module_utils._identity._clouds import Cloud
from ansible_collections.registryops.acr.plugins.module_utils._manifest import MANIFEST_TYPES
from ansible_collections.registryops.acr.plugins.module_utils._mirror import Mirror, Settings
from ansible_collections.registryops.acr.plugins.module_utils._options import parse_entries
from ansible_collections.registryops.acr.plugins.module_utils._report import Report
from ansible_collections.registryops.acr.plugins.modules import acr_import, acr_mirror

ID = "/subscriptions/s1/resourceGroups/rg/providers/Microsoft.ContainerRegistry/registries/contosoprod"
IMAGE = MANIFEST_TYPES[2]
CONTENTS = {tag: json.dumps({"schemaVersion": 2, "layers": [], "annotations": {"tag": tag}}) for tag in ("1.0", "2.0", "3.0")}
DIGESTS = {tag: "sha256:" + hashlib.sha256(content.encode()).hexdigest() for tag, content in CONTENTS.items()}
BY_DIGEST = {digest: CONTENTS[tag] for tag, digest in DIGESTS.items()}


class World:
    """Azure Resource Manager and the target registry on one host, the source on another, which holds `CONTENTS`.

    *held*: what the target holds. *refuses*: the target of an import → status and body. *deny*: parts of paths that the
    target's registry denies. *pulls*: what the source announces. *properties*: of the target, as a resource.
    """

    def __init__(self, azure: Any, source: Any) -> None:
        self.azure, self.source = azure, source
        self.held: dict[tuple[str, str], str] = {}
        self.bodies: list[dict[str, Any]] = []
        self.refuses: dict[str, tuple[int, str]] = {}
        self.deny: set[str] = set()
        self.pulls: dict[str, str] = {}
        self.properties: dict[str, Any] = {}
        azure.answer, source.answer = self.answer, self.answer_source
        cloud = Cloud("Test", azure.url, "https://login.test", "https://arm/.default", "azurecr.test")
        self.identity = SimpleNamespace(
            cloud=cloud, subscription_id="s1", tenant="t", registry_scope="https://acr/.default", describe=lambda: "a test",
            token=lambda _scope: "token", renew=lambda: None,
            credential=SimpleNamespace(get_token=lambda *_scopes, **_more: SimpleNamespace(token="token", expires_on=2**33)),
        )  # fmt: skip

    def run(self, *images: dict[str, Any], registry: str = ID, **settings: Any) -> Report:
        self.identity.http = Http()
        sources = [{"source": "{0}/team/app:{1}".format(self.source.host, one.pop("tag", "1.0")), **one} for one in images]
        entries = parse_entries(sources, None, None, None, "azurecr.test")
        return Mirror(Azure(self.identity), registry, None, Settings(**{"timeout": 30.0, **settings})).run(entries)

    def answer_source(self, request: Any) -> None:
        reference = request.path.rpartition("/")[2]
        found = CONTENTS.get(reference) or BY_DIGEST.get(reference)
        headers = {"Content-Type": IMAGE, "Docker-Distribution-Api-Version": "registry/2.0", **self.pulls}
        if found is None:
            request.reply(404, "", headers)
        else:
            request.reply(200, found, {**headers, "Docker-Content-Digest": DIGESTS.get(reference, reference)})

    def answer(self, request: Any) -> None:
        path = request.path.partition("?")[0]
        if path == ID:
            properties = {"loginServer": self.azure.host, **self.properties}
            request.reply(200, json.dumps({"id": ID, "name": "contosoprod", "location": "w", "properties": properties}))
        elif path.startswith("/subscriptions") and not path.startswith(ID + "/"):
            request.reply(404, '{"error": {"code": "ResourceNotFound", "message": "The Resource was not found."}}')
        elif path.endswith("/importImage"):
            body = json.loads(self.azure.seen[-1][3])
            self.bodies.append(body)
            targets = body.get("targetTags", [])
            refusal = next((self.refuses[target] for target in targets if target in self.refuses), None)
            if refusal is not None:
                return request.reply(*refusal)
            for target in targets:
                repository, _colon, tag = target.partition(":")
                self.held[repository, tag] = body["source"]["sourceImage"].rpartition("@")[2]
            for repository in body.get("untaggedTargetRepositories", []):
                digest = body["source"]["sourceImage"].rpartition("@")[2]
                self.held[repository, digest] = digest
            request.reply(202, "", {"Location": self.azure.url + "/operationResults/registries-1", "Retry-After": "0"})
        elif path.startswith("/operationResults"):
            request.reply(200, "")
        elif path.startswith("/oauth2"):
            request.reply(200, '{"refresh_token": "r", "access_token": "a"}')
        elif any(part in path for part in self.deny):
            request.reply(403, '{"errors": [{"code": "DENIED", "message": "no"}]}')
        else:
            self.registry(request, path)

    def registry(self, request: Any, path: str) -> None:
        repository, kind, reference = path.partition("/v2/")[2].rpartition("/manifests/")
        if kind:
            digest = self.held.get((repository, reference), reference)
            if any(one == digest for (place, _tag), one in self.held.items() if place == repository):
                return request.reply(200, BY_DIGEST[digest], {"Content-Type": IMAGE, "Docker-Content-Digest": digest})
        elif "/_tags/" in path:
            repository, _kind, tag = path[len("/acr/v1/"):].partition("/_tags/")
            if (repository, tag) in self.held:
                digest = self.held[repository, tag]
                return request.reply(200, json.dumps({"tag": {"name": tag, "digest": digest}}))
        elif "/_manifests" in path:
            place, _kind, wanted = path[len("/acr/v1/"):].partition("/_manifests")
            found = {digest for (repository, _tag), digest in self.held.items() if repository == place}
            facts = {"mediaType": IMAGE, "imageSize": 4473, "os": "linux", "architecture": "amd64"}
            if not wanted:
                return request.reply(200, json.dumps({"manifests": [{"digest": digest, **facts} for digest in found]}))
            if wanted[1:] in found:
                return request.reply(200, json.dumps({"manifest": {"digest": wanted[1:], **facts}}))
        request.reply(404, '{"errors": [{"code": "MANIFEST_UNKNOWN", "message": "unknown"}]}')


@pytest.fixture
def world(serve: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> World:
    for module in (_job, _watch):
        monkeypatch.setattr(module, "FASTEST", 0.01)
    monkeypatch.setattr(_watch, "SLOWEST", 0.01)
    monkeypatch.setattr(_verdict, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(_registry, "CONFIRM_PAUSES", (0.001,) * 4)
    return World(serve(), serve())


def outcomes(report: Report) -> list[tuple[str, str]]:
    """The targets with what happened, or the reason of a failure."""
    return [
        (row["image"].partition("/")[2], row["reason"] if row["action"] == "failed" else row["action"]) for row in report.results()
    ]


def diff(report: Report) -> list[dict[str, Any]]:
    return report.result()["diff"]


_DISALLOWED = '{"errors": [{"code": "REGISTRY_DISALLOWED_OPERATION", "message": "The operation is disallowed."}]}'
_REFUSED = "Invalid message MethodNotAllowed Method Not Allowed " + _DISALLOWED
LOCKED = (400, json.dumps({"error": {"code": "InvalidParameters", "message": _REFUSED}}))


@pytest.mark.parametrize("status", ["enabled", "disabled"])
def test_what_comes_into_quarantine_is_said_if_anything_does(world: World, status: str) -> None:
    world.properties = {"policies": {"quarantinePolicy": {"status": status}}}
    for check in (True, False):
        notes = world.run({"target": "new"}, check=check).notes
        assert [note[: note.find(" policy")] for note in notes] == [f"{world.azure.host} has a quarantine"] * (status == "enabled")
    assert world.run({"target": "new"}).notes == [], "it is there already"


def test_a_run_and_another_that_has_nothing_to_do(world: World) -> None:
    world.held = {("same", "1.0"): DIGESTS["1.0"], ("other", "1.0"): DIGESTS["2.0"]}
    seen: list[tuple[int, int]] = []
    report = world.run(
        {"target": ["new", "same", "other"]}, notify=lambda progress: seen.append((progress.total, progress.done))
    )
    assert outcomes(report) == [("new:1.0", "import"), ("same:1.0", "none"), ("other:1.0", "update")]
    assert [item.changed for item in report.items] == [True, False, True]
    assert {row["digest"] for row in report.results()} == {DIGESTS["1.0"]} and report.changed and not report.errors
    assert report.media_type(DIGESTS["1.0"]) == IMAGE and report.media_type(None) is None
    assert diff(report)[0]["before"] == {"new:1.0": None, "other:1.0": DIGESTS["2.0"]}
    assert diff(report)[0]["after"] == dict.fromkeys(["new:1.0", "other:1.0"], DIGESTS["1.0"])
    assert report.login_server == world.azure.host and report.seconds > 0 and report.notes == []
    assert (report.requests["imports"], report.requests["tokens"]) == (2, 2)
    assert seen[0] == (0, 0) and seen[-1] == (2, 2)
    assert sorted((body["mode"], *body["targetTags"]) for body in world.bodies) == [("Force", "other:1.0"), ("NoForce", "new:1.0")]
    again = world.run({"target": ["new", "same", "other"]})
    assert {action for _target, action in outcomes(again)} == {"none"}
    assert not again.changed and diff(again) == [] and len(world.bodies) == 2
    assert "imports" not in again.requests, "a count of its own for each run"


@pytest.mark.parametrize(
    ("targets", "check", "times"), [(["a", "b", "c"], False, 1), (["team/app"], False, 0), (["a", "b"], True, 0)]
)
def test_what_imports_take_is_loaded_only_for_what_is_absent(
    world: World, monkeypatch: pytest.MonkeyPatch, targets: list[str], check: bool, times: int
) -> None:
    world.held["team/app", "1.0"] = DIGESTS["1.0"]
    calls: list[Any] = []
    done = threading.Event()

    def prepare(_arm: Arm, resource: Any) -> None:
        calls.append(resource.login_server)
        done.set()
        raise ImportError("Not here.", name="azure.mgmt")  # which is for the import itself to say

    monkeypatch.setattr(Arm, "prepare", prepare)
    report = world.run({"target": targets}, check=check)
    assert report.errors == [] and done.wait(5.0 if times else 0.05) is bool(times)
    assert calls == [world.azure.host] * times


def test_check_mode_shows_what_would_be_and_starts_nothing(world: World) -> None:
    report = world.run({}, {"tag": "9.9"}, check=True)
    assert outcomes(report) == [("team/app:1.0", "import"), ("team/app:9.9", "not_found")]
    assert report.changed and report.items[0].digest == DIGESTS["1.0"] and world.bodies == []
    assert diff(report)[0]["after"] == {"team/app:1.0": DIGESTS["1.0"]}
    would = diff(report)
    assert diff(world.run({}, {"tag": "9.9"})) == would, "and that is what then is"


def test_what_fails_stands_where_it_was_asked_for(world: World) -> None:
    world.refuses["b:1.0"] = LOCKED
    report = world.run({"tag": "9.9"}, {"target": ["a"]}, {"target": ["b"], "tag": "1.0"}, {"tag": "2.0"})
    assert outcomes(report) == [("team/app:9.9", "not_found"), ("a:1.0", "import"), ("b:1.0", "locked"), ("team/app:2.0", "import")]
    assert [row["digest"] for row in report.results()] == [None, DIGESTS["1.0"], None, DIGESTS["2.0"]]
    assert [error.reason for error in report.errors] == ["not_found", "locked"] and report.changed
    assert report.results()[0]["action"] == "failed" and report.result()["reason"] == "several"


def test_a_selection_that_fails_stands_where_it_was_asked_for(world: World) -> None:
    bad = {"source": world.source.host + "/none", "tags": {"include": ["1.*"]}}
    assert outcomes(world.run({}, bad, {"tag": "2.0"})) == [
        ("team/app:1.0", "import"), ("none:*", "not_found"), ("team/app:2.0", "import"),
    ]  # fmt: skip


@pytest.mark.parametrize("bad", [{"tag": "9.9"}, {"source": "{0}/none", "tags": {"include": ["1.*"]}}])
def test_nothing_is_started_where_one_is_wrong_and_all_is_to_stop_then(world: World, bad: dict[str, Any]) -> None:
    world.held = {("same", "1.0"): DIGESTS["1.0"]}
    bad = {name: value.format(world.source.host) if isinstance(value, str) else value for name, value in bad.items()}
    report = world.run({"target": ["same", "new"]}, bad, stop_on_error=True)
    assert [kind for _target, kind in outcomes(report)] == ["none", "stopped", "not_found"]
    assert world.bodies == [] and not report.changed
    assert report.results()[1]["error"] == "Not started, since another image failed (on_error: stop)."


@pytest.mark.parametrize(("stop", "blind"), [(True, "stopped"), (False, "import")])
def test_to_stop_holds_for_images_without_verification_too(world: World, stop: bool, blind: str) -> None:
    world.refuses["team/app:1.0"] = LOCKED
    report = world.run({"tag": "2.0", "verify": False}, {}, stop_on_error=stop)
    assert outcomes(report) == [("team/app:2.0", blind), ("team/app:1.0", "locked")]


def test_without_verification_neither_registry_is_asked(world: World) -> None:
    report = world.run({"verify": False, "target": ["a", "b"]}, details=True)
    assert outcomes(report) == [("a:1.0", "import"), ("b:1.0", "import")]
    assert report.results()[0]["digest"] is None and not report.details
    assert world.source.seen == [] and {path.split("/")[1] for path in world.azure.paths} == {"subscriptions", "operationResults"}
    assert world.bodies[0]["source"]["sourceImage"] == "team/app:1.0"


def test_nobody_waits_who_does_not_want_to(world: World) -> None:
    report = world.run({}, wait=False)
    (found,) = report.results()
    assert (found["operation"], found["action"], report.changed) == ("registries-1", "import", True)
    assert not any(path.startswith("/operationResults") for path in world.azure.paths)


def test_one_thread_is_enough_and_none_is_refused(world: World) -> None:
    report = world.run({}, {"tag": "2.0"}, {"tag": "3.0"}, {"target": ["b"]}, concurrency=1)
    assert {action for _target, action in outcomes(report)} == {"import"}
    with pytest.raises(UserError, match="concurrency must be at least 1, not 0."):
        world.run({}, concurrency=0)


def test_a_registry_that_does_not_exist(world: World) -> None:
    with pytest.raises(AcrError) as caught:
        world.run({}, registry=ID + "x")
    assert caught.value.reason == "not_found" and world.bodies == []


def test_a_limit_of_the_source_is_told_where_it_is_too_low(world: World) -> None:
    world.pulls = {"ratelimit-remaining": "1;w=21600"}
    report = world.run({}, {"tag": "2.0"})
    (note,) = report.notes
    assert note.startswith("{0} announces 1 more pulls for now, and 2 imports from it are needed".format(world.source.host))
    assert {action for _target, action in outcomes(report)} == {"import"}, "it is tried all the same"
    world.held, world.refuses = {}, {"team/app:2.0": LOCKED}
    failed = world.run({}, {"tag": "2.0"})
    assert outcomes(failed) == [("team/app:1.0", "import"), ("team/app:2.0", "locked")]
    assert failed.notes == report.notes, "also if one fails, as it does where the limit is reached"
    stopped = world.run({"target": ["b"]}, {"tag": "3.0"}, {"tag": "9.9"}, stop_on_error=True)
    assert len(stopped.notes) == 1
    world.refuses = {}
    assert world.run({"tag": "3.0"}).notes == [], "one is enough for one"
    world.pulls = {"ratelimit-remaining": "0"}
    assert world.run({}).notes == [], "nothing is needed"


# -- backups -------------------------------------------------------------------------------------------------------------


def test_what_was_there_is_under_its_backup_before_anything_is_overwritten(world: World) -> None:
    world.held = {("a", "1.0"): DIGESTS["2.0"], ("b", "1.0"): DIGESTS["2.0"], ("b", "1.0-old"): DIGESTS["3.0"]}
    wanted = {"target": ["a", "b", "c"], "backup": "{tag}-old"}
    would = world.run(dict(wanted), check=True)
    assert world.bodies == [] and would.changed
    report = world.run(dict(wanted), wait=False)
    assert outcomes(report) == outcomes(would) == [("a:1.0", "update"), ("b:1.0", "update"), ("c:1.0", "import")]
    backups = [f"{world.azure.host}/{name}:1.0-old" for name in "ab"]
    assert [row.get("backup") for row in report.results()] == [row.get("backup") for row in would.results()] == [*backups, None]
    assert diff(report) == diff(would) and diff(report)[0]["before"]["b:1.0-old"] == DIGESTS["3.0"]
    made, rest = world.bodies[:2], world.bodies[2:]
    assert {(body["mode"], *body["targetTags"]) for body in made} == {("NoForce", "a:1.0-old"), ("Force", "b:1.0-old")}
    assert [body["source"] for body in made] == [
        {"resourceId": ID, "sourceImage": f"{body['targetTags'][0][0]}@{DIGESTS['2.0']}"} for body in made
    ]
    assert {tag for body in rest for tag in body["targetTags"]} == {"a:1.0", "b:1.0", "c:1.0"}
    again = world.run(dict(wanted))
    assert not again.changed and len(world.bodies) == 4 and world.held["b", "1.0-old"] == DIGESTS["2.0"]


@pytest.mark.parametrize("stop", [False, True])
def test_what_has_no_backup_is_not_overwritten(world: World, stop: bool) -> None:
    world.held = {("a", "1.0"): DIGESTS["2.0"], ("b", "1.0"): DIGESTS["2.0"]}
    world.refuses["a:1.0-old"] = LOCKED
    report = world.run({"target": ["a", "b", "c"], "backup": "{tag}-old"}, stop_on_error=stop)
    first, *others = report.results()
    assert first["reason"] == "locked" and first["error"].startswith("a:1.0 was not overwritten, because its backup a:1.0-old failed")
    assert [row["reason"] for row in others] == (["stopped"] * 2 if stop else ["differs", "absent"])
    assert world.held["a", "1.0"] == DIGESTS["2.0"] and (("c", "1.0") in world.held) is not stop
    assert "backup" not in first


# -- sizes and platforms -----------------------------------------------------------------------------------------------


def test_details_of_what_is_there(world: World) -> None:
    report = world.run({}, {"tag": "9.9"}, details=True)
    first, second = report.results()
    assert (first["size"], first["platforms"]) == (4473, ["linux/amd64"]) and "size" not in second
    report = world.run({}, {"tag": "2.0", "target": ["new"]}, details=True, check=True)
    assert ["size" in row for row in report.results()] == [True, False], "what would be imported is not there"
    assert not any("/new/_manifests" in path for path in world.azure.paths), "and not looked for"


def test_details_that_can_not_be_read_are_a_note_and_no_failure(world: World) -> None:
    world.deny = {"/_manifests"}
    report = world.run({}, details=True)
    assert outcomes(report) == [("team/app:1.0", "import")] and not report.errors
    assert report.notes[0].startswith("Sizes and platforms could not be read: ") and not report.details


# -- one image is a mirror of one ----------------------------------------------------------------------------------------


class Module:
    """What a module's own code sees of Ansible."""

    _verbosity = 0

    def __init__(self, check_mode: bool, **params: Any) -> None:
        self.params, self.check_mode, self.mistakes = params, check_mode, dict[Any, Any]()
        self.given = params
        self.warnings: list[str] = []
        self.warn = self.warnings.append


USUAL = {
    "registry": ID, "resource_group": None, "wait": True, "source_registry": None, "source_username": None,
    "source_password": None, "target": None, "untagged_repositories": None, "if_exists": "update", "platform": None,
    "referrers": False, "verify": True, "repair": False,
}  # fmt: skip
LIST = {
    "defaults": None, "credentials": None, "target_prefix": None, "default_host": None, "blocked": None, "concurrency": 4,
    "lock_file": None, "lock": None, "report_html": None, "report_json": None,
    "on_error": "continue", "details": False,
    "timeout": None, "import_timeout": 30,
}  # fmt: skip
OTHER = {("team/app", "1.0"): DIGESTS["2.0"]}
SAME = {("team/app", "1.0"): DIGESTS["1.0"]}
CASES: dict[str, dict[str, Any]] = {
    "absent": {},
    "present": {"held": SAME},
    "other": {"held": OTHER},
    "other, check mode": {"held": OTHER, "check": True},
    "keep": {"held": OTHER, "if_exists": "keep"},
    "fail": {"held": OTHER, "if_exists": "fail"},
    "fail, check mode": {"held": OTHER, "if_exists": "fail", "check": True},
    "reimport": {"held": SAME, "if_exists": "reimport"},
    "no such tag": {"tag": "9.9"},
    "no such tag, check mode": {"tag": "9.9", "check": True},
    "two targets, one of them refused": {"target": ["a", "b"], "refuses": "b:1.0"},
    "without a tag": {"untagged_repositories": ["a"]},
    "by digest": {"tag": DIGESTS["2.0"]},
    "not verified": {"verify": False},
    "not waited for": {"wait": False},
    "few pulls": {"target": ["a", "b"], "held": {("b", "1.0"): DIGESTS["2.0"]}, "pulls": "1"},
    "a platform that the image isn't made for": {"platform": "linux/s390x"},
    "a target that can't be read": {"deny": "team/app"},
    "credentials beside a registry": {"source_registry": ID, "source_username": "u", "source_password": "p", "source": "team/app:1.0"},
}


@pytest.mark.parametrize("name", CASES)
def test_a_list_of_one_gives_what_the_module_for_one_image_gives(world: World, name: str) -> None:
    """The same notes, results and messages for the same image."""
    case = dict(CASES[name])
    check = case.pop("check", False)
    held, refuses, pulls, deny = (case.pop(one, None) for one in ("held", "refuses", "pulls", "deny"))
    tag = case.pop("tag", "1.0")
    options = {**USUAL, "source": f"{world.source.host}/team/app{'@' if ':' in tag else ':'}{tag}", **case}
    found = []
    for module in (acr_import, acr_mirror):
        world.held = dict(held or {})
        world.refuses = {refuses: LOCKED} if refuses else {}
        world.deny = {deny} if deny else set()
        world.pulls = {"ratelimit-remaining": pulls} if pulls else {}
        world.identity.http = Http()
        params = {**options, "timeout": 30}
        if module is acr_mirror:
            image = {key: value for key, value in options.items() if key not in ("registry", "resource_group", "wait")}
            params = {"registry": ID, "resource_group": None, "wait": options["wait"], "images": [image], **LIST}
        given = Module(check, **params)
        try:
            result = module.work(given, Azure(world.identity))
        except Problem as error:
            found.append((type(error), error.reason, str(error)))
            continue
        rows = result["targets" if module is acr_import else "results"]
        for row in rows:
            row.pop("seconds", None)
            if module is acr_mirror:
                assert row.pop("entry") == 1
        sentences = list(dict.fromkeys(row["error"] for row in rows if "error" in row))
        if module is acr_import:
            assert result.get("msg", "") == " ".join(sentences)
        else:
            assert all(sentence in result.get("msg", "") for sentence in sentences) and bool(sentences) == ("msg" in result)
        found.append((rows, given.warnings, result["changed"], result["diff"], result.get("reason"), dict(world.held)))
    assert found[0] == found[1]
