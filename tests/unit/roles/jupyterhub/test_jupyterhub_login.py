# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What it asks PAM, and what it never does. PAM itself answers in the scenario `jupyterhub`."""

from __future__ import annotations

import json
import socket
import time
import types
import typing as t

import pytest
from ansible_collections.openlab.research_server.tests.unit.roles.program import load

PEOPLE = ["ada", "grace"]


@pytest.fixture(scope="module")
def program() -> types.ModuleType:
    return load("jupyterhub", "jupyterhub_login")


@pytest.mark.parametrize("password", ["x", " two words\n", "密码", '"]', "x" * 511])
def test_a_password_is_asked_about_as_it_was_typed(program: types.ModuleType, password: str) -> None:
    assert program.asked(json.dumps(["ada", password]).encode(), PEOPLE) == (b"ada", password.encode())


@pytest.mark.parametrize(
    "said",
    [
        ["eve", "x"],
        ["Ada", "x"],
        ["ada ", "x"],
        ["", "x"],
        ["ada", ""],
        ["ada", "right\0wrong"],
        ["ada\0", "x"],
        ["ada", "x" * 512],
        ["ada", "密" * 171],
        ["ada", "\ud800"],
        ["ada"],
        ["ada", "x", "y"],
        ["ada", None],
        [["ada"], "x"],
        "ab",
        7,
        None,
    ],
)
def test_of_anything_else_nobody_is_asked(program: types.ModuleType, said: t.Any) -> None:
    assert program.asked(json.dumps(said).encode(), PEOPLE) is None


@pytest.mark.parametrize("said", [b"", b"ada\0x", b"\xff", b'["ada", "x"', b"[" * 4096])
def test_what_is_no_json_is_nothing(program: types.ModuleType, said: bytes) -> None:
    assert program.asked(said, PEOPLE) is None


def answer(program: types.ModuleType, said: bytes) -> tuple[bytes, float]:
    """What comes back, and after how many seconds."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.sendall(said)
        ours.shutdown(socket.SHUT_WR)
        begun = time.monotonic()
        program.serve(theirs, PEOPLE)
        return ours.recv(100), time.monotonic() - begun


def test_a_yes_comes_at_once_and_every_no_after_the_same_time(program: types.ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bytes] = []
    monkeypatch.setattr(program, "fits", lambda name, password: not asked.append(name) and password == b"right")
    monkeypatch.setattr(program, "NO_AFTER", 0.3)
    for said, word in (
        (["ada", "right"], b"yes"),
        (["ada", "wrong"], b"no"),
        (["eve", "right"], b"no"),
        (["ada", "right" + "x" * 5000], b"no"),
    ):
        told, seconds = answer(program, json.dumps(said).encode())
        assert told == word and (seconds >= 0.3) == (word == b"no"), said
    assert asked == [b"ada", b"ada"], "nobody else is PAM's business"
