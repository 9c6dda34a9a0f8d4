# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell the time by the Network Time Protocol (RFC 5905), as a server that has a clock of its own."""

from __future__ import annotations

import socket
import struct
import time

SINCE_1900 = 2208988800
# No leap second, version 4, server; stratum 1; a poll of 64 s; precision 2^-20 s; no delay and no dispersion; by radio.
HEAD = struct.pack("!BBbbII4s", 4 << 3 | 4, 1, 6, -20, 0, 0, b"LAB\0")


def stamp(seconds: float) -> bytes:
    return struct.pack("!II", int(seconds) + SINCE_1900, int(seconds % 1 * 2**32))


def main() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("", 123))
        while True:
            asked, client = server.recvfrom(1024)
            now = stamp(time.time())
            server.sendto(HEAD + now + asked[40:48] + now + stamp(time.time()), client)


if __name__ == "__main__":
    main()
