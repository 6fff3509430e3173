#!/usr/bin/python
# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: acr_manifest_info
short_description: Show what an Azure container registry holds
version_added: 0.1.0
description:
  - Reads the manifests of an Azure container registry, with their digests, tags, sizes, times, platforms and locks.
  - Only manifests are read, never layers.
options:
  registry:
    description:
      - The registry, by its name (V(contosoprod)), its login server (V(contosoprod.azurecr.io)) or its resource ID.
      - If the login server contains the hash of a domain name label, its first part also works
        (V(contosoprod-h4x0c3d4e5f6g7h8)).
    type: str
    required: true
  resource_group:
    description:
      - The resource group of O(registry), if that is given by name. By default, the registry is looked up.
    type: str
  repository:
    description:
      - The repository whose manifests to list. Either O(repository) or O(all) is required.
    type: str
  all:
    description:
      - List the manifests of all repositories. Ignored if O(repository) is given.
    type: bool
    default: false
  tag:
    description:
      - Return only the manifest that this tag of O(repository) points to. Can't be combined with O(digest).
    type: str
  digest:
    description:
      - Return only the manifest of O(repository) with this digest.
    type: str
  orderby:
    description:
      - Sort the manifests of each repository by the time of their last update. By default, they are sorted by digest.
    type: str
    choices: [time_asc, time_desc]
  limit:
    description:
      - Return at most this many manifests of each repository.
    type: int
  untagged:
    description:
      - V(true) returns only manifests without tags, V(false) only those with tags. By default, both are returned.
    type: bool
  raw:
    description:
      - Also return each manifest itself.
    type: bool
    default: false
  referrers:
    description:
      - Also return the referrers of each manifest and of each of its platforms, such as signatures and SBOMs, and the referrers
        of those.
      - They are found with the registry's referrers API, in the index under the tag C(sha256-<hex>) if the registry lacks the
        API, and by the tags C(sha256-<hex>.sig), C(.att) and C(.sbom), under which Cosign stores them.
      - If whole repositories are read without O(limit), those tags are looked for in the list of manifests, which doesn't show
        hidden ones. Otherwise, each tag is requested by name.
      - At most 1000 referrers of a manifest, on up to 7 levels, are returned. If it has more, its C(error) says so instead.
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
    description: Returns properties of the registries themselves, such as their SKU.
    link: https://docs.ansible.com/ansible/latest/collections/azure/azcollection/azure_rm_containerregistry_info_module.html
notes:
  - The account needs the right to read the registry's content, which the built-in roles C(AcrPull) and C(Container Registry Data
    Importer and Data Reader) include. In registries with permissions per repository (ABAC), C(Container Registry Repository
    Reader) does, and O(all) also needs C(Container Registry Repository Catalog Lister).
author:
  - registryops.acr contributors (@registryops)
"""

EXAMPLES = r"""
- name: Read the manifest that a tag points to
  registryops.acr.acr_manifest_info:
    registry: contosoprod
    repository: library/nginx
    tag: "1.27"
  register: nginx

- name: Show its platforms
  ansible.builtin.debug:
    msg: "{{ nginx.manifests[0].platforms | map(attribute='platform') }}"

- name: List the ten newest manifests of a repository
  registryops.acr.acr_manifest_info:
    registry: contosoprod
    repository: team/app
    orderby: time_desc
    limit: 10

- name: List the untagged manifests of all repositories
  registryops.acr.acr_manifest_info:
    registry: contosoprod
    all: true
    untagged: true

- name: List the signatures and SBOMs of an image and of its platforms
  registryops.acr.acr_manifest_info:
    registry: contosoprod
    repository: signed/app
    tag: "1.0"
    referrers: true
  register: signed

- name: Show what each is, and what it belongs to
  ansible.builtin.debug:
    msg: "{{ item.artifact_type }} of {{ item.subject }}, found by {{ item.found_by }}"
  loop: "{{ signed.manifests[0].referrers }}"
