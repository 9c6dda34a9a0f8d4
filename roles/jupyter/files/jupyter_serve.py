# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Serve a researcher's own JupyterLab at the socket that systemd holds for it; it ends when nobody uses it.

Run by jupyter@USER.service, with the Python of JupyterLab's own environment. The arguments are options of Jupyter's.
"""

from __future__ import annotations

import ctypes
import hmac
import os
import pwd
import secrets
import socket
import stat
import struct
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

TOKEN_BYTES = 32
WRITABLE_KEYS = "--writable-keys"  # the lab's decision, jupyter_protect_keys
# The word by which the lab's hub lets somebody in by the web door: for the owner to read, and for root to write.
DOORS = Path("/var/lib/research-server-jupyterhub")
WEB = "--web"  # the server is behind the lab's web server too, below a path of its owner's
# While it starts, in seconds: how often it is looked whether it computes, how much it has to meanwhile, how much more it gets.
LOOK_EVERY, BUSY, MORE = 5.0, 0.05, 60
# sd_listen_fds(3): the first file descriptor that systemd hands over, and the one socket that is expected.
FIRST, ONE = 3, "1"

# landlock(7), include/uapi/linux/landlock.h; the numbers of the calls are the same on all architectures.
LANDLOCK_CREATE, LANDLOCK_ADD, LANDLOCK_RESTRICT = 444, 445, 446
LANDLOCK_VERSION, LANDLOCK_PATH_BENEATH = 1, 1
LANDLOCK_REFER = 1 << 13  # to link and rename from folder to folder; from version 2 on it can be allowed
CLONE_NEWUSER = 0x10000000


class RefusedError(Exception):
    """Why there is no JupyterLab; shown in the journal of the service."""


def keep_token(path: Path) -> str:
    """Return the token; make a new one if there is none, or if the one that is there could have been read by others."""
    try:
        status = path.lstat()
        private = stat.S_ISREG(status.st_mode) and status.st_uid == os.getuid() and not status.st_mode & 0o077
        token = path.read_text(encoding="ascii").strip() if private else ""
    except (FileNotFoundError, ValueError):
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


def check_keys(home: Path) -> None:
    """Refuse where a notebook could add a key and log in to this host, outside of its sandbox.

    In this service ~/.ssh is read-only as a mount point, which can be neither renamed nor replaced; a link could be.
    """
    keys = home / ".ssh"
    try:
        folder = stat.S_ISDIR(keys.lstat().st_mode)
    except OSError as error:
        raise RefusedError(f"{keys}: {error.strerror}; expected a folder") from None
    if not folder:
        raise RefusedError(f"{keys}: found a link or a file; expected a folder: what is behind a link, a notebook could replace")
    if not os.statvfs(keys).f_flag & os.ST_RDONLY:
        raise RefusedError(f"{keys}: can be written here; expected the service to make it read-only; run the role jupyter again")
    above = next((folder for folder in home.resolve().parents if os.access(folder, os.W_OK)), None)
    if above is not None:
        raise RefusedError(f"{home}: {above} can be written here; expected a home that a notebook cannot move away with its keys")


def keep_apart() -> bool:
    """Close the way around the sandbox that leads through processes of the same person outside of it: to trace them, or to use
    their view of the files (/proc/PID/root). Landlock refuses both from inside a domain to its outside; debuggers work inside.

    Returns false where that cannot be had: the kernel has no Landlock, or one that would keep files from being moved between
    folders; or the lab lets notebooks make namespaces, in which Landlock would refuse to mount.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    child = os.fork()
    if child == 0:
        os._exit(libc.unshare(CLONE_NEWUSER) == 0)
    may_make_namespaces = os.waitpid(child, 0)[1] != 0
    if may_make_namespaces or libc.syscall(LANDLOCK_CREATE, None, 0, LANDLOCK_VERSION) < 2:
        return False
    ruleset = libc.syscall(LANDLOCK_CREATE, struct.pack("=Q", LANDLOCK_REFER), 8, 0)
    root = os.open("/", os.O_PATH)
    everywhere = struct.pack("=Qi", LANDLOCK_REFER, root)
    added = libc.syscall(LANDLOCK_ADD, ruleset, LANDLOCK_PATH_BENEATH, everywhere, 0)
    os.close(root)
    # No new privileges, which Landlock asks for, is a setting of the unit.
    return added == 0 and libc.syscall(LANDLOCK_RESTRICT, ruleset, 0) == 0


