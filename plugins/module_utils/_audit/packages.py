# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of packages that are not as their package brought them, and what a package is known to have brought. Private to this
collection.

What dpkg wrote down is believed: who can change that can change everything.
"""

from __future__ import annotations

import collections
import concurrent.futures
import fnmatch
import functools
import hashlib
import os
import posixpath
import re
import stat
import time
import typing as t
import zlib
from collections.abc import Iterable, Iterator

from .._host import acl, dpkg
from .._host.numbers import FIRST_PERSON
from .._text.escapes import in_one_line, listing
from .declared import Declared
from .finding import Finding
from .host import Host

TOPIC = "packages"
INFO = "/var/lib/dpkg/info"
STATOVERRIDE = "/var/lib/dpkg/statoverride"
# Of dpkg's own files; those of big packages have more than a megabyte.
RECORD_LIMIT = 64 << 20
FILE_LIMIT = 4 << 30
CHUNK = 1 << 20
# From unpacking a package's files to writing down what they are.
UNPACKING = 60.0
# More of one package are told as one.
MANY = 10

# Read each time: what lets people in, what root runs, and what both are made of.
RELIED = re.compile(
    r"(openssh-(client|server|sftp-server)|sudo|nftables|libnftables1|libnftnl11|fail2ban|systemd(-.*)?|libsystemd.*|udev"
    r"|login|passwd|util-linux|libpam-.*|libpam0g|libnss-.*|bash|dash|coreutils|libc6|libc-bin|python3(\.\d+)?(-minimal)?"
    r"|libpython3(\.\d+)?-minimal|ca-certificates|cron(-daemon-common)?|at|apt|libapt-pkg.*|dpkg|gpgv|sqv|debian-archive-keyring"
    r"|base-files|base-passwd|libcrypt1|libssl3.*|kmod|procps|tmux|screen|rsync|acl)"
)
# Of the base system in all of Debian's folders, be it merged into /usr or not (usrmerge).
MERGED = re.compile(r"^/(bin|sbin|lib|lib32|lib64|libx32)(?=/)")
# What changes after a package is installed: settings are looked at elsewhere, and data is data.
NOT_COMPARED = ("/etc/", "/var/", "/run/", "/tmp/")  # noqa: S108
# What people and images leave out to save space (dpkg(1), path-exclude, or by hand).
DISPENSABLE = tuple(
    f"/usr/share/{name}/" for name in ("bug", "doc", "doc-base", "gtk-doc", "help", "info", "lintian", "locale", "man")
)
# Paths of which rooms ask whose they are.
ASKED = re.compile(
    r"^(?:/(?:etc|usr/local|bin|sbin|usr/bin|usr/sbin)/.+"
    r"|(?:/usr)?/lib/(?:systemd|udev|[a-z-]+\.d/|python3\.\d+/sitecustomize\.py$|[^/\n]+/security|[^/\n]+/libnss_)[^\n]*"
    r"|/usr/share/(?:keyrings|pam-configs|dbus-1/system(?:-services|\.d))/.+|/usr/lib/python3/dist-packages/[^/\n]+)$",
    re.MULTILINE,
)
# root finds programs in the first before those in the second (login.defs(5), ENV_SUPATH).
BEFORE = {"/usr/local/sbin": "/usr/sbin", "/usr/local/bin": "/usr/bin"}
PROGRAMS = tuple(BEFORE.values())
LIBRARY = re.compile(r"lib.+\.so(?:\.\d+)*")
LOCAL_PYTHON = re.compile(r"python3(?:\.\d+)?")
# Of a module of Python nothing but its name counts; byte code and notes of pip are none.
MODULE = re.compile(r"(?P<name>[A-Za-z_]\w*)(?:\.py|\..*\.so)?")
# Left by those who build images, to keep services from starting (invoke-rc.d(8)).
OF_IMAGES = ("/usr/sbin/policy-rc.d",)


class Oddity(t.NamedTuple):
    """What is wrong with one file."""

    found: str
    expected: str
    way_out: str
    kind: t.Literal["foreign", "changed", "open"]
    """Nobody's, not as it was brought, or somebody else than root can write to it."""

    def told(self, topic: str, path: str, severity: t.Literal["error", "warning", "notice"]) -> Finding:
        severity = "error" if self.kind == "open" else severity
        return Finding(topic, in_one_line(path), self.found, self.expected, self.way_out, severity)


