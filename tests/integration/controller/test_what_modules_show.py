# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real runs of ansible-playbook against this machine: what reaches the operator's terminal, byte by byte."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.openlab.research_server.plugins.module_utils._jupyter.kernels import python_kernel
from ansible_collections.openlab.research_server.tests.data.recorded_gpus import USUAL_WISHES

ROOT = Path(__file__).parents[3]
SECRET = "sw0rdf1shSw0rdf1sh0123"
# Colours, "clear the screen", both ways to turn the direction, what has no width, C1, a lone carriage return, a byte that is no UTF-8.
EVIL = "\x1b[2J\x1b[32m\u202e\u2066\u200b\u00ad\x85\x9b31m\rclean \udcff"
TOLD = rb"\x1b[2J\x1b[32m\u202e\u2066\u200b\xad\x85\x9b31m\rclean \udcff"
# A module with the way out of all modules.
SAID = """
from ansible_collections.openlab.research_server.plugins.module_utils._host.module import Module, guarded

@guarded
def main():
    module = Module({"how": {}, "file": {}}, supports_check_mode=True)
    with open(module.params["file"], encoding="utf-8", errors="surrogateescape", newline="") as stream:
        text = stream.read()
    how = module.params["how"]
    if how == "fails":
        module.fail_json(msg=f"found {text}", stderr=text, notices=[text], more={text: [text]})
    if how == "fails with an error":
        try:
            raise OSError(text)
        except OSError as error:
            module.fail_json("read", exception=error)
    if how == "fails inside":
        try:
            raise OSError(text)
        except OSError:
            module.fail_json("a sentence")
    if how == "is broken":
        raise ValueError(text)
    if how == "runs a program":
        module.run_command(["sh", "-c", 'cat "$0" >&2; exit 3', module.params["file"]], check_rc=True)
    module.warn(text)
    same = {"before": "password=a", "after": "password=b", "before_header": text, "after_header": text}
    module.exit_json(changed=True, diff=[{"before": text, "after": "wanted\\n"}, same, [{"prepared": text}]], data={text[:20]: text[:20]})

main()
"""
# All but the first fail, which is what is looked at: so each is followed by the next.
HOWS = ["changes", "fails", "fails with an error", "fails inside", "is broken", "runs a program"]
TASK = """
    - name: It {how}
      said: {{how: {how}, file: "{{{{ file }}}}"}}
      register: said
      ignore_errors: true
    - ansible.builtin.copy: {{content: "{{{{ said | to_json }}}}", dest: "{{{{ file }}}}.{how}", mode: "0600"}}
      check_mode: false
      diff: false
"""
PLAYBOOK = f"""
- hosts: localhost
  gather_facts: false
  tasks: {"".join(TASK.format(how=how) for how in HOWS)}
"""
KERNELS = """
- hosts: localhost
  gather_facts: false
  tasks:
    - openlab.research_server.jupyter_kernels:
        environments: []
        directory: "{{ directory }}"
"""
GPUS = """
- hosts: localhost
  gather_facts: false
  tasks:
    - openlab.research_server.nvidia_info:
        sysfs_root: "{{ sysfs }}"
        wishes: "{{ wishes }}"
"""


def play(folder: Path, playbook: str, *arguments: str, **variables: t.Any) -> subprocess.CompletedProcess[bytes]:
    (folder / "play.yml").write_text(playbook)
    (folder / "library").mkdir(exist_ok=True)
    (folder / "library" / "said.py").write_text(SAID)
    local = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable, **variables}
    (folder / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": {"localhost": local}}}))
    # With -vvv also all traces, which ansible-core makes itself where a module has none.
    traces = {"ANSIBLE_DISPLAY_TRACEBACK": "always"} if "-vvv" in arguments else {}
    return subprocess.run(
        ["ansible-playbook", "-i", "hosts.yml", "play.yml", "--diff", *arguments],
        cwd=folder,
        env={**os.environ, **traces, "ANSIBLE_PIPELINING": "true", "ANSIBLE_NOCOLOR": "1", "PYTHONUTF8": "1"},
        capture_output=True,
        timeout=120,
        check=False,
    )


def assert_harmless(output: bytes) -> None:
    text = output.decode("utf-8")  # strictly: no byte of a file got here as it was
    assert sorted({sign for sign in text if not sign.isprintable()} - {"\n"}) == []
    assert SECRET not in text


@pytest.fixture(scope="module", params=["as it is", "with -vvv"])
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, Path]:
    """All that was printed, and where the results are."""
    path = tmp_path_factory.mktemp("run") / "evil"
    path.write_bytes(f"{EVIL}\ntoken={SECRET}\n".encode("utf-8", "surrogateescape"))
    done = play(path.parent, PLAYBOOK, *(["-vvv"] if request.param == "with -vvv" else []), file=str(path))
    assert done.returncode == 0, done.stdout
    return done.stdout + done.stderr, path


