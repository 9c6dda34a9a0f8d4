# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run of a playbook that says nothing unless it fails, and the playbook that does nothing, to compare with."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests" / "demo"))
import playbook  # noqa: E402

# As many as the ssh role of devsec.hardening 10.6.0 has.
PEER_TASKS = 46


def play(log: Path, *arguments: str, unchanged: bool = False) -> playbook.Result:
    with open(os.devnull, "w", encoding="utf-8") as quiet, contextlib.redirect_stdout(quiet):
        result = playbook.play(["ansible-playbook", *arguments], cwd=ROOT, log=log)
    if result.code != 0 or (unchanged and any(result.changed.values())):
        raise SystemExit(f"{log.read_text(encoding='utf-8')[-4000:]}\n{log.stem}: exit {result.code}, changed {result.changed}")
    return result


def peer_playbook(folder: Path) -> Path:
    """Each task a round trip that changes nothing; connected as site.yml connects."""
    noop = {"name": "Nothing", "ansible.builtin.command": "true", "changed_when": False}
    made = {"name": "Tasks that do nothing", "hosts": "all", "become": True, "gather_facts": False, "tasks": [noop] * PEER_TASKS}
    path = folder / "peer.yml"
    path.write_text(yaml.dump([made], Dumper=_Plain), encoding="utf-8")
    return path


class _Plain(yaml.SafeDumper):
    def ignore_aliases(self, data: object) -> bool:
        return True
