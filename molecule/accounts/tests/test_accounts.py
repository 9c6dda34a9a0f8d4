# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who has an account, what opens it, and what it may do."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ARCHIVES = "/var/backups/research-server"
KEYS = "/etc/ssh/authorized_keys.d"
DATABASES = f"sha256sum /etc/passwd /etc/shadow /etc/group /etc/sudoers.d/* /home/*/.ssh/authorized_keys {KEYS}/*"


def public(name):
    return Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "ssh", f"{name}.pub").read_text().strip()


def public_key(tmp_path, *options):
    path = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-N", "", "-f", str(path), *options], check=True)
    return Path(f"{path}.pub").read_text().strip()


@pytest.mark.parametrize("name", ["alice", "dave", "erin", "grace"])
def test_people_get_in_with_their_key(client, name):
    assert client.ssh(name, "id -un", key=name, port=22).stdout.strip() == name


def test_a_key_that_the_data_does_not_name_no_longer_opens_the_account(client):
    assert client.ssh("alice", key="stranger", port=22).rc == 255


@pytest.mark.parametrize("key", ["erin_expired", "erin_away"])
def test_sshd_understands_the_day_and_the_place_of_a_key(client, key):
    assert client.refused("erin", key=key, port=22) or client.ssh("erin", key=key, port=22).rc == 255


def test_sshd_understands_the_command_of_a_key(client):
    assert client.ssh("erin", "id -un", key="erin_backup", port=22).stdout.strip() == "backup, done"


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


def manager_failed(host, name):
    return f"user@{host.user(name).uid}.service" in host.check_output("systemctl --failed --no-legend --plain")


def test_a_leaver_is_out(host, client):
    assert client.ssh("bob", key="bob", port=22).rc == 255
    assert host.run("pgrep -u bob").rc == 1
    assert "ssh-users" not in host.user("bob").groups
    assert host.run("su - bob -c true").rc != 0


def test_a_leaver_keeps_the_home_and_no_key(host):
    assert host.file("/home/bob/results").content_string == "results\n"
    assert not host.file("/home/bob/.ssh/authorized_keys").exists
    assert not host.file(f"{KEYS}/bob").exists


def test_keys_are_roots_and_in_homes_as_long_as_sshd_looks_there(host):
    """The role alone: nobody has told sshd of the new place."""
    assert "authorizedkeysfile .ssh/authorized_keys" in host.check_output("sshd -T | grep -i authorizedkeysfile")
    for path in (f"{KEYS}/alice", "/home/alice/.ssh/authorized_keys"):
        keys = host.file(path)
        assert (keys.user, keys.mode) == ("root", 0o644)
        assert keys.content_string.splitlines()[-1] == public("alice")
    assert f"# Keys of this account are kept in {KEYS}/alice" in host.file("/home/alice/.ssh/authorized_keys").content_string


def test_nothing_of_a_leaver_runs_now_or_later(host):
    assert host.run("pgrep -u carl").rc == 1
    assert not manager_failed(host, "carl"), "nobody is alarmed by what the role has ended"
    assert not host.service("carls-work").is_running
    assert not host.service("carls-work").is_enabled
    for path in ("/var/spool/cron/crontabs/carl", "/var/spool/cron/atjobs/a00001", "/var/lib/systemd/linger/carl"):
        assert not host.file(path).exists


def test_an_archived_home_is_whole_and_only_roots(host):
    assert not host.file("/home/carl").exists
    assert host.check_output("ls -A /home | grep carl || true") == ""
    name = f"carl-{host.user('carl').uid}.tar"
    folder, archive = host.file(ARCHIVES), host.file(f"{ARCHIVES}/{name}")
    assert (folder.mode, archive.mode, archive.user) == (0o700, 0o600, "root")
    assert host.check_output(f"ls -A {ARCHIVES}").split() == [name]
    assert host.check_output(f"tar --extract --to-stdout --file={archive.path} carl/results") == "results"
    listing = host.check_output(f"tar --list --verbose --file={archive.path}")
    assert "carl/link -> /etc/shadow" in listing
    assert "authorized_keys" not in listing


def test_lingering_is_as_the_data_says(host):
    assert host.check_output("ls /var/lib/systemd/linger").split() == ["dave"]


