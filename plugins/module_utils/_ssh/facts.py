# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Read once what a plan for sshd is made from. Changes nothing. Private to this collection."""

from __future__ import annotations

import contextlib
import glob
import os
import stat
import typing as t
from collections.abc import Iterable

from .._firewall import rules as firewall_rules
from .._host.files import read_file
from . import port as ssh_port
from . import recovery as ssh_recovery
from . import server_config
from . import trust as ssh_trust
from .plan import MODULI, Existing, Facts, as_list
from .server import Sshd, expand
from .server_config import MAIN

# PidFile of sshd_config(5), on all platforms of this collection: sshd writes it whenever it has read its configuration.
PID_FILE = "/run/sshd.pid"


def read_facts(host: Sshd, params: t.Mapping[str, t.Any]) -> Facts:
    """All that :func:`make_plan` asks for; ``params`` are those of the module sshd_config."""
    ports = host.ports_facts()
    own = [
        MODULI,
        ssh_recovery.COMMAND,
        ssh_port.SYSCTL,
        ssh_port.WANTS,
        ssh_port.NO_GENERATOR,
        ssh_port.restart_file(ports.service),
        firewall_rules.SSH_PORTS,
        *ssh_port.OLD_OVERRIDES,
        *glob.glob(f"{ssh_port.UNITS}/research-server-sshd-*.socket"),
        *glob.glob(f"{ssh_trust.FOLDER}/*"),
        *glob.glob(f"{glob.escape(os.path.dirname(params['path']))}/*.conf"),
    ]
    settings = [params["settings"], *(entry["settings"] for entry in params["since"])]
    asked = {keyword.lower() for layer in settings for keyword in layer}
    queries = {query for keyword, query in server_config.ALGORITHMS.items() if keyword.lower() in asked}
    configuration = _configuration()
    folders = {os.path.dirname(path) for path in configuration if path != MAIN}
    return Facts(
        version=_version(host),
        algorithms={query: host.run("ssh", "-Q", query).split() for query in sorted(queries)},
        files={**configuration, **_existing(own)},
        host_keys=_host_keys(as_list(params["settings"].get("HostKey"))),
        ports=ports,
        firewall=os.path.exists(firewall_rules.SSH_PORTS),
        unread=_newer_than(PID_FILE, [*configuration, *folders, *map(str, as_list(params["settings"].get("HostKey")))]),
    )


def _version(host: Sshd) -> tuple[int, int]:
    # Before 9.2 `sshd -V` is an error that prints the version all the same.
    _unused, out, err = host.attempt(host.sshd, "-V")
    return server_config.parse_version(out + err)


def _configuration() -> dict[str, Existing]:
    """sshd_config, and all files that it includes."""
    seen: list[str] = []

    def read(path: str) -> str | None:
        seen.append(path)
        return read_file(path)

    for _line in server_config.walk(MAIN, read, expand):
        pass
    return _existing(seen)


def _newer_than(mark: str, paths: Iterable[str]) -> tuple[str, ...]:
    """What was written after a file; a folder, when a file in it came or went. Nothing if there is no such file."""
    try:
        read_at = os.stat(mark).st_mtime_ns
    except OSError:
        return ()
    found = []
    for path in paths:
        with contextlib.suppress(OSError):
            if os.stat(path).st_mtime_ns > read_at:
                found.append(path)
    return tuple(sorted(found))


def _existing(paths: Iterable[str]) -> dict[str, Existing]:
    found = {}
    for path in paths:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            status = os.stat(path)
            text = read_file(path) if stat.S_ISREG(status.st_mode) else None
            if text is not None:
                found[path] = Existing(text, stat.S_IMODE(status.st_mode))
    return found


def _host_keys(paths: Iterable[t.Any]) -> dict[str, str]:
    publics = {str(path): read_file(f"{path}.pub") for path in paths if os.path.exists(str(path))}
    return {path: text for path, text in publics.items() if text is not None}
