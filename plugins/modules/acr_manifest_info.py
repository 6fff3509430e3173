#!/usr/bin/python
# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: acr_manifest_info
short_description: Tell what an Azure container registry holds
version_added: 0.1.0
description:
  - Reads manifests of an Azure container registry, with their digests, tags, sizes, times, platforms and locks.
  - Of an image nothing but its manifest is read.
options:
  registry:
    description:
      - The registry, by its name (V(contosoprod)), its login server (V(contosoprod.azurecr.io)) or its resource ID.
      - If a domain name label adds a hash to the login server, the login server's first part will do
        (V(contosoprod-h4x0c3d4e5f6g7h8)).
    type: str
    required: true
  resource_group:
    description:
      - The resource group of O(registry), where it is given by name. Without it the registry is looked up.
    type: str
  repository:
    description:
      - The repository whose manifests are listed. One of O(repository) and O(all) is needed.
    type: str
  all:
    description:
      - List the manifests of all repositories. Without effect where O(repository) names one.
    type: bool
    default: false
  tag:
    description:
      - Only the manifest that this tag of O(repository) names.
    type: str
  digest:
    description:
      - Only the manifest with this digest.
    type: str
  orderby:
    description:
      - The order of the manifests of a repository, by the time of their last update. By digest if not given.
    type: str
    choices: [time_asc, time_desc]
  limit:
    description:
      - At most so many manifests of each repository.
    type: int
  untagged:
    description:
      - V(true) for only the manifests without any tag, V(false) for only those with one. Both if not given.
    type: bool
  raw:
    description:
      - Also return each manifest itself.
    type: bool
    default: false
  referrers:
    description:
      - Also return what refers to each manifest, such as signatures and SBOMs.
    type: bool
    default: false
extends_documentation_fragment:
  - registryops.acr.azure
  - registryops.acr.azure.attributes
attributes:
  diff_mode:
    support: N/A
    details: This module changes nothing.
seealso:
  - module: registryops.acr.acr_mirror
  - plugin: registryops.acr.digest
    plugin_type: lookup
  - name: azure.azcollection.azure_rm_containerregistry_info
    description: Tells about registries themselves, such as their SKU.
    link: https://docs.ansible.com/ansible/latest/collections/azure/azcollection/azure_rm_containerregistry_info_module.html
notes:
  - The account needs the right to read the registry's content. The built-in roles C(AcrPull) and C(Container Registry Data
    Importer and Data Reader) have it. O(all) also needs the right to list the repositories, which is a right of its own in
    registries with attribute-based permissions.
author:
  - registryops.acr contributors (@registryops)
"""

EXAMPLES = r"""
- name: What a tag names
  registryops.acr.acr_manifest_info:
    registry: contosoprod
    repository: library/nginx
    tag: "1.27"
  register: nginx

- name: The platforms that it has
  ansible.builtin.debug:
    msg: "{{ nginx.manifests[0].platforms | map(attribute='platform') }}"

- name: The ten newest manifests of a repository
  registryops.acr.acr_manifest_info:
    registry: contosoprod
    repository: team/app
    orderby: time_desc
    limit: 10

- name: What no tag names any more, in all repositories
  registryops.acr.acr_manifest_info:
    registry: contosoprod
    all: true
    untagged: true

- name: The signatures and SBOMs of an image
  registryops.acr.acr_manifest_info:
    registry: contosoprod
    repository: signed/app
    tag: "1.0"
    referrers: true
