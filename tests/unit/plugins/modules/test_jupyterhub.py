# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""On a host, the scenario `jupyterhub` shows it."""

from __future__ import annotations

import grp
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
    "database_password": "",
    "files": [{"path": "/unit", "content": "text"}],
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    names = {
        "SETTINGS": "settings.json",
        "KEY": "key",
        "CLIENT_SECRET": "client_secret",
        "DATABASE_PASSWORD": "database_password",
    }
    for name, file in {**names, "DOORS": "doors"}.items():
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
    assert files["/unit"].text == "text" and files[str(folder / "database_password")].text is None
    with_one = jupyterhub.wanted({**PARAMS, "database_password": "p:w"}, {})[str(folder / "database_password")]
    assert (with_one.text, with_one.mode, with_one.secret) == ("p:w\n", 0o600, True)


def test_what_a_login_of_another_kind_has_left_goes(folder: Path) -> None:
    files = jupyterhub.wanted({**PARAMS, "client_secret": "", "files": [{"path": "/unit", "content": ""}]}, {})
    assert files[str(folder / "client_secret")].text is None and files["/unit"].text is None


@pytest.mark.parametrize(
    ("members", "passwords", "told"),
    [
        (None, False, None),
        ([], True, None),
        (None, True, ("", "without members\n")),
        ([], False, ("without members\n", "")),
        (["eve", "bob"], True, ("bob, eve\n", "without members\n")),
    ],
)
def test_nobody_is_in_the_group_to_which_the_door_of_passwords_is_open(
    monkeypatch: pytest.MonkeyPatch, members: list[str] | None, passwords: bool, told: tuple[str, str] | None
) -> None:
    def getgrnam(name: str) -> grp.struct_group:
        if members is None:
            raise KeyError(name)
        return grp.struct_group((name, "x", 990, members))

    monkeypatch.setattr(grp, "getgrnam", getgrnam)
    found = [(difference["before"], difference["after"]) for difference in jupyterhub.group_difference(passwords)]
    assert found == ([told] if told else [])


def test_the_door_of_passwords_is_there_or_gone(folder: Path) -> None:
    seen = {name: jupyterhub.Unit(jupyterhub.RUNNING, 1.0, False, 0) for name in jupyterhub.UNITS}
    for state, passwords, told in (
        (jupyterhub.GONE, False, None),
        (jupyterhub.WANTED, True, None),
        (jupyterhub.WANTED, False, ("active, static\n", "")),
        (jupyterhub.GONE, True, ("", "active, static\n")),
        ({"ActiveState": "failed", "UnitFileState": "static"}, True, ("failed, static\n", "active, static\n")),
    ):
        units = {**seen, jupyterhub.LOGIN: jupyterhub.Unit(state, 0.0, False, 0)}
        found = jupyterhub.unit_differences(units, jupyterhub.states(passwords), False)
        assert [(line["before"], line["after"]) for line in found] == ([told] if told else [])
