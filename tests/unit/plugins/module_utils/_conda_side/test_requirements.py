# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from ansible_collections.openlab.research_server.plugins.module_utils._conda_side.requirements import unmet


def test_requirements_are_met_by_what_is_there() -> None:
    lines = [
        "pytest",
        "pytest>=7  # of this interpreter",
        "pytest<1",
        "no-such-project==1",
        "no-such-project; python_version < '3'",
        "pytest @ https://example.org/pytest.whl",
        "pytest[dev]",
        "--index-url https://example.org",
        "--editable /srv/project",
        "-r more.txt",
        "# nothing",
    ]
    missing, unknown = unmet(lines)
    assert missing == ["pytest<1", "no-such-project==1"]
    assert unknown == [lines[5], lines[6], lines[8], lines[9]]
