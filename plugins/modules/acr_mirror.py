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
  - Imports a list of images from other registries into an Azure container registry, in one task and as fast as Azure allows.
    Azure does the copying itself, so no layers pass through the machine that runs the task.
  - Every tag is resolved to its digest and compared. Only images that differ are imported, by digest, and verified afterwards.
    Check mode and diff show what the real run would do.
  - The tags of a repository are listed once, targets with the same content share one import, and the rate limits of Azure and of
    the registries are respected. If something fails, everything else is still imported.
  - If a run is interrupted, the next run carries on where it stopped.
options:
  registry:
    description:
      - The registry to import into, by its name (V(contosoprod)), its login server (V(contosoprod.azurecr.io)) or its
        resource ID.
      - If the login server contains the hash of a domain name label, its first part also works
        (V(contosoprod-h4x0c3d4e5f6g7h8)).
    type: str
    required: true
  resource_group:
    description:
      - The resource group of O(registry), if that is given by name. By default, the registry is looked up.
    type: str
  images:
    description:
      - What the registry should hold. Each entry takes the options of M(registryops.acr.acr_import) for one image, or selects
        several with O(images[].tags) or O(images[].repositories).
      - An entry may also be plain text, such as V(docker.io/library/nginx:1.27), which is short for a dictionary with only
        O(images[].source).
      - If the list contains mistakes, all of them are reported at once, each with the number of its entry, from 1, and nothing is
        imported.
      - Entries that want the same are merged. If two entries want different things of the same target tag, the list is refused
        before anything starts. If one entry names an image and another selects it, the entry that names it decides.
    type: list
    elements: dict
    required: true
    suboptions:
      source:
        description:
          - What to import, as C(host/repository[:tag][@digest]), such as V(docker.io/library/nginx:1.27).
          - The host can be omitted only if O(images[].source_registry) or O(default_host) is given.
          - Without tag and digest, V(latest) is imported. With both, the digest decides and the tag names the default target.
          - Required unless O(images[].repositories) is given.
          - An Azure registry that doesn't know the account, such as a public one of another tenant, is read anonymously unless
            there are credentials for it.
        type: str
      source_registry:
        description:
          - An Azure container registry in the same tenant to import from, by resource ID, name or login server. It may be in
            another subscription. It is read with the rights of the account that signs in (V(Reader) or V(AcrPull);
            C(Container Registry Repository Reader) if it has permissions per repository, ABAC).
          - Azure can import from a registry whose public endpoint is disabled only by its resource ID, and without
            O(images[].source_password). The ID is looked up if the account can see the registry (V(Reader)); otherwise, give it
            here.
        type: str
      source_username:
        description:
          - User name for the source registry, such as a Docker Hub account, a service principal's client ID, the name of a
            repository-scoped token, or a user of any private registry.
        type: str
      source_password:
        description:
          - The password for O(images[].source_username) or, without a user name, an access token.
          - If O(images[].source_registry) is also given, this password is used instead of the rights of the account that signs
            in.
        type: str
      target:
        description:
          - One or more places in O(registry) for the image, as C(repository[:tag]). Without a tag, the source's tag is used.
          - The default is the source's repository and tag, so that V(docker.io/library/nginx:1.27) becomes V(library/nginx:1.27).
            A source given by digest alone is tagged V(latest); set O(images[].target) to avoid that.
          - C({host}), C({repository}), C({name}) (the last part of the repository) and C({tag}) stand for those of the source, as
            in V({name}:{tag}-mirrored). C(_) replaces the colon before the host's port.
          - The first part may be the host of another registry, such as V(mcr.microsoft.com/dotnet/runtime:8.0), as part of the
            name.
          - With O(images[].tags), give repositories only, each of which gets the selected tags, or put C({tag}) into the tag.
            With O(images[].repositories), put C({repository}) or C({name}) into the repository.
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
          - A tag whose manifest is gone can't be pulled. V(update) and V(reimport) import it again, and so does V(fail) if the
            tag has the source's digest. Otherwise, V(keep) and V(fail) report an error, unless O(images[].repair=true).
          - Azure's forced import ignores locks. The locks on the tag, the manifest and the repository are therefore read first,
            and a target that is locked, or whose locks can't be read, isn't overwritten.
          - The default is V(update).
        type: str
        choices: [update, keep, fail, reimport]
      platform:
        description:
          - Import only the image for this platform from a multi-architecture image, such as V(linux/amd64) or V(linux/arm/v7).
          - Azure imports either one image or a whole multi-architecture image, so this can't be a list.
        type: str
      referrers:
        description:
          - Also import the referrers of the image and of each of its platforms, such as signatures, SBOMs and attestations.
          - The default is V(false).
        type: bool
      verify:
        description:
          - Whether to read and compare the digests of source and target.
          - V(false) is for machines that can't reach the registries (private endpoints, firewalls). Neither registry is read; the
            source's tag is imported as it is, and Azure only reports whether the target tag exists. O(images[].if_exists=update)
            therefore can't notice that the source has changed.
          - With V(false), check mode always announces an import.
          - With V(false), locks can't be read, so O(images[].if_exists=reimport) overwrites a locked tag.
          - O(images[].platform), O(images[].referrers), O(images[].repair), O(images[].if_source_missing=keep),
            O(images[].immutable), O(images[].backup), O(images[].quarantine), O(images[].signed_by), O(images[].tags) and
            O(images[].repositories) require V(true).
          - The default is V(true).
        type: bool
      repair:
        description:
          - If the target tag is already right, also check that everything a multi-architecture image lists is there, and import
            it again if not.
          - Also import a tag again if its manifest is gone, even with O(images[].if_exists=keep) and O(images[].if_exists=fail).
          - The default is V(false).
        type: bool
      if_source_missing:
        description:
          - What to do if the source no longer has the tag or digest, but the target tag exists.
          - V(fail) fails.
          - V(keep) leaves the target as it is. The source is asked several times before that. It is still a failure if the source
            can't be read, if the target tag doesn't exist or can't be pulled, and for O(images[].untagged_repositories).
          - With O(images[].tags), this applies to the tags in O(images[].tags.names). Tags that other filters no longer find in
            the source are never touched.
          - The default is V(fail).
        type: str
        choices: [fail, keep]
        version_added: 0.2.0
      immutable:
        description:
          - Whether to lock each target tag and its manifest against pushes and deletion once they are right (C(writeEnabled) and
            C(deleteEnabled) become V(false)), whether they were imported now or earlier. Manifests that an index lists, and
            referrers, stay unlocked.
          - If the source changes afterwards, the target isn't updated; this is a failure (V(locked)). To move the tag after all, unlock
            it and its manifest with C(az acr repository update).
          - A target that can't be locked is a failure, too. What was imported stays, and the next run tries to lock it again.
          - A manifest's lock affects all its tags. While it is locked, this collection doesn't overwrite other tags in the
            repository that name it or are to name it. Azure's forced import, as other tools may use it, ignores locks.
          - This needs the right C(metadata/write) on O(registry), which the role V(Contributor) includes, or
            C(Container Registry Repository Writer) if permissions are per repository (ABAC).
          - Unless listings show it, two requests find out whether a target is locked. With O(wait=false), the next run locks what
            has arrived by then.
          - The default is V(false).
        type: bool
        version_added: 0.2.0
      backup:
        description:
          - Before a target tag is moved to another digest, its old digest gets this tag in the same repository, such as
            V({tag}-previous). C({tag}) stands for the target's tag.
          - Targets that are absent, already right or broken need no backup.
          - Azure makes it with an import within O(registry), so no right to push is needed. A backup from an earlier move is overwritten.
          - The target is only overwritten once its backup is there, even with O(wait=false). If the backup fails, for example because
            its tag is locked, so does the target, and it stays as it is.
          - If a backup's tag is also a target, or the backup of another target, the list is refused before anything starts.
        type: str
        version_added: 0.2.0
      quarantine:
        description:
          - A digest that is new waits in the registry before a target gets it, so that malicious versions can be found and
            blocked.
          - It is imported into the repository O(images[].quarantine.prefix) + target repository, and promoted from there by a
            later run, once Azure's own C(createdTime) there is O(images[].quarantine.min_age) ago. Until then, the target stays
            as it is (V(wait)).
          - If a source's tag moves, the newest of its digests that is old enough is promoted, but none that the source has gone
            back from. If the source is given by digest, it is that digest or none.
          - The registry is the memory. Each new digest gets a tag of its own there, C(tag.hex-digits), and any number of machines
            can run the same list.
          - A digest that the target repository has held for as long, under whatever tag, need not wait.
          - O(images[].referrers) are read from the source, and imported, when the image is promoted.
          - Nothing in quarantine is ever deleted. Use C(acr purge) to delete what is much older than
            O(images[].quarantine.min_age).
          - This has nothing to do with Azure's own quarantine policy.
          - Requires O(images[].verify=true).
        type: dict
        version_added: 0.2.0
        suboptions:
          min_age:
            description:
              - How long a digest has to wait, in minutes, hours or days, such as V(90m), V(72h) or V(3d). V(0h) turns a default
                off.
            type: str
            required: true
          prefix:
            description:
              - What comes before the target's repository.
            type: str
            default: quarantine/
      signed_by:
        description:
          - Import the image only if one of these signers has signed it. Signatures are read from the image's repository in the
            source registry, and verified over the digest that is about to be imported. Cosign's are found as bundles (referrers)
            and under tags that end in C(.sig), Notation's as referrers, in JWS or COSE envelopes.
          - An image that none of them has signed fails with the reason V(unsigned), and nothing of it is imported. One that the
            target already has is also checked, and stays as it is. A target that is kept because of O(images[].if_exists=keep) or
            O(images[].if_source_missing=keep) isn't checked.
          - If signatures can't be read, because the source throttles or denies requests, the image fails for that reason, and
            isn't called unsigned.
          - Each signature is verified on its own, wherever it was found, and one that is right is enough. Attestations, such as
            provenance, are not signatures of the image.
          - With O(images[].platform), a signature of the multi-architecture image that lists the platform's image counts as well.
            The referrers that O(images[].referrers=true) adds need no signatures of their own.
          - No service is asked, so revoked certificates aren't recognized. Remove a signer that is no longer to be trusted.
          - Requires V(true) for O(images[].verify), and the Python library C(cryptography) (45.0.0 or newer).
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
                O(images[].signed_by[].identity). The issuer is the identity provider that vouched for that identity, such as
                V(https://token.actions.githubusercontent.com). It must match exactly.
              - Such certificates are valid for minutes, so an entry in Sigstore's log, or a time stamp, has to prove that it was
                used then.
              - Requires the Python library C(sigstore) (4.0.0 or newer), and uses the root of trust that comes with it. Nothing
                is downloaded.
            type: str
          identity:
            description:
              - A shell pattern for the whole identity, such as
                V(https://github.com/contoso/app/.github/workflows/release.yml@refs/tags/v*) or V(release@contoso.com). V(*) also
                stands for slashes.
              - Required with O(images[].signed_by[].issuer).
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
              - Required with O(images[].signed_by[].certificate).
            type: str
      tags:
        description:
          - Select several tags of the source's repository. The filters are applied in this order. What they drop is returned in
            RV(selections).
        type: dict
        suboptions:
          names:
            description:
              - Only these tags. Each must exist; one that doesn't is a failure of its own. Nothing has to be listed for them.
            type: list
            elements: str
          include:
            description:
              - Only tags that match one of these shell patterns, such as V(1.27*). By default, all of them.
              - Quote what looks like a number. YAML reads 3.10 as the number 3.1, and numbers like that are refused.
            type: list
            elements: str
          exclude:
            description:
              - Exclude tags that match one of these shell patterns.
            type: list
            elements: str
          match:
            description:
              - Only tags that this regular expression matches as a whole, such as V(1\\.2[67]\\.\\d+).
              - If it has a group named C(version), such as V((?P<version>.+\)-alpine) has, that part of the tag is the version
                that O(images[].tags.semver) and O(images[].tags.newest) compare.
            type: str
          semver:
            description:
              - Only tags that are versions in this range, in npm's syntax, such as V(>=1.26 <2), V(^1.27), V(1.x) or
                V(1.26 - 1.28); or in any range of a list.
              - A version has up to four numbers, and may start with C(v).
              - Tags with a suffix, such as V(1.27.3-alpine), are versions only if O(images[].tags.include) or
                O(images[].tags.match) is given, or if the range names a suffix of the same version. V(>=2.0.0-rc.2) selects
                V(2.0.0-rc.3), but neither V(2.0.0-rc.1) nor V(2.1.0-rc.1).
              - Build metadata may follow C(_), as Helm writes it, so that V(1.2.0_build.7) is version 1.2.0.
              - A bare number of five or more digits, such as V(20240807), is considered a date or a build number, not a version,
                unless a pattern of O(images[].tags.include) matches it specifically, as V(2024*) does and V(*) doesn't, or
                O(images[].tags.match) does.
            type: raw
          newest:
            description:
              - Keep only this many tags, those with the highest versions. Tags that aren't versions, as described for
                O(images[].tags.semver), are dropped.
              - Numbers in suffixes are compared as numbers, so that V(1.0-rc.10) is higher than V(1.0-rc.9).
            type: int
          order:
            description:
              - What makes tags the newest for O(images[].tags.newest).
              - V(version) goes by version, since an old release may be rebuilt.
              - V(time) goes by the time when the tag was last updated, whether it is a version or not. Only Azure registries
                report that.
            type: str
            choices: [version, time]
            default: version
          same_digest:
            description:
              - Also select every other tag with the same content, such as V(1.27) and V(latest) in addition to V(1.27.3). If this
                is the only filter and the source has a tag, all tags of that image are selected.
              - Azure registries list digests. In any other registry, each tag is read individually. Tags that can't be read are
                left out with a warning.
            type: bool
            default: false
      repositories:
        description:
          - Mirror the repositories of the Azure registry O(images[].source_registry) instead of a single one. All their tags are
            mirrored, unless O(images[].tags) selects some.
          - If that registry belongs to another tenant, give its login server and, unless it is public, credentials. To list its
            repositories, a service principal needs the role V(AcrPull) (V(Container Registry Repository Catalog Lister) if
            permissions are per repository), and a token needs V(metadata/read) on V(*) in its scope map.
        type: dict
        suboptions:
          include:
            description:
              - Only repositories that match one of these shell patterns, such as V(team/*). By default, all of them.
            type: list
            elements: str
          exclude:
            description:
              - Exclude repositories that match one of these shell patterns.
            type: list
            elements: str
      comment:
        description:
          - Any notes about the entry, such as who asked for it. They are ignored.
        type: raw
  defaults:
    description:
      - Defaults for entries that don't set the option.
    type: dict
    suboptions:
      source_registry:
        description:
          - The default of O(images[].source_registry).
        type: str
      source_username:
        description:
          - The default of O(images[].source_username).
        type: str
      source_password:
        description:
          - The default of O(images[].source_password).
        type: str
      if_exists:
        description:
          - The default of O(images[].if_exists).
        type: str
        choices: [update, keep, fail, reimport]
      platform:
        description:
          - The default of O(images[].platform).
        type: str
      referrers:
        description:
          - The default of O(images[].referrers).
        type: bool
      verify:
        description:
          - The default of O(images[].verify).
        type: bool
      repair:
        description:
          - The default of O(images[].repair).
        type: bool
      if_source_missing:
        description:
          - The default of O(images[].if_source_missing).
        type: str
        choices: [fail, keep]
        version_added: 0.2.0
      immutable:
        description:
          - The default of O(images[].immutable).
        type: bool
        version_added: 0.2.0
      backup:
        description:
          - The default of O(images[].backup).
        type: str
        version_added: 0.2.0
      quarantine:
        description:
          - The default of O(images[].quarantine).
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
          - The default of O(images[].signed_by). An entry can lift it with an empty list.
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
                O(defaults.signed_by[].identity). The issuer is the identity provider that vouched for that identity, such as
                V(https://token.actions.githubusercontent.com). It must match exactly.
              - Such certificates are valid for minutes, so an entry in Sigstore's log, or a time stamp, has to prove that it was
                used then.
              - Requires the Python library C(sigstore) (4.0.0 or newer), and uses the root of trust that comes with it. Nothing
                is downloaded.
            type: str
          identity:
            description:
              - A shell pattern for the whole identity, such as
                V(https://github.com/contoso/app/.github/workflows/release.yml@refs/tags/v*) or V(release@contoso.com). V(*) also
                stands for slashes.
              - Required with O(defaults.signed_by[].issuer).
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
              - Required with O(defaults.signed_by[].certificate).
            type: str
      tags:
        description:
          - The default of O(images[].tags).
        type: dict
        suboptions:
          names:
            description:
              - Only these tags. Each must exist; one that doesn't is a failure of its own. Nothing has to be listed for them.
            type: list
            elements: str
          include:
            description:
              - Only tags that match one of these shell patterns, such as V(1.27*). By default, all of them.
              - Quote what looks like a number. YAML reads 3.10 as the number 3.1, and numbers like that are refused.
            type: list
            elements: str
          exclude:
            description:
              - Exclude tags that match one of these shell patterns.
            type: list
            elements: str
          match:
            description:
              - Only tags that this regular expression matches as a whole, such as V(1\\.2[67]\\.\\d+).
              - If it has a group named C(version), such as V((?P<version>.+\)-alpine) has, that part of the tag is the version
                that O(defaults.tags.semver) and O(defaults.tags.newest) compare.
            type: str
          semver:
            description:
              - Only tags that are versions in this range, in npm's syntax, such as V(>=1.26 <2), V(^1.27), V(1.x) or
                V(1.26 - 1.28); or in any range of a list.
              - A version has up to four numbers, and may start with C(v).
              - Tags with a suffix, such as V(1.27.3-alpine), are versions only if O(defaults.tags.include) or
                O(defaults.tags.match) is given, or if the range names a suffix of the same version. V(>=2.0.0-rc.2) selects
                V(2.0.0-rc.3), but neither V(2.0.0-rc.1) nor V(2.1.0-rc.1).
              - Build metadata may follow C(_), as Helm writes it, so that V(1.2.0_build.7) is version 1.2.0.
              - A bare number of five or more digits, such as V(20240807), is considered a date or a build number, not a version,
                unless a pattern of O(defaults.tags.include) matches it specifically, as V(2024*) does and V(*) doesn't, or
                O(defaults.tags.match) does.
            type: raw
          newest:
            description:
              - Keep only this many tags, those with the highest versions. Tags that aren't versions, as described for
                O(defaults.tags.semver), are dropped.
              - Numbers in suffixes are compared as numbers, so that V(1.0-rc.10) is higher than V(1.0-rc.9).
            type: int
          order:
            description:
              - What makes tags the newest for O(defaults.tags.newest).
              - V(version) goes by version, since an old release may be rebuilt.
              - V(time) goes by the time when the tag was last updated, whether it is a version or not. Only Azure registries
                report that.
            type: str
            choices: [version, time]
            default: version
          same_digest:
            description:
              - Also select every other tag with the same content, such as V(1.27) and V(latest) in addition to V(1.27.3). If this
                is the only filter and the source has a tag, all tags of that image are selected.
              - Azure registries list digests. In any other registry, each tag is read individually. Tags that can't be read are
                left out with a warning.
            type: bool
            default: false
  credentials:
    description:
      - User names and passwords of source registries, so that secrets are kept in one place. If several match an entry's source,
        the one with the longest O(credentials[].registry) wins.
      - They aren't used for sources that are given by resource ID or name in O(images[].source_registry).
      - Credentials that match no entry cause a warning.
    type: list
    elements: dict
    suboptions:
      registry:
        description:
          - The registry's host, such as V(docker.io), or host and namespace, such as V(docker.io/contoso).
          - A URL also works, such as V(https://index.docker.io/v1/) from Docker's own configuration. A value without a host is
            refused.
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
  default_host:
    description:
      - The host of sources that name none, such as V(docker.io), so that V(nginx:1.27) is V(docker.io/library/nginx:1.27) and
        V(grafana/grafana) is V(docker.io/grafana/grafana). Without it, such sources are refused.
    type: str
  target_prefix:
    description:
      - A prefix for the repository of every target, such as V(mirror/). It may contain the placeholders of
        O(images[].target), so that V({host}/) keeps images of different registries apart.
    type: str
  lock_file:
    description:
      - A lock file, which holds the digest that each target is to get, for review. It is a list that O(images) accepts, with one
        line for each target, sorted by target.
      - It must be on the machine that runs the module.
    type: path
    version_added: 0.2.0
  lock:
    description:
      - What to do with O(lock_file). The default is V(use) if that is given.
      - V(use) imports exactly what the file holds. No source is asked for tags, and a source that has nothing to import is only
        asked for signatures, if O(images[].signed_by) wants them. It is an error if an entry of O(images) is new or has changed
        since the file was written, or if the file has a target that no entry asks for. Options such as O(images[].if_exists) and
        O(images[].referrers) come from O(images), and may differ; the referrers themselves aren't locked.
      - V(update) finds out what O(images) means now and writes the file. O(registry) isn't contacted, and nothing is imported. If
        an image can't be found, is O(blocked) by its source or digest, or isn't signed by anybody in O(images[].signed_by), the
        file stays as it is, except that O(images[].if_source_missing=keep) keeps the line of an image that is gone. The sources
        of images with O(images[].verify=false) are read, too.
      - V(check) fails if V(update) would change what the file holds, and writes nothing.
    type: str
    choices: [use, update, check]
    version_added: 0.2.0
  blocked:
    description:
      - What must not come in, whatever asks for it. An image that is blocked fails, and neither it nor anything that refers to
        it is imported. All others are imported.
      - A digest, such as V(sha256:9f3b1c5e0a7d4482b6cf13f2a6e8d5c4b79a0e1d2c3f4a5b6c7d8e9fa0b1c2d3), blocks each image that has
        it or lists it, in whatever registry and under whatever name, and each referrer that has it. What comes before its C(@) is
        ignored, so that images can be copied from advisories.
      - A shell pattern for C(host/repository[:tag]), such as V(docker.io/aquasec/trivy:0.69*), blocks images by the names of
        their sources or targets. Without a tag, it blocks all tags. An asterisk also stands for slashes, so that V(quay.io/*)
        blocks a whole registry, and V(*/trivy*) an image of any registry. Patterns without a host are completed by
        O(default_host).
      - A pattern with a tag doesn't block an image that is given by its digest alone.
      - Blocked digests that a target already shows cause a warning and are returned as RV(results[].note), but aren't deleted.
        Whether an index lists a blocked digest is only checked before it is imported.
      - Requires O(images[].verify=true).
    type: list
    elements: str
    version_added: 0.2.0
  concurrency:
    description:
      - How many requests may be under way to each registry at once. Up to twice as many more read signatures. Imports that Azure
        is copying don't count.
    type: int
    default: 16
  on_error:
    description:
      - V(continue) imports everything that can be imported, then fails and names the failed images.
      - V(stop) starts nothing new after the first failure, and waits for the imports that are under way.
    type: str
    choices: [continue, stop]
    default: continue
  details:
    description:
      - Also return each target's size and platforms, and when its digest came, for use in reports, if they can be read. This takes
        one more listing for each repository, or one more request for each image if there are few, and one request for each
        multi-architecture image.
    type: bool
    default: false
  report_html:
    description:
      - A file to write the report to, as a self-contained web page, also in check mode and if images fail. It is written on the
        host that runs the module, and replaced if it exists.
      - With it, sizes, platforms and times are returned as with O(details=true).
    type: path
    version_added: 0.2.0
  report_json:
    description:
      - As O(report_html), but as JSON. It holds RV(results), RV(summary) and RV(selections), whole however many images there are.
        Its format is described by C(docs/report.schema.json) in the collection.
    type: path
    version_added: 0.2.0
  wait:
    description:
      - Whether to wait until all imports are finished and verified. With V(false), the results name the started operations, and
        running the same task again checks by digest which images have arrived.
    type: bool
    default: true
  timeout:
    description:
      - The maximum number of seconds that the task may take. There is no limit by default. Azure goes on copying after that;
        running the task again is safe.
    type: int
  import_timeout:
    description:
      - The maximum number of seconds that one import may take from its start. Waiting to be started doesn't count.
    type: int
    default: 1800
    version_added: 0.2.0
extends_documentation_fragment:
  - registryops.acr.azure
  - registryops.acr.azure.attributes
attributes:
  idempotent:
    support: partial
    details:
      - With O(images[].if_exists=reimport), every run imports again. With O(wait=false), a run that starts before the previous
        run's imports have finished starts them again.
  action:
    description: Has an action plugin of the same name, which runs on the controller.
    support: full
    details:
      - The action plugin only shapes what is shown, such as the progress.
seealso:
  - module: registryops.acr.acr_import
  - module: registryops.acr.acr_trusted_services
notes:
  - The account needs the action C(Microsoft.ContainerRegistry/registries/importImage/action) on O(registry) and the right
    to read its content. The built-in role C(Container Registry Data Importer and Data Reader) has both. If the registry has
    permissions per repository (ABAC), C(Container Registry Repository Reader) is also needed.
  - Check mode asks Azure for the permissions of the account on O(registry), and on sources that Azure reads by resource ID, and
    fails if the import would be refused. A warning at C(-v) says what couldn't be checked.
  - AWX drops a result of more than 700,000 characters, which about 2,000 images have, from its job events. The playbook itself
    still gets it. The role C(registryops.acr.mirror) returns less of long lists, and O(report_json) writes all of it to a file.
  - If it runs on the controller, the task shows its progress every few seconds. Set the variable C(acr_mirror_progress) to
    V(false) to turn that off.
author:
  - registryops.acr contributors (@registryops)
"""

EXAMPLES = r"""
- name: Mirror base images from Docker Hub and Microsoft
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
      - source: docker.io/library/alpine
        tags:
          names: ["3.20", "3.19", latest]

- name: Mirror all releases, and lock them against pushes and deletion
  registryops.acr.acr_mirror:
    registry: contosoprod
    defaults:
      immutable: true
    images:
      - source: contosodev.azurecr.io/team/app
        tags:
          semver: ">=2"

- name: Mirror a moving tag, and keep what it named before under another tag
  registryops.acr.acr_mirror:
    registry: contosoprod
    images:
      - source: docker.io/library/nginx:latest
        backup: "{tag}-previous"

- name: Mirror the two newest versions of a variant, and the last five builds of an own image
  registryops.acr.acr_mirror:
    registry: contosoprod
    images:
      - source: docker.io/library/nginx
        tags:
          match: (?P<version>\d+\.\d+\.\d+)-alpine
          semver: ["1.26.x", ">=1.27"]
          newest: 2
      - source: contosodev.azurecr.io/team/app
        tags:
          newest: 5
          order: time

- name: Mirror what a text file lists, one image per line, with short names as Docker has them
  registryops.acr.acr_mirror:
    registry: contosoprod
    default_host: docker.io
    images: "{{ lookup('ansible.builtin.file', 'images.txt').splitlines() }}"

- name: Mirror plain names beside entries with options
  registryops.acr.acr_mirror:
    registry: contosoprod
    images:
      - docker.io/library/nginx:1.27
      - mcr.microsoft.com/dotnet/runtime:8.0
      - source: docker.io/library/busybox:1.37
        if_exists: keep
        comment: for the team that runs the jobs

- name: Let in no version with malicious code
  registryops.acr.acr_mirror:
    registry: contosoprod
    blocked:
      - docker.io/library/nginx:1.26*
      - "*/node-exporter:v1.[0-6].*"
      - sha256:9f3b1c5e0a7d4482b6cf13f2a6e8d5c4b79a0e1d2c3f4a5b6c7d8e9fa0b1c2d3
    images:
      - source: docker.io/library/nginx
        tags:
          semver: ">=1.27"
      - docker.io/library/busybox:1.37

- name: Have new versions wait for three days, but not an image of your own
  registryops.acr.acr_mirror:
    registry: contosoprod
    defaults:
      quarantine:
        min_age: 72h
    images:
      - source: docker.io/library/nginx
        tags:
          semver: ">=1.27"
      - docker.io/library/busybox:latest
      - source: contosodev.azurecr.io/team/app:2.4.1
        quarantine:
          min_age: 0h

- name: Mirror releases that must never change afterwards
  registryops.acr.acr_mirror:
    registry: contosoprod
    defaults:
      source_registry: contosodev
      if_exists: fail
      referrers: true
    images:
      - source: team/app:2.4.1
      - source: team/worker:2.4.1

- name: Mirror under the names of the sources, and under names of your own
  registryops.acr.acr_mirror:
    registry: contosoprod
    target_prefix: "mirror/{host}/"
    images:
      - mcr.microsoft.com/dotnet/runtime:8.0
      - source: registry.k8s.io/etcd
        target: "{name}:{tag}-k8s"
        tags:
          include: ["3.5.*"]
      - source_registry: contosodev
        target: "flat/{name}"
        repositories:
          include: ["team/*"]

- name: Mirror tags by name, and keep those that were deleted from the source
  registryops.acr.acr_mirror:
    registry: contosoprod
    defaults:
      if_source_missing: keep
    images:
      - source: quay.io/prometheus/node-exporter
        tags:
          names: [v1.7.0, v1.8.2]

- name: Write the current digests of a list to a file, for review, without importing anything
  registryops.acr.acr_mirror:
    registry: contosoprod
    images: "{{ lookup('ansible.builtin.file', 'images.yml') | from_yaml }}"
    lock_file: "{{ playbook_dir }}/images.lock.yml"
    lock: update

- name: Import exactly what was reviewed, wherever the tags point by now
  registryops.acr.acr_mirror:
    registry: contosoprod
    images: "{{ lookup('ansible.builtin.file', 'images.yml') | from_yaml }}"
    lock_file: "{{ playbook_dir }}/images.lock.yml"

- name: Mirror a whole registry of another tenant, with a service principal that has the role AcrPull there
  registryops.acr.acr_mirror:
    registry: contosoprod
    images:
      - source_registry: fabrikam.azurecr.io
        source_username: "{{ fabrikam_client_id }}"
        source_password: "{{ fabrikam_secret }}"
        target: "fabrikam/{repository}"
        repositories:
          exclude: ["cache/*"]

- name: Mirror a whole registry, without its caches
  registryops.acr.acr_mirror:
    registry: contosobackup
    images:
      - source_registry: contosoprod
        repositories:
          exclude: ["cache/*"]
  register: backup

- name: Show what changed
  ansible.builtin.debug:
    msg: "{{ backup.results | rejectattr('action', 'in', ['none', 'keep', 'wait']) | map(attribute='image') }}"

- name: Mirror a long list, and write reports of the result
  registryops.acr.acr_mirror:
    registry: contosoprod
    images: "{{ lookup('ansible.builtin.file', 'images.yml') | from_yaml }}"
    report_html: "{{ playbook_dir }}/mirror.html"
    report_json: "{{ playbook_dir }}/mirror.json"

- name: Mirror only what one of two workflows has signed, unless an entry says otherwise
  registryops.acr.acr_mirror:
    registry: contosoprod
    defaults:
      signed_by:
        - issuer: https://token.actions.githubusercontent.com
          identity: https://github.com/contoso/app/.github/workflows/release.yml@refs/tags/v*
        - issuer: https://gitlab.com
          identity: https://gitlab.com/contoso/base//.gitlab-ci.yml@refs/heads/main
    images:
      - ghcr.io/contoso/app:2.4.1
      - source: docker.io/library/busybox:1.37
        signed_by: []
"""

RETURN = r"""
changed:
  description:
    - Whether an import was started, a backup made or a registry lock set or, in check mode, would be. With O(lock=update), whether
      O(lock_file) was written or would be written.
  returned: always
  type: bool
  sample: true
results:
  description:
    - All targets, in the order of O(images), and, with O(images[].referrers=true), all referrers; with O(images[].quarantine),
      also what was imported into quarantine.
  returned: always, unless the task failed before anything was planned, and unless O(lock=update) or O(lock=check)
  type: list
  elements: dict
  contains:
    entry:
      description: The number of the entry in O(images), from 1. Of several entries that want the same, the first.
      type: int
      returned: always
      sample: 3
    image:
      description: Login server, repository and tag, or digest if it has no tag.
      type: str
      returned: always
      sample: contosoprod.azurecr.io/library/nginx:1.27
    source:
      description: The requested image, with its registry.
      type: str
      returned: always
      sample: docker.io/library/nginx:1.27
    digest:
      description:
        - The digest that it was verified to have. In check mode and with O(wait=false), the digest that it should get. Null if it
          failed.
        - With V(keep) or V(wait) as RV(results[].action), the digest that the target keeps, null if it doesn't exist. With
          O(images[].verify=false), null unless the source was given by digest and the image was imported.
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
        - With O(images[].quarantine), V(wait) if what it may get is too new, and V(quarantine) for what was imported into
          quarantine.
        - With O(images[].verify=false), a target that exists and isn't imported again is V(keep), since its digest isn't known.
      type: str
      returned: always
      sample: import
    backup:
      description: The image that holds RV(results[].previous_digest) now, or would in check mode.
      returned: when O(images[].backup) is given, and it was or would be moved
      type: str
      sample: contosoprod.azurecr.io/library/nginx:latest-previous
    immutable:
      description: That it is locked. In check mode, that it is or would be.
      returned: when O(images[].immutable=true), and it didn't fail
      type: bool
      sample: true
    waiting:
      description: The digest in quarantine that it may get next.
      type: str
      returned: when RV(results[].action) is V(wait)
      sample: sha256:9f3b1c5e0a7d4482b6cf13f2a6e8d5c4b79a0e1d2c3f4a5b6c7d8e9fa0b1c2d3
    ready_at:
      description:
        - When that will be old enough, in UTC. In the run that imports it into quarantine, an estimate.
      type: str
      returned: when RV(results[].action) is V(wait)
      sample: "2026-11-30T02:00:09Z"
    quarantined_at:
      description: When the digest that the target got from quarantine, or waits for, came into quarantine (UTC, by Azure's clock).
      type: str
      returned: when O(images[].quarantine) is given, it is promoted or waits, and an earlier run imported that digest
      sample: "2026-11-27T02:00:08Z"
    seconds:
      description: How long its import took.
      type: float
      returned: when it was imported
      sample: 2.31
    signature:
      description: The signature because of which the image was accepted.
      type: dict
      returned: when O(images[].signed_by) is given and the image is signed
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
    error:
      description: What failed, for which image, and what to do.
      type: str
      returned: when it failed
      sample: docker.io/library/nginx:9.9 does not exist.
    reason:
      description:
        - Why, as a word. If it failed, one of RV(reason).
        - Otherwise V(absent) if the target didn't exist, V(differs) if it had another digest than the source, V(equal) if it had
          the same, V(requested) if O(images[].if_exists=reimport) asked for the import, V(broken) if its content was missing,
          V(present) if it exists and O(images[].if_exists=keep), V(source_missing) if the source no longer has it and
          O(images[].if_source_missing=keep).
        - With O(images[].quarantine), V(promoted) if it was imported from there, V(new) if it has to wait or was imported into
          quarantine, V(returned) if it was imported into quarantine again since the source went back to it.
        - V(unverified) if O(images[].verify=false), so that nothing was compared.
      type: str
      returned: always
      sample: absent
    locked:
      description: Whether its digest is that of O(lock_file).
      type: bool
      returned: when it is
      sample: true
    note:
      description: What else there is to say of the target, such as that it was found to hold a digest that is O(blocked).
      type: str
      returned: when there is anything
      sample: >-
        library/nginx:1.26 was found to hold sha256:9f3b1c5e0a7d4482b6cf13f2a6e8d5c4b79a0e1d2c3f4a5b6c7d8e9fa0b1c2d3, which is
        blocked. Nothing was deleted: remove that digest yourself.
    operation:
      description: The name of Azure's import operation.
      type: str
      returned: when O(wait=false) and an import was started
      sample: registries-0b9a6a54-26d5-11f1-8a77-4ec2c3cbd35d
    size:
      description: The size of the image in bytes, as Azure reports it.
      type: int
      returned: when O(details=true), and it exists and can be read
      sample: 228854998
    platforms:
      description: The platforms that it supports.
      type: list
      elements: str
      returned: when O(details=true), and it exists and can be read
      sample: [linux/amd64, linux/arm64]
    created:
      description: When the digest came into the target's repository, by Azure's clock.
      type: str
      returned: when O(details=true), and it exists and can be read
      sample: "2026-06-11T19:11:38.7001063Z"
lock_changes:
  description: What O(lock=update) changes in O(lock_file), in its order.
  returned: when O(lock=update) or O(lock=check), unless an image can't be found or must not come in
  type: list
  elements: dict
  contains:
    image:
      description: Repository and tag of the target, or its repository if it has no tag.
      type: str
      returned: always
      sample: library/nginx:1.27
    source:
      description: The image, with its registry, and with the platform if only that is imported.
      type: str
      returned: always
      sample: docker.io/library/nginx:1.27
    digest:
      description: The digest that it has now. Null if O(images) no longer asks for it.
      type: str
      returned: always
      sample: sha256:9f3b1c5e0a7d4482b6cf13f2a6e8d5c4b79a0e1d2c3f4a5b6c7d8e9fa0b1c2d3
    previous_digest:
      description: The digest that the file held before. Null if it didn't hold the target.
      type: str
      returned: always
      sample: sha256:1d2c3f4a5b6c7d8e9fa0b1c2d39f3b1c5e0a7d4482b6cf13f2a6e8d5c4b79a0e
summary:
  description: The run in numbers.
  returned: always, unless the task failed before anything was planned, and unless O(lock=update) or O(lock=check)
  type: dict
  contains:
    targets:
      description: How many targets there are.
      type: int
      returned: always
      sample: 200
    imported:
      description: How many were absent and have been imported.
      type: int
      returned: always
      sample: 12
    updated:
      description: How many had another digest and have been updated.
      type: int
      returned: always
      sample: 3
    reimported:
      description: How many were right, but were imported again as requested.
      type: int
      returned: always
      sample: 0
    repaired:
      description: How many were damaged and have been imported again.
      type: int
      returned: always
      sample: 0
    unchanged:
      description: How many were already right.
      type: int
      returned: always
      sample: 184
    kept:
      description:
        - How many exist and were left alone because of O(images[].if_exists=keep), O(images[].if_source_missing=keep) or, without
          a look at their digests, O(images[].verify=false).
      type: int
      returned: always
      sample: 0
    quarantined:
      description: How many were imported into quarantine.
      type: int
      returned: always
      sample: 0
    waiting:
      description: How many wait for what is in quarantine.
      type: int
      returned: always
      sample: 0
    failed:
      description: How many failed.
      type: int
      returned: always
      sample: 1
    seconds:
      description: How long the run took.
      type: float
      returned: always
      sample: 5.2
    requests:
      description: How many requests were sent, to all registries and to Azure Resource Manager.
      type: int
      returned: always
      sample: 431
selections:
  description:
    - What each selection of O(images) chose among the tags of each repository, and what it dropped. With C(-v), Ansible shows it.
    - A repository all of whose tags were dropped causes a warning, or is a failure if the entry selects nothing at all.
  returned: always, unless nothing could be planned
  type: list
  elements: dict
  contains:
    entry:
      description: The number of the entry in O(images), from 1.
      type: int
      returned: always
      sample: 1
    source:
      description: The source repository, with its registry.
      type: str
      returned: always
      sample: docker.io/library/nginx
    selected:
      description: The selected tags, the oldest first.
      type: list
      elements: str
      returned: always
      sample: [1.26.3, 1.27.4]
    dropped:
      description: What dropped the other tags.
      type: list
      elements: dict
      returned: always
      contains:
        rule:
          description:
            - The option of O(images[].tags) that dropped them.
            - With O(images[].tags.semver) and O(images[].tags.newest), also V(version) for tags that aren't versions, V(number)
              for bare numbers of five or more digits, and V(suffix) for versions with a suffix that nothing asks for.
          type: str
          returned: always
          sample: suffix
        count:
          description: How many tags it dropped.
          type: int
          returned: always
          sample: 212
        tags:
          description: Some of them.
          type: list
          elements: str
          returned: always
          sample: [1.27.4-alpine, 1.27.4-perl]
reason:
  description:
    - Why the task failed, as a word to use in conditions.
    - V(invalid) if the options make no sense, V(sign_in) if signing in to Azure failed, V(unauthorized) if credentials are
      missing or wrong, V(denied) if a right is missing, V(firewall) if a firewall blocks this machine, V(not_found) if something
      doesn't exist.
    - V(exists) if a target holds something that must not be overwritten, V(locked) if it is locked, V(unsupported) if Azure can't
      import such an image, V(blocked) if O(blocked) keeps it out, V(unsigned) if none of O(images[].signed_by) has signed it,
      V(refused) if Azure or a registry refuses for another reason.
    - V(throttled) or V(unavailable) if it is temporary, V(unreachable) if there is no connection, V(certificate) if a TLS
      certificate isn't trusted, V(timeout) if the time limit was reached, V(protocol) if a response was invalid.
    - V(lost) if Azure calls an image imported but it isn't there, V(unknown) if the outcome of an import is unknown, V(stopped)
      if it wasn't started because another image failed.
    - V(outdated) if O(lock=check) and O(lock_file) isn't what O(lock=update) would write.
    - V(several) if images failed for different reasons; RV(results) has the reason of each.
  returned: failure
  type: str
  sample: not_found
status:
  description: The status of the HTTP response that caused the failure.
  returned: if the whole task failed because of such a response
  type: int
  sample: 404
"""

import json
import os
import re
import tempfile
import time
from typing import TYPE_CHECKING, Any, Callable, Dict, List, Optional

from ansible.module_utils.common.parameters import remove_values

from ..module_utils._arguments import LIST_ARGUMENTS, read_list
from ..module_utils._errors import UserError
from ..module_utils._module import run

if TYPE_CHECKING:
    from ..module_utils._azure import Azure
    from ..module_utils._lockfile import LockFile
    from ..module_utils._mirror import Mirror
    from ..module_utils._options import Entry

# The summary's names for what happened.
COUNTS = {
    "imported": "import",
    "updated": "update",
    "reimported": "reimport",
    "repaired": "repair",
    "unchanged": "none",
    "kept": "keep",
    "quarantined": "quarantine",
    "waiting": "wait",
    "failed": "failed",
}


def work(module: Any, azure: Azure) -> Dict[str, Any]:
    from ..module_utils import _progress
    from ..module_utils._lockfile import LockFile
    from ..module_utils._mirror import Mirror, Settings
    from ..module_utils._options import parse_entries

    params = module.params
    entries = parse_entries(
        params["images"],
        params["defaults"],
        params["credentials"],
        params["target_prefix"],
        azure.suffix,
        default_host=params["default_host"],
        registry=params["registry"],
        told=module.mistakes,
        blocked=params["blocked"],
    )
    settings = Settings(
        check=module.check_mode,
        wait=params["wait"],
        timeout=params["import_timeout"],
        stop_on_error=params["on_error"] == "stop",
        concurrency=params["concurrency"],
        notify=_progress.writer(),
        details=bool(params["details"] or params["report_html"] or params["report_json"]),
    )
    mirror = Mirror(azure, params["registry"], params["resource_group"], settings)
    lock: Optional[LockFile] = None
    if params["lock_file"]:
        text = _read(params["lock_file"], needed=params["lock"] != "update")
        lock = LockFile(params["lock_file"], text)
        if params["lock"] in ("update", "check"):
            return _resolve(module, mirror, entries, lock, text)
    report = mirror.run(entries, lock)
    for note in report.notes + (report.asides if module._verbosity else []):
        module.warn(note)
    results = report.numbered()
    summary: Dict[str, Any] = {"targets": len(results)}
    for name, action in COUNTS.items():
        summary[name] = sum(result["action"] == action for result in results)
    summary["seconds"] = round(report.seconds, 2)
    summary["requests"] = sum(report.requests.values())
    selections = [chosen.result() for chosen in report.selections]
    result = dict(report.result(), results=results, summary=summary, selections=selections)
    # As they were given, and not with each option that an entry doesn't set.
    result["invocation"] = {"module_args": {**params, "images": module.given["images"]}}
    if report.errors:
        others = "would be as they should be" if module.check_mode else "are as they should be"
        if not (module.check_mode or params["wait"]):
            others += ", or on their way"
        if any(found["reason"] == "unverified" for found in results):
            others += ", as far as can be said without verification"
        result["msg"] = _failures(results, "would fail" if module.check_mode else "failed", others)
    _write_reports(module, result)
    return result


def _resolve(module: Any, mirror: Mirror, entries: List[Entry], lock: LockFile, text: str) -> Dict[str, Any]:
    """Checks or writes the lock file, which holds *text* so far."""
    from ..module_utils._lockfile import text_of
    from ..module_utils._options import SHOWN_MISTAKES

    check = module.params["lock"] == "check"
    report, lines = mirror.resolve(entries, lock)
    for note in report.notes:
        module.warn(note)
    if report.errors:
        verb = f"can't be locked, so {lock.name} was not {'checked' if check else 'written'}"
        return dict(report.result(), msg=_failures(report.numbered(), verb, ""))
    changes = lock.changes(lines)
    result: Dict[str, Any] = {
        "changed": not check and text != text_of(lines),
        "diff": {"before": text, "after": text_of(lines), "before_header": lock.name, "after_header": lock.name},
        "lock_changes": [change.result() for change in changes],
        "selections": [chosen.result() for chosen in report.selections],
    }
    if check and changes:
        sentences = [f"{lock.name} is out of date. Run with lock: update, and review what changes.", *map(str, changes)]
        if len(changes) > SHOWN_MISTAKES:
            sentences[SHOWN_MISTAKES + 1 :] = [f"Changes that are not shown here: {len(changes) - SHOWN_MISTAKES}."]
        result.update(reason="outdated", msg="\n".join(sentences))
    if result["changed"] and not module.check_mode:
        handle, written = tempfile.mkstemp(dir=module.tmpdir)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text_of(lines))
        module.atomic_move(written, lock.name)
    return result


def _read(path: str, needed: bool) -> str:
    """The text of a lock file; none if it isn't *needed* and doesn't exist yet."""
    try:
        if needed or os.path.exists(path):
            with open(path, encoding="utf-8") as file:
                return file.read()
        if os.path.isdir(os.path.dirname(os.path.abspath(path))):
            return ""
        raise UserError(f"The lock file {path} can't be written: its folder doesn't exist.")
    except FileNotFoundError:
        raise UserError(f"The lock file {path} doesn't exist. Run with lock: update to write it.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"The lock file {path} can't be read: {error}") from None


def _write_reports(module: Any, result: Dict[str, Any]) -> None:
    """What can't be written is one more thing that failed."""
    from ..module_utils._page import page

    report = {
        "schema": "registryops.acr/mirror-report",
        "version": 1,
        "registry": module.params["registry"],
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "check_mode": module.check_mode,
        **{name: result[name] for name in ("changed", "summary", "results", "selections")},
    }
    makers: Dict[str, Callable[[Dict[str, Any]], str]] = {
        "report_html": page,
        "report_json": lambda of: json.dumps(of, indent=4, sort_keys=True),
    }
    for option in (name for name in makers if module.params[name]):
        path = module.params[option]
        try:
            with open(path, "w", encoding="utf-8", errors="replace") as file:
                file.write(makers[option](remove_values(report, module.no_log_values)))
            os.chmod(path, 0o644)
        except OSError as error:
            said = f"The report could not be written to {path}: {error.strerror}."
            result.update(msg="\n".join([result["msg"], said] if "msg" in result else [said]), reason=result.get("reason", "invalid"))


def _failures(results: List[Dict[str, Any]], verb: str, others: str) -> str:
    """Each image that failed once, by what is said of it, so that a sign-in that fails is reported once for all."""
    failed = [found for found in results if found["action"] == "failed"]
    images: Dict[str, List[Dict[str, Any]]] = {}
    for found in failed:
        # Each of Azure's answers has an ID of its own for its support: one of them will do.
        images.setdefault(re.sub(r"\bCorrelationId: \S+", "", found["error"]), []).append(found)
    lines = [
        f"{', '.join('{image} (entry {entry})'.format(**one) for one in some)}: {some[0]['error']}" for some in images.values()
    ]
    rest = f"; all others {others}" if others and len(failed) < len(results) else ""
    return "\n".join([f"{len(failed)} of {len(results)} targets {verb}{rest}.", *lines])


def main() -> None:
    run(
        {
            **LIST_ARGUMENTS,
            "default_host": {"type": "str"},
            "target_prefix": {"type": "str"},
            "lock_file": {"type": "path"},
            "lock": {"type": "str", "choices": ["use", "update", "check"]},
            "blocked": {"type": "list", "elements": "str"},
            "concurrency": {"type": "int", "default": 16},
            "on_error": {"type": "str", "default": "continue", "choices": ["continue", "stop"]},
            "details": {"type": "bool", "default": False},
            "report_html": {"type": "path"},
            "report_json": {"type": "path"},
            "wait": {"type": "bool", "default": True},
            "timeout": {"type": "int"},
            "import_timeout": {"type": "int", "default": 1800},
        },
        work,
        read=read_list,
        required_by={"lock": ["lock_file"]},
    )


if __name__ == "__main__":
    main()
