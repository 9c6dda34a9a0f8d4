# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who was taken out of a group: what still has its rights. Private to this collection.

A program keeps the groups with which it was started (credentials(7)), and a file with the set-group-ID bit gives its group to
whoever starts it.
"""

from __future__ import annotations

from collections.abc import Iterable

from .._text.escapes import listing
from . import setuid_files
from .reading import processes_of


def told(name: str, group: str, uid: int, gid: int, roots: Iterable[str]) -> list[str]:
    """One sentence for the programs and one for the files."""
    running = [f"{process.name} (process {process.pid})" for process in processes_of(name, uid) if gid in process.gids]
    found = setuid_files.search(roots, uid, gid=gid)
    sentences = []
    if running:
        sentences.append(
            f"account '{name}': found programs that began before it left the group '{group}' and keep its rights: "
            f"{listing(running)}; expected none. They end with 'loginctl terminate-user {name}', and a JupyterLab with "
            f"'systemctl restart jupyter@{name}'"
        )
    if found.paths or not found.complete:
        end = "" if found.complete else ". The search was not finished: it took too long, or found too many"
        sentences.append(
            f"account '{name}': found files that give the rights of the group '{group}' to whoever starts them: "
            f"{listing(found.paths) or 'none so far'}; expected none of somebody who has left it. Look at them, and take the bit "
            f"away (chmod g-s){end}"
        )
    return sentences
