# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A change that undoes itself unless a new login confirms it. Private to this collection.

While a change waits, /var/lib/research-server/NAME holds what was there before and a script that puts it back. A timer runs
the script if nobody confirms in time; a unit runs it at the next boot, before the network is up, because timers do not survive
that. Who acts first, the script or the confirmation, locks the folder; the other one finds nothing left to do.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shlex
import shutil
import tempfile
import typing as t
from collections.abc import Callable, Iterator, Mapping, Sequence

from ansible.module_utils.basic import AnsibleModule

from .files import read_file
from .module import run_module as run
from .refused import RefusedError
from .runner import Runner
from .session import Session, current_session

FOLDER_MODE = 0o755
STATE_ARGUMENTS: dict[str, dict[str, t.Any]] = {
    "state": {"type": "str", "choices": ["applied", "confirmed", "undone"], "default": "applied"},
    "undo_after": {"type": "int", "default": 120},
}

# Before anything that could let people in, or shut them out.
AT_BOOT = """\
[Unit]
Description=Undo a change of {name} that nobody has confirmed
DefaultDependencies=no
After=local-fs.target
Before=systemd-sysctl.service sysinit.target research-server-firewall.service network-pre.target
Before=ssh.service ssh.socket sshd.service sshd.socket shutdown.target
Conflicts=shutdown.target
ConditionPathExists={script}

[Service]
Type=oneshot
ExecStart=/bin/sh {script} boot
ExecStartPost=systemctl daemon-reload
"""

SCRIPT = """\
#!/bin/sh
# Puts back what was there before a change of {name} that nobody has confirmed.
exec 9<{folder}
flock 9
[ -e {manifest} ] || exit 0
failed=
{restore}
if [ "${{1-}}" != boot ]; then
{back}
fi
# What could not be put back is kept for the next attempt.
[ -z "$failed" ] || exit 1
rm -rf -- {unit} {link} {folder}
"""


class File(t.NamedTuple):
    """A file as it shall be."""

    text: str | None
    """None: there shall be none."""
    mode: int = 0o644
    shown: bool = True


Files = dict[str, File]
AnyRunner = t.TypeVar("AnyRunner", bound=Runner)
Stage = Callable[[AnsibleModule, t.Any, "Transaction"], dict[str, t.Any]]


