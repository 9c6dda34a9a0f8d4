# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Callable

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._host import session as host_session
from ansible_collections.openlab.research_server.plugins.module_utils._ssh import lockout
from ansible_collections.openlab.research_server.plugins.module_utils._ssh.lockout import Account

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGtra2tra2tra2tra2tra2tra2tra2tra2tra2tra2tr me"
HERE = b"HOME=/\0SSH_CONNECTION=192.0.2.7 50000 192.0.2.1 2222\0X=y"


def processes(**environments: bytes) -> Callable[[str], bytes]:
    """A chain of processes: 30 is sshd's child, 31 sudo, 32 the module."""
    parents = {"p32": 31, "p31": 30, "p30": 20, "p20": 1}
    uids = {"p32": 0, "p31": 0, "p30": 1000, "p20": 0}

    def read(path: str) -> bytes:
        pid = f"p{path.split('/')[2]}"
        if pid not in parents:
            raise FileNotFoundError(path)
        if path.endswith("status"):
            return f"Name:\tx\nPPid:\t{parents[pid]}\nUid:\t{uids[pid]}\t0\t0\t0\n".encode()
        return environments.get(pid, b"")

    return read


def test_the_session_is_found_below_sudo() -> None:
    assert host_session.find(32, processes(p30=HERE)) == host_session.Session(1000, "192.0.2.7", 2222, 50000)


def test_without_ssh_there_is_none() -> None:
    assert host_session.find(32, processes()) is None
    assert host_session.find(99, processes()) is None


def test_who_logged_in_counts_and_not_whose_rights_are_used() -> None:
    assert host_session.find(32, processes(p32=HERE, p31=HERE, p30=HERE)) == host_session.Session(1000, "192.0.2.7", 2222, 50000)


def account(**values: object) -> Account:
    base = {
        "name": "ops",
        "uid": 1000,
        "groups": frozenset({"ops", "ssh-users"}),
        "shell": "/bin/bash",
        "expired": False,
        "key_files": ("/home/ops/.ssh/authorized_keys",),
        "keys": ("# comment", "", KEY),
    }
    return Account(**{**base, **values})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({}, ""),
        ({"uid": 0}, "root will not be let in"),
        ({"groups": frozenset({"ops"})}, "none of the allowed groups (ssh-users)"),
        ({"shell": "/usr/sbin/nologin"}, "nologin"),
        ({"expired": True}, "has expired"),
        ({"keys": ()}, "no key at all"),
        ({"keys": ("ssh-dss AAAA",)}, "damaged"),
        ({"keys": ("rubbish", KEY)}, ""),
        ({"keys": (), "keys_elsewhere": True}, ""),
    ],
)
def test_a_lockout_is_seen_before_it_happens(values: dict[str, object], says: str) -> None:
    found = lockout.obstacles(account(**values), ["ssh-users"], root_login=False)
    assert (says in found[0]) if says else found == []


def test_root_may_stay_where_it_is_let_in() -> None:
    assert lockout.obstacles(account(uid=0), [], root_login=True) == []
