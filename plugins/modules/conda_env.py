# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keep a conda environment exactly as its specification says."""

from __future__ import annotations

DOCUMENTATION = r"""
module: conda_env
short_description: Keep a conda environment exactly as its specification says
version_added: 0.1.0
description:
  - Makes a conda environment what an C(environment.yml) says, no more and no less, or removes it.
  - Each specification is built in a prefix of its own, C(envs/.generations/<name>-<digest>.<n>). When it is complete and has
    passed all checks, the link C(envs/<name>) is switched to it in one step. Until then, and after any failure (an error, a full
    disk, a killed process, a power cut), people use the environment as it was; the next run removes what was left half-done.
  - The packages are a function of the specification and of the state of its channels. What was in the environment before,
    and every C(.condarc) on the host, has no influence. Only what the installation's own C(.condarc) forbids
    (channels, packages, packages that are too new) is forbidden here, too.
  - An environment that is as it should be is recognised from the metadata of its records, without starting conda.
    Everything that conda or pip installed, removed or changed by hand in between is noticed, and the environment is built again.
author:
  - openlab.research_server maintainers (@openlab)
requirements:
  - conda 24.7 or newer on the managed host
  - Linux
extends_documentation_fragment:
  - openlab.research_server.conda_channels
attributes:
  check_mode:
    description:
      - Solves in a scratch folder and returns the same C(changed), C(plan) and diff as the run that would follow.
      - On a host without conda the plan is the specification itself, because there is nothing to solve with yet.
    support: full
  diff_mode:
    description: Shows packages as C(name version build channel), and the lines given to pip.
    support: full
  idempotent:
    description: A second run changes nothing and starts no conda.
    support: full
options:
  name:
    description:
      - Name of the environment; it stands at C(<conda_root>/envs/<name>).
      - One of O(name), O(prefix) and O(environments) is required.
    type: str
  prefix:
    description:
      - Absolute path of the environment, in place of a name.
      - One that is not in C(<conda_root>/envs) is put on conda's list of environments of the user that runs the task, when it is
        built, so that C(conda env list) shows it as it does after C(conda create --prefix).
    type: path
  environments:
    description:
      - Several environments in one task, in place of O(name) and O(prefix). Each is a mapping with options of this module, which
        count before those of the task.
      - One question to the host finds all that are as they should be; the others are worked on one after the other, and the
        output says which. If one fails, the others have their turn, and then the task fails with every cause.
      - Not for asynchronous tasks.
    type: list
    elements: dict
    version_added: 0.2.0
  src:
    description:
      - Path on the controller of an C(environment.yml), absolute or relative to C(files/) of the role or to the play.
      - Read by the controller, so the managed host needs no YAML library. Files named by C(-r) or C(-c) in the C(pip:) section
        are read with it. It is not a template.
      - Environment variables in C(channels), such as C($TOKEN), are filled in where Ansible runs, as conda does; so are those
        in lines for pip, such as C(${TOKEN}), as pip does.
      - "micromamba's selectors are understood: managed hosts are Linux, so what stands under 'sel(win)' is left out."
      - C(name:) and C(prefix:) in the file are ignored.
    type: path
  definition:
    description:
      - The same content as a mapping, in place of O(src).
      - Keys are C(channels), C(dependencies) (with an optional C(pip:) section) and C(variables).
      - The match specifications, channel names and requirement lines are those of conda and pip.
    type: raw
  lock:
    description:
      - Path on the controller of a lock file that M(openlab.research_server.conda_lock) made, or its content as a mapping.
      - Nothing is solved then. conda installs precisely the packages of the lock and pip precisely its files; every checksum is
        compared before the first file is linked.
      - With O(src) or O(definition) the lock must be one of that specification, see O(lock_policy). Without them it is enough by
        itself.
      - Channels are looked up where this task says (O(channel_alias), O(custom_channels)), whatever mirror made the lock.
    type: raw
    version_added: 0.2.0
  lock_policy:
    description:
      - V(require) refuses to work without a lock, and with one whose specification has changed since.
      - V(prefer) uses a lock that fits, and solves otherwise; RV(notes) say so.
      - V(ignore) always solves.
      - Without it V(require) if O(lock) is given, else V(ignore).
    type: str
    choices: [require, prefer, ignore]
    version_added: 0.2.0
  pip_files:
    description:
      - Content of the files that C(-r) and C(-c) name in the C(pip:) section, by the name used there.
      - Filled by the controller; there is no need to set it.
    type: dict
  archive:
    description:
      - Path of an archive that C(conda-pack) made of an environment elsewhere, in place of a specification. Absolute or relative
        to C(files/) of the role or to the play on the controller, or on the host with O(remote_src=true).
      - C(.tar.gz), C(.tar.bz2), C(.tar.xz), C(.tar) and C(.zip). Nothing in it can write or lead outside of the environment.
      - It is unpacked into a generation, C(conda-unpack) writes the final path into it, and it must pass O(smoke).
        Neither conda nor a network is needed. It is copied to the host only if the host does not have what is in it.
      - Python programs in it run in an activated environment only, since C(conda-pack) lets them look for Python in the C(PATH).
      - C(conda-unpack) is a program in the archive, and runs with the rights of the task. Use archives that you trust.
    type: path
    version_added: 0.2.0
  remote_src:
    description: Whether O(archive) is on the managed host already. It is read by every run then, to know whether it has changed.
    type: bool
    default: false
    version_added: 0.2.0
  checksum:
    description: What O(archive) must be, C(sha256:) and 64 hexadecimal digits.
    type: str
    version_added: 0.2.0
  archive_facts:
    description: What the controller knows about O(archive). Filled by the controller; there is no need to set it.
    type: dict
    version_added: 0.2.0
  state:
    description:
      - V(present) makes the environment what the specification says.
      - V(absent) removes the environment with all its generations, also one that this module did not make, and takes it off
        conda's list of environments (C(~/.conda/environments.txt)) of the user that runs the task, and of root.
      - V(rolled_back) switches the link back to the generation that people had before the present one, in one step and without
        conda; O(generation) names another one. It needs one that was kept, see O(keep_generations). A second run changes nothing.
        The next run with V(present) builds what its specification says, also if that is the one that people were sent back from.
      - Without a former generation V(rolled_back) goes back to an environment that stood at the path before this module came.
    type: str
    choices: [present, absent, rolled_back]
    default: present
  conda_root:
    description: Prefix of the conda installation that solves and installs.
    type: path
    default: /opt/miniconda3
  executable:
    description:
      - A C(conda) or C(mamba), in place of O(conda_root). The installation that it belongs to is used, with its Python and its
        conda.
      - A program without conda beside it, such as micromamba alone, is refused.
    type: path
    version_added: 0.2.0
  smoke:
    description:
      - Python modules that must be importable before the environment is switched to.
    type: list
    elements: str
    default: []
  verify:
    description:
      - V(metadata) compares what conda and pip recorded with what was there when the environment was built. That takes
        milliseconds.
      - V(files) also asks for every file that conda and pip recorded. It must be there, be a file or a link as it was, lead where
        it led, and have its size, and no folder above it may have become a link. What answers otherwise is read and compared
        with the hash in its record; so is what is newer than the environment, what has no size in its record, and a seventh of
        all other files, another one each day. It takes a second or two for an environment of 20000 files.
      - V(full) also reads every file and compares it with the hash in its record, on all cores.
      - What is missing or altered is a reason to build the environment again; a package that was altered in the package cache
        is extracted again. What V(files) finds in the share of one day it may not find the next; V(full) repairs it in any case.
      - The diff names package, path, what is and what should be of 20 files, and counts the others. Byte code is not compared.
        Links, and programs without a hash in their record, are compared with what they were when the environment was built.
      - Files that some packages change while they are installed are known from the generation's first check and no reason. An
        environment that an earlier version of this module made, and in which such files are found, is built once again.
    type: str
    choices: [metadata, files, full]
    default: metadata
    version_added: 0.2.0
  allow_base:
    description:
      - Whether O(name=base), or the O(prefix) of the conda installation itself, is accepted. It is refused otherwise.
      - The installation cannot be a generation behind a link. So it is changed in place, and only gets more. What the
        specification asks for is installed, or brought to the version, build and channel asked for. What fits already is left
        alone, and nothing is removed, so O(prune) has no effect, and neither have O(adopt) and O(keep_generations).
      - A specification is refused, and nothing changed, if a package would have to go for it, or if Python would get another
        minor version.
      - The installation is kept in hard links (C(.base-before)) until the change has passed all checks. conda must run and find
        its solver, C(pip check) must find nothing new, and the modules of O(smoke) must be importable. Otherwise, and by the next
        run of this module after one that was killed, everything is brought back, and what is new since then is removed.
        Until then, people may meet a half-changed installation. A script of a package that writes into existing files outside
        of C(etc) and C(conda-meta) cannot be undone.
      - O(state) must be V(present) then; O(lock), O(archive), O(frozen), O(owner), O(group) and an O(verify)
        other than V(metadata) are refused.
    type: bool
    default: false
    version_added: 0.2.0
  adopt:
    description:
      - What to do with an environment, or an unfinished one, that stands at the path and was not made by this module.
      - V(true) moves it to C(.generations/<name>.adopted.<n>) when the new one is ready. It is kept there until
        O(state=absent) or a person removes it.
      - V(false) refuses to work.
      - A directory that is not a conda environment is always refused.
    type: bool
    default: true
  prune:
    description:
      - Whether packages go that nothing in the specification needs.
      - V(false) keeps what people added with conda or pip to what the specification says. A new generation is built from both,
        with precisely the version and build that people have; what does not go with the specification is an error that names it.
      - What people add or remove beside the specification is no change then. Packages of a former specification stay, too.
      - A package of pip over the same one of conda is never kept. With O(lock) nothing is kept.
    type: bool
    default: true
    version_added: 0.2.0
  keep_generations:
    description:
      - Number of former generations to keep. One that a process still runs from is kept in any case, and removed by a later run.
    type: int
    default: 1
  generation:
    description:
      - Name of the generation to go back to, with O(state=rolled_back), as RV(generation) and RV(notes) tell it.
      - With it an environment that was rolled back can go further back, or forward again.
    type: str
    version_added: 0.2.0
  frozen:
    description:
      - Whether people are to be stopped from changing the environment. Writes conda's own marker C(conda-meta/frozen).
      - conda 25.5 and newer refuse to install, update and remove there and show O(frozen_message). Older ones do not know the
        marker, and neither pip nor C(conda env create) asks for it; what somebody changed is noticed by the next run in any case.
      - This module works through it. Only to write or to remove the marker, nothing is built again.
    type: bool
    default: false
    version_added: 0.2.0
  frozen_message:
    description: What conda shows to a person who wants to change a frozen environment; say how to request a change.
    type: str
    default: >-
      This environment is managed with Ansible, which undoes changes by hand.
      To request a change, ask the administrators of this server.
    version_added: 0.2.0
  owner:
    description:
      - User that the files of the environment belong to, by name or number. Without O(owner) and O(group) they belong to whoever
        built it. Only root can give them to somebody else.
      - Files of an environment are hard links into the package cache, which other environments share. One with another owner than
        the cache has copies, which take disk space of their own. To change the owner is to build it again.
      - Whoever owns an environment can change it; that is noticed and undone as any other change. Together with O(prune=false)
        it is refused, since root would install what the owner asked for.
    type: str
    version_added: 0.2.0
  group:
    description: Group that the files belong to, by name or number. The default is that of O(owner).
    type: str
    version_added: 0.2.0
  lock_timeout:
    description:
      - Seconds to wait for another run that uses the same conda installation.
    type: int
    default: 1800
  offline:
    description:
      - Use nothing but C(file://) channels and the package cache; pip gets C(--no-index).
    type: bool
    default: false
notes:
  - The conda installation itself (C(base)) is refused without O(allow_base=true), which adds packages to it.
  - pip runs with C(--isolated); C(/etc/pip.conf) on the host stays in effect. pip is constrained to the versions
    that conda installed, so it never replaces a package of conda.
  - Variables C(CONDA_*), C(PIP_*) and C(PYTHON*) have no influence, but C(CONDA_OVERRIDE_*) (virtual packages) stays.
  - Long-running processes should be started from the real path (C(readlink -f)), so that they keep their generation.
seealso:
  - name: Environment files
    description: What a specification may say.
    link: https://docs.conda.io/projects/conda/en/stable/user-guide/tasks/manage-environments.html
"""

