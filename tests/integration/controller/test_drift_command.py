# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The real command with the real callback and the real drift.yml, in a collection whose site.yml is a few lines long."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.openlab.research_server.plugins.plugin_utils._drift import command, history, one_run

ROOT = Path(__file__).parents[3]
COMMAND = "scripts/research-server-drift"
SITE = """
- name: The site
  hosts: accounts:sshd:fail2ban:miniconda:conda_envs:jupyter:nvidia
  gather_facts: false
  tasks:
    - name: File
      ansible.builtin.copy: {content: "wanted", dest: "{{ folder }}/file", mode: "0600"}
    - name: Broken
      ansible.builtin.fail: {msg: broken}
      when: broken | default(false)
"""
DEAD = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}


class Lab:
    """A folder as a lab has it, with an installed collection."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.report_file = folder / "report.json"
        collection = folder / "collections" / "ansible_collections" / "openlab" / "research_server"
        (collection / "playbooks").mkdir(parents=True)
        for name in ("scripts", "plugins", "roles", "meta", "galaxy.yml"):
            (collection / name).symlink_to(ROOT / name)
        (collection / "playbooks" / "drift.yml").write_text((ROOT / "playbooks" / "drift.yml").read_text())
        (collection / "playbooks" / "site.yml").write_text(SITE)
        (folder / "ansible.cfg").write_text("[defaults]\ncollections_path = collections\ninventory = lab.yml\n")
        self.command = collection / COMMAND
        self.inventory({"gpu-01": {}})

    def inventory(self, hosts: dict[str, dict[str, object]]) -> None:
        local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, "folder": str(self.folder)}
        groups = {"accounts": {"hosts": {name: {**local, **variables} for name, variables in hosts.items()}}}
        (self.folder / "lab.yml").write_text(yaml.safe_dump({"all": {"children": groups}}))

    def in_order(self) -> None:
        (self.folder / "file").write_text("wanted")
        (self.folder / "file").chmod(0o600)

    def start(self, *program: str | Path) -> subprocess.CompletedProcess[str]:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("ANSIBLE_")}
        environment["ANSIBLE_PIPELINING"] = "true"
        environment["XDG_STATE_HOME"] = str(self.folder / "state")
        # As an active virtual environment does.
        environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
        return subprocess.run(program, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=120, check=False)

    def history(self, *arguments: str) -> dict[str, t.Any]:
        done = self.start(self.command, "history", "--report", str(self.report_file), *arguments)
        assert (done.returncode, done.stderr) == (0, "")
        told: dict[str, t.Any] = json.loads(done.stdout)
        return told

    def drift(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.start(self.command, "--report", str(self.report_file), *arguments)


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


def test_clean_ends_with_0_and_says_so(lab: Lab) -> None:
    lab.in_order()
    done = lab.drift()
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("verdict: clean\n")


def test_quiet_and_clean_is_silence(lab: Lab) -> None:
    lab.in_order()
    done = lab.drift("--quiet", "-i", "lab.yml")
    assert (done.returncode, done.stdout) == (0, "")
    assert json.loads(lab.report_file.read_text())["verdict"] == "clean"


def test_drift_ends_with_2_changes_nothing_and_replaces_the_last_report(lab: Lab) -> None:
    done = lab.drift("--quiet")
    assert done.returncode == 2, done.stderr
    assert "+wanted" in done.stdout
    assert not (lab.folder / "file").exists()
    assert lab.drift().returncode == 2
    report = json.loads(lab.report_file.read_text())
    assert report["hosts"]["gpu-01"]["drift"][0]["new"] is False
    # Nothing of a run stays behind but its report.
    kept = [".report.json.lock", "ansible.cfg", "collections", "lab.yml", "report.db", "report.json"]
    assert sorted(path.name for path in lab.folder.iterdir()) == kept


def test_a_run_leaves_a_history_which_tells_what_was_repaired_and_what_was_not_asked(lab: Lab) -> None:
    assert lab.drift("-q").returncode == 2
    lab.in_order()
    for arguments, environment in (
        (["--skip-tags", "x"], []),
        (["--start-at-task", "File"], []),
        ([], ["ANSIBLE_RUN_TAGS=always"]),
    ):
        done = lab.start("env", *environment, lab.command, "--report", str(lab.report_file), *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "research-server-drift:" not in done.stderr
    told = lab.history("--json", "--nights", "9")
    left_out = ["", "--skip-tags x", "--start-at-task File", "--tags always"]
    assert [run["left_out"] for run in told["runs"]] == left_out
    assert [(found["task"], found["state"]) for found in told["hosts"]["gpu-01"]["findings"]] == [("File", "open")]
    assert lab.drift("-q", "--limit", "gpu-01").returncode == 0
    told = lab.history("gpu-01", "--json")
    assert [night["verdict"] for night in told["hosts"]["gpu-01"]["nights"]] == ["drift", "clean"]
    assert [(found["task"], found["state"]) for found in told["hosts"]["gpu-01"]["findings"]] == [("File", "repaired")]
    assert lab.report_file.with_suffix(".db").stat().st_mode & 0o777 == 0o600


def test_a_history_that_is_not_understood_takes_nothing_from_the_run(lab: Lab) -> None:
    lab.in_order()
    lab.report_file.with_suffix(".db").write_text("my notes")
    done = lab.drift()
    assert done.returncode == 0
    assert done.stdout.endswith("verdict: clean\n")
    assert json.loads(lab.report_file.read_text())["verdict"] == "clean"
    assert done.stderr.count("research-server-drift:") == 1
    assert f"research-server-drift: this run is not in the history: {lab.report_file.with_suffix('.db')}: found " in done.stderr
    assert lab.report_file.with_suffix(".db").read_text() == "my notes"


def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *lines: str) -> Path:
    """An ansible-playbook of these lines, and the place for its report."""
    playbook = tmp_path / "ansible-playbook"
    playbook.write_text("\n".join(["#!/bin/sh", *lines, ""]))
    playbook.chmod(0o755)
    monkeypatch.setattr(command, "find_ansible", lambda: str(playbook))
    return tmp_path / "report.json"


REPORT = {
    "started": "2026-11-20T02:30:00+00:00",
    "finished": "2026-11-20T02:40:00+00:00",
    "verdict": "clean",
    "exit_code": 0,
    "collection": {"version": "1"},
    "hosts": {"a": {"verdict": "clean", "compared": 1, "drift": []}},
}
WRITE = f"""echo '{json.dumps(REPORT)}' > "$RESEARCH_SERVER_DRIFT_REPORT\""""
WHOLE = """: > "$RESEARCH_SERVER_DRIFT_LEFT_OUT\""""


