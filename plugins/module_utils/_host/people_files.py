# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files in people's homes, read and written by root. Private to this collection.

People own what is in their homes: there may be links, pipes, devices, files without end, and all of it may change at any
moment. So each step goes from an open handle to the next one and follows no link, nothing but a regular file is ever opened,
reading ends at a limit, and writing is a rename. What is in the way is put aside: renamed in its own folder, neither followed
nor removed. Above a home only root may be able to write; links there are root's.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from .._text.escapes import in_one_line
from .refused import RefusedError
from .rights import others_can_write

LIMIT = 1 << 20
ASIDE = 100  # names to try; whoever takes them all has his own reasons
ATTEMPTS = 5
KINDS = {
    stat.S_IFDIR: "a folder",
    stat.S_IFLNK: "a link",
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFREG: "a file",
}
# A handle that names a thing and does not open it (open(2)).
NAME_ONLY = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC

Owner = tuple[int, int]
"""Uid and gid."""


class OddError(RefusedError):
    """Something else than what belongs there."""

    def __init__(self, what: str, path: str, *, movable: bool = True) -> None:
        super().__init__(f"found {what} at {in_one_line(path)}")
        self.what = what
        self.path = path
        self.movable = movable


class Found(NamedTuple):
    """What is at a path in a home."""

    text: str | None = None
    """Of a regular file of sensible size. Bytes that are no UTF-8 are kept as surrogates."""
    oddity: str = ""
    """What is wrong with the thing itself, to follow the word "found"; empty for an ordinary file, and for nothing at all."""
    path: str = ""
    """Where the oddity is: the path itself, or one of the folders that lead to it."""
    on_the_way: bool = False
    """Whether it is one of the folders that lead to it."""
    movable: bool = True
    """Whether the oddity can be put aside, as far as one can know before it is tried."""
    folder: tuple[int, int] | None = None
    """Owner and mode of the folder that the file is in."""
    file: tuple[int, int] | None = None
    """Owner and mode of the file."""


def read(home: str, parts: Sequence[str], *, limit: int = LIMIT) -> Found:
    """What is at ``home/parts``. Never raises, never waits."""
    try:
        with open_home(home) as handle:
            return read_in(handle, home, parts, limit=limit)
    except FileNotFoundError:
        return Found()
    except OddError as odd:
        return found_instead(odd, home, parts)
    except OSError as error:
        return Found(oddity=f"no way to read ({error.strerror})", path="/".join((home, *parts)))


def write(home: str, parts: Sequence[str], text: str, *, person: Owner, owner: Owner | None = None, mode: int = 0o600) -> None:
    """Put a file of this text there. The folders in between are private to the person, the file is the owner's."""
    with _named("/".join((home, *parts))), open_home(home) as handle:
        write_in(handle, home, parts, text, person=person, owner=owner, mode=mode)


def remove(home: str, parts: Sequence[str]) -> None:
    """Remove the file; put aside what is there instead."""
    with _named("/".join((home, *parts))), open_home(home) as handle:
        remove_in(handle, home, parts)


def found_instead(odd: OddError, home: str, parts: Sequence[str]) -> Found:
    """What was met on the way to ``home/parts``, or there."""
    return Found(oddity=odd.what, path=odd.path, on_the_way=odd.path != "/".join((home, *parts)), movable=odd.movable)


def read_in(handle: int, home: str, parts: Sequence[str], *, limit: int = LIMIT) -> Found:
    """As `read`, with a handle of the home; may raise."""
    with contextlib.ExitStack() as stack:
        for depth in range(1, len(parts)):
            handle = stack.enter_context(_held(_enter(handle, parts[depth - 1], "/".join((home, *parts[:depth])))))
        return _read(handle, parts[-1], "/".join((home, *parts)), limit)


def write_in(  # noqa: PLR0913 - a place in a home, a text, and whose and how open what is on the way and at its end shall be
    handle: int,
    home: str,
    parts: Sequence[str],
    text: str,
    *,
    person: Owner,
    owner: Owner | None = None,
    mode: int = 0o600,
) -> None:
    """As `write`, with a handle of the home."""
    with contextlib.ExitStack() as stack:
        for depth in range(1, len(parts)):
            handle = stack.enter_context(_held(_make_folder(handle, parts[depth - 1], "/".join((home, *parts[:depth])))))
            _give(handle, person, 0o700)
        data = text.encode("utf-8", "surrogateescape")
        with _temporary(handle, parts[-1], data, owner or person, mode) as temporary:
            _put_in_place(handle, temporary, parts[-1], "/".join((home, *parts)))


def remove_in(handle: int, home: str, parts: Sequence[str]) -> None:
    """As `remove`, with a handle of the home."""
    with contextlib.ExitStack() as stack, contextlib.suppress(FileNotFoundError):
        for depth, part in enumerate(parts, 1):
            path = "/".join((home, *parts[:depth]))
            try:
                if depth < len(parts):
                    handle = stack.enter_context(_held(_enter(handle, part, path)))
                    continue
                _check(handle, part, path)
            except OddError as odd:
                _put_aside(handle, part, odd)
                return
            os.unlink(part, dir_fd=handle)


def make_home(home: str, owner: Owner, mode: int) -> None:
    """Give the folder to its owner; make it if there is none."""
    with _named(home), open_home(home, make=True) as handle:
        _give(handle, owner, mode)


