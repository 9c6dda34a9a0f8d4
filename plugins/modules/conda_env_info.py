# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which conda environments a host has, what is in them, and whether it is still what was installed."""

from __future__ import annotations

DOCUMENTATION = r"""
module: conda_env_info
short_description: Tell which conda environments a host has and whether they are intact
version_added: 0.1.0
description:
  - Lists the environments of a conda installation with their packages, size and age, and says which of them
    M(openlab.research_server.conda_env) manages, which were changed by hand since, and where an interrupted run left traces.
  - On request compares every file with the hash that conda or pip recorded when it was installed.
  - Reads files only. Neither conda nor pip is started, so it also works with a broken installation.
author:
  - openlab.research_server maintainers (@openlab)
requirements:
  - Linux
extends_documentation_fragment:
  - openlab.research_server.conda_channels
attributes:
  check_mode:
    description: Changes nothing, and runs the same in check mode.
    support: full
  diff_mode:
    description: Changes nothing.
    support: none
options:
  conda_root:
    description: Prefix of the conda installation. Its C(envs) folder is looked through.
    type: path
    default: /opt/miniconda3
  name:
    description:
      - Name of one environment; V(base) is the installation itself.
      - Without O(name) and O(prefix) all environments of the installation are listed.
    type: str
  prefix:
    description: Absolute path of one environment, in place of a name.
    type: path
  packages:
    description: Also list the packages. Without them the result is much smaller, and less is read.
    type: bool
    default: true
  verify:
    description:
      - Also read every file that conda and pip installed, on all cores, and compare it with its recorded hash.
      - Byte code that was made on the host is not looked at. Symbolic links, entry points and other files without a recorded
        hash only have to be there.
    type: bool
    default: false
  src:
    description:
      - Path on the controller of an C(environment.yml) to compare with, as in M(openlab.research_server.conda_env).
    type: path
    version_added: 0.2.0
  definition:
    description:
      - The same content as a mapping, in place of O(src).
      - Names, exact and prefix versions, builds and channels are compared with what the records say. What takes the order of
        versions, such as C(>=1.2), is left to conda and pip and reported as undecided. Nothing is solved, so a newer version in
        a channel is no difference.
      - With O(channels), O(channel_alias), O(custom_channels), O(default_channels) and O(channel_priority) as in the task that
        built the environment, RV(environments[].comparison.built_from_it) tells whether that was this specification.
    type: raw
    version_added: 0.2.0
  pip_files:
    description: Content of the files that C(-r) and C(-c) name in the C(pip:) section. Filled by the controller.
    type: dict
    version_added: 0.2.0
notes:
  - An environment that does not exist is no error, the list is empty then.
  - Files that the user of the task may not read are reported as V(unreadable); become root to read all.
seealso:
  - module: openlab.research_server.conda_env
"""

EXAMPLES = r"""
- name: Read one environment
  openlab.research_server.conda_env_info:
    name: nlp
  register: nlp

- name: Which environments were changed by hand
  openlab.research_server.conda_env_info:
    packages: false
  register: all_environments

- name: Show them
  ansible.builtin.debug:
    msg: "{{ all_environments.environments | selectattr('drifted') | map(attribute='name') | list }}"

- name: Compare an environment with its file
  openlab.research_server.conda_env_info:
    name: nlp
    src: environments/nlp.yml
  register: compared
  failed_when: compared.environments | map(attribute='comparison') | selectattr('differs') | list | length > 0

- name: Read all files of an environment and compare them with what was installed
  openlab.research_server.conda_env_info:
    name: nlp
    packages: false
    verify: true
  register: checked
  failed_when: checked.environments | rejectattr('verification.intact') | list | length > 0
"""

