# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._audit import accounts
from ansible_collections.openlab.research_server.plugins.module_utils._audit.declared import Declared
from ansible_collections.openlab.research_server.plugins.module_utils._audit.finding import Finding
from ansible_collections.openlab.research_server.plugins.module_utils._audit.host import Host

PASSWD = """\
root:x:0:0:root:/root:/bin/bash
daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin
sync:x:4:65534:sync:/bin:/bin/sync
www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
postgres:x:101:104:PostgreSQL administrator,,,:/var/lib/postgresql:/bin/bash
ops:x:1000:1000::/home/ops:/bin/bash
alice:x:1001:1001::/home/alice:/bin/bash
left:x:1002:1002::/home/left:/usr/sbin/nologin
"""
SHADOW = """\
root:$y$j9T$hash:19000:0:99999:7:::
daemon:*:19000:0:99999:7:::
sync:*:19000:0:99999:7:::
www-data:*:19000:0:99999:7:::
nobody:*:19000:0:99999:7:::
postgres:!:19000::::::
ops:*:19000:0:-1:7:::
alice:*:19000:0:-1:7:::
left:!*:19000:0:-1:7::1:
"""
GROUP = """\
root:x:0:
adm:x:4:syslog,ops
disk:x:6:
sudo:x:27:ops
shadow:x:42:
postgres:x:104:
docker:x:998:alice,left
ssh-users:x:997:ops,alice
ops:x:1000:
alice:x:1001:
left:x:1002:
"""
GSHADOW = "sudo:*::ops\ndisk:!::\nalice:!::\n"
DECLARED = Declared(administrators=("ops",), people=("ops", "alice"), extra_groups=(("alice", ("docker",)),))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "etc/ssh").mkdir(parents=True)
    for name, text in {"passwd": PASSWD, "shadow": SHADOW, "group": GROUP, "gshadow": GSHADOW}.items():
        (tmp_path / "etc" / name).write_text(text)
    return tmp_path


def found(root: Path, declared: Declared = DECLARED) -> list[Finding]:
    return list(accounts.find(Host(lambda *_argv: (1, "", ""), str(root)), declared))


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("alice:100000:65536", False),
        ("alice:0:65536", True),
        ("alice:1000:2", True),
        ("ops:165536:65536\nalice:165540:10", True),
        ("root:100000:1000000\nalice:100000:65536", False),
    ],
)
@pytest.mark.parametrize("name", ["subuid", "subgid"])
def test_subordinate_numbers_are_nobody_elses(root: Path, name: str, line: str, told: bool) -> None:
    (root / "etc" / name).write_text(f"{line}\n")
    assert bool(found(root)) is told
    assert all(finding.name.startswith(f"/etc/{name}: ") and finding.severity == "error" for finding in found(root))


def test_the_primary_group_of_somebody(root: Path) -> None:
    put(root, "passwd", "alice:x:1001:1001:", "alice:x:1001:1002:")
    assert found(root) == [], "where useradd gives no groups of their own it is the lab's decision"
    (root / "etc/login.defs").write_text("USERGROUPS_ENAB yes\n")
    (finding,) = found(root)
    assert (finding.name, finding.way_out) == ("primary group of alice: left", "usermod -g alice alice")


def put(root: Path, name: str, before: str, after: str) -> None:
    path = root / "etc" / name
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after, 1))


def test_what_is_declared_and_what_debian_brings_is_no_news(root: Path) -> None:
    assert found(root) == []


