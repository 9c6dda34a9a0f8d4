# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What sshd's modules ask a host. Reads only; the reading is shared, the thinking is elsewhere. Private to this collection."""

from __future__ import annotations

import contextlib
import glob
import os
import pwd
import typing as t
from fnmatch import fnmatch

from ansible.module_utils.basic import AnsibleModule

from . import _sshd_config
from ._runner import Runner
from ._session import Session, find

MAIN = "/etc/ssh/sshd_config"
RUNTIME = "/run/sshd"


class Sshd(Runner):
    """The SSH server of a host, and how systemd runs it."""

    def __init__(self, module: AnsibleModule) -> None:
        super().__init__(module)
        self.sshd = module.get_bin_path("sshd", True, ["/usr/sbin", "/usr/local/sbin"])
        self.service = _unit("ssh.service", "sshd.service")
        socket = _unit("ssh.socket", "sshd.socket")
        self.socket = socket if socket and self.attempt("systemctl", "is-active", "--quiet", socket)[0] == 0 else ""

    def effective(self, *options: str) -> str:
        with runtime_directory():
            return self.run(self.sshd, "-T", *options)

    def ports(self) -> list[int]:
        """The ports on which sshd, or systemd for it, is told to listen."""
        if not self.socket:
            return _sshd_config.effective_ports(self.effective())
        listening = self.run("systemctl", "show", "--property=Listen", "--value", self.socket)
        return list(dict.fromkeys(int(word.rpartition(":")[2]) for word in listening.split() if word[-1:].isdigit()))


def read_file(path: str) -> str | None:
    """The text of a file, or None if there is none."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as stream:
            return stream.read()
    except (FileNotFoundError, NotADirectoryError):
        return None


def expand(pattern: str, *planned: str) -> list[str]:
    """The files that an Include means, as if the planned ones were there."""
    return sorted({*glob.glob(pattern), *(path for path in planned if fnmatch(path, pattern))})


@contextlib.contextmanager
def runtime_directory() -> t.Iterator[None]:
    """sshd demands this directory even for a test, and systemd removes it when the service stops."""
    made = not os.path.isdir(RUNTIME)
    if made:
        os.mkdir(RUNTIME, 0o755)
    try:
        yield
    finally:
        if made:
            with contextlib.suppress(OSError):
                os.rmdir(RUNTIME)


def current_session() -> Session | None:
    """The SSH session that this process was started from."""
    return find(os.getpid(), _read_bytes)


def describe(session: Session | None) -> dict[str, t.Any]:
    """The session as a module returns it."""
    if session is None:
        return {}
    return {
        "user": pwd.getpwuid(session.uid).pw_name,
        "client_address": session.client_address,
        "server_port": session.server_port,
    }


def _unit(*names: str) -> str:
    folders = ("/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")
    return next((name for name in names if any(os.path.exists(f"{folder}/{name}") for folder in folders)), "")


def _read_bytes(path: str) -> bytes:
    with open(path, "rb") as stream:
        return stream.read()
