# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import contextlib
import os
import socket
import stat
import struct
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._audit import privileged_files
from ansible_collections.openlab.research_server.plugins.module_utils._audit.declared import Declared
from ansible_collections.openlab.research_server.plugins.module_utils._audit.finding import Finding
from ansible_collections.openlab.research_server.plugins.module_utils._audit.host import Host

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="whose a file is, decides")

ALICE, PROJECT, SHADOW = 1001, 1005, 42
FOLDERS = {
    "etc": (0o755, 0, 0),
    "usr/bin": (0o755, 0, 0),
    "usr/local": (0o2775, 0, 50),
    "usr/local/bin": (0o2775, 0, 50),
    "usr/share/lintian/overrides": (0o755, 0, 0),
    "opt": (0o755, 0, 0),
    "opt/conda": (0o755, 0, 0),
    "srv/projects": (0o755, 0, 0),
    "srv/projects/imaging": (0o2770, 0, PROJECT),
    "home/alice": (0o700, ALICE, ALICE),
    "home/public": (0o755, ALICE, ALICE),
    "root": (0o700, 0, 0),
    "tmp": (0o1777, 0, 0),
    "var/tmp": (0o1777, 0, 0),
    "var/lib/docker": (0o710, 0, 0),
    "var/lib/dpkg/info": (0o755, 0, 0),
    "proc/self": (0o755, 0, 0),
}


@pytest.fixture
def root(public_folder: Path) -> Path:
    for path, (mode, uid, gid) in FOLDERS.items():
        folder = public_folder / path
        folder.mkdir(parents=True, exist_ok=True)
        os.chown(folder, uid, gid)
        folder.chmod(mode)
    texts = {
        "proc/self/mountinfo": "1 0 0:1 / / rw - ext4 x rw\n",
        "etc/passwd": f"root:x:0:0::/root:/bin/sh\nalice:x:{ALICE}:{ALICE}::/home/alice:/bin/sh\n",
        "etc/group": f"root:x:0:\nshadow:x:{SHADOW}:\nimaging:x:{PROJECT}:alice\n",
        "var/lib/dpkg/info/some:amd64.list": "/.\n/bin/su\n/usr/bin/su\n/usr/bin/chage\n/usr/bin/ping\n/usr/bin/python3\n",
        "var/lib/dpkg/info/other.list": "/usr/bin/tool\n/usr/bin/over\n",
        "usr/share/lintian/overrides/other": "other: elevated-privileges 4755 root/root [usr/bin/tool]\n",
        "var/lib/dpkg/statoverride": "root root 4750 /usr/bin/over\n",
    }
    for path, text in texts.items():
        (public_folder / path).write_text(text)
        (public_folder / path).chmod(0o644)
    put(public_folder, "usr/bin/su", 0o4755)
    put(public_folder, "usr/bin/chage", 0o2755, 0, SHADOW)
    put(public_folder, "usr/bin/tool", 0o4755)
    put(public_folder, "usr/bin/over", 0o4750)
    put(public_folder, "usr/bin/python3", 0o755)
    return public_folder


def put(root: Path, path: str, mode: int, uid: int = 0, gid: int = 0, *, capabilities: bytes = b"") -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("")
    os.chown(file, uid, gid)
    file.chmod(mode)
    if capabilities:
        os.setxattr(file, "security.capability", capabilities)


def given(*numbers: int) -> bytes:
    bits = sum(1 << number for number in numbers)
    return struct.pack("<IIIII", 0x02000001, bits & 0xFFFFFFFF, 0, bits >> 32, 0)


def found(root: Path, seconds: float = 60) -> list[Finding]:
    host = Host(lambda *_argv: (1, "", ""), str(root), seconds)
    return list(privileged_files.find(host, Declared(conda_root="/opt/conda")))


def names(root: Path) -> list[str]:
    return [finding.name for finding in found(root)]


def test_what_packages_bring_is_no_news(root: Path) -> None:
    assert found(root) == []


@pytest.mark.parametrize(
    ("path", "mode", "owner", "says"),
    [
        ("tmp/sh", 0o4755, (0, 0), "set-user-ID of root"),
        ("var/tmp/.x/sh", 0o4711, (0, 0), "set-user-ID of root"),
        ("home/alice/sh", 0o4755, (0, 0), "set-user-ID of root"),
        ("home/public/sh", 0o4755, (ALICE, ALICE), "set-user-ID of alice"),
        ("tmp/sh", 0o4755, (ALICE, ALICE), "set-user-ID of alice"),
        ("srv/projects/imaging/sh", 0o4755, (ALICE, PROJECT), "set-user-ID of alice"),
        ("tmp/sh", 0o2755, (ALICE, PROJECT), "set-group-ID of imaging"),
        ("usr/local/bin/sh", 0o2755, (0, SHADOW), "set-group-ID of shadow"),
        ("usr/bin/python3", 0o4755, (0, 0), "set-user-ID of root"),
        ("usr/bin/python3", 0o2755, (0, SHADOW), "set-group-ID of shadow"),
        ("usr/bin/tool", 0o2755, (0, SHADOW), "set-group-ID of shadow"),
        ("usr/bin/over", 0o2755, (0, SHADOW), "set-group-ID of shadow"),
        ("usr/bin/chage", 0o4755, (0, 0), "set-user-ID of root"),
        ("usr/bin/sudo", 0o4755, (0, 0), "set-user-ID of root"),
    ],
)
def test_programs_with_the_rights_of_others(root: Path, path: str, mode: int, owner: tuple[int, int], says: str) -> None:
    put(root, path, mode, *owner)
    (finding,) = found(root)
    assert (finding.topic, finding.name, finding.severity) == ("privileged files", f"/{path}: {says}", "error")
    assert f"-s /{path}'" in finding.way_out


