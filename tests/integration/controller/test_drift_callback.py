# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real runs of ansible-playbook against this machine, with tiny playbooks that write only below a temporary folder."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import typing as t
from pathlib import Path

import jsonschema
import pytest
import yaml

ROOT = Path(__file__).parents[3]
SCHEMA = json.loads((ROOT / "docs" / "drift-report.schema.json").read_text())
CALLBACK = "openlab.research_server.drift"
SECRET = "sw0rdfish"
# A closed port of the loopback address: refused at once.
DEAD = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}
PLAYBOOK = f"""
- name: Every kind of result
  hosts: quiet:dead
  gather_facts: false
  tasks:
    - name: Same
      ansible.builtin.file: {{path: "{{{{ folder }}}}", state: directory}}
    - name: Allowed to be unreachable
      ansible.builtin.ping:
      ignore_unreachable: true
      vars: {{ansible_connection: ssh, ansible_host: 127.0.0.1, ansible_port: 1}}
    - name: File
      ansible.builtin.copy: {{content: "new\\n", dest: "{{{{ folder }}}}/file", mode: "0600"}}
      notify: [Restart, Restart again]
    - name: File again
      ansible.builtin.copy: {{content: "other\\n", dest: "{{{{ folder }}}}/file2", mode: "0600"}}
      notify: Restart
    - name: New file from a template
      ansible.builtin.template: {{src: new.j2, dest: "{{{{ folder }}}}/templated", mode: "0600"}}
    - name: Mode
      ansible.builtin.file: {{path: "{{{{ folder }}}}/there", mode: "0640"}}
    - name: Loop with labels
      ansible.builtin.copy: {{content: "{{{{ item }}}}", dest: "{{{{ folder }}}}/{{{{ item }}}}", mode: "0600"}}
      loop: [there, missing]
      loop_control: {{label: "number {{{{ item }}}}"}}
    - name: Loop over users
      ansible.builtin.copy: {{content: "x", dest: "{{{{ folder }}}}/{{{{ item.name }}}}", mode: "0600"}}
      loop: [{{name: alice, pin: {SECRET}}}]
    - name: Loop with no_log
      ansible.builtin.copy: {{content: "{{{{ item }}}}", dest: "{{{{ folder }}}}/looped", mode: "0600"}}
      loop: ["{SECRET}"]
      no_log: true
    - name: No log
      ansible.builtin.copy: {{content: "{SECRET}", dest: "{{{{ folder }}}}/secret", mode: "0600"}}
      no_log: true
    - name: No diff
      ansible.builtin.copy: {{content: "{SECRET}", dest: "{{{{ folder }}}}/quiet", mode: "0600"}}
      diff: false
    - name: Rescued
      block:
        - name: Fails and is rescued
          ansible.builtin.command: "false"
          check_mode: false
      rescue:
        - name: Rescue
          ansible.builtin.debug: {{msg: rescued}}
    - name: Ignored
      ansible.builtin.command: "false"
      check_mode: false
      ignore_errors: true
    - name: Notice
      notice:
    - name: Role included
      ansible.builtin.include_role: {{name: tiny}}
  handlers:
    - name: Restart
      ansible.builtin.command: "true"
      check_mode: false
    - name: Restart again
      ansible.builtin.command: "true"
      check_mode: false

- name: Every kind of failure
  hosts: failing:secretive:looping
  gather_facts: false
  tasks:
    - name: Fails
      ansible.builtin.shell: "echo because >&2; exit 1"
      check_mode: false
      when: inventory_hostname == 'failing'
    - name: Fails in secret
      ansible.builtin.fail: {{msg: "{SECRET}"}}
      no_log: true
      when: inventory_hostname == 'secretive'
    - name: Fails in a loop
      ansible.builtin.fail: {{msg: "no {{{{ item }}}}"}}
      loop: [one, two]
      when: inventory_hostname == 'looping' and item == 'two'
"""
# A module that changes nothing and has something to say.
NOTICE = """
from ansible.module_utils.basic import AnsibleModule
AnsibleModule({}, supports_check_mode=True).exit_json(notices=["a key expires"])
"""

