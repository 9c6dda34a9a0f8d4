# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import typing as t

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._nvidia import apt_sources

WANTED = ("contrib", "non-free", "non-free-firmware")
ONE_LINE = """\
# deb http://mirror.example/debian bookworm contrib
deb http://mirror.example/debian bookworm main
deb http://mirror.example/debian bookworm-updates main # comment
deb http://mirror.example/debian-security bookworm-security main
deb http://mirror.example/debian bookworm-backports main
deb-src http://mirror.example/debian bookworm main
deb [arch=amd64 signed-by=/etc/apt/keyrings/docker.asc] https://docker.example/linux/debian-like bookworm main
"""
DEB822 = """\
# The mirror of the lab
Types: deb deb-src
URIs: http://mirror.example/debian/
Suites: trixie trixie-updates
Components: main non-free-firmware
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example/debian-security/
Suites: trixie-security
Components: main
Signed-By:
 -----BEGIN PGP PUBLIC KEY BLOCK-----
 .
 abc
 -----END PGP PUBLIC KEY BLOCK-----

Enabled: no
Types: deb
URIs: http://off.example/debian/
Suites: trixie
Components: main
"""


def plan(sources: list[dict[str, t.Any]], codename: str, **origins: str) -> list[dict[str, str]]:
    planned: list[dict[str, str]] = apt_sources.extend(
        sources, distribution="debian", codename=codename, components=WANTED, origins=origins
    )
    return planned


def test_one_line_sources_are_repeated_with_the_missing_components() -> None:
    assert plan(apt_sources.parse_list(ONE_LINE), "bookworm") == [
        {
            "Types": "deb",
            "URIs": "http://mirror.example/debian",
            "Suites": "bookworm bookworm-updates",
            "Components": "contrib non-free non-free-firmware",
        },
        {
            "Types": "deb",
            "URIs": "http://mirror.example/debian-security",
            "Suites": "bookworm-security",
            "Components": "contrib non-free non-free-firmware",
        },
    ]


def test_deb822_sources_keep_their_keys_and_are_not_enabled_twice() -> None:
    first, second = plan(apt_sources.parse_sources(DEB822), "trixie")
    assert first["Suites"] == "trixie trixie-updates"
    assert first["Components"] == "contrib non-free"
    assert first["Signed-By"] == "/usr/share/keyrings/debian-archive-keyring.gpg"
    assert second["URIs"] == "http://mirror.example/debian-security/"
    assert second["Signed-By"].splitlines()[2:4] == [".", "abc"]


def test_nothing_is_planned_where_all_is_enabled() -> None:
    line = "deb http://mirror.example/debian bookworm main contrib non-free non-free-firmware"
    other = "deb http://mirror.example/debian/ bookworm-updates main\ndeb http://mirror.example/debian bookworm-updates contrib non-free non-free-firmware"
    assert plan(apt_sources.parse_list(f"{line}\n{other}"), "bookworm") == []


def test_a_source_without_main_is_left_as_it_is() -> None:
    assert plan(apt_sources.parse_list("deb http://mirror.example/debian bookworm contrib"), "bookworm") == []


@pytest.mark.parametrize(("origin", "count"), [("Debian", 1), ("Docker", 0)])
def test_the_index_that_apt_holds_decides_what_the_distribution_is(origin: str, count: int) -> None:
    sources = apt_sources.parse_list("deb https://user:secret@lab.example:8443/some_mirror/debian bookworm main")
    name = "lab.example:8443_some%5fmirror_debian_dists_bookworm"
    assert apt_sources.list_prefix(sources[0]["uris"][0], "bookworm") == name
    assert len(plan(sources, "bookworm", **{name: origin})) == count


def test_options_and_formats_that_matter_are_read() -> None:
    source = apt_sources.parse_list("deb [ arch=amd64,arm64 trusted=yes lang=en ] file:/srv/x bookworm main")[0]
    assert source == {
        "uris": ["file:/srv/x"],
        "suites": ["bookworm"],
        "components": ["main"],
        "architectures": "amd64 arm64",
        "trusted": "yes",
    }
    assert apt_sources.parse_list("deb [signed-by=/k] http://x ./") == [
        {"uris": ["http://x"], "suites": ["./"], "components": [], "signed-by": "/k"}
    ]
