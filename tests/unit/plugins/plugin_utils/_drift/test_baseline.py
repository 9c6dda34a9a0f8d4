# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.openlab.research_server.plugins.plugin_utils._drift.baseline import Entry, main, read, write


def finding(topic: str, name: str, role: str = "audit") -> dict[str, t.Any]:
    return {"role": role, "task": topic, "items": [name]}


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    found = [
        finding("listeners", 'tcp 0.0.0.0:80 "web" of root'),
        finding("accounts", "mallory: is in sudo"),
        finding("Compare", "x", role="sshd"),
    ]
    report = {
        "schema": 1,
        "hosts": {"gpu-01": {"verdict": "drift", "drift": found}, "gpu-02": {"verdict": "failed", "drift": []}},
    }
    (tmp_path / "drift.json").write_text(json.dumps(report))
    (tmp_path / "lab").mkdir()
    return tmp_path


def accept(lab: Path, *options: str) -> int:
    return main(["-i", str(lab / "lab"), *options], lab / "drift.json")


def accepted(lab: Path, host: str = "gpu-01") -> list[dict[str, str]]:
    content: dict[str, list[dict[str, str]]] = yaml.safe_load((lab / f"lab/audit/{host}.yml").read_text())
    return content["accepted"]


def test_what_was_found_is_accepted_and_nothing_else(lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert accept(lab) == 0
    assert accepted(lab) == [
        {"topic": "accounts", "name": "mallory: is in sudo"},
        {"topic": "listeners", "name": 'tcp 0.0.0.0:80 "web" of root'},
    ]
    assert not (lab / "lab/audit/gpu-02.yml").exists()
    told = capsys.readouterr().out
    assert "gpu-01: 2 accepted" in told and told.count("could not compare it to the end (failed)") == 1


def test_a_report_of_a_server_has_no_power_over_the_terminal(lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = {"schema": 1, "hosts": {"[fd00::1]": {"verdict": "drift", "drift": [finding("sudo", "x\x1b[2Jclean")]}}}
    (lab / "drift.json").write_text(json.dumps(report))
    assert accept(lab, "-l", "[fd00::1]") == 0
    assert "x\\x1b[2Jclean" in capsys.readouterr().out


def test_a_typing_error_is_not_taken_for_nothing_to_accept(lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert accept(lab, "--topic", "acounts") == 1
    assert "no finding of the topic 'acounts'; it has accounts, listeners" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(None, "found no report", id="missing"),
        pytest.param('{"hosts"', "found no JSON", id="no JSON"),
        pytest.param("[" * 100_000, "found no JSON", id="deep"),
        pytest.param('{"hosts": {"gpu-01": {"verdict": "drift", "drift": []}}}', "found JSON without 'schema'", id="foreign"),
        pytest.param('{"schema": 2, "hosts": {}}', "found schema 2, expected 1; a newer version", id="newer"),
        pytest.param('{"schema": 1}', "cannot be understood (KeyError: 'hosts')", id="half"),
        pytest.param('{"schema": 1, "hosts": {"a": []}}', "cannot be understood (TypeError", id="odd"),
    ],
)
def test_nothing_is_accepted_of_what_is_no_report(
    lab: Path, content: str | None, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (lab / "drift.json").unlink()
    if content is not None:
        (lab / "drift.json").write_text(content)
    assert accept(lab) == 1
    error = capsys.readouterr().err
    assert error.startswith("research-server-drift accept: ") and message in error and error.count("\n") == 1
    assert str(lab / "drift.json") in error
    assert not (lab / "lab/audit").exists()


def test_a_topic_and_a_host_can_be_chosen(lab: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert accept(lab, "--topic", "accounts", "-l", "gpu-0?") == 0
    assert [entry["topic"] for entry in accepted(lab)] == ["accounts"]
    assert accept(lab, "-l", "nowhere") == 1
    assert "the report has no host 'nowhere'; it has gpu-01, gpu-02" in capsys.readouterr().err


def test_what_people_wrote_stays(lab: Path) -> None:
    assert accept(lab, "--topic", "listeners") == 0
    path = lab / "lab/audit/gpu-01.yml"
    path.write_text(path.read_text() + "    reason: the course's web server\n")
    assert accept(lab) == 0
    assert accepted(lab)[1]["reason"] == "the course's web server"
    before = path.read_text()
    assert accept(lab) == 0
    assert path.read_text() == before


@pytest.mark.parametrize("addition", ["more: 1\n", "  - {topic: a, name: b}\n", "  - topic: accounts\n    name: bare\n"])
def test_a_file_that_would_lose_something_is_left_alone(lab: Path, addition: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert accept(lab, "--topic", "accounts") == 0
    path = lab / "lab/audit/gpu-01.yml"
    path.write_text(path.read_text() + addition)
    before = path.read_text()
    assert accept(lab) == 1
    assert path.read_text() == before
    assert "expected entries with 'topic' and 'name' in double quotes" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["a: b # c", "é\\x1b", '"quoted"', "- dash", "'"])
def test_any_name_comes_back(name: str) -> None:
    text = write("host", [Entry("keys", name), Entry("keys", name)])
    assert read(text) == [Entry("keys", name)]
    assert yaml.safe_load(text)["accepted"] == [{"topic": "keys", "name": name}]
    assert yaml.safe_load(write("host", []))["accepted"] == []


def test_a_file_may_begin_as_people_begin_one() -> None:
    text = write("host", [Entry("keys", "x")])
    for header in ("", "accepted:\n", "---\naccepted:\n"):
        assert read(header + text[text.index("  - topic") :]) == [Entry("keys", "x")]
    assert read("---\n") == read("accepted: []\n") == []
    with pytest.raises(ValueError, match="found 'more:'"):
        read(f"{text}---\nmore:\n")
