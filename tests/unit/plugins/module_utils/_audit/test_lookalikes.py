# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._audit.lookalikes import OTHERS, POPULAR, mistaken_for
from ansible_collections.openlab.research_server.plugins.module_utils._conda.records import normal
from ansible_collections.openlab.research_server.plugins.module_utils._jupyter.kernels import line_name
from ansible_collections.openlab.research_server.tests.data.corpus import Case, cases, understand

CASES = [case for case in cases() if case.valid]


@pytest.mark.parametrize(
    ("name", "popular"),
    [
        ("reqeusts", "requests"),
        ("request", "requests"),
        ("requestss", "requests"),
        ("requezts", "requests"),
        ("numpyy", "numpy"),
        ("nunpy", "numpy"),
        ("pnadas", "pandas"),
        ("panda", "pandas"),
        ("scikitlearn", "scikit-learn"),
        ("tensor-flow", "tensorflow"),
        ("python-requests", "requests"),
        ("requests-python", "requests"),
        ("pytorhc", "pytorch"),
        ("matplotlip", "matplotlib"),
        ("pyhton", "python"),
    ],
)
def test_one_slip_is_found(name: str, popular: str) -> None:
    assert mistaken_for(name) == popular


@pytest.mark.parametrize(
    "name",
    ["numpy", "jax", "six", "pip", "python-dateutil", "scapy", "fastai", "dateutil", "pandoc", "numpydoc", "libpng", "r-base"],
)
def test_packages_of_their_own_are_not(name: str) -> None:
    assert mistaken_for(name) == ""


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
def test_no_environment_file_of_the_tests_has_one(case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in case.expected.get("environment", {}).items():
        monkeypatch.setenv(name, value)
    specification = understand(case, case.write(tmp_path))
    names = [normal(line_name(line)) for line in (*specification.conda, *specification.pip)]
    assert {name: mistaken_for(name) for name in names if mistaken_for(name)} == {}


def test_the_lists_are_in_normal_form_and_say_nothing_twice() -> None:
    assert {name for name in POPULAR | OTHERS if name != normal(name)} == set()
    assert not POPULAR & OTHERS
    assert len(POPULAR) >= 150


def test_no_exception_is_idle() -> None:
    """Each of the others would be a finding if it were not on the list."""
    alone = [name for name in OTHERS if not _near(name)]
    assert alone == []


def _near(name: str) -> bool:
    """By the definition, in other words than the module's."""
    for popular in POPULAR:
        plain = popular.removeprefix("python-")
        if name.replace("-", "") == popular.replace("-", "") or name in (plain, f"python-{popular}", f"{popular}-python"):
            return True
        if len(popular) >= 5 and _distance(name, popular) == 1:
            return True
    return False


def _distance(one: str, other: str) -> int:
    """Optimal string alignment."""
    rows = [[max(left, right) if 0 in (left, right) else 0 for right in range(len(other) + 1)] for left in range(len(one) + 1)]
    for left in range(1, len(one) + 1):
        for right in range(1, len(other) + 1):
            cost = int(one[left - 1] != other[right - 1])
            rows[left][right] = min(rows[left - 1][right] + 1, rows[left][right - 1] + 1, rows[left - 1][right - 1] + cost)
            if left > 1 and right > 1 and one[left - 1] == other[right - 2] and one[left - 2] == other[right - 1]:
                rows[left][right] = min(rows[left][right], rows[left - 2][right - 2] + 1)
    return rows[-1][-1]
