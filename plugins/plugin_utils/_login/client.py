# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the controller's own ssh client would do. Private to this collection."""

from __future__ import annotations

import re
import shlex
import subprocess
import typing as t

from ansible.errors import AnsibleConnectionFailure

# Where a jump has failed, which is a connection without an address.
FOLLOWS = re.compile(r"stdio forwarding failed|kex_exchange_identification: .*|.* by UNKNOWN port 65535")


def arguments(connection: t.Any) -> list[str]:
    """What Ansible itself would hand to ssh, apart from the port."""
    user = connection.get_option("remote_user")
    return [*options(connection), *(["-l", user] if user else [])]


def options(connection: t.Any, common_args: str | None = None) -> list[str]:
    """The same without the account.

    :param common_args: in place of those of the connection.
    """
    option = connection.get_option
    common = option("ssh_common_args") if common_args is None else common_args
    key = option("private_key_file")
    return [*shlex.split(common or ""), *shlex.split(option("ssh_extra_args") or ""), *(["-i", str(key)] if key else [])]


def reason(done: subprocess.CompletedProcess[str]) -> str:
    """Why ssh failed: what it said last, unless that follows from what it had said before."""
    lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
    telling = [line for line in lines if not FOLLOWS.fullmatch(line)] or lines
    return telling[-1] if telling else f"ssh ended with {done.returncode}"


def listing(host: str, given: list[str]) -> str:
    """What the client's configuration says about this host (``ssh -G`` opens no connection)."""
    done = subprocess.run(
        ["ssh", *given, "-G", host], check=False, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=30
    )
    if done.returncode != 0:
        raise AnsibleConnectionFailure(f"the ssh client refuses its own options for {host}: {done.stderr.strip()}")
    return done.stdout


def has_become_password(play_context: t.Any, variables: t.Mapping[str, t.Any]) -> bool:
    """Whether Ansible has one to type: from -K, or from one of the names that its variable has had."""
    names = ("ansible_become_password", "ansible_become_pass", "ansible_sudo_pass")
    return bool(play_context.become_pass) or any(variables.get(name) for name in names)
