# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a line of ``authorized_keys`` says, and whether its key may be used. Private to this collection.

Format of the line: sshd(8), "AUTHORIZED_KEYS FILE FORMAT". Format of the key: RFC 4253 section 6.6 (RSA),
RFC 8709 (Ed25519), OpenSSH's PROTOCOL.u2f (security keys).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Sequence
from typing import NamedTuple

from . import key_options
from .key_options import Option

RSA_MINIMUM_BITS = 3072

# Everything else is refused: DSA and short RSA are broken or close to it, ECDSA on NIST curves fails on weak nonces.
STRONG_TYPES = (
    "ssh-ed25519",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
    "ssh-rsa",
)
KNOWN_TYPES = (
    *STRONG_TYPES,
    "ssh-dss",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
)
# What people give in place of the line of a .pub file, how it begins, and what to do.
_NOT_A_KEY = (
    ("\ufeff", "a byte-order mark (U+FEFF) before the key; save the file as UTF-8 without it"),
    ("-----BEGIN", "a private key or another file format; expected the line in the .pub file"),
    ("---- BEGIN SSH2", "PuTTY's block; copy what PuTTYgen shows as 'Public key for pasting into OpenSSH authorized_keys file'"),
    ("PuTTY-User-Key-File", "a private key of PuTTY; copy what PuTTYgen shows as 'Public key for pasting'"),
    ("http://", "a URL; expected the line that stands there"),
    ("https://", "a URL; expected the line that stands there"),
    ("SHA256:", "the fingerprint of a key; expected the line in the .pub file"),
    ("MD5:", "the fingerprint of a key; expected the line in the .pub file"),
    ("/", "a path; expected the line in that file: lookup('ansible.builtin.file', '...') reads it"),
    ("~", "a path; expected the line in that file: lookup('ansible.builtin.file', '...') reads it"),
    ("./", "a path; expected the line in that file: lookup('ansible.builtin.file', '...') reads it"),
)
# "256 SHA256:... comment", as ssh-keygen -l prints it.
_FINGERPRINT = re.compile(r"\d+ (?:SHA256|MD5):|(?:[0-9a-f]{2}:){15}[0-9a-f]{2}\b")
_PLACEHOLDER = re.compile(r"replace|change.?me|insert|your|xxxx|\.\.\.|<|\{", re.IGNORECASE)
# A key in the comment of another one: sshd reads the first alone.
_ANOTHER_KEY = re.compile(rf"(?:^|\s)(?:{'|'.join(map(re.escape, KNOWN_TYPES))})\s+AAAA")
CERTIFICATE = "-cert-v01@openssh.com"
EXPECTED = f"ed25519, a security key (sk-*), or RSA with at least {RSA_MINIMUM_BITS} bits"


class KeyFormatError(ValueError):
    """The line is not a public key that sshd would read."""


class PublicKey(NamedTuple):
    """One line of ``authorized_keys``."""

    options: str
    type: str
    blob: bytes
    comment: str
    bits: int
    """Size of the modulus; 0 for key types of one size only."""

    @property
    def fingerprint(self) -> str:
        """As ``ssh-keygen -l`` prints it."""
        digest = base64.b64encode(hashlib.sha256(self.blob).digest()).decode().rstrip("=")
        return f"SHA256:{digest}"

    @property
    def restrictions(self) -> tuple[Option, ...]:
        """The options, taken apart."""
        return key_options.parse(self.options)

    @property
    def line(self) -> str:
        """The normalised line."""
        parts = (self.options, self.type, base64.b64encode(self.blob).decode(), self.comment)
        return " ".join(part for part in parts if part)


def parse(line: str) -> PublicKey:
    """Read one line; raise :class:`KeyFormatError` where it is no public key."""
    text = line.strip()
    _refuse_others(text)
    if "\n" in text or "\r" in text:
        raise KeyFormatError("more than one line; give each key as an item of its own")
    options = ""
    fields = text.split(None, 2)
    if not fields or not _is_type(fields[0]):
        end = _end_of_options(text)
        options, fields = text[:end], text[end:].split(None, 2)
    if fields and fields[0].endswith(CERTIFICATE):
        raise KeyFormatError("a certificate; expected the public key that it is for, the .pub file without '-cert' in its name")
    if options.endswith(","):
        raise KeyFormatError(f"options: found a blank after '{options}'; expected none beside a comma")
    if not fields or fields[0] not in KNOWN_TYPES:
        raise KeyFormatError("no known key type in the line; expected '<type> <base64> [comment]'")
    if len(fields) == 1:
        raise KeyFormatError(f"nothing follows the key type {fields[0]}")
    blob, (named, *numbers) = _decoded(fields[0], fields[1])
    if named != fields[0].encode():
        kind = named.decode("ascii", "replace")
        raise KeyFormatError(f"the line says {fields[0]}, the key itself says {kind}; copy the whole line of the .pub file again")
    _check_shape(fields[0], numbers)
    try:
        key_options.parse(options)
    except key_options.OptionError as error:
        raise KeyFormatError(str(error)) from error
    bits = int.from_bytes(numbers[1], "big").bit_length() if fields[0] == "ssh-rsa" else 0
    return PublicKey(options, fields[0], blob, fields[2].strip() if len(fields) > 2 else "", bits)


