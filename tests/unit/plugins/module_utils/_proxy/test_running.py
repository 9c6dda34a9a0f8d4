# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Against a server that answers as ours does, the scenario `proxy` shows it."""

from __future__ import annotations

import socket

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._host import listening
from ansible_collections.openlab.research_server.plugins.module_utils._host.listening import Holder, Listener
from ansible_collections.openlab.research_server.plugins.module_utils._proxy import running

NGINX, APACHE, ANYBODYS = Holder(10, "nginx", 0), Holder(11, "apache2", 0), Holder(12, "nginx", 1000)


@pytest.mark.parametrize(
    ("uid", "holder", "told"),
    [(0, NGINX, ""), (0, APACHE, "apache2 (process 11)"), (1000, ANYBODYS, "nginx (process 12)"), (0, None, "a program")],
)
def test_whoever_is_not_roots_nginx_is_told(monkeypatch: pytest.MonkeyPatch, uid: int, holder: Holder | None, told: str) -> None:
    monkeypatch.setattr(listening, "read", lambda _ports: [Listener("0.0.0.0", 443, uid, 7)])
    monkeypatch.setattr(listening, "holders", lambda _sockets: {7: [holder] if holder else []})
    said = running.others(443)
    assert (said == "") == (told == "") and told in said


def test_what_is_no_server_of_ours_has_no_digest() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        silent.close()
        assert running.read(port, "lab.example.org") == ("", b"")
