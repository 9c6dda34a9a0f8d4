# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Root's Python on a test host keeps what it has compiled of a ZIP archive, as Python itself does for files of a folder.

Ansible sends each module as such an archive, and half of what a module costs a host is to compile it, each time anew. What is
kept goes by the text itself: another text is compiled, and one that does not compile is told as ever.
"""

from __future__ import annotations

import _imp
import marshal
import os
import sys
import zipimport

KEPT = "/var/cache/testbed-compiled"
compile_text = zipimport._compile_source  # type: ignore[attr-defined]


def compile_once(path: str, text: bytes) -> object:
    name = f"{KEPT}/{_imp.source_hash(len(text), text).hex()}-{sys.implementation.cache_tag}"
    try:
        with open(name, "rb") as file:
            code = marshal.loads(file.read())
    except (OSError, EOFError, ValueError, TypeError):
        code = compile_text(path, text)
        try:
            with open(f"{name}.{os.getpid()}", "wb") as new:
                new.write(marshal.dumps(code))
            os.rename(new.name, name)
        except OSError:
            pass
    # Tracebacks name the archive of this run.
    _imp._fix_co_filename(code, path)  # type: ignore[attr-defined]
    return code


if os.geteuid() == 0:
    zipimport._compile_source = compile_once  # type: ignore[attr-defined]
