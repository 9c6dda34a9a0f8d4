# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""People, from data: what is wrong with the data, and what has to change on a host. Pure. Private to this collection."""

from __future__ import annotations

import datetime
import posixpath
import re
import typing as t
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from .._host.numbers import FIRST_PERSON, NOBODY
from .._host.people_files import Found
from .._ssh import key_options
from .._ssh import keys as ssh_keys
from .._ssh.lockout import lets_nobody_in
from .._text.escapes import in_one_line
from . import keys as account_keys
from .keys import HEADER, Rules
from .system_names import POWERFUL_GROUPS, REFUSED

# No password will ever match, and nothing calls the account locked (shadow(5), crypt(5)).
KEY_ONLY = "*"
NO_LOGIN = "/usr/sbin/nologin"
EXPIRED = "1"  # the second of January 1970; 0 is ambiguous (shadow(5))
LAST_UID = 2**32 - 2
HOME_MODE = 0o700
NAME = re.compile(r"[a-z_][a-z0-9_.-]{0,31}")
GROUP = re.compile(r"[a-z_][a-z0-9_.-]{0,31}")


class Desired(NamedTuple):
    """One person, as the data says."""

    name: str
    present: bool = True
    administrator: bool = False
    sudo_nopasswd: bool = False
    keys: tuple[str, ...] = ()
    uid: int | None = None
    comment: str | None = None
    shell: str = "/bin/bash"
    groups: tuple[str, ...] = ()
    password: str | None = None
    expires: str | None = None
    """First day on which nobody gets in, as YYYY-MM-DD."""
    linger: bool | None = None
    """Whether services of the person run without a login; None leaves that alone."""
    archived: bool = False
    """Whether a leaver's home becomes an archive."""
    setuid_removed: bool = False
    """Whether a leaver's set-user-ID and set-group-ID files lose these bits, instead of being told."""
    mistakes: tuple[str, ...] = ()
    """What could not be read in the entry."""


class Actual(NamedTuple):
    """One account, as the host has it."""

    uid: int
    home: str
    shell: str
    comment: str
    groups: frozenset[str]
    """Supplementary groups."""
    password: str
    expires: str
    home_mode: int | None
    """None if there is no home."""
    home_owned: bool
    home_obstacle: str = ""
    """Why the home cannot be given to the account."""
    home_keys: Found = Found()
    """The keys in the home, if sshd looks there."""
    busy: bool = False
    """Whether processes of this account run."""
    linger: bool = False
    jobs: tuple[str, ...] = ()
    """Files with this account's jobs for cron and at."""
    archive_obstacle: str = ""
    """Why the home cannot be archived."""
    archive_rest: bool = False
    """Whether an archived home waits for its removal."""
    aging: str = ""
    """After how many days the password, also one that matches nothing, has to be changed; empty if never."""

    @property
    def home_right(self) -> bool:
        return self.home_owned and self.home_mode == HOME_MODE


class Group(NamedTuple):
    """A group of the host."""

    gid: int
    users: frozenset[str]
    """Who is in it, also as the primary group."""


class Machine(NamedTuple):
    """What the host says about numbers and groups."""

    uids: Mapping[int, frozenset[str]] = {}
    """Who has these numbers."""
    groups: Mapping[str, Group] = {}
    """Those that have the name of somebody in the data."""
    primary: Mapping[str, str] = {}
    """Somebody's primary group."""
    uid_min: int = FIRST_PERSON
    uid_max: int = 60000
    subordinate: Sequence[tuple[str, int, int]] = ()
    """Whose are which ranges of subordinate ids: first and number (subuid(5))."""
    missing_shells: frozenset[str] = frozenset()
    """Those of the data's shells that nobody could start."""
    sudoers: frozenset[str] = frozenset()
    """Who may use sudo because this collection's file says so."""


class Operator(NamedTuple):
    """Who is logged in over SSH, and runs this."""

    name: str
    address: str
    """Where that person comes from."""


