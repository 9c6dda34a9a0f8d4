# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Accounts and memberships that nobody declared. Private to this collection.

The state of people who are declared is the role's `accounts`: their password, shell, home and expiry.
"""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import re
import shlex
import typing as t
from collections.abc import Iterator

from .._accounts import leavers
from .._accounts.people import EXPIRED
from .._accounts.system_names import POWERFUL_GROUPS
from .._host.numbers import FIRST_PERSON, NOBODY
from .._ssh import access
from .._text.escapes import in_one_line
from .declared import Declared
from .finding import Finding, Severity
from .host import Host
from .keys import settings

TOPIC = "accounts"
LIMIT = 16 << 20
LOGIN_GROUP = "ssh-users"
# What an administrator has anyway.
OF_ADMINISTRATORS = frozenset({"sudo", "adm", "wheel", "admin"})
NO_SHELLS = frozenset(
    f"{folder}/{name}" for folder in ("/bin", "/sbin", "/usr/bin", "/usr/sbin") for name in ("nologin", "false", "true", "sync")
)
# Service accounts that packages of Debian and Ubuntu give a shell, or put into a group with powers.
WITH_SHELL = frozenset({"root", "postgres", "gitolite3"})
MEMBERS = frozenset(
    {
        *(("adm", name) for name in ("syslog", "logcheck")),
        *(("disk", name) for name in ("amandabackup", "bacula")),
        *(("kvm", name) for name in ("libvirt-qemu", "nova", "qemu")),
        *(("libvirt", name) for name in ("libvirtdbus", "nova")),
        ("libvirt-qemu", "libvirt-qemu"),
        ("shadow", "freerad"),
    }
)


@dataclasses.dataclass(frozen=True)
class Entry:
    """A line of passwd(5), with what shadow(5) says."""

    name: str
    uid: int
    gid: int
    home: str
    shell: str
    password: str
    expires: str

    @property
    def person(self) -> bool:
        return self.uid >= FIRST_PERSON and self.uid not in NOBODY

    @property
    def logs_in(self) -> bool:
        return self.shell not in NO_SHELLS and not self.expired

    @property
    def expired(self) -> bool:
        today = (datetime.datetime.now(datetime.timezone.utc).date() - datetime.date(1970, 1, 1)).days
        return self.expires.isdecimal() and int(self.expires) < today

    @property
    def closed(self) -> bool:
        """As the role leaves a leaver: nobody gets in, and no program is started as this account by cron or su (pam_unix(8))."""
        return self.expires == EXPIRED and self.password.startswith("!") and self.shell in NO_SHELLS


class Group(t.NamedTuple):
    """A line of group(5)."""

    name: str
    gid: int
    members: tuple[str, ...]
    password: str


def find(host: Host, declared: Declared) -> Iterator[Finding]:
    entries, groups = read_entries(host), read_groups(host)
    for path in ("/etc/passwd", "/etc/group", "/etc/shadow"):
        yield from _other_sources(host, path)
    yield from _numbers(entries)
    for path in ("/etc/subuid", "/etc/subgid"):
        yield from _subordinate(host, path, entries, groups)
    for entry in entries:
        yield from _logins(entry, declared)
        yield from _passwords(entry, declared)
        yield from _home(host, entry, declared)
    yield from _memberships(host, entries, groups, declared)
    yield from _primary(host, entries, groups, declared)
    yield from _group_passwords(host, groups)


def read_entries(host: Host) -> list[Entry]:
    """As the C library reads them: it takes a line without home and shell, too, and the first one of each name."""
    shadow = {row[0]: row for row in reversed(_rows(host, "/etc/shadow")) if len(row) > 1}
    found = []
    for row in _rows(host, "/etc/passwd"):
        with contextlib.suppress(ValueError, IndexError):
            secret = shadow.get(row[0], [])
            found.append(
                Entry(
                    row[0],
                    int(row[2]),
                    int(row[3]),
                    home=row[5] if len(row) > 5 else "",
                    shell=(row[6] if len(row) > 6 else "") or "/bin/sh",
                    password=row[1] if row[1] != "x" else secret[1] if secret else "*",
                    expires=secret[7] if row[1] == "x" and len(secret) > 7 else "",
                )
            )
    return found


def read_groups(host: Host) -> list[Group]:
    """All lines: of two with one name both count (getgrouplist(3))."""
    found = []
    for row in _rows(host, "/etc/group"):
        with contextlib.suppress(ValueError, IndexError):
            members = row[3].split(",") if len(row) > 3 else []
            found.append(Group(row[0], int(row[2]), tuple(name.strip() for name in members if name.strip()), row[1]))
    return found


def _rows(host: Host, path: str) -> list[list[str]]:
    lines = (host.text(path, LIMIT) or "").split("\n")
    return [line.lstrip().split(":") for line in lines if line.strip() and line.lstrip()[0] not in "#+-"]


def _other_sources(host: Host, path: str) -> Iterator[Finding]:
    """Lines that let a directory service say who there is (nsswitch.conf(5), `compat`)."""
    for line in (host.text(path, LIMIT) or "").split("\n"):
        if line.startswith(("+", "-")):
            yield _finding(
                f"{path}: {in_one_line(line)}",
                "a line that takes accounts from elsewhere",
                "accounts of this host",
                f"take the line out of {path}",
            )


def _numbers(entries: list[Entry]) -> Iterator[Finding]:
    roots = [entry.name for entry in entries if entry.uid == 0]
    for name in map(in_one_line, sorted({name for name in roots if name != "root" or roots.count(name) > 1})):
        yield _finding(f"uid 0: {name}", f"{name} is root by another line", "root once", f"userdel {shlex.quote(name)}", "error")
    for uid in sorted({entry.uid for entry in entries} - {0}):
        names = [in_one_line(entry.name) for entry in entries if entry.uid == uid]
        if len(names) > 1:
            yield _finding(
                f"uid {uid}: {', '.join(sorted(names))}",
                f"{len(names)} accounts with one number",
                "a number of its own for each",
                f"usermod -u NUMBER {shlex.quote(names[-1])}",
                "error",
            )


def _subordinate(host: Host, path: str, entries: list[Entry], groups: list[Group]) -> Iterator[Finding]:
    """Numbers that somebody may be in a namespace of their own (subuid(5)): those of accounts make them these accounts."""
    taken = {entry.uid for entry in entries} if path == "/etc/subuid" else {group.gid for group in groups}
    ranges = leavers.subordinate_numbers(host.text(path, LIMIT) or "")
    for name, first, number in ranges:
        inside = sorted(one for one in taken if first <= one < first + number)
        others = sorted(
            other
            for other, begin, count in ranges
            if other not in (name, "root") and name != "root" and begin < first + number and first < begin + count
        )
        if inside or others:
            whose = f"accounts ({', '.join(map(str, inside[:5]))})" if inside else others[0]
            title, found = f"{path}: {name}:{first}:{number}", f"the subordinate numbers of {name} are those of {whose}, too"
            way_out = f"take the line out of {path}, then 'usermod --add-subuids FIRST-LAST {shlex.quote(name)}'"
            yield _finding(in_one_line(title), in_one_line(found), "numbers of nobody else", in_one_line(way_out), "error")


def _logins(entry: Entry, declared: Declared) -> Iterator[Finding]:
    name = in_one_line(entry.name)
    if not entry.logs_in or entry.name in declared.people:
        return
    if not entry.person and entry.uid != 0 and entry.name not in WITH_SHELL:
        yield _finding(
            f"shell of {name}",
            f"a system account (uid {entry.uid}) with the shell {in_one_line(entry.shell)}",
            "a shell that lets nobody in",
            f"usermod -s /usr/sbin/nologin {shlex.quote(name)}",
            "error",
        )
    # Without the role accounts nobody is declared, and nothing is known about people.
    if entry.person and declared.people:
        yield _finding(
            f"account {name}",
            f"an account (uid {entry.uid}, shell {in_one_line(entry.shell)}) that can log in",
            "accounts of accounts_administrators and accounts_researchers",
            f"add '- name: {name}' to accounts_researchers, or 'userdel {shlex.quote(name)}'",
            "error",
        )


def _passwords(entry: Entry, declared: Declared) -> Iterator[Finding]:
    """Empty ones of all; usable ones of accounts that have none from their package. An installer gives root one."""
    name = in_one_line(entry.name)
    lock = f"usermod -p '*' {shlex.quote(name)}"
    if entry.name in declared.people:
        if entry.password[:1] not in ("", "!", "*") and entry.name not in declared.with_password:
            way_out = f"say 'password' in the person's entry, or usermod -p '*' {shlex.quote(name)}"
            yield _finding(f"password of {name}", "a password that fits", "none: the inventory gives none", way_out)
        return
    if entry.password == "":
        yield _finding(f"password of {name}", "an account that asks for no password", "none that fits, or a hash", lock, "error")
    elif entry.password[0] not in "!*" and entry.uid != 0 and not entry.person:
        yield _finding(
            f"password of {name}", f"a password for a system account (uid {entry.uid})", "none that fits", lock, "error"
        )


def _home(host: Host, entry: Entry, declared: Declared) -> Iterator[Finding]:
    """Of people, where useradd(8) puts it: whoever moves a home moves keys, kernels and start-up files with it."""
    base = re.search(r"^HOME=(\S+)", host.text("/etc/default/useradd") or "", re.MULTILINE)
    usual = f"{base[1] if base else '/home'}/{entry.name}"
    if entry.name in declared.people and entry.home.rstrip("/") != usual:
        name = in_one_line(entry.name)
        found = f"{name} has the home {in_one_line(entry.home)}"
        way_out = f"usermod -d {shlex.quote(usual)} {shlex.quote(name)}, or accept it"
        yield _finding(f"home of {name}: {in_one_line(entry.home)}", found, usual, way_out)


def _memberships(host: Host, entries: list[Entry], groups: list[Group], declared: Declared) -> Iterator[Finding]:
    """By number: another name with the number of a mighty group is that group."""
    known = {entry.name: entry for entry in reversed(entries)}
    names: dict[int, str] = {}
    for group in sorted(groups, key=lambda group: group.name not in POWERFUL_GROUPS):
        if group.name in POWERFUL_GROUPS or group.gid == 0:
            names.setdefault(group.gid, group.name)
    doors = _login_groups(host)
    told = set()
    for group in groups:
        primary = [entry.name for entry in entries if entry.gid == group.gid and entry.name != "root" and entry.uid != 0]
        for member in sorted({*group.members, *primary}):
            mighty = names.get(group.gid, "")
            account = known.get(member)
            if (account and account.closed) or member == "root" or (mighty or group.name, member) in told:
                continue
            if mighty and not _allowed(mighty, member, account, declared):
                told.add((mighty, member))
                yield _membership(mighty, member, "gives the rights of root, or of much of the host", declared)
            elif group.name in doors and declared.people and member not in declared.people:
                told.add((group.name, member))
                yield _membership(group.name, member, "lets its members log in over SSH", declared)


def _primary(host: Host, entries: list[Entry], groups: list[Group], declared: Declared) -> Iterator[Finding]:
    """Of people, where useradd(8) gives each a group of the own name: what they write from now on is another group's."""
    if not re.search(r"^USERGROUPS_ENAB\s+yes", host.text("/etc/login.defs") or "", re.MULTILINE):
        return
    names = {group.gid: group.name for group in reversed(groups)}
    own = {group.name for group in groups}
    for entry in entries:
        group = names.get(entry.gid, str(entry.gid))
        if entry.name in own and entry.name in declared.people and group not in (entry.name, *declared.groups_of(entry.name)):
            name, where = in_one_line(entry.name), in_one_line(group)
            way_out = f"usermod -g {shlex.quote(name)} {shlex.quote(name)}"
            expected = f"the group {name}, which there is"
            yield _finding(f"primary group of {name}: {where}", f"{name} has the primary group {where}", expected, way_out)


