# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Strangers try and are banned; everyone else does not notice."""

from __future__ import annotations

import json
import re
import subprocess
import time

import pytest
from waiting import wait_until

MAXIMUM_TRIES = 5


@pytest.fixture(autouse=True)
def nobody_is_banned(host):
    # A test before may have restarted it.
    wait_until(lambda: host.run("fail2ban-client ping").rc == 0)
    host.check_output("fail2ban-client unban --all")


def banned(host):
    return host.check_output("fail2ban-client get sshd banip --with-time | cut -f1").split()


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


@pytest.mark.cases(3)
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


@pytest.mark.one_release
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


@pytest.mark.one_release
def test_who_comes_through_a_bastion_is_not_banned(host, client, converge, tmp_path):
    inventory = tmp_path / "bastion.yml"
    inventory.write_text(json.dumps({"bastion": {"hosts": {"door": {"ansible_host": client.address}}}}))
    assert converge("-i", str(inventory)).changed == 1
    for _attempt in range(MAXIMUM_TRIES + 1):
        assert client.ssh("admin", key="stranger").rc != 0
    time.sleep(2)
    assert client.address not in banned(host)
    assert client.reaches()
    assert converge().changed == 1


@pytest.mark.one_release
def test_a_user_cannot_have_others_banned(host, new_client):
    """Anyone may write to the journal under the name of sshd, from a login too."""
    victim, colleague = new_client(), new_client()
    host.check_output("cp /usr/bin/logger /home/alice/sshd && chmod 755 /home/alice/sshd")
    line = f"Failed password for invalid user admin from {victim.address} port 4242 ssh2"
    for identity in ("sshd", "sshd-session"):
        write = f"for try in 1 2 3 4 5 6; do ./sshd -t {identity} '{line}'; done"
        assert colleague.ssh("alice", write, key="alice").rc == 0
        host.check_output("cd /home/alice && runuser -u alice -- sh -c %s", write)
    assert line in host.check_output("journalctl --quiet --lines 100 SYSLOG_IDENTIFIER=sshd")
    time.sleep(2)
    assert victim.address not in banned(host)


def test_it_watches_after_a_reboot(host):
    assert host.service("fail2ban").is_enabled
    assert host.check_output("fail2ban-client status").split("Jail list:")[1].replace(",", " ").split() == ["recidive", "sshd"]


def test_it_watches_without_a_log_of_before(host):
    """As on an image that was cleaned, or with /var/log in memory."""
    host.check_output("systemctl stop fail2ban; rm /var/log/fail2ban.log; systemctl start fail2ban")
    assert host.check_output("stat -c %a /var/log/fail2ban.log") == "640"
    wait_until(lambda: host.run("fail2ban-client status recidive").rc == 0)


def test_the_jails_are_in_effect_on_all_ports(host):
    assert "0:65535" in host.check_output("fail2ban-client get sshd action nftables port || fail2ban-client -d | grep -F 0:65535")


@pytest.fixture
def deaf(host):
    """A filter that does not understand this sshd, as after an upgrade that changed its words."""
    path = "/etc/fail2ban/filter.d/sshd.conf"
    text = "[Definition]\\ncmnfailre = ^never$\\nfailregex = ^never$\\n"
    host.check_output(f"cp -p {path} /root/ && printf '{text}' > {path} && systemctl restart fail2ban")
    yield
    host.check_output(f"mv /root/sshd.conf {path} && systemctl restart fail2ban")


@pytest.mark.cases(2)
@pytest.mark.one_release
@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("jail.d/zz-more.local", "[sshd]\nmaxretry = 900\n", "set sshd maxretry 900"),
        ("filter.d/sshd.local", "[Definition]\nfailregex = ^never$\n", "^never$"),
        ("action.d/nftables.local", "[Definition]\nactionban = true\n", "actionban"),
    ],
)
def test_a_file_of_somebody_else_that_changes_the_jails_is_named_with_the_way_out(host, converge, name, text, says):
    path = f"/etc/fail2ban/{name}"
    # A jail of somebody's own is theirs, and says nothing about ours.
    host.check_output(
        "printf '[web]\nenabled = false\nmaxretry = 2\n' > /etc/fail2ban/jail.d/web.local && fail2ban-client reload"
    )
    assert converge().changed == 0
    host.check_output("printf %%s %s > %s", text, path)
    for arguments in (["--check"], []):
        found = converge(*arguments)
        assert not found.ok and f"found in {path} what changes the jails" in found.message and says in found.message
    way_out = found.message.rpartition("put the file aside: ")[2].splitlines()[0].strip()
    assert way_out == f"mv {path} {path}.replaced"
    host.check_output(f"{way_out} && rm {path}.replaced /etc/fail2ban/jail.d/web.local && fail2ban-client reload")
    assert converge().changed == 0


def test_what_the_running_server_was_told_is_undone(host, converge):
    host.check_output("fail2ban-client set sshd maxretry 500; fail2ban-client stop recidive")
    checked = converge("--check", "--diff")
    assert checked.ok and checked.changed == 1 and "sshd: maxretry 500" in checked.text and "recidive: " in checked.text
    assert converge().changed == 1
    assert host.check_output("fail2ban-client get sshd maxretry") == "5"
    assert converge().changed == 0


@pytest.mark.one_release
def test_who_has_masked_it_sees_it_run_again(host, converge):
    host.check_output("systemctl mask --now fail2ban")
    checked = converge("--check", "--diff")
    assert checked.ok and checked.changed == 1 and "masked" in checked.text
    assert converge().changed == 1
    assert host.service("fail2ban").is_running and host.service("fail2ban").is_enabled
    assert converge().changed == 0


@pytest.mark.one_release
def test_a_jail_that_does_not_understand_the_server_fails_the_run(host, deaf, converge):
    found = converge()
    assert not found.ok
    assert "jail 'sshd' did not notice a failed connection" in found.message


def test_jails_that_fail2ban_refuses_are_taken_back(host, converge):
    path = "/etc/fail2ban/jail.d/research-server.local"
    before = host.file(path).sha256sum
    found = converge(fail2ban_findtime="%(nothing)s")
    assert "what was there before has been restored" in found.message
    assert host.file(path).sha256sum == before
    assert converge().changed == 0


@pytest.mark.one_release
def test_trusted_networks_are_never_banned(converge):
    done = converge("--check", "--diff", sshd_trusted_networks=["198.51.100.0/24"])
    assert "198.51.100.0/24" in done.text
