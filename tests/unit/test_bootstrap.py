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


@pytest.mark.parametrize(
    ("user", "changed", "check", "told"),
    [
        ("ops", "", False, "already bootstrapped"),
        ("ops", "", True, "already bootstrapped"),
        # An earlier run has ended before its end.
        ("ops", "__accounts_given", False, "reached as ops with a key; what was left to do is done"),
        ("ops", "__first_packages", False, "reached as ops with a key; what was left to do is done"),
        ("ops", "__sshd_contact", False, "reached as ops with a key; what was left to do is done"),
        ("ops", "__accounts_given", True, "reached as ops with a key; what was left to do would be done"),
        ("root", "", False, "reached as root with a key; from now on as ops"),
        ("root", "__accounts_given", False, "reached as root with a key; from now on as ops"),
    ],
)
def test_a_host_is_called_bootstrapped_if_there_was_nothing_left_to_do(user: str, changed: str, check: bool, told: str) -> None:
    results: dict[str, dict[str, t.Any]] = {
        "__sshd_contact": {"user": user, "by": "key"},
        "__first_packages": {},
        "__accounts_given": {},
    }
    variables = {
        "ansible_user": "ops",
        "ansible_check_mode": check,
        **{name: {**result, "changed": name == changed} for name, result in results.items()},
        **{name: trust_as_template(text) for name, text in EXAMINE["vars"].items()},
    }
    templar = Templar(DataLoader(), variables=variables)
    assert templar.template(trust_as_template(EXAMINE["openlab.research_server.doctor"]["note"])) == told
