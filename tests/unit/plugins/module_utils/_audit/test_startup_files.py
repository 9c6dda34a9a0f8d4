# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host of Debian below a folder, as far as start-up files go."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._audit import startup_files
from ansible_collections.openlab.research_server.plugins.module_utils._audit.declared import Declared
from ansible_collections.openlab.research_server.plugins.module_utils._audit.finding import Finding
from ansible_collections.openlab.research_server.plugins.module_utils._audit.host import Host
from ansible_collections.openlab.research_server.plugins.module_utils._conda.shell_files import READS_PROFILE
from ansible_collections.openlab.research_server.plugins.module_utils._jupyter import sessions
from ansible_collections.openlab.research_server.tests.unit.plugins.host_tree import link, put

pytestmark = pytest.mark.usefixtures("nobody_is_a_person")

CONFFILES = (
    "/etc/bash.bashrc",
    "/etc/hello.conf",
    "/etc/ld.so.conf.d/libc.conf",
    "/etc/login.defs",
    "/etc/pam.d/sshd",
    "/etc/python3.11/sitecustomize.py",
    "/etc/security/limits.conf",
    "/etc/skel/.bashrc",
    "/etc/ssh/moduli",
    "/etc/ssh/ssh_config",
    "/etc/sudoers",
    "/etc/sudoers.d/README",
    "/etc/zsh/zshenv",
)
TEXT = "as it came\n"
OWNED = (
    *CONFFILES,
    "/bin/bash",
    "/lib/x86_64-linux-gnu/libnss_files.so.2",
    "/lib/x86_64-linux-gnu/libnss_systemd.so.2",
    "/lib/x86_64-linux-gnu/security/pam_unix.so",
    "/usr/share/pam-configs/unix",
)
DIGEST = hashlib.md5(TEXT.encode()).hexdigest()
PROFILE = """\
Name: Unix authentication
Auth-Type: Primary
Auth-Initial:
\t[success=end default=ignore]\tpam_unix.so nullok
Session:
\trequired\tpam_unix.so
"""
TEMPLATES = {
    "common-auth": "# comment\n$auth_primary\nauth\trequisite\tpam_deny.so\nauth\trequired\tpam_permit.so\n$auth_additional\n",
    "common-session": "$session_primary\nsession\trequisite\tpam_deny.so\nsession\trequired\tpam_permit.so\n$session_additional\n",
}
AUTH = (
    "# here\nauth\t[success=1 default=ignore]\tpam_unix.so nullok\nauth\trequisite\tpam_deny.so\nauth\trequired\tpam_permit.so\n"
)
SESSION = (
    "session\t[default=1]\tpam_permit.so\nsession\trequisite\tpam_deny.so\nsession\trequired\tpam_permit.so\n"
    "session\trequired\tpam_unix.so \n"
)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    record = "".join(f" {path} {DIGEST}\n" for path in CONFFILES)
    put(tmp_path, "/var/lib/dpkg/status", f"Package: base\nStatus: install ok installed\nConffiles:\n{record}Version: 1\n")
    put(tmp_path, "/var/lib/dpkg/info/base.list", "\n".join(OWNED))
    (tmp_path / "usr/lib").mkdir(parents=True)
    (tmp_path / "lib").symlink_to("usr/lib")
    (tmp_path / "usr/bin").mkdir(parents=True)
    (tmp_path / "bin").symlink_to("usr/bin")
    for path in OWNED:
        put(tmp_path, path, TEXT)
    put(tmp_path, "/usr/share/pam-configs/unix", PROFILE)
    for name, text in TEMPLATES.items():
        put(tmp_path, f"/usr/share/pam/{name}", text)
        put(tmp_path, f"/usr/share/pam/{name}.md5sums", "")
    put(tmp_path, "/etc/pam.d/common-auth", AUTH)
    put(tmp_path, "/etc/pam.d/common-session", SESSION)
    for copy, source in {"/etc/profile": "profile", "/root/.bashrc": "dot.bashrc", "/root/.profile": "dot.profile"}.items():
        put(tmp_path, f"/usr/share/base-files/{source}", TEXT)
        put(tmp_path, copy, TEXT)
    put(tmp_path, "/etc/environment")
    put(
        tmp_path,
        "/etc/nsswitch.conf",
        "# comment\npasswd: files systemd\nshadow: files\nhosts: files dns [!UNAVAIL=return]\nservices: db files\n",
    )
    put(tmp_path, "/etc/hosts", "127.0.0.1 localhost\n::1 localhost ip6-localhost\n127.0.1.1 server.lab.example server\n")
    put(tmp_path, "/etc/resolv.conf", "nameserver 10.0.0.1\n")
    put(tmp_path, "/etc/hosts.allow", "# comment\n#ALL: LOCAL\n")
    put(tmp_path, "/etc/shells", "# comment\n/bin/bash\n/usr/bin/bash\n/bin/gone\n")
    return tmp_path  # fmt: skip


