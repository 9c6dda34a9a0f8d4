# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be reached from another machine, and what stays as it was."""

from __future__ import annotations

import json
import re

import pytest
from waiting import wait_until

LAB = "molecule/firewall/lab.yml"
RULES = "/etc/research-server/firewall.nft"
TABLE = "nft list table inet research_server"
# What dockerd writes for `docker run -p 8081:80`, in the tables that iptables-nft makes of it, and a network namespace that is
# joined as Docker joins a container.
CONTAINER = """
ip link add name docker0 type bridge && ip address add 172.30.0.1/24 dev docker0 && ip link set docker0 up
ip netns add box && ip link add veth-box type veth peer name eth0 netns box
ip link set veth-box master docker0 && ip link set veth-box up
ip -n box address add 172.30.0.2/24 dev eth0 && ip -n box link set eth0 up && ip -n box link set lo up
ip -n box route add default via 172.30.0.1
nft -f - <<'END'
add table ip nat
add chain ip nat PREROUTING { type nat hook prerouting priority dstnat; policy accept; }
add chain ip nat POSTROUTING { type nat hook postrouting priority srcnat; policy accept; }
add chain ip nat DOCKER
add rule ip nat PREROUTING fib daddr type local counter jump DOCKER
add rule ip nat POSTROUTING oifname != "docker0" ip saddr 172.30.0.0/24 counter masquerade
add rule ip nat DOCKER iifname != "docker0" tcp dport 8081 counter dnat to 172.30.0.2:80
add table ip filter
add chain ip filter FORWARD { type filter hook forward priority filter; policy drop; }
add chain ip filter DOCKER
add rule ip filter FORWARD oifname "docker0" ct state related,established counter accept
add rule ip filter FORWARD oifname "docker0" counter jump DOCKER
add rule ip filter FORWARD iifname "docker0" counter accept
add rule ip filter DOCKER iifname != "docker0" oifname "docker0" ip daddr 172.30.0.2 tcp dport 80 counter accept
END
systemd-run --unit=box --collect ip netns exec box python3 -m http.server 80
"""


@pytest.fixture
def page(host):
    """A service that listens on every address, IPv4 and IPv6."""
    host.run("systemctl stop page")
    host.check_output("systemd-run --unit=page --collect python3 -m http.server 8080 --bind :: --directory /srv")
    wait_until(lambda: host.run("ss -Hltn 'sport = :8080'").stdout)
    yield
    host.run("systemctl stop page")


@pytest.fixture
def repaired(converge):
    """Give back the role's own rules after a test."""
    yield
    assert converge().ok


def reaches(machine, address, port):
    probe = f"import socket; socket.create_connection(('{address}', {port}), 3)"
    return machine.run("python3 -c %s", probe).rc == 0


def address6(host):
    return host.check_output("ip -6 -o address show dev eth0 scope global | awk 'NR == 1 {print $4}' | cut -d/ -f1")


def others(host):
    """Every table but ours, without counters and handles."""
    return host.check_output("nft -s list ruleset | awk '/^table inet research_server /{own=1} !own{print} /^}/{own=0}'")


def ssh_ports(host):
    listing = json.loads(host.check_output("nft -j list set inet research_server ssh_ports"))
    return {port for item in listing["nftables"] if "set" in item for port in item["set"].get("elem", [])}


def stage(host, undo_after):
    """Begin to shut everybody out, as a controller does that then disappears."""
    text = f"ssh_from=198.51.100.0/24 undo_after={undo_after}"
    staged = host.ansible("openlab.research_server.firewall", text, check=False, become=True)
    assert staged["pending"], staged


