# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host with one package below a folder."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._audit import schedules
from ansible_collections.openlab.research_server.plugins.module_utils._audit.declared import Declared
from ansible_collections.openlab.research_server.plugins.module_utils._audit.finding import Finding
from ansible_collections.openlab.research_server.plugins.module_utils._audit.host import Host
from ansible_collections.openlab.research_server.tests.unit.plugins.host_tree import link, put

pytestmark = pytest.mark.usefixtures("nobody_is_a_person")

CRONTAB = "SHELL=/bin/sh\n# m h\n17 * * * * root cd / && run-parts --report /etc/cron.hourly\n"
STATUS = f"""\
Package: cron
Status: install ok installed
Conffiles:
 /etc/crontab {hashlib.md5(CRONTAB.encode()).hexdigest()}
 /etc/cron.daily/cron {hashlib.md5(b"").hexdigest()}
Version: 1
"""
OWNED = (
    "/etc/crontab",
    "/etc/cron.daily/cron",
    "/etc/init.d/cron",
    "/lib/systemd/system/cron.service",
    "/lib/systemd/system/ssh.service",
    "/lib/systemd/system/getty@.service",
    "/lib/systemd/system/debug-shell.service",
    "/lib/systemd/system/default.target",
    "/lib/systemd/system/multi-user.target",
    "/lib/systemd/system/graphical.target",
    "/lib/systemd/system-generators/systemd-ssh-generator",
    "/lib/systemd/user/podman.socket",
    "/usr/lib/udev/rules.d/50-default.rules",
)
PASSWD = """\
root:x:0:0::/root:/bin/bash
backup:x:34:34::/var/backups:/usr/sbin/nologin
ada:x:1000:1000::/home/ada:/bin/bash
eve:x:1001:1001::/home/eve:/bin/bash
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    put(tmp_path, "/var/lib/dpkg/status", STATUS)
    put(tmp_path, "/var/lib/dpkg/info/cron.list", "\n".join(OWNED))
    put(tmp_path, "/etc/passwd", PASSWD)
    (tmp_path / "usr/lib").mkdir(parents=True)
    (tmp_path / "lib").symlink_to("usr/lib")
    for path in OWNED:
        put(tmp_path, path, CRONTAB if path == "/etc/crontab" else "")
    # Debian's default.target is a link (systemd.special(7)).
    (tmp_path / "lib/systemd/system/default.target").unlink()
    link(tmp_path, "/lib/systemd/system/default.target", "graphical.target")
    return tmp_path


def found(root: Path, *people: str, linger: tuple[str, ...] = ()) -> list[Finding]:
    host = Host(lambda *_argv, **_more: (127, "", "none"), str(root))
    return list(schedules.find(host, Declared(people=people, linger=linger)))


def one(root: Path, *people: str) -> Finding:
    (finding,) = found(root, *people)
    return finding


def test_what_packages_brought_is_no_finding(root: Path) -> None:
    assert found(root) == []


LEGITIMATE_FILES = (
    "/etc/systemd/system/research-server-firewall.service",
    "/etc/systemd/system/research-server-loopback.service",
    "/etc/systemd/system/research-server-drift.timer",
    "/etc/systemd/system/research-server-drift-notify@.service",
    "/etc/systemd/system/research-server-sshd-2222.socket",
    "/etc/systemd/system/research-server-sshd-undo-at-boot.service",
    "/run/systemd/transient/research-server-firewall-undo.timer",
    "/etc/systemd/system/jupyter@.service",
    "/etc/systemd/system/jupyter@ada.service.d/50-research-server.conf",
    "/etc/systemd/system/jupyter@.socket",
    "/etc/systemd/system/jupyterhub.service",
    "/etc/systemd/system/jupyterhub.socket",
    "/etc/systemd/system/jupyterhub-login.socket",
    "/etc/systemd/system/jupyterhub-login@.service",
    "/etc/systemd/system/jupyter@ada.socket.d/50-research-server.conf",
    "/etc/systemd/system/user-1002.slice.d/50-research-server.conf",
    "/etc/systemd/system/nftables.service.d/50-research-server.conf",
    "/etc/systemd/system/nftables.service.d/60-research-server-fail2ban.conf",
    "/etc/systemd/system/fail2ban.service.d/50-research-server.conf",
    "/etc/systemd/system/ssh.service.d/50-research-server.conf",
    "/etc/systemd/system/sockets.target.d/research-server-sshd.conf",
    "/etc/systemd/system-generators/systemd-ssh-generator",
    "/etc/sysctl.d/zz-research-server-sshd.conf",
    "/etc/modprobe.d/research-server-nvidia.conf",
    "/etc/modules-load.d/research-server-nvidia.conf",
    "/etc/cron.d/something.dpkg-old",
    "/etc/cron.d/.placeholder",
    "/etc/sysctl.d/README.sysctl",
    "/etc/modules",
    "/run/systemd/transient/session-4.scope",
    "/run/systemd/transient/docker-0123.scope",
    "/run/systemd/transient/user-1000.slice.d/50-MemoryMax.conf",
    "/home/ada/.config/systemd/user/training.service",
)


@pytest.mark.parametrize("path", LEGITIMATE_FILES)
def test_files_of_roles_and_what_nobody_reads(root: Path, path: str) -> None:
    put(root, path)
    assert found(root) == []


LEGITIMATE_LINKS = (
    ("/etc/systemd/system/multi-user.target.wants/cron.service", "/lib/systemd/system/cron.service"),
    ("/etc/systemd/system/multi-user.target.wants/cron.service", "/usr/lib/systemd/system/cron.service"),
    ("/etc/systemd/system/getty.target.wants/getty@tty1.service", "/lib/systemd/system/getty@.service"),
    ("/etc/systemd/system/sockets.target.wants/jupyter@ada.socket", "/etc/systemd/system/jupyter@.socket"),
    ("/etc/systemd/system/multi-user.target.wants/gone.service", "/lib/systemd/system/gone.service"),
    ("/etc/systemd/user/sockets.target.wants/podman.socket", "/usr/lib/systemd/user/podman.socket"),
    ("/etc/systemd/system/sshd.service", "/lib/systemd/system/ssh.service"),
    ("/etc/systemd/system/default.target", "/lib/systemd/system/multi-user.target"),
    ("/etc/systemd/system/never-there.service", "/dev/null"),
)


@pytest.mark.parametrize(("path", "target"), LEGITIMATE_LINKS)
def test_links_that_systemctl_makes(root: Path, path: str, target: str) -> None:
    link(root, path, target)
    assert found(root) == []


FOREIGN = (
    ("/etc/cron.d/evil", "* * * * * root /tmp/x\n", "error"),
    ("/etc/cron.hourly/evil", "#!/bin/sh\n/tmp/x\n", "error"),
    ("/etc/rc.local", "/tmp/x\n", "error"),
    ("/etc/init.d/evil", "", "error"),
    ("/etc/anacrontab", "1 5 evil /tmp/x\n", "error"),
    ("/etc/udev/rules.d/99-evil.rules", 'ACTION=="add", RUN+="/tmp/x"\n', "error"),
    ("/etc/udev/rules.d/99-odd.rules", 'KERNEL=="sda", SYMLINK+="disk"\n', "warning"),
    ("/usr/lib/udev/rules.d/99-odd.rules", "", "warning"),
    ("/etc/modprobe.d/evil.conf", "install loop /tmp/x\n", "error"),
    ("/etc/modprobe.d/odd.conf", "options loop max_loop=9\n", "warning"),
    ("/etc/modules-load.d/odd.conf", "evil\n", "warning"),
    ("/etc/modules", "# comment\nevil\n", "warning"),
    ("/etc/sysctl.d/99-odd.conf", "net.ipv4.ip_forward = 1\n", "warning"),
    ("/etc/tmpfiles.d/evil.conf", "C /root/.ssh/authorized_keys - - - - /tmp/k\n", "error"),
    ("/etc/binfmt.d/evil.conf", ":evil:E::x::/tmp/x:C\n", "error"),
    ("/etc/logrotate.d/evil", "/var/log/x { postrotate\n/tmp/x\nendscript }\n", "error"),
    ("/etc/update-motd.d/99-evil", "/tmp/x\n", "error"),
    ("/etc/network/if-up.d/evil", "/tmp/x\n", "error"),
    ("/etc/kernel/postinst.d/evil", "/tmp/x\n", "error"),
    ("/etc/initramfs-tools/scripts/init-top/evil", "/tmp/x\n", "error"),
    ("/usr/share/dbus-1/system-services/evil.service", "", "error"),
    ("/etc/systemd/system/evil.service", "[Service]\nExecStart=/tmp/x\n", "error"),
    ("/etc/systemd/system/research-server-evil.service", "[Service]\nExecStart=/tmp/x\n", "error"),
    ("/etc/systemd/system/evil.timer", "", "error"),
    ("/etc/systemd/system/cron.service", "", "error"),
    ("/etc/systemd/system/cron.service.d/override.conf", "[Service]\nEnvironment=LD_PRELOAD=/tmp/x\n", "error"),
    ("/etc/systemd/system/jupyter@.service.d/evil.conf", "[Service]\nUser=root\n", "error"),
    ("/etc/systemd/system/service.d/all.conf", "", "error"),
    ("/etc/systemd/system.control/cron.service.d/50-CPU.conf", "", "error"),
    ("/run/systemd/system/evil.service", "", "error"),
    ("/run/systemd/transient/page.service", "", "error"),
    ("/usr/local/lib/systemd/system/evil.service", "", "error"),
    ("/usr/lib/systemd/system/evil.service", "", "error"),
    ("/etc/systemd/user/evil.service", "", "error"),
    ("/root/.config/systemd/user/evil.service", "", "error"),
    ("/etc/systemd/system-generators/evil", "#!/bin/sh\n", "error"),
    ("/etc/systemd/system-generators/systemd-ssh-generator", "#!/bin/sh\n", "error"),
    ("/usr/local/lib/systemd/system-generators/evil", "#!/bin/sh\n", "error"),
    ("/etc/systemd/user-environment-generators/evil", "#!/bin/sh\n", "error"),
)


@pytest.mark.parametrize(("path", "text", "severity"), FOREIGN)
def test_what_neither_package_nor_role_brought(root: Path, path: str, text: str, severity: str) -> None:
    put(root, path, text)
    finding = one(root)
    assert (finding.topic, finding.name, finding.severity) == ("schedules", path, severity)
    assert "no package and no role" in finding.found
    assert finding.way_out


def test_a_unit_of_somebodys_says_what_it_does_and_how_it_goes(root: Path) -> None:
    put(root, "/etc/systemd/system/evil.timer", "# hidden\n[Timer]\nOnBootSec=1\n")
    finding = one(root)
    assert finding.found == "a file of no package and no role: [Timer], OnBootSec=1"
    path = "/etc/systemd/system/evil.timer"
    assert finding.way_out == f"systemctl disable --now evil.timer; rm {path} && systemctl daemon-reload"


def test_a_unit_in_the_place_of_a_package(root: Path) -> None:
    put(root, "/etc/systemd/system/cron.service", "[Service]\n")
    assert one(root).found.startswith("in place of /usr/lib/systemd/system/cron.service: ")


def test_names_of_chance_are_left_out(root: Path) -> None:
    put(root, "/run/systemd/transient/run-u42.service")
    put(root, "/run/systemd/transient/run-p12-i34.timer")
    put(root, f"/run/systemd/transient/run-r{'a' * 32}.path")
    names = {finding.name for finding in found(root)}
    assert names == {f"/run/systemd/transient/run-*.{kind}" for kind in ("service", "timer", "path")}


def test_the_changed_crontab_shows_what_was_added(root: Path) -> None:
    put(root, "/etc/crontab", f"{CRONTAB}* * * * * root /tmp/x\n")
    finding = one(root)
    assert (finding.name, finding.severity) == ("/etc/crontab", "error")
    assert finding.found == "a file with another content: SHELL=/bin/sh, * * * * * root /tmp/x"
    assert finding.way_out.endswith(" cron")


def test_blacklists_and_comments_give_nobody_anything(root: Path) -> None:
    put(root, "/etc/modprobe.d/hoster.conf", "# hoster\nblacklist pcspkr\n\n")
    put(root, "/etc/sysctl.d/90-hoster.conf", "# nothing\n; nothing\n")
    assert found(root) == []


MASKED_AND_REPLACED = (
    ("/etc/systemd/system/ssh.service", "/dev/null", "masked", "systemctl unmask ssh.service"),
    ("/etc/systemd/system/ssh.service", "/lib/systemd/system/cron.service", "in place of", "rm "),
    ("/etc/systemd/system/evil.service", "/home/eve/evil.service", "a link to /home/eve/evil.service", "rm "),
    ("/etc/systemd/system/timers.target.wants/evil.timer", "/tmp/evil.timer", "a link to /tmp/evil.timer", "rm "),
    ("/etc/systemd/system/cron.service.d/x.conf", "/tmp/x.conf", "a link to /tmp/x.conf", "rm "),
    ("/etc/cron.daily/evil", "/home/eve/x", "a link to /home/eve/x", "rm "),
    ("/etc/systemd/system/sysinit.target.wants/debug-shell.service", "/lib/systemd/system/debug-shell.service", "a shell", "systemctl disable"),
)  # fmt: skip


@pytest.mark.parametrize(("path", "target", "says", "way_out"), MASKED_AND_REPLACED)
def test_links_that_are_somebodys(root: Path, path: str, target: str, says: str, way_out: str) -> None:
    link(root, path, target)
    finding = one(root)
    assert finding.name == path
    assert says in finding.found
    assert finding.way_out.startswith(way_out)


def test_what_debian_masks_until_a_package_is_purged(root: Path) -> None:
    link(root, "/etc/systemd/system/cron.service", "/dev/null")
    put(root, "/var/lib/systemd/deb-systemd-helper-masked/cron.service")
    assert found(root) == []


def test_a_generator_that_is_switched_off(root: Path) -> None:
    link(root, "/etc/systemd/system-generators/systemd-fstab-generator", "/dev/null")
    assert one(root).severity == "warning"


def test_a_folder_and_a_role_s_file_that_everybody_can_write_to(root: Path) -> None:
    put(root, "/etc/systemd/system/jupyter@.service").chmod(0o666)
    (root / "etc/cron.daily").chmod(0o777)
    assert {(finding.name, finding.severity) for finding in found(root)} == {
        ("/etc/cron.daily", "error"),
        ("/etc/systemd/system/jupyter@.service", "error"),
    }


@pytest.mark.parametrize(
    ("name", "people", "severity"),
    [
        ("root", (), "error"),
        ("backup", (), "warning"),
        ("ada", (), "notice"),
        ("ada", ("ada",), "notice"),
        ("eve", ("ada",), "warning"),
        ("nobody-there", (), "warning"),
    ],
)
def test_crontabs(root: Path, name: str, people: tuple[str, ...], severity: str) -> None:
    put(root, f"/var/spool/cron/crontabs/{name}", "# DO NOT EDIT\nMAILTO = x\n@reboot /tmp/x\n")
    finding = one(root, *people)
    assert (finding.name, finding.severity) == (f"crontab of {name}", severity)
    assert finding.found == "1 of cron's lines: @reboot /tmp/x"
    assert finding.way_out.startswith(f"crontab -u {name} -r")


def test_crontabs_without_jobs(root: Path) -> None:
    put(root, "/var/spool/cron/crontabs/root", "# nothing\n\nMAILTO=x\n")
    put(root, "/var/spool/cron/crontabs/tmp.abc", "* * * * * x\n")
    assert found(root) == []


def test_at_jobs_are_told_by_their_owner(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(root, "/etc/passwd", f"somebody:x:{os.getuid()}:0::/:/bin/sh\n")
    put(root, "/var/spool/cron/atjobs/.SEQ")
    assert found(root) == []
    put(root, "/var/spool/cron/atjobs/a0000101c2d3e4")
    put(root, "/var/spool/cron/atjobs/a0000201c2d3e5")
    finding = one(root)
    assert (finding.name, finding.found) == ("at jobs of somebody", "2 jobs for later")


@pytest.mark.parametrize(
    ("name", "people", "severity"),
    [("ada", (), None), ("ada", ("ada",), None), ("root", (), "error"), ("backup", (), "warning"), ("eve", ("ada",), "warning")],
)
def test_lingering(root: Path, name: str, people: tuple[str, ...], severity: str | None) -> None:
    put(root, f"/var/lib/systemd/linger/{name}")
    told = [(finding.name, finding.severity) for finding in found(root, *people)]
    assert told == ([(f"lingering of {name}", severity)] if severity else [])


def test_who_shall_linger_is_no_finding(root: Path) -> None:
    put(root, "/var/lib/systemd/linger/eve")
    assert found(root, "ada") != [] and found(root, "ada", linger=("eve",)) == []


def test_what_people_put_in_the_way(root: Path) -> None:
    (root / "var/spool/cron/crontabs").mkdir(parents=True)
    os.mkfifo(root / "var/spool/cron/crontabs/ada")
    link(root, "/var/spool/cron/crontabs/eve", "/etc/passwd")
    (root / "etc/cron.d").mkdir()
    os.mkfifo(root / "etc/cron.d/pipe")
    put(root, "/etc/cron.d/big", "x\n" * 2_000_000)
    (root / "etc/cron.weekly").mkdir()
    (root / "etc/cron.weekly/bytes").write_bytes(b"\xff\xfe\n")
    assert {finding.name for finding in found(root)} == {"/etc/cron.d/pipe", "/etc/cron.d/big", "/etc/cron.weekly/bytes"}
    assert all("\n" not in finding.found and len(finding.found) < 500 for finding in found(root))


def test_a_host_without_dpkg_has_jobs_all_the_same(root: Path) -> None:
    (root / "var/lib/dpkg/status").unlink()
    put(root, "/etc/cron.d/evil")
    put(root, "/var/spool/cron/root", "* * * * * x\n")
    assert one(root).name == "crontab of root"


@pytest.mark.parametrize(
    "path",
    [
        *(
            f"{top}/{name}.d/x.conf"
            for top in schedules.FOLDERS
            for name in ("tmpfiles", "sysctl", "modprobe", "sysusers", "binfmt")
        ),
        "/etc/systemd/logind.conf.d/x.conf",
        "/usr/lib/systemd/journald.conf.d/x.conf",
        "/etc/dbus-1/system.d/x.conf",
        "/usr/local/share/dbus-1/system-services/x.service",
        "/etc/systemd/system/user-.slice.d/x.conf",
        "/etc/systemd/system.control/user-1000.slice.d/50-TasksMax.conf",
    ],
)
def test_settings_wherever_systemd_looks_for_them(root: Path, path: str) -> None:
    put(root, path, "x = 1\n")
    assert one(root).name == path


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/run/tmpfiles.d/static-nodes.conf", "c! /dev/fuse 0600 - - - 10:229\nd /dev/net 0755 - - -\n"),
        ("/run/udev/rules.d/99-netplan-eth0.rules", 'SUBSYSTEM=="net", NAME="lan"\n'),
        ("/run/systemd/transient/user-1000.slice.d/50-x.conf", "[Slice]\n"),
        ("/etc/systemd/journald.conf.d/x.conf", "# nothing\n[Journal]\n"),
        ("/etc/systemd/logind.conf.d/50-research-server.conf", "[Login]\nKillUserProcesses=no\n"),
    ],
)
def test_what_programs_write_at_boot_is_no_finding(root: Path, path: str, text: str) -> None:
    put(root, path, text)
    assert found(root) == []


def test_a_rule_that_starts_something_is_one_wherever_it_is(root: Path) -> None:
    put(root, "/run/udev/rules.d/99-x.rules", 'RUN+="/bin/x"\n')
    assert one(root).name == "/run/udev/rules.d/99-x.rules"


@pytest.mark.parametrize(
    ("path", "text", "roles", "told"),
    [
        ("/etc/systemd/system/research-server-drift.service", "[Service]\n", ("drift",), False),
        ("/etc/systemd/system/research-server-drift.service", "[Service]\n", ("sshd",), True),
        ("/etc/systemd/system/research-server-drift.service", "[Service]\n", (), False),
        ("/etc/systemd/system/jupyter@ada.service.d/50-research-server.conf", "[Service]\n", ("sshd",), True),
        ("/etc/systemd/logind.conf.d/50-research-server.conf", "[Login]\nRemoveIPC=no\n", ("jupyter",), True),
        ("/etc/systemd/logind.conf.d/50-research-server-jupyter.conf", "[Login]\nRemoveIPC=no\n", ("jupyter",), False),
        ("/etc/systemd/logind.conf.d/50-research-server-jupyter.conf", "[Login]\nRemoveIPC=no\n", ("workbench",), True),
        ("/etc/systemd/system/jupyterhub.service", "[Service]\n", ("jupyterhub",), False),
        ("/etc/systemd/system/jupyterhub.service", "[Service]\n", ("jupyter",), True),
        ("/etc/systemd/system/jupyterhub-login@.service", "[Service]\n", ("jupyterhub",), False),
        ("/etc/systemd/system/jupyterhub-login@.service", "[Service]\n", ("jupyter",), True),
        ("/etc/modprobe.d/research-server-nvidia.conf", "options nouveau modeset=0\n", ("nvidia",), False),
        ("/etc/modprobe.d/research-server-nvidia.conf", "options nouveau modeset=0\n", ("sshd",), True),
        ("/etc/modprobe.d/research-server-nvidia.conf", "install dummy /bin/x\n", ("nvidia",), True),
    ],
)
def test_a_name_of_ours_is_good_for_the_roles_of_the_host(
    root: Path, path: str, text: str, roles: tuple[str, ...], told: bool
) -> None:
    put(root, path, text)
    host = Host(lambda *_argv, **_more: (127, "", "none"), str(root))
    names = [finding.name for finding in schedules.find(host, Declared(roles=roles))]
    assert names == ([path] if told else [])


def test_what_keeps_a_server_safe_is_switched_off(root: Path) -> None:
    put(root, "/usr/lib/systemd/system/apt-daily.timer")
    put(root, "/var/lib/dpkg/info/apt.list", "/lib/systemd/system/apt-daily.timer\n")
    link(root, "/etc/systemd/system/timers.target.wants/apt-daily.timer", "/lib/systemd/system/apt-daily.timer")
    put(root, f"{schedules.SWITCHED_ON}/timers.target.wants/apt-daily.timer")
    assert found(root) == []
    (root / "etc/systemd/system/timers.target.wants/apt-daily.timer").unlink()
    assert (one(root).name, one(root).way_out) == ("apt-daily.timer", "systemctl enable --now apt-daily.timer")
