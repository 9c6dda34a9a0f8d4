# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What bootstrap.yml says about a host, for each way in which a run may have gone."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

try:
    from ansible.template import trust_as_template
except ImportError:  # ansible-core 2.18 asks for no trust

    def trust_as_template(value: str) -> str:
        return value


(PLAY,) = yaml.safe_load((Path(__file__).parents[2] / "playbooks" / "bootstrap.yml").read_text(encoding="utf-8"))
EXAMINE = next(task for task in PLAY["tasks"] if task["name"] == "Examine the host")
SAME, CHANGED = {"changed": False}, {"changed": True}


@pytest.mark.parametrize(
    ("user", "pinned", "packages", "accounts", "check", "told"),
    [
        ("ops", SAME, SAME, SAME, False, "already bootstrapped"),
        ("ops", SAME, SAME, SAME, True, "already bootstrapped"),
        # An earlier run has ended before its end.
        ("ops", SAME, SAME, CHANGED, False, "reached as ops with a key; what was left to do is done"),
        ("ops", SAME, CHANGED, SAME, False, "reached as ops with a key; what was left to do is done"),
        ("ops", CHANGED, SAME, SAME, False, "reached as ops with a key; what was left to do is done"),
        ("ops", SAME, SAME, CHANGED, True, "reached as ops with a key; what was left to do would be done"),
        ("root", SAME, SAME, SAME, False, "reached as root with a key; from now on as ops"),
        ("root", CHANGED, CHANGED, CHANGED, False, "reached as root with a key; from now on as ops"),
    ],
)
def test_a_host_is_called_bootstrapped_if_there_was_nothing_left_to_do(
    user: str, pinned: dict[str, t.Any], packages: dict[str, t.Any], accounts: dict[str, t.Any], check: bool, told: str
) -> None:
    variables = {
        "ansible_user": "ops",
        "ansible_check_mode": check,
        "__sshd_contact": {"user": user, "by": "key", **pinned},
        "__first_packages": packages,
        "__accounts_given": accounts,
        **{name: trust_as_template(text) for name, text in EXAMINE["vars"].items()},
    }
    templar = Templar(DataLoader(), variables=variables)
    assert templar.template(trust_as_template(EXAMINE["openlab.research_server.doctor"]["note"])) == told
