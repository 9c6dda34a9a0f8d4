# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server that people use, that has been upgraded and has booted again, is as the inventory says."""

from __future__ import annotations

import typing as t

import pytest
from waiting import wait_until

LAB = "/opt/miniconda3/envs/lab/bin/python"
PACKAGE = r"""
import subprocess, sys, zipfile
with zipfile.ZipFile("/tmp/mine-0.1-py3-none-any.whl", "w") as file:
    file.writestr("mine/__init__.py", "answer = 42\n")
    file.writestr("mine-0.1.dist-info/METADATA", "Metadata-Version: 2.1\nName: mine\nVersion: 0.1\n")
    file.writestr("mine-0.1.dist-info/WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
    file.writestr("mine-0.1.dist-info/RECORD", "")
subprocess.run([sys.executable, "-m", "pip", "install", "--user", "--no-index", "--no-deps", file.filename], check=True)
"""
CELL = """
from jupyter_client.manager import run_kernel
with run_kernel(kernel_name="lab") as client:
    client.execute_interactive("import mine, alpha; open('result', 'w').write(str(mine.answer))", timeout=120)
assert open("result").read() == "42"
"""
SERVICE = "[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=default.target\n"
# What researchers do in a login shell.
WORK = {
    "an environment of their own": "conda create -y -q -n mine alpha=1.0 && conda activate mine",
    "a package for themselves": f"{LAB} - <<'E'\n{PACKAGE}E",
    "a notebook's cell": f"{LAB} - <<'E'\n{CELL}E",
    "a kernel of their own": f"{LAB} -m ipykernel install --user --name mine --display-name Mine",
    "programs without a terminal": (
        "nohup setsid python3 -m http.server --bind 127.0.0.1 6006 >/dev/null 2>&1 </dev/null & "
        "nohup setsid sleep 3600 >/dev/null 2>&1 </dev/null &"
    ),
    "a service that needs no login": (
        f"mkdir -p .config/systemd/user && printf '%s' '{SERVICE}' > .config/systemd/user/train.service; "
        "export XDG_RUNTIME_DIR=/run/user/$(id -u); systemctl --user daemon-reload && systemctl --user enable --now train"
    ),
    "an environment of Python alone": f"{LAB} -m venv --without-pip venv && venv/bin/python -c 'import json'",
    "a terminal that goes on": "tmux new-session -d 'sleep 3600'",
    "files in common places": "touch /tmp/mine /var/tmp/mine; mkdir -m 1777 /tmp/all; ln -s /etc/shadow /tmp/x; mkfifo /tmp/pipe",
    "files of their own": (
        "echo 'alias l=ls' >> .bashrc; mkdir -p bin .ssh; printf 'Host x\\n' > .ssh/config; "
        "printf 'channels: [mine]\\n' > .condarc; printf '#!/bin/sh\\nsleep 9\\n' > bin/long; chmod 755 bin/long"
    ),
}
# What happens to a server by itself, or by an administrator on any day.
DAYS = {
    "systemd starts anew": "systemctl daemon-reexec && systemctl daemon-reload",
    "the journal is rotated": "journalctl --rotate",
    "somebody is banned": "fail2ban-client set sshd banip 203.0.113.7",
    "a package is installed": "apt-get install -qy acl",
}
# As `apt upgrade` does: packages bring their files again, and restart their services.
UPGRADE = "apt-get install -qy --reinstall openssh-server fail2ban nftables sudo python3-minimal bash"

UNITS = "ssh fail2ban jupyter@alice.socket jupyter@bob.socket nginx jupyterhub"


@pytest.fixture
def server(host: t.Any, servers: dict[str, t.Any]) -> t.Any:
    return servers[host.backend.get_hostname()]


@pytest.mark.parametrize("work", WORK)
def test_people_work(server: t.Any, work: str) -> None:
    done = server.run("su - bob -c %s", WORK[work])
    assert done.rc == 0, done.stdout + done.stderr


@pytest.mark.parametrize("day", DAYS)
def test_days_go_by(server: t.Any, day: str) -> None:
    done = server.run(DAYS[day])
    assert done.rc == 0, done.stdout + done.stderr


def test_packages_are_upgraded(server: t.Any) -> None:
    done = server.run(UPGRADE)
    assert done.rc == 0, done.stdout + done.stderr


def test_the_host_boots(server: t.Any, reboot: t.Any) -> None:
    reboot(server)
    # A machine shares its mounts, and a service's credentials are one; a container that starts again does not.
    server.check_output("mount --make-rshared / && systemctl restart jupyterhub")
    wait_until(
        lambda: server.run(f"systemctl is-active {UNITS} user@$(id -u bob)").rc == 0,
        120,
    )


def test_and_nothing_has_drifted(drift: t.Any) -> None:
    run = drift("--quiet")
    assert (run.exit_code, run.output.strip()) == (0, ""), run.output
