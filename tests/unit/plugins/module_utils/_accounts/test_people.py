# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import datetime
import typing as t

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._accounts import entries
from ansible_collections.openlab.research_server.plugins.module_utils._accounts import keys as account_keys
from ansible_collections.openlab.research_server.plugins.module_utils._accounts import people as account_people
from ansible_collections.openlab.research_server.plugins.module_utils._accounts.keys import Rules
from ansible_collections.openlab.research_server.plugins.module_utils._accounts.people import (
    Actual,
    Desired,
    Group,
    Machine,
    Operator,
)
from ansible_collections.openlab.research_server.plugins.module_utils._host.people_files import Found
from ansible_collections.openlab.research_server.plugins.plugin_utils._preflight import accounts as preflight

HASH = "$y$j9T$salt$hash"


def key(letter: str) -> str:
    parts = (b"ssh-ed25519", letter.encode() * 32)
    return f"ssh-ed25519 {base64.b64encode(b''.join(len(p).to_bytes(4, 'big') + p for p in parts)).decode()} {letter}@lab"


A, B, C = key("a"), key("b"), key("c")
NOW = datetime.datetime(2026, 11, 20).timestamp()
HOMES, NOTHING, UNTOUCHED = Rules(in_system=False), Found(), Machine()
HOME_KEYS = Found(text=f"{account_keys.HEADER}\n{A}\n", folder=(1001, 0o700), file=(1001, 0o600))
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
        "home_keys": HOME_KEYS,
    }
    return Actual(**{**base, **values})


def steps(desired: Desired, existing: Actual | None, *, rules: Rules = HOMES, system: Found = NOTHING) -> list[str]:
    found = {} if existing is None else {desired.name: existing}
    changes = account_people.plan([desired], found, {desired.name: system}, login_group="ssh-users", rules=rules)
    return [change.action for change in changes]


def conflicts(
    desired: list[Desired],
    existing: dict[str, Actual],
    machine: Machine = UNTOUCHED,
    *,
    operator: str = "ops",
    rules: Rules = HOMES,
) -> list[str]:
    here = Operator(operator, "192.0.2.7")
    found: list[str] = account_people.conflicts(desired, existing, here, machine, rules=rules, now=NOW)
    return found


def check(**variables: t.Any) -> str:
    return "\n".join(preflight.check({"accounts_administrators": [OPS], **variables}))


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
        ({"accounts_researchers": [{"name": "nobody"}]}, "account 'nobody': found a user or group of the system"),
        ({"accounts_researchers": [{"name": "docker"}]}, "account 'docker': found a user or group of the system"),
        ({"accounts_researchers": [{"name": "shadow"}]}, "account 'shadow': found a user or group of the system"),
        ({"accounts_researchers": [{"name": "1000"}]}, "expected a name"),
        ({"accounts_researchers": [{"name": "ssh-users"}]}, "found the name of accounts_login_group"),
        ({"accounts_researchers": [{"name": "x", "groups": ["ops"]}]}, "groups: found 'ops', the group of that person alone"),
        ({"accounts_researchers": [{"name": "x", "uid": 0}]}, "account 'x': uid: found 0"),
        ({"accounts_researchers": [{"name": "x", "uid": 999}]}, "account 'x': uid: found 999"),
        ({"accounts_researchers": [{"name": "x", "uid": 65534}]}, "account 'x': uid: found 65534"),
        ({"accounts_researchers": [{"name": "x", "uid": 2**32 - 1}]}, "account 'x': uid: found 4294967295"),
        ({"accounts_researchers": [{"name": "x", "uid": 1005}, {"name": "y", "uid": 1005}]}, "found uid 1005 for x, y"),
        (
            {"accounts_researchers": [{"name": "x", "uid": 1005}, {"name": "y", "uid": 1005, "state": "absent"}]},
            "found uid 1005 for x, y",
        ),
        ({"accounts_login_group": "docker"}, "accounts_login_group: found 'docker'"),
        ({"accounts_researchers": [{"name": "Alice"}]}, "expected a name of lower-case letters"),
        ({"accounts_researchers": [{"name": "a b"}]}, "expected a name"),
        ({"accounts_researchers": [{"name": "x\nALL ALL=(ALL) ALL"}]}, "expected a name"),
        ({"accounts_researchers": [{"name": "alice", "keys": [B, "ssh-ed25519 AAAA"]}]}, "account 'alice': key 2: "),
        ({"accounts_researchers": [{"name": "alice", "comment": "a:b"}]}, "comment"),
        ({"accounts_researchers": [{"name": "alice", "shell": "bash"}]}, "absolute path"),
        ({"accounts_researchers": [{"name": "alice", "shell": "/bin/ba:sh"}]}, "shell: found '/bin/ba:sh'"),
        ({"accounts_researchers": [{"name": "alice", "shell": "/bin/bash -l"}]}, "shell: found '/bin/bash -l'"),
        ({"accounts_researchers": [{"name": "alice", "shell": "/bin/bash\nroot"}]}, "expected an absolute path without"),
        ({"accounts_administrators": [{**OPS, "shell": "/usr/sbin/nologin"}]}, "its shell /usr/sbin/nologin lets nobody in"),
        ({"accounts_administrators": [{**OPS, "shell": "/bin/false"}]}, "its shell /bin/false lets nobody in"),
        ({"accounts_researchers": [{"name": "alice", "groups": ["a,b"]}]}, "group name"),
        ({"accounts_login_group": "a b"}, "accounts_login_group"),
        ({"accounts_researchers": [{"name": "alice", "expires": "soon"}]}, "expires: found 'soon'"),
        ({"accounts_researchers": [{"name": "alice", "expires": "2027-9-3"}]}, "expires: found '2027-9-3'"),
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


