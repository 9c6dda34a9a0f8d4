# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make sure that Docker Engine answers, whatever state it was left in.

The states: running; installed and stopped; not installed; killed (pid files of dead processes left behind).
Only root changes the machine, and says so first. Anyone else is told the command to run (exit status 2).
"""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

from debian_packages import need
from shell import CACHE, ROOT, TestbedError, is_root, run, say, stage

LOG = CACHE / "dockerd.log"
START_SECONDS = 90
INOTIFY_INSTANCES = Path("/proc/sys/fs/inotify/max_user_instances")
# systemd takes about 7 inotify instances per container and the kernel's default is 128 per user.
INOTIFY_WANTED = 1024
# Where dockerd and the containerd that it starts keep their process ids (dockerd(8), --pidfile and --exec-root).
PID_FILES = (Path("/run/docker.pid"), Path("/run/docker/containerd/containerd.pid"))


def version() -> str | None:
    """The version of the engine that answers the docker client's default endpoint, or None."""
    done = run(["docker", "version", "--format", "{{.Server.Version}}"], timeout=20, check=False)
    return done.stdout.strip() or None if done.returncode == 0 else None


def ensure() -> None:
    """Return once the engine answers.

    Raises :class:`TestbedError`, with status 2 where a person has to act first.
    """
    found = version()
    if found is None:
        if not is_root():
            raise TestbedError(_advice(), status=2)
        need("dockerd", "docker.io", "iptables")
        need("docker", "docker-cli")  # a package of its own since Debian 13
        with stage("starting Docker Engine"):
            found = _start()
    say(f"Docker Engine {found} is running")
    if is_root():
        _raise_inotify_limit()


def _advice() -> str:
    if shutil.which("docker") is None:
        return "Docker Engine is not installed. Run: sudo apt-get install -y docker.io && sudo systemctl start docker"
    if run(["docker", "info"], timeout=20, check=False).stderr.lower().find("permission denied") >= 0:
        return 'this user may not use Docker Engine. Run: sudo usermod -aG docker "$USER", then log in again'
    return "Docker Engine does not run. Run: sudo systemctl start docker"


def _start() -> str:
    if Path("/run/systemd/system").is_dir():
        run(["systemctl", "start", "docker"], timeout=START_SECONDS)
        return _wait(None)
    dockerd_alive, _ = [_alive(pid_file) for pid_file in PID_FILES]
    if dockerd_alive:
        say("a dockerd is there already, waiting for it")
        return _wait(None)
    LOG.parent.mkdir(parents=True, exist_ok=True)
    with LOG.open("ab") as log:
        daemon = subprocess.Popen(["dockerd"], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/")
    return _wait(daemon)


def _alive(pid_file: Path) -> bool:
    """Whether the pid file's process runs. The file is removed if it is gone or its number was given to another program."""
    try:
        pid = int(pid_file.read_text().strip() or 0)
    except (FileNotFoundError, ValueError):
        pid = 0
    try:
        program = Path(f"/proc/{pid}/exe").readlink().name  # a zombie has none
    except OSError:
        program = ""
    if program.startswith(pid_file.stem):
        return True
    pid_file.unlink(missing_ok=True)
    return False


def _wait(daemon: subprocess.Popen[bytes] | None) -> str:
    """Wait until the engine answers, and return its version."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        found = version()
        if found is not None:
            return found
        if daemon is not None and daemon.poll() is not None:
            break
        time.sleep(0.3)
    if LOG.exists():
        shown = f"The end of {LOG.relative_to(ROOT)}:\n" + "\n".join(LOG.read_text(errors="replace").splitlines()[-15:])
    else:
        shown = "See: journalctl -u docker"
    raise TestbedError(f"Docker Engine did not come up within {START_SECONDS} s. {shown}")


def _raise_inotify_limit() -> None:
    """Without this about 18 systemd containers are the most that start, further ones hang."""
    if int(INOTIFY_INSTANCES.read_text()) >= INOTIFY_WANTED:
        return
    try:
        INOTIFY_INSTANCES.write_text(f"{INOTIFY_WANTED}\n")
    except OSError as error:
        say(f"cannot raise fs.inotify.max_user_instances ({error.strerror}): start at most 15 containers at a time")
    else:
        say(f"raised fs.inotify.max_user_instances to {INOTIFY_WANTED} until the next boot")
