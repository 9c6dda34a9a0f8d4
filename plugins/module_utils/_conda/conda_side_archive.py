# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program that runs under a conda installation's own interpreter, as one archive (zipapp). Private to this collection."""

from __future__ import annotations

import os
import zipfile

from .._conda_side import (
    answer,
    cache,
    configure,
    hashes,
    in_full,
    installing,
    locked,
    needs,
    patches,
    plain,
    policy,
    requirements,
    solving,
)
from .._host.source import source

ROOMS = (answer, cache, configure, hashes, in_full, installing, locked, needs, patches, plain, policy, requirements, solving)
_PACKAGE = "conda_side"
# The guard is needed: conda finds CUDA, and extracts packages, in spawned processes, which import this file again.
_MAIN = f"""
import os, sys
from {_PACKAGE}.answer import main

if __name__ == "__main__":
    main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    # A solver's library may crash while the interpreter ends, as rattler's does. The answer is whole; nothing else is owed.
    os._exit(0)
"""


def conda_side_archive(folder: str) -> str:
    """Write the archive, which only its owner can read; returns its path."""
    path = os.path.join(folder, f"{_PACKAGE}.zip")
    with (
        open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file,
        zipfile.ZipFile(file, "w") as archive,
    ):
        archive.writestr("__main__.py", _MAIN)
        archive.writestr(f"{_PACKAGE}/__init__.py", "")
        for room in ROOMS:
            archive.writestr(f"{_PACKAGE}/{room.__name__.rpartition('.')[2]}.py", source(room))
    return path