def found(root: Path) -> list[Finding]:
    return list(startup_files.find(Host(lambda *_argv, **_more: (127, "", "none"), str(root)), Declared()))


def one(root: Path) -> Finding:
    (finding,) = found(root)
    return finding


@pytest.mark.parametrize(("roles", "told"), [((), False), (("jupyterhub",), False), (("jupyter",), True)])
def test_the_login_s_rules_are_of_the_role_that_compares_them(root: Path, roles: tuple[str, ...], told: bool) -> None:
    put(root, "/etc/pam.d/research-server-jupyterhub", "@include common-auth\n")
    host = Host(lambda *_argv, **_more: (127, "", "none"), str(root))
    assert bool(list(startup_files.find(host, Declared(roles=roles)))) == told


def test_what_packages_left_is_no_finding(root: Path) -> None:
    assert found(root) == []


def test_a_host_without_dpkg_is_none_of_ours(root: Path) -> None:
    (root / "var/lib/dpkg/status").unlink()
    put(root, "/etc/ld.so.preload", "/tmp/x.so\n")
    assert found(root) == []


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/etc/profile.d/conda.sh", "role miniconda"),
        ("/etc/fish/conf.d/conda.fish", "role miniconda"),
        ("/etc/bash.bashrc", f"{READS_PROFILE}\n{TEXT}"),
        ("/etc/zsh/zshenv", f"{READS_PROFILE}\n{TEXT}"),
        ("/etc/profile.d/README", "nobody sources it"),
        ("/etc/profile.d/old.sh.dpkg-old", ""),
        ("/etc/ld.so.preload", ""),
        ("/etc/security/opasswd", ""),
        ("/etc/pam.d/sshd.dpkg-dist", ""),
        ("/etc/environment", "LANG=C.UTF-8\nLC_ALL=C\n# comment\nhttps_proxy=http://proxy:3128\nno_proxy=lab\n"),
        ("/etc/environment", 'PATH="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/usr/games"\n'),
        ("/etc/resolv.conf", "nameserver 8.8.8.8\n"),
        ("/etc/hosts", "10.0.0.5 mirror.lab.example\n127.0.1.1 debian\n"),
        ("/usr/local/lib/python3.11/dist-packages/numpy/core.py", ""),
        ("/usr/lib/python3/dist-packages/distutils-precedence.pth", ""),
        ("/home/ada/.bashrc", "people's own"),
    ],
)
def test_what_is_legitimate(root: Path, path: str, text: str) -> None:
    put(root, path, text)
    assert found(root) == []


def test_links_of_systemd_to_files_of_packages(root: Path) -> None:
    put(root, "/var/lib/dpkg/info/systemd.list", "/usr/lib/systemd/profile.d/70-extra.sh\n")
    link(root, "/etc/profile.d/70-extra.sh", "/usr/lib/systemd/profile.d/70-extra.sh")
    assert found(root) == []


