# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a test host's Python keeps of ZIP archives is what it would compile."""

from __future__ import annotations

import os
import subprocess
import sys
import typing as t
import zipfile
from pathlib import Path

import pytest
from hosts import compiled

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root's Python keeps it")


@pytest.fixture
def load(tmp_path: Path) -> t.Callable[[str, str], str]:
    """Import a module of this text from an archive of this name; what Python says of it."""
    hook = Path(compiled.__file__).read_text().replace(compiled.KEPT, str(tmp_path / "kept"))
    (tmp_path / "kept").mkdir()
    (tmp_path / "hook.py").write_text(hook)

    def ask(name: str, text: str) -> str:
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("sent.py", text)
        program = f"import hook, sys; sys.path.insert(0, {name!r}); import sent; sent.say()"
        done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
        return done.stdout + done.stderr

    return ask


def kept(tmp_path: Path) -> dict[str, int]:
    return {path.name: path.stat().st_ino for path in (tmp_path / "kept").iterdir()}


def test_a_text_is_compiled_once_and_another_one_anew(load: t.Callable[[str, str], str], tmp_path: Path) -> None:
    assert load("a.zip", "def say(): print('one')") == "one\n"
    first = kept(tmp_path)
    assert load("b.zip", "def say(): print('one')") == "one\n"
    assert len(first) == 1 and kept(tmp_path) == first
    assert load("a.zip", "def say(): print('two')") == "two\n"
    assert len(kept(tmp_path)) == 2


def test_an_error_names_the_archive_in_which_it_is(load: t.Callable[[str, str], str]) -> None:
    for name in ("a.zip", "b.zip"):
        assert f'{name}/sent.py", line 2, in say' in load(name, "def say():\n    raise ValueError")


def test_a_text_that_does_not_compile_is_told_each_time(load: t.Callable[[str, str], str], tmp_path: Path) -> None:
    for _time in range(2):
        assert "SyntaxError" in load("a.zip", "def say(:")
    assert kept(tmp_path) == {}


def test_what_was_kept_and_is_broken_is_compiled_again(load: t.Callable[[str, str], str], tmp_path: Path) -> None:
    load("a.zip", "def say(): print('one')")
    for path in (tmp_path / "kept").iterdir():
        path.write_bytes(b"")
    assert load("a.zip", "def say(): print('one')") == "one\n"
