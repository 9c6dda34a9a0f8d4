# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._accounts import projects as account_projects
from ansible_collections.openlab.research_server.plugins.module_utils._accounts.entries import everyone, project
from ansible_collections.openlab.research_server.plugins.module_utils._accounts.people import Desired
from ansible_collections.openlab.research_server.plugins.module_utils._accounts.projects import Folder, Project

PEOPLE = everyone([], [{"name": "ada"}, {"name": "emmy"}, {"name": "gone", "state": "absent"}], [])
DONE = Folder(
    gid=1005,
    members=frozenset({"ada"}),
    exists=True,
    mode=0o2770,
    owner="0:1005",
    acl=bytes.fromhex("0200000001000700ffffffff04000700ffffffff20000000ffffffff"),
)


@pytest.mark.parametrize(
    ("mode", "entries"),
    [(0o2770, "01000700ffffffff04000700ffffffff20000000ffffffff"), (0o2775, "01000700ffffffff04000700ffffffff20000500ffffffff")],
)
def test_the_acl_is_what_setfacl_writes(mode: int, entries: str) -> None:
    assert account_projects.acl(mode).hex() == "02000000" + entries


def test_defaults() -> None:
    assert project({"name": "imaging"}) == Project("imaging", "/srv/projects/imaging", "imaging", (), "2770", True)


@pytest.mark.parametrize(
    ("item", "says"),
    [
        ({"name": "ok", "members": ["ada", "gone"]}, ""),
        ({"name": "ok", "mode": "2775", "path": "/data/ok"}, ""),
        ({"name": "No"}, "found group 'No'"),
        ({"name": "x", "group": "ssh-users"}, "means more than the project"),
        ({"name": "x", "group": "sudo"}, "means more than the project"),
        ({"name": "x", "group": "docker"}, "means more than the project"),
        ({"name": "video"}, "means more than the project"),
        ({"name": "ada"}, "found group 'ada', which is that person's alone"),
        ({"name": "x", "group": "gone"}, "found group 'gone', which is that person's alone"),
        ({"name": "x", "path": "x"}, "found path 'x'"),
        ({"name": "x", "path": "/x"}, "found path '/x'"),
        ({"name": "x", "path": "/srv/../etc/x"}, "found path '/srv/../etc/x'"),
        ({"name": "x", "mode": "0770"}, "found mode '0770'"),
        ({"name": "x", "mode": "2777"}, "found mode '2777'"),
        ({"name": "x", "mode": "2750"}, "found mode '2750'"),
        ({"name": "x", "mode": 1528}, "found mode '1528'"),
        ({"name": "x", "members": ["nobody-here"]}, "found member 'nobody-here'"),
    ],
)
def test_problems_are_named(item: dict[str, t.Any], says: str) -> None:
    found = "\n".join(account_projects.problems([project(item)], PEOPLE, "ssh-users"))
    assert (says in found) if says else found == ""


def test_a_name_or_a_path_twice_is_a_problem() -> None:
    found = account_projects.problems([project({"name": "a"}), project({"name": "a"})], PEOPLE, "ssh-users")
    assert len(found) == 2


def test_who_shares_a_group_shares_all_its_folders() -> None:
    def found(*members: list[str]) -> str:
        items = [{"name": f"p{number}", "group": "g", "members": names} for number, names in enumerate(members)]
        return "\n".join(account_projects.problems([project(item) for item in items], PEOPLE, "ssh-users"))

    assert "found group 'g' for 'p0', 'p1' with different members" in found(["ada"], ["emmy"])
    assert found(["ada", "emmy"], ["emmy", "ada"]) == ""


def test_members_get_the_group() -> None:
    people = everyone([], [{"name": "ada", "groups": ["video"]}, {"name": "emmy"}], [Project("p", "/srv/p", "pg", ("ada",))])
    assert [person.groups for person in people] == [("video", "pg"), ()]


@pytest.mark.parametrize(
    ("folder", "expected"),
    [
        (DONE, []),
        (Folder(), ["folder"]),
        (DONE._replace(exists=False), ["folder"]),
        (DONE._replace(mode=0o770), ["folder"]),
        (DONE._replace(owner="1000:1005"), ["folder"]),
        (DONE._replace(acl=None), ["folder"]),
        (DONE._replace(members=frozenset({"ada", "emmy", "stranger"})), ["emmy leave", "stranger leave"]),
    ],
)
def test_only_what_differs_is_changed(folder: Folder, expected: list[str]) -> None:
    entry = Project("p", "/srv/p", "p", ("ada",))
    people = [Desired("ada", groups=("p",)), Desired("emmy")]
    found = account_projects.plan([entry], people, {"p": folder})
    assert [change.action if change.name == "p" else f"{change.name} {change.action}" for change in found] == expected


def test_two_folders_of_one_group_do_not_take_its_members_twice() -> None:
    entries = [Project("a", "/srv/a", "g"), Project("b", "/srv/b", "g")]
    folder = DONE._replace(members=frozenset({"emmy"}))
    assert [change.action for change in account_projects.plan(entries, [], {"a": folder, "b": folder})] == ["leave"]


def test_conflicts_with_the_host() -> None:
    entry = Project("p", "/srv/p", "docker")
    assert "system group 'docker' (gid 999)" in account_projects.conflicts([entry], [], {"p": Folder(gid=999)})[0]


@pytest.mark.parametrize(
    ("primary", "says"),
    [
        ([], ""),
        (["ada"], ""),
        # Somebody who leaves has to be able to.
        (["ada", "gone"], ""),
        (["ada", "emmy"], "found emmy, whose primary group 'vision' is"),
        (["stranger", "vision", "gone"], "found stranger, vision, whose primary group 'vision' is"),
    ],
)
def test_who_has_the_group_as_primary_group_would_share_the_folder(primary: list[str], says: str) -> None:
    entry, folder = Project("p", "/srv/p", "vision", ("ada",)), DONE._replace(primary=frozenset(primary))
    people = [Desired("ada", groups=("vision",)), Desired("emmy"), Desired("gone", present=False, groups=("vision",))]
    found = account_projects.conflicts([entry], people, {"p": folder})
    assert (len(found) == 1 and found[0].startswith(f"project 'p': {says}; expected")) if says else found == []
    # Nobody is taken out of a primary group.
    assert account_projects.plan([entry], people, {"p": folder}) == []


def test_a_link_in_the_way_is_an_obstacle_for_that_folder_alone() -> None:
    entry, found = Project("p", "/srv/p", "group"), {"p": Folder(obstacle="found a link")}
    assert account_projects.conflicts([entry], [], found) == []
    assert account_projects.obstacles([entry, Project("q", "/srv/q", "q")], {**found, "q": Folder()}) == [
        "project 'p': found a link"
    ]
    assert account_projects.plan([entry], [], found) == []
    assert account_projects.conflicts([entry], [], {"p": DONE}) == []