def tell_systemd(address: str, state: str) -> None:
    """As sd_notify(3)."""
    if address:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.sendto(state.encode(), address.replace("@", "\0", 1))


def starting() -> Callable[[], None]:
    """Have systemd wait as long as this process computes: where a whole class starts at once, each takes long, and whoever is
    ended for that begins anew, in everybody's way. One that hangs gets no more time. Returns what says that it is ready.
    """
    # Kernels and terminals do not inherit the variable.
    address = os.environ.pop("NOTIFY_SOCKET", "")
    ready = threading.Event()

    def ask() -> None:
        used = time.process_time()
        while not ready.wait(LOOK_EVERY):
            before, used = used, time.process_time()
            if used - before > BUSY:
                tell_systemd(address, f"EXTEND_TIMEOUT_USEC={MORE * 1000000}")

    def done() -> None:
        ready.set()
        tell_systemd(address, "READY=1")

    threading.Thread(target=ask, daemon=True).start()
    return done


def take_door() -> socket.socket:
    """The socket that systemd has listened on for this server (sd_listen_fds(3)). Kernels do not inherit it."""
    given = os.environ.pop("LISTEN_PID", ""), os.environ.pop("LISTEN_FDS", "")
    os.environ.pop("LISTEN_FDNAMES", None)
    if given != (str(os.getpid()), ONE):
        raise RefusedError(
            "found no socket of systemd's; expected to be started by jupyter@USER.service, with jupyter@USER.socket"
        )
    door = socket.socket(fileno=FIRST)
    door.set_inheritable(False)
    door.setblocking(False)
    return door


def group() -> str:
    """The control group of this service (cgroups(7))."""
    lines = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
    return next((line[3:] for line in lines if line.startswith("0::")), "/")


def memory_limit(root: Path = Path("/sys/fs/cgroup")) -> int:
    """Bytes that this service, or the share of its owner, may take; 0 without a limit."""
    folder = root / group().strip("/")
    files = [above / "memory.max" for above in (folder, *folder.parents) if root in (above, *above.parents)]
    limits = [file.read_text(encoding="ascii").strip() for file in files if file.is_file()]
    return min((int(text) for text in limits if text.isdigit()), default=0)


def alone() -> bool:
    """Whether nothing but the server itself runs in this service: no kernel, no terminal, no job that one of them left."""
    for root in ("/sys/fs/cgroup", "/sys/fs/cgroup/unified"):
        try:
            folders = [folder for folder, _folders, _files in os.walk(f"{root}{group()}")]
            found = [pid for folder in folders for pid in Path(folder, "cgroup.procs").read_text(encoding="ascii").split()]
        except OSError:
            continue
        if found:
            return found == [str(os.getpid())]
    return False


def visited(door: socket.socket) -> bool:
    """Whether somebody is connected to the server: each connection has the name of the door that it came through."""
    place = door.getsockname()
    for name in os.listdir("/proc/self/fd"):
        try:
            other = socket.socket(fileno=int(name))
        except OSError:
            continue  # no socket
        try:
            if other.fileno() != door.fileno() and other.getsockname() == place and other.getpeername() is not None:
                return True
        except OSError:
            continue
        finally:
            # It belongs to the server.
            other.detach()
    return False


