# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""People, from data: what is wrong with the data, and what has to change on a host. Pure. Private to this collection."""

from __future__ import annotations

import datetime
import re
import typing as t
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from . import _ssh_key_options, _ssh_keys

HEADER = "# Managed by Ansible, role openlab.research_server.accounts. The next run undoes what is changed here."
# No password will ever match, and nothing calls the account locked (shadow(5), crypt(5)).
KEY_ONLY = "*"
NO_LOGIN = "/usr/sbin/nologin"
EXPIRED = "1"  # the second of January 1970; 0 is ambiguous (shadow(5))
FIRST_PERSON = 1000  # login.defs(5), UID_MIN
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
    key_text: str | None
    """Text of authorized_keys; None if there is no regular file."""
    key_private: bool = True
    """Whether only the account itself can read and write the file and its folder."""
    busy: bool = False
    """Whether processes of this account run."""
    linger: bool = False
    jobs: tuple[str, ...] = ()
    """Files with this account's jobs for cron and at."""
    archive_obstacle: str = ""
    """Why the home cannot be archived."""
    archive_rest: bool = False
    """Whether an archived home waits for its removal."""


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
    seen: set[str] = set()
    if not GROUP.fullmatch(login_group):
        found.append(f"accounts_login_group: found '{login_group}'; expected a group name such as ssh-users")
    for account in accounts:
        where = f"account '{account.name}'"
        if not NAME.fullmatch(account.name):
            found.append(
                f"{where}: expected a name of lower-case letters, digits, '_', '-' and '.', at most 32, starting with a letter"
            )
        if account.name == "root":
            found.append(f"{where}: root never logs in; expected the names of people")
        if account.name in seen:
            found.append(f"{where}: found it twice; expected each name once, as administrator or as researcher")
        seen.add(account.name)
        if account.present:
            found += [f"{where}: {sentence}" for sentence in _problems_of(account)]
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
            key = _ssh_keys.parse(line)
            until = _ssh_key_options.expiry(key.restrictions)
            if until is not None:
                times.append((f"key {key.fingerprint}{f' ({key.comment})' if key.comment else ''}", until))
        found += [
            Notice(account.name, what, until, expired=until.timestamp() <= now)
            for what, until in times
            if until.timestamp() <= now + days * 86400
        ]
    return sorted(found, key=lambda notice: (notice.expires.timestamp(), notice.name))


def plan(desired: Iterable[Desired], actual: Mapping[str, Actual], *, login_group: str, exclusive: bool) -> list[Change]:
    """What has to be done, in this order. ``actual`` has the accounts that exist."""
    changes: list[Change] = []
    people = list(desired)
    for account in people:
        if account.present:
            changes += _plan_present(account, actual.get(account.name), login_group, exclusive)
    for account in people:
        existing = actual.get(account.name)
        if not account.present and existing is not None:
            changes += _plan_absent(account, existing, login_group)
    return changes


def conflicts(desired: Iterable[Desired], actual: Mapping[str, Actual], operator: str | None) -> list[str]:
    """Why the data does not fit this host; nothing is changed then."""
    found = []
    for account in desired:
        existing = actual.get(account.name)
        if existing is None:
            continue
        if existing.uid < FIRST_PERSON:
            found.append(
                f"account '{account.name}': found a system account (uid {existing.uid}); expected a person. Choose another name"
            )
        elif account.present and account.uid is not None and account.uid != existing.uid:
            found.append(
                f"account '{account.name}': found uid {existing.uid}, expected {account.uid}. Files keep their owner, so it is "
                f"left to you: 'usermod -u {account.uid} {account.name}', then change the owner of the files"
            )
        if not account.present and account.name == operator:
            found.append(
                f"account '{account.name}': found it logged in right now, to remove itself; connect as another administrator"
            )
        if not account.present and account.archived and existing.archive_obstacle:
            found.append(f"account '{account.name}': the home cannot be archived: {existing.archive_obstacle}")
    return found


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


def key_file(keys: Iterable[str], existing: str | None, *, exclusive: bool) -> str:
    """The text of authorized_keys: only these keys, or these keys besides those that are there."""
    wanted = [_ssh_keys.parse(line) for line in keys]
    if exclusive or existing is None:
        return "\n".join([HEADER, *(key.line for key in wanted)]) + "\n"
    lines = existing.splitlines()
    # The same key with other options would still open the door as before.
    rivals = {key.blob: key.line for key in wanted}
    kept = [line for line in lines if rivals.get(_blob(line), line) == line]
    return "\n".join([*kept, *(key.line for key in wanted if key.line not in kept)]) + "\n"


