# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all the hardening must not take from people: they log in, compute, share a project."""

from __future__ import annotations

import json

import pytest
import requests
import websocket


@pytest.mark.cases(1)
@pytest.mark.parametrize("name", ["ada", "bob", "carol"])
def test_everybody_gets_in(person, name):
    assert person(name).check("id -un") == name


def test_a_notebook_computes(notebook):
    assert notebook.execute("lab", "import numpy; print(numpy.arange(3).sum())").strip() == "3"


def test_a_terminal_of_jupyterlab_knows_conda(ada, notebook):
    headers = {"Authorization": f"token {ada.token}"}
    name = requests.post(f"{notebook.url}/api/terminals", headers=headers, timeout=30).json()["name"]
    address = f"ws{notebook.url.removeprefix('http')}/terminals/websocket/{name}"
    channel = websocket.create_connection(address, timeout=60, header=headers)
    shown = ""
    try:
        channel.send(json.dumps(["stdin", "conda activate lab && python -c 'import sys; print(sys.prefix + chr(33))'\r"]))
        # Each wait ends after the channel's timeout.
        while "/opt/miniconda3/envs/lab!" not in shown:
            kind, *rest = json.loads(channel.recv())
            shown += rest[0] if kind == "stdout" else ""
    finally:
        channel.close()
        requests.delete(f"{notebook.url}/api/terminals/{name}", headers=headers, timeout=30)
