# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A Sigstore instance: its root of trust, and whom its certificates name."""

from __future__ import annotations

import fnmatch
import functools
import json
import struct
from datetime import timezone
from importlib.resources import files
from typing import TYPE_CHECKING, Any, List, NamedTuple
from urllib.parse import quote

from .._errors import UserError
from ._certificates import key_hash
from ._proof import Signer, Unproven, brief

if TYPE_CHECKING:
    from cryptography import x509

PUBLIC = "https://tuf-repo-cdn.sigstore.dev"  # whose root of trust comes with the library
_ISSUER, _OLD_ISSUER = (f"1.3.6.1.4.1.57264.1.{number}" for number in (8, 1))


class Instance(NamedTuple):
    """*authorities* issue certificates, *log* lists signatures, and *certificate_log* certificates; both as sets of keys."""

    verifier: Any
    authorities: List[x509.Certificate]
    log: Any
    certificate_log: Any


@functools.lru_cache(maxsize=None)
def instance(trust_root: str) -> Instance:
    """The one whose root of trust this is (JSON); the public one for an empty text. UserError if it can't be read."""
    from sigstore.models import ClientTrustConfig, KeyringPurpose
    from sigstore.verify import Verifier

    text = trust_root or (files("sigstore") / "_store" / quote(PUBLIC, safe="") / "trusted_root.json").read_text()
    config = {
        "mediaType": ClientTrustConfig.ClientTrustConfigType.CONFIG_0_1.value,
        "trustedRoot": json.loads(text),
        "signingConfig": {"mediaType": "application/vnd.dev.sigstore.signingconfig.v0.2+json"},  # nothing is signed
    }
    keys = KeyringPurpose.VERIFY
    try:
        root = ClientTrustConfig.from_json(json.dumps(config)).trusted_root
        return Instance(Verifier(trusted_root=root), root.get_fulcio_certs(), root.rekor_keyring(keys), root.ct_keyring(keys))
    except Exception as error:  # whatever the library raises for it
        raise UserError(f"signed_by: trust_root isn't the content of a trusted_root.json ({brief(error)}).") from None


class Accepted:
    """The policy, as Sigstore's verifier asks it: a certificate has to name the identity of *signer*. *identity*: the one that it
    names."""

    def __init__(self, signer: Signer) -> None:
        self._signer = signer
        self.identity = ""

    def verify(self, certificate: x509.Certificate) -> None:
        issuer, names = _issuer(certificate), _names(certificate)
        matching = [name for name in names if fnmatch.fnmatchcase(name, self._signer.identity)]
        if issuer != self._signer.issuer or not matching:
            raise Unproven(f"it is of {' and '.join(names) or 'nobody'} (of {issuer or 'no issuer'})")
        self.identity = matching[0]


def _issuer(certificate: x509.Certificate) -> str:
    """Who vouched for the identity."""
    values = {extension.oid.dotted_string: extension.value for extension in certificate.extensions}
    if _ISSUER not in values:
        return str(values[_OLD_ISSUER].value, "utf-8") if _OLD_ISSUER in values else ""
    text = values[_ISSUER].value  # in DER
    return str(text[2 + (text[1] & 127 if text[1] & 128 else 0):], "utf-8")


def _names(certificate: x509.Certificate) -> List[str]:
    from cryptography.x509 import RFC822Name, SubjectAlternativeName, UniformResourceIdentifier

    names = certificate.extensions.get_extension_for_class(SubjectAlternativeName).value
    return names.get_values_for_type(RFC822Name) + names.get_values_for_type(UniformResourceIdentifier)


def check_listed(trust: Instance, certificate: x509.Certificate, issuer: x509.Certificate) -> None:
    """An error unless the log of certificates has promised to list *certificate* (RFC 6962)."""
    from cryptography.x509 import PrecertificateSignedCertificateTimestamps

    (promise,) = certificate.extensions.get_extension_for_class(PrecertificateSignedCertificateTimestamps).value
    body = certificate.tbs_precertificate_bytes
    signed = struct.pack(
        f"!BBQH32s3s{len(body)}sH{len(promise.extension_bytes)}s",
        promise.version.value,
        0,  # a certificate's timestamp
        round(promise.timestamp.replace(tzinfo=timezone.utc).timestamp() * 1000),
        promise.entry_type.value,
        key_hash(issuer.public_key()),
        len(body).to_bytes(3, "big"),
        body,
        len(promise.extension_bytes),
        promise.extension_bytes,
    )
    trust.certificate_log.verify(key_id=promise.log_id, signature=promise.signature, data=signed)
