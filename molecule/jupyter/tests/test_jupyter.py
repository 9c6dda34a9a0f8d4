# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A JupyterLab for each researcher, used as they use it: through an SSH tunnel, with the token, in a kernel of the lab."""

from __future__ import annotations

import base64
import json
import os
import socket
import subprocess
import time
from pathlib import Path

import pytest
import requests
import websocket
from debian_packages import need
from jupyter_api import Jupyter, JupyterError, execute, wait_until_answers
from shell import TestbedError
from ssh_tunnel import Login, tunnel

EPHEMERAL = Path(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
USERS = ("alice", "bob")
# By the filter jupyter_port; people write these into their tunnel commands.
PORTS = {"alice": 20207, "bob": 28650}


def login_of(host, user):
    address = json.loads((EPHEMERAL / "ssh" / "addresses.json").read_text())[host.backend.get_hostname()]
    return Login(address, user, EPHEMERAL / "ssh" / "id_ed25519", EPHEMERAL / "ssh" / "known_hosts")


def token_of(host, user):
    return host.file(f"/var/lib/jupyter/{user}/token").content_string.strip()


def main_pid(host, user):
    return host.check_output(f"systemctl show -p MainPID --value jupyter@{user}")


@pytest.fixture(scope="module")
def door(host):
    """The local end of alice's tunnel to her JupyterLab."""
    with tunnel(login_of(host, "alice"), PORTS["alice"]) as port:
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def alice(host, door):
    jupyter = Jupyter(door, token_of(host, "alice"))
    wait_until_answers(jupyter)
    return jupyter


@pytest.fixture
def restored(host, converge):
    """What a test breaks is as it was for the next."""
    yield
    assert converge().ok


class TestService:
    @pytest.mark.parametrize("user", USERS)
    def test_it_runs_as_its_user_and_comes_back_at_boot(self, host, user):
        service = host.service(f"jupyter@{user}")
        assert service.is_running and service.is_enabled
        assert host.process.get(pid=main_pid(host, user)).user == user

    def test_nobody_else_has_one(self, host):
        assert host.check_output("systemctl list-units --all --plain --no-legend 'jupyter@*' | wc -l") == "2"

    @pytest.mark.parametrize("user", USERS)
    def test_it_listens_on_loopback_only(self, host, user):
        listening = host.check_output(f"ss -Hltn sport = :{PORTS[user]} | awk '{{print $4}}'").split()
        assert listening == [f"127.0.0.1:{PORTS[user]}"]

    def test_the_network_does_not_reach_it(self, host, client):
        address = login_of(host, "alice").host
        assert client.reaches(22), "the other host can reach this one at all"
        assert not client.reaches(PORTS["alice"])
        with pytest.raises(OSError):
            socket.create_connection((address, PORTS["alice"]), timeout=5)

    def test_it_runs_from_the_real_path_of_its_environment(self, host):
        executable = host.check_output(f"readlink /proc/{main_pid(host, 'alice')}/exe")
        assert executable.startswith(host.check_output("readlink -f /opt/miniconda3/envs/jupyter") + "/bin/")

    def test_it_ends_up_well_in_the_security_rating(self, host):
        verdict = host.check_output("systemd-analyze security --no-pager jupyter@alice | tail -n 1")
        assert float(verdict.split(": ")[1].split()[0]) <= 2.5, verdict


class TestToken:
    @pytest.mark.parametrize("user", USERS)
    def test_only_its_owner_can_read_it(self, host, user):
        file = host.file(f"/var/lib/jupyter/{user}/token")
        assert (file.user, file.group, file.mode) == (user, user, 0o600)
        other = next(name for name in USERS if name != user)
        assert "Permission denied" in login_of(host, other).run(f"cat /var/lib/jupyter/{user}/token").stderr
        assert len(token_of(host, user)) >= 43
        assert token_of(host, user) != token_of(host, other)

    def test_it_shows_up_nowhere_else(self, host):
        for user in USERS:
            token = f"/var/lib/jupyter/{user}/token"
            assert host.run(f"grep -rlF -f {token} /var/lib/jupyter").stdout.split() == [token], (
                "the pattern finds it where it is"
            )
            assert host.run(f"ps -eo args | grep -F -f {token}").rc == 1
            assert host.run(f"cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n' | grep -F -f {token}").rc == 1
            assert host.run(f"journalctl --no-pager | grep -F -f {token}").rc == 1
            readable = f"grep -rlF -f {token} /etc /usr/local /tmp /run /var/log /var/tmp"
            assert host.run(readable).stdout == ""
            assert host.run(f"find /home -perm /077 -type f -exec grep -lF -f {token} {{}} +").stdout == ""

    def test_the_owner_learns_it_from_the_server(self, host):
        shown = login_of(host, "alice").run("lab-jupyter").stdout
        assert f"http://127.0.0.1:{PORTS['alice']}/lab?token={token_of(host, 'alice')}\n" in shown
        assert f"ssh -N -L {PORTS['alice']}:127.0.0.1:{PORTS['alice']} -p 22 alice@" in shown
        stranger = login_of(host, "ops").run("lab-jupyter")
        assert stranger.returncode != 0 and "ops has no JupyterLab" in stranger.stderr

    def test_without_it_nothing_is_answered(self, host, door, alice):
        assert requests.get(f"{door}/api/kernels", timeout=30).status_code == 403
        assert requests.get(f"{door}/api/contents", params={"token": "wrong"}, timeout=30).status_code == 403
        page = requests.get(f"{door}/lab", timeout=30)
        assert page.url.startswith(f"{door}/login"), "the page asks to log in"
        # Other accounts of the server reach the port, and get no further.
        code = "import sys, urllib.request as r; r.urlopen(sys.argv[1])"
        inside = login_of(host, "bob").run(f"python3 -c '{code}' http://127.0.0.1:{PORTS['alice']}/api/kernels")
        assert "HTTP Error 403" in inside.stderr

    def test_it_stays_over_a_restart(self, host, alice):
        before = token_of(host, "alice"), main_pid(host, "alice")
        host.check_output("systemctl restart jupyter@alice")
        wait_until_answers(alice)
        assert token_of(host, "alice") == before[0]
        assert main_pid(host, "alice") != before[1]

    def test_the_users_own_configuration_cannot_give_it_up(self, host, door, alice):
        folder = "/home/alice/.jupyter"
        settings = "c.ServerApp.token = ''\nc.IdentityProvider.token = ''\nc.ServerApp.ip = '0.0.0.0'\n"
        settings += "c.ServerApp.allow_remote_access = True\n"
        host.check_output(
            "install -d -o alice -g alice %s && printf %%s %s > %s/jupyter_server_config.py", folder, settings, folder
        )
        try:
            host.check_output("systemctl restart jupyter@alice")
            wait_until_answers(alice)
            assert requests.get(f"{door}/api/kernels", timeout=30).status_code == 403
            self.assert_loopback_only(host)
        finally:
            host.check_output(f"rm {folder}/jupyter_server_config.py && systemctl restart jupyter@alice")
            wait_until_answers(alice)

    @staticmethod
    def assert_loopback_only(host):
        pid = main_pid(host, "alice")
        listening = [line.split()[3] for line in host.check_output("ss -Hltnp").splitlines() if f"pid={pid}," in line]
        assert listening == [f"127.0.0.1:{PORTS['alice']}"]


@pytest.fixture(scope="session")
def chromium():
    try:
        need("chromium", "chromium")
    except TestbedError as error:
        pytest.skip(str(error))
    return "chromium"


def test_a_browser_shows_the_launcher(alice, chromium, tmp_path):
    """The page as a browser has it once its scripts have run; the token is in the address, as the server tells it."""
    profile = f"--user-data-dir={tmp_path}"
    browser = [
        chromium,
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        profile,
        "--virtual-time-budget=30000",
        "--dump-dom",
    ]
    page = subprocess.run(
        [*browser, f"{alice.url}/lab?token={alice.token}"], capture_output=True, text=True, timeout=120, check=False
    )
    assert 'class="jp-LauncherCard' in page.stdout and 'title="lab"' in page.stdout, page.stderr
    assert '"news": {"disabled": true}' in page.stdout, "JupyterLab would fetch news from the internet"


class TestNotebooks:
    def test_a_kernel_of_the_lab_computes(self, host, alice):
        version = host.check_output("/opt/miniconda3/envs/lab/bin/python -c 'import numpy; print(numpy.__version__)'")
        assert execute(alice.url, alice.token, "lab", "import numpy; print(numpy.__version__)") == version
        prefix = execute(alice.url, alice.token, "lab", "import sys, getpass; print(sys.prefix, getpass.getuser())")
        assert prefix == host.check_output("readlink -f /opt/miniconda3/envs/lab") + " alice"

    def test_there_are_the_labs_kernels_and_no_others(self, alice):
        assert alice.kernels() == ["lab"]

    def test_a_kernel_of_the_users_own_is_offered_to_them_alone(self, host, alice):
        folder = "/home/alice/.local/share/jupyter/kernels/mine"
        spec = json.dumps({"argv": ["x"], "display_name": "Mine", "language": "python"})
        host.check_output("su alice -c %s", f"mkdir -p {folder} && echo '{spec}' > {folder}/kernel.json")
        try:
            assert alice.kernels() == ["lab", "mine"]
            with tunnel(login_of(host, "bob"), PORTS["bob"]) as port:
                assert Jupyter(f"http://127.0.0.1:{port}", token_of(host, "bob")).kernels() == ["lab"]
        finally:
            host.check_output(f"rm -r {folder}")

    def test_an_error_in_a_notebook_is_an_error(self, alice):
        with pytest.raises(JupyterError, match="ZeroDivisionError"):
            alice.execute("lab", "1 / 0")

    def test_a_terminal_works(self, alice, door):
        headers = {"Authorization": f"token {alice.token}"}
        name = requests.post(f"{door}/api/terminals", headers=headers, timeout=30).json()["name"]
        address = f"ws{door.removeprefix('http')}/terminals/websocket/{name}"
        channel = websocket.create_connection(address, timeout=30, header=headers)
        shown = ""
        try:
            channel.send(json.dumps(["stdin", "echo $((6*7))-$(id -un)-$PWD\r"]))
            deadline = time.monotonic() + 30
            while "42-alice-/home/alice" not in shown and time.monotonic() < deadline:
                kind, *rest = json.loads(channel.recv())
                shown += rest[0] if kind == "stdout" else ""
        finally:
            channel.close()
            requests.delete(f"{door}/api/terminals/{name}", headers=headers, timeout=30)
        assert "42-alice-/home/alice" in shown

    @pytest.mark.parametrize("header", [{"Host": "evil.example"}, {"Host": "192.0.2.1:8888"}])
    def test_other_names_of_the_server_are_refused(self, alice, header):
        """A page of another site cannot reach it by rebinding its name to loopback."""
        answer = requests.get(f"{alice.url}/api", headers={"Authorization": f"token {alice.token}", **header}, timeout=30)
        assert answer.status_code == 403

    @pytest.mark.parametrize(("origin", "accepted"), [("{door}", True), ("http://evil.example", False)])
    def test_kernels_are_open_to_its_own_pages_only(self, alice, door, origin, accepted):
        session = requests.Session()
        session.get(f"{door}/lab", params={"token": alice.token}, timeout=30).raise_for_status()
        headers = {"X-XSRFToken": session.cookies["_xsrf"], "Origin": door}
        kernel = session.post(f"{door}/api/kernels", json={"name": "lab"}, headers=headers, timeout=30).json()["id"]
        cookies = "; ".join(f"{cookie.name}={cookie.value}" for cookie in session.cookies)
        address = f"ws{door.removeprefix('http')}/api/kernels/{kernel}/channels"
        try:
            websocket.create_connection(address, timeout=30, origin=origin.format(door=door), cookie=cookies).close()
            assert accepted
        except websocket.WebSocketBadStatusException as refusal:
            assert not accepted and refusal.status_code == 403
        finally:
            session.delete(f"{door}/api/kernels/{kernel}", headers=headers, timeout=30)

    def test_a_form_of_another_site_is_refused(self, alice, door):
        """A cookie alone, without the token or the XSRF header, starts nothing."""
        session = requests.Session()
        session.get(f"{door}/lab", params={"token": alice.token}, timeout=30).raise_for_status()
        answer = session.post(f"{door}/api/kernels", json={"name": "lab"}, timeout=30)
        assert answer.status_code == 403 and "_xsrf" in answer.text


# Each line: what it prints in a notebook, and what it prints after a login over SSH, where there is no sandbox.
SANDBOX = [
    ("data that is not in jupyter_writable_paths", "try_to(lambda: open('/srv/open/x', 'w').close())", "EROFS", "done"),
    (
        "the rights of a setuid program",
        "subprocess.run(['setuid-id', '-u'], capture_output=True, text=True).stdout.strip()",
        "{uid}",
        "0",
    ),
    ("other users' processes", "len([name for name in os.listdir('/proc') if name == '1'])", "0", "1"),
    (
        "packets as they are on the wire",
        "try_to(lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW))",
        "EAFNOSUPPORT",
        "EPERM",
    ),
    ("namespaces of its own", "subprocess.run(['unshare', '--user', 'true'], capture_output=True).returncode", "1", "0"),
    ("setuid files", "try_to(lambda: (open('s', 'w').close(), os.chmod('s', 0o4755)))", "EPERM", "done"),
]
# What research needs, and hardening often breaks.
USABLE = [
    ("its home", "try_to(lambda: open(os.path.expanduser('~/x'), 'w').close())", "done"),
    ("a temporary directory", "try_to(lambda: open('/tmp/jupyter-x', 'w').close())", "done"),
    (
        "just-in-time compilers",
        "try_to(lambda: mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC))",
        "done",
    ),
    ("shared memory", "try_to(lambda: shared_memory.SharedMemory(create=True, size=64).unlink())", "done"),
    ("processes", "sum(multiprocessing.get_context('fork').Pool(2).map(abs, [-1, -2]))", "3"),
    ("threads on chosen cores", "try_to(lambda: os.sched_setaffinity(0, os.sched_getaffinity(0)))", "done"),
    ("sockets", "try_to(lambda: socket.create_server(('127.0.0.1', 0)).close())", "done"),
    ("random numbers and devices", "len(open('/dev/urandom', 'rb').read(3))", "3"),
    ("debuggers of its own processes", "try_to(lambda: ptrace_a_child())", "done"),
]
PROBE = """
import ctypes, errno, mmap, multiprocessing, os, signal, socket, subprocess
from multiprocessing import shared_memory

def try_to(do):
    try:
        do()
        return "done"
    except OSError as error:
        return errno.errorcode[error.errno]

def ptrace_a_child():
    child = subprocess.Popen(["sleep", "60"])
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.ptrace(16, child.pid, None, None) != 0:  # PTRACE_ATTACH
            raise OSError(ctypes.get_errno(), "ptrace")
    finally:
        child.kill()

os.chdir(os.path.expanduser("~"))
"""


def in_a_notebook(alice, expressions):
    code = PROBE + "".join(f"print({expression})\n" for expression in expressions)
    return execute(alice.url, alice.token, "lab", code).split("\n")


def over_ssh(host, expressions):
    code = PROBE + "".join(f"print({expression})\n" for expression in expressions)
    word = base64.b64encode(code.encode()).decode()
    done = login_of(host, "alice").run(f"echo {word} | base64 -d | /opt/miniconda3/envs/lab/bin/python -")
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().split("\n")


class TestSandbox:
    def test_it_keeps_away_what_a_login_could_do(self, host, alice):
        names, expressions, inside, outside = zip(*SANDBOX, strict=True)
        found = dict(zip(names, zip(in_a_notebook(alice, expressions), over_ssh(host, expressions), strict=True), strict=True))
        uid = str(host.user("alice").uid)
        assert found == dict(zip(names, zip([text.format(uid=uid) for text in inside], outside, strict=True), strict=True))

    def test_it_leaves_what_research_needs(self, alice):
        names, expressions, expected = zip(*USABLE, strict=True)
        assert dict(zip(names, in_a_notebook(alice, expressions), strict=True)) == dict(zip(names, expected, strict=True))

    def test_its_temporary_files_are_its_own(self, host, alice):
        path = "/tmp/of-alice"
        assert in_a_notebook(alice, [f"try_to(lambda: open('{path}', 'w').close())"]) == ["done"]
        assert not host.file(path).exists

    def test_the_kernel_has_no_rights_beyond_its_users(self, alice):
        status = execute(alice.url, alice.token, "lab", "print(open('/proc/self/status').read())")
        values = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        assert values["NoNewPrivs"] == "1" and values["Seccomp"] == "2"
        assert {values[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0000000000000000"}

    def test_pip_installs_for_the_user_and_does_not_touch_the_server(self, host, alice):
        """The user's own packages reach their kernels, and cannot break the JupyterLab that they would need to remove them."""
        wheel = """
import subprocess, sys, zipfile
with zipfile.ZipFile("/tmp/tornado-0.1-py3-none-any.whl", "w") as file:
    file.writestr("tornado/__init__.py", "mine = True\\n")
    file.writestr("tornado-0.1.dist-info/METADATA", "Metadata-Version: 2.1\\nName: tornado\\nVersion: 0.1\\n")
    wheel = "tornado-0.1.dist-info/WHEEL"
    file.writestr(wheel, "Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
    file.writestr("tornado-0.1.dist-info/RECORD", "")
command = [sys.executable, "-m", "pip", "install", "--user", "--no-index", "--no-deps", "--force-reinstall", file.filename]
subprocess.run(command, check=True, capture_output=True)
print(subprocess.run([sys.executable, "-c", "import tornado; print(tornado.mine)"], capture_output=True, text=True).stdout)
"""
        try:
            assert execute(alice.url, alice.token, "lab", wheel).strip() == "True"
            host.check_output("systemctl restart jupyter@alice")
            wait_until_answers(alice)
        finally:
            host.check_output("rm -rf /home/alice/.local/lib")


def states(host):
    return {user: (host.service(f"jupyter@{user}").is_running, host.service(f"jupyter@{user}").is_enabled) for user in USERS}


class TestRuns:
    @pytest.mark.parametrize(
        "fault", ["systemctl stop jupyter@bob; systemctl disable jupyter@alice", "systemctl mask --now jupyter@bob"]
    )
    def test_the_service_of_one_user_is_reported_and_repaired(self, host, converge, fault):
        alice = main_pid(host, "alice")
        host.run(fault)
        checked = converge("--check")
        assert checked.ok and checked.changed == 1
        assert not all(all(state) for state in states(host).values()), "check mode leaves it as it is"
        repaired = converge()
        assert repaired.ok and repaired.changed == 1
        assert all(all(state) for state in states(host).values())
        assert main_pid(host, "alice") == alice, "nobody else is interrupted"

    def test_a_change_waits_for_the_work_in_it(self, host, converge, alice, restored):
        headers = {"Authorization": f"token {alice.token}"}
        kernel = requests.post(f"{alice.url}/api/kernels", json={"name": "lab"}, headers=headers, timeout=30).json()["id"]
        pids = {user: main_pid(host, user) for user in USERS}
        changed = converge(jupyter_memory_max="3G")
        assert changed.ok and changed.results[-1]["restarted"] == ["bob"] and changed.results[-1]["pending"] == ["alice"]
        assert "alice is out of date" in str(changed.results[-1]["warnings"])
        assert main_pid(host, "alice") == pids["alice"] and main_pid(host, "bob") != pids["bob"]
        again = converge(jupyter_memory_max="3G")
        assert again.changed == 0 and again.results[-1]["pending"] == ["alice"]
        requests.delete(f"{alice.url}/api/kernels/{kernel}", headers=headers, timeout=30).raise_for_status()
        idle = converge(jupyter_memory_max="3G")
        assert idle.results[-1]["restarted"] == ["alice"] and main_pid(host, "alice") != pids["alice"]

    def test_those_who_left_lose_their_service_and_token(self, host, converge, restored):
        host.check_output("mkdir -p /etc/systemd/system/jupyter@bob.service.d")
        host.check_output("printf '[Service]\\nNice=5\\n' > /etc/systemd/system/jupyter@bob.service.d/nice.conf")
        checked = converge("--check", jupyter_users=["alice"])
        assert checked.ok and host.service("jupyter@bob").is_running
        assert converge(jupyter_users=["alice"]).ok
        assert not host.service("jupyter@bob").is_running and not host.service("jupyter@bob").is_enabled
        assert not host.file("/etc/systemd/system/jupyter@bob.service.d").exists
        assert not host.file("/var/lib/jupyter/bob").exists
        assert host.file("/home/bob").exists

    def test_a_port_moves_for_its_user_only_and_not_to_one_that_is_taken(self, host, converge, restored):
        alice = main_pid(host, "alice")
        assert converge(jupyter_ports={"bob": 31000}).results[-1]["restarted"] == ["bob"]
        assert host.socket("tcp://127.0.0.1:31000").is_listening
        assert not host.socket(f"tcp://127.0.0.1:{PORTS['bob']}").is_listening
        host.check_output("systemd-run --unit=thief --collect python3 -m http.server 31001 --bind 127.0.0.1")
        try:
            for arguments in (["--check"], []):
                failed = converge(*arguments, jupyter_ports={"bob": 31001})
                assert not failed.ok and "listening on port 31001 of bob" in failed.message
            assert host.socket("tcp://127.0.0.1:31000").is_listening, "he keeps what he had"
        finally:
            host.run("systemctl stop thief")
        assert main_pid(host, "alice") == alice

    def test_a_server_that_others_could_reach_is_stopped(self, host, converge, restored):
        unit = host.file("/etc/systemd/system/jupyter@.service").content_string
        start = next(line for line in unit.replace("\\\n", "").splitlines() if line.startswith("ExecStart="))
        opened = start.replace("ServerApp.ip=127.0.0.1", "ServerApp.ip=0.0.0.0")
        folder = "/etc/systemd/system/jupyter@bob.service.d"
        host.check_output("mkdir -p %s && printf '[Service]\\nExecStart=\\n%%s\\n' %s > %s/open.conf", folder, opened, folder)
        host.check_output("systemctl daemon-reload && systemctl restart jupyter@bob")
        try:
            failed = converge()
            assert not failed.ok and "listening on 0.0.0.0" in failed.message and folder in failed.message
            assert not host.service("jupyter@bob").is_running
        finally:
            host.check_output(f"rm -r {folder} && systemctl daemon-reload")

    def test_users_without_an_account_are_named_before_anything_changes(self, host, converge):
        failed = converge(jupyter_users=["alice", "nobody-knows"])
        assert not failed.ok and "no account on this host for: nobody-knows" in failed.message
        assert all(all(state) for state in states(host).values())