"""

RETURN = r"""
manifests:
  description: The manifests that were found. Empty if the repository, tag or digest doesn't exist.
  returned: success
  type: list
  elements: dict
  contains:
    repository:
      description: The repository that holds the manifest.
      type: str
      returned: always
      sample: library/nginx
    digest:
      description: Its digest.
      type: str
      returned: always
      sample: sha256:9f3b1c5e0a7d4482b6cf13f2a6e8d5c4b79a0e1d2c3f4a5b6c7d8e9fa0b1c2d3
    tags:
      description: The tags that point to it.
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
      description: The media type of its configuration. Null if Azure doesn't know it.
      type: str
      returned: always
      sample: application/vnd.oci.image.config.v1+json
    size:
      description: The size of the image in bytes, as Azure reports it.
      type: int
      returned: always
      sample: 228854998
    created:
      description: When it was added to the registry.
      type: str
      returned: always
      sample: "2026-06-11T19:11:38.7001063Z"
    updated:
      description: When it was last updated.
      type: str
      returned: always
      sample: "2026-06-11T19:11:38.7001063Z"
    architecture:
      description: The architecture of a single image. Null for a multi-architecture image.
      type: str
      returned: always
      sample: amd64
    os:
      description: The operating system of a single image. Null for a multi-architecture image.
      type: str
      returned: always
      sample: linux
    locks:
      description: What may be done with it. V(false) means locked.
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
        - The images of a multi-architecture image. Empty for a single image, and if RV(manifests[].error) says that the manifest
          couldn't be read.
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
          description: The version of the operating system, for Windows images. Null for others.
          type: str
          returned: always
          sample: 10.0.20348.2700
    raw:
      description: The manifest itself, as the text whose SHA-256 is the digest.
      type: str
      returned: when O(raw=true) and it could be read
      sample: '{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []}'
    referrers:
      description:
        - The manifests that refer to it, to the images of its platforms, or to another of its referrers.
        - Attestations that a multi-architecture image itself lists are part of that image and not returned here.
      type: list
      elements: dict
      returned: when O(referrers=true) and they could be read
      contains:
        digest:
          description: The digest of the referrer.
          type: str
          returned: always
          sample: sha256:77c01c5e0a7d4482b6cf13f2a6e8d5c4b79a0e1d2c3f4a5b6c7d8e9fa0b1c2d3
        subject:
          description: The digest of the manifest that it refers to.
          type: str
          returned: always
          sample: sha256:9f3b1c5e0a7d4482b6cf13f2a6e8d5c4b79a0e1d2c3f4a5b6c7d8e9fa0b1c2d3
        found_by:
          description:
            - V(api) if the registry's referrers API lists it, V(index) if the index under the tag C(sha256-<hex>) does, V(tag) if
              it was found by a tag of its own.
          type: str
          returned: always
          sample: api
        tag:
          description: The tag by which it was found. Null if V(api) or V(index) lists it.
          type: str
          returned: always
          sample: sha256-9f3b1c5e0a7d4482b6cf13f2a6e8d5c4b79a0e1d2c3f4a5b6c7d8e9fa0b1c2d3.sig
        media_type:
          description: Its media type. Null if the list of referrers doesn't say.
          type: str
          returned: always
          sample: application/vnd.oci.image.manifest.v1+json
        artifact_type:
          description:
            - The type of artifact. If it was found by its tag and its manifest doesn't say, that is the media type of its first
              layer. Null if nothing says.
          type: str
          returned: always
          sample: application/spdx+json
        size:
          description: The size of its manifest in bytes. Null if the list of referrers doesn't say.
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
        - Why the manifest or its referrers couldn't be read, for example because of a read lock, or because the manifest was
          deleted meanwhile. The other values are those that the registry lists.
      type: str
      returned: when something couldn't be read
      sample: contosoprod.azurecr.io/library/nginx@sha256:9f3b1c5e… does not exist.
repositories:
  description: The repositories that were read.
  returned: success
  type: list
  elements: str
  sample: [library/nginx]
unreadable:
  description: The repositories that couldn't be read, if others could.
  returned: when there are any
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
      sample: contosoprod.azurecr.io/team/secret can't be read by the account that signs in. It needs the right to pull…
reason:
  description:
    - Why the task failed, as a word to use in conditions.
    - V(invalid) if the options make no sense, V(sign_in) if signing in to Azure failed, V(unauthorized) if credentials are
      missing or wrong, V(denied) if a right is missing, V(firewall) if a firewall blocks this machine, V(not_found) if something
      doesn't exist, V(refused) if Azure or the registry refuses for another reason.
    - V(throttled) or V(unavailable) if it is temporary, V(unreachable) if there is no connection, V(certificate) if a TLS
      certificate isn't trusted, V(timeout) if the time limit was reached, V(protocol) if a response was invalid.
  returned: failure
  type: str
  sample: not_found
status:
  description: The status of the HTTP response that caused the failure.
  returned: failure, if there was such a response
  type: int
  sample: 404
"""

from typing import TYPE_CHECKING, Any, Dict

from ..module_utils._module import run

if TYPE_CHECKING:
    from ..module_utils._azure import Azure


def work(module: Any, azure: Azure) -> Dict[str, Any]:
    from ..module_utils._manifests import ManifestQuery, read

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