@pytest.mark.parametrize(
    ("file", "before", "after", "told"),
    [
        ("passwd", "ops:x", "toor:x:0:0::/root:/bin/bash\nops:x", ("uid 0: toor", "userdel toor")),
        ("passwd", "ops:x", "root:x:0:0::/:/bin/sh\nops:x", ("uid 0: root", "userdel root")),
        ("passwd", "ops:x", "odd::0:0\nops:x", ("uid 0: odd", "userdel odd")),
        ("passwd", "ops:x", "odd:x: 0:1::/:/usr/sbin/nologin\nops:x", ("uid 0: odd", "userdel odd")),
        ("passwd", "ops:x", "al:x:1001:1001::/:/usr/sbin/nologin\nops:x", ("uid 1001: al, alice", "usermod -u NUMBER alice")),
        ("passwd", "ops:x", "eve:x:1666:1666::/home/eve:/bin/bash\nops:x", ("account eve", "accounts_researchers")),
        ("passwd", "ops:x", "eve:x:1666:1666::/srv/eve:\nops:x", ("account eve", "userdel eve")),
        ("passwd", "ops:x", "eve:x:1666:1666::/:/tmp/nologin\nops:x", ("account eve", "userdel eve")),
        (
            "passwd",
            "/var/www:/usr/sbin/nologin",
            "/var/www:/bin/sh",
            ("shell of www-data", "usermod -s /usr/sbin/nologin www-data"),
        ),
        ("shadow", "www-data:*", "www-data:$y$x", ("password of www-data", "usermod -p '*' www-data")),
        ("shadow", "www-data:*", "www-data:", ("password of www-data", "usermod -p '*' www-data")),
        ("shadow", "root:$y$j9T$hash", "root:", ("password of root", "usermod -p '*' root")),
        ("passwd", "daemon:x:", "daemon::", ("password of daemon", "usermod -p '*' daemon")),
        ("group", "sudo:x:27:ops", "sudo:x:27:ops,alice", ("group sudo: alice", "groups: [sudo]")),
        ("group", "sudo:x:27:ops", "sudo:x:27:alice\nsudo:x:27:ops", ("group sudo: alice", "gpasswd -d alice sudo")),
        ("group", "disk:x:6:", "disk:x:6:alice", ("group disk: alice", "gpasswd -d alice disk")),
        ("group", "disk:x:6:", "disk:x:6:ops", ("group disk: ops", "groups: [disk]")),
        ("group", "shadow:x:42:", "shadow:x:42:www-data", ("group shadow: www-data", "gpasswd -d www-data shadow")),
        ("group", "shadow:x:42:", "shadow:x:42:ghost", ("group shadow: ghost", "gpasswd -d ghost shadow")),
        ("group", "root:x:0:", "root:x:0:alice", ("group root: alice", "gpasswd -d alice root")),
        ("group", "disk:x:6:", "disk:x:6:\nfun:x:27:alice", ("group sudo: alice", "gpasswd -d alice sudo")),
        ("group", "root:x:0:", "fun:x:0:alice\nroot:x:0:", ("group root: alice", "gpasswd -d alice root")),
        ("group", "root:x:0:", "fun:x:0:alice", ("group fun: alice", "gpasswd -d alice fun")),
        ("passwd", "alice:x:1001:1001", "alice:x:1001:6", ("group disk: alice", "usermod -g")),
        (
            "group",
            "ssh-users:x:997:",
            "ssh-users:x:997:www-data,",
            ("group ssh-users: www-data", "gpasswd -d www-data ssh-users"),
        ),
        ("group", "sudo:x:27", "sudo:$6$x:27", ("password of the group sudo", "gpasswd -r sudo")),
        ("gshadow", "sudo:*", "sudo:$6$x", ("password of the group sudo", "gpasswd -r sudo")),
        ("gshadow", "disk:!::", "disk:!:alice:", ("administrators of the group disk: alice", "gpasswd -A '' disk")),
        ("passwd", "ops:x", "+::::::\nops:x", ("/etc/passwd: +::::::", "take the line out")),
        ("passwd", "ops:x", "e\x1bve:x:1666:1666::/:/bin/sh\nops:x", ("account e\\x1bve", "userdel")),
    ],
)
def test_what_nobody_declared_is_named(root: Path, file: str, before: str, after: str, told: tuple[str, str]) -> None:
    name, way_out = told
    put(root, file, before, after)
    findings = {finding.name: finding for finding in found(root)}
    assert name in findings
    assert way_out in findings[name].way_out
    assert {finding.topic for finding in findings.values()} == {"accounts"}


