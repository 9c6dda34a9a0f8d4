# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._audit.host import Host
from ansible_collections.openlab.research_server.plugins.module_utils._audit.owners import owners, packaged
from ansible_collections.openlab.research_server.tests.unit.plugins.host_tree import put

LISTS = {"coreutils": "/.\n/bin/ls\n", "dash": "/usr/bin/sh\n", "kmod:amd64": "/sbin/lsmod\n", "tools": "/usr/share/x\n"}
DIVERSIONS = "/bin/sh\n/bin/sh.distrib\ndash\n/usr/share/x\n/usr/share/x.old\n:\n"
ASKED = [
    ("/bin/ls", "coreutils"),
    ("/usr/bin/ls", "coreutils"),
    ("/usr/bin/sh", "dash"),
    ("/usr/bin/sh.distrib", "dash"),
    ("/bin/sh.distrib", "dash"),
    ("/usr/sbin/lsmod", "kmod"),
    ("/usr/share/x.old", "tools"),
    ("/share/x", ""),
    ("/usr/bin/l*", ""),
    ("relative", ""),
]


def host(root: Path) -> Host:
    def attempt(*argv: str) -> tuple[int, str, str]:
        lines = {line: name.partition(":")[0] for name, text in LISTS.items() for line in text.split()}
        return 1, "".join(f"{lines[name]}: {name}\n" for name in argv if name in lines), ""

    for name, text in LISTS.items():
        put(root, f"/var/lib/dpkg/info/{name}.list", text)
    put(root, "/var/lib/dpkg/diversions", DIVERSIONS)
    put(root, "/usr/bin/dpkg-query")
    return Host(attempt, root=str(root))


@pytest.mark.parametrize(("path", "package"), ASKED)
def test_both_ways_of_asking_agree(tmp_path: Path, path: str, package: str) -> None:
    assert owners(host(tmp_path), [path]) == ({path: package} if package else {})
    assert packaged(host(tmp_path), [path]) == ({path} if package else set())


def test_without_packages_nothing_is_anybodys(tmp_path: Path) -> None:
    bare = Host(lambda *_argv: (127, "", ""), root=str(tmp_path))
    assert (owners(bare, ["/bin/ls"]), packaged(bare, ["/bin/ls"])) == ({}, frozenset())
    assert (owners(bare, []), packaged(bare, [])) == ({}, frozenset())


def test_that_somebody_has_diverted_a_path_makes_it_no_packages(tmp_path: Path) -> None:
    bare = host(tmp_path)
    bare.attempt = lambda *_argv: (0, "local diversion from: /usr/bin/x\ndiversion by dash to: /usr/bin/x\n", "")
    assert packaged(bare, ["/usr/bin/x"]) == frozenset()
