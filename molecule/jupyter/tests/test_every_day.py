# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What people meet every day: a JupyterLab that sleeps and wakes, their own command, their share of the server."""

from __future__ import annotations

import json
import re

import pytest
import requests
from people.jupyter_api import Jupyter, wait_until_answers
from people.researcher import login_of, main_pid, token_of
from people.ssh_tunnel import tunnel
from waiting import wait_until

# By the filter jupyter_port.
PORTS = {"alice": 20207, "bob": 28650}
USERS = tuple(PORTS)
IDLE_SECONDS = 1
# Jupyter Server looks once a minute.
LOOKS = 150


@pytest.fixture
def restored(host, converge):
    yield
    back = converge()
    assert back.ok, back.message


def open_door(host, user):
    door = host.service(f"jupyter@{user}.socket")
    return door.is_running and door.is_enabled


def connects(host, user, port):
    code = f'import socket; socket.create_connection(("127.0.0.1", {port}), 2)'
    return login_of(host, user).run(f"python3 -c '{code}'").returncode == 0


def awake(host, user):
    return host.service(f"jupyter@{user}").is_running


@pytest.mark.one_release
class TestSleep:
    def test_who_is_not_used_sleeps_and_is_woken_with_the_notebook_as_it_was(self, host, converge, restored):
        assert converge(jupyter_stop_idle_after=IDLE_SECONDS, jupyter_restart="always").ok
        with tunnel(login_of(host, "alice"), PORTS["alice"]) as port:
            alice = Jupyter(f"http://127.0.0.1:{port}", token_of(host, "alice"))
            wait_until_answers(alice)
            headers = {"Authorization": f"token {alice.token}"}
            notebook = {"type": "notebook", "content": {"cells": [], "metadata": {"mine": 1}, "nbformat": 4, "nbformat_minor": 5}}
            requests.put(f"{alice.url}/api/contents/kept.ipynb", json=notebook, headers=headers, timeout=30).raise_for_status()
            kernel = requests.post(f"{alice.url}/api/kernels", json={"name": "lab"}, headers=headers, timeout=30).json()["id"]
            # bob's has nothing in it: when he sleeps, alice's has been looked at, too.
            wait_until(lambda: not awake(host, "bob"), LOOKS)
            assert awake(host, "alice"), "an idle kernel may hold the result of a long computation"
            assert converge("--check", jupyter_stop_idle_after=IDLE_SECONDS).changed == 0, "who sleeps is as he should be"
            requests.delete(f"{alice.url}/api/kernels/{kernel}", headers=headers, timeout=30).raise_for_status()
            wait_until(lambda: not awake(host, "alice"), LOOKS)
            assert host.run("ps -u alice -o args= | grep -q jupyter-serve").rc != 0, "it takes no memory"
            found = requests.get(f"{alice.url}/api/contents/kept.ipynb", headers=headers, timeout=60)
            assert found.json()["content"]["metadata"]["mine"] == 1
            assert awake(host, "alice") and not awake(host, "bob")

    def test_an_open_connection_and_a_job_keep_it_awake(self, host, converge, restored):
        assert converge(jupyter_stop_idle_after=IDLE_SECONDS, jupyter_restart="always").ok
        host.check_output("systemctl restart jupyter@alice jupyter@bob")
        group = host.check_output("systemctl show -p ControlGroup --value jupyter@bob")
        job = "setsid sleep 600 >/dev/null 2>&1 & echo $! > /tmp/job"
        host.check_output(f"su bob -c '{job}'; cat /tmp/job > /sys/fs/cgroup{group}/cgroup.procs")
        with tunnel(login_of(host, "alice"), PORTS["alice"]) as port, requests.Session() as page:
            page.get(f"http://127.0.0.1:{port}/api", timeout=60).raise_for_status()
            since = {user: int(host.check_output("date +%s")) for user in USERS}
            wait_until(lambda: int(host.check_output("date +%s")) > since["bob"] + 70, LOOKS)
            assert awake(host, "alice"), "somebody is connected"
            assert awake(host, "bob"), "a job runs"
        host.check_output("kill $(cat /tmp/job); rm /tmp/job")
        wait_until(lambda: not awake(host, "alice") and not awake(host, "bob"), LOOKS)

    def test_nobody_else_can_have_the_place_of_one_that_sleeps(self, host):
        host.check_output("systemctl stop jupyter@alice")
        thief = f"import socket; socket.create_server(('127.0.0.1', {PORTS['alice']}))"
        assert "Address already in use" in host.run(f'su bob -c "python3 -c \\"{thief}\\""').stderr
        assert not connects(host, "bob", PORTS["alice"]) and not awake(host, "alice"), "nor wake it"
        assert connects(host, "alice", PORTS["alice"])
        # Or she who connected would still wait at the door when the next test begins.
        wait_until(lambda: awake(host, "alice"), LOOKS)

    def test_who_has_failed_is_told_and_started_again(self, host, converge):
        host.check_output("systemctl stop jupyter@alice; systemctl start jupyter@bob; systemctl kill -s SIGSTOP jupyter@bob")
        host.check_output("systemctl kill -s SIGKILL jupyter@bob")
        wait_until(lambda: awake(host, "bob"), LOOKS)
        assert converge().ok and not awake(host, "alice")

    def test_it_comes_from_a_version_that_started_at_boot(self, host, converge):
        """The service was enabled, and there was no door."""
        host.check_output(
            "systemctl stop jupyter@bob.socket jupyter@bob; systemctl disable jupyter@bob.socket; "
            "mkdir -p /etc/systemd/system/multi-user.target.wants"
        )
        old = "/etc/systemd/system/multi-user.target.wants/jupyter@bob.service"
        host.check_output(f"ln -s /etc/systemd/system/jupyter@.service {old}")
        assert converge("--check").changed == 1
        assert converge().changed == 1
        assert not host.file(old).exists and open_door(host, "bob") and awake(host, "bob")
        assert converge().changed == 0


