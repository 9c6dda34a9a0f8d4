# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.openlab.research_server.plugins.plugin_utils._preflight.proxy import check, warnings

SITE = {"name": "wiki", "to": "port:8000", "path": "/wiki/", "auth": "none"}
RIGHT: dict[str, t.Any] = {"proxy_names": ["lab.example.org"], "proxy_sites": [SITE], "proxy_port": 443}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({}, ""),
        ({"proxy_sites": []}, ""),
        ({"proxy_names": ["Lab"]}, "proxy_names: found 'Lab'"),
        ({"proxy_port": 0}, "proxy_port: found 0"),
        ({"proxy_connections_per_source": -1}, "proxy_connections_per_source: found -1"),
        ({"proxy_passwords": {"ada": "word"}}, "proxy_passwords: ada: expected a hash"),
        ({"proxy_people": ["Ada"]}, "proxy_people: found the name 'Ada'"),
        ({"proxy_revoked": ["0ab1", "0A:B1"]}, ""),
        ({"proxy_revoked": ["serial=0AB1"]}, "proxy_revoked: found 'serial=0AB1'"),
        ({"proxy_revoked": [1234]}, "proxy_revoked: found 1234"),
        ({"proxy_sites": [SITE, SITE | {"name": "again"}]}, "the path '/wiki/' 2 times"),
        ({"proxy_sites": [SITE | {"auth": "basic"}]}, "found nobody who could come in"),
        ({"proxy_sites": [SITE | {"to": "port:443"}]}, "where this web server itself listens"),
        ({"proxy_sites": [SITE | {"to": "port:80"}]}, ""),
        (
            {"proxy_sites": [SITE | {"to": "port:80"}], "proxy_acme_directory": "https://acme.example"},
            "where this web server itself listens",
        ),
        ({"proxy_certificate": "x"}, "found no proxy_certificate_key"),
        ({"proxy_acme_directory": "https://acme.example/directory"}, ""),
        ({"proxy_acme_directory": "acme.example"}, "proxy_acme_directory: found 'acme.example'"),
        ({"proxy_acme_directory": "https://acme.example", "proxy_port": 80}, "proxy_port: found 80"),
        ({"proxy_certificate_key": "x"}, "found no proxy_certificate beside it"),
    ],
)
def test_variables_that_make_no_sense_are_told(change: dict[str, t.Any], says: str) -> None:
    found = check({**RIGHT, **change})
    assert len(found) == bool(says) and says in " ".join(found)


def test_without_a_certificate_from_elsewhere_nothing_is_warned_of() -> None:
    assert warnings(RIGHT) == []
