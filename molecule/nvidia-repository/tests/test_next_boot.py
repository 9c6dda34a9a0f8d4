# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A kernel that was installed in the meantime gets its module before it boots. Kernel and DKMS are stand-ins."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from testinfra.host import Host

pytestmark = pytest.mark.one_release
Converge = Callable[..., Any]

KERNEL = "6.1.0-2-stand-in"
FILES = f"/boot/vmlinuz-{KERNEL} /usr/lib/modules/{KERNEL} /usr/src/linux-headers-{KERNEL} /usr/sbin/dkms"
TREE = "/var/lib/dkms/nvidia"
TOLD = f"kernel {KERNEL} boots next, without the driver"
# As DKMS leaves it; without /srv/builds it fails, as DKMS does.
DKMS = f"""\
#!/bin/sh
[ "$*" = "install nvidia/580.95.05 -k {KERNEL}" ] && [ -e /srv/builds ] || exit 10
mkdir -p {TREE}/580.95.05/{KERNEL}/x86_64/module
ln -sfn 580.95.05/{KERNEL}/x86_64 {TREE}/kernel-{KERNEL}-x86_64
"""


@pytest.fixture
def _new_kernel(host: Host) -> Iterator[None]:
    host.check_output(
        f"mkdir -p /boot /usr/lib/modules/{KERNEL} /usr/src/linux-headers-{KERNEL} {TREE}/580.95.05/source; "
        f"touch /boot/vmlinuz-{KERNEL}; cat > /usr/sbin/dkms <<'END'\n{DKMS}END\nchmod 0755 /usr/sbin/dkms"
    )
    yield
    host.check_output(
        f"rm -rf {FILES} {TREE}/580.95.05/source {TREE}/580.95.05/{KERNEL} {TREE}/kernel-{KERNEL}-x86_64 /srv/builds"
    )


@pytest.mark.usefixtures("_new_kernel")
def test_the_module_is_built_before_the_kernel_boots_and_a_failure_is_told(host: Host, converge: Converge) -> None:
    drift = converge("--check")
    assert (drift.ok, drift.changed) == (True, 1), drift.text
    assert f"{TOLD}: DKMS has not built the module for it" in drift.text
    failed = converge()
    assert not failed.ok
    assert f"{TOLD}: DKMS has not built the module for it. Until it is built, boot an older kernel" in failed.text
    host.check_output("touch /srv/builds")
    done = converge()
    assert (done.ok, done.changed) == (True, 1), done.text
    again = converge("--check")
    assert again.changed == 0
    assert TOLD not in again.text
