# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host with apt below a folder."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._audit import sources
from ansible_collections.openlab.research_server.plugins.module_utils._audit.declared import Declared
from ansible_collections.openlab.research_server.plugins.module_utils._audit.finding import Finding
from ansible_collections.openlab.research_server.plugins.module_utils._audit.host import Host
from ansible_collections.openlab.research_server.tests.unit.plugins.host_tree import put

pytestmark = pytest.mark.usefixtures("nobody_is_a_person")

HOOK = 'DPkg::Pre-Install-Pkgs {"/usr/sbin/dpkg-preconfigure --apt || true";};\n'
STATUS = f"""\
Package: debconf
Status: install ok installed
Conffiles:
 /etc/apt/apt.conf.d/70debconf {hashlib.md5(HOOK.encode()).hexdigest()}
Version: 1
"""
OWNED = (
    "/etc/apt/apt.conf.d/70debconf",
    "/etc/apt/trusted.gpg.d/debian.asc",
    "/usr/share/keyrings/debian-archive-keyring.gpg",
    "/usr/share/keyrings/vendor.gpg",
)
DEBIAN = (
    "deb http://mirror.lab.example/debian bookworm main\ndeb http://security.debian.org/debian-security bookworm-security main\n"
)
DEB822 = "Types: deb\nURIs: http://mirror.lab.example/debian\nSuites: bookworm\nComponents: main\nSigned-By: {key}\n"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    put(tmp_path, "/var/lib/dpkg/status", STATUS)
    put(tmp_path, "/var/lib/dpkg/info/base.list", "\n".join(OWNED))
    for path in OWNED:
        put(tmp_path, path, HOOK)
    put(tmp_path, "/etc/apt/sources.list", f"# comment\n{DEBIAN}deb cdrom:[Debian 12]/ bookworm main\n")
    for index, origin in {
        "mirror.lab.example_debian_dists_bookworm_InRelease": "Debian",
        "mirror.lab.example_debian_dists_bookworm-backports_InRelease": "Debian Backports",
        "security.debian.org_debian-security_dists_bookworm-security_InRelease": "Debian",
        "evil.example_debian_dists_bookworm_Release": "Evil",
    }.items():
        put(tmp_path, f"/var/lib/apt/lists/{index}", f"Hash: SHA256\nOrigin: {origin}\nLabel: x\n")
    return tmp_path


def found(root: Path) -> list[Finding]:
    return list(sources.find(Host(lambda *_argv, **_more: (127, "", "none"), str(root)), Declared()))


def one(root: Path) -> Finding:
    (finding,) = found(root)
    return finding


def test_a_host_as_it_was_installed(root: Path) -> None:
    assert found(root) == []


def test_a_host_without_dpkg(root: Path) -> None:
    (root / "var/lib/dpkg/status").unlink()
    put(root, "/etc/apt/sources.list", "deb [trusted=yes] http://evil.example/ ./\n")
    assert found(root) == []


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/etc/apt/sources.list.d/debian.sources", DEB822.format(key=KEYRING)),
        ("/etc/apt/sources.list.d/backports.list", "deb http://mirror.lab.example/debian bookworm-backports main\n"),
        ("/etc/apt/sources.list.d/new.list", "deb http://ftp.de.debian.org/debian bookworm-updates main\n"),
        ("/etc/apt/sources.list.d/src.list", "deb-src http://evil.example/debian bookworm main\n"),
        ("/etc/apt/sources.list.d/off.list.disabled", "deb http://evil.example/debian bookworm main\n"),
        ("/etc/apt/sources.list.d/off.sources", f"Enabled: no\n{DEB822.format(key='/tmp/k.gpg')}Trusted: yes\n"),
        ("/etc/apt/sources.list.d/research-server-nvidia.sources", "Types: deb\nURIs: https://developer.download.nvidia.com/x\nSuites: /\n"),
        ("/etc/apt/keyrings/research-server-nvidia.asc", "key"),
        ("/etc/apt/preferences.d/research-server-nvidia", "Package: *\n"),
        ("/etc/apt/trusted.gpg", ""),
        ("/etc/apt/trusted.gpg~", "backup"),
        ("/etc/apt/apt.conf.d/20auto-upgrades", 'APT::Periodic::Unattended-Upgrade "1";\n'),
        ("/etc/apt/apt.conf", 'Acquire::http::Proxy "http://proxy:3128";\n'),
        ("/etc/apt/apt.conf.d/comments", '// DPkg::Pre-Invoke {"x";};\n# AllowUnauthenticated "true";\n/* DPkg::Post-Invoke {"x";}; */\n'),
        ("/etc/apt/apt.conf.d/off.disabled", 'DPkg::Pre-Invoke {"/tmp/x";};\n'),
        (
            "/etc/apt/apt.conf.d/docker-clean",
            'DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb /var/cache/apt/archives/partial/*.deb /var/cache/apt/*.bin || true"; };\n'
            'APT::Update::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb || true"; };\n',
        ),
        ("/etc/dpkg/dpkg.cfg.d/testbed", "force-unsafe-io\n"),
    ],
)  # fmt: skip
def test_what_is_legitimate(root: Path, path: str, text: str) -> None:
    put(root, path, text)
    assert found(root) == []


