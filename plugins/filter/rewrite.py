# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: rewrite
short_description: Manifests, compose files and Dockerfiles with the images of a mirror
version_added: 0.1.0
description:
  - Replaces the images of Kubernetes manifests, rendered Helm charts, compose files and Dockerfiles by the copies that
    M(registryops.acr.acr_mirror) made. It finds them as P(registryops.acr.images#filter) does.
  - Everything else in a text stays exactly as it is, including comments, quotes, anchors and line endings.
  - Images that are split into several fields are rewritten field by field.
  - A value with an anchor is rewritten where it is defined, so it also changes where its aliases are. If two images share a value
    but go to different places, the filter fails.
  - An image with a variable is replaced as a whole, so the variable has no effect afterwards.
  - Images that are in the mirror already stay there, so that rewriting twice does no harm.
positional: _input, results
options:
  _input:
    description:
      - The text of YAML documents or of a Dockerfile, or the data that YAML documents hold, as dictionaries and lists.
    type: raw
    required: true
  results:
    description:
      - The results of M(registryops.acr.acr_mirror), or the targets of M(registryops.acr.acr_import).
      - If an image has several targets, the first one with the same tag is used, or else the first one.
      - Failed results aren't used.
    type: list
    elements: dict
    required: true
  digest:
    description:
      - Also pin every image to its digest, as in C(contosoprod.azurecr.io/library/nginx:1.27@sha256:…).
      - Images that had a digest always get one.
      - If an image is split into fields and has none for the digest, the digest is appended to the tag.
    type: bool
    default: false
  missing:
    description:
      - What to do about images that none of O(results) covers, whose results failed, or that can't be known.
      - V(fail) fails and names each of them. V(warn) leaves them as they are with a warning, and V(ignore) without.
    type: str
    choices: [fail, warn, ignore]
    default: fail
seealso:
  - plugin: registryops.acr.images
    plugin_type: filter
  - module: registryops.acr.acr_mirror
notes:
  - The result is never evaluated as a template, whatever it holds.
author:
  - registryops.acr contributors (@registryops)
"""

EXAMPLES = r"""
- name: Mirror the images of the manifests
  registryops.acr.acr_mirror:
    registry: contosoprod
    images: "{{ lookup('ansible.builtin.file', 'app.yml') | registryops.acr.images }}"
  register: mirror

- name: Write manifests that run exactly what was mirrored
  ansible.builtin.copy:
    content: "{{ manifests | registryops.acr.rewrite(mirror.results, digest=true) }}"
    dest: /srv/manifests/app.yml
    mode: "0644"
  vars:
    manifests: "{{ lookup('ansible.builtin.file', 'app.yml', rstrip=false) }}"
"""

RETURN = r"""
_value:
  description: The text, or the data, with other images.
  type: raw
  sample: |
    containers:
      - name: web
        image: contosoprod.azurecr.io/library/nginx:1.27 # the web server
"""

from typing import Any, Callable, Dict

from ansible.errors import AnsibleFilterError
from ansible.module_utils.parsing.convert_bool import boolean
from ansible.utils.display import Display
from ansible.utils.unsafe_proxy import wrap_var

from ..module_utils._containers import rewrite as rewrite_images
from ..module_utils._containers import sentence
from ..module_utils._errors import UserError


def rewrite(content: Any, results: Any, digest: Any = False, missing: str = "fail") -> Any:
    """The filter, as documented."""
    if missing not in ("fail", "warn", "ignore"):
        raise AnsibleFilterError(f"registryops.acr.rewrite: missing must be fail, warn or ignore, not {missing}.")
    try:
        found, problems = rewrite_images(content, results, boolean(digest))
    except UserError as error:
        raise AnsibleFilterError(f"registryops.acr.rewrite: {error}") from None
    except TypeError:
        raise AnsibleFilterError(f"registryops.acr.rewrite: digest must be true or false, not {digest}.") from None
    if problems and missing == "fail":
        start = "registryops.acr.rewrite: Not all images can be replaced (set missing='warn' to leave these as they are)"
        raise AnsibleFilterError(sentence(start, problems))
    if problems and missing == "warn":
        Display().warning(sentence("Images that are left as they are", problems))
    return wrap_var(found)


class FilterModule:
    def filters(self) -> Dict[str, Callable[..., Any]]:
        return {"rewrite": rewrite}
