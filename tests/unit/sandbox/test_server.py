# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The front: hosts, connections, log, limits and faults."""
from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
from typing import Any

import pytest
import requests

from tests.sandbox.handle import ROOT, AdminError, Sandbox
from tests.sandbox.server import report

KEYS = "https://login.azure.test/common/discovery/v2.0/keys"
PING = "https://contosoprod.azurecr.test/v2/"


def test_unknown_hosts_never_leave_the_machine(sandbox: Sandbox, http: requests.Session) -> None:
    with pytest.raises(requests.exceptions.ProxyError, match="502"):
        http.get("https://example.com/")
    with pytest.raises(requests.exceptions.ProxyError, match="502"):
        http.get("https://nosuchregistry.azurecr.test/v2/")
    assert [e["host"] for e in sandbox.log(status=502)] == ["example.com", "nosuchregistry.azurecr.test"]
    answer = http.get("http://example.com/", proxies={"http": sandbox.proxy_url})
    assert answer.status_code == 502


def test_certificates_come_from_the_sandbox_s_own_authority(
    sandbox: Sandbox, http: requests.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert http.get(KEYS).status_code == 200
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    with pytest.raises(requests.exceptions.SSLError), requests.Session() as stranger:
        stranger.get(KEYS)


def test_requests_share_a_connection(sandbox: Sandbox, http: requests.Session) -> None:
    sandbox.knobs(round_trip_seconds=0.05)
    seconds = []
    for _n in range(3):
        began = time.monotonic()
        http.get(KEYS)
        seconds.append(time.monotonic() - began)
    assert seconds[0] >= 0.15 and min(seconds) >= 0.05  # two round trips for the connection, one for each request
    [pools] = [manager.pools for manager in http.get_adapter(KEYS).proxy_manager.values()]
    assert [pools[key].num_connections for key in pools.keys()] == [1]


def test_the_log_says_who_asked_what(sandbox: Sandbox, http: requests.Session) -> None:
    http.get(KEYS)
    http.get(PING)
    http.get("https://contosoprod.azurecr.test/acr/v1/a%2Fb/_tags?n=1")
    entries = sandbox.log()
    assert [(e["class"], e["host"], e["path"], e["query"], e["status"]) for e in entries] == [
        ("authority", "login.azure.test", "/common/discovery/v2.0/keys", "", 200),
        ("other", "contosoprod.azurecr.test", "/v2/", "", 401),
        ("tag_list", "contosoprod.azurecr.test", "/acr/v1/a/b/_tags", "n=1", 401),
    ]
    assert sandbox.log(since=entries[1]["n"]) == entries[2:]
    sandbox.clear_log()
    assert sandbox.log() == []


def test_a_header_line_over_8_kib_is_refused_as_openresty_does(sandbox: Sandbox, http: requests.Session) -> None:
    fits = http.get(PING, headers={"Authorization": "Bearer " + "x" * 8168})
    assert fits.status_code == 401
    too_long = http.get(PING, headers={"Authorization": "Bearer " + "x" * 8169})
    assert too_long.status_code == 400
    assert too_long.headers["Content-Type"] == "text/html"
    assert "<center>Request Header Or Cookie Too Large</center>" in too_long.text


@pytest.mark.parametrize("with_pause", [True, False])
def test_registry_reads_are_limited(sandbox: Sandbox, http: requests.Session, with_pause: bool) -> None:
    sandbox.knobs(limits={"registry_reads": {"per_minute": 3}}, throttle_retry_after=with_pause)
    statuses = [http.get(PING).status_code for _n in range(4)]
    assert statuses == [401, 401, 401, 429]
    refused = http.get(PING)
    assert refused.text == (
        '{"errors":[{"code":"TOOMANYREQUESTS","message":"Too many requests. Please visit '
        'https://aka.ms/acr/skus#sku-feature-matrix to view limits of all service tiers."}]}\n'
    )
    assert ("Retry-After" in refused.headers) == with_pause
    assert http.get("https://contosodev.azurecr.test/v2/").status_code == 401


@pytest.mark.parametrize(
    ("name", "method", "path"),
    [
        ("registry_reads", "GET", "/acr/v1/_catalog"),
        ("registry_reads", "HEAD", "/v2/app/manifests/1"),
        ("registry_writes", "DELETE", "/acr/v1/app/_tags/1"),
        ("registry_writes", "POST", "/v2/app/blobs/uploads/"),
        ("referrers", "GET", "/v2/app/referrers/sha256:" + "0" * 64),
        ("tokens", "POST", "/oauth2/exchange"),
        ("tokens", "GET", "/oauth2/token"),
    ],
)
def test_each_class_of_request_has_a_limit_of_its_own(
    sandbox: Sandbox, http: requests.Session, name: str, method: str, path: str
) -> None:
    names = ("registry_reads", "registry_writes", "referrers", "tokens")
    for limit in names:
        sandbox.knobs(limits={**dict.fromkeys(names), limit: {"capacity": 1, "refill": 0}})
        statuses = [http.request(method, f"https://contosoprod.azurecr.test{path}").status_code for _n in range(2)]
        assert statuses[0] != 429 and (statuses[1] == 429) == (limit == name)


@pytest.mark.parametrize(("sku", "writes"), [("Basic", 100), ("Standard", 500)])
def test_azure_s_limits_go_by_tier(sandbox: Sandbox, http: requests.Session, sku: str, writes: int) -> None:
    sandbox.patch_registry("contosoprod", sku=sku)
    limits = sandbox.knobs(limits="azure")["limits"]
    assert limits["registry_reads"] == "sku" and limits["arm_writes"] == {"capacity": 200, "refill": 10}
    url = "https://contosoprod.azurecr.test/v2/a/blobs/uploads/"
    statuses = [http.post(url).status_code for _n in range(writes + 1)]
    assert set(statuses[:-1]) == {401} and statuses[-1] == 429


def test_a_limit_s_window_passes(sandbox: Sandbox, http: requests.Session) -> None:
    sandbox.knobs(limits={"registry_reads": {"per_minute": 1, "window": 1}})
    assert [http.get(PING).status_code for _n in range(2)] == [401, 429]
    time.sleep(1)
    assert http.get(PING).status_code == 401


def test_faults_answer_in_the_server_s_place(sandbox: Sandbox, http: requests.Session) -> None:
    sandbox.knobs(
        faults=[
            {
                "match": {"host": r"^login", "method": "GET"},
                "times": 1,
                "action": {"status": 503, "headers": {"Retry-After": "7"}, "body": {"down": True}},
            }
        ]
    )
    first = http.get(KEYS)
    assert (first.status_code, first.headers["Retry-After"], first.json()) == (503, "7", {"down": True})
    assert http.get(KEYS).status_code == 200


def test_faults_by_turn_and_by_chance(sandbox: Sandbox, http: requests.Session) -> None:
    sandbox.knobs(faults=[{"match": {"path": "keys"}, "every": 3, "action": {"status": 500}}])
    assert [http.get(KEYS).status_code for _n in range(6)] == [200, 200, 500, 200, 200, 500]

    def series() -> list[int]:
        sandbox.knobs(faults=[{"match": {}, "probability": 0.5, "seed": 7, "action": {"status": 500}}])
        return [http.get(KEYS).status_code for _n in range(20)]

    first = series()
    assert series() == first
    assert 4 <= first.count(500) <= 16


def test_connections_break_before_and_within_an_answer(sandbox: Sandbox, http: requests.Session) -> None:
    sandbox.knobs(faults=[{"match": {"class": "authority"}, "times": 1, "action": {"drop": True}}])
    with pytest.raises(requests.exceptions.ConnectionError):
        http.get(KEYS)
    assert sandbox.log()[-1]["status"] == 0
    sandbox.knobs(faults=[{"match": {"class": "authority"}, "times": 1, "action": {"drop_mid": True}}])
    with pytest.raises((requests.exceptions.ConnectionError, requests.exceptions.ChunkedEncodingError)):
        http.get(KEYS)
    assert http.get(KEYS).status_code == 200


def test_answers_can_be_late_or_slow(sandbox: Sandbox, http: requests.Session) -> None:
    whole = http.get(KEYS).content
    for action in ({"delay": 0.3}, {"slow": int(len(whole) / 0.35)}):
        sandbox.knobs(faults=[{"match": {}, "action": action}])
        began = time.monotonic()
        assert http.get(KEYS).content == whole
        assert time.monotonic() - began >= 0.29


def test_answers_can_be_long_compressed_and_numbered(sandbox: Sandbox, http: requests.Session) -> None:
    action: dict[str, Any] = {"status": 200, "headers": {"Link": "</{n}>"}, "body": "ab", "repeat": 3}
    sandbox.knobs(faults=[{"match": {}, "action": action}])
    answers = [http.get(KEYS) for _n in range(2)]
    assert [(a.text, a.headers["Link"], a.headers["Content-Length"]) for a in answers] == [("ababab", f"</{n}>", "6") for n in (1, 2)]
    sandbox.knobs(faults=[{"match": {}, "action": {**action, "repeat": 100_000, "gzip": True}}])
    packed = http.get(KEYS)
    assert packed.text == "ab" * 100_000 and int(packed.headers["Content-Length"]) < 2000


def test_certificates_can_end(sandbox: Sandbox) -> None:
    def ask() -> int:
        return requests.get(KEYS, timeout=10).status_code  # by a connection of its own

    sandbox.knobs(certificate_seconds={"login.azure.test": 2})
    assert ask() == 200
    time.sleep(2.1)
    with pytest.raises(requests.exceptions.SSLError, match="expired"):
        ask()
    sandbox.knobs(certificate_seconds={})
    assert ask() == 200


def test_knobs_at_the_start_of_a_run() -> None:
    command = [sys.executable, "-m", "tests.sandbox", "--knobs"]
    options: dict[str, Any] = {"cwd": ROOT, "capture_output": True, "text": True, "timeout": 60}
    wrong = subprocess.run([*command, '{"import_secs": 2}'], check=False, **options)
    assert wrong.returncode == 2 and wrong.stderr.endswith("argument --knobs: unknown knob import_secs\n")
    with subprocess.Popen([*command, '{"import_seconds": 7}'], cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        admin = next(line.split("=")[1].strip() for line in process.stdout if line.startswith("export SANDBOX_ADMIN="))
        with requests.Session() as session:
            session.trust_env = False
            assert session.get(f"{admin}/knobs").json()["import_seconds"] == 7
        process.terminate()


def test_bad_knobs_are_refused_and_change_nothing(sandbox: Sandbox) -> None:
    before = sandbox.knobs()
    for change in (
        {"import_secs": 1},
        {"visibility": "never", "import_seconds": 9},
        {"limits": {"reads": None}},
        {"faults": [{"match": {"url": "x"}, "action": {"status": 500}}]},
        {"faults": [{"match": {}, "action": {}}]},
    ):
        with pytest.raises(AdminError):
            sandbox.knobs(**change)
    assert sandbox.knobs() == before


@pytest.mark.parametrize(
    ("call", "name", "settings", "what"),
    [
        ("patch_registry", "contosoprod", {"flags": {"page_limt": 7, "server": "x"}}, "flag of a registry page_limt"),
        ("patch_registry", "contosoprod", {"flags": {"hub": True}}, "flag of a registry hub"),
        ("patch_registry", "contosoprod", {"skus": "Basic"}, "setting of a registry skus"),
        ("patch_upstream", "mcr.microsoft.com", {"flags": {"server": "x"}}, "flag of an upstream server"),
        ("patch_upstream", "mcr.microsoft.com", {"user": {}}, "setting of an upstream user"),
        ("knobs", "", {"limits": {"reads": None}}, "limit reads"),
        ("knobs", "", {"tokens": {"seconds": 1}}, "lifetime of tokens seconds"),
        ("knobs", "", {"faults": [{"match": {"url": "x"}, "action": {"drop": True}}]}, "match of a fault url"),
        ("knobs", "", {"faults": [{"match": {}, "action": {"drop": True, "often": 1}}]}, "action of a fault often"),
        ("knobs", "", {"import_faults": [{"source": "", "text": "", "time": 1}]}, "field of an import fault time"),
        ("knobs", "", {"lies": [{"kind": "absent", "sooften": 1}]}, "field of a lie sooften"),
    ],
)
def test_an_unknown_name_is_named(sandbox: Sandbox, call: str, name: str, settings: dict[str, Any], what: str) -> None:
    with pytest.raises(AdminError, match=f"^unknown {what}$"):
        getattr(sandbox, call)(*[name] if name else [], **settings)


def test_reset_undoes_what_a_test_changed(sandbox: Sandbox, http: requests.Session) -> None:
    sandbox.patch_registry("contosoprod", properties={"publicNetworkAccess": "Disabled"})
    sandbox.patch_principal("reader", grants={})
    sandbox.knobs(import_seconds=9, limits="azure")
    assert http.get(PING).status_code == 403
    sandbox.reset()
    assert sandbox.knobs()["import_seconds"] == 0.2
    assert http.get(PING).status_code == 401
    assert sandbox.log()[-1]["n"] > 0


def test_it_dies_with_its_parent() -> None:
    program = (
        "import os, sys\n"
        "from tests.sandbox.handle import Sandbox\n"
        "s = Sandbox.start()\n"
        "print(s._process.pid, flush=True)\n"
        "os._exit(0)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    pid = int(done.stdout)
    end = time.monotonic() + 15
    while _alive(pid):
        assert time.monotonic() < end, "still running"
        time.sleep(0.05)
    left = subprocess.run(["ps", "-eo", "ppid,pid,args"], capture_output=True, text=True, check=True).stdout
    assert not [line for line in left.splitlines() if line.split()[0] == str(pid)]


def _alive(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
            return stat.read().split()[2] != "Z"
    except FileNotFoundError:
        return False


def test_only_what_is_its_own_fault_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(report)
        here, there = socket.socketpair()
        with there:
            here.setblocking(False)
            transport, _protocol = await loop.create_connection(asyncio.Protocol, sock=here)
            transport.abort()  # ends it soon
            transport._call_connection_lost(None)  # as asyncio does when it writes to what has been reset
            loop.call_soon(lambda: {}["no such key"])
            await asyncio.sleep(0.01)

    asyncio.run(run())
    assert "no such key" in caplog.text and "connection_lost" not in caplog.text