RETURN = r"""
environments:
  description: The environments that were found, base first, then in order of name.
  returned: success
  type: list
  elements: dict
  contains:
    name:
      description: Name of the environment; V(base) for the installation itself.
      type: str
      sample: nlp
    path:
      description: Path that people use.
      type: str
      sample: /opt/miniconda3/envs/nlp
    prefix:
      description: Real path behind it. Empty if there is none.
      type: str
      sample: /opt/miniconda3/envs/.generations/nlp-3f2a90c1d7e4.1
    kind:
      description:
        - V(base), V(generation) (made by M(openlab.research_server.conda_env)), V(environment) (a prefix of its own),
          V(foreign link) (a link to a place elsewhere), V(remains) (never finished), V(dead link), or V(missing) (generations
          without a link to one).
      type: str
      sample: generation
    managed:
      description: Whether M(openlab.research_server.conda_env) built and finished it.
      type: bool
      sample: true
    digest:
      description: SHA-256 of the specification it was built from. Empty if it is not managed.
      type: str
      sample: 3f2a90c1d7e4b6a80d5f0c6f5a3c1b7e9d2f4a6880c1e3d5f7092b4d6e8f0a1c
    drifted:
      description: Whether conda, pip or a person changed something since it was built. V(false) if it is not managed.
      type: bool
      sample: true
    drift:
      description: What was changed.
      type: list
      elements: str
      sample: ["pip package requests 2.32.3 pypi_0 pypi was added"]
    frozen:
      description: Whether conda's marker C(conda-meta/frozen) is there. conda 25.5 and later refuse changes then.
      type: bool
      sample: false
    frozen_message:
      description: What conda tells a person who tries.
      type: str
      sample: ""
    created:
      description: When it was created, in UTC. Empty if that is not known.
      type: str
      sample: "2026-11-20T08:12:45Z"
    age_seconds:
      description: Seconds since then. V(0) if that is not known.
      type: int
      sample: 86400
    size_bytes:
      description: Allocated bytes on the disk, without environments and package caches inside. Each file counts once.
      type: int
      sample: 5368709120
    unshared_bytes:
      description:
        - Those of them that would become free with the environment. The rest is also linked from elsewhere,
          such as the package cache.
      type: int
      sample: 104857600
    signs:
      description: What tells that a run was interrupted, or that the environment is incomplete. Empty for a healthy one.
      type: list
      elements: str
      sample: ["26 files *.c~ of an interrupted change by conda, such as bin/tool.c~"]
    generations:
      description: Present and former generations, and directories that were moved aside for one.
      type: list
      elements: dict
      contains:
        path:
          description: Real path.
          type: str
        current:
          description: Whether it is the one that people use.
          type: bool
        adopted:
          description: Whether it is a directory that stood at the path before.
          type: bool
        finished:
          description: Whether it was built to its end.
          type: bool
        digest:
          description: SHA-256 of its specification. Empty if it was not finished.
          type: str
      sample:
        - path: /opt/miniconda3/envs/.generations/nlp-3f2a90c1d7e4.1
          current: true
          adopted: false
          finished: true
          digest: 3f2a90c1d7e4b6a80d5f0c6f5a3c1b7e9d2f4a6880c1e3d5f7092b4d6e8f0a1c
    packages:
      description: Packages of conda, then those that only pip knows, each in order of name.
      returned: O(packages=true)
      type: list
      elements: dict
      contains:
        name:
          description: Name.
          type: str
        version:
          description: Version.
          type: str
        build:
          description: Build string; V(pypi_0) for pip.
          type: str
        channel:
          description: URL of the channel without platform and credentials; V(pypi) for pip.
          type: str
        url:
          description: Where it came from, without credentials. Empty if that was not recorded, as pip does for an index.
          type: str
        sha256:
          description: SHA-256 of the package's file. Empty if that was not recorded.
          type: str
        md5:
          description: MD5 of the package's file. Empty if that was not recorded.
          type: str
        requested:
          description: Whether somebody asked for it by name, as far as conda or pip recorded that.
          type: bool
        installer:
          description: V(conda) or V(pip).
          type: str
      sample:
        - name: numpy
          version: 2.1.3
          build: py311h71ddf71_0
          channel: https://conda.anaconda.org/conda-forge
          url: https://conda.anaconda.org/conda-forge/linux-64/numpy-2.1.3-py311h71ddf71_0.conda
          sha256: 37a5f5de9ab1a0d6f6a7d0f6d62ee1b3b3f9b2f1bb2f1ab0a5ee3a0bf5f5c0d3
          md5: 4e72b55892331ada8fbcf5954df582f2
          requested: true
          installer: conda
    comparison:
      description: Difference to the specification of the task, as far as metadata tells.
      returned: O(src) or O(definition) is given
      type: dict
      contains:
        digest:
          description: SHA-256 of the specification with the settings that choose packages.
          type: str
        built_from_it:
          description: Whether M(openlab.research_server.conda_env) built the environment from exactly this.
          type: bool
        differs:
          description: Whether something is missing, wrong or extra.
          type: bool
        missing:
          description: Specifications whose package is not there.
          type: list
          elements: str
        wrong:
          description: Specifications with another version, build or channel than is there.
          type: list
          elements: str
        extra:
          description: Packages that somebody asked for and the specification does not name.
          type: list
          elements: str
        undecided:
          description: Specifications whose package is there, or not told by its line, but that take conda or pip to judge.
          type: list
          elements: str
      sample:
        digest: 3f2a90c1d7e4b6a80d5f0c6f5a3c1b7e9d2f4a6880c1e3d5f7092b4d6e8f0a1c
        built_from_it: false
        differs: true
        missing: [scipy]
        wrong: ["numpy==2.0: found conda package numpy 1.26.4 py311h64a7726_0 https://conda.anaconda.org/conda-forge"]
        extra: ["pip package requests 2.32.3 pypi_0 pypi"]
        undecided: ["zlib>=1"]
    unreadable_records:
      description: Records of conda that cannot be read. Their packages are not in the list.
      returned: O(packages=true)
      type: list
      elements: str
      sample: []
    verification:
      description: Result of the comparison.
      returned: O(verify=true)
      type: dict
      contains:
        intact:
          description: Whether all files are as they were installed, and all records could be used.
          type: bool
        hashed_files:
          description: Number of files whose content was compared.
          type: int
        hashed_bytes:
          description: Bytes that were read for it.
          type: int
        present_files:
          description: Number of files without a recorded hash, which only have to be there.
          type: int
        problems:
          description: Files that are not as they were installed.
          type: list
          elements: dict
          contains:
            path:
              description: Path relative to the prefix.
              type: str
            package:
              description: Name of the package that installed it.
              type: str
            installer:
              description: V(conda) or V(pip).
              type: str
            problem:
              description: V(missing), V(altered) or V(unreadable).
              type: str
            expected:
              description: Recorded hash, as C(algorithm:hex).
              type: str
            found:
              description: Hash of an altered file. Empty if something else stands in its place.
              type: str
        unusable_records:
          description: Records of conda or pip that name no files to compare, and why.
          type: list
          elements: str
      sample:
        intact: false
        hashed_files: 7744
        hashed_bytes: 1050000000
        present_files: 12
        problems:
          - path: share/tool/data
            package: tool
            installer: conda
            problem: altered
            expected: "sha256:5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03"
            found: "sha256:e258d248fda94c63753607f7c4494ee0fcbe92f1a76bfdac795c9d84101eb317"
        unusable_records: []
"""

