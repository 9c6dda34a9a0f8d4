# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Accounts, folders, rules and archives are made below a temporary root, with the host's own programs where they can work there; and
what fails for one person stops nobody else."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import tarfile
import typing as t
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._accounts import applying, leavers, projects
from ansible_collections.openlab.research_server.plugins.module_utils._accounts.people import (
    EXPIRED,
    KEY_ONLY,
    NO_LOGIN,
    Change,
    Desired,
)
from ansible_collections.openlab.research_server.plugins.module_utils._accounts.projects import Project


class Machine:
    """As much of AnsibleModule, and of a host, as this needs."""

    def __init__(self, folder: Path) -> None:
        self.params = {"archive_dir": str(folder / "archives")}
        self.home = folder / "home" / "bob"
        self.broken = ""
        """The program that fails."""

    def run_command(self, argv: list[str], data: str | None = None, **_unused: t.Any) -> tuple[int, str, str]:
        if argv[0] == self.broken:
            return 2, "", "No space left"
        done = subprocess.run(argv, input=data, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    def get_bin_path(self, name: str, _required: bool) -> str | None:
        return shutil.which(name)

    def atomic_move(self, source: str, target: str) -> None:
        os.replace(source, target)

    def work(self, text: str) -> None:
        self.home.mkdir(parents=True)
        (self.home / "results").write_text(text)
        (self.home / "link").symlink_to("/etc/passwd")

    @property
    def archives(self) -> list[str]:
        folder = Path(self.params["archive_dir"])
        return sorted(path.name for path in folder.iterdir()) if folder.exists() else []

    def read(self, archive: str) -> bytes:
        with tarfile.open(Path(self.params["archive_dir"], archive)) as packed:
            assert packed.getmember("bob/link").issym()
            stream = packed.extractfile("bob/results")
            assert stream is not None
            return stream.read()


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(tmp_path)
    entry = SimpleNamespace(pw_name="bob", pw_dir=str(made.home), pw_uid=1001, pw_gid=1001)
    monkeypatch.setattr(applying.pwd, "getpwnam", lambda _name: entry)
    return made


def archive(machine: Machine) -> None:
    applier(machine).archive("bob", None)


def applier(machine: Machine) -> applying.Applier:
    return applying.Applier(t.cast("t.Any", machine), [Desired("bob"), Desired("ada")])


def test_a_home_becomes_a_file_of_roots(machine: Machine) -> None:
    machine.work("one")
    archive(machine)
    assert not machine.home.exists()
    assert machine.archives == ["bob-1001.tar"]
    assert machine.read("bob-1001.tar") == b"one"
    folder = Path(machine.params["archive_dir"])
    assert [stat.S_IMODE(path.stat().st_mode) for path in (folder, folder / "bob-1001.tar")] == [0o700, 0o600]


def test_an_archive_is_never_replaced(machine: Machine) -> None:
    for text in ("one", "two"):
        machine.work(text)
        archive(machine)
    assert [machine.read(name) for name in machine.archives] == [b"two", b"one"]
    assert machine.archives == ["bob-1001.2.tar", "bob-1001.tar"]


def test_the_place_of_an_archive_is_told_before_and_after(machine: Machine) -> None:
    for name in ("bob-1001.tar", "bob-1001.2.tar"):
        machine.work("one")
        foreseen, done = applier(machine), applier(machine)
        foreseen.foresee_archive("bob")
        assert machine.home.exists()
        done.archive("bob", None)
        place = f"{machine.params['archive_dir']}/{name}"
        assert foreseen.archives == done.archives == {"bob": place}
        assert done.with_place(ARCHIVE).after == f"home archived as {place} and removed"
        assert done.with_place(LEAVE) == LEAVE
    # Of an interrupted run only the rest of the home is left.
    again = applier(machine)
    again.foresee_archive("bob")
    assert (again.archives, again.with_place(ARCHIVE)) == ({}, ARCHIVE)


def test_a_home_stays_if_its_archive_fails(machine: Machine) -> None:
    machine.work("one")
    machine.broken = "tar"
    with pytest.raises(applying.RefusedError, match="No space left"):
        archive(machine)
    assert (machine.home / "results").read_text() == "one"
    assert machine.archives == []


def test_an_interrupted_removal_is_finished_and_nothing_is_archived_twice(machine: Machine) -> None:
    machine.work("one")
    machine.broken = "rm"
    with pytest.raises(applying.RefusedError, match="No space left"):
        archive(machine)
    assert not machine.home.exists()
    assert os.path.isdir(leavers.rest(str(machine.home)))
    machine.broken = ""
    archive(machine)
    assert list(machine.home.parent.iterdir()) == []
    assert machine.archives == ["bob-1001.tar"]
    assert machine.read("bob-1001.tar") == b"one"


def test_a_home_may_be_deeper_than_python_goes(machine: Machine) -> None:
    machine.work("one")
    before = os.getcwd()
    os.chdir(machine.home)
    for _level in range(3000):
        os.mkdir("d")
        os.chdir("d")
    os.chdir(before)
    archive(machine)
    assert list(machine.home.parent.iterdir()) == []


LEAVE = Change("bob", "leave", "project", "", "")
ARCHIVE = Change("bob", "archive", None, "", "")


def test_what_fails_is_one_sentence_and_the_rest_is_done(machine: Machine) -> None:
    machine.work("one")
    hands = applier(machine)
    removed = Change("bob", "no_jobs", (str(machine.home / "results"),), "", "")
    # The first three fail here in different ways: a program that says no, a file that cannot be removed, a project without a group.
    machine.broken = "gpasswd"
    nowhere = Change("ada", "no_jobs", ("/proc/version",), "", "")
    folder = Change("imaging", "folder", Project("imaging", str(machine.home / "project"), "no-such-group"), "", "")
    assert hands.apply([LEAVE, nowhere, folder, removed]) == [removed]
    assert not (machine.home / "results").exists()
    assert [sentence.partition(": ")[0] for sentence in hands.failures[:2]] == ["account 'bob'", "account 'ada'"]
    assert "No space left" in hands.failures[0] and "at /proc/version" in hands.failures[1]
    assert hands.failures[2].startswith("project 'imaging': ")


def test_nothing_else_is_tried_without_an_account(machine: Machine) -> None:
    machine.broken = "useradd"
    hands = applier(machine)
    assert hands.apply([Change("ada", "create", ["x"], "", ""), Change("ada", "linger", True, "", "")]) == []
    assert len(hands.failures) == 1


def test_the_home_of_somebody_who_is_not_out_is_not_archived(machine: Machine) -> None:
    machine.work("one")
    machine.broken = "gpasswd"
    hands = applier(machine)
    assert hands.apply([LEAVE]) == []
    assert hands.apply([ARCHIVE]) == []
    assert machine.home.exists()
    machine.broken = ""
    assert applier(machine).apply([ARCHIVE]) == [ARCHIVE]
    assert not machine.home.exists()


def test_no_program_fills_the_screen(machine: Machine) -> None:
    hands = applier(machine)
    with hands.noting("account 'bob': "):
        raise applying.RefusedError("\x1b[2J" + 10_000 * "x")
    assert len(hands.failures[0]) < 1100
    assert "\x1b" not in hands.failures[0]


def test_processes_of_the_system_are_never_killed() -> None:
    with pytest.raises(applying.RefusedError, match="found uid 0"):
        applying.kill_all(0)


# It stops whoever it may, all the time, and so whoever comes to kill it.
STOPS_ALL = """
import os, signal
os.setresuid({uid}, {uid}, {uid})
print("begun", flush=True)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
while True:
    os.kill(-1, signal.SIGSTOP)
"""
KILL = "from ansible_collections.openlab.research_server.plugins.module_utils._accounts import applying; applying.kill_all({uid})"


as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can do that")


@as_root
def test_nobody_stops_who_kills_him() -> None:
    uid = 59_999
    for _round in range(5):
        stopper = subprocess.Popen(
            [sys.executable, "-c", STOPS_ALL.format(uid=uid)], stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        assert stopper.stdout is not None
        assert stopper.stdout.readline() == "begun\n"
        try:
            subprocess.run([sys.executable, "-c", KILL.format(uid=uid)], check=True, timeout=60)
            assert stopper.wait(10) == -signal.SIGKILL
        finally:
            stopper.kill()
            stopper.stdout.close()


class Programs:
    """What is first on the PATH. Each program writes down how it was called."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "programs"
        self.log = folder / "log"
        self.folder.mkdir()
        self.log.touch()

    def put(self, name: str, text: str = "") -> None:
        path = self.folder / name
        path.write_text(f'#!/bin/sh\necho "{name} $*" >> {self.log}\n{text}\n')
        path.chmod(0o755)

    def calls(self) -> list[str]:
        return self.log.read_text().splitlines()


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Programs:
    made = Programs(tmp_path)
    monkeypatch.setenv("PATH", f"{made.folder}:{os.environ['PATH']}:/usr/sbin")
    return made


NAME, UID = "ada-of-the-tests", 59_997
# Each has another word for the folder in which /etc is.
ROOT_OPTIONS = {
    "chage": "--root",
    "chpasswd": "--root",
    "gpasswd": "--root",
    "groupadd": "--prefix",
    "useradd": "--prefix",
    "usermod": "--prefix",
}
ETC = {
    "passwd": "root:x:0:0::/root:/bin/sh\n",
    "shadow": "root:*:19000:0:99999:7:::\n",
    "group": "root:x:0:\nssh-users:x:990:\n",
    "gshadow": "root:*::\nssh-users:!::\n",
}


class Accounts:
    """A root with the files of accounts, in which somebody has an account, and who knows of it."""

    def __init__(self, machine: Machine, programs: Programs, root: Path) -> None:
        self.root, self.programs = root, programs
        (root / "etc").mkdir(parents=True)
        (root / "home").mkdir()
        for name, text in ETC.items():
            (root / "etc" / name).write_text(text)
        for name, option in ROOT_OPTIONS.items():
            programs.put(name, f'exec {shutil.which(name, path="/usr/sbin:/usr/bin")} {option} {root} "$@"')
        person = Desired(NAME, uid=UID, comment="Ada Lovelace", shell="/bin/bash")
        self.hands = applying.Applier(t.cast("t.Any", machine), [person])
        self.hands.create(NAME, ["ssh-users"])

    def entry(self, name: str = NAME, file: str = "passwd") -> list[str]:
        lines = (self.root / "etc" / file).read_text().splitlines()
        return next(line.split(":") for line in lines if line.startswith(f"{name}:"))


@pytest.fixture
def accounts(machine: Machine, programs: Programs, tmp_path: Path) -> Accounts:
    if os.geteuid() != 0 or not all(shutil.which(name, path="/usr/sbin:/usr/bin") for name in ROOT_OPTIONS):
        pytest.skip("only root makes accounts, and with the programs of shadow")
    return Accounts(machine, programs, tmp_path / "root")


def test_an_account_is_opened_by_keys_alone_and_nothing_of_it_ends_by_itself(accounts: Accounts) -> None:
    assert accounts.entry()[2:] == [str(UID), accounts.entry(file="group")[2], "Ada Lovelace", f"/home/{NAME}", "/bin/bash"]
    _name, password, _changed, _least, most, _warn, inactive, expires, _reserved = accounts.entry(file="shadow")
    assert (password, most, inactive, expires) == (KEY_ONLY, "", "", "")
    assert accounts.entry("ssh-users", "group")[3] == NAME
    assert (accounts.root / "home" / NAME).stat().st_uid == UID


def test_people_get_into_groups_and_out_of_one_alone(accounts: Accounts) -> None:
    for group in ("imaging", "genomics"):
        accounts.hands.create_group(group)
    accounts.hands.join(NAME, ["imaging", "genomics"])
    accounts.hands.leave(NAME, "imaging")
    members = {group: accounts.entry(group, "group")[3] for group in ("ssh-users", "imaging", "genomics")}
    assert members == {"ssh-users": NAME, "imaging": "", "genomics": NAME}


def test_what_is_said_of_somebody_is_changed(accounts: Accounts) -> None:
    accounts.hands.comment(NAME, "Countess of Lovelace")
    accounts.hands.shell(NAME, "/bin/zsh")
    accounts.hands.expires(NAME, "1970-02-01")
    assert accounts.entry()[4:] == ["Countess of Lovelace", f"/home/{NAME}", "/bin/zsh"]
    assert accounts.entry(file="shadow")[7] == "31"


def test_a_password_that_had_to_be_changed_has_not(accounts: Accounts) -> None:
    shadow = accounts.root / "etc/shadow"
    shadow.write_text(f"{NAME}:{KEY_ONLY}:19000:0:90:7:30::\n")
    accounts.hands.no_aging(NAME, None)
    assert accounts.entry(file="shadow")[4:7] == ["", "7", ""]


def test_a_password_is_on_no_command_line(accounts: Accounts) -> None:
    accounts.hands.password(NAME, "$6$salt$hash")
    assert accounts.entry(file="shadow")[1] == "$6$salt$hash"
    assert accounts.programs.calls()[-1] == "chpasswd --encrypted"


def test_who_is_out_has_neither_password_nor_shell_nor_time(accounts: Accounts) -> None:
    accounts.hands.password(NAME, "$6$salt$hash")
    accounts.hands.lock(NAME, None)
    assert accounts.entry()[6] == NO_LOGIN
    assert accounts.entry(file="shadow")[1] == "!$6$salt$hash"
    assert accounts.entry(file="shadow")[7] == EXPIRED == "1"


def test_programs_may_stay_when_people_log_out_or_not(machine: Machine, programs: Programs) -> None:
    programs.put("loginctl")
    hands = applier(machine)
    hands.linger("bob", True)
    hands.linger("bob", False)
    assert programs.calls() == ["loginctl enable-linger bob", "loginctl disable-linger bob"]


WAITS = """
import os, time
os.setresuid({uid}, {uid}, {uid})
print("begun", flush=True)
time.sleep(60)
"""
# One signal for all does not reach it (kill(2)): it has the leaver's rights, and is somebody else's.
BORROWS = WAITS.replace("{uid}, {uid}, {uid}", "59_995, {uid}, 59_995")
# Each process is gone before anybody has read its number; the last one after 20 s, whatever happens.
RUNS_AWAY = """
import os, time
os.setresuid({uid}, {uid}, {uid})
print("begun", flush=True)
end = time.monotonic() + 20
while time.monotonic() < end:
    if os.fork():
        os._exit(0)
"""


@as_root
@pytest.mark.parametrize("program", [WAITS, BORROWS, RUNS_AWAY], ids=["waits", "borrows", "runs away"])
def test_nothing_of_a_leaver_runs_on(machine: Machine, programs: Programs, monkeypatch: pytest.MonkeyPatch, program: str) -> None:
    for name in ("loginctl", "systemctl"):
        programs.put(name)
    entry = SimpleNamespace(pw_dir=str(machine.home), pw_uid=UID)
    monkeypatch.setattr(applying.pwd, "getpwnam", lambda _name: entry)
    argv = [sys.executable, "-c", program.format(uid=UID)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, start_new_session=True) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "begun\n"
        applier(machine).sessions(NAME, None)
        assert applying.processes_of(NAME, UID) == []
    assert [call for call in programs.calls() if call.startswith("loginctl")] == [
        f"loginctl disable-linger {NAME}",
        f"loginctl terminate-user {NAME}",
    ]


GROUP = "root"


def project(path: Path, acl: bool = True, group: str = GROUP) -> Project:
    return Project("imaging", str(path), group, acl=acl)


@as_root
def test_a_folder_of_a_project_is_the_groups_and_stays_so(machine: Machine, tmp_path: Path) -> None:
    path = tmp_path / "srv/projects/imaging"
    hands = applier(machine)
    for acl in (False, True, False):
        hands.folder("imaging", project(path, acl))
        status = path.stat()
        assert (status.st_uid, status.st_gid, stat.S_IMODE(status.st_mode)) == (0, 0, 0o2770)
        assert applying.read_acl(str(path)) == (projects.acl(0o2770) if acl else None)
    # What is in it stays, and so does the mode of the folders above.
    (path / "data").write_text("kept")
    hands.folder("imaging", project(path))
    assert (path / "data").read_text() == "kept"
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o755


def test_a_link_in_the_place_of_a_projects_folder_is_not_followed(machine: Machine, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir(mode=0o700)
    path = tmp_path / "imaging"
    path.symlink_to(theirs)
    hands = applier(machine)
    assert hands.apply([Change("imaging", "folder", project(path), "", "")]) == []
    assert hands.failures[0].startswith("project 'imaging': found '") and f"at {path}" in hands.failures[0]
    assert stat.S_IMODE(theirs.stat().st_mode) == 0o700


# visudo(8) is not everywhere where tests are run: this one knows one mistake.
VISUDO = """
[ "$1" = -cqf ] || exit 2
! grep -q ALLL "$2" || { echo "$2:1: syntax error" >&2; exit 1; }
"""


def test_rules_of_sudo_that_are_wrong_change_nothing(machine: Machine, programs: Programs, tmp_path: Path) -> None:
    programs.put("visudo", VISUDO)
    path = tmp_path / "sudoers.d/research-server"
    path.parent.mkdir()
    hands = applier(machine)
    hands.write_sudoers(str(path), "%admins ALL=(ALL) ALL\n")
    assert stat.S_IMODE(path.stat().st_mode) == 0o440
    with pytest.raises(applying.RefusedError, match=r"visudo refuses the sudo rules: .*syntax error"):
        hands.write_sudoers(str(path), "%admins ALL=(ALL) ALLL\n")
    assert path.read_text() == "%admins ALL=(ALL) ALL\n"
    assert list(path.parent.iterdir()) == [path]


def test_below_a_folder_that_everybody_can_write_to_nobody_gets_a_home_or_keys(machine: Machine, tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    hands = applier(machine)
    wanted = applying.Wanted("ssh-ed25519 AAAA ada\n")
    steps = [
        Change("bob", "home", 0o700, "", ""),
        Change("bob", "home_keys", wanted, "", ""),
        Change("bob", "no_home_keys", None, "", ""),
    ]
    machine.home.parent.mkdir()
    assert hands.apply(steps) == []
    assert [sentence.partition(" at ")[0] for sentence in hands.failures] == [
        "account 'bob': found a folder that others than root can write to"
    ] * len(steps)
    assert "give the account another home with 'usermod -d'" in hands.failures[0]
    assert list(machine.home.parent.iterdir()) == []


def test_cron_is_told_that_a_job_is_gone(machine: Machine, tmp_path: Path) -> None:
    """It looks at the time of the folder, which a file that is gone already would not change."""
    job = tmp_path / "crontabs/bob"
    job.parent.mkdir()
    os.utime(job.parent, (1, 1))
    applier(machine).no_jobs("bob", [str(job)])
    assert job.parent.stat().st_mtime > 1
