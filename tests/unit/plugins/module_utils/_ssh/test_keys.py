# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest
import yaml
from ansible_collections.openlab.research_server.plugins.module_utils._ssh import keys as ssh_keys


def blob(*parts: bytes) -> str:
    return base64.b64encode(b"".join(len(part).to_bytes(4, "big") + part for part in parts)).decode()


def rsa(bits: int) -> str:
    modulus = b"\0" + ((1 << (bits - 1)) | 1).to_bytes((bits + 7) // 8, "big")
    return f"ssh-rsa {blob(b'ssh-rsa', (65537).to_bytes(3, 'big'), modulus)} me@rsa{bits}"


def ed25519(size: int = 32) -> str:
    return f"ssh-ed25519 {blob(b'ssh-ed25519', b'k' * size)} me@ed"


SK = f"sk-ssh-ed25519@openssh.com {blob(b'sk-ssh-ed25519@openssh.com', b'k' * 32, b'ssh:')} me@token"
ECDSA = f"ecdsa-sha2-nistp256 {blob(b'ecdsa-sha2-nistp256', b'nistp256', b'p' * 65)} me@ec"
DSA = f"ssh-dss {blob(b'ssh-dss', b'p' * 128, b'q' * 20, b'g' * 128, b'y' * 128)} me@dsa"
RESTRICTED = f'from="10.0.0.0/8,!10.0.0.9",command="echo \\"a b\\" #" {ed25519()}'


@pytest.mark.parametrize("line", [ed25519(), SK, rsa(3072), rsa(4096), RESTRICTED, f"restrict {ed25519()}", f"  {ed25519()}\n"])
def test_strong_keys_are_accepted(line: str) -> None:
    assert ssh_keys.problem(line) == ""


@pytest.mark.parametrize("word", ["your", "YouR", "xxxx", "insert", "replace", "changeMe"])
def test_the_letters_of_a_key_may_be_any(word: str) -> None:
    start = ed25519().split()[1][:28]
    assert ssh_keys.problem(f"ssh-ed25519 {(start + word).ljust(68, 'k')} me@ed") == ""


@pytest.mark.parametrize(
    ("line", "says"),
    [
        (rsa(2048), "RSA key of 2048 bits is too short"),
        (rsa(3071), "RSA key of 3071 bits"),
        (ECDSA, "key type ecdsa-sha2-nistp256 is not accepted"),
        (DSA, "key type ssh-dss is not accepted"),
        (f"restrict {rsa(1024)}", "RSA key of 1024 bits"),
        ("", "no known key type"),
        ("alice@example.org", "no known key type"),
        ("ssh-ed25519", "nothing follows"),
        ("ssh-ed25519 AAAA", "damaged"),
        ("ssh-ed25519 %%%", "damaged"),
        (ed25519()[:-20], "damaged"),
        (ed25519(31), "does not have 32 bytes"),
        (f"ssh-ed25519 {rsa(4096).split()[1]}", "the key itself says ssh-rsa"),
        (f"ssh-rsa {ECDSA.split()[1]}", "the key itself says ecdsa"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----", "private key"),
        (f"{ed25519()}\n{ed25519()}", "more than one line"),
        (f"{ed25519()} {rsa(3072)}", "two keys in one line"),
        (f"{ed25519().rsplit(' ', 1)[0]} restrict {ed25519()}", "two keys in one line"),
        (f"\ufeff{ed25519()}", "a byte-order mark (U+FEFF)"),
        ('---- BEGIN SSH2 PUBLIC KEY ----\nComment: "x"\nAAAA\n---- END SSH2 PUBLIC KEY ----', "PuTTY's block"),
        ("PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none", "a private key of PuTTY"),
        ("https://github.com/alice.keys", "a URL"),
        ("SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU", "the fingerprint"),
        ("256 SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU me (ED25519)", "the fingerprint"),
        ("16:27:ac:a5:76:28:2d:36:63:1b:56:4d:eb:df:a6:48", "the fingerprint"),
        ("~/.ssh/id_ed25519.pub", "a path"),
        ("/home/alice/.ssh/id_ed25519.pub", "a path"),
        ("id_ed25519.pub", "the name of a file"),
        (f"ssh-ed25519-cert-v01@openssh.com {ed25519().split()[1]} me", "a certificate"),
        (f"restrict ssh-ed25519-cert-v01@openssh.com {ed25519().split()[1]} me", "a certificate"),
        (f"restrict, pty {ed25519()}", "a blank after 'restrict,'"),
        ("ssh-ed25519 REPLACE-ME ops@controller", "the placeholder 'REPLACE-ME'"),
        ("ssh-ed25519 <your key> ops", "the placeholder '<your'"),
        ("ssh-ed25519 YOURKEY1 ops", "the placeholder 'YOURKEY1'"),
        ("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI... ops", "the placeholder"),
    ],
)
def test_other_lines_are_refused_with_the_reason(line: str, says: str) -> None:
    assert says in ssh_keys.problem(line)


def test_what_sshd_takes_for_a_key_is_read_as_one() -> None:
    """Who looks for keys in files of others must not be led past one by its comment."""
    assert ssh_keys.parse(f"{ed25519()} {rsa(3072)}").blob == ssh_keys.parse(ed25519()).blob


def test_a_comment_may_speak_of_keys() -> None:
    assert ssh_keys.problem(f"{ed25519()} in place of the old ssh-rsa key") == ""


def test_options_and_comment_are_kept() -> None:
    key = ssh_keys.parse(RESTRICTED)
    assert key.options == 'from="10.0.0.0/8,!10.0.0.9",command="echo \\"a b\\" #"'
    assert key.comment == "me@ed"
    assert key.line == RESTRICTED


@pytest.mark.parametrize(
    "options", [("-t", "ed25519"), ("-t", "rsa", "-b", "3072"), ("-t", "rsa", "-b", "2048"), ("-t", "ecdsa")]
)
def test_it_reads_keys_as_ssh_keygen_does(tmp_path: Path, options: tuple[str, ...]) -> None:
    path = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-N", "", "-C", "a b", *options, "-f", str(path)], check=True)
    listed = subprocess.run(["ssh-keygen", "-l", "-f", str(path)], check=True, capture_output=True, text=True).stdout.split()
    key = ssh_keys.parse(path.with_suffix(".pub").read_text())
    assert key.fingerprint == listed[1]
    assert key.comment == "a b"
    if key.type == "ssh-rsa":
        assert key.bits == int(listed[0])


def test_sshd_accepts_what_people_may_have() -> None:
    """Or a key that the role accounts installs would not open the door."""
    variables = yaml.safe_load((Path(__file__).parents[5] / "roles" / "sshd" / "vars" / "main.yml").read_text(encoding="utf-8"))
    signatures = {*variables["__sshd_signatures"], *variables["__sshd_user_signatures"]}
    assert {"rsa-sha2-512" if name == "ssh-rsa" else name for name in ssh_keys.STRONG_TYPES} <= signatures
