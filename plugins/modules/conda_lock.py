# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Solve an environment once and return the lock."""

from __future__ import annotations

DOCUMENTATION = r"""
module: conda_lock
short_description: Solve a conda environment once, for all hosts of a platform
version_added: 0.2.0
description:
  - Asks conda on one host for the packages of an C(environment.yml), and the environment's own pip for those of its C(pip:)
    section. Writes them with their checksums to a lock file on the controller, from which M(openlab.research_server.conda_env)
    installs precisely them.
  - The environment itself is neither made nor changed.
  - The same solution gives the same file, byte for byte. The lock holds no credentials.
  - The playbook C(openlab.research_server.lock) does it for every environment of the role
    C(conda_envs), on one host of each platform.
author:
  - openlab.research_server maintainers (@openlab)
requirements:
  - conda 24.7 or newer on the managed host
  - pip 23 or newer in the environment, if it has a C(pip:) section
  - Linux
extends_documentation_fragment:
  - openlab.research_server.conda_channels
attributes:
  check_mode:
    description: Solves in a scratch folder and tells whether the lock would change. Nothing else is written.
    support: full
  diff_mode:
    description: Shows packages as C(name version build channel) with the beginning of the checksum.
    support: full
  idempotent:
    description: As long as the channels and package indexes offer the same, a second run changes nothing.
    support: full
options:
  name:
    description: Name of the environment for messages. By default that of the file O(src).
    type: str
  src:
    description:
      - Path on the controller of an C(environment.yml), absolute or relative to C(files/) of the role or to the play.
      - One of O(src) and O(definition) is required.
    type: path
  definition:
    description: The same content as a mapping, in place of O(src).
    type: raw
  pip_files:
    description: Content of the files that C(-r) and C(-c) name in the C(pip:) section. Filled by the controller.
    type: dict
  dest:
    description:
      - Path on the controller of the lock file.
      - By default beside O(src), C(<src without ending>.<platform>.lock.json). Without both the lock is only returned.
    type: path
  conda_root:
    description: Prefix of the conda installation that solves.
    type: path
    default: /opt/miniconda3
  lock_timeout:
    description: Seconds to wait for another run that uses the same conda installation.
    type: int
    default: 1800
  offline:
    description: Use nothing but C(file://) channels and the package cache; pip gets C(--no-index).
    type: bool
    default: false
notes:
  - What the host offers (C(__glibc) and other virtual packages) takes part in the choice. Lock on a host like those
    that will install, or state it with O(cuda) and variables C(CONDA_OVERRIDE_*).
  - A lock that was made with another O(channel_priority) than M(openlab.research_server.conda_env) is told to use is out of date.
  - A requirement from a repository (C(git+https://...)) or an editable folder has no hash and is refused.
seealso:
  - module: openlab.research_server.conda_env
"""

EXAMPLES = r"""
- name: Lock an environment beside its file, as envs/nlp.linux-64.lock.json
  openlab.research_server.conda_lock:
    src: "{{ inventory_dir }}/envs/nlp.yml"
  run_once: true
"""

RETURN = r"""
lock:
  description: The content of the lock.
  returned: success
  type: dict
  sample: {"format": 1, "platform": "linux-64"}
platform:
  description: The platform that it is for.
  returned: success
  type: str
  sample: linux-64
dest:
  description: Path of the lock file on the controller.
  returned: when there is one
  type: str
  sample: /home/ada/lab/envs/nlp.linux-64.lock.json
notes:
  description: Parts of the specification without effect, what no lock can hold, and whether the former lock had another solver.
  returned: success
  type: list
  elements: str
  sample: []
msg:
  description: On failure the environment, the cause and the way out.
  returned: failure
  type: str
  sample: "conda environment 'nlp': packages are not in the declared channels: nunpy"
stderr:
  description: On failure the end of the raw output of conda or pip, without credentials; all of it with C(-vvv).
  returned: failure, when RV(msg) does not say it already
  type: str
  sample: ""
"""

import contextlib
import dataclasses
import os
import typing as t

