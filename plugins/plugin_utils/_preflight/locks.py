# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a role's lock is there and fits, where it is asked for. Private to this collection."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping
from pathlib import Path

from ...module_utils._conda.channels import platform_of
from ...module_utils._conda.errors import CondaEnvError
from ...module_utils._conda.lock import RENEW
from ...module_utils._conda.lock_policy import choose, unusable
from ...module_utils._conda.specification import Settings, Specification
from .._conda.lock_file import read


def architecture(variables: Mapping[str, t.Any]) -> str:
    return str(variables.get("ansible_facts", {}).get("architecture", "x86_64"))


def check_lock(
    path: Path | None, specification: Specification | None, policy: tuple[str, str], settings: Settings, host: str
) -> None:
    """Refuse a lock that the policy asks for and that is not there or does not fit. `policy`: its variable and value; `host`: its
    architecture."""
    variable, value = policy
    if value == "ignore" or (path is None and value != "require"):
        return
    lock = read(path) if path is not None and path.is_file() else None
    if lock is None:
        if value == "require" or specification is None:
            raise CondaEnvError(f"there is no lock {path or ''}".rstrip(), f"{RENEW}, or change '{variable}'.")
        return
    try:
        choose(specification, lock, value, unusable(specification, lock, settings, platform_of(host)))
    except CondaEnvError as error:
        raise CondaEnvError(f"{path}: {error.cause}", error.way_out) from None


def ignored(name: str, path: Path | None, specification: Specification | None, settings: Settings, host: str) -> list[str]:
    """A warning if a lock is there that nobody follows."""
    lock = read(path) if path is not None and path.is_file() else None
    why = unusable(specification, lock, settings, platform_of(host)) if lock else ""
    return [f"conda environment '{name}': {path} is not followed, each host solves: {why}. {RENEW}"] if why else []
