# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._nvidia import pci as nvidia_pci

DATA = Path(__file__).parents[2] / "data/nvidia"
# The letters of a chip's name tell its generation.
GENERATIONS = {
    "GF": "fermi",
    "GK": "kepler",
    "GM": "maxwell",
    "GP": "pascal",
    "GV": "volta",
    "TU": "turing",
    "GA": "ampere",
    "AD": "ada",
    "GH": "hopper",
    "GB": "blackwell",
    "GR": "rubin",
}
KNOWN = [
    line.split(None, 1) for line in (DATA / "pci_ids.txt").read_text(encoding="utf-8").splitlines() if not line.startswith("#")
]


def test_the_table_agrees_with_every_id_of_the_pci_database() -> None:
    wrong = []
    for device, name in KNOWN:
        expected = "grace-hopper" if "GH200" in name else GENERATIONS[name[:2]]
        found = nvidia_pci.architecture(int(device, 16))
        if found != expected:
            wrong.append((device, name, found))
    assert len(KNOWN) > 900
    assert not wrong


@pytest.mark.parametrize("device", [0x0000, 0x0FBF, 0x10C0, 0x2000, 0x2600, 0x3500, 0xFFFF])
def test_an_id_outside_the_table_is_unknown(device: int) -> None:
    assert nvidia_pci.architecture(device) == "unknown"


def test_blocks_are_in_order_and_apart() -> None:
    edges = [edge for first, last, _name in nvidia_pci.BLOCKS for edge in (first, last + 1)]
    assert edges == sorted(edges)
    assert {name for _first, _last, name in nvidia_pci.BLOCKS} == set(nvidia_pci.ARCHITECTURES)


def test_each_generation_has_modules_and_branches_that_make_sense() -> None:
    for name, needs in nvidia_pci.ARCHITECTURES.items():
        assert needs.open or needs.proprietary, name
        assert needs.last_branch is None or needs.first_branch <= needs.last_branch, name


@pytest.mark.parametrize(
    ("vendor", "kind", "expected"),
    [
        ("0x10de", "0x030000", True),
        ("0x10de", "0x030200", True),
        ("0x10de", "0x040300", False),
        ("0x10de", "0x068000", False),
        ("0x1002", "0x030000", False),
    ],
)
def test_a_gpu_is_a_display_controller_by_nvidia(vendor: str, kind: str, expected: bool) -> None:
    assert nvidia_pci.is_gpu({"vendor": vendor, "class": kind}) is expected