@contextlib.contextmanager
def open_home(home: str, *, make: bool = False) -> Iterator[int]:
    """A handle of a home. Nobody but root can have put something else in its place, or can do so now."""
    parts = [part for part in os.path.realpath(home).split("/") if part]
    if not parts:
        raise OddError("the root of all folders", "/", movable=False)
    handle = os.open("/", NAME_ONLY)
    try:
        for depth, part in enumerate(parts, 1):
            if others_can_write(os.fstat(handle)):
                raise OddError("a folder that others than root can write to", f"/{'/'.join(parts[: depth - 1])}", movable=False)
            made = False
            if make:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(part, 0o700, dir_fd=handle)
                    made = True
            inner = os.open(part, NAME_ONLY, dir_fd=handle)
            os.close(handle)
            handle = inner
            if not stat.S_ISDIR(os.fstat(handle).st_mode):
                raise OddError(_kind(os.fstat(handle)), f"/{'/'.join(parts[:depth])}", movable=False)
            if made and depth < len(parts):
                _give(handle, (0, 0), 0o755)
        yield handle
    finally:
        os.close(handle)


def _enter(outer: int, name: str, path: str) -> int:
    handle = _step(outer, name, path)
    status = os.fstat(handle)
    if not stat.S_ISDIR(status.st_mode):
        os.close(handle)
        raise OddError(_kind(status), path)
    return handle


def _make_folder(outer: int, name: str, path: str) -> int:
    for _attempt in range(ATTEMPTS):
        with contextlib.suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=outer)
        try:
            return _enter(outer, name, path)
        except FileNotFoundError:
            continue
        except OddError as odd:
            _put_aside(outer, name, odd)
    raise OddError("something that changes while one looks", path)


def _step(outer: int, name: str, path: str) -> int:
    handle = os.open(name, NAME_ONLY, dir_fd=outer)
    # Before anything is asked of it: whoever has mounted a file system of his own may leave questions unanswered.
    if _mount(handle) != _mount(outer):
        os.close(handle)
        raise OddError("a mounted file system", path, movable=False)
    return handle


def _check(folder: int, name: str, path: str) -> None:
    found = _read(folder, name, path, LIMIT)
    if found.oddity:
        raise OddError(found.oddity, path)


def _read(folder: int, name: str, path: str, limit: int) -> Found:
    with _held(_step(folder, name, path)) as name_only:
        status = os.fstat(name_only)
        found = Found(path=path, folder=_owner_and_mode(os.fstat(folder)), file=_owner_and_mode(status))
        if not stat.S_ISREG(status.st_mode):
            return found._replace(oddity=_kind(status))
        try:
            # This opens what has been looked at, whatever has the name by now (proc(5)). It does not wait for a lease (fcntl(2)).
            handle = os.open(_proc(name_only), os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
            with os.fdopen(handle, "rb") as stream:
                data = stream.read(limit + 1) if status.st_size <= limit else b""
        except OSError as error:
            return found._replace(oddity=f"no way to read ({error.strerror})")
    if max(len(data), status.st_size) > limit:
        return found._replace(oddity=f"a file of {max(len(data), status.st_size):,} bytes")
    found = found._replace(text=data.decode("utf-8", "surrogateescape"))
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return found._replace(oddity="a file with bytes that are no UTF-8")
    return found._replace(oddity="a file with several names (hard links)") if status.st_nlink > 1 else found


@contextlib.contextmanager
def _temporary(folder: int, name: str, data: bytes, owner: Owner, mode: int) -> Iterator[str]:
    """A finished file under a name that nobody can foresee."""
    temporary = f".{name}.{secrets.token_hex(16)}"
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(data)
            stream.flush()
            os.fchown(handle, *owner)
            os.fchmod(handle, mode)
            os.fsync(handle)
        yield temporary
    finally:
        with contextlib.suppress(OSError):
            os.unlink(temporary, dir_fd=folder)


def _put_in_place(folder: int, temporary: str, name: str, path: str) -> None:
    for _attempt in range(ATTEMPTS):
        with contextlib.suppress(FileNotFoundError):
            try:
                _check(folder, name, path)
            except OddError as odd:
                _put_aside(folder, name, odd)
        # A folder may have come there in between.
        with contextlib.suppress(IsADirectoryError):
            os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
            return
    raise OddError("something that changes while one looks", path)


def _put_aside(folder: int, name: str, odd: OddError) -> None:
    if not odd.movable:
        raise odd
    for number in range(1, ASIDE + 1):
        aside = f"{name}.replaced.{number}"
        with contextlib.suppress(FileNotFoundError):
            os.stat(aside, dir_fd=folder, follow_symlinks=False)
            continue
        try:
            os.rename(name, aside, src_dir_fd=folder, dst_dir_fd=folder)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise OddError(f"{odd.what}, and no way to put it aside ({error.strerror}),", odd.path) from error
        return
    raise OddError(f"{odd.what}, and {ASIDE} things put aside before,", odd.path)


def _give(handle: int, owner: Owner, mode: int) -> None:
    os.chown(_proc(handle), *owner)
    os.chmod(_proc(handle), mode)


@contextlib.contextmanager
def _held(handle: int) -> Iterator[int]:
    try:
        yield handle
    finally:
        os.close(handle)


@contextlib.contextmanager
def _named(path: str) -> Iterator[None]:
    """An error of the system becomes a sentence with the path that it is about."""
    try:
        yield
    except OSError as error:
        raise OddError(f"no way to write ({error.strerror})", path) from error


def _proc(handle: int) -> str:
    return f"/proc/self/fd/{handle}"


def _mount(handle: int) -> str:
    """Which mount the thing is in."""
    with open(f"/proc/self/fdinfo/{handle}", encoding="ascii") as stream:
        return next(line for line in stream if line.startswith("mnt_id:"))


def _kind(status: os.stat_result) -> str:
    return KINDS.get(stat.S_IFMT(status.st_mode), "something strange")


def _owner_and_mode(status: os.stat_result) -> tuple[int, int]:
    return status.st_uid, stat.S_IMODE(status.st_mode)