def _is_type(word: str) -> bool:
    return word in KNOWN_TYPES or word.endswith(CERTIFICATE)


def _refuse_others(text: str) -> None:
    what = next((what for start, what in _NOT_A_KEY if text.startswith(start)), "")
    if not what and _FINGERPRINT.match(text):
        what = "the fingerprint of a key; expected the line in the .pub file"
    if not what and text.endswith(".pub") and len(text.split()) == 1:
        what = "the name of a file; expected the line in it: lookup('ansible.builtin.file', '...') reads it"
    if what:
        raise KeyFormatError(what)


def compose(line: str, options: Sequence[str] = (), expires: str | None = None) -> str:
    """The line with more options, and with the day on which the key stops to open anything (YYYY-MM-DD)."""
    text = line.strip()
    own = "" if text.split(None, 1)[:1] and text.split(None, 1)[0] in KNOWN_TYPES else text[: _end_of_options(text)]
    if not text[len(own) :].strip():
        # No key after the options: leave it to `parse` to say so.
        own = ""
    added = [*options, *([f'expiry-time="{expires.replace("-", "")}"'] if expires is not None else [])]
    front = ",".join(part for part in (*added, own) if part)
    return " ".join(part for part in (front, text[len(own) :].strip()) if part)


def refusal(key: PublicKey) -> str:
    """Why this key may not be used; empty if it may."""
    if key.type not in STRONG_TYPES:
        return f"key type {key.type} is not accepted"
    if key.type == "ssh-rsa" and key.bits < RSA_MINIMUM_BITS:
        return f"RSA key of {key.bits} bits is too short"
    return ""


def problem(line: str) -> str:
    """What is wrong with the line, in one sentence; empty if it is a key that may be used."""
    try:
        key = parse(line)
    except KeyFormatError as error:
        return str(error)
    if _ANOTHER_KEY.search(key.comment):
        return "two keys in one line; give each key as an item of its own, in the same column"
    reason = refusal(key)
    if not reason:
        return ""
    name = f" ({key.comment})" if key.comment else ""
    return f"{reason}: {key.fingerprint}{name}; expected {EXPECTED}"


def _check_shape(type_: str, numbers: list[bytes]) -> None:
    """Refuse a key with parts missing: sshd would skip the line, and its owner could not log in."""
    if type_ == "ssh-ed25519" and [len(part) for part in numbers] != [32]:
        raise KeyFormatError("the Ed25519 key does not have 32 bytes")
    if type_ == "ssh-rsa" and len(numbers) != 2:
        raise KeyFormatError("the RSA key does not have an exponent and a modulus")
    if type_ == "sk-ssh-ed25519@openssh.com" and (len(numbers) != 2 or len(numbers[0]) != 32):
        raise KeyFormatError("the security key is incomplete")
    if type_ == "sk-ecdsa-sha2-nistp256@openssh.com" and len(numbers) != 3:
        raise KeyFormatError("the security key is incomplete")


def _end_of_options(text: str) -> int:
    """Index of the first blank outside double quotes."""
    quoted = False
    previous = ""
    for index, char in enumerate(text):
        if char == '"' and previous != "\\":
            quoted = not quoted
        elif char in " \t" and not quoted:
            return index
        previous = char
    return len(text)


def _decoded(type_: str, text: str) -> tuple[bytes, list[bytes]]:
    """The key itself, and the strings that it is made of."""
    try:
        blob = base64.b64decode(text, validate=True)
        return blob, _strings(blob)
    except (binascii.Error, ValueError) as error:
        # Only of what is no key: one key in a thousand has such a word among its letters.
        if _PLACEHOLDER.search(text):
            told = f"the placeholder '{text}' stands where the key should be; put the line of the .pub file there"
        else:
            told = f"the base64 part of the {type_} key is damaged"
        raise KeyFormatError(told) from error


def _strings(blob: bytes) -> list[bytes]:
    """Split a blob into its length-prefixed strings (RFC 4251 section 5)."""
    parts: list[bytes] = []
    position = 0
    while position < len(blob):
        length = int.from_bytes(blob[position : position + 4], "big")
        position += 4
        if position + length > len(blob):
            raise ValueError("truncated")
        parts.append(blob[position : position + length])
        position += length
    if not parts:
        raise ValueError("empty")
    return parts
