# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.openlab.research_server.plugins.module_utils._conda.damage import REPAIR
from ansible_collections.openlab.research_server.plugins.plugin_utils._drift.remedy import (
    ALWAYS,
    FULL,
    ROLES,
    Commands,
    needs_full,
    tag,
)

SITE = Path(__file__).resolve().parents[5] / "playbooks" / "site.yml"


def found(role: str | None, diff: str | None = "-x\n+y\n") -> dict[str, t.Any]:
    return {"role": role, "task": "Do it", "diff": diff}


def test_each_role_of_the_site_is_repaired_by_its_own_tag() -> None:
    first, *plays = yaml.safe_load(SITE.read_text(encoding="utf-8"))
    assert first["tags"] == [ALWAYS]
    assert list(ROLES) == [play["hosts"] for play in plays[:-2]]
    assert all(role in play["tags"] for role, play in zip(ROLES, plays))
    assert [tag(found(role)) for role in (*ROLES, None)] == [*ROLES, ALWAYS]


def test_a_command_is_what_people_have_to_type_here() -> None:
    assert Commands([]).accept("a", "set uid") == "research-server-drift accept -l a --topic 'set uid'"
    assert Commands(["my lab"], "./our drift").again("a") == "'./our drift' -i 'my lab' -l a"


@pytest.mark.parametrize("role", ["audit", "all", "never", "tagged", "sshd,all", "their.collection.sshd"])
def test_what_no_play_of_the_site_owns_is_no_tag(role: str) -> None:
    assert tag(found(role)) == ""
    # The lab's own site.yml may have a play for it, unless nobody declared it.
    assert Commands([]).repair("a", [found(role)]) == ("" if role == "audit" else "ansible-playbook site.yml -l a")


def test_files_are_read_again_where_the_modules_ask_for_it() -> None:
    damaged = f"-altered\n+as installed\n+{REPAIR}\n"
    assert FULL in REPAIR
    assert needs_full([found("conda_envs"), found("miniconda", damaged)])
    assert not needs_full([found("conda_envs"), found("jupyter", None)])
    # A file on a server may say it too, and the run would then also remove packages from conda itself.
    assert not needs_full([found("sshd", f"-{FULL}\n")])
    commands = Commands(["my lab"])
    assert commands.repair("a", [found("sshd"), found("jupyter", damaged)]).endswith("-i 'my lab' -l a -e miniconda_verify=full")
    assert commands.repair("a", [found("sshd"), found("jupyter")]).endswith("-l a")
