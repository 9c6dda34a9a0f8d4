# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where Ansible's programs are. Private to this collection."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path


class ProgramError(Exception):
    """A program is missing."""


def find(name: str) -> str:
    """That of the virtual environment that runs this command, else of the PATH. Raises ProgramError."""
    beside = str(Path(sys.executable).parent)
    found = shutil.which(name, path=beside) or shutil.which(name)
    if not found:
        raise ProgramError(f"found no {name} in {beside} or on the PATH; activate the virtual environment that Ansible is in")
    return found
