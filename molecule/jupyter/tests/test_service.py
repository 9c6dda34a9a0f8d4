# Copyright: (c) 2026, openlab.research_server maintainers
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A JupyterLab for each researcher, used as they use it: through an SSH tunnel, with the token, in a kernel of the lab."""

from __future__ import annotations

import base64
import json
import socket
import subprocess
import time

import pytest
import requests
import websocket
from ansible_collections.openlab.research_server.plugins.plugin_utils._preflight.jupyter import FIXED_OPTIONS, check
from people.jupyter_api import Jupyter, JupyterError, execute, wait_until_answers
from people.researcher import login_of, main_pid, token_of
from people.ssh_tunnel import tunnel

USERS = ("alice", "bob")
# By the filter jupyter_port; people write these into their tunnel commands.
PORTS = {"alice": 20207, "bob": 28650}


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
        assert host.service(f"jupyter@{user}").is_running
        door = host.service(f"jupyter@{user}.socket")
        assert door.is_running and door.is_enabled, "it is woken at its door, from boot on"
        assert host.process.get(pid=main_pid(host, user)).user == user

    def test_nobody_else_has_one(self, host):
        assert host.check_output("systemctl list-units --all --plain --no-legend 'jupyter@*' | wc -l") == "4"

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
            own = f"/run/jupyter/{user}"
            # The sticky bit, Jupyter sets with its first kernel there (XDG Base Directory Specification, cleaning up).
            mode = host.file(own).mode & 0o777
            assert (host.file(own).user, mode) == (user, 0o700), "where Jupyter keeps it for its owner's programs"
            readable = f"grep -rlF -f {token} /etc /usr/local /tmp /run /var/log /var/tmp --exclude-dir={user}"
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

    @pytest.mark.one_release
    def test_it_stays_over_a_restart(self, host, alice, door):
        before = token_of(host, "alice"), main_pid(host, "alice")
        browser = requests.Session()
        browser.get(f"{door}/lab", params={"token": alice.token}, timeout=30).raise_for_status()
        host.check_output("systemctl restart jupyter@alice")
        wait_until_answers(alice)
        assert token_of(host, "alice") == before[0]
        assert main_pid(host, "alice") != before[1]
        assert browser.get(f"{door}/api/kernels", timeout=30).ok, "who was logged in still is"

    @pytest.mark.one_release
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


@pytest.mark.one_release
def test_a_browser_shows_the_launcher(alice, chromium, tmp_path):
    """The page as a browser has it once its scripts have run; the token is in the address, as the server tells it.

    What alice has left open in other browsers would come up in place of the launcher.
    """
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
        [*browser, f"{alice.url}/lab?reset&token={alice.token}"], capture_output=True, text=True, timeout=120, check=False
    )
    assert 'class="jp-LauncherCard' in page.stdout and 'title="lab"' in page.stdout, page.stderr
    assert '"news": {"disabled": true}' in page.stdout, "JupyterLab would fetch news from the internet"


@pytest.mark.one_release
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

    def test_it_writes_where_its_owner_is_told(self, alice):
        """Every folder that can be written there, as the README has it."""
        code = """
