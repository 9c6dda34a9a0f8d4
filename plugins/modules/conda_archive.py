# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pack a conda environment for hosts without a network."""

from __future__ import annotations

DOCUMENTATION = r"""
module: conda_archive
short_description: Pack a conda environment for hosts without a network
version_added: 0.2.0
description:
  - Lets C(conda-pack) write an environment into one file. M(openlab.research_server.conda_env) installs it elsewhere,
    with its option C(archive).
  - What is packed is the present generation of the environment, without what belongs to this host alone, the marker of a frozen
    environment and the state that M(openlab.research_server.conda_env) keeps.
  - A second file, O(dest) with C(.sha256) at its end, holds the checksum for C(sha256sum -c), and says what the archive was made
    of.
author:
  - openlab.research_server maintainers (@openlab)
requirements:
  - conda-pack on the managed host, in the conda installation or in the C(PATH)
  - Linux
attributes:
  check_mode:
    description: Says whether the archive would be made.
    support: full
  diff_mode:
    description: There is nothing to show of an archive.
    support: none
  idempotent:
    description: An archive that is there, whole, and of the environment as it is now, is left as it is.
    support: full
options:
  name:
    description: Name of the environment. One of O(name) and O(prefix) is required.
    type: str
  prefix:
    description: Absolute path of the environment, in place of a name.
    type: path
  conda_root:
    description: Prefix of the conda installation.
    type: path
    default: /opt/miniconda3
  dest:
    description: Path of the archive on the managed host; its end, C(.tar.gz), C(.tar.bz2), C(.tar) or C(.zip), says the format.
    type: path
    required: true
  conda_pack:
    description: Program C(conda-pack). Without it C(<conda_root>/bin/conda-pack), else the one in the C(PATH).
    type: path
"""

EXAMPLES = r"""
- name: Pack an environment
  openlab.research_server.conda_archive:
    name: course
    dest: /srv/archives/course.tar.gz
  register: packed

- name: Bring the archive to the controller, from where any host can get it
  ansible.builtin.fetch:
    src: "{{ packed.dest }}"
    dest: files/course.tar.gz
    flat: true
"""

RETURN = r"""
dest:
  description: Path of the archive.
  returned: success
  type: str
  sample: /srv/archives/course.tar.gz
checksum:
  description: V(sha256:) and the digest of the archive; empty in check mode, if it would be made.
  returned: success
  type: str
  sample: sha256:0d4f7f4ad4bbcd5a4f8b3d2f6b1a1f1ad3f1e7b6ce2f4b6b2a2c3f1f8d5e4c3b
size:
  description: Size of the archive in bytes.
  returned: success
  type: int
  sample: 104857600
msg:
  description: On failure the environment, the cause and the way out.
  returned: failure
  type: str
  sample: "conda environment 'course': there is no conda-pack on the host"
"""

import os
import typing as t

from ..module_utils._conda.errors import answer
from ..module_utils._conda.pack import Packing
from ..module_utils._host.module import Module, guarded

ARGUMENTS: dict[str, dict[str, t.Any]] = {
    "name": {"type": "str"},
    "prefix": {"type": "path"},
    "conda_root": {"type": "path", "default": "/opt/miniconda3"},
    "dest": {"type": "path", "required": True},
    "conda_pack": {"type": "path"},
}


def run(arguments: dict[str, t.Any], check_mode: bool, scratch: str) -> dict[str, t.Any]:
    """Make the archive, if it is not there; returns the module's result."""
    link = arguments["prefix"] or os.path.join(arguments["conda_root"], "envs", arguments["name"])
    packing = Packing(link, arguments["dest"], arguments["conda_root"], arguments["conda_pack"])
    checksum = packing.present()
    changed = not checksum
    if changed and not check_mode:
        checksum = packing.pack(scratch)
    size = os.path.getsize(packing.dest) if checksum else 0
    return {"changed": changed, "dest": packing.dest, "checksum": f"sha256:{checksum}" if checksum else "", "size": size}


@guarded
def main() -> None:
    module = Module(
        argument_spec=ARGUMENTS,
        supports_check_mode=True,
        required_one_of=[("name", "prefix")],
        mutually_exclusive=[("name", "prefix")],
    )
    arguments = module.params
    result = answer(
        module,
        lambda: run(arguments, module.check_mode, module.tmpdir),
        lambda failure: failure.message(arguments["name"] or arguments["prefix"]),
    )
    module.exit_json(**result)


if __name__ == "__main__":
    main()
