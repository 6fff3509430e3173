# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What breaks other tools because registries show things late, or lose them, each provoked in the sandbox."""
from __future__ import annotations

from typing import Any, Callable

from tests.playbook import Run, run_playbook
from tests.sandbox.handle import Sandbox

DEV = "contosodev.azurecr.test"
Call = Callable[..., Run]


def actions(run: Run) -> dict[str, str]:
    """What was done to each ``repository:tag`` (or ``@digest``)."""
    return {result["image"].partition("/")[2]: result["action"] for result in run.result["results"]}


def test_pitfall_04_a_list_of_referrers_that_lags(sandbox: Sandbox, acr_mirror: Call) -> None:
    """What an import brings is looked up by digest: a list of referrers that lags in the target delays nothing. What the
    source does not list yet comes with a later run, and nothing that has come is imported again."""
    sandbox.knobs(referrers_late_seconds=3600)
    listed = [{"source": f"{DEV}/signed/app:1.0", "referrers": True}]  # of long ago: its own list is complete
    first = acr_mirror(listed, import_timeout=60)
    assert first.rc == 0 and set(actions(first).values()) == {"import"} and len(actions(first)) > 2, first.output
    fresh = sandbox.push("contosodev", "fresh/app", ["1"], kind="signed", seed=7)
    lagging = [{"source": f"{DEV}/fresh/app:1", "referrers": True}]
    second = acr_mirror(listed + lagging, import_timeout=60)
    assert second.rc == 0, second.output
    assert {action for image, action in actions(second).items() if image.startswith("signed/")} == {"none"}
    assert actions(second)["fresh/app:1"] == "import"
    came = set(sandbox.manifests("contosoprod", "fresh/app"))
    sandbox.knobs(referrers_late_seconds=0)
    third = acr_mirror(listed + lagging, import_timeout=60)
    assert third.rc == 0 and third.result["changed"], third.output
    late = {image for image, action in actions(third).items() if action == "import"}
    assert late and not late & {f"fresh/app@{digest}" for digest in came}, third.output
    assert sandbox.manifests("contosoprod", "fresh/app").keys() == sandbox.manifests("contosodev", "fresh/app").keys()
    assert fresh["digest"] in came


def test_pitfall_11_what_azure_calls_done_and_is_not_there(sandbox: Sandbox, acr_mirror: Call) -> None:
    """A tag without its manifest and an index without its children are drift, and are repaired."""
    content = sandbox.bulk("contosodev", ["hole/new", "hole/old", "hole/inner"], tags=1, kind="index")
    tags = {name: next(iter(found)) for name, found in content.items()}
    images = [{"source": f"{DEV}/{name}:{tag}", "repair": True} for name, tag in tags.items()]
    old, inner = content["hole/old"][tags["hole/old"]], content["hole/inner"][tags["hole/inner"]]
    assert acr_mirror(images[1:]).rc == 0
    sandbox.lose_manifest("contosoprod", "hole/old", old)
    sandbox.lose_manifest("contosoprod", "hole/inner", sandbox.manifests("contosodev", "hole/inner")[inner]["children"][0])
    sandbox.knobs(import_faults=[{"source": "hole/new", "text": "missing_children", "times": 1}])

    run = acr_mirror(images)
    assert run.rc == 0, run.output
    assert [action for _image, action in sorted(actions(run).items())] == ["repair", "repair", "repair"]
    for name in content:
        assert sandbox.manifests("contosoprod", name).keys() == sandbox.manifests("contosodev", name).keys(), name
    again = acr_mirror(images)
    assert again.rc == 0 and not again.result["changed"], again.output


def test_pitfall_30_check_mode_fails_where_the_run_fails(sandbox: Sandbox) -> None:
    missing = f"{DEV}/team/app:no-such-tag"
    modules: dict[str, dict[str, Any]] = {
        "acr_import": {"registry": "contosoprod", "source": missing},
        "acr_mirror": {"registry": "contosoprod", "images": [{"source": missing}, {"source": f"{DEV}/aci-helloworld:v1"}]},
    }
    tasks = [
        {"name": f"{module} {check}", f"registryops.acr.{module}": args, "check_mode": check, "ignore_errors": True}
        for module, args in modules.items()
        for check in (True, False)
    ]
    run = run_playbook([{"name": "Test", "hosts": "localhost", "gather_facts": False, "tasks": tasks}], sandbox.env)
    messages = {line["task"]: str(line["result"].get("msg")) for line in run.tasks if line["status"] == "failed"}
    assert messages.keys() == {task["name"] for task in tasks}, run.output
    for module in modules:
        told = [messages[f"{module} {check}"].splitlines() for check in (True, False)]
        assert told[0][-1] == told[1][-1]
        assert f"{missing} does not exist" in messages[f"{module} True"]
    assert sandbox.tags("contosoprod", "team/app") == {}
