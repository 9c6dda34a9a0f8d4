# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._firewall.rules import networks
from ansible_collections.openlab.research_server.plugins.module_utils._proxy.sites import (
    name_problems,
    problems,
    sites_of,
    user_problems,
)

KNOWN = {"basic": ["ada", "bob"], "certificate": ["ada"]}
SITE: dict[str, t.Any] = {"name": "wiki", "to": "port:8000", "path": "/wiki/", "auth": "basic"}
YESCRYPT = "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$6foLM1JhGupouWKMU70wxK61Kw9ZnecbACjJwRadqM2"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({}, ""),
        ({"path": "/"}, ""),
        ({"path": "/a/b.c_~-d/"}, ""),
        ({"to": "socket:/run/app/app.sock", "auth": "certificate"}, ""),
        ({"to": "folder:/srv/www", "auth": "none", "from": ["192.0.2.0/24", "2001:db8::1"]}, ""),
        ({"users": ["ada"]}, ""),
        ({"name": "Wiki"}, "name: found 'Wiki'"),
        ({"path": "wiki"}, "path: found 'wiki'"),
        ({"path": "/wiki"}, "path: found '/wiki'"),
        ({"path": "/a/../b/"}, "path: found '/a/../b/'"),
        ({"path": "/a//b/"}, "path: found '/a//b/'"),
        ({"path": "/a b/"}, "path: found"),
        ({"path": '/"; return 200; #/'}, "path: found"),
        ({"path": "/.research-server/"}, "path: found"),
        ({"to": "port:0"}, "to: found 'port:0'"),
        ({"to": "port:65536"}, "to: found 'port:65536'"),
        ({"to": "port:eight"}, "to: found 'port:eight'"),
        ({"to": "port:²"}, "to: found 'port:²'"),
        ({"to": "port"}, "to: found 'port'"),
        ({"to": "folder:www"}, "to: found 'folder:www'"),
        ({"to": "folder:/srv/../etc"}, "to: found 'folder:/srv/../etc'"),
        ({"to": "folder:/srv/www/"}, "to: found 'folder:/srv/www/'"),
        ({"to": f"socket:/{'s' * 106}"}, ""),
        ({"to": f"socket:/{'s' * 107}"}, "expected a path of at most 107 bytes"),
        ({"to": f"folder:/{'s' * 107}"}, ""),
        ({"to": "socket:/run/a;b"}, "to: found 'socket:/run/a;b'"),
        ({"to": "http://elsewhere.example"}, "to: found 'http://elsewhere.example'"),
        ({"to": "jupyter", "path": "/user/"}, ""),
        ({"to": "jupyter", "path": "/lab/"}, "path: found '/lab/'; expected '/user/'"),
        ({"to": "jupyter", "path": "/user/", "auth": "none"}, "auth: found 'none'; expected 'hub', 'certificate' or 'basic'"),
        ({"to": "jupyter", "path": "/user/", "auth": "hub"}, ""),
        ({"auth": "hub"}, "auth: found 'hub'; expected it with 'to: jupyter' alone"),
        ({"to": "jupyter:ada"}, "to: found 'jupyter:ada'"),
        ({"from": ["office"]}, "from: found 'office'"),
        ({"from": ["fe80::1%eth0"]}, "from: found 'fe80::1%eth0'"),
        ({"from": ["fe80::%eth0/64"]}, "from: found 'fe80::%eth0/64'"),
        ({"users": ["zoe"]}, "users: found zoe; expected names of proxy_passwords"),
        ({"auth": "certificate", "users": ["bob"]}, "users: found bob; expected names of proxy_people"),
        ({"auth": "none", "users": ["ada"]}, "users: found some with 'auth: none'"),
    ],
)
def test_what_makes_no_sense_is_told_with_its_name(change: dict[str, t.Any], says: str) -> None:
    found = problems([{**SITE, **change}], KNOWN)
    assert len(found) == bool(says) and says in " ".join(found)
    assert all(f"entry {change.get('name', 'wiki')}:" in line for line in found)


