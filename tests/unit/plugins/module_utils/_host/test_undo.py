# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Changes are staged, confirmed and undone below a temporary root, with real files, the real script and a timer that runs out."""

from __future__ import annotations

import contextlib
import os
import stat
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import pytest
from ansible_collections.openlab.research_server.plugins.module_utils._host import undo
from ansible_collections.openlab.research_server.plugins.module_utils._host.runner import RefusedError, Runner
from ansible_collections.openlab.research_server.plugins.module_utils._host.session import current_session
from ansible_collections.openlab.research_server.plugins.module_utils._host.undo import File, Transaction

# They stand for systemd: one starts a program later, the other one stops it before that. The timer itself runs outside of what is
# stopped once it has run out, as a service does.
SYSTEMD_RUN = """\
#!/bin/sh
[ ! -e {log}.broken ] || {{ echo "no bus" >&2; exit 1; }}
echo "systemd-run $*" >> {log}
while :; do
  case $1 in
    --unit=*) unit=${{1#*=}} ;;
    --on-active=*) seconds=${{1#*=}} ;;
    --*) ;;
    *) break ;;
  esac
  shift
done
setsid sh -c 'echo $$ > "$0"; sleep "$1"; rm "$0"; shift; exec "$@"' {log}."$unit" "$seconds" "$@" >/dev/null 2>&1 &
while [ ! -e {log}."$unit" ]; do :; done
"""
SYSTEMCTL = """\
#!/bin/sh
echo "systemctl $*" >> {log}
timer={log}."${{2%.timer}}"
[ ! -e "$timer" ] || {{ kill -- -"$(cat "$timer")"; rm "$timer"; }}
"""


class Module:
    """As much of AnsibleModule as this needs."""

    def __init__(self, state: str = "applied", check_mode: bool = False) -> None:
        self.params = {"state": state}
        self.check_mode = check_mode
        self.answer: dict[str, t.Any] = {}

    def run_command(self, argv: list[str], data: str | None = None, environ_update: t.Any = None) -> tuple[int, str, str]:
        done = subprocess.run(argv, input=data, capture_output=True, text=True, check=False)
        return done.returncode, done.stdout, done.stderr

    def atomic_move(self, source: str, target: str) -> None:
        os.replace(source, target)

    def exit_json(self, **answer: t.Any) -> None:
        self.answer = answer
        raise SystemExit(0)

    def fail_json(self, **answer: t.Any) -> None:
        self.answer = {"failed": True, **answer}
        raise SystemExit(1)