import dataclasses
import datetime
import os
import typing as t

from ..module_utils._conda import compare as conda_compare
from ..module_utils._conda import contents, environments, manifest
from ..module_utils._conda import frozen as conda_frozen
from ..module_utils._conda.environments import Place
from ..module_utils._conda.errors import CondaEnvError, answer
from ..module_utils._conda.records import site_packages
from ..module_utils._conda.specification import CHANNEL_ARGUMENTS, Settings, parse
from ..module_utils._conda.verify import expected_files, verify
from ..module_utils._host.module import Module, guarded

ARGUMENTS: dict[str, dict[str, t.Any]] = {
    "conda_root": {"type": "path", "default": "/opt/miniconda3"},
    "name": {"type": "str"},
    "prefix": {"type": "path"},
    "packages": {"type": "bool", "default": True},
    "verify": {"type": "bool", "default": False},
    "src": {"type": "path"},
    "definition": {"type": "raw"},
    "pip_files": {"type": "dict"},
    **CHANNEL_ARGUMENTS,
}


def wanted(root: str, name: str | None, prefix: str | None) -> list[Place]:
    """The environments that are asked for. Raises CondaEnvError for a name that is none."""
    if name and ("/" in name or name.startswith(".")):
        raise CondaEnvError(f"found the name '{name}'; expected the name of an environment", "Give a path as 'prefix'.")
    root = os.path.abspath(root)
    everything = environments.places(root)
    if name:
        return [place for place in everything if place.name == name]
    if prefix is None:
        return everything
    link = os.path.abspath(prefix)
    if os.path.realpath(link) == os.path.realpath(root):
        return [place for place in everything if place.kind == "base"]
    place = environments.place_of(link)
    return [place] if place else []


