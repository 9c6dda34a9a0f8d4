# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64
import os
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._audit import keys
from ansible_collections.openlab.research_server.plugins.module_utils._audit.declared import Declared
from ansible_collections.openlab.research_server.plugins.module_utils._audit.finding import Finding
from ansible_collections.openlab.research_server.plugins.module_utils._audit.host import Host
from ansible_collections.openlab.research_server.plugins.module_utils._ssh.keys import parse

OURS = """\
Port 2222
PermitRootLogin no
AuthorizedKeysFile /etc/ssh/authorized_keys.d/%u
TrustedUserCAKeys /etc/ssh/research-server/trusted_user_ca_keys
Match User alice
    AuthorizedPrincipalsFile /etc/ssh/research-server/principals.%u
"""
MAIN = "Include /etc/ssh/sshd_config.d/*.conf\nAuthorizedKeysFile .ssh/authorized_keys\n"
PASSWD = """\
root:x:0:0:root:/root:/bin/bash
www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin
ops:x:1000:1000::/home/ops:/bin/bash
eve:x:1666:1666::/home/eve:/bin/bash
"""
DECLARED = Declared(administrators=("ops",), people=("ops", "alice"))


def key(seed: int, comment: str = "somebody") -> str:
    blob = b"\0\0\0\x0bssh-ed25519\0\0\0\x20" + bytes([seed]) * 32
    return f"ssh-ed25519 {base64.b64encode(blob).decode()} {comment}"


ADMINISTRATOR, STRANGER = key(1, "ops@lab"), key(2, "stranger")
PRINT = parse(STRANGER).fingerprint


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path, "etc/passwd", PASSWD)
    write(tmp_path, "etc/ssh/sshd_config", MAIN)
    write(tmp_path, "etc/ssh/sshd_config.d/00-research-server.conf", OURS)
    for name in ("ops", "alice"):
        write(tmp_path, f"etc/ssh/authorized_keys.d/{name}", f"# header\n{ADMINISTRATOR}\n")
    # As the image of a cloud leaves it.
    write(tmp_path, "root/.ssh/authorized_keys", f"{ADMINISTRATOR}\n")
    write(tmp_path, "home/eve/.ssh/authorized_keys", f"{STRANGER}\n")
    return tmp_path


def write(root: Path, path: str, text: str | bytes) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_bytes(text.encode() if isinstance(text, str) else text)


def found(root: Path, declared: Declared = DECLARED) -> list[Finding]:
    return list(keys.find(Host(lambda *_argv: (1, "", ""), str(root)), declared))


def told(root: Path) -> list[tuple[str, str]]:
    return [(finding.name, finding.severity) for finding in found(root)]


def test_declared_keys_and_what_sshd_does_not_read_is_no_news(root: Path) -> None:
    assert found(root) == []


@pytest.mark.parametrize("name", ["root", "www-data", "eve", "mallory"])
def test_a_key_where_sshd_reads_it(root: Path, name: str) -> None:
    write(root, f"etc/ssh/authorized_keys.d/{name}", f'# x\n\nfrom="*" {STRANGER}\n')
    (finding,) = found(root)
    assert finding.name == f"/etc/ssh/authorized_keys.d/{name}: {PRINT}"
    assert (finding.topic, finding.severity) == ("keys", "warning" if name == "root" else "error")
    assert "stranger" in finding.found
    assert f"take it out of /etc/ssh/authorized_keys.d/{name}" in finding.way_out


@pytest.mark.parametrize("file", ["authorized_keys", "authorized_keys2"])
def test_a_strangers_key_waits_for_root(root: Path, file: str) -> None:
    write(root, f"root/.ssh/{file}", f"{ADMINISTRATOR}\n{STRANGER}\n")
    assert told(root) == [(f"/root/.ssh/{file}: {PRINT}", "warning")]


@pytest.mark.parametrize("match", ["", "Match Address 10.0.0.0/8\n    "])
def test_root_may_come(root: Path, match: str) -> None:
    write(root, "etc/ssh/sshd_config.d/00-a.conf", f"{match}PermitRootLogin yes\n")
    write(root, "etc/ssh/authorized_keys.d/root", f"{STRANGER}\n")
    assert told(root) == [(f"/etc/ssh/authorized_keys.d/root: {PRINT}", "error")]


@pytest.mark.parametrize("word", ["/srv/keys/%u", "/srv/keys/%U", "%h/.keys/%u", ".keys/%u", "none /srv/keys/%u"])
def test_a_match_block_names_other_files(root: Path, word: str) -> None:
    path = {"/srv/keys/%U": "srv/keys/1666"}.get(word, "srv/keys/eve" if "/srv" in word else "home/eve/.keys/eve")
    write(root, "etc/ssh/sshd_config.d/99-x.conf", f"Match Group lab\nAuthorizedKeysFile {word}\n")
    write(root, path, f"{STRANGER}\n")
    assert told(root) == [(f"/{path}: {PRINT}", "error")]


def test_without_settings_homes_are_read(root: Path) -> None:
    write(root, "etc/ssh/sshd_config", "")
    assert told(root) == [(f"/home/eve/.ssh/authorized_keys: {PRINT}", "error")]
    write(root, "home/ops/.ssh/authorized_keys", f"{STRANGER}\n")
    assert len(found(root)) == 1, "that file is the role's"
    write(root, "home/ops/.ssh/authorized_keys2", f"{STRANGER}\n")
    assert (f"/home/ops/.ssh/authorized_keys2: {PRINT}", "error") in told(root)


