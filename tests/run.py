#!/usr/bin/env python3
# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the project's tests, stage by stage, with progress, logs and one count at the end.

usage: run.py all|quick|STAGE...        (stages and groups: the table below)
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOGS = ROOT / ".cache" / "logs"
# Scenarios spend a part of their time waiting for hosts: three at once keep two cores busy.
WORKERS = int(os.environ.get("TEST_WORKERS", "3"))
# What takes longest, in that order: begun first, none of it runs alone at the end.
LONGEST = ("colleague", "jupyter", "jupyterhub", "nvidia-repository", "drift", "proxy", "drift-controller", "sshd", "firewall")
# Scenarios that are played with another ansible-core than all others: the oldest and the newest that the collection promises.
CORES = {"bastion": "oldest", "conda_envs": "newest"}
# A hanging stage must end as a failure, with its log, before CI's own limit.
STAGE_LIMIT_SECONDS = int(os.environ.get("TEST_STAGE_LIMIT", "4500"))
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
# What Ansible's version can change: what imports it, the templates of roles, and the way into and out of modules. All other rooms are
# plain Python, and their scenario ships them with that version.
WITH_ANSIBLE = (
    "tests/unit/roles tests/unit/plugins/action tests/unit/plugins/callback tests/unit/plugins/filter tests/unit/plugins/modules "
    "tests/unit/plugins/plugin_utils/test_*.py tests/unit/plugins/plugin_utils/_conda tests/unit/plugins/module_utils/_host/test_module.py"
)
# How ansible, molecule and pytest begin a line that says what failed.
CAUSE = re.compile(r"\[ERROR\]|CRITICAL|fatal: |\bmsg: |^[│\s]*(?:E  |FAILED |ERROR )")
# Of those, the ones with which pytest names a test, and says why.
FAILED_TEST = re.compile(r"^[│\s]*(?:FAILED|ERROR) \S+::")
ASSERTED = re.compile(r"^[│\s]*E  ")
RECALL_LINES, RECALL_COLUMNS = 12, 300
# pytest's last line, also inside the frame that molecule draws around it.
PYTEST_SUMMARY = re.compile(r"^[=│\s]*((?:\d+ [a-z]+(?:, )?)+) in [\d.]+s", re.MULTILINE)


# What tests/setup/with_core says, and ends with, where it cannot do what it is for.
WITHOUT_CORE = re.compile(r"^with_core: skipped: .*", re.MULTILINE)
SKIPPED = 77


@dataclass(frozen=True)
class Stage:
    """One command with a name. A gate counts as one test; a stage that runs pytest counts its tests."""

    name: str
    command: Sequence[str]
    groups: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True)
class Outcome:
    stage: Stage
    seconds: float
    cpu_seconds: float
    passed: int
    failed: int
    skipped: int
    log: Path


def stage(name: str, command: str, *groups: str) -> Stage:
    return Stage(name, ("sh", "-c", command), frozenset(groups))


GATES = (
    stage("yamllint", "yamllint -s .", "lint", "quick"),
    stage("ansible-lint", "ansible-lint --offline --profile production", "lint", "quick"),
    stage("ruff", "ruff check . && ruff format --check .", "lint", "quick"),
    stage(
        "mypy",
        "mypy --strict plugins bench tests/run.py tests/setup tests/testbed tests/artifact/[!t]*.py tests/demo/[!t]*.py",
        "lint",
        "quick",
    ),
    stage("documentation", "antsibull-docs lint-collection-docs . --plugin-docs --skip-rstcheck", "lint", "quick"),
    stage("changelog", "antsibull-changelog lint", "lint", "quick"),
    stage("unit", "pytest -q tests/unit", "unit", "quick"),
    *(
        stage(f"unit {core}", f"tests/setup/with_core {core} --or-skip pytest -q {WITH_ANSIBLE}", f"core-{core}")
        for core in ("oldest", "newest")
    ),
    stage("sanity", "tests/setup/sanity", "sanity", "quick"),
    stage("artifact", "pytest -q tests/artifact", "artifact", "quick"),
    stage("importer", "tests/setup/importer", "importer", "quick"),
)
TESTBED = stage("testbed", "python tests/testbed/testbed.py up", "testbed")
INTEGRATION = stage("integration", "python tests/testbed/testbed.py mirror && pytest -q tests/integration", "integration")
DEMO = stage("demo", "pytest -q -s tests/demo/test_demo.py", "demo")
# Beside scenarios it leaves the test bed up, until all have ended.
DEMO_BESIDE = stage("demo", "DEMO_STAYS=1 pytest -q -s tests/demo/test_demo.py")
DEMO_DOWN = stage("demo-down", "pytest -q tests/demo/test_demo_down.py")


