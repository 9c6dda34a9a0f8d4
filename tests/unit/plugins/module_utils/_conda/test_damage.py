# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._conda.damage import reasons

A = "bin/a (altered) sha256:00"


@pytest.mark.parametrize(
    ("found", "known", "expected"),
    [
        ((), (), ()),
        ((A,), (A,), ()),
        ((A,), (), ("1 file is not as installed: bin/a (altered)",)),
        ((A,), ("bin/a (altered) sha256:11",), ("1 file is not as installed: bin/a (altered)",)),
        (
            ("b (missing)", "r: broken (unusable record)"),
            (),
            ("2 files are not as installed: b (missing), r: broken (unusable record)",),
        ),
        (
            tuple(f"{number} (missing)" for number in range(6)),
            (),
            ("6 files are not as installed: 0 (missing), 1 (missing), 2 (missing), 3 (missing), 4 (missing), ...",),
        ),
    ],
)
def test_reasons(found: tuple[str, ...], known: tuple[str, ...], expected: tuple[str, ...]) -> None:
    assert reasons(found, known) == expected
