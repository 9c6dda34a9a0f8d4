# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Archives that conda-pack made: what is in them, and how they get out safely. Private to this collection.

An archive comes from elsewhere. Nothing in it is written outside of the folder it is unpacked into: no absolute path, no `..`, no
file through a link, no link that leads out, no device, no owner and no mode but executable or not.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import posixpath
import re
import shutil
import stat
import tarfile
import typing as t
import zipfile
from collections.abc import Callable, Iterator, Mapping

from .errors import CondaEnvError
from .manifest import MANIFEST_FILE
from .records import Package, conda_packages, pip_packages

UNPACK = "bin/conda-unpack"
UNPACK_MODULE = "bin/conda_unpack_progress.py"
# What says something about the place the archive was made at, not about the packages.
LEFT_OUT = (MANIFEST_FILE, "conda-meta/frozen")
_RECORD = re.compile(r"^(conda-meta/[^/]+\.json|lib/python[^/]+/site-packages/[^/]+\.dist-info/(METADATA|INSTALLER))$")
_PIECE = 1024 * 1024
_CHECKSUM = re.compile(r"^sha256:([0-9a-f]{64})$")


@dataclasses.dataclass(frozen=True)
class Archive:
    """An archive that an environment is made of. `file` is empty on a host that does not have it yet."""

    path: str
    sha256: str
    file: str = ""
    lines: tuple[str, ...] | None = None

    def digest(self) -> str:
        """Digest of the generation that is made of it."""
        return hashlib.sha256(f"archive {self.sha256}".encode()).hexdigest()


@dataclasses.dataclass(frozen=True)
class Member:
    """One entry: a folder, a file, or a link to `target`. A hard link names another member in place of having content."""

    path: str
    kind: str
    mode: int = 0
    time: float = 0
    target: str = ""
    open: Callable[[], t.IO[bytes] | None] = lambda: None


