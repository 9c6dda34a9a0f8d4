# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Install a pinned conda from a verified installer."""

from __future__ import annotations

DOCUMENTATION = r"""
module: conda_installation
short_description: Install a pinned conda from a verified installer
version_added: 0.1.0
description:
  - Downloads an installer of Miniconda (or of another distribution with the same interface), compares it with a checksum, and
    only then runs it, with C(-b -p PREFIX).
  - A finished installation is marked with the installer it came from. Another installer replaces it; one that was never finished
    or is damaged is made anew. In both cases the new base is built beside the old one and exchanged with it when it is complete.
    The folders C(envs) and C(pkgs) are carried over, so environments stay usable all the time.
  - Writes the system-wide C(.condarc) of the installation.
  - Opens O(prefix) and the folders through which people reach conda, where one is open to nobody but its owner.
author:
  - openlab.research_server maintainers (@openlab)
requirements:
  - Linux
attributes:
  check_mode:
    description: Says what would be done. Asks the server for the installer, but does not download it.
    support: full
  diff_mode:
    description: Shows the installer's name, and the configuration.
    support: full
  idempotent:
    description: A second run changes nothing, downloads nothing and starts nothing.
    support: full
options:
  prefix:
    description: Absolute path of the installation. Its parent must exist.
    type: path
    default: /opt/miniconda3
  url:
    description: URL of the installer. The last part is its name, which is recorded in the installation.
    type: str
    required: true
  checksum:
    description:
      - V(sha256:) and 64 hexadecimal digits, from the list of the publisher.
      - There is no default on purpose. A file that nobody verified is never run as root.
    type: str
    required: true
  condarc:
    description:
      - Content of C(<prefix>/.condarc). Without it an existing file is left as it is.
    type: str
  files:
    description:
      - Files outside of O(prefix) through which people's shells find conda, such as C(/etc/profile.d/conda.sh).
      - Each belongs to root, and is replaced in one step if it differs.
      - Where its folder does not exist, such as that of a shell that is not installed, a file is left out.
    type: list
    elements: dict
    default: []
    version_added: 0.2.0
    suboptions:
      path:
        description: Absolute path.
        type: path
        required: true
      content:
        description: The text of the file. A program, whose text begins with V(#!), gets mode 0755, all else 0644.
        type: str
        required: true
  profile_readers:
    description:
      - Files of packages whose first line shall read C(/etc/profile.d/conda.sh), such as C(/etc/bash.bashrc).
      - The rest of their text is left as it is. One that does not exist is not made.
    type: list
    elements: path
    default: []
    version_added: 0.2.0
  verify:
    description:
      - V(metadata) looks whether the installation is complete, and by which installer it was made.
      - V(files) also compares its packages with those that the installer brought and M(openlab.research_server.conda_env) has
        added, and each recorded file as O(openlab.research_server.conda_env#module:verify=files) does. So it does with what the
        installer has put itself into C(bin), C(condabin), C(etc) and C(shell), such as C(etc/profile.d/conda.sh).
      - V(full) also reads every file. What differs is a reason to run the installer again, which removes what was added by hand.
      - What V(files) finds in the share of one day it may not find the next; V(full) repairs it in any case.
      - Of an installation that an earlier version of this module made only the files of its packages are compared, until an
        installer runs again.
    type: str
    choices: [metadata, files, full]
    default: metadata
    version_added: 0.2.0
  age_notice:
    description: Months after which RV(notices) says that the installer is old. 0 means never.
    type: int
    default: 12
    version_added: 0.2.0
  timeout:
    description: Seconds to wait for the server that offers the installer.
    type: int
    default: 60
  lock_timeout:
    description: Seconds to wait for a run of M(openlab.research_server.conda_env) in the same installation.
    type: int
    default: 1800
notes:
  - Files and folders that no package brought are carried over, at the top of the installation and in its C(bin), C(condabin),
    C(etc), C(share) and C(shell). Packages that somebody installed into the base environment by hand are not.
  - An installation that was not made by this module, whole or damaged, is kept at C(<prefix>.replaced.<n>), without its
    environments. A folder with files and no conda is refused, and so are a prefix that is a mount point and one with a mount
    point in it; an environment may have a file system of its own.
seealso:
  - module: openlab.research_server.conda_env
"""

