# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module against a stand-in for nvidia-smi that keeps state: not run on a GPU."""

from __future__ import annotations

import os
import shutil
import typing as t
from collections.abc import Callable
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.modules import nvidia_settings

STAND_IN = Path(__file__).parents[1] / "data/nvidia/stand_in_nvidia_smi.py"
Settings = Callable[..., dict[str, t.Any]]


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "bin/nvidia-smi"
    path.parent.mkdir()
    shutil.copy(STAND_IN, path)
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{path.parent}:{os.environ['PATH']}")
    return path


@pytest.fixture
def settings(run_module: Settings, program: Path) -> Settings:
    return lambda **arguments: run_module(nvidia_settings, **arguments)


def test_each_gpu_is_set_once(settings: Settings) -> None:
    wish = {"power_limit": 65.5, "compute_mode": "prohibited", "persistence_mode": True}
    foretold = settings(check_mode=True, **wish)
    done = settings(**wish)
    assert foretold["diff"] == done["diff"]
    assert done["diff"]["after"].count("power limit 65.50 W") == 2
    assert (foretold["gpus"][0]["power_limit"], done["gpus"][1]["power_limit"]) == ("70.00 W", "65.50 W")
    again = settings(**wish)
    assert (done["changed"], again["changed"]) == (True, False)
    assert again["diff"]["before"] == again["diff"]["after"] == done["diff"]["after"]


def test_what_is_not_wished_for_is_left_alone(settings: Settings) -> None:
    nothing, as_it_is = settings(), settings(ecc=True)
    # What was asked for; which versions of Ansible tell it differs.
    for result in (nothing, as_it_is):
        result.pop("invocation", None)
    assert nothing == {**as_it_is, "diff": {"before": "", "after": ""}}


def test_ecc_waits_for_the_next_boot(settings: Settings) -> None:
    assert settings(ecc=False)["notices"][0].startswith("ECC of GPU 0000:3b:00.0 is Disabled after the next boot")
    assert settings(ecc=False)["changed"] is False


def test_what_cannot_be_set_is_refused_before_anything_is_set(settings: Settings) -> None:
    refused = settings(power_limit=30, persistence_mode=True)
    assert refused["failed"]
    assert "power_limit: found 30; expected 60 to 70 W" in refused["msg"]
    assert settings()["gpus"][0]["persistence_mode"] == "Disabled"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("echo 'No devices were found'; exit 6", "nvidia-smi -q -x: No devices were found"),
        ("echo 'Driver/library version mismatch'", "expected what 'nvidia-smi -q -x' prints"),
        ("echo '<nvidia_smi_log/>'", "nvidia-smi names no GPU"),
    ],
)
def test_a_driver_that_does_not_answer_is_told(settings: Settings, program: Path, text: str, says: str) -> None:
    program.write_text(f"#!/bin/sh\n{text}\n")
    result = settings(ecc=True)
    assert result["failed"]
    assert says in result["msg"]


def test_a_setting_that_does_not_take_is_told(settings: Settings, program: Path) -> None:
    program.write_text(f'#!/bin/sh\n[ "$1" != -i ] || exit 0\nexec {STAND_IN} "$@"\n')
    result = settings(power_limit=65)
    assert result["failed"]
    assert "nvidia-smi has not set power limit of GPU 0000:3b:00.0: 70.00 W, expected 65.00 W" in result["msg"]