def scenarios() -> list[Stage]:
    """One stage per molecule scenario; those that need a machine of their own are opt-in by their name's ending."""
    names = sorted(path.parent.name for path in ROOT.glob("molecule/*/molecule.yml"))
    found = sorted(names, key=lambda name: LONGEST.index(name) if name in LONGEST else len(LONGEST))
    return [scenario(name) for name in found if not opt_in(name)]


def scenario(name: str) -> Stage:
    command, core = f"molecule test -s {name}", CORES.get(name)
    if core:
        return stage(f"molecule {name}", f"COLUMNS=160 tests/setup/with_core {core} {command}", "molecule", f"core-{core}")
    return stage(f"molecule {name}", f"COLUMNS=160 {command}", "molecule")


def opt_in(scenario: str) -> bool:
    return (ROOT / "molecule" / scenario / "OPT_IN.md").is_file()


def count(text: str) -> tuple[int, int, int]:
    """Add up pytest's summary lines: passed, failed (with errors), skipped."""
    passed = failed = skipped = 0
    for summary in PYTEST_SUMMARY.findall(COLOUR.sub("", text)):
        for number, word in re.findall(r"(\d+) (\w+)", summary):
            passed += int(number) * (word in {"passed", "xfailed"})
            failed += int(number) * (word in {"failed", "error", "errors", "xpassed"})
            skipped += int(number) * (word == "skipped")
    return passed, failed, skipped


def run(job: Stage) -> Outcome:
    log = LOGS / f"{job.name.replace(' ', '-')}.log"
    started = time.monotonic()
    with log.open("w", encoding="utf-8") as output:
        process = subprocess.Popen(job.command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
        limit = threading.Timer(STAGE_LIMIT_SECONDS, process.kill)
        limit.start()
        # Not `process.wait`: the kernel tells what a child has used when it is waited for.
        _pid, status, used = os.wait4(process.pid, 0)
        process.returncode = code = os.waitstatus_to_exitcode(status)
        limit.cancel()
        if code == -signal.SIGKILL:
            output.write(f"\nstopped after {time.monotonic() - started:.0f} s\n")
    text = log.read_text(encoding="utf-8", errors="replace")
    passed, failed, skipped = count(text)
    skipped += len(WITHOUT_CORE.findall(text))
    if code == SKIPPED:
        skipped = max(skipped, 1)
    elif code != 0:
        failed = max(failed, 1)
    elif passed == 0:
        passed = 1
    seconds, cpu_seconds = time.monotonic() - started, used.ru_utime + used.ru_stime
    outcome = Outcome(job, seconds, cpu_seconds, passed, failed, skipped, log)
    show(outcome)
    return outcome


def show(outcome: Outcome) -> None:
    word = "FAILED" if outcome.failed else "ok" if outcome.passed else "skipped"
    skipped = f", {outcome.skipped} skipped" if outcome.skipped else ""
    times = f"{outcome.seconds:7.1f} s {outcome.cpu_seconds:7.1f} CPU s"
    print(f"  {word:<7} {outcome.stage.name:<28} {times} {outcome.passed:4d} passed{skipped}", flush=True)
    for reason in WITHOUT_CORE.findall(outcome.log.read_text(encoding="utf-8", errors="replace")):
        print(f"          {reason}", flush=True)
    if outcome.failed:
        lines = COLOUR.sub("", outcome.log.read_text(encoding="utf-8", errors="replace")).splitlines()
        # What ends a log is often the cleaning up; what went wrong stands where the word is.
        causes = [line for line in lines if CAUSE.search(line)]
        print(
            f"--- from {outcome.log.relative_to(ROOT)}", *causes[-20:], "--- its end", *lines[-60:], "---", sep="\n", flush=True
        )


def recall(outcomes: Iterable[Outcome]) -> None:
    """What failed, once more and in short: the last lines are what people see first of a long output."""
    for outcome in outcomes:
        if outcome.failed:
            lines = COLOUR.sub("", outcome.log.read_text(encoding="utf-8", errors="replace")).splitlines()
            tests = [line.strip("│ ") for line in lines if FAILED_TEST.search(line)]
            asserted = [line.strip("│ ") for line in lines if ASSERTED.search(line)]
            told = [line[:RECALL_COLUMNS] for line in (*tests, *asserted)[:RECALL_LINES]]
            print(f"\nFAILED {outcome.stage.name}", *told, sep="\n  ", flush=True)


def run_all(jobs: Iterable[Stage], workers: int) -> list[Outcome]:
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(run, jobs))


