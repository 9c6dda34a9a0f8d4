# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values that nvidia-smi said on real machines: telegraf's and netdata's test data, and an H200 of this collection's own."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._nvidia import smi

H200 = Path(__file__).parents[2] / "data/nvidia/h200-nvidia-smi.xml"
NEWER = ("gpu_power_readings", "<requested_power_limit>{limit}</requested_power_limit>")
OLDER = ("power_readings", "<power_limit>{limit}</power_limit><enforced_power_limit>1.00 W</enforced_power_limit>")


class Said(t.NamedTuple):
    """What one GPU said, and in which form."""

    form: tuple[str, str]
    persistence: str
    limit: str
    least: str
    most: str
    ecc: str


RECORDED = {
    "T4, 515.105.01": Said(OLDER, "Disabled", "70.00 W", "60.00 W", "70.00 W", "Enabled"),
    "A100 with MIG, 510.47.03": Said(OLDER, "Disabled", "400.00 W", "100.00 W", "400.00 W", "Enabled"),
    "RTX 3090, 525.147.05": Said(OLDER, "Enabled", "200.00 W", "100.00 W", "375.00 W", "N/A"),
    "A100 with MIG, 535.54.03": Said(NEWER, "Disabled", "500.00 W", "100.00 W", "500.00 W", "Enabled"),
    "RTX PRO 6000, 590.44.01": Said(NEWER, "Enabled", "300.00 W", "250.00 W", "325.00 W", "Disabled"),
    "RTX 4000 Ada, 595.84": Said(NEWER, "Enabled", "70.00 W", "30.00 W", "70.00 W", "Disabled"),
}


def xml(said: Said) -> str:
    room, limit = said.form
    return (
        '<?xml version="1.0" ?>\n<!DOCTYPE nvidia_smi_log SYSTEM "nvsmi_device_v12.dtd">\n<nvidia_smi_log>'
        f'<gpu id="00000000:3B:00.0"><product_name>GPU</product_name><persistence_mode>{said.persistence}</persistence_mode>'
        f"<compute_mode>Default</compute_mode><ecc_mode><current_ecc>{said.ecc}</current_ecc><pending_ecc>{said.ecc}</pending_ecc>"
        f"</ecc_mode><{room}>{limit.format(limit=said.limit)}<min_power_limit>{said.least}</min_power_limit>"
        f"<max_power_limit>{said.most}</max_power_limit></{room}><module_power_readings><requested_power_limit>N/A"
        "</requested_power_limit></module_power_readings></gpu></nvidia_smi_log>"
    )


@pytest.mark.parametrize("name", RECORDED)
def test_every_form_is_read(name: str) -> None:
    said = RECORDED[name]
    assert smi.parse(xml(said)) == [
        smi.Gpu("0000:3b:00.0", "GPU", said.persistence, "Default", said.limit, said.least, said.most, said.ecc, said.ecc)
    ]


def test_the_h200_is_read_as_it_was() -> None:
    assert smi.parse(H200.read_text(encoding="utf-8")) == [
        smi.Gpu(
            "0000:00:06.0", "NVIDIA H200", "Enabled", "Default", "700.00 W", "200.00 W", "700.00 W", "Enabled", "Enabled"
        )._replace(mig="Disabled", mig_next="Disabled")
    ]


@pytest.mark.parametrize("text", ["", "Failed to initialize NVML: Driver/library version mismatch", "<nvidia_smi_log>"])
def test_no_answer_is_none(text: str) -> None:
    with pytest.raises(ValueError, match="expected what 'nvidia-smi -q -x' prints"):
        smi.parse(text)


def gpu(name: str) -> list[smi.Gpu]:
    return smi.parse(xml(RECORDED[name]))


@pytest.mark.parametrize(
    ("name", "wish", "arguments"),
    [
        ("T4, 515.105.01", {}, []),
        ("T4, 515.105.01", {"power_limit": 60, "persistence_mode": True}, [("-pm", "1"), ("-pl", "60")]),
        ("T4, 515.105.01", {"power_limit": 70, "persistence_mode": False, "ecc": True, "compute_mode": "default"}, []),
        (
            "A100 with MIG, 535.54.03",
            {"compute_mode": "exclusive_process", "ecc": False},
            [("-c", "EXCLUSIVE_PROCESS"), ("-e", "0")],
        ),
        ("RTX PRO 6000, 590.44.01", {"ecc": True, "power_limit": 262.5}, [("-pl", "262.5"), ("-e", "1")]),
        ("RTX 3090, 525.147.05", {"power_limit": 200}, []),
    ],
)
def test_what_differs_is_set(name: str, wish: dict[str, t.Any], arguments: list[tuple[str, str]]) -> None:
    assert smi.problems(gpu(name), smi.Wish(**wish)) == []
    assert [step.arguments for step in smi.steps(gpu(name), smi.Wish(**wish))] == arguments


@pytest.mark.parametrize(
    ("name", "wish", "says"),
    [
        ("RTX 3090, 525.147.05", {"ecc": True}, "ecc: GPU 0000:3b:00.0 (GPU) has none that could be set"),
        ("T4, 515.105.01", {"power_limit": 250}, "power_limit: found 250; expected 60 to 70 W for GPU 0000:3b:00.0 (GPU)"),
        ("RTX PRO 6000, 590.44.01", {"power_limit": 200}, "power_limit: found 200; expected 250 to 325 W"),
    ],
)
def test_what_a_gpu_does_not_have_is_told(name: str, wish: dict[str, t.Any], says: str) -> None:
    (problem,) = smi.problems(gpu(name), smi.Wish(**wish))
    assert problem.startswith(says)


def test_a_gpu_without_a_limit_of_its_own_is_told() -> None:
    (without,) = gpu("T4, 515.105.01")
    (problem,) = smi.problems([without._replace(power_limit="N/A", least="N/A", most="N/A")], smi.Wish(power_limit=60))
    assert "has none that could be set" in problem


def test_ecc_waits_for_the_next_boot() -> None:
    (found,) = gpu("T4, 515.105.01")
    assert smi.waiting([found]) == []
    assert smi.waiting([found._replace(ecc="Disabled")]) == [
        "ECC of GPU 0000:3b:00.0 is Disabled after the next boot, Enabled until then"
    ]
