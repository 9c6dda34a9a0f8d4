# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import os
import py_compile
from pathlib import Path

from ansible_collections.openlab.research_server.plugins.module_utils._conda_side.compiled import (
    NOTES,
    cached_sources,
    fits,
    note,
    notes,
    unaltered,
)


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


def test_byte_code_that_was_written_into_is_not_taken_again(tmp_path: Path) -> None:
    packages = [str(tmp_path / name) for name in ("a-1-0", "b-1-0", "c-1-0")]
    one, two, three = (Path(folder, "site-packages/m/__pycache__/m.pyc") for folder in packages)
    for path in (one, two, three):
        path.parent.mkdir(parents=True)
        path.write_bytes(b"code")
    assert unaltered(packages) == set()
    Path(packages[0], "info").mkdir()
    Path(packages[1], "info").mkdir()
    note(packages, [str(one)])
    note(packages, [str(two), str(three)])  # the third has no place for a note
    assert unaltered(packages) == {str(one), str(two)}
    two.write_bytes(b"evil")
    assert unaltered(packages) == {str(one)}
    one.unlink()
    one.symlink_to(three)
    assert unaltered(packages) == set()


def test_a_note_keeps_what_other_pythons_have(tmp_path: Path) -> None:
    (tmp_path / "info").mkdir()
    for name in ("m.cpython-311.pyc", "m.cpython-313.pyc"):
        (tmp_path / name).write_text(name)
        note([str(tmp_path)], [str(tmp_path / name)])
    assert sorted(notes(str(tmp_path))) == ["m.cpython-311.pyc", "m.cpython-313.pyc"]
    for odd in ("[]", "{", '{"m.cpython-311.pyc": []}'):
        (tmp_path / NOTES).write_text(odd)
        assert unaltered([str(tmp_path)]) == set()
