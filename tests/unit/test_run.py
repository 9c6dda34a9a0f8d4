# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runner's count is what CI reports: it has to be right."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
spec = importlib.util.spec_from_file_location("run", ROOT / "tests" / "run.py")
run = importlib.util.module_from_spec(spec)
sys.modules["run"] = run
spec.loader.exec_module(run)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("940 passed in 88.95s (0:01:28)\n", (940, 0, 0)),
        ("==== 1 failed, 41 passed, 2 warnings in 9.10s ====\n", (41, 1, 0)),
        ("==== 3 skipped, 2 errors in 0.12s ====\n", (0, 2, 3)),
        ("  \x1b[2m│\x1b[0m ======== 22 passed in 7.34s\n  \x1b[2m│\x1b[0m ====\n", (22, 0, 0)),
        ("\x1b[32m\x1b[1m5 passed\x1b[0m\x1b[32m in 0.5s\x1b[0m\n1 passed in 0.1s\n", (6, 0, 0)),
        ("a text that says 5 passed, or so, in 3 days\n", (0, 0, 0)),
    ],
)
def test_summaries_of_pytest_are_added_up(text, expected):
    assert run.count(text) == expected


def job(command: str) -> object:
    return run.Stage("a stage", ("sh", "-c", command))


@pytest.mark.parametrize(
    ("command", "passed", "failed"),
    [
        ("true", 1, 0),
        ("false", 0, 1),
        ("echo '3 passed in 1.0s'", 3, 0),
        ("echo '3 passed in 1.0s'; exit 1", 3, 1),
        ("echo '1 failed, 3 passed in 1.0s'; exit 1", 3, 1),
    ],
)
def test_a_stage_that_fails_is_a_failure_whatever_it_counted(monkeypatch, tmp_path, command, passed, failed):
    monkeypatch.setattr(run, "LOGS", tmp_path)
    monkeypatch.setattr(run, "ROOT", tmp_path)
    outcome = run.run(job(command))
    assert (outcome.passed, outcome.failed) == (passed, failed)


def test_what_failed_is_told_once_more_at_the_end(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(run, "LOGS", tmp_path)
    monkeypatch.setattr(run, "ROOT", tmp_path)
    said = (
        "│ E   assert 1 == 2\n│ FAILED tests/test_a.py::test_b[x] - assert\nERROR    Verifier tests failed\n│ 1 failed in 1.0s\n"
    )
    outcomes = [run.run(job("true")), run.run(job(f"printf '{said}{'│ E  more' * 100}'; exit 1"))]
    capsys.readouterr()
    run.recall(outcomes)
    name, *told = capsys.readouterr().out.strip().splitlines()
    assert name == "FAILED a stage"
    assert told[:2] == ["  FAILED tests/test_a.py::test_b[x] - assert", "  E   assert 1 == 2"]
    assert all(len(line) <= run.RECALL_COLUMNS + 2 for line in told)


@pytest.mark.parametrize(
    ("command", "counted", "word"),
    [
        ("exit 77", (0, 0, 1), "skipped"),
        ("echo 'with_core: skipped: no Python here runs it' >&2; exit 77", (0, 0, 1), "skipped"),
        # A scenario that is played all the same is no proof of what it should have been played with.
        ("echo 'with_core: skipped: no Python here runs it' >&2; echo '3 passed in 1.0s'", (3, 0, 1), "ok"),
        ("echo 'with_core: skipped: no Python here runs it' >&2", (1, 0, 1), "ok"),
    ],
)
def test_what_a_stage_could_not_do_is_told_as_skipped(monkeypatch, tmp_path, capsys, command, counted, word):
    monkeypatch.setattr(run, "LOGS", tmp_path)
    monkeypatch.setattr(run, "ROOT", tmp_path)
    outcome = run.run(job(command))
    assert (outcome.passed, outcome.failed, outcome.skipped) == counted
    told = capsys.readouterr().out
    assert told.split()[0] == word and "1 skipped" in told
    assert ("no Python here runs it" in told) == ("no Python" in command)


@pytest.mark.parametrize(
    ("venv", "arguments", "code", "output"),
    [
        (0, [], 0, "core\nwith newest\n"),
        (3, [], 0, "core\nwith the usual one\n"),
        (3, ["--or-skip"], 77, ""),
        (4, ["--or-skip"], 4, ""),
    ],
)
def test_without_a_python_for_a_core_it_is_told(tmp_path, venv, arguments, code, output):
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    setup = tmp_path / "tests/setup"
    setup.mkdir(parents=True)
    shutil.copy(ROOT / "tests/setup/with_core", setup)
    (setup / "venv").write_text(f"#!/bin/sh\nexit {venv}\n")
    (setup / "venv").chmod(0o755)
    (tmp_path / "tests/env.sh").write_text("ansible() { echo core; }\n")
    command = [setup / "with_core", "newest", *arguments, "sh", "-c", 'echo "with ${TEST_CORE:-the usual one}"']
    env = {"PATH": "/usr/local/bin:/usr/bin:/bin"}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (code, output)
    assert ("with_core: skipped: no Python here runs the newest ansible-core" in done.stderr) == (venv == 3)


def test_every_scenario_runs_unless_it_says_why_not():
    found = {path.parent.name for path in ROOT.glob("molecule/*/molecule.yml")}
    named = {stage.name.removeprefix("molecule ") for stage in run.scenarios()}
    assert found - named == {path.parent.name for path in ROOT.glob("molecule/*/OPT_IN.md")}
