# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._nvidia.former_keys import read_former_keys
from ansible_collections.openlab.research_server.plugins.module_utils._nvidia.keyrings import key_ids

# The key that signs Debian 12, as Debian's keyring has it. NVIDIA's former key is in nobody's package any more.
KEYRING = bytes.fromhex(
    "98330463ceb95316092b06010401da470f0101074077b674b2bc2e86507a24a16471fe075384924bfc5c45fc04416ceb72b7fa004ab449"
    "44656269616e20537461626c652052656c65617365204b6579202831322f626f6f6b776f726d29203c64656269616e2d72656c65617365"
    "406c697374732e64656269616e2e6f72673e889604131608003e1621044d64fec119c2029067d6e791f8d2585b8783d481050263ceb953"
    "021b0305090f099c00050b0908070206150a09080b020416020301021e01021780000a0910f8d2585b8783d4814a0c0100ff6aa5e3b9cf"
    "5b399b80f8cf74dca83a35c1ecfa0cdc9adbb4165a81bfe2806c01008437c674d035da80f1dbc2bbec636b7d042b13f8f8274a7f5b8a86"
    "f05fb6c30e"
)
KEY = "f8d2585b8783d481"
ARMORED = (
    b"-----BEGIN PGP PUBLIC KEY BLOCK-----\nVersion: 1\n\n"
    + base64.encodebytes(KEYRING)
    + b"=aBcD\n-----END PGP PUBLIC KEY BLOCK-----\n"
)
# The same packet with a head of the new format, and one of another kind before it.
BODY = KEYRING[2 : 2 + KEYRING[1]]
NEW_FORMAT = b"\xcd\x02ab" + b"\xc6" + bytes([len(BODY)]) + BODY
LONG_HEADS = b"\x9a" + len(BODY).to_bytes(4, "big") + BODY + b"\xc6\xff" + len(BODY).to_bytes(4, "big") + BODY


@pytest.mark.parametrize(
    ("keyring", "ids"),
    [
        (KEYRING, [KEY]),
        (ARMORED, [KEY]),
        (ARMORED + ARMORED, [KEY, KEY]),
        (KEYRING + KEYRING, [KEY, KEY]),
        (NEW_FORMAT, [KEY]),
        (LONG_HEADS, [KEY, KEY]),
        (KEYRING[:20], []),
        (b"", []),
        (b"no keyring", []),
        (b"\x98", []),
        (b"\xc6\xf0abc", []),
        (b"-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nabc\n-----END PGP PUBLIC KEY BLOCK-----\n", []),
    ],
)
def test_keys_of_a_keyring(keyring: bytes, ids: list[str]) -> None:
    assert key_ids(keyring) == ids


def test_a_two_octet_length_is_read() -> None:
    # The signature that follows the key is longer than one octet can say in the new format.
    assert key_ids(b"\xcd\xc0\x08" + bytes(200) + NEW_FORMAT) == [KEY]


def test_keyrings_with_the_former_key_are_found(tmp_path: Path) -> None:
    folder = tmp_path / "etc/apt/trusted.gpg.d"
    folder.mkdir(parents=True)
    (folder / "cuda.gpg").write_bytes(KEYRING)
    (folder / "shared.asc").write_bytes(ARMORED)
    (folder / "folder.gpg").mkdir()
    (tmp_path / "etc/apt/trusted.gpg").write_bytes(b"")
    assert read_former_keys(tmp_path) == []
    found = read_former_keys(tmp_path, KEY)
    assert found == [
        {"path": "/etc/apt/trusted.gpg.d/cuda.gpg", "alone": True},
        {"path": "/etc/apt/trusted.gpg.d/shared.asc", "alone": True},
    ]
