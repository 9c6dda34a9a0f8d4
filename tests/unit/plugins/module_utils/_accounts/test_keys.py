# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import base64

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._accounts import keys
from ansible_collections.openlab.research_server.plugins.module_utils._accounts.keys import HEADER, Rules
from ansible_collections.openlab.research_server.plugins.module_utils._host.people_files import Found

HOME, SYSTEM = ".ssh/authorized_keys", "/etc/ssh/authorized_keys.d/%u"
STOCK = (".ssh/authorized_keys", ".ssh/authorized_keys2")
NOTE = keys.NOTE.format(path="/etc/ssh/authorized_keys.d/x")


def key(letter: str) -> str:
    parts = (b"ssh-ed25519", letter.encode() * 32)
    return f"ssh-ed25519 {base64.b64encode(b''.join(len(p).to_bytes(4, 'big') + p for p in parts)).decode()} {letter}@lab"


A, B, C = key("a"), key("b"), key("c")
DATA = f"{HEADER}\n{A}\n"


def wanted(rules: Rules, home: str | None = None, *, new: bool = False) -> dict[str, tuple[str, bool]]:
    """The text of each file that matters, and whether it is root's."""
    found = keys.places("x", [A], None if new else (1001, "/home/x"), rules, home=Found(text=home), system=Found())
    return {place.action: (place.wanted.text, place.wanted.of_root) for place in found}


@pytest.mark.parametrize(
    ("words", "home", "system"),
    [
        (STOCK, True, False),
        ((HOME,), True, False),
        (("%h/.ssh/authorized_keys",), True, False),
        ((SYSTEM,), False, True),
        (("/etc/ssh/authorized_keys.d//%u",), False, True),
        ((SYSTEM, HOME), True, True),
        # Nobody knows what this is, so it may be the home.
        (("/srv/keys/%u",), True, False),
        (("/etc/ssh/authorized_keys.d/%%u",), True, False),
        (("none",), True, False),
    ],
)
def test_where_sshd_looks(words: tuple[str, ...], home: bool, system: bool) -> None:
    rules = Rules(sshd_files=words)
    assert (rules.reads_home("x", "/home/x"), rules.reads_system("x", "/home/x")) == (home, system)


@pytest.mark.parametrize(
    ("sshd", "expected"),
    [
        # The role accounts alone, and the first run of a site: both places, so nobody is left outside.
        (STOCK, {"system_keys": (DATA, True), "home_keys": (NOTE + DATA, True)}),
        ((SYSTEM, HOME), {"system_keys": (DATA, True), "home_keys": (NOTE + DATA, True)}),
        # Once sshd looks nowhere else, the home is its owner's.
        ((SYSTEM,), {"system_keys": (DATA, True)}),
    ],
)
def test_keys_of_the_system(sshd: tuple[str, ...], expected: dict[str, tuple[str, bool]]) -> None:
    assert wanted(Rules(sshd_files=sshd), f"{B}\n") == expected


def test_a_new_account_is_told_where_its_keys_are() -> None:
    assert wanted(Rules(sshd_files=(SYSTEM,)), new=True) == {"system_keys": (DATA, True), "home_keys": (NOTE, True)}
    assert wanted(Rules(sshd_files=STOCK), new=True)["home_keys"] == (NOTE + DATA, True)
    assert "home_keys" not in wanted(Rules(exclusive=False, sshd_files=(SYSTEM, HOME)), new=True)


@pytest.mark.parametrize(
    ("sshd", "expected"),
    [
        ((HOME,), {"home_keys": (DATA, False)}),
        # Back from the system's folder: as long as sshd reads that, it is kept right.
        ((SYSTEM,), {"system_keys": (DATA, True), "home_keys": (DATA, False)}),
    ],
)
def test_keys_in_homes(sshd: tuple[str, ...], expected: dict[str, tuple[str, bool]]) -> None:
    assert wanted(Rules(in_system=False, sshd_files=sshd), f"{B}\n") == expected


@pytest.mark.parametrize(
    ("rules", "home", "expected"),
    [
        (Rules(in_system=False, exclusive=False), f"{B}\n", f"{B}\n{A}\n"),
        (Rules(exclusive=False, sshd_files=STOCK), f"{B}\n", f"{B}\n{A}\n"),
        (Rules(exclusive=False, sshd_files=STOCK), None, DATA),
        # sshd has read the key of the data elsewhere already; only a rival of it goes.
        (Rules(exclusive=False, sshd_files=(SYSTEM, HOME)), f"{B}\n{A}\n", f"{B}\n{A}\n"),
        (Rules(exclusive=False, sshd_files=(SYSTEM, HOME)), f"{B}\nno-pty {A}\n", f"{B}\n"),
        (Rules(exclusive=False, sshd_files=(SYSTEM, HOME)), None, None),
        (Rules(exclusive=False, sshd_files=(SYSTEM,)), f"{B}\n", None),
    ],
)
def test_keys_that_people_add(rules: Rules, home: str | None, expected: str | None) -> None:
    found = wanted(rules, home)
    assert found.get("home_keys") == (None if expected is None else (expected, False))
    assert found.get("system_keys", (DATA, True)) == (DATA, True)


def test_what_they_write_is_kept_to_the_byte() -> None:
    for text in ("", "\n", f"# Z\udcfc\u2028{C}", f"{B}\r\n\x0b{C}\n\n"):
        assert keys.without_rivals([A], text) == text
        assert keys.merge([A], text + f"\n{A}\n") == text + f"\n{A}\n"


def test_merging() -> None:
    assert keys.merge([A, B], f"# mine\n{B}\nrubbish\n") == f"# mine\n{B}\nrubbish\n{A}\n"
    assert keys.merge([A], f"{A}\n") == f"{A}\n"
    assert keys.merge([f"restrict {A}"], f"{B}\n{A}\n") == f"{B}\nrestrict {A}\n"
    assert keys.merge([A], "") == f"{A}\n"
    assert keys.merge([A], None) == DATA


RIGHT = Found(DATA, folder=(0, 0o755), file=(0, 0o644))


@pytest.mark.parametrize(
    ("found", "difference"),
    [
        (RIGHT, None),
        (Found(), ("", DATA)),
        (RIGHT._replace(text=f"{A}\n"), (f"{A}\n", DATA)),
        (
            RIGHT._replace(file=(1001, 0o644)),
            (
                "file: owner 1001, mode 0644\nfolder: owner 0, mode 0755\n",
                "file: owner 0, mode 0644\nfolder: owner 0, mode 0755\n",
            ),
        ),
        (
            RIGHT._replace(folder=(0, 0o777)),
            ("file: owner 0, mode 0644\nfolder: owner 0, mode 0777\n", "file: owner 0, mode 0644\nfolder: owner 0, mode 0755\n"),
        ),
        (RIGHT._replace(oddity="several names", path="/etc/x"), ("several names at /etc/x\n", DATA)),
        (Found(oddity="a mounted file system", movable=False), None),
    ],
)
def test_a_difference_says_what_differs(found: Found, difference: tuple[str, str] | None) -> None:
    places = keys.places("x", [A], (1001, "/home/x"), Rules(sshd_files=(SYSTEM,)), home=Found(), system=found)
    assert [(step.before, step.after) for step in keys.plan(places, exclusive=True)] == ([difference] if difference else [])