class Host:
    """A root with two files: one that people have, and one that is not there yet."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "root"
        self.log = folder / "log"
        self.programs = folder / "programs"
        for name, text in {"programs/systemd-run": SYSTEMD_RUN, "programs/systemctl": SYSTEMCTL}.items():
            path = folder / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(text.format(log=self.log))
            path.chmod(0o755)
        self.old = self.root / "etc/ssh/it's the old one"
        self.new = self.root / "etc/ssh/more.d/new"
        self.old.parent.mkdir(parents=True)
        (self.root / "etc/systemd/system").mkdir(parents=True)
        self.old.write_text("before\n")
        self.old.chmod(0o640)
        os.utime(self.old, (1_000_000, 1_000_000))
        self.staged = {str(self.old): File("staged\n", 0o600), str(self.new): File("staged\n")}
        self.final = {str(self.old): File("final\n", 0o600), str(self.new): File(None)}
        self.runner = Runner(t.cast("t.Any", Module()))
        self.transaction = Transaction(self.runner, "door", str(self.root))

    def stage(self, *back: str, undo_after: int = 100) -> Transaction:
        self.transaction.stage(self.staged, self.final, {"ports": [2222]}, back=back, undo_after=undo_after)
        return self.transaction

    def look(self) -> dict[str, tuple[str, int]]:
        """Every file and link below the root, with its mode."""
        return {
            str(path.relative_to(self.root)): (
                os.readlink(path) if path.is_symlink() else path.read_text(),
                stat.S_IMODE(path.lstat().st_mode),
            )
            for path in self.root.rglob("*")
            if path.is_symlink() or path.is_file()
        }

    def ticking(self) -> bool:
        return Path(f"{self.log}.research-server-door-undo").exists()


BEFORE = {"etc/ssh/it's the old one": ("before\n", 0o640)}


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> t.Iterator[Host]:
    made = Host(tmp_path)
    monkeypatch.setenv("PATH", f"{made.programs}:{os.environ['PATH']}")
    yield made
    made.transaction._disarm()


def wait(finished: t.Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not finished():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_what_is_staged_is_in_effect_and_can_be_undone_by_timer_and_at_boot(host: Host) -> None:
    transaction = host.stage()
    found = host.look()
    assert found["etc/ssh/it's the old one"] == ("staged\n", 0o600)
    assert found["etc/ssh/more.d/new"] == ("staged\n", 0o644)
    assert transaction.pending and host.ticking()
    # Others must neither read what was there before, nor change what root will run.
    assert [stat.S_IMODE(os.stat(path).st_mode) for path in (transaction.folder, transaction.script, transaction.manifest)] == [
        0o700,
        0o700,
        0o600,
    ]
    assert os.readlink(transaction.link) == transaction.unit
    assert f"ConditionPathExists={transaction.script}\n" in Path(transaction.unit).read_text()
    assert "--on-active=100" in host.log.read_text()


def test_a_folder_that_is_made_lets_people_read_whatever_the_umask(host: Host) -> None:
    before = os.umask(0o077)
    try:
        host.stage()
    finally:
        os.umask(before)
    assert stat.S_IMODE(host.new.parent.stat().st_mode) == 0o755


def test_without_a_confirmation_everything_comes_back_by_itself(host: Host) -> None:
    effective = host.root / "effective"
    transaction = host.stage(f"touch {effective}", undo_after=1)
    wait(lambda: not os.path.exists(transaction.folder))
    assert host.look() == {**BEFORE, "effective": ("", 0o644)}
    assert host.old.stat().st_mtime == 1_000_000
    assert not transaction.pending


def test_a_confirmed_change_is_final_and_nothing_of_the_way_back_remains(host: Host) -> None:
    transaction = host.stage()
    script = Path(transaction.script).read_text()
    seen = []
    transaction.confirm(lambda: seen.append(host.old.read_text()))
    assert seen == ["final\n"]
    assert host.look() == {"etc/ssh/it's the old one": ("final\n", 0o600)}
    assert not host.ticking()
    # Nor does a script that had been started already.
    subprocess.run(["sh", "-c", script], check=False, capture_output=True)
    assert host.old.read_text() == "final\n"


def test_what_is_final_already_is_not_written_again(host: Host) -> None:
    host.final = dict(host.staged)
    transaction = host.stage()
    before = host.old.stat()
    transaction.confirm(lambda: None)
    assert (host.old.stat().st_ino, host.old.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_confirmation_that_fails_leaves_the_way_back(host: Host) -> None:
    transaction = host.stage()

    def fails() -> None:
        raise RefusedError("sshd does not start")

    with pytest.raises(RefusedError, match="does not start"):
        transaction.confirm(fails)
    assert transaction.pending and host.ticking()
    transaction.undo()
    assert host.look() == BEFORE


def test_a_confirmation_that_comes_too_late_changes_nothing(host: Host) -> None:
    transaction = host.stage()
    transaction.undo()
    for late in (transaction.note, lambda: transaction.confirm(lambda: pytest.fail("it was activated"))):
        with pytest.raises(RefusedError, match="it came too late, and the change was undone"):
            late()
    assert host.look() == BEFORE


def test_a_confirmation_waits_for_an_undo_that_has_begun_and_then_comes_too_late(host: Host) -> None:
    begun = host.root / "begun"
    transaction = host.stage(f"touch {begun}", "sleep 0.5")
    script = subprocess.Popen(["sh", transaction.script])
    wait(begun.exists)
    with pytest.raises(RefusedError, match="it came too late"):
        transaction.confirm(lambda: pytest.fail("it was activated"))
    assert script.wait(10) == 0
    begun.unlink()
    assert host.look() == BEFORE


def test_at_boot_the_files_come_back_and_no_command_is_run(host: Host) -> None:
    transaction = host.stage(f"touch {host.root}/effective")
    subprocess.run(["sh", transaction.script, "boot"], check=True)
    assert host.look() == BEFORE


def test_what_cannot_be_put_back_is_kept_for_the_next_attempt(host: Host) -> None:
    transaction = host.stage()
    away = host.root / "away"
    host.old.parent.rename(away)
    with pytest.raises(RefusedError, match=r"/bin/sh .* ended with 1"):
        transaction.undo()
    assert transaction.pending and Path(transaction.unit).exists()
    away.rename(host.old.parent)
    transaction.undo()
    assert host.look() == BEFORE


def test_a_staging_that_fails_half_way_is_undone_at_once(host: Host) -> None:
    (host.root / "file").write_text("")
    host.staged[f"{host.root}/file/below"] = File("staged\n")
    with pytest.raises(OSError, match="file"):
        host.stage()
    assert host.look() == {**BEFORE, "file": ("", 0o644)}
    assert not host.ticking()


def test_without_a_timer_nothing_is_changed_and_nothing_waits(host: Host) -> None:
    """Or the next boot would put back what is there now, whatever somebody has done to it since."""
    Path(f"{host.log}.broken").touch()
    with pytest.raises(RefusedError, match=r"systemd-run .*no bus"):
        host.stage()
    assert host.look() == BEFORE
    assert not host.transaction.pending


def test_a_second_change_begins_anew(host: Host) -> None:
    host.stage().confirm(lambda: None)
    transaction = host.stage()
    assert host.old.read_text() == "staged\n"
    transaction.undo()
    assert host.old.read_text() == "final\n"


# Each login is a process of its own, which has from sshd where it came from.
LOGIN = """
import sys
from ansible_collections.openlab.research_server.plugins.module_utils._host.runner import RefusedError, Runner
from ansible_collections.openlab.research_server.plugins.module_utils._host.undo import Transaction
from ansible_collections.openlab.research_server.tests.unit.plugins.module_utils._host.test_undo import Module

