# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Register conda environments as Jupyter kernels."""

from __future__ import annotations

DOCUMENTATION = r"""
module: jupyter_kernels
short_description: Register conda environments as Jupyter kernels
version_added: 0.1.0
description:
  - Makes the kernels of a folder that belong to this collection exactly those of the given environments.
  - A kernel is started in the generation of its environment that is current at that moment, and activated as C(conda activate)
    would. It keeps that generation until it is restarted, and a Python notebook is told once when the environment has moved on.
  - An environment with C(ipykernel) is offered under its own name. Kernels of other languages that its packages bring in
    C(share/jupyter/kernels), such as C(ir) of C(r-irkernel), are offered as C(NAME-ir).
  - An environment without any is left out. Kernels that somebody else made are never touched.
author:
  - openlab.research_server maintainers (@openlab)
attributes:
  check_mode:
    description: Foresees from the plan of an environment whether there will be a Python kernel.
    details: Kernels of other languages are known only from the environment that is there already.
    support: partial
  diff_mode:
    description: Shows the files of each kernel.
    support: full
  idempotent:
    description: A second run changes nothing.
    support: full
options:
  environments:
    description: The environments.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Name of the environment; the name of its Python kernel is the same in lower case.
        type: str
        required: true
      prefix:
        description: Path of the environment.
        type: path
        required: true
      display_name:
        description: What launchers show. The default is the name.
        type: str
      plan:
        description: The C(plan) that M(openlab.research_server.conda_env) returned, to know in check mode what there will be.
        type: dict
        default: {}
  conda_root:
    description: Prefix of the conda installation that activates the environments.
    type: path
    default: /opt/miniconda3
  directory:
    description: Folder of the kernels.
    type: path
    default: /usr/local/share/jupyter/kernels
seealso:
  - module: openlab.research_server.conda_env
"""

EXAMPLES = r"""
- name: Offer the environment nlp as a kernel
  openlab.research_server.jupyter_kernels:
    environments:
      - name: nlp
        display_name: NLP (PyTorch)
        prefix: /opt/miniconda3/envs/nlp
"""

RETURN = r"""
kernels:
  description: Names of the kernels that belong to this collection.
  returned: success
  type: list
  elements: str
  sample: [nlp]
removed:
  description: Names of kernels that were removed because their environment is gone.
  returned: success
  type: list
  elements: str
  sample: []
without_kernel:
  description: Names of environments without any kernel.
  returned: success
  type: list
  elements: str
  sample: []
"""

import os
import shutil
import typing as t
from collections.abc import Callable, Iterator

from ..module_utils._conda.records import distributions
from ..module_utils._host.difference import difference
from ..module_utils._host.files import put_file, read_file
from ..module_utils._host.module import Module, guarded, run_module
from ..module_utils._host.refused import RefusedError
from ..module_utils._host.source import source
from ..module_utils._jupyter import launch
from ..module_utils._jupyter.kernels import is_ours, kernel_name, other_kernel, python_kernel, will_have
from ..module_utils._jupyter.kernelspecs import read_specs

MODES = {"kernel.json": 0o644, "launch.py": 0o644, "start": 0o755}


def read_mode(path: str) -> int | None:
    try:
        return os.stat(path).st_mode & 0o7777
    except (FileNotFoundError, NotADirectoryError):
        return None


def own_kernels(directory: str) -> set[str]:
    """Names of the kernels that this collection made."""
    names = os.listdir(directory) if os.path.isdir(directory) else []
    return {name for name in names if is_ours(read_file(os.path.join(directory, name, "kernel.json")) or "")}


def is_foreign(folder: str) -> bool:
    """Whether somebody else's kernel is in the way; a folder without the file that makes it a kernel is nobody's."""
    return os.path.lexists(os.path.join(folder, "kernel.json")) or (os.path.lexists(folder) and not os.path.isdir(folder))


def there(item: dict[str, t.Any]) -> bool:
    """Whether an environment has what a Python kernel needs."""
    return any(package.name == "ipykernel" for package, _installer in distributions(item["prefix"]))


def foreseen(item: dict[str, t.Any]) -> bool:
    """Whether it will have that once its plan is carried out."""
    return will_have("ipykernel", item["plan"], there(item))


