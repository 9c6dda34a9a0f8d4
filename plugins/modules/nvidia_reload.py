#!/usr/bin/python
# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Load the NVIDIA driver that is installed in place of the one that is loaded."""

from __future__ import annotations

DOCUMENTATION = r"""
module: nvidia_reload
short_description: Load the installed NVIDIA driver in place of the loaded one
version_added: 0.2.0
description:
  - After an upgrade, takes the kernel modules of before out and loads those that are installed, so that no reboot is needed. Only
    where nobody uses the GPUs, a console on a GPU included; otherwise all stays as it is, and RV(notices) say who.
  - The persistence daemon, and the role's exporter of metrics, are stopped for that moment.
author:
  - openlab.research_server maintainers (@openlab)
options:
  sysfs_root:
    description: Where sysfs is mounted. Another folder is of use for tests.
    type: path
    default: /sys
  proc_root:
    description: Where procfs is mounted.
    type: path
    default: /proc
  version:
    description: The version that is installed for the running kernel. Where it is loaded already, nothing is changed.
    type: str
    required: true
attributes:
  check_mode:
    description: Tells whether the modules would be exchanged, as far as can be seen without stopping the persistence daemon.
    support: full
  diff_mode:
    description: Changes no file.
    support: none
  platform:
    description: Hosts with systemd and kmod.
    support: full
    platforms: linux
notes:
  - Needs root.
"""

EXAMPLES = r"""
- name: Use the new driver now
  openlab.research_server.nvidia_reload:
    version: 580.95.05
"""

RETURN = r"""
notices:
  description: Why the driver of before is loaded still.
  returned: success
  type: list
  elements: str
"""

import typing as t
from pathlib import Path

from ..module_utils._host.module import Module, guarded, run_module
from ..module_utils._nvidia.daemons import EXPORTER, PERSISTENCE, resting
from ..module_utils._nvidia.reading import read_loaded
from ..module_utils._nvidia.reload import held, loaded_modules
from ..module_utils._nvidia.users import ANY_DEVICE, read_users
from ..module_utils._text.escapes import listing

# What those that rest are called; see proc_pid_comm(5).
RESTING = ("nvidia-persiste", "dcgm-exporter")


class Host:
    """What the module asks of a host."""

    def __init__(self, module: Module) -> None:
        self.run_command = module.run_command
        self.sysfs, self.procfs = Path(module.params["sysfs_root"]), Path(module.params["proc_root"])

    def version(self) -> str:
        loaded = read_loaded(self.sysfs, self.procfs)
        return loaded["version"] if loaded else ""

    def obstacles(self, *, idle: bool) -> list[str]:
        """Who uses the driver; `idle`: nobody else may, the persistence daemon neither."""
        users = read_users(self.procfs, ANY_DEVICE, () if idle else RESTING)
        each = [f"{one['program']} of {one['user']} ({one['pid']})" for one in users]
        return [listing(each, 10)] if each else held(self.sysfs, but_for=() if idle else ("nvidia",))

    def call(self, *argv: str) -> str:
        """What a program complains about."""
        code, out, err = self.run_command(list(argv))
        return str(out + err).strip() or f"exit code {code}" if code else ""

    def exchange(self) -> str:
        """Take the modules out and load them again; what went wrong. What was taken out is loaded again in any case."""
        modules = loaded_modules(self.sysfs)
        wrong = self.call("rmmod", *modules)
        again = self.call("systemctl", "restart", "systemd-modules-load.service")
        rest = self.call("modprobe", "--all", *reversed(modules))
        return wrong or rest or again


def run(module: Module) -> dict[str, t.Any]:
    host, version = Host(module), module.params["version"]
    before = host.version()
    if before in ("", version):
        return {"changed": False, "notices": []}

    def kept(why: str) -> str:
        return f"driver {host.version() or 'none'} stays loaded, {version} is installed: {why}"

    used = host.obstacles(idle=False)
    if used or module.check_mode:
        return {"changed": not used, "notices": [kept(f"in use by {one}") for one in used]}
    with resting(host.run_command, (PERSISTENCE, EXPORTER)):
        used = host.obstacles(idle=True)
        wrong = f"in use by {used[0]}" if used else host.exchange()
    return {
        "changed": not used,
        "notices": [kept(wrong or "the kernel has taken the old one again")] if host.version() != version else [],
    }


@guarded
def main() -> None:
    module = Module(
        argument_spec={
            "sysfs_root": {"type": "path", "default": "/sys"},
            "proc_root": {"type": "path", "default": "/proc"},
            "version": {"type": "str", "required": True},
        },
        supports_check_mode=True,
    )
    run_module(module, run)


if __name__ == "__main__":
    main()