import subprocess
command = "find / ( -path /proc -o -path /home/alice ) -prune -o -type d -writable -print -prune"
print(*sorted(subprocess.run(command.split(), capture_output=True, text=True).stdout.split()), sep=",")
"""
        expected = "/dev/mqueue,/dev/shm,/run/jupyter/alice,/run/lock,/tmp,/var/lib/jupyter/alice,/var/tmp"
        assert execute(alice.url, alice.token, "lab", code) == expected

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
    doors = {user: host.service(f"jupyter@{user}.socket") for user in USERS}
    wanted = "/etc/systemd/system/sockets.target.wants"
    return {
        user: (host.service(f"jupyter@{user}").is_running, door.is_running, host.file(f"{wanted}/jupyter@{user}.socket").exists)
        for user, door in doors.items()
    }


def close(*users):
    """The command that ends their servers, and closes the doors at which they would be woken."""
    return "systemctl stop " + " ".join(f"jupyter@{user}.socket jupyter@{user}" for user in users)


@pytest.mark.one_release
class TestRuns:
    @pytest.mark.cases(1)
    @pytest.mark.parametrize(
        "fault",
        [
            f"{close('bob')}; systemctl disable jupyter@alice.socket",
            "systemctl mask --now jupyter@bob.socket jupyter@bob",
            "systemctl kill -s SIGSEGV jupyter@bob; systemctl stop jupyter@bob.socket; systemctl enable jupyter@bob.socket",
        ],
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
        settings = {"Nice": 1}
        host.check_output("systemctl start jupyter@bob")
        changed = converge(jupyter_unit_settings=settings)
        assert changed.ok and changed.results[-1]["restarted"] == ["bob"] and changed.results[-1]["pending"] == ["alice"]
        assert "alice is out of date" in str(changed.results[-1]["warnings"])
        assert main_pid(host, "alice") == pids["alice"] and main_pid(host, "bob") != pids["bob"]
        again = converge(jupyter_unit_settings=settings)
        assert again.changed == 0 and again.results[-1]["pending"] == ["alice"]
        requests.delete(f"{alice.url}/api/kernels/{kernel}", headers=headers, timeout=30).raise_for_status()
        idle = converge(jupyter_unit_settings=settings)
        assert idle.results[-1]["restarted"] == ["alice"] and main_pid(host, "alice") != pids["alice"]

    def test_those_who_left_lose_their_service_and_token(self, host, converge, restored):
        host.check_output("mkdir -p /etc/systemd/system/jupyter@bob.service.d")
        host.check_output("printf '[Service]\\nNice=5\\n' > /etc/systemd/system/jupyter@bob.service.d/nice.conf")
        checked = converge("--check", jupyter_users=["alice"])
        assert checked.ok and host.service("jupyter@bob").is_running
        assert converge(jupyter_users=["alice"]).ok
        assert states(host)["bob"] == (False, False, False)
        assert not any(host.file(f"/etc/systemd/system/jupyter@bob.{kind}.d").exists for kind in ("service", "socket"))
        assert not host.file(f"/etc/systemd/system/user-{host.user('bob').uid}.slice.d").exists
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
                pid = host.check_output("systemctl show -p MainPID --value thief")
                assert not failed.ok
                assert f"bob: found 'python3' of root, process {pid}, listening on 127.0.0.1:31001" in failed.message
                assert f"end it with 'kill {pid}'" in failed.message
            assert host.socket("tcp://127.0.0.1:31000").is_listening, "he keeps what he had"
        finally:
            host.run("systemctl stop thief")
        assert main_pid(host, "alice") == alice

    def test_a_server_that_others_could_reach_is_stopped(self, host, converge, restored):
        """Whatever its owner's configuration is up to; the others are served in the same run."""
        folder = "/home/bob/.jupyter"
        opened = "import builtins, socket\nbuiltins.kept = socket.create_server(('0.0.0.0', 31002))\n"
        host.check_output("install -d -o bob -g bob %s && printf %%s %s > %s/jupyter_server_config.py", folder, opened, folder)
        host.check_output(f"{close('alice')}; systemctl restart jupyter@bob")
        try:
            failed = converge()
            assert not failed.ok and "bob: found JupyterLab listening on 0.0.0.0:31002" in failed.message
            assert not host.service("jupyter@bob.socket").is_running, "nor is it woken"
            assert not host.service("jupyter@bob").is_running and host.service("jupyter@alice").is_running
        finally:
            host.check_output(f"rm -r {folder}")

    def test_a_server_listens_nowhere_but_at_its_door(self, host):
        unit = host.file("/etc/systemd/system/jupyter@.service").content_string
        start = next(line for line in unit.replace("\\\n", "").splitlines() if line.startswith("ExecStart="))
        path = "/etc/systemd/system/jupyter@bob.service.d/open.conf"
        host.check_output(
            "printf '[Service]\nExecStart=\n%%s\n' %s > %s", start.replace("ServerApp.ip=127.0.0.1", "ServerApp.ip=0.0.0.0"), path
        )
        host.check_output("systemctl daemon-reload; systemctl restart jupyter@bob")
        try:
            listening = [
                line.split()[3] for line in host.check_output("ss -Hltnp").splitlines() if "jupyter" in line or "python" in line
            ]
            assert f"127.0.0.1:{PORTS['bob']}" in listening
            assert all(address.startswith("127.0.0.1:") for address in listening), listening
        finally:
            host.check_output(f"rm {path} && systemctl daemon-reload && systemctl restart jupyter@bob")

    def test_a_door_that_opens_elsewhere_is_told_and_undone(self, host, converge):
        path = "/etc/systemd/system/jupyter@bob.socket.d"
        host.check_output(
            f"{close('bob')}; printf '[Socket]\nListenStream=0.0.0.0:31002\n' > {path}/x.conf; systemctl daemon-reload"
        )
        host.check_output("systemctl start jupyter@bob.socket")
        try:
            failed = converge()
            assert not failed.ok and f"bob: found its door 127.0.0.1:{PORTS['bob']}, 0.0.0.0:31002" in failed.message
        finally:
            host.check_output(f"rm {path}/x.conf && systemctl daemon-reload")
        undone = converge()
        assert undone.ok and not host.socket("tcp://0.0.0.0:31002").is_listening, undone.text

    def test_users_without_an_account_are_named_and_the_others_served(self, host, converge):
        host.check_output(close("bob"))
        host.check_output("echo twin:x:$(id -u bob):$(id -g bob)::/home/bob:/bin/bash >> /etc/passwd")
        try:
            failed = converge(jupyter_users=["alice", "bob", "nobody-knows", "twin"])
        finally:
            host.check_output("sed -i /^twin:/d /etc/passwd")
        assert not failed.ok and "nobody-knows: found no account on this host" in failed.message
        assert f"twin: found the uid {host.user('bob').uid}, which is bob's, too" in failed.message
        assert all(all(state) for state in states(host).values())
        assert converge().changed == 1, "the list of ports"

    @pytest.mark.cases(1)
    @pytest.mark.parametrize(
        ("fault", "repair", "says"),
        [
            ("mv /home/bob /home/.bob", "mv /home/.bob /home/bob", "No such file or directory"),
            ("chown root /home/bob", "chown bob /home/bob", "working directory failed: Permission denied"),
            ("cd /home/bob; mv .ssh keys; ln -s keys .ssh", "cd /home/bob; rm .ssh; mv keys .ssh", "found a link"),
        ],
    )
    @pytest.mark.usefixtures("restored")
    def test_a_home_that_does_not_do_is_its_owners_problem(self, host, converge, fault, repair, says):
        host.check_output(f"{close('alice', 'bob')}; {fault}")
        try:
            failed = converge()
            assert not failed.ok and "bob: found " in failed.message and says in failed.message, failed.message
            assert "alice" not in failed.message and host.service("jupyter@alice").is_running
        finally:
            host.check_output(f"systemctl stop jupyter@bob; {repair}")

    def test_a_lab_may_leave_keys_writable(self, host, converge, restored):
        assert converge(jupyter_protect_keys=False).ok
        assert host.run(f"nsenter --target {main_pid(host, 'alice')} --mount touch /home/alice/.ssh/x").rc == 0
        assert converge(jupyter_protect_keys=False).changed == 0

    def test_the_longest_name_has_kernels(self, host, converge, restored):
        """The name of a UNIX socket has at most 107 bytes (unix(7))."""
        name = "n" * 32
        host.check_output(f"useradd --create-home --groups ssh-users {name}")
        host.check_output(f"cp -a ~alice/.ssh ~{name}/ && chown -R {name}: ~{name}/.ssh")
        try:
            served = converge(jupyter_users=["alice", "bob", name], jupyter_ports={name: 31003})
            assert served.ok, served.message
            with tunnel(login_of(host, name), 31003) as port:
                jupyter = Jupyter(f"http://127.0.0.1:{port}", token_of(host, name))
                wait_until_answers(jupyter)
                assert jupyter.execute("lab", "print(6 * 7)").strip() == "42"
            assert converge().ok
        finally:
            host.run(f"systemctl stop user-$(id -u {name}).slice")
            host.check_output(f"userdel --remove {name}")