@pytest.mark.parametrize(
    ("lines", "exit_code", "left_out"),
    [
        pytest.param([WRITE, WHOLE], 0, "", id="whole"),
        pytest.param([WRITE], 0, "the run did not tell what it left out", id="it does not say"),
        pytest.param([WRITE, WHOLE, "exit 2"], 3, "ansible-playbook ended with 2 for a reason that it did not tell", id="failed"),
    ],
)
def test_what_may_be_missing_in_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: list[str], exit_code: int, left_out: str
) -> None:
    report = fake(tmp_path, monkeypatch, *lines)
    assert command.main(["--report", str(report)]) == exit_code
    (run,) = history.told(report.with_suffix(".db"))["runs"]
    assert (run["exit_code"], run["left_out"]) == (exit_code, left_out)


@pytest.mark.parametrize(("days", "runs"), [("6", 2), ("4", 1)])
def test_the_days_that_are_kept_are_those_one_asks_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: str, runs: int
) -> None:
    monkeypatch.setattr(history, "KEEP_RUNS", 1)
    report = fake(tmp_path, monkeypatch, WRITE, WHOLE)
    old = {**REPORT, "started": "2026-11-15T02:30:00+00:00", "finished": "2026-11-15T02:40:00+00:00"}
    history.record(report.with_suffix(".db"), old, exit_code=0, left_out="")
    assert command.main(["--report", str(report), "--keep", days]) == 0
    assert len(history.told(report.with_suffix(".db"))["runs"]) == runs