class Notice(NamedTuple):
    """Something that stops to open the door: a key or an account."""

    name: str
    what: str
    expires: datetime.datetime
    expired: bool

    @property
    def sentence(self) -> str:
        return f"account '{self.name}': {self.what} {'expired' if self.expired else 'expires'} on {self.expires:%Y-%m-%d}"


class Change(NamedTuple):
    """One thing to do, and how to tell it to a person."""

    name: str
    action: str
    value: t.Any
    before: str
    after: str


def problems(accounts: Sequence[Desired], login_group: str, *, now: float, address: str | None = None) -> list[str]:
    """One sentence for each thing that is wrong with the data: found, expected, what to do.

    ``now`` is in seconds since 1970. ``address`` is where the operator comes from, if that is known.
    """
    found: list[str] = []
    if not GROUP.fullmatch(login_group):
        found.append(f"accounts_login_group: found '{login_group}'; expected a group name such as ssh-users")
    if login_group in POWERFUL_GROUPS:
        found.append(f"accounts_login_group: found '{login_group}', whose members can become root; expected one as ssh-users")
    names = [account.name for account in accounts]
    for account in accounts:
        where = f"account '{account.name}'"
        if not NAME.fullmatch(account.name):
            found.append(
                f"{where}: expected a name of lower-case letters, digits, '_', '-' and '.', at most 32, starting with a letter"
            )
        if account.name == "root":
            found.append(f"{where}: root never logs in; expected the names of people")
        elif account.present and account.name in REFUSED:
            found.append(f"{where}: found a user or group of the system; expected the name of a person. Choose another name")
        if account.present and account.name == login_group:
            found.append(f"{where}: found the name of accounts_login_group; expected another one. Choose another name")
        found += [
            f"{where}: groups: found '{group}', the group of that person alone; share files in a project instead"
            for group in account.groups
            if account.present and group != account.name and group in names
        ]
        if account.present:
            found += [f"{where}: {sentence}" for sentence in _problems_of(account)]
    found += [
        f"account '{name}': found it twice; expected each name once, as administrator or as researcher" for name in _twice(names)
    ]
    found += _shared_numbers(accounts)
    administrators = [account for account in accounts if account.present and account.administrator]
    closed = [f"'{account.name}': {reason}" for account in administrators if (reason := _closed(account, now, address))]
    if len(closed) == len(administrators):
        why = f" that opens a shell ({'; '.join(closed)})" if any(account.keys for account in administrators) else ""
        found.append(
            f"accounts_administrators: found no administrator who is present and has a key{why}; expected at least one, "
            "or nobody could administer the host any more. Add the line of a .pub file to 'keys'"
        )
    return found


def notices(accounts: Iterable[Desired], *, now: float, days: int) -> list[Notice]:
    """Keys and accounts that expire within so many days, or have expired, the first one first."""
    found = []
    for account in accounts:
        times = [("the account", _day(account.expires))] if account.present and account.expires else []
        for line in account.keys if account.present else ():
            key = ssh_keys.parse(line)
            until = key_options.expiry(key.restrictions)
            if until is not None:
                times.append((f"key {key.fingerprint}{f' ({key.comment})' if key.comment else ''}", until))
        found += [
            Notice(account.name, what, until, expired=until.timestamp() <= now)
            for what, until in times
            if until.timestamp() <= now + days * 86400
        ]
    return sorted(found, key=lambda notice: (notice.expires.timestamp(), notice.name))


def plan(
    desired: Iterable[Desired], actual: Mapping[str, Actual], system: Mapping[str, Found], *, login_group: str, rules: Rules
) -> list[Change]:
    """What has to be done, in this order. ``actual`` has the accounts that exist, ``system`` has the keys of all in /etc/ssh.

    Who leaves goes first: whatever happens to the others, that is done.
    """
    changes: list[Change] = []
    people = list(desired)
    for account in people:
        if not account.present:
            changes += _plan_absent(account, actual.get(account.name), system.get(account.name, Found()), login_group)
    for account in people:
        if account.present:
            existing = actual.get(account.name)
            changes += _plan_present(account, existing, system.get(account.name, Found()), login_group, rules)
    return changes


