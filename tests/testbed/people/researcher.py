# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A researcher on a host of a scenario: how they log in, and what is known of their JupyterLab."""

from __future__ import annotations

import json
import os
import typing as t
from pathlib import Path

from .ssh_tunnel import Login


def login_of(host: t.Any, user: str) -> Login:
    """By what the scenario's preparation wrote down."""
    folder = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "ssh")
    address = json.loads((folder / "addresses.json").read_text(encoding="utf-8"))[host.backend.get_hostname()]
    return Login(address, user, folder / "id_ed25519", folder / "known_hosts")


def port_of(host: t.Any, user: str) -> int:
    return int(json.loads(host.file("/etc/lab-jupyter.json").content_string)["ports"][user])


def token_of(host: t.Any, user: str) -> str:
    return str(host.file(f"/var/lib/jupyter/{user}/token").content_string).strip()


def main_pid(host: t.Any, user: str) -> str:
    return str(host.check_output(f"systemctl show -p MainPID --value jupyter@{user}"))
