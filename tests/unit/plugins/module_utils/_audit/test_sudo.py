# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._audit import sudo
from ansible_collections.openlab.research_server.plugins.module_utils._audit.declared import Declared
from ansible_collections.openlab.research_server.plugins.module_utils._audit.finding import Finding
from ansible_collections.openlab.research_server.plugins.module_utils._audit.host import Host

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="whose a file is, decides")

SUDOERS = """\
# comment
Defaults\tenv_reset
Defaults\tmail_badpass
Defaults\tsecure_path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
Defaults\tuse_pty

root\tALL=(ALL:ALL) ALL
%sudo\tALL=(ALL:ALL) ALL
@includedir /etc/sudoers.d
"""
DECLARED = Declared(administrators=("ops", "ada"), people=("ops", "ada", "alice"))


@pytest.fixture
def root(public_folder: Path) -> Path:
    for folder in ("etc/sudoers.d", "etc/polkit-1/rules.d", "usr/share/polkit-1/rules.d", "var/lib/dpkg/info"):
        (public_folder / folder).mkdir(parents=True)
    (public_folder / "etc/sudoers").write_text(SUDOERS)
    (public_folder / "etc/sudoers.d/README").write_text("# nothing\n")
    (public_folder / "etc/sudoers.d/research-server").write_text("ops ALL=(ALL:ALL) NOPASSWD: ALL\nalice ALL=(ALL) ALL\n")
    (public_folder / "etc/sudoers.d/90-cloud-init-users").write_text("# User rules\nops ALL=(ALL) NOPASSWD:ALL\n")
    (public_folder / "usr/share/polkit-1/rules.d/50-default.rules").write_text("polkit")
    (public_folder / "var/lib/dpkg/info/polkitd.list").write_text("/.\n/usr/share/polkit-1/rules.d/50-default.rules\n")
    return public_folder


def found(root: Path, declared: Declared = DECLARED) -> list[Finding]:
    return list(sudo.find(Host(lambda *_argv: (1, "", ""), str(root)), declared))


def names(root: Path) -> list[str]:
    return [finding.name for finding in found(root)]


def test_debians_lines_and_the_roles_file_are_no_news(root: Path) -> None:
    assert found(root) == []


@pytest.mark.parametrize(
    ("line", "severity"),
    [
        ("alice ALL=(ALL) NOPASSWD: ALL", "error"),
        ("alice ALL=(root) /usr/bin/less", "error"),
        ("ops, alice ALL=(ALL) ALL", "error"),
        ("ops,%ssh-users ALL=(ALL) ALL", "error"),
        ("%ssh-users ALL=(ALL) ALL", "error"),
        ("ALL ALL=(ALL) ALL", "error"),
        ("#1001 ALL=(ALL) ALL", "error"),
        ("+net ALL=(ALL) ALL", "error"),
        ("Defaults !authenticate", "warning"),
        ('Defaults env_keep += "LD_PRELOAD"', "warning"),
        ("Defaults:ops setenv", "warning"),
        ("User_Alias OPS = alice", "warning"),
    ],
)
def test_each_other_line_is_told(root: Path, line: str, severity: str) -> None:
    (root / "etc/sudoers.d/other").write_text(f"{line}\n")
    (finding,) = found(root)
    assert (finding.topic, finding.name, finding.severity) == ("sudo", f"/etc/sudoers.d/other: {line}", severity)
    assert "take it out with 'visudo -f /etc/sudoers.d/other'" in finding.way_out


def test_a_line_in_debians_file_is_told(root: Path) -> None:
    (root / "etc/sudoers").write_text(SUDOERS + "alice ALL=(ALL) ALL\n")
    assert names(root) == ["/etc/sudoers: alice ALL=(ALL) ALL"]


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("Defaults\tenv_reset\n", "Defaults env_reset"),
        ('Defaults\tsecure_path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"\n', "Defaults secure_path"),
        ("@includedir /etc/sudoers.d\n", "includedir /etc/sudoers.d"),
    ],
)
def test_a_line_of_debians_that_is_gone_is_told(root: Path, line: str, name: str) -> None:
    without = SUDOERS.replace(line, "")
    (root / "etc/sudoers").write_text(without)
    (finding,) = found(root)
    assert (finding.name, finding.severity) == (f"/etc/sudoers: no {name}", "warning")
    assert finding.way_out == "put it back with 'visudo -f /etc/sudoers'"
    # As its package brought it, it is the package's business; so are the lines of other files.
    digest = hashlib.md5(without.encode()).hexdigest()
    (root / "var/lib/dpkg/status").write_text(f"Package: sudo\nConffiles:\n /etc/sudoers {digest}\n")
    assert found(root) == []


def test_older_words_for_the_folder_and_any_safe_path_are_no_news(root: Path) -> None:
    (root / "etc/sudoers").write_text(
        SUDOERS.replace("@includedir", "#includedir").replace(":/sbin:/bin", ":/sbin:/bin:/snap/bin")
    )
    assert found(root) == []


def test_lines_that_debian_has_and_nobody_needs(root: Path) -> None:
    (root / "etc/sudoers").write_text(SUDOERS.replace("Defaults\tmail_badpass\n", "").replace("%sudo\tALL=(ALL:ALL) ALL\n", ""))
    assert found(root) == []


def test_a_rule_over_two_lines_is_one(root: Path) -> None:
    (root / "etc/sudoers.d/other").write_text("ops, \\\n  alice   ALL=(ALL)\tALL\n")
    assert names(root) == ["/etc/sudoers.d/other: ops, alice ALL=(ALL) ALL"]


