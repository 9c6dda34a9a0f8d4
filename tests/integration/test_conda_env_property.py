# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whatever stands there and whatever is asked for: check mode tells what the run does, and hosts end equal.

Pairs of a prior state and a specification are drawn with a seed; PROPERTY_EXAMPLES says how many (`make property` for many).
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import subprocess
import typing as t

import pytest
from ansible_collections.openlab.research_server.tests.integration.real_conda import Conda, install

EXAMPLES = int(os.environ.get("PROPERTY_EXAMPLES", "6"))
SEED = 20261121
NAME = "drawn"
PLAIN = [
    *("lib", "lib=1.0", "lib>=1.1,<2", "lib!=2.0", "lib 1.0|1.1", "lib[version='>=2']", "lib=1.1=other", "lab/label/dev::lib"),
    *("app", "app=1", "app=2", "addon", "old", "single", "part1=1.0=0", "all-parts"),
    *("other::rare", "other::lib", "other::lib=1.1", "lab::lib<2"),
]
PIP = [["tiny"], ["tiny==1.0"], ["tiny>=2"], ["needy"], ["needy", "tiny"], ["tiny==1.0", "needy"]]


@pytest.fixture(scope="module")
def hosts(conda: Conda, tmp_path_factory: pytest.TempPathFactory) -> list[Conda]:
    return [conda, install(tmp_path_factory.mktemp("second"))]


class Pair:
    """One environment on two hosts, and what it is to be."""

    def __init__(self, hosts: list[Conda], pick: random.Random, with_pip: bool) -> None:
        self.hosts, self.pick, self.with_pip = hosts, pick, with_pip
        self.wanted = self.draw()

    def draw(self) -> dict[str, t.Any]:
        dependencies: list[t.Any] = self.pick.sample(PLAIN, self.pick.randint(1, 3))
        if self.with_pip:
            # Both hosts take wheels from one place: the specification is the same.
            lines = ["--no-index", f"--find-links={self.hosts[0].wheels}", *self.pick.choice(PIP)]
            dependencies = ["python=3.11", "pip", self.pick.choice(["single", "lib=1.0", "alpha"]), {"pip": lines}]
        variables = {"LAB": self.pick.choice(["a", "b"])} if self.pick.random() < 0.3 else {}
        channels = ["lab", "other", "lab/label/dev", *(["conda-forge"] if self.with_pip else [])]
        return {"channels": channels, "dependencies": dependencies, "variables": variables}

    def run(self, host: Conda, **more: t.Any) -> dict[str, t.Any]:
        arguments = {"name": NAME, "definition": self.wanted, "channel_alias": f"file://{self.hosts[0].channels}", **more}
        return host.run(**arguments)


def missing(host: Conda, pair: Pair) -> None:
    """Nothing."""


def another_specification(host: Conda, pair: Pair) -> None:
    for _ in range(20):
        if not pair.run(host, definition=pair.draw()).get("failed"):
            return


def same_specification(host: Conda, pair: Pair) -> None:
    pair.run(host)


def conda_by_hand(host: Conda, pair: Pair) -> None:
    same_specification(host, pair)
    if host.environment(NAME).exists():
        channel = f"file://{pair.hosts[0].channels}/lab"
        command = ["install", "-yq", "-n", NAME, "--no-pin", "--override-channels", "-c", channel]
        # conda does not find a channel again that the specification names by a part of the alias; then nothing is done by hand.
        named = "::" in json.dumps(pair.wanted["dependencies"])
        with contextlib.suppress(AssertionError) if named else contextlib.nullcontext():
            host.conda(*command, pair.pick.choice(["part2", "part3"]))


def pip_by_hand(host: Conda, pair: Pair) -> None:
    same_specification(host, pair)
    python = host.environment(NAME) / "bin/python"
    if python.exists():
        wheels = ["--no-index", f"--find-links={pair.hosts[0].wheels}"]
        command = pair.pick.choice([["install", *wheels, "--no-deps", "greedy"], ["uninstall", "-y", "tiny"]])
        subprocess.run([python, "-I", "-m", "pip", "--isolated", *command], check=True, capture_output=True)


def changed_record(host: Conda, pair: Pair) -> None:
    another_specification(host, pair)
    records = sorted((host.environment(NAME) / "conda-meta").glob("*.json"))
    if records:
        record = pair.pick.choice(records)
        way = pair.pick.choice(["edit", "delete", "break"])
        if way == "edit":
            record.write_text(record.read_text().replace('"version": "', '"version": "9', 1))
        elif way == "delete":
            record.unlink()
        else:
            record.write_text("{")


def half_created(host: Conda, pair: Pair) -> None:
    (host.environment(NAME) / "conda-meta").mkdir(parents=True)
    (host.environment(NAME) / "share").mkdir()


def never_finished(host: Conda, pair: Pair) -> None:
    another_specification(host, pair)
    (host.environment(NAME) / ".conda_env.json").unlink(missing_ok=True)


