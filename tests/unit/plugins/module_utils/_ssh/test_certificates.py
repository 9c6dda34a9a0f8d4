# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates made by the real ssh-keygen."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._ssh import keys as ssh_keys
from ansible_collections.openlab.research_server.plugins.module_utils._ssh.certificates import parse_certificate


def keygen(*arguments: object) -> None:
    subprocess.run(["ssh-keygen", "-q", *map(str, arguments)], check=True, capture_output=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keys")
    for name, kind in (("ca", "ed25519"), ("ed25519", "ed25519"), ("rsa", "rsa"), ("ecdsa", "ecdsa")):
        keygen("-t", kind, *(("-b", 3072) if kind == "rsa" else ()), "-N", "", "-C", name, "-f", path / name)
    return path


def sign(folder: Path, name: str, *options: str) -> str:
    keygen("-s", folder / "ca", "-I", f"id of {name}", *options, folder / f"{name}.pub")
    return (folder / f"{name}-cert.pub").read_text()


@pytest.mark.parametrize("name", ["ed25519", "rsa"])
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["-h", "-n", "gpu1,gpu1.lab"], (True, ("gpu1", "gpu1.lab"), True)),
        (["-n", "ada", "-V", "-1h:+1h", "-O", "no-pty"], (False, ("ada",), False)),
        (["-z", "7"], (False, (), True)),
    ],
)
def test_a_certificate_is_read(folder: Path, name: str, options: list[str], expected: tuple[bool, tuple[str, ...], bool]) -> None:
    found = parse_certificate(sign(folder, name, *options))
    assert (found.host, found.principals, found.valid_before == 2**64 - 1) == expected
    assert found.key_id == f"id of {name}"
    assert found.key == ssh_keys.parse((folder / f"{name}.pub").read_text()).blob
    assert found.authority.blob == ssh_keys.parse((folder / "ca.pub").read_text()).blob


def test_what_is_no_certificate_is_named(folder: Path) -> None:
    good = sign(folder, "ed25519", "-n", "ada")
    kind, text = good.split()[:2]
    blob = base64.b64decode(text)
    wrong = {
        (folder / "ed25519.pub").read_text(): "no certificate",
        sign(folder, "ecdsa", "-n", "ada"): "no certificate",
        "": "no certificate",
        kind: "no certificate",
        f"{kind} !!!": "damaged",
        f"{kind} {base64.b64encode(blob[:60]).decode()}": "damaged",
        f"ssh-rsa-cert-v01@openssh.com {text}": "another",
    }
    for line, says in wrong.items():
        with pytest.raises(ssh_keys.KeyFormatError, match=says):
            parse_certificate(line)
