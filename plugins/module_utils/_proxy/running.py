# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the nginx that runs on this host has read. Private to this collection."""

from __future__ import annotations

import http.client
import socket
import ssl
import typing as t

from .._host import listening
from .sites import PROOF


class Running(t.NamedTuple):
    """Empty where it runs with none of ours."""

    digest: str
    """Of its configuration, as it tells on loopback."""
    certificate: bytes
    """Its own, as TLS sends it."""


def read(port: int, name: str) -> Running:
    # What it shows is compared, not trusted.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    host = name if port == http.client.HTTPS_PORT else f"{name}:{port}"
    try:
        with (
            socket.create_connection(("127.0.0.1", port), 5) as plain,
            context.wrap_socket(plain, server_hostname=name) as secure,
        ):
            secure.sendall(f"GET {PROOF} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            answer = http.client.HTTPResponse(secure)
            answer.begin()
            told = answer.read(100).decode("ascii", "replace") if answer.status == http.client.OK else ""
            return Running(told, secure.getpeercert(binary_form=True) or b"")
    except (OSError, http.client.HTTPException):
        return Running("", b"")


def others(port: int) -> str:
    """Who else than root's nginx listens there: anybody may call a program so."""
    sockets = listening.read({port})
    holders = listening.holders(sockets)
    found = [one for one in sockets if one.uid or not any(holder.program == "nginx" for holder in holders[one.inode])]
    return "; ".join(sorted({listening.describe(one, holders[one.inode]) for one in found}))