@pytest.mark.one_release
class TestCommand:
    def run(self, host, words, user="alice"):
        return login_of(host, user).run(f"lab-jupyter {words}")

    def test_its_words(self, host):
        host.check_output("systemctl restart jupyter@alice")
        assert "awake at 127.0.0.1:20207, 0 kernels" in self.run(host, "status").stdout
        assert "stopped" in self.run(host, "stop").stdout and not awake(host, "alice")
        assert "asleep" in self.run(host, "status").stdout
        assert "it is up again" in self.run(host, "restart").stdout and awake(host, "alice")
        before = main_pid(host, "alice")
        assert "it is up again" in self.run(host, "restart").stdout and main_pid(host, "alice") != before
        assert "jupyter" in self.run(host, "logs").stdout.lower()
        assert "lab-jupyter kernels add" in self.run(host, "nonsense").stderr
        planted = login_of(host, "alice").run(
            "mkdir -p mine && echo exit > mine/json.py && PYTHONPATH=mine lab-jupyter status; rm -r mine"
        )
        assert "awake" in planted.stdout, "what a project has on its path is not the command's"

    def test_work_is_ended_by_force_only(self, host):
        with tunnel(login_of(host, "alice"), PORTS["alice"]) as port:
            alice = Jupyter(f"http://127.0.0.1:{port}", token_of(host, "alice"))
            wait_until_answers(alice)
            headers = {"Authorization": f"token {alice.token}"}
            requests.post(f"{alice.url}/api/kernels", json={"name": "lab"}, headers=headers, timeout=30).raise_for_status()
            wait_until(lambda: "1 kernels" in self.run(host, "status").stdout, 30)
            assert "running" in self.run(host, "kernels").stdout
            refused = self.run(host, "restart")
            assert refused.returncode != 0 and "1 kernels would end with it" in refused.stderr and awake(host, "alice")
            assert self.run(host, "restart --force").returncode == 0
            assert "0 kernels" in self.run(host, "status").stdout

    def test_a_renewed_token_opens_and_the_old_one_does_not(self, host):
        old = token_of(host, "alice")
        shown = self.run(host, "token --renew").stdout
        new = re.search(r"token=(\S+)", shown).group(1)
        assert new == token_of(host, "alice") != old
        with tunnel(login_of(host, "alice"), PORTS["alice"]) as port:
            wait_until_answers(Jupyter(f"http://127.0.0.1:{port}", new))
            kernels, browser = f"http://127.0.0.1:{port}/api/kernels", requests.Session()
            assert requests.get(kernels, params={"token": old}, timeout=30).status_code == 403
            browser.get(f"http://127.0.0.1:{port}/lab", params={"token": new}, timeout=30).raise_for_status()
            assert browser.get(kernels, timeout=30).ok, "by its cookie"
            assert self.run(host, "token --renew").returncode == 0
            wait_until_answers(Jupyter(f"http://127.0.0.1:{port}", token_of(host, "alice")))
            assert browser.get(kernels, timeout=30).status_code == 403, "who was logged in with the old one is out, too"

    def test_nobody_does_it_to_somebody_else(self, host):
        host.check_output("systemctl start jupyter@alice")
        before = main_pid(host, "alice"), token_of(host, "alice")
        for words in ("stop --force", "token --renew --force", "status"):
            self.run(host, words, "bob")
        assert (main_pid(host, "alice"), token_of(host, "alice")) == before


