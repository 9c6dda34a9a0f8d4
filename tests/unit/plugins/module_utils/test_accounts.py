# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import typing as t

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils import _accounts, _preflight_accounts
from ansible_collections.openlab.research_server.plugins.module_utils._accounts import Actual, Desired

HASH = "$y$j9T$salt$hash"


def key(letter: str) -> str:
    parts = (b"ssh-ed25519", letter.encode() * 32)
    return f"ssh-ed25519 {base64.b64encode(b''.join(len(p).to_bytes(4, 'big') + p for p in parts)).decode()} {letter}@lab"


A, B, C = key("a"), key("b"), key("c")
OPS = {"name": "ops", "keys": [A], "sudo_nopasswd": True}


def actual(**values: t.Any) -> Actual:
    base: dict[str, t.Any] = {
        "uid": 1001,
        "home": "/home/x",
        "shell": "/bin/bash",
        "comment": "",
        "groups": frozenset({"ssh-users"}),
        "password": "*",
        "expires": "",
        "home_mode": 0o700,
        "home_owned": True,
        "key_text": _accounts.key_file([A], None, exclusive=True),
    }
    return Actual(**{**base, **values})


def steps(desired: Desired, existing: Actual | None, *, exclusive: bool = True) -> list[str]:
    found = {} if existing is None else {desired.name: existing}
    return [change.action for change in _accounts.plan([desired], found, login_group="ssh-users", exclusive=exclusive)]


def check(**variables: t.Any) -> str:
    return "\n".join(_preflight_accounts.check({"accounts_administrators": [OPS], **variables}))


def test_good_data_has_no_problems() -> None:
    people = [{"name": "alice", "keys": [B, C], "groups": ["lab"]}, {"name": "gone", "state": "absent"}, {"name": "nokey"}]
    assert check(accounts_researchers=people) == ""


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"accounts_administrators": []}, "no administrator who is present and has a key"),
        ({"accounts_administrators": [{**OPS, "keys": []}]}, "no administrator who is present and has a key"),
        ({"accounts_administrators": [{**OPS, "state": "absent"}]}, "no administrator who is present and has a key"),
        ({"accounts_administrators": [{**OPS, "sudo_nopasswd": False}]}, "without any way to use sudo"),
        ({"accounts_administrators": [OPS, OPS]}, "account 'ops': found it twice"),
        ({"accounts_researchers": [OPS]}, "account 'ops': found it twice"),
        ({"accounts_researchers": [{"name": "root"}]}, "root never logs in"),
        ({"accounts_researchers": [{"name": "Alice"}]}, "expected a name of lower-case letters"),
        ({"accounts_researchers": [{"name": "a b"}]}, "expected a name"),
        ({"accounts_researchers": [{"name": "x\nALL ALL=(ALL) ALL"}]}, "expected a name"),
        ({"accounts_researchers": [{"name": "alice", "keys": [B, "ssh-ed25519 AAAA"]}]}, "account 'alice': key 2: "),
        ({"accounts_researchers": [{"name": "alice", "comment": "a:b"}]}, "comment"),
        ({"accounts_researchers": [{"name": "alice", "shell": "bash"}]}, "absolute path"),
        ({"accounts_researchers": [{"name": "alice", "groups": ["a,b"]}]}, "group name"),
        ({"accounts_login_group": "a b"}, "accounts_login_group"),
    ],
)
def test_problems_are_named(variables: dict[str, t.Any], says: str) -> None:
    assert says in check(**variables)


def test_a_plain_password_is_refused_and_never_repeated() -> None:
    found = check(accounts_researchers=[{"name": "alice", "password": "hunter2"}])
    assert "never the password itself" in found
    assert "hunter2" not in found


def test_a_hash_is_a_way_to_use_sudo() -> None:
    assert check(accounts_administrators=[{"name": "ops", "keys": [A], "password": HASH}]) == ""


