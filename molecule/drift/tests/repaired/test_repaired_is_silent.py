# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import os
import subprocess
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest

UNITS = Path(os.environ["MOLECULE_PROJECT_DIRECTORY"]) / "docs" / "examples" / "drift"
SERVICE, TIMER = "research-server-drift.service", "research-server-drift.timer"
# As an administrator adapts the example: a drop-in with another user, another folder, another command.
ADAPTED = """
[Service]
User=alice
WorkingDirectory=/home/alice
ExecStart=
ExecStart=/bin/sh -c 'touch %S/research-server/seen; ! touch /home/alice/seen; ! sudo -n true; exit 2'
"""


def test_after_the_repair_there_is_silence(drift: t.Any) -> None:
    run = drift("--quiet")
    assert run.output.strip() == ""
    assert run.exit_code == 0
    assert list(run.verdicts.values()) == ["clean", "clean"]
    assert all(host["compared"] > 10 for host in run.report["hosts"].values())


def test_a_fault_that_comes_later_is_new_for_one_night(drift: t.Any, servers: dict[str, t.Any]) -> None:
    for server in servers.values():
        server.check_output("chmod 0666 /etc/profile.d/conda.sh")
    runs = [drift() for _night in range(2)]
    for server in servers.values():
        server.check_output("chmod 0644 /etc/profile.d/conda.sh")
    new = [[{entry["new"] for entry in host["drift"]} for host in run.report["hosts"].values()] for run in runs]
    assert new == [[{True}, {True}], [{False}, {False}]]
    assert "[since " in runs[1].output


def test_a_fail2ban_that_runs_otherwise_than_its_files_say(drift: t.Any, servers: dict[str, t.Any]) -> None:
    """Somebody has told it, or has changed a file that it has not read since."""
    told, other = servers
    servers[told].check_output(
        "fail2ban-client set sshd addignoreip 203.0.113.9; fail2ban-client set sshd ignorecommand /bin/true;"
        "fail2ban-client set sshd addaction idle; touch /etc/fail2ban/filter.d/sshd.conf"
    )
    run = drift()
    servers[told].check_output("systemctl reload fail2ban")
    assert run.verdicts == {told: "drift", other: "clean"}, run.output
    (found,) = run.report["hosts"][told]["drift"]
    assert found["role"] == "fail2ban"
    assert all(says in found["diff"] for says in ("203.0.113.9", "ignorecommand /bin/true", "idle"))
    assert "/etc/fail2ban/filter.d/sshd.conf (is)\n" in found["diff"] and "-changed since fail2ban has read it" in found["diff"]


# What the site leaves to people: by role, and what is told.
FOR_PEOPLE = {
    "accounts": ("sed -i 's#:/home/bob:#:/srv/bob:#' /etc/passwd", "usermod -d /home/bob bob"),
    "sshd": ("printf 'Match User bob\\nPasswordAuthentication yes\\n' > /etc/ssh/sshd_config.d/zz.conf", "zz.conf:2"),
    "fail2ban": ("printf '[sshd]\\nmaxretry = 900\\n' > /etc/fail2ban/jail.d/zz.local", "set sshd maxretry 900"),
}
# What such a host has besides.
MORE = {"sshd": "/usr/local/sbin/research-server-open-door", "miniconda": "/etc/profile.d/conda.sh"}


def test_a_role_that_fails_hides_no_other_and_nothing_of_its_own(drift: t.Any, servers: dict[str, t.Any]) -> None:
    """On one of the hosts, as everything else: each role says what it cannot do, and what it saw."""
    broken, other = servers
    for command, _says in FOR_PEOPLE.values():
        servers[broken].check_output(command)
    for path in MORE.values():
        servers[broken].check_output("chmod 0666 %s", path)
    run = drift()
    servers[broken].check_output(
        "rm /etc/ssh/sshd_config.d/zz.conf /etc/fail2ban/jail.d/zz.local; sed -i 's#:/srv/bob:#:/home/bob:#' /etc/passwd;"
        "systemctl reload ssh fail2ban; chmod 0700 %s; chmod 0644 %s",
        *MORE.values(),
    )
    assert run.exit_code == 3, run.output
    assert run.verdicts == {broken: "failed", other: "clean"}
    told = run.report["hosts"][broken]
    messages = {error["role"]: error["message"] for error in told["errors"]}
    assert all(says in messages[role] for role, (_command, says) in FOR_PEOPLE.items()), messages
    for role, path in MORE.items():
        assert any(entry["role"] == role and path in (entry["diff"] or "") for entry in told["drift"]), role


