# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The walk-through for AWX, by the real modules of awx.awx. No controller runs here: a small one that keeps what it is given
answers them in its place."""
from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import yaml

from tests.playbook import ANSIBLE_BIN, ROOT
from tests.release.conftest import PACKAGED, Release, clean, run

SECRET = "not-to-be-seen"
ENCRYPTED = "$encrypted$"


class Controller:
    """Objects by kind, each with the fields it was given, in the way of the controller's API v2."""

    def __init__(self) -> None:
        self.kinds: dict[str, list[dict[str, Any]]] = {}
        self.surveys: dict[int, Any] = {}
        self.add("organizations", {"name": "Default"})
        self.add("credential_types", {"name": "Microsoft Azure Resource Manager"})

    def add(self, kind: str, fields: dict[str, Any]) -> dict[str, Any]:
        number = sum(map(len, self.kinds.values())) + 1
        url = f"/api/v2/{kind}/{number}/"
        added = {
            "id": number,
            "type": kind[:-1],
            "url": url,
            "related": {name: f"{url}{name}/" for name in ("survey_spec", "update", "credentials")},
            "summary_fields": {},
            "scm_revision": "",
            **fields,
        }
        self.kinds.setdefault(kind, []).append(added)
        return added

    def one(self, kind: str) -> dict[str, Any]:
        (found,) = self.kinds[kind]
        return found

    def answer(self, method: str, path: str, query: dict[str, str], body: Any) -> tuple[int, Any]:
        kind, number, part = re.fullmatch(r"/api/v2/(\w+)/(?:(\d+)/)?(?:(\w+)/)?", path).groups()
        if kind == "tokens":
            return (201, {"id": 1, "token": "token"}) if method == "POST" else (204, None)
        if number is None and method == "POST":
            return 201, self.shown(self.add(kind, body))
        if number is None:
            kinds = ["job_templates"] if kind == "unified_job_templates" else [kind]
            found = [o for k in kinds for o in self.kinds.get(k, []) if all(str(o.get(key)) == v for key, v in query.items())]
            return 200, {"count": len(found), "next": None, "results": [self.shown(o) for o in found]}
        (one,) = [o for o in self.kinds[kind] if o["id"] == int(number)]
        if part == "survey_spec":
            if method == "POST":
                self.surveys[one["id"]] = body
            return 200, self.surveys.get(one["id"], {})
        if part == "credentials":
            held = one.setdefault("credentials", [])
            if method == "POST":
                held.append(body["id"])
                return 204, None
            return 200, {"count": len(held), "next": None, "results": [{"id": i} for i in held]}
        if method == "PATCH":
            one.update(body)
        return 200, self.shown(one)

    @staticmethod
    def shown(one: dict[str, Any]) -> dict[str, Any]:
        """As the API shows it: without secrets."""
        inputs = one.get("inputs")
        return {**one, "inputs": {**inputs, "secret": ENCRYPTED}} if inputs else one


@pytest.fixture
def controller() -> Iterator[tuple[Controller, str]]:
    state = Controller()

    class Handler(BaseHTTPRequestHandler):
        def _serve(self) -> None:
            parts = urlsplit(self.path)
            length = int(self.headers.get("Content-Length") or 0)
            content = self.rfile.read(length)
            body = json.loads(content) if content and self.command in ("POST", "PATCH") else None
            status, answer = state.answer(self.command, parts.path, dict(parse_qsl(parts.query)), body)
            payload = b"" if answer is None else json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("X-API-Product-Name", "AWX")
            self.send_header("X-API-Product-Version", "24.6.1")
            self.send_header("Content-Length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        do_GET = do_POST = do_PATCH = do_DELETE = _serve

        def log_message(self, *_arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield state, f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join(10)


def test_the_walk_through_sets_a_controller_up(release: Release, controller: tuple[Controller, str], tmp_path: Path) -> None:
    state, address = controller
    env = clean(
        tmp_path,
        ANSIBLE_COLLECTIONS_PATH=f"{release.installed}:{PACKAGED}",
        CONTROLLER_HOST=address,
        CONTROLLER_USERNAME="admin",
        CONTROLLER_PASSWORD="password",
        AZURE_SUBSCRIPTION_ID="11111111-1111-4111-8111-111111111111",
        AZURE_TENANT="tenant",
        AZURE_CLIENT_ID="client",
        AZURE_SECRET=SECRET,
    )
    playbook = ("registryops.acr.awx.setup", "-e", "acr_awx_image=contosoprod.azurecr.io/ee:1", "-v")
    command = (ANSIBLE_BIN / "ansible-playbook", *playbook)
    first = run(*command, env=env, cwd=tmp_path)
    assert "changed=7" in first and SECRET not in first, first

    names = {kind: [o["name"] for o in found] for kind, found in state.kinds.items()}
    assert names["job_templates"] == ["Mirror images"] and len(names) == 9
    assert state.one("credentials")["inputs"] == {
        "subscription": "11111111-1111-4111-8111-111111111111",
        "tenant": "tenant",
        "client": "client",
        "secret": SECRET,
        "cloud_environment": "AzureCloud",
    }
    template, source = state.one("job_templates"), state.one("inventory_sources")
    for path in (template["playbook"], source["source_path"]):
        assert (ROOT / path).is_file(), f"the project has no {path}"
    assert source["source_project"] == template["project"] == state.one("projects")["id"]
    assert template["credentials"] == [state.one("credentials")["id"]] and source["credential"] in template["credentials"]
    assert template["job_slice_count"] == 2 and json.loads(template["extra_vars"]) == {"acr_hosts": "all"}
    assert state.one("schedules")["unified_job_template"] == template["id"]

    # The survey asks for nothing but variables of the role, and its defaults are answers that it would take.
    options = yaml.safe_load((ROOT / "roles/mirror/meta/argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
    for question in state.surveys[template["id"]]["spec"]:
        option, default = options[question["variable"]], question["default"]
        if question["type"] == "multiplechoice":
            assert question["choices"] == option["choices"] and default in question["choices"]
        elif question["type"] == "integer":
            assert question["min"] <= default <= question["max"] and option["type"] == "int"
        else:
            assert isinstance(default, str)
    images = yaml.safe_load(state.surveys[template["id"]]["spec"][0]["default"])
    assert images and all("source" in image for image in images)

    second = run(*command, env=env, cwd=tmp_path)
    assert "changed=0" in second, second
