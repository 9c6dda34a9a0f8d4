# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files of the controller. Private to this collection."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import typing as t
from pathlib import Path


def read_report(path: Path) -> dict[str, t.Any] | None:
    with contextlib.suppress(OSError, ValueError, RecursionError):
        report = json.loads(path.read_text(encoding="utf-8"))
        return report if isinstance(report, dict) else None
    return None


def read_text(path: Path) -> str | None:
    """None if there is no such file. What is no UTF-8 is replaced: it is compared and shown, never kept."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None


def write_private(path: Path, text: str) -> None:
    """Nobody but its owner ever reads the file."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    replace(path, text, 0o600)


def replace(path: Path, text: str, mode: int | None = None) -> None:
    """Replace a file in one step, and make that last through a power cut. Without a mode it has the one of any new file."""
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fchmod(stream.fileno(), 0o666 & ~_umask() if mode is None else mode)
            os.fsync(stream.fileno())
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _umask() -> int:
    """It can only be read by setting it (umask(2))."""
    umask = os.umask(0o077)
    os.umask(umask)
    return umask
