# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import datetime
import stat
from pathlib import Path

import pytest
from ansible.errors import AnsibleActionFail
from ansible_collections.openlab.research_server.plugins.plugin_utils._proxy.authority import Authority
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

PUBLIC = (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    made = Authority(tmp_path / "ca", lambda path: Path(path).read_bytes())
    assert made.make()
    return made


def public(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> str:
    return key.public_key().public_bytes(*PUBLIC).decode()


def usages(certificate: x509.Certificate) -> list[x509.ObjectIdentifier]:
    return list(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)


def test_it_is_made_once_and_its_key_is_its_owners(authority: Authority) -> None:
    before = authority.text
    assert not authority.make() and authority.text == before
    assert stat.S_IMODE((authority.folder / "ca.key").stat().st_mode) == 0o600
    own = x509.load_pem_x509_certificate(before.encode())
    limits = own.extensions.get_extension_for_class(x509.BasicConstraints)
    assert limits.critical and limits.value.ca and limits.value.path_length == 0


def test_a_server_gets_the_names_that_the_inventory_says_and_no_more(authority: Authority) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    made = x509.load_pem_x509_certificate(authority.certify_server(public(key), ["lab.example.org", "lab"]).encode())
    made.verify_directly_issued_by(x509.load_pem_x509_certificate(authority.text.encode()))
    names = made.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["lab.example.org", "lab"]
    assert made.public_key() == key.public_key()
    assert usages(made) == [ExtendedKeyUsageOID.SERVER_AUTH], "it opens nobody's path"
    assert not made.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    days = (made.not_valid_after_utc - datetime.datetime.now(datetime.timezone.utc)).days
    assert 360 < days < 366


@pytest.mark.parametrize("said", ["", "nonsense", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", None])
def test_a_host_may_say_what_it_likes(authority: Authority, said: str | None) -> None:
    text = public(rsa.generate_private_key(65537, 2048)) if said is None else said
    with pytest.raises(AnsibleActionFail, match="public key"):
        authority.certify_server(text, ["lab"])


def test_a_persons_certificate_is_written_down_and_can_be_revoked(authority: Authority) -> None:
    made = [authority.certify_person(name) for name in ("ada", "ada", "bob")]
    lines = (authority.folder / "people.txt").read_text().splitlines()
    assert [line.split()[1] for line in lines] == ["ada", "ada", "bob"]
    serials = [line.split()[0] for line in lines]
    assert [int(serial, 16) for serial in serials] == [
        x509.load_pem_x509_certificate(text.encode()).serial_number for text in made
    ]
    assert all(len(serial) % 2 == 0 and serial == serial.upper() for serial in serials)
    assert [authority.outdated(text, serials[:1]) for text in made] == [True, False, False]


def test_without_its_key_nothing_is_certified(authority: Authority) -> None:
    key = authority.folder / "ca.key"
    text = key.read_text()
    host = public(ec.generate_private_key(ec.SECP256R1()))
    key.write_text("$ANSIBLE_VAULT;1.1;AES256\n3132\n")
    with pytest.raises(AnsibleActionFail, match="found no key in"):
        authority.certify_server(host, ["lab"])
    key.unlink()
    with pytest.raises(AnsibleActionFail, match="expected the key of the lab's authority"):
        authority.certify_server(host, ["lab"])
    # A key that is read through a vault.
    key.write_text("locked")
    assert Authority(authority.folder, lambda _path: text.encode()).certify_server(host, ["lab"])


def test_half_an_authority_is_not_replaced(authority: Authority) -> None:
    (authority.folder / "ca.crt").unlink()
    with pytest.raises(AnsibleActionFail, match=r"without ca\.crt"):
        authority.make()
