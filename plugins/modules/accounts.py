#!/usr/bin/python
# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All people of a host at once."""

from __future__ import annotations

DOCUMENTATION = r"""
module: accounts
short_description: Give people their accounts, keys and sudo rules, and take them from leavers
version_added: 0.1.0
description:
  - Takes the whole list of people at once. Reads the host's files, compares, and starts programs only for what differs.
  - An account is used with keys. Without a password hash its password field is V(*), which fits no password, and which does
    not count as locked.
  - Nothing is changed if the data has no administrator with a key, a key that is not accepted, or a name twice.
  - Accepted keys are ed25519, security keys (V(sk-*)) and RSA with at least 3072 bits. An option that sshd would not
    understand is an error, since sshd ignores such keys.
  - A key that has expired, that runs one command only, or that does not open from where the operator is, is no key of an
    administrator in that sense.
  - Accounts that the data does not name are left alone. Leavers are named with V(state=absent) until no host knows them.
author:
  - openlab.research_server maintainers (@openlab)
options:
  administrators:
    description: People who may use sudo for everything.
    type: list
    elements: dict
    required: true
    suboptions: &person
      name:
        description: Login name.
        type: str
        required: true
      state:
        description:
          - V(present) creates or corrects the account.
          - V(absent) removes its keys, locks and expires it, takes it out of O(login_group) and the groups of O(projects),
            removes its jobs of cron and at, stops its services and ends its sessions. O(researchers[].home) says what becomes
            of the home.
        type: str
        choices: [present, absent]
        default: present
      keys:
        description:
          - Public keys, each as the line of a C(.pub) file; options as in C(sshd(8\)) may stand in front.
          - Or each as a dictionary with C(key), that line, C(options), a list such as V([restrict, 'from="192.0.2.0/24"']), and
            C(expires), the first day on which the key opens nothing, as V(2027-09-30) in the host's time zone.
        type: list
        elements: raw
        default: []
      expires:
        version_added: 0.2.0
        description: First day on which nobody can log in to the account, as V(2027-09-30). Never if not given.
        type: str
      linger:
        version_added: 0.2.0
        description:
          - Whether the person's own services (C(systemctl --user)) start with the host and go on after the last logout.
          - Left as it is if not given.
        type: bool
      home:
        version_added: 0.2.0
        description:
          - What becomes of the home with O(researchers[].state=absent). V(kept) leaves it where it is.
          - V(archived) packs it into a file in O(archive_dir) and removes it when the file is safely on the disk.
        type: str
        choices: [kept, archived]
        default: kept
      uid:
        description: Numeric id. Left to the host if not given. An existing account's id is never changed.
        type: int
      comment:
        description: Full name or the like. Left as it is if not given.
        type: str
      shell:
        description: Login shell.
        type: path
        default: /bin/bash
      groups:
        description: Groups besides O(login_group). They are created if they do not exist. The account stays in its other groups.
        type: list
        elements: str
        default: []
      password:
        description:
          - Hash as in C(crypt(5\)), needed by C(sudo) where it asks for a password. sshd accepts no password.
          - Left as it is if not given, but an empty password is replaced by V(*).
        type: str
      sudo_nopasswd:
        description: Whether C(sudo) asks an administrator for no password. Has no meaning for researchers.
        type: bool
        default: false
  researchers:
    description: People without administrative rights.
    type: list
    elements: dict
    default: []
    suboptions: *person
  projects:
    version_added: 0.2.0
    description:
      - Folders that people share. Each belongs to root and to the group of the project, with the set-group-ID bit and a default
        ACL, so that what one member makes all others can read and write whatever the umask is.
      - The group has exactly those members that the data names. What is in the folder already is left alone.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the project.
        type: str
        required: true
      path:
        description: The folder. By default V(/srv/projects/NAME).
        type: path
      group:
        description: The group, by default named as the project. It is created if it does not exist.
        type: str
      members:
        description: Names of people who are present. Whose O(researchers[].groups) name the group are members too.
        type: list
        elements: str
        default: []
      mode:
        description: Mode of the folder. V('2775') lets everyone on the host read.
        type: str
        default: "2770"
      acl:
        description: Whether the folder has a default ACL. Not all network file systems know them.
        type: bool
        default: true
  login_group:
    description: Group of all people who may log in over SSH.
    type: str
    default: ssh-users
  exclusive_keys:
    description: Whether keys that the data does not name are removed from the accounts that it names.
    type: bool
    default: true
  archive_dir:
    version_added: 0.2.0
    description: Folder of the archived homes. Only root can look into it.
    type: path
    default: /var/backups/research-server
  expiry_notice_days:
    version_added: 0.2.0
    description: Days before a key or an account expires from which on that is reported.
    type: int
    default: 30
  sudoers_path:
    description: File with the rules of all administrators.
    type: path
    default: /etc/sudoers.d/research-server
attributes:
  check_mode:
    description: Tells what would change.
    support: full
  diff_mode:
    description: Shows everything but password hashes.
    support: full
requirements:
  - C(useradd), C(usermod), C(groupadd), C(chpasswd), C(visudo), systemd, and GNU tar for archives, on the managed host; root.
"""

