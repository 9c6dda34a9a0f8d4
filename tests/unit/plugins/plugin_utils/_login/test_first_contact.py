# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.plugin_utils._login import first_contact as contact
from ansible_collections.openlab.research_server.plugins.plugin_utils._login.first_contact import (
    HostKey,
    Login,
    Pins,
    RefusedError,
)

BLOB = base64.b64encode(b"one").decode()
OTHER = base64.b64encode(b"two").decode()
KEY, CHANGED, RSA = HostKey("ssh-ed25519", BLOB), HostKey("ssh-ed25519", OTHER), HostKey("ssh-rsa", OTHER)


def test_the_fingerprint_is_that_of_ssh_keygen(tmp_path: Path) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(tmp_path / "key")], check=True)
    type_, blob, *_comment = (tmp_path / "key.pub").read_text().split()
    told = subprocess.run(["ssh-keygen", "-lf", str(tmp_path / "key.pub")], check=True, capture_output=True, text=True).stdout
    assert HostKey(type_, blob).fingerprint == told.split()[1]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Pins((), False)),
        (f"# Host h found: line 1\nh ssh-ed25519 {BLOB}\n", Pins((KEY,), False)),
        (f"h,192.0.2.1 ssh-ed25519 {BLOB} a comment\nh ssh-ed25519 {BLOB}\n", Pins((KEY,), False)),
        (f"|1|salt|hash ssh-ed25519 {BLOB}\n|1|salt|hash ssh-rsa {OTHER}\n", Pins((KEY, RSA), False)),
        (f"@cert-authority *.lab ssh-ed25519 {BLOB}\n", Pins((), True)),
        (f"@revoked h ssh-ed25519 {BLOB}\n", Pins((), False)),
        ("h ssh-ed25519 %%%\nh ssh-ed25519\n\n", Pins((), False)),
    ],
)
def test_known_hosts_is_read(text: str, expected: Pins) -> None:
    assert contact.parse_known_hosts(text) == expected


@pytest.mark.parametrize(
    ("pinned", "begins"),
    [
        ((), "ssh-ed25519,rsa-sha2-512"),
        ((RSA,), "rsa-sha2-512,rsa-sha2-256,ssh-ed25519"),
        ((HostKey("ssh-dss", BLOB),), "ssh-ed25519"),
    ],
)
def test_the_pinned_kind_of_key_is_asked_for_first(pinned: tuple[HostKey, ...], begins: str) -> None:
    assert contact.host_key_algorithms(pinned).startswith(begins)


def test_the_pinned_host_is_recognised_and_a_new_one_is_not() -> None:
    assert contact.is_pinned("h", KEY, Pins((RSA, KEY), False), ["f"])
    assert not contact.is_pinned("h", KEY, Pins((), False), ["f"])


def test_a_changed_key_is_named_with_the_old_one() -> None:
    with pytest.raises(RefusedError) as error:
        contact.is_pinned("h", CHANGED, Pins((KEY,), False), ["/k"])
    assert KEY.fingerprint in str(error.value)
    assert CHANGED.fingerprint in str(error.value)
    assert "ssh-keygen -R h -f /k" in str(error.value)


@pytest.mark.parametrize(
    "given",
    [
        KEY.fingerprint,
        KEY.fingerprint.removeprefix("SHA256:"),
        f"256 {KEY.fingerprint} root@h (ED25519)",
        f"{KEY.fingerprint}=",
        f" {KEY.fingerprint}\n",
    ],
)
def test_a_fingerprint_fits_as_people_copy_it(given: str) -> None:
    contact.check_fingerprint("h", KEY, ["SHA256:xyz", given], [])


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("SHA256:xyz", "is not the expected one"),
        ("", "is not the expected one"),
        (RSA.fingerprint, "that of the host's ssh-rsa key"),
    ],
)
def test_any_other_does_not(given: str, says: str) -> None:
    with pytest.raises(RefusedError, match=says):
        contact.check_fingerprint("h", KEY, [given], [KEY, RSA])


@pytest.mark.parametrize(("name", "says"), [("root", "found root"), ("", "found nothing")])
def test_ansible_has_to_log_in_as_an_administrator(name: str, says: str) -> None:
    contact.check_administrator("ops", ["ops"])
    with pytest.raises(RefusedError, match=says):
        contact.check_administrator(name, ["ops"])


def test_an_administrator_whose_sudo_asks_needs_a_password_to_type() -> None:
    asks, free = {"name": "ops", "password": "$y$"}, {"name": "ops", "sudo_nopasswd": True}
    with pytest.raises(RefusedError, match=r"found ops, whose sudo asks for a password .* Give it with -K"):
        contact.check_sudo_password("ops", [asks], has_password=False)
    contact.check_sudo_password("ops", [asks], has_password=True)
    contact.check_sudo_password("ops", [free], has_password=False)
    # Of whom the inventory says nothing, nobody knows.
    contact.check_sudo_password("root", [asks], has_password=False)
    contact.check_sudo_password("ops", [{**asks, "state": "absent"}], has_password=False)


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ("uid=0\npython=3.11.2\n", Login(0, "3.11.2", "")),
        ("Welcome to x=1\nuid=1000\nsudo=free\n", Login(1000, "", "free")),
        ("uid=1000\nsudo=asks\n", Login(1000, "", "asks")),
        ("This service allows sftp connections only.\n", Login(-1, "", "")),
        ("uid=\n", Login(-1, "", "")),
    ],
)
def test_a_login_tells_what_is_there(output: str, expected: Login) -> None:
    assert contact.parse_login(output) == expected


def test_the_probe_runs_in_any_posix_shell() -> None:
    told = subprocess.run(["sh", "-c", contact.PROBE], check=True, capture_output=True, text=True)
    assert contact.parse_login(told.stdout).uid >= 0
    assert contact.parse_login(told.stdout).python


@pytest.mark.parametrize(
    ("login", "root"), [(Login(0, "", ""), True), (Login(1, "", "free"), True), (Login(1, "", "asks"), False)]
)
def test_root_or_free_sudo_is_needed(login: Login, root: bool) -> None:
    assert login.may_become_root is root


@pytest.mark.parametrize(
    ("output", "error", "password", "says"),
    [
        ('Please login as the user "debian" rather than the user "root".\n\n', "", False, "use -e bootstrap_user=debian"),
        ("Please login as the user ubuntu rather than", "", False, "use -e bootstrap_user=ubuntu"),
        ("", "You are required to change your password immediately (administrator enforced).", True, "set a new one"),
        ("", "Password change required but no TTY available.", True, "set a new one"),
        ("", "WARNING: Your password has expired.", True, "set a new one"),
        ("", "Your account has expired; please contact your system administrator.", False, "chage -E -1 root"),
        ("", "root@h: Permission denied (publickey,password).", False, r"offers: publickey,password\); .*--ask-pass"),
        ("", "root@h: Permission denied (publickey).", False, r"offers: publickey\)$"),
        ("", "root@h: Permission denied (publickey,password).", True, "with this password"),
        ("", "Received disconnect from h: 2: Too many authentication failures", False, "--private-key"),
        ("", "Connection closed by 192.0.2.1 port 22", False, "wait a minute"),
        ("", "Not allowed at this time", False, "wait a minute"),
        ("", "debug\nssh: connect to host h: No route to host\n", False, "No route to host$"),
        ("", "", False, "without a word"),
    ],
)
def test_a_failed_login_is_explained(output: str, error: str, password: bool, says: str) -> None:
    with pytest.raises(AssertionError, match=says):
        raise AssertionError(contact.login_problem("root", output, error, password=password))