BY_HUB: dict[str, t.Any] = {"name": "lab", "to": "jupyter", "path": "/user/", "auth": "hub"}


def test_the_hub_knows_everybody_who_has_a_jupyterlab() -> None:
    places = {"bob": "port:2", "ada": "port:1"}
    assert [(site.path, site.users, site.target) for site in sites_of([BY_HUB], KNOWN, places)] == [
        ("/user/ada/", ("ada",), "1"),
        ("/user/bob/", ("bob",), "2"),
        ("/user/", (), ""),
    ]
    assert [site.users for site in sites_of([{**BY_HUB, "users": ["bob"]}], KNOWN, places)] == [("bob",), ()]


def test_the_login_page_has_its_path_to_itself() -> None:
    page = {"name": "page", "to": "folder:/srv/www", "path": "/hub/", "auth": "none"}
    assert "path: found '/hub/', where JupyterHub's login page is" in problems([BY_HUB, page], KNOWN)[0]
    assert problems([page], KNOWN) == [] and problems([BY_HUB, {**page, "path": "/"}], KNOWN) == []


@pytest.mark.parametrize("path", ["/user/ada/", "/user/elsewhere/", "/user/ada/lab/"])
def test_below_peoples_jupyterlabs_is_nobody_elses_site(path: str) -> None:
    page = {"name": "page", "to": "folder:/srv/www", "path": path, "auth": "none"}
    (said,) = problems([LABS, page], KNOWN)
    assert said.startswith(f"proxy_sites, entry page: path: found '{path}', where people's JupyterLabs are")
    assert problems([BY_HUB, page], KNOWN) == [said]
    assert problems([page], KNOWN) == [] and problems([LABS, {**page, "path": "/users/"}], KNOWN) == []


def test_networks_are_written_as_nginx_takes_them_and_the_firewall_reads_them() -> None:
    told = ["192.0.2.7/255.255.255.0", "192.0.2.0/0.0.0.255", "2001:DB8::1/32", "192.0.2.7", "192.0.2.7/32", "2001:db8::1"]
    (site,) = sites_of([{**SITE, "from": told}], KNOWN)
    assert problems([{**SITE, "from": told}], KNOWN) == []
    assert site.networks == ("192.0.2.0/24", "192.0.2.0/24", "2001:db8::/32", "192.0.2.7", "192.0.2.7", "2001:db8::1")
    assert set(networks("from", told)) == set(networks("from", site.networks))


def test_names_and_paths_are_there_once() -> None:
    assert problems([SITE, {**SITE, "name": "other", "path": "/other/"}], KNOWN) == []
    assert "the path '/wiki/' 2 times" in problems([SITE, {**SITE, "name": "other"}], KNOWN)[0]
    assert "the name 'wiki' 2 times" in problems([SITE, {**SITE, "path": "/other/"}], KNOWN)[0]


def test_the_door_is_not_behind_itself() -> None:
    site = {**SITE, "to": "port:443"}
    (said,) = problems([site], KNOWN, (80, 443))
    assert "to: found 'port:443', where this web server itself listens" in said
    assert problems([site], KNOWN, (80, 8443)) == []


def test_a_site_for_nobody_is_none() -> None:
    assert "found nobody who could come in" in problems([SITE], {"basic": []})[0]


def test_everybody_may_come_in_where_nobody_is_named() -> None:
    for auth, users in (("basic", ("ada", "bob")), ("certificate", ("ada",)), ("none", ())):
        assert sites_of([{**SITE, "auth": auth}], KNOWN)[0].users == users
    assert sites_of([{**SITE, "users": ["bob"]}], KNOWN)[0].users == ("bob",)


def test_who_is_named_twice_comes_in_once() -> None:
    """Twice in nginx's configuration would be an error of nginx's."""
    assert sites_of([{**SITE, "users": ["bob", "ada", "bob"]}], KNOWN)[0].users == ("ada", "bob")