EXAMPLES = r"""
- name: Give accounts
  openlab.research_server.accounts:
    administrators:
      - name: ops
        keys: ["ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI... ops@lab"]
        sudo_nopasswd: true
    researchers:
      - name: alice
        keys: ["sk-ssh-ed25519@openssh.com AAAAGnNrLXNzaC1lZDI1NTE5QG9wZW5zc2guY29tAAAAI... alice@token"]
        linger: true
      - name: carol
        expires: 2027-03-31
        keys:
          - key: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI... carol@guest
            options: [restrict, pty, 'from="192.0.2.0/24"']
            expires: 2027-01-31
      - name: bob
        state: absent
        home: archived
    projects:
      - name: imaging
        members: [alice, carol]
"""

RETURN = r"""
changes:
  description: What was done or, in check mode, what would be done.
  returned: success
  type: list
  elements: str
  sample: ["alice: create", "alice: keys"]
notices:
  description:
    - One sentence for each key and account that expires within O(expiry_notice_days), or has expired. They are warnings of the
      task too, and nothing that changes.
  returned: success
  type: list
  elements: str
  sample: ["account 'carol': key SHA256:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU (carol@guest) expires on 2027-01-31"]
"""

import contextlib
import errno
import grp
import os
import pwd
import shutil
import signal
import stat
import tempfile
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import _accounts, _leavers, _projects
from ..module_utils._accounts import Actual, Change, Desired
from ..module_utils._module import Module, guarded
from ..module_utils._preflight_accounts import everyone, project
from ..module_utils._projects import Folder, Project
from ..module_utils._sshd_host import current_session, read_file

KEY_FILE = "authorized_keys"
END_SECONDS = 10.0


class RefusedError(Exception):
    """Nothing has been changed."""


def read_shadow() -> dict[str, list[str]]:
    """Password field and date of expiry by name (shadow(5))."""
    rows = (line.split(":") for line in (read_file("/etc/shadow") or "").splitlines())
    return {row[0]: [row[1], row[7]] for row in rows if len(row) > 7}


def read_accounts(people: t.Sequence[Desired]) -> dict[str, Actual]:
    shadow = read_shadow()
    memberships: dict[str, set[str]] = {}
    for group in grp.getgrall():
        for member in group.gr_mem:
            memberships.setdefault(member, set()).add(group.gr_name)
    mounts = _leavers.mount_points(read_file("/proc/self/mountinfo") or "")
    found = {}
    for account in people:
        try:
            entry = pwd.getpwnam(account.name)
        except KeyError:
            continue
        password, expires = shadow.get(account.name, ["", ""])
        home = _stat(entry.pw_dir)
        key_text, key_private = read_keys(entry.pw_dir, entry.pw_uid)
        found[account.name] = Actual(
            uid=entry.pw_uid,
            home=entry.pw_dir,
            shell=entry.pw_shell,
            comment=entry.pw_gecos.rstrip(","),
            groups=frozenset(memberships.get(account.name, ())) | _primary_group(entry.pw_gid),
            password=password,
            expires=expires,
            home_mode=None if home is None else stat.S_IMODE(home.st_mode),
            home_owned=home is not None and home.st_uid == entry.pw_uid,
            key_text=key_text,
            key_private=key_private,
            linger=os.path.exists(f"{_leavers.LINGER}/{account.name}"),
        )
        if not account.present:
            found[account.name] = found[account.name]._replace(
                busy=bool(processes_of(entry.pw_uid)),
                jobs=tuple(jobs_of(account.name, entry.pw_uid)),
                archive_obstacle=_leavers.archive_obstacle(home_of(entry), mounts) if home is not None else "",
                archive_rest=os.path.isdir(_leavers.rest(entry.pw_dir)),
            )
    return found


