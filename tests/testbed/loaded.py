# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Python that has loaded what many programs begin with, and becomes each of them in a process of its own."""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import subprocess
import tempfile
import typing as t
from pathlib import Path

# The process that goes on below the loop is the program's: it ends as a program does.
FORK = """
import json, os, sys
{load}
for line in sys.stdin:
    asked = json.loads(line)
    child = os.fork()
    if child == 0:
        break
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
else:
    sys.exit()
os.setsid()
with open(os.path.join(asked["folder"], "process"), "w") as file:
    file.write(str(os.getpid()))
for number, (name, how) in enumerate((("input", os.O_RDONLY), ("output", os.O_WRONLY), ("errors", os.O_WRONLY))):
    os.dup2(os.open(os.path.join(asked["folder"], name), how), number)
sys.stdin = open(0)
os.environ.clear()
os.environ.update(asked["environment"])
sys.argv = asked["arguments"]
exec(asked["program"], {{"__name__": "__main__"}})
"""


class Loaded:
    """What stays loaded. It ends with the process that made it."""

    def __init__(self, python: str | Path, load: str, environment: t.Mapping[str, str]) -> None:
        self.process = subprocess.Popen(
            [python, "-c", FORK.format(load=load)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=dict(environment),
            start_new_session=True,
        )
        atexit.register(self.close)

    def run(
        self, program: str, *arguments: str, environment: t.Mapping[str, str], given: str = "", seconds: float = 120
    ) -> subprocess.CompletedProcess[str]:
        """Run a program to its end, with this environment and this input. One that takes longer is ended, as by subprocess.run."""
        assert self.process.stdin is not None and self.process.stdout is not None
        with tempfile.TemporaryDirectory() as folder:
            files = [Path(folder, name) for name in ("input", "output", "errors")]
            files[0].write_text(given, encoding="utf-8")
            for file in files[1:]:
                file.touch()
            asked = {"program": program, "arguments": ["-c", *arguments], "environment": dict(environment), "folder": folder}
            self.process.stdin.write(json.dumps(asked) + "\n")
            self.process.stdin.flush()
            if not select.select([self.process.stdout], [], [], seconds)[0]:
                os.killpg(int(Path(folder, "process").read_text(encoding="utf-8")), signal.SIGKILL)
                # What becomes of it is not the next one's.
                self.process.stdout.readline()
                raise subprocess.TimeoutExpired(program, seconds)
            code = int(self.process.stdout.readline())
            output, errors = (file.read_text(encoding="utf-8") for file in files[1:])
        return subprocess.CompletedProcess(program, code, output, errors)

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(60)
