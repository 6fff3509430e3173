#!/usr/bin/python
# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: acr_mirror
short_description: Keep a list of images in an Azure container registry
version_added: 0.1.0
description:
  - Makes an Azure container registry hold a whole list of images of other registries, in one task and as fast as Azure
    allows. Azure does the copying itself, so no image layer passes through the machine that runs the task.
  - Every tag is resolved to its digest and compared, so that only what differs is imported, by digest, and checked
    afterwards. Check mode and diff show what the real run would do.
  - Tags of a repository are listed once, targets with the same content share one import, and what the registries and
    Azure allow per minute is never exceeded for long. Where something fails, all the rest is still done.
  - Interrupted at any moment, the next run carries on where it ended.
options:
  registry:
    description:
      - The registry to import into, by its name (V(contosoprod)), its login server (V(contosoprod.azurecr.io)) or its
        resource ID.
      - If a domain name label adds a hash to the login server, the login server's first part will do
        (V(contosoprod-h4x0c3d4e5f6g7h8)).
    type: str
    required: true
  resource_group:
    description:
      - The resource group of O(registry), where it is given by name. Without it the registry is looked up.
    type: str
  images:
    description:
      - What the registry should hold. Each entry takes the options of M(registryops.acr.acr_import) for one image, or chooses
        several by O(images[].tags) or O(images[].repositories).
      - Two entries that want different things of the same target tag are refused before anything starts. An image that one
        entry names and another one chooses is wanted as the entry says that names it.
    type: list
    elements: dict
    required: true
    suboptions:
      source:
        description:
          - What to import, as C(host/repository[:tag][@digest]), such as V(docker.io/library/nginx:1.27).
          - The host can be left out only together with O(images[].source_registry).
          - Without tag and digest, V(latest) is meant. With both, the digest decides and the tag names the default target.
          - Needed, but with O(images[].repositories).
        type: str
      source_registry:
        description:
          - An Azure container registry of the same tenant to import from, by resource ID, name or login server. It may be in
            another subscription. The rights of the account that signs in count there (V(Reader) or V(AcrPull)).
          - The resource ID is the only way to import from a registry whose public endpoint is off.
        type: str
      source_username:
        description:
          - User name for the source registry. A Docker Hub account, a service principal's client ID, a repository-scoped
            token's name, or the user of any private registry.
        type: str
      source_password:
        description:
          - The password that belongs to O(images[].source_username), or, without a user name, an access token.
          - Together with O(images[].source_registry) it wins, and the rights of the account that signs in do not count there.
        type: str
      target:
        description:
          - Where the image goes in O(registry), each as C(repository[:tag]). Without a tag, the source's tag is taken.
          - By default, the source's repository and tag. V(docker.io/library/nginx:1.27) becomes V(library/nginx:1.27).
            A source with a digest only becomes V(latest); better name a target then.
          - With O(images[].tags), repositories only; each gets the tags that were chosen.
        type: list
        elements: str
      untagged_repositories:
        description:
          - Repositories of O(registry) that get the image without a tag.
        type: list
        elements: str
      if_exists:
        description:
          - What happens to a target tag that exists.
          - V(update) imports again where its digest differs from the source's.
          - V(keep) never touches it. If all targets exist, the source is asked nothing.
          - V(fail) is an error where its digest differs, as suits release tags.
          - V(reimport) always imports again and overwrites.
          - A tag whose manifest is gone can't be pulled. V(update) and V(reimport) import it again; V(keep) and V(fail) report
            it, unless O(images[].repair=true), or with V(fail) unless it names the source's digest.
          - Azure's forced import ignores locks, so the locks of tag, manifest and repository are read first, and a target that
            is locked, or whose locks can't be read, is not overwritten.
          - V(update) if not given.
        type: str
        choices: [update, keep, fail, reimport]
      platform:
        description:
          - Import only the image for this platform out of a multi-architecture image, such as V(linux/amd64) or
            V(linux/arm/v7).
          - Azure imports one image or a whole multi-architecture image, so there is no list.
        type: str
      referrers:
        description:
          - Also import what refers to the image and to each of its platforms, such as signatures, SBOMs and attestations.
          - V(false) if not given.
        type: bool
      verify:
        description:
          - Whether the digests of source and target are read and compared.
          - With V(false) neither registry is asked for content, as is needed where this machine can't reach them (private
            endpoints, firewalls). What counts then is whether the target tag exists, as Azure reports it, so that
            O(images[].if_exists=update) can't tell that the source has changed. The source's tag is imported as such.
          - Check mode can't look then either, and announces an import.
          - Locks can't be read then. O(images[].if_exists=reimport) overwrites a locked tag.
          - V(true) if not given.
        type: bool
      repair:
        description:
          - Also look whether everything that a multi-architecture image lists is there, where the target tag is right
            already, and import again if it isn't.
          - Also import a tag again whose manifest is gone, with V(keep) and V(fail) of O(images[].if_exists), too.
          - V(false) if not given.
        type: bool
      tags:
        description:
          - Choose several tags of the source's repository, by these filters in this order.
        type: dict
        suboptions:
          include:
            description:
              - Only tags that match one of these shell patterns, such as V(1.27*). All if not given.
              - Quote what looks like a number. YAML reads 3.10 as 3.1, which is refused.
            type: list
            elements: str
          exclude:
            description:
              - No tags that match one of these shell patterns.
            type: list
            elements: str
          semver:
            description:
              - Only tags that are versions in this range, such as V(>=1.26 <2), V(^1.27), V(1.x) or V(1.26 - 1.28).
              - Tags with a suffix, such as V(1.27.3-alpine), count only together with O(images[].tags.include).
              - Build metadata may follow after C(_), as Helm writes it, so that V(1.2.0_build.7) is version 1.2.0.
              - A bare number of five or more digits, such as V(20240807), is a date or a build and not a version, unless a
                pattern of O(images[].tags.include) names it, as V(2024*) does.
            type: str
          newest:
            description:
              - Only so many, the highest versions. Tags that are no versions, in the sense of O(images[].tags.semver), fall out. Never
                decided by time, since an old release may be built again.
              - Numbers in suffixes count as numbers, so that V(1.0-rc.10) is higher than V(1.0-rc.9).
            type: int
          same_digest:
            description:
              - Also every other tag of the same content, such as V(1.27) and V(latest) beside V(1.27.3). Alone, with a tag in
                the source, it takes all tags of that image.
              - Azure registries list the digests; any other registry is asked for each of its tags. Tags that can't be read are
                left out and reported by a warning.
            type: bool
            default: false
      repositories:
        description:
          - Mirror a whole Azure registry, named by O(images[].source_registry), instead of one repository. All tags, unless
            O(images[].tags) chooses some.
        type: dict
        suboptions:
          include:
            description:
              - Only repositories that match one of these shell patterns, such as V(team/*). All if not given.
            type: list
            elements: str
          exclude:
            description:
              - No repositories that match one of these shell patterns.
            type: list
            elements: str
  defaults:
    description:
      - What counts for all entries that don't say otherwise.
    type: dict
    suboptions:
      source_registry:
        description:
          - Counts for every entry without O(images[].source_registry).
        type: str
      source_username:
        description:
          - Counts for every entry without O(images[].source_username).
        type: str
      source_password:
        description:
          - Counts for every entry without O(images[].source_password).
        type: str
      if_exists:
        description:
          - Counts for every entry without O(images[].if_exists).
        type: str
        choices: [update, keep, fail, reimport]
      platform:
        description:
          - Counts for every entry without O(images[].platform).
        type: str
      referrers:
        description:
          - Counts for every entry without O(images[].referrers).
        type: bool
      verify:
        description:
          - Counts for every entry without O(images[].verify).
        type: bool
      repair:
        description:
          - Counts for every entry without O(images[].repair).
        type: bool
      tags:
        description:
          - Counts for every entry without O(images[].tags).
        type: dict
        suboptions:
          include:
            description:
              - Only tags that match one of these shell patterns, such as V(1.27*). All if not given.
              - Quote what looks like a number. YAML reads 3.10 as 3.1, which is refused.
            type: list
            elements: str
          exclude:
            description:
              - No tags that match one of these shell patterns.
            type: list
            elements: str
          semver:
            description:
              - Only tags that are versions in this range, such as V(>=1.26 <2), V(^1.27), V(1.x) or V(1.26 - 1.28).
              - Tags with a suffix, such as V(1.27.3-alpine), count only together with O(defaults.tags.include).
              - Build metadata may follow after C(_), as Helm writes it, so that V(1.2.0_build.7) is version 1.2.0.
              - A bare number of five or more digits, such as V(20240807), is a date or a build and not a version, unless a
                pattern of O(defaults.tags.include) names it, as V(2024*) does.
            type: str
          newest:
            description:
              - Only so many, the highest versions. Tags that are no versions, in the sense of O(defaults.tags.semver), fall out. Never
                decided by time, since an old release may be built again.
              - Numbers in suffixes count as numbers, so that V(1.0-rc.10) is higher than V(1.0-rc.9).
            type: int
          same_digest:
            description:
              - Also every other tag of the same content, such as V(1.27) and V(latest) beside V(1.27.3). Alone, with a tag in
                the source, it takes all tags of that image.
              - Azure registries list the digests; any other registry is asked for each of its tags. Tags that can't be read are
                left out and reported by a warning.
            type: bool
            default: false
  credentials:
    description:
      - User names and passwords of source registries, so that secrets stand in one place. Of those that match an entry's
        source, the one with the longest O(credentials[].registry) counts.
      - They don't count for sources that are given by resource ID or name in O(images[].source_registry).
      - Those that match no entry are reported by a warning.
    type: list
    elements: dict
    suboptions:
      registry:
        description:
          - The registry's host, such as V(docker.io), or host and namespace, such as V(docker.io/contoso).
          - A URL is understood too, such as V(https://index.docker.io/v1/) in Docker's own configuration. What names no host
            is refused.
        type: str
        required: true
      username:
        description:
          - The user name. Without it, O(credentials[].password) is an access token.
        type: str
      password:
        description:
          - The password or token.
        type: str
        required: true
  target_prefix:
    description:
      - Put before the repository of every target, such as V(mirror/).
    type: str
  concurrency:
    description:
      - How many requests may be under way at once. Imports don't count while Azure copies.
    type: int
    default: 16
  on_error:
    description:
      - V(continue) does all that can be done, then fails and names what failed.
      - V(stop) starts nothing new after the first failure, and waits for what is under way.
    type: str
    choices: [continue, stop]
    default: continue
  details:
    description:
      - Also return the size and the platforms of each target, as reports show them, where they can be read. That takes one more
        listing for each repository, or one more request for each of a few images, and one for each multi-architecture image.
    type: bool
    default: false
  wait:
    description:
      - Whether to wait until all imports have ended and are checked. With V(false) the results name the started operations,
        and the same task run again finds out by digest what landed.
    type: bool
    default: true
  timeout:
    description:
      - The most seconds that one import may take, from its start. Waiting for a turn does not count.
    type: int
    default: 1800
extends_documentation_fragment:
  - registryops.acr.azure
  - registryops.acr.azure.attributes
attributes:
  idempotent:
    support: partial
    details:
      - With O(images[].if_exists=reimport) every run imports again, as asked. With O(wait=false) a run that starts before
        the last one's imports have landed starts them again.
  action:
    description: Has an action plugin of the same name, which runs on the controller.
    support: full
    details:
      - It only shows how far the module is.
seealso:
  - module: registryops.acr.acr_import
  - module: registryops.acr.acr_trusted_services
notes:
  - The account needs the action C(Microsoft.ContainerRegistry/registries/importImage/action) on O(registry) and the right
    to read its content. The built-in role C(Container Registry Data Importer and Data Reader) has both.
  - While it runs on the controller, the task shows how far it is every few seconds. The variable C(acr_mirror_progress) set
    to V(false) turns that off.
author:
  - registryops.acr contributors (@registryops)
"""

EXAMPLES = r"""
- name: Base images of Docker Hub and Microsoft
  registryops.acr.acr_mirror:
    registry: contosoprod
    target_prefix: base/
    credentials:
      - registry: docker.io
        username: contoso
        password: "{{ docker_hub_token }}"
    images:
      - source: docker.io/library/nginx
        tags:
          semver: ">=1.26"
          newest: 3
          same_digest: true
      - source: docker.io/library/busybox:1.37
      - source: mcr.microsoft.com/dotnet/runtime
        tags:
          include: ["8.0*", "9.0*"]
          exclude: ["*preview*"]

- name: Releases from the development registry, which must never change afterwards
  registryops.acr.acr_mirror:
    registry: contosoprod
    defaults:
      source_registry: contosodev
      if_exists: fail
      referrers: true
    images:
      - source: team/app:2.4.1
      - source: team/worker:2.4.1

- name: A whole registry, without its caches
  registryops.acr.acr_mirror:
    registry: contosobackup
    images:
      - source_registry: contosoprod
        repositories:
          exclude: ["cache/*"]
  register: backup

- name: What changed
  ansible.builtin.debug:
    msg: "{{ backup.results | rejectattr('action', 'in', ['none', 'keep']) | map(attribute='image') }}"
"""

RETURN = r"""
changed:
  description: Whether an import was started (or, in check mode, would be).
  returned: always
  type: bool
  sample: true
results:
  description: Each target, in the order of O(images), and each referrer with O(images[].referrers=true).
  returned: always, unless nothing could be planned
  type: list
  elements: dict
  contains:
    image:
      description: Login server, repository and tag (or digest, where it has no tag).
      type: str
      returned: always
      sample: contosoprod.azurecr.io/library/nginx:1.27
    source:
      description: The image that was asked for, with its registry.
      type: str
      returned: always
      sample: docker.io/library/nginx:1.27
    digest:
      description:
        - The digest that it was checked to have. In check mode and with O(wait=false) the one that it should have. None
          where it failed.
        - With O(images[].if_exists=keep) that of the target that was kept. None with O(images[].verify=false), unless the
          source was named by digest.
      type: str
      returned: always
      sample: sha256:9f3b1c5e0a7d4482b6cf13f2a6e8d5c4b79a0e1d2c3f4a5b6c7d8e9fa0b1c2d3
    previous_digest:
      description: The digest that it had before; none where it did not exist.
      type: str
      returned: always
      sample: sha256:1d2c3f4a5b6c7d8e9fa0b1c2d39f3b1c5e0a7d4482b6cf13f2a6e8d5c4b79a0e
    action:
      description:
        - What was done. V(import) for a target that was absent, V(update) for one with another digest, V(reimport) when
          that was asked for, V(repair) for a tag whose content was missing, V(keep) and V(none) where nothing was done,
          V(failed).
      type: str
      returned: always
      sample: import
    seconds:
      description: How long its import took.
      type: float
      returned: when it was imported
      sample: 2.31
    error:
      description: What failed, for which image, and what to do.
      type: str
      returned: when it failed
      sample: docker.io/library/nginx:9.9 does not exist.
    operation:
      description: The name of Azure's import operation.
      type: str
      returned: when O(wait=false) and an import was started
      sample: registries-0b9a6a54-26d5-11f1-8a77-4ec2c3cbd35d
    size:
      description: The bytes of the image as Azure counts them.
      type: int
      returned: when O(details=true), it is there and can be read
      sample: 228854998
    platforms:
      description: The platforms that it is made for.
      type: list
      elements: str
      returned: when O(details=true), it is there and can be read
      sample: [linux/amd64, linux/arm64]
summary:
  description: The run in numbers.
  returned: always, unless nothing could be planned
  type: dict
  contains:
    targets:
      description: How many targets there are.
      type: int
      returned: always
      sample: 200
    imported:
      description: How many were absent and were imported.
      type: int
      returned: always
      sample: 12
    updated:
      description: How many had another digest, and have the right one now.
      type: int
      returned: always
      sample: 3
    reimported:
      description: How many were imported again since that was asked for.
      type: int
      returned: always
      sample: 0
    repaired:
      description: How many were damaged and were imported again.
      type: int
      returned: always
      sample: 0
    unchanged:
      description: How many were right already.
      type: int
      returned: always
      sample: 184
    kept:
      description: How many were left alone, whatever they hold.
      type: int
      returned: always
      sample: 0
    failed:
      description: How many failed.
      type: int
      returned: always
      sample: 1
    seconds:
      description: How long it took.
      type: float
      returned: always
      sample: 5.2
    requests:
      description: How many requests were sent, to all registries and to Azure Resource Manager.
      type: int
      returned: always
      sample: 431
"""

import re
from typing import Any, Dict, List

from ..module_utils import _progress
from ..module_utils._azure import Azure
from ..module_utils._mirror import Mirror, Settings
from ..module_utils._module import run
from ..module_utils._options import (
    CREDENTIALS_ARGUMENTS,
    DEFAULTS_ARGUMENTS,
    ENTRY_ARGUMENTS,
    parse_entries,
)

# The summary's names for what happened.
COUNTS = {
    "imported": "import",
    "updated": "update",
    "reimported": "reimport",
    "repaired": "repair",
    "unchanged": "none",
    "kept": "keep",
    "failed": "failed",
}


def work(module: Any, azure: Azure) -> Dict[str, Any]:
    params = module.params
    entries = parse_entries(
        params["images"], params["defaults"], params["credentials"], params["target_prefix"], azure.suffix
    )
    settings = Settings(
        check=module.check_mode,
        wait=params["wait"],
        timeout=params["import_timeout"],
        stop_on_error=params["on_error"] == "stop",
        concurrency=params["concurrency"],
        notify=_progress.writer(),
        details=params["details"],
    )
    report = Mirror(azure, params["registry"], params["resource_group"], settings).run(entries)
    for note in report.notes:
        module.warn(note)
    results = report.results()
    summary: Dict[str, Any] = {"targets": len(results)}
    for name, action in COUNTS.items():
        summary[name] = sum(result["action"] == action for result in results)
    summary["seconds"] = round(report.seconds, 2)
    summary["requests"] = sum(report.requests.values())
    result = dict(report.result(), results=results, summary=summary)
    if report.errors:
        others = "are as they should be"
        if module.check_mode:
            others = "would be as they should be"
        elif not params["wait"]:
            others += ", or on their way"
        result["msg"] = _failures(results, "would fail" if module.check_mode else "failed", others)
    return result


def _failures(results: List[Dict[str, Any]], verb: str, others: str) -> str:
    """Each image that failed once, by what is said of it, so that a sign-in that fails is reported once for all."""
    failed = [found for found in results if found["action"] == "failed"]
    images: Dict[str, List[Dict[str, Any]]] = {}
    for found in failed:
        # Each of Azure's answers has an ID of its own for its support: one of them will do.
        images.setdefault(re.sub(r"\bCorrelationId: \S+", "", found["error"]), []).append(found)
    lines = [f"{', '.join(one['image'] for one in some)}: {some[0]['error']}" for some in images.values()]
    return "\n".join([f"{len(failed)} of {len(results)} targets {verb}; all others {others}.", *lines])


def main() -> None:
    run(
        {
            "images": {"type": "list", "elements": "dict", "required": True, "options": ENTRY_ARGUMENTS},
            "defaults": {"type": "dict", "options": DEFAULTS_ARGUMENTS},
            "credentials": {"type": "list", "elements": "dict", "options": CREDENTIALS_ARGUMENTS, "no_log": False},
            "target_prefix": {"type": "str"},
            "concurrency": {"type": "int", "default": 16},
            "on_error": {"type": "str", "default": "continue", "choices": ["continue", "stop"]},
            "details": {"type": "bool", "default": False},
            "wait": {"type": "bool", "default": True},
            "timeout": {"type": "int"},
            "import_timeout": {"type": "int", "default": 1800},
        },
        work,
    )


if __name__ == "__main__":
    main()
