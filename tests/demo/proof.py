# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a researcher can do on a finished server, and what a stranger cannot; tried from outside, with real clients."""

from __future__ import annotations

import re
import socket
import subprocess
from collections.abc import Callable
from typing import NamedTuple

import requests
from lab import ENVIRONMENT, RESEARCHER, Host
from people.jupyter_api import execute
from people.ssh_tunnel import tunnel

# What the researcher's own program says on the server: http://127.0.0.1:PORT/lab?token=TOKEN. Behind the web door it has a path.
ADDRESS = re.compile(r"http://127\.0\.0\.1:(?P<port>\d+)(?P<path>\S*)/lab\?token=(?P<token>\S+)")
SECONDS = 30


def told(host: Host, command: str) -> str:
    """What a command prints for the researcher who runs it on the server."""
    done = host.login(RESEARCHER).run(command)
    assert done.returncode == 0, f"{command}: {done.stderr or done.stdout}"
    return done.stdout


class Place(NamedTuple):
    """Where somebody's JupyterLab is, on the server's loopback address."""

    port: int
    path: str
    token: str


def jupyter_of(host: Host) -> Place:
    """As the researcher learns it: by asking the server."""
    shown = told(host, "lab-jupyter")
    found = ADDRESS.search(shown)
    assert found, f"expected an address with a token, found: {shown}"
    return Place(int(found["port"]), found["path"], found["token"])


def logs_in_with_a_key(host: Host) -> str:
    who = told(host, "id -un").strip()
    assert who == RESEARCHER, who
    return f"{who} is in, with a key, on port {host.login(RESEARCHER).port}"


def computes_in_jupyter_through_the_tunnel(host: Host) -> str:
    place = jupyter_of(host)
    with tunnel(host.login(RESEARCHER), place.port) as local:
        url = f"http://127.0.0.1:{local}{place.path}"
        version = execute(url, place.token, ENVIRONMENT, "import numpy; print(numpy.__version__)")
    records = told(host, f"ls /opt/miniconda3/envs/{ENVIRONMENT}/conda-meta")
    assert f"numpy-{version}-" in records, f"the kernel says numpy {version}, the environment holds: {records}"
    return f"the kernel '{ENVIRONMENT}' answers through ssh -L: numpy {version}"


def jupyter_wants_its_token(host: Host) -> str:
    place = jupyter_of(host)
    with tunnel(host.login(RESEARCHER), place.port) as local:
        status = requests.get(f"http://127.0.0.1:{local}{place.path}/api/kernels", timeout=SECONDS).status_code
    assert status == 403, status
    return "without the token JupyterLab answers 403"


def refused(command: list[str]) -> str:
    """What ssh says when it is not let in."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 255, f"let in: {done.stdout}"
    return done.stderr.strip().splitlines()[-1]


def password_login_is_refused(host: Host) -> str:
    methods = ["-oPubkeyAuthentication=no", "-oPreferredAuthentications=password,keyboard-interactive"]
    answer = refused(["ssh", *methods, *host.login(RESEARCHER).command()[1:], host.address, "true"])
    assert answer.endswith("Permission denied (publickey)."), answer
    return f"password: {answer.rpartition(': ')[2]}"


def root_login_is_refused(host: Host) -> str:
    answer = refused([*host.login("root").command(), host.address, "true"])
    assert "Permission denied" in answer, answer
    return f"root, with a key that root had accepted before: {answer.rpartition(': ')[2]}"


def old_port_is_closed(host: Host) -> str:
    assert not connects(host.address, 22)
    return "nothing answers on port 22"


def jupyter_is_not_on_the_network(host: Host) -> str:
    port = jupyter_of(host).port
    assert not connects(host.address, port)
    return f"nothing answers on port {port} from the network"


def what_nobody_let_in_is_not_on_the_network(host: Host) -> str:
    port = 8000
    # Its number is written down: who looks at the demo next should not find it.
    serve = f"(timeout {SECONDS} python3 -m http.server {port} >/dev/null 2>&1 & echo $! > served)"
    ask = f"import socket; socket.create_connection(('{host.address}', {port}), 5)"
    told(host, f'{serve}; for _ in $(seq 600); do python3 -c "{ask}" 2>/dev/null && exit; sleep 0.1; done; exit 1')
    assert not connects(host.address, port)
    told(host, "kill $(cat served); rm served")
    return f"a web server that a researcher starts on port {port} answers on the server itself, not from the network"


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
    what_nobody_let_in_is_not_on_the_network,
)