class Record:
    """What dpkg(1) and ucf(1) know of a host's files."""

    def __init__(self, host: Host) -> None:
        status = host.text(dpkg.STATUS, RECORD_LIMIT) or ""
        self.known = bool(status)
        """Whether this host has packages of Debian at all."""
        # `/path md5`, maybe followed by `obsolete` or `remove-on-upgrade` (deb-conffiles(5)).
        self.hashes = dict(re.findall(r"^ (/.*) ([0-9a-f]{32})(?: [a-z-]+)*$", status, re.MULTILINE))
        self.diverted, self.local = _diversions(host)
        self.owners: dict[str, str] = {}
        for name in host.names(INFO):
            if name.endswith(".list"):
                owner = name[: -len(".list")].partition(":")[0]
                text = host.text(f"{INFO}/{name}", RECORD_LIMIT) or ""
                self.owners.update((merged(path), owner) for path in ASKED.findall(text))
        for source, (target, _by) in self.diverted.items():
            if merged(source) in self.owners:
                self.owners.setdefault(merged(target), self.owners[merged(source)])
        for line in (host.text("/var/lib/ucf/registry") or "").splitlines():
            words = line.split()
            if len(words) == 2:
                self.owners.setdefault(words[1], words[0])

    def owner(self, path: str) -> str:
        """The package that a path belongs to; empty if there is none, or if nobody was to ask (`ASKED`)."""
        return self.owners.get(merged(path), "")

    def oddity(self, host: Host, path: str, ours: Iterable[re.Pattern[str]] = ()) -> Oddity | None:
        """What is wrong with a file of settings; None if a package or a role of this collection put it there like this."""
        status = host.status(path)
        listed = acl.named(host.path(path), acl.WRITE) if status and status.st_mode & stat.S_IWGRP else []
        if status and (listed or can_be_written(status)):
            who = f"uid {status.st_uid}, gid {status.st_gid}, mode {stat.S_IMODE(status.st_mode):04o}"
            who += "".join(f", access list for {kind} {number}" for kind, number in listed)
            remove = f" && setfacl -b {path}" if listed else ""
            way_out = f"look at what it says, then 'chown root:root {path} && chmod go-w {path}{remove}'"
            return Oddity(f"{who}: others than root can change it", "root's alone", in_one_line(way_out), "open")
        owner, recorded = self.owner(path), self.hashes.get(path)
        folder = status and stat.S_ISDIR(status.st_mode) and not recorded
        if status is None or folder or any(pattern.fullmatch(path) for pattern in ours):
            return None
        if stat.S_ISLNK(status.st_mode):
            target = link_target(host, path)
            thing = f"a link to {in_one_line(target)}"
            legitimate = recorded is None and bool(owner or self.owner(target))
        elif stat.S_ISREG(status.st_mode):
            legitimate = recorded == md5(host, path) if recorded else bool(owner)
            thing = "a file with another content" if owner or recorded else "a file of no package and no role"
        else:
            legitimate, thing = False, "neither a file nor a link"
        if legitimate:
            return None
        if owner:
            way_out = f"apt-get install --reinstall -o Dpkg::Options::=--force-confask -o Dpkg::Options::=--force-confnew {owner}"
            return Oddity(thing, f"as package {owner} brought it", in_one_line(way_out), "changed")
        return Oddity(thing, "no such file", in_one_line(f"rm {path}"), "foreign")


@functools.lru_cache(maxsize=1)
def record(host: Host) -> Record:
    """Read once for all rooms."""
    return Record(host)


