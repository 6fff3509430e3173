#!/usr/bin/python
# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: acr_import
short_description: Import an image into an Azure container registry
version_added: 0.1.0
description:
  - Imports an image, or any other OCI artifact, from another registry into an Azure container registry. Azure does the copying
    itself, so no layers pass through the machine that runs the task, and Docker isn't needed.
  - The source's tag is first resolved to its digest, the import names that digest, and afterwards every target tag is checked to
    resolve to it. A second run therefore changes nothing, check mode and diff show what the real run would do, and a tag that
    moves during the import can't leave a broken image behind.
  - For many images, M(registryops.acr.acr_mirror) does the same in one task, much faster than a loop over this module.
options:
  registry:
    description:
      - The registry to import into, by its name (V(contosoprod)), its login server (V(contosoprod.azurecr.io)) or its
        resource ID.
      - If the login server contains the hash of a domain name label, its first part also works
        (V(contosoprod-h4x0c3d4e5f6g7h8)).
      - A registry given by login server is looked up only if something has to be imported, which saves a request.
    type: str
    required: true
  resource_group:
    description:
      - The resource group of O(registry), if that is given by name. By default, the registry is looked up, first in
        O(subscription_id), then in the other subscriptions that the account can see.
    type: str
  source:
    description:
      - What to import, as C(host/repository[:tag][@digest]), such as V(docker.io/library/nginx:1.27).
      - The host can be omitted only if O(source_registry) is given.
      - An Azure registry that doesn't know the account, such as a public one of another tenant, is read anonymously unless
        O(source_password) is given.
      - Without tag and digest, V(latest) is imported. With both, the digest decides and the tag names the default target.
    type: str
    required: true
  source_registry:
    description:
      - An Azure container registry in the same tenant to import from, by resource ID, name or login server. It may be in another
        subscription. It is read with the rights of the account that signs in (V(Reader) or V(AcrPull);
        C(Container Registry Repository Reader) if it has permissions per repository, ABAC).
      - Azure can import from a registry whose public endpoint is disabled only by its resource ID, and without
        O(source_password). The ID is looked up if the account can see the registry (V(Reader)); otherwise, give it here.
    type: str
  source_username:
    description:
      - User name for the source registry, such as a Docker Hub account, a service principal's client ID, the name of a
        repository-scoped token, or a user of any private registry.
    type: str
  source_password:
    description:
      - The password for O(source_username) or, without a user name, an access token. For an Azure registry, that is a Microsoft
        Entra token or a refresh token of the registry.
      - If O(source_registry) is also given, this password is used instead of the rights of the account that signs in.
    type: str
  target:
    description:
      - One or more places in O(registry) for the image, as C(repository[:tag]). Without a tag, the source's tag is used.
      - The default is the source's repository and tag, so that V(docker.io/library/nginx:1.27) becomes V(library/nginx:1.27).
        A source given by digest alone is tagged V(latest); set O(target) to avoid that.
      - C({host}), C({repository}), C({name}) (the last part of the repository) and C({tag}) stand for those of the source, as in
        V({host}/{repository}). C(_) replaces the colon before the host's port.
      - The first part may be the host of another registry, such as V(mcr.microsoft.com/dotnet/runtime:8.0), as part of the name.
    type: list
    elements: str
  untagged_repositories:
    description:
      - Repositories in O(registry) that get the image without a tag.
    type: list
    elements: str
  if_exists:
    description:
      - What to do if a target tag exists.
      - V(update) imports again if its digest differs from the source's.
      - V(keep) never touches it. If all targets exist, the source isn't contacted.
      - V(fail) fails if its digest differs from the source's, which suits release tags.
      - V(reimport) always imports again and overwrites it.
      - A tag whose manifest is gone can't be pulled. V(update) and V(reimport) import it again, and so does V(fail) if the tag
        has the source's digest. Otherwise, V(keep) and V(fail) report an error, unless O(repair=true).
      - Azure's forced import ignores locks. The locks on the tag, the manifest and the repository are therefore read first, and a
        target that is locked, or whose locks can't be read, isn't overwritten.
    type: str
    choices: [update, keep, fail, reimport]
    default: update
  platform:
    description:
      - Import only the image for this platform from a multi-architecture image, such as V(linux/amd64) or V(linux/arm/v7).
      - Azure imports either one image or a whole multi-architecture image, so this can't be a list.
    type: str
  referrers:
    description:
      - Also import the referrers of the image and of each of its platforms, such as signatures, SBOMs and attestations.
    type: bool
    default: false
  verify:
    description:
      - Whether to read and compare the digests of source and target.
      - V(false) is for machines that can't reach the registries (private endpoints, firewalls). Neither registry is read; the
        source's tag is imported as it is, and Azure only reports whether the target tag exists. O(if_exists=update) therefore
        can't notice that the source has changed.
      - With V(false), check mode always announces an import.
      - With V(false), locks can't be read, so O(if_exists=reimport) overwrites a locked tag.
      - O(platform), O(referrers), O(repair), O(if_source_missing=keep), O(immutable), O(backup), O(quarantine)
        and O(signed_by) require V(true).
    type: bool
    default: true
  repair:
    description:
      - If the target tag is already right, also check that everything a multi-architecture image lists is there, and import it
        again if not.
      - Also import a tag again if its manifest is gone, even with O(if_exists=keep) and O(if_exists=fail).
    type: bool
    default: false
  if_source_missing:
    description:
      - What to do if the source no longer has the tag or digest, but the target tag exists.
      - V(fail) fails.
      - V(keep) leaves the target as it is. The source is asked several times before that. It is still a failure if the source
        can't be read, if the target tag doesn't exist or can't be pulled, and for O(untagged_repositories).
    type: str
    choices: [fail, keep]
    default: fail
    version_added: 0.2.0
  immutable:
    description:
      - Whether to lock each target tag and its manifest against pushes and deletion once they are right (C(writeEnabled) and
        C(deleteEnabled) become V(false)), whether they were imported now or earlier. Manifests that an index lists, and
        referrers, stay unlocked.
      - If the source changes afterwards, the target isn't updated; this is a failure (V(locked)). To move the tag after all, unlock
        it and its manifest with C(az acr repository update).
      - A target that can't be locked is a failure, too. What was imported stays, and the next run tries to lock it again.
      - A manifest's lock affects all its tags. While it is locked, this collection doesn't overwrite other tags in the repository
        that name it or are to name it. Azure's forced import, as other tools may use it, ignores locks.
      - This needs the right C(metadata/write) on O(registry), which the role V(Contributor) includes, or
        C(Container Registry Repository Writer) if permissions are per repository (ABAC).
      - Unless listings show it, two requests find out whether a target is locked. With O(wait=false), the next run locks what
        has arrived by then.
    type: bool
    default: false
    version_added: 0.2.0
  backup:
    description:
      - Before a target tag is moved to another digest, its old digest gets this tag in the same repository, such as
        V({tag}-previous). C({tag}) stands for the target's tag.
      - Targets that are absent, already right or broken need no backup.
      - Azure makes it with an import within O(registry), so no right to push is needed. A backup from an earlier move is overwritten.
      - The target is only overwritten once its backup is there, even with O(wait=false). If the backup fails, for example because
        its tag is locked, so does the target, and it stays as it is.
      - If a backup's tag is also a target, or the backup of another target, the task fails before anything starts.
    type: str
    version_added: 0.2.0
  quarantine:
    description:
      - A digest that is new waits in the registry before a target gets it, so that malicious versions can be found and blocked.
      - It is imported into the repository O(quarantine.prefix) + target repository, and promoted from there by a later run, once
        Azure's own C(createdTime) there is O(quarantine.min_age) ago. Until then, the target stays as it is (V(wait)).
      - If a source's tag moves, the newest of its digests that is old enough is promoted, but none that the source has gone
        back from. If the source is given by digest, it is that digest or none.
      - The registry is the memory. Each new digest gets a tag of its own there, C(tag.hex-digits), and any number of machines can
        run the same list.
      - A digest that the target repository has held for as long, under whatever tag, need not wait.
      - O(referrers) are read from the source, and imported, when the image is promoted.
      - Nothing in quarantine is ever deleted. Use C(acr purge) to delete what is much older than O(quarantine.min_age).
      - This has nothing to do with Azure's own quarantine policy.
      - Requires O(verify=true).
    type: dict
    version_added: 0.2.0
    suboptions:
      min_age:
        description:
          - How long a digest has to wait, in minutes, hours or days, such as V(90m), V(72h) or V(3d).
        type: str
        required: true
      prefix:
        description:
          - What comes before the target's repository.
        type: str
        default: quarantine/
  signed_by:
    description:
      - Import the image only if one of these signers has signed it. Signatures are read from the image's repository in the source
        registry, and verified over the digest that is about to be imported. Cosign's are found as bundles (referrers) and under
        tags that end in C(.sig), Notation's as referrers, in JWS or COSE envelopes.
      - An image that none of them has signed fails with the reason V(unsigned), and nothing of it is imported. One that the
        target already has is also checked, and stays as it is. A target that is kept because of O(if_exists=keep) or
        O(if_source_missing=keep) isn't checked.
      - If signatures can't be read, because the source throttles or denies requests, the image fails for that reason, and isn't
        called unsigned.
      - Each signature is verified on its own, wherever it was found, and one that is right is enough. Attestations, such as
        provenance, are not signatures of the image.
      - With O(platform), a signature of the multi-architecture image that lists the platform's image counts as well. The
        referrers that O(referrers=true) adds need no signatures of their own.
      - No service is asked, so revoked certificates aren't recognized. Remove a signer that is no longer to be trusted.
      - Requires V(true) for O(verify), and the Python library C(cryptography) (45.0.0 or newer).
    type: list
    elements: dict
    version_added: 0.2.0
    suboptions:
      key:
        description:
          - Accept what is signed with the private half of this public key, in PEM, as in C(cosign.pub).
          - It may be an ECDSA, RSA or Ed25519 key. An entry in Sigstore's log isn't required.
        type: str
      issuer:
        description:
          - Accept what was signed without a long-lived key (keyless), with a certificate that Sigstore issued to
            O(signed_by[].identity). The issuer is the identity provider that vouched for that identity, such as
            V(https://token.actions.githubusercontent.com). It must match exactly.
          - Such certificates are valid for minutes, so an entry in Sigstore's log, or a time stamp, has to prove that it was used
            then.
          - Requires the Python library C(sigstore) (4.0.0 or newer), and uses the root of trust that comes with it. Nothing is
            downloaded.
        type: str
      identity:
        description:
          - A shell pattern for the whole identity, such as
            V(https://github.com/contoso/app/.github/workflows/release.yml@refs/tags/v*) or V(release@contoso.com). V(*) also
            stands for slashes.
          - Required with O(signed_by[].issuer).
        type: str
      trust_root:
        description:
          - The root of trust of a Sigstore instance other than the public one, as the content of its C(trusted_root.json).
        type: dict
      repository:
        description:
          - A shell pattern for the whole repository that the signature says it was made for, such as
            V(index.docker.io/contoso/*). With this, a signature that was copied from another repository isn't accepted.
          - Only signatures under tags that end in C(.sig) name a repository. Bundles don't, and aren't accepted with this
            option.
        type: str
      certificate:
        description:
          - Accept what Notation has signed with a certificate that leads to one of these, in PEM, which may be those of an
            authority or of the signer. All of them must be valid now, since time stamps aren't evaluated.
          - COSE envelopes require the Python library C(cbor2).
        type: str
      subject:
        description:
          - The whole subject of the signer's certificate, such as V(CN=release,O=Contoso,C=US), in either order.
          - Required with O(signed_by[].certificate).
        type: str
  wait:
    description:
      - Whether to wait until the import is finished and verified. With V(false), the result names the started operation, and
        running the same task again checks by digest whether the image has arrived.
    type: bool
    default: true
  timeout:
    description:
      - The maximum number of seconds that the task may take. Azure goes on copying after that; running the task again is safe.
    type: int
    default: 1800
extends_documentation_fragment:
  - registryops.acr.azure
  - registryops.acr.azure.attributes
attributes:
  idempotent:
    support: partial
    details:
      - With O(if_exists=reimport), every run imports again. With O(wait=false), a run that starts before the previous run's
        import has finished starts it again.
seealso:
  - module: registryops.acr.acr_mirror
  - module: registryops.acr.acr_manifest_info
  - name: Import container images to a container registry
    description: How Azure imports images, and what that requires.
    link: https://learn.microsoft.com/azure/container-registry/container-registry-import-images
notes:
  - The account needs the action C(Microsoft.ContainerRegistry/registries/importImage/action) on O(registry) and the right
    to read its content. The built-in role C(Container Registry Data Importer and Data Reader) has both. If the registry has
    permissions per repository (ABAC), C(Container Registry Repository Reader) is also needed.
  - Check mode asks Azure for the permissions of the account on O(registry), and on sources that Azure reads by resource ID, and
    fails if the import would be refused. A warning at C(-v) says what couldn't be checked.
  - Azure imports at most 50 manifests with one image. Images with more are refused before anything starts.
author:
  - registryops.acr contributors (@registryops)
"""

EXAMPLES = r"""
- name: Import an official image from Docker Hub
  registryops.acr.acr_import:
    registry: contosoprod
    source: docker.io/library/nginx:1.27

- name: Import it under two other names, with an account that has a higher pull limit
  registryops.acr.acr_import:
    registry: contosoprod.azurecr.io
    source: docker.io/library/nginx:1.27
    source_username: contoso
    source_password: "{{ docker_hub_token }}"
    target:
      - base/nginx:1.27
      - base/nginx:stable

- name: Import it under a name that says where it is from
  registryops.acr.acr_import:
    registry: contosoprod
    source: docker.io/library/nginx:1.27
    target: "{host}/{repository}:{tag}"

- name: Import a user's image from Docker Hub, anonymously
  registryops.acr.acr_import:
    registry: contosoprod
    source: docker.io/tensorflow/tensorflow:latest-gpu

- name: Import a private image from Docker Hub, with a user name and a token
  registryops.acr.acr_import:
    registry: contosoprod
    source: docker.io/contoso/agent:1.4
    source_username: contoso
    source_password: "{{ docker_hub_token }}"

- name: Import an image from Microsoft's registry
  registryops.acr.acr_import:
    registry: contosoprod
    source: mcr.microsoft.com/dotnet/runtime:8.0

- name: Import a release that must never change afterwards
  registryops.acr.acr_import:
    registry: contosoprod
    source: contosodev.azurecr.io/team/app:2.4.1
    if_exists: fail

- name: Import a release, and lock it so that nobody changes or deletes it
  registryops.acr.acr_import:
    registry: contosoprod
    source: contosodev.azurecr.io/team/app:2.4.1
    immutable: true

- name: Move a tag, and keep what it named before under another one
  registryops.acr.acr_import:
    registry: contosoprod
    source: contosoprod.azurecr.io/team/app:2.4.1
    target: team/app:production
    backup: "{tag}-previous"

- name: Keep the image if it was deleted from the source
  registryops.acr.acr_import:
    registry: contosoprod
    source: quay.io/prometheus/node-exporter:v1.8.2
    if_source_missing: keep

- name: Import only what has been in quarantine for three days
  registryops.acr.acr_import:
    registry: contosoprod
    source: quay.io/prometheus/node-exporter:v1.8.2
    quarantine:
      min_age: 72h

- name: Import from a registry in another subscription, or one whose public endpoint is disabled
  registryops.acr.acr_import:
    registry: contosoprod
    source_registry: >-
      /subscriptions/22222222-2222-4222-8222-222222222222/resourceGroups/rg-shared/providers/Microsoft.ContainerRegistry/registries/contososhared
    source: samples/aci-helloworld:latest

- name: Import from a registry that this machine can't reach
  registryops.acr.acr_import:
    registry: contosoprod
    source_registry: >-
      /subscriptions/11111111-1111-4111-8111-111111111111/resourceGroups/rg-registries/providers/Microsoft.ContainerRegistry/registries/contosovault
    source: secret/app:1.0
    verify: false

- name: Import with a service principal that may pull from the source
  registryops.acr.acr_import:
    registry: contosoprod
    source: contososhared.azurecr.io/samples/aci-helloworld:latest
    source_username: "{{ shared_client_id }}"
    source_password: "{{ shared_secret }}"

- name: Import from a registry in another tenant, with a service principal or a repository-scoped token
  registryops.acr.acr_import:
    registry: contosoprod
    source: fabrikam.azurecr.io/vendor/tool:1.1
    source_username: "{{ fabrikam_client_id }}"
    source_password: "{{ fabrikam_secret }}"

- name: Import from another tenant, with only an access token, as az account get-access-token returns it
  registryops.acr.acr_import:
    registry: contosoprod
    source: fabrikam.azurecr.io/vendor/tool:1.1
    source_password: "{{ fabrikam_access_token }}"

- name: Import from any private registry
  registryops.acr.acr_import:
    registry: contosoprod
    source: registry.example.com:8443/vendor/agent:2.3
    source_username: "{{ vendor_user }}"
    source_password: "{{ vendor_password }}"

- name: Import exactly this digest, under your own tag
  registryops.acr.acr_import:
    registry: contosoprod
    source: "docker.io/library/busybox@sha256:{{ busybox_sha256 }}"
    target: base/busybox:pinned

- name: Import exactly this digest, under the tag it was released with
  registryops.acr.acr_import:
    registry: contosoprod
    source: docker.io/library/busybox:1.37@sha256:{{ busybox_sha256 }}

- name: Import without a tag
  registryops.acr.acr_import:
    registry: contosoprod
    source: "docker.io/library/busybox@sha256:{{ busybox_sha256 }}"
    untagged_repositories: base/busybox

- name: Add a tag to an image that is already in the registry
  registryops.acr.acr_import:
    registry: contosoprod
    source: contosoprod.azurecr.io/team/app:2.4.1
    target: team/app:production

- name: Import a Helm chart
  registryops.acr.acr_import:
    registry: contosoprod
    source: contosodev.azurecr.io/charts/web:0.2.0

- name: Import a signature by itself
  registryops.acr.acr_import:
    registry: contosoprod
    source: contosodev.azurecr.io/signed/app:sha256-{{ app_sha256 }}.sig

- name: Import only the image for 64-bit ARM
  registryops.acr.acr_import:
    registry: contosoprod
    source: docker.io/library/nginx:1.27
    platform: linux/arm64
    target: edge/nginx:1.27

- name: Import only the image for 32-bit ARMv7
  registryops.acr.acr_import:
    registry: contosoprod
    source: docker.io/library/nginx:1.27
    platform: linux/arm/v7
    target: edge/nginx:1.27-armv7

- name: Import an image with its signatures and SBOMs
  registryops.acr.acr_import:
    registry: contosoprod
    source: contosodev.azurecr.io/signed/app:1.0
    referrers: true

- name: Import only what the release workflow has signed
  registryops.acr.acr_import:
    registry: contosoprod
    source: ghcr.io/contoso/app:2.4.1
    signed_by:
      - issuer: https://token.actions.githubusercontent.com
        identity: https://github.com/contoso/app/.github/workflows/release.yml@refs/tags/v*

- name: Import only what is signed with this key
  registryops.acr.acr_import:
    registry: contosoprod
    source: registry.example.com/vendor/agent:2.3
    signed_by:
      - key: |
          -----BEGIN PUBLIC KEY-----
          MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE0yv2YTyK59BziQlXkOG0TuntvXYC
          CLljaETFme9CyvZ7bFadzSgNu+qg5rqz0AnKeGuB3mDyOZ2R/qEtCuuEOQ==
          -----END PUBLIC KEY-----
"""

RETURN = r"""
changed:
  description: Whether an import was started, a backup made or a lock set or, in check mode, would be.
  returned: always
  type: bool
  sample: true
digest:
  description: The digest of the image, which is that of the first of RV(targets). Null if that has none.
  returned: always, unless the task failed before anything was planned
  type: str
  sample: sha256:9f3b1c5e0a7d4482b6cf13f2a6e8d5c4b79a0e1d2c3f4a5b6c7d8e9fa0b1c2d3
media_type:
  description: The media type of the image's manifest. Null if the manifest wasn't read.
  returned: always, unless the task failed before anything was planned
  type: str
  sample: application/vnd.oci.image.index.v1+json
source:
  description: The requested image, with its registry.
  returned: always, unless the task failed before anything was planned
  type: str
  sample: docker.io/library/nginx:1.27
verified:
  description: Whether digests were compared, as set by O(verify).
  returned: always, unless the task failed before anything was planned
  type: bool
  sample: true
targets:
  description: All targets and, with O(referrers=true), all referrers; with O(quarantine), also what was imported into quarantine.
  returned: always, unless the task failed before anything was planned
  type: list
  elements: dict
  contains:
    image:
      description: Login server, repository and tag, or digest if it has no tag.
      type: str
      returned: always
      sample: contosoprod.azurecr.io/library/nginx:1.27
    source:
      description: The image that it is imported from, with its registry.
      type: str
      returned: always
      sample: docker.io/library/nginx:1.27
    digest:
      description:
        - The digest that it was verified to have. In check mode and with O(wait=false), the digest that it should get. Null if it
          failed.
        - With V(keep) or V(wait) as RV(targets[].action), the digest that the target keeps, null if it doesn't exist. With
          O(verify=false), null unless the source was given by digest and the image was imported.
      type: str
      returned: always
      sample: sha256:9f3b1c5e0a7d4482b6cf13f2a6e8d5c4b79a0e1d2c3f4a5b6c7d8e9fa0b1c2d3
    previous_digest:
      description: The digest that it had before. Null if it didn't exist.
      type: str
      returned: always
      sample: sha256:1d2c3f4a5b6c7d8e9fa0b1c2d39f3b1c5e0a7d4482b6cf13f2a6e8d5c4b79a0e
    action:
      description:
        - What was done.
        - V(import) if the target was absent, V(update) if it had another digest, V(reimport) if it was right but an import was
          requested, V(repair) if its content was missing, V(none) if it was already right, V(keep) if it exists and
          was left alone, V(failed) if it failed.
        - With O(quarantine), V(wait) if what it may get is too new, and V(quarantine) for what was imported into quarantine.
        - With O(verify=false), a target that exists and isn't imported again is V(keep), since its digest isn't known.
      type: str
      returned: always
      sample: import
    error:
      description: What failed, for which image, and what to do.
      type: str
      returned: when it failed
      sample: docker.io/library/nginx:9.9 does not exist.
    reason:
      description:
        - Why, as a word. If it failed, one of RV(reason).
        - Otherwise V(absent) if the target didn't exist, V(differs) if it had another digest than the source, V(equal) if it had
          the same, V(requested) if O(if_exists=reimport) asked for the import, V(broken) if its content was missing,
          V(present) if it exists and O(if_exists=keep), V(source_missing) if the source no longer has it and
          O(if_source_missing=keep).
        - With O(quarantine), V(promoted) if it was imported from there, V(new) if it has to wait or was imported into quarantine,
          V(returned) if it was imported into quarantine again since the source went back to it.
        - V(unverified) if O(verify=false), so that nothing was compared.
      type: str
      returned: always
      sample: absent
    backup:
      description: The image that holds RV(targets[].previous_digest) now, or would in check mode.
      returned: when O(backup) is given, and it was or would be moved
      type: str
      sample: contosoprod.azurecr.io/team/app:production-previous
    immutable:
      description: That it is locked. In check mode, that it is or would be.
      returned: when O(immutable=true), and it didn't fail
      type: bool
      sample: true
    waiting:
      description: The digest in quarantine that it may get next.
      type: str
      returned: when RV(targets[].action) is V(wait)
      sample: sha256:9f3b1c5e0a7d4482b6cf13f2a6e8d5c4b79a0e1d2c3f4a5b6c7d8e9fa0b1c2d3
    ready_at:
      description:
        - When that will be old enough, in UTC. In the run that imports it into quarantine, an estimate.
      type: str
      returned: when RV(targets[].action) is V(wait)
      sample: "2026-11-30T02:00:09Z"
    quarantined_at:
      description: When the digest that the target got from quarantine, or waits for, came into quarantine (UTC, by Azure's clock).
      type: str
      returned: when O(quarantine) is given, it is promoted or waits, and an earlier run imported that digest
      sample: "2026-11-27T02:00:08Z"
    signature:
      description: The signature because of which the image was accepted.
      type: dict
      returned: when O(signed_by) is given and the image is signed
      contains:
        kind:
          description:
            - V(key) or V(keyless) for cosign's, V(notation) for Notation's.
          type: str
          returned: always
          sample: keyless
        identity:
          description:
            - Who signed. For V(keyless) and V(notation), the identity or subject of the certificate; for V(key), the SHA-256
              digest of the public key.
          type: str
          returned: always
          sample: https://github.com/contoso/app/.github/workflows/release.yml@refs/tags/v2.4.1
        time:
          description:
            - When it was signed (ISO 8601, UTC). For V(keyless), that is proven by Sigstore's log or a time stamp; for
              V(notation), the signer says so; for V(key), it isn't known, and this is null.
          type: str
          returned: always
          sample: "2026-11-20T08:15:00Z"
    seconds:
      description: How long its import took.
      type: float
      returned: when it was imported
      sample: 2.31
    operation:
      description: The name of Azure's import operation.
      type: str
      returned: when O(wait=false) and an import was started
      sample: registries-0b9a6a54-26d5-11f1-8a77-4ec2c3cbd35d
reason:
  description:
    - Why the task failed, as a word to use in conditions.
    - V(invalid) if the options make no sense, V(sign_in) if signing in to Azure failed, V(unauthorized) if credentials are
      missing or wrong, V(denied) if a right is missing, V(firewall) if a firewall blocks this machine, V(not_found) if something
      doesn't exist.
    - V(exists) if a target holds something that must not be overwritten, V(locked) if it is locked, V(unsupported) if Azure can't
      import such an image, V(unsigned) if none of O(signed_by) has signed it, V(refused) if Azure or a registry refuses for
      another reason.
    - V(throttled) or V(unavailable) if it is temporary, V(unreachable) if there is no connection, V(certificate) if a TLS
      certificate isn't trusted, V(timeout) if the time limit was reached, V(protocol) if a response was invalid.
    - V(lost) if Azure calls an image imported but it isn't there, V(unknown) if the outcome of an import is unknown.
    - V(several) if targets failed for different reasons; RV(targets) has the reason of each.
  returned: failure
  type: str
  sample: not_found
status:
  description: The status of the HTTP response that caused the failure.
  returned: if the whole task failed because of such a response
  type: int
  sample: 404
"""

from typing import TYPE_CHECKING, Any, Dict

from ..module_utils._arguments import IMAGE_ARGUMENTS
from ..module_utils._module import run

if TYPE_CHECKING:
    from ..module_utils._azure import Azure


def work(module: Any, azure: Azure) -> Dict[str, Any]:
    from ..module_utils._mirror import Mirror, Settings
    from ..module_utils._options import parse_entry

    params = module.params
    entry = parse_entry(params, azure.suffix, registry=params["registry"])
    settings = Settings(check=module.check_mode, wait=params["wait"], timeout=params["timeout"])
    report = Mirror(azure, params["registry"], params["resource_group"], settings).run([entry])
    for note in report.notes + (report.asides if module._verbosity else []):
        module.warn(note)
    targets = report.results()
    digest = targets[0]["digest"]
    if digest is None and report.items:  # it failed, and may be known all the same
        digest = report.items[0].desired.digest
    result = dict(
        report.result(),
        digest=targets[0]["digest"],
        media_type=report.media_type(digest),
        source=targets[0]["source"],
        verified=entry.rules.verify,
        targets=targets,
    )
    if report.errors:
        result["msg"] = " ".join(dict.fromkeys(str(error) for error in report.errors))
    return result


def main() -> None:
    run({**IMAGE_ARGUMENTS, "wait": {"type": "bool", "default": True}, "timeout": {"type": "int", "default": 1800}}, work)


if __name__ == "__main__":
    main()
