# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._nvidia import cuda, pci
from ansible_collections.openlab.research_server.plugins.module_utils._nvidia.cuda import Need, Offer, judge

A100 = ("ampere",)
RECORDED = json.loads((Path(__file__).parents[2] / "data/nvidia/driver_cuda.json").read_text(encoding="utf-8"))["drivers"]


def host(driver: str, *generations: str) -> Offer:
    return Offer(driver, cuda.offered(driver), generations or A100)


def test_the_table_is_in_order() -> None:
    rows = [(version, cuda.key(driver)) for version, driver in cuda.TOOLKITS]
    assert rows == sorted(rows)
    assert [driver for _version, driver in rows] == sorted(driver for _version, driver in rows)
    assert all(cuda.offered(driver).startswith(f"{major}.") or major == 11 for major, driver in cuda.MINIMUM.items())


@pytest.mark.parametrize(("driver", "said"), RECORDED.items())
def test_the_table_says_what_drivers_say_of_themselves(driver: str, said: str) -> None:
    assert cuda.offered(driver) == said


@pytest.mark.parametrize(
    ("driver", "expected"),
    [
        ("550.163.01", "12.4"),  # Debian 13
        ("535.261.03", "12.2"),  # Debian 12
        ("580.65.06", "13.0"),
        ("575.57.08", "12.9"),
        ("580.65.05", "12.9"),
        ("550.54.13", "12.3"),  # not yet the one that came with 12.4
        ("470.256.02", "11.4"),
        ("550", "12.4"),  # a branch alone
        ("580", "13.0"),
        ("1000.1.1", cuda.text(cuda.TOOLKITS[-1][0])),
        ("340.108", ""),
        ("new", ""),
        ("9" * 5000, cuda.text(cuda.TOOLKITS[-1][0])),
        ("", ""),
    ],
)
def test_a_driver_offers(driver: str, expected: str) -> None:
    assert cuda.offered(driver) == expected


def test_the_oldest_of_a_fleet_counts_and_versions_are_numbers() -> None:
    offers = [Offer("", cuda="12.10"), Offer("", cuda="12.8"), Offer(), Offer("", "", A100)]
    assert cuda.oldest(offers) == "12.8"
    assert cuda.oldest([Offer()]) == ""


@pytest.mark.parametrize(
    ("offer", "need", "problem"),
    [
        (
            host("550.163.01"),
            Need((13, 0), "cuda-version"),
            "cuda-version is for CUDA 13.0, which needs NVIDIA driver 580.65.06 or newer; "
            "found driver 550.163.01, which offers CUDA 12.4",
        ),
        (
            host("470.256.02"),
            Need((12, 4), "torch 2.6.0+cu124"),
            "needs NVIDIA driver 525.60.13 or newer; found driver 470.256.02",
        ),
        (host("450.80.02"), Need((11, 8), "cudatoolkit 11.8"), ""),
        (host("440.100"), Need((11, 0), "cudatoolkit 11.0"), "needs NVIDIA driver 450.80.02 or newer"),
        (host("418.87"), Need((10, 2), "cudatoolkit 10.2"), "needs NVIDIA driver 440.33 or newer; found driver 418.87"),
        (host("550.163.01"), Need((12, 8), "magma"), ""),
        (
            host("550.163.01"),
            Need((12, 8), "magma", strict=True),
            "magma is for CUDA 12.8 or newer, which needs NVIDIA driver 570.26",
        ),
        (host("550.163.01"), Need((11, 8), "cudatoolkit 11.8"), ""),
        (
            host("580.95.05", "pascal"),
            Need((13, 0), "cuda-version"),
            "does not know the GPUs (pascal) any more; CUDA 12 was the last",
        ),
        (host("580.95.05", "volta"), Need((12, 9), "cuda-version"), ""),
        (Offer(cuda="12.4"), Need((13, 0), "cuda-version"), "found CUDA 12.4"),  # stated, not found
    ],
)
def test_what_cannot_run_is_named_with_both_versions(offer: Offer, need: Need, problem: str) -> None:
    found = judge([need], offer)
    assert problem in found.problem if problem else not found.problem


@pytest.mark.parametrize(
    ("offer", "need", "note"),
    [
        (host("550.163.01"), Need((12, 8), "magma"), "by NVIDIA's minor-version compatibility"),
        (host("580.95.05", "blackwell"), Need((12, 4), "torch 2.6.0+cu124"), "generation blackwell need CUDA 12.8"),
        (host("580.95.05", "pascal", "ada"), Need((13, 0), "cuda-version"), "it uses the other GPUs"),
        (Offer("", "", A100), Need((12, 4), "cuda-version"), "not known"),
        (Offer("", "", A100), Need((10, 2), "cudatoolkit"), "generation ampere need CUDA 11.0"),
        (host("700.10.01"), Need((15, 0), "cuda-version"), "a newer one that is not known yet"),
    ],
)
def test_what_may_not_be_as_expected_is_told(offer: Offer, need: Need, note: str) -> None:
    found = judge([need], offer)
    assert not found.problem
    assert any(note in line for line in found.notes), found


def test_the_greatest_of_several_needs_decides() -> None:
    needs = [Need((11, 8), "old"), Need((13, 0), "new"), Need((12, 0), "middle")]
    assert judge(needs, host("550.163.01")).problem.startswith("new is for CUDA 13.0")


def test_forward_compatibility_is_for_some_gpus_only() -> None:
    helps = Need(cuda.UNKNOWN, "'cuda-compat'", forward=True)
    wants = [Need((13, 0), "torch 2.9.0+cu130")]
    assert judge(wants, host("550.163.01")).problem
    found = judge(cuda.beside(wants, [Need((13, 0), "cuda-version"), helps]), host("550.163.01"))
    assert not found.problem and "data centre GPUs only" in found.notes[0]
    assert cuda.beside([], [helps]) == [] and judge([helps], host("550.163.01")) == cuda.Verdict()


def test_before_there_is_a_driver_the_gpus_are_judged() -> None:
    found = judge([Need((13, 0), "cuda-version")], Offer("", "", ("pascal",)))
    assert "does not know the GPUs (pascal) any more" in found.problem


def test_a_driver_older_than_the_table_is_too_old() -> None:
    found = judge([Need((12, 4), "cuda-version")], Offer("340.108", "", ("kepler",)))
    assert "found driver 340.108, older than that of CUDA 8.0" in found.problem


def test_minor_version_compatibility_begins_with_a_driver() -> None:
    wants = [Need((11, 8), "cudatoolkit 11.8")]
    assert "needs NVIDIA driver 450.80.02 or newer" in judge(wants, host("450.57")).problem
    assert not judge(wants, host("450.80.02")).problem and not judge([Need((11, 0), "cudatoolkit 11.0")], host("450.57")).problem


@pytest.mark.parametrize(("generation", "version"), [("ada", (11, 3)), ("turing", (9, 2))])
def test_a_gpu_runs_programs_for_an_earlier_one_of_its_kind(generation: str, version: cuda.Version) -> None:
    assert judge([Need(version, "torch")], host("580.95.05", generation)) == cuda.Verdict()


@pytest.mark.parametrize("offer", [Offer(), host("580.95.05"), host("580.95.05", "rubin", "unknown")])
def test_most_have_nothing_to_be_told(offer: Offer) -> None:
    assert judge([], offer) == cuda.Verdict()
    assert judge([Need((13, 0), "cuda-version")], offer) == cuda.Verdict()


def test_generations_are_those_of_the_pci_table() -> None:
    assert set(cuda.GENERATIONS) <= set(pci.ARCHITECTURES)
