# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A researcher's own JupyterLab on this host: where it is, how to reach it, and how its service starts it.

lab-jupyter          print the tunnel command and the address with the token
lab-jupyter serve    serve JupyterLab; run by jupyter@USER.service with the Python of JupyterLab's environment
"""

from __future__ import annotations

import json
import os
import pwd
import secrets
import socket
import stat
import sys
from pathlib import Path

PORTS = Path("/etc/lab-jupyter.json")
TOKENS = Path("/var/lib/jupyter")
TOKEN_BYTES = 32


class RefusedError(Exception):
    """Why there is no JupyterLab; shown to the person, or in the journal of the service."""


def port_of(name: str, ports: Path = PORTS) -> int:
    try:
        found = json.loads(ports.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RefusedError(f"{ports}: {error}") from None
    if name not in found:
        raise RefusedError(f"{name} has no JupyterLab on this server; ask an administrator for one")
    return int(found[name])


def keep_token(path: Path) -> str:
    """Return the token; make a new one if there is none, or if the one that is there could have been read by others."""
    try:
        status = path.lstat()
        private = stat.S_ISREG(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o077
        token = path.read_text(encoding="ascii").strip() if private else ""
    except FileNotFoundError:
        token = ""
    if len(token) >= TOKEN_BYTES:
        return token
    token = secrets.token_urlsafe(TOKEN_BYTES)
    new = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(f"{token}\n")
    new.replace(path)
    return token


def show(name: str, port: int) -> None:
    path = TOKENS / name / "token"
    try:
        token = path.read_text(encoding="ascii").strip()
    except OSError as error:
        raise RefusedError(f"{path}: {error.strerror}; is the service running? systemctl status jupyter@{name}") from None
    # SSH_CONNECTION: client address, client port, server address, server port (ssh(1)).
    connection = os.environ.get("SSH_CONNECTION", "").split()
    ssh_port = f"-p {connection[3]} " if len(connection) == 4 else ""
    print(
        f"On your own computer, with the name by which you reach this server instead of {socket.gethostname()}:\n"
        f"    ssh -N -L {port}:127.0.0.1:{port} {ssh_port}{name}@{socket.gethostname()}\n"
        f"Then open in your browser:\n"
        f"    http://127.0.0.1:{port}/lab?token={token}"
    )


def serve(account: pwd.struct_passwd, port: int, options: list[str]) -> None:
    if account.pw_uid == 0:
        raise RefusedError("JupyterLab is not served to root: everything that runs in a notebook would run as root")
    if not os.access(account.pw_dir, os.W_OK):
        raise RefusedError(f"{account.pw_dir} cannot be written from this service; add its file system to jupyter_writable_paths")
    prefix = os.path.realpath(sys.prefix)
    if prefix != sys.prefix:
        # The environment's name is a link that moves on when the environment changes: stay with one tree for life.
        os.execv(f"{prefix}/bin/python", [f"{prefix}/bin/python", *sys.orig_argv[1:]])  # noqa: S606
    # Only JupyterLab's own environment has these.
    from jupyter_client.kernelspec import KernelSpecManager  # noqa: PLC0415
    from jupyterlab.labapp import LabApp  # noqa: PLC0415

    class LabKernels(KernelSpecManager):
        """The kernels of the lab and of the user, without the one of JupyterLab's own environment."""

        def _kernel_dirs_default(self) -> list[str]:
            inherited: list[str] = super()._kernel_dirs_default()
            return [folder for folder in inherited if not folder.startswith(f"{prefix}/")]

    globals()["LabKernels"] = LabKernels  # found by Jupyter as __main__.LabKernels
    token = keep_token(TOKENS / account.pw_name / "token")
    # As arguments within this process, because those win over the user's own files; the process list does not show them.
    LabApp.launch_instance([*options, f"--ServerApp.port={port}", f"--IdentityProvider.token={token}"])


def main(arguments: list[str]) -> str | None:
    account = pwd.getpwuid(os.getuid())
    try:
        port = port_of(account.pw_name)
        if arguments[:1] == ["serve"]:
            serve(account, port, arguments[1:])
        elif arguments:
            raise RefusedError((__doc__ or "").strip())
        else:
            show(account.pw_name, port)
    except RefusedError as problem:
        return f"lab-jupyter: {problem}"
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
