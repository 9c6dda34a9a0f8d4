# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from types import SimpleNamespace
from unittest.mock import MagicMock

import pytest
from ansible_collections.openlab.research_server.plugins.action import sshd_config

# As ssh -G prints it.
LISTING = """\
host server
kexalgorithms sntrup761x25519-sha512@openssh.com,curve25519-sha256
ciphers aes256-gcm@openssh.com
macs hmac-sha2-512-etm@openssh.com
identityfile ~/.ssh/id_ed25519
"""


@pytest.mark.parametrize(
    ("transport", "arguments", "told"),
    [
        ("ssh", {}, {"KexAlgorithms": ["sntrup761x25519-sha512@openssh.com", "curve25519-sha256"]}),
        ("ssh", {"client_algorithms": {"KexAlgorithms": ["a"]}}, {"KexAlgorithms": ["a"]}),
        # It comes too late, and a container is not logged in to.
        ("ssh", {"state": "confirmed"}, None),
        ("docker", {}, None),
    ],
)
def test_the_host_is_told_what_the_client_can_speak(
    monkeypatch: pytest.MonkeyPatch, transport: str, arguments: dict[str, object], told: dict[str, list[str]] | None
) -> None:
    monkeypatch.setattr(sshd_config.login_client, "listing", lambda *_: LISTING)
    connection = MagicMock(transport=transport, get_option=lambda _name: "")
    task = SimpleNamespace(args=arguments, async_val=0, check_mode=False, diff=False)
    action = sshd_config.ActionModule(task, connection, MagicMock(check_mode=False), None, None, None)
    asked: dict[str, dict[str, object]] = {}
    monkeypatch.setattr(action, "_execute_module", lambda **how: asked.update(how) or {})
    action.run(None, {})
    given = asked["module_args"].get("client_algorithms")
    if told is None:
        assert given is None
    else:
        assert isinstance(given, dict) and given.items() >= told.items() and set(given) <= set(sshd_config.NEGOTIATED)
