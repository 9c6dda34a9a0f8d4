# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lock files on the controller: where they are, how they read, how they are written. Private to this collection.

A file is JSON, so that reading hundreds of packages in each run costs nothing, with a field per line, so that a change is a
line of `git diff`.
"""

from __future__ import annotations

import dataclasses
import json
import typing as t
from pathlib import Path

from ...module_utils._conda.channels import platform_of
from ...module_utils._conda.errors import CondaEnvError
from ...module_utils._conda.lock import RENEW, Lock, parse_lock
from .._files import replace


def beside(src: Path, platform: str) -> Path:
    """Path of the lock file of an environment file."""
    return src.with_name(f"{src.stem}.{platform}.lock.json")


def lock_files(item: t.Mapping[str, t.Any], directory: str, architecture: str) -> tuple[Path | None, Path | None]:
    """(environment file, lock file) of an entry of the role conda_envs for an architecture; None where there is none."""
    src = Path(directory) / str(item["src"]) if item.get("src") else None
    if item.get("lock"):
        return src, Path(directory) / str(item["lock"])
    return src, beside(src, platform_of(architecture)) if src else None


def read(path: Path) -> Lock:
    """Content of a lock file. Raises CondaEnvError with the file."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_once)
    except (OSError, UnicodeDecodeError) as error:
        raise CondaEnvError(f"the lock {path} cannot be read: {error}", RENEW + ".") from None
    except json.JSONDecodeError as error:
        raise CondaEnvError(f"the lock {path}, line {error.lineno}: invalid JSON: {error.msg}", RENEW + ".") from None
    except ValueError as error:
        raise CondaEnvError(f"the lock {path}: {error}", RENEW + ".") from None
    try:
        return parse_lock(content)
    except CondaEnvError as error:
        raise CondaEnvError(f"the lock {path} {error.cause}", error.way_out) from None


def _once(pairs: list[tuple[str, t.Any]]) -> dict[str, t.Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _value in pairs]
        raise ValueError(f"a key stands twice: {', '.join(sorted({name for name in names if names.count(name) > 1}))}")
    return found


def text(lock: Lock) -> str:
    """A lock as its file: one line for each field of each package."""
    fields = [f" {json.dumps(key)}: {_block(value)}" for key, value in lock.to_dict().items()]
    return "{\n" + ",\n".join(fields) + "\n}\n"


def _block(value: t.Any) -> str:
    if isinstance(value, list) and value and isinstance(value[0], dict):
        items = [",\n".join(f"   {json.dumps(key)}: {json.dumps(field)}" for key, field in item.items()) for item in value]
        return "[\n" + ",\n".join(f"  {{\n{item}\n  }}" for item in items) + "\n ]"
    return json.dumps(value)


def lines(lock: Lock | None) -> str:
    """A lock for people: a line for each package."""
    if lock is None:
        return ""
    found = [f"{item.name} {item.version} {item.build} {item.channel} sha256:{item.sha256[:12]}" for item in lock.conda]
    found += [f"pip: {item.requirement()} {' '.join(value[:19] for value in item.hashes)}" for item in lock.pip]
    return "\n".join([f"locked from {lock.specification[:19]}", *found]) + "\n"


def same(one: Lock | None, other: Lock) -> bool:
    """True if two locks differ in nothing but the conda, and its solver, that solved them."""
    if one is None:
        return False
    return dataclasses.replace(one, conda_version=other.conda_version, solver=other.solver).to_dict() == other.to_dict()


def write(path: Path, lock: Lock) -> None:
    replace(path, text(lock))
