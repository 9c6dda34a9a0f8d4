# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A researcher's JupyterLab, through their tunnel."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from people.jupyter_api import Jupyter, wait_until_answers
from people.ssh_tunnel import Login, tunnel

SSH = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "ssh")


@pytest.fixture(scope="module")
def lab_of_alice(host):
    address = json.loads((SSH / "addresses.json").read_text())[host.backend.get_hostname()]
    port = json.loads(host.file("/etc/lab-jupyter.json").content_string)["ports"]["alice"]
    with tunnel(Login(address, "alice", SSH / "id_ed25519", SSH / "known_hosts"), port) as local:
        token = host.file("/var/lib/jupyter/alice/token").content_string.strip()
        jupyter = Jupyter(f"http://127.0.0.1:{local}", token)
        wait_until_answers(jupyter)
        yield jupyter