class TestLimits:
    def test_they_are_those_of_all_that_a_person_runs(self, host, converge, restored):
        limits = {"alice": {"memory_max": "3G", "tasks_max": 500}, "bob": {"gpus": []}}
        host.check_output("systemctl start jupyter@alice jupyter@bob")
        pids = {user: main_pid(host, user) for user in USERS}
        groups = {"bob": {"cpu_quota": "150%"}}
        assert converge(jupyter_user_limits=limits, jupyter_group_limits=groups, jupyter_memory_max="2G").ok
        show = "systemctl show -p MemoryMax -p TasksMax -p CPUQuotaPerSecUSec -p DevicePolicy"
        hers = dict(line.split("=") for line in host.check_output(f"{show} user-{host.user('alice').uid}.slice").splitlines())
        his = dict(line.split("=") for line in host.check_output(f"{show} user-{host.user('bob').uid}.slice").splitlines())
        assert (hers["MemoryMax"], hers["TasksMax"], hers["CPUQuotaPerSecUSec"]) == (str(3 * 1024**3), "500", "infinity")
        assert (his["MemoryMax"], his["DevicePolicy"]) == (str(2 * 1024**3), "closed")
        assert float(his["CPUQuotaPerSecUSec"].removesuffix("s")) == 1.5
        for user in USERS:
            parent = f"/user.slice/user-{host.user(user).uid}.slice/"
            assert host.check_output(f"systemctl show -p ControlGroup --value jupyter@{user}").startswith(parent)
            session = login_of(host, user).run("cat /proc/self/cgroup").stdout
            assert f"::{parent}" in session, "what comes over SSH shares them"
        assert main_pid(host, "alice") == pids["alice"], "limits hold without a restart"
        assert converge(jupyter_user_limits=limits, jupyter_group_limits=groups, jupyter_memory_max="2G").changed == 0

    def test_jobs_of_cron_share_them(self, host):
        job = "@reboot cat /proc/self/cgroup > cron.txt"
        host.check_output(f"echo '{job}' | crontab -u alice -; rm -f /run/crond.reboot; systemctl restart cron")
        told = host.file("/home/alice/cron.txt")
        try:
            wait_until(lambda: told.exists and told.content_string, 30)
            assert f"/user.slice/user-{host.user('alice').uid}.slice/" in told.content_string
        finally:
            host.check_output("crontab -u alice -r; rm -f /home/alice/cron.txt")

    def test_a_logout_takes_no_shared_memory_from_a_kernel(self, host):
        """Kernels are in no session: the last one to end would take it (logind.conf(5), RemoveIPC=)."""
        manager = "org.freedesktop.login1 /org/freedesktop/login1 org.freedesktop.login1.Manager"
        assert host.check_output(f"busctl get-property {manager} RemoveIPC") == "b false"

    def test_who_has_no_gpus_sees_none(self, host, converge, restored):
        assert converge(
            jupyter_user_limits={"alice": {"gpus": []}, "bob": {"gpus": [1]}},
            jupyter_restart="always",
            jupyter_devices=["char-nvidia*", "/dev/fuse"],
        ).ok
        environment = host.check_output(f"tr '\\0' '\\n' < /proc/{main_pid(host, 'bob')}/environ")
        assert "CUDA_VISIBLE_DEVICES=1" in environment.splitlines()
        allowed = host.check_output("systemctl show -p DeviceAllow --value jupyter@alice jupyter@bob")
        assert "/dev/char/195:1 rw" in allowed and "char-nvidia*" not in allowed
        shared = f"systemctl show -p DeviceAllow --value jupyter@alice user-{host.user('alice').uid}.slice"
        assert host.check_output(shared).count("/dev/fuse rw") == 2, "what is no GPU stays"

    def test_names_that_nobody_has_are_told_and_the_others_served(self, host, converge, restored):
        failed = converge(
            jupyter_group_limits={"studnets": {"memory_max": "1G"}}, jupyter_user_limits={"bbo": {"memory_max": "1G"}}
        )
        assert not failed.ok
        assert (
            "found no group 'studnets' on this host" in failed.message and "found 'bbo', who has no JupyterLab" in failed.message
        )
        assert all(open_door(host, user) for user in USERS)

    @pytest.mark.parametrize("limit", [{"memory_max": "64 GB"}, {"memroy_max": "1G"}, {"gpus": "all"}])
    def test_what_systemd_would_ignore_is_refused(self, converge, limit):
        failed = converge(jupyter_user_limits={"alice": limit})
        assert not failed.ok and "jupyter_user_limits: alice" in failed.message


