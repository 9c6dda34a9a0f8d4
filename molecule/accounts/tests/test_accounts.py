# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who has an account, what opens it, and what it may do."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

DATABASES = "sha256sum /etc/passwd /etc/shadow /etc/group /etc/sudoers.d/* /home/*/.ssh/authorized_keys"


def public_key(tmp_path, *options):
    path = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-N", "", "-f", str(path), *options], check=True)
    return Path(f"{path}.pub").read_text().strip()


@pytest.mark.parametrize("name", ["alice", "dave", "grace"])
def test_people_get_in_with_their_key(client, name):
    assert client.ssh(name, "id -un", key=name, port=22).stdout.strip() == name


def test_a_key_that_the_data_does_not_name_no_longer_opens_the_account(client):
    assert client.ssh("alice", key="stranger", port=22).rc == 255


def test_nobody_without_a_password_can_use_one(host):
    fields = dict(line.split(":")[:2] for line in host.check_output("cat /etc/shadow").splitlines())
    assert {name: fields[name] for name in ("alice", "dave")} == {"alice": "*", "dave": "*"}
    assert fields["ops"] == "*"
    assert fields["grace"].startswith("$6$")


def test_numbers_names_and_groups_are_those_of_the_data(host):
    assert host.user("dave").uid == 4242
    assert host.user("alice").gecos == "Alice Example"
    assert {"imaging", "ssh-users"} <= set(host.user("alice").groups)


def test_homes_are_private(host):
    assert host.run("runuser -u dave -- ls /home/alice").rc != 0
    assert host.run("runuser -u alice -- ls /home/alice").rc == 0


def test_an_administrator_becomes_root_without_a_password_only_if_asked_for(client):
    assert client.ssh("ops", "sudo -n id -u", key="id_ed25519", port=22).stdout.strip() == "0"
    assert client.ssh("grace", "sudo -n id -u", key="grace", port=22).rc == 1
    assert client.ssh("grace", "echo secret | sudo -S -p '' id -u", key="grace", port=22).stdout.strip() == "0"


def test_a_researcher_does_not_become_root(client):
    assert client.ssh("alice", "sudo -n id", key="alice", port=22).rc == 1


def test_a_leaver_is_out(host, client):
    assert client.ssh("bob", key="bob", port=22).rc == 255
    assert host.run("pgrep -u bob").rc == 1
    assert "ssh-users" not in host.user("bob").groups
    assert host.run("su - bob -c true").rc != 0


def test_a_leaver_keeps_the_home_and_no_key(host):
    assert host.file("/home/bob/results").content_string == "results\n"
    assert not host.file("/home/bob/.ssh/authorized_keys").exists


def test_who_never_had_an_account_gets_none(host):
    assert not host.user("never").exists


class TestRefusals:
    """None of these changes anything."""

    @pytest.fixture(autouse=True)
    def unchanged(self, host):
        before = host.check_output(DATABASES)
        yield
        assert host.check_output(DATABASES) == before

    def test_no_administrator_with_a_key(self, converge):
        found = converge(accounts_administrators=[{"name": "ops", "keys": [], "sudo_nopasswd": True}])
        assert "no administrator who is present and has a key" in found.message

    def test_all_administrators_leave(self, converge):
        found = converge(accounts_administrators=[{"name": "ops", "state": "absent"}])
        assert "no administrator who is present and has a key" in found.message

    @pytest.mark.parametrize(
        ("options", "says"),
        [
            (("-t", "rsa", "-b", "2048"), "RSA key of 2048 bits is too short"),
            (("-t", "ecdsa"), "key type ecdsa-sha2-nistp256 is not accepted"),
        ],
    )
    def test_a_weak_key(self, converge, tmp_path, options, says):
        found = converge(accounts_researchers=[{"name": "alice", "keys": [public_key(tmp_path, *options)]}])
        assert says in found.message
        assert "alice" in found.message

    def test_an_operator_who_removes_himself(self, converge, tmp_path):
        people = [
            {"name": "grace", "keys": [public_key(tmp_path, "-t", "ed25519")], "sudo_nopasswd": True},
            {"name": "ops", "state": "absent"},
        ]
        assert "logged in right now" in converge(accounts_administrators=people).message

    def test_a_system_account(self, converge):
        assert "system account" in converge(accounts_researchers=[{"name": "daemon"}]).message

    def test_another_number_for_somebody_who_owns_files(self, converge):
        assert "found uid 4242, expected 4243" in converge(accounts_researchers=[{"name": "dave", "uid": 4243}]).message


def test_root_follows_no_link_in_a_home(host, converge):
    """A researcher points ~/.ssh at a place where only root may write."""
    host.check_output("mkdir -p /root/trap && mv /home/alice/.ssh /home/alice/kept && ln -s /root/trap /home/alice/.ssh")
    try:
        found = converge()
        assert not found.ok
        assert "something else than a directory at /home/alice/.ssh" in found.message
        assert host.check_output("ls -A /root/trap") == ""
    finally:
        host.check_output("rm /home/alice/.ssh && mv /home/alice/kept /home/alice/.ssh")
    assert converge().changed == 0


def test_a_leaver_comes_back_and_leaves_with_open_sessions(host, client, converge):
    key = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "ssh", "bob.pub").read_text().strip()
    assert converge(accounts_researchers=[{"name": "bob", "keys": [key]}]).ok
    assert client.ssh("bob", "cat results", key="bob", port=22).stdout == "results\n"
    session = f"timeout 60 ssh {client.options('bob', port=22)} bob@{client.server} sleep 50 </dev/null >/dev/null 2>&1 & sleep 2"
    client.machine.check_output(session)
    assert host.run("pgrep -u bob sleep").rc == 0
    assert converge(accounts_researchers=[{"name": "bob", "state": "absent"}]).ok
    assert host.run("pgrep -u bob").rc == 1
    assert client.ssh("bob", key="bob", port=22).rc == 255