def test_resolv_conf_of_a_service(root: Path) -> None:
    link(root, "/etc/resolv.conf", "../run/systemd/resolve/stub-resolv.conf")
    assert found(root) == []


def test_texts_of_earlier_releases(root: Path) -> None:
    put(root, "/usr/share/base-files/dot.profile.md5sums", f"{'0' * 32} 8\n{hashlib.md5(b'older').hexdigest()} 11\n")
    put(root, "/root/.profile", "older")
    assert found(root) == []


@pytest.mark.parametrize(
    ("path", "severity"),
    [
        ("/etc/ld.so.preload", "error"),
        ("/etc/ssh/sshrc", "error"),
        ("/root/.ssh/rc", "error"),
        ("/root/.bash_profile", "warning"),
        ("/etc/ld.so.conf.d/evil.conf", "error"),
        ("/etc/profile.d/evil.sh", "error"),
        ("/etc/profile.d/research-server.sh", "error"),
        ("/etc/fish/conf.d/evil.fish", "error"),
        ("/etc/pam.d/evil", "error"),
        ("/etc/security/limits.d/evil.conf", "warning"),
        ("/etc/ssh/ssh_config.d/evil.conf", "error"),
        ("/etc/skel/.bash_profile", "warning"),
        ("/etc/skel/.ssh/authorized_keys", "error"),
        ("/etc/environment.d/evil.conf", "error"),
        ("/usr/lib/environment.d/evil.conf", "error"),
        ("/etc/xdg/autostart/evil.desktop", "error"),
        ("/etc/xdg/pip/pip.conf", "warning"),
        ("/etc/ssh/ssh_known_hosts", "warning"),
        ("/usr/lib/python311.zip", "error"),
        ("/etc/bash_completion.d/evil", "warning"),
        ("/lib/x86_64-linux-gnu/security/pam_evil.so", "error"),
        ("/usr/lib/python3/dist-packages/evil.pth", "error"),
        ("/usr/lib/python3/dist-packages/sitecustomize.py", "error"),
        ("/usr/local/lib/python3.11/dist-packages/evil.pth", "error"),
    ],
)
def test_files_of_nobody(root: Path, path: str, severity: str) -> None:
    put(root, path, "evil")
    finding = one(root)
    name = path.replace("/lib/x86", "/usr/lib/x86")
    assert (finding.topic, finding.name, finding.severity) == ("start-up files", name, severity)
    assert finding.way_out == f"rm {name}"


@pytest.mark.parametrize(
    ("path", "severity", "way_out"),
    [
        ("/etc/bash.bashrc", "error", " base"),
        ("/etc/zsh/zshenv", "error", " base"),
        ("/etc/pam.d/sshd", "error", " base"),
        ("/etc/python3.11/sitecustomize.py", "error", " base"),
        ("/etc/ld.so.conf.d/libc.conf", "error", " base"),
        ("/etc/security/limits.conf", "warning", " base"),
        ("/etc/skel/.bashrc", "warning", " base"),
        ("/etc/login.defs", "warning", " base"),
        ("/etc/ssh/ssh_config", "warning", " base"),
        ("/etc/hello.conf", "warning", " base"),
        ("/etc/profile", "error", "cp /usr/share/base-files/profile /etc/profile"),
        ("/root/.bashrc", "warning", "cp /usr/share/base-files/dot.bashrc /root/.bashrc"),
    ],
)
def test_changed_files_of_packages(root: Path, path: str, severity: str, way_out: str) -> None:
    put(root, path, f"{TEXT}/tmp/x\n")
    finding = one(root)
    assert (finding.name, finding.severity) == (path, severity)
    assert "another content" in finding.found
    assert finding.way_out.endswith(way_out)