@pytest.mark.parametrize(
    ("path", "mode", "uid", "gid"),
    [
        # Nobody but the owner, or the members, can come there.
        ("home/alice/own", 0o4755, ALICE, ALICE),
        ("home/alice/deep/er/own", 0o2755, ALICE, ALICE),
        ("srv/projects/imaging/tool", 0o2775, ALICE, PROJECT),
        ("root/sh", 0o4755, 0, 0),
        ("var/lib/docker/overlay2/diff/usr/bin/su", 0o4755, 0, 0),
        # Nobody can start it.
        ("tmp/text", 0o4644, 0, 0),
        ("tmp/text", 0o2664, ALICE, PROJECT),
        ("tmp/text", 0o2645, ALICE, PROJECT),
    ],
)
def test_what_gives_nobody_anything_is_no_news(root: Path, path: str, mode: int, uid: int, gid: int) -> None:
    put(root, path, mode, uid, gid)
    assert found(root) == []


@pytest.mark.parametrize(
    ("path", "capabilities", "says"),
    [
        ("tmp/python3", given(7), "capabilities setuid"),
        ("home/alice/python3", given(21, 39), "capabilities sys_admin bpf"),
        ("usr/bin/python3", given(7), "capabilities setuid"),
        ("usr/bin/ping", given(13, 7), "capabilities setuid net_raw"),
        ("usr/bin/ping", given(13), ""),
        ("root/python3", given(7), ""),
        # In the user namespace of uid 1001 only.
        ("tmp/inside", struct.pack("<IIIIII", 0x03000001, 1 << 7, 0, 0, 0, 1001), ""),
    ],
)
def test_capabilities(root: Path, path: str, capabilities: bytes, says: str) -> None:
    try:
        put(root, path, 0o755, capabilities=capabilities)
    except OSError:
        pytest.skip("no capabilities on this file system")
    assert names(root) == ([f"/{path}: {says}"] if says else [])


def test_a_diverted_file_and_one_of_the_old_place(root: Path) -> None:
    (root / "var/lib/dpkg/diversions").write_text("/bin/ping\n/bin/ping.real\nother\n/usr/bin/su\n/usr/bin/sudo\nother\n")
    put(root, "usr/bin/sudo", 0o4755)
    (root / "var/lib/dpkg/info/old.list").write_text("/bin/umount\n")
    put(root, "usr/bin/umount", 0o4755)
    put(root, "usr/bin/ping.real", 0o755)
    assert names(root) == []


@pytest.mark.parametrize(
    ("path", "mode", "owner", "says"),
    [
        ("etc/cron.d/x", 0o666, (0, 0), "writable by everybody"),
        ("usr/lib/x.py", 0o777, (0, 0), "writable by everybody"),
        ("opt/tool/x", 0o646, (0, 0), "writable by everybody"),
        ("srv/x", 0o666, (0, 0), "writable by everybody"),
        ("usr/local/bin/tool", 0o755, (ALICE, 0), "in other hands than root's"),
        ("usr/bin/tool2", 0o775, (0, PROJECT), "in other hands than root's"),
        ("etc/x", 0o664, (0, PROJECT), "in other hands than root's"),
        ("etc/x", 0o644, (ALICE, 0), "in other hands than root's"),
        ("usr/share/x", 0o644, (ALICE, 0), "in other hands than root's"),
        ("usr/src/x", 0o644, (ALICE, 0), ""),
        ("opt/tool/x", 0o644, (ALICE, 0), ""),
        ("usr/local/bin/tool", 0o775, (0, 50), ""),
        ("opt/conda/x", 0o666, (0, 0), ""),
        ("srv/projects/imaging/x", 0o666, (ALICE, PROJECT), ""),
        ("var/cache/x", 0o666, (0, 0), "writable by everybody"),
        ("var/cache/x", 0o664, (0, PROJECT), ""),
    ],
)
def test_system_files_in_other_hands(root: Path, path: str, mode: int, owner: tuple[int, int], says: str) -> None:
    put(root, path, mode, *owner)
    assert names(root) == ([f"/{path}: {says}"] if says else [])


