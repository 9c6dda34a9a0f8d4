# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host of two packages below a folder."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import threading
import time
import typing as t
import zlib
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._audit import packages
from ansible_collections.openlab.research_server.plugins.module_utils._audit.declared import Declared
from ansible_collections.openlab.research_server.plugins.module_utils._audit.finding import Finding
from ansible_collections.openlab.research_server.plugins.module_utils._audit.host import Host
from ansible_collections.openlab.research_server.tests.unit.plugins.host_tree import put

pytestmark = pytest.mark.usefixtures("nobody_is_a_person")

SUDO = {"usr/bin/sudo": "sudo", "lib/sudo/sudoers.so": "plugin", "usr/share/doc/sudo/README": "read me", "etc/sudo.conf": "set"}
OTHER = {"usr/bin/hello": "hello", "usr/share/hello/data": "data"}
# A day on which nobody reads `hello` whole.
DAY = (zlib.crc32(b"hello") + 1) % 7


@pytest.fixture
def root(tmp_path: Path) -> Path:
    put(tmp_path, "var/lib/dpkg/status", "Package: sudo\nStatus: install ok installed\nVersion: 1\n")
    (tmp_path / "usr/lib").mkdir(parents=True)
    (tmp_path / "lib").symlink_to("usr/lib")
    install(tmp_path, "sudo", SUDO)
    install(tmp_path, "hello:amd64", OTHER)
    return tmp_path


def install(root: Path, name: str, files: dict[str, str]) -> None:
    sums = ""
    for path, text in files.items():
        put(root, path, text).chmod(0o755 if path.startswith("usr/bin/") else 0o644)
        sums += f"{hashlib.md5(text.encode()).hexdigest()}  {path}\n"
    put(root, f"var/lib/dpkg/info/{name}.list", "/.\n" + "".join(f"/{path}\n" for path in files))
    put(root, f"var/lib/dpkg/info/{name}.md5sums", sums)


def host(root: Path) -> Host:
    return Host(lambda *_argv, **_more: (127, "", "none"), str(root))


def found(root: Path, day: int = DAY) -> list[Finding]:
    return list(packages.find(host(root), Declared(), day))


def one(root: Path, **options: t.Any) -> Finding:
    (finding,) = found(root, **options)
    return finding


def test_what_is_as_it_was_brought_is_no_finding(root: Path) -> None:
    assert found(root) == []


def test_a_host_without_dpkg_has_no_packages_of_ours(tmp_path: Path) -> None:
    assert found(tmp_path) == []


def test_a_changed_program_is_named_with_its_package(root: Path) -> None:
    put(root, "usr/bin/sudo", "evil")
    way_out = "apt-get install --reinstall sudo"
    assert one(root) == Finding("packages", "/usr/bin/sudo", "changed", "as package sudo brought it", way_out, "error")


def test_a_file_is_found_where_usr_is_merged(root: Path) -> None:
    put(root, "usr/lib/sudo/sudoers.so", "evil")
    assert one(root).name == "/lib/sudo/sudoers.so"


def test_a_missing_file(root: Path) -> None:
    (root / "usr/bin/sudo").unlink()
    assert (one(root).name, one(root).found, one(root).severity) == ("/usr/bin/sudo", "missing", "warning")


@pytest.mark.parametrize("path", ["usr/share/doc/sudo/README", "etc/sudo.conf"])
def test_what_may_be_left_out_or_set_is_no_finding(root: Path, path: str) -> None:
    (root / path).unlink()
    assert found(root) == []


@pytest.mark.parametrize(
    ("config", "told"),
    [
        ("path-exclude=/usr/share/hello/*", 0),
        ("path-exclude /usr/share/hello/*", 0),
        ("path-exclude=/usr/share/*\npath-include=/usr/share/hello/*", 1),
        ("# path-exclude=/usr/share/hello/*", 1),
        ("path-exclude=/usr/share/other/*", 1),
    ],
)
def test_what_dpkg_leaves_out_is_not_missing(root: Path, config: str, told: int) -> None:
    put(root, "etc/dpkg/dpkg.cfg.d/docker", f"{config}\n")
    (root / "usr/share/hello/data").unlink()
    assert len(found(root)) == told


