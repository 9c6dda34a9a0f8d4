# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Examples that a lab copies: what its CI would say of them, and what they do with secrets and exit codes."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.openlab.research_server.plugins.plugin_utils._drift import command

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "docs" / "examples" / "drift"
SCHEMAS = {"github-actions.yml": "vendor.github-workflows", "gitlab-ci.yml": "vendor.gitlab-ci"}
KEY, PASSWORD = "-----BEGIN KEY-----\nprivate-part\n-----END KEY-----", "vault-secret"


def load(name: str) -> dict[str, t.Any]:
    loaded: dict[str, t.Any] = yaml.safe_load((EXAMPLES / name).read_text(encoding="utf-8"))
    return loaded


def judged(name: str, file: Path) -> subprocess.CompletedProcess[str]:
    arguments = ["check-jsonschema", "--builtin-schema", SCHEMAS[name], file]
    return subprocess.run(arguments, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", SCHEMAS)
def test_ci_understands_an_example(name: str, tmp_path: Path) -> None:
    done = judged(name, EXAMPLES / name)
    assert done.returncode == 0, done.stdout
    wrong = (
        (EXAMPLES / name).read_text(encoding="utf-8").replace("runs-on:", "run-on:").replace("allow_failure:", "allow_failures:")
    )
    (tmp_path / name).write_text(wrong, encoding="utf-8")
    assert judged(name, tmp_path / name).returncode == 1


def test_actions_are_those_of_this_repository_and_pinned_by_what_they_are() -> None:
    example, ours = (
        (path).read_text(encoding="utf-8") for path in (EXAMPLES / "github-actions.yml", ROOT / ".github/workflows/ci.yml")
    )
    used = re.findall(r"uses: (.*)", example)
    assert len(used) == 2 and all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40} # v[\d.]+", action) for action in used)
    assert set(used) <= set(re.findall(r"uses: (.*)", ours))


def test_what_a_job_may_do_is_little() -> None:
    github, gitlab = load("github-actions.yml"), load("gitlab-ci.yml")["drift"]
    assert github["permissions"] == {"contents": "read"}
    assert set(github["on"]) == {"schedule", "workflow_dispatch"}
    compare, told = github["jobs"]["compare"], github["jobs"]["drift"]
    assert compare["environment"] == "drift" and "environment" not in told
    assert compare["steps"][0]["with"] == {"persist-credentials": False}
    # Only the step that needs a secret has it.
    assert [step.get("id") for step in compare["steps"] if "secrets." in str(step)] == ["compare"]
    assert compare["steps"][-1]["with"]["retention-days"] == 7 and compare["steps"][-1]["if"].startswith("always()")
    assert gitlab["artifacts"] == {
        "when": "always",
        "access": "developer",
        "expire_in": "1 week",
        "paths": ["drift.json", "drift.html", "drift.md"],
    }
    assert gitlab["allow_failure"] == {"exit_codes": [2]}


STUB = """#!/bin/sh
{ echo "$0 $*"; env; } >> "$LOG"
"""
COMPARED = """echo 'what a file says'
for word; do if [ "$last" = --markdown ] && [ $CODE != 1 ]; then echo '# Drift' > "$word"; fi; last=$word; done
printf '%s\\n' "$*" > "$LOG.arguments"
if [ -n "${ANSIBLE_VAULT_PASSWORD_FILE:-}" ]; then cp -p "$ANSIBLE_VAULT_PASSWORD_FILE" "$LOG.vault"; fi
exit $CODE
"""


