# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules by which people do things as somebody else: sudo, doas, polkit. Private to this collection.

Each line that sudo reads is told, unless Debian or the role `accounts` wrote it, or it gives something to an administrator, who
may do everything anyway.
"""

from __future__ import annotations

import hashlib
import os
import posixpath
import re
import shlex
import stat
from collections.abc import Iterator

from .._host.dpkg import STATUS
from .._host.rights import others_can_write
from .._text.escapes import in_one_line
from .declared import Declared
from .finding import Finding, Severity, digest
from .host import Host
from .owners import owners

TOPIC = "sudo"
SUDOERS = "/etc/sudoers"
OURS = "/etc/sudoers.d/research-server"
SUDO_CONF = "/etc/sudo.conf"
DOAS_CONF = "/etc/doas.conf"
LIMIT = 4 << 20
STATUS_LIMIT = 64 << 20
SHOWN = 200
ADMINISTRATORS = "rules for accounts_administrators only"
PACKAGES = "those of Debian and of the role accounts"
# The lines of sudo's own /etc/sudoers in Debian and Ubuntu, blanks aside: whoever adds a line to it leaves these as they are.
PACKAGED = frozenset(
    {
        "Defaults env_reset",
        "Defaults mail_badpass",
        'Defaults secure_path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"',
        'Defaults secure_path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin:/snap/bin"',
        "Defaults use_pty",
        "root ALL=(ALL:ALL) ALL",
        "%sudo ALL=(ALL:ALL) ALL",
        "%admin ALL=(ALL) ALL",
    }
)
# Of those, what keeps others safe, and what the role accounts needs.
NEEDED = (r"Defaults env_reset", r"Defaults secure_path=.+", r"[@#]includedir /etc/sudoers\.d")
INCLUDE = re.compile(r"[@#](include|includedir)\s+(.+)")
ALIAS = re.compile(r"(?:User|Runas|Host|Cmnd|Cmd)_Alias\b")
# The users of a rule, where they are plain names; aliases have capitals, names of people have none.
USERS = re.compile(r"([a-z_][a-z0-9_.-]*(?:\s*,\s*[a-z_][a-z0-9_.-]*)*)\s+[^\s,]")
# Folders of polkit(8) and of pkla-check-authorization(8), and how the names of the files end that are read.
POLKIT_RULES = (
    "/etc/polkit-1/rules.d",
    "/run/polkit-1/rules.d",
    "/usr/local/share/polkit-1/rules.d",
    "/usr/share/polkit-1/rules.d",
)
POLKIT_LOCAL = ("/etc/polkit-1/localauthority", "/var/lib/polkit-1/localauthority")


def find(host: Host, declared: Declared) -> Iterator[Finding]:
    yield from _sudo(host, declared)
    yield from _one_line_each(host, SUDO_CONF, "a line that says where sudo gets its rules or its programs from", r"(?!#)\S")
    yield from _one_line_each(host, DOAS_CONF, "a rule of doas", r"permit\b")
    yield from _polkit(host)


def real(host: Host, path: str) -> str:
    """Where a path leads, as far as root has made the links."""
    for _step in range(8):
        status = host.status(path)
        if status is None or not stat.S_ISLNK(status.st_mode) or status.st_uid != 0:
            break
        path = posixpath.normpath(posixpath.join(posixpath.dirname(path), os.readlink(host.path(path))))
    return path


def _sudo(host: Host, declared: Declared) -> Iterator[Finding]:
    packaged = _conffiles(host)
    seen: set[str] = set()
    folders: set[str] = set()
    waiting = [SUDOERS]
    while waiting:
        path = waiting.pop(0)
        if path in seen:
            continue
        seen.add(path)
        status = host.status(real(host, path))
        if status is None:
            continue
        yield from _in_hands(host, path)
        text = host.text(real(host, path), LIMIT)
        if text is None or status.st_size > LIMIT:
            yield _finding(f"{in_one_line(path)}: no way to read it", "a link, or more than a file of rules has", "a file", path)
            continue
        included, folder = _includes(host, text, path)
        for name in sorted(folder - folders):
            yield from _in_hands(host, name)
        folders |= folder
        waiting += included
        ours = path == OURS and bool(declared.people)
        if (
            not ours
            and packaged.get(path) != hashlib.md5(text.encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()
        ):
            yield from _rules(text, path, declared)
            yield from _missing(text) if path == SUDOERS else ()


def _missing(text: str) -> Iterator[Finding]:
    lines = list(logical_lines(text))
    for pattern in NEEDED:
        if not any(re.fullmatch(pattern, line) for line in lines):
            name = re.sub(r"[\\@#\[\]+]|=\.", "", pattern)
            yield _finding(f"{SUDOERS}: no {name}", "a line of Debian's is missing", PACKAGES, SUDOERS)


def _rules(text: str, path: str, declared: Declared) -> Iterator[Finding]:
    for line in logical_lines(text):
        if INCLUDE.fullmatch(line) or (path == SUDOERS and line in PACKAGED) or _of_administrators(line, declared):
            continue
        name = f"{in_one_line(path)}: {short(line)}"
        if line.startswith("Defaults"):
            yield _finding(name, "an option of sudo", PACKAGES, path)
        elif ALIAS.match(line):
            yield _finding(name, "a name that rules may use", PACKAGES, path)
        else:
            what = "a rule of sudo" + (", which asks for no password" if "NOPASSWD" in line else "")
            yield _finding(name, what, ADMINISTRATORS, path, "error")


def logical_lines(text: str) -> Iterator[str]:
    """Lines of sudoers(5) with single blanks: joined where a backslash ends one, without comments. `#1000` is a user."""
    for raw in re.sub(r"\\\n", " ", text).split("\n"):
        line = " ".join(raw.split())
        if line and (not line.startswith("#") or re.match(r"#(?:\d|include)", line)):
            yield line


def short(line: str) -> str:
    """A long line by its beginning and its digest: two of them are never taken for one."""
    shown = in_one_line(line)
    return shown if len(shown) <= SHOWN else f"{shown[:SHOWN]}... ({digest(line)})"


def _of_administrators(line: str, declared: Declared) -> bool:
    """Whether a rule gives something to those who may do all, as the images of clouds do for their first account."""
    users = USERS.match(line)
    mighty = {"root", *declared.administrators}
    return users is not None and mighty.issuperset(name.strip() for name in users[1].split(","))


def _includes(host: Host, text: str, path: str) -> tuple[list[str], set[str]]:
    """The files that a file includes, and the folders that it reads (sudoers(5), "Including other files")."""
    files: list[str] = []
    folders: set[str] = set()
    short_name = (host.text("/etc/hostname") or "").strip().partition(".")[0]
    for line in logical_lines(text):
        match = INCLUDE.fullmatch(line)
        if match is None:
            continue
        target = re.sub(r"\\(.)", r"\1", match[2].strip().strip('"')).replace("%h", short_name)
        target = posixpath.normpath(posixpath.join(posixpath.dirname(path), target))
        if match[1] == "include":
            files.append(target)
        else:
            folders.add(target)
            files += [f"{target}/{name}" for name in host.names(target) if "." not in name and not name.endswith("~")]
    return files, folders


def _in_hands(host: Host, path: str) -> Iterator[Finding]:
    """Whether somebody else than root can change the file, or put another one in its place."""
    part = path
    while True:
        status = host.status(part)
        if status is not None and not stat.S_ISLNK(status.st_mode):
            sticky = part != path and status.st_uid == 0 and status.st_mode & stat.S_ISVTX
            if others_can_write(status) and not sticky:
                shown = in_one_line(part)
                yield Finding(
                    TOPIC,
                    f"{in_one_line(path)}: in other hands than root's",
                    f"{shown} has owner {status.st_uid}, group {status.st_gid}, mode {stat.S_IMODE(status.st_mode):04o}",
                    "rules that only root can write",
                    f"'chown root:root {shlex.quote(shown)}' and 'chmod go-w {shlex.quote(shown)}'",
                    "error",
                )
                return
        if part == "/":
            return
        part = posixpath.dirname(part)


def _conffiles(host: Host) -> dict[str, str]:
    """Files of sudo's folders that packages brought, and their MD5 sums (deb822(5), Conffiles)."""
    return dict(re.findall(r"^ (/etc/sudoers\S*) ([0-9a-f]{32})\b", host.text(STATUS, STATUS_LIMIT) or "", re.MULTILINE))


