# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A clock of its own: it is set after a boot, through the firewall, and where nobody sets it the audit says so."""

from __future__ import annotations

import pytest
from waiting import wait_until

# As a clock stands that nobody has set for long (adjtimex(2): ADJ_MAXERROR, ADJ_STATUS, STA_UNSYNC).
FORGET = """
import ctypes, struct
timex = bytearray(208)
struct.pack_into("i", timex, 0, 0x14)
struct.pack_into("q", timex, 24, 16000000)
struct.pack_into("i", timex, 40, 0x40)
assert ctypes.CDLL(None).adjtimex((ctypes.c_char * 208).from_buffer(timex)) >= 0
"""


def is_set(host):
    return host.check_output("timedatectl show -p NTPSynchronized --value") == "yes"


def told(ask):
    return [notice for notice in ask("audit", topics=["health"])["notices"] if "clock" in notice]


@pytest.fixture
def _long_up(host):
    """The audit gives a clock its time after a boot."""
    host.check_output("echo 90000.0 90000.0 > /root/uptime && mount --bind /root/uptime /proc/uptime")
    yield
    host.check_output("umount /proc/uptime")


def test_it_is_set_after_a_boot(host):
    wait_until(lambda: is_set(host))
    assert host.service("systemd-timesyncd").is_running


@pytest.mark.usefixtures("_long_up")
def test_the_audit_tells_a_clock_that_nobody_sets_and_how_to_have_it_set(host, ask):
    host.check_output("timedatectl set-ntp false && python3 -c %s", FORGET)
    try:
        (notice,) = told(ask)
        assert "not synchronised, and nothing does it" in notice and "timedatectl set-ntp true" in notice
    finally:
        host.check_output("timedatectl set-ntp true")
    wait_until(lambda: is_set(host))
    assert told(ask) == []
