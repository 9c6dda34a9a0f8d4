# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read a text file of a person, in whatever encoding conda and pip would read it. Private to this collection."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

from ...module_utils._conda.errors import CondaEnvError

# The longer marks first: that of UTF-32 begins like that of UTF-16. PowerShell's '>' writes UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# In one of the first two lines, as Python reads it (PEP 263) and pip too.
_DECLARED = re.compile(rb"^[ \t]*#.*?coding[:=][ \t]*([-\w.]+)")
# What git leaves in a file when two versions cannot be joined.
_MERGE_MARK = re.compile(r"^(?:<{7}|>{7}|\|{7}) |^={7}$")
_WEB_PAGE = re.compile(r"\s*<(?:!doctype\s+html|html|head)\b", re.IGNORECASE)


def read_text(path: Path) -> str:
    """Raises CondaEnvError with the file, what it is and what to do."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CondaEnvError(f"{path} cannot be read: {error.strerror}", f"Expected the file {path}, a text in UTF-8.") from None
    mark, encoding = next(((mark, name) for mark, name in _MARKS if data.startswith(mark)), (b"", _declared(data)))
    try:
        text = data[len(mark) :].decode(encoding)
    except LookupError:
        raise CondaEnvError(f"{path} cannot be read: it says that its encoding is '{encoding}'", "Save it as UTF-8.") from None
    except UnicodeDecodeError as error:
        at = len(mark) + error.start
        line = data[:at].count(b"\n") + 1
        raise CondaEnvError(
            f"{path} cannot be read: the byte 0x{data[at]:02x} in line {line} is not {encoding.upper()}", "Save it as UTF-8."
        ) from None
    if "\0" in text:
        raise CondaEnvError(f"{path} cannot be read: it is neither UTF-8, nor marked as UTF-16 at its start", "Save it as UTF-8.")
    if _WEB_PAGE.match(text):
        raise CondaEnvError(f"{path} is a web page, not the file that it shows", "Download the file itself ('raw').")
    for number, row in enumerate(text.splitlines(), 1):
        if _MERGE_MARK.match(row):
            raise CondaEnvError(
                f"{path} has in line {number} '{row}', the mark of a merge that was not finished",
                "Choose what the file shall say, and remove the marks.",
            )
    return text


def _declared(data: bytes) -> str:
    for line in data.split(b"\n", 2)[:2]:
        found = _DECLARED.match(line)
        if found:
            return found[1].decode("ascii")
    return "utf-8"