@pytest.mark.parametrize(
    "text",
    [f"{READS_PROFILE}\n{TEXT}/tmp/x\n", f"/tmp/x\n{READS_PROFILE}\n{TEXT}", f"{READS_PROFILE}; /tmp/x\n{TEXT}"],
    ids=["below", "above", "beside"],
)
def test_the_role_s_line_hides_nothing_else(root: Path, text: str) -> None:
    put(root, "/etc/bash.bashrc", text)
    assert one(root).name == "/etc/bash.bashrc"


def test_what_other_topics_tell(root: Path) -> None:
    paths = ("/etc/crontab", "/etc/cron.daily/apt", "/etc/apt/apt.conf.d/70debconf", "/etc/logrotate.d/apt", "/etc/sysctl.conf")
    record = "".join(f" {path} {DIGEST}\n" for path in paths)
    put(root, "/var/lib/dpkg/status", f"Package: base\nStatus: install ok installed\nConffiles:\n{record}")
    for path in paths:
        put(root, path, "another")
    assert found(root) == []


def test_a_conffile_that_is_gone_matters_for_pam_only(root: Path) -> None:
    (root / "etc/hello.conf").unlink()
    assert found(root) == []
    (root / "etc/pam.d/sshd").unlink()
    assert (one(root).name, one(root).found) == ("/etc/pam.d/sshd", "missing")


@pytest.mark.parametrize(
    ("before", "after", "says"),
    [
        ("# here", "auth sufficient pam_permit.so", "auth sufficient pam_permit.so"),
        ("# here", "auth [default=1] pam_permit.so", "auth [default=1] pam_permit.so"),
        ("# here", "auth optional pam_exec.so /tmp/x", "pam_exec.so /tmp/x"),
        ("# here", "@include evil", "@include evil"),
        ("default=ignore", "default=done", "default=done"),
        ("nullok", "nullok debug", "debug"),
        ("auth\trequisite\tpam_deny.so\n", "", "missing or moved"),
        ("auth\trequisite\tpam_deny.so\nauth\trequired\tpam_permit.so", "auth required pam_permit.so\nauth requisite pam_deny.so", "moved"),
    ],
)  # fmt: skip
def test_the_stacks_of_pam(root: Path, before: str, after: str, says: str) -> None:
    put(root, "/etc/pam.d/common-auth", AUTH.replace(before, after))
    finding = one(root)
    assert (finding.name, finding.severity, finding.way_out) == ("/etc/pam.d/common-auth", "error", "pam-auth-update --force")
    assert says in finding.found


def test_a_profile_of_nobody_makes_no_line_legitimate(root: Path) -> None:
    put(root, "/usr/share/pam-configs/evil", "Auth:\n\tsufficient\tpam_permit.so\n")
    put(root, "/etc/pam.d/common-auth", f"auth\tsufficient\tpam_permit.so\n{AUTH}")
    assert one(root).name == "/etc/pam.d/common-auth"


def test_the_lines_of_the_role_jupyter_in_their_stack_alone(root: Path) -> None:
    ours = "".join(f"{line}\n" for line in sessions.LINES)
    put(root, "/usr/share/pam/common-session-noninteractive", TEMPLATES["common-session"])
    put(root, sessions.STACK, SESSION + ours)
    assert found(root) == []
    put(root, "/etc/pam.d/common-session", SESSION + ours)
    assert one(root).name == "/etc/pam.d/common-session"


def test_a_stack_that_is_gone(root: Path) -> None:
    (root / "etc/pam.d/common-auth").unlink()
    assert one(root).found == "missing"


