#!/usr/bin/python
# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tell Docker about NVIDIA's container runtime."""

from __future__ import annotations

DOCUMENTATION = r"""
module: nvidia_docker
short_description: Tell Docker about NVIDIA's container runtime
version_added: 0.2.0
description:
  - Adds the runtime C(nvidia) to Docker's configuration, and leaves what others have written there as it is. Docker's default
    runtime stays, and so does a runtime C(nvidia) that somebody has given a path or arguments of its own.
  - A Docker that runs reads its configuration anew (C(systemctl reload docker)), which containers do not notice. It is never
    restarted.
  - On a host without Docker nothing is changed.
author:
  - openlab.research_server maintainers (@openlab)
options:
  path:
    description: Docker's configuration.
    type: path
    default: /etc/docker/daemon.json
attributes:
  check_mode:
    description: Tells what would be written, and whether Docker would be told.
    support: full
  diff_mode:
    description: Shows the file as it is and as it will be.
    support: full
  platform:
    description: Hosts with systemd. Docker as the service of the system, not one that a user runs.
    support: full
    platforms: linux
notes:
  - Needs root.
"""

EXAMPLES = r"""
- name: Let containers of Docker use the GPUs
  openlab.research_server.nvidia_docker:
"""

RETURN = r"""
installed:
  description: Whether the host has Docker.
  returned: success
  type: bool
notices:
  description: What Docker has not taken over.
  returned: success
  type: list
  elements: str
"""

import contextlib
import json
import os
import shutil
import stat
import typing as t

from ..module_utils._host.difference import difference
from ..module_utils._host.files import put_file, read_file
from ..module_utils._host.module import Module, guarded, run_module
from ..module_utils._host.refused import RefusedError
from ..module_utils._nvidia import docker

SERVICE = "docker.service"


def is_told(module: Module) -> bool:
    """Whether Docker, if it runs, has the runtime. What it does not say is not asked for twice."""
    if module.run_command(["systemctl", "is-active", "--quiet", SERVICE])[0]:
        return True
    code, out, _err = module.run_command(["timeout", "--kill-after=5", "30", "docker", "info", "--format", "{{json .Runtimes}}"])
    with contextlib.suppress(ValueError):
        return code != 0 or docker.knows(json.loads(out))
    return True


def run(module: Module) -> dict[str, t.Any]:
    # Where somebody keeps it elsewhere, it stays there.
    path = os.path.realpath(module.params["path"])
    if shutil.which("dockerd") is None:
        return {"changed": False, "installed": False, "notices": []}
    before = read_file(path)
    try:
        after = docker.configured(before)
    except ValueError as error:
        raise RefusedError(f"{path}: {error}", "Nothing has been changed. Put the file right, and run again.") from error
    changed = before != after or not is_told(module)
    notices = []
    if changed and not module.check_mode:
        if before != after:
            os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
            mode = 0o644 if before is None else stat.S_IMODE(os.stat(path).st_mode)
            put_file(os.path.dirname(path), os.path.basename(path), after, mode)
        module.run_command(["systemctl", "reload", SERVICE])
        if not is_told(module):
            notices.append(f"Docker has not read {path} anew: it has the runtime '{docker.NAME}' when it is restarted")
    return {
        "changed": changed,
        "installed": True,
        "notices": notices,
        "diff": difference(path, before, after),
    }


@guarded
def main() -> None:
    module = Module(
        argument_spec={"path": {"type": "path", "default": "/etc/docker/daemon.json"}},
        supports_check_mode=True,
    )
    run_module(module, run)


if __name__ == "__main__":
    main()
