# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host may be like at night: it is told in plain words and in time, and the other host is compared all the same."""

from __future__ import annotations

import time
import typing as t

import pytest

PYTHON = "$(readlink -f /usr/bin/python3)"
# `head` ends with an error once it is full: that is what is wanted.
FULL = "mkdir -p {0} && mount -t tmpfs -o size=4k full {0} && head -c 4096 /dev/zero > {0}/full || true"


class Case(t.NamedTuple):
    """What makes a host odd, what undoes it, and what is told of it."""

    do: str
    undo: str
    exit_code: int
    verdict: str
    says: str


CASES = {
    "python3 hangs": Case(
        f"printf '#!/bin/sh\\nexec sleep 3600\\n' > /root/odd; chmod 755 /root/odd; mount --bind /root/odd {PYTHON}",
        f"umount {PYTHON}; pkill -f 'sleep 3600'; rm /root/odd",
        3,
        "failed",
        "lets Ansible in and does not answer",
    ),
    "python3 cannot be executed": Case(
        f"touch /root/odd; chmod 644 /root/odd; mount --bind /root/odd {PYTHON}",
        f"umount {PYTHON}; rm /root/odd",
        3,
        "failed",
        "python",
    ),
    "there is no room for temporary files": Case(
        "; ".join(FULL.format(path) for path in ("/tmp", "/var/tmp", "/root/.ansible", "/home/ops/.ansible")),
        "umount /tmp /var/tmp /root/.ansible /home/ops/.ansible",
        0,
        "clean",
        "",
    ),
    # As a root file system would be; services go on with a copy of what they had.
    "there is no room at all": Case(
        "; ".join(
            [
                "mkdir -p /run/odd && mount -t tmpfs -o size=1g odd /run/odd",
                "cp -a /var/. /run/odd && mount --move /run/odd /var",
                "systemctl restart systemd-journald fail2ban",
                *(FULL.format(path) for path in ("/tmp", "/root/.ansible", "/home/ops/.ansible")),
                "head -c 1100M /dev/zero > /var/full || true",
            ]
        ),
        "umount /tmp /root/.ansible /home/ops/.ansible; umount -l /var; systemctl restart systemd-journald fail2ban",
        3,
        "failed",
        "found no room for /var/log/fail2ban.log",
    ),
    "conda is closed": Case("chmod 000 /opt/miniconda3", "chmod 755 /opt/miniconda3", 2, "drift", "/opt/miniconda3"),
    "a JupyterLab crashes again and again": Case(
        "install -d -o bob /home/bob/.jupyter; echo 'raise SystemExit(3)' > /home/bob/.jupyter/jupyter_server_config.py; "
        "systemctl --no-block restart jupyter@bob; sleep 5",
        "rm -r /home/bob/.jupyter; systemctl reset-failed jupyter@bob; systemctl restart jupyter@bob",
        3,
        "failed",
        "bob: found ",
    ),
    "somebody's ~/.ssh is a link": Case(
        "mv /home/bob/.ssh /home/bob/kept; ln -s /etc/ssh /home/bob/.ssh; systemctl restart jupyter@bob; sleep 5",
        "rm /home/bob/.ssh; mv /home/bob/kept /home/bob/.ssh; systemctl reset-failed jupyter@bob; systemctl restart jupyter@bob",
        3,
        "failed",
        "bob: found ",
    ),
    "sshd does not answer": Case(
        "kill -STOP $(systemctl show -p MainPID --value ssh)",
        "kill -CONT $(systemctl show -p MainPID --value ssh)",
        4,
        "unreachable",
        "",
    ),
}


@pytest.mark.thorough
@pytest.mark.parametrize("name", CASES)
def test_it_is_told_in_time_and_the_other_is_compared(drift: t.Any, servers: dict[str, t.Any], name: str) -> None:
    case, (other, odd) = CASES[name], servers
    servers[odd].check_output(case.do)
    begun = time.monotonic()
    try:
        run = drift()
    finally:
        servers[odd].run(case.undo)
    told = run.report["hosts"][odd]
    words = [error["message"] for error in told["errors"]] + [str(entry["diff"]) for entry in told["drift"]]
    print(f"| {name} | {run.exit_code} | {time.monotonic() - begun:.0f} s | {' '.join(words)[:300]!r} |")
    assert run.verdicts == {other: "clean", odd: case.verdict}, run.output
    assert run.exit_code == case.exit_code
    assert case.says in " ".join(words), words
