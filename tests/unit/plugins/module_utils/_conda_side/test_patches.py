# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import py_compile
from pathlib import Path

from ansible_collections.openlab.research_server.plugins.module_utils._conda_side.patches import cached_sources, fits


def test_byte_code_fits_the_source_that_it_was_made_from(tmp_path: Path) -> None:
    source = tmp_path / "a.py"
    source.write_text("x = 1\n")
    os.utime(source, (1704067200, 1704067200))
    timed = py_compile.compile(str(source), invalidation_mode=py_compile.PycInvalidationMode.TIMESTAMP)
    assert fits(str(timed), str(source))
    source.write_text("x = 22\n")
    os.utime(source, (1704067200, 1704067200))
    assert not fits(str(timed), str(source))  # another size
    source.write_text("x = 2\n")
    assert not fits(str(timed), str(source))  # another time
    hashed = py_compile.compile(str(source), invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH)
    assert not fits(str(hashed), str(source))
    assert not fits(str(tmp_path / "none.pyc"), str(source))


def test_sources_of_packages_in_the_cache(tmp_path: Path) -> None:
    for path in ("a-1-0/site-packages/a/b.py", "a-1-0/site-packages/a/data.txt", "a-1-0/site-packages/c.py", "a-1-0/info/d.py"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    top = f"{tmp_path}/a-1-0/site-packages"
    assert cached_sources([f"{tmp_path}/a-1-0", f"{tmp_path}/none"]) == {"a/b.py": f"{top}/a/b.py", "c.py": f"{top}/c.py"}
