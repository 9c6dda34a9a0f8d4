# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""There is no moment without rules, whatever becomes of the services that load them."""

from __future__ import annotations

import contextlib
import json

import pytest
from waiting import wait_until

RULES = "/etc/research-server/firewall.nft"
TABLE = "nft list table inet research_server"
BACK = "systemctl start nftables; systemctl stop nftables; systemctl reset-failed; systemctl start research-server-firewall"
# A service of bob's that everybody could reach if there was a moment without rules, and a stranger who asks without a pause.
SERVE = """
import socket, time
door = socket.create_server(("::", 8080), family=socket.AF_INET6, dualstack_ipv6=True); print("listening", flush=True)
while True:
    door.accept()[0].close()
"""
ASK = """
import socket, sys, time
refused = reached = 0
print("begun", flush=True)
while True:
    try:
        socket.create_connection((sys.argv[1], 8080), 1).close(); reached += 1
    except OSError:
        refused += 1
    print(refused, reached, flush=True)
    time.sleep(0.002)
"""


@pytest.fixture
def asking(host, bob, other):
    """A stranger asks for bob's service all the time; in the end nobody may have reached it."""

    @contextlib.contextmanager
    def run():
        bob.start(SERVE)
        wait_until(lambda: host.run("ss -Hltn 'sport = :8080' | grep -q .").rc == 0)
        address = host.check_output("hostname -I").split()[0]
        other.check_output("printf %%s %s > /root/ask.py", ASK)
        other.check_output(f"setsid python3 /root/ask.py {address} </dev/null >/root/asked 2>&1 &")
        try:
            wait_until(lambda: len(counts()) == 2)
            before = counts()
            yield
            wait_until(lambda: counts()[0] > before[0] + 20)
            assert counts()[1] == 0
        finally:
            other.run("pkill -f /root/ask.py")
            bob.stop()

    def counts():
        return [int(word) for word in other.check_output("tail -n 1 /root/asked").split() if word.isdigit()]

    return run


def loaded(host):
    listing = host.check_output(TABLE)
    return "policy drop" in listing and "2222" in host.check_output("nft list set inet research_server ssh_ports")


class TestNoGap:
    @pytest.mark.cases(3)
    @pytest.mark.one_release
    @pytest.mark.parametrize(
        "event",
        [
            "systemctl restart research-server-firewall",
            "systemctl restart nftables",
            "systemctl restart nftables & systemctl restart research-server-firewall & systemctl restart fail2ban & wait",
            "systemctl stop research-server-firewall; systemctl start research-server-firewall",
            "systemctl reload research-server-firewall",
            "systemctl stop nftables; systemctl start nftables",
            "systemctl reload-or-restart nftables",
        ],
    )
    def test_while_services_come_and_go(self, host, carol, asking, event):
        """More often than systemd allows a service to start."""
        before = host.check_output(TABLE)
        try:
            with asking():
                for _time in range(6):
                    host.run(event)
                    assert loaded(host)
            assert host.check_output(TABLE) == before
            assert host.run("systemctl is-failed nftables research-server-firewall").stdout.split().count("failed") == 0
        finally:
            host.run(BACK)
        assert carol.check("id -un") == "carol"

    @pytest.mark.one_release
    def test_rules_that_cannot_be_loaded_leave_those_that_are(self, host, carol, asking):
        before = host.check_output(TABLE)
        host.check_output(f"cp -p {RULES} /root/ && sed -i 's/policy drop/policy dorp/' {RULES}")
        try:
            with asking():
                for command in ("restart", "reload", "stop", "start"):
                    host.run(f"systemctl {command} research-server-firewall")
                assert host.check_output(TABLE) == before
        finally:
            host.check_output(f"cp -p /root/firewall.nft {RULES}")
            host.run(BACK)
        assert carol.check("id -un") == "carol"

    @pytest.mark.cases(1)
    @pytest.mark.one_release
    @pytest.mark.parametrize("damage", ["policy dorp", "include nothing", "no file"])
    def test_a_boot_with_rules_that_cannot_be_loaded_is_closed_but_for_ssh(self, host, carol, asking, reboot, damage):
        commands = {
            "policy dorp": f"sed -i 's/policy drop/policy dorp/' {RULES}",
            "include nothing": f"echo 'include \"/nowhere\"' >> {RULES}",
            "no file": f"rm {RULES}",
        }
        host.check_output(f"cp -p {RULES} /root/ && {commands[damage]}")
        try:
            reboot()
            with asking():
                assert loaded(host)
                assert host.run("systemctl is-failed --quiet research-server-firewall").rc == 0
                assert carol.check("id -un") == "carol"
        finally:
            host.check_output(f"cp -p /root/firewall.nft {RULES}")
            host.run(BACK)
        assert loaded(host) and "icmp type" in host.check_output(TABLE)

    def test_while_the_host_boots(self, host, carol, reboot, other):
        """A stranger asks all the time; the service starts with the first ones. In a container the network is there before."""
        unit = "[Service]\nUser=bob\nExecStart=/usr/bin/python3 /home/bob/serve.py\n"
        host.check_output("printf %%s %s > /home/bob/serve.py", SERVE)
        host.check_output("printf %%s %s > /etc/systemd/system/early.service", f"{unit}[Install]\nWantedBy=multi-user.target\n")
        host.check_output("systemctl enable early")
        address = host.check_output("hostname -I").split()[0]
        other.check_output("printf %%s %s > /root/ask.py", ASK)
        other.check_output(f"setsid python3 /root/ask.py {address} </dev/null >/root/asked 2>&1 &")
        try:
            for _time in range(2):
                reboot()
                wait_until(lambda: host.run("ss -Hltn 'sport = :8080' | grep -q .").rc == 0)
            assert other.check_output("tail -n 1 /root/asked").split()[1] == "0"
        finally:
            other.run("pkill -f /root/ask.py")
            host.check_output("systemctl disable --now early; rm -f /etc/systemd/system/early.service /home/bob/serve.py")
            host.check_output("systemctl daemon-reload")
        assert carol.check("id -un") == "carol"


@pytest.mark.one_release
class TestBesideOthers:
    def test_bans_come_back_when_the_ruleset_was_emptied(self, host):
        host.check_output("fail2ban-client set sshd banip 192.0.2.99")
        ban = "nft -j list ruleset | grep -q 192.0.2.99"
        wait_until(lambda: host.run(ban).rc == 0)
        try:
            for command in ("start", "reload", "restart", "stop"):
                host.check_output(f"systemctl {command} nftables")
                wait_until(lambda: host.run(ban).rc == 0)
                assert loaded(host)
        finally:
            host.check_output("fail2ban-client unban 192.0.2.99")
            host.run(BACK)

    def test_the_hosts_own_rules_are_loaded_in_the_same_step(self, host):
        host.check_output("cp -p /etc/nftables.conf /root/ && echo 'add table inet of_the_host' >> /etc/nftables.conf")
        try:
            host.check_output("systemctl restart nftables")
            tables = {
                item["table"]["name"]
                for item in json.loads(host.check_output("nft -j list tables"))["nftables"]
                if "table" in item
            }
            assert {"of_the_host", "research_server"} <= tables
        finally:
            host.check_output("cp -p /root/nftables.conf /etc/nftables.conf")
            host.run(BACK)