def merged(path: str) -> str:
    """A path on a host where /bin is /usr/bin, whatever the package calls it."""
    return MERGED.sub(r"/usr/\1", path)


def link_target(host: Host, path: str) -> str:
    """Where a link leads, by its text alone."""
    try:
        return merged(posixpath.normpath(posixpath.join(posixpath.dirname(path), os.readlink(host.path(path)))))
    except OSError:
        return ""


def can_be_written(status: os.stat_result) -> bool:
    """Whether a person can: accounts of the system have folders and files of their own."""
    mode = status.st_mode
    if stat.S_ISLNK(mode):
        return False
    everybody = bool(mode & stat.S_IWOTH and not (stat.S_ISDIR(mode) and mode & stat.S_ISVTX))
    return status.st_uid >= FIRST_PERSON or everybody or bool(mode & stat.S_IWGRP and status.st_gid >= FIRST_PERSON)


def md5(host: Host, path: str) -> str:
    """Of a regular file; empty if it is none. It is what dpkg has, and no more than that."""
    try:
        handle = os.open(host.path(path), os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return ""
    digest = hashlib.md5(usedforsecurity=False)
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode) or status.st_size > FILE_LIMIT:
            return ""
        while chunk := os.read(handle, CHUNK):
            digest.update(chunk)
    except OSError:
        return ""
    finally:
        os.close(handle)
    return digest.hexdigest()


def find(host: Host, _declared: Declared, day: int | None = None) -> Iterator[Finding]:
    """`day` is the day of the week (Monday is 0): each package has one on which it is read whole, whatever it looks like."""
    known = record(host)
    if not known.known:
        return
    for path in known.local:
        expected, way_out = "a diversion of a package, or none", f"dpkg-divert --local --rename --remove {path}"
        yield Finding(TOPIC, in_one_line(path), "diverted by hand (dpkg-divert --local)", expected, in_one_line(way_out))
    yield from _put_in_place(host, known)
    yield from _in_front(host, known)
    yield from _libraries_in_front(host)
    yield from _of_nobody(host, known)
    yield from _closed(host, known)
    # The priority of a thread ends with it (setpriority(2), "C library/kernel differences"); that of reading follows from it
    # (ioprio_set(2)).
    with concurrent.futures.ThreadPoolExecutor(1, initializer=lambda: os.setpriority(os.PRIO_PROCESS, 0, 19)) as pool:
        yield from pool.submit(lambda: list(_compared(host, known, time.localtime().tm_wday if day is None else day))).result()


def _put_in_place(host: Host, known: Record) -> Iterator[Finding]:
    """What stands where a diversion has taken a package's file away, and has not come with the package that the diversion is of.

    Anybody can divert in the name of any package (dpkg-divert(1), --package).
    """
    lists = [name for name in host.names(INFO) if name.endswith(".list")]
    for path, (_target, by) in sorted(known.diverted.items()):
        if by == ":" or host.status(path) is None or link_target(host, path).startswith("/etc/alternatives/"):
            continue
        own = [name for name in lists if name[: -len(".list")].partition(":")[0] == by]
        texts = (host.text(f"{INFO}/{name}", RECORD_LIMIT) or "" for name in own)
        if path not in {merged(line) for text in texts for line in text.splitlines()}:
            whose = by if own else f"{by}, which is not installed"
            found = f"stands in the place of a diverted file, and is no file of package {whose}"
            way_out = f"rm {path} && dpkg-divert --package {by} --rename --remove {path}"
            expected = "what the package brought"
            yield Finding(TOPIC, in_one_line(path), in_one_line(found), expected, in_one_line(way_out), "error")


def _in_front(host: Host, known: Record) -> Iterator[Finding]:
    for folder, behind in BEFORE.items():
        for name in host.names(folder):
            owner = known.owner(f"{behind}/{name}")
            if owner and not known.owner(f"{folder}/{name}"):
                path, found = f"{folder}/{name}", f"is found before {behind}/{name} of package {owner}"
                yield Finding(
                    TOPIC, in_one_line(path), in_one_line(found), "no program in front of it", in_one_line(f"rm {path}")
                )