def _allowed(group: str, member: str, account: Entry | None, declared: Declared) -> bool:
    if group in declared.groups_of(member) or (member in declared.administrators and group in OF_ADMINISTRATORS):
        return True
    # Without the role accounts nobody is declared, and nothing is known about people.
    person = account is None or account.person
    return (group, member) in MEMBERS or (account is not None and account.name == group) or (person and not declared.people)


def _membership(group: str, member: str, why: str, declared: Declared) -> Finding:
    shown, where = in_one_line(member), in_one_line(group)
    way_out = f"gpasswd -d {shlex.quote(shown)} {shlex.quote(where)}"
    if member in declared.people:
        way_out = f"say 'groups: [{where}]' in the person's entry, or '{way_out}' (usermod -g where it is the primary group)"
    return _finding(
        f"group {where}: {shown}", f"{shown} is in the group {where}, which {why}", "members that are declared", way_out, "error"
    )


def _login_groups(host: Host) -> frozenset[str]:
    """Those whose members sshd lets in, by their names."""
    words = access.words(line.value for line in settings(host) if line.keyword == "allowgroups")
    return frozenset({LOGIN_GROUP, *words})


def _group_passwords(host: Host, groups: list[Group]) -> Iterator[Finding]:
    """With the password of a group anybody joins it (newgrp(1)), and its administrators add whom they like (gpasswd(1))."""
    mighty = {group.name for group in groups if group.name in POWERFUL_GROUPS or group.gid == 0}
    rows = {row[0]: row for row in reversed(_rows(host, "/etc/gshadow")) if len(row) > 2}
    for group in sorted(mighty):
        passwords = [rows[group][1] if group in rows else "", *(entry.password for entry in groups if entry.name == group)]
        if any(password not in ("", "x") and password[0] not in "!*" for password in passwords):
            yield _finding(
                f"password of the group {in_one_line(group)}",
                "a password with which anybody becomes a member",
                "none",
                f"gpasswd -r {shlex.quote(in_one_line(group))}",
                "error",
            )
        if group in rows and rows[group][2].strip():
            yield _finding(
                f"administrators of the group {in_one_line(group)}: {in_one_line(rows[group][2])}",
                "people who add members as they like",
                "none",
                f"gpasswd -A '' {shlex.quote(in_one_line(group))}",
                "error",
            )


def _finding(name: str, found: str, expected: str, way_out: str, severity: Severity = "warning") -> Finding:
    return Finding(TOPIC, name, found, expected, way_out, severity)