def days_since_1970(date: str) -> str:
    """A day as shadow(5) writes it."""
    return str((datetime.date.fromisoformat(date) - datetime.date(1970, 1, 1)).days)


def _closed(account: Desired, now: float, address: str | None) -> str:
    """Why this account's keys do not give a shell; empty if one does."""
    if account.expires and _valid_day(account.expires) and _day(account.expires).timestamp() <= now:
        return f"the account expired on {account.expires}"
    reasons = []
    for line in account.keys:
        try:
            reasons.append(_ssh_key_options.obstacle(_ssh_keys.parse(line).restrictions, now=now, address=address))
        except _ssh_keys.KeyFormatError as error:
            reasons.append(str(error))
    return "no key" if not reasons else "" if "" in reasons else ", ".join(reasons)


def _valid_day(text: str) -> bool:
    try:
        _day(text)
    except ValueError:
        return False
    return True


def _day(text: str) -> datetime.datetime:
    return datetime.datetime.strptime(text, "%Y-%m-%d")


def _problems_of(account: Desired) -> list[str]:
    found = list(account.mistakes)
    if account.expires is not None and not _valid_day(account.expires):
        found.append(f"expires: found '{account.expires}'; expected a day such as 2027-09-30")
    found += [f"key {number}: {sentence}" for number, line in enumerate(account.keys, 1) if (sentence := _ssh_keys.problem(line))]
    if account.password is not None and not re.fullmatch(r"\$[^:\s]+\$[^:\s]+", account.password):
        found.append(
            "password: expected a hash as in crypt(5), such as $y$...; never the password itself. Make one with 'mkpasswd'"
        )
    if account.administrator and not account.sudo_nopasswd and account.password is None:
        found.append("found an administrator without any way to use sudo; expected a 'password' (hash) or 'sudo_nopasswd: true'")
    if account.comment is not None and re.search(r"[:\n\r]", account.comment):
        found.append("comment: expected one line without a colon")
    if not account.shell.startswith("/"):
        found.append(f"shell: found '{account.shell}'; expected an absolute path")
    found += [f"groups: found '{group}'; expected a group name" for group in account.groups if not GROUP.fullmatch(group)]
    return found


def _plan_present(account: Desired, existing: Actual | None, login_group: str, exclusive: bool) -> list[Change]:
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
    changes += _plan_password(account, existing)
    if existing is None or existing.home_mode != 0o700 or not existing.home_owned:
        before = "" if existing is None else _describe_home(existing)
        changes.append(Change(name, "home", 0o700, before, "home 0700"))
    before_keys = existing.key_text if existing else None
    text = key_file(account.keys, before_keys, exclusive=exclusive)
    if text != before_keys or (existing is not None and not existing.key_private):
        changes.append(Change(name, "keys", text, before_keys or "", text))
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


def _plan_absent(account: Desired, existing: Actual, login_group: str) -> list[Change]:
    name = account.name
    changes: list[Change] = []
    if existing.key_text is not None:
        changes.append(Change(name, "no_keys", None, existing.key_text, ""))
    if existing.expires != EXPIRED or not existing.password.startswith("!") or existing.shell != NO_LOGIN:
        changes.append(Change(name, "lock", None, "usable", "locked"))
    if login_group in existing.groups:
        changes.append(Change(name, "leave", login_group, f"member of {login_group}", ""))
    if existing.jobs:
        changes.append(Change(name, "no_jobs", existing.jobs, f"jobs of cron and at: {', '.join(existing.jobs)}", ""))
    if existing.busy or existing.linger:
        changes.append(Change(name, "sessions", None, "logged in" if existing.busy else "lingering on", "sessions ended"))
    if account.archived and (existing.home_mode is not None or existing.archive_rest):
        changes.append(Change(name, "archive", None, f"home {existing.home}", "home archived and removed"))
    return changes


def _describe_home(existing: Actual) -> str:
    if existing.home_mode is None:
        return "no home"
    return f"home {existing.home_mode:04o}" + ("" if existing.home_owned else " of another account")


def _blob(line: str) -> bytes:
    try:
        return _ssh_keys.parse(line).blob
    except _ssh_keys.KeyFormatError:
        return b""
