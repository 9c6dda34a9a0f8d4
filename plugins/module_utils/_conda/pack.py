# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Let conda-pack make an archive of an environment. Private to this collection."""

from __future__ import annotations

import os
import re
import shutil

from .._host.files import put_file
from . import manifest
from .archive import LEFT_OUT, sha256_of
from .errors import CondaEnvError
from .process import clean_environment, runner
from .records import site_packages

_ENDS = (".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar", ".zip")
_NOTE = re.compile(r"^# made of (?P<source>.*)\n(?P<sha256>[0-9a-f]{64})  ", re.MULTILINE)


class Packing:
    """An environment and the archive that is to hold it."""

    def __init__(self, link: str, dest: str, root: str, program: str | None) -> None:
        self.prefix = os.path.realpath(link)
        if not os.path.isfile(os.path.join(self.prefix, "conda-meta", "history")):
            raise CondaEnvError(f"there is no conda environment at {link}", "Make it first, for example with 'conda_env'.")
        if not dest.endswith(_ENDS):
            raise CondaEnvError(f"dest: found {dest}; expected a name that ends with {', '.join(_ENDS)}")
        self.dest = dest
        own = os.path.join(root, "bin", "conda-pack")
        self.program = program or (own if os.access(own, os.X_OK) else shutil.which("conda-pack"))
        # What conda and pip recorded tells one state of an environment from another.
        self.source = f"{self.prefix} {manifest.thorough_fingerprint(self.prefix, site_packages(self.prefix))}"

    def present(self) -> str:
        """SHA-256 of the archive if it is there, whole, and of the environment as it is; empty otherwise."""
        try:
            with open(f"{self.dest}.sha256", encoding="utf-8") as file:
                note = _NOTE.search(file.read())
            if note and note.group("source") == self.source and sha256_of(self.dest) == note.group("sha256"):
                return note.group("sha256")
        except (OSError, UnicodeDecodeError):
            pass
        return ""

    def pack(self, scratch: str) -> str:
        """Make the archive; returns its SHA-256. What stood there stays until it is complete."""
        if not self.program or not os.access(self.program, os.X_OK):
            raise CondaEnvError(
                f"there is no conda-pack on the host ({self.program or 'neither in the installation nor in the PATH'})",
                "Install it, for example with 'conda install -n base conda-pack', or set 'conda_pack'.",
            )
        folder, name = os.path.split(os.path.abspath(self.dest))
        temporary = os.path.join(folder, f".new-{name}")
        leave = [part for path in LEFT_OUT for part in ("--exclude", path)]
        argv = [self.program, "--quiet", "--force", "--prefix", self.prefix, "--output", temporary, *leave]
        try:
            done = runner()(argv, clean_environment(os.environ, scratch))
            if done.code != 0:
                last = (done.output.splitlines() or [f"exit code {done.code}"])[-1]
                raise CondaEnvError(f"conda-pack failed: {last}", "The former archive has not been touched.", done.output)
            digest = sha256_of(temporary)
            os.chmod(temporary, 0o644)
            os.replace(temporary, self.dest)
        finally:
            if os.path.lexists(temporary):
                os.unlink(temporary)
        put_file(folder, f"{name}.sha256", f"# made of {self.source}\n{digest}  {name}\n")
        return digest
