# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Long jobs: run a command that goes on after you have logged out, with its output in a file.

lab-run [--name NAME] [--mail [ADDRESS]] -- COMMAND...    run it in this folder and this environment
lab-run                                                   list your jobs: state, log and command
lab-run stop NAME                                         end a job

The log is ~/lab-run/NAME.log. Who removes it has the job forgotten. With --mail a letter tells you when the job has ended.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime
import email.message
import json
import os
import pwd
import re
import shlex
import shutil
import subprocess
import sys
import time
import typing as t
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

LINGER = Path("/var/lib/systemd/linger")
SENDMAIL = "/usr/sbin/sendmail"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
ADDRESS = re.compile(r"[A-Za-z0-9][^\s<>,;:\"()]*")
LINES, BYTES = 20, 20_000  # of the log, in a letter

# What belongs to a login, its terminal or its agent, or what the service manager sets itself (systemd.exec(5)).
OF_THE_LOGIN = re.compile(
    r"SSH_.+|XDG_(?:SESSION_|RUNTIME_DIR|SEAT|VTNR).*|DBUS_SESSION_BUS_ADDRESS|TERM|TMUX.*|STY|WINDOW|DISPLAY|XAUTHORITY|VSCODE_.+"
    r"|SHLVL|_|PWD|OLDPWD|MAIL|INVOCATION_ID|JOURNAL_STREAM|NOTIFY_SOCKET|MANAGERPID|SYSTEMD_EXEC_PID"
)
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

Record = dict[str, t.Any]


class RefusedError(Exception):
    """Why it cannot be done; shown to the person."""


