# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module accounts reads from a host, for its plan. Changes nothing. Private to this collection."""

from __future__ import annotations

import contextlib
import errno
import grp
import os
import pwd
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence

from ansible.module_utils.basic import AnsibleModule

from .._host import getent, people_files, processes
from .._host.files import can_be_started, read_file
from .._host.mounts import mount_points, table
from .._host.numbers import FIRST_PERSON
from .._host.people_files import Found, OddError
from .._host.processes import Process
from .._ssh.lockout import lets_nobody_in
from .._ssh.server import runtime_directory
from .._ssh.server_config import group_listing
from .._text.escapes import in_one_line
from . import keys as account_keys
from . import leavers
from . import projects as account_projects
from .keys import IN_HOMES, Rules
from .people import Actual, Desired, Group, Machine, named_in
from .projects import Folder, Project


def read_rules(module: AnsibleModule) -> Rules:
    """Where keys are to be, and where sshd looks for them. One that cannot be asked may look in either place."""
    rules = Rules(in_system=module.params["keys_in"] == "system", exclusive=module.params["exclusive_keys"])
    sshd = module.get_bin_path("sshd", False, ["/usr/sbin", "/usr/local/sbin"])
    if not sshd:
        return rules
    with runtime_directory():
        rc, text, _errors = module.run_command([sshd, "-T"])
    listing = group_listing(text) if rc == 0 else {}
    words = " ".join(listing.get("authorizedkeysfile", ())).split()
    return rules._replace(
        sshd_files=tuple(words) or (IN_HOMES, account_keys.system_file("%u")),
        elsewhere=any(listing.get(keyword, ["none"]) != ["none"] for keyword in ("authorizedkeyscommand", "trustedusercakeys")),
    )


def read_system_keys(people: Sequence[Desired]) -> dict[str, Found]:
    """The files of keys that are root's, also of people without an account."""
    return {account.name: people_files.read(account_keys.FOLDER, (account.name,)) for account in people}


def read_accounts(people: Sequence[Desired], rules: Rules) -> dict[str, Actual]:
    """The accounts that exist. What people can do to their files, does not raise here: it is part of what is found."""
    shadow = _read_shadow()
    memberships: dict[str, set[str]] = {}
    for group in grp.getgrall():
        for member in group.gr_mem:
            memberships.setdefault(member, set()).add(group.gr_name)
    mounts = mount_points(table())
    running = [] if all(account.present for account in people) else list(processes.running())
    found = {}
    for account in people:
        try:
            entry = pwd.getpwnam(account.name)
        except KeyError:
            continue
        password, aging, expires = shadow.get(account.name, ("", "", ""))
        primary = getent.group(entry.pw_gid)
        actual = Actual(
            uid=entry.pw_uid,
            home=entry.pw_dir,
            shell=entry.pw_shell,
            comment=entry.pw_gecos.rstrip(","),
            groups=frozenset(memberships.get(account.name, ())) | ({primary} if primary else frozenset()),
            password=password,
            expires=expires,
            aging=aging,
            home_mode=None,
            home_owned=False,
            linger=os.path.lexists(f"{leavers.LINGER}/{account.name}"),
        )
        actual = _with_home(actual, entry)
        if account.present and rules.looks_at_home(account.name, entry.pw_dir):
            actual = actual._replace(home_keys=_home_keys(actual))
        if not account.present:
            busy = bool(processes_of(account.name, entry.pw_uid, running))
            actual = _with_remains(account.name, actual._replace(busy=busy), entry, mounts)
        found[account.name] = actual
    return found


# Days, a human life.
NEVER = 36500


def read_machine(people: Sequence[Desired], sudoers: str) -> Machine:
    """What the data could collide with. ``sudoers`` is the path of this collection's file."""
    uids: dict[int, set[str]] = {}
    in_group: dict[int, set[str]] = {}
    names = {account.name for account in people}
    primary = {}
    for entry in pwd.getpwall():
        uids.setdefault(entry.pw_uid, set()).add(entry.pw_name)
        in_group.setdefault(entry.pw_gid, set()).add(entry.pw_name)
        if entry.pw_name in names:
            primary[entry.pw_name] = getent.group(entry.pw_gid)
    for account in people:
        # A directory service need not list its accounts, and answers when it is asked for one.
        with contextlib.suppress(KeyError):
            if account.uid is not None:
                uids.setdefault(account.uid, set()).add(pwd.getpwuid(account.uid).pw_name)
    groups = {}
    for name in names:
        with contextlib.suppress(KeyError):
            group = grp.getgrnam(name)
            groups[name] = Group(group.gr_gid, frozenset(group.gr_mem) | frozenset(in_group.get(group.gr_gid, ())))
    limits = _login_defs(read_file("/etc/login.defs") or "")
    return Machine(
        uids={uid: frozenset(found) for uid, found in uids.items()},
        groups=groups,
        primary=primary,
        uid_min=limits.get("UID_MIN", Machine().uid_min),
        uid_max=limits.get("UID_MAX", Machine().uid_max),
        subordinate=leavers.subordinate_numbers(read_file("/etc/subuid") or ""),
        sudoers=named_in(read_file(sudoers) or ""),
        # One that is to let nobody in need not be there.
        missing_shells=frozenset(
            shell
            for shell in {account.shell for account in people if account.present}
            if not (lets_nobody_in(shell) or can_be_started(shell))
        ),
    )


