# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

from ansible_collections.openlab.research_server.plugins.module_utils._jupyter.gpus import COMMON, Gpu, present, share

FIRST, SECOND = (Gpu(number, f"GPU-{number:08d}-0000-0000-0000-000000000000") for number in range(2))
MIG = "MIG-00000000-0000-0000-0000-000000000001"
# As the driver of an H200 wrote it.
RECORDED = Path(__file__).parents[2] / "data/nvidia/h200-information.txt"


def test_the_gpus_are_read(tmp_path: Path) -> None:
    assert present(str(tmp_path / "absent")) == []
    (tmp_path / "0000:0b:00.0").mkdir()
    recorded = RECORDED.read_text(encoding="utf-8")
    (tmp_path / "0000:0b:00.0" / "information").write_text(recorded)
    (tmp_path / "0000:0c:00.0").mkdir()
    (tmp_path / "0000:0d:00.0").mkdir()
    (tmp_path / "0000:0d:00.0" / "information").write_text(
        recorded.replace("GPU-00000000", "GPU-00000001").replace("Minor: \t 0", "Minor: \t 1")
    )
    assert present(str(tmp_path)) == [FIRST, SECOND]


def test_all_of_them_is_what_the_unit_has() -> None:
    for wanted in (None, ["all"], ["0", "all"]):
        assert share(wanted, [FIRST]).devices is None and share(wanted, [FIRST]).visible is None


def test_none_is_none() -> None:
    assert share([], [FIRST]) == ([], "", "")


def test_one_is_named_by_number_or_uuid_and_shown_by_uuid() -> None:
    for word in (1, "1", SECOND.uuid):
        assert share([word], [FIRST, SECOND]) == (["/dev/char/195:1", *COMMON], SECOND.uuid, "")


def test_one_that_is_named_twice_is_shown_once() -> None:
    """A person's groups may name it in different ways."""
    assert share([1, SECOND.uuid, "1"], [FIRST, SECOND]) == share([1], [FIRST, SECOND])


def test_devices_that_are_no_gpus_stay() -> None:
    for wanted, visible in (([], ""), ([7], ""), ([1], SECOND.uuid)):
        found = share(wanted, [FIRST, SECOND], ["/dev/fuse"])
        assert found.devices is not None and found.devices[0] == "/dev/fuse" and found.visible == visible


def test_without_the_driver_the_numbers_are_taken_as_they_are() -> None:
    assert share([0, 2], []) == (["/dev/char/195:0", "/dev/char/195:2", *COMMON], "0,2", "")


def test_instances_are_told_apart_by_the_variable_alone() -> None:
    assert share([MIG], [FIRST]) == (["/dev/char/195:0", *COMMON, "char-nvidia-caps"], MIG, "")


def test_a_gpu_that_is_not_there_is_told_and_gives_none() -> None:
    found = share([7], [FIRST, SECOND])
    assert (found.devices, found.visible) == ([], "") and "found 7; expected GPUs of this host: 0 (GPU-00000000-" in found.problem
