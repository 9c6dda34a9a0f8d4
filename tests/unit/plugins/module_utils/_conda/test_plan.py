# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._conda.actual import Actual, as_lines
from ansible_collections.openlab.research_server.plugins.module_utils._conda.manifest import Manifest
from ansible_collections.openlab.research_server.plugins.module_utils._conda.plan import Plan, reasons
from ansible_collections.openlab.research_server.plugins.module_utils._conda.records import Package

LIB = Package("lib", "1", "0", "c")
APP = Package("app", "1", "0", "c")
PIP = Package("x", "1", "pypi_0", "pypi")


HAND = "records of conda or pip were changed by hand: conda-meta/state"


def built(digest: str = "d") -> Manifest:
    return Manifest("/p", digest, (APP, LIB), (PIP,), ("x",), (), "q", "t")


@pytest.mark.parametrize(
    ("actual", "drift", "expected"),
    [
        (Actual(), "", ("the environment does not exist",)),
        (Actual(True), "", ("it was not built by this module, or was never finished",)),
        (Actual(True, built()), "", ()),
        (Actual(True, built("other")), "", ("the specification has changed",)),
        (Actual(True, built(), (APP,), (PIP,)), HAND, ("conda package lib 1 0 c is missing",)),
        (Actual(True, built(), (APP, LIB), ()), HAND, ("pip package x 1 pypi_0 pypi is missing",)),
        (Actual(True, built(), (APP, LIB), (PIP,)), HAND, (HAND,)),
        (Actual(True, built(), (APP, LIB), (PIP,), "record r cannot be read"), HAND, ("record r cannot be read",)),
        (
            Actual(True, built("other"), (APP, LIB, Package("new", "1", "0", "c")), (PIP,)),
            HAND,
            ("the specification has changed", "conda package new 1 0 c was added"),
        ),
    ],
)
def test_reasons(actual: Actual, drift: str, expected: tuple[str, ...]) -> None:
    assert reasons(actual, "d", drift) == expected


def test_a_plan_reads_as_lines() -> None:
    actual = Actual(True, built(), (APP, LIB), (PIP, Package("hand", "2", "pypi_0", "pypi")))
    after = as_lines([Package("lib", "2", "0", "c"), APP], ["x", "--index-url https://u:secret@h.example"])
    plan = Plan("replace", ("why",), tuple(actual.lines()), tuple(after))
    assert plan.to_dict() == {
        "action": "replace",
        "reasons": ["why"],
        "install": ["lib 2 0 c", "pip: --index-url https://***@h.example"],
        "remove": ["hand 2 pypi_0 pypi", "lib 1 0 c"],
    }
    assert plan.diff("h")["before"] == "app 1 0 c\nhand 2 pypi_0 pypi\nlib 1 0 c\npip: x\n"
    assert Plan().changed is False


def test_a_change_is_never_told_without_its_cause() -> None:
    """Also where the packages are the same on both sides, such as when their records were edited."""
    plan = Plan("replace", ("records were changed by hand",), ("a 1",), ("a 1",))
    assert plan.diff("x")["before"] == "records were changed by hand\na 1\n" and plan.diff("x")["after"] == "a 1\n"
    assert Plan("none", (), ("a 1",), ("a 1",)).diff("x")["before"] == "a 1\n"
