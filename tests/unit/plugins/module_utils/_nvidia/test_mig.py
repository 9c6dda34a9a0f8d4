# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Values that nvidia-smi said of real GPUs that are divided: the sources are those of the room, and telegraf's test data."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._nvidia import mig, smi

DATA = Path(__file__).parents[2] / "data/nvidia"
# An A100 with 40 GB: name, profile, instance, start and size.
A100_PARTS = [("1g.5gb", 19, 13, "6:1"), ("2g.10gb", 14, 5, "4:2"), ("4g.20gb", 5, 1, "0:4")]
# Name, number, free and total.
A100 = [("1g.5gb", 19, "0/7"), ("2g.10gb", 14, "0/3"), ("3g.20gb", 9, "0/2"), ("4g.20gb", 5, "0/1"), ("7g.40gb", 0, "0/1")]
PLACES = [(19, "s: {0,1,2,3,4,5,6}:1"), (14, "s: {0,2,4}:2"), (9, "s: {0,4}:4"), (5, " : {0}:4"), (0, " : {0}:8")]
H100 = [
    ("1g.10gb", 19, "7/7"),
    ("1g.10gb+me", 20, "1/1"),
    ("1g.20gb", 15, "4/4"),
    ("2g.20gb", 14, "3/3"),
    ("3g.40gb", 9, "2/2"),
    ("4g.40gb", 5, "1/1"),
    ("7g.80gb", 0, "1/1"),
]
A30 = [("1g.6gb", 14, "4/4"), ("1g.6gb+me", 21, "1/1"), ("2g.12gb", 5, "2/2"), ("4g.24gb", 0, "1/1")]
A30_PLACES = [(14, "s: {0,1,2,3}:1"), (21, "s: {0,1,2,3}:1"), (5, "s: {0,2}:2"), (0, " : {0}:4")]


def listing(rows: list[tuple[str, int, str]], places: list[tuple[int, str]]) -> mig.Profiles:
    table = "".join(
        f"|   0  MIG {name:<14} {number:>3}     {count}        9.75       No     16     1     0   |\n"
        f"|{' ' * 61}1     1     0   |\n+{'-' * 77}+\n"
        for name, number, count in rows
    )
    return mig.profiles(table, "\n".join(f"GPU  0 Profile ID {number:>2} Placement{where}" for number, where in places))


@pytest.mark.parametrize("bar", ["|", "||"], ids=["as it is", "as in a document"])
def test_the_parts_of_an_a100_are_read(bar: str) -> None:
    table = "+---+\n| GPU instances:   |\n| GPU   Name   Profile  Instance   Placement  |\n|====|\n" + "".join(
        f"{bar}   0  MIG {name}       {profile:>2}       {number:>2}          {place}     |\n+---+\n"
        for name, profile, number, place in A100_PARTS
    )
    assert mig.parts(table, (1, 5, 13)) == ("1g.5gb", "2g.10gb", "4g.20gb")
    assert mig.parts(table, (1, 1, 13)) == ("1g.5gb", "2g.10gb with 0 compute instances", "4g.20gb with 2 compute instances")
    assert mig.parts("No GPU instances found: Not Found", ()) == ()


def test_the_compute_instances_of_an_a100_are_read() -> None:
    """Of the second GPU of telegraf's a100-sxm4-v12.xml."""
    devices = "".join(
        f"<mig_device><index>{index}</index><gpu_instance_id>{number}</gpu_instance_id><compute_instance_id>0</compute_instance_id>"
        "</mig_device>"
        for index, number in enumerate((3, 4, 5, 6))
    )
    (gpu,) = smi.parse(
        '<nvidia_smi_log><gpu id="00000000:01:00.0"><mig_mode><current_mig>Enabled</current_mig><pending_mig>Enabled</pending_mig>'
        f"</mig_mode><mig_devices>\n{devices}</mig_devices><processes></processes></gpu></nvidia_smi_log>"
    )
    assert (gpu.mig, gpu.mig_next, gpu.compute_instances, gpu.processes) == ("Enabled", "Enabled", (3, 4, 5, 6), ())


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        (["7g.40gb"], True),
        (["4g.20gb", "2g.10gb", "1g.5gb"], True),
        (["1g.5gb", "2g.10gb", "4g.20gb"], True),
        (["3g.20gb", "3g.20gb"], True),
        (["4g.20gb", "3g.20gb"], True),
        (["2g.10gb"] * 3 + ["1g.5gb"], True),
        (["1g.5gb"] * 7, True),
        (["1g.5gb"] * 8, False),
        (["2g.10gb"] * 3 + ["1g.5gb"] * 2, False),
        (["4g.20gb", "4g.20gb"], False),
        (["3g.20gb", "3g.20gb", "1g.5gb"], False),
        (["7g.40gb", "1g.5gb"], False),
    ],
)
def test_what_an_a100_has_room_for(wanted: list[str], fits: bool) -> None:
    assert mig.fit(wanted, listing(A100, PLACES)) is fits


@pytest.mark.parametrize(("wanted", "fits"), [(["2g.12gb", "1g.6gb", "1g.6gb"], True), (["2g.12gb", "2g.12gb", "1g.6gb"], False)])
def test_what_an_a30_has_room_for(wanted: list[str], fits: bool) -> None:
    assert mig.fit(wanted, listing(A30, A30_PLACES)) is fits


@pytest.mark.parametrize(
    ("wanted", "fits"),
    [
        (["7g.141gb"], True),
        (["1g.18gb"] * 7, True),
        (["1g.18gb+me"] + ["1g.18gb"] * 6, True),
        (["1g.35gb"] * 4, True),
        (["3g.71gb", "2g.35gb", "1g.18gb"], True),
        (["4g.71gb", "3g.71gb"], True),
        (["1g.18gb"] * 8, False),
        (["1g.18gb+me"] * 2, False),
        (["1g.35gb"] * 4 + ["1g.18gb"], False),
        (["3g.71gb", "3g.71gb", "1g.18gb"], False),
    ],
)
def test_what_an_h200_has_room_for(wanted: list[str], fits: bool) -> None:
    """As the driver 580.159.04 of a machine with one said it: recorded, not composed."""
    known = mig.profiles(*((DATA / f"h200-mig-{name}.txt").read_text(encoding="utf-8") for name in ("profiles", "placements")))
    assert sorted(known) == ["1g.18gb", "1g.18gb+me", "1g.35gb", "2g.35gb", "3g.71gb", "4g.71gb", "7g.141gb"]
    assert mig.fit(wanted, known) is fits


def test_without_places_the_number_of_each_is_what_is_known() -> None:
    known = listing(H100, [])
    assert mig.fit(["3g.40gb", "3g.40gb", "1g.10gb"], known)
    assert not mig.fit(["3g.40gb"] * 3, known)


def test_a_gpu_with_an_address_of_its_own_is_no_longer_one_of_all() -> None:
    gpus = [smi.Gpu(f"0000:0{number}:00.0", "H100", *[""] * 7) for number in range(3)]
    assert mig.wished(gpus, {"all": ["7g.80gb"], "0000:01:00.0": []}) == {
        "0000:00:00.0": ("7g.80gb",),
        "0000:01:00.0": (),
        "0000:02:00.0": ("7g.80gb",),
    }
    assert mig.wished(gpus, {"0000:01:00.0": ["7g.80gb"]}) == {"0000:01:00.0": ("7g.80gb",)}
