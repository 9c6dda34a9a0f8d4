# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the controller's own ssh client would do. Private to this collection."""

from __future__ import annotations

import shlex
import subprocess
import typing as t

from ansible.errors import AnsibleConnectionFailure


def arguments(connection: t.Any) -> list[str]:
    """What Ansible itself would hand to ssh, apart from the port."""
    option = connection.get_option
    found = [*shlex.split(option("ssh_common_args") or ""), *shlex.split(option("ssh_extra_args") or "")]
    if option("remote_user"):
        found += ["-l", option("remote_user")]
    if option("private_key_file"):
        found += ["-i", str(option("private_key_file"))]
    return found


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
