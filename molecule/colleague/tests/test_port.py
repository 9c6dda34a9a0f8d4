# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nobody but root ever listens on the SSH port: whatever sshd goes through, a colleague's program is never behind it."""

from __future__ import annotations

import contextlib
import functools
import re

import pytest
from waiting import wait_until

HIGH = 22022
# Tries to listen, on every address and in every way, until somebody ends it. Says when it has begun and when it has won. Its
# pauses are shorter by far than the time in which sshd starts, and leave the processor to what is tested.
GRAB = """
import errno, itertools, os, socket, time
os.nice(10)
ports, tries, refused, won = {ports}, 0, set(), {{}}
addresses = ["0.0.0.0", "127.0.0.1", "::", "::1", "::ffff:0.0.0.0", {own!r}]
one, other = socket.SO_REUSEADDR, socket.SO_REUSEPORT
switches = [(), (one,), (other,), (one, other)]
print("begun", flush=True)
for port, address, reuse in itertools.cycle(itertools.product(ports, addresses, switches)):
    door = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    try:
        for name in reuse:
            door.setsockopt(socket.SOL_SOCKET, name, 1)
        door.bind((address, port)); door.listen(5)
        if (address, port) in won:
            door.close()
        else:
            print("WON", address, port, flush=True)
            won[address, port] = door
    except OSError as error:
        door.close()
        if error.errno not in refused:
            refused.add(error.errno); print(errno.errorcode[error.errno], flush=True)
    tries += 1
    if tries % 24 == 0:
        time.sleep(0.001)
    if tries % 5000 == 0:
        print("tried", tries, flush=True)
"""
LISTEN = """
import socket, time
door = socket.socket(); door.bind(("0.0.0.0", {port})); door.listen(); print("listening", flush=True); time.sleep(600)
"""


@pytest.fixture
def grabbing(host, bob):
    """bob's program is at it; returns a function that says how it went. Each event gives it time for thousands of tries."""

    @contextlib.contextmanager
    def run(port, *others):
        own = host.check_output("hostname -I").split()[0]
        bob.start(GRAB.format(ports=(port, *others), own=own))
        out = host.file("/home/bob/.attack.out")
        wait_until(lambda: out.exists and out.contains("tried"))
        yield lambda: out.content_string
        tries = host.check_output("grep -c tried /home/bob/.attack.out")
        # It goes on to the end, or the test would say nothing.
        wait_until(lambda: host.check_output("grep -c tried /home/bob/.attack.out") != tries)
        assert not re.search(rf"WON \S+ {port}$", out.content_string, re.MULTILINE), out.content_string
        bob.stop()

    return run


@pytest.fixture
def door(apply):
    """Apply the role sshd alone, with other variables."""
    return functools.partial(apply, roles=["sshd"])


def answering(host, *ports):
    """What listens is sshd, or systemd for it; and it lets people in."""
    listening = host.check_output("ss -Hltnp").splitlines()
    for port in ports:
        mine = [line for line in listening if line.split()[3].endswith(f":{port}")]
        assert len(mine) == 2 and all('"sshd"' in line or '"systemd",pid=1,' in line for line in mine), listening
    return True


