# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that change together, or are all put back as they were. Private to this collection."""

from __future__ import annotations

import contextlib
import os
import stat
import typing as t
from collections.abc import Iterator, Mapping

from .._host import rights
from .._host.difference import Difference, difference
from .._host.files import put_file, read_file


class File(t.NamedTuple):
    """A file of root's, or of somebody's in a folder of root's, as it shall be."""

    text: str | None
    """None: there shall be none."""
    mode: int = 0o644
    group: int = 0
    secret: bool = False
    owner: int = 0


def new(files: Mapping[str, File]) -> dict[str, File]:
    """Those that say something else than they shall."""
    return {path: file for path, file in files.items() if read_file(path) != file.text or os.path.islink(path)}


def differences(files: Mapping[str, File]) -> list[Difference]:
    """Of a secret only that it is another one."""
    return [
        difference(path, *(_told(text, file.secret, which) for text, which in ((read_file(path), "old"), (file.text, "new"))))
        for path, file in sorted(files.items())
    ]


def _told(text: str | None, secret: bool, which: str) -> str | None:
    return f"{which} secret\n" if secret and text is not None else text


def faults(files: Mapping[str, File], folders: Mapping[str, File]) -> list[rights.Fault]:
    """Who else owns them, or could read or change them."""
    there = {path: file for path, file in files.items() if file.text is not None}
    roots = {path: file.mode for path, file in there.items() if not (file.group or file.owner)}
    found = rights.faults(roots)
    for path, file in {**folders, **{path: file for path, file in there.items() if path not in roots}}.items():
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            status = os.lstat(path)
            if (stat.S_IMODE(status.st_mode), status.st_uid, status.st_gid) != (file.mode, file.owner, file.group):
                found.append(rights.Fault(path, status, file.mode, file.owner, file.group))
    return found


def write(files: Mapping[str, File]) -> None:
    for path, file in files.items():
        if file.text is None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
        else:
            os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
            put_file(*os.path.split(path), file.text, file.mode, owner=(file.owner, file.group) if os.geteuid() == 0 else None)


@contextlib.contextmanager
def or_as_before(files: Mapping[str, File], link: str = "") -> Iterator[None]:
    """Write them, and take a link away; whatever fails then brings all of it back."""
    before = {path: _kept(path) for path in files}
    target = os.readlink(link) if link else ""
    try:
        write(files)
        if link:
            os.unlink(link)
        yield
    except BaseException:
        write(before)
        if link and not os.path.lexists(link):
            os.symlink(target, link)
        raise


def _kept(path: str) -> File:
    text = read_file(path)
    if text is None:
        return File(None)
    status = os.stat(path)
    return File(text, stat.S_IMODE(status.st_mode), status.st_gid, owner=status.st_uid)
