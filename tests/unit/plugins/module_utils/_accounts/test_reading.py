# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be read anywhere; the rest is in molecule/accounts and molecule/colleague."""

from __future__ import annotations

import contextlib
import grp
import os
import pwd
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._accounts import reading
from ansible_collections.openlab.research_server.plugins.module_utils._accounts.keys import Rules
from ansible_collections.openlab.research_server.plugins.module_utils._accounts.people import Desired, sudoers
from ansible_collections.openlab.research_server.plugins.module_utils._accounts.projects import Project


def test_the_limits_of_a_host() -> None:
    text = "# UID_MIN 1\n  # UID_MIN 2\nUID_MIN\t\t 2000\nUID_MAX 50000\nUMASK 022\nMAIL_DIR /var/mail\nFAILLOG_ENAB\n"
    found = reading._login_defs(text)
    assert (found["UID_MIN"], found["UID_MAX"]) == (2000, 50000)


@pytest.mark.parametrize(
    ("home", "uid", "says"),
    [
        ("/root", 0, ""),
        ("/nowhere/at/all", 4711, ""),
        ("/root", 4711, "found /root to be the home of root"),
        ("/", 4711, "found the root of all folders at /"),
        ("/etc/passwd", 4711, "found a file at /etc/passwd"),
        ("/tmp/bob", 4711, "found a folder that others than root can write to at /tmp"),
    ],
)
def test_what_is_not_given_to_an_account(home: str, uid: int, says: str) -> None:
    entry = cast("pwd.struct_passwd", SimpleNamespace(pw_name="somebody", pw_dir=home, pw_uid=uid))
    found = reading.home_obstacle(entry)
    assert (says in found) if says else found == ""


def test_numbers_and_groups_of_this_machine() -> None:
    me = pwd.getpwuid(os.getuid())
    found = reading.read_machine([Desired(me.pw_name, uid=0), Desired("nobody-here")], "/nowhere/sudoers")
    assert me.pw_name in found.uids[me.pw_uid]
    assert "root" in found.uids[0]
    assert "nobody-here" not in found.groups
    assert found.primary[me.pw_name]
    assert found.uid_min > 0


def test_shells_that_nobody_could_start(tmp_path: Path) -> None:
    script, text = tmp_path / "script", tmp_path / "text"
    for path, mode in ((script, 0o755), (text, 0o644)):
        path.touch()
        path.chmod(mode)
    shells = ["/bin/sh", str(script), str(text), str(tmp_path), "/bin/zsh-nope", "/nowhere/nologin"]
    people = [Desired(f"x{number}", shell=shell) for number, shell in enumerate(shells)]
    people.append(Desired("gone", shell="/bin/of-a-leaver", present=False))
    assert reading.read_machine(people, "/nowhere/sudoers").missing_shells == {str(text), str(tmp_path), "/bin/zsh-nope"}


def test_who_may_use_sudo_by_the_file_of_this_collection(tmp_path: Path) -> None:
    file = tmp_path / "research-server"
    file.write_text(sudoers([Desired("ops", administrator=True), Desired("zoe", administrator=True, sudo_nopasswd=True)]))
    assert reading.read_machine([], str(file)).sudoers == {"ops", "zoe"}
    assert reading.read_machine([], str(tmp_path / "nothing")).sudoers == frozenset()


def test_whose_primary_group_a_projects_is() -> None:
    me = pwd.getpwuid(os.getuid())
    entry = Project("p", "/nowhere/at/all", grp.getgrgid(me.pw_gid).gr_name)
    found = reading.read_projects([entry])["p"]
    assert me.pw_name in found.primary
    assert found.members == frozenset(grp.getgrgid(me.pw_gid).gr_mem)


PARAMS = {"keys_in": "system", "exclusive_keys": False}


def test_without_a_sshd_keys_are_looked_for_in_homes() -> None:
    module: Any = SimpleNamespace(get_bin_path=lambda *_unused: None, params=PARAMS)
    assert reading.read_rules(module) == Rules(in_system=True, exclusive=False, sshd_files=(".ssh/authorized_keys",))


BOTH = (".ssh/authorized_keys", "/etc/ssh/authorized_keys.d/%u")
NONE = "authorizedkeyscommand none\ntrustedusercakeys none\n"


@pytest.mark.parametrize(
    ("rc", "listing", "files", "elsewhere"),
    [
        (0, f"authorizedkeysfile .ssh/a .ssh/b\n{NONE}", (".ssh/a", ".ssh/b"), False),
        (0, "authorizedkeysfile .ssh/a\nauthorizedkeyscommand none\ntrustedusercakeys /etc/ssh/ca\n", (".ssh/a",), True),
        (0, "authorizedkeysfile .ssh/a\nauthorizedkeyscommand /usr/bin/keys\ntrustedusercakeys none\n", (".ssh/a",), True),
        (1, "", BOTH, False),
    ],
)
def test_where_sshd_looks(
    monkeypatch: pytest.MonkeyPatch, rc: int, listing: str, files: tuple[str, ...], elsewhere: bool
) -> None:
    monkeypatch.setattr(reading, "runtime_directory", contextlib.nullcontext)
    answer = (rc, listing, "")
    module: Any = SimpleNamespace(get_bin_path=lambda *_unused: "sshd", run_command=lambda _argv: answer, params=PARAMS)
    found = reading.read_rules(module)
    assert (found.sshd_files, found.elsewhere) == (files, elsewhere)


@pytest.mark.skipif(os.geteuid() != 0, reason="whose a file is, decides")
def test_a_home_whose_account_has_another_number_by_now(public_folder: Path) -> None:
    home = public_folder / "somebody"
    home.mkdir()
    os.chown(home, 4711, 4711)
    entry = cast("pwd.struct_passwd", SimpleNamespace(pw_name="somebody", pw_dir=str(home), pw_uid=4712))
    found = reading.home_obstacle(entry)
    # Below a folder that others can write in, that is told first.
    assert "usermod -u 4711 somebody" in found or "others than root can write" in found
