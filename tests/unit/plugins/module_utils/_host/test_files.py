# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._host.files import put_file, read_bounded, read_file


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    for name in ("pipe", "link", "none", "none/below", "."):
        assert read_file(str(tmp_path / name)) is None


def test_a_file_is_replaced_with_its_mode(tmp_path: Path) -> None:
    put_file(str(tmp_path), "a", "one")
    put_file(str(tmp_path), "a", "two", 0o755)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o755
    assert read_file(str(tmp_path / "a")) == "two"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


# Each writer says when it is there, and begins when it is told: they meet in any case.
WRITER = """
import sys
from ansible_collections.openlab.research_server.plugins.module_utils._host.files import put_file
print(flush=True)
sys.stdin.readline()
for number in range(200):
    put_file(sys.argv[1], "file", 100 * f"{sys.argv[2]} {number}\\n")
"""


def test_two_who_write_the_same_file_do_not_hinder_each_other(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WRITER, str(tmp_path)]
    put_file(str(tmp_path), "file", 100 * "first 0\n")
    with (
        subprocess.Popen([*command, "one"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as one,
        subprocess.Popen([*command, "two"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as two,
    ):
        for process in (one, two):
            assert process.stdout is not None and process.stdout.readline()
        for process in (one, two):
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        while one.poll() is None or two.poll() is None:
            lines = (tmp_path / "file").read_text().splitlines()
            assert len(lines) == 100 and len(set(lines)) == 1
    assert (one.returncode, two.returncode) == (0, 0)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


KILLED = """
import os, signal, sys
from ansible_collections.openlab.research_server.plugins.module_utils._host.files import put_file
put_file(sys.argv[1], "file", "half", check=lambda path: os.kill(os.getpid(), signal.SIGKILL))
"""


def test_what_a_killed_writer_left_goes_with_the_next_one(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-c", KILLED, str(tmp_path)], check=False)
    (left,) = tmp_path.iterdir()
    assert left.stat().st_mode & 0o777 == 0o644 and left.name.startswith(".file.")
    for name in (".file.0123.new", ".files.0123456789abcdef.new", "file.newer"):
        (tmp_path / name).touch()
    (tmp_path / ".file.0123456789abcdef.new").symlink_to("file.newer")
    put_file(str(tmp_path), "file", "whole")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".file.0123.new",
        ".file.0123456789abcdef.new",
        ".files.0123456789abcdef.new",
        "file",
        "file.newer",
    ]


def test_what_a_living_writer_has_is_left_to_it(tmp_path: Path) -> None:
    def meanwhile(path: str) -> None:
        assert Path(path).read_text() == "slow"
        put_file(str(tmp_path), "file", "fast")
        assert Path(path).exists()

    put_file(str(tmp_path), "file", "slow", check=meanwhile)
    assert read_file(str(tmp_path / "file")) == "slow"


def test_a_file_that_is_refused_changes_nothing(tmp_path: Path) -> None:
    def refuse(path: str) -> None:
        assert (Path(path).read_text(), Path(path).stat().st_mode & 0o777) == ("bad", 0o440)
        raise ValueError("no")

    put_file(str(tmp_path), "file", "good")
    with pytest.raises(ValueError, match="no"):
        put_file(str(tmp_path), "file", "bad", 0o440, check=refuse)
    assert read_file(str(tmp_path / "file")) == "good"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_file_belongs_to_whom_it_is_said_to(tmp_path: Path) -> None:
    os.chown(tmp_path, 1234, 2345)
    put_file(str(tmp_path), "file", "text", owner=(0, 0))
    assert ((tmp_path / "file").stat().st_uid, (tmp_path / "file").stat().st_gid) == (0, 0)


def test_no_more_of_anybodys_file_is_read_than_it_may_have(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"four")
    (tmp_path / "link").symlink_to("file")
    os.mkfifo(tmp_path / "pipe")
    assert read_bounded(str(tmp_path / "file"), 4) == b"four"
    with pytest.raises(OSError, match="longer than 3 bytes"):
        read_bounded(str(tmp_path / "file"), 3)
    for name in ("link", "pipe", ".", "none"):
        with pytest.raises(OSError, match=name):
            read_bounded(str(tmp_path / name), 4)


def test_what_else_writes_files_has_a_reason() -> None:
    """An archive is no text, and what can be undone keeps what a file was before, its label of SELinux too."""
    plugins = Path(__file__).parents[5] / "plugins"
    rivals = {
        path.relative_to(plugins).as_posix()
        for folder in ("module_utils", "modules")
        for path in (plugins / folder).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and node.attr in ("mkstemp", "atomic_move")
    }
    assert rivals == {"module_utils/_accounts/applying.py", "module_utils/_host/undo.py"}
