# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lab's own authority for certificates, in a folder of the controller. Its key never leaves it. Private to this collection.

cryptography comes with ansible-core, so no further collection has to be installed for it.
"""

from __future__ import annotations

import contextlib
import datetime
import fcntl
import os
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from ansible.errors import AnsibleActionFail

from .._files import replace

# Only where ansible-test looks whether files can be imported it is not there.
with contextlib.suppress(ImportError):
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CERTIFICATE = "ca.crt"
KEY = "ca.key"
# Which certificates people have: by it, one that is lost is found when nobody has its file any more.
PEOPLE = "people.txt"
# More than a year is not what Mozilla calls intermediate.
SERVER_DAYS = 365
PERSON_DAYS = 365
AUTHORITY_DAYS = 3650
# Clocks differ.
EARLIER = datetime.timedelta(hours=1)
RENEW = datetime.timedelta(days=30)


class Authority:
    """:param read: reads a file; one that is in a vault as what is in it."""

    def __init__(self, folder: Path, read: Callable[[str], bytes]) -> None:
        self.folder, self._read = folder, read

    @property
    def text(self) -> str:
        """Its certificate; empty if there is none yet."""
        path = self.folder / CERTIFICATE
        return path.read_text(encoding="ascii") if path.is_file() else ""

    def make(self) -> bool:
        """Make it if there is none; whether that was so. Several hosts may ask at once."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _locked(self.folder):
            if self.text:
                return False
            if (self.folder / KEY).exists():
                raise AnsibleActionFail(
                    f"proxy_ca_dir: found {self.folder / KEY} without {CERTIFICATE}; expected both or none. Bring the "
                    "certificate back, or put the key aside, for a new authority"
                )
            key = ec.generate_private_key(ec.SECP384R1())
            name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Research servers")])
            usage = {**dict.fromkeys(_USAGES, False), "key_cert_sign": True, "crl_sign": True}
            certificate = (
                _builder(name, name, key.public_key(), AUTHORITY_DAYS)
                .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
                .add_extension(x509.KeyUsage(**usage), critical=True)
                .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
                .sign(key, hashes.SHA384())
            )
            replace(self.folder / KEY, _key_text(key), 0o600)
            replace(self.folder / CERTIFICATE, _certificate_text(certificate), 0o644)
            return True

    def certify_server(self, public_key: str, names: Collection[str]) -> str:
        """For a key that a host says is its own. Nothing else that it says is in the certificate."""
        try:
            key = serialization.load_pem_public_key(public_key.encode())
        except ValueError as error:
            raise AnsibleActionFail(f"proxy: found no public key in what the host says; expected one: {error}") from error
        if not isinstance(key, ec.EllipticCurvePublicKey):
            raise AnsibleActionFail("proxy: found a public key of another kind in what the host says; expected one of a curve")
        alternatives = x509.SubjectAlternativeName([x509.DNSName(name) for name in names])
        return self._certify("server", key, SERVER_DAYS, ExtendedKeyUsageOID.SERVER_AUTH, alternatives)

    def certify_person(self, name: str) -> str:
        """A certificate, and the key that is made for it."""
        key = ec.generate_private_key(ec.SECP256R1())
        made = self._certify(name, key.public_key(), PERSON_DAYS, ExtendedKeyUsageOID.CLIENT_AUTH)
        own = x509.load_pem_x509_certificate(made.encode())
        with _locked(self.folder), (self.folder / PEOPLE).open("a", encoding="ascii") as stream:
            stream.write(f"{_serial(own)} {name} until {own.not_valid_after_utc:%Y-%m-%d}\n")
        return made + _key_text(key)

    def outdated(self, certificate: str, revoked: Collection[str] = ()) -> bool:
        """Whether a certificate ends soon, is none of this authority, or is revoked by its serial number."""
        try:
            own, issuer = (x509.load_pem_x509_certificate(text.encode()) for text in (certificate, self.text))
            own.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature):
            return True
        return _serial(own) in revoked or own.not_valid_after_utc - datetime.datetime.now(datetime.timezone.utc) < RENEW

    def _certify(
        self,
        name: str,
        key: ec.EllipticCurvePublicKey,
        days: int,
        purpose: x509.ObjectIdentifier,
        alternatives: x509.SubjectAlternativeName | None = None,
    ) -> str:
        issuer, signing = x509.load_pem_x509_certificate(self.text.encode()), self._key()
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        builder = (
            _builder(subject, issuer.subject, key, days)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.KeyUsage(**{**dict.fromkeys(_USAGES, False), "digital_signature": True}), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key()), critical=False)
        )
        if alternatives:
            builder = builder.add_extension(alternatives, critical=False)
        return _certificate_text(builder.sign(signing, hashes.SHA384()))

    def _key(self) -> ec.EllipticCurvePrivateKey:
        path = self.folder / KEY
        if not path.is_file():
            raise AnsibleActionFail(
                f"proxy_ca_dir: found no {path}; expected the key of the lab's authority, since a certificate has to be made. "
                "Run this where the key is, or give the server a certificate with proxy_certificate"
            )
        try:
            key = serialization.load_pem_private_key(self._read(str(path)), None)
        except (ValueError, TypeError) as error:
            raise AnsibleActionFail(f"proxy_ca_dir: found no key in {path}; expected that of the lab's authority") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise AnsibleActionFail(f"proxy_ca_dir: found a key of another kind in {path}; expected the one that the role made")
        return key


_USAGES = (
    *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
    *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
)


def _serial(certificate: x509.Certificate) -> str:
    """As OpenSSL and nginx write it: whole bytes."""
    digits = f"{certificate.serial_number:X}"
    return digits.zfill(len(digits) + len(digits) % 2)


def _key_text(key: ec.EllipticCurvePrivateKey) -> str:
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    return key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain).decode("ascii")


def _certificate_text(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode("ascii")


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, days: int) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.timezone.utc)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - EARLIER)
        .not_valid_after(now + datetime.timedelta(days=days))
    )


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