def kernels_of(module: Module, item: dict[str, t.Any], has_python: bool) -> Iterator[tuple[str, dict[str, str]]]:
    """Name and files of each kernel of an environment."""
    directory, root, prefix = module.params["directory"], module.params["conda_root"], item["prefix"]
    if has_python:
        name = kernel_name(item["name"])
        yield name, python_kernel(os.path.join(directory, name), item, root, source(launch))
    specs, problems = read_specs(prefix)
    for problem in problems:
        module.warn(f"conda environment '{item['name']}': {problem}")
    for spec in specs:
        name = kernel_name(item["name"], spec.name)
        yield name, other_kernel(os.path.join(directory, name), item, root, spec, os.path.realpath(prefix))


def wanted_kernels(module: Module, has: Callable[[dict[str, t.Any]], bool]) -> tuple[dict[str, dict[str, str]], list[str]]:
    """The files of each kernel by its name, and the environments without any."""
    wanted: dict[str, dict[str, str]] = {}
    without = []
    for item in module.params["environments"]:
        found = list(kernels_of(module, item, has(item)))
        for name, files in found:
            if name in wanted:
                raise RefusedError(
                    f"kernel '{name}': found a second one in the environment '{item['name']}'; expected one of that name",
                    "Give the environment another name.",
                )
            wanted[name] = files
        without += [] if found else [item["name"]]
    return wanted, without


def plan(
    module: Module, has: Callable[[dict[str, t.Any]], bool]
) -> tuple[dict[str, t.Any], list[tuple[str, str, int]], list[str]]:
    """The module's result, the files (path, text, mode) to be written, and the folders to be removed."""
    directory = module.params["directory"]
    present = own_kernels(directory)
    wanted, without = wanted_kernels(module, has)
    diffs: list[dict[str, t.Any]] = []
    writes: list[tuple[str, str, int]] = []
    for name, files in wanted.items():
        folder = os.path.join(directory, name)
        if name not in present and is_foreign(folder):
            raise RefusedError(
                f"kernel '{name}': found {folder}, which this collection did not make; it has not been touched",
                "Remove it, or give the environment another name.",
            )
        for file, text in files.items():
            path = os.path.join(folder, file)
            before = read_file(path)
            if before != text or read_mode(path) != MODES[file]:
                writes.append((path, text, MODES[file]))
                diffs.append(difference(path, before, text))
    stale = sorted(present - set(wanted))
    for name in stale:
        path = os.path.join(directory, name, "kernel.json")
        diffs.append(difference(path, read_file(path), ""))
    result = {"kernels": sorted(wanted), "removed": stale, "without_kernel": without, "diff": diffs}
    return {"changed": bool(writes or stale), **result}, writes, [os.path.join(directory, name) for name in stale]


def apply(writes: list[tuple[str, str, int]], removed: list[str]) -> None:
    for folder in removed:
        shutil.rmtree(folder)
    # The tag is written last: a folder that was only begun is not refused by the next run.
    for path, text, mode in sorted(writes, key=lambda item: os.path.basename(item[0]) == "kernel.json"):
        os.makedirs(os.path.dirname(path), exist_ok=True)
        put_file(*os.path.split(path), text, mode)


def run(module: Module) -> dict[str, t.Any]:
    if module.check_mode:
        return plan(module, foreseen)[0]
    # After a real run the environments are there to be looked at, whatever their plans said.
    result, writes, removed = plan(module, there)
    apply(writes, removed)
    return result


@guarded
def main() -> None:
    environment = {
        "name": {"type": "str", "required": True},
        "prefix": {"type": "path", "required": True},
        "display_name": {"type": "str"},
        "plan": {"type": "dict", "default": {}},
    }
    module = Module(
        argument_spec={
            "environments": {"type": "list", "elements": "dict", "required": True, "options": environment},
            "conda_root": {"type": "path", "default": "/opt/miniconda3"},
            "directory": {"type": "path", "default": "/usr/local/share/jupyter/kernels"},
        },
        supports_check_mode=True,
    )
    run_module(module, run)


if __name__ == "__main__":
    main()
