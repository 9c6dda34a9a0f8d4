# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""That nginx does with it what it shall, the scenario `proxy` shows."""

from __future__ import annotations

import re

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._proxy import nginx
from ansible_collections.openlab.research_server.plugins.module_utils._proxy.sites import Site, sites_of

OLD, NEW = (1, 22, 1), (1, 26, 3)
WIKI = Site("wiki", "port", "8000", "/wiki/", "basic", ("192.0.2.0/24",), ("ada",))
ADA = Site("ada", "socket", "/run/ada.sock", "/user/ada/", "certificate", (), ("ada",))
PAGE = Site("page", "folder", "/srv/www", "/", "none", (), ())


def server(**changes: object) -> nginx.Server:
    return nginx.Server(["lab.example.org"], 443, NEW, True, "certificate")._replace(**changes)


@pytest.mark.parametrize(("version", "listen", "directives"), [(OLD, " ssl http2", 0), (NEW, " ssl", 2)])
def test_http2_as_each_version_wants_it(version: tuple[int, ...], listen: str, directives: int) -> None:
    text = nginx.render(server(version=version), [])
    assert text.count(f"listen 443{listen} default_server;") == text.count(f"listen [::]:443{listen} default_server;") == 1
    assert text.count(f"listen 443{listen};") == 1
    assert text.count("http2 on;") == directives


def test_without_ipv6_nothing_listens_there() -> None:
    assert "[::]" not in nginx.render(server(ipv6=False), [])


@pytest.mark.parametrize(
    ("said", "version"), [("nginx version: nginx/1.22.1\n", OLD), ("nginx version: nginx/1.26.3 (Debian)", NEW), ("", (99,))]
)
def test_versions(said: str, version: tuple[int, ...]) -> None:
    assert nginx.version(said) == version


def test_the_default_server_has_the_same_ciphers_and_curves() -> None:
    text = nginx.render(server(), [WIKI])
    for directive in ("ssl_protocols", "ssl_ciphers", "ssl_ecdh_curve", "ssl_session_tickets off"):
        assert text.count(directive) == 2


def block(text: str, path: str) -> str:
    return text.partition(f"location ^~ {path} {{")[2].partition("\n    }")[0]


def test_who_may_come_in_stands_where_it_counts() -> None:
    text = nginx.render(server(), [WIKI, ADA, PAGE])
    wiki, ada, page = (block(text, site.path) for site in (WIKI, ADA, PAGE))
    assert (
        "allow 192.0.2.0/24;\n        deny all;" in wiki
        and "auth_basic_user_file /etc/nginx/research-server/wiki.htpasswd;" in wiki
    )
    assert "proxy_set_header Authorization $research_server_token;" in wiki
    assert "if ($research_server_may_1 = 0) { return 403; }" in ada and "Authorization" not in ada
    assert '"SUCCESS CN=ada" 1;' in text and "ssl_verify_client optional" in text
    assert "deny all" not in page.replace("limit_except GET { deny all; }", "") and "auth" not in page
    assert "ssl_verify_client" not in nginx.render(server(), [WIKI, PAGE])


def test_a_certificate_that_is_revoked_is_not_that_of_its_owner() -> None:
    text = nginx.render(server(revoked=["0AB1", "0AB1"]), [ADA])
    assert 'map $ssl_client_serial $research_server_verify { default $ssl_client_verify; "0AB1" REVOKED; }' in text
    assert 'map "$research_server_verify $ssl_client_s_dn" $research_server_may_0 {' in text
    assert "REVOKED" not in nginx.render(server(), [ADA]) and "ssl_client" not in nginx.render(server(revoked=["0AB1"]), [WIKI])


def test_what_is_no_sites_path_is_nothing() -> None:
    assert "location / { return 404; }" in nginx.render(server(), [WIKI])
    assert "location / { return 404; }" not in nginx.render(server(), [PAGE])


def test_another_port_is_part_of_host_and_origin() -> None:
    text = nginx.render(server(port=8443), [WIKI])
    assert r'"~*^https://lab\.example\.org:8443$" 0;' in text and "proxy_set_header Host $http_host;" in text
    assert "proxy_set_header Host $host;" in nginx.render(server(), [WIKI])