@pytest.mark.parametrize(
    ("file", "before", "after"),
    [
        # A line with the same powers that somebody closed, as a leaver's is.
        ("passwd", "ops:x", "eve:x:1666:1666::/home/eve:/usr/sbin/nologin\nops:x"),
        ("group", "adm:x:4:syslog", "adm:x:4:syslog,left"),
        ("group", "disk:x:6:", "# disk of alice\ndisk:x:6:"),
        ("group", "alice:x:1001:", "alice:x:1001:ops"),
    ],
)
def test_what_gives_no_power_is_no_news(root: Path, file: str, before: str, after: str) -> None:
    put(root, file, before, after)
    assert found(root) == []


def test_a_line_for_a_directory_service_is_no_account(root: Path) -> None:
    put(root, "passwd", "ops:x", "+eve:x:0:0::/:/bin/sh\nops:x")
    assert [finding.name for finding in found(root)] == ["/etc/passwd: +eve:x:0:0::/:/bin/sh"]


def test_who_has_expired_does_not_log_in(root: Path) -> None:
    put(root, "passwd", "ops:x", "eve:x:1666:1666::/home/eve:/bin/bash\nops:x")
    put(root, "shadow", "ops:*", "eve:*:19000:0:-1:7::19001:\nops:*")
    assert found(root) == []


def test_the_group_that_sshd_lets_in_is_the_labs(root: Path) -> None:
    (root / "etc/ssh/sshd_config").write_text("AllowGroups lab\n")
    put(root, "group", "ops:x:1000:", "lab:x:996:alice,eve\nops:x:1000:")
    assert [finding.name for finding in found(root)] == ["group lab: eve"]


def test_without_people_nothing_is_known_of_people(root: Path) -> None:
    """A host without the role accounts."""
    assert found(root, Declared()) == []
    put(root, "group", "disk:x:6:", "disk:x:6:www-data")
    put(root, "passwd", "ops:x", "toor:x:0:0::/root:/bin/bash\nops:x")
    assert [finding.name for finding in found(root, Declared())] == ["uid 0: toor", "group disk: www-data"]


def test_odd_files_end(root: Path) -> None:
    (root / "etc/shadow").unlink()
    os.mkfifo(root / "etc/shadow")
    (root / "etc/gshadow").unlink()
    (root / "etc/gshadow").symlink_to("group")
    (root / "etc/passwd").write_bytes(b"\xff\xfe:x:1666:1666::/:/bin/sh\n:::\n\nroot:x:zero:0\n")
    assert [finding.name for finding in found(root)] == ["account \\udcff\\udcfe", "group docker: left"]


@pytest.mark.parametrize(("with_password", "told"), [((), ["password of alice"]), (("alice",), [])])
def test_a_password_of_a_person_is_the_inventorys(root: Path, with_password: tuple[str, ...], told: list[str]) -> None:
    (root / "etc/shadow").write_text(SHADOW.replace("alice:*", "alice:$y$j9T$hash"))
    told_of = found(root, dataclasses.replace(DECLARED, with_password=with_password))
    assert [finding.name for finding in told_of] == told


@pytest.mark.parametrize(
    ("home", "useradd", "told"),
    [
        ("/srv/alice", "", ["home of alice: /srv/alice"]),
        ("/srv/alice", "# HOME=/srv\n", ["home of alice: /srv/alice"]),
        ("/srv/alice", "HOME=/srv\n", ["home of ops: /home/ops"]),
        ("/home/alice/", "", []),
    ],
)
def test_the_home_of_a_person_is_where_useradd_makes_it(root: Path, home: str, useradd: str, told: list[str]) -> None:
    (root / "etc/default").mkdir()
    (root / "etc/default/useradd").write_text(useradd)
    (root / "etc/passwd").write_text(PASSWD.replace("/home/alice", home))
    assert [finding.name for finding in found(root, DECLARED)] == told