@pytest.mark.parametrize(
    ("line", "name", "severity"),
    [
        ("LD_PRELOAD=/tmp/x.so", "LD_PRELOAD", "error"),
        ("export LD_LIBRARY_PATH = '/tmp'", "LD_LIBRARY_PATH", "error"),
        ('PATH="/tmp:/usr/bin"', "PATH", "error"),
        ("PATH=.:/usr/bin", "PATH", "error"),
        ("PYTHONPATH=/tmp", "PYTHONPATH", "error"),
        ("BASH_ENV=/tmp/x", "BASH_ENV", "error"),
        ("MODEL=big", "MODEL", "warning"),
    ],
)
def test_the_environment(root: Path, line: str, name: str, severity: str) -> None:
    put(root, "/etc/environment", f"LANG=C\n{line}\n")
    finding = one(root)
    assert (finding.name, finding.severity) == (f"/etc/environment: {name}", severity)
    assert "sed -i" in finding.way_out


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("passwd: files evil", "passwd evil"),
        ("passwd: evil", "passwd evil"),
        ("shadow: systemd files", "shadow systemd"),
        ("hosts: files [SUCCESS=return] evil dns", "hosts evil"),
    ],
)
def test_name_services(root: Path, line: str, name: str) -> None:
    put(root, "/etc/nsswitch.conf", f"{line}\n")
    finding = one(root)
    assert (finding.name, finding.severity) == (f"/etc/nsswitch.conf: {name}", "error")


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("10.6.6.6 deb.debian.org", "deb.debian.org"),
        ("127.0.0.1 security.debian.org # quiet", "security.debian.org"),
        ("10.6.6.6 x.lab Conda.Anaconda.ORG.", "conda.anaconda.org"),
        ("10.6.6.6 pypi.org", "pypi.org"),
        ("10.6.6.6 localhost", "localhost"),
    ],
)
def test_names_of_the_outer_world(root: Path, line: str, name: str) -> None:
    put(root, "/etc/hosts", f"127.0.0.1 localhost\n{line}\n")
    assert one(root).name == f"/etc/hosts: {name}"


def test_a_resolver_s_file_in_somebody_s_hands(root: Path) -> None:
    link(root, "/etc/resolv.conf", "/home/eve/resolv.conf")
    (root / "etc/hosts").chmod(0o666)
    assert {(finding.name, finding.severity) for finding in found(root)} == {
        ("/etc/resolv.conf", "error"),
        ("/etc/hosts", "error"),
    }


@pytest.mark.parametrize(
    ("line", "severity"), [("sshd: ALL: spawn /tmp/x", "error"), ("ALL: \\\n ALL: twist x", "error"), ("sshd: ALL", "warning")]
)
def test_tcp_wrappers(root: Path, line: str, severity: str) -> None:
    put(root, "/etc/hosts.allow", f"# comment\n{line}\n")
    assert one(root).severity == severity  # fmt: skip


def test_a_shell_of_nobody(root: Path) -> None:
    put(root, "/usr/local/bin/evilsh")
    put(root, "/etc/shells", "/bin/bash\n/usr/local/bin/evilsh\n")
    finding = one(root)
    assert (finding.name, finding.way_out) == ("/etc/shells: /usr/local/bin/evilsh", "remove-shell /usr/local/bin/evilsh")


def test_what_is_in_the_way(root: Path) -> None:
    (root / "etc/profile.d").mkdir()
    os.mkfifo(root / "etc/profile.d/pipe.sh")
    (root / "etc/ld.so.preload").symlink_to("/tmp/x")
    for path in ("etc/hello.conf", "etc/login.defs"):
        (root / path).unlink()
    os.mkfifo(root / "etc/hello.conf")
    (root / "etc/login.defs").mkdir()
    put(root, "/etc/hosts", "x " * 2_000_000)
    (root / "etc/environment").write_bytes(b"\xff\xfe=1\n=\n")
    findings = found(root)
    assert {finding.name for finding in findings} == {
        "/etc/profile.d/pipe.sh",
        "/etc/ld.so.preload",
        "/etc/hello.conf",
        "/etc/login.defs",
        "/etc/environment: \\udcff\\udcfe",
    }
    assert all("\n" not in finding.found and len(finding.found) < 500 for finding in findings)


@pytest.mark.parametrize("path", ["/etc/sudoers", "/etc/sudoers.d/README"])
def test_rules_of_sudo_are_told_by_their_own_topic(root: Path, path: str) -> None:
    put(root, path, "another content\n")
    assert found(root) == []


