# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._conda.errors import SpecificationError
from ansible_collections.openlab.research_server.plugins.module_utils._conda.slips import check


@pytest.mark.parametrize(
    "line",
    [
        "numpy >=1.26,<2",
        "requests[socks]==2.32 ; python_version < '3.12' --hash=sha256:0",
        "numpy  # “best” \u2013 really, num\u200bpy - and more",
        "# \u2013 a remark - with all of it",
        "x @ https://h.example/Jürgen/数据.whl",
        "-e /srv/Größe",
        "a\tb",
        "python-dateutil",
    ],
)
def test_what_is_no_slip(line: str) -> None:
    check(line)


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("numpy\u00a0==1", "NO-BREAK SPACE .U.00A0. as character 6 of .*'; expected ' '"),
        ("\ufeffnumpy", "ZERO WIDTH NO-BREAK SPACE .U.FEFF. as character 1"),
        ("numpy\u3000>1", "IDEOGRAPHIC SPACE"),
        ("numpy\uff1e1", "FULLWIDTH GREATER-THAN SIGN .U.FF1E. as character 6 of 'numpy\uff1e1'; expected '>'"),
        ("numpy \u2212-pre", "MINUS SIGN"),
        ("\u201cnumpy\u201d", "LEFT DOUBLE QUOTATION MARK"),
        ("numpy\u202e", "RIGHT-TO-LEFT OVERRIDE"),
        ("numpy\x07", "no printable sign .U.0007."),
        ("numpy - scipy", "two items in one"),
        ("numpy -\tscipy", "two items in one"),
    ],
)
def test_a_slip_is_named(line: str, says: str) -> None:
    with pytest.raises(SpecificationError, match=says) as caught:
        check(line)
    assert caught.value.cause.isprintable() or "\u00a0" in line or "\u3000" in line


def test_a_name_of_conda_has_no_letter_of_another_script() -> None:
    check("p\u0430ndas")
    with pytest.raises(SpecificationError, match="CYRILLIC SMALL LETTER A"):
        check("p\u0430ndas", ascii_only=True)