def test_a_researcher_may_have_no_shell() -> None:
    assert check(accounts_researchers=[{"name": "alice", "keys": [B], "shell": "/usr/sbin/nologin"}]) == ""


def test_who_has_a_bad_name_can_still_leave() -> None:
    assert check(accounts_researchers=[{"name": "docker", "state": "absent"}]) == ""


def test_ones_own_group_may_be_named() -> None:
    assert check(accounts_researchers=[{"name": "x", "groups": ["x", "video"]}]) == ""


def test_one_way_in_is_enough() -> None:
    assert check(accounts_administrators=[{**OPS, "keys": [{"key": A, "expires": "2020-01-01"}, B]}]) == ""


def test_the_operator_must_be_able_to_come_back() -> None:
    people = [Desired("ops", administrator=True, sudo_nopasswd=True, keys=(f'from="10.0.0.0/8" {A}',))]
    assert account_people.problems(people, "ssh-users", now=0, address="10.1.1.1") == []
    assert "does not open from 192.0.2.7" in account_people.problems(people, "ssh-users", now=0, address="192.0.2.7")[0]


def test_a_key_in_parts_becomes_the_line_that_sshd_reads() -> None:
    item = {"name": "x", "keys": [{"key": f"no-pty {A}", "options": ['from="10.0.0.1"'], "expires": datetime.date(2027, 1, 31)}]}
    keys = entries.desired(item, administrator=False).keys
    assert keys == (f'from="10.0.0.1",expiry-time="20270131",no-pty {A}',)


def test_a_password_that_nobody_has_does_not_age() -> None:
    assert steps(Desired("x", keys=(A,)), actual(aging="60")) == ["no_aging"]
    assert steps(Desired("x", keys=(A,)), actual()) == []


@pytest.mark.parametrize(("day", "written"), [("1970-01-03", "2"), ("1970-01-01", "1"), ("1969-12-31", "1"), ("0001-01-01", "1")])
def test_a_day_that_is_past_never_means_never(day: str, written: str) -> None:
    assert account_people.days_since_1970(day) == written


def test_what_expires_soon_is_told_and_what_does_not_is_not() -> None:
    now = datetime.datetime(2026, 11, 20, 12).timestamp()
    people = [
        Desired("later", keys=(f'expiry-time="20261221" {A}',), expires="2026-12-21"),
        Desired("soon", keys=(f'expiry-time="20261220" {B}', C), expires="2026-12-01"),
        Desired("past", keys=(f'expiry-time="20261120" {C}',)),
        Desired("gone", present=False, keys=(f'expiry-time="20261120" {C}',)),
    ]
    found = [notice.sentence for notice in account_people.notices(people, now=now, days=30)]
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
    assert steps(Desired("x", keys=(A,)), None) == ["create", "home", "home_keys"]
    assert steps(Desired("x", keys=(A,), password=HASH), None) == ["create", "password", "home", "home_keys"]


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
        ({"home_owned": False, "home_obstacle": "another's"}, []),
        ({"home_keys": Found()}, ["home_keys"]),
        ({"home_keys": HOME_KEYS._replace(text=B)}, ["home_keys"]),
        ({"home_keys": HOME_KEYS._replace(file=(1001, 0o644))}, ["home_keys"]),
        ({"home_keys": HOME_KEYS._replace(file=(0, 0o600))}, ["home_keys"]),
        ({"home_keys": HOME_KEYS._replace(folder=(1001, 0o755))}, ["home_keys"]),
        ({"home_keys": Found(oddity="a pipe")}, ["home_keys"]),
        ({"home_keys": Found(oddity="a mounted file system", movable=False)}, []),
    ],
)
def test_only_what_differs_is_changed(existing: dict[str, t.Any], expected: list[str]) -> None:
    assert steps(Desired("x", keys=(A,)), actual(**existing)) == expected