TABLE = "inet research_server_loopback"


def connects(host, user, port):
    code = f'import socket; socket.create_connection(("127.0.0.1", {port}), 2)'
    return login_of(host, user).run(f"python3 -c '{code}'").returncode == 0


def serve(unit, port):
    """A program of bob's that listens everywhere."""
    run = f"systemd-run -q --unit={unit} --collect -p User=bob python3 -m http.server {port}"
    return f"{run}; for i in $(seq 600); do ss -Hltn sport = :{port} | grep -q . && exit; sleep 0.1; done; exit 1"


@pytest.fixture
def page(host):
    host.check_output(serve("page", 31005))
    yield 31005
    host.run("systemctl stop page")


class TestLoopback:
    def test_a_port_belongs_to_its_owner(self, host, page):
        assert connects(host, "alice", PORTS["alice"]) and not connects(host, "bob", PORTS["alice"])
        assert connects(host, "bob", page) and not connects(host, "alice", page)

    @pytest.mark.one_release
    @pytest.mark.parametrize(("isolation", "server"), [("servers", False), ("none", True)])
    @pytest.mark.usefixtures("restored")
    def test_a_lab_may_want_less(self, host, converge, page, isolation, server):
        assert converge(jupyter_loopback_isolation=isolation).ok
        assert connects(host, "alice", PORTS["alice"]) and connects(host, "bob", page)
        assert connects(host, "bob", PORTS["alice"]) == server and connects(host, "alice", page)
        assert host.run(f"nft list table {TABLE}").rc == (1 if isolation == "none" else 0)
        assert converge(jupyter_loopback_isolation=isolation).changed == 0

    def test_other_machines_do_not_reach_a_server_that_listens_everywhere(self, host, client, page, restored):
        """There is no firewall on this host."""
        assert client.reaches(page)
        host.check_output(close("bob"))
        port = PORTS["bob"]
        host.check_output(serve("open", port))
        try:
            assert connects(host, "bob", port) and not client.reaches(port)
        finally:
            host.check_output("systemctl stop open")

    @pytest.mark.cases(1)
    @pytest.mark.one_release
    @pytest.mark.parametrize(
        "fault",
        [
            f"nft delete table {TABLE}",
            f"nft insert rule {TABLE} output accept; systemctl disable research-server-loopback",
            "rm /etc/research-server/loopback.nft",
        ],
    )
    def test_what_somebody_has_changed_is_told_and_undone(self, host, converge, fault):
        pids = {user: main_pid(host, user) for user in USERS}
        host.check_output(fault)
        checked = converge("--check", "--diff")
        assert checked.ok and checked.changed == 1 and checked.results[-1]["diff"]
        repaired = converge()
        assert repaired.ok and repaired.changed == 1
        assert {user: main_pid(host, user) for user in USERS} == pids, "nobody is interrupted"

    def test_it_is_loaded_again_after_nftables(self, host):
        """Debian's service empties the whole ruleset."""
        host.check_output("systemctl start nftables")
        for verb in ("reload", "restart"):
            host.check_output(f"systemctl {verb} nftables")
            assert not connects(host, "bob", PORTS["alice"]), verb

    def test_nothing_that_is_stopped_opens_it(self, host):
        host.check_output("systemctl stop research-server-loopback")
        try:
            assert not connects(host, "bob", PORTS["alice"])
        finally:
            host.check_output("systemctl start research-server-loopback")

    def test_no_server_starts_without_it(self, host, restored):
        host.check_output(f"{close('bob')}; nft delete table {TABLE}")
        assert host.run("systemctl start jupyter@bob").rc != 0
        host.check_output("systemctl stop jupyter@bob")

    def test_a_host_that_cannot_load_rules_is_told_the_way_out(self, host, converge):
        """As in a container: root without the capability."""
        wrapper = "/usr/local/bin/python-in-a-container"
        program = '#!/bin/sh\n[ "$(id -u)" = 0 ] || exec python3 "$@"\n'
        program += 'exec setpriv --bounding-set=-net_admin --inh-caps=-net_admin python3 "$@"\n'
        host.check_output("printf %%s %s > %s && chmod 755 %s", program, wrapper, wrapper)
        host.check_output(close("bob"))
        try:
            failed = converge(ansible_python_interpreter=wrapper)
            assert not failed.ok and "NET_ADMIN" in failed.message
            assert "jupyter_loopback_isolation: none" in failed.message
            assert not host.service("jupyter@bob").is_running, "nothing starts unprotected"
            unprotected = converge(ansible_python_interpreter=wrapper, jupyter_loopback_isolation="none")
            assert unprotected.ok and host.service("jupyter@bob").is_running
        finally:
            assert converge().ok

    def test_it_is_there_from_the_start(self, host, reboot):
        host.check_output("systemctl enable nftables")
        reboot()
        assert not connects(host, "bob", PORTS["alice"])
        show = "systemctl show --value -p ActiveEnterTimestampMonotonic"
        loaded = int(host.check_output(f"{show} research-server-loopback"))
        assert 0 < loaded < int(host.check_output(f"{show} sysinit.target"))
        assert loaded < min(
            int(host.check_output(f"{show} {unit}")) for unit in ("ssh.service", *map("jupyter@{}.socket".format, USERS))
        )


