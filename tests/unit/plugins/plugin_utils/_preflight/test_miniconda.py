# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import re
import typing as t
from pathlib import Path

import pytest
import yaml
from ansible_collections.openlab.research_server.plugins.plugin_utils._preflight.miniconda import check

GOOD = {
    "miniconda_version": "py312_25.1.1-2",
    "miniconda_checksum": "sha256:" + "0a" * 32,
    "miniconda_prefix": "/opt/miniconda3",
    "miniconda_base_url": "https://repo.anaconda.com/miniconda",
    "miniconda_channel_alias": "http://mirror:8080/conda",
    "miniconda_channels": ["conda-forge"],
}


def test_good_variables() -> None:
    assert check(GOOD) == []
    assert check({**GOOD, "miniconda_channels": ["defaults"], "miniconda_accept_anaconda_tos": True}) == []
    assert check({**GOOD, "miniconda_base_url": "file:///srv/mirror"}) == []
    assert check({**GOOD, "miniconda_prefix": "/usr/local/miniconda3"}) == check({**GOOD, "miniconda_prefix": "/conda"}) == []
    assert check({**GOOD, "miniconda_exclude_newer": "7d", "miniconda_version": "py314_26.11.0-1"}) == []
    assert check({**GOOD, "miniconda_allowlist_channels": ["conda-forge", "x"], "miniconda_denylist_channels": ["y"]}) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            {"miniconda_checksum": "", "miniconda_installer": "Miniconda3-x.sh"},
            "found none for Miniconda3-x.sh, which is not in the table",
        ),
        ({"miniconda_checksum": "0a" * 32}, "sha256:"),
        ({"miniconda_checksum": "sha256:abc"}, "64"),
        ({"miniconda_checksum": "md5:" + "0" * 32}, "sha256:"),
        ({"miniconda_version": "latest"}, "latest"),
        ({"miniconda_version": "a/../b"}, "miniconda_version"),
        ({"miniconda_prefix": "opt/x"}, "absolute"),
        ({"miniconda_prefix": "/"}, "absolute"),
        *(({"miniconda_prefix": f"/opt/mini{odd}conda"}, "letters, digits") for odd in " \t\n;&|$`'\"\\<>()*?[]{}~!#:%=,@"),
        *(
            ({"miniconda_prefix": path}, "a folder of the system; expected one that is conda's alone")
            for path in ("/opt", "/opt/", "/usr/local", "/home", "/opt/miniconda3/..", "/opt/../usr/./local/")
        ),
        ({"miniconda_base_url": "repo.example/miniconda"}, "URL"),
        ({"miniconda_channel_alias": "ftp://x"}, "URL"),
        ({"miniconda_channels": []}, "at least one"),
        ({"miniconda_exclude_newer": "7d"}, "found a limit for conda 25.1, which does not know it; expected conda 26.9 or newer"),
        ({"miniconda_exclude_newer": "7d", "miniconda_version": "26.7.1-0"}, "found a limit for conda 26.7"),
        ({"miniconda_allowlist_channels": ["bioconda"]}, "found conda-forge, which miniconda_allowlist_channels"),
        ({"miniconda_denylist_channels": ["conda-forge"]}, "found conda-forge, which"),
        ({"miniconda_channels": ["conda-forge", "defaults"]}, "terms of service"),
        ({"miniconda_channels": ["main"]}, "terms of service"),
        ({"miniconda_channels": ["pkgs/r"]}, "terms of service"),
        ({"miniconda_channels": ["https://repo.anaconda.com/pkgs/main"]}, "terms of service"),
    ],
)
def test_bad_variables(change: dict[str, t.Any], expected: str) -> None:
    problems = check({**GOOD, **change})
    assert len(problems) == 1
    assert expected in problems[0]


def test_the_table_of_releases_is_one() -> None:
    releases = yaml.safe_load(Path("roles/miniconda/vars/main.yml").read_text())["__miniconda_releases"]
    name = re.compile(r"(Miniconda3-py3\d+_|Miniforge3-)2[4-9]\.\d+\.\d+-\d+-Linux-(x86_64|aarch64)\.sh")
    assert all(name.fullmatch(key) and re.fullmatch(r"[0-9a-f]{64}", value) for key, value in releases.items())
    assert len(set(releases.values())) == len(releases)
