# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""With a real Python, which writes byte code and runs it."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import py_compile
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._conda import byte_code
from ansible_collections.openlab.research_server.plugins.module_utils._conda.verify import Expected

SITE = "lib/python3/site-packages/mine"
SOURCE = "answer = 42\n\n\ndef f(x: int) -> frozenset:\n    return {1, 2, x} and frozenset({3, 4})\n"
EVIL = SOURCE.replace("42", "66")


class Prefix:
    def __init__(self, path: Path) -> None:
        self.path = path
        self.source = path / SITE / "module.py"
        self.source.parent.mkdir(parents=True)
        self.source.write_text(SOURCE, encoding="utf-8")
        (path / "bin").mkdir()
        (path / "bin/python").symlink_to(sys.executable)
        self.since = 0
        self.recorded: list[Expected] = []

    def compiled(self, text: str = SOURCE, mode: str = "TIMESTAMP", level: int = 0) -> Path:
        """Byte code of this text, that names the source as it is."""
        status = self.source.stat()
        kept = self.source.read_text(encoding="utf-8")
        cached = importlib.util.cache_from_source(str(self.source), optimization=level or "")
        try:
            self.source.write_text(text, encoding="utf-8")
            os.utime(self.source, ns=(status.st_atime_ns, status.st_mtime_ns))
            py_compile.compile(str(self.source), cached, "elsewhere.py", True, level, py_compile.PycInvalidationMode[mode])
        finally:
            self.source.write_text(kept, encoding="utf-8")
            os.utime(self.source, ns=(status.st_atime_ns, status.st_mtime_ns))
        return Path(cached)

    def found(self) -> list[str]:
        found = byte_code.problems(str(self.path), self.recorded, self.since)
        return [f"{os.path.basename(item.path)} {item.problem}" for item in found]

    def answer(self) -> str:
        """What Python runs."""
        code = f"import sys; sys.path.insert(0, {str(self.source.parent)!r}); import module; print(module.answer)"
        return subprocess.run([sys.executable, "-B", "-c", code], capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def prefix(tmp_path: Path) -> Prefix:
    return Prefix(tmp_path)


@pytest.mark.parametrize("level", [0, 1, 2])
@pytest.mark.parametrize("mode", ["TIMESTAMP", "CHECKED_HASH", "UNCHECKED_HASH"])
def test_what_python_writes_is_right(prefix: Prefix, mode: str, level: int) -> None:
    prefix.compiled(mode=mode, level=level)
    assert prefix.found() == []


@pytest.mark.parametrize("mode", ["TIMESTAMP", "UNCHECKED_HASH"])
def test_another_content_is_found(prefix: Prefix, mode: str) -> None:
    cached = prefix.compiled(EVIL, mode)
    assert prefix.answer() == "66", "Python runs it"
    assert prefix.found() == [f"{cached.name} altered"]


def stale(prefix: Prefix) -> None:
    prefix.compiled(EVIL)
    os.utime(prefix.source, (1, 1))


def without_source(prefix: Prefix) -> None:
    prefix.compiled(EVIL)
    prefix.source.unlink()


def of_another_python(prefix: Prefix) -> None:
    cached = prefix.compiled(EVIL)
    cached.rename(cached.with_name("module.cpython-36.pyc")).write_bytes(b"\x33\x0d\x0d\x0a" + b"\0" * 40)


def of_pytest(prefix: Prefix) -> None:
    cached = prefix.compiled(EVIL)
    cached.rename(cached.with_name(cached.name.replace(".pyc", "-pytest-8.4.0.pyc")))


def by_hash_of_another_source(prefix: Prefix) -> None:
    prefix.compiled(EVIL, "CHECKED_HASH")


def before_the_end(prefix: Prefix) -> None:
    prefix.compiled(EVIL)
    prefix.since = time.time_ns() + 10**9


def without_python(prefix: Prefix) -> None:
    prefix.compiled(EVIL)
    (prefix.path / "bin/python").unlink()


@pytest.mark.parametrize(
    "do", [stale, without_source, of_another_python, of_pytest, by_hash_of_another_source, before_the_end, without_python]
)
def test_what_python_does_not_run_is_nothing(prefix: Prefix, do: Callable[[Prefix], None]) -> None:
    do(prefix)
    assert prefix.found() == []


@pytest.mark.parametrize("data", [b"", b"\0" * 40, importlib.util.MAGIC_NUMBER + b"\1" + b"\0" * 11 + b"\xe3"])
def test_what_is_no_byte_code(prefix: Prefix, data: bytes) -> None:
    """It is passed over for another number of Python's; else the import fails."""
    prefix.compiled().write_bytes(data)
    assert bool(prefix.found()) is data.startswith(importlib.util.MAGIC_NUMBER)


def test_without_a_source_it_is_run_and_told(prefix: Prefix) -> None:
    prefix.compiled(EVIL).rename(prefix.source.with_suffix(".pyc"))
    prefix.source.unlink()
    assert prefix.answer() == "66"
    assert prefix.found() == ["module.pyc unknown"]


def test_with_an_old_time_it_has_its_day(prefix: Prefix) -> None:
    cached = prefix.compiled(EVIL)
    prefix.since = cached.stat().st_mtime_ns - 10**9
    os.utime(cached, (1, 1))
    path = os.path.relpath(cached, prefix.path)
    for today in (False, True):
        found = byte_code.problems(str(prefix.path), [], prefix.since, {path: today}.__getitem__)
        assert bool(list(found)) is today


def test_somebody_elses_python_is_not_started(prefix: Prefix, monkeypatch: pytest.MonkeyPatch) -> None:
    prefix.compiled(EVIL)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    assert prefix.found() == []


def test_a_package_brings_byte_code_of_its_own_which_python_may_write_again(prefix: Prefix) -> None:
    cached = prefix.compiled(EVIL)
    path, digest = os.path.relpath(cached, prefix.path), hashlib.sha256(cached.read_bytes()).hexdigest()
    prefix.recorded = [Expected(path, "mine", "conda", digest)]
    assert prefix.found() == []
    prefix.compiled()
    assert prefix.found() == []
    prefix.compiled(EVIL.replace("66", "67"))
    assert prefix.found() == [f"{cached.name} altered"]


def test_a_package_without_sources_is_compared_by_its_record(prefix: Prefix) -> None:
    path = prefix.compiled().rename(prefix.source.with_suffix(".pyc"))
    prefix.recorded = [Expected(os.path.relpath(path, prefix.path), "mine", "conda", "0" * 64)]
    assert prefix.found() == []


def test_a_python_that_does_not_get_to_the_end_leaves_nothing_unsaid(prefix: Prefix) -> None:
    prefix.compiled()
    (prefix.path / "bin/python").unlink()
    (prefix.path / "bin/python").write_text("#!/bin/sh\nexit 9\n", encoding="utf-8")
    (prefix.path / "bin/python").chmod(0o755)
    assert len(prefix.found()) == 1
