# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A kernel that is locked down, as with Secure Boot, refuses the driver's module, which nobody has signed, and that is told.

The last of the machine's tests: it stays like that until it boots.
"""

from __future__ import annotations

SYSFS = "/srv/sysfs"


def test_a_kernel_that_is_locked_down_refuses_it(host, ask):
    host.check_output("rmmod nvidia_uvm nvidia")
    assert ask("nvidia_info", sysfs_root=SYSFS)["info"]["health"]["loadable"]
    host.check_output("echo integrity > /sys/kernel/security/lockdown")
    assert "Operation not permitted" in host.run("modprobe nvidia").stderr
    info = ask("nvidia_info", sysfs_root=SYSFS)["info"]
    assert info["secure_boot"]["enforced"] and not info["health"]["loadable"]
