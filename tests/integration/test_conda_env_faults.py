# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fault injection: conda_env is killed, its disk fills up, its network breaks. People never see a broken environment.

FAULT_KILLS says how often it is killed (`make fault-injection` for many). Moments are seeded, and spread over the measured
duration of an undisturbed run; besides, it is killed before each of its own steps on the file system.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import functools
import http.server
import json
import os
import random
import re
import shutil
import signal
import socket
import struct
import subprocess
import threading
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._conda.generations import Found, Layout
from ansible_collections.openlab.research_server.plugins.module_utils._conda.manifest import MANIFEST_FILE
from ansible_collections.openlab.research_server.plugins.module_utils._conda.verify import expected_files, verify
from ansible_collections.openlab.research_server.tests.integration.real_conda import RUN, Conda, install
from channel.conda_channel import (
    PLACEHOLDER,
    File,
    Package,
    write_package,
    write_repodata,
)

KILLS = int(os.environ.get("FAULT_KILLS", "8"))
SEED = 20261120
WORKERS = 2
# Share of the kills by kind; the names are those of the functions below.
SHARES = {"create": 3, "update": 4, "conda_alone": 3, "step": 6, "adopt": 2, "absent": 1, "pip": 2}

# Kill the whole process group before the step that has the number AT; only steps that change something count.
STEPS = """
import os, signal, sys
sys.dont_write_bytecode = True
CHANGES = {"os.rename", "os.remove", "os.symlink", "os.mkdir", "os.rmdir", "os.utime", "os.chmod", "os.chown", "subprocess.Popen"}
seen = 0

def watch(event, arguments):
    global seen
    if event == "open":
        flags = arguments[2] or 0
        if not flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            return
    elif event not in CHANGES:
        return
    seen += 1
    if seen == AT:
        os.killpg(os.getpgrp(), signal.SIGKILL)
    if AT == 0:
        os.write(2, b"step\\n")

sys.addaudithook(watch)
"""


def tool(version: str) -> Package:
    """A command that says where it is and what it belongs to."""
    script = f'#!/bin/sh\necho "tool {version} $(cat {PLACEHOLDER}/share/tool)"\n'
    files = {"bin/tool": File.text(script, executable=True), "share/tool": File.text(version + "\n")}
    return Package("tool", version, {**files, **{f"share/tool.d/{n}": File.text(f"{n} {version}") for n in range(60)}})


@pytest.fixture(scope="module")
def hosts(conda: Conda, tmp_path_factory: pytest.TempPathFactory) -> list[Conda]:
    """Installations on which faults are injected at the same time."""
    found = [install(tmp_path_factory.mktemp("fault")) for _ in range(WORKERS)]
    for host in found:
        for version in ("1.0", "2.0", "9.0"):
            write_package(host.channels / "faults", tool(version))
        write_repodata(host.channels / "faults")
    return found


def specification(*dependencies: t.Any) -> dict[str, t.Any]:
    return {"channels": ["faults", "lab", "conda-forge"], "dependencies": list(dependencies)}


OLD, NEW = specification("tool=1", "all-parts"), specification("tool=2", "app", "single")
TOOLS = {"1.0": OLD, "2.0": NEW}


@dataclasses.dataclass
class Tally:
    """What was done: kills by kind and by what ran at that moment, and runs that ended before they could be killed."""

    kills: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    running: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    late: int = 0


def broken_files(prefix: Path) -> list[str]:
    """Files that are not as their records say, and records that cannot be read."""
    files, unusable = expected_files(str(prefix))
    return [problem.path for problem in verify(str(prefix), files).problems] + unusable


def served(host: Conda, name: str) -> str:
    """What people get: the version of the command, which works and all of whose environment is intact; empty if nothing."""
    link = host.environment(name)
    if not os.path.lexists(link):
        return ""
    if link.is_symlink():
        assert (link / MANIFEST_FILE).is_file(), f"the link leads to what was never finished: {os.readlink(link)}"
    assert broken_files(link.resolve()) == []
    said = subprocess.run([link / "bin/tool"], capture_output=True, text=True, check=True).stdout.split()
    assert said[0] == "tool"
    assert said[1] == said[2]
    return said[1]