class TestNobodyTakesIt:
    @pytest.mark.cases(2)
    @pytest.mark.one_release
    @pytest.mark.parametrize(
        "event",
        [
            "systemctl restart ssh",
            "kill -9 $(systemctl show -p MainPID --value ssh)",
            "systemctl reload ssh",
            "systemctl stop ssh; sleep 1; systemctl start ssh",
        ],
    )
    def test_while_sshd_restarts(self, host, bob, carol, grabbing, event):
        with grabbing(2222) as said:
            for _time in range(5):
                host.check_output(event)
                wait_until(lambda: host.run("systemctl is-active --quiet ssh && ss -Hltn 'sport = :2222' | grep -q .").rc == 0)
            assert "EACCES" in said()
        assert answering(host, 2222) and carol.check("id -un") == "carol"

    @pytest.mark.one_release
    def test_while_a_run_changes_a_setting(self, host, carol, grabbing, door):
        with grabbing(2222):
            done = door(sshd_max_auth_tries=5)
            assert done.returncode == 0, done.stdout
        assert answering(host, 2222) and carol.check("id -un") == "carol"

    @pytest.mark.one_release
    def test_while_the_port_moves_and_comes_back(self, host, carol, grabbing, door):
        with grabbing(2222):
            moved = door(sshd_port=2300)
            assert moved.returncode == 0, moved.stdout
        assert answering(host, 2300)
        with grabbing(2222, 2300):
            back = door(sshd_previous_ports=[2300])
            assert back.returncode == 0, back.stdout
        assert answering(host, 2222) and carol.check("id -un") == "carol"
        assert host.check_output("sysctl -n net.ipv4.ip_unprivileged_port_start") == "2223"

    def test_when_the_host_boots(self, host, bob, carol, reboot):
        """His program starts with the first services, as cron's @reboot jobs and lingering users' services do."""
        own = host.check_output("hostname -I").split()[0]
        host.check_output("printf %%s %s > /home/bob/early.py", GRAB.format(ports=(2222,), own=own))
        unit = "[Unit]\nBefore=ssh.service\n[Service]\nUser=bob\nExecStart=/usr/bin/python3 /home/bob/early.py\n"
        unit += "StandardOutput=file:/home/bob/early.out\n[Install]\nWantedBy=multi-user.target\n"
        host.check_output("printf %%s %s > /etc/systemd/system/early.service", unit)
        host.check_output("systemctl enable early")
        try:
            for _time in range(2):
                reboot()
                wait_until(lambda: host.run("grep -q tried /home/bob/early.out").rc == 0)
                assert "WON" not in host.file("/home/bob/early.out").content_string
                wait_until(lambda: host.run("ss -Hltn 'sport = :2222' | grep -q .").rc == 0)
                assert answering(host, 2222)
        finally:
            host.check_output("systemctl disable --now early; rm -f /etc/systemd/system/early.service /home/bob/early.*")
            host.check_output("systemctl daemon-reload")
        assert carol.check("id -un") == "carol"

    def test_a_high_port_is_held_by_systemd(self, host, carol, grabbing, door):
        """The kernel's limit is not raised that high: people need ports."""
        moved = door(sshd_port=HIGH)
        assert moved.returncode == 0, moved.stdout
        assert host.check_output("sysctl -n net.ipv4.ip_unprivileged_port_start") == "1024"
        with grabbing(HIGH) as said:
            for event in ("systemctl reload ssh || :", "systemctl restart ssh", "pkill -9 -o -x sshd || :"):
                host.check_output(event)
                assert answering(host, HIGH)
            changed = door(sshd_port=HIGH, sshd_max_auth_tries=5)
            assert changed.returncode == 0, changed.stdout
            assert "EADDRINUSE" in said()
        back = door(sshd_previous_ports=[HIGH])
        assert back.returncode == 0, back.stdout
        assert answering(host, 2222) and carol.check("id -un") == "carol"


# Connects from many addresses of this host and says nothing, again and again: sshd has room for 60 who are not logged in yet.
CROWD = """
import itertools, socket, time
held = []
for number in itertools.count():
    family, source = [(socket.AF_INET, f"127.0.0.{{number % 200 + 1}}"), (socket.AF_INET6, "::1")][number % 2]
    client = socket.socket(family)
    client.settimeout(2)
    try:
        client.bind((source, 0))
        client.connect((["127.0.0.1", {own!r}][number // 2 % 2] if family == socket.AF_INET else "::1", 2222))
        held.append(client)
    except OSError:
        client.close()
        time.sleep(0.01)
    if number % 200 == 199:
        print("connected", len(held), flush=True)
        held = held[-100:]
"""


@pytest.mark.one_release
def test_nobody_fills_the_room_of_those_who_are_not_logged_in_yet(host, bob, carol):
    own = host.check_output("hostname -I").split()[0]
    bob.start(CROWD.format(own=own))
    out = host.file("/home/bob/.attack.out")
    wait_until(lambda: out.exists and out.contains("connected"))
    assert [carol.run("id -un").stdout for _time in range(10)] == ["carol\n"] * 10
    assert bob.connect(2222) == "refused", "he has had his share"
    bob.stop()
    wait_until(lambda: bob.connect(2222) == "open")