def sha256_of(path: str) -> str:
    """Digest of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()


def lines(path: str, scratch: str) -> tuple[str, ...]:
    """Packages of an archive, as lines of a diff."""
    folder = os.path.join(scratch, "archive")
    shutil.rmtree(folder, ignore_errors=True)
    unpack(path, folder, lambda name: _RECORD.match(name) is not None)
    return contents(folder)


def contents(prefix: str) -> tuple[str, ...]:
    """Packages of an unpacked archive, as lines of a diff."""
    return (*(item.line() for item in conda_packages(prefix)), *(f"pip: {line}" for line in requirements(pip_packages(prefix))))


def requirements(packages: t.Iterable[Package]) -> list[str]:
    """Distributions of pip as requirements."""
    return [f"{item.name}=={item.version}" for item in packages]


def unpack(path: str, folder: str, wanted: Callable[[str], bool] = lambda _name: True) -> None:
    """Unpack an archive, or a part of it, into a folder that is made for it. Raises CondaEnvError."""
    os.makedirs(folder, mode=0o755)
    links: list[Member] = []
    try:
        for member in _members(path):
            if member.path in LEFT_OUT or not wanted(member.path):
                continue
            if member.kind == "link":
                links.append(member)
            else:
                _write(folder, member)
        # No file is written through a link: there is none until all files are there.
        for member in links:
            _link(path, folder, member)
    except FileExistsError as error:
        name = os.path.relpath(str(error.filename2 or error.filename), folder)
        raise CondaEnvError(f"the archive {path} has {name} twice", "Make it again.") from None
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, UnicodeDecodeError) as error:
        raise CondaEnvError(f"the archive {path} cannot be read: {error}", "Make it again, or copy it again.") from None


def _link(path: str, folder: str, member: Member) -> None:
    place, inside = os.path.join(folder, member.path), os.path.realpath(folder)
    parent = os.path.dirname(member.path)
    if os.path.realpath(os.path.dirname(place)) != os.path.normpath(os.path.join(inside, parent)):
        raise _unsafe(path, member.path, "behind a link")
    os.makedirs(os.path.dirname(place), mode=0o755, exist_ok=True)
    os.symlink(member.target, place)
    if not (os.path.realpath(place) + "/").startswith(inside + "/"):
        raise _unsafe(path, member.path, f"a link to {member.target}, outside of the environment")


def _write(folder: str, member: Member) -> None:
    target = os.path.join(folder, member.path)
    if member.kind == "folder":
        os.makedirs(target, mode=0o755, exist_ok=True)
        return
    os.makedirs(os.path.dirname(target), mode=0o755, exist_ok=True)
    if member.kind == "hard link":
        os.link(os.path.join(folder, member.target), target, follow_symlinks=False)
        return
    mode = 0o755 if member.mode & 0o111 else 0o644
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    source = member.open()
    with open(os.open(target, flags, mode), "wb") as file:
        if source is not None:
            with source:
                shutil.copyfileobj(source, file, _PIECE)
    # Byte code is valid for the time of its source.
    os.utime(target, (member.time, member.time))


def _members(path: str) -> Iterator[Member]:
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for item in archive.infolist():
                yield _zipped(path, archive, item)
        return
    try:
        packed = tarfile.open(path)  # noqa: SIM115 - entered below
    except tarfile.ReadError:
        raise CondaEnvError(
            f"the archive {path} is none that can be read",
            "Give a .tar.gz, .tar.bz2, .tar.xz, .tar or .zip that conda-pack made.",
        ) from None
    with packed:
        for entry in packed:
            yield _tarred(path, packed, entry)


def _tarred(path: str, archive: tarfile.TarFile, item: tarfile.TarInfo) -> Member:
    name = _inside(path, item.name)
    if item.isdir():
        return Member(name, "folder")
    if item.issym():
        return Member(name, "link", target=_target(path, name, item.linkname))
    if item.islnk():
        return Member(name, "hard link", target=_inside(path, item.linkname))
    if not item.isreg():
        raise _unsafe(path, name, "neither a file nor a folder nor a link")
    return Member(name, "file", item.mode, item.mtime, open=lambda: archive.extractfile(item))


def _zipped(path: str, archive: zipfile.ZipFile, item: zipfile.ZipInfo) -> Member:
    name, mode = _inside(path, item.filename), item.external_attr >> 16
    if item.is_dir():
        return Member(name, "folder")
    if stat.S_ISLNK(mode):
        return Member(name, "link", target=_target(path, name, archive.read(item).decode()))
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        raise _unsafe(path, name, "neither a file nor a folder nor a link")
    return Member(name, "file", mode, 0, open=lambda: archive.open(item))


def _inside(path: str, name: str) -> str:
    plain = posixpath.normpath(name)
    if name.startswith("/") or "\\" in name or "\0" in name or plain.split("/")[0] == "..":
        raise _unsafe(path, name, "a path outside of the environment")
    return plain


def _target(path: str, name: str, target: str) -> str:
    if target.startswith("/") or posixpath.normpath(posixpath.join(posixpath.dirname(name), target)).split("/")[0] == "..":
        raise _unsafe(path, name, f"a link to {target}, outside of the environment")
    return target


def _unsafe(path: str, name: str, what: str) -> CondaEnvError:
    return CondaEnvError(
        f"the archive {path} is not safe to unpack: {name} is {what}",
        "Make it with conda-pack from an environment that you trust.",
    )


def archive_of(path: str, facts: Mapping[str, t.Any] | None, remote_src: bool, checksum: str | None) -> Archive:
    """The archive on the host, or what the controller says about its own. Raises CondaEnvError."""
    if remote_src:
        if not os.path.isfile(path):
            raise CondaEnvError(
                f"there is no archive {path} on the host", "Without 'remote_src' it is looked for on the controller."
            )
        found = Archive(path, sha256_of(path), path)
    elif facts:
        lines = facts.get("lines")
        found = Archive(path, str(facts["sha256"]), str(facts.get("file") or ""), None if lines is None else tuple(lines))
    else:
        raise CondaEnvError(
            "the archive was not looked for on the controller", "Call the module from a task, or set 'remote_src: true'."
        )
    if checksum:
        wanted = _CHECKSUM.match(checksum.lower())
        if not wanted:
            raise CondaEnvError(f"checksum: found '{checksum}'; expected 'sha256:' and 64 hexadecimal digits")
        if wanted.group(1) != found.sha256:
            raise CondaEnvError(
                f"the archive {path} is not what was announced: found sha256:{found.sha256}, expected {checksum}",
                "Copy it again, or correct 'checksum'. The environment has not been touched.",
            )
    if not remote_src and found.file and sha256_of(found.file) != found.sha256:
        raise CondaEnvError(f"the archive {path} has changed on its way to the host", "Run again.")
    return found