@pytest.mark.parametrize(
    ("path", "mode", "says"),
    [
        ("usr/local/bin", 0o777, "writable by everybody"),
        ("usr/local/bin", 0o1777, "writable by everybody"),
        ("opt/shared", 0o777, "writable by everybody"),
        ("opt/shared", 0o1777, ""),
        ("etc", 0o777, "writable by everybody"),
    ],
)
def test_system_folders_in_other_hands(root: Path, path: str, mode: int, says: str) -> None:
    (root / path).mkdir(exist_ok=True)
    (root / path).chmod(mode)
    assert names(root) == ([f"/{path}: {says}"] if says else [])


def test_a_packages_program_that_is_somebodys_by_now(root: Path) -> None:
    put(root, "usr/bin/su", 0o4755, ALICE, ALICE)
    assert names(root) == ["/usr/bin/su: set-user-ID of alice", "/usr/bin/su: in other hands than root's"]


def test_where_the_bits_mean_nothing_now(root: Path) -> None:
    """A file system for temporary files that is mounted nosuid; all file systems of the test are one."""
    (root / "proc/self/mountinfo").write_text("1 0 0:1 / /dev/shm rw,nosuid - tmpfs x rw\n")
    put(root, "dev/shm/sh", 0o4755)
    (root / "dev/shm").chmod(0o1777)
    (finding,) = found(root)
    assert (finding.name, finding.severity) == ("/dev/shm/sh: set-user-ID of root", "warning")


def test_odd_things_are_not_followed(root: Path) -> None:
    (root / "tmp/link").symlink_to(root / "usr/bin/su")
    (root / "tmp/folder").symlink_to("/usr/bin")
    os.mkfifo(root / "tmp/pipe")
    os.chmod(root / "tmp/pipe", 0o4777)
    put(root, "tmp/line\nbreak", 0o4755)
    put(root, os.fsdecode(b"tmp/\xff"), 0o4755)
    (root / "tmp/project").mkdir()
    (root / "tmp/project").chmod(stat.S_ISGID | 0o775)
    assert names(root) == ["/tmp/line\\nbreak: set-user-ID of root", "/tmp/\\udcff: set-user-ID of root"]


def test_many_are_cut(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(privileged_files, "MOST", 3)
    for number in range(5):
        put(root, f"tmp/{number}", 0o4755)
    assert names(root)[3:] == ["many more"]
    assert found(root)[-1].severity == "error"


def test_time_is_limited(root: Path) -> None:
    (finding,) = found(root, seconds=-1)
    assert (finding.name, finding.severity) == ("search not finished", "notice")


@pytest.mark.parametrize(("path", "mode"), [("tmp", 0o777), ("var/tmp", 0o777), ("tmp", 0o1755)])
def test_folders_of_everybody(root: Path, path: str, mode: int) -> None:
    (root / path).chmod(mode)
    assert f"/{path}: other rights" in names(root)


@pytest.mark.parametrize(
    ("path", "mode", "told"),
    [
        ("etc/shadow", 0o640, False),
        ("etc/shadow", 0o644, True),
        ("etc/gshadow-", 0o604, True),
        ("var/backups/shadow.bak", 0o600, False),
        ("var/backups/shadow.bak", 0o644, True),
        ("var/backups/dpkg.status.0", 0o644, False),
        ("etc/ssl/private/lab.key", 0o644, True),
    ],
)
def test_secrets_of_root(root: Path, path: str, mode: int, told: bool) -> None:
    put(root, path, mode, 0, SHADOW)
    assert names(root) == ([f"/{path}: readable"] if told else [])


def test_the_home_of_root_is_open(root: Path) -> None:
    (root / "root").chmod(0o755)
    assert names(root) == ["/root: readable"]


@pytest.mark.parametrize(
    ("path", "mode", "number", "told"),
    [
        ("srv/.disk", 0o666, (7, 200), "/srv/.disk: a device"),
        ("srv/.disk", 0o600, (7, 200), ""),
        ("srv/chroot/null", 0o666, (1, 3), ""),
        ("dev/sda", 0o660, (8, 0), ""),
        ("dev/sda", 0o666, (8, 0), "/dev/sda: open"),
    ],
)
def test_devices(root: Path, path: str, mode: int, number: tuple[int, int], told: str) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    kind = stat.S_IFCHR if number == (1, 3) else stat.S_IFBLK
    try:
        os.mknod(root / path, kind | mode, os.makedev(*number))
    except PermissionError:
        pytest.skip("no devices can be made here")
    (root / path).chmod(mode)
    assert names(root) == ([told] if told else [])


@pytest.mark.parametrize(("mode", "told"), [(0o660, False), (0o666, True)])
def test_the_door_of_an_engine(root: Path, mode: int, told: bool) -> None:
    (root / "run").mkdir()
    with contextlib.closing(socket.socket(socket.AF_UNIX)) as door:
        here = os.getcwd()
        os.chdir(root / "run")  # the path of a socket is short (unix(7))
        door.bind("docker.sock")
        os.chdir(here)
    (root / "run/docker.sock").chmod(mode)
    assert names(root) == (["/run/docker.sock: in other hands than root's"] if told else [])