def leftovers(host: Conda, name: str, keep: int) -> list[str]:
    """What a completed run should not have left."""
    layout = Layout(str(host.environment(name)))
    folder = Path(layout.folder)
    entries = [path for path in folder.iterdir() if name in path.name] if folder.is_dir() else []
    former = [
        path for path in entries if layout.owns(path.name) and ".adopted." not in path.name and str(path) != layout.current()
    ]
    found = [path.name for path in entries if not layout.owns(path.name)] + [path.name for path in former[keep:]]
    found += [str(path) for path in former if not (path / MANIFEST_FILE).is_file()]
    current = layout.current()
    if current:
        found += [str(path) for path in Path(current).rglob("*") if path.name.endswith((".c~", ".new", ".condatmp"))]
        # conda keeps what it has of a download, to go on with it; here all downloads have come to their end.
        installed = {path.stem for path in Path(current, "conda-meta").glob("*.json")}
        found += [str(path) for path in host.root.glob("pkgs/*.partial") if path.name.rsplit(".", 2)[0] in installed]
    return found


def settle(host: Conda, name: str, wanted: dict[str, t.Any], keep: int = 1, **arguments: t.Any) -> None:
    """The next run completes, and the one after it has nothing to do."""
    done = host.run(name=name, definition=wanted, keep_generations=keep, **arguments)
    assert not done.get("failed"), done["msg"]
    again = host.run(name=name, definition=wanted, keep_generations=keep, **arguments)
    assert (again.get("msg"), again["changed"]) == (None, False)
    assert leftovers(host, name, keep) == []


def descendants(pid: int) -> list[int]:
    """Processes below one, the nearest first."""
    found: list[int] = []
    waiting = [pid]
    while waiting:
        parent = waiting.pop(0)
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            try:
                children = [int(child) for child in task.read_text().split()]
            except OSError:
                continue
            found += children
            waiting += children
    return found


def at_work(pids: t.Iterable[int]) -> str:
    """Which program runs below a module."""
    lines = ""
    for pid in pids:
        try:
            lines += Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
        except OSError:
            continue
    if "conda_side.zip" in lines:
        return "conda"
    return "pip" if " pip " in lines else "the module itself"


def kill(process: subprocess.Popen[str], moment: float, tally: Tally, kind: str) -> bool:
    """Kill a module and all it started after some seconds; False if it had ended by then."""
    try:
        process.wait(moment)
    except subprocess.TimeoutExpired:
        running = at_work(descendants(process.pid))
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        tally.kills[kind] += 1
        tally.running[running] += 1
        return True
    process.communicate()
    tally.late += 1
    return False


def moments(host: Conda, count: int, pick: random.Random, **arguments: t.Any) -> list[float]:
    """Moments spread over the duration of an undisturbed run, in random order."""
    before = time.monotonic()
    assert host.run(**arguments)["changed"]
    duration = time.monotonic() - before
    found = [duration * (number + pick.random()) / count for number in range(count)]
    pick.shuffle(found)
    return found


def killed_at(host: Conda, step: int, tally: Tally, kind: str, **arguments: t.Any) -> None:
    """Run a module that is killed before one of its steps."""
    process = host.start(program=f"AT = {step}\n{STEPS}{RUN}", **arguments)
    process.communicate(timeout=120)
    killed = process.returncode == -signal.SIGKILL
    tally.kills[kind] += killed
    tally.running["the module itself"] += killed
    tally.late += not killed