def test_a_given_password_holds() -> None:
    assert steps(Desired("x", keys=(A,), password=HASH), actual(password=HASH)) == []
    assert steps(Desired("x", keys=(A,), password=HASH), actual(password="$y$other$x")) == ["password"]


def test_a_leaver_loses_everything_and_only_once() -> None:
    leaver = Desired("x", present=False)
    assert steps(leaver, actual(busy=True)) == ["lock", "no_home_keys", "leave", "sessions"]
    assert steps(leaver, actual(linger=True, jobs=("/var/spool/cron/crontabs/x",)))[3:] == ["no_jobs", "sessions"]
    both = steps(leaver, actual(home_keys=Found(oddity="a link")), system=Found(text=""))
    assert both == ["lock", "no_system_keys", "no_home_keys", "leave", "sessions"]
    gone = actual(home_keys=Found(), expires="1", password="!*", shell=account_people.NO_LOGIN, groups=frozenset())
    assert steps(leaver, gone) == []
    assert steps(leaver, gone._replace(busy=True)) == ["sessions"]
    assert steps(leaver, None) == []
    # The next one with this name shall not find a key.
    assert steps(leaver, None, system=Found(text="")) == ["no_system_keys"]


def test_a_home_is_archived_as_asked_and_once() -> None:
    gone = actual(home_keys=Found(), expires="1", password="!*", shell=account_people.NO_LOGIN, groups=frozenset())
    asked = Desired("x", present=False, archived=True)
    assert steps(asked, gone) == ["archive"]
    assert steps(asked, gone._replace(home_mode=None)) == []
    assert steps(asked, gone._replace(home_mode=None, archive_rest=True)) == ["archive"]
    mounted = {"x": gone._replace(archive_obstacle="a mount")}
    assert steps(asked, mounted["x"]) == []
    assert account_people.obstacles([asked], mounted, {}, HOMES) == ["account 'x': the home cannot be archived: a mount"]


def test_the_day_of_an_account_is_that_of_shadow() -> None:
    assert steps(Desired("x", keys=(A,), expires="2027-01-01"), actual(expires="20819")) == []
    assert steps(Desired("x", keys=(A,), expires="2027-01-02"), actual(expires="20819")) == ["expires"]
    assert steps(Desired("x", keys=(A,), expires="2027-01-02"), None) == ["create", "expires", "home", "home_keys"]


@pytest.mark.parametrize(("wanted", "found", "expected"), [(None, True, []), (True, True, []), (True, False, ["linger"])])
def test_lingering_is_left_alone_unless_the_data_has_it(wanted: bool | None, found: bool, expected: list[str]) -> None:
    assert steps(Desired("x", keys=(A,), linger=wanted), actual(linger=found)) == expected


def test_who_leaves_goes_first() -> None:
    people = [Desired("new", keys=(A,)), Desired("old", present=False)]
    changes = account_people.plan(people, {"old": actual()}, {}, login_group="ssh-users", rules=HOMES)
    assert [change.name for change in changes] == ["old"] * 4 + ["new"] * 3


def test_sudo_rules() -> None:
    people = [
        Desired("zoe", administrator=True),
        Desired("ops", administrator=True, sudo_nopasswd=True),
        Desired("gone", administrator=True, present=False),
        Desired("alice", sudo_nopasswd=True),
    ]
    assert account_people.sudoers(people).splitlines()[1:] == ["ops ALL=(ALL:ALL) NOPASSWD: ALL", "zoe ALL=(ALL:ALL) ALL"]


@pytest.mark.parametrize(
    ("desired", "existing", "operator", "says"),
    [
        (Desired("x", keys=(A,)), actual(), "x", ""),
        (Desired("x", present=False), actual(), "ops", ""),
        (Desired("x", present=False), actual(), "x", "logged in right now"),
        (Desired("x"), actual(uid=33), "ops", "system account (uid 33)"),
        (Desired("x"), actual(uid=65534), "ops", "system account (uid 65534)"),
        (Desired("x", uid=1001), actual(), "ops", ""),
        (Desired("x", uid=1002), actual(), "ops", "found uid 1001, expected 1002"),
    ],
)
def test_conflicts_with_the_host(desired: Desired, existing: Actual, operator: str, says: str) -> None:
    found = conflicts([desired], {"x": existing}, operator=operator)
    assert (says in found[0]) if says else found == []