def test_one_text_is_a_list_of_one() -> None:
    assert sites_of([{**SITE, "from": "192.0.2.0/24"}], KNOWN)[0].networks == ("192.0.2.0/24",)
    assert problems([{**SITE, "from": "192.0.2.0/24"}], KNOWN) == []
    assert len(problems([{**SITE, "from": "everywhere"}], KNOWN)) == 1


@pytest.mark.parametrize("name", ["lab.example.org", "lab", "a-b.c1", "gpu1", "3.example.org"])
def test_names_of_servers(name: str) -> None:
    assert name_problems([name]) == []


@pytest.mark.parametrize(
    "name", ["", "Lab.example", "*.example.org", "a..b", "-a", "a_b", "lab; return 200", "a" * 64, "~^.*$", "192.0.2.7", "lab.7"]
)
def test_no_names_of_servers(name: str) -> None:
    assert len(name_problems([name])) == 1


def test_a_name_has_room_in_nginx() -> None:
    fits = f"{'a' * 32}.lab.example.x"
    assert len(fits) == 46 and name_problems([fits, f"b{fits[1:]}"]) == []
    (said,) = name_problems(["lab", f"{fits}y"])
    assert said.startswith(f"proxy_names: found '{fits}y', 47 characters; expected at most 46")


def test_a_name_is_there_once() -> None:
    assert name_problems(["lab", "lab", "web"]) == ["proxy_names: found 'lab' 2 times; expected it once; take one out"]


def test_a_server_has_a_name() -> None:
    assert "found none" in name_problems([])[0]


@pytest.mark.parametrize(
    "value", [YESCRYPT, "$2b$10$abcdefghijklmnopqrstuu4T826PRnz0Hu6YlprUuxkZxOOj5Fw5S", "$6$rounds=9000$salt$D7W7qyozKBT/.4"]
)
def test_strong_hashes(value: str) -> None:
    assert user_problems({"ada": value}, ["bob"]) == []


@pytest.mark.parametrize(
    "value",
    [
        "hunter2",
        "",
        "$1$salt$hash",
        "$apr1$salt$hash",
        "{SHA}x",
        "{PLAIN}hunter2",
        "ab01FAX.bQRSU",
        f"{YESCRYPT}\nroot:x",
        f"{YESCRYPT}:x",
    ],
)
def test_weak_hashes_and_words_are_refused_and_not_repeated(value: str) -> None:
    (found,) = user_problems({"ada": value}, [])
    assert found.startswith("proxy_passwords: ada: expected a hash") and (not value or value not in found)


@pytest.mark.parametrize("name", ["Ada", "ada:x", "a b", "", 'a"', "ada\n"])
def test_no_names_of_people(name: str) -> None:
    assert len(user_problems({name: YESCRYPT}, [name])) == 2


LABS: dict[str, t.Any] = {"name": "lab", "to": "jupyter", "path": "/user/", "auth": "basic", "from": ["192.0.2.0/24"]}


def test_everybody_gets_into_their_own_jupyterlab_alone() -> None:
    places = {"ada": "port:20398", "bob": "port:28650", "without-a-password": "port:20000"}
    found = sites_of([LABS], KNOWN, places)
    assert [(site.path, site.kind, site.target, site.users) for site in found] == [
        ("/user/ada/", "port", "20398", ("ada",)),
        ("/user/bob/", "port", "28650", ("bob",)),
        ("/user/", "nobody", "", ()),
    ]
    assert all(site.lab and site.auth == "basic" and site.networks == ("192.0.2.0/24",) for site in found)
    assert [site.path for site in sites_of([{**LABS, "users": ["bob"]}], KNOWN, places)] == ["/user/bob/", "/user/"]
    assert [site.path for site in sites_of([LABS], KNOWN, {})] == ["/user/"]


@pytest.mark.parametrize(("to", "fits"), [("port:8000", False), ("socket:/run/app.sock", False), ("folder:/srv/www", True)])
def test_no_other_program_shares_an_origin_with_peoples_jupyterlabs(to: str, fits: bool) -> None:
    found = problems([LABS, {**SITE, "to": to}], KNOWN)
    assert len(found) == (not fits) and all("entry lab: found wiki beside" in line for line in found)
