# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The doctor: it sees what would stop the site, and touches nothing. Runs on the hosts that test_bootstrap.py has left."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

DOCTOR = "playbooks/doctor.yml"
MORE = str(Path(__file__).parents[1] / "inventory" / "more.yml")
LISTENER = """
import fcntl, socket, time
listener = socket.create_server(("127.0.0.1", 2200))
lock = open("/var/lib/dpkg/lock-frontend", "w")
fcntl.lockf(lock, fcntl.LOCK_EX)
time.sleep(600)
"""
# Each with the topic under which it has to be found.
FAULTS = {
    "packages": "echo interrupted > /var/lib/dpkg/updates/0001",
    "disk": "mkdir /opt/miniconda3 && mount -t tmpfs -o size=50m tmpfs /opt/miniconda3",
    "ports": f"systemd-run --quiet --unit=in-the-way python3 -c '{LISTENER}'",
    "firewall": "mkdir -p /etc/ufw && echo ENABLED=yes > /etc/ufw/ufw.conf",
}
WARNINGS = {
    "sshd": "printf 'Match User x\\n  PasswordAuthentication yes\\n' > /etc/ssh/sshd_config.d/60-x.conf",
    "packages": "echo 'deb http://nowhere.invalid/debian stable main' > /etc/apt/sources.list.d/x.list",
}
REPAIR = """
systemctl stop in-the-way; umount /opt/miniconda3; rmdir /opt/miniconda3
rm -rf /var/lib/dpkg/updates/0001 /etc/ufw /etc/ssh/sshd_config.d/60-x.conf /etc/apt/sources.list.d/x.list
"""


@pytest.fixture
def examine(play, host, tmp_path):
    """Run the doctor. Returns a function that returns the outcome and this host's part of the report, and the whole report."""

    def run(*arguments, **variables):
        dest = tmp_path / "doctor.json"
        outcome = play(DOCTOR, "-i", MORE, *arguments, doctor_report=str(dest), **variables)
        report = json.loads(dest.read_text())
        assert dest.stat().st_mode & 0o777 == 0o600
        return outcome, report["hosts"][host.backend.get_hostname()], report

    return run


def found(examined, severity, topic):
    return " ".join(
        finding["found"] for finding in examined["findings"] if (finding["severity"], finding["topic"]) == (severity, topic)
    )


def state(inside):
    """Everything that a package, a role or a login would leave behind, but not what logging in itself writes."""
    return inside.check_output(
        "find /etc /opt /root /usr/local /var/lib /var/cache -xdev -type f -printf '%p %s %T@ %m\\n' | sort"
    )


def test_a_healthy_host_is_ready_and_stays_as_it_is(examine, inside):
    before = state(inside)
    outcome, examined, report = examine()
    assert outcome.ok and outcome.changed == 0, outcome.text
    assert examined["verdict"] == "ready" and examined["counts"]["error"] == 0, examined
    assert report["ready"] and report["controller"]["verdict"] == "ready"
    assert "port 2222, host key SHA256:" in found(examined, "ok", "reachable")
    installed_later = found(examined, "ok", "packages").rpartition(": ")[2].split(", ")
    assert {"fail2ban", "nftables", "tmux", "rsync"} <= set(installed_later), examined
    assert state(inside) == before


def test_a_host_that_is_gone_is_in_the_table_and_the_others_are_examined(examine, host):
    outcome, examined, report = examine("--limit", f"gone,{host.backend.get_hostname()}")
    assert examined["verdict"] == "ready"
    assert report["hosts"]["gone"]["verdict"] == "blocked"
    assert [finding["topic"] for finding in report["hosts"]["gone"]["findings"]] == ["reachable"]
    assert report["blocked"] == ["gone"] and not report["ready"]
    assert outcome.ok and outcome.exit_code != 0


def test_whatever_is_in_the_way_is_named(examine, inside):
    for command in [*FAULTS.values(), *WARNINGS.values()]:
        inside.run_expect([0], "sh -ec %s", command)
    try:
        inside.run_expect([0], "for i in $(seq 600); do ss -tln | grep -q :2200 && exit 0; sleep 0.1; done; exit 1")
        before = state(inside)
        outcome, examined, _report = examine(
            sshd_port=2200, sshd_previous_ports=[2222], miniconda_version="py312_0.0.0-0", sshd_prot=1
        )
        assert state(inside) == before
    finally:
        inside.run(REPAIR)
    assert not outcome.ok and examined["verdict"] == "blocked"
    assert not [topic for topic in FAULTS if not found(examined, "error", topic)], examined
    assert not [topic for topic in WARNINGS if not found(examined, "warning", topic)], examined
    assert "apt is in use by python3" in found(examined, "error", "packages")
    assert "python3 of root listens on 2200" in found(examined, "error", "ports")
    assert "py312_0.0.0-0" in found(examined, "error", "network")
    assert "sshd_prot" in found(examined, "error", "inventory")
    assert examine()[0].ok


def test_a_login_that_fails_is_named(examine, host):
    outcome, examined, _report = examine(ansible_user="nobody-knows")
    assert not outcome.ok
    assert "nobody-knows is refused" in found(examined, "error", "login")