transaction = Transaction(Runner(Module()), "door", sys.argv[1])
try:
    print({action})
except RefusedError as error:
    sys.exit(str(error))
"""
STAGE = 'transaction.stage({}, {}, "what was staged", back=[], undo_after=100)'


def login(host: Host, port: int, action: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "SSH_CONNECTION": f"192.0.2.7 {port} 192.0.2.1 22"}
    program = [sys.executable, "-c", LOGIN.replace("{action}", action), str(host.root)]
    return subprocess.run(program, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.skipif(current_session() is not None, reason="a login has started these tests, and is the one that counts")
def test_a_change_is_confirmed_by_another_login_and_not_by_the_one_that_made_it(host: Host) -> None:
    assert login(host, 50001, STAGE).returncode == 0
    refused = login(host, 50001, "transaction.note()")
    assert "this is the login that made the change; expected a new one" in refused.stderr
    assert login(host, 50002, "transaction.note()").stdout == "what was staged\n"


def test_undoing_is_foreseen_and_done_and_nothing_is_nothing(host: Host) -> None:
    transaction = host.stage()
    foreseen = undo.undo(t.cast("t.Any", Module(check_mode=True)), host.runner, transaction)
    assert foreseen == {"changed": True, "pending": True}
    assert transaction.pending
    done = undo.undo(t.cast("t.Any", Module()), host.runner, transaction)
    assert done == {"changed": True, "pending": False}
    assert host.look() == BEFORE
    again = undo.undo(t.cast("t.Any", Module()), host.runner, transaction)
    assert again == {"changed": False, "pending": False}


@contextlib.contextmanager
def rights_of_nobody() -> t.Iterator[None]:
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(before)


def course(module: Module, **stages: undo.Stage) -> dict[str, t.Any]:
    """What a module answers. Of a change with this name there is no trace on any host."""
    with pytest.raises(SystemExit):
        undo.run_module(t.cast("t.Any", module), "test-without-a-trace", Runner, undo.Stages(**{**STAGES, **stages}))
    return module.answer


def refuses(*_unused: t.Any) -> dict[str, t.Any]:
    raise RefusedError("found no door")


STAGES: dict[str, t.Any] = {"apply": lambda *_: {"did": "apply"}, "confirm": lambda *_: {"did": "confirm"}}


def test_without_root_rights_a_module_says_so_and_does_nothing() -> None:
    module = Module()
    with rights_of_nobody():
        answer = course(module, apply=lambda *_: pytest.fail("it was applied"))
    assert answer["failed"] and "Set 'become: true'" in answer["msg"]


@pytest.mark.skipif(os.geteuid() != 0, reason="it wants root rights")
@pytest.mark.parametrize(
    ("state", "stages", "answer"),
    [
        ("applied", {}, {"did": "apply"}),
        ("confirmed", {}, {"did": "confirm"}),
        ("undone", {}, {"changed": False, "pending": False}),
        ("undone", {"undo": lambda *_: {"did": "undo"}}, {"did": "undo"}),
        ("applied", {"apply": refuses}, {"failed": True, "msg": "test-without-a-trace: found no door"}),
    ],
)
def test_a_module_does_what_its_state_says(state: str, stages: dict[str, t.Any], answer: dict[str, t.Any]) -> None:
    assert course(Module(state), **stages) == answer