def test_a_link_and_a_pipe_in_place_of_a_program(root: Path) -> None:
    for path in ("usr/bin/sudo", "usr/bin/hello"):
        (root / path).unlink()
    (root / "usr/bin/sudo").symlink_to("/tmp/sudo")
    os.mkfifo(root / "usr/bin/hello")
    assert {(finding.name, finding.found) for finding in found(root)} == {
        ("/usr/bin/sudo", "a link"),
        ("/usr/bin/hello", "no regular file"),
    }


def test_a_program_that_everybody_can_write_to(root: Path) -> None:
    (root / "usr/bin/hello").chmod(0o777)
    assert (one(root).name, one(root).found, one(root).severity) == ("/usr/bin/hello", packages.OPEN, "error")


@pytest.mark.parametrize(
    ("uid", "gid", "mode", "answer"),
    [
        (0, 0, 0o100755, False),
        (2, 2, 0o106755, False),
        (0, 42, 0o100664, False),
        (9**9, 0, 0o100600, True),
        (0, 9**9, 0o100664, True),
        (0, 0, 0o100666, True),
        (0, 0, 0o041777, False),
        (0, 0, 0o040777, True),
        (9**9, 0, 0o120777, False),
    ],
)
def test_who_can_write(uid: int, gid: int, mode: int, answer: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "FIRST_PERSON", 1000)
    status = os.stat_result((mode, 0, 0, 1, uid, gid, 0, 0, 0, 0))
    assert packages.can_be_written(status) is answer