class TestProjects:
    @pytest.mark.parametrize(
        ("path", "mode", "group"), [("/srv/projects/vision", 0o2770, "vision"), ("/srv/shared", 0o2775, "imaging")]
    )
    def test_the_folder_is_the_groups(self, host, path, mode, group):
        folder = host.file(path)
        assert (folder.mode, folder.user, folder.group) == (mode, "root", group)

    def test_members_are_exactly_those_of_the_data(self, host):
        assert sorted(host.group("vision").members) == ["alice", "dave"]

    def test_what_one_member_makes_the_other_writes_and_nobody_else_reads(self, host):
        make = "umask 077; mkdir -p /srv/projects/vision/data; echo one > /srv/projects/vision/data/file"
        host.check_output("runuser -u alice -- sh -c %s", make)
        host.check_output("runuser -u dave -- sh -c 'echo two >> /srv/projects/vision/data/file'")
        assert host.file("/srv/projects/vision/data/file").content_string == "one\ntwo\n"
        assert host.file("/srv/projects/vision/data/file").group == "vision"
        for stranger in ("erin", "zoe"):
            assert host.run(f"runuser -u {stranger} -- ls /srv/projects/vision").rc != 0
        host.check_output("runuser -u alice -- sh -c 'umask 077; echo > /srv/shared/file'")
        assert host.run("runuser -u erin -- cat /srv/shared/file").rc == 0
        assert host.run("runuser -u erin -- touch /srv/shared/other").rc != 0

    @pytest.mark.one_release
    def test_a_link_in_the_way_is_refused(self, host, converge):
        host.check_output("ln -s /root /srv/trap")
        projects = [{"name": "trap", "path": "/srv/trap"}, {"name": "vision", "members": ["alice", "dave"], "mode": "2775"}]
        found = converge(accounts_projects=projects)
        assert not found.ok
        assert "project 'trap': found a link or a file at /srv/trap" in found.message
        # The others are served.
        assert host.file("/srv/projects/vision").mode == 0o2775
        assert host.check_output("readlink /srv/trap") == "/root"
        host.check_output("rm /srv/trap && groupdel trap")
        assert converge().ok


@pytest.mark.one_release
def test_a_key_that_expires_soon_is_a_warning_and_no_change(host, converge):
    soon = host.check_output("date --date='10 days' +%Y-%m-%d")
    path = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "ssh", "id_ed25519.pub")
    key = path.read_text().strip()
    people = [{"name": "ops", "keys": [key, {"key": key, "expires": soon}], "sudo_nopasswd": True}]
    assert converge(accounts_administrators=people).ok
    again = converge(accounts_administrators=people)
    assert again.changed == 0
    assert f"expires on {soon}" in str(again.results[-1]["warnings"])
    assert converge().ok


def test_who_never_had_an_account_gets_none(host):
    assert not host.user("never").exists


@pytest.mark.one_release
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

    def test_an_option_that_sshd_would_not_understand(self, converge, tmp_path):
        key = {"key": public_key(tmp_path, "-t", "ed25519"), "options": ["no-ptty"]}
        assert "found 'no-ptty'" in converge(accounts_researchers=[{"name": "alice", "keys": [key]}]).message

    @pytest.mark.parametrize(
        "more", [{"expires": "2020-01-01"}, {"options": ['from="192.0.2.7"']}, {"options": ['command="true"']}]
    )
    def test_no_key_that_lets_the_administrator_back_in(self, converge, tmp_path, more):
        key = {"key": public_key(tmp_path, "-t", "ed25519"), **more}
        found = converge(accounts_administrators=[{"name": "ops", "keys": [key], "sudo_nopasswd": True}])
        assert "no administrator who is present and has a key that opens a shell" in found.message

    def test_a_system_account(self, converge):
        found = converge(accounts_researchers=[{"name": "daemon"}], accounts_projects=[])
        assert "account 'daemon': found a user or group of the system" in found.message

    def test_a_system_account_that_only_this_host_knows(self, host, converge):
        host.check_output("useradd --system experiment")
        found = converge(accounts_researchers=[{"name": "experiment"}], accounts_projects=[])
        host.check_output("userdel experiment")
        assert "account 'experiment': found a system account" in found.message

    def test_another_number_for_somebody_who_owns_files(self, converge):
        found = converge(accounts_researchers=[{"name": "dave", "uid": 4243}], accounts_projects=[])
        assert "found uid 4242, expected 4243" in found.message


def test_no_password_ages_that_nobody_has(host, client, converge):
    """As hardening guides for login.defs want it of new accounts: sshd then refuses keys, too."""
    assert all(host.check_output(f"getent shadow {name} | cut -d: -f5,7") == ":" for name in ("alice", "dave"))
    host.check_output("chage --maxdays 1 --inactive 1 --lastday 2020-01-01 alice")
    assert client.ssh("alice", key="alice", port=22).rc != 0
    assert converge("--check").changed == 1
    assert client.ssh("alice", key="alice", port=22).rc != 0
    assert converge().changed == 1
    assert client.ssh("alice", key="alice", port=22).rc == 0
    assert converge().changed == 0


@pytest.mark.one_release
def test_root_follows_no_link_in_a_home(host, converge):
    """A researcher points ~/.ssh at a place where only root may write."""
    host.check_output("mkdir -p /root/trap && rm -r /home/alice/.ssh && ln -s /root/trap /home/alice/.ssh")
    found = converge()
    assert found.ok
    assert "account 'alice': found a link at /home/alice/.ssh" in str(found.results[-1]["notices"])
    assert host.check_output("ls -A /root/trap") == ""
    assert host.check_output("readlink /home/alice/.ssh.replaced.1") == "/root/trap"
    assert host.file("/home/alice/.ssh").is_directory and not host.file("/home/alice/.ssh").is_symlink
    host.check_output("rm /home/alice/.ssh.replaced.1")
    assert converge().changed == 0