def run_everything(on_hosts: Sequence[Stage]) -> list[Outcome]:
    """Building the test bed waits for downloads; the gates have the cores meanwhile. Nothing waits for the last of them."""
    with ThreadPoolExecutor(WORKERS) as pool:
        testbed = pool.submit(run, TESTBED)
        gates = [pool.submit(run, gate) for gate in GATES]

        def on_testbed(job: Stage) -> Outcome | None:
            # It was the first that a worker took: whoever waits here waits for a stage that runs, or has run.
            return None if testbed.result().failed else run(job)

        later = [pool.submit(on_testbed, job) for job in on_hosts]
        outcomes = [testbed.result(), *(gate.result() for gate in gates)]
        outcomes += [outcome for job in later if (outcome := job.result())]
    return outcomes if outcomes[0].failed else [*outcomes, run(DEMO_DOWN)]


def busy_seconds() -> float:
    """What all CPUs have worked since the machine started, what runs in containers included (proc_stat(5))."""
    user, nice, system, _idle, _iowait, irq, softirq = map(int, Path("/proc/stat").read_text().split("\n")[0].split()[1:8])
    return (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")


def main(wanted: list[str]) -> int:
    LOGS.mkdir(parents=True, exist_ok=True)
    started, busy = time.monotonic(), busy_seconds()
    outcomes: list[Outcome] = []
    if wanted == ["all"]:
        on_hosts = [INTEGRATION, *scenarios()[:1], DEMO_BESIDE, *scenarios()[1:]]
        print(f"test bed, {len(GATES)} gates and {len(on_hosts)} stages on hosts, {WORKERS} at a time", flush=True)
        outcomes += run_everything(on_hosts)
    else:
        known = [*GATES, TESTBED, INTEGRATION, DEMO, *scenarios()]
        chosen = [job for job in known if job.name in wanted or job.groups & set(wanted)]
        if not chosen:
            print(
                f"run.py: found {wanted}; expected one of: all, {', '.join(sorted({g for j in known for g in j.groups}))}",
                file=sys.stderr,
            )
            return 2
        outcomes += run_all(chosen, WORKERS)
    passed, failed, skipped = (sum(getattr(o, key) for o in outcomes) for key in ("passed", "failed", "skipped"))
    seconds, cpu_seconds = time.monotonic() - started, busy_seconds() - busy
    print(f"\n{len(outcomes)} stages in {seconds:.0f} s, {cpu_seconds:.0f} CPU s of {os.cpu_count()} CPUs", end="")
    print(f"; logs in {LOGS.relative_to(ROOT)}/")
    recall(outcomes)
    print(f"{passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or ["all"]))
