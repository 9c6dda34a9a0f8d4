# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.plugin_utils._drift import command, notify_command
from ansible_collections.openlab.research_server.plugins.plugin_utils._drift._notify import mail, spool
from ansible_collections.openlab.research_server.tests.unit.plugins.plugin_utils._drift.nights import Nights, edit

SCRIPT = Path(__file__).resolve().parents[5] / "scripts" / "research-server-drift"


class Lab:
    """A controller's folder, and what its people are told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.nights = Nights(folder)
        self.report = folder / "drift.json"
        self.spool = folder / "notify"

    def night(self, number, *found):
        self.report.write_text(json.dumps(self.nights.run(number, *found)))

    def notify(self, action, *arguments):
        return notify_command.main([action, "--report", str(self.report), *map(str, arguments)], self.folder / "other.json")

    def queue(self, *arguments):
        return self.notify("queue", "--channel", "mail", "--alarm-after", 10_000, *arguments)

    def waiting(self, channel="mail"):
        return [spool.read(path)["subject"] for path in spool.waiting(self.spool / channel)]


@pytest.fixture
def lab(tmp_path, monkeypatch):
    for name in ("MONITOR_UNIT", "MONITOR_SERVICE_RESULT"):
        monkeypatch.delenv(name, raising=False)
    return Lab(tmp_path)


@pytest.fixture
def agent(lab, monkeypatch):
    """A mail transfer agent that writes down what it gets. Returns its script."""
    script = lab.folder / "sendmail"
    script.write_text(f"#!/bin/sh\ncat >> {lab.folder}/got\n")
    script.chmod(0o755)
    monkeypatch.setattr(mail.send, "__kwdefaults__", {**mail.send.__kwdefaults__, "sendmail": str(script)})
    return script


def deliver(lab):
    return lab.notify("deliver", "--channel", "mail", "--to", "a@lab.example", "--from", "b@lab.example")


def test_what_is_new_waits_once_for_each_channel(lab, capsys):
    lab.night(0, edit("x"))
    assert lab.queue("--channel", "webhook", "--channel", "mail", "--lab", "Our lab") == 0
    assert lab.waiting() == lab.waiting("webhook") == ["Our lab: drift, 1 new, 1 host with another verdict"]
    assert capsys.readouterr().out == "Our lab: drift, 1 new, 1 host with another verdict\n"
    assert lab.queue("--channel", "webhook") == 0 and len(lab.waiting()) == 1
    (path,) = spool.waiting(lab.spool / "mail")
    assert "# Drift of the research servers: drift" in spool.read(path)["text"]


def test_the_summary_speaks_the_language_of_the_lab(lab):
    lab.night(0, edit("x"))
    lab.queue("--language", "zh")
    assert "漂移" in spool.read(spool.waiting(lab.spool / "mail")[0])["text"]


def test_before_the_first_run_there_is_nothing_to_tell(lab):
    assert lab.queue("--textfile", lab.folder / "m.prom") == 0
    assert lab.waiting() == []
    assert (lab.folder / "m.prom").read_text().endswith('notifications_pending{channel="mail"} 0\n')


def test_a_history_that_cannot_be_read_keeps_nobody_from_being_told(lab, capsys):
    lab.night(0, edit("x"))
    lab.nights.path.write_text("no database")
    assert lab.queue() == 0 and len(lab.waiting()) == 1
    assert "no history: " in capsys.readouterr().err


def test_what_the_history_has_not_heard_of_is_told_by_the_report(lab, capsys):
    lab.night(0, edit("x"))
    assert lab.queue() == 0
    # The database can be read, and not be written.
    before = lab.nights.path.read_bytes()
    lab.night(1, edit("x"), edit("y"))
    lab.nights.path.write_bytes(before)
    assert lab.queue() == 0 and lab.waiting()[-1].endswith("drift, 1 new")
    assert "no history of the run that ended at " in capsys.readouterr().err


@pytest.mark.parametrize("content", ["{", "[]", '{"schema": 99}', "{}"])
def test_a_report_that_is_none_is_said(lab, capsys, content):
    lab.report.write_text(content)
    assert lab.queue() == 0 and lab.waiting() == []
    assert "found no report that this version understands" in capsys.readouterr().err


def test_what_people_know_may_be_lost_but_not_newer(lab, capsys):
    lab.night(0, edit("x"))
    lab.queue()
    state = lab.spool / "told.json"
    state.write_text("{")
    assert lab.queue() == 0 and len(lab.waiting()) == 2
    assert "is told again" in capsys.readouterr().err
    state.write_text('{"schema": 2}')
    assert lab.queue() == 1 and "found schema 2, expected 1" in capsys.readouterr().err
    assert state.read_text() == '{"schema": 2}'


def test_the_same_told_twice_has_the_same_number(lab):
    lab.night(0, edit("x"))
    lab.queue()
    (lab.spool / "told.json").unlink()
    lab.queue()
    lab.night(1, edit("y"))
    lab.queue()
    one, again, other = (spool.read(path)["id"] for path in spool.waiting(lab.spool / "mail"))
    assert one == again != other


def test_systemd_says_how_the_run_ended(lab, monkeypatch):
    monkeypatch.setenv("MONITOR_UNIT", "research-server-drift.service")
    monkeypatch.setenv("MONITOR_SERVICE_RESULT", "timeout")
    assert lab.queue("--textfile", lab.folder / "m.prom") == 0
    assert lab.waiting() == ["Research servers: research-server-drift.service has failed (timeout)"]
    assert "last_run_timestamp_seconds" in (lab.folder / "m.prom").read_text()
    assert "last_good" not in (lab.folder / "m.prom").read_text()


def test_another_unit_is_no_run(lab, monkeypatch):
    monkeypatch.setenv("MONITOR_UNIT", "research-server-drift-update.service")
    monkeypatch.setenv("MONITOR_SERVICE_RESULT", "success")
    assert lab.queue("--textfile", lab.folder / "m.prom") == 0
    assert "last_run" not in (lab.folder / "m.prom").read_text()


def test_what_waits_is_delivered_in_its_order_and_is_gone(lab, agent):
    for number, name in enumerate(("x", "y")):
        lab.night(number, edit(name))
        lab.queue("--lab", f"Lab {name}", "--textfile", lab.folder / "m.prom")
    assert 'pending{channel="mail"} 2' in (lab.folder / "m.prom").read_text()
    arguments = ("--channel", "mail", "--to", "a@lab.example", "--from", "b@lab.example", "--textfile", lab.folder / "m.prom")
    assert lab.notify("deliver", *arguments) == 0
    got = (lab.folder / "got").read_text()
    assert 0 < got.index("Subject: Lab x") < got.index("Subject: Lab y") and lab.waiting() == []
    assert 'pending{channel="mail"} 0' in (lab.folder / "m.prom").read_text()
    assert deliver(lab) == 0


def test_a_receiver_that_is_down_keeps_all_of_it_for_later(lab, agent, capsys):
    for number, name in enumerate(("x", "y")):
        lab.night(number, edit(name))
        lab.queue()
    works = agent.read_text()
    agent.write_text(f"#!/bin/sh\ncat >/dev/null; echo asked >> {lab.folder}/asked; exit 75\n")
    assert deliver(lab) == 75 and len(lab.waiting()) == 2
    assert (lab.folder / "asked").read_text() == "asked\n", "the second one is not tried"
    assert "2 waiting" in capsys.readouterr().err
    agent.write_text(works)
    assert deliver(lab) == 0 and lab.waiting() == []


def test_a_message_that_is_refused_stays_and_the_next_one_goes(lab, agent, capsys):
    for number, name in enumerate(("x", "y")):
        lab.night(number, edit(name))
        lab.queue("--lab", f"Lab {name}")
    agent.write_text(f"#!/bin/sh\ncat > {lab.folder}/this; grep -q 'Lab y' {lab.folder}/this || exit 65\n")
    assert deliver(lab) == 1
    assert [subject[:5] for subject in lab.waiting()] == ["Lab x"]
    assert "refused: " in capsys.readouterr().err


def test_what_is_no_message_is_put_aside(lab, agent, capsys):
    lab.night(0, edit("x"))
    lab.queue()
    (lab.spool / "mail" / f"{1:020d}.json").write_text("{")
    assert deliver(lab) == 1 and lab.waiting() == [] and (lab.folder / "got").exists()
    assert (lab.spool / "mail" / f"{1:020d}.unreadable").read_text() == "{"


def test_a_test_shows_that_messages_come_through(lab, agent):
    assert lab.notify("test") == 1
    assert lab.notify("test", "--channel", "mail") == 0
    assert deliver(lab) == 0 and "Subject: Research servers: a test of " in (lab.folder / "got").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["deliver"], "expected one --channel"),
        (["deliver", "--channel", "mail", "--channel", "webhook"], "expected one --channel"),
        (["deliver", "--channel", "mail", "--to", "a@b"], "found no --to or no --from"),
        (["deliver", "--channel", "webhook"], "found no --webhook FILE"),
        (["deliver", "--channel", "webhook", "--webhook", "/nowhere"], "/nowhere: No such file"),
        (["queue", "--digest", "someday"], "invalid choice"),
        (["queue", "--alarm-after", "0"], "invalid hours value"),
        ([], "required: action"),
    ],
)
def test_what_cannot_work_ends_with_1(lab, capsys, arguments, said):
    try:
        ended = notify_command.main(arguments, lab.report)
    except SystemExit as error:
        ended = error.code
    assert ended == 1 and said in capsys.readouterr().err


def test_it_is_a_part_of_the_command_and_needs_nothing_but_python(lab):
    assert command.COMMANDS["notify"] is notify_command.main
    lab.night(0, edit("x"))
    code = f"import sys; sys.path.insert(0, {str(SCRIPT.parents[1])!r}); sys.modules['jinja2'] = sys.modules['yaml'] = None\n"
    code += "from plugins.plugin_utils._drift.notify_command import main\nfrom pathlib import Path\n"
    code += f"sys.exit(main(['queue', '--channel', 'mail'], Path({str(lab.report)!r})))"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "verdict: drift" in spool.read(spool.waiting(lab.spool / "mail")[0])["text"], "the summary of a terminal"