class Job(t.NamedTuple):
    """One job: its log, which everybody sees who looks for it, and what is known of it beside."""

    folder: Path
    name: str

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.log"

    @property
    def unit(self) -> str:
        return f"lab-run-{self.name}.service"

    def read(self) -> Record:
        """Nothing where somebody has removed or changed it."""
        try:
            found = json.loads(self._record.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def write(self, record: Record) -> None:
        new = self._record.with_suffix(".new")
        new.write_text(f"{json.dumps(record)}\n", encoding="utf-8")
        new.replace(self._record)

    def forget(self) -> None:
        for path in (self.log, self._record):
            path.unlink(missing_ok=True)

    @property
    def _record(self) -> Path:
        return self.folder / f".{self.name}.json"


def jobs_in(folder: Path) -> list[Job]:
    """In the order in which they were started."""
    found = [Job(folder, path.stem) for path in folder.glob("*.log") if NAME.fullmatch(path.stem)]
    return sorted(found, key=lambda job: str(job.read().get("started", "")))


def name_for(command: Sequence[str], taken: Collection[str]) -> str:
    """After the script, if there is one: `train` for `python train.py`."""
    script = next((word for word in command[1:] if not word.startswith("-") and Path(word).is_file()), command[0])
    name = re.sub(r"[^A-Za-z0-9_.-]+|^[^A-Za-z0-9]+", "-", Path(script).stem)[:50].lstrip("_.-") or "job"
    return next(choice for choice in (name, *(f"{name}-{number}" for number in range(2, 100_000))) if choice not in taken)


def environment(found: Mapping[str, str]) -> list[str]:
    """Names of the variables that the job gets. systemd refuses values with control characters, and what is no UTF-8."""
    return sorted(
        name
        for name, value in found.items()
        if VARIABLE.fullmatch(name)
        and not OF_THE_LOGIN.fullmatch(name)
        and all(character in "\t\n" or not ("\x00" <= character < " " or character == "\x7f") for character in value)
        and value.encode("utf-8", "replace") == value.encode("utf-8", "surrogateescape")
    )


def ending(result: str, code: str, status: str) -> str:
    """How a job ended, by what systemd tells (systemd.exec(5), SERVICE_RESULT)."""
    if result == "oom-kill":
        return "failed: out of memory"
    if code == "exited":
        return "done" if status == "0" else f"failed: status {status}"
    return "stopped" if result == "success" else f"failed: {status or result}"


def duration(seconds: float) -> str:
    return str(datetime.timedelta(seconds=max(0, int(seconds))))


def systemctl(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["systemctl", "--user", *arguments], capture_output=True, text=True, check=False)


def need_manager(account: pwd.struct_passwd) -> None:
    """Refuse where the person's service manager cannot be reached, or would end with the last login."""
    if not (LINGER / account.pw_name).exists():
        raise RefusedError(
            f"found no lingering for {account.pw_name}; expected it, or the job would end with your last login; ask an "
            f"administrator to name {account.pw_name} in workbench_linger"
        )
    runtime = f"/run/user/{account.pw_uid}"
    if not os.access(f"{runtime}/systemd", os.R_OK | os.X_OK):
        raise RefusedError(
            f"found no way to your service manager ({runtime}) from here; JupyterLab's terminals have none; expected an SSH "
            "login, where lab-run works"
        )
    os.environ["XDG_RUNTIME_DIR"] = runtime


def start(account: pwd.struct_passwd, job: Job, mail: str, command: Sequence[str]) -> None:
    program = shutil.which(command[0])
    if program is None:
        raise RefusedError(f"found no program '{command[0]}'; expected one in the PATH, or a file that may be executed")
    if mail and not os.access(SENDMAIL, os.X_OK):
        raise RefusedError(f"found no {SENDMAIL}; expected one for --mail; leave it out: 'lab-run' tells how a job has ended")
    need_manager(account)
    job.folder.mkdir(mode=0o700, exist_ok=True)
    try:
        # Two of the same name at once: one of them is first.
        os.close(os.open(job.log, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600))
    except FileExistsError:
        raise RefusedError(
            f"found a job '{job.name}' already; expected a new name; take another one, or remove {job.log}"
        ) from None
    try:
        job.write({"command": list(command), "directory": os.getcwd(), "mail": mail, "started": time.time()})
    except OSError:
        job.forget()
        raise
    # Or a Python that writes into a file would keep its output to itself for a long time.
    os.environ.setdefault("PYTHONUNBUFFERED", "1")
    # Not Type=exec: of a job that ends at once systemd may say that it could not be started. The program is known to be there.
    done = subprocess.run(
        [
            *("systemd-run", "--user", "--quiet", "--collect", "--same-dir", f"--unit={job.unit}"),
            *(f"--description=lab-run {job.name}", f"--property=StandardOutput=append:{job.log}"),
            f"--property=ExecStopPost={Path(__file__).resolve()} ended {job.name}",
            *(f"--setenv={name}" for name in environment(os.environ)),
            "--",
            # The service manager would put variables in the place of `$`.
            *(word.replace("$", "$$") for word in (str(Path(program).absolute()), *command[1:])),
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        job.forget()
        raise RefusedError(f"the job could not be started: {done.stderr.strip()}")
    print(f"{job.name}: runs, also after you have logged out")
    print(f"    its output:  tail -f {job.log}")
    print(f"    to end it:   lab-run stop {job.name}")


def ended(job: Job, found: Mapping[str, str]) -> None:
    """What the service itself calls at its end; what is printed here goes into the log."""
    record = job.read()
    if not record:
        return
    result = ending(*(found.get(name, "") for name in ("SERVICE_RESULT", "EXIT_CODE", "EXIT_STATUS")))
    record |= {"ended": time.time(), "result": result}
    told = f"{result} after {duration(record['ended'] - record['started'])}"
    tail = end_of(job.log)
    print(f"lab-run: {told}", flush=True)
    job.write(record)
    if record["mail"]:
        message = letter(job, record, told, tail)
        sent = subprocess.run([SENDMAIL, "-i", "--", record["mail"]], input=message.as_bytes(), check=False)
        print(f"lab-run: {'' if sent.returncode == 0 else 'no '}mail to {record['mail']}", flush=True)


def end_of(log: Path) -> list[str]:
    with contextlib.suppress(OSError), log.open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - BYTES))
        return file.read().decode("utf-8", "replace").splitlines()[-LINES:]
    return []


def letter(job: Job, record: Record, told: str, tail: Sequence[str]) -> email.message.EmailMessage:
    message = email.message.EmailMessage()
    message["To"] = record["mail"]
    message["Subject"] = f"{job.name} on {os.uname().nodename}: {told}"
    message["Auto-Submitted"] = "auto-generated"
    about = [f"Command: {shlex.join(record['command'])}", f"Folder:  {record['directory']}", f"Log:     {job.log}"]
    message.set_content("\n".join([*about, "", "The end of its output:", "", *tail, ""]))
    return message


def show(jobs: Sequence[Job]) -> None:
    if not jobs:
        print("no jobs; start one with:  lab-run -- COMMAND...")
        return
    asked = [job for job in jobs if "ended" not in job.read()]
    answers = systemctl("is-active", *(job.unit for job in asked)).stdout.split() if asked else []
    # After that: what has ended meanwhile has written down how.
    records = {job: job.read() for job in jobs}
    running = dict(zip(asked, answers)) if len(answers) == len(asked) else {}
    rows = [("NAME", "STATE", "STARTED", "LOG", "COMMAND")]
    for job, record in records.items():
        rows.append((job.name, state(record, running.get(job, "")), day(record), str(job.log), plain(record)))
    widths = [max(map(len, column)) for column in zip(*rows)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip())


def state(record: Record, active: str) -> str:
    if "ended" in record:
        return f"{record['result']} after {duration(record['ended'] - record['started'])}"
    if active in ("active", "activating", "deactivating", "reloading"):
        return f"runs since {duration(time.time() - record['started'])}" if record else "runs"
    # Nobody wrote down its end: the host was switched off, or the person's service manager was ended.
    return "cut off" if active else "unknown from here"


def day(record: Record) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(record["started"])) if record else "?"