def processes_of(uid: int) -> list[int]:
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError):
                if os.stat(f"/proc/{name}").st_uid == uid:
                    found.append(int(name))
    return found


def jobs_of(name: str, uid: int) -> t.Iterator[str]:
    """Files of cron and at that would still run programs as this account."""
    for folder in _leavers.CRON:
        if os.path.isfile(f"{folder}/{name}"):
            yield f"{folder}/{name}"
    for folder in _leavers.AT:
        with contextlib.suppress(FileNotFoundError), os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_file(follow_symlinks=False) and entry.stat(follow_symlinks=False).st_uid == uid:
                    yield entry.path


def home_of(entry: pwd.struct_passwd) -> _leavers.Home:
    home, parent = os.lstat(entry.pw_dir), os.stat(os.path.dirname(entry.pw_dir))
    return _leavers.Home(
        path=entry.pw_dir,
        is_folder=stat.S_ISDIR(home.st_mode),
        owned=home.st_uid == entry.pw_uid,
        parent_is_safe=parent.st_uid == 0 and not parent.st_mode & 0o022,
        others=frozenset(
            other.pw_name
            for other in pwd.getpwall()
            if other.pw_name != entry.pw_name and f"{other.pw_dir}/".startswith(f"{entry.pw_dir}/")
        ),
    )


def read_projects(projects: t.Sequence[Project]) -> dict[str, Folder]:
    found = {}
    for entry in projects:
        try:
            group = grp.getgrnam(entry.group)
            folder = Folder(gid=group.gr_gid, members=frozenset(group.gr_mem))
        except KeyError:
            folder = Folder()
        folder = folder._replace(obstacle=path_obstacle(entry.path))
        if not folder.obstacle and os.path.isdir(entry.path):
            status = os.stat(entry.path)
            folder = folder._replace(
                exists=True,
                mode=stat.S_IMODE(status.st_mode),
                owner=f"{status.st_uid}:{status.st_gid}",
                acl=read_acl(entry.path),
            )
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
        return os.getxattr(path, _projects.ACL_ATTRIBUTE)
    except OSError as error:
        if error.errno in (errno.ENODATA, errno.ENOTSUP):
            return None
        raise


def _stat(path: str) -> os.stat_result | None:
    try:
        return os.stat(path)
    except OSError:
        return None


def _primary_group(gid: int) -> frozenset[str]:
    try:
        return frozenset({grp.getgrgid(gid).gr_name})
    except KeyError:
        return frozenset()


@contextlib.contextmanager
def ssh_folder(home: str) -> t.Iterator[int]:
    """A handle of ~/.ssh. People own their homes, so root must not follow a link that they have put there."""
    outer = os.open(home, os.O_RDONLY | os.O_DIRECTORY)
    try:
        inner = os.open(".ssh", os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=outer)
    finally:
        os.close(outer)
    try:
        yield inner
    finally:
        os.close(inner)


def read_keys(home: str, uid: int) -> tuple[str | None, bool]:
    """The text of authorized_keys, None if there is no such regular file; and whether it is private."""
    try:
        with ssh_folder(home) as folder:
            handle = os.open(KEY_FILE, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=folder)
            with os.fdopen(handle, encoding="utf-8", errors="surrogateescape") as stream:
                around, status = os.fstat(folder), os.fstat(handle)
                if not stat.S_ISREG(status.st_mode):
                    return None, False
                modes = (stat.S_IMODE(around.st_mode), stat.S_IMODE(status.st_mode))
                return stream.read(), modes == (0o700, 0o600) and {around.st_uid, status.st_uid} == {uid}
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP):
            return None, False
        raise


