# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Test hosts use the package index that this machine uses, and nothing that lies on this machine's disk."""

from __future__ import annotations

import configparser

from hosts.pip_config import CA_BUNDLE, for_hosts


def settings(listing: str) -> dict[str, str]:
    parser = configparser.RawConfigParser()
    parser.read_string(for_hosts(listing))
    return dict(parser["global"])


def test_index_is_kept_and_files_are_dropped() -> None:
    found = settings(
        "global.cert='/home/me/ca.pem'\n"
        "global.index-url='https://index.example/simple'\n"
        "global.extra-index-url='file:///srv/one https://more.example/simple'\n"
        "global.find-links='/srv/wheels'\n"
        "install.trusted-host='index.example'\n"
    )
    assert found == {
        "cert": CA_BUNDLE,
        "disable-pip-version-check": "true",
        "index-url": "https://index.example/simple",
        "extra-index-url": "https://more.example/simple",
        "trusted-host": "index.example",
    }


def test_environment_beats_files() -> None:
    listing = ":env:.index-url='https://env.example/simple'\nglobal.index-url='https://file.example/simple'\n"
    assert settings(listing)["index-url"] == "https://env.example/simple"


def test_nothing_configured_leaves_the_default_index() -> None:
    assert set(settings("")) == {"cert", "disable-pip-version-check"}