def plain(record: Record) -> str:
    text = shlex.join(record.get("command", ()))
    return "".join(character if character.isprintable() else "?" for character in text)


def stop(account: pwd.struct_passwd, job: Job) -> None:
    need_manager(account)
    if systemctl("is-active", job.unit).returncode != 0:
        raise RefusedError(f"found no job '{job.name}' that runs; 'lab-run' lists them")
    done = systemctl("stop", job.unit)
    if done.returncode != 0:
        raise RefusedError(f"{job.name}: {done.stderr.strip()}")
    print(f"{job.name}: stopped")


def wanted(arguments: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
    """Our options, and the command after `--`."""
    where = arguments.index("--") if "--" in arguments else len(arguments)
    parser = argparse.ArgumentParser("lab-run", usage=(__doc__ or "").split("\n\n")[1], add_help=False, allow_abbrev=False)
    parser.add_argument("--name", default="")
    parser.add_argument("--mail", nargs="?", const=pwd.getpwuid(os.getuid()).pw_name, default="")
    return parser.parse_args(arguments[:where]), list(arguments[where + 1 :])


def main(arguments: list[str]) -> str | None:
    account = pwd.getpwuid(os.getuid())
    folder = Path(account.pw_dir) / "lab-run"
    try:
        if not arguments:
            os.environ["XDG_RUNTIME_DIR"] = f"/run/user/{account.pw_uid}"
            show(jobs_in(folder))
        elif arguments[0] in ("stop", "ended") and len(arguments) == 2 and NAME.fullmatch(arguments[1]):
            job = Job(folder, arguments[1])
            ended(job, os.environ) if arguments[0] == "ended" else stop(account, job)
        elif "--" not in arguments or arguments[-1] == "--":
            raise RefusedError((__doc__ or "").strip())
        else:
            options, command = wanted(arguments)
            name = options.name or name_for(command, {job.name for job in jobs_in(folder)})
            if not NAME.fullmatch(name):
                raise RefusedError(f"--name: found '{name}'; expected letters, digits, '_', '.' and '-', at most 64")
            if options.mail and not ADDRESS.fullmatch(options.mail):
                raise RefusedError(f"--mail: found '{options.mail}'; expected an address")
            start(account, Job(folder, name), options.mail, command)
    except (RefusedError, OSError) as problem:
        return f"lab-run: {problem}"
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
