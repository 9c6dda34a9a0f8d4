# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import datetime
import json
import shutil
import stat
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.plugin_utils._drift import command, page_command
from ansible_collections.openlab.research_server.plugins.plugin_utils._drift.report import DriftReport, Outcome, TaskRef
from ansible_collections.openlab.research_server.tests.unit.plugins.plugin_utils._drift.nights import Nights, day, edit

SCRIPT = Path(__file__).resolve().parents[5] / "scripts" / "research-server-drift"


def told(verdict: str = "drift") -> dict[str, t.Any]:
    now = datetime.datetime(2026, 11, 20, 2, 30, tzinfo=datetime.timezone.utc)
    made = DriftReport(version="1.2.3", started=now)
    made.record(
        "gpu-01", TaskRef("Run these jails", "fail2ban"), Outcome("changed" if verdict == "drift" else "ok", diffs=["-x\n"])
    )
    return made.to_dict(finished=now, failures={}, unreachable=[])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "drift.json").write_text(json.dumps(told()))
    return tmp_path


def run(folder: Path, *arguments: str, report: str = "drift.json") -> int:
    return page_command.main(["--report", str(folder / report), *arguments], folder / "default.json")


def test_it_writes_what_is_asked_for_and_only_its_owner_can_read_it(folder: Path) -> None:
    page, summary = folder / "new" / "page.html", folder / "page.md"
    assert run(folder, "--html", str(page), "--markdown", str(summary), "-i", "lab") == 0
    assert page.read_text().startswith("<!DOCTYPE html>\n") and "ansible-playbook site.yml -i lab -l gpu-01" in page.read_text()
    assert summary.read_text().startswith("# Drift of the research servers: drift\n")
    assert {stat.S_IMODE(path.stat().st_mode) for path in (page, summary)} == {0o600}
    assert run(folder, "--html", str(page), "--language", "zh") == 0
    assert '<html lang="zh-Hans">' in page.read_text()


def test_it_has_the_nights_before_from_the_history_beside_the_report(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nights = Nights(folder)
    nights.run(0, edit("banner"))
    (folder / "drift.json").write_text(json.dumps(nights.run(2, edit("banner"))))
    assert run(folder, "--html", str(folder / "page.html")) == 0
    page = (folder / "page.html").read_text()
    assert f"since {day(0)[:10]}" in page and "drift 2, no run 28" in page
    nights.path.write_text("no database")
    assert run(folder, "--html", str(folder / "page.html")) == 0
    assert "the page has no history: " in capsys.readouterr().err and "no run" not in (folder / "page.html").read_text()


def test_it_reads_the_report_that_drift_runs_leave(folder: Path) -> None:
    shutil.copy(folder / "drift.json", folder / "default.json")
    assert page_command.main(["--markdown", str(folder / "page.md")], folder / "default.json") == 0
    assert (folder / "page.md").exists() and not (folder / "page.html").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(None, "found no report", id="missing"),
        pytest.param("{", "found no JSON", id="no JSON"),
        pytest.param("[]", "found JSON without 'schema'; expected the report of a drift run", id="a list"),
        pytest.param('{"hosts": {}}', "found JSON without 'schema'", id="foreign"),
        pytest.param('{"schema": "x"}', "found JSON without 'schema'", id="another schema"),
        pytest.param('{"schema": 2}', "found schema 2, expected 1; a newer version", id="newer"),
        pytest.param('{"schema": 1}', "cannot be understood (KeyError: 'hosts')", id="half"),
        pytest.param('{"schema": 1, "hosts": []}', "cannot be understood (AttributeError", id="odd"),
    ],
)
def test_what_is_no_report_is_told_in_one_line(
    folder: Path, capsys: pytest.CaptureFixture[str], content: str | None, message: str
) -> None:
    if content is not None:
        (folder / "other.json").write_text(content)
    assert run(folder, "--html", str(folder / "page.html"), report="other.json") == 1
    error = capsys.readouterr().err
    assert error.startswith("research-server-drift report: ") and message in error and str(folder / "other.json") in error
    assert error.count("\n") == 1
    assert not (folder / "page.html").exists()


def test_a_report_or_a_page_that_is_a_folder_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(folder, "--html", str(folder / "page.html"), report=".") == 1
    assert "cannot read the report" in capsys.readouterr().err
    assert run(folder, "--html", str(folder)) == 1
    assert "cannot write the page" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["--html", "x", "--language", "fr"]])
def test_a_wrong_command_line_is_not_taken_for_drift(folder: Path, arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run(folder, *arguments)
    assert ended.value.code == 1


def test_without_jinja2_it_says_what_to_activate(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, f"{page_command.__package__}._page.render", raising=False)
    monkeypatch.delattr(sys.modules[f"{page_command.__package__}._page"], "render", raising=False)
    monkeypatch.setitem(sys.modules, "jinja2", None)
    assert run(folder, "--html", str(folder / "page.html")) == 1
    assert "found no Jinja2 in" in (error := capsys.readouterr().err) and "activate the virtual environment" in error


def test_the_script_needs_jinja2_for_a_page_only(folder: Path) -> None:
    def start(*arguments: str) -> subprocess.CompletedProcess[str]:
        program = SCRIPT.read_text(encoding="utf-8").partition(" -c '")[2].partition("'")[0]
        # Nothing but the standard library.
        python = [sys.executable, "-I", "-S", "-c", program, str(SCRIPT.parents[1] / "plugins")]
        return subprocess.run([*python, *arguments], capture_output=True, text=True, check=False)

    assert start("--help").returncode == 0
    missing = start("report", "--report", str(folder / "drift.json"), "--html", str(folder / "page.html"))
    assert missing.returncode == 1 and "found no Jinja2" in missing.stderr


def test_the_script_writes_a_page(folder: Path) -> None:
    environment = {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin", "XDG_STATE_HOME": str(folder)}
    arguments = ["report", "--report", folder / "drift.json", "--html", folder / "page.html"]
    done = subprocess.run([SCRIPT, *arguments], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "Run these jails" in (folder / "page.html").read_text()


@pytest.fixture
def ansible(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An ansible-playbook that leaves the report of the folder, as the callback would."""
    program = folder / "ansible-playbook"
    program.write_text(f"#!/bin/sh\ncp '{folder}/drift.json' \"$RESEARCH_SERVER_DRIFT_REPORT\"\n")
    program.chmod(0o755)
    monkeypatch.setattr(command, "find_ansible", lambda: str(program))
    return program


@pytest.mark.usefixtures("ansible")
def test_a_run_writes_the_page_of_its_own_report(folder: Path) -> None:
    pages = ["--html", str(folder / "page.html"), "--markdown", str(folder / "page.md"), "--language", "zh"]
    assert command.main(["--report", str(folder / "last.json"), "-i", "my lab", *pages]) == 2
    page = (folder / "page.html").read_text()
    assert '<html lang="zh-Hans">' in page and "-i &#39;my lab&#39; -l gpu-01" in page and "last.json" in page
    assert "科研服务器的漂移" in (folder / "page.md").read_text()


@pytest.mark.usefixtures("ansible")
def test_a_page_that_cannot_be_written_changes_no_exit_code(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "drift.json").write_text(json.dumps(told("clean")))
    assert command.main(["--report", str(folder / "last.json"), "--html", str(folder)]) == 0
    assert "research-server-drift: warning: no page: cannot write the page" in capsys.readouterr().err
    assert json.loads((folder / "last.json").read_text())["verdict"] == "clean"