def test_a_new_person_gets_everything() -> None:
    assert steps(Desired("x", keys=(A,)), None) == ["create", "home", "keys"]
    assert steps(Desired("x", keys=(A,), password=HASH), None) == ["create", "password", "home", "keys"]


@pytest.mark.parametrize(
    ("existing", "expected"),
    [
        ({}, []),
        ({"groups": frozenset()}, ["join"]),
        ({"groups": frozenset({"ssh-users", "docker"})}, []),
        ({"shell": "/bin/sh"}, ["shell"]),
        ({"password": "!"}, ["password"]),
        ({"password": ""}, ["password"]),
        ({"password": HASH}, []),
        ({"expires": "1"}, ["expires"]),
        ({"home_mode": 0o755}, ["home"]),
        ({"home_mode": None}, ["home"]),
        ({"home_owned": False}, ["home"]),
        ({"key_text": None}, ["keys"]),
        ({"key_text": B}, ["keys"]),
        ({"key_private": False}, ["keys"]),
    ],
)
def test_only_what_differs_is_changed(existing: dict[str, t.Any], expected: list[str]) -> None:
    assert steps(Desired("x", keys=(A,)), actual(**existing)) == expected


def test_a_given_password_holds() -> None:
    assert steps(Desired("x", keys=(A,), password=HASH), actual(password=HASH)) == []
    assert steps(Desired("x", keys=(A,), password=HASH), actual(password="$y$other$x")) == ["password"]


def test_a_leaver_loses_everything_and_only_once() -> None:
    leaver = Desired("x", present=False)
    assert steps(leaver, actual(busy=True)) == ["no_keys", "lock", "leave", "sessions"]
    gone = actual(key_text=None, expires="1", password="!*", shell=_accounts.NO_LOGIN, groups=frozenset())
    assert steps(leaver, gone) == []
    assert steps(leaver, None) == []


def test_who_leaves_goes_after_who_comes() -> None:
    people = [Desired("old", present=False), Desired("new", keys=(A,))]
    changes = _accounts.plan(people, {"old": actual()}, login_group="ssh-users", exclusive=True)
    assert [change.name for change in changes] == ["new"] * 3 + ["old"] * 3


def test_keys_that_are_not_exclusive_join_those_there() -> None:
    assert _accounts.key_file([A, B], f"# mine\n{B}\nrubbish\n", exclusive=False) == f"# mine\n{B}\nrubbish\n{A}\n"
    assert _accounts.key_file([A], f"{A}\n", exclusive=False) == f"{A}\n"
    assert _accounts.key_file([A], f"{B}\n", exclusive=True) == f"{_accounts.HEADER}\n{A}\n"


def test_sudo_rules() -> None:
    people = [
        Desired("zoe", administrator=True),
        Desired("ops", administrator=True, sudo_nopasswd=True),
        Desired("gone", administrator=True, present=False),
        Desired("alice", sudo_nopasswd=True),
    ]
    assert _accounts.sudoers(people).splitlines()[1:] == ["ops ALL=(ALL:ALL) NOPASSWD: ALL", "zoe ALL=(ALL:ALL) ALL"]


@pytest.mark.parametrize(
    ("desired", "existing", "operator", "says"),
    [
        (Desired("x"), actual(), "x", ""),
        (Desired("x", present=False), actual(), "ops", ""),
        (Desired("x", present=False), actual(), "x", "logged in right now"),
        (Desired("x"), actual(uid=33), "ops", "system account (uid 33)"),
        (Desired("x", uid=1001), actual(), "ops", ""),
        (Desired("x", uid=1002), actual(), "ops", "found uid 1001, expected 1002"),
    ],
)
def test_conflicts_with_the_host(desired: Desired, existing: Actual, operator: str, says: str) -> None:
    found = _accounts.conflicts([desired], {"x": existing}, operator)
    assert (says in found[0]) if says else found == []