"""

RETURN = r"""
manifests:
  description: The manifests that were found. Empty where the repository, tag or digest does not exist.
  returned: success
  type: list
  elements: dict
  contains:
    repository:
      description: The repository that holds it.
      type: str
      returned: always
      sample: library/nginx
    digest:
      description: Its digest.
      type: str
      returned: always
      sample: sha256:9f3b1c5e0a7d4482b6cf13f2a6e8d5c4b79a0e1d2c3f4a5b6c7d8e9fa0b1c2d3
    tags:
      description: The tags that name it.
      type: list
      elements: str
      returned: always
      sample: ["1.27"]
    media_type:
      description: Its media type.
      type: str
      returned: always
      sample: application/vnd.oci.image.index.v1+json
    config_media_type:
      description: The media type of its configuration, where Azure knows it.
      type: str
      returned: always
      sample: application/vnd.oci.image.config.v1+json
    size:
      description: The bytes of the image as Azure counts them.
      type: int
      returned: always
      sample: 228854998
    created:
      description: When the registry got it.
      type: str
      returned: always
      sample: "2026-06-11T19:11:38.7001063Z"
    updated:
      description: When it was last updated.
      type: str
      returned: always
      sample: "2026-06-11T19:11:38.7001063Z"
    architecture:
      description: The architecture of a single image; none for a multi-architecture image.
      type: str
      returned: always
      sample: amd64
    os:
      description: The operating system of a single image; none for a multi-architecture image.
      type: str
      returned: always
      sample: linux
    locks:
      description: What may be done with it; V(false) is a lock.
      type: dict
      returned: always
      contains:
        delete_enabled:
          description: Whether it may be deleted.
          type: bool
          returned: always
          sample: true
        write_enabled:
          description: Whether it may be overwritten.
          type: bool
          returned: always
          sample: true
        read_enabled:
          description: Whether it may be pulled.
          type: bool
          returned: always
          sample: true
        list_enabled:
          description: Whether it is listed.
          type: bool
          returned: always
          sample: true
    platforms:
      description:
        - What a multi-architecture image is made of. Empty for a single image, and where RV(manifests[].error) says that it
          could not be read.
      type: list
      elements: dict
      returned: always
      contains:
        platform:
          description: Operating system, architecture and variant.
          type: str
          returned: always
          sample: linux/arm64
        digest:
          description: The digest of the image for this platform.
          type: str
          returned: always
          sample: sha256:9f3b1c5e0a7d4482b6cf13f2a6e8d5c4b79a0e1d2c3f4a5b6c7d8e9fa0b1c2d3
        media_type:
          description: Its media type.
          type: str
          returned: always
          sample: application/vnd.oci.image.manifest.v1+json
        os_version:
          description: The version of the operating system, as Windows images have it; none for others.
          type: str
          returned: always
          sample: 10.0.20348.2700
    raw:
      description: The manifest itself, as text, whose SHA-256 is the digest.
      type: str
      returned: when O(raw=true), and it could be read
      sample: '{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []}'
    referrers:
      description: What refers to it.
      type: list
      elements: dict
      returned: when O(referrers=true), and they could be read
      contains:
        digest:
          description: The digest of the referrer.
          type: str
          returned: always
          sample: sha256:77c01c5e0a7d4482b6cf13f2a6e8d5c4b79a0e1d2c3f4a5b6c7d8e9fa0b1c2d3
        media_type:
          description: Its media type.
          type: str
          returned: always
          sample: application/vnd.oci.image.manifest.v1+json
        artifact_type:
          description: What it is; none where its manifest does not say.
          type: str
          returned: always
          sample: application/spdx+json
        size:
          description: The bytes of its manifest.
          type: int
          returned: always
          sample: 841
        annotations:
          description: Its annotations.
          type: dict
          returned: always
          sample: {org.opencontainers.image.created: "2026-06-11T19:11:38Z"}
    error:
      description:
        - Why the manifest itself or its referrers could not be read, as with a read lock, or where it was deleted meanwhile. The
          other values are what the registry lists.
      type: str
      returned: when not all could be read
      sample: contosoprod.azurecr.io/library/nginx@sha256:9f3b1c5e… does not exist.
repositories:
  description: The repositories that were looked at.
  returned: success
  type: list
  elements: str
  sample: [library/nginx]
unreadable:
  description: The repositories that could not be read, beside others that could.
  returned: when there are some
  type: list
  elements: dict
  contains:
    repository:
      description: Its name.
      type: str
      returned: always
      sample: team/secret
    error:
      description: What failed, and what to do.
      type: str
      returned: always
      sample: contosoprod.azurecr.io/team/secret denies access. The account needs the right to pull it.
"""

from typing import Any, Dict

from ..module_utils._azure import Azure
from ..module_utils._manifests import ManifestQuery, read
from ..module_utils._module import run


def work(module: Any, azure: Azure) -> Dict[str, Any]:
    params = module.params
    query = ManifestQuery(
        repository=params["repository"],
        tag=params["tag"],
        digest=params["digest"],
        orderby=(params["orderby"] or "").replace("_", ""),
        limit=params["limit"],
        untagged=params["untagged"],
        raw=params["raw"],
        referrers=params["referrers"],
    )
    found = read(azure, params["registry"], params["resource_group"], query)
    result = dict(changed=False, repositories=found.repositories, manifests=found.manifests)
    if found.unreadable:
        result["unreadable"] = [{"repository": name, "error": str(error)} for name, error in found.unreadable.items()]
        module.warn(f"Repositories were left out, since they can't be read: {', '.join(found.unreadable)}.")
    return result


def main() -> None:
    run(
        {
            "repository": {"type": "str"},
            "all": {"type": "bool", "default": False},
            "tag": {"type": "str"},
            "digest": {"type": "str"},
            "orderby": {"type": "str", "choices": ["time_asc", "time_desc"]},
            "limit": {"type": "int"},
            "untagged": {"type": "bool"},
            "raw": {"type": "bool", "default": False},
            "referrers": {"type": "bool", "default": False},
        },
        work,
        required_one_of=[("repository", "all")],
        required_if=[("all", False, ("repository",))],
        mutually_exclusive=[("tag", "digest")],
        required_by={"tag": "repository", "digest": "repository"},
    )


if __name__ == "__main__":
    main()
