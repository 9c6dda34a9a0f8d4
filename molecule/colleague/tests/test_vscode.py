# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VS Code on a converged server: its own server, started over SSH and reached through a forwarded port as Remote - SSH does.

The client is VS Code's page in a browser. What its Python and Jupyter extensions would ask of the host, a small extension asks.
"""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests
from ansible_collections.openlab.research_server.tests.integration import npm_peers
from people.ssh_tunnel import tunnel
from waiting import wait_until

ROOT = "/opt/miniconda3"
# Where Remote - SSH puts it.
HOME = ".vscode-server"
EXTENSION = Path(__file__).parent / "vscode_extension"
START = f"""
cd ~/{HOME} && umask 077 && head -c 20 /dev/urandom | od -An -tx1 | tr -d ' \\n' > .token
nohup sh bin/code-server-oss --start-server --host=127.0.0.1 --port=0 --accept-server-license-terms --telemetry-level off \\
  --server-data-dir ~/{HOME}/data --connection-token-file .token </dev/null >.log 2>&1 &
echo $! > .pid
"""

pytestmark = pytest.mark.thorough


@pytest.fixture(scope="session")
def archive():
    return npm_peers.vscode_server()


def send(login, content, folder):
    """Unpack an archive in a folder of the person's home."""
    command = [*login.command("-T"), login.host, f"mkdir -p {folder} && tar xz -C {folder}"]
    subprocess.run(command, input=content, check=True, capture_output=True, timeout=300)


@pytest.fixture
def server(ada, archive):
    """The port that VS Code's server listens on, as ada started it."""
    send(ada.login, archive.read_bytes(), HOME)
    packed = subprocess.run(["tar", "cz", "-C", EXTENSION, "."], check=True, capture_output=True).stdout
    send(ada.login, packed, f"{HOME}/data/extensions/openlab.probe-1.0.0")
    ada.check(START)
    log = ada.host.file(f"/home/ada/{HOME}/.log")
    listening = re.compile(r"Extension host agent listening on (\d+)")
    wait_until(lambda: log.exists and listening.search(log.content_string))
    yield int(listening.search(log.content_string)[1])
    # With all that it has started.
    ada.run(f"pkill -KILL -f '[.]vscode-server/'; rm -rf {HOME} probe.json terminal.txt")


@contextmanager
def window(chromium, url, profile):
    """VS Code's page, open."""
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-proxy-server", "--remote-debugging-port=0"]
    command = [chromium, *options, f"--user-data-dir={profile}", url]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as browser:
        try:
            yield
        finally:
            browser.terminate()


@pytest.fixture
def found(ada, server, chromium, tmp_path):
    """What the extension wrote down once a window was open."""
    token = ada.check(f"cat ~/{HOME}/.token")
    # The address that a person pastes as that of an existing Jupyter server.
    (address,) = re.findall(r"http://127\.0\.0\.1:\d+/lab\?token=\S+", ada.check("lab-jupyter"))
    ada.check(f"printf %s {shlex.quote(address)} > ~/{HOME}/jupyter")
    probe, terminal = (ada.host.file(f"/home/ada/{name}") for name in ("probe.json", "terminal.txt"))
    with tunnel(ada.login, server) as port, window(chromium, f"http://127.0.0.1:{port}/?tkn={token}", tmp_path):
        wait_until(lambda: probe.exists and terminal.exists and terminal.content_string.strip(), seconds=120)
    return {**json.loads(probe.content_string), "terminal": terminal.content_string.split()}


def test_a_window_opens_and_finds_what_the_lab_has(found):
    # Its terminal is no login shell: it reads neither /etc/profile nor ~/.profile.
    assert found["terminal"] == ["off", f"{ROOT}/envs/lab", "lab"]
    assert f"{ROOT}/envs/lab" in found["environments"]
    assert found["interpreter"].startswith("3.11")
    assert found["kernels"] == ["lab"] and found["started"] == "lab"


def test_the_server_answers_its_owner_alone(ada, bob, server):
    with tunnel(ada.login, server) as port:
        answer = requests.get(f"http://127.0.0.1:{port}/version", timeout=30)
        assert re.fullmatch(r"[0-9a-f]{40}", answer.text)
        assert requests.get(f"http://127.0.0.1:{port}/", timeout=30).status_code == 403, "without the token"
    assert bob.connect(server) in ("refused", "silence")