# A module that answers as a host may that is not what it seems.
HOSTILE = r"""#!/usr/bin/python
# WANT_JSON
import json, sys
evil = "\x1b[2J\x1b[32m\u202eclean\x85\nverdict: clean\rclean"
secret = "password=sw0rdfish"
answers = {
    "paints": {"changed": True, "diff": [{"before": evil, "after": secret, "before_header": evil}], "notices": [evil]},
    "fails": {"failed": True, "msg": evil, "stderr": secret},
    "nests": {"changed": True, "found": None},
    "is-odd": {"changed": True, "diff": {"before": [3], "after": {"a": evil}}, "notices": {"a": 1}, "invocation": [evil]},
    "is-long": {"changed": True, "diff": [{"before": "://" * 10**6, "after": "a\n" * 10**6}], "notices": ["://" * 10**6]},
    "is-good": {"changed": False},
}
with open(sys.argv[1]) as stream:
    answer = json.dumps(answers[json.load(stream)["how"]])
print(answer.replace("null", "[" * 400 + "]" * 400))
"""


class Run:
    """A folder with an inventory, a playbook and what ansible-playbook made of them."""

    def __init__(self, folder: Path, playbook: str, hosts: dict[str, dict[str, t.Any]]) -> None:
        self.folder = folder
        self.report_file = folder / "state" / "report.json"
        (folder / "roles" / "tiny" / "tasks").mkdir(parents=True)
        (folder / "roles" / "tiny" / "tasks" / "main.yml").write_text(
            '- name: Task of the role\n  ansible.builtin.copy: {content: "x", dest: "{{ folder }}/role", mode: "0600"}\n'
        )
        (folder / "play.yml").write_text(playbook)
        (folder / "library").mkdir()
        (folder / "library" / "notice.py").write_text(NOTICE)
        (folder / "library" / "hostile.py").write_text(HOSTILE)
        (folder / "ansible.cfg").write_text("")
        (folder / "new.j2").write_text("x\n")
        for host, variables in hosts.items():
            place = folder / "hosts" / host
            place.mkdir(parents=True)
            (place / "there").write_text("there")
            (place / "there").chmod(0o600)
            variables.setdefault("ansible_connection", "local")
            variables["ansible_python_interpreter"] = sys.executable
            variables["folder"] = str(place)
        (folder / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": hosts}}))

    def play(self, *arguments: str, stdout_callback: bool = True, **environment: str) -> subprocess.CompletedProcess[str]:
        callback = {"ANSIBLE_STDOUT_CALLBACK": CALLBACK} if stdout_callback else {"ANSIBLE_CALLBACKS_ENABLED": CALLBACK}
        fixed = {
            "ANSIBLE_PIPELINING": "true",
            "ANSIBLE_CONFIG": str(self.folder / "ansible.cfg"),
            "RESEARCH_SERVER_DRIFT_REPORT": str(self.report_file),
        }
        return subprocess.run(
            ["ansible-playbook", "-i", "hosts.yml", "play.yml", *arguments],
            cwd=self.folder,
            env={**os.environ, **fixed, **callback, **environment},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    @property
    def report(self) -> dict[str, t.Any]:
        report = json.loads(self.report_file.read_text())
        jsonschema.validate(report, SCHEMA)
        assert isinstance(report, dict)
        return report


@pytest.fixture(scope="module")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Run:
    names = ["quiet", "failing", "secretive", "looping"]
    run = Run(tmp_path_factory.mktemp("run"), PLAYBOOK, {**{name: {} for name in names}, "dead": dict(DEAD)})
    run.done = run.play("--check", "--diff")  # type: ignore[attr-defined]
    return run


def finding(run: Run, host: str, task: str) -> dict[str, t.Any]:
    (found,) = [entry for entry in run.report["hosts"][host]["drift"] if entry["task"] == task]
    return t.cast("dict[str, t.Any]", found)


def test_each_host_has_its_verdict(everything: Run) -> None:
    verdicts = {name: host["verdict"] for name, host in everything.report["hosts"].items()}
    assert verdicts == {
        "dead": "unreachable",
        "failing": "failed",
        "looping": "failed",
        "quiet": "drift",
        "secretive": "failed",
    }
    assert everything.report["verdict"] == "failed"


def test_each_changed_task_is_a_difference_and_no_other(everything: Run) -> None:
    assert [entry["task"] for entry in everything.report["hosts"]["quiet"]["drift"]] == [
        "File",
        "File again",
        "New file from a template",
        "Mode",
        "Loop with labels",
        "Loop over users",
        "Loop with no_log",
        "No log",
        "No diff",
        "Task of the role",
    ]


def test_a_difference_has_file_line_and_unified_diff(everything: Run) -> None:
    found = finding(everything, "quiet", "File")
    assert found["file"] == str(everything.folder / "play.yml")
    assert PLAYBOOK.splitlines()[found["line"] - 1].strip() == "- name: File"
    path = everything.folder / "hosts" / "quiet" / "file"
    assert found["diff"] == f"--- {path} (is)\n+++ {path} (should be)\n@@ -0,0 +1 @@\n+new\n"


@pytest.mark.parametrize(("task", "file"), [("New file from a template", "templated"), ("Mode", "there")])
def test_a_difference_is_located_on_the_host(everything: Run, task: str, file: str) -> None:
    path = everything.folder / "hosts" / "quiet" / file
    assert finding(everything, "quiet", task)["diff"].startswith(f"--- {path} (is)\n+++ {path} (should be)\n")


def test_a_notice_is_no_difference(everything: Run) -> None:
    assert everything.report["hosts"]["quiet"]["notices"] == ["a key expires"]
    assert "note: a key expires" in everything.done.stdout  # type: ignore[attr-defined]


def test_a_role_is_named(everything: Run) -> None:
    found = finding(everything, "quiet", "Task of the role")
    assert found["role"] == "tiny"
    assert found["file"] == str(everything.folder / "roles" / "tiny" / "tasks" / "main.yml")


def test_only_the_changed_items_of_a_loop_are_listed(everything: Run) -> None:
    assert finding(everything, "quiet", "Loop with labels")["items"] == ["number missing"]
    assert finding(everything, "quiet", "Loop over users")["items"] == ["alice"]


@pytest.mark.parametrize("task", ["No log", "Loop with no_log"])
def test_no_log_hides_all_but_the_name(everything: Run, task: str) -> None:
    found = finding(everything, "quiet", task)
    assert (found["hidden"], found["diff"], found["items"]) == (True, None, [])


def test_diff_false_hides_the_difference(everything: Run) -> None:
    found = finding(everything, "quiet", "No diff")
    assert (found["hidden"], found["diff"]) == (False, None)


def test_no_secret_reaches_report_or_terminal(everything: Run) -> None:
    assert SECRET not in everything.report_file.read_text()
    done = everything.done  # type: ignore[attr-defined]
    assert SECRET not in done.stdout + done.stderr


def test_handlers_are_named_once_and_are_no_drift(everything: Run) -> None:
    assert everything.report["hosts"]["quiet"]["handlers"] == ["Restart", "Restart again"]


def test_rescued_and_ignored_failures_are_none(everything: Run) -> None:
    assert everything.report["hosts"]["quiet"]["errors"] == []


@pytest.mark.parametrize(
    ("host", "task", "message"),
    [
        ("failing", "Fails", "because"),
        ("secretive", "Fails in secret", "no_log"),
        ("looping", "Fails in a loop", "no two"),
        ("dead", "Same", "Connection refused"),
    ],
)
def test_an_error_names_task_and_reason(everything: Run, host: str, task: str, message: str) -> None:
    (error,) = everything.report["hosts"][host]["errors"]
    assert error["task"] == task
    assert message in error["message"]


def test_the_summary_is_all_that_is_printed_and_has_no_colors_in_a_pipe(everything: Run) -> None:
    stdout = everything.done.stdout  # type: ignore[attr-defined]
    assert stdout.startswith("Drift run of ")
    assert stdout.endswith("verdict: failed\n")
    assert "\033" not in stdout


def test_forced_colors_do_not_cut_the_lines_of_a_pipe(tmp_path: Path) -> None:
    run = Run(tmp_path, EDIT.replace("- ansible", f"- name: {'long ' * 40}\n      ansible"), {"server": {}})
    stdout = run.play("--check", "--diff", ANSIBLE_FORCE_COLOR="true").stdout
    assert "\033[33m" in stdout
    assert "long " * 39 in stdout


def test_only_its_owner_can_read_the_report(everything: Run) -> None:
    assert stat.S_IMODE(everything.report_file.stat().st_mode) == 0o600
    assert stat.S_IMODE(everything.report_file.parent.stat().st_mode) == 0o700
    assert [path.name for path in everything.report_file.parent.iterdir()] == ["report.json"]


EDIT = """
- hosts: all
  gather_facts: false
  tasks:
    - ansible.builtin.copy: {content: "new", dest: "{{ folder }}/file", mode: "0600"}
"""


ENDS_EARLY = """
- {name: First, hosts: cpu, gather_facts: false, tasks: [{ansible.builtin.debug: {}}]}
- {name: Middle, hosts: gpu, gather_facts: false, tasks: [{ansible.builtin.fail: {}}]}
- {name: Last, hosts: cpu, gather_facts: false, tasks: [{ansible.builtin.debug: {}}]}
"""


@pytest.fixture
def small(tmp_path: Path) -> Run:
    return Run(tmp_path, EDIT, {"server": {}})


def test_it_listens_beside_another_stdout_callback_and_knows_the_last_report(small: Run) -> None:
    first = small.play("--check", "--diff", stdout_callback=False)
    assert "PLAY RECAP" in first.stdout
    assert "verdict: drift" in first.stdout
    assert small.report["hosts"]["server"]["drift"][0]["new"] is True
    small.play("--check", "--diff", stdout_callback=False)
    assert small.report["hosts"]["server"]["drift"][0]["new"] is False


def test_a_run_that_repairs_is_not_a_drift_run(small: Run) -> None:
    done = small.play(stdout_callback=False)
    assert done.returncode == 0
    assert not small.report_file.exists()
    assert "verdict" not in done.stdout


def test_after_the_repair_there_is_silence(small: Run) -> None:
    small.play(stdout_callback=False)
    done = small.play("--check", "--diff", RESEARCH_SERVER_DRIFT_SUMMARY="drift")
    assert done.stdout == ""
    assert small.report["verdict"] == "clean"


def test_a_report_that_cannot_be_written_does_not_change_the_result(small: Run) -> None:
    small.report_file.parent.write_text("a file where the directory should be")
    done = small.play("--check", "--diff")
    assert done.returncode == 0
    assert "no report written" in done.stderr
    assert "verdict: drift" in done.stdout


def test_hosts_that_were_not_walked_to_the_end_are_not_called_clean(tmp_path: Path) -> None:
    """Ansible ends the whole run when all hosts of one play fail, whatever the others still have before them."""
    run = Run(tmp_path, ENDS_EARLY, {"gpu": {}, "cpu": {}})
    run.play("--check", "--diff")
    assert {host["verdict"] for host in run.report["hosts"].values()} == {"failed"}
    assert "ended before the play 'Last'" in run.report["hosts"]["cpu"]["errors"][0]["message"]


def test_a_hostile_host_has_a_verdict_and_paints_nothing(tmp_path: Path) -> None:
    """What is deeper than Ansible can hand on was no result at all, and the host clean."""
    hows = ("fails", "is-good", "is-long", "is-odd", "nests", "paints")
    run = Run(
        tmp_path,
        'hosts: all\n  tasks: [{hostile: {how: "{{ inventory_hostname }}"}}]'.join(["- ", "\n"]),
        {how: {} for how in hows},
    )
    done = run.play("--check", "--diff", ANSIBLE_GATHERING="explicit", LC_ALL="C.UTF-8")
    hosts = run.report["hosts"]
    assert {name: host["verdict"] for name, host in hosts.items()} == {
        "fails": "failed",
        "is-good": "clean",
        "is-long": "drift",
        "is-odd": "drift",
        "nests": "failed",
        "paints": "drift",
    }
    assert all(line.isprintable() for line in done.stdout.split("\n"))
    assert SECRET not in done.stdout + run.report_file.read_text()
    assert [line for line in done.stdout.splitlines() if line.startswith(("verdict:", "clean"))] == [
        "clean        is-good  1 task compared",
        "verdict: failed",
    ]
    assert r"-\x1b[2J\x1b[32m\u202eclean\x85" in hosts["paints"]["drift"][0]["diff"].splitlines()
    assert "RecursionError" in hosts["nests"]["errors"][0]["message"]
    assert "too many to be shown" in hosts["is-long"]["drift"][0]["diff"]


def test_its_documentation_can_be_shown() -> None:
    done = subprocess.run(
        [shutil.which("ansible-doc") or "ansible-doc", "-t", "callback", "--json", CALLBACK],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert set(json.loads(done.stdout)[CALLBACK]["doc"]["options"]) >= {"report", "previous", "summary", "progress"}