def test_without_people_nothing_is_known_of_people(root: Path) -> None:
    write(root, "etc/ssh/sshd_config", "")
    write(root, "var/www/.ssh/authorized_keys", f"{STRANGER}\n")
    write(root, "etc/ssh/authorized_keys.d/mallory", f"{STRANGER}\n")
    names = [finding.name for finding in found(root, Declared())]
    assert f"/var/www/.ssh/authorized_keys: {PRINT}" in names
    assert not any("/home/" in name or "mallory" in name for name in names)


@pytest.mark.parametrize(
    "line",
    [
        "AuthorizedKeysCommand /usr/local/bin/keys",
        "TrustedUserCAKeys /etc/ssh/ca.pub",
        "AuthorizedPrincipalsFile /etc/ssh/principals",
        "AuthorizedPrincipalsCommand /bin/echo",
        "HostbasedAuthentication yes",
    ],
)
def test_other_ways_in(root: Path, line: str) -> None:
    write(root, "etc/ssh/sshd_config.d/50-x.conf", f"{line}\n")
    keyword, value = line.split()
    assert told(root) == [(f"/etc/ssh/sshd_config.d/50-x.conf: {keyword.lower()} {value}", "error")]
    write(root, "etc/ssh/sshd_config.d/50-x.conf", f"{keyword} {'no' if value == 'yes' else 'none'}\n")
    assert told(root) == []


def test_what_the_role_sshd_says_is_no_news(root: Path) -> None:
    write(root, "etc/ssh/sshd_config.d/00-research-server.conf", OURS.replace("Match", "AuthorizedKeysCommand /bin/lab\nMatch"))
    write(root, "etc/ssh/sshd_config.d/50-x.conf", "TrustedUserCAKeys /etc/ssh/research-server/trusted_user_ca_keys\n")
    assert told(root) == []


@pytest.mark.parametrize("path", ["etc/ssh/shosts.equiv", "etc/hosts.equiv", "root/.shosts", "root/.rhosts"])
def test_machines_that_are_believed(root: Path, path: str) -> None:
    write(root, path, "+ +\n")
    assert told(root) == [(f"/{path}", "error")]


def test_a_certificate_authority_and_a_line_that_is_no_key(root: Path) -> None:
    write(root, "etc/ssh/authorized_keys.d/eve", f'cert-authority,principals="x" {STRANGER}\nnonsense {key(1)} \n')
    first, second = found(root)
    assert "a key of an authority" in first.found
    assert second.name.startswith("/etc/ssh/authorized_keys.d/eve: line ")


def test_no_option_makes_a_key_an_administrators(root: Path) -> None:
    """The key of an administrator in an option hides no other key."""
    blob = ADMINISTRATOR.split()[1]
    write(root, "root/.ssh/authorized_keys", f'environment="X={blob}" {STRANGER}\n')
    assert told(root) == [(f"/root/.ssh/authorized_keys: {PRINT}", "warning")]


def test_many_keys_are_cut(root: Path) -> None:
    write(root, "etc/ssh/authorized_keys.d/eve", "".join(f"{key(number)}\n" for number in range(keys.MOST + 50)))
    assert len(found(root)) == keys.MOST + 1
    assert found(root)[-1].name.endswith("many more")


def test_what_people_own_is_not_followed(root: Path) -> None:
    write(root, "etc/ssh/sshd_config", "")
    secret = root / "etc/secret"
    secret.write_text(f"{STRANGER}\n")
    file = root / "home/eve/.ssh/authorized_keys"
    file.unlink()
    file.symlink_to(secret)
    assert told(root) == [("/home/eve/.ssh/authorized_keys", "error")]
    file.unlink()
    os.mkfifo(file)
    assert told(root) == [("/home/eve/.ssh/authorized_keys", "error")]
    file.unlink()
    file.write_bytes(b"\xff\xfe\n" + b"#" * (2 << 20))
    assert [name.rpartition(" ")[0] for name, _severity in told(root)] == ["/home/eve/.ssh/authorized_keys: line"]
    file.unlink()
    (root / "home/eve/.ssh").rmdir()
    (root / "home/eve/.ssh").symlink_to("/etc")
    assert ("/home/eve/.ssh/authorized_keys", "error") in told(root)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("AcceptEnv LANG LC_* COLORTERM NO_COLOR", False),
        ("Subsystem sftp /usr/lib/openssh/sftp-server", False),
        ("Subsystem sftp internal-sftp -f AUTH", False),
        ("Subsystem sftp /usr/local/lib/x", True),
        ("AcceptEnv LANG LD_*", True),
        ("SetEnv LD_PRELOAD=/tmp/x.so", True),
        ("Match User eve\nForceCommand /usr/local/bin/x", True),
        ("GSSAPIAuthentication yes", True),
    ],
)
def test_what_sshd_starts_and_with_what(root: Path, line: str, told: bool) -> None:
    write(root, "etc/ssh/sshd_config.d/90-more.conf", f"{line}\n")
    names = [finding.name for finding in found(root)]
    assert names == ([f"/etc/ssh/sshd_config.d/90-more.conf: {names[0].partition(': ')[2]}"] if told else [])


def test_what_was_put_aside_is_nobodys_key(root: Path) -> None:
    (root / "etc/ssh/authorized_keys.d/alice.replaced.1").symlink_to("/home/alice/keys")
    assert found(root) == []