EXAMPLES = r"""
- name: Install Miniconda
  openlab.research_server.conda_installation:
    prefix: /opt/miniconda3
    url: https://repo.anaconda.com/miniconda/Miniconda3-py312_25.1.1-2-Linux-x86_64.sh
    checksum: sha256:4766d85b5f7d235ce250e998ebb5a8a8210cbd4f2b0fea4d2177b3ed9ea87884
    condarc: |
      channels: [conda-forge]
    files:
      - path: /etc/profile.d/conda.sh
        content: |
          . /opt/miniconda3/etc/profile.d/conda.sh
    profile_readers: [/etc/bash.bashrc]
"""

RETURN = r"""
reason:
  description: Why the installer had to run; empty if it had not to.
  returned: success
  type: str
  sample: it was made by Miniconda3-py311_24.7.1-0-Linux-x86_64.sh
installer:
  description: Name of the installer that the installation comes from after this run.
  returned: success
  type: str
  sample: Miniconda3-py312_25.1.1-2-Linux-x86_64.sh
notices:
  description: What people may want to know, such as that the installer is old. The drift report shows it.
  returned: success
  type: list
  elements: str
  sample: ["Miniconda3-py312_25.1.1-2-Linux-x86_64.sh is 22 months old; expected a release of the last 12. ..."]
kept:
  description: Where an installation was moved, or would be, that this module had not made.
  returned: when the installer ran, or would run; empty if there was none
  type: str
  sample: /opt/miniconda3.replaced.1
msg:
  description: On failure what was found, what was expected, what to do.
  returned: failure
  type: str
  sample: "conda at /opt/miniconda3: the checksum of ... does not match: found sha256:..., expected sha256:..."
"""

import datetime
import os
import re
import shutil
import time
import typing as t
from urllib.error import URLError

from ansible.module_utils.urls import open_url

from ..module_utils._conda import base_manifest, damage, installer, replacement, shell_files
from ..module_utils._conda.errors import CondaEnvError, answer
from ..module_utils._conda.mutex import exclusive, mutex_file
from ..module_utils._conda.process import clean_environment, runner
from ..module_utils._host import rights
from ..module_utils._host.difference import Difference, difference
from ..module_utils._host.files import put_file, read_file
from ..module_utils._host.module import Module, guarded
from ..module_utils._host.mounts import mount_points, table

_ATTEMPTS = 3
_PAUSE_SECONDS = 1
_CHECKSUM = re.compile(r"^sha256:([0-9a-fA-F]{64})$")


def wanted_installer(url: str, checksum: str) -> installer.Installer:
    """The installer that the arguments name."""
    digest = _CHECKSUM.match(checksum)
    if digest is None:
        raise CondaEnvError(f"found the checksum '{checksum}'; expected 'sha256:' and 64 hexadecimal digits")
    return installer.Installer(url.split("?", 1)[0].rsplit("/", 1)[-1], digest.group(1).lower())