class Transaction:
    """Files that are replaced together, and come back together."""

    def __init__(self, host: Runner, name: str, root: str = "/") -> None:
        """`root` is where the folders of the system are."""
        self.host = host
        self.name = name
        units = os.path.join(root, "etc/systemd/system")
        self.folder = os.path.join(root, "var/lib/research-server", name)
        self.manifest = f"{self.folder}/manifest.json"
        self.script = f"{self.folder}/undo"
        self.timer = f"research-server-{name}-undo"
        self.unit = f"{units}/{self.timer}-at-boot.service"
        self.link = f"{units}/sysinit.target.wants/{self.timer}-at-boot.service"

    @property
    def pending(self) -> bool:
        return os.path.exists(self.manifest)

    def stage(
        self, staged: Mapping[str, File], final: Mapping[str, File], note: t.Any, *, back: Sequence[str], undo_after: int
    ) -> None:
        """Write the staged files, to be followed by the final ones or by what is there now.

        ``back`` are the commands that make the restored files effective; ``note`` is what the confirmation needs to know.
        """
        self._disarm()
        shutil.rmtree(self.folder, ignore_errors=True)
        os.makedirs(self.folder, mode=0o700)
        restore = [self._keep(f"{self.folder}/{index}", path) for index, path in enumerate(sorted(staged))]
        record = {
            "note": note,
            "session": identity(current_session()),
            "final": {path: list(file) for path, file in final.items()},
        }
        self._write(self.script, File(self._script(restore, back), 0o700))
        self._write(self.unit, File(AT_BOOT.format(name=self.name, script=self.script)))
        os.makedirs(os.path.dirname(self.link), mode=0o755, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            os.symlink(self.unit, self.link)
        self._write(self.manifest, File(json.dumps(record), 0o600))
        try:
            self.host.run(
                *("systemd-run", "--quiet", "--collect", f"--unit={self.timer}", f"--on-active={undo_after}"),
                *("--timer-property=AccuracySec=1s", "/bin/sh", self.script),
            )
            self._put(staged)
        except BaseException:
            self.undo()
            raise

    def note(self) -> t.Any:
        """What was staged, for the login that confirms it; refused unless this is a new login."""
        record = self._record()
        now = identity(current_session())
        if now and now == record["session"]:
            raise RefusedError(
                "this is the login that made the change; expected a new one, which proves that people still get in"
            )
        return record["note"]

    def confirm(self, activate: Callable[[], None]) -> None:
        with self._locked():
            final = {path: File(*values) for path, values in self._record()["final"].items()}
            self._put({path: file for path, file in final.items() if read_file(path) != file.text})
            activate()
            for path in (self.unit, self.link):
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path)
            shutil.rmtree(self.folder)
        self._disarm()

    def undo(self) -> None:
        self._disarm()
        self.host.run("/bin/sh", self.script)

    def _record(self) -> dict[str, t.Any]:
        try:
            with open(self.manifest, encoding="utf-8") as stream:
                return t.cast("dict[str, t.Any]", json.load(stream))
        except FileNotFoundError:
            raise RefusedError(
                "found no change that waits for confirmation; it came too late, and the change was undone", "Run the play again"
            ) from None

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            handle = os.open(self.folder, os.O_RDONLY)
        except FileNotFoundError:
            self._record()
            raise
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield
        finally:
            os.close(handle)

    @staticmethod
    def _keep(copy: str, path: str) -> str:
        """Keep the file as it is; returns the command that brings it back."""
        if not os.path.exists(path):
            return f"rm -f -- {shlex.quote(path)} || failed=1"
        shutil.copy2(path, copy)
        # Beside the target and then renamed, so that nobody ever reads half a file.
        target = shlex.quote(path)
        return f"cp -p -- {copy} {target}.undo && mv -f -- {target}.undo {target} || failed=1"

    def _script(self, restore: Sequence[str], back: Sequence[str]) -> str:
        return SCRIPT.format(
            name=self.name,
            folder=self.folder,
            manifest=self.manifest,
            unit=self.unit,
            link=self.link,
            restore="\n".join(restore),
            back="\n".join(back or [":"]),
        )

    def _disarm(self) -> None:
        self.host.attempt("systemctl", "stop", f"{self.timer}.timer")

    def _put(self, files: Mapping[str, File]) -> None:
        for path, file in sorted(files.items()):
            if file.text is None:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(path)
                continue
            folder = os.path.dirname(path)
            if not os.path.isdir(folder):
                os.makedirs(folder)
                os.chmod(folder, FOLDER_MODE)  # whatever the umask: sshd reads some files as the account
            self._write(path, file)

    def _write(self, path: str, file: File) -> None:
        handle, temporary = tempfile.mkstemp(prefix=".research-server-", dir=os.path.dirname(path))
        with os.fdopen(handle, "w", encoding="utf-8", errors="surrogateescape") as stream:
            os.fchmod(stream.fileno(), file.mode)
            stream.write(file.text or "")
            stream.flush()
            os.fsync(stream.fileno())
        self.host.module.atomic_move(temporary, path)
        os.chmod(path, file.mode)


class Stages(t.NamedTuple):
    """What a module does in its states."""

    apply: Stage
    confirm: Stage
    undo: Stage | None = None
    """If there is more to it than to restore what was there before."""


def run_module(module: AnsibleModule, name: str, host: type[AnyRunner], stages: Stages) -> None:
    """The course of a module whose change is confirmed or undone; its arguments contain `STATE_ARGUMENTS`."""
    states = {"applied": stages.apply, "confirmed": stages.confirm, "undone": stages.undo or undo}

    def work(module: AnsibleModule) -> dict[str, t.Any]:
        hands = host(module)
        return states[module.params["state"]](module, hands, Transaction(hands, name))

    run(module, work, name=name, root=True)


def undo(module: AnsibleModule, _host: Runner, transaction: Transaction) -> dict[str, t.Any]:
    """Undo at once what waits for its confirmation."""
    pending = transaction.pending
    if pending and not module.check_mode:
        transaction.undo()
    return {"changed": pending, "pending": pending and module.check_mode}


def identity(session: Session | None) -> list[t.Any]:
    """What tells one login from another; empty without one."""
    return [session.client_address, session.client_port, session.server_port] if session else []
