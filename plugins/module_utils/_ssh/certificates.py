# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an OpenSSH certificate says. Pure. Private to this collection.

Format: OpenSSH's PROTOCOL.certkeys. The signature is not checked here; whoever logs in checks it.
"""

from __future__ import annotations

import base64
import binascii
import struct
from typing import NamedTuple

from .keys import KeyFormatError, PublicKey, parse

SUFFIX = "-cert-v01@openssh.com"
# Type of the plain key -> how many strings its public part has.
PARTS = {"ssh-ed25519": 1, "ssh-rsa": 2}
HOST = 2


class Certificate(NamedTuple):
    """One line of a ``-cert.pub`` file."""

    line: str
    key: bytes
    """The certified key, as its own ``.pub`` file has it."""
    host: bool
    """Whether it is for a host, not for a person."""
    key_id: str
    principals: tuple[str, ...]
    valid_before: int
    """Seconds since 1970."""
    authority: PublicKey
    """The key that signed it."""


def parse_certificate(text: str) -> Certificate:
    """Read one line; raise :class:`KeyFormatError` where it is no certificate of an ed25519 or RSA key."""
    fields = text.split(None, 2)
    plain = fields[0][: -len(SUFFIX)] if fields and fields[0].endswith(SUFFIX) else ""
    if plain not in PARTS or len(fields) < 2:
        raise KeyFormatError("no certificate of an ed25519 or RSA key; expected the line in the -cert.pub file")
    try:
        reader = _Reader(base64.b64decode(fields[1], validate=True))
        if reader.string() != fields[0].encode():
            raise KeyFormatError("the line says one type of certificate, the certificate itself another")
        reader.string()  # nonce
        key = _string(plain.encode()) + b"".join(_string(reader.string()) for _unused in range(PARTS[plain]))
        _serial, kind = reader.number(8), reader.number(4)
        key_id, names = reader.string().decode("utf-8", "replace"), _Reader(reader.string())
        principals = []
        while names.left:
            principals.append(names.string().decode("utf-8", "replace"))
        _valid_after, valid_before = reader.number(8), reader.number(8)
        for _unused in ("critical options", "extensions", "reserved"):
            reader.string()
        authority = reader.string()
    except (binascii.Error, ValueError, struct.error) as error:
        if isinstance(error, KeyFormatError):
            raise
        raise KeyFormatError("the base64 part of the certificate is damaged") from error
    return Certificate(
        line=" ".join(fields[:2]),
        key=key,
        host=kind == HOST,
        key_id=key_id,
        principals=tuple(principals),
        valid_before=valid_before,
        authority=parse(_line(authority)),
    )


class _Reader:
    """Takes a blob apart from the left (RFC 4251 section 5)."""

    def __init__(self, blob: bytes) -> None:
        self.left = blob

    def take(self, count: int) -> bytes:
        if count > len(self.left):
            raise ValueError("truncated")
        taken, self.left = self.left[:count], self.left[count:]
        return taken

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def string(self) -> bytes:
        return self.take(self.number(4))


def _string(text: bytes) -> bytes:
    return struct.pack(">I", len(text)) + text


def _line(blob: bytes) -> str:
    return f"{_Reader(blob).string().decode('ascii', 'replace')} {base64.b64encode(blob).decode()}"
