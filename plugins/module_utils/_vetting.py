# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Vets images: finds their signatures in the source registry, and has them verified before anything is imported."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import Dict, Iterator, Optional, Tuple

from ._errors import AcrError, UserError
from ._manifest import Manifest
from ._plan import Item, Origin
from ._reference import TAG_CHARACTERS
from ._refusals import nothing_there
from ._signatures import Offer, Signature, Signer, Unproven, layers, may_count, proven
from ._source import Source

MOST = 200  # signatures of one image that are looked at; more are somebody's mistake, or an attack
SHOWN = 3  # reasons that an error gives
# What is wrong with one signature alone: another one may do.
SPOILT = frozenset(["not_found", "protocol", "unsupported"])


class Vetting:
    """Vets the images of one source, each signature read once. *now*: in seconds since 1970. Shared by threads."""

    def __init__(self, source: Source, now: float) -> None:
        self._registry = source.registry
        self._now = now
        self._lock = threading.Lock()
        self._answers: Dict[Tuple[object, ...], Future[Signature]] = {}  # by what was asked
        self._manifests: Dict[str, Manifest] = {}
        self._blobs: Dict[str, bytes] = {}

    def signature(self, origin: Origin, signers: Tuple[Signer, ...]) -> Signature:
        """That of one of *signers* over the manifest of *origin*, or over the index that lists it as its platform's. AcrError
        ``unsigned`` if there is none, or what keeps us from knowing.
        """
        question = (origin.key, origin.platform and (origin.parent or origin.tag), signers)
        with self._lock:
            asked_before = question in self._answers
            answer = self._answers.setdefault(question, Future())
        if not asked_before:
            try:
                answer.set_result(self._look(origin, signers))
            except Exception as error:
                answer.set_exception(error)
        return answer.result()

    def _look(self, origin: Origin, signers: Tuple[Signer, ...]) -> Signature:
        why: Dict[str, Optional[AcrError]] = {}
        try:
            found = self._registry.confirmed(lambda: self._find(origin, signers, why))
        except ImportError as error:
            library = str(error.name or error).partition(".")[0]
            raise AcrError("invalid", f"The Python library {library} is missing, or too old.") from None
        except UserError as error:
            raise AcrError("invalid", str(error)) from None
        if found is None:
            doubt, reasons = next(filter(None, why.values()), None), "; ".join(list(why)[:SHOWN])
            says = f"It has a signature, but {reasons}." if why else "No signature of it was found."
            raise doubt or AcrError("unsigned", says)
        return found

    def _find(self, origin: Origin, signers: Tuple[Signer, ...], why: Dict[str, Optional[AcrError]]) -> Optional[Signature]:
        """The signature; None if there is none so far. *why*: what is wrong with those that there are → what keeps us from
        knowing that."""
        why.clear()
        for subject in self._subjects(origin):
            for offer in self._offers(origin.repository, subject, signers, why):
                try:
                    return proven(offer, signers, subject, self._now)
                except Unproven as error:
                    why[str(error)] = None
        return None

    def _subjects(self, origin: Origin) -> Iterator[str]:
        """The digests whose signatures count for an image."""
        yield origin.digest or ""
        named = origin.parent or origin.tag  # which index a digest of a lock file is from, only the tag may tell
        if origin.platform and named:
            try:
                index = self._registry.manifest(origin.repository, named)
            except AcrError as error:
                if origin.parent or not nothing_there(error):
                    raise
                return
            if origin.digest in [child["digest"] for child in index.children()]:
                yield index.descriptor.digest

    def _offers(self, repository: str, digest: str, signers: Tuple[Signer, ...], why: Dict[str, Optional[AcrError]]) -> Iterator[Offer]:
        """What may be signatures of a manifest, as far as they can be read."""
        for count, (form, blob, notes) in enumerate(self._layers(repository, digest, signers, why)):
            if count == MOST:
                raise AcrError("refused", f"It has more than {MOST} signatures.")
            try:
                yield Offer(form, self._blob(repository, blob), notes)
            except AcrError as error:
                self._spoilt(error, why)

    def _layers(
        self, repository: str, digest: str, signers: Tuple[Signer, ...], why: Dict[str, Optional[AcrError]]
    ) -> Iterator[Tuple[str, str, Dict[str, str]]]:
        _found_by, listed = self._registry.referrers(repository, digest)
        for descriptor in listed:
            if may_count(signers, descriptor):
                try:
                    yield from layers(self._manifest(repository, str(descriptor.get("digest"))).json())
                except AcrError as error:
                    self._spoilt(error, why)
        tag = f"{digest.replace(':', '-')}.sig"
        if len(tag) <= TAG_CHARACTERS and any(signer.kind != "notation" for signer in signers):
            try:
                yield from layers(self._manifest(repository, tag).json())
            except AcrError as error:
                if not nothing_there(error):
                    self._spoilt(error, why)

    @staticmethod
    def _spoilt(error: AcrError, why: Dict[str, Optional[AcrError]]) -> None:
        """Notes what is wrong with one signature; raises what concerns all of them."""
        if error.reason not in SPOILT:
            raise error
        # That something in front of a registry answers says nothing of the signature: another one may do, but none may be missed.
        why[f"it can't be read ({error})"] = error if error.reason == "protocol" and error.status else None

    def _manifest(self, repository: str, reference: str) -> Manifest:
        if reference in self._manifests:
            return self._manifests[reference]
        found = self._registry.manifest(repository, reference)
        self._manifests[found.descriptor.digest] = found
        return found

    def _blob(self, repository: str, digest: str) -> bytes:
        if digest not in self._blobs:
            self._blobs[digest] = self._registry.blob(repository, digest)
        return self._blobs[digest]


def refusal(item: Item, error: AcrError) -> AcrError:
    """What an item fails with if it isn't signed, or that isn't known, because of *error*."""
    origin, signers = item.desired.origin, " or ".join(map(str, item.desired.rules.signed_by))
    if error.reason != "unsigned":
        return error.but(f"Whether {origin} is signed by {signers} can't be known, so it wasn't imported: {error}")
    left = f" {item.target} has it already, and was left alone." if item.before == origin.digest else ""
    return error.but(f"{origin} ({origin.digest}) isn't signed by {signers}, so it wasn't imported. {error}{left}")
