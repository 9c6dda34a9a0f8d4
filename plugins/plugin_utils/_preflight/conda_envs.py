# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the variables of the role `conda_envs` must satisfy together, and the files they name. Private to this collection."""

from __future__ import annotations

import collections
import typing as t
from collections.abc import Mapping
from pathlib import Path

from ...module_utils._conda.channels import platform_of
from ...module_utils._conda.errors import CondaEnvError
from ...module_utils._conda.lock import pip_lines
from ...module_utils._conda.lock_policy import unusable
from ...module_utils._conda.specification import (
    EMPTY_PIP,
    Settings,
    Specification,
    check_cuda,
    check_modules,
    check_name,
    parse,
)
from ...module_utils._jupyter.kernels import kernel_name
from ...module_utils._nvidia.cuda import Need
from ...module_utils._nvidia.cuda_needs import of_distributions, of_records, of_requirements, of_specs
from .._conda.file import collect_pip_files, read_definition
from .._conda.lock_file import lock_files, read
from .locks import architecture, check_lock, ignored
from .miniconda import anaconda_channels

# Environments that other roles build in the same installation: two owners would undo each other's work for ever.
RESERVED = {"jupyter": "jupyter", "jupyterhub": "jupyterhub", "nbstripout": "workbench"}


def check(variables: Mapping[str, t.Any]) -> list[str]:
    """Say what is wrong with the role's variables; nothing if they can be applied."""
    environments: list[Mapping[str, t.Any]] = variables.get("conda_envs_environments", [])
    kernels = collections.Counter(kernel_name(str(item["name"])) for item in environments)
    problems = [
        f"conda_envs_environments: found {count} environments with the name '{name}' (case does not count); expected one"
        for name, count in kernels.items()
        if count > 1
    ]
    try:
        check_cuda(str(variables.get("conda_envs_cuda", "auto")))
    except CondaEnvError as error:
        problems.append(f"conda_envs_{error.cause}; quote it")
    for item in environments:
        try:
            problems += _environment(item, variables)
        except CondaEnvError as error:
            problems.append(error.message(str(item["name"])).replace("\n", " "))
    return problems


def _environment(item: Mapping[str, t.Any], variables: Mapping[str, t.Any]) -> list[str]:
    name = str(item["name"])
    check_name(name)
    if name in RESERVED:
        raise CondaEnvError(f"the name belongs to the role '{RESERVED[name]}'", "Choose another name.")
    if item.get("state", "present") != "present":
        return []
    given = [key for key in ("src", "definition", "archive") if item.get(key) is not None]
    if len(given) > 1 or not (given or item.get("lock")):
        found = " and ".join(f"'{key}'" for key in given) or "none"
        raise CondaEnvError(f"found {found} of 'src', 'definition' and 'archive'; expected one of them")
    check_modules(item.get("smoke") or [])
    folder = Path(str(variables.get("conda_envs_dir", ".")))
    if given == ["archive"]:
        if not (folder / str(item["archive"])).is_file():
            raise CondaEnvError(f"found no file {folder / str(item['archive'])}", "Correct 'archive' or 'conda_envs_dir'.")
        return []
    specification = read_specification(item, variables)
    policy = ("conda_envs_lock_policy", str(variables.get("conda_envs_lock_policy", "ignore")))
    check_lock(_lock_file(item, variables), specification, policy, _settings(variables), architecture(variables))
    if specification is None:
        return []
    qualified = [spec.split("::", 1)[0] for spec in specification.conda if "::" in spec]
    gated = anaconda_channels(dict.fromkeys([*specification.channels, *qualified]))
    if gated and not variables.get("conda_envs_accept_anaconda_tos"):
        return [
            f"conda environment '{name}': uses {', '.join(gated)}, which need Anaconda's terms of service to be accepted; "
            "use conda-forge, or set 'miniconda_accept_anaconda_tos: true' if your organisation accepts them"
        ]
    return []


def read_specification(item: Mapping[str, t.Any], variables: Mapping[str, t.Any]) -> Specification | None:
    """What the entry or its file says; None where the lock alone says it."""
    definition, folder = item.get("definition"), Path(str(variables.get("conda_envs_dir", ".")))
    if item.get("src") is not None:
        file = folder / str(item["src"])
        if not file.is_file():
            raise CondaEnvError(f"found no file {file}", "Expected an environment.yml there; correct 'src' or 'conda_envs_dir'.")
        definition, folder = read_definition(file), file.parent
    if definition is None:
        return None
    definition, files = collect_pip_files(t.cast("dict[str, t.Any]", definition), folder)
    return parse(definition, files, tuple(variables.get("conda_envs_channels", ())))


def gpu_needs(variables: Mapping[str, t.Any]) -> list[tuple[str, list[Need]]]:
    """Name of each environment, and for which CUDA it is, as far as its lock or its file tells."""
    found = []
    for item in variables.get("conda_envs_environments", []):
        if item.get("state", "present") != "present" or item.get("archive") is not None:
            continue
        specification, lock = read_specification(item, variables), None
        if variables.get("conda_envs_lock_policy") != "ignore":
            path = _lock_file(item, variables)
            lock = read(path) if path is not None and path.is_file() else None
        if lock and not unusable(specification, lock, _settings(variables), platform_of(architecture(variables))):
            needs = of_records(map(vars, lock.conda)) + of_distributions((wheel.name, wheel.version) for wheel in lock.pip)
        elif specification:
            needs = of_specs(specification.conda) + of_requirements(line for _file, line in pip_lines(specification))
        else:
            needs = []
        found.append((str(item["name"]), needs))
    return found


def warnings(variables: Mapping[str, t.Any]) -> list[str]:
    """Locks that are there and that nobody follows, and what wrong indentation may have left."""
    found = []
    for item in variables.get("conda_envs_environments", []):
        if item.get("state", "present") != "present" or item.get("archive") is not None:
            continue
        specification = read_specification(item, variables)
        if specification and EMPTY_PIP in specification.notes:
            found.append(f"conda environment '{item['name']}': {EMPTY_PIP}")
        if variables.get("conda_envs_lock_policy") == "prefer":
            path = _lock_file(item, variables)
            found += ignored(str(item["name"]), path, specification, _settings(variables), architecture(variables))
    return found


def _lock_file(item: Mapping[str, t.Any], variables: Mapping[str, t.Any]) -> Path | None:
    """Where the lock is or would be."""
    return lock_files(item, str(variables.get("conda_envs_dir", ".")), architecture(variables))[1]


def _settings(variables: Mapping[str, t.Any]) -> Settings:
    return Settings(channel_priority=str(variables.get("conda_envs_channel_priority", "flexible")))
