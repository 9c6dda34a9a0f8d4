# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The filter in git's own hands, with a stand-in for nbstripout; the scenario has the real one."""

from __future__ import annotations

import json
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest

PROGRAM = Path(__file__).resolve().parents[4] / "roles" / "workbench" / "files" / "notebook_filter.py"
# As far as the filter knows it: standard input to standard output, and a status.
NBSTRIPOUT = """
import json, sys
from pathlib import Path
with open(Path(__file__).parent / "imported", "a") as log:
    log.write("x")
def main():
    try:
        found = json.loads(sys.stdin.read())
    except ValueError:
        print("No valid notebook detected on stdin", file=sys.stderr)
        raise SystemExit(1)
    found["outputs"] = []
    sys.stdout.buffer.write(json.dumps(found).encode())
    sys.stdout.close()
"""
BIG = {"source": "x" * 200_000, "outputs": ["secret"]}


class Repository:
    def __init__(self, folder: Path) -> None:
        self.folder, self.modules = folder / "repository", folder / "modules"
        self.modules.mkdir()
        (self.modules / "nbstripout.py").write_text(NBSTRIPOUT)
        self("init", "-q", "-b", "main", str(self.folder), where=folder)
        # Without -I, which would not see the stand-in.
        command = f"PYTHONPATH={self.modules} {sys.executable} {PROGRAM}"
        for key, value in (("process", "process"), ("required", "")):
            self("config", f"filter.x.{key}", f"{command} {value}" if value else "true")
        self("config", "diff.x.textconv", f"{command} textconv")
        (self.folder / ".git/info/attributes").write_text("*.ipynb filter=x diff=x\n")

    def __call__(self, *arguments: str, fails: bool = False, where: Path | None = None) -> str:
        identity = ("-c", "user.name=x", "-c", "user.email=x@x")
        done = subprocess.run(
            ["git", *identity, *arguments], cwd=where or self.folder, capture_output=True, text=True, check=False
        )
        assert bool(done.returncode) == fails, done.stderr
        return done.stdout + done.stderr

    def put(self, name: str, content: t.Any) -> None:
        (self.folder / name).write_text(content if isinstance(content, str) else json.dumps(content))

    def staged(self, name: str) -> t.Any:
        return json.loads(self("show", f":{name}"))


@pytest.fixture
def git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("HOME", str(tmp_path))
    return Repository(tmp_path)


def test_what_goes_into_git_has_no_outputs_and_the_file_keeps_them(git: Repository) -> None:
    for name in ("a.ipynb", "b.ipynb", "with space.ipynb"):
        git.put(name, BIG)
    git("add", ".")
    assert git.staged("with space.ipynb") == {**BIG, "outputs": []}
    assert json.loads((git.folder / "a.ipynb").read_text()) == BIG
    assert (git.modules / "imported").read_text() == "x", "once for all of them"


def test_what_comes_out_of_git_is_given_as_it_is(git: Repository) -> None:
    git.put("a.ipynb", BIG)
    git("add", ".")
    git("commit", "-qm", "x")
    (git.modules / "imported").unlink()
    (git.folder / "a.ipynb").unlink()
    git("checkout", "--", "a.ipynb")
    assert json.loads((git.folder / "a.ipynb").read_text()) == {**BIG, "outputs": []}
    assert not (git.modules / "imported").exists(), "nbstripout has nothing to do there"


@pytest.mark.parametrize("content", ['{"cells": [', "\x00\x01", "[1]"], ids=["cut off", "binary", "no notebook"])
def test_what_is_no_notebook_is_neither_changed_nor_added(git: Repository, content: str) -> None:
    git.put("bad.ipynb", content)
    git.put("good.ipynb", BIG)
    said = git("add", "bad.ipynb", fails=True)
    assert "bad.ipynb: found no notebook" in said and "'*.ipynb !filter !diff' >> .git/info/attributes" in said
    assert (git.folder / "bad.ipynb").read_text() == content
    git("add", "good.ipynb")
    with (git.folder / ".git/info/attributes").open("a") as attributes:
        attributes.write("*.ipynb !filter !diff\n")
    git("add", "bad.ipynb")
    assert git("show", ":bad.ipynb") == content, "the line of the message does what it says"


def test_an_empty_file_is_added(git: Repository) -> None:
    git.put("new.ipynb", "")
    git("add", ".")
    assert git("show", ":new.ipynb") == ""


def test_a_merge_that_failed_can_be_looked_at_given_up_and_finished(git: Repository) -> None:
    git.put("a.ipynb", '{"source": 1,\n"outputs": []}')
    git("add", ".")
    git("commit", "-qm", "x")
    git("checkout", "-qb", "other")
    for branch, number in (("other", 2), ("main", 3)):
        git("checkout", "-q", branch)
        git.put("a.ipynb", {"source": number, "outputs": ["secret"]})
        git("commit", "-qam", branch)
    assert "CONFLICT" in git("merge", "other", fails=True)
    git("merge", "--abort")
    git("merge", "other", fails=True)
    assert "<<<<<<<" in (git.folder / "a.ipynb").read_text()
    assert "<<<<<<<" in git("diff") and "UU a.ipynb" in git("status", "--short")
    assert "found no notebook" in git("add", "a.ipynb", fails=True)
    git.put("a.ipynb", {"source": 4, "outputs": ["secret"]})
    git("commit", "-qam", "merged")
    assert git.staged("a.ipynb") == {"source": 4, "outputs": []}


def test_a_difference_is_shown_without_outputs_also_of_what_went_in_with_them(git: Repository) -> None:
    attributes = git.folder / ".git/info/attributes"
    kept = attributes.read_text()
    attributes.write_text("")
    for number in (1, 2):
        git.put("a.ipynb", {"source": number, "outputs": ["secret"]})
        git.put("broken.ipynb", f"broken {number}")
        git("add", ".")
        git("commit", "-qm", "x")
    assert "secret" in git("diff", "HEAD~1", "HEAD")
    attributes.write_text(kept)
    shown = git("diff", "HEAD~1", "HEAD")
    assert "secret" not in shown and '+{"source": 2' in shown and "+broken 2" in shown
