# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import subprocess
import typing as t
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._ssh import trust
from ansible_collections.openlab.research_server.plugins.module_utils._ssh.keys import KeyFormatError, parse


def keygen(*arguments: object) -> None:
    subprocess.run(["ssh-keygen", "-q", *map(str, arguments)], check=True, capture_output=True)


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("keys")
    for name in ("ca", "host", "ada"):
        keygen("-t", "ed25519", "-N", "", "-C", name, "-f", folder / name)
    keygen("-t", "rsa", "-b", 2048, "-N", "", "-C", "weak", "-f", folder / "weak")
    found = {name: (folder / f"{name}.pub").read_text().strip() for name in ("ca", "host", "ada", "weak")}
    for name, options in {
        "host": ["-h", "-n", "gpu1"],
        "expired": ["-h", "-n", "gpu1", "-V", "20200101:20200102"],
        "person": ["-n", "ada"],
    }.items():
        keygen("-s", folder / "ca", "-I", name, *options, folder / "host.pub")
        found[f"{name}-cert"] = Path(folder / "host-cert.pub").read_text().strip()
    keygen("-s", folder / "weak", "-h", "-n", "gpu1", "-I", "weak", folder / "host.pub")
    found["weak-cert"] = Path(folder / "host-cert.pub").read_text().strip()
    return found


@pytest.mark.parametrize(
    ("data", "says"),
    [
        ({}, ""),
        ({"authorities": ["ca"], "revoked": ["ada", "weak"], "host_certificates": ["host-cert"]}, ""),
        ({"principals": {"ada": ["staff", "ada"], "ops_2": ["a@b.c"]}}, ""),
        ({"authorities": ["weak"]}, "sshd_trusted_user_ca_keys, key 1: RSA key of 2048 bits is too short"),
        ({"authorities": ["ca", "nonsense"]}, "sshd_trusted_user_ca_keys, key 2: no known key type"),
        ({"authorities": ["options"]}, "sshd_trusted_user_ca_keys, key 1: found options"),
        ({"revoked": ["options"]}, "sshd_revoked_keys, key 1: found options"),
        ({"revoked": ["nonsense"]}, "sshd_revoked_keys, key 1: no known key type"),
        ({"authorities": ["ca"], "revoked": ["ca"]}, "also in sshd_trusted_user_ca_keys"),
        ({"principals": {"ada": []}}, "'ada': found []"),
        ({"principals": {"ada": "staff"}}, "'ada': found 'staff'"),
        ({"principals": {"ada": ["two words"]}}, "without blanks"),
        ({"principals": {"ada,!ops": ["x"]}}, "expected the name of an account"),
        ({"host_certificates": ["host"]}, "certificate 1: no certificate"),
        ({"host_certificates": ["person-cert"]}, "is the certificate of a person"),
        ({"host_certificates": ["expired-cert"]}, "expired on 2020-01-0"),
        ({"host_certificates": ["weak-cert"]}, "too short"),
    ],
)
def test_problems_are_named(lines: dict[str, str], data: dict[str, t.Any], says: str) -> None:
    texts = {**lines, "nonsense": "nonsense", "options": f'from="*" {lines["ada"]}'}
    values = {key: value if key == "principals" else [texts[name] for name in value] for key, value in data.items()}
    found = trust.problems(trust.Trust(**values))
    assert (says in found[0]) if says else found == []


def test_nothing_asked_for_is_nothing_set() -> None:
    empty = trust.Trust()
    assert (trust.settings(empty, {}), trust.matches(empty), trust.files(empty, "header", {})) == ({}, [], {})


def test_files_and_settings_belong_together(lines: dict[str, str]) -> None:
    wanted = trust.Trust(
        authorities=[lines["ca"]],
        principals={"ops": ["administrators", "ops"], "ada": ["ada"]},
        revoked=[lines["weak"]],
        host_certificates=[lines["host-cert"]],
    )
    certificates = trust.host_certificates(wanted, {"/etc/ssh/ssh_host_ed25519_key": lines["host"]})
    files = trust.files(wanted, "header", certificates)
    settings = trust.settings(wanted, certificates)
    assert settings == {
        "TrustedUserCAKeys": "/etc/ssh/research-server/trusted_user_ca_keys",
        "RevokedKeys": "/etc/ssh/research-server/revoked_keys",
        "HostCertificate": ["/etc/ssh/research-server/ssh_host_ed25519_key-cert.pub"],
    }
    assert trust.matches(wanted) == [
        {"criteria": "User ada,ops", "settings": {"AuthorizedPrincipalsFile": "/etc/ssh/research-server/principals.%u"}}
    ]
    assert set(files) == {
        settings["TrustedUserCAKeys"],
        settings["RevokedKeys"],
        *settings["HostCertificate"],
        "/etc/ssh/research-server/principals.ops",
        "/etc/ssh/research-server/principals.ada",
    }
    assert files["/etc/ssh/research-server/principals.ops"] == "# header\nadministrators\nops\n"
    assert trust.blobs(files[settings["TrustedUserCAKeys"]].splitlines()) == {parse(lines["ca"]).blob}


def test_a_certificate_for_another_hosts_key_is_refused(lines: dict[str, str]) -> None:
    wanted = trust.Trust(host_certificates=[lines["host-cert"]])
    with pytest.raises(KeyFormatError, match="expected a key of this host"):
        trust.host_certificates(wanted, {"/etc/ssh/ssh_host_ed25519_key": lines["ada"]})
    with pytest.raises(KeyFormatError, match="it has none yet"):
        trust.host_certificates(wanted, {})
