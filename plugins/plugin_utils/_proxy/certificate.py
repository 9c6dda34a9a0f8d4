# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with a certificate that the lab has from elsewhere. Pure. Private to this collection."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Collection

# ansible-core needs it, too; only where ansible-test looks whether files can be imported it is not there.
with contextlib.suppress(ImportError):
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization

SOON = datetime.timedelta(days=30)


def problems(certificate: str, key: str, names: Collection[str], now: datetime.datetime) -> list[str]:
    """One sentence for each; none has anything of the key in it."""
    if not certificate or not key:
        found, other = (
            ("proxy_certificate", "proxy_certificate_key") if certificate else ("proxy_certificate_key", "proxy_certificate")
        )
        return [f"{found}: found no {other} beside it; expected both, or none for a certificate of the lab's own authority"]
    try:
        chain = x509.load_pem_x509_certificates(certificate.encode())
        private = serialization.load_pem_private_key(key.encode(), None)
    except (ValueError, TypeError):
        return [
            "proxy_certificate, proxy_certificate_key: found something else than a certificate and a key without a password; "
            "expected the text of both files, '-----BEGIN CERTIFICATE-----' and '-----BEGIN PRIVATE KEY-----' in it; correct them"
        ]
    own = chain[0]
    sentences = []
    if own.public_key() != private.public_key():
        sentences.append(
            "proxy_certificate_key: found a key that does not fit the certificate; expected the one that it was made for. The "
            "server's own certificate comes first in proxy_certificate, those above it after it"
        )
    if own.not_valid_after_utc <= now:
        sentences.append(
            f"proxy_certificate: found one that ended on {own.not_valid_after_utc:%Y-%m-%d}; expected one that is valid; renew it"
        )
    if own.not_valid_before_utc > now:
        sentences.append(
            f"proxy_certificate: found one that begins on {own.not_valid_before_utc:%Y-%m-%d}; expected one that is valid today"
        )
    missing = sorted(name for name in names if not _covers(_names(own), name))
    if missing:
        sentences.append(
            f"proxy_certificate: found no {', no '.join(missing)} in it; expected all of proxy_names; get one for all of them, "
            "or take the name out of proxy_names"
        )
    return sentences


def warnings(certificate: str, now: datetime.datetime) -> list[str]:
    end = x509.load_pem_x509_certificate(certificate.encode()).not_valid_after_utc
    return [f"proxy_certificate: ends on {end:%Y-%m-%d}, in {(end - now).days} days; renew it"] if end - now < SOON else []


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    return [name.lower() for name in extension.value.get_values_for_type(x509.DNSName)]


def _covers(patterns: Collection[str], name: str) -> bool:
    """A star stands for the first part of a name (RFC 6125)."""
    return name in patterns or f"*.{name.partition('.')[2]}" in patterns
