# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian packages that this machine lacks: root installs them and says so, others are told how."""

from __future__ import annotations

import os
import shutil

from shell import TestbedError, is_root, locked, run, say, stage

# Whoever else holds dpkg's lock, unattended-upgrades for instance, needs minutes at most.
APT_GET = ("apt-get", "-q", "-o", "DPkg::Lock::Timeout=600")


def need(program: str, *packages: str) -> None:
    """Make sure that a program is there, which these packages bring."""
    if shutil.which(program):
        return
    names = " ".join(packages)
    if not is_root() or shutil.which("apt-get") is None:
        raise TestbedError(f"{program} is not installed. Run: sudo apt-get install -y {names}", status=2)
    with locked("apt"):
        if shutil.which(program):
            return  # another stage installed it while this one waited
        say(f"{program} is not installed: installing {names} on this machine (apt-get, as root)")
        with stage(f"installing {names}"):
            _install(packages)


def _install(packages: tuple[str, ...]) -> None:
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    command = [*APT_GET, "install", "-y", "--no-install-recommends", *packages]
    if run(command, timeout=1500, check=False, env=env).returncode != 0:
        # Lists that are missing, or older than what the archive holds now.
        run([*APT_GET, "update"], timeout=900, env=env)
        run(command, timeout=1500, env=env)