class Job:
    """A machine of CI, with a lab's repository and programs that write down what they see."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.log = folder, folder / "log"
        for name in ("bin", "home", "temp"):
            (folder / name).mkdir()
        self.program("bin/ssh-agent", "[ $# = 1 ] && [ $1 = -s ] && echo 'SSH_AUTH_SOCK=/agent; export SSH_AUTH_SOCK;'; exit 0")
        self.program("bin/ssh-add", 'cat > "$LOG.key"')
        self.program("research-server-drift", COMPARED)
        (folder / "known_hosts").write_text("gpu-01 ssh-ed25519 AAAA\n")

    def program(self, name: str, body: str) -> None:
        (self.folder / name).write_text(STUB + body)
        (self.folder / name).chmod(0o755)

    def run(self, script: str, code: int, **variables: str) -> subprocess.CompletedProcess[str]:
        environment = {"PATH": f"{self.folder}/bin:{os.environ['PATH']}", "HOME": str(self.folder / "home"), "LOG": str(self.log)}
        environment |= {
            "CODE": str(code),
            "GITHUB_OUTPUT": f"{self.folder}/output",
            "GITHUB_STEP_SUMMARY": f"{self.folder}/summary",
        }
        environment |= {"RUNNER_TEMP": f"{self.folder}/temp", **variables}
        shell = ["bash", "-e", "-o", "pipefail", "-c", script]
        return subprocess.run(shell, cwd=self.folder, env=environment, capture_output=True, text=True, check=False)

    def kept_its_secrets(self, done: subprocess.CompletedProcess[str]) -> bool:
        known = self.folder / "home" / ".ssh" / "known_hosts"
        seen = self.log.read_text()
        assert (self.folder / "log.key").read_text().strip() == KEY
        assert known.read_text().startswith("gpu-01 ") and stat.S_IMODE(known.stat().st_mode) == 0o600
        arguments = (self.folder / "log.arguments").read_text().split()
        assert command.parser().parse_known_args(arguments)[1] == []
        told = seen + done.stdout + done.stderr
        return not any(word in told for word in ("private-part", PASSWORD, "what a file says"))


@pytest.fixture
def job(tmp_path: Path) -> Job:
    return Job(tmp_path)


@pytest.mark.parametrize(
    ("code", "ended", "output"),
    [(0, 0, "verdict=clean\n"), (2, 0, "verdict=drift\n"), (3, 3, None), (4, 4, None), (1, 1, None)],
)
def test_github_tells_drift_from_failure_and_keeps_secrets(job: Job, code: int, ended: int, output: str | None) -> None:
    (step,) = (step for step in load("github-actions.yml")["jobs"]["compare"]["steps"] if step.get("id") == "compare")
    done = job.run(step["run"], code, SSH_KEY=KEY, VAULT_PASSWORD=PASSWORD)
    assert done.returncode == ended, done.stderr
    assert job.kept_its_secrets(done)
    assert (job.folder / "log.vault").read_text() == f"{PASSWORD}\n"
    assert stat.S_IMODE((job.folder / "log.vault").stat().st_mode) == 0o600
    assert not (job.folder / "temp" / "vault-password").exists()
    path = job.folder / "output"
    assert (path.read_text() if path.exists() else None) == output
    assert (job.folder / "summary").exists() == (code != 1)
    assert ("::error" in done.stdout) == (output is None)


@pytest.mark.parametrize("code", [0, 2, 3, 1])
def test_gitlab_gets_the_exit_code_and_keeps_secrets(job: Job, code: int) -> None:
    for name, text in (("key", KEY), ("password", PASSWORD)):
        (job.folder / name).write_text(f"{text}\n")
    (script,) = load("gitlab-ci.yml")["drift"]["script"]
    done = job.run(script, code, DRIFT_SSH_KEY=f"{job.folder}/key", DRIFT_VAULT_PASSWORD=f"{job.folder}/password")
    assert done.returncode == code, done.stderr
    assert job.kept_its_secrets(done)
    assert (job.folder / "log.vault").read_text() == f"{PASSWORD}\n"
    assert ("# Drift" in done.stdout) == (code != 1)


def test_a_lab_without_a_vault_needs_no_password(job: Job) -> None:
    (step,) = (step for step in load("github-actions.yml")["jobs"]["compare"]["steps"] if step.get("id") == "compare")
    assert job.run(step["run"], 0, SSH_KEY=KEY, VAULT_PASSWORD="").returncode == 0
    (job.folder / "key").write_text(f"{KEY}\n")
    (script,) = load("gitlab-ci.yml")["drift"]["script"]
    assert job.run(script, 0, DRIFT_SSH_KEY=f"{job.folder}/key").returncode == 0
    assert not (job.folder / "log.vault").exists()


@pytest.mark.parametrize("page", ["faq.md", "faq.zh.md"])
def test_the_questions_name_the_file_that_ansible_does_not_name(page: str, tmp_path: Path) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    command_line = re.search(r"^    (python3 -c 'import sys, yaml;.*)$", text, flags=re.MULTILINE)
    assert command_line
    shutil.copytree(ROOT / "inventories" / "lab", tmp_path / "lab")
    secret = tmp_path / "lab" / "group_vars" / "all" / "vault.yml"
    secret.write_text("---\nops_password: !vault |\n  $ANSIBLE_VAULT;1.1;AES256\n", encoding="utf-8")

    def tell() -> subprocess.CompletedProcess[str]:
        return subprocess.run(["sh", "-c", command_line[1]], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert (tell().returncode, tell().stderr) == (0, "")
    secret.write_text("---\na:\n  - b\n - c\n", encoding="utf-8")
    assert 'in "lab/group_vars/all/vault.yml", line 4' in tell().stderr