class TestReach:
    def test_ssh_and_nothing_else(self, host, client, page):
        six = address6(host)
        assert client.reaches(2222)
        assert client.ssh("alice", key="alice").rc == 0
        assert reaches(client.machine, six, 2222)
        assert not client.reaches(8080)
        assert not reaches(client.machine, six, 8080)
        assert reaches(host, "127.0.0.1", 8080)
        assert reaches(host, six, 8080)

    def test_the_host_itself_reaches_others(self, host, client):
        assert reaches(host, client.address, 2222)
        assert reaches(host, "mirror", 8080)

    def test_neighbours_are_found_and_echo_is_answered(self, host, client):
        six = address6(host)
        for machine in (client.machine, host):
            machine.check_output("ip -6 neigh flush dev eth0")
        echo = (
            "import socket,struct\n"
            f"for family,proto,kind,address in ((2,1,8,'{client.server}'),(10,58,128,'{six}')):\n"
            "  s=socket.socket(family,3,proto); s.settimeout(5)\n"
            "  head=struct.pack('!BBHHH',kind,0,0,7,1); n=sum(struct.unpack('!4H',head))\n"
            "  s.sendto(struct.pack('!BBHHH',kind,0,~n&0xffff if proto==1 else 0,7,1),(address,0))\n"
            "  s.recvfrom(1500)\n"
        )
        assert client.machine.run("python3 -c %s", echo).rc == 0

    @pytest.mark.one_release
    @pytest.mark.usefixtures("page", "repaired")
    def test_an_entry_lets_in_whom_it_names(self, host, new_client, converge):
        friend, stranger = new_client(), new_client()
        release = host.backend.get_hostname().partition("-")[0]
        other = host.backend.get_hostname().replace(release, {"debian12": "debian13", "debian13": "debian12"}[release])
        entry = {"port": 8080, "from": [friend.address, f"{address6(friend.machine)}/128"], "comment": "page"}
        applied = converge(firewall_allow=[entry, {"port": 8080, "hosts": [other]}])
        assert applied.ok, applied.text
        assert friend.reaches(8080)
        assert not stranger.reaches(8080)
        assert reaches(friend.machine, address6(host), 8080)
        assert converge(firewall_allow=[entry]).changed == 0

    @pytest.mark.one_release
    @pytest.mark.usefixtures("page", "repaired")
    def test_an_entry_for_a_group_holds_for_its_hosts(self, client, converge):
        assert converge(firewall_allow=[{"port": "8000-8090", "hosts": ["research_servers"]}]).ok
        assert client.reaches(8080)

    @pytest.mark.one_release
    @pytest.mark.usefixtures("repaired")
    def test_ssh_from_some_networks_only(self, host, new_client, converge):
        friend, stranger = new_client(), new_client()
        gateway = host.check_output("ip route show default | awk '{print $3}'")
        assert converge(firewall_ssh_from=[gateway, friend.address]).ok
        assert friend.reaches(2222)
        assert not stranger.reaches(2222)
        assert not reaches(friend.machine, address6(host), 2222)


class TestOthers:
    @pytest.mark.usefixtures("repaired")
    def test_a_published_port_of_a_container_goes_on(self, host, client, converge):
        host.check_output("sh -ec %s", CONTAINER)
        try:
            wait_until(lambda: client.reaches(8081))
            before = others(host)
            assert converge(firewall_allow=[{"port": 9100}]).ok
            assert others(host) == before
            assert client.reaches(8081)
            assert "DOCKER_OUTPUT" in before, "the rules that Docker itself wrote for this host"
        finally:
            host.run("systemctl stop box; ip netns delete box; ip link delete docker0; nft delete table ip filter")
            host.run("nft flush chain ip nat DOCKER; nft delete chain ip nat PREROUTING; nft flush chain ip nat POSTROUTING")

    @pytest.mark.one_release
    def test_a_ban_holds_whatever_is_let_in(self, host, new_client, converge):
        assert converge(playbook=LAB).ok
        banned, other = new_client(), new_client()
        host.check_output(f"fail2ban-client set sshd banip {banned.address}")
        wait_until(lambda: not banned.reaches(2222))
        assert other.reaches(2222)
        host.check_output(f"fail2ban-client unban {banned.address}")
        wait_until(lambda: banned.reaches(2222))

    @pytest.mark.one_release
    def test_another_firewall_is_refused_and_nothing_changes(self, host, converge):
        host.check_output("mkdir -p /etc/ufw && echo ENABLED=yes > /etc/ufw/ufw.conf")
        before = host.check_output(TABLE)
        try:
            refused = converge(firewall_allow=[{"port": 9100}])
        finally:
            host.check_output("rm -r /etc/ufw")
        assert "found ufw active" in refused.message
        assert host.check_output(TABLE) == before

    def test_it_comes_back_after_a_reload_of_nftables(self, host):
        """Debian's own file empties the whole ruleset; this one only what is ours."""
        before = host.check_output(TABLE)
        host.check_output("cp /etc/nftables.conf /root/ && echo > /etc/nftables.conf && systemctl start nftables")
        host.check_output("echo 'add table inet research_server; delete table inet research_server' > /etc/nftables.conf")
        try:
            host.check_output("systemctl reload nftables")
            wait_until(lambda: host.run(TABLE).stdout.strip() == before)
        finally:
            host.check_output("cp /root/nftables.conf /etc/nftables.conf")