def test_the_role_sshd_compares_its_groups_itself(root: Path) -> None:
    put(root, "/etc/ssh/moduli", "weak groups taken out\n")
    assert one(root).name == "/etc/ssh/moduli"
    put(root, "/etc/ssh/sshd_config.d/00-research-server.conf")
    put(root, "/etc/ssh/ssh_config", "another content\n")
    assert one(root).name == "/etc/ssh/ssh_config"


@pytest.mark.parametrize("path", ["/usr/lib/python3.11/usercustomize.py", "/root/.local/lib/python3.11/site-packages/evil.pth"])
def test_hooks_of_a_python_that_is_there(root: Path, path: str) -> None:
    (root / "usr/lib/python3.11").mkdir()
    put(root, path, "evil")
    assert one(root).name == path


def test_what_nginx_serves_beside_the_labs_door(root: Path) -> None:
    put(root, "/etc/nginx/conf.d/research-server.conf")
    put(root, "/etc/nginx/conf.d/evil.conf")
    assert found(root) == [], "without the role proxy nginx is somebody's own"
    (root / "etc/nginx/research-server").mkdir()
    assert one(root).name == "/etc/nginx/conf.d/evil.conf"


def with_answer(root: Path, program: str, answer: str) -> list[Finding]:
    def attempt(*argv: str) -> tuple[int, str, str]:
        return (0, answer, "") if argv[0] == program else (127, "", "")

    return list(startup_files.find(Host(attempt, str(root)), Declared()))


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("core.hookspath\n/tmp/x", True),
        ("alias.st\n!/tmp/x", True),
        ("alias.st\nstatus", False),
        ("url.https://evil/.insteadof\nhttps://github.com/", True),
        ("include.path\n/srv/gitconfig", True),
        ("filter.lfs.process\ngit-lfs filter-process", False),
        ("filter.nbstripout.clean\n/opt/c/bin/python -I /usr/local/bin/research-server-nbstripout clean", False),
        ("filter.nbstripout.smudge\ncat", False),
        ("user.name\nLab", False),
    ],
)
def test_what_everybodys_git_starts(root: Path, entry: str, told: bool) -> None:
    put(root, "/etc/gitconfig")
    names = [finding.name for finding in with_answer(root, "git", f"{entry}\0")]
    assert names == ([f"/etc/gitconfig: {entry.partition(chr(10))[0]}"] if told else [])


@pytest.mark.parametrize(
    ("line", "severity"),
    [("LANG=C.UTF-8", ""), ("PATH=/usr/local/bin:/usr/bin", ""), ("LD_PRELOAD=/tmp/x.so", "error"), ("LAB=x", "warning")],
)
def test_what_systemd_hands_to_its_services(root: Path, line: str, severity: str) -> None:
    told = [(finding.name, finding.severity) for finding in with_answer(root, "systemctl", f"{line}\n")]
    assert told == ([(f"environment of systemd: {line.partition('=')[0]}", severity)] if severity else [])


def test_a_certificate_that_somebody_put_into_the_bundle(root: Path) -> None:
    def certificate(body: str) -> str:
        return f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n"

    put(root, "/usr/share/ca-certificates/mozilla/a.crt", certificate("AAAA"))
    put(root, "/usr/local/share/ca-certificates/lab.crt", certificate("BB\nBB"))
    put(root, "/etc/ssl/certs/ca-certificates.crt", certificate("AAAA") + certificate("BBBB"))
    assert found(root) == []
    put(root, "/etc/ssl/certs/ca-certificates.crt", certificate("AAAA") + certificate("CCCC"))
    assert one(root).name.startswith("/etc/ssl/certs/ca-certificates.crt: ")


def test_the_file_of_groups_for_key_exchange_is_gone(root: Path) -> None:
    (root / "etc/ssh/moduli").unlink()
    assert (one(root).name, one(root).found) == ("/etc/ssh/moduli", "missing")
