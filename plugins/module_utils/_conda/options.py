# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The options of conda_env, by type. Private to this collection."""

from __future__ import annotations

import dataclasses
import typing as t
from collections.abc import Mapping, Sequence

from .specification import Settings


# Every run makes this class anew: what nobody asks for is left out. And what it says may hold credentials.
@dataclasses.dataclass(frozen=True, eq=False, repr=False)
class Options:
    """What a person wrote into the task, by type; `settings` are what it says about channels."""

    name: str | None
    prefix: str | None
    conda_root: str
    executable: str | None
    state: str
    src: str | None
    definition: t.Any
    pip_files: Mapping[str, str] | None
    channels: Sequence[str]
    lock: t.Any
    lock_policy: str | None
    archive: str | None
    archive_facts: Mapping[str, t.Any] | None
    remote_src: bool
    checksum: str | None
    verify: str
    smoke: Sequence[str]
    allow_base: bool
    adopt: bool
    prune: bool
    keep_generations: int
    generation: str | None
    frozen: bool
    frozen_message: str
    owner: str | None
    group: str | None
    lock_timeout: int
    offline: bool
    settings: Settings

    @classmethod
    def of(cls, arguments: Mapping[str, t.Any]) -> Options:
        """From arguments that Ansible has checked."""
        own = {field.name: arguments[field.name] for field in dataclasses.fields(cls) if field.name != "settings"}
        return cls(**own, settings=Settings.of(arguments))
