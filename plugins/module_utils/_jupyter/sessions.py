# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is a session of those who have a JupyterLab, and what its end means. Private to this collection.

Limits are of a person's slice, and pam_systemd(8) puts sessions there. Debian's profile of it is for interactive sessions alone
(pam-auth-update(8), Session-Interactive-Only): jobs of cron and at would have nobody's limits. When somebody's last session ends,
logind takes their shared memory away (logind.conf(5), RemoveIPC=), also from kernels, which are in no session.
"""

from __future__ import annotations

from .._host.files import read_file

# Not there where cron and at do as logins do, as on RHEL.
STACK = "/etc/pam.d/common-session-noninteractive"
# Below the part that pam-auth-update keeps.
LINES = (
    "# Jobs of people are in their slices, as their logins are (openlab.research_server, role jupyter).",
    "session [success=ignore default=1] pam_succeed_if.so quiet uid >= 1000",
    "session optional pam_systemd.so",
)
MODULE = "pam_systemd.so"
LOGIND = "/etc/systemd/logind.conf.d/50-research-server-jupyter.conf"
LOGIND_UNIT = "systemd-logind.service"
SETTINGS = """\
# {header}
[Login]
RemoveIPC=no
"""


def files(header: str, present: bool) -> dict[str, str]:
    """Path -> text, where there are people, and where there are none. No text: no file."""
    stack = read_file(STACK)
    found = {} if stack is None else {STACK: with_lines(stack, present)}
    return {**found, LOGIND: SETTINGS.format(header=header) if present else ""}


def with_lines(text: str, present: bool) -> str:
    """The stack with our lines at its end, or without them. One that calls the module itself needs none."""
    rest = [line for line in text.splitlines() if line not in LINES]
    by_itself = any(MODULE in line and not line.lstrip().startswith("#") for line in rest)
    return "".join(f"{line}\n" for line in [*rest, *(LINES if present and not by_itself else ())])
