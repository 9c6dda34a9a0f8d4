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
  - Accepted keys are ed25519, security keys (V(sk-*)) and RSA with at least 3072 bits.
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
          - V(absent) removes its keys, locks it, takes it out of O(login_group) and ends its sessions. The home stays.
        type: str
        choices: [present, absent]
        default: present
      keys:
        description: Public keys, each as the line of a C(.pub) file; options as in C(sshd(8\)) may stand in front.
        type: list
        elements: str
        default: []
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
  login_group:
    description: Group of all people who may log in over SSH.
    type: str
    default: ssh-users
  exclusive_keys:
    description: Whether keys that the data does not name are removed from the accounts that it names.
    type: bool
    default: true
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
  - C(useradd), C(usermod), C(groupadd), C(chpasswd), C(visudo) and systemd on the managed host; root.
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
      - name: bob
        state: absent
"""

RETURN = r"""
changes:
  description: What was done or, in check mode, what would be done.
  returned: success
  type: list
  elements: str
  sample: ["alice: create", "alice: keys"]
"""

import contextlib
import errno
import grp
import os
import pwd
import signal
import stat
import tempfile
import time
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ..module_utils import _accounts
from ..module_utils._accounts import Actual, Change, Desired
from ..module_utils._preflight_accounts import desired
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
    leavers = [account.name for account in people if not account.present]
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
            busy=account.name in leavers and bool(processes_of(entry.pw_uid)),
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

    def do_sessions(self, name: str, unused: None) -> None:
        uid = pwd.getpwnam(name).pw_uid
        self.run("loginctl", "disable-linger", name, check=False)
        self.run("loginctl", "terminate-user", name, check=False)
        deadline = time.monotonic() + END_SECONDS
        while running := processes_of(uid):
            if time.monotonic() > deadline:
                raise RefusedError(f"account '{name}': found processes {running} {END_SECONDS:g} s after they were killed")
            for pid in running:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.05)


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


def operator() -> str | None:
    """Who is logged in and runs this module."""
    session = current_session()
    return pwd.getpwuid(session.uid).pw_name if session else None


def group_exists(name: str) -> bool:
    try:
        grp.getgrnam(name)
    except KeyError:
        return False
    return True


def run(module: AnsibleModule) -> dict[str, t.Any]:
    params = module.params
    people = [desired(item, administrator=True) for item in params["administrators"]]
    people += [desired(item, administrator=False) for item in params["researchers"]]
    login_group = params["login_group"]
    actual = read_accounts(people)
    wrong = _accounts.problems(people, login_group) + _accounts.conflicts(people, actual, operator())
    if wrong:
        raise RefusedError("; ".join(wrong) + ". Nothing has been changed.")

    groups = [name for name in _accounts.groups_of(people, login_group) if not group_exists(name)]
    changes = _accounts.plan(people, actual, login_group=login_group, exclusive=params["exclusive_keys"])
    path = params["sudoers_path"]
    rules = _accounts.sudoers(people)
    before = read_file(path)
    mode = _stat(path)
    new_rules = rules != before or (mode is not None and stat.S_IMODE(mode.st_mode) != 0o440)

    if not module.check_mode:
        applier = Applier(module, people)
        for name in groups:
            applier.run("groupadd", name)
        # Leavers come last in the plan: they go when those who stay are in place, and after they have lost sudo.
        for change in changes:
            if people_present(people, change.name):
                applier.apply(change)
        if new_rules:
            write_sudoers(module, path, rules)
        for change in changes:
            if not people_present(people, change.name):
                applier.apply(change)
    done = [f"group {name}: create" for name in groups] + [f"{change.name}: {change.action}" for change in changes]
    return {
        "changed": bool(done or new_rules),
        "changes": done + ([f"{path}: write"] if new_rules else []),
        "diff": difference(groups, changes)
        + ([{"before_header": path, "after_header": path, "before": before or "", "after": rules}] if new_rules else []),
    }


def people_present(people: t.Sequence[Desired], name: str) -> bool:
    return any(account.present for account in people if account.name == name)


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


def main() -> None:
    person: dict[str, t.Any] = {
        "name": {"type": "str", "required": True},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "keys": {"type": "list", "elements": "str", "default": [], "no_log": False},
        "uid": {"type": "int"},
        "comment": {"type": "str"},
        "shell": {"type": "path", "default": "/bin/bash"},
        "groups": {"type": "list", "elements": "str", "default": []},
        "password": {"type": "str", "no_log": True},
        "sudo_nopasswd": {"type": "bool", "default": False},
    }
    module = AnsibleModule(
        argument_spec={
            "administrators": {"type": "list", "elements": "dict", "required": True, "options": person},
            "researchers": {"type": "list", "elements": "dict", "default": [], "options": person},
            "login_group": {"type": "str", "default": "ssh-users"},
            "exclusive_keys": {"type": "bool", "default": True, "no_log": False},
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