OPEN = Rules(in_system=False, exclusive=False)
CERTIFIED = Rules(in_system=False, elsewhere=True)


@pytest.mark.parametrize(
    ("desired", "rules", "says"),
    [
        (Desired("x", administrator=True, keys=(A,)), HOMES, ""),
        # Logged in by a key that the data does not have: perhaps for the first time.
        (Desired("x", administrator=True, keys=(B,)), HOMES, ""),
        (Desired("x", administrator=True), HOMES, "to shut itself out (no key);"),
        (Desired("x", administrator=True, keys=(A,), expires="2026-11-19"), HOMES, "(the account expired on 2026-11-19);"),
        (Desired("x", administrator=True, keys=(A,), shell="/bin/false"), HOMES, "(its shell /bin/false lets nobody in);"),
        (Desired("x", administrator=True, keys=(f'from="10.0.0.0/8" {A}',)), HOMES, "(it does not open from 192.0.2.7);"),
        (Desired("x", administrator=True, keys=(f'from="192.0.2.0/24" {A}',)), HOMES, ""),
        (Desired("x", keys=(A,)), HOMES, "to take sudo away from itself;"),
        # What the operator has added goes on opening the account; the same key with other options does not.
        (Desired("x", administrator=True), OPEN, ""),
        (Desired("x", administrator=True, keys=(f'from="10.0.0.0/8" {B}',)), OPEN, ""),
        (Desired("x", administrator=True, keys=(f'from="10.0.0.0/8" {A}',)), OPEN, "to shut itself out"),
        (Desired("x", administrator=True), CERTIFIED, ""),
        (Desired("x", administrator=True, keys=(A,), expires="2026-11-19"), CERTIFIED, "to shut itself out"),
    ],
)
def test_the_operator_stays_in_and_keeps_sudo(desired: Desired, rules: Rules, says: str) -> None:
    machine = Machine(sudoers=frozenset({"x"}))
    found = conflicts([desired], {"x": actual()}, machine, operator="x", rules=rules)
    if says:
        assert len(found) == 1 and found[0].startswith("account 'x': found it logged in right now, ") and says in found[0]
        assert found[0].endswith("; connect as another administrator")
    else:
        assert found == []
    # Done to somebody else, or from the console, that is the business of the data.
    assert conflicts([desired], {"x": actual()}, machine, rules=rules) == []
    assert account_people.conflicts([desired], {"x": actual()}, None, machine, rules=rules, now=NOW) == []


def test_an_operator_who_has_sudo_from_elsewhere_may_be_a_researcher() -> None:
    assert conflicts([Desired("x", keys=(A,))], {"x": actual()}, operator="x") == []


@pytest.mark.parametrize(
    ("desired", "machine", "says"),
    [
        (Desired("x"), Machine(), ""),
        (Desired("x"), Machine(groups={"x": Group(1005, frozenset())}), ""),
        (Desired("x"), Machine(groups={"x": Group(1005, frozenset({"x"}))}), ""),
        (Desired("x"), Machine(groups={"x": Group(999, frozenset())}), "a system group of that name (gid 999)"),
        (Desired("x"), Machine(groups={"x": Group(65534, frozenset())}), "a system group of that name"),
        (Desired("x"), Machine(groups={"x": Group(1005, frozenset({"bob", "ada"}))}), "with ada, bob in it"),
        (Desired("x", uid=1005), Machine(), ""),
        (Desired("x", uid=1005), Machine(uids={1005: frozenset({"bob"})}), "found 1005 to be that of bob"),
        (Desired("x", uid=1005), Machine(uid_min=2000), "found 1005; expected one from 2000 to 60000"),
        (Desired("x", uid=60001), Machine(), "found 60001; expected one from 1000 to 60000"),
        (Desired("x", uid=60001), Machine(uid_max=70000), ""),
        (Desired("x", uid=60000), Machine(subordinate=[("bob", 59000, 1001)]), "among the subordinate ids of bob"),
        (Desired("x", uid=60000), Machine(subordinate=[("bob", 59000, 1000)]), ""),
        (Desired("x", present=False, uid=33), Machine(groups={"x": Group(33, frozenset())}), ""),
    ],
)
def test_conflicts_of_somebody_new_with_the_host(desired: Desired, machine: Machine, says: str) -> None:
    found = conflicts([desired], {}, machine)
    assert (len(found) == 1 and says in found[0]) if says else found == []


