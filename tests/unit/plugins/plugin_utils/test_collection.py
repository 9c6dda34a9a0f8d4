# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.plugin_utils import _collection

MANIFEST = json.dumps({"collection_info": {"version": "1.2.3", "dependencies": {"community.general": ">=2.0.0"}}})
SOURCE = "version: 1.2.4\ndependencies: {community.crypto: '>=3.0.0'}\n"


@pytest.mark.parametrize(
    ("files", "version", "dependencies"),
    [
        ({}, "unknown", {}),
        ({"galaxy.yml": SOURCE}, "1.2.4", {"community.crypto": ">=3.0.0"}),
        ({"galaxy.yml": "version: 1.2.4\ndependencies:\n"}, "1.2.4", {}),
        ({"galaxy.yml": SOURCE, "MANIFEST.json": MANIFEST}, "1.2.3", {"community.general": ">=2.0.0"}),
        ({"MANIFEST.json": "{"}, "unknown", {}),
    ],
)
def test_what_the_collection_knows_of_itself(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, files: dict[str, str], version: str, dependencies: dict[str, str]
) -> None:
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(_collection, "ROOT", tmp_path)
    assert (_collection.collection_version(), _collection.dependencies()) == (version, dependencies)


def test_the_version_of_another_one(tmp_path: Path) -> None:
    assert _collection.version_of(tmp_path) == ""
    (tmp_path / "MANIFEST.json").write_text(MANIFEST)
    assert _collection.version_of(tmp_path) == "1.2.3"
