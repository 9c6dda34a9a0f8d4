# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What must hold among the variables of the role sshd. Pure. Private to this collection."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Mapping

from ...module_utils._ssh import port as ssh_port
from ...module_utils._ssh.trust import Trust
from ...module_utils._ssh.trust import problems as trust_problems

OWN_VARIABLE = {"port": "sshd_port", "allowgroups": "sshd_allow_groups"}
# With which values nobody gets in by a key. Of each list of methods (by commas) one is enough.
SHUTS_OUT: dict[str, t.Callable[[str], bool]] = {
    "pubkeyauthentication": lambda words: words == "no",
    "authenticationmethods": lambda words: words != "any" and "publickey" not in words,
}
# These may also point to a file of the lab's own, as long as the variable is not in use.
TRUST_VARIABLE = {
    "trustedusercakeys": "sshd_trusted_user_ca_keys",
    "authorizedprincipalsfile": "sshd_authorized_principals",
    "revokedkeys": "sshd_revoked_keys",
    "hostcertificate": "sshd_host_certificates",
}


def notes(variables: Mapping[str, t.Any]) -> list[str]:
    """What keeps everybody but root away from the port."""
    port = int(variables.get("sshd_port", 2222))
    if port < ssh_port.DEFAULT_START:
        how = "only root may listen below 1024"
    elif port <= ssh_port.HIGHEST_COVERED:
        how = f"{ssh_port.START_KEY} becomes {port + 1}, so only root may listen below that"
    else:
        how = "systemd holds it in a socket unit, where this host's sshd can inherit one (Debian, Ubuntu)"
    return [f"sshd_port {port}: {how}"]


def _groups(variables: Mapping[str, t.Any]) -> list[str]:
    return [
        f"{name}: found {group!r}; expected the name of a group, without blanks; correct it"
        for name in ("sshd_allow_groups", "sshd_jump_groups")
        for group in variables.get(name, [])
        if not re.fullmatch(r"[^\s\"'#\\]+", str(group))
    ]


def _settings(settings: Mapping[str, t.Any]) -> t.Iterator[str]:
    """What is no setting of sshd_config(5), and what lets nobody in by a key."""
    for keyword, value in settings.items():
        if not re.fullmatch(r"[A-Za-z0-9]+", str(keyword)):
            yield f"sshd_settings: found {keyword!r}; expected the name of one setting of sshd_config(5); correct it"
        words = "no" if value is False else " ".join(map(str, value if isinstance(value, list) else [value])).lower()
        shuts_out = SHUTS_OUT.get(str(keyword).lower())
        if shuts_out and shuts_out(words):
            yield f"sshd_settings: found '{keyword} {words}', by which no key lets anybody in; take it out, or correct it"


def check(variables: Mapping[str, t.Any]) -> list[str]:
    """One sentence for each problem: found, expected, what to do."""
    problems = []
    ports = {"sshd_port": [variables.get("sshd_port", 2222)], "sshd_previous_ports": variables.get("sshd_previous_ports", [])}
    for name, values in ports.items():
        problems += [
            f"{name}: found {port}; expected a TCP port from 1 to 65535" for port in values if not 1 <= int(port) <= 65535
        ]
    if not variables.get("sshd_allow_groups", ["ssh-users"]):
        problems.append("sshd_allow_groups: found an empty list; expected at least one group, or nobody could log in")
    if not variables.get("sshd_jump_groups", ["ssh-users"]):
        problems.append("sshd_jump_groups: found an empty list; expected at least one group; a bastion is for those who jump")
    problems += [
        f"sshd_settings: found {keyword}; expected settings that hold for everybody, since a block or another file would take in "
        "what follows; put it into a file of your own, /etc/ssh/sshd_config.d/NAME.conf"
        for keyword in variables.get("sshd_settings", {})
        if str(keyword).lower() in {"match", "include"}
    ]
    problems += _groups(variables)
    problems += _settings(variables.get("sshd_settings", {}))
    for keyword in variables.get("sshd_settings", {}):
        own = OWN_VARIABLE.get(str(keyword).lower())
        other = TRUST_VARIABLE.get(str(keyword).lower(), "")
        if variables.get(other):
            problems.append(f"sshd_settings: found {keyword}, and '{other}' which sets it, too; expected one of them")
        if own:
            problems.append(f"sshd_settings: found {keyword}; set it with the variable '{own}', other roles read that")
    if int(variables.get("sshd_undo_after", 120)) < 30:
        problems.append(
            f"sshd_undo_after: found {variables['sshd_undo_after']} s; expected at least 30 s, a new login takes time"
        )
    return problems + trust_problems(
        Trust(
            authorities=variables.get("sshd_trusted_user_ca_keys", []),
            principals=variables.get("sshd_authorized_principals", {}),
            revoked=variables.get("sshd_revoked_keys", []),
            host_certificates=variables.get("sshd_host_certificates", []),
        )
    )