EXAMPLES = r"""
- name: An environment from a file beside the inventory
  openlab.research_server.conda_env:
    name: nlp
    src: "{{ inventory_dir }}/envs/nlp.yml"
    smoke: [torch, transformers]

- name: An environment from data, with packages from a mirror
  openlab.research_server.conda_env:
    name: stats
    channel_alias: https://mirror.example.org/conda
    definition:
      channels: [conda-forge]
      dependencies:
        - python=3.11
        - numpy>=1.26,<3
        - pip:
            - "lifelines==0.30.0"

- name: Stop people from changing an environment, and tell them what to do instead
  openlab.research_server.conda_env:
    name: nlp
    src: "{{ inventory_dir }}/envs/nlp.yml"
    frozen: true
    frozen_message: Edit envs/nlp.yml in the repository 'server' and open a merge request.

- name: Give people the environment back that they had before the last change
  openlab.research_server.conda_env:
    name: nlp
    state: rolled_back

- name: Install on every host precisely what was solved once
  openlab.research_server.conda_env:
    name: nlp
    src: "{{ inventory_dir }}/envs/nlp.yml"
    lock: "{{ inventory_dir }}/envs/nlp.linux-64.lock.json"

- name: An environment that was packed on another machine, for a host without a network
  openlab.research_server.conda_env:
    name: course
    archive: course.tar.gz
    checksum: sha256:0d4f7f4ad4bbcd5a4f8b3d2f6b1a1f1ad3f1e7b6ce2f4b6b2a2c3f1f8d5e4c3b
    smoke: [numpy]

- name: A tool for everybody who has the conda installation itself in the PATH
  openlab.research_server.conda_env:
    name: base
    allow_base: true
    definition:
      channels: [conda-forge]
      dependencies: [conda-tree]

- name: Several environments, with what they have in common
  openlab.research_server.conda_env:
    channel_alias: https://mirror.example.org/conda
    keep_generations: 2
    environments:
      - name: nlp
        src: "{{ inventory_dir }}/envs/nlp.yml"
        smoke: [torch, transformers]
      - name: stats
        src: "{{ inventory_dir }}/envs/stats.yml"
      - name: old-project
        state: absent

- name: Remove an environment
  openlab.research_server.conda_env:
    name: old-project
    state: absent
"""