def test_administrators_may_do_all_anyway(root: Path) -> None:
    (root / "etc/sudoers.d/other").write_text("ops , ada ALL = (root) /bin/true\nroot ALL=(ALL) NOPASSWD: ALL\n")
    assert names(root) == []
    assert "/etc/sudoers.d/research-server: alice ALL=(ALL) ALL" in [finding.name for finding in found(root, Declared())]


@pytest.mark.parametrize("name", ["a.conf", "backup~", ".hidden"])
def test_files_that_sudo_does_not_read_are_no_news(root: Path, name: str) -> None:
    (root / "etc/sudoers.d" / name).write_text("alice ALL=(ALL) ALL\n")
    assert names(root) == []


@pytest.mark.parametrize(
    "include", ["@include /srv/rules", "#include /srv/rules", "@includedir /srv/more", "#includedir /srv/more"]
)
def test_included_files_are_read(root: Path, include: str) -> None:
    (root / "srv/more").mkdir(parents=True)
    for place in ("srv/rules", "srv/more/rules"):
        (root / place).write_text(f"alice ALL=(ALL) ALL\n{include}\n")
    (root / "etc/sudoers.d/other").write_text(f"{include}\n")
    path = "/srv/rules" if include.endswith("rules") else "/srv/more/rules"
    assert names(root) == [f"{path}: alice ALL=(ALL) ALL"]


def test_a_name_with_the_hosts_name_and_a_relative_one(root: Path) -> None:
    (root / "etc/hostname").write_text("node1.lab\n")
    (root / "etc/sudoers.d/other").write_text("@include rules.%h\n")
    (root / "etc/sudoers.d/rules.node1").write_text("alice ALL=(ALL) ALL\n")
    assert names(root) == ["/etc/sudoers.d/rules.node1: alice ALL=(ALL) ALL"]


def test_a_file_as_its_package_brought_it(root: Path) -> None:
    text = "zabbix ALL=(root) NOPASSWD: /usr/bin/smartctl\n"
    digest = hashlib.md5(text.encode()).hexdigest()
    (root / "etc/sudoers.d/zabbix").write_text(text)
    (root / "var/lib/dpkg/status").write_text(f"Package: z\nConffiles:\n /etc/sudoers.d/zabbix {digest}\n")
    assert names(root) == []
    (root / "etc/sudoers.d/zabbix").write_text(text.replace("/usr/bin/smartctl", "ALL"))
    assert names(root) == ["/etc/sudoers.d/zabbix: zabbix ALL=(root) NOPASSWD: ALL"]


@pytest.mark.parametrize("path", ["etc/sudoers.d", "etc/sudoers.d/README", "etc/sudoers", "etc"])
def test_who_else_can_write_the_rules(root: Path, path: str) -> None:
    (root / path).chmod(0o777)
    assert f"/{path}: in other hands than root's" in names(root) or path == "etc"
    assert any("/etc has owner 0" in finding.found for finding in found(root)) == (path == "etc")
    (root / path).chmod(0o755)
    os.chown(root / path, 1001, 0)
    assert any(name.endswith("in other hands than root's") for name in names(root))


def test_long_lines_are_told_apart(root: Path) -> None:
    long = f"alice ALL=(ALL) {', '.join(f'/bin/{number}' for number in range(200))}"
    (root / "etc/sudoers.d/other").write_text(f"{long}, /bin/a\n{long}, /bin/b\n")
    assert len(set(names(root))) == 2
    assert all(len(name) < 300 for name in names(root))


def test_odd_files(root: Path) -> None:
    folder = root / "etc/sudoers.d"
    os.mkfifo(folder / "pipe")
    (folder / "link").symlink_to("/srv/rules")
    (root / "srv").mkdir()
    (root / "srv/rules").write_bytes(b"al\xffice ALL=(ALL) ALL\n")
    (folder / "loop").symlink_to("loop")
    with open(folder / "huge", "wb") as stream:
        stream.truncate(sudo.LIMIT + 1)
    assert sorted(name for name in names(root) if "\0" not in name and "\\x00" not in name) == [
        "/etc/sudoers.d/huge: no way to read it",
        "/etc/sudoers.d/link: al\\udcffice ALL=(ALL) ALL",
        "/etc/sudoers.d/loop: no way to read it",
        "/etc/sudoers.d/pipe: no way to read it",
    ]


def test_doas_and_the_plugins_of_sudo(root: Path) -> None:
    (root / "etc/doas.conf").write_text("# permit all\npermit nopass alice\ndeny bob\n")
    (root / "etc/sudo.conf").write_text("# Plugin x\nPlugin sudoers_policy /tmp/x.so\n")
    assert names(root) == ["/etc/sudo.conf: Plugin sudoers_policy /tmp/x.so", "/etc/doas.conf: permit nopass alice"]


def test_rules_of_polkit_that_no_package_owns(root: Path) -> None:
    rules = root / "etc/polkit-1/rules.d/10-lab.rules"
    rules.write_text("polkit.addRule(...)")
    local = root / "etc/polkit-1/localauthority/50-local.d"
    local.mkdir(parents=True)
    (local / "lab.pkla").write_text("[x]\n")
    (local / "lab.txt").write_text("[x]\n")
    first = names(root)
    assert [name.partition(" ")[0] for name in first] == [
        "/etc/polkit-1/rules.d/10-lab.rules",
        "/etc/polkit-1/localauthority/50-local.d/lab.pkla",
    ]
    rules.write_text("polkit.addRule(something else)")
    assert names(root)[0] != first[0], "an accepted file that says something else is another thing"
