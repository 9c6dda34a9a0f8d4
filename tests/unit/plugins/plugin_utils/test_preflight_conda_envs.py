# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.plugin_utils._preflight_conda_envs import check

DEFINITION = {"channels": ["conda-forge"], "dependencies": ["a"]}


@pytest.mark.parametrize(
    ("environments", "expected"),
    [
        ([{"name": "a", "definition": DEFINITION}], None),
        ([{"name": "a", "src": "good.yml"}], None),
        ([{"name": "a", "state": "absent"}], None),
        ([{"name": "a", "definition": {"dependencies": ["a"]}}], None),
        ([{"name": "a", "src": "none.yml"}], "found no file"),
        ([{"name": "a", "src": "bad.yml"}], "bad.yml, line 2"),
        ([{"name": "a"}], "neither"),
        ([{"name": "a", "src": "good.yml", "definition": DEFINITION}], "both"),
        ([{"name": "base", "definition": DEFINITION}], "installation itself"),
        ([{"name": "jupyter", "definition": DEFINITION}], "belongs to the role"),
        ([{"name": "a b", "definition": DEFINITION}], "a b"),
        ([{"name": "A", "definition": DEFINITION}, {"name": "a", "state": "absent"}], "found 2 environments"),
        ([{"name": "a", "definition": {**DEFINITION, "channels": ["defaults"]}}], "terms of service"),
        ([{"name": "a", "definition": {**DEFINITION, "dependencies": ["defaults::a"]}}], "terms of service"),
        ([{"name": "a", "definition": DEFINITION, "smoke": ["os; x"]}], "smoke"),
        ([{"name": "a", "definition": {**DEFINITION, "dependencies": [{"pip": ["-r none.txt"]}]}}], "none.txt"),
    ],
)
def test_environments_are_checked_before_the_first_change(
    tmp_path: Path, environments: list[dict[str, t.Any]], expected: str | None
) -> None:
    (tmp_path / "good.yml").write_text("channels: [conda-forge]\ndependencies: [a]\n")
    (tmp_path / "bad.yml").write_text("channels: [conda-forge]\nunknown: [a]\n")
    variables = {"conda_envs_environments": environments, "conda_envs_dir": str(tmp_path), "conda_envs_channels": ["c"]}
    problems = check(variables)
    assert len(problems) == (expected is not None)
    assert expected is None or expected in problems[0]


def test_accepted_terms_of_service_are_no_problem() -> None:
    environments = [{"name": "a", "definition": {**DEFINITION, "channels": ["defaults"]}}]
    assert check({"conda_envs_environments": environments, "conda_envs_accept_anaconda_tos": True}) == []
