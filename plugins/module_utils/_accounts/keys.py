# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the keys of people are kept, and what these files have to say. Pure. Private to this collection.

In the system's folder they are root's, and nothing that a person does changes them. In homes they belong to the person. The role
sshd tells sshd where to look (AuthorizedKeysFile); until it does, what sshd does look at is kept right too.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from .._host.people_files import Found
from .._ssh import keys as ssh_keys

HEADER = "# Managed by Ansible, role openlab.research_server.accounts. The next run undoes what is changed here."
FOLDER = "/etc/ssh/authorized_keys.d"
HOME_PARTS = (".ssh", "authorized_keys")
# sshd_config(5). The rest of sshd's own default, authorized_keys2, has been obsolete since 2001.
IN_HOMES = ".ssh/authorized_keys"
# For people who try `ssh-copy-id`, which ends with "Permission denied": the file is root's.
NOTE = """\
# Keys of this account are kept in {path}, by the administrators of this server.
# Nothing that is written here opens the account. To add, replace or remove a key, ask them.
"""


class Rules(NamedTuple):
    """What the variables say about keys, and what sshd does."""

    in_system: bool = True
    """Whether keys are to be in the system's folder."""
    exclusive: bool = True
    """Whether people may have no keys besides those of the data."""
    sshd_files: tuple[str, ...] = (IN_HOMES,)
    """The words of AuthorizedKeysFile in effect."""
    elsewhere: bool = False
    """Whether sshd also asks a program for keys, or lets people in by certificate."""

    def reads_system(self, name: str, home: str) -> bool:
        return system_file(name) in self._paths(name, home)

    def reads_home(self, name: str, home: str) -> bool:
        """Whether sshd looks anywhere else than in the system's folder."""
        return self._paths(name, home) != {system_file(name)}

    def looks_at_home(self, name: str, home: str) -> bool:
        return not self.in_system or self.reads_home(name, home)

    def _paths(self, name: str, home: str) -> set[str]:
        tokens = {"%h": home, "%u": name, "%%": "%"}
        words = (re.sub("%[hu%]", lambda token: tokens[token[0]], word) for word in self.sshd_files)
        return {posixpath.normpath(posixpath.join(home, word)) for word in words}


class Wanted(NamedTuple):
    """A file of keys as it shall be."""

    text: str
    of_root: bool = False
    """Owned by root and read by everyone, in place of the person's own."""

    @property
    def mode(self) -> int:
        return 0o644 if self.of_root else 0o600


class Step(NamedTuple):
    """One thing to do, with a difference to show."""

    action: str
    value: Any
    before: str
    after: str


def system_file(name: str) -> str:
    return f"{FOLDER}/{name}"


class Place(NamedTuple):
    """One file of somebody's keys, as it is and as it shall be."""

    action: str
    found: Found
    wanted: Wanted
    uid: int
    """Whose the folder is, and the file unless it is root's."""
    folder_mode: int

    @property
    def file(self) -> tuple[int, int]:
        """Owner and mode, as they shall be."""
        return 0 if self.wanted.of_root else self.uid, self.wanted.mode

    @property
    def folder(self) -> tuple[int, int]:
        return self.uid, self.folder_mode

    def right(self, *, exclusive: bool) -> bool:
        if self.found.oddity and exclusive:
            return False
        return (self.found.text, self.found.file, self.found.folder) == (self.wanted.text, self.file, self.folder)


def places(
    name: str, keys: Sequence[str], account: tuple[int, str] | None, rules: Rules, *, home: Found, system: Found
) -> list[Place]:
    """The files that matter for somebody who is present. ``account`` has uid and home, if it exists."""
    uid, folder = account or (-1, f"/home/{name}")
    found = []
    if rules.in_system or rules.reads_system(name, folder):
        found.append(Place("system_keys", system, Wanted(_text(keys), of_root=True), 0, 0o755))
    in_home = _wanted_in_home(name, folder, keys, home, rules, new=account is None)
    if in_home:
        found.append(Place("home_keys", home, in_home, uid, 0o700))
    return found


def plan(found: Iterable[Place], *, exclusive: bool) -> list[Step]:
    """What has to be done with the keys of somebody who is present."""
    steps = []
    for place in found:
        if place.found.movable and not place.right(exclusive=exclusive):
            before, after = described(place.found), place.wanted.text
            if before == after:
                before, after = _attributes(place.found.file, place.found.folder), _attributes(place.file, place.folder)
            steps.append(Step(place.action, place.wanted, before, after))
    return steps


def plan_absent(home: Found, system: Found) -> list[Step]:
    """A leaver has no keys anywhere."""
    files = (("no_system_keys", system), ("no_home_keys", home))
    there = [(action, found) for action, found in files if found.oddity or found.text is not None]
    return [Step(action, None, described(found), "") for action, found in there if found.movable]


def described(found: Found) -> str:
    """What is there, for a difference."""
    return f"{found.oddity} at {found.path}\n" if found.oddity else found.text or ""


def merge(keys: Iterable[str], existing: str | None) -> str:
    """The keys of the data besides those that are there."""
    if existing is None:
        return _text(keys)
    wanted = [ssh_keys.parse(line) for line in keys]
    kept = _lines(without_rivals(keys, existing))
    return "\n".join([*kept, *(key.line for key in wanted if key.line not in kept)]) + "\n"


def without_rivals(keys: Iterable[str], existing: str) -> str:
    """What is there, but a key of the data with other options, which would still open the door as before."""
    rivals = {key.blob: key.line for key in map(ssh_keys.parse, keys)}
    lines = _lines(existing)
    kept = [line for line in lines if rivals.get(_blob(line), line) == line]
    return existing if kept == lines else "".join(f"{line}\n" for line in kept)


def _wanted_in_home(name: str, folder: str, keys: Sequence[str], home: Found, rules: Rules, *, new: bool) -> Wanted | None:
    """None: sshd does not look there, so what people have there is theirs."""
    looked_at = rules.reads_home(name, folder)
    if not rules.in_system:
        return Wanted(_text(keys) if rules.exclusive else merge(keys, home.text))
    if rules.exclusive:
        note = NOTE.format(path=system_file(name))
        if looked_at:
            return Wanted(note + _text(keys), of_root=True)
        return Wanted(note, of_root=True) if new else None
    if not looked_at:
        return None
    if not rules.reads_system(name, folder):
        return Wanted(merge(keys, home.text))
    return None if home.text is None else Wanted(without_rivals(keys, home.text))


def _text(keys: Iterable[str]) -> str:
    return "\n".join([HEADER, *(ssh_keys.parse(line).line for line in keys)]) + "\n"


def _attributes(file: tuple[int, int] | None, folder: tuple[int, int] | None) -> str:
    named = (("file", file), ("folder", folder))
    return "".join(f"{what}: owner {found[0]}, mode {found[1]:04o}\n" for what, found in named if found)


def _lines(text: str) -> list[str]:
    """As sshd sees them; str.splitlines() knows other ends of lines too."""
    return text.removesuffix("\n").split("\n") if text else []


def _blob(line: str) -> bytes:
    try:
        return ssh_keys.parse(line).blob
    except ssh_keys.KeyFormatError:
        return b""
