# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real command, Ansible and drift.yml: what `repair` applies, to whom, and what it asks; in a collection of small roles."""

from __future__ import annotations

import json
import os
import pty
import select
import shutil
import time
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.tests.integration.controller import test_drift_command

PLAY = """
- name: Part {role}
  hosts: accounts
  gather_facts: false
  tags: [{role}]
  tasks:
    - name: Apply {role}
      ansible.builtin.import_role: {{name: openlab.research_server.{role}}}
"""
WRITE = """
- name: Write it
  ansible.builtin.copy: {{content: wanted, dest: "{{{{ folder }}}}/{{{{ inventory_hostname }}}}-{role}", mode: "0600"}}
"""


class Lab(test_drift_command.Lab):
    """Its site has two roles, which write a file for each host."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        collection = self.command.parents[1]
        (collection / "roles").unlink()
        for role, tasks in (("sshd", WRITE), ("fail2ban", WRITE), ("audit", "[]")):
            (collection / "roles" / role / "tasks").mkdir(parents=True)
            for name in ("main.yml", "apply.yml"):
                (collection / "roles" / role / "tasks" / name).write_text(tasks.format(role=role))
        (collection / "playbooks" / "site.yml").write_text("".join(PLAY.format(role=role) for role in ("sshd", "fail2ban")))
        self.inventory({"gpu-01": {}, "gpu-02": {}})

    def repair(self, *arguments: str) -> tuple[int, str, str]:
        done = self.start(self.command, "repair", "--report", str(self.report_file), *arguments)
        return done.returncode, done.stdout, done.stderr

    @property
    def written(self) -> set[str]:
        return {path.name for path in self.folder.glob("gpu-*")}

    def at_a_terminal(self, answers: list[tuple[str, str]], *arguments: str) -> tuple[int, str]:
        """Run it as somebody does who answers each of the questions."""
        process, terminal = pty.fork()
        if process == 0:
            os.chdir(self.folder)
            environment = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
            words = [str(self.command), "repair", "--report", str(self.report_file), *arguments]
            os.execve(words[0], words, environment)
        told, end = "", time.monotonic() + 60
        left = list(answers)
        while time.monotonic() < end:
            if select.select([terminal], [], [], 1)[0]:
                try:
                    told += os.read(terminal, 4096).decode(errors="replace")
                except OSError:
                    break
            if left and left[0][0] in told:
                question, answer = left.pop(0)
                told = told.replace(question, "(answered)", 1)
                os.write(terminal, answer.encode())
        os.close(terminal)
        assert not left, told
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), told


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Lab, Path]:
    """A lab that has a report, and a copy of its folder."""
    made = Lab(tmp_path_factory.mktemp("lab"))
    assert made.drift("--quiet").returncode == 2
    assert not made.written
    return made, shutil.copytree(made.folder, tmp_path_factory.mktemp("kept") / "lab", symlinks=True)


@pytest.fixture
def lab(compared: tuple[Lab, Path]) -> Lab:
    """As it was after the comparison, in the same place."""
    made, kept = compared
    shutil.rmtree(made.folder)
    shutil.copytree(kept, made.folder, symlinks=True)
    return made


def test_it_repairs_what_was_found_and_says_that_all_is_well(lab: Lab) -> None:
    code, told, error = lab.repair("--yes")
    assert code == 0 and "research-server-drift" not in error, told + error
    assert lab.written == {"gpu-01-sshd", "gpu-01-fail2ban", "gpu-02-sshd", "gpu-02-fail2ban"}
    assert "--limit=gpu-01,gpu-02, --tags=sshd,fail2ban" in told and told.endswith("verdict: clean\n")
    states = {found["state"] for host in lab.history("--json")["hosts"].values() for found in host["findings"]}
    assert states == {"repaired"}
    code, told, _error = lab.repair("--yes")
    assert code == 0 and "nothing that site.yml could repair" in told


def test_it_repairs_these_hosts_and_roles_alone(lab: Lab) -> None:
    # A pattern of Ansible, as with all its commands.
    code, told, error = lab.repair("--yes", "-i", "lab.yml", "-l", "accounts:!gpu-02", "--role", "sshd")
    assert code == 2, told + error
    assert lab.written == {"gpu-01-sshd"}
    report = json.loads(lab.report_file.read_text())
    assert {name: [found["role"] for found in host["drift"]] for name, host in report["hosts"].items()} == {
        "gpu-01": ["fail2ban"]
    }
    assert "for 1 other host: run research-server-drift" in error
    # The comparison was one of a whole host: the history may call it repaired.
    told_by_history = lab.history("gpu-01", "--json")
    assert [run["left_out"] for run in told_by_history["runs"]] == ["", ""]
    states = {found["role"]: found["state"] for found in told_by_history["hosts"]["gpu-01"]["findings"]}
    assert states == {"sshd": "repaired", "fail2ban": "open"}


def test_a_report_that_names_groups_and_patterns_widens_nothing(lab: Lab) -> None:
    report = json.loads(lab.report_file.read_text())
    (found,) = {json.dumps(report["hosts"].pop("gpu-02"))}
    report["hosts"].update(
        {name: json.loads(found) for name in ("accounts", "all", "*", "~gpu.*", "gpu-0?", "!gpu-01", "@lab.yml")}
    )
    lab.report_file.write_text(json.dumps(report))
    code, told, error = lab.repair("--yes")
    assert code == 0, told + error
    assert lab.written == {"gpu-01-sshd", "gpu-01-fail2ban"}
    assert "in the report and not in this inventory: " in error


def test_options_of_ansible_reach_both_runs_and_those_of_a_run_the_comparison(lab: Lab) -> None:
    page = lab.folder / "page.html"
    code, told, error = lab.repair("--yes", "-e", f"folder={lab.folder}/elsewhere", "--html", str(page))
    assert code == 2, told + error  # there is no such folder
    assert "site.yml ended with 2; see its message above" in error
    assert not lab.written and page.is_file()


def test_at_a_terminal_it_asks_and_so_does_ansible(lab: Lab) -> None:
    code, told = lab.at_a_terminal([("on 2 hosts? [y/N] ", "n\n")])
    assert code == 1 and "nothing was changed" in told and not lab.written
    password = ("BECOME password: ", "secret\n")
    code, told = lab.at_a_terminal([("Repair 4 differences on 2 hosts? [y/N] ", "y\n"), password, password], "-K")
    assert code == 0 and "verdict: clean" in told and len(lab.written) == 4
    assert "secret" not in told
