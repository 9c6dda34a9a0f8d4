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
    compiled,
    configure,
    gpu,
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
from .._nvidia import cuda, cuda_needs

ROOMS = (
    *(answer, cache, compiled, configure, gpu, hashes, in_full, installing, locked, needs, patches, plain, policy, requirements),
    *(solving, cuda, cuda_needs),
)
_PACKAGE = "rooms"
# The guard is needed: conda finds CUDA, and extracts packages, in spawned processes, which import this file again.
_MAIN = f"""
import os, sys
from {_PACKAGE}._conda_side.answer import main

if __name__ == "__main__":
    main(sys.argv[1:])
    sys.stdout.flush()
    sys.stderr.flush()
    # A solver's library may crash while the interpreter ends, as rattler's does. The answer is whole; nothing else is owed.
    os._exit(0)
"""


def conda_side_archive(folder: str) -> str:
    """Write the archive, which only its owner can read; returns its path."""
    path = os.path.join(folder, "conda_side.zip")
    with (
        open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file,
        zipfile.ZipFile(file, "w") as archive,
    ):
        archive.writestr("__main__.py", _MAIN)
        names = [room.__name__.rsplit(".", 2)[1:] for room in ROOMS]
        for place in (_PACKAGE, *sorted({f"{_PACKAGE}/{part}" for part, _name in names})):
            archive.writestr(f"{place}/__init__.py", "")
        for room, (part, name) in zip(ROOMS, names):
            archive.writestr(f"{_PACKAGE}/{part}/{name}.py", source(room))
    return path