@pytest.mark.parametrize("existing", [{}, {"x": actual()}])
def test_a_shell_that_is_not_installed_is_a_conflict(existing: dict[str, Actual]) -> None:
    machine = Machine(missing_shells=frozenset({"/bin/zsh"}))
    (found,) = conflicts([Desired("x", shell="/bin/zsh")], existing, machine)
    assert found.startswith("account 'x': shell: found no program at /bin/zsh that can be started; expected")
    for fine in (Desired("x"), Desired("x", shell="/bin/zsh", present=False)):
        assert conflicts([fine], existing, machine) == []


@pytest.mark.parametrize("present", [True, False])
def test_a_number_that_two_have_is_a_conflict(present: bool) -> None:
    shared = Machine(uids={1001: frozenset({"x", "y"})})
    found = conflicts([Desired("x", present=present)], {"x": actual()}, shared)
    assert len(found) == 1
    assert "found uid 1001 to be that of y too" in found[0]
    assert conflicts([Desired("x")], {"x": actual()}, Machine(uids={1001: frozenset({"x"})})) == []


def test_a_system_group_as_the_primary_group_is_a_conflict() -> None:
    docker = Machine(groups={"x": Group(120, frozenset({"x"}))}, primary={"x": "x"})
    assert "found the system group 'x' (gid 120)" in conflicts([Desired("x")], {"x": actual()}, docker)[0]
    assert conflicts([Desired("x", present=False)], {"x": actual()}, docker) == []


MOUNT = Found(oddity="a mounted file system", path="/home/x/.ssh", movable=False)
PIPE = Found(oddity="a pipe", path="/home/x/\x1b[2J")


@pytest.mark.parametrize(
    ("desired", "existing", "says"),
    [
        (Desired("x"), actual(), ""),
        (Desired("x"), actual(home_keys=PIPE), ""),
        (Desired("x"), actual(home_keys=MOUNT), "found a mounted file system at /home/x/.ssh"),
        (Desired("x", present=False), actual(home_keys=MOUNT), "found a mounted file system at /home/x/.ssh"),
        (Desired("x"), actual(home_obstacle="no folder"), ""),
        (Desired("x"), actual(home_obstacle="no folder", home_owned=False), "account 'x': no folder"),
        (Desired("x"), actual(home_obstacle="no folder", home_mode=0o755, home_keys=MOUNT), "account 'x': no folder"),
    ],
)
def test_what_cannot_be_done_for_somebody_is_said_in_one_sentence(desired: Desired, existing: Actual, says: str) -> None:
    found = account_people.obstacles([desired], {"x": existing}, {}, HOMES)
    assert (len(found) == 1 and says in found[0]) if says else found == []


@pytest.mark.parametrize(
    ("desired", "keys", "rules", "told"),
    [
        (Desired("x"), HOME_KEYS, HOMES, False),
        (Desired("x"), PIPE, HOMES, True),
        (Desired("x", present=False), PIPE, HOMES, True),
        (Desired("x"), MOUNT, HOMES, False),
        (Desired("x"), HOME_KEYS._replace(oddity="several names"), HOMES, True),
        # What they write besides is theirs.
        (Desired("x"), HOME_KEYS._replace(oddity="several names"), Rules(in_system=False, exclusive=False), False),
    ],
)
def test_what_is_put_aside_is_told(desired: Desired, keys: Found, rules: Rules, told: bool) -> None:
    found = account_people.oddities([desired], {"x": actual(home_keys=keys)}, {}, rules)
    assert len(found) == int(told)
    assert "\x1b" not in "".join(found)


@pytest.mark.parametrize(
    ("present", "on_the_way", "expected"),
    [(True, True, "a folder"), (True, False, "a file of keys"), (False, True, "nothing"), (False, False, "nothing")],
)
def test_what_belongs_there_is_told(present: bool, on_the_way: bool, expected: str) -> None:
    keys = Found(oddity="a link", path="/home/x/.ssh", on_the_way=on_the_way)
    (told,) = account_people.oddities([Desired("x", present=present)], {"x": actual(home_keys=keys)}, {}, HOMES)
    assert told.startswith(f"account 'x': found a link at /home/x/.ssh; expected {expected}. It is put aside")
    (told,) = account_people.obstacles(
        [Desired("x", present=present)], {"x": actual(home_keys=keys._replace(movable=False))}, {}, HOMES
    )
    assert ("expected a folder in folders" in told) is on_the_way
