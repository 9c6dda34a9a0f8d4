# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import datetime

import pytest
from ansible_collections.openlab.research_server.plugins.plugin_utils._proxy.certificate import problems, warnings
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

NOW = datetime.datetime(2026, 6, 1, tzinfo=datetime.timezone.utc)
DAY = datetime.timedelta(days=1)
NAMES = ["lab.example.org"]
KEY = ec.generate_private_key(ec.SECP256R1())


def text_of(key: ec.EllipticCurvePrivateKey) -> str:
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return key.private_bytes(*form).decode()


def certificate(begin: int = -10, end: int = 100, names: tuple[str, ...] = ("lab.example.org",)) -> str:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "x")])
    builder = x509.CertificateBuilder(name, name, KEY.public_key(), 7, NOW + begin * DAY, NOW + end * DAY)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(one) for one in names]), critical=False)
    return builder.sign(KEY, hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()


@pytest.mark.parametrize(
    ("own", "key", "says"),
    [
        (certificate(), text_of(KEY), ""),
        (certificate(names=("*.example.org",)), text_of(KEY), ""),
        (certificate() + certificate(end=-5), text_of(KEY), ""),
        (certificate(), text_of(ec.generate_private_key(ec.SECP256R1())), "a key that does not fit"),
        (certificate(end=-1), text_of(KEY), "one that ended on 2026-05-31"),
        (certificate(begin=5), text_of(KEY), "one that begins on 2026-06-06"),
        (certificate(names=("other.example.org",)), text_of(KEY), "found no lab.example.org in it"),
        (certificate(names=("*.org",)), text_of(KEY), "found no lab.example.org in it"),
        (certificate(names=()), text_of(KEY), "found no lab.example.org in it"),
        (certificate(), "", "found no proxy_certificate_key beside it"),
        ("", text_of(KEY), "found no proxy_certificate beside it"),
        ("x", "y", "something else than a certificate and a key"),
        (text_of(KEY), certificate(), "something else than a certificate and a key"),
    ],
)
def test_what_does_not_fit_is_told(own: str, key: str, says: str) -> None:
    found = problems(own, key, NAMES, NOW)
    assert len(found) == bool(says) and says in " ".join(found)
    assert not any("PRIVATE KEY-----\n" in line for line in found)


def test_an_end_that_comes_is_told_a_month_before() -> None:
    assert warnings(certificate(end=31), NOW) == []
    assert warnings(certificate(end=29), NOW) == ["proxy_certificate: ends on 2026-06-30, in 29 days; renew it"]