def later(root: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the package had been installed long ago: nobody can set a file's ctime."""
    monkeypatch.setattr(packages, "_brought", lambda _host, package: 0.0 if package == name else time.time())


def test_other_packages_are_read_on_their_day(root: Path) -> None:
    put(root, "usr/bin/hello", "evil")
    assert found(root) == []
    assert one(root, day=(DAY - 1) % 7).name == "/usr/bin/hello"


def test_a_file_that_was_touched_after_the_installation_is_read_at_once(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    later(root, "hello:amd64", monkeypatch)
    assert found(root) == []
    put(root, "usr/bin/hello", "evil")
    # Also if somebody sets its time back.
    os.utime(root / "usr/bin/hello", (1, 1))
    assert one(root).name == "/usr/bin/hello"


def test_many_files_of_a_package_are_told_as_one(root: Path) -> None:
    install(root, "bash", {f"usr/share/bash/{number:03}": "text" for number in range(30)})
    for number in range(15):
        put(root, f"usr/share/bash/{number:03}", "other")
        (root / f"usr/share/bash/{number + 15:03}").unlink()
    finding = one(root)
    assert (finding.name, finding.severity) == ("bash", "error")
    assert finding.found.startswith("15 files changed, 15 files missing: /usr/share/bash/000")
    assert len(finding.found) < 300


def test_diversions(root: Path) -> None:
    put(root, "usr/bin/hello.real", "hello").chmod(0o755)
    install(root, "wrapper", {"usr/bin/hello": "wrapper"})
    put(root, "var/lib/dpkg/diversions", "/usr/bin/hello\n/usr/bin/hello.real\nwrapper\n")
    day = (DAY - 1) % 7
    assert found(root, day) == []
    put(root, "usr/bin/hello.real", "evil")
    assert one(root, day=day).name == "/usr/bin/hello.real"


def test_the_diverting_package_keeps_its_own_file(root: Path) -> None:
    put(root, "var/lib/dpkg/diversions", "/usr/bin/sudo\n/usr/bin/sudo.distrib\nsudo\n")
    assert found(root) == []


def test_a_diversion_by_hand(root: Path) -> None:
    (root / "usr/bin/sudo").rename(root / "usr/bin/sudo.distrib")
    put(root, "usr/bin/sudo", "evil").chmod(0o755)
    put(root, "var/lib/dpkg/diversions", "/usr/bin/sudo\n/usr/bin/sudo.distrib\n:\n")
    finding = one(root)
    assert (finding.name, finding.way_out) == ("/usr/bin/sudo", "dpkg-divert --local --rename --remove /usr/bin/sudo")


@pytest.mark.parametrize(("by", "says"), [("hello", "no file of package hello"), ("evil", "evil, which is not installed")])
def test_a_diversion_in_the_name_of_a_package_that_did_not_bring_what_is_there(root: Path, by: str, says: str) -> None:
    (root / "usr/bin/sudo").rename(root / "usr/bin/sudo.real")
    put(root, "usr/bin/sudo", "evil").chmod(0o755)
    put(root, "var/lib/dpkg/diversions", f"/usr/bin/sudo\n/usr/bin/sudo.real\n{by}\n")
    finding = one(root)
    assert (finding.name, finding.severity) == ("/usr/bin/sudo", "error")
    assert says in finding.found
    assert finding.way_out == f"rm /usr/bin/sudo && dpkg-divert --package {by} --rename --remove /usr/bin/sudo"


def test_diversions_of_packages_as_debian_has_them(root: Path) -> None:
    """For files of folders that have two names, for files that are not there, and for links of update-alternatives(1)."""
    (root / "usr/lib/sudo/gl.so").symlink_to("/etc/alternatives/gl.so")
    rows = (
        "/lib/sudo/sudoers.so\n/lib/sudo/sudoers.so.usr-is-merged\nsudo\n",
        "/lib32\n/.lib32.usr-is-merged\nbase-files\n",
        "/usr/lib/sudo/gl.so\n/usr/lib/sudo/gl.so.mesa\nhello\n",
    )
    put(root, "var/lib/dpkg/diversions", "".join(rows))
    assert found(root) == []


def test_a_program_in_front_of_that_of_a_package(root: Path) -> None:
    put(root, "usr/local/bin/lab-jupyter", "")
    assert found(root) == []
    put(root, "usr/local/bin/sudo", "")
    finding = one(root)
    assert (finding.name, finding.way_out) == ("/usr/local/bin/sudo", "rm /usr/local/bin/sudo")
    assert "/usr/bin/sudo of package sudo" in finding.found


def test_time_is_limited(root: Path) -> None:
    put(root, "usr/bin/sudo", "evil")
    late = host(root)
    late.deadline = 0.0
    (finding,) = packages.find(late, Declared(), DAY)
    assert (finding.name, finding.severity) == ("(time)", "notice")


def test_the_priority_is_lowered_for_the_reading_alone(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[tuple[t.Any, ...]] = []
    readers: list[int] = []
    real = packages.md5
    monkeypatch.setattr(os, "setpriority", lambda *arguments: calls.append((threading.get_ident(), *arguments)))

    def seen(host: Host, path: str) -> t.Any:
        readers.append(threading.get_ident())
        return real(host, path)

    monkeypatch.setattr(packages, "md5", seen)
    found(root)
    (reader,) = set(readers)
    assert calls == [(reader, os.PRIO_PROCESS, 0, 19)]
    assert reader != threading.get_ident()


def test_names_that_are_no_text(root: Path) -> None:
    put(root, "var/lib/dpkg/info/sudo.md5sums", f"{'0' * 32}  ".encode() + b"usr/share/sudo/\xff\nnonsense\n")
    assert one(root).name == "/usr/share/sudo/\\udcff"


@pytest.mark.parametrize("kind", ["big", "pipe", "link"])
def test_only_regular_files_of_sensible_size_are_read(root: Path, kind: str) -> None:
    path = root / "thing"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "link":
        path.symlink_to("usr/bin/sudo")
    else:
        path.touch()
        os.truncate(path, packages.FILE_LIMIT + 1)
    assert packages.md5(host(root), "/thing") == ""


RECORD = """\
Package: sudo
Status: install ok installed
Conffiles:
 /etc/sudo one {hash}
 /etc/old {hash} obsolete
 /etc/changed {hash}
Version: 1

Package: gone
Status: deinstall ok config-files
Conffiles:
 /etc/gone {hash}
"""


@pytest.fixture
def settings(root: Path) -> Path:
    digest = hashlib.md5(b"as it came").hexdigest()
    put(root, "var/lib/dpkg/status", RECORD.format(hash=digest))
    put(
        root,
        "var/lib/dpkg/info/sudo.list",
        "/etc\n/etc/sudo one\n/etc/old\n/etc/changed\n/etc/linked\n/lib/systemd/system/a.service\n",
    )
    put(root, "var/lib/ucf/registry", "openssh-server \t /etc/ssh/sshd_config\n")
    for name in ("sudo one", "old", "gone"):
        put(root, f"etc/{name}", "as it came")
    put(root, "etc/changed", "otherwise")
    put(root, "etc/ssh/sshd_config", "by ucf")
    put(root, "etc/foreign", "")
    put(root, "etc/ours", "")
    (root / "etc/linked").symlink_to("/anywhere")
    (root / "etc/alias").symlink_to("../lib/systemd/system/a.service")
    (root / "etc/astray").symlink_to("/home/ada/x")
    os.mkfifo(root / "etc/pipe")
    (root / "etc/folder").mkdir()
    put(root, "etc/open", "").chmod(0o666)
    return root


@pytest.mark.parametrize(
    ("path", "kind", "says"),
    [
        ("/etc/sudo one", "", ""),
        ("/etc/old", "", ""),
        ("/etc/gone", "", ""),
        ("/etc/ssh/sshd_config", "", ""),
        ("/etc/ours", "", ""),
        ("/etc/linked", "", ""),
        ("/etc/alias", "", ""),
        ("/etc/folder", "", ""),
        ("/etc/not there", "", ""),
        ("/etc/changed", "changed", "another content"),
        ("/etc/foreign", "foreign", "no package and no role"),
        ("/etc/astray", "foreign", "a link to /home/ada/x"),
        ("/etc/pipe", "foreign", "neither a file nor a link"),
        ("/etc/open", "open", "mode 0666"),
    ],
)
def test_a_file_of_settings(settings: Path, path: str, kind: str, says: str) -> None:
    place = host(settings)
    odd = packages.record(place).oddity(place, path, [re.compile("/etc/ours")])
    assert (odd.kind if odd else "") == kind
    if odd:
        assert says in odd.found
        assert odd.told("topic", path, "warning").severity == ("error" if kind == "open" else "warning")


def test_a_conffile_that_became_a_link(settings: Path) -> None:
    (settings / "etc/changed").unlink()
    (settings / "etc/changed").symlink_to("/home/ada/changed")
    place = host(settings)
    odd = packages.record(place).oddity(place, "/etc/changed")
    assert odd
    assert odd.found == "a link to /home/ada/changed"
    assert "--reinstall" in odd.way_out
    assert odd.way_out.endswith(" sudo")
    assert stat.S_ISLNK((settings / "etc/changed").lstat().st_mode)


def test_a_program_of_nobody_among_those_of_packages(root: Path) -> None:
    for name, target in {"view": "/etc/alternatives/view", "gone": "/usr/lib/gone", "tool": "sudo"}.items():
        (root / "usr/bin" / name).symlink_to(target)
    (root / "etc/alternatives").mkdir(parents=True)
    (root / "etc/alternatives/view").symlink_to("/usr/bin/sudo")
    put(root, "usr/sbin/policy-rc.d")
    assert found(root) == []
    put(root, "usr/bin/evil")
    assert (one(root).name, one(root).found) == ("/usr/bin/evil", "a program of no package")


@pytest.mark.parametrize(("mode", "told"), [(0o755, False), (0o700, True), (0o644, True), (0o4750, False)])
def test_a_program_that_nobody_can_start(root: Path, mode: int, told: bool) -> None:
    (root / "usr/bin/hello").chmod(mode)
    assert [finding.way_out for finding in found(root)] == (["chmod 0755 /usr/bin/hello"] if told else [])


def test_a_program_that_an_administrator_has_closed_in_dpkgs_words(root: Path) -> None:
    put(root, "var/lib/dpkg/statoverride", "root lab 0750 /usr/bin/hello\n")
    (root / "usr/bin/hello").chmod(0o750)
    assert found(root) == []


@pytest.mark.parametrize(
    "path",
    [
        "usr/local/lib/libssl.so.3",
        "usr/local/lib/x86_64-linux-gnu/libssl.so.3",
        "usr/local/lib/python3.11/dist-packages/apt.py",
        "usr/local/lib/python3.11/dist-packages/apt/__init__.py",
    ],
)
def test_a_library_in_front_of_that_of_a_package(root: Path, path: str) -> None:
    put(root, "usr/lib/x86_64-linux-gnu/libssl.so.3")
    put(root, "usr/lib/python3/dist-packages/apt/__init__.py")
    put(root, "usr/local/lib/libmine.so.1")
    put(root, "usr/local/lib/python3.11/dist-packages/mine.py")
    assert found(root) == []
    put(root, path)
    assert one(root).name == f"/{path.removesuffix('/__init__.py')}"
