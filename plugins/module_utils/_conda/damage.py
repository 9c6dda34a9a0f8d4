# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a prefix is not as it was installed, by a look that an administrator can afford every night.

Every recorded path is asked with lstat(2): is it there, is it a file or a link as it was, does it have its size? What answers
otherwise is read, and so is a seventh of the others: a file whose times somebody has set back is found within a week. With
`full` all of it is read.

An environment may belong to a person. So no link is followed, but those that packages brought as parts of a path, and a file that
has become much longer is not read. Private to this collection.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import stat
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence

from . import byte_code
from .manifest import MANIFEST_FILE, Manifest, settings
from .verify import Expected, Problem, expected_files, groups, hash_all

FILES, FULL = "files", "full"
# Nights until each file has been read.
_NIGHTS = 7
# What is longer than this is not read. A longer prefix makes a text longer, once for each time that it stands there.
_GROWTH, _LENGTH_ALLOWED = 8, 1 << 16
# Of what has no size in its record.
_UNKNOWN_ALLOWED = 1 << 30
# Files that are named in a reason, and in a diff; the rest is counted.
_NAMED, _SHOWN = 5, 20
REPAIR = "to repair what was found: verify=full; of the roles, site.yml with -e miniconda_verify=full"

_KINDS = ((stat.S_ISLNK, "a link"), (stat.S_ISDIR, "a folder"), (stat.S_ISREG, "a file"), (stat.S_ISFIFO, "a pipe"))


@dataclasses.dataclass(frozen=True)
class Notes:
    """What was written down when a prefix was finished: the time, what differed at once, and what no record tells.

    `made` are (path, `sha256:...` or `-> target`) of links, and of programs that conda or pip wrote themselves.
    """

    finished_ns: int
    known: tuple[str, ...] = ()
    made: tuple[tuple[str, str], ...] = ()


def find(prefix: str, level: str, notes: Notes, day: int | None = None) -> tuple[Problem, ...]:
    """Every path that is not as installed, and was not so from the start. `day`: counted from any other."""
    today = int(time.time()) // 86400 if day is None else day
    files, unusable = expected_files(prefix)
    look = _Look(prefix, level, notes, today)
    found = look.problems(files, unusable)
    hidden = byte_code.problems(prefix, files, notes.finished_ns, look.due)
    return (*(item for item in found if line(item) not in notes.known), *sorted(hidden, key=lambda item: item.path))


def of(written: Manifest, level: str) -> tuple[Problem, ...]:
    """The same of a prefix with a manifest, as far as a task wants it to be looked at."""
    if level not in (FILES, FULL):
        return ()
    finished = written.finished_ns
    if not finished:
        # An earlier version of this module wrote none; it wrote the manifest last.
        with contextlib.suppress(OSError):
            finished = os.lstat(os.path.join(written.prefix, MANIFEST_FILE)).st_mtime_ns
    return (*_settings(written), *find(written.prefix, level, Notes(finished, written.known_damage or (), written.made)))


def _settings(written: Manifest) -> Iterator[Problem]:
    """Variables and pins: they are told whatever else conda or pip have changed."""
    if written.settings and settings(written.prefix) != written.settings:
        yield Problem(
            "conda-meta/state or conda-meta/pinned", "", "", "altered", "the variables and pins that were noted", "others"
        )


def noted(written: Manifest, notes: Notes) -> Manifest:
    """A manifest with these notes."""
    return dataclasses.replace(written, finished_ns=notes.finished_ns, known_damage=notes.known, made=notes.made)


def first_look(prefix: str, unrecorded: Iterable[str] = ()) -> Notes:
    """The notes of a prefix that is finished now. Packages may change their own files when they are linked.

    `unrecorded` are paths of no package that are to stay as they are.
    """
    files, unusable = expected_files(prefix)
    untold = {item[0].path for item in groups(files) if not all(one.digest for one in item)}
    made = tuple((path, seen) for path in sorted({*untold, *unrecorded}) if (seen := _content(prefix, path)))
    # The time of what was just written is not later than this.
    notes = Notes(time.time_ns(), (), made)
    found = _Look(prefix, FULL, notes, 0).problems(files, unusable)
    return dataclasses.replace(notes, known=tuple(map(line, found)))


def line(item: Problem) -> str:
    """A problem as it is noted."""
    return f"{item.path} ({item.problem}) {item.found}".rstrip()


def reasons(found: Sequence[Problem]) -> tuple[str, ...]:
    """Why the environment is to be built again; empty if nothing differs."""
    if not found:
        return ()
    count = "1 file is" if len(found) == 1 else f"{len(found)} files are"
    names = ", ".join(f"{item.path} ({item.problem})" for item in found[:_NAMED])
    return (f"{count} not as installed: {names}{', ...' if len(found) > _NAMED else ''}",)


