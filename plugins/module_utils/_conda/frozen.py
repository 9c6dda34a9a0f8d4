# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""conda's own marker of an environment that people are not to change: conda-meta/frozen, JSON with a message.

conda 25.5 and later refuse to install, update and remove where it stands, and show the message. Private to this collection.
"""

from __future__ import annotations

import contextlib
import json
import os

from .._host.files import put_file
from .._text.secrets import mask_urls
from .records import read_json

FOLDER = "conda-meta"
NAME = "frozen"


def read(prefix: str) -> str | None:
    """Message of the marker, empty if it cannot be understood; None if there is no marker."""
    path = os.path.join(prefix, FOLDER, NAME)
    if not os.path.lexists(path):
        return None
    content = read_json(path)
    message = content.get("message") if isinstance(content, dict) else None
    return mask_urls(str(message or ""))


def write(prefix: str, message: str | None) -> None:
    """Make the marker say this, or remove it."""
    if message is not None:
        put_file(os.path.join(prefix, FOLDER), NAME, json.dumps({"message": message}) + "\n")
        return
    with contextlib.suppress(FileNotFoundError):
        os.unlink(os.path.join(prefix, FOLDER, NAME))


def line(message: str | None) -> tuple[str, ...]:
    """The marker as a line of a diff."""
    return () if message is None else ("frozen: " + message.replace("\n", "\\n"),)


def reason(found: str | None, wanted: str | None) -> str:
    """Why the marker has to be written or removed; empty if it is as wanted."""
    if found == wanted:
        return ""
    if wanted is None:
        return "it is frozen"
    return "it is not frozen" if found is None else "its frozen marker says something else"