def conflicts(
    desired: Sequence[Desired],
    actual: Mapping[str, Actual],
    operator: Operator | None,
    machine: Machine,
    *,
    rules: Rules,
    now: float,
) -> list[str]:
    """Why the data does not fit this host; nothing is changed then. ``now`` is in seconds since 1970."""
    found = []
    for account in desired:
        where, existing = f"account '{account.name}'", actual.get(account.name)
        if account.present and account.shell in machine.missing_shells:
            # sshd lets nobody in whose shell it cannot start, whatever keys there are (allowed_user() in its auth.c).
            found.append(
                f"{where}: shell: found no program at {in_one_line(account.shell)} that can be started; expected a shell that is "
                "installed, or nobody could log in as this account. Install the package that brings it, or name another shell"
            )
        if existing is not None:
            found += [f"{where}: {sentence}" for sentence in _conflicts_of(account, existing, machine)]
            if operator is not None and account.name == operator.name:
                harm = _harm_to(operator, account, existing, machine, rules, now)
                found += [f"{where}: found it logged in right now, {what}; connect as another administrator" for what in harm]
        elif account.present:
            found += [f"{where}: {sentence}" for sentence in _conflicts_of_new(account, machine)]
    return found


def obstacles(desired: Iterable[Desired], actual: Mapping[str, Actual], system: Mapping[str, Found], rules: Rules) -> list[str]:
    """What cannot be done for somebody, one sentence for each; everything else is done."""
    found = []
    for account in desired:
        where, existing = f"account '{account.name}'", actual.get(account.name)
        odd = [place.found for place in _key_places(account, existing, system.get(account.name, Found()), rules)]
        if not account.present and existing is not None:
            odd.append(existing.home_keys)
            if account.archived and existing.archive_obstacle:
                found.append(f"{where}: the home cannot be archived: {existing.archive_obstacle}")
        if account.present and existing is not None and existing.home_obstacle and not existing.home_right:
            found.append(f"{where}: {existing.home_obstacle}")
            odd = [entry for entry in odd if entry is not existing.home_keys]
        found += [
            f"{where}: found {entry.oddity} at {in_one_line(entry.path)}; expected {_wanted(entry)} in folders that nobody else "
            "can write to. Correct that, then run again"
            for entry in odd
            if entry.oddity and not entry.movable
        ]
    return found


def oddities(desired: Iterable[Desired], actual: Mapping[str, Actual], system: Mapping[str, Found], rules: Rules) -> list[str]:
    """What is put aside, one sentence for each."""
    found = []
    for account in desired:
        existing = actual.get(account.name)
        odd = [place.found for place in _key_places(account, existing, system.get(account.name, Found()), rules)]
        if not account.present and existing is not None:
            odd.append(existing.home_keys)
        found += [
            f"account '{account.name}': found {entry.oddity} at {in_one_line(entry.path)}; expected "
            f"{_wanted(entry) if account.present else 'nothing'}. It is put aside, as "
            f"{in_one_line(posixpath.basename(entry.path))}.replaced.NUMBER"
            for entry in odd
            if entry.oddity and entry.movable and (rules.exclusive or not account.present or entry.text is None)
        ]
    return found


def _wanted(entry: Found) -> str:
    """What belongs in the place of what is odd."""
    return "a folder" if entry.on_the_way else "a file of keys"


def groups_of(desired: Iterable[Desired], login_group: str) -> list[str]:
    """All groups that have to exist."""
    named = {group for account in desired if account.present for group in account.groups}
    return sorted(named | {login_group})


def sudoers(desired: Iterable[Desired]) -> str:
    """The text of the sudoers(5) file."""
    lines = [HEADER]
    for account in sorted(desired):
        if account.present and account.administrator:
            lines.append(f"{account.name} ALL=(ALL:ALL) {'NOPASSWD: ' if account.sudo_nopasswd else ''}ALL")
    return "\n".join(lines) + "\n"