def serve(account: pwd.struct_passwd, options: list[str]) -> None:
    if account.pw_uid == 0:
        raise RefusedError("JupyterLab is not served to root: everything that runs in a notebook would run as root")
    if not os.access(account.pw_dir, os.W_OK):
        raise RefusedError(f"{account.pw_dir} cannot be written from this service; add its file system to jupyter_writable_paths")
    prefix = os.path.realpath(sys.prefix)
    if prefix != sys.prefix:
        # The environment's name is a link that moves on when the environment changes: stay with one tree for life.
        os.execv(f"{prefix}/bin/python", [f"{prefix}/bin/python", *sys.orig_argv[1:]])  # noqa: S606
    if WRITABLE_KEYS in options:
        options.remove(WRITABLE_KEYS)
    else:
        check_keys(Path(account.pw_dir))
    if not keep_apart():
        print("jupyter-serve: on this host notebooks can reach into your own processes outside of JupyterLab", file=sys.stderr)
    # Kernels have their sockets there: short enough for a socket's name, and nobody else can open the folder.
    os.environ["JUPYTER_RUNTIME_DIR"] = os.environ["RUNTIME_DIRECTORY"]
    door = take_door()
    ready = starting()
    web = WEB in options
    options = [option for option in options if option != WEB]
    # Only JupyterLab's own environment has these.
    from jupyter_client.kernelspec import KernelSpecManager  # noqa: PLC0415
    from jupyter_server.auth.identity import PasswordIdentityProvider, User  # noqa: PLC0415
    from jupyter_server.serverapp import ServerApp  # noqa: PLC0415
    from jupyterlab.labapp import LabApp  # noqa: PLC0415

    class LabKernels(KernelSpecManager):
        """The kernels of the lab and of the user, without the one of JupyterLab's own environment."""

        def _kernel_dirs_default(self) -> list[str]:
            inherited: list[str] = super()._kernel_dirs_default()
            return [folder for folder in inherited if not folder.startswith(f"{prefix}/")]

    class TwoDoors(PasswordIdentityProvider):
        """By the web door a visitor is who the hub says, by the tunnel whoever has the token. All other checks are the same."""

        def get_user(self, handler: Any) -> Any:
            word = handler.request.headers.get("X-Research-Server-Door", "")
            return User(account.pw_name) if let_in(DOORS / account.pw_name, word) else super().get_user(handler)

    globals().update(LabKernels=LabKernels, TwoDoors=TwoDoors)  # found by Jupyter as __main__.LabKernels
    # Old names of the server's options, such as NotebookApp.ip in somebody's file, would win over the arguments.
    LabApp.shim_config_from_notebook_to_jupyter_server = lambda _app, config: config
    listen_at(door, ServerApp)
    folder = Path(os.environ["STATE_DIRECTORY"])
    token = keep_token(folder / "token")
    # As arguments within this process, because those win over the user's own files; the process list does not show them.
    own = [f"--IdentityProvider.token={token}"]
    # For jupyter-resource-usage, if the lab has it.
    own.append(f"--ResourceUseDisplay.mem_limit={memory_limit()}")
    if door.family == socket.AF_INET:
        own.append(f"--ServerApp.port={door.getsockname()[1]}")
    # Browsers stay logged in over a restart; the runtime directory goes with the service.
    own.append(f"--ServerApp.cookie_secret_file={folder / 'cookie_secret'}")
    if web:
        # Through the tunnel as well: one address for both doors.
        own.append(f"--ServerApp.base_url=/user/{account.pw_name}/")
    server = LabApp.initialize_server([*options, *own])
    if web:
        server.web_app.settings["page_config_hook"] = without_token
    if server.identity_provider.token != token:
        raise RefusedError("found another token than the server's own; look for it in ~/.jupyter")
    # The server opens its door in its own loop. What is put there now has its turn after that.
    server.io_loop.add_callback(ready)
    server.start()


def let_in(door: Path, word: str) -> bool:
    """Whether this is the word of the lab's hub, which nginx hands on when the hub lets the owner in."""
    try:
        expected = door.read_text(encoding="ascii").strip()
    except OSError:
        return False
    return bool(expected) and hmac.compare_digest(expected.encode(), word.encode())


def without_token(_handler: Any, page_config: dict[str, Any]) -> dict[str, Any]:
    """Have the page live on the cookie of its visitor. A page that holds the token sends it with each request, in the header in
    which a browser has to send the password that a web server asks for.
    """
    return {**page_config, "token": ""}


def listen_at(door: socket.socket, server: Any) -> None:
    """Have Jupyter Server take its visitors from this socket, and end only when nobody uses it.

    These are methods of its own, which a later version may name otherwise; it would then find its port taken.
    """
    methods = ("_find_http_port", "_bind_http_server", "shutdown_no_activity")
    missing = [name for name in methods if not hasattr(server, name)]
    if missing:
        raise RefusedError(f"this version of Jupyter Server has no {', '.join(missing)}; pin an earlier one in jupyter_packages")
    inherited = server.shutdown_no_activity

    def unless_used(self: Any) -> None:
        if alone() and not visited(door):
            inherited(self)

    server._find_http_port = lambda _self: None
    server._bind_http_server = lambda self: self.http_server.add_sockets([door])
    server.shutdown_no_activity = unless_used


def main(arguments: list[str]) -> str | None:
    try:
        serve(pwd.getpwuid(os.getuid()), arguments)
    except RefusedError as problem:
        return f"jupyter-serve: {problem}"
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
