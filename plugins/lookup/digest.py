# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: digest
short_description: The digest of an image
version_added: 0.1.0
description:
  - Returns the digest that an image reference currently resolves to, in any registry, so that templates can pin it.
  - Digests are read with C(HEAD) requests, which don't count as pulls on Docker Hub. With O(platform), manifests are read too,
    and that counts as a pull.
options:
  _terms:
    description:
      - Images, such as V(docker.io/library/nginx:1.27). Without a tag, V(latest) is used.
      - The same O(source_username) and O(source_password) are used for all of them.
    type: list
    elements: str
    required: true
  platform:
    description:
      - Return the digest of the image for this platform of a multi-architecture image, such as V(linux/amd64).
    type: str
  source_username:
    description:
      - User name for the registry. Without it and O(source_password), Azure registries are read with the account that signs in.
        Those that don't know it, and all others, are read anonymously.
    type: str
  source_password:
    description:
      - The password for O(source_username) or, without a user name, an access token.
    type: str
extends_documentation_fragment:
  - registryops.acr.azure
seealso:
  - module: registryops.acr.acr_manifest_info
    description: Returns much more about what an Azure registry holds.
notes:
  - To read Azure registries, the account that signs in needs the right to pull (V(AcrPull), or V(Container Registry
    Repository Reader) in registries with permissions per repository, ABAC).
author:
  - registryops.acr contributors (@registryops)
"""

EXAMPLES = r"""
- name: Pin what a deployment runs
  ansible.builtin.debug:
    msg: "image: contosoprod.azurecr.io/team/app@{{ lookup('registryops.acr.digest', 'contosoprod.azurecr.io/team/app:2.4.1') }}"

- name: Get the digests of several images
  ansible.builtin.set_fact:
    digests: "{{ query('registryops.acr.digest', 'docker.io/library/nginx:1.27', 'docker.io/library/busybox:1.37') }}"
"""

RETURN = r"""
_raw:
  description: The digest of each image.
  type: list
  elements: str
  sample: [sha256:9f3b1c5e0a7d4482b6cf13f2a6e8d5c4b79a0e1d2c3f4a5b6c7d8e9fa0b1c2d3]
"""

import os
from typing import Any, List, Optional

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ..module_utils._azure import Azure
from ..module_utils._credentials import Credentials
from ..module_utils._errors import Problem
from ..module_utils._identity import AUTH_ARGUMENTS, Identity
from ..module_utils._plan import Origin
from ..module_utils._reference import parse_source
from ..module_utils._sources import Sources


class LookupModule(LookupBase):
    """Resolves references as acr_import resolves its sources."""

    def run(self, terms: List[Any], variables: Optional[Any] = None, **kwargs: Any) -> List[str]:
        self.set_options(var_options=variables, direct=kwargs)
        username, password = self.get_option("source_username"), self.get_option("source_password")
        if username and not password:
            raise AnsibleLookupError("source_username is given, but source_password is empty.")
        credentials = Credentials(username, password) if password else None
        platform = self.get_option("platform")
        try:
            identity = Identity({name: self.get_option(name) for name in AUTH_ARGUMENTS}, os.environ)
            sources = Sources(Azure(identity))
            found = []
            for term in terms:
                reference = parse_source(term)
                source = sources.open(reference.host, None, credentials)
                origin = Origin(source.key, reference.repository, reference.tag, reference.digest, platform)
                found.append(str(source.resolve(origin).digest))
            return found
        except Problem as error:
            raise AnsibleLookupError(str(error)) from error