def test_what_a_module_was_told_is_shown_and_does_nothing(run: tuple[bytes, Path]) -> None:
    assert_harmless(run[0])


@pytest.mark.parametrize("how", HOWS)
def test_it_is_shown_where_it_was_said(run: tuple[bytes, Path], how: str) -> None:
    _before, _name, text = run[0].partition(f"TASK [It {how}]".encode())
    said = text.partition(b"TASK [ansible.builtin.copy]")[0].replace(b"\\\\", b"\\")
    assert TOLD in said or how == "fails inside"
    assert how != "is broken" or b"the module failed unexpectedly (ValueError: " in said


def test_a_difference_is_shown_line_by_line(run: tuple[bytes, Path]) -> None:
    lines = run[0].splitlines()
    assert b"-" + TOLD in lines
    assert b"-token=***" in lines
    assert b"+wanted" in lines
    assert b"(" + TOLD + rb"\ntoken=***\n: differs in what is hidden here, or in line endings)" in lines


def test_data_for_other_tasks_is_escaped_too(run: tuple[bytes, Path]) -> None:
    told = TOLD.decode().removesuffix(r"lean \udcff")
    assert json.loads(run[1].with_suffix(".changes").read_text())["data"] == {told: told}


def test_a_real_module_shows_a_file_of_the_server_and_writes_what_it_should(tmp_path: Path) -> None:
    """A kernel that was ours, and that somebody has edited."""
    kernel = tmp_path / "kernels" / "lab"
    kernel.mkdir(parents=True)
    item = {"name": "lab", "prefix": str(tmp_path / "env"), "display_name": None, "plan": {}}
    ours = json.loads(python_kernel(str(kernel), item, str(tmp_path), "")["kernel.json"])
    ours["env"] = {"JUPYTER_TOKEN": SECRET, "PS1": EVIL.replace("\udcff", "")}
    (kernel / "kernel.json").write_text(json.dumps(ours, ensure_ascii=False, indent=1).replace("\\u001b", "\x7f"))
    done = play(tmp_path, KERNELS, "--check", directory=str(kernel.parent))
    assert done.returncode == 0, done.stdout
    assert_harmless(done.stdout + done.stderr)
    assert rb"\x7f[2J" in done.stdout
    assert rb"\u202e" in done.stdout
    assert b'"JUPYTER_TOKEN": ***' in done.stdout


@pytest.mark.parametrize("callback", ["default", "openlab.research_server.drift"])
@pytest.mark.parametrize("arguments", [[], ["--check"]], ids=["changes", "compares"])
def test_gpus_are_a_line_for_people_and_none_where_the_report_is_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, callback: str, arguments: list[str]
) -> None:
    monkeypatch.setenv("ANSIBLE_STDOUT_CALLBACK", callback)
    monkeypatch.setenv("RESEARCH_SERVER_DRIFT_REPORT", str(tmp_path / "drift.json"))
    (tmp_path / "bus/pci/devices").mkdir(parents=True)
    done = play(tmp_path, GPUS, *arguments, sysfs=str(tmp_path), wishes=USUAL_WISHES)
    assert done.returncode == 0, done.stdout.decode()
    said = b"[localhost] found no NVIDIA GPU on the PCI bus: nothing to do" in done.stdout
    assert said == (callback == "default")
