# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real boot: everything comes back, nothing is open on the way, and what nobody has confirmed is gone."""

from __future__ import annotations

import json

import pytest
from waiting import wait_until

PEOPLE = ("alice", "bob")
UNITS = ("ssh", "fail2ban", "research-server-firewall", "research-server-loopback")
SSHD = "/etc/ssh/sshd_config.d/00-research-server.conf"
PORT = 2222
TABLE = "nft list table inet research_server"
# A server that a person, or another program, has left listening on all addresses; it starts as early as anything can.
EARLY = """
[Unit]
DefaultDependencies=no
[Service]
ExecStart=/usr/bin/python3 -m http.server 8080
Restart=always
[Install]
WantedBy=sysinit.target
"""


def ports(host):
    return json.loads(host.file("/etc/lab-jupyter.json").content_string)["ports"]


def listening(host):
    return {int(line.split()[3].rpartition(":")[2]) for line in host.check_output("ss -Hltn").splitlines()}


def test_the_site_finds_nothing_to_do_on_the_machine(site):
    done = site()
    assert done.returncode == 0 and "changed=0 " in done.stdout, done.stdout[-3000:]


class TestReboot:
    def test_everything_comes_back_and_nothing_else_is_open_on_the_way(self, host, machine, knocking):
        host.check_output("printf %%s %s > /etc/systemd/system/early.service", EARLY)
        host.check_output("systemctl daemon-reload && systemctl enable --now early")
        before = host.check_output(TABLE)
        told = knocking(22, 2222, 8080, *ports(host).values())
        machine.reboot()
        opened = told()
        assert opened.pop(2222) > 0
        assert not any(opened.values()), opened
        assert {8080, 2222} < listening(host), "it does listen"
        assert host.check_output(TABLE) == before
        assert all(host.service(unit).is_running and host.service(unit).is_enabled for unit in UNITS)
        for person in PEOPLE:
            assert host.service(f"jupyter@{person}.socket").is_running
            assert not host.service(f"jupyter@{person}").is_running, "it sleeps until somebody comes"
        assert host.check_output("systemctl --failed --no-legend") == ""

    def test_the_journal_of_the_boot_before_is_kept(self, host):
        assert len(host.check_output("journalctl --list-boots --no-pager").splitlines()) > 1
        assert host.check_output("journalctl -b -1 -u ssh -o cat --no-pager -n 5")

    def test_a_power_cut_is_survived(self, host, machine, knocking):
        before = host.check_output(TABLE)
        told = knocking(22, 2222, 8080)
        machine.cut_power()
        opened = told()
        assert opened[2222] and not opened[22] and not opened[8080]
        assert host.check_output(TABLE) == before


class TestChange:
    """The controller is gone, and the machine restarts, before the new state is confirmed."""

    @pytest.mark.parametrize("how", ["reboot", "cut_power"])
    def test_of_the_door_is_undone(self, host, machine, stage, how):
        before = host.check_output(f"cat {SSHD}")
        # Not the port: somebody must be able to restart the machine.
        stage("sshd_config", settings={"Port": [2222, 2301], "AllowGroups": ["ssh-users"], "MaxAuthTries": 2})
        assert host.check_output(f"cat {SSHD}") != before and 2301 in listening(host)
        getattr(machine, how)()
        assert host.check_output(f"cat {SSHD}") == before and 2301 not in listening(host)

    @pytest.mark.parametrize("how", ["reboot", "cut_power"])
    def test_of_the_firewall_is_undone(self, host, machine, stage, knocking, how):
        before = host.check_output(TABLE)
        # Whoever would lock the controller out is refused, so it is the stranger who stands outside.
        stage("firewall", ssh_from=[machine.login("ops").run("echo $SSH_CLIENT").stdout.split()[0]])
        assert host.check_output(TABLE) != before
        told = knocking(PORT)
        assert told()[PORT] == 0
        getattr(machine, how)()
        assert host.check_output(TABLE) == before
        wait_until(lambda: told()[PORT])

    def test_that_was_confirmed_stays(self, host, machine, site):
        moved = site(sshd_port=2300)
        assert moved.returncode == 0, moved.stdout[-3000:]
        machine.port = 2300
        try:
            machine.reboot()
            assert not machine.login("ops").run("ss -Hltn 'sport = :2222' | grep .").stdout
        finally:
            back = site(sshd_previous_ports=[2300])
            machine.port = 2222
        assert back.returncode == 0, back.stdout[-3000:]
        assert {2222} == listening(host) & {22, 2222, 2300}