def steps(host: Conda, count: int, pick: random.Random, **arguments: t.Any) -> list[int]:
    """Numbers of steps of an undisturbed run: all of them if there are not more than `count`, the last ones for sure."""
    process = host.start(program=f"AT = 0\n{STEPS}{RUN}", **arguments)
    total = process.communicate(timeout=120)[1].count("step\n")
    assert process.returncode == 0
    last = list(range(total, max(0, total - count // 2), -1))
    earlier = list(range(1, total + 1 - len(last)))
    found = last + pick.sample(earlier, min(count - len(last), len(earlier)))
    pick.shuffle(found)
    return found


def create(host: Conda, count: int, tally: Tally, pick: random.Random) -> None:
    """An environment that did not exist is there completely, or not at all."""
    gone = {"name": "create", "state": "absent"}
    for moment in moments(host, count, pick, name="create", definition=OLD):
        host.run(**gone)
        kill(host.start(name="create", definition=OLD), moment, tally, "create")
        assert served(host, "create") in ("", "1.0")
        settle(host, "create", OLD)


def update(host: Conda, count: int, tally: Tally, pick: random.Random) -> None:
    """The old environment stays until the new one is complete; half of the runs also remove the former one."""
    settle(host, "update", OLD)
    for number, moment in enumerate(moments(host, count, pick, name="update", definition=NEW)):
        before = served(host, "update")
        after = "2.0" if before == "1.0" else "1.0"
        keep = number % 2
        kill(host.start(name="update", definition=TOOLS[after], keep_generations=keep), moment, tally, "update")
        assert served(host, "update") in (before, after)
        settle(host, "update", TOOLS[after], keep)
        assert served(host, "update") == after


def conda_alone(host: Conda, count: int, tally: Tally, pick: random.Random) -> None:
    """conda is killed, the module is not: it says so, and what people have stays."""
    settle(host, "alone", OLD)
    for moment in moments(host, count, pick, name="alone", definition=NEW):
        before = served(host, "alone")
        after = "2.0" if before == "1.0" else "1.0"
        process = host.start(name="alone", definition=TOOLS[after])
        try:
            process.wait(moment)
        except subprocess.TimeoutExpired:
            children = descendants(process.pid)
            for child in children:
                with contextlib.suppress(ProcessLookupError):  # it ended by itself, or with the one before
                    os.kill(child, signal.SIGKILL)
            tally.kills["conda_alone"] += bool(children)
            tally.running[at_work(children)] += bool(children)
        output, errors = process.communicate(timeout=120)
        assert "Traceback" not in errors + output
        result = json.loads(output)
        if result.get("failed"):
            assert re.match(r"conda environment 'alone': .*(does not work|fail|Killed|killed)", result["msg"]), result["msg"]
            assert served(host, "alone") == before
            assert leftovers(host, "alone", 1) == []
        settle(host, "alone", TOOLS[after])


def step(host: Conda, count: int, tally: Tally, pick: random.Random) -> None:
    """Killed before each step that changes a file, above all around the switch and the removal of the former generation."""
    settle(host, "step", OLD, 0)
    for number in steps(host, count, pick, name="step", definition=NEW, keep_generations=0):
        before = served(host, "step")
        after = "2.0" if before == "1.0" else "1.0"
        killed_at(host, number, tally, "step", name="step", definition=TOOLS[after], keep_generations=0)
        assert served(host, "step") in (before, after)
        settle(host, "step", TOOLS[after], 0)


def adopt(host: Conda, count: int, tally: Tally, pick: random.Random) -> None:
    """An environment that a person made works until it makes room, and is kept whole."""
    path, own = host.environment("adopt"), host.home / "own"
    channel = f"file://{host.channels}/faults"
    host.conda("create", "-yq", "-p", str(path), "--override-channels", "-c", channel, "tool=9")
    (path / "share/own").write_text("years of work")
    shutil.copytree(path, own, symlinks=True)
    for number in steps(host, count, pick, name="adopt", definition=NEW):
        host.run(name="adopt", state="absent")
        assert not os.path.lexists(path)
        shutil.copytree(own, path, symlinks=True)
        killed_at(host, number, tally, "adopt", name="adopt", definition=NEW)
        assert served(host, "adopt") in ("9.0", "2.0")
        settle(host, "adopt", NEW)
        (kept,) = Path(Layout(str(path)).folder).glob("adopt.adopted.*")
        assert (kept / "share/own").read_text() == "years of work"
        assert broken_files(kept) == []


def absent(host: Conda, count: int, tally: Tally, pick: random.Random) -> None:
    """It is there completely, or gone; the next run leaves nothing."""
    settle(host, "gone", OLD)
    gone = {"name": "gone", "state": "absent"}
    for number in steps(host, count, pick, **gone):
        settle(host, "gone", NEW)
        killed_at(host, number, tally, "absent", **gone)
        assert served(host, "gone") in ("", "1.0", "2.0")
        host.run(**gone)
        assert not host.run(**gone)["changed"]
        assert leftovers(host, "gone", 0) == []
        assert Layout(str(host.environment("gone"))).found() is Found.MISSING


def pip(host: Conda, count: int, tally: Tally, pick: random.Random) -> None:
    """The same with Python and a pip section."""

    def wanted(version: str) -> dict[str, t.Any]:
        lines = ["--no-index", f"--find-links={host.wheels}", f"tiny=={version}", *(["needy"] if version == "2.0" else [])]
        return specification("python=3.11", f"tool={version}", "pip", {"pip": lines})

    settle(host, "pipped", wanted("1.0"))
    for moment in moments(host, count, pick, name="pipped", definition=wanted("2.0")):
        before = served(host, "pipped")
        after = "2.0" if before == "1.0" else "1.0"
        kill(host.start(name="pipped", definition=wanted(after)), moment, tally, "pip")
        version = served(host, "pipped")
        assert version in (before, after)
        python = host.environment("pipped") / "bin/python"
        said = subprocess.run(
            [python, "-I", "-c", "import tiny; print(tiny.version)"], capture_output=True, text=True, check=True
        )
        assert said.stdout.strip() == version
        settle(host, "pipped", wanted(after))


def share(kind: str) -> int:
    return max(2, round(KILLS * SHARES[kind] / sum(SHARES.values())))


@pytest.mark.cases(2)
@pytest.mark.parametrize("inject", [create, update, conda_alone, step, adopt, absent, pip], ids=lambda found: found.__name__)
def test_whenever_it_is_killed_nobody_sees_a_broken_environment(hosts: list[Conda], inject: t.Callable[..., None]) -> None:
    count = share(inject.__name__)
    tallies = [Tally() for _ in hosts]

    def work(number: int) -> None:
        part = count // len(hosts) + (number < count % len(hosts))
        inject(hosts[number], part, tallies[number], random.Random(f"{SEED} {inject.__name__} {number}"))

    with ThreadPoolExecutor(len(hosts)) as pool:
        list(pool.map(work, range(len(hosts))))
    kills = sum(sum(tally.kills.values()) for tally in tallies)
    running = sum((tally.running for tally in tallies), collections.Counter[str]())
    print(f"\n{inject.__name__}: {kills} kills, while {dict(running)} ran; {sum(tally.late for tally in tallies)} came too late")
    # A run that is quicker than the one that was measured, or has fewer steps, ends before it is killed.
    assert kills >= count // 4


@pytest.fixture
def mounted(hosts: list[Conda]) -> t.Iterator[t.Callable[[Path, str], None]]:
    """Put a small file system over a folder."""
    folders: list[Path] = []

    def mount(folder: Path, size: str) -> None:
        folder.mkdir(exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder]
        if subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("needs the right to mount a small file system")
        folders.append(folder)

    yield mount
    for folder in reversed(folders):
        subprocess.run(["umount", "--lazy", folder], check=True)


def fails(host: Conda, expected: str, **arguments: t.Any) -> str:
    """Run it; it must fail with one message that says why. Returns the message."""
    failed = host.run(**arguments)
    assert failed.get("failed"), failed
    assert re.search(expected, failed["msg"]), failed["msg"]
    return str(failed["msg"])


@pytest.mark.cases(2)
@pytest.mark.parametrize("room", [0, 8, 100, 400, 900, 1500])
def test_a_disk_that_fills_up_while_an_environment_is_built(
    hosts: list[Conda], mounted: t.Callable[[Path, str], None], tmp_path: Path, room: int
) -> None:
    """`room` in KiB; the new environment needs 1.7 MB because links to the package cache are impossible."""
    host = hosts[0]
    mounted(tmp_path, "4m")
    prefix = tmp_path / "env"
    assert host.run(prefix=str(prefix), definition=specification("tool=2"))["changed"]
    free = os.statvfs(tmp_path)
    (tmp_path / "data").write_bytes(b"x" * (free.f_bavail * free.f_frsize - room * 1024))
    fails(host, "[Nn]o space left", prefix=str(prefix), definition=specification("tool=1", "all-parts"))
    assert broken_files(prefix.resolve()) == []
    assert subprocess.run([prefix / "bin/tool"], capture_output=True, text=True, check=True).stdout == "tool 2.0 2.0\n"
    assert len(list((tmp_path / ".generations").iterdir())) == 1
    (tmp_path / "data").unlink()
    assert host.run(prefix=str(prefix), definition=specification("tool=1", "all-parts"))["changed"]
    assert broken_files(prefix.resolve()) == []


@pytest.mark.cases(1)
@pytest.mark.parametrize("room", [0, 4, 60, 300])
def test_a_disk_that_fills_up_in_the_package_cache(hosts: list[Conda], mounted: t.Callable[[Path, str], None], room: int) -> None:
    host, name = hosts[0], f"cache{room}"
    settle(host, name, OLD)
    cache = host.root / "pkgs"
    mounted(cache, f"{room}k" if room else "4k")
    if not room:
        (cache / "full").write_bytes(b"x" * 4096)
    fails(host, "[Nn]o space left", name=name, definition=NEW)
    assert served(host, name) == "1.0"
    subprocess.run(["mount", "-o", "remount,size=8m", cache], check=True)
    settle(host, name, NEW)


def test_files_that_may_not_grow(hosts: list[Conda]) -> None:
    """A quota: no file may be longer than 100 kB, part0 and the others are."""
    host = hosts[0]
    settle(host, "quota", NEW)
    for package in (host.root / "pkgs").glob("part*"):
        shutil.rmtree(package) if package.is_dir() else package.unlink()
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))\n"
    output, errors = host.start(name="quota", definition=OLD, program=limit + RUN).communicate(timeout=120)
    failed = json.loads(output)
    assert failed["failed"]
    assert "Traceback" not in output + errors
    assert "File too large" in failed["msg"]
    assert served(host, "quota") == "2.0"
    settle(host, "quota", OLD)


class Broken(http.server.SimpleHTTPRequestHandler):
    """A channel that answers wrongly, as `fault` says, for files whose names match `where`."""

    fault = ""
    where = "never"

    def do_GET(self) -> None:
        path = Path(self.translate_path(self.path))
        if not re.search(self.where, path.name) or not path.is_file():
            super().do_GET()
        elif self.fault.isdigit():
            self.send_error(int(self.fault))
        else:
            self.wrong(path.read_bytes())

    def wrong(self, data: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        half = len(data) // 2
        if self.fault == "altered":
            data = data[:half] + bytes([data[half] ^ 1]) + data[half + 1 :]
            self.wfile.write(data)
            return
        if self.fault == "reset":
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.wfile.write(data[:half])
        self.wfile.flush()
        self.close_connection = True
        if self.fault == "reset":
            self.connection.close()

    def log_message(self, format: str, *args: t.Any) -> None:
        pass


FAULTS = [(fault, where) for fault in ("cut", "reset", "altered", "404") for where in ("package", "index")] + [("503", "package")]


@pytest.mark.cases(3)
@pytest.mark.parametrize(("fault", "where"), FAULTS)
def test_a_network_that_breaks(hosts: list[Conda], fault: str, where: str) -> None:
    host, name = hosts[0], "network"
    settle(host, name, OLD)
    for place in (host.root / "pkgs").glob("tool-2*"):
        shutil.rmtree(place) if place.is_dir() else place.unlink()
    shutil.rmtree(host.root / "pkgs/cache", ignore_errors=True)
    handler = type(
        "Now", (Broken,), {"fault": fault, "where": {"package": r"^tool-2.*conda$", "index": r"^repodata\.json"}[where]}
    )
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(handler, directory=host.channels))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        alias = {"channel_alias": f"http://127.0.0.1:{server.server_port}"}
        failed = host.run(name=name, definition=NEW, **alias)
        assert failed.get("failed"), failed
        assert failed["msg"].startswith(f"conda environment '{name}': ")
        assert served(host, name) == "1.0"
        assert leftovers(host, name, 1) == []
        handler.where = "never"
        settle(host, name, NEW, **alias)
        assert served(host, name) == "2.0"
    finally:
        server.shutdown()


def test_two_writers_of_which_one_is_killed(hosts: list[Conda]) -> None:
    """The other waits until all processes of the first have ended, and completes."""
    host = hosts[0]
    pick = random.Random(SEED)
    settle(host, "both", OLD)
    for number in range(4):
        before = served(host, "both")
        after = "2.0" if before == "1.0" else "1.0"
        first, second = (host.start(name="both", definition=TOOLS[after]) for _ in range(2))
        time.sleep(pick.uniform(0.2, 0.9))
        victim, other = (first, second) if number % 2 else (second, first)
        if number < 2:
            os.killpg(victim.pid, signal.SIGKILL)
        else:
            victim.kill()
        assert served(host, "both") in (before, after)
        result = json.loads(other.communicate(timeout=120)[0])
        victim.communicate(timeout=120)
        assert not result.get("failed"), result
        assert served(host, "both") == after
        settle(host, "both", TOOLS[after])


def test_two_writers_who_disagree(hosts: list[Conda]) -> None:
    """Each gets its turn; people have the one or the other, whole."""
    host = hosts[0]
    processes = [host.start(name="disagree", definition=TOOLS[version]) for version in ("1.0", "2.0", "1.0", "2.0")]
    while any(process.poll() is None for process in processes):
        assert served(host, "disagree") in ("", "1.0", "2.0")
        time.sleep(0.02)
    results = [json.loads(process.communicate()[0]) for process in processes]
    assert [result.get("msg") for result in results] == [None] * 4
    settle(host, "disagree", OLD)