def _libraries_in_front(host: Host) -> Iterator[Finding]:
    """/usr/local/lib comes first in Debian's ld.so.conf(5), and its Python first in `sys.path`: for root's programs as well."""
    triplets = [name for name in host.names("/usr/lib") if name.endswith(("-gnu", "-gnueabihf"))]
    for folder in ("/usr/local/lib", *(f"/usr/local/lib/{name}" for name in triplets)):
        for name in host.names(folder):
            behind = [f"{place}/{name}" for place in (*(f"/usr/lib/{one}" for one in triplets), "/usr/lib")]
            found = next((path for path in behind if host.status(path) is not None), "") if LIBRARY.fullmatch(name) else ""
            if found:
                yield _before(f"{folder}/{name}", found)
    vendor = "/usr/lib/python3/dist-packages"
    modules = {match["name"]: name for name in host.names(vendor) if (match := MODULE.fullmatch(name))}
    for version in host.names("/usr/local/lib"):
        folder = f"/usr/local/lib/{version}/dist-packages"
        for name in host.names(folder) if LOCAL_PYTHON.fullmatch(version) else ():
            match = MODULE.fullmatch(name)
            if match and match["name"] in modules and name != "__pycache__":
                yield _before(f"{folder}/{name}", f"{vendor}/{modules[match['name']]}")


def _before(path: str, behind: str) -> Finding:
    found = in_one_line(f"is loaded before {behind}, which a package brought")
    return Finding(TOPIC, in_one_line(path), found, "nothing in front of it", in_one_line(f"rm -r {path}"))


def _of_nobody(host: Host, known: Record) -> Iterator[Finding]:
    """Programs in the folders of packages that none has brought: a lab's own are in /usr/local or /opt."""
    for path in (f"{folder}/{name}" for folder in PROGRAMS for name in host.names(folder)):
        status, target = host.status(path), link_target(host, path)
        if known.owner(path) or path in OF_IMAGES or status is None or stat.S_ISDIR(status.st_mode):
            continue
        # Of alternatives the target is a link itself, and that of a package's program (update-alternatives(1)).
        while target.startswith("/etc/alternatives/"):
            target = link_target(host, target)
        if not target or not (known.owner(target) or host.status(target) is None or target in PROGRAMS):
            found, way_out = "a program of no package", f"rm {path}, or move it to /usr/local/bin"
            yield Finding(TOPIC, in_one_line(path), found, "programs of packages", in_one_line(way_out))


def _closed(host: Host, known: Record) -> Iterator[Finding]:
    """Programs of packages that people cannot start any more. dpkg has no modes; those with a power of their own have reasons."""
    overridden = {line.split(None, 3)[3] for line in (host.text(STATOVERRIDE) or "").split("\n") if line.count(" ") >= 3}
    for path in (f"{folder}/{name}" for folder in PROGRAMS for name in host.names(folder)):
        status = host.status(path)
        if status is None or not stat.S_ISREG(status.st_mode) or not known.owner(path) or path in overridden:
            continue
        special = status.st_mode & (stat.S_ISUID | stat.S_ISGID) or status.st_gid != 0
        if status.st_mode & 0o005 != 0o005 and not special:
            mode = stat.S_IMODE(status.st_mode)
            found, way_out = f"mode {mode:04o}: others than root cannot start it", f"chmod 0755 {path}"
            yield Finding(TOPIC, in_one_line(path), found, "a program for everybody", in_one_line(way_out))


def _compared(host: Host, known: Record, day: int) -> Iterator[Finding]:
    kept = _kept(host)
    names = [name[: -len(".md5sums")] for name in host.names(INFO) if name.endswith(".md5sums")]
    for name in sorted(names, key=lambda name: not RELIED.fullmatch(name.partition(":")[0])):
        package = name.partition(":")[0]
        whole = RELIED.fullmatch(package) is not None or zlib.crc32(package.encode("utf-8", "surrogateescape")) % 7 == day
        odd = {}
        for path, recorded in _files(host, known, name):
            if host.late:
                yield Finding(TOPIC, "(time)", "not all packages were read", "enough time", "run it again", "notice")
                return
            wrong = _wrong(host, name, path, recorded, whole=whole)
            if wrong and (wrong != MISSING or kept(path)):
                odd[path] = wrong
        yield from _told(package, odd)