class TestWhoIsThereAlready:
    @pytest.mark.one_release
    def test_is_named_and_nothing_changes(self, host, bob, carol, door):
        bob.start(LISTEN.format(port=2301))
        wait_until(lambda: host.run("ss -Hltn 'sport = :2301' | grep -q .").rc == 0)
        before = host.check_output("cat /etc/ssh/sshd_config.d/*.conf")
        for arguments in (["--check"], []):
            refused = door(*arguments, sshd_port=2301)
            assert refused.returncode != 0
            assert re.search(r"port 2301 is taken by another program: found python3\S* \(process \d+\) of bob", refused.stdout)
        assert host.check_output("cat /etc/ssh/sshd_config.d/*.conf") == before
        assert host.check_output("sysctl -n net.ipv4.ip_unprivileged_port_start") == "2223"
        assert carol.check("id -un") == "carol"

    def test_sshd_comes_back_when_the_port_is_free_again(self, host, carol):
        """However long it was taken. Debian's own unit gives up after the first try."""
        host.check_output("systemctl stop ssh")
        taken = "import socket, time; a = socket.create_server(('0.0.0.0', 2222)); "
        taken += "b = socket.create_server(('::', 2222), family=socket.AF_INET6); time.sleep(8)"
        host.check_output("systemd-run --unit=taken --collect python3 -c %s", taken)
        wait_until(lambda: host.run("ss -Hltn 'sport = :2222' | grep -q .").rc == 0)
        host.run("systemctl start ssh")
        assert host.run("systemctl is-active --quiet ssh").rc != 0
        wait_until(lambda: host.run("systemctl is-active --quiet ssh").rc == 0)
        assert answering(host, 2222) and carol.check("id -un") == "carol"


def test_there_is_no_second_way_in(host, bob):
    """systemd 256 and newer listens for sshd in the file system, where neither firewall nor fail2ban see who comes."""
    assert host.run("find /run/systemd/generator -name 'sshd-*.socket' | grep .").rc == 1
    knock = "import socket; socket.socket(socket.AF_UNIX).connect('/run/ssh-unix-local/socket')"
    assert bob.python(knock).returncode != 0


@pytest.mark.one_release
class TestEverybodyGetsIn:
    def test_lines_of_another_file_that_keep_people_out_are_named(self, host, door):
        other = "/etc/ssh/sshd_config.d/50-old.conf"
        lines = ["AllowUsers ops bob", "DenyUsers ca*", "DenyGroups imaging"]
        host.check_output("printf %%s %s > %s", "".join(f"{line}\n" for line in lines), other)
        try:
            for arguments in (["--check"], []):
                refused = door(*arguments, sshd_max_auth_tries=5)
                assert refused.returncode != 0
                for number, line in enumerate(lines, 1):
                    said = rf"{re.escape(other)}:{number}: {line.split()[0].lower()}\b.*keeps out [\w, ]*carol"
                    assert re.search(said, refused.stdout), refused.stdout
        finally:
            host.check_output(f"rm {other}")
        assert host.check_output("sshd -T | grep maxauthtries") == "maxauthtries 4"

    def test_a_line_that_keeps_nobody_of_the_lab_out_may_stay(self, host, door):
        other = "/etc/ssh/sshd_config.d/50-old.conf"
        host.check_output(f"echo 'DenyUsers games' > {other} && systemctl reload ssh")
        try:
            done = door()
            assert done.returncode == 0, done.stdout
        finally:
            host.check_output(f"rm {other} && systemctl reload ssh")

    def test_an_address_with_a_port_of_its_own_is_named(self, host, door):
        other = "/etc/ssh/sshd_config.d/50-old.conf"
        host.check_output(f"echo 'ListenAddress 0.0.0.0:22' > {other}")
        try:
            refused = door()
            assert refused.returncode != 0 and f"'{other}:1: listenaddress 0.0.0.0:22'" in refused.stdout
        finally:
            host.check_output(f"rm {other}")


@pytest.mark.one_release
def test_the_command_for_the_console_opens_the_old_door_and_the_next_run_closes_it(host, other, carol, apply):
    told = host.run("research-server-open-door")
    assert told.rc == 0 and "Port 22 answers" in told.stdout and "firewall: " in told.stdout, told.stdout + told.stderr
    address = host.check_output("hostname -I").split()[0]
    ask = f"import socket; print(socket.create_connection(('{address}', {{}}), 5).recv(4))"
    for port in (22, 2222):
        assert "SSH-" in other.check_output("python3 -c %s", ask.format(port))
    assert carol.check("id -un") == "carol"
    assert host.run("research-server-open-door").rc == 0, "it can be said twice"
    back = apply("--tags", "access")
    assert back.returncode == 0, back.stdout
    assert other.run("python3 -c %s", ask.format(22)).rc != 0
    assert carol.check("id -un") == "carol"
    assert host.run("nft list table inet research_server | grep -q 'policy drop'").rc == 0
    assert "changed=0" in apply("--tags", "access").stdout


def test_nobody_but_root_has_that_command(host, bob):
    assert bob.run("research-server-open-door || /usr/local/sbin/research-server-open-door").returncode != 0
