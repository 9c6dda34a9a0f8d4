# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module accounts does on a host. Private to this collection."""

from __future__ import annotations

import contextlib
import errno
import grp
import itertools
import os
import pwd
import signal
import tempfile
import time
import typing as t
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from ansible.module_utils.basic import AnsibleModule

from .._host import people_files, processes
from .._host.files import put_file, read_file
from .._host.numbers import FIRST_PERSON
from .._host.refused import RefusedError
from .._host.runner import Runner
from .._text.escapes import in_one_line
from . import keys as account_keys
from . import leavers
from . import people as account_people
from . import projects as account_projects
from .keys import Wanted
from .people import Change, Desired
from .projects import Project
from .reading import group_exists, home_obstacle, processes_of, read_acl

# Of no account: above all that useradd and systemd give out, below the number that means 'leave it' (setresuid(2)).
NOBODYS_UID = 2**32 - 3
END_SECONDS = 10.0
SUDOERS_MODE = 0o440
SENTENCE = 1000  # characters; a program may complain about each file of a home


class Applier(Runner):
    """Does what the plan says. What cannot be done for one person is written down, and the next one is served."""

    def __init__(self, module: AnsibleModule, people: Iterable[Desired]) -> None:
        super().__init__(module)
        self.archive_dir: str = module.params["archive_dir"]
        self.people = {account.name: account for account in people}
        self.failures: list[str] = []
        self.unserved: set[str] = set()
        """For whom something has failed."""
        self.archives: dict[str, str] = {}
        """Whose home was archived, and where."""

    def apply(self, changes: Iterable[Change]) -> list[Change]:
        """Returns what has been done."""
        done = []
        without_account: set[str] = set()
        for change in changes:
            # A home is archived when its owner is out for good.
            if change.name in without_account or (change.action == "archive" and change.name in self.unserved):
                continue
            kind = "project" if change.action == "folder" else "account"
            if self.succeeds(f"{kind} '{change.name}': ", ACTIONS[change.action], self, change.name, change.value):
                done.append(change)
                continue
            self.unserved.add(change.name)
            if change.action == "create":
                without_account.add(change.name)
        return done

    def succeeds(self, who: str, action: Callable[..., None], *arguments: t.Any) -> bool:
        known = len(self.failures)
        with self.noting(who):
            action(*arguments)
        return len(self.failures) == known

    @contextlib.contextmanager
    def noting(self, who: str) -> t.Iterator[None]:
        """An error in here stops nothing else."""
        try:
            yield
        except RefusedError as error:
            self.failures.append(f"{who}{in_one_line(str(error))[:SENTENCE]}. Correct that, and run again")
        except OSError as error:
            where = f" at {in_one_line(str(error.filename))}" if error.filename else ""
            self.failures.append(f"{who}found '{error.strerror or error}'{where}. Correct that, and run again")
        except (LookupError, ValueError) as error:
            self.failures.append(f"{who}found {type(error).__name__}: {in_one_line(str(error))}. Correct that, and run again")

    def create(self, name: str, groups: Sequence[str]) -> None:
        account = self.people[name]
        argv = ["useradd", "--create-home", "--shell", account.shell, "--password", account_people.KEY_ONLY]
        # Whatever login.defs and the defaults of useradd say: who has no password is not to change it.
        argv += ["--key", "PASS_MAX_DAYS=-1", "--inactive", "-1"]
        argv += ["--groups", ",".join(groups)]
        if account.uid is not None:
            argv += ["--uid", str(account.uid)]
        if account.comment is not None:
            argv += ["--comment", account.comment]
        argv += ["--gid", name] if group_exists(name) else ["--user-group"]
        self.run(*argv, name)

    def create_group(self, name: str) -> None:
        self.run("groupadd", name)

    def join(self, name: str, groups: Sequence[str]) -> None:
        self.run("usermod", "--append", "--groups", ",".join(groups), name)

    def leave(self, name: str, group: str) -> None:
        self.run("gpasswd", "--delete", name, group)

    def shell(self, name: str, shell: str) -> None:
        self.run("usermod", "--shell", shell, name)

    def comment(self, name: str, comment: str) -> None:
        self.run("usermod", "--comment", comment, name)

    def expires(self, name: str, date: str) -> None:
        self.run("usermod", "--expiredate", date, name)

    def no_aging(self, name: str, _unused: None) -> None:
        self.run("chage", "--lastday", "-1", "--maxdays", "-1", "--inactive", "-1", name)

    def password(self, name: str, field: str) -> None:
        # By standard input: the command line is visible to everyone on the host.
        self.run("chpasswd", "--encrypted", data=f"{name}:{field}")

    def home(self, name: str, mode: int) -> None:
        entry = pwd.getpwnam(name)
        obstacle = home_obstacle(entry)
        if obstacle:
            raise RefusedError(obstacle)
        people_files.make_home(entry.pw_dir, (entry.pw_uid, entry.pw_gid), mode)

    def system_keys(self, name: str, wanted: Wanted) -> None:
        people_files.make_home(account_keys.FOLDER, (0, 0), 0o755)
        people_files.write(account_keys.FOLDER, (name,), wanted.text, person=(0, 0), mode=wanted.mode)

    def home_keys(self, name: str, wanted: Wanted) -> None:
        entry = pwd.getpwnam(name)
        person = (entry.pw_uid, entry.pw_gid)
        owner = (0, 0) if wanted.of_root else person
        parts = account_keys.HOME_PARTS
        people_files.write(entry.pw_dir, parts, wanted.text, person=person, owner=owner, mode=wanted.mode)

    def no_system_keys(self, name: str, _unused: None) -> None:
        people_files.remove(account_keys.FOLDER, (name,))

    def no_home_keys(self, name: str, _unused: None) -> None:
        people_files.remove(pwd.getpwnam(name).pw_dir, account_keys.HOME_PARTS)

    def lock(self, name: str, _unused: None) -> None:
        self.run("usermod", "--lock", "--expiredate", account_people.EXPIRED, "--shell", account_people.NO_LOGIN, name)

    def linger(self, name: str, wanted: bool) -> None:
        self.run("loginctl", "enable-linger" if wanted else "disable-linger", name)

    def no_jobs(self, name: str, paths: Sequence[str]) -> None:
        for path in paths:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
            # cron looks at the folder to see that something has changed (cron(8)).
            os.utime(os.path.dirname(path))

    def sessions(self, name: str, _unused: None) -> None:
        uid = pwd.getpwnam(name).pw_uid
        self.attempt("loginctl", "disable-linger", name)
        with contextlib.suppress(FileNotFoundError):
            os.unlink(f"{leavers.LINGER}/{name}")
        # A service that restarts its processes has to be stopped itself, also for the next boot.
        for unit in sorted({leavers.service(_control_group(process.pid)) for process in processes_of(name, uid)} - {""}):
            user = self.attempt("systemctl", "show", "--property=User", "--value", unit)[1]
            if user.strip() in (name, str(uid)):
                self.attempt("systemctl", "stop", unit)
                self.attempt("systemctl", "disable", unit)
        self.attempt("loginctl", "terminate-user", name)
        deadline = time.monotonic() + END_SECONDS
        kill_all(uid)
        while running := processes_of(name, uid):
            if time.monotonic() > deadline:
                pids = [process.pid for process in running[:10]]
                raise RefusedError(f"found processes {pids} {END_SECONDS:g} s after they were killed; expected none")
            kill_all(uid)
            for process in running:
                processes.kill(process)
            time.sleep(0.05)
        self._forget_manager(f"user@{uid}.service", deadline)

    def _forget_manager(self, unit: str, deadline: float) -> None:
        """What was killed is no failure of the host's; systemd finds out a moment later that it has ended."""
        ending = ("active", "activating", "deactivating", "reloading")
        while self.attempt("systemctl", "show", "--property=ActiveState", "--value", unit)[1].strip() in ending:
            if time.monotonic() > deadline:
                return
            time.sleep(0.05)
        self.attempt("systemctl", "reset-failed", unit)

    def with_place(self, change: Change) -> Change:
        """The same change, told with the place of the archive where there is a new one."""
        path = self.archives.get(change.name) if change.action == "archive" else None
        return change._replace(after=f"home archived as {path} and removed") if path else change

    def foresee_archive(self, name: str) -> None:
        """Where the home will be archived, if nobody takes the name before."""
        entry = pwd.getpwnam(name)
        if os.path.lexists(entry.pw_dir):
            self.archives[name] = next(path for path in self._archive_names(entry) if not os.path.lexists(path))

    def _archive_names(self, entry: pwd.struct_passwd) -> Iterator[str]:
        """The first that is free is taken."""
        stem = f"{self.archive_dir}/{entry.pw_name}-{entry.pw_uid}"
        yield f"{stem}.tar"
        yield from (f"{stem}.{number}.tar" for number in itertools.count(2))

    def archive(self, name: str, _unused: None) -> None:
        entry = pwd.getpwnam(name)
        rest = leavers.rest(entry.pw_dir)
        if os.path.isdir(rest):
            self._remove_tree(rest)
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
            self.archives[name] = _link_to_free_name(temporary, self._archive_names(entry))
        finally:
            os.close(handle)
            os.unlink(temporary)
        # Gone in one step: half a home must not be taken for a home and archived again.
        os.rename(entry.pw_dir, rest)
        self._remove_tree(rest)

    def _remove_tree(self, path: str) -> None:
        # Not shutil.rmtree: it calls itself for each level, and people can make more levels than Python has.
        self.run("rm", "-rf", "--one-file-system", "--", path)

    def folder(self, _name: str, entry: Project) -> None:
        os.umask(0o022)
        os.makedirs(os.path.dirname(entry.path), exist_ok=True)
        with contextlib.suppress(FileExistsError):
            os.mkdir(entry.path, 0o700)
        handle = os.open(entry.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            os.fchown(handle, 0, grp.getgrnam(entry.group).gr_gid)
            os.fchmod(handle, int(entry.mode, 8))
            if entry.acl:
                os.setxattr(handle, account_projects.ACL_ATTRIBUTE, account_projects.acl(int(entry.mode, 8)))
            elif read_acl(handle) is not None:
                os.removexattr(handle, account_projects.ACL_ATTRIBUTE)
        except OSError as error:
            if error.errno == errno.ENOTSUP:
                raise RefusedError(
                    f"the file system of {entry.path} has no default ACLs",
                    "Set 'acl: false', and let the members work with umask 007",
                ) from error
            raise
        finally:
            os.close(handle)

    def write_sudoers(self, path: str, text: str) -> None:
        put_file(*os.path.split(path), text, SUDOERS_MODE, check=self._check_sudoers)

    def _check_sudoers(self, path: str) -> None:
        rc, out, err = self.attempt(self.module.get_bin_path("visudo", True), "-cqf", path)
        if rc != 0:
            raise RefusedError(f"visudo refuses the sudo rules: {(out + err).strip()}")


ACTIONS: Mapping[str, Callable[[Applier, str, t.Any], None]] = {
    "archive": Applier.archive,
    "comment": Applier.comment,
    "create": Applier.create,
    "expires": Applier.expires,
    "folder": Applier.folder,
    "home": Applier.home,
    "home_keys": Applier.home_keys,
    "join": Applier.join,
    "leave": Applier.leave,
    "linger": Applier.linger,
    "lock": Applier.lock,
    "no_aging": Applier.no_aging,
    "no_home_keys": Applier.no_home_keys,
    "no_jobs": Applier.no_jobs,
    "no_system_keys": Applier.no_system_keys,
    "password": Applier.password,
    "sessions": Applier.sessions,
    "shell": Applier.shell,
    "system_keys": Applier.system_keys,
}


def kill_all(uid: int) -> None:
    """One signal for all that runs as this user: one by one, those who are faster than the list would be missed (kill(2)).

    The sender's effective number is the user's, which is enough for that. Its real and its saved one are nobody's: or the
    user's own processes could stop it, and it would be waited for.
    """
    if uid < FIRST_PERSON:
        raise RefusedError(f"found uid {uid}; expected a person's, before all of its processes are killed")
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(OSError):
            os.setgroups([])
            os.setresuid(NOBODYS_UID, uid, NOBODYS_UID)
            os.kill(-1, signal.SIGKILL)
        os._exit(0)
    deadline = time.monotonic() + END_SECONDS
    while os.waitpid(pid, os.WNOHANG)[0] == 0:
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return
        time.sleep(0.001)


def _control_group(pid: int) -> str:
    """Empty for a process that has ended meanwhile."""
    with contextlib.suppress(OSError):
        return read_file(f"/proc/{pid}/cgroup") or ""
    return ""


def _link_to_free_name(temporary: str, names: Iterable[str]) -> str:
    for path in names:
        try:
            os.link(temporary, path)
        except FileExistsError:
            continue
        folder = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        return path
    raise LookupError("no name is free")
