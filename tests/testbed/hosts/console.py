# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Root's console of a server, left open: what is typed there costs what it does itself.

A `docker exec` of its own costs a tenth of a second of CPU each time, and tests look thousands of times.
"""

from __future__ import annotations

import subprocess
import threading
from typing import IO, NamedTuple

# What runs on the server. Each command has a shell, a session and an empty input of its own, as with `docker exec`.
AT_WORK = """
import subprocess, sys
asked, told = sys.stdin.buffer, sys.stdout.buffer
def tell(*parts):
    told.write(b"".join(parts))
    told.flush()
tell(b"open\\n")
while size := asked.readline():
    command = asked.read(int(size))
    tell(b"begun\\n")
    done = subprocess.run(["/bin/sh", "-c", command], stdin=subprocess.DEVNULL, capture_output=True, start_new_session=True)
    code = done.returncode if done.returncode >= 0 else 128 - done.returncode
    tell(b"%d %d %d\\n" % (code, len(done.stdout), len(done.stderr)), done.stdout, done.stderr)
"""
# As `docker exec` has it.
KILLED = 137


class Done(NamedTuple):
    """How a command ended, and what it printed."""

    code: int
    output: bytes
    errors: bytes


class Console:
    """Of one container. A server that starts again gets a new one, unasked."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.process: subprocess.Popen[bytes] | None = None
        self.one_at_a_time = threading.Lock()

    def run(self, command: bytes) -> Done | None:
        """Run a shell command. None, and nothing has been run, where there is no console to be had: it is busy, or has no Python."""
        if not self.one_at_a_time.acquire(blocking=False):
            return None
        try:
            # The one that was open may have gone with the server.
            return self._ask(command) or self._ask(command)
        finally:
            self.one_at_a_time.release()

    def _ask(self, command: bytes) -> Done | None:
        opened = self._opened()
        if opened is None:
            return None
        asked, told = opened
        try:
            asked.write(b"%d\n" % len(command) + command)
            asked.flush()
            begun = told.readline()
        except BrokenPipeError:
            begun = b""
        if not begun:
            self.close()
            return None
        ended = told.readline()
        if not ended:
            self.close()
            return Done(KILLED, b"", b"")
        code, *sizes = map(int, ended.split())
        output, errors = map(told.read, sizes)
        return Done(code, output, errors)

    def _opened(self) -> tuple[IO[bytes], IO[bytes]] | None:
        if self.process is None or self.process.poll() is not None:
            command = ["docker", "exec", "--interactive", self.name, "python3", "-IS", "-c", AT_WORK]
            self.process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True
            )
            assert self.process.stdout is not None
            if not self.process.stdout.readline():
                self.close()
                return None
        assert self.process.stdin is not None and self.process.stdout is not None
        return self.process.stdin, self.process.stdout

    def close(self) -> None:
        """Let go of it; what runs by it goes on until it ends."""
        if self.process is not None:
            self.process.kill()
            self.process.communicate()
            self.process = None