def made_by_conda(host: Conda, pair: Pair) -> None:
    channel = f"file://{pair.hosts[0].channels}/lab"
    command = ["create", "-yq", "-n", NAME, "--no-pin", "--override-channels", "-c", channel]
    host.conda(*command, pair.pick.choice(["lib=1.0", "app=1", "single"]))


def dead_link(host: Conda, pair: Pair) -> None:
    another_specification(host, pair)
    if host.environment(NAME).exists():
        shutil.rmtree(host.environment(NAME).resolve())


STATES = [
    missing,
    another_specification,
    same_specification,
    conda_by_hand,
    changed_record,
    half_created,
    never_finished,
    made_by_conda,
    dead_link,
]
STATES_WITH_PIP = [pip_by_hand, another_specification, missing, conda_by_hand]


def on_disk(host: Conda) -> set[tuple[str, int, int, int]]:
    """Everything in an installation, by name, inode, size and time."""
    found = set()
    for folder, folders, files in os.walk(host.root):
        for name in [*folders, *files]:
            status = os.lstat(os.path.join(folder, name))
            found.add((os.path.join(folder, name), status.st_ino, status.st_size, status.st_mtime_ns))
    return found


def packages(host: Conda) -> set[str]:
    """What the records say, read without the code under test."""
    found = set()
    for path in (host.environment(NAME) / "conda-meta").glob("*.json"):
        try:
            record = json.loads(path.read_text())
        except ValueError:
            continue
        found.add(" ".join([record["name"], record["version"], record["build"], record["url"].rsplit("/", 2)[0]]))
    return found


def distributions(host: Conda) -> set[str]:
    found = set()
    for path in host.environment(NAME).glob("lib/python3.*/site-packages/*.dist-info"):
        if (path / "INSTALLER").read_text().strip() != "conda":
            found.add(path.name.removesuffix(".dist-info"))
    return found


def holds(host: Conda, pair: Pair) -> None:
    """Check mode changes nothing and tells what the run then does; the run after it has nothing to do."""
    before, disk = packages(host), on_disk(host)
    foreseen = pair.run(host, check=True)
    assert on_disk(host) == disk
    real = pair.run(host)
    after = packages(host)
    assert foreseen.get("failed", False) == real.get("failed", False), (foreseen, real)
    if real.get("failed"):
        assert foreseen["msg"] == real["msg"]
        assert on_disk_of_environment(disk, host) == on_disk_of_environment(on_disk(host), host)
        return
    assert (foreseen["changed"], foreseen["plan"], foreseen.get("diff")) == (real["changed"], real["plan"], real.get("diff"))
    if real["changed"]:
        unreadable = any("cannot be read" in reason for reason in real["plan"]["reasons"])
        planned = {line for line in real["plan"]["install"] if not line.startswith("pip: ")}
        removed = {line for line in real["plan"]["remove"] if not line.startswith("pip: ") and not line.endswith(" pypi_0 pypi")}
        assert planned == after - before or unreadable
        assert removed == before - after or unreadable
        assert {line for line in real["diff"]["after"].splitlines() if not line.startswith("pip: ")} == after
    else:
        assert after == before
    again = pair.run(host)
    assert (again.get("msg"), again["changed"]) == (None, False)


def on_disk_of_environment(disk: set[tuple[str, int, int, int]], host: Conda) -> set[tuple[str, int, int, int]]:
    current = os.path.realpath(host.environment(NAME))
    return {entry for entry in disk if entry[0].startswith((current + "/", str(host.environment(NAME))))}


@pytest.mark.cases(2)
@pytest.mark.parametrize("number", range(EXAMPLES))
def test_check_mode_is_true_and_two_hosts_end_equal(hosts: list[Conda], number: int) -> None:
    pick = random.Random(f"{SEED} {number}")
    with_pip = number % 8 == 7
    pair = Pair(hosts, pick, with_pip)
    # In turn, so that a small number of examples has them all.
    states = STATES_WITH_PIP if with_pip else STATES
    first = states[(number // 8 if with_pip else number) % len(states)]
    second = pick.choice([state for state in states if state is not first])
    for host, state in zip(hosts, (first, second), strict=True):
        host.run(name=NAME, state="absent")
        state(host, pair)
        holds(host, pair)
    assert packages(hosts[0]) == packages(hosts[1]) or pair.run(hosts[0]).get("failed")
    assert distributions(hosts[0]) == distributions(hosts[1]) or pair.run(hosts[0]).get("failed")
    for host in hosts:
        gone = {"name": NAME, "state": "absent"}
        disk, foreseen = on_disk(host), host.run(check=True, **gone)
        assert on_disk(host) == disk
        before = packages(host)
        done = host.run(**gone)
        assert (foreseen["changed"], foreseen["plan"]) == (done["changed"], done["plan"])
        assert {line for line in done["plan"]["remove"] if not line.endswith(" pypi_0 pypi")} == before
        assert not os.path.lexists(host.environment(NAME))
        assert not host.run(**gone)["changed"]
