# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Strangers try and are banned; everyone else does not notice."""

from __future__ import annotations

import re
import subprocess
import time

import pytest

MAXIMUM_TRIES = 5


@pytest.fixture(autouse=True)
def nobody_is_banned(host):
    host.check_output("fail2ban-client unban --all")


def banned(host):
    return host.check_output("fail2ban-client get sshd banip --with-time | cut -f1").split()


def wait_until(condition, seconds=20):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.2)


def attack(client, **options):
    """Try until the door is shut; returns how often it was open."""
    for tries in range(MAXIMUM_TRIES + 1):
        done = client.ssh(**options)
        assert done.rc != 0
        if re.search("Connection refused|timed out", done.stderr):
            return tries
        # The server writes, fail2ban reads: give a ban that is due the time to come.
        time.sleep(1)
    return MAXIMUM_TRIES + 1


@pytest.mark.parametrize(
    "attempt",
    [
        {"user": "admin", "password": "1234"},
        {"user": "root", "password": "1234"},
        {"user": "alice", "password": "1234"},
        {"user": "alice", "key": "stranger"},
        {"user": "nobody-here", "key": "stranger"},
    ],
    ids=lambda attempt: f"{attempt['user']}-{'key' if 'key' in attempt else 'password'}",
)
def test_who_tries_and_fails_is_banned_within_the_tries_allowed(host, client, attempt):
    tries = attack(client, **attempt)
    wait_until(lambda: client.address in banned(host))
    assert 1 <= tries <= MAXIMUM_TRIES + 1
    assert not client.reaches()
    host.check_output(f"fail2ban-client unban {client.address}")


def test_a_ban_concerns_one_address_and_ends(host, new_client):
    stranger, researcher = new_client(), new_client()
    attack(stranger, user="admin", password="1234")
    wait_until(lambda: stranger.address in banned(host))
    assert not stranger.reaches()
    assert researcher.ssh("alice", key="alice").rc == 0
    host.check_output(f"fail2ban-client unban {stranger.address}")
    wait_until(stranger.reaches)


def test_a_second_ban_is_longer(host, client):
    lengths = []
    for _round in range(2):
        host.check_output(f"fail2ban-client set sshd banip {client.address}")
        wait_until(lambda: client.address in banned(host))
        attack_line = host.check_output(f"fail2ban-client get sshd banip --with-time | grep -F '{client.address}'")
        lengths.append(int(attack_line.split("+")[1].split()[0]))
        host.check_output(f"fail2ban-client set sshd unbanip {client.address}")
        time.sleep(1)
    assert lengths[1] >= lengths[0] >= 3600


def test_who_succeeds_is_not_banned(host, client):
    for _attempt in range(MAXIMUM_TRIES + 2):
        assert client.ssh("alice", key="alice").rc == 0
    assert client.address not in banned(host)


def test_the_machine_that_ansible_runs_on_is_not_banned(host, client):
    gateway = host.check_output("ip route show default | awk '{print $3}'")
    assert gateway in host.check_output("fail2ban-client get sshd ignoreip")
    command = ["ssh", "-p", "2222", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
    for _attempt in range(MAXIMUM_TRIES + 1):
        subprocess.run(
            [*command, "-o", "IdentityAgent=none", f"mallory@{client.server}", "true"],
            capture_output=True,
            timeout=30,
            check=False,
        )
    time.sleep(2)
    assert gateway not in banned(host)


def test_a_user_cannot_have_others_banned(host, client):
    """Anyone may write to the journal under the name of sshd."""
    host.check_output("cp /usr/bin/logger /home/alice/sshd && chmod 755 /home/alice/sshd")
    line = f"Failed password for invalid user admin from {client.address} port 4242 ssh2"
    for _attempt in range(MAXIMUM_TRIES + 1):
        host.check_output("runuser -u alice -- /home/alice/sshd -t sshd %s", line)
    time.sleep(2)
    assert client.address not in banned(host)


def test_it_watches_after_a_reboot(host):
    assert host.service("fail2ban").is_enabled
    assert host.check_output("fail2ban-client status").split("Jail list:")[1].replace(",", " ").split() == ["recidive", "sshd"]


def test_the_filter_matches_what_this_server_writes(host, client):
    client.ssh("nobody-here", key="stranger")
    pattern = "fail2ban-regex --journalmatch='_SYSTEMD_UNIT=ssh.service' systemd-journal 'sshd[mode=aggressive]'"
    found = host.check_output(pattern)
    assert " 0 matched" not in found.splitlines()[-1]
