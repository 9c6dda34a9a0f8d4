# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Your own JupyterLab on this server.

lab-jupyter                       how to reach it: the line for the tunnel, and the address with the token
lab-jupyter status                what runs in it, and what you use of your share of this server
lab-jupyter stop | restart        end it; it starts again when it is used. With kernels or terminals: --force
lab-jupyter logs [LINES]          the end of what it has written
lab-jupyter token --renew         a new token; the old one opens nothing any more
lab-jupyter kernels               the kernels that notebooks can choose, and those that run
lab-jupyter kernels add PREFIX [NAME]   offer an environment of your own, such as ~/envs/mine
lab-jupyter kernels remove NAME         take it back; the environment stays
"""

from __future__ import annotations

import json
import os
import pwd
import re
import secrets
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

TOLD = Path("/etc/lab-jupyter.json")
TOKENS = Path("/var/lib/jupyter")
DOORS = Path("/run/lab-jupyter")
PROC = Path("/proc")
CGROUPS = (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified"))
KERNELS = {"lab": Path("/usr/local/share/jupyter/kernels"), "yours": Path(".local/share/jupyter/kernels")}
SERVER = "jupyter-serve"
TOKEN_BYTES = 32
STOP_SECONDS = 30.0
LINES = 30
# jupyter_client, kernelspec: letters, digits, '.', '-', '_'.
NOT_IN_A_NAME = re.compile(r"[^a-z0-9._-]+")
OURS = "lab-jupyter"
GENERATIONS = "/.generations/"
START = """\
#!/bin/bash
# Made by 'lab-jupyter kernels add'. Starts a kernel in an environment that is activated.
eval "$({conda} shell.posix activate {prefix})"
exec {prefix}/bin/python -m ipykernel_launcher "$@"
"""


class RefusedError(Exception):
    """Why it cannot be done; shown to the person."""


class Told(NamedTuple):
    """What the administrators' run has written about everybody's JupyterLab."""

    port: int
    listen: str
    conda_root: str
    web: list[str]
    web_login: bool = False
    """By the web a login is asked for in place of the token."""

    def far_end(self, name: str) -> str:
        """Of the tunnel."""
        return f"{DOORS}/{name}.sock" if self.listen == "socket" else f"127.0.0.1:{self.port}"

    def page(self, name: str) -> str:
        """The path of the page, the same by every door."""
        return f"/user/{name}/lab" if self.web else "/lab"


class Process(NamedTuple):
    """One of those in the service."""

    pid: int
    arguments: list[str]
    environment: dict[str, str]

    @property
    def server(self) -> bool:
        return any(Path(word).name == SERVER for word in self.arguments[:4])

    @property
    def kernel(self) -> str:
        """The id of a kernel; empty if it is something else."""
        found = [re.search(r"kernel-([0-9a-f-]{36})\.json$", word) for word in self.arguments]
        return next((match.group(1) for match in found if match), "")


def told_of(name: str, path: Path = TOLD) -> Told:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        ports = found["ports"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RefusedError(f"{path}: {error}; tell an administrator") from None
    if name not in ports:
        raise RefusedError(f"{name} has no JupyterLab on this server; ask an administrator for one")
    web = [str(where) for where in found.get("web", [])]
    return Told(int(ports[name]), str(found["listen"]), str(found["conda_root"]), web, bool(found.get("web_login")))


def token_of(name: str) -> str:
    path = TOKENS / name / "token"
    try:
        return path.read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "no text"
        raise RefusedError(f"{path}: {why}; has the service ever run? systemctl status jupyter@{name}") from None


def show(name: str, told: Told) -> None:
    # SSH_CONNECTION: client address, client port, server address, server port (ssh(1)).
    connection = os.environ.get("SSH_CONNECTION", "").split()
    ssh_port = f"-p {connection[3]} " if len(connection) == 4 else ""
    token, page = token_of(name), told.page(name)
    # Whoever has logged in needs no token; one in an address stays in the browser's history.
    how, key = ("after the login", "") if told.web_login else ("with the password or the certificate", f"?token={token}")
    for address in told.web:
        print(f"In your browser, {how} that it asks for:\n    {address}{page}{key}")
    print(
        f"On your own computer, with the name by which you reach this server instead of {socket.gethostname()}:\n"
        f"    ssh -N -L {told.port}:{told.far_end(name)} {ssh_port}{name}@{socket.gethostname()}\n"
        f"Then open in your browser:\n"
        f"    http://127.0.0.1:{told.port}{page}?token={token}"
    )


def group_of(name: str, uid: int) -> Path:
    """The control group of the service; that of all that the person runs is above it (cgroups(7))."""
    folder = f"user.slice/user-{uid}.slice/jupyter@{name}.service"
    return next((root / folder for root in CGROUPS if (root / folder).is_dir()), CGROUPS[0] / folder)


def processes(group: Path) -> list[Process]:
    """What runs in the service, the server first."""
    found = []
    for folder, _folders, _files in os.walk(group):
        for pid in _text(Path(folder, "cgroup.procs")).split():
            words = _text(PROC / pid / "cmdline").rstrip("\0").split("\0")
            pairs = (entry.partition("=") for entry in _text(PROC / pid / "environ").split("\0"))
            found.append(Process(int(pid), words, {key: value for key, equals, value in pairs if equals}))
    return sorted(found, key=lambda process: (not process.server, process.pid))


def status(name: str, told: Told, group: Path) -> None:
    running = processes(group)
    if not running:
        print(f"asleep; the first connection to {told.far_end(name)} wakes it")
    else:
        kernels = [process for process in running if process.kernel]
        others = sum(not process.kernel and not process.server for process in running)
        print(f"awake at {told.far_end(name)}, {len(kernels)} kernels, {others} other processes")
    print("what you use of this server, with all that you run on it, and the most that you may:")
    for title, used, most, form in USES:
        taken, limit = form(_text(group.parent / used)), form(_text(group.parent / most))
        print(
            f"    {title:<10}"
            + ("not measured on this server" if UNKNOWN in (taken, limit) else f"{taken:>10} of {limit or 'no limit'}")
        )


# Where the kernel keeps no account of it, as in a container that was not given the controller (cgroups(7)).
UNKNOWN = "?"


def _bytes(text: str) -> str:
    if not text.strip().isdigit():
        return "" if text.strip() == "max" else UNKNOWN
    number = float(text)
    for unit in ("B", "K", "M", "G"):
        if number < 1024:
            return f"{number:.0f}{unit}" if unit == "B" else f"{number:.1f}{unit}"
        number /= 1024
    return f"{number:.1f}T"


def _count(text: str) -> str:
    return "" if text.strip() == "max" else text.strip() or UNKNOWN


def _cpu(text: str) -> str:
    """Seconds used, of cpu.stat; or a share of cores, of cpu.max (cgroup-v2, Documentation/admin-guide)."""
    if text.startswith("usage_usec"):
        return f"{int(text.split()[1]) / 1e6:.0f}s"
    quota, _blank, period = text.strip().partition(" ")
    return f"{100 * int(quota) // int(period)}%" if quota.isdigit() and period.isdigit() else "" if quota == "max" else UNKNOWN


# Title, what is used, what is the most, and how both are written.
USES: list[tuple[str, str, str, Callable[[str], str]]] = [
    ("memory", "memory.current", "memory.max", _bytes),
    ("tasks", "pids.current", "pids.max", _count),
    ("CPU", "cpu.stat", "cpu.max", _cpu),
]


def stop(group: Path, force: bool) -> bool:
    """End the server, and what runs in it. Returns whether there was one."""
    running = processes(group)
    server = next((process for process in running if process.server), None)
    if server is None:
        return False
    busy = [process for process in running if process.kernel]
    if (busy or len(running) > 1) and not force:
        what = f"{len(busy)} kernels" if busy else f"{len(running) - 1} processes, such as a terminal,"
        raise RefusedError(f"{what} would end with it; save your notebooks, then say --force")
    for number in (signal.SIGTERM, signal.SIGKILL):
        for process in running if number == signal.SIGKILL else [server]:
            try:
                os.kill(process.pid, number)
            except ProcessLookupError:
                continue
        until = time.monotonic() + STOP_SECONDS
        while time.monotonic() < until:
            if not (PROC / str(server.pid)).exists():
                return True
            time.sleep(0.1)
    raise RefusedError(f"process {server.pid} does not end; tell an administrator: systemctl status jupyter@")


def wake(name: str, told: Told) -> None:
    """Connect once: systemd starts the server. Then say how to reach it."""
    family, place = (
        (socket.AF_UNIX, f"{DOORS}/{name}.sock") if told.listen == "socket" else (socket.AF_INET, ("127.0.0.1", told.port))
    )
    with socket.socket(family, socket.SOCK_STREAM) as door:
        door.settimeout(60)
        try:
            door.connect(place)
            door.sendall(b"GET /api HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            door.recv(1)
        except OSError as error:
            raise RefusedError(f"{place}: {error}; look at 'lab-jupyter logs', or tell an administrator") from None


def logs(name: str, lines: int) -> None:
    """What the service's processes have written: messages of one's own, which journald keeps for one (journald.conf(5))."""
    done = subprocess.run(
        ["/usr/bin/journalctl", "--no-pager", "-q", "-o", "short", "-n", str(lines), f"_SYSTEMD_UNIT=jupyter@{name}.service"],
        capture_output=True,
        text=True,
        check=False,
    )
    if not done.stdout.strip():
        raise RefusedError("nothing that you may read: journald keeps no messages of yours on this server; ask an administrator")
    print(done.stdout, end="")


def renew(name: str) -> None:
    """Write another token beside the old one, and put it in its place. Browsers that know the old one are logged out."""
    path = TOKENS / name / "token"
    # What their cookies are signed with; the server makes a new one.
    path.with_name("cookie_secret").unlink(missing_ok=True)
    new = path.with_name(f".token.{os.getpid()}")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(f"{secrets.token_urlsafe(TOKEN_BYTES)}\n")
    new.replace(path)


def kernels(home: Path, group: Path) -> None:
    for whose, folder in KERNELS.items():
        for path in sorted((home / folder).glob("*/kernel.json")):
            spec = _spec(path)
            print(f"{path.parent.name:<24}{whose:<8}{spec.get('display_name', '?')!s:<28}{_prefix_of(spec)}")
    current = {
        os.path.realpath(_prefix_of(_spec(path))) for folder in KERNELS.values() for path in (home / folder).glob("*/kernel.json")
    }
    for process in filter(lambda process: process.kernel, processes(group)):
        prefix = os.path.realpath(process.environment.get("CONDA_PREFIX", "?"))
        # An environment's name is a link, which moves on when the environment changes.
        older = GENERATIONS in prefix and prefix not in current
        note = "  (the environment has changed since; restart the kernel to have it)" if older else ""
        print(f"running  {process.kernel[:8]}  {prefix}{note}")


def _spec(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _made_here(folder: Path) -> bool:
    metadata = _spec(folder / "kernel.json").get("metadata")
    return isinstance(metadata, dict) and OURS in metadata


def _prefix_of(spec: dict[str, Any]) -> str:
    metadata = spec.get("metadata") if isinstance(spec.get("metadata"), dict) else {}
    for tag in (metadata or {}).values():
        if isinstance(tag, dict) and "prefix" in tag:
            return str(tag["prefix"])
    argv = spec.get("argv")
    return str(argv[0]) if isinstance(argv, list) and argv else "?"


def add(home: Path, prefix: Path, told: Told, name: str = "") -> str:
    """Offer an environment as a kernel. Returns the kernel's name."""
    prefix = Path(os.path.abspath(prefix.expanduser()))
    python = prefix / "bin" / "python"
    if not python.exists():
        raise RefusedError(f"{prefix}: found no bin/python; expected the folder of an environment; 'conda env list' shows yours")
    # Not from the folder where somebody is: a colleague may have put a module of that name there.
    has = subprocess.run([python, "-c", "import ipykernel"], cwd="/", capture_output=True, check=False)
    if has.returncode:
        raise RefusedError(
            f"{prefix}: found no ipykernel; expected it there; conda install -p {shlex.quote(str(prefix))} ipykernel"
        )
    name = NOT_IN_A_NAME.sub("-", (name or prefix.name).lower()).strip(".-") or "mine"
    folder = home / KERNELS["yours"] / name
    way_out = f"give yours another name: lab-jupyter kernels add {shlex.quote(str(prefix))} NAME"
    if (KERNELS["lab"] / name).exists():
        raise RefusedError(f"found '{name}', a kernel of the lab, which yours would hide; {way_out}")
    # A folder alone is what a full home has left of one.
    there = (folder / "kernel.json").exists()
    if there and not _made_here(folder):
        raise RefusedError(f"{folder}: found a kernel that 'lab-jupyter kernels add' did not make; remove it, or {way_out}")
    if there and _prefix_of(_spec(folder / "kernel.json")) != str(prefix):
        raise RefusedError(f"found '{name}', your kernel of {_prefix_of(_spec(folder / 'kernel.json'))}; {way_out}")
    folder.mkdir(parents=True, exist_ok=True)
    start = folder / "start"
    start.write_text(
        START.format(conda=shlex.quote(f"{told.conda_root}/bin/conda"), prefix=shlex.quote(str(prefix))), encoding="utf-8"
    )
    start.chmod(0o755)
    spec = {
        "argv": ["/bin/bash", str(start), "-f", "{connection_file}"],
        "display_name": f"{prefix.name} (yours)",
        "language": "python",
        "metadata": {"debugger": True, OURS: {"prefix": str(prefix)}},
    }
    (folder / "kernel.json").write_text(f"{json.dumps(spec, indent=2)}\n", encoding="utf-8")
    return name


