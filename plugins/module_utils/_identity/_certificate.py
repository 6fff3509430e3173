# Copyright (c) 2026 registryops.acr contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A service principal with a certificate (PEM or PKCS12, with its key)."""

from __future__ import annotations

from typing import Any, Dict

NAME = "a service principal's certificate"
NEEDS = ("client_id", "x509_certificate_path", "tenant")


def credential(values: Dict[str, Any], common: Dict[str, Any]) -> Any:
    from azure.identity import CertificateCredential
    from cryptography.exceptions import UnsupportedAlgorithm

    try:
        return CertificateCredential(
            values["tenant"],
            values["client_id"],
            values["x509_certificate_path"],
            password=values.get("x509_certificate_password"),
            **common
        )
    except (TypeError, UnsupportedAlgorithm) as error:  # for example because a password is missing, or not needed
        raise ValueError(str(error)) from None
