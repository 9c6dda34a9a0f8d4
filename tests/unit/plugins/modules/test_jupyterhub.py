# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""On a host, the scenario `jupyterhub` shows it."""

from __future__ import annotations

import json
import pwd
import typing as t
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.modules import jupyterhub

ADA = pwd.struct_passwd(("ada", "x", 1001, 1002, "", "/home/ada", "/bin/bash"))
PARAMS: dict[str, t.Any] = {
    "people": ["grace", "ada"],
    "settings": {"client_id": "lab"},
    "client_secret": "secret",
    "files": [{"path": "/unit", "content": "text"}],
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, file in {"SETTINGS": "settings.json", "KEY": "key", "CLIENT_SECRET": "client_secret", "DOORS": "doors"}.items():
        monkeypatch.setattr(jupyterhub, name, str(tmp_path / file))
    return tmp_path


def test_everybody_has_a_word_of_their_own_that_nobody_else_can_read(folder: Path) -> None:
    (folder / "key").write_text("k")
    (folder / "doors").mkdir()
    for name in ("ada", "eve"):
        (folder / "doors" / name).write_text("old")
    files = jupyterhub.wanted(PARAMS, {"ada": ADA})
    hers = files[str(folder / "doors/ada")]
    assert (hers.owner, hers.group, hers.mode, hers.secret) == (1001, 1002, 0o400, True)
    assert hers.text == f"{jupyterhub.word('k', 'ada')}\n" and jupyterhub.word("k", "grace") != jupyterhub.word("k", "ada")
    assert files[str(folder / "doors/eve")].text is None, "who left has none"
    assert str(folder / "doors/grace") not in files, "who has no account"


def test_the_key_stays_and_secrets_are_for_root(folder: Path) -> None:
    made = jupyterhub.wanted(PARAMS, {})[str(folder / "key")]
    assert len(str(made.text)) == 64 and made != jupyterhub.wanted(PARAMS, {})[str(folder / "key")]
    (folder / "key").write_text("k")
    files = jupyterhub.wanted(PARAMS, {})
    assert files[str(folder / "key")].text == "k"
    assert all(
        (files[str(folder / name)].mode, files[str(folder / name)].secret) == (0o600, True) for name in ("key", "client_secret")
    )
    told = json.loads(str(files[str(folder / "settings.json")].text))
    assert told == {"client_id": "lab", "people": ["ada", "grace"]}
    assert files["/unit"].text == "text"