def test_pages_of_each_name_are_its_own_and_nobody_elses() -> None:
    """By expressions, which a long name may be in, too."""
    text = nginx.render(server(names=["lab.example.org", "gpu-1"]), [])
    origins = text.partition("_foreign {")[2].partition("}")[0]
    own = [re.compile(pattern, re.IGNORECASE) for pattern in re.findall(r'"~\*(\S+)" 0;', origins)]
    assert len(own) == 2 and origins.startswith(' default 1; "" 0; ')
    for origin, ours in (
        ("https://lab.example.org", True),
        ("https://gpu-1", True),
        ("https://LAB.example.org", True),
        ("https://labxexample.org", False),
        ("https://lab.example.org.evil.example", False),
        ("https://lab.example.org:8443", False),
        ("http://gpu-1", False),
        ("xhttps://gpu-1", False),
        ("null", False),
    ):
        assert any(pattern.search(origin) for pattern in own) is ours, origin


def test_whatever_changes_changes_the_digest() -> None:
    texts = [
        nginx.render(server(), [WIKI]),
        nginx.render(server(certificate="another"), [WIKI]),
        nginx.render(server(), [WIKI, PAGE]),
        nginx.render(server(), [WIKI._replace(networks=())]),
    ]
    assert len({nginx.digest(text) for text in texts}) == 4 and all(map(nginx.digest, texts))
    assert nginx.render(server(), [WIKI]) == texts[0]
    assert nginx.digest("") == ""


CROOKED = re.compile(re.search(r'"~\*(\S+)" 1;', nginx.SHARED)[1], re.IGNORECASE)  # type: ignore[index]


@pytest.mark.parametrize(
    "uri", ["/a/../b", "/a/..", "/a/%2e%2E/b", "/a%2F..%2fb", "/a/.%2e/", "/..", "/a/..?x", "/a/..%5cb", "/a\\..\\b"]
)
def test_ways_upwards_are_seen(uri: str) -> None:
    assert CROOKED.search(uri)


@pytest.mark.parametrize("uri", ["/a/b", "/a..b/", "/a/...", "/a/..b", "/a?x=/../b", "/a/.b/", "/a%2fb"])
def test_everything_else_is_let_through(uri: str) -> None:
    assert not CROOKED.search(uri)


def test_files_beside_peoples_jupyterlabs_have_an_origin_of_their_own() -> None:
    lab = ADA._replace(lab=True)
    assert "sandbox" not in nginx.render(server(), [ADA, PAGE])
    text = nginx.render(server(), [lab, PAGE])
    page, hers = block(text, "/"), block(text, "/user/ada/")
    assert "add_header Content-Security-Policy \"frame-ancestors 'self'; sandbox allow-scripts" in page
    assert "allow-same-origin" not in text and "sandbox" not in hers
    # A place with headers of its own inherits none.
    assert all(f"add_header {name} " in page for name in nginx.HEADERS)