@pytest.mark.one_release
def test_it_may_listen_on_a_socket_that_only_its_owner_can_open(host, converge, restored):
    moved = converge(jupyter_listen="socket", jupyter_restart="always")
    assert moved.ok, moved.message
    assert not host.socket(f"tcp://127.0.0.1:{PORTS['alice']}").is_listening
    path = "/run/lab-jupyter/alice.sock"
    assert (host.file(path).user, host.file(path).mode) == ("alice", 0o600)
    shown = login_of(host, "alice").run("lab-jupyter").stdout
    assert f"-L {PORTS['alice']}:{path} " in shown
    ask = f"import socket; s = socket.socket(socket.AF_UNIX); s.connect('{path}'); "
    ask += "s.sendall(b'GET /api HTTP/1.0\\r\\n\\r\\n'); print(s.recv(15))"
    assert "200 OK" in login_of(host, "alice").run(f'python3 -c "{ask}"').stdout
    assert "Permission denied" in login_of(host, "bob").run(f'python3 -c "{ask}"').stderr
    assert "it is up again" in login_of(host, "alice").run("lab-jupyter restart").stdout
    assert converge(jupyter_listen="socket").changed == 0
    assert json.loads(host.file("/etc/lab-jupyter.json").content_string)["listen"] == "socket"


@pytest.mark.one_release
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_conda_works_in_its_terminal(host, shell):
    """A terminal of JupyterLab is a login shell of its owner's."""
    path = host.check_output(f"command -v {shell}")
    # zsh asks whoever has no files of its own about them.
    host.check_output(f"install -o bob -g bob /dev/null /home/bob/.zshrc; usermod --shell {path} bob; systemctl stop jupyter@bob")
    try:
        with tunnel(login_of(host, "bob"), PORTS["bob"]) as port:
            bob = Jupyter(f"http://127.0.0.1:{port}", token_of(host, "bob"))
            wait_until_answers(bob)
            code = 'import os, sys; print(sys.prefix, os.environ["CONDA_DEFAULT_ENV"])'
            bob.shell(f"conda activate lab && python -c '{code}' > ~/terminal.txt")
            assert host.file("/home/bob/terminal.txt").content_string == "/opt/miniconda3/envs/lab lab\n"
            number = "$fish_pid" if shell == "fish" else "$$"
            assert f"bin/{shell}" in bob.shell(f"readlink /proc/{number}/exe")
    finally:
        host.check_output(
            "usermod --shell /bin/bash bob; systemctl restart jupyter@bob; rm -f /home/bob/.zshrc /home/bob/terminal.txt"
        )
