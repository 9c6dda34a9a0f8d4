# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Start programs with an environment that carries nothing from outside into the result. Private to this collection."""

from __future__ import annotations

import dataclasses
import os
import subprocess
import typing as t
from collections.abc import Mapping, Sequence

# Variables that would change what conda, pip or Python do. CONDA_OVERRIDE_* stays: it is how a task states virtual packages.
_SCRUBBED = ("CONDA", "_CONDA", "MAMBA", "PYTHON", "PIP_", "VIRTUAL_ENV", "XDG_", "PS1")
_KEPT = ("CONDA_OVERRIDE_",)
# conda-anaconda-tos accepts terms of service by itself where this is set.
_SCRUBBED_NAMES = ("CI",)


@dataclasses.dataclass(frozen=True)
class Completed:
    """What a program left behind."""

    code: int
    stdout: str
    stderr: str

    @property
    def output(self) -> str:
        return "\n".join(filter(None, (self.stdout.strip(), self.stderr.strip())))


class Runner(t.Protocol):
    """Runs a program to its end."""

    def __call__(self, argv: Sequence[str], environment: Mapping[str, str]) -> Completed: ...


def clean_environment(variables: Mapping[str, str], scratch: str) -> dict[str, str]:
    """The variables a child may see: proxies, certificates and the like stay, configuration of conda, pip and Python goes."""
    kept = {key: value for key, value in variables.items() if key.startswith(_KEPT) or not key.startswith(_SCRUBBED)}
    kept = {key: value for key, value in kept.items() if key not in _SCRUBBED_NAMES}
    return {**kept, "LC_ALL": "C.UTF-8", "TMPDIR": scratch}


def runner(*handles: int) -> Runner:
    """A runner whose programs inherit some file descriptors."""

    def run(argv: Sequence[str], environment: Mapping[str, str]) -> Completed:
        done = subprocess.run(
            list(argv),
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            pass_fds=handles,
            cwd=environment.get("TMPDIR", "/"),
            check=False,
        )
        return Completed(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))

    return run


def private_file(folder: str, name: str, text: str) -> str:
    """Write a file that only its owner can read; returns its path."""
    path = os.path.join(folder, name)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    return path
