# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a researcher can do on a finished server, and what a stranger cannot; tried from outside, with real clients."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from pathlib import Path

import requests
from jupyter_proof import Jupyter, tunnel
from lab import ENVIRONMENT, RESEARCHER, Host
from shell import run

# What the researcher's own program says on the server: http://127.0.0.1:PORT/lab?token=TOKEN
ADDRESS = re.compile(r"http://127\.0\.0\.1:(?P<port>\d+)/lab\?token=(?P<token>\S+)")
SECONDS = 30


def jupyter_of(host: Host) -> tuple[int, str]:
    """Port and token, as the researcher learns them: by asking the server."""
    shown = run(host.ssh(RESEARCHER, "lab-jupyter"), timeout=SECONDS).stdout
    found = ADDRESS.search(shown)
    assert found, f"expected an address with a token, found: {shown}"
    return int(found["port"]), found["token"]


def logs_in_with_a_key(host: Host) -> str:
    who = run(host.ssh(RESEARCHER, "id", "-un"), timeout=SECONDS).stdout.strip()
    assert who == RESEARCHER
    return f"{who} is in, with a key, on port 2222"


def computes_in_jupyter_through_the_tunnel(host: Host) -> str:
    port, token = jupyter_of(host)
    with tunnel(host.ssh(RESEARCHER), port) as local:
        jupyter = Jupyter(f"http://127.0.0.1:{local}", token)
        answer = jupyter.execute(ENVIRONMENT, "import numpy; print(numpy.__version__)").strip()
    recorded = run(host.ssh(RESEARCHER, f"ls /opt/miniconda3/envs/{ENVIRONMENT}/conda-meta"), timeout=SECONDS).stdout
    assert f"numpy-{answer}-" in recorded, f"the kernel says numpy {answer}, the environment has: {recorded}"
    return f"the kernel of '{ENVIRONMENT}' answers through ssh -L: numpy {answer}"


def jupyter_wants_its_token(host: Host) -> str:
    port, _token = jupyter_of(host)
    with tunnel(host.ssh(RESEARCHER), port) as local:
        status = requests.get(f"http://127.0.0.1:{local}/api/kernels", timeout=SECONDS).status_code
    assert status == 403, status
    return "without the token: 403"


def password_login_is_refused(host: Host) -> str:
    methods = ("-o", "PubkeyAuthentication=no", "-o", "PreferredAuthentications=password,keyboard-interactive", "-o", "BatchMode=no")
    refused = run(host.ssh(RESEARCHER, "true", options=(*methods, "-o", "NumberOfPasswordPrompts=0")), timeout=SECONDS, check=False)
    assert refused.returncode == 255, refused
    assert "Permission denied (publickey)." in refused.stderr, refused.stderr
    return "no password: only keys are offered"


def root_login_is_refused(host: Host) -> str:
    refused = run(host.ssh("root", "true"), timeout=SECONDS, check=False)
    assert refused.returncode == 255 and "Permission denied" in refused.stderr, refused
    return "no root, not even with a key that root had"


def old_port_is_closed(host: Host) -> str:
    assert not connects(host.address, 22)
    return "nothing answers on port 22"


def jupyter_is_not_on_the_network(host: Host) -> str:
    port, _token = jupyter_of(host)
    assert not connects(host.address, port)
    return f"nothing answers on port {port} from the network"


def connects(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=5).close()
    except OSError:
        return False
    return True


PROOFS: tuple[Callable[[Host], str], ...] = (
    logs_in_with_a_key,
    computes_in_jupyter_through_the_tunnel,
    jupyter_wants_its_token,
    password_login_is_refused,
    root_login_is_refused,
    old_port_is_closed,
    jupyter_is_not_on_the_network,
)
