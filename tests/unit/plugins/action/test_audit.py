# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from ansible.errors import AnsibleActionFail
from ansible_collections.openlab.research_server.plugins.action.audit import accepted
from ansible_collections.openlab.research_server.plugins.plugin_utils._drift.baseline import Entry, write


def test_without_a_baseline_nothing_is_accepted(tmp_path: Path) -> None:
    assert accepted(tmp_path / "gpu-01.yml") == []


def test_what_the_command_wrote_and_people_explained(tmp_path: Path) -> None:
    path = tmp_path / "gpu-01.yml"
    path.write_text(write("gpu-01", [Entry("keys", 'é "x": of root', "    reason: for the robot\n"), Entry("accounts", "a")]))
    assert accepted(path) == [{"topic": "accounts", "name": "a"}, {"topic": "keys", "name": 'é "x": of root'}]
    path.write_text(write("gpu-01", []))
    assert accepted(path) == []


@pytest.mark.parametrize(
    ("content", "cause"),
    [
        (b"accepted:\n  - {topic: keys, name: x}\n", "expected entries with 'topic' and 'name' in double quotes"),
        (b'accepted:\n  - topic: "keys"\n    name: "\\q"\n', "escape"),
        (b"\xff", "utf-8"),
        (None, "directory"),
    ],
)
def test_what_is_no_baseline_is_named_with_its_cause(tmp_path: Path, content: bytes | None, cause: str) -> None:
    path = tmp_path / "gpu-01.yml"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content)
    with pytest.raises(AnsibleActionFail) as failure:
        accepted(path)
    assert str(failure.value).startswith(f"{path}: ")
    assert cause in str(failure.value)
