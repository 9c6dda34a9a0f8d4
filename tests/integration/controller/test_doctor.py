# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real runs of the doctor against this machine, whose Python answers for each host as somebody who owns the host may want it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import typing as t

import pytest
import yaml

EVIL = "\x1b[2J\x1b[32m\u202eready\x85\nsite.yml would stop: nobody\r"
SECRET = "sw0rdf1shSw0rdf1sh0123"
PLAYBOOK = """
- hosts: all
  gather_facts: false
  tasks:
    - openlab.research_server.doctor:
      register: told
    - openlab.research_server.doctor_report: {variable: told, dest: report.json, full: true}
      run_once: true
"""
# Instead of Python: runs the module, and changes what it answered.
PYTHON = """#!{python}
import json, subprocess, sys
program = sys.stdin.read()
changes = json.loads({changes!r})
answer = subprocess.run([{python!r}, "-"], input=program, capture_output=True, text=True).stdout
for module, places in changes.items():
    if "ansible_module='" + module + "'" in program:
        answer = json.loads(answer)
        for place, value in places.items():
            *way, last = place.split("/")
            target = answer
            for key in way:
                target = target[key]
            target[last] = value
        answer = json.dumps(answer).replace('"deep"', "[" * 400 + "]" * 400)
print(answer)
"""
SETUP, INFO = "ansible.builtin.setup", "openlab.research_server.doctor_info"
GPU = "openlab.research_server.nvidia_info"
PAINTED = {
    "facts/ports": {"2222": [EVIL]},
    "facts/sshd_matches": [EVIL],
    "facts/dpkg/interrupted": [EVIL, f"password={SECRET}"],
    "facts/sources": {EVIL: EVIL},
}
CHANGES: dict[str, dict[str, dict[str, t.Any]]] = {
    "honest": {},
    "paints": {SETUP: {"ansible_facts/ansible_distribution": EVIL}, INFO: PAINTED, GPU: {"info/gpus": [{"architecture": EVIL}]}},
    "has-no-facts": {SETUP: {"ansible_facts": EVIL}},
    "has-odd-facts": {SETUP: {"ansible_facts": {"ansible_architecture": [], "ansible_distribution": {"a": 1}}}},
    "answers-a-text": {INFO: {"facts": EVIL}},
    "answers-other-types": {INFO: {"facts/memory": {"total": EVIL, "available": None}}},
    "answers-no-number": {INFO: {"facts/time": float("nan")}},
    "answers-deeply": {INFO: {"facts/urls": "deep"}},
    "answers-much": {INFO: {"facts/urls": {str(number): "x" for number in range(100_000)}}},
    "fails": {INFO: {"failed": True, "msg": EVIL * 10_000}},
    "wants-new-cuda": {
        GPU: {
            "info/gpus": [{"address": "0000:3b:00.0", "architecture": "ampere", "lost": False}],
            "info/driver": {"loaded": {"version": "550.163.01", "flavour": "open"}, "userland": []},
        }
    },
    "has-an-odd-gpu": {GPU: {"info/gpus": {"0": EVIL}}},
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, t.Any]]:
    """What was printed, and the report."""
    folder = tmp_path_factory.mktemp("doctor")
    hosts = {}
    for name, changes in CHANGES.items():
        program = folder / name
        program.write_text(PYTHON.format(python=sys.executable, changes=json.dumps(changes)))
        program.chmod(0o755)
        hosts[name] = {"ansible_python_interpreter": str(program), "ansible_connection": "local"}
    definition = {"channels": ["conda-forge"], "dependencies": ["python", "cuda-version=13"]}
    environments = {"conda_envs_environments": [{"name": "nlp", "definition": definition}]}
    groups = {"conda_envs": {"hosts": {"wants-new-cuda": environments}}, "sshd": {"hosts": {"answers-a-text": {"sshd_prot": 1}}}}
    (folder / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": hosts, "children": groups}}))
    (folder / "play.yml").write_text(PLAYBOOK)
    done = subprocess.run(
        ["ansible-playbook", "-i", "hosts.yml", "play.yml", "--forks", "4"],
        cwd=folder,
        env={**os.environ, "ANSIBLE_PIPELINING": "true", "ANSIBLE_NOCOLOR": "1", "PYTHONUTF8": "1"},
        capture_output=True,
        timeout=300,
        check=False,
    )
    output = (done.stdout + done.stderr).decode()
    return output, json.loads((folder / "report.json").read_text())


def test_nothing_that_a_host_says_has_power_over_the_terminal(run: tuple[str, dict[str, t.Any]]) -> None:
    output, report = run
    assert sorted({sign for sign in output if not sign.isprintable()} - {"\n"}) == []
    assert [line for line in output.splitlines() if line.startswith("site.yml would stop:")][1:] == []
    assert SECRET not in output + json.dumps(report)
    assert r"\x1b[2J\x1b[32m\u202eready\x85" in output
    assert len(output) < 200_000


def test_every_host_has_its_verdict(run: tuple[str, dict[str, t.Any]]) -> None:
    _output, report = run
    assert set(report["hosts"]) == set(CHANGES)
    # This machine may lack something, too: systemd in a container.
    honest = report["hosts"]["honest"]
    assert {finding["topic"] for finding in honest["findings"]} >= {
        "system",
        "python",
        "memory",
        "disk",
        "clock",
        "gpu",
        "inventory",
    }
    assert all(report["hosts"][name]["verdict"] == "blocked" for name in CHANGES if name != "honest")


@pytest.mark.parametrize(
    ("name", "says"),
    [
        # Ansible itself stumbles over that one.
        ("has-no-facts", "the examination ended unexpectedly (AttributeError: "),
        # What is wrong in the inventory does not wait for the host.
        ("answers-a-text", "sshd_prot: unknown variable of role 'sshd'; did you mean 'sshd_port'?"),
        ("answers-a-text", "the answer of doctor_info makes no sense: facts: found a text; expected a mapping; look who owns"),
        ("answers-other-types", "facts.memory.total: found a text; expected a number"),
        ("answers-much", "facts.urls: found 100000 entries; expected at most 10000"),
        ("answers-deeply", "facts.urls: found a list; expected a mapping"),
        ("fails", r"doctor_info could not run: \x1b[2J\x1b[32m\u202eready"),
        (
            "wants-new-cuda",
            "environment nlp: 'cuda-version=13' is for CUDA 13.0, which needs NVIDIA driver 580.65.06 or newer; found driver",
        ),
        ("has-an-odd-gpu", "the answer of nvidia_info makes no sense: info.gpus: found a mapping; expected a list"),
    ],
)
def test_what_is_wrong_with_an_answer_is_told(run: tuple[str, dict[str, t.Any]], name: str, says: str) -> None:
    _output, report = run
    assert any(says in finding["found"] for finding in report["hosts"][name]["findings"]), report["hosts"][name]