class TestChanges:
    @pytest.mark.cases(2)
    @pytest.mark.one_release
    @pytest.mark.parametrize(
        "change",
        [
            "nft delete rule inet research_server input handle "
            "$(nft -a list chain inet research_server input | awk '/icmp type/ {print $NF; exit}')",
            "nft 'add chain inet research_server input { policy accept; }'; "
            "nft insert rule inet research_server input tcp dport 8080 accept",
            "nft add element inet research_server ssh_ports { 23 }",
            "nft delete table inet research_server; systemctl disable research-server-firewall",
            f"sed -i s/drop/accept/ {RULES}",
        ],
    )
    def test_what_somebody_changed_by_hand_is_found_and_repaired(self, host, converge, change):
        before = host.check_output(TABLE)
        host.check_output(change)
        for arguments in (["--check", "--diff"], ["--diff"]):
            told = converge(*arguments)
            assert told.ok and told.changed, told.text
            # Once per host, however many steps the rules take.
            headers = re.findall(r'"after_header": "(.*?)"', told.text)
            assert headers and len(headers) == len(set(headers)), headers
        assert host.check_output(TABLE) == before
        assert host.file(RULES).contains("policy drop")
        assert host.service("research-server-firewall").is_enabled

    @pytest.mark.one_release
    def test_a_lockout_is_refused_and_nothing_changes(self, host, converge):
        before = host.check_output(TABLE)
        refused = converge(firewall_ssh_from=["198.51.100.0/24"])
        assert "The rules would not let it in again" in refused.message
        assert host.check_output(TABLE) == before
        assert converge().changed == 0

    @pytest.mark.one_release
    def test_a_controller_that_disappears_is_undone(self, host, client, converge):
        before = host.check_output(TABLE)
        stage(host, 4)
        assert not client.reaches(2222)
        wait_until(lambda: host.check_output(TABLE) == before)
        assert client.reaches(2222)
        late = host.ansible("openlab.research_server.firewall", "state=confirmed", check=False, become=True)
        assert "came too late" in late["msg"]
        assert converge().changed == 0

    @pytest.mark.one_release
    def test_a_login_that_fails_is_undone(self, host, client, converge):
        """New logins die as soon as the new rules are there, for a reason that nobody could foresee."""
        before = host.check_output(TABLE)
        evil = "until nft list table inet research_server | grep -q evil; do sleep 0.05; done; "
        evil += "nft add table inet evil; nft add chain inet evil in '{ type filter hook input priority 0; }'; "
        evil += "nft add rule inet evil in ct state new tcp dport 2222 drop"
        host.check_output("systemd-run --unit=evil --collect sh -c %s", evil)
        try:
            failed = converge(firewall_allow=[{"port": 9100, "comment": "evil"}], firewall_undo_after=30)
            assert "loads its previous rules by itself within 30 s" in failed.message
            wait_until(lambda: host.check_output(TABLE) == before, 60)
        finally:
            host.run("systemctl stop evil; nft delete table inet evil")
        assert client.reaches(2222)
        assert converge().changed == 0

    def test_a_reboot_keeps_the_rules_and_drops_what_nobody_confirmed(self, host, new_client, converge, reboot, page):
        before = host.check_output(TABLE)
        stage(host, 600)
        assert not new_client().reaches(2222)
        reboot()
        assert host.check_output(TABLE) == before
        assert new_client().reaches(2222)
        assert not new_client().reaches(8080)
        assert not host.file("/var/lib/research-server/firewall").exists
        assert converge().changed == 0


@pytest.mark.one_release
class TestSshd:
    """The door moves, the firewall goes with it."""

    def test_the_port_moves_in_one_run_and_back(self, host, client, converge):
        assert converge(playbook=LAB).ok
        moved = converge(playbook=LAB, sshd_port=2300)
        assert moved.ok, moved.text
        assert ssh_ports(host) == {2300}
        assert client.ssh("alice", key="alice", port=2300).rc == 0
        assert not client.reaches(2222)
        assert converge(playbook=LAB, sshd_port=2300).changed == 0
        assert converge(playbook=LAB, sshd_previous_ports=[2300]).ok
        assert ssh_ports(host) == {2222}
        assert converge(playbook=LAB).changed == 0

    def test_a_new_port_that_another_firewall_blocks_is_given_up(self, host, client, converge):
        assert converge(playbook=LAB).ok
        host.check_output("nft add table inet evil; nft add chain inet evil in '{ type filter hook input priority 0; }'")
        host.check_output("nft add rule inet evil in tcp dport 2300 drop")
        try:
            failed = converge(playbook=LAB, sshd_port=2300)
        finally:
            host.run("nft delete table inet evil")
        assert "The previous configuration has been restored" in failed.message
        assert ssh_ports(host) == {2222}
        assert client.ssh("alice", key="alice").rc == 0
        assert converge(playbook=LAB).changed == 0