MISSING = "missing"
OPEN = "others than root can change it"


def _wrong(host: Host, name: str, path: str, recorded: str, *, whole: bool) -> str:
    status = host.status(path)
    if status is None:
        return MISSING
    if stat.S_ISLNK(status.st_mode):
        return "a link"
    if not stat.S_ISREG(status.st_mode):
        return "no regular file"
    if can_be_written(status):
        return OPEN
    # Nobody can set this time back (inode(7)); a file that came with its package has not been touched after that.
    late = status.st_ctime > _brought(host, name) + UNPACKING
    return "changed" if (whole or late) and md5(host, path) != recorded else ""


@functools.lru_cache(maxsize=1)
def _brought(host: Host, name: str) -> float:
    status = host.status(f"{INFO}/{name}.md5sums")
    return status.st_ctime if status else 0.0


def _told(package: str, odd: dict[str, str]) -> Iterator[Finding]:
    way_out = f"apt-get install --reinstall {package}"
    expected = f"as package {package} brought it"
    if len(odd) > MANY:
        kinds = collections.Counter(odd.values())
        found = f"{', '.join(f'{count} files {kind}' for kind, count in sorted(kinds.items()))}: {listing(sorted(odd), 5)}"
        yield Finding(TOPIC, in_one_line(package), found, "its files as it brought them", in_one_line(way_out), _severity(kinds))
        return
    for path, wrong in odd.items():
        yield Finding(TOPIC, in_one_line(path), wrong, in_one_line(expected), in_one_line(way_out), _severity([wrong]))


def _severity(kinds: Iterable[str]) -> t.Literal["error", "warning"]:
    return "warning" if set(kinds) == {MISSING} else "error"


def _files(host: Host, known: Record, name: str) -> Iterator[tuple[str, str]]:
    """Where the files of a package are, and their hashes (deb-md5sums(5))."""
    for line in (host.text(f"{INFO}/{name}.md5sums", RECORD_LIMIT) or "").splitlines():
        recorded, _spaces, rest = line.partition("  ")
        path = f"/{rest}"
        if re.fullmatch(r"[0-9a-f]{32}", recorded) and rest and not path.startswith(NOT_COMPARED):
            target, by = known.diverted.get(merged(path), (path, ""))
            yield (path if by == name.partition(":")[0] else target), recorded


def _diversions(host: Host) -> tuple[dict[str, tuple[str, str]], list[str]]:
    """Path -> where the files of other packages go, and whose diversion it is; and those that are nobody's (dpkg-divert(1))."""
    lines = (host.text("/var/lib/dpkg/diversions") or "").splitlines()
    rows = list(zip(lines[::3], lines[1::3], lines[2::3]))
    return {merged(path): (target, by) for path, target, by in rows}, sorted(path for path, _target, by in rows if by == ":")


def _kept(host: Host) -> t.Callable[[str], bool]:
    """Whether this host has the file at all (dpkg(1), path-exclude): the last pattern that matches decides."""
    texts = [host.text("/etc/dpkg/dpkg.cfg") or ""]
    texts += [host.text(f"/etc/dpkg/dpkg.cfg.d/{name}") or "" for name in host.names("/etc/dpkg/dpkg.cfg.d")]
    rules = re.findall(r"^\s*path-(include|exclude)[\s=]+(\S+)", "\n".join(texts), re.MULTILINE)

    def kept(path: str) -> bool:
        if path.startswith(DISPENSABLE):
            return False
        found = [kind for kind, pattern in rules if fnmatch.fnmatchcase(path, pattern)]
        return not found or found[-1] == "include"

    return kept
