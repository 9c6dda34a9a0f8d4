# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A console is as good as `docker exec`; here the container is a folder, and its programs are this machine's."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hosts.console import Console, Done
from waiting import wait_until

# Without the words before the program's, and with a note of each start.
DOCKER = '#!/bin/sh\necho "$*" | head -1 >> "$STARTS"\nshift 3\nexec "$@"\n'


@pytest.fixture
def starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """How often docker was started, and with which words."""
    program, noted = tmp_path / "docker", tmp_path / "starts"
    program.write_text(DOCKER)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("STARTS", str(noted))
    return noted


@pytest.fixture
def console(starts: Path) -> Iterator[Console]:
    opened = Console("some-host")
    yield opened
    opened.close()


def test_a_command_ends_as_it_would_by_itself_and_docker_starts_once(console: Console, starts: Path) -> None:
    assert console.run(b"echo out; echo err >&2; exit 3") == Done(3, b"out\n", b"err\n")
    assert console.run(b"head -c 1000000 /dev/zero; printf '\\377\\n' >&2") == Done(0, b"\0" * 1_000_000, b"\xff\n")
    assert console.run(b"cat; false | cat") == Done(0, b"", b""), "there is nothing to read"
    assert console.run(b"echo 'a\nb'") == Done(0, b"a\nb\n", b"")
    assert starts.read_text().startswith("exec --interactive some-host python3 ")
    assert len(starts.read_text().splitlines()) == 1


def test_each_command_begins_as_the_first(console: Console) -> None:
    here = console.run(b"pwd; umask; env; trap")
    console.run(b"cd /tmp; umask 077; X=1; export X; trap '' PIPE")
    assert console.run(b"pwd; umask; env; trap") == here
    assert console.run(b"kill -KILL $$") == Done(137, b"", b"")
    assert console.run(b"kill 0; sleep 9") == Done(143, b"", b""), "it has a group of its own"
    assert console.run(b"yes | head -1") == Done(0, b"y\n", b""), "a pipe that closes is heard of"


def test_a_host_that_starts_again_gets_another_one(console: Console, starts: Path) -> None:
    assert console.run(b"true") == Done(0, b"", b"")
    assert console.process is not None
    console.process.kill()
    assert console.run(b"echo back") == Done(0, b"back\n", b"")
    assert len(starts.read_text().splitlines()) == 2


def test_what_ends_with_the_host_is_not_done_again(console: Console, tmp_path: Path) -> None:
    assert console.run(f"echo once >> {tmp_path}/done; kill -KILL $PPID; sleep 9".encode()) == Done(137, b"", b"")
    assert (tmp_path / "done").read_text() == "once\n"
    assert console.run(b"echo back") == Done(0, b"back\n", b"")


def test_whoever_comes_second_goes_another_way(console: Console, tmp_path: Path) -> None:
    waits = threading.Thread(
        target=console.run, args=(f"touch {tmp_path}/here; until [ -e {tmp_path}/go ]; do sleep 0.1; done".encode(),)
    )
    waits.start()
    wait_until((tmp_path / "here").exists)
    assert console.run(f"touch {tmp_path}/second".encode()) is None
    (tmp_path / "go").touch()
    waits.join()
    assert not (tmp_path / "second").exists()


def test_a_host_without_python_has_none(starts: Path, tmp_path: Path) -> None:
    (tmp_path / "docker").write_text("#!/bin/sh\necho 'exec: python3: not found' >&2; exit 127\n")
    assert Console("bare").run(b"true") is None
