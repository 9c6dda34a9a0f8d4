# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""With what environments are made: an installation, and how its programs are run. Private to this collection."""

from __future__ import annotations

import dataclasses
import os
import shutil
from collections.abc import Mapping

from .._nvidia.cuda import NO_GPU, Offer
from .errors import CondaEnvError
from .prefix import activated
from .process import Runner
from .specification import Settings

# Folders of an installation with downloaded packages. conda writes the URLs of packages into them: nobody else may enter the
# private one.
PACKAGE_CACHE = "pkgs"
PRIVATE_CACHE = "pkgs-private"


@dataclasses.dataclass(frozen=True)
class Installation:
    """A conda installation and how it is to be used."""

    root: str
    pkgs_dir: str
    settings: Settings
    offline: bool = False

    @property
    def python(self) -> str:
        return os.path.join(self.root, "bin", "python")

    def exists(self) -> bool:
        """True if there is a conda that can be asked."""
        return os.access(self.python, os.X_OK) and os.path.isdir(os.path.join(self.root, "conda-meta"))

    def require(self) -> None:
        """Raises CondaEnvError if there is none."""
        if not self.exists():
            raise CondaEnvError(
                f"there is no conda installation at {self.root}",
                "Install one first, for example with the role 'miniconda', or set 'conda_root'.",
            )

    def unsolved(self) -> str:
        """What is told of a plan where there is none."""
        return f"there is no conda at {self.root} yet: the plan is the specification, not its solution"

    def make_cache(self) -> None:
        private = os.path.basename(self.pkgs_dir) == PRIVATE_CACHE
        os.makedirs(self.pkgs_dir, mode=0o700 if private else 0o755, exist_ok=True)


@dataclasses.dataclass(frozen=True)
class Workshop:
    """`environment` are variables of the programs that `run` starts, `scratch` is a private folder that goes afterwards.

    `gpu` is what the host offers to packages for a GPU.
    """

    installation: Installation
    run: Runner
    environment: Mapping[str, str]
    scratch: str
    gpu: Offer = NO_GPU

    def sweep(self) -> None:
        """Empty the scratch folder: what shall last must do without it."""
        for entry in os.scandir(self.scratch):
            if entry.is_dir(follow_symlinks=False):
                shutil.rmtree(entry.path, ignore_errors=True)
            else:
                os.unlink(entry.path)

    def inside(self, prefix: str) -> dict[str, str]:
        """Variables of programs in a prefix."""
        return activated(self.environment, prefix)
