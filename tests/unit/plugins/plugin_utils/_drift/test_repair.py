# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import sys
import typing as t
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.plugin_utils._drift import command, history, programs
from ansible_collections.openlab.research_server.plugins.plugin_utils._drift.report import Outcome, TaskRef
from ansible_collections.openlab.research_server.tests.unit.plugins.plugin_utils._drift.nights import edit, report

Result = tuple[TaskRef, Outcome]


class Lab:
    """Ansible's programs are a few lines long, and write down what they were asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.report_file = folder / "report.json"
        self.tell({"a": [edit("banner")], "b": []})
        self.finds({"a": []})
        self.program("ansible", "printf '    %s\\n' a b")
        self.site()

    def program(self, name: str, *lines: str) -> None:
        path = self.folder / name
        path.write_text(
            "\n".join(
                ["#!/bin/sh", f"""printf '%s|' {name} "$@" >> {self.folder}/asked""", f"echo >> {self.folder}/asked", *lines, ""]
            )
        )
        path.chmod(0o755)

    def site(self, *lines: str) -> None:
        """What happens when the site is applied; a drift run then finds what `finds` says."""
        compare = f"""cp {self.folder}/next.json "$RESEARCH_SERVER_DRIFT_REPORT"; : > "$RESEARCH_SERVER_DRIFT_LEFT_OUT"; exit 0"""
        self.program("ansible-playbook", f"if [ $1 = openlab.research_server.drift ]; then {compare}; fi", *lines)

    def tell(self, hosts: dict[str, list[Result]]) -> None:
        self.report_file.write_text(json.dumps(report(0, hosts)))

    def finds(self, hosts: dict[str, list[Result]]) -> None:
        (self.folder / "next.json").write_text(json.dumps(report(1, hosts)))

    def repair(self, *arguments: str) -> int:
        return command.main(["repair", "--report", str(self.report_file), *arguments])

    @property
    def asked(self) -> list[list[str]]:
        path = self.folder / "asked"
        return [line.split("|")[:-1] for line in path.read_text().splitlines()] if path.exists() else []

    @property
    def changed(self) -> bool:
        return any(words[:2] == ["ansible-playbook", "openlab.research_server.site"] for words in self.asked)


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    monkeypatch.setattr(programs, "find", lambda name: str(tmp_path / name))
    return Lab(tmp_path)


def answer(monkeypatch: pytest.MonkeyPatch, text: str | BaseException) -> None:
    def asked(_question: str) -> str:
        if isinstance(text, BaseException):
            raise text
        return text

    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", asked)


def test_it_shows_applies_and_compares_again(lab: Lab, capfd: pytest.CaptureFixture[str]) -> None:
    assert lab.repair("--yes", "-i", "lab", "--html", str(lab.folder / "page.html"), "--forks", "3") == 0
    listed, site, drift = lab.asked
    assert listed == ["ansible", "all", "--list-hosts", "--inventory=lab"]
    assert site[1:] == ["openlab.research_server.site", "--inventory=lab", "--limit=a,", "--tags=sshd", "--forks", "3"]
    assert drift[1] == "openlab.research_server.drift" and drift[drift.index("--limit") + 1] == "a,"
    assert drift[drift.index("--inventory") + 1] == "lab" and drift[-2:] == ["--forks", "3"]
    told = capfd.readouterr().out
    assert (
        "Write banner" in told
        and "  ansible-playbook openlab.research_server.site --inventory=lab --limit=a, --tags=sshd" in told
    )
    # The comparison is a run like any other: its report, its page, its night in the history.
    assert json.loads(lab.report_file.read_text())["verdict"] == "clean"
    assert (lab.folder / "page.html").exists()
    assert [run["left_out"] for run in history.told(lab.report_file.with_suffix(".db"))["runs"]] == [""]


@pytest.mark.parametrize("text", ["y", " YES "])
def test_who_says_yes_is_taken_at_their_word(lab: Lab, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    answer(monkeypatch, text)
    assert lab.repair() == 0
    assert lab.changed


@pytest.mark.parametrize("text", ["", "n", "yeah", EOFError(), KeyboardInterrupt()])
def test_anything_else_is_no(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], text: str | BaseException
) -> None:
    answer(monkeypatch, text)
    before = lab.report_file.read_text()
    assert lab.repair() == 1
    assert not lab.changed and lab.report_file.read_text() == before
    assert "nothing was changed" in capfd.readouterr().err


def test_without_a_terminal_it_asks_for_yes(lab: Lab, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    assert lab.repair() == 1
    assert not lab.changed
    assert "found no terminal to ask on; nothing was changed" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("hosts", "exit_code"),
    [
        pytest.param({"a": [], "b": []}, 0, id="clean"),
        pytest.param({"a": [(TaskRef("keys", "audit"), Outcome("changed", items=("x",)))]}, 2, id="audit"),
        pytest.param({"a": [(TaskRef("Look", "sshd"), Outcome("unreachable", message="off"))]}, 4, id="off"),
    ],
)
def test_nothing_to_repair_ends_with_what_the_report_says(
    lab: Lab, capfd: pytest.CaptureFixture[str], hosts: dict[str, list[Result]], exit_code: int
) -> None:
    lab.tell(hosts)
    assert lab.repair() == exit_code
    assert not lab.changed
    assert "nothing that site.yml could repair" in capfd.readouterr().out


def test_the_exit_code_is_that_of_the_comparison(lab: Lab) -> None:
    lab.finds({"a": [edit("banner")]})
    assert lab.repair("--yes") == 2


def test_a_site_that_fails_is_compared_and_does_not_end_as_clean(lab: Lab, capfd: pytest.CaptureFixture[str]) -> None:
    lab.site("exit 2")
    assert lab.repair("--yes") == 3
    assert "site.yml ended with 2" in capfd.readouterr().err
    assert lab.asked[-1][1] == "openlab.research_server.drift"
    lab.tell({"a": [edit("banner")]})
    lab.finds({"a": [edit("banner")]})
    assert lab.repair("--yes") == 2


def test_an_interrupt_waits_for_ansible_and_compares_nothing(lab: Lab, capfd: pytest.CaptureFixture[str]) -> None:
    # Longer than Python itself would wait for it.
    lab.site("trap '' INT", "kill -INT $PPID", "sleep 1", f": > {lab.folder}/tidied")
    before = lab.report_file.read_text()
    assert lab.repair("--yes") == 1
    assert (lab.folder / "tidied").exists()
    error = capfd.readouterr().err
    assert "interrupted on a; what site.yml had begun may be half done" in error and "Traceback" not in error
    assert lab.asked[-1][1] == "openlab.research_server.site"
    assert lab.report_file.read_text() == before
    assert not [path for path in lab.folder.iterdir() if path.name.startswith(".report.json.") and path.suffix != ".lock"]


def test_what_changed_while_somebody_thought_is_shown_anew(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)

    def meanwhile(_question: str) -> str:
        lab.report_file.write_text((lab.folder / "next.json").read_text())
        return "y"

    monkeypatch.setattr("builtins.input", meanwhile)
    assert lab.repair() == 1
    assert not lab.changed
    assert "found another report than the one that was shown; nothing was changed" in capfd.readouterr().err


def test_hosts_that_are_not_in_the_inventory_are_left_out(lab: Lab, capfd: pytest.CaptureFixture[str]) -> None:
    # `web` may be a group of it.
    lab.tell({"web": [edit("banner")], "a": [edit("banner")], "all": [edit("banner")]})
    assert lab.repair("--yes") == 0
    assert "--limit=a," in lab.asked[1]
    told = capfd.readouterr()
    assert "in the report and not in this inventory: all, web" in told.err and "web" not in told.out
    lab.tell({"web": [edit("banner")]})
    assert lab.repair("--yes") == 1
    assert "found the hosts web; expected some of this inventory: a, b" in capfd.readouterr().err


def test_what_the_report_loses_and_does_not_have_is_told(lab: Lab, capfd: pytest.CaptureFixture[str]) -> None:
    lab.tell({"a": [edit("banner")], "c": [edit("banner")]})
    assert lab.repair("--yes", "-l", "a,b") == 0
    error = capfd.readouterr().err
    assert "the last run did not compare them: b" in error
    assert "now has the hosts that were repaired alone; for 1 other host: run research-server-drift" in error


def test_a_name_that_is_a_pattern_is_refused(lab: Lab, capfd: pytest.CaptureFixture[str]) -> None:
    lab.program("ansible", "echo '    !a'")
    lab.tell({"!a": [edit("banner")]})
    assert lab.repair("--yes") == 1
    assert not lab.changed
    assert "found the host '!a'; expected letters" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "found no JSON"),
        ('{"schema": 2}', "found schema 2, expected 1"),
        ('{"schema": 1, "hosts": {"a": {}}}', "cannot be understood (KeyError"),
        (
            '{"schema": 1, "finished": "2026-11-01", "hosts": {"a": {"verdict": "clean", "drift": [], "errors": []}}}',
            "cannot be understood (TypeError",
        ),
        ('{"schema": 1, "finished": "x", "hosts": {"a": {"verdict": "?", "drift": [], "errors": []}}}', "(ValueError"),
    ],
)
def test_what_is_no_report_is_told(lab: Lab, capfd: pytest.CaptureFixture[str], content: str, message: str) -> None:
    lab.report_file.write_text(content)
    assert lab.repair("--yes") == 1
    assert not lab.changed
    assert message in capfd.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [["--role", "audit"], ["--tags", "all"], ["-t", "all"], ["--skip-tags", "x"], ["--start-at-task", "x"], ["--wait", "x"]],
)
def test_a_wrong_command_line_changes_nothing(lab: Lab, arguments: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        lab.repair("--yes", *arguments)
    assert ended.value.code == 1
    assert not lab.changed
    assert capfd.readouterr().err.count("research-server-drift") >= 1


def test_a_report_cannot_paint_on_the_terminal(lab: Lab, capfd: pytest.CaptureFixture[str]) -> None:
    told: dict[str, t.Any] = json.loads(lab.report_file.read_text())
    told["hosts"]["a"]["drift"][0]["task"] = "x\x1b[2Jclean\u202e"
    lab.report_file.write_text(json.dumps(told))
    assert lab.repair("--yes") == 0
    assert "x\\x1b[2Jclean\\u202e" in capfd.readouterr().out