def named_in(text: str) -> frozenset[str]:
    """Who may use sudo by such a file."""
    return frozenset(line.split()[0] for line in text.splitlines() if line.strip() and not line.startswith("#"))


def days_since_1970(date: str) -> str:
    """A day as shadow(5) writes it."""
    # What is before that, and 0, are words of their own there: never, and ambiguous.
    return str(max(1, (datetime.date.fromisoformat(date) - datetime.date(1970, 1, 1)).days))


def _twice(values: Iterable[t.Any]) -> list[t.Any]:
    """What is there more than once."""
    seen = list(values)
    return [value for value in dict.fromkeys(seen) if seen.count(value) > 1]


def _shared_numbers(accounts: Sequence[Desired]) -> list[str]:
    found = []
    for uid in _twice(account.uid for account in accounts if account.uid is not None):
        names = ", ".join(sorted({account.name for account in accounts if account.uid == uid}))
        found.append(f"accounts: found uid {uid} for {names}; expected a number of one's own for each, leavers included")
    return found


def _conflicts_of(account: Desired, existing: Actual, machine: Machine) -> t.Iterator[str]:
    if existing.uid < FIRST_PERSON or existing.uid in NOBODY:
        yield f"found a system account (uid {existing.uid}); expected a person. Choose another name"
        return
    if account.present and account.uid is not None and account.uid != existing.uid:
        yield (
            f"found uid {existing.uid}, expected {account.uid}. Files keep their owner, so it is left to you: "
            f"'usermod -u {account.uid} {account.name}', then change the owner of the files"
        )
    others = machine.uids.get(existing.uid, frozenset()) - {account.name}
    if others:
        yield (
            f"found uid {existing.uid} to be that of {', '.join(sorted(others))} too; expected a number of the account's own. "
            "Give one of them another number with 'usermod -u'"
        )
    group = machine.groups.get(account.name)
    if account.present and group and group.gid < FIRST_PERSON and machine.primary.get(account.name) == account.name:
        yield (
            f"found the system group '{account.name}' (gid {group.gid}) as the primary group; expected a group of the account's "
            "own. Choose another name"
        )


def _harm_to(
    operator: Operator, account: Desired, existing: Actual, machine: Machine, rules: Rules, now: float
) -> t.Iterator[str]:
    """What the data does to the one who applies it: the rest of the run would fail, and nobody could come back to mend it."""
    if not account.present:
        yield "to remove itself"
        return
    keys = account.keys if rules.exclusive else (*account.keys, *_kept(account, existing))
    reason = _shut(account, now) or ("" if rules.elsewhere else _without_key(keys, now, operator.address))
    if reason:
        yield f"to shut itself out ({reason})"
    if not account.administrator and account.name in machine.sudoers:
        yield "to take sudo away from itself"


def _kept(account: Desired, existing: Actual) -> list[str]:
    """What people have added in their home, and goes on opening it where keys are not exclusive."""
    lines = account_keys.without_rivals(account.keys, existing.home_keys.text or "").split("\n")
    return [line for line in lines if line.strip() and not line.startswith("#")]


def _conflicts_of_new(account: Desired, machine: Machine) -> t.Iterator[str]:
    group = machine.groups.get(account.name)
    if group is not None:
        # It would be the primary group.
        others = sorted(group.users - {account.name})
        if group.gid < FIRST_PERSON or group.gid in NOBODY:
            yield f"found a system group of that name (gid {group.gid}); expected no group, or an empty one. Choose another name"
        elif others:
            yield (
                f"found a group of that name with {', '.join(others)} in it; expected no group, or an empty one. Choose another "
                f"name, or take them out of it: 'gpasswd -d {others[0]} {account.name}'"
            )
    if account.uid is None:
        return
    names = ", ".join(sorted(machine.uids.get(account.uid, ())))
    if names:
        yield f"uid: found {account.uid} to be that of {names}; expected one that is free. Choose another number"
    elif not machine.uid_min <= account.uid <= machine.uid_max:
        yield (
            f"uid: found {account.uid}; expected one from {machine.uid_min} to {machine.uid_max}. Choose another number, or set "
            "UID_MIN and UID_MAX in /etc/login.defs"
        )
    for name, first, number in machine.subordinate:
        if first <= account.uid < first + number:
            yield f"uid: found {account.uid} among the subordinate ids of {name} (/etc/subuid); choose another number"