def test_an_image_without_any_index(root: Path) -> None:
    for path in (root / "var/lib/apt/lists").iterdir():
        path.unlink()
    put(root, "/etc/apt/sources.list", "deb http://deb.debian.org/debian bookworm main\n")
    assert found(root) == []
    put(root, "/etc/apt/sources.list", "deb http://evil.example/apt bookworm main\n")
    assert "nobody knows" in one(root).found


def test_a_list_of_mirrors(root: Path) -> None:
    put(root, "/etc/apt/sources.list", "deb mirror+file:/etc/apt/mirrors/debian.list bookworm main\n")
    put(root, "/etc/apt/mirrors/debian.list", "https://deb.debian.org/debian\n")
    assert found(root) == []
    put(root, "/etc/apt/mirrors/debian.list", "https://deb.debian.org/debian\nhttps://deb.debian.org.evil.example/debian\n")
    assert one(root).name == "mirror+file:/etc/apt/mirrors/debian.list bookworm"


@pytest.mark.parametrize(
    ("path", "text", "name", "why"),
    [
        ("sources.list.d/evil.list", "deb http://evil.example/debian bookworm main\n", "http://evil.example/debian bookworm", "of Evil"),
        ("sources.list.d/evil.list", "deb http://new.example/debian sid main\n", "http://new.example/debian sid", "no index"),
        ("sources.list.d/evil.list", "deb http://deb.debian.org.evil.example/debian x main\n", "http://deb.debian.org.evil.example/debian x", "no index"),
        ("sources.list.d/evil.list", "deb http://a:b@new.example/debian sid main\n", "http://…hidden…@new.example/debian sid", "no index"),
        ("sources.list.d/x.sources", DEB822.format(key="/etc/apt/keyrings/evil.gpg"), "http://mirror.lab.example/debian bookworm", "/etc/apt/keyrings/evil.gpg"),
        ("sources.list.d/x.sources", DEB822.format(key="\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n x"), "http://mirror.lab.example/debian bookworm", "in the source itself"),
        ("sources.list.d/research-server-evil.list", "deb http://evil.example/debian bookworm main\n", "http://evil.example/debian bookworm", "of Evil"),
    ],
)  # fmt: skip
def test_sources_of_nobody(root: Path, path: str, text: str, name: str, why: str) -> None:
    put(root, f"/etc/apt/{path}", text)
    finding = one(root)
    assert finding.topic == "apt sources"
    assert finding.name == name.replace("…hidden…", sources.mask_urls("//a:b@x")[2:-2])
    assert finding.severity == "error"
    assert why in finding.found
    assert f"/etc/apt/{path}" in finding.way_out


@pytest.mark.parametrize(
    ("text", "option"),
    [
        ("deb [trusted=yes] {uri}", "trusted=yes"),
        ("deb [arch=amd64 allow-insecure=yes] {uri}", "allow-insecure=yes"),
        ("deb [ allow-weak=true ] {uri}", "allow-weak=true"),
        ("deb [check-valid-until=no] {uri}", "check-valid-until=no"),
        ("deb-src [trusted=yes] {uri}", "trusted=yes"),
    ],
)
def test_options_of_a_source(root: Path, text: str, option: str) -> None:
    put(root, "/etc/apt/sources.list", f"{text.format(uri='http://mirror.lab.example/debian bookworm main')}\n")
    assert one(root).name == f"/etc/apt/sources.list: {option}"


@pytest.mark.parametrize(
    ("field", "told"), [("Trusted: yes", 1), ("Allow-Insecure: yes", 1), ("Check-Date: no", 1), ("Trusted: no", 0)]
)
def test_options_of_a_source_in_the_new_format(root: Path, field: str, told: int) -> None:
    put(root, "/etc/apt/sources.list.d/x.sources", f"{DEB822.format(key=KEYRING)}{field}\n")
    assert len(found(root)) == told