def home_of(entry: pwd.struct_passwd) -> leavers.Home:
    """What matters before a home is archived."""
    home, parent = os.lstat(entry.pw_dir), os.stat(os.path.dirname(entry.pw_dir))
    return leavers.Home(
        path=entry.pw_dir,
        is_folder=stat.S_ISDIR(home.st_mode),
        owned=home.st_uid == entry.pw_uid,
        parent_is_safe=parent.st_uid == 0 and not parent.st_mode & 0o022,
        others=_living_in(entry),
    )


def home_obstacle(entry: pwd.struct_passwd) -> str:
    """Why the home is not to be given to the account: it has other owners, or is none; empty if there is no reason."""
    try:
        with people_files.open_home(entry.pw_dir) as handle:
            owner = os.fstat(handle).st_uid
    except FileNotFoundError:
        return _moved_away(entry)
    except OddError as odd:
        return f"{odd}; expected a home in folders of root. Correct that, or give the account another home with 'usermod -d'"
    except OSError as error:
        return f"found no way to look at {entry.pw_dir} ({error.strerror}); expected a home. Correct that"
    return "" if owner == entry.pw_uid else _in_other_hands(entry, owner)


def _in_other_hands(entry: pwd.struct_passwd, owner: int) -> str:
    """Of a home that somebody else owns: whether that is an account, or was this one by another number."""
    if not getent.user(owner) and owner >= FIRST_PERSON:
        return (
            f"found {entry.pw_dir} with the files of uid {owner}, whom nobody has, and uid {entry.pw_uid} for the account in "
            f"/etc/passwd; expected one number. Put it right with 'usermod -u {owner} {entry.pw_name}', or give the files to the "
            f"account with 'chown -R -h --from={owner} {entry.pw_name} {in_one_line(entry.pw_dir)}'"
        )
    others = _living_in(entry) | ({getent.user(owner)} - {"", "root"})
    if others:
        return (
            f"found {entry.pw_dir} to be the home of {', '.join(sorted(others))}; expected it to be the account's. Give the "
            "account another home with 'usermod -d', or the folder to the account with 'chown'"
        )
    return ""


def _moved_away(entry: pwd.struct_passwd) -> str:
    """Somebody has given the account a home that is not there, while its files are where they were."""
    usual = f"/home/{entry.pw_name}"
    with contextlib.suppress(OSError):
        if entry.pw_dir.rstrip("/") != usual and os.lstat(usual).st_uid == entry.pw_uid:
            return (
                f"found no {in_one_line(entry.pw_dir)}, the home in /etc/passwd, and the account's files in {usual}; expected "
                f"that home. Put it right with 'usermod -d {usual} {entry.pw_name}', or move the files"
            )
    return ""


def processes_of(name: str, uid: int, running: Iterable[Process] | None = None) -> list[Process]:
    """What has this person's rights: as the account, or under a subordinate number in a user namespace of theirs."""
    subordinate = leavers.numbers(name, uid, read_file("/etc/subuid") or "")

    def theirs(process: Process) -> bool:
        return uid in process.uids or (
            any(number in one for one in subordinate for number in process.uids) and processes.in_namespace_of(process.pid, uid)
        )

    return [process for process in (processes.running() if running is None else running) if theirs(process)]


def read_projects(projects: Sequence[Project]) -> dict[str, Folder]:
    found = {}
    for entry in projects:
        try:
            group = grp.getgrnam(entry.group)
            primary = frozenset(account.pw_name for account in pwd.getpwall() if account.pw_gid == group.gr_gid)
            folder = Folder(gid=group.gr_gid, members=frozenset(group.gr_mem), primary=primary)
        except KeyError:
            folder = Folder()
        try:
            folder = folder._replace(obstacle=path_obstacle(entry.path))
            if not folder.obstacle and os.path.isdir(entry.path):
                status = os.stat(entry.path)
                folder = folder._replace(
                    exists=True,
                    mode=stat.S_IMODE(status.st_mode),
                    owner=f"{status.st_uid}:{status.st_gid}",
                    acl=read_acl(entry.path),
                )
        except OSError as error:
            folder = folder._replace(obstacle=f"found no way to look at {entry.path} ({error.strerror}); expected a folder")
        found[entry.name] = folder
    return found