@pytest.mark.parametrize("option", ["--keep=0", "--keep=x", "--wait=-1", "--wait=nan", "--wait=inf", "--wait=x"])
def test_a_number_that_is_none_is_told(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command.main([option])
    assert ended.value.code == 1
    assert option.partition("=")[0] in capsys.readouterr().err


def test_a_second_run_waits_for_the_first_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    report = fake(tmp_path, monkeypatch, WRITE, WHOLE, f"echo run >> {tmp_path}/runs")
    with one_run.alone(report, 0, print):
        begun = time.monotonic()
        assert command.main(["--report", str(report), "--wait", "0"]) == 1
        assert time.monotonic() - begun < 1
        told = capfd.readouterr().err
        assert f"process {os.getpid()}, writes {report} and has not ended" in told
        assert not (tmp_path / "runs").exists()
        second = threading.Thread(target=command.main, args=[["--report", str(report)]])
        second.start()
        time.sleep(0.9)
        assert "waiting up to 1800 s for it (--wait)" in capfd.readouterr().err
        assert not (tmp_path / "runs").exists()
    second.join(10)
    assert (tmp_path / "runs").read_text() == "run\n"
    assert [run["verdict"] for run in history.told(report.with_suffix(".db"))["runs"]] == ["clean"]


@pytest.mark.parametrize(
    ("hosts", "exit_code"),
    [
        pytest.param({"a": {"broken": True}}, 3, id="a failed task"),
        pytest.param({"a": dict(DEAD)}, 4, id="an unreachable host"),
        pytest.param({"a": {}, "b": dict(DEAD)}, 4, id="unreachable before drift"),
        pytest.param({"a": {"broken": True}, "b": dict(DEAD), "c": {}}, 3, id="failed before unreachable"),
    ],
)
def test_the_most_severe_exit_code_wins(lab: Lab, hosts: dict[str, dict[str, object]], exit_code: int) -> None:
    lab.inventory(hosts)
    done = lab.drift()
    assert done.returncode == exit_code, done.stdout + done.stderr


def test_a_host_that_does_not_answer_has_failed_after_a_while_and_the_others_are_compared(lab: Lab) -> None:
    hanging = lab.folder / "python3"
    hanging.write_text("#!/bin/sh\nexec sleep 600\n")
    hanging.chmod(0o755)
    lab.inventory({"a": {"ansible_python_interpreter": str(hanging)}, "b": {}})
    done = lab.drift("--host-timeout", "5")
    report = json.loads(lab.report_file.read_text())
    assert (done.returncode, report["hosts"]["a"]["verdict"], report["hosts"]["b"]["verdict"]) == (3, "failed", "drift")
    message = report["hosts"]["a"]["errors"][0]["message"]
    assert "Timed out after 5 second" in message or "time frame (5)" in message, message
    assert "ps -ef" in message


def test_a_group_without_hosts_is_not_clean(lab: Lab) -> None:
    lab.inventory({})
    done = lab.drift()
    assert done.returncode == 3
    assert "no host was compared" in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        pytest.param(["-i", "no-such-file.yml", "--limit", "gpu-01"], id="no inventory"),
        pytest.param(["--limit", "no-such-host"], id="no such host"),
        pytest.param(["--no-such-option"], id="an option nobody knows"),
        pytest.param(["--report"], id="an option without its value"),
        pytest.param(["--report", "/dev/null/report.json"], id="a report that cannot be written"),
    ],
)
def test_what_could_not_run_ends_with_1_a_reason_and_the_last_report(lab: Lab, arguments: list[str]) -> None:
    lab.report_file.write_text("the last report")
    done = lab.drift(*arguments)
    assert done.returncode == 1
    assert done.stderr.strip()
    assert "Traceback" not in done.stderr
    assert lab.report_file.read_text() == "the last report"


def test_without_ansible_it_says_where_it_looked(lab: Lab) -> None:
    bare = lab.folder / "bare"
    bare.mkdir()
    (bare / "python3").symlink_to(sys.executable)
    # As the script does, with a Python that has nothing but the standard library.
    program = (ROOT / COMMAND).read_text(encoding="utf-8").partition(" -c '")[2].partition("'")[0]
    python = [str(bare / "python3"), "-S", "-c", program, str(ROOT / "plugins")]
    done = lab.start("env", f"PATH={bare}", "XDG_STATE_HOME=.", *python)
    assert done.returncode == 1
    assert "found no ansible-playbook" in done.stderr


def test_verbose_shows_what_ansible_says_and_still_reports(lab: Lab) -> None:
    done = lab.drift("-v")
    assert done.returncode == 2
    assert "TASK [File]" in done.stdout
    assert "verdict: drift" in done.stdout


def test_options_of_ansible_are_passed_on(lab: Lab) -> None:
    lab.in_order()
    assert lab.drift("--extra-vars", "broken=true", "--forks", "2").returncode == 3


def test_a_failure_that_only_ansible_knows_of_is_not_called_clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    report = fake(tmp_path, monkeypatch, """echo '{"exit_code": 0}' > "$RESEARCH_SERVER_DRIFT_REPORT\"""", "exit 2")
    assert command.main(["--report", str(report)]) == 3