# What decides nothing about who connects: judged for the versions that the lock of the test bed names.
FREE = {
    *("allow_external_kernels", "allow_password_change", "allowed_extensions_uris", "answer_yes", "app_dir"),
    *("app_settings_dir", "app_url", "authorizer_class", "autoreload", "autorestart", "blacklist_uris"),
    *("blocked_extensions_uris", "browser", "cache_files", "cache_ports", "certfile", "check_for_updates_class"),
    *("client_ca", "client_class", "client_factory", "collaborative", "config_manager_class", "connection_file"),
    *("contents_manager_class", "control_port", "cookie_name", "copy_absolute_path", "core_mode", "custom_css"),
    *("custom_display_url", "default_url", "dev_mode", "expose_app_in_browser", "extension_manager"),
    *("extensions_in_dev_mode", "external_connection_dir", "extra_event_schema_paths", "extra_labextensions_path"),
    *("extra_log_scrub_param_keys", "extra_static_paths", "extra_template_paths", "file_to_run", "file_url_prefix"),
    *("hb_port", "iopub_data_rate_limit", "iopub_msg_rate_limit", "iopub_port", "jinja2_options"),
    *("jinja_environment_options", "jinja_template_vars", "jpserver_extensions", "kernel_manager_class"),
    *("kernel_websocket_connection_class", "kernel_ws_protocol", "keyfile", "labextensions_path", "labextensions_url"),
    *("limit_rate", "listings_refresh_seconds", "listings_request_options", "listings_url", "lock_all_plugins"),
    *("log_datefmt", "log_format", "log_level", "logging_config", "max_body_size", "max_buffer_size"),
    *("min_open_files_limit", "nbconvert_csp_sandbox", "news_url", "notebook_dir", "notebook_starts_kernel"),
    *("override_static_url", "override_theme_url", "preferred_dir", "pylab", "quit_button", "rate_limit_window"),
    *("reraise_server_extension_failures", "restarter_class", "root_dir", "schemas_dir", "session_manager_class"),
    *("settings_url", "shell_port", "shutdown_no_activity_timeout", "shutdown_wait_time", "skip_dev_build"),
    *("splice_source", "ssl_options", "static_dir", "static_immutable_cache", "static_paths", "static_url_prefix"),
    *("stdin_port", "template_paths", "templates_dir", "terminado_settings", "terminals_enabled", "themes_dir"),
    *("themes_url", "translations_api_url", "transport", "transport_encryption", "tree_url", "updatable_fields"),
    *("use_redirect_file", "user_settings_dir", "watch", "webbrowser_open_new", "websocket_compression_options"),
    *("websocket_ping_interval", "websocket_ping_timeout", "websocket_url", "whitelist_uris", "workspaces_api_url"),
    *("workspaces_dir",),
}
TRAITS = """
import json
from jupyter_server.auth import identity
from jupyter_server.serverapp import ServerApp
from jupyter_server.services.kernels.kernelmanager import ServerKernelManager
from jupyterlab.labapp import LabApp

owners = (ServerApp, LabApp, ServerKernelManager, identity.PasswordIdentityProvider)
print(json.dumps({
    "traits": {owner.__name__: sorted(owner.class_traits(config=True)) for owner in owners},
    "names": {owner.__name__: owner.section_names() for owner in owners},
}))
"""


class TestOptions:
    def test_no_name_of_a_protected_option_is_left_open(self, host):
        """Asked of the packages themselves: every class by whose name traitlets and Jupyter take an option."""
        told = json.loads(host.check_output("/opt/miniconda3/envs/jupyter/bin/python -I -c %s", TRAITS))
        known = {trait for traits in told["traits"].values() for trait in traits}
        assert known - FREE == FIXED_OPTIONS, "each option of these versions is either harmless or refused"
        classes = {name for names in told["names"].values() for name in names} | {"NotebookApp"}
        assert {"Configurable", "SingletonConfigurable", "Application", "JupyterApp", "LabApp", "ServerApp"} < classes
        passed = [
            option
            for option in (f"{name}.{trait}" for name in classes for trait in FIXED_OPTIONS)
            if not check({"jupyter_server_options": {option: 1}})
        ]
        assert passed == []

    @pytest.mark.one_release
    def test_an_option_by_another_name_stops_the_run(self, host, converge):
        names = ["NotebookApp", "LabApp", "JupyterApp", "SingletonConfigurable"]
        failed = converge(jupyter_server_options={f"{name}.ip": "0.0.0.0" for name in names})
        assert not failed.ok and all(f"found '{name}.ip'" in failed.message for name in names)
