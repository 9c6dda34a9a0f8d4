# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._nvidia.cuda import Offer
from ansible_collections.openlab.research_server.plugins.module_utils._nvidia.reading import Gpus, read_gpus
from ansible_collections.openlab.research_server.tests.unit.plugins import nvidia_tree

MACHINES = json.loads((Path(__file__).parents[2] / "data/nvidia/machines.json").read_text(encoding="utf-8"))["machines"]
DEBIAN_13 = "550.163.01"


def gpus(root: Path, machine: str, *libraries: str, loaded: str = "") -> Gpus:
    nvidia_tree.write(root / "sys", MACHINES[machine]["functions"], loaded=loaded)
    for version in libraries:
        path = root / f"usr/lib/x86_64-linux-gnu/libcuda.so.{version}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return read_gpus(root, root / "sys", root / "proc")


@pytest.mark.parametrize(
    ("machine", "libraries", "loaded", "expected"),
    [
        ("a100", [DEBIAN_13], DEBIAN_13, Gpus(Offer(DEBIAN_13, "12.4", ("ampere",)), loaded=True)),
        ("a100", [DEBIAN_13], "", Gpus(Offer(DEBIAN_13, "12.4", ("ampere",)), loaded=False)),
        # Renewed, and not rebooted yet.
        ("a100", ["580.95.05"], DEBIAN_13, Gpus(Offer("580.95.05", "13.0", ("ampere",)), loaded=True)),
        # Two at once: what both offer.
        ("a100", ["580.95.05", DEBIAN_13], "", Gpus(Offer(DEBIAN_13, "12.4", ("ampere",)), loaded=False)),
        ("h200-recorded", [], MACHINES["h200-recorded"]["loaded"], Gpus(Offer("580.159.04", "13.0", ("hopper",)), loaded=True)),
        ("b200", [], "", Gpus(Offer("", "", ("blackwell",)), loaded=False)),
        ("v100-b200", [DEBIAN_13], "", Gpus(Offer(DEBIAN_13, "12.4", ("volta", "blackwell")), loaded=False)),
        ("no-gpu", [DEBIAN_13], "", Gpus(Offer(), loaded=False)),
        ("h100-lent", [DEBIAN_13], "", Gpus(Offer(), loaded=False)),
    ],
)
def test_what_a_machine_offers(tmp_path: Path, machine: str, libraries: list[str], loaded: str, expected: Gpus) -> None:
    assert gpus(tmp_path, machine, *libraries, loaded=loaded) == expected
