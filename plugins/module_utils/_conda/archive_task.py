# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The archive that a task names. Private to this collection."""

from __future__ import annotations

import os
import re
import typing as t
from collections.abc import Mapping

from .archive import Archive, sha256_of
from .errors import CondaEnvError

_CHECKSUM = re.compile(r"^sha256:([0-9a-f]{64})$")


def archive_of(arguments: Mapping[str, t.Any]) -> Archive:
    """The archive on the host, or what the controller says about its own. Raises CondaEnvError."""
    given = [key for key in ("src", "definition", "lock") if arguments.get(key) is not None]
    if given:
        raise CondaEnvError(f"found 'archive' and '{given[0]}'; expected one of them", "An archive is a whole environment.")
    path, facts = arguments["archive"], arguments["archive_facts"]
    if arguments["remote_src"]:
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
    if arguments["checksum"]:
        wanted = _CHECKSUM.match(arguments["checksum"].lower())
        if not wanted:
            raise CondaEnvError(f"checksum: found '{arguments['checksum']}'; expected 'sha256:' and 64 hexadecimal digits")
        if wanted.group(1) != found.sha256:
            raise CondaEnvError(
                f"the archive {path} is not what was announced: found sha256:{found.sha256}, expected {arguments['checksum']}",
                "Copy it again, or correct 'checksum'. The environment has not been touched.",
            )
    if not arguments["remote_src"] and found.file and sha256_of(found.file) != found.sha256:
        raise CondaEnvError(f"the archive {path} has changed on its way to the host", "Run again.")
    return found