class Applier:
    """Does what the plan says."""

    def __init__(self, module: AnsibleModule, people: t.Sequence[Desired]) -> None:
        self.module = module
        self.archive_dir: str = module.params["archive_dir"]
        self.people = {account.name: account for account in people}

    def run(self, *argv: str, data: str | None = None, check: bool = True) -> int:
        rc, out, err = self.module.run_command(list(argv), data=data, environ_update={"LC_ALL": "C"})
        if check and rc != 0:
            raise RefusedError(f"'{argv[0]}' ended with {rc}: {(err or out).strip()}")
        return int(rc)

    def apply(self, change: Change) -> None:
        getattr(self, f"do_{change.action}")(change.name, change.value)

    def do_create(self, name: str, groups: list[str]) -> None:
        account = self.people[name]
        argv = [
            "useradd",
            "--create-home",
            "--shell",
            account.shell,
            "--password",
            _accounts.KEY_ONLY,
            "--groups",
            ",".join(groups),
        ]
        if account.uid is not None:
            argv += ["--uid", str(account.uid)]
        if account.comment is not None:
            argv += ["--comment", account.comment]
        try:
            grp.getgrnam(name)
            argv += ["--gid", name]
        except KeyError:
            argv += ["--user-group"]
        self.run(*argv, name)

    def do_join(self, name: str, groups: list[str]) -> None:
        self.run("usermod", "--append", "--groups", ",".join(groups), name)

    def do_leave(self, name: str, group: str) -> None:
        self.run("gpasswd", "--delete", name, group)

    def do_shell(self, name: str, shell: str) -> None:
        self.run("usermod", "--shell", shell, name)

    def do_comment(self, name: str, comment: str) -> None:
        self.run("usermod", "--comment", comment, name)

    def do_expires(self, name: str, date: str) -> None:
        self.run("usermod", "--expiredate", date, name)

    def do_password(self, name: str, field: str) -> None:
        # By standard input: the command line is visible to everyone on the host.
        self.run("chpasswd", "--encrypted", data=f"{name}:{field}")

    def do_home(self, name: str, mode: int) -> None:
        entry = pwd.getpwnam(name)
        os.makedirs(entry.pw_dir, mode=0o700, exist_ok=True)
        handle = os.open(entry.pw_dir, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fchown(handle, entry.pw_uid, entry.pw_gid)
            os.fchmod(handle, mode)
        finally:
            os.close(handle)

    def do_keys(self, name: str, text: str) -> None:
        entry = pwd.getpwnam(name)
        with contextlib.suppress(FileExistsError):
            os.mkdir(f"{entry.pw_dir}/.ssh", 0o700)
        try:
            with ssh_folder(entry.pw_dir) as folder:
                os.fchown(folder, entry.pw_uid, entry.pw_gid)
                os.fchmod(folder, 0o700)
                temporary = f".{KEY_FILE}.{os.getpid()}"
                handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600, dir_fd=folder)
                with os.fdopen(handle, "w", encoding="utf-8", errors="surrogateescape") as stream:
                    os.fchown(handle, entry.pw_uid, entry.pw_gid)
                    stream.write(text)
                    stream.flush()
                    os.fsync(handle)
                os.rename(temporary, KEY_FILE, src_dir_fd=folder, dst_dir_fd=folder)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENOTDIR):
                raise RefusedError(
                    f"account '{name}': found something else than a directory at {entry.pw_dir}/.ssh; remove it"
                ) from error
            raise

    def do_no_keys(self, name: str, unused: None) -> None:
        with ssh_folder(pwd.getpwnam(name).pw_dir) as folder:
            os.unlink(KEY_FILE, dir_fd=folder)

    def do_lock(self, name: str, unused: None) -> None:
        self.run("usermod", "--lock", "--expiredate", _accounts.EXPIRED, "--shell", _accounts.NO_LOGIN, name)

    def do_linger(self, name: str, wanted: bool) -> None:
        self.run("loginctl", "enable-linger" if wanted else "disable-linger", name)

    def do_no_jobs(self, name: str, paths: tuple[str, ...]) -> None:
        for path in paths:
            os.unlink(path)
            # cron looks at the folder to see that something has changed (cron(8)).
            os.utime(os.path.dirname(path))

    def do_sessions(self, name: str, unused: None) -> None:
        uid = pwd.getpwnam(name).pw_uid
        self.run("loginctl", "disable-linger", name, check=False)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{_leavers.LINGER}/{name}")
        # A service that restarts its processes has to be stopped itself, also for the next boot.
        for unit in sorted({_leavers.service(read_file(f"/proc/{pid}/cgroup") or "") for pid in processes_of(uid)} - {""}):
            _rc, user, _err = self.module.run_command(["systemctl", "show", "--property=User", "--value", unit])
            if user.strip() in (name, str(uid)):
                self.run("systemctl", "stop", unit, check=False)
                self.run("systemctl", "disable", unit, check=False)
        self.run("loginctl", "terminate-user", name, check=False)
        deadline = time.monotonic() + END_SECONDS
        while running := processes_of(uid):
            if time.monotonic() > deadline:
                raise RefusedError(f"account '{name}': found processes {running} {END_SECONDS:g} s after they were killed")
            for pid in running:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)

    def do_archive(self, name: str, unused: None) -> None:
        entry = pwd.getpwnam(name)
        rest = _leavers.rest(entry.pw_dir)
        if os.path.isdir(rest):
            shutil.rmtree(rest)
        if not os.path.lexists(entry.pw_dir):
            return
        os.makedirs(self.archive_dir, mode=0o700, exist_ok=True)
        os.chmod(self.archive_dir, 0o700)
        handle, temporary = tempfile.mkstemp(prefix=f".{name}-", dir=self.archive_dir)  # mode 0600
        try:
            parent, folder = os.path.split(entry.pw_dir)
            tar = ["tar", "--create", f"--file={temporary}", f"--directory={parent}", "--one-file-system", "--numeric-owner"]
            self.run(*tar, "--sparse", "--acls", "--xattrs", "--", folder)
            os.fsync(handle)
            # A link, not a move: it never replaces the archive of somebody who had the name before.
            self._link_to_free_name(temporary, f"{self.archive_dir}/{name}-{entry.pw_uid}")
        finally:
            os.close(handle)
            os.unlink(temporary)
        # Gone in one step: half a home must not be taken for a home and archived again.
        os.rename(entry.pw_dir, rest)
        shutil.rmtree(rest)

    @staticmethod
    def _link_to_free_name(temporary: str, stem: str) -> None:
        number = 1
        while True:
            try:
                os.link(temporary, f"{stem}.tar" if number == 1 else f"{stem}.{number}.tar")
            except FileExistsError:
                number += 1
                continue
            folder = os.open(os.path.dirname(stem), os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
            return

    def do_folder(self, name: str, entry: Project) -> None:
        os.umask(0o022)
        os.makedirs(os.path.dirname(entry.path), exist_ok=True)
        with contextlib.suppress(FileExistsError):
            os.mkdir(entry.path, 0o700)
        handle = os.open(entry.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            os.fchown(handle, 0, grp.getgrnam(entry.group).gr_gid)
            os.fchmod(handle, int(entry.mode, 8))
            if entry.acl:
                os.setxattr(handle, _projects.ACL_ATTRIBUTE, _projects.acl(int(entry.mode, 8)))
            elif read_acl(handle) is not None:
                os.removexattr(handle, _projects.ACL_ATTRIBUTE)
        except OSError as error:
            if error.errno == errno.ENOTSUP:
                raise RefusedError(
                    f"project '{name}': the file system of {entry.path} has no default ACLs; set 'acl: false', and let the "
                    "members work with umask 007"
                ) from error
            raise
        finally:
            os.close(handle)


def write_sudoers(module: AnsibleModule, path: str, text: str) -> None:
    handle, temporary = tempfile.mkstemp(prefix=".research-server-", dir=os.path.dirname(path))
    with os.fdopen(handle, "w", encoding="utf-8") as stream:
        os.fchmod(handle, 0o440)
        stream.write(text)
    rc, out, err = module.run_command([module.get_bin_path("visudo", True), "-cqf", temporary])
    if rc != 0:
        os.unlink(temporary)
        raise RefusedError(f"visudo refuses the sudo rules: {(out + err).strip()}")
    module.atomic_move(temporary, path)
    os.chmod(path, 0o440)


def group_exists(name: str) -> bool:
    try:
        grp.getgrnam(name)
    except KeyError:
        return False
    return True


def run(module: AnsibleModule) -> dict[str, t.Any]:
    params = module.params
    projects = [project(item) for item in params["projects"]]
    people = everyone(params["administrators"], params["researchers"], projects)
    login_group = params["login_group"]
    session, now = current_session(), time.time()
    wrong = _accounts.problems(people, login_group, now=now, address=session.client_address if session else None)
    wrong += _projects.problems(projects, people, login_group)
    if wrong:
        raise RefusedError("; ".join(wrong) + ". Nothing has been changed.")
    actual, folders = read_accounts(people), read_projects(projects)
    wrong = _accounts.conflicts(people, actual, pwd.getpwuid(session.uid).pw_name if session else None)
    wrong += _projects.conflicts(projects, folders)
    if wrong:
        raise RefusedError("; ".join(wrong) + ". Nothing has been changed.")

    named = {*_accounts.groups_of(people, login_group), *(entry.group for entry in projects)}
    groups = [name for name in sorted(named) if not group_exists(name)]
    leavers = {account.name for account in people if not account.present}
    changes = _accounts.plan(people, actual, login_group=login_group, exclusive=params["exclusive_keys"])
    # Leavers go when those who stay are in place, and after they have lost sudo.
    coming = [change for change in changes if change.name not in leavers] + _projects.plan(projects, people, folders)
    going = [change for change in changes if change.name in leavers]
    path = params["sudoers_path"]
    rules = _accounts.sudoers(people)
    before = read_file(path)
    mode = _stat(path)
    new_rules = rules != before or (mode is not None and stat.S_IMODE(mode.st_mode) != 0o440)

    if not module.check_mode:
        applier = Applier(module, people)
        for name in groups:
            applier.run("groupadd", name)
        for change in coming:
            applier.apply(change)
        if new_rules:
            write_sudoers(module, path, rules)
        for change in going:
            applier.apply(change)
    done = [f"group {name}: create" for name in groups] + [f"{change.name}: {change.action}" for change in coming + going]
    notices = [notice.sentence for notice in _accounts.notices(people, now=now, days=params["expiry_notice_days"])]
    for sentence in notices:
        module.warn(sentence)
    return {
        "changed": bool(done or new_rules),
        "changes": done + ([f"{path}: write"] if new_rules else []),
        "notices": notices,
        "diff": difference(groups, coming + going)
        + ([{"before_header": path, "after_header": path, "before": before or "", "after": rules}] if new_rules else []),
    }


def difference(groups: t.Sequence[str], changes: t.Sequence[Change]) -> list[dict[str, str]]:
    before, after = "", "".join(f"group {name}\n" for name in groups)
    files = []
    for change in changes:
        if change.action in ("keys", "no_keys"):
            header = f"~{change.name}/.ssh/{KEY_FILE}"
            files.append({"before_header": header, "after_header": header, "before": change.before, "after": change.after})
            continue
        before += f"{change.name}: {change.before}\n" if change.before else ""
        after += f"{change.name}: {change.after}\n" if change.after else ""
    head = (
        [{"before_header": "accounts", "after_header": "accounts", "before": before, "after": after}] if before or after else []
    )
    return head + files


@guarded
def main() -> None:
    person: dict[str, t.Any] = {
        "name": {"type": "str", "required": True},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "keys": {"type": "list", "elements": "raw", "default": [], "no_log": False},
        "expires": {"type": "str"},
        "linger": {"type": "bool"},
        "home": {"type": "str", "choices": ["kept", "archived"], "default": "kept"},
        "uid": {"type": "int"},
        "comment": {"type": "str"},
        "shell": {"type": "path", "default": "/bin/bash"},
        "groups": {"type": "list", "elements": "str", "default": []},
        "password": {"type": "str", "no_log": True},
        "sudo_nopasswd": {"type": "bool", "default": False},
    }
    shared: dict[str, t.Any] = {
        "name": {"type": "str", "required": True},
        "path": {"type": "path"},
        "group": {"type": "str"},
        "members": {"type": "list", "elements": "str", "default": []},
        "mode": {"type": "str", "default": _projects.MODE},
        "acl": {"type": "bool", "default": True},
    }
    module = Module(
        argument_spec={
            "administrators": {"type": "list", "elements": "dict", "required": True, "options": person},
            "researchers": {"type": "list", "elements": "dict", "default": [], "options": person},
            "projects": {"type": "list", "elements": "dict", "default": [], "options": shared},
            "login_group": {"type": "str", "default": "ssh-users"},
            "exclusive_keys": {"type": "bool", "default": True, "no_log": False},
            "archive_dir": {"type": "path", "default": "/var/backups/research-server"},
            "expiry_notice_days": {"type": "int", "default": 30},
            "sudoers_path": {"type": "path", "default": "/etc/sudoers.d/research-server"},
        },
        supports_check_mode=True,
    )
    if os.geteuid() != 0:
        module.fail_json(msg="accounts: found no root rights; expected them. Set 'become: true'")
    try:
        module.exit_json(**run(module))
    except RefusedError as error:
        module.fail_json(msg=f"accounts: {error}")


if __name__ == "__main__":
    main()