def test_a_syntax_error_of_sshd_is_told_and_hides_nothing_else(drift: t.Any, servers: dict[str, t.Any]) -> None:
    """No role can ask it for what is in effect."""
    broken, other = servers
    servers[broken].check_output(
        "echo Nonsense yes > /etc/ssh/sshd_config.d/99-nonsense.conf; chmod 0666 /etc/profile.d/conda.sh"
    )
    run = drift()
    servers[broken].check_output(
        "rm /etc/ssh/sshd_config.d/99-nonsense.conf; systemctl reload ssh; chmod 0644 /etc/profile.d/conda.sh"
    )
    assert run.exit_code == 3, run.output
    assert run.verdicts == {broken: "failed", other: "clean"}
    told = run.report["hosts"][broken]
    assert any("Nonsense" in error["message"] for error in told["errors"])
    assert any(entry["role"] == "miniconda" for entry in told["drift"])


def test_a_wrong_variable_is_a_failure_too(drift: t.Any) -> None:
    run = drift("--extra-vars", "fail2ban_maxretry=many")
    assert run.exit_code == 3, run.output
    assert all("fail2ban_maxretry" in host["errors"][0]["message"] for host in run.report["hosts"].values())


@pytest.fixture
def server(host: t.Any, servers: dict[str, t.Any]) -> t.Any:
    return servers[host.backend.get_hostname()]


@pytest.fixture
def timer(server: t.Any, host: t.Any) -> Iterator[str]:
    folder = "/etc/systemd/system"
    for unit in (SERVICE, TIMER):
        subprocess.run(
            ["docker", "cp", UNITS / unit, f"{host.backend.get_hostname()}:{folder}/{unit}"],
            check=True,
            timeout=60,
            capture_output=True,
        )
    server.check_output("mkdir -p %s/%s.d && printf '%%s' %s > %s/%s.d/here.conf", folder, SERVICE, ADAPTED, folder, SERVICE)
    server.check_output("systemctl daemon-reload")
    yield TIMER
    server.check_output("systemctl disable --now %s", TIMER)
    server.check_output("rm -r %s/%s %s/%s %s/%s.d && systemctl daemon-reload", folder, TIMER, folder, SERVICE, folder, SERVICE)
    server.run("systemctl reset-failed %s", SERVICE)


def test_the_example_units_are_valid_and_the_timer_waits_for_the_night(server: t.Any, timer: str) -> None:
    verified = server.run("systemd-analyze verify %s", timer)
    assert verified.rc == 0
    assert verified.stderr.strip() == ""
    server.check_output("systemctl enable --now %s", timer)
    assert "research-server-drift.service" in server.check_output("systemctl list-timers --all --no-pager")


def test_the_example_service_is_sandboxed_and_keeps_the_exit_code(server: t.Any, timer: str) -> None:
    assert server.run("systemctl start %s", SERVICE).rc != 0
    assert server.check_output("systemctl show --property ExecMainStatus --value %s", SERVICE) == "2"
    assert server.file("/var/lib/research-server/seen").mode == 0o600
    assert server.file("/var/lib/research-server").mode == 0o700
    assert not server.file("/home/alice/seen").exists


def test_a_stopped_host_is_unreachable_and_the_other_one_is_still_compared(drift: t.Any, servers: dict[str, t.Any]) -> None:
    running, stopped = servers
    subprocess.run(["docker", "kill", stopped], check=True, timeout=60, capture_output=True)
    run = drift("--timeout", "5")
    assert run.exit_code == 4, run.output
    assert run.verdicts == {running: "clean", stopped: "unreachable"}