def path_obstacle(path: str) -> str:
    """Root makes no folder where somebody else could put a link in its way."""
    part = path
    while part != "/":
        status = os.lstat(part) if os.path.lexists(part) else None
        if status is not None and not stat.S_ISDIR(status.st_mode):
            return f"found a link or a file at {part}; expected a folder or nothing"
        if status is not None and part != path and (status.st_uid != 0 or status.st_mode & 0o022):
            return f"found {part} to be writable by others than root; expected a folder of root above {path}"
        part = os.path.dirname(part)
    return ""


def read_acl(path: str | int) -> bytes | None:
    try:
        return os.getxattr(path, account_projects.ACL_ATTRIBUTE)
    except OSError as error:
        if error.errno in (errno.ENODATA, errno.ENOTSUP):
            return None
        raise


def group_exists(name: str) -> bool:
    try:
        grp.getgrnam(name)
    except KeyError:
        return False
    return True


def _with_home(actual: Actual, entry: pwd.struct_passwd) -> Actual:
    try:
        status = os.stat(entry.pw_dir)
    except OSError:
        status = None
    return actual._replace(
        home_mode=None if status is None else stat.S_IMODE(status.st_mode),
        home_owned=status is not None and status.st_uid == entry.pw_uid,
        home_obstacle=home_obstacle(entry),
    )


def _home_keys(actual: Actual) -> Found:
    if actual.home_obstacle and not actual.home_owned:
        return Found(oddity="another's home", path=actual.home, on_the_way=True, movable=False)
    return people_files.read(actual.home, account_keys.HOME_PARTS)


def _with_remains(name: str, actual: Actual, entry: pwd.struct_passwd, mounts: Sequence[str]) -> Actual:
    """What is to be taken from somebody who leaves."""
    rest = leavers.rest(entry.pw_dir)
    return actual._replace(
        home_keys=people_files.read(entry.pw_dir, account_keys.HOME_PARTS) if actual.home_owned else Found(),
        jobs=tuple(_jobs_of(name, entry.pw_uid)),
        archive_obstacle=_archive_obstacle(entry, mounts),
        archive_rest=os.path.isdir(rest) and not os.path.islink(rest),
    )


def _archive_obstacle(entry: pwd.struct_passwd, mounts: Sequence[str]) -> str:
    try:
        return leavers.archive_obstacle(home_of(entry), mounts)
    except FileNotFoundError:
        return ""
    except OSError as error:
        return f"found no way to look at {entry.pw_dir} ({error.strerror})"


def _jobs_of(name: str, uid: int) -> Iterator[str]:
    """Files of cron and at that would still run programs as this account."""
    for folder in leavers.CRON:
        path = f"{folder}/{name}"
        if os.path.lexists(path) and not os.path.isdir(path):
            yield path
    for folder in leavers.AT:
        with contextlib.suppress(OSError), os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_file(follow_symlinks=False) and entry.stat(follow_symlinks=False).st_uid == uid:
                    yield entry.path


def _living_in(entry: pwd.struct_passwd) -> frozenset[str]:
    """Other accounts whose homes are this one, or lie in it."""
    home = entry.pw_dir.rstrip("/")
    return frozenset(
        other.pw_name
        for other in pwd.getpwall()
        if other.pw_name != entry.pw_name and f"{other.pw_dir.rstrip('/')}/".startswith(f"{home}/")
    )


def _read_shadow() -> dict[str, tuple[str, str, str]]:
    """Password field, days until it has to be changed and date of expiry by name (shadow(5))."""
    rows = (line.split(":") for line in (read_file("/etc/shadow") or "").splitlines())
    # Changed on day 0: it has to be changed at the next login.
    return {row[0]: (row[1], "0" if row[2] == "0" else _limit(row[4]), row[7]) for row in rows if len(row) > 7}


def _limit(days: str) -> str:
    """Debian writes 99999 where nothing ends."""
    return days if days.isdigit() and int(days) < NEVER else ""


def _login_defs(text: str) -> Mapping[str, int]:
    """The numbers in login.defs(5)."""
    rows = (line.split() for line in text.splitlines() if not line.lstrip().startswith("#"))
    return {row[0]: int(row[1]) for row in rows if len(row) > 1 and row[1].isdigit()}