def _one_line_each(host: Host, path: str, what: str, pattern: str) -> Iterator[Finding]:
    text = host.text(real(host, path), LIMIT)
    if text is None:
        return
    yield from _in_hands(host, path)
    for line in logical_lines(text):
        if re.match(pattern, line):
            yield _finding(f"{path}: {short(line)}", what, "none", path, "error")


def _polkit(host: Host) -> Iterator[Finding]:
    paths = [f"{folder}/{name}" for folder in POLKIT_RULES for name in host.names(folder) if name.endswith(".rules")]
    for top in POLKIT_LOCAL:
        for folder in host.names(top):
            paths += [f"{top}/{folder}/{name}" for name in host.names(f"{top}/{folder}") if name.endswith(".pkla")]
    owned = owners(host, paths)
    for path in paths:
        if path not in owned:
            text = host.text(real(host, path))
            # By what it says: a file that was accepted and says something else by now is another thing.
            name = f"{in_one_line(path)} ({digest(text) if text is not None else 'no file'})"
            yield _finding(name, "a file with rules of polkit, of no package", "rules of packages only", path, "error")


def _finding(name: str, found: str, expected: str, path: str, severity: Severity = "warning") -> Finding:
    shown = shlex.quote(in_one_line(path))
    editor = "visudo -f" if path.startswith(SUDOERS) else "editor"
    declare = "name the person in accounts_administrators, or " if expected == ADMINISTRATORS else ""
    verb = "put it back" if found.endswith("missing") else "take it out"
    return Finding(TOPIC, name, found, expected, f"{declare}{verb} with '{editor} {shown}'", severity)