def describe(place: Place, now: datetime.datetime, packages: bool, verification: bool) -> dict[str, t.Any]:
    """What the module reports about one environment."""
    prefix = place.prefix
    written = manifest.load(prefix) if prefix else None
    changed = environments.drift(prefix, written) if written else []
    created = environments.created(prefix) if prefix else None
    used = environments.usage(prefix, place.kind == "base") if prefix else environments.Usage(0, 0, ())
    frozen = conda_frozen.read(prefix) if prefix else None
    result: dict[str, t.Any] = {
        "name": place.name,
        "path": place.path,
        "prefix": prefix,
        "kind": place.kind,
        "managed": written is not None,
        "digest": written.digest if written else "",
        "drifted": bool(changed),
        "drift": changed,
        "frozen": frozen is not None,
        "frozen_message": frozen or "",
        "created": created.strftime("%Y-%m-%dT%H:%M:%SZ") if created else "",
        "age_seconds": max(0, int((now - created).total_seconds())) if created else 0,
        "size_bytes": used.size,
        "unshared_bytes": used.unshared,
        "signs": environments.signs(place, written, used),
        "generations": environments.generations(place) if place.kind != "base" else [],
    }
    if packages:
        result.update(list_packages(prefix))
    if verification:
        result["verification"] = compare(prefix)
    return result


def comparison(arguments: dict[str, t.Any], prefix: str) -> dict[str, t.Any]:
    """What is there against the specification of the task."""
    specification = parse(arguments["definition"], arguments["pip_files"], arguments["channels"])
    settings = Settings.of(arguments)
    digest = specification.digest(settings)
    written = manifest.load(prefix) if prefix else None
    found = conda_compare.compare(specification, list_packages(prefix)["packages"])
    differs = any(found[key] for key in ("missing", "wrong", "extra"))
    return {"digest": digest, "built_from_it": written is not None and written.digest == digest, "differs": differs, **found}


def list_packages(prefix: str) -> dict[str, t.Any]:
    """Packages of conda and pip, and the records that cannot be read."""
    found, unreadable = [], []
    for path, record in contents.records(prefix) if prefix else ():
        if record is None:
            unreadable.append(os.path.relpath(path, prefix))
        else:
            found.append(contents.conda_details(record))
    found.sort(key=lambda item: (item["name"], item["version"]))
    if prefix:
        found += [details for details, _place, _info in contents.pip_details(prefix, site_packages(prefix))]
    return {"packages": found, "unreadable_records": unreadable}


def compare(prefix: str) -> dict[str, t.Any]:
    """Every file against its recorded hash."""
    files, unusable = expected_files(prefix) if prefix else ([], [])
    verdict = verify(prefix, files)
    return {
        "intact": bool(prefix) and not verdict.problems and not unusable,
        "hashed_files": verdict.hashed,
        "hashed_bytes": verdict.size,
        "present_files": verdict.seen,
        "problems": [dataclasses.asdict(problem) for problem in verdict.problems],
        "unusable_records": unusable,
    }


def run(arguments: dict[str, t.Any]) -> list[dict[str, t.Any]]:
    """What the module reports."""
    now = datetime.datetime.now(datetime.timezone.utc)
    found = [
        describe(place, now, arguments["packages"], arguments["verify"])
        for place in wanted(arguments["conda_root"], arguments["name"], arguments["prefix"])
    ]
    if arguments["definition"] is not None:
        for environment in found:
            environment["comparison"] = comparison(arguments, environment["prefix"])
    return found


@guarded
def main() -> None:
    module = Module(
        argument_spec=ARGUMENTS,
        supports_check_mode=True,
        mutually_exclusive=[("name", "prefix"), ("src", "definition")],
        no_log=True,  # keeps the arguments out of the system log: URLs in them may carry credentials
    )
    arguments = module.params
    about = arguments["name"] or arguments["prefix"] or arguments["conda_root"]
    result = answer(module, lambda: {"environments": run(arguments)}, lambda failure: failure.message(about))
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