def fetch(url: str, timeout: int, target: str | None) -> None:
    """Download to a file that only its owner can read; without a target only ask for it."""
    attempts = 1 if url.startswith("file:") else _ATTEMPTS
    for attempt in range(1, attempts + 1):
        try:
            with open_url(url, method="GET" if target else "HEAD", timeout=timeout) as answer:
                if target:
                    with open(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                        shutil.copyfileobj(answer, file, 1 << 20)
            return
        except (URLError, OSError, ValueError) as error:
            code = getattr(error, "code", None)
            if attempt == attempts or (code is not None and code < 500):
                raise CondaEnvError(
                    f"{url} cannot be downloaded: {error}", "Check the address of the mirror, the network and the proxy."
                ) from None
            time.sleep(_PAUSE_SECONDS)


def apply(arguments: dict[str, t.Any], wanted: installer.Installer, tmpdir: str) -> str:
    """Download, verify, install; returns where a foreign installation was kept. The scratch folder is private and goes away."""
    prefix = arguments["prefix"]
    with exclusive(mutex_file(prefix), "base", arguments["lock_timeout"]) as handle:
        kept = replacement.repair_interrupted(prefix)
        found = installer.read(prefix)
        if not installer.reason(found, wanted) and not base_manifest.look(prefix, arguments["verify"]).reason:
            return kept
        installer.require_room(prefix, found, mount_points(table()))
        with replacement.private_folder(os.path.join(tmpdir, "conda_installation")) as scratch:
            file = os.path.join(scratch, "installer.sh")
            fetch(arguments["url"], arguments["timeout"], file)
            installer.verify(file, wanted)
            # The installer unpacks programs: its TMPDIR must not be a /tmp that is mounted noexec.
            environment = {**clean_environment(os.environ, scratch), "HOME": scratch}
            return replacement.install(file, prefix, wanted, runner(handle), environment) or kept


def shown(prefix: str, look: base_manifest.Look) -> list[Difference]:
    """What of the installation is not as it was made."""
    if not look.reason:
        return []
    return [difference(prefix, *("".join(f"{line}\n" for line in lines) for lines in (look.before, look.after)))]


def differing(texts: t.Mapping[str, str | None]) -> dict[str, str]:
    return {path: text for path, text in texts.items() if text is not None and read_file(path) != text}


def converge(arguments: dict[str, t.Any], check_mode: bool, tmpdir: str) -> dict[str, t.Any]:
    """Read, plan, apply; returns the module's result."""
    prefix, condarc = arguments["prefix"], os.path.join(arguments["prefix"], ".condarc")
    wanted = wanted_installer(arguments["url"], arguments["checksum"])
    found = installer.read(prefix)
    why = installer.reason(found, wanted)
    look = base_manifest.Look() if why else base_manifest.look(prefix, arguments["verify"])
    why = why or look.reason
    outside = {file["path"]: file["content"] for file in arguments["files"]}
    texts = {condarc: arguments["condarc"], **shell_files.texts(outside, arguments["profile_readers"])}
    files = differing(texts)
    passages = [prefix, *(os.path.join(prefix, folder) for folder in installer.PASSAGES)]
    closed = [] if why else rights.closed(passages)
    closed += shell_files.faults(outside, arguments["profile_readers"])
    result: dict[str, t.Any] = {
        "changed": bool(why or files or closed),
        "reason": why,
        "installer": wanted.name,
        "notices": installer.age_notice(wanted.name, datetime.date.today(), arguments["age_notice"]),
        "diff": [difference(path, read_file(path), text) for path, text in files.items()] + rights.differences(closed),
    }
    if why:
        made_by = f"{found.installer.name}\n" if found.installer else ""
        result["diff"][:0] = [difference("installer", made_by, f"{wanted.name}\n"), *shown(prefix, look)]
        if not replacement.interrupted(prefix):
            installer.require_room(prefix, found, mount_points(table()))
        result["kept"] = installer.keeps(prefix, found)
    if check_mode:
        if why:
            fetch(arguments["url"], arguments["timeout"], None)
        if look.reason and arguments["verify"] == damage.FILES:
            # The run that follows may read another share of the files, or none.
            result["diff"][1]["after"] += f"{damage.REPAIR}\n"
        return result
    if why or replacement.interrupted(prefix):
        result["kept"] = apply(arguments, wanted, tmpdir)
    rights.mend(closed)
    # Once more: the installer may have brought another.
    for path, text in differing(texts).items():
        put_file(*os.path.split(path), text, shell_files.mode(text), owner=(0, 0))
    return result


@guarded
def main() -> None:
    module = Module(
        argument_spec={
            "prefix": {"type": "path", "default": "/opt/miniconda3"},
            "url": {"type": "str", "required": True},
            "checksum": {"type": "str", "required": True},
            "condarc": {"type": "str"},
            "files": {
                "type": "list",
                "elements": "dict",
                "default": [],
                "options": {"path": {"type": "path", "required": True}, "content": {"type": "str", "required": True}},
            },
            "profile_readers": {"type": "list", "elements": "path", "default": []},
            "verify": {"type": "str", "choices": ["metadata", "files", "full"], "default": "metadata"},
            "age_notice": {"type": "int", "default": 12},
            "timeout": {"type": "int", "default": 60},
            "lock_timeout": {"type": "int", "default": 1800},
        },
        supports_check_mode=True,
        no_log=True,  # keeps the arguments out of the system log: URLs in them may carry credentials
    )
    # Where the installation really is: a link to it must survive its replacement.
    prefix = os.path.realpath(module.params["prefix"])
    arguments = {**module.params, "prefix": prefix}
    result = answer(
        module,
        lambda: converge(arguments, module.check_mode, module.tmpdir),
        lambda failure: f"conda at {prefix}: {failure.cause}\n{failure.way_out}".strip(),
    )
    if result.get("kept"):
        module.warn(f"{prefix} was not made by this module; what was there is kept at {result['kept']}, without its environments")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
