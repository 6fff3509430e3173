# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: images
short_description: The images of manifests, compose files and Dockerfiles
version_added: 0.1.0
description:
  - Finds the images that Kubernetes manifests, rendered Helm charts, compose files and Dockerfiles run or build on, as entries
    for O(registryops.acr.acr_mirror#module:images).
  - Names are completed as Docker does. V(nginx) becomes V(docker.io/library/nginx:latest).
  - In manifests, the images of containers, init containers, ephemeral containers and image volumes are found in any kind of
    object, at any depth. Custom resources and Helm values are searched for the fields C(image), C(imageName) and C(images), for
    fields whose names end in C(Image), and for images split into C(registry), C(repository), C(tag) and C(digest).
  - Arguments and environment variables of containers name images if they hold nothing but an image with its registry and
    version, such as V(--reloader=quay.io/contoso/reloader:1.2). Several images in one text can't be rewritten, so they are
    reported as unknown.
  - ConfigMaps, Secrets and CustomResourceDefinitions aren't searched, and neither are labels, annotations, the status of objects
    and comments. The exception is the C(# syntax=) line of a Dockerfile, which names an image that builds pull.
  - In compose files, the defaults of variables are used (C(${TAG:-1.2})). The images of services that are built aren't included.
  - In Dockerfiles, the defaults of C(ARG) instructions before the first C(FROM) are used. Stages and C(scratch) aren't images.
positional: _input
options:
  _input:
    description:
      - The text of YAML documents or of a Dockerfile, or the data that YAML documents hold, as dictionaries and lists.
      - The format is recognized by its content.
    type: raw
    required: true
  unknown:
    description:
      - What to do if it can't be known which image is meant, such as with a variable that has no default, a template that isn't
        rendered, or an image without a tag in Helm values, where the chart may add one. Nothing is guessed.
      - V(fail) fails and names each such place. V(warn) leaves them out with a warning, and V(ignore) without.
    type: str
    choices: [fail, warn, ignore]
    default: fail
seealso:
  - plugin: registryops.acr.rewrite
    plugin_type: filter
  - module: registryops.acr.acr_mirror
notes:
  - Prefer text to data. Messages then name lines, and only text can be rewritten without any other change.
author:
  - registryops.acr contributors (@registryops)
"""

EXAMPLES = r"""
- name: Mirror what a chart runs
  registryops.acr.acr_mirror:
    registry: contosoprod
    images: "{{ lookup('ansible.builtin.pipe', 'helm template monitoring charts/monitoring') | registryops.acr.images }}"

- name: Mirror what several files name, except for what can't be known
  registryops.acr.acr_mirror:
    registry: contosoprod
    images: "{{ texts | map('registryops.acr.images', unknown='warn') | flatten | unique }}"
  vars:
    texts: "{{ query('ansible.builtin.file', 'compose.yml', 'web/Dockerfile', 'jobs/nightly.yml') }}"
"""

RETURN = r"""
_value:
  description:
    - The entries, sorted, each image once.
    - An image with a digest only is mirrored without a tag, so that it doesn't become V(latest).
  type: list
  elements: dict
  sample:
    - source: docker.io/library/nginx:1.27
    - source: registry.k8s.io/pause:3.10
"""

from typing import Any, Callable, Dict, List

from ansible.errors import AnsibleFilterError
from ansible.utils.display import Display

from ..module_utils._containers import images as find_images
from ..module_utils._containers import sentence
from ..module_utils._errors import UserError


def images(content: Any, unknown: str = "fail") -> List[Dict[str, Any]]:
    """The filter, as documented."""
    if unknown not in ("fail", "warn", "ignore"):
        raise AnsibleFilterError(f"registryops.acr.images: unknown must be fail, warn or ignore, not {unknown}.")
    try:
        found, problems = find_images(content)
    except UserError as error:
        raise AnsibleFilterError(f"registryops.acr.images: {error}") from None
    if problems and unknown == "fail":
        start = "registryops.acr.images: It can't be known which images these are (set unknown='warn' to leave them out)"
        raise AnsibleFilterError(sentence(start, problems))
    if problems and unknown == "warn":
        Display().warning(sentence("Images that can't be known are left out", problems))
    return found


class FilterModule:
    def filters(self) -> Dict[str, Callable[..., Any]]:
        return {"images": images}
