# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Attackers stay outside and are banned; a researcher does not notice that there is a door."""

from __future__ import annotations

import re
import time

import pytest
from waiting import wait_until

MAXIMUM_TRIES = 3  # fail2ban_maxretry
FETCH = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:{port}/', timeout=10).read().decode())"
# RFC 1928: no authentication, then CONNECT to 127.0.0.1:8888.
SOCKS = """
import socket
proxy = socket.create_connection(("127.0.0.1", 1080), 10)
proxy.sendall(bytes([5, 1, 0])); proxy.recv(2)
proxy.sendall(bytes([5, 1, 0, 1, 127, 0, 0, 1]) + (8888).to_bytes(2, "big")); print(proxy.recv(10)[1])
proxy.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
while data := proxy.recv(4096): print(data.decode())
"""


def banned(host):
    return host.check_output("fail2ban-client get sshd banip --with-time | cut -f1").split()


class TestStrangers:
    @pytest.mark.one_release
    @pytest.mark.parametrize(
        "attempt",
        [
            {"user": "alice", "password": "secret"},
            {"user": "root", "password": "secret"},
            {"user": "eve", "password": "secret"},
            {"user": "admin", "password": "1234"},
            {"user": "root", "key": "id_ed25519"},
            {"user": "alice", "key": "stranger"},
            {"user": "eve", "key": "eve"},
        ],
        ids=lambda attempt: f"{attempt['user']}-{attempt.get('key', 'password')}",
    )
    @pytest.mark.parametrize("family", [4, 6])
    def test_nobody_gets_in(self, visit, attempt, family):
        """The server names its methods in the refusal: neither password nor keyboard-interactive is among them."""
        assert visit(family=family).refused(**attempt)

    @pytest.mark.one_release
    @pytest.mark.parametrize(
        "weak",
        [
            "KexAlgorithms=diffie-hellman-group14-sha1",
            "KexAlgorithms=diffie-hellman-group14-sha256",
            "KexAlgorithms=ecdh-sha2-nistp256",
            "Ciphers=aes256-cbc",
            "Ciphers=3des-cbc",
            "MACs=hmac-sha1 -o Ciphers=aes256-ctr",
            "MACs=hmac-sha2-256 -o Ciphers=aes256-ctr",
            "HostKeyAlgorithms=ssh-rsa",
            "HostKeyAlgorithms=ecdsa-sha2-nistp256",
        ],
    )
    def test_weak_algorithms_are_not_spoken(self, visit, weak):
        done = visit().ssh("alice", key="alice", more=f"-o {weak}")
        assert done.rc == 255
        assert "Unable to negotiate" in done.stderr

    @pytest.mark.one_release
    @pytest.mark.parametrize("port", [22, 8888, 8889], ids=["old-ssh", "jupyter", "jupyter-on-all-addresses"])
    @pytest.mark.parametrize("family", [4, 6])
    def test_there_is_no_other_door(self, host, visit, port, family):
        # Something is behind it, or the test would say nothing.
        assert port == 22 or host.run("python3 -c %s", FETCH.format(port=port)).rc == 0
        stranger = visit(family=family)
        assert stranger.reaches(2222)
        assert not stranger.reaches(port)

    def test_brute_force_is_banned_and_forgiven_and_concerns_nobody_else(self, host, visit):
        strangers = [visit(family=family) for family in (4, 6)]
        neighbours = [visit(family=family) for family in (4, 6)]
        guesses = [{"user": "alice", "key": "stranger"}, {"user": "nobody-here", "password": "1234"}]
        for stranger, guess in zip(strangers, guesses, strict=True):
            assert 1 <= brute_force(stranger, **guess) <= MAXIMUM_TRIES + 1
            wait_until(lambda address=stranger.address: address in banned(host))
            assert not stranger.reaches()
        for neighbour in neighbours:
            assert neighbour.reaches()
            assert neighbour.ssh("alice", key="alice").rc == 0
            assert neighbour.address not in banned(host)
        for stranger in strangers:
            wait_until(stranger.reaches)


def brute_force(client, **options):
    """Try until the door is shut; how often it was open."""
    for tries in range(MAXIMUM_TRIES + 2):
        done = client.ssh(**options)
        assert done.rc != 0
        if re.search("Connection refused|timed out", done.stderr):
            return tries
        # The server writes, fail2ban reads: give a ban that is due the time to come.
        time.sleep(1)
    return MAXIMUM_TRIES + 2


class TestResearchers:
    @pytest.mark.parametrize("family", [4, 6])
    def test_a_key_opens_the_door(self, visit, family):
        assert visit("researcher", family).ssh("alice", "id -un", key="alice").stdout.strip() == "alice"

    def test_jupyter_is_reached_through_a_tunnel(self, researcher):
        with Tunnel(researcher, "-L 127.0.0.1:18888:localhost:8888"):
            fetched = researcher.machine.run("python3 -c %s", FETCH.format(port=18888))
        assert "secret-page" in fetched.stdout

    def test_jupyter_is_reached_through_a_socks_proxy(self, researcher):
        with Tunnel(researcher, "-D 127.0.0.1:1080"):
            fetched = researcher.machine.run("python3 -c %s", SOCKS)
        assert "secret-page" in fetched.stdout

    def test_files_travel_with_scp_sftp_and_rsync(self, researcher):
        machine, options, there = researcher.machine, researcher.options("alice"), f"alice@{researcher.server}"
        machine.check_output("command -v rsync || apt-get install -qqy rsync")
        machine.check_output("mkdir -p /root/data && head -c 100000 /dev/urandom > /root/data/file && rm -rf /root/back")
        machine.check_output(f"timeout 30 scp {options} /root/data/file {there}:one")
        machine.check_output(f"echo 'rename one two' | timeout 30 sftp -b - {options} {there}")
        machine.check_output(f"timeout 30 rsync -a -e 'ssh {options}' {there}:two /root/back/")
        machine.check_output(f"timeout 30 rsync -a -e 'ssh {options}' /root/data {there}:")
        assert machine.run("cmp /root/data/file /root/back/two").rc == 0
        assert researcher.ssh("alice", "cmp two data/file", key="alice").rc == 0

    def test_an_agent_with_several_keys_gets_in_and_is_not_banned(self, host, researcher):
        keys = " ".join(researcher._key(name) for name in ("stranger", "stranger_2", "stranger_3", "alice"))
        options = researcher.options(agent="$SSH_AUTH_SOCK").replace("IdentitiesOnly=yes", "IdentitiesOnly=no")
        script = f"""
            eval $(ssh-agent) >/dev/null; ssh-add -q {keys}
            for visit in 1 2 3 4 5; do timeout 30 ssh {options} alice@{researcher.server} id -un; done
            kill $SSH_AGENT_PID"""
        assert researcher.machine.check_output("sh -c %s", script).split() == ["alice"] * 5
        assert researcher.address not in banned(host)


class Tunnel:
    """An ssh without a command that carries connections while the block runs."""

    def __init__(self, client, forward):
        self.client, self.forward = client, forward

    def __enter__(self):
        options = f"{self.client.options('alice')} -o ExitOnForwardFailure=yes -o ControlPath=/root/tunnel"
        start = f"ssh -f -N -M {self.forward} {options} alice@{self.client.server} </dev/null >/dev/null 2>&1"
        self.client.machine.check_output(f"timeout 60 {start}")

    def __exit__(self, *_unused):
        self.client.machine.check_output(f"ssh -o ControlPath=/root/tunnel -O exit {self.client.server} 2>/dev/null")
