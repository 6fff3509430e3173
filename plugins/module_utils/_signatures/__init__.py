# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Signatures: what the bytes found beside an image prove, for those whose signatures are accepted. Pure: nothing is fetched.

Each format has a file of its own, which loads the libraries that it needs: few runs need any.
"""

from __future__ import annotations

import json
from importlib.util import find_spec
from typing import Any, Dict, Iterable, Iterator, Mapping, Tuple

from .._errors import UserError
from ._proof import SIGNED, Offer, Signature, Signer, Unproven, brief

__all__ = ["Offer", "Signature", "Signer", "Unproven", "accepted", "layers", "load", "may_count", "proven"]

_BUNDLE = "application/vnd.dev.sigstore.bundle"  # what the media types of all versions start with
# The other layers that hold signatures → their format.
_FORMATS = {
    "application/vnd.dev.cosign.simplesigning.v1+json": "simple",
    "application/jose+json": "jws",
    "application/cose": "cose",
}
# The artifact types of signatures → of which kinds of signers they may be. Those of others aren't even read.
_TYPES = {
    _BUNDLE: ("key", "keyless"),
    "application/vnd.dev.cosign.artifact.sig": ("key", "keyless"),
    "application/vnd.cncf.notary.signature": ("notation",),
    "application/vnd.oci.": ("key", "keyless", "notation"),  # says nothing about what it is
}
# What names a signer → what has to be said beside, and what may be.
_BESIDE: Dict[str, Tuple[Tuple[str, ...], Tuple[str, ...]]] = {
    "key": ((), ("repository",)),
    "issuer": (("identity",), ("repository", "trust_root")),
    "certificate": (("subject",), ()),
}


def accepted(options: Mapping[str, Any]) -> Signer:
    """The signer that an entry of ``signed_by`` describes. UserError if it makes no sense."""
    given = {name: value for name, value in options.items() if value}
    names = [name for name in _BESIDE if name in given]
    if len(names) != 1:
        raise UserError("signed_by: each signer needs one of key, issuer (with identity) and certificate (with subject).")
    (name,) = names
    needed, possible = _BESIDE[name]
    for other in needed:
        if other not in given:
            raise UserError(f"signed_by: a signer with {name} needs {other}, too.")
    for other in given:
        if other not in (name, *needed, *possible):
            raise UserError(f"signed_by: {other} means nothing beside {name}; leave it out.")
    if "trust_root" in given:
        if not str(given["trust_root"].get("mediaType")).startswith("application/vnd.dev.sigstore.trustedroot+json"):
            raise UserError("signed_by: trust_root isn't the content of a trusted_root.json.")
        given["trust_root"] = json.dumps(given["trust_root"], sort_keys=True)
    signer = Signer(**given)
    if signer.issuer:
        if find_spec("sigstore") is None:  # it takes long to load, and does so while registries are asked
            raise ImportError(name="sigstore")
    else:
        from ._certificates import check

        check(signer)
    return signer


def may_count(signers: Iterable[Signer], descriptor: Mapping[str, Any]) -> bool:
    """Whether what a listing describes may be a signature of one of *signers*; it may if the listing doesn't say what it is."""
    kind, annotations = str(descriptor.get("artifactType") or "application/vnd.oci."), descriptor.get("annotations")
    predicate = annotations.get("dev.sigstore.bundle.predicateType") if isinstance(annotations, dict) else None
    kinds = [kinds for start, kinds in _TYPES.items() if kind.startswith(start)]
    return predicate in (None, SIGNED) and any(signer.kind in of for of in kinds for signer in signers)


def layers(manifest: Mapping[str, Any]) -> Iterator[Tuple[str, str, Dict[str, str]]]:
    """The layers of a manifest that hold signatures: their formats, digests and annotations."""
    found = manifest.get("layers")
    for layer in found if isinstance(found, list) else []:
        if isinstance(layer, dict):
            media_type, annotations = str(layer.get("mediaType")), layer.get("annotations")
            form = "bundle" if media_type.startswith(_BUNDLE) else _FORMATS.get(media_type)
            if form:
                yield form, str(layer.get("digest")), annotations if isinstance(annotations, dict) else {}


def proven(offer: Offer, signers: Iterable[Signer], digest: str, now: float) -> Signature:
    """What a signature proves about the manifest *digest*: that one of *signers* signed it. Unproven, with the reason, if not.
    ImportError or UserError if that can't be known.

    *now*: in seconds since 1970.
    """
    why: Dict[str, None] = {}
    for signer in signers:
        if (signer.kind == "notation") != (offer.format in ("jws", "cose")):
            continue
        try:
            return _proven(offer, signer, digest, now)
        except Unproven as error:
            why[str(error)] = None
        except (ImportError, UserError):
            raise
        except Exception as error:  # libraries raise all kinds of it for what isn't what it should be
            why[f"it can't be verified ({brief(error)})"] = None
    raise Unproven(" and ".join(why) or "nobody is accepted who signs this way")


def _proven(offer: Offer, signer: Signer, digest: str, now: float) -> Signature:
    if offer.format == "bundle":
        from . import _bundle

        return _bundle.prove(offer, signer, digest)
    if offer.format == "simple":
        from . import _cosign

        return _cosign.prove(offer, signer, digest)
    from . import _notation

    return _notation.prove(offer, signer, digest, now)


def load(signers: Iterable[Signer]) -> None:
    """Loads ahead what it takes long to load for *signers*. What is wrong with it is told by `proven`."""
    for signer in signers:
        if signer.issuer:
            from ._sigstore import instance

            instance(signer.trust_root)
