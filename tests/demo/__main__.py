# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``make demo``: the collection's playbooks against a sandbox, each run with what it has to show for itself.

Ends with an error as soon as a run does something else than it should.
"""
from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import yaml

from tests.playbook import ANSIBLE_BIN, ROOT, environment
from tests.sandbox.handle import Sandbox
from tests.signing import BUNDLE, IDENTITY, ISSUER, Sigstore, b64, new_key

COLOR = sys.stdout.isatty()


def say(text: str) -> None:
    print(f"\n\033[1m{text}\033[0m" if COLOR else f"\n==> {text}", flush=True)


class Demo:
    """Runs playbooks in a home of their own, shows their output as it comes, and holds them to what they should do."""

    def __init__(self, sandbox: Sandbox, home: Path) -> None:
        self.sandbox = sandbox
        self.home = home
        self.env = environment(home, sandbox.env)
        if COLOR:
            self.env["ANSIBLE_FORCE_COLOR"] = "1"
            self.env.pop("ANSIBLE_NOCOLOR")

    def variables(self, name: str, sample: str, **changes: object) -> str:
        """A variables file like the playbook's sample."""
        content = {**yaml.safe_load((ROOT / "playbooks/vars" / sample).read_text()), **changes}
        path = self.home / name
        path.write_text(yaml.safe_dump(content, sort_keys=False))
        return f"@{path.name}"

    def play(self, playbook: str, *arguments: str, changed: int, ends: int = 0) -> str:
        """Run a playbook; returns what it printed. SystemExit when it *ends* or changes otherwise."""
        command = ["ansible-playbook", f"registryops.acr.{playbook}", *arguments]
        print(f"$ {shlex.join(command)}", flush=True)
        began = time.monotonic()
        process = subprocess.Popen(
            [str(ANSIBLE_BIN / command[0]), *command[1:]],
            env=self.env,
            cwd=self.home,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert process.stdout is not None
        lines = []
        for line in process.stdout:
            lines.append(line)
            print(line, end="", flush=True)
        output = re.sub(r"\x1b\[[0-9;]*m", "", "".join(lines))
        print(f"({time.monotonic() - began:.1f} s)")
        if process.wait() != ends:
            raise SystemExit(f"The demo failed: {playbook} ended with {process.returncode}.")
        found = sum(int(count) for count in re.findall(r"changed=(\d+)", output))
        if found != changed:
            raise SystemExit(f"The demo failed: {playbook} shows changed={found} instead of {changed}.")
        return output


def single_images(demo: Demo) -> None:
    sandbox = demo.sandbox
    busybox = sandbox.tags("registry-1.docker.io", "library/busybox")["1.37"]
    sample = yaml.safe_load((ROOT / "playbooks/vars/import.yml").read_text())["acr_images"]
    sample[2]["source"] = f"docker.io/library/busybox@{busybox}"
    arguments = ["-e", demo.variables("images.yml", "import.yml", acr_images=sample)]

    say("Import three images: a public one, one of another subscription's registry, one by digest")
    demo.play("import", *arguments, changed=1)
    say("The same again: nothing changes")
    demo.play("import", *arguments, changed=0)
    say("Somebody moves the source's tag: check mode and diff tell what would happen")
    tags = sandbox.tags("registry-1.docker.io", "library/hello-world")
    sandbox.set_tag("registry-1.docker.io", "library/hello-world", "latest", tags["1.0"])
    output = demo.play("import", *arguments, "--check", "--diff", changed=1)
    if tags["1.0"] not in output or tags["latest"] not in output:
        raise SystemExit("The demo failed: the diff does not show both digests.")
    if sandbox.tags("contosoprod", "library/hello-world")["latest"] != tags["latest"]:
        raise SystemExit("The demo failed: check mode changed something.")


def a_list(demo: Demo) -> None:
    demo.sandbox.knobs(import_seconds=3.0, retry_after=10)
    demo.sandbox.patch_registry("contosoprod", properties={
        "networkRuleSet": {"defaultAction": "Deny", "ipRules": [{"action": "Allow", "value": "203.0.113.10"}]},
        "networkRuleBypassOptions": "None",
    })
    page = ROOT / ".build/mirror.html"
    arguments = ["-e", demo.variables("mirror.yml", "mirror.yml", acr_mirror_report_html=str(page))]

    say("The role, with a list of versions, Windows and signatures. The registry's firewall keeps Azure's import out at first")
    output = demo.play("mirror", *arguments, changed=2)
    print(f"The report as a page: {page.rename(page.with_name('first-mirror.html')).relative_to(ROOT)}")
    if "in flight" not in output:
        raise SystemExit("The demo failed: no progress was shown.")
    say("The same list again")
    output = demo.play("mirror", *arguments, changed=0)
    found = re.search(r"(\d+) unchanged", output)
    if found is None or int(found.group(1)) < 40:
        raise SystemExit("The demo failed: the registry does not hold the list.")


def vetted(demo: Demo) -> None:
    sandbox, sigstore, key = demo.sandbox, Sigstore(), new_key()
    sandbox.knobs(import_seconds=0.3)
    names = ("web", "jobs", "tools")
    images = {name: sandbox.push("contosodev", f"shop/{name}", ["1.0"], seed=seed)["digest"] for seed, name in enumerate(names)}
    for name, identity in (("web", IDENTITY), ("jobs", "https://git.test/somebody/app/.workflows/release.yml@refs/tags/v1")):
        bundle = json.dumps(sigstore.bundle(images[name], key, sigstore.certify(key, identity))).encode()
        about = {"content": b64(bundle), "media_type": BUNDLE, "artifact_type": BUNDLE}
        sandbox.push("contosodev", f"shop/{name}", kind="artifact", subject=images[name], **about)
    signer = {"issuer": ISSUER, "identity": IDENTITY.replace("v1", "v*"), "trust_root": sigstore.trust_root()}
    variables = {
        "acr_mirror_registry": "contosoprod",
        "acr_mirror_blocked": ["*/busybox:1.36*"],
        "acr_mirror_images": [
            *({"source": f"shop/{name}:1.0", "source_registry": "contosodev", "signed_by": [signer]} for name in images),
            {"source": "docker.io/library/hello-world:1.1", "target": "shop/hello", "quarantine": {"min_age": "72h"}},
            "docker.io/library/busybox:1.36",
        ],
    }
    (demo.home / "vetted.yml").write_text(yaml.safe_dump(variables, sort_keys=False))

    say("Only what is vetted: one image is signed, one by somebody else, one not at all; one is new, and one is blocked")
    # Some images fail, which is the point; and what failed doesn't count as changed.
    output = demo.play("mirror", "-e", "@vetted.yml", "--skip-tags", "network", changed=0, ends=2)
    if IDENTITY not in output or "wait      shop/hello:1.1" not in output or "(*/busybox:1.36*)" not in output:
        raise SystemExit("The demo failed: the report does not show who signed, what waits and what is blocked.")
    if [name for name in (*images, "hello") if sandbox.tags("contosoprod", f"shop/{name}")] != ["web"]:
        raise SystemExit("The demo failed: something came in that is not vetted.")


def content(demo: Demo) -> None:
    say("What the registry holds now")
    output = demo.play("inspect", "-e", demo.variables("registry.yml", "inspect.yml"), changed=0)
    if "windows(" not in output:
        raise SystemExit("The demo failed: the platforms are not shown.")


def main() -> None:
    began = time.monotonic()
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    with tempfile.TemporaryDirectory(prefix="acr-demo-") as name, Sandbox.start() as sandbox:
        print(f"A sandbox plays Azure on this machine, with real registries (started in {time.monotonic() - began:.1f} s).")
        demo = Demo(sandbox, Path(name))
        single_images(demo)
        a_list(demo)
        vetted(demo)
        content(demo)
    print(f"\nAll as it should be; {time.monotonic() - began:.0f} s. `make sandbox` keeps a sandbox running to play with.")


main()
