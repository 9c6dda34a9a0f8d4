# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a host that nobody knows to one that the site can be applied to. The tests of this file build on each other."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

BOOTSTRAP, SITE = "playbooks/bootstrap.yml", "playbooks/site.yml"
ED25519 = "/etc/ssh/ssh_host_ed25519_key.pub"


@pytest.fixture
def keys():
    return Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"], "ssh")


@pytest.fixture
def known_hosts(keys):
    return keys / "known_hosts"


@pytest.fixture
def pins(keys, known_hosts, host):
    """The host's lines in known_hosts."""
    address = json.loads((keys / "addresses.json").read_text())[host.backend.get_hostname()]

    def read():
        text = known_hosts.read_text() if known_hosts.exists() else ""
        return [line for line in text.splitlines() if line.startswith(f"{address} ")]

    return read


@pytest.fixture
def one_time(host):
    """Debian 13's root has a password and no key, Debian 12's a key and no password."""
    return {"bootstrap_password": "one-time"} if "debian13" in host.backend.get_hostname() else {}


def fingerprint(inside, path=ED25519):
    return inside.check_output(f"ssh-keygen -lf {path}").split()[1]


def accounts(inside):
    return inside.check_output("sha256sum /etc/passwd /etc/shadow /etc/group /etc/ssh/sshd_config.d/* | cut -c-64")


def test_a_placeholder_is_refused_before_anybody_is_met(play, pins):
    placeholder = [{"name": "ops", "keys": ["ssh-ed25519 REPLACE-ME ops@controller"], "sudo_nopasswd": True}]
    outcome = play(BOOTSTRAP, accounts_administrators=placeholder, bootstrap_accept_host_key=True)
    assert "the placeholder 'REPLACE-ME'" in outcome.message
    assert "shows the host key" not in outcome.text
    assert pins() == []


def test_an_unknown_key_is_shown_and_not_trusted_without_a_person(play, inside, pins):
    before = accounts(inside)
    outcome = play(BOOTSTRAP)
    assert fingerprint(inside) in outcome.message
    assert "is unknown" in outcome.message
    assert accounts(inside) == before
    assert pins() == []


def test_another_fingerprint_is_refused(play, inside):
    outcome = play(BOOTSTRAP, bootstrap_host_key_fingerprint=fingerprint(inside, "/etc/ssh/ssh_host_ecdsa_key.pub"))
    assert "found that of the host's ecdsa-sha2-nistp256 key" in outcome.message
    outcome = play(BOOTSTRAP, bootstrap_host_key_fingerprint="SHA256:" + 43 * "A", bootstrap_accept_host_key=True)
    assert "is not the expected one" in outcome.message
    assert fingerprint(inside) in outcome.message


def test_a_dry_run_says_what_would_be_pinned(play, pins):
    outcome = play(BOOTSTRAP, "--check")
    assert outcome.ok and outcome.changed == 1
    assert pins() == []


def test_an_account_that_the_inventory_does_not_have_is_refused_before_anything(play, inside):
    outcome = play(BOOTSTRAP, ansible_user="root", bootstrap_accept_host_key=True)
    assert "ansible_user: found root; expected one of accounts_administrators (ops)" in outcome.message


def test_a_stranger_is_told_who_was_tried(play, keys):
    outcome = play(BOOTSTRAP, bootstrap_accept_host_key=True, ansible_ssh_private_key_file=str(keys / "stranger"))
    assert "ops is refused with the controller's keys" in outcome.message
    assert "root is refused with the controller's keys" in outcome.message


def test_an_expired_password_is_named(play, inside, one_time):
    if not one_time:
        pytest.skip("this host's root has no password")
    inside.check_output("chage -d 0 root")
    outcome = play(BOOTSTRAP, **one_time)
    inside.check_output("chage -d 20000 root")
    assert "the password of root has expired" in outcome.message


def test_one_run_makes_the_host_ready(play, inside, pins, one_time):
    assert not inside.exists("sudo")
    outcome = play(BOOTSTRAP, bootstrap_host_key_fingerprint=fingerprint(inside), **one_time)
    assert outcome.ok, outcome.text
    assert [line.split()[1:] for line in pins()] == [inside.file(ED25519).content_string.split()[:2]]
    assert inside.check_output("id -nG ops").split() == ["ops", "ssh-users"]
    assert inside.run("su ops -c 'sudo -n id -u'").stdout.strip() == "0"
    assert "one-time" not in outcome.text


def test_a_second_run_changes_nothing(play):
    outcome = play(BOOTSTRAP)
    assert outcome.ok and outcome.changed == 0, outcome.text


def test_an_account_whose_sudo_asks_brings_a_lost_administrator_back(play, inside, keys):
    public = (keys / "id_ed25519.pub").read_text().strip()
    inside.check_output(
        "useradd --create-home cloud && echo cloud:my-own-word | chpasswd && install -d -o cloud -m 0700 ~cloud/.ssh"
    )
    inside.check_output("echo %s > ~cloud/.ssh/authorized_keys && echo 'cloud ALL=(ALL) ALL' > /etc/sudoers.d/cloud", public)
    inside.check_output(": > ~ops/.ssh/authorized_keys")
    outcome = play(BOOTSTRAP, bootstrap_user="cloud")
    assert "sudo wants a password or refuses; give it with -K" in outcome.message
    outcome = play(BOOTSTRAP, bootstrap_user="cloud", ansible_become_password="my-own-word")
    assert outcome.ok, outcome.text
    assert "my-own-word" not in outcome.text
    assert public.split()[1] in inside.check_output("cat ~ops/.ssh/authorized_keys")
    inside.check_output("rm /etc/sudoers.d/cloud && userdel --force --remove cloud")


def test_after_the_site_has_closed_that_door_it_changes_nothing_either(play, inside):
    assert play(SITE).ok
    assert "0.0.0.0:22 " not in inside.check_output("ss -tln")
    outcome = play(BOOTSTRAP)
    assert outcome.ok and outcome.changed == 0, outcome.text


def test_a_password_of_sudo_that_nobody_gave_is_asked_for_before_the_first_change(play, inside, keys):
    asked = [{"name": "ops", "keys": [(keys / "id_ed25519.pub").read_text()], "password": f"$6$saltsalt${86 * 'a'}"}]
    before = accounts(inside)
    for playbook in (BOOTSTRAP, SITE):
        outcome = play(playbook, accounts_administrators=asked)
        assert "found ops, whose sudo asks for a password" in outcome.message
        assert "Give it with -K" in outcome.message
    assert accounts(inside) == before


def test_a_changed_host_key_is_an_error_that_names_both(play, inside, known_hosts, pins, keys):
    kept = known_hosts.read_text()
    stranger = keys / "stranger.pub"
    other = " ".join(stranger.read_text().split()[:2])
    known_hosts.write_text(kept.replace(pins()[0], f"{pins()[0].split()[0]} {other}"))
    outcome = play(BOOTSTRAP, bootstrap_accept_host_key=True)
    told = subprocess.run(["ssh-keygen", "-lf", stranger], capture_output=True, text=True, check=True).stdout.split()[1]
    known_hosts.write_text(kept)
    assert "has CHANGED" in outcome.message
    assert fingerprint(inside) in outcome.message and told in outcome.message
