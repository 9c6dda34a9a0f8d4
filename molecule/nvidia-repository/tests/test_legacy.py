# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What NVIDIA's former instructions have left is told, and goes when asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from testinfra.host import Host

pytestmark = pytest.mark.one_release
Converge = Callable[..., Any]

SOURCE = "/etc/apt/sources.list.d/cuda-debian.list"
UNINSTALLER = "/usr/bin/nvidia-uninstall"


@pytest.fixture
def _leftovers(host: Host) -> Iterator[None]:
    host.check_output(
        f"echo 'deb [trusted=yes] file:///srv/nvidia /' > {SOURCE}; "
        f"printf '#!/bin/sh\\n# A stand-in.\\n[ \"$1\" = --silent ] && rm {UNINSTALLER}\\n' > {UNINSTALLER}; "
        f"chmod 0755 {UNINSTALLER}"
    )
    yield
    host.check_output(f"rm -f {SOURCE} {UNINSTALLER}")


@pytest.mark.usefixtures("_leftovers")
def test_leftovers_stop_the_role_with_the_way_out_and_go_when_asked(host: Host, converge: Converge) -> None:
    told = converge()
    assert (told.ok, told.changed) == (False, 0)
    assert (
        f"{SOURCE} names file:///srv/nvidia already, and apt refuses a repository with two keys; remove that file, or set"
        in told.text
    )
    assert "run nvidia-uninstall on the host, or set nvidia_clean_legacy: true" in told.text
    for arguments, left in ((("--check",), True), ((), False)):
        done = converge(*arguments, nvidia_clean_legacy=True)
        assert done.ok, done.text
        assert done.changed == 2
        assert (host.file(SOURCE).exists, host.file(UNINSTALLER).exists) == (left, left)
    assert converge(nvidia_clean_legacy=True).changed == 0