from ..module_utils._conda import switch
from ..module_utils._conda.errors import answer, secrets
from ..module_utils._conda.generations import Layout
from ..module_utils._conda.gpus import variables
from ..module_utils._conda.make_lock import make
from ..module_utils._conda.mutex import exclusive, mutex_file, writable_home
from ..module_utils._conda.process import clean_environment, runner
from ..module_utils._conda.specification import CHANNEL_ARGUMENTS, Settings, Specification, check_name, parse
from ..module_utils._conda.workshop import PACKAGE_CACHE, PRIVATE_CACHE, Installation, Workshop
from ..module_utils._host.module import Module, guarded
from ..module_utils._nvidia.cuda import Offer
from ..module_utils._nvidia.reading import read_gpus

ARGUMENTS: dict[str, dict[str, t.Any]] = {
    "name": {"type": "str"},
    "src": {"type": "path"},
    "definition": {"type": "raw"},
    "pip_files": {"type": "dict"},
    "dest": {"type": "path"},
    "conda_root": {"type": "path", "default": "/opt/miniconda3"},
    **CHANNEL_ARGUMENTS,
    "lock_timeout": {"type": "int", "default": 1800},
    "offline": {"type": "bool", "default": False},
}


def run(arguments: dict[str, t.Any], name: str, check_mode: bool, scratch: str) -> dict[str, t.Any]:
    """Solve, and return the lock."""
    check_name(name)
    specification = parse(arguments["definition"], arguments["pip_files"], arguments["channels"])
    specification.check_files()
    conda = installation(arguments, specification, check_mode, scratch)
    gpus, stated = read_gpus(), conda.settings.cuda
    environment = {**clean_environment(os.environ, scratch), **variables(gpus, stated)}
    # What is stated is for the hosts that will follow the lock; this one need not be among them.
    offer = Offer(cuda="" if stated == "none" else stated) if stated else gpus.offer
    layout = Layout(os.path.join(scratch if check_mode else conda.root, "envs", name))
    prefix = layout.next(specification.digest(conda.settings))
    with contextlib.ExitStack() as stack:
        handles = []
        if not check_mode:
            handles.append(stack.enter_context(exclusive(mutex_file(conda.root), name, arguments["lock_timeout"])))
            # What is left of it after a kill is an unfinished generation, which the next run of conda_env removes.
            stack.callback(forget, layout, prefix)
        os.makedirs(layout.folder, mode=0o755, exist_ok=True)
        lock, notes = make(Workshop(conda, runner(*handles), environment, scratch, offer), specification, prefix)
    return {"changed": False, "lock": lock.to_dict(), "platform": lock.platform, "notes": [*specification.notes, *notes]}


def installation(arguments: dict[str, t.Any], specification: Specification, check_mode: bool, scratch: str) -> Installation:
    """The conda to be asked. In check mode it downloads into the scratch folder."""
    settings = Settings.of(arguments)
    secret = secrets([dataclasses.astuple(settings), list(specification.channels)])
    home = scratch if check_mode else writable_home(arguments["conda_root"])
    pkgs_dir = os.path.join(home, PRIVATE_CACHE if secret else PACKAGE_CACHE)
    conda = Installation(arguments["conda_root"], pkgs_dir, settings, arguments["offline"])
    conda.require()
    conda.make_cache()
    return conda


def forget(layout: Layout, prefix: str) -> None:
    """Remove the environment in which pip was asked."""
    if os.path.lexists(prefix):
        switch.remove(layout, [prefix])


@guarded
def main() -> None:
    module = Module(
        argument_spec=ARGUMENTS,
        supports_check_mode=True,
        required_one_of=[("src", "definition")],
        mutually_exclusive=[("src", "definition")],
        no_log=True,  # keeps the arguments out of the system log: URLs in them may carry credentials
    )
    arguments, name = module.params, module.params["name"] or "lock"
    result = answer(
        module,
        lambda: run(arguments, name, module.check_mode, module.tmpdir),
        lambda failure: failure.message(name),
    )
    module.exit_json(**result)


if __name__ == "__main__":
    main()