def test_a_link_to_the_command_works(lab: Lab) -> None:
    lab.in_order()
    (lab.folder / "drift").symlink_to(lab.command)
    done = lab.start(lab.folder / "drift", "--quiet")
    assert done.returncode == 0, done.stderr
    assert (lab.folder / "state" / "research-server" / "drift.json").is_file()


def test_the_labs_own_command_works_from_every_folder_and_through_a_link(lab: Lab) -> None:
    lab.in_order()
    shutil.copy(ROOT / "playbooks/files/new_lab/research-server-drift", lab.folder)
    (lab.folder / "bin").mkdir()
    (lab.folder / "bin" / "drift").symlink_to(lab.folder / "research-server-drift")
    # Inventory and collection are those of the ansible.cfg beside it.
    done = lab.start("sh", "-c", 'cd / && exec "$0" --quiet', lab.folder / "bin" / "drift")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert (lab.folder / "state" / "research-server" / "drift.json").is_file()


@pytest.mark.parametrize(
    ("environment", "message"),
    [
        pytest.param("PATH=/usr/bin:/bin", "found no ansible-doc on the PATH; activate", id="no Ansible"),
        pytest.param("ANSIBLE_COLLECTIONS_PATH=/nowhere", "install it: ansible-galaxy collection install", id="no collection"),
    ],
)
def test_the_labs_own_command_says_what_is_missing(lab: Lab, environment: str, message: str) -> None:
    shutil.copy(ROOT / "playbooks/files/new_lab/research-server-drift", lab.folder)
    done = lab.start("env", "-u", "PYTHONPATH", environment, "./research-server-drift")
    assert done.returncode == 1
    assert message in done.stderr and done.stderr.count("research-server-drift:") == 1


@pytest.mark.cases(3)
@pytest.mark.parametrize("arguments", [[], ["--check"], ["--diff"]])
@pytest.mark.parametrize("skip", [[], ["--skip-tags", "always"], ["--start-at-task", "File"]])
def test_the_playbook_changes_nothing_whatever_was_forgotten(lab: Lab, arguments: list[str], skip: list[str]) -> None:
    done = lab.start("ansible-playbook", "openlab.research_server.drift", *arguments, *skip)
    assert not (lab.folder / "file").exists()
    if not skip:
        assert done.returncode == 2
        assert "drift.yml was started without --" in done.stdout


def test_the_playbook_asks_all_hosts_that_the_site_is_for() -> None:
    drift = yaml.safe_load((ROOT / "playbooks" / "drift.yml").read_text())
    site = yaml.safe_load((ROOT / "playbooks" / "site.yml").read_text())
    # Those too that no role reaches: the site's first play says so, but of what is in the group `unmanaged`.
    assert drift[0]["hosts"] == "all"
    assert site[0]["hosts"].startswith("{{ ['all'] + (groups['unmanaged']")


def test_what_is_accepted_is_kept_beside_the_inventory_that_was_compared(lab: Lab) -> None:
    finding = {"role": "audit", "task": "listeners", "items": ["tcp 0.0.0.0:80"]}
    hosts = {name: {"verdict": "drift", "drift": [finding]} for name in ("gpu-01", "gpu-02")}
    lab.report_file.write_text(json.dumps({"schema": 1, "hosts": hosts}))
    accept = (lab.command, "accept", "--report", lab.report_file)
    # That of ansible.cfg, as for every other run.
    done = lab.start(*accept, "--limit", "gpu-01")
    assert done.returncode == 0, done.stderr
    assert "tcp 0.0.0.0:80" in (lab.folder / "audit" / "gpu-01.yml").read_text()
    # Of several the one that has the host.
    (lab.folder / "other").mkdir()
    (lab.folder / "other" / "hosts").write_text("gpu-02\n")
    both = ("--inventory", "lab.yml", "--inventory", "other")
    done = lab.start(*accept, *both)
    assert done.returncode == 0, done.stderr
    assert (lab.folder / "other" / "audit" / "gpu-02.yml").exists()
    assert sorted(path.name for path in (lab.folder / "audit").iterdir()) == ["gpu-01.yml"]
    (lab.folder / "other" / "hosts").write_text("gpu-03\n")
    done = lab.start(*accept, *both)
    assert done.returncode == 1
    assert "inventory: found none of lab.yml, other with the host 'gpu-02'; expected that of the drift run" in done.stderr
    done = lab.start(*accept, "-i", "nowhere")
    assert (done.returncode, "inventory: found no nowhere; expected" in done.stderr) == (1, True)