@pytest.mark.one_release
def test_a_home_with_something_mounted_in_it_is_not_archived_and_its_owner_is_out(host, client, converge):
    researchers = [{"name": "bob", "state": "absent", "home": "archived"}]
    host.check_output("mkdir -p /home/bob/mount && mount -t tmpfs tmpfs /home/bob/mount")
    # As if he had never left.
    host.check_output("usermod --unlock --expiredate '' --shell /bin/bash bob")
    found = converge(accounts_researchers=researchers, accounts_projects=[])
    host.check_output("umount /home/bob/mount && rmdir /home/bob/mount")
    assert not found.ok
    assert "account 'bob': the home cannot be archived: found a file system mounted at /home/bob/mount" in found.message
    assert host.file("/home/bob/results").exists
    assert host.check_output("getent shadow bob").split(":")[7] == "1"
    assert converge().ok


@pytest.mark.one_release
class TestWhatPeopleAdd:
    """With keys that are not exclusive."""

    @pytest.fixture(autouse=True)
    def everything_as_before(self, host, converge):
        yield
        host.check_output("sed -i '/^AuthorizedKeysFile/d' /etc/ssh/sshd_config && systemctl reload ssh")
        assert converge().ok

    def test_stays_and_opens_the_account(self, host, client, converge):
        add = f"rm -f ~/.ssh/authorized_keys; echo '{public('stranger')}' > ~/.ssh/authorized_keys"
        assert converge(accounts_exclusive_keys=False).ok
        host.check_output("runuser -u alice -- sh -c %s", add)
        assert converge(accounts_exclusive_keys=False).ok
        for key in ("alice", "stranger"):
            assert client.ssh("alice", key=key, port=22).rc == 0
        # As the role sshd says it.
        host.check_output(
            f"sed -i '1i AuthorizedKeysFile {KEYS}/%u .ssh/authorized_keys' /etc/ssh/sshd_config && systemctl reload ssh"
        )
        assert converge(accounts_exclusive_keys=False).changed == 0
        for key in ("alice", "stranger"):
            assert client.ssh("alice", key=key, port=22).rc == 0
        host.check_output("runuser -u alice -- sh -c %s", f"echo 'no-pty {public('alice')}' >> ~/.ssh/authorized_keys")
        assert converge(accounts_exclusive_keys=False).changed == 1
        left = host.file("/home/alice/.ssh/authorized_keys").content_string
        assert "no-pty" not in left and public("stranger") in left


@pytest.mark.one_release
def test_a_leaver_comes_back_and_leaves_with_open_sessions(host, client, converge):
    key = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "ssh", "bob.pub").read_text().strip()
    back = converge(accounts_researchers=[{"name": "bob", "keys": [key]}], accounts_projects=[])
    assert back.ok, back.text
    assert client.ssh("bob", "cat results", key="bob", port=22).stdout == "results\n"
    session = f"timeout 60 ssh {client.options('bob', port=22)} bob@{client.server} sleep 50 </dev/null >/dev/null 2>&1 & sleep 2"
    client.machine.check_output(session)
    assert host.run("pgrep -u bob sleep").rc == 0
    assert converge(accounts_researchers=[{"name": "bob", "state": "absent"}], accounts_projects=[]).ok
    assert host.run("pgrep -u bob").rc == 1
    assert not manager_failed(host, "bob")
    assert client.ssh("bob", key="bob", port=22).rc == 255


@pytest.mark.one_release
def test_an_archive_that_fails_costs_nothing_and_one_that_was_interrupted_is_finished(host, converge):
    small = "/srv/small"
    leaver = {"accounts_researchers": [{"name": "bob", "state": "absent", "home": "archived"}], "accounts_projects": []}
    host.check_output(f"mkdir {small} && mount -t tmpfs -o size=4k tmpfs {small}")
    failed = converge(**leaver, accounts_archive_dir=small)
    left = host.check_output(f"ls -A {small}")
    host.check_output(f"umount {small} && rmdir {small}")
    assert "account 'bob': 'tar --create" in failed.message and "ended with" in failed.message
    assert left == ""
    assert host.file("/home/bob/results").content_string == "results\n"
    # As if the run had been killed between the archive and the removal.
    host.check_output("mv /home/bob /home/.bob.archived")
    before = host.check_output(f"ls -A {ARCHIVES}")
    assert converge(**leaver).changed == 1
    assert host.check_output("ls -A /home | grep bob || true") == ""
    assert host.check_output(f"ls -A {ARCHIVES}") == before