def _key_places(account: Desired, existing: Actual | None, system: Found, rules: Rules) -> list[account_keys.Place]:
    if not account.present:
        return []
    known = None if existing is None else (existing.uid, existing.home)
    home = Found() if existing is None else existing.home_keys
    return account_keys.places(account.name, account.keys, known, rules, home=home, system=system)


def _closed(account: Desired, now: float, address: str | None) -> str:
    """Why nobody gets a shell with this account's keys; empty if one gives it."""
    return _shut(account, now) or _without_key(account.keys, now, address)


def _shut(account: Desired, now: float) -> str:
    """Why the account lets nobody in, whatever the key; empty if it does."""
    if lets_nobody_in(account.shell):
        return f"its shell {account.shell} lets nobody in"
    if account.expires and _valid_day(account.expires) and _day(account.expires).timestamp() <= now:
        return f"the account expired on {account.expires}"
    return ""


def _without_key(keys: Iterable[str], now: float, address: str | None) -> str:
    """Why none of these keys gives a shell; empty if one does."""
    reasons = []
    for line in keys:
        try:
            reasons.append(key_options.obstacle(ssh_keys.parse(line).restrictions, now=now, address=address))
        except ssh_keys.KeyFormatError as error:
            reasons.append(str(error))
    return "no key" if not reasons else "" if "" in reasons else ", ".join(reasons)


def _valid_day(text: str) -> bool:
    try:
        _day(text)
    except ValueError:
        return False
    return True


def _day(text: str) -> datetime.datetime:
    # strptime(3) takes '2027-9-3', too, and nothing else does.
    if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        raise ValueError(text)
    return datetime.datetime.strptime(text, "%Y-%m-%d")


def _problems_of(account: Desired) -> list[str]:
    found = list(account.mistakes)
    if account.expires is not None and not _valid_day(account.expires):
        found.append(f"expires: found '{account.expires}'; expected a day such as 2027-09-30")
    found += [f"key {number}: {sentence}" for number, line in enumerate(account.keys, 1) if (sentence := ssh_keys.problem(line))]
    if account.password is not None and not re.fullmatch(r"\$[^:\s]+\$[^:\s]+", account.password):
        found.append(
            "password: expected a hash as in crypt(5), such as $y$...; never the password itself. Make one with 'mkpasswd'"
        )
    if account.administrator and not account.sudo_nopasswd and account.password is None:
        found.append("found an administrator without any way to use sudo; expected a 'password' (hash) or 'sudo_nopasswd: true'")
    if account.uid is not None and (not FIRST_PERSON <= account.uid <= LAST_UID or account.uid in NOBODY):
        found.append(f"uid: found {account.uid}; expected the number of a person, from {FIRST_PERSON} on, and not that of nobody")
    if account.comment is not None and re.search(r"[:\n\r]", account.comment):
        found.append("comment: expected one line without a colon")
    if not re.fullmatch(r"/[^:\s]+", account.shell):
        found.append(f"shell: found '{in_one_line(account.shell)}'; expected an absolute path without ':' and blanks")
    found += [f"groups: found '{group}'; expected a group name" for group in account.groups if not GROUP.fullmatch(group)]
    return found