def sides(found: Sequence[Problem]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The same for a diff: what is, and what should be."""
    if not found:
        return (), ()
    more = (f"and {len(found) - _SHOWN} more files that are not as installed",) if len(found) > _SHOWN else ()
    before = [f"{_name(item)}: {item.problem}{f', {item.found}' if item.found else ''}" for item in found[:_SHOWN]]
    after = [f"{_name(item)}: as installed{f', {item.expected}' if item.expected else ''}" for item in found[:_SHOWN]]
    return (*before, *more), tuple(after)


def _name(item: Problem) -> str:
    return " ".join(filter(None, (item.installer, item.package, item.path)))


class _Look:
    """One look at a prefix."""

    def __init__(self, prefix: str, level: str, notes: Notes, day: int) -> None:
        self.prefix, self.level, self.notes, self.day = prefix, level, notes, day
        self.known = {text.partition(" (")[0] for text in notes.known}

    def problems(self, files: Sequence[Expected], unusable: Iterable[str]) -> tuple[Problem, ...]:
        """Every path that differs."""
        problems = [Problem(text, "", "", "unusable record", "", "") for text in unusable]
        links = {item.path for item in files if item.kind == "link"}
        folders = _Folders(self.prefix, self.unchanged(links))
        to_read: list[tuple[list[Expected], int]] = []
        # Byte code may be written again, and has a look of its own.
        for group in groups(item for item in _completed(files, self.notes.made) if not byte_code.is_cached(item.path)):
            in_the_way = folders.in_the_way(group[-1].path)
            if in_the_way in links:
                # It leads elsewhere, and is told by itself.
                continue
            if in_the_way:
                item = dataclasses.replace(group[-1], path=in_the_way)
                problems.append(_problem(item, "linked", "a folder", folders.found[in_the_way]))
            else:
                problems += self.seen(group, to_read)
        problems += self.read(to_read)
        # What is below a folder that became a link is told once for each package.
        return tuple(sorted(set(problems), key=lambda item: (item.path, item.installer, item.package, item.problem)))

    def unchanged(self, links: Iterable[str]) -> set[str]:
        """Those of the links that packages brought that lead where they did."""
        noted = dict(self.notes.made)
        return {path for path in links if noted.get(path) in (None, _target(self.prefix, path))}

    def seen(self, group: list[Expected], to_read: list[tuple[list[Expected], int]]) -> Iterator[Problem]:
        """What lstat() alone tells of a path; the content of which is to be compared as well is put on the list."""
        last = group[-1]
        try:
            status = os.lstat(os.path.join(self.prefix, last.path))
        except OSError as error:
            problem = "missing" if isinstance(error, (FileNotFoundError, NotADirectoryError)) else "unreadable"
            yield _problem(last, problem, _expected(last), "")
            return
        if self.cannot_start(last.path, status):
            yield _problem(last, "altered", "a program that can be started", f"mode {stat.S_IMODE(status.st_mode):04o}")
        if not any(item.kind in ("", _kind(status)) for item in group):
            yield _problem(last, "altered", _expected(last), _seen(self.prefix, last.path, status))
        elif stat.S_ISLNK(status.st_mode):
            yield from _links(self.prefix, group)
        elif not all(item.digest for item in group):
            # Nobody knows what was in it where an earlier version of this module wrote the manifest, but it was finished by then.
            if stat.S_ISREG(status.st_mode) and status.st_mtime_ns > self.notes.finished_ns:
                yield _problem(last, "altered", _expected(last), "written later")
        elif self.to_be_read(group, status):
            if status.st_size > max(map(_allowed, group)):
                yield _problem(last, "altered", _expected(last), f"{status.st_size} bytes")
            else:
                to_read.append((group, status.st_size))

    def cannot_start(self, path: str, status: os.stat_result) -> bool:
        """Whether a program is one that nobody may start. No record tells of rights; shell scripts are often there to be read."""
        folder, name = os.path.split(path)
        if status.st_mode & stat.S_IXUSR or folder != "bin" or not stat.S_ISREG(status.st_mode):
            return False
        start = _start(os.path.join(self.prefix, path))
        return start.startswith(b"\x7fELF") or (start.startswith(b"#!") and b"python" in start and "." not in name)

    def to_be_read(self, group: Sequence[Expected], status: os.stat_result) -> bool:
        """Whether the content of a file that is there is to be compared, too."""
        path = group[-1].path
        return (
            path in self.known
            or status.st_mtime_ns > self.notes.finished_ns
            or not any(item.exact and item.size == status.st_size for item in group)
            or self.due(path)
        )

    def due(self, path: str) -> bool:
        """Whether this file is read today in any case."""
        return self.level == FULL or zlib.crc32(os.fsencode(path)) % _NIGHTS == self.day % _NIGHTS

    def read(self, to_read: list[tuple[list[Expected], int]]) -> Iterator[Problem]:
        """Files whose content differs. The largest first, so that no thread starts with a long one when the others are done."""
        to_read.sort(key=lambda job: -job[1])
        jobs = dict.fromkeys((item.path, item.algorithm) for group, _size in to_read for item in group)
        found, _size = hash_all(self.prefix, list(jobs), flags=os.O_NOFOLLOW)
        for group, _size in to_read:
            if any(found[item.path, item.algorithm] == item.digest for item in group):
                continue
            last = group[-1]
            seen = found[last.path, last.algorithm]
            problem = seen if seen in ("missing", "unreadable") else "altered"
            yield _problem(last, problem, _expected(last), f"{last.algorithm}:{seen}" if problem == "altered" and seen else "")


def _allowed(item: Expected) -> int:
    return item.size * _GROWTH + _LENGTH_ALLOWED if item.size or item.exact else _UNKNOWN_ALLOWED


def _completed(files: Sequence[Expected], made: Iterable[tuple[str, str]]) -> Iterator[Expected]:
    """The files, with what was noted where no record tells, and what is in no record."""
    noted: Mapping[str, str] = dict(made)
    recorded = set()
    for item in files:
        recorded.add(item.path)
        yield _with_note(item, noted[item.path]) if item.path in noted and not item.digest else item
    for path, seen in noted.items():
        if path not in recorded:
            yield _with_note(Expected(path, "", "conda"), seen)


def _with_note(item: Expected, seen: str) -> Expected:
    if seen.startswith("-> "):
        # A link has no digest: in its place is where it leads to.
        return dataclasses.replace(item, digest=seen, algorithm="", kind="link", size=0)
    return dataclasses.replace(item, digest=seen.partition(":")[2], kind="file", size=0)


def _links(prefix: str, group: Sequence[Expected]) -> Iterator[Problem]:
    """A link that leads elsewhere than it did."""
    targets = {item.digest for item in group if item.kind == "link" and item.digest}
    found = _target(prefix, group[-1].path)
    if targets and found not in targets:
        yield _problem(group[-1], "altered", " or ".join(sorted(targets)), found)


def _start(place: str) -> bytes:
    """The first lines of a script: long paths stand in the second one."""
    with contextlib.suppress(OSError), open(os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
        return file.read(512)
    return b""


def _target(prefix: str, path: str) -> str:
    try:
        return f"-> {os.readlink(os.path.join(prefix, path))}"
    except OSError:
        return "no link"


def _content(prefix: str, path: str) -> str:
    """What is noted of a path; nothing for what is neither a link nor a file."""
    place = os.path.join(prefix, path)
    try:
        mode = os.lstat(place).st_mode
    except OSError:
        return ""
    if stat.S_ISLNK(mode):
        return _target(prefix, path)
    found = hash_all(prefix, [(path, "sha256")], 1, os.O_NOFOLLOW)[0][path, "sha256"] if stat.S_ISREG(mode) else ""
    return f"sha256:{found}" if len(found) == 64 else ""


def _kind(status: os.stat_result) -> str:
    return "link" if stat.S_ISLNK(status.st_mode) else "file" if stat.S_ISREG(status.st_mode) else "other"


def _seen(prefix: str, path: str, status: os.stat_result) -> str:
    name = next((name for test, name in _KINDS if test(status.st_mode)), "no file")
    return f"a link {_target(prefix, path)}" if stat.S_ISLNK(status.st_mode) else name


def _expected(item: Expected) -> str:
    if item.kind == "link":
        return f"a link {item.digest}".rstrip()
    return f"{item.algorithm}:{item.digest}" if item.digest else "a file"


def _problem(item: Expected, problem: str, expected: str, found: str) -> Problem:
    return Problem(item.path, item.package, item.installer, problem, expected, found)


class _Folders:
    """Folders of a prefix, each asked once. `found` says what stands in the place of one."""

    def __init__(self, prefix: str, links: set[str]) -> None:
        self.prefix, self.links = prefix, links
        self.found: dict[str, str] = {}
        self._known = {"": ""}

    def in_the_way(self, path: str) -> str:
        """The folder above a path that is a link, and was none; empty if there is none."""
        folder = os.path.dirname(path)
        if folder not in self._known:
            self._known[folder] = self.in_the_way(folder) or self._own(folder)
        return self._known[folder]

    def _own(self, folder: str) -> str:
        if folder in self.links:
            return ""
        try:
            target = os.readlink(os.path.join(self.prefix, folder))
        except OSError:
            return ""
        self.found[folder] = f"a link -> {target}"
        return folder
