# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A person's share of the server, kept by the kernel: who takes more is stopped, and the neighbour goes on."""

from __future__ import annotations

import json
import shlex
import time

import pytest
from people.jupyter_api import Jupyter, JupyterError, wait_until_answers
from people.ssh_tunnel import tunnel

MEBIBYTE = 1024**2
LIMITS = {"memory_max": "400M", "tasks_max": 150, "cpu_quota": "30%", "gpus": [1]}
TAKE_MEMORY = "taken = bytearray(1024 * 1024 * 700)\nfor at in range(0, len(taken), 4096): taken[at] = 1\nprint('taken')"
TAKE_PROCESSES = "import os, time\nfor number in range(400):\n    if os.fork() == 0: time.sleep(60); os._exit(0)"
TAKE_CPU = "import time\nend = time.monotonic() + 20\nwhile time.monotonic() < end: pass"


@pytest.fixture(scope="module")
def limited(host, site):
    """On a server with swap, which makes nobody's memory larger."""
    host.check_output("fallocate -l 1G /swap && chmod 0600 /swap && mkswap /swap && swapon /swap")
    done = site(jupyter_user_limits={"alice": LIMITS}, jupyter_restart="always")
    assert done.returncode == 0, done.stdout[-3000:]
    yield
    host.check_output("swapoff /swap && rm /swap")
    done = site()
    assert done.returncode == 0, done.stdout[-3000:]


def slice_of(host, user):
    return f"/sys/fs/cgroup/user.slice/user-{host.user(user).uid}.slice"


def events(host, user, file, key):
    """How often the kernel has stopped somebody (Documentation/admin-guide/cgroup-v2.rst)."""
    lines = host.check_output(f"cat {slice_of(host, user)}/{file}").splitlines()
    return int(dict(line.split() for line in lines)[key])


def lab_of(host, machine, user):
    port = json.loads(host.file("/etc/lab-jupyter.json").content_string)["ports"][user]
    return tunnel(machine.login(user), port), host.file(f"/var/lib/jupyter/{user}/token").content_string.strip()


@pytest.mark.usefixtures("limited")
class TestLimits:
    def test_a_kernel_that_takes_too_much_memory_is_ended_and_the_neighbours_lives(self, host, machine):
        hers, token = lab_of(host, machine, "alice")
        his, his_token = lab_of(host, machine, "bob")
        with hers as port, his as his_port:
            # Each answer has to be emulated.
            alice, bob = Jupyter(f"http://127.0.0.1:{port}", token, 600), Jupyter(f"http://127.0.0.1:{his_port}", his_token, 600)
            wait_until_answers(alice, 600)
            wait_until_answers(bob, 600)
            killed, his_killed = (events(host, user, "memory.events", "oom_kill") for user in ("alice", "bob"))
            with pytest.raises(JupyterError, match="the kernel has died"):
                alice.execute("lab", TAKE_MEMORY)
            assert events(host, "alice", "memory.events", "oom_kill") > killed
            assert events(host, "bob", "memory.events", "oom_kill") == his_killed
            assert bob.execute("lab", "print(6 * 7)").strip() == "42"

    def test_nor_by_ssh(self, host, machine):
        killed = events(host, "alice", "memory.events", "oom_kill")
        done = machine.login("alice").run(f"python3 -c {shlex.quote(TAKE_MEMORY)}", 300)
        assert done.returncode != 0 and "taken" not in done.stdout
        assert events(host, "alice", "memory.events", "oom_kill") > killed
        assert host.check_output(f"cat {slice_of(host, 'alice')}/memory.swap.current") == "0"
        done = machine.login("bob").run(f"python3 -c {shlex.quote(TAKE_MEMORY)}", 300)
        assert done.stdout.strip() == "taken", done

    def test_processes(self, host, machine):
        refused = events(host, "alice", "pids.events", "max")
        done = machine.login("alice").run(f'python3 -c "{TAKE_PROCESSES}"', 300)
        assert "Resource temporarily unavailable" in done.stderr, done
        assert events(host, "alice", "pids.events", "max") > refused
        machine.login("alice").run("pkill -u alice python3")

    def test_processor(self, host, machine):
        before, begun = events(host, "alice", "cpu.stat", "usage_usec"), time.monotonic()
        machine.login("alice").run(f'python3 -c "{TAKE_CPU}"', 300)
        share = (events(host, "alice", "cpu.stat", "usage_usec") - before) / 1e6 / (time.monotonic() - begun)
        assert events(host, "alice", "cpu.stat", "nr_throttled") > 0
        assert share < 0.45, share

    def test_devices(self, host, machine):
        """Without a driver there is no such device (ENXIO); where the share lacks it, nobody even looks (EPERM).

        They come when people have long been there, as from a driver that is loaded late.
        """
        host.check_output("for n in 0 1; do mknod -m 666 /dev/nvidia$n c 195 $n; done")
        try:
            said = [machine.login("alice").run(f"cat /dev/nvidia{number}").stderr for number in (0, 1)]
            assert "Operation not permitted" in said[0] and "No such device or address" in said[1], said
            assert "No such device or address" in machine.login("bob").run("cat /dev/nvidia0").stderr
        finally:
            host.check_output("rm /dev/nvidia0 /dev/nvidia1")


def test_who_takes_all_memory_does_not_take_the_machine(host, machine):
    """Without a limit, too: the kernel ends the largest, and the services go on."""
    take = "taken = []\nwhile True: taken.append(b'x' * (1 << 26))"
    done = machine.login("bob").run(f'python3 -c "{take}"', 600)
    assert done.returncode != 0
    assert machine.answers()
    assert all(host.service(unit).is_running for unit in ("ssh", "fail2ban", "jupyter@bob.socket"))