def test_the_hub_is_asked_before_each_request_to_a_jupyterlab() -> None:
    labs = [
        Site(f"lab.{name}", "port", "1", f"/user/{name}/", "hub", ("192.0.2.0/24",), (name,), lab=True) for name in ("ada", "bob")
    ]
    text = nginx.render(server(), [*labs, PAGE._replace(path="/page/")])
    hers, login = block(text, "/user/ada/"), block(text, "/hub/")
    assert "set $research_server_person ada;" in hers and "auth_request /.research-server/may;" in hers
    assert hers.count("X-Research-Server-Door") == 2  # one in, none out
    assert "proxy_set_header X-Research-Server-Door $research_server_door;" in hers
    assert 'if ($uri ~ "^/user/[^/]+/logout$") { return 302 /hub/logout; }' in hers
    asked = text.partition("location = /.research-server/may {")[2].partition("}")[0]
    assert "proxy_read_timeout 300s;" in asked, "as long as for the page itself"
    assert "internal;" in asked and "X-Research-Server-Person $research_server_person;" in asked
    # Nobody says it in nginx's place, nor hears it.
    for said in ("X-Research-Server-Person", "X-Research-Server-Door", "Authorization"):
        assert f'proxy_set_header {said} "";' in login
    assert "proxy_hide_header X-Research-Server-Door;" in login and "client_max_body_size 64k;" in login
    assert "proxy_ignore_client_abort on;" in login, "who does not wait for a no has failed"
    assert all("allow 192.0.2.0/24;\n        deny all;" in part for part in (hers, login)), "from where the labs are"
    assert "location = / { return 302 /hub/; }" in text and text.count("location ^~ /hub/ {") == 1
    assert "sandbox" in block(text, "/page/")
    anywhere = nginx.render(server(), [labs[0]._replace(networks=()), labs[1]])
    assert "deny all" not in block(anywhere, "/hub/")
    # To log in, a class that comes from one address waits for its turns.
    assert "burst=40 delay=5;" in login and "burst=5 nodelay;" in hers
    # A password that the hub has refused is a failed login.
    assert '$research_server_refused { default 0; "403 403 POST /hub/login" 1; }' in text
    without = nginx.render(server(), [ADA, PAGE])
    assert "auth_request" not in without and "/hub/" not in without


def asks(text: str) -> list[str]:
    """All that decides who comes in, and how the others are answered."""
    return [line for line in text.splitlines() if "proxy_" not in line and "add_header" not in line]


@pytest.mark.parametrize("auth", ["basic", "certificate", "hub"])
def test_who_has_no_jupyterlab_is_answered_as_if(auth: str) -> None:
    lab = {"name": "lab", "to": "jupyter", "path": "/user/", "auth": auth, "from": ["192.0.2.0/24"]}
    text = nginx.render(server(), sites_of([lab], {"basic": ["ada"], "certificate": ["ada"]}, {"ada": "port:1"}))
    hers, nobodys = asks(block(text, "/user/ada/")), asks(block(text, "/user/"))
    own = {"lab.ada.htpasswd": "lab.htpasswd", "may_0": "may_1", "person ada": 'person ""'}
    for name, nobody in own.items():
        hers = [line.replace(name, nobody) for line in hers]
    # nginx leads to what it passes on by itself, as its first step.
    assert nobodys.pop(1).strip() == "rewrite ^(/user/[A-Za-z0-9_.-]+)$ $1/ permanent;"
    assert hers == nobodys and len(hers) > 4
    assert '"SUCCESS' not in (text.partition("may_1 {")[2].partition("}")[0]), "nobody has a certificate for it"


ADDRESSES = re.search(r"_from \{\{ default \$binary_remote_addr; (.*)\}\}", nginx.SHARED)[1]  # type: ignore[index]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("127.0.0.1", "127.9.8.7", True),
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8:0:1::5", "2001:db8:0:1:2:3:4:5", True),
        ("2001:db8::5", "2001:db8::5:6", True),
        ("2001:db8:0:1::5", "2001:db8:0:2::5", False),
    ],
)
def test_who_has_many_addresses_logs_in_no_oftener(one: str, other: str, *, same: bool) -> None:
    local, network = re.findall(r'"~(\^[^"]+)"', ADDRESSES.format(own=""))

    def counted(address: str) -> str:
        found = re.match(network.replace("?<", "?P<"), address)
        return "127" if re.match(local, address) else found[1] if found else address

    assert (counted(one) == counted(other)) is same


def test_an_authority_gets_its_answer_by_http_and_everybody_else_is_sent_on() -> None:
    assert "listen 80" not in nginx.render(server(), [WIKI])
    asked = server(webroot="/srv/acme", certificate="", files=("/live/chain", "/live/key"), port=8443)
    whole, before = nginx.render(asked, [WIKI]), nginx.render_challenge(asked)
    for text in (whole, before):
        assert text.count("listen 80;") == text.count("listen [::]:80;") == 1
        assert "root /srv/acme;" in text and "return 301 https://$host:8443$request_uri;" in text
    assert "ssl_certificate /live/chain;" in whole and "ssl_certificate_key /live/key;" in whole
    assert "ssl" not in before and "wiki" not in before and nginx.digest(before) == ""