def remove(home: Path, name: str) -> None:
    folder = home / KERNELS["yours"] / name
    if "/" in name or not (folder / "kernel.json").is_file():
        raise RefusedError(f"found no kernel '{name}' of yours; 'lab-jupyter kernels' lists them")
    if not _made_here(folder):
        raise RefusedError(
            f"{folder}: 'lab-jupyter kernels add' did not make it; remove it with: jupyter kernelspec remove {name}"
        )
    for file in ("kernel.json", "start"):
        (folder / file).unlink(missing_ok=True)
    folder.rmdir()


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


class Command:
    """What the words can ask for."""

    def __init__(self, force: bool) -> None:
        account = pwd.getpwuid(os.getuid())
        self.name, self.home, self.force = account.pw_name, Path(account.pw_dir), force
        self.told = told_of(self.name)
        self.group = group_of(self.name, account.pw_uid)

    def show(self) -> None:
        show(self.name, self.told)

    def status(self) -> None:
        status(self.name, self.told, self.group)

    def stop(self) -> None:
        print("stopped; it starts again when it is used" if stop(self.group, self.force) else "it is asleep")

    def restart(self) -> None:
        stop(self.group, self.force)
        wake(self.name, self.told)
        print("it is up again")

    def logs(self, lines: str = str(LINES)) -> None:
        if not lines.isdecimal():
            raise RefusedError(f"logs: found {lines!r}; expected a number of lines")
        logs(self.name, int(lines))

    def renew(self) -> None:
        token_of(self.name)
        if not self.force:
            stop(self.group, False)
        renew(self.name)
        self.show()
        # A page that was open may have woken it before, with the old one. In JupyterLab's own terminal this ends here, too.
        stop(self.group, True)

    def kernels(self) -> None:
        kernels(self.home, self.group)

    def add(self, prefix: str, name: str = "") -> None:
        print(f"kernel '{add(self.home, Path(prefix), self.told, name)}' is offered from now on; reload the page")

    def remove(self, name: str) -> None:
        remove(self.home, name)


# The words, what they do, and how many more may follow.
COMMANDS: list[tuple[tuple[str, ...], Callable[..., None], tuple[int, ...]]] = [
    ((), Command.show, (0,)),
    (("status",), Command.status, (0,)),
    (("stop",), Command.stop, (0,)),
    (("restart",), Command.restart, (0,)),
    (("logs",), Command.logs, (0, 1)),
    (("token", "--renew"), Command.renew, (0,)),
    (("kernels",), Command.kernels, (0,)),
    (("kernels", "add"), Command.add, (1, 2)),
    (("kernels", "remove"), Command.remove, (1,)),
]


def act(arguments: list[str]) -> None:
    """Do what the words say."""
    words = [word for word in arguments if word != "--force"]
    for known, do, more in COMMANDS:
        if tuple(words[: len(known)]) == known and len(words) - len(known) in more:
            do(Command("--force" in arguments), *words[len(known) :])
            return
    raise RefusedError((__doc__ or "").strip())


def main(arguments: list[str]) -> str | None:
    try:
        act(arguments)
    except (RefusedError, OSError) as problem:
        return f"lab-jupyter: {problem}"
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