RETURN = r"""
environments:
  description:
    - For each environment its name, and all that this module returns for it.
    - If one of them fails, only those that do, with their names and RV(stderr); all with C(-vvv).
  returned: with O(environments)
  type: list
  elements: dict
  sample: [{"name": "nlp", "changed": false, "prefix": "/opt/miniconda3/envs/nlp"}]
plan:
  description: What was done or, in check mode, what would be done.
  returned: success
  type: dict
  contains:
    action:
      description: >-
        V(none), V(create), V(replace), V(adjust) (settings of the environment, no packages), V(roll_back), V(remove), or
        V(extend) (the conda installation itself).
      type: str
    reasons:
      description: Why the environment was not as it should be.
      type: list
      elements: str
    install:
      description: "New lines: C(name version build channel) for conda, C(pip: requirement) for pip."
      type: list
      elements: str
    remove:
      description: Lines that go.
      type: list
      elements: str
  sample:
    action: replace
    reasons: ["the specification has changed"]
    install: ["numpy 2.1.3 py311h71ddf71_0 https://conda.anaconda.org/conda-forge"]
    remove: ["numpy 1.26.4 py311h64a7726_0 https://conda.anaconda.org/conda-forge"]
prefix:
  description: Path that people use.
  returned: success
  type: str
  sample: /opt/miniconda3/envs/nlp
generation:
  description: Real path behind it; in check mode that of the present generation. Empty if there is none.
  returned: success
  type: str
  sample: /opt/miniconda3/envs/.generations/nlp-3f2a90c1d7e4.1
digest:
  description: SHA-256 over the specification and the settings that choose packages, or of the lock that was used.
  returned: state is present
  type: str
  sample: 3f2a90c1d7e4...
packages:
  description: All packages that are in a newly built environment.
  returned: when the environment was built
  type: list
  elements: dict
  sample: [{"name": "numpy", "version": "2.1.3", "build": "py311h71ddf71_0", "channel": "https://conda.anaconda.org/conda-forge"}]
conda_version:
  description: Version of the conda that was asked.
  returned: when conda was asked
  type: str
  sample: 24.7.1
swept:
  description: Former and unfinished generations that were removed. They do not count as a change.
  returned: success
  type: list
  elements: str
  sample: []
kept:
  description: Where a directory was moved that stood at the path.
  returned: when there was one
  type: str
  sample: /opt/miniconda3/envs/.generations/nlp.adopted.1
notes:
  description: Parts of the specification that have no effect, defaults that were used, and generations to go back to.
  returned: success
  type: list
  elements: str
  sample: ["'name: nlp' in the specification is ignored: the task names the environment"]
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
import typing as t

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ..module_utils._conda.errors import CondaEnvError, answer
from ..module_utils._conda.specification import CHANNEL_ARGUMENTS
from ..module_utils._conda.task import Task
from ..module_utils._host.module import Module, guarded

FROZEN_MESSAGE = (
    "This environment is managed with Ansible, which undoes changes by hand. "
    "To request a change, ask the administrators of this server."
)

ARGUMENTS: dict[str, dict[str, t.Any]] = {
    "name": {"type": "str"},
    "prefix": {"type": "path"},
    "environments": {"type": "list", "elements": "dict"},
    "src": {"type": "path"},
    "definition": {"type": "raw"},
    "lock": {"type": "raw"},
    "lock_policy": {"type": "str", "choices": ["require", "prefer", "ignore"]},
    "pip_files": {"type": "dict"},
    "archive": {"type": "path"},
    "remote_src": {"type": "bool", "default": False},
    "checksum": {"type": "str"},
    "archive_facts": {"type": "dict"},
    "state": {"type": "str", "choices": ["present", "absent", "rolled_back"], "default": "present"},
    "conda_root": {"type": "path", "default": "/opt/miniconda3"},
    "executable": {"type": "path"},
    "verify": {"type": "str", "choices": ["metadata", "files", "full"], "default": "metadata"},
    **CHANNEL_ARGUMENTS,
    "smoke": {"type": "list", "elements": "str", "default": []},
    "allow_base": {"type": "bool", "default": False},
    "adopt": {"type": "bool", "default": True},
    "prune": {"type": "bool", "default": True},
    "keep_generations": {"type": "int", "default": 1},
    "generation": {"type": "str"},
    "frozen": {"type": "bool", "default": False},
    "frozen_message": {"type": "str", "default": FROZEN_MESSAGE},
    "owner": {"type": "str"},
    "group": {"type": "str"},
    "lock_timeout": {"type": "int", "default": 1800},
    "offline": {"type": "bool", "default": False},
}


RULES: dict[str, t.Any] = {
    "required_one_of": [("name", "prefix", "environments")],
    "mutually_exclusive": [("name", "prefix", "environments"), ("src", "definition")],
}


def settled(environments: list[dict[str, t.Any]]) -> list[dict[str, t.Any] | None]:
    """The result for each environment that is as it should be; None for the others, which the controller asks for one by one."""
    validator = ArgumentSpecValidator({**ARGUMENTS, "environments": {"type": "list"}}, **RULES)
    found: list[dict[str, t.Any] | None] = []
    for item in environments:
        checked = validator.validate(item)
        result = None
        # Whatever is wrong is told when it has its turn.
        if not checked.error_messages:
            with contextlib.suppress(CondaEnvError, OSError):
                task = Task(checked.validated_parameters)
                result = None if task.base else task.settled()
        found.append(result)
    return found


def run(arguments: dict[str, t.Any], check_mode: bool, scratch: str) -> dict[str, t.Any]:
    """Do what the task says; returns the module's result."""
    task = Task(arguments)
    settled = None if task.base else task.settled()
    if settled is not None:
        return settled
    from ..module_utils._conda.change import change  # noqa: PLC0415 - a host compiles what it imports, and seldom needs this

    return change(task, check_mode, scratch)


@guarded
def main() -> None:
    module = Module(
        argument_spec=ARGUMENTS,
        supports_check_mode=True,
        **RULES,
        no_log=True,  # keeps the arguments out of the system log: URLs in them may carry credentials
    )
    arguments, environments = module.params, module.params["environments"]
    if environments is not None:
        names = ", ".join(str(item.get("name") or item.get("prefix")) for item in environments)
        seen = {"environments": [{**item, "lock": None} for item in environments]}
        result = answer(module, lambda: {"environments": settled(environments)}, lambda failure: failure.message(names), seen)
        module.params = {"environments": f"({len(environments)} environments)"}
        module.exit_json(changed=False, **result)
    # A lock has no credentials, and nobody wants to see all of it again in every result.
    shown = {**arguments, "lock": "(a lock)" if arguments["lock"] else None}
    name = arguments["name"] or arguments["prefix"]
    result = answer(
        module,
        lambda: run(arguments, module.check_mode, module.tmpdir),
        lambda failure: failure.message(name),
        shown,
    )
    if result.get("kept"):
        module.warn(f"{result['prefix']} was not made by this module; what stood there is kept at {result['kept']}")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