def _plan_present(account: Desired, existing: Actual | None, system: Found, login_group: str, rules: Rules) -> list[Change]:
    name = account.name
    changes: list[Change] = []
    groups = sorted({login_group, *account.groups})
    if existing is None:
        changes.append(Change(name, "create", groups, "", f"account, groups {', '.join(groups)}"))
        changes += _plan_expiry(account, "")
    else:
        missing = [group for group in groups if group not in existing.groups]
        if missing:
            changes.append(Change(name, "join", missing, "", f"member of {', '.join(missing)}"))
        if existing.shell != account.shell:
            changes.append(Change(name, "shell", account.shell, f"shell {existing.shell}", f"shell {account.shell}"))
        if account.comment is not None and existing.comment != account.comment:
            changes.append(Change(name, "comment", account.comment, f"comment {existing.comment}", f"comment {account.comment}"))
        changes += _plan_expiry(account, existing.expires)
        if existing.aging:
            # sshd would refuse even a key once the password is too old, and nobody can change one that does not exist.
            changes.append(Change(name, "no_aging", None, f"password to be changed after {existing.aging} days", "never"))
    changes += _plan_password(account, existing)
    if existing is None or not (existing.home_right or existing.home_obstacle):
        before = "" if existing is None else _describe_home(existing)
        changes.append(Change(name, "home", HOME_MODE, before, "home 0700"))
    places = _key_places(account, existing, system, rules)
    changes += [Change(name, *step) for step in account_keys.plan(places, exclusive=rules.exclusive)]
    if account.linger is not None and account.linger != (existing is not None and existing.linger):
        before = "" if existing is None else f"lingering {_word(existing.linger)}"
        changes.append(Change(name, "linger", account.linger, before, f"lingering {_word(account.linger)}"))
    return changes


def _plan_expiry(account: Desired, existing: str) -> list[Change]:
    wanted = days_since_1970(account.expires) if account.expires else ""
    if existing == wanted:
        return []
    after = f"expires on {account.expires}" if account.expires else "does not expire"
    return [Change(account.name, "expires", wanted, f"expires on day {existing} since 1970" if existing else "", after)]


def _word(value: bool) -> str:
    return "on" if value else "off"


def _plan_password(account: Desired, existing: Actual | None) -> list[Change]:
    field = KEY_ONLY if existing is None else existing.password
    if account.password is not None:
        if field != account.password:
            return [Change(account.name, "password", account.password, "another password", "the password of the data")]
    elif field == "" or field.startswith("!"):
        before = "no password is asked for" if field == "" else "locked"
        return [Change(account.name, "password", KEY_ONLY, before, "no password fits, keys do")]
    return []


def _plan_absent(account: Desired, existing: Actual | None, system: Found, login_group: str) -> list[Change]:
    name = account.name
    keys = [Change(name, *step) for step in account_keys.plan_absent(existing.home_keys if existing else Found(), system)]
    if existing is None:
        return keys
    changes: list[Change] = []
    usable = existing.expires != EXPIRED or not existing.password.startswith("!") or existing.shell != NO_LOGIN
    if usable:
        changes.append(Change(name, "lock", None, "usable", "locked"))
    changes += keys
    if login_group in existing.groups:
        changes.append(Change(name, "leave", login_group, f"member of {login_group}", ""))
    if existing.jobs:
        changes.append(Change(name, "no_jobs", existing.jobs, f"jobs of cron and at: {', '.join(existing.jobs)}", ""))
    # Whoever is locked may have processes that nobody has seen: they can be faster than the list of them.
    if usable or existing.busy or existing.linger:
        before = "logged in" if existing.busy else "lingering on" if existing.linger else ""
        changes.append(Change(name, "sessions", None, before, "sessions ended"))
    if account.archived and not existing.archive_obstacle and (existing.home_mode is not None or existing.archive_rest):
        changes.append(Change(name, "archive", None, f"home {existing.home}", "home archived and removed"))
    return changes


def _describe_home(existing: Actual) -> str:
    if existing.home_mode is None:
        return "no home"
    return f"home {existing.home_mode:04o}" + ("" if existing.home_owned else " of another account")
