# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A name that no DNS knows: this program reaches a server by it, as if it were in its hosts(5)."""

from __future__ import annotations

import socket
import typing as t
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock


@contextmanager
def leading(name: str, address: str, port: int | None = None) -> Iterator[None]:
    """The name leads to the address, for this port or for all of them."""
    asked = socket.getaddrinfo

    def answer(host: t.Any, service: t.Any, *arguments: t.Any, **named: t.Any) -> t.Any:
        here = host == name and port in (None, service)
        return asked(address if here else host, service, *arguments, **named)

    with mock.patch.object(socket, "getaddrinfo", answer):
        yield
