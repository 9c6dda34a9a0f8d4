# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which keys a keyring of apt holds (RFC 9580, 4.2 "Packet Headers" and 5.5.4 "Key IDs"). Pure. Private to this collection."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator

ARMOR = re.compile(rb"-----BEGIN PGP PUBLIC KEY BLOCK-----.*?\r?\n\r?\n(.*?)\r?\n(?:=[^\n]*\n)?-----END", re.DOTALL)
PUBLIC_KEY = 6


def key_ids(keyring: bytes) -> list[str]:
    """Ids of the primary keys of version 4, 16 hexadecimal digits each; of what cannot be read, none."""
    found = []
    for block in _blocks(keyring):
        for tag, body in _packets(block):
            if tag == PUBLIC_KEY and body[:1] == b"\x04":
                digest = hashlib.sha1(b"\x99" + len(body).to_bytes(2, "big") + body, usedforsecurity=False).hexdigest()
                found.append(digest[-16:])
    return found


def _blocks(keyring: bytes) -> Iterator[bytes]:
    armored = ARMOR.findall(keyring)
    for text in armored:
        try:
            yield base64.b64decode(text)
        except binascii.Error:
            continue
    if not armored:
        yield keyring


def _packets(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and content of each packet, up to one whose length is not given or goes beyond the end."""
    at = 0
    while at < len(data) and data[at] & 0x80:
        head, at = data[at], at + 1
        if head & 0x40:
            tag, first = head & 0x3F, data[at : at + 1]
            kind = 1 if first < b"\xc0" else 2 if first < b"\xe0" else 5 if first == b"\xff" else 0
        else:
            tag, kind = (head >> 2) & 0x0F, (1, 2, 4, 0)[head & 3]
        if not kind or at + kind > len(data):
            return
        size, at = _length(data[at : at + kind], new=bool(head & 0x40)), at + kind
        if at + size > len(data):
            return
        yield tag, data[at : at + size]
        at += size


def _length(octets: bytes, *, new: bool) -> int:
    if new and len(octets) == 2:
        return ((octets[0] - 192) << 8) + octets[1] + 192
    return int.from_bytes(octets[1:] if new and len(octets) == 5 else octets, "big")
