# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start ipykernel, and say once in the notebook when the environment has moved on. Private to this collection.

Copied into the kernel's folder and run by the Python of the environment, whatever its version. A program of its own, because
'-m ipykernel_launcher' would look in the folder of the notebook first: what others have put there would run before any cell does.
"""

from __future__ import annotations

import json
import os
import sys
import typing as t


def moved(environment: str, prefix: str) -> str:
    """What to tell who works in `prefix` about the environment whose name leads elsewhere by now; empty if it does not."""
    if os.path.realpath(environment) == os.path.realpath(prefix):
        return ""
    name = os.path.basename(environment)
    if not os.path.lexists(environment):
        return f"The environment {name} has been removed. This kernel keeps what it has loaded; choose another kernel."
    return f"The environment {name} has changed. This kernel keeps the packages it was started with; restart it for the new ones."


class Notice:
    """To be called before each cell; speaks once."""

    def __init__(self, events: t.Any, environment: str) -> None:
        self.events = events
        self.environment = environment

    def __call__(self, *_information: object) -> None:
        text = moved(self.environment, sys.prefix)
        if text:
            sys.stderr.write(f"{text}\n")
            # Above what the cell prints.
            sys.stderr.flush()
            self.events.unregister("pre_run_cell", self)


def main() -> None:
    folder = os.path.dirname(os.path.abspath(__file__))
    with open(os.path.join(folder, "kernel.json"), encoding="utf-8") as file:
        environment = json.load(file)["metadata"]["openlab.research_server"]["prefix"]
    # Python puts the folder of a program first.
    sys.path[:] = [path for path in sys.path if os.path.abspath(path) != folder]
    from ipykernel.kernelapp import IPKernelApp  # noqa: PLC0415  only the environment has it

    app = IPKernelApp.instance()
    app.initialize()
    # A person's own configuration may have chosen a kernel without one.
    if app.shell is not None:
        app.shell.events.register("pre_run_cell", Notice(app.shell.events, environment))
    app.start()


if __name__ == "__main__":
    main()