@pytest.mark.parametrize(
    ("path", "severity"),
    [
        ("/etc/apt/trusted.gpg", "error"),
        ("/etc/apt/trusted.gpg.d/evil.asc", "error"),
        ("/etc/apt/keyrings/evil.gpg", "warning"),
        ("/etc/apt/keyrings/research-server-evil.gpg", "warning"),
        ("/usr/share/keyrings/evil.gpg", "warning"),
        ("/etc/apt/preferences.d/evil", "warning"),
        ("/etc/apt/preferences.d/evil.pref", "warning"),
        ("/etc/apt/preferences", "warning"),
    ],
)
def test_keys_and_pins_of_nobody(root: Path, path: str, severity: str) -> None:
    put(root, path, "evil")
    finding = one(root)
    assert (finding.name, finding.severity, finding.way_out) == (path, severity, f"rm {path}")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('DPkg::Pre-Invoke {"/tmp/x";};\n', "pre-invoke"),
        ('APT::Update::Post-Invoke:: "/tmp/x";\n', "post-invoke"),
        ('DPkg { Post-Invoke { "/tmp/x"; }; };\n', "post-invoke"),
        ('Dir::Bin::dpkg "/tmp/dpkg";\n', "dir::bin"),
        ('Acquire::http::Proxy-Auto-Detect "/tmp/x";\n', "proxy-auto-detect"),
        ('DPkg::Post-Invoke { "rm -f /var/cache/apt/x || true"; "/tmp/x"; };\n', "post-invoke"),
        ('DPkg::Post-Invoke { "rm -f /var/cache/apt/x; /tmp/x || true"; };\n', "post-invoke"),
        ('APT::Get::AllowUnauthenticated "true";\n', "allowunauthenticated"),
        ("Acquire::AllowInsecureRepositories 1;\n", "allowinsecurerepositories"),
        ('Acquire::https::mirror.lab::Verify-Peer "false";\n', "verify-peer"),
        ('Acquire::Check-Valid-Until "no";\n', "check-valid-until"),
    ],
)
def test_settings_of_nobody(root: Path, text: str, name: str) -> None:
    put(root, "/etc/apt/apt.conf.d/99evil", text)
    finding = one(root)
    assert (finding.name, finding.severity) == (f"/etc/apt/apt.conf.d/99evil: {name}", "error")


def test_a_hook_of_a_package_that_was_changed(root: Path) -> None:
    put(root, "/etc/apt/apt.conf.d/70debconf", HOOK.replace("--apt", "--apt; /tmp/x"))
    assert (one(root).name, one(root).severity) == ("/etc/apt/apt.conf.d/70debconf", "error")


def test_a_hook_of_dpkg(root: Path) -> None:
    put(root, "/etc/dpkg/dpkg.cfg.d/evil", "force-unsafe-io\npost-invoke=/tmp/x\n")
    assert (one(root).name, one(root).way_out) == ("/etc/dpkg/dpkg.cfg.d/evil", "rm /etc/dpkg/dpkg.cfg.d/evil")


def test_a_list_that_everybody_can_write_to(root: Path) -> None:
    (root / "etc/apt/sources.list").chmod(0o666)
    assert "mode 0666" in one(root).found


def test_what_is_in_the_way(root: Path) -> None:
    (root / "etc/apt/sources.list.d").mkdir()
    os.mkfifo(root / "etc/apt/sources.list.d/pipe.list")
    (root / "etc/apt/sources.list.d/link.list").symlink_to("/home/eve/evil.list")
    (root / "etc/apt/apt.conf.d/bytes").write_bytes(b"\xff" * 3_000_000)
    (root / "etc/apt/trusted.gpg.d/link.asc").symlink_to("/home/eve/key.asc")
    names = {finding.name for finding in found(root)}
    folder = "/etc/apt/sources.list.d"
    assert names == {f"{folder}/pipe.list", f"{folder}/link.list", "/etc/apt/trusted.gpg.d/link.asc"}


def test_a_package_on_hold(root: Path) -> None:
    status = root / "var/lib/dpkg/status"
    status.write_text(f"{status.read_text()}\nPackage: openssh-server\nStatus: hold ok installed\nVersion: 1\n")
    assert (one(root).name, one(root).way_out) == ("hold of openssh-server", "apt-mark unhold openssh-server")


@pytest.mark.parametrize(("name", "told"), [("99off", True), ("20auto-upgrades", False)])
def test_updates_that_somebody_switched_off(root: Path, name: str, told: bool) -> None:
    put(root, f"/etc/apt/apt.conf.d/{name}", 'APT::Periodic::Unattended-Upgrade "0";\n')
    assert [finding.name for finding in found(root)] == ([f"/etc/apt/apt.conf.d/{name}: no updates"] if told else [])
