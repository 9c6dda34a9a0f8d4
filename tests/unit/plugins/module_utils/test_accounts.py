# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import datetime
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
        ({"accounts_researchers": [{"name": "alice", "expires": "soon"}]}, "expires: found 'soon'"),
        ({"accounts_researchers": [{"name": "alice", "keys": [{"key": B, "expire": "2027-01-01"}]}]}, "key 1: found 'expire'"),
        ({"accounts_researchers": [{"name": "alice", "keys": [{"key": B, "options": ["no-ptty"]}]}]}, "found 'no-ptty'"),
        (
            {"accounts_researchers": [{"name": "alice", "keys": [{"key": B, "expires": "31.1.2027"}]}]},
            "expiry-time: found '31.1.2027'",
        ),
        ({"accounts_researchers": [{"name": "alice", "keys": [{"options": ["restrict"]}]}]}, "key 1: no known key type"),
        ({"accounts_administrators": [{**OPS, "keys": [{"key": A, "expires": "2020-01-01"}]}]}, "it expired on 2020-01-01"),
        ({"accounts_administrators": [{**OPS, "expires": "2020-01-01"}]}, "the account expired on 2020-01-01"),
        ({"accounts_administrators": [{**OPS, "keys": [{"key": A, "options": ['command="x"']}]}]}, "one command only"),
    ],
)
def test_problems_are_named(variables: dict[str, t.Any], says: str) -> None:
    assert says in check(**variables)


def test_one_way_in_is_enough() -> None:
    assert check(accounts_administrators=[{**OPS, "keys": [{"key": A, "expires": "2020-01-01"}, B]}]) == ""


def test_the_operator_must_be_able_to_come_back() -> None:
    people = [Desired("ops", administrator=True, sudo_nopasswd=True, keys=(f'from="10.0.0.0/8" {A}',))]
    assert _accounts.problems(people, "ssh-users", now=0, address="10.1.1.1") == []
    assert "does not open from 192.0.2.7" in _accounts.problems(people, "ssh-users", now=0, address="192.0.2.7")[0]


def test_a_key_in_parts_becomes_the_line_that_sshd_reads() -> None:
    item = {"name": "x", "keys": [{"key": f"no-pty {A}", "options": ['from="10.0.0.1"'], "expires": datetime.date(2027, 1, 31)}]}
    keys = _preflight_accounts.desired(item, administrator=False).keys
    assert keys == (f'from="10.0.0.1",expiry-time="20270131",no-pty {A}',)


def test_what_expires_soon_is_told_and_what_does_not_is_not() -> None:
    now = datetime.datetime(2026, 11, 20, 12).timestamp()
    people = [
        Desired("later", keys=(f'expiry-time="20261221" {A}',), expires="2026-12-21"),
        Desired("soon", keys=(f'expiry-time="20261220" {B}', C), expires="2026-12-01"),
        Desired("past", keys=(f'expiry-time="20261120" {C}',)),
        Desired("gone", present=False, keys=(f'expiry-time="20261120" {C}',)),
    ]
    found = [notice.sentence for notice in _accounts.notices(people, now=now, days=30)]
    assert [sentence.split(" SHA256")[0] for sentence in found] == [
        "account 'past': key",
        "account 'soon': the account expires on 2026-12-01",
        "account 'soon': key",
    ]
    assert found[0].endswith("(c@lab) expired on 2026-11-20")
    assert found[2].endswith("(b@lab) expires on 2026-12-20")


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
    assert steps(leaver, actual(linger=True, jobs=("/var/spool/cron/crontabs/x",)))[3:] == ["no_jobs", "sessions"]
    gone = actual(key_text=None, expires="1", password="!*", shell=_accounts.NO_LOGIN, groups=frozenset())
    assert steps(leaver, gone) == []
    assert steps(leaver, None) == []


def test_a_home_is_archived_as_asked_and_once() -> None:
    gone = actual(key_text=None, expires="1", password="!*", shell=_accounts.NO_LOGIN, groups=frozenset())
    asked = Desired("x", present=False, archived=True)
    assert steps(asked, gone) == ["archive"]
    assert steps(asked, gone._replace(home_mode=None)) == []
    assert steps(asked, gone._replace(home_mode=None, archive_rest=True)) == ["archive"]
    assert _accounts.conflicts([asked], {"x": gone._replace(archive_obstacle="a mount")}, "ops") == [
        "account 'x': the home cannot be archived: a mount"
    ]


def test_the_day_of_an_account_is_that_of_shadow() -> None:
    assert steps(Desired("x", keys=(A,), expires="2027-01-01"), actual(expires="20819")) == []
    assert steps(Desired("x", keys=(A,), expires="2027-01-02"), actual(expires="20819")) == ["expires"]
    assert steps(Desired("x", keys=(A,), expires="2027-01-02"), None) == ["create", "expires", "home", "keys"]


@pytest.mark.parametrize(("wanted", "found", "expected"), [(None, True, []), (True, True, []), (True, False, ["linger"])])
def test_lingering_is_left_alone_unless_the_data_has_it(wanted: bool | None, found: bool, expected: list[str]) -> None:
    assert steps(Desired("x", keys=(A,), linger=wanted), actual(linger=found)) == expected


def test_who_leaves_goes_after_who_comes() -> None:
    people = [Desired("old", present=False), Desired("new", keys=(A,))]
    changes = _accounts.plan(people, {"old": actual()}, login_group="ssh-users", exclusive=True)
    assert [change.name for change in changes] == ["new"] * 3 + ["old"] * 3


def test_keys_that_are_not_exclusive_join_those_there() -> None:
    assert _accounts.key_file([A, B], f"# mine\n{B}\nrubbish\n", exclusive=False) == f"# mine\n{B}\nrubbish\n{A}\n"
    assert _accounts.key_file([A], f"{A}\n", exclusive=False) == f"{A}\n"
    assert _accounts.key_file([f"restrict {A}"], f"{B}\n{A}\n", exclusive=False) == f"{B}\nrestrict {A}\n"
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
